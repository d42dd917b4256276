"""``make sizing``: what a wiki of some size needs, from what a page and a run were measured to cost.

The arithmetic of ``docs/sizing.md``: the figures of :class:`Units` come from ``make bench-units``, those of :class:`Plan` are the reader's.
What comes out beyond the sizes that were measured is extrapolated along a straight line.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from airflow_provider_confluence.confluence.gate import DEFAULT_IN_FLIGHT, DEFAULT_PER_SECOND
from airflow_provider_confluence.datasource import Datasource, parse_duration
from airflow_provider_confluence.sync.upserts import ITEMS_PER_SHARD

_DEFAULTS = Datasource("default", "default", ("*",))


@dataclass(frozen=True)
class Units:
    """What was measured, on Cloud, for pages alone: CPU in ms a page, memory in KB a page over MB a run, bytes a page."""

    list_ms: float = 0.18
    extract_ms: float = 2.4
    index_ms: float = 1.9
    commit_ms: float = 0.06
    quiet_seconds: float = 0.8
    quiet_ms: float = 0.0004
    reconcile_ms: float = 0.12
    reconcile_kb: float = 1.52
    reconcile_mb: float = 48
    quiet_kb: float = 0.016
    quiet_mb: float = 67
    manifest_bytes: float = 32
    staged_bytes: float = 3_100
    index_kb: float = 25
    run_rows: float = 18
    run_kb: float = 5.8
    run_cpu_seconds: float = 2.0


@dataclass(frozen=True)
class Plan:
    """What is to be sized: pages in one datasource of Cloud, and the settings that bound it."""

    pages: int
    requests_per_second: float = DEFAULT_PER_SECOND["cloud"] or math.inf
    max_in_flight: int = DEFAULT_IN_FLIGHT["cloud"]
    answer_seconds: float = 0.4
    max_items_per_run: int = _DEFAULTS.max_items_per_run
    max_shards: int = _DEFAULTS.max_shards
    interval: str = _DEFAULTS.interval
    reconcile_interval: str = _DEFAULTS.reconcile_interval
    points_per_hour: int = 65_000


def needs(plan: Plan, units: Units | None = None) -> dict[str, float]:
    """Return what a plan comes to, by name: seconds, requests, MB, points, rows a day."""
    units = units or Units()
    pages = plan.pages
    rate = min(plan.requests_per_second, plan.max_in_flight / plan.answer_seconds)
    listing = pages / 250 + pages / 200
    first = listing + pages / 50
    runs = math.ceil(pages / plan.max_items_per_run)
    per_page = (
        units.extract_ms / min(plan.max_shards, max(1, math.ceil(pages / ITEMS_PER_SHARD)))
        + units.index_ms
        + units.list_ms
    )
    work = max(first / rate, pages * per_page / 1e3)
    interval = parse_duration(plan.interval).total_seconds()
    points = {"first load": 3 * pages + first, "reconcile": 2 * pages + listing}
    return {
        "first load: requests": first,
        "first load: runs": runs,
        "first load: minutes of Confluence": first / rate / 60,
        "first load: minutes of CPU": pages
        * (units.list_ms + units.extract_ms + units.index_ms + units.commit_ms)
        / 6e4,
        "first load: minutes by the clock": max(work, (runs - 1) * interval + work / runs) / 60,
        "quiet run: seconds of CPU": units.quiet_seconds + pages * units.quiet_ms / 1e3,
        "quiet run: MB": units.quiet_mb + pages * units.quiet_kb / 1024,
        "reconcile: requests": listing,
        "reconcile: minutes of Confluence": listing / rate / 60,
        "reconcile: MB": units.reconcile_mb + pages * units.reconcile_kb / 1024,
        "reconcile: share of its interval": listing / rate / parse_duration(plan.reconcile_interval).total_seconds(),
        "storage: MB of manifest": pages * units.manifest_bytes / 1e6,
        "storage: MB staged at the most": min(pages, plan.max_items_per_run) * units.staged_bytes / 1e6,
        "index: GB": pages * units.index_kb / 1e6,
        "OAuth: hours of quota for a first load": points["first load"] / plan.points_per_hour,
        "OAuth: hours of quota for a reconcile": points["reconcile"] / plan.points_per_hour,
        "Airflow: rows a day": units.run_rows * 86_400 / interval,
        "Airflow: MB a day": units.run_kb * 86.4 / interval,
        "Airflow: cores for quiet runs": units.run_cpu_seconds / interval,
    }


# Of what is needed, what the page shows: name, unit, and by what to multiply.
_SHOWN = (
    ("first load: requests", "first load: requests", "", 1),
    ("first load: runs", "first load: runs", "", 1),
    ("first load: minutes of Confluence", "first load: what Confluence needs for it", "min", 1),
    ("first load: minutes of CPU", "first load: CPU", "min", 1),
    ("first load: minutes by the clock", "first load: by the clock", "min", 1),
    ("quiet run: seconds of CPU", "quiet run: CPU", "s", 1),
    ("quiet run: MB", "quiet run: memory of *list_changes*", "MB", 1),
    ("reconcile: requests", "*reconcile*: requests", "", 1),
    ("reconcile: minutes of Confluence", "*reconcile*: what Confluence needs for it", "min", 1),
    ("reconcile: share of its interval", "*reconcile*: share of `reconcile_interval` that it takes", "%", 100),
    ("reconcile: MB", "*reconcile*: memory of *list_changes*", "MB", 1),
    ("storage: MB of manifest", "storage: manifest", "MB", 1),
    ("storage: MB staged at the most", "storage: staged at the most", "MB", 1),
    ("index: GB", "local index", "GB", 1),
    ("OAuth: hours of quota for a first load", "OAuth, 65,000 points an hour: first load", "h", 1),
    ("OAuth: hours of quota for a reconcile", "OAuth, 65,000 points an hour: *reconcile*", "h", 1),
)
SIZES = (100_000, 1_000_000, 10_000_000)


def table() -> str:
    """Return the rows of the page's table, for each size with the default settings."""
    columns = [needs(Plan(pages=pages)) for pages in SIZES]
    return "".join(
        f"| {said} | {' | '.join(f'{_rounded(needed[what] * factor)} {unit}'.rstrip() for needed in columns)} |\n"
        for what, said, unit, factor in _SHOWN
    )


def _rounded(figure: float) -> str:
    """Return a figure with two digits: the lines it is drawn from are no better."""
    if figure == 0:
        return "0"
    digits = 1 - math.floor(math.log10(abs(figure)))
    rounded = round(figure, digits)
    return f"{rounded:,.{0 if rounded == int(rounded) else digits}f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each need, or the page's table."""
    if list(arguments if arguments is not None else sys.argv[1:]) == ["--table"]:
        print(table(), end="")
        return 0
    parser = argparse.ArgumentParser(prog="make sizing", description=__doc__)
    known: dict[str, type] = {}
    for part in (Plan, Units):
        for each in fields(part):
            known[each.name] = str if isinstance(each.default, str) else int if each.name == "pages" else float
            parser.add_argument(
                "--" + each.name.replace("_", "-"), type=known[each.name], required=each.name == "pages"
            )
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    whole = {"max_items_per_run", "max_shards", "max_in_flight", "points_per_hour"}
    chosen: dict[str, Any] = {name: int(value) if name in whole else value for name, value in given.items()}
    of_plan = {each.name for each in fields(Plan)}
    plan = Plan(**{name: value for name, value in chosen.items() if name in of_plan})
    units = Units(**{name: value for name, value in chosen.items() if name not in of_plan})
    for what, figure in needs(plan, units).items():
        print(f"{what:<42} {figure:>12,.4g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
