"""Where a datasource's state lies and who makes its sinks: a folder that ``--storage`` names, or, without it, an Airflow deployment."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_confluence.cli import common
from airflow_provider_confluence.cli.deployment import Deployment

if TYPE_CHECKING:
    from upath import UPath

    from airflow_provider_confluence.content.attachments import ExtractorSettings
    from airflow_provider_confluence.datasource import Datasource
    from airflow_provider_confluence.errors import DatasourceError
    from airflow_provider_confluence.sinks.base import Sink
    from airflow_provider_confluence.sync.storage import Storage


class Place(Protocol):
    """What the commands need of either."""

    read_from: dict[str, str]

    def storage(self) -> Storage:
        """Return where state is kept."""

    def index_folder(self) -> Path:
        """Return the folder of local indexes."""

    def make_sink(self, datasource: Datasource) -> Sink:
        """Return a datasource's sink, not opened yet."""

    def extractor(self) -> ExtractorSettings:
        """Return how attached files are read."""

    def definitions(self) -> dict[str, Datasource | DatasourceError] | None:
        """Return what is configured; ``None`` where nobody tells."""


class Folder:
    """A folder, or for the state an object store, that holds what a deployment's storage would. Airflow is asked for connections alone.

    Sinks may have their files anywhere: who types the command may write there anyhow, and what a state says was admitted when its run was
    made.
    """

    def __init__(self, storage: Path | str) -> None:
        self._storage = str(storage)
        self.airflow = Deployment(tell=common.say)
        self.read_from = self.airflow.read_from

    def storage(self) -> Storage:
        """Return where state is kept."""
        from airflow_provider_confluence.sync.storage import Storage

        return Storage(self._storage)

    def index_folder(self) -> Path:
        """Return the folder of the local indexes: below the storage where that is a folder, else in AIRFLOW_HOME, as in Airflow."""
        if "://" in self._storage:
            return Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "confluence" / "index"
        return Path(self._storage) / "index"

    def make_sink(self, datasource: Datasource) -> Sink:
        """Return a datasource's sink, not opened yet."""
        return self.sink_from(datasource.sink, datasource.queue_name)

    def sink_from(self, settings: Mapping[str, Any], destination: str) -> Sink:
        """Return the sink that settings name, not opened yet."""
        from airflow_provider_confluence.sinks.registry import make_sink

        return make_sink(
            settings,
            destination,
            storage=self.index_folder(),
            allowed_paths=(Path("/"), *self._store(settings)),
            connections=self.airflow.sink_connection,
        )

    def extractor(self) -> ExtractorSettings:
        """Return how attached files are read: pictures are not."""
        from airflow_provider_confluence.content.attachments import ExtractorSettings

        return ExtractorSettings()

    def definitions(self) -> None:
        """Return nothing: a folder does not know what is configured."""

    def _store(self, settings: Mapping[str, Any]) -> list[UPath]:
        path = settings.get("path")
        if not isinstance(path, str) or "://" not in path:
            return []
        if "@" in path:  # names an Airflow connection
            return [self.airflow.object_store(path)]
        from upath import UPath

        return [UPath(path)]


def add_storage(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where state and local indexes lie."""
    parser.add_argument(
        "--storage",
        metavar="DIR",
        type=_folder,
        help="where state and index are kept: a folder, or for the state an object store (s3://…) "
        "(default: as Airflow is configured here)",
    )


def _folder(text: str) -> str:
    if not text:  # of a shell variable that is not set: nobody means Airflow's own storage by it
        raise argparse.ArgumentTypeError("it is empty; name a folder, or leave the option out for Airflow's own")
    return text


def place_of(options: argparse.Namespace) -> Place:
    """Return the folder that the options name, else the deployment, which says where it read what."""
    return Folder(options.storage) if options.storage is not None else Deployment(tell=common.say)


def definitions_of(options: argparse.Namespace, place: Place) -> dict[str, Datasource | DatasourceError] | None:
    """Return what a file of definitions says, else what the place knows."""
    given = common.read_definitions(options.datasources)
    return place.definitions() if given is None else given


def storage_option(options: argparse.Namespace) -> str:
    """Return the option as it is to be typed after a command that is printed."""
    return f" --storage {shlex.quote(options.storage)}" if options.storage else ""
