"""Confluence's storage format → :class:`~airflow_provider_confluence.content.model.Content`.

:func:`read` takes any text and never raises. What an element becomes is in :mod:`.elements`, what a macro becomes in :mod:`.macros`; the
table of both is what ``docs/content.md`` shows. Elements that neither names are transparent: their text stays, and the warnings name them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow_provider_confluence.content.building import EDGE, Node, as_blocks, spaced
from airflow_provider_confluence.content.elements import HANDLERS, INLINE_TAGS, SILENT_TAGS
from airflow_provider_confluence.content.gathering import Gatherer
from airflow_provider_confluence.content.macros import REFERENCE_ONLY, Handler
from airflow_provider_confluence.content.model import Block, Content, Paragraph
from airflow_provider_confluence.content.parsing import parse, parse_html

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_CHARS = 20_000_000
"""A longer body is cut here, with a warning; Confluence's own limit is a quarter of it by default."""

_NO_MACROS: Mapping[str, Handler] = {}
# Python's recursion is bounded (1,000 frames, up to six to a level here, and the caller's own); real pages stay under 40 levels.
_MAX_DEPTH = 80


def read(body: str, macros: Mapping[str, Handler] | None = None) -> Content:
    """Return what a body in storage format says. Pure; never raises; the same body gives an equal answer.

    :param macros: own handlers by macro name; they win over the table. One that raises costs its macro and no more: the macro is then read
        as an unknown one is, with the warning ``macro_failed=<name>``.
    """
    reader = Reader(macros or _NO_MACROS)
    if len(body) > MAX_CHARS:
        reader.warn(f"cut={MAX_CHARS}")
        body = body[:MAX_CHARS]
    root, way = parse(body)
    if way != "xml":
        reader.warn(f"parser={way}")
    return reader.content(root)


def read_html(source: str, macros: Mapping[str, Handler]) -> Content:
    """Return what a piece of HTML within a body says, read as a browser would read it. Never raises."""
    # It is read in the middle of a body, which may stand deep in the stack itself.
    reader = Reader(macros, depth=_MAX_DEPTH - 20)
    root, way = parse_html(source)
    if way == "text":
        reader.warn("parser=text")
    return reader.content(root)


class Reader(Gatherer):
    """One walk over one body: the walker that handlers see, and what is gathered on the way."""

    def __init__(self, macros: Mapping[str, Handler], depth: int = 0) -> None:
        super().__init__()
        self.macros = macros
        """The user's own handlers."""
        self._depth = depth

    def content(self, root: _Element) -> Content:
        """Return the whole, from the element that holds the body."""
        return self.gathered(as_blocks(self.nodes(root)))

    def nodes(self, element: _Element) -> list[Node]:
        """Return what the children of an element say, inlines and blocks as they come."""
        text = element.text
        found: list[Node] = [text] if text else []
        # A slice makes all children at once, in C; iterating over an element makes them one by one and costs twice as much.
        children = element[:]
        if not children:
            return found
        depth = self._depth
        if depth >= _MAX_DEPTH:
            self.warn("too_deep")
            return [flat(element)]
        self._depth = depth + 1
        handler_of, other = HANDLERS.get, Reader.other
        for child in children:
            handler_of(child.tag, other)(self, child, found)
            text = child.tail
            if text:
                found.append(text)
        self._depth = depth
        return found

    def other(self, element: _Element, found: list[Node]) -> None:
        """Read an element that the table does not name as it is written."""
        tag = str(element.tag)
        # HTML names in capitals occur in bodies that were imported long ago; the lenient parser puts x- before those with a meaning to it.
        handler = HANDLERS.get(tag.lower().removeprefix("x-"))
        if handler is not None:
            handler(self, element, found)
            return
        self.warn(f"unknown_element={tag.replace('{', '').replace('}', ':')}")
        found.extend(self.nodes(element))

    def blocks(self, element: _Element) -> tuple[Block, ...]:
        """Return what the children of an element say, as blocks."""
        count = len(element)
        if count == 1 and (only := element[0]).tag == "p":
            # Nearly every cell and item holds one paragraph; it is read as if it were the whole.
            before, after = element.text, only.tail
            if (not before or before.isspace()) and (not after or after.isspace()):
                element = only
                count = len(element)
        if count:
            return tuple(as_blocks(self.nodes(element)))
        text = element.text
        if text and (text := spaced(text).strip(EDGE)):
            return (Paragraph((text,)),)
        return ()


def flat(element: _Element) -> str:
    """Return the words below an element without recursion: the last resort for markup too deep to mean anything."""
    from lxml.etree import iterwalk

    parts = [element.text or ""]
    walk = iterwalk(element, events=("start", "end"))
    for event, node in walk:
        if node is element:
            continue
        tag = str(node.tag).lower()
        if event == "end":
            parts.append(node.tail or "")
        elif tag in SILENT_TAGS or _is_wordless(node):
            walk.skip_subtree()
        else:
            if tag not in INLINE_TAGS:
                parts.append(" ")
            parts.append(node.text or "")
    return "".join(parts)


def _is_wordless(element: _Element) -> bool:
    return element.tag == "{ac}structured-macro" and element.get("{ac}name") in REFERENCE_ONLY
