"""A small HTTP server that answers as a test tells it to: for what no Confluence should do, and some proxy will."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Asked:
    """One request as it came in."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """One answer to be sent. ``drop`` closes the connection instead; ``cut`` announces more bytes than come."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    drop: bool = False
    cut: bool = False


def answer(value: Any, **headers: str) -> Reply:
    """Return a JSON answer; header names are given with _ for -."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(200, json.dumps(value).encode(), {"Content-Type": "application/json", **named})


def refusal(status: int, body: bytes = b"", **headers: str) -> Reply:
    """Return an answer with a status; header names are given with _ for -."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, body, {"Content-Type": "text/plain", **named})


class OddServer:
    """Listens on a free port of 127.0.0.1 and answers each request by calling a function, in the thread of its connection."""

    def __init__(self, reply: Callable[[Asked], Reply], *, tls: ssl.SSLContext | None = None) -> None:
        self.reply = reply
        self._scheme = "https" if tls else "http"
        self.asked: list[Asked] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                target = urlsplit(self.path)
                asked = Asked(
                    self.command,
                    target.path,
                    parse_qs(target.query, keep_blank_values=True),
                    {name.lower(): text for name, text in self.headers.items()},
                    self.rfile.read(length),
                )
                with server._lock:
                    server.asked.append(asked)
                    server.in_flight += 1
                    server.most_in_flight = max(server.most_in_flight, server.in_flight)
                try:
                    reply = server.reply(asked)
                finally:
                    with server._lock:
                        server.in_flight -= 1
                if reply.drop:
                    self.close_connection = True
                    return
                lines = [f"HTTP/1.1 {reply.status} X"]
                lines += [f"{name}: {text}" for name, text in reply.headers.items()]
                lines.append(f"Content-Length: {len(reply.body) + (1000 if reply.cut else 0)}")
                self.close_connection = reply.cut
                self.wfile.write(("\r\n".join(lines) + "\r\n\r\n").encode() + reply.body)

            do_POST = do_PUT = do_DELETE = do_CONNECT = do_GET  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                """Stay silent."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that hangs up is part of the tests."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def origin(self) -> str:
        """``http://127.0.0.1:PORT``, or https."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> OddServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
