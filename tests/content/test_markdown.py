"""Writing with look-ups, links for the document, summaries."""

from __future__ import annotations

import pytest

from airflow_provider_confluence.content import markdown, storage_format, summary, to_markdown
from airflow_provider_confluence.content.model import (
    AttachmentReference,
    Content,
    IncludeReference,
    PageReference,
    Reference,
    Resolved,
    UrlReference,
    UserReference,
)
from airflow_provider_confluence.documents import Link

KNOWN: dict[Reference, Resolved] = {
    PageReference("T", "S"): Resolved("Title today", "https://wiki/t", "7"),
    PageReference("T", "S", "A b"): Resolved("Title today", "https://wiki/t", "7"),
    UserReference("a", "account"): Resolved("Ann [Ops]"),
    AttachmentReference("f 1.png"): Resolved("f 1.png", "https://wiki/f(1).png"),
    UrlReference("https://wiki/pages/9"): Resolved("Nine", "https://wiki/pages/9", "9"),
}
PAGE = '<ac:link><ri:page ri:content-title="T" ri:space-key="S" />{}</ac:link>'
USER = '<ac:link><ri:user ri:account-id="a" /></ac:link>'


def written(body: str) -> str:
    return markdown.write(storage_format.read(body), KNOWN.get).strip()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (PAGE.format(""), "[Title today](https://wiki/t)"),
        (PAGE.format("<ac:link-body>my <em>words</em></ac:link-body>"), "[my *words*](https://wiki/t)"),
        (PAGE.replace("<ac:link>", '<ac:link ac:anchor="A b">').format(""), "[Title today](https://wiki/t#A%20b)"),
        (f"<p>Ask {USER}.</p>", "Ask Ann [Ops]."),
        ('<ac:image ac:alt="x"><ri:attachment ri:filename="f 1.png" /></ac:image>', "![x](<https://wiki/f(1).png>)"),
        ('<a href="https://wiki/pages/9">https://wiki/pages/9</a>', "[Nine](https://wiki/pages/9)"),
        ('<a href="https://wiki/pages/9">nine</a>', "[nine](https://wiki/pages/9)"),
        (f"<p>so{PAGE.format('')}so</p>", "so [Title today](https://wiki/t) so"),
        (f'<a href="https://e.com">see {USER} there</a>', r"[see Ann \[Ops\] there](https://e.com)"),
        (f"<p>{USER}(x)</p>", r"Ann [Ops]\(x)"),
    ],
)
def test_references_are_written_with_what_was_looked_up(body: str, expected: str) -> None:
    assert expected == written(body)


def test_a_reference_is_asked_for_once() -> None:
    asked: list[Reference] = []
    markdown.write(storage_format.read(PAGE.format("") * 3), asked.append)  # type: ignore[func-returns-value,arg-type]
    assert [PageReference("T", "S")] == asked


def test_links_are_listed_once_each_with_title_and_content_id() -> None:
    body = (
        f"<p>{PAGE.format('')} {USER} {PAGE.format('')}</p><table><tr><td>"
        "<a href='https://e.com/x'>Some <b>site</b></a></td><td>y</td></tr></table>"
        '<a href="https://e.com/y">https://e.com/y</a><ac:link><ri:page ri:content-title="Nobody knows" /></ac:link>'
        '<a href="javascript:x()">no</a>'
    )
    assert [
        Link("https://wiki/t", "Title today", "7"),
        Link("https://e.com/x", "Some site", None),
        Link("https://e.com/y", "https://e.com/y", None),
    ] == list(markdown.written(storage_format.read(body), KNOWN.get).links)


def test_a_link_within_one_that_is_written_as_its_url_or_title_is_listed_too() -> None:
    body = (
        '<p><a href="https://e.com/x"><a href="https://e.com/y">https://e.com/x</a></a></p>'
        f'<p><a href="https://e.com/z">{PAGE.format("")}</a></p>'
    )
    found = markdown.written(storage_format.read(body), KNOWN.get)
    assert [link.url for link in found.links] == [
        "https://e.com/x",
        "https://e.com/y",
        "https://e.com/z",
        "https://wiki/t",
    ]


def test_headings_are_listed_wherever_they_stand_with_what_was_looked_up() -> None:
    inside = f"<h2>by {USER}</h2><h3> </h3>"
    body = f"<h1>One</h1><table><tr><td><h3>Two</h3></td><td>{inside}</td></tr></table><ul><li><h4>Three</h4></li></ul>"
    found = markdown.written(storage_format.read(body), KNOWN.get)
    assert [(entry.level, entry.text) for entry in found.outline] == [
        (1, "One"),
        (3, "Two"),
        (2, "by Ann [Ops]"),
        (4, "Three"),
    ]


def test_links_and_headings_of_a_page_that_is_shown_are_its_own() -> None:
    content = storage_format.read(
        '<ac:structured-macro ac:name="include"><ac:parameter ac:name="">'
        f"{PAGE.format('')}</ac:parameter></ac:structured-macro>"
    )
    shown = storage_format.read('<h1>There</h1><p><a href="https://e.com">so</a></p>')
    found = markdown.written(content, lambda _: Resolved("T", "https://wiki/t", "7", shown))
    assert "There" in found.text
    assert [(link.url, link.title) for link in found.links] == [("https://wiki/t", "T")]
    assert found.outline == ()


def test_an_include_is_a_link_until_its_content_is_given() -> None:
    reference = IncludeReference(PageReference("T", "S"), "teaser")
    content = storage_format.read(
        '<ac:structured-macro ac:name="excerpt-include"><ac:parameter ac:name="name">teaser</ac:parameter>'
        f'<ac:parameter ac:name="">{PAGE.format("")}</ac:parameter></ac:structured-macro>'
    )
    target = storage_format.read(
        '<p>around</p><ac:structured-macro ac:name="excerpt"><ac:parameter ac:name="name">teaser</ac:parameter>'
        "<ac:rich-text-body><p>The heart of it</p></ac:rich-text-body></ac:structured-macro>"
    )
    assert markdown.write(content, KNOWN.get) == "[Title today](https://wiki/t)\n"
    assert markdown.write(content, {reference: Resolved(content=target)}.get) == "The heart of it\n"


def test_pages_that_include_each_other_come_to_an_end() -> None:
    content = storage_format.read(
        '<p>again</p><ac:structured-macro ac:name="include"><ac:parameter ac:name="">'
        f"{PAGE.format('')}</ac:parameter></ac:structured-macro>"
    )
    assert markdown.write(content, lambda _: Resolved("T", content=content)).count("again") == 4


def test_property_values_show_the_names_of_people() -> None:
    body = (
        '<ac:structured-macro ac:name="details"><ac:rich-text-body><table><tbody>'
        f"<tr><th>Owner</th><td>{USER}</td></tr></tbody></table></ac:rich-text-body></ac:structured-macro>"
    )
    assert markdown.properties(storage_format.read(body), KNOWN.get) == {"Owner": "Ann [Ops]"}


def test_nothing_gives_nothing() -> None:
    assert "" == to_markdown("") == markdown.write(Content()) == summary(Content())


@pytest.mark.parametrize(
    ("body", "max_chars", "expected"),
    [
        ("<h1>Head</h1><p>Some <b>bold</b> prose.</p><p>More.</p>", 300, "Some bold prose. More."),
        ("<p>one two three four</p>", 12, "one two…"),
        ("<p>one two three four</p>", 14, "one two three…"),
        ("<p>one two</p>", 7, "one two"),
        ("<p>漢字漢字漢字漢字</p>", 5, "漢字漢字…"),
        ("<table><tr><td>a</td><td>b</td></tr></table><div><p>prose</p></div>", 300, "prose"),
        ("<ul><li>a</li><li>b</li></ul>", 300, "a, b"),
        (f"<p>By {USER}</p>", 300, "By unknown user"),
    ],
)
def test_the_summary_is_the_first_prose_cut_at_a_word(body: str, max_chars: int, expected: str) -> None:
    assert expected == summary(storage_format.read(body), max_chars)
