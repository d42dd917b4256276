"""The newcomer's path, with a browser and a DAG file of two lines: connection, Variable, DAG, run, and a page that a search finds."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from playwright.sync_api import TimeoutError as NotYetError
from playwright.sync_api import expect

from airflow_provider_confluence.testing.sandbox import Sandbox
from airflow_provider_confluence.testing.standalone import Standalone
from tests.ui.seen import Seen

MOST_SECONDS = 300
# As docs/airflow.md has it, but for the Variable: the other tests have theirs.
DAG_FILE = """
from airflow_provider_confluence.dag_factory import build_dags  # builds Airflow DAGs

globals().update(build_dags(variable="newcomers_datasources"))
"""
DATASOURCE = {"name": "My wiki", "conn_id": "newcomers_wiki", "space": "DOCS", "queue": {"name": "newcomer"}}


def test_from_an_empty_form_to_a_page_that_is_found_in_five_minutes(
    see: Any, airflow: Standalone, wiki: Sandbox
) -> None:
    began = time.monotonic()
    (airflow.dags / "newcomer.py").write_text(DAG_FILE)
    seen = see("/connections", user="admin", ours=False)
    make_connection(seen, wiki)
    make_variable(seen)
    open_dag(seen)
    # It runs by itself. The tab of the DAG brings its own news.
    seen.page.get_by_role("link", name="Confluence", exact=True).click()
    expect(seen.ours.locator(".verdict .badge.fresh")).to_be_visible(timeout=MOST_SECONDS * 1000)
    expect(seen.ours.get_by_role("heading", level=1)).to_have_text("My wiki")
    seen.picture("newcomer-4-fresh")
    assert seen.accessibility() == []
    found = search(airflow, "lantern 5")
    seconds = time.monotonic() - began
    print(f"from an empty form to a page that is found: {seconds:.0f} s")
    assert [hit["title"] for hit in found["hits"]] == ["Guide 5"]
    assert seconds < MOST_SECONDS


def make_connection(seen: Seen, wiki: Sandbox) -> None:
    page = seen.page
    page.get_by_role("button", name="Add Connection").first.click()
    form = page.get_by_role("dialog")
    form.get_by_label("Connection ID").fill("newcomers_wiki")
    form.get_by_role("combobox").fill("confluence")
    page.get_by_role("option", name="confluence").first.click()
    form.get_by_label("Base URL").fill(wiki.endpoint)
    form.get_by_label("Account e-mail or user name").fill(wiki.username or "")
    form.locator("input[name=password]").fill(wiki.token)
    # What the provider adds to the form is there, and may stay as it is.
    form.get_by_text("Extra Fields", exact=True).click()
    expect(form.get_by_text("Requests per second")).to_be_visible()
    seen.picture("newcomer-1-connection")
    form.get_by_role("button", name="Save").click()
    expect(form).to_have_count(0)
    expect(page.get_by_text("newcomers_wiki").first).to_be_visible()


def make_variable(seen: Seen) -> None:
    page = seen.page
    page.goto(f"{seen.airflow.url}/variables")
    page.get_by_role("button", name="Add Variable").first.click()
    form = page.get_by_role("dialog")
    form.get_by_label("Key").fill("newcomers_datasources")
    form.get_by_label("Value").fill(json.dumps({"newcomer": DATASOURCE}))
    seen.picture("newcomer-2-variable")
    form.get_by_role("button", name="Save").click()
    expect(form).to_have_count(0)
    expect(page.get_by_text("newcomers_datasources").first).to_be_visible()


def open_dag(seen: Seen) -> None:
    """Look at the list of DAGs until the new one is among them, and open it."""
    page = seen.page
    link = page.get_by_role("link", name="confluence__newcomer", exact=True)
    deadline = time.monotonic() + MOST_SECONDS
    while True:
        page.goto(f"{seen.airflow.url}/dags")
        try:
            link.first.wait_for(timeout=8_000)
            break
        except NotYetError:
            assert time.monotonic() < deadline, "the DAG did not appear"
    seen.picture("newcomer-3-dag")
    link.first.click()


def search(airflow: Standalone, words: str) -> dict[str, Any]:
    """Search as somebody on Airflow's host would."""
    command = [
        sys.executable,
        "-m",
        "airflow_provider_confluence.cli",
        "search",
        "--queue",
        "newcomer",
        "--json",
        words,
    ]
    done = subprocess.run(
        command,
        env=airflow.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
