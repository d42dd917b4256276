"""The settings of the search engines' sinks, which come from a Variable that more people can edit than the connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_confluence.sinks._search_engine import Flavour, SearchEngineSink
from airflow_provider_confluence.sinks._search_layout import Layout
from airflow_provider_confluence.sinks.connection import Connections
from airflow_provider_confluence.sinks.settings import read_settings


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
    found = read_settings(flavour.conn_type, settings, destination)
    layout = Layout(destination, flavour.flat, shards=found["number_of_shards"], replicas=found["number_of_replicas"])
    limit = found["max_document_bytes"]
    return SearchEngineSink(flavour, layout, found["conn_id"], connections, max_document_bytes=limit, sleep=sleep)
