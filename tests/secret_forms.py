"""How a secret may be written, for looking for it; written down anew here, so that it is not the package's own list."""

from __future__ import annotations

import json
from base64 import b64encode
from urllib.parse import quote, quote_plus


def ways_of_writing(secret: str, login: str = "") -> set[bytes]:
    """Return what to look for."""
    pairs = [text.encode() for text in (secret, f"{login}:{secret}", f":{secret}")]
    texts = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
    packed = {b64encode(pair) for pair in pairs}
    return {text.encode() for text in texts} | packed | {quote(each, safe="").encode() for each in packed}
