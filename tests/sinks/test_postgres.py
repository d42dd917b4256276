"""The sink postgres on a real server: what it says when something is wrong, and what it survives."""

import logging
import re
import secrets
import socket
import struct
import threading
from dataclasses import replace
from datetime import datetime, timezone

import psycopg
import pytest

from airflow_provider_confluence.errors import (
    ConfigurationError,
    ConfluenceProviderError,
    OwnershipError,
    SinkAccessError,
    SinkCredentialsError,
    SinkUnavailableError,
    UpgradeNeededError,
)
from airflow_provider_confluence.sinks.registry import make_sink
from airflow_provider_confluence.testing.sink_conformance import (
    DATASOURCE,
    OWNER,
    make_document,
    make_tombstone,
    outcomes,
)
from tests.sinks.postgres_server import PASSWORD, postgres_server
from tests.sinks.tls import authority_and_certificate, tls_in_front_of


@pytest.fixture
def database(postgres):
    """A database of the test's own; its name."""
    name = f"case_{secrets.token_hex(6)}"
    with postgres.connect() as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield name
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def admin(postgres, database):
    with postgres.connect(database) as connection:
        yield connection


@pytest.fixture
def sink(postgres, database, tmp_path):
    """Return a function that makes sinks of the test's database; what is given changes the connection."""
    made = []

    def make(settings=None, table="docs", **changed):
        changed = {"schema": database} | changed
        made.append(
            make_sink(
                {"type": "postgres", **(settings or {})},
                table,
                storage=tmp_path,
                connections=postgres.connections(**changed),
            )
        )
        return made[-1]

    yield make
    for each in made:
        each.close()


def error_of(sink, kind):
    """Return the message of what check() raises, which open() raises too."""
    with pytest.raises(kind) as caught:
        sink.check()
    with pytest.raises(kind) as opened:
        sink.open(OWNER)
    assert str(opened.value) == str(caught.value)
    assert PASSWORD not in repr(caught.getrepr(style="long", showlocals=False))
    return str(caught.value)


# ------------------------------------------------------------------------------------------ what check tells apart
def test_an_unknown_host_is_named(sink):
    assert "the host is unknown" in error_of(sink(host="db.invalid"), SinkUnavailableError)


def test_a_port_where_nobody_listens_is_named(sink):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    message = error_of(sink(port=port), SinkUnavailableError)
    assert "nobody listens" in message
    assert f"127.0.0.1:{port}" in message


def test_a_server_that_says_nothing_is_given_up(sink):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = sink(port=silent.getsockname()[1], extra={"connect_timeout": 1})
        with pytest.raises(SinkUnavailableError, match="nobody answered in time"):
            found.check()


@pytest.mark.parametrize("changed", [{"password": "wrong"}, {"login": "nobody_known"}, {"password": ""}])
def test_a_wrong_user_or_password_is_told_as_that(sink, changed):
    assert "user or password is refused" in error_of(sink(**changed), SinkCredentialsError)


def test_a_database_that_is_not_there_is_told_as_that(sink):
    assert "no such database" in error_of(sink(schema="nix"), ConfigurationError)


def test_a_schema_that_is_not_there_is_made_by_what_the_message_says(sink, admin):
    found = sink({"schema": 'Se"arch'})
    message = error_of(found, ConfigurationError)
    admin.execute(message.partition("make it there: ")[2])

    found.check()


def test_each_missing_permission_is_named_by_the_grant_that_gives_it(sink, admin):
    user = f"writer-{secrets.token_hex(4)}"
    admin.execute(f"CREATE USER \"{user}\" PASSWORD '{PASSWORD}'")
    try:
        admin.execute("CREATE SCHEMA search")
        owned = sink({"schema": "search"}, table="shared")
        owned.open(OWNER)
        granted = []
        for table in ("shared", "own"):
            found = sink({"schema": "search"}, table=table, login=user)
            for _ in range(10):
                try:
                    found.check()
                    break
                except SinkAccessError as error:
                    granted.append(re.search(r"GRANT .*", str(error))[0])
                    admin.execute(granted[-1])
            found.open(OWNER)
            assert outcomes(found.write([make_document(1, 1)])) == ["written"]
        assert granted == [
            f'GRANT USAGE ON SCHEMA "search" TO "{user}"',
            *(
                f'GRANT SELECT, INSERT, UPDATE, DELETE ON "search"."shared{suffix}" TO "{user}"'
                for suffix in ("_format", "", "_revision", "_owner")
            ),
            f'GRANT USAGE, CREATE ON SCHEMA "search" TO "{user}"',
        ]
    finally:
        admin.execute(f'DROP OWNED BY "{user}"')
        admin.execute(f'DROP USER "{user}"')


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE docs (id int)",
        "CREATE VIEW docs AS SELECT 1 AS id",
        "CREATE TABLE docs_owner (id int)",
        "CREATE TABLE docs_format (id int)",
        "CREATE TABLE docs_format (format int, language text)",
    ],
)
def test_a_table_of_another_program_is_left_as_it_is(sink, admin, statement):
    admin.execute(statement)

    assert "another program" in error_of(sink(), ConfigurationError)
    found = admin.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'docs%'").fetchone()
    assert found == (1,)


def test_an_index_of_a_newer_version_is_not_touched(sink, admin):
    sink().open(OWNER)
    admin.execute("UPDATE docs_format SET format = 2")

    assert "format 2" in error_of(sink(), UpgradeNeededError)


def test_a_table_made_for_another_language_is_not_mixed(sink):
    sink({"language": "german"}).open(OWNER)

    assert "'german', not for 'english'" in error_of(sink({"language": "english"}), ConfigurationError)


def test_an_unknown_language_names_those_that_there_are(sink):
    assert "english, " in error_of(sink({"language": "klingon"}), ConfigurationError)


def test_a_database_in_another_encoding_is_refused(sink, admin, database):
    admin.execute(
        f"CREATE DATABASE {database}_latin ENCODING LATIN1 LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
    )
    try:
        assert "encoding LATIN1" in error_of(sink(schema=f"{database}_latin"), ConfigurationError)
    finally:
        admin.execute(f"DROP DATABASE {database}_latin")


def test_a_server_that_is_too_old_is_refused(sink):
    """The wire protocol of a server that admits everybody and says its version (PostgreSQL's documentation, message formats)."""

    def message(kind, body):
        return kind + struct.pack("!i", len(body) + 4) + body

    def serve():
        peer, _ = listening.accept()
        with peer:
            (length,) = struct.unpack("!i", peer.recv(4, socket.MSG_WAITALL))
            peer.recv(length - 4, socket.MSG_WAITALL)
            parameters = {b"server_version": b"12.22", b"client_encoding": b"UTF8", b"server_encoding": b"UTF8"}
            told = b"".join(message(b"S", name + b"\0" + value + b"\0") for name, value in parameters.items())
            peer.sendall(message(b"R", struct.pack("!i", 0)) + told + message(b"Z", b"I"))
            peer.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        old = sink(port=listening.getsockname()[1], extra={"sslmode": "disable", "gssencmode": "disable"})
        with pytest.raises(ConfigurationError, match=r"PostgreSQL 12; .* needs 13"):
            old.check()
        thread.join()


def test_a_read_only_database_is_no_place_for_documents(sink, admin, database):
    admin.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")

    with pytest.raises(SinkUnavailableError, match="takes no writes now"):
        sink().open(OWNER)


def test_check_makes_nothing(sink, admin):
    sink().check()

    assert admin.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'docs%'").fetchone() == (0,)


# ------------------------------------------------------------------------------------------ connections
def test_a_connection_of_another_type_is_refused(sink):
    assert "is of type 'mysql'" in error_of(sink(conn_type="mysql"), ConfigurationError)


def test_a_datasource_that_the_connection_does_not_admit_is_refused(sink):
    with pytest.raises(ConfigurationError, match=f"does not admit datasource {DATASOURCE}"):
        sink(extra={"allowed_datasources": "team-*"}).open(OWNER)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"host": ""}, "names no host"),
        ({"login": ""}, "names no login"),
        ({"schema": ""}, "names no schema (the name of the database)"),
        ({"extra": {"sslmod": "disable"}}, "extra sslmod is none that this sink knows"),
        ({"extra": {"iam": True}}, "extra iam asks for a token"),
        ({"extra": {"service": "x"}}, "extra service is none"),
    ],
)
def test_a_connection_that_is_not_whole_is_named(sink, changed, words):
    assert words in error_of(sink(**changed), ConfigurationError)


def test_what_only_airflows_hook_reads_does_no_harm(sink):
    sink(extra={"cursor": "dictcursor", "iam": False, "sqlalchemy_scheme": "postgresql+psycopg"}).check()


def test_the_workers_environment_says_nothing(sink, monkeypatch):
    for name, value in {"PGSSLMODE": "verify-full", "PGCLIENTENCODING": "LATIN1", "PGPORT": "1"}.items():
        monkeypatch.setenv(name, value)

    sink().check()


# ------------------------------------------------------------------------------------------ TLS
@pytest.fixture
def over_tls(postgres, tmp_path):
    """Return a function that makes sinks of a server whose certificate is for db.example.com, and the authority's certificate."""
    authority, certificate, key = authority_and_certificate("db.example.com")
    (tmp_path / "authority.pem").write_bytes(authority)
    (tmp_path / "server.pem").write_bytes(certificate + key)
    with tls_in_front_of(postgres.port, tmp_path / "server.pem") as port:

        def make(host="db.example.com", **extra):
            connections = postgres.connections(host=host, port=port, extra={"hostaddr": "127.0.0.1", **extra})
            return make_sink({"type": "postgres"}, "docs", storage=tmp_path, connections=connections)

        yield make, str(tmp_path / "authority.pem")


def test_the_certificate_is_verified_unless_told_otherwise(over_tls, caplog):
    make, authority = over_tls
    assert "TLS could not be made" in error_of(make(), SinkUnavailableError)
    make(sslrootcert=authority).check()
    assert not caplog.records


def test_a_certificate_for_another_host_is_refused(over_tls):
    make, authority = over_tls
    assert "TLS could not be made" in error_of(make("other.example.com", sslrootcert=authority), SinkUnavailableError)


def test_switching_the_verification_off_is_loud(over_tls, caplog):
    make, _ = over_tls
    with caplog.at_level(logging.WARNING):
        make(sslmode="require").check()

    assert "sslmode=require does not verify who db.example.com is" in caplog.text


def test_without_tls_no_password_goes_to_another_host(sink):
    far = sink(host="db.example.com", extra={"hostaddr": "127.0.0.1"})

    assert "TLS could not be made" in error_of(far, SinkUnavailableError)


# ------------------------------------------------------------------------------------------ what is in the table
def test_each_field_has_a_column(sink, admin):
    document = replace(
        make_document(1, 7, title="Émile's \0 page", content="# Head\n\n**Bold** [link](https://x.example.com)\n"),
        labels=("one", "two"),
        permissions=[["user:1", "group:2"], ["user:1"]],
        created="2026-02-28T23:59:59.001Z",
        updated="yesterday",
        language="de",
    )
    written = sink()
    written.open(OWNER)
    written.write([document])

    with admin.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        row = cursor.execute("SELECT * FROM docs").fetchone()
    document_column, search = row.pop("document"), row.pop("search")
    assert row == {
        "id": document.id,
        "revision": 7,
        "datasource_id": DATASOURCE,
        "content_id": "1",
        "type": "page",
        "status": "current",
        "title": "Émile's \ufffd page",
        "url": "https://one.example.com/wiki/pages/1",
        "space_key": "DOCS",
        "space_name": "Documents",
        "parent_id": None,
        "labels": ["one", "two"],
        "created": datetime(2026, 2, 28, 23, 59, 59, 1000, tzinfo=timezone.utc),
        "updated": None,
        "creator": None,
        "last_editor": None,
        "language": "de",
        "text": "Head\n\nBold link",
        "permissions": [["user:1", "group:2"], ["user:1"]],
    }
    assert document_column == replace(document, title="Émile's \ufffd page").to_json()
    assert "'bold':" in search


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "\0\0", "\\\0", "\\\\\0", "a\ud83d\0\udfffb"])
def test_what_looks_like_nul_stays_and_what_is_nul_is_marked(sink, admin, text):
    written = sink()
    written.open(OWNER)
    assert outcomes(written.write([make_document(1, 1, content=f"<{text}>")])) == ["written"]

    stored = admin.execute("SELECT document ->> 'content' FROM docs").fetchone()[0]
    assert stored == "<" + "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in text) + ">"


@pytest.mark.parametrize("changed", [{"revision": -1}, {"revision": 2**63}, {"id": "x" * 501}, {"content_id": "a\0"}])
def test_what_the_columns_cannot_hold_is_rejected_alone(sink, changed):
    written = sink()
    written.open(OWNER)

    answers = written.write([make_document(1, 1), replace(make_document(2, 1), **changed), make_tombstone(3, 1)])

    assert outcomes(answers) == ["written", "rejected", "written"]


# ------------------------------------------------------------------------------------------ what it survives
def test_many_who_open_at_once_find_one_index(sink, admin):
    problems = []
    together = threading.Barrier(8, timeout=30)

    def work(number, made):
        try:
            together.wait()
            made.open(OWNER)
            made.write([make_document(number, 1)])
        except ConfluenceProviderError as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(number, sink())) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    assert admin.execute("SELECT count(*) FROM docs").fetchone() == (8,)


def test_of_two_deployments_that_open_at_once_one_is_refused(sink):
    refused = []
    together = threading.Barrier(2, timeout=30)

    def work(deployment, made):
        together.wait()
        try:
            made.open(replace(OWNER, deployment_id=deployment))
        except OwnershipError:
            refused.append(deployment)

    for _ in range(5):
        table = f"docs_{secrets.token_hex(4)}"
        sink(table=table).check()
        threads = [threading.Thread(target=work, args=(name, sink(table=table))) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 1
        refused.clear()


def test_who_lost_the_datasource_writes_no_more(sink):
    loser, taker = sink(), sink()
    loser.open(OWNER)
    loser.write([make_document(1, 1)])
    taker.open(replace(OWNER, deployment_id="two"), adopt=True)

    with pytest.raises(OwnershipError):
        loser.write([make_document(1, 2)])
    assert [item.revision for item in taker.inventory(DATASOURCE)] == [1]


def test_a_session_that_the_server_ended_is_made_anew(sink, admin, database):
    written = sink()
    written.open(OWNER)
    ended = admin.execute(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = %s AND application_name = 'airflow-provider-confluence'",
        [database],
    ).fetchone()
    assert ended == (1,)

    assert outcomes(written.write([make_document(1, 1)])) == ["written"]


def test_a_server_that_stays_away_is_told_as_that(tmp_path):
    with postgres_server() as server:
        gone = make_sink({"type": "postgres"}, "docs", storage=tmp_path, connections=server.connections())
        gone.open(OWNER)
    with pytest.raises(SinkUnavailableError, match="nobody listens"):
        gone.write([make_document(1, 1)])
    gone.close()


def test_a_table_that_was_dropped_is_made_anew_and_told_from_one_that_holds_everything(sink, admin):
    first = sink()
    first.open(OWNER)
    first.write([make_document(1, 1), make_document(2, 1)])
    admin.execute("DROP TABLE docs")
    with pytest.raises(ConfigurationError, match="mode=verify"):
        first.write([make_document(1, 2)])
    later = sink()
    later.open(OWNER)

    assert list(later.inventory(DATASOURCE)) == []
    assert outcomes(later.write([make_document(1, 1), make_document(2, 2)])) == ["written", "written"]


def test_a_batch_is_whole_or_not_there(sink, admin):
    """Another program forbids one of its rows."""
    written = sink()
    written.open(OWNER)
    admin.execute("ALTER TABLE docs ADD CHECK (content_id <> '2')")

    with pytest.raises(SinkUnavailableError, match="CheckViolation"):
        written.write([make_document(1, 1), make_document(2, 1)])
    assert list(written.inventory(DATASOURCE)) == []
    assert admin.execute("SELECT count(*) FROM docs_revision").fetchone() == (0,)


def test_columns_and_indexes_of_others_do_no_harm(sink, admin):
    written = sink()
    written.open(OWNER)
    admin.execute("ALTER TABLE docs ADD COLUMN embedding float[]; CREATE INDEX ON docs USING gin (labels)")

    assert outcomes(written.write([make_document(1, 1)])) == ["written"]
    sink().check()


# ------------------------------------------------------------------------------------------ settings
@pytest.mark.parametrize("name", ["", "-x", "a.b", 'a"b', "a b", "é", "a\0", "x" * 49, "a\n"])
def test_a_destination_that_can_be_no_table_is_refused(sink, name):
    with pytest.raises(ConfigurationError, match=r"queue\.name"):
        sink(table=name)


@pytest.mark.parametrize(
    "settings",
    [
        {"schema": ""},
        {"schema": "x" * 64},
        {"schema": 3},
        {"language": "simple'"},
        {"language": None},
        {"conn_id": ""},
        {"max_document_bytes": 0},
        {"max_document_bytes": True},
        {"shcema": "x"},
    ],
)
def test_a_setting_that_is_none_is_named(sink, settings):
    with pytest.raises(ConfigurationError, match=rf"sink\.{next(iter(settings))}"):
        sink(settings)


@pytest.mark.parametrize("name", ["select", "UPPER", "2026", "with-dash", "_x", "x" * 48])
def test_names_that_sql_would_take_otherwise_are_quoted(sink, name):
    written = sink(table=name)
    written.open(OWNER)

    assert outcomes(written.write([make_document(1, 1)])) == ["written"]
    assert len(list(written.inventory(DATASOURCE))) == 1
