"""The query in the documentation finds what it should, on both servers, and Chinese is found without spaces."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_provider_confluence.documents import (
    Ancestor,
    Chunk,
    Document,
    Heading,
    Link,
    Person,
    document_schema,
)
from airflow_provider_confluence.sinks.registry import make_sink
from airflow_provider_confluence.testing.sink_conformance import OWNER, make_document
from tests.sinks.servers import unused

EVERYTHING = replace(
    make_document(4, 1, title="Everything", content="# Chapter\n\nText"),
    summary="In short",
    parent_id="7",
    ancestors=(Ancestor("7", "Top", "https://one.example.com/7"),),
    container=Ancestor("8", "Holder", "https://one.example.com/8"),
    created="2026-02-01T09:30:00.000Z",
    creator=Person("a1", "Anna"),
    last_editor=Person("b2", "Ben"),
    language="en",
    media_type="text/plain",
    size_bytes=3_000_000_000,
    outline=(Heading(1, "Chapter"),),
    chunks=(Chunk("breadcrumb: Text", ("Chapter",), 0, 11, 15, oversized=True),),
    links=(Link("https://example.com", "Elsewhere", "9"),),
    properties={"Status": "done"},
    permissions=[["user:anna", "group:staff"], ["user:anna"]],
    warnings=("a table was cut",),
)
FOR_READERS = (
    ("For staff and editors", [["group:all", "group:staff"], ["group:editors", "user:bob"]]),
    ("For Alice", [["authenticated"], ["user:alice"]]),
    ("For staff and Bob", [["group:staff"], ["user:bob"]]),
    ("For nobody", [["anonymous"], []]),
    ("For another staff", [["group:Staff"]]),
)
PAGE = Path(__file__).parents[2] / "docs" / "sinks" / "opensearch.md"


def documented_queries():
    """Return the bodies of searches on the page: the plain one, and the one of a reader."""
    blocks = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    plain, of_reader = (json.loads(block) for block in blocks if '"query"' in block)
    return plain, of_reader


def search_as(principals):
    """Return a search for everything by the filter of the page, with other principals in the place of Alice's."""
    _, body = documented_queries()
    about = {key: body["query"]["bool"][key] for key in ("filter", "must_not")}
    [of_levels] = about["must_not"]
    [terms] = of_levels["nested"]["query"]["bool"]["must_not"]
    terms["terms"]["permission_levels.principals"] = list(principals)
    return {"size": 1_000, "query": {"bool": about}}


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
            EVERYTHING,
            make_document(3, 1, title="検索", content="全文検索エンジンの使い方"),
            *(
                # Older than what the first query of the page asks for.
                replace(
                    make_document(number, 1, title=title, content="How a deployment goes back"),
                    permissions=levels,
                    updated="2019-03-01T09:30:00.000Z",
                )
                for number, (title, levels) in enumerate(FOR_READERS, 10)
            ),
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
    body, _ = documented_queries()

    found = search(body)

    assert [hit["_source"]["title"] for hit in found["hits"]["hits"]] == ["Deployments"]
    assert "<em>roll</em>" in found["hits"]["hits"][0]["highlight"]["content"][0]
    assert found["aggregations"]["labels"]["buckets"][0]["key"] == "kept"


def test_the_query_of_a_reader_finds_counts_and_shows_what_that_reader_may_read(search):
    _, body = documented_queries()

    found = search(body)

    assert {hit["_source"]["title"] for hit in found["hits"]["hits"]} == {"For staff and editors", "For Alice"}
    assert found["hits"]["total"]["value"] == 2
    assert found["aggregations"]["labels"]["buckets"] == [{"key": "kept", "doc_count": 2}]
    assert all("<em>" in hit["highlight"]["content"][0] for hit in found["hits"]["hits"])


def test_a_document_with_every_field_there_is_is_taken_and_comes_back_whole(search):
    schema = document_schema()["properties"]
    assert set(EVERYTHING.to_json()) == set(schema)
    empty = [name for name, value in EVERYTHING.to_json().items() if value in (None, [], {}, "")]
    assert empty == []

    [hit] = search({"query": {"match": {"chunks.text": "breadcrumb"}}})["hits"]["hits"]

    assert Document.from_json(hit["_source"]) == EVERYTHING
    for query in (
        {"term": {"properties.Status": "done"}},
        {"term": {"permissions": "user:anna"}},
        {"term": {"ancestors.id": "7"}},
        {"match": {"outline.text": "chapter"}},
        {"range": {"updated": {"gte": "2026-03-01"}}},
    ):
        found = search({"query": {"bool": {"filter": [query, {"term": {"content_id": "4"}}]}}})["hits"]["hits"]
        assert [hit["_source"]["content_id"] for hit in found] == ["4"], query


def test_a_part_of_a_japanese_text_is_found(search):
    found = search({"query": {"match": {"content.cjk": {"query": "検索", "operator": "and"}}}})

    assert [hit["_source"]["content_id"] for hit in found["hits"]["hits"]] == ["3"]
