"""Who may read a document follows the wiki: restrictions, moves, what cannot be read, and what is left out where documents do not say
it."""

from __future__ import annotations

import json
import threading

import pytest

from airflow_provider_confluence.permissions import principals_of
from airflow_provider_confluence.sync import readers, recipe
from airflow_provider_confluence.sync.commit import verdict
from airflow_provider_confluence.testing.sandbox.faults import During, Respond
from airflow_provider_confluence.testing.sandbox.permissions import EVERYONE, SpaceAccess
from tests.sinks.test_local_readers import without_readers
from tests.sync.conftest import Wiki, fill
from tests.sync.histories import including


class NoBodies(Respond):
    """Answers nothing where bodies are asked for."""

    def matches(self, request):
        return "body" in request.raw_query and super().matches(request)


@pytest.fixture
def open_wiki(wiki):
    """The small wiki, indexed with permissions: Home > Guide > Chapter, Home > Appendix."""
    wiki.definition |= {"enable_permissions": True, "enable_comments": True}
    for person in ("ann", "bob"):
        wiki.model.add_user(person, person.title())
    wiki.model.permissions.add_group("red", ["ann"])
    wiki.model.create_comment(wiki.model.find("Guide"), "<p>Well said</p>")
    assert wiki.run().clean
    return wiki


@pytest.fixture
def plain(wiki):
    """The small wiki as it is indexed by default: without permissions, and without what is restricted."""
    wiki.definition["enable_comments"] = True
    wiki.model.create_comment(wiki.model.find("Guide"), "<p>Well said</p>")
    assert wiki.run().clean
    return wiki


def group(wiki, name):
    found = wiki.model.permissions.groups[name]
    return f"group:{found.id if wiki.sandbox.edition == 'cloud' else name}"


def levels(wiki):
    """The levels of each document below the space's, by title."""
    everyone = [group(wiki, EVERYONE)]
    found = {document.title: document.permissions for document in wiki.documents().values()}
    assert all(each[0] == everyone for each in found.values())
    return {title: each[1:] for title, each in found.items() if each != [everyone]}


def titles(wiki):
    return {document.title for document in wiki.documents().values()}


def restrict(wiki, title, **who):
    wiki.model.restrict(wiki.model.find(title), **who)


BELOW_GUIDE = {"Guide", "Chapter", "plan.txt", "Re: Guide"}


# ------------------------------------------------------------------------------------------ with permissions
def test_what_an_earlier_version_indexed_is_written_again_and_then_found_by_its_readers(wiki, monkeypatch):
    wiki.definition["enable_permissions"] = True
    monkeypatch.setattr(recipe, "READERS", 1)
    assert wiki.run().clean
    without_readers(wiki.index().path)
    monkeypatch.undo()
    everyone = principals_of("ann", [group(wiki, EVERYONE).removeprefix("group:")])

    def found():
        with wiki.index() as index:
            return {hit.title for hit in index.search(None, principals=everyone, limit=100).hits}

    assert found() == set()
    result = wiki.run(mode="changes")
    assert (result.clean, result.counts["written"]) == (True, len(titles(wiki)))
    assert found() == titles(wiki)
    assert wiki.run(mode="reconcile").counts["written"] == 0


def test_a_restriction_on_a_page_replans_everything_below_it_and_only_that(open_wiki):
    assert levels(open_wiki) == {}
    restrict(open_wiki, "Guide", groups=["red"])
    restrict(open_wiki, "Chapter", users=["bob"])
    result = open_wiki.run(mode="reconcile")
    red, bob = [group(open_wiki, "red")], ["user:bob"]
    assert {"Guide": [red], "plan.txt": [red], "Re: Guide": [red], "Chapter": [red, bob]} == levels(open_wiki)
    assert (result.counts["written"], result.clean) == (4, True)
    assert open_wiki.run(mode="reconcile").counts["written"] == 0
    restrict(open_wiki, "Guide")
    open_wiki.run(mode="reconcile")
    assert levels(open_wiki) == {"Chapter": [bob]}


def test_a_level_that_two_pages_have_is_written_once(open_wiki):
    for title in ("Home", "Guide", "Chapter"):
        restrict(open_wiki, title, users=["bob"])
    open_wiki.run(mode="reconcile")
    assert levels(open_wiki)["Chapter"] == [["user:bob"]]


def test_who_moves_below_a_restricted_page_is_restricted_and_who_moves_away_is_free(open_wiki):
    model = open_wiki.model
    restrict(open_wiki, "Appendix", groups=["red"])
    model.move(model.find("Guide"), parent=model.find("Appendix"))
    open_wiki.run(mode="reconcile")
    assert set(levels(open_wiki)) == BELOW_GUIDE | {"Appendix"}
    model.move(model.find("Guide"), parent=model.find("Home"))
    open_wiki.run(mode="reconcile")
    assert set(levels(open_wiki)) == {"Appendix"}


def test_what_comes_back_from_the_trash_has_its_readers(open_wiki):
    model, chapter = open_wiki.model, open_wiki.model.find("Chapter")
    model.trash(chapter)
    open_wiki.run(mode="reconcile")
    restrict(open_wiki, "Guide", groups=["red"])
    model.restore(chapter)
    open_wiki.run(mode="reconcile")
    assert levels(open_wiki)["Chapter"] == [[group(open_wiki, "red")]]


def test_another_permission_of_the_space_reaches_every_document(open_wiki):
    open_wiki.model.open_space("DOCS", SpaceAccess(users=("bob",), groups=()))
    open_wiki.run(mode="reconcile")
    assert {json.dumps(document.permissions) for document in open_wiki.documents().values()} == {'[["user:bob"]]'}


def test_switching_permissions_on_and_off_makes_every_document_anew(plain):
    restrict(plain, "Chapter", users=["ann"])
    assert {document.permissions is None for document in plain.documents().values()} == {True}
    plain.definition["enable_permissions"] = True
    assert plain.run().clean
    assert set(levels(plain)) == {"Chapter"}
    plain.definition["enable_permissions"] = False
    assert plain.run().clean
    assert {document.permissions is None for document in plain.documents().values()} == {True}
    assert "Chapter" not in titles(plain)


# ------------------------------------------------------------------------------------------ what cannot be read
def test_what_cannot_be_read_is_closed_with_all_below_it_and_counted(open_wiki):
    restrict(open_wiki, "Guide", refused=True)
    result = open_wiki.run(mode="reconcile")
    assert {title: [[]] for title in BELOW_GUIDE} == levels(open_wiki)
    assert result.counts["unreadable"] == 4
    assert "4 that nobody finds because Confluence does not tell who may read them" in verdict(result)
    assert open_wiki.run(mode="reconcile").counts["written"] == 0
    restrict(open_wiki, "Guide")
    result = open_wiki.run(mode="reconcile")
    assert (levels(open_wiki), result.counts["unreadable"]) == ({}, 0)


def test_a_space_that_does_not_tell_closes_its_documents_and_the_run_is_not_clean(open_wiki):
    open_wiki.model.open_space("DOCS", SpaceAccess(refused=True))
    result = open_wiki.run(mode="reconcile")
    assert not result.clean
    assert "who may see space DOCS cannot be read" in verdict(result)
    assert all(document.permissions[0] == [] for document in open_wiki.documents().values())
    assert result.counts["unreadable"] == result.counts["documents"] > 0


def test_what_stands_below_something_unseen_is_closed_unless_confluence_tells_what_comes_down(open_wiki):
    open_wiki.model.readings.hidden_covers_descendants = False
    open_wiki.model.hide(open_wiki.model.find("Guide"))
    open_wiki.run(mode="reconcile")
    assert levels(open_wiki) == {"Chapter": [[]]}


def test_on_data_center_what_comes_down_from_an_archived_page_is_asked_for(datacenter, tmp_path):
    wiki = fill(Wiki(datacenter, tmp_path))
    wiki.definition["enable_permissions"] = True
    wiki.model.readings.archiving_lifts_children = False
    restrict(wiki, "Guide", users=["ann"])
    wiki.model.archive(wiki.model.find("Guide"))
    assert wiki.run().clean
    assert levels(wiki) == {"Chapter": [["user:ann"]]}


def test_a_document_that_is_open_to_too_many_and_cannot_be_made_anew_is_taken_out(open_wiki):
    restrict(open_wiki, "Chapter", users=["ann"])
    open_wiki.sandbox.faults.add(NoBodies(404, times=None))
    open_wiki.run(mode="reconcile")
    assert "Chapter" not in titles(open_wiki)
    open_wiki.sandbox.faults.clear()
    open_wiki.run(mode="changes")
    assert levels(open_wiki) == {"Chapter": [["user:ann"]]}


def test_a_document_that_more_may_read_now_stays_where_it_cannot_be_made_anew(open_wiki):
    restrict(open_wiki, "Chapter", users=["ann"])
    open_wiki.run(mode="reconcile")
    restrict(open_wiki, "Chapter")
    open_wiki.sandbox.faults.add(NoBodies(404, times=None))
    open_wiki.run(mode="reconcile")
    assert levels(open_wiki) == {"Chapter": [["user:ann"]]}


def test_what_too_many_may_read_is_written_before_anything_else(open_wiki):
    for number in range(3):
        open_wiki.model.create_page("DOCS", f"New {number}", "<p>New</p>")
    restrict(open_wiki, "Chapter", users=["ann"])
    open_wiki.definition["max_items_per_run"] = 1
    result = open_wiki.run(mode="reconcile")
    assert result.counts["left_for_later"] == 3
    assert levels(open_wiki) == {"Chapter": [["user:ann"]]}


def test_beyond_what_a_run_may_ask_old_documents_stay_and_new_ones_are_closed(cloud, tmp_path, monkeypatch):
    wiki = fill(Wiki(cloud, tmp_path))
    wiki.definition["enable_permissions"] = True
    restrict(wiki, "Chapter", users=["ann"])
    assert wiki.run().clean
    wiki.model.create_page("DOCS", "New", "<p>New</p>")
    monkeypatch.setattr(readers, "MOST_ASKED", 0)
    cloud.faults.add(Respond(500, route="*/rest/api/content/search", times=None))
    result = wiki.run(mode="reconcile")
    assert (result.clean, "was not told" in verdict(result)) == (False, True)
    assert levels(wiki) == {"Chapter": [["user:ann"]], "New": [[]]}
    monkeypatch.undo()
    cloud.faults.clear()
    assert wiki.run().clean
    assert levels(wiki) == {"Chapter": [["user:ann"]]}


# ------------------------------------------------------------------------------------------ how soon
@pytest.fixture
def quick(open_wiki):
    open_wiki.definition["cheap_reconcile_requests"] = 1
    open_wiki.run()
    return open_wiki


def test_a_quiet_quick_run_asks_for_no_permissions(quick):
    for number in range(600):
        quick.model.create_page("DOCS", f"Many {number}", "<p>x</p>")
    quick.run(mode="reconcile")
    quick.sandbox.requests.clear()
    assert quick.run().mode == "changes"
    assert not [request.path for request in quick.sandbox.requests if "restriction" in request.path]
    assert not [request.path for request in quick.sandbox.requests if request.path.endswith("/permissions")]


def test_a_restriction_on_a_page_that_was_edited_turns_a_quick_run_into_a_whole_one(quick):
    restrict(quick, "Guide", groups=["red"])
    assert quick.run().mode == "changes"
    assert levels(quick) == {}  # nothing shows it yet
    quick.model.edit(quick.model.find("Guide"), body="<p>Edited</p>")
    assert quick.run().mode == "reconcile"
    assert set(levels(quick)) == BELOW_GUIDE


def test_a_restriction_above_a_page_that_was_edited_does_so_too(quick):
    restrict(quick, "Home", groups=["red"])
    quick.model.edit(quick.model.find("Chapter"), body="<p>Edited</p>")
    assert quick.run().mode == "reconcile"
    assert set(levels(quick)) == BELOW_GUIDE | {"Home", "Appendix"}


def test_an_edit_alone_leaves_a_quick_run_quick_and_a_new_page_has_its_readers_at_once(quick):
    model = quick.model
    restrict(quick, "Guide", groups=["red"])
    quick.run(mode="reconcile")
    model.edit(model.find("Chapter"), body="<p>Edited</p>")
    model.create_page("DOCS", "New", "<p>New</p>", parent=model.find("Chapter"))
    assert quick.run().mode == "changes"
    assert levels(quick)["New"] == [[group(quick, "red")]]


def test_a_targeted_run_brings_the_readers_of_one_page_and_has_the_next_run_look_at_everything(quick):
    restrict(quick, "Guide", groups=["red"])
    quick.run(content_ids=[quick.model.find("Guide")])
    assert set(levels(quick)) == {"Guide"}
    assert quick.run().mode == "reconcile"
    assert set(levels(quick)) == BELOW_GUIDE


# ------------------------------------------------------------------------------------------ what pages show of others
def shown(wiki, title):
    return next(document.content for document in wiki.documents().values() if document.title == title)


def test_a_page_is_included_only_where_all_may_read_it_who_may_read_the_including_page(open_wiki):
    model, home = open_wiki.model, open_wiki.model.find("Home")
    model.edit(home, body=including("Appendix"))
    model.edit(model.find("Chapter"), body=including("Appendix"))
    open_wiki.run()
    assert "See also the guide" in shown(open_wiki, "Home")
    restrict(open_wiki, "Appendix", groups=["red"])
    open_wiki.run(mode="reconcile")
    assert "See also the guide" not in shown(open_wiki, "Home") + shown(open_wiki, "Chapter")
    restrict(open_wiki, "Guide", groups=["red"])
    open_wiki.run(mode="reconcile")
    assert "See also the guide" in shown(open_wiki, "Chapter")
    assert "See also the guide" not in shown(open_wiki, "Home")
    restrict(open_wiki, "Appendix")
    open_wiki.run(mode="reconcile")
    assert "See also the guide" in shown(open_wiki, "Home")


def test_what_waits_for_a_later_run_is_not_shown_to_more_than_may_read_it(open_wiki):
    model = open_wiki.model
    model.edit(model.find("Home"), body=including("Appendix"))
    open_wiki.run()
    restrict(open_wiki, "Appendix", groups=["red"])
    for _ in range(4):
        model.edit(model.find("Home"), body=f"<p>Again</p>{including('Appendix')}")
        open_wiki.definition["max_items_per_run"] = 1
        open_wiki.run(mode="reconcile")
    open_wiki.definition.pop("max_items_per_run")
    open_wiki.run(mode="reconcile")
    assert "See also the guide" not in shown(open_wiki, "Home")


def test_a_link_by_id_says_the_title_of_a_restricted_page_only_to_those_who_may_read_it(open_wiki):
    model = open_wiki.model
    appendix = model.find("Appendix")
    restrict(open_wiki, "Appendix", groups=["red"])
    link = f'<p><ac:link><ri:content-entity ri:content-id="{appendix}"/></ac:link> and more</p>'
    model.edit(model.find("Home"), body=link)
    below = model.create_page("DOCS", "Below", link, parent=appendix)
    open_wiki.run(mode="reconcile")
    assert "Appendix" not in shown(open_wiki, "Home")
    assert "Appendix" in shown(open_wiki, "Below")
    assert below in open_wiki.documents()
    restrict(open_wiki, "Appendix")
    open_wiki.run(mode="reconcile")
    assert "Appendix" in shown(open_wiki, "Home")
    restrict(open_wiki, "Appendix", users=["bob"])
    open_wiki.run(mode="reconcile")
    assert "Appendix" not in shown(open_wiki, "Home")


# ------------------------------------------------------------------------------------------ without permissions
def test_by_default_nothing_that_is_restricted_is_indexed_and_that_is_counted(plain):
    assert titles(plain) == {"Home", "Guide", "Chapter", "Appendix", "News", "plan.txt", "Re: Guide"}
    restrict(plain, "Guide", users=["ann"])
    restrict(plain, "News", groups=["red"])
    result = plain.run(mode="reconcile")
    assert (titles(plain), result.clean) == ({"Home", "Appendix"}, True)
    assert (result.counts["restricted"], result.counts["unreadable"]) == (5, 0)
    assert "5 left out because they are restricted" in verdict(result)
    restrict(plain, "Guide")
    plain.run(mode="reconcile")
    assert titles(plain) == {"Home", "Appendix", "Guide", "Chapter", "plan.txt", "Re: Guide"}


def test_where_the_setting_says_so_restricted_items_are_published(plain):
    restrict(plain, "Guide", users=["ann"])
    plain.definition["restricted"] = "include"
    assert plain.run().clean
    assert titles(plain) >= BELOW_GUIDE
    plain.sandbox.requests.clear()
    plain.run(mode="reconcile")
    assert not [request for request in plain.sandbox.requests if "restriction" in f"{request.path}{request.query}"]


def test_any_number_of_restricted_items_leaves_without_consent(plain):
    for number in range(120):
        plain.model.create_page("DOCS", f"Many {number}", "<p>x</p>", parent=plain.model.find("Appendix"))
    plain.run()
    restrict(plain, "Appendix", users=["ann"])
    result = plain.run(mode="reconcile")
    assert (result.clean, result.counts["withheld"], result.counts["deleted"]) == (True, 0, 121)


def test_many_that_cannot_be_read_wait_for_consent_like_any_other_deletion(plain):
    for number in range(120):
        plain.model.create_page("DOCS", f"Many {number}", "<p>x</p>", parent=plain.model.find("Appendix"))
    plain.run()
    restrict(plain, "Appendix", refused=True)
    result = plain.run(mode="reconcile")
    assert (result.clean, result.counts["withheld"], result.counts["unreadable"]) == (False, 121, 121)


def test_restricted_items_leave_though_a_listing_did_not_finish(plain):
    restrict(plain, "Guide", users=["ann"])
    route = {"cloud": "*/api/v2/attachments", "datacenter": "*/rest/api/content/search"}[plain.sandbox.edition]
    plain.sandbox.faults.add(Respond(404, route=route, times=None))
    result = plain.run(mode="reconcile")
    assert not result.clean
    assert not BELOW_GUIDE & titles(plain)


def test_a_state_of_before_this_setting_is_gone_through_at_once(plain):
    restrict(plain, "Guide", users=["ann"])
    plain.definition["cheap_reconcile_requests"] = 1
    head = plain.folder / "state" / "docs" / "head.json"
    value = json.loads(head.read_bytes())
    del value["datasource"]["restricted"], value["datasource"]["enable_permissions"]
    head.write_text(json.dumps(value))
    result = plain.run()
    assert (result.mode, result.clean) == ("reconcile", True)
    assert not BELOW_GUIDE & titles(plain)


def test_a_restriction_seen_on_an_edited_page_takes_it_and_what_is_below_out_at_once(plain):
    plain.definition["cheap_reconcile_requests"] = 1
    plain.run()
    restrict(plain, "Guide", users=["ann"])
    plain.model.edit(plain.model.find("Guide"), body="<p>Secret</p>")
    assert plain.run().mode == "reconcile"
    assert not BELOW_GUIDE & titles(plain)


def test_a_new_page_below_a_restricted_one_is_not_published_by_a_quick_run(plain):
    restrict(plain, "Guide", users=["ann"])
    plain.definition["cheap_reconcile_requests"] = 1
    plain.run(mode="reconcile")
    plain.model.create_page("DOCS", "New", "<p>Secret</p>", parent=plain.model.find("Chapter"))
    assert plain.run().mode == "changes"
    assert "New" not in titles(plain)


def test_a_targeted_run_takes_a_restricted_page_out(plain):
    plain.definition["cheap_reconcile_requests"] = 1
    plain.run()
    restrict(plain, "Guide", users=["ann"])
    plain.run(content_ids=[plain.model.find("Guide")])
    assert "Guide" not in titles(plain)
    assert plain.run().mode == "reconcile"
    assert not BELOW_GUIDE & titles(plain)


def test_both_settings_together_leave_restricted_items_out_and_name_the_readers_of_the_others(open_wiki):
    restrict(open_wiki, "Guide", users=["ann"])
    open_wiki.definition["restricted"] = "skip"
    assert open_wiki.run().clean
    assert levels(open_wiki) == {}
    assert titles(open_wiki) == {"Home", "Appendix", "News"}


def test_what_a_whole_look_costs_more_is_nothing(plain):
    plain.sandbox.requests.clear()
    plain.run(mode="reconcile")
    with_it = len(plain.sandbox.requests)
    plain.definition["restricted"] = "include"
    plain.run()
    plain.sandbox.requests.clear()
    plain.run(mode="reconcile")
    assert len(plain.sandbox.requests) == with_it


def test_who_may_see_spaces_is_asked_for_at_the_same_time(wiki):
    for key in ("TEAM", "LEGAL"):
        wiki.model.create_space(key, key.title())
        wiki.model.create_page(key, f"Rules of {key}", "<p>Rules</p>")
    wiki.definition |= {"enable_permissions": True, "space": ["DOCS", "TEAM", "LEGAL"]}
    together = threading.Barrier(3)
    waits = During(lambda _: together.wait(20), route="*/permissions", times=3)
    wiki.sandbox.faults.add(waits)
    assert wiki.run().clean
    assert waits.struck == 3
    assert not together.broken
    documents = wiki.documents().values()
    assert {document.space.key for document in documents} == {"DOCS", "TEAM", "LEGAL"}
    assert all(document.permissions and document.permissions[0] for document in documents)
