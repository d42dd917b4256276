"""``probe``: try on a real Confluence what nobody could verify, and print a report that can be passed on."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from airflow_provider_confluence.cli import common

if TYPE_CHECKING:
    from airflow_provider_confluence.confluence.probe import Report

_EXAMPLES = """
airflow-confluence probe --endpoint https://site.atlassian.net/wiki --username you@example.com
airflow-confluence probe --endpoint https://wiki.example.com --json > report.json
"""


def add(commands: common.Commands) -> None:
    """Describe the command to the parser."""
    parser = common.add_command(
        commands,
        "probe",
        "try on your Confluence what nobody could verify, and report it",
        "Try on your Confluence, read-only and with a bounded number of requests, what this package assumes about it. The report names "
        f"nothing of yours: no host, title, name, key or id. The token is read from {common.TOKEN_VARIABLE}.",
        _EXAMPLES,
    )
    common.add_connection(parser)
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    from airflow_provider_confluence.confluence.probe import probe

    report = probe(common.connection_settings(options))
    if options.json:
        common.print_json(report.to_json())
    else:
        print("\n".join(_lines(report)))
    return 0 if report.logged_in and report.stopped is None else 1


def _lines(report: Report) -> list[str]:
    lines = [
        f"airflow-provider-confluence {report.version}, edition {report.edition}, {report.requests} requests, all of them GET",
        "this report names nothing of your site: you may pass it on as it is",
    ]
    if report.stopped:
        lines.append(f"it ended early: {report.stopped}")
    for finding in report.findings:
        assumption = finding.assumption
        lines += [
            "",
            f"{finding.verdict}: {assumption.name} [{assumption.mark}] {assumption.statement}",
            f"  {finding.observed}" + (f" ({finding.value})" if finding.value is not None else ""),
            *(f"  {a.request} -> {a.status or 'no answer'} {a.shape}".rstrip() for a in finding.asked),
        ]
    lines += ["", "not tried:"]
    lines += [f"  {a.name} [{a.mark}] {a.statement} Not tried: {a.not_tried}." for a in report.not_tried]
    return lines
