"""The records of a datasource by content id, read from the last generation as far as they are asked for.

A run that looks for the latest changes asks for the few records of what it sees, for those that are unsettled, and for sums: of a million
records it reads some thousands. One that compares everything reads them all, once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, ItemsView, Iterable, Iterator, KeysView, Mapping, MutableMapping, ValuesView
from itertools import groupby
from operator import attrgetter
from typing import TypeVar, overload

from airflow_provider_confluence.sync.generation import (
    Block,
    Generation,
    GenerationWriter,
    Totals,
    hash_of,
    is_unsettled,
)
from airflow_provider_confluence.sync.manifest import Record
from airflow_provider_confluence.sync.storage import Storage
from airflow_provider_confluence.sync.titles import names_in, title_name

D = TypeVar("D")

# So many times, or for that share of the blocks, a block is read for one id, which is a request of an object store. The next one reads all
# that is left: 20 s of such requests take as long as to read a million records.
_MOST_SINGLE = 64
_SINGLE_SHARE = 1 / 8
# So many blocks are taken over at once, some 2 MB, 12 when they are unpacked to be looked at.
_BLOCKS_A_COPY = 256


class Records(MutableMapping[str, Record]):
    """A mapping that behaves as if everything were in it from the start; iterating reads everything.

    What is asked of it otherwise (:meth:`unsettled`, :meth:`showing`, :meth:`spaces`, :meth:`totals`) needs few records or none. Changes
    are in memory until :meth:`write`.

    :raises StorageError: from each method, when the generation is missing, or what is read of it is damaged.
    """

    def __init__(self, generation: Generation | None = None) -> None:
        self._generation = generation
        self._there: dict[str, Record] = {}
        blocks = generation.read_index() if generation is not None else []
        self._blocks: list[Block] = blocks or []
        self._firsts = [block.first for block in self._blocks]
        self._unread = set(range(len(self._blocks)))
        # As they are in the generation: those that were changed or removed, and None for those that were added.
        self._before: dict[str, Record | None] = {}
        self._single = 0
        # The ids of the pages that were read, by title; from the first time that somebody asks for one.
        self._titled: dict[str, tuple[str, ...]] | None = None
        if generation is not None and blocks is None:
            self._there = {record.content_id: record for record in generation.records()}

    # ---------------------------------------------------------------- as a mapping
    def __getitem__(self, content_id: str) -> Record:
        if self._unread:
            self._reach(content_id)
        return self._there[content_id]

    def __setitem__(self, content_id: str, record: Record) -> None:
        if self._unread:
            self._reach(content_id)
            self._before.setdefault(content_id, self._there.get(content_id))
        self._forget_title(content_id)
        self._there[content_id] = record
        self._note_title(record)

    def __delitem__(self, content_id: str) -> None:
        if self._unread:
            self._reach(content_id)
            self._before.setdefault(content_id, self._there.get(content_id))
        self._forget_title(content_id)
        del self._there[content_id]

    def __contains__(self, content_id: object) -> bool:
        if self._unread and isinstance(content_id, str):
            self._reach(content_id)
        return content_id in self._there

    @overload
    def get(self, key: str, /) -> Record | None: ...
    @overload
    def get(self, key: str, default: Record | D, /) -> Record | D: ...
    def get(self, key: str, default: Record | D | None = None, /) -> Record | D | None:
        """Return the record of an id, or the default."""
        if self._unread:
            self._reach(key)
        return self._there.get(key, default)

    def __len__(self) -> int:
        return len(self._there) + sum(self._blocks[number].count for number in self._unread)

    def __iter__(self) -> Iterator[str]:
        return iter(self.read_all())

    def keys(self) -> KeysView[str]:
        """Return all ids."""
        return self.read_all().keys()

    def values(self) -> ValuesView[Record]:
        """Return all records."""
        return self.read_all().values()

    def items(self) -> ItemsView[str, Record]:
        """Return all ids with their records."""
        return self.read_all().items()

    def reach(self, content_ids: Iterable[str]) -> None:
        """Read what is known of these at once, before one after the other is asked for."""
        if self._unread:
            self._read({self._number(content_id) for content_id in content_ids} & self._unread)

    # ---------------------------------------------------------------- what can be told of all
    @property
    def is_whole(self) -> bool:
        """Whether all of them have been read."""
        return not self._unread

    def unsettled(self) -> list[Record]:
        """Return those that are pending, failing or never written, ordered by id."""
        self._read(number for number in self._unread if self._blocks[number].unsettled is None)
        found = [record for record in self._there.values() if is_unsettled(record)]
        for number in self._unread:
            found += self._blocks[number].unsettled or ()
        return sorted(found, key=attrgetter("content_id"))

    def spaces(self) -> set[str]:
        """Return the ids of the spaces that they are in."""
        found = {record.space_id for record in self._there.values()} - {""}
        return found.union(*(self._blocks[number].spaces for number in self._unread))

    def totals(self) -> Totals:
        """Return how they stand, counted."""
        totals = Totals()
        totals.add(self._there.values())
        for number in self._unread:
            block = self._blocks[number]
            totals.documents.update(block.documents)
            totals.pending += block.pending
            totals.failing += block.failing
            totals.unreadable += block.unreadable
        return totals

    def showing(self, names: Collection[str]) -> list[Record]:
        """Return those with edges to one of these names, ordered by id (:mod:`~airflow_provider_confluence.sync.titles`)."""
        if not names:
            return []
        if self._unread and self._generation is not None:
            wanted = {hash_of(name) for name in names}
            hashes = self._generation.hashes()
            self._read([number for number in self._unread if not wanted.isdisjoint(hashes[number].shown)])
        found = (r for r in self._there.values() if r.includes and not names_in(r).isdisjoint(names))
        return sorted(found, key=attrgetter("content_id"))

    def titled(self, name: str) -> list[Record]:
        """Return the pages of this name by their title, ordered by id; two where one of them was not seen since it lost it."""
        if self._unread and self._generation is not None:
            wanted, hashes = hash_of(name), self._generation.hashes()
            self._read([number for number in self._unread if wanted in hashes[number].titles])
        if self._titled is None:
            self._titled = {}
            for record in self._there.values():
                self._note_title(record)
        return [self._there[content_id] for content_id in sorted(self._titled.get(name, ()))]

    def stale(self) -> set[str]:
        """Return the ids of those whose edges were not what titles meant when the generation was written."""
        return {content_id for block in self._blocks for content_id in block.stale}

    def changed(self) -> Mapping[str, Record | None]:
        """Return what was changed since, where not all is read: as it was, or ``None`` for what was not there."""
        return self._before

    def may_hold(self, content_id: str) -> bool:
        """Say whether an id may be among them: exactly, where its part was read; else it is not read for that."""
        return content_id in self._there or self._number(content_id) in self._unread

    # ---------------------------------------------------------------- reading and writing
    def read_all(self) -> dict[str, Record]:
        """Return all of them, in memory from now on."""
        if self._unread and self._generation is not None:
            if len(self._unread) == len(self._blocks):
                self._take(self._generation.records(), range(len(self._blocks)))
            else:
                unread = list(self._unread)
                self._take(self._generation.read(self._blocks[number] for number in unread), unread)
        return self._there

    def write(self, storage: Storage, folder: str, revision: int, stale: Collection[str]) -> None:
        """Write a generation of them. What was not read is taken over as it is. :param stale: see :meth:`stale`."""
        ids = sorted(self._there)
        done = 0
        with GenerationWriter(storage, folder, revision) as writer:
            for is_unread, numbers in self._runs():
                if is_unread and self._generation is not None:
                    hashes = self._generation.hashes()
                    for some in _cut(numbers):
                        writer.keep(self._generation, [self._blocks[n] for n in some], [hashes[n] for n in some])
                    continue
                last = numbers[-1] + 1
                end = bisect_left(ids, self._firsts[last]) if last < len(self._firsts) else len(ids)
                writer.add([self._there[content_id] for content_id in ids[done:end]], stale)
                done = end
            writer.add([self._there[content_id] for content_id in ids[done:]], stale)
            writer.close()

    # ---------------------------------------------------------------- inside
    def _number(self, content_id: str) -> int:
        """Return the number of the block in whose range an id is. Below the first one is the first one's too."""
        return max(0, bisect_right(self._firsts, content_id) - 1)

    def _reach(self, content_id: str) -> None:
        number = self._number(content_id)
        if number in self._unread:
            self._single += 1
            is_rare = self._single <= max(_MOST_SINGLE, _SINGLE_SHARE * len(self._blocks))
            self._read([number] if is_rare else self._unread)

    def _read(self, numbers: Iterable[int]) -> None:
        wanted = [self._blocks[number] for number in numbers]
        if 2 * len(wanted) > len(self._blocks):
            self.read_all()
        elif wanted and self._generation is not None:
            self._take(self._generation.read(wanted), [self._number(block.first) for block in wanted])

    def _take(self, read: Iterable[Record], numbers: Iterable[int]) -> None:
        is_first = not self._there
        for record in read:
            self._there[record.content_id] = record
            self._note_title(record)
        self._unread.difference_update(numbers)
        if not self._unread:
            self._before = {}
            if not is_first:  # whoever iterates finds them in the order of their ids
                self._there = dict(sorted(self._there.items()))

    def _note_title(self, record: Record) -> None:
        if self._titled is not None and record.type == "page":
            name = title_name(record.space_id, record.title)
            self._titled[name] = (*self._titled.get(name, ()), record.content_id)

    def _forget_title(self, content_id: str) -> None:
        record = self._there.get(content_id) if self._titled is not None else None
        if self._titled is not None and record is not None and record.type == "page":
            name = title_name(record.space_id, record.title)
            self._titled[name] = tuple(other for other in self._titled[name] if other != content_id)

    def _runs(self) -> Iterator[tuple[bool, list[int]]]:
        """Yield neighbouring blocks together that were read, or were not."""
        for is_unread, numbers in groupby(range(len(self._blocks)), key=self._unread.__contains__):
            yield is_unread, list(numbers)


def _cut(numbers: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(numbers), _BLOCKS_A_COPY):
        yield numbers[start : start + _BLOCKS_A_COPY]
