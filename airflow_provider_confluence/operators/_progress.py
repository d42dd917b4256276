"""How far a step is: for the task's log, its state store and Airflow's statistics. None of it may fail or slow the task."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_confluence.confluence.events import RequestDone, Throttled
    from airflow_provider_confluence.sync.context import Event

EVERY_SECONDS = 15.0
_COUNTED = {"committed": ("written", "deleted", "failed")}


class Progress:
    """Takes the events of the core. What goes wrong here is logged, once, and forgotten."""

    def __init__(self, log: Any, context: Context, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._context = context
        self._clock = clock
        self._shown_at = clock()
        self._held_at = -math.inf  # the first pause is told at once
        self._store_works = True

    def step(self, event: Event) -> None:
        """Take an event of a step; called in the task's main thread."""
        if event.name in ("planned", "committed"):
            self._log.info("%s %s: %s", event.name, event.datasource_id, in_words(event.numbers))
            self._count(event)
            return
        now = self._clock()
        if now - self._shown_at < EVERY_SECONDS:
            return
        self._shown_at = now
        where = f", {event.where}" if event.where else ""
        self._log.info("%s %s%s: %s", event.name, event.datasource_id, where, in_words(event.numbers))
        self._store({"step": event.name, "where": event.where, **event.numbers})

    def request(self, event: RequestDone | Throttled) -> None:
        """Take an event of the client; called in any thread, so it only logs."""
        from airflow_provider_confluence.confluence.events import Throttled

        if isinstance(event, Throttled):
            now = self._clock()
            if event.reason == "pacing" or now - self._held_at < EVERY_SECONDS:
                return
            self._held_at = now
            self._log.info("requests are held back for %.1f s (%s)", event.seconds, event.reason)
        else:
            self._log.debug("%s %s: %s, %.2f s", event.method, event.path, event.status, event.seconds)

    def _store(self, value: dict[str, Any]) -> None:
        if not self._store_works:
            return
        try:
            self._context["task_state_store"].set("progress", value)
        except Exception:  # noqa: BLE001 - what is only shown must not fail the task
            self._store_works = False
            self._log.warning("progress cannot be shown in the task's state store", exc_info=True)

    def _count(self, event: Event) -> None:
        try:
            from airflow.sdk.observability.stats import Stats

            for name in _COUNTED.get(event.name, ()):
                Stats.incr(
                    f"confluence.{name}", event.numbers.get(name, 0), tags={"datasource_id": event.datasource_id}
                )
        except Exception:  # noqa: BLE001 - statistics must not fail the task
            self._log.warning("statistics cannot be sent", exc_info=True)


def in_words(counts: Mapping[str, Any]) -> str:
    """Return counts as a person reads them: what is not zero, and for counts within counts those in brackets."""
    said = [
        f"{name.replace('_', ' ')} {f'({in_words(count)})' if isinstance(count, Mapping) else count}"
        for name, count in counts.items()
        if count
    ]
    return ", ".join(said) or "nothing"
