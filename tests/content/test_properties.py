"""Laws that hold for every body. A CommonMark parser that is not ours (markdown-it) reads back what was written."""

from __future__ import annotations

import re
import sys
from itertools import count

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from airflow_provider_confluence.content import markdown, storage_format, summary, to_markdown

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
QUICK = settings(max_examples=150, deadline=None)

_PIECES = """
    <p> </p> <ul> </ul> <li> </li> <ol> <table> </table> <tr> <td> </td> <br> <br/> <strong> </strong> <a> <code> </code> <pre> <h1>
    <ac:link> </ac:link> <ac:image> <ri:page/> <ac:parameter>
    <ac:rich-text-body> <ac:plain-text-body> <![CDATA[ ]]> <!-- --> <? <! & &amp; &nbsp; &#0;
    <ac:structured-macro/> <ac:task-list> <ac:task> <x:y> &#xD800; < > " ' word <title> <script> <svg> <select> <template>
    <plaintext> <ac:structured-macro~ac:name="code"> <td~colspan="x"> <frameset> xmlns=""
"""
PIECES = st.sampled_from(_PIECES.split()).map(lambda piece: piece.replace("~", " "))


@QUICK
@given(
    st.one_of(
        st.text(),
        st.lists(PIECES, max_size=25).map("".join),
        st.text(alphabet="<>/!-[]&;:=\"' apxcri\x00\x1c\ud800\ufffe"),
    )
)
@example("<x:y/>")
@example("\ud800")
def test_no_text_whatever_raises_and_each_gives_the_same_answer_twice(body: str) -> None:
    first = storage_format.read(body)
    assert first == storage_format.read(body)
    markdown.write(first).encode("utf-8")
    assert len(summary(first, 20)) <= 20
    markdown.written(first)
    markdown.properties(first)


# ------------------------------------------------------------------------------------------ every word once, in order
INLINE = st.recursive(
    st.sampled_from(["§", "§ ", " §", "§<br/>", "&nbsp;§", "<code>§</code>", "<ac:placeholder>gone</ac:placeholder>"]),
    lambda inner: st.tuples(
        st.sampled_from(
            [
                "<strong>{}</strong>",
                "<em>{}</em>",
                "<u>{}</u>",
                "<s>{}</s>",
                "<span>{}</span>",
                "<code>{}</code>",
                '<a href="https://e.com">{}</a>',
                "<sub>{}</sub>",
                '<ac:link><ri:page ri:content-title="hidden"/><ac:link-body>{}</ac:link-body></ac:link>',
                '<ac:inline-comment-marker ac:ref="1">{}</ac:inline-comment-marker>',
            ]
        ),
        st.lists(inner, min_size=1, max_size=3).map(" ".join),
    ).map(lambda pair: pair[0].format(pair[1])),
    max_leaves=5,
)
MACRO = (
    '<ac:structured-macro ac:name="{name}"><ac:parameter ac:name="x">gone</ac:parameter>{body}</ac:structured-macro>'
)
RICH = "<ac:rich-text-body>{}</ac:rich-text-body>"
WRAPPERS = [
    "<p>{}</p>", "<div>{}</div>", "<h2>{}</h2>", "<blockquote>{}</blockquote>", "<ul><li>{}</li><li>§</li></ul>",
    '<ol start="4"><li>§</li><li>{}</li></ol>', "<table><tbody><tr><th>§</th><th>§</th></tr><tr><td>{}</td><td>§</td></tr></tbody></table>",
    '<table><tbody><tr><td rowspan="2">{}</td><td>§</td></tr><tr><td>§</td></tr></tbody></table>', "<pre>{}</pre>",
    *(MACRO.replace("{name}", name).replace("{body}", RICH) for name in ("info", "expand", "column", "excerpt", "details", "strange")),
    "<ac:layout><ac:layout-section><ac:layout-cell>{}</ac:layout-cell></ac:layout-section></ac:layout>",
    "<ac:task-list><ac:task><ac:task-id>1</ac:task-id><ac:task-body>{}</ac:task-body></ac:task></ac:task-list>",
    "<ac:adf-extension><ac:adf-node><ac:adf-content>§{}</ac:adf-content></ac:adf-node><ac:adf-fallback>gone</ac:adf-fallback></ac:adf-extension>",
]  # fmt: skip
BLOCK = st.recursive(
    INLINE,
    lambda inner: st.tuples(st.sampled_from(WRAPPERS), st.lists(inner, min_size=1, max_size=3).map("".join)).map(
        lambda pair: pair[0].replace("{}", pair[1])
    ),
    max_leaves=12,
)


def numbered(shape: str) -> tuple[str, list[str]]:
    numbers = count()
    body = re.sub("§", lambda _: f"w{next(numbers)}w", shape)
    return body, [f"w{number}w" for number in range(next(numbers))]


@QUICK
@given(st.lists(BLOCK, max_size=4).map("".join))
def test_every_visible_word_appears_once_and_in_order(shape: str) -> None:
    body, words = numbered(shape)
    content = storage_format.read(body)
    assert "parser=fallback" not in content.warnings
    assert words == re.findall(r"w\d+w", markdown.write(content))
    assert "gone" not in markdown.write(content)


@QUICK
@given(st.lists(BLOCK, max_size=3).map("".join))
def test_the_markdown_shows_every_word_to_a_markdown_parser(shape: str) -> None:
    body, words = numbered(shape)
    assert words == re.findall(r"w\d+w", shown(PARSER.parse(to_markdown(body))))


# ------------------------------------------------------------------------------------------ text to the character
def shown(tokens: list[Token]) -> str:
    """Return what a reader of the rendered Markdown sees."""
    parts: list[str] = []
    for token in tokens:
        if token.type == "inline":
            parts.append(shown(token.children or []) + "\n")
        elif token.type in ("text", "code_inline", "fence", "text_special"):
            parts.append(token.content)
        elif token.type in ("softbreak", "hardbreak", "html_inline"):
            parts.append(" ")
    return "".join(parts)


def xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


METACHARACTERS = st.text(alphabet="ab1 *_`~[](){}<>&#!-+.|\\:=;/\"'x\n", max_size=40)


@settings(max_examples=400, deadline=None)
@given(METACHARACTERS)
@example("- a")
@example("a\\")
@example("![a](b)")
@example("&amp;copy;")
@example("http://a_b_c/_d_")
def test_prose_full_of_metacharacters_reads_back_as_it_was(text: str) -> None:
    tokens = PARSER.parse(to_markdown(f"<p>{xml(text)}</p>"))
    assert " ".join(text.split()) == " ".join(shown(tokens).split())
    assert {token.type for token in tokens} <= {"paragraph_open", "inline", "paragraph_close"}


@settings(max_examples=300, deadline=None)
@example([("a", "\\[")])
@example([("a", "]:")])
@example([("strong", "\\ ")])
@example([("strong", " *"), ("strong", " 1")])
@example([("", "~"), ("strong", "~1"), ("s", "1")])
@given(st.lists(st.tuples(st.sampled_from(["", "strong", "em", "s", "code", "a"]), METACHARACTERS), max_size=4))
def test_styled_runs_read_back_as_they_were(runs: list[tuple[str, str]]) -> None:
    inside = "".join(
        f'<a href="https://e.com">{xml(text)}</a>'
        if style == "a"
        else f"<{style}>{xml(text)}</{style}>"
        if style
        else xml(text)
        for style, text in runs
        if style != "a" or text.strip()
    )
    seen = shown(PARSER.parse(to_markdown(f"<p>{inside}</p>")))
    said = "".join(text for style, text in runs if style != "a" or text.strip())
    assert "".join(said.split()) == "".join(seen.split())


@settings(max_examples=300, deadline=None)
@given(st.lists(METACHARACTERS.filter(lambda text: bool(text.strip())), min_size=2, max_size=2))
@example(["a|b\\", "\\|"])
def test_cells_full_of_metacharacters_read_back_as_they_were(texts: list[str]) -> None:
    cells = "".join(f"<td><p>{xml(text)}</p></td>" for text in texts)
    tokens = PARSER.parse(to_markdown(f"<table><tbody><tr><th>A</th><th>B</th></tr><tr>{cells}</tr></tbody></table>"))
    seen = [shown([token]) for token in tokens if token.type == "inline"]
    assert ["A", "B"] + [" ".join(text.split()) for text in texts] == [" ".join(text.split()) for text in seen]


CODE = st.text(
    alphabet=st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")) | st.sampled_from("`~\n\n \t&<>]"),
    max_size=60,
)


@QUICK
@given(CODE.filter(lambda text: bool(text.strip())))
@example("a ]]> b")
@example("```\n~~~")
@example("  indented\n\n\n")
@example("&nbsp;\u200b")
def test_code_survives_to_the_character(text: str) -> None:
    cdata = "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"
    body = MACRO.replace("{name}", "code").replace("{body}", f"<ac:plain-text-body>{cdata}</ac:plain-text-body>")
    for broken in ("", "<br>"):
        fences = [token for token in PARSER.parse(to_markdown(body + broken)) if token.type == "fence"]
        assert [text + "\n"] == [fence.content for fence in fences]


# ------------------------------------------------------------------------------------------ size
LARGE = {
    "a table of 20,000 rows": ("<table><tbody>" + "<tr><td><p>§</p></td><td>§</td></tr>" * 20_000 + "</tbody></table>", 40_000),
    "a table of 20,000 rows with spans": (
        "<table><tbody>" + "<tr><td rowspan='2'>§</td><td>§</td></tr><tr><td>§</td></tr>" * 10_000 + "</tbody></table>",
        30_000,
    ),
    "20,000 paragraphs with marks": ("<p>§ <strong>§</strong> § <em>§</em></p>" * 20_000, 80_000),
    "one paragraph of 60,000 pieces": ("<p>" + "§ <strong>§</strong> <code>§</code> " * 20_000 + "</p>", 60_000),
    "a list of 20,000 items": ("<ul>" + "<li><p>§</p></li>" * 20_000 + "</ul>", 20_000),
    "5,000 macros": (MACRO.replace("{name}", "info").replace("{body}", RICH.format("<p>§</p>")) * 5_000, 5_000),
}  # fmt: skip


@pytest.mark.parametrize(("shape", "count_of_words"), LARGE.values(), ids=LARGE)
def test_large_bodies_keep_every_word_in_order(shape: str, count_of_words: int) -> None:
    body, words = numbered(shape)
    assert count_of_words == len(words)
    assert words == re.findall(r"w\d+w", to_markdown(body))


def test_a_body_of_20_megabytes_is_read_whole() -> None:
    paragraph = "<p>" + "word " * 1_000 + "</p>"
    body = paragraph * (19_900_000 // len(paragraph)) + "<p>the last one</p>"
    content = storage_format.read(body)
    assert content.warnings == ()
    assert markdown.write(content).endswith("the last one\n")


@QUICK
@given(st.binary(max_size=200), st.sampled_from(["utf-8", "utf-16", "latin-1"]))
def test_no_bytes_whatever_raise(data: bytes, encoding: str) -> None:
    to_markdown(data.decode(encoding, "replace"))


def steps_of(body: str) -> int:
    """Return how many calls a conversion makes: work that no clock and no busy machine can blur."""
    calls = 0

    def count_call(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count_call)
    try:
        to_markdown(body)
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize(
    "piece",
    [
        "<p>a <b>b</b> c</p>",
        "<table><tr><td>a</td><td><p>b</p></td></tr></table>",
        "<ul><li>a<ul><li>b</li></ul></li></ul>",
        MACRO.replace("{name}", "odd").replace("{body}", RICH.format("x")),
        "<ac:link><ri:page ri:content-title='T'/></ac:link>",
        "<h2>a</h2><pre>x\ny</pre><hr/>",
        "&nbsp;&amp;<br/>",
    ],
)
def test_twice_the_body_is_at_most_twice_the_work(piece: str) -> None:
    to_markdown(piece)
    once, twice = steps_of(piece * 500), steps_of(piece * 1_000)
    assert twice < 2.2 * once
