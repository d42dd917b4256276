"""``import``: make a connection and entries of the Variable out of datasources of Coco Server."""

from __future__ import annotations

import argparse
import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_confluence.cli import common
from airflow_provider_confluence.errors import ConfigurationError, DatasourceError

if TYPE_CHECKING:
    from airflow_provider_confluence.coco_datasources import Imported

_EXAMPLES = """
airflow-confluence import coco.json
airflow-confluence import coco.json --sink '{"type": "coco"}' --variables variables.json --connections connections.json
airflow-confluence import example.json --id docs --datasources datasources.json
"""


def add(commands: common.Commands) -> None:
    """Describe the command to the parser."""
    parser = common.add_command(
        commands,
        "import",
        "take over datasources of Coco Server",
        "Make Airflow connections and the Variable confluence_datasources out of datasources of Coco Server's Confluence connector. "
        "Asks no server. Tokens are written into the file of --connections, and shown nowhere.",
        _EXAMPLES,
    )
    parser.add_argument(
        "file",
        metavar="FILE",
        help="one datasource, a list of them, an answer of Coco's API, or coco.yml (JSON or YAML); - reads standard input",
    )
    parser.add_argument("--id", metavar="ID", help="choose this one; where the file has but one, the id it gets")
    parser.add_argument("--conn-id", metavar="ID", help="id of the connection (default: confluence_default)")
    parser.add_argument(
        "--sink", metavar="SINK", help="where to: a sink's type, or its settings as JSON (default: local)"
    )
    common.add_datasources(parser, "definitions to which the new ones are added")
    parser.add_argument(
        "--variables", metavar="OUT", help="write the Variables there, for: airflow variables import OUT"
    )
    parser.add_argument(
        "--connections",
        metavar="OUT",
        help="write the connections there, with their tokens, readable by you alone, for: airflow connections import OUT",
    )
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    from airflow_provider_confluence.coco_datasources import take_over

    value = common.read_value(options.file)
    try:
        found = take_over(value, id_=options.id, conn_id=options.conn_id, sink=_sink(options.sink))
    except DatasourceError as error:
        raise DatasourceError([f"{options.file}: {problem}" for problem in error.problems]) from error
    variables = _variables(found, options.datasources)
    # The secret one first: a failure leaves nothing half done.
    if options.connections and found.connections:
        _write(options.connections, found.connections)
    if options.variables:
        _write(options.variables, {name: json.dumps(text, ensure_ascii=False) for name, text in variables.items()})
    shown = {
        name: {key: part for key, part in connection.items() if key != "password" and part}
        for name, connection in found.connections.items()
    }
    if options.json:
        common.print_json({"variables": variables, "connections": shown, "notes": found.notes})
    else:
        for name, text in variables.items():
            print(f"Variable {name}:\n{json.dumps(text, ensure_ascii=False, indent=1)}")
        for name, connection in shown.items():
            print(f"Connection {name}, without its token:\n{json.dumps(connection, ensure_ascii=False, indent=1)}")
        for note in found.notes:
            common.say(f"note: {note}")
    for line in _next(options, found):
        common.say(line)
    return 0


def _sink(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    if not text.lstrip().startswith("{"):
        return {"type": text}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"--sink: this is not JSON ({error})") from error
    return dict(value)


def _variables(found: Imported, file: str | None) -> dict[str, Any]:
    """Return the Variables by name; the datasources with those that are there already."""
    if found.connector:
        return {"confluence_connector": found.connector}
    there: Any = {}
    if file is not None:
        there = common.read_value(file)
        for id_, read in common.definitions_in(there, file).items():
            if isinstance(read, DatasourceError):
                raise DatasourceError([f"{file}: {problem}" for problem in read.problems])
            if id_ in found.datasources:
                raise ConfigurationError(f"{file}: there is a datasource {id_} already; give another id with --id")
    return {"confluence_datasources": {**there, **found.datasources}}


def _write(file: str, value: Any) -> None:
    """Write a new file that only its owner reads. :raises ConfigurationError: where it is there already, or cannot be made."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ConfigurationError(f"{file} is there already; name another one, or remove it") from error
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(value, stream, ensure_ascii=False, indent=1)


def _next(options: argparse.Namespace, found: Imported) -> list[str]:
    """Return what to type next."""
    lines = []
    if found.connections:
        if options.connections:
            lines += [
                f"next: airflow connections import {shlex.quote(options.connections)}",
                f"then: rm {shlex.quote(options.connections)} (it holds tokens)",
            ]
        else:
            lines.append("the tokens are written by: --connections connections.json")
    if options.variables:
        lines.append(f"next: airflow variables import {shlex.quote(str(Path(options.variables)))}")
    return lines
