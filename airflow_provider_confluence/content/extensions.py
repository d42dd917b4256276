"""What the newer editor stores for things of its own that storage format has no element for: ``ac:adf-extension`` and what is in it.

The content and a fallback that says the same again stand beside each other; one of them is read.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from airflow_provider_confluence.content.building import Node, as_blocks
from airflow_provider_confluence.content.model import (
    PANEL_KINDS,
    Group,
    LineBreak,
    Link,
    List,
    ListItem,
    Panel,
    Reference,
    Rule,
    Status,
    UrlReference,
    UserReference,
)

if TYPE_CHECKING:
    from lxml.etree import _Element

    from airflow_provider_confluence.content.storage_format import Reader


def read_extension(reader: Reader, element: _Element, found: list[Node]) -> None:
    """Take the content; the fallback says the same again, so it counts only where the content says nothing."""
    nodes: list[Node] = []
    within_text = True
    for child in element.iterchildren("{ac}adf-node", "{ac}adf-content", "{ac}adf-leaf"):
        if child.tag == "{ac}adf-leaf":
            read_leaf(reader, child, nodes)
            continue
        within_text = False
        if child.tag == "{ac}adf-node":
            read_node(reader, child, nodes)
        else:
            nodes.extend(reader.nodes(child))
    if not as_blocks(nodes):
        within_text = False
        nodes = [node for child in element.iterchildren("{ac}adf-fallback") for node in reader.nodes(child)]
    found.extend(nodes if within_text else as_blocks(nodes))


def read_node(reader: Reader, element: _Element, found: list[Node]) -> None:
    """Read a node by its type; one of another type is its content."""
    kind = element.get("type", "")
    if kind == "panel":
        name = _attribute(element, "panel-type") or "panel"
        if blocks := reader.blocks(element):
            found.append(Panel(name if name in PANEL_KINDS else "panel", "", blocks))
    elif kind == "decision-list":
        items = [ListItem(blocks) for child in element.iterchildren("{ac}adf-node") if (blocks := reader.blocks(child))]
        if items:
            found.append(List(tuple(items)))
    elif kind in ("expand", "nested-expand"):
        title, blocks = _attribute(element, "title"), reader.blocks(element)
        if title:
            found.append(Group(title, blocks))
        else:
            found.extend(blocks)
    else:
        found.extend(reader.nodes(element))


def read_leaf(reader: Reader, element: _Element, found: list[Node]) -> None:
    """Read a leaf by its type; its words stand in attributes."""
    kind = element.get("type", "")
    text = _attribute(element, "text")
    if kind == "date":
        if day := _day(_attribute(element, "timestamp")):
            found.append(day)
    elif kind == "status" and text:
        found.append(Status(text))
    elif kind == "emoji":
        if character := text or _attribute(element, "short-name"):
            found.append(character)
    elif kind == "mention" and (account := _attribute(element, "id")):
        _link(reader, UserReference(account, "account"), found)
    elif kind in ("inline-card", "block-card", "embed-card") and (url := _attribute(element, "url")):
        _link(reader, UrlReference(url), found)
    elif kind == "hard-break":
        found.append(LineBreak())
    elif kind == "rule":
        found.append(Rule())
    else:
        found.extend(reader.nodes(element))


def _link(reader: Reader, reference: Reference, found: list[Node]) -> None:
    reader.refer(reference)
    found.append(Link(reference))


def _attribute(element: _Element, key: str) -> str:
    for child in element.iterchildren("{ac}adf-attribute"):
        if child.get("key") == key:
            return " ".join((child.text or "").split())
    return ""


def _day(timestamp: str) -> str:
    """Return the day of a time in milliseconds since 1970, which is how the editor writes dates."""
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 14:
        return ""
    return datetime.fromtimestamp(int(timestamp) / 1000, timezone.utc).strftime("%Y-%m-%d")
