"""What surrounds an item: its space, the way up the tree, its container, labels and people.

All of it is in the document and none of it is in the body, so a change here (a renamed ancestor, a new label) must bring the document
anew although the item has no new version. :func:`context_hash` is how that is seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_confluence.confluence.client import ConfluenceClient
from airflow_provider_confluence.documents import TREE_TYPES, Entry, Person, Space
from airflow_provider_confluence.sync.manifest import digest

if TYPE_CHECKING:
    from airflow_provider_confluence.sync.readers import Readers

# Confluence's own limit on nesting is far below; a loop in what it answers must not become one here.
_DEEPEST = 100
_LABELLED = ("page", "blogpost", "comment")


class Surroundings:
    """Looks up, once a run, what surrounds the listed items.

    Cost in requests: 1 a folder-like parent that is met, ⌈invisible page parents / 250⌉, and ⌈people without a name / 250⌉.

    :param entries: everything that was listed, by content id.
    :param spaces: the spaces in scope, by id.
    """

    def __init__(self, client: ConfluenceClient, entries: Mapping[str, Entry], spaces: Mapping[str, Space]) -> None:
        self._entries = entries
        self._spaces = spaces
        self._nodes: dict[str, Entry] = {}
        self._archived: dict[str, Entry] = {}
        self._client = client
        self._names: dict[str, str] = {}
        # By what items hang on: their ways down to it. As many items, and ten times as many steps, share a few of them.
        self._ways: dict[str, list[dict[str, str]]] = {}
        self.readers: Readers | None = None
        """Who may read the items; set where documents are to say so."""

    def prepare(self) -> None:
        """Look everything up that the listed items refer to."""
        self.look_up_parents()
        unnamed = set()
        for entry in self._entries.values():
            for person in (entry.creator, entry.last_editor):
                if person is None:
                    continue
                if person.name is None:
                    unnamed.add(person.id)
        if unnamed:
            self._names.update(self._client.people(sorted(unnamed)))

    def look_up_parents(self) -> None:
        """Look up what is above the listed items and was not listed itself; what was found before is not asked for again."""
        self._ways.clear()
        missing = {(e.parent_id, e.parent_type or "page") for e in self._entries.values() if e.parent_id}
        for _ in range(_DEEPEST):
            missing = {
                (i, t)
                for i, t in missing
                if i not in self._entries and i not in self._nodes and i not in self._archived
            }
            if not missing:
                return
            nodes = self._client.tree_nodes(sorted((i, t) for i, t in missing if t in TREE_TYPES))
            pages = self._client.look_up("page", sorted(i for i, t in missing if t == "page"))
            self._nodes.update(nodes)
            self._archived.update({i: e for i, e in pages.items() if e.status in ("current", "archived")})
            above = [(n.parent_id, n.parent_type) for n in nodes.values()] + [
                (e.parent_id, e.parent_type) for e in pages.values()
            ]
            missing = {(i, t or "page") for i, t in above if i} - missing

    def of(self, entry: Entry) -> dict[str, Any]:
        """Return an item's surroundings as plain JSON: ``space, ancestors, container, labels, people, permissions``.

        A comment has its container's labels. They are ``None`` where Confluence did not tell them; permissions are where the datasource
        does not want them, and ``doubtful`` is there where they are to be asked for again.
        """
        container = self._entries.get(entry.container_id) if entry.container_id else None
        labels = (container if container and entry.type == "comment" else entry).labels
        space = self._spaces[entry.space_id]
        permissions = self.readers.permissions(entry) if self.readers is not None else None
        doubtful = {"doubtful": True} if self.readers is not None and self.readers.is_doubtful(entry) else {}
        return doubtful | {
            "space": {"id": space.id, "key": space.key, "name": space.name},
            "ancestors": self._ancestors(container or entry),
            "container": {"id": container.content_id, "title": container.title, "url": container.url}
            if container
            else None,
            "labels": None if labels is None and entry.type in _LABELLED else sorted(labels or ()),
            "people": {
                p.id: self._names[p.id] for p in (entry.creator, entry.last_editor) if p and p.id in self._names
            },
            "permissions": permissions,
        }

    def entry(self, content_id: str) -> Entry | None:
        """Return an item that was listed or looked up as what stands above one; ``None`` where it was not, or is not to be seen."""
        return self._entries.get(content_id) or self._nodes.get(content_id) or self._archived.get(content_id)

    def way_up(self, entry: Entry) -> tuple[list[str], bool]:
        """Return the ids of what is above a page, the nearest first, and whether the way could be followed to the top of the space."""
        steps, whole = self.steps(entry)
        return [content_id for content_id, _ in steps], whole

    def nodes_above(self, entries: Iterable[Entry]) -> dict[str, Entry]:
        """Return the folders and their like on the ways up from these items, by id. No requests: what is above was looked up before."""
        found: dict[str, Entry] = {}
        passed: set[str] = set()
        for entry in entries:
            above = entry.parent_id
            while above and above not in passed:
                passed.add(above)
                step = self.entry(above)
                if step is None:
                    break
                if step.type in TREE_TYPES:
                    found[above] = step
                above = step.parent_id
        return found

    def _ancestors(self, entry: Entry) -> list[dict[str, str]]:
        """Return the way down to an item; the list belongs to all items that hang on the same one."""
        if not entry.parent_id:
            return []
        way = self._ways.get(entry.parent_id)
        if way is None:
            steps, whole = self.steps(entry)
            way = [{"id": content_id, "title": step.title, "url": step.url} for content_id, step in reversed(steps)]
            above = (steps[-1][1] if steps else entry).parent_id
            if whole or (above and self.entry(above) is None):  # a loop looks different from each place in it
                self._ways[entry.parent_id] = way
        return way

    def steps(self, entry: Entry) -> tuple[list[tuple[str, Entry]], bool]:
        """Return what is above an item in the tree, the nearest first, and whether the way could be followed to the top of the space."""
        way: list[tuple[str, Entry]] = []
        seen = {entry.content_id}
        above = entry.parent_id
        while above and above not in seen and len(way) < _DEEPEST:
            seen.add(above)
            step = self.entry(above)
            if step is None:
                break
            way.append((above, step))
            above = step.parent_id
        return way, not above


def named(person: Person | None, people: Mapping[str, str]) -> Person | None:
    """Return the person with the display name that is known, from the listing or from ``people``."""
    return None if person is None else Person(person.id, person.name or people.get(person.id))


def context_hash(entry: Entry, surroundings: Mapping[str, Any]) -> str:
    """Return digits that change when anything in the document but its body changes; version and time of the edit are left out.

    Empty where the labels, or who may read it, are not known: such a document is made anew as soon as they are.
    """
    if surroundings["labels"] is None or "doubtful" in surroundings:
        return ""
    people = cast(Mapping[str, str], surroundings["people"])

    def who(person: Person | None) -> list[str | None] | None:
        found = named(person, people)
        return None if found is None else [found.id, found.name]

    return digest(
        [
            *(
                entry.type,
                entry.status,
                entry.title,
                entry.url,
                entry.parent_id,
                # A comment's are fixed for life, and Cloud's listing of an edited one does not name them.
                *((None, None) if entry.type == "comment" else (entry.created, who(entry.creator))),
                entry.media_type,
                entry.size_bytes,
                entry.location,
                entry.selection,
                entry.resolution,
            ),
            who(entry.last_editor),
            *(surroundings[name] for name in ("space", "ancestors", "container", "labels")),
            # Without them the digits are what they were before there were permissions.
            *([surroundings["permissions"]] if surroundings.get("permissions") is not None else []),
        ]
    )
