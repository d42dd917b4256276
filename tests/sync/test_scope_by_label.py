"""What is in scope by its labels, and what happens when labels or the wanted labels change."""

from __future__ import annotations

import pytest

from airflow_provider_confluence.errors import DatasourceError
from airflow_provider_confluence.testing.sandbox.faults import Respond, Tamper


def titles(wiki):
    return {item["title"] for item in wiki.indexed().values()}


def labelled(wiki, label, count=60):
    return [wiki.model.create_page("DOCS", f"{label} {number}", "", labels=[label]) for number in range(count)]


@pytest.fixture
def chosen(wiki):
    """A wiki of which what is labelled howto is in scope."""
    wiki.definition["include_labels"] = ["howto"]
    return wiki


def test_only_what_has_one_of_the_labels_is_in_and_attachments_go_with_it(chosen):
    chosen.model.attach(chosen.model.find("Home"), "out.txt", b"x", "text/plain")
    chosen.run()
    assert titles(chosen) == {"Guide", "plan.txt"}
    assert chosen.indexed() == chosen.expected()


def test_blog_posts_are_chosen_by_their_labels_too(chosen):
    chosen.model.relabel(chosen.model.find("News"), ["howto"])
    chosen.run()
    assert titles(chosen) == {"Guide", "plan.txt", "News"}


def test_what_has_an_excluded_label_is_out_whatever_else_it_has_and_in_whatever_case_it_is_typed(wiki):
    wiki.definition |= {"include_labels": ["HowTo", "start"], "exclude_labels": ["OPS"]}
    wiki.run()
    assert titles(wiki) == {"Home"}


def test_a_page_that_gains_or_loses_a_label_enters_or_leaves(chosen):
    chosen.run()
    chosen.model.relabel(chosen.model.find("Chapter"), ["howto"])
    chosen.model.relabel(chosen.model.find("Guide"), [])
    assert chosen.run().clean
    assert titles(chosen) == {"Chapter"}
    assert chosen.indexed() == chosen.expected()


def test_other_wanted_labels_take_out_and_bring_in_without_consent(wiki):
    labelled(wiki, "old")
    labelled(wiki, "new")
    for setting in (
        {"include_labels": ["old"]},
        {"include_labels": ["new"]},
        {"include_labels": [], "exclude_labels": ["new"]},
        {"exclude_labels": ["old"]},
        {"exclude_labels": []},
    ):
        wiki.definition |= setting
        assert wiki.run().clean
        assert wiki.indexed() == wiki.expected()


def test_a_mass_relabelling_waits_for_consent_like_a_mass_deletion(chosen):
    ids = labelled(chosen, "howto")
    chosen.run()
    for content_id in ids:
        chosen.model.relabel(content_id, ["other"])
    held = chosen.run()
    assert held.counts["withheld"] == 60
    assert set(ids) <= chosen.indexed().keys()
    assert chosen.run(allow_mass_delete=held.revision).clean
    assert chosen.indexed() == chosen.expected()


def test_a_mass_relabelling_waits_even_when_the_settings_change_besides(chosen):
    chosen.definition["include_labels"] = ["howto", "second"]
    ids = labelled(chosen, "howto")
    labelled(chosen, "second")
    chosen.run()
    for content_id in ids:
        chosen.model.relabel(content_id, ["other"])
    chosen.definition["include_labels"] = ["howto"]
    assert chosen.run().counts["withheld"] == 60
    assert "second 1" not in titles(chosen), "what the settings took out goes"
    assert "howto 1" in titles(chosen), "what was relabelled waits"


def test_a_listing_that_did_not_finish_removes_nothing_for_its_labels(chosen):
    labelled(chosen, "other", 260)
    chosen.run()
    before = chosen.indexed()
    chosen.model.relabel(chosen.model.find("Guide"), [])

    def shorten(_request, response):
        response.document["results"].append(response.document["results"][0])

    route = "*/spaces/*/pages" if chosen.sandbox.edition == "cloud" else "*/content/scan"
    chosen.sandbox.faults.add(Tamper(shorten, route=route, times=None))
    assert not chosen.run().clean
    assert chosen.indexed() == before


def test_labels_that_cannot_be_read_decide_nothing(chosen):
    """On Cloud labels come by search, and by item where that fails; on Data Center by the listing."""
    if chosen.sandbox.edition != "cloud":
        pytest.skip("Data Center's listing carries the labels")
    chosen.run()
    before = chosen.indexed()
    chosen.model.relabel(chosen.model.find("Guide"), [])
    chosen.model.relabel(chosen.model.find("Chapter"), ["howto"])
    chosen.sandbox.faults.add(Respond(400, route="*/content/search", times=None))
    chosen.sandbox.faults.add(Respond(404, route="*/labels", times=None))
    assert not chosen.run().clean
    assert chosen.indexed() == before
    chosen.sandbox.faults.clear()
    assert chosen.run().clean
    assert chosen.indexed() == chosen.expected()


@pytest.mark.parametrize(("labels", "left"), [(["howto"], {"Guide", "plan.txt"}), ([], set())])
def test_what_the_listing_left_out_is_judged_by_the_labels_with_which_it_is_found(chosen, labels, left):
    chosen.run()
    chosen.model.relabel(chosen.model.find("Guide"), labels)

    def shorten(_request, response):
        response.document["results"] = [row for row in response.document["results"] if row["title"] != "Guide"]

    route = "*/spaces/*/pages" if chosen.sandbox.edition == "cloud" else "*/content/scan"
    chosen.sandbox.faults.add(Tamper(shorten, route=route, times=None))
    assert chosen.run().clean
    assert titles(chosen) == left


def test_the_way_up_to_a_chosen_page_is_whole(chosen):
    chosen.model.relabel(chosen.model.find("Chapter"), ["howto"])
    chosen.model.relabel(chosen.model.find("Guide"), [])
    chosen.run()
    assert chosen.indexed()[chosen.model.find("Chapter")]["ancestors"] == ["Home", "Guide"]


# ---------------------------------------------------------------- the quick look
@pytest.fixture
def quick(chosen):
    chosen.definition["cheap_reconcile_requests"] = 1
    chosen.run()
    return chosen


def test_a_quick_run_brings_only_what_is_in_scope(quick):
    model = quick.model
    model.create_page("DOCS", "Wanted", "<p>Fresh</p>", labels=["howto"])
    model.create_page("DOCS", "Unwanted", "<p>Fresh</p>")
    model.attach(model.find("Unwanted"), "unwanted.txt", b"x", "text/plain")
    model.attach(model.find("Wanted"), "wanted.txt", b"x", "text/plain")
    assert quick.run().mode == "changes"
    assert quick.indexed() == quick.expected()
    assert "wanted.txt" in titles(quick)


def test_a_page_that_an_edit_shows_to_have_left_turns_a_quick_run_into_a_whole_one(quick):
    guide = quick.model.find("Guide")
    quick.model.edit(guide, body="<p>Edited</p>")
    quick.model.relabel(guide, [])
    assert quick.run().mode == "reconcile"
    assert quick.indexed() == quick.expected() == {}


def test_a_quiet_quick_run_does_not_read_all_that_is_out_of_scope(quick):
    with quick.model.at(quick.model.space("DOCS").created_at.replace(year=2020)):
        labelled(quick, "other", 1200)
    quick.sandbox.requests.clear()
    assert quick.run().mode == "changes"
    route = "*/api/v2/pages" if quick.sandbox.edition == "cloud" else "*/content/search"
    assert quick.sandbox.requests.count(route) <= 4


# ---------------------------------------------------------------- what is typed
def test_labels_never_get_into_a_request(wiki):
    wiki.definition |= {"include_labels": ['howto" or type = "page', "howto"], "exclude_labels": ["zebra) or (1"]}
    wiki.run()
    assert titles(wiki) == {"Guide", "plan.txt"}
    assert not any(
        '" or type' in str(request.query) or "zebra" in str(request.query) for request in wiki.sandbox.requests
    )


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"include_labels": "howto"}, "docs.include_labels: expected a list"),
        ({"include_labels": [""]}, "docs.include_labels: expected a list"),
        ({"exclude_labels": ["a", "a"]}, "docs.exclude_labels: names one twice"),
        ({"include_labels": ["a"], "exclude_labels": ["a"]}, "docs.exclude_labels: a is in include_labels as well"),
        ({"include_label": ["a"]}, "docs.include_label: unknown setting; did you mean include_labels"),
    ],
)
def test_wrong_label_settings_are_refused(wiki, setting, said):
    wiki.definition |= setting
    with pytest.raises(DatasourceError, match=said):
        _ = wiki.datasource
