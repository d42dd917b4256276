"""A history: what happens to a wiki and between its runs, drawn from a seed, as plain data that can be printed and cut down."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from airflow_provider_confluence.sync.context import CRASH_POINTS
from airflow_provider_confluence.testing.sandbox import faults as sandbox_faults
from airflow_provider_confluence.testing.sandbox.fault import Fault
from tests.sync.histories import ACTIONS, TREE, act, act_on_tree

MODES = ("auto", "auto", "auto", "changes", "changes", "reconcile", "verify", "full")
LIES = ("ShortListing", "EmptyListing", "RepeatedCursor", "EmptyNext", "EndlessNext", "SilentCap", "WrongNextStart")
# Drawn from more than one value; a history takes one of each.
READINGS: dict[str, tuple[Any, ...]] = {
    "move_bumps_version": (False, True),
    "restore_bumps_version": (False, True),
    "archiving_lifts_children": (True, False),
    "hidden_covers_descendants": (True, True, False),
    "cloud_cursor": ("keyset", "offset"),
    "cloud_default_sort": ("id", "-id", "-modified-date"),
    "attachments_follow_container": (True, False),
    "page_by_id_answers_trashed": (True, False),
    "anonymous_access": (False, True),
    "cql_index_lag_seconds": (0.0, 60.0, 400.0),
    "cql_zone_offset_minutes": (0, 330, -480),
    "cql_lists_archived": (False, True),
    "scan_available": (True, True, False),
    "scan_cursor_with_type": ("accepted", "refused"),
    "scan_remembers_type": (True, False),
    "datacenter_links_relative_to": ("base", "host", "nothing"),
    "list_cap_bare": (500, 3),
    "list_cap_expanded": (200, 2),
    "search_cap_bare": (1000, 4),
    "search_cap_expanded": (200, 3),
    "datacenter_utc_offset_minutes": (120, -300, 0),
}


@dataclass(frozen=True)
class FaultSpec:
    """A fault to be switched on: its class, its arguments, and whether it lies about listings only, not about items asked for by id."""

    name: str
    options: dict[str, Any]
    listings_only: bool = False

    def make(self, wiki: Any) -> Fault:
        if self.name == "Meanwhile":
            action, number = self.options["action"], self.options["number"]
            return sandbox_faults.During(lambda _: do(wiki, action, number), after=self.options["after"])
        fault: Fault = getattr(sandbox_faults, self.name)(**self.options)
        return OnListings(fault) if self.listings_only else fault


@dataclass(frozen=True)
class Step:
    """What happens to the wiki and the datasource, and then a run. ``point``: where it is stopped; ``killed``: by SIGKILL.

    ``targets``: numbers of the items that the run looks at alone; ``mode`` does not count then.
    """

    actions: tuple[tuple[str, int], ...] = ()
    faults: tuple[FaultSpec, ...] = ()
    mode: str = "auto"
    point: str | None = None
    passing: int = 1
    killed: bool = False
    wait_seconds: int = 0
    shows_space: bool = True
    repeats_old_task: int | None = None
    targets: tuple[int, ...] = ()

    def options(self, wiki: Any) -> dict[str, Any]:
        """Return how to run: in a mode, or over some of the items that there are."""
        ids = [item.public_id for item in wiki.model if item.type != "folder"] if self.targets else []
        return {"content_ids": [ids[number % len(ids)] for number in self.targets]} if ids else {"mode": self.mode}


@dataclass(frozen=True)
class History:
    """Everything that decides what happens. ``rows``: how many rows of a list the server sends at most."""

    seed: int
    edition: str
    readings: dict[str, Any]
    rows: int | None = None
    in_flight: int = 1
    deployment: str = "auto"
    settings: dict[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()

    def smaller(self) -> list[History]:
        """Return histories with one thing left out, the largest pieces first."""
        found = [replace(self, steps=self.steps[:n] + self.steps[n + 1 :]) for n in range(len(self.steps))]
        for n, step in enumerate(self.steps):
            shorter = [
                replace(step, actions=step.actions[:k] + step.actions[k + 1 :]) for k in range(len(step.actions))
            ]
            shorter += [replace(step, faults=step.faults[:k] + step.faults[k + 1 :]) for k in range(len(step.faults))]
            plain = {
                "targets": (),
                "point": None,
                "killed": False,
                "wait_seconds": 0,
                "shows_space": True,
                "repeats_old_task": None,
            }
            shorter += [replace(step, **{k: v}) for k, v in plain.items() if getattr(step, k) != v]
            found += [replace(self, steps=(*self.steps[:n], s, *self.steps[n + 1 :])) for s in shorter]
        for name in self.readings:
            found.append(replace(self, readings={k: v for k, v in self.readings.items() if k != name}))
        for name in self.settings:
            found.append(replace(self, settings={k: v for k, v in self.settings.items() if k != name}))
        found += [replace(self, rows=None)] * (self.rows is not None) + [replace(self, in_flight=1)] * (
            self.in_flight > 1
        )
        return found

    def __str__(self) -> str:
        lines = [f"{self.edition}, rows {self.rows}, in flight {self.in_flight}, deployment {self.deployment}"]
        lines += [f"readings {self.readings}, settings {self.settings}"]
        for number, step in enumerate(self.steps, 1):
            stop = f", stopped at {step.point}/{step.passing}{' by SIGKILL' * step.killed}" if step.point else ""
            more = ", space stays hidden" * (not step.shows_space) + f", old task {step.repeats_old_task}" * (
                step.repeats_old_task is not None
            )
            how = f"over {step.targets}" if step.targets else step.mode
            lines.append(f"{number}. {list(step.actions)}; wait {step.wait_seconds} s; run {how}{stop}{more}")
            lines += [f"   {f.name}({f.options}{', listings only' * f.listings_only})" for f in step.faults]
        return "\n".join(lines)


def draw(seed: int) -> History:
    """Return the history of a seed; the same seed gives the same history."""
    chance = random.Random(seed)
    edition = chance.choice(["cloud", "datacenter"])
    defaults = {name: values[0] for name, values in READINGS.items()}
    readings = {name: chance.choice(values) for name, values in READINGS.items()}
    return History(
        seed,
        edition,
        {name: value for name, value in readings.items() if value != defaults[name]},
        rows=chance.choice([None, 1, 2, 3, 5]),
        in_flight=chance.choice([1, 1, 4]),
        deployment=chance.choice(["auto", edition, edition]),
        settings=chance.choice([{}, {"cheap_reconcile_requests": 1}, {"cheap_reconcile_requests": 1, "max_shards": 2}]),
        steps=tuple(_draw_step(chance) for _ in range(chance.randint(1, 6))),
    )


def _draw_step(chance: random.Random) -> Step:
    actions = tuple((chance.choice([*ACTIONS, *TREE]), chance.randint(0, 30)) for _ in range(chance.randint(0, 6)))
    point = chance.choice([None, None, *CRASH_POINTS]) if chance.random() < 0.5 else None
    return Step(
        actions,
        tuple(_draw_fault(chance) for _ in range(chance.choice([0, 0, 1, 1, 2, 3]))),
        mode=chance.choice(MODES),
        point=point,
        passing=chance.choice([1, 1, 2, 3]),
        killed=point is not None and chance.random() < 0.3,
        wait_seconds=chance.choice([0, 1, 30, 300, 900, 7 * 3600]),
        shows_space=chance.random() < 0.7,
        repeats_old_task=chance.randint(0, 8) if chance.random() < 0.15 else None,
        targets=tuple(chance.randint(0, 30) for _ in range(chance.randint(1, 4))) if chance.random() < 0.15 else (),
    )


def _draw_fault(chance: random.Random) -> FaultSpec:
    after, times = chance.randint(0, 12), chance.choice([1, 1, 2, 4])
    route = chance.choice(["*", "*", "*/search", "*/pages", "*/attachments*", "*/content*", "*/spaces*"])
    where: dict[str, Any] = {"route": route, "after": after if route == "*" else after // 4}
    kind = chance.randint(0, 11)
    if kind <= 3:
        name = chance.choice(LIES)
        options: dict[str, Any] = {"SilentCap": {"rows": chance.randint(1, 3)}}.get(name, {})
        if name == "WrongNextStart":
            options = {"by": chance.choice([-2, -1, 1, 3])}
        lasting = chance.choice([1, 2, None])
        return FaultSpec(name, {**options, **where, "after": chance.randint(0, 4), "times": lasting}, True)
    if kind == 4:
        return FaultSpec(
            "Respond", {"status": 429, "retry_after": chance.choice([0, 0.5, 20, 7200]), **where, "times": times}
        )
    if kind == 5:
        burst = {"status": chance.choice([500, 502, 503, 504]), "times": chance.choice([1, 3, 6, 20])}
        return FaultSpec("Respond", {**burst, **where})
    if kind == 6:
        return FaultSpec("Respond", {"status": chance.choice([400, 401, 403, 404, 413]), **where, "times": 1})
    if kind == 7:
        return FaultSpec("DropConnection", {**where, "times": times})
    if kind == 8:
        return FaultSpec("CutShort", {"after_bytes": chance.choice([0, 1, 100, 400]), **where, "times": times})
    if kind == 9:
        return FaultSpec("TooManyIds", {"over": chance.randint(1, 3)})
    if kind == 10:
        odd = [
            ("LoginPage", {}),
            ("RedirectElsewhere", {}),
            ("MissingScope", {}),
            ("RateLimitHeaders", {"near_limit": True}),
        ]
        name, options = chance.choice([*odd, ("RateLimitHeaders", {})])
        return FaultSpec(name, {**options, **where})
    # One thing that neither hides nor deletes, so that what is shown before and after was shown all the time.
    action = chance.choice(["edit", "move", "retitle", "reparent", "create", "create_child", "attach", "relabel"])
    return FaultSpec("Meanwhile", {"action": action, "number": chance.randint(0, 30), "after": after})


def do(wiki: Any, action: str, number: int) -> None:
    """Do one of all the actions."""
    with wiki.model.lock:
        (act_on_tree if action in TREE else act)(wiki, action, number)


# ---------------------------------------------------------------- what the server does to listings
_OF_ONE_CONTAINER = re.compile(r"/(pages|blogposts|content)/[^/]+/(attachments|child/attachment)$")


def asks_by_id(request: Any) -> bool:
    """Say whether a request names the items that it asks for."""
    named = any(name in request.query for name in ("id", "ids", "accountId"))
    return named or any(re.search(r"\bid\b", cql) for cql in request.query.get("cql", []))


class OnListings(Fault):
    """Lets a fault lie about what is listed, but not where Confluence is asked again for what vanished: if all its answers agree on a
    lie, nobody can know."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(route=fault.route, times=fault.times, after=fault.after)
        self.fault = fault

    def matches(self, request: Any) -> bool:
        again = asks_by_id(request) or _OF_ONE_CONTAINER.search(request.path)
        return not again and self.fault.matches(request)

    def apply(self, request: Any, answer: Any, /) -> Any:
        return self.fault.apply(request, answer)


class FewRows(Fault):
    """Sends at most so many rows of a list, as a server may: its next address goes on from there."""

    def __init__(self, rows: int) -> None:
        super().__init__(times=None)
        self.rows = str(rows)

    def matches(self, request: Any) -> bool:
        return not asks_by_id(request) and int(request.one("limit") or 0) > int(self.rows)

    def apply(self, request: Any, answer: Any, /) -> Any:
        query = {**request.query, "limit": [self.rows]}
        return answer(replace(request, query=query, raw_query=urlencode(query, doseq=True)))
