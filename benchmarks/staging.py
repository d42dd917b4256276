"""A run as the index step finds it: planned, extracted, and staged in one shard, without a Confluence to extract from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from airflow_provider_confluence.confluence.client import ConfluenceClient
from airflow_provider_confluence.datasource import Datasource, read_datasource
from airflow_provider_confluence.documents import Document
from airflow_provider_confluence.sinks.base import Owner, Sink
from airflow_provider_confluence.sync.context import RunContext
from airflow_provider_confluence.sync.index import IndexCounts, index
from airflow_provider_confluence.sync.journal import Journal, Plan
from airflow_provider_confluence.sync.list_changes import BATCH_ITEMS
from airflow_provider_confluence.sync.manifest import Record
from airflow_provider_confluence.sync.storage import Storage
from benchmarks.documents import DATASOURCE

REVISION = 1
SITE = "https://wiki.example.org/wiki"


def stage(storage: Storage, documents: Iterable[Document], count: int) -> None:
    """Stage documents as *extract* does: the same lines in the same batches. The plan's items are left out, because *index* reads none."""
    journal = Journal(storage, DATASOURCE)
    journal.claim(REVISION)
    plan = Plan(
        revision=REVISION,
        mode="full",
        datasource=read_datasource(DATASOURCE, {"space": "S01"}),
        shards=(count,),
        batch_items=BATCH_ITEMS,
        base_revision=None,
        generation=None,
        absorbed=(),
        from_scratch=True,
        watermark="2026-11-24T00:00:00.000Z",
        recipe="",
        converter=1,
        target="",
        previous_targets=(),
        site=SITE,
        account="",
        counts={},
        notes=(),
        listed_all=True,
        withheld=0,
        awaiting=None,
        reconciled={},
        requests=0,
    )
    journal.write_plan(plan)
    for number, batch in enumerate(batches(documents)):
        storage.write_lines(journal.batch_name(REVISION, 0, number), map(_line, batch))


def batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Yield documents in the batches in which they are staged."""
    rest = iter(documents)
    while batch := list(islice(rest, BATCH_ITEMS)):
        yield batch


def owner(storage: Storage) -> Owner:
    """Return the owner that the index step gives to the sink."""
    return Owner(DATASOURCE, Journal(storage, DATASOURCE).deployment_id(), SITE)


def index_staged(storage: Storage, sink: Sink) -> IndexCounts:
    """Run the index step over everything that is staged, into a sink."""
    return index(RunContext(storage, _no_client, lambda _: sink), DATASOURCE, REVISION, 0)


def forget_receipts(storage: Storage) -> None:
    """Have the index step write everything again."""
    receipts, _, _ = Journal(storage, DATASOURCE).receipt_name(REVISION, 0, 0).rpartition("/")
    storage.delete_folder(receipts)


def _line(document: Document) -> dict[str, Any]:
    record = Record(
        content_id=document.content_id,
        type=document.type,
        version=document.source_version,
        space_id=document.space.id,
        title=document.title,
        context=document.id,
        revision=REVISION,
    )
    return {"op": "upsert", "id": document.content_id, "document": document.to_json(), "record": record.to_json()}


def _no_client(datasource: Datasource) -> ConfluenceClient:
    raise AssertionError(f"indexing {datasource.id} asks Confluence for nothing")
