"""``export``: write datasources as Coco Server has them, without secrets."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from airflow_provider_confluence.cli import common
from airflow_provider_confluence.errors import ConfigurationError, DatasourceError

_EXAMPLES = """
airflow-confluence export --datasources datasources.json --endpoint https://site.atlassian.net/wiki --username you@example.com
airflow connections export connections.json && airflow variables get confluence_datasources \\
  | airflow-confluence export --datasources - --connections connections.json --json
"""


def add(commands: common.Commands) -> None:
    """Describe the command to the parser."""
    parser = common.add_command(
        commands,
        "export",
        "write datasources as Coco Server has them",
        "Print datasources as a list of objects for Coco Server's Confluence connector, without any secret: put each token in yourself.",
        _EXAMPLES,
    )
    parser.add_argument(
        "--datasources", required=True, metavar="FILE", help="definitions like the Variable's; - reads standard input"
    )
    parser.add_argument("--id", metavar="ID", help="this one alone (default: all)")
    parser.add_argument("--endpoint", metavar="URL", help="address of the Confluence, for all of them")
    parser.add_argument("--username", metavar="U", help="the account's e-mail or user name, for all of them")
    parser.add_argument(
        "--connections",
        metavar="FILE",
        help="where addresses and accounts are read, as: airflow connections export FILE",
    )
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    from airflow_provider_confluence.coco_datasources import give_back
    from airflow_provider_confluence.datasource import Datasource

    found = common.read_definitions(options.datasources) or {}
    if options.id is not None and options.id not in found:
        raise ConfigurationError(
            f"{options.datasources}: there is no datasource {options.id}; there are: {', '.join(found) or 'none'}"
        )
    wanted = {id_: read for id_, read in found.items() if options.id in (None, id_)}
    problems = [problem for read in wanted.values() if isinstance(read, DatasourceError) for problem in read.problems]
    if problems:
        raise DatasourceError([f"{options.datasources}: {problem}" for problem in problems])
    datasources = {id_: read for id_, read in wanted.items() if isinstance(read, Datasource)}
    connections = _connections(options.connections)
    if options.endpoint:
        given = {"host": options.endpoint, "login": options.username}
        connections = {datasource.conn_id: given for datasource in datasources.values()}
    objects, notes = give_back(datasources, connections)
    if options.json:
        common.print_json({"datasources": objects, "notes": notes})
    else:
        print(json.dumps(objects, ensure_ascii=False, indent=1))
        for note in notes:
            common.say(f"note: {note}")
    return 1 if notes else 0


def _connections(file: str | None) -> dict[str, Mapping[str, Any]]:
    if file is None:
        return {}
    value = common.read_value(file)
    if not isinstance(value, dict) or not all(isinstance(one, dict) for one in value.values()):
        raise ConfigurationError(f"{file}: expected connections by id, as airflow connections export writes them")
    return dict(value)
