"""Chunks: what holds for every text, held against a Markdown parser that is not ours (markdown-it), and what some texts must give."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from airflow_provider_confluence.content import to_markdown
from airflow_provider_confluence.content.chunks import chunks
from airflow_provider_confluence.content.tokens import estimated_tokens
from airflow_provider_confluence.documents import Chunk
from tests.content.test_properties import BLOCK, numbered

PARSER = MarkdownIt("commonmark", {"maxNesting": 200}).enable(["table", "strikethrough"])

NAMES = st.lists(st.text(alphabet="Docs Straße 手順 —>\n", max_size=60), max_size=5)
BUDGETS = st.sampled_from([64, 65, 80, 128, 400])
WORDS = st.sampled_from(
    ["word", "Über", "ein Satz. Noch einer.", "手順を確認する。", "дом", "x" * 90, "one two three four five", "😀"]
)
LINES = st.lists(WORDS, min_size=1, max_size=30).map(" ".join)
PREFIXES = st.sampled_from(
    [
        "",
        "",
        "",
        "> ",
        "- ",
        "  ",
        "    ",
        "1. ",
        "7) ",
        "> - ",
        "- > ",
        "   ",
        "* ",
        "+ - ",
        "\t",
        ">",
        "> > ",
        "-",
        "      ",
    ]
)
STARTS = st.sampled_from(
    ["", "", "# ", "## ", "### ", "```", "```py", "~~~", "````", "| a | b |", "| --- | --- |", "|-|", "---", "===", "***", "a | b", ":-"]
)  # fmt: skip
SOUP = st.lists(
    st.tuples(PREFIXES, STARTS, st.one_of(st.just(""), st.just(""), LINES)).map("".join), max_size=30
).map("\n".join)  # fmt: skip
WRITTEN = st.lists(st.one_of(BLOCK, LINES.map(lambda line: f"<h2>{line}</h2>"), LINES), max_size=8).map(
    lambda parts: to_markdown(numbered("".join(f"<p>{p}</p>" if p[:1] != "<" else p for p in parts))[0])
)
TEXTS = st.one_of(SOUP, WRITTEN, st.text(max_size=400))


def whole_blocks(content: str) -> Iterator[tuple[int, int, str]]:
    """Yield from where to where a row or a fenced code block goes, as markdown-it reads the text."""
    offsets = [0]
    for line in content.split("\n"):
        offsets.append(offsets[-1] + len(line) + 1)
    for token in PARSER.parse(content):
        if token.type in ("fence", "tr_open") and token.map:
            yield offsets[token.map[0]], min(offsets[token.map[1]], len(content)), token.type


def header_outside_its_block(content: str) -> bool:
    """Say whether the first line of an item or quote stands right above what could be a table's second line, but is not in that block.

    markdown-it looks for tables before lists and quotes, and takes the bullet or ``>`` for a part of the header; to GitHub's own parser it
    begins an item or a quote.
    """
    for line, below in pairwise(content.split("\n")):
        beginning = line[: len(line) - len(re.sub(r"^(?:[\s>]|[-+*]\s|\d+[.)]\s)*", "", line))]
        indent = below[: len(below) - len(below.lstrip("\t >"))]
        is_outside = indent.count(">") < beginning.count(">") or (
            re.search(r"[-+*.)]", beginning) is not None and len(indent) < len(beginning)
        )
        if is_outside and below.lstrip("\t >")[:1] in ("|", ":", "-"):
            return True
    return False


@settings(max_examples=150, deadline=None)
@given(TEXTS, BUDGETS, NAMES)
def test_the_slices_are_the_whole_text_in_order_and_the_same_every_time(
    content: str, budget: int, names: list[str]
) -> None:
    found = chunks(content, budget, names)
    assert found == chunks(content, budget, names)
    assert list(range(len(found))) == [chunk.position for chunk in found]
    if content.strip():
        assert content == "".join(content[chunk.start : chunk.end] for chunk in found)
        assert [0, *(chunk.end for chunk in found)] == [*(chunk.start for chunk in found), len(content)]
        assert all(chunk.end > chunk.start for chunk in found)
    else:
        assert found == ()


@settings(max_examples=150, deadline=None)
@given(TEXTS, BUDGETS, NAMES)
def test_a_chunk_is_within_the_budget_but_for_one_row_or_code_block(
    content: str, budget: int, names: list[str]
) -> None:
    for chunk in chunks(content, budget, names):
        assert chunk.oversized == (estimated_tokens(chunk.text) > budget)
        assert chunk.text.endswith(content[chunk.start : chunk.end].strip("\r\n").rstrip())
        if chunk.oversized:
            assert "```" in chunk.text or "~~~" in chunk.text or "|" in chunk.text


@settings(max_examples=250, deadline=None)
@given(st.one_of(SOUP, WRITTEN), st.sampled_from([64, 80]))
@example("- ```\n  a\n\n  " + "b " * 200 + "\n  ```\n", 64)
@example("> ~~~\n> " + "b. " * 200 + "\n> ~~~\n", 64)
@example("text\n| a | b |\n|---|---|\n| " + "c. " * 200 + " | d |\n", 64)
@example("-\n\n  ```\n" + "x. " * 200 + "\n", 64)
def test_no_row_and_no_code_block_is_cut(content: str, budget: int) -> None:
    assume(not header_outside_its_block(content))
    borders = [chunk.start for chunk in chunks(content, budget)]
    for start, end, kind in whole_blocks(content):
        assert not [border for border in borders if start < border < end and content[border:end].strip(" >\n\t")], kind


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 6), st.text(alphabet="abc de手", min_size=1, max_size=400)), min_size=1, max_size=6
    ),
    BUDGETS,
    st.lists(st.text(alphabet="Docs 手順—", max_size=400), min_size=1, max_size=6),
)
def test_the_breadcrumb_takes_at_most_half_of_the_budget(
    headings: list[tuple[int, str]], budget: int, names: list[str]
) -> None:
    content = "\n\n".join(f"{'#' * level} {text.strip()}\n\nBody {'of words ' * 100}" for level, text in headings)
    for chunk in chunks(content, budget, names):
        written = content[chunk.start : chunk.end].strip()
        assert 2 * estimated_tokens(chunk.text[: chunk.text.index(written)]) <= budget


def slices(content: str, found: tuple[Chunk, ...]) -> list[str]:
    return [content[chunk.start : chunk.end].strip() for chunk in found]


# ------------------------------------------------------------------------------------------ what some texts give
WAY = ("Docs", "Handbook", "Backup")
PARAGRAPH = "This sentence has forty-eight characters in all."  # 12 tokens
FOUR = " ".join([PARAGRAPH] * 4)  # 195 characters, 49 tokens
FIVE = f"{FOUR} {PARAGRAPH}"  # 244 characters, 61 tokens


def test_a_text_within_the_budget_is_one_chunk_with_its_place_in_front() -> None:
    content = "# Restore\n\nAsk **first**.\n"
    assert chunks(content, 100, WAY) == (
        Chunk("Docs > Handbook > Backup\n\n# Restore\n\nAsk **first**.", ("Restore",), 0, 0, len(content)),
    )


@pytest.mark.parametrize("content", ["", " \n\n"])
def test_a_blank_text_has_no_chunks(content: str) -> None:
    assert chunks(content, 100, WAY) == ()


def test_sections_are_parted_and_a_heading_stays_with_its_text() -> None:
    content = f"{PARAGRAPH}\n\n# One\n\n{FOUR}\n\n# Two\n\n## Deep\n\n{FOUR}\n"
    found = chunks(content, 64, WAY)
    assert slices(content, found) == [PARAGRAPH, f"# One\n\n{FOUR}", f"# Two\n\n## Deep\n\n{FOUR}"]
    assert [chunk.headings for chunk in found] == [(), ("One",), ("Two", "Deep")]


def test_small_sections_are_joined_only_below_one_heading() -> None:
    content = f"# A\n\n## a\n\nx\n\n## b\n\ny\n\n## c\n\n{FIVE}\n\n# B\n\n## d\n\nz\n\n## e\n\n{FIVE}\n"
    found = chunks(content, 64)
    assert slices(content, found) == [
        "# A\n\n## a\n\nx\n\n## b\n\ny",
        f"## c\n\n{FIVE}",
        "# B\n\n## d\n\nz",
        f"## e\n\n{FIVE}",
    ]
    assert [chunk.headings for chunk in found] == [("A",), ("A", "c"), ("B", "d"), ("B", "e")]


def test_what_goes_on_names_its_own_heading_in_the_breadcrumb() -> None:
    content = f"# How *to* [restore](https://e.com/a) `rm`\n\n{FOUR}\n\n{FOUR}\n"
    found = chunks(content, 90, WAY)
    assert found[0].text == f"Docs > Handbook > Backup\n\n# How *to* [restore](https://e.com/a) `rm`\n\n{FOUR}"
    assert found[1].text == f"Docs > Handbook > Backup > How to restore rm\n\n{FOUR}"
    assert [chunk.headings for chunk in found] == [("How to restore rm",)] * 2


def test_a_table_that_goes_on_repeats_its_header() -> None:
    header = "| Host | Port |\n| --- | --- |"
    rows = [f"| host-{number:03}.example.com | 80 |" for number in range(14)]
    content = "\n".join([header, *rows]) + "\n"
    found = chunks(content, 64)
    # 256 quarters of a token; the header takes 30, and each row 30, their line feeds included.
    assert [chunk.text for chunk in found] == ["\n".join([header, *rows[:7]]), "\n".join([header, *rows[7:]])]
    assert slices(content, found)[1] == "\n".join(rows[7:])


def test_a_list_is_parted_between_its_items_before_any_item_is_cut() -> None:
    item = f"- {PARAGRAPH} {PARAGRAPH}\n  - {PARAGRAPH}\n"  # 38 tokens
    content = f"List:\n\n{item * 4}"
    assert slices(content, chunks(content, 80)) == [f"List:\n\n{item * 2}".strip(), (item * 2).strip()]


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    content = " ".join([PARAGRAPH] * 10)
    assert slices(content, chunks(content, 64)) == [" ".join([PARAGRAPH] * 5)] * 2


def test_a_text_without_spaces_is_cut_where_it_must_be() -> None:
    assert slices("手" * 150, chunks("手" * 150, 64)) == ["手" * 64, "手" * 64, "手" * 22]


@pytest.mark.parametrize("fence", ["```", "~~~~"])
def test_a_code_block_over_the_budget_stays_whole_and_says_so(fence: str) -> None:
    code = f"{fence}sh\n" + "echo one two three\n\n" * 40 + fence
    content = f"{FOUR}\n\n{code}\n\n{FOUR}\n"
    found = chunks(content, 64)
    assert slices(content, found) == [FOUR, code, FOUR]
    assert [chunk.oversized for chunk in found] == [False, True, False]


def test_a_row_over_the_budget_stays_whole_and_says_so() -> None:
    long = f"| {'words and words ' * 30}| b |"
    content = f"| A | B |\n| --- | --- |\n| a | b |\n{long}\n| c | d |\n"
    found = chunks(content, 64)
    assert slices(content, found) == ["| A | B |\n| --- | --- |\n| a | b |", long, "| c | d |"]
    assert [chunk.oversized for chunk in found] == [False, True, False]
    assert found[2].text == "| A | B |\n| --- | --- |\n| c | d |"


def test_lines_of_code_are_no_headings() -> None:
    content = f"# Real\n\n```sh\n# comment\n```\n\n> # In a panel\n\n{FOUR}\n\n{FOUR}\n"
    assert {chunk.headings for chunk in chunks(content, 80)} == {("Real",)}


def test_a_long_way_leaves_out_the_middle_then_the_space_and_keeps_title_and_last_heading() -> None:
    # Half of 64 tokens, less the line feeds below it, is 126 quarters.
    def front(*names: str, heading: str) -> str:
        content = f"# {heading}\n\n{FOUR} {FOUR}"
        return chunks(content, 64, names)[-1].text.partition("\n")[0]

    assert front("Space", "A" * 60, "B" * 60, "Title", heading="H") == f"Space > … > {'B' * 60} > Title > H"
    assert front("Space", "A" * 60, "B" * 60, "Title", heading="H" * 80) == f"Space > … > Title > {'H' * 80}"
    assert front("S" * 60, "A" * 60, "Title", heading="H" * 80) == f"… > Title > {'H' * 80}"
    assert front("S" * 60, "T" * 200, heading="Heading") == "… > Heading"
    assert front("T" * 200, heading="T" * 200) == "T" * 124 + "…"


def test_a_heading_that_says_the_title_again_stands_once() -> None:
    content = f"# Backup\n\n{FOUR}\n\n{FOUR}"
    assert chunks(content, 80, WAY)[-1].text == f"Docs > Handbook > Backup\n\n{FOUR}"


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("abcd", 1), ("abcde", 2), ("grün", 1), ("домик", 3), ("手順", 2), ("한국어", 3), ("😀", 1), ("ab手", 2)],
)
def test_the_estimate_counts_characters_by_their_script(text: str, tokens: int) -> None:
    assert tokens == estimated_tokens(text)


# ------------------------------------------------------------------------------------------ time
def seconds(content: str, budget: int = 256) -> float:
    began = time.process_time()
    assert chunks(content, budget, WAY)
    return time.process_time() - began


@pytest.mark.parametrize(
    "shape",
    [
        "# Heading\n\nSome words of a text. And some more of them.\n\n",
        "word ",
        "x",
        "手",
        "a. ",
        "> ",
        "- ",
        "- a\n",
        "| a | b |\n",
        "```\n",
        "# \n",
        "#",
        "> - 1. a\n",
        "*",
        "`",
        "[",
        "# [a](<\n",
        "\n",
        "\t",
        "|-",
        "###### a\n# b\n",
        "- - - - - - - - - - - - - a\n\n",
    ],
    ids=repr,
)
def test_time_is_linear_in_the_text(shape: str) -> None:
    if shape.isspace():
        shape = "x" + shape * 50
    short, long = (
        min(seconds((shape * (size // len(shape) + 1))[:size]) for _ in range(2)) for size in (50_000, 200_000)
    )
    assert long < 8 * short + 0.3


@pytest.mark.parametrize("signs", [".", "!?", "…", "x.", '."', '.)"', "。", "。」", "! ", "\\."])
def test_time_is_linear_in_a_run_of_signs_that_may_end_a_sentence(signs: str) -> None:
    """The budget grows with the text, so that as much of it is looked at in one go."""
    short, long = (min(seconds((signs * size)[:size], budget=size // 8) for _ in range(2)) for size in (10_000, 40_000))
    assert long < 8 * short + 0.3


@pytest.mark.parametrize(
    "heading",
    ["`" * 990, "` " * 490, "".join("`" * length + " " for length in range(1, 44)), "\\`" * 490, "*" * 990, "[a" * 490],
    ids=lambda heading: heading[:6],
)
def test_a_heading_of_signs_costs_no_more_than_one_of_words(heading: str) -> None:
    signs, words = (min(seconds(f"# {each}\n\nText.\n\n" * 20) for _ in range(2)) for each in (heading, "word " * 198))
    assert signs < 8 * words + 0.3


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("Use `a.b`", "Use a.b"),
        ("``x ` y``", "x ` y"),
        (r"A \``code` word", "A `code word"),
        ("```a`` b", "```a`` b"),
        ("`a``b`", "a``b"),
    ],
)
def test_code_in_a_heading_is_what_stands_between_runs_of_one_length(heading: str, expected: str) -> None:
    assert [(expected,)] == [chunk.headings for chunk in chunks(f"# {heading}\n\nText.\n", 256)]
