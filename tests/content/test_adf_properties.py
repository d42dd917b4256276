"""Laws that hold for every ADF body."""

from __future__ import annotations

import json
import re
from itertools import count
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from airflow_provider_confluence.content import adf, markdown, summary
from airflow_provider_confluence.content.adf_marks import MARKS
from tests.content.test_properties import shown

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
QUICK = settings(max_examples=150, deadline=None)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["\ud800", "5", "#", "\x00"]),
)
NAMES = st.sampled_from([*adf.NODES, *MARKS, "", "strange"])
_KEYS = """
    type attrs content marks text title url href id level order state timestamp colspan rowspan language panelType panelIcon extensionKey
    parameters macroParams value __bodyContent data datasource jql originalValue cxhtml collection isNumberColumnEnabled alt src
"""
KEYS = st.sampled_from(_KEYS.split())
VALUES = st.recursive(
    st.one_of(SCALARS, NAMES),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=5),
        st.fixed_dictionaries(
            {"type": NAMES},
            optional={
                "attrs": st.dictionaries(KEYS, inner, max_size=4),
                "content": st.lists(inner, max_size=4),
                "text": inner,
                "marks": inner,
            },
        ),
    ),
    max_leaves=25,
)


@QUICK
@given(st.one_of(st.text(), st.binary(), st.text(alphabet='{}[]":,\\u0dtext '), VALUES.map(json.dumps), VALUES))
@example('{"text":"\\ud800"}')
@example({"type": "date", "attrs": {"timestamp": float("inf")}})
@example({"type": "orderedList", "attrs": {"order": float("nan")}, "content": [{"type": "listItem", "content": ["x"]}]})
def test_no_body_whatever_raises_and_each_gives_the_same_answer_twice(body: Any) -> None:
    first = adf.read(body)
    assert first == adf.read(body)
    markdown.write(first).encode("utf-8")
    assert len(summary(first, 20)) <= 20
    markdown.written(first)
    markdown.properties(first)


# ------------------------------------------------------------------------------------------ every word once, in order
def node(type_: str, *content: Any, **attrs: Any) -> dict[str, Any]:
    return {"type": type_, "attrs": {**attrs, "localId": "gone"}, "content": list(content)}


def macro(key: str, *content: Any) -> dict[str, Any]:
    parameters = {"macroParams": {"x": {"value": "gone"}}, "macroMetadata": {"title": "gone"}}
    return node("bodiedExtension", *content, extensionKey=key, extensionType="gone", parameters=parameters)


MARK = st.sampled_from(
    [
        *({"type": name} for name in ("strong", "em", "strike", "underline", "code")),
        {"type": "subsup", "attrs": {"type": "sub"}},
        {"type": "link", "attrs": {"href": "https://gone.example"}},
        {"type": "textColor", "attrs": {"color": "gone"}},
        {"type": "annotation", "attrs": {"id": "gone", "annotationType": "gone"}},
    ]
)
INLINE = st.one_of(
    st.tuples(st.sampled_from(["§", "§ ", " §", " § "]), st.lists(MARK, max_size=3)).map(
        lambda pair: {"type": "text", "text": pair[0], "marks": pair[1]}
    ),
    st.sampled_from(
        [
            {"type": "hardBreak"},
            node("status", text="§", color="gone"),
            node("mention", id="gone", text="@§"),
            node("placeholder", text="gone"),
            node("emoji", shortName=":x:", text="§"),
            node("strange", {"type": "text", "text": "§"}),
        ]
    ),
)
SPACE = {"type": "text", "text": " "}
LINE = st.lists(INLINE, min_size=1, max_size=4).map(
    lambda inlines: [part for inline in inlines for part in (inline, SPACE)]
)
WRAPPERS = [
    lambda inner: node("blockquote", *inner),
    lambda inner: node("panel", *inner, panelType="info"),
    lambda inner: node("expand", *inner, title="§"),
    lambda inner: node("bulletList", node("listItem", *inner), node("listItem", "§")),
    lambda inner: node("orderedList", node("listItem", "§"), node("listItem", *inner), order=4),
    lambda inner: node(
        "taskList",
        node("blockTaskItem", node("paragraph", "§"), *inner, state="DONE"),
        node("taskItem", "§", state="gone"),
    ),
    lambda inner: node("decisionList", node("decisionItem", *inner)),
    lambda inner: node(
        "table",
        node("tableRow", node("tableHeader", "§"), node("tableHeader", "§")),
        node("tableRow", node("tableCell", *inner, rowspan=2), node("tableCell", "§")),
        node("tableRow", node("tableCell", "§")),
    ),
    lambda inner: node("layoutSection", node("layoutColumn", *inner, width=50), node("layoutColumn", "§", width=50)),
    lambda inner: node("strange", *inner),
    lambda inner: node("bodiedSyncBlock", *inner, resourceId="gone"),
    lambda inner: node(
        "multiBodiedExtension", node("extensionFrame", *inner), extensionKey="frames", extensionType="gone"
    ),
    lambda inner: {"type": "unsupportedBlock", "attrs": {"originalValue": node("blockquote", *inner)}},
    *(
        (lambda inner, key=key: macro(key, *inner))
        for key in ("info", "expand", "column", "excerpt", "details", "strange")
    ),
]
BLOCK = st.recursive(
    st.one_of(
        LINE.map(lambda line: {"type": "paragraph", "content": line}),
        LINE.map(lambda line: node("heading", *line, level=3)),
        st.just(node("codeBlock", {"type": "text", "text": "§\n  §"}, language="gone-lang")),
        st.just(node("rule")),
    ),
    lambda inner: st.tuples(st.sampled_from(WRAPPERS), st.lists(inner, min_size=1, max_size=3)).map(
        lambda pair: pair[0](pair[1])
    ),
    max_leaves=10,
)


def numbered(blocks: list[Any]) -> tuple[str, list[str]]:
    numbers = count()
    body = re.sub(
        "§", lambda _: f"w{next(numbers)}w", json.dumps({"type": "doc", "content": blocks}, ensure_ascii=False)
    )
    return body, [f"w{number}w" for number in range(next(numbers))]


@QUICK
@given(st.lists(BLOCK, max_size=4))
def test_every_visible_word_appears_once_and_in_order(blocks: list[Any]) -> None:
    body, words = numbered(blocks)
    content = adf.read(body)
    assert "parser=text" not in content.warnings
    written = re.sub(r"\]\(https://gone.example\)|```gone-lang", "]", markdown.write(content))
    assert words == re.findall(r"w\d+w", written)
    assert "gone" not in written


@QUICK
@given(st.lists(BLOCK, max_size=3))
def test_the_markdown_shows_every_word_to_a_markdown_parser(blocks: list[Any]) -> None:
    body, words = numbered(blocks)
    assert words == re.findall(r"w\d+w", shown(PARSER.parse(markdown.write(adf.read(body)))))


CODE = st.text(
    alphabet=st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")) | st.sampled_from("`~\n\n \t&<>]"),
    max_size=60,
)


@QUICK
@given(CODE.filter(lambda text: bool(text.strip())))
@example("```\n~~~")
@example("  indented\n\n\n")
def test_code_survives_to_the_character(text: str) -> None:
    body = json.dumps(node("codeBlock", {"type": "text", "text": text}, language="python"))
    fences = [token for token in PARSER.parse(markdown.write(adf.read(body))) if token.type == "fence"]
    assert [text + "\n"] == [fence.content for fence in fences]
