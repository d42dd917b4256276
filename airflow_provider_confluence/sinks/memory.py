"""The reference sink: the contract of :mod:`airflow_provider_confluence.sinks.base` in as few lines as it takes, for tests and reading."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from airflow_provider_confluence.documents import Document, Tombstone
from airflow_provider_confluence.errors import OwnershipError
from airflow_provider_confluence.sinks.base import Answer, Capabilities, InventoryItem, Owner


class MemoryDestination:
    """What several memory sinks write to, as several processes share one index. It lives as long as the process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.owners: dict[str, Owner] = {}
        self.items: dict[str, Document | Tombstone] = {}

    def documents(self) -> dict[str, Document]:
        """Return the documents held now, by id, without the tombstones."""
        with self.lock:
            return {id_: item for id_, item in self.items.items() if isinstance(item, Document)}


class MemorySink:
    """Keep documents in a dictionary."""

    capabilities = Capabilities(versioned=True, inventory=True, atomic_swap=False)

    def __init__(self, destination: MemoryDestination | None = None) -> None:
        self.destination = MemoryDestination() if destination is None else destination
        self._owner: Owner | None = None

    def open(self, owner: Owner, *, adopt: bool = False) -> None:
        """Record the owner; see :meth:`~airflow_provider_confluence.sinks.base.Sink.open`."""
        with self.destination.lock:
            found = self.destination.owners.get(owner.datasource_id, owner)
            if found != owner and not adopt:
                raise OwnershipError(
                    f"the documents of datasource {owner.datasource_id} belong to deployment {found.deployment_id} reading {found.site}; "
                    f"take them over with: airflow-confluence adopt {owner.datasource_id}"
                )
            self.destination.owners[owner.datasource_id] = owner
        self._owner = owner

    def check(self) -> None:
        """Return: a dictionary is always there."""

    def write(self, items: Sequence[Document | Tombstone]) -> list[Answer]:
        """Keep of each id what has the highest revision, and of one revision the tombstone."""
        owner = self._opened()
        with self.destination.lock:
            if self.destination.owners[owner.datasource_id] != owner:
                raise OwnershipError(
                    f"another deployment has adopted the documents of datasource {owner.datasource_id}"
                )
            return [self._write(item, owner) for item in items]

    def _write(self, item: Document | Tombstone, owner: Owner) -> Answer:
        if item.datasource_id != owner.datasource_id:
            return Answer(item.id, "rejected", f"belongs to datasource {item.datasource_id!r}")
        held = self.destination.items.get(item.id)
        if held is not None and _order(held) > _order(item):
            return Answer(item.id, "superseded")
        self.destination.items[item.id] = item
        return Answer(item.id, "written")

    def flush(self) -> None:
        """Return at once: everything written is visible."""
        self._opened()

    def inventory(self, datasource_id: str) -> Iterator[InventoryItem]:
        """Yield what the datasource holds at this moment."""
        self._opened()
        for document in self.destination.documents().values():
            if document.datasource_id == datasource_id:
                yield InventoryItem(document.id, document.content_id, document.revision)

    def changes(self, datasource_id: str, after: int, until: int) -> Iterator[Document | Tombstone]:
        """Yield what changed between two revisions."""
        with self.destination.lock:
            held = list(self.destination.items.values())
        for item in held:
            if item.datasource_id == datasource_id and after < item.revision <= until:
                yield item

    def close(self) -> None:
        """Forget the owner; what was written stays with the destination."""
        self._owner = None

    def _opened(self) -> Owner:
        if self._owner is None:
            raise RuntimeError("the sink is not open: call open() first")
        return self._owner


def _order(item: Document | Tombstone) -> tuple[int, bool]:
    return item.revision, isinstance(item, Tombstone)
