"""Takes the pictures of the documentation from a real run: a sandbox wiki, indexed by a real Airflow, seen in a real browser.

Needs Chromium of the machine; Playwright is among the development packages, and downloads no browser. ``make pictures`` runs it.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from airflow_provider_confluence.testing.sandbox import Sandbox, load_sample
from airflow_provider_confluence.testing.standalone import Standalone

HERE = Path(__file__).parent
DAG = "confluence__docs"
BROKEN = "confluence__handbook"


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("the pictures need Chromium: apt-get install --no-install-recommends chromium")
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
                # So that there is something that cannot be indexed.
                "sink": {"type": "local", "max_document_bytes": 12_000},
            }
            # The second one fails for an interval that is none.
            broken = {"name": "Handbook", "space": "HANDBOOK", "interval": "daily"}
            airflow.set_variable("confluence_datasources", json.dumps({"docs": definition, "handbook": broken}))
            for dag_id in (DAG, BROKEN):
                airflow.wait_for_dag(dag_id)
                airflow.wait_for_run(dag_id, airflow.trigger(dag_id))
            first = airflow.runs(DAG)[0]["dag_run_id"]
            for number in range(1, 6):
                _work_on_the_wiki(sandbox, number)
                airflow.wait_for_run(DAG, airflow.trigger(DAG))
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=chromium,
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
                for name, query, height in (("page", "", 460), ("datasource", "?datasource=docs", 1500)):
                    page.set_viewport_size({"width": 1280, "height": height})
                    page.goto(f"{airflow.url}/plugin/confluence/confluence/{query}")
                    page.frame_locator("iframe").locator("main[aria-busy=false]").wait_for(state="attached")
                    page.screenshot(path=HERE / f"{name}.png")
                browser.close()


def _work_on_the_wiki(sandbox: Sandbox, number: int) -> None:
    """Do what people do between two runs: edit some pages, write one, throw one away; one is too large for the index."""
    model = sandbox.model
    pages = sorted(model.visible(["DOCS"], ["page"]), key=lambda record: record.title)
    for record in pages[: 2 * number]:
        model.edit(record.id, body=f"<p>Revised, round {number}.</p>")
    model.create_page("DOCS", f"Meeting notes {number}", "<p>Agreed.</p>")
    if number == 3:
        model.create_page("DOCS", "Everything that was ever logged", f"<p>{'One more line. ' * 2000}</p>")
    if number > 2:
        model.trash(pages[-number].id)


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
