"""A generation: all records as of one commit, in one immutable file of which a part can be read without the rest.

A compressed JSON lines file: a header line; one line a record, ordered by content id, in blocks of 256, each compressed by itself; for
each block the hashes of its titles, and of the *names* of what its records show (see :mod:`~airflow_provider_confluence.sync.titles`);
the index, which says of each block where it is and what must be known of it without reading it; and a line of fixed length that says
where the index is.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from airflow_provider_confluence.errors import MissingFileError, OwnershipError
from airflow_provider_confluence.sync.manifest import Record, check_format
from airflow_provider_confluence.sync.storage import MISREAD, Storage
from airflow_provider_confluence.sync.titles import names_in, title_name

T = TypeVar("T")

FORMAT = 2
"""Format 1 had neither blocks nor index; it is read as a whole."""
_BLOCK_RECORDS = 256
# A block with more than these of its records unsettled is read for them.
_MOST_UNSETTLED = 16
_REPEATED = frozenset(("type", "space_id", "revision", "version", "container_id"))
_POINTER_CHARS = 80
# So much between two blocks that are wanted is read along with them, and so much at once.
_GAP_BYTES = 512 * 1024
_READ_BYTES = 4 * 1024 * 1024
# What is read of the end at once: the index of a million records, in most cases.
_TAIL_BYTES = 256 * 1024


@dataclass(slots=True)
class Totals:
    """How records stand, counted. ``documents`` are by type what the index holds; ``unreadable`` those that nobody may find."""

    documents: Counter[str] = field(default_factory=Counter)
    pending: int = 0
    failing: int = 0
    unreadable: int = 0

    @property
    def by_type(self) -> dict[str, int]:
        """Return the documents by type, where there are any."""
        return {type_: count for type_, count in sorted(self.documents.items()) if count}

    def add(self, records: Iterable[Record]) -> None:
        """Count these too."""
        for record in records:
            self.documents[record.type or "unknown"] += record.revision > 0
            self.pending += record.pending
            self.failing += record.failure is not None
            self.unreadable += () in record.readers


@dataclass(frozen=True, slots=True)
class Block:
    """What is known of some neighbouring records without reading them.

    ``first`` is the lowest id, ``start`` and ``size`` say where they are in the file, ``spaces`` what they are in. ``unsettled`` are the
    records that are pending, failing or never written, ``None`` for so many that the block must be read for them. ``stale`` are the ids
    of those whose edges were not what titles meant at the commit.
    """

    first: str
    count: int
    start: int
    size: int
    spaces: tuple[str, ...]
    documents: Mapping[str, int]
    pending: int = 0
    failing: int = 0
    unreadable: int = 0
    unsettled: tuple[Record, ...] | None = ()
    stale: tuple[str, ...] = ()

    @classmethod
    def of(cls, records: Sequence[Record], start: int, size: int, stale: Iterable[str]) -> Block:
        """Return what is to be known of these records, ordered by id."""
        totals = Totals()
        totals.add(records)
        unsettled = tuple(record for record in records if is_unsettled(record))
        return cls(
            first=records[0].content_id,
            count=len(records),
            start=start,
            size=size,
            spaces=tuple(sorted({record.space_id for record in records} - {""})),
            documents=totals.by_type,
            pending=totals.pending,
            failing=totals.failing,
            unreadable=totals.unreadable,
            unsettled=unsettled if len(unsettled) <= _MOST_UNSETTLED else None,
            stale=tuple(stale),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the block as plain JSON."""
        unsettled = None if self.unsettled is None else [record.to_json() for record in self.unsettled]
        value = {name: getattr(self, name) for name in self.__slots__}
        return {**value, "unsettled": unsettled}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Block:
        """Return the block that ``to_json`` wrote."""
        unsettled = value["unsettled"]
        if unsettled is not None:
            unsettled = tuple(Record.from_json(each) for each in unsettled)
        return cls(
            **{**value, "spaces": tuple(value["spaces"]), "stale": tuple(value["stale"]), "unsettled": unsettled}
        )


class Hashes(NamedTuple):
    """What stands for a block's titles, and for the names of what its records show; see :func:`hash_of`."""

    titles: Collection[int]
    shown: Collection[int]

    @classmethod
    def of(cls, records: Iterable[Record]) -> Hashes:
        """Return what stands for those of these records."""
        titles, shown = set[int](), set[int]()
        for record in records:
            if record.type == "page":
                titles.add(hash_of(title_name(record.space_id, record.title)))
            if record.includes:
                shown.update(map(hash_of, names_in(record)))
        return cls(titles, shown)


def is_unsettled(record: Record) -> bool:
    """Say whether something is still to be done with an item, whatever a listing says."""
    return record.pending or record.failure is not None or not record.revision


class Generation:
    """The last commit's file, read as far as is asked for. Safe as long as the file is there: nothing in it ever changes.

    :raises StorageError: from each method, when the file is missing (:class:`MissingFileError`) or what was read of it is damaged.
    """

    def __init__(self, storage: Storage, folder: str, revision: int) -> None:
        self.storage = storage
        self.folder = folder
        self._name = f"{folder}/{_name(revision)}"
        self._hashes_at: tuple[int, int] = (0, 0)
        self._hashes: list[Hashes] | None = None
        # JSON makes a new object of every value. Few are different here: to hold each once saves 15 MB for 100,000 records.
        self._held: dict[Any, Any] = {}

    def read_index(self) -> list[Block] | None:
        """Return the blocks, in the order of their ids, or ``None`` for a file that must be read as a whole. 2 reads; 3 where it is large.

        A file whose end is not to be made sense of is such a file: reading all of it tells what is wrong.

        :raises OwnershipError: when it is another datasource's.
        """
        size = self._there(self.storage.size(self._name))
        start = max(0, size - _TAIL_BYTES)
        tail = self._there(self.storage.read_part(self._name, start, size))
        pointer = _read_pointer(tail)
        if pointer is None:
            return None
        at, hashes = pointer["index"], pointer["hashes"]
        if at < start:
            start, tail = at, self._there(self.storage.read_part(self._name, at, size - at))
        header, *lines = self.storage.unpack_lines(self._name, tail[at - start : len(tail) - _POINTER_BYTES])
        self._check(header)
        self._hashes_at = hashes, at - hashes
        try:
            return [Block.from_json(line["block"]) for line in lines]
        except MISREAD as error:
            raise self.storage.damaged(self._name) from error

    def records(self) -> Iterator[Record]:
        """Yield all records, ordered by content id.

        :raises UpgradeNeededError: when a newer version of this package wrote it.
        :raises OwnershipError: when it is another datasource's.
        """
        lines = self._there(self.storage.read_lines(self._name))
        with closing(lines):
            header = next(lines, dict[str, Any]())
            self._check(header)
            count, line = 0, header
            has_index = header["format"] > 1
            try:
                for line in lines:
                    if "id" in line or not has_index:
                        count += 1
                        yield self._record(line)
                # Gzip does not notice where a file lacks its end between two parts.
                if has_index and line["records"] != count:
                    raise self.storage.damaged(self._name)
            except MISREAD as error:
                raise self.storage.damaged(self._name) from error

    def read(self, blocks: Iterable[Block]) -> Iterator[Record]:
        """Yield the records of some blocks, in the order of the file. 1 read for what is nearer together than half a megabyte."""
        for some in _near_together(blocks):
            packed, begin = memoryview(self._packed(some)), some[0].start
            for block in some:
                part = packed[block.start - begin : block.start - begin + block.size]
                lines = self.storage.unpack_lines(self._name, part)
                if len(lines) != block.count:
                    raise self.storage.damaged(self._name)
                try:
                    yield from map(self._record, lines)
                except MISREAD as error:
                    raise self.storage.damaged(self._name) from error

    def hashes(self) -> list[Hashes]:
        """Return what stands for the titles and names of each block. 1 read, once: 10 bytes a page."""
        if self._hashes is None:
            start, size = self._hashes_at
            packed = self._there(self.storage.read_part(self._name, start, size))
            try:
                self._hashes = [
                    Hashes(frozenset(line["titles"]), frozenset(line["shown"]))
                    for line in self.storage.unpack_lines(self._name, packed)
                ]
            except MISREAD as error:
                raise self.storage.damaged(self._name) from error
        return self._hashes

    def copy(self, blocks: Sequence[Block]) -> bytes:
        """Return the bytes of some blocks that follow each other, to be taken over as they are. 1 read.

        They are unpacked to see that they are whole: a damaged block must not find its way into the next generation.
        """
        packed = self._packed(blocks)
        self.storage.unpack(self._name, packed)
        return packed

    # ---------------------------------------------------------------- inside
    def _packed(self, blocks: Sequence[Block]) -> bytes:
        start, end = blocks[0].start, blocks[-1].start + blocks[-1].size
        return self._there(self.storage.read_part(self._name, start, end - start))

    def _record(self, line: dict[str, Any]) -> Record:
        held = self._held
        for name in _REPEATED & line.keys():
            line[name] = held.setdefault(line[name], line[name])
        if "readers" in line:
            levels = tuple(map(tuple, line["readers"]))
            line["readers"] = held.setdefault(levels, levels)
        return Record.from_json(line)

    def _check(self, header: Mapping[str, Any]) -> None:
        check_format(header, self.storage.where(self._name), newest=FORMAT)
        if header.get("datasource_id", self.folder) != self.folder:
            raise OwnershipError(
                f"{self.storage.where(self._name)} belongs to datasource {header['datasource_id']}: the folder was copied. Each datasource "
                f"needs its own; remove {self.storage.where(self.folder)} to start afresh"
            )

    def _there(self, value: T | None) -> T:
        if value is None:
            where = self.storage.where(self._name)
            raise MissingFileError(
                where,
                f"{where} is missing, though the last commit names it; if workers share no disk, set [confluence] storage_path to an "
                "object store that all of them see. If the file is lost, move head.json away: everything is then in doubt and read again",
            )
        return value


class GenerationWriter:
    """Writes a generation from its lowest id to its highest; ``close`` puts it in place, leaving without it drops it."""

    def __init__(self, storage: Storage, folder: str, revision: int) -> None:
        self._header = {"format": FORMAT, "datasource_id": folder, "revision": revision}
        self._blocks: list[Block] = []
        self._hashes: list[Hashes] = []
        self._writer = storage.lines_writer(f"{folder}/{_name(revision)}")
        self._writer.add(self._header)

    def __enter__(self) -> GenerationWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.drop()

    def add(self, records: Sequence[Record], stale: Collection[str]) -> None:
        """Add records, ordered by id, in blocks of even length. :param stale: see :class:`Block`."""
        count = -(-len(records) // _BLOCK_RECORDS)
        for number in range(count):
            block = records[len(records) * number // count : len(records) * (number + 1) // count]
            start = self._writer.cut()
            for record in block:
                self._writer.add(record.to_json())
            size = self._writer.cut() - start
            self._blocks.append(Block.of(block, start, size, (r.content_id for r in block if r.content_id in stale)))
            self._hashes.append(Hashes.of(block))

    def keep(self, generation: Generation, blocks: Sequence[Block], hashes: Iterable[Hashes]) -> None:
        """Add blocks that follow each other in another generation, as they are there, with what :meth:`Generation.hashes` says of them."""
        start = self._writer.cut()
        self._writer.add_parts(generation.copy(blocks))
        self._blocks += (replace(block, start=start + block.start - blocks[0].start) for block in blocks)
        self._hashes += hashes

    def close(self) -> None:
        """Put the file in place, whole and durable."""
        hashes = self._writer.cut()
        for each in self._hashes:
            self._writer.add({"titles": sorted(each.titles), "shown": sorted(each.shown)})
        index = self._writer.cut()
        self._writer.add(self._header)
        for block in self._blocks:
            self._writer.add({"block": block.to_json()})
        self._writer.cut()
        records = sum(block.count for block in self._blocks)
        self._writer.add_parts(_pointer({"index": index, "hashes": hashes, "records": records}))
        self._writer.close()


def generations(storage: Storage, folder: str) -> list[int]:
    """Return the revisions of the generations that are there, oldest first."""
    return sorted(int(n.split(".")[0]) for n in storage.names(f"{folder}/manifest") if n.split(".")[0].isdigit())


def delete_generation(storage: Storage, folder: str, revision: int) -> None:
    """Remove a generation that no head names any more."""
    storage.delete(f"{folder}/{_name(revision)}")


def hash_of(name: str) -> int:
    """Return 32 bits that stand for a name, the same on every machine."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass"))


def _near_together(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """Yield blocks that are worth one read: what is between them costs less than another request of an object store."""
    some: list[Block] = []
    for block in sorted(blocks, key=attrgetter("start")):
        if some:
            last = some[-1]
            is_far = block.start - last.start - last.size > _GAP_BYTES
            if is_far or block.start + block.size - some[0].start > _READ_BYTES:
                yield some
                some = []
        some.append(block)
    if some:
        yield some


def _name(revision: int) -> str:
    return f"manifest/{revision}.jsonl.gz"


def _pointer(value: Mapping[str, int]) -> bytes:
    """Return a line as a gzip file that is always :data:`_POINTER_BYTES` long, for it is not compressed (RFC 1951, 3.2.4)."""
    line = json.dumps(value, separators=(",", ":")).ljust(_POINTER_CHARS - 1).encode("ascii") + b"\n"
    stored = struct.pack("<BHH", 1, len(line), len(line) ^ 0xFFFF) + line
    return _GZIP_HEADER + stored + struct.pack("<II", zlib.crc32(line), len(line))


def _read_pointer(tail: bytes) -> dict[str, int] | None:
    """Return what the pointer at the end of a file says, or ``None`` where there is none, or part of one."""
    try:
        value = json.loads(tail[-_POINTER_BYTES:][len(_GZIP_HEADER) + 5 : -8])
        pointer = {name: int(value[name]) for name in ("index", "hashes", "records")}
    except MISREAD:
        return None
    return pointer if tail[-_POINTER_BYTES:] == _pointer(pointer) else None


_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_POINTER_BYTES = len(_pointer({}))
