"""ADF as text, bytes or values → a tree of nodes, whatever the body is; and safe ways to look into a node.

ADF is JSON: ``{"type": "paragraph", "attrs": {…}, "marks": […], "content": […]}``. Nothing here trusts a type: what is not what it should
be counts as absent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from airflow_provider_confluence.content.storage_format import MAX_CHARS

Way = Literal["json", "text"]

# Words of a body that is no JSON after all: a node's text, and that of mentions, statuses and emoji, are values of this name.
_TEXT_VALUES = re.compile(r'"text"\s*:\s*("[^"\\]*(?:\\.[^"\\]*)*")', re.DOTALL)
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_MAX_DIGITS = 18
_NEVER = 10**18
_DAY = re.compile(r"\d{4}-\d\d-\d\d(?:T|\Z)")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def parse(body: object) -> tuple[list[Any], Way, bool]:
    """Return the nodes at the top of the body, the way by which it was read, and whether it was cut. Never raises.

    The root is no node of its own: ``doc`` gives its content.
    """
    cut = isinstance(body, (str, bytes, bytearray)) and len(body) > MAX_CHARS
    if isinstance(body, (bytes, bytearray)):
        body = bytes(body[:MAX_CHARS]).decode("utf-8-sig", "replace")
    for _ in range(2):  # Confluence hands ADF over as a string of JSON, which may have been wrapped once more
        if not isinstance(body, str):
            break
        text = body[:MAX_CHARS].lstrip("\ufeff")
        if not text.strip():
            return [], "json", cut
        try:
            body = json.loads(text, parse_int=_whole)
        except (ValueError, RecursionError):
            return _salvaged(text), "text", cut
    return _top(body), "json", cut


def _top(body: object) -> list[Any]:
    if isinstance(body, dict) and (body.get("type") == "doc" or ("type" not in body and "content" in body)):
        return list(children(body))
    return list(body) if isinstance(body, (list, tuple)) else [body]


def _whole(digits: str) -> int:
    """Return a number of the JSON; one that no attribute could mean, and that Python would refuse to read, is 0."""
    return int(digits) if len(digits) <= _MAX_DIGITS else 0


def _salvaged(text: str) -> list[Any]:
    if not text.lstrip().startswith(("{", "[", '"')):
        return [{"type": "paragraph", "content": [{"type": "text", "text": text}]}]
    found = []
    for literal in _TEXT_VALUES.findall(text):
        try:
            found.append(
                {"type": "paragraph", "content": [{"type": "text", "text": json.loads(literal, strict=False)}]}
            )
        except ValueError:  # an escape that JSON does not know
            found.append({"type": "paragraph", "content": [{"type": "text", "text": literal[1:-1]}]})
    return found


# ------------------------------------------------------------------------------------------ looking into a node
def children(node: Mapping[str, Any]) -> Sequence[Any]:
    """Return what a node holds; one child that is no list counts as one."""
    content = node.get("content")
    if isinstance(content, (list, tuple)):
        return content
    return [content] if isinstance(content, (dict, str)) else ()


def kind(node: object) -> str:
    """Return a node's or mark's type; empty where it has none."""
    found = node.get("type") if isinstance(node, dict) else None
    return found if isinstance(found, str) else ""


def name_for_warning(node: object) -> str:
    """Return a node's or mark's type as a warning may carry it: short, and of characters that no document chokes on."""
    return one_line(kind(node))[:60] or "untyped"


def attributes(node: object) -> Mapping[str, Any]:
    """Return a node's or mark's attributes."""
    found = node.get("attrs") if isinstance(node, dict) else None
    return found if isinstance(found, dict) else {}


def text_of(value: object) -> str:
    """Return a value as text, without the characters that no document may hold; what is no text or number is empty."""
    if isinstance(value, str):
        return value if value.isascii() and value.isprintable() else _NO_TEXT.sub("", value)
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""


def one_line(value: object) -> str:
    """Return a value as text in one line."""
    return " ".join(text_of(value).split())


def whole_number(value: object, default: int) -> int:
    """Return a value as a whole number, or the default."""
    text = one_line(value).removesuffix(".0")
    bare = text.removeprefix("-")
    return int(text) if bare.isascii() and bare.isdigit() and len(bare) <= _MAX_DIGITS else default


def date_text(attrs: Mapping[str, Any]) -> str:
    """Return the day that a timestamp in milliseconds falls on in UTC: the editor writes midnight UTC of the day that was picked."""
    milliseconds = whole_number(attrs.get("timestamp"), _NEVER)
    try:
        return (_EPOCH + timedelta(milliseconds=milliseconds)).date().isoformat()
    except OverflowError:  # no timestamp, or one of no year that a calendar has
        text = one_line(attrs.get("timestamp"))
        return text[:10] if _DAY.match(text) else ""
