"""The sink that OpenSearch and Elasticsearch share. They differ in how a connection is made and in the name of one field type.

Every write carries a version, twice the revision and one more for a tombstone, and the server keeps the greatest: so writes may come in
any order and as often as they like, and of one revision the tombstone stays. A server remembers the version of what was deleted for a
while only (``gc_deletes``, and not over a restart). So tombstones are kept for good, as small documents of an index of their own, and are
asked for before each batch, in the same request as the owner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_confluence.documents import Document, Tombstone
from airflow_provider_confluence.errors import ConfigurationError, OwnershipError, SinkUnavailableError
from airflow_provider_confluence.sinks import _search_bulk as bulk
from airflow_provider_confluence.sinks._encoding import encoded
from airflow_provider_confluence.sinks._search_layout import LEVELS, Layout
from airflow_provider_confluence.sinks._search_rebuild import MARKER, Rebuild, keep_out
from airflow_provider_confluence.sinks._search_wire import Reach, Reply, Sender, Server, complain, read_connection
from airflow_provider_confluence.sinks.base import Answer, Capabilities, InventoryItem, Owner
from airflow_provider_confluence.sinks.connection import Connections

_LARGEST_REVISION = 2**62 - 1
_PAGE = 1_000
# Longer values of page properties are cut in the field by which they are searched: they are in the text, and OpenSearch would refuse the
# whole document for one. A term has 32,766 bytes, of which a character takes up to 4.
_LONGEST_NAME = 500
_LONGEST_VALUE = 7_000


@dataclass(frozen=True, slots=True)
class Flavour:
    """What the two servers do not share.

    ``flat`` is the type of a field that takes any names. ``refuse`` returns why the answer to ``GET /`` is not of a server that will do, or
    nothing. ``connect`` makes a connection with the server's own client library.
    """

    name: str
    conn_type: str
    api_key: bool
    flat: Mapping[str, Any]
    refuse: Callable[[Mapping[str, Any]], str | None]
    connect: Callable[[Reach], Sender]


class SearchEngineSink:
    """Write documents into an index of a search engine. The constructor asks nothing; ``open`` makes the index where there is none.

    :param sleep: waits between tries; tests give their own.
    """

    capabilities = Capabilities(versioned=True, inventory=True, atomic_swap=True, readers=True)

    def __init__(
        self,
        flavour: Flavour,
        layout: Layout,
        conn_id: str,
        connections: Connections,
        *,
        max_document_bytes: int,
        sleep: Callable[[float], None],
    ) -> None:
        self._flavour = flavour
        self._layout = layout
        self._conn_id = conn_id
        self._connections = connections
        self._max_document_bytes = max_document_bytes
        self._sleep = sleep
        self._server: Server | None = None
        self._owner: Owner | None = None
        self._rebuilding = False
        self._was_rebuilding = False

    # ---------------------------------------------------------------- open, check, close
    def open(self, owner: Owner, *, adopt: bool = False) -> None:
        """Make or find the indexes and record the owner; see :meth:`~airflow_provider_confluence.sinks.base.Sink.open`. 5 requests."""
        self.close()
        server = self._connect(owner.datasource_id)
        try:
            self._check_product(server)
            self._layout.ensure(server)
            self._claim(server, owner, adopt=adopt)
            marker = self._records(server, []).get(MARKER)
            keep_out(marker, owner.datasource_id, self._layout.alias, server.where)
        except BaseException:
            server.close()
            raise
        self._server, self._owner, self._was_rebuilding = server, owner, marker is not None

    def check(self) -> None:
        """Say whether documents could be written, read back and deleted; see :meth:`~airflow_provider_confluence.sinks.base.Sink.check`.

        The indexes are made where they are missing: only that shows whether they can be.
        """
        server = self._connect(None)
        try:
            self._check_product(server, tries=1)
            self._layout.ensure(server)
            for alias in (self._layout.alias, self._layout.control):
                self._check_blocks(server, alias)
                # A deletion of what never was: the right to write, shown without writing.
                for judgement in bulk.write(server, [bulk.Operation.delete(0, alias, "airflow-confluence-check", 1)]):
                    if judgement.outcome not in ("written", "superseded"):
                        raise SinkUnavailableError(f"{server.where} takes no writes now: {judgement.reason}")
            self._records(server, [])
            self._refresh(server)
            for _ in self._pages(server, self._layout.alias, "airflow-confluence-check", size=1):
                pass
        finally:
            server.close()

    def close(self) -> None:
        """Close the connection; safe to repeat."""
        server, self._server, self._owner, self._rebuilding = self._server, None, None, False
        if server is not None:
            server.close()

    def _connect(self, datasource_id: str | None) -> Server:
        connection = self._connections(self._conn_id)
        connection.check_type([self._flavour.conn_type])
        if datasource_id is not None:
            connection.check_datasource(datasource_id)
        reach = read_connection(connection, api_key=self._flavour.api_key)
        return Server(reach, self._flavour.connect(reach), sleep=self._sleep)

    def _check_product(self, server: Server, *, tries: int = 5) -> None:
        said = server.ask("GET", "/", tries=tries).body
        why = self._flavour.refuse(said) if isinstance(said, dict) else f"it is no {self._flavour.name}"
        if why:
            raise ConfigurationError(f"{server.where} answers, but {why}")

    @staticmethod
    def _check_blocks(server: Server, alias: str) -> None:
        said = server.ask("GET", f"/{alias}/_settings/index.blocks.*", params={"flat_settings": "true"}).body
        for index, found in said.items():
            blocks = {name for name, value in found.get("settings", {}).items() if str(value) == "true"}
            if "index.blocks.read_only_allow_delete" in blocks:
                raise SinkUnavailableError(
                    f"{server.where}: index {index} takes no documents: the server's disk is nearly full (flood-stage watermark); free "
                    "space there, then the block is lifted"
                )
            if blocks:
                raise ConfigurationError(
                    f"{server.where}: index {index} takes no documents: {', '.join(sorted(blocks))} is set; lift it"
                )

    def _opened(self) -> tuple[Server, Owner]:
        if self._server is None or self._owner is None:
            raise RuntimeError(f"the index {self._layout.alias} is not open: call open() first")
        return self._server, self._owner

    # ---------------------------------------------------------------- owners and tombstones
    def _records(self, server: Server, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return what the control index holds of these ids, as of now: what was written counts before any refresh. 1 request."""
        control = self._layout.control
        reply = server.ask("POST", f"/{control}/_mget", body={"ids": [MARKER, *ids]})
        docs = reply.body.get("docs") if isinstance(reply.body, dict) else None
        if not isinstance(docs, list) or len(docs) != len(ids) + 1:
            raise SinkUnavailableError(f"{server.where} does not answer what {control} holds")
        for doc in docs:
            if "error" in doc:
                status = 404 if "not_found" in str(doc["error"]) else 503
                raise complain(Reply(status, doc), server.where, f"a look into {control}")
        return {doc["_id"]: doc for doc in docs if doc.get("found")}

    def _claim(self, server: Server, owner: Owner, *, adopt: bool) -> None:
        name = _owner_id(owner.datasource_id)
        mine = {
            "kind": "owner",
            "datasource_id": owner.datasource_id,
            "deployment_id": owner.deployment_id,
            "site": owner.site,
        }
        for _ in range(3):  # what another one changes in between is read again
            found = self._records(server, [name]).get(name)
            if found is None:
                action: dict[str, Any] = {"create": {"_index": self._layout.control, "_id": name}}
            elif _is_of(found, owner):
                return
            elif not adopt:
                raise self._stranger(server, found["_source"], owner)
            else:
                condition = {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}
                action = {"index": {"_index": self._layout.control, "_id": name, **condition}}
            lines = encoded(action).encode() + b"\n" + encoded(mine).encode() + b"\n"
            for _judgement in bulk.write(server, [bulk.Operation(0, next(iter(action)), lines)]):
                pass  # whoever won, the record says it
        found = self._records(server, [name]).get(name)
        if found is None or not _is_of(found, owner):
            raise SinkUnavailableError(
                f"{server.where}: several deployments claim datasource {owner.datasource_id} in {self._layout.alias} at once"
            )

    def _check_owner(self, server: Server, records: Mapping[str, dict[str, Any]], owner: Owner) -> None:
        found = records.get(_owner_id(owner.datasource_id))
        if found is None:
            raise ConfigurationError(
                f"{server.where}: the record of who owns datasource {owner.datasource_id} is gone from {self._layout.control}; the next "
                "run makes it anew; have it run with mode verify"
            )
        if not _is_of(found, owner):
            raise self._stranger(server, found["_source"], owner)

    def _stranger(self, server: Server, found: Mapping[str, Any], owner: Owner) -> OwnershipError:
        return OwnershipError(
            f"the documents of datasource {owner.datasource_id} in {self._layout.alias} at {server.where} belong to deployment "
            f"{found.get('deployment_id')} reading {found.get('site')}, this is deployment {owner.deployment_id} reading {owner.site}; "
            f"give the datasource another id or queue.name, or take them over with: airflow-confluence adopt {owner.datasource_id}"
        )

    # ---------------------------------------------------------------- writing
    def write(self, items: Sequence[Document | Tombstone]) -> list[Answer]:
        """Write a batch: one request for owner and tombstones, then one for each 10 MB of documents.

        :raises OwnershipError: when another deployment has adopted the datasource meanwhile.
        :raises SinkUnavailableError: when the server does not answer, or its disk is full.
        :raises ConfigurationError: when the index was dropped meanwhile.
        """
        server, owner = self._opened()
        if not items:
            return []
        ids = list(dict.fromkeys(item.id for item in items if isinstance(item, Document)))
        records = self._records(server, [_owner_id(owner.datasource_id), *ids])
        self._check_owner(server, records, owner)
        keep_out(records.get(MARKER), owner.datasource_id, self._layout.alias, server.where)
        answers: dict[int, Answer] = {}
        buried = self._bury(server, items, owner, answers)
        for id_ in ids:
            if id_ in records:
                buried[id_] = max(int(records[id_]["_source"]["revision"]), buried.get(id_, 0))
        found: dict[int, list[bulk.Judgement]] = {}
        for judgement in bulk.write(server, self._operations(items, owner, buried, answers)):
            found.setdefault(judgement.key, []).append(judgement)
        for key, judgements in found.items():
            answers[key] = _combined(items[key].id, judgements)
        return [answers[key] for key in range(len(items))]

    def _bury(
        self, server: Server, items: Sequence[Document | Tombstone], owner: Owner, answers: dict[int, Answer]
    ) -> dict[str, int]:
        """Record the tombstones of a batch before anything is deleted, and return their revisions by id."""
        stones: dict[str, int] = {}
        operations = []
        for key, item in enumerate(items):
            if not isinstance(item, Tombstone):
                continue
            why = _refused(item, owner)
            if why:
                answers[key] = Answer(item.id, "rejected", why)
                continue
            stones[item.id] = max(item.revision, stones.get(item.id, 0))
            source = {
                "kind": "tombstone",
                "datasource_id": item.datasource_id,
                "content_id": item.content_id,
                "revision": item.revision,
            }
            operations.append(
                bulk.Operation.index(key, self._layout.control, item.id, item.revision, encoded(source).encode())
            )
        for judgement in bulk.write(server, operations):
            if judgement.outcome not in ("written", "superseded"):
                answers[judgement.key] = Answer(items[judgement.key].id, judgement.outcome, judgement.reason)
        return stones

    def _operations(
        self,
        items: Sequence[Document | Tombstone],
        owner: Owner,
        buried: Mapping[str, int],
        answers: dict[int, Answer],
    ) -> Iterator[bulk.Operation]:
        """Yield what to send, made as it is needed, and answer what need not be sent."""
        for key, item in enumerate(items):
            if key in answers:
                continue
            if isinstance(item, Tombstone):
                for alias in self._aliases():
                    yield bulk.Operation.delete(key, alias, item.id, 2 * item.revision + 1)
                continue
            why = _refused(item, owner)
            source = why or self._source(item)
            if isinstance(source, str):
                answers[key] = Answer(item.id, "rejected", source)
            elif buried.get(item.id, -1) >= item.revision:
                answers[key] = Answer(item.id, "superseded")
            else:
                for alias in self._aliases():
                    yield bulk.Operation.index(key, alias, item.id, 2 * item.revision, source)

    def _aliases(self) -> tuple[str, ...]:
        return (self._layout.alias, self._layout.rebuild) if self._rebuilding else (self._layout.alias,)

    def _source(self, document: Document) -> bytes | str:
        """Return a document as the index takes it, or the reason why it can never be written."""
        value = document.to_json()
        value["properties"] = {
            name[:_LONGEST_NAME]: text[:_LONGEST_VALUE] for name, text in document.properties.items()
        }
        if document.permissions is not None:
            value[LEVELS] = [{"principals": level} for level in document.permissions]
        try:
            source = encoded(value).encode()
        except (TypeError, ValueError) as error:
            return f"is not plain JSON ({error})"
        if len(source) > self._max_document_bytes:
            return f"{len(source)} bytes are more than max_document_bytes ({self._max_document_bytes})"
        return source

    def flush(self) -> None:
        """Have the index refreshed, so that everything written is found."""
        server, _ = self._opened()
        self._refresh(server)

    def _refresh(self, server: Server) -> None:
        for alias in self._aliases():
            said = server.ask("POST", f"/{alias}/_refresh").body
            failed = said.get("_shards", {}).get("failed", 0) if isinstance(said, dict) else 0
            if failed:
                raise SinkUnavailableError(f"{server.where}: {failed} shards of {alias} could not be refreshed")

    # ---------------------------------------------------------------- rebuilding
    def check_rebuild(self) -> None:
        """See :meth:`~airflow_provider_confluence.sinks.base.RebuildingSink.check_rebuild`. 2 requests."""
        self._rebuild().check()

    def begin_rebuild(self, revision: int) -> None:
        """See :meth:`~airflow_provider_confluence.sinks.base.RebuildingSink.begin_rebuild`. 6 requests."""
        self._rebuilding = self._rebuild().begin(revision)
        self._was_rebuilding = True

    def finish_rebuild(self, revision: int, documents: int) -> str:
        """See :meth:`~airflow_provider_confluence.sinks.base.RebuildingSink.finish_rebuild`. 8 requests."""
        return self._rebuild().finish(revision, documents)

    def abandon_rebuild(self, before: int) -> bool:
        """See :meth:`~airflow_provider_confluence.sinks.base.RebuildingSink.abandon_rebuild`; no request where none was."""
        self._opened()
        return self._was_rebuilding and self._rebuild().abandon(before)

    def _rebuild(self) -> Rebuild:
        server, owner = self._opened()
        return Rebuild(server, self._layout, owner.datasource_id, lambda: self._records(server, []))

    # ---------------------------------------------------------------- inventory
    def inventory(self, datasource_id: str) -> Iterator[InventoryItem]:
        """Yield what the index holds of the datasource, 1,000 to a request. The order of ids is that of no change, so nothing is kept open.

        What somebody edited by hand has no version that a run gives; its revision here is one that no run wrote, so *verify* makes it anew.
        """
        server, _ = self._opened()
        self._refresh(server)
        for hit in self._pages(server, self._layout.alias, datasource_id, size=_PAGE):
            fields = hit.get("fields", {})
            if not (fields.get("content_id") and fields.get("revision")):
                continue  # edited by hand into something that is no document: it is missing, and comes back
            revision = int(fields["revision"][0])
            if hit["_version"] != 2 * revision:
                revision = (hit["_version"] + 1) // 2
            yield InventoryItem(hit["_id"], str(fields["content_id"][0]), revision)

    def _pages(self, server: Server, alias: str, datasource_id: str, *, size: int) -> Iterator[dict[str, Any]]:
        body: dict[str, Any] = {
            "size": size,
            "query": {"bool": {"filter": [{"term": {"datasource.id": datasource_id}}, {"exists": {"field": "id"}}]}},
            "sort": [{"id": "asc"}],
            "_source": False,
            "docvalue_fields": ["content_id", "revision"],
            "version": True,
            "track_total_hits": False,
        }
        # One copy of the shards throughout: another one may be some seconds behind.
        params = {"allow_partial_search_results": "false", "preference": f"airflow-confluence-{datasource_id}"[:200]}
        while True:
            said = server.ask("POST", f"/{alias}/_search", params=params, body=body).body
            hits = said.get("hits", {}).get("hits") if isinstance(said, dict) else None
            if not isinstance(hits, list) or said.get("timed_out"):
                raise SinkUnavailableError(f"{server.where} did not list {alias} to the end")
            yield from hits
            if len(hits) < size:
                return
            body["search_after"] = hits[-1]["sort"]


def _owner_id(datasource_id: str) -> str:
    return f"owner:{datasource_id}"


def _is_of(found: Mapping[str, Any], owner: Owner) -> bool:
    source = found["_source"]
    return bool(source.get("deployment_id") == owner.deployment_id and source.get("site") == owner.site)


def _refused(item: Document | Tombstone, owner: Owner) -> str:
    if item.datasource_id != owner.datasource_id:
        return f"belongs to datasource {item.datasource_id!r}, but the sink was opened for {owner.datasource_id!r}"
    if not 0 <= item.revision <= _LARGEST_REVISION:
        return f"revision {item.revision} is not between 0 and 2^62-1"
    if not 0 < len(item.id.encode(errors="surrogatepass")) <= 512:
        return "its id is empty, or longer than 512 bytes"
    return ""


def _combined(id_: str, judgements: Sequence[bulk.Judgement]) -> Answer:
    """Return one answer for what was written to one index or to two: the worst."""
    for outcome in ("rejected", "retry", "written"):
        for judgement in judgements:
            if judgement.outcome == outcome:
                return Answer(id_, judgement.outcome, judgement.reason)
    return Answer(id_, "superseded")
