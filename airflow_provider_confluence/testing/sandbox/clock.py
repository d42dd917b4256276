"""The sandbox's clock: real time, or time that a test moves by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

Clock = Callable[[], datetime]
"""Anything that answers the present instant, aware."""


def real_time() -> datetime:
    """Return the present instant in UTC."""
    return datetime.now(timezone.utc)


class ManualClock:
    """A clock that stands still until it is told to move.

    >>> clock = ManualClock(datetime(2026, 1, 1, tzinfo=timezone.utc))
    >>> clock.advance(minutes=5)
    >>> clock().isoformat()
    '2026-01-01T00:05:00+00:00'
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._now = (start or datetime(2026, 1, 1, 12, 0, tzinfo=timezone.utc)).astimezone(timezone.utc)
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            return self._now

    def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        """Move time forward (or, with negative amounts, back)."""
        with self._lock:
            self._now += timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days)

    def set(self, instant: datetime) -> None:
        """Jump to an instant, which must be aware."""
        with self._lock:
            self._now = instant.astimezone(timezone.utc)
