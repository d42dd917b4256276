"""Rate limits: what refuses too many requests, in every style of header, and what warns of it."""

from __future__ import annotations

import random
import threading
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any, Literal

from airflow_provider_confluence.testing.sandbox.fault import Answer, Fault
from airflow_provider_confluence.testing.sandbox.web import Request, Response, json_response, text_response

RateLimitStyle = Literal["seconds", "date", "zero", "nonsense", "none", "reset", "reason", "bucket"]
_STYLES: tuple[RateLimitStyle, ...] = ("seconds", "date", "zero", "nonsense", "none", "reset", "reason", "bucket")


class RateLimited(Fault):
    """Answers 429, or another status that carries ``Retry-After``, in one of the styles that are about.

    :param style: ``Retry-After`` in ``"seconds"``, as a ``"date"``, as ``"zero"``, as ``"nonsense"``; ``"none"`` without any header;
        Cloud's ``"reset"`` in ISO 8601 alone [S], or its ``"reason"`` beside the seconds, as seen live [R]; Data Center's ``"bucket"``
        with a body in the server's language [S].
    :param retry_after: how many seconds to wait, where the style says so.
    """

    def __init__(
        self,
        style: RateLimitStyle = "seconds",
        *,
        retry_after: int = 1,
        status: int = 429,
        route: str = "*",
        times: int | None = 1,
        after: int = 0,
    ) -> None:
        super().__init__(route=route, times=times, after=after)
        if style not in _STYLES:
            raise ValueError(f"style is one of {_STYLES}, not {style!r}")
        self.style = style
        self.retry_after = retry_after
        self.status = status

    def apply(self, _request: Request, _answer: Answer, /) -> Response:
        seconds, moment = str(self.retry_after), self.clock() + timedelta(seconds=self.retry_after)
        response = text_response("", self.status)
        headers: dict[RateLimitStyle, dict[str, str]] = {
            "seconds": {"Retry-After": seconds},
            "date": {"Retry-After": format_datetime(moment.astimezone(timezone.utc), usegmt=True)},
            "zero": {"Retry-After": "0"},
            "nonsense": {"Retry-After": "soon"},
            "none": {},
            "reset": {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": _iso(moment)},
            "reason": {
                "Retry-After": seconds,
                "RateLimit-Reason": "conf-global-based",
                "Beta-RateLimit-Policy": '"global-app-quota";q=65000;w=3600',
                "Beta-RateLimit": f'"global-app-quota";r=0;t={seconds}',
            },
            "bucket": {
                "X-RateLimit-Limit": "50",
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Interval-Seconds": "1",
                "X-RateLimit-FillRate": "10",
                "retry-after": seconds,
            },
        }
        if self.style == "bucket":
            response = json_response({"message": "Limite de requêtes atteinte."}, self.status)
        response.headers |= headers[self.style]
        return response

    @classmethod
    def drawn(cls, chance: random.Random) -> dict[str, Any]:
        drawn = {"style": chance.choice(_STYLES), "retry_after": chance.choice([1, 2, 20, 7200])}
        return drawn | {"status": chance.choice([429, 429, 429, 503])}


class QuotaBlock(Fault):
    """The quota of an hour is used up: from the first request on, every one is refused until it is given back [S].

    :param seconds: how long, on the wiki's clock.
    """

    drawn_times = (None,)

    def __init__(self, *, seconds: int = 3600, route: str = "*", times: int | None = None, after: int = 0) -> None:
        super().__init__(route=route, times=times, after=after)
        self.seconds = seconds
        self._until: datetime | None = None

    def apply(self, request: Request, answer: Answer, /) -> Response:
        now = self.clock()
        self._until = self._until or now + timedelta(seconds=self.seconds)
        if now >= self._until:
            return answer(request)
        response = text_response("", 429)
        response.headers |= {"X-RateLimit-Limit": "65000", "X-RateLimit-Remaining": "0"}
        response.headers |= {
            "X-RateLimit-Reset": _iso(self._until),
            "RateLimit-Reason": "confluence-quota-global-based",
        }
        response.headers["Retry-After"] = str(int((self._until - now).total_seconds()) + 1)
        return response

    @classmethod
    def drawn(cls, chance: random.Random) -> dict[str, Any]:
        return {"seconds": chance.choice([60, 3600])}


class BurstLimit(Fault):
    """A rate limit that works: more than so many requests in so many seconds of real time answer 429.

    :param retry_after: what the refusals say; ``None`` sends no header.
    """

    drawn_times = (None,)

    def __init__(
        self,
        requests: int,
        *,
        seconds: float = 1.0,
        retry_after: float | None = 1,
        route: str = "*",
        times: int | None = None,
        after: int = 0,
    ) -> None:
        super().__init__(route=route, times=times, after=after)
        self.requests = requests
        self.seconds = seconds
        self.retry_after = retry_after
        self.refused = 0
        """How many requests were refused so far."""
        self._served: list[float] = []
        self._lock = threading.Lock()

    def apply(self, request: Request, answer: Answer, /) -> Response:
        now = time.monotonic()
        with self._lock:
            self._served = [moment for moment in self._served if now - moment < self.seconds]
            served = len(self._served) < self.requests
            if served:
                self._served.append(now)
            else:
                self.refused += 1
        if served:
            return answer(request)
        response = text_response("", 429)
        response.headers["RateLimit-Reason"] = "confluence-burst-based"
        if self.retry_after is not None:
            response.headers["Retry-After"] = f"{self.retry_after:g}"
        return response

    @classmethod
    def drawn(cls, chance: random.Random) -> dict[str, Any]:
        return {"requests": chance.randint(3, 20), "seconds": 0.1, "retry_after": chance.choice([None, 0, 1])}


class RateLimitHeaders(Fault):
    """Adds to good answers what rate limiters send: Data Center's bucket with ``retry-after: 0`` [S], or Cloud's warning [S].

    :param near_limit: Cloud's ``X-RateLimit-NearLimit: true`` with its ISO 8601 reset, instead of Data Center's headers.
    """

    drawn_times = (1, 4, None)

    def __init__(self, *, near_limit: bool = False, route: str = "*", times: int | None = None, after: int = 0) -> None:
        super().__init__(route=route, times=times, after=after)
        self.near_limit = near_limit

    def apply(self, request: Request, answer: Answer, /) -> Response:
        response = answer(request)
        if self.near_limit:
            response.headers |= {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "10"}
            response.headers["X-RateLimit-Reset"] = _iso(self.clock())
            response.headers["X-RateLimit-NearLimit"] = "true"
        else:
            response.headers |= {"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "49", "retry-after": "0"}
            response.headers |= {"X-RateLimit-Interval-Seconds": "1", "X-RateLimit-FillRate": "10"}
        return response

    @classmethod
    def drawn(cls, chance: random.Random) -> dict[str, Any]:
        return {"near_limit": chance.random() < 0.5}


def _iso(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).replace(microsecond=0).isoformat().replace("+00:00", "Z")
