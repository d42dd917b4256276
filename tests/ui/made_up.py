"""Answers of Airflow that are made up out of real ones, for what would take hours to bring about: hundreds of tasks."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, Route

from airflow_provider_confluence.testing.standalone import Standalone


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
