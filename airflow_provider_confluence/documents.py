"""What travels: an Entry (listed), a Document or Tombstone (ready for a sink), a Failure (one item that did not work).

All are frozen and turn into plain JSON and back (``to_json`` / ``from_json``). ``document_schema()`` is the published JSON Schema of
a document; the staging files, the queue sink and the files sink all carry exactly it. ``message_schema()`` is that of a message in a queue.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pendulum import DateTime

SCHEMA_VERSION = 1
CONTENT_TYPES = ("page", "blogpost", "attachment", "comment", "folder", "whiteboard", "database", "embed")
CONTAINED_TYPES = ("attachment", "comment")
"""What hangs on a page or blog post, and is in scope where that is."""
TREE_TYPES = ("folder", "whiteboard", "database", "embed")
"""What stands in Cloud's page tree beside pages: a title and a place, without text that could be read."""


def document_id(datasource_id: str, content_id: str) -> str:
    """Return the id of the document in every sink: ``md5("<datasource id>-<content id>")``, as Coco's connector makes it."""
    return hashlib.md5(f"{datasource_id}-{content_id}".encode(), usedforsecurity=False).hexdigest()


def rfc3339(instant: datetime) -> str:
    """Return an aware datetime as RFC 3339 in UTC with milliseconds, for example ``2026-03-01T09:30:00.000Z``."""
    return instant.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def instant(text: str) -> DateTime:
    """Return the aware instant of what :func:`rfc3339` wrote."""
    import pendulum

    found = pendulum.parse(text)
    if not isinstance(found, pendulum.DateTime):
        raise ValueError(f"{text!r} is no instant")
    return found


@dataclass(frozen=True, slots=True)
class Person:
    """Who created or edited something. ``name`` is ``None`` where only the id is known."""

    id: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Space:
    """A space as Confluence names it. ``id`` is stable; ``key`` and ``name`` may be changed by its admins."""

    id: str
    key: str
    name: str
    status: str = "current"
    type: str = "global"
    homepage_id: str | None = None
    url: str = ""


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One step of the way from the top of the space down to an item."""

    id: str
    title: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A link out of a document. ``content_id`` is known where the target is an item of Confluence that was looked up."""

    url: str
    title: str = ""
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of a document's text, without markup; ``level`` is 1 to 6."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a document for retrieval: ``content[start:end]``, in characters, and the ``text`` to embed.

    ``text`` has a breadcrumb in front, and the header of a table whose rows it goes on with. ``headings`` are those that all of it stands
    below, the outermost first. ``position`` counts from 0. ``oversized`` is one row or code block that is over the budget by itself.
    """

    text: str
    headings: tuple[str, ...]
    position: int
    start: int
    end: int
    oversized: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One item as a listing names it: everything but the body.

    ``version`` is Confluence's own. ``parent_id`` is the next item up the tree (``None`` at the top of the space), ``container_id`` the
    page or blog post that an attachment or comment belongs to. ``labels`` is ``None`` where the listing could not tell them, which is
    not the same as an item without labels. ``created`` and ``updated`` are RFC 3339 in UTC. ``url`` is absolute. ``live``
    is a document of Cloud whose edits show before they become a version. ``readers`` is what restricts the reading of the item by itself:
    no level where nothing does, else one, which is empty where it cannot be read; ``None`` where the listing did not tell.

    Of comments alone: ``parent_id`` is the comment that a reply answers; ``location`` is ``footer`` or ``inline``. An inline comment has
    the ``selection`` (the text of the page that it is about) and the ``resolution`` of its thread (open, reopened, resolved, dangling),
    which somebody changed last at ``resolved_at``.
    """

    content_id: str
    type: str
    status: str
    title: str
    version: int
    space_id: str
    parent_id: str | None = None
    parent_type: str | None = None
    container_id: str | None = None
    url: str = ""
    created: str | None = None
    updated: str | None = None
    creator: Person | None = None
    last_editor: Person | None = None
    labels: tuple[str, ...] | None = None
    live: bool = False
    media_type: str | None = None
    size_bytes: int | None = None
    location: str | None = None
    selection: str | None = None
    resolution: str | None = None
    resolved_at: str | None = None
    readers: tuple[tuple[str, ...], ...] | None = None

    def add_details(self, labels: tuple[str, ...] | None, readers: tuple[tuple[str, ...], ...] | None) -> None:
        """Say what a second answer tells of an entry that nobody has been given yet. A copy costs ten times as much."""
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "readers", readers)

    def to_json(self) -> dict[str, Any]:
        """Return the entry as plain JSON, without the fields that are at their default."""
        return _plain(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Entry:
        """Return the entry that ``to_json`` wrote."""
        given = dict(value)
        for name in ("creator", "last_editor"):
            if given.get(name) is not None:
                given[name] = Person(**given[name])
        if given.get("labels") is not None:
            given["labels"] = tuple(given["labels"])
        if given.get("readers") is not None:
            given["readers"] = tuple(tuple(level) for level in given["readers"])
        return cls(**given)


@dataclass(frozen=True, slots=True)
class Document:
    """A whole item, ready for any sink (the document of the published schema).

    ``revision`` orders the writes of one document: a sink keeps the highest it has seen. ``content`` is Markdown; ``outline`` has its
    headings, ``language`` an ISO 639-1 code where it is certain. ``chunks`` and ``permissions`` are ``None`` where the datasource does not
    ask for them.
    """

    id: str
    datasource_id: str
    datasource_name: str
    content_id: str
    revision: int
    type: str
    status: str
    title: str
    content: str
    url: str
    space: Space
    source_version: int
    summary: str = ""
    parent_id: str | None = None
    ancestors: tuple[Ancestor, ...] = ()
    container: Ancestor | None = None
    labels: tuple[str, ...] = ()
    created: str | None = None
    updated: str | None = None
    creator: Person | None = None
    last_editor: Person | None = None
    language: str | None = None
    media_type: str | None = None
    size_bytes: int | None = None
    outline: tuple[Heading, ...] = ()
    links: tuple[Link, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    permissions: list[list[str]] | None = None
    outcome: str = "ok"
    warnings: tuple[str, ...] = ()
    chunks: tuple[Chunk, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the document in the shape of ``document_schema()``."""
        return {
            "id": self.id,
            "schema_version": SCHEMA_VERSION,
            "datasource": {"id": self.datasource_id, "name": self.datasource_name},
            "content_id": self.content_id,
            "revision": self.revision,
            "type": self.type,
            "status": self.status,
            "title": self.title,
            "content": self.content,
            "summary": self.summary,
            "url": self.url,
            "space": {"id": self.space.id, "key": self.space.key, "name": self.space.name},
            "parent_id": self.parent_id,
            "ancestors": [_whole(a) for a in self.ancestors],
            "container": _whole(self.container),
            "labels": list(self.labels),
            "created": self.created,
            "updated": self.updated,
            "creator": _whole(self.creator),
            "last_editor": _whole(self.last_editor),
            "source_version": self.source_version,
            "language": self.language,
            "media_type": self.media_type,
            "size_bytes": self.size_bytes,
            "outline": [_whole(heading) for heading in self.outline],
            "chunks": None
            if self.chunks is None
            else [{**(_whole(chunk) or {}), "headings": list(chunk.headings)} for chunk in self.chunks],
            "links": [_whole(link) for link in self.links],
            "properties": dict(self.properties),
            "permissions": self.permissions,
            "extraction": {"outcome": self.outcome, "warnings": list(self.warnings)},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Document:
        """Return the document that ``to_json`` wrote. :raises ValueError: when the schema version is another one."""
        if value["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"document schema version {value['schema_version']} is not {SCHEMA_VERSION}")
        space = value["space"]

        def person(name: str) -> Person | None:
            return Person(**value[name]) if value[name] else None

        return cls(
            id=value["id"],
            datasource_id=value["datasource"]["id"],
            datasource_name=value["datasource"]["name"],
            content_id=value["content_id"],
            revision=value["revision"],
            type=value["type"],
            status=value["status"],
            title=value["title"],
            content=value["content"],
            url=value["url"],
            space=Space(id=space["id"], key=space["key"], name=space["name"]),
            source_version=value["source_version"],
            summary=value["summary"],
            parent_id=value["parent_id"],
            ancestors=tuple(Ancestor(**a) for a in value["ancestors"]),
            container=Ancestor(**value["container"]) if value["container"] else None,
            labels=tuple(value["labels"]),
            created=value["created"],
            updated=value["updated"],
            creator=person("creator"),
            last_editor=person("last_editor"),
            language=value["language"],
            media_type=value["media_type"],
            size_bytes=value["size_bytes"],
            # Documents that an earlier version wrote are without these two.
            chunks=_chunks(value.get("chunks")),
            outline=tuple(Heading(**heading) for heading in value.get("outline", ())),
            links=tuple(Link(**link) for link in value["links"]),
            properties=dict(value["properties"]),
            permissions=value["permissions"],
            outcome=value["extraction"]["outcome"],
            warnings=tuple(value["extraction"]["warnings"]),
        )

    def text_and_metadata(self) -> dict[str, Any]:
        """Return ``{"text": …, "metadata": {…}}``, the shape that Airflow's common-ai provider loads.

        Chunks are left out: they hold the text once more, and metadata is kept beside every part that a loader makes.
        """
        metadata = self.to_json()
        text = metadata.pop("content")
        del metadata["chunks"]
        return {"text": text, "metadata": metadata}


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The order to remove a document, and to keep writes of an older revision from bringing it back."""

    id: str
    datasource_id: str
    content_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class Failure:
    """One item that could not be fetched, converted or written: kept in the manifest and tried again in every run.

    ``reason`` is a short word that can be counted; ``message`` a sentence without page text.
    """

    content_id: str
    type: str
    reason: str
    message: str

    def to_json(self) -> dict[str, Any]:
        """Return the failure as plain JSON."""
        return _whole(self)  # type: ignore[return-value]


def _whole(value: Any) -> dict[str, Any] | None:
    return None if value is None else {name: getattr(value, name) for name in value.__dataclass_fields__}


def _chunks(value: list[dict[str, Any]] | None) -> tuple[Chunk, ...] | None:
    return None if value is None else tuple(Chunk(**{**one, "headings": tuple(one["headings"])}) for one in value)


def _plain(value: Any) -> dict[str, Any]:
    found = {}
    for name, spec in value.__dataclass_fields__.items():
        item = getattr(value, name)
        if item == spec.default:
            continue
        if hasattr(item, "__dataclass_fields__"):
            item = _plain(item)
        found[name] = list(item) if isinstance(item, tuple) else item
    return found


def document_schema() -> dict[str, Any]:
    """Return the published JSON Schema (draft 2020-12) of a document."""
    return _schema("document")


def message_schema() -> dict[str, Any]:
    """Return the published JSON Schema (draft 2020-12) of a message in a queue, with that of the document inside it."""
    name = "document.schema.json"
    return {**_schema("message"), "$defs": {"document": {"$id": name, **document_schema()}}}


def _schema(name: str) -> dict[str, Any]:
    text = resources.files("airflow_provider_confluence").joinpath(f"{name}.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded
