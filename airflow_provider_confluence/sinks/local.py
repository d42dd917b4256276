"""The default sink: one SQLite file with a full-text index, for one host. :class:`LocalIndex` searches it.

Several datasources may share a file, and several processes may write it at once while others search. What an id holds is decided by
(revision, deleted): the greater one stays, so that writes may come in any order and as often as they like. Within one revision an id is
either written or deleted, never both; should both come, the deletion stays, whichever was first. Tombstones are kept for ever (about 100
bytes each), so that even a write that was held up for days brings nothing back.

Commits are synchronous: with ``synchronous=FULL`` each batch costs one fsync, and what was answered *written* outlives a power cut. With
NORMAL it would outlive only a crash of the process, and a receipt could then speak of a document that is gone.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from airflow_provider_confluence.documents import Document, Tombstone
from airflow_provider_confluence.errors import ConfigurationError, OwnershipError
from airflow_provider_confluence.sinks import _local_file as local_file
from airflow_provider_confluence.sinks import _local_readers as readers
from airflow_provider_confluence.sinks._encoding import encoded
from airflow_provider_confluence.sinks._places import Place, folder_within
from airflow_provider_confluence.sinks._search_text import search_text
from airflow_provider_confluence.sinks._segmentation import readable, searchable
from airflow_provider_confluence.sinks.base import Answer, Capabilities, InventoryItem, Owner
from airflow_provider_confluence.sinks.connection import Connections, no_connections
from airflow_provider_confluence.sinks.local_search import Hit, LocalIndex, Results
from airflow_provider_confluence.sinks.settings import read_settings

__all__ = ["Hit", "LocalIndex", "LocalSink", "Results", "index_path"]

DEFAULT_MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
_LARGEST_REVISION = 2**63 - 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?Z")

_UPSERT = """
INSERT INTO doc (id, revision, datasource_id, content_id, type, space_key, url, updated, labels, title, content, document)
VALUES (:id, :revision, :datasource_id, :content_id, :type, :space_key, :url, :updated, :labels, :title, :content, :document)
ON CONFLICT (id) DO UPDATE SET
  revision = excluded.revision, datasource_id = excluded.datasource_id, content_id = excluded.content_id, type = excluded.type,
  space_key = excluded.space_key, url = excluded.url, updated = excluded.updated, labels = excluded.labels, title = excluded.title,
  content = excluded.content, document = excluded.document
"""
_HELD = """
SELECT id, revision, 0 FROM doc WHERE id IN (SELECT value FROM json_each(:ids))
UNION ALL SELECT id, revision, 1 FROM tombstone WHERE id IN (SELECT value FROM json_each(:ids))
"""
_BURY = """
INSERT INTO tombstone (id, revision, datasource_id, content_id) VALUES (:id, :revision, :datasource_id, :content_id)
ON CONFLICT (id) DO UPDATE SET revision = excluded.revision
"""


def index_path(folder: Path, destination: str) -> Path:
    """Return the file of a destination. :raises ConfigurationError: for a name that could lead out of the folder."""
    if not _NAME.fullmatch(destination):
        raise ConfigurationError(
            f"queue.name: {destination[:100]!r} cannot name a local index; use up to 100 of A-Z a-z 0-9 . _ - and begin with a letter "
            "or digit"
        )
    return folder / f"{destination}.sqlite3"


class LocalSink:
    """Write documents into an SQLite file. The constructor touches nothing; ``open`` makes the file where there is none.

    :param path: the file; see :func:`index_path`.
    :param max_document_bytes: a document whose JSON is larger is answered *rejected*.
    :param busy_timeout_seconds: how long to wait for other writers before :class:`SinkUnavailableError`.
    """

    capabilities = Capabilities(versioned=True, inventory=True, atomic_swap=False, readers=True)

    def __init__(
        self,
        path: Path,
        *,
        max_document_bytes: int = DEFAULT_MAX_DOCUMENT_BYTES,
        busy_timeout_seconds: float = 60.0,
    ) -> None:
        self.path = path
        self._max_document_bytes = max_document_bytes
        self._busy_timeout_seconds = busy_timeout_seconds
        self._connection: sqlite3.Connection | None = None
        self._owner: Owner | None = None

    def open(self, owner: Owner, *, adopt: bool = False) -> None:
        """Make or open the file and record who owns the datasource; see :meth:`~airflow_provider_confluence.sinks.base.Sink.open`.

        :raises StorageError: when the folder or file cannot be used; nothing that is there is overwritten.
        """
        self.close()
        local_file.refuse_network_file_system(self.path)
        local_file.create(self.path)
        connection = local_file.connect(self.path, read_only=False, busy_timeout_seconds=self._busy_timeout_seconds)
        try:
            with local_file.sqlite_errors(self.path):
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA cache_size = -16000")
                connection.execute("PRAGMA journal_size_limit = 67108864")
                with _transaction(connection):
                    connection.execute(local_file.NEWEST_INDEX)
                    readers.make(connection)
                    _claim(connection, owner, self.path, adopt=adopt)
        except BaseException:
            connection.close()
            raise
        self._connection, self._owner = connection, owner

    def check(self) -> None:
        """Say whether the file can be written, or made; see :meth:`~airflow_provider_confluence.sinks.base.Sink.check`."""
        local_file.refuse_network_file_system(self.path)
        local_file.create(self.path)
        connection = local_file.connect(self.path, read_only=False, busy_timeout_seconds=self._busy_timeout_seconds)
        with closing(connection), local_file.sqlite_errors(self.path), _transaction(connection):
            connection.execute("UPDATE owner SET site = site WHERE 0")

    def write(self, items: Sequence[Document | Tombstone]) -> list[Answer]:
        """Write a batch in one transaction: all of it or, on an error, nothing.

        :raises OwnershipError: when another deployment has adopted the datasource meanwhile.
        :raises SinkUnavailableError: when the disk is full, or other writers held the file for too long.
        """
        connection, owner = self._opened()
        prepared = [self._prepare(item, owner) for item in items]  # outside the transaction: others wait for it
        answers = []
        sets: dict[readers.Sets, int] = {}
        with local_file.sqlite_errors(self.path), _transaction(connection):
            _claim(connection, owner, self.path, adopt=False)
            held = _held(connection, [row["id"] for row in prepared if not isinstance(row, str)])
            for item, row in zip(items, prepared, strict=True):
                if isinstance(row, str):
                    answers.append(Answer(item.id, "rejected", row))
                    continue
                answers.append(_apply(connection, row, held, deleted=isinstance(item, Tombstone)))
                if answers[-1].outcome == "written" and isinstance(item, Document):
                    readers.note(connection, item.id, row["levels"], sets)
        return answers

    def flush(self) -> None:
        """Return at once: every commit is durable and visible already."""
        self._opened()

    def inventory(self, datasource_id: str) -> Iterator[InventoryItem]:
        """Yield what the datasource holds at this moment, streaming, from a connection of its own: writes may go on meanwhile."""
        self._opened()
        connection = local_file.connect(self.path, read_only=True, busy_timeout_seconds=self._busy_timeout_seconds)
        with closing(connection), local_file.sqlite_errors(self.path):
            rows = connection.execute(
                "SELECT id, content_id, revision FROM doc WHERE datasource_id = ?", [searchable(datasource_id)]
            )
            for row in rows:
                yield InventoryItem(*row)

    def changes(self, datasource_id: str, after: int, until: int) -> Iterator[Document | Tombstone]:
        """Yield what changed between two revisions; see :meth:`~airflow_provider_confluence.sinks.base.ReadableSink.changes`."""
        with LocalIndex(self.path) as index:
            yield from index.changes(datasource_id, after, until)

    def close(self) -> None:
        """Close the file; safe to repeat."""
        connection, self._connection, self._owner = self._connection, None, None
        if connection is not None:
            connection.close()

    def _opened(self) -> tuple[sqlite3.Connection, Owner]:
        if self._connection is None or self._owner is None:
            raise RuntimeError(f"the local index {self.path} is not open: call open() first")
        return self._connection, self._owner

    def _prepare(self, item: Document | Tombstone, owner: Owner) -> dict[str, Any] | str:
        """Return the row of an item, or the reason why it can never be written."""
        if item.datasource_id != owner.datasource_id:
            return f"belongs to datasource {item.datasource_id!r}, but the sink was opened for {owner.datasource_id!r}"
        if not 0 <= item.revision <= _LARGEST_REVISION:
            return f"revision {item.revision} is not between 0 and 2^63-1"
        if any(searchable(name) != name for name in (item.id, item.datasource_id, item.content_id)):
            return "an id holds characters that cannot be stored"
        row = {
            "id": item.id,
            "revision": item.revision,
            "datasource_id": item.datasource_id,
            "content_id": item.content_id,
        }
        if isinstance(item, Tombstone):
            return row
        return self._prepare_document(item, row)

    def _prepare_document(self, document: Document, row: dict[str, Any]) -> dict[str, Any] | str:
        try:
            text = encoded(document.to_json())
        except (TypeError, ValueError) as error:
            return f"is not plain JSON ({error})"
        size = len(text.encode())
        if size > self._max_document_bytes:
            return f"{size} bytes are more than max_document_bytes ({self._max_document_bytes})"
        return row | {
            "type": searchable(document.type),
            "space_key": searchable(document.space.key),
            "url": readable(searchable(document.url)),
            "updated": _comparable(document.updated),
            "labels": encoded([readable(searchable(label)) for label in document.labels]),
            "title": searchable(document.title),
            "content": searchable(search_text(document.content)),
            "document": text,
            "levels": readers.sets_of(document.permissions),
        }


def from_settings(
    settings: Mapping[str, Any],
    destination: str,
    *,
    storage: Path,
    allowed_paths: Sequence[Place] = (),
    connections: Connections = no_connections,  # noqa: ARG001 - a file needs none
) -> LocalSink:
    """Return the sink for ``{"type": "local", "path": …, "max_document_bytes": …}``; both keys may be left out.

    :param storage: where indexes lie by default; a ``path`` of the settings must lie below it or one of ``allowed_paths``.
    :raises ConfigurationError: for an unknown key, a wrong type, a path outside, a name that is no file name.
    """
    found = read_settings("local", settings, destination)
    return LocalSink(
        index_path(folder_within(found["path"], storage, allowed_paths), destination),
        max_document_bytes=found["max_document_bytes"],
    )


class _transaction:  # noqa: N801 - reads as the statement it stands for
    """BEGIN IMMEDIATE … COMMIT: the write lock is taken before anything is read, so that no reading can be out of date."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            try:
                self._connection.execute("COMMIT")
                return
            except sqlite3.Error:
                self._roll_back()
                raise
        self._roll_back()

    def _roll_back(self) -> None:
        if self._connection.in_transaction:  # a full disk makes SQLite roll back by itself
            self._connection.execute("ROLLBACK")


def _claim(connection: sqlite3.Connection, owner: Owner, path: Path, *, adopt: bool) -> None:
    found = connection.execute(
        "SELECT deployment_id, site FROM owner WHERE datasource_id = ?", [owner.datasource_id]
    ).fetchone()
    if found == (owner.deployment_id, owner.site):
        return
    if found is not None and not adopt:
        raise OwnershipError(
            f"the documents of datasource {owner.datasource_id} in {path} belong to deployment {found[0]} reading {found[1]}, this is "
            f"deployment {owner.deployment_id} reading {owner.site}; give the datasource another id or queue.name, or take them over "
            f"with: airflow-confluence adopt {owner.datasource_id}"
        )
    connection.execute(
        "INSERT INTO owner (datasource_id, deployment_id, site) VALUES (?, ?, ?) "
        "ON CONFLICT (datasource_id) DO UPDATE SET deployment_id = excluded.deployment_id, site = excluded.site",
        [owner.datasource_id, owner.deployment_id, owner.site],
    )


def _held(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, tuple[int, bool]]:
    """Return revision and whether it is deleted of each id that there ever was."""
    rows = connection.execute(_HELD, {"ids": encoded(ids)})
    return {id_: (revision, bool(deleted)) for id_, revision, deleted in rows}


def _apply(
    connection: sqlite3.Connection, row: dict[str, Any], held: dict[str, tuple[int, bool]], *, deleted: bool
) -> Answer:
    id_, order = row["id"], (row["revision"], deleted)
    before = held.get(id_)
    if before is not None and before > order:
        return Answer(id_, "superseded")
    held[id_] = order
    if deleted:
        connection.execute("DELETE FROM doc WHERE id = :id", row)
        connection.execute(_BURY, row)
    else:
        if before is not None and before[1]:
            connection.execute("DELETE FROM tombstone WHERE id = :id", row)
        connection.execute(_UPSERT, row)
    return Answer(id_, "written")


def _comparable(updated: str | None) -> str | None:
    """Return an RFC 3339 instant with milliseconds, so that instants compare as text; ``None`` for anything else."""
    match = _INSTANT.fullmatch(updated or "")
    return f"{match[1]}.{(match[2] or '')[:3].ljust(3, '0')}Z" if match else None
