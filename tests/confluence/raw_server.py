"""A server that sends the bytes it is told, as slowly as it is told: for answers that no HTTP library would write."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType

Script = Callable[[bytes], Iterable[bytes]]
"""Yields what is sent to a request, given its first line; it may wait between two pieces."""


class RawServer:
    """Listens on a free port of 127.0.0.1. Each connection is answered once, by ``script``, and closed."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.stopped = threading.Event()
        self.asked: list[bytes] = []
        self.heads: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self._threads = [threading.Thread(target=self._serve, daemon=True)]

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> RawServer:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped.set()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        while not self.stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self._answer, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(10)
            head = b""
            while b"\r\n\r\n" not in head:
                got = connection.recv(65536)
                if not got:
                    return
                head += got
            self.heads.append(head)
            line = head.partition(b"\r\n")[0]
            self.asked.append(line)
            for piece in self.script(line):
                if self.stopped.is_set():
                    return
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            # Else what is unread here would reset the connection, and what was sent with it.
            while connection.recv(65536):
                pass
