"""What the DAG file costs with 500 datasources, beside 500 DAGs of four tasks that are written by hand, and what its import costs.

Each parse is a process of its own, ours and the other in turn. Those by hand are made as Airflow's tutorial makes them, by ``@dag`` and
``@task``, with a schedule, one active run and a tag: none has our mapped group, fifth task, parameters or time limits. What is compared is
CPU time, without the import of ``airflow.sdk``, which a DAG processor has done before; serialization is Airflow's and left out.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.table import Row

DATASOURCES = 500
TARGET, IMPORT_SECONDS = 1.5, 0.3
_INTERVALS = ("5m", "15m", "1h", "6h", "90m")
_VARIABLE = "AIRFLOW_VAR_CONFLUENCE_DATASOURCES"


def dag_file(rounds: int) -> Iterator[Row]:
    """Parse both, round by round."""
    ours, by_hand = [], []
    with tempfile.TemporaryDirectory() as home:
        for _ in range(rounds):
            by_hand.append(_parsed("by_hand", home))
            ours.append(_parsed("ours", home))
    mine = statistics.median(each["build"] for each in ours)
    theirs = statistics.median(each["build"] for each in by_hand)
    yield Row(
        f"DAG file with {DATASOURCES} datasources ÷ as many DAGs of four tasks by hand",
        f"{mine:.2f} s of CPU",
        f"{theirs:.2f} s",
        statistics.median(our["build"] / their["build"] for our, their in zip(ours, by_hand, strict=True)),
        TARGET,
    )
    took = statistics.median(each["import"] for each in ours)
    yield Row(
        "import of the DAG file's modules over airflow.sdk: seconds", f"{took:.3f} s of CPU", "", took, IMPORT_SECONDS
    )


def _parsed(which: str, home: str) -> dict[str, Any]:
    definitions = {
        f"space-{number}": {"space": f"S{number}", "interval": _INTERVALS[number % len(_INTERVALS)]}
        for number in range(DATASOURCES)
    }
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "AIRFLOW_HOME": str(Path(home) / "airflow"),
        _VARIABLE: json.dumps(definitions),
    }
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.dag_file", which]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    if done.returncode:
        raise RuntimeError(done.stderr)
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    if told["dags"] != DATASOURCES:
        raise RuntimeError(f"{which} made {told['dags']} of {DATASOURCES} DAGs")
    return told


def _ours() -> dict[str, Any]:
    began = time.process_time()
    from airflow_provider_confluence.dag_factory import build_dags
    from airflow_provider_confluence.operators import confluence as _  # noqa: F401 - the factory imports it when it builds

    imported = time.process_time()
    dags = build_dags()
    return {"import": imported - began, "build": time.process_time() - imported, "dags": len(dags)}


def _by_hand() -> dict[str, Any]:
    from airflow.sdk import dag, task

    began = time.process_time()
    dags = {}
    for number in range(DATASOURCES):

        @dag(
            dag_id=f"by_hand_{number}",
            schedule=f"{number % 60} * * * *",
            start_date=datetime(2025, 1, 1, tzinfo=timezone.utc),
            catchup=False,
            max_active_runs=1,
            tags=["confluence"],
        )
        def by_hand() -> None:
            @task
            def list_changes() -> list[str]:
                return []

            @task
            def extract(changes: list[str]) -> list[str]:
                return changes

            @task
            def index(documents: list[str]) -> int:
                return len(documents)

            @task
            def commit(count: int) -> int:
                return count

            commit(index(extract(list_changes())))  # type: ignore[arg-type]  # outputs stand for what they will be

        made = by_hand()
        dags[made.dag_id] = made
    return {"import": 0.0, "build": time.process_time() - began, "dags": len(dags)}


def _child(which: str) -> None:
    # What both need of Airflow, and its first look at the configuration, before the clock starts.
    import airflow.sdk
    from airflow.sdk import DAG

    for name in airflow.sdk.__all__:
        getattr(airflow.sdk, name, None)
    DAG("warm", schedule=None)
    print(json.dumps(_ours() if which == "ours" else _by_hand()))


if __name__ == "__main__":
    _child(sys.argv[1])
