"""An Airflow on several hosts, each a folder of its own: API server, scheduler and DAG processor on one, Celery workers on the others.

What they have in common is what hosts have in common: the installed packages, the text of the DAG file and the configuration. Home,
``AIRFLOW_HOME`` and ``TMPDIR`` are each host's own. The workers are not told where Airflow's database is, nor what signs its tokens.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from airflow_provider_confluence.testing.airflow_rest import AirflowRest, StandaloneError, wait_until
from tests.brokers import free_port
from tests.install.environments import Environment
from tests.sinks.postgres_server import PASSWORD, USER, PostgresServer

_START_SECONDS = 300.0
# Airflow asks each host for its name, and on one machine all would give the same.
_NAMES = "import os\n\n\ndef name():\n    return os.environ['NAME_OF_THIS_HOST']\n"


class Host:
    """A host: its folder, and the processes that were started on it."""

    def __init__(self, name: str, folder: Path, settings: Mapping[str, str], dag_file: str) -> None:
        self.name = name
        self.home = folder / name
        for part in ("home", "tmp", "airflow/dags", "python"):
            (self.home / part).mkdir(parents=True)
        (self.home / "airflow" / "dags" / "confluence.py").write_text(dag_file)
        (self.home / "python" / "host_names.py").write_text(_NAMES)
        self.settings = {
            **settings,
            "HOME": str(self.home / "home"),
            "TMPDIR": str(self.home / "tmp"),
            "AIRFLOW_HOME": str(self.home / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.home / "airflow" / "dags"),
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "host_names.name",
            "PYTHONPATH": str(self.home / "python"),
            "NAME_OF_THIS_HOST": name,
        }
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def log(self) -> Path:
        """What its processes print."""
        return self.home / "log"

    def start(self, program: Path, *arguments: str) -> None:
        """Start a process."""
        with self.log.open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    [str(program), *arguments],
                    cwd=self.home / "home",
                    env=self.settings,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def check_alive(self) -> None:
        """Find out whether all that was started still runs. :raises StandaloneError: with the last words."""
        if any(process.poll() is not None for process in self._processes):
            last = self.log.read_text(errors="replace").splitlines()[-20:]
            raise StandaloneError(f"a process on {self.name} ended by itself; its last words:\n" + "\n".join(last))

    def kill(self) -> None:
        """End everything at once, as a power cut does: first all is stopped, so that nothing sees the others go."""
        victims: list[psutil.Process] = []
        found = [psutil.Process(process.pid) for process in self._processes if process.poll() is None]
        while found:
            for process in found:
                with suppress(psutil.NoSuchProcess):
                    process.suspend()
            victims += found
            found = [child for process in found for child in _children(process) if child not in victims]
        for process in victims:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for started in self._processes:
            started.wait(30)
        self._processes.clear()

    def stop(self) -> None:
        """Ask everything to end, and kill what has not after a while; safe to repeat."""
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and any(process.poll() is None for process in self._processes):
            time.sleep(0.1)
        self.kill()


class CeleryAirflow(AirflowRest):
    """An Airflow with the CeleryExecutor, on 127.0.0.1.

    :param environment: where its packages are. :param folder: where its hosts are made. :param dag_file: the text of the one DAG file.
    :param database: where Airflow's database and that of Celery's results are made. :param broker: the address of Celery's broker.
    :param settings: further environment variables of every host.
    """

    def __init__(
        self,
        environment: Environment,
        folder: Path,
        *,
        dag_file: str,
        database: PostgresServer,
        broker: str,
        settings: Mapping[str, str],
    ) -> None:
        port = free_port()
        super().__init__(f"http://127.0.0.1:{port}", "admin")
        self._environment = environment
        self._folder = folder
        self._dag_file = dag_file
        for name in ("airflow", "celery"):
            with database.connect() as connection:
                connection.execute(f"CREATE DATABASE {name}")
        place = f"postgresql+psycopg://{USER}:{PASSWORD}@127.0.0.1:{database.port}"
        self._shared = {
            **environment.environ(),
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CELERY__BROKER_URL": broker,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{place}/celery",
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": "1",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "NO_PROXY": "127.0.0.1,localhost",
            # Nobody listens there: what a worker needs of Airflow's database it gets from the API server.
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/none",
            **settings,
        }
        self._workers: dict[str, Host] = {}
        self._passwords = folder / "passwords.json"
        central = {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"{place}/airflow",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"{place}/airflow",
            "AIRFLOW__CORE__FERNET_KEY": "",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._passwords),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
            # As tests on a busy machine need it: see airflow_provider_confluence.testing.standalone.
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "120",
            "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "180",
            "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        }
        self._central = Host("control", folder, {**self._shared, **central}, dag_file)

    def __enter__(self) -> CeleryAirflow:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def password(self) -> str:
        """The password that Airflow made."""
        return str(json.loads(self._passwords.read_text())[self.username])

    def start(self) -> None:
        """Make the database, start all but the workers, and return when API server and scheduler answer."""
        made = subprocess.run(
            [str(self._airflow), "db", "migrate"],
            env=self._central.settings,
            capture_output=True,
            text=True,
            timeout=_START_SECONDS,
            check=False,
        )
        if made.returncode:
            raise StandaloneError(f"airflow db migrate ended with {made.returncode}:\n{made.stdout}\n{made.stderr}")
        for part in ("api-server", "scheduler", "dag-processor"):
            self._central.start(self._airflow, part)
        wait_until(self.is_healthy, _START_SECONDS, "Airflow answers", alive=self.check_alive)

    def start_worker(self, name: str) -> Host:
        """Start a worker on a host of its own; it takes tasks some seconds later."""
        host = self._workers[name] = Host(name, self._folder, self._shared, self._dag_file)
        # A worker's logs go to the object store with the end of a task; nobody asks the worker for them.
        host.start(self._airflow, "celery", "worker", "--celery-hostname", f"worker@{name}", "--skip-serve-logs")
        return host

    def stop(self) -> None:
        """Stop every host, the workers first."""
        for host in (*self._workers.values(), self._central):
            host.stop()

    def check_alive(self) -> None:
        """Find out whether all that should run does. :raises StandaloneError: with the last words of what does not."""
        for host in (*self._workers.values(), self._central):
            host.check_alive()

    @property
    def _airflow(self) -> Path:
        return self._environment.folder / "bin" / "airflow"


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children()
    except psutil.NoSuchProcess:
        return []
