"""The settings of the search engines' sinks, which come from a Variable that more people can edit than the connection."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_confluence.errors import ConfigurationError
from airflow_provider_confluence.sinks._search_engine import Flavour, SearchEngineSink
from airflow_provider_confluence.sinks._search_layout import Layout
from airflow_provider_confluence.sinks.connection import Connections

DEFAULT_MAX_DOCUMENT_BYTES = 10_000_000
"""What the smallest managed services take in one request; the servers themselves take 100 MB."""

_KNOWN = ("type", "conn_id", "max_document_bytes", "number_of_shards", "number_of_replicas")
# The server's own rule for names, with room for what is appended.
_ALIAS = re.compile(r"[a-z0-9][a-z0-9._-]{0,199}")


def sink_from(
    flavour: Flavour,
    settings: Mapping[str, Any],
    destination: str,
    *,
    connections: Connections,
    sleep: Callable[[float], None],
) -> SearchEngineSink:
    """Return the sink that the settings ask for. Nothing is asked, no connection is looked up.

    :raises ConfigurationError: for an unknown key, a wrong type, a name that can be no alias.
    """
    for key in sorted(set(settings) - set(_KNOWN), key=str):
        near = difflib.get_close_matches(str(key), _KNOWN, n=1)
        hint = f"did you mean {near[0]}?" if near else f"this sink takes {', '.join(_KNOWN[1:])}"
        raise ConfigurationError(f"sink.{key}: unknown setting; {hint}")
    conn_id = settings.get("conn_id", f"{flavour.conn_type}_default")
    if not isinstance(conn_id, str) or not conn_id:
        raise ConfigurationError(f"sink.conn_id: {conn_id!r} is not the id of a connection")
    if not _ALIAS.fullmatch(destination):
        raise ConfigurationError(
            f"queue.name: {destination[:100]!r} cannot name an alias of {flavour.name}; use up to 200 of a-z 0-9 . _ - and begin with a "
            "letter or digit"
        )
    layout = Layout(
        destination,
        flavour.flat,
        shards=_number(settings, "number_of_shards", None, 1, 1024),
        replicas=_number(settings, "number_of_replicas", None, 0, 100),
    )
    limit = _number(settings, "max_document_bytes", DEFAULT_MAX_DOCUMENT_BYTES, 1, 99_000_000)
    return SearchEngineSink(
        flavour, layout, conn_id, connections, max_document_bytes=limit or DEFAULT_MAX_DOCUMENT_BYTES, sleep=sleep
    )


def _number(settings: Mapping[str, Any], name: str, default: int | None, least: int, most: int) -> int | None:
    value: Any = settings.get(name, default)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ConfigurationError(f"sink.{name}: {value!r} is not a whole number from {least} to {most}")
    return int(value)
