"""What a secret looks like on its way, and addresses without the credentials in them: the one place that knows either.

Messages of this package are written without secrets; this is for what others write: Airflow masks in its logs what it is told to, and is
told every form here.
"""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import quote, quote_plus, unquote, urlsplit

_SHORTEST = 4  # characters; masking shorter ones would make logs unreadable, and they are guessed faster than read


def forms_of(secret: str, login: str = "") -> set[str]:
    """Return how a secret may be written: as it is, in URLs, in JSON, in Base64, and in the header of basic authentication.

    :param login: the user name that is sent beside it.
    """
    secret = secret.strip()
    if len(secret) < _SHORTEST:
        return set()
    plain = {secret, f"{login}:{secret}", f":{secret}"}
    forms = {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    for text in plain:
        data = text.encode("utf-8", "surrogatepass")
        forms |= {base64.b64encode(data).decode("ascii"), base64.urlsafe_b64encode(data).decode("ascii")}
    return forms | {written(form) for form in forms for written in (quote, quote_plus, _quoted_wholly)}


def forms_in(address: str) -> set[str]:
    """Return the forms of the password that an address holds before its host, as that of a proxy may; none where it holds none."""
    try:
        parts = urlsplit(address)
        password, login = parts.password or "", parts.username or ""
    except ValueError:
        return set()
    return forms_of(password) | forms_of(unquote(password), unquote(login))


def without_credentials(address: str) -> str:
    """Return an address for a message, shortened, and without what may be a password before an @ or a token in a query."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "", address
    place = re.sub(r"[?#].*", "?…", rest, flags=re.DOTALL)
    user, at, behind = place.rpartition("@")
    if at:
        place = behind if "/" not in user else "…"
    return f"{scheme}{separator}{place}"[:200]


def _quoted_wholly(text: str) -> str:
    return quote(text, safe="")
