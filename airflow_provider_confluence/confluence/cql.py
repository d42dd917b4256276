"""CQL text from values, so that nothing a person types can change what a query means."""

from __future__ import annotations

from collections.abc import Iterable

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quoted(value: str) -> str:
    """Return the value as one CQL string.

    CQL shares its lexer's shape with JQL: within double quotes a backslash escapes, and a raw line break ends the string. Control
    characters go as ``\\uXXXX``.
    """
    out = []
    for character in value:
        if character in '"\\':
            out.append("\\" + character)
        elif character in _NAMED:
            out.append(_NAMED[character])
        elif ord(character) < 32 or character in "\x7f\x85\u2028\u2029":
            out.append(f"\\u{ord(character):04x}")
        else:
            out.append(character)
    return '"' + "".join(out) + '"'


def in_list(values: Iterable[str]) -> str:
    """Return the values as a CQL list, ``("A", "B")``."""
    return "(" + ", ".join(quoted(value) for value in values) + ")"
