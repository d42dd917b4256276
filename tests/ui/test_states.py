"""The states that a datasource may be in, each brought about for real where that can be, and what the page offers then."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from airflow_provider_confluence.testing.sandbox import Sandbox
from airflow_provider_confluence.testing.sandbox.faults import Stall
from airflow_provider_confluence.testing.standalone import Standalone, wait_until
from tests.ui.made_up import under_way
from tests.ui.seen import Seen, define, runs_of, wait_for_new_run
from tests.ui.test_page import DOCS, FRAMED, PAGE, row

ARCHIVE = f"{FRAMED}?datasource=archive"
STARTING = f"{FRAMED}?datasource=starting"
FORGETFUL = f"{FRAMED}?datasource=forgetful"
AWAITING = 1796032105000
WITHHELD = 56
KEPT = 4


def state(seen: Seen) -> Any:
    return seen.ours.locator(".verdict .badge").first


@pytest.fixture(scope="module")
def revision(wiki: Sandbox, airflow: Standalone) -> int:
    """Bring about a run that withholds deletions; return its revision."""
    model = wiki.model
    model.create_space("OLD", "Archive")
    pages = [model.create_page("OLD", f"Old {number}", "<p>dust</p>") for number in range(WITHHELD + KEPT)]
    define(airflow, "archive", {"name": "Archive", "space": "OLD", "interval": "23h", "queue": {"name": "archive"}})
    first = wait_for_new_run(airflow, "archive", 0)
    assert airflow.wait_for_run("confluence__archive", first["dag_run_id"]) == "success"
    for page in pages[:WITHHELD]:
        model.trash(page)
    run_id = airflow.trigger("confluence__archive")
    assert airflow.wait_for_run("confluence__archive", run_id) == "failed"
    return int(airflow.xcom("confluence__archive", run_id, "commit", "return_value")["revision"])


# ---------------------------------------------------------------- failing, and consent
def test_a_run_that_missed_something_is_failing_and_says_why(see: Any, revision: int) -> None:
    seen = see(ARCHIVE)
    seen.whole_picture("failing")
    expect(state(seen)).to_contain_text("failing")
    expect(seen.ours.locator(".verdict")).to_contain_text(
        f"is not clean: {WITHHELD} deletions are withheld; if they are meant, run again with allow_mass_delete={revision}"
    )
    expect(row(see(PAGE), "Archive")).to_contain_text(f"{WITHHELD} deletions are withheld")
    assert seen.accessibility() == []


def test_a_viewer_sees_that_deletions_are_withheld_and_cannot_allow_them(see: Any, revision: int) -> None:
    seen = see(ARCHIVE, user="vera")
    expect(seen.ours.get_by_role("heading", name=f"{WITHHELD} deletions are withheld")).to_be_visible()
    expect(seen.ours.get_by_role("button", name="Allow these deletions")).to_be_disabled()
    assert seen.accessibility() == []


def test_withheld_deletions_go_ahead_when_they_are_allowed_and_only_then(
    see: Any, airflow: Standalone, revision: int
) -> None:
    before = len(runs_of(airflow, "archive"))
    seen = see(ARCHIVE)
    allow = seen.ours.get_by_role("button", name="Allow these deletions")
    allow.focus()
    seen.page.keyboard.press("Enter")
    question = seen.ours.get_by_role("dialog", name=f"Delete {WITHHELD} documents from the index of Archive?")
    expect(question).to_contain_text(f"This allows what run {revision} withheld, and nothing else.")
    expect(seen.ours.get_by_role("button", name="Keep them")).to_be_focused()
    seen.picture("consent")
    assert seen.accessibility() == []
    seen.page.keyboard.press("Escape")
    expect(question).to_have_count(0)
    expect(allow).to_be_focused()
    assert len(runs_of(airflow, "archive")) == before
    allow.click()
    seen.ours.get_by_role("button", name=f"Delete {WITHHELD}").click()
    run = wait_for_new_run(airflow, "archive", before)
    assert (run["conf"], run["triggering_user_name"]) == ({"allow_mass_delete": revision}, "olga")
    assert airflow.wait_for_run("confluence__archive", run["dag_run_id"]) == "success"
    expect(seen.ours.get_by_text(f"{KEPT} documents in the index.")).to_be_visible()
    expect(seen.ours.get_by_role("heading", name="are withheld")).to_have_count(0)
    expect(state(seen)).to_contain_text("fresh")


@pytest.mark.parametrize("dark", [False, True])
def test_the_question_can_be_read_in_a_narrow_window_dark_or_light(see: Any, airflow: Standalone, dark: bool) -> None:
    with withheld(airflow, "docs", 1234):
        seen = see(DOCS, width=420, height=800, dark=dark)
        seen.ours.get_by_role("button", name="Allow these deletions").click()
        expect(seen.ours.get_by_role("dialog")).to_contain_text("Delete 1,234 documents")
        seen.picture(f"consent-narrow-{'dark' if dark else 'light'}")
        assert seen.frame.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert seen.accessibility() == []


@pytest.mark.parametrize(("now", "asked"), [(1234, "1,234"), (0, "1,100")])
def test_the_question_names_the_number_that_waits_now(see: Any, airflow: Standalone, now: int, asked: str) -> None:
    # The run that is named withheld 1,000, the next one 1,100; the last one either more, or it looked at single items and counts none.
    rows = [
        {"revision": AWAITING + 2, "mode": "targeted", "counts": {}},
        {"revision": AWAITING + 1, "mode": "full", "counts": {"withheld": 1100}},
        {"revision": AWAITING, "mode": "full", "counts": {"withheld": 1000}},
    ]
    with withheld(airflow, "docs", now, recent_runs=rows):
        seen = see(DOCS)
        expect(seen.ours.get_by_role("heading", name=f"{asked} deletions are withheld")).to_be_visible()
        seen.ours.get_by_role("button", name="Allow these deletions").click()
        expect(seen.ours.get_by_role("dialog")).to_contain_text(f"Delete {asked} documents from the index of")


def test_deletions_are_allowed_once_until_the_run_that_has_the_consent_fails(see: Any, airflow: Standalone) -> None:
    # While the DAG is paused the run waits, for as long as this takes to look at.
    airflow.call("PATCH", "/dags/confluence__forgetful", {"is_paused": True})
    before = len(runs_of(airflow, "forgetful"))
    try:
        with withheld(airflow, "forgetful", 70):
            seen = see(FORGETFUL)
            seen.ours.get_by_role("button", name="Allow these deletions").click()
            seen.ours.get_by_role("button", name="Delete 70").click()
            given = "Allowed; the next run deletes them"
            expect(seen.ours.get_by_role("button", name=given)).to_be_disabled()
            run = wait_for_new_run(airflow, "forgetful", before)
            assert run["conf"] == {"allow_mass_delete": AWAITING}
            expect(seen.ours.locator(".answer")).to_contain_text("Allow these deletions: started as")
            expect(seen.ours.get_by_role("button", name=given)).to_be_disabled()
            seen.picture("consent-given")
            assert seen.accessibility() == []
            # Whoever else looks, or comes back, is not asked either.
            expect(see(FORGETFUL, user="admin").ours.get_by_role("button", name=given)).to_be_disabled()
            address = f"/dags/confluence__forgetful/dagRuns/{quote(run['dag_run_id'], safe='')}"
            airflow.call("PATCH", address, {"state": "failed"})
            expect(seen.ours.get_by_role("button", name="Allow these deletions")).to_be_enabled()
            airflow.call("DELETE", address)
            assert len(runs_of(airflow, "forgetful")) == before
    finally:
        airflow.call("PATCH", "/dags/confluence__forgetful", {"is_paused": False})


def test_consent_that_could_not_be_given_can_be_given_again(see: Any, airflow: Standalone) -> None:
    broken = json.dumps({"detail": "the database is gone"})
    with withheld(airflow, "docs", 70):
        seen = see(
            DOCS,
            before=lambda page: page.route("**/dagRuns", lambda route: route.fulfill(status=503, body=broken), times=1),
        )
        seen.ours.get_by_role("button", name="Allow these deletions").click()
        seen.ours.get_by_role("button", name="Delete 70").click()
        expect(seen.ours.locator(".answer")).to_contain_text("Airflow answered 503: the database is gone.")
        expect(seen.ours.get_by_role("button", name="Allow these deletions")).to_be_enabled()
        seen.complaints.clear()


# ---------------------------------------------------------------- new, and under way
@pytest.fixture(scope="module")
def starting(airflow: Standalone) -> Iterator[Sandbox]:
    """Yield a Confluence that lets its first listing wait, for a datasource whose first run that is."""
    with Sandbox("cloud") as slow:
        slow.model.create_space("DOCS", "Documentation")
        slow.model.create_page("DOCS", "Home", "<p>At last</p>")
        slow.faults.add(Stall(50, route="*/pages", times=1))
        airflow.set_connection(
            "slow", conn_type="confluence", host=slow.endpoint, login=slow.username, password=slow.token
        )
        settings = {"name": "Starting", "conn_id": "slow", "space": "DOCS", "interval": "23h"}
        define(airflow, "starting", {**settings, "queue": {"name": "starting"}})
        yield slow


def test_a_first_run_is_followed_from_new_to_fresh_without_a_hand(
    see: Any, airflow: Standalone, starting: Sandbox
) -> None:
    run = wait_for_new_run(airflow, "starting", 0)
    wait_until(lambda: starting.requests.count("*/pages"), 60, "the listing begins")
    base = f"/dags/confluence__starting/dagRuns/{quote(run['dag_run_id'], safe='')}/taskInstances/list_changes"
    # What a step tells every 15 seconds.
    progress = {"step": "listed", "where": "DOCS, page", "listed": 1200}
    airflow.call("PUT", f"{base}/state-store/progress", {"value": progress})
    seen = see(STARTING)
    expect(state(seen)).to_contain_text("new")
    expect(seen.ours.locator(".verdict")).to_contain_text("Its first run is under way.")
    steps = seen.ours.get_by_role("list", name="The run that is under way").get_by_role("listitem")
    expect(steps).to_have_count(4)
    expect(steps.first).to_contain_text("Listing what changed (under way)")
    expect(steps.first).to_contain_text("1,200 found so far, in DOCS, page")
    expect(steps.last).to_contain_text("Committing (waiting)")
    seen.whole_picture("new")
    assert seen.accessibility() == []
    narrow = see(STARTING, width=420, height=800, dark=True)
    narrow.whole_picture("new-narrow-dark")
    assert narrow.accessibility() == []
    # The page brings its own updates.
    expect(state(seen)).to_contain_text("fresh", timeout=180_000)
    expect(steps).to_have_count(0)
    expect(seen.ours.get_by_text("1 document in the index.")).to_be_visible()


def test_a_run_of_more_steps_than_airflow_lists_at_once_is_counted_in_full(see: Any, airflow: Standalone) -> None:
    seen = see(DOCS, before=lambda page: under_way(page, airflow, "docs", extracts=260, done=130))
    steps = seen.ours.get_by_role("list", name="The run that is under way").get_by_role("listitem")
    expect(steps.nth(1)).to_contain_text("Fetching (under way)130 of 260 shards")
    expect(steps.nth(1)).to_contain_text("items 260: 7 of 9")
    expect(steps.nth(3)).to_contain_text("Committing (waiting)")


# ---------------------------------------------------------------- the others
def test_a_datasource_without_a_schedule_is_disabled_and_can_be_run(see: Any) -> None:
    seen = see(f"{FRAMED}?datasource=hostile")
    expect(state(seen)).to_contain_text("disabled")
    expect(seen.ours.locator(".verdict")).to_contain_text("It has no schedule (enabled is false).")
    expect(seen.ours.get_by_text("by hand only")).to_be_visible()
    expect(seen.ours.get_by_role("button", name="Sync now")).to_be_enabled()


def test_a_paused_dag_is_disabled_and_a_run_is_said_to_wait(see: Any, airflow: Standalone) -> None:
    airflow.call("PATCH", "/dags/confluence__forgetful", {"is_paused": True})
    try:
        seen = see(f"{FRAMED}?datasource=forgetful")
        expect(state(seen)).to_contain_text("disabled")
        expect(seen.ours.locator(".verdict")).to_contain_text("Its DAG is paused in Airflow.")
        expect(seen.ours.locator("#reason")).to_have_text("The DAG is paused: a run waits until it is unpaused.")
        seen.picture("paused")
    finally:
        airflow.call("PATCH", "/dags/confluence__forgetful", {"is_paused": False})


@pytest.mark.parametrize("dark", [False, True])
def test_a_mistake_in_the_settings_is_told_with_its_place(see: Any, dark: bool) -> None:
    seen = see(f"{FRAMED}?datasource=mistake", dark=dark)
    expect(state(seen)).to_contain_text("misconfigured")
    expect(seen.ours.locator(".verdict")).to_contain_text("mistake.interval: 'five minutes' is not a duration")
    seen.whole_picture(f"misconfigured-{'dark' if dark else 'light'}")
    assert seen.accessibility() == []


def test_a_refused_credential_is_failing_and_shows_no_token(see: Any, airflow: Standalone, starting: Sandbox) -> None:
    airflow.set_connection(
        "slow", conn_type="confluence", host=starting.endpoint, login=starting.username, password="not-the-token"
    )
    assert airflow.wait_for_run("confluence__starting", airflow.trigger("confluence__starting")) == "failed"
    seen = see(STARTING)
    expect(state(seen)).to_contain_text("failing")
    expect(seen.ours.locator(".verdict")).to_contain_text("refused the credential")
    assert "not-the-token" not in seen.text()
    seen.picture("refused")


# ---------------------------------------------------------------- before there is anything to see
def test_while_it_loads_it_says_so(see: Any) -> None:
    def hold(route: Any) -> None:
        seen_while_loading.append(route.request.frame.locator("body").inner_text())
        route.continue_()

    seen_while_loading: list[str] = []
    see(PAGE, before=lambda page: page.route("**/api/v2/assets?uri_prefix*", hold))
    assert [text.strip() for text in seen_while_loading][:1] == ["Loading …"]


def test_an_airflow_that_fails_at_once_is_said_and_asked_again(see: Any) -> None:
    broken = json.dumps({"detail": "the database is gone"})
    seen = see(
        PAGE,
        before=lambda page: page.route(
            "**/api/v2/assets?uri_prefix*", lambda route: route.fulfill(status=503, body=broken), times=1
        ),
    )
    expect(seen.ours.get_by_role("alert")).to_contain_text("Airflow answered 503: the database is gone.")
    seen.picture("error")
    assert seen.accessibility() == []
    seen.ours.get_by_role("button", name="Refresh").click()
    expect(seen.ours.get_by_role("alert").filter(has_text="503")).to_have_count(0)
    expect(row(seen, "Documentation")).to_be_visible()
    seen.complaints.clear()


def asset(airflow: Standalone, datasource: str) -> dict[str, Any]:
    uri = f"confluence://datasource/{datasource}"
    found = airflow.call("GET", f"/assets?uri_prefix_pattern={uri}")["assets"]
    return next(one for one in found if re.fullmatch(re.escape(uri), one["uri"]))


@contextmanager
def withheld(airflow: Standalone, datasource: str, many: int, **more: Any) -> Iterator[None]:
    """Let the state store say what a run leaves there that withheld deletions; above is what it takes to get there for real."""
    store = f"/assets/{asset(airflow, datasource)['id']}/state-store"
    names = ("datasource", "counts", *more)
    kept = {name: airflow.call("GET", f"{store}/{name}")["value"] for name in names}
    settings, counts = {**kept["datasource"], "awaiting": AWAITING}, {**kept["counts"], "withheld": many}
    for name, value in {"datasource": settings, "counts": counts, **more}.items():
        airflow.call("PUT", f"{store}/{name}", {"value": value})
    try:
        yield
    finally:
        for name, value in kept.items():
            airflow.call("PUT", f"{store}/{name}", {"value": value})
