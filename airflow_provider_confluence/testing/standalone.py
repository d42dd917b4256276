"""A real ``airflow standalone`` of its own, for demos and end-to-end tests: started, talked to over REST, stopped with all its children."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

T = TypeVar("T")

_USER = "admin"
# The first start makes the metadata database, which alone takes half a minute on two cores.
_START_SECONDS = 300.0


class StandaloneError(Exception):
    """Airflow did not start, or did not do in time what was waited for."""


class Standalone:
    """An Airflow on 127.0.0.1 with a home of its own.

    It is started with few workers: the default of 32 brings a small machine down (the scheduler dies with "database is locked").

    :param home: AIRFLOW_HOME; made where absent. :param dags: the folder of DAG files.
    :param users: further users besides the administrator: role by name. :param path: the path behind which the UI is, such as ``/airflow``.
    :param environment: further environment variables, such as ``AIRFLOW__CONFLUENCE__STORAGE_PATH``.
    """

    def __init__(
        self,
        home: Path,
        dags: Path,
        *,
        users: Mapping[str, str] | None = None,
        path: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home.resolve()
        self.dags = dags.resolve()
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}{path}"
        self.username = _USER
        self._users = {_USER: "admin", **(users or {})}
        self.log = self.home / "standalone.log"
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._token: str | None = None

    def __enter__(self) -> Standalone:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---------------------------------------------------------------- life
    def start(self) -> None:
        """Start Airflow and return when its API and scheduler answer. :raises StandaloneError: when they do not in time."""
        self.home.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "airflow", "standalone"],
                cwd=self.home,
                env=self._settings(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that stopping reaches every child
            )
        try:
            wait_until(self._is_healthy, _START_SECONDS, "Airflow answers", alive=self._check_alive)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop Airflow and everything it started; safe to repeat."""
        process, self._process = self._process, None
        if process is None:
            return
        for sign, patience in ((signal.SIGTERM, 20.0), (signal.SIGKILL, 20.0)):
            try:
                os.killpg(process.pid, sign)
            except ProcessLookupError:
                break
            deadline = time.monotonic() + patience
            while time.monotonic() < deadline and _group_lives(process):
                time.sleep(0.1)
            if not _group_lives(process):
                break
        process.wait(timeout=10)

    @property
    def password(self) -> str:
        """The password that Airflow made for :attr:`username`."""
        return self.password_of(self.username)

    def password_of(self, user: str) -> str:
        """Return the password that Airflow made for a user."""
        made = json.loads((self.home / "passwords.json").read_text())
        return str(made[user])

    @property
    def environment(self) -> dict[str, str]:
        """The environment that this Airflow's processes have, for commands that are to see the same deployment."""
        return self._settings()

    # ---------------------------------------------------------------- REST
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
            alive=self._check_alive,
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

        return wait_until(finished, seconds, f"run {run_id} of {dag_id} ends", alive=self._check_alive, every=1.0)

    # ---------------------------------------------------------------- inside
    def _settings(self) -> dict[str, str]:
        settings = {
            name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "CONFLUENCE_"))
        }
        database = self.home / "airflow.db"
        settings |= {
            # standalone starts its parts as `airflow …`: the one of this environment must be found first.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{settings.get('PATH', '')}",
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            # The DAG processor answers the first Variable only when it has built an API of its own, which a busy machine does in more
            # than the 30 and 50 s that a DAG file may take.
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "120",
            "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "180",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
                f"{name}:{role}" for name, role in self._users.items()
            ),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.home / "passwords.json"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{database}",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": self._secret(),
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(_free_port()),
            "AIRFLOW__TRIGGERER__TRIGGERER_LOG_SERVER_PORT": str(_free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(_free_port()),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "NO_PROXY": "127.0.0.1,localhost",
        }
        return settings | self._environment

    def _secret(self) -> str:
        """Return the secret that this home's tokens are signed with; it outlives a restart."""
        file = self.home / "jwt_secret"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_hex(32))
        return file.read_text()

    def _is_healthy(self) -> bool:
        import requests

        try:
            answer = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5)
        except requests.RequestException:
            return False
        if answer.status_code != 200:
            return False
        parts = answer.json()
        return all(parts[name]["status"] == "healthy" for name in ("metadatabase", "scheduler"))

    def _check_alive(self) -> None:
        if self._process is None or self._process.poll() is not None:
            last = self.log.read_text(errors="replace").splitlines()[-15:] if self.log.exists() else []
            raise StandaloneError(
                "Airflow ended by itself; its last words, from " + str(self.log) + ":\n" + "\n".join(last)
            )


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


def _group_lives(process: subprocess.Popen[bytes]) -> bool:
    process.poll()  # a child that ended stays in its group until it is waited for
    try:
        os.killpg(process.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
