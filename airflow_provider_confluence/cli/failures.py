"""``failures``: which items could not be indexed, why, since when, and where they are."""

from __future__ import annotations

import argparse

from airflow_provider_confluence.cli import common
from airflow_provider_confluence.cli.deployment import shown
from airflow_provider_confluence.cli.places import add_storage, place_of

_EXAMPLES = """
airflow-confluence failures
airflow-confluence failures --storage ./index
airflow-confluence failures docs --storage ./index --json
"""


def add(commands: common.Commands) -> None:
    """Describe the command to the parser."""
    parser = common.add_command(
        commands,
        "failures",
        "list what could not be indexed, and why",
        "List the items that could not be indexed as of the last commit, from the state alone: no request is made.",
        _EXAMPLES,
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="id of a datasource (default: all)")
    add_storage(parser)
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    from airflow_provider_confluence.sync.status import read_failures, read_status

    place = place_of(options)
    storage = place.storage()
    standing = read_status(storage, options.id)
    unread = [status for status in standing if status.error]
    found = [item for status in standing if not status.error for item in read_failures(storage, status.datasource_id)]
    for status in unread:
        common.say(f"{status.datasource_id}: {status.error}")
    if options.json:
        rows = [item.to_json() for item in found]
        common.print_json({"storage": storage.where(), "failures": rows, **shown(place.read_from)})
    else:
        for item in found:
            left = "an older state is in the index" if item.indexed else "not in the index"
            print(f"{item.datasource_id}  {item.type} {item.content_id}  {item.title}")
            print(f"  {item.reason}: {item.message}")
            print(f"  since {item.since}, tried {item.attempts} times, {left}")
            print(f"  {item.url}")
        print(f"{len(found)} items fail")
    return 1 if unread else 0
