"""A history: what happens to a wiki and between its runs, drawn from a seed, as plain data that can be printed and cut down."""

from __future__ import annotations

import random
import re
import zlib
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from airflow_provider_confluence.sync.context import CRASH_POINTS
from airflow_provider_confluence.testing.sandbox import faults, readings
from airflow_provider_confluence.testing.sandbox.faults import DrawnFault, Fault
from tests.sync.histories import ACTIONS, SCOPE, TREE, act, act_on_scope, act_on_tree

MODES = ("auto", "auto", "auto", "changes", "changes", "reconcile", "verify", "full")


@dataclass(frozen=True)
class Meanwhile:
    """Something that happens to the wiki while a run asks."""

    action: str
    number: int
    after: int

    def make(self, wiki: Any) -> Fault:
        return faults.During(lambda _: do(wiki, self.action, self.number), after=self.after)


def make_fault(spec: DrawnFault | Meanwhile, wiki: Any, *, in_flight: int = 1) -> Fault:
    """Return a fault ready to be switched on; those that lie about listings do not lie about items asked for by id.

    Where several requests are under way at once, which of them comes first hangs on threads: there it strikes by question.
    """
    if isinstance(spec, Meanwhile):
        return spec.make(wiki)
    fault = spec.make()
    fault = OnListings(fault) if fault.lies_about_listings else fault
    return fault if in_flight == 1 else ByQuestion(fault)


@dataclass(frozen=True)
class Step:
    """What happens to the wiki and the datasource, and then a run. ``point``: where it is stopped; ``killed``: by SIGKILL.

    ``targets``: numbers of the items that the run looks at alone; ``mode`` does not count then.
    """

    actions: tuple[tuple[str, int], ...] = ()
    faults: tuple[DrawnFault | Meanwhile, ...] = ()
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
            lines += [f"   {fault}" for fault in step.faults]
        return "\n".join(lines)


def draw(seed: int) -> History:
    """Return the history of a seed; the same seed gives the same history."""
    chance = random.Random(seed)
    edition = chance.choice(["cloud", "datacenter"])
    return History(
        seed,
        edition,
        readings.draw(chance),
        rows=chance.choice([None, 1, 2, 3, 5]),
        in_flight=chance.choice([1, 1, 4]),
        deployment=chance.choice(["auto", edition, edition]),
        settings=chance.choice([{}, {"cheap_reconcile_requests": 1}, {"cheap_reconcile_requests": 1, "max_shards": 2}]),
        steps=_with_scopes(seed, tuple(_draw_step(chance) for _ in range(chance.randint(1, 6)))),
    )


def _with_scopes(seed: int, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Let the scope change in some histories. Drawn apart, so that the others stay what their seeds made them before."""
    chance = random.Random(f"scope of {seed}")
    if chance.random() < 0.6:
        return steps

    def scoped(step: Step) -> Step:
        more = tuple((chance.choice(SCOPE), chance.randint(0, 30)) for _ in range(chance.choice([0, 1, 1, 2])))
        return replace(step, actions=more + step.actions if chance.random() < 0.5 else step.actions + more)

    return tuple(map(scoped, steps))


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


def _draw_fault(chance: random.Random) -> DrawnFault | Meanwhile:
    if chance.random() < 0.85:
        return faults.draw(chance)
    # One thing that neither hides nor deletes, so that what is shown before and after was shown all the time.
    on_pages = ["edit", "move", "retitle", "reparent", "create", "create_child", "attach", "relabel"]
    action = chance.choice([*on_pages, "comment", "comment_inline", "reply", "edit_comment", "resolve_comment"])
    return Meanwhile(action, chance.randint(0, 30), chance.randint(0, 12))


def do(wiki: Any, action: str, number: int) -> None:
    """Do one of all the actions."""
    with wiki.model.lock:
        (act_on_scope if action in SCOPE else act_on_tree if action in TREE else act)(wiki, action, number)


# ---------------------------------------------------------------- what the server does to listings
_OF_ONE_CONTAINER = re.compile(r"/(pages|blogposts|content)/[^/]+/(attachments|child/attachment)$")
_ONE = re.compile(r"/(content|footer-comments|inline-comments)/\d+(/versions)?$")


def asks_by_id(request: Any) -> bool:
    """Say whether a request names the items that it asks for."""
    named = any(name in request.query for name in ("id", "ids", "accountId")) or bool(_ONE.search(request.path))
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


_PLACES = ("cursor", "start")
_ONE_IN = 3


class ByQuestion(Fault):
    """Strikes one question in three, and each of them as often, and after as many of its answers, as the fault says.

    A question is what is asked, whatever page of the answer; its pages and its repetitions come one after the other. So what is struck
    does not hang on the order in which threads ask different questions.
    """

    def __init__(self, fault: Fault) -> None:
        super().__init__(route=fault.route, times=None)
        self.fault = fault
        self._asked: Counter[str] = Counter()

    def matches(self, request: Any) -> bool:
        if not self.fault.matches(request):
            return False
        query = sorted((name, values) for name, values in request.query.items() if name not in _PLACES)
        question = f"{type(self.fault).__name__} {request.method} {request.path} {query} {request.body!r}"
        before = self._asked[question]
        self._asked[question] += 1
        times = self.fault.times
        is_due = before >= self.fault.after and (times is None or before < self.fault.after + times)
        return is_due and zlib.crc32(question.encode()) % _ONE_IN == 0

    def apply(self, request: Any, answer: Any, /) -> Any:
        self.fault.clock = self.clock
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
