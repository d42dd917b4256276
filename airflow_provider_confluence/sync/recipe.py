"""What else decides what a document contains, apart from Confluence: the converter and some settings."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_confluence.content import own_macros
from airflow_provider_confluence.content.attachments import ExtractorSettings
from airflow_provider_confluence.datasource import Datasource
from airflow_provider_confluence.documents import SCHEMA_VERSION
from airflow_provider_confluence.errors import UpgradeNeededError
from airflow_provider_confluence.sync.manifest import digest

# Raised by one whenever the same body would give another document: every item is then made anew, and workers that are older stop.
CONVERTER = 5
# Raised by one whenever the same text would give other chunks: only where there are chunks, every item is then made anew.
CHUNKER = 1
# Raised by one whenever what the server shows of macros would give another text: only where macros are named for that.
RENDERER = 2
# Raised by one whenever sinks are to be told anew who may read: only where documents say it, every item is then made anew.
READERS = 2


def recipe_of(datasource: Datasource, extractor: ExtractorSettings | None = None) -> str:
    """Return a short text that changes when documents of the datasource must be made anew.

    It has two parts, the second, after a plus sign, for attachments alone: other settings for files leave the pages as they are.

    :param extractor: how this deployment reads files. Installing the extra changes it; another version of the library does not.
    """
    parts: list[object] = [CONVERTER, SCHEMA_VERSION, datasource.name, own_macros.marks(datasource.macros)]
    if datasource.chunk_tokens:  # else the recipe is what it was before there were chunks, and nothing is made anew
        parts.append([CHUNKER, datasource.chunk_tokens])
    if datasource.rendered_macros:
        parts.append(["rendered_macros", RENDERER, *sorted(datasource.rendered_macros)])
    if datasource.enable_permissions:
        parts.append(["enable_permissions", READERS])
    recipe = f"{CONVERTER}-{digest(parts)}"
    if not datasource.enable_attachments:
        return recipe
    files = [
        *(extractor or ExtractorSettings()).recipe,
        sorted(datasource.attachment_types),
        datasource.attachment_max_bytes,
    ]
    return f"{recipe}+{digest(files)}"


def outdated_types(before: str, now: str) -> Callable[[str], bool]:
    """Return what says of a type of content whether its documents, made by one recipe, must be made anew for another."""
    page, _, file = now.partition("+")
    page_before, _, file_before = before.partition("+")
    if page != page_before:
        return lambda _: True
    return lambda type_: type_ == "attachment" and file != file_before


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
