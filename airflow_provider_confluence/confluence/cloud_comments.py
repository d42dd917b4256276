"""Comments on Confluence Cloud: listed for the whole site, footer and inline comments apart, with no bulk question by id.

The lists of the whole site name replies too, with the page and the comment that they answer; those of one page name first comments only
(CONFLUENCE v2 ``GET /footer-comments``, ``GET /pages/{id}/footer-comments``). So one page is never listed: a comment is asked for by id.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, Protocol

from airflow_provider_confluence.confluence.batches import ALL_TRIES, TRIES_FOR_ONE, Tries, in_batches, in_parallel
from airflow_provider_confluence.confluence.client import Bodies, Fetched, Listing, NewestFirst
from airflow_provider_confluence.confluence.cql import in_list
from airflow_provider_confluence.confluence.identity import read_identity
from airflow_provider_confluence.confluence.paging import (
    PagedListing,
    PagedNewestFirst,
    Progress,
    Row,
    by_cursor,
    rows_of,
)
from airflow_provider_confluence.confluence.reading import instant, part, text_of, whole_number
from airflow_provider_confluence.confluence.shared import MAX_BODIES_BYTES, numeric, with_body
from airflow_provider_confluence.confluence.transport import (
    MAX_ANSWER_BYTES,
    MAX_TRIES,
    AbsentError,
    Answer,
    Params,
    TooHeavyError,
    Transport,
    quoted_part,
)
from airflow_provider_confluence.confluence.v1_rows import COMMENTED, comment
from airflow_provider_confluence.documents import Entry, Failure, Person
from airflow_provider_confluence.errors import (
    AccessDeniedError,
    ConfluenceProviderError,
    ConfluenceUnavailableError,
    ContractError,
    CredentialsError,
)

_log = logging.getLogger(__name__)

MOST = 250
SEARCHED = 200
KEYS_AT_A_TIME = 50
AUTHORS_AT_A_TIME = 50
PATHS: Final = {"footer": "/api/v2/footer-comments", "inline": "/api/v2/inline-comments"}


class Get(Protocol):
    """How Cloud is asked."""

    def __call__(
        self,
        path: str,
        params: Params | None = None,
        *,
        heavy_tries: int = MAX_TRIES,
        tries: int = MAX_TRIES,
        cancelled: threading.Event | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """Return the answer to a GET."""


class CloudComments:
    """Asks for comments.

    :param transport: whose gate says how many requests may be under way.
    """

    def __init__(self, get: Get, transport: Transport) -> None:
        self._get = get
        self._transport = transport
        self._walks: dict[str, _Walk] = {}

    def list_all(self, keys: Sequence[str]) -> Listing:
        """Return the current comments of the whole site, the oldest first. ⌈footer / 250⌉ + ⌈inline / 250⌉ requests.

        The list of inline comments takes no ``resolution-status``, and whether it holds resolved ones is not said. Where it holds none, the
        search of the named spaces is asked as well: ⌈comments / 200⌉ requests.
        """

        settled: set[str] = set()

        def walk(location: str, progress: Progress) -> Iterator[list[Entry]]:
            # The order of creation is stable while things change: what is new comes last.
            for rows in by_cursor(self._get, PATHS[location], {"sort": "created-date", "limit": MOST}, progress):
                found = _current(rows, location)
                settled.update(entry.resolution for entry in found if entry.resolution in ("resolved", "dangling"))
                yield found

        def rest(_: Progress) -> Iterator[list[Entry]]:
            return iter(()) if settled else self._search_settled(keys)

        return PagedListing(*(partial(walk, location) for location in PATHS), last=rest)

    def _search_settled(self, keys: Sequence[str]) -> Iterator[list[Entry]]:
        try:
            for start in range(0, len(keys), KEYS_AT_A_TIME):
                cql = f"type = comment and space in {in_list(keys[start : start + KEYS_AT_A_TIME])}"
                params: Params = {"cql": cql, "expand": COMMENTED, "limit": SEARCHED}
                for rows in by_cursor(self._get, "/rest/api/content/search", params, Progress(), patient=False):
                    found = [comment(row) for row in rows if row.get("status", "current") == "current"]
                    yield [entry for entry in found if entry.resolution in ("resolved", "dangling")]
        except CredentialsError:
            raise
        except ConfluenceProviderError as error:
            # An addition: a comment that is known and was not named is asked for by id.
            _log.warning("resolved comments may be missing, because the search failed: %s", error)

    def list_newest(self) -> list[NewestFirst]:
        """Return the current comments of the whole site, the latest change first: a listing of the footer's, and one of the inline ones."""

        def walk(location: str, progress: Progress) -> Iterator[list[Entry]]:
            for rows in by_cursor(self._get, PATHS[location], _NEWEST_FIRST, progress):
                yield _current(rows, location)

        return [PagedNewestFirst(partial(walk, location)) for location in PATHS]

    def look_up(self, content_ids: Sequence[str]) -> dict[str, Entry]:
        """Return comments by id; an absent one has no answer. 1 request a footer comment, 2 any other, in parallel."""

        def ask(content_id: str, stop: threading.Event) -> Entry | None:
            for location in PATHS:
                row = self._one(location, content_id, stop)
                if row is not None:
                    return _entry(row, location)
            return None

        found = in_parallel(ask, numeric(content_ids), self._transport.gate.max_in_flight, self._transport.cut)
        return {entry.content_id: entry for entry in found if entry is not None}

    def fetch(self, comments: Sequence[Entry]) -> Bodies:
        """Yield current comments with bodies in storage format, in any order; those that are gone yield nothing.

        At most twice the requests that the cheaper way costs, by id or by walking the lists, and 1 for each that was edited: only its first
        version says who made it, and when.
        """
        for location in PATHS:
            wanted = {entry.content_id: entry for entry in comments if (entry.location or "footer") == location}
            yield from self._with_authors(location, self._met_on_a_walk(location, wanted))
            yield from self._with_authors(location, self._one_by_one(location, numeric(list(wanted))))

    def _met_on_a_walk(self, location: str, wanted: dict[str, Entry]) -> Iterator[Fetched]:
        """Yield those that the list brings, and take them out of ``wanted``."""
        walk = self._walks.pop(location, None)
        if walk is None or any(walk.has_passed(entry) for entry in wanted.values()):
            walk = _Walk(self._get, location)
        in_vain = 0
        while True:
            met = [row for content_id, row in walk.rows.items() if content_id in wanted]
            for row in met:
                del wanted[str(row["id"])]
                yield with_body(_entry(row, location), row)
            # As many pages in vain as are still wanted: asking for each would have cost no more.
            if len(wanted) < 2 or in_vain >= len(wanted) or not walk.go_on():
                break
            in_vain += not wanted.keys() & walk.rows.keys()
        self._walks[location] = walk

    def _with_authors(self, location: str, found: Iterable[Fetched | Failure]) -> Iterator[Fetched | Failure]:
        edited: list[Fetched] = []
        for item in found:
            if isinstance(item, Failure) or item.entry.version == 1:
                yield item
                continue
            edited.append(item)
            if len(edited) == AUTHORS_AT_A_TIME:
                yield from self._authored(location, edited)
                edited = []
        yield from self._authored(location, edited)

    def _authored(self, location: str, edited: Sequence[Fetched]) -> list[Fetched]:
        def ask(fetched: Fetched, stop: threading.Event) -> Fetched:
            path = f"{PATHS[location]}/{quoted_part(fetched.entry.content_id)}/versions"
            try:
                versions = self._get(path, {"sort": "modified-date", "limit": 1}, tries=TRIES_FOR_ONE, cancelled=stop)
                rows = rows_of(versions)
            except ConfluenceUnavailableError:  # the text is worth more than who wrote it first
                return replace(fetched, whole=False)
            except (ContractError, AccessDeniedError):
                return fetched
            if not rows or rows[0].get("number") != 1:
                return fetched
            made = replace(fetched.entry, created=instant(rows[0].get("createdAt")), creator=_person(rows[0]))
            return replace(fetched, entry=made)

        return in_parallel(ask, edited, self._transport.gate.max_in_flight, self._transport.cut)

    def _one_by_one(self, location: str, content_ids: Sequence[str]) -> Iterator[Fetched | Failure]:
        def fetch(ids: Sequence[str], tries: Tries, stop: threading.Event) -> list[Fetched]:
            rows = (self._one(location, content_id, stop, tries, "storage") for content_id in ids)
            return [
                with_body(_entry(row, location), row)
                for row in rows
                if row and row.get("status", "current") == "current"
            ]

        return in_batches(
            fetch,
            content_ids,
            type_="comment",
            threads=self._transport.gate.max_in_flight,
            cut=self._transport.cut,
            check=partial(read_identity, self._transport),
            first_batch=1,
        )

    def _one(
        self, location: str, content_id: str, stop: threading.Event, tries: Tries = ALL_TRIES, body: str = ""
    ) -> Row | None:
        params: Params = {"body-format": body} if body else {}
        try:
            path = f"{PATHS[location]}/{quoted_part(content_id)}"
            return self._get(
                path, params, heavy_tries=tries.heavy, tries=tries.most, cancelled=stop, max_bytes=MAX_BODIES_BYTES
            ).data
        except AbsentError:
            return None


_NEWEST_FIRST: Params = {"sort": "-modified-date", "limit": MOST}


class _Walk:
    """A list with bodies, the latest change first. ``rows`` are those of the page where it stands, by id."""

    def __init__(self, get: Get, location: str) -> None:
        light = partial(get, heavy_tries=1, max_bytes=MAX_BODIES_BYTES)
        self._pages = by_cursor(light, PATHS[location], {**_NEWEST_FIRST, "body-format": "storage"}, Progress())
        self.rows: dict[str, Row] = {}
        self._latest = ""

    def go_on(self) -> bool:
        """Turn to the next page. ``False`` where there is none, or it is more than Confluence can give at once."""
        try:
            rows = next(self._pages, None)
        except (TooHeavyError, ContractError):
            return False
        if not rows:
            return False
        self._latest = max(instant(part(row, "version", "createdAt")) or "" for row in rows)
        # A row without its body is left to be asked for by id.
        self.rows = {
            str(row.get("id")): row
            for row in rows
            if row.get("status", "current") == "current" and part(row, "body", "storage", "value") is not None
        }
        return True

    def has_passed(self, comment: Entry) -> bool:
        """Say whether a comment was changed later than all that is on this page and still to come."""
        return bool(self._latest) and (comment.updated or "") > self._latest


def _current(rows: Sequence[Row], location: str) -> list[Entry]:
    return [_entry(row, location) for row in rows if row.get("status", "current") == "current"]


def _entry(row: Row, location: str) -> Entry:
    """Return what a row says. It names the latest version alone: who made a comment, and when, is known while that is the first."""
    container = row.get("pageId") or row.get("blogPostId")
    above = row.get("parentCommentId")
    number, person = whole_number(part(row, "version", "number")) or 1, _person(part(row, "version"))
    updated = instant(part(row, "version", "createdAt"))
    inline = location == "inline"
    selection = part(row, "properties", "inlineOriginalSelection")
    return Entry(
        content_id=text_of(row, "id"),
        type="comment",
        status=str(row.get("status") or "current"),
        title=str(row.get("title") or ""),
        version=number,
        space_id="",
        parent_id=str(above) if above else None,
        parent_type="comment" if above else None,
        container_id=str(container) if container else None,
        created=updated if number == 1 else None,
        updated=updated,
        creator=person if number == 1 else None,
        last_editor=person,
        location=location,
        selection=str(selection) if inline and selection else None,
        resolution=str(row["resolutionStatus"]) if inline and row.get("resolutionStatus") else None,
        resolved_at=instant(row.get("resolutionLastModifiedAt")) if inline else None,
    )


def _person(version: Any) -> Person | None:
    author = part(version, "authorId") if version else None
    return Person(str(author)) if author else None
