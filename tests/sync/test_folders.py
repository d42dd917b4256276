"""Folders, and what else stands in the page tree of Cloud without being a page, as titled documents."""

from __future__ import annotations

import pytest

from airflow_provider_confluence.testing.sandbox.faults import RepeatedCursor, Respond
from tests.sync.conftest import Wiki, fill


@pytest.fixture
def cloud_wiki(cloud, tmp_path):
    wiki = fill(Wiki(cloud, tmp_path))
    wiki.definition["enable_folders"] = True
    return wiki


def in_a_folder(wiki, title="Folder", parent=None):
    folder = wiki.model.create_folder("DOCS", title, parent=parent)
    return folder, wiki.model.create_page("DOCS", f"In {title}", "<p>x</p>", parent=folder)


def folders(wiki):
    return {i: d.title for i, d in wiki.documents().items() if d.type == "folder"}


def test_folders_are_no_documents_unless_somebody_wants_them(cloud_wiki):
    in_a_folder(cloud_wiki)
    del cloud_wiki.definition["enable_folders"]
    assert cloud_wiki.run().clean
    assert folders(cloud_wiki) == {}


def test_a_folder_is_a_document_with_its_title_place_and_address_and_no_content(cloud_wiki):
    outer = cloud_wiki.model.create_folder("DOCS", "Outer")
    inner, page = in_a_folder(cloud_wiki, "Inner", parent=outer)
    assert cloud_wiki.run().clean
    assert {outer: "Outer", inner: "Inner"} == folders(cloud_wiki)
    documents = cloud_wiki.documents()
    found = documents[inner]
    assert (outer, ["Outer"], "DOCS", "", "metadata_only") == (
        found.parent_id,
        [step.title for step in found.ancestors],
        found.space.key,
        found.content,
        found.outcome,
    )
    assert found.url.startswith(cloud_wiki.sandbox.endpoint)
    assert found.url.endswith(f"/folder/{inner}/Inner")
    assert [step.title for step in documents[page].ancestors] == ["Outer", "Inner"]


def test_a_folder_that_holds_no_page_is_found_by_a_search_when_everything_is_compared(cloud_wiki):
    outer = cloud_wiki.model.create_folder("DOCS", "Outer")
    inner = cloud_wiki.model.create_folder("DOCS", "Inner", parent=outer)
    cloud_wiki.model.create_folder("OPS", "Elsewhere")
    assert cloud_wiki.run().clean
    assert {outer: "Outer", inner: "Inner"} == folders(cloud_wiki)
    assert [step.title for step in cloud_wiki.documents()[inner].ancestors] == ["Outer"]
    late = cloud_wiki.model.create_folder("DOCS", "Late")
    cloud_wiki.run(mode="changes")
    assert late not in folders(cloud_wiki)
    cloud_wiki.run(mode="reconcile")
    assert folders(cloud_wiki)[late] == "Late"
    cloud_wiki.model.purge(late)
    assert cloud_wiki.run(mode="reconcile").clean
    assert late not in folders(cloud_wiki)
    assert cloud_wiki.run(mode="reconcile").counts["written"] == 0


def test_what_the_search_does_not_find_stays_as_long_as_it_is_there(cloud_wiki):
    empty = cloud_wiki.model.create_folder("DOCS", "Empty")
    cloud_wiki.run()
    cloud_wiki.model.readings.cql_finds_tree = "nothing"
    assert cloud_wiki.run(mode="reconcile").clean
    assert {empty: "Empty"} == folders(cloud_wiki)
    cloud_wiki.model.purge(empty)
    assert cloud_wiki.run(mode="reconcile").clean
    assert folders(cloud_wiki) == {}


def test_folders_are_searched_for_alone_where_the_search_knows_no_other_type(cloud_wiki):
    empty = cloud_wiki.model.create_folder("DOCS", "Empty")
    cloud_wiki.definition["space"] = ["DOCS", "OPS"]
    cloud_wiki.model.readings.cql_finds_tree = "folders"
    assert cloud_wiki.run().clean
    assert {empty: "Empty"} == folders(cloud_wiki)
    asked = cloud_wiki.sandbox.requests.matching("*/rest/api/content/search")
    searched = [each for each in asked if "folder" in each.query["cql"][0]]
    assert [each.status for each in searched] == [400, 200]


def test_a_search_that_fails_costs_nothing_but_what_it_would_have_found(cloud_wiki):
    folder, _ = in_a_folder(cloud_wiki)
    cloud_wiki.model.create_folder("DOCS", "Empty")
    cloud_wiki.sandbox.faults.add(Respond(403, route="*/rest/api/content/search", times=None))
    assert cloud_wiki.run().clean
    assert {folder: "Folder"} == folders(cloud_wiki)


def test_where_labels_are_wanted_a_folder_is_in_for_what_stands_below_it_whatever_the_search_says(cloud_wiki):
    cloud_wiki.definition["include_labels"] = ["howto"]
    model = cloud_wiki.model
    model.create_folder("DOCS", "Empty")
    model.create_page("DOCS", "Salaries of all", "", parent=model.create_folder("DOCS", "Salaries"))
    model.create_page("DOCS", "How to", "", parent=model.create_folder("DOCS", "Guides"), labels=["howto"])
    cloud_wiki.run()
    assert set(folders(cloud_wiki).values()) == {"Guides"}
    cloud_wiki.sandbox.faults.add(Respond(500, route="*/content/search", times=None))
    assert cloud_wiki.run(mode="reconcile").counts.get("deleted", 0) == 0
    assert set(folders(cloud_wiki).values()) == {"Guides"}


def test_only_empty_folders_below_the_root_pages_are_taken(cloud_wiki):
    root = cloud_wiki.model.create_page("DOCS", "Root")
    below = cloud_wiki.model.create_folder("DOCS", "Below", parent=root)
    cloud_wiki.model.create_folder("DOCS", "Beside")
    cloud_wiki.definition["root_pages"] = [root]
    assert cloud_wiki.run().clean
    assert {below: "Below"} == folders(cloud_wiki)


def test_folders_cost_no_request_that_the_ancestors_of_pages_do_not_cost(cloud_wiki):
    for title in ("One", "Two", "Three"):
        in_a_folder(cloud_wiki, title)
    asked = {}
    for wanted in (False, True):
        cloud_wiki.definition["enable_folders"] = wanted
        cloud_wiki.run(mode="full")
        cloud_wiki.sandbox.requests.clear()
        cloud_wiki.run(mode="full")
        asked[wanted] = cloud_wiki.sandbox.requests.count("*/api/v2/folders/*")
    assert asked == {False: 3, True: 3}


def test_a_renamed_or_moved_folder_follows_with_the_pages_below_it(cloud_wiki):
    outer, _ = in_a_folder(cloud_wiki, "Outer")
    folder, page = in_a_folder(cloud_wiki)
    cloud_wiki.run()
    cloud_wiki.model.edit(folder, title="Renamed")
    cloud_wiki.run(mode="reconcile")
    assert {outer: "Outer", folder: "Renamed"} == folders(cloud_wiki)
    cloud_wiki.model.move(folder, parent=outer)
    cloud_wiki.run(mode="reconcile")
    documents = cloud_wiki.documents()
    assert outer == documents[folder].parent_id
    assert [step.title for step in documents[page].ancestors] == ["Outer", "Renamed"]
    assert cloud_wiki.run(mode="reconcile").counts["written"] == 0


def test_a_folder_that_is_empty_now_stays_and_one_that_is_deleted_goes(cloud_wiki):
    folder, page = in_a_folder(cloud_wiki)
    cloud_wiki.run()
    cloud_wiki.model.purge(page)
    assert cloud_wiki.run(mode="reconcile").clean
    assert {folder: "Folder"} == folders(cloud_wiki)
    cloud_wiki.model.purge(folder)
    assert cloud_wiki.run(mode="reconcile").clean
    assert folders(cloud_wiki) == {}


def test_a_folder_in_the_trash_goes_and_its_pages_stay(cloud_wiki):
    folder, page = in_a_folder(cloud_wiki)
    cloud_wiki.run()
    cloud_wiki.model.trash(folder)
    assert cloud_wiki.run(mode="reconcile").clean
    assert folders(cloud_wiki) == {}
    assert cloud_wiki.documents()[page].ancestors == ()


def test_the_folder_of_a_new_page_comes_with_the_latest_changes(cloud_wiki):
    cloud_wiki.run()
    folder, page = in_a_folder(cloud_wiki)
    assert cloud_wiki.run(mode="changes").mode == "changes"
    assert {folder: "Folder"} == folders(cloud_wiki)
    assert page in cloud_wiki.documents()


def test_a_listing_of_pages_that_did_not_finish_deletes_no_folder(cloud_wiki):
    folder, page = in_a_folder(cloud_wiki)
    cloud_wiki.run()
    cloud_wiki.model.purge(page)
    cloud_wiki.model.purge(folder)
    for number in range(300):
        cloud_wiki.model.create_page("DOCS", f"Page {number}")
    cloud_wiki.sandbox.faults.add(RepeatedCursor(route="*/api/v2/spaces/*/pages", times=None))
    cloud_wiki.run(mode="reconcile")
    assert {folder: "Folder"} == folders(cloud_wiki)
    cloud_wiki.sandbox.faults.clear()
    cloud_wiki.run(mode="reconcile")
    assert folders(cloud_wiki) == {}


def test_a_folder_that_cannot_be_seen_for_a_moment_is_not_gone_while_a_page_names_it(cloud_wiki):
    folder, _ = in_a_folder(cloud_wiki)
    cloud_wiki.definition["restricted"] = "include"  # else who may read what is below it is not known meanwhile
    cloud_wiki.run()
    cloud_wiki.sandbox.faults.add(Respond(404, route=f"*/api/v2/folders/{folder}", times=None))
    cloud_wiki.run(mode="reconcile")
    assert {folder: "Folder"} == folders(cloud_wiki)


def test_folders_go_when_nobody_wants_them_any_more(cloud_wiki):
    in_a_folder(cloud_wiki)
    cloud_wiki.run()
    cloud_wiki.definition["enable_folders"] = False
    assert cloud_wiki.run().clean
    assert folders(cloud_wiki) == {}


def test_only_folders_below_the_root_pages_are_taken(cloud_wiki):
    above = cloud_wiki.model.create_folder("DOCS", "Above")
    root = cloud_wiki.model.create_page("DOCS", "Root", parent=above)
    below, _ = in_a_folder(cloud_wiki, "Below", parent=root)
    in_a_folder(cloud_wiki, "Beside")
    cloud_wiki.definition["root_pages"] = [root]
    assert cloud_wiki.run().clean
    assert {below: "Below"} == folders(cloud_wiki)


def test_data_center_has_none_and_takes_the_setting_calmly(datacenter, tmp_path):
    wiki = fill(Wiki(datacenter, tmp_path))
    wiki.definition["enable_folders"] = True
    in_a_folder(wiki)
    assert wiki.run().clean
    assert folders(wiki) == {}
