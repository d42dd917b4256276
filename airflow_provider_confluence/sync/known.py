"""What the index is known to hold: the last commit's manifest, and what came of runs that died before theirs.

An id that a dead run may have written, or may have removed, is *in doubt*: its record is pending, so that the next diff brings it to the
index again where it is listed and removes it where it is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeVar

from airflow_provider_confluence.errors import MissingFileError, SupersededError
from airflow_provider_confluence.sync.generation import Generation, generations
from airflow_provider_confluence.sync.journal import Head, Journal, Plan
from airflow_provider_confluence.sync.manifest import Record, Standing
from airflow_provider_confluence.sync.records import Records

T = TypeVar("T")

_SUCCESS = ("written", "superseded")
# Of so many lines the records are read at once.
_BATCH = 500


@dataclass(slots=True)
class Known:
    """The records by content id.

    ``plans`` are those of the dead runs that are taken over. ``fresh`` holds the ids that those runs wrote as today's settings want them.
    ``lost`` says which files of dead runs are gone, by revision: they may have written what no file of ours names.
    ``taken_over`` counts what those runs wrote into today's index and removed from it, as nobody was told of it yet.
    """

    records: Records = field(default_factory=Records)
    plans: tuple[Plan, ...] = ()
    fresh: set[str] = field(default_factory=set)
    lost: dict[int, list[str]] = field(default_factory=dict)
    taken_over: int = 0


@dataclass(slots=True)
class Tally:
    """What became of a plan's items, counted.

    ``added`` are those of ``written`` that the index did not hold before; ``seen`` those of ``same`` whose record changed all the same.
    """

    written: int = 0
    added: int = 0
    deleted: int = 0
    gone: int = 0
    same: int = 0
    seen: int = 0
    failed: int = 0
    newly_failed: int = 0
    unfinished: int = 0
    failures: list[Record] = field(default_factory=list)


def load_known(journal: Journal, head: Head | None, *, before: int, recipe: str, target: str) -> Known:
    """Return what is known to be indexed, as run ``before`` finds it.

    :param recipe: today's recipe; what a dead run wrote by another one is pending.
    :param target: today's sink target, likewise.
    """
    known = Known()
    storage, folder = journal.storage, journal.folder
    if head is not None:
        if head.generation is not None:
            known.records = Records(Generation(storage, folder, head.generation))
    else:
        # The head is lost, or there never was one: whatever any generation names may still be in the index.
        # A generation of the asking run itself is left out: its receipts say it all, and must not be counted twice.
        for generation in (g for g in generations(storage, folder) if g < before):
            for record in Generation(storage, folder, generation).records():
                known.records[record.content_id] = replace(record, pending=True)
    since = head.revision if head is not None else 0
    claim = journal.read_claim()
    opened = {*journal.runs(), *(claim["open"] if claim else ())}
    plans = []
    for revision in sorted(r for r in opened if since < r < before):
        plan = journal.find_plan(revision)
        if plan is None:
            _doubt_strays(known, journal, revision)
            continue
        plans.append(plan)
        elsewhere = dict(known.records) if plan.target != target else {}
        lost: list[str] = []
        done = apply_receipts(known.records, journal, plan, lost=lost)
        if plan.target == target:
            known.taken_over += done.written + done.deleted
        if lost:
            known.lost[revision] = lost
        # What the dead run removed from another index is still in this one.
        for content_id in elsewhere.keys() - known.records.keys():
            known.records[content_id] = replace(elsewhere[content_id], pending=True)
        if plan.recipe == recipe and plan.target == target:
            known.fresh |= {i for i, r in known.records.items() if r.revision == revision and not r.pending}
        else:
            _doubt_written_by(known.records, revision)
    known.plans = tuple(plans)
    return known


def reload_known(journal: Journal, plan: Plan) -> Known:
    """Return what the plan's run found at its start: the same records, from the same files."""
    head = journal.read_head()
    if head is None and plan.base_revision is not None:
        raise journal.missing(f"{journal.folder}/head.json")
    if head is not None and head.revision != plan.base_revision:
        raise SupersededError(
            plan.revision,
            head.revision,
            f"run {plan.revision} of datasource {journal.datasource_id} stands aside: "
            f"run {head.revision} was committed after it had listed",
        )
    return load_known(journal, head, before=plan.revision, recipe=plan.recipe, target=plan.target)


def doubt_inventory(known: Known, held: Mapping[str, int]) -> set[str]:
    """Compare what is known with what a sink says it holds, and make pending whatever differs.

    :param held: the sink's inventory: revision by content id.
    :returns: the ids that differ. No file says so, and of those that only the sink names nothing else is known: a plan must carry them.
    """
    doubted = {i for i, record in known.records.items() if record.revision and held.get(i) != record.revision}
    for content_id in doubted:
        known.records[content_id] = replace(known.records[content_id], pending=True)
    strangers = held.keys() - known.records.keys()
    for content_id in strangers:
        known.records[content_id] = Record(content_id, "", revision=held[content_id], pending=True)
    return doubted | strangers


def _doubt_written_by(records: Records, revision: int) -> None:
    for content_id, record in records.items():
        if record.revision == revision and not record.pending:
            records[content_id] = replace(record, pending=True)


def _doubt_strays(known: Known, journal: Journal, revision: int) -> None:
    """Take in what is left of a run whose plan is lost. A run that died before its plan wrote nothing, and leaves nothing to doubt."""
    lost = journal.lost_plan(revision)
    if lost is None:
        return
    known.lost[revision] = [journal.storage.where(lost)]
    for item in journal.stray_items(revision):
        known.records[item.content_id] = replace(known.records.get(item.content_id) or item.record(), pending=True)


def apply_receipts(records: Records, journal: Journal, plan: Plan, *, lost: list[str] | None = None) -> Tally:
    """Bring ``records`` up to what a run's receipts say, and mark what it left as pending.

    Items without a receipt stay pending: whether the sink holds them is not known.

    :param lost: takes the names of files that are gone.
    :raises MissingFileError: for such a file, where nobody takes its name.
    """
    tally = Tally()
    answered: set[str] = set()
    for some in _batches(journal.receipts(plan)):
        records.reach(receipt["id"] for receipt in some)
        for receipt in some:
            answered.add(receipt["id"])
            _apply(records, receipt, plan.revision, tally)
    for shard in range(len(plan.shards)):
        unanswered = (i for i in _there(journal.items(plan, shard), lost) if i.content_id not in answered)
        for items in _batches(unanswered):
            records.reach(item.content_id for item in items)
            for item in items:
                tally.unfinished += 1
                records[item.content_id] = replace(records.get(item.content_id) or item.record(), pending=True)
    for left in _batches(_there(journal.rest(plan), lost)):
        records.reach(record.content_id for record in left)
        for record in left:
            records[record.content_id] = replace(records.get(record.content_id) or record, pending=True)
    return tally


def _batches(lines: Iterator[T]) -> Iterator[list[T]]:
    while some := list(islice(lines, _BATCH)):
        yield some


def _there(lines: Iterator[T], lost: list[str] | None) -> Iterator[T]:
    try:
        yield from lines
    except MissingFileError as error:
        if lost is None:
            raise
        lost.append(error.name)


def _apply(records: Records, receipt: dict[str, object], revision: int, tally: Tally) -> None:
    content_id = str(receipt["id"])
    outcome = str(receipt["outcome"])
    before = records.get(content_id)
    if receipt["op"] == "delete":
        if outcome in _SUCCESS:
            records.pop(content_id, None)
            if "record" in receipt:  # taken out until it can be made anew
                records[content_id] = Record.from_json(receipt["record"])  # type: ignore[arg-type]
            tally.deleted += 1
        elif before is not None:
            records[content_id] = replace(before, pending=True)
            tally.unfinished += 1
        return
    if outcome == "gone":
        # It vanished between listing and fetch. What the index holds of it, the next reconcile removes, or makes anew if it is back.
        if before is not None:
            records[content_id] = replace(before, pending=True)
        tally.gone += 1
        return
    if outcome == "same":
        if "rendered" in receipt and before is not None:
            # As the index has it, and seen to be so now.
            records[content_id] = replace(before, rendered=int(str(receipt["rendered"])))
            tally.seen += 1
        tally.same += 1
        return
    planned = Record.from_json(receipt["record"])  # type: ignore[arg-type]
    if outcome in _SUCCESS:
        records[content_id] = planned
        tally.written += 1
        tally.added += before is None or not before.revision
    elif outcome == "retry":
        records[content_id] = replace(before or replace(planned, version=0, context="", revision=0), pending=True)
        tally.unfinished += 1
    else:
        standing = before.failure if before is not None else None
        failure = Standing(
            reason=str(receipt["reason"]),
            message=str(receipt.get("message", "")),
            attempts=standing.attempts + 1 if standing else 1,
            since=standing.since if standing else revision,
        )
        failed = replace(before or replace(planned, version=0, context="", revision=0), failure=failure, pending=False)
        records[content_id] = failed
        tally.failed += 1
        tally.newly_failed += 0 if standing else 1
        tally.failures.append(failed)
