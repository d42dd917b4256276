"""What an ADF body refers to, what is said of it beside its text, and bodies that are not as they should be."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import pytest

from airflow_provider_confluence.content import adf, markdown
from airflow_provider_confluence.content.model import (
    AttachmentReference,
    ContentReference,
    IncludeReference,
    JiraReference,
    OutlineEntry,
    PageReference,
    Reference,
    Resolved,
    UrlReference,
    UserReference,
    find_excerpt,
)

FILE = "6f1ed002-ab59-4f3d-9ef1-0c8c0a3c4f4e"


def text(words: str, *marks: dict[str, Any]) -> dict[str, Any]:
    return {"type": "text", "text": words, **({"marks": list(marks)} if marks else {})}


def node(type_: str, /, *content: Any, **attrs: Any) -> dict[str, Any]:
    return {"type": type_, "attrs": attrs, "content": list(content)}


def paragraph(*content: Any) -> dict[str, Any]:
    return {"type": "paragraph", "content": list(content)}


def macro(key: str, /, *content: Any, **parameters: str) -> dict[str, Any]:
    params = {name.strip("_"): {"value": value} for name, value in parameters.items()}
    type_ = "bodiedExtension" if content else "extension"
    return node(type_, *content, extensionKey=key, extensionType="x", parameters={"macroParams": params})


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (node("mention", id="a:1", text="@Ann"), UserReference("a:1", "account")),
        (node("inlineCard", url="https://e.com/p"), UrlReference("https://e.com/p")),
        (text("t", {"type": "link", "attrs": {"href": "/wiki/x"}}), UrlReference("/wiki/x")),
        (
            node("media", type="file", id=FILE, collection="contentId-7", __fileName="f.png"),
            AttachmentReference("f.png", ContentReference("7"), FILE),
        ),
        (
            node("mediaInline", type="file", id=FILE, collection="contentId-7"),
            AttachmentReference("", ContentReference("7"), FILE),
        ),
        (node("media", type="external", url="https://e.com/f.png"), UrlReference("https://e.com/f.png")),
        (macro("include", _="Tea: green"), IncludeReference(PageReference("Tea: green"))),
        (macro("include", _="DOCS:T"), IncludeReference(PageReference("T", "DOCS"))),
        (macro("excerpt-include", _="T", name="n"), IncludeReference(PageReference("T"), "n")),
        (macro("jira", key="T-1"), JiraReference(key="T-1")),
        (macro("jira", jqlQuery="a = b"), JiraReference(jql="a = b")),
        (macro("viewpdf", name="f.pdf"), AttachmentReference("f.pdf")),
        (macro("profile", user="a:1"), UserReference("a:1", "account")),
        (macro("widget", url="https://e.com"), UrlReference("https://e.com")),
    ],
)
def test_what_a_body_refers_to_is_in_its_references(inside: dict[str, Any], expected: Reference) -> None:
    assert (expected,) == adf.read(paragraph(inside)).references


def test_a_person_is_called_by_the_name_that_was_looked_up_and_else_by_the_bodys_own() -> None:
    content = adf.read(paragraph(node("mention", id="a:1", text="@Ann Old"), text(" and "), node("mention", id="a:2")))
    assert markdown.write(content) == "Ann Old and unknown user\n"
    known = {"a:1": "Ann New"}

    def resolve(reference: Reference) -> Resolved | None:
        return Resolved(text=known.get(reference.id)) if isinstance(reference, UserReference) else None

    assert markdown.write(content, resolve) == "Ann New and unknown user\n"


def test_headings_make_the_outline() -> None:
    content = adf.read({"type": "doc", "content": [node("heading", text("A "), text("b"), level=2)]})
    assert content.outline == (OutlineEntry(2, "A b"),)


def test_page_properties_and_excerpts_are_found() -> None:
    row = node("tableRow", node("tableHeader", paragraph(text("Owner"))), node("tableCell", paragraph(text("Ann"))))
    content = adf.read(
        {
            "type": "doc",
            "content": [macro("details", node("table", row)), macro("excerpt", paragraph(text("in short")), name="e")],
        }
    )
    assert markdown.properties(content) == {"Owner": "Ann"}
    assert find_excerpt(content, "e") is not None


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (node("paperclip", paragraph(text("x"))), "unknown_node=paperclip"),
        (text("x", {"type": "sparkle"}), "unknown_mark=sparkle"),
        (macro("strange", paragraph(text("x"))), "unknown_macro=strange"),
        (node("extension", extensionKey="ari/1/static/chart", extensionType="x"), "unknown_macro=chart"),
        (macro("style", __bodyContent="<b>x</b>"), "dropped_macro=style"),
        (node("syncBlock", resourceId="r"), "unread_node=syncBlock"),
        ({"content": []}, "unknown_node=untyped"),
    ],
)
def test_what_was_not_understood_is_named_in_the_warnings(inside: dict[str, Any], expected: str) -> None:
    assert (expected,) == adf.read({"type": "doc", "content": [inside]}).warnings


def test_the_name_of_a_strange_node_cannot_fill_the_warnings() -> None:
    (warning,) = adf.read({"type": "doc", "content": [{"type": "x" * 10_000 + "\n\ud800"}]}).warnings
    assert len(warning) < 100


def test_a_bold_run_with_a_slanted_word_stays_one_run() -> None:
    strong, em = {"type": "strong"}, {"type": "em"}
    content = adf.read(paragraph(text("one ", strong), text("two", em, strong), text(" three", strong)))
    assert markdown.write(content) == "**one *two* three**\n"


# ------------------------------------------------------------------------------------------ not as it should be
@pytest.mark.parametrize(
    "body", ["", " \n", "null", "{}", "[]", b"", b"\xef\xbb\xbf", "\ufeff", '""', '{"type":"doc"}']
)
def test_an_empty_body_says_nothing(body: str | bytes) -> None:
    assert markdown.write(adf.read(body)) == ""


@pytest.mark.parametrize("broken", ["", "]", "x", '"', '{"text": "', '{"text": "\\', "\\u12"])
def test_broken_json_keeps_its_words(broken: str) -> None:
    body = json.dumps({"type": "doc", "content": [paragraph(text("kept “words”")), paragraph(text("and more"))]})
    content = adf.read(body[:-3] + broken)
    assert markdown.write(content).startswith("kept “words”\n\nand more")
    assert content.warnings == ("parser=text",)


@pytest.mark.parametrize("depth", [100, 1_000, 50_000])
@pytest.mark.parametrize(
    "type_", ["blockquote", "bulletList", "listItem", "table", "panel", "expand", "paragraph", "x"]
)
def test_deep_nesting_is_bounded_and_reported(type_: str, depth: int) -> None:
    opening = f'{{"type":"{type_}","content":['
    content = adf.read(opening * depth + '{"type":"text","text":"the core"}' + "]}" * depth)
    assert "the core" in markdown.write(content)
    assert {"too_deep", "parser=text"} & set(content.warnings)


@pytest.mark.parametrize(
    "around",
    [
        lambda inner: node("blockquote", inner),
        lambda inner: node("bulletList", node("listItem", inner)),
        lambda inner: node("taskList", node("blockTaskItem", inner)),
        lambda inner: node("table", node("tableRow", node("tableCell", inner))),
        lambda inner: macro("expand", inner, title="t"),
        lambda inner: macro("never-heard-of", inner),
        lambda inner: {"type": "unsupportedBlock", "attrs": {"originalValue": inner}},
        lambda inner: node("mediaSingle", inner),
        lambda inner: node("layoutSection", node("layoutColumn", inner)),
    ],
)
def test_deep_values_are_bounded_with_little_stack_left(around: Any) -> None:
    body = paragraph(text("the core"))
    for _ in range(2_000):
        body = around(body)

    def at_depth(frames: int) -> str:
        return at_depth(frames - 1) if frames else markdown.write(adf.read(body))

    used = 0
    frame = sys._getframe()
    while frame is not None:
        frame, used = frame.f_back, used + 1  # type: ignore[assignment]
    written = at_depth(max(0, 300 - used))
    if "originalValue" not in str(around(0)):
        assert "the core" in written


def test_storage_format_within_deep_nodes_is_left_out_and_reported() -> None:
    body: Any = {"type": "confluenceUnsupportedBlock", "attrs": {"cxhtml": "<p>" * 500 + "x"}}
    for _ in range(60):
        body = node("blockquote", body)
    assert "too_deep" in adf.read(body).warnings


def test_a_value_that_holds_itself_ends() -> None:
    body: dict[str, Any] = paragraph(text("round"))
    body["content"].append(body)
    assert adf.read(body).warnings[0] == "too_deep"


def test_a_huge_number_costs_nothing() -> None:
    item = '{"type":"listItem","content":[{"type":"paragraph","content":[{"type":"text","text":"x"}]}]}'
    body = f'{{"type":"orderedList","attrs":{{"order":{"9" * 1_000_000}}},"content":[{item}]}}'
    assert markdown.write(adf.read(body)) == "0. x\n"


def test_a_body_beyond_the_cap_is_cut_and_says_so() -> None:
    body = json.dumps({"type": "doc", "content": [paragraph(text("first")), paragraph(text("x" * 21_000_000))]})
    content = adf.read(body)
    assert content.warnings == ("cut=20000000", "parser=text")
    assert markdown.write(content).startswith("first\n")


def test_time_is_linear_in_size() -> None:
    def seconds(count: int) -> float:
        strong, link = {"type": "strong"}, {"type": "link", "attrs": {"href": "https://e.com"}}
        row = node("tableRow", node("tableCell", paragraph(text("a", strong), text("b"), text("c", strong, link))))
        cells = [text(f"w{index} ", *([strong] if index % 2 else [link, strong])) for index in range(count)]
        body = json.dumps({"type": "doc", "content": [node("table", *[row] * count), paragraph(*cells)]})
        best = 9.0
        for _ in range(3):
            start = time.process_time()
            markdown.write(adf.read(body))
            best = min(best, time.process_time() - start)
        return best

    small = seconds(1_000)
    assert seconds(4_000) < 4 * small * 4 + 0.5
