"""Pages that Cloud keeps in Atlassian Document Format only."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_confluence.testing.sandbox.records import AdfBody
from tests.sync.conftest import Wiki


def adf_body(*content: dict[str, Any]) -> AdfBody:
    return AdfBody(json.dumps({"type": "doc", "version": 1, "content": list(content)}))


def paragraph(*content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "paragraph", "content": list(content)}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


@pytest.fixture
def cloud_wiki(cloud, tmp_path):
    wiki = Wiki(cloud, tmp_path)
    wiki.model.create_space("DOCS", "Documentation")
    return wiki


@pytest.mark.parametrize("empty_storage", [True, False])
def test_a_page_without_storage_format_is_read_from_adf(cloud_wiki, empty_storage):
    cloud_wiki.model.readings.adf_has_empty_storage = empty_storage
    page = cloud_wiki.model.create_page("DOCS", "Live", adf_body(paragraph(text("Words in ADF."))))
    plain = cloud_wiki.model.create_page("DOCS", "Plain", "<p>Words in storage format.</p>")
    empty = cloud_wiki.model.create_page("DOCS", "Empty")
    assert cloud_wiki.run().clean
    documents = cloud_wiki.documents()
    assert documents[page].content == "Words in ADF.\n"
    assert documents[plain].content == "Words in storage format.\n"
    assert documents[empty].content == ""
    assert [documents[i].warnings for i in (page, plain, empty)] == [(), (), ()]


def test_people_and_files_of_an_adf_body_have_their_names(cloud_wiki):
    ann = cloud_wiki.model.add_user("ann", "Ann Field")
    page = cloud_wiki.model.create_page("DOCS", "Live")
    file = cloud_wiki.model.attach(page, "plan.pdf", b"x", "application/pdf")
    file_id, collection = f"file-{file.removeprefix('att')}", f"contentId-{page}"
    body = adf_body(
        paragraph(text("Ask "), {"type": "mention", "attrs": {"id": ann, "text": "@old name"}}, text(".")),
        {
            "type": "mediaGroup",
            "content": [{"type": "media", "attrs": {"type": "file", "id": file_id, "collection": collection}}],
        },
    )
    cloud_wiki.model.edit(page, body=body)
    cloud_wiki.run()
    url = f"{cloud_wiki.sandbox.endpoint}/download/attachments/{page}/plan.pdf"
    assert cloud_wiki.documents()[page].content == f"Ask Ann Field.\n\n[plan.pdf]({url})\n"


def test_a_page_that_goes_from_storage_format_to_adf_and_back_follows(cloud_wiki):
    page = cloud_wiki.model.create_page("DOCS", "Page", "<p>One.</p>")
    cloud_wiki.run()
    for body, expected in ((adf_body(paragraph(text("Two."))), "Two.\n"), ("<p>Three.</p>", "Three.\n")):
        cloud_wiki.model.edit(page, body=body)
        cloud_wiki.run()
        assert cloud_wiki.documents()[page].content == expected


def test_one_further_request_brings_the_bodies_of_fifty_such_pages(cloud_wiki):
    for number in range(50):
        cloud_wiki.model.create_page("DOCS", f"Page {number}", adf_body(paragraph(text(f"Words {number}."))))
    cloud_wiki.run()
    asked = [request.query.get("body-format") for request in cloud_wiki.sandbox.requests.matching("*/api/v2/pages")]
    assert [form for form in asked if form] == [["storage"], ["atlas_doc_format"]]
