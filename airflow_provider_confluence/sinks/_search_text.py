"""Markdown as words to search and to show in a snippet: without addresses and marks, with everything a reader sees.

A link's address must not be searched: the titles in it would make every page that links to a page a hit for that page's title.

What begins a line is looked for line by line, and expressions begin with a character that is searched for fast: one that may match anywhere
costs as much as indexing a quarter of the document.
"""

from __future__ import annotations

import re

_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})")
_ADDRESS = r"\((?:<[^<>\n]*>|[^\s()]*(?:\([^\s()]*\)[^\s()]*)*)(?:\s+\"[^\"\n]*\")?\)"
_LINK = re.compile(r"\[((?:[^\[\]\\]|\\.)*)\]" + _ADDRESS)
_LINE_MARK = re.compile(r"[ \t]*(?:>[ \t]?)*(?:#{1,6}[ \t]+|(?:[-*+]|\d+[.)])[ \t]+(?:\[[ xX]\][ \t]+)?)?")
_TABLE_RULE = re.compile(r"[ \t]*\|?[ \t]*:?-{3,}:?[ \t]*(?:\|[ \t]*:?-{3,}:?[ \t]*)*\|?[ \t]*")
_CELL_END = re.compile(r"(?<!\\)\|")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")


def search_text(markdown: str) -> str:
    """Return the words of a Markdown text. Code keeps its characters; time is linear in the length."""
    parts: list[str] = []
    lines: list[str] = []
    fence = ""
    for line in markdown.split("\n"):
        if not line or line[0].isalpha():  # most lines are
            lines.append(line)
            continue
        start = line.lstrip(" \t")[:1]
        match = _FENCE.match(line) if start and start in "`~>" else None
        if match is None or (fence and not (match[1][0] == fence[0] and len(match[1]) >= len(fence))):
            lines.append(line if fence else _line(line))
            continue
        parts.append("\n".join(lines) if fence else _inline("\n".join(lines)))
        lines, fence = [], "" if fence else match[1]
    parts.append("\n".join(lines) if fence else _inline("\n".join(lines)))
    return "\n".join(part.strip("\n") for part in parts if part.strip())


def _line(line: str) -> str:
    text = line.lstrip(" \t")
    if text.startswith(("|", ":", "-")):
        if "---" in text and _TABLE_RULE.fullmatch(text):
            return ""
        row = text.rstrip(" \t")
        if row[0] == row[-1] == "|" and len(row) > 1:
            inner = row[1:-1]
            cells = _CELL_END.split(inner) if "\\" in inner else inner.split("|")
            text = " · ".join([cell for cell in map(str.strip, cells) if cell])
    if text.startswith((">", "#", "-", "*", "+")) or text[:1].isdecimal():
        return _LINE_MARK.sub("", text, count=1)
    return text


def _inline(text: str) -> str:
    text = _unlinked(_unlinked(text)).replace("<br>", " ")  # twice: a picture may stand inside a link
    if "\\" not in text:
        return _unmarked(text)
    pieces = _ESCAPE.split(text)  # every other one is a character that was escaped
    pieces[::2] = map(_unmarked, pieces[::2])
    return "".join(pieces)


def _unmarked(text: str) -> str:
    return text.replace("~~", "").replace("*", "").replace("`", "")


def _unlinked(text: str) -> str:
    """Return the text with links and pictures replaced by the words in their brackets."""
    if "](" not in text:
        return text
    parts = []
    position = 0
    for link in _LINK.finditer(text):
        before = text[position : link.start()]
        parts += [before.removesuffix("!"), link[1]]
        position = link.end()
    return "".join([*parts, text[position:]])
