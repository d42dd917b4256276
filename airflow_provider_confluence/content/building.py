"""From a mixed run of inlines and blocks, as any element may hold, to proper blocks; used by every reader.

A reader walks an element into nodes. A paragraph that holds a panel, or a bold run that holds a list, is no special case: inlines gather
into paragraphs, blocks stand between them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, cast

from airflow_provider_confluence.content.model import (
    Block,
    Code,
    CodeBlock,
    Excerpt,
    Group,
    Heading,
    Image,
    Include,
    Inline,
    LineBreak,
    Link,
    List,
    ListItem,
    Panel,
    Paragraph,
    Quote,
    Rule,
    Status,
    Styled,
    Table,
)
from airflow_provider_confluence.content.plain import block_text

Node = Inline | Block

# The kinds of node that are blocks, and what is taken from both ends of a paragraph; readers with a way of their own need both.
BLOCKS = frozenset((Paragraph, Heading, CodeBlock, Quote, Panel, Group, Excerpt, Include, List, Table, Rule))
NODES = BLOCKS | {str, Styled, Code, Link, Image, Status, LineBreak}
_JOINING = frozenset((Styled, Code))
_ALONE = frozenset((Link, Image, Status))
_SPACES = re.compile("[ \t\r\n\f\v\u00a0]+")
_INVISIBLE = re.compile("[\u00ad\ufeff]")
EDGE = " \u200b"
# Longer text is gathered first and joined at once: piece by piece would be quadratic.
_MAX_JOINED = 1_000
_BREAK = LineBreak()


def is_block(node: Node) -> bool:
    """Return whether a node is a block."""
    return node.__class__ in BLOCKS


def as_blocks(nodes: Sequence[Node], make: Callable[[tuple[Inline, ...]], Block] = Paragraph) -> list[Block]:
    """Return the nodes as blocks: each run of inlines becomes what ``make`` makes of it, unless it is blank."""
    inlines = _as_they_come(nodes, True)
    if inlines is not None:  # the usual case: a paragraph of text and marks
        return [make(inlines)] if inlines else []
    if len(nodes) == 1 and nodes[0].__class__ in BLOCKS:
        return [nodes[0]]  # type: ignore[list-item]
    blocks: list[Block] = []
    run: list[Inline] = []
    for node in nodes:
        if node.__class__ in BLOCKS:
            if run:
                if inlines := collapsed(run):
                    blocks.append(make(inlines))
                run = []
            blocks.append(node)  # type: ignore[arg-type]
        elif run or not (isinstance(node, str) and node.isspace()):  # most text between blocks is a line feed
            run.append(node)  # type: ignore[arg-type]
    if run and (inlines := collapsed(run)):
        blocks.append(make(inlines))
    return blocks


def wrapped(nodes: Sequence[Node], make: Callable[[tuple[Inline, ...]], Inline]) -> list[Node]:
    """Put every run of inlines into an inline (a style, a link); blocks in between stay where they are."""
    if len(nodes) == 1 and isinstance(only := nodes[0], str):
        text = spaced(only)
        return [make((text,)) if text.strip(EDGE) else text]
    found: list[Node] = []
    run: list[Inline] = []

    def close() -> None:
        inlines = collapsed(run, trim=False)
        if all(isinstance(inline, str) and not inline.strip(EDGE) for inline in inlines):
            found.extend(inlines)
        else:
            found.append(make(inlines))
        run.clear()

    for node in nodes:
        if node.__class__ in BLOCKS:
            close()
            if isinstance(node, Paragraph):
                node = Paragraph((make(node.inlines),))
            elif isinstance(node, Heading):
                node = Heading(node.level, (make(node.inlines),))
            found.append(node)
        else:
            run.append(cast(Inline, node))
    close()
    return found


def coded(nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes with their text as code; links, pictures and breaks stay what they are, around or between it."""
    found: list[Node] = []
    text: list[str] = []

    def close() -> None:
        joined = spaced("".join(text))
        if joined.strip():
            found.append(Code(joined))
        elif joined:
            found.append(joined)
        text.clear()

    for node in nodes:
        if isinstance(node, str):
            text.append(node)
        elif isinstance(node, Code):
            text.append(node.text)
        elif isinstance(node, Styled) and all(child.__class__ is str for child in node.children):
            text.extend(cast("tuple[str, ...]", node.children))
        else:
            close()
            if isinstance(node, Link) and node.children:
                node = Link(node.reference, cast("tuple[Inline, ...]", tuple(coded(node.children))))
            elif isinstance(node, Styled):
                node = Styled(node.kind, cast("tuple[Inline, ...]", tuple(coded(node.children))))
            found.append(node)
    close()
    return found


def spaced(text: str) -> str:
    """Return the text with white space collapsed as a browser would, no-break spaces made plain, invisible marks taken out."""
    # What is printable holds no other white space than the plain space: one look at C speed for nearly every text there is.
    if text.isprintable() and "  " not in text:
        return text
    if "\u00a0" in text:  # by far the commonest of what is not
        text = text.replace("\u00a0", " ")
        if text.isprintable() and "  " not in text:
            return text
    return _SPACES.sub(" ", _INVISIBLE.sub("", text))


def collapsed(run: Sequence[Inline], *, trim: bool = True) -> tuple[Inline, ...]:
    """Return a run with neighbours joined and white space collapsed.

    :param trim: take white space and breaks from both ends, and white space from around breaks, as at the edges of a paragraph.
    """
    kept = _as_they_come(run, trim)
    return _collapsed_slowly(run, trim) if kept is None else kept


def _as_they_come(run: Sequence[Node], trim: bool) -> tuple[Inline, ...] | None:
    """Return the run collapsed where that needs one look at each node; ``None`` where a line breaks, neighbours join or a block stands."""
    before: type | None = None
    kept: list[Any] = []
    for node in run:
        kind = node.__class__
        if kind is str:
            if before is str:  # what a style without a sign leaves: its words beside those around it
                joined = kept[-1] + node
                if len(joined) > _MAX_JOINED:
                    return None
                kept[-1] = spaced(joined)
                continue
            if "  " in node or not node.isprintable():  # type: ignore[operator,union-attr]
                node = spaced(node)  # type: ignore[arg-type]
                if not node:
                    continue
        elif kind not in _ALONE and (kind is before or kind not in _JOINING):
            return None
        before = kind
        kept.append(node)
    if trim and kept:
        if before is str:
            kept[-1] = kept[-1].rstrip(EDGE)
            if not kept[-1]:
                kept.pop()
        if kept and kept[0].__class__ is str:
            kept[0] = kept[0].lstrip(EDGE)
            if not kept[0]:
                del kept[0]
    return tuple(kept)


def _collapsed_slowly(run: Sequence[Inline], trim: bool) -> tuple[Inline, ...]:
    """Do it where neighbours join or a line breaks; most runs have neither."""
    joined: list[Inline] = []
    same: list[Inline] = []
    # Neighbours are gathered first and joined at once: one by one would be quadratic in a long run of short pieces.
    for node in run:
        if same and not _joins(same[-1], node):
            joined.append(_one(same))
            same = []
        same.append(node)
    if same:
        joined.append(_one(same))
    return tuple(_trimmed(joined) if trim else [node for node in joined if node != ""])


def _joins(before: Inline, after: Inline) -> bool:
    if isinstance(after, Styled):
        return isinstance(before, Styled) and before.kind == after.kind
    return before.__class__ is after.__class__ and isinstance(after, (str, Code))


def _one(same: list[Inline]) -> Inline:
    """Return neighbours of one kind as one node; a single one that cannot be joined is itself."""
    first = same[0]
    if isinstance(first, str):
        return spaced(first if len(same) == 1 else "".join(cast("list[str]", same)))
    if len(same) == 1:
        return first
    if isinstance(first, Styled):
        return Styled(
            first.kind, collapsed([child for node in same for child in cast(Styled, node).children], trim=False)
        )
    return Code("".join(cast(Code, node).text for node in same))


def _trimmed(nodes: list[Inline]) -> list[Inline]:
    kept: list[Inline] = []
    last = len(nodes) - 1
    after_break = True
    for index, node in enumerate(nodes):
        if isinstance(node, str):
            if after_break:
                node = node.lstrip(EDGE)
            if index == last or nodes[index + 1].__class__ is LineBreak:
                node = node.rstrip(EDGE)
            if node:
                kept.append(node)
                after_break = False
        elif node.__class__ is LineBreak:
            if kept:
                kept.append(node)
            after_break = True
        else:
            kept.append(node)
            after_break = False
    while kept and kept[-1].__class__ is LineBreak:
        kept.pop()
    return kept


def inlines_of(nodes: Sequence[Node]) -> tuple[Inline, ...]:
    """Return the nodes as one run of inlines: blocks give their text, with a break between them."""
    found: list[Inline] = []
    for block in as_blocks(nodes):
        if found:
            found.append(_BREAK)
        if isinstance(block, (Paragraph, Heading)):
            found.extend(block.inlines)
        else:
            found.append(block_text((block,)))
    return collapsed(found)


def literal(nodes: Sequence[Node]) -> str | None:
    """Return the nodes as text to the character, or ``None`` where they hold more than text (a picture, a name to be looked up)."""
    parts: list[str] = []
    for node in nodes:
        if isinstance(node, str):
            parts.append(node)
        elif isinstance(node, LineBreak):
            parts.append("\n")
        elif isinstance(node, Code):
            parts.append(node.text)
        elif isinstance(node, Status):
            parts.append(node.title)
        elif isinstance(node, (Styled, Link)) and node.children:
            inner = literal(node.children)
            if inner is None:
                return None
            parts.append(inner)
        else:
            return None
    return "".join(parts)


def add_stray(items: list[ListItem], nodes: list[Node]) -> None:
    """Hang what stands between the items (above all a nested list outside any item) on the item before it."""
    blocks = tuple(as_blocks(nodes))
    if not blocks:
        return
    if items and all(isinstance(block, List) for block in blocks):
        items[-1] = ListItem(items[-1].blocks + blocks, items[-1].checked)
    else:
        items.append(ListItem(blocks))
