"""Confluence's storage format → :class:`~airflow_provider_confluence.content.model.Content`.

:func:`read` takes any text and never raises. What an element becomes is in :data:`_ELEMENTS`, at the end; what a macro becomes is in
:data:`~airflow_provider_confluence.content.macros.POLICY`. Elements that neither names are transparent: their text stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from airflow_provider_confluence.content import emoticons
from airflow_provider_confluence.content.building import (
    Node,
    add_stray,
    as_blocks,
    coded,
    inlines_of,
    is_block,
    literal,
    wrapped,
)
from airflow_provider_confluence.content.gathering import Gatherer
from airflow_provider_confluence.content.macros import POLICY, StorageMacro, handle_unknown
from airflow_provider_confluence.content.model import (
    PANEL_KINDS,
    AnchorReference,
    Block,
    Cell,
    CodeBlock,
    Content,
    Image,
    LineBreak,
    Link,
    List,
    ListItem,
    Panel,
    Paragraph,
    Quote,
    Reference,
    Rule,
    Styled,
    StyleKind,
    Table,
    UrlReference,
)
from airflow_provider_confluence.content.parsing import parse
from airflow_provider_confluence.content.references import find_reference
from airflow_provider_confluence.content.tables import (
    MAX_COLUMN_SPAN,
    MAX_ROW_SPAN,
    SpanningCell,
    grid,
    header_rows,
    span,
)

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_CHARS = 20_000_000
"""A longer body is cut here, with a warning; Confluence's own limit is a quarter of it by default."""

# Python's recursion is bounded (1,000 frames, up to six to a level here, and the caller's own); real pages stay under 40 levels.
_MAX_DEPTH = 80


def read(body: str) -> Content:
    """Return what a body in storage format says. Pure; never raises; the same body gives an equal answer."""
    reader = _Reader()
    if len(body) > MAX_CHARS:
        reader.warn(f"cut={MAX_CHARS}")
        body = body[:MAX_CHARS]
    root, way = parse(body)
    if way != "xml":
        reader.warn(f"parser={way}")
    return reader.content(root)


class _Reader(Gatherer):
    """One walk over one body: the walker that macro handlers see, and what is gathered on the way."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def content(self, root: _Element) -> Content:
        """Return the whole, from the element that holds the body."""
        return self.gathered(as_blocks(self.nodes(root)))

    def nodes(self, element: _Element) -> list[Node]:
        """Return what the children of an element say, inlines and blocks as they come."""
        if not len(element):
            return [element.text] if element.text else []
        if self._depth >= _MAX_DEPTH:
            self.warn("too_deep")
            return [_flat(element)]
        self._depth += 1
        found: list[Node] = []
        if text := element.text:
            found.append(text)
        for child in element:
            tag: str = child.tag  # type: ignore[assignment]
            handler = _ELEMENTS.get(tag)
            if handler is None:
                # HTML names in capitals occur in bodies that were imported long ago.
                handler = _ELEMENTS.get(tag.lower(), _transparent)
            found.extend(handler(self, child))
            if tail := child.tail:
                found.append(tail)
        self._depth -= 1
        return found

    def blocks(self, element: _Element) -> tuple[Block, ...]:
        """Return what the children of an element say, as blocks."""
        return tuple(as_blocks(self.nodes(element)))


def _tag(element: _Element) -> str:
    return str(element.tag).lower()


def _handled(reader: _Reader, element: _Element) -> list[Node]:
    return _ELEMENTS.get(_tag(element), _transparent)(reader, element)


def _flat(element: _Element) -> str:
    """Return the words below an element without recursion: the last resort for markup too deep to mean anything."""
    from lxml.etree import iterwalk

    parts = [element.text or ""]
    walk = iterwalk(element, events=("start", "end"))
    for event, node in walk:
        if node is element:
            continue
        if event == "end":
            parts.append(node.tail or "")
        elif _tag(node) in _SILENT_TAGS or _is_wordless_macro(node):
            walk.skip_subtree()
        else:
            if _tag(node) not in _INLINE_TAGS:
                parts.append(" ")
            parts.append(node.text or "")
    return "".join(parts)


def _is_wordless_macro(element: _Element) -> bool:
    from airflow_provider_confluence.content.macros import REFERENCE_ONLY

    return element.tag == "{ac}structured-macro" and element.get("{ac}name") in ("html", "style", *REFERENCE_ONLY)


# ------------------------------------------------------------------------------------------ HTML
def _nothing(_reader: _Reader, _element: _Element) -> list[Node]:
    return []


def _transparent(reader: _Reader, element: _Element) -> list[Node]:
    return reader.nodes(element)


def _container(reader: _Reader, element: _Element) -> list[Node]:
    return [*as_blocks(reader.nodes(element))]


def _heading(level: int) -> Callable[[_Reader, _Element], list[Node]]:
    def handle(reader: _Reader, element: _Element) -> list[Node]:
        return [*as_blocks(reader.nodes(element), lambda inlines: reader.outline(level, inlines))]

    return handle


def _style(kind: StyleKind) -> Callable[[_Reader, _Element], list[Node]]:
    def handle(reader: _Reader, element: _Element) -> list[Node]:
        return wrapped(reader.nodes(element), lambda inlines: Styled(kind, inlines))

    return handle


def _code(reader: _Reader, element: _Element) -> list[Node]:
    return coded(reader.nodes(element))


def _pre(reader: _Reader, element: _Element) -> list[Node]:
    nodes = reader.nodes(element)
    text = literal(nodes)
    if text is not None:
        return [CodeBlock(text)] if text.strip() else []
    # A name or a picture within: the lines stay, as a paragraph.
    lines: list[Node] = []
    for node in nodes:
        if isinstance(node, str):
            for index, line in enumerate(node.split("\n")):
                lines.extend(([LineBreak()] if index else []) + [line])
        else:
            lines.append(node)
    return [*as_blocks(lines)]


def _line_break(_reader: _Reader, _element: _Element) -> list[Node]:
    return [LineBreak()]


def _rule(_reader: _Reader, _element: _Element) -> list[Node]:
    return [Rule()]


def _blockquote(reader: _Reader, element: _Element) -> list[Node]:
    blocks = reader.blocks(element)
    return [Quote(blocks)] if blocks else []


def _list(reader: _Reader, element: _Element) -> list[Node]:
    items: list[ListItem] = []
    add_stray(items, [element.text or ""])
    for child in element:
        if _tag(child) == "li":
            blocks = reader.blocks(child)
            if blocks:
                items.append(ListItem(blocks))
        else:
            add_stray(items, _handled(reader, child))
        add_stray(items, [child.tail or ""])
    start = element.get("start", "1").strip()
    number = int(start) if start.isascii() and start.isdigit() and len(start) < 8 else 1
    return [List(tuple(items), _tag(element) == "ol", number)] if items else []


_CELLS = ("td", "th")


def _table(reader: _Reader, element: _Element) -> list[Node]:
    rows: list[list[SpanningCell]] = []
    stray: list[Node] = []
    captions: list[Node] = []

    def sections(parent: _Element) -> None:
        stray.append(parent.text or "")
        for child in parent:
            tag = _tag(child)
            if tag == "tr":
                rows.append(_row(reader, child, stray))
            elif tag in ("thead", "tbody", "tfoot") and parent is element:
                sections(child)
            elif tag == "caption":
                captions.extend(reader.nodes(child))
            else:
                stray.extend(_handled(reader, child))
            stray.append(child.tail or "")

    sections(element)
    found: list[Node] = [*as_blocks(stray)]
    rows = [row for row in rows if row]
    if any(spanning.cell.blocks for row in rows for spanning in row):
        found.append(Table(grid(rows), header_rows(rows), inlines_of(captions)))
    else:
        found.extend(as_blocks(captions))
    return found


def _row(reader: _Reader, element: _Element, stray: list[Node]) -> list[SpanningCell]:
    found: list[SpanningCell] = []
    stray.append(element.text or "")
    for child in element:
        tag = child.tag if child.tag in _CELLS else _tag(child)
        if tag in _CELLS:
            columns, rows = span(child.get("colspan"), MAX_COLUMN_SPAN), span(child.get("rowspan"), MAX_ROW_SPAN)
            found.append(SpanningCell(Cell(reader.blocks(child), tag == "th"), columns, rows))
        else:
            stray.extend(_handled(reader, child))
        if tail := child.tail:
            stray.append(tail)
    return found


def _anchor_element(reader: _Reader, element: _Element) -> list[Node]:
    nodes = reader.nodes(element)
    url = (element.get("href") or "").strip()
    if not url:
        return nodes
    reference: Reference = AnchorReference(url[1:]) if url.startswith("#") else UrlReference(url)
    if not url.startswith("#"):
        reader.refer(reference)
    found = wrapped(nodes, lambda inlines: Link(reference, inlines))
    if any(isinstance(node, Link) or is_block(node) for node in found) or url.startswith("#"):
        return found
    return [*found, Link(reference)]


def _img(reader: _Reader, element: _Element) -> list[Node]:
    source = (element.get("src") or "").strip()
    alt, title = _one_line(element.get("alt")), _one_line(element.get("title"))
    if "emoticon" in (element.get("class") or ""):
        return [alt] if alt else []
    if not source or source.lower().startswith("data:"):
        return [Image(UrlReference(""), alt, title)] if alt or title else []
    reader.refer(UrlReference(source))
    return [Image(UrlReference(source), alt, title)]


def _time(reader: _Reader, element: _Element) -> list[Node]:
    nodes = reader.nodes(element)
    if any(is_block(node) or not isinstance(node, str) or node.strip() for node in nodes):
        return nodes
    instant = (element.get("datetime") or "").strip()
    return [instant] if instant else []


def _term(reader: _Reader, element: _Element) -> list[Node]:
    return [*as_blocks(reader.nodes(element), lambda inlines: Paragraph((Styled("strong", inlines),)))]


# ------------------------------------------------------------------------------------------ Confluence
def _macro(reader: _Reader, element: _Element) -> list[Node]:
    macro = StorageMacro((element.get("{ac}name") or "").strip(), element)
    return [*POLICY.get(macro.name, POLICY.get(macro.name.lower(), handle_unknown))(reader, macro)]


def _link(reader: _Reader, element: _Element) -> list[Node]:
    anchor = element.get("{ac}anchor") or None
    reference = find_reference(element, anchor)
    if reference is None and anchor is not None:
        reference = AnchorReference(anchor)
    nodes = reader.nodes(element)
    if reference is None:
        return nodes
    if not isinstance(reference, AnchorReference):
        reader.refer(reference)
    target = reference
    found = wrapped(nodes, lambda inlines: Link(target, inlines))
    if any(isinstance(node, Link) or is_block(node) for node in found):
        return found
    return [Link(reference)]


def _image(reader: _Reader, element: _Element) -> list[Node]:
    reference = find_reference(element)
    caption: list[Node] = []
    for child in element:
        if child.tag == "{ac}caption":
            caption.extend(reader.nodes(child))
    alt, title = _one_line(element.get("{ac}alt")), _one_line(element.get("{ac}title"))
    inlines = inlines_of(caption)
    if reference is None or (isinstance(reference, UrlReference) and reference.url.lower().startswith("data:")):
        return [Image(UrlReference(""), alt, title, inlines)] if alt or title or inlines else []
    reader.refer(reference)
    return [Image(reference, alt, title, inlines)]


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _task_list(reader: _Reader, element: _Element) -> list[Node]:
    items: list[ListItem] = []
    for child in element:
        if child.tag == "{ac}task":
            done = (child.findtext("{ac}task-status") or "").strip().lower() == "complete"
            nodes = [node for part in child.iterchildren("{ac}task-body") for node in reader.nodes(part)]
            if blocks := tuple(as_blocks(nodes)):
                items.append(ListItem(blocks, done))
        else:
            add_stray(items, _handled(reader, child))
    return [List(tuple(items))] if items else []


def _emoticon(_reader: _Reader, element: _Element) -> list[Node]:
    character = emoticons.character(
        name=element.get("{ac}name", ""),
        fallback=element.get("{ac}emoji-fallback", ""),
        shortname=element.get("{ac}emoji-shortname", ""),
        emoji_id=element.get("{ac}emoji-id", ""),
    )
    return [character] if character else []


def _adf_extension(reader: _Reader, element: _Element) -> list[Node]:
    """Take the content; the fallback says the same again, so it counts only where the content says nothing."""
    nodes = [node for child in element.iterchildren("{ac}adf-node", "{ac}adf-content") for node in _adf(reader, child)]
    if not as_blocks(nodes):
        nodes = [node for child in element.iterchildren("{ac}adf-fallback") for node in reader.nodes(child)]
    return [*as_blocks(nodes)] if nodes else []


def _adf(reader: _Reader, element: _Element) -> list[Node]:
    return _adf_node(reader, element) if element.tag == "{ac}adf-node" else reader.nodes(element)


def _adf_node(reader: _Reader, element: _Element) -> list[Node]:
    kind = element.get("type", "")
    if kind == "panel":
        blocks = reader.blocks(element)
        attributes = {
            child.get("key"): (child.text or "").strip() for child in element.iterchildren("{ac}adf-attribute")
        }
        name = attributes.get("panel-type") or "panel"
        return [Panel(name if name in PANEL_KINDS else "panel", "", blocks)] if blocks else []
    if kind == "decision-list":
        items = [ListItem(blocks) for child in element.iterchildren("{ac}adf-node") if (blocks := reader.blocks(child))]
        return [List(tuple(items))] if items else []
    return reader.nodes(element)


_INLINE = """
    a abbr b big bdi bdo cite code del dfn em font i ins kbd label mark q s samp small span strike strong sub sup time tt u var wbr
    {ac}link {ac}link-body {ac}plain-text-link-body {ac}inline-comment-marker
"""
_CONTAINERS = """
    p div section article header footer main aside nav center address figure figcaption dl dd details summary fieldset legend
    li td th tr thead tbody tfoot caption
    {ac}layout {ac}layout-section {ac}layout-cell {ac}rich-text-body {ac}adf-content {ac}task-body
"""
_SILENT = """
    script style colgroup col iframe x-iframe object embed {at}declarations {at}var {ac}parameter {ac}default-parameter
    {ac}placeholder {ac}adf-attribute {ac}adf-fallback {ac}adf-mark {ac}task-id {ac}task-uuid {ac}task-status
"""
_INLINE_TAGS, _SILENT_TAGS = frozenset(_INLINE.split()), frozenset(_SILENT.split())

_ELEMENTS: Mapping[str, Callable[[_Reader, _Element], list[Node]]] = {
    **dict.fromkeys(_CONTAINERS.split(), _container),
    **dict.fromkeys(_SILENT_TAGS, _nothing),
    **{f"h{level}": _heading(level) for level in range(1, 7)},
    "dt": _term,
    "br": _line_break,
    "hr": _rule,
    "strong": _style("strong"),
    "b": _style("strong"),
    "em": _style("em"),
    "i": _style("em"),
    "u": _style("u"),
    "ins": _style("u"),
    "s": _style("s"),
    "del": _style("s"),
    "strike": _style("s"),
    "sub": _style("sub"),
    "sup": _style("sup"),
    **dict.fromkeys(("code", "kbd", "samp", "tt"), _code),
    "pre": _pre,
    "blockquote": _blockquote,
    "ul": _list,
    "ol": _list,
    "table": _table,
    "a": _anchor_element,
    "img": _img,
    "time": _time,
    "{ac}structured-macro": _macro,
    "{ac}macro": _macro,
    "{ac}link": _link,
    "{ac}image": _image,
    "{ac}task-list": _task_list,
    "{ac}emoticon": _emoticon,
    "{ac}adf-extension": _adf_extension,
    "{ac}adf-node": _adf_node,
}
