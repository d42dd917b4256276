"""Which page a title means, among all that is known to be in scope, and which items show something else since it means another one.

An item that shows another page, or its title, is kept with *edges*: by which name, and which page that was. It has no new version when the
other page changes. Where not all records are read, those whose edges may have to do with a change are found by *names*: ``#`` and an id, or
a space's id, a zero byte and a title.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
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
    """Which page a title means, and of which type an id is, among all that is known to be in scope. Records are read as they are asked for.

    :param records: what is known.
    :param entries: what was seen now; it is right where the two differ.
    :param readers: returns the levels of an entry's document.
    :param removed: ids of known items that this run removes.
    :param more: records of what is not among those that are known.
    """

    def __init__(
        self,
        records: Records,
        entries: Mapping[str, Entry],
        readers: Callable[[Entry], Levels] = lambda _: (),
        *,
        removed: Collection[str] = (),
        more: Iterable[Record] = (),
    ) -> None:
        self._records = records
        self._entries = entries
        self._readers = readers
        self._removed = removed
        self._more = {record.content_id: record for record in more}
        self._titles: dict[str, str] | None = None

    def reach(self, content_ids: Iterable[str]) -> None:
        """Read what is known of these at once, before one after the other is asked for."""
        self._records.reach(content_ids)

    def find(self, space_id: str, name: str, readers: Levels) -> str:
        """Return the id of the page in this space that an edge names, or ``""``. Case does not tell titles of a space apart.

        :param readers: those of the page on which it is to be shown.
        """
        if name.startswith("#"):
            found = name[1:] if self._is_in(space_id, name[1:], "page") else ""
        else:
            found = self._titled(title_name(space_id, name))
        return found if found and self.may_show(readers, found) else ""

    def may_show(self, readers: Levels, content_id: str) -> bool:
        """Say whether all who pass the levels may read an item."""
        item = self._item(content_id)
        levels = item.readers if isinstance(item, Record) else () if item is None else self._readers(item)
        return covers(readers, levels)

    def named(self, space_id: str, content_id: str, readers: Levels) -> str:
        """Return the id that a link by id leads to, where its title may be shown to those who pass the levels, or ``""``."""
        return content_id if self.type_of(space_id, content_id) and self.may_show(readers, content_id) else ""

    def type_of(self, space_id: str, content_id: str) -> LinkedType | None:
        """Return whether an id is that of a page or of a blog post in this space; ``None`` for all else, whatever was written as an id."""
        return next((type_ for type_ in LINKED if self._is_in(space_id, content_id, type_)), None)

    def _titled(self, name: str) -> str:
        if self._titles is None:
            items = chain[Record | Entry](self._more.values(), self._entries.values())
            pages = (item for item in items if item.type == "page")
            self._titles = {title_name(page.space_id, page.title): page.content_id for page in pages}
        if name in self._titles:
            return self._titles[name]
        found = [record.content_id for record in self._records.titled(name)]
        # Two have one title where one of them lost it and was not seen since.
        return next((i for i in reversed(found) if i not in self._entries and i not in self._removed), "")

    def _is_in(self, space_id: str, content_id: str, type_: str) -> bool:
        item = self._item(content_id)
        return item is not None and item.type == type_ and item.space_id == space_id

    def _item(self, content_id: str) -> Record | Entry | None:
        if content_id in self._removed:
            return self._entries.get(content_id)
        return self._entries.get(content_id) or self._more.get(content_id) or self._records.get(content_id)


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
    own = [record for content_id in entries if (record := records.get(content_id)) is not None]
    names = {name for item in chain[Record | Entry](entries.values(), own) for name in names_of(item)}
    found = (*records.showing(names), *(record for record in own if record.includes))
    return list({record.content_id: record for record in found}.values())


def find_stale(records: Records) -> set[str]:
    """Return the ids of those whose edges are not what titles mean, by the records alone, as they are to be committed.

    Mostly none: a run writes what it found titles to mean. But of that, something may have failed or gone. Where not all records are read,
    those are judged that something changed around, and those that were stale before.
    """
    if records.is_whole:
        asking = [record for record in records.values() if record.includes]
    else:
        before = records.changed()
        around = (*before.values(), *map(records.get, before))
        names = {name for record in around if record is not None for name in names_of(record)}
        own = map(records.get, before.keys() | records.stale())
        asking = [*records.showing(names), *(record for record in own if record is not None and record.includes)]
    titles = Titles(records, {})
    return {record.content_id for record in asking if shows_other_text(record, titles, {})}


def names_of(item: Record | Entry) -> Iterator[str]:
    """Yield the names by which edges lead to an item."""
    yield f"#{item.content_id}"
    if item.type == "page":
        yield title_name(item.space_id, item.title)


def title_name(space_id: str, title: str) -> str:
    """Return the name of a page by its title."""
    return f"{space_id}\0{title.casefold()}"


def names_in(record: Record) -> set[str]:
    """Return the names of all that the edges of an item lead to, or looked for."""
    sought = (e.name if e.name.startswith("#") else title_name(record.space_id, e.name) for e in record.includes)
    return {*sought, *(f"#{edge.content_id}" for edge in record.includes if edge.content_id)}
