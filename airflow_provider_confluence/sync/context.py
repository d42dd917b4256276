"""What the four steps are lent by whoever runs them: storage, a client, a sink, an observer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from airflow_provider_confluence.confluence.client import ConfluenceClient
from airflow_provider_confluence.content.attachments import ExtractorSettings
from airflow_provider_confluence.datasource import Datasource
from airflow_provider_confluence.sinks.base import Sink
from airflow_provider_confluence.sync.storage import Storage

_log = logging.getLogger(__name__)

# The named places at which a run may be stopped, in the order in which a whole run passes them. Tests stop it at each.
CRASH_POINTS = (
    "claimed",
    "manifest_opened",
    "listed",
    "items_written",
    "plan_written",
    "batch_staged",
    "extracted",
    "sink_opened",
    "sink_written",
    "receipt_written",
    "indexed",
    "generation_written",
    "result_written",
    "head_written",
    "batches_deleted",
)
# Passed as well where a sink can rebuild: the first in each index step, the second where a commit swaps.
REBUILD_CRASH_POINTS = ("rebuild_begun", "swapped")


@dataclass(frozen=True, slots=True)
class Event:
    """Something an observer may want to show: a word and numbers. ``name`` is one of listed, planned, extracted, indexed, committed."""

    name: str
    datasource_id: str
    numbers: Mapping[str, int] = field(default_factory=dict)
    where: str = ""


def _ignore_event(_: Event) -> None:
    return


def _go_on(_: str) -> None:
    return


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a step works with.

    ``connect`` returns a client of the step's own, which the step closes; ``make_sink`` likewise a sink for a datasource. ``observer`` is
    told of progress through :meth:`tell`. ``reached`` is called with the name of every crash point that is passed; a test raises there.
    ``extractor`` says how this deployment reads attached files.
    """

    storage: Storage
    connect: Callable[[Datasource], ConfluenceClient]
    make_sink: Callable[[Datasource], Sink]
    observer: Callable[[Event], None] = _ignore_event
    reached: Callable[[str], None] = _go_on
    extractor: ExtractorSettings = field(default_factory=ExtractorSettings)
    _failed: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    def tell(self, event: Event) -> None:
        """Tell the observer; what it raises is logged, once, and forgotten, because showing a run must not fail it."""
        try:
            self.observer(event)
        except Exception:  # noqa: BLE001 - observability never fails the task; the observer is not ours
            if not self._failed:
                self._failed.append(event.name)
                _log.warning("the observer failed at %r of %s", event.name, event.datasource_id, exc_info=True)
