"""Text as SQLite's full-text index can take it: words of scripts that are written without spaces are set apart.

FTS5's ``unicode61`` tokenizer takes a run of letters as one word, so that 検索 inside a Japanese sentence would never be found. A U+200B
(zero width space, which it takes as a separator) between the characters makes each of them a word of its own, and a query for several of
them a phrase. No extension and no dictionary is needed, and one-character queries work.

Covered: Han, Hiragana, Katakana (half width too), Bopomofo, Hangul (it has spaces, but particles stick to the words), Thai, Lao, Khmer and
Myanmar, by syllable: a vowel sign or tone mark stays with its letter. Not covered: full width Latin (ＡＰＩ is not API), traditional
against simplified Han, Arabic and Hebrew with points against those without, stemming in any language.
"""

from __future__ import annotations

import re
import unicodedata

SEPARATOR = "\u200b"

ALONE = (
    "\u3005-\u3007\u3021-\u3029\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u3131-\u318e\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9d\uffa1-\uffdc\U00020000-\U0003ffff"
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd\u0ec0-\u0ec6\u0edc-\u0edf"
    "\u1000-\u102a\u103f\u1050-\u1055\u1780-\u17b3"
)
MARKS = "\u3099\u309a\uff9e\uff9f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u1056-\u1059\u17b4-\u17d3"
_HAS_ALONE = re.compile(f"[{ALONE}]")
# Before each such character that follows a word character, and between such a character (with its marks) and another script's word.
_GAP = re.compile(f"(?<=[\\w{MARKS}])(?=[{ALONE}])|(?<=[{ALONE}{MARKS}])(?=\\w)(?![{ALONE}{MARKS}])")
_SURROGATE = re.compile("[\ud800-\udfff]")
_QUERY_PART = re.compile(r'"([^"]*)"|([^\s"]+)')

_MAX_QUERY_CHARACTERS = 1_000


def searchable(text: str) -> str:
    """Return the text for the index: NFC, segmented, and without what SQLite cannot hold (NUL becomes a space, a lone surrogate U+FFFD)."""
    if not _is_latin(text):
        text = unicodedata.normalize("NFC", _SURROGATE.sub("\ufffd", text))
        if _HAS_ALONE.search(text):
            text = _GAP.sub(SEPARATOR, text)
    return text.replace("\0", " ")


def _is_latin(text: str) -> bool:
    """Whether the text is of Latin-1, where nothing is to be composed or set apart, which is found out fifty times as fast as otherwise."""
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def readable(text: str) -> str:
    """Return the text as people read it, without the separators that :func:`searchable` put in."""
    return text.replace(SEPARATOR, "")


def match_expression(query: str, *, prefix: bool) -> str:
    """Return the FTS5 expression for what somebody typed: every word must be there, "words in quotes" as a phrase. Never a syntax error.

    Text beyond 1,000 characters is left out. Empty where the query holds no word.

    :param prefix: the last word may be the beginning of one, for searching while typing.
    """
    text = searchable(query[:_MAX_QUERY_CHARACTERS])
    parts = [quoted or bare for quoted, bare in _QUERY_PART.findall(text)]
    words = [part for part in parts if any(_is_word(character) for character in part)]
    if not words:
        return ""
    # The parts hold no quotation mark, so none needs doubling: whatever else they hold is a string to FTS5.
    expression = " ".join(f'"{word}"' for word in words)
    # A word that was ended (by a space or a quotation mark) is whole.
    return f"{expression}*" if prefix and text.endswith(words[-1]) else expression


def _is_word(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LNM" or category == "Co"
