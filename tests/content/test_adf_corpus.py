"""ADF bodies, each beside the Markdown that a person wrote for it, and the policy for every kind of node and mark."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_confluence.content import adf, markdown
from airflow_provider_confluence.content.adf_marks import MARKS

CORPUS = Path(__file__).parent / "adf_corpus"
BODIES = sorted(CORPUS.glob("*.json"))
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# What stands in the bodies as settings, ids and styles, and must never be read by anybody.
NOISE = (
    "557058", "70121", "contentId", "4711\n", "1f680", "1f69c", "#deebff", "#ff5630", "#fedec8", "#172b4d", "Display name", "icons.example",
    "macroId", "prop-set-7", "Midnight", "linenumbers", "30%", "66.66", "maxLevel", "creation", "Root page", "System JIRA", "key,summary",
    "fragment name", "Table 99", "wide", "full-width", "DECIDED", "TODO", "1772323200000", "Type something", "image/png", "iVBOR",
    "alert(", "123456", "42", "inlineComment", "sparkle", "unsupported", "cxhtml", "ac:", "ri:",
)  # fmt: skip

# Every node and mark of the public schema: @atlaskit/adf-schema 57.7.22, json-schema/v1/full.json and stage-0.json.
SCHEMA_NODES = """
    blockCard blockTaskItem blockquote bodiedExtension bodiedSyncBlock bulletList caption codeBlock date decisionItem decisionList doc
    embedCard emoji expand extension hardBreak heading inlineCard inlineExtension layoutColumn layoutSection listItem media mediaGroup
    mediaInline mediaSingle mention nestedExpand orderedList panel paragraph placeholder rule status syncBlock table tableCell tableHeader
    tableRow taskItem taskList text
    bodiedRule extensionFrame multiBodiedExtension
"""
SCHEMA_MARKS = """
    alignment annotation backgroundColor border breakout code dataConsumer em fontSize fragment indentation link strike strong subsup
    textColor underline
"""
# What the editor and Confluence put beside them, where a body holds more than the editor that reads it knows.
OTHER_NODES = """
    confluenceJiraIssue confluenceUnsupportedBlock confluenceUnsupportedInline image unsupportedBlock unsupportedInline
"""
OTHER_MARKS = "confluenceInlineComment typeAheadQuery unsupportedMark unsupportedNodeAttribute"


def body_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


def parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from parts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from parts(inner)


def test_the_corpus_is_there() -> None:
    assert len(BODIES) >= 20


def test_every_node_of_the_schema_has_a_policy_and_no_other() -> None:
    assert set(SCHEMA_NODES.split()) | set(OTHER_NODES.split()) == set(adf.NODES)


def test_every_mark_of_the_schema_has_a_policy_and_no_other() -> None:
    assert set(SCHEMA_MARKS.split()) | set(OTHER_MARKS.split()) == set(MARKS)


def test_every_node_and_mark_is_in_the_corpus() -> None:
    seen = set()
    for path in BODIES:
        if path.stem not in ("cut_short", "no_json"):
            seen.update(str(part.get("type")) for part in parts(json.loads(body_of(path))))
    assert set() == (set(adf.NODES) | set(MARKS)) - seen - {"typeAheadQuery"}


@pytest.mark.parametrize("path", BODIES, ids=lambda path: path.stem)
def test_a_body_becomes_the_markdown_that_a_person_wrote_for_it(path: Path) -> None:
    assert path.with_suffix(".md").read_bytes().decode("utf-8") == markdown.write(adf.read(body_of(path)))


@pytest.mark.parametrize("path", BODIES, ids=lambda path: path.stem)
def test_no_id_setting_or_style_reaches_the_text(path: Path) -> None:
    written = markdown.write(adf.read(body_of(path)))
    assert [noise for noise in NOISE if noise in written] == []
    assert UUID.search(written) is None


@pytest.mark.parametrize("path", BODIES, ids=lambda path: path.stem)
def test_text_bytes_and_value_give_the_same(path: Path) -> None:
    body = body_of(path)
    expected = adf.read(body)
    assert expected == adf.read(body.encode("utf-8"))
    if path.stem not in ("cut_short", "no_json"):
        assert expected == adf.read(json.loads(body))
        assert expected == adf.read(json.dumps(body))
