"""Live documents of Cloud: their edits show at once and become a version only later."""

from __future__ import annotations

import pytest

from airflow_provider_confluence.testing.sandbox import ManualClock, Model, Sandbox
from tests.contracts.checker import ContractChecker
from tests.sync.conftest import Wiki, fill


@pytest.fixture
def wiki(tmp_path):
    checker = ContractChecker("cloud")
    with Sandbox("cloud", Model(clock=ManualClock()), observer=checker) as sandbox:
        yield fill(Wiki(sandbox, tmp_path))
    checker.assert_clean()


def test_an_edit_shows_in_the_index_before_it_is_a_version(wiki):
    page = wiki.model.create_page("DOCS", "Notes", "<p>First words</p>", live=True)
    wiki.run()
    wiki.model.clock.advance(3600)
    wiki.model.edit(page, body="<p>Second words</p>")
    result = wiki.run(mode="reconcile")
    assert result.counts["written"] == 1
    document = wiki.documents()[page]
    assert document.content.strip() == "Second words"
    assert document.source_version == 1


def test_a_version_that_was_made_of_an_edit_is_indexed(wiki):
    page = wiki.model.create_page("DOCS", "Notes", "<p>First words</p>", live=True)
    wiki.run()
    wiki.model.clock.advance(50 * 3600)
    wiki.model.edit(page, body="<p>Second words</p>")
    wiki.model.clock.advance(3600)
    wiki.run(mode="changes")
    document = wiki.documents()[page]
    assert (document.content.strip(), document.source_version) == ("Second words", 2)


def test_a_live_document_that_did_not_change_is_looked_at_and_not_written(wiki):
    wiki.model.create_page("DOCS", "Notes", "<p>First words</p>", live=True)
    wiki.run()
    result = wiki.run(mode="reconcile")
    assert (result.counts["fetched"], result.counts["written"], result.changed) == (1, 0, False)
    assert result.counts["pending"] == 0


def test_an_edit_of_a_live_document_that_rested_for_long_is_seen_at_once(wiki):
    page = wiki.model.create_page("DOCS", "Notes", "<p>First words</p>", live=True)
    wiki.run()
    wiki.model.clock.advance(90 * 24 * 3600)
    wiki.model.edit(page, body="<p>Second words</p>")
    wiki.run(mode="reconcile")
    assert wiki.documents()[page].content.strip() == "Second words"


def test_a_run_in_which_only_live_documents_were_looked_at_writes_no_new_manifest(wiki):
    wiki.model.create_page("DOCS", "Notes", "<p>First words</p>", live=True)
    wiki.run()
    before = sorted(path.name for path in (wiki.folder / "state" / "docs" / "manifest").iterdir())
    wiki.run(mode="reconcile")
    assert sorted(path.name for path in (wiki.folder / "state" / "docs" / "manifest").iterdir()) == before


def test_live_documents_beyond_what_a_run_takes_are_not_left_over(wiki):
    for number in range(5):
        wiki.model.create_page("DOCS", f"Notes {number}", "<p>First words</p>", live=True)
    wiki.run()
    wiki.definition["max_items_per_run"] = 2
    result = wiki.run(mode="reconcile")
    assert (result.counts["left_for_later"], result.counts["pending"]) == (0, 0)


def test_an_ordinary_page_without_a_new_version_is_not_asked_for(wiki):
    wiki.run()
    assert wiki.run(mode="reconcile").counts["fetched"] == 0
