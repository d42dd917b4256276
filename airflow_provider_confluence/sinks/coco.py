"""Documents in Coco Server, over its HTTP API.

There is no bulk request and no compare-and-set. Documents are written one by one over a pool of threads, because each PUT waits for the
next refresh of the index (up to a second): threads that wait together share one. Deletions go by lists of ids.

*Versioned* is declared as not held: that a write is older than what is stored is looked up first, and another writer may come in between.
The fence of the run (a revision that is claimed before any write) is what keeps late writers out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow_provider_confluence.documents import Document, Tombstone
from airflow_provider_confluence.sinks._coco_check import check
from airflow_provider_confluence.sinks._coco_listing import inventory
from airflow_provider_confluence.sinks._coco_place import DEFAULT_CONNECTOR, Place
from airflow_provider_confluence.sinks._coco_server import CocoServer
from airflow_provider_confluence.sinks._coco_writing import Writer
from airflow_provider_confluence.sinks.base import Answer, Capabilities, InventoryItem, Owner
from airflow_provider_confluence.sinks.connection import Connections, SinkConnection, no_connections
from airflow_provider_confluence.sinks.settings import read_settings

DEFAULT_CONN_ID = "coco_default"
DEFAULT_MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
DEFAULT_PARALLEL = 32


class CocoSink:
    """Write documents into Coco Server. The constructor connects to nothing; ``open`` makes connector and datasource.

    :param connections: looks up ``conn_id``, when it is first needed.
    :param connector_id: the connector in Coco that all our datasources share.
    :param parallel: how many documents are on their way at a time.
    :param max_document_bytes: a document whose request is larger is answered *rejected*.
    :param back_off_seconds: the pause before a request is repeated for the first time.
    """

    capabilities = Capabilities(versioned=False, inventory=True, atomic_swap=False)

    def __init__(
        self,
        connections: Connections,
        conn_id: str = DEFAULT_CONN_ID,
        *,
        connector_id: str = DEFAULT_CONNECTOR,
        parallel: int = DEFAULT_PARALLEL,
        max_document_bytes: int = DEFAULT_MAX_DOCUMENT_BYTES,
        back_off_seconds: float = 0.5,
    ) -> None:
        self._connections = connections
        self._conn_id = conn_id
        self._connector_id = connector_id
        self._parallel = parallel
        self._max_document_bytes = max_document_bytes
        self._back_off_seconds = back_off_seconds
        self._server: CocoServer | None = None
        self._place: Place | None = None
        self._writer: Writer | None = None

    # ------------------------------------------------------------------------------------ the contract
    def open(self, owner: Owner, *, adopt: bool = False) -> None:
        """Make connector and datasource and record the owner; see :meth:`~airflow_provider_confluence.sinks.base.Sink.open`.

        Cost: 2 requests, 2 more at the first time.
        """
        self.close()
        server = self._connected()
        server.connection.check_datasource(owner.datasource_id)
        place = Place(server, owner, self._connector_id)
        place.open(adopt=adopt)
        self._place = place
        self._writer = Writer(
            server,
            place.id,
            owner.datasource_id,
            parallel=self._parallel,
            max_document_bytes=self._max_document_bytes,
        )

    def check(self) -> None:
        """Say whether this Coco Server can be used; see :meth:`~airflow_provider_confluence.sinks.base.Sink.check`.

        Cost: 12 requests.
        """
        check(self._connected(), self._connector_id)

    def write(self, items: Sequence[Document | Tombstone]) -> list[Answer]:
        """Write a batch. Items of different ids go side by side, those of one id in order.

        Cost in requests: 1, and 1 for every 100 items; 1 for each document, 2 for one that moved in the tree: it is deleted and made anew,
        because Coco fixes the place when it makes a document; of tombstones 1 for every 100 and 1 for each, to see that it is gone.

        :raises SinkUnavailableError: when nothing of the batch could be delivered.
        :raises OwnershipError: when another deployment has adopted the datasource meanwhile.
        """
        place, writer = self._opened()
        if not items:
            return []
        names = [item.datasource_name for item in items if isinstance(item, Document)]
        place.confirm(names[-1] if names else None)
        return writer.write(items)

    def flush(self) -> None:
        """Return when no search shows what was deleted; what was written is visible when it is answered.

        Cost: 1 request for 100 deletions, again until they are gone. :raises SinkUnavailableError: when a minute is not enough for that.
        """
        self._opened()[1].wait_until_gone()

    def inventory(self, datasource_id: str) -> Iterator[InventoryItem]:
        """Yield every document of the datasource, by id. Cost: 1 request for 1,000 documents.

        :raises SinkUnavailableError: when the list ends before the number of documents that it told itself.
        :raises ConfigurationError: when the server does not list as it should.
        """
        place, _ = self._opened()
        yield from inventory(self._connected(), place.id, datasource_id)

    def close(self) -> None:
        """End the threads and close the connections; safe to repeat."""
        writer, server = self._writer, self._server
        self._server = self._place = self._writer = None
        if writer is not None:
            writer.close()
        if server is not None:
            server.close()

    def _connected(self) -> CocoServer:
        if self._server is None:
            self._server = CocoServer(
                self._connections(self._conn_id), parallel=self._parallel, back_off_seconds=self._back_off_seconds
            )
        return self._server

    def _opened(self) -> tuple[Place, Writer]:
        if self._place is None or self._writer is None:
            raise RuntimeError("the sink is not open: call open() first")
        return self._place, self._writer


def check_connection(connection: SinkConnection) -> tuple[str, str]:
    """Return base URL and version of the Coco Server that a connection leads to, where the sink can use it as it is by default.

    Cost: 12 requests. :raises ConfluenceProviderError: as :meth:`CocoSink.check` does.
    """
    server = CocoServer(connection, parallel=1)
    try:
        return server.url, check(server, DEFAULT_CONNECTOR)
    finally:
        server.close()


def from_settings(
    settings: Mapping[str, Any],
    destination: str,  # Coco keeps all documents in one index, and tells datasources apart by itself
    *,
    storage: Path,  # noqa: ARG001 - nothing is kept on this side
    allowed_paths: Sequence[Path] = (),  # noqa: ARG001
    connections: Connections = no_connections,
) -> CocoSink:
    """Return the sink for ``{"type": "coco", "conn_id": …, "connector_id": …, "parallel": …, "max_document_bytes": …}``.

    :raises ConfigurationError: for an unknown key or a wrong value.
    """
    found = read_settings("coco", settings, destination)
    return CocoSink(
        connections,
        found["conn_id"],
        connector_id=found["connector_id"],
        parallel=found["parallel"],
        max_document_bytes=found["max_document_bytes"],
    )
