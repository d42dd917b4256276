"""The credential: which header proves who we are, and to which host alone it may be shown."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_confluence.errors import ConfigurationError

if TYPE_CHECKING:
    from requests import PreparedRequest

    from airflow_provider_confluence.confluence.client import ConnectionSettings

Origin = tuple[str, str, int]
"""Scheme, host and port: what the credential is bound to."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> Origin:
    """Return scheme, host and port of a URL, with the scheme's default port filled in."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS.get(scheme, 0)


def authorization(username: str | None, token: str | None) -> str | None:
    """Return the Authorization header's value: Basic with a user name, Bearer without, ``None`` without a token.

    Basic is the API token on Cloud and the password on Data Center; Bearer is a personal access token, or OAuth at the gateway.

    :raises ConfigurationError: for a user name without a token, and for control characters (a pasted line break) in either.
    """
    username = (username or "").strip()
    token = (token or "").strip()
    if not token:
        if username:
            raise ConfigurationError(
                "the connection has a user name but no token: put the API token into its password field"
            )
        return None
    # requests would refuse such a header, with the header in its message.
    if any(ord(character) < 32 or ord(character) == 127 for character in username + token):
        raise ConfigurationError("the user name or token holds a line break or control character: paste it anew")
    if username:
        return "Basic " + base64.b64encode(f"{username}:{token}".encode()).decode("ascii")
    if not token.isascii():
        raise ConfigurationError("the token holds characters outside ASCII: paste it anew")
    return f"Bearer {token}"


def fingerprint(settings: ConnectionSettings) -> str:
    """Return a digest that tells credentials apart and reveals none, for the table of gates."""
    parts = (settings.username, settings.token, settings.oauth_client_id, settings.client_cert)
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


class OriginAuth:
    """A requests auth object that adds the header to requests for one origin, and to no others.

    As ``session.auth`` it also keeps requests from looking into ``.netrc``.

    :param value: the header's value; a function is asked for it with each request, for tokens that change.
    """

    def __init__(self, origin: Origin, value: str | Callable[[], str] | None) -> None:
        self._origin = origin
        self._value = value

    @property
    def is_for_somebody(self) -> bool:
        """Whether there is a host at all to which it may show who we are."""
        return bool(self._origin[1])

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Return the request, with the header where it belongs and without where it does not."""
        if self._value is not None and origin_of(request.url or "") == self._origin:
            request.headers["Authorization"] = self._value() if callable(self._value) else self._value
        else:
            request.headers.pop("Authorization", None)
        return request

    def __eq__(self, other: Any) -> bool:
        """Compare by value, as requests' own auth objects do."""
        return isinstance(other, OriginAuth) and (self._origin, self._value) == (other._origin, other._value)

    def __hash__(self) -> int:
        """Return a hash in line with ``__eq__``."""
        return hash((self._origin, self._value))

    def __repr__(self) -> str:  # the token never reaches a log or a traceback
        return f"OriginAuth({'://'.join(self._origin[:2])}:{self._origin[2]}, …)"
