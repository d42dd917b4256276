"""Rebuilding: everything is written anew into a new index, which takes the old one's place when it is whole.

A rebuild begins with a run in mode *rebuild*, which plans everything anew, and may take several: what one run leaves is pending, as always.
Meanwhile every run writes to both indexes, so that either could serve. The new one is whole when nothing is pending and everything that is
indexed was written by the run that began it or a later one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow_provider_confluence.datasource import Datasource
from airflow_provider_confluence.errors import ConfigurationError, ConfluenceProviderError, SupersededError
from airflow_provider_confluence.sinks.base import Owner, RebuildingSink
from airflow_provider_confluence.sync.context import RunContext
from airflow_provider_confluence.sync.journal import Head, Journal, Plan
from airflow_provider_confluence.sync.manifest import Record


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """How a rebuild stands after a run. ``under_way`` names the run that began it, ``None`` where there is none any more."""

    under_way: int | None = None
    swapped: bool = False
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def check_rebuild(run: RunContext, journal: Journal, datasource: Datasource, site: str) -> None:
    """Return where the datasource's index can be rebuilt.

    :raises ConfigurationError: where the sink cannot do it, or others share the destination; whatever opening the sink raises.
    """
    sink = run.make_sink(datasource)
    try:
        if not isinstance(sink, RebuildingSink) or not sink.capabilities.atomic_swap:
            raise ConfigurationError(
                f"mode rebuild is not for the sink {datasource.sink['type']}: it cannot fill a new index aside and swap it in; "
                "mode full writes everything anew into the one there is"
            )
        sink.open(Owner(datasource.id, journal.deployment_id(), site))
        sink.check_rebuild()
    finally:
        sink.close()


def why_give_up(run: RunContext, journal: Journal, datasource: Datasource, site: str) -> str:
    """Return why a rebuild that is under way can lead nowhere any more, or nothing."""
    try:
        check_rebuild(run, journal, datasource, site)
    except ConfigurationError as error:
        return str(error)
    return ""


def begun_rebuild(head: Head | None, dead: Sequence[Plan], target: str) -> int | None:
    """Return the run that began the rebuild that is under way, by the last commit and the plans of the runs that died since."""
    last = dead[-1] if dead else head
    # Into another place everything is written anew in any case.
    return last.rebuild if last is not None and last.target == target else None


def go_on_rebuilding(
    run: RunContext, journal: Journal, head: Head | None, plan: Plan, records: Mapping[str, Record]
) -> Rebuilding:
    """Swap, where the new index is whole. Repeated after a swap it says so again.

    A sink that cannot do it now makes a problem of it, and no error: the run's receipts must be absorbed all the same, and the next commit
    tries again.
    """
    began = plan.rebuild
    if began is None:
        if head is None or head.rebuild is None or head.target != plan.target:
            return Rebuilding()
        return _clear(run, journal, plan)
    missing = [r for r in records.values() if r.pending or 0 < r.revision < began]
    if missing:
        failing = sorted(r.content_id for r in missing if r.failure is not None)
        note = f"the rebuild that run {began} began goes on: {len(missing)} items are not in the new index yet"
        if failing:
            shown = ", ".join(failing[:5]) + (f" and {len(failing) - 5} more" if len(failing) > 5 else "")
            note += f"; {len(failing)} of them fail ({shown}), and until they can be indexed, or are gone, the old index serves on"
        return Rebuilding(began, notes=(note,))
    documents = sum(record.revision > 0 for record in records.values())
    try:
        why_not = _swap(run, journal, plan, began, documents)
    except SupersededError:
        raise
    except ConfluenceProviderError as error:
        return Rebuilding(began, problems=(f"the rebuild is complete, but the sink cannot swap now: {error}",))
    if why_not:
        return Rebuilding(
            problems=(
                f"the rebuild was given up, and the old index serves on: {why_not}; begin again with mode rebuild",
            )
        )
    run.reached("swapped")
    return Rebuilding(swapped=True, notes=(f"the rebuild that run {began} began is done: {documents} documents",))


def _clear(run: RunContext, journal: Journal, plan: Plan) -> Rebuilding:
    """Remove what a rebuild that was given up has left, where no index step did."""
    sink = run.make_sink(plan.datasource)
    try:
        if isinstance(sink, RebuildingSink):
            sink.open(Owner(journal.datasource_id, journal.deployment_id(), plan.site))
            sink.abandon_rebuild(before=plan.revision)
    except SupersededError:
        raise
    except ConfluenceProviderError as error:
        return Rebuilding(problems=(f"what a rebuild that was given up has left cannot be removed now: {error}",))
    finally:
        sink.close()
    return Rebuilding()


def _swap(run: RunContext, journal: Journal, plan: Plan, began: int, documents: int) -> str:
    sink = run.make_sink(plan.datasource)
    try:
        if not isinstance(sink, RebuildingSink):
            return f"the sink {plan.datasource.sink['type']} can no longer do it"
        sink.open(Owner(journal.datasource_id, journal.deployment_id(), plan.site))
        sink.begin_rebuild(began)  # a plan without items came by no sink
        why_not = sink.finish_rebuild(began, documents)
        if why_not:
            sink.abandon_rebuild(before=plan.revision + 1)
        return why_not
    finally:
        sink.close()
