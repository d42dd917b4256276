"""Pages that show other pages: whose text comes along, what stays a link, and how soon a change of the other page is seen."""

from __future__ import annotations

import pytest

from airflow_provider_confluence.testing.sandbox import ManualClock, Model, Sandbox
from tests.contracts.checker import ContractChecker
from tests.sync.conftest import Wiki, fill
from tests.sync.histories import including as macro


@pytest.fixture(params=["cloud", "datacenter"])
def wiki(request, tmp_path):
    checker = ContractChecker(request.param)
    with Sandbox(request.param, Model(clock=ManualClock()), observer=checker) as sandbox:
        yield fill(Wiki(sandbox, tmp_path))
    checker.assert_clean()


def including(title, *, around=("<p>Before</p>", "<p>After</p>"), **options):
    return f"{around[0]}{macro(title, **options)}{around[1]}"


def words(wiki, content_id):
    return " ".join(wiki.documents()[content_id].content.split())


def test_the_text_of_a_page_in_the_same_space_stands_where_it_is_shown(wiki):
    page = wiki.model.create_page("DOCS", "Shows", including("Guide"))
    post = wiki.model.create_blogpost("DOCS", "Shows too", including("Guide", space="DOCS"))
    wiki.run()
    assert words(wiki, page) == "Before How to roll back a deployment After"
    assert words(wiki, post) == "Before How to roll back a deployment After"


def test_titles_are_found_whatever_their_case(wiki):
    page = wiki.model.create_page("DOCS", "Shows", including("gUIDE"))
    wiki.run()
    assert "roll back" in words(wiki, page)


def test_a_page_of_another_space_stays_a_link(wiki):
    wiki.definition["space"] = ["DOCS", "OPS"]
    page = wiki.model.create_page("DOCS", "Shows", including("Runbook", space="OPS"))
    wiki.run()
    assert "Not in scope" not in words(wiki, page)
    assert "[Runbook](" in words(wiki, page)


def test_a_page_that_the_datasource_leaves_out_stays_a_link(wiki):
    wiki.definition["exclude_labels"] = ["howto"]
    page = wiki.model.create_page("DOCS", "Shows", including("Guide"))
    wiki.run()
    assert "roll back" not in words(wiki, page)
    assert "[Guide](" in words(wiki, page)


def test_an_excerpt_alone_is_shown_where_the_excerpt_is_asked_for(wiki):
    body = (
        '<p>Around</p><ac:structured-macro ac:name="excerpt"><ac:rich-text-body><p>The gist</p></ac:rich-text-body>'
        "</ac:structured-macro>"
    )
    wiki.model.create_page("DOCS", "Whole", body)
    page = wiki.model.create_page("DOCS", "Shows", including("Whole", excerpt=True))
    wiki.run()
    assert words(wiki, page) == "Before The gist After"


def test_pages_are_shown_within_pages_and_never_within_themselves(wiki):
    model = wiki.model
    first = model.create_page("DOCS", "First", including("Second", around=("<p>one</p>", "")))
    second = model.create_page("DOCS", "Second", including("First", around=("<p>two</p>", "")))
    wiki.run()
    assert words(wiki, first).startswith("one two [First](")
    assert words(wiki, second).startswith("two one [Second](")


def test_pictures_of_a_page_that_is_shown_are_its_own(wiki):
    model = wiki.model
    shown = model.create_page("DOCS", "Pictured", '<p><ac:link><ri:attachment ri:filename="plan.pdf"/></ac:link></p>')
    page = model.create_page("DOCS", "Shows", including("Pictured"))
    wiki.run()
    assert f"/download/attachments/{shown}/plan.pdf" in words(wiki, page)


def test_people_on_a_page_that_is_shown_have_names(wiki):
    model = wiki.model
    wiki.model.add_user("5f00-17", "Grace Reader", username="grace")
    attribute = 'ri:account-id="5f00-17"' if wiki.sandbox.edition == "cloud" else 'ri:username="grace"'
    model.create_page("DOCS", "Peopled", f"<p>Ask <ac:link><ri:user {attribute}/></ac:link></p>")
    page = model.create_page("DOCS", "Shows", including("Peopled"))
    wiki.run()
    assert words(wiki, page) == "Before Ask Grace Reader After"


@pytest.mark.parametrize("mode", ["reconcile", "changes"])
def test_an_edit_of_the_page_that_is_shown_brings_those_that_show_it(wiki, mode):
    model = wiki.model
    page = model.create_page("DOCS", "Shows", including("Middle"))
    model.create_page("DOCS", "Middle", including("Guide", around=("<p>Middle</p>", "")))
    wiki.run()
    wiki.sandbox.model.clock.advance(3600)
    model.edit(model.find("Guide"), body="<p>How to go forward</p>")
    result = wiki.run(mode=mode)
    assert result.counts["written"] == 3
    assert words(wiki, page) == "Before Middle How to go forward After"
    assert wiki.run(mode="reconcile").counts["written"] == 0


@pytest.mark.parametrize("mode", ["reconcile", "changes"])
def test_a_page_that_only_now_has_the_title_is_shown_from_now_on(wiki, mode):
    model = wiki.model
    page = model.create_page("DOCS", "Shows", including("Still missing"))
    wiki.run()
    assert "[Still missing](" in words(wiki, page)
    wiki.sandbox.model.clock.advance(3600)
    model.create_page("DOCS", "Still missing", "<p>Here it is</p>")
    assert wiki.run(mode=mode).mode == mode
    assert words(wiki, page) == "Before Here it is After"


@pytest.mark.parametrize("how", ["trash", "retitle", "move", "leave_out"])
def test_text_that_is_no_longer_there_is_no_longer_shown(wiki, how):
    model = wiki.model
    page = model.create_page("DOCS", "Shows", including("Appendix"))
    wiki.run()
    assert "See also the guide" in words(wiki, page)
    appendix = model.find("Appendix")
    if how == "trash":
        model.trash(appendix)
    elif how == "retitle":
        model.edit(appendix, title="Addendum")
    elif how == "move":
        model.move(appendix, space="OPS")
    else:
        model.relabel(appendix, ["secret"])
        wiki.definition["exclude_labels"] = ["secret"]
    wiki.run(mode="reconcile")
    assert "See also the guide" not in words(wiki, page)
    assert "[Appendix](" in words(wiki, page)
    assert wiki.run(mode="reconcile").counts["written"] == 0


def test_what_many_pages_show_is_fetched_once_a_task(wiki):
    for number in range(30):
        wiki.model.create_page("DOCS", f"Shows {number}", including("Guide"))
    wiki.run()
    wiki.sandbox.requests.clear()
    wiki.run(mode="full")
    guide = wiki.model.find("Guide")
    asked = [
        request for request in wiki.sandbox.requests if [guide] in (request.query.get("id"), request.query.get("ids"))
    ]
    assert len(asked) == 1
    assert len(wiki.sandbox.requests) < 25


def test_pages_that_show_each_other_many_times_over_stay_of_a_bounded_size(wiki):
    model = wiki.model
    text = f"<p>{'word ' * 4000}</p>"
    model.create_page("DOCS", "C", text)
    model.create_page("DOCS", "B", "".join(including("C", around=("", "")) for _ in range(20)))
    page = model.create_page("DOCS", "A", "".join(including("B", around=("", "")) for _ in range(20)))
    wiki.run()
    assert len(wiki.documents()[page].content) < 4_500_000
