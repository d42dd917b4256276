"""What a fault is, and how those that are switched on stand between a request and its answer."""

from __future__ import annotations

import fnmatch
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from airflow_provider_confluence.testing.sandbox.clock import Clock, real_time
from airflow_provider_confluence.testing.sandbox.web import Request, Response

Answer = Callable[[Request], Response]


class Fault:
    """The base of all faults.

    :param route: a shell pattern over the undecoded path (``*/spaces/*/pages``), a method may stand before it (``POST */users-bulk``).
    :param times: for how many matching requests; ``None`` for all.
    :param after: how many matching requests to let pass first.
    """

    lies_about_listings: ClassVar[bool] = False
    """Whether it answers with good status something that is not so."""
    drawn_times: ClassVar[tuple[int | None, ...]] = (1, 1, 2, 4)
    """How often it strikes where it is drawn."""

    def __init__(self, *, route: str = "*", times: int | None = 1, after: int = 0) -> None:
        self.route = route
        self.times = times
        self.after = after
        self.struck = 0
        """How many requests it has struck so far."""
        self.clock: Clock = real_time
        """The wiki's clock, from the moment the fault is switched on."""

    def matches(self, request: Request) -> bool:
        """Say whether the fault concerns a request."""
        method, _, pattern = self.route.rpartition(" ")
        return method in ("", request.method) and fnmatch.fnmatchcase(request.path, pattern)

    def apply(self, request: Request, answer: Answer, /) -> Response:
        """Return the answer to a request that is struck."""
        raise NotImplementedError

    @classmethod
    def drawn(cls, _chance: random.Random) -> dict[str, Any]:
        """Return arguments of its own, drawn."""
        return {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(route={self.route!r}, times={self.times}, struck={self.struck})"


class Faults:
    """The faults of a sandbox, in the order in which they were added; each request is struck by every one that matches."""

    def __init__(self, clock: Clock = real_time) -> None:
        self._clock = clock
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, *faults: Fault) -> None:
        """Switch faults on."""
        with self._lock:
            self._faults += faults
            for fault in faults:
                fault.clock = self._clock

    def remove(self, fault: Fault) -> None:
        """Switch a fault off."""
        with self._lock:
            self._faults.remove(fault)

    def clear(self) -> None:
        """Switch all faults off."""
        with self._lock:
            self._faults.clear()

    def __iter__(self) -> Iterator[Fault]:
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
