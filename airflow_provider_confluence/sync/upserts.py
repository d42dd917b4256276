"""What to bring to the index: each item that was seen, compared with what is known of it, why it must be written, and by which shard."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_confluence.documents import Entry
from airflow_provider_confluence.sync.journal import PlanItem
from airflow_provider_confluence.sync.known import Known
from airflow_provider_confluence.sync.manifest import Record
from airflow_provider_confluence.sync.readers import covers, recorded
from airflow_provider_confluence.sync.surroundings import Surroundings, context_hash
from airflow_provider_confluence.sync.titles import Titles, shows_other_text

ITEMS_PER_SHARD = 1_000
"""So many pages take an extract task three seconds of processor time, as many as its start takes. docs/decisions/0012 has the figures."""
# What is planned first when a run cannot take everything: what readers would miss most.
_ORDER = {
    "new": 0,
    "changed": 0,
    "moved": 0,
    "asked": 0,
    "context": 1,
    "included": 1,
    "failed": 2,
    "pending": 2,
    "full": 3,
    "recipe": 3,
    "live": 4,
    "rendered": 4,
}


def find_upserts(
    entries: Mapping[str, Entry],
    known: Known,
    surroundings: Surroundings,
    *,
    titles: Titles,
    again: bool,
    is_outdated: Callable[[str], bool],
    asked: Collection[str] = (),
    due: Collection[str] = (),
) -> tuple[list[PlanItem], int]:
    """Return what must be written, the most urgent first, and how many items are as the index has them. No requests.

    The items lack their surroundings, see :func:`surrounded`.

    :param titles: which page a title means now.
    :param again: write everything, whatever is known of it.
    :param is_outdated: says of a type whether its recipe or the sink is another one: what no dead run wrote for it must be written.
    :param asked: ids of what must be written all the same.
    :param due: ids of what shows something that is too old, see :func:`~airflow_provider_confluence.sync.rendered.find_due`.
    """
    upserts: list[PlanItem] = []
    unchanged = 0
    versions = {entry.content_id: entry.version for entry in entries.values() if entry.type == "page"}
    for entry in entries.values():
        around = surroundings.of(entry)
        why = _why(entry, around, known, again=again, is_outdated=is_outdated)
        if why is None and entry.content_id in asked:
            why = "asked"
        if why is None and shows_other_text(known.records[entry.content_id], titles, versions):
            why = "included"
        body = ""
        if why is None and entry.content_id in due:
            why, body = "rendered", known.records[entry.content_id].body
        if why is None and entry.live:
            # Its edits show before they are a version: only its body tells.
            why, body = "live", known.records[entry.content_id].body
        if why is None:
            unchanged += 1
            continue
        closes = _closes(known.records.get(entry.content_id), around)
        upserts.append(PlanItem("upsert", entry.content_id, entry.type, why, entry, body=body, closes=closes))
    # Newest first among what matters alike: stable sorts.
    upserts.sort(key=lambda item: (item.entry.updated if item.entry else None) or "", reverse=True)
    upserts.sort(key=lambda item: _ORDER[item.why])
    # What too many may read in the index comes before all else.
    upserts.sort(key=lambda item: not item.closes)
    return upserts, unchanged


def deal(items: list[PlanItem], most: int) -> list[list[PlanItem]]:
    """Deal items into shards; inside a shard, items of one type stand together, because bodies are fetched in bulk by type."""
    if not items:
        return []
    count = min(most, -(-len(items) // ITEMS_PER_SHARD))
    size = -(-len(items) // count)
    rank = {"delete": 0, "page": 1, "blogpost": 2, "comment": 3, "attachment": 4}
    return [
        sorted(items[start : start + size], key=lambda i: rank.get("delete" if i.op == "delete" else i.type, 9))
        for start in range(0, len(items), size)
    ]


def surrounded(item: PlanItem, surroundings: Surroundings) -> PlanItem:
    """Return the item with what surrounds it; for all items at once that would be far more than the entries they come from."""
    if item.entry is None:
        return item
    around = surroundings.of(item.entry)
    return replace(item, surroundings=around, context=context_hash(item.entry, around))


def _closes(record: Record | None, around: Mapping[str, Any]) -> bool:
    """Say whether somebody may read a document in the index who may not read the item."""
    if record is None or not record.revision or around["permissions"] is None:
        return False
    return not record.readers or not covers(record.readers, recorded(around["permissions"]))


def _why(
    entry: Entry, around: Mapping[str, Any], known: Known, *, again: bool, is_outdated: Callable[[str], bool]
) -> str | None:
    record = known.records.get(entry.content_id)
    if record is None:
        return "new"
    if record.revision and record.version != entry.version:
        return "changed"
    if record.failure is not None:
        return "failed"
    if record.pending or not record.revision:
        return "pending"
    if record.space_id != entry.space_id:
        return "moved"
    context = context_hash(entry, around)  # not before: what is written anyway gets its own when it is
    if context and record.context != context:
        return "context"
    if again:
        return "full"
    if is_outdated(entry.type) and entry.content_id not in known.fresh:
        return "recipe"
    return None
