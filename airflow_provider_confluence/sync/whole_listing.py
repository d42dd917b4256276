"""Everything in scope, listed: the only look at Confluence that sees deletions, moves, labels and archiving."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from airflow_provider_confluence.confluence.client import ConfluenceClient, Listing
from airflow_provider_confluence.datasource import Datasource
from airflow_provider_confluence.documents import Entry, Space
from airflow_provider_confluence.errors import SpaceNotFoundError
from airflow_provider_confluence.sync.contained import inside
from airflow_provider_confluence.sync.context import Event, RunContext
from airflow_provider_confluence.sync.manifest import Record

_EVERY = 250  # items between two words to the observer


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
        for space in self.spaces.values():
            for type_ in ("page", "blogpost"):
                if type_ not in self.datasource.content_types:
                    continue
                listing = self.client.list_content(space, type_)
                count = self._gather(listing, (space.id, type_), f"{type_}s of space {space.key}")
                if count == 0 and any(r.space_id == space.id and r.type == type_ for r in known.values()):
                    self._confirm_empty(space)
        spaces = list(self.spaces.values())
        if "attachment" in self.datasource.content_types:
            self._gather_contained(self.client.list_attachments(spaces), "attachment")
            if self.client.edition == "datacenter":  # a search does not find those of archived pages
                for page in [e for e in self.found.entries.values() if e.type == "page" and e.status == "archived"]:
                    self._gather_contained(self.client.attachments_of(page), "attachment")
        if "comment" in self.datasource.content_types:
            self._gather_contained(self.client.list_comments(spaces), "comment")
        return self.found

    def _gather(self, listing: Listing, group: tuple[str, str], where: str) -> int:
        count = 0
        for entry in listing:
            count += 1
            if entry.space_id not in self.spaces:  # it moved away while it was listed
                continue
            self.found.entries[entry.content_id] = entry
            if count % _EVERY == 0:
                self._tell(where)
        self._judge(listing, {group}, where)
        return count

    def _gather_contained(self, listing: Listing, type_: str) -> None:
        entries = self.found.entries
        for entry in listing:
            container = entries.get(entry.container_id) if entry.container_id else None
            # Comments on an archived page are not indexed.
            if container is not None and (type_ != "comment" or container.status == "current"):
                entries[entry.content_id] = inside(entry, container)
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
