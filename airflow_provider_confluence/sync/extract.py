"""The second step: the documents of one shard, fetched in bulk, converted and staged.

Staged batches have fixed members, so a retry fetches only what is not staged yet. One item that does not work becomes a failure in its
batch; it stops nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any, Literal, cast

from airflow_provider_confluence.confluence.batches import Answers
from airflow_provider_confluence.confluence.client import ConfluenceClient, Fetched
from airflow_provider_confluence.confluence.readers import Levels
from airflow_provider_confluence.content import own_macros
from airflow_provider_confluence.documents import Document, Entry, Failure, Tombstone, document_id
from airflow_provider_confluence.errors import ConfluenceProviderError
from airflow_provider_confluence.sync.assemble import Text, assemble
from airflow_provider_confluence.sync.attachments import AttachmentTexts
from airflow_provider_confluence.sync.collecting import few_collections
from airflow_provider_confluence.sync.context import Event, RunContext
from airflow_provider_confluence.sync.includes import Place
from airflow_provider_confluence.sync.journal import Journal, Plan, PlanItem
from airflow_provider_confluence.sync.known import reload_known
from airflow_provider_confluence.sync.manifest import Record, digest
from airflow_provider_confluence.sync.readers import recorded
from airflow_provider_confluence.sync.recipe import check_converter
from airflow_provider_confluence.sync.references import References
from airflow_provider_confluence.sync.rendered import Renderings, Shown, has_body, mark_of
from airflow_provider_confluence.sync.storage import LinesWriter
from airflow_provider_confluence.sync.surroundings import context_hash
from airflow_provider_confluence.sync.titles import LINKED, Titles

# Items that are in hand at a time; with them, memory is bounded whatever the shard's size.
_WINDOW_BATCHES = 20
# Bodies gathered before the people in them are looked up at once.
_LOOK_UP_ITEMS = 50
_LOOK_UP_CHARS = 2_000_000
_BODIES = ("page", "blogpost", "comment")


@dataclass(frozen=True, slots=True)
class ExtractCounts:
    """What one shard's extraction came to.

    ``attachments`` counts files by what became of their text; ``not_shown`` the pages of which Confluence did not show all
    ``rendered_macros``.
    """

    fetched: int = 0
    failed: int = 0
    gone: int = 0
    staged_before: int = 0
    requests: int = 0
    throttled_seconds: float = 0.0
    attachments: Mapping[str, int] = field(default_factory=dict)
    not_shown: int = 0


@few_collections()
def extract(run: RunContext, datasource_id: str, revision: int, shard: int) -> ExtractCounts:
    """Stage the documents of one shard. Cost in requests: about ⌈items / 50⌉. A repeated call fetches only what is missing.

    :raises SupersededError: when a newer run holds the claim, or this one is committed.
    :raises StorageError: when the plan is not to be seen from this worker.
    :raises ConfigurationError: when the plan has no such shard.
    :raises UpgradeNeededError: when a newer version of this package made the plan.
    """
    journal = Journal(run.storage, datasource_id)
    journal.fence(revision)
    with journal.while_ours(revision):
        return _extract(run, journal, revision, shard)


def _extract(run: RunContext, journal: Journal, revision: int, shard: int) -> ExtractCounts:
    plan = journal.read_plan(revision)
    plan.check_shard(shard)
    check_converter(journal.datasource_id, plan.converter)
    client = run.connect(plan.datasource)
    client.archived = plan.datasource.archived
    try:
        counts = _Extraction(run, journal, plan, shard, client).work()
    finally:
        client.close()
    run.storage.write_json(_summary_name(journal, revision, shard), asdict(counts))
    run.reached("extracted")
    return counts


def extracted(run: RunContext, journal: Journal, plan: Plan) -> list[ExtractCounts]:
    """Return the counts of the shards whose extraction ended."""
    names = [_summary_name(journal, plan.revision, shard) for shard in range(len(plan.shards))]
    found = ((name, run.storage.read_json(name)) for name in names)
    return [run.storage.understood(name, _counts, value) for name, value in found if value is not None]


def _counts(value: Mapping[str, Any]) -> ExtractCounts:
    # A shard that an older version of this package extracted does not say what was not shown.
    known = {"not_shown": 0, **value}
    return ExtractCounts(**{name: known[name] for name in ExtractCounts.__dataclass_fields__})


def _summary_name(journal: Journal, revision: int, shard: int) -> str:
    return (
        journal.batch_name(revision, shard, 0)
        .replace("/batches/", "/receipts/")
        .replace("-0.jsonl.gz", "-extracted.json")
    )


@dataclass(slots=True)
class _Batch:
    """A staged file in the making."""

    number: int
    writer: LinesWriter
    open_items: int


_Waiting = tuple[PlanItem, _Batch, Fetched, Any]
_Place = tuple[PlanItem, _Batch]


class _Extraction:
    def __init__(self, run: RunContext, journal: Journal, plan: Plan, shard: int, client: ConfluenceClient) -> None:
        self.run = run
        self.journal = journal
        self.plan = plan
        self.shard = shard
        self.client = client
        macros = own_macros.handlers(plan.datasource.macros)
        self.references = References(client, self._titles, macros)
        self.renderings = Renderings(client, plan.datasource, macros, plan.revision, len(plan.shards))
        self.attachments: AttachmentTexts | None = None
        self.files: Answers[tuple[_Place, Text | Failure]] | None = None
        self.trouble: Exception | None = None
        self.fetched = self.failed = self.gone = self.staged_before = self.done = 0

    def work(self) -> ExtractCounts:
        batches = self._batches()
        try:
            while window := list(islice(batches, _WINDOW_BATCHES)):
                self._stage(window)
        finally:
            if self.attachments is not None:
                self.attachments.close()
        return ExtractCounts(
            self.fetched,
            self.failed,
            self.gone,
            self.staged_before,
            self.client.requests_made,
            self.client.throttled_seconds,
            dict(self.attachments.outcomes) if self.attachments is not None else {},
            self.renderings.not_shown,
        )

    def _batches(self) -> Iterator[tuple[int, list[PlanItem]]]:
        items = self.journal.items(self.plan, self.shard)
        number = 0
        while members := list(islice(items, self.plan.batch_items)):
            name = self.journal.batch_name(self.plan.revision, self.shard, number)
            indexed = self.journal.receipt_name(self.plan.revision, self.shard, number)
            if self.run.storage.exists(name) or self.run.storage.exists(indexed):
                self.staged_before += len(members)
                self.done += len(members)
            else:
                yield number, members
            number += 1

    def _stage(self, window: list[tuple[int, list[PlanItem]]]) -> None:
        storage = self.run.storage
        batches: dict[int, _Batch] = {}
        place: dict[str, _Place] = {}
        try:
            for number, members in window:
                name = self.journal.batch_name(self.plan.revision, self.shard, number)
                batch = batches[number] = _Batch(number, storage.lines_writer(name), len(members))
                place.update({item.content_id: (item, batch) for item in members})
            for item, batch in list(place.values()):
                if item.op == "delete":
                    self._add(
                        batch, {"op": "delete", "id": item.content_id, "tombstone": asdict(self._tombstone(item))}
                    )
                elif item.type not in (*_BODIES, "attachment"):
                    self._add_document(batch, item, Fetched(_entry(item), "storage", ""), Text())
            self.files = self._read(
                {i: p for i, p in place.items() if p[0].op == "upsert" and p[0].type == "attachment"}
            )
            for type_ in _BODIES:
                self._fetch(type_, {i: p for i, p in place.items() if p[0].op == "upsert" and p[0].type == type_})
            if self.trouble is not None:
                raise self.trouble
            self._take(self.files or ())
        finally:
            if self.files is not None:
                self.files.close()
            for batch in batches.values():
                batch.writer.drop()

    def _read(self, wanted: dict[str, _Place]) -> Answers[tuple[_Place, Text | Failure]] | None:
        """Return the texts of attachments, which are read in processes of their own while bodies are converted here."""
        if not wanted:
            return None
        if self.attachments is None:
            self.attachments = AttachmentTexts(
                self.client,
                self.plan.datasource,
                self.run.extractor,
                self.run.storage,
                self.journal.folder,
                self.plan.revision,
            )
        # What failed before comes last, each time in another order, lest the same ones be in the way of the others for good.
        order = sorted(wanted, key=lambda i: digest([self.plan.revision, i]) if wanted[i][0].why == "failed" else "")
        texts = self.attachments.read({i: _entry(wanted[i][0]) for i in order})
        return texts.map(lambda answer: (wanted[answer[0]], answer[1]))

    def _look_at_files(self) -> None:
        """Take the texts of files that have come. What goes wrong is told after the bodies, which are staged all the same."""
        if self.files is None or self.trouble is not None:
            return
        try:
            self._take(self.files.come())
        except Exception as error:  # noqa: BLE001 - it is raised later
            self.trouble = error

    def _take(self, files: Iterable[tuple[_Place, Text | Failure]]) -> None:
        for (item, batch), answer in files:
            if isinstance(answer, Failure):
                self._add_failure(batch, item, answer)
            else:
                self._add_document(batch, item, Fetched(_entry(item), "storage", ""), answer)

    def _fetch(self, type_: str, wanted: dict[str, _Place]) -> None:
        if not wanted:
            return
        waiting: list[_Waiting] = []
        chars = 0
        open_ids = set(wanted)
        answers = (
            self.client.fetch_comments([_entry(item) for item, _ in wanted.values()])
            if type_ == "comment"
            else self.client.fetch_bodies(cast(Literal["page", "blogpost"], type_), list(wanted))
        )
        with closing(answers):
            for answer in answers:
                content_id = answer.content_id if isinstance(answer, Failure) else answer.entry.content_id
                if content_id not in open_ids:
                    continue
                open_ids.discard(content_id)
                item, batch = wanted[content_id]
                if isinstance(answer, Failure):
                    self._add_failure(batch, item, answer)
                    continue
                fetched = Fetched(
                    _as_planned(answer.entry, _entry(item)), answer.representation, answer.body, answer.whole
                )
                unchanged = item.why == "live" and has_body(item.body, answer.body)
                if unchanged and answer.entry.version == _entry(item).version:
                    self.fetched += 1
                    self._add(batch, {"op": "upsert", "id": item.content_id, "same": True})
                    continue
                waiting.append((item, batch, fetched, self.references.read(fetched)))
                chars += len(answer.body)
                if len(waiting) >= _LOOK_UP_ITEMS or chars >= _LOOK_UP_CHARS:
                    self._convert(waiting)
                    waiting, chars = [], 0
        self._convert(waiting)
        for content_id in sorted(open_ids):
            item, batch = wanted[content_id]
            self.gone += 1
            if item.closes:
                self._take_out(batch, item)
                continue
            self._add(batch, {"op": "upsert", "id": item.content_id, "gone": True})

    def _convert(self, waiting: list[_Waiting]) -> None:
        shown = self.renderings.show([(fetched, content) for _, _, fetched, content in waiting])
        if shown:
            waiting = [
                (item, batch, fetched, found.content if (found := shown.get(item.content_id)) else content)
                for item, batch, fetched, content in waiting
                if not self._leave(item, batch, fetched, shown.get(item.content_id))
            ]
        for item, batch, fetched, content in self._looked_up(waiting):
            self._look_at_files()
            try:
                text = self.references.text(fetched, content, Place.of(item.surroundings))
            except ConfluenceProviderError:
                raise
            except Exception as error:  # noqa: BLE001 - one page that breaks the converter must not stop the others
                self._add_failure(batch, item, _unconverted(item, error))
                continue
            found = shown.get(item.content_id)
            if found is None:
                self._add_document(batch, item, fetched, text, mark_of(fetched.body) if fetched.entry.live else "")
                continue
            mark = mark_of(fetched.body, text.content)
            if item.why == "rendered" and item.body == mark and fetched.entry.version == _entry(item).version:
                self.fetched += 1
                line = {"op": "upsert", "id": item.content_id, "same": True, "rendered": found.rendered}
                self._add(batch, line)
            else:
                self._add_document(batch, item, fetched, text, mark, found.rendered)

    def _leave(self, item: PlanItem, batch: _Batch, fetched: Fetched, found: Shown | None) -> bool:
        """Stage that a document stays as it is, where it does; return whether that is so."""
        if found is None or not found.leaves(item, fetched):
            return False
        self.fetched += 1
        line = {"op": "upsert", "id": item.content_id, "same": True}
        # A page that was not asked for stays as long ago as it is, so that the next look takes the oldest first.
        self._add(batch, line | ({"rendered": found.rendered} if found.asked else {}))
        return True

    def _looked_up(self, waiting: Sequence[_Waiting]) -> list[_Waiting]:
        """Look up what bodies refer to, and return those of which it could be: all of them at once, or, where that breaks, each alone."""
        try:
            self.references.look_up(
                [(fetched, content, Place.of(i.surroundings)) for i, _, fetched, content in waiting]
            )
        except ConfluenceProviderError:
            raise
        except Exception as error:  # noqa: BLE001 - authors, and handlers of others, refer to anything; that is one page's failure
            if len(waiting) > 1:
                return [found for each in waiting for found in self._looked_up([each])]
            item, batch, _, _ = waiting[0]
            self._add_failure(batch, item, _unconverted(item, error))
            return []
        return list(waiting)

    def _titles(self) -> Titles:
        """Return what titles and ids meant when this run listed."""
        records = reload_known(self.journal, self.plan).records
        entries: dict[str, Entry] = {}
        readers: dict[str, Levels] = {}
        for shard in range(len(self.plan.shards)):
            for item in self.journal.items(self.plan, shard):
                if item.op == "delete":
                    records.pop(item.content_id, None)
                elif item.entry is not None and item.type in LINKED:
                    entries[item.content_id] = item.entry
                    readers[item.content_id] = recorded(item.surroundings.get("permissions"))
        rest = [record for record in self.journal.rest(self.plan) if record.content_id not in records]
        return Titles(records, entries, lambda entry: readers[entry.content_id], more=rest)

    # ---------------------------------------------------------------- lines of a batch
    def _add_document(
        self, batch: _Batch, item: PlanItem, fetched: Fetched, text: Text, body: str = "", rendered: int = 0
    ) -> None:
        entry = fetched.entry
        surroundings = dict(item.surroundings)
        known = surroundings["people"]
        surroundings["people"] = people = self.references.names_for(entry, known)
        document = assemble(self.plan.datasource, self.plan.revision, entry, surroundings, text)
        if not fetched.whole:
            context = ""  # made anew by the next look at everything
        elif entry == item.entry and people == known:
            context = item.context  # as the plan has it, of just these
        else:
            context = context_hash(entry, surroundings)
        record = Record(
            content_id=entry.content_id,
            type=entry.type,
            version=entry.version,
            space_id=entry.space_id,
            container_id=entry.container_id,
            title=entry.title,
            context=context,
            revision=self.plan.revision,
            includes=text.includes,
            body=body,
            rendered=rendered,
            readers=recorded(surroundings.get("permissions")),
        )
        self.fetched += 1
        self._add(
            batch, {"op": "upsert", "id": item.content_id, "document": document.to_json(), "record": record.to_json()}
        )

    def _add_failure(self, batch: _Batch, item: PlanItem, failure: Failure) -> None:
        self.failed += 1
        if item.closes:
            self._take_out(batch, item)
            return
        record = replace(item.record(), pending=False)
        self._add(
            batch, {"op": "upsert", "id": item.content_id, "failure": failure.to_json(), "record": record.to_json()}
        )

    def _take_out(self, batch: _Batch, item: PlanItem) -> None:
        """Stage the removal of a document that more may read than may read the item, and that cannot be made anew now.

        It stays pending: the next run brings it again.
        """
        tombstone, record = asdict(self._tombstone(item)), replace(item.record(), pending=True).to_json()
        self._add(batch, {"op": "delete", "id": item.content_id, "tombstone": tombstone, "record": record})

    def _add(self, batch: _Batch, line: Mapping[str, Any]) -> None:
        batch.writer.add(line)
        batch.open_items -= 1
        self.done += 1
        if batch.open_items == 0:
            batch.writer.close()
            self.run.reached("batch_staged")
            numbers = {"done": self.done, "of": self.plan.shards[self.shard]}
            self.run.tell(Event("extracted", self.plan.datasource.id, numbers, f"shard {self.shard}"))

    def _tombstone(self, item: PlanItem) -> Tombstone:
        datasource_id = self.plan.datasource.id
        return Tombstone(
            document_id(datasource_id, item.content_id), datasource_id, item.content_id, self.plan.revision
        )


def read_staged(line: Mapping[str, Any]) -> Document | Tombstone | None:
    """Return what a staged line holds for the sink, or ``None`` where it holds a failure, or an item that is gone or has not changed.

    :raises KeyError: :raises TypeError: where it holds none of these.
    """
    if "tombstone" in line:
        return Tombstone(**line["tombstone"])
    if "gone" in line or "same" in line:
        return None
    Record.from_json(line["record"])
    if "failure" in line:
        _ = line["failure"]["reason"], line["failure"]["message"]
        return None
    return Document.from_json(line["document"])


def _unconverted(item: PlanItem, error: Exception) -> Failure:
    return Failure(
        item.content_id, item.type, "conversion", f"the body could not be converted ({type(error).__name__})"
    )


def _as_planned(entry: Entry, planned: Entry) -> Entry:
    """Return what was fetched, with what the listing knew: a body fetched in bulk says nothing of labels and container."""
    found = replace(
        entry,
        labels=planned.labels,
        container_id=planned.container_id,
        space_id=entry.space_id or planned.space_id,
    )
    # Title and address of a comment are its page's, as that was planned.
    return replace(found, title=planned.title, url=planned.url) if entry.type == "comment" else found


def _entry(item: PlanItem) -> Entry:
    if item.entry is None:
        raise ValueError(f"plan item {item.content_id} is an upsert without an entry")
    return item.entry
