"""Rows of the first REST interface, which is Data Center's and of which Cloud keeps the search: people and comments."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from airflow_provider_confluence.confluence.paging import Row
from airflow_provider_confluence.confluence.reading import instant, objects, part, text_of, whole_number
from airflow_provider_confluence.documents import Entry, Person

COMMENTED = "version,container,ancestors,history,extensions.inlineProperties,extensions.resolution"
"""What :func:`comment` needs to be expanded."""


def person(row: Any) -> Person | None:
    """Return a person with the name that the row carries, or ``None`` where there is none."""
    if not isinstance(row, Mapping):
        return None
    key = row.get("userKey") or row.get("username") or row.get("accountId")
    return _known(str(key), text_or_none(row.get("displayName"))) if key else None


@lru_cache(maxsize=4096)
def _known(key: str, name: str | None) -> Person:
    # Hundreds of thousands of entries share a few people.
    return Person(key, name)


def comment(row: Row) -> Entry:
    """Return a comment. Its ``ancestors`` are the comments that it answers, the first of the thread first."""
    above = [step for step in objects(row.get("ancestors")) if step.get("type", "comment") == "comment"]
    container, location = part(row, "container", "id"), part(row, "extensions", "location")
    # A resolved one may be said to stand in a place of its own.
    inline = location in ("inline", "resolved")
    resolution = part(row, "extensions", "resolution", "status") or ("resolved" if location == "resolved" else None)
    return Entry(
        content_id=text_of(row, "id"),
        type="comment",
        status=str(row.get("status") or "current"),
        title=str(row.get("title") or ""),
        version=whole_number(part(row, "version", "number")) or 1,
        space_id="",
        parent_id=text_of(above[-1], "id") if above else None,
        parent_type="comment" if above else None,
        container_id=str(container) if container else None,
        created=instant(part(row, "history", "createdDate")),
        updated=instant(part(row, "version", "when")),
        creator=person(part(row, "history", "createdBy")),
        last_editor=person(part(row, "version", "by")),
        location="inline" if inline else "footer",
        selection=text_or_none(part(row, "extensions", "inlineProperties", "originalSelection")) if inline else None,
        resolution=text_or_none(resolution) if inline else None,
        resolved_at=instant(part(row, "extensions", "resolution", "lastModifiedDate")) if inline else None,
    )


def text_or_none(value: Any) -> str | None:
    """Return a value as text, or ``None`` where it is empty."""
    return str(value) if value else None
