from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import pytest

from airflow_provider_confluence.confluence.gate import Cancelled, Gate, Patience, shared_gate
from airflow_provider_confluence.errors import ConfigurationError, RateLimitedError
from tests.confluence.conftest import FakeTime

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)


def patience(seconds: float = 120.0) -> Patience:
    return Patience(seconds, "GET /x")


def passes(gate: Gate, times: int) -> None:
    for _ in range(times):
        with gate.passing(patience()):
            pass


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("0", 0.0),
        ("-3", 0.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("inf", None),
        ("nan", None),
        ("", None),
    ],
)
def test_retry_after_is_read_in_seconds_and_as_a_date(header: str, expected: float | None) -> None:
    assert expected == Gate(now=lambda: NOW).retry_after_seconds({"Retry-After": header})


def test_the_pace_lets_one_second_s_worth_through_and_then_spaces_requests(fake_time: FakeTime) -> None:
    gate = Gate(requests_per_second=10, clock=fake_time.clock, sleep=fake_time.sleep)
    passes(gate, 10)
    assert fake_time.slept == []
    passes(gate, 20)
    assert pytest.approx(2.0) == sum(fake_time.slept)
    assert pytest.approx(2.0) == gate.throttled_seconds
    assert gate.requests_made == 30


def test_a_pause_holds_everybody_and_a_shorter_one_does_not_end_it(fake_time: FakeTime) -> None:
    gate = Gate(clock=fake_time.clock, sleep=fake_time.sleep)
    gate.pause_all(30, "rate_limit")
    gate.pause_all(2, "rate_limit")
    passes(gate, 2)
    assert fake_time.slept == [30]


def test_a_pause_longer_than_the_patience_is_not_slept_through(fake_time: FakeTime) -> None:
    gate = Gate(clock=fake_time.clock, sleep=fake_time.sleep)
    gate.pause_all(1800, "rate_limit")
    with pytest.raises(RateLimitedError) as caught, gate.passing(patience(120)):
        pass
    assert (caught.value.retry_after_seconds, fake_time.slept) == (1800, [])


def test_pauses_add_up_against_the_patience_of_one_request(fake_time: FakeTime) -> None:
    gate = Gate(clock=fake_time.clock, sleep=fake_time.sleep)
    mine = patience(100)
    gate.pause_all(60, "rate_limit")
    with gate.passing(mine):
        pass
    gate.pause_all(60, "rate_limit")
    with pytest.raises(RateLimitedError), gate.passing(mine):
        pass


def test_complaints_halve_what_is_allowed_once_for_all_threads_and_clean_answers_raise_it(fake_time: FakeTime) -> None:
    gate = Gate(max_in_flight=8, requests_per_second=20, clock=fake_time.clock, sleep=fake_time.sleep)
    for _ in range(8):
        gate.pause_all(1, "rate_limit")
    assert (gate.allowed_in_flight, gate.allowed_per_second) == (4, 10)
    for _ in range(50):
        gate.answered(200, {}, 0.1, "GET /x")
    assert (gate.allowed_in_flight, gate.allowed_per_second) == (5, 12)
    for _ in range(1000):
        gate.answered(200, {}, 0.1, "GET /x")
    assert (gate.allowed_in_flight, gate.allowed_per_second) == (8, 20)


def test_a_near_limit_warning_slows_down_without_a_pause(fake_time: FakeTime) -> None:
    gate = Gate(max_in_flight=8, requests_per_second=20, clock=fake_time.clock, sleep=fake_time.sleep)
    gate.answered(200, {"X-RateLimit-NearLimit": "true"}, 0.1, "GET /x")
    assert (gate.allowed_in_flight, gate.allowed_per_second, fake_time.slept) == (4, 10, [])


def test_answers_that_become_three_times_as_slow_halve_what_is_in_flight(fake_time: FakeTime) -> None:
    gate = Gate(max_in_flight=8, clock=fake_time.clock, sleep=fake_time.sleep)
    for _ in range(20):
        gate.answered(200, {}, 1.0, "GET /pages")
    gate.answered(200, {}, 3.5, "GET /other")  # another kind of request, slow by nature
    gate.answered(200, {}, 3.5, "GET /pages")
    gate.answered(200, {}, 3.5, "GET /pages")
    assert gate.allowed_in_flight == 8
    gate.answered(200, {}, 3.5, "GET /pages")
    assert gate.allowed_in_flight == 4


def test_data_center_s_retry_after_of_a_good_answer_is_no_wait(fake_time: FakeTime) -> None:
    gate = Gate(clock=fake_time.clock, sleep=fake_time.sleep)
    headers = {
        "X-RateLimit-Limit": "50",
        "X-RateLimit-Remaining": "49",
        "X-RateLimit-Interval-Seconds": "1",
        "X-RateLimit-FillRate": "10",
        "Retry-After": "0",
    }
    for _ in range(100):
        with gate.passing(patience()):
            pass
        gate.answered(200, headers, 0.01, "GET /x")
    assert fake_time.slept == []
    assert gate.allowed_per_second == 10


def test_data_center_s_bucket_paces_when_it_runs_dry(fake_time: FakeTime) -> None:
    gate = Gate(clock=fake_time.clock, sleep=fake_time.sleep)
    dry = {"X-RateLimit-Remaining": "0", "X-RateLimit-Interval-Seconds": "2", "X-RateLimit-FillRate": "10"}
    gate.answered(200, dry, 0.01, "GET /x")
    passes(gate, 1)
    assert [pytest.approx(0.2)] == fake_time.slept


def test_no_more_than_allowed_are_in_flight() -> None:
    gate = Gate(max_in_flight=3)
    lock, now, most = threading.Lock(), [0], [0]
    full = threading.Barrier(3)

    def one(number: int) -> None:
        with gate.passing(patience()):
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            full.wait(timeout=10)  # goes on only when three are inside at once
            with lock:
                now[0] -= 1

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(one, range(12)))
    assert most == [3]


def test_a_cancelled_caller_wakes_from_a_pause() -> None:
    gate = Gate()
    gate.pause_all(100, "rate_limit")
    stop = threading.Event()
    outcome: list[BaseException] = []

    def wait() -> None:
        try:
            with gate.passing(Patience(200, "GET /x", stop)):
                pass
        except Cancelled as error:
            outcome.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    stop.set()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert len(outcome) == 1


@pytest.mark.parametrize(("in_flight", "pace"), [(0, None), (1, 0.0), (1, float("nan"))])
def test_limits_below_one_request_are_refused(in_flight: int, pace: float | None) -> None:
    with pytest.raises(ConfigurationError):
        Gate(max_in_flight=in_flight, requests_per_second=pace)


def test_one_credential_has_one_gate_and_the_latest_limits() -> None:
    credential = "test-gate-credential"
    origin = ("https", "example.com", 443)
    first = shared_gate(origin, credential, max_in_flight=8, requests_per_second=None, patience_seconds=1)
    again = shared_gate(origin, credential, max_in_flight=2, requests_per_second=5, patience_seconds=1)
    other = shared_gate(origin, credential + "2", max_in_flight=8, requests_per_second=None, patience_seconds=1)
    assert first is again
    assert first is not other
    assert (first.max_in_flight, first.allowed_per_second) == (2, 5)


def test_new_limits_keep_to_the_server_s_bucket(fake_time: FakeTime) -> None:
    gate = Gate(clock=fake_time.clock, sleep=fake_time.sleep)
    dry = {"X-RateLimit-Remaining": "0", "X-RateLimit-Interval-Seconds": "1", "X-RateLimit-FillRate": "5"}
    gate.answered(200, dry, 0.01, "GET /x")
    gate.configure(2, 50.0, 120.0)
    gate.answered(200, dry, 0.01, "GET /x")
    assert gate.allowed_per_second == 5
