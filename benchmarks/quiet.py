"""``make bench-quiet``: what a run costs in which nothing changed, in a wiki of 100,000 pages, on both editions.

The sandbox serves a generated wiki and counts the requests. Runs are processes of their own, so their seconds and their memory are theirs
alone: ``run_once`` with everything that it imports late, in wall and in CPU time (others may be at work), and the most that the process
ever held. The first load is not what is measured: it lists and commits for real, but instead of fetching bodies, which a quiet run never
does, it writes the receipts of a sink that took all.
In a small wiki a quiet run compares everything, because that is cheap: the targets are for 100,000 pages.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_confluence.testing.sandbox import Edition, ManualClock, Model, Sandbox, generate
from benchmarks.loading import take_as_indexed
from benchmarks.memory import peak_megabytes

if TYPE_CHECKING:
    from airflow_provider_confluence.datasource import Datasource
    from airflow_provider_confluence.sync.commit import RunResult
    from airflow_provider_confluence.sync.context import RunContext

REQUESTS: dict[str, int] = {"cloud": 5, "datacenter": 8}
REQUESTS_PER_KIND = 2
SECONDS = 3.0
MEGABYTES = 150
REPETITIONS = 3
KINDS = {"pages": {}, "pages, blog posts, attachments": {"enable_blogposts": True, "enable_attachments": True}}


@dataclass(frozen=True)
class Measured:
    """One run: what its process said of it, and what the sandbox counted."""

    mode: str
    changed: int
    seconds: float
    cpu_seconds: float
    megabytes: float
    requests: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line for each figure, with its target and whether it was reached."""
    parser = argparse.ArgumentParser(prog="make bench-quiet", description=__doc__)
    parser.add_argument("--pages", type=int, default=100_000)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        _run(json.loads(options.child))
        return 0
    editions: tuple[Edition, ...] = ("cloud", "datacenter")
    print(f"quiet runs over {options.pages} pages, medians of {REPETITIONS}", flush=True)
    print(f"{'edition':<11} {'kinds':<31} {'what':<9} {'figure':>8} {'target':>7}", flush=True)
    for edition in editions:
        for kinds, runs in _measure(edition, options.pages):
            print(f"{edition:<11} {kinds:<31} mode      {runs[-1].mode:>8}", flush=True)
            further = max(0, kinds.count(",")) * REQUESTS_PER_KIND
            for what, target in (
                ("requests", REQUESTS[edition] + further),
                ("seconds", SECONDS),
                ("of CPU", SECONDS),
                ("megabytes", MEGABYTES),
            ):
                figure = statistics.median(getattr(run, what.replace("of CPU", "cpu_seconds")) for run in runs)
                said = "pass" if figure <= target else "short"
                print(f"{edition:<11} {kinds:<31} {what:<9} {figure:>8.4g} {target:>7g} {said}", flush=True)
    return 0


def _measure(edition: Edition, pages: int) -> Iterator[tuple[str, list[Measured]]]:
    """Yield the quiet runs of each choice of kinds."""
    clock = ManualClock()
    model = Model(clock=clock)
    with Sandbox(edition, model) as sandbox, tempfile.TemporaryDirectory() as folder:
        (space,) = generate(model, pages=pages)
        clock.advance(hours=1)
        for kinds, switches in KINDS.items():
            given = {
                "endpoint": sandbox.endpoint,
                "username": sandbox.username,
                "token": sandbox.token,
                "folder": folder,
                "definition": {"space": space, **switches},
            }
            _run_apart(sandbox, {**given, "load": True}, clock)
            runs = [_run_apart(sandbox, given, clock) for _ in range(REPETITIONS)]
            if any(run.changed for run in runs):
                raise RuntimeError(f"these runs were not quiet: {runs}")
            yield kinds, runs


def _run_apart(sandbox: Sandbox, given: dict[str, Any], clock: ManualClock) -> Measured:
    clock.advance(minutes=5)
    sandbox.requests.clear()
    command = [sys.executable, "-m", "benchmarks.quiet", "--child", json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    if done.returncode:
        raise RuntimeError(done.stderr)
    return Measured(**json.loads(done.stdout), requests=len(sandbox.requests))


def _run(given: dict[str, Any]) -> None:
    """Do one run in this process and print what it took."""
    from airflow_provider_confluence.confluence.client import ConnectionSettings, connect
    from airflow_provider_confluence.datasource import read_datasource
    from airflow_provider_confluence.sinks.registry import make_sink
    from airflow_provider_confluence.sync.context import RunContext
    from airflow_provider_confluence.sync.run import run_once
    from airflow_provider_confluence.sync.storage import Storage

    folder = Path(given["folder"])
    # The pace is not what is measured: a quiet run has fewer requests than one second lets through.
    settings = ConnectionSettings(given["endpoint"], given["username"], given["token"], requests_per_second=1000)
    run = RunContext(
        storage=Storage(folder / "state"),
        connect=lambda _: connect(settings),
        make_sink=lambda d: make_sink(d.sink, d.queue_name, storage=folder / "index"),
    )
    datasource = read_datasource("docs", given["definition"])
    if given.get("load"):
        result = _load(run, replace(datasource, max_items_per_run=10_000_000))
        print(
            json.dumps(
                {
                    "mode": result.mode,
                    "changed": result.counts["written"],
                    "seconds": 0.0,
                    "cpu_seconds": 0.0,
                    "megabytes": 0.0,
                }
            )
        )
        return
    started, cpu = time.perf_counter(), time.process_time()
    result = run_once(run, datasource)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    megabytes = peak_megabytes()
    changed = result.counts["written"] + result.counts["deleted"] + result.counts["left_for_later"]
    print(
        json.dumps(
            {"mode": result.mode, "changed": changed, "seconds": seconds, "cpu_seconds": cpu, "megabytes": megabytes}
        )
    )


def _load(run: RunContext, datasource: Datasource) -> RunResult:
    from airflow_provider_confluence.sync.list_changes import list_changes

    return take_as_indexed(run, datasource, list_changes(run, datasource).revision)


if __name__ == "__main__":
    sys.exit(main())
