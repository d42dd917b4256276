"""Which items are really gone, and which deletions wait for consent.

Absence from a listing is a hint, not a proof: under load Confluence was seen to leave out or to refuse what is there. So a vanished id is
asked for again by another route, and a deletion that is larger than usual is withheld until somebody consents.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from airflow_provider_confluence.confluence.client import ConfluenceClient
from airflow_provider_confluence.documents import TREE_TYPES, Entry, Failure
from airflow_provider_confluence.sync.manifest import Record
from airflow_provider_confluence.sync.scope import Judged

# A deletion of this many items or fewer is never withheld.
FEW = 50
# Should a list come empty by mistake, a run must not ask one by one for all that it did not name: so many of a kind, no more.
MOST_SINGLY = 2_000


@dataclass(slots=True)
class Vanished:
    """``gone``: confirmed, to be removed. ``found``: still there after all, as it is now. ``unsure``: not asked or not answered.

    ``elsewhere``: those of the gone that are shown out of scope.
    """

    gone: list[Record] = field(default_factory=list)
    found: dict[str, Entry] = field(default_factory=dict)
    unsure: list[Record] = field(default_factory=list)
    elsewhere: dict[str, Entry] = field(default_factory=dict)


def confirm(
    client: ConfluenceClient,
    missing: Iterable[Record],
    *,
    current: Mapping[str, Entry],
    content_types: Collection[str],
    judge: Callable[[Mapping[str, Entry]], Judged],
) -> Vanished:
    """Ask again for items that a complete listing did not name.

    Cost in requests: ⌈pages / 250⌉ + ⌈blog posts / 250⌉ + 1 a container that lost attachments + ⌈comments / 100⌉ (Cloud: 1 or 2 a
    comment) + 1 a folder or its like + ⌈containers that nobody named / 250⌉; what goes with a container that is gone is not asked for. An
    id of no known type is asked for as all that it may be: on Cloud 1 for an attachment, up to 2 as a comment and 4 as a folder or its
    like; on Data Center up to 2 as an attachment and 2 as a comment. More than 2,000 such containers, comments or ids wait for another
    run, each kind for itself.

    :param current: what was listed, by content id: an attachment or comment whose container is not there goes with it.
    :param content_types: what the datasource takes; an id of no known type is asked for as no other, but for pages and blog posts.
    :param judge: which of the items that are still there belong to the datasource.
    :raises ConfluenceProviderError: when asking fails; then nothing is known to be gone.
    """
    by_type: dict[str, list[Record]] = defaultdict(list)
    for record in missing:
        by_type[record.type].append(record)
    return _Confirmation(client, current, content_types, judge).settle(by_type)


class _Confirmation:
    """One call of confirm: its steps share what was found so far."""

    def __init__(
        self,
        client: ConfluenceClient,
        current: Mapping[str, Entry],
        content_types: Collection[str],
        judge: Callable[[Mapping[str, Entry]], Judged],
    ) -> None:
        self.client = client
        self.current = current
        self.content_types = content_types
        self.judge = judge
        self.result = Vanished()
        # Ids of what is shown, though whether it is in scope cannot be told.
        self.unknown: set[str] = set()

    def settle(self, missing: dict[str, list[Record]]) -> Vanished:
        pages, posts, untyped = (missing.pop(type_, []) for type_ in ("page", "blogpost", ""))
        # An id that only the sink knew has no type: it is asked for as all that it may be.
        answered = self._ask_bodies("page", _ids([*pages, *untyped])) | self._ask_bodies(
            "blogpost", _ids([*posts, *untyped])
        )
        for record in (*pages, *posts, *(r for r in untyped if r.content_id in answered)):
            if record.content_id not in self.result.found:
                self._lose(record, record.content_id in self.unknown)
        self._confirm_strangers([record for record in untyped if record.content_id not in answered])
        self._confirm_nodes([record for type_ in TREE_TYPES for record in missing.pop(type_, [])])
        contained = (*missing.get("attachment", ()), *missing.get("comment", ()))
        self._find_holders({record.container_id for record in contained if record.container_id})
        containers = self._containers()
        self._confirm_attachments(self._contained(missing.pop("attachment", []), containers))
        # Those on an archived page are not indexed.
        current_ones = {content_id: entry for content_id, entry in containers.items() if entry.status == "current"}
        self._confirm_comments(self._contained(missing.pop("comment", []), current_ones))
        for rest in missing.values():
            self.result.unsure += rest
        return self.result

    def _lose(self, record: Record, doubted: bool) -> None:
        (self.result.unsure if doubted else self.result.gone).append(record)

    def _containers(self) -> dict[str, Entry]:
        return {**self.current, **self.result.found}

    def _ask_bodies(self, type_: Literal["page", "blogpost"], content_ids: list[str]) -> set[str]:
        """Ask for pages or blog posts; what is shown in scope is found. Return the ids that were answered, whatever their status."""
        if not content_ids:
            return set()
        answers = self.client.look_up(type_, content_ids)
        judged = self.judge({i: e for i, e in answers.items() if e.status in self.client.shown_statuses})
        self.result.found.update(judged.within)
        self.result.elsewhere.update(judged.outside)
        self.unknown.update(judged.unknown)
        return set(answers)

    def _confirm_strangers(self, strangers: list[Record]) -> None:
        """Settle ids of no known type that are no page and no blog post."""
        asked, others = strangers[:MOST_SINGLY], strangers[MOST_SINGLY:]
        self.result.unsure += others
        answers: dict[str, Entry] = {}
        if "attachment" in self.content_types:
            # On Cloud all of theirs begin so, and each would be a request of its own.
            whole = self.client.edition == "datacenter"
            files = [i for i in _ids(asked) if whole or i.startswith("att")]
            answers |= self.client.look_up_attachments(files) if files else {}
        if "comment" in self.content_types:
            plain = [i for i in _ids(asked) if i not in answers and not i.startswith("att")]
            answers |= self.client.look_up("comment", plain) if plain else {}
        shown = {i: e for i, e in answers.items() if e.status in self._statuses(e)}
        self._find_holders({entry.container_id for entry in shown.values() if entry.container_id})
        containers = self._containers()
        for record in (record for record in asked if record.content_id in answers):
            entry = shown.get(record.content_id)
            container = containers.get(entry.container_id) if entry and entry.container_id else None
            if entry and container and container.status in self._statuses(entry):
                self.result.found[record.content_id] = entry
            else:
                self._lose(record, entry is not None and entry.container_id in self.unknown)
        self._confirm_nodes([record for record in asked if record.content_id not in answers])

    def _statuses(self, entry: Entry) -> tuple[str, ...]:
        return ("current",) if entry.type == "comment" else self.client.shown_statuses

    def _find_holders(self, content_ids: set[str]) -> None:
        """Ask for the pages and blog posts that hold something and were not seen: the listing may have left them out as well."""
        seen = {*self._containers(), *self.unknown, *self.result.elsewhere, *_ids(self.result.gone)}
        bodies: tuple[Literal["page", "blogpost"], ...] = ("page", "blogpost")
        for type_ in bodies:
            if type_ in self.content_types:
                content_ids = content_ids - seen - self._ask_bodies(type_, sorted(content_ids - seen))

    def _confirm_nodes(self, missing: list[Record]) -> None:
        """Settle folders and their like: one with nothing below it is on no way up, and still there; one that a page names is not gone."""
        if not missing:
            return
        taken = [type_ for type_ in TREE_TYPES if type_ in self.content_types]
        nodes = [(r.content_id, type_) for r in missing for type_ in ([r.type] if r.type else taken)]
        answers = self.client.tree_nodes(node for node in nodes if node[0].isdigit()) if nodes else {}
        judged = self.judge({i: e for i, e in answers.items() if e.status == "current"})
        parents = {entry.parent_id: entry.parent_type for entry in self._containers().values()}
        self.result.found.update(judged.within)
        for record in missing:
            if record.content_id not in judged.within:
                hidden = record.content_id in parents and record.content_id not in answers
                named = hidden and (record.type != "" or parents[record.content_id] in taken)
                self._lose(record, named or record.content_id in judged.unknown)

    def _contained(
        self, missing: Iterable[Record], containers: Mapping[str, Entry]
    ) -> dict[str, tuple[Entry, list[Record]]]:
        """Return by container what hangs on one that is still there; the rest goes with its container, or is as unsure as that is."""
        found: dict[str, tuple[Entry, list[Record]]] = {}
        for record in missing:
            container = containers.get(record.container_id) if record.container_id else None
            if container is not None:
                found.setdefault(container.content_id, (container, []))[1].append(record)
            else:
                self._lose(record, record.container_id in self.unknown)
        return found

    def _confirm_attachments(self, missing: Mapping[str, tuple[Entry, list[Record]]]) -> None:
        asked = list(missing)[:MOST_SINGLY]

        def ask(container_id: str, _: threading.Event) -> tuple[str, dict[str, Entry], bool]:
            listing = self.client.attachments_of(missing[container_id][0])
            return container_id, {entry.content_id: entry for entry in listing}, listing.complete

        answers: dict[str, tuple[dict[str, Entry], bool]] = {}
        for answer in self.client.in_parallel(ask, asked, type_="attachment"):
            if not isinstance(answer, Failure):
                answers[answer[0]] = answer[1:]
        for container_id, (_, records) in missing.items():
            there, complete = answers.get(container_id, ({}, False))
            for record in records:
                if record.content_id in there:
                    self.result.found[record.content_id] = there[record.content_id]
                else:
                    self._lose(record, not complete)

    def _confirm_comments(self, missing: Mapping[str, tuple[Entry, list[Record]]]) -> None:
        records = [(container_id, record) for container_id, (_, some) in missing.items() for record in some]
        asked, others = records[:MOST_SINGLY], records[MOST_SINGLY:]
        there = self.client.look_up("comment", [record.content_id for _, record in asked]) if asked else {}
        for container_id, record in asked:
            entry = there.get(record.content_id)
            if entry is not None and entry.status == "current" and entry.container_id == container_id:
                self.result.found[record.content_id] = entry
            else:
                self.result.gone.append(record)
        self.result.unsure += [record for _, record in others]


def _ids(records: Iterable[Record]) -> list[str]:
    return [record.content_id for record in records]


@dataclass(slots=True)
class Guarded:
    """``deletions`` may go ahead; ``withheld`` wait for consent, for the ``reasons`` given."""

    deletions: list[Record]
    withheld: list[Record]
    reasons: tuple[str, ...]


def guard(
    gone: Iterable[Record],
    known: Iterable[Record],
    *,
    share: float,
    consented: set[str],
    all_need_consent: str | None,
    space_name: Callable[[str], str],
) -> Guarded:
    """Withhold deletions that are larger than usual, judged per space and type, and for the datasource as a whole.

    What goes with its container is judged by its container alone. Consent holds for the named ids, not for more.

    :param known: every record, the measure of "larger than usual".
    :param all_need_consent: why every deletion needs consent (another account reads now), or ``None``.
    """
    gone = list(gone)
    ids = {record.content_id for record in gone}

    def judged(record: Record) -> bool:
        return not (record.container_id and record.container_id in ids)

    totals: Counter[tuple[str, str]] = Counter()
    for record in known:
        totals[(record.space_id, record.type)] += 1
    lost: Counter[tuple[str, str]] = Counter(
        (r.space_id, r.type) for r in gone if judged(r) and r.content_id not in consented
    )
    reasons: list[str] = []
    blocked: set[tuple[str, str]] = set()
    if all_need_consent and lost:
        blocked, reasons = set(lost), [all_need_consent]
    elif sum(lost.values()) > FEW and sum(lost.values()) > share * sum(totals.values()):
        blocked = set(lost)
        reasons.append(f"{sum(lost.values())} of {sum(totals.values())} items of the datasource are gone")
    else:
        for group, count in sorted(lost.items()):
            if count > FEW and count > share * totals[group]:
                blocked.add(group)
                reasons.append(f"{count} of {totals[group]} {group[1]}s of space {space_name(group[0])} are gone")
    held = {
        r.content_id for r in gone if judged(r) and (r.space_id, r.type) in blocked and r.content_id not in consented
    }
    deletions: list[Record] = []
    withheld: list[Record] = []
    for record in gone:
        waits = record.content_id in held or (not judged(record) and record.container_id in held)
        (withheld if waits else deletions).append(record)
    return Guarded(deletions, withheld, tuple(reasons))
