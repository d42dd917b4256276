"""What was asked of the sandbox: for tests that count requests and measure concurrency."""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from airflow_provider_confluence.testing.sandbox.web import Query, Request


@dataclass
class LoggedRequest:
    """One request. ``status`` is 0 until it is answered; credentials are not kept, only whether there was one."""

    method: str
    path: str
    query: Query
    host: Literal["site", "media"]
    had_authorization: bool
    status: int = 0


class RequestLog:
    """The requests in the order of their arrival; admin requests are not among them."""

    def __init__(self) -> None:
        self._entries: list[LoggedRequest] = []
        self._lock = threading.Lock()
        self._in_flight = 0
        self.max_in_flight = 0
        """The most requests that were being answered at one time since the last :meth:`clear`."""

    @contextmanager
    def watch(self, request: Request, host: Literal["site", "media"]) -> Iterator[LoggedRequest]:
        """Enter a request and keep it in flight until the block ends."""
        authorized = "authorization" in request.headers
        entry = LoggedRequest(request.method, request.path, request.query, host, authorized)
        with self._lock:
            self._entries.append(entry)
            self._in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self._in_flight)
        try:
            yield entry
        finally:
            with self._lock:
                self._in_flight -= 1

    def matching(self, route: str) -> list[LoggedRequest]:
        """Return the requests whose path fits a shell pattern (``*/spaces/*/pages``)."""
        return [entry for entry in self if fnmatch.fnmatchcase(entry.path, route)]

    def count(self, route: str = "*") -> int:
        """Return how many requests fit a shell pattern."""
        return len(self.matching(route))

    def clear(self) -> None:
        """Forget what was."""
        with self._lock:
            self._entries.clear()
            self.max_in_flight = self._in_flight

    def __iter__(self) -> Iterator[LoggedRequest]:
        with self._lock:
            return iter(list(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, position: int) -> LoggedRequest:
        return self._entries[position]
