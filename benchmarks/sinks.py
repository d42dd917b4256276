"""``make bench-sinks``: how fast the index step fills each sink, beside what the client library can do alone, and in how much memory.

Both sides get the same documents, staged for ours and ready in memory for the other, and write them into an empty index of the same layout,
in turn, round by round. Rates are medians. The ratio is the median of those of the rounds: what two neighbours in time have in common, such
as other work on the machine, falls out of it. Our side reads the staged lines, decides between revisions, and writes receipts; what
the other side does is in :mod:`benchmarks.destinations`.

Memory is that of a process of its own, for each number of documents, with everything that it imports.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_confluence.documents import Document
from airflow_provider_confluence.sinks.base import Sink
from airflow_provider_confluence.sync.storage import Storage
from benchmarks import destinations
from benchmarks.destinations import Destination, Measurable, Place, opened
from benchmarks.documents import documents
from benchmarks.memory import peak_megabytes
from benchmarks.staging import batches, forget_receipts, index_staged, owner, stage

RATIO = 0.8
MEGABYTES = 50
FEW, MANY = 1_000, 50_000


@dataclass(frozen=True)
class Measured:
    """A sink to measure. ``count`` is how many documents a round writes.

    ``start`` makes a destination that has its own way to be filled; ``alone`` one that has none. ``memory`` is false where the many
    documents of that measurement are more than the server of the tests can hold.
    """

    name: str
    count: int
    start: Callable[[], AbstractContextManager[Measurable]] | None = None
    alone: Callable[[], AbstractContextManager[Destination]] | None = None
    memory: bool = True


SINKS = (
    Measured("memory", 2_000, alone=destinations.memory, memory=False),  # it holds all documents: that is what it is
    Measured("local", 2_000, destinations.local),
    Measured("postgres", 1_000, destinations.postgres),
    Measured("elasticsearch", 2_000, destinations.elasticsearch),
    Measured("opensearch", 500, destinations.opensearch, memory=False),  # osmem keeps 450 KB of memory a document
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table of rates and one of memory, each figure with its target and whether it was reached."""
    parser = argparse.ArgumentParser(prog="make bench-sinks", description=__doc__)
    names = [sink.name for sink in SINKS]
    parser.add_argument("sinks", nargs="*", metavar="SINK", help=f"which ones, of {', '.join(names)}; all without")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-memory", action="store_true", help="leave the second table out")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        return _child(*options.child)
    unknown = sorted(set(options.sinks) - set(names))
    if unknown:
        parser.error(f"{unknown[0]} is none of {', '.join(names)}")
    chosen = [sink for sink in SINKS if sink.name in (options.sinks or names)]
    with tempfile.TemporaryDirectory(prefix="bench-sinks-") as folder:
        _rates(chosen, Path(folder), options.rounds)
        if not options.no_memory:
            _memory([sink for sink in chosen if sink.memory], Path(folder))
    return 0


# ------------------------------------------------------------------------------------------ rates
def _rates(chosen: Sequence[Measured], folder: Path, rounds: int) -> None:
    made = list(documents(max(sink.count for sink in chosen)))
    size = statistics.mean(len(document.content.encode()) for document in made)
    print(f"documents of {size / 1000:.1f} KB into an empty index, per second, medians of {rounds} rounds", flush=True)
    print(f"{'sink':<14} {'index step':>10} {'library alone':>14} {'ratio':>6} {'target':>7}", flush=True)
    for sink in chosen:
        storage = Storage(folder / f"rates-{sink.name}")
        stage(storage, made[: sink.count], sink.count)
        ours, raws = _race(sink, storage, made[: sink.count], rounds)
        rate = sink.count / statistics.median(ours)
        if not raws:
            print(f"{sink.name:<14} {rate:>10.0f} {'-':>14} {'-':>6} {'-':>7}", flush=True)
            continue
        limit = sink.count / statistics.median(raws)
        ratio = statistics.median(theirs / own for theirs, own in zip(raws, ours, strict=True))
        said = "pass" if ratio >= RATIO else "short"
        print(f"{sink.name:<14} {rate:>10.0f} {limit:>14.0f} {ratio:>6.2f} {RATIO:>7g} {said}", flush=True)


def _race(sink: Measured, storage: Storage, made: Sequence[Document], rounds: int) -> tuple[list[float], list[float]]:
    """Return the seconds of our rounds, and of those of the library where there is one."""
    ours: list[float] = []
    raws: list[float] = []
    who = owner(storage)
    if sink.start is None:
        assert sink.alone is not None
        with sink.alone() as lone:
            for _ in range(rounds):
                with opened(lone, who) as place:
                    ours.append(_indexed(storage, place, len(made)))
        return ours, raws
    with sink.start() as destination:
        ready = [[document.to_json() for document in batch] for batch in batches(made)]
        with opened(destination, who) as place:  # not measured: it warms the server up
            _indexed(storage, place, len(made))
        for _ in range(rounds):
            with opened(destination, who) as place:
                started = time.perf_counter()
                destination.raw(place, ready)
                raws.append(time.perf_counter() - started)
            with opened(destination, who) as place:
                ours.append(_indexed(storage, place, len(made)))
    return ours, raws


def _indexed(storage: Storage, place: Place, count: int) -> float:
    """Return the seconds of one index step."""
    forget_receipts(storage)
    sink: Sink = place.make_sink()
    started = time.perf_counter()
    counts = index_staged(storage, sink)
    seconds = time.perf_counter() - started
    if counts.written != count:
        raise RuntimeError(f"of {count} documents these were written: {counts}")
    return seconds


# ------------------------------------------------------------------------------------------ memory
def _memory(chosen: Sequence[Measured], folder: Path) -> None:
    staged = {}
    for count in (FEW, MANY):
        staged[count] = folder / f"memory-{count}"
        stage(Storage(staged[count]), documents(count), count)
    print(
        f"\nMB that a process of the index step held at the most\n{'sink':<14} {FEW:>8} {MANY:>8} {'more':>6} {'target':>7}"
    )
    for sink in chosen:
        assert sink.start is not None
        with sink.start() as destination:
            few, many = (_apart(destination, staged[count], count) for count in (FEW, MANY))
        said = "pass" if abs(many - few) <= MEGABYTES else "short"
        print(f"{sink.name:<14} {few:>8.0f} {many:>8.0f} {many - few:>6.0f} {MEGABYTES:>7} {said}", flush=True)


def _apart(destination: Destination, folder: Path, count: int) -> float:
    storage = Storage(folder)
    forget_receipts(storage)
    with opened(destination, owner(storage)) as place:
        command = [sys.executable, "-m", "benchmarks.sinks", "--child", place.to_json(), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    if done.returncode:
        raise RuntimeError(done.stderr)
    written, megabytes = done.stdout.split()
    if int(written) != count:
        raise RuntimeError(f"of {count} documents {written} were written")
    return float(megabytes)


def _child(place: str, folder: str) -> int:
    counts = index_staged(Storage(folder), Place.from_json(place).make_sink())
    print(counts.written, peak_megabytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
