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

    *Configuration* and *fail now* end the retries, *superseded* skips, a pause longer than the task's patience gives the slot back until
    the pause is over. *Retry later* and everything else stay what they are: ordinary failures, which Airflow retries.

    :raises AirflowFailException: :raises AirflowSkipException: :raises AirflowRescheduleException: as said.
    """
    from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException, AirflowSkipException

    try:
        yield
    except SupersededError as error:
        raise AirflowSkipException(str(error)) from error
    except (ConfigurationError, FailNowError) as error:
        raise AirflowFailException(str(error)) from error
    except RateLimitedError as error:
        seconds = max(_SHORTEST_WAIT_SECONDS, error.retry_after_seconds or _DEFAULT_WAIT_SECONDS)
        if not _may_wait(context, seconds, longest_wait):
            raise
        until = datetime.now(timezone.utc) + timedelta(seconds=seconds)
        raise AirflowRescheduleException(until) from error  # type: ignore[no-untyped-call]


def _may_wait(context: Context, seconds: float, longest: timedelta) -> bool:
    """Count a wait and say whether it is within bounds. Airflow sets none: a rescheduled task uses up no retry."""
    store, try_number = context["task_state_store"], context["ti"].try_number
    counted: Any = store.get(_COUNTER)
    waited = 0.0
    if isinstance(counted, dict) and counted.get("try_number") == try_number:
        waited = float(counted["seconds"])
    waited += seconds
    if waited > longest.total_seconds():
        return False
    store.set(_COUNTER, {"try_number": try_number, "seconds": waited})
    return True
