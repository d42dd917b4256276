"""Confluence Data Center: its REST interface, from today's back to versions without ``/content/scan``."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from sys import intern
from types import MappingProxyType
from typing import Any, Literal

from airflow_provider_confluence.confluence.batches import Answers, Tries, in_parallel
from airflow_provider_confluence.confluence.client import (
    ConfluenceClient,
    Edition,
    Fetched,
    Listing,
    NewestFirst,
)
from airflow_provider_confluence.confluence.cql import in_list
from airflow_provider_confluence.confluence.paging import (
    PagedListing,
    PagedNewestFirst,
    Progress,
    Row,
    by_cursor,
    by_offset,
    rows_of,
)
from airflow_provider_confluence.confluence.readers import RESTRICTED, Levels, SpaceReaders, own_readers, read_inherited
from airflow_provider_confluence.confluence.reading import (
    absolute,
    distinct,
    instant,
    label_names,
    part,
    text_of,
    whole_number,
)
from airflow_provider_confluence.confluence.shared import MAX_BODIES_BYTES, ClientOverTransport, numeric, with_body
from airflow_provider_confluence.confluence.space_readers import DataCenterSpaceReaders
from airflow_provider_confluence.confluence.transport import AbsentError, Params, TooHeavyError, Transport, quoted_part
from airflow_provider_confluence.confluence.v1_rows import COMMENTED, comment, person, text_or_none
from airflow_provider_confluence.confluence.views import DataCenterViews
from airflow_provider_confluence.documents import Entry, Failure, Space
from airflow_provider_confluence.errors import ContractError

LISTED = "version,space,ancestors,history,metadata.labels"
ATTACHED = "version,space,container,history,extensions"
LIMIT = 200
KEYS_AT_A_TIME = 50
IDS_AT_A_TIME = 100


class DataCenterClient(ClientOverTransport, ConfluenceClient):
    """The client for Confluence Data Center and Server."""

    edition: Edition = "datacenter"

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self._takes_ids = True
        self._views = DataCenterViews(transport, self.identity)
        self._space_readers = DataCenterSpaceReaders(transport)

    @property
    def _listed(self) -> str:
        return f"{LISTED},{RESTRICTED}" if self.tells_readers else LISTED

    # ------------------------------------------------------------------------------------------ who and where
    def spaces(self, keys: Sequence[str]) -> list[Space]:
        """Return the visible ones of the spaces, 50 a request; the key ``*`` returns all current spaces."""
        if "*" in keys:
            return self._spaces({"status": "current"})
        wanted = [key for key in distinct(keys) if key]
        found: dict[str, Space] = {}
        for start in range(0, len(wanted), KEYS_AT_A_TIME):
            some = wanted[start : start + KEYS_AT_A_TIME]
            for space in self._spaces({"spaceKey": some}):
                found[space.id] = space
        return list(found.values())

    def _spaces(self, filters: Params) -> list[Space]:
        found: dict[str, Space] = {}
        params: Params = {**filters, "expand": "homepage", "limit": LIMIT}
        for rows in by_offset(self._transport.get, "/rest/api/space", params, Progress()):
            for row in rows:
                homepage = part(row, "homepage", "id")
                space = Space(
                    id=text_of(row, "id"),
                    key=text_of(row, "key"),
                    name=str(row.get("name") or row["key"]),
                    status=str(row.get("status") or "current").lower(),
                    type=str(row.get("type") or "global"),
                    homepage_id=str(homepage) if homepage else None,
                    url=absolute(self.site, part(row, "_links", "webui")),
                )
                found[space.id] = space
        return list(found.values())

    # ------------------------------------------------------------------------------------------ listings
    def list_content(self, space: Space, type_: Literal["page", "blogpost"]) -> Listing:
        """Return current pages or blog posts with labels and people. ⌈items/200⌉ requests; twice that before version 7.18."""

        def current(progress: Progress) -> Iterator[Iterable[Entry]]:
            for rows in self._rows(space, type_, self._listed, progress):
                yield self._entries([row for row in rows if row.get("status", "current") == "current"], type_, space)

        def archived(progress: Progress) -> Iterator[Iterable[Entry]]:
            for rows in self._archived_rows(space, progress):
                yield self._entries([row for row in rows if row.get("status") == "archived"], type_, space)

        return PagedListing(current, *([archived] if self.archived and type_ == "page" else []))

    def _archived_rows(self, space: Space, progress: Progress) -> Iterator[list[Row]]:
        """Yield the archived pages of a space; none where the server does not know the word.

        The scan documents ``status`` and does not list its values; a server without a scan is asked by the plain list.
        """
        params: Params = {"spaceKey": space.key, "type": "page", "status": "archived", "expand": self._listed}
        scan = Progress()
        try:
            path = "/rest/api/content/scan"
            yield from by_cursor(
                self._transport.get, path, {**params, "limit": LIMIT}, scan, droppable=("type", "status")
            )
        except ContractError as error:
            if error.status not in (400, 404) or scan.answers:
                raise
        else:
            if scan.doubt is not None:
                progress.distrust(scan.doubt)
            return
        try:
            for _ in range(2):
                yield from by_offset(
                    self._transport.get, "/rest/api/content", {**params, "limit": LIMIT // 2}, progress
                )
        except ContractError as error:
            if error.status != 400:
                raise

    def list_comments(self, spaces: Sequence[Space]) -> Listing:
        """Return the current comments of the spaces, replies too. Σ⌈comments / 200⌉ requests.

        Where there is no scan, or its cursor forgets what it lists, they are what the search index knows.
        """

        def walk(space: Space, progress: Progress) -> Iterator[Iterable[Entry]]:
            for rows in self._rows(space, "comment", COMMENTED, progress):
                yield self._current_comments(rows)

        return PagedListing(*(partial(walk, space) for space in spaces))

    def _rows(self, space: Space, type_: str, expand: str, progress: Progress) -> Iterator[list[Row]]:
        params: Params = {"spaceKey": space.key, "type": type_, "status": "current", "expand": expand, "limit": LIMIT}
        scan = Progress()
        keeps_type = type_ == "page"  # what a scan lists where no type is named
        try:
            for rows in by_cursor(self._transport.get, "/rest/api/content/scan", params, scan, droppable=("type",)):
                of_type = [row for row in rows if row.get("type", type_) == type_]
                yield of_type
                if len(of_type) < len(rows):
                    break  # a cursor that forgot what it was to list
                keeps_type = keeps_type or bool(scan.dropped and rows)
            else:
                if keeps_type or not scan.dropped:
                    if scan.doubt is not None:
                        progress.distrust(scan.doubt)
                    return
        except ContractError as error:
            # Before 7.18 there is no scan: the word is taken for an id. A space that is not visible answers alike, and again below.
            if error.status not in (400, 404) or scan.answers:
                raise
        if type_ == "comment":  # a space's content is listed by type for pages and blog posts only
            yield from self._search(f"type = comment and space in {in_list([space.key])}", expand, progress)
            return
        path = f"/rest/api/space/{quoted_part(space.key)}/content/{type_}"
        for _ in range(2):
            # Items shift under offset paging: what one pass misses for that, the other one sees.
            yield from by_offset(self._transport.get, path, {"expand": expand, "limit": LIMIT // 2}, progress)

    def _search(self, cql: str, expand: str, progress: Progress) -> Iterator[list[Row]]:
        params: Params = {"cql": cql, "expand": expand, "limit": LIMIT}
        return by_offset(self._transport.get, "/rest/api/content/search", params, progress)

    def list_attachments(self, spaces: Sequence[Space]) -> Listing:
        """Return the current attachments of the spaces, as the search index knows them. ⌈n/200⌉ requests."""
        keys = distinct(space.key for space in spaces)

        def walk(some: Sequence[str], progress: Progress) -> Iterator[Iterable[Entry]]:
            cql = f"type = attachment and space in {in_list(some)}"
            for rows in self._search(cql, ATTACHED, progress):
                yield self._current_attachments(rows, None)

        parts = (keys[start : start + KEYS_AT_A_TIME] for start in range(0, len(keys), KEYS_AT_A_TIME))
        return PagedListing(*(partial(walk, some) for some in parts))

    def list_newest(
        self, spaces: Sequence[Space], type_: Literal["page", "blogpost", "attachment", "comment"]
    ) -> list[NewestFirst]:
        """Return current items, the latest change first, as the search index knows them. 1 request for each page of 200."""
        keys = distinct(space.key for space in spaces)

        def walk(some: Sequence[str], progress: Progress) -> Iterator[list[Entry]]:
            cql = f"type = {type_} and space in {in_list(some)} order by lastmodified desc"
            for rows in self._search(
                cql, {"attachment": ATTACHED, "comment": COMMENTED}.get(type_, self._listed), progress
            ):
                if type_ == "attachment":
                    yield self._current_attachments(rows, None)
                elif type_ == "comment":
                    yield self._current_comments(rows)
                else:
                    yield [self._entry(row, type_, None) for row in rows if row.get("status", "current") == "current"]

        return [
            PagedNewestFirst(partial(walk, keys[start : start + KEYS_AT_A_TIME]))
            for start in range(0, len(keys), KEYS_AT_A_TIME)
        ]

    def attachments_of(self, container: Entry) -> Listing:
        """Return the current attachments of one page or blog post; an invisible one lists nothing and is not complete."""
        path = f"/rest/api/content/{quoted_part(container.content_id)}/child/attachment"

        def walk(progress: Progress) -> Iterator[Iterable[Entry]]:
            for rows in by_offset(self._transport.get, path, {"expand": ATTACHED, "limit": LIMIT}, progress):
                yield self._current_attachments(rows, container)

        return PagedListing(walk)

    def _current_comments(self, rows: Iterable[Row]) -> list[Entry]:
        return [comment(row) for row in rows if row.get("status", "current") == "current"]

    def _current_attachments(self, rows: Iterable[Row], container: Entry | None) -> list[Entry]:
        return [self._attachment(row, container) for row in rows if row.get("status", "current") == "current"]

    def _download_path(self, attachment: Entry) -> str:
        """Return the listing's own link, with its query, or one made after it."""
        if attachment.url.startswith(f"{self.site}/download/"):
            return attachment.url[len(self.site) :]
        name = quoted_part(unicodedata.normalize("NFC", attachment.title))
        return f"/download/attachments/{quoted_part(attachment.container_id or '')}/{name}?version={attachment.version}&api=v2"

    def server_text(self, attachment: Entry, *, cancelled: threading.Event | None = None) -> str | None:
        """Return the text that Confluence extracted for its own search; ``None`` where it has none, and where it does not tell."""
        path = f"/rest/api/content/{quoted_part(attachment.container_id or '')}/child/attachment/"
        try:
            answer = self._transport.get(
                f"{path}{quoted_part(attachment.content_id)}/extractedtext", heavy_tries=1, cancelled=cancelled
            )
        except (
            ContractError,
            TooHeavyError,
        ):  # 204: there is none; 404: this version of Confluence has no such address
            return None
        return text_or_none(answer.data.get("extractedText"))

    # ------------------------------------------------------------------------------------------ by id
    def labels_of(  # labels hang on ids here, whatever the type
        self,
        type_: str,  # noqa: ARG002
        content_ids: Sequence[str],
    ) -> dict[str, tuple[str, ...]]:
        """Return labels for those ids that are visible. 1 request an id, in parallel."""

        return self._labels_by_item(content_ids, self._all_labels)

    def _all_labels(self, content_id: str, stop: threading.Event | None = None) -> tuple[str, ...]:
        get = partial(self._transport.get, cancelled=stop)
        path = f"/rest/api/content/{quoted_part(content_id)}/label"
        return label_names([row for rows in by_offset(get, path, {"limit": LIMIT}, Progress()) for row in rows])

    def readers_of(self, type_: str, content_ids: Sequence[str]) -> dict[str, Levels]:
        """Return what restricts items by itself; nobody reads what is refused. ⌈ids / 100⌉ requests, and 1 for each whose lists
        of users or groups are cut short, or that is not answered in bulk."""
        found: dict[str, Levels] = {}
        wanted = numeric(content_ids)
        for start in range(0, len(wanted), IDS_AT_A_TIME):
            some = wanted[start : start + IDS_AT_A_TIME]
            for row in self._by_ids(some, type_, "any", RESTRICTED, self._transport.get):
                readers = own_readers(row, cloud=False)
                if readers is not None:
                    found[text_of(row, "id")] = readers
        return self._readers_by_item(content_ids, found, self._transport.get)

    def inherited_readers(self, content_id: str) -> Levels | None:
        """Return what restricts an item by itself and by everything above it; ``None`` where that is not told. 1 request for 50 levels."""
        return read_inherited(self._transport.get, content_id)

    def space_readers(self, space: Space) -> SpaceReaders:
        """Return who may see a space. 1 request, from version 9.1 on; before that see :class:`DataCenterSpaceReaders`."""
        return self._space_readers.of(space)

    def look_up(self, type_: Literal["page", "blogpost", "comment"], content_ids: Sequence[str]) -> dict[str, Entry]:
        """Return items by id, current or in the trash; an absent id has no answer. 1 request for 100 ids."""
        found: dict[str, Entry] = {}
        wanted = numeric(content_ids)
        for start in range(0, len(wanted), IDS_AT_A_TIME):
            some, expand = wanted[start : start + IDS_AT_A_TIME], COMMENTED if type_ == "comment" else self._listed
            for status in ("any", "archived") if self.archived and type_ == "page" else ("any",):
                missing = [content_id for content_id in some if content_id not in found]
                for row in self._by_ids(missing, type_, status, expand, self._transport.get):
                    entry = comment(row) if type_ == "comment" else self._entry(row, type_, None)
                    found[entry.content_id] = entry
        return found

    def look_up_attachments(self, content_ids: Sequence[str]) -> dict[str, Entry]:
        """Return attachments by id, current or in the trash; an absent id has no answer. 1 request for 100 ids."""
        found: dict[str, Entry] = {}
        wanted = distinct(content_ids)
        for start in range(0, len(wanted), IDS_AT_A_TIME):
            some = wanted[start : start + IDS_AT_A_TIME]
            for row in self._by_ids(some, "attachment", "any", ATTACHED, self._transport.get):
                entry = self._attachment(row, None)
                found[entry.content_id] = entry
        return found

    def fetch_bodies(
        self, type_: Literal["page", "blogpost"], content_ids: Sequence[str]
    ) -> Answers[Fetched | Failure]:
        """Return current items with bodies in storage format, in any order; ids that are gone bring nothing. 1 request for 50 ids."""
        return self._bodies(type_, content_ids, LISTED, lambda row: self._entry(row, type_, None))

    def fetch_comments(self, comments: Sequence[Entry]) -> Answers[Fetched | Failure]:
        """Return current comments with bodies in storage format, in any order; those that are gone bring nothing. 1 request for 50."""
        return self._bodies("comment", [entry.content_id for entry in comments], COMMENTED, comment)

    def _bodies(
        self, type_: str, content_ids: Sequence[str], expand: str, entry_of: Callable[[Row], Entry]
    ) -> Answers[Fetched | Failure]:
        def fetch(ids: Sequence[str], tries: Tries, stop: threading.Event) -> list[Fetched]:
            get = partial(
                self._transport.get,
                heavy_tries=tries.heavy,
                tries=tries.most,
                cancelled=stop,
                max_bytes=MAX_BODIES_BYTES,
            )
            found: dict[str, Fetched] = {}
            for status in self.shown_statuses if type_ == "page" else ("current",):
                missing = [content_id for content_id in ids if content_id not in found]
                for row in self._by_ids(missing, type_, status, f"{expand},body.storage", get):
                    if row.get("status", "current") == status:
                        found[text_of(row, "id")] = with_body(entry_of(row), row)
            return list(found.values())

        return self._bodies_in_batches(type_, content_ids, fetch)

    def _by_ids(self, ids: Sequence[str], type_: str, status: str, expand: str, get: Any) -> Iterator[Row]:
        """Yield the visible ones of the ids.

        A server may cap the answer in silence (its limits shrink with expansions), so what is missing from a full answer is asked for
        again; and one too old to know ``ids`` answers with anything, so it is asked one by one.
        """
        missing = dict.fromkeys(ids)
        while missing and self._takes_ids:
            asked = list(missing)
            params: Params = {"ids": asked, "status": status, "expand": expand, "limit": len(asked)}
            if type_ in ("page", "blogpost"):  # the others are no type to ask for, but are answered where ids are given
                params = {**params, "type": type_}
            answer = get("/rest/api/content", params)
            rows = rows_of(answer)
            known = [row for row in rows if str(row.get("id")) in missing]
            if len(known) < len(rows) and not known:
                self._takes_ids = False
                break
            for row in known:
                missing.pop(text_of(row, "id"), None)
                if row.get("type", type_) == type_:  # ids are answered whatever type was asked for
                    yield row
            kept = whole_number(answer.data.get("limit")) or len(asked)
            capped = bool(part(answer.data, "_links", "next")) or (kept < len(asked) and len(rows) >= kept)
            if (not known or not capped) and type_ in ("page", "blogpost"):
                return
            if not known or not capped:
                break  # only pages and blog posts are said to be answered by ids: another may be there all the same
        for content_id in missing:
            try:
                row = get(f"/rest/api/content/{quoted_part(content_id)}", {"status": status, "expand": expand}).data
            except AbsentError:
                continue
            if row.get("type", type_) == type_:
                yield row

    def export_views(self, bodies: Sequence[tuple[str, str]]) -> Iterator[str]:
        """Yield bodies as Confluence shows them in an export, in any order. 1 request each."""
        return self._views.of(bodies)

    def file_names(self, container: Entry) -> dict[str, str]:  # noqa: ARG002  (bodies are storage format, which names files by name)
        """Return nothing: there is no ADF here."""
        return {}

    def tree_nodes(self, nodes: Iterable[tuple[str, str]]) -> dict[str, Entry]:  # noqa: ARG002
        """Return nothing: on Data Center the tree is of pages alone.

        Rows name their ancestors, an archived one too. That is not used: whether this account may see such a page cannot be asked, and
        a title that it may not see must not get into the index.
        """
        return {}

    def find_tree_nodes(self, spaces: Sequence[Space]) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return nothing: the tree is of pages alone."""
        return []

    def people(self, account_ids: Iterable[str]) -> dict[str, str]:
        """Return display names by user key or user name; unknown ones are absent. 1 or 2 requests each: listings carry the names."""

        def ask(account: str, stop: threading.Event) -> tuple[str, str | None]:
            for field in ("key", "username"):
                try:
                    row = self._transport.get("/rest/api/user", {field: account}, cancelled=stop).data
                except AbsentError:
                    continue
                name = row.get("displayName") or row.get("username")
                return account, str(name) if name else None
            return account, None

        wanted = [account for account in distinct(account_ids) if account]
        found = in_parallel(ask, wanted, self._transport.gate.max_in_flight, self._transport.cut)
        return {account: name for account, name in found if name is not None}

    # ------------------------------------------------------------------------------------------ rows to values
    def _entries(self, rows: Sequence[Row], type_: str, space: Space) -> Iterator[Entry]:
        """Return the entries of rows, made when they are taken; what must be asked for that is asked now."""
        many = {text_of(row, "id"): self._labels(row) for row in rows if _has_many_labels(row)}
        return (self._entry(row, type_, space, many) for row in rows)

    def _entry(
        self,
        row: Row,
        type_: str,
        space: Space | None,
        many: Mapping[str, tuple[str, ...] | None] = MappingProxyType({}),
    ) -> Entry:
        ancestors = row.get("ancestors")
        parent = ancestors[-1] if type_ == "page" and isinstance(ancestors, list) and ancestors else None
        space_id = part(row, "space", "id")
        return Entry(
            content_id=text_of(row, "id"),
            type=type_,
            # Hundreds of thousands of entries share a few of these.
            status=intern(str(row.get("status") or "current")),
            title=str(row.get("title") or ""),
            version=whole_number(part(row, "version", "number")) or 1,
            space_id=intern(str(space_id)) if space_id else (space.id if space is not None else ""),
            parent_id=text_of(parent, "id") if parent else None,
            parent_type=intern(str(parent.get("type") or "page")) if parent else None,
            url=absolute(self.site, part(row, "_links", "webui")),
            created=instant(part(row, "history", "createdDate")),
            updated=instant(part(row, "version", "when")),
            creator=person(part(row, "history", "createdBy")),
            last_editor=person(part(row, "version", "by")),
            labels=many[str(row["id"])] if many and str(row["id"]) in many else self._labels(row),
            readers=own_readers(row, cloud=False) if self.tells_readers else None,
        )

    def _labels(self, row: Row) -> tuple[str, ...] | None:
        listed = part(row, "metadata", "labels", "results")
        if not isinstance(listed, list):
            return None
        if _has_many_labels(row):
            try:
                return self._all_labels(text_of(row, "id"))
            except AbsentError:
                return None
        return label_names(listed)

    def _attachment(self, row: Row, container: Entry | None) -> Entry:
        inside = container.content_id if container is not None else part(row, "container", "id")
        space_id = (
            container.space_id
            if container is not None
            else part(row, "space", "id") or part(row, "container", "space", "id")
        )
        return Entry(
            content_id=text_of(row, "id"),
            type="attachment",
            status=str(row.get("status") or "current"),
            title=str(row.get("title") or ""),
            version=whole_number(part(row, "version", "number")) or 1,
            space_id=str(space_id or ""),
            container_id=str(inside) if inside else None,
            url=absolute(self.site, part(row, "_links", "download") or part(row, "_links", "webui")),
            created=instant(part(row, "history", "createdDate")),
            updated=instant(part(row, "version", "when")),
            creator=person(part(row, "history", "createdBy")),
            last_editor=person(part(row, "version", "by")),
            media_type=text_or_none(part(row, "extensions", "mediaType") or part(row, "metadata", "mediaType")),
            size_bytes=whole_number(part(row, "extensions", "fileSize")),
        )


def _has_many_labels(row: Row) -> bool:
    """Say whether a row cuts its labels short."""
    labels = part(row, "metadata", "labels")
    listed, limit = part(labels, "results"), whole_number(part(labels, "limit"))
    return isinstance(listed, list) and bool(part(labels, "_links", "next") or (limit and len(listed) >= limit))
