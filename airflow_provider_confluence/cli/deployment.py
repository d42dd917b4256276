"""What an Airflow deployment says to a command, outside of its tasks: connections, Variables, configuration, pools; and where it says it.

The only module of the commands that turns to Airflow. Importing Airflow takes seconds, so it is imported when something is asked for first.

Airflow offers no public way to look a connection or Variable up outside of tasks *as tasks would find it*: its SDK leaves the database out
unless the process says that it may ask it (3.3: ``execution_time/supervisor.py``, ``ensure_secrets_backend_loaded``), and tells nobody
which of its backends answered. Both are done here, and ``tests/cli/test_deployment.py`` and ``tests/e2e/test_standalone.py`` hold them to
a database and to a running Airflow.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from airflow_provider_confluence.errors import ConfigurationError

if TYPE_CHECKING:
    from upath import UPath

    from airflow_provider_confluence.content.attachments import ExtractorSettings
    from airflow_provider_confluence.datasource import Datasource
    from airflow_provider_confluence.errors import DatasourceError
    from airflow_provider_confluence.hooks.confluence import ConfluenceHook
    from airflow_provider_confluence.sinks.base import Sink
    from airflow_provider_confluence.sinks.connection import SinkConnection
    from airflow_provider_confluence.sync.storage import Storage

_CONTEXT = "_AIRFLOW_PROCESS_CONTEXT"
_DATABASE_SECONDS = 15
_POOL_SECONDS = 120
DATABASE = "Airflow's database"


class Deployment:
    """The deployment that this process's environment and ``AIRFLOW_HOME`` describe.

    :param tell: is told once of everything that is read, where it was found.
    """

    def __init__(self, tell: Callable[[str], object] = lambda _: None) -> None:
        self._tell = tell
        self._opened = False
        self._database: str | None = None
        self.read_from: dict[str, str] = {}
        """Where each thing that was asked for was found, in words."""

    @property
    def database_problem(self) -> str | None:
        """Why Airflow's database cannot be asked from here; ``None`` where it can."""
        with self._airflow():
            return self._database

    # ---------------------------------------------------------------- settings
    def storage(self) -> Storage:
        """Return the storage that ``[confluence] storage_path`` names. :raises ConfigurationError: where it cannot be used."""
        with self._airflow():
            from airflow_provider_confluence.operators import _deployment as deployment

            self._note("storage", f"{deployment.storage_path()}, {_set_by('storage_path')}")
            return deployment.storage()

    def index_folder(self) -> Path:
        """Return the folder of local indexes."""
        with self._airflow():
            from airflow_provider_confluence.operators import _deployment as deployment

            return deployment.index_folder()

    def make_sink(self, datasource: Datasource) -> Sink:
        """Return a datasource's sink, not opened yet, as a task would make it."""
        with self._airflow():
            from airflow_provider_confluence.operators import _deployment as deployment

            return deployment.make_sink(datasource, connections=self.sink_connection)

    def extractor(self) -> ExtractorSettings:
        """Return how this deployment reads attached files."""
        with self._airflow():
            from airflow_provider_confluence.operators import _deployment as deployment

            return deployment.extractor()

    # ---------------------------------------------------------------- Variables
    def definitions(self) -> dict[str, Datasource | DatasourceError] | None:
        """Return every datasource of the Variable, a broken one as its error; ``None`` where there is no Variable.

        :raises DatasourceError: where it cannot be read as a whole.
        """
        with self._airflow():
            from airflow_provider_confluence.operators import _deployment as deployment

            text = self._variable(deployment.DATASOURCES_VARIABLE)
            if text is None:
                return None
            connector = deployment.read_connector_block(deployment.CONNECTOR_VARIABLE)
            if connector.value or connector.problems:
                self._note_variable(deployment.CONNECTOR_VARIABLE)
            return deployment.read_definitions(text, f"Variable {deployment.DATASOURCES_VARIABLE}", connector)

    def datasource(self, datasource_id: str | None) -> Datasource:
        """Return a datasource of the Variable; for ``None`` the only one there is.

        :raises ConfigurationError: where it is not there, or is broken; naming what there is.
        """
        from airflow_provider_confluence.errors import DatasourceError

        found = self.definitions()
        if found is None:
            raise ConfigurationError(
                f"there is no Variable confluence_datasources: {self._nowhere}. Where a DAG file defines the datasources, give their file "
                "with --datasources FILE"
            )
        if datasource_id is None and len(found) == 1:
            datasource_id = next(iter(found))
        listed = ", ".join(found) or "none"
        if datasource_id is None:
            raise ConfigurationError(f"which datasource? The Variable confluence_datasources has {listed}")
        if datasource_id not in found:
            raise ConfigurationError(
                f"there is no datasource {datasource_id} in the Variable confluence_datasources, which was read from "
                f"{self.read_from['Variable confluence_datasources']}; there are: {listed}"
            )
        datasource = found[datasource_id]
        if isinstance(datasource, DatasourceError):
            raise datasource
        return datasource

    def _variable(self, name: str) -> str | None:
        from airflow_provider_confluence.operators._deployment import read_variable

        text = read_variable(name)
        if text is not None:
            self._note_variable(name)
        return text

    # ---------------------------------------------------------------- connections
    def hook(self, conn_id: str | None) -> ConfluenceHook:
        """Return the hook of a connection to Confluence, looked up; ``None`` for the default one.

        :raises ConfigurationError: where there is none, saying where it was looked for.
        """
        with self._airflow():
            from airflow_provider_confluence.hooks.confluence import ConfluenceHook

            hook = ConfluenceHook(conn_id or ConfluenceHook.default_conn_name)
            self._find(hook.confluence_conn_id)
            return hook

    def mask_secret(self, secret: str) -> None:
        """Let Airflow's logs show a secret no more."""
        with self._airflow():
            from airflow_provider_confluence.hooks._masking import mask

            mask(secret)

    def sink_connection(self, conn_id: str) -> SinkConnection:
        """Return a connection as sinks take it. :raises ConfigurationError: where there is none, saying where it was looked for."""
        with self._airflow():
            from airflow_provider_confluence.hooks.sink_connections import sink_connection

            self._find(conn_id)
            return sink_connection(conn_id)

    def _find(self, conn_id: str) -> None:
        source = self._source("connection", conn_id)
        if source is None:
            raise ConfigurationError(
                f"there is no connection {conn_id} that can be read: {self._nowhere}. Make it in Airflow, or set "
                f"AIRFLOW_CONN_{conn_id.upper()} to its URI or JSON"
            )
        self._note(f"connection {conn_id}", source)

    # ---------------------------------------------------------------- pools and places
    def pools(self) -> list[str] | None:
        """Return the names of all pools, ``None`` where they cannot be known from here."""
        if self.database_problem is not None:
            return None
        command = [sys.executable, "-m", "airflow", "pools", "list", "--output", "json"]
        try:
            asked = subprocess.run(command, capture_output=True, text=True, timeout=_POOL_SECONDS, check=True)  # noqa: S603
            # Log lines may stand before the answer.
            return [str(row["pool"]) for row in json.loads(asked.stdout[asked.stdout.index("[{") :])]
        except (OSError, subprocess.SubprocessError, ValueError, TypeError, KeyError):
            return None

    def object_store(self, url: str) -> UPath:
        """Return a place in an object store whose address names an Airflow connection."""
        with self._airflow():
            from airflow.sdk import ObjectStoragePath

            return cast("UPath", ObjectStoragePath(url))

    # ---------------------------------------------------------------- how Airflow is asked
    @contextmanager
    def _airflow(self) -> Iterator[None]:
        """Let Airflow look things up. What it logs to standard output, which is for our answers, goes to standard error."""
        with redirect_stdout(sys.stderr):
            if not self._opened:
                os.environ[_CONTEXT] = "server"
                try:
                    import airflow.sdk  # noqa: F401 - reads the configuration and sets the database up
                except Exception as error:
                    # whatever a driver or a setting raises; the text may hold the database's URL with its password
                    what = str(error) if isinstance(error, ImportError) else type(error).__name__
                    raise ConfigurationError(
                        f"Airflow does not start here ({what}): mend its configuration, or go without it, with --storage, and --endpoint "
                        "where Confluence is asked"
                    ) from error
                self._opened = True
                self._database = _database_problem()
                if self._database is not None:
                    del os.environ[_CONTEXT]  # else each look-up would try the database anew, and log a traceback
            yield

    def _note_variable(self, name: str) -> None:
        self._note(f"Variable {name}", self._source("variable", name) or "Airflow")

    def _note(self, what: str, source: str) -> None:
        if what not in self.read_from:
            self.read_from[what] = source
            self._tell(f"{what}: {source}" if what == "storage" else f"{what}: read from {source}")

    @property
    def _nowhere(self) -> str:
        if self._database is None:
            return f"it was looked for in the environment, the secrets backends and {DATABASE}"
        return f"it was looked for in the environment and the secrets backends, but not in {DATABASE}, because {self._database}"

    def _source(self, kind: Literal["connection", "variable"], name: str) -> str | None:
        """Return which of Airflow's backends has it, in the order in which Airflow asks them."""
        from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded

        for backend in ensure_secrets_backend_loaded():
            try:
                found = backend.get_connection(name) if kind == "connection" else backend.get_variable(name)
            except Exception:  # noqa: BLE001, S112 - Airflow too passes over a backend that fails, whatever it raises
                continue
            if found is not None:
                return _named(type(backend).__name__, kind, name)
        return None


def _named(backend: str, kind: str, name: str) -> str:
    if backend == "EnvironmentVariablesBackend":
        return f"the environment ({'AIRFLOW_CONN_' if kind == 'connection' else 'AIRFLOW_VAR_'}{name.upper()})"
    return DATABASE if backend == "MetastoreBackend" else f"the secrets backend {backend}"


def _set_by(option: str) -> str:
    from airflow_provider_confluence.operators import _deployment as deployment

    if f"AIRFLOW__CONFLUENCE__{option.upper()}" in os.environ:
        return f"as AIRFLOW__CONFLUENCE__{option.upper()} says"
    if deployment.option(option):
        return f"as [confluence] {option} says"
    return f"the default, since [confluence] {option} is not set"


def _database_problem() -> str | None:
    """Return why the database cannot be asked, without making an empty one where there is none. At most 15 seconds."""
    from airflow.sdk.configuration import conf

    url = conf.get("database", "sql_alchemy_conn", fallback="") or ""
    file = url.partition("sqlite:///")[2].partition("?")[0]
    if file and not Path(file).exists():
        return f"there is no file {file}"
    said: list[str | None] = []

    def ask() -> None:
        from airflow.secrets.metastore import MetastoreBackend

        try:
            MetastoreBackend().get_variable("confluence_datasources")
            said.append(None)
        except Exception as error:  # noqa: BLE001 - of many drivers; the text may name hosts and accounts
            said.append(f"it does not answer as one ({type(error).__name__})")

    asking = threading.Thread(target=ask, daemon=True)  # which a database that hangs keeps, and the command goes on
    asking.start()
    asking.join(_DATABASE_SECONDS)
    return said[0] if said else f"it does not answer within {_DATABASE_SECONDS} seconds"


def shown(read_from: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the part of a JSON answer that says where things were read; nothing where Airflow was not asked."""
    return {"read_from": dict(read_from)} if read_from else {}
