"""Searching in PostgreSQL as the documentation says: its queries are run here as they stand there."""

import re
import secrets
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg.errors import InvalidTextRepresentation, UndefinedObject

from airflow_provider_confluence.sinks.registry import make_sink
from airflow_provider_confluence.testing.sink_conformance import DATASOURCE, OWNER, make_document, outcomes

PAGE = Path(__file__).parents[2] / "docs" / "sinks" / "postgres.md"


def documented(containing):
    """Return the one SQL block of the page that has these words."""
    blocks = [block for block in re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL) if containing in block]
    assert len(blocks) == 1
    return blocks[0]


class Index:
    def __init__(self, sink, connection):
        self.sink = sink
        self.connection = connection

    def write(self, *documents):
        assert outcomes(self.sink.write(documents)) == ["written"] * len(documents)

    def search(self, words):
        """Return (title, headline) of what the documented query finds, best first."""
        query = documented("_headline(").replace("'release notes'", "%s")
        return [(row[0], row[2]) for row in self.connection.execute(query, [words]).fetchall()]

    def titles(self, words):
        return [title for title, _ in self.search(words)]


@pytest.fixture
def make_index(postgres, tmp_path):
    schema = f"search_{secrets.token_hex(6)}"
    sinks = []

    with postgres.connect() as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(f"SET search_path = {schema}")

        def make(**settings):
            settings = {"type": "postgres", "schema": schema, **settings}
            sinks.append(
                make_sink(settings, "indexing_documents", storage=tmp_path, connections=postgres.connections())
            )
            sinks[-1].open(OWNER)
            return Index(sinks[-1], connection)

        yield make
        for sink in sinks:
            sink.close()
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def index(make_index):
    return make_index()


def test_a_word_in_the_title_counts_more_than_many_in_the_text(index):
    index.write(
        make_document(1, 1, title="Holidays", content="The deployment is described elsewhere. deployment deployment"),
        make_document(2, 1, title="Deployment", content="How we do it."),
    )

    assert index.titles("deployment") == ["Deployment", "Holidays"]


def test_every_word_must_be_there_and_words_in_quotes_together(index):
    index.write(
        make_document(1, 1, title="Both", content="the quick release of notes"),
        make_document(2, 1, title="One", content="the notes"),
        make_document(3, 1, title="Together", content="our release notes"),
    )

    assert sorted(index.titles("release notes")) == ["Both", "Together"]
    assert index.titles('"release notes"') == ["Together"]
    assert index.titles("notes -release") == ["One"]


@pytest.mark.parametrize("words", ["表", "検索", "全文検索", "ひらがな", "文検", "カタ", "한국", "국", "ไทย", "ภาษา"])
def test_any_part_of_a_text_without_spaces_is_found(index, words):
    index.write(
        make_document(1, 1, title="Here", content="全文検索の表はひらがなとカタカナで、한국어와 ภาษาไทย もある。"),
        make_document(2, 1, title="Elsewhere", content="別の頁"),
    )

    assert index.titles(words) == ["Here"]


def test_a_phrase_of_a_script_without_spaces_is_not_its_characters_in_any_order(index):
    index.write(make_document(1, 1, title="検索", content="索検"), make_document(2, 1, title="x", content="索と検"))

    assert index.titles("検索") == ["検索"]


def test_a_headline_marks_what_was_found_and_reads_as_the_page_does(index):
    index.write(
        make_document(1, 1, title="Tokyo", content="東京の全文検索は速い。"),
        make_document(
            2, 1, title="Rollback", content="## Steps\n\nThe **rollback** takes [five minutes](https://x.example.com)."
        ),
    )

    assert index.search("検索") == [("Tokyo", "東京の全文<b>検</b><b>索</b>は速い")]
    assert index.search("ROLLBACK") == [("Rollback", "Steps\n\nThe <b>rollback</b> takes five minutes")]


@pytest.mark.parametrize(
    "words", ["'", '"', "& | ! ( ) <->", ":*", "a & | b", "\\", "-", "", "%s", '"unclosed phrase', "\x1f"]
)
def test_nothing_that_is_typed_is_an_error(index, words):
    index.write(make_document(1, 1))

    index.search(words)


def test_words_have_forms_in_a_language_and_none_in_simple(make_index):
    page = make_document(1, 1, title="Guide", content="We deployed the services")
    index = make_index()
    index.write(page)
    assert index.titles("deploys") == []

    names = ", ".join(f"indexing_documents{suffix}" for suffix in ("", "_revision", "_owner", "_format"))
    index.connection.execute(f"DROP TABLE {names}")
    english = make_index(language="english")
    english.write(replace(page, revision=2))
    assert english.titles("deploys service") == ["Guide"]


def test_a_page_of_too_many_different_words_is_found_by_those_of_its_first_part(index):
    """PostgreSQL's tsvector takes 1 MB; these are 3 MB of different words, and 2 MB that fit because they repeat."""
    long = " ".join(f"word{number:07d}" for number in range(250_000))
    repeating = " ".join(f"again{number % 1000:04d}" for number in range(200_000)) + " lastly"
    index.write(
        make_document(1, 1, title="Before", content="common"),
        make_document(2, 1, title="Long", content=f"common {long}"),
        make_document(3, 1, title="Repeating", content=f"common {repeating}"),
        make_document(4, 1, title="After", content="common"),
    )

    assert sorted(index.titles("common")) == ["After", "Before", "Long", "Repeating"]
    assert index.titles("word0000001") == ["Long"]
    assert index.titles("word0020000") == ["Long"]
    assert index.titles("lastly") == ["Repeating"]
    query = "SELECT length(document ->> 'content') FROM indexing_documents WHERE title = 'Long'"
    assert index.connection.execute(query).fetchone() == (7 + len(long),)


def test_the_query_of_a_reader_finds_what_that_reader_may_read(index):
    of_levels = {
        "For staff": [["group:staff", "group:all"]],
        "For Alice of staff": [["group:all", "group:staff"], ["user:alice", "user:ben"]],
        "For Ben of staff": [["group:staff"], ["user:ben"]],
        "Closed": [["anonymous"], []],
        "No level": [],
        "Silent": None,
    }
    for number, (title, levels) in enumerate(of_levels.items()):
        index.write(replace(make_document(number, 1, title=title, content="our release notes"), permissions=levels))

    found = index.connection.execute(documented("'{user:alice")).fetchall()

    assert {title for title, _ in found} == {"For staff", "For Alice of staff"}


def test_under_the_policy_of_the_page_a_user_sees_what_the_named_reader_may_read(index):
    levels = {
        "For Alice": [["authenticated"], ["user:alice"]],
        "For Ben": [["authenticated"], ["user:ben"]],
        "Silent": None,
    }
    for number, (title, of_it) in enumerate(levels.items()):
        index.write(replace(make_document(number, 1, title=title), permissions=of_it))
    user = f"searcher_{secrets.token_hex(4)}"
    connection = index.connection
    (schema,) = connection.execute("SELECT current_schema()").fetchone()
    connection.execute(f"CREATE ROLE {user}; GRANT USAGE ON SCHEMA {schema} TO {user}")
    try:
        connection.execute(documented("CREATE POLICY").replace("searcher", user))
        with connection.transaction():
            connection.execute(f"SET LOCAL ROLE {user}")
            with pytest.raises(UndefinedObject), connection.transaction():
                connection.execute("SELECT FROM indexing_documents")
            connection.execute(documented("set_config"))
            assert connection.execute("SELECT title FROM indexing_documents").fetchall() == [("For Alice",)]
        with (
            pytest.raises(InvalidTextRepresentation),
            connection.transaction(),
        ):  # whom an earlier transaction named is forgotten
            connection.execute(f"SET LOCAL ROLE {user}")
            connection.execute("SELECT FROM indexing_documents")
        index.write(replace(make_document(9, 1, title="For Alice as well"), permissions=[["user:alice"]]))
    finally:
        connection.execute(f"DROP OWNED BY {user}; DROP ROLE {user}")


def test_the_other_documented_queries_answer(index):
    index.write(*(make_document(number, 1) for number in range(4)))

    (counted,) = index.connection.execute(documented("count(*)")).fetchall()
    assert counted == (DATASOURCE, "page", 4)
