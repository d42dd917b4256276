"""The gate: one for each process and credential, through which every request passes.

It bounds how many requests are in flight, paces them, and makes one answer of *too many requests* pause all threads. How much it
lets through follows the answers: halved when Confluence complains, raised by one step for every fifty clean answers.
"""

from __future__ import annotations

import math
import os
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from airflow_provider_confluence.confluence.auth import Origin
from airflow_provider_confluence.confluence.events import Observer, Throttled
from airflow_provider_confluence.errors import ConfigurationError, ConfluenceUnavailableError, RateLimitedError

MAX_TRIES = 8
CLEAN_ANSWERS_PER_STEP = 50
BACK_OFF_SECONDS = (1.0, 60.0)
SLOW_FACTOR, SLOW_SECONDS, SLOW_IN_A_ROW = 3.0, 1.0, 3
SLOWEST_PACE = 1 / 60
"""Requests a second: who wants a longer pause than a minute says so with a Retry-After, which counts as waiting."""
QUIET_SECONDS = 5.0  # one complaint is heard by many threads at once; it counts once

DEFAULT_IN_FLIGHT = {"cloud": 8, "datacenter": 4}
DEFAULT_PER_SECOND: dict[str, float | None] = {"cloud": 20.0, "datacenter": None}


class Cancelled(BaseException):
    """The caller has stopped; raised only inside worker threads, and seen by nobody else.

    Like ``KeyboardInterrupt`` it is no failure of the request, so that nothing catches it in order to try again.
    """


class Gate:
    """Paces, pauses and counts the requests of one credential. Safe for many threads; does no I/O of its own.

    :param max_in_flight: requests at a time, at most.
    :param requests_per_second: the pace, at most, with bursts of one second's worth; ``None`` leaves it to the server's headers.
    :param patience_seconds: the longest pause a request sits out; a longer one raises :class:`RateLimitedError`.
    :param clock: monotonic seconds. :param now: the wall clock, for a ``Retry-After`` that is a date in an answer without one.
    :param sleep: waits; by default in a way that a cancelled caller wakes from.
    :param jitter: returns a number from 0 to 1.
    """

    def __init__(
        self,
        *,
        max_in_flight: int = 8,
        requests_per_second: float | None = None,
        patience_seconds: float = 120.0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        sleep: Callable[[float], None] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._now = now
        self._sleep = sleep
        self._jitter = jitter
        self._condition = threading.Condition()
        self._in_flight = 0
        self._paused_until = -math.inf
        self._pause_reason = "rate_limit"
        self._complained_at = -math.inf
        self._clean = 0
        self._slow = 0
        self._usual: dict[str, tuple[int, float]] = {}
        self.requests_made = 0
        self.throttled_seconds = 0.0
        self.configure(max_in_flight, requests_per_second, patience_seconds)

    def configure(self, max_in_flight: int, requests_per_second: float | None, patience_seconds: float) -> None:
        """Set the limits anew (the latest connection with this credential wins). :raises ConfigurationError: for a limit below 1."""
        if max_in_flight < 1:
            raise ConfigurationError(f"max_in_flight is {max_in_flight}: it must be 1 or more")
        if requests_per_second is not None and not (requests_per_second > 0 and math.isfinite(requests_per_second)):
            raise ConfigurationError(f"requests_per_second is {requests_per_second}: it must be more than 0")
        with self._condition:
            self.max_in_flight = max_in_flight
            self.patience_seconds = patience_seconds
            self._ceiling = requests_per_second
            self._allowed = float(max_in_flight)
            self._pace = requests_per_second
            self._server_pace: float | None = None  # the next answer tells it again
            self._tokens = self._burst()
            self._refilled_at = self._clock()
            self._condition.notify_all()

    @property
    def allowed_in_flight(self) -> int:
        """How many requests may be in flight just now."""
        return max(1, int(self._allowed))

    @property
    def allowed_per_second(self) -> float | None:
        """The pace just now; ``None`` while nothing paces."""
        return self._pace

    # ------------------------------------------------------------------------------------------ passing
    @contextmanager
    def passing(self, patience: Patience, observer: Observer | None = None) -> Iterator[None]:
        """Hold one place in flight, after waiting for the pause to end, for the pace and for a free place.

        :raises RateLimitedError: when the pause is longer than what is left of the patience.
        """
        self._enter(patience, observer)
        try:
            yield
        finally:
            with self._condition:
                self._in_flight -= 1
                self._condition.notify()

    def _enter(self, patience: Patience, observer: Observer | None) -> None:
        has_token = False
        while True:
            with self._condition:
                patience.check()
                now = self._clock()
                wait, reason = self._paused_until - now, self._pause_reason
                if wait <= 0:
                    if self._in_flight >= self.allowed_in_flight:
                        self._condition.wait(timeout=0.25)  # wakes to see whether the caller has stopped
                        continue
                    if not has_token:
                        wait, reason = self._take_token(now), "pacing"
                        has_token = True
                    if wait <= 0:
                        self._in_flight += 1
                        self.requests_made += 1
                        return
            if reason != "pacing":
                patience.spend(wait, reason)
            self.hold(wait, reason, patience, observer)

    def hold(self, seconds: float, reason: str, patience: Patience, observer: Observer | None) -> None:
        """Wait so long, count it and tell the observer; a cancelled caller wakes early."""
        if seconds <= 0:
            return
        with self._condition:
            self.throttled_seconds += seconds
        patience.held_seconds += seconds
        if observer is not None:
            observer(Throttled(seconds, reason))
        if self._sleep is not None:
            self._sleep(seconds)
        elif patience.cancelled is not None:
            patience.cancelled.wait(seconds)
        else:
            time.sleep(seconds)
        patience.check()

    def _burst(self) -> float:
        return max(1.0, self._pace) if self._pace is not None else 1.0

    def _take_token(self, now: float) -> float:
        """Take the next token, which may lie in the future, and return how long to wait for it."""
        if self._pace is None:
            return 0.0
        self._tokens = min(self._burst(), self._tokens + (now - self._refilled_at) * self._pace) - 1.0
        self._refilled_at = now
        return 0.0 if self._tokens > -1e-9 else -self._tokens / self._pace

    # ------------------------------------------------------------------------------------------ listening
    def answered(self, status: int, headers: Mapping[str, str], seconds: float, kind: str) -> None:
        """Take note of an answer: what the headers say about the pace, whether it was slow, whether it was clean."""
        with self._condition:
            self._read_bucket(headers)
            if status == 429:
                return
            near = headers.get("X-RateLimit-NearLimit", "").strip().lower() == "true"
            if near or self._was_slow(kind, seconds):
                self._complain()
            elif status < 500:
                self._clean += 1
                if self._clean >= CLEAN_ANSWERS_PER_STEP:
                    self._clean = 0
                    self._allowed = min(float(self.max_in_flight), self._allowed + 1)
                    top = self._top_pace()
                    if self._pace is not None and top is not None:
                        self._pace = min(top, self._pace + max(1.0, top / 10))
                    self._condition.notify()

    def pause_all(self, seconds: float, reason: str) -> None:
        """Let nobody start a request for so long, and halve what is allowed; an earlier end never shortens a later one."""
        with self._condition:
            until = self._clock() + seconds
            if until > self._paused_until:
                self._paused_until = until
                self._pause_reason = reason
            self._complain()

    def back_off_seconds(self, tries: int) -> float:
        """Return a full-jitter wait after so many tries: anything from 0 to 1, 2, 4 … 60 seconds."""
        first, most = BACK_OFF_SECONDS
        return self._jitter() * float(min(most, first * 2.0 ** (tries - 1)))

    def retry_after_seconds(self, headers: Mapping[str, str]) -> float | None:
        """Return what the ``Retry-After`` header asks for, given in seconds or as a date; ``None`` without a readable one.

        A date is held against the answer's own ``Date``: our clock may be wrong by hours.
        """
        value = headers.get("Retry-After", "").strip()
        if not value:
            return None
        try:
            seconds = float(value)
        except ValueError:
            when = _date(value)
            if when is None:
                return None
            seconds = (when - (_date(headers.get("Date", "")) or self._now())).total_seconds()
        return max(0.0, seconds) if math.isfinite(seconds) else None

    def _complain(self) -> None:
        self._clean = 0
        now = self._clock()
        if now - self._complained_at < QUIET_SECONDS:
            return
        self._complained_at = now
        self._allowed = max(1.0, self._allowed / 2)
        if self._pace is not None:
            self._pace = max(0.5, self._pace / 2)
            self._tokens = min(self._tokens, 1.0)

    def _was_slow(self, kind: str, seconds: float) -> bool:
        """Say whether this is the third answer in a row that took three times as long as this kind of request usually does."""
        count, usual = self._usual.get(kind, (0, seconds))
        slow = count >= 10 and seconds > SLOW_SECONDS and seconds > SLOW_FACTOR * usual
        if not slow:
            if len(self._usual) < 64 or kind in self._usual:
                weight = max(0.1, 1 / (count + 1))
                self._usual[kind] = (count + 1, usual + weight * (seconds - usual))
            self._slow = 0
            return False
        self._slow += 1
        if self._slow < SLOW_IN_A_ROW:
            return False
        self._slow = 0
        return True

    def _read_bucket(self, headers: Mapping[str, str]) -> None:
        """Take Data Center's token bucket from its headers.

        Every answer carries them, with a ``retry-after`` that is 0 while tokens remain: not a request to wait, so a 200's is not read.
        """
        fill, interval = _number(headers, "X-RateLimit-FillRate"), _number(headers, "X-RateLimit-Interval-Seconds")
        if not fill or not interval:
            return
        pace = max(fill / interval, SLOWEST_PACE)
        if pace != self._server_pace:
            self._server_pace = pace
            if self._pace is None:
                self._refilled_at = self._clock()
            top = self._top_pace()
            self._pace = top if self._pace is None or top is None else min(self._pace, top)
        remaining = _number(headers, "X-RateLimit-Remaining")
        if remaining is not None:
            # The bucket is the server's, and requests on their way are not counted in it yet.
            free = max(0.0, remaining - self._in_flight)
            mine = self._tokens if self._ceiling is not None else self._burst()
            self._tokens = min(self._tokens, free) if self._tokens < 0 else min(mine, free)

    def _top_pace(self) -> float | None:
        known = [pace for pace in (self._ceiling, self._server_pace) if pace is not None]
        return min(known) if known else None


class Patience:
    """What one request may still wait, over all its tries, and whether its caller has stopped."""

    def __init__(self, seconds: float, where: str, cancelled: threading.Event | None = None) -> None:
        self.left_seconds = seconds
        self.held_seconds = 0.0
        self.cancelled = cancelled
        self._where = where

    def spend(self, seconds: float, reason: str) -> None:
        """Take a pause off. :raises RetryLaterError: when it is longer than what is left, with the length of the pause."""
        if seconds > self.left_seconds:
            kind, status = (RateLimitedError, 429) if reason == "rate_limit" else (ConfluenceUnavailableError, 503)
            raise kind(
                f"Confluence asks for a pause of {seconds:.0f} s ({reason}) before {self._where}; "
                "that is longer than this task waits: run it again after the pause",
                retry_after_seconds=seconds,
                status=status,
            )
        self.left_seconds -= seconds

    def check(self) -> None:
        """Stop a worker whose caller has gone."""
        if self.cancelled is not None and self.cancelled.is_set():
            raise Cancelled


def _number(headers: Mapping[str, str], name: str) -> float | None:
    try:
        value = float(headers.get(name, ""))
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _date(value: str) -> datetime | None:
    try:
        when = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return when if when.tzinfo is not None else when.replace(tzinfo=timezone.utc)


_gates: OrderedDict[tuple[int, Origin, str], Gate] = OrderedDict()
_gates_lock = threading.Lock()


def shared_gate(
    origin: Origin,
    credential: str,
    *,
    max_in_flight: int,
    requests_per_second: float | None,
    patience_seconds: float,
) -> Gate:
    """Return this process's gate for a host and credential, with these limits; a forked child gets its own."""
    key = (os.getpid(), origin, credential)
    with _gates_lock:
        gate = _gates.pop(key, None)
        if gate is None:
            gate = Gate(
                max_in_flight=max_in_flight, requests_per_second=requests_per_second, patience_seconds=patience_seconds
            )
        elif (gate.max_in_flight, gate._ceiling, gate.patience_seconds) != (
            max_in_flight,
            requests_per_second,
            patience_seconds,
        ):
            gate.configure(max_in_flight, requests_per_second, patience_seconds)
        _gates[key] = gate
        while len(_gates) > 64:  # a long-lived process with rotating tokens
            _gates.popitem(last=False)
        return gate
