"""Search the file of a local sink: read only, from any process, while others write."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from airflow_provider_confluence.documents import Document, rfc3339
from airflow_provider_confluence.sinks import _local_file as local_file
from airflow_provider_confluence.sinks._segmentation import match_expression, readable

_FILTERS = """
  AND (:space IS NULL OR doc.space_key = :space)
  AND (:type IS NULL OR doc.type = :type)
  AND (:datasource IS NULL OR doc.datasource_id = :datasource)
  AND (:since IS NULL OR doc.updated >= :since)
  AND (:label IS NULL OR EXISTS (SELECT 1 FROM json_each(doc.labels) AS label WHERE label.value = :label))
"""
_COUNT = "SELECT count(*) FROM doc_fts JOIN doc ON doc.rowid = doc_fts.rowid WHERE doc_fts MATCH :match" + _FILTERS  # noqa: S608
_RANKED = (
    "SELECT doc.rowid, doc_fts.rank FROM doc_fts JOIN doc ON doc.rowid = doc_fts.rowid WHERE doc_fts MATCH :match"  # noqa: S608
    + _FILTERS
    + " ORDER BY doc_fts.rank, doc.rowid LIMIT :limit OFFSET :offset"
)
# snippet() is dear: it is asked for the rows of this page of results only.
_SHOWN = """
SELECT doc.rowid, doc.id, doc.content_id, doc.datasource_id, doc.type, doc.space_key, doc.title, doc.url, doc.updated,
       snippet(doc_fts, 1, :open, :close, '…', 40)
FROM doc_fts JOIN doc ON doc.rowid = doc_fts.rowid
WHERE doc_fts MATCH :match AND doc_fts.rowid IN (SELECT value FROM json_each(:rowids))
"""


@dataclass(frozen=True, slots=True)
class Hit:
    """One document that was found. ``score`` grows with relevance and compares within one search only; ``updated`` is RFC 3339 or None."""

    id: str
    content_id: str
    datasource_id: str
    type: str
    space_key: str
    title: str
    url: str
    updated: str | None
    snippet: str
    score: float


@dataclass(frozen=True, slots=True)
class Results:
    """One page of hits, best first, and how many there are in ``total``."""

    total: int
    hits: tuple[Hit, ...]


class LocalIndex:
    """Search one index file. It is opened at the first call and may be used by one thread; use it in ``with``, or close it.

    Every call sees one committed state of the file. Each raises :class:`~airflow_provider_confluence.errors.StorageError` where there is
    no index yet, or what is there cannot be read.
    """

    def __init__(self, path: Path, *, busy_timeout_seconds: float = 10.0) -> None:
        self.path = path
        self._busy_timeout_seconds = busy_timeout_seconds
        self._connection: sqlite3.Connection | None = None

    def search(
        self,
        query: str,
        *,
        limit: int = 10,
        offset: int = 0,
        space: str | None = None,
        type: str | None = None,
        label: str | None = None,
        datasource: str | None = None,
        since: datetime | None = None,
        prefix: bool = False,
        marks: tuple[str, str] = ("**", "**"),
    ) -> Results:
        """Return the documents that hold every word of the query, in the title (which counts ten times) or the text.

        Any text is a query: there is no syntax to get wrong, but "words in quotes" are a phrase. A query without a word finds nothing.

        :param since: updated at this instant or later; must be aware.
        :param prefix: the last word may be the beginning of one.
        :param marks: set around the words found in a snippet. A snippet is text of the page: escape it before it becomes HTML (choose
            marks that escaping leaves alone, and replace them afterwards).
        """
        if limit < 0 or offset < 0:
            raise ValueError("limit and offset must not be negative")
        if since is not None and since.tzinfo is None:
            raise ValueError("since must be aware of its time zone")
        match = match_expression(query, prefix=prefix)
        if not match:
            return Results(0, ())
        values: dict[str, Any] = {
            "match": match,
            "space": _storable(space),
            "type": _storable(type),
            "label": _storable(label),
            "datasource": _storable(datasource),
            "since": rfc3339(since) if since else None,
            "limit": min(limit, 10_000),
            "offset": min(offset, 2**62),
            "open": marks[0],
            "close": marks[1],
        }
        with self._snapshot() as connection:
            (total,) = connection.execute(_COUNT, values).fetchone()
            ranked = dict(connection.execute(_RANKED, values).fetchall())
            values["rowids"] = json.dumps(list(ranked))
            shown = {row[0]: row[1:] for row in connection.execute(_SHOWN, values)} if ranked else {}
        return Results(total, tuple(_hit(shown[rowid], rank) for rowid, rank in ranked.items()))

    def get(self, document_id: str) -> Document | None:
        """Return a whole document by its id, as it was written, or ``None``."""
        with self._snapshot() as connection:
            found = connection.execute("SELECT document FROM doc WHERE id = ?", [_storable(document_id)]).fetchone()
        return None if found is None else Document.from_json(json.loads(found[0]))

    def counts(self, datasource: str | None = None) -> dict[str, int]:
        """Return how many documents there are of each type, of one datasource or of all."""
        with self._snapshot() as connection:
            rows = connection.execute(
                "SELECT type, count(*) FROM doc WHERE ?1 IS NULL OR datasource_id = ?1 GROUP BY type ORDER BY type",
                [_storable(datasource)],
            ).fetchall()
        return dict(rows)

    def close(self) -> None:
        """Close the file; safe to repeat."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def __enter__(self) -> LocalIndex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        if self._connection is None:
            local_file.refuse_network_file_system(self.path)
            self._connection = local_file.connect(
                self.path, read_only=True, busy_timeout_seconds=self._busy_timeout_seconds
            )
        connection = self._connection
        with local_file.sqlite_errors(self.path):
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")


def _storable(value: str | None) -> str | None:
    """Return a filter's value as SQLite can take it; what it cannot take equals nothing that is stored."""
    return None if value is None else value.encode(errors="replace").decode()


def _hit(row: tuple[Any, ...], rank: float) -> Hit:
    id_, content_id, datasource_id, type_, space_key, title, url, updated, snippet = row
    return Hit(
        id=id_,
        content_id=content_id,
        datasource_id=datasource_id,
        type=type_,
        space_key=space_key,
        title=readable(title),
        url=url,
        updated=updated,
        snippet=" ".join(readable(snippet).split()),
        score=-rank,
    )
