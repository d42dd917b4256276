"""The DAG into a search server, over an Airflow connection, with the server away for a while in the middle."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from airflow_provider_confluence.documents import document_id
from airflow_provider_confluence.testing.tcp_proxy import TcpProxy
from tests.airflow.deployment import Deployment
from tests.sinks.servers import SearchServer, opensearch, unused

__all__ = ["opensearch"]

ALL = {"Home", "Page 1", "Page 2", "Page 3", "Page 4", "Page 5"}


@pytest.fixture
def proxy(opensearch: SearchServer) -> Iterator[TcpProxy]:
    with TcpProxy(opensearch.port) as running:
        yield running


@pytest.fixture
def searched(on_cloud: Deployment, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """A deployment whose datasource goes to OpenSearch, in two shards, without retries to wait for."""
    monkeypatch.setattr("airflow_provider_confluence.sync.upserts.ITEMS_PER_SHARD", 3)
    connection = {"conn_type": "opensearch", "host": "127.0.0.1", "port": proxy.port, "extra": {"use_ssl": False}}
    monkeypatch.setenv("AIRFLOW_CONN_SEARCH", json.dumps(connection))
    on_cloud.define(
        sink={"type": "opensearch", "conn_id": "search"}, queue={"name": unused("wiki")}, airflow={"retries": 0}
    )
    return on_cloud


def found(server: SearchServer, deploy: Deployment) -> dict[str, str]:
    """Return the titles by id that a search for everything finds, each document that it finds once."""
    alias = deploy.definition["queue"]["name"]
    status, answer = server.ask("POST", f"/{alias}/_search", {"size": 100, "query": {"match_all": {}}})
    assert status == 200
    hits = answer["hits"]["hits"]
    titles = {hit["_id"]: hit["_source"]["title"] for hit in hits}
    assert len(titles) == len(hits)
    return titles


def expected(deploy: Deployment) -> dict[str, str]:
    """Return what Confluence shows, by the id that its document has."""
    return {document_id(deploy.id, record.id): record.title for record in deploy.model.visible(["DOCS"], ["page"])}


def test_a_run_makes_the_wiki_searchable_and_the_next_follows_what_changed(
    searched: Deployment, opensearch: SearchServer
) -> None:
    assert searched.run().state == "success"
    assert found(opensearch, searched) == expected(searched)

    model = searched.model
    model.edit(model.find("Page 1"), title="Page one")
    model.trash(model.find("Page 2"))
    model.create_page("DOCS", "Page 6", "<p>Lantern 6</p>")
    assert searched.run().state == "success"
    assert found(opensearch, searched) == expected(searched)


@pytest.mark.parametrize("task", ["shards.extract[0]", "shards.index[0]"])
def test_a_server_that_is_away_for_a_while_costs_a_red_run_and_no_document(
    searched: Deployment, opensearch: SearchServer, proxy: TcpProxy, task: str
) -> None:
    run = searched.run(until=task)
    with proxy.down():
        red = run.go_on()
    assert red.state == "failed"
    assert red.tasks["shards.index[1]"] == "failed"
    assert (red.tasks["commit"], red.tasks["verdict"]) == ("success", "failed")

    green = searched.run()
    assert green.state == "success"
    assert found(opensearch, searched) == expected(searched)
    assert set(found(opensearch, searched).values()) == ALL
