"""Documents as JSON text that any store takes."""

from __future__ import annotations

import json


def encoded(value: object) -> str:
    """Return compact JSON of which every character can be encoded: a lone surrogate survives as an escape only.

    :raises TypeError: for what is no JSON. :raises ValueError: for NaN and infinities.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text
