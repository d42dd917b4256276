"""What the commands share: options, where things lie, definitions from a file, and how answers are printed."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from airflow_provider_confluence.errors import ConfigurationError, DatasourceError

if TYPE_CHECKING:
    from upath import UPath

    from airflow_provider_confluence.confluence.client import ConnectionSettings
    from airflow_provider_confluence.datasource import Datasource
    from airflow_provider_confluence.sinks.base import Sink
    from airflow_provider_confluence.sinks.connection import SinkConnection


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


def add_storage(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where state and local indexes lie."""
    parser.add_argument(
        "--storage",
        required=True,
        metavar="DIR",
        help="where state and index are kept: a folder, or for the state an object store (s3://…)",
    )


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


# ------------------------------------------------------------------------------------------ places
def index_folder(storage: Path | str) -> Path:
    """Return the folder of the local indexes: below the storage where that is a folder, else in AIRFLOW_HOME, as in Airflow."""
    if "://" in str(storage):
        return Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "confluence" / "index"
    return Path(storage) / "index"


def sink_of(datasource: Datasource, storage: Path | str) -> Sink:
    """Return the sink that a datasource's settings name."""
    return sink_from(datasource.sink, datasource.queue_name, storage)


def sink_from(settings: Mapping[str, Any], destination: str, storage: Path | str) -> Sink:
    """Return the sink that settings name.

    Its path may lie anywhere: who types the command may write there anyhow, and what a state says was admitted when its run was made.
    """
    from airflow_provider_confluence.sinks.registry import make_sink

    return make_sink(
        settings,
        destination,
        storage=index_folder(storage),
        allowed_paths=(Path("/"), *_store(settings)),
        connections=connection,
    )


def _store(settings: Mapping[str, Any]) -> list[UPath]:
    path = settings.get("path")
    if not isinstance(path, str) or "://" not in path:
        return []
    if "@" in path:  # names an Airflow connection
        with redirect_stdout(sys.stderr):
            from airflow.sdk import ObjectStoragePath

            return [cast(Any, ObjectStoragePath(path))]
    from upath import UPath

    return [UPath(path)]


@contextmanager
def airflow() -> Iterator[None]:
    """Let Airflow look things up: in the environment, the secrets backends, and its database where that is reachable from here.

    Importing it takes two seconds, and it logs to standard output, which is for our answers.
    """
    # What tells Airflow's SDK that this process is no task and may ask the database itself (3.3: execution_time/supervisor.py).
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    with redirect_stdout(sys.stderr):
        yield


def connection(conn_id: str) -> SinkConnection:
    """Return a connection of Airflow, or of the environment. :raises ConfigurationError: where there is none."""
    with airflow():
        from airflow_provider_confluence.hooks.sink_connections import sink_connection

        return sink_connection(conn_id)


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
