"""What a page shows of other pages: the include and excerpt-include macros, resolved, and seen when it changes.

A page is found by its title among the known items of the same space; text of another space, of what the datasource leaves out, or of what
not all may read who may read the including page, stays a link. What was found, by title and version, is kept with the
including item as *edges*: a page that shows another one has no new version when the other one changes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_confluence.confluence.client import ConfluenceClient, Fetched
from airflow_provider_confluence.confluence.readers import Levels
from airflow_provider_confluence.content.model import (
    Content,
    ContentReference,
    IncludeReference,
    PageReference,
)
from airflow_provider_confluence.documents import Failure
from airflow_provider_confluence.sync.manifest import Edge
from airflow_provider_confluence.sync.readers import recorded
from airflow_provider_confluence.sync.titles import Titles

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


def name_of(reference: IncludeReference, space_key: str) -> str | None:
    """Return the name of an include's target in its edge: a title, or ``#`` and an id; ``None`` where it is never shown."""
    target = reference.target
    if isinstance(target, ContentReference):
        return f"#{target.content_id}"
    if isinstance(target, PageReference) and target.space_key in (None, space_key) and not target.title.startswith("#"):
        return target.title
    return None


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
