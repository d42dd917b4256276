"""Which page a title means, among all that is known to be in scope, and which items show something else since it means another one.

An item that shows another page, or its title, is kept with *edges*: by which name, and which page that was. It has no new version when the
other page changes. Where not all records are read, those whose edges may have to do with a change are found by *names*: ``#`` and an id, or
a space's id, a zero byte and a title.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Literal

from airflow_provider_confluence.confluence.readers import Levels
from airflow_provider_confluence.documents import Entry
from airflow_provider_confluence.sync.manifest import TITLE_ALONE, Record
from airflow_provider_confluence.sync.readers import covers

if TYPE_CHECKING:
    from airflow_provider_confluence.sync.records import Records

LinkedType = Literal["page", "blogpost"]
LINKED: tuple[LinkedType, ...] = ("page", "blogpost")


class Titles:
    """Which page a title means, and of which type an id is, among all that is known to be in scope.

    :param records: what is known, without what this run removes.
    :param entries: what was seen now; it is right where the two differ.
    :param readers: the levels of those among the entries that have any.
    """

    def __init__(
        self, records: Iterable[Record], entries: Iterable[Entry], readers: Mapping[str, Levels] | None = None
    ) -> None:
        seen = {entry.content_id: entry for entry in entries}
        self._readers = dict(readers or {})
        self._spaces: dict[str, dict[str, str]] = {type_: {} for type_ in LINKED}
        self._ids: dict[tuple[str, str], str] = {}
        unseen = (record for record in records if record.content_id not in seen)
        for item in chain[Record | Entry](unseen, seen.values()):
            if isinstance(item, Record) and item.readers:
                self._readers[item.content_id] = item.readers
            if item.type in self._spaces:
                self._spaces[item.type][item.content_id] = item.space_id
            if item.type == "page":
                self._ids[item.space_id, item.title.casefold()] = item.content_id

    def find(self, space_id: str, name: str, readers: Levels) -> str:
        """Return the id of the page in this space that an edge names, or ``""``. Case does not tell titles of a space apart.

        :param readers: those of the page on which it is to be shown.
        """
        if name.startswith("#"):
            found = name[1:] if self._spaces["page"].get(name[1:]) == space_id else ""
        else:
            found = self._ids.get((space_id, name.casefold()), "")
        return found if self.may_show(readers, found) else ""

    def may_show(self, readers: Levels, content_id: str) -> bool:
        """Say whether all who pass the levels may read an item."""
        return covers(readers, self._readers.get(content_id, ()))

    def named(self, space_id: str, content_id: str, readers: Levels) -> str:
        """Return the id that a link by id leads to, where its title may be shown to those who pass the levels, or ``""``."""
        return content_id if self.type_of(space_id, content_id) and self.may_show(readers, content_id) else ""

    def type_of(self, space_id: str, content_id: str) -> LinkedType | None:
        """Return whether an id is that of a page or of a blog post in this space; ``None`` for all else, whatever was written as an id."""
        return next((type_ for type_ in LINKED if self._spaces[type_].get(content_id) == space_id), None)


def titles_now(
    records: Records,
    entries: Mapping[str, Entry],
    removed: Iterable[str] = (),
    readers: Callable[[Entry], Levels] = lambda _: (),
) -> Titles:
    """Return what titles mean; nothing at all where no known item shows another one, because then nobody asks.

    Where not all records are read it knows no more titles than :func:`shows_other_text` asks for of the entries' records and of those that
    :func:`showing` returns.

    :param removed: ids of known items that this run removes.
    :param readers: returns the levels of an entry's document.
    """
    asking = showing(records, entries)
    if not asking:
        return Titles((), ())
    gone = set(removed)
    among = records.values() if records.is_whole else _shown_by(records, asking)
    restricted = {content_id: levels for content_id, entry in entries.items() if (levels := readers(entry))}
    return Titles((record for record in among if record.content_id not in gone), entries.values(), restricted)


def shows_other_text(record: Record, titles: Titles, versions: Mapping[str, int]) -> bool:
    """Say whether an item, of which no more than that may have changed, shows pages otherwise than the index has it.

    :param versions: of those pages that were seen now.
    """
    for edge in record.includes:
        if edge.version == TITLE_ALONE:
            if titles.named(record.space_id, edge.name[1:], record.readers) != edge.content_id:
                return True
            continue
        found = titles.find(record.space_id, edge.name, record.readers)
        if found != edge.content_id or (found and versions.get(found, edge.version) != edge.version):
            return True
    return False


def showing(records: Records, entries: Mapping[str, Entry]) -> list[Record]:
    """Return the records of which :func:`shows_other_text` may say so now that these entries were seen: where all are read, all with edges.

    An item whose edges are what titles meant at the last commit shows something else only where an entry has to do with them.
    """
    if records.stale():
        records.read_all()
    if records.is_whole:
        return [record for record in records.values() if record.includes]
    found = records.showing({name for entry in entries.values() for name in names_of(entry)})
    own = (records.get(content_id) for content_id in entries)
    return list({record.content_id: record for record in (*found, *own) if record and record.includes}.values())


def find_stale(records: Records) -> set[str]:
    """Return the ids of those whose edges are not what titles mean, by the records alone, as they are to be committed.

    Mostly none: a run writes what it found titles to mean. But of that, something may have failed or gone. Where not all records are read,
    those that nothing changed around stay as they were.
    """
    if records.is_whole:
        asking = [record for record in records.values() if record.includes]
        titles = Titles(records.values() if asking else (), ())
        return {record.content_id for record in asking if shows_other_text(record, titles, {})}
    before = records.changed()
    after = [record for content_id in before if (record := records.get(content_id)) is not None]
    names = {name for record in (*before.values(), *after) if record is not None for name in names_of(record)}
    asking = [*records.showing(names), *(record for record in after if record.includes)]
    shown = {record.content_id: record for record in (*_shown_by(records, asking), *after)}
    titles = Titles((shown[content_id] for content_id in sorted(shown)), ())
    still = records.stale() - before.keys()
    return still | {record.content_id for record in asking if shows_other_text(record, titles, {})}


def names_of(item: Record | Entry) -> Iterator[str]:
    """Yield the names by which edges lead to an item."""
    yield f"#{item.content_id}"
    if item.type == "page":
        yield f"{item.space_id}\0{item.title.casefold()}"


def names_in(record: Record) -> set[str]:
    """Return the names of all that the edges of an item lead to, or looked for."""
    sought = (e.name if e.name.startswith("#") else f"{record.space_id}\0{e.name.casefold()}" for e in record.includes)
    return {*sought, *(f"#{edge.content_id}" for edge in record.includes if edge.content_id)}


def _shown_by(records: Records, asking: Iterable[Record]) -> list[Record]:
    ids = sorted({edge.content_id for record in asking for edge in record.includes})
    # In this order: of two that have one title by now, it means the same one as among all.
    return [record for content_id in ids if (record := records.get(content_id)) is not None]
