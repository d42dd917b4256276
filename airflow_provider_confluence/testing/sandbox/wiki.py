"""What a wiki holds, and what of it Confluence shows: the questions that both editions and tests ask.

Nothing is changed here; :class:`~airflow_provider_confluence.testing.sandbox.model.Model` does that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from airflow_provider_confluence.testing.sandbox.clock import Clock
from airflow_provider_confluence.testing.sandbox.index import Index
from airflow_provider_confluence.testing.sandbox.permissions import Permissions
from airflow_provider_confluence.testing.sandbox.readings import Readings
from airflow_provider_confluence.testing.sandbox.records import (
    Item,
    ItemType,
    Record,
    Space,
    Status,
    User,
    Version,
    Viewer,
)

_CONTENT: tuple[ItemType, ...] = ("page", "blogpost", "attachment")


class Wiki:
    """Spaces, a page tree, blog posts, folders, attachments, comments, labels, users: to be asked, under one lock."""

    def __init__(self, clock: Clock, readings: Readings) -> None:
        self.clock = clock
        self.readings = readings
        self.lock = threading.RLock()
        self.index = Index(readings)
        self.permissions = Permissions()
        self._edited_live: dict[int, Item] = {}
        self._spaces: dict[int, Space] = {}
        self._users: dict[str, User] = {}
        self._label_ids: dict[str, int] = {}
        self.extracted_texts: dict[str, str] = {}
        """What Data Center's search index took from attachments, by their ids; set by whoever needs it."""
        self.drawings: dict[str, str | Callable[[Mapping[str, str]], str]] = {}
        """What macros show in an export, by their names: HTML, or a function of their parameters; set by whoever needs it."""

    def settle(self) -> None:
        """Make the versions of live documents that are due by now; whoever asks the wiki does so first."""
        with self.lock:
            now = self.clock()
            for item in list(self._edited_live.values()):
                if item.snapshot is not None and item.snapshot.created_at <= now:
                    self._supersede(item, item.snapshot)

    def _supersede(self, item: Item, version: Version) -> None:
        """Put a new version in the place of the present one."""
        item.older.append(item.version)
        item.version, item.snapshot = version, None
        self._edited_live.pop(item.id, None)
        self.index.touch()

    def state_at(self, item: Item, moment: datetime) -> Item | None:
        """Return an item as its version of a moment was, with what has no versions as it is; ``None`` before it was made."""
        if item.created_at > moment:
            return None
        if item.version.created_at <= moment:
            return item
        former = next((version for version in reversed(item.older) if version.created_at <= moment), item.older[0])
        body, files = former.body or "", item.files[: former.number]
        return replace(item, title=former.title, body=body, version=former, files=files)

    # ------------------------------------------------------------------------------------ people and spaces
    def user(self, user_id: str) -> User | None:
        """Return a person, or ``None``."""
        return self._users.get(user_id)

    def user_named(self, username: str) -> User | None:
        """Return a person by login name, or ``None``."""
        with self.lock:
            return next((user for user in self._users.values() if user.username == username), None)

    def users(self) -> list[User]:
        """Return everybody."""
        return list(self._users.values())

    def space(self, key: str) -> Space | None:
        """Return a space by its key, or ``None``."""
        return next((space for space in self._spaces.values() if space.key == key), None)

    def space_by_id(self, space_id: int) -> Space | None:
        """Return a space by its number, or ``None``."""
        return self._spaces.get(space_id)

    def spaces(self, viewer: Viewer = "account") -> list[Space]:
        """Return the spaces that a viewer may see, in the order of their ids."""
        return [space for space in self._spaces.values() if self.space_is_visible(space, viewer)]

    # ------------------------------------------------------------------------------------ content
    def item(self, content_id: str) -> Item | None:
        """Return an item by its id, with or without ``att``, whoever may see it; ``None`` where there is none."""
        digits = content_id.removeprefix("att")
        item = self.index.get(int(digits)) if digits.isascii() and digits.isdigit() else None
        return None if item is None or (content_id != digits and item.type != "attachment") else item

    def find(self, title: str, space_key: str | None = None, type: ItemType | None = None) -> str | None:
        """Return the id of the first item that is not in the trash with this title."""
        with self.lock:
            for item in self.index.items():
                space = self._spaces[item.space_id]
                wanted = item.title == title and item.status != "trashed"
                if wanted and space_key in (None, space.key) and type in (None, item.type):
                    return item.public_id
        return None

    def ancestors(self, item: Item) -> list[Item]:
        """Return the items above one, the highest first; of a comment, the comments that it replies to."""
        chain: list[Item] = []
        above = item.parent_id
        while above is not None:
            found = self.index.get(above)
            if found is None:
                break
            chain.append(found)
            above = found.parent_id
        return chain[::-1]

    def descendants(self, item: Item) -> list[Item]:
        """Return everything below an item, attachments and comments of it and of those below included."""
        found: list[Item] = self.index.contained(item.id)
        waiting = list(self.index.children(item.id))
        while waiting:
            below = waiting.pop()
            found += [below, *self.index.contained(below.id)]
            waiting += self.index.children(below.id)
        return found

    def children(self, item: Item) -> list[Item]:
        """Return the direct children of an item in the tree, in the order of their ids."""
        return sorted(self.index.children(item.id), key=lambda child: child.id)

    def attachments(self, item: Item) -> list[Item]:
        """Return the attachments of an item, those in the trash included, in the order of their ids."""
        return self.index.contained(item.id, "attachment")

    def comments(self, item: Item) -> list[Item]:
        """Return the comments of an item, replies and those in the trash included, in the order of their ids."""
        return self.index.contained(item.id, "comment")

    def thread(self, comment: Item) -> Item:
        """Return the comment that a thread began with."""
        above = self.ancestors(comment)
        return above[0] if above else comment

    def title_of(self, item: Item) -> str:
        """Return the title of an item; a comment's is made of its container's as that is now [S: the examples of Data Center]."""
        container = None if item.container_id is None else self.index.get(item.container_id)
        return item.title if item.type != "comment" or container is None else f"Re: {container.title}"

    def space_is_visible(self, space: Space, viewer: Viewer = "account") -> bool:
        """Say whether a viewer may see a space."""
        return space.public if viewer == "anonymous" else not space.hidden

    def is_visible(self, item: Item, viewer: Viewer = "account") -> bool:
        """Say whether a viewer may see an item, whatever its status."""
        if not self.space_is_visible(self._spaces[item.space_id], viewer):
            return False
        if not self.index.anything_hidden:
            return True
        if item.hidden:
            return False
        if item.container_id is not None:
            return all(above is not None and self.is_visible(above, viewer) for above in self._holders(item))
        if self.readings.hidden_covers_descendants:
            return not any(above.hidden for above in self.ancestors(item))
        return True

    def listed_status(self, item: Item) -> Status | None:
        """Return the status under which listings show an item.

        ``None`` for an attachment or comment whose container is in the trash, and for a reply to a comment that is.
        """
        if item.container_id is None or item.status == "trashed":
            return item.status
        if any(above is None or self.listed_status(above) in (None, "trashed") for above in self._holders(item)):
            return None
        readings = self.readings
        follows = (
            readings.comments_follow_container if item.type == "comment" else readings.attachments_follow_container
        )
        container = self.index.get(item.container_id)
        return container.status if follows and container is not None else item.status

    def _holders(self, item: Item) -> list[Item | None]:
        """Return what an attachment or comment goes and comes with: its container, and the comment it replies to."""
        return [self.index.get(above) for above in (item.container_id, item.parent_id) if above is not None]

    def may_read(self, user_id: str | None, content_id: str) -> bool:
        """Say whether a person (``None``: a visitor) may read an item: its space, everything above it, and the item itself."""
        with self.lock:
            item = self.item(content_id)
            holder = item if item is None or item.container_id is None else self.index.get(item.container_id)
            if holder is None or not self.permissions.sees_space(
                user_id, holder.space_id, visitors=self.readings.anonymous_access
            ):
                return False
            return all(self.permissions.passes(user_id, step) for step in [*self.ancestors(holder), holder])

    def label_id(self, label: str) -> int:
        """Return the number of a label."""
        with self.lock:
            return self._label_ids[label]

    def labels(self) -> dict[str, int]:
        """Return every label that was ever used, with its number."""
        with self.lock:
            return dict(self._label_ids)

    def visible(
        self,
        space_keys: Sequence[str] | None = None,
        types: Sequence[ItemType] = _CONTENT,
        *,
        status: Status = "current",
        viewer: Viewer = "account",
        folders: bool = True,
    ) -> list[Record]:
        """Return what Confluence shows now, in the order of ids: the oracle that an index is held against.

        :param folders: ``False`` names as a page's parent the next page above, as Data Center does, which has no folders.
        """
        with self.lock:
            self.settle()
            records = []
            for item in sorted(self.index.items(), key=lambda item: item.id):
                if item.type not in types or self.listed_status(item) != status or not self.is_visible(item, viewer):
                    continue
                if item.type == "comment" and status != "trashed" and not self._holders_have(item, status):
                    continue
                if space_keys is None or self._spaces[item.space_id].key in space_keys:
                    records.append(self.record(item, folders=folders))
            return records

    def _holders_have(self, item: Item, status: Status) -> bool:
        return all(above is not None and self.listed_status(above) == status for above in self._holders(item))

    def record(self, item: Item, *, folders: bool = True) -> Record:
        """Return the plain record of one item."""
        attached = item.type == "attachment"
        remark = None if item.remark is None else self.thread(item).remark
        above = [ancestor for ancestor in self.ancestors(item) if folders or ancestor.type != "folder"]
        return Record(
            id=item.public_id,
            type=item.type,
            title=self.title_of(item),
            space=self._spaces[item.space_id].key,
            status=self.listed_status(item) or "trashed",
            version=item.version.number,
            parent=str(above[-1].id) if above else None,
            labels=item.labels,
            body=item.text,
            author=item.author,
            editor=item.version.author,
            created_at=item.created_at,
            edited_at=item.version.created_at,
            container=None if item.container_id is None else str(item.container_id),
            filename=item.title if attached else None,
            media_type=item.media_type if attached else None,
            size=len(item.file()) if attached else None,
            location=None if remark is None else remark.location,
            live=item.live,
            resolution=remark.resolution if remark is not None and remark.location == "inline" else None,
        )

    def __iter__(self) -> Iterator[Item]:
        with self.lock:
            return iter(list(self.index.items()))
