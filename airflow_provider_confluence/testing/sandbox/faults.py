"""What can go wrong with a Confluence, to be switched on for a while.

    sandbox.faults.add(Respond(429, retry_after=2, route="*/pages", times=3))

A fault stands between the request and the handler: it sees the request, may ask the handler, and returns the answer. To add one, write a
class with :meth:`Fault.apply` and put it into :data:`FAULTS`, which is what the admin route knows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from email.utils import format_datetime

from airflow_provider_confluence.testing.sandbox.fault import Answer, Fault, Faults
from airflow_provider_confluence.testing.sandbox.listing_faults import (
    EmptyListing,
    EmptyNext,
    EndlessNext,
    RepeatedCursor,
    ShortListing,
    SilentCap,
    WrongNextStart,
)
from airflow_provider_confluence.testing.sandbox.web import Request, Response, json_response, text_response


# ---------------------------------------------------------------------------------------- refusals
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


class TooManyIds(Fault):
    """Answers 413 to a request that names more ids than it can carry bodies for [R]; others pass.

    :param over: how many ids are still served.
    """

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


class MissingScope(Fault):
    """Answers 401 as the gateway does to a token without the scope that a call needs [R: mark#917]."""

    def apply(self, _request: Request, _answer: Answer, /) -> Response:
        response = json_response({"code": 401, "message": "Unauthorized; scope does not match"}, 401)
        response.headers["X-Failure-Category"] = "FAILURE_CLIENT_SCOPE_CHECK"
        return response


class BurstLimit(Fault):
    """A rate limit that works: more than so many requests in so many seconds of real time answer 429.

    :param retry_after: what the refusals say; ``None`` sends no header.
    """

    def __init__(
        self,
        requests: int,
        *,
        seconds: float = 1.0,
        retry_after: float | None = 1,
        route: str = "*",
        times: int | None = None,
        after: int = 0,
    ) -> None:
        super().__init__(route=route, times=times, after=after)
        self.requests = requests
        self.seconds = seconds
        self.retry_after = retry_after
        self.refused = 0
        """How many requests were refused so far."""
        self._served: list[float] = []
        self._lock = threading.Lock()

    def apply(self, request: Request, answer: Answer, /) -> Response:
        now = time.monotonic()
        with self._lock:
            self._served = [moment for moment in self._served if now - moment < self.seconds]
            served = len(self._served) < self.requests
            if served:
                self._served.append(now)
            else:
                self.refused += 1
        if served:
            return answer(request)
        response = text_response("", 429)
        response.headers["RateLimit-Reason"] = "confluence-burst-based"
        if self.retry_after is not None:
            response.headers["Retry-After"] = f"{self.retry_after:g}"
        return response


# ---------------------------------------------------------------------------------------- the connection
class DropConnection(Fault):
    """Closes the connection without an answer."""

    def apply(self, _request: Request, _answer: Answer, /) -> Response:
        response = Response(200)
        response.delivery.drop = True
        return response


class CutShort(Fault):
    """Closes the connection in the middle of the body, after the announced length was sent.

    :param after_bytes: how much of the body gets through.
    """

    def __init__(self, after_bytes: int = 100, *, route: str = "*", times: int | None = 1, after: int = 0) -> None:
        super().__init__(route=route, times=times, after=after)
        self.after_bytes = after_bytes

    def apply(self, request: Request, answer: Answer, /) -> Response:
        response = answer(request)
        response.delivery.cut_after_bytes = self.after_bytes
        return response


class Stall(Fault):
    """Holds the answer back: before it begins, or in the middle of the body.

    :param after_bytes: how much of the body is sent first; ``None`` sends nothing before the pause.
    """

    def __init__(
        self,
        seconds: float,
        *,
        after_bytes: int | None = None,
        route: str = "*",
        times: int | None = 1,
        after: int = 0,
    ) -> None:
        super().__init__(route=route, times=times, after=after)
        self.seconds = seconds
        self.after_bytes = after_bytes

    def apply(self, request: Request, answer: Answer, /) -> Response:
        response = answer(request)
        response.delivery.stall_seconds = self.seconds
        response.delivery.stall_after_bytes = self.after_bytes
        return response


# ---------------------------------------------------------------------------------------- headers
class RateLimitHeaders(Fault):
    """Adds to good answers what rate limiters send: Data Center's bucket with ``retry-after: 0`` [S], or Cloud's warning [S].

    :param near_limit: Cloud's ``X-RateLimit-NearLimit: true`` with its ISO 8601 reset, instead of Data Center's headers.
    """

    def __init__(self, *, near_limit: bool = False, route: str = "*", times: int | None = None, after: int = 0) -> None:
        super().__init__(route=route, times=times, after=after)
        self.near_limit = near_limit

    def apply(self, request: Request, answer: Answer, /) -> Response:
        response = answer(request)
        if self.near_limit:
            reset = datetime.now(timezone.utc).replace(microsecond=0).isoformat().replace("+00:00", "Z")
            response.headers |= {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "10", "X-RateLimit-Reset": reset}
            response.headers["X-RateLimit-NearLimit"] = "true"
        else:
            response.headers |= {"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "49", "retry-after": "0"}
            response.headers |= {"X-RateLimit-Interval-Seconds": "1", "X-RateLimit-FillRate": "10"}
        return response


# ---------------------------------------------------------------------------------------- anything else
class Tamper(Fault):
    """Lets a function change a good answer; for what has no fault of its own yet. Python only.

    :param change: gets the request and the answer, whose ``document`` and ``headers`` it may change in place.
    """

    def __init__(
        self,
        change: Callable[[Request, Response], None],
        *,
        route: str = "*",
        times: int | None = 1,
        after: int = 0,
    ) -> None:
        super().__init__(route=route, times=times, after=after)
        self.change = change

    def apply(self, request: Request, answer: Answer, /) -> Response:
        response = answer(request)
        self.change(request, response)
        return response


class During(Fault):
    """Calls a function before a request is answered: the wiki changes in the middle of a listing. Python only.

    :param act: called with the request, without the model's lock.
    """

    def __init__(
        self, act: Callable[[Request], None], *, route: str = "*", times: int | None = 1, after: int = 0
    ) -> None:
        super().__init__(route=route, times=times, after=after)
        self.act = act

    def apply(self, request: Request, answer: Answer, /) -> Response:
        self.act(request)
        return answer(request)


FAULTS: dict[str, type[Fault]] = {
    "respond": Respond,
    "login_page": LoginPage,
    "redirect_elsewhere": RedirectElsewhere,
    "too_many_ids": TooManyIds,
    "missing_scope": MissingScope,
    "burst_limit": BurstLimit,
    "drop_connection": DropConnection,
    "cut_short": CutShort,
    "stall": Stall,
    "rate_limit_headers": RateLimitHeaders,
    "repeated_cursor": RepeatedCursor,
    "empty_next": EmptyNext,
    "endless_next": EndlessNext,
    "silent_cap": SilentCap,
    "wrong_next_start": WrongNextStart,
    "short_listing": ShortListing,
    "empty_listing": EmptyListing,
}
"""Faults by the names under which the admin route knows them."""

__all__ = [
    "FAULTS",
    "Answer",
    "BurstLimit",
    "CutShort",
    "DropConnection",
    "During",
    "EmptyListing",
    "EmptyNext",
    "EndlessNext",
    "Fault",
    "Faults",
    "LoginPage",
    "MissingScope",
    "RateLimitHeaders",
    "RedirectElsewhere",
    "RepeatedCursor",
    "Respond",
    "ShortListing",
    "SilentCap",
    "Stall",
    "Tamper",
    "TooManyIds",
    "WrongNextStart",
]
