"""``make bench``: every target of speed and size in one table, each figure beside its reference of the same run.

A machine's figures drift with what else it does; ratios hold. So each of our figures is measured in turn with its reference, round by
round, and the medians are compared. The server is :mod:`benchmarks.server`, a process of its own on the same machine, whose work is part of
both sides.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import raw
from benchmarks.bodies import body
from benchmarks.content import limit, seconds
from benchmarks.dag_file import dag_file
from benchmarks.loading import apart, load, together
from benchmarks.server import Address, Setting, running
from benchmarks.table import Note, Row, show
from benchmarks.whole_run import whole_run
from benchmarks.wiki import DISTINCT_BODIES

EDITIONS = ("cloud", "datacenter")
IN_FLIGHT = 8
PER_REQUEST, PER_BODY = 0.05, 0.004
LISTED_AT_A_TIME = {"cloud": 250, "datacenter": 200}


class Bench:
    """What the measurements share: how often, how large, and where state is kept."""

    def __init__(self, rounds: int, scale: float) -> None:
        self.rounds = rounds
        self.scale = scale

    def pages(self, count: int) -> int:
        """Return a size, smaller where a quick look is wanted."""
        return max(200, int(count * self.scale))


@contextmanager
def _site(edition: str, pages: int, *, slow: bool = False, files: int = 0) -> Iterator[Callable[..., dict[str, Any]]]:
    """Run a server, and return what makes the description of a job against it; ``.address`` is where it is."""
    setting = Setting(
        edition, pages, files=files, per_request=PER_REQUEST if slow else 0.0, per_body=PER_BODY if slow else 0.0
    )
    with running(setting) as address, tempfile.TemporaryDirectory() as folder:

        def job(what: str, name: str = "state", **more: Any) -> dict[str, Any]:
            place = Path(folder) / name
            return {
                "what": what,
                "address": asdict(address),
                "edition": edition,
                "in_flight": IN_FLIGHT,
                "folder": str(place),
                **more,
            }

        job.address = address  # type: ignore[attr-defined]
        yield job


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


# ---------------------------------------------------------------------------------------------- first load
def first_load(bench: Bench) -> Iterator[Row]:
    """List, fetch, convert, stage; the wall beside the raw client's, the CPU beside lxml's, and two shards beside one."""
    pages = bench.pages(2_000)
    for edition in EDITIONS:
        with _site(edition, pages, slow=True) as job:
            address: Address = job.address  # type: ignore[attr-defined]
            walls, raws, cpus, listed, asked, cores = [], [], [], 0.0, 0, 1
            for number in range(bench.rounds):
                raws.append(_timed(partial(raw.load, address, edition, in_flight=IN_FLIGHT)))
                address.counters()
                took = load(job("list", f"round-{number}"))
                asked = address.counters()["requests"]
                walls.append(took.seconds)
                cpus.append(took.cpu_seconds)
                listed, cores = took.planned.seconds, took.cores
        wall, reference, cpu = statistics.median(walls), statistics.median(raws), statistics.median(cpus)
        bound = max(reference, cpu / cores)
        yield Row(
            f"first load, {pages:,} pages, {edition}: wall ÷ max(raw wall, our CPU ÷ {cores} cores)",
            f"{wall:.2f} s, {pages / wall:,.0f} pages/s (list {listed:.2f} s; CPU {cpu:.2f} s)",
            f"raw {reference:.2f} s",
            wall / bound,
            1.15,
        )
        most = (
            -(-pages // LISTED_AT_A_TIME[edition])
            + -(-pages // 50)
            + (-(-pages // 200) if edition == "cloud" else 0)
            + 20
        )
        yield Row(
            f"requests of a full run, {pages:,} pages, {edition}", f"{asked}", f"{most} by the formula", asked, most
        )
    yield from _cpu_and_shards(bench)


def _cpu_and_shards(bench: Bench) -> Iterator[Row]:
    pages = 2_000  # of which a plan makes two shards, at any scale
    bodies = [body(1_000_003 + number) for number in range(60)]
    for edition in EDITIONS:
        with _site(edition, pages) as job:
            ratios, gains, ours, limits = [], [], [], []
            for number in range(bench.rounds):
                parsed = seconds(limit, bodies) / len(bodies)
                one, two = f"one-{number}", f"two-{number}"
                planned = apart(job("list", one))
                shutil.copytree(job("list", one)["folder"], job("list", two)["folder"])
                alone = apart(job("extract", one, revision=planned.revision, shards=list(range(planned.shards))))
                both = together(
                    [job("extract", two, revision=planned.revision, shards=[shard]) for shard in range(planned.shards)]
                )
                gains.append(alone.seconds / max(each.seconds for each in both))
                cpu = (planned.cpu_seconds + alone.cpu_seconds) / pages
                ours.append(cpu)
                limits.append(parsed)
                ratios.append(cpu / parsed)
        yield Row(
            f"CPU per page, list to staged batch, {edition} ÷ lxml parse + itertext",
            f"{statistics.median(ours) * 1e3:.2f} ms",
            f"{statistics.median(limits) * 1e3:.2f} ms",
            statistics.median(ratios),
            2.5,
        )
        yield Row(
            f"two shards against one, 0 ms, {edition}: times as fast",
            "",
            "",
            statistics.median(gains),
            1.4,
            at_most=False,
        )


# ---------------------------------------------------------------------------------------------- later runs
EVERY_KIND = {"enable_blogposts": True, "enable_attachments": True}
REQUESTS = {"cloud": 5, "datacenter": 8}
REQUESTS_PER_KIND = 2


def later_runs(bench: Bench) -> Iterator[Row]:
    """Runs in which nothing changed: quiet ones, and a look at everything.

    The first load is not what is measured: it lists and commits for real, but instead of fetching bodies, which these runs never do, it
    writes the receipts of a sink that took all. In a small wiki a quiet run compares everything, because that is cheap.
    """
    for edition in EDITIONS:
        pages = bench.pages(100_000)
        with _site(edition, pages) as job:
            address: Address = job.address  # type: ignore[attr-defined]
            yield from _quiet(bench, job, f"{pages:,} pages, {edition}", REQUESTS[edition])
            listed = _timed(partial(raw.list_only, address, edition, in_flight=IN_FLIGHT))
            address.counters()
            whole = apart(job("run", mode="reconcile"))
            asked = address.counters()["requests"]
            if whole.items:
                raise RuntimeError(f"this look at everything found changes: {whole}")
            what = f"reconcile, {pages:,} pages, nothing changed, {edition}"
            formula = -(-pages // LISTED_AT_A_TIME[edition]) + (-(-pages // 200) if edition == "cloud" else 0) + 20
            yield Row(f"{what}: requests", f"{asked}", f"{formula} by the formula", asked, formula)
            bound = 1.2 * listed + 5
            yield Row(f"{what}: seconds", f"{whole.seconds:.1f}", f"raw {listed:.1f}", whole.seconds, bound)
            yield Row(f"{what}: MB", f"{whole.megabytes:.0f}", "", whole.megabytes, 300)
        pages = max(15_000, bench.pages(15_000))  # fewer than these a quiet run compares
        with _site(edition, pages, files=pages // 10) as job:
            most = REQUESTS[edition] + len(EVERY_KIND) * REQUESTS_PER_KIND
            what = f"{pages:,} pages, blog posts, attachments, {edition}"
            yield from _quiet(bench, partial(job, settings=EVERY_KIND), what, most, job.address)  # type: ignore[attr-defined]


def _quiet(
    bench: Bench, job: Callable[..., dict[str, Any]], what: str, most: int, address: Address | None = None
) -> Iterator[Row]:
    address = address or job.address  # type: ignore[attr-defined]
    planned = apart(job("list"))
    apart(job("take_as_indexed", revision=planned.revision))
    address.counters()
    runs = [apart(job("run")) for _ in range(bench.rounds)]
    asked = address.counters()["requests"] / bench.rounds
    if any(run.items for run in runs):
        raise RuntimeError(f"these runs were not quiet: {runs}")
    what = f"quiet run, {what} ({runs[-1].mode})"
    yield Row(f"{what}: requests", f"{asked:g}", "", asked, most)
    took, cpu = (statistics.median(getattr(run, name) for run in runs) for name in ("seconds", "cpu_seconds"))
    yield Row(f"{what}: seconds", f"{took:.2f} ({cpu:.2f} of CPU)", "", took, 3.0)
    held = max(run.megabytes for run in runs)
    yield Row(f"{what}: MB", f"{held:.0f}", "", held, 150)


def memory(bench: Bench) -> Iterator[Row]:
    """The most that a task of a large first load holds, beside a small one."""
    held: dict[int, float] = {}
    for pages in (2_000, bench.pages(50_000)):
        with _site("cloud", pages) as job:
            planned = apart(job("list"))
            first = apart(job("extract", revision=planned.revision, shards=[0]))
            indexed = apart(job("index", revision=planned.revision, shards=[0]))
            held[pages] = max(planned.megabytes, first.megabytes, indexed.megabytes)
            told = f"list {planned.megabytes:.0f}, extract {first.megabytes:.0f}, index {indexed.megabytes:.0f}"
    small, large = held.values()
    yield Row(
        f"first load of {max(held):,} pages: MB more than for {min(held):,}",
        f"{large:.0f} ({told})",
        f"{small:.0f}",
        large - small,
        60,
    )


_FEW = 100


def million(bench: Bench) -> Iterator[Row | Note]:
    """A quiet run, one after a few edits, and a look at everything, of a million pages: beyond the targets, so it stands by itself."""
    pages = bench.pages(1_000_000)
    with _site("cloud", pages) as job:
        address: Address = job.address  # type: ignore[attr-defined]
        planned = apart(job("list"))
        committed = apart(job("take_as_indexed", revision=planned.revision))
        state = Path(job("run")["folder"])
        before = _files(state)
        address.counters()
        quiet = apart(job("run", mode="changes"))
        asked = address.counters()["requests"]
        written = {name: size for name, (size, _) in (_files(state).items() - before.items())}
        address.edit(_FEW)
        few = apart(job("run", mode="changes"))
        whole = apart(job("run", mode="reconcile"))
    if quiet.items or whole.items or quiet.mode != "changes":
        raise RuntimeError(f"these runs were not quiet: {quiet}, {whole}")
    if few.items != _FEW or few.mode != "changes":
        raise RuntimeError(f"this run did not follow {_FEW} edits: {few}")
    yield Row(f"quiet run, {pages:,} pages, cloud: requests", f"{asked}", "", asked, REQUESTS["cloud"])
    for name, took in (
        ("first list", planned),
        ("first commit", committed),
        ("quiet run", quiet),
        (f"run after {_FEW} edits", few),
        ("reconcile", whole),
    ):
        yield Note(f"{pages:,} pages, {name}: {took.cpu_seconds:.1f} s of CPU, {took.megabytes:,.0f} MB")
    yield Note(f"the quiet run left {len(written)} files, {sum(written.values()):,} bytes")


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of each file below a folder."""
    found = ((path, path.stat()) for path in folder.rglob("*") if path.is_file())
    return {str(path): (status.st_size, status.st_mtime_ns) for path, status in found}


# ---------------------------------------------------------------------------------------------- the table
PARTS: dict[str, Callable[[Bench], Iterator[Row | Note]]] = {
    "first-load": first_load,
    "later-runs": later_runs,
    "memory": memory,
    "whole-run": lambda bench: whole_run(bench.pages(4_000), bench.rounds),
    "dag-file": lambda bench: dag_file(bench.rounds),
}
BY_NAME = {**PARTS, "million": million}  # a quarter of an hour, so it is asked for by its name alone


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(BY_NAME)} (default: all but the last)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--scale", type=float, default=1.0, help="of the sizes; below 1 for a quick look, whose figures mean nothing"
    )
    parser.add_argument(
        "--markdown", metavar="FILE", help="keep the table there as well: docs/performance.md, or any other file"
    )
    options = parser.parse_args(arguments)
    if options.markdown and (options.parts or options.scale != 1):
        parser.error("only a table of all parts, at their sizes, is kept")
    if unknown := [name for name in options.parts if name not in BY_NAME]:
        parser.error(f"there is no part {unknown[0]}; the parts are {', '.join(BY_NAME)}")
    bench = Bench(options.rounds, options.scale)
    about = f"bodies of 12.5 KB, {DISTINCT_BODIES} different ones; medians of {options.rounds} rounds"
    if options.scale != 1:
        about += f"; a quick look at {options.scale:g} of the sizes"
    rows = _measured(options.parts or list(PARTS), bench)
    show(rows, name="make bench", about=about, markdown=options.markdown)
    return 0


def _measured(parts: Sequence[str], bench: Bench) -> Iterator[Row | Note]:
    for name in parts:
        began = time.perf_counter()
        yield from BY_NAME[name](bench)
        yield Note(f"{name} took {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
