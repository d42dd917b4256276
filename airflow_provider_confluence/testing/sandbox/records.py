"""What the content model is made of, and the plain records in which it tells tests what Confluence shows."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

ItemType = Literal["page", "blogpost", "folder", "attachment", "comment"]
Status = Literal["current", "archived", "trashed"]
Viewer = Literal["account", "anonymous"]
Location = Literal["footer", "inline"]
Resolution = Literal["open", "reopened", "resolved", "dangling"]


@dataclass(slots=True)
class User:
    """A person: ``id`` is the account id on Cloud and the user key on Data Center, ``username`` exists on Data Center only."""

    id: str
    username: str
    name: str


@dataclass(slots=True)
class Space:
    """A space; ``public`` lets anonymous visitors in, ``hidden`` takes it from our account."""

    id: int
    key: str
    name: str
    created_at: datetime
    author: str
    type: str = "global"
    status: Literal["current", "archived"] = "current"
    homepage_id: int | None = None
    public: bool = False
    hidden: bool = False


@dataclass(slots=True)
class Version:
    """One version of an item; a former one keeps the title and the body that it had."""

    number: int
    created_at: datetime
    author: str
    message: str = ""
    title: str = ""
    body: str | Callable[[], str] | None = None


@dataclass(slots=True)
class Remark:
    """What only a comment has.

    :ivar selection: the text of the page that an inline comment is about; ``marker`` is the reference of its marker in the page's body.
    :ivar resolution: counts on the first comment of an inline thread only; its replies go with it.
    """

    location: Location
    selection: str = ""
    marker: str = ""
    resolution: Resolution = "open"
    resolved_by: str | None = None
    resolved_at: datetime | None = None


class AdfBody(str):
    """A body that Cloud keeps as an Atlassian document only, as JSON: in storage format there is nothing.

    Wherever a model takes a body it may be one of these.
    """


@dataclass(slots=True)
class Item:
    """One piece of content. Bodies and files may be functions, so that a large wiki costs no memory until it is read.

    ``snapshot`` of a live document is the version that its edits will become.
    ``parent_id`` of a comment is the comment that it replies to; ``container_id`` of attachments and comments is their page or blog post.
    """

    id: int
    type: ItemType
    title: str
    space_id: int
    parent_id: int | None
    author: str
    created_at: datetime
    version: Version
    body: str | Callable[[], str] = ""
    labels: tuple[str, ...] = ()
    status: Status = "current"
    hidden: bool = False
    older: list[Version] = field(default_factory=list)
    container_id: int | None = None
    media_type: str = ""
    files: list[bytes | Callable[[], bytes]] = field(default_factory=list)
    trashed_parent_id: int | None = None
    remark: Remark | None = None
    live: bool = False
    snapshot: Version | None = None

    @property
    def tiny_path(self) -> str:
        """Return the tiny link: the id's bytes, the lowest first, in base64 as Atlassian's knowledge base has it [S]."""
        packed = base64.b64encode(struct.pack("<Q", self.id)).decode()
        return "/x/" + packed.rstrip("=").rstrip("A").translate({ord("/"): "-", ord("+"): "_"})

    @property
    def public_id(self) -> str:
        """The id as the interfaces write it: digits, and ``att`` before those of an attachment."""
        return f"att{self.id}" if self.type == "attachment" else str(self.id)

    @property
    def text(self) -> str:
        """The body in storage format."""
        body = self.body if isinstance(self.body, str) else self.body()
        return "" if isinstance(body, AdfBody) else body

    @property
    def document(self) -> str | None:
        """The body as an Atlassian document, where it is kept as that only."""
        body = self.body if isinstance(self.body, str) else self.body()
        return str(body) if isinstance(body, AdfBody) else None

    def file(self, version: int | None = None) -> bytes:
        """Return the bytes of an attachment, of the newest version or of the one named."""
        found = self.files[-1 if version is None else version - 1]
        return found if isinstance(found, bytes) else found()


@dataclass(frozen=True, slots=True)
class Record:
    """One item as Confluence shows it now: what a test holds an index against. Ids are as the interfaces write them.

    ``parent`` of a comment is the comment that it replies to; ``location`` and ``resolution`` (of inline comments only, a reply has its
    thread's) are a comment's alone.
    """

    id: str
    type: ItemType
    title: str
    space: str
    status: Status
    version: int
    parent: str | None
    labels: tuple[str, ...]
    body: str
    author: str
    editor: str
    created_at: datetime
    edited_at: datetime
    container: str | None = None
    filename: str | None = None
    media_type: str | None = None
    size: int | None = None
    location: Location | None = None
    resolution: Resolution | None = None
    live: bool = False
