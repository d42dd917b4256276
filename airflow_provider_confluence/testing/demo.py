"""``make demo``: a wiki is indexed by a real Airflow and searched; the sandbox's sample, or a real one where the environment names it.

``CONFLUENCE_URL``, ``CONFLUENCE_USER`` (absent for a personal access token), ``CONFLUENCE_TOKEN`` and ``CONFLUENCE_SPACE`` (keys with
commas between) choose a real Confluence; ``DEMO_QUERY`` what is searched for. With ``DEMO_ONESHOT`` it ends after the search, else it
stays up until Ctrl-C. Run it in a checkout: its DAG folder is ``dags/``.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from airflow_provider_confluence.cli.search import print_hits
from airflow_provider_confluence.datasource import DEFAULT_QUEUE
from airflow_provider_confluence.errors import ConfigurationError, ConfluenceProviderError
from airflow_provider_confluence.testing.standalone import Standalone, StandaloneError, wait_until

_HOMES = Path(".airflow")
_DAG = "confluence__demo"
_QUERY = "rollback deployment"
# How long the scheduler may take to start the first run by itself before we do.
_FIRST_RUN_SECONDS = 15.0


def main() -> int:
    """Run the demo; the last line printed says what was indexed and found."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that everything that was started is stopped
    try:
        return _demo()
    except (ConfluenceProviderError, StandaloneError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("demo: stopped")
        return 130


def _demo() -> int:
    with ExitStack() as stack:
        connection, spaces, home = _confluence(stack)
        print("starting Airflow (the first start makes its database and takes about half a minute) …", flush=True)
        airflow = stack.enter_context(Standalone(home, Path("dags")))
        airflow.set_connection("confluence_default", conn_type="confluence", **connection)
        datasource = {"name": "Demo", "space": spaces, "enable_blogposts": True, "enable_attachments": True}
        airflow.set_variable("confluence_datasources", json.dumps({"demo": datasource}))
        print(
            "the Connection confluence_default and the Variable confluence_datasources are made; waiting for the DAG …",
            flush=True,
        )
        airflow.wait_for_dag(_DAG)
        run_id = _first_run(airflow)
        with _Progress() as progress:
            state = airflow.wait_for_run(_DAG, run_id, seconds=24 * 3600, show=progress.show)
        result = airflow.xcom(_DAG, run_id, "commit", "return_value")
        print(result["verdict"] if result else f"{run_id}: {state}")
        for message in airflow.failures(_DAG, run_id):
            print(f"  {message}")
        last_line = _search(home / "confluence" / "index" / f"{DEFAULT_QUEUE}.sqlite3")
        print(f"\nAirflow UI: {airflow.url}/dags/{_DAG}   user {airflow.username}, password {airflow.password}")
        if not os.environ.get("DEMO_ONESHOT"):
            print(f"{last_line}\n\nCtrl-C stops everything.", flush=True)
            with suppress(KeyboardInterrupt):
                threading.Event().wait()
            print("stopping …", flush=True)
    print(last_line)
    return 0 if state == "success" else 1


def _confluence(stack: ExitStack) -> tuple[dict[str, Any], list[str], Path]:
    """Return the connection's fields, the spaces, and the Airflow home that belongs to them."""
    endpoint = os.environ.get("CONFLUENCE_URL")
    if endpoint:
        from airflow_provider_confluence.sync.manifest import digest

        spaces = [key.strip() for key in _required("CONFLUENCE_SPACE").split(",") if key.strip()]
        connection = {
            "host": endpoint,
            "login": os.environ.get("CONFLUENCE_USER") or None,
            "password": _required("CONFLUENCE_TOKEN"),
        }
        return connection, spaces, _HOMES / f"demo-{digest(endpoint)}"
    from airflow_provider_confluence.testing.sandbox import Sandbox, load_sample

    sandbox = stack.enter_context(Sandbox(edition="cloud"))
    load_sample(sandbox.model)
    print(
        f"a sandbox Confluence with a sample wiki is at {sandbox.endpoint} (for your own set CONFLUENCE_URL, as the README says)"
    )
    home = _HOMES / "demo-sandbox"
    # The sandbox is born anew with every demo, so what was known of the last one is of no use.
    shutil.rmtree(home, ignore_errors=True)
    connection = {"host": sandbox.endpoint, "login": sandbox.username, "password": sandbox.token}
    return connection, [space.key for space in sandbox.model.spaces()], home


def _required(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ConfigurationError(f"CONFLUENCE_URL is set, so {name} must be too")
    return value


def _first_run(airflow: Standalone) -> str:
    """Return the run to watch: one that the schedule has begun, else one of our own."""

    def under_way() -> str | None:
        running = [run for run in airflow.runs(_DAG) if run["state"] in ("queued", "running")]
        return str(running[0]["dag_run_id"]) if running else None

    try:
        return wait_until(under_way, _FIRST_RUN_SECONDS, "the schedule starts a run")
    except StandaloneError:
        return airflow.trigger(_DAG)


def _search(index_file: Path) -> str:
    from airflow_provider_confluence.sinks.local_search import LocalIndex

    query = os.environ.get("DEMO_QUERY") or _QUERY
    print(f'\nsearch for "{query}":\n')
    with LocalIndex(index_file) as index:
        total = print_hits(index, query, limit=5).total
        documents = sum(index.counts().values())
    return f'indexed {documents} documents, {total} hits for "{query}"'


class _Progress:
    """The states of a run's tasks: redrawn on a terminal, a line for each change elsewhere."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console()
        self._live = Live(console=self._console, refresh_per_second=4) if self._console.is_terminal else None
        self._states: dict[str, str] = {}

    def __enter__(self) -> _Progress:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, tasks: list[dict[str, Any]]) -> None:
        """Show the task instances as they are now."""
        order = ("list_changes", "shards.extract", "shards.index", "commit", "verdict")
        tasks = sorted(tasks, key=lambda t: (order.index(t["task_id"]) if t["task_id"] in order else 9, t["map_index"]))
        now = {_name(task): str(task["state"] or "waiting") for task in tasks}
        if self._live is not None:
            self._live.update(self._table(now))
        else:
            for name, state in now.items():
                if state != self._states.get(name, "waiting"):
                    print(f"  {name}: {state}", flush=True)
        self._states = now

    def _table(self, states: dict[str, str]) -> Any:
        from rich.table import Table

        colours = {
            "success": "green",
            "running": "cyan",
            "failed": "red",
            "up_for_retry": "yellow",
            "skipped": "magenta",
        }
        table = Table("task", "state", box=None)
        for name, state in states.items():
            table.add_row(name, f"[{colours.get(state, 'dim')}]{state}[/]")
        return table


def _name(task: dict[str, Any]) -> str:
    return f"{task['task_id']}[{task['map_index']}]" if task["map_index"] >= 0 else str(task["task_id"])


if __name__ == "__main__":
    sys.exit(main())
