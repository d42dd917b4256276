"""What this Airflow deployment says: the Variables that define datasources, and where state and indexes lie.

The operators and the DAG factory read these in the same way; everything else of the package is told.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_confluence.datasource import Datasource, datasources_in, parse_json, read_connector
from airflow_provider_confluence.errors import ConfigurationError, DatasourceError

if TYPE_CHECKING:
    from airflow_provider_confluence.content.attachments import ExtractorSettings
    from airflow_provider_confluence.sinks.base import Sink
    from airflow_provider_confluence.sinks.connection import Connections
    from airflow_provider_confluence.sync.storage import Storage

DATASOURCES_VARIABLE = "confluence_datasources"
CONNECTOR_VARIABLE = "confluence_connector"


# ------------------------------------------------------------------------------------------ Variables
def read_variable(name: str) -> str | None:
    """Return the text of a Variable, or ``None`` where there is none. One look-up."""
    from airflow.sdk import Variable

    text = Variable.get(name, default=None)
    return None if text is None else str(text)


@dataclass(frozen=True, slots=True)
class ConnectorBlock:
    """What holds for every datasource that says nothing else: the block as it is written, and what is wrong with it."""

    value: Mapping[str, Any]
    problems: tuple[str, ...] = ()


def read_connector_block(variable: str) -> ConnectorBlock:
    """Return the connector block that a Variable holds; an empty one where there is none. One look-up."""
    text = read_variable(variable)
    value: Any = {}
    try:
        value = parse_json("{}" if text is None else text)
        return ConnectorBlock(read_connector(value))
    except DatasourceError as error:
        problems = tuple(f"Variable {variable}: {problem}" for problem in error.problems)
        return ConnectorBlock(value if isinstance(value, dict) else {}, problems)


def read_definitions(
    definitions: object, where: str, connector: ConnectorBlock
) -> dict[str, Datasource | DatasourceError]:
    """Return every datasource, a broken one as its error, with the connector block's defaults.

    A connector block that cannot be read makes every datasource a broken one, so that none vanishes because of it; its problems and those
    of the datasource are told together.

    :param definitions: an object by datasource id, or its JSON text.
    :param where: what it is called in messages.
    :raises DatasourceError: when it cannot be read as a whole.
    """
    try:
        value = parse_json(definitions) if isinstance(definitions, str) else definitions
        found = datasources_in(value, connector={} if connector.problems else connector.value)
    except DatasourceError as error:
        raise DatasourceError([f"{where}: {problem}" for problem in error.problems]) from error
    if not connector.problems:
        return found
    return {
        id_: DatasourceError([*connector.problems, *(each.problems if isinstance(each, DatasourceError) else ())])
        for id_, each in found.items()
    }


def find_datasource(
    datasource_id: str, definition: Mapping[str, Any] | None, *, variable: str, connector_variable: str
) -> Datasource:
    """Return one datasource: what the DAG's author gave, else what the Variable says.

    :raises ConfigurationError: where it is not there, or is broken.
    """
    definitions: object
    if definition is not None:
        definitions, where = {datasource_id: definition}, "datasource"
    else:
        definitions, where = read_variable(variable), f"Variable {variable}"
        if definitions is None:
            raise ConfigurationError(f"there is no Variable {variable}, so there is no datasource {datasource_id}")
    connector = read_connector_block(connector_variable)
    found = read_definitions(definitions, where, connector).get(datasource_id)
    if found is None:
        raise ConfigurationError(f"there is no datasource {datasource_id} in the {where}")
    if isinstance(found, DatasourceError):
        raise found
    return found


# ------------------------------------------------------------------------------------------ storage
def storage() -> Storage:
    """Return the storage that ``[confluence] storage_path`` names."""
    from airflow_provider_confluence.sync.storage import Storage, cannot_be_used

    path = storage_path()
    try:
        return Storage(_place(path))
    except ValueError as error:
        raise ConfigurationError(f"[confluence] storage_path: {cannot_be_used(path, error)}") from error
    except ConfigurationError as error:
        raise ConfigurationError(f"[confluence] storage_path: {error}") from error


def make_sink(datasource: Datasource, *, connections: Connections | None = None) -> Sink:
    """Return the datasource's sink, not opened yet; it may write below the storage folder and ``[confluence] allowed_paths``.

    :param connections: looks connections up, in place of a task's own way.
    """
    from airflow_provider_confluence.hooks.sink_connections import sink_connection
    from airflow_provider_confluence.sinks.registry import make_sink as make

    return make(
        datasource.sink,
        datasource.queue_name,
        storage=index_folder(),
        allowed_paths=_allowed_paths(),
        connections=connections or sink_connection,
    )


def index_folder() -> Path:
    """Return the folder of local indexes: below the storage where that is a folder, else in AIRFLOW_HOME."""
    path = storage_path()
    if path.startswith("file://"):
        path = path.removeprefix("file://")
    return (_home() if "://" in path else Path(path).expanduser()) / "index"


def extractor(image_to_text: str | None = None) -> ExtractorSettings:
    """Return how this deployment reads attached files.

    :param image_to_text: a DAG author's function for pictures, in place of ``[confluence] image_to_text``.
    :raises ConfigurationError: where that is no import path.
    """
    from airflow_provider_confluence.content.attachments import ExtractorSettings, ImageReader

    function = image_to_text or option("image_to_text")
    network = option("image_to_text_network").lower() in ("true", "t", "1", "yes", "on")
    return ExtractorSettings(image_reader=ImageReader(function, network) if function else None)


def storage_path() -> str:
    """Return where state is kept, as ``[confluence] storage_path`` says, or its default."""
    return option("storage_path") or str(_home())


def _home() -> Path:
    # As Airflow itself finds it.
    return Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "confluence"


def _allowed_paths() -> tuple[Any, ...]:
    parts = [part.strip() for part in option("allowed_paths").split(",") if part.strip()]
    try:
        return tuple(_place(part) for part in parts)
    except ValueError as error:
        raise ConfigurationError(f"[confluence] allowed_paths: {error}") from error


def _place(path: str) -> Any:
    """Return a folder, or a place in an object store: a UPath in all but its declared type, which looks nothing up before it is used.

    :raises ValueError: for an address of a kind that nothing installed knows.
    """
    if "://" not in path or path.startswith("file://"):
        return Path(path.removeprefix("file://")).expanduser()
    from airflow.sdk import ObjectStoragePath

    return ObjectStoragePath(path)


def option(name: str) -> str:
    """Return an option of ``[confluence]``; empty where it is not set."""
    from airflow.sdk.configuration import conf

    return (conf.get("confluence", name, fallback=None) or "").strip()
