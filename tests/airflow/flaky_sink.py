"""A sink that can go down, installed as other people's packages install theirs: by an entry point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow_provider_confluence.documents import Document, Tombstone
from airflow_provider_confluence.errors import SinkUnavailableError
from airflow_provider_confluence.sinks.base import Answer, Sink
from airflow_provider_confluence.sinks.local import LocalSink, index_path

DOWN = "down"


class FlakySink(LocalSink):
    """The local sink, down while a file of that name lies beside it."""

    def write(self, items: Sequence[Document | Tombstone]) -> list[Answer]:
        if (self.path.parent / DOWN).exists():
            raise SinkUnavailableError("the sink is down")
        return super().write(items)


def from_settings(settings: Mapping[str, Any], destination: str, *, storage: Path, **_: Any) -> Sink:
    """Return the sink."""
    return FlakySink(index_path(storage, destination))


def install(folder: Path) -> None:
    """Write what an installer writes; the folder is then put on the path."""
    info = folder / "flaky_sink-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: flaky-sink\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[airflow_provider_confluence.sinks]\nflaky = tests.airflow.flaky_sink:from_settings\n"
    )
