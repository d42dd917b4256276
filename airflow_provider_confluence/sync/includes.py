"""What a page shows of other pages: the include and excerpt-include macros, resolved, and seen when it changes.

A page is found by its title among the known items of the same space; text of another space, of what the datasource leaves out, or of what
not all may read who may read the including page, stays a link. What was found, by title and version, is kept with the
including item as *edges*: a page that shows another one has no new version when the other one changes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from airflow_provider_confluence.confluence.client import ConfluenceClient, Fetched
from airflow_provider_confluence.confluence.readers import Levels
from airflow_provider_confluence.content.model import (
    Content,
    ContentReference,
    IncludeReference,
    PageReference,
)
from airflow_provider_confluence.documents import Entry, Failure
from airflow_provider_confluence.sync.manifest import TITLE_ALONE, Edge, Record
from airflow_provider_confluence.sync.readers import covers, recorded

LinkedType = Literal["page", "blogpost"]
LINKED: tuple[LinkedType, ...] = ("page", "blogpost")
DEEPEST = 3
"""Pages within pages within pages; what is included below that is a link."""
_KEPT_CHARS = 20_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a body stands: its space, and the levels of the document that it is for (none where nobody asks who may read)."""

    space_id: str
    space_key: str
    readers: Levels = ()

    @classmethod
    def of(cls, surroundings: Mapping[str, Any]) -> Place:
        """Return the place of an item, from what surrounds it."""
        space = surroundings["space"]
        return cls(space["id"], space["key"], recorded(surroundings.get("permissions")))


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
    records: Mapping[str, Record],
    entries: Mapping[str, Entry],
    removed: Iterable[str] = (),
    readers: Callable[[Entry], Levels] = lambda _: (),
) -> Titles:
    """Return what titles mean; nothing at all where no known item shows another one, because then nobody asks.

    :param removed: ids of known items that this run removes.
    :param readers: returns the levels of an entry's document.
    """
    if not any(record.includes for record in records.values()):
        return Titles((), ())
    gone = set(removed)
    restricted = {content_id: levels for content_id, entry in entries.items() if (levels := readers(entry))}
    return Titles(
        (record for record in records.values() if record.content_id not in gone), entries.values(), restricted
    )


def name_of(reference: IncludeReference, space_key: str) -> str | None:
    """Return the name of an include's target in its edge: a title, or ``#`` and an id; ``None`` where it is never shown."""
    target = reference.target
    if isinstance(target, ContentReference):
        return f"#{target.content_id}"
    if isinstance(target, PageReference) and target.space_key in (None, space_key) and not target.title.startswith("#"):
        return target.title
    return None


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


@dataclass(frozen=True, slots=True)
class Included:
    """A page that is shown on another one."""

    fetched: Fetched
    content: Content


class Includes:
    """Fetches, for one task, the pages that others show. Each is asked for once, as long as it is kept.

    :param titles: asked for only where an include is met.
    """

    def __init__(
        self, client: ConfluenceClient, titles: Callable[[], Titles], read: Callable[[Fetched], Content]
    ) -> None:
        self._client = client
        self._titles = titles
        self._read = read
        self._kept: OrderedDict[str, Included | None] = OrderedDict()
        self._chars = 0

    def look_up(self, contents: Iterable[tuple[Place, Content]]) -> list[Included]:
        """Fetch what these bodies show, and what that shows, and return it, for what it refers to to be looked up.

        Cost in requests: ⌈unknown pages / 50⌉ a level, at most three levels.

        :param contents: each body with its place.
        """
        self._forget()
        level = list(contents)
        # The same page may be shown in several places, from which further ones may and may not be.
        seen: set[tuple[Place, str]] = set()
        shown: dict[str, Included] = {}
        for _ in range(DEEPEST):
            targets = {
                (place, found) for place, content in level for _, found in self._targets(place, content) if found
            }
            targets -= seen
            seen |= targets
            self._fetch(sorted({content_id for _, content_id in targets} - self._kept.keys()))
            level = []
            for place, content_id in sorted(targets, key=lambda target: target[1]):
                included = self._kept[content_id]
                if included is not None:
                    shown[content_id] = included
                    if included.fetched.entry.space_id == place.space_id:
                        level.append((place, included.content))
        return list(shown.values())

    def find(self, reference: IncludeReference, place: Place) -> Included | None:
        """Return the page that is shown, or ``None`` where a link stands for it."""
        name = name_of(reference, place.space_key)
        if name is None:
            return None
        found = self._kept.get(self._titles().find(place.space_id, name, place.readers))
        # It may have moved since it was listed.
        return found if found is not None and found.fetched.entry.space_id in ("", place.space_id) else None

    def edges(self, place: Place, content: Content) -> tuple[Edge, ...]:
        """Return what a body shows, and what that shows, in the order of their names."""
        edges: dict[str, Edge] = {}
        level = [content]
        for _ in range(DEEPEST):
            inner = []
            for each in level:
                for name, found in self._targets(place, each):
                    if name in edges:
                        continue
                    included = self._kept.get(found)
                    edges[name] = Edge(name, found, included.fetched.entry.version if included else 0)
                    if included is not None:
                        inner.append(included.content)
            level = inner
        return tuple(edges[name] for name in sorted(edges))

    def kept(self, content_id: str) -> Included | None:
        """Return a page that was looked up to be shown."""
        return self._kept.get(content_id)

    def _targets(self, place: Place, content: Content) -> Iterator[tuple[str, str]]:
        for reference in content.references:
            if isinstance(reference, IncludeReference):
                name = name_of(reference, place.space_key)
                if name is not None:
                    yield name, self._titles().find(place.space_id, name, place.readers)

    def _fetch(self, content_ids: list[str]) -> None:
        # What does not come is not asked for again by this task.
        self._kept.update(dict.fromkeys(content_ids))
        if content_ids:
            for answer in self._client.fetch_bodies("page", content_ids):
                if isinstance(answer, Failure) or answer.entry.content_id not in self._kept:
                    continue
                included = Included(answer, self._read(answer))
                self._kept[answer.entry.content_id] = included
                self._chars += len(answer.body)

    def _forget(self) -> None:
        """Let go of what was fetched first, so that memory is bounded."""
        while self._chars > _KEPT_CHARS and self._kept:
            _, included = self._kept.popitem(last=False)
            if included is not None:
                self._chars -= len(included.fetched.body)
