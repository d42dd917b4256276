"""The ``ri:`` elements of storage format → references."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from airflow_provider_confluence.content.model import (
    AttachmentReference,
    BlogpostReference,
    ContentReference,
    PageReference,
    Reference,
    ShortcutReference,
    SpaceReference,
    UrlReference,
    UserReference,
)

if TYPE_CHECKING:
    from lxml.etree import _Element


def read_reference(element: _Element, anchor: str | None = None) -> Reference | None:
    """Return what a ``ri:`` element names; ``None`` for other elements, and for those that name nothing.

    :param anchor: the place within a page, which the surrounding link knows.
    """
    reader = _READERS.get(str(element.tag))
    return reader(element, anchor) if reader is not None else None


def find_reference(element: _Element, anchor: str | None = None) -> Reference | None:
    """Return what the first child that is a ``ri:`` element names."""
    for child in element[:]:
        reader = _READERS.get(child.tag)
        if reader is not None and (found := reader(child, anchor)) is not None:
            return found
    return None


def _page(element: _Element, anchor: str | None) -> Reference | None:
    title = element.get("{ri}content-title")
    return PageReference(title, element.get("{ri}space-key") or None, anchor) if title else None


def _blogpost(element: _Element, anchor: str | None) -> Reference | None:
    title = element.get("{ri}content-title")
    if not title:
        return None
    return BlogpostReference(title, element.get("{ri}posting-day", ""), element.get("{ri}space-key") or None, anchor)


def _content(element: _Element, anchor: str | None) -> Reference | None:
    content_id = element.get("{ri}content-id")
    return ContentReference(content_id, anchor) if content_id else None


def _attachment(element: _Element, _anchor: str | None) -> Reference | None:
    filename = element.get("{ri}filename")
    if not filename:
        return None
    container = find_reference(element)
    if isinstance(container, (PageReference, BlogpostReference, ContentReference)):
        return AttachmentReference(filename, container)
    return AttachmentReference(filename)


def _user(element: _Element, _anchor: str | None) -> Reference | None:
    if account := element.get("{ri}account-id"):
        return UserReference(account, "account")
    if key := element.get("{ri}userkey"):
        return UserReference(key, "key")
    if name := element.get("{ri}username"):
        return UserReference(name, "name")
    return None


def _url(element: _Element, _anchor: str | None) -> Reference | None:
    url = element.get("{ri}value")
    return UrlReference(url) if url else None


def _space(element: _Element, _anchor: str | None) -> Reference | None:
    key = element.get("{ri}space-key")
    return SpaceReference(key) if key else None


def _shortcut(element: _Element, _anchor: str | None) -> Reference | None:
    key, parameter = element.get("{ri}key"), element.get("{ri}parameter")
    return ShortcutReference(key or "", parameter) if parameter else None


_READERS: Mapping[object, Callable[[_Element, str | None], Reference | None]] = {
    "{ri}page": _page,
    "{ri}blog-post": _blogpost,
    "{ri}content-entity": _content,
    "{ri}attachment": _attachment,
    "{ri}user": _user,
    "{ri}url": _url,
    "{ri}space": _space,
    "{ri}shortcut": _shortcut,
}
