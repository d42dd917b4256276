"""``purge``: remove the documents of a datasource that was disabled or removed, and then what is known of it."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from airflow_provider_confluence.cli import common
from airflow_provider_confluence.cli.deployment import shown
from airflow_provider_confluence.cli.places import add_storage, definitions_of, place_of
from airflow_provider_confluence.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow_provider_confluence.sync.purge import PurgeResult, Remains

_EXAMPLES = """
airflow-confluence purge docs
airflow-confluence purge docs --storage ./index
airflow-confluence purge docs --storage s3://bucket/confluence --datasources datasources.json --yes
"""


def add(commands: common.Commands) -> None:
    """Describe the command to the parser."""
    parser = common.add_command(
        commands,
        "purge",
        "remove the documents of a datasource that was disabled or removed, and then its state",
        "Remove all documents of a datasource from its sink and former sinks, then what is known of it. Safe to stop, and to repeat.",
        _EXAMPLES,
    )
    parser.add_argument("id", metavar="ID", help="id of the datasource")
    add_storage(parser)
    common.add_datasources(
        parser,
        "definitions like the Variable's: a datasource that is enabled there is refused (default: the Variable, without --storage)",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--forget-unknown",
        action="store_true",
        help="remove the state although nothing tells any more how a former sink is reached",
    )
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    from airflow_provider_confluence.sync.purge import check_purgeable, purge, survey

    place = place_of(options)
    storage = place.storage()
    definitions = definitions_of(options, place)
    configured = (definitions or {}).get(options.id)
    check_purgeable(options.id, configured)
    remains = survey(storage, options.id)
    if not options.yes and not _confirmed(remains, options, told=definitions is not None):
        common.say("nothing was done")
        return 1
    result = purge(
        storage,
        place.make_sink,
        options.id,
        configured=configured,
        forget_unknown=options.forget_unknown,
    )
    if options.json:
        common.print_json({**asdict(result), **shown(place.read_from)})
    else:
        _print(result)
    return 0 if result.finished and not result.notes else 1


def _confirmed(remains: Remains, options: argparse.Namespace, *, told: bool) -> bool:
    if options.datasources == "-" or not sys.stdin.isatty():
        raise ConfigurationError(
            "purge removes documents and state, and nobody is there to ask: add --yes if that is meant"
        )
    places = ", ".join(target.rpartition(":")[0] for target in remains.destinations) or "no sink that is known"
    common.say(f"datasource {remains.datasource_id}: {len(remains.ids)} items are known, in {places}")
    for target in remains.unknown:
        common.say(f"  documents went to {target} once, and nothing tells any more how to reach it")
    if not told:
        common.say("  whether it is still enabled is not known here (--datasources FILE would tell)")
    print("remove its documents and all that is known of it? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _print(result: PurgeResult) -> None:
    for target, count in result.removed.items():
        print(f"{target.rpartition(':')[0]}: {count} documents removed")
    for note in result.notes:
        common.say(f"note: {note}")
    if result.left:
        common.say(f"{result.left} documents are left, because the sink did not let them go; run purge again")
    print(f"the state of datasource {result.datasource_id} was {'removed' if result.finished else 'kept'}")
