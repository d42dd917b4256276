"""The pages or blog posts of a space on Confluence Cloud, with what the search alone tells of them.

The list is walked by the ids of its items, from the first one up; where nothing else is to be asked, from the last one down as well, until
both walks meet. What the search tells is asked for by id, as soon as so many items have been listed as one question may name: the
questions wait beside the walks, and those of many small spaces share one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from airflow_provider_confluence.confluence.cloud_search import AT_A_TIME, NOTHING_TOLD, CloudSearch, Detail
from airflow_provider_confluence.confluence.paging import Progress, Row
from airflow_provider_confluence.confluence.reading import text_of
from airflow_provider_confluence.confluence.together import Calls, Reading, read_through
from airflow_provider_confluence.confluence.transport import AbsentError
from airflow_provider_confluence.documents import Entry
from airflow_provider_confluence.errors import AccessDeniedError, ConfluenceUnavailableError, ContractError

_FIRST_UP, _LAST_DOWN = "id", "-id"


class WalkById(Protocol):
    """How the list is asked for, in the order that is named."""

    def __call__(self, sort: str, progress: Progress) -> Iterator[list[Row]]:
        """Yield the rows of each page."""


@dataclass(slots=True)
class _Batch:
    items: list[tuple[CloudContent, Entry]]
    details: Mapping[str, Detail] | None = None


class CloudReading(Reading):
    """Listings under way on Cloud, and the questions to the search that go beside them.

    :param readers: whether restrictions are asked for, beside labels.
    """

    def __init__(self, calls: Calls, groups: Sequence[Sequence[Any]], *, search: CloudSearch, readers: bool) -> None:
        super().__init__(calls, groups)
        self._search = search
        self._readers = readers
        self._walking = 0
        self._kept: list[tuple[CloudContent, Entry]] = []
        self._asked: deque[_Batch] = deque()

    def detail(self, listing: CloudContent, entries: Sequence[Entry]) -> None:
        """Hand these entries back to the listing, in their order, with what the search tells of them.

        They wait for each other: one slow answer keeps those behind it, so entries wait and not the rows that they came from, five
        times as large.
        """
        self._kept += [(listing, entry) for entry in entries]
        while len(self._kept) >= AT_A_TIME:
            self._ask(AT_A_TIME)

    def begun(self) -> None:
        """Note that a listing will want details."""
        self._walking += 1

    def walked(self) -> None:
        """Note that a listing has asked for all the details that it wants; with the last one, nothing is kept to be asked for with more."""
        self._walking -= 1
        if not self._walking and self._kept:
            self._ask(len(self._kept))

    def _ask(self, count: int) -> None:
        batch = _Batch(self._kept[:count])
        del self._kept[:count]
        self._asked.append(batch)
        ids = {entry.content_id: listing.type for listing, entry in batch.items}
        self.ask(partial(self._search.details, ids, readers=self._readers), partial(self._answered, batch))

    def _answered(self, batch: _Batch, details: Mapping[str, Detail]) -> None:
        batch.details = details
        while self._asked and (told := self._asked[0].details) is not None:
            by_listing: dict[CloudContent, list[Entry]] = {}
            for listing, entry in self._asked.popleft().items:
                detail = told.get(entry.content_id, NOTHING_TOLD)
                entry.add_details(detail.labels, detail.readers)
                by_listing.setdefault(listing, []).append(entry)
            for listing, entries in by_listing.items():
                listing.detailed(self, entries)


@dataclass(slots=True)
class _End:
    """How far a walk came that goes up (1) or down (-1) by ids, and whether it kept to that."""

    direction: int
    first: int = 0
    last: int = 0
    count: int = 0
    in_order: bool = True

    def saw(self, rows: Sequence[Row]) -> None:
        for row in rows:
            content_id = str(row.get("id"))
            number = int(content_id) if content_id.isascii() and content_id.isdigit() else 0
            self.in_order = self.in_order and bool(number)
            if self.count:
                self.in_order = self.in_order and (number - self.last) * self.direction > 0
            else:
                self.first = number
            self.last = number
            self.count += 1

    @property
    def is_trusted(self) -> bool:
        """Whether the order was seen to be what was asked for; of a single row it is not."""
        return self.in_order and self.count > 1


@dataclass(slots=True)
class BothEnds:
    """Where two walks through one list stand.

    What is there all the time has one place in the order of ids. The walk up has seen all that is not above where it stands, the walk down
    all that is not below: once they have passed each other, nothing is left between them. That holds as long as both orders are what
    was asked for, so a walk whose rows come otherwise, or of which too little was seen to say, counts for nothing.
    """

    up: _End = field(default_factory=lambda: _End(1))
    down: _End = field(default_factory=lambda: _End(-1))

    @property
    def have_met(self) -> bool:
        """Whether everything was seen by one of them.

        Neither may have begun beyond where the other stands: ids in the order of their letters rise and fall too, as long as they have
        one length.
        """
        up, down = self.up, self.down
        if not (up.is_trusted and down.is_trusted):
            return False
        return up.last >= down.last - 1 and up.first <= down.last and up.last <= down.first


class CloudContent:
    """A listing of one space and type (see :class:`~airflow_provider_confluence.confluence.client.Listing`).

    :param walk: asks for the list.
    :param shows: says of a row whether it is to be listed.
    :param entry: makes an entry of such a row, without what the search tells.
    :param both_ends: whether the list may be walked from both ends. Not one of several statuses: whether Cloud lists one after the other
        is not documented, and ids cannot show it.
    :param read: reads listings together, where this one is iterated by itself.
    """

    def __init__(
        self,
        type_: str,
        walk: WalkById,
        shows: Callable[[Row], bool],
        entry: Callable[[Row], Entry],
        read: Callable[[Sequence[CloudContent]], Iterator[tuple[Any, list[Entry]]]],
        *,
        both_ends: bool,
    ) -> None:
        self.type = type_
        self._walk = walk
        self._shows = shows
        self._entry = entry
        self._read = read
        self._ends = BothEnds()
        self._up = Progress()
        self._both_ends = both_ends
        self._goes_down = self._is_over = self._started = False
        self._seen: set[str] = set()
        self._undetailed = 0
        self.complete = False
        self.doubt: str | None = None

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries. :raises RuntimeError: when iterated again: the second time could be another truth."""
        if self._started:
            raise RuntimeError("a listing can be iterated once; list again")
        return read_through(self._read([self]))

    def begin(self, reading: CloudReading) -> None:
        """Read it beside other listings. :raises RuntimeError: when it was read before."""
        if self._started:
            raise RuntimeError("a listing can be iterated once; list again")
        self._started = True
        reading.begun()
        reading.walk(
            self,
            self._upward(),
            goes_on=partial(self._goes_on, reading, self._ends.up),
            take=partial(self._take, reading),
            ended=partial(self._end, reading),
        )

    def detailed(self, reading: Reading, entries: list[Entry]) -> None:
        """Take entries with what the search tells of them."""
        self._undetailed -= len(entries)
        reading.deliver(self, entries)
        self._finish(reading)

    def _upward(self) -> Iterator[list[Row]]:
        try:
            yield from self._walk(_FIRST_UP, self._up)
        except AbsentError as error:
            self._up.distrust(str(error))

    def _downward(self) -> Iterator[list[Row]]:
        try:
            yield from self._walk(_LAST_DOWN, Progress())
        except (ContractError, ConfluenceUnavailableError, AccessDeniedError):
            # It only saves time: the walk up goes to the end without it, and fails itself where there is more to it.
            return

    def _goes_on(self, reading: CloudReading, end: _End, rows: Sequence[Row]) -> bool:
        if self._is_over:
            return False
        end.saw(rows)
        if self._ends.have_met:
            return False
        if self._both_ends and not self._goes_down and self._is_long and reading.has_room:
            self._goes_down = True
            reading.walk(
                self,
                self._downward(),
                goes_on=partial(self._goes_on, reading, self._ends.down),
                take=partial(self._take, reading),
                ended=lambda: None,
            )
        return end is self._ends.up or (end.in_order and self._ends.up.in_order)

    @property
    def _is_long(self) -> bool:
        """Whether what is still to come is worth the request or two that are in vain where both walks meet."""
        return self._up.answers > 1 and self._up.goes_on and self._ends.up.is_trusted

    def _take(self, reading: CloudReading, rows: Sequence[Row]) -> None:
        if self._is_over:  # asked for before both walks had met
            return
        fresh: list[Entry] = []
        for row in rows:
            content_id = text_of(row, "id")
            if content_id not in self._seen:
                self._seen.add(content_id)
                if self._shows(row):
                    fresh.append(self._entry(row))
        self._undetailed += len(fresh)
        reading.detail(self, fresh)
        if self._ends.have_met:
            self._end(reading)

    def _end(self, reading: CloudReading) -> None:
        if not self._is_over:
            self._is_over = True
            self._seen.clear()
            reading.walked()
            self._finish(reading)

    def _finish(self, reading: Reading) -> None:
        if self._is_over and not self._undetailed:
            self.doubt = self._up.doubt
            self.complete = self.doubt is None
            reading.finish(self)
