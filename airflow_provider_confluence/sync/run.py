"""All four steps in one process, without a scheduler: what the command line and the tests run."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_provider_confluence.datasource import Datasource
from airflow_provider_confluence.sync.commit import RunResult, commit
from airflow_provider_confluence.sync.context import RunContext
from airflow_provider_confluence.sync.extract import extract
from airflow_provider_confluence.sync.index import index
from airflow_provider_confluence.sync.list_changes import list_changes


def run_once(
    run: RunContext,
    datasource: Datasource,
    *,
    mode: str = "auto",
    allow_mass_delete: int | None = None,
    content_ids: Iterable[str] = (),
) -> RunResult:
    """List, extract, index and commit; return what the run came to. The parameters are those of :func:`list_changes`.

    :raises ConfluenceProviderError: when a step fails as a whole; what was done is in the journal, and the next run goes on from there.
    """
    plan = list_changes(run, datasource, mode=mode, allow_mass_delete=allow_mass_delete, content_ids=content_ids)
    for shard in range(plan.shards):
        extract(run, datasource.id, plan.revision, shard)
        index(run, datasource.id, plan.revision, shard)
    return commit(run, datasource.id, plan.revision)
