"""``make bench-units``: what a page and a run cost, in all that a deployment is sized by. ``docs/sizing.md`` reckons with it.

Three parts. *pages*: CPU, memory, requests and bytes of storage of each step, against :mod:`benchmarks.server`. *indexes*: bytes on disk
for each document, by sink. *airflow*: rows and bytes in Airflow's database, and CPU of all its processes, for a run with changes and for
one without: a real ``airflow standalone`` over PostgreSQL and the sandbox.

What grows with the wiki is measured at two sizes; the difference by the pages between is the cost of a page, and the rest that of a run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import sql

from airflow_provider_confluence.sync.storage import Storage
from airflow_provider_confluence.testing.sandbox import Sandbox
from airflow_provider_confluence.testing.standalone import Standalone, wait_until
from benchmarks import destinations
from benchmarks.destinations import opened
from benchmarks.documents import documents
from benchmarks.loading import Took, apart
from benchmarks.server import Address, Setting, running
from benchmarks.staging import index_staged, owner, stage
from tests.sinks.postgres_server import PostgresServer, postgres_server

SMALL, LARGE = 5_000, 50_000
LOADED = 4_000
EDITIONS = ("cloud", "datacenter")


@dataclass(frozen=True, slots=True)
class Cost:
    """One figure: of what, for what, in which unit."""

    what: str
    figure: float
    unit: str

    def __str__(self) -> str:
        return f"{self.what:<66} {self.figure:>9.4g} {self.unit}"


# ---------------------------------------------------------------------------------------------- pages
def pages(scale: float) -> Iterator[Cost]:
    """CPU, memory, requests and storage, of each step, for a page and for a run."""
    for edition in EDITIONS:
        yield from _first_load(edition, max(400, int(LOADED * scale)))
    small, large = max(400, int(SMALL * scale)), max(4_000, int(LARGE * scale))
    for edition in EDITIONS:
        few, many = _later_runs(edition, small), _later_runs(edition, large)
        for what, one in few.items():
            other = many[what]
            name = f"{edition}: {what}"
            grown = (other.megabytes - one.megabytes) / (large - small)
            yield Cost(f"{name}, memory for a page", grown * 1024, "KB")
            yield Cost(f"{name}, memory for a run", one.megabytes - grown * small, "MB")
            if (
                what == "first commit"
            ):  # it was given receipts that nobody had to earn, and writing them is not its work
                continue
            slope = (other.cpu_seconds - one.cpu_seconds) / (large - small)
            yield Cost(f"{name}, CPU for a page", slope * 1e3, "ms")
            yield Cost(f"{name}, CPU for a run", one.cpu_seconds - slope * small, "s")
            yield Cost(f"{name}, requests at {large:,} pages", other.requests, "")


def _first_load(edition: str, count: int) -> Iterator[Cost]:
    with _site(edition, count) as job:
        planned = apart(job(what="list"))
        state = Path(job()["folder"]) / "state"
        plan = _bytes(state)
        yield Cost(f"{edition}: plan", plan / count, "bytes a page")
        shards = list(range(planned.shards))
        extracted = apart(job(what="extract", revision=planned.revision, shards=shards))
        yield Cost(f"{edition}: staged documents of bodies of 12.5 KB", (_bytes(state) - plan) / count, "bytes a page")
        before = _bytes(state)
        indexed = apart(job(what="index", revision=planned.revision, shards=shards))
        yield Cost(f"{edition}: receipts", (_bytes(state) - before) / count, "bytes a page")
        committed = apart(job(what="commit", revision=planned.revision))
        yield Cost(f"{edition}: manifest", _bytes(state / "docs" / "manifest") / count, "bytes a page")
        yield Cost(f"{edition}: storage after the first run", _bytes(state) / count, "bytes a page")
        for name, took in (("list", planned), ("extract", extracted), ("index", indexed), ("commit", committed)):
            yield Cost(
                f"{edition}: {name}, first load of {count:,} pages, CPU", took.cpu_seconds / count * 1e3, "ms a page"
            )
            yield Cost(f"{edition}: {name}, first load of {count:,} pages, memory", took.megabytes, "MB")
        asked = planned.requests + extracted.requests
        yield Cost(f"{edition}: requests, first load of {count:,} pages", asked / count * 1e3, "for 1,000 pages")


def _later_runs(edition: str, count: int) -> dict[str, Took]:
    """Return what is left of the steps, over an index that is taken as filled: what they hold in memory grows with it."""
    with _site(edition, count) as job:
        planned = apart(job(what="list"))
        committed = apart(job(what="take_as_indexed", revision=planned.revision))
        found = {"first list": planned, "first commit": committed}
        for name, mode in (("quiet run", "changes"), ("reconcile, nothing changed", "reconcile")):
            job.address.counters()
            took = apart(job(what="run", mode=mode))
            if took.items:
                raise RuntimeError(f"this run was not quiet: {took}")
            found[name] = replace(took, requests=job.address.counters()["requests"])
        return found


class _Job:
    """Makes descriptions of jobs against one server."""

    def __init__(self, address: Address, edition: str, folder: Path) -> None:
        self.address = address
        self._fixed = {"address": asdict(address), "edition": edition, "in_flight": 8, "folder": str(folder)}

    def __call__(self, **more: Any) -> dict[str, Any]:
        return {**self._fixed, **more}


@contextmanager
def _site(edition: str, count: int) -> Iterator[_Job]:
    with running(Setting(edition, count)) as address, tempfile.TemporaryDirectory(prefix="bench-units-") as folder:
        yield _Job(address, edition, Path(folder))


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# ---------------------------------------------------------------------------------------------- indexes
def indexes(scale: float) -> Iterator[Cost]:
    """Bytes on disk for each document. Not of the search engines: what stands for them in tests stores in ways of its own."""
    few, many = max(200, int(1_000 * scale)), max(400, int(4_000 * scale))
    made = list(documents(many))
    text = sum(len(document.content.encode()) for document in made) / many
    yield Cost("Markdown of a document", text / 1000, "KB")
    for name, start in (("local", destinations.local), ("postgres", destinations.postgres)):
        with tempfile.TemporaryDirectory(prefix="bench-units-") as folder, start() as destination:
            held = []
            for count in (few, many):
                storage = Storage(Path(folder) / str(count))
                stage(storage, made[:count], count)
                with opened(destination, owner(storage)) as place:
                    sink = place.make_sink()
                    index_staged(storage, sink)
                    sink.close()
                    held.append(_held(place))
        yield Cost(f"{name}: index", (held[1] - held[0]) / (many - few) / 1000, "KB a document")


def _held(place: destinations.Place) -> int:
    """Return how many bytes an index has on its disk."""
    if place.folder:
        return sum(file.stat().st_size for file in Path(place.folder).glob(f"{place.name}.sqlite3*"))
    at = place.connection
    with psycopg.connect(
        host=at["host"], port=at["port"], user=at["login"], password=at["password"], dbname=at["schema"]
    ) as database:
        found = database.execute(
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname LIKE %s",
            (f"%{place.name}%",),
        ).fetchone()
    assert found is not None
    return int(found[0])


# ---------------------------------------------------------------------------------------------- airflow
def airflow(scale: float) -> Iterator[Cost]:
    """Rows and bytes in Airflow's database, and CPU of all its processes, for runs of each kind."""
    count, quiet, changed = max(20, int(300 * scale)), max(2, int(10 * scale)), max(2, int(5 * scale))
    with (
        Sandbox("cloud") as sandbox,
        postgres_server() as server,
        tempfile.TemporaryDirectory(prefix="bench-units-") as folder,
    ):
        sandbox.model.create_space("DOCS", "Documentation")
        page_ids = [sandbox.model.create_page("DOCS", f"Page {n}", f"<p>Text {n}</p>") for n in range(count)]
        dags = Path(folder) / "dags"
        dags.mkdir()
        (dags / "confluence.py").write_text(_DAG_FILE)
        with server.connect() as connection:
            connection.execute("CREATE DATABASE airflow")
        url = f"postgresql+psycopg://{server.connection.login}:{server.connection.password}@127.0.0.1:{server.port}/airflow"
        variables = {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": url,
            "AIRFLOW_CONN_CONFLUENCE_DEFAULT": json.dumps(
                {
                    "conn_type": "confluence",
                    "host": sandbox.endpoint,
                    "login": sandbox.username,
                    "password": sandbox.token,
                }
            ),
        }
        with Standalone(Path(folder) / "home", dags, environment=variables) as deployment, _watched() as held:
            deployment.wait_for_dag(_DAG)
            first = wait_until(lambda: deployment.runs(_DAG), 120, "the first run begins")[0]["dag_run_id"]
            _ended(deployment, first)
            yield from _runs(deployment, server, "quiet run", quiet, lambda: None)
            edits = iter(range(changed))
            yield from _runs(
                deployment,
                server,
                "run with changes, one shard",
                changed,
                lambda: sandbox.model.edit(page_ids[next(edits)], body="<p>Changed</p>"),
            )
        yield Cost("a task's process, the most memory, shared with others", held["rss"], "MB")
        yield Cost("a task's process, the most memory of its own", held["uss"], "MB")


_DAG = "confluence__docs"
_DAG_FILE = """
from airflow_provider_confluence.dag_factory import build_dags  # builds Airflow DAGs

globals().update(build_dags(datasources={"docs": {"space": "DOCS", "interval": "23h"}}))
"""


def _runs(
    deployment: Standalone, server: PostgresServer, what: str, count: int, before: Callable[[], object]
) -> Iterator[Cost]:
    """Do some runs one after the other; what they leave, and what they use beyond what an Airflow uses that does nothing."""
    idle, began = _cpu(), time.monotonic()
    time.sleep(20)
    idle_rate = (_cpu() - idle) / (time.monotonic() - began)
    rows, cpu, began, walls = _rows(server), _cpu(), time.monotonic(), []
    for _ in range(count):
        before()
        clock = time.monotonic()
        _ended(deployment, deployment.trigger(_DAG))
        walls.append(time.monotonic() - clock)
    used = _cpu() - cpu - idle_rate * (time.monotonic() - began)
    after = _rows(server)
    yield Cost(f"{what}: wall, median", statistics.median(walls), "s")
    yield Cost(f"{what}: CPU of all of Airflow", used / count, "s")
    grown = {
        name: (after[name][0] - rows.get(name, (0, 0))[0], after[name][1] - rows.get(name, (0, 0))[1]) for name in after
    }
    total = [sum(each) / count for each in zip(*grown.values(), strict=True)]
    yield Cost(f"{what}: rows in Airflow's database", total[0], "rows")
    yield Cost(f"{what}: their bytes, without indexes", total[1] / 1000, "KB")
    for name, (number, size) in sorted(grown.items(), key=lambda each: -each[1][1]):
        if number >= count:
            yield Cost(f"{what}:   {name}, {number / count:.3g} rows", size / count / 1000, "KB")


def _ended(deployment: Standalone, run_id: str) -> None:
    state = deployment.wait_for_run(_DAG, run_id)
    if state != "success":
        raise RuntimeError(f"run {run_id} ended as {state}: {deployment.failures(_DAG, run_id)}")


def _rows(server: PostgresServer) -> dict[str, tuple[int, int]]:
    """Return for every table of Airflow's database how many rows it has, and their bytes."""
    found: dict[str, tuple[int, int]] = {}
    with server.connect("airflow") as connection:
        tables = connection.execute("SELECT relname FROM pg_stat_user_tables").fetchall()
        for (name,) in tables:
            row = connection.execute(
                sql.SQL("SELECT count(*), coalesce(sum(pg_column_size(t.*)), 0) FROM {} t").format(sql.Identifier(name))
            ).fetchone()
            assert row is not None
            found[name] = (int(row[0]), int(row[1]))
    return found


def _cpu() -> float:
    """Return the CPU seconds of what this process started, its tasks that have ended included."""
    seconds = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


@contextmanager
def _watched() -> Iterator[dict[str, float]]:
    """Look at the tasks' processes all the time; the most MB that one of them held, in the end."""
    held, is_over = {"rss": 0.0, "uss": 0.0}, threading.Event()

    def watch() -> None:
        while not is_over.wait(0.2):
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    title = " ".join(process.cmdline())  # as Airflow writes it
                    if "airflow worker --" in title and "Executor" not in title:
                        found = process.memory_full_info()
                        held.update({name: max(held[name], getattr(found, name) / 2**20) for name in held})

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield held
    finally:
        is_over.set()
        thread.join()


# ---------------------------------------------------------------------------------------------- the list
PARTS = {"pages": pages, "indexes": indexes, "airflow": airflow}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each figure."""
    parser = argparse.ArgumentParser(prog="make bench-units", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--scale", type=float, default=1.0, help="of the sizes; below 1 for a quick look")
    options = parser.parse_args(arguments)
    for name in options.parts or PARTS:
        for cost in PARTS[name](options.scale):
            print(cost, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
