"""What is in scope: every space but some, and what happens to what enters and what leaves."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from airflow_provider_confluence.errors import DatasourceError, SpaceNotFoundError
from airflow_provider_confluence.testing.sandbox import Sandbox
from airflow_provider_confluence.testing.sandbox.faults import Tamper
from tests.contracts.checker import ContractChecker
from tests.sync.conftest import Wiki, fill

EVERYWHERE = {"name": "Docs", "space": "*", "enable_blogposts": True, "enable_attachments": True}


@pytest.fixture
def everywhere(wiki):
    """A wiki with a personal space besides, all of it in scope but for that."""
    wiki.model.create_space("~ada", "Ada", type="personal")
    wiki.model.create_page("~ada", "Diary", "<p>Dear diary</p>")
    wiki.definition = dict(EVERYWHERE)
    return wiki


def keys_in(wiki):
    return {item["space"] for item in wiki.indexed().values()}


def many_in(wiki, key, count=60):
    return [wiki.model.create_page(key, f"{key} {number}", "") for number in range(count)]


# ---------------------------------------------------------------- every space
def test_a_star_takes_every_space_but_personal_ones(everywhere):
    everywhere.run()
    assert keys_in(everywhere) == {"DOCS", "OPS"}
    assert everywhere.indexed() == everywhere.expected()


def test_personal_spaces_are_in_where_they_are_wanted(everywhere):
    everywhere.definition["personal_spaces"] = True
    everywhere.run()
    assert keys_in(everywhere) == {"DOCS", "OPS", "~ada"}


def test_an_excluded_space_is_out_whatever_the_case_of_its_key(everywhere):
    everywhere.definition["exclude_spaces"] = ["ops"]
    everywhere.run()
    assert keys_in(everywhere) == {"DOCS"}


def test_a_space_that_appears_is_indexed_even_by_a_quick_run(everywhere):
    everywhere.definition["cheap_reconcile_requests"] = 1
    everywhere.run()
    assert everywhere.run().mode == "changes"
    everywhere.model.create_space("NEW", "New")
    everywhere.model.create_page("NEW", "Arrived", "<p>New here</p>")
    assert everywhere.run().mode == "reconcile"
    assert everywhere.indexed() == everywhere.expected()
    assert everywhere.run().mode == "changes"


@pytest.mark.parametrize("end", ["delete_space", "hide_space", "archive_space"])
def test_a_space_that_disappears_is_removed_like_anything_that_is_deleted(everywhere, end):
    everywhere.run()
    getattr(everywhere.model, end)("OPS")
    assert everywhere.run().clean
    assert everywhere.indexed() == everywhere.expected()
    assert keys_in(everywhere) == {"DOCS"}


@pytest.mark.parametrize("end", ["delete_space", "hide_space", "archive_space"])
def test_a_large_space_that_disappears_waits_for_consent(everywhere, end):
    many_in(everywhere, "OPS")
    everywhere.run()
    before = everywhere.indexed()
    getattr(everywhere.model, end)("OPS")
    held = everywhere.run()
    assert held.counts["withheld"] == 61
    assert everywhere.indexed() == before
    assert everywhere.run(allow_mass_delete=held.revision).clean
    assert everywhere.indexed() == everywhere.expected()


def test_a_large_space_that_is_excluded_needs_no_consent(everywhere):
    many_in(everywhere, "OPS")
    everywhere.run()
    everywhere.definition["exclude_spaces"] = ["OPS"]
    assert everywhere.run().clean
    assert everywhere.indexed() == everywhere.expected()
    del everywhere.definition["exclude_spaces"]
    everywhere.run()
    assert everywhere.indexed() == everywhere.expected()


def test_going_from_every_space_to_one_and_back_needs_no_consent(everywhere):
    many_in(everywhere, "OPS")
    everywhere.run()
    for space in ("DOCS", "*"):
        everywhere.definition["space"] = space
        assert everywhere.run().clean
        assert everywhere.indexed() == everywhere.expected()


def test_a_space_that_disappears_while_another_is_excluded_still_waits_for_consent(everywhere):
    everywhere.model.create_space("OLD", "Old")
    many_in(everywhere, "OPS")
    many_in(everywhere, "OLD")
    everywhere.run()
    everywhere.definition["exclude_spaces"] = ["OLD"]
    everywhere.model.hide_space("OPS")
    assert everywhere.run().counts["withheld"] == 61
    assert keys_in(everywhere) == {"DOCS", "OPS"}


def test_a_list_of_spaces_that_leaves_one_out_deletes_nothing(everywhere):
    everywhere.run()
    before = everywhere.indexed()

    def shorten(request, response):
        if not any(name in request.query for name in ("keys", "spaceKey")):
            response.document["results"] = [row for row in response.document["results"] if row["key"] != "OPS"]

    route = "*/api/v2/spaces" if everywhere.sandbox.edition == "cloud" else "*/rest/api/space"
    everywhere.sandbox.faults.add(Tamper(shorten, route=route, times=None))
    everywhere.run()
    assert everywhere.indexed() == before


def test_a_star_that_sees_no_space_fails_and_deletes_nothing(everywhere):
    everywhere.run()
    before = everywhere.indexed()
    for key in ("DOCS", "OPS", "~ada"):
        everywhere.model.hide_space(key)
    with pytest.raises(SpaceNotFoundError, match="sees no space"):
        everywhere.run()
    assert everywhere.indexed() == before


def test_excluding_every_space_fails_and_deletes_nothing(everywhere):
    everywhere.run()
    before = everywhere.indexed()
    everywhere.definition["exclude_spaces"] = ["DOCS", "OPS"]
    with pytest.raises(SpaceNotFoundError, match="leave none"):
        everywhere.run()
    assert everywhere.indexed() == before


# ---------------------------------------------------------------- what is typed stays a value
typed = st.text(min_size=1, max_size=12) | st.sampled_from(
    ['DOCS" or space = "OPS', "DOCS,OPS", "DOCS&keys=OPS", "DOCS\\", "OPS ", "../OPS", "~*", "%4FPS", 'x") or ("" = "']
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edition=st.sampled_from(["cloud", "datacenter"]), text=typed, star=st.booleans())
def test_nothing_typed_into_the_settings_lists_another_space(tmp_path_factory, edition, text, star):
    assume(text.strip() and text not in ("*", "OPS", "DOCS"))
    checker = ContractChecker(edition)
    with Sandbox(edition, observer=checker) as sandbox:
        wiki = fill(Wiki(sandbox, tmp_path_factory.mktemp("w")))
        if star:
            assume(text.casefold() not in ("ops", "docs"))
            wiki.definition |= {"space": "*", "exclude_spaces": ["OPS", text]}
            wiki.run()
            assert keys_in(wiki) == {"DOCS"}
        else:
            wiki.definition |= {"space": ["DOCS", text]}
            with pytest.raises(SpaceNotFoundError):
                wiki.run()
        number = str(wiki.model.space("OPS").id)
        listings = [request for request in sandbox.requests if not request.path.endswith(("/spaces", "/space"))]
        for request in listings:
            assert number not in request.path.split("/")
            assert not any(number in values or "OPS" in " ".join(values) for values in request.query.values())
    checker.assert_clean()


# ---------------------------------------------------------------- what is refused
def test_what_cannot_hold_together_is_refused_in_one_go(wiki):
    wiki.definition |= {"exclude_spaces": ["A"], "personal_spaces": True, "exclude_space": ["B"]}
    with pytest.raises(DatasourceError) as caught:
        _ = wiki.datasource
    said = "\n".join(caught.value.problems)
    for words in (
        "docs.exclude_spaces:",
        "docs.personal_spaces:",
        "docs.exclude_space: unknown",
        "mean exclude_spaces?",
    ):
        assert words in said


# ---------------------------------------------------------------- the price of what is out of scope
def test_attachments_of_other_spaces_do_not_make_a_quiet_quick_run_read_them_all(wiki):
    page = wiki.model.find("Runbook")
    with wiki.model.at(datetime(2020, 1, 1, tzinfo=timezone.utc)):
        for number in range(600):
            wiki.model.attach(page, f"{number}.txt", b"x", "text/plain")
    wiki.definition["cheap_reconcile_requests"] = 1
    wiki.run()
    wiki.sandbox.requests.clear()
    assert wiki.run().mode == "changes"
    assert wiki.sandbox.requests.count("*/attachments") <= 2
