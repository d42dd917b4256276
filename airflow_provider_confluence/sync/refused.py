"""The sink that refused a run because another owner has the datasource's documents there: what ``adopt`` needs to ask that one.

Such a run ends before it has a plan, and there may have been no other, or only ones that went to another sink.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider_confluence.datasource import Datasource
from airflow_provider_confluence.errors import ConfigurationError, OwnershipError
from airflow_provider_confluence.sync.journal import Destination, Journal
from airflow_provider_confluence.sync.manifest import FORMAT
from airflow_provider_confluence.sync.storage import Storage

FILE = "refused.json"


@contextmanager
def remember_refusal(journal: Journal, datasource: Datasource, site: str) -> Iterator[None]:
    """Write down, where a sink refuses the owner, which one it was; the error goes on."""
    try:
        yield
    except OwnershipError:
        claim = journal.read_claim()
        value = {"revision": claim["revision"] if claim else 0, "datasource": datasource.to_json(), "site": site}
        journal.storage.write_json(f"{journal.folder}/{FILE}", {"format": FORMAT, **value})
        raise


def find_destination(storage: Storage, datasource_id: str) -> Destination:
    """Return the sink that the latest run was about: one that refused it, that of its plan, or that of the last commit.

    :raises ConfigurationError: where there was no run that came so far.
    """
    journal = Journal(storage, datasource_id)
    found: list[tuple[int, Destination]] = []
    name = f"{journal.folder}/{FILE}"
    refused = storage.read_json(name)
    if refused is not None:
        found.append(storage.understood(name, _refused, refused))
    plans = (journal.find_plan(revision) for revision in reversed(journal.runs()))
    plan = next((plan for plan in plans if plan is not None), None)
    if plan is not None:
        found.append((plan.revision, Destination(plan.datasource, plan.site)))
    head = journal.read_head()
    if head is not None:
        found.append((head.revision, Destination(Datasource.from_json(head.datasource), head.site)))
    if not found:
        raise ConfigurationError(
            f"there was no run of datasource {datasource_id} below {storage.where()}; run sync there first"
        )
    return max(found, key=lambda one: one[0])[1]


def _refused(value: dict[str, Any]) -> tuple[int, Destination]:
    return int(value["revision"]), Destination(Datasource.from_json(value["datasource"]), str(value["site"]))


def forget_refusal(storage: Storage, datasource_id: str) -> None:
    """Remove what was written down; safe to repeat."""
    storage.delete(f"{Journal(storage, datasource_id).folder}/{FILE}")
