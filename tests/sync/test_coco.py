"""From Confluence into Coco Server: whole runs from the sandbox to a fake Coco, as a reader of that sees them."""

from __future__ import annotations

import json

import pytest

from airflow_provider_confluence.documents import document_id
from airflow_provider_confluence.errors import SinkUnavailableError
from airflow_provider_confluence.sinks.registry import make_sink
from airflow_provider_confluence.sync.purge import purge
from airflow_provider_confluence.testing.coco import FakeCoco
from airflow_provider_confluence.testing.sandbox.faults import Respond
from tests.sinks.coco_server import connections, get


@pytest.fixture
def coco(wiki):
    with FakeCoco(refresh_seconds=0.05) as coco:
        there = connections(coco.endpoint, coco.token)
        wiki.make_sink = lambda d: make_sink(
            {"type": "coco", "parallel": 8}, d.queue_name, storage=wiki.folder, connections=there
        )
        wiki.run()
        yield coco


def found(coco, query):
    """The titles that a search of people finds."""
    _, answer = get(coco, "/query/_search", query=query, datasource="docs")
    return [hit["_source"]["title"] for hit in answer["hits"]["hits"]]


def below(coco, *titles):
    """The titles that Coco's tree shows at a place."""
    _, answer = get(coco, "/document/_search", filter="source.id:any(docs)", path=json.dumps(titles), size=100)
    return sorted(hit["_source"]["title"] for hit in answer["hits"]["hits"])


def titles(wiki):
    return sorted(record["title"] for record in wiki.expected().values())


def held(coco):
    return sorted(source["title"] for source in coco.documents().values())


def id_of(wiki, title):
    (content_id,) = (i for i, record in wiki.expected().items() if record["title"] == title)
    return content_id


def test_what_confluence_shows_is_found_in_coco_and_stands_in_its_tree(wiki, coco):
    assert held(coco) == titles(wiki)
    assert found(coco, "roll back deployment") == ["Guide"]
    assert below(coco) == ["Home", "News"]
    assert below(coco, "Home") == ["Appendix", "Guide"]
    assert below(coco, "Home", "Guide") == ["Chapter", "plan.txt"]
    assert found(coco, "handle") == ["Chapter"]


def test_an_edit_is_found_and_a_move_takes_what_is_below_along(wiki, coco):
    wiki.model.edit(id_of(wiki, "Chapter"), body="<p>Pull the lever</p>")
    wiki.model.move(id_of(wiki, "Guide"), parent=id_of(wiki, "Appendix"))

    assert wiki.run().clean

    assert (found(coco, "handle"), found(coco, "lever")) == ([], ["Chapter"])
    assert below(coco, "Home") == ["Appendix"]
    assert below(coco, "Home", "Appendix", "Guide") == ["Chapter", "plan.txt"]
    assert held(coco) == titles(wiki)


def test_a_deleted_page_is_found_no_more(wiki, coco):
    wiki.model.trash(id_of(wiki, "Appendix"))
    assert wiki.run().clean
    assert "Appendix" not in held(coco)
    assert found(coco, "see also") == []


def test_a_run_without_changes_writes_nothing(wiki, coco):
    coco.requests.clear()
    assert wiki.run().clean
    assert [entry for entry in coco.requests if entry.method != "GET"] == []


def test_a_run_into_a_server_that_is_down_loses_nothing(wiki, coco):
    wiki.model.edit(id_of(wiki, "Guide"), body="<p>Roll forward instead</p>")
    coco.faults.add(fault := Respond(503, retry_after=120, times=None))
    with pytest.raises(SinkUnavailableError):
        wiki.run()
    coco.faults.remove(fault)

    assert wiki.run().clean
    assert found(coco, "forward") == ["Guide"]


def test_verify_mends_what_somebody_did_in_coco(wiki, coco):
    coco.store.remove(document_id("docs", id_of(wiki, "Guide")))
    stray = document_id("docs", "99999")
    home = coco.documents()[document_id("docs", id_of(wiki, "Home"))]
    coco.store.put(
        stray, {**home, "id": stray, "title": "Stray", "metadata": {**home["metadata"], "confluence_id": "99999"}}
    )
    coco.store.refresh()

    assert wiki.run(mode="verify").clean
    assert held(coco) == titles(wiki)


def test_a_datasource_that_was_deleted_in_coco_is_filled_again_by_verify(wiki, coco):
    import requests

    requests.delete(coco.endpoint + "/datasource/docs", headers={"X-API-TOKEN": coco.token}, timeout=10)
    coco.store.refresh()
    assert held(coco) == []
    assert wiki.run(mode="verify").clean
    assert held(coco) == titles(wiki)
    assert found(coco, "roll back deployment") == ["Guide"]


def test_nothing_of_the_confluence_credential_reaches_coco(wiki, coco):
    everything = json.dumps([coco.documents(), coco.datasources(), coco.connectors()])
    assert "Guide" in everything
    assert wiki.sandbox.token not in everything


def test_a_purge_leaves_no_document_in_coco(wiki, coco):
    purged = purge(wiki.context.storage, wiki.context.make_sink, "docs")
    assert purged.left == 0
    assert held(coco) == []
