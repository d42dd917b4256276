"""Runs the package's DAGs in this process, as the scheduler would, and reads what came of them.

What tests need of Airflow's internals to run things is here, so that a change of theirs is met in one place.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_confluence.testing.sandbox import Sandbox


@dataclass
class Deployment:
    """A connection, a Variable and a storage folder over a sandbox."""

    sandbox: Sandbox
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    id: str
    definition: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.monkeypatch.setenv("AIRFLOW__CONFLUENCE__STORAGE_PATH", str(self.storage))

    # ---------------------------------------------------------------- settings
    @property
    def storage(self) -> Path:
        return self.folder / "confluence"

    @property
    def model(self) -> Any:
        return self.sandbox.model

    def connect(self, conn_id: str = "confluence_default", *, token: str | None = None, **extra: Any) -> None:
        """Make the connection, as an environment variable; unless ``extra`` says so, it does not pace."""
        connection = {
            "conn_type": "confluence",
            "host": self.sandbox.endpoint,
            "login": self.sandbox.username,
            "password": token or self.sandbox.token,
            "extra": {"requests_per_second": 1000, **extra},
        }
        self.monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))

    def define(self, **changes: Any) -> None:
        """Write the Variable, with the datasource changed so."""
        self.definition = {"space": "DOCS", **self.definition, **changes}
        self.write_variable(json.dumps({self.id: self.definition}))

    def write_variable(self, text: str) -> None:
        self.monkeypatch.setenv("AIRFLOW_VAR_CONFLUENCE_DATASOURCES", text)

    # ---------------------------------------------------------------- DAG and runs
    def dag(self, **options: Any) -> Any:
        from airflow_provider_confluence.dag_factory import build_dags

        return build_dags(**options)[f"confluence__{self.id}"]

    def run(self, dag: Any = None, *, until: str | None = None, **params: Any) -> Run:
        """Run the DAG once and return how it ended; with ``until``, how it stands after that task."""
        return start(dag or self.dag(), params, until=until)

    def waiting(self, dag: Any) -> int:
        """How many assets have had an event that a DAG, which is scheduled on them, was not run for."""
        from airflow.models.asset import AssetDagRunQueue
        from airflow.utils.session import create_session
        from sqlalchemy import func, select

        with create_session() as session:
            query = select(func.count()).where(AssetDagRunQueue.target_dag_id == dag.dag_id)
            return session.scalar(query) or 0

    def run_on_event(self, dag: Any, *, until: str | None = None) -> Run:
        """Run a DAG that is scheduled on the asset, as the scheduler does when an event waits for it."""
        from airflow.models.asset import AssetDagRunQueue
        from airflow.utils.session import create_session
        from sqlalchemy import delete

        assert self.waiting(dag) == 1
        with create_session() as session:
            session.execute(delete(AssetDagRunQueue).where(AssetDagRunQueue.target_dag_id == dag.dag_id))
        return start(dag, {}, until=until)

    def when_asked(self, route: str, act: Any) -> None:
        """Do something once, when Confluence is asked for a path that ends so."""
        before, waiting = self.sandbox.observer, [act]

        def observer(request: Any, response: Any) -> None:
            if before is not None:
                before(request, response)
            if waiting and request.path.endswith(route):
                waiting.pop()()

        self.sandbox.observer = observer

    # ---------------------------------------------------------------- what came of it
    def titles(self) -> set[str]:
        """The titles of the documents in the index."""
        import sqlite3
        from contextlib import closing

        path = self.storage / "index" / "indexing_documents.sqlite3"
        if not path.exists():
            return set()
        with closing(sqlite3.connect(path)) as database:
            return {
                json.loads(row[0])["title"]
                for row in database.execute("SELECT document FROM doc WHERE datasource_id = ?", (self.id,))
            }

    def visible(self) -> set[str]:
        """The titles that Confluence shows."""
        return {record.title for record in self.model.visible(["DOCS"], ["page"])}

    def head(self) -> dict[str, Any]:
        return json.loads((self.storage / self.id / "head.json").read_text())

    def events(self) -> list[dict[str, Any]]:
        """The extras of the asset's events, oldest first."""
        from airflow.models.asset import AssetEvent, AssetModel
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            query = (
                select(AssetEvent.extra)
                .join(AssetModel, AssetModel.id == AssetEvent.asset_id)
                .where(AssetModel.uri == f"confluence://datasource/{self.id}")
                .order_by(AssetEvent.id)
            )
            return list(session.scalars(query))

    def mirror(self) -> dict[str, Any]:
        """What the asset's state store shows."""
        from airflow.models.asset import AssetModel
        from airflow.models.asset_state_store import AssetStateStoreModel
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            query = (
                select(AssetStateStoreModel)
                .join(AssetModel, AssetModel.id == AssetStateStoreModel.asset_id)
                .where(AssetModel.uri == f"confluence://datasource/{self.id}")
            )
            return {row.key: json.loads(row.value) for row in session.scalars(query)}


@dataclass
class Run:
    """A run of a DAG: the state of the run and of its tasks, ``task_id`` or ``task_id[map_index]``."""

    dag: Any
    run_id: str
    state: str
    tasks: dict[str, str]

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session

        with create_session() as session:
            query = XComModel.get_many(
                run_id=self.run_id, dag_ids=self.dag.dag_id, task_ids=task_id, key=key, map_indexes=map_index
            )
            row = session.scalars(query).first()
            return None if row is None else XComModel.deserialize_value(row)

    def tries(self, task_id: str) -> int:
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            return session.scalars(
                select(TaskInstance.try_number).where(
                    TaskInstance.dag_id == self.dag.dag_id,
                    TaskInstance.run_id == self.run_id,
                    TaskInstance.task_id == task_id,
                )
            ).one()

    def go_on(self) -> Run:
        """Bring a run that was stopped to its end."""
        return finish(self.dag, self.run_id)

    def time_out(self) -> Run:
        """Do what the scheduler does when a run exceeds its dagrun_timeout: every unfinished task is skipped."""
        from airflow.models.dagrun import DagRun
        from airflow.utils.session import create_session
        from airflow.utils.state import DagRunState, State, TaskInstanceState
        from sqlalchemy import select

        with create_session() as session:
            query = select(DagRun).where(DagRun.dag_id == self.dag.dag_id, DagRun.run_id == self.run_id)
            run = session.scalars(query).one()
            run.dag = _scheduler_dag(self.dag)
            run.set_state(DagRunState.FAILED)
            for instance in run.get_task_instances(session=session):
                if instance.state not in State.finished:
                    instance.set_state(TaskInstanceState.SKIPPED, session=session)
            return Run(self.dag, self.run_id, str(run.state), _states(run, session))

    def clear(self, *task_ids: str, downstream: bool = True) -> Run:
        """Clear tasks by hand, as the UI does, and let the run end again."""
        from airflow.utils.session import create_session

        ids = set(task_ids)
        if downstream:
            for task_id in task_ids:
                ids |= self.dag.get_task(task_id).get_flat_relative_ids(upstream=False)
        with create_session() as session:
            _scheduler_dag(self.dag).clear(task_ids=ids, run_id=self.run_id, session=session)
        return finish(self.dag, self.run_id)


def versions(dag_id: str) -> int:
    """Return how many versions of a DAG Airflow keeps."""
    from airflow.models.dag_version import DagVersion
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    with create_session() as session:
        return session.scalar(select(func.count()).where(DagVersion.dag_id == dag_id)) or 0


def xcom_bytes(run: Run) -> int:
    """Return how much a run left in XCom, as stored."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        stored = session.scalars(select(XComModel.value).where(XComModel.run_id == run.run_id))
        return sum(len(json.dumps(value)) for value in stored)


def everything_in_xcom() -> str:
    """Return all XCom values of all runs, as stored."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return "".join(str(value) for value in session.scalars(select(XComModel.value)))


def everything_rendered() -> str:
    """Return all rendered fields of all tasks, as stored for the UI."""
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return "".join(str(value) for value in session.scalars(select(RenderedTaskInstanceFields.rendered_fields)))


def start(dag: Any, conf: dict[str, Any], *, until: str | None = None) -> Run:
    """Make a manual run and bring it to its end, or to the end of one task."""
    from airflow import settings
    from airflow.models.dagrun import DagRun
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType
    from pendulum import now

    register(dag)
    instant = now("UTC")
    run_id = DagRun.generate_run_id(run_type=DagRunType.MANUAL, logical_date=instant, run_after=instant)
    session = settings.Session()
    _scheduler_dag(dag).create_dagrun(
        run_id=run_id,
        logical_date=instant,
        data_interval=(instant, instant),
        run_after=instant,
        run_type=DagRunType.MANUAL,
        triggered_by=DagRunTriggeredByType.TEST,
        state=DagRunState.RUNNING,
        start_date=instant,
        conf=conf,
        session=session,
    )
    session.commit()
    return finish(dag, run_id, until=until)


def register(dag: Any) -> None:
    """Write a DAG that no file holds into the database: without that Airflow makes no run of it."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(dag_folder=os.devnull, collect_dags=False, bundle_name="dags-folder")
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)


def finish(dag: Any, run_id: str, *, until: str | None = None) -> Run:
    """Do what ``dag.test()`` does for a run that exists, without its idle seconds."""
    from airflow import settings
    from airflow.models.dagrun import DagRun
    from airflow.sdk.definitions.dag import _run_task
    from airflow.utils.state import DagRunState, TaskInstanceState
    from pendulum import now
    from sqlalchemy import select

    session = settings.Session()
    run = session.scalars(select(DagRun).where(DagRun.dag_id == dag.dag_id, DagRun.run_id == run_id)).one()
    run.dag = _scheduler_dag(dag)
    run.state = DagRunState.RUNNING
    deadline = time.monotonic() + 300  # pytest's own is shorter, unless it was set longer for a machine that is busy
    stopped = False
    while run.state == DagRunState.RUNNING and not stopped:
        assert time.monotonic() < deadline, _states(run, session)
        session.expire_all()
        schedulable, _ = run.update_state(session=session)
        for instance in schedulable:
            if instance.state != TaskInstanceState.UP_FOR_RESCHEDULE:
                instance.try_number += 1
            instance.state = TaskInstanceState.SCHEDULED
            instance.scheduled_dttm = now("UTC")
        session.commit()
        instances = run.get_task_instances(session=session)
        scheduled = [instance for instance in instances if instance.state == TaskInstanceState.SCHEDULED]
        if any(instance.state == TaskInstanceState.UP_FOR_RESCHEDULE for instance in instances):
            time.sleep(0.05)
        for instance in scheduled:
            _run_task(ti=instance, task=dag.task_dict[instance.task_id])
            if stopped := _name(instance) == until:
                break
    ended = Run(dag, run_id, str(run.state), _states(run, session))
    session.commit()
    return ended


def _states(run: Any, session: Any) -> dict[str, str]:
    instances: Iterable[Any] = run.get_task_instances(session=session)
    return {
        _name(instance): str(instance.state) for instance in sorted(instances, key=lambda i: (i.task_id, i.map_index))
    }


def _name(instance: Any) -> str:
    return f"{instance.task_id}[{instance.map_index}]" if instance.map_index >= 0 else instance.task_id


def _scheduler_dag(dag: Any) -> Any:
    from airflow.serialization.serialized_objects import DagSerialization

    return DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
