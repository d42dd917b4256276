"""The contract that every sink keeps.

A sink takes upserts (:class:`~airflow_provider_confluence.documents.Document`) and tombstones, and answers for each of them. What it can
and cannot hold is declared in :class:`Capabilities`, so that the run and the documentation can say what follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from airflow_provider_confluence.documents import Document, Tombstone

Outcome = Literal["written", "superseded", "rejected", "retry"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a sink holds by itself.

    ``versioned``: an older revision never beats a newer one, and a tombstone keeps older writes out. ``inventory``: it can list what it
    holds. ``atomic_swap``: a new index can be filled aside and then take the old one's place at once. ``readers``: a search of its finds
    what a reader may read and nothing else, by the query that its page gives.
    """

    versioned: bool
    inventory: bool
    atomic_swap: bool
    readers: bool = False


@dataclass(frozen=True, slots=True)
class Owner:
    """Who may write the documents of a datasource: one deployment, reading one Confluence site."""

    datasource_id: str
    deployment_id: str
    site: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one write.

    *written*: durable, and not lost when the process dies now. *superseded*: the sink already holds this or a newer revision, which is
    success. *rejected*: this item can never be written as it is (``reason`` says why). *retry*: not now.
    """

    id: str
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class InventoryItem:
    """One document that the sink holds."""

    id: str
    content_id: str
    revision: int


@runtime_checkable
class Sink(Protocol):
    """Where documents go. One instance serves one datasource and is used by one thread."""

    @property
    def capabilities(self) -> Capabilities:
        """What this sink holds by itself."""

    def open(self, owner: Owner, *, adopt: bool = False) -> None:
        """Make the destination ready and record its owner; safe to repeat.

        :param adopt: take the datasource's documents over from another owner.
        :raises OwnershipError: when the documents of this datasource belong to another deployment or site.
        :raises ConfigurationError: when the destination cannot be used as configured.
        :raises SinkCredentialsError: when it refuses the credential. :raises SinkAccessError: when that lacks a permission.
        :raises SinkUnavailableError: when it cannot be reached now.
        """

    def check(self) -> None:
        """Return where the destination can be used as configured, without writing a document; works before ``open`` and after it.

        It is for people (``airflow-confluence check``, a first run): each error says what is wrong, where, and what to do.

        :raises SinkUnavailableError: where nobody answers: the host is unknown, refuses connections, fails in TLS, is overloaded.
        :raises SinkCredentialsError: where the credential is refused.
        :raises SinkAccessError: where the credential is good and lacks a permission, which is named.
        :raises ConfigurationError: where the index, table, queue or folder is missing or of a wrong kind, or something else answers.
        """

    def write(self, items: Sequence[Document | Tombstone]) -> list[Answer]:
        """Write a batch, in order, and answer for each item, in the same order. A repeated call is safe.

        :raises SinkUnavailableError: when the whole batch could not be delivered.
        :raises OwnershipError: when another deployment has adopted the datasource meanwhile.
        """

    def flush(self) -> None:
        """Return when everything answered *written* is visible to searches; called once a shard."""

    def inventory(self, datasource_id: str) -> Iterator[InventoryItem]:
        """Yield every document of the datasource that the sink holds, in no particular order, streaming."""

    def close(self) -> None:
        """Release what the sink holds open; safe to repeat."""


@runtime_checkable
class ReadableSink(Sink, Protocol):
    """A sink that gives back what was written, so that others can follow it without asking Confluence."""

    def changes(self, datasource_id: str, after: int, until: int) -> Iterator[Document | Tombstone]:
        """Yield what stands at a revision greater than ``after`` and not greater than ``until``, streaming, in no particular order.

        A document is yielded as it is now, and a tombstone for what was removed. Opens and writes nothing; works before ``open`` too.
        """


@runtime_checkable
class RebuildingSink(Sink, Protocol):
    """A sink that holds ``atomic_swap``: all of it on an open sink, for the datasource that it was opened for.

    While a rebuild is under way every write goes to both indexes, and its answer is the worse of the two; searches and the inventory see
    the old one.
    """

    def check_rebuild(self) -> None:
        """Return where the datasource has the destination to itself. :raises ConfigurationError: where others share it."""

    def begin_rebuild(self, revision: int) -> None:
        """Make the new index where it is missing, and write into it too from now on. Each task that writes calls it; safe to repeat.

        Where the new index serves already nothing is done: a run died between the swap and its commit.

        :param revision: of the run that began the rebuild, also in the runs that go on with it.
        :raises ConfigurationError: where others share the destination.
        """

    def finish_rebuild(self, revision: int, documents: int) -> str:
        """Put the new index in the old one's place at once and remove the old one; safe to repeat.

        :param documents: how many the new index must hold.
        :returns: ``""``, or why it was not done, as a clause; the old one serves on then.
        """

    def abandon_rebuild(self, before: int) -> bool:
        """Remove what a rebuild that began before this revision has left; return whether there was one. The old index serves on."""
