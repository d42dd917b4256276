"""The walk over ADF: nodes to inlines and blocks by a table of handlers, bounded in depth and number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_confluence.content.adf_macros import EXTENSIONS, AdfMacro
from airflow_provider_confluence.content.adf_marks import Run, nested, wraps
from airflow_provider_confluence.content.adf_parsing import attributes, children, date_text, kind, text_of
from airflow_provider_confluence.content.building import Node, as_blocks
from airflow_provider_confluence.content.gathering import Gatherer
from airflow_provider_confluence.content.macros import REFERENCE_ONLY
from airflow_provider_confluence.content.macros import Handler as MacroHandler
from airflow_provider_confluence.content.model import Block

# Python's recursion is bounded (1,000 frames, up to six to a level here, and the caller's own); the schema itself allows far less.
MAX_DEPTH = 80
# Values handed over as such may hold the same part a thousand times over; the longest body, as JSON, has no room for more nodes that say
# anything (a text node takes 27 characters).
_MAX_NODES = 2_000_000
_WORDLESS = frozenset(("html", "style", *REFERENCE_ONLY))

Handler = Callable[["Reader", Mapping[str, Any]], list[Node]]


class Reader(Gatherer):
    """One walk over one body: the walker that macro handlers see, and what is gathered on the way.

    :param handlers: what becomes of every node.
    :param unknown: what becomes of the others.
    :param macros: the user's own handlers of macros.
    """

    def __init__(self, handlers: Mapping[str, Handler], unknown: Handler, macros: Mapping[str, MacroHandler]) -> None:
        super().__init__()
        self.macros = macros
        self._handlers = handlers
        self._unknown = unknown
        self.depth = 0
        self.in_line = False
        self._left = _MAX_NODES

    def nodes(self, node: Mapping[str, Any]) -> list[Node]:
        """Return what the children of a node say, inlines and blocks as they come."""
        inside = children(node)
        if not inside or not self._spend(len(inside)):
            return []
        if self.depth >= MAX_DEPTH:
            self.warn("too_deep")
            return [self._flat(node)]
        self.depth += 1
        runs: list[Run] = []
        marked = False
        for child in inside:
            if isinstance(child, dict):
                around = wraps(child, self.warn) if "marks" in child else ()
                marked = marked or bool(around)
                runs.append((around, self._handlers.get(kind(child), self._unknown)(self, child)))
            elif text := text_of(child):
                runs.append(((), [text]))
        self.depth -= 1
        return nested(runs, self.refer) if marked else [said for _, nodes in runs for said in nodes]

    def blocks(self, node: Mapping[str, Any]) -> list[Block]:
        """Return what the children of a node say, as blocks."""
        return as_blocks(self._within(node, in_line=False))

    def line(self, node: Mapping[str, Any]) -> list[Node]:
        """Return what the children of a node that holds running text say."""
        return self._within(node, in_line=True)

    def _within(self, node: Mapping[str, Any], *, in_line: bool) -> list[Node]:
        before, self.in_line = self.in_line, in_line
        found = self.nodes(node)
        self.in_line = before
        return found

    def _spend(self, nodes: int) -> bool:
        self._left -= nodes
        if self._left < 0:
            self.warn(f"cut_nodes={_MAX_NODES}")
        return self._left >= 0

    def _flat(self, node: Mapping[str, Any]) -> str:
        """Return the words below a node without recursion: the last resort for what is too deep to mean anything."""
        parts: list[str] = []
        waiting: list[Any] = list(reversed(children(node)))
        while waiting:
            child = waiting.pop()
            name = kind(child)
            if not isinstance(child, dict):
                parts.append(text_of(child))
            elif name == "text":
                parts.append(text_of(child.get("text")))
            elif name != "placeholder" and not (name in EXTENSIONS and AdfMacro(child).name in _WORDLESS):
                parts.append(f" {_own_words(name, child)} ")
                inside = children(child)
                if self._spend(len(inside)):
                    waiting.extend(reversed(inside))
        return "".join(parts)


def _own_words(name: str, node: Mapping[str, Any]) -> str:
    """Return the words that stand in a node's attributes, and not in its content."""
    attrs = attributes(node)
    if name == "date":
        return date_text(attrs)
    if name in EXTENSIONS:
        return f"{AdfMacro(node).parameter('title')} {AdfMacro(node).plain()}"
    return f"{text_of(attrs.get('text'))} {text_of(attrs.get('title'))}"
