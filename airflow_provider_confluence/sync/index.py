"""The third step: the staged documents of one shard, written to the sink, with a receipt for each item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_confluence.sinks.base import Answer, Owner, RebuildingSink, Sink
from airflow_provider_confluence.sync.collecting import few_collections
from airflow_provider_confluence.sync.context import Event, RunContext
from airflow_provider_confluence.sync.extract import read_staged
from airflow_provider_confluence.sync.journal import Journal, Plan

# What goes to the sink in one call, whichever is reached first.
_WRITE_ITEMS = 200
_WRITE_CHARS = 4_000_000


@dataclass(frozen=True, slots=True)
class IndexCounts:
    """What became of one shard's items in the sink."""

    written: int = 0
    deleted: int = 0
    superseded: int = 0
    rejected: int = 0
    retry: int = 0
    written_before: int = 0


@few_collections()
def index(run: RunContext, datasource_id: str, revision: int, shard: int) -> IndexCounts:
    """Write one shard to the sink. A repeated call writes only batches without receipts, and each write again is harmless.

    :raises SupersededError: when a newer run holds the claim, or this one is committed.
    :raises StorageError: when a staged batch is not to be seen from this worker.
    :raises SinkUnavailableError: when the sink does not take a batch now.
    :raises ConfigurationError: when the plan has no such shard.
    """
    journal = Journal(run.storage, datasource_id)
    journal.fence(revision)
    with journal.while_ours(revision):
        return _index(run, journal, revision, shard)


def _index(run: RunContext, journal: Journal, revision: int, shard: int) -> IndexCounts:
    plan = journal.read_plan(revision)
    plan.check_shard(shard)
    sink = run.make_sink(plan.datasource)
    try:
        sink.open(Owner(journal.datasource_id, journal.deployment_id(), plan.site))
        run.reached("sink_opened")
        if isinstance(sink, RebuildingSink) and sink.capabilities.atomic_swap:
            if plan.rebuild is not None:
                sink.begin_rebuild(plan.rebuild)
            else:
                sink.abandon_rebuild(before=revision)
            run.reached("rebuild_begun")
        counts = _Indexing(run, journal, plan, shard, sink).work()
        sink.flush()
    finally:
        sink.close()
    run.reached("indexed")
    return counts


class _Indexing:
    def __init__(self, run: RunContext, journal: Journal, plan: Plan, shard: int, sink: Sink) -> None:
        self.run = run
        self.journal = journal
        self.plan = plan
        self.shard = shard
        self.sink = sink
        self.counts: dict[str, int] = dict.fromkeys(asdict(IndexCounts()), 0)

    def work(self) -> IndexCounts:
        done = 0
        total = self.plan.shards[self.shard]
        for number in range(self.plan.batches(self.shard)):
            size = min(self.plan.batch_items, total - number * self.plan.batch_items)
            if self.run.storage.exists(self.journal.receipt_name(self.plan.revision, self.shard, number)):
                self.counts["written_before"] += size
            else:
                self._batch(number)
            done += size
            self.run.tell(Event("indexed", self.plan.datasource.id, {"done": done, "of": total}, f"shard {self.shard}"))
        return IndexCounts(**self.counts)

    def _batch(self, number: int) -> None:
        name = self.journal.batch_name(self.plan.revision, self.shard, number)
        lines = self.run.storage.read_lines(name)
        if lines is None:
            raise self.journal.missing(name)
        receipt_name = self.journal.receipt_name(self.plan.revision, self.shard, number)
        with closing(lines), self.run.storage.lines_writer(receipt_name) as receipts:
            for chunk in _chunks(lines):
                for receipt in self._write(name, chunk):
                    receipts.add(receipt)
            self.run.reached("sink_written")
            receipts.close()
        self.run.reached("receipt_written")

    def _write(self, name: str, chunk: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        items = [(line, self.run.storage.understood(name, read_staged, line)) for line in chunk]
        writes = [item for _, item in items if item is not None]
        if writes:
            # The fence stands right before every write: a run that lost its claim must not touch the sink.
            self.journal.fence(self.plan.revision)
        answers = {answer.id: answer for answer in (self.sink.write(writes) if writes else ())}
        for line, item in items:
            if item is not None:
                yield self._receipt(line, answers[item.id])
            elif "gone" in line or "same" in line:
                receipt = {"op": "upsert", "id": line["id"], "outcome": "gone" if "gone" in line else "same"}
                yield receipt | ({"rendered": line["rendered"]} if "rendered" in line else {})
            else:
                failure = line["failure"]
                yield {
                    "op": "upsert",
                    "id": line["id"],
                    "outcome": "failed",
                    "reason": failure["reason"],
                    "message": failure["message"],
                    "record": line["record"],
                }

    def _receipt(self, line: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
        self.counts["deleted" if answer.outcome == "written" and line["op"] == "delete" else answer.outcome] += 1
        receipt = {"op": line["op"], "id": line["id"], "outcome": answer.outcome}
        if answer.reason:
            receipt |= {"reason": "rejected_by_sink", "message": answer.reason}
        elif answer.outcome == "rejected":
            receipt |= {"reason": "rejected_by_sink", "message": "the sink gave no reason"}
        if "record" in line:
            receipt["record"] = line["record"]
        return receipt


def _chunks(lines: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    chars = 0
    for line in lines:
        chunk.append(line)
        chars += len(line.get("document", {}).get("content", ""))
        if len(chunk) >= _WRITE_ITEMS or chars >= _WRITE_CHARS:
            yield chunk
            chunk, chars = [], 0
    if chunk:
        yield chunk
