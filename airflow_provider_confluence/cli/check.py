"""``check``: say whether a connection and a datasource will work, before a run has to find out."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_confluence.cli import common
from airflow_provider_confluence.cli.deployment import DATABASE, Deployment
from airflow_provider_confluence.cli.places import Folder, Place, add_storage
from airflow_provider_confluence.cli.sync import datasource_of, describes_datasource
from airflow_provider_confluence.errors import ConfigurationError, ConfluenceProviderError
from airflow_provider_confluence.findings import Finding, has_problem

if TYPE_CHECKING:
    from airflow_provider_confluence.confluence.client import ConfluenceClient, ConnectionSettings
    from airflow_provider_confluence.datasource import Datasource
    from airflow_provider_confluence.sync.storage import Storage

_EXAMPLES = """
airflow-confluence check --endpoint https://site.atlassian.net/wiki --username you@example.com
airflow-confluence check docs --endpoint https://wiki.example.com --datasources datasources.json --storage ./index
airflow-confluence check docs --conn-id confluence_default
"""


def add(commands: common.Commands) -> None:
    """Describe the command to the parser."""
    parser = common.add_command(
        commands,
        "check",
        "say whether a connection and a datasource will work",
        "Look for what would keep a datasource from running, and say what to do: the connection, the spaces, the storage, the sink, the "
        "pool; and estimate the first run. Asks Confluence read-only. Without a datasource it checks the connection alone. "
        f"The token is read from {common.TOKEN_VARIABLE}, or from Airflow's connection where --endpoint is not given.",
        _EXAMPLES,
    )
    parser.add_argument(
        "id", nargs="?", metavar="DATASOURCE", help="id of the datasource (default: the connection alone)"
    )
    common.add_connection(parser, required=False)
    common.add_conn_id(parser)
    add_storage(parser)
    parser.add_argument("--space", action="append", metavar="KEY", help="space key; may be given several times")
    common.add_datasources(parser, "definitions like the Variable's")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SETTING=VALUE", help="any setting of a datasource, as for sync"
    )
    parser.set_defaults(command=_run, blogposts=False, attachments=False, comments=False, folders=False)


def _run(options: argparse.Namespace) -> int:
    check = _Check(options)
    findings = check.run()
    if options.json:
        answer: dict[str, Any] = {
            "datasource_id": check.datasource.id if check.datasource else None,
            "good": not has_problem(findings),
            "findings": [finding.to_json() for finding in findings],
        }
        if check.estimate is not None:
            answer["estimate"] = check.estimate
        common.print_json(answer)
    else:
        for finding in findings:
            print(f"{finding.level:<8} {finding.subject + ':':<12} {finding.what}")
            if finding.remedy:
                print(f"{'':<21} {finding.remedy}")
    return 1 if has_problem(findings) else 0


class _Check:
    """One check, from the connection to the estimate; what needs a working connection is left out without one."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._airflow = Deployment()
        self._place: Place | None = None
        if options.storage is not None:
            self._place = Folder(options.storage)
        elif options.endpoint is None:
            self._place = self._airflow
        self.datasource: Datasource | None = None
        self.estimate: dict[str, Any] | None = None

    def run(self) -> list[Finding]:
        """Return everything that was found."""
        from airflow_provider_confluence.confluence.checking import check_connection, check_scopes
        from airflow_provider_confluence.sync.checking import check_attached_files

        options = self._options
        self.datasource = datasource = self._datasource()
        storage = self._place.storage() if datasource is not None and self._place is not None else None
        settings, on_secret, refused = self._connection()
        if settings is None:
            return self._read() + refused
        worked_at = self._worked_at(storage, datasource)
        findings, client = check_connection(settings, on_secret=on_secret, worked_at=worked_at)
        findings += refused
        if client is not None:
            try:
                findings += check_scopes(client, lambda setting: _wants(datasource, setting))
                if datasource is not None:
                    findings += self._in_confluence(client, datasource, settings)
            finally:
                client.close()
        if datasource is not None and storage is not None:
            findings += self._outside(datasource, storage)
        if datasource is not None:
            findings += check_attached_files(datasource)
        if datasource is not None and options.endpoint is None:
            findings += _pool(datasource, self._airflow)
        last = [finding for finding in findings if finding.subject == "first run"]
        return self._read() + [finding for finding in findings if finding not in last] + last

    def _read(self) -> list[Finding]:
        """Return where connection and Variable were read, and whether Airflow's database could be asked."""
        found = {**self._airflow.read_from, **(self._place.read_from if self._place is not None else {})}
        said = [
            Finding(
                "ok",
                "airflow",
                "read_from",
                f"{what}: {source}" if what == "storage" else f"{what}: read from {source}",
            )
            for what, source in found.items()
        ]
        if self._options.endpoint is None and self._airflow.database_problem is not None:
            said.append(
                Finding(
                    "warning",
                    "airflow",
                    "no_database",
                    f"{DATABASE} cannot be asked from here: {self._airflow.database_problem}",
                    "Connections, Variables and pools that were made in Airflow are not seen by this check: run it where the scheduler or "
                    "the API server runs",
                )
            )
        return said

    # ------------------------------------------------------------------ what is to be checked
    def _datasource(self) -> Datasource | None:
        options = self._options
        if describes_datasource(options):
            return datasource_of(options)
        if options.id is None:
            return None
        if options.endpoint is not None:
            raise ConfigurationError(
                f"what is datasource {options.id}? Give --space KEY, or definitions with --datasources FILE"
            )
        return self._airflow.datasource(options.id)

    def _connection(self) -> tuple[ConnectionSettings | None, Callable[[str], object] | None, list[Finding]]:
        """Return how to reach Confluence, who masks tokens, and what speaks against it."""
        if self._options.endpoint is not None:
            return common.connection_settings(self._options), None, []
        refused = []
        try:
            hook = self._airflow.hook(self._options.conn_id or (self.datasource.conn_id if self.datasource else None))
            settings = hook.settings
            if self.datasource is not None:
                hook.check_allowed(self.datasource)
        except ConfigurationError as error:
            return None, None, [Finding("problem", "connection", "setting", str(error))]
        except ConfluenceProviderError as error:
            refused = [Finding("problem", "connection", "not_allowed", str(error))]
        return settings, self._airflow.mask_secret, refused

    # ------------------------------------------------------------------ what is checked
    @staticmethod
    def _worked_at(storage: Storage | None, datasource: Datasource | None) -> str | None:
        from airflow_provider_confluence.sync.checking import last_good_run

        return last_good_run(storage, datasource.id) if storage is not None and datasource is not None else None

    def _in_confluence(
        self, client: ConfluenceClient, datasource: Datasource, settings: ConnectionSettings
    ) -> list[Finding]:
        from dataclasses import asdict

        from airflow_provider_confluence.sync.checking import (
            check_readers,
            check_spaces,
            estimate_first_run,
            first_run,
        )

        findings, spaces = check_spaces(client, datasource)
        if spaces:
            findings += check_readers(client, datasource, spaces)
            estimate = estimate_first_run(client, datasource, spaces, settings)
            self.estimate = asdict(estimate) if estimate is not None else None
            findings.append(first_run(estimate))
        return findings

    def _outside(self, datasource: Datasource, storage: Storage) -> list[Finding]:
        from airflow_provider_confluence.sync.checking import check_one_host, check_sink, check_storage

        place = self._place
        assert place is not None, "what gives a storage gives sinks"
        return [
            *check_storage(storage),
            check_sink(lambda: place.make_sink(datasource)),
            *check_one_host(storage, datasource),
        ]


def _wants(datasource: Datasource | None, setting: str) -> bool:
    """Say whether what a setting needs is needed."""
    if datasource is not None and setting == "restricted":
        return datasource.asks_readers
    return bool(getattr(datasource, setting, False))


def _pool(datasource: Datasource, airflow: Deployment) -> list[Finding]:
    """Return whether the pool that the datasource names is there, as ``airflow pools get`` says it."""
    pool = datasource.airflow.get("pool")
    if not pool:
        return []
    make = f"airflow pools set {shlex.quote(str(pool))} 8 'Requests to Confluence'"
    pools = airflow.pools()
    if pools is None:
        return [
            Finding(
                "warning",
                "pool",
                "not_known",
                f"Whether there is a pool {pool} cannot be known from here: Airflow's database does not answer",
                f"Where Airflow runs: airflow pools list. To make it: {make}",
            )
        ]
    if pool in pools:
        return [Finding("ok", "pool", "found", f"There is a pool {pool}")]
    return [
        Finding(
            "problem",
            "pool",
            "not_found",
            f"There is no pool {pool}; its tasks would wait for ever",
            f"To make it: {make}",
        )
    ]
