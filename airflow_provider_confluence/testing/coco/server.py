"""The fake Coco itself: an HTTP server on loopback with Coco's routes, tokens and permissions."""

from __future__ import annotations

import copy
import re
import secrets
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from email.utils import format_datetime
from types import TracebackType
from typing import Any
from urllib.parse import unquote

from airflow_provider_confluence.testing.coco.documents import Documents
from airflow_provider_confluence.testing.coco.objects import Objects
from airflow_provider_confluence.testing.coco.store import CocoReadings, RefusedError, Source, Store
from airflow_provider_confluence.testing.coco.wording import Caller, decoded, refusal
from airflow_provider_confluence.testing.sandbox.fault import Faults
from airflow_provider_confluence.testing.sandbox.request_log import RequestLog
from airflow_provider_confluence.testing.sandbox.web import (
    Request,
    Response,
    json_response,
    template_pattern,
    text_response,
)
from airflow_provider_confluence.testing.sandbox.wire import WireServer

PERMISSIONS = frozenset(
    [
        *(
            f"coco#{kind}/{act}"
            for kind in ("connector", "datasource")
            for act in ("create", "read", "update", "delete")
        ),
        *(f"coco#document/{act}" for act in ("create", "read", "update", "delete", "search")),
        *("coco#connector/search", "coco#datasource/search", "coco#search/search"),
    ]
)
"""What a token may be given here."""

_Handler = Callable[..., Response]


class FakeCoco:
    """A Coco Server on 127.0.0.1, as far as a program that pushes documents can tell.

    :param refresh_seconds: how long searches take to see a change; a PUT and a DELETE of one document wait for that. 0: no time.
    :param base_path: Coco's ``web.base_path``.
    :param readings: what its source leaves open.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        token: str | None = None,
        refresh_seconds: float = 0.0,
        base_path: str = "",
        version: str = "0.11.0",
        readings: CocoReadings | None = None,
    ) -> None:
        self.base_path = base_path.rstrip("/")
        self.version = version
        self.store = Store(refresh_seconds, readings or CocoReadings())
        self.faults = Faults()
        self.requests = RequestLog()
        self._tokens: dict[str, Caller] = {}
        self._logins: dict[str, tuple[str, str]] = {}
        self._sessions: dict[str, str] = {}
        self.token = self.add_token("admin", token=token)
        self._port = port
        self._stopping = threading.Event()
        self._server: WireServer | None = None
        self._objects = Objects(self.store)
        self._documents = Documents(self.store)
        self._routes = [
            (method, re.compile(template_pattern(template)), permission, handler)
            for method, template, permission, handler in self._table()
        ]

    def _table(self) -> list[tuple[str, str, str, _Handler]]:
        objects, documents = self._objects, self._documents
        return [
            ("POST", "/connector/", "coco#connector/create", objects.create_connector),
            ("PUT", "/connector/{connector_id}", "coco#connector/update", objects.replace_connector),
            ("GET", "/connector/{connector_id}", "coco#connector/read", objects.get_connector),
            ("DELETE", "/connector/{connector_id}", "coco#connector/delete", objects.delete_connector),
            ("GET", "/datasource/_search", "coco#datasource/search", objects.list_datasources),
            ("POST", "/datasource/", "coco#datasource/create", objects.create_datasource),
            ("PUT", "/datasource/{datasource_id}", "coco#datasource/update", objects.update_datasource),
            ("GET", "/datasource/{datasource_id}", "coco#datasource/read", objects.get_datasource),
            ("DELETE", "/datasource/{datasource_id}", "coco#datasource/delete", objects.delete_datasource),
            ("POST", "/datasource/{datasource_id}/_doc", "coco#datasource/create", documents.create_in),
            ("POST", "/datasource/{datasource_id}/_doc/{document_id}", "coco#datasource/create", documents.create_in),
            ("GET", "/document/_search", "coco#document/search", documents.list_documents),
            ("POST", "/document/", "coco#document/create", documents.create),
            ("DELETE", "/document/", "coco#document/delete", documents.delete_many),
            ("PUT", "/document/{document_id}", "coco#document/update", documents.put),
            ("GET", "/document/{document_id}", "coco#document/read", documents.get),
            ("DELETE", "/document/{document_id}", "coco#document/delete", documents.delete),
            ("GET", "/document/{document_id}/raw_content/{hint}", "coco#document/read", documents.raw_content),
            ("GET", "/query/_search", "coco#search/search", documents.query),
            ("POST", "/query/_search", "coco#search/search", documents.query),
        ]

    # ------------------------------------------------------------------------------------ life
    def start(self) -> FakeCoco:
        """Listen; one that was stopped can be started again on the port it had, and still holds what it held."""
        if self._server is not None:
            raise RuntimeError("the fake Coco runs already")
        self._stopping.clear()
        self._server = WireServer(self._port, self._serve, self._stopping, _date, "Coco")
        self._port = self._server.port
        self._server.start()
        return self

    def stop(self) -> None:
        """Close every connection and stop listening; safe to repeat."""
        self._stopping.set()
        if self._server is not None:
            self._server.stop()
        self._server = None

    def __enter__(self) -> FakeCoco:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        """The base URL, with the base path."""
        if not self._port:
            raise RuntimeError("the fake Coco is not running")
        return f"http://127.0.0.1:{self._port}{self.base_path}"

    # ------------------------------------------------------------------------------------ who may ask
    def add_token(self, user: str, permissions: Iterable[str] = PERMISSIONS, *, token: str | None = None) -> str:
        """Return a token of a user with these permissions."""
        token = token or secrets.token_urlsafe(24)
        self._tokens[token] = Caller(user, frozenset(permissions))
        return token

    def add_login(self, email: str, password: str, user: str) -> None:
        """Let somebody log in, which a token is made with."""
        self._logins[email] = (password, user)

    def revoke_token(self, token: str) -> None:
        """Make a token worthless from now on."""
        self._tokens.pop(token, None)

    # ------------------------------------------------------------------------------------ what it holds
    def documents(self) -> dict[str, Source]:
        """Return every document as it is stored, by id, whether searches see it yet or not."""
        return copy.deepcopy(self.store.written())

    def datasources(self) -> dict[str, Source]:
        """Return every datasource as it is stored."""
        with self.store.lock:
            return copy.deepcopy(self.store.datasources)

    def connectors(self) -> dict[str, Source]:
        """Return every connector as it is stored."""
        with self.store.lock:
            return copy.deepcopy(self.store.connectors)

    # ------------------------------------------------------------------------------------ answering
    def _serve(self, request: Request) -> Response:
        with self.requests.watch(request, "site") as entry:
            response = self.faults.around(request, self._answer)
            entry.status = response.status
            return response

    def _answer(self, request: Request) -> Response:
        if self.base_path and not request.path.startswith(self.base_path + "/"):
            return text_response("404 page not found", 404, "text/plain")
        request = request.at(request.path[len(self.base_path) :])
        try:
            return self._open_answer(request) or self._dispatch(request)
        except RefusedError as error:
            return refusal(error, self.store.readings)

    def _open_answer(self, request: Request) -> Response | None:
        """Answer what needs no token."""
        route = (request.method, request.path)
        if route == ("GET", "/"):
            return text_response("<!doctype html><title>Coco</title>")
        if route == ("GET", "/provider/_info"):
            return json_response(
                {
                    "name": "My Coco Server",
                    "endpoint": request.origin + self.base_path,
                    "provider": {"name": "INFINI Labs", "website": "http://infinilabs.com"},
                    "version": {"number": self.version},
                }
            )
        if route == ("POST", "/account/login"):
            return self._log_in(decoded(request))
        if route == ("POST", "/auth/access_token"):
            return self._make_token(request)
        return None

    def _log_in(self, body: Any) -> Response:
        password, user = self._logins.get(str(body.get("email")), ("", ""))
        if not password or body.get("password") != password:
            raise RefusedError("invalid login", 401)
        session = secrets.token_urlsafe(24)
        self._sessions[session] = user
        return json_response(
            {"access_token": session, "expire_in": 86400, "id": user, "status": "ok", "username": user}
        )

    def _make_token(self, request: Request) -> Response:
        user = self._sessions.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if user is None:
            raise RefusedError("invalid login", 401)
        body = decoded(request)
        token = self.add_token(user, body.get("permissions") or ())
        return json_response({"_id": secrets.token_hex(10), "access_token": token, "expire_in": 31536000})

    def _dispatch(self, request: Request) -> Response:
        for method, pattern, permission, handler in self._routes:
            match = pattern.fullmatch(request.path)
            if method != request.method or match is None:
                continue
            caller = self._caller(request)
            if permission not in caller.permissions:
                raise RefusedError(f"permission [{permission}] not allowed", 403)
            with self.store.lock:
                response = handler(request, caller, **{n: unquote(v) for n, v in match.groupdict().items()})
            if method in ("PUT", "DELETE") and "{document_id}" in _named(pattern):
                self.store.wait_for_refresh(self._stopping)
            return response
        return self._elsewhere(request)

    def _elsewhere(self, request: Request) -> Response:
        """Send to the same path with the other trailing slash where that is a route, as the router does."""
        other = request.path[:-1] if request.path.endswith("/") else request.path + "/"
        if any(method == request.method and pattern.fullmatch(other) for method, pattern, _, _ in self._routes):
            query = f"?{request.raw_query}" if request.raw_query else ""
            status = 301 if request.method == "GET" else 307
            return Response(status, b"", {"Location": self.base_path + other + query})
        return text_response("404 page not found", 404, "text/plain")

    def _caller(self, request: Request) -> Caller:
        token = request.headers.get("x-api-token", "")
        bearer = self._sessions.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        caller = self._tokens.get(token) or (Caller(bearer, PERMISSIONS) if bearer else None)
        if caller is None:
            raise RefusedError("invalid login", 401)
        return caller


def _named(pattern: re.Pattern[str]) -> set[str]:
    return {f"{{{name}}}" for name in pattern.groupindex}


def _date() -> str:
    return format_datetime(datetime.now(timezone.utc), usegmt=True)
