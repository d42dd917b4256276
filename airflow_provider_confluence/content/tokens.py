"""How many tokens a text may cost a language model, estimated without any model's tokenizer.

A Latin character counts as a quarter of a token, one of another alphabet or script as a half, a Chinese, Japanese or Korean one, and an
emoji, as a whole. Providers state the quarter for English prose (Gemini API, "Understand and count tokens": "a token is equivalent to
about 4 characters"). It is an estimate and no bound: docs/content.md has what was measured.
"""

from __future__ import annotations

import re

QUARTERS = 4
"""Costs are whole numbers of quarters of a token, so that they add up exactly."""

_LATIN = re.compile("[\0-\u024f]+")
_WIDE = (
    "\u1100-\u11ff\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00010000-\U0010ffff"
)
_IS_WIDE = re.compile(f"[{_WIDE}]+")


def estimated_tokens(text: str) -> int:
    """Return the estimate for a text, rounded up."""
    return -(-cost(text) // QUARTERS)


def cost(text: str) -> int:
    """Return the estimate in quarters of a token; that of two texts put together is the sum of theirs."""
    if text.isascii():
        return len(text)
    others = _LATIN.sub("", text)
    wide = len(others) - len(_IS_WIDE.sub("", others))
    return len(text) + len(others) + 2 * wide


def reach(text: str, start: int, room: int) -> int:
    """Return how far from ``start`` a text goes for at most so many quarters of a token. Looks at ``room`` characters."""
    window = text[start : start + room]
    if window.isascii():
        return start + len(window)
    spent = 0
    for position, character in enumerate(window, start):
        spent += 1 if character < "\u0250" else 4 if _IS_WIDE.match(character) else 2
        if spent > room:
            return position
    return start + len(window)
