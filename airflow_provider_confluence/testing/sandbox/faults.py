"""What can go wrong with a Confluence, to be switched on for a while.

    sandbox.faults.add(Respond(429, retry_after=2, route="*/pages", times=3))

A fault stands between the request and the handler: it sees the request, may ask the handler, and returns the answer. To add one, write a
class with :meth:`Fault.apply` and put it into :data:`FAULTS`, which is what the admin route knows.
"""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from airflow_provider_confluence.testing.sandbox.web import Request, Response, text_response

Answer = Callable[[Request], Response]


class Fault:
    """The base of all faults.

    :param route: a shell pattern over the undecoded path (``*/spaces/*/pages``), a method may stand before it (``POST */users-bulk``).
    :param times: for how many matching requests; ``None`` for all.
    :param after: how many matching requests to let pass first.
    """

    def __init__(self, *, route: str = "*", times: int | None = 1, after: int = 0) -> None:
        self.route = route
        self.times = times
        self.after = after
        self.struck = 0
        """How many requests it has struck so far."""

    def matches(self, request: Request) -> bool:
        """Say whether the fault concerns a request."""
        method, _, pattern = self.route.rpartition(" ")
        return method in ("", request.method) and fnmatch.fnmatchcase(request.path, pattern)

    def apply(self, request: Request, answer: Answer, /) -> Response:
        """Return the answer to a request that is struck."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}(route={self.route!r}, times={self.times}, struck={self.struck})"


class Faults:
    """The faults of a sandbox, in the order in which they were added; each request is struck by every one that matches."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, *faults: Fault) -> None:
        """Switch faults on."""
        with self._lock:
            self._faults += faults

    def remove(self, fault: Fault) -> None:
        """Switch a fault off."""
        with self._lock:
            self._faults.remove(fault)

    def clear(self) -> None:
        """Switch all faults off."""
        with self._lock:
            self._faults.clear()

    def __iter__(self) -> Any:
        with self._lock:
            return iter(list(self._faults))

    def around(self, request: Request, answer: Answer) -> Response:
        """Answer a request through all faults that strike it."""
        for fault in self._striking(request):
            answer = _bound(fault, answer)
        return answer(request)

    def _striking(self, request: Request) -> list[Fault]:
        struck = []
        with self._lock:
            for fault in self._faults:
                if not fault.matches(request):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                elif fault.times is None or fault.struck < fault.times:
                    fault.struck += 1
                    struck.append(fault)
        return struck


def _bound(fault: Fault, answer: Answer) -> Answer:
    def through(request: Request) -> Response:
        response = fault.apply(request, answer)
        response.faulted = True
        return response

    return through


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


# ---------------------------------------------------------------------------------------- listings that lie
class RepeatedCursor(Fault):
    """Gives back, as the next address, the one that was just read."""

    def apply(self, request: Request, answer: Answer, /) -> Response:
        response = answer(request)
        if next_of(response) is not None:
            set_next(response, next_base(request) + (f"?{request.raw_query}" if request.raw_query else ""))
            if isinstance(response.document, dict) and "nextCursor" in response.document:
                response.document["nextCursor"] = response.document.get("cursor")
        return response


class EmptyNext(Fault):
    """Gives a next address on the last page; what lies there is an empty list without a next [R]."""

    def __init__(self, *, route: str = "*", times: int | None = None, after: int = 0) -> None:
        super().__init__(route=route, times=times, after=after)

    def apply(self, request: Request, answer: Answer, /) -> Response:
        marked = request.one("cursor") == "content:false:9999999999" or request.one("cursor") == _EMPTY
        response = answer(_without_cursor(request)) if marked else answer(request)
        document = response.document
        if not isinstance(document, dict) or "results" not in document:
            return response
        if marked or (request.one("start") or "").endswith("999999999"):
            document["results"] = []
            document.get("_links", {}).pop("next", None)
            document.pop("nextCursor", None)
            response.headers.pop("Link", None)
            if "size" in document:
                document["size"] = 0
        elif next_of(response) is None:
            changes = {"cursor": _EMPTY}
            if "cursor" in document:
                changes = {"cursor": "content:false:9999999999"}
                document["nextCursor"] = changes["cursor"]
            elif "start" in document and "/wiki/" not in request.path:
                changes = {"start": "999999999"}
            set_next(response, next_base(request) + "?" + _changed(request.raw_query, changes))
        return response


class EndlessNext(Fault):
    """Offset paging that never ends: past the last row it repeats rows and goes on giving a next (CONFSERVER-95396, -95272) [R]."""

    def __init__(self, *, route: str = "*", times: int | None = None, after: int = 0) -> None:
        super().__init__(route=route, times=times, after=after)
        self._last_rows: dict[str, list[Any]] = {}

    def apply(self, request: Request, answer: Answer, /) -> Response:
        response = answer(request)
        document = response.document
        if not isinstance(document, dict) or not isinstance(document.get("results"), list) or "limit" not in document:
            return response
        if document["results"]:
            self._last_rows[request.path] = document["results"]
        else:
            document["results"] = self._last_rows.get(request.path, [])
            document["size"] = len(document["results"])
        if document["results"]:
            start = int(document.get("start", 0)) + int(document["limit"])
            set_next(response, next_base(request) + "?" + _changed(request.raw_query, {"start": str(start)}))
        return response


class SilentCap(Fault):
    """Returns fewer rows than ``limit`` says, and a next that counts from the rows returned: who adds up limits skips rows [R].

    :param rows: how many rows come at most.
    """

    def __init__(self, rows: int = 50, *, route: str = "*", times: int | None = None, after: int = 0) -> None:
        super().__init__(route=route, times=times, after=after)
        self.rows = rows

    def apply(self, request: Request, answer: Answer, /) -> Response:
        response = answer(request)
        document = response.document
        if isinstance(document, dict) and len(document.get("results", [])) > self.rows and "start" in document:
            document["results"] = document["results"][: self.rows]
            document["size"] = self.rows
            start = int(document["start"]) + self.rows
            set_next(response, next_base(request) + "?" + _changed(request.raw_query, {"start": str(start)}))
        return response


class WrongNextStart(Fault):
    """Embeds a start in the next address that is off, so that rows come twice (negative) or are skipped [R: onyx #4129].

    :param by: how much is added to the right start.
    """

    def __init__(self, by: int = -10, *, route: str = "*", times: int | None = None, after: int = 0) -> None:
        super().__init__(route=route, times=times, after=after)
        self.by = by

    def apply(self, request: Request, answer: Answer, /) -> Response:
        response = answer(request)
        address = next_of(response)
        if address is not None:
            query = dict(parse_qsl(urlsplit(address).query))
            if "start" in query:
                start = max(int(query["start"]) + self.by, 0)
                set_next(
                    response, urlsplit(address).path + "?" + _changed(urlsplit(address).query, {"start": str(start)})
                )
        return response


class ShortListing(Fault):
    """Ends a listing too early: drops the next address, so that rows are missing without any sign."""

    def apply(self, request: Request, answer: Answer, /) -> Response:
        response = answer(request)
        if isinstance(response.document, dict):
            response.document.get("_links", {}).pop("next", None)
            response.document.pop("nextCursor", None)
        response.headers.pop("Link", None)
        return response


class EmptyListing(Fault):
    """Answers a listing with no rows at all, and without an error."""

    def apply(self, request: Request, answer: Answer, /) -> Response:
        response = answer(request)
        if isinstance(response.document, dict) and "results" in response.document:
            response.document["results"] = []
            response.document.get("_links", {}).pop("next", None)
            response.document.pop("nextCursor", None)
            if "size" in response.document:
                response.document["size"] = 0
            response.headers.pop("Link", None)
        return response


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

_EMPTY = "bm90aGluZyBmb2xsb3dz"


def next_of(response: Response) -> str | None:
    """Return the next address of an answer, as its body has it."""
    document = response.document
    found = document.get("_links", {}).get("next") if isinstance(document, dict) else None
    return found if isinstance(found, str) else None


def next_base(request: Request) -> str:
    """Return the path that a next address of this request begins with: without ``/wiki`` or the context, except on the v2 interface."""
    _, found, rest = request.path.partition("/wiki/api/v2/")
    if found:
        return found + rest
    return request.path[max(request.path.find("/rest/api/"), 0) :]


def set_next(response: Response, address: str) -> None:
    """Put a next address into the body, and into the ``Link`` header where there is one."""
    response.document.setdefault("_links", {})["next"] = address
    if "Link" in response.headers:
        base = response.document["_links"].get("base", "")
        response.headers["Link"] = f'<{address}>; rel="next", <{base}>; rel="base"'


def _changed(raw_query: str, changes: Mapping[str, str]) -> str:
    query = [(name, value) for name, value in parse_qsl(raw_query) if name not in changes]
    return urlencode([*query, *changes.items()])


def _without_cursor(request: Request) -> Request:
    query = {name: values for name, values in request.query.items() if name != "cursor"}
    return Request(
        request.method, request.path, query, request.headers, request.body, request.origin, request.raw_query
    )
