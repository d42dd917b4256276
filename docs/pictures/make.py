"""Takes the pictures of the documentation from a real run: a sandbox wiki, indexed by a real Airflow, seen in a real browser.

Needs Chromium, and playwright in the environment (``pip install playwright``; no browser download is needed)::

    .venv/bin/python docs/pictures/make.py
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from airflow_provider_confluence.testing.sandbox import Sandbox, load_sample
from airflow_provider_confluence.testing.standalone import Standalone

HERE = Path(__file__).parent
DAG = "confluence__docs"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Sandbox("cloud") as sandbox:
        load_sample(sandbox.model)
        with Standalone(Path(folder), HERE.parents[1] / "dags") as airflow:
            airflow.set_connection(
                "confluence_default",
                conn_type="confluence",
                host=sandbox.endpoint,
                login=sandbox.username,
                password=sandbox.token,
            )
            definition = {
                "name": "Docs",
                "space": ["DOCS", "OPS"],
                "enable_blogposts": True,
                "enable_attachments": True,
            }
            airflow.set_variable("confluence_datasources", json.dumps({"docs": definition}))
            airflow.wait_for_dag(DAG)
            run_id = airflow.trigger(DAG)
            airflow.wait_for_run(DAG, run_id)
            first = airflow.runs(DAG)[0]["dag_run_id"]
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium") or shutil.which("chromium-browser"),
                    args=[
                        "--no-sandbox",
                        "--disable-gpu",
                        "--disable-background-networking",
                        "--disable-sync",
                        "--no-first-run",
                    ],
                )
                page = browser.new_page(viewport={"width": 1400, "height": 760}, device_scale_factor=1)
                _log_in(page, airflow)
                _graph(page, airflow, first)
                page.screenshot(path=HERE / "graph.png")
                browser.close()


def _log_in(page: Page, airflow: Standalone) -> None:
    page.goto(f"{airflow.url}/auth/login")
    page.get_by_label("username").or_(page.locator("input[name=username]")).first.fill(airflow.username)
    page.locator("input[name=password]").first.fill(airflow.password)
    page.locator("button[type=submit]").first.click()
    page.wait_for_url(lambda url: "/auth/" not in url)


def _graph(page: Page, airflow: Standalone, run_id: str) -> None:
    """Open a run with its graph beside it, the mapped group unfolded."""
    page.goto(f"{airflow.url}/dags/{DAG}/runs/{run_id}")
    page.wait_for_load_state("networkidle")
    page.keyboard.press("g")  # Airflow's own shortcut for the graph
    page.wait_for_selector(".react-flow__node", timeout=30_000)
    page.wait_for_timeout(3_000)  # the layout is animated
    unfold = page.get_by_label("Expand all task groups").or_(page.get_by_title("Expand all task groups"))
    if unfold.count():
        unfold.first.click()
        page.wait_for_timeout(2_000)


if __name__ == "__main__":
    main()
