"""Search the file of a local sink: read only, from any process, while others write."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, get_args

from airflow_provider_confluence.documents import Document, Tombstone, rfc3339
from airflow_provider_confluence.permissions import may_read
from airflow_provider_confluence.sinks import _local_file as local_file
from airflow_provider_confluence.sinks import _local_readers as readers
from airflow_provider_confluence.sinks._segmentation import match_expression, readable, searchable

Facet = Literal["space", "type", "label", "datasource", "year", "month"]
FACETS: tuple[Facet, ...] = get_args(Facet)
_MAX_FACET_VALUES = 100

_WORDS = "doc_fts JOIN doc ON doc.rowid = doc_fts.rowid WHERE doc_fts MATCH :match"
_ANYTHING = "doc WHERE 1"
_FILTERS = """
  AND (:space IS NULL OR doc.space_key IN (SELECT value FROM json_each(:space)))
  AND (:type IS NULL OR doc.type IN (SELECT value FROM json_each(:type)))
  AND (:datasource IS NULL OR doc.datasource_id IN (SELECT value FROM json_each(:datasource)))
  AND (:since IS NULL OR doc.updated >= :since)
  AND (:until IS NULL OR doc.updated < :until)
  AND (:label IS NULL OR EXISTS (
    SELECT 1 FROM json_each(doc.labels) AS label WHERE label.value IN (SELECT value FROM json_each(:label))
  ))
  {readable}
"""
_RANKED = (
    f"SELECT doc.rowid, doc_fts.rank FROM {_WORDS} {_FILTERS} "  # noqa: S608 - the texts above and nothing else, here and below
    "ORDER BY doc_fts.rank, doc.rowid LIMIT :limit OFFSET :offset"
)
_NEWEST = f"SELECT doc.rowid, 0.0 FROM {_ANYTHING} {_FILTERS} ORDER BY doc.updated DESC, doc.rowid DESC LIMIT :limit OFFSET :offset"  # noqa: S608
_TOTAL = f"SELECT count(*) FROM {{where}} {_FILTERS}"  # noqa: S608
# snippet() is dear: it is asked for the rows of this page of results only. Without a query it gives the beginning of the text.
_SHOWN = """
SELECT doc.rowid, doc.id, doc.content_id, doc.datasource_id, doc.type, doc.space_key, doc.title, doc.url, doc.updated,
       snippet(doc_fts, 1, :open, :close, '…', 40)
FROM doc_fts JOIN doc ON doc.rowid = doc_fts.rowid
WHERE doc_fts.rowid IN (SELECT value FROM json_each(:rowids))
"""
_SHOWN_MATCH = _SHOWN + " AND doc_fts MATCH :match"
# What is counted is read once, however many facets there are.
_FOUND = f"""
WITH found AS MATERIALIZED (
  SELECT doc.rowid AS number, doc.space_key, doc.type, doc.datasource_id, doc.updated, doc.labels FROM {{where}} {_FILTERS}
)
"""  # noqa: S608


def _counted(value: str, *, source: str = "found", order: str = "many DESC, value") -> str:
    return (
        f"SELECT {value} AS value, count(*) AS many FROM {source} WHERE {value} IS NOT NULL "  # noqa: S608
        f"GROUP BY 1 ORDER BY {order} LIMIT {_MAX_FACET_VALUES}"
    )


_COUNTED: Mapping[Facet, str] = {
    "space": _counted("space_key"),
    "type": _counted("type"),
    # A label that a document has twice counts once.
    "label": _counted(
        "label",
        source="(SELECT DISTINCT found.number, each.value AS label FROM found, json_each(found.labels) AS each)",
    ),
    "datasource": _counted("datasource_id"),
    "year": _counted("substr(updated, 1, 4)", order="value DESC"),
    "month": _counted("substr(updated, 1, 7)", order="value DESC"),
}


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
    """One page of hits, best first, and how many there are in ``total``. ``facets`` has the counts that were asked for."""

    total: int
    hits: tuple[Hit, ...]
    facets: Mapping[Facet, Mapping[str, int]] = field(default_factory=dict)


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
        query: str | None = None,
        *,
        limit: int = 10,
        offset: int = 0,
        space: str | Iterable[str] | None = None,
        type: str | Iterable[str] | None = None,
        label: str | Iterable[str] | None = None,
        datasource: str | Iterable[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        prefix: bool = False,
        principals: Iterable[str] | None = None,
        facets: Iterable[Facet] = (),
        marks: tuple[str, str] = ("**", "**"),
    ) -> Results:
        """Return the documents that hold every word of the query, in the title (which counts ten times) or the text.

        Any text is a query: there is no syntax to get wrong, but "words in quotes" are a phrase. A query without a word finds nothing.
        ``None`` finds all that the filters let through, what was updated last first.

        A document passes a filter of several values where it has any one of them; a filter of no values lets nothing through.

        :param since: updated at this instant or later. :param until: updated before this instant. Both must be aware; what has no such
            instant passes neither.
        :param prefix: the last word may be the beginning of one.
        :param principals: find what somebody may read and nothing else, in hits, counts and pages alike: see
            :func:`~airflow_provider_confluence.permissions.principals_of`. A document that does not say who may read it is not found then,
            and a score tells the order alone, since relevance counts words of documents that the reader may not see. ``None`` finds all.
        :param facets: what to count among all hits, whatever ``limit``: names of ``FACETS``. Values come with the highest count first,
            years (``2026``) and months (``2026-03``, in UTC) with the newest first; at most 100 of each. It costs one look at each hit.
        :param marks: set around the words found in a snippet. A snippet is text of the page: escape it before it becomes HTML (choose
            marks that escaping leaves alone, and replace them afterwards).
        """
        wanted = list(dict.fromkeys(facets))
        _check(limit, offset, {"since": since, "until": until}, wanted)
        match = None if query is None else match_expression(query, prefix=prefix)
        if match == "":
            return Results(0, (), {facet: {} for facet in wanted})
        values: dict[str, Any] = {
            "match": match,
            "space": _any_of(space, searchable),
            "type": _any_of(type, searchable),
            "label": _any_of(label, lambda label: readable(searchable(label))),
            "datasource": _any_of(datasource, searchable),
            "since": rfc3339(since) if since else None,
            "until": rfc3339(until) if until else None,
            "limit": min(limit, 10_000),
            "offset": min(offset, 2**62),
            "open": marks[0],
            "close": marks[1],
        }
        texts = {"where": _ANYTHING if match is None else _WORDS, "readable": ""}
        with self._snapshot() as connection:
            if principals is not None:
                texts["readable"] = readers.readable_filter(connection)
                values["access"] = readers.readable_sets(connection, _several(principals))
            (total,) = connection.execute(_TOTAL.format(**texts), values).fetchone()
            newest_or_best = (_NEWEST if match is None else _RANKED).format(**texts)
            ranked = dict(connection.execute(newest_or_best, values).fetchall()) if total > offset else {}
            if principals is not None and match is not None:
                ranked = {rowid: -1.0 / number for number, rowid in enumerate(ranked, values["offset"] + 1)}
            values["rowids"] = json.dumps(list(ranked))
            rows = connection.execute(_SHOWN if match is None else _SHOWN_MATCH, values) if ranked else ()
            shown = {row[0]: row[1:] for row in rows}
            counted = _count(connection, _FOUND.format(**texts), values, wanted) if wanted else {}
        return Results(total, tuple(_hit(shown[rowid], rank) for rowid, rank in ranked.items()), counted)

    def get(self, document_id: str, *, principals: Iterable[str] | None = None) -> Document | None:
        """Return a whole document by its id, as it was written, or ``None``.

        :param principals: as for :meth:`search`; what somebody may not read is ``None``, like what is not there.
        """
        with self._snapshot() as connection:
            found = connection.execute("SELECT document FROM doc WHERE id = ?", [searchable(document_id)]).fetchone()
        document = None if found is None else Document.from_json(json.loads(found[0]))
        if document is None or principals is None or may_read(_several(principals), document.permissions):
            return document
        return None

    def changes(self, datasource: str, after: int, until: int) -> Iterator[Document | Tombstone]:
        """Yield the documents that stand at a revision above ``after`` and not above ``until``, and tombstones of what was removed there.

        Streaming, in no particular order. Until the last one is taken no other call may be made.
        """
        values = [searchable(datasource), after, until]
        with self._snapshot() as connection:
            for (document,) in connection.execute(
                "SELECT document FROM doc WHERE datasource_id = ? AND revision > ? AND revision <= ?", values
            ):
                yield Document.from_json(json.loads(document))
            for id_, content_id, revision in connection.execute(
                "SELECT id, content_id, revision FROM tombstone WHERE datasource_id = ? AND revision > ? AND revision <= ?",
                values,
            ):
                yield Tombstone(id=id_, datasource_id=datasource, content_id=content_id, revision=revision)

    def datasources_without_readers(self) -> list[str]:
        """Return the ids of datasources with documents that do not say who may read them, which no search with principals finds."""
        with self._snapshot() as connection:
            return [readable(id_) for id_ in readers.silent_datasources(connection)]

    def counts(self, datasource: str | None = None) -> dict[str, int]:
        """Return how many documents there are of each type, of one datasource or of all."""
        with self._snapshot() as connection:
            rows = connection.execute(
                "SELECT type, count(*) FROM doc WHERE ?1 IS NULL OR datasource_id = ?1 GROUP BY type ORDER BY type",
                [None if datasource is None else searchable(datasource)],
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


def _check(limit: int, offset: int, instants: Mapping[str, datetime | None], facets: Iterable[str]) -> None:
    if limit < 0 or offset < 0:
        raise ValueError("limit and offset must not be negative")
    for name, instant in instants.items():
        if instant is not None and instant.tzinfo is None:
            raise ValueError(f"{name} must be aware of its time zone")
    for facet in facets:
        if facet not in FACETS:
            raise ValueError(f"{facet!r} is no facet; there are: {', '.join(FACETS)}")


def _any_of(value: str | Iterable[str] | None, stored: Callable[[str], str]) -> str | None:
    """Return a filter's values as a JSON list, each as the sink stored it, for ``json_each``."""
    if value is None:
        return None
    return json.dumps([stored(one) for one in _several(value)])


def _several(value: str | Iterable[str]) -> Iterable[str]:
    return [value] if isinstance(value, str) else value


def _count(
    connection: sqlite3.Connection, hits: str, values: Mapping[str, Any], facets: Sequence[Facet]
) -> dict[Facet, dict[str, int]]:
    found: dict[Facet, dict[str, int]] = {facet: {} for facet in facets}
    selects = [f"SELECT '{facet}', * FROM ({_COUNTED[facet]})" for facet in facets]  # noqa: S608
    for facet, value, many in connection.execute(hits + " UNION ALL ".join(selects), values):
        found[facet][readable(value)] = many
    return found


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
