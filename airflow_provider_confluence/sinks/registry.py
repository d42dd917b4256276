"""Which sinks there are, and the one place that makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

from airflow_provider_confluence.errors import ConfigurationError
from airflow_provider_confluence.sinks._places import Place
from airflow_provider_confluence.sinks.base import Sink
from airflow_provider_confluence.sinks.connection import Connections, no_connections

ENTRY_POINT_GROUP = "airflow_provider_confluence.sinks"
"""Installed packages add sinks here: ``name = "module:factory"``. A setting can only name what somebody installed."""

_FACTORIES = {
    "coco": "airflow_provider_confluence.sinks.coco:from_settings",
    "elasticsearch": "airflow_provider_confluence.sinks.elasticsearch:from_settings",
    "files": "airflow_provider_confluence.sinks.files:from_settings",
    "local": "airflow_provider_confluence.sinks.local:from_settings",
    "opensearch": "airflow_provider_confluence.sinks.opensearch:from_settings",
    "postgres": "airflow_provider_confluence.sinks.postgres:from_settings",
    "queue": "airflow_provider_confluence.sinks.queue:from_settings",
}


def sink_types() -> tuple[str, ...]:
    """Return the valid values of ``sink.type``, sorted."""
    return tuple(sorted({*_FACTORIES, *(point.name for point in entry_points(group=ENTRY_POINT_GROUP))}))


def make_sink(
    settings: Mapping[str, Any],
    destination: str,
    *,
    storage: Path,
    allowed_paths: Sequence[Place] = (),
    connections: Connections = no_connections,
) -> Sink:
    """Return the sink that the settings ask for, not opened yet.

    The factory is called as ``factory(settings, destination, storage=…, allowed_paths=…, connections=…)``. It looks nothing up and
    connects to nothing; that waits until the sink is opened or checked.

    :param settings: the datasource's ``sink`` object; ``type`` chooses.
    :param destination: ``queue.name``: the index, alias, queue, table or file inside the sink.
    :param storage: the folder where sinks that keep files have them unless told otherwise.
    :param allowed_paths: further folders, and places of object stores, that settings may name.
    :param connections: looks up the connection that ``conn_id`` names, for sinks that are servers.
    :raises ConfigurationError: for an unknown type and for settings that the sink does not take.
    """
    chosen = settings.get("type")
    target = _FACTORIES.get(chosen) if isinstance(chosen, str) else None
    if target is not None:
        module, _, name = target.partition(":")
        factory = getattr(import_module(module), name)
    else:
        installed = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
        if not isinstance(chosen, str) or chosen not in installed:
            raise ConfigurationError(f"sink.type: {chosen!r} is not one of {', '.join(sink_types())}")
        factory = installed[chosen].load()
    return cast(
        Sink, factory(settings, destination, storage=storage, allowed_paths=allowed_paths, connections=connections)
    )
