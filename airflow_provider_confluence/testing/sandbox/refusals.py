"""What Confluence, or what stands before it, refuses: by status, by who asks, by how much is asked for."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any, Literal

from airflow_provider_confluence.testing.sandbox.fault import Answer, Fault
from airflow_provider_confluence.testing.sandbox.web import Request, Response, json_response, text_response

ErrorForm = Literal["localised", "html", "empty"]

_LOCALISED = {
    400: "Die Anfrage ist ungültig.",
    401: "この操作を行うには認証が必要です。",
    403: "Vous n’êtes pas autorisé à effectuer cette opération.",
    404: "Der angeforderte Inhalt wurde nicht gefunden.",
    429: "Превышено ограничение частоты запросов.",
}


class Respond(Fault):
    """Answers with a status, without asking the handler: 429, 5xx, a passing 404 or 403 [R].

    :param retry_after: seconds, an instant (sent as an HTTP date), or any text; ``None`` sends no header.
    :param headers: further headers, for example ``{"RateLimit-Reason": "confluence-burst-based"}``.
    :param text: the body; ``None`` sends none, as edge servers do.
    """

    def __init__(
        self,
        status: int,
        *,
        retry_after: float | datetime | str | None = None,
        headers: Mapping[str, str] | None = None,
        text: str | None = None,
        route: str = "*",
        times: int | None = 1,
        after: int = 0,
    ) -> None:
        super().__init__(route=route, times=times, after=after)
        self.status = status
        self.headers = dict(headers or {})
        self.text = text
        if isinstance(retry_after, datetime):
            self.headers["Retry-After"] = format_datetime(retry_after.astimezone(timezone.utc), usegmt=True)
        elif retry_after is not None:
            self.headers["Retry-After"] = f"{retry_after:g}" if isinstance(retry_after, (int, float)) else retry_after

    def apply(self, _request: Request, _answer: Answer, /) -> Response:
        response = text_response(self.text or "", self.status)
        response.headers |= self.headers
        return response

    @classmethod
    def drawn(cls, chance: random.Random) -> dict[str, Any]:
        status = chance.choice([400, 401, 403, 404, 413, 500, 502, 503, 504])
        drawn: dict[str, Any] = {"status": status, "times": chance.choice([1, 3, 6, 20]) if status >= 500 else 1}
        return drawn | ({"retry_after": chance.choice([0, 2, 20])} if status == 503 else {})


class PassingRefusal(Fault):
    """Answers 404 or 403 for what can be seen, as Cloud did under load for about a minute [R]: by the edge, not by Confluence.

    :param status: 404 or 403.
    """

    def __init__(self, status: int = 404, *, route: str = "*", times: int | None = 1, after: int = 0) -> None:
        super().__init__(route=route, times=times, after=after)
        self.status = status

    def apply(self, _request: Request, _answer: Answer, /) -> Response:
        response = text_response("<html><head><title>Error</title></head><body></body></html>", self.status)
        response.headers["X-Cache"] = "Error from cloudfront"
        return response

    @classmethod
    def drawn(cls, chance: random.Random) -> dict[str, Any]:
        return {"status": chance.choice([403, 404])}


class LoginPage(Fault):
    """Answers 200 with the HTML of a login page, as a proxy or single sign-on in front of Confluence does."""

    def apply(self, _request: Request, _answer: Answer, /) -> Response:
        return text_response("<!DOCTYPE html><html><head><title>Log in</title></head><body><form></form></body></html>")


class RedirectElsewhere(Fault):
    """Sends a call to another host with 302.

    :param location: where to; the default is a host that cannot exist.
    """

    def __init__(
        self,
        location: str = "https://login.example.invalid/sso",
        *,
        route: str = "*",
        times: int | None = 1,
        after: int = 0,
    ) -> None:
        super().__init__(route=route, times=times, after=after)
        self.location = location

    def apply(self, _request: Request, _answer: Answer, /) -> Response:
        return Response(302, headers={"Location": self.location, "Content-Type": "text/html"})


class MissingScope(Fault):
    """Answers 401 as the gateway does to a token without the scope that a call needs [R: mark#917]."""

    def apply(self, _request: Request, _answer: Answer, /) -> Response:
        response = json_response({"code": 401, "message": "Unauthorized; scope does not match"}, 401)
        response.headers["X-Failure-Category"] = "FAILURE_CLIENT_SCOPE_CHECK"
        return response


class CaptchaChallenge(Fault):
    """Refuses the credential until somebody has logged in by hand, as Data Center does after too many failures [S: KB]."""

    def apply(self, request: Request, _answer: Answer, /) -> Response:
        response = json_response(
            {"statusCode": 401, "message": "Client must be authenticated to access this resource."}, 401
        )
        response.headers["X-Seraph-LoginReason"] = "AUTHENTICATION_DENIED"
        login = f"{request.origin}/login.action"
        response.headers["X-Authentication-Denied-Reason"] = f"CAPTCHA_CHALLENGE; login-url={login}"
        return response


class ExpiredToken(Fault):
    """Takes the credential for a wrong one, as when a token expires in mid-run: answered as the edition and its readings have it."""

    drawn_times = (1, 3, None)

    def apply(self, request: Request, answer: Answer, /) -> Response:
        given = request.headers.get("authorization")
        if given is None:
            return answer(request)
        basic = given.lower().startswith("basic ")
        wrong = f"Basic {base64.b64encode(b'expired:expired').decode()}" if basic else "Bearer expired"
        return answer(replace(request, headers={**request.headers, "authorization": wrong}))


class ErrorBodies(Fault):
    """Gives refusals other bodies, and leaves good answers alone: only status and headers can be relied on.

    :param form: ``"localised"`` messages, as Data Center sends them; ``"html"``, as proxies do; or ``"empty"``.
    """

    drawn_times = (None,)

    def __init__(
        self, form: ErrorForm = "localised", *, route: str = "*", times: int | None = None, after: int = 0
    ) -> None:
        super().__init__(route=route, times=times, after=after)
        self.form = form

    def apply(self, request: Request, answer: Answer, /) -> Response:
        response = answer(request)
        if response.status < 400:
            return response
        if self.form == "localised":
            response.document = _localised(
                response.document, _LOCALISED.get(response.status, "Ein Fehler ist aufgetreten.")
            )
            return response
        page = "<!DOCTYPE html><html><head><title>Oops</title></head><body><h1>Oops</h1></body></html>"
        response.document, response.body = None, page.encode() if self.form == "html" else b""
        response.headers["Content-Type"] = "text/html;charset=UTF-8"
        return response

    @classmethod
    def drawn(cls, chance: random.Random) -> dict[str, Any]:
        return {"form": chance.choice(["localised", "html", "empty"])}


def _localised(value: Any, text: str) -> Any:
    if isinstance(value, dict):
        said = {name: text for name in ("message", "title", "reason", "detail") if isinstance(value.get(name), str)}
        return {name: _localised(part, text) for name, part in value.items()} | said
    return [_localised(part, text) for part in value] if isinstance(value, list) else value


# ---------------------------------------------------------------------------------------- how much
class TooManyIds(Fault):
    """Answers 413 to a request that names more ids than it can carry bodies for [R]; others pass.

    :param over: how many ids are still served.
    """

    drawn_times = (None,)

    def __init__(
        self, over: int, *, status: int = 413, route: str = "*", times: int | None = None, after: int = 0
    ) -> None:
        super().__init__(route=route, times=times, after=after)
        self.over = over
        self.status = status

    def matches(self, request: Request) -> bool:
        named = [id_ for name in ("id", "ids") for id_ in request.many(name)]
        return super().matches(request) and len(named) > self.over

    def apply(self, _request: Request, _answer: Answer, /) -> Response:
        return text_response("<html><body>Request Entity Too Large</body></html>", self.status)

    @classmethod
    def drawn(cls, chance: random.Random) -> dict[str, Any]:
        return {"over": chance.randint(1, 3), "status": chance.choice([413, 500, 504])}


class TooLarge(Fault):
    """Refuses answers whose body is larger than so many bytes: 413, 500 or 504 [R]; who asks for fewer rows is served.

    :param over_bytes: how large a body may be.
    """

    drawn_times = (None,)

    def __init__(
        self, over_bytes: int, *, status: int = 413, route: str = "*", times: int | None = None, after: int = 0
    ) -> None:
        super().__init__(route=route, times=times, after=after)
        self.over_bytes = over_bytes
        self.status = status

    def apply(self, request: Request, answer: Answer, /) -> Response:
        response = answer(request)
        if len(response.encode()) <= self.over_bytes:
            return response
        return text_response("<html><body>Error</body></html>", self.status)

    @classmethod
    def drawn(cls, chance: random.Random) -> dict[str, Any]:
        return {"over_bytes": chance.choice([2_000, 4_000, 20_000]), "status": chance.choice([413, 500, 504])}


class PoisonItem(Fault):
    """Fails every answer that would carry the body of one item, however few are asked for: a page that Confluence cannot write [R].

    :param content_id: the item; those of a sandbox count up from 65537.
    """

    drawn_times = (None,)

    def __init__(
        self, content_id: str, *, status: int = 500, route: str = "*", times: int | None = None, after: int = 0
    ) -> None:
        super().__init__(route=route, times=times, after=after)
        self.content_id = content_id
        self.status = status

    def apply(self, request: Request, answer: Answer, /) -> Response:
        response = answer(request)
        if self.content_id not in _with_bodies(response.document):
            return response
        return text_response("", self.status)

    @classmethod
    def drawn(cls, chance: random.Random) -> dict[str, Any]:
        return {"content_id": str(65_537 + chance.randint(0, 20)), "status": chance.choice([500, 504])}


def _with_bodies(document: Any) -> Iterator[str]:
    rows = document.get("results", [document]) if isinstance(document, dict) else []
    for row in rows:
        if isinstance(row, dict) and any(
            isinstance(part, dict) and "value" in part for part in row.get("body", {}).values()
        ):
            yield str(row["id"])
