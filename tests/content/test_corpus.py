"""Bodies as Confluence stores them, each with what must survive of it and what must not appear; some beside the whole Markdown.

``facts.json`` was written by hand: ``facts`` stand in the text in that order, ``noise`` (ids, settings, styles) nowhere.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from airflow_provider_confluence.content import markdown, storage_format, to_markdown
from airflow_provider_confluence.content.elements import ELEMENTS
from airflow_provider_confluence.content.macros import MACROS

CORPUS = Path(__file__).parent / "corpus"
BODIES = sorted(CORPUS.glob("*.xml"))
WRITTEN = [body for body in BODIES if body.with_suffix(".md").exists()]
FACTS = json.loads((CORPUS / "facts.json").read_bytes())
KNOWN = json.loads((CORPUS.parent / "known_to_confluence.json").read_bytes())
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


def test_every_body_of_the_corpus_has_its_facts() -> None:
    assert len(BODIES) >= 60
    assert [path.stem for path in BODIES] == sorted(FACTS)
    assert [name for name, said in FACTS.items() if not said["facts"]] == []


@pytest.mark.parametrize("path", BODIES, ids=lambda path: path.stem)
def test_every_fact_survives_in_its_place_and_no_noise_appears(path: Path) -> None:
    written, position, lost = to_markdown(body_of(path)), 0, []
    for fact in FACTS[path.stem]["facts"]:
        found = written.find(fact, position)
        if found < 0:
            lost.append(fact)
        else:
            position = found + len(fact)
    assert lost == []
    assert [noise for noise in FACTS[path.stem]["noise"] if noise in written] == []


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_a_body_becomes_the_markdown_that_a_person_wrote_for_it(path: Path) -> None:
    assert path.with_suffix(".md").read_bytes().decode("utf-8") == to_markdown(body_of(path))


def test_every_row_of_the_policy_is_met_in_the_corpus() -> None:
    corpus = "".join(body_of(path) for path in BODIES)
    elements = {name.lower() for name in re.findall(r"<([a-zA-Z][\w:-]*)", corpus)}
    macros = set(re.findall(r'<ac:(?:structured-)?macro ac:name="([^"]+)"', corpus))
    assert [row.names for row in ELEMENTS if not elements.intersection(row.names.split())] == []
    assert [row.names for row in MACROS if not macros.intersection(row.names.split())] == []


def test_everything_that_confluence_is_known_to_store_has_a_row_of_the_policy() -> None:
    elements = {name for row in ELEMENTS for name in row.names.split()}
    macros = {name for row in MACROS for name in row.names.split()}
    assert [name for name in KNOWN["elements"] if name not in elements] == []
    assert [name for name in KNOWN["macros"] if name not in macros] == []


@pytest.mark.parametrize("row", ELEMENTS, ids=lambda row: row.names.split()[0])
def test_no_element_stands_in_two_rows(row: tuple[str, ...]) -> None:
    every = [name for each in ELEMENTS for name in each.names.split()]
    assert [name for name in row[0].split() if every.count(name) > 1] == []


def test_what_has_no_row_is_named_in_the_warnings() -> None:
    body = body_of(CORPUS / "unknown_elements.xml") + body_of(CORPUS / "unknown_macro.xml")
    expected = {"unknown_element=ac:future-thing", "unknown_element=ac:new-inline", "unknown_macro=fancy-box"}
    assert expected <= set(storage_format.read(body).warnings)


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
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
