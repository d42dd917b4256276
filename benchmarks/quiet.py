"""``make bench-quiet``: what a run costs in which nothing changed, in a wiki of 100,000 pages, on both editions.

The sandbox serves a generated wiki and counts the requests. Runs are processes of their own, so their seconds and their memory are theirs
alone: ``run_once`` with everything that it imports late, and the most that the process ever held. Bodies are short here: a quiet run reads
none, and the first load is not what is measured.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_confluence.testing.sandbox import Edition, ManualClock, Model, Sandbox, generate

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
    left: int
    seconds: float
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
                ("megabytes", MEGABYTES),
            ):
                figure = statistics.median(getattr(run, what) for run in runs)
                said = "pass" if figure <= target else "short"
                print(f"{edition:<11} {kinds:<31} {what:<9} {figure:>8.4g} {target:>7g} {said}", flush=True)
    return 0


def _measure(edition: Edition, pages: int) -> Iterator[tuple[str, list[Measured]]]:
    """Yield the quiet runs of each choice of kinds."""
    clock = ManualClock()
    model = Model(clock=clock)
    with Sandbox(edition, model) as sandbox, tempfile.TemporaryDirectory() as folder:
        (space,) = generate(model, pages=pages)
        for item in model:
            if item.type != "attachment":
                item.body = "<p>Turn the handle until the lamp is lit.</p>"
        clock.advance(hours=1)
        for kinds, switches in KINDS.items():
            given = {
                "endpoint": sandbox.endpoint,
                "username": sandbox.username,
                "token": sandbox.token,
                "folder": folder,
                "definition": {"space": space, **switches},
            }
            while _run_apart(sandbox, given, clock).left:
                pass
            yield kinds, [_run_apart(sandbox, given, clock) for _ in range(REPETITIONS)]


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
    import resource

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
    started = time.perf_counter()
    result = run_once(run, read_datasource("docs", given["definition"]))
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, KiB elsewhere
    megabytes = peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
    left = result.counts["left_for_later"] + result.counts["written"]
    print(json.dumps({"mode": result.mode, "left": left, "seconds": seconds, "megabytes": megabytes}))


if __name__ == "__main__":
    sys.exit(main())
