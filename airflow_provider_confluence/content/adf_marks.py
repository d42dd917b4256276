"""The marks upon ADF's text → nested inlines.

ADF lays marks flat upon each piece of text; a tree must nest them. The mark that goes on furthest stands outermost, so that bold text with
one italic word within stays one bold run. What becomes of every mark is in :data:`MARKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow_provider_confluence.content.adf_parsing import attributes, kind, name_for_warning, text_of
from airflow_provider_confluence.content.building import Node, is_block, wrapped
from airflow_provider_confluence.content.model import (
    AnchorReference,
    Link,
    PageReference,
    Reference,
    Styled,
    StyleKind,
    UrlReference,
)

Wrap = StyleKind | Reference
"""What goes around a run: a style, or a link to what is referred to."""
Run = tuple[tuple[Wrap, ...], list[Node]]
"""What one child says, and the marks upon it, at most one of a style and one link, the outermost first where both go equally far."""

_RANK: tuple[StyleKind, ...] = ("strong", "em", "s", "u", "sub", "sup")


def wraps(node: Mapping[str, Any], warn: Callable[[str], None]) -> tuple[Wrap, ...]:
    """Return what a node's marks put around it."""
    marks = node.get("marks")
    if not isinstance(marks, (list, tuple)) or not marks:
        return ()
    styles: set[Wrap] = set()
    link: Reference | None = None
    for mark in marks:
        original = attributes(mark).get("originalValue") if kind(mark).startswith("unsupported") else None
        if isinstance(original, dict):
            mark = original
        if kind(mark) not in MARKS:
            warn(f"unknown_mark={name_for_warning(mark)}")
            continue
        meaning = MARKS[kind(mark)]
        found = meaning(attributes(mark)) if meaning is not None else None
        if isinstance(found, str):
            styles.add(found)
        elif found is not None:
            link = link or found
    found_styles: tuple[Wrap, ...] = tuple(style for style in _RANK if style in styles)
    return (link, *found_styles) if link is not None else found_styles


def nested(runs: Sequence[Run], refer: Callable[[Reference], None]) -> list[Node]:
    """Return the runs with their marks around them. Linear in their number: a node has seven marks at most."""
    found: list[Node] = []
    at = 0
    while at < len(runs):
        marks, nodes = runs[at]
        if not marks:
            found.extend(nodes)
            at += 1
            continue
        outermost, end = marks[0], at
        for mark in marks:
            stop = at + 1
            while stop < len(runs) and mark in runs[stop][0]:
                stop += 1
            if stop > end:
                outermost, end = mark, stop
        inner = [(tuple(mark for mark in of if mark != outermost), said) for of, said in runs[at:end]]
        found.extend(_wrapped(outermost, inner, refer))
        at = end
    return found


def _wrapped(wrap: Wrap, inner: Sequence[Run], refer: Callable[[Reference], None]) -> list[Node]:
    if isinstance(wrap, str):
        return wrapped(nested(inner, refer), lambda inlines: Styled(wrap, inlines))
    anchor = isinstance(wrap, AnchorReference)
    if not anchor:
        refer(wrap)
    found = wrapped(nested(inner, refer), lambda inlines: Link(wrap, inlines))
    return found if anchor or any(isinstance(node, Link) or is_block(node) for node in found) else [*found, Link(wrap)]


# ------------------------------------------------------------------------------------------ what each mark means
def _subsup(attrs: Mapping[str, Any]) -> Wrap | None:
    where = attrs.get("type")
    return ("sub" if where == "sub" else "sup") if where in ("sub", "sup") else None


def _link(attrs: Mapping[str, Any]) -> Wrap | None:
    href = text_of(attrs.get("href")).strip()
    if href.startswith("#") and len(href) > 1:
        return AnchorReference(href[1:])
    if href and href != "#":
        return UrlReference(href)
    # A link to a page that does not exist, or not yet, has its title here only.
    target = attrs.get("__confluenceMetadata")
    title = text_of(target.get("contentTitle")) if isinstance(target, dict) else ""
    return PageReference(title, text_of(target.get("spaceKey")) or None) if title and isinstance(target, dict) else None


_Meaning = Callable[[Mapping[str, Any]], Wrap | None]


def _style(kind_: StyleKind) -> _Meaning:
    return lambda _attrs: kind_


MARKS: Mapping[str, _Meaning | None] = {
    "strong": _style("strong"),
    "em": _style("em"),
    "strike": _style("s"),
    "underline": _style("u"),
    "subsup": _subsup,
    "link": _link,
    # looks, places and notes: the words stay, and a text with the mark "code" is code by itself
    **dict.fromkeys(
        (
            "code",
            "textColor",
            "backgroundColor",
            "fontSize",
            "annotation",
            "confluenceInlineComment",
            "alignment",
            "indentation",
            "breakout",
            "border",
            "fragment",
            "dataConsumer",
            "typeAheadQuery",
            "unsupportedMark",
            "unsupportedNodeAttribute",
        )
    ),
}
"""What becomes of every mark: a style, a link, or ``None``, nothing."""
