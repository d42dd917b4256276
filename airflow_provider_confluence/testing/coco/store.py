"""What a fake Coco keeps: objects by id, and documents as a search engine keeps them, with a refresh before searches see a change."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Literal

Source = dict[str, Any]

_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")


@dataclass
class CocoReadings:
    """What Coco's source leaves open, or what differs between its versions.

    ``error_shape``: errors come in two shapes; *mixed* gives documents the one and objects the other. ``batch_delete_refreshes``: whether
    searches miss at once what was deleted by a list of ids. ``takes_parent_path``: whether ``_system.parent_path`` of a new document is
    kept.
    """

    error_shape: Literal["mixed", "handler", "panic"] = "mixed"
    batch_delete_refreshes: bool = False
    takes_parent_path: bool = True


class RefusedError(Exception):
    """The request fails. ``panic``: as Coco words what its code did not foresee; ``document`` replaces the body altogether."""

    def __init__(
        self, reason: str, status: int = 500, *, panic: bool = False, document: dict[str, Any] | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.panic = panic
        self.document = document


@dataclass
class Store:
    """Connectors, datasources and documents. ``lock`` is held while a request is handled, but not while it waits for a refresh."""

    refresh_seconds: float = 0.0
    readings: CocoReadings = field(default_factory=CocoReadings)
    lock: threading.RLock = field(default_factory=threading.RLock)
    connectors: dict[str, Source] = field(default_factory=dict)
    datasources: dict[str, Source] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._written: dict[str, Source] = {}
        self._searched: dict[str, Source] = {}
        self._waiting: list[tuple[int, str, Source | None]] = []
        self._field_types: dict[str, str] = {}
        self._began = time.monotonic()

    # ------------------------------------------------------------------------------------ documents
    def get(self, document_id: str) -> Source | None:
        """Return a document as it was written last, refreshed or not."""
        return self._written.get(document_id)

    def put(self, document_id: str, source: Source) -> None:
        """Write a document; searches see it after the next refresh. :raises RefusedError: where the index cannot map it."""
        self._map(source.get("metadata") or {})
        self._written[document_id] = source
        self._note(document_id, source)

    def remove(self, document_id: str) -> None:
        """Delete a document; searches miss it after the next refresh."""
        del self._written[document_id]
        self._note(document_id, None)

    def searched(self) -> dict[str, Source]:
        """Return the documents that searches see now."""
        with self.lock:
            tick = self._tick()
            while self._waiting and self._waiting[0][0] <= tick:
                _, document_id, source = self._waiting.pop(0)
                if source is None:
                    self._searched.pop(document_id, None)
                else:
                    self._searched[document_id] = source
            return self._searched

    def written(self) -> dict[str, Source]:
        """Return the documents as they were written last."""
        with self.lock:
            return dict(self._written)

    def refresh(self) -> None:
        """Let searches see everything now."""
        with self.lock:
            self._waiting = [(0, document_id, source) for _, document_id, source in self._waiting]
            self.searched()

    def wait_for_refresh(self, stopping: threading.Event) -> None:
        """Return after the next refresh; call it without the lock."""
        if self.refresh_seconds:
            due = self._began + (self._tick() + 1) * self.refresh_seconds
            stopping.wait(max(due - time.monotonic(), 0.0))

    def _note(self, document_id: str, source: Source | None) -> None:
        self._waiting.append((self._tick() + 1 if self.refresh_seconds else 0, document_id, source))

    def _tick(self) -> int:
        return int((time.monotonic() - self._began) / self.refresh_seconds) if self.refresh_seconds else 0

    def _map(self, metadata: dict[str, Any]) -> None:
        """Map each field by its first value, as a dynamic mapping does, and refuse what does not fit in later."""
        found = dict(self._field_types)
        for name, value in _leaves("metadata", metadata):
            kind = _kind(value)
            held = found.setdefault(name, kind)
            if not _fits(value, kind, held):
                raise RefusedError(f"mapper_parsing_exception: failed to parse field [{name}] of type [{held}]")
        self._field_types = found


def _leaves(path: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(path, value), *(leaf for name, inner in value.items() for leaf in _leaves(f"{path}.{name}", inner))]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in _leaves(path, inner)]
    return [] if value is None else [(path, value)]


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "object"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "long"
    if isinstance(value, float):
        return "float"
    return "date" if _DATE.fullmatch(str(value)) else "text"


def _fits(value: Any, kind: str, held: str) -> bool:
    if "object" in (kind, held):
        return kind == held
    if held == "text":
        return True
    if held == "boolean":
        return kind == "boolean" or value in ("true", "false")
    if held == "date":
        return kind in ("date", "long")
    if kind in ("long", "float"):
        return True
    return isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value) is not None
