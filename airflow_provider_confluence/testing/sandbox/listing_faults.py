"""Listings that lie: about where they go on, how many rows they hold, and whether that was all."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from airflow_provider_confluence.testing.sandbox.fault import Answer, Fault
from airflow_provider_confluence.testing.sandbox.web import Request, Response

_EMPTY = "bm90aGluZyBmb2xsb3dz"


class NextAddress(Fault):
    """Writes the next address in another form, which leads to the same place: links come in every form [S, R].

    :param form: ``"absolute"``, or a path ``"with_context"`` or ``"without_context"`` (``/wiki``, or Data Center's context path).
    """

    drawn_times = (None,)

    def __init__(
        self,
        form: Literal["absolute", "with_context", "without_context"] = "absolute",
        *,
        route: str = "*",
        times: int | None = None,
        after: int = 0,
    ) -> None:
        super().__init__(route=route, times=times, after=after)
        self.form = form

    def apply(self, request: Request, answer: Answer, /) -> Response:
        response = answer(request)
        address = next_of(response)
        if address is not None:
            at, below = urlsplit(address), request.path.find("/api/v2/")
            below = request.path.find("/rest/api/") if below < 0 else below
            context = request.path[: max(below, 0)]
            path = at.path.removeprefix("/wiki") if "/wiki" in context else at.path.removeprefix(context)
            root = {"absolute": request.origin + context, "with_context": context, "without_context": ""}[self.form]
            set_next(response, f"{root}{path}?{at.query}")
        return response

    @classmethod
    def drawn(cls, chance: random.Random) -> dict[str, Any]:
        return {"form": chance.choice(["absolute", "with_context", "without_context"])}


class RepeatedCursor(Fault):
    """Gives back, as the next address, the one that was just read."""

    lies_about_listings = True
    drawn_times = (1, 2, None)

    def apply(self, request: Request, answer: Answer, /) -> Response:
        response = answer(request)
        if next_of(response) is not None:
            set_next(response, next_base(request) + (f"?{request.raw_query}" if request.raw_query else ""))
            if isinstance(response.document, dict) and "nextCursor" in response.document:
                response.document["nextCursor"] = response.document.get("cursor")
        return response


class EmptyNext(Fault):
    """Gives a next address on the last page; what lies there is an empty list without a next [R]."""

    lies_about_listings = True
    drawn_times = (1, 2, None)

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

    lies_about_listings = True
    drawn_times = (1, 2, None)

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

    lies_about_listings = True
    drawn_times = (1, 2, None)

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

    @classmethod
    def drawn(cls, chance: random.Random) -> dict[str, Any]:
        return {"rows": chance.randint(1, 3)}


class WrongNextStart(Fault):
    """Embeds a start in the next address that is off, so that rows come twice (negative) or are skipped [R: onyx #4129].

    :param by: how much is added to the right start.
    """

    lies_about_listings = True
    drawn_times = (1, 2, None)

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

    @classmethod
    def drawn(cls, chance: random.Random) -> dict[str, Any]:
        return {"by": chance.choice([-2, -1, 1, 3])}


class ShortListing(Fault):
    """Ends a listing too early: drops the next address, so that rows are missing without any sign."""

    lies_about_listings = True
    drawn_times = (1, 2, None)

    def apply(self, request: Request, answer: Answer, /) -> Response:
        response = answer(request)
        if isinstance(response.document, dict):
            response.document.get("_links", {}).pop("next", None)
            response.document.pop("nextCursor", None)
        response.headers.pop("Link", None)
        return response


class EmptyListing(Fault):
    """Answers a listing with no rows at all, and without an error."""

    lies_about_listings = True
    drawn_times = (1, 2, None)

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
