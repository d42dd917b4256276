"""Who may read, in the file of a local index: every list of principals and every set of levels stands there once.

Documents of one branch of the tree mostly have the same readers, so a document names a set of levels (``access``), a set names its levels,
and a level its principals. What somebody may read is found from the few principals of a person: the levels that let one in, then the sets
of which no level is missing. A document without a set does not say who may read it, and nobody finds it who is named.

The set of a document is forgotten with every change of it, by a trigger: a worker of an earlier version, which knows nothing of sets,
leaves documents that nobody finds, and never one with the readers of what stood there before.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from hashlib import sha256

from airflow_provider_confluence.sinks._encoding import encoded

Sets = tuple[tuple[str, ...], ...]
"""Levels in one form for all that mean the same: each level sorted and without doubles, and so the levels."""

# Files of earlier versions get this at the next write.
SCHEMA = """
CREATE TABLE IF NOT EXISTS level (number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS level_principal (
  principal TEXT NOT NULL, level INTEGER NOT NULL, PRIMARY KEY (principal, level)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS level_principal_level ON level_principal (level);
CREATE TABLE IF NOT EXISTS access (number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS access_level (
  access INTEGER NOT NULL, level INTEGER NOT NULL, PRIMARY KEY (access, level)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS access_level_level ON access_level (level);
CREATE TABLE IF NOT EXISTS doc_access (doc INTEGER PRIMARY KEY, access INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS doc_access_access ON doc_access (access);
CREATE TRIGGER IF NOT EXISTS doc_access_removed AFTER DELETE ON doc BEGIN
  DELETE FROM doc_access WHERE doc = old.rowid;
END;
CREATE TRIGGER IF NOT EXISTS doc_access_changed AFTER UPDATE ON doc BEGIN
  DELETE FROM doc_access WHERE doc = old.rowid;
END;
"""

READABLE = (
    "AND EXISTS (SELECT 1 FROM doc_access WHERE doc_access.doc = doc.rowid "
    "AND doc_access.access IN (SELECT value FROM json_each(:access)))"
)
"""The filter that lets through what a reader may read; ``:access`` is what :func:`readable_sets` returns."""

_SETS = """
WITH passed AS MATERIALIZED (
  SELECT DISTINCT level FROM level_principal WHERE principal IN (SELECT value FROM json_each(:principals))
)
SELECT json_group_array(number) FROM access
WHERE NOT EXISTS (SELECT 1 FROM access_level WHERE access = access.number AND level NOT IN (SELECT level FROM passed))
"""
_SILENT = """
SELECT DISTINCT datasource_id FROM doc WHERE NOT EXISTS (SELECT 1 FROM doc_access WHERE doc_access.doc = doc.rowid) ORDER BY 1
"""
_FORGET = """
DELETE FROM access WHERE NOT EXISTS (SELECT 1 FROM doc_access WHERE doc_access.access = access.number);
DELETE FROM access_level WHERE access NOT IN (SELECT number FROM access);
DELETE FROM level WHERE NOT EXISTS (SELECT 1 FROM access_level WHERE access_level.level = level.number);
DELETE FROM level_principal WHERE level NOT IN (SELECT number FROM level);
"""
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def statements(script: str) -> list[str]:
    """Return the statements of a script, for a transaction that is open already (``executescript`` would end it)."""
    found, pending = [], ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found


def make(connection: sqlite3.Connection) -> None:
    """Make what is not there yet, and forget what no document has any more, in the transaction that is open."""
    for statement in (*statements(SCHEMA), *statements(_FORGET)):
        connection.execute(statement)


def sets_of(permissions: Iterable[Iterable[str]] | None) -> Sets:
    """Return a document's levels as they are stored; none where it does not say who may read it.

    A principal that SQLite cannot hold is left out: nobody is found by it.
    """
    levels = {tuple(sorted({each for each in level if not _UNSTORABLE.search(each)})) for level in permissions or ()}
    return tuple(sorted(levels))


def note(connection: sqlite3.Connection, id_: str, levels: Sets, known: dict[Sets, int]) -> None:
    """Note who may read the document that was just written.

    :param known: the sets of this transaction, by their levels; it fills up.
    """
    if not levels:
        return
    if levels not in known:
        known[levels] = _number_of(connection, levels)
    connection.execute(
        "INSERT OR REPLACE INTO doc_access (doc, access) SELECT rowid, ? FROM doc WHERE id = ?", [known[levels], id_]
    )


def _number_of(connection: sqlite3.Connection, levels: Sets) -> int:
    number, is_new = _named(connection, "access", levels)
    if is_new:
        for level in levels:
            of_level, is_new_level = _named(connection, "level", level)
            connection.execute("INSERT INTO access_level (access, level) VALUES (?, ?)", [number, of_level])
            if is_new_level:
                rows = ((principal, of_level) for principal in level)
                connection.executemany("INSERT INTO level_principal (principal, level) VALUES (?, ?)", rows)
    return number


def _named(connection: sqlite3.Connection, table: str, value: object) -> tuple[int, bool]:
    """Return the number of a level or set, and whether it is new."""
    digest = sha256(encoded(value).encode()).digest()
    row = connection.execute(f"SELECT number FROM {table} WHERE digest = ?", [digest]).fetchone()  # noqa: S608 - one of two words
    if row is not None:
        return int(row[0]), False
    return int(connection.execute(f"INSERT INTO {table} (digest) VALUES (?)", [digest]).lastrowid or 0), True  # noqa: S608


def readable_sets(connection: sqlite3.Connection, principals: Iterable[str]) -> str:
    """Return the sets of levels that let somebody in, as a JSON list."""
    if not _is_made(connection):
        return "[]"
    held = [each for each in principals if not _UNSTORABLE.search(each)]
    (found,) = connection.execute(_SETS, {"principals": encoded(held)}).fetchone()
    return str(found)


def readable_filter(connection: sqlite3.Connection) -> str:
    """Return the condition that goes with :func:`readable_sets`."""
    return READABLE if _is_made(connection) else "AND 0"


def silent_datasources(connection: sqlite3.Connection) -> list[str]:
    """Return the datasources with documents that do not say who may read them."""
    statement = _SILENT if _is_made(connection) else "SELECT DISTINCT datasource_id FROM doc ORDER BY 1"
    return [id_ for (id_,) in connection.execute(statement)]


def _is_made(connection: sqlite3.Connection) -> bool:
    """Say whether the file has the tables; one that an earlier version wrote has not."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'doc_access'").fetchone() is not None
