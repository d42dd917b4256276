"""What is known to be indexed: one record an item.

A record also carries what is still to be done with its item: *pending* (planned, not yet written) and *failure* (tried, did not work).
All of them together are kept in a :mod:`~airflow_provider_confluence.sync.generation`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from airflow_provider_confluence.documents import CONTAINED_TYPES
from airflow_provider_confluence.errors import StorageError, UpgradeNeededError

FORMAT = 1
_encoded = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Standing:
    """A failure that stands: why, since which revision, and how often it was tried."""

    reason: str
    message: str
    attempts: int
    since: int


TITLE_ALONE = -1


class Edge(NamedTuple):
    """A page that an item shows: by which name, which page that was (``""`` for none), at which version (0: it could not be read).

    With version :data:`TITLE_ALONE` it is what a link by id leads to, of which the title alone is shown, or not even that (``""``).
    """

    name: str
    content_id: str
    version: int


@dataclass(frozen=True, slots=True)
class Record:
    """One item as the index holds it, or as it is to be brought there.

    ``version`` is Confluence's version that was indexed. ``context`` stands for everything in the document but its body (see
    :func:`~airflow_provider_confluence.sync.surroundings.context_hash`). ``revision`` is the run that wrote it; 0 where none is known to
    have. ``pending`` asks for another try, whatever the listing says. ``type`` is ``""`` where only the id is known.
    ``includes`` are the pages that the document shows. ``body`` stands for the body of a live document, whose version lags behind it, and
    for that of one with macros that the server showed, with what it showed. ``rendered`` says when it did (milliseconds, as revisions are);
    0 where it does not. ``readers`` are the levels of the document (the same ones for many records), none where it has none.
    """

    content_id: str
    type: str
    version: int = 0
    space_id: str = ""
    container_id: str | None = None
    title: str = ""
    context: str = ""
    revision: int = 0
    pending: bool = False
    failure: Standing | None = None
    includes: tuple[Edge, ...] = ()
    body: str = ""
    rendered: int = 0
    readers: tuple[tuple[str, ...], ...] = ()

    @property
    def page_id(self) -> str:
        """The id of the page to open for it: its own, or that of what it is on."""
        return self.container_id if self.type in CONTAINED_TYPES and self.container_id else self.content_id

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON, short, without what is at its default."""
        value: dict[str, Any] = {"id": self.content_id, "type": self.type}
        for name in (
            "version",
            "space_id",
            "container_id",
            "title",
            "context",
            "revision",
            "pending",
            "body",
            "rendered",
        ):
            if getattr(self, name):
                value[name] = getattr(self, name)
        if self.failure is not None:
            value["failure"] = [self.failure.reason, self.failure.message, self.failure.attempts, self.failure.since]
        if self.readers:
            value["readers"] = self.readers
        if self.includes:
            value["includes"] = [list(edge) for edge in self.includes]
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Record:
        """Return the record that ``to_json`` wrote."""
        if unknown := value.keys() - _IN_JSON:
            raise KeyError(*unknown)
        get = value.get
        return cls(  # by position, in two thirds of the time by name: a manifest has as many records as items
            value["id"],
            value["type"],
            get("version", 0),
            get("space_id", ""),
            get("container_id"),
            get("title", ""),
            get("context", ""),
            get("revision", 0),
            get("pending", False),
            Standing(*value["failure"]) if "failure" in value else None,
            tuple(Edge(*edge) for edge in value["includes"]) if "includes" in value else (),
            get("body", ""),
            get("rendered", 0),
            _levels(value["readers"]) if "readers" in value else (),
        )


def _levels(value: Any) -> tuple[tuple[str, ...], ...]:
    return value if isinstance(value, tuple) else tuple(map(tuple, value))


_IN_JSON = frozenset({"id", *Record.__slots__} - {"content_id"})


def check_format(value: Mapping[str, Any], where: str, *, newest: int = FORMAT) -> None:
    """Return only where a file says that it is of a format that this worker knows; another one is never guessed at.

    :param newest: the format in which this worker writes such files; it reads all from 1 on.
    :raises UpgradeNeededError: for a newer format.
    :raises StorageError: for none, and for one that never was.
    """
    found = value.get("format")
    if isinstance(found, int) and found > newest:
        raise UpgradeNeededError(
            f"{where} has format {found}, this worker knows {newest}; upgrade airflow-provider-confluence on it"
        )
    if not isinstance(found, int) or not found >= FORMAT:
        raise StorageError(
            f"{where} is of no format that is known; it was left as it is. Restore it from a copy, or move it away"
        )


def digest(value: Any) -> str:
    """Return 16 hex digits that stand for a JSON value; equal values give equal digits on every machine. Integers have 64 bits."""
    return hashlib.blake2b(_canonical(value), digest_size=8).hexdigest()


def _canonical(value: Any) -> bytes:
    """Return the one JSON text of a value, in ASCII. Where nothing is to be escaped msgspec writes the same, in a fifth of the time."""
    import msgspec

    with suppress(UnicodeEncodeError, TypeError):
        encoded = msgspec.json.encode(value, order="sorted")
        if encoded.isascii() and b"\x7f" not in encoded:
            return encoded
    return _encoded(value).encode("ascii")
