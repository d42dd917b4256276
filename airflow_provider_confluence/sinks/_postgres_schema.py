"""The tables of a PostgreSQL index: how they are made, and how those that are there are judged.

Three tables stand beside the one with the documents: ``…_revision`` says of every id what was last written (its row outlives the document,
as the tombstone that keeps late writes out), ``…_owner`` who may write, ``…_format`` how all of them are to be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_confluence.errors import ConfigurationError, SinkAccessError, UpgradeNeededError
from airflow_provider_confluence.sinks._segmentation import ALONE, MARKS

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.sql import Composable, Composed, Identifier
    from typing_extensions import LiteralString

FORMAT = 1
OLDEST_SERVER = 130_000
"""PostgreSQL 13, for ``normalize()``; as libpq counts versions."""

TABLES = ("", "_revision", "_owner", "_format")
_NEEDED = ("SELECT", "INSERT", "UPDATE", "DELETE")

# The lock of PostgreSQL keeps two openers apart: CREATE TABLE IF NOT EXISTS alone fails where two run at once.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 4711))"

_MAKE = """
CREATE TABLE IF NOT EXISTS {table} (
  id text PRIMARY KEY,
  revision bigint NOT NULL,
  datasource_id text NOT NULL,
  content_id text NOT NULL,
  type text NOT NULL,
  status text NOT NULL,
  title text NOT NULL,
  url text NOT NULL,
  space_key text NOT NULL,
  space_name text NOT NULL,
  parent_id text,
  labels text[] NOT NULL,
  created timestamptz,
  updated timestamptz,
  creator text,
  last_editor text,
  language text,
  text text NOT NULL,
  permissions jsonb,
  document jsonb NOT NULL,
  search tsvector NOT NULL
);
CREATE INDEX IF NOT EXISTS {search_index} ON {table} USING gin (search);
CREATE INDEX IF NOT EXISTS {datasource_index} ON {table} (datasource_id, type);
CREATE TABLE IF NOT EXISTS {revision} (
  id text PRIMARY KEY,
  revision bigint NOT NULL,
  deleted boolean NOT NULL,
  datasource_id text NOT NULL,
  content_id text NOT NULL
);
CREATE TABLE IF NOT EXISTS {owner} (
  datasource_id text PRIMARY KEY,
  deployment_id text NOT NULL,
  site text NOT NULL
);
CREATE TABLE IF NOT EXISTS {format} (
  format integer NOT NULL,
  language text NOT NULL
);
INSERT INTO {format} SELECT {number}, {language_name} WHERE NOT EXISTS (SELECT FROM {format});
CREATE OR REPLACE FUNCTION {query_function} (query text) RETURNS tsquery
  LANGUAGE sql STABLE STRICT PARALLEL SAFE AS {query_body};
CREATE OR REPLACE FUNCTION {headline_function} (content text, query tsquery, options text DEFAULT '') RETURNS text
  LANGUAGE sql STABLE STRICT PARALLEL SAFE AS {headline_body};
"""

# A character of a script without spaces becomes a word of its own, set apart by U+001F: PostgreSQL's parser takes U+200B, which the local
# index has there, as part of a word.
_SET_APART = f"regexp_replace({{}}, '([{ALONE}][{MARKS}]*)', E'\\x1f\\\\1\\x1f', 'g')"
_QUERY_BODY = f"SELECT websearch_to_tsquery({{language}}, {_SET_APART.format('normalize(left($1, 1000))')})"
# ts_headline drops short words at a fragment's ends, which single characters would all be.
_HEADLINE_BODY = (
    f"SELECT translate(ts_headline({{language}}, {_SET_APART.format('normalize($1)')}, $2, "
    "concat_ws(', ', 'ShortWord=0', NULLIF($3, ''))), E'\\x1f', '')"
)


@dataclass(frozen=True, slots=True)
class Tables:
    """The names of one index, quoted in the one place where that is done.

    :param language: the text search configuration.
    """

    schema: str
    name: str
    language: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    def quoted(self, suffix: str = "") -> Identifier:
        """Return the quoted name of a table or function."""
        from psycopg.sql import Identifier

        return Identifier(self.schema, self.name + suffix)

    def fill(self, statement: str, **further: Composable) -> Composed:
        """Return a statement with names in place of ``{table}``, ``{revision}``, ``{owner}``, ``{format}`` and ``{language}``."""
        from psycopg.sql import SQL, Literal

        names = {(suffix.lstrip("_") or "table"): self.quoted(suffix) for suffix in TABLES}
        language = SQL("{}::regconfig").format(Literal(self.language))
        return SQL(statement).format(**names, language=language, **further)

    def make(self) -> Composed:
        """Return what makes everything that is not there yet."""
        from psycopg.sql import Identifier, Literal

        return self.fill(
            _MAKE,
            search_index=Identifier(self.name + "_search"),
            datasource_index=Identifier(self.name + "_datasource"),
            query_function=self.quoted("_query"),
            headline_function=self.quoted("_headline"),
            query_body=Literal(self.fill(_QUERY_BODY).as_string(None)),
            headline_body=Literal(self.fill(_HEADLINE_BODY).as_string(None)),
            number=Literal(FORMAT),
            language_name=Literal(self.language),
        )


def find(connection: Connection[Any], schema: str | None, name: str, language: str) -> Tables:
    """Return the names, after a look at the server: that it is new enough, and has the schema and the language.

    :param schema: ``None`` for the first of the user's search path that there is.
    :raises ConfigurationError: for a server or a database that cannot hold an index. :raises SinkAccessError: naming the permission.
    """
    version, database, user = connection.info.server_version, connection.info.dbname, connection.info.user
    if version < OLDEST_SERVER:
        raise ConfigurationError(
            f"the server is PostgreSQL {version // 10_000}; the sink postgres needs {OLDEST_SERVER // 10_000} or newer"
        )
    encoding, found, languages = _row(
        connection,
        "SELECT current_setting('server_encoding'), "
        "(SELECT nspname FROM pg_namespace WHERE nspname = COALESCE(%s, current_schema())), "
        "(SELECT array_agg(cfgname::text ORDER BY cfgname) FROM pg_ts_config WHERE pg_ts_config_is_visible(oid))",
        [schema],
    )
    if encoding != "UTF8":
        raise ConfigurationError(
            f"database {database} has the encoding {encoding}; the sink postgres needs one with UTF8"
        )
    if found is None and schema is None:
        raise ConfigurationError(
            f"the search path of user {user} names no schema of database {database}: set sink.schema"
        )
    if found is None:
        raise ConfigurationError(
            f"sink.schema: database {database} has none of this name; make it there: CREATE SCHEMA {quoted(str(schema))}"
        )
    if language not in languages:
        raise ConfigurationError(f"sink.language: {language!r} is none that the database has: {', '.join(languages)}")
    if not _row(connection, "SELECT has_schema_privilege(%s, 'USAGE')", [found])[0]:
        raise _lacks(connection, f"USAGE ON SCHEMA {quoted(found)}")
    return Tables(found, name, language)


def judge(connection: Connection[Any], tables: Tables) -> bool:
    """Return whether the index is there, whole; ``False`` where it has to be made, and may be.

    :raises ConfigurationError: where tables of others have its names, or it was made for another language.
    :raises UpgradeNeededError: when a newer version of this package made it. :raises SinkAccessError: naming the permission.
    """
    rows = connection.execute(
        "SELECT c.relname, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s AND c.relname = ANY (%s)",
        [tables.schema, [tables.name + suffix for suffix in TABLES]],
    )
    found = dict(rows.fetchall())
    if found:
        _judge_format(connection, tables, found)
        for suffix in TABLES:
            if tables.name + suffix in found:
                _may_write(connection, tables, suffix)
    if len(found) == len(TABLES):
        return True
    if not _row(connection, "SELECT has_schema_privilege(%s, 'CREATE')", [tables.schema])[0]:
        raise _lacks(connection, f"USAGE, CREATE ON SCHEMA {quoted(tables.schema)}")
    return False


def make(connection: Connection[Any], tables: Tables) -> None:
    """Make what is not there yet, in the transaction that is open; of several who do so at once, each finds the whole."""
    connection.execute(_LOCK, [str(tables)])
    if not judge(connection, tables):
        connection.execute(tables.make())


def _judge_format(connection: Connection[Any], tables: Tables, found: Mapping[str, str]) -> None:
    from psycopg.errors import UndefinedColumn

    others = ConfigurationError(
        f"{tables}: there is a table or view of another program with this name, or with one of the names that belong to it "
        f"({', '.join(sorted(found))}); it was left as it is. Choose another queue.name or sink.schema"
    )
    if found.get(f"{tables.name}_format") != "r" or any(kind not in ("r", "p") for kind in found.values()):
        raise others
    _may_write(connection, tables, "_format")
    try:
        with connection.transaction():
            row = connection.execute(tables.fill("SELECT format, language FROM {format}")).fetchone()
    except UndefinedColumn as error:
        raise others from error
    if row is None:
        raise others
    number, language = row
    if number > FORMAT:
        raise UpgradeNeededError(
            f"table {tables} has format {number}, this version of the package knows {FORMAT}: upgrade this worker"
        )
    if language != tables.language:
        raise ConfigurationError(
            f"sink.language: table {tables} was made for {language!r}, not for {tables.language!r}; choose another queue.name for that"
        )


def _may_write(connection: Connection[Any], tables: Tables, suffix: str) -> None:
    table = tables.quoted(suffix).as_string(connection)
    (missing,) = _row(
        connection,
        "SELECT array_agg(needed) FROM unnest(%s::text[]) needed WHERE NOT has_table_privilege(%s, needed)",
        [list(_NEEDED), table],
    )
    if missing:
        raise _lacks(connection, f"{', '.join(missing)} ON {table}")


def _lacks(connection: Connection[Any], what: str) -> SinkAccessError:
    user, database = connection.info.user, connection.info.dbname
    return SinkAccessError(
        f"user {user} lacks a permission in database {database}; let an owner run there: GRANT {what} TO {quoted(user)}"
    )


def _row(connection: Connection[Any], query: LiteralString, parameters: list[Any]) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = connection.execute(query, parameters).fetchone()
    assert row is not None
    return row


def quoted(name: str) -> str:
    """Return a name as SQL takes it, for messages."""
    from psycopg.sql import Identifier

    return Identifier(name).as_string(None)
