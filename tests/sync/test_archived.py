"""Archived pages: out by default, in with ``archived``, and what archiving does to the index."""

from __future__ import annotations

import pytest


@pytest.fixture
def archived(wiki):
    """A wiki with an archived page that holds a file, in a datasource that takes it."""
    wiki.definition["archived"] = True
    wiki.model.archive(wiki.model.find("Guide"))
    return wiki


def statuses(wiki):
    return {document.title: document.status for document in wiki.documents().values() if document.type == "page"}


def test_by_default_an_archived_page_is_not_indexed_and_one_that_gets_archived_leaves(wiki):
    wiki.model.archive(wiki.model.find("Appendix"))
    wiki.run()
    assert "Appendix" not in statuses(wiki)
    wiki.model.archive(wiki.model.find("Guide"))
    assert wiki.run().clean
    assert statuses(wiki) == {"Home": "current", "Chapter": "current"}
    wiki.model.unarchive(wiki.model.find("Guide"))
    wiki.run()
    assert wiki.indexed() == wiki.expected()


@pytest.mark.parametrize(
    "readings",
    [
        {},
        {"attachments_follow_container": False},
        {"archiving_lifts_children": False},
        {"cql_lists_archived": True},
        {"scan_available": False},
        {"scan_cursor_with_type": "refused", "scan_remembers_type": False},
        {"search_cap_expanded": 2, "list_cap_expanded": 2},
    ],
)
def test_with_the_setting_archived_pages_and_their_files_are_indexed_as_such(archived, readings):
    for name, value in readings.items():
        setattr(archived.model.readings, name, value)
    archived.run()
    assert statuses(archived) == {"Home": "current", "Chapter": "current", "Appendix": "current", "Guide": "archived"}
    assert archived.model.find("plan.txt") in archived.indexed()
    assert archived.indexed() == archived.expected()
    assert archived.run().counts["unchanged"] == len(archived.expected())


def test_archiving_and_unarchiving_are_seen_when_everything_is_compared(archived):
    archived.definition["cheap_reconcile_requests"] = 1
    archived.run()
    archived.model.unarchive(archived.model.find("Guide"))
    archived.model.archive(archived.model.find("Appendix"))
    assert archived.run().mode == "changes"
    assert statuses(archived)["Guide"] == "archived"
    archived.run(mode="reconcile")
    assert (statuses(archived)["Guide"], statuses(archived)["Appendix"]) == ("current", "archived")
    assert archived.indexed() == archived.expected()


def test_an_archived_page_that_is_deleted_is_removed_and_one_that_a_listing_left_out_stays(archived):
    archived.run()
    archived.model.purge(archived.model.find("Guide"))
    assert archived.run().clean
    assert archived.indexed() == archived.expected()


def test_a_quick_run_brings_what_is_below_an_archived_page_as_a_whole_one_does(archived):
    archived.model.readings.archiving_lifts_children = False
    archived.model.unarchive(archived.model.find("Guide"))
    archived.model.archive(archived.model.find("Guide"))
    archived.definition["cheap_reconcile_requests"] = 1
    archived.run()
    child = archived.model.create_page("DOCS", "Below", "<p>Below</p>", parent=archived.model.find("Guide"))
    assert archived.run().mode == "changes"
    assert child in archived.indexed()
    assert archived.indexed() == archived.expected()
    assert archived.run(mode="reconcile").counts["unchanged"] == len(archived.expected())


def test_switching_the_setting_brings_and_removes_any_number_without_consent(wiki):
    for number in range(60):
        wiki.model.archive(wiki.model.create_page("DOCS", f"Old {number}", ""))
    wiki.run()
    for setting in (True, False, True):
        wiki.definition["archived"] = setting
        assert wiki.run().clean
        assert wiki.indexed() == wiki.expected()


def test_an_archived_page_may_be_a_target_and_a_root(archived):
    guide = archived.model.find("Guide")
    archived.definition["root_pages"] = [guide]
    archived.run()
    assert archived.indexed() == archived.expected()
    assert archived.run(content_ids=[guide, archived.model.find("plan.txt")]).counts["written"] == 2


def test_a_server_that_knows_no_archived_pages_is_listed_all_the_same(wiki):
    from airflow_provider_confluence.testing.sandbox.faults import Respond

    if wiki.sandbox.edition == "cloud":
        pytest.skip("Cloud documents the status")
    refused = Respond(400, times=None)
    refused.matches = lambda request: request.one("status") == "archived"
    wiki.sandbox.faults.add(refused)
    wiki.definition["archived"] = True
    assert wiki.run().clean
    assert statuses(wiki).keys() == {"Home", "Guide", "Chapter", "Appendix"}


def test_comments_of_an_archived_page_stay_out_and_keep_no_quick_run_from_being_quick(archived):
    archived.definition |= {"enable_comments": True, "cheap_reconcile_requests": 1}
    model = archived.model
    guide, home = model.find("Guide"), model.find("Home")
    on_archived = model.create_comment(guide, "<p>On what is archived</p>")
    on_home = model.create_comment(home, "<p>On what is not</p>")
    archived.run()
    indexed = archived.indexed().keys()
    assert on_home in indexed
    assert on_archived not in indexed

    later = model.create_comment(home, "<p>Later</p>")
    result = archived.run()
    assert result.mode == "changes"
    assert later in archived.indexed()
    assert on_archived not in archived.indexed()

    archived.sandbox.requests.clear()
    assert archived.run().counts.get("written", 0) == 0
    quiet = len(archived.sandbox.requests)
    model.edit_comment(on_archived, "<p>Edited where nobody looks</p>")
    archived.sandbox.requests.clear()
    assert archived.run().mode == "changes"
    assert on_archived not in archived.indexed()
    assert len(archived.sandbox.requests) <= quiet + 2
