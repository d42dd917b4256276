"""What becomes of every element: :data:`ELEMENTS`, at the end, a table of names, what a reader of the text gets, and the handler.

A handler gets the reader, the element, and the list of nodes to which it adds. This is the hot path of a conversion (a page has hundreds
of elements): a plain paragraph, item, cell or style has a short way of its own, and text is looked at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from airflow_provider_confluence.content import emoticons
from airflow_provider_confluence.content.building import (
    EDGE,
    Node,
    add_stray,
    as_blocks,
    coded,
    inlines_of,
    is_block,
    literal,
    spaced,
    wrapped,
)
from airflow_provider_confluence.content.extensions import read_extension, read_leaf, read_node
from airflow_provider_confluence.content.macros import POLICY, handle_own, handle_unknown
from airflow_provider_confluence.content.model import (
    AnchorReference,
    Block,
    Cell,
    Code,
    CodeBlock,
    Image,
    LineBreak,
    Link,
    List,
    ListItem,
    Paragraph,
    Quote,
    Reference,
    Rule,
    Styled,
    StyleKind,
    Table,
    UrlReference,
)
from airflow_provider_confluence.content.references import find_reference
from airflow_provider_confluence.content.storage_macro import StorageMacro
from airflow_provider_confluence.content.tables import (
    MAX_COLUMN_SPAN,
    MAX_ROW_SPAN,
    SpanningCell,
    grid,
    headed,
    header_rows,
    span,
)

if TYPE_CHECKING:
    from lxml.etree import _Element

    from airflow_provider_confluence.content.storage_format import Reader

Handle = Callable[["Reader", "_Element", "list[Node]"], None]

_BREAK = LineBreak()


class Row(NamedTuple):
    """One row of the policy: element names (``ac:link``), what they become, and how."""

    names: str
    becomes: str
    handle: Handle


def _tag(element: _Element) -> str:
    return str(element.tag).lower()


def _handled(reader: Reader, element: _Element) -> list[Node]:
    found: list[Node] = []
    HANDLERS.get(element.tag, reader.__class__.other)(reader, element, found)
    return found


# ------------------------------------------------------------------------------------------ text
def _nothing(_reader: Reader, _element: _Element, _found: list[Node]) -> None:
    return


def _dropped(reader: Reader, element: _Element, _found: list[Node]) -> None:
    """Leave out what is no text, and say so where there was any."""
    if len(element) or (element.text and not element.text.isspace()):
        reader.warn(f"dropped_element={_tag(element)}")


def _transparent(reader: Reader, element: _Element, found: list[Node]) -> None:
    if len(element):
        found.extend(reader.nodes(element))
    elif text := element.text:
        found.append(text)


def _container(reader: Reader, element: _Element, found: list[Node]) -> None:
    if len(element):
        found.extend(as_blocks(reader.nodes(element)))
    else:
        text = element.text
        if text and (text := spaced(text).strip(EDGE)):
            found.append(Paragraph((text,)))


def _heading(level: int) -> Handle:
    def handle(reader: Reader, element: _Element, found: list[Node]) -> None:
        found.extend(as_blocks(reader.nodes(element), lambda inlines: reader.outline(level, inlines)))

    return handle


def _style(kind: StyleKind) -> Handle:
    def handle(reader: Reader, element: _Element, found: list[Node]) -> None:
        if len(element):
            found.extend(wrapped(reader.nodes(element), lambda inlines: Styled(kind, inlines)))
        else:
            text = element.text
            if text:
                text = spaced(text)
                found.append(Styled(kind, (text,)) if text.strip(EDGE) else text)

    return handle


def _code(reader: Reader, element: _Element, found: list[Node]) -> None:
    if len(element):
        found.extend(coded(reader.nodes(element)))
    else:
        text = element.text
        if text and (text := spaced(text)):
            found.append(text if text.isspace() else Code(text))


def _pre(reader: Reader, element: _Element, found: list[Node]) -> None:
    nodes = reader.nodes(element)
    text = literal(nodes)
    if text is not None:
        if text.strip():
            found.append(CodeBlock(text))
        return
    # A name or a picture within: the lines stay, as a paragraph.
    lines: list[Node] = []
    for node in nodes:
        if isinstance(node, str):
            for index, line in enumerate(node.split("\n")):
                if index:
                    lines.append(_BREAK)
                lines.append(line)
        else:
            lines.append(node)
    found.extend(as_blocks(lines))


def _line_break(_reader: Reader, _element: _Element, found: list[Node]) -> None:
    found.append(_BREAK)


def _rule(_reader: Reader, _element: _Element, found: list[Node]) -> None:
    found.append(Rule())


def _blockquote(reader: Reader, element: _Element, found: list[Node]) -> None:
    if blocks := reader.blocks(element):
        found.append(Quote(blocks))


def _quotation(reader: Reader, element: _Element, found: list[Node]) -> None:
    nodes = reader.nodes(element)
    found.extend(("“", *nodes, "”") if nodes else nodes)


def _term(reader: Reader, element: _Element, found: list[Node]) -> None:
    found.extend(as_blocks(reader.nodes(element), lambda inlines: Paragraph((Styled("strong", inlines),))))


def _time(reader: Reader, element: _Element, found: list[Node]) -> None:
    nodes = reader.nodes(element)
    if any(is_block(node) or not isinstance(node, str) or node.strip() for node in nodes):
        found.extend(nodes)
    elif instant := (element.get("datetime") or "").strip():
        found.append(instant)


# ------------------------------------------------------------------------------------------ lists
def _list(reader: Reader, element: _Element, found: list[Node]) -> None:
    items: list[ListItem] = []
    text = element.text
    if text and not text.isspace():
        add_stray(items, [text])
    for child in element[:]:
        if child.tag == "li" or _tag(child) == "li":
            if blocks := reader.blocks(child):
                items.append(ListItem(blocks))
        else:
            add_stray(items, _handled(reader, child))
        text = child.tail
        if text and not text.isspace():
            add_stray(items, [text])
    if items:
        start = element.get("start")
        found.append(List(tuple(items), _tag(element) == "ol", 1 if start is None else _number(start.strip())))


def _number(start: str) -> int:
    return int(start) if start.isascii() and start.isdigit() and len(start) < 8 else 1


def _task_list(reader: Reader, element: _Element, found: list[Node]) -> None:
    items: list[ListItem] = []
    for child in element[:]:
        if child.tag == "{ac}task":
            done = False
            blocks: list[Block] = []
            for part in child[:]:
                if part.tag == "{ac}task-status":
                    done = (part.text or "").strip().lower() == "complete"
                elif part.tag != "{ac}task-id" and part.tag != "{ac}task-uuid":
                    more = reader.blocks(part) if part.tag == "{ac}task-body" else as_blocks(_handled(reader, part))
                    blocks.extend(more)
            if blocks:
                items.append(ListItem(tuple(blocks), done))
        else:
            add_stray(items, _handled(reader, child))
    if items:
        found.append(List(tuple(items)))


# ------------------------------------------------------------------------------------------ tables
_SECTIONS = frozenset(("thead", "tbody", "tfoot"))


def _table(reader: Reader, element: _Element, found: list[Node]) -> None:
    rows: list[list[Cell]] = []
    spans: dict[tuple[int, int], tuple[int, int]] = {}
    stray: list[Node] = []
    captions: list[Node] = []
    if text := element.text:
        stray.append(text)
    for child in element[:]:
        if child.tag in _SECTIONS or _tag(child) in _SECTIONS:
            if text := child.text:
                stray.append(text)
            for inner in child[:]:
                _part_of_table(reader, inner, rows, spans, stray, captions)
            if text := child.tail:
                stray.append(text)
        else:
            _part_of_table(reader, child, rows, spans, stray, captions)
    if stray:
        found.extend(as_blocks(stray))
    if not any(cell.blocks for row in rows for cell in row):
        found.extend(as_blocks(captions))
        return
    caption = inlines_of(captions) if captions else ()
    if spans:
        spread = [
            [SpanningCell(cell, *spans.get((number, position), (1, 1))) for position, cell in enumerate(row)]
            for number, row in enumerate(rows)
        ]
        found.append(Table(grid(spread), header_rows(spread), caption))
    else:
        found.append(Table(tuple(map(tuple, rows)), headed(rows), caption))


# (Not a function within _table that calls itself: that is a cycle, in which a table's cells would outlive their page.)
def _part_of_table(
    reader: Reader,
    element: _Element,
    rows: list[list[Cell]],
    spans: dict[tuple[int, int], tuple[int, int]],
    stray: list[Node],
    captions: list[Node],
) -> None:
    tag = element.tag
    if tag != "tr":
        tag = _tag(element)
    if tag == "tr":
        if row := _row(reader, element, stray, spans, len(rows)):
            rows.append(row)
    elif tag == "caption":
        captions.extend(reader.nodes(element))
    else:
        stray.extend(_handled(reader, element))
    if text := element.tail:
        stray.append(text)


def _row(
    reader: Reader, element: _Element, stray: list[Node], spans: dict[tuple[int, int], tuple[int, int]], number: int
) -> list[Cell]:
    """Return the cells of a row; the columns and rows of those that have attributes go to ``spans``, by row and position."""
    cells: list[Cell] = []
    if text := element.text:
        stray.append(text)
    for child in element[:]:
        tag = child.tag
        if tag != "td" and tag != "th":
            tag = _tag(child)
        if tag == "td" or tag == "th":
            if child.keys():
                columns, rows = span(child.get("colspan"), MAX_COLUMN_SPAN), span(child.get("rowspan"), MAX_ROW_SPAN)
                if columns > 1 or rows > 1:
                    spans[number, len(cells)] = columns, rows
            cells.append(Cell(reader.blocks(child), tag == "th"))
        else:
            stray.extend(_handled(reader, child))
        if text := child.tail:
            stray.append(text)
    return cells


# ------------------------------------------------------------------------------------------ links, pictures
def _anchor_element(reader: Reader, element: _Element, found: list[Node]) -> None:
    nodes = reader.nodes(element)
    url = (element.get("href") or "").strip()
    if not url:
        found.extend(nodes)
        return
    within = url.startswith("#")
    reference: Reference = AnchorReference(url[1:]) if within else UrlReference(url)
    if not within:
        reader.refer(reference)
    _add_link(reference, nodes, found, bare=not within)


def _link(reader: Reader, element: _Element, found: list[Node]) -> None:
    anchor = element.get("{ac}anchor") or None
    reference = find_reference(element, anchor)
    if reference is None and anchor is not None:
        reference = AnchorReference(anchor)
    nodes = reader.nodes(element)
    if reference is None:
        found.extend(nodes)
        return
    if not isinstance(reference, AnchorReference):
        reader.refer(reference)
    _add_link(reference, nodes, found, bare=True)


def _add_link(reference: Reference, nodes: list[Node], found: list[Node], *, bare: bool) -> None:
    """Add a link around what is in it, or a bare one where nothing is: its text is then what it leads to."""
    if not nodes:
        if bare:
            found.append(Link(reference))
        return
    if len(nodes) == 1 and isinstance(only := nodes[0], str):
        text = spaced(only)
        if text.strip(EDGE):
            found.append(Link(reference, (text,)))
            return
    linked = wrapped(nodes, lambda inlines: Link(reference, inlines))
    if not bare or any(isinstance(node, Link) or is_block(node) for node in linked):
        found.extend(linked)
    else:
        found.append(Link(reference))


def _one_line(text: str | None) -> str:
    return " ".join(text.split()) if text else ""


def _img(reader: Reader, element: _Element, found: list[Node]) -> None:
    source = (element.get("src") or "").strip()
    alt, title = _one_line(element.get("alt")), _one_line(element.get("title"))
    if "emoticon" in (element.get("class") or ""):
        if alt:
            found.append(alt)
        return
    if source.lower().startswith("data:"):
        source = ""
    if source:
        reader.refer(UrlReference(source))
    if source or alt or title:
        found.append(Image(UrlReference(source), alt, title))


def _image(reader: Reader, element: _Element, found: list[Node]) -> None:
    reference = find_reference(element)
    caption: list[Node] = []
    for child in element:
        if child.tag == "{ac}caption":
            caption.extend(reader.nodes(child))
    alt, title = _one_line(element.get("{ac}alt")), _one_line(element.get("{ac}title"))
    inlines = inlines_of(caption) if caption else ()
    if reference is None or (isinstance(reference, UrlReference) and reference.url.lower().startswith("data:")):
        if alt or title or inlines:
            found.append(Image(UrlReference(""), alt, title, inlines))
        return
    reader.refer(reference)
    found.append(Image(reference, alt, title, inlines))


def _embedded(reader: Reader, element: _Element, found: list[Node]) -> None:
    """Name what another site shows here, and keep the words for browsers that cannot show it."""
    url = (element.get("src") or element.get("data") or "").strip()
    if url and not url.lower().startswith("data:"):
        reader.refer(UrlReference(url))
        found.append(Link(UrlReference(url)))
    found.extend(reader.nodes(element))


def _emoticon(_reader: Reader, element: _Element, found: list[Node]) -> None:
    character = emoticons.character(
        name=element.get("{ac}name", ""),
        fallback=element.get("{ac}emoji-fallback", ""),
        shortname=element.get("{ac}emoji-shortname", ""),
        emoji_id=element.get("{ac}emoji-id", ""),
    )
    if character:
        found.append(character)


# ------------------------------------------------------------------------------------------ macros
def _macro(reader: Reader, element: _Element, found: list[Node]) -> None:
    macro = StorageMacro((element.get("{ac}name") or "").strip(), element)
    if reader.macros and (own := handle_own(reader, macro, reader.macros)) is not None:
        found.extend(own)
        return
    found.extend((POLICY.get(macro.name) or POLICY.get(macro.name.lower(), handle_unknown))(reader, macro))


# ------------------------------------------------------------------------------------------ the table
ELEMENTS: tuple[Row, ...] = (
    Row("p div address center", "a paragraph", _container),
    *(Row(f"h{level}", f"a heading of level {level}, listed in the outline", _heading(level)) for level in range(1, 7)),
    Row("section article header footer main aside nav figure figcaption form fieldset legend details summary",
        "its content, set apart from what is around it", _container),
    Row("ac:layout ac:layout-section ac:layout-cell", "its content, in reading order", _container),
    Row("br", "a forced new line; a space in a heading, `<br>` in a table", _line_break),
    Row("hr", "a line", _rule),
    Row("strong b", "**bold**", _style("strong")),
    Row("em i cite dfn var", "*italic*", _style("em")),
    Row("s del strike", "~~struck through~~", _style("s")),
    Row("u ins", "the words, not underlined", _style("u")),
    Row("sup", "`^` before numbers and terms (10^6, x^(n+1)), else the words (1st)", _style("sup")),
    Row("sub", "the words (H2O)", _style("sub")),
    Row("code kbd samp tt", "`code`", _code),
    Row("q", "the words in quotation marks", _quotation),
    Row("span font big small mark abbr acronym bdi bdo label wbr ruby rt rp rb button output data",
        "the words, without colour, size and font", _transparent),
    Row("pre", "a code block, to the character", _pre),
    Row("blockquote", "a quotation (`>`)", _blockquote),
    Row("ul ol", "a list, nested, numbered from its `start`", _list),
    Row("li dd", "an item; outside a list, a paragraph", _container),
    Row("dl", "paragraphs", _container),
    Row("dt", "a paragraph in bold", _term),
    Row("table", "a table; a spanning cell fills its first field and leaves the others empty; paragraphs in a cell are parted by `<br>`; a "
        "table within a cell is flattened, its fields parted by `/`; a table of one cell is its content", _table),
    Row("thead tbody tfoot tr td th caption", "its place in the table; outside one, a paragraph", _container),
    Row("colgroup col", "nothing: widths", _nothing),
    Row("a", "`[text](url)`; a bare URL stays bare, a smart link to a page gets the page's title", _anchor_element),
    Row("img", "`![alternative text](url)`; an emoticon's character", _img),
    Row("time", "the date: `2026-03-01`", _time),
    Row("iframe object embed video audio", "the URL of what is shown, and the words for those who cannot see it", _embedded),
    Row("title textarea select option optgroup noscript template svg math map", "the words", _transparent),
    Row("script style", "nothing, with the warning `dropped_element=<name>`", _dropped),
    Row("source track param area link meta base", "nothing: no words", _nothing),
    Row("ac:structured-macro ac:macro", "see the table of macros", _macro),
    Row("ac:rich-text-body", "its content", _container),
    Row("ac:plain-text-body", "its text", _transparent),
    Row("ac:parameter ac:default-parameter", "nothing: a setting of a macro, read by the macros that need it", _nothing),
    Row("ac:link", "`[text](url)`; without a text of its own the title, file name or display name it leads to", _link),
    Row("ac:link-body ac:plain-text-link-body ac:inline-comment-marker", "the words", _transparent),
    Row("ri:page ri:blog-post ri:content-entity ri:attachment ri:user ri:space ri:url ri:shortcut",
        "the target of the link, picture or macro around it", _nothing),
    Row("ac:image", "`![alternative text](target \"title\")`, the caption below in italics", _image),
    Row("ac:caption", "the caption of its image or table", _container),
    Row("ac:emoticon", "the character; `:name:` for those that a site made itself", _emoticon),
    Row("ac:task-list", "a list with `[ ]` and `[x]`", _task_list),
    Row("ac:task ac:task-body", "an item of it", _container),
    Row("ac:task-id ac:task-uuid ac:task-status", "nothing: the state is read by the list", _nothing),
    Row("ac:placeholder", "nothing: what the editor shows until somebody writes", _nothing),
    Row("at:declarations at:var", "nothing: the variables of a template", _nothing),
    Row("ac:adf-extension", "its content, or its fallback where there is no content, never both", read_extension),
    Row("ac:adf-node", "by its type: panels, decisions, expands; else its content", read_node),
    Row("ac:adf-leaf", "by its type: a date, emoji, mention, status or link; else its content", read_leaf),
    Row("ac:adf-content", "its content", _container),
    Row("ac:adf-fallback ac:adf-attribute ac:adf-mark", "nothing: said by the content, or a setting", _nothing),
)  # fmt: skip
"""The policy: every element that Confluence stores, in the order of the page that shows it."""


def _qualified(name: str) -> str:
    prefix, colon, local = name.partition(":")
    return f"{{{prefix}}}{local}" if colon else name


HANDLERS: Mapping[object, Handle] = {_qualified(name): row.handle for row in ELEMENTS for name in row.names.split()}
INLINE_TAGS = frozenset(
    name
    for name, handle in HANDLERS.items()
    if handle in (_transparent, _code, _anchor_element, _link, _quotation, _time)
) | frozenset(("strong", "b", "em", "i", "cite", "dfn", "var", "s", "del", "strike", "u", "ins", "sup", "sub"))
"""Elements that part no words."""
SILENT_TAGS = frozenset(name for name, handle in HANDLERS.items() if handle in (_nothing, _dropped))
"""Elements whose text is never a reader's."""
