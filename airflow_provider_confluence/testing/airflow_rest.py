"""Talking to a running Airflow over its public REST API, for demos and end-to-end tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

T = TypeVar("T")


class StandaloneError(Exception):
    """Airflow did not start, or did not do in time what was waited for."""


class AirflowRest:
    """An Airflow that is talked to over REST; who starts one inherits from it.

    :param url: where its API server is. :param username: who talks to it.
    """

    def __init__(self, url: str, username: str) -> None:
        self.url = url
        self.username = username
        self._token: str | None = None

    @property
    def password(self) -> str:
        """The password that Airflow made for :attr:`username`."""
        raise NotImplementedError

    def check_alive(self) -> None:
        """Find out whether what is waited for can still happen. :raises StandaloneError: when a process of it has ended."""

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the JSON of Airflow's public REST API (``path`` below ``/api/v2``), ``None`` for an empty answer or a 404.

        :raises StandaloneError: for another refusal.
        """
        import requests

        if self._token is None:
            made = requests.post(
                f"{self.url}/auth/token", json={"username": self.username, "password": self.password}, timeout=30
            )
            made.raise_for_status()
            self._token = made.json()["access_token"]
        answer = requests.request(
            method,
            f"{self.url}/api/v2{path}",
            json=body,
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=60,
        )
        if answer.status_code == 401:
            self._token = None
            raise StandaloneError(f"{method} {path}: not logged in")
        if answer.status_code == 404:
            return None
        if answer.status_code >= 400:
            raise StandaloneError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    def set_connection(self, connection_id: str, **fields: Any) -> None:
        """Make a connection, or replace it. ``fields`` are those of the REST API: conn_type, host, login, password, extra."""
        self.call("DELETE", f"/connections/{quote(connection_id)}")
        self.call("POST", "/connections", {"connection_id": connection_id, **fields})

    def set_variable(self, key: str, value: str) -> None:
        """Make a Variable, or replace it."""
        self.call("DELETE", f"/variables/{quote(key)}")
        self.call("POST", "/variables", {"key": key, "value": value})

    def wait_for_dag(self, dag_id: str, seconds: float = 180.0) -> dict[str, Any]:
        """Return a DAG once the DAG processor has found it."""
        return wait_until(
            lambda: self.call("GET", f"/dags/{dag_id}"),
            seconds,
            f"the DAG {dag_id} appears",
            alive=self.check_alive,
        )

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run and return its id."""
        made = self.call("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": dict(conf or {})})
        return str(made["dag_run_id"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Return the runs of a DAG, oldest first."""
        found = self.call("GET", f"/dags/{dag_id}/dagRuns?order_by=run_after&limit=100")
        return list(found["dag_runs"]) if found else []

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run."""
        found = self.call("GET", f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances?limit=100")
        return list(found["task_instances"]) if found else []

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str) -> Any:
        """Return a value that a task pushed, ``None`` where it did not."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances/{task_id}/xcomEntries/{key}?deserialize=true"
        found = self.call("GET", path)
        return found["value"] if found else None

    def failures(self, dag_id: str, run_id: str) -> list[str]:
        """Return the messages of the exceptions by which the tasks of a run failed, the first task's first."""
        failed = [task for task in self.tasks(dag_id, run_id) if task["state"] == "failed"]
        messages = []
        for task in sorted(failed, key=lambda task: task["end_date"] or ""):
            path = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances/{task['task_id']}/logs/{task['try_number']}"
            lines = (self.call("GET", f"{path}?map_index={task['map_index']}") or {}).get("content", [])
            for line in lines:
                # The exception that was raised comes first, what it was caused by follows.
                details = line.get("error_detail") if isinstance(line, dict) else None
                if details:
                    messages.append(f"{task['task_id']}: {details[0]['exc_value']}")
        return messages

    def wait_for_run(
        self,
        dag_id: str,
        run_id: str,
        seconds: float = 600.0,
        *,
        show: Callable[[list[dict[str, Any]]], None] = lambda _: None,
    ) -> str:
        """Return the final state of a run; ``show`` is given the task instances every second until then."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"

        def finished() -> str | None:
            show(self.tasks(dag_id, run_id))
            state = (self.call("GET", path) or {}).get("state")
            return state if state in ("success", "failed") else None

        return wait_until(finished, seconds, f"run {run_id} of {dag_id} ends", alive=self.check_alive, every=1.0)

    def is_healthy(self) -> bool:
        """Return whether its API answers and says that database and scheduler are well."""
        import requests

        try:
            answer = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5)
        except requests.RequestException:
            return False
        if answer.status_code != 200:
            return False
        parts = answer.json()
        return all(parts[name]["status"] == "healthy" for name in ("metadatabase", "scheduler"))


def wait_until(
    found: Callable[[], T | None],
    seconds: float,
    what: str,
    *,
    alive: Callable[[], None] = lambda: None,
    every: float = 0.5,
) -> T:
    """Return the first answer of ``found`` that is true. :raises StandaloneError: when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        alive()
        answer = found()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise StandaloneError(f"waited {seconds:.0f} s in vain until {what}")
        time.sleep(every)
