"""What a document is in Coco Server, after its own Confluence connector (coco-server v0.9, ``plugins/connectors/confluence``).

The ids and fields are the native connector's, so that changing from one to the other overwrites and does not double. Set right against
it: an attachment has its text and its own time, ``owner`` is who made the page and not who edited it last, ``type`` tells what it is,
labels are tags, and lines stay lines.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from airflow_provider_confluence.documents import CONTAINED_TYPES, CONTENT_TYPES, Document, Person

ICONS = ("default", *CONTENT_TYPES)
"""The keys of the connector's icons: ``icon`` of a document is its type."""

_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_READ_AS_A_VALUE = re.compile(r"[0-9]+|t|f|true|false", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")
_SLASH = "\u2215"


def coco_datasource_id(datasource_id: str) -> str:
    """Return the id of Coco's datasource: the same where Coco can take it, else one made of it that no other id gives.

    Coco pastes ids into addresses as they are, so a dot becomes ``_``; and it reads filter values that look like numbers or truth values as
    such (framework ``core/orm/query_args_parser.go``), so that ``007`` and ``t`` would find nothing. Documents keep the ids that follow
    from the unchanged one.
    """
    if _SAFE_ID.fullmatch(datasource_id) and not _READ_AS_A_VALUE.fullmatch(datasource_id):
        return datasource_id
    digest = hashlib.md5(datasource_id.encode(), usedforsecurity=False).hexdigest()[:8]
    return f"{re.sub('[^A-Za-z0-9_-]', '_', datasource_id)}-{digest}"


def parent_path(document: Document) -> str:
    """Return the place in Coco's tree: the titles of the ancestors, and of the page that holds an attachment or comment; ``/`` at the top.

    A slash in a title becomes U+2215, which looks alike: Coco knows paths as text alone.
    """
    titles = [ancestor.title or ancestor.id for ancestor in document.ancestors]
    if document.type in CONTAINED_TYPES and document.container is not None:
        titles.append(document.container.title or document.container.id)
    return "/" + "".join(title.replace("/", _SLASH) + "/" for title in titles)


def coco_document(document: Document, source_id: str) -> dict[str, Any]:
    """Return the body of the request that writes a document.

    Metadata keeps one type per key, because the first document decides the mapping for all. What Coco has no field for (permissions,
    properties, links, outline …) is in ``payload.confluence``, stored and not searched: the document as in the published schema, without
    ``content``, which is a field of its own.

    :param source_id: the id of Coco's datasource.
    """
    path = parent_path(document)
    metadata: dict[str, Any] = {
        "confluence_id": document.content_id,
        "space_key": document.space.key,
        "space_name": document.space.name,
        "type": document.type,
        "status": document.status,
        "version": document.source_version,
        "revision": document.revision,
        "parent_path": path,
        "parent_id": document.parent_id,
        "container_id": document.container.id if document.container else None,
        "media_type": document.media_type,
    }
    whole = document.to_json()
    del whole["content"]
    is_file = document.type == "attachment" and document.size_bytes is not None
    editor = _person(document.last_editor)
    body: dict[str, Any] = {
        "id": document.id,
        "source": {"id": source_id, "type": "connector", "name": document.datasource_name},
        "type": document.type,
        "icon": document.type if document.type in ICONS else "default",
        "title": document.title,
        "category": document.space.name,
        "content": document.content,
        "summary": document.summary or None,
        "lang": document.language,
        "size": document.size_bytes if is_file else len(document.content.encode("utf-8", "replace")),
        "url": document.url,
        "tags": list(document.labels),
        "created": document.created,
        "updated": document.updated,
        "owner": _person(document.creator),
        "last_updated_by": _given({"user": editor, "timestamp": document.updated}) or None,
        "metadata": _given(metadata),
        "payload": {"confluence": whole},
        "_system": {"parent_path": path},
    }
    return _given(body)


def encoded(body: dict[str, Any]) -> bytes:
    """Return a body as JSON; a surrogate without its other half becomes U+FFFD, which Coco would make of it too.

    :raises ValueError: for what JSON cannot hold. :raises TypeError: likewise.
    """
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _SURROGATE.sub("\ufffd", text).encode()


def _person(person: Person | None) -> dict[str, str] | None:
    return None if person is None else {"username": person.name or person.id, "userid": person.id}


def _given(value: dict[str, Any]) -> dict[str, Any]:
    return {name: inner for name, inner in value.items() if inner is not None}
