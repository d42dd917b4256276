"""A datasource over the sandbox whose documents go to a search engine, read back without the sink."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any

from airflow_provider_confluence.datasource import Datasource
from airflow_provider_confluence.documents import Document
from tests.sinks.servers import SearchServer, connection_to, unused
from tests.sync.conftest import Wiki


@dataclass
class SearchWiki(Wiki):
    """A wiki whose index is an alias of a server."""

    server: SearchServer | None = None
    alias: str = field(default_factory=unused)
    port: int | None = None

    def __post_init__(self) -> None:
        self.definition |= {"sink": {"type": self.server.kind}, "queue": {"name": self.alias}}
        self.make_sink = self._make

    def _make(self, datasource: Datasource) -> Any:
        kind = datasource.sink["type"]
        return import_module(f"airflow_provider_confluence.sinks.{kind}").from_settings(
            datasource.sink,
            datasource.queue_name,
            storage=self.folder,
            connections=partial(connection_to, kind, self.port or self.server.port),
            sleep=lambda seconds: time.sleep(seconds / 50),
        )

    def hits(self, alias: str | None = None) -> list[dict[str, Any]]:
        """What the server gives to somebody who searches for everything."""
        alias = alias or self.alias
        self.server.ask("POST", f"/{alias}/_refresh")
        status, found = self.server.ask("POST", f"/{alias}/_search", {"size": 1000, "version": True})
        assert status == 200, found
        return found["hits"]["hits"]

    def documents(self) -> dict[str, Document]:
        found = [Document.from_json(hit["_source"]) for hit in self.hits()]
        assert len({document.content_id for document in found}) == len(found), "a document is there twice"
        return {document.content_id: document for document in found}

    def serving(self) -> str:
        """The index behind the alias."""
        [index] = self.server.ask("GET", f"/{self.alias}")[1]
        return index

    def indexes(self) -> set[str]:
        """Every index of the destination but the control index."""
        _, found = self.server.ask("GET", f"/{self.alias}-*")
        return {name for name in found if "-control-" not in name}
