"""``adopt``: take the documents of a datasource over from another deployment."""

from __future__ import annotations

import argparse

from airflow_provider_confluence.cli import common
from airflow_provider_confluence.errors import ConfigurationError


def add(commands: common.Commands) -> None:
    """Describe the command to the parser."""
    parser = common.add_command(
        commands,
        "adopt",
        "take the documents of a datasource over from another deployment",
        "Take the documents of a datasource over from another deployment, whose runs are refused from then on.",
        "airflow-confluence adopt docs --storage ./index",
    )
    parser.add_argument("id", metavar="ID", help="id of the datasource")
    common.add_storage(parser)
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    from airflow_provider_confluence.datasource import Datasource, check_id
    from airflow_provider_confluence.sinks.base import Owner
    from airflow_provider_confluence.sync.journal import Journal
    from airflow_provider_confluence.sync.storage import Storage

    check_id(options.id)
    journal = Journal(Storage(options.storage), options.id)
    head = journal.read_head()
    if head is None:
        raise ConfigurationError(
            f"datasource {options.id} has no committed run below {options.storage}; run sync there first"
        )
    owner = Owner(options.id, journal.deployment_id(), head.site)
    sink = common.sink_of(Datasource.from_json(head.datasource), options.storage)
    try:
        sink.open(owner, adopt=True)
    finally:
        sink.close()
    if options.json:
        common.print_json({"datasource_id": options.id, "deployment_id": owner.deployment_id, "site": owner.site})
    else:
        print(f"the documents of datasource {options.id} now belong to this deployment")
    return 0
