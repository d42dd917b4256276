"""What the commands share: options, definitions from a file, and how answers are printed."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_confluence.errors import ConfigurationError, DatasourceError

if TYPE_CHECKING:
    from airflow_provider_confluence.confluence.client import ConnectionSettings
    from airflow_provider_confluence.datasource import Datasource


class Commands(Protocol):
    """Where a command describes itself: what :meth:`argparse.ArgumentParser.add_subparsers` returns, or its like."""

    def add_parser(
        self, name: str, *, help: str, description: str, epilog: str, formatter_class: type[argparse.HelpFormatter]
    ) -> argparse.ArgumentParser:
        """Return the parser of a new command."""


TOKEN_VARIABLE = "CONFLUENCE_TOKEN"  # noqa: S105 - the variable's name, not a token


# ------------------------------------------------------------------------------------------ options
def add_command(commands: Commands, name: str, help_: str, description: str, examples: str) -> argparse.ArgumentParser:
    """Return the parser of a new command; it has ``--json``."""
    parser = commands.add_parser(
        name,
        help=help_,
        description=description,
        epilog="examples:\n" + "\n".join(f"  {line}" for line in examples.strip().splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    return parser


def add_connection(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the options that say how to reach a Confluence; the token has none."""
    parser.add_argument(
        "--endpoint", required=required, metavar="URL", help="base URL, such as https://site.atlassian.net/wiki"
    )
    parser.add_argument(
        "--username", metavar="U", help="account e-mail (Cloud) or user name; leave out for a personal access token"
    )
    parser.add_argument(
        "--deployment", choices=("auto", "cloud", "datacenter"), default="auto", help="edition (default: found out)"
    )
    parser.add_argument(
        "--extra",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any extra of a connection, such as cloud_id=…, anonymous=true or ca_bundle=ca.pem; may be given several times",
    )


def add_conn_id(parser: argparse.ArgumentParser) -> None:
    """Add the option that names a connection of Airflow."""
    parser.add_argument("--conn-id", metavar="ID", help="use this connection of Airflow (default: the datasource's)")


def add_datasources(parser: argparse.ArgumentParser, help_: str) -> None:
    """Add the option that names a file of definitions."""
    parser.add_argument("--datasources", metavar="FILE", help=f"{help_}; - reads standard input")


def connection_settings(options: argparse.Namespace) -> ConnectionSettings:
    """Return what the options and the environment say.

    :raises ConfigurationError: without a token, unless ``--extra anonymous=true`` says so, and for an extra that is not known.
    """
    from airflow_provider_confluence.confluence.extras import CONNECTION_EXTRAS, Extras

    extras: dict[str, str] = {"deployment": options.deployment}
    for assignment in options.extra:
        name, equals, value = assignment.partition("=")
        if not equals or name not in CONNECTION_EXTRAS:
            near = difflib.get_close_matches(name, CONNECTION_EXTRAS, n=1)
            meant = f"did you mean {near[0]}?" if near else f"the extras are {', '.join(CONNECTION_EXTRAS)}"
            raise ConfigurationError(f"--extra {name}: expected NAME=VALUE with an extra of a connection; {meant}")
        extras[name] = value
    read = Extras("--extra", extras)
    token = os.environ.get(TOKEN_VARIABLE, "")
    if not token and not read.flag("anonymous", default=False):
        raise ConfigurationError(
            f"the environment variable {TOKEN_VARIABLE} is not set; put the API token or personal access token there"
        )
    return read.settings(options.endpoint, options.username or "", token)


# ------------------------------------------------------------------------------------------ definitions
def read_text(file: str) -> str:
    """Return a file's text, or that of standard input for ``-``. :raises ConfigurationError: where it cannot be read."""
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"{file} cannot be read: {why}") from error


def read_value(file: str) -> Any:
    """Return what a JSON or YAML file says, or standard input (JSON) for ``-``. :raises DatasourceError: where it cannot be read."""
    from airflow_provider_confluence.definitions import parse

    return parse(read_text(file), file)


def read_definitions(file: str | None) -> dict[str, Datasource | DatasourceError] | None:
    """Return the datasources of a file like the Variable's, a broken one as its error; ``None`` where no file is given."""
    return None if file is None else definitions_in(read_value(file), file)


def definitions_in(value: object, file: str) -> dict[str, Datasource | DatasourceError]:
    """Return the datasources of what a file says. :raises DatasourceError: where it is no object."""
    from airflow_provider_confluence.datasource import datasources_in

    try:
        return datasources_in(value)
    except DatasourceError as error:
        raise DatasourceError([f"{file}: {problem}" for problem in error.problems]) from error


# ------------------------------------------------------------------------------------------ answers
def print_json(value: Any) -> None:
    """Print one JSON object."""
    print(json.dumps(value, ensure_ascii=False, indent=1))


def say(text: str) -> None:
    """Print what is no answer: to standard error."""
    print(text, file=sys.stderr)
