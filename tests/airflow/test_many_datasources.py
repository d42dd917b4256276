"""Hundreds of datasources: their starts are spread, and what they leave in Airflow's database is small and does not grow by editing."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

import airflow_provider_confluence
from airflow_provider_confluence.dag_factory import build_dags
from airflow_provider_confluence.datasource import read_datasource
from airflow_provider_confluence.testing.sandbox.permissions import SpaceAccess
from tests.airflow import serialized
from tests.airflow.deployment import Deployment, register, versions, xcom_bytes

MANY = 500
XCOM_BYTES = 12 * 1024
EVENT_BYTES = 2 * 1024

# ------------------------------------------------------------------------------------------ when they start
MIDNIGHT = datetime(2025, 1, 1, tzinfo=timezone.utc)


def first_start(schedule: Any) -> float:
    """Return how many minutes after a midnight Airflow's scheduler would start a DAG of this schedule for the first time."""
    from airflow.timetables.base import TimeRestriction
    from airflow.timetables.trigger import CronTriggerTimetable, MultipleCronTriggerTimetable
    from pendulum import instance

    several = [each.expression for each in getattr(schedule, "timetables", ())]
    timetable = (
        MultipleCronTriggerTimetable(*several, timezone="UTC")
        if several
        else CronTriggerTimetable(schedule.expression, timezone="UTC")
    )
    info = timetable.next_dagrun_info(
        last_automated_data_interval=None,
        restriction=TimeRestriction(earliest=instance(MIDNIGHT), latest=None, catchup=True),
    )
    assert info is not None
    return (info.run_after.timestamp() - MIDNIGHT.timestamp()) / 60


@pytest.mark.parametrize(("interval", "minutes"), [("5m", 5), ("1h", 60), ("90m", 90), ("24h", 1440)])
def test_five_hundred_datasources_start_all_over_their_interval(interval: str, minutes: int) -> None:
    dags = build_dags(datasources={f"space-{n}": {"space": f"S{n}", "interval": interval} for n in range(MANY)})
    starts = [first_start(dag.schedule) for dag in dags.values()]
    assert len(starts) == MANY
    assert 0 <= min(starts) <= max(starts) < minutes
    # In tenths of the interval, or its minutes where these are fewer, each has its share give or take a half.
    parts = min(10, minutes)
    shares = Counter(int(start / minutes * parts) for start in starts)
    assert MANY / parts / 2 < min(shares.values()) <= max(shares.values()) < MANY / parts * 1.5
    assert len(shares) == parts


def test_another_datasource_moves_no_start() -> None:
    few = {f"space-{n}": {"space": "S", "interval": "1h"} for n in range(5)}
    before = {dag_id: dag.schedule.expression for dag_id, dag in build_dags(datasources=few).items()}
    after = build_dags(datasources={"a-new-one": {"space": "S", "interval": "1h"}, **few})
    assert before == {dag_id: after[dag_id].schedule.expression for dag_id in before}


# ------------------------------------------------------------------------------------------ what they leave
UNSHAPING: dict[str, dict[str, Any]] = {
    "name": {"name": "Another name"},
    "conn_id": {"conn_id": "another"},
    "space": {"space": ["DOCS", "OPS"]},
    "exclude_spaces": {"space": "*", "exclude_spaces": ["OPS"]},
    "personal_spaces": {"space": "*", "personal_spaces": True},
    "enable_blogposts": {"enable_blogposts": True},
    "enable_attachments": {"enable_attachments": True},
    "enable_comments": {"enable_comments": True},
    "enable_folders": {"enable_folders": True},
    "include_labels": {"include_labels": ["a"]},
    "exclude_labels": {"exclude_labels": ["b"]},
    "root_pages": {"root_pages": ["1"]},
    "archived": {"archived": True},
    "enable_permissions": {"enable_permissions": True},
    "restricted": {"restricted": "skip"},
    "queue": {"queue": {"name": "another"}},
    "sink": {"sink": {"type": "files"}},
    "max_items_per_run": {"max_items_per_run": 7},
    "max_shards": {"max_shards": 2},
    "max_delete_share": {"max_delete_share": 0.5},
    "max_failure_share": {"max_failure_share": 0.5},
    "keep_runs": {"keep_runs": 5},
    "reconcile_interval": {"reconcile_interval": "12h"},
    "cheap_reconcile_requests": {"cheap_reconcile_requests": 9},
    "attachment_types": {"attachment_types": ["pdf"]},
    "attachment_max_bytes": {"attachment_max_bytes": 10_000_000},
    "attachment_timeout": {"attachment_timeout": "30s"},
    "attachment_cache_max_bytes": {"attachment_cache_max_bytes": 10_000_000},
    "chunk_tokens": {"chunk_tokens": 500},
    "macros": {"macros": {"acme-callout": "note"}},
    "rendered_macros": {"rendered_macros": ["chart"]},
    "rendered_macros_max_age": {"rendered_macros": ["chart"], "rendered_macros_max_age": "48h"},
    "rendered_macros_max_pages": {"rendered_macros": ["chart"], "rendered_macros_max_pages": 50},
}
SHAPING: dict[str, Any] = {"enabled": False, "interval": "1h", "airflow": {"retries": 1}}


def test_every_setting_either_shapes_the_dag_or_does_not() -> None:
    schema = json.loads((Path(airflow_provider_confluence.__file__).parent / "datasources.schema.json").read_text())
    assert {*UNSHAPING, *SHAPING} == set(schema["definitions"]["datasource"]["properties"])


@pytest.mark.parametrize("setting", sorted(UNSHAPING))
def test_editing_what_does_not_shape_the_dag_leaves_it_as_airflow_stores_it(
    monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    def stored(definition: dict[str, Any]) -> dict[str, Any]:
        read_datasource("docs", definition)
        monkeypatch.setenv("AIRFLOW_VAR_CONFLUENCE_DATASOURCES", json.dumps({"docs": definition}))
        return serialized.of(build_dags()["confluence__docs"])

    assert stored({"space": "DOCS", **UNSHAPING[setting]}) == stored({"space": "DOCS"})


def test_editing_what_does_not_shape_the_dag_makes_no_version_of_it(on_cloud: Deployment) -> None:
    on_cloud.monkeypatch.setenv(
        "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL", "0"
    )  # else it looks twice a minute
    dag_id = on_cloud.dag().dag_id
    on_cloud.run()  # of a version that no run used Airflow keeps none
    assert versions(dag_id) == 1
    on_cloud.define(name="Another name", **UNSHAPING["sink"], **UNSHAPING["queue"])
    register(on_cloud.dag())
    assert versions(dag_id) == 1
    on_cloud.define(interval="1h")
    register(on_cloud.dag())
    assert versions(dag_id) == 2, "what shapes the DAG makes a version, or this test shows nothing"


def test_what_a_run_leaves_in_airflow_does_not_grow_with_the_wiki(on_cloud: Deployment) -> None:
    small = on_cloud.run()
    for number in range(60):
        on_cloud.model.create_space(f"S{number}", f"Space {number}")
        on_cloud.model.create_page(f"S{number}", f"Too large {number}", f"<p>{'Lantern ' * 60}</p>")
        on_cloud.model.open_space(f"S{number}", SpaceAccess(refused=True))
    on_cloud.define(space="*", enable_permissions=True, sink={"type": "local", "max_document_bytes": 900})
    large = on_cloud.run()
    result = large.xcom("commit")
    assert (small.state, large.state) == ("success", "failed")
    assert "and 51 more, which the log of commit names" in result["verdict"]
    assert xcom_bytes(small) < XCOM_BYTES
    assert xcom_bytes(large) < XCOM_BYTES
    assert all(len(json.dumps(event)) < EVENT_BYTES for event in on_cloud.events())
    assert len(json.dumps(on_cloud.mirror())) <= 32 * 1024


def test_runs_in_which_nothing_changed_leave_no_event(on_cloud: Deployment) -> None:
    on_cloud.run()
    quiet = [on_cloud.run() for _ in range(2)]
    assert [run.state for run in quiet] == ["success", "success"]
    assert len(on_cloud.events()) == 1
