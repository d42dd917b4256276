"""What the state storage tells of each datasource: its last commit, what stands, what waits, and whether a run is open. No network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

from airflow_provider_confluence.datasource import Datasource, check_id
from airflow_provider_confluence.documents import rfc3339
from airflow_provider_confluence.errors import ConfigurationError, ConfluenceProviderError, DatasourceError
from airflow_provider_confluence.sync.generation import Generation, Totals
from airflow_provider_confluence.sync.journal import Head, Journal, Plan
from airflow_provider_confluence.sync.manifest import Record, Standing
from airflow_provider_confluence.sync.records import Records
from airflow_provider_confluence.sync.storage import Storage

SHOWN_FAILURES = 50
# A DAG run is ended after a day (dagrun_timeout), so a run that is older works no more.
_LONGEST_RUN = timedelta(hours=24)

Definitions = Mapping[str, "Datasource | DatasourceError"]


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that claimed the datasource and is not committed.

    ``began`` is what its revision says. ``reached``: claimed | planned | extracting | indexing | purging. ``items`` are planned,
    ``receipts`` answered by the sink. ``dead``: true where a newer run has claimed the datasource or a day has passed, ``None`` where only
    whoever started it knows.
    """

    revision: int
    began: str
    reached: str
    items: int
    receipts: int
    dead: bool | None


@dataclass(frozen=True, slots=True)
class DatasourceStatus:
    """One datasource. ``configured``: enabled | disabled | removed | broken | not told.

    ``watermark`` is Confluence's time at the last commit's first request, ``reconciled`` that of the last run that listed everything; both
    are ``None`` where there is none. ``documents`` counts by type what the index holds. ``withheld`` is the revision that consents to the
    deletions that wait. ``error`` says why the state cannot be read; everything else is then at its default.
    """

    datasource_id: str
    configured: str
    name: str = ""
    revision: int | None = None
    mode: str | None = None
    watermark: str | None = None
    reconciled: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    documents: Mapping[str, int] = field(default_factory=dict)
    pending: int = 0
    failing: int = 0
    failures: tuple[Mapping[str, Any], ...] = ()
    withheld: int | None = None
    withheld_count: int = 0
    target: str | None = None
    open_runs: tuple[OpenRun, ...] = ()
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the status as plain JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item that could not be brought into the index, and is tried again.

    ``reason`` is a word that can be counted, ``message`` a sentence, ``attempts`` how many runs tried, ``since`` when the first of them
    began. ``indexed``: an older state of it is in the index. ``url`` leads to it, or to what it is on, by an address that both editions
    redirect from.
    """

    datasource_id: str
    content_id: str
    type: str
    title: str
    reason: str
    message: str
    attempts: int
    since: str
    indexed: bool
    url: str

    def to_json(self) -> dict[str, Any]:
        """Return the item as plain JSON."""
        return asdict(self)


def read_failures(storage: Storage, datasource_id: str) -> list[FailedItem]:
    """Return all items of a datasource that fail as of its last commit, what fails longest first. No network.

    :raises ConfigurationError: for an id of which nothing is kept. :raises StorageError: when its state cannot be read.
    """
    check_id(datasource_id)
    journal = Journal(storage, datasource_id)
    head = journal.read_head()
    if head is None:
        if journal.read_claim() is None and not journal.runs():
            raise ConfigurationError(f"nothing is kept of a datasource {datasource_id} below {storage.where()}")
        return []
    if head.generation is None:
        return []
    found = [
        (record.failure.since, _failed_item(datasource_id, head.site, record, record.failure))
        for record in Records(Generation(journal.storage, journal.folder, head.generation)).unsettled()
        if record.failure is not None
    ]
    return [item for _, item in sorted(found, key=lambda pair: (pair[0], pair[1].content_id))]


def _failed_item(datasource_id: str, site: str, record: Record, failure: Standing) -> FailedItem:
    return FailedItem(
        datasource_id=datasource_id,
        content_id=record.content_id,
        type=record.type,
        title=record.title,
        reason=failure.reason,
        message=failure.message,
        attempts=failure.attempts,
        since=rfc3339(datetime.fromtimestamp(failure.since / 1000, timezone.utc)),
        indexed=record.revision > 0,
        url=address_of(site, record.page_id),
    )


def address_of(site: str, page_id: str) -> str:
    """Return an address of a page by which both editions lead to it."""
    return f"{site}/pages/viewpage.action?pageId={quote(page_id, safe='')}"


def read_status(
    storage: Storage,
    datasource_id: str | None = None,
    *,
    definitions: Definitions | None = None,
    now: datetime | None = None,
) -> list[DatasourceStatus]:
    """Return the status of every datasource that has state, or that is configured, ordered by id. A broken state is one status's error.

    :param datasource_id: of this one only. :param definitions: what the configuration says; ``None`` where nobody told.
    :raises ConfigurationError: for an id of which neither state nor configuration knows anything.
    :raises StorageError: when the storage as a whole cannot be read.
    """
    if datasource_id is not None:
        check_id(datasource_id)
        ids = [datasource_id]
    else:
        ids = sorted({*storage.names(""), *(definitions or ())})
    now = now or datetime.now(timezone.utc)
    found = [status for each in ids if (status := _status(storage, each, definitions, now)) is not None]
    if datasource_id is not None and not found:
        raise ConfigurationError(f"nothing is kept of a datasource {datasource_id} below {storage.where()}")
    return found


def _status(
    storage: Storage, datasource_id: str, definitions: Definitions | None, now: datetime
) -> DatasourceStatus | None:
    configured = _configured(datasource_id, definitions)
    try:
        check_id(datasource_id)
        journal = Journal(storage, datasource_id)
        claim = journal.read_claim()
        head = journal.read_head()
        if claim is None and head is None and not journal.runs():
            wanted = configured not in ("removed", "not told")
            return DatasourceStatus(datasource_id, configured) if wanted else None
        opened = _open_runs(journal, head, claim, now)
        if head is None:
            # Of a datasource that was purged the claim is left, and no open run.
            if not opened and configured in ("removed", "not told"):
                return None
            return DatasourceStatus(datasource_id, configured, open_runs=opened)
        return _committed(journal, head, configured, opened)
    except DatasourceError:
        return None  # a file or folder of somebody else's
    except ConfluenceProviderError as error:
        return DatasourceStatus(datasource_id, configured, error=str(error))


def _configured(datasource_id: str, definitions: Definitions | None) -> str:
    if definitions is None:
        return "not told"
    found = definitions.get(datasource_id)
    if found is None:
        return "removed"
    if isinstance(found, DatasourceError):
        return "broken"
    return "enabled" if found.enabled else "disabled"


def _committed(journal: Journal, head: Head, configured: str, opened: tuple[OpenRun, ...]) -> DatasourceStatus:
    totals, failing = Totals(), []
    if head.generation is not None:
        records = Records(Generation(journal.storage, journal.folder, head.generation))
        totals = records.totals()
        failing = [record for record in records.unsettled() if record.failure is not None]
    failing.sort(key=lambda record: (-(record.failure.since if record.failure else 0), record.content_id))
    result = journal.read_result(head.revision)
    return DatasourceStatus(
        datasource_id=journal.datasource_id,
        configured=configured,
        name=str(head.datasource["name"]),
        revision=head.revision,
        mode=result["mode"] if result else None,
        watermark=head.watermark,
        reconciled=head.reconciled.get("at") or None,
        counts=dict(head.counts),
        documents=totals.by_type,
        pending=totals.pending,
        failing=len(failing),
        failures=tuple(_failure(record) for record in failing[:SHOWN_FAILURES]),
        withheld=head.withheld,
        withheld_count=head.counts.get("withheld", 0) if head.withheld else 0,
        target=head.target,
        open_runs=opened,
    )


def _failure(record: Record) -> dict[str, Any]:
    known = asdict(record.failure) if record.failure else {}
    return {"content_id": record.content_id, "type": record.type, "title": record.title, **known}


def _open_runs(
    journal: Journal, head: Head | None, claim: Mapping[str, Any] | None, now: datetime
) -> tuple[OpenRun, ...]:
    since = head.revision if head is not None else 0
    claimed = claim["revision"] if claim else 0
    revisions = {*journal.runs(), *(claim["open"] if claim else ())}
    return tuple(
        _open_run(journal, revision, revision != claimed, now) for revision in sorted(revisions) if revision > since
    )


def _open_run(journal: Journal, revision: int, overtaken: bool, now: datetime) -> OpenRun:
    began = datetime.fromtimestamp(revision / 1000, timezone.utc)
    plan = journal.find_plan(revision)
    receipts = sum(1 for _ in journal.receipts(plan)) if plan is not None else 0
    return OpenRun(
        revision=revision,
        began=rfc3339(began),
        reached=_reached(journal, plan, receipts),
        items=sum(plan.shards) if plan is not None else 0,
        receipts=receipts,
        dead=True if overtaken or now - began > _LONGEST_RUN else None,
    )


def _reached(journal: Journal, plan: Plan | None, receipts: int) -> str:
    if plan is None:
        return "claimed"
    if plan.mode == "purge":
        return "purging"
    if receipts:
        return "indexing"
    staged = any(
        journal.storage.exists(journal.batch_name(plan.revision, shard, number))
        for shard in range(len(plan.shards))
        for number in range(plan.batches(shard))
    )
    return "extracting" if staged else "planned"
