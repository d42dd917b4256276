"""``make conformance``: every sink against every case of the conformance suite, as a table.

A case that passed shows as ``ok``, one that failed as ``FAIL``. What a sink declares not to hold shows as ``-``, what the suite had no
means to check as ``?``: neither is green. Below the table stands why.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_MARKS = {"passed": "ok", "failed": "FAIL"}


class Results:
    """Gathers what became of each case of each sink: a plug-in of pytest."""

    def __init__(self) -> None:
        self.of: dict[str, dict[str, str]] = {}
        self.reasons: dict[str, set[str]] = {}
        self._sinks: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        suites = [item for item in items if isinstance(item, pytest.Function) and _is_suite(item.cls)]
        self._sinks = {item.nodeid: _name(item.cls) for item in suites}
        items[:] = suites

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        sink = self._sinks[report.nodeid]
        case = report.nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " ")
        cases = self.of.setdefault(sink, {})
        if report.skipped:
            why = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
            cases[case] = "-" if "declared: not held" in why else "?"
            self.reasons.setdefault(why.removeprefix("Skipped: "), set()).add(sink)
        elif report.failed or (report.when == "call" and cases.get(case) != "FAIL"):
            cases[case] = _MARKS[report.outcome]


def _is_suite(cls: type | None) -> bool:
    from airflow_provider_confluence.testing.sink_conformance import (
        SinkConformance,
    )  # pytest rewrites it at its first import

    return cls is not None and issubclass(cls, SinkConformance)


def _name(cls: type) -> str:
    return cls.__name__.removeprefix("Test").removesuffix("Sink").lower()


def main(arguments: Sequence[str] = ()) -> int:
    results = Results()
    folder = str(Path(__file__).parent)
    code = pytest.main([folder, "-q", "--no-header", "--no-summary", "-p", "no:cacheprovider", *arguments], [results])
    sinks = sorted(results.of)
    cases = list(dict.fromkeys(case for found in results.of.values() for case in found))
    table = Table("case", *sinks)
    for case in cases:
        table.add_row(escape(case), *(results.of[sink].get(case, "") for sink in sinks))
    console = Console(width=110 + 12 * len(sinks))
    console.print(table)
    for why, whose in sorted(results.reasons.items()):
        console.print(f"{', '.join(sorted(whose))}: {why}", markup=False)
    failed = sum(mark == "FAIL" for found in results.of.values() for mark in found.values())
    print(f"conformance: {len(sinks)} sinks, {sum(map(len, results.of.values()))} cases, {failed} failed")
    return 1 if failed or code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
