"""``sync``: bring an index up to date with Confluence."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_confluence.cli import common
from airflow_provider_confluence.cli.deployment import Deployment, shown
from airflow_provider_confluence.cli.places import Folder, Place, add_storage
from airflow_provider_confluence.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow_provider_confluence.confluence.client import ConfluenceClient
    from airflow_provider_confluence.datasource import Datasource
    from airflow_provider_confluence.sync.commit import RunResult
    from airflow_provider_confluence.sync.context import Event

    Connect = Callable[[Datasource], ConfluenceClient]

_EXAMPLES = """
airflow-confluence sync --id docs
airflow-confluence sync --endpoint https://site.atlassian.net/wiki --username you@example.com --space DOCS --storage ./index
airflow-confluence sync --endpoint https://wiki.example.com --space '*' --set exclude_spaces=OLD,TMP --storage ./index
airflow-confluence sync --endpoint https://wiki.example.com --datasources datasources.json --id docs --storage ./index
"""


def add(commands: common.Commands) -> None:
    """Describe the command to the parser."""
    parser = common.add_command(
        commands,
        "sync",
        "bring an index up to date with Confluence",
        "Bring an index up to date with Confluence. What --endpoint, --storage and a definition do not say is taken from the Airflow "
        f"deployment here. With --endpoint the token is read from {common.TOKEN_VARIABLE}.",
        _EXAMPLES,
    )
    common.add_connection(parser, required=False)
    common.add_conn_id(parser)
    add_storage(parser)
    parser.add_argument("--space", action="append", metavar="KEY", help="space key; may be given several times")
    parser.add_argument("--blogposts", action="store_true", help="index blog posts too")
    parser.add_argument("--attachments", action="store_true", help="index attachments too")
    parser.add_argument("--comments", action="store_true", help="index comments too")
    parser.add_argument(
        "--folders", action="store_true", help="index folders, whiteboards, databases and embeds too, by their titles"
    )
    common.add_datasources(parser, "definitions like the Variable's; --id chooses one, the other options overrule it")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SETTING=VALUE",
        help="any setting of a datasource, such as exclude_labels=draft,old or queue.name=wiki; the value is JSON or a text",
    )
    parser.add_argument("--id", metavar="ID", help="id of the datasource (default: the first space key; all for *)")
    parser.add_argument("--mode", choices=("auto", "full", "reconcile", "changes", "verify", "rebuild"), default="auto")
    parser.add_argument(
        "--allow-mass-delete", type=int, metavar="REVISION", help="consent to the deletions that run REVISION withheld"
    )
    parser.add_argument(
        "--content-ids", nargs="+", default=(), metavar="ID", help="look at these items alone, and extract them again"
    )
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    from airflow_provider_confluence.sync.commit import verdict

    airflow = Deployment(tell=common.say)
    place = _place(options, airflow)
    described = options.endpoint is not None or describes_datasource(options)
    datasource = datasource_of(options) if described else airflow.datasource(options.id)
    started = time.monotonic()
    result = _sync(
        datasource,
        _connect(options, airflow),
        place,
        mode=options.mode,
        allow_mass_delete=options.allow_mass_delete,
        content_ids=options.content_ids,
    )
    seconds = time.monotonic() - started
    if options.json:
        common.print_json(
            {
                **asdict(result),
                "clean": result.clean,
                "verdict": verdict(result),
                "seconds": round(seconds, 1),
                **shown({**airflow.read_from, **place.read_from}),
            }
        )
        return 0 if result.clean else 1
    print(summary_of(result, seconds))
    for note in result.notes:
        common.say(f"note: {note}")
    for failure in result.failures:
        common.say(f"failed: {failure['type']} {failure['content_id']} ({failure['reason']}): {failure['message']}")
    if not result.clean:
        common.say(verdict(result))
    return 0 if result.clean else 1


# ------------------------------------------------------------------------------------------ Airflow or not
def describes_datasource(options: argparse.Namespace) -> bool:
    """Say whether the options describe a datasource, or else Airflow's Variable is to."""
    flags = (options.blogposts, options.attachments, options.comments, options.folders)
    return bool(options.datasources or options.space or options.set or any(flags))


def _place(options: argparse.Namespace, airflow: Deployment) -> Place:
    """Return where state and index are to be.

    :raises ConfigurationError: where Airflow's would come to hold something that its own runs know nothing of.
    """
    if options.storage is not None:
        return Folder(options.storage)
    if options.endpoint is not None or (describes_datasource(options) and not options.datasources):
        raise ConfigurationError(
            "--storage DIR must say where state and index are kept, because --endpoint, --space and --set make a datasource that Airflow "
            "knows nothing of; without these, connection, datasource and storage are Airflow's"
        )
    return airflow


def _connect(options: argparse.Namespace, airflow: Deployment) -> Connect:
    """Return who opens a client: by the options, or through Airflow's connection, where that may serve the datasource."""
    from airflow_provider_confluence.confluence.client import connect

    if options.endpoint is not None:
        settings = common.connection_settings(options)
        return lambda _: connect(settings)

    def through_airflow(datasource: Datasource) -> ConfluenceClient:
        hook = airflow.hook(options.conn_id or datasource.conn_id)
        hook.check_allowed(datasource)
        return hook.open_client()

    return through_airflow


# ------------------------------------------------------------------------------------------ the definition
def datasource_of(options: argparse.Namespace) -> Datasource:
    """Return the datasource that the options describe. :raises ConfigurationError: where they are wrong, or describe none."""
    from airflow_provider_confluence.datasource import read_datasource

    datasource_id, definition = _from_file(options.datasources, options.id)
    if options.space:
        definition["space"] = options.space
    for option, setting in (
        (options.blogposts, "enable_blogposts"),
        (options.attachments, "enable_attachments"),
        (options.comments, "enable_comments"),
        (options.folders, "enable_folders"),
    ):
        if option:
            definition[setting] = True
    for assignment in options.set:
        _assign(definition, assignment)
    if not definition.get("space"):
        raise ConfigurationError("which space? Give --space KEY, or a definition with --datasources FILE")
    return read_datasource(datasource_id or options.id or _id_for(definition["space"]), definition)


def _from_file(file: str | None, datasource_id: str | None) -> tuple[str | None, dict[str, Any]]:
    """Return the chosen id and its definition as the file has it, or nothing where there is no file."""
    if file is None:
        return None, {}
    value = common.read_value(file)
    if not isinstance(value, dict):
        value = dict(common.definitions_in(value, file))  # which says what it is
    ids = list(value)
    if datasource_id is None and len(ids) == 1:
        datasource_id = ids[0]
    if datasource_id not in ids:
        asked = f"there is no datasource {datasource_id}" if datasource_id else "--id must choose a datasource"
        raise ConfigurationError(f"{file}: {asked}; there are: {', '.join(ids) or 'none'}")
    if datasource_id in getattr(value, "keys_given_twice", ()):
        raise ConfigurationError(f"{file}: {datasource_id}: this id is given twice")
    definition = value[datasource_id]
    # What is no object is for the reader of datasources to complain of.
    return datasource_id, copy(definition) if isinstance(definition, dict) else {}


def _assign(definition: dict[str, Any], assignment: str) -> None:
    from airflow_provider_confluence.datasource import LIST_SETTINGS

    path, equals, text = assignment.partition("=")
    *above, setting = path.split(".")
    if not equals or not all((*above, setting)):
        raise ConfigurationError(f"--set {assignment}: expected SETTING=VALUE, such as exclude_labels=draft,old")
    value: Any
    if path in LIST_SETTINGS and not text.startswith("["):
        value = [part.strip() for part in text.split(",") if part.strip()]
    else:
        try:
            value = json.loads(text)
        except ValueError:
            value = text
    for step in above:
        inner = definition.get(step)
        definition[step] = dict(inner) if isinstance(inner, dict) else {}
        definition = definition[step]
    definition[setting] = value


def _id_for(space: Any) -> str:
    first = space if isinstance(space, str) else str(space[0])
    return "all" if first == "*" else first


# ------------------------------------------------------------------------------------------ the run
def sync(
    datasource: Datasource,
    *,
    endpoint: str,
    username: str | None,
    token: str,
    storage: Path | str,
    deployment: str = "auto",
    mode: str = "auto",
    allow_mass_delete: int | None = None,
) -> RunResult:
    """Run a datasource once, with a progress bar on a terminal; state and the local index lie below ``storage``."""
    from airflow_provider_confluence.confluence.client import ConnectionSettings

    settings = ConnectionSettings(endpoint=endpoint, username=username, token=token, deployment=deployment)  # type: ignore[arg-type]
    from airflow_provider_confluence.confluence.client import connect

    place = Folder(storage)
    return _sync(datasource, lambda _: connect(settings), place, mode=mode, allow_mass_delete=allow_mass_delete)


def _sync(
    datasource: Datasource,
    connect: Connect,
    place: Place,
    *,
    mode: str,
    allow_mass_delete: int | None,
    content_ids: Sequence[str] = (),
) -> RunResult:
    from airflow_provider_confluence.sync.context import RunContext
    from airflow_provider_confluence.sync.run import run_once

    with _Progress() as progress:
        run = RunContext(
            storage=place.storage(),
            connect=connect,
            make_sink=place.make_sink,
            observer=progress.show,
            extractor=place.extractor(),
        )
        return run_once(run, datasource, mode=mode, allow_mass_delete=allow_mass_delete, content_ids=content_ids)


def summary_of(result: RunResult, seconds: float) -> str:
    """Return a run's counts on one line."""
    c = result.counts
    failed = max(c["failed"], c["failing"])
    return (
        f"listed {c['listed']}, fetched {c['fetched']}, unchanged {c['unchanged']}, deleted {c['deleted']}, failed {failed}, "
        f"requests {result.requests}, seconds {seconds:.1f}"
    )


class _Progress:
    """A progress bar for a run; on a pipe it stays silent."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        console = Console(stderr=True)
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._tasks: dict[str, int] = {}
        self._shards: dict[tuple[str, str], tuple[int, int]] = {}

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, event: Event) -> None:
        """Move the bar on."""
        numbers = event.numbers
        if event.name == "listed":
            self._update("list", numbers["listed"], None)
        elif event.name == "planned":
            self._update("list", numbers["listed"], numbers["listed"])
            self._total = numbers["upserts"] + numbers["deletions"]
        elif event.name in ("extracted", "indexed"):
            self._shards[(event.name, event.where)] = (numbers["done"], numbers["of"])
            done = sum(d for (name, _), (d, _) in self._shards.items() if name == event.name)
            self._update("extract" if event.name == "extracted" else "index", done, self._total)

    def _update(self, name: str, done: int, total: int | None) -> None:
        from rich.progress import TaskID

        if name not in self._tasks:
            self._tasks[name] = self._bar.add_task(name, total=total)
        self._bar.update(TaskID(self._tasks[name]), completed=done, total=total)
