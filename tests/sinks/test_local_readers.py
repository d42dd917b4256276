"""Searching a local index as somebody: what is shown, counted and told is what that person may read, and nothing of the rest."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from airflow_provider_confluence.documents import Space
from airflow_provider_confluence.permissions import may_read, principals_of
from airflow_provider_confluence.sinks.local import LocalIndex, LocalSink
from airflow_provider_confluence.testing.sink_conformance import OWNER, make_document, make_tombstone

ANNA = principals_of("anna", ["staff"])
OPEN, FOR_ANNA, FOR_BEN = [["anonymous"]], [["group:staff"], ["user:anna"]], [["group:staff"], ["user:ben"]]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "docs.sqlite3"


def write(path, *items):
    sink = LocalSink(path)
    sink.open(OWNER)
    assert {answer.outcome for answer in sink.write(items)} <= {"written"}
    sink.close()


def page(number, permissions, revision=1, **more):
    return replace(make_document(number, revision, title=f"Page {number}"), permissions=permissions, **more)


def found(results):
    return [hit.content_id for hit in results.hits]


def tables(path):
    """Return how many rows stand in each of the tables of who may read."""
    names = ("level", "level_principal", "access", "access_level", "doc_access")
    with closing(sqlite3.connect(path)) as connection:
        return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


# ------------------------------------------------------------------------------------------ what a reader is shown
def test_hits_totals_pages_and_facets_are_of_what_the_reader_may_read(path):
    pages = []
    for number in range(60):
        space = Space("1", "DOCS" if number % 3 else "SECRET", "Space")
        mine = number % 3 and number % 2
        pages.append(page(number, FOR_ANNA if mine else FOR_BEN, space=space, labels=(f"label{number % 2}",)))
    write(path, *pages)
    expected = {str(number) for number in range(60) if number % 3 and number % 2}

    with LocalIndex(path) as index:
        for words in ("page", None):
            results = [index.search(words, principals=ANNA, limit=7, offset=offset) for offset in (0, 7, 14, 21)]
            assert [result.total for result in results] == [20] * 4
            assert [len(result.hits) for result in results] == [7, 7, 6, 0]
            assert {id_ for result in results for id_ in found(result)} == expected
            facets = index.search(words, principals=ANNA, limit=0, facets=["space", "label"]).facets
            assert facets == {"space": {"DOCS": 20}, "label": {"label1": 20}}
            assert index.search(words, principals=ANNA, space="SECRET", facets=["space"]).facets == {"space": {}}


def test_what_others_may_read_changes_nothing_of_an_answer(path):
    mine = [page(1, FOR_ANNA, content="rare rare word"), page(2, FOR_ANNA, content="rare word, and more of it")]
    write(path, *mine)
    with LocalIndex(path) as index:
        before = index.search("rare", principals=ANNA, facets=["space", "month"])
        assert [hit.score for hit in before.hits] == [1.0, 0.5]

        write(path, *(page(number, FOR_BEN, content="rare words in a secret page") for number in range(10, 60)))
        assert index.search("rare", principals=ANNA, facets=["space", "month"]) == before
        assert index.search("secret", principals=ANNA).total == 0


def test_a_document_is_handed_out_to_its_readers_alone(path):
    mine, his, silent = page(1, FOR_ANNA), page(2, FOR_BEN), page(3, None)
    write(path, mine, his, silent)

    with LocalIndex(path) as index:
        assert index.get(mine.id, principals=ANNA) == mine
        assert index.get(his.id, principals=ANNA) is None
        assert index.get(silent.id, principals=ANNA) is None
        assert index.get(his.id) == his


def test_one_principal_is_taken_as_such_and_none_finds_nothing(path):
    write(path, page(1, OPEN), page(2, FOR_ANNA))

    with LocalIndex(path) as index:
        assert found(index.search("page", principals="anonymous")) == ["1"]
        assert index.search("page", principals=[]).total == 0
        assert index.search("page", principals=["user:\0", "\ud800"]).total == 0
        assert index.search("page").total == 2


def test_a_document_that_does_not_say_who_may_read_it_is_found_by_nobody_and_its_datasource_is_named(path):
    write(path, page(1, OPEN))
    with LocalIndex(path) as index:
        assert index.datasources_without_readers() == []

        write(path, page(2, None), page(3, []))
        assert found(index.search("page", principals=ANNA)) == ["1"]
        assert index.datasources_without_readers() == [OWNER.datasource_id]


# ------------------------------------------------------------------------------------------ the file
def test_readers_stand_once_in_the_file_and_those_of_nothing_are_forgotten(path):
    write(path, *(page(number, FOR_ANNA) for number in range(50)), *(page(number, FOR_BEN) for number in range(50, 90)))
    assert tables(path) == {"level": 3, "level_principal": 3, "access": 2, "access_level": 4, "doc_access": 90}

    write(path, *(make_tombstone(number, 2) for number in range(50, 90)))
    write(path)
    assert tables(path) == {"level": 2, "level_principal": 2, "access": 1, "access_level": 2, "doc_access": 50}
    with LocalIndex(path) as index:
        assert index.search("page", principals=ANNA).total == 50


def test_levels_in_another_order_are_the_same_readers(path):
    write(
        path,
        page(1, [["user:anna", "user:ben"], ["group:staff"]]),
        page(2, [["group:staff"], ["user:ben", "user:anna"]]),
    )

    assert tables(path)["access"] == 1


def without_readers(path):
    """Make the file what an earlier version wrote."""
    with closing(sqlite3.connect(path)) as connection:
        for trigger in ("doc_access_removed", "doc_access_changed"):
            connection.execute(f"DROP TRIGGER {trigger}")
        for table in ("level", "level_principal", "access", "access_level", "doc_access"):
            connection.execute(f"DROP TABLE {table}")


def test_a_file_of_an_earlier_version_shows_a_reader_nothing_until_its_documents_are_written_again(path):
    write(path, page(1, OPEN), page(2, OPEN))
    without_readers(path)

    with LocalIndex(path) as index:
        assert index.search("page").total == 2
        assert index.search("page", principals=ANNA, facets=["space"]).facets == {"space": {}}
        assert index.datasources_without_readers() == [OWNER.datasource_id]

        write(path, page(1, OPEN, revision=2))
        assert found(index.search("page", principals=ANNA)) == ["1"]
        assert index.datasources_without_readers() == [OWNER.datasource_id]


def test_a_document_that_a_worker_of_an_earlier_version_wrote_keeps_no_readers_of_what_stood_there(path):
    write(path, page(1, OPEN), page(2, OPEN))

    with closing(sqlite3.connect(path)) as connection:  # which knows nothing of who may read
        connection.execute("UPDATE doc SET document = '{}', revision = 2 WHERE content_id = '1'")
        connection.commit()

    with LocalIndex(path) as index:
        assert found(index.search("page", principals=ANNA)) == ["2"]


# ------------------------------------------------------------------------------------------ who somebody is
def test_a_person_is_named_by_id_and_groups_and_a_visitor_by_neither():
    assert principals_of("anna", ["staff", "it's", "staff"]) == (
        "user:anna",
        "group:staff",
        "group:it's",
        "authenticated",
        "anonymous",
    )
    assert principals_of(None) == ("anonymous",)
    for person, groups in (("", ()), ("user:anna", ()), ("anna", ["group:staff"]), ("anna", [""]), (None, ["staff"])):
        with pytest.raises(ValueError, match=r"is not the id of a|is in no group"):
            principals_of(person, groups)


def test_a_document_is_read_by_who_is_in_every_level_and_what_says_nothing_is_closed():
    assert may_read(ANNA, FOR_ANNA)
    assert may_read(["anonymous"], OPEN)
    assert not any(may_read(ANNA, levels) for levels in (FOR_BEN, [*OPEN, []], [], None))
