"""Which items are really gone, and which deletions wait for consent.

Absence from a listing is a hint, not a proof: under load Confluence was seen to leave out or to refuse what is there. So a vanished id is
asked for again by another route, and a deletion that is larger than usual is withheld until somebody consents.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from airflow_provider_confluence.confluence.client import ConfluenceClient
from airflow_provider_confluence.documents import TREE_TYPES, Entry
from airflow_provider_confluence.sync.manifest import Record
from airflow_provider_confluence.sync.scope import Judged

# A deletion of this many items or fewer is never withheld.
FEW = 50
# Cloud answers one comment at a time; should a list of them come empty by mistake, a run must not ask for every one.
MOST_COMMENTS = 2_000
_BODIES = ("page", "blogpost")


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
    judge: Callable[[Mapping[str, Entry]], Judged],
) -> Vanished:
    """Ask again for items that a complete listing did not name.

    Cost in requests: ⌈pages / 250⌉ + ⌈blog posts / 250⌉ + 1 a container that lost attachments + ⌈comments / 100⌉ (Cloud: 1 or 2 a
    comment; more than 2,000 wait for another run) + 1 a folder or its like; what goes with its container is not asked for.

    :param current: what was listed, by content id: an attachment or comment whose container is not there goes with it.
    :param judge: which of the items that are still there belong to the datasource.
    :raises ConfluenceProviderError: when asking fails; then nothing is known to be gone.
    """
    result = Vanished()
    by_type: dict[str, list[Record]] = defaultdict(list)
    for record in missing:
        by_type[record.type].append(record)
    # An id that only the sink knew has no type: it is asked for as both.
    untyped = by_type.pop("", [])
    unknown: set[str] = set()
    for type_ in _BODIES:
        asked = by_type.pop(type_, []) + untyped
        if asked:
            answers = client.look_up(cast(Literal["page", "blogpost"], type_), [r.content_id for r in asked])
            judged = judge({i: e for i, e in answers.items() if e.status in client.shown_statuses})
            result.found.update(judged.within)
            result.elsewhere.update(judged.outside)
            unknown.update(judged.unknown)
        for record in asked:
            # What has no type is settled when it was asked for as both.
            if record.content_id in result.found or (type_ == "page") != (record.type == "page"):
                continue
            (result.unsure if record.content_id in unknown else result.gone).append(record)
    _confirm_nodes(client, [r for type_ in TREE_TYPES for r in by_type.pop(type_, [])], current, judge, result)
    containers = {**current, **result.found}
    _confirm_attachments(client, _contained(by_type.pop("attachment", []), containers, unknown, result), result)
    # Those on an archived page are not indexed.
    current_ones = {content_id: entry for content_id, entry in containers.items() if entry.status == "current"}
    _confirm_comments(client, _contained(by_type.pop("comment", []), current_ones, unknown, result), result)
    for rest in by_type.values():
        result.unsure += rest
    return result


def _confirm_nodes(
    client: ConfluenceClient,
    missing: list[Record],
    current: Mapping[str, Entry],
    judge: Callable[[Mapping[str, Entry]], Judged],
    result: Vanished,
) -> None:
    """Settle folders and their like: one with nothing below it is on no way up, and still there; one that a page names is not gone."""
    if not missing:
        return
    answers = client.tree_nodes((record.content_id, record.type) for record in missing)
    judged = judge({i: e for i, e in answers.items() if e.status == "current"})
    parents = {entry.parent_id for entry in (*current.values(), *result.found.values())}
    result.found.update(judged.within)
    for record in missing:
        if record.content_id not in judged.within:
            doubted = record.content_id in judged.unknown or (
                record.content_id in parents and record.content_id not in answers
            )
            (result.unsure if doubted else result.gone).append(record)


def _contained(
    missing: Iterable[Record], containers: Mapping[str, Entry], unknown: set[str], result: Vanished
) -> dict[Entry, list[Record]]:
    """Return by container what hangs on one that is still there; the rest goes with its container, or is as unsure as that is."""
    found: dict[Entry, list[Record]] = defaultdict(list)
    for record in missing:
        container = containers.get(record.container_id) if record.container_id else None
        if container is not None:
            found[container].append(record)
        else:
            (result.unsure if record.container_id in unknown else result.gone).append(record)
    return found


def _confirm_attachments(client: ConfluenceClient, missing: Mapping[Entry, list[Record]], result: Vanished) -> None:
    for container, records in missing.items():
        listing = client.attachments_of(container)
        there = {entry.content_id: entry for entry in listing}
        for record in records:
            if record.content_id in there:
                result.found[record.content_id] = there[record.content_id]
            elif listing.complete:
                result.gone.append(record)
            else:
                result.unsure.append(record)


def _confirm_comments(client: ConfluenceClient, missing: Mapping[Entry, list[Record]], result: Vanished) -> None:
    records = [(container, record) for container, some in missing.items() for record in some]
    asked, others = records[:MOST_COMMENTS], records[MOST_COMMENTS:]
    there = client.look_up("comment", [record.content_id for _, record in asked])
    for container, record in asked:
        entry = there.get(record.content_id)
        if entry is not None and entry.status == "current" and entry.container_id == container.content_id:
            result.found[record.content_id] = entry
        else:
            result.gone.append(record)
    result.unsure += [record for _, record in others]


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
