"""Answers of Airflow that are made up out of real ones, for what would take hours to bring about: hundreds of datasources, or of tasks."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, Route

from airflow_provider_confluence.testing.standalone import Standalone

# Of each refresh, when it began and when it was over, by the page's own clock.
_WATCH = """
window.refreshes = [];
new MutationObserver(changes => {
  if (!changes.some(change => change.target.id === "page")) return;
  const busy = document.getElementById("page").getAttribute("aria-busy");
  if (busy === "true") window.refreshes.push({ begun: Date.now(), over: null });
  else window.refreshes.at(-1).over = Date.now();
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["aria-busy"] });
"""


def watch_refreshes(page: Page) -> None:
    """Let the page's clock be moved by hand, and keep in ``window.refreshes`` when it looked at Airflow."""
    page.clock.install()
    page.add_init_script(_WATCH)


def datasources(page: Page, airflow: Standalone, many: int, asked: list[str]) -> None:
    """Make up so many datasources like *docs*, each with a run under way; ``asked`` gets the path of each request for one of them."""
    uri = "confluence://datasource/"
    (asset,) = (
        one for one in airflow.call("GET", f"/assets?uri_prefix_pattern={uri}")["assets"] if one["uri"] == f"{uri}docs"
    )
    dag = airflow.call("GET", "/dags/confluence__docs")
    store = json.dumps(airflow.call("GET", f"/assets/{asset['id']}/state-store"))
    run = {**airflow.runs("confluence__docs")[-1], "state": "running"}
    runs = json.dumps({"dag_runs": [run], "total_entries": 1})

    def tasks(number: int) -> list[dict[str, Any]]:
        return [{**task, "dag_id": f"confluence__wiki{number}"} for task in asset["consuming_tasks"]]

    assets = [
        {**asset, "id": 100_000 + number, "uri": f"{uri}wiki{number}", "consuming_tasks": tasks(number)}
        for number in range(many)
    ]
    dags = [{**dag, "dag_id": f"confluence__wiki{number}"} for number in range(many)]

    def answer(body: str) -> Any:
        def answered(route: Route) -> None:
            asked.append(urlsplit(route.request.url).path)
            route.fulfill(body=body)

        return answered

    page.route("**/api/v2/assets?*", lambda route: _listed(route, "assets", assets))
    page.route("**/api/v2/dags?*tags=confluence*", lambda route: _listed(route, "dags", dags))
    page.route(re.compile(r"/api/v2/assets/1\d{5}/state-store"), answer(store))
    page.route(re.compile(r"/api/v2/dags/confluence__wiki\d+/dagRuns\?"), answer(runs))


def under_way(page: Page, airflow: Standalone, datasource: str, *, extracts: int, done: int) -> None:
    """Make up a run that is under way: its steps but for the fetching are over or wait; the last of that is running."""
    dag_id = f"confluence__{datasource}"
    run = {**airflow.runs(dag_id)[-1], "state": "running"}
    listing = {"task_id": "list_changes", "map_index": -1, "state": "success", "rendered_map_index": None}
    commit = {**listing, "task_id": "commit", "state": None}
    shards = [
        {"task_id": "extract", "map_index": number, "state": "success" if number < done else "scheduled"}
        | {"rendered_map_index": f"items {number + 1}"}
        for number in range(extracts)
    ]
    shards[-1]["state"] = "running"
    progress = {"task_state_store": [{"key": "progress", "value": {"done": 7, "of": 9}}], "total_entries": 1}
    runs = json.dumps({"dag_runs": [run], "total_entries": 1})
    base = re.escape(f"/api/v2/dags/{dag_id}/dagRuns")
    page.route(re.compile(rf"{base}\?"), lambda route: route.fulfill(body=runs))
    page.route(
        re.compile(rf"{base}/[^/]+/taskInstances\?"),
        lambda route: _listed(route, "task_instances", [listing, *shards, commit]),
    )
    page.route(
        re.compile(rf"{base}/[^/]+/taskInstances/extract/state-store"),
        lambda route: route.fulfill(body=json.dumps(progress)),
    )


def _listed(route: Route, key: str, rows: list[dict[str, Any]]) -> None:
    """Answer as Airflow lists: not more than 100 at once, or 50 where nothing is said."""
    asked = parse_qs(urlsplit(route.request.url).query)
    limit, offset = min(int(asked.get("limit", ["50"])[0]), 100), int(asked.get("offset", ["0"])[0])
    route.fulfill(body=json.dumps({key: rows[offset : offset + limit], "total_entries": len(rows)}))
