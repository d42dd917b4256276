"""The token endpoint for OAuth 2.0 client credentials, which Atlassian has at ``auth.atlassian.com/oauth/token``."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import parse_qs

from airflow_provider_confluence.testing.sandbox.web import Request, Response, json_response

PATH = "/oauth/token"


class TokenEndpoint:
    """Gives a client bearer tokens that expire by the wiki's clock.

    :param lifetime: tells for how many seconds a new token is good.
    """

    def __init__(self, clock: Callable[[], datetime], lifetime: Callable[[], float]) -> None:
        self.client_id = secrets.token_urlsafe(12)
        self.client_secret = secrets.token_urlsafe(24)
        self.issued: list[str] = []
        """Every token that was given out, in that order."""
        self._clock = clock
        self._lifetime = lifetime
        self._good_until: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def handle(self, request: Request) -> Response:
        """Answer a request for a token; the body is a form, as RFC 6749 has it, or JSON [A]."""
        if request.method != "POST":
            return json_response({"error": "invalid_request"}, 405)
        try:
            if "json" in request.headers.get("content-type", ""):
                asked = {name: str(value) for name, value in json.loads(request.body).items()}
            else:
                asked = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        except (ValueError, AttributeError):
            return json_response({"error": "invalid_request"}, 400)
        if asked.get("grant_type") != "client_credentials":
            return json_response({"error": "unsupported_grant_type"}, 400)
        if (asked.get("client_id"), asked.get("client_secret")) != (self.client_id, self.client_secret):
            return json_response({"error": "access_denied", "error_description": "Unauthorized"}, 401)
        token, seconds = "ey" + secrets.token_urlsafe(32), self._lifetime()
        with self._lock:
            self.issued.append(token)
            self._good_until[token] = self._clock() + timedelta(seconds=seconds)
        return json_response({"access_token": token, "expires_in": seconds, "token_type": "Bearer"})

    def is_good(self, token: str) -> bool:
        """Say whether a token was given out here, is not revoked and has not expired."""
        with self._lock:
            until = self._good_until.get(token)
        return until is not None and self._clock() < until

    def revoke(self) -> None:
        """Make every token that was given out worthless; the client may get new ones."""
        with self._lock:
            self._good_until.clear()
