"""A fetched item and its surroundings, put together into the document that sinks take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_confluence.content.chunks import chunks
from airflow_provider_confluence.content.language import certain_language
from airflow_provider_confluence.datasource import Datasource
from airflow_provider_confluence.documents import (
    TREE_TYPES,
    Ancestor,
    Document,
    Entry,
    Heading,
    Link,
    Space,
    document_id,
)
from airflow_provider_confluence.sync.manifest import Edge
from airflow_provider_confluence.sync.surroundings import named


@dataclass(frozen=True, slots=True)
class Text:
    """What the converter made of a body, or the extractor of a file. ``includes`` are the pages whose text went into it.

    ``outcome`` says what became of a file; a body's is always ``ok``.
    """

    content: str = ""
    summary: str = ""
    outline: tuple[Heading, ...] = ()
    links: tuple[Link, ...] = ()
    properties: Mapping[str, str] | None = None
    warnings: tuple[str, ...] = ()
    includes: tuple[Edge, ...] = ()
    language: str | None = None
    outcome: str = "ok"


def assemble(
    datasource: Datasource, revision: int, entry: Entry, surroundings: Mapping[str, Any], text: Text
) -> Document:
    """Return the document of an item.

    :param surroundings: what the plan froze, see :meth:`Surroundings.of`; labels come from there, because bodies fetched in bulk lack them.
    """
    people = surroundings["people"]
    container = surroundings["container"]
    way = [surroundings["space"]["name"], *(step["title"] for step in surroundings["ancestors"])]
    if container:
        way.append(container["title"])
    return Document(
        id=document_id(datasource.id, entry.content_id),
        datasource_id=datasource.id,
        datasource_name=datasource.name,
        content_id=entry.content_id,
        revision=revision,
        type=entry.type,
        status=entry.status,
        title=entry.title,
        content=text.content,
        summary=text.summary,
        url=entry.url,
        space=Space(**surroundings["space"]),
        parent_id=entry.parent_id,
        ancestors=tuple(Ancestor(**step) for step in surroundings["ancestors"]),
        container=Ancestor(**container) if container else None,
        labels=tuple(surroundings["labels"] or ()),
        created=entry.created,
        updated=entry.updated,
        creator=named(entry.creator, people),
        last_editor=named(entry.last_editor, people),
        source_version=entry.version,
        language=text.language or certain_language(text.content),
        media_type=entry.media_type,
        size_bytes=entry.size_bytes,
        outline=text.outline,
        links=text.links,
        properties={**(text.properties or {}), **_of_comment(entry)},
        outcome="metadata_only" if entry.type in TREE_TYPES else text.outcome,
        warnings=text.warnings,
        permissions=surroundings.get("permissions"),
        chunks=chunks(text.content, datasource.chunk_tokens, [*way, entry.title]) if datasource.chunk_tokens else None,
    )


def _of_comment(entry: Entry) -> dict[str, str]:
    """Return what only a comment has: where it stands, and of an inline one the text that it is about and how far that was settled."""
    found = {"location": entry.location, "resolution": entry.resolution, "selection": entry.selection}
    return {name: value for name, value in found.items() if value}
