"""Who may read the items of a run, as levels: the space, each restricted item above, the item itself; a reader must be in every one.

Restrictions make no version of an item, so they are asked for whenever it is looked at: those that the listing told are taken from there,
the others are asked for in bulk, what stands above an item once a run. What cannot be read closes: its level is empty, and nobody is in
it. What was not asked, because a run may ask only so much one by one, leaves a document as it is where it has not changed, and closes it
where it has.
"""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from airflow_provider_confluence.confluence.client import ConfluenceClient
from airflow_provider_confluence.confluence.readers import EVERYBODY, NOBODY, Levels, SpaceReaders
from airflow_provider_confluence.datasource import Datasource
from airflow_provider_confluence.documents import CONTAINED_TYPES, Entry, Failure, Space
from airflow_provider_confluence.sync.manifest import Record

if TYPE_CHECKING:
    from airflow_provider_confluence.sync.surroundings import Surroundings

MOST_ASKED = 1_000
"""Where a listing told nothing of restrictions, because the search behind it fails, one run asks for so many items and no more."""


def covers(inner: Levels, outer: Levels) -> bool:
    """Say whether everybody who passes the levels ``inner`` passes ``outer`` as well, whatever groups people are in."""
    return all(any(set(narrow) <= set(wide) for narrow in inner) for wide in outer)


def distinct_levels(levels: Iterable[tuple[str, ...]]) -> Levels:
    """Return the levels in their order, each once."""
    return tuple(dict.fromkeys(levels))


class Readers:
    """Asks, within a bound that one run shares, what restricts items, and says who may read them.

    ``unknown``: ids of items of which that was not asked, because the bound was reached. ``problems``: sentences about spaces that cannot
    be read.

    :param known: what is recorded of items, by content id.
    :param surroundings: what is above them.
    :param spaces: the spaces in scope, by id.
    """

    def __init__(
        self,
        client: ConfluenceClient,
        datasource: Datasource,
        known: Mapping[str, Record],
        surroundings: Surroundings,
        spaces: Mapping[str, Space],
    ) -> None:
        self._client = client
        self._known = known
        self._surroundings = surroundings
        self._spaces = spaces
        self._datasource = datasource
        self._own: dict[str, Levels] = {}
        # By what other items hang on: the levels down to it.
        self._found: dict[str, tuple[Levels, bool]] = {}
        # Of what stands highest among what is seen, where something unseen is above: all levels down to it.
        self._inherited: dict[str, Levels | None] = {}
        self._of_spaces: dict[str, tuple[str, ...]] = {}
        self._left = MOST_ASKED
        self.unknown: set[str] = set()
        self.problems: list[str] = []

    def look_up(self, entries: Iterable[Entry]) -> None:
        """Ask what restricts these items and what is above them, unless it is known. Nothing where the datasource does not need it.

        Cost in requests: none for what the listing told; ⌈others / 100⌉, and 1 for each that does not come in bulk, :data:`MOST_ASKED` a
        run at most. What is above the items has been looked up before. Attachments and comments are restricted by what holds them.
        """
        if not self._datasource.asks_readers:
            return
        wanted: dict[str, Entry] = {}
        for entry in entries:
            if entry.type in CONTAINED_TYPES:
                continue
            step: Entry | None = entry
            while step is not None and step.content_id not in wanted:
                wanted[step.content_id] = step
                step = self._surroundings.entry(step.parent_id) if step.parent_id else None
        missing = [entry for entry in wanted.values() if self._own_of(entry) is None]
        random.shuffle(missing)
        missing.sort(key=self._can_wait)
        asked = missing[: self._left]
        self._left -= len(asked)
        by_type: dict[str, list[str]] = defaultdict(list)
        for entry in asked:
            by_type[entry.type].append(entry.content_id)
        for type_, content_ids in by_type.items():
            self._own.update(self._client.readers_of(type_, content_ids))
        self._look_up_inherited(wanted.values())
        self._look_up_spaces({entry.space_id for entry in wanted.values()})
        self.unknown = (self.unknown | {entry.content_id for entry in missing}) - self._own.keys()
        self._found.clear()

    def note_on_unknown(self) -> str:
        """Return a sentence on the items of which it is not known what restricts them."""
        return (
            f"who may read {len(self.unknown)} items, or what is below them, was not told; documents that have not changed stay "
            "as they are, the others are found by nobody, and all are asked for again"
        )

    def _look_up_inherited(self, entries: Iterable[Entry]) -> None:
        """Ask what comes from above where a way up ends before the top of the space: 1 request for each such end, on Data Center alone."""
        for entry in entries:
            if not entry.parent_id or entry.content_id in self._inherited or self._left <= 0:
                continue
            if self._surroundings.entry(entry.parent_id) is None:
                self._left -= 1
                self._inherited[entry.content_id] = self._client.inherited_readers(entry.content_id)

    def _look_up_spaces(self, space_ids: set[str]) -> None:
        """Ask who may see these spaces, at the same time. One for which that fails is asked again by itself, and then says why."""
        missing = sorted(space_ids & self._spaces.keys() - self._of_spaces.keys())
        if not self._datasource.enable_permissions or len(missing) < 2:
            return

        def ask(space_id: str, _: threading.Event) -> tuple[str, SpaceReaders]:
            return space_id, self._client.space_readers(self._spaces[space_id])

        answers = self._client.in_parallel(ask, missing, type_="space")
        told = dict(answer for answer in answers if not isinstance(answer, Failure))
        for space_id in missing:
            if space_id in told:
                self._keep(space_id, told[space_id])

    def restrictions(self, entry: Entry) -> tuple[Levels, bool]:
        """Return the levels below the space that an item has, the highest first, and whether all of them are known.

        An item whose way up ends before the top of the space hangs on something that this account cannot see: nobody reads it, unless
        Confluence tells what comes down from there.
        """
        holder = entry
        if entry.type in CONTAINED_TYPES:
            found = self._surroundings.entry(entry.container_id) if entry.container_id else None
            if found is None:
                return NOBODY, True
            holder = found
        if not holder.parent_id:
            return self._with_own(EVERYBODY, holder, True)
        above = self._surroundings.entry(holder.parent_id)
        if above is None:
            told = self._inherited.get(holder.content_id)
            return self._with_own(NOBODY, holder, True) if told is None else (distinct_levels(told), True)
        levels, is_known = self._down_to(above)
        return self._with_own(levels, holder, is_known)

    def _down_to(self, entry: Entry) -> tuple[Levels, bool]:
        """Return the levels down to something that other items hang on, itself included."""
        if entry.content_id not in self._found:
            steps, whole = self._surroundings.steps(entry)
            way = [*(step for _, step in reversed(steps)), entry]
            levels, is_known = EVERYBODY, True
            if not whole:
                told = self._inherited.get(way[0].content_id)
                levels, way = (NOBODY, way) if told is None else (told, way[1:])
            for step in way:
                levels, is_known = self._with_own(levels, step, is_known)
            self._found[entry.content_id] = levels, is_known
        return self._found[entry.content_id]

    def _with_own(self, levels: Levels, entry: Entry, is_known: bool) -> tuple[Levels, bool]:
        own = self._own_of(entry)
        if own is None:
            return distinct_levels((*levels, *NOBODY)), False
        return (distinct_levels((*levels, *own)) if own else levels), is_known

    def _own_of(self, entry: Entry) -> Levels | None:
        own = self._own.get(entry.content_id, entry.readers)
        if own is None and (seen := self._surroundings.entry(entry.content_id)) is not None:
            own = seen.readers
        return own

    def is_open(self, entry: Entry) -> bool | None:
        """Say whether an item may be read by everybody who sees its space; ``None`` where that was not asked."""
        levels, is_known = self.restrictions(entry)
        if any(levels):
            return False
        return (not levels) if is_known else None

    def is_restricted(self, entry: Entry) -> bool:
        """Say whether Confluence named a restriction, in contrast to one that could not be read."""
        return any(self.restrictions(entry)[0])

    def permissions(self, entry: Entry) -> list[list[str]] | None:
        """Return the levels of an item's document, ``None`` where the datasource has none. 1 request or a few, once for each space."""
        if not self._datasource.enable_permissions:
            return None
        levels = distinct_levels((self._space(entry.space_id), *self.restrictions(entry)[0]))
        return [list(level) for level in levels]

    def levels(self, entry: Entry) -> Levels:
        """Return the levels of an item's document, none where the datasource has none. Cost as :meth:`permissions`."""
        return recorded(self.permissions(entry))

    def is_doubtful(self, entry: Entry) -> bool:
        """Say whether an item's levels are to be asked for again by the next run."""
        return self._datasource.enable_permissions and not self.restrictions(entry)[1]

    def _space(self, space_id: str) -> tuple[str, ...]:
        if space_id not in self._of_spaces:
            self._keep(space_id, self._client.space_readers(self._spaces[space_id]))
        return self._of_spaces[space_id]

    def _keep(self, space_id: str, found: SpaceReaders) -> None:
        self._of_spaces[space_id] = found.principals
        if found.problem:
            self.problems.append(found.problem)

    def _can_wait(self, entry: Entry) -> bool:
        """Say whether the document of an item has levels already, those that were last known."""
        record = self._known.get(entry.content_id)
        return record is not None and record.version == entry.version and bool(record.context)


def recorded(permissions: Iterable[Iterable[str]] | None) -> Levels:
    """Return a document's levels as its record keeps them."""
    return tuple(tuple(level) for level in permissions or ())
