"""How fast a body becomes Markdown, beside the limit: what lxml needs to parse the same body and join its text, macros and all.

Both begin with the body as Confluence stores it, which no XML parser takes: the limit too puts a root around it that names the prefixes,
and replaces the names that HTML knows, by the shortest way there is (code that holds such a name would be spoilt, which a converter must
not do). Both run in turn, round by round, in this one process; the medians of the rounds are compared, because single figures drift
with the machine while the ratio holds.
"""

from __future__ import annotations

import argparse
import gc
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from html.entities import html5

from lxml import etree

from airflow_provider_confluence import content
from benchmarks.bodies import body

TARGET = 0.4
"""The share of the limit that we want to reach."""

_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)([A-Za-z][A-Za-z0-9]*;)")
_ROOT = '<x xmlns:ac="ac" xmlns:ri="ri">'
_SIZES = (("12 KB", 12_000, 60), ("100 KB", 100_000, 8), ("1 MB", 1_000_000, 1))


def limit(source: str) -> str:
    """Return the bare text of a body, tags and nothing else taken out."""
    document = f"{_ROOT}{_ENTITY.sub(_character, source)}</x>"
    return "".join(etree.fromstring(document, etree.XMLParser(resolve_entities=False, huge_tree=True)).itertext())


def _character(name: re.Match[str]) -> str:
    return html5[name[1]]


def seconds(convert: Callable[[str], str], bodies: Sequence[str]) -> float:
    """Return the seconds that all the bodies take, one after the other."""
    gc.collect()
    started = time.process_time()
    for each in bodies:
        convert(each)
    return time.process_time() - started


def measure(bodies: Sequence[str], rounds: int) -> tuple[float, float]:
    """Return ours and the limit in MB/s of storage format, each the median of the rounds."""
    megabytes = sum(len(each.encode()) for each in bodies) / 1e6
    ours: list[float] = []
    limits: list[float] = []
    for _ in range(rounds):
        limits.append(megabytes / seconds(limit, bodies))
        ours.append(megabytes / seconds(content.to_markdown, bodies))
    return statistics.median(ours), statistics.median(limits)


def main() -> int:
    """Print a line for each size of body; the answer is 1 where the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    short = False
    print(f"{'bodies':>14}  {'ours':>11}  {'lxml parse + itertext':>21}  ratio  target")
    for name, chars, count in _SIZES:
        bodies = [body(options.seed * 1000 + number, chars) for number in range(count)]
        ours, most = measure(bodies, options.rounds)
        ratio = ours / most
        short = short or ratio < TARGET
        verdict = "pass" if ratio >= TARGET else "short"
        print(f"{f'{count} of {name}':>14}  {ours:6.2f} MB/s  {most:16.2f} MB/s  {ratio:5.2f}  {TARGET:.2f} {verdict}")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
