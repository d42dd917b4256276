"""What the UI shows of a datasource: a copy in the state store of its asset, read by nobody but people.

The keys are ``datasource`` (its settings in short), ``state`` (how the index stands since the last commit), ``counts``, ``recent_runs``,
``failures``, ``storage`` (where state is kept, and whether it was ever lost) and ``trouble`` (why the last run did not come to a commit).
All together stay within 32 KB. No titles: who may see Airflow need not be allowed to read the page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_confluence.errors import (
    ConfigurationError,
    ConfluenceProviderError,
    FailNowError,
    RetryLaterError,
    StorageError,
    SupersededError,
)

if TYPE_CHECKING:
    from airflow.sdk import Asset, Context

    from airflow_provider_confluence.sync.commit import RunResult
    from airflow_provider_confluence.sync.storage import Storage

_RUNS = 20
_RUNS_BYTES = 11 * 1024
_FAILURES_BYTES = 12 * 1024
_LOSSES = 5
_SPACES = 20
_SHORT_BYTES = 300
_LONG_BYTES = 1500
_SENTENCES = 5


class Mirror:
    """The state store of one asset, in one run. What goes wrong here is logged and forgotten: the commit is what counts."""

    def __init__(self, context: Context, asset: Asset, log: Any) -> None:
        self._context = context
        self._asset = asset
        self._log = log

    def show(self, result: RunResult, verdict: str, storage: Storage) -> None:
        """Show a run that is committed, and, if it is the newest, how the index stands since."""
        try:
            self._show(result, verdict, storage)
        except Exception:  # noqa: BLE001 - what only shows the commit must not fail it
            self._log.warning("the run cannot be shown in the asset's state store", exc_info=True)

    @contextmanager
    def trouble_shown(self, told: Mapping[str, Any] | None = None) -> Iterator[None]:
        """Show why there is no commit, where the block raises; the error goes on.

        :param told: what an earlier step told of its own error, which then is the reason.
        """
        try:
            yield
        except SupersededError:
            raise
        except ConfluenceProviderError as error:
            self._show_trouble(told or trouble_of(error))
            raise

    def _show(self, result: RunResult, verdict: str, storage: Storage) -> None:
        store = self._context["asset_state_store"][self._asset]
        known: Any = store.get("recent_runs")
        runs = {run["revision"]: run for run in known if isinstance(run, dict)} if isinstance(known, list) else {}
        if result.revision in runs:
            return
        before = max(runs, default=0)
        if before < result.revision:
            store.set("counts", dict(result.counts))
            store.set("failures", _fitting([_failure(failure) for failure in result.failures], _FAILURES_BYTES))
            store.set("datasource", _settings(result, storage))
            store.set("state", self._state(result, verdict))
            store.set("storage", _storage(store.get("storage"), storage, lost=_lost(result, before)))
            store.delete("trouble")
        runs[result.revision] = self._row(result)
        newest = sorted(runs, reverse=True)[:_RUNS]
        # Last: what is named here is shown already.
        store.set("recent_runs", _fitting([runs[revision] for revision in newest], _RUNS_BYTES))

    def _row(self, result: RunResult) -> dict[str, Any]:
        return {
            "revision": result.revision,
            "run_id": self._context["run_id"],
            "mode": result.mode,
            "watermark": result.watermark,
            "changed": result.changed,
            "counts": {name: number for name, number in result.counts.items() if number},
            "requests": result.requests,
            "throttled_seconds": round(result.throttled_seconds, 1),
            "problems": _sentences(result.problems),
        }

    def _state(self, result: RunResult, verdict: str) -> dict[str, Any]:
        return {
            "revision": result.revision,
            "run_id": self._context["run_id"],
            "committed": _now(),
            "mode": result.mode,
            "watermark": result.watermark,
            "reconciled": result.reconciled,
            "documents": dict(result.documents),
            "verdict": _short(verdict, _LONG_BYTES),
            "problems": _sentences(result.problems),
            "notes": _sentences(result.notes),
        }

    def _show_trouble(self, trouble: Mapping[str, Any]) -> None:
        try:
            store = self._context["asset_state_store"][self._asset]
            store.set("trouble", {**trouble, "run_id": self._context["run_id"], "at": _now()})
        except Exception:  # noqa: BLE001 - it must not hide the error that it shows
            self._log.warning("why the run failed cannot be shown in the asset's state store", exc_info=True)


def trouble_of(error: BaseException) -> dict[str, Any]:
    """Return an error as it is shown: its kind (storage | configuration | refused | later | unknown) and its message.

    What this package did not raise on purpose is named only: its message may hold anything.
    """
    kinds: tuple[tuple[type[BaseException], str], ...] = (
        (StorageError, "storage"),
        (ConfigurationError, "configuration"),
        (FailNowError, "refused"),
        (RetryLaterError, "later"),
    )
    kind = next((kind for type_, kind in kinds if isinstance(error, type_)), "unknown")
    said = (
        str(error)
        if isinstance(error, ConfluenceProviderError)
        else f"{type(error).__name__}; the task's log says more"
    )
    return {"kind": kind, "message": _short(said, _LONG_BYTES)}


def _settings(result: RunResult, storage: Storage) -> dict[str, Any]:
    from airflow_provider_confluence.sync.journal import Journal

    head = Journal(storage, result.datasource_id).read_head()
    if head is None:
        return {}
    given = head.datasource
    return {
        "name": _short(str(given["name"]), _SHORT_BYTES),
        "space": [_short(str(key), 100) for key in given["space"][:_SPACES]],
        "spaces": len(given["space"]),
        "interval": given["interval"],
        "sink": str(given["sink"].get("type", "")),
        "queue": _short(str(given["queue_name"]), _SHORT_BYTES),
        "site": _short(head.site, _SHORT_BYTES),
        "awaiting": head.withheld,
    }


def _failure(failure: Mapping[str, Any]) -> dict[str, Any]:
    shown = {
        "content_id": failure["content_id"],
        "type": failure["type"],
        "reason": failure["reason"],
        "message": _short(str(failure["message"]), _SHORT_BYTES),
        "attempts": failure["attempts"],
        "since": failure["since"],
    }
    if failure.get("page_id", failure["content_id"]) != failure["content_id"]:
        shown["page_id"] = failure["page_id"]
    return shown


def _lost(result: RunResult, before: int) -> str | None:
    """Return what was lost, where this run did not start from the last commit that was shown here, or from a purge after it."""
    if not before or (result.follows or 0) >= before:
        return None
    if result.follows is None:
        return f"run {before} was committed, and run {result.revision} found nothing of it"
    return f"run {before} was committed, and run {result.revision} found the state of run {result.follows}"


def _storage(known: Any, storage: Storage, *, lost: str | None) -> dict[str, Any]:
    place = _short(storage.where(), _SHORT_BYTES)
    losses = list(known.get("losses") or ()) if isinstance(known, dict) else []
    if lost is not None:
        was = known.get("place") if isinstance(known, dict) else None
        losses.append({"at": _now(), "what": lost, "moved_from": was if was != place else None})
    return {"place": place, "losses": losses[-_LOSSES:]}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def _sentences(given: Iterable[str]) -> list[str]:
    said = [_short(one, _SHORT_BYTES) for one in given]
    return said if len(said) <= _SENTENCES else [*said[: _SENTENCES - 1], f"and {len(said) - _SENTENCES + 1} more"]


def _short(text: str, most_bytes: int) -> str:
    """Return a text, or as much of its beginning as takes no more than so many bytes of JSON."""
    if _size(text) <= most_bytes:
        return text
    kept, size = 0, 2 + _size("…")
    for letter in text:
        size += _size(letter) - 2
        if size > most_bytes:
            break
        kept += 1
    return text[:kept] + "…"


def _fitting(rows: list[Any], most_bytes: int) -> list[Any]:
    """Return as many rows from the beginning as fit."""
    size = 2
    for number, row in enumerate(rows):
        size += _size(row) + 2
        if size > most_bytes:
            return rows[:number]
    return rows


def _size(value: Any) -> int:
    return len(json.dumps(value))
