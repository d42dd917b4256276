from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_confluence.confluence.batches import _WAIT_SECONDS, Tries, in_batches, in_parallel
from airflow_provider_confluence.confluence.transport import AbsentError, TooHeavyError
from airflow_provider_confluence.documents import Failure
from airflow_provider_confluence.errors import AccessDeniedError, ConfluenceUnavailableError, ContractError


def answers() -> None:
    """Confluence itself is there."""


IDS = [str(number) for number in range(1000, 1240)]


@settings(max_examples=30, deadline=None)
@given(bad=st.sets(st.sampled_from(IDS), max_size=20), most=st.integers(1, 60), threads=st.integers(1, 6))
def test_every_id_comes_once_as_a_result_or_as_a_failure(bad: set[str], most: int, threads: int) -> None:
    def fetch(ids: Sequence[str], tries: Tries, _stop: threading.Event) -> list[str]:
        if len(ids) > most or bad.intersection(ids):
            raise TooHeavyError("too much", status=413)
        return list(ids)

    found = list(in_batches(fetch, IDS, check=answers, type_="page", threads=threads))
    failures = [each for each in found if isinstance(each, Failure)]
    assert bad == {failure.content_id for failure in failures}
    assert sorted(set(IDS) - bad) == sorted(each for each in found if not isinstance(each, Failure))


@settings(max_examples=30, deadline=None)
@given(looks=st.lists(st.sampled_from(["look", "wait", "wait within a look"]), max_size=60), threads=st.integers(1, 4))
def test_looks_without_waiting_lose_and_double_nothing(looks: list[str], threads: int) -> None:
    numbers = in_batches(
        lambda ids, *_: [int(i) for i in ids], IDS, check=answers, type_="page", threads=threads, first_batch=7
    )
    doubled = numbers.map(lambda number: number if isinstance(number, Failure) else 2 * number)
    found: list[object] = []
    for look in looks:
        if look != "wait":
            for number in doubled.come():
                found.append(number)
                if look != "look":
                    found += [more] if (more := next(doubled, None)) is not None else []
        elif (more := next(doubled, None)) is not None:
            found.append(more)
    found += doubled
    assert sorted(found) == [2 * int(i) for i in IDS]  # type: ignore[type-var]


def test_a_look_without_waiting_begins_and_does_not_wait() -> None:
    entered, released = threading.Event(), threading.Event()

    def fetch(ids: Sequence[str], _tries: Tries, _stop: threading.Event) -> list[str]:
        entered.set()
        assert released.wait(30)
        return list(ids)

    found = in_batches(fetch, ["1", "2"], check=answers, type_="page", threads=1)
    began = time.monotonic()
    assert list(found.come()) == []
    assert entered.wait(30)
    assert list(found.come()) == []
    assert time.monotonic() - began < _WAIT_SECONDS, "it waited as long as a look that waits"
    released.set()
    assert list(found) == ["1", "2"]


def test_a_wait_within_a_look_leaves_it_a_look() -> None:
    released = threading.Event()

    def fetch(ids: Sequence[str], _tries: Tries, _stop: threading.Event) -> list[str]:
        if ids[0] == "3":
            released.wait(_WAIT_SECONDS + 3)
        return list(ids)

    found = in_batches(fetch, ["1", "2", "3"], check=answers, type_="page", threads=1, first_batch=1)
    seen: list[object] = []
    while not seen:
        for answer in found.come():
            began = time.monotonic()
            seen += [answer, next(found)]
    assert time.monotonic() - began < _WAIT_SECONDS
    released.set()
    assert [*seen, *found] == ["1", "2", "3"]


def test_a_look_takes_no_more_than_had_come() -> None:
    found = in_batches(lambda ids, *_: list(ids), IDS, check=answers, type_="page", threads=4, first_batch=1)
    assert all(len(list(found.come())) <= 4 for _ in range(10))
    found.close()


def test_what_a_map_raises_ends_the_threads() -> None:
    def fetch(ids: Sequence[str], _tries: Tries, stop: threading.Event) -> list[str]:
        if ids[0] != IDS[0]:
            stop.wait(30)
        return list(ids)

    def fail(_: object) -> object:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no") as caught:
        list(in_batches(fetch, IDS, check=answers, type_="page", threads=3, first_batch=5).map(fail))
    # While its traceback holds everything that took part.
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("confluence-")], caught


def test_what_ended_by_itself_is_not_cut() -> None:
    cuts: list[threading.Event] = []
    found = in_batches(lambda ids, *_: list(ids), IDS, check=answers, type_="page", threads=3, cut=cuts.append)
    assert sorted(found) == IDS
    assert cuts == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("confluence-")]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TooHeavyError("x", status=413), "too_large"),
        (TooHeavyError("x", status=500), "server_error"),
        (TooHeavyError("x", status=504), "timed_out"),
        (AbsentError("x", status=404), "not_found"),
    ],
)
def test_an_item_that_fails_alone_becomes_a_failure_with_its_reason(error: Exception, reason: str) -> None:
    def fetch(ids: Sequence[str], _tries: Tries, _stop: threading.Event) -> list[str]:
        if "7" in ids:
            raise error
        return list(ids)

    found = list(in_batches(fetch, ["6", "7", "8"], check=answers, type_="blogpost", threads=2))
    assert Failure("7", "blogpost", reason, "x") in found
    assert {"6", "8"} == {each for each in found if isinstance(each, str)}


def test_a_single_item_is_tried_more_often_than_a_batch() -> None:
    tries_by_size: dict[int, int] = {}

    def fetch(ids: Sequence[str], tries: Tries, _stop: threading.Event) -> list[str]:
        tries_by_size[len(ids)] = tries.heavy
        if len(ids) > 1:
            raise TooHeavyError("x", status=504)
        return list(ids)

    list(in_batches(fetch, ["1", "2"], check=answers, type_="page", threads=1))
    assert tries_by_size == {2: 1, 1: 3}


@pytest.mark.parametrize("error", [TooHeavyError("x", status=500), ConfluenceUnavailableError("x", status=503)])
def test_failures_in_a_row_end_it_where_confluence_itself_does_not_answer(error: Exception) -> None:
    asked = [0]

    def fetch(_ids: Sequence[str], _tries: Tries, _stop: threading.Event) -> list[str]:
        asked[0] += 1
        raise error

    def check() -> None:
        raise ConfluenceUnavailableError("down", status=503)

    with pytest.raises(ConfluenceUnavailableError, match="down"):
        list(in_batches(fetch, IDS, check=check, type_="page", threads=2))
    assert asked[0] <= 30


@pytest.mark.parametrize(
    "error",
    [
        TooHeavyError("x", status=500),
        TooHeavyError("x", status=413),
        ConfluenceUnavailableError("x", status=503),
        ConfluenceUnavailableError("x"),
        AccessDeniedError("x", status=403),
        ContractError("x", status=200),
    ],
)
def test_any_number_of_bad_items_stops_nothing_while_confluence_answers(error: Exception) -> None:
    checks = [0]
    failed: set[str] = set()
    all_failed = threading.Event()

    def fetch(ids: Sequence[str], _tries: Tries, _stop: threading.Event) -> list[str]:
        if set(ids) != {IDS[-1]}:
            failed.update(ids if len(ids) == 1 else ())
            if len(failed) == len(IDS) - 1:
                all_failed.set()
            raise error
        # The good one ends the row of failures, so it must not overtake a batch of bad ones that a busy machine keeps waiting.
        assert all_failed.wait(60)
        return list(ids)

    def check() -> None:
        checks[0] += 1

    found = list(in_batches(fetch, IDS, check=check, type_="page", threads=2))
    assert [each for each in found if isinstance(each, str)] == [IDS[-1]]
    assert len(found) == len(IDS)
    assert checks[0] <= 10


def test_an_error_about_the_account_stops_everything() -> None:
    def fetch(_ids: Sequence[str], _tries: Tries, _stop: threading.Event) -> list[str]:
        raise AccessDeniedError("no such scope", status=401)

    with pytest.raises(AccessDeniedError):
        list(in_batches(fetch, IDS, check=answers, type_="page", threads=4))


def test_look_ahead_is_bounded() -> None:
    lock, fetched = threading.Lock(), [0]

    def fetch(ids: Sequence[str], _tries: Tries, _stop: threading.Event) -> list[str]:
        with lock:
            fetched[0] += len(ids)
        return list(ids)

    found = in_batches(fetch, IDS, check=answers, type_="page", threads=2, first_batch=10)
    next(found)
    assert fetched[0] <= 40
    found.close()


def test_closing_the_iterator_wakes_and_ends_its_threads() -> None:
    entered = threading.Event()

    def fetch(ids: Sequence[str], _tries: Tries, stop: threading.Event) -> list[str]:
        if ids[0] == IDS[0]:
            return list(ids)
        entered.set()
        assert stop.wait(30)
        return []

    found = in_batches(fetch, IDS, check=answers, type_="page", threads=3, first_batch=5)
    next(found)
    assert entered.wait(10)
    found.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("confluence-")]


def test_an_interrupt_in_the_consumer_ends_the_threads() -> None:
    def fetch(ids: Sequence[str], _tries: Tries, stop: threading.Event) -> list[str]:
        if ids[0] != IDS[0]:
            stop.wait(30)
        return list(ids)

    def consume() -> None:
        for _ in in_batches(fetch, IDS, check=answers, type_="page", threads=3, first_batch=5):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("confluence-")]


def test_nothing_to_fetch_is_nothing_to_do() -> None:
    assert list(in_batches(lambda *_: [], [], check=answers, type_="page", threads=4)) == []
    assert in_parallel(lambda value, _stop: value, [], 4) == []


def test_parallel_results_keep_their_order() -> None:
    assert in_parallel(lambda value, _stop: value * value, [0, 1, 2, 3], 3) == [0, 1, 4, 9]


@pytest.mark.parametrize(
    ("items", "threads", "sizes"),
    [
        (100, 4, [50, 50]),
        (200, 4, [50, 50, 50, 50]),
        (201, 4, [12, 25, 37, 50, 50, 27]),
        (120, 1, [50, 50, 20]),
    ],
)
def test_where_all_threads_have_enough_to_do_the_first_answer_is_small(
    items: int, threads: int, sizes: list[int]
) -> None:
    asked: list[Sequence[str]] = []

    def fetch(ids: Sequence[str], _tries: Tries, _stop: threading.Event) -> list[str]:
        asked.append(ids)
        return list(ids)

    ids = [f"{number:03}" for number in range(items)]
    assert sorted(in_batches(fetch, ids, check=answers, type_="page", threads=threads)) == ids
    assert [len(batch) for batch in sorted(asked)] == sizes
