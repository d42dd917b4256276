"""A quick look at Confluence: the top of the listings that begin with the latest change.

A handful of requests however large the space. It sees edits and new items, and what an earlier run left to do. It cannot see deletions,
moves, labels or archiving, which bring nothing to the top: those wait for the next whole listing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Literal, cast

from airflow_provider_confluence.confluence.client import ConfluenceClient
from airflow_provider_confluence.datasource import Datasource
from airflow_provider_confluence.documents import CONTAINED_TYPES, TREE_TYPES, Entry, Space, instant, rfc3339
from airflow_provider_confluence.sync.contained import inside
from airflow_provider_confluence.sync.context import Event, RunContext
from airflow_provider_confluence.sync.records import Records
from airflow_provider_confluence.sync.titles import Titles, showing, shows_other_text
from airflow_provider_confluence.sync.whole_listing import Listed

# How far below the watermark the look goes on: clocks differ, and a change may be listed a little late.
OVERLAP_MINUTES = 10
# So many of the items that failed before are tried again in one quick look.
_MOST_FAILED = 20
_BODIES = ("page", "blogpost")
# More than these are looked for in the list of all of them: Cloud answers one id at a time.
_FEW_COMMENTS = 100


class DoubtError(Exception):
    """The quick look cannot be trusted; only a whole listing tells the truth."""


def list_newest(
    run: RunContext,
    client: ConfluenceClient,
    datasource: Datasource,
    spaces: Mapping[str, Space],
    known: Records,
    watermark: str,
) -> Listed:
    """Return what changed since the watermark, and what is pending or failed, as it is now.

    Cost in requests: for each type, for every 100 spaces, 1 and 1 more for each further page down to the first where nothing is new;
    ⌈pending / 250⌉ and ⌈items that show a page that changed / 250⌉; 1 for each page or blog post whose attachments are pending; on Cloud
    1 or 2 for each comment that is (more than 100 are looked for in the list of all).

    :raises DoubtError: when rows do not come in the order of their last change, or the paging is odd.
    """
    return _QuickLook(run, client, datasource, spaces, known).look(watermark)


class _QuickLook:
    def __init__(
        self,
        run: RunContext,
        client: ConfluenceClient,
        datasource: Datasource,
        spaces: Mapping[str, Space],
        known: Records,
    ) -> None:
        self.run = run
        self.client = client
        self.datasource = datasource
        self.spaces = spaces
        self.known = known
        self.entries: dict[str, Entry] = {}
        self.seen = 0
        self.quiet_before = ""

    def look(self, watermark: str) -> Listed:
        # RFC 3339 in one zone and one length compares as time does.
        self.quiet_before = quiet_before = rfc3339(instant(watermark).subtract(minutes=OVERLAP_MINUTES))
        contained: list[Entry] = []
        # Folders and their like have no list; one that changed is seen on the way up from a changed page, or by a whole listing.
        types = [type_ for type_ in self.datasource.content_types if type_ not in TREE_TYPES]
        newest = [
            (type_, listing)
            for type_ in types
            for listing in self.client.list_newest(
                list(self.spaces.values()), cast(Literal["page", "blogpost", "attachment", "comment"], type_)
            )
        ]
        # One after the other: whether what hangs on a page is new is seen once the pages are.
        for (type_, listing), pages in zip(newest, self.client.first_pages([n for _, n in newest]), strict=True):
            for page in pages:
                if listing.doubt is not None:
                    raise DoubtError(listing.doubt)
                self.seen += len(page)
                self.known.reach(i for entry in page for i in (entry.content_id, entry.container_id) if i)
                new = [entry for entry in page if self._is_new(entry)]
                if type_ in CONTAINED_TYPES:
                    contained += new
                else:
                    self.entries.update((entry.content_id, entry) for entry in new)
                if not new and all(quiet_before > _last_touched(entry) for entry in page):
                    break
            if listing.doubt is not None:
                raise DoubtError(listing.doubt)
        self._add_contained(contained)
        self._add_unfinished()
        self._add_includers()
        self.run.tell(Event("listed", self.datasource.id, {"listed": self.seen}, "the latest changes"))
        return Listed(self.entries)

    def _is_new(self, entry: Entry) -> bool:
        record = self.known.get(entry.content_id)
        if record is not None and record.failure is not None and entry.updated and entry.updated < self.quiet_before:
            return False  # it has its turn among those that failed
        if entry.type in CONTAINED_TYPES:
            # On Cloud those of the whole site are listed. The ones of other spaces never get known: they must not count as new.
            if entry.container_id not in self.known and entry.container_id not in self.entries:
                return False
            if entry.resolved_at is not None and entry.resolved_at >= self.quiet_before:
                return True  # resolving a comment may make no version of it
            if record is None and entry.type == "comment" and self.datasource.archived:
                # Those on archived pages are never known, and Cloud may list them.
                return entry.updated is None or entry.updated >= self.quiet_before
            return record is None or record.version != entry.version or record.container_id != entry.container_id
        if record is None and self.datasource.selective:
            # What is out of scope never gets known; was it not changed of late, it did not come in by a change that shows here.
            return entry.updated is None or entry.updated >= self.quiet_before
        return record is None or record.version != entry.version or record.space_id != entry.space_id

    def _add_contained(self, contained: Iterable[Entry]) -> None:
        """Keep what hangs on a page or blog post in scope; that is looked up, for the way to it is in the document."""
        contained = [entry for entry in contained if entry.container_id]
        containers = self._containers({str(entry.container_id) for entry in contained})
        for entry in contained:
            container = containers.get(str(entry.container_id))
            # Comments on an archived page are not indexed.
            if container is not None and (entry.type != "comment" or container.status == "current"):
                self.entries[entry.content_id] = inside(entry, container)

    def _containers(self, ids: set[str]) -> dict[str, Entry]:
        found = {content_id: self.entries[content_id] for content_id in ids & self.entries.keys()}
        by_type: dict[str, list[str]] = defaultdict(list)
        for content_id in sorted(ids - found.keys()):
            record = self.known.get(content_id)
            # One that is not known is out of scope: were it new, the listing of its own type would have named it.
            if record is not None and record.type in _BODIES:
                by_type[record.type].append(content_id)
        found.update(self._look_up(by_type))
        self.entries.update(found)
        return found

    def _add_unfinished(self) -> None:
        """Add what is pending or failed. What is current no more stays as it is, for a whole listing to confirm."""
        by_type: dict[str, list[str]] = defaultdict(list)
        attachments: dict[str, set[str]] = defaultdict(set)
        comments: list[str] = []
        nodes: list[tuple[str, str]] = []
        unfinished = [record for record in self.known.unsettled() if record.content_id not in self.entries]
        # Those that failed least often come first, so that all have their turn; a whole listing tries every one.
        failed = sorted((r.failure.attempts, r.content_id) for r in unfinished if r.failure and not r.pending)
        waiting = {content_id for _, content_id in failed[_MOST_FAILED:]}
        for record in unfinished:
            if record.content_id in waiting:
                continue
            if record.type in _BODIES:
                by_type[record.type].append(record.content_id)
            elif record.type == "attachment" and record.container_id:
                attachments[record.container_id].add(record.content_id)
            elif record.type == "comment" and record.type in self.datasource.content_types:
                comments.append(record.content_id)
            elif record.type in TREE_TYPES and record.type in self.datasource.content_types:
                nodes.append((record.content_id, record.type))
        self.entries.update(self._look_up(by_type))
        there = self.client.tree_nodes(nodes).items()
        self.entries.update({i: e for i, e in there if e.status == "current" and e.space_id in self.spaces})
        for container in self._containers(set(attachments)).values():
            for entry in self.client.attachments_of(container):
                if entry.content_id in attachments[container.content_id]:
                    self.entries[entry.content_id] = inside(entry, container)
        self._add_contained(self._find_comments(comments))

    def _find_comments(self, ids: list[str]) -> list[Entry]:
        if len(ids) <= _FEW_COMMENTS:
            return [entry for entry in self.client.look_up("comment", ids).values() if entry.status == "current"]
        wanted = set(ids)
        return [entry for entry in self.client.list_comments(list(self.spaces.values())) if entry.content_id in wanted]

    def _add_includers(self) -> None:
        """Add what shows the text of a page that changed, or that has only now the title that was looked for."""
        titles = Titles(self.known, self.entries)
        versions = {entry.content_id: entry.version for entry in self.entries.values()}
        by_type: dict[str, list[str]] = defaultdict(list)
        for record in showing(self.known, self.entries):
            if record.content_id not in self.entries and shows_other_text(record, titles, versions):
                by_type[record.type].append(record.content_id)
        self.entries.update(self._look_up(by_type))

    def _look_up(self, by_type: Mapping[str, list[str]]) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for type_, ids in by_type.items():
            if type_ in self.datasource.content_types:
                for entry in self.client.look_up(cast(Literal["page", "blogpost"], type_), ids).values():
                    if entry.status in self.client.shown_statuses and entry.space_id in self.spaces:
                        found[entry.content_id] = entry
        return found


def _last_touched(entry: Entry) -> str:
    """Return when an item was changed last; by which of its two dates a resolved comment is listed is not known."""
    return max(entry.updated or "9999", entry.resolved_at or "")
