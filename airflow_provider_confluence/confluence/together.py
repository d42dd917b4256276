"""Listings that are read at the same time: requests wait in threads, everything else happens in the thread that reads.

A walk through one list goes from page to page, each of which only the one before can name. So what can be asked at a time are the next
pages of different walks, and what is asked of the items on the pages that have come.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

from airflow_provider_confluence.confluence.batches import end
from airflow_provider_confluence.documents import Entry

AHEAD = 20_000
"""So many entries of a later group are held at most, and a page of each of its lists, while an earlier group has not ended."""
_ENDED = object()
T = TypeVar("T")


class Calls:
    """Makes calls in threads, and hands what they return to the thread that takes the turns.

    :param threads: so many at a time, at most.
    :param on_behalf_of: is entered around each call with the event that says *stop*.
    :param cut: breaks off the requests that are under way for that event.
    """

    def __init__(
        self,
        threads: int,
        on_behalf_of: Callable[[threading.Event], AbstractContextManager[None]],
        cut: Callable[[threading.Event], bool | None],
    ) -> None:
        self.threads = threads
        self._on_behalf_of = on_behalf_of
        self._cut = cut
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="confluence-list")
        self._running: set[Future[Any]] = set()
        self._done: SimpleQueue[tuple[Future[Any], Callable[[Any], None]]] = SimpleQueue()

    @property
    def are_under_way(self) -> bool:
        """Whether anything was asked and not taken yet."""
        return bool(self._running)

    def ask(self, call: Callable[[], T], then: Callable[[T], None]) -> None:
        """Make a call in a thread; ``then`` gets what it returns, in a later turn."""

        def calling() -> T:
            with self._on_behalf_of(self._stop):
                return call()

        future = self._pool.submit(calling)
        self._running.add(future)
        future.add_done_callback(lambda done: self._done.put((done, then)))

    def turn(self) -> None:
        """Wait for the next call that ends, and hand on what it returned; what it raised is raised here."""
        while True:
            try:
                future, then = self._done.get(timeout=5)  # signals are heard meanwhile
                break
            except Empty:
                continue
        self._running.discard(future)
        then(future.result())

    def close(self) -> None:
        """Stop the threads, breaking off what they wait for, and return when they have ended."""
        end(self._pool, self._stop, self._running, self._cut)


class Readable(Protocol):
    """A listing that can be read beside others."""

    def begin(self, reading: Any) -> None:
        """Say by :meth:`Reading.walk` what is to be walked; the reading is of the listing's own edition."""


@dataclass(slots=True)
class _Walk:
    listing: Any
    pages: Iterator[Any]
    goes_on: Callable[[Any], bool]
    take: Callable[[Any], None]
    ended: Callable[[], None]


class Reading:
    """Several listings under way; iterating brings each one's entries, page by page, as they arrive.

    Walks are begun in their order, as many as there are threads. The entries of a later group come when the earlier groups have ended.
    """

    def __init__(self, calls: Calls, groups: Sequence[Sequence[Readable]]) -> None:
        self._calls = calls
        self._waiting: deque[_Walk] = deque()
        self._open = 0
        self._parked: list[_Walk] = []
        self._out: deque[tuple[Any, list[Entry]]] = deque()
        self._held: list[deque[tuple[Any, list[Entry]]]] = [deque() for _ in groups]
        self._ahead = 0
        self._group_of = {id(listing): n for n, group in enumerate(groups) for listing in group}
        self._left = [len(group) for group in groups]
        self._current = 0
        self._groups = groups

    def __iter__(self) -> Generator[tuple[Any, list[Entry]], None, None]:
        try:
            self._open_groups()
            for group in self._groups:
                for listing in group:
                    listing.begin(self)
            while True:
                while self._out:
                    yield self._out.popleft()
                while self._waiting and self._open < self._calls.threads:
                    self._open += 1
                    self._turn_page(self._waiting.popleft())
                if not self._calls.are_under_way:
                    break
                self._calls.turn()
        finally:
            self._calls.close()

    # ------------------------------------------------------------------------------------------ what a listing calls
    def walk(
        self,
        listing: Readable,
        pages: Iterator[Any],
        *,
        take: Callable[[Any], None],
        ended: Callable[[], None],
        goes_on: Callable[[Any], bool] = lambda _: True,
    ) -> None:
        """Take the pages of an iterator, each from a thread.

        :param goes_on: looks at a page and says whether the next one is wanted, which is then asked for before this one is taken.
        :param ended: is called after the last page where there is no further one, not where none was wanted.
        """
        self._waiting.append(_Walk(listing, pages, goes_on, take, ended))

    def ask(self, call: Callable[[], T], then: Callable[[T], None]) -> None:
        """Make a call in a thread; see :meth:`Calls.ask`."""
        self._calls.ask(call, then)

    @property
    def has_room(self) -> bool:
        """Whether a further walk would begin at once."""
        return not self._waiting and self._open < self._calls.threads

    def deliver(self, listing: Readable, entries: list[Entry]) -> None:
        """Hand out entries of a listing."""
        group = self._group_of[id(listing)]
        if group == self._current:
            self._out.append((listing, entries))
        else:
            self._held[group].append((listing, entries))
            self._ahead += len(entries)

    def finish(self, listing: Readable) -> None:
        """Note that a listing has delivered everything."""
        self._left[self._group_of[id(listing)]] -= 1
        self._open_groups()

    # ------------------------------------------------------------------------------------------ inside
    def _open_groups(self) -> None:
        while self._current < len(self._left) - 1 and not self._left[self._current]:
            self._current += 1
            self._ahead -= sum(len(entries) for _, entries in self._held[self._current])
            self._out.extend(self._held[self._current])
            self._held[self._current].clear()
            parked, self._parked = self._parked, []
            for walk in parked:
                self._turn_page(walk)

    def _turn_page(self, walk: _Walk) -> None:
        if self._group_of[id(walk.listing)] > self._current and self._ahead > AHEAD:
            self._parked.append(walk)
        else:
            self._calls.ask(lambda: next(walk.pages, _ENDED), lambda page: self._turned(walk, page))

    def _turned(self, walk: _Walk, page: Any) -> None:
        if page is _ENDED:
            self._open -= 1
            walk.ended()
            return
        if walk.goes_on(page):
            self._turn_page(walk)
        else:
            self._open -= 1
        walk.take(page)


def read_through(reading: Iterable[tuple[Any, list[Entry]]]) -> Iterator[Entry]:
    """Yield the entries alone, one by one."""
    for _, entries in reading:
        yield from entries
