"""A proxy between a client and a server on this machine that can take the server away, whatever they speak.

For tests of what happens when an index, a database or a broker goes away in the middle::

    with TcpProxy(9200) as proxy:
        client = connect("127.0.0.1", proxy.port)
        with proxy.down():
            ...  # every connection is reset, also those that were open
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

_PIECE = 65_536


class TcpProxy:
    """Forwards connections to a port of this machine.

    :param target_port: where the server listens, on 127.0.0.1.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        """Where clients connect, on 127.0.0.1."""
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._ended: set[socket.socket] = set()
        self._is_down = False
        self._left: int | None = None
        self._closed = False
        self._accepting = threading.Thread(target=self._accept, name=f"tcp-proxy-{self.port}", daemon=True)

    def __enter__(self) -> TcpProxy:
        self._accepting.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._closed = True
        # Only a connection wakes accept() on every system.
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5):
            pass
        self._accepting.join(timeout=5)
        self._listener.close()
        self._reset_all()

    @contextmanager
    def down(self) -> Iterator[None]:
        """Reset all connections and every new one, until the block ends."""
        with self._lock:
            self._is_down = True
        self._reset_all()
        try:
            yield
        finally:
            with self._lock:
                self._is_down = False

    @contextmanager
    def cutting(self, after_bytes: int) -> Iterator[None]:
        """Let so many bytes of clients through, all together; then reset every connection on which more comes, until the block ends."""
        with self._lock:
            self._left = after_bytes
        try:
            yield
        finally:
            with self._lock:
                self._left = None

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                refused = self._is_down or self._closed
            if refused:
                _reset(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._target_port), timeout=10)
                server.settimeout(None)
                for one in (
                    client,
                    server,
                ):  # else a request in two pieces waits 40 ms for the acknowledgement of the first
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                _reset(client)
                continue
            with self._lock:
                self._open |= {client, server}
            for source, target, counted in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._forward, args=(source, target, counted), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        try:
            while piece := source.recv(_PIECE):
                allowed = self._allowed(len(piece)) if counted else len(piece)
                target.sendall(piece[:allowed])
                if allowed < len(piece):
                    break
            else:
                with self._lock:  # what is being reset must not look as if it had ended well
                    if target in self._open:
                        target.shutdown(socket.SHUT_WR)
                        self._ended.add(source)
                        if (
                            target in self._ended
                        ):  # both sides have said all: a proxy of many tests must not keep their sockets
                            self._ended -= {source, target}
                            self._open -= {source, target}
                            source.close()
                            target.close()
                return
        except OSError:
            pass
        self._drop(source, target)

    def _allowed(self, count: int) -> int:
        with self._lock:
            if self._left is None:
                return count
            allowed = min(count, self._left)
            self._left -= allowed
            return allowed

    def _reset_all(self) -> None:
        with self._lock:
            connections = list(self._open)
        self._drop(*connections)

    def _drop(self, *connections: socket.socket) -> None:
        with self._lock:
            self._open -= set(connections)
            self._ended -= set(connections)
        for connection in connections:
            _reset(connection)


def _reset(connection: socket.socket) -> None:
    """Close so that the other side sees a reset, as when a process is killed, and wake whoever reads from it here."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RD)
    with suppress(OSError):
        connection.close()
