"""The one content model behind both editions, with everything that can be done to it; what can be asked of it is in :mod:`.wiki`.

Everything is done through methods, each under one lock, so that a test may change the wiki while clients read it. Ids are strings, as the
interfaces write them; attachments are ``att`` and digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from airflow_provider_confluence.testing.sandbox.clock import Clock, real_time
from airflow_provider_confluence.testing.sandbox.permissions import Restriction, SpaceAccess
from airflow_provider_confluence.testing.sandbox.readings import Readings
from airflow_provider_confluence.testing.sandbox.records import (
    Item,
    ItemType,
    Remark,
    Resolution,
    Space,
    User,
    Version,
)
from airflow_provider_confluence.testing.sandbox.wiki import Wiki


class Model(Wiki):
    """A wiki that can be changed.

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
        super().__init__(clock, readings or Readings())
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
        live: bool = False,
    ) -> str:
        """Make a page, at the root of its space or below ``parent`` (a page or folder), and return its id.

        ``body`` is storage format, or a function that returns it each time it is read. Titles are not checked for being unique.

        :param live: make a live document, whose edits show at once and become a version later (:attr:`Readings.live_snapshot_seconds`).
            Only Cloud has them; Data Center shows it as a page.
        """
        with self.lock:
            page = self._create("page", space_key, title, body, parent, labels, author)
            self._item(page).live = live
            return page

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
            for attachment in self.index.contained(container.id, "attachment"):
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

    # ------------------------------------------------------------------------------------ comments
    def create_comment(
        self,
        content_id: str,
        body: str | Callable[[], str] = "",
        *,
        selection: str | None = None,
        marker: str | None = None,
        author: str = "admin",
    ) -> str:
        """Comment on a page or blog post and return the comment's id.

        :param body: in storage format.
        :param selection: the text that an inline comment is about; without it the comment is one of the footer.
        :param marker: the reference (``ac:ref``) of the comment's marker in the body of the page, which is not touched; where none is
            given one is made up that stands in no body.
        """
        with self.lock:
            container = self._item(content_id)
            if container.type not in ("page", "blogpost"):
                raise ValueError(f"{content_id} is no page or blog post")
            remark = Remark("footer" if selection is None else "inline", selection or "")
            comment = self._comment_on(container, None, body, remark, author)
            if selection is not None:
                remark.marker = marker or f"00000000-0000-4000-8000-{comment.id:012}"
            return comment.public_id

    def reply(self, comment_id: str, body: str | Callable[[], str] = "", *, author: str = "admin") -> str:
        """Answer a comment, footer or inline, and return the id of the reply, which is a comment too."""
        with self.lock:
            above, remark = self._comment(comment_id)
            container = self._item(str(above.container_id))
            return self._comment_on(container, above, body, Remark(remark.location), author).public_id

    def _comment_on(
        self, container: Item, above: Item | None, body: str | Callable[[], str], remark: Remark, author: str
    ) -> Item:
        now, above_id = self._now(), None if above is None else above.id
        space_id, version = container.space_id, Version(1, now, author)
        item = Item(self._new_id(), "comment", "", space_id, above_id, author, now, version, body=body)
        item.container_id, item.remark = container.id, remark
        self.index.add(item)
        return item

    def edit_comment(self, comment_id: str, body: str | Callable[[], str], *, author: str = "admin") -> None:
        """Make a new version of a comment."""
        with self.lock:
            item, _ = self._comment(comment_id)
            self._keep_state(item)
            item.body = body
            self._bump(item, author, "")

    def resolve_comment(self, comment_id: str, *, author: str = "admin") -> None:
        """Resolve the thread of an inline comment. No new version is made unless :attr:`Readings.resolving_bumps_version` says so."""
        self._set_resolution(comment_id, "resolved", author)

    def reopen_comment(self, comment_id: str, *, author: str = "admin") -> None:
        """Open the thread of an inline comment again."""
        self._set_resolution(comment_id, "reopened", author)

    def dangle_comment(self, comment_id: str) -> None:
        """Take from an inline comment the text that it is about; an edit of the page that drops its marker does so too."""
        self._set_resolution(comment_id, "dangling", None)

    def _set_resolution(self, comment_id: str, resolution: Resolution, author: str | None) -> None:
        with self.lock:
            item, remark = self._comment(comment_id)
            if remark.location != "inline" or item.parent_id is not None:
                raise ValueError(f"{comment_id} is not the first comment of an inline thread")
            remark.resolution = resolution
            if author is not None:
                remark.resolved_by, remark.resolved_at = author, self._now()
                if self.readings.resolving_bumps_version:
                    self._bump(item, author, "")
            self.index.touch()

    def delete_comment(self, comment_id: str) -> None:
        """Delete a comment for good, with its replies, unless the readings say otherwise."""
        with self.lock:
            item, _ = self._comment(comment_id)
            if not self.readings.deleted_comment_takes_replies:
                self._lift_children(item)
            if self.readings.deleted_comments_are_trashed:
                item.status = "trashed"
                self.index.touch()
            else:
                for gone in [item, *self.descendants(item)]:
                    self.index.remove(gone)

    def _comment(self, comment_id: str) -> tuple[Item, Remark]:
        item = self._item(comment_id)
        if item.remark is None:
            raise ValueError(f"{comment_id} is no comment")
        return item, item.remark

    def _lose_markers(self, item: Item, body: str | Callable[[], str]) -> None:
        """Let the inline comments dangle whose markers a new body does not have any more."""
        for comment in self.index.contained(item.id, "comment"):
            remark, text = comment.remark, body if isinstance(body, str) else body()
            if remark is not None and remark.marker and remark.marker in item.text and remark.marker not in text:
                remark.resolution = "resolved" if remark.resolution == "resolved" else "dangling"

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
        """Make a new version of an item, with a new body, a new title, or both; of a live document, now or later."""
        with self.lock:
            self.settle()
            item = self._item(content_id)
            if body is not None:
                self._lose_markers(item, body)
            self._keep_state(item)
            item.body = item.body if body is None else body
            item.title = item.title if title is None else title
            if item.live and self.readings.live_snapshot_seconds:
                self._edit_live(item, author, message)
            else:
                self._bump(item, author, message)

    def _edit_live(self, item: Item, author: str, message: str) -> None:
        """Let what was edited become a version when its time has come, counted from the first edit."""
        due = item.snapshot.created_at if item.snapshot else None
        due = due or self._now() + timedelta(seconds=self.readings.live_snapshot_seconds)
        item.snapshot = Version(item.version.number + 1, due, author, message)
        self._edited_live[item.id] = item
        self.index.touch()

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
        """Put an item into the trash. Its children go up to its parent; its attachments and comments vanish from listings with it."""
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
        """Remove an item for good, with its attachments and comments; its children go up to its parent."""
        with self.lock:
            item = self._item(content_id)
            self._lift_children(item)
            for contained in self.index.contained(item.id):
                self.index.remove(contained)
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

    def restrict(
        self, content_id: str, *, users: Iterable[str] = (), groups: Iterable[str] = (), refused: bool = False
    ) -> None:
        """Let only these read an item and what is below it; nobody named lifts the restriction. No new version.

        :param refused: our account is not told who they are.
        """
        with self.lock:
            restriction = Restriction(tuple(users), tuple(groups), refused)
            self.permissions.restrictions[self._item(content_id).id] = restriction

    def open_space(self, key: str, access: SpaceAccess) -> None:
        """Say who may see a space."""
        with self.lock:
            self.permissions.spaces[self._space(key).id] = access

    def _set_hidden(self, content_id: str, hidden: bool) -> None:
        with self.lock:
            item = self._item(content_id)
            item.hidden = hidden
            self.index.note_hidden(item)

    def _lift_children(self, item: Item) -> None:
        for child in self.index.children(item.id):
            self.index.reparent(child, item.parent_id)

    def _bump(self, item: Item, author: str, message: str) -> None:
        self._keep_state(item)
        self._supersede(item, Version(item.version.number + 1, self._now(), author, message))

    @staticmethod
    def _keep_state(item: Item) -> None:
        """Let the present version remember what it was, unless it does already: a live document's is what it was when it was made."""
        if item.version.body is None:
            item.version.title, item.version.body = item.title, item.body

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
