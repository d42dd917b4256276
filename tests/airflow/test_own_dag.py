"""The operators by hand: the example DAG runs as it stands, and what the operators promise besides."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.airflow.deployment import Deployment

EXAMPLE = Path(__file__).parents[2] / "dags" / "example_confluence_own_dag.py"


def example_dags() -> dict[str, Any]:
    """Return the DAGs of the example file, by id."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=EXAMPLE, bundle_name="dags-folder")
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_the_example_runs_and_its_own_task_gets_the_result(on_cloud: Deployment) -> None:
    dags = example_dags()
    run = on_cloud.run(dags["example_confluence_own_dag"])
    assert run.state == "success"
    assert run.xcom("report") == "6 written, 0 deleted, 6 documents"
    with closing(sqlite3.connect(on_cloud.storage / "index" / "handbook.sqlite3")) as database:
        assert database.execute("SELECT count(*) FROM doc").fetchone() == (6,)
    on_cloud.id = "handbook"
    assert [event["counts"]["written"] for event in on_cloud.events()] == [6]
    assert on_cloud.run(dags["example_confluence_when_changed"]).state == "success"


def test_a_connection_given_to_the_operator_takes_the_place_of_the_datasource_s(
    on_cloud: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk import DAG

    from airflow_provider_confluence.operators.confluence import ConfluenceListChangesOperator

    monkeypatch.delenv("AIRFLOW_CONN_CONFLUENCE_DEFAULT")
    on_cloud.connect("other")
    with DAG("own_connection", schedule=None) as dag:
        ConfluenceListChangesOperator(
            task_id="list_changes", datasource_id=on_cloud.id, confluence_conn_id="other", retries=0
        )
    run = on_cloud.run(dag)
    assert run.state == "success"
    assert run.xcom("list_changes", "counts")["planned_new"] == 6
    (plan,) = on_cloud.storage.glob(f"{on_cloud.id}/runs/*/plan.json")
    assert '"conn_id": "other"' in plan.read_text()


@pytest.mark.parametrize(("given", "expected"), [(None, 60.0), (7, 7.0)])
def test_execution_time_limits_give_way_to_default_args(given: int | None, expected: float) -> None:
    from datetime import timedelta

    from airflow.sdk import DAG

    from airflow_provider_confluence.operators.confluence import ConfluenceListChangesOperator

    args = {} if given is None else {"execution_timeout": timedelta(minutes=given), "retries": 5}
    with DAG("limits", schedule=None, default_args=args):
        step = ConfluenceListChangesOperator(task_id="list_changes", datasource_id="docs")
    assert step.execution_timeout == timedelta(minutes=expected)
    assert step.retries == (3 if given is None else 5)


def test_a_stopped_task_leaves_its_step_and_can_be_retried() -> None:
    from airflow_provider_confluence.operators.confluence import ConfluenceIndexOperator

    class Stopped(ConfluenceIndexOperator):
        def _step(self, context: Any) -> None:
            # As Airflow's handler of SIGTERM does, inside the main thread.
            self.on_kill()

    step = Stopped(task_id="index", reference={})
    # SystemExit is what Airflow retries.
    with pytest.raises(SystemExit, match="asked to stop"):
        step.execute({})  # type: ignore[arg-type]
    # After a time-out the step has been left already.
    step.on_kill()
