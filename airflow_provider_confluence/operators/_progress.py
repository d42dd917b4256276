"""How far a step is: for the task's log, its state store and Airflow's statistics. None of it may fail or slow the task."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_confluence.confluence.events import RequestDone, Throttled
    from airflow_provider_confluence.sync.commit import RunResult
    from airflow_provider_confluence.sync.context import Event

EVERY_SECONDS = 15.0
_FEW_NOTES = 3


class Progress:
    """Takes the events of the core, in one step of one datasource. What goes wrong here is logged, once, and forgotten."""

    def __init__(
        self,
        log: Any,
        context: Context,
        *,
        datasource_id: str = "",
        step: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._context = context
        self._datasource_id = datasource_id
        self._name = step
        self._clock = clock
        self._shown_at = clock()
        self._held_at = -math.inf  # the first pause is told at once
        self._store_works = True
        self._counting = threading.Lock()
        self._requests = 0
        self._held_seconds = 0.0

    @contextmanager
    def details(self, title: str) -> Iterator[None]:
        """Fold what the block logs in Airflow's UI, and say after it, however it ends, what it asked of Confluence and how long it took."""
        began = self._clock()
        self._log.info("::group::%s", title)
        try:
            yield
        finally:
            self._log.info("::endgroup::")
            asked = f"{self._requests} requests to Confluence, " if self._requests else ""
            held = f"held back for {self._held_seconds:.1f} s, " if self._held_seconds >= 0.05 else ""
            self._log.info("%s%s%.1f s in all", asked, held, self._clock() - began)
            self._statistics(self._tell_step)

    def step(self, event: Event) -> None:
        """Take an event of a step; called in the task's main thread."""
        now = self._clock()
        if event.name in ("planned", "committed"):
            return  # the operator says what came of it
        if now - self._shown_at < EVERY_SECONDS:
            return
        self._shown_at = now
        where = f", {event.where}" if event.where else ""
        self._log.info("%s %s%s: %s", event.name, event.datasource_id, where, in_words(event.numbers))
        self._store({"step": event.name, "where": event.where, **event.numbers})

    def request(self, event: RequestDone | Throttled) -> None:
        """Take an event of the client; called in any thread, so it only counts and logs."""
        from airflow_provider_confluence.confluence.events import Throttled

        if isinstance(event, Throttled):
            now = self._clock()
            with self._counting:
                self._held_seconds += event.seconds
                if event.reason == "pacing" or now - self._held_at < EVERY_SECONDS:
                    return
                self._held_at = now
            self._log.info("requests are held back for %.1f s (%s)", event.seconds, event.reason)
        else:
            with self._counting:
                self._requests += 1
            self._log.debug("%s %s: %s, %.2f s", event.method, event.path, event.status, event.seconds)

    def committed(self, result: RunResult) -> None:
        """Take what a run came to."""
        from airflow_provider_confluence.operators._metrics import tell_run

        run = self._context.get("dag_run")
        began = getattr(run, "start_date", None)
        self._statistics(lambda: tell_run(result, began, datetime.now(timezone.utc)))

    def came_to_nothing(self) -> None:
        """Take that a run has no commit."""
        from airflow_provider_confluence.operators._metrics import tell_failed_run

        self._statistics(lambda: tell_failed_run(self._datasource_id))

    def _tell_step(self) -> None:
        from airflow_provider_confluence.operators._metrics import tell_step

        tell_step(self._datasource_id, self._name, requests=self._requests, throttled_seconds=self._held_seconds)

    def _store(self, value: dict[str, Any]) -> None:
        if not self._store_works:
            return
        try:
            self._context["task_state_store"].set("progress", value)
        except Exception:  # noqa: BLE001 - what is only shown must not fail the task
            self._store_works = False
            self._log.warning("progress cannot be shown in the task's state store", exc_info=True)

    def _statistics(self, send: Callable[[], None]) -> None:
        try:
            send()
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


def tell_notes(log: Any, notes: Sequence[str]) -> None:
    """Log the notes of a run, all of them; where they are more than a few, folded."""
    if len(notes) > _FEW_NOTES:
        log.info("::group::%s notes", len(notes))
    for note in notes:
        log.info("note: %s", note)
    if len(notes) > _FEW_NOTES:
        log.info("::endgroup::")


def spaces_in_words(keys: Sequence[str]) -> str:
    """Return the spaces of a datasource as a person says them."""
    return "every space" if list(keys) == ["*"] else f"space{'s' * (len(keys) > 1)} {', '.join(keys)}"


def labels_of_shards(items: Sequence[int]) -> list[str]:
    """Return what each shard holds, as a person counts: "items 1–2,000", "items 2,001–2,013"."""
    labels, before = [], 0
    for many in items:
        first, before = before + 1, before + many
        labels.append(f"item {first:,}" if many == 1 else f"items {first:,}–{before:,}")
    return labels
