"""ADF's pictures and files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_confluence.content.adf_parsing import (
    attributes,
    children,
    kind,
    one_line,
)
from airflow_provider_confluence.content.adf_reader import Reader
from airflow_provider_confluence.content.adf_text import link
from airflow_provider_confluence.content.building import Node, as_blocks, inlines_of
from airflow_provider_confluence.content.model import (
    AttachmentReference,
    ContentReference,
    Image,
    Link,
    Reference,
    UrlReference,
)


def media_single(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    caption: list[Node] = []
    others: list[Any] = []
    for child in children(node):
        if kind(child) == "caption" and isinstance(child, dict):
            caption.extend(reader.line(child))
        else:
            others.append(child)
    found = reader.nodes({"content": others})
    words = inlines_of(caption)
    for index, shown in enumerate(found if words else ()):
        picture = shown.children[0] if isinstance(shown, Link) and len(shown.children) == 1 else shown
        if isinstance(picture, Image):
            captioned = Image(picture.reference, picture.alt, picture.title, words)
            found[index] = Link(shown.reference, (captioned,)) if isinstance(shown, Link) else captioned
            return [*as_blocks(found)]
    return [*as_blocks([*found, *as_blocks(caption)])]


def media_group(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    found: list[Node] = []
    for child in children(node):
        file = _file(reader, child) if kind(child) == "media" and isinstance(child, dict) else None
        found.extend(as_blocks([file] if file is not None else reader.nodes({"content": [child]})))
    return found


def media(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    attrs = attributes(node)
    alt, reference = one_line(attrs.get("alt")), _media_reference(attrs)
    if reference is None:
        return [Image(UrlReference(""), alt)] if alt else []
    reader.refer(reference)
    return [Image(reference, alt)]


def media_inline(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    if attributes(node).get("type") == "image":
        return media(reader, node)
    file = _file(reader, node)
    return [file] if file is not None else []


def _file(reader: Reader, node: Mapping[str, Any]) -> Node | None:
    """Return a file that is shown as a card: a link by its name, or by what the author calls it."""
    attrs = attributes(node)
    reference, alt = _media_reference(attrs), one_line(attrs.get("alt"))
    if reference is None:
        return alt or None
    named = not isinstance(reference, AttachmentReference) or bool(reference.filename)
    return link(reader, reference, *([alt] if alt and not named else []))


def _media_reference(attrs: Mapping[str, Any]) -> Reference | None:
    """Return what a media node shows: a URL, or a file of the page that its collection names (``contentId-<id>``)."""
    url = one_line(attrs.get("url"))
    if url:
        return None if url.lower().startswith("data:") else UrlReference(url)
    file_id = one_line(attrs.get("id"))
    name = next((n for n in (one_line(attrs.get(key)) for key in ("__fileName", "fileName", "name")) if n), "")
    if not file_id and not name:
        return None
    page = one_line(attrs.get("collection")).removeprefix("contentId-")
    container = ContentReference(page) if page.isascii() and page.isdigit() else None
    return AttachmentReference(name, container, file_id or None)


def old_image(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    attrs = attributes(node)
    return media(reader, {"attrs": {"url": attrs.get("src"), "alt": attrs.get("alt") or attrs.get("title")}})
