"""The three ways Confluence pages, each safe against servers that repeat, cap, miscount or never end.

A pager yields the rows of one answer at a time and notes in a :class:`Progress` what was odd. A :class:`PagedListing` makes entries of
them, each id once, and is *complete* only when the last page was read and nothing was odd: law 1 hangs on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs

from airflow_provider_confluence.confluence.reading import whole_number
from airflow_provider_confluence.confluence.transport import AbsentError, Answer, Params
from airflow_provider_confluence.documents import Entry
from airflow_provider_confluence.errors import ContractError

if TYPE_CHECKING:
    from airflow_provider_confluence.confluence.together import Reading

MAX_EMPTY_PAGES = 5
"""So many empty pages in a row are followed while each names a next one; filtered rows can leave a page empty, no end is an error."""

MOST_ROWS = 5_000_000
"""In one listing, of one kind in one space: far more than any is known to have, and what memory can hold."""

_MOST_FIELDS = 100
_LONGEST_CURSOR = 16 * 1024

Row = Mapping[str, Any]


class Get(Protocol):
    """How a pager asks: :meth:`Transport.get`."""

    def __call__(self, path: str, params: Params | None = None) -> Answer:
        """Return the answer to a GET."""


class Progress:
    """What a pager learns on its way: whether something was odd, and the limit that the server really keeps.

    :param most_rows: after so many the list is taken for one without an end.
    """

    def __init__(self, *, most_rows: int = MOST_ROWS) -> None:
        self.most_rows = most_rows
        self.doubt: str | None = None
        self.answers = 0
        self.goes_on = False
        """Whether the last answer named a next page."""
        self.dropped: frozenset[str] = frozenset()
        """Parameters that the server did not take behind a cursor: it may have forgotten them."""

    def distrust(self, why: str) -> None:
        """Note the first oddity; the later ones follow from it."""
        if self.doubt is None:
            self.doubt = why


Walk = Callable[[Progress], Iterator[Iterable[Entry]]]


class PagedListing:
    """Entries as they arrive, each id once (see :class:`~airflow_provider_confluence.confluence.client.Listing`).

    :param walks: what yields them page by page. Walks do not hang on each other: where threads are there they go on at the same time.
    :param last: a walk that begins when the others have ended.
    """

    def __init__(self, *walks: Walk, last: Walk | None = None) -> None:
        self._walks = walks
        self._last = last
        self._progress = [Progress() for _ in (*walks, last)]
        self._seen: set[str] = set()
        self._left = len(walks)
        self._started = False
        self.complete = False
        self.doubt: str | None = None

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries. :raises RuntimeError: when iterated again: the second time could be another truth."""
        self._start()
        return self._entries()

    def begin(self, reading: Reading) -> None:
        """Read it beside other listings. :raises RuntimeError: when it was read before."""
        self._start()
        for walk, progress in zip(self._walks, self._progress, strict=False):
            self._walk(reading, walk, progress)
        if not self._walks:
            self._ended(reading)

    def _walk(self, reading: Reading, walk: Walk, progress: Progress) -> None:
        reading.walk(
            self,
            self._pages(walk, progress),
            take=lambda page: reading.deliver(self, self._fresh(page)),
            ended=lambda: self._ended(reading),
        )

    def _ended(self, reading: Reading) -> None:
        self._left -= 1
        if self._left > 0:
            return
        if self._last is not None:
            last, self._last = self._last, None
            self._walk(reading, last, self._progress[-1])
            return
        self._judge()
        reading.finish(self)

    def _start(self) -> None:
        if self._started:
            raise RuntimeError("a listing can be iterated once; list again")
        self._started = True

    def _entries(self) -> Iterator[Entry]:
        walks = (*self._walks, *([self._last] if self._last is not None else []))
        for walk, progress in zip(walks, self._progress, strict=False):
            for page in self._pages(walk, progress):
                yield from self._fresh(page)
        self._judge()

    def _pages(self, walk: Walk, progress: Progress) -> Iterator[Iterable[Entry]]:
        try:
            yield from walk(progress)
        except AbsentError as error:
            progress.distrust(str(error))

    def _fresh(self, entries: Iterable[Entry]) -> list[Entry]:
        fresh = []
        for entry in entries:
            if entry.content_id not in self._seen:
                self._seen.add(entry.content_id)
                fresh.append(entry)
        return fresh

    def _judge(self) -> None:
        self._seen.clear()
        self.doubt = next((progress.doubt for progress in self._progress if progress.doubt is not None), None)
        self.complete = self.doubt is None


class PagedNewestFirst:
    """Pages of entries in the order of their last change (see :class:`~airflow_provider_confluence.confluence.client.NewestFirst`)."""

    def __init__(self, walk: Callable[[Progress], Iterator[list[Entry]]]) -> None:
        self._walk = walk
        self._progress = Progress()

    @property
    def doubt(self) -> str | None:
        """What was odd so far."""
        return self._progress.doubt

    def __iter__(self) -> Iterator[list[Entry]]:
        """Yield the pages; an item may come twice where it was changed meanwhile."""
        earliest: str | None = None
        try:
            for entries in self._walk(self._progress):
                for entry in entries:
                    if entry.updated is None:
                        self._progress.distrust(f"item {entry.content_id} has no time of its last change")
                    elif entry.resolved_at is not None or entry.resolution in ("resolved", "reopened"):
                        continue  # it may be listed by its last edit, or by when somebody resolved it
                    elif earliest is not None and entry.updated > earliest:
                        self._progress.distrust(
                            f"item {entry.content_id} was listed out of the order that was asked for"
                        )
                    earliest = entry.updated or earliest
                yield entries
        except AbsentError as error:
            self._progress.distrust(str(error))


def rows_of(answer: Answer) -> list[Row]:
    """Return the ``results`` of an answer. :raises ContractError: where there are none to be found."""
    rows = answer.data.get("results")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ContractError("Confluence answered a listing without 'results': this is not its documented interface")
    return rows


def by_cursor(
    get: Get, path: str, params: Params, progress: Progress, *, droppable: Iterable[str] = (), patient: bool = True
) -> Iterator[list[Row]]:
    """Yield pages until none is named next.

    The cursor is taken out of the ``next`` link and put behind our own path and query: links come with and without the site's context,
    through the gateway with the wrong root, and our query must not change within one listing.

    :param droppable: parameters that are left out behind a cursor where the server refuses them there. (Data Center's scan documents
        ``type`` for the first request only; whether the cursor remembers it is not known, so it is sent as long as it is taken.)
    :param patient: whether an empty page that names a next one is followed (:data:`MAX_EMPTY_PAGES`), or is the end.
    """
    droppable = frozenset(droppable)
    asked: dict[str, str | int | list[str]] = {
        name: value if isinstance(value, (str, int)) else list(value) for name, value in params.items()
    }
    cursors: set[str] = set()
    ids: set[str] = set()
    empty = 0
    while True:
        try:
            answer = get(path, asked)
        except ContractError as error:
            if error.status != 400 or not cursors:
                raise
            if any(name in asked for name in droppable):
                progress.dropped = droppable & asked.keys()
                asked = {name: value for name, value in asked.items() if name not in droppable}
                continue
            progress.distrust(f"the listing broke off: {error}")
            return
        progress.answers += 1
        rows = rows_of(answer)
        new = len(ids)
        ids.update(str(row.get("id")) for row in rows)
        new = len(ids) - new
        following = _next_query(answer)
        progress.goes_on = following is not None
        if rows:
            yield rows
        if new < len(rows):
            progress.distrust(f"{path} listed {len(rows) - new} items again")
        if following is None:
            return
        if len(ids) > progress.most_rows:
            progress.distrust(f"{path} named a next page after {len(ids)} items")
            return
        cursor = following.get("cursor", "")
        if not cursor:
            progress.distrust(f"{path} named a next page without a cursor")
            return
        if len(cursor) > _LONGEST_CURSOR:
            progress.distrust(f"{path} named a next page by more than {_LONGEST_CURSOR} characters")
            return
        if cursor in cursors:
            progress.distrust(f"{path} named the same next page twice")
            return
        cursors.add(cursor)
        if rows and not new:
            progress.distrust(f"{path} listed nothing new on a page and named a next one")
            return
        empty = 0 if rows else empty + 1
        if empty and not patient:
            return
        if empty > MAX_EMPTY_PAGES:
            progress.distrust(f"{path} named a next page after {empty} empty ones")
            return
        asked = {**{name: value for name, value in following.items() if name not in params}, **asked}
        asked["cursor"] = cursor


def by_offset(get: Get, path: str, params: Params, progress: Progress) -> Iterator[list[Row]]:
    """Yield pages with a ``start`` of our own, until one is empty, or short with none named next, or brings nothing new.

    Data Center miscounts ``start`` in its links, caps pages in silence, and past 200 items may repeat results for ever while it names
    a next page (CONFSERVER-95396, -95272, -95312). A total, where one is given, tells whether that was the end.
    """
    limit = whole_number(params.get("limit")) or 25
    start, largest, ids = 0, 0, set[str]()
    total: int | None = None
    while True:
        answer = get(path, {**params, "start": start})
        progress.answers += 1
        rows = rows_of(answer)
        known = whole_number(answer.data.get("totalSize", answer.data.get("totalCount")))
        total = known if known is not None else total
        fresh = _fresh(rows, ids)
        if fresh:
            yield fresh
        elif rows and not _is_the_end(get, path, params, start, largest, ids):
            progress.distrust(f"{path} repeated itself after {len(ids)} items, so that more may follow")
        if not fresh:
            break
        if len(fresh) < len(rows):
            progress.distrust(
                f"{path} listed {len(rows) - len(fresh)} items again, so that others may have been passed over"
            )
        if len(ids) > progress.most_rows:
            progress.distrust(f"{path} went on after {len(ids)} items")
            break
        start += len(rows)
        largest = max(largest, len(rows))
        kept = whole_number(answer.data.get("limit")) or limit
        if len(rows) < min(limit, kept) and _next_query(answer) is None:
            break
    if total is not None and len(ids) < total:
        progress.distrust(f"{path} listed {len(ids)} of {total} items")


def _fresh(rows: list[Row], ids: set[str]) -> list[Row]:
    """Return the rows whose id is new, and note their ids."""
    fresh = []
    for row in rows:
        id_ = str(row.get("id"))
        if id_ not in ids:
            ids.add(id_)
            fresh.append(row)
    return fresh


def _is_the_end(get: Get, path: str, params: Params, start: int, largest: int, ids: set[str]) -> bool:
    """Say whether a list that repeats itself has ended, by looking again from half a page before.

    What follows the last known row would be in the second half of that page, which a list that has ended leaves empty.
    """
    rows = rows_of(get(path, {**params, "start": max(0, start - largest // 2)}))
    return (largest == 1 or len(rows) < largest) and all(str(row.get("id")) in ids for row in rows)


def _next_query(answer: Answer) -> dict[str, str] | None:
    """Return the query of the ``next`` link, out of the body or the Link header, or ``None`` where no next page is named."""
    link: Any = None
    links = answer.data.get("_links")
    if isinstance(links, Mapping):
        link = links.get("next")
    if not link:
        from requests.utils import parse_header_links

        header = answer.headers.get("Link", "")
        link = (
            next((each.get("url") for each in parse_header_links(header) if each.get("rel") == "next"), None)
            if header
            else None
        )
    if not link and answer.data.get("nextCursor"):
        return {"cursor": str(answer.data["nextCursor"])}
    if not link:
        return None
    # The query is all that is taken: wherever the link leads, what is asked is our own address.
    _, _, text = str(link).partition("#")[0].partition("?")
    try:
        query = parse_qs(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return {}
    return {name: values[0] for name, values in query.items()}
