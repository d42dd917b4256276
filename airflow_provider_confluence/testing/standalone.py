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
from collections.abc import Mapping
from pathlib import Path

from airflow_provider_confluence.testing.airflow_rest import AirflowRest, StandaloneError, wait_until

__all__ = ["Standalone", "StandaloneError", "wait_until"]

_USER = "admin"
# The first start makes the metadata database, which alone takes half a minute on two cores.
_START_SECONDS = 300.0


class Standalone(AirflowRest):
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
        super().__init__(f"http://127.0.0.1:{self.port}{path}", _USER)
        self._users = {_USER: "admin", **(users or {})}
        self.log = self.home / "standalone.log"
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

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
            wait_until(self.is_healthy, _START_SECONDS, "Airflow answers", alive=self.check_alive)
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

    def check_alive(self) -> None:
        """Find out whether it still runs. :raises StandaloneError: with its last words, when it ended by itself."""
        if self._process is None or self._process.poll() is not None:
            last = self.log.read_text(errors="replace").splitlines()[-15:] if self.log.exists() else []
            raise StandaloneError(
                "Airflow ended by itself; its last words, from " + str(self.log) + ":\n" + "\n".join(last)
            )


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
