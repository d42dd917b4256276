"""What else decides what a document contains, apart from Confluence: the converter and some settings."""

from __future__ import annotations

from airflow_provider_confluence.content import own_macros
from airflow_provider_confluence.datasource import Datasource
from airflow_provider_confluence.documents import SCHEMA_VERSION
from airflow_provider_confluence.errors import UpgradeNeededError
from airflow_provider_confluence.sync.manifest import digest

# Raised by one whenever the same body would give another document: every item is then made anew, and workers that are older stop.
CONVERTER = 2


def recipe_of(datasource: Datasource) -> str:
    """Return a short text that changes when every document of the datasource must be made anew."""
    return f"{CONVERTER}-{digest([CONVERTER, SCHEMA_VERSION, datasource.name, own_macros.marks(datasource.macros)])}"


def check_converter(datasource_id: str, converter: int) -> None:
    """Return only where this worker makes documents as new as those that are planned or indexed.

    :raises UpgradeNeededError: where a newer version of this package planned or indexed them.
    """
    if converter > CONVERTER:
        raise UpgradeNeededError(
            f"datasource {datasource_id} was last worked on by a newer version of airflow-provider-confluence "
            f"(converter {converter}, this worker has {CONVERTER}); upgrade this worker"
        )


def target_of(datasource: Datasource) -> str:
    """Return a short text that names where the documents go; another one means that the new place is filled from nothing."""
    return f"{datasource.sink.get('type', '')}:{datasource.queue_name}:{digest([dict(datasource.sink), datasource.queue_name])}"
