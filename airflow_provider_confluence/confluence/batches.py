"""Asking for many ids in parallel batches: bounded look-ahead, halving where a batch is too heavy, no thread left behind."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from airflow_provider_confluence.confluence.transport import TooHeavyError
from airflow_provider_confluence.documents import Failure
from airflow_provider_confluence.errors import ConfluenceUnavailableError, ContractError

FIRST_BATCH = 50
FAILURES_IN_A_ROW = 25
TRIES_FOR_ONE = 3

T = TypeVar("T")
R = TypeVar("R")


def in_batches(
    fetch: Callable[[Sequence[str], int, threading.Event], Sequence[T]],
    ids: Sequence[str],
    *,
    type_: str,
    threads: int,
    cut: Callable[[threading.Event], None] = lambda _stop: None,
    first_batch: int = FIRST_BATCH,
) -> Iterator[T | Failure]:
    """Yield what ``fetch`` returns for all the ids, in any order, and a Failure for each id that cannot be had even alone.

    At most ``threads`` answers are held beside those on their way, so memory is bounded by ``threads`` × the largest answer.
    Closing the iterator, or an exception in it, stops the threads before it returns.

    :param fetch: called in threads with a batch, the number of tries for heavy answers, and the event that says *stop*.
    :param cut: breaks off the requests that are under way for a stop event (:meth:`Transport.cut`).
    :raises ConfluenceUnavailableError: when 25 items in a row fail: that is no longer about single items.
    """
    waiting: deque[str] = deque(ids)
    halves: deque[list[str]] = deque()
    stop = threading.Event()
    size = first_batch
    failed_in_a_row = 0
    running: dict[Future[Sequence[T]], list[str]] = {}
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="confluence-fetch")

    def submit() -> None:
        while len(running) < threads and (halves or waiting):
            batch = halves.popleft() if halves else [waiting.popleft() for _ in range(min(size, len(waiting)))]
            running[pool.submit(fetch, batch, 1 if len(batch) > 1 else TRIES_FOR_ONE, stop)] = batch

    try:
        submit()
        while running:
            done, _ = wait(running, timeout=5, return_when=FIRST_COMPLETED)
            for future in done:
                batch = running.pop(future)
                try:
                    fetched = future.result()
                except (TooHeavyError, ContractError) as error:
                    if not _about_items(error):
                        raise
                    if len(batch) > 1:
                        middle = len(batch) // 2
                        halves.extend((batch[:middle], batch[middle:]))
                        size = max(1, min(size, middle))
                        submit()
                        continue
                    failed_in_a_row += 1
                    if failed_in_a_row >= FAILURES_IN_A_ROW:
                        raise ConfluenceUnavailableError(
                            f"{failed_in_a_row} items in a row could not be fetched, the last because: {error}",
                            status=error.status,
                        ) from error
                    submit()
                    yield Failure(batch[0], type_, _reason(error), str(error))
                    continue
                failed_in_a_row = 0
                if len(batch) >= size:
                    size = min(first_batch, size + max(1, size // 10))
                submit()
                yield from fetched
    finally:
        _end(pool, stop, running, cut)


def _end(
    pool: ThreadPoolExecutor,
    stop: threading.Event,
    running: Iterable[Future[Any]],
    cut: Callable[[threading.Event], None],
) -> None:
    """Stop the threads of a pool, breaking off what they wait for, and return when they have ended."""
    stop.set()
    pool.shutdown(wait=False, cancel_futures=True)
    # (wait() alone would wait for ever for futures that were cancelled before they began.)
    while under_way := [future for future in running if not future.done()]:
        cut(stop)  # again and again: a thread may have been on its way into its request
        wait(under_way, timeout=0.05)
    pool.shutdown(wait=True)


def _about_items(error: TooHeavyError | ContractError) -> bool:
    """Whether asking for fewer ids may help: one bad id spoils a batch with 400 or 404, one huge body with 413, 500, 504."""
    return isinstance(error, TooHeavyError) or error.status in (400, 404)


def _reason(error: TooHeavyError | ContractError) -> str:
    if error.status == 413:
        return "too_large"
    if error.status == 504:
        return "timed_out"
    if error.status == 404:
        return "not_found"
    return "refused" if isinstance(error, ContractError) else "server_error"


def in_parallel(
    call: Callable[[R, threading.Event], T],
    values: Sequence[R],
    threads: int,
    cut: Callable[[threading.Event], None] = lambda _stop: None,
) -> list[T]:
    """Return the results of a call for each value, in their order; the first error is raised after the threads have ended."""
    stop = threading.Event()
    pool = ThreadPoolExecutor(max_workers=max(1, min(threads, len(values))), thread_name_prefix="confluence-ask")
    running: list[Future[T]] = []
    try:
        running += [pool.submit(call, value, stop) for value in values]
        return [future.result() for future in running]
    finally:
        _end(pool, stop, running, cut)
