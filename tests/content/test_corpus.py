"""Bodies as Confluence stores them, each beside the Markdown that a person wrote for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from airflow_provider_confluence.content import markdown, storage_format, to_markdown

CORPUS = Path(__file__).parent / "corpus"
BODIES = sorted(CORPUS.glob("*.xml"))
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Words of the text. The name of a panel's kind is ours: HTML ends a paragraph where a panel inside it begins one, and the panel with it.
WORD = re.compile(r"\b(?!(?:Info|Note|Tip|Warning)\b)\w+")
# What stands in the bodies as settings, ids and styles, and must never be read by anybody.
NOISE = (
    "557058", "ff80808", "jdoe", "prop-set-7", "Midnight", "linenumbers", "#deebff", "1f680", "rgb(", "two_equal", "30%", "maxLevel",
    "creation", "Root page", "System JIRA", "key,summary", "dark", "42", "colour", "highlight", "version-at-save",
    "CDATA", "ac:", "ri:", "99887766", "Type something", "poll", "DECIDED", "alert(", "123456",
)  # fmt: skip


def body_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


def test_the_corpus_is_there() -> None:
    assert len(BODIES) >= 25


@pytest.mark.parametrize("path", BODIES, ids=lambda path: path.stem)
def test_a_body_becomes_the_markdown_that_a_person_wrote_for_it(path: Path) -> None:
    assert path.with_suffix(".md").read_bytes().decode("utf-8") == to_markdown(body_of(path))


@pytest.mark.parametrize("path", BODIES, ids=lambda path: path.stem)
def test_no_id_setting_or_style_reaches_the_text(path: Path) -> None:
    written = to_markdown(body_of(path))
    assert [noise for noise in NOISE if noise in written] == []
    assert UUID.search(written) is None


@pytest.mark.parametrize("path", BODIES, ids=lambda path: path.stem)
def test_reading_twice_gives_the_same(path: Path) -> None:
    assert storage_format.read(body_of(path)) == storage_format.read(body_of(path))


@pytest.mark.parametrize("path", BODIES, ids=lambda path: path.stem)
def test_the_html_parser_keeps_every_word_that_the_xml_parser_keeps(path: Path) -> None:
    body = body_of(path)
    broken = body + "<p>the end <b>of it"
    read = storage_format.read(broken)
    assert "parser=fallback" in read.warnings
    expected = WORD.findall(to_markdown(body) + " the end of it")
    assert sorted(expected) == sorted(WORD.findall(markdown.write(read)))
