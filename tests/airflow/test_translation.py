"""The one place where the core's errors become Airflow's, and what a task tells of its progress."""

from __future__ import annotations

import inspect
import logging
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_confluence import errors
from airflow_provider_confluence.confluence.events import RequestDone, Throttled
from airflow_provider_confluence.operators._progress import Progress
from airflow_provider_confluence.operators._translation import translated
from airflow_provider_confluence.sync.context import Event


class Store(dict[str, Any]):
    """A state store that keeps its values here."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value


def context_of(try_number: int = 1, store: Store | None = None) -> Any:
    return {"task_state_store": Store() if store is None else store, "ti": SimpleNamespace(try_number=try_number)}


def example(kind: type[errors.ConfluenceProviderError]) -> errors.ConfluenceProviderError:
    """Return an error of a kind, with the message "why"."""
    arguments: dict[str, Any] = {"message": "why", "problems": ["why"], "keys": ["DOCS"], "revision": 1, "newer": 2}
    arguments |= {"content_id": "7", "reason": "odd", "name": "head.json"}
    parameters = inspect.signature(kind.__init__).parameters
    taken = {name: value for name, value in arguments.items() if name in parameters}
    return kind(**taken) if taken else kind("why")


def kinds(root: type[errors.ConfluenceProviderError]) -> list[type[errors.ConfluenceProviderError]]:
    return [root, *(kind for child in root.__subclasses__() for kind in kinds(child))]


@pytest.mark.parametrize("kind", [*kinds(errors.ConfigurationError), *kinds(errors.FailNowError)])
def test_what_trying_again_would_not_mend_fails_at_once(kind: Any) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException, match="why") as caught, translated(context_of()):
        raise example(kind)
    assert isinstance(caught.value.__cause__, kind)


@pytest.mark.parametrize(
    "kind", [kind for kind in kinds(errors.RetryLaterError) if not issubclass(kind, errors.RateLimitedError)]
)
def test_what_may_pass_stays_an_ordinary_failure(kind: Any) -> None:
    from airflow.sdk.exceptions import AirflowException

    with pytest.raises(kind) as caught, translated(context_of()):
        raise example(kind)
    assert not isinstance(caught.value, AirflowException)


def test_a_superseded_run_skips_and_names_the_newer() -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    with pytest.raises(AirflowSkipException, match="run 9 has claimed"), translated(context_of()):
        raise errors.SupersededError(8, 9, "run 9 has claimed the datasource")


def wait(seconds: float | None, context: Any, longest: timedelta = timedelta(hours=1)) -> datetime:
    """Be rate limited and return until when Airflow is asked to wait."""
    from airflow.sdk.exceptions import AirflowRescheduleException

    with pytest.raises(AirflowRescheduleException) as caught, translated(context, longest_wait=longest):
        raise errors.RateLimitedError("why", retry_after_seconds=seconds)
    until: datetime = caught.value.reschedule_date
    return until


@pytest.mark.parametrize(("asked", "waits"), [(300.0, 300.0), (0.0, 60.0), (None, 60.0), (0.2, 1.0)])
def test_a_long_pause_is_waited_out_outside_the_slot(asked: float | None, waits: float) -> None:
    before = datetime.now(timezone.utc)
    until = wait(asked, context_of())
    assert timedelta(0) <= until - before - timedelta(seconds=waits) < timedelta(seconds=5)


def test_the_waits_of_a_try_add_up_to_a_bound() -> None:
    store = Store()
    wait(2000, context_of(1, store))
    wait(1600, context_of(1, store))
    with pytest.raises(errors.RateLimitedError), translated(context_of(1, store), longest_wait=timedelta(hours=1)):
        raise errors.RateLimitedError("why", retry_after_seconds=1)
    # A retry, or a task that was cleared, begins to count anew.
    wait(3600, context_of(2, store))


def test_short_pauses_again_and_again_are_waited_for_longer_and_longer_and_not_for_ever() -> None:
    """A second's pause, asked for at every try, would else be 21,600 tries in six hours."""
    store = Store()
    before = datetime.now(timezone.utc)
    waits = [wait(1, context_of(1, store), timedelta(hours=6)) for _ in range(14)]
    assert timedelta(seconds=4096) <= waits[12] - before < timedelta(seconds=4110)
    with pytest.raises(errors.RateLimitedError), translated(context_of(1, store)):
        raise errors.RateLimitedError("why", retry_after_seconds=1)


@pytest.mark.parametrize("kind", [errors.ConfluenceUnavailableError, errors.SinkUnavailableError])
def test_a_pause_that_comes_with_another_refusal_is_waited_out_as_well(kind: Any) -> None:
    from airflow.sdk.exceptions import AirflowRescheduleException

    with pytest.raises(AirflowRescheduleException), translated(context_of()):
        raise kind("maintenance", retry_after_seconds=1800)


# ------------------------------------------------------------------------------------------ progress
class Clock:
    """Seconds that pass when they are told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Any:
    """Return a progress over a clock of its own, its store, and what it logs."""
    caplog.set_level(logging.INFO, "progress")
    clock, store = Clock(), Store()
    progress = Progress(logging.getLogger("progress"), context_of(store=store), clock=clock)
    return SimpleNamespace(progress=progress, clock=clock, store=store, lines=lambda: caplog.messages)


def test_progress_is_told_by_time_and_not_by_item(told: Any) -> None:
    for done in range(100):
        told.clock.now += 1
        told.progress.step(Event("extracted", "docs", {"done": done, "of": 100}, "shard 0"))
    assert told.lines()[0] == "extracted docs, shard 0: done 14, of 100"
    assert len(told.lines()) == 6
    assert told.store["progress"] == {"step": "extracted", "where": "shard 0", "done": 89, "of": 100}


def test_what_did_not_happen_is_not_told(told: Any) -> None:
    for counts in ({"fetched": 33, "failed": 0, "staged_before": 2}, {"fetched": 0}):
        told.clock.now += 20
        told.progress.step(Event("extracted", "docs", counts))
    assert told.lines() == ["extracted docs: fetched 33, staged before 2", "extracted docs: nothing"]


def test_a_pause_is_told_at_once_and_then_by_time(told: Any) -> None:
    for _ in range(20):
        told.progress.request(Throttled(0.01, "pacing"))
        told.progress.request(Throttled(7.0, "rate_limit"))
        told.progress.request(RequestDone("GET", "/rest/api/space", 200, 0.1))
        told.clock.now += 1
    assert told.lines() == ["requests are held back for 7.0 s (rate_limit)"] * 2


def test_a_store_that_fails_does_not_fail_the_task(told: Any) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("the API server is gone")

    told.store.set = fail
    for _ in range(3):
        told.clock.now += 20
        told.progress.step(Event("indexed", "docs", {"done": 1, "of": 2}, "shard 0"))
    assert [line for line in told.lines() if "cannot be shown" in line] == [
        "progress cannot be shown in the task's state store"
    ]
