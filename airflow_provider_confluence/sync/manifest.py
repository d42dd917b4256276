"""What is known to be indexed: one record an item, kept in immutable generations.

A generation is a compressed JSON lines file: a header line, then one line a record, ordered by content id. A record also carries what is
still to be done with its item: *pending* (planned, not yet written) and *failure* (tried, did not work).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from airflow_provider_confluence.documents import CONTAINED_TYPES
from airflow_provider_confluence.errors import OwnershipError, StorageError, UpgradeNeededError
from airflow_provider_confluence.sync.storage import MISREAD, Storage

FORMAT = 1
_encoded = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode
_REPEATED = frozenset(("type", "space_id", "revision", "version", "container_id"))


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
        given = dict(value)
        given["content_id"] = given.pop("id")
        if "failure" in given:
            given["failure"] = Standing(*given["failure"])
        if "includes" in given:
            given["includes"] = tuple(Edge(*edge) for edge in given["includes"])
        if isinstance(given.get("readers"), list):
            given["readers"] = tuple(tuple(level) for level in given["readers"])
        return cls(**given)


def check_format(value: Mapping[str, Any], where: str) -> None:
    """Return only where a file says that it is of the format that this worker writes; another one is never guessed at.

    :raises UpgradeNeededError: for a newer format.
    :raises StorageError: for none, and for one that never was.
    """
    found = value.get("format")
    if isinstance(found, int) and found > FORMAT:
        raise UpgradeNeededError(
            f"{where} has format {found}, this worker knows {FORMAT}; upgrade airflow-provider-confluence on it"
        )
    if found != FORMAT:
        raise StorageError(
            f"{where} is of no format that is known; it was left as it is. Restore it from a copy, or move it away"
        )


def _name(revision: int) -> str:
    return f"manifest/{revision}.jsonl.gz"


def read_generation(storage: Storage, folder: str, revision: int) -> Iterator[Record]:
    """Yield the records of a generation, ordered by content id.

    :raises StorageError: when the file is missing or damaged.
    :raises UpgradeNeededError: when a newer version of this package wrote it.
    :raises OwnershipError: when it is another datasource's.
    """
    name = f"{folder}/{_name(revision)}"
    lines = storage.read_lines(name)
    if lines is None:
        raise StorageError(
            f"{storage.where(name)} is missing, though the last commit names it; if workers share no disk, set [confluence] storage_path "
            "to an object store that all of them see. If the file is lost, move head.json away: everything is then in doubt and read again"
        )
    held: dict[Any, Any] = {}
    with closing(lines):
        header = next(lines, dict[str, Any]())
        check_format(header, storage.where(name))
        if header.get("datasource_id", folder) != folder:
            raise OwnershipError(
                f"{storage.where(name)} belongs to datasource {header['datasource_id']}: the folder was copied. Each datasource needs its "
                f"own; remove {storage.where(folder)} to start afresh"
            )
        try:
            for line in lines:
                # JSON makes a new object of every value. Few are different here: to hold each once saves 15 MB for 100,000 records.
                for field in _REPEATED & line.keys():
                    line[field] = held.setdefault(line[field], line[field])
                if "readers" in line:
                    levels = tuple(map(tuple, line["readers"]))
                    line["readers"] = held.setdefault(levels, levels)
                yield Record.from_json(line)
        except MISREAD as error:
            raise storage.damaged(name) from error


def write_generation(storage: Storage, folder: str, revision: int, records: Iterable[Record]) -> int:
    """Write a generation and return how many records it holds."""
    with storage.lines_writer(f"{folder}/{_name(revision)}") as writer:
        writer.add({"format": FORMAT, "datasource_id": folder, "revision": revision})
        for record in sorted(records, key=lambda r: r.content_id):
            writer.add(record.to_json())
        writer.close()
        return writer.count - 1


def generations(storage: Storage, folder: str) -> list[int]:
    """Return the revisions of the generations that are there, oldest first."""
    return sorted(int(n.split(".")[0]) for n in storage.names(f"{folder}/manifest") if n.split(".")[0].isdigit())


def delete_generation(storage: Storage, folder: str, revision: int) -> None:
    """Remove a generation that no head names any more."""
    storage.delete(f"{folder}/{_name(revision)}")


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
