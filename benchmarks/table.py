"""The table of a benchmark: a line for each target, printed as it comes, and written as Markdown where it is to be kept."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path


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

    @property
    def verdict(self) -> str:
        """*pass* or *short*."""
        return "pass" if self.passed else "short"

    @property
    def bound(self) -> str:
        """The target with its side, such as ``≤ 1.15``."""
        return f"{'≤' if self.at_most else '≥'} {self.target:.4g}"


@dataclass(frozen=True, slots=True)
class Note:
    """A line below the table: what was seen beside the figures."""

    text: str


def show(lines: Iterable[Row | Note], *, name: str, about: str, markdown: str | None = None) -> bool:
    """Print lines as they come and a sum at the end; return whether all targets are reached.

    :param about: what was measured how, in short; the machine is named before it.
    :param markdown: a page that keeps the table between ``<!-- name -->`` and ``<!-- /name -->``, or a file of the table's own; ``None``
        for none.
    """
    head = f"{machine()}; {about}"
    print(head, flush=True)
    began = time.perf_counter()
    rows: list[Row] = []
    notes: list[Note] = []
    for line in lines:
        if isinstance(line, Note):
            notes.append(line)
            print(f"       {line.text}", flush=True)
            continue
        rows.append(line)
        beside = " | ".join(part for part in (line.ours, line.reference) if part)
        print(f"{line.verdict:<5}  {line.figure:>9.3g} {line.bound:<10} {line.what}  [{beside}]", flush=True)
    took = f"{sum(row.passed for row in rows)} of {len(rows)} reached in {time.perf_counter() - began:.0f} s"
    print(took)
    if markdown is not None:
        keep(Path(markdown), name, as_markdown(rows, notes, f"{head}; {took}"))
    return all(row.passed for row in rows)


def machine() -> str:
    """Return what the figures were measured on."""
    return (
        f"{os.cpu_count()} cores{_processor()}, {platform.python_implementation()} {platform.python_version()}, "
        f"{platform.system()}"
    )


def _processor() -> str:
    if sys.platform != "linux":
        return ""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return f" ({value.strip()})"
    return ""


def keep(page: Path, name: str, table: str) -> None:
    """Write a table into a page, in place of the one that stands between the page's marks for it; where there are none, as the page."""
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, marked, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if marked and ended:
        table = f"{before}{begin}\n\n{table}\n{end}{after}"
    page.write_text(table, encoding="utf-8")


def as_markdown(rows: Iterable[Row], notes: Iterable[Note], head: str) -> str:
    """Return the table as the documentation keeps it."""
    lines = [
        f"Measured {datetime.now(timezone.utc):%Y-%m-%d}: {head}.",
        "",
        "| what | ours | reference | figure | target | |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {row.what} | {row.ours} | {row.reference} | {row.figure:.3g} | {row.bound} | {row.verdict} |"
            for row in rows
        ),
    ]
    told = [f"- {note.text}" for note in notes]
    return "\n".join([*lines, *(["", *told] if told else []), ""])
