"""Everything in scope, listed: the only look at Confluence that sees deletions, moves, labels and archiving."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final, Literal

from airflow_provider_confluence.confluence.client import ConfluenceClient, Listing
from airflow_provider_confluence.datasource import Datasource
from airflow_provider_confluence.documents import Entry, Space
from airflow_provider_confluence.errors import SpaceNotFoundError
from airflow_provider_confluence.sync.contained import inside
from airflow_provider_confluence.sync.context import Event, RunContext
from airflow_provider_confluence.sync.manifest import Record

_EVERY = 250  # items between two words to the observer
_AT_A_TIME = 500  # listings of single pages that are begun together
_HOLDERS: Final[tuple[Literal["page", "blogpost"], ...]] = ("page", "blogpost")


@dataclass(slots=True)
class Listed:
    """What a look at Confluence found: entries by content id, and which (space id, type) it did not see to the end, with the reasons."""

    entries: dict[str, Entry] = field(default_factory=dict)
    incomplete: set[tuple[str, str]] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def list_everything(
    run: RunContext,
    client: ConfluenceClient,
    datasource: Datasource,
    spaces: Mapping[str, Space],
    known: Mapping[str, Record],
) -> Listed:
    """Return every current item of the datasource. Cost in requests: Σ⌈items / 250⌉ over spaces and types; labels, attachments and
    comments apart.

    :param spaces: the spaces in scope, by id.
    :param known: what the index is known to hold; a space that lists nothing of it is confirmed first.
    :raises SpaceNotFoundError: when a space disappears meanwhile.
    """
    return _WholeListing(run, client, datasource, spaces).look(known)


class _WholeListing:
    def __init__(
        self, run: RunContext, client: ConfluenceClient, datasource: Datasource, spaces: Mapping[str, Space]
    ) -> None:
        self.run = run
        self.client = client
        self.datasource = datasource
        self.spaces = spaces
        self.found = Listed()

    def look(self, known: Mapping[str, Record]) -> Listed:
        spaces = list(self.spaces.values())
        holders: dict[Listing, tuple[Space, str]] = {
            self.client.list_content(space, type_): (space, type_)
            for space in spaces
            for type_ in _HOLDERS
            if type_ in self.datasource.content_types
        }
        contained: dict[Listing, str] = {}
        if "attachment" in self.datasource.content_types:
            contained[self.client.list_attachments(spaces)] = "attachment"
        if "comment" in self.datasource.content_types:
            contained[self.client.list_comments(spaces)] = "comment"
        counts: Counter[Listing] = Counter()

        def take(listing: Listing, entries: list[Entry]) -> None:
            counts[listing] += len(entries)
            if listing in holders:
                # One of another space moved away while it was listed.
                self.found.entries.update((e.content_id, e) for e in entries if e.space_id in self.spaces)
            else:
                self._add_contained(entries)

        self._read(take, list(holders), list(contained))
        for listing, (space, kind) in holders.items():
            self._judge(listing, {(space.id, kind)}, f"{kind}s of space {space.key}")
            if not counts[listing] and any(r.space_id == space.id and r.type == kind for r in known.values()):
                self._confirm_empty(space)
        for listing, kind in contained.items():
            self._judge_contained(listing, kind)
        if "attachment" in contained.values() and self.client.edition == "datacenter":
            self._add_archived_files()
        return self.found

    def _read(self, take: Callable[[Listing, list[Entry]], None], *groups: Sequence[Listing]) -> None:
        told = 0
        with closing(self.client.read_together(*groups)) as arriving:
            for listing, entries in arriving:
                take(listing, entries)
                if len(self.found.entries) - told >= _EVERY:
                    told = len(self.found.entries)
                    self._tell("what is there")

    def _add_archived_files(self) -> None:
        """List the attachments of archived pages, which a search does not find."""
        pages = [e for e in self.found.entries.values() if e.type == "page" and e.status == "archived"]
        for at in range(0, len(pages), _AT_A_TIME):
            listings = [self.client.attachments_of(page) for page in pages[at : at + _AT_A_TIME]]
            self._read(lambda _, entries: self._add_contained(entries), listings)
            for listing in listings:
                self._judge_contained(listing, "attachment")

    def _add_contained(self, contained: Iterable[Entry]) -> None:
        entries = self.found.entries
        for entry in contained:
            container = entries.get(entry.container_id) if entry.container_id else None
            # Comments on an archived page are not indexed.
            if container is not None and (entry.type != "comment" or container.status == "current"):
                entries[entry.content_id] = inside(entry, container)

    def _judge_contained(self, listing: Listing, type_: str) -> None:
        self._judge(listing, {(space_id, type_) for space_id in self.spaces}, f"{type_}s")

    def _judge(self, listing: Listing, groups: Iterable[tuple[str, str]], where: str) -> None:
        if not listing.complete:
            self.found.incomplete.update(groups)
            why = listing.doubt or "it did not finish"
            self.found.notes.append(f"the listing of {where} is not complete ({why}); nothing of it is deleted")
        self._tell(where)

    def _tell(self, where: str) -> None:
        self.run.tell(Event("listed", self.datasource.id, {"listed": len(self.found.entries)}, where))

    def _confirm_empty(self, space: Space) -> None:
        """Make sure that a space which lists nothing is really seen, and by us: an expired token may answer like an empty wiki."""
        self.client.identity()
        if not self.client.spaces([space.key]):
            raise SpaceNotFoundError(
                [space.key],
                f"datasource {self.datasource.id}: space {space.key} disappeared while it was listed; nothing was deleted",
            )
