"""The page *Confluence* as people see it: all datasources, one of them, the tabs, and what is hostile."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from airflow_provider_confluence.testing.standalone import Standalone
from tests.ui.conftest import HOSTILE

PAGE = "/plugin/confluence"
FRAMED = f"{PAGE}/airflow/confluence/"
DOCS = f"{FRAMED}?datasource=docs"


def row(seen: Any, name: str) -> Any:
    return seen.ours.locator("tbody tr", has=seen.ours.get_by_role("rowheader").filter(has_text=name))


def indexed(wiki: Any) -> int:
    """How many documents there should be: all that is shown but the one that is too large."""
    return len(wiki.model.visible(["DOCS"], ["page", "blogpost"])) - 1


def state_store(airflow: Standalone, datasource: str) -> str:
    uri = f"confluence://datasource/{datasource}"
    (asset,) = (one for one in airflow.call("GET", f"/assets?uri_prefix_pattern={uri}")["assets"] if one["uri"] == uri)
    return f"/assets/{asset['id']}/state-store"


# ---------------------------------------------------------------- all datasources
def test_the_menu_leads_to_all_datasources_the_most_urgent_first(see: Any, wiki: Any) -> None:
    seen = see("/", ours=False)
    seen.page.get_by_role("button", name="Browse").click()
    seen.page.get_by_role("menuitem", name="Confluence").click()
    seen.wait()
    seen.picture("overview")
    expect(seen.ours.get_by_role("heading", level=1)).to_have_text("Confluence")
    badges = seen.ours.locator("tbody .badge:not(.ongoing)").all_inner_texts()
    states = [badge.split()[-1] for badge in badges]
    # There are more when other tests have been here.
    urgency = ["misconfigured", "failing", "late", "new", "fresh", "disabled"]
    assert states == sorted(states, key=urgency.index)
    assert [states[0], states[-1], states.count("fresh") >= 2] == ["misconfigured", "disabled", True]
    expect(row(seen, "Documentation").get_by_role("cell").nth(3)).to_have_text(str(indexed(wiki)))
    expect(row(seen, "mistake")).to_contain_text("mistake.interval: 'five minutes' is not a duration")
    assert seen.accessibility() == []


def test_a_datasource_opens_and_its_address_can_be_kept(see: Any) -> None:
    seen = see(PAGE)
    seen.ours.get_by_role("link", name="Documentation").click()
    expect(seen.ours.get_by_role("heading", level=1)).to_have_text("Documentation")
    seen.page.wait_for_url(lambda url: "datasource=docs" in url)
    kept = seen.page.url
    seen.page.goto("about:blank")
    seen.page.goto(kept)
    seen.wait()
    expect(seen.ours.get_by_role("heading", level=1)).to_have_text("Documentation")
    seen.ours.get_by_role("link", name="All datasources").click()
    expect(seen.ours.get_by_role("heading", level=1)).to_have_text("Confluence")


def test_without_datasources_it_says_how_to_make_one(see: Any) -> None:
    nothing = json.dumps({"assets": [], "total_entries": 0})
    seen = see(
        PAGE, before=lambda page: page.route("**/api/v2/assets?uri_prefix*", lambda route: route.fulfill(body=nothing))
    )
    expect(seen.ours.get_by_role("heading", level=2)).to_have_text("No datasources yet")
    seen.picture("empty")
    assert seen.accessibility() == []


def test_in_a_narrow_window_nothing_is_cut_off(see: Any) -> None:
    for name, address in (("overview", PAGE), ("datasource", DOCS)):
        seen = see(address, width=420, height=800)
        seen.whole_picture(f"{name}-narrow")
        assert seen.frame.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert seen.accessibility() == []


@pytest.mark.parametrize("dark", [False, True])
def test_it_is_as_dark_or_light_as_airflow(see: Any, dark: bool) -> None:
    seen = see(DOCS, dark=dark)
    expect(seen.ours.locator("html")).to_have_attribute("data-theme", "dark" if dark else "light")
    seen.picture("datasource-dark" if dark else "datasource-light")
    assert seen.accessibility() == []
    # As Airflow's own switch does it.
    seen.page.evaluate("dark => { document.documentElement.className = dark ? 'light' : 'dark' }", dark)
    expect(seen.ours.locator("html")).to_have_attribute("data-theme", "light" if dark else "dark")


# ---------------------------------------------------------------- one datasource
def test_one_datasource_is_told_in_full(see: Any, wiki: Any) -> None:
    seen = see(DOCS)
    seen.ours.get_by_text("The runs in numbers").click()
    seen.whole_picture("datasource")
    text = seen.text()
    for words in (
        "fresh",
        f"{indexed(wiki)} documents in the index",
        "blog post",
        "Shows Confluence as of",
        "Last looked at everything",
        "local: docs",
    ):
        assert words in text, words
    first = seen.ours.get_by_role("group", name="The runs in numbers").locator("tbody tr").last
    expect(first.locator("td").nth(2)).to_have_text("12")  # added: a home, 8 guides, 3 posts
    expect(first.locator("td").nth(5)).to_have_text("1")  # failed
    failure = seen.ours.get_by_role("group", name="What could not be indexed").locator("tbody tr")
    expect(failure).to_have_count(1)
    broken = wiki.model.find(HOSTILE)
    leads = failure.get_by_role("link").get_attribute("href")
    assert leads == f"{wiki.endpoint}/pages/viewpage.action?pageId={broken}"
    assert seen.accessibility() == []


def test_links_lead_out_of_the_frame(see: Any, airflow: Standalone) -> None:
    seen = see(DOCS)
    with seen.page.context.expect_page() as opened:
        seen.ours.get_by_role("group", name="What could not be indexed").get_by_role("link").click()
    assert "/pages/viewpage.action?pageId=" in opened.value.url
    seen.ours.get_by_role("link", name="confluence__docs").click()
    seen.page.wait_for_url(f"{airflow.url}/dags/confluence__docs")


def test_an_unknown_datasource_is_said(see: Any) -> None:
    seen = see(f"{FRAMED}?datasource=nothing")
    expect(seen.ours.get_by_role("heading", level=1)).to_have_text("No such datasource")


def test_an_index_that_is_old_is_late(see: Any, airflow: Standalone) -> None:
    at = f"{state_store(airflow, 'docs')}/state"
    state = airflow.call("GET", at)["value"]
    airflow.call("PUT", at, {"value": {**state, "watermark": "2025-01-01T00:00:00Z"}})
    try:
        seen = see(DOCS)
        expect(seen.ours.locator(".verdict .badge").first).to_contain_text("late")
        expect(seen.ours.locator(".verdict")).to_contain_text("it is to be looked at every 23h")
        seen.picture("late")
    finally:
        airflow.call("PUT", at, {"value": state})


def test_storage_that_forgets_is_a_red_line(see: Any, airflow: Standalone) -> None:
    import shutil

    # The folder of a container that was started anew.
    shutil.rmtree(airflow.home / "confluence" / "forgetful")
    airflow.wait_for_run("confluence__forgetful", airflow.trigger("confluence__forgetful"))
    seen = see(f"{FRAMED}?datasource=forgetful")
    expect(seen.ours.get_by_role("alert")).to_contain_text("The storage lost what was committed")
    seen.picture("storage-lost")
    assert seen.accessibility() == []


# ---------------------------------------------------------------- tabs
def test_a_dag_and_its_runs_have_a_tab_with_its_datasource(see: Any, airflow: Standalone) -> None:
    seen = see("/dags/confluence__docs", ours=False)
    seen.page.get_by_role("link", name="Confluence", exact=True).click()
    seen.wait()
    expect(seen.ours.get_by_role("heading", level=1)).to_have_text("Documentation")
    seen.picture("tab-of-a-dag")
    run_id = airflow.call("GET", f"{state_store(airflow, 'docs')}/recent_runs")["value"][-1]["run_id"]
    of_a_run = see(f"/dags/confluence__docs/runs/{run_id}/plugin/confluence-run")
    expect(of_a_run.ours.locator(".notice")).to_contain_text("13 listed, 12 written, 0 deleted, 1 failed")
    of_a_run.picture("tab-of-a-run")
    assert [*seen.accessibility(), *of_a_run.accessibility()] == []


def test_other_dags_have_a_kind_word(see: Any) -> None:
    seen = see("/dags/something_else/plugin/confluence-datasource")
    expect(seen.ours.get_by_role("heading", level=1)).to_have_text("This DAG has nothing to do with Confluence")
    seen.picture("tab-of-another-dag")
    assert seen.accessibility() == []
    seen.ours.get_by_role("link", name="All datasources").click()
    seen.wait()
    expect(seen.ours.get_by_role("heading", level=1)).to_have_text("Confluence")


# ---------------------------------------------------------------- what goes wrong
def test_an_airflow_that_does_not_answer_is_said_and_what_was_seen_stays(see: Any) -> None:
    seen = see(DOCS)
    seen.page.context.set_offline(True)
    seen.ours.get_by_role("button", name="Refresh").click()
    expect(seen.ours.locator(".load-error")).to_contain_text("Airflow does not answer")
    expect(seen.ours.get_by_role("heading", name="Documents")).to_be_visible()
    seen.picture("no-answer")
    seen.page.context.set_offline(False)
    seen.ours.get_by_role("button", name="Refresh").click()
    expect(seen.ours.locator(".load-error")).to_have_count(0)
    seen.complaints.clear()


def test_a_session_that_ended_is_said(see: Any) -> None:
    seen = see(PAGE)
    seen.page.context.clear_cookies()
    seen.ours.get_by_role("button", name="Refresh").click()
    expect(seen.ours.locator(".load-error")).to_contain_text("Your session has ended")
    seen.complaints.clear()


def test_nobody_without_a_login_gets_the_page(browser: Any, airflow: Standalone) -> None:
    context = browser.new_context()
    answer = context.request.get(f"{airflow.url}/confluence/")
    assert answer.status == 401
    context.close()


def test_hostile_texts_are_shown_as_texts(see: Any, airflow: Standalone) -> None:
    """Names come from whoever edits Variables, messages may hold what authors wrote, and an op can write anything into the state store."""
    store = state_store(airflow, "hostile")
    kept = {
        key: airflow.call("GET", f"{store}/{key}")["value"] for key in ("counts", "failures", "datasource", "state")
    }
    failure = {"content_id": "1", "type": HOSTILE, "reason": HOSTILE, "message": HOSTILE, "attempts": 1, "since": 1}
    planted = {
        "counts": {**kept["counts"], "failing": 2},
        "failures": [failure, {**failure, "content_id": HOSTILE}],
        "datasource": {**kept["datasource"], "site": "javascript:window.parent.stolen=1;//", "space": [HOSTILE]},
        "state": {**kept["state"], "notes": [HOSTILE], "verdict": HOSTILE, "documents": {HOSTILE: 5}},
    }
    for key, value in planted.items():
        airflow.call("PUT", f"{store}/{key}", {"value": value})
    try:
        overview, seen = see(PAGE), see(f"{FRAMED}?datasource=hostile")
        seen.whole_picture("hostile")
        expect(seen.ours.get_by_role("group", name="What could not be indexed").locator("tbody tr")).to_have_count(2)
        for one in (overview, seen):
            assert HOSTILE in one.text()
            assert one.ours.locator("img, script:not([src]), [onerror]").count() == 0
            assert one.page.evaluate("typeof window.stolen") == "undefined"
            assert one.frame.evaluate("document.title") != "1"
        links = seen.ours.locator("a").evaluate_all("links => links.map(link => link.protocol)")
        assert set(links) <= {"http:", "https:"}
    finally:
        for key, value in kept.items():
            airflow.call("PUT", f"{store}/{key}", {"value": value})
