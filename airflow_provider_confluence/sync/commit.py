"""The last step: what the receipts say becomes what is known, and the head moves.

It takes every receipt there is and carries the rest as pending, so it succeeds even when shards failed; whether the run was clean is in
its result, for :func:`verdict` to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_confluence.errors import StorageError, SupersededError
from airflow_provider_confluence.sync.attachment_cache import AttachmentCache
from airflow_provider_confluence.sync.collecting import few_collections
from airflow_provider_confluence.sync.context import Event, RunContext
from airflow_provider_confluence.sync.extract import ExtractCounts, extracted
from airflow_provider_confluence.sync.generation import delete_generation, generations
from airflow_provider_confluence.sync.journal import Head, Journal, Plan
from airflow_provider_confluence.sync.known import Known, Tally, apply_receipts, reload_known
from airflow_provider_confluence.sync.rebuild import Rebuilding, go_on_rebuilding
from airflow_provider_confluence.sync.storage import MISREAD
from airflow_provider_confluence.sync.titles import find_stale

# New failures up to this number never make a run red by themselves.
FEW_FAILURES = 10
_SHOWN_FAILURES = 50
# What a result counts of the manifest, and not of its run.
_STANDING = {"failing", "pending", "documents", "unreadable"}


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run came to. ``changed`` says whether the index changed; ``problems`` are sentences, empty for a clean run.

    ``documents`` counts by type what the index holds now. ``watermark`` and ``reconciled`` are Confluence's time at the first request of
    this run and of the last one that listed everything. ``follows`` is the commit, or the purge, that the run started from; ``None``
    where nothing was kept.

    ``counts``: listed, unchanged, fetched, written, added (those of the written that the index did not hold before), deleted, gone,
    failed (tried in vain in this run), failing (all that stand), pending, withheld, taken_over (what runs that ended before their commit
    had written and deleted), left_for_later, unfinished, documents (what the index holds now), restricted (left out because not everybody
    who sees the space may read it, at the last look at everything), unreadable (left out, or found by nobody, because who may read it
    cannot be read).
    """

    datasource_id: str
    revision: int
    mode: str
    changed: bool
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    counts: Mapping[str, int]
    failures: tuple[Mapping[str, Any], ...]
    requests: int
    throttled_seconds: float
    watermark: str
    reconciled: str | None = None
    documents: Mapping[str, int] = field(default_factory=dict)
    follows: int | None = None

    @property
    def clean(self) -> bool:
        """Whether nothing was missed."""
        return not self.problems


@few_collections()
def commit(run: RunContext, datasource_id: str, revision: int) -> RunResult:
    """Absorb the receipts of a run, write the next generation and move the head. Repeated, it reports again what it came to.

    :raises SupersededError: when a newer run holds the claim.
    :raises StorageError: when the plan is not to be seen from this worker.
    """
    journal = Journal(run.storage, datasource_id)
    head = journal.read_head()
    if head is not None and head.revision >= revision:
        _clean_up(journal, head, keep=int(head.datasource["keep_runs"]))
        return _reported(journal, head, revision)
    journal.fence(revision)
    with journal.while_ours(revision):
        plan = journal.read_plan(revision)
        quiet = _quiet_result(journal, head, plan)
        known = Known() if quiet else reload_known(journal, plan)
        records = known.records
        tally = apply_receipts(records, journal, plan)
        done = sum(plan.shards) - tally.same + tally.seen
        changes = bool(plan.from_scratch or plan.absorbed or done or plan.counts["left_for_later"])
        journal.fence(revision)
        rebuild = go_on_rebuilding(run, journal, head, plan, records)
        result = quiet or _result(run, journal, head, plan, known, tally, rebuild)
        if head is None or head.target != plan.target or plan.absorbed:
            absorbed = (journal.find_plan(dead) for dead in plan.absorbed)
            journal.note_destinations([*(dead for dead in absorbed if dead is not None), plan])
        if changes and plan.mode not in ("changes", "targeted"):
            records.read_all()  # whoever looked at everything makes blocks of even length, and an exact list of what is held
        if changes:
            records.write(run.storage, journal.folder, revision, find_stale(records))
    run.reached("generation_written")
    journal.write_result(revision, asdict(result))
    run.reached("result_written")
    journal.fence(revision)
    moved = Head(
        revision=revision,
        generation=revision if changes else plan.generation,
        watermark=plan.watermark,
        recipe=plan.recipe,
        converter=plan.converter,
        target=plan.target,
        previous_targets=plan.previous_targets,
        site=plan.site,
        account=plan.account,
        datasource=plan.datasource.to_json(),
        counts=result.counts,
        reconciled=plan.reconciled,
        withheld=plan.awaiting,
        rebuild=rebuild.under_way,
    )
    journal.write_head(moved)
    run.reached("head_written")
    _clean_up(journal, moved, keep=plan.datasource.keep_runs)
    if changes:
        cache = AttachmentCache(run.storage, journal.folder, ())
        cache.tidy(records.may_hold, plan.datasource.attachment_cache_max_bytes)
    run.reached("batches_deleted")
    run.tell(Event("committed", datasource_id, result.counts))
    return result


def verdict(result: RunResult) -> str:
    """Return one sentence on a run: why it is not clean, or what it did."""
    if result.problems:
        return f"run {result.revision} of {result.datasource_id} is not clean: {'; '.join(result.problems)}"
    counts = result.counts
    more = f", more to do: {counts['left_for_later']} items wait for the next run" if counts["left_for_later"] else ""
    more += f", {counts['restricted']} left out because they are restricted" if counts.get("restricted") else ""
    if counts.get("unreadable"):
        more += f", {counts['unreadable']} that nobody finds because Confluence does not tell who may read them"
    return (
        f"run {result.revision} of {result.datasource_id}: {counts['listed']} listed, {counts['written']} written, "
        f"{counts['deleted']} deleted, {counts['unchanged']} unchanged{more}"
    )


def _quiet_result(journal: Journal, head: Head | None, plan: Plan) -> RunResult | None:
    """Return what a run comes to whose plan holds nothing to do, without a look at the manifest, which is as the last commit left it.

    ``None`` where there is something to do, or the last commit's own files do not say how things stand.
    """
    if head is None or head.revision != plan.base_revision or head.target != plan.target:
        return None
    if (
        plan.from_scratch
        or plan.absorbed
        or plan.shards
        or plan.counts["left_for_later"]
        or plan.rebuild
        or head.rebuild
    ):
        return None
    try:
        last, before = journal.find_plan(head.revision), journal.read_result(head.revision)
        if last is None or before is None or not before.get("counts", {}).keys() >= _STANDING:
            return None
        found = _result_from(before)
        # Of what cannot be read, that part which each look counts by itself.
        kept = found.counts["unreadable"] - last.counts.get("unreadable", 0)
        counts = {name: found.counts[name] for name in _STANDING}
    except (StorageError, *MISREAD):
        return None
    counts |= {name: plan.counts[name] for name in ("listed", "unchanged", "left_for_later")}
    counts |= {"restricted": plan.counts.get("restricted", 0), "withheld": _withheld(head, plan)}
    counts["unreadable"] = kept + plan.counts.get("unreadable", 0)
    return RunResult(
        datasource_id=plan.datasource.id,
        revision=plan.revision,
        mode=plan.mode,
        changed=False,
        problems=_problems(plan, Tally()),
        notes=plan.notes,
        counts=dict.fromkeys(found.counts, 0) | counts,
        failures=found.failures,
        requests=plan.requests,
        throttled_seconds=plan.throttled_seconds,
        watermark=plan.watermark,
        reconciled=plan.reconciled.get("at") or None,
        documents=found.documents,
        follows=plan.base_revision,
    )


def _result(
    run: RunContext,
    journal: Journal,
    head: Head | None,
    plan: Plan,
    known: Known,
    tally: Tally,
    rebuild: Rebuilding,
) -> RunResult:
    records = known.records
    extractions = extracted(run, journal, plan)
    totals = records.totals()
    failing = [record for record in records.unsettled() if record.failure is not None]
    counts = {
        "listed": plan.counts["listed"],
        "unchanged": plan.counts["unchanged"],
        "fetched": sum(e.fetched for e in extractions),
        "written": tally.written,
        "added": tally.added,
        "deleted": tally.deleted,
        "gone": tally.gone,
        "failed": tally.failed,
        "failing": len(failing),
        "pending": totals.pending,
        "withheld": _withheld(head, plan),
        "taken_over": known.taken_over,
        "left_for_later": plan.counts["left_for_later"],
        "unfinished": tally.unfinished,
        "documents": totals.documents.total(),
        "restricted": plan.counts.get("restricted", 0),
        "unreadable": plan.counts.get("unreadable", 0) + totals.unreadable,
    }
    failing.sort(key=lambda r: (-(r.failure.since if r.failure else 0), r.content_id))
    return RunResult(
        datasource_id=plan.datasource.id,
        revision=plan.revision,
        mode=plan.mode,
        changed=bool(tally.written or tally.deleted or known.taken_over or rebuild.swapped),
        problems=(*_problems(plan, tally), *rebuild.problems),
        notes=(*plan.notes, *_notes(extractions), *rebuild.notes),
        counts=counts,
        failures=tuple(
            {"content_id": r.content_id, "type": r.type, "title": r.title, "page_id": r.page_id, **asdict(r.failure)}
            for r in failing[:_SHOWN_FAILURES]
            if r.failure
        ),
        requests=plan.requests + sum(e.requests for e in extractions),
        throttled_seconds=plan.throttled_seconds + sum(e.throttled_seconds for e in extractions),
        watermark=plan.watermark,
        reconciled=plan.reconciled.get("at") or None,
        documents=totals.by_type,
        follows=plan.base_revision or journal.purged(),
    )


def _withheld(head: Head | None, plan: Plan) -> int:
    """Return how many deletions wait for consent: a run over named items looks at no others, and leaves those as they are."""
    if plan.withheld or plan.awaiting is None or head is None:
        return plan.withheld
    return int(head.counts.get("withheld", 0))


def _notes(extractions: Sequence[ExtractCounts]) -> list[str]:
    without = sum(extraction.attachments.get("no_extractor", 0) for extraction in extractions)
    not_shown = sum(extraction.not_shown for extraction in extractions)
    notes = []
    if without:
        notes.append(
            f"{without} attachments are indexed without their text: to read them, pip install 'airflow-provider-confluence[attachments]'"
        )
    if not_shown:
        notes.append(
            f"Confluence did not show all the rendered_macros of {not_shown} pages; they are indexed as they are written, with the warning "
            "render_failed, or keep what was shown before, and are asked for again after an hour. If it is so for every page, the token "
            "may not: airflow-confluence check says so"
        )
    return notes


def _problems(plan: Plan, tally: Tally) -> tuple[str, ...]:
    problems = []
    if tally.unfinished:
        problems.append(
            f"{tally.unfinished} of {sum(plan.shards)} items were not finished; the next run goes on with them"
        )
    budget = max(FEW_FAILURES, plan.datasource.max_failure_share * sum(plan.shards))
    if tally.newly_failed > budget:
        reasons = sorted({record.failure.reason for record in tally.failures if record.failure})
        problems.append(
            f"{tally.newly_failed} items failed that did not fail before ({', '.join(reasons)}), more than the budget of {budget:.0f}"
        )
    if plan.withheld:
        problems.append(
            f"{plan.withheld} deletions are withheld; if they are meant, run again with allow_mass_delete={plan.awaiting}"
        )
    if not plan.listed_all or plan.withheld or plan.counts.get("closed_spaces"):
        problems += plan.notes
    return tuple(problems)


def _reported(journal: Journal, head: Head, revision: int) -> RunResult:
    value = journal.read_result(revision)
    if value is None:
        raise SupersededError(
            revision,
            head.revision,
            f"run {revision} of datasource {journal.datasource_id} was committed or overtaken long ago, and its result is no longer kept; "
            f"the last commit is run {head.revision}",
        )
    return journal.storage.understood(journal.result_name(revision), _result_from, value)


def _result_from(value: Mapping[str, Any]) -> RunResult:
    return RunResult(**{**value, **{name: tuple(value[name]) for name in ("problems", "notes", "failures")}})


def _clean_up(journal: Journal, head: Head, *, keep: int) -> None:
    """Remove what no head needs: staged documents, old runs, old generations. Safe to stop anywhere and to repeat."""
    finished = [revision for revision in journal.runs() if revision <= head.revision]
    for revision in finished[:-keep]:
        if revision != head.withheld:
            journal.delete_run(revision)
    for revision in finished[-keep:]:
        journal.delete_batches(revision)
    for generation in generations(journal.storage, journal.folder):
        if generation != head.generation and generation <= head.revision:
            delete_generation(journal.storage, journal.folder, generation)
