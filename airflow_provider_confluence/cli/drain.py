"""``drain``: write what stands in a queue into another sink."""

from __future__ import annotations

import argparse
import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow_provider_confluence.cli import common
from airflow_provider_confluence.cli.places import Folder
from airflow_provider_confluence.datasource import DEFAULT_QUEUE, SHOWN_TO_ALL
from airflow_provider_confluence.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow_provider_confluence.sinks.base import Sink

_EXAMPLES = """
airflow-confluence drain --conn-id queue_default --to local --to-queue wiki --storage ./index --until-empty
airflow-confluence drain --conn-id rabbit --queue wiki --to '{"type": "opensearch", "conn_id": "search"}' --to-queue wiki
"""


def add(commands: common.Commands) -> None:
    """Describe the command to the parser."""
    parser = common.add_command(
        commands,
        "drain",
        "write what stands in a queue into another sink",
        "Take the messages of a queue sink and write them into another sink. Runs until SIGTERM or Ctrl-C; "
        "nothing is lost whenever it is stopped.",
        _EXAMPLES,
    )
    parser.add_argument(
        "--conn-id", default="queue_default", metavar="ID", help="connection of the broker (default: %(default)s)"
    )
    parser.add_argument(
        "--queue",
        default=DEFAULT_QUEUE,
        metavar="NAME",
        help="the queue, queue.name of the datasources (default: %(default)s)",
    )
    parser.add_argument(
        "--to",
        required=True,
        metavar="SINK",
        help="where to: a sink's type, or its settings as JSON, as in a datasource",
    )
    parser.add_argument(
        "--to-queue",
        default=DEFAULT_QUEUE,
        metavar="NAME",
        help="the index, alias, table or file inside that sink (default: %(default)s)",
    )
    parser.add_argument("--storage", metavar="DIR", help="where sinks that keep files have them")
    parser.add_argument(
        "--until-empty",
        nargs="?",
        const="5s",
        metavar="IDLE",
        help="end when no message came for so long (default: 5s), and no other consumer holds one",
    )
    parser.add_argument(
        "--patience",
        default="10m",
        metavar="TIME",
        help="how long the sink or the broker may be out of reach (default: %(default)s)",
    )
    parser.add_argument(
        "--adopt",
        action="append",
        default=[],
        metavar="DATASOURCE",
        help="take this datasource's documents in the sink over from another deployment; may be given several times",
    )
    parser.add_argument(
        "--restricted",
        choices=("skip", "include"),
        help="what becomes of documents that fewer may read than may see their space (default: skip, with removal, for a sink whose "
        f"search shows everything to everybody, as {', '.join(SHOWN_TO_ALL)} does; else include)",
    )
    parser.add_argument(
        "--no-declare",
        action="store_true",
        help="do not make the queue, nor that of its dead letters, where they are not there",
    )
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    from airflow_provider_confluence.sinks.draining import Drain
    from airflow_provider_confluence.sinks.queue import check_name

    check_name(options.queue)
    settings = _settings(options)
    place = Folder(options.storage or ".")
    idle_seconds = _seconds("--until-empty", options.until_empty) if options.until_empty else None
    patience_seconds = _seconds("--patience", options.patience)
    # Looks nothing up, so what is wrong with the settings is said at once: the connection takes seconds, because Airflow is asked for it.
    _sink(settings, options, place)
    drain = Drain(
        connection=place.airflow.sink_connection(options.conn_id),
        queue=options.queue,
        make_sink=lambda: _sink(settings, options, place),
        declare=not options.no_declare,
        idle_seconds=idle_seconds,
        patience_seconds=patience_seconds,
        adopt=frozenset(options.adopt),
        skip_restricted=options.restricted == "skip" if options.restricted else settings.get("type") in SHOWN_TO_ALL,
        tell=common.say,
    )
    started = time.monotonic()
    try:
        with _stopped_by_sigterm(drain.stop):
            counts = drain.run()
    except BaseException:
        common.say(f"ended early; done before: {drain.summary()}")
        raise
    seconds = round(time.monotonic() - started, 1)
    if options.json:
        common.print_json({**asdict(counts), "seconds": seconds})
    else:
        print(f"{drain.summary()}, seconds {seconds}")
    return 1 if counts.dead else 0


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    given = options.to
    try:
        settings = json.loads(given) if given.lstrip().startswith("{") else {"type": given}
    except ValueError as error:
        raise ConfigurationError(f"--to {given[:100]}: this is neither the type of a sink nor JSON") from error
    here = (options.conn_id, options.queue)
    if settings.get("type") == "queue" and (settings.get("conn_id", "queue_default"), options.to_queue) == here:
        raise ConfigurationError("--to names the queue that is drained; messages would go round for ever")
    return dict(settings)


def _sink(settings: dict[str, Any], options: argparse.Namespace, place: Folder) -> Sink:
    if settings.get("type") in ("local", "files") and options.storage is None and not settings.get("path"):
        raise ConfigurationError(f"--storage DIR must say where the sink of type {settings['type']} has its files")
    return place.sink_from(settings, options.to_queue)


def _seconds(option: str, text: str) -> float:
    from airflow_provider_confluence.datasource import parse_duration

    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise ConfigurationError(f"{option}: {error}") from error


@contextmanager
def _stopped_by_sigterm(stop: threading.Event) -> Iterator[None]:
    """Let SIGTERM end the drain after the batch at hand, as service managers expect it of a service."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
