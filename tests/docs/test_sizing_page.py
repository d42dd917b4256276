"""The page about sizing: its table is what the formulas give, and the figures and defaults that it names are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from airflow_provider_confluence.confluence.gate import DEFAULT_IN_FLIGHT, DEFAULT_PER_SECOND
from airflow_provider_confluence.datasource import read_datasource
from benchmarks.sizing import Plan, Units, main, needs, table

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "sizing.md").read_text(encoding="utf-8")
UNITS = Units()


def test_the_table_is_what_the_formulas_give():
    assert table() in PAGE


@pytest.mark.parametrize(
    ("row", "figures"),
    [
        ("*list_changes*, first load: CPU", [f"{UNITS.list_ms:.2f} ms"]),
        ("*extract*: CPU", [f"{UNITS.extract_ms:g} ms"]),
        ("*index*", [f"{UNITS.index_ms:.1f} ms"]),
        ("*commit*", [f"{UNITS.commit_ms:g} ms"]),
        (
            "quiet run: CPU; memory",
            [f"{UNITS.quiet_seconds} s", f"{UNITS.quiet_ms} ms", f"{UNITS.quiet_mb} MB", f"{UNITS.quiet_kb} KB"],
        ),
        ("*reconcile*, nothing", [f"{UNITS.reconcile_ms} ms", f"{UNITS.reconcile_mb} MB", f"{UNITS.reconcile_kb} KB"]),
        ("storage: plan", [f"{UNITS.manifest_bytes} bytes"]),
        ("storage: staged documents", [f"{UNITS.staged_bytes:,} bytes"]),
        ("index, documents", [f"local {UNITS.index_kb} KB"]),
        ("Airflow's database, quiet", [f"{UNITS.run_rows:g} rows", f"{UNITS.run_kb:g} KB"]),
        ("all of Airflow", [f"{UNITS.run_cpu_seconds:.1f} s"]),
    ],
)
def test_the_formulas_reckon_with_the_figures_that_the_page_gives(row, figures):
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {row}")]
    assert [figure for figure in figures if figure not in line] == []


def test_what_is_said_in_prose_is_what_the_formulas_and_the_code_say():
    # Here, or every worker would import Airflow while it collects.
    from airflow_provider_confluence.operators import _translation
    from airflow_provider_confluence.operators.confluence import ConfluenceListChangesOperator

    datasource = read_datasource("docs", {"space": "DOCS"})
    assert "A run takes 50,000 items" in PAGE
    assert datasource.max_items_per_run == 50_000
    assert "at most 20 requests a second, 8 at a\ntime" in PAGE
    assert (DEFAULT_PER_SECOND["cloud"], DEFAULT_IN_FLIGHT["cloud"]) == (20, 8)
    assert "The package asks 4 requests at a time" in PAGE
    assert (DEFAULT_IN_FLIGHT["datacenter"], DEFAULT_PER_SECOND["datacenter"]) == (4, None)
    assert "four shards on four cores" in PAGE
    assert datasource.max_shards == 4
    assert "288 times a day with an interval of five minutes" in PAGE
    assert datasource.interval == "5m"
    assert "in every six hours" in PAGE
    assert datasource.reconcile_interval == "6h"
    assert "`list_changes` may take 1 hour" in PAGE
    assert ConfluenceListChangesOperator.time_limit.total_seconds() == 3600
    assert "six hours of pauses are the most" in PAGE
    assert _translation.LONGEST_WAIT.total_seconds() == 6 * 3600
    million = needs(Plan(pages=1_000_000))
    assert (
        f"takes {million['reconcile: MB'] / 1000:.1f} GB, of two million {2 * million['reconcile: MB'] / 1000:.1f} GB"
        in PAGE
    )
    assert f"takes {million['quiet run: seconds of CPU']:.1f} s of CPU and {million['quiet run: MB']:.0f} MB\n" in PAGE
    assert f"one object of {million['storage: MB of manifest']:.0f} MB" in PAGE
    ten = needs(Plan(pages=10_000_000))
    assert f"{ten['reconcile: MB'] / 1000:.0f} GB of memory" in PAGE
    assert f"{ten['reconcile: minutes of Confluence']:.0f} minutes of comparing" in PAGE
    many = needs(Plan(pages=1_000))
    assert f"take {500 * many['Airflow: cores for quiet runs']:.1f} cores" in PAGE
    assert (
        f"leave {500 * many['Airflow: rows a day'] / 1e6:.1f} million rows, {500 * many['Airflow: MB a day'] / 1e3:.1f} GB"
        in PAGE
    )
    assert "a comparison of 8 million pages" in PAGE
    assert pytest.approx(8_000_000) == 20 * 3600 / (1 / 250 + 1 / 200)
    assert "21,000 pages an hour, or 32,000 compared" in PAGE
    assert int(65_000 / (3 + 1 / 250 + 1 / 200 + 1 / 50) / 1000) == 21
    assert int(65_000 / (2 + 1 / 250 + 1 / 200) / 1000) == 32


def test_the_command_of_the_page_prints_every_need(capsys):
    (arguments,) = re.findall(r'make sizing ARGS="(.*)"', PAGE)
    assert main(arguments.split()) == 0
    printed = capsys.readouterr().out
    given = Plan(pages=300_000, requests_per_second=10, interval="15m")
    assert [line[:42].strip() for line in printed.splitlines()] == list(needs(given))
    assert f"{needs(given)['reconcile: requests']:,.4g}" in printed


def test_the_page_about_celery_has_the_same_memory():
    page = (DOCS / "celery-and-kubernetes.md").read_text(encoding="utf-8")
    hundred = needs(Plan(pages=100_000))
    for name in ("quiet run: MB", "reconcile: MB"):
        assert f"| {round(hundred[name], -1):.0f} MB |" in page
