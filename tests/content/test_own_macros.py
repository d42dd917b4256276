"""Handlers of the user's own, from an installed package or by likeness."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_confluence import content
from airflow_provider_confluence.content import adf, markdown, own_macros, storage_format
from airflow_provider_confluence.datasource import Datasource, read_datasource
from airflow_provider_confluence.errors import ConfigurationError, DatasourceError
from airflow_provider_confluence.sync.recipe import recipe_of

BODY = (
    '<ac:structured-macro ac:name="acme-box" ac:macro-id="77"><ac:parameter ac:name="headline">New</ac:parameter>'
    '<ac:parameter ac:name="colour">red</ac:parameter><ac:rich-text-body><p>Read <em>this</em>.</p></ac:rich-text-body>'
    "</ac:structured-macro><p>after</p>"
)
SOURCE = """
from airflow_provider_confluence import content

def box(walker, macro):
    return [content.model.Panel("tip", macro.parameter("headline"), tuple(content.as_blocks(content.body_of(walker, macro))))]
"""
BOXED = "> **Tip: New**\n>\n> Read *this*.\n\nafter\n"


def install(folder: Path, version: str, target: str) -> None:
    """Put a package into a folder, as an installer leaves it there."""
    (folder / "acme_confluence.py").write_text(SOURCE)
    info = folder / f"acme_confluence-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-confluence\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[airflow_provider_confluence.macros]\nacme-box = {target}\n")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("acme_confluence", None)
    importlib.invalidate_caches()


def datasource(**settings: object) -> Datasource:
    return read_datasource("docs", {"space": "DOCS", **settings})


def written(like: dict[str, str]) -> str:
    return content.to_markdown(BODY, own_macros.handlers(like))


def test_a_handler_of_an_installed_package_reads_its_macro(folder: Path) -> None:
    install(folder, "1.0", "acme_confluence:box")
    assert written({}) == BOXED


def test_a_macro_is_read_like_the_one_that_the_datasource_names() -> None:
    assert written({"acme-box": "note"}) == "> **Note**\n>\n> Read *this*.\n\nafter\n"
    assert written({"acme-box": "toc"}) == "after\n"


def test_the_datasource_wins_over_an_installed_package(folder: Path) -> None:
    install(folder, "1.0", "acme_confluence:box")
    assert written({"acme-box": "section"}) == "Read *this*.\n\nafter\n"


def test_a_handler_reads_the_same_macro_in_adf(folder: Path) -> None:
    install(folder, "1.0", "acme_confluence:box")
    words = {"type": "paragraph", "content": [{"type": "text", "text": "Read this."}]}
    parameters = {"macroParams": {"headline": {"value": "New"}}}
    attributes = {
        "extensionType": "com.atlassian.confluence.macro.core",
        "extensionKey": "acme-box",
        "parameters": parameters,
    }
    body = {"type": "doc", "content": [{"type": "bodiedExtension", "attrs": attributes, "content": [words]}]}
    read = adf.read(json.dumps(body), own_macros.handlers({}))
    assert markdown.write(read) == "> **Tip: New**\n>\n> Read this.\n"


def test_a_handler_that_cannot_be_loaded_is_named_with_its_package(folder: Path) -> None:
    install(folder, "1.0", "acme_confluence:no_such_function")
    with pytest.raises(ConfigurationError, match=r"acme-box.*acme_confluence:no_such_function of acme-confluence 1\.0"):
        own_macros.handlers({})


@pytest.mark.parametrize(
    "handler",
    [lambda walker, macro: 1 / 0, lambda walker, macro: None, lambda walker, macro: [macro], lambda walker, macro: [3]],
    ids=["raises", "gives nothing", "gives a macro", "gives a number"],
)
def test_a_handler_that_fails_costs_its_macro_the_handling_and_no_page(handler: content.Handler) -> None:
    read = storage_format.read(BODY, {"acme-box": handler})
    assert read.warnings == ("macro_failed=acme-box", "unknown_macro=acme-box")
    assert markdown.write(read) == "Read *this*.\n\nafter\n"


def test_another_version_or_likeness_makes_every_document_anew(folder: Path) -> None:
    bare = recipe_of(datasource())
    install(folder, "1.0", "acme_confluence:box")
    first = recipe_of(datasource())
    (folder / "acme_confluence-1.0.dist-info").rename(folder / "old")
    install(folder, "1.1", "acme_confluence:box")
    importlib.invalidate_caches()
    recipes = {bare, first, recipe_of(datasource()), recipe_of(datasource(macros={"acme-box": "note"}))}
    assert len(recipes) == 4
    assert recipe_of(datasource()) in recipes


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"acme-box": "note"}, None),
        (
            {"acme-box": "noet"},
            "docs.macros.acme-box: expected the name of a macro in the table of docs/content.md; did you mean note?",
        ),
        ({"acme-box": 3}, "docs.macros.acme-box: expected the name of a macro"),
        (["note"], "docs.macros: expected an object of macro names, found a list"),
    ],
)
def test_a_likeness_must_name_a_macro_of_the_table(value: object, problem: str | None) -> None:
    if problem is None:
        found = datasource(macros=value)
        assert Datasource.from_json(json.loads(json.dumps(found.to_json()))) == found
        return
    with pytest.raises(DatasourceError) as caught:
        datasource(macros=value)
    assert problem in str(caught.value)
