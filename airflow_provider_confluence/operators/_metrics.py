"""What Airflow's statistics are told: every name there is, and the one place that sends them.

``docs/metrics.md`` shows the list, and a test holds both to what a listener really receives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_confluence.documents import instant

if TYPE_CHECKING:
    from airflow_provider_confluence.sync.commit import RunResult

Kind = Literal["counter", "gauge", "timer"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One name. ``tags`` come after ``datasource_id``, which all have: few values each, never an id of a page."""

    name: str
    kind: Kind
    meaning: str
    tags: tuple[str, ...] = ()


STEP_METRICS = (
    Metric("confluence.requests", "counter", "requests that a step made to Confluence, answered or not", ("step",)),
    Metric(
        "confluence.throttled",
        "timer",
        "how long rate limits and pacing held a step's requests back, in all",
        ("step",),
    ),
)
RUN_METRICS = (
    Metric("confluence.runs", "counter", "runs that ended in a commit, or failed before it", ("outcome",)),
    Metric("confluence.run", "timer", "from the start of a run to its commit"),
    Metric("confluence.listed", "counter", "items that Confluence showed"),
    Metric("confluence.fetched", "counter", "items whose body was fetched"),
    Metric("confluence.written", "counter", "documents that the sink took"),
    Metric("confluence.added", "counter", "those of them that it did not hold before"),
    Metric("confluence.deleted", "counter", "documents removed from the sink"),
    Metric("confluence.failed", "counter", "items tried in vain"),
    Metric("confluence.documents", "gauge", "documents in the index"),
    Metric("confluence.failing", "gauge", "items that fail, run after run"),
    Metric("confluence.pending", "gauge", "items that wait for the next run"),
    Metric("confluence.withheld", "gauge", "deletions that wait for consent"),
    Metric("confluence.watermark", "gauge", "seconds since 1970 up to which the index shows Confluence"),
)
METRICS = (*STEP_METRICS, *RUN_METRICS)


def tell_step(datasource_id: str, step: str, *, requests: int, throttled_seconds: float) -> None:
    """Tell what a step asked of Confluence, however it ended."""
    tags = {"datasource_id": datasource_id, "step": step}
    _send(STEP_METRICS, {"requests": requests, "throttled": timedelta(seconds=throttled_seconds)}, tags)


def tell_run(result: RunResult, began: datetime | None, now: datetime) -> None:
    """Tell what a run came to, when it is committed."""
    values: dict[str, Any] = {
        **result.counts,
        "runs": 1,
        "run": now - began if began is not None else timedelta(),
        "watermark": int(instant(result.watermark).timestamp()),
    }
    outcome = {"outcome": "clean" if result.clean else "incomplete"}
    _send(RUN_METRICS, values, {"datasource_id": result.datasource_id, **outcome})


def tell_failed_run(datasource_id: str) -> None:
    """Tell of a run that came to no commit."""
    _send(RUN_METRICS[:1], {"runs": 1}, {"datasource_id": datasource_id, "outcome": "failed"})


def _send(metrics: tuple[Metric, ...], values: Mapping[str, Any], tags: Mapping[str, str]) -> None:
    from airflow.sdk.observability.stats import Stats

    for metric in metrics:
        value = values[metric.name.removeprefix("confluence.")]
        own = {name: tags[name] for name in ("datasource_id", *metric.tags)}
        if metric.kind == "counter":
            Stats.incr(metric.name, value, tags=own)
        elif metric.kind == "gauge":
            Stats.gauge(metric.name, value, tags=own)
        else:
            Stats.timing(metric.name, value, tags=own)
