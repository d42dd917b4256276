"""Written Markdown → its smallest blocks, with their places: what may be kept together, and what may be cut.

Lines are read as CommonMark reads them (block quotes, lists, headings, fenced code, paragraphs that go on lazily), with the tables of
GitHub's dialect, in one pass. HTML blocks and link definitions are read as text, code that is only indented too: nothing in this package
writes them, and an indented plain text is no code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

Kind = Literal["text", "heading", "code", "row", "header"]

# What is nested deeper is text of the block around it: the converter writes at most 80 levels, and time stays linear.
_DEEPEST = 100
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_FENCE = re.compile(r"(`{3,})[^`\r\n]*$|(~{3,})")
_ATX = re.compile(r"(#{1,6})(?:[ \t]|$)")
_SETEXT = re.compile(r"(=+|-+)[ \t]*$")
_BREAK = re.compile(r"(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_MARKER = re.compile(r"(?:[-+*]|(\d{1,9})[.)])(?=[ \t]|$)")
_DELIMITERS = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")


class Leaf(NamedTuple):
    """A block without blocks in it. Leaves follow one another without a gap; blank lines belong to the one before.

    ``header`` is a table's first row with the line below it, ``row`` any other. ``level`` is a heading's; only
    headings outside of quotes and lists are headings here.
    ``shared`` says how many of the lists, items, quotes and tables around it are also around the leaf before.
    """

    start: int
    end: int
    kind: Kind
    level: int
    shared: int


class _Container(NamedTuple):
    serial: int
    list_serial: int  # 0 for a quote
    marker: str
    width: int


def leaves(text: str) -> list[Leaf]:
    """Return the leaves of a Markdown text in order; none for a blank one."""
    return list(_Reader(text).leaves())


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._stack: list[_Container] = []
        self._serial = 0
        # The leaf that is being read: its kind ("" for none), start, and what lines may still join it.
        self._kind: Kind | Literal[""] = ""
        self._start = 0
        self._level = 0
        self._open: Literal["", "paragraph", "indented", "table", "fence"] = ""
        self._fence = ""
        self._last_line = 0
        self._last_text = ""
        self._path: tuple[int, ...] = ()
        self._path_before: tuple[int, ...] = ()
        self._table = 0
        self._bare_item = False  # the last line began an item and held nothing else: a blank line ends that item

    def leaves(self) -> Iterator[Leaf]:
        for match in _LINE.finditer(self._text):
            yield from self._line(match.start(), match[0])
        if self._kind:
            yield self._finished(len(self._text))

    # -------------------------------------------------------------------------------------- leaves
    def _finished(self, end: int) -> Leaf:
        before, path = self._path_before, self._path
        shared = 0
        for one, other in zip(before, path, strict=False):
            if one != other:
                break
            shared += 1
        self._path_before = path
        leaf = Leaf(self._start, end, self._kind or "text", self._level, shared)
        self._start, self._kind, self._level = end, "", 0
        return leaf

    def _begin(self, start: int, kind: Kind, table: int = 0) -> Iterator[Leaf]:
        if self._kind:
            yield self._finished(start)
        self._kind = kind
        path: list[int] = []
        for container in self._stack:
            if container.list_serial:
                path.append(container.list_serial)
            path.append(container.serial)
        if table:
            path.append(table)
        self._path = tuple(path)

    # -------------------------------------------------------------------------------------- lines
    def _line(self, start: int, whole: str) -> Iterator[Leaf]:
        line = whole.rstrip("\r\n")
        position, column = _skip(line, 0, 0)
        base = 0
        matched = 0
        for container in self._stack:
            blank = position == len(line)
            if not container.list_serial:
                if blank or column - base > 3 or line[position] != ">":
                    break
                position, column, base = _quoted(line, position, column)
            elif blank:
                if self._bare_item and container is self._stack[-1]:
                    break
            elif column - base >= container.width:
                base += container.width
            else:
                break
            matched += 1
        whole_match = matched == len(self._stack)
        if self._open == "fence":
            if whole_match:
                rest = line[position:].rstrip(" \t")
                closes = column - base <= 3 and len(rest) >= len(self._fence) and not rest.strip(self._fence[0])
                self._open = "" if closes and rest else "fence"
                return
            self._open = ""
        # Containers that begin on this line.
        depth = matched
        bare = False
        fresh = False
        while position < len(line) and column - base <= 3 and depth < _DEEPEST:
            if line[position] == ">":
                self._close(depth)
                self._push("", 0, None)
                position, column, base = _quoted(line, position, column)
            else:
                marker = None if _BREAK.match(line, position) else _MARKER.match(line, position)
                if marker is None:
                    break
                after, after_column = _skip(line, marker.end(), column + len(marker[0]))
                is_blank = after == len(line)
                in_paragraph = self._open == "paragraph" and depth == len(self._stack) and not fresh
                if in_paragraph and (is_blank or (marker[1] is not None and int(marker[1]) != 1)):
                    break
                spaces = after_column - column - len(marker[0])
                inner = len(marker[0]) + (1 if is_blank or spaces > 4 else spaces)
                sibling = self._stack[depth] if depth < len(self._stack) and not fresh else None
                self._close(depth)
                self._push(marker[0][-1], column - base + inner, sibling)
                base, position, column = column + inner, after, after_column
                bare = is_blank
            depth += 1
            fresh = True
        self._bare_item = bare
        if fresh:
            self._open = ""
            if position == len(line):
                yield from self._begin(start, "text")
        yield from self._leaf(start, line, position, column - base, matched=fresh or whole_match, depth=depth)

    def _close(self, depth: int) -> None:
        if len(self._stack) > depth:
            del self._stack[depth:]

    def _push(self, marker: str, width: int, sibling: _Container | None) -> None:
        self._serial += 2
        same = marker and sibling is not None and sibling.list_serial and sibling.marker == marker
        list_serial = (sibling.list_serial if same and sibling else self._serial - 1) if marker else 0
        self._stack.append(_Container(self._serial, list_serial, marker, width))

    def _leaf(self, start: int, line: str, position: int, indent: int, *, matched: bool, depth: int) -> Iterator[Leaf]:
        if position == len(line):
            if not matched:
                self._close(depth)
            self._open = ""
            return
        opened = self._open
        if indent > 3:
            if opened == "paragraph" or (opened == "indented" and matched):
                self._last_line, self._last_text = start, ""
                return
            self._close(depth)
            yield from self._begin(start, "text")
            self._open = "indented"
            return
        rest = line[position:]
        if fence := _FENCE.match(rest):
            self._close(depth)
            yield from self._begin(start, "code")
            self._open, self._fence = "fence", fence[1] or fence[2]
            return
        if heading := _ATX.match(rest):
            self._close(depth)
            yield from self._begin(start, "text" if self._stack else "heading")
            self._level = 0 if self._stack else len(heading[1])
            self._open = ""
            return
        if opened == "paragraph" and matched:
            if _DELIMITERS.match(rest) and ("|" in rest or ":" in rest or self._last_text[:1] == "|"):
                yield from self._table_begins()
                return
            if setext := _SETEXT.match(rest):
                if not self._stack:
                    self._kind, self._level = "heading", 1 if setext[1][0] == "=" else 2
                self._open = ""
                return
        if _BREAK.match(rest):
            self._close(depth)
            yield from self._begin(start, "text")
            self._open = ""
            return
        if opened == "table" and matched:
            yield from self._begin(start, "row", self._table)
            return
        if opened != "paragraph":
            self._close(depth)
            yield from self._begin(start, "text")
            self._open = "paragraph"
        self._last_line, self._last_text = start, rest

    def _table_begins(self) -> Iterator[Leaf]:
        """Make the last line of the paragraph the header of a table."""
        self._serial += 1
        self._table = self._serial
        if self._last_line > self._start and self._text[self._start : self._last_line].strip():
            yield from self._begin(self._last_line, "header", self._table)
        else:
            self._kind = "header"
            self._path = (*self._path, self._table)
        self._open = "table"


def _skip(line: str, position: int, column: int) -> tuple[int, int]:
    """Return the place of the next character that is no blank, and its column, with a tab stop every four columns."""
    while position < len(line) and line[position] in " \t":
        column += 4 - column % 4 if line[position] == "\t" else 1
        position += 1
    return position, column


def _quoted(line: str, position: int, column: int) -> tuple[int, int, int]:
    """Return where a line goes on after a ``>``, its column there, and the column from which indentation counts."""
    position, column = position + 1, column + 1
    base = column + 1 if line[position : position + 1] in (" ", "\t") and position < len(line) else column
    return *_skip(line, position, column), base
