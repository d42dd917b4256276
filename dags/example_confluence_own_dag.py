"""The steps by hand, in a DAG of your own, and a second DAG that runs when the index changed.

Needs a Confluence connection ``confluence_default`` and a space ``DOCS``; trigger it by hand.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.sdk import DAG, task, task_group

from airflow_provider_confluence.operators.confluence import (
    ConfluenceCommitOperator,
    ConfluenceExtractOperator,
    ConfluenceIndexOperator,
    ConfluenceListChangesOperator,
    ConfluenceVerdictOperator,
    asset_of,
)

HANDBOOK = {"name": "Handbook", "space": "DOCS", "queue": {"name": "handbook"}}

with DAG(
    "example_confluence_own_dag",
    schedule=None,
    start_date=datetime(2025, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    # Two runs of one datasource do no harm, but the older of them does nothing.
    max_active_runs=1,
    tags=["confluence", "example"],
):
    list_changes = ConfluenceListChangesOperator(
        task_id="list_changes", datasource_id="handbook", datasource=HANDBOOK, mode="reconcile"
    )

    @task_group
    def shards(reference: Any) -> None:
        extract = ConfluenceExtractOperator(task_id="extract", reference=reference)
        index = ConfluenceIndexOperator(task_id="index", reference=reference)
        extract >> index

    commit = ConfluenceCommitOperator(task_id="commit", datasource_id="handbook")
    # Last, so that its state is the state of the run.
    verdict = ConfluenceVerdictOperator(task_id="verdict")

    list_changes >> shards.expand(reference=list_changes.output) >> commit >> verdict

    @task
    def report(result: Any) -> str:
        """Say what the run came to, clean or not."""
        counts = result["counts"]
        return f"{counts['written']} written, {counts['deleted']} deleted, {counts['documents']} documents"

    report(commit.output)


with DAG(
    "example_confluence_when_changed",
    schedule=[asset_of("handbook")],
    start_date=datetime(2025, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["confluence", "example"],
):

    @task
    def announce(triggering_asset_events: Any = None) -> list[int]:
        """Do something with the index that just changed; here, name the revisions."""
        return [event.extra["revision"] for events in (triggering_asset_events or {}).values() for event in events]

    announce()
