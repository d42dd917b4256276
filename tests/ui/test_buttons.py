"""The buttons that start runs: for whom, what they start, and by keyboard."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from airflow_provider_confluence.testing.standalone import Standalone
from tests.ui.seen import runs_of, wait_for_new_run
from tests.ui.test_page import DOCS, FRAMED, PAGE, indexed

HOSTILE_ONE = f"{FRAMED}?datasource=hostile"
BUTTONS = ("Sync now", "Reconcile", "Verify", "Re-index these")


def test_a_viewer_is_told_why_there_is_nothing_to_press(see: Any) -> None:
    seen = see(DOCS, user="vera")
    for name in BUTTONS:
        button = seen.ours.get_by_role("button", name=name)
        expect(button).to_be_disabled()
        expect(button).to_have_accessible_description(
            "Your role in Airflow may not start this DAG, so there is nothing to press here."
        )
    expect(seen.ours.get_by_label("Only these items")).to_be_disabled()
    seen.picture("viewer")
    assert seen.accessibility() == []


@pytest.mark.parametrize("user", ["olga", "admin"])
def test_who_may_start_runs_can_press_all(see: Any, user: str) -> None:
    seen = see(DOCS, user=user)
    for name in BUTTONS:
        expect(seen.ours.get_by_role("button", name=name)).to_be_enabled()


@pytest.mark.parametrize(("button", "mode"), [("Sync now", "auto"), ("Reconcile", "reconcile"), ("Verify", "verify")])
def test_a_button_starts_a_run_in_its_mode(see: Any, airflow: Standalone, button: str, mode: str) -> None:
    before = len(runs_of(airflow, "hostile"))
    seen = see(HOSTILE_ONE)
    seen.ours.get_by_role("button", name=button).click()
    run = wait_for_new_run(airflow, "hostile", before)
    assert (run["conf"], run["triggering_user_name"], run["triggered_by"]) == ({"mode": mode}, "olga", "ui")
    expect(seen.ours.locator(".answer")).to_have_text(f"{button}: started as {run['dag_run_id']}.")


def test_the_items_that_fail_can_be_indexed_again_with_two_clicks(see: Any, airflow: Standalone, wiki: Any) -> None:
    from tests.ui.conftest import HOSTILE

    before = len(runs_of(airflow, "docs"))
    seen = see(DOCS)
    seen.ours.get_by_role("button", name="Put these ids into the field above").click()
    expect(seen.ours.get_by_label("Only these items")).to_be_focused()
    seen.ours.get_by_role("button", name="Re-index these").click()
    run = wait_for_new_run(airflow, "docs", before)
    assert run["conf"] == {"content_ids": [str(wiki.model.find(HOSTILE))]}


def test_what_is_no_id_starts_nothing(see: Any, airflow: Standalone) -> None:
    before = len(runs_of(airflow, "hostile"))
    seen = see(HOSTILE_ONE)
    for text, said in (("", "Type the ids"), ("123, <b>456</b>", "These are no ids: <b>456</b>")):
        seen.ours.get_by_label("Only these items").fill(text)
        seen.ours.get_by_role("button", name="Re-index these").click()
        expect(seen.ours.locator(".answer")).to_contain_text(said)
    assert len(runs_of(airflow, "hostile")) == before


def test_a_run_is_started_and_followed_by_keyboard_alone(see: Any, airflow: Standalone, wiki: Any) -> None:
    wiki.model.create_page("DOCS", "Arrived by keyboard", "<p>Fresh</p>")
    seen = see(PAGE)
    seen.ours.get_by_role("link", name="Documentation").focus()
    seen.page.keyboard.press("Enter")
    expect(seen.ours.get_by_role("heading", level=1)).to_have_text("Documentation")
    expect(seen.ours.get_by_role("button", name="Sync now")).to_be_enabled()
    for _ in range(8):
        seen.page.keyboard.press("Tab")
        if seen.frame.evaluate("document.activeElement.textContent") == "Sync now":
            break
    before = len(runs_of(airflow, "docs"))
    seen.page.keyboard.press("Enter")
    run = wait_for_new_run(airflow, "docs", before)
    assert airflow.wait_for_run("confluence__docs", run["dag_run_id"]) == "success"
    expect(seen.ours.get_by_text(f"{indexed(wiki)} documents in the index.")).to_be_visible()
