"""What can be written in storage format and in ADF alike reads alike: the same Markdown, outline, properties and warnings."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_confluence.content import adf, markdown, storage_format
from airflow_provider_confluence.content.model import Reference, Resolved, UserReference

FILE = "6f1ed002-ab59-4f3d-9ef1-0c8c0a3c4f4e"
Both = tuple[str, list[Any]]
"""One construct, as storage format and as ADF nodes."""


def xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def node(type_: str, content: list[Any] | None = None, **attrs: Any) -> list[Any]:
    return [{"type": type_, "attrs": attrs, "content": content or []}]


def cdata(text: str) -> str:
    return "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"


def joined(parts: list[Both]) -> Both:
    return "".join(storage for storage, _ in parts), [node for _, nodes in parts for node in nodes]


# ------------------------------------------------------------------------------------------ one construct in both formats
STYLES = {"strong": "strong", "em": "em", "strike": "s", "underline": "u"}


def styled(text: str, *marks: str) -> Both:
    storage = xml(text)
    for mark in reversed(marks):
        tag = STYLES.get(mark, mark)
        storage = f"<{tag}>{storage}</{tag}>"
    named = [{"type": "subsup", "attrs": {"type": m}} if m in ("sub", "sup") else {"type": m} for m in marks]
    return storage, [{"type": "text", "text": text, "marks": named}]


def link(text: str, url: str) -> Both:
    mark = {"type": "link", "attrs": {"href": url}}
    return f'<a href="{xml(url)}">{xml(text)}</a>', [{"type": "text", "text": text, "marks": [mark]}]


def mention(account: str, name: str = "") -> Both:
    """Only ADF says what a person is called; without a name both have to ask."""
    return f'<ac:link><ri:user ri:account-id="{account}" /></ac:link>', node(
        "mention", id=account, text=name and f"@{name}"
    )


def smart_link(url: str) -> Both:
    return f'<a href="{url}" data-card-appearance="inline">{url}</a>', node("inlineCard", url=url)


def date(day: str, timestamp: str) -> Both:
    return f'<time datetime="{day}" />', node("date", timestamp=timestamp)


def status(title: str) -> Both:
    storage = f'<ac:structured-macro ac:name="status"><ac:parameter ac:name="title">{xml(title)}</ac:parameter></ac:structured-macro>'
    return storage, node("status", text=title, color="green")


def emoji(character: str, shortname: str, emoji_id: str) -> Both:
    storage = (
        f'<ac:emoticon ac:emoji-shortname="{shortname}" ac:emoji-id="{emoji_id}" ac:emoji-fallback="{character}" />'
    )
    return storage, node("emoji", shortName=shortname, id=emoji_id, text=character)


def line_break() -> Both:
    return "<br />", [{"type": "hardBreak"}]


def placeholder() -> Both:
    return "<ac:placeholder>Type here</ac:placeholder>", node("placeholder", text="Type here")


def wrapped(tag: str, type_: str, inner: Both, **attrs: Any) -> Both:
    return f"<{tag}>{inner[0]}</{tag}>", node(type_, inner[1], **attrs)


def paragraph(*inner: Both) -> Both:
    return wrapped("p", "paragraph", joined(list(inner)))


def heading(level: int, *inner: Both) -> Both:
    return wrapped(f"h{level}", "heading", joined(list(inner)), level=level)


def quote(*inner: Both) -> Both:
    return wrapped("blockquote", "blockquote", joined(list(inner)))


def bullets(*items: Both) -> Both:
    return wrapped("ul", "bulletList", joined([wrapped("li", "listItem", item) for item in items]))


def numbers(start: int, *items: Both) -> Both:
    storage, nodes = joined([wrapped("li", "listItem", item) for item in items])
    return f'<ol start="{start}">{storage}</ol>', node("orderedList", nodes, order=start)


def tasks(*items: tuple[bool, Both]) -> Both:
    storage = "".join(
        f"<ac:task><ac:task-id>{number}</ac:task-id><ac:task-status>{'complete' if done else 'incomplete'}</ac:task-status>"
        f"<ac:task-body>{body}</ac:task-body></ac:task>"
        for number, (done, (body, _)) in enumerate(items)
    )
    nodes = [part for done, (_, body) in items for part in node("taskItem", body, state="DONE" if done else "TODO")]
    return f"<ac:task-list>{storage}</ac:task-list>", node("taskList", nodes)


def code(text: str, language: str) -> Both:
    body = f"<ac:plain-text-body>{cdata(text)}</ac:plain-text-body>"
    parameter = f'<ac:parameter ac:name="language">{language}</ac:parameter>'
    storage = f'<ac:structured-macro ac:name="code">{parameter}{body}</ac:structured-macro>'
    return storage, node("codeBlock", [{"type": "text", "text": text}], language=language)


def boxed(name: str, type_: str, inner: Both, title: str = "", **attrs: Any) -> Both:
    parameter = f'<ac:parameter ac:name="title">{xml(title)}</ac:parameter>' if title else ""
    body = f"<ac:rich-text-body>{inner[0]}</ac:rich-text-body>"
    storage = f'<ac:structured-macro ac:name="{name}">{parameter}{body}</ac:structured-macro>'
    return storage, node(type_, inner[1], **({"title": title} if title else {}), **attrs)


def macro(name: str, inner: Both, /, **parameters: str) -> Both:
    written = "".join(f'<ac:parameter ac:name="{key}">{xml(value)}</ac:parameter>' for key, value in parameters.items())
    body = f"<ac:rich-text-body>{inner[0]}</ac:rich-text-body>"
    params = {"macroParams": {key: {"value": value} for key, value in parameters.items()}}
    nodes = node("bodiedExtension", inner[1], extensionKey=name, extensionType="core", parameters=params)
    return f'<ac:structured-macro ac:name="{name}">{written}{body}</ac:structured-macro>', nodes


def plain_macro(name: str, text: str = "", /, **parameters: str) -> Both:
    written = "".join(f'<ac:parameter ac:name="{key}">{xml(value)}</ac:parameter>' for key, value in parameters.items())
    body = f"<ac:plain-text-body>{cdata(text)}</ac:plain-text-body>" if text else ""
    params = {key: {"value": value} for key, value in parameters.items()} | (
        {"__bodyContent": {"value": text}} if text else {}
    )
    nodes = node("extension", extensionKey=name, extensionType="core", parameters={"macroParams": params})
    return f'<ac:structured-macro ac:name="{name}">{written}{body}</ac:structured-macro>', nodes


def table(*rows: list[tuple[str, Both, int, int]]) -> Both:
    storage, nodes = "", []
    for row in rows:
        cells = [
            (f'<{tag} colspan="{columns}" rowspan="{down}">{inner[0]}</{tag}>',
             node("tableHeader" if tag == "th" else "tableCell", inner[1], colspan=columns, rowspan=down))
            for tag, inner, columns, down in row
        ]  # fmt: skip
        storage += f"<tr>{joined(cells)[0]}</tr>"
        nodes += node("tableRow", joined(cells)[1])
    return f"<table><tbody>{storage}</tbody></table>", node("table", nodes)


def layout(*columns: Both) -> Both:
    cells = [wrapped("ac:layout-cell", "layoutColumn", column, width=50) for column in columns]
    storage, nodes = joined(cells)
    section = f'<ac:layout-section ac:type="two_equal">{storage}</ac:layout-section>'
    return f"<ac:layout>{section}</ac:layout>", node("layoutSection", nodes)


def picture(filename: str, alt: str, caption: Both | None) -> Both:
    said = f"<ac:caption><p>{caption[0]}</p></ac:caption>" if caption else ""
    storage = f'<ac:image ac:alt="{xml(alt)}"><ri:attachment ri:filename="{xml(filename)}" />{said}</ac:image>'
    media = node("media", type="file", id=FILE, collection="contentId-1", alt=alt, __fileName=filename)
    return storage, node("mediaSingle", media + (node("caption", caption[1]) if caption else []))


def rule() -> Both:
    return "<hr />", [{"type": "rule"}]


def words(text: str) -> Both:
    return styled(text)


def read_both(both: Both, resolve: Callable[[Reference], Resolved | None] | None = None) -> None:
    storage, nodes = both
    first, second = storage_format.read(storage), adf.read(json.dumps({"type": "doc", "version": 1, "content": nodes}))
    assert first.warnings == second.warnings
    assert first.outline == second.outline
    assert markdown.write(first, resolve) == markdown.write(second, resolve)
    assert markdown.properties(first, resolve) == markdown.properties(second, resolve)


def named(reference: Reference) -> Resolved | None:
    return Resolved(text="Ann Field") if isinstance(reference, UserReference) else None


CONSTRUCTS: dict[str, Both] = {
    "styles": paragraph(
        words("a "), styled("b", "strong"), words(" "), styled("c", "em"), words(" "), styled("d", "strike"), words(" "),
        styled("e", "underline"), words(" "), styled("f()", "code"), words(" H"), styled("2", "sub"), words("O 10"), styled("6", "sup"),
    ),
    "nested styles": paragraph(
        ("<strong>a <em>b</em> c</strong>",
         styled("a ", "strong")[1] + styled("b", "em", "strong")[1] + styled(" c", "strong")[1]),
    ),
    "links": paragraph(link("text", "https://e.com/?a=1&b=2"), words(" "), smart_link("https://e.com/x"), words(" "), link("#", "#end")),
    "people": paragraph(words("Ask "), mention("5:1", "Ann Field"), words(".")),
    "small things": paragraph(
        date("2026-03-01", "1772323200000"), words(" "), status("IN PROGRESS"), words(" "), emoji("🚀", ":rocket:", "1f680"), line_break(),
        words("next "), placeholder(), emoji(":own:", ":own:", FILE),
    ),
    "headings": joined([heading(level, words(f"level {level}")) for level in range(1, 7)]),
    "lists": bullets(joined([paragraph(words("a")), numbers(3, paragraph(words("b")), paragraph(words("c")))]), paragraph(words("d"))),
    "tasks": tasks((True, words("done")), (False, joined([words("open "), styled("x", "strong")]))),
    "code": code("a = `b`\n\n  ]]> c", "python"),
    "info": boxed("info", "panel", paragraph(words("x")), panelType="info"),
    "warning": boxed("warning", "panel", paragraph(words("x")), panelType="warning"),
    "own panel": (
        '<ac:structured-macro ac:name="panel"><ac:parameter ac:name="panelIcon">:x:</ac:parameter><ac:parameter ac:name="panelIconText">🚧'
        "</ac:parameter><ac:rich-text-body><p>x</p></ac:rich-text-body></ac:structured-macro>",
        node("panel", paragraph(words("x"))[1], panelType="custom", panelIcon=":x:", panelIconText="🚧"),
    ),
    "expand": boxed("expand", "expand", paragraph(words("x")), title="A *title*"),
    "quote": quote(paragraph(words("x")), bullets(paragraph(words("y")))),
    "table": table(
        [("th", paragraph(words("h")), 1, 1), ("th", paragraph(words("i")), 2, 1)],
        [("td", paragraph(words("a|b")), 1, 2), ("td", paragraph(words("c")), 1, 1), ("td", bullets(paragraph(words("d"))), 1, 1)],
        [("td", paragraph(words("e")), 2, 1)],
    ),
    "layout": layout(paragraph(words("left")), joined([heading(2, words("right")), paragraph(words("r"))])),
    "picture": picture("a b.png", "A [picture]", words("under it")),
    "plain picture": picture("p.png", "", None),
    "rule": joined([paragraph(words("a")), rule(), paragraph(words("b"))]),
    "toc": plain_macro("toc", maxLevel="3"),
    "jira": plain_macro("jira", key="T-1", server="s"),
    "jira query": plain_macro("jira", jqlQuery="a = b"),
    "include": (
        '<ac:structured-macro ac:name="include"><ac:parameter ac:name=""><ac:link><ri:page ri:content-title="T" ri:space-key="DOCS" />'
        "</ac:link></ac:parameter></ac:structured-macro>",
        plain_macro("include", **{"": "DOCS:T"})[1],
    ),
    "code macro": plain_macro("code", "x  y", language="sql", title="Query"),
    "noformat": plain_macro("noformat", "x  y"),
    "html": plain_macro("html", "<b>x</b>"),
    "widget": plain_macro("widget", url="https://e.com/v"),
    "unknown plain": plain_macro("who-knows", "x  y", height="9"),
    "excerpt": macro("excerpt", paragraph(words("x")), name="n", hidden="true"),
    "titled info": macro("info", paragraph(words("x")), title="T"),
    "unknown": macro("who-knows", paragraph(words("x")), title="T", height="9"),
    "details": macro(
        "details", table([("th", paragraph(words("Owner")), 1, 1), ("td", paragraph(mention("5:1")), 1, 1)]), id="p"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONSTRUCTS)
def test_a_construct_reads_alike_in_both_formats(name: str) -> None:
    read_both(CONSTRUCTS[name], named)
    assert storage_format.read(CONSTRUCTS[name][0]).blocks or name in ("toc", "html")


# ------------------------------------------------------------------------------------------ and whatever is made of them
TEXT = st.text(alphabet="ab1 *_`~[](){}<>&#!-+.|\\:=;/\"'x", min_size=1, max_size=20).filter(
    lambda text: bool(text.strip())
)
INLINES: st.SearchStrategy[Both] = st.lists(
    st.one_of(
        st.builds(words, TEXT),
        st.builds(styled, TEXT, st.sampled_from([*STYLES, "code", "sub", "sup"])),
        # Two links side by side to one address are one link in ADF, whose marks lie flat.
        TEXT.map(lambda text: joined([link(text, "https://e.com/x"), words(" ")])),
        st.sampled_from(
            [
                mention("5:1"),
                status("DONE"),
                date("2026-03-01", "1772323200000"),
                line_break(),
                placeholder(),
            ]
        ),
    ),
    min_size=1,
    max_size=4,
).map(joined)
BLOCKS: st.SearchStrategy[Both] = st.recursive(
    st.one_of(
        INLINES.map(paragraph),
        st.builds(heading, st.integers(1, 6), INLINES),
        st.builds(code, TEXT, st.sampled_from(["python", "sql"])),
        st.lists(st.tuples(st.booleans(), INLINES), min_size=1, max_size=3).map(lambda items: tasks(*items)),
        st.sampled_from([rule(), plain_macro("toc"), plain_macro("noformat", "a  b")]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: quote(*parts)),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: bullets(*parts)),
        st.builds(
            lambda start, parts: numbers(start, *parts), st.integers(1, 9), st.lists(inner, min_size=1, max_size=3)
        ),
        st.builds(boxed, st.just("note"), st.just("panel"), inner, panelType=st.just("note")),
        st.builds(boxed, st.just("expand"), st.just("expand"), inner, title=TEXT),
        st.builds(macro, st.sampled_from(["info", "excerpt", "section", "details", "strange"]), inner),
        st.builds(layout, inner, inner),
        st.builds(
            lambda a, b, c, columns: table([("th", a, columns, 1)], [("td", b, 1, 1), ("td", c, 1, 2)]),
            inner,
            inner,
            inner,
            st.integers(1, 3),
        ),
    ),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(BLOCKS, max_size=3).map(joined))
def test_whatever_is_made_of_them_reads_alike_in_both_formats(both: Both) -> None:
    read_both(both, named)
