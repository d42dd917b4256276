"""The one place where the errors of the core become what Airflow acts on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_confluence.errors import (
    ConfigurationError,
    FailNowError,
    RateLimitedError,
    RetryLaterError,
    SupersededError,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

# How long one try of a task may wait outside its slot, in all; then Confluence's no is taken as a failure, which Airflow retries.
LONGEST_WAIT = timedelta(hours=6)
_SHORTEST_WAIT_SECONDS = 1.0
_DEFAULT_WAIT_SECONDS = 60.0
_COUNTER = "waited"


@contextmanager
def translated(context: Context, *, longest_wait: timedelta = LONGEST_WAIT) -> Iterator[None]:
    """Run a step and turn its errors into Airflow's.

    *Configuration* and *fail now* end the retries, *superseded* skips, a pause that the other side asks for and that is longer than the
    task's patience gives the slot back until the pause is over. *Retry later* without such a pause and everything else stay what they
    are: ordinary failures, which Airflow retries.

    :raises AirflowFailException: :raises AirflowSkipException: :raises AirflowRescheduleException: as said.
    """
    from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException, AirflowSkipException

    try:
        yield
    except SupersededError as error:
        raise AirflowSkipException(str(error)) from error
    except (ConfigurationError, FailNowError) as error:
        raise AirflowFailException(str(error)) from error
    except RetryLaterError as error:
        if not isinstance(error, RateLimitedError) and not error.retry_after_seconds:
            raise  # nobody said how long: Airflow's own retries, further and further apart
        seconds = _wait(context, error.retry_after_seconds or _DEFAULT_WAIT_SECONDS, longest_wait)
        if seconds is None:
            raise
        until = datetime.now(timezone.utc) + timedelta(seconds=seconds)
        raise AirflowRescheduleException(until) from error  # type: ignore[no-untyped-call]


def _wait(context: Context, asked: float, longest: timedelta) -> float | None:
    """Count a wait and return its seconds, or ``None`` where it goes beyond the bound. Airflow sets none: no retry is used up.

    The second wait of a try lasts 2 s or more, the third 4 s, and so on. So their number is bounded too (14 in six hours), and with it the
    requests, however short a pause Confluence asks for again and again.
    """
    store, try_number = context["task_state_store"], context["ti"].try_number
    counted: Any = store.get(_COUNTER)
    waited, times = 0.0, 0
    if isinstance(counted, dict) and counted.get("try_number") == try_number:
        waited, times = float(counted["seconds"]), int(counted.get("times", 0))
    seconds = max(_SHORTEST_WAIT_SECONDS * 2.0**times, asked)
    if waited + seconds > longest.total_seconds():
        return None
    store.set(_COUNTER, {"try_number": try_number, "seconds": waited + seconds, "times": times + 1})
    return seconds
