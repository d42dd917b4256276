"""``make bench``: every target of speed and size in one table, each figure beside its reference of the same run.

A machine's figures drift with what else it does; ratios hold. So each of our figures is measured in turn with its reference, round by
round, and the medians are compared. The server is :mod:`benchmarks.server`, a process of its own on the same machine, whose work is part of
both sides.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import raw
from benchmarks.bodies import body
from benchmarks.content import limit, seconds
from benchmarks.loading import Took, apart, together
from benchmarks.server import Address, Setting, running
from benchmarks.wiki import DISTINCT_BODIES

EDITIONS = ("cloud", "datacenter")
IN_FLIGHT = 8
PER_REQUEST, PER_BODY = 0.05, 0.004
LISTED_AT_A_TIME = {"cloud": 250, "datacenter": 200}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``figure`` and ``target`` are in the same unit; ``at_most`` says on which side the target lies."""

    what: str
    ours: str
    reference: str
    figure: float
    target: float
    at_most: bool = True

    @property
    def passed(self) -> bool:
        """Whether the target is reached."""
        return self.figure <= self.target if self.at_most else self.figure >= self.target


class Bench:
    """What the measurements share: how often, how large, and where state is kept."""

    def __init__(self, rounds: int, scale: float) -> None:
        self.rounds = rounds
        self.scale = scale

    def pages(self, count: int) -> int:
        """Return a size, smaller where a quick look is wanted."""
        return max(200, int(count * self.scale))


@contextmanager
def _site(edition: str, pages: int, *, slow: bool = False, spaces: int = 1) -> Iterator[Callable[..., dict[str, Any]]]:
    """Run a server, and return what makes the description of a job against it; ``.address`` is where it is."""
    setting = Setting(
        edition, pages, spaces, per_request=PER_REQUEST if slow else 0.0, per_body=PER_BODY if slow else 0.0
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
            walls, raws, cpus, listed, asked = [], [], [], 0.0, 0
            for number in range(bench.rounds):
                raws.append(_timed(partial(raw.load, address, edition, in_flight=IN_FLIGHT)))
                address.counters()
                planned, extracted = _load(job, f"round-{number}")
                asked = address.counters()["requests"]
                walls.append(planned.seconds + extracted.seconds)
                cpus.append(planned.cpu_seconds + extracted.cpu_seconds)
                listed = planned.seconds
        wall, reference, cpu = statistics.median(walls), statistics.median(raws), statistics.median(cpus)
        bound = max(reference, cpu)
        yield Row(
            f"first load, {pages:,} pages, {edition}: wall ÷ max(raw wall, our CPU on one core)",
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


def _load(job: Callable[..., dict[str, Any]], name: str) -> tuple[Took, Took]:
    planned = apart(job("list", name))
    return planned, apart(job("extract", name, revision=planned.revision, shards=list(range(planned.shards))))


def _cpu_and_shards(bench: Bench) -> Iterator[Row]:
    pages = max(4_000, bench.pages(4_000))
    bodies = [body(1_000_003 + number) for number in range(60)]
    for edition in EDITIONS:
        with _site(edition, pages) as job:
            ratios, gains, ours, limits = [], [], [], []
            for number in range(bench.rounds):
                parsed = seconds(limit, bodies) / len(bodies)
                planned = apart(job("list", f"one-{number}"))
                one = apart(job("extract", f"one-{number}", revision=planned.revision, shards=[0, 1]))
                two = apart(job("list", f"two-{number}"))
                both = together(
                    [job("extract", f"two-{number}", revision=two.revision, shards=[shard]) for shard in (0, 1)]
                )
                gains.append(one.seconds / max(each.seconds for each in both))
                cpu = (planned.cpu_seconds + one.cpu_seconds) / pages
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
def later_runs(bench: Bench) -> Iterator[Row]:
    """A quiet run, and a look at everything in which nothing changed, over 100,000 pages; and the memory of a large first load."""
    pages = bench.pages(100_000)
    for edition, most in (("cloud", 5), ("datacenter", 8)):
        with _site(edition, pages) as job:
            address: Address = job.address  # type: ignore[attr-defined]
            planned = apart(job("list"))
            apart(job("take_as_indexed", revision=planned.revision))
            address.counters()
            quiet = [apart(job("run")) for _ in range(bench.rounds)]
            asked = address.counters()["requests"] / bench.rounds
            if any(run.items for run in quiet):
                raise RuntimeError(f"these runs were not quiet: {quiet}")
            what = f"quiet run, {pages:,} pages, {edition} ({quiet[-1].mode})"
            yield Row(f"{what}: requests", f"{asked:g}", "", asked, most)
            took = statistics.median(run.seconds for run in quiet)
            yield Row(f"{what}: seconds", f"{took:.2f}", "", took, 3.0)
            held = max(run.megabytes for run in quiet)
            yield Row(f"{what}: MB", f"{held:.0f}", "", held, 150)
            listed = _timed(partial(raw.list_only, address, edition, in_flight=IN_FLIGHT))
            address.counters()
            whole = apart(job("run", mode="reconcile"))
            asked = address.counters()["requests"]
            what = f"reconcile, {pages:,} pages, nothing changed, {edition}"
            formula = -(-pages // LISTED_AT_A_TIME[edition]) + (-(-pages // 200) if edition == "cloud" else 0) + 20
            yield Row(f"{what}: requests", f"{asked}", f"{formula} by the formula", asked, formula)
            bound = 1.2 * listed + 5
            yield Row(f"{what}: seconds", f"{whole.seconds:.1f}", f"raw {listed:.1f}", whole.seconds, bound)
            yield Row(f"{what}: MB", f"{whole.megabytes:.0f}", "", whole.megabytes, 300)


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


# ---------------------------------------------------------------------------------------------- the table
PARTS = {"first-load": first_load, "later-runs": later_runs, "memory": memory}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--scale", type=float, default=1.0, help="of the sizes; below 1 for a quick look, whose figures mean nothing"
    )
    options = parser.parse_args(arguments)
    bench = Bench(options.rounds, options.scale)
    print(
        f"{os.cpu_count()} cores, {platform.python_implementation()} {platform.python_version()}, {platform.system()}; "
        f"bodies of 12.5 KB, {DISTINCT_BODIES} different ones; medians of {options.rounds} rounds",
        flush=True,
    )
    began = time.perf_counter()
    rows: list[Row] = []
    for name in options.parts or PARTS:
        for row in PARTS[name](bench):
            rows.append(row)
            said = "pass" if row.passed else "short"
            side = "≤" if row.at_most else "≥"
            beside = " | ".join(part for part in (row.ours, row.reference) if part)
            print(f"{said:<5}  {row.figure:>9.3g} {side} {row.target:<8.4g} {row.what}  [{beside}]", flush=True)
    print(f"{sum(row.passed for row in rows)} of {len(rows)} reached in {time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
