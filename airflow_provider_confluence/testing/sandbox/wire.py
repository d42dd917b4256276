"""HTTP on a socket: what stands between the servers of this package and whoever asks them."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from airflow_provider_confluence.testing.sandbox.web import Request, Response


@dataclass
class Wire:
    """What a connection needs from its server."""

    answer: Callable[[Request], Response]
    stopping: threading.Event
    date: Callable[[], str]
    name: str


class WireServer(ThreadingHTTPServer):
    """One listening socket; it knows its connections, so that stopping leaves none behind.

    :param date: what the header ``Date`` says. :param name: what the header ``Server`` says.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(
        self,
        port: int,
        answer: Callable[[Request], Response],
        stopping: threading.Event,
        date: Callable[[], str],
        name: str,
    ) -> None:
        super().__init__(("127.0.0.1", port), _Connection)
        self.wire = Wire(answer, stopping, date, name)
        self.port = int(self.server_address[1])
        self._open: dict[socket.socket, threading.Thread] = {}
        self._open_lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name=f"wire-{self.port}", daemon=True)

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
    server: WireServer

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
        headers = {"Date": self.server.wire.date(), "Server": self.server.wire.name, **response.headers}
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
