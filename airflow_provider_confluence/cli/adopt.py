"""``adopt``: take the documents of a datasource over from another deployment."""

from __future__ import annotations

import argparse

from airflow_provider_confluence.cli import common
from airflow_provider_confluence.cli.deployment import shown
from airflow_provider_confluence.cli.places import add_storage, place_of

_EXAMPLES = """
airflow-confluence adopt docs
airflow-confluence adopt docs --storage ./index
"""


def add(commands: common.Commands) -> None:
    """Describe the command to the parser."""
    parser = common.add_command(
        commands,
        "adopt",
        "take the documents of a datasource over from another deployment",
        "Take the documents of a datasource over from another deployment, whose runs are refused from then on.",
        _EXAMPLES,
    )
    parser.add_argument("id", metavar="ID", help="id of the datasource")
    add_storage(parser)
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    from airflow_provider_confluence.datasource import check_id
    from airflow_provider_confluence.sinks.base import Owner
    from airflow_provider_confluence.sync.journal import Journal
    from airflow_provider_confluence.sync.refused import find_destination, forget_refusal

    check_id(options.id)
    place = place_of(options)
    storage = place.storage()
    destination = find_destination(storage, options.id)
    owner = Owner(options.id, Journal(storage, options.id).deployment_id(), destination.site)
    sink = place.make_sink(destination.datasource)
    try:
        sink.open(owner, adopt=True)
    finally:
        sink.close()
    forget_refusal(storage, options.id)
    if options.json:
        adopted = {"datasource_id": options.id, "deployment_id": owner.deployment_id, "site": owner.site}
        common.print_json({**adopted, **shown(place.read_from)})
    else:
        print(f"the documents of datasource {options.id} now belong to this deployment")
    return 0
