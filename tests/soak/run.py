"""Plays random histories: ``make soak HISTORIES=N [SEED=S]``. History k has the seed S + k, so ``HISTORIES=1 SEED=S+k`` plays it again."""

from __future__ import annotations

import argparse
import faulthandler
import logging
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from tests.memory_folder import use_memory
from tests.soak.history import History, draw
from tests.soak.play import Finding, play

PROCESSES = 2
_MOST_SECONDS = 300  # for one history; then the stacks of all threads are printed and the soak ends
_SMALLER_SECONDS = 60


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make soak", description="Play random histories against both editions.")
    parser.add_argument("--histories", type=int, default=200)
    parser.add_argument("--seed", type=int, help="of the first history; the others count up from it")
    parser.add_argument("--processes", type=int, default=PROCESSES)
    options = parser.parse_args(arguments)
    use_memory()
    first = random.randrange(10**9) if options.seed is None else options.seed
    print(f"seeds {first} to {first + options.histories - 1}", flush=True)
    started, tally, played = time.monotonic(), Counter(), 0
    try:
        for seed, found, smallest in _play_all(range(first, first + options.histories), options.processes):
            played += 1
            tally.update(finding.kind for finding in found)
            if found:
                print(_report(seed, found, smallest), flush=True)
            if played % 500 == 0:
                print(f"… {played} histories, {time.monotonic() - started:.0f} s", flush=True)
    except BrokenProcessPool:
        tally["broken"] += 1
        print("a process ended in the middle of a history, see above", flush=True)
    print(f"{time.monotonic() - started:.0f} s, broken {tally['broken']}")
    print(f"histories {played} lost {tally['lost']} ghosts {tally['ghost']} stale {tally['stale']}", flush=True)
    return 1 if tally else 0


def _play_all(seeds: range, processes: int) -> Iterator[tuple[int, list[Finding], History | None]]:
    if processes == 1:
        yield from map(play_seed, seeds)
        return
    # Not a fork: this process may have threads. The executor's processes are no daemons, so that they may start the ones to be killed.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("forkserver")) as pool:
        for done in as_completed([pool.submit(play_seed, seed) for seed in seeds]):
            yield done.result()


def play_seed(seed: int) -> tuple[int, list[Finding], History | None]:
    """Play the history of a seed; where something was found, return the smallest history that still shows it as well."""
    # What the client warns of is what the faults do.
    logging.getLogger("airflow_provider_confluence").setLevel(logging.CRITICAL)
    faulthandler.dump_traceback_later(_MOST_SECONDS, exit=True)
    try:
        history = draw(seed)
        found = _play(history)
    finally:
        faulthandler.cancel_dump_traceback_later()
    return seed, found, _smallest(history, {finding.kind for finding in found}) if found else None


def _play(history: History) -> list[Finding]:
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        return play(history, Path(folder))


def _smallest(history: History, kinds: set[str]) -> History:
    """Leave things out for as long as the same kind of finding shows."""
    until = time.monotonic() + _SMALLER_SECONDS
    while time.monotonic() < until:
        for smaller in history.smaller():
            if time.monotonic() > until:
                break
            if kinds & {finding.kind for finding in _play(smaller)}:
                history = smaller
                break
        else:
            break
    return history


def _report(seed: int, found: list[Finding], smallest: History | None) -> str:
    lines = [f"--- seed {seed}: play it again with make soak HISTORIES=1 SEED={seed}"]
    lines += [f"{finding.kind}: {finding.text}" for finding in found[:5]]
    lines += [f"and {len(found) - 5} more"] * (len(found) > 5)
    return "\n".join([*lines, "the smallest history that shows it:", str(smallest)])


if __name__ == "__main__":
    sys.exit(main())
