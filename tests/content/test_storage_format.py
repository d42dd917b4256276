"""What a body refers to, and bodies that are not as they should be."""

from __future__ import annotations

import sys
import time
from html import escape
from pathlib import Path

import pytest

from airflow_provider_confluence.content import markdown, storage_format, to_markdown
from airflow_provider_confluence.content.model import (
    AttachmentReference,
    BlogpostReference,
    ContentReference,
    Excerpt,
    IncludeReference,
    JiraReference,
    OutlineEntry,
    PageReference,
    Reference,
    ShortcutReference,
    SpaceReference,
    UrlReference,
    UserReference,
    find_excerpt,
)
from tests.confluence.odd_server import OddServer, Reply


def references(body: str) -> tuple[Reference, ...]:
    return storage_format.read(body).references


def macro(name: str, inside: str) -> str:
    return f'<ac:structured-macro ac:name="{name}">{inside}</ac:structured-macro>'


def parameter(name: str, value: str) -> str:
    return f'<ac:parameter ac:name="{name}">{value}</ac:parameter>'


def rich(inside: str) -> str:
    return f"<ac:rich-text-body>{inside}</ac:rich-text-body>"


PAGE = '<ri:page ri:content-title="T" ri:space-key="S" />'


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (PAGE, PageReference("T", "S")),
        ('<ri:page ri:content-title="T" />', PageReference("T")),
        ('<ri:blog-post ri:content-title="T" ri:posting-day="2026/03/01" />', BlogpostReference("T", "2026/03/01")),
        ('<ri:content-entity ri:content-id="9" />', ContentReference("9")),
        ('<ri:attachment ri:filename="f.pdf" />', AttachmentReference("f.pdf")),
        (
            f'<ri:attachment ri:filename="f.pdf">{PAGE}</ri:attachment>',
            AttachmentReference("f.pdf", PageReference("T", "S")),
        ),
        ('<ri:user ri:account-id="a" />', UserReference("a", "account")),
        ('<ri:user ri:userkey="k" />', UserReference("k", "key")),
        ('<ri:user ri:username="n" />', UserReference("n", "name")),
        ('<ri:space ri:space-key="S" />', SpaceReference("S")),
        ('<ri:url ri:value="https://e.com" />', UrlReference("https://e.com")),
        ('<ri:shortcut ri:key="JIRA" ri:parameter="A-1" />', ShortcutReference("JIRA", "A-1")),
    ],
)
def test_a_link_refers_to_what_it_names(inside: str, expected: Reference) -> None:
    assert (expected,) == references(f"<p><ac:link>{inside}</ac:link></p>")


def test_a_link_to_a_place_in_a_page_keeps_the_place() -> None:
    assert (PageReference("T", "S", "Scope"),) == references(f'<ac:link ac:anchor="Scope">{PAGE}</ac:link>')


def test_a_reference_made_twice_is_listed_once_in_the_order_of_the_text() -> None:
    body = f'<ac:link>{PAGE}</ac:link><a href="https://e.com">x</a><ac:link>{PAGE}</ac:link>'
    assert (PageReference("T", "S"), UrlReference("https://e.com")) == references(body)


def test_includes_and_jira_macros_are_references() -> None:
    link = f"<ac:link>{PAGE}</ac:link>"
    body = (
        macro("include", parameter("", link))
        + macro("excerpt-include", parameter("", link) + parameter("name", "teaser"))
        + macro("include", parameter("", "OPS:Old style"))
        + macro("jira", parameter("key", "A-1"))
        + macro("jira", parameter("jqlQuery", "project = A"))
    )
    target = PageReference("T", "S")
    assert (
        IncludeReference(target),
        IncludeReference(target, "teaser"),
        IncludeReference(PageReference("Old style", "OPS")),
        JiraReference(key="A-1"),
        JiraReference(jql="project = A"),
    ) == references(body)


def test_the_outline_lists_headings_as_plain_text() -> None:
    content = storage_format.read(
        "<h1>One <em>two</em></h1><table><tr><td><h3>In a cell</h3></td><td>x</td></tr></table>"
    )
    assert (OutlineEntry(1, "One two"), OutlineEntry(3, "In a cell")) == content.outline


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("<tr><th>Owner</th><td>Ops</td></tr><tr><th>State</th><td>Done</td></tr>", {"Owner": "Ops", "State": "Done"}),
        ("<tr><td>Owner</td><td><ul><li>A</li><li>B</li></ul></td></tr>", {"Owner": "A, B"}),
        ("<tr><th>Owner</th><th>State</th></tr><tr><td>Ops</td><td>Done</td></tr>", {"Owner": "Ops", "State": "Done"}),
        (
            "<tr><th>Key</th><th>Value</th></tr><tr><td>a</td><td>1</td></tr><tr><td>b</td><td>2</td></tr>",
            {"a": "1", "b": "2"},
        ),
    ],
    ids=["names down the side", "without headers", "names across the top", "a header row over two columns"],
)
def test_page_properties_are_read_whichever_way_the_table_lies(table: str, expected: dict[str, str]) -> None:
    content = storage_format.read(macro("details", rich(f"<table><tbody>{table}</tbody></table>")))
    assert expected == markdown.properties(content)


def test_an_excerpt_is_found_by_name_and_the_first_one_without() -> None:
    body = f"<div>{macro('excerpt', rich('<p>first</p>'))}</div>" + macro(
        "panel", rich(macro("excerpt", parameter("name", "b") + rich("<p>second</p>")))
    )
    content = storage_format.read(body)

    def words(excerpt: Excerpt | None) -> str | None:
        return None if excerpt is None else markdown.write(storage_format.Content(excerpt.blocks)).strip()

    assert [words(find_excerpt(content, name)) for name in ("", "b", "c")] == ["first", "second", None]


def test_an_unknown_macro_is_named_in_the_warnings_once() -> None:
    assert storage_format.read(macro("odd", rich("a")) + macro("odd", rich("b"))).warnings == ("unknown_macro=odd",)


def test_a_well_formed_body_has_no_warnings_even_with_entities_bare_ampersands_and_control_characters() -> None:
    content = storage_format.read("<p>a&nbsp;b &unknown; c & d \x1c\x00e &#0; &#x41;</p>")
    assert content.warnings == ()
    assert markdown.write(content) == "a b &unknown; c & d e A\n"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<p>one<br>two<p>three", ["one", "two", "three"]),
        ("<div>" * 300 + "deep" + "</div>" * 300, ["deep"]),
        ("<div>" * 30_000 + "abyss", ["abyss"]),
        ("<b>" * 30_000 + "abyss" + "</b>" * 30_000, ["abyss"]),
        ("<ul><li>" * 400 + "list", ["list"]),
        ("<table><tr><td>" * 200 + "cell" + "</td></tr></table>" * 200, ["cell"]),
        ("<p>open <![CDATA[never closed", ["open", "never", "closed"]),
        ("<p>open <!-- never closed", ["open", "never", "closed"]),
        ("<title>head</title><textarea>area</textarea><p>&bad <x", ["head", "area"]),
        ("&#xD800;<p>half</i> pair &#x110000;</p>", ["half", "pair"]),
        ("</x><x><p>escape</p>", ["escape"]),
        ('<?xml version="1.0"?><p>declared</p>', ["declared"]),
        ("<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><p>safe &e;</p>", ["safe"]),
    ],
    ids=range(13),
)
def test_broken_bodies_keep_their_words(body: str, words: list[str]) -> None:
    written = to_markdown(body)
    assert [word for word in words if word not in written] == []
    assert "root:" not in written


def test_nothing_outside_of_a_body_is_read(tmp_path: Path) -> None:
    """No file, no address, no definition of the document's own."""
    (tmp_path / "secret.txt").write_text("root:canary")
    with OddServer(lambda _asked: Reply(body=b"root:canary")) as canary:
        for place in (f"{canary.origin}/x", (tmp_path / "secret.txt").as_uri()):
            bodies = [
                f"<!DOCTYPE p SYSTEM '{place}'><p>word &nbsp;</p>",
                f"<!DOCTYPE p [<!ENTITY e SYSTEM '{place}'>]><p>word &e;</p>",
                f"<!DOCTYPE p [<!ENTITY % d SYSTEM '{place}'> %d;]><p>word</p>",
                f"<p xmlns:xi='http://www.w3.org/2001/XInclude'>word <xi:include href='{place}' parse='text'/></p>",
                f"<?xml-stylesheet type='text/xsl' href='{place}'?><p>word</p>",
                f"<p>word</p><img src='{place}'/><link rel='stylesheet' href='{place}'/><script src='{place}'/>",
            ]
            for body in bodies:
                written = to_markdown(body)
                assert "word" in written
                assert "root:canary" not in written
        assert canary.asked == []
    laughs = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 12))
    assert len(to_markdown(f"<!DOCTYPE p [<!ENTITY l0 'ha'>{laughs}]><p>word &l11;</p>")) < 10_000


@pytest.mark.parametrize(
    "level",
    [
        "<table><tbody><tr><th>{}</th><td>x</td></tr></tbody></table>",
        macro("info", rich("{}")),
        "<ul><li>{}</li></ul>",
        "<p><strong><em>{}</em></strong></p>",
        "<blockquote>{}</blockquote>",
        f"<ac:link>{PAGE}<ac:link-body>{{}}</ac:link-body></ac:link>",
        "<ac:adf-extension><ac:adf-node type='panel'><ac:adf-content>{}</ac:adf-content></ac:adf-node></ac:adf-extension>",
        "<ac:task-list><ac:task><ac:task-body>{}</ac:task-body></ac:task></ac:task-list>",
    ],
    ids=range(8),
)
def test_the_deepest_nesting_leaves_the_caller_300_frames_of_recursion(level: str) -> None:
    before, after = level.split("{}")
    body = before * 90 + "bottom" + after * 90
    frame, used = sys._getframe(), 0
    while frame is not None:
        frame, used = frame.f_back, used + 1  # type: ignore[assignment]
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(used + 700)
    try:
        content = storage_format.read(body)
        written = markdown.write(content)
    finally:
        sys.setrecursionlimit(limit)
    assert "bottom" in written
    assert "too_deep" in content.warnings


def test_a_body_beyond_the_cap_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_format, "MAX_CHARS", 1_000)
    content = storage_format.read("<p>" + "word " * 1_000 + "</p>")
    assert {"cut=1000", "parser=fallback"} == set(content.warnings)
    assert markdown.write(content).startswith("word word")


def test_spans_cannot_blow_up_a_small_body() -> None:
    cell = '<td colspan="1000" rowspan="1000">x</td>'
    started = time.perf_counter()
    content = storage_format.read("<table>" + f"<tr>{cell * 100}</tr>" * 100 + "</table>")
    assert sum(len(row) for row in content.blocks[0].rows) < 100_000 * 2  # type: ignore[union-attr]
    assert time.perf_counter() - started < 10


def test_a_cell_spans_however_its_attribute_is_spaced() -> None:
    body = "<table><tr><td>a</td><td>b</td></tr><tr><td colspan = '2'>c</td></tr><tr><td>d</td><td>e</td></tr></table>"
    assert [len(row) for row in storage_format.read(body).blocks[0].rows] == [2, 2, 2]  # type: ignore[union-attr]


def test_names_that_html_knows_are_replaced_in_text_and_attributes_and_not_in_code() -> None:
    body = macro("code", "<ac:plain-text-body><![CDATA[&nbsp;&lt;]]></ac:plain-text-body>")
    body = f"<p>1&nbsp;&LT;&nbsp;2 &NotEqualTilde; &eacute; <img src='x' alt='&ldquo;&AMP;&QUOT;'/></p>{body}"
    assert to_markdown(body) == '1 < 2 ≂̸ é ![“&"](x)\n\n```\n&nbsp;&lt;\n```\n'


@pytest.mark.parametrize(
    "body",
    [
        "<p>" + "<span>a</span>" * 50_000 + "</p>",
        "<p>" + "a&nbsp;b" * 400_000 + "</p>",
        "<p>" + "<time datetime='2026-01-01'/>" * 50_000 + "</p>",
        "<p>" + "<b>a</b>" * 20_000 + "</p>",
        "<p>" + "<code>a</code>" * 20_000 + "</p>",
        "<p>" + "[" * 100_000 + "</p>",
        "<p>" + "~ " * 100_000 + "</p>",
        "<p>" + "\\" * 100_000 + "</p>",
        "<![CDATA[" * 20_000,
        "<" * 100_000,
        "<p " * 50_000,
        "&" * 100_000,
        "<!--" * 50_000,
        " xmlns" * 50_000,
        macro("code", f"<ac:plain-text-body>{escape('`' * 100_000)}</ac:plain-text-body>"),
        "<ac:task-list><ac:task>" + "<ac:task-body>a</ac:task-body>" * 150_000 + "</ac:task></ac:task-list>",
        "<b>" + "<i>word</i> " * 80_000,
    ],
    ids=range(17),
)
def test_no_body_takes_time_beyond_its_size(body: str) -> None:
    started = time.perf_counter()
    to_markdown(body)
    # Generous: a quadratic step takes minutes here, a linear one a fraction of a second.
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize(
    "opened",
    ["<script src='x'/>", "<style/>", "<meta charset='x'>", "<link href='x'>", "<base href='x'/>", "<iframe src='x'/>"],
)
def test_a_lone_tag_of_html_swallows_nothing_of_a_broken_body(opened: str) -> None:
    written = to_markdown(f"<p>before</p>{opened}<p>after<br>")
    assert "before" in written
    assert "after" in written


def html(source: str) -> str:
    return macro("html", f"<ac:plain-text-body><![CDATA[{source}]]></ac:plain-text-body>")


@pytest.mark.parametrize(
    "body",
    [
        "<blockquote>" * 70 + html("<div>" * 300 + "bottom" + "</div>" * 300) + "</blockquote>" * 70,
        html("<blockquote>" * 30_000 + "bottom"),
        html("<ac:structured-macro ac:name='html'><p>within</p></ac:structured-macro><p>bottom"),
    ],
    ids=["deep within deep", "bottomless", "within itself"],
)
def test_html_within_a_body_comes_to_an_end(body: str) -> None:
    content = storage_format.read(body)
    assert "bottom" in markdown.write(content)
    assert {"too_deep", "parser=text", "dropped_macro=html"}.intersection(content.warnings)


def test_what_is_dropped_from_html_is_named() -> None:
    content = storage_format.read(html("<b>kept</b><script>x()</script><style>y</style><!-- z -->"))
    assert content.warnings == ("dropped_element=script", "dropped_element=style")
    assert markdown.write(content) == "**kept**\n"


def test_a_body_of_made_up_names_does_not_fill_its_document_with_warnings() -> None:
    warnings = storage_format.read(
        "".join(macro(f"m{number}{'x' * 500}", rich("a")) for number in range(1_000))
    ).warnings
    assert len(warnings) == 101
    assert "more_warnings" in warnings
    assert max(map(len, warnings)) == 100
