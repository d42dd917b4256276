"""The sandbox itself: two HTTP servers on loopback, the site and the media host, over one content model."""

from __future__ import annotations

import base64
import secrets
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal, Protocol
from urllib.parse import parse_qs, quote, urlsplit

from airflow_provider_confluence.testing.sandbox.access import Account
from airflow_provider_confluence.testing.sandbox.admin import Admin
from airflow_provider_confluence.testing.sandbox.cloud import Cloud
from airflow_provider_confluence.testing.sandbox.datacenter import DataCenter
from airflow_provider_confluence.testing.sandbox.faults import Faults
from airflow_provider_confluence.testing.sandbox.model import Model
from airflow_provider_confluence.testing.sandbox.records import Item
from airflow_provider_confluence.testing.sandbox.request_log import RequestLog
from airflow_provider_confluence.testing.sandbox.web import Request, Response, text_response

Edition = Literal["cloud", "datacenter"]
Observer = Callable[[Request, Response], None]
"""Called with each request to Confluence and its answer, in the thread that serves it, before the answer is sent."""


class _App(Protocol):
    def handle(self, request: Request) -> Response: ...


class Sandbox:
    """A Confluence on 127.0.0.1, as real as the client can tell.

    >>> with Sandbox("cloud") as sandbox:
    ...     _ = sandbox.model.create_space("DOCS")
    ...     _ = sandbox.model.create_page("DOCS", "Start", "<p>Hello</p>")
    ...     # sandbox.endpoint, sandbox.username and sandbox.token are what a user would type into a connection
    ...     print(sandbox.endpoint.endswith("/wiki"), sandbox.username)
    True indexer@example.com

    Give two sandboxes of different edition the same model, and one wiki is served as both.

    :param edition: ``"cloud"`` or ``"datacenter"``.
    :param model: the wiki; an empty one where none is given.
    :param port: 0 takes a free one.
    :param token: the API token or personal access token; a random one where none is given.
    :param username: Cloud: the e-mail address. Data Center: a login name, for basic authentication with the token as its password;
        without it the token is a personal access token, and :attr:`username` is ``None``.
    :param context: the context path of Data Center, ``""`` for none.
    :param latency_seconds: how long every answer takes at least.
    :param observer: sees every request and answer; the contract checker is one.
    """

    def __init__(
        self,
        edition: Edition = "cloud",
        model: Model | None = None,
        *,
        port: int = 0,
        token: str | None = None,
        username: str | None = None,
        context: str = "/confluence",
        latency_seconds: float = 0.0,
        observer: Observer | None = None,
    ) -> None:
        if edition not in ("cloud", "datacenter"):
            raise ValueError(f"edition is 'cloud' or 'datacenter', not {edition!r}")
        self.edition: Edition = edition
        self.model = model or Model()
        self.token = token or secrets.token_urlsafe(24)
        self.username = username or ("indexer@example.com" if edition == "cloud" else None)
        self.context = "/wiki" if edition == "cloud" else context.rstrip("/")
        self.cloud_id = "11111111-2222-4333-8444-" + secrets.token_hex(6)
        self.latency_seconds = latency_seconds
        self.observer = observer
        self.faults = Faults(lambda: self.model.clock())
        self.requests = RequestLog()
        self._port = port
        self._stopping = threading.Event()
        self._servers: list[_Server] = []
        self._media_secret = secrets.token_hex(16)
        if self.model.user("indexer") is None:
            self.model.add_user("indexer", "Index Er")
        self._account = account = Account("indexer", self.username or "indexer", self.token)
        self._app: _App = (
            Cloud(self.model, account, self.cloud_id, self._media_url)
            if edition == "cloud"
            else DataCenter(self.model, account, self.context)
        )
        self._admin = Admin(self.model, self.faults, self.requests)

    # ------------------------------------------------------------------------------------ life
    def start(self) -> Sandbox:
        """Listen; a sandbox that was stopped can be started again."""
        if self._servers:
            raise RuntimeError("the sandbox runs already")
        self._stopping.clear()
        site = _Server(self._port, self._serve_site, self._stopping, self._date)
        self._servers = [site]
        if self.edition == "cloud":
            self._servers.append(_Server(0, self._serve_media, self._stopping, self._date))
        for server in self._servers:
            server.start()
        return self

    def stop(self) -> None:
        """Close every connection and stop listening; safe to repeat."""
        self._stopping.set()
        for server in self._servers:
            server.stop()
        self._servers = []

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def revoke_token(self) -> None:
        """Make :attr:`token` worthless from now on, as when it expires in the middle of a run."""
        self._account.token = secrets.token_urlsafe(24)

    # ------------------------------------------------------------------------------------ where it is
    @property
    def origin(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return self._origin(0)

    @property
    def endpoint(self) -> str:
        """What a user types as the address of this Confluence."""
        return self.origin + self.context

    @property
    def authorization(self) -> str:
        """A good ``Authorization`` header, for tests that speak HTTP themselves."""
        if self.username is None:
            return f"Bearer {self.token}"
        return "Basic " + base64.b64encode(f"{self.username}:{self.token}".encode()).decode()

    @property
    def gateway(self) -> str:
        """The address of this site at the gateway for scoped tokens; Cloud only."""
        return f"{self.origin}/ex/confluence/{self.cloud_id}/wiki"

    @property
    def media_origin(self) -> str:
        """The origin of the media host, to which downloads are sent; Cloud only."""
        return self._origin(1)

    def _origin(self, number: int) -> str:
        if len(self._servers) <= number:
            raise RuntimeError("the sandbox is not running")
        return f"http://127.0.0.1:{self._servers[number].port}"

    def _date(self) -> str:
        return format_datetime(self.model.clock(), usegmt=True)

    # ------------------------------------------------------------------------------------ answering
    def _serve_site(self, request: Request) -> Response:
        if request.path.startswith("/_sandbox/"):
            return self._admin.handle(request)
        with self.requests.watch(request, "site") as entry:
            if self.latency_seconds:
                self._stopping.wait(self.latency_seconds)
            self.model.settle()
            response = self.faults.around(request, self._app.handle)
            entry.status = response.status
            if self.observer is not None:
                self.observer(request, response)
            return response

    def _media_url(self, item: Item, version: int | None) -> str:
        number = version or item.version.number
        return f"{self.media_origin}/file/{item.id}/{number}/binary?token={self._media_secret}&name={quote(item.title)}"

    def _serve_media(self, request: Request) -> Response:
        """Serve bytes by their signed address; the credential of the site must not be sent here [R]."""
        with self.requests.watch(request, "media") as entry:
            if self.latency_seconds:
                self._stopping.wait(self.latency_seconds)
            response = self.faults.around(request, self._media_answer)
            entry.status = response.status
            return response

    def _media_answer(self, request: Request) -> Response:
        if "authorization" in request.headers and self.model.readings.media_host_refuses_authorization:
            return text_response("Only one auth mechanism allowed", 400, "text/plain")
        parts = request.path.split("/")
        if request.one("token") != self._media_secret or len(parts) != 5:
            return text_response("Forbidden", 403, "text/plain")
        with self.model.lock:
            item = self.model.item("att" + parts[2])
            if item is None or int(parts[3]) > len(item.files):
                return text_response("Not found", 404, "text/plain")
            return Response(200, item.file(int(parts[3])), {"Content-Type": item.media_type})


# ---------------------------------------------------------------------------------------- the wire
@dataclass
class _Wire:
    """What a connection needs from its server."""

    answer: Callable[[Request], Response]
    stopping: threading.Event
    date: Callable[[], str]


class _Server(ThreadingHTTPServer):
    """One listening socket; it knows its connections, so that stopping leaves none behind."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(
        self, port: int, answer: Callable[[Request], Response], stopping: threading.Event, date: Callable[[], str]
    ) -> None:
        super().__init__(("127.0.0.1", port), _Connection)
        self.wire = _Wire(answer, stopping, date)
        self.port = int(self.server_address[1])
        self._open: dict[socket.socket, threading.Thread] = {}
        self._open_lock = threading.Lock()
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.02,), name=f"sandbox-{self.port}", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._open_lock:
            connections = list(self._open.items())
        for connection, _ in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for _, thread in connections:
            thread.join(timeout=5)

    def process_request_thread(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        with self._open_lock:
            self._open[request] = threading.current_thread()
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._open_lock:
                self._open.pop(request, None)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of connections that the other side closed; a bug of ours must not hide."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._exchange()

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815 - names of the base class

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent: the request log is in Python."""

    def _exchange(self) -> None:
        wire = self.server.wire
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        target = urlsplit(self.path)
        request = Request(
            self.command,
            target.path,
            parse_qs(target.query, keep_blank_values=True),
            {name.lower(): value for name, value in self.headers.items()},
            body,
            f"http://{self.headers.get('Host') or '127.0.0.1:' + str(self.server.port)}",
            target.query,
        )
        self._send(wire.answer(request))

    def _send(self, response: Response) -> None:
        """Send head and body in one piece: two small writes would wait for each other's acknowledgement."""
        stopping, delivery = self.server.wire.stopping, response.delivery
        if delivery.drop:
            self.close_connection = True
            return
        body = response.encode()
        if delivery.stall_seconds and delivery.stall_after_bytes is None:
            stopping.wait(delivery.stall_seconds)
        reason = self.responses.get(response.status, ("", ""))[0]
        headers = {"Date": self.server.wire.date(), "Server": "AtlassianEdge", **response.headers}
        lines = [f"HTTP/1.1 {response.status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
        lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
        if self.command == "HEAD":
            body = b""
        if delivery.cut_after_bytes is not None:
            self.wfile.write(head + body[: delivery.cut_after_bytes])
            self.close_connection = True
        elif delivery.drip_seconds:
            size = max(-(-len(body) // max(delivery.drip_pieces, 1)), 1)
            self.wfile.write(head)
            for start in range(0, len(body), size):
                stopping.wait(delivery.drip_seconds / max(delivery.drip_pieces, 1))
                self.wfile.write(body[start : start + size])
        elif delivery.stall_seconds and delivery.stall_after_bytes is not None:
            self.wfile.write(head + body[: delivery.stall_after_bytes])
            stopping.wait(delivery.stall_seconds)
            self.wfile.write(body[delivery.stall_after_bytes :])
        else:
            self.wfile.write(head + body)
