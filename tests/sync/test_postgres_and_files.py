"""From Confluence into PostgreSQL and into files: whole runs from the sandbox, read as other programs read."""

from __future__ import annotations

import secrets

import pytest

from airflow_provider_confluence.sinks.registry import make_sink
from airflow_provider_confluence.sync.purge import purge
from tests.sinks.postgres_server import postgres_server
from tests.sinks.test_files_conformance import documents_in


class PostgresPlace:
    """A table, as a program reads it that speaks SQL."""

    def __init__(self, server, connection):
        self.schema = f"runs_{secrets.token_hex(6)}"
        self.server = server
        self.connection = connection
        connection.execute(f"CREATE SCHEMA {self.schema}")

    def sink(self, wiki, datasource):
        settings = {"type": "postgres", "schema": self.schema}
        return make_sink(settings, "docs", storage=wiki.folder, connections=self.server.connections())

    def titles(self):
        rows = self.connection.execute(f'SELECT title FROM {self.schema}.docs ORDER BY title COLLATE "C"')
        return [title for (title,) in rows.fetchall()]

    def lose_everything(self):
        self.connection.execute(f"DROP TABLE {self.schema}.docs")


class FilesPlace:
    """A folder, as the program of the documentation reads it."""

    def __init__(self, folder):
        self.folder = folder / "index" / "docs" / "docs"

    def sink(self, wiki, datasource):
        return make_sink({"type": "files"}, "docs", storage=wiki.folder / "index")

    def titles(self):
        return sorted(document["title"] for document in documents_in(self.folder))

    def lose_everything(self):
        for file in (self.folder / "batches").iterdir():
            file.unlink()


@pytest.fixture(scope="module")
def server():
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["postgres", "files"])
def place(request, wiki):
    if request.param == "files":
        place = FilesPlace(wiki.folder)
        wiki.make_sink = lambda d: place.sink(wiki, d)
        yield place
        return
    server = request.getfixturevalue("server")
    with server.connect() as connection:
        place = PostgresPlace(server, connection)
        wiki.make_sink = lambda d: place.sink(wiki, d)
        yield place


def expected(wiki):
    return sorted(record["title"] for record in wiki.expected().values())


def id_of(wiki, title):
    (content_id,) = (i for i, record in wiki.expected().items() if record["title"] == title)
    return content_id


def test_what_confluence_shows_is_there_and_follows_edits_and_deletions(wiki, place):
    assert wiki.run().clean
    assert place.titles() == expected(wiki)

    wiki.model.edit(id_of(wiki, "Chapter"), title="Section")
    wiki.model.trash(id_of(wiki, "Appendix"))
    assert wiki.run().clean

    assert place.titles() == expected(wiki)
    assert "Section" in place.titles()
    assert "Appendix" not in place.titles()


def test_what_was_lost_comes_back_with_the_next_verify(wiki, place):
    wiki.run()
    place.lose_everything()

    wiki.run(mode="verify")

    assert place.titles() == expected(wiki) != []


def test_purge_leaves_nothing_of_the_datasource(wiki, place):
    wiki.run()
    wiki.definition["enabled"] = False

    purge(wiki.context.storage, wiki.context.make_sink, "docs", reached=wiki.reached)

    assert place.titles() == []
