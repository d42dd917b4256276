"""What each sink takes in a datasource's ``sink`` object, and what ``queue.name`` may be there.

This imports no sink, so that reading a Variable costs the same whatever its sinks are. The sinks read their settings by it too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

from airflow_provider_confluence.errors import ConfigurationError
from airflow_provider_confluence.settings import (
    BELONGS_ELSEWHERE,
    Flag,
    Say,
    Setting,
    Table,
    Text,
    Whole,
    hint,
    kind_of,
)

DEFAULT_TYPE = "local"
_CONNECTION = Text(r".{1,250}", "the id of a connection")
_FOLDER = Text(r"[^\x00]*[^\x00\s][^\x00]*", "the path of a folder")
_FILE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_ALIAS = r"[a-z0-9][a-z0-9._-]{0,199}"  # the servers' own rule for names, with room for what is appended
_CREDENTIALS = ("token", "password", "api_key", "username", "login", "url", "host", "hosts", "endpoint")
_MEGABYTES_32 = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SinkKind:
    """One type of sink.

    :param about: one line for the reference.
    :param settings: what its object takes beside ``type``.
    :param destination: the pattern of ``queue.name``; empty where any will do.
    :param destination_rule: that pattern in words, after *… cannot name*.
    """

    about: str
    settings: tuple[Setting, ...]
    destination: str = ""
    destination_rule: str = ""


def _limit(default: int, most: int) -> Setting:
    return Setting("max_document_bytes", Whole(1, most), "A document that is larger is rejected.", default)


def _connection(default: str) -> Setting:
    return Setting("conn_id", _CONNECTION, "The connection of the server.", default)


def _search_engine(name: str, conn_type: str) -> SinkKind:
    return SinkKind(
        f"An index of {name} behind an alias.",
        (
            _connection(f"{conn_type}_default"),
            _limit(
                10_000_000, 99_000_000
            ),  # what the smallest managed services take in one request; the servers take 100 MB
            Setting("number_of_shards", Whole(1, 1024), "Of a new index; without it the server's default."),
            Setting("number_of_replicas", Whole(0, 100), "Of a new index; without it the server's default."),
        ),
        _ALIAS,
        f"an alias of {name}; use up to 200 of a-z 0-9 . _ - and begin with a letter or digit",
    )


SINKS: Mapping[str, SinkKind] = {
    "coco": SinkKind(
        "Coco Server, over its HTTP API.",
        (
            _connection("coco_default"),
            Setting(
                "connector_id",
                Text(
                    r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}",
                    "an id of up to 100 of A-Z a-z 0-9 _ - that begins with a letter or digit",
                ),
                "The connector in Coco that all datasources share; the first run makes it.",
                "airflow_confluence",
            ),
            Setting("parallel", Whole(1, 200), "How many documents are on their way at a time.", 32),
            _limit(_MEGABYTES_32, 500_000_000),
        ),
    ),
    "elasticsearch": _search_engine("Elasticsearch", "elasticsearch"),
    "files": SinkKind(
        "JSON lines in a folder or an object store.",
        (
            Setting("path", _FOLDER, "The folder, or an object store's address; without it a folder of the storage."),
            _limit(_MEGABYTES_32, 500_000_000),
        ),
        _FILE_NAME,
        "a folder; use up to 100 of A-Z a-z 0-9 . _ - and begin with a letter or digit",
    ),
    "local": SinkKind(
        "One SQLite file with a full-text index, for one host.",
        (
            Setting("path", _FOLDER, "The folder of the file; without it a folder of the storage."),
            _limit(_MEGABYTES_32, 500_000_000),
        ),
        _FILE_NAME,
        "a local index; use up to 100 of A-Z a-z 0-9 . _ - and begin with a letter or digit",
    ),
    "opensearch": _search_engine("OpenSearch", "opensearch"),
    "postgres": SinkKind(
        "A table of PostgreSQL, with its full-text search.",
        (
            _connection("postgres_default"),
            Setting(
                "schema",
                Text(r"[^\x00]{1,63}", "the name of a schema"),
                "Where the table lies; without it the first schema of the user's search path.",
            ),
            Setting(
                "language",
                Text(r"[a-z_][a-z0-9_]{0,62}", "the name of a text search configuration"),
                "The text search configuration: simple takes words as they are, english and others know their forms.",
                "simple",
            ),
            _limit(_MEGABYTES_32, 200_000_000),
        ),
        r"[A-Za-z0-9_][A-Za-z0-9_-]{0,47}",  # the longest suffix (_datasource) still fits into PostgreSQL's 63 bytes
        "a table here; use up to 48 of A-Z a-z 0-9 _ - and do not begin with -",
    ),
    "queue": SinkKind(
        "A queue of a message broker, for whoever indexes the documents.",
        (
            Setting(
                "conn_id", _CONNECTION, "The connection of the broker; its type says which one it is.", "queue_default"
            ),
            Setting("declare", Flag(), "Whether the queue is made where there is none.", True),
            Setting(
                "max_message_bytes", Whole(1), "A message that is larger is rejected; without it what the broker takes."
            ),
        ),
        r"(?! )[^\x00-\x1f\x7f]{1,200}(?<! )",  # brokers differ in what else they refuse; they are asked when a run begins
        "a queue; use up to 200 characters without white space at its ends",
    ),
}
"""By ``sink.type``. A sink that another package adds has none here: its own code judges its settings, when a run begins."""


def table_of(kind: SinkKind) -> Table:
    """Return the whole table of a sink's object."""
    return Table((Setting("type", Text(), "The type of the sink.", required=True), *kind.settings))


def check_sink(path: str, value: Any, say: Say) -> dict[str, Any]:
    """Return a datasource's ``sink`` object; what is wrong in it is said by its path. Nothing is connected to or looked up."""
    chosen = value.get("type") if isinstance(value, dict) else None
    if not isinstance(chosen, str):
        say(path, f'expected an object with a type, such as {{"type": "local"}}{_found(value)}')
        return {}
    if chosen in SINKS:
        kind = SINKS[chosen]
        misplaced = [key for key in _CREDENTIALS if key in value and "conn_id" in (s.name for s in kind.settings)]
        for key in misplaced:
            say(f"{path}.{key}", f"{BELONGS_ELSEWHERE} that sink.conn_id names, never into a Variable")
        table_of(kind).read(path, _without(value, misplaced), say)
        return dict(value)
    from airflow_provider_confluence.sinks.registry import sink_types  # which looks through the installed packages

    known = sink_types()
    if chosen not in known:
        say(f"{path}.type", f"{chosen[:60]!r} is not one of {', '.join(known)}{hint(chosen, known)}")
    return dict(value)


def check_destination(path: str, name: str, type_: str, say: Say) -> None:
    """Say where ``queue.name`` can name nothing in a sink of this type."""
    kind = SINKS.get(type_)
    if kind is not None and kind.destination and not re.fullmatch(kind.destination, name):
        say(path, f"{name[:100]!r} cannot name {kind.destination_rule}")


def read_settings(type_: str, settings: Mapping[str, Any], destination: str) -> dict[str, Any]:
    """Return the settings of a sink with the defaults filled in; what has none and is not given is ``None``.

    :raises ConfigurationError: with everything that is wrong in them, and in the name of the destination.
    """
    problems: list[str] = []

    def say(path: str, what: str) -> None:
        problems.append(f"{path}: {what}")

    kind = SINKS[type_]
    found = table_of(kind).read("sink", {"type": type_, **settings}, say)
    check_destination("queue.name", destination, type_, say)
    if problems:
        raise ConfigurationError("\n".join(problems))
    return {setting.name: found.get(setting.name, setting.default) for setting in kind.settings}


def _without(value: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    found = copy(value)  # which stays what remembers keys given twice
    for key in keys:
        del found[key]
    return found


def _found(value: Any) -> str:
    return "" if isinstance(value, dict) else f", found {kind_of(value)}"
