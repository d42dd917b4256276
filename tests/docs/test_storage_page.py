"""The page about storage is true: what lies there, and what is said about losing and restoring it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from airflow_provider_confluence.cli import main
from airflow_provider_confluence.errors import OwnershipError
from airflow_provider_confluence.sinks.local import LocalIndex, LocalSink
from airflow_provider_confluence.sync.checking import check_storage
from tests.sync.conftest import Wiki, fill

PAGE = (Path(__file__).parents[2] / "docs" / "storage.md").read_text(encoding="utf-8")


@pytest.fixture
def wiki(cloud, tmp_path):
    """A wiki whose index lies where the command line looks for it: below the storage."""
    wiki = fill(Wiki(cloud, tmp_path))
    wiki.make_sink = lambda datasource: _local(tmp_path)
    return wiki


def _local(folder):
    return LocalSink(folder / "state" / "index" / "indexing_documents.sqlite3")


def held(wiki):
    """The titles of what the index holds."""
    with LocalIndex(_local(wiki.folder).path) as index:
        return {hit.title for hit in index.search(limit=100).hits}


def shown(wiki):
    return {record.title for record in wiki.model.visible(["DOCS"], ["page", "blogpost", "attachment"])}


def described() -> list[str]:
    """The places that the page names, as patterns."""
    block = re.search(r"## What lies in it\n\n```text\n(.*?)```", PAGE, re.DOTALL)[1]
    patterns, inside = [], ""
    for indent, name in re.findall(r"^( *)(\S.*?)(?: {2,}.*)?$", block, re.MULTILINE):
        if name == "<datasource id>/":
            inside = "docs/"
            continue
        name = re.sub(r"<.*?>", "[^/]+", name.replace(".", r"\."))
        patterns.append((inside if indent else "") + name + (".*" if name.endswith("/") else ""))
    return patterns


def test_every_file_of_a_storage_is_on_the_page_and_every_file_of_the_page_has_been_seen(wiki):
    wiki.run()
    check_storage(wiki.context.storage)
    state = wiki.folder / "state"
    (state / "instance.json").rename(wiki.folder / "lost")
    with pytest.raises(OwnershipError):
        wiki.run(mode="verify")
    files = [str(path.relative_to(state)) for path in state.rglob("*") if path.is_file()]
    patterns = described()
    assert [file for file in files if not any(re.fullmatch(pattern, file) for pattern in patterns)] == []
    unseen = [pattern for pattern in patterns if not any(re.fullmatch(pattern, file) for file in files)]
    assert unseen == [r"docs/arrivals/[^/]+\.json"]  # which takes a second datasource


def test_after_an_older_copy_is_restored_verify_finds_what_only_the_sink_knows(wiki):
    wiki.run()
    state, copy = wiki.folder / "state" / "docs", wiki.folder / "copy"
    shutil.copytree(state, copy)
    page = wiki.model.create_page("DOCS", "Came and went", "<p>x</p>")
    wiki.run()
    wiki.model.trash(page)
    shutil.rmtree(state)
    shutil.copytree(copy, state)

    assert wiki.run(mode="reconcile").clean
    assert held(wiki) - shown(wiki) == {"Came and went"}
    assert wiki.run(mode="verify").clean
    assert held(wiki) == shown(wiki)


def test_a_storage_that_is_lost_is_made_good_by_adopting_the_documents(wiki, capsys):
    wiki.run()
    wiki.model.trash(wiki.model.find("Appendix"))
    state = wiki.folder / "state"
    for name in ("instance.json", "docs"):
        (state / name).rename(wiki.folder / f"lost-{name}")
    with pytest.raises(OwnershipError):
        wiki.run()
    assert main(["adopt", "docs", "--storage", str(state)]) == 0
    assert wiki.run().clean
    assert held(wiki) == shown(wiki)


def test_a_local_index_that_is_lost_comes_back_with_verify(wiki):
    wiki.run()
    shutil.rmtree(wiki.folder / "state" / "index")
    assert wiki.run(mode="verify").clean
    assert held(wiki) == shown(wiki)
