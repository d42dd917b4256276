"""A whole run through the operators' code into the local sink, beside what SQLite alone does with the documents that came of it.

Two processes are the workers of a small Airflow: each has the Task SDK imported, and executes one task after the other, as this process
hands them out: ``list_changes``, then the mapped tasks as a scheduler starts them (those with more below them first, so a shard is indexed
while others are extracted), then ``commit``. What Airflow itself adds to each task, a process and its imports, is not part of it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.destinations import Local, local, opened
from benchmarks.server import Address, Setting, running
from benchmarks.table import Row

DATASOURCE = "docs"
WORKERS = 2
BATCH = 200
TARGET = 0.8


def whole_run(pages: int, rounds: int) -> Iterator[Row]:
    """Load a wiki that answers at once, round by round with the sink's own library over the same documents."""
    ours, raws, cpus = [], [], []
    with running(Setting("cloud", pages)) as address, local() as destination:
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                seconds, cpu = _run(address, Path(folder), pages)
                ours.append(pages / seconds)
                cpus.append(cpu)
                batches = _batches(_documents(Path(folder)), pages)
            raws.append(pages / _alone(destination, batches))
    rate, limit = statistics.median(ours), statistics.median(raws)
    yield Row(
        f"whole run of {pages:,} pages into the local sink through the operators ÷ SQLite alone",
        f"{rate:,.0f} documents/s with {WORKERS} workers ({statistics.median(cpus) / pages * 1e3:.2f} ms of CPU each)",
        f"{limit:,.0f} documents/s",
        statistics.median(our / raw for our, raw in zip(ours, raws, strict=True)),
        TARGET,
        at_most=False,
    )


# ---------------------------------------------------------------------------------------------- the scheduler
def _run(address: Address, folder: Path, pages: int) -> tuple[float, float]:
    """Return the seconds of a run from its first task to its last, and the CPU seconds of its tasks."""
    with ExitStack() as stack:
        workers = [stack.enter_context(_worker(address, folder)) for _ in range(WORKERS)]
        began = time.perf_counter()
        listed = workers[0].do({"task": "list_changes"})
        done = [listed, *_mapped(workers, listed["returned"])]
        done.append(workers[0].do({"task": "commit", "plan": listed["pushed"]["plan"]}))
        seconds = time.perf_counter() - began
    written = done[-1]["returned"]["counts"]["written"]
    if written != pages:
        raise RuntimeError(f"of {pages} pages {written} were written: {done[-1]['returned']}")
    return seconds, sum(each["cpu_seconds"] for each in done)


def _mapped(workers: Sequence[_Worker], references: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Do extract and index of every shard on as many workers as there are."""
    done: list[dict[str, Any]] = []
    to_extract, to_index = list(references), list[Mapping[str, Any]]()
    idle = list(workers)
    with ThreadPoolExecutor(len(workers)) as pool:
        busy: dict[Future[dict[str, Any]], tuple[_Worker, Mapping[str, Any] | None]] = {}
        while to_extract or to_index or busy:
            while idle and (to_extract or to_index):
                worker, task = idle.pop(), "extract" if to_extract else "index"
                reference = to_extract.pop(0) if to_extract else to_index.pop(0)
                future = pool.submit(worker.do, {"task": task, "reference": reference})
                busy[future] = (worker, reference if task == "extract" else None)
            finished, _ = wait(busy, return_when=FIRST_COMPLETED)
            for future in finished:
                worker, extracted = busy.pop(future)
                idle.append(worker)
                done.append(future.result())
                if extracted is not None:
                    to_index.append(extracted)
    return done


class _Worker:
    """A process that executes tasks."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.wait_until_ready = self._answer

    def do(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Execute a task; return what it returned and pushed, and its CPU seconds. :raises RuntimeError: with what it said."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:  # the tasks' logs are there too
            if line.startswith(_MARK):
                return json.loads(line.removeprefix(_MARK))  # type: ignore[no-any-return]
        raise RuntimeError(f"a worker ended: {self._process.communicate()[1]}")


_MARK = "benchmark: "


@contextmanager
def _worker(address: Address, folder: Path) -> Iterator[_Worker]:
    connection = {
        "conn_type": "confluence",
        "host": address.endpoint,
        "login": address.username,
        "password": address.token,
        "extra": {
            "deployment": "cloud",
            "requests_per_second": 100_000,
        },  # the pace is Confluence's, and not what is measured
    }
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW_CONN_CONFLUENCE_DEFAULT": json.dumps(connection),
        "AIRFLOW_VAR_CONFLUENCE_DATASOURCES": json.dumps({DATASOURCE: {"space": "BENCH0"}}),
        "AIRFLOW__CONFLUENCE__STORAGE_PATH": str(folder / "state"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.whole_run"]
    with subprocess.Popen(  # noqa: S603 - ourselves
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        try:
            worker = _Worker(process)
            worker.wait_until_ready()
            yield worker
        finally:
            process.terminate()


# ---------------------------------------------------------------------------------------------- SQLite alone
def _documents(folder: Path) -> Iterator[dict[str, Any]]:
    (file,) = (folder / "state" / "index").glob("*.sqlite3")
    with closing(sqlite3.connect(file)) as database:
        for (text,) in database.execute("SELECT document FROM doc"):
            yield json.loads(text)


def _batches(documents: Iterator[dict[str, Any]], pages: int) -> list[list[dict[str, Any]]]:
    ready = list(documents)
    if len(ready) != pages:
        raise RuntimeError(f"of {pages} pages {len(ready)} are in the index")
    return [ready[at : at + BATCH] for at in range(0, pages, BATCH)]


def _alone(destination: Any, batches: Sequence[Sequence[Mapping[str, Any]]]) -> float:
    from airflow_provider_confluence.sinks.base import Owner

    assert isinstance(destination, Local)
    with opened(destination, Owner(DATASOURCE, "bench", "https://bench.example.com")) as place:
        began = time.perf_counter()
        destination.raw(place, batches)
        return time.perf_counter() - began


# ---------------------------------------------------------------------------------------------- a worker
class _TaskInstance:
    """What the operators use of Airflow's: XCom, in memory."""

    try_number = 1

    def __init__(self, plan: Mapping[str, Any] | None) -> None:
        self.pushed: dict[str, Any] = {}
        self._pulled = {"plan": plan}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value

    def xcom_pull(self, task_ids: str, key: str) -> Any:  # noqa: ARG002 - of the first task alone
        return self._pulled.get(key)


class _Store(dict[str, Any]):
    """A state store in memory."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


def _work() -> None:
    """Execute the tasks that come in, a line each, until there are no more."""
    from airflow.sdk import BaseOperator

    import airflow_provider_confluence.sync.run  # noqa: F401 - what every task needs, as in a warm worker
    from airflow_provider_confluence.operators import confluence as operators

    def operator(task: Mapping[str, Any]) -> BaseOperator:
        if task["task"] == "list_changes":
            return operators.ConfluenceListChangesOperator(task_id="list_changes", datasource_id=DATASOURCE)
        if task["task"] == "extract":
            return operators.ConfluenceExtractOperator(task_id="extract", reference=task["reference"])
        if task["task"] == "index":
            return operators.ConfluenceIndexOperator(task_id="index", reference=task["reference"])
        return operators.ConfluenceCommitOperator(task_id="commit", datasource_id=DATASOURCE, verdict_task_id=None)

    asset = operators.asset_of(DATASOURCE)
    print(_MARK + "{}", flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        ti = _TaskInstance(task.get("plan"))
        context: Any = {
            "ti": ti,
            "run_id": "benchmark",
            "task_state_store": _Store(),
            "asset_state_store": {asset: _Store()},
            "outlet_events": _OutletEvents(),
        }
        cpu = time.process_time()
        returned = operator(task).execute(context)
        told = {"returned": returned, "pushed": ti.pushed, "cpu_seconds": time.process_time() - cpu}
        print(_MARK + json.dumps(told), flush=True)


class _OutletEvents:
    """Takes the events of every asset and keeps none."""

    def __getitem__(self, _key: object) -> _OutletEvents:
        return self

    def add(self, asset: object, extra: Mapping[str, Any]) -> None:
        """Take an event."""


if __name__ == "__main__":
    _work()
