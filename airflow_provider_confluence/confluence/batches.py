"""Asking for many ids in parallel batches: bounded look-ahead, halving where a batch is too heavy, no thread left behind."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from airflow_provider_confluence.confluence.gate import MAX_TRIES
from airflow_provider_confluence.confluence.transport import TooHeavyError
from airflow_provider_confluence.documents import Failure
from airflow_provider_confluence.errors import (
    AccessDeniedError,
    ConfluenceProviderError,
    ConfluenceUnavailableError,
    ContractError,
)

FIRST_BATCH = 50
TRIES_FOR_ONE = 3
FIRST_DOUBT, LITTLE_HOPE = (
    3,
    25,
)  # failures in a row after which Confluence is asked, and after which an item is tried once


@dataclass(frozen=True, slots=True)
class Tries:
    """How often a request is tried: where asking for less may help (:class:`TooHeavyError`), and whatever goes wrong."""

    heavy: int = MAX_TRIES
    most: int = MAX_TRIES


ALL_TRIES = Tries()
T = TypeVar("T")
R = TypeVar("R")
_WAIT_SECONDS = 5.0  # signals are heard in between
_NOTHING_YET: Final = object()


class Doubts:
    """Tells trouble with single items from a Confluence that is down as a whole: after 3, 6, 12, … failures in a row it is asked.

    So any number of bad items stops nothing while Confluence answers, and an outage is seen after a few of them.

    :param check: 1 cheap request that a good Confluence answers; what it raises says that there is none.
    """

    def __init__(self, check: Callable[[], object]) -> None:
        self.in_a_row = 0
        self._check = check
        self._next = FIRST_DOUBT

    def good(self) -> None:
        """Take note of an item that came."""
        self.in_a_row, self._next = 0, FIRST_DOUBT

    def failed(self, *, ask_now: bool = False) -> None:
        """Take note of an item that did not. :raises ConfluenceProviderError: when Confluence itself does not answer either."""
        self.in_a_row += 1
        if ask_now or self.in_a_row >= self._next:
            self._next = 2 * max(self._next, self.in_a_row)
            self._check()


@dataclass(slots=True)
class _Patience:
    waits: bool = True


class Answers(Iterator[T], Generic[T]):
    """What is asked for in threads, as it comes. Nothing is asked before the first look.

    Closing it, or an exception in it, stops the threads before it returns.
    """

    def __init__(self, found: Generator[Any, None, None], patience: _Patience) -> None:
        self._found = found
        self._patience = patience

    def __next__(self) -> T:
        self._patience.waits = True
        for answer in self._found:
            if answer is not _NOTHING_YET:  # which was the end of a look
                return answer  # type: ignore[no-any-return]
        raise StopIteration

    def come(self) -> Iterator[T]:
        """Yield what had come when the look began. The threads go on with so much more as there was."""
        self._patience.waits = False
        for answer in self._found:
            if answer is _NOTHING_YET:
                break
            yield answer
            self._patience.waits = False  # where the others were waited for in between

    def map(self, then: Callable[[T], R]) -> Answers[R]:
        """Return what a function makes of each, in place of this. What it raises stops the threads."""

        def mapped() -> Generator[Any, None, None]:
            with closing(self._found) as found:
                for answer in found:
                    yield answer if answer is _NOTHING_YET else then(answer)

        return Answers(mapped(), self._patience)

    def close(self) -> None:
        """Stop the threads; safe to repeat."""
        self._found.close()


def in_batches(
    fetch: Callable[[Sequence[str], Tries, threading.Event], Sequence[T]],
    ids: Sequence[str],
    *,
    type_: str,
    threads: int,
    check: Callable[[], object],
    cut: Callable[[threading.Event], bool | None] = lambda _stop: None,
    first_batch: int = FIRST_BATCH,
) -> Answers[T | Failure]:
    """Return what ``fetch`` returns for all the ids, in any order, and a Failure for each id that cannot be had even alone.

    At most ``threads`` answers are held beside those on their way, so memory is bounded by ``threads`` × the largest answer.
    Where all threads have enough to do, the first batches are smaller, each by a step: the first answer is there sooner, and the others do
    not come all at once.

    :param fetch: called in threads with a batch, the number of tries, and the event that says *stop*.
    :param check: asks Confluence whether it is there at all, where that is in doubt (:class:`Doubts`); what it raises ends everything.
    :param cut: breaks off the requests that are under way for a stop event (:meth:`Transport.cut`).
    :raises ConfluenceProviderError: what ``check`` raises; and what is about no item: a refused credential, a pause that is too long.
    """
    patience = _Patience()
    return Answers(_in_batches(fetch, ids, type_, threads, check, cut, first_batch, patience), patience)


def _in_batches(
    fetch: Callable[[Sequence[str], Tries, threading.Event], Sequence[T]],
    ids: Sequence[str],
    type_: str,
    threads: int,
    check: Callable[[], object],
    cut: Callable[[threading.Event], bool | None],
    first_batch: int,
    patience: _Patience,
) -> Generator[Any, None, None]:
    """Yield the answers of :func:`in_batches`; where nobody waits, what had come, and then that there is nothing yet."""
    waiting: deque[str] = deque(ids)
    halves: deque[list[str]] = deque()
    stop = threading.Event()
    size = first_batch
    full = len(ids) > threads * first_batch
    steps = deque(max(1, first_batch * step // threads) for step in range(1, threads if full else 1))
    doubts = Doubts(check)
    is_lasting = False  # whether refusals that usually pass were seen to last
    running: dict[Future[Sequence[T]], list[str]] = {}
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="confluence-fetch")

    def tries(batch: Sequence[str]) -> Tries:
        if len(batch) > 1:
            return Tries(1, 1 if is_lasting else MAX_TRIES)
        heavy = TRIES_FOR_ONE if doubts.in_a_row < LITTLE_HOPE else 1
        return Tries(heavy, heavy if is_lasting else MAX_TRIES)

    def submit() -> None:
        while len(running) < threads and (halves or waiting):
            if halves:
                batch = halves.pop()
            else:
                most = min(size, steps.popleft()) if steps else size
                batch = [waiting.popleft() for _ in range(min(most, len(waiting)))]
            running[pool.submit(fetch, batch, tries(batch), stop)] = batch

    try:
        submit()
        while running:
            done, _ = wait(running, _WAIT_SECONDS if patience.waits else 0, FIRST_COMPLETED)
            for future in done:
                batch = running.pop(future)
                try:
                    fetched = future.result()
                except (ConfluenceUnavailableError, ContractError, AccessDeniedError) as error:
                    if isinstance(error, AccessDeniedError) and error.status == 401:
                        raise  # the token lacks a scope
                    if not _is_often_about_items(error) and not is_lasting:
                        doubts.failed(ask_now=True)
                        is_lasting = True
                    elif len(batch) == 1 and not _is_an_answer(error):
                        doubts.failed()
                    if len(batch) > 1:
                        middle = len(batch) // 2
                        halves.extend((batch[:middle], batch[middle:]))
                        size = max(1, min(size, middle))
                        submit()
                        continue
                    submit()
                    yield Failure(batch[0], type_, _reason(error), str(error))
                    continue
                doubts.good()
                if len(batch) >= size:
                    size = min(first_batch, size + max(1, size // 10))
                submit()
                yield from fetched
            if not patience.waits:
                yield _NOTHING_YET
    except BaseException:
        end(pool, stop, running, cut)
        raise
    pool.shutdown()  # nothing is under way, so nothing is cut, which others may still need


def end(
    pool: ThreadPoolExecutor,
    stop: threading.Event,
    running: Iterable[Future[Any]],
    cut: Callable[[threading.Event], bool | None],
) -> None:
    """Stop the threads of a pool, breaking off what they wait for, and return when they have ended.

    :param running: what was asked of them. A signal that raised while a call was being handed over leaves it out, so what still waits
        for the stop is cut as well.
    """
    stop.set()
    pool.shutdown(wait=False, cancel_futures=True)
    # (wait() alone would wait for ever for futures that were cancelled before they began.)
    while True:
        is_waiting = cut(stop)  # again and again: a thread may have been on its way into its request
        under_way = [future for future in running if not future.done()]
        if not under_way and not is_waiting:
            break
        wait(under_way, timeout=0.05)
        if not under_way:
            time.sleep(0.05)
    pool.shutdown(wait=True)


def _is_often_about_items(error: ConfluenceProviderError) -> bool:
    """Whether asking for fewer ids may help: one bad id spoils a batch with 400 or 404, one huge body with 413, 500, 504."""
    return isinstance(error, TooHeavyError) or (isinstance(error, ContractError) and error.status in (400, 404))


def _is_an_answer(error: ConfluenceProviderError) -> bool:
    """Whether Confluence is there and said what it thinks of the item."""
    return not isinstance(error, ConfluenceUnavailableError) or error.status == 413


def _reason(error: ConfluenceUnavailableError | ContractError | AccessDeniedError) -> str:
    if error.status == 413:
        return "too_large"
    if error.status == 504:
        return "timed_out"
    if error.status == 404:
        return "not_found"
    return "server_error" if isinstance(error, ConfluenceUnavailableError) else "refused"


def in_parallel(
    call: Callable[[R, threading.Event], T],
    values: Sequence[R],
    threads: int,
    cut: Callable[[threading.Event], bool | None] = lambda _stop: None,
) -> list[T]:
    """Return the results of a call for each value, in their order; the first error is raised after the threads have ended."""
    stop = threading.Event()
    pool = ThreadPoolExecutor(max_workers=max(1, min(threads, len(values))), thread_name_prefix="confluence-ask")
    running: list[Future[T]] = []
    try:
        running += [pool.submit(call, value, stop) for value in values]
        return [future.result() for future in running]
    finally:
        end(pool, stop, running, cut)
