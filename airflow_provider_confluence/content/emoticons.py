"""The characters behind Confluence's emoticons."""

from __future__ import annotations

import re

# The names of the editor before emoji; "Confluence Storage Format", section Emoticons.
_OLD_NAMES = {
    "smile": "🙂",
    "sad": "🙁",
    "cheeky": "😛",
    "laugh": "😀",
    "wink": "😉",
    "thumbs-up": "👍",
    "thumbs-down": "👎",
    "information": "ℹ️",
    "tick": "✅",
    "cross": "❌",
    "warning": "⚠️",
    "plus": "➕",
    "minus": "➖",
    "question": "❓",
    "light-on": "💡",
    "light-off": "💡",
    "yellow-star": "⭐",
    "red-star": "⭐",
    "green-star": "⭐",
    "blue-star": "⭐",
    "heart": "❤️",
    "broken-heart": "💔",
}
_CODE_POINTS = re.compile(r"[0-9a-fA-F]{4,6}(?:-[0-9a-fA-F]{4,6})*\Z")


def character(*, name: str, fallback: str, shortname: str, emoji_id: str) -> str:
    """Return the character, or the ``:shortname:`` of an emoji that a site made itself, or nothing."""
    if fallback and not fallback.startswith(":"):
        return fallback
    if _CODE_POINTS.match(emoji_id):
        points = [int(point, 16) for point in emoji_id.split("-")]
        if all(0x20 < point < 0xD800 or 0xE000 <= point <= 0x10FFFF for point in points):
            return "".join(map(chr, points))
    # Cloud writes name="blue-star" on every emoji of the new kind, so the name counts only where nothing else is said.
    return fallback or shortname or _OLD_NAMES.get(name, "")
