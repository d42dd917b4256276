"""Requests, answers and routes: the small part of the web that the sandbox needs, without a framework."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

Query = Mapping[str, list[str]]


@dataclass(frozen=True)
class Request:
    """One request as it came. ``path`` is undecoded; ``query`` keeps every value of every parameter; header names are lower case."""

    method: str
    path: str
    query: Query
    headers: Mapping[str, str]
    body: bytes = b""
    origin: str = ""
    raw_query: str = ""

    def one(self, name: str, default: str | None = None) -> str | None:
        """Return the first value of a query parameter."""
        values = self.query.get(name)
        return values[0] if values else default

    def many(self, name: str) -> list[str]:
        """Return all values of a parameter, repeated or joined by commas."""
        return [part for value in self.query.get(name, []) for part in value.split(",") if part != ""]

    def at(self, path: str) -> Request:
        """Return the same request under another path."""
        return replace(self, path=path)


@dataclass
class Delivery:
    """How the answer goes over the wire; faults change it."""

    stall_seconds: float = 0.0
    stall_after_bytes: int | None = None
    cut_after_bytes: int | None = None
    drip_seconds: float = 0.0
    drip_pieces: int = 1
    drop: bool = False


@dataclass
class Response:
    """One answer. ``document`` is the JSON value where there is one; ``faulted`` says that a fault made or changed it."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    document: Any = None
    faulted: bool = False
    delivery: Delivery = field(default_factory=Delivery)

    def encode(self) -> bytes:
        """Return the body; a JSON document is written as late as this, so that faults can change it."""
        if self.document is None:
            return self.body
        return _json(self.document)


def json_response(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer that carries a JSON document."""
    return Response(
        status, headers={"Content-Type": "application/json;charset=UTF-8", **(headers or {})}, document=document
    )


def text_response(text: str, status: int = 200, media_type: str = "text/html;charset=UTF-8") -> Response:
    """Return an answer that carries text."""
    return Response(status, text.encode(), {"Content-Type": media_type})


class RefusedError(Exception):
    """The request cannot be served; each edition writes its own body for it."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


Handler = Callable[..., Response]


class Router:
    """Routes by method and path template (``/pages/{id}``); the first that fits answers."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def add(self, method: str, template: str, handler: Handler) -> None:
        """Add a route; ``{name}`` stands for one segment and ``{name*}`` for the rest of the path."""
        self._routes.append((method, re.compile(template_pattern(template)), handler))

    def dispatch(self, request: Request) -> Response | None:
        """Answer the request, or return ``None`` where no route fits. Another method on a known path is refused with 405."""
        known = False
        for method, pattern, handler in self._routes:
            match = pattern.fullmatch(request.path)
            if match is None:
                continue
            if method == request.method:
                return handler(request, **{name: unquote(value) for name, value in match.groupdict().items()})
            known = True
        if known:
            raise RefusedError(405, f"Method {request.method} is not allowed here", "METHOD_NOT_ALLOWED")
        return None


def template_pattern(template: str) -> str:
    """Return the regular expression of a path template."""
    pattern = re.escape(template)
    pattern = re.sub(r"\\\{(\w+)\\\*\\\}", r"(?P<\1>.+)", pattern)
    return re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", pattern)


def _json(document: Any) -> bytes:
    try:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half of a character can be said by an escape only
        return json.dumps(document, separators=(",", ":")).encode()
