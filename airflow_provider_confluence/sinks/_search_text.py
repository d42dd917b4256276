"""Markdown as words to search and to show in a snippet: without addresses and marks, with everything a reader sees.

A link's address must not be searched: the titles in it would make every page that links to a page a hit for that page's title.
"""

from __future__ import annotations

import re

_FENCE = re.compile(r"^[ \t>]*(`{3,}|~{3,}).*$", re.MULTILINE)
_ADDRESS = r"\((?:<[^<>\n]*>|[^\s()]*(?:\([^\s()]*\)[^\s()]*)*)(?:\s+\"[^\"\n]*\")?\)"
_LINK = re.compile(r"!?\[((?:[^\[\]\\]|\\.)*)\]" + _ADDRESS)
_LINE_MARK = re.compile(
    r"^[ \t]*(?:>[ \t]?)*(?:#{1,6}[ \t]+|(?:[-*+]|\d+[.)])[ \t]+(?:\[[ xX]\][ \t]+)?)?", re.MULTILINE
)
_TABLE_RULE = re.compile(r"^[ \t]*\|?[ \t]*:?-{3,}:?[ \t]*(?:\|[ \t]*:?-{3,}:?[ \t]*)*\|?[ \t]*$", re.MULTILINE)
_ROW = re.compile(r"^[ \t]*\|(.*)\|[ \t]*$", re.MULTILINE)
_CELL_END = re.compile(r"(?<!\\)\|")
_EMPHASIS = re.compile(r"(?<!\\)(?:\*{1,3}|~~|`+)")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_BREAK = re.compile(r"<br>")


def search_text(markdown: str) -> str:
    """Return the words of a Markdown text. Code keeps its characters; time is linear in the length."""
    parts: list[str] = []
    position = 0
    fence: str | None = None
    for match in _FENCE.finditer(markdown):
        mark = match.group(1)
        if fence is not None and not (mark[0] == fence[0] and len(mark) >= len(fence)):
            continue
        between = markdown[position : match.start()]
        parts.append(between if fence is not None else _prose(between))
        fence = mark if fence is None else None
        position = match.end()
    rest = markdown[position:]
    parts.append(rest if fence is not None else _prose(rest))
    return "\n".join(part.strip("\n") for part in parts if part.strip())


def _prose(text: str) -> str:
    text = _LINE_MARK.sub("", _ROW.sub(_row, _TABLE_RULE.sub("", text)))
    text = _LINK.sub(r"\1", _LINK.sub(r"\1", text))  # twice: a picture may stand inside a link
    return _ESCAPE.sub(r"\1", _EMPHASIS.sub("", _BREAK.sub(" ", text)))


def _row(match: re.Match[str]) -> str:
    return " · ".join(cell.strip() for cell in _CELL_END.split(match.group(1)) if cell.strip())
