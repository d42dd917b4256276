"""The one content model behind both editions: spaces, a page tree, blog posts, folders, attachments, labels, users, versions.

Everything is done through methods, each under one lock, so that a test may change the wiki while clients read it. Ids are strings, as the
interfaces write them; attachments are ``att`` and digits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone

from airflow_provider_confluence.testing.sandbox.clock import Clock, real_time
from airflow_provider_confluence.testing.sandbox.index import Index
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


class Model:
    """A wiki.

    >>> model = Model()
    >>> docs = model.create_space("DOCS", "Documentation")
    >>> page = model.create_page("DOCS", "Start", "<p>Hello</p>", labels=["intro"])
    >>> model.edit(page, body="<p>Hello again</p>")
    >>> [(record.title, record.version) for record in model.visible()]
    [('Start', 2)]

    :param clock: where instants come from, also those of the servers' ``Date`` headers.
    :param readings: switches for what nobody could verify.
    """

    def __init__(self, *, clock: Clock = real_time, readings: Readings | None = None) -> None:
        self.clock = clock
        self.readings = readings or Readings()
        self.lock = threading.RLock()
        self.index = Index()
        self._spaces: dict[int, Space] = {}
        self._users: dict[str, User] = {}
        self._label_ids: dict[str, int] = {}
        self._moment: datetime | None = None
        self._next_id = 65_537
        self._next_space_id = 32_769
        self.add_user("admin", "Ada Admin")

    @contextmanager
    def at(self, moment: datetime) -> Iterator[None]:
        """Date what is made and changed inside the block at another moment; others wait meanwhile.

        :param moment: an aware instant.
        """
        with self.lock:
            before, self._moment = self._moment, moment
            try:
                yield
            finally:
                self._moment = before

    # ------------------------------------------------------------------------------------ people
    def add_user(self, user_id: str, name: str, *, username: str | None = None) -> str:
        """Add a person, or rename one who exists; return the id."""
        with self.lock:
            self._users[user_id] = User(user_id, username or user_id, name)
            self.index.touch()
            return user_id

    def rename_user(self, user_id: str, name: str) -> None:
        """Change a display name; no item gets a new version by it."""
        with self.lock:
            self._users[user_id].name = name
            self.index.touch()

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

    # ------------------------------------------------------------------------------------ spaces
    def create_space(
        self,
        key: str,
        name: str | None = None,
        *,
        homepage: str | None = None,
        type: str = "global",
        public: bool = False,
        author: str = "admin",
    ) -> str:
        """Make a space and return its id. ``homepage`` is the title of a page to make as its homepage."""
        with self.lock:
            if self.space(key) is not None:
                raise ValueError(f"space {key!r} exists")
            space = Space(self._next_space_id, key, name or key, self._now(), author, type=type, public=public)
            self._next_space_id += 1
            self._spaces[space.id] = space
            self.index.touch()
            if homepage is not None:
                space.homepage_id = int(self.create_page(key, homepage, author=author))
            return str(space.id)

    def rename_space(self, key: str, name: str | None = None, *, new_key: str | None = None) -> None:
        """Change a space's name or key; the id stays, and no item gets a new version."""
        with self.lock:
            space = self._space(key)
            space.name = name or space.name
            space.key = new_key or space.key
            self.index.touch()

    def set_homepage(self, key: str, page_id: str | None) -> None:
        """Name the homepage of a space."""
        with self.lock:
            self._space(key).homepage_id = None if page_id is None else self._item(page_id).id

    def archive_space(self, key: str, *, archived: bool = True) -> None:
        """Archive a space, or take it back."""
        with self.lock:
            self._space(key).status = "archived" if archived else "current"
            self.index.touch()

    def delete_space(self, key: str) -> None:
        """Delete a space with all it holds, for good."""
        with self.lock:
            space = self._space(key)
            for item in [item for item in self.index.items() if item.space_id == space.id]:
                self.index.remove(item)
            del self._spaces[space.id]

    def hide_space(self, key: str) -> None:
        """Take a space from our account: it answers as if it were absent."""
        self._set_space_hidden(key, True)

    def show_space(self, key: str) -> None:
        """Give a hidden space back to our account."""
        self._set_space_hidden(key, False)

    def _set_space_hidden(self, key: str, hidden: bool) -> None:
        with self.lock:
            self._space(key).hidden = hidden
            self.index.touch()

    def space(self, key: str) -> Space | None:
        """Return a space by its key, or ``None``."""
        return next((space for space in self._spaces.values() if space.key == key), None)

    def space_by_id(self, space_id: int) -> Space | None:
        """Return a space by its number, or ``None``."""
        return self._spaces.get(space_id)

    def spaces(self, viewer: Viewer = "account") -> list[Space]:
        """Return the spaces that a viewer may see, in the order of their ids."""
        return [space for space in self._spaces.values() if self.space_is_visible(space, viewer)]

    # ------------------------------------------------------------------------------------ making content
    def create_page(
        self,
        space_key: str,
        title: str,
        body: str | Callable[[], str] = "",
        *,
        parent: str | None = None,
        labels: Iterable[str] = (),
        author: str = "admin",
    ) -> str:
        """Make a page, at the root of its space or below ``parent`` (a page or folder), and return its id.

        ``body`` is storage format, or a function that returns it each time it is read. Titles are not checked for being unique.
        """
        return self._create("page", space_key, title, body, parent, labels, author)

    def create_blogpost(
        self,
        space_key: str,
        title: str,
        body: str | Callable[[], str] = "",
        *,
        labels: Iterable[str] = (),
        author: str = "admin",
    ) -> str:
        """Make a blog post and return its id."""
        return self._create("blogpost", space_key, title, body, None, labels, author)

    def create_folder(self, space_key: str, title: str, *, parent: str | None = None, author: str = "admin") -> str:
        """Make a folder and return its id. Data Center has none: there its children hang below the next page above."""
        return self._create("folder", space_key, title, "", parent, (), author)

    def _create(
        self,
        type_: ItemType,
        space_key: str,
        title: str,
        body: str | Callable[[], str],
        parent: str | None,
        labels: Iterable[str],
        author: str,
    ) -> str:
        with self.lock:
            space = self._space(space_key)
            parent_id = None
            if parent is not None:
                above = self._item(parent)
                if above.space_id != space.id or above.type not in ("page", "folder"):
                    raise ValueError(f"{parent} is no page or folder of {space_key}")
                parent_id = above.id
            now = self._now()
            item = Item(
                self._new_id(), type_, title, space.id, parent_id, author, now, Version(1, now, author), body=body
            )
            item.labels = self._labels(labels)
            self.index.add(item)
            return item.public_id

    def attach(
        self,
        page_id: str,
        filename: str,
        data: bytes | Callable[[], bytes],
        media_type: str = "application/octet-stream",
        *,
        labels: Iterable[str] = (),
        author: str = "admin",
    ) -> str:
        """Attach a file to a page or blog post and return its id.

        A file of that name that is there already gets a new version and keeps its id, as on Confluence.
        """
        with self.lock:
            container = self._item(page_id)
            now = self._now()
            for attachment in self.index.attachments(container.id):
                if attachment.title == filename and attachment.status == "current":
                    self._bump(attachment, author, "")
                    attachment.files.append(data)
                    attachment.media_type = media_type
                    return attachment.public_id
            item = Item(
                self._new_id(), "attachment", filename, container.space_id, None, author, now, Version(1, now, author)
            )
            item.container_id, item.media_type, item.files = container.id, media_type, [data]
            item.labels = self._labels(labels)
            self.index.add(item)
            return item.public_id

    def delete_attachment(self, attachment_id: str) -> None:
        """Put an attachment into the trash."""
        with self.lock:
            item = self._item(attachment_id)
            if item.type != "attachment":
                raise ValueError(f"{attachment_id} is no attachment")
            item.status = "trashed"
            self.index.touch()

    # ------------------------------------------------------------------------------------ changing content
    def edit(
        self,
        content_id: str,
        *,
        body: str | Callable[[], str] | None = None,
        title: str | None = None,
        author: str = "admin",
        message: str = "",
    ) -> None:
        """Make a new version of an item, with a new body, a new title, or both."""
        with self.lock:
            item = self._item(content_id)
            item.body = item.body if body is None else body
            item.title = item.title if title is None else title
            self._bump(item, author, message)

    def move(self, content_id: str, *, parent: str | None = None, space: str | None = None) -> None:
        """Move an item with all below it: under ``parent``, or to the root of ``space`` (its own where none is named).

        No new version is made unless :attr:`Readings.move_bumps_version` says so.
        """
        with self.lock:
            item = self._item(content_id)
            above = None if parent is None else self._item(parent)
            if above is not None and (above.id == item.id or item.id in {a.id for a in self.ancestors(above)}):
                raise ValueError(f"{content_id} cannot move below itself")
            if space is not None:
                target = self._space(space).id
                if above is not None and above.space_id != target:
                    raise ValueError(f"{parent} is not in {space}")
            else:
                target = item.space_id if above is None else above.space_id
            self.index.reparent(item, None if above is None else above.id)
            if target != item.space_id:
                for moved in [item, *self.descendants(item)]:
                    self.index.rehome(moved, target)
            if self.readings.move_bumps_version:
                self._bump(item, item.version.author, "")
            self.index.touch()

    def relabel(self, content_id: str, labels: Iterable[str]) -> None:
        """Replace the labels of an item; no new version."""
        with self.lock:
            self._item(content_id).labels = self._labels(labels)
            self.index.touch()

    def trash(self, content_id: str) -> None:
        """Put an item into the trash. Its children go up to its parent; its attachments vanish from listings with it."""
        with self.lock:
            item = self._item(content_id)
            self._lift_children(item)
            item.trashed_parent_id = item.parent_id
            item.status = "trashed"
            self.index.reparent(item, None)

    def restore(self, content_id: str) -> None:
        """Take an item from the trash, below its former parent where that is still there."""
        with self.lock:
            item = self._item(content_id)
            above = self.index.get(item.trashed_parent_id) if item.trashed_parent_id is not None else None
            item.status = "current"
            if above is not None and above.status == "current" and above.space_id == item.space_id:
                self.index.reparent(item, above.id)
            if self.readings.restore_bumps_version:
                self._bump(item, item.version.author, "Restored")
            self.index.touch()

    def purge(self, content_id: str) -> None:
        """Remove an item for good, with its attachments; its children go up to its parent."""
        with self.lock:
            item = self._item(content_id)
            self._lift_children(item)
            for attachment in self.index.attachments(item.id):
                self.index.remove(attachment)
            self.index.remove(item)

    def archive(self, content_id: str, *, with_descendants: bool = False) -> None:
        """Archive a page, alone or with everything below it; no new version."""
        with self.lock:
            item = self._item(content_id)
            if with_descendants:
                for below in self.descendants(item):
                    if below.type == "page":
                        below.status = "archived"
            elif self.readings.archiving_lifts_children:
                self._lift_children(item)
            item.status = "archived"
            self.index.touch()

    def unarchive(self, content_id: str) -> None:
        """Take a page out of the archive."""
        with self.lock:
            self._item(content_id).status = "current"
            self.index.touch()

    def hide(self, content_id: str) -> None:
        """Take an item from our account by a view restriction, which covers everything below it."""
        self._set_hidden(content_id, True)

    def show(self, content_id: str) -> None:
        """Give a hidden item back to our account."""
        self._set_hidden(content_id, False)

    def _set_hidden(self, content_id: str, hidden: bool) -> None:
        with self.lock:
            item = self._item(content_id)
            item.hidden = hidden
            self.index.note_hidden(item)

    def _lift_children(self, item: Item) -> None:
        for child in self.index.children(item.id):
            self.index.reparent(child, item.parent_id)

    def _bump(self, item: Item, author: str, message: str) -> None:
        item.older.append(item.version)
        item.version = Version(item.version.number + 1, self._now(), author, message)
        self.index.touch()

    # ------------------------------------------------------------------------------------ reading
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
        """Return the items above one, the highest first."""
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
        """Return everything below an item, attachments of it and of those below included."""
        found: list[Item] = list(self.index.attachments(item.id))
        waiting = list(self.index.children(item.id))
        while waiting:
            below = waiting.pop()
            found += [below, *self.index.attachments(below.id)]
            waiting += self.index.children(below.id)
        return found

    def children(self, item: Item) -> list[Item]:
        """Return the direct children of an item in the tree, in the order of their ids."""
        return sorted(self.index.children(item.id), key=lambda child: child.id)

    def attachments(self, item: Item) -> list[Item]:
        """Return the attachments of an item, those in the trash included, in the order of their ids."""
        return list(self.index.attachments(item.id))

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
            container = self.index.get(item.container_id)
            return container is not None and self.is_visible(container, viewer)
        if self.readings.hidden_covers_descendants:
            return not any(above.hidden for above in self.ancestors(item))
        return True

    def listed_status(self, item: Item) -> Status | None:
        """Return the status under which listings show an item; ``None`` for an attachment whose container is in the trash."""
        if item.container_id is None or item.status == "trashed":
            return item.status
        container = self.index.get(item.container_id)
        if container is None or container.status == "trashed":
            return None
        return container.status if self.readings.attachments_follow_container else item.status

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
            records = []
            for item in sorted(self.index.items(), key=lambda item: item.id):
                if item.type not in types or self.listed_status(item) != status or not self.is_visible(item, viewer):
                    continue
                if space_keys is None or self._spaces[item.space_id].key in space_keys:
                    records.append(self.record(item, folders=folders))
            return records

    def record(self, item: Item, *, folders: bool = True) -> Record:
        """Return the plain record of one item."""
        attached = item.type == "attachment"
        above = [ancestor for ancestor in self.ancestors(item) if folders or ancestor.type != "folder"]
        return Record(
            id=item.public_id,
            type=item.type,
            title=item.title,
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
        )

    def __iter__(self) -> Iterator[Item]:
        with self.lock:
            return iter(list(self.index.items()))

    # ------------------------------------------------------------------------------------ inside
    def _now(self) -> datetime:
        return (self._moment or self.clock()).astimezone(timezone.utc)

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _space(self, key: str) -> Space:
        space = self.space(key)
        if space is None:
            raise KeyError(f"no space {key!r}; there are {sorted(s.key for s in self._spaces.values())}")
        return space

    def _item(self, content_id: str) -> Item:
        item = self.item(content_id)
        if item is None:
            raise KeyError(f"no content {content_id!r}")
        return item

    def _labels(self, labels: Iterable[str]) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(label.lower() for label in labels))
        for label in found:
            self._label_ids.setdefault(label, len(self._label_ids) + 1)
        return found
