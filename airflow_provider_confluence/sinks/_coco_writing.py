"""Writes and deletions in Coco Server, side by side, with an answer for each."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from airflow_provider_confluence.documents import Document, Tombstone, document_id
from airflow_provider_confluence.errors import SinkUnavailableError
from airflow_provider_confluence.sinks._coco_documents import coco_document, encoded, parent_path
from airflow_provider_confluence.sinks._coco_listing import IDS_PER_REQUEST, Stored, stored
from airflow_provider_confluence.sinks._coco_server import CocoServer
from airflow_provider_confluence.sinks.base import Answer

_VISIBLE_SECONDS = 60.0
_LATER = "Coco Server does not answer now"
_UNKNOWN = "Coco Server answered HTTP 500 for a reason that this sink does not know; see the server's log"

T = TypeVar("T")


class Writer:
    """Writes the documents of one datasource.

    :param source_id: the id of Coco's datasource. :param datasource_id: ours.
    :param parallel: how many documents are on their way at a time.
    :param max_document_bytes: a document whose request is larger is *rejected*.
    """

    def __init__(
        self, server: CocoServer, source_id: str, datasource_id: str, *, parallel: int, max_document_bytes: int
    ) -> None:
        self.server = server
        self.pool = ThreadPoolExecutor(parallel, thread_name_prefix="coco")
        self.deleted: set[str] = set()
        """What was deleted, and may still be shown by searches."""
        self._source_id = source_id
        self._datasource_id = datasource_id
        self._max_document_bytes = max_document_bytes

    def close(self) -> None:
        """End the threads without waiting for them."""
        self.pool.shutdown(wait=False, cancel_futures=True)

    def write(self, items: Sequence[Document | Tombstone]) -> list[Answer]:
        """Write items of different ids side by side, those of one id in order, and answer for each."""
        return _Batch(self).write(items)

    def wait_until_gone(self) -> None:
        """Return when no search shows what was deleted. :raises SinkUnavailableError: when a minute is not enough for that."""
        pause, deadline = 0.05, time.monotonic() + _VISIBLE_SECONDS
        while self.deleted:
            self.deleted &= stored(self.server, sorted(self.deleted)).keys()
            if self.deleted and time.monotonic() > deadline:
                raise SinkUnavailableError(
                    f"Coco Server still shows {len(self.deleted)} deleted documents after {_VISIBLE_SECONDS:g} seconds"
                )
            if self.deleted:
                time.sleep(pause)
                pause = min(2 * pause, 1.0)

    def prepare(self, item: Document | Tombstone) -> bytes | str:
        """Return the request body of an item, empty for a tombstone, or the reason why it can never be written."""
        if item.datasource_id != self._datasource_id:
            return f"belongs to datasource {item.datasource_id!r}, but the sink was opened for {self._datasource_id!r}"
        if item.id != document_id(item.datasource_id, item.content_id):
            return "its id does not follow from its content id"
        if isinstance(item, Tombstone):
            return b""
        try:
            body = encoded(coco_document(item, self._source_id))
        except (TypeError, ValueError) as error:
            return f"is not plain JSON ({type(error).__name__})"
        if len(body) > self._max_document_bytes:
            return f"{len(body)} bytes are more than max_document_bytes ({self._max_document_bytes})"
        return body


class _Batch:
    """One batch on its way. After a request that did not get through the others are not tried: each would cost the same time."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._server = writer.server
        self._trouble: SinkUnavailableError | None = None
        self._away = threading.Event()

    def write(self, items: Sequence[Document | Tombstone]) -> list[Answer]:
        answers = [answer for group in _groups(items) for answer in self._group(group)]
        if any(answer.outcome == "written" for answer in answers):
            # Others were taken, so it is the document and not the server.
            return [replace(a, outcome="rejected") if a.reason == _UNKNOWN else a for a in answers]
        if answers and all(answer.outcome == "retry" for answer in answers):
            raise self._trouble or SinkUnavailableError(_UNKNOWN, status=500)
        return answers

    def _group(self, items: Sequence[Document | Tombstone]) -> list[Answer]:
        """Write items of different ids."""
        found: dict[str, Answer] = {}
        good: list[tuple[Document | Tombstone, bytes]] = []
        for item in items:
            body = self._writer.prepare(item)
            if isinstance(body, str):
                found[item.id] = Answer(item.id, "rejected", body)
            else:
                good.append((item, body))
        held = self._unless_away(lambda: stored(self._server, [item.id for item, _ in good]))
        upserts: list[tuple[Document, bytes, Stored | None]] = []
        tombstones: list[str] = []
        for item, body in good:
            now = held.get(item.id) if held else None
            if held is None:
                found[item.id] = Answer(item.id, "retry", _LATER)
            elif now is not None and now.revision > item.revision:
                found[item.id] = Answer(item.id, "superseded")
            elif isinstance(item, Tombstone):
                tombstones.append(item.id)
            else:
                upserts.append((item, body, now))
        for answer in [*self._writer.pool.map(self._upsert, upserts), *self._bury(tombstones)]:
            found[answer.id] = answer
        return [found[item.id] for item in items]

    def _upsert(self, write: tuple[Document, bytes, Stored | None]) -> Answer:
        """Write one document. One that moved is deleted first: Coco fixes the place in the tree when it makes a document."""
        document, body, held = write
        if held is not None and held.parent_path != parent_path(document):
            removed = self._one("DELETE", document.id)
            if removed.outcome != "written":
                return removed
        answer = self._one("PUT", document.id, body)
        if answer.outcome == "written":
            self._writer.deleted.discard(document.id)
        return answer

    def _bury(self, ids: list[str]) -> list[Answer]:
        answers: list[Answer] = []
        for start in range(0, len(ids), IDS_PER_REQUEST):
            some = ids[start : start + IDS_PER_REQUEST]
            body = json.dumps(some).encode()
            reply = self._unless_away(lambda body=body: self._server.ask("DELETE", "/document/", body=body))  # type: ignore[misc]
            if reply is None:
                answers += [Answer(id_, "retry", _LATER) for id_ in some]
            else:
                answers += self._writer.pool.map(self._confirm_gone, some)
        return answers

    def _confirm_gone(self, id_: str) -> Answer:
        """Look whether a document is gone: a list is acknowledged even where some of it was passed over."""
        self._writer.deleted.add(id_)
        reply = self._unless_away(lambda: self._server.ask("GET", f"/document/{id_}"))
        if reply is None:
            return Answer(id_, "retry", _LATER)
        return Answer(id_, "written") if reply.kind == "absent" else self._one("DELETE", id_)

    def _one(self, method: str, id_: str, body: bytes | None = None) -> Answer:
        reply = self._unless_away(lambda: self._server.ask(method, f"/document/{id_}", body=body))
        if reply is None:
            return Answer(id_, "retry", _LATER)
        if reply.kind == "ok" or (method == "DELETE" and reply.kind == "absent"):
            return Answer(id_, "written")
        if reply.kind == "denied":
            return Answer(id_, "rejected", "belongs in Coco Server to another user than that of this token")
        if reply.kind == "document":
            return Answer(id_, "rejected", f"Coco Server cannot take it as it is (HTTP {reply.status}); see its log")
        if reply.kind == "conflict":
            return Answer(id_, "retry", "was written by somebody else at the same time")
        return Answer(id_, "retry", _UNKNOWN)

    def _unless_away(self, work: Callable[[], T]) -> T | None:
        """Return what the work comes to; ``None`` where it did not get through, and from then on for all."""
        if self._away.is_set():
            return None
        try:
            return work()
        except SinkUnavailableError as error:
            self._trouble = error
            self._away.set()
            return None


def _groups(items: Sequence[Document | Tombstone]) -> Iterator[list[Document | Tombstone]]:
    """Cut a batch so that no part has an id twice."""
    group: list[Document | Tombstone] = []
    ids: set[str] = set()
    for item in items:
        if item.id in ids:
            yield group
            group, ids = [], set()
        group.append(item)
        ids.add(item.id)
    if group:
        yield group
