"""Documents in a PostgreSQL table that other programs read too, with PostgreSQL's own full-text search.

What an id holds is decided by (revision, deleted): the greater one stays, so that writes may come in any order, from any number of writers,
and as often as they like. A small table beside the documents has that pair for every id there ever was (about 150 bytes each), so that
even a write that was held up for days brings nothing back. A batch is one transaction: it takes the rows of its ids there, in one order for
everybody, keeps of its documents those that won, and commits.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_confluence.documents import Document, Tombstone
from airflow_provider_confluence.errors import OwnershipError, SinkUnavailableError
from airflow_provider_confluence.sinks import _postgres_connection as server
from airflow_provider_confluence.sinks import _postgres_schema as schema
from airflow_provider_confluence.sinks._places import Place
from airflow_provider_confluence.sinks._search_text import search_text
from airflow_provider_confluence.sinks._segmentation import SEPARATOR, searchable
from airflow_provider_confluence.sinks.base import Answer, Capabilities, InventoryItem, Owner
from airflow_provider_confluence.sinks.connection import Connections, SinkConnection, no_connections
from airflow_provider_confluence.sinks.settings import read_settings

if TYPE_CHECKING:
    import psycopg

    Session = psycopg.Connection[tuple[Any, ...]]

DEFAULT_MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
_LARGEST_REVISION = 2**63 - 1
_MAX_ID_CHARACTERS = 500  # a row of a B-tree takes 2,700 bytes
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
# JSON has NUL as an escape only; before it a backslash that is one itself comes in pairs.
_NUL_IN_JSON = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_ATTEMPTS = 5
_MAX_HALVINGS = 12  # of 200 MB, the most that a document may have, that leaves 50 kB

_SETTINGS = """
SELECT set_config('statement_timeout', '300s', true), set_config('lock_timeout', '60s', true),
  set_config('idle_in_transaction_session_timeout', '300s', true), set_config('client_min_messages', 'warning', true),
  set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
             ELSE current_setting('synchronous_commit') END, true)
"""
_OWNER = "SELECT deployment_id, site FROM {owner} WHERE datasource_id = %s FOR SHARE"
_CLAIM = "INSERT INTO {owner} (datasource_id, deployment_id, site) VALUES (%s, %s, %s) ON CONFLICT (datasource_id) DO NOTHING"
_ADOPT = """
INSERT INTO {owner} (datasource_id, deployment_id, site) VALUES (%s, %s, %s)
ON CONFLICT (datasource_id) DO UPDATE SET deployment_id = excluded.deployment_id, site = excluded.site
"""
# One order of locks for everybody, so that writers wait for each other and do not deadlock.
_WIN = """
INSERT INTO {revision} AS held (id, revision, deleted, datasource_id, content_id)
SELECT * FROM unnest(%s::text[], %s::bigint[], %s::boolean[], %s::text[], %s::text[]) AS given (id)
ORDER BY given.id COLLATE "C"
ON CONFLICT (id) DO UPDATE SET
  revision = excluded.revision, deleted = excluded.deleted, datasource_id = excluded.datasource_id, content_id = excluded.content_id
WHERE (excluded.revision, excluded.deleted) >= (held.revision, held.deleted)
RETURNING id
"""
_COLUMNS = (
    *(
        "id",
        "revision",
        "datasource_id",
        "content_id",
        "type",
        "status",
        "title",
        "url",
        "space_key",
        "space_name",
        "parent_id",
    ),
    *("labels", "created", "updated", "creator", "last_editor", "language", "text", "permissions", "document"),
)
_SEARCH = (
    "setweight(to_tsvector({language}, %(search_title)s::text), 'A') || "
    "setweight(to_tsvector({language}, %(search_text)s::text), 'B')"
)
_UPSERT = (
    f"INSERT INTO {{table}} ({', '.join(_COLUMNS)}, search) "  # noqa: S608 - the names above and nothing else
    f"VALUES ({', '.join(f'%({column})s' for column in _COLUMNS)}, {_SEARCH}) "
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{column} = excluded.{column}' for column in [*_COLUMNS[1:], 'search'])}"
)
_DELETE = "DELETE FROM {table} WHERE id = ANY (%s)"
_INVENTORY = "SELECT id, content_id, revision FROM {table} WHERE datasource_id = %s"


@dataclass(frozen=True, slots=True)
class _Row:
    """An item as it is written; ``document`` and its JSON, ``encoded``, are ``None`` for a tombstone.

    ``halvings`` is how often the words to search were too many for PostgreSQL.
    """

    item: Document | Tombstone
    document: Document | None = None
    encoded: str | None = None
    halvings: int = 0

    @property
    def id(self) -> str:
        return self.item.id

    @property
    def order(self) -> tuple[int, bool]:
        return self.item.revision, self.document is None


class PostgresSink:
    """Write documents into a table. The constructor connects to nothing; ``open`` makes the tables where there are none.

    :param connections: looks up ``conn_id``, once, when it is first needed.
    :param table: the table's name, at most 48 characters.
    :param schema_name: where it lies; ``None`` for the first schema of the user's search path.
    :param language: the text search configuration: ``simple`` takes words as they are, ``english`` and others know their forms.
    :param max_document_bytes: a document whose JSON is larger is answered *rejected*.
    """

    capabilities = Capabilities(versioned=True, inventory=True, atomic_swap=False, readers=True)

    def __init__(
        self,
        connections: Connections,
        conn_id: str,
        table: str,
        *,
        schema_name: str | None = None,
        language: str = "simple",
        max_document_bytes: int = DEFAULT_MAX_DOCUMENT_BYTES,
    ) -> None:
        self._connections = connections
        self._conn_id = conn_id
        self._table = table
        self._schema_name = schema_name
        self._language = language
        self._max_document_bytes = max_document_bytes
        self._session: Session | None = None
        self._tables: schema.Tables | None = None
        self._owner: Owner | None = None

    # ---------------------------------------------------------------- the contract
    def open(self, owner: Owner, *, adopt: bool = False) -> None:
        """Make the tables where they are missing, and record the owner; see :meth:`~airflow_provider_confluence.sinks.base.Sink.open`."""
        self.close()
        connection = self._connection()
        connection.check_datasource(owner.datasource_id)
        session, self._tables = self._connected(connection)
        try:
            with self._errors("make"), self._transaction(session):
                if not schema.judge(session, self._tables):
                    schema.make(session, self._tables)
                self._claim(session, owner, adopt=adopt)
        except BaseException:
            session.close()
            raise
        self._session, self._owner = session, owner

    def check(self) -> None:
        """Say whether the tables can be written, or made; see :meth:`~airflow_provider_confluence.sinks.base.Sink.check`."""
        session, tables = self._connected(self._connection())
        with closing(session), self._errors("check"), self._transaction(session):
            schema.judge(session, tables)
            if session.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
                raise SinkUnavailableError(
                    f"connection {self._conn_id} leads to a replica, which takes no writes: let host name the primary, or both "
                    "with the extra target_session_attrs=read-write"
                )

    def write(self, items: Sequence[Document | Tombstone]) -> list[Answer]:
        """Write a batch in one transaction: all of it or, on an error, nothing.

        :raises OwnershipError: when another deployment has adopted the datasource meanwhile.
        :raises SinkUnavailableError: when the server is gone, full, or other writers held the rows for too long.
        """
        owner = self._opened()
        rejected: dict[int, Answer] = {}
        rows: dict[int, _Row] = {}
        best: dict[str, int] = {}
        for number, item in enumerate(items):
            row = self._prepare(item, owner)
            if isinstance(row, str):
                rejected[number] = Answer(item.id, "rejected", row)
                continue
            rows[number] = row
            if item.id not in best or rows[best[item.id]].order <= row.order:
                best[item.id] = number
        found = self._store_in_the_end([rows[number] for number in best.values()], owner) if rows else {}
        answers = []
        for number, item in enumerate(items):
            if number in rejected:
                answers.append(rejected[number])
            elif best[item.id] == number:
                answers.append(found[item.id])
            else:
                answers.append(Answer(item.id, "superseded"))  # by another one of this batch
        return answers

    def flush(self) -> None:
        """Return at once: every commit is durable and visible already."""
        self._opened()

    def inventory(self, datasource_id: str) -> Iterator[InventoryItem]:
        """Yield what the datasource holds at this moment, streaming, over a connection of its own: writes may go on meanwhile."""
        self._opened()
        session, tables = self._connected(self._connection())
        with closing(session), self._errors("list"), session.transaction(), session.cursor("inventory") as cursor:
            cursor.itersize = 5_000
            for row in cursor.execute(tables.fill(_INVENTORY), [datasource_id]):
                yield InventoryItem(*row)

    def close(self) -> None:
        """Close the connection; safe to repeat."""
        session, self._session, self._owner = self._session, None, None
        if session is not None:
            session.close()

    # ---------------------------------------------------------------- the server
    def _connection(self) -> SinkConnection:
        connection = self._connections(self._conn_id)
        connection.check_type(["postgres"])
        return connection

    def _connected(self, connection: SinkConnection) -> tuple[Session, schema.Tables]:
        session = server.connect(connection)
        try:
            with self._errors("look at"):
                return session, schema.find(session, self._schema_name, self._table, self._language)
        except BaseException:
            session.close()
            raise

    @contextmanager
    def _transaction(self, session: Session) -> Iterator[None]:
        with session.transaction():
            session.execute(_SETTINGS)
            yield

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        from psycopg import Error

        try:
            yield
        except Error as error:
            raise server.translated(error, self._conn_id, f"{what} table {self._table}") from error

    def _opened(self) -> Owner:
        if self._owner is None:
            raise RuntimeError(f"the sink of table {self._table} is not open: call open() first")
        return self._owner

    def _claim(self, session: Session, owner: Owner, *, adopt: bool) -> None:
        assert self._tables is not None
        mine = [owner.datasource_id, owner.deployment_id, owner.site]
        if adopt:
            session.execute(self._tables.fill(_ADOPT), mine)
            return
        find = self._tables.fill(_OWNER)
        found = session.execute(find, mine[:1]).fetchone()
        if found is None:
            session.execute(self._tables.fill(_CLAIM), mine)
            found = session.execute(find, mine[:1]).fetchone()  # somebody else may have been quicker
        if found is not None and found != (owner.deployment_id, owner.site):
            raise OwnershipError(
                f"the documents of datasource {owner.datasource_id} in table {self._tables} belong to deployment {found[0]} reading "
                f"{found[1]}, this is deployment {owner.deployment_id} reading {owner.site}; give the datasource another id or queue.name, "
                f"or take them over with: airflow-confluence adopt {owner.datasource_id}"
            )

    # ---------------------------------------------------------------- writing
    def _store_in_the_end(self, rows: list[_Row], owner: Owner) -> dict[str, Answer]:
        """Store rows, each id once, and return the answers; again from the start where the server asks for it or went away."""
        import psycopg
        from psycopg.errors import DeadlockDetected, SerializationFailure

        passing = (DeadlockDetected, SerializationFailure)
        rows = sorted(rows, key=lambda row: row.id)
        with self._errors("write to"):
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    if self._session is None:
                        self._session, self._tables = self._connected(self._connection())
                    with self._transaction(self._session):
                        self._claim(self._session, owner, adopt=False)
                        return self._store(self._session, rows)
                except (psycopg.Error, SinkUnavailableError) as error:
                    lost = self._session is None or self._session.closed or server.ended(error)
                    if attempt == _ATTEMPTS or not (lost or isinstance(error, passing)):
                        raise
                    if lost and self._session is not None:
                        self._session.close()
                        self._session = None
                time.sleep(random.uniform(0.5, 1.0) * 0.1 * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def _store(self, session: Session, rows: list[_Row]) -> dict[str, Answer]:
        from psycopg import DataError
        from psycopg.errors import ProgramLimitExceeded

        try:
            with session.transaction():
                return self._store_together(session, rows)
        except (DataError, ProgramLimitExceeded) as error:
            if len(rows) > 1:  # one by one, so that the rest does not suffer from one
                return {id_: answer for row in rows for id_, answer in self._store(session, [row]).items()}
            return self._store_less(session, rows[0], error)

    def _store_less(self, session: Session, row: _Row, error: psycopg.Error) -> dict[str, Answer]:
        """Store a document of which PostgreSQL's index cannot take every word (1 MB of different ones) with the first half of them."""
        from psycopg.errors import ProgramLimitExceeded

        if isinstance(error, ProgramLimitExceeded) and row.document is not None and row.halvings < _MAX_HALVINGS:
            return self._store(session, [replace(row, halvings=row.halvings + 1)])
        return {row.id: Answer(row.id, "rejected", f"PostgreSQL cannot store it ({type(error).__name__})")}

    def _store_together(self, session: Session, rows: list[_Row]) -> dict[str, Answer]:
        assert self._tables is not None
        given = [
            [row.id for row in rows],
            [row.item.revision for row in rows],
            [row.document is None for row in rows],
            [row.item.datasource_id for row in rows],
            [row.item.content_id for row in rows],
        ]
        won = {id_ for (id_,) in session.execute(self._tables.fill(_WIN), given).fetchall()}
        deleted = [row.id for row in rows if row.id in won and row.document is None]
        with session.cursor() as cursor:
            if deleted:
                cursor.execute(self._tables.fill(_DELETE), [deleted])
            # One after the other: while the server indexes a document, the next one is made ready here.
            documents = (_columns(row) for row in rows if row.id in won and row.document is not None)
            cursor.executemany(self._tables.fill(_UPSERT), documents)
        return {row.id: Answer(row.id, "written" if row.id in won else "superseded") for row in rows}

    # ---------------------------------------------------------------- items
    def _prepare(self, item: Document | Tombstone, owner: Owner) -> _Row | str:
        """Return the row of an item, or the reason why it can never be written."""
        if item.datasource_id != owner.datasource_id:
            return f"belongs to datasource {item.datasource_id!r}, but the sink was opened for {owner.datasource_id!r}"
        if not 0 <= item.revision <= _LARGEST_REVISION:
            return f"revision {item.revision} is not between 0 and 2^63-1"
        for name in (item.id, item.datasource_id, item.content_id):
            if _UNSTORABLE.search(name) or len(name) > _MAX_ID_CHARACTERS:
                return f"an id is longer than {_MAX_ID_CHARACTERS} characters, or holds some that cannot be stored"
        if isinstance(item, Tombstone):
            return _Row(item)
        try:
            encoded = _json(item.to_json())
        except (TypeError, ValueError, RecursionError) as error:
            return f"is not plain JSON ({error})"
        size = len(encoded.encode())
        if size > self._max_document_bytes:
            return f"{size} bytes are more than max_document_bytes ({self._max_document_bytes})"
        return _Row(item, item, encoded)


def from_settings(
    settings: Mapping[str, Any],
    destination: str,
    *,
    storage: Path,  # noqa: ARG001 - nothing is kept here
    allowed_paths: Sequence[Place] = (),  # noqa: ARG001
    connections: Connections = no_connections,
) -> PostgresSink:
    """Return the sink for ``{"type": "postgres", "conn_id": …, "schema": …, "language": …, "max_document_bytes": …}``.

    All but ``type`` may be left out.

    :raises ConfigurationError: for an unknown key, a wrong type, a name that is none.
    """
    found = read_settings("postgres", settings, destination)
    return PostgresSink(
        connections,
        found["conn_id"],
        destination,
        schema_name=found["schema"],
        language=found["language"],
        max_document_bytes=found["max_document_bytes"],
    )


def _columns(row: _Row) -> dict[str, Any]:
    document = row.document
    assert document is not None
    text = _storable(search_text(document.content))
    words = _words(text)
    return {
        "id": document.id,
        "revision": document.revision,
        "datasource_id": document.datasource_id,
        "content_id": document.content_id,
        "type": _storable(document.type),
        "status": _storable(document.status),
        "title": _storable(document.title),
        "url": _storable(document.url),
        "space_key": _storable(document.space.key),
        "space_name": _storable(document.space.name),
        "parent_id": _storable(document.parent_id),
        "labels": [_storable(label) for label in document.labels],
        "created": _instant(document.created),
        "updated": _instant(document.updated),
        "creator": _storable(document.creator.name) if document.creator else None,
        "last_editor": _storable(document.last_editor.name) if document.last_editor else None,
        "language": _storable(document.language),
        "text": text,
        "permissions": None if document.permissions is None else _json(document.permissions),
        "document": row.encoded,
        "search_title": _words(document.title),
        "search_text": words[: len(words) >> row.halvings],
    }


def _storable(text: str | None) -> Any:
    """Return text as PostgreSQL takes it: U+FFFD for NUL and for lone surrogates, which neither text nor jsonb can hold."""
    return text if text is None else _UNSTORABLE.sub("\ufffd", text)


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if "\\u0000" in text:
        text = _NUL_IN_JSON.sub("\\1\ufffd", text)
    return _UNSTORABLE.sub("\ufffd", text)


def _words(text: str) -> str:
    return searchable(text).replace(SEPARATOR, " ")


def _instant(text: str | None) -> datetime | None:
    """Return the instant of an RFC 3339 text in UTC; ``None`` for anything else."""
    if not text or not text.endswith("Z"):
        return None
    try:
        return datetime.fromisoformat(text.removesuffix("Z") + "+00:00")
    except ValueError:
        return None
