"""Labels that Cloud's search does not tell: asked for one by one, as far as one run may, and never at the cost of the pages."""

from __future__ import annotations

import pytest

from airflow_provider_confluence.sync import labels
from airflow_provider_confluence.testing.sandbox.faults import Respond
from tests.sync.conftest import Wiki, fill

SEARCH = "*/rest/api/content/search"


@pytest.fixture
def wiki(cloud, tmp_path):
    """A wiki whose search fails."""
    filled = fill(Wiki(cloud, tmp_path))
    filled.definition |= {"enable_blogposts": False, "enable_attachments": False}
    cloud.faults.add(Respond(403, route=SEARCH, times=None))
    return filled


def asked_for_labels(wiki):
    return sum(request.path.endswith("/labels") for request in wiki.sandbox.requests)


def recovers(wiki):
    wiki.sandbox.faults.clear()
    wiki.sandbox.requests.clear()
    result = wiki.run()
    assert result.clean
    assert wiki.indexed() == wiki.expected()
    return result


def test_without_a_search_each_item_is_asked_for(wiki):
    assert wiki.run().clean
    assert asked_for_labels(wiki) == 4
    assert wiki.indexed() == wiki.expected()


def test_a_run_asks_a_bounded_number_and_indexes_the_other_pages_without_labels_until_they_are_known(wiki, monkeypatch):
    monkeypatch.setattr(labels, "MOST_ASKED", 40)
    ids = [wiki.model.create_page("DOCS", f"Page {n}", "", labels=["many"]) for n in range(60)]

    first = wiki.run()

    assert asked_for_labels(wiki) == 40
    assert not first.clean
    assert any("labels of 24 items" in note and "24 documents lack them" in note for note in first.notes)
    indexed = wiki.indexed()
    assert indexed.keys() == wiki.expected().keys()
    assert sum(indexed[content_id]["labels"] == [] for content_id in ids) in range(20, 25)

    wiki.sandbox.requests.clear()
    second = wiki.run()  # the search still fails: what was written without its labels comes first
    assert second.mode == "reconcile"
    assert asked_for_labels(wiki) == 40
    assert wiki.indexed() == wiki.expected()

    # Once everything is known nothing is written again, whichever items the run could ask for, and the run is clean.
    third = wiki.run(mode="reconcile")
    assert (third.counts.get("written", 0), third.counts["unchanged"]) == (0, len(ids) + 4)
    assert third.clean
    assert any("labels of 24 items" in note and "0 documents lack them" in note for note in third.notes)
    assert recovers(wiki).counts.get("written", 0) == 0


def test_a_label_that_changes_while_the_search_fails_is_seen_when_its_turn_comes(wiki):
    wiki.run()
    wiki.model.relabel(wiki.model.find("Chapter"), ["moved-on"])
    assert wiki.run(mode="reconcile").clean
    assert wiki.indexed() == wiki.expected()


@pytest.mark.parametrize("status", [403, 500])
def test_one_item_whose_labels_cannot_be_had_stops_nothing(wiki, status):
    guide = wiki.model.find("Guide")
    wiki.sandbox.faults.add(Respond(status, route=f"*/pages/{guide}/labels", times=None))

    result = wiki.run()

    assert not result.clean
    assert wiki.indexed().keys() == wiki.expected().keys()
    assert {i for i, found in wiki.indexed().items() if found != wiki.expected()[i]} == {guide}
    recovers(wiki)


def test_where_labels_decide_what_has_unknown_ones_is_left_as_it_is(wiki):
    wiki.definition["include_labels"] = ["howto"]
    assert wiki.run().clean
    guide = wiki.model.find("Guide")
    wiki.sandbox.faults.add(Respond(500, route=f"*/pages/{guide}/labels", times=None))

    assert not wiki.run(mode="reconcile").clean
    assert wiki.indexed().keys() == {guide}
    recovers(wiki)


def test_a_page_that_gets_an_unwanted_label_leaves_however_many_others_are_out_of_scope(wiki, monkeypatch):
    monkeypatch.setattr(labels, "MOST_ASKED", 10)
    wiki.definition["exclude_labels"] = ["secret"]
    for number in range(40):
        wiki.model.create_page("DOCS", f"Secret {number}", "", labels=["secret"])
    wiki.sandbox.faults.clear()
    assert wiki.run().clean
    wiki.sandbox.faults.add(Respond(403, route=SEARCH, times=None))
    guide = wiki.model.find("Guide")
    wiki.model.relabel(guide, ["secret"])
    wiki.run(mode="reconcile")
    assert guide not in wiki.indexed()


def test_a_search_that_does_not_answer_is_tried_in_one_space_only(wiki):
    for number in range(4):
        wiki.model.create_space(f"S{number}", f"Space {number}")
        wiki.model.create_page(f"S{number}", "Page", "", labels=["kept"])
    wiki.definition |= {"space": "*", "enable_folders": True}
    wiki.sandbox.faults.clear()
    wiki.sandbox.faults.add(Respond(500, route=SEARCH, times=None))
    wiki.run()
    assert sum(request.path.endswith("/content/search") for request in wiki.sandbox.requests) == 3
    assert wiki.indexed() == wiki.expected()
