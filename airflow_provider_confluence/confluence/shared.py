"""What the clients of both editions have in common: one transport, and asking it in batches and in parallel."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from airflow_provider_confluence.confluence.batches import Answers, Tries, in_batches, in_parallel
from airflow_provider_confluence.confluence.client import Edition, Fetched, Identity, NewestFirst
from airflow_provider_confluence.confluence.downloads import Downloads
from airflow_provider_confluence.confluence.identity import read_identity
from airflow_provider_confluence.confluence.readers import NOBODY, Levels, read_restrictions
from airflow_provider_confluence.confluence.reading import distinct, part
from airflow_provider_confluence.confluence.together import Calls, Reading
from airflow_provider_confluence.confluence.transport import MAX_TRIES, AbsentError, Transport
from airflow_provider_confluence.documents import Entry, Failure

MAX_BODIES_BYTES = 32 * 1024 * 1024  # a batch of bodies larger than this is halved
T = TypeVar("T")


class ClientOverTransport:
    """The part of a :class:`~airflow_provider_confluence.confluence.client.ConfluenceClient` that does not hang on the edition."""

    edition: Edition
    archived = False
    tells_readers = False

    @property
    def shown_statuses(self) -> tuple[str, ...]:
        """The statuses of what is listed and fetched."""
        return ("current", "archived") if self.archived else ("current",)

    def __init__(self, transport: Transport) -> None:
        self.site = transport.site
        self._transport = transport
        self._downloads = Downloads(transport, cloud=self.edition == "cloud")

    @property
    def transport(self) -> Transport:
        """What sends the requests; its ``rest_api`` is the library's own connection object."""
        return self._transport

    @property
    def requests_made(self) -> int:
        """Requests sent so far, retries included."""
        return self._transport.requests_made

    @property
    def throttled_seconds(self) -> float:
        """Seconds for which the gate held requests back, summed over all threads."""
        return self._transport.throttled_seconds

    def close(self) -> None:
        """Close the connections; safe to repeat."""
        self._downloads.close()
        self._transport.close()

    def download(
        self,
        attachment: Entry,
        target: Path,
        *,
        max_bytes: int,
        tries: int = MAX_TRIES,
        cancelled: threading.Event | None = None,
    ) -> int:
        """Write the bytes of an attachment, of the version that the entry names, to a file; return their number."""
        return self._downloads.fetch(
            self._download_path(attachment),
            target,
            max_bytes=max_bytes,
            expected_bytes=attachment.size_bytes,
            tries=tries,
            cancelled=cancelled,
        )

    def _download_path(self, attachment: Entry) -> str:
        raise NotImplementedError

    def in_parallel(
        self,
        call: Callable[[str, threading.Event], T],
        ids: Sequence[str],
        *,
        type_: str,
        cut: Callable[[], None] = lambda: None,
    ) -> Answers[T | Failure]:
        """Return what a call returns for each id, in any order, with as many at a time as requests may be in flight."""

        def each(batch: Sequence[str], _: Tries, stop: threading.Event) -> list[T]:
            with self._transport.on_behalf_of(stop):
                return [call(content_id, stop) for content_id in batch]

        def cut_all(stop: threading.Event) -> bool:
            cut()
            return self._transport.cut(stop)

        threads = self._transport.gate.max_in_flight
        return in_batches(
            each, list(ids), type_=type_, threads=threads, cut=cut_all, check=self.identity, first_batch=1
        )

    def read_together(self, *groups: Sequence[Any]) -> Generator[tuple[Any, list[Entry]], None, None]:
        """Yield the entries of several listings as they arrive, with as many requests at a time as may be in flight."""
        calls = Calls(self._transport.gate.max_in_flight, self._transport.on_behalf_of, self._transport.cut)
        return self._reading(calls, groups).__iter__()

    def first_pages(self, listings: Sequence[NewestFirst]) -> list[Iterator[list[Entry]]]:
        """Return iterators over the pages of several listings, whose first pages are asked for at the same time."""

        def begin(pages: Iterator[list[Entry]], stop: threading.Event) -> list[list[Entry]]:
            with self._transport.on_behalf_of(stop):
                return [page] if (page := next(pages, None)) is not None else []

        pages = [iter(listing) for listing in listings]
        firsts = in_parallel(begin, pages, self._transport.gate.max_in_flight, self._transport.cut)
        return [chain(first, rest) for first, rest in zip(firsts, pages, strict=True)]

    def _reading(self, calls: Calls, groups: Sequence[Sequence[Any]]) -> Reading:
        return Reading(calls, groups)

    def identity(self) -> Identity:
        """Return who we are. 1 request. :raises CredentialsError: for a refused token, and for an anonymous answer."""
        return read_identity(self._transport)

    def _labels_by_item(
        self, content_ids: Sequence[str], ask: Callable[[str, threading.Event], tuple[str, ...]]
    ) -> dict[str, tuple[str, ...]]:
        """Ask for the labels of each item, in parallel; an item that is absent, or for which Confluence fails, has no answer."""

        def labels(content_id: str, stop: threading.Event) -> tuple[str, tuple[str, ...] | None]:
            try:
                return content_id, ask(content_id, stop)
            except AbsentError:
                return content_id, None

        answers = self.in_parallel(labels, distinct(content_ids), type_="labels")
        found = (answer for answer in answers if not isinstance(answer, Failure))
        return {content_id: some for content_id, some in found if some is not None}

    def _readers_by_item(self, content_ids: Sequence[str], found: Mapping[str, Levels], get: Any) -> dict[str, Levels]:
        """Ask for the read restrictions of those items that are not found yet, in parallel.

        What is refused is read by nobody; what Confluence fails for has no answer: that may pass.
        """

        def ask(content_id: str, stop: threading.Event) -> tuple[str, Levels]:
            return content_id, read_restrictions(
                partial(get, cancelled=stop), content_id, cloud=self.edition == "cloud"
            )

        answers = dict.fromkeys(content_ids, NOBODY) | dict(found)
        missing = [content_id for content_id in numeric(content_ids) if content_id not in found]
        for answer in self.in_parallel(ask, missing, type_="restrictions"):
            if not isinstance(answer, Failure):
                answers[answer[0]] = answer[1]
            elif answer.reason not in ("refused", "not_found"):
                answers.pop(answer.content_id)
        return answers

    def _bodies_in_batches(
        self,
        type_: str,
        content_ids: Sequence[str],
        fetch: Callable[[Sequence[str], Tries, threading.Event], list[Fetched]],
    ) -> Answers[Fetched | Failure]:
        """Return what ``fetch`` returns for all the ids that can be ids, in any order."""
        return in_batches(
            fetch,
            numeric(content_ids),
            type_=type_,
            threads=self._transport.gate.max_in_flight,
            cut=self._transport.cut,
            check=self.identity,
        )


def with_body(entry: Entry, row: Mapping[str, Any]) -> Fetched:
    """Return an item with the body that its row brought: storage format, or else the other one."""
    storage = part(row, "body", "storage", "value")
    adf = part(row, "body", "atlas_doc_format", "value")
    if (isinstance(storage, str) and storage) or not isinstance(adf, str) or not adf:
        return Fetched(entry, "storage", storage if isinstance(storage, str) else "")
    return Fetched(entry, "atlas_doc_format", adf)


def says_something(fetched: Fetched) -> bool:
    """Return whether a body in ADF holds anything: that of an empty item is a document without content."""
    try:
        document = json.loads(fetched.body) if fetched.representation == "atlas_doc_format" else None
    except (ValueError, RecursionError):
        return True
    return bool(document.get("content")) if isinstance(document, dict) else document is not None


def numeric(content_ids: Sequence[str]) -> list[str]:
    """Return ids that can be ids, each once: Confluence refuses a whole list for one that is no number."""
    return [content_id for content_id in distinct(content_ids) if content_id.isascii() and content_id.isdigit()]
