"""Runs into OpenSearch and Elasticsearch: drift that *verify* heals, and servers that go away in the middle."""

from __future__ import annotations

import pytest

from airflow_provider_confluence.documents import document_id
from airflow_provider_confluence.errors import SinkUnavailableError
from airflow_provider_confluence.sync.commit import commit
from airflow_provider_confluence.sync.extract import extract
from airflow_provider_confluence.sync.index import index
from airflow_provider_confluence.sync.list_changes import BATCH_ITEMS, list_changes
from airflow_provider_confluence.testing.tcp_proxy import TcpProxy
from tests.sinks.servers import elasticsearch, opensearch
from tests.sync.conftest import fill
from tests.sync.search_engines import SearchWiki

__all__ = ["elasticsearch", "opensearch"]


@pytest.fixture(params=["opensearch", "elasticsearch"])
def wiki(request, cloud, tmp_path):
    return fill(SearchWiki(cloud, tmp_path, server=request.getfixturevalue(request.param)))


def test_what_a_run_indexed_is_what_confluence_shows(wiki):
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()

    model = wiki.model
    model.edit(model.find("Chapter"), body="<p>Edited</p>")
    model.trash(model.find("Appendix"))
    model.create_page("DOCS", "Arrived", "<p>New here</p>")
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


# ------------------------------------------------------------------------------------------ drift
def test_an_index_that_was_dropped_comes_back(wiki):
    wiki.run()
    expected = wiki.documents()
    wiki.server.ask("DELETE", f"/{wiki.serving()}")

    assert wiki.run(mode="verify").clean

    assert wiki.indexed() == wiki.expected()
    assert {i: d.content for i, d in wiki.documents().items()} == {i: d.content for i, d in expected.items()}


def test_an_index_with_everything_beside_it_that_was_dropped_comes_back(wiki):
    wiki.run()
    for name in wiki.server.ask("GET", f"/{wiki.alias}-*")[1]:
        wiki.server.ask("DELETE", f"/{name}")

    assert wiki.run(mode="verify").clean
    assert wiki.indexed() == wiki.expected()


def test_an_index_restored_from_an_old_backup_is_brought_up_to_date(wiki):
    model = wiki.model
    wiki.run()
    serving = wiki.serving()
    backup = wiki.hits()
    [layout] = wiki.server.ask("GET", f"/{serving}")[1].values()
    model.edit(model.find("Chapter"), body="<p>After the backup</p>")
    model.trash(model.find("Appendix"))
    model.create_page("DOCS", "Arrived", "<p>After the backup</p>")
    wiki.run()
    assert wiki.indexed() == wiki.expected()

    wiki.server.ask("DELETE", f"/{serving}")
    body = {"aliases": {wiki.alias: {}}, "mappings": layout["mappings"]}
    assert wiki.server.ask("PUT", f"/{serving}", body)[0] == 200
    lines = []
    for hit in backup:
        where = {"_id": hit["_id"], "version": hit["_version"], "version_type": "external"}
        lines += [{"index": where}, hit["_source"]]
    wiki.server.ask("POST", f"/{serving}/_bulk", lines=lines)
    assert wiki.indexed() != wiki.expected()

    assert wiki.run(mode="verify").clean
    assert wiki.indexed() == wiki.expected()
    assert "After the backup" in wiki.documents()[str(model.find("Chapter"))].content


def test_an_index_edited_by_hand_is_put_right(wiki):
    wiki.run()
    before = wiki.documents()
    guide, chapter, home, news = (
        next(d for d in before.values() if d.title == title) for title in ("Guide", "Chapter", "Home", "News")
    )
    ask = wiki.server.ask
    assert ask("POST", f"/{wiki.alias}/_update/{guide.id}", {"doc": {"title": "Defaced"}})[0] == 200
    for _ in range(2):
        assert (
            ask("PUT", f"/{wiki.alias}/_doc/{chapter.id}", chapter.to_json() | {"content": "Defaced twice"})[0] == 200
        )
    assert ask("PUT", f"/{wiki.alias}/_doc/{home.id}", {"title": "Not even a document"})[0] == 200
    assert ask("DELETE", f"/{wiki.alias}/_doc/{news.id}")[0] == 200
    stranger = guide.to_json() | {"id": document_id("docs", "999999"), "content_id": "999999"}
    assert ask("PUT", f"/{wiki.alias}/_doc/{stranger['id']}", stranger)[0] == 201

    wiki.run(mode="verify")

    assert wiki.indexed() == wiki.expected()
    after = wiki.documents()
    assert {i: (d.title, d.content) for i, d in after.items()} == {i: (d.title, d.content) for i, d in before.items()}


# ------------------------------------------------------------------------------------------ away in the middle
def test_a_server_that_goes_away_in_the_middle_loses_nothing_and_doubles_nothing(wiki):
    model = wiki.model
    for number in range(250):
        model.create_page("DOCS", f"Page {number}", f"<p>Text {number}</p>")
    model.trash(model.create_page("DOCS", "Short-lived", "<p>Never seen</p>"))
    written = []
    with TcpProxy(wiki.server.port) as proxy:
        wiki.port = proxy.port
        plan = list_changes(wiki.context, wiki.datasource)
        for shard in range(plan.shards):
            extract(wiki.context, "docs", plan.revision, shard)

        away = proxy.down()

        def reached(point):
            if point == "receipt_written":
                written.append(point)
                if len(written) == 1:
                    away.__enter__()

        wiki.reached = reached
        with pytest.raises(SinkUnavailableError):
            index(wiki.context, "docs", plan.revision, 0)
        with pytest.raises(SinkUnavailableError):  # the next try, while it is still away
            index(wiki.context, "docs", plan.revision, 0)
        away.__exit__(None, None, None)
        counts = index(wiki.context, "docs", plan.revision, 0)
        result = commit(wiki.context, "docs", plan.revision)

    assert counts.written_before == BATCH_ITEMS  # what had its receipt was not written again
    assert result.clean
    assert wiki.indexed() == wiki.expected()
    assert len(wiki.hits()) == len(wiki.expected())


def test_a_server_that_dies_and_is_started_again_loses_nothing(elasticsearch, cloud, tmp_path):
    wiki = fill(SearchWiki(cloud, tmp_path, server=elasticsearch))
    model = wiki.model
    for number in range(250):
        model.create_page("DOCS", f"Page {number}", f"<p>Text {number}</p>")
    dead = []

    def reached(point):
        if point == "receipt_written" and not dead:
            dead.append(point)
            elasticsearch.kill()

    wiki.reached = reached
    with pytest.raises(SinkUnavailableError):
        wiki.run()
    elasticsearch.start()

    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()
