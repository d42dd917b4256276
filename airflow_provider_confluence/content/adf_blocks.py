"""ADF's blocks: paragraphs, headings, lists, tables, boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_confluence.content import emoticons
from airflow_provider_confluence.content.adf_parsing import (
    attributes,
    children,
    kind,
    one_line,
    text_of,
    whole_number,
)
from airflow_provider_confluence.content.adf_reader import MAX_DEPTH, Handler, Reader
from airflow_provider_confluence.content.building import Node, add_stray, as_blocks
from airflow_provider_confluence.content.macros import code_language
from airflow_provider_confluence.content.model import (
    PANEL_KINDS,
    Block,
    Cell,
    CodeBlock,
    Group,
    List,
    ListItem,
    Panel,
    Paragraph,
    Quote,
    Rule,
    Table,
)
from airflow_provider_confluence.content.tables import (
    MAX_COLUMN_SPAN,
    MAX_ROW_SPAN,
    SpanningCell,
    grid,
    header_rows,
    span,
)


def container(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    return [*reader.blocks(node)]


def paragraph(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    return [*as_blocks(reader.line(node))]


def heading(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    level = max(1, min(whole_number(attributes(node).get("level"), 1), 6))
    return [*as_blocks(reader.line(node), lambda inlines: reader.outline(level, inlines))]


def code_block(_reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    lines = ("\n" if kind(child) == "hardBreak" else _own_text(child) for child in children(node))
    text = "".join(lines)
    return [CodeBlock(text, code_language(one_line(attributes(node).get("language"))))] if text.strip() else []


def _own_text(node: object) -> str:
    return text_of(node.get("text")) if isinstance(node, dict) else text_of(node)


def quote(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    blocks = reader.blocks(node)
    return [Quote(tuple(blocks))] if blocks else []


def panel(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    attrs = attributes(node)
    name = one_line(attrs.get("panelType"))
    icon = emoticons.character(
        name="",
        fallback=one_line(attrs.get("panelIconText")),
        shortname=one_line(attrs.get("panelIcon")),
        emoji_id=one_line(attrs.get("panelIconId")),
    )
    blocks = reader.blocks(node)
    if name in PANEL_KINDS:
        return [Panel(name, "", tuple(blocks))] if blocks else []
    return [Panel("panel", icon, tuple(blocks))] if icon or blocks else []


def expand(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    title, blocks = one_line(attributes(node).get("title")), reader.blocks(node)
    return [Group(title, tuple(blocks))] if title else [*blocks]


def rule(_reader: Reader, _node: Mapping[str, Any]) -> list[Node]:
    return [Rule()]


def bodied_rule(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    return [Rule(), *reader.blocks(node)]


def plain_list(ordered: bool) -> Handler:
    def handle(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
        items = _items(reader, node, ("listItem",), reader.blocks)
        start = max(0, whole_number(attributes(node).get("order"), 1)) % 1_000_000_000 if ordered else 1
        return [List(tuple(items), ordered, start)] if items else []

    return handle


def task_list(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    items = _items(reader, node, _TASKS, lambda item: as_blocks(_item_nodes(reader, item)))
    return [List(tuple(items))] if items else []


def decision_list(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    items = _items(reader, node, ("decisionItem",), lambda item: as_blocks(reader.line(item)))
    return [List(tuple(items))] if items else []


def _item_nodes(reader: Reader, item: Mapping[str, Any]) -> list[Node]:
    return reader.line(item) if kind(item) == "taskItem" else [*reader.blocks(item)]


_TASKS = ("taskItem", "blockTaskItem")


def _items(
    reader: Reader,
    node: Mapping[str, Any],
    kinds: tuple[str, ...],
    read_item: Callable[[Mapping[str, Any]], list[Block]],
) -> list[ListItem]:
    """Return the items of a list; a list that stands between them, as nested task lists do, hangs on the one before it."""
    found: list[ListItem] = []
    deep = reader.depth >= MAX_DEPTH
    for child in children(node):
        if not deep and kind(child) in kinds and isinstance(child, dict):
            reader.depth += 1
            blocks = tuple(read_item(child))
            reader.depth -= 1
            checked = attributes(child).get("state") == "DONE" if kind(child) in _TASKS else None
            if blocks:
                found.append(ListItem(blocks, checked))
        else:
            add_stray(found, reader.nodes({"content": [child]}))
    return found


def item(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    """An item outside any list is a list of one."""
    around = {"listItem": plain_list(ordered=False), "decisionItem": decision_list}
    return around.get(kind(node), task_list)(reader, {"content": [node]})


# ------------------------------------------------------------------------------------------ tables
_CELLS = ("tableCell", "tableHeader")


def table(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    rows: list[list[SpanningCell]] = []
    stray: list[Node] = []
    for child in children(node):
        if kind(child) == "tableRow" and isinstance(child, dict) and reader.depth < MAX_DEPTH:
            rows.append(_row(reader, child, stray))
        else:
            stray.extend(as_blocks(reader.nodes({"content": [child]})))
    found: list[Node] = [*as_blocks(stray)]
    rows = [row for row in rows if row]
    if any(spanning.cell.blocks for row in rows for spanning in row):
        if attributes(node).get("isNumberColumnEnabled") is True:
            rows = _numbered(rows)
        found.append(Table(grid(rows), header_rows(rows)))
    return found


def _row(reader: Reader, node: Mapping[str, Any], stray: list[Node]) -> list[SpanningCell]:
    found: list[SpanningCell] = []
    reader.depth += 1
    for child in children(node):
        if kind(child) in _CELLS and isinstance(child, dict):
            attrs = attributes(child)
            columns, rows = (
                span(one_line(attrs.get("colspan")), MAX_COLUMN_SPAN),
                span(one_line(attrs.get("rowspan")), MAX_ROW_SPAN),
            )
            found.append(SpanningCell(Cell(tuple(reader.blocks(child)), kind(child) == "tableHeader"), columns, rows))
        else:
            stray.extend(as_blocks(reader.nodes({"content": [child]})))
    reader.depth -= 1
    return found


def _numbered(rows: list[list[SpanningCell]]) -> list[list[SpanningCell]]:
    """Return the rows with the numbers before them that the editor shows: a header row at the top has none."""
    headed = all(spanning.cell.header for spanning in rows[0])
    numbers = [Cell(header=True)] if headed else []
    numbers.extend(Cell((Paragraph((str(number),)),)) for number in range(1, len(rows) + (0 if headed else 1)))
    return [[SpanningCell(number), *row] for number, row in zip(numbers, rows, strict=True)]
