"""The sinks that :mod:`benchmarks.sinks` measures, and for each the least that its client library can do with the same documents.

That least is what a short script would do: documents lie ready in memory as plain JSON values, each becomes what the library takes, and all
go into an index of the sink's own layout, in the same batches, until they are durable and can be searched. It keeps none of the sink's
promises (revisions, owner, receipts) and takes the Markdown as it is.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from airflow_provider_confluence.sinks.base import Owner, Sink
from airflow_provider_confluence.sinks.connection import SinkConnection
from airflow_provider_confluence.sinks.memory import MemorySink
from airflow_provider_confluence.sinks.registry import make_sink

Batches = Sequence[Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Place:
    """One destination of a sink, as plain data, so that another process can write to it."""

    sink: Mapping[str, Any]
    name: str
    folder: str = ""
    connection: Mapping[str, Any] = field(default_factory=dict)

    def make_sink(self) -> Sink:
        """Return a sink that writes here, not opened yet."""
        if self.sink["type"] == "memory":
            return MemorySink()
        connection = SinkConnection(**self.connection) if self.connection else None

        def connections(_: str) -> SinkConnection:
            assert connection is not None
            return connection

        return make_sink(self.sink, self.name, storage=Path(self.folder), connections=connections)

    def to_json(self) -> str:
        """Return it as JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Place:
        """Return the place that ``to_json`` wrote."""
        return cls(**json.loads(text))


class Destination(Protocol):
    """A server, or a folder, in which places are made."""

    def place(self) -> Place:
        """Return a new place; nothing is there yet."""

    def drop(self, place: Place) -> None:
        """Remove a place and everything in it."""


class Measurable(Destination, Protocol):
    """A destination that can also be filled without the sink."""

    def raw(self, place: Place, batches: Batches) -> None:
        """Write documents into a place that the sink has opened before and left empty."""


class Memory:
    """A dictionary: what the index step costs by itself."""

    def place(self) -> Place:
        return Place({"type": "memory"}, "memory")

    def drop(self, place: Place) -> None:
        pass


class Local:
    """One SQLite file, and the sqlite3 of the standard library."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count()

    def place(self) -> Place:
        return Place({"type": "local"}, f"bench-{next(self._numbers)}", str(self._folder))

    def drop(self, place: Place) -> None:
        for file in self._folder.glob(f"{place.name}.sqlite3*"):
            file.unlink()

    def raw(self, place: Place, batches: Batches) -> None:
        columns = (
            "id, revision, datasource_id, content_id, type, space_key, url, updated, labels, title, content, document"
        )
        statement = f"INSERT INTO doc ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
        with closing(sqlite3.connect(self._folder / f"{place.name}.sqlite3", isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA cache_size = -16000")
            for batch in batches:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(statement, map(self._row, batch))
                connection.execute("COMMIT")

    @staticmethod
    def _row(document: Mapping[str, Any]) -> Sequence[Any]:
        return (
            document["id"],
            document["revision"],
            document["datasource"]["id"],
            document["content_id"],
            document["type"],
            document["space"]["key"],
            document["url"],
            document["updated"],
            json.dumps(document["labels"]),
            document["title"],
            document["content"],
            json.dumps(document),
        )


class Postgres:
    """A PostgreSQL server, and psycopg."""

    _SAME = "id, revision, content_id, type, status, title, url, parent_id, labels, created, updated, language"
    _OTHER = "datasource_id, space_key, space_name, creator, last_editor, text, document, search"

    def __init__(self, connection: SinkConnection) -> None:
        self._connection = connection
        self._numbers = count()

    def place(self) -> Place:
        return Place({"type": "postgres"}, f"bench_{next(self._numbers)}", "", asdict(self._connection))

    def drop(self, place: Place) -> None:
        with self._session() as session:
            for suffix in ("", "_revision", "_owner", "_format"):
                session.execute(f"DROP TABLE {place.name}{suffix}")

    def raw(self, place: Place, batches: Batches) -> None:
        marks = ", ".join(["%s"] * len(f"{self._SAME}, {self._OTHER}".split(", ")[:-1]))
        search = "setweight(to_tsvector('simple', %s::text), 'A') || setweight(to_tsvector('simple', %s::text), 'B')"
        statement = f"INSERT INTO {place.name} ({self._SAME}, {self._OTHER}) VALUES ({marks}, {search})"  # noqa: S608
        with self._session() as session:
            for batch in batches:
                with session.transaction(), session.cursor() as cursor:
                    cursor.executemany(statement, map(self._row, batch))

    @classmethod
    def _row(cls, document: Mapping[str, Any]) -> Sequence[Any]:
        return (
            *(document[name] for name in cls._SAME.split(", ")),
            document["datasource"]["id"],
            document["space"]["key"],
            document["space"]["name"],
            document["creator"]["name"],
            document["last_editor"]["name"],
            document["content"],
            json.dumps(document),
            document["title"],
            document["content"],
        )

    def _session(self) -> Any:
        import psycopg

        one = self._connection
        return psycopg.connect(
            host=one.host,
            port=one.port,
            user=one.login,
            password=one.password,
            dbname=one.schema,
            autocommit=True,
        )


class SearchEngine:
    """A server that speaks as OpenSearch or Elasticsearch, and the helpers of its client library."""

    def __init__(self, kind: str, url: str, connection: SinkConnection) -> None:
        self._kind = kind
        self._url = url
        self._connection = connection
        self._numbers = count()

    def place(self) -> Place:
        sink = {"type": self._kind, "number_of_replicas": 0}
        return Place(sink, f"bench-{next(self._numbers)}", "", asdict(self._connection))

    def drop(self, place: Place) -> None:
        client, _ = self._client()
        with closing(client):
            for index in list(client.indices.get_alias(index=f"{place.name}-*")):
                client.indices.delete(index=index)

    def raw(self, place: Place, batches: Batches) -> None:
        client, bulk = self._client()
        with closing(client):
            for batch in batches:
                actions = ({"_id": document["id"], "_source": document} for document in batch)
                bulk(client, actions, index=place.name, chunk_size=len(batch))
            client.indices.refresh(index=place.name)

    def _client(self) -> tuple[Any, Callable[..., Any]]:
        if self._kind == "opensearch":
            from opensearchpy import OpenSearch
            from opensearchpy.helpers import bulk

            return OpenSearch(self._url, timeout=300), bulk
        from elasticsearch import Elasticsearch
        from elasticsearch.helpers import bulk as elasticsearch_bulk

        return Elasticsearch(self._url, request_timeout=300), elasticsearch_bulk


# ------------------------------------------------------------------------------------------ starting them
@contextmanager
def memory() -> Iterator[Destination]:
    """Return a dictionary."""
    yield Memory()


@contextmanager
def local() -> Iterator[Measurable]:
    """Make a folder, on the disk where temporary files lie."""
    with tempfile.TemporaryDirectory(prefix="bench-sinks-") as folder:
        yield Local(Path(folder))


@contextmanager
def postgres() -> Iterator[Measurable]:
    """Start a PostgreSQL that syncs its log, as it does by itself."""
    from tests.sinks.postgres_server import postgres_server

    with postgres_server(options=()) as server:
        yield Postgres(server.connection)


@contextmanager
def elasticsearch() -> Iterator[Measurable]:
    """Start noida-db."""
    from tests.sinks.servers import elasticsearch_server

    with elasticsearch_server() as server:
        yield SearchEngine("elasticsearch", server.url, server.connections("elasticsearch_default"))


@contextmanager
def opensearch() -> Iterator[Measurable]:
    """Start osmem."""
    from tests.sinks.servers import opensearch_server

    with opensearch_server() as server:
        yield SearchEngine("opensearch", server.url, server.connections("opensearch_default"))


@contextmanager
def opened(destination: Destination, owner: Owner) -> Iterator[Place]:
    """Make a place whose index is there and empty, and remove it in the end."""
    place = destination.place()
    with ExitStack() as stack:
        sink = place.make_sink()
        stack.callback(sink.close)
        sink.open(owner)
    try:
        yield place
    finally:
        destination.drop(place)
