"""OAuth 2.0 client credentials, as Atlassian gives them to service accounts: a client's id and secret for tokens of an hour.

Source: Atlassian Support, *Create OAuth 2.0 credential for service accounts*: a POST to ``auth.atlassian.com/oauth/token``, and a bearer
token at the gateway for 60 minutes. The fields of the body are those of RFC 6749 §4.4 as JSON, with the audience that Atlassian's other
grants name; what was not tried is whether the service needs the audience.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_provider_confluence.answers import SLOWEST_ANSWER, beginning, read_json, within
from airflow_provider_confluence.confluence.auth import fingerprint
from airflow_provider_confluence.errors import ContractError, CredentialsError

if TYPE_CHECKING:
    import requests

    from airflow_provider_confluence.confluence.client import ConnectionSettings

RENEWED_BEFORE_SECONDS = 300.0
TOKEN_URL = "https://auth.atlassian.com/oauth/token"  # noqa: S105 - an address
AUDIENCE = "api.atlassian.com"
MAX_ANSWER_BYTES = 256 * 1024


_kept: dict[tuple[int, str, str], tuple[str, float]] = {}
"""The tokens of this process with the time to renew each, by endpoint and client: all its connections share one."""
_MOST_KEPT = 64


class NoTokenError(Exception):
    """No access token just now; it may come another time."""


class ClientCredentials:
    """Gets access tokens and renews them before they expire. Safe for many threads: one of them asks, the others wait.

    :param open_session: returns a session without a credential.
    :param on_secret: is told each token before it is used, so that it can be masked in logs.
    :param clock: monotonic seconds.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        open_session: Callable[[], requests.Session],
        *,
        on_secret: Callable[[str], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._open_session = open_session
        self._on_secret = on_secret
        self._clock = clock
        self._url = settings.oauth_token_url or TOKEN_URL
        self._lock = threading.Lock()
        self._key = (os.getpid(), self._url, fingerprint(settings))

    def token(self, *, refused: str | None = None) -> str:
        """Return a token with some time left. 1 request where there is none, else none.

        :param refused: a token that Confluence does not take any more; another one is got in its place.
        :raises CredentialsError: where id and secret are refused.
        :raises NoTokenError: where nobody answers, which may be tried again.
        """
        with self._lock:
            token, renew_at = _kept.get(self._key, (None, 0.0))
            if token is None or token == refused or self._clock() >= renew_at:
                token, seconds = self._ask()
                while len(_kept) >= _MOST_KEPT:
                    _kept.pop(next(iter(_kept)), None)
                _kept[self._key] = (token, self._clock() + seconds - min(RENEWED_BEFORE_SECONDS, seconds / 2))
            return token

    def _ask(self) -> tuple[str, float]:
        import requests

        settings = self._settings
        where = f"POST {self._url}"
        body = {
            "grant_type": "client_credentials",
            "client_id": settings.oauth_client_id,
            "client_secret": settings.token,
            "audience": AUDIENCE,
        }
        try:
            with (
                within(SLOWEST_ANSWER * settings.timeout_seconds),
                self._open_session() as session,
                session.post(
                    self._url,
                    data=json.dumps(body).encode(),
                    headers={"Content-Type": "application/json", "Accept": "application/json"},
                    timeout=(10.0, settings.timeout_seconds),
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                status = response.status_code
                payload = beginning(response, MAX_ANSWER_BYTES)
        except requests.exceptions.RequestException as error:
            raise NoTokenError(f"{where} was not answered") from error
        if status in (400, 401, 403):
            raise CredentialsError(
                f"{where} refused the client ({status}); check the extra oauth_client_id and the client's secret in the password",
                status=status,
                reason="oauth_refused",
            )
        if status == 429 or status >= 500:
            raise NoTokenError(f"{where} answered {status}")
        try:
            answer = read_json(payload)
            token, seconds = answer["access_token"], float(answer.get("expires_in", 3600))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            token, seconds = None, 0.0
        if status != 200 or not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise ContractError(
                f"{where} answered {status} without an access token; is oauth_token_url the right address?",
                status=status,
            )
        if self._on_secret is not None:
            self._on_secret(token)
        return token, max(seconds, 1.0) if math.isfinite(seconds) else 1.0
