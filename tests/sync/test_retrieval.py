"""What a document carries for retrieval, from Confluence to the sink."""

from __future__ import annotations

from airflow_provider_confluence.documents import Heading
from tests.sync.conftest import Wiki

MENTION = '<ac:link><ri:user ri:account-id="5b10ac8d" /></ac:link>'


def indexed(wiki: Wiki, body: str):
    wiki.model.create_space("DOCS")
    page = wiki.model.create_page("DOCS", "Page", body)
    assert wiki.run().clean
    return wiki.documents()[page]


def test_the_outline_has_the_headings_wherever_they_stand_with_people_by_name(cloud, tmp_path):
    cloud.model.add_user("5b10ac8d", "Mara Eastwell")
    panel = '<ac:structured-macro ac:name="info"><ac:rich-text-body><h3>Before</h3><p>x</p></ac:rich-text-body></ac:structured-macro>'
    document = indexed(
        Wiki(cloud, tmp_path),
        f"<h1>The <em>plan</em></h1><p>x</p>{panel}<h2></h2><h2>Ask {MENTION}</h2>"
        "<table><tbody><tr><td><h4>Cell</h4></td></tr></tbody></table><ul><li><h5>Item</h5></li></ul>",
    )
    assert document.outline == (
        Heading(1, "The plan"),
        Heading(3, "Before"),
        Heading(2, "Ask Mara Eastwell"),
        Heading(4, "Cell"),
        Heading(5, "Item"),
    )


def test_a_page_without_headings_in_a_latin_script_has_no_outline_and_no_language(sandbox, tmp_path):
    document = indexed(Wiki(sandbox, tmp_path), "<p>It ships on Friday, as far as anybody knows.</p>")
    assert (document.outline, document.language) == ((), None)


def test_a_page_in_a_script_of_one_language_names_the_language(sandbox, tmp_path):
    document = indexed(Wiki(sandbox, tmp_path), "<p>이 페이지는 새로운 서버를 설정하는 방법을 설명합니다.</p>")
    assert document.language == "ko"
