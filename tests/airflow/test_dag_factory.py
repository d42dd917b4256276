"""One DAG for each datasource: what the Variable says is what Airflow gets, and a mistake in it stays where it is."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_confluence.dag_factory import MODES, build_dags, dag_id_of
from airflow_provider_confluence.datasource import read_datasource
from airflow_provider_confluence.errors import DatasourceError
from tests.airflow import serialized
from tests.airflow.deployment import Deployment, everything_in_xcom, everything_rendered

DAG_FILE = Path(__file__).parents[2] / "dags" / "confluence_datasources.py"
TASKS = ["list_changes", "shards.extract", "shards.index", "commit", "verdict"]


@pytest.fixture
def variable(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that writes the Variable, or another."""

    def write(value: object, name: str = "confluence_datasources") -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        monkeypatch.setenv(f"AIRFLOW_VAR_{name.upper()}", text)

    return write


def dag_bag() -> Any:
    """Return what Airflow makes of the DAG file."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=DAG_FILE, bundle_name="dags-folder")


# ------------------------------------------------------------------------------------------ one DAG each
def test_each_datasource_has_a_dag(variable: Any) -> None:
    variable({"docs": {"space": "DOCS"}, "team": {"space": "TEAM"}})
    bag = dag_bag()
    assert bag.import_errors == {}
    assert sorted(bag.dags) == ["confluence__docs", "confluence__team"]
    # The file that Airflow shows and parses again is the user's, not ours.
    assert bag.dags["confluence__docs"].fileloc == str(DAG_FILE)


def test_a_missing_variable_gives_no_dags_and_no_error() -> None:
    bag = dag_bag()
    assert (bag.dags, bag.import_errors) == ({}, {})


def test_the_dag_has_the_shape_and_the_limits_of_the_design(variable: Any) -> None:
    variable({"docs": {"space": "DOCS"}})
    dag = build_dags()["confluence__docs"]
    assert [task.task_id for task in dag.topological_sort()] == TASKS
    assert {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks} == {
        # Both take their reference from it.
        "list_changes": ["shards.extract", "shards.index"],
        "shards.extract": ["shards.index"],
        "shards.index": ["commit"],
        "commit": ["verdict"],
        "verdict": [],
    }
    assert dag.get_task("commit").trigger_rule == "all_done"
    assert (dag.max_active_runs, dag.catchup, dag.is_paused_upon_creation) == (1, False, False)
    assert dag.dagrun_timeout == timedelta(hours=24)
    assert "backfill" not in {str(getattr(kind, "value", kind)) for kind in dag.allowed_run_types}
    limits = {task.task_id: task.execution_timeout for task in dag.tasks}
    assert limits["list_changes"] == timedelta(hours=1)
    assert limits["shards.extract"] == limits["shards.index"] == timedelta(hours=2)
    assert limits["commit"] == timedelta(minutes=30)
    for task_id in TASKS[:4]:
        task = dag.get_task(task_id)
        assert (task.retries, task.retry_delay, task.max_retry_delay) == (
            3,
            timedelta(minutes=1),
            timedelta(minutes=15),
        )
        assert task.retry_exponential_backoff
    assert dag.get_task("verdict").retries == 0


def test_the_asset_is_an_inlet_of_commit_and_the_alias_its_only_outlet(variable: Any) -> None:
    variable({"docs": {"space": "DOCS"}})
    commit = build_dags()["confluence__docs"].get_task("commit")
    assert [(asset.name, asset.uri) for asset in commit.inlets] == [("confluence://datasource/docs",) * 2]
    assert [alias.name for alias in commit.outlets] == ["confluence-docs"]


def test_the_modes_offered_are_those_of_the_sync() -> None:
    from airflow_provider_confluence.sync import list_changes

    assert tuple(MODES) == list_changes.MODES


def test_the_trigger_form_can_be_read(variable: Any) -> None:
    variable({"docs": {"space": "DOCS"}})
    from airflow.serialization.serialized_objects import DagSerialization

    # What Airflow's form shows is what the serialized DAG says.
    params = DagSerialization.from_dict(json.loads(serialized.serialized())["confluence__docs"]).params
    assert list(params) == ["mode", "content_ids", "allow_mass_delete"]
    form = {name: params.get_param(name) for name in params}
    for param in form.values():
        assert param.description
        assert param.schema["title"]
    mode = form["mode"].schema
    assert set(mode["values_display"]) == set(mode["enum"])
    assert all(text.startswith(f"{value}: ") for value, text in mode["values_display"].items())
    assert form["content_ids"].schema["items"] == {"type": "string"}


@pytest.mark.parametrize(
    ("name", "wrong"), [("mode", "everything"), ("content_ids", "1 2"), ("content_ids", [1]), ("allow_mass_delete", 0)]
)
def test_a_parameter_that_cannot_be_is_refused_when_it_is_triggered(variable: Any, name: str, wrong: object) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    variable({"docs": {"space": "DOCS"}})
    params = build_dags()["confluence__docs"].params
    params.validate()
    with pytest.raises(ParamValidationError):
        params[name] = wrong


def test_nothing_of_the_variable_enters_a_template_field(variable: Any) -> None:
    planted = "{{ conn.confluence_default.password }}"
    entry = {"space": planted, "name": planted, "conn_id": planted, "queue": {"name": planted}}
    variable({"docs": entry, planted: entry})
    dags = build_dags()
    assert len(dags) == 2
    for dag in dags.values():
        for task in dag.tasks:
            for name in task.template_fields:
                assert "conn." not in str(getattr(task, name))


def test_a_template_in_any_setting_or_parameter_is_never_rendered(
    on_cloud: Deployment, capfd: pytest.CaptureFixture[str]
) -> None:
    """Airflow renders fields of operators; whoever edits a Variable, or starts a run, must not choose what is rendered."""
    planted = "{{ conn.confluence_default.password }}{{ 6 * 7 }}"
    on_cloud.define(
        name=planted,
        queue={"name": "indexing_documents"},
        include_labels=[planted],
        airflow={"owner": planted, "tags": [planted], "retries": 0},
    )
    good = on_cloud.run()
    asked = on_cloud.run(content_ids=[planted])
    assert (good.state, asked.state) == ("success", "failed"), "no template is the id of a page"
    on_cloud.define(conn_id=planted, sink={"type": "opensearch", "conn_id": planted}, space=planted)
    assert on_cloud.run().state == "failed"
    said = capfd.readouterr().out + everything_in_xcom() + everything_rendered()
    assert planted in said or json.dumps(planted)[1:-1] in said, "it went nowhere, so this showed nothing"
    assert on_cloud.sandbox.token not in said
    assert "}42" not in said.replace(planted, "")
    assert "***42" not in said


# ------------------------------------------------------------------------------------------ mistakes
def test_broken_json_is_an_import_error_that_says_where(variable: Any) -> None:
    variable('{"docs": {"space": "DOCS"},\n "team": {"space" "TEAM"}}')
    bag = dag_bag()
    assert bag.dags == {}
    (trace,) = bag.import_errors.values()
    assert "Variable confluence_datasources: line 2, column 19: this is not JSON" in trace


def test_a_broken_entry_keeps_its_dag_which_fails_at_once_and_the_others_run(
    on_cloud: Deployment, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = {"space": "DOCS", "intervall": "5m", "enable_blogposts": "yes"}
    on_cloud.write_variable(json.dumps({on_cloud.id: {"space": "DOCS"}, "broken": broken}))
    dags = build_dags()
    red = on_cloud.run(dags["confluence__broken"])
    assert (red.state, red.tasks["list_changes"], red.tries("list_changes")) == ("failed", "failed", 1)
    shown = capfd.readouterr().out
    assert "broken.intervall: unknown setting; did you mean interval?" in shown
    assert "broken.enable_blogposts: expected true or false" in shown
    assert on_cloud.run().state == "success"


def test_a_broken_entry_keeps_its_interval_and_its_switch(variable: Any) -> None:
    variable(
        {"hourly": {"interval": "1h"}, "off": {"space": 7, "enabled": False}, "odd": {"interval": "soon"}, "no": 7}
    )
    dags = build_dags()
    assert gaps(dags["confluence__hourly"]) == {timedelta(hours=1)}
    assert dags["confluence__off"].schedule is None
    assert gaps(dags["confluence__odd"]) == gaps(dags["confluence__no"]) == {timedelta(minutes=5)}


@pytest.mark.parametrize("more", [{}, {"intervall": "2h"}])
def test_a_broken_entry_keeps_the_interval_of_the_connector_block(variable: Any, more: dict[str, Any]) -> None:
    variable({"interval": "6h", "enabled": False, **more}, "confluence_connector")
    variable(
        {"own": {"space": 7, "interval": "1h", "enabled": True}, "odd": {"enabled": True, "interval": "soon"}, "off": 7}
    )
    dags = build_dags()
    assert gaps(dags["confluence__own"]) == {timedelta(hours=1)}
    assert gaps(dags["confluence__odd"]) == {timedelta(hours=6)}
    assert dags["confluence__off"].schedule is None


def test_a_broken_connector_block_hides_no_datasource(on_cloud: Deployment, capfd: pytest.CaptureFixture[str]) -> None:
    on_cloud.monkeypatch.setenv("AIRFLOW_VAR_CONFLUENCE_CONNECTOR", '{"intervall": "1h"}')
    run = on_cloud.run()
    assert (run.state, run.tries("list_changes")) == ("failed", 1)
    assert "Variable confluence_connector: intervall: unknown setting" in capfd.readouterr().out


def test_an_id_that_airflow_does_not_take_still_has_a_dag_that_says_so(
    on_cloud: Deployment, capfd: pytest.CaptureFixture[str]
) -> None:
    on_cloud.write_variable(json.dumps({"my docs!": {"space": "DOCS"}}))
    (dag,) = build_dags().values()
    assert dag.dag_id == dag_id_of("my docs!") != dag_id_of("my docs?")
    assert on_cloud.run(dag).state == "failed"
    assert "character 3 is SPACE; an id is made of A-Z" in capfd.readouterr().out


NASTY: dict[str, Any] = {
    "": {"space": "A"},
    "\ud800": {"space": "A"},
    "a\x00b": {"space": "A"},
    "d\u043ecs": {"space": "A"},
    "x" * 300: {"space": "A"},
    "../up": {"space": "A"},
    "null": None,
    "list": [],
    "text": "DOCS",
    "half": {"space": "A", "name": "cut \ud83d", "airflow": {"owner": "\ud83d", "tags": ["\ud83d"]}},
    "keys": {"space": "A", "5": 1, "\x00": 2, "": 3},
    "interval": {"space": "A", "interval": "9" * 400 + "h", "enabled": "yes"},
    "airflow": {"space": "A", "airflow": {"pool": {}, "queue": 5, "executor": "none", "retries": 1e300, "owner": None}},
    "deep": {"space": "A", "sink": json.loads('{"a":' * 400 + "1" + "}" * 400)},
    "large": {"space": "A" * 5_000_000},
}


def test_whatever_the_variable_holds_the_file_is_read_and_the_good_ones_have_their_dags(variable: Any) -> None:
    variable({"good": {"space": "DOCS"}, **NASTY})
    bag = dag_bag()
    assert bag.import_errors == {}
    assert {dag_id_of(id_) for id_ in ("good", *NASTY)} == set(bag.dags)
    for dag in bag.dags.values():
        stored = json.dumps(serialized.of(dag))
        assert not re.search(r"\\u(0000|d[89a-f])", stored), "PostgreSQL would not take it"


def test_a_variable_broken_in_mid_run_does_not_stop_the_run(on_cloud: Deployment) -> None:
    run = on_cloud.run(until="list_changes")
    on_cloud.write_variable("{")
    with pytest.raises(DatasourceError):
        build_dags()
    # A task's own process asks for one DAG, and gets it.
    on_cloud.monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", run.dag.dag_id)
    run.dag = on_cloud.dag()
    on_cloud.monkeypatch.delenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID")
    assert run.go_on().state == "success"
    assert on_cloud.titles() == on_cloud.visible()


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"allowed_datasources": "team-*"}, "does not serve datasource"),
        ({"allowed_spaces": ["OPS"]}, "does not serve space DOCS of datasource"),
    ],
)
def test_a_connection_serves_whom_it_says_and_asks_confluence_for_nobody_else(
    on_cloud: Deployment, capfd: pytest.CaptureFixture[str], extra: dict[str, Any], said: str
) -> None:
    connection = json.loads(os.environ["AIRFLOW_CONN_CONFLUENCE_DEFAULT"])
    connection["extra"] = {**(connection.get("extra") or {}), **extra}
    on_cloud.monkeypatch.setenv("AIRFLOW_CONN_CONFLUENCE_DEFAULT", json.dumps(connection))
    on_cloud.sandbox.requests.clear()
    red = on_cloud.run()
    assert (red.state, red.tries("list_changes")) == ("failed", 1)
    assert said in capfd.readouterr().out
    assert len(on_cloud.sandbox.requests) == 0


@pytest.mark.parametrize("inside", [True, False])
def test_a_sink_writes_where_the_deployment_allows_it(
    on_cloud: Deployment, tmp_path: Path, capfd: pytest.CaptureFixture[str], inside: bool
) -> None:
    on_cloud.monkeypatch.setenv("AIRFLOW__CONFLUENCE__ALLOWED_PATHS", str(tmp_path / "allowed"))
    folder = tmp_path / ("allowed" if inside else "elsewhere") / "index"
    on_cloud.define(sink={"type": "local", "path": str(folder)})
    run = on_cloud.run()
    assert run.state == ("success" if inside else "failed")
    assert (folder / "indexing_documents.sqlite3").exists() is inside
    assert (f"sink.path: {folder} is outside of" in capfd.readouterr().out) is not inside


# ------------------------------------------------------------------------------------------ schedules
def gaps(dag: Any) -> set[timedelta]:
    """Return the distances between runs over some days, as Airflow's scheduler would have them."""
    from airflow.timetables.base import TimeRestriction
    from pendulum import instance

    from tests.airflow.deployment import _scheduler_dag

    timetable = _scheduler_dag(dag).timetable
    times, last = [], None
    start = instance(datetime(2025, 1, 1, tzinfo=timezone.utc))
    for _ in range(30):
        info = timetable.next_dagrun_info(
            last_automated_data_interval=last, restriction=TimeRestriction(earliest=start, latest=None, catchup=True)
        )
        times.append(info.run_after)
        last = info.data_interval
    return {timedelta(seconds=(later - earlier).total_seconds()) for earlier, later in pairwise(times)}


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ("30s", timedelta(seconds=30)),
        ("1m", timedelta(minutes=1)),
        ("5m", timedelta(minutes=5)),
        ("7m", timedelta(minutes=7)),
        ("30m", timedelta(minutes=30)),
        ("45m", timedelta(minutes=45)),
        ("96m", timedelta(minutes=96)),
        ("1h", timedelta(hours=1)),
        ("1h30m", timedelta(minutes=90)),
        ("6h", timedelta(hours=6)),
        ("24h", timedelta(days=1)),
        ("48h", timedelta(days=2)),
    ],
)
def test_runs_follow_each_other_at_the_interval(variable: Any, interval: str, expected: timedelta) -> None:
    variable({"docs": {"space": "DOCS", "interval": interval}})
    assert gaps(build_dags()["confluence__docs"]) == {expected}


def test_what_airflow_calls_a_schedule_fits_its_database(variable: Any) -> None:
    from airflow.models.dag import DagModel

    from tests.airflow.deployment import _scheduler_dag

    day = 24 * 60
    variable({f"every{n}": {"space": "DOCS", "interval": f"{n}m"} for n in range(1, day + 1) if day % n == 0})
    described = [_scheduler_dag(dag).timetable.description or "" for dag in build_dags().values()]
    assert max(map(len, described)) <= DagModel.timetable_description.type.length
    assert sum(bool(text) for text in described) > 25


def test_datasources_of_one_interval_are_spread_over_it(variable: Any) -> None:
    variable({f"space{n}": {"space": "DOCS", "interval": "1h"} for n in range(30)})
    minutes = {dag.schedule.expression for dag in build_dags().values()}
    assert len(minutes) > 10


def test_a_datasource_that_is_not_enabled_is_not_scheduled(variable: Any) -> None:
    variable({"docs": {"space": "DOCS", "enabled": False}})
    assert build_dags()["confluence__docs"].schedule is None


def test_the_connector_block_holds_where_the_datasource_says_nothing(variable: Any) -> None:
    variable({"enabled": False, "interval": "1h"}, "confluence_connector")
    variable({"quiet": {"space": "DOCS"}, "own": {"space": "DOCS", "enabled": True, "interval": "10m"}})
    dags = build_dags()
    assert dags["confluence__quiet"].schedule is None
    assert gaps(dags["confluence__own"]) == {timedelta(minutes=10)}


# ------------------------------------------------------------------------------------------ Airflow's side
def test_the_airflow_block_shapes_the_tasks(variable: Any) -> None:
    block = {
        "pool": "confluence",
        "queue": "big",
        "owner": "search",
        "tags": ["wiki"],
        "retries": 1,
        "execution_timeout": "3h",
        "priority_weight": 7,
    }
    variable({"docs": {"space": "DOCS", "airflow": block}})
    dag = build_dags()["confluence__docs"]
    assert dag.tags == {"confluence", "wiki"}
    for task in dag.tasks:
        assert (task.pool, task.queue, task.owner, task.priority_weight) == ("confluence", "big", "search", 7)
    for task_id in TASKS[:4]:
        assert dag.get_task(task_id).retries == 1
        assert dag.get_task(task_id).execution_timeout == timedelta(hours=3)


def test_an_airflow_block_with_mistakes_names_them(on_cloud: Deployment, capfd: pytest.CaptureFixture[str]) -> None:
    on_cloud.define(airflow={"pol": "x", "retries": -1, "tags": "wiki", "execution_timeout": "soon"})
    assert on_cloud.run().state == "failed"
    shown = capfd.readouterr().out
    for path in (
        "airflow.pol: unknown setting; did you mean pool?",
        "airflow.retries: expected",
        "airflow.tags: expected",
        "airflow.execution_timeout: 'soon'",
    ):
        assert f"{on_cloud.id}.{path}" in shown


def test_an_unknown_executor_fails_its_own_dag_and_hides_no_other(
    on_cloud: Deployment, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong = {"space": "DOCS", "airflow": {"executor": "NoSuchExecutor"}}
    on_cloud.write_variable(json.dumps({"wrong": wrong, on_cloud.id: on_cloud.definition}))
    bag = dag_bag()
    assert bag.import_errors == {}
    assert sorted(bag.dags) == sorted(["confluence__wrong", f"confluence__{on_cloud.id}"])
    red = on_cloud.run(build_dags()["confluence__wrong"])
    assert (red.state, red.tries("list_changes")) == ("failed", 1)
    assert "wrong.airflow.executor: 'NoSuchExecutor' is not in [core] executor" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("block", "path"),
    [
        ({"interval": "99999999999999999999h"}, "interval"),
        ({"airflow": {"pool": "x" * 251}}, "airflow.pool"),
        ({"airflow": {"queue": "x" * 251}}, "airflow.queue"),
        ({"airflow": {"retries": 10**12}}, "airflow.retries"),
        ({"airflow": {"priority_weight": 10**12}}, "airflow.priority_weight"),
    ],
)
def test_what_would_stop_the_scheduler_is_a_mistake(variable: Any, block: dict[str, Any], path: str) -> None:
    with pytest.raises(DatasourceError, match=re.escape(f"docs.{path}: ")):
        read_datasource("docs", {"space": "DOCS", **block})
    variable({"docs": {"space": "DOCS", **block}, "team": {"space": "TEAM"}})
    assert sorted(build_dags()) == ["confluence__docs", "confluence__team"]


def test_default_args_and_dag_kwargs_hold_for_all(variable: Any) -> None:
    variable({"docs": {"space": "DOCS", "airflow": {"retries": 2}}, "team": {"space": "TEAM"}})
    dags = build_dags(
        default_args={"retries": 9, "owner": "us"}, dag_kwargs={"dagrun_timeout": timedelta(hours=2), "tags": ["x"]}
    )
    retries = {dag_id: dag.get_task("commit").retries for dag_id, dag in dags.items()}
    assert retries == {"confluence__docs": 2, "confluence__team": 9}
    for dag in dags.values():
        assert (dag.dagrun_timeout, dag.tags) == (timedelta(hours=2), {"confluence", "x"})
        assert dag.get_task("shards.extract").owner == "us"


def test_params_of_a_deployment_s_own_stand_beside_ours(variable: Any) -> None:
    variable({"docs": {"space": "DOCS"}})
    (dag,) = build_dags(dag_kwargs={"params": {"ticket": "none", "mode": "reconcile"}}).values()
    assert dag.params.dump() == {
        "ticket": "none",
        "mode": "reconcile",
        "content_ids": None,
        "allow_mass_delete": None,
    }


@pytest.mark.parametrize(
    ("name", "text"), [("d.yaml", "{id}: {{space: DOCS}}\n"), ("d.json", '{{"{id}": {{"space": "DOCS"}}}}')]
)
def test_definitions_may_lie_in_a_file(on_cloud: Deployment, tmp_path: Path, name: str, text: str) -> None:
    on_cloud.monkeypatch.delenv("AIRFLOW_VAR_CONFLUENCE_DATASOURCES")
    (tmp_path / name).write_text(text.format(id=on_cloud.id))
    assert on_cloud.run(on_cloud.dag(file=tmp_path / name)).state == "success"
    assert on_cloud.titles() == on_cloud.visible()


@pytest.mark.parametrize(
    ("name", "text"), [("d.yaml", "docs: {"), ("d.yaml", "- docs"), ("d.json", "[]"), ("d.json", "{")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DatasourceError, match=name):
        build_dags(file=tmp_path / name)
    with pytest.raises(DatasourceError, match=r"missing\.json: cannot be read"):
        build_dags(file=tmp_path / "missing.json")


@pytest.mark.parametrize(
    "text", ["docs: {space: A, space: B}\nteam: {space: T}\n", "docs: {space: A}\ndocs: {space: B}\nteam: {space: T}\n"]
)
def test_a_key_given_twice_in_yaml_spoils_its_datasource_and_no_other(
    on_cloud: Deployment, tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str
) -> None:
    (tmp_path / "d.yaml").write_text(text)
    dags = build_dags(file=tmp_path / "d.yaml")
    assert sorted(dags) == ["confluence__docs", "confluence__team"]
    red = on_cloud.run(dags["confluence__docs"])
    assert (red.state, red.tries("list_changes")) == ("failed", 1)
    assert "is given twice" in capfd.readouterr().out


def test_yaml_may_merge_mappings_and_overrule_what_is_merged(tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_text(
        "docs: &usual {space: DOCS, interval: 1h}\nteam: {<<: *usual, space: TEAM, interval: 10m}\n"
    )
    dags = build_dags(file=tmp_path / "d.yaml")
    assert gaps(dags["confluence__docs"]) == {timedelta(hours=1)}
    assert gaps(dags["confluence__team"]) == {timedelta(minutes=10)}


def test_a_file_beside_the_dag_file_is_found_from_there(tmp_path: Path) -> None:
    from airflow.dag_processing.dagbag import DagBag

    (tmp_path / "team.yaml").write_text("team: {space: TEAM}\n")
    (tmp_path / "dag.py").write_text(
        "from airflow_provider_confluence.dag_factory import build_dags  # builds Airflow DAGs\n"
        "globals().update(build_dags(file='team.yaml'))\n"
    )
    bag = DagBag(dag_folder=tmp_path / "dag.py", bundle_name="dags-folder")
    assert (bag.import_errors, list(bag.dags)) == ({}, ["confluence__team"])


def test_another_variable_may_hold_the_datasources(on_cloud: Deployment) -> None:
    on_cloud.monkeypatch.delenv("AIRFLOW_VAR_CONFLUENCE_DATASOURCES")
    on_cloud.monkeypatch.setenv("AIRFLOW_VAR_TEAM_WIKIS", json.dumps({on_cloud.id: {"space": "DOCS"}}))
    assert on_cloud.run(on_cloud.dag(variable="team_wikis")).state == "success"
    assert on_cloud.titles() == on_cloud.visible()


def test_what_json_cannot_say_spoils_its_datasource_and_no_other(
    on_cloud: Deployment, capfd: pytest.CaptureFixture[str]
) -> None:
    dags = build_dags(datasources={"odd": {"space": {"DOCS"}}, "tuple": {"space": ("DOCS", "OPS")}})
    assert sorted(dags) == ["confluence__odd", "confluence__tuple"]
    assert on_cloud.run(dags["confluence__odd"]).state == "failed"
    assert "odd: this is nothing that JSON could say" in capfd.readouterr().out


def test_definitions_may_be_given_as_a_dictionary(on_cloud: Deployment) -> None:
    on_cloud.monkeypatch.delenv("AIRFLOW_VAR_CONFLUENCE_DATASOURCES")
    assert on_cloud.run(on_cloud.dag(datasources={on_cloud.id: {"space": "DOCS"}})).state == "success"
    assert on_cloud.titles() == on_cloud.visible()


# ------------------------------------------------------------------------------------------ parsing
def test_building_twice_gives_the_same_serialized_dags(variable: Any, tmp_path: Path) -> None:
    variable(serialized.VARIABLE)
    here = serialized.serialized()
    assert here == serialized.serialized()
    assert len(json.loads(here)) == 4
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_VAR_")},
        "PYTHONHASHSEED": "12345",
        "PYTHONPATH": os.getcwd(),
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", serialized.__file__],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert "imported:[]" in done.stdout.splitlines()
    (there,) = [line for line in done.stdout.splitlines() if line.startswith("serialized:")]
    assert json.loads(there.removeprefix("serialized:")) == json.loads(here)


def test_parsing_asks_nobody_and_reads_each_variable_once(variable: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk import Variable

    variable({f"space{n}": {"space": "DOCS"} for n in range(20)})
    read: list[str] = []
    get = Variable.get

    def counted(key: str, *arguments: Any, **options: Any) -> Any:
        read.append(key)
        return get(key, *arguments, **options)

    def refused(*_: Any) -> None:
        raise AssertionError("parsing opened a connection")

    monkeypatch.setattr(Variable, "get", counted)
    monkeypatch.setattr(socket.socket, "connect", refused)
    assert len(build_dags()) == 20
    assert sorted(read) == ["confluence_connector", "confluence_datasources"]


def test_a_task_s_process_builds_only_the_dag_that_is_asked_for(variable: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    variable({f"space{n}": {"space": "DOCS"} for n in range(20)})
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "confluence__space7")
    assert list(build_dags()) == ["confluence__space7"]
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "somebody_elses")
    assert build_dags() == {}
