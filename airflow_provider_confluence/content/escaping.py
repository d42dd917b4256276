"""Text → Markdown that a CommonMark parser reads back as that text, with as few backslashes as that allows.

Readable text wins: a dot, a dash, a lone star or an underscore within a name means nothing to Markdown and stays as it is.
"""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import quote

# Every alternative begins with one plain character: only then does the search skip from candidate to candidate at C speed.
_SPECIAL = re.compile(r"\\\\*|``*|\*\**|__*|~~*|<|&(?=#?\w{1,40};)|\](?=\()")
_SPECIAL_IN_LABEL = re.compile(_SPECIAL.pattern + r"|\[|\]")
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_UNSURE_ENDS = frozenset("&<\\")
_LINE_START = re.compile(
    r"^(?:(?P<number>\d{1,9})(?=[.)](?:\s|$))"
    r"|(?=#{1,6}(?:\s|$)|[-+](?:\s|$)|>|[-=|:][-=|: \t]*$|\[[ xX]\](?:\s|$)|\[(?:[^\]\\\n]|\\.)+\]:))",
    re.MULTILINE,
)
LINE_STARTERS = frozenset("0123456789#-+>=|:[")
_RUN_OF_BACKTICKS = re.compile(r"`+")


def escaped(text: str, *, followed: bool = False, in_label: bool = False) -> str:
    """Return text as it must stand within a line.

    :param followed: something that is no text comes right after it.
    :param in_label: it is the text of a link or picture, where brackets count too.
    """
    # Eight looks at C speed cost half of one search for a set of characters, and most texts hold none of them.
    if (
        "_" in text
        or "*" in text
        or "&" in text
        or "<" in text
        or "]" in text
        or "`" in text
        or "~" in text
        or "\\" in text
        or (in_label and "[" in text)
    ):
        text = (_SPECIAL_IN_LABEL if in_label else _SPECIAL).sub(_escape, text)
    if followed and text[-1:] in _UNSURE_ENDS and not _is_escaped(text, len(text) - 1):
        text = f"{text[:-1]}\\{text[-1]}"
    return text


def _is_escaped(text: str, position: int) -> bool:
    before = text[:position]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _escape(match: re.Match[str]) -> str:
    run, text = match[0], match.string
    before = text[match.start() - 1] if match.start() else ""
    after = text[match.end()] if match.end() < len(text) else ""
    first = run[0]
    if first == "\\":
        # Only before punctuation does a backslash mean something; C:\Users stays.
        return run * 2 if len(run) > 1 or after in _PUNCTUATION else run
    if first == "<":
        return "\\<" if after.isalpha() or after in ("/", "!", "?") else "<"
    if first == "&":
        entity = text[match.start() : text.index(";", match.end()) + 1]
        return "\\&" if unescape(entity) != entity else "&"
    if first in "[]`":
        return "".join("\\" + character for character in run)
    if before.isspace() and after.isspace() and match.start() > 1:  # a space at the very start may go: a bullet
        return run
    if first == "_" and before.isalnum() and after.isalnum():
        return run
    if first == "~" and len(run) == 1 and before and after and text.count("~") == 1:
        return run
    return "".join("\\" + character for character in run)


def escaped_line_starts(text: str) -> str:
    """Return written inlines with a backslash wherever a line would otherwise begin a list, heading, quote or the like."""
    if "\n" not in text and text[:1] not in LINE_STARTERS:
        return text
    return _LINE_START.sub(lambda match: f"{match['number']}\\" if match["number"] else "\\", text)


def code_span(text: str) -> str:
    """Return code within a line, fenced by more backticks than it holds."""
    text = text.replace("\n", " ")
    if "`" not in text and text[:1] != " ":
        return f"`{text}`"
    fence = "`" * _shortest_free(text, 1)
    padding = " " if text[:1] == "`" or text[-1:] == "`" or (text[:1] == text[-1:] == " " and text.strip()) else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def fence_for(text: str) -> str:
    """Return a fence of backticks longer than every run of them in the text, and at least three."""
    if "```" not in text:
        return "```"
    return "`" * max((3, *(len(run) + 1 for run in _RUN_OF_BACKTICKS.findall(text))))


def _shortest_free(text: str, least: int) -> int:
    taken = {len(run) for run in _RUN_OF_BACKTICKS.findall(text)}
    while least in taken:
        least += 1
    return least


def destination(url: str) -> str:
    """Return a URL or file name as the target of a link, in angle brackets where it holds spaces or brackets."""
    # As in escaped(): looks at C speed, for nearly every URL there is. What is printable holds no other white space than the plain space.
    if (
        url.isprintable()
        and " " not in url
        and "(" not in url
        and ")" not in url
        and "<" not in url
        and ">" not in url
        and "\\" not in url
    ):
        return url
    url = re.sub(r"[\r\n\t]+", " ", url).strip()
    if re.search(r"[\s()<>\\]", url) is None:
        return url
    return "<" + url.replace("\\", "\\\\").replace("<", "\\<").replace(">", "\\>") + ">"


def anchored(url: str, anchor: str | None) -> str:
    """Return the URL with the place within the page added, where it has none yet."""
    return url if not anchor or "#" in url else f"{url}#{quote(anchor, safe='')}"
