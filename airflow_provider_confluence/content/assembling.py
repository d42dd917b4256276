"""Written inlines → one line of Markdown: where a mark may stand, and what must not meet."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_EXPONENT = re.compile(r"[+-−–]?\d+(?:[.,]\d+)?\Z")
# After these a label or a name stands apart; after an opening bracket or an @ it does not.
_ENDS = frozenset(":,;.!?)")
_AFTER_SPACE = frozenset(("", " ", "\n"))
_SIGNS = frozenset("*_~")
_EXPRESSION = re.compile(r"\w+(?:[-+/−]\w+)+\Z")


def raised(text: str) -> str:
    """Return a superscript: 10^6 must not become 106, while 1st and Foo™ read well without a sign."""
    bare = text.strip()
    if _EXPONENT.match(bare) or (len(bare) == 1 and bare.isalnum()):
        return "^" + text
    return f"^({bare})" if _EXPRESSION.match(bare) else text


def edges(text: str) -> tuple[str, str, str]:
    """Return leading white space, the rest, trailing white space."""
    rest = text.lstrip(" \n")
    kept = rest.rstrip(" \n")
    trail = rest[len(kept) :]
    # A mark will stand where the space was, and a lone backslash would take it for text.
    if trail and (len(kept) - len(kept.rstrip("\\"))) % 2:
        kept += "\\"
    return text[: len(text) - len(rest)], kept, trail


def assembled(pieces: Sequence[tuple[str, str, bool]]) -> str:
    """Join the pieces; a mark that Markdown would not read as one where it stands is left out, for a stray star is worse.

    :param pieces: text, the mark to put around it, whether it is a word of its own; no text is empty.
    """
    out: list[str] = []
    before = ""
    for following, (text, mark, own_word) in enumerate(pieces, 1):
        if own_word:
            lead = " " if before and (before in _ENDS or before.isalnum()) else ""
            trail = " " if following < len(pieces) and pieces[following][0][0].isalnum() else ""
            text = f"{lead}{text}{trail}"
        if mark:
            text = _marked(text, mark, before, pieces, following)
        first = text[:1]
        if first == " ":
            if before in _AFTER_SPACE:
                text = text.lstrip(" ")
                if text[:1] == "\n":
                    text = "  " + text
        # What only meets here must not read as a link or a picture.
        elif first == "(" and before == "]":
            text = "\\" + text
        elif first == "[" and before == "!":
            out[-1] = out[-1][:-1] + "\\!"
        if text:
            out.append(text)
            before = text[-1]
    return "".join(out)


def _marked(text: str, mark: str, before: str, pieces: Sequence[tuple[str, str, bool]], following: int) -> str:
    """Return the text between its marks, or bare where they would be read as text."""
    after = ""
    if following < len(pieces):
        neighbour, its_mark, _ = pieces[following]
        after = neighbour[0]
        if its_mark and after not in " \n":
            after = "*"
    lead = trail = ""
    if text[0] in " \n" or text[-1] in " \n\\":
        lead, text, trail = edges(text)
    if text and _flanks(lead[-1:] or before, text[0]) and _flanks(trail[:1] or after, text[-1]):
        return f"{lead}{mark}{text}{mark}{trail}"
    return lead + text + trail


def _flanks(outside: str, inside: str) -> bool:
    """Return whether a mark between these characters opens or closes, by CommonMark's rule of flanking runs."""
    if outside in _SIGNS:
        return False
    if inside.isalnum():
        return True
    if inside.isspace() or inside in _SIGNS:
        return False
    if not _is_punctuation(inside):
        return True
    return outside == "" or outside.isspace() or _is_punctuation(outside)


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"
