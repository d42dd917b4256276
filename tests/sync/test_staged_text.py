"""The text of pages lies in the state's files only while a run needs it, however that run ends."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_confluence.sync.commit import commit
from airflow_provider_confluence.sync.extract import extract
from airflow_provider_confluence.sync.index import index
from airflow_provider_confluence.sync.list_changes import list_changes
from tests.content.attachment_files import pdf
from tests.sync.conftest import Wiki

WORD = "pomegranate"


def holding(folder: Path) -> list[str]:
    """Return the files of the state in which the word stands."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            text = gzip.decompress(data) if path.suffix == ".gz" else data
            if WORD.encode() in text:
                found.append(path.relative_to(folder).as_posix())
    return found


@pytest.fixture
def page(wiki: Wiki) -> str:
    wiki.definition |= {"enable_attachments": False}
    wiki.run()
    page = wiki.model.find("Guide")
    wiki.model.edit(page, body=f"<p>{WORD}</p>")
    return str(page)


@pytest.fixture
def staged(wiki: Wiki, page: str) -> int:
    """Stage the page, and return the run that did."""
    plan = list_changes(wiki.context, wiki.datasource)
    extract(wiki.context, "docs", plan.revision, 0)
    assert holding(wiki.folder / "state"), "it was never there, so its absence would show nothing"
    return plan.revision


def test_a_commit_leaves_no_text(wiki: Wiki, staged: int) -> None:
    index(wiki.context, "docs", staged, 0)
    commit(wiki.context, "docs", staged)
    assert WORD in wiki.documents()[str(wiki.model.find("Guide"))].content
    assert holding(wiki.folder / "state") == []


def test_a_commit_after_a_step_that_failed_leaves_no_text(wiki: Wiki, staged: int) -> None:
    assert not commit(wiki.context, "docs", staged).clean
    assert holding(wiki.folder / "state") == []


@pytest.mark.parametrize("fate", ["restricted", "deleted", "edited"])
def test_the_text_of_a_run_that_was_killed_goes_with_the_next_commit(
    wiki: Wiki, page: str, staged: int, fate: str
) -> None:
    model: Any = wiki.model
    if fate == "restricted":
        model.restrict(page, users=["admin"])
    elif fate == "deleted":
        model.trash(page)
    else:
        model.edit(page, body="<p>something else</p>")
    wiki.run()
    assert holding(wiki.folder / "state") == []
    found = wiki.documents().get(page)
    assert (found is None) == (fate != "edited")
    assert found is None or WORD not in found.content


def test_a_run_that_was_overtaken_stages_nothing_that_stays(wiki: Wiki, page: str) -> None:
    old = list_changes(wiki.context, wiki.datasource)
    extract(wiki.context, "docs", old.revision, 0)
    wiki.model.edit(page, body="<p>something else</p>")
    wiki.run()
    with pytest.raises(Exception, match="run"):
        extract(wiki.context, "docs", old.revision, 0)
    assert holding(wiki.folder / "state") == []


@pytest.mark.parametrize("fate", ["restricted", "deleted"])
def test_the_cached_text_of_an_attachment_leaves_with_its_tombstone(wiki: Wiki, fate: str) -> None:
    guide = wiki.model.find("Guide")
    attachment = wiki.model.attach(guide, "drill.pdf", pdf([[WORD]]), "application/pdf")
    wiki.run()
    assert [name for name in holding(wiki.folder / "state") if "/cache/" in name]
    if fate == "restricted":
        wiki.model.restrict(guide, users=["admin"])
    else:
        wiki.model.delete_attachment(attachment)
    wiki.run(mode="reconcile")
    assert holding(wiki.folder / "state") == []
