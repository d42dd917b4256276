"""The query in the documentation finds what it should, on both servers, and Chinese is found without spaces."""

import json
import re
from pathlib import Path

import pytest

from airflow_provider_confluence.sinks.registry import make_sink
from airflow_provider_confluence.testing.sink_conformance import OWNER, make_document
from tests.sinks.servers import unused

PAGE = Path(__file__).parents[2] / "docs" / "sinks" / "opensearch.md"


@pytest.fixture(params=["opensearch", "elasticsearch"])
def search(request, tmp_path):
    server = request.getfixturevalue(request.param)
    alias = unused()
    sink = make_sink({"type": server.kind}, alias, storage=tmp_path, connections=server.connections)
    sink.open(OWNER)
    sink.write(
        [
            make_document(1, 1, title="Deployments", content="How to **roll back** a deployment, step by step"),
            make_document(2, 1, title="Lunch", content="Soup and bread"),
            make_document(3, 1, title="検索", content="全文検索エンジンの使い方"),
        ]
    )
    sink.flush()
    sink.close()

    def search(body):
        status, found = server.ask("POST", f"/{alias}/_search", body)
        assert status == 200, found
        return found

    return search


def test_the_query_of_the_page_finds_the_page_that_it_is_about(search):
    [body] = [
        json.loads(block)
        for block in re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
        if '"query"' in block
    ]

    found = search(body)

    assert [hit["_source"]["title"] for hit in found["hits"]["hits"]] == ["Deployments"]
    assert "<em>roll</em>" in found["hits"]["hits"][0]["highlight"]["content"][0]
    assert found["aggregations"]["labels"]["buckets"][0]["key"] == "kept"


def test_a_part_of_a_japanese_text_is_found(search):
    found = search({"query": {"match": {"content.cjk": {"query": "検索", "operator": "and"}}}})

    assert [hit["_source"]["content_id"] for hit in found["hits"]["hits"]] == ["3"]
