"""The settings of the search engines' sinks, which come from a Variable that more people can edit than the connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_confluence.sinks._search_engine import Flavour, SearchEngineSink
from airflow_provider_confluence.sinks._search_layout import Layout
from airflow_provider_confluence.sinks.connection import Connections, no_connections
from airflow_provider_confluence.sinks.settings import read_settings


@dataclass(frozen=True)
class FromSettings:
    """The ``from_settings`` of a search engine, as the registry calls it; a value, so that another process can be handed it."""

    flavour: Flavour

    def __call__(
        self,
        settings: Mapping[str, Any],
        destination: str,
        *,
        storage: Path,  # noqa: ARG002 - nothing lies on a disk of ours
        allowed_paths: Sequence[Path] = (),  # noqa: ARG002 - likewise
        connections: Connections = no_connections,
        sleep: Callable[[float], None] = time.sleep,
    ) -> SearchEngineSink:
        """Return the sink that settings ask for, not opened yet. Nothing is asked, no connection is looked up.

        :param sleep: waits between tries; tests give their own.
        :raises ConfigurationError: for an unknown key, a wrong type, a name that can be no alias.
        """
        flavour = self.flavour
        found = read_settings(flavour.conn_type, settings, destination)
        shards, replicas = found["number_of_shards"], found["number_of_replicas"]
        layout = Layout(destination, flavour.flat, shards=shards, replicas=replicas)
        limit = found["max_document_bytes"]
        return SearchEngineSink(flavour, layout, found["conn_id"], connections, max_document_bytes=limit, sleep=sleep)
