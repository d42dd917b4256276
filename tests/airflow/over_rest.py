"""Everything that Airflow's public REST API answers about a DAG and its runs, for looking for what must not stand in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

Get = Callable[[str], Any]
"""Returns the JSON of an address below ``/api/v2``, ``None`` for what is not there."""

_LISTS = (
    *("/dags", "/dagSources", "/dagWarnings", "/dagTags", "/importErrors", "/eventLogs", "/connections", "/variables"),
    *("/assets", "/assets/events", "/assets/aliases", "/pools", "/jobs", "/plugins", "/providers"),
)


def everything(get: Get, dag_id: str) -> Iterator[tuple[str, Any]]:
    """Yield each address with its answer."""
    for path in (
        *_LISTS,
        f"/dags/{dag_id}",
        f"/dags/{dag_id}/details",
        f"/dags/{dag_id}/tasks",
        f"/dagSources/{dag_id}",
    ):
        yield path, get(f"{path}?limit=100")
    for asset in get(f"/assets?dag_ids={dag_id}")["assets"]:
        for path in (f"/assets/{asset['id']}", f"/assets/{asset['id']}/state-store"):
            yield path, get(path)
    for run in get(f"/dags/{dag_id}/dagRuns?limit=100")["dag_runs"]:
        at = f"/dags/{dag_id}/dagRuns/{quote(run['dag_run_id'], safe='')}"
        yield at, run
        yield f"{at}/upstreamAssetEvents", get(f"{at}/upstreamAssetEvents")
        for task in get(f"{at}/taskInstances?limit=100")["task_instances"]:
            of_task = f"{at}/taskInstances/{task['task_id']}"
            yield of_task, task  # with its rendered fields
            index = f"map_index={task['map_index']}"
            entries = get(f"{of_task}/xcomEntries?{index}&limit=100")["xcom_entries"]
            for entry in entries:
                path = f"{of_task}/xcomEntries/{entry['key']}"
                yield path, get(f"{path}?{index}&deserialize=true")
            for number in range(1, task["try_number"] + 1):
                yield f"{of_task}/logs/{number}", get(f"{of_task}/logs/{number}?{index}&full_content=true")
