"""Confluence Cloud: the v2 interface, and of v1 what v2 has no answer to (who we are, labels in bulk)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from sys import intern
from typing import Any, Final, Literal

from airflow_provider_confluence.confluence.batches import Answers, Tries, in_parallel
from airflow_provider_confluence.confluence.client import (
    Bodies,
    ConfluenceClient,
    Edition,
    Fetched,
    Listing,
    NewestFirst,
)
from airflow_provider_confluence.confluence.cloud_comments import CloudComments
from airflow_provider_confluence.confluence.cloud_content import CloudContent, CloudReading
from airflow_provider_confluence.confluence.cloud_search import NODES, CloudSearch
from airflow_provider_confluence.confluence.paging import (
    Get,
    PagedListing,
    PagedNewestFirst,
    Progress,
    Row,
    by_cursor,
    rows_of,
)
from airflow_provider_confluence.confluence.readers import Levels, SpaceReaders
from airflow_provider_confluence.confluence.reading import (
    absolute,
    distinct,
    instant,
    label_names,
    object_of,
    part,
    text_of,
    whole_number,
)
from airflow_provider_confluence.confluence.shared import (
    MAX_BODIES_BYTES,
    ClientOverTransport,
    numeric,
    says_something,
    with_body,
)
from airflow_provider_confluence.confluence.space_readers import CloudSpaceReaders
from airflow_provider_confluence.confluence.together import Calls, Reading
from airflow_provider_confluence.confluence.transport import (
    MAX_ANSWER_BYTES,
    MAX_TRIES,
    AbsentError,
    Answer,
    Params,
    Transport,
    quoted_part,
)
from airflow_provider_confluence.confluence.views import CloudViews
from airflow_provider_confluence.documents import Entry, Failure, Person, Space

MOST = 250
SPACES_AT_A_TIME = 100
FIND_STATUSES: Final = {"page": "current,archived,trashed,deleted", "blogpost": "current,deleted,trashed"}
PLURALS: Final = {"page": "pages", "blogpost": "blogposts", "attachment": "attachments"}
FEW = 3
"""So few restrictions are asked for one by one: the search may not know what was made a moment ago."""


class CloudClient(ClientOverTransport, ConfluenceClient):
    """The client for Confluence Cloud, on the site or at the gateway."""

    edition: Edition = "cloud"

    def __init__(self, transport: Transport, *, gateway: bool = False) -> None:
        super().__init__(transport)
        self._gateway = gateway
        self._links_base: str | None = None
        self._comments = CloudComments(self._get, transport)
        self._search = CloudSearch(self._get, self._all_labels)
        self._space_readers = CloudSpaceReaders(self._get)

    # ------------------------------------------------------------------------------------------ who and where
    def spaces(self, keys: Sequence[str]) -> list[Space]:
        """Return the visible ones of the spaces, 250 a request; the key ``*`` returns all current spaces."""
        if "*" in keys:
            return self._spaces({"status": "current"})
        # A comma would split the list; no key holds one.
        wanted = [key for key in distinct(keys) if key and "," not in key]
        found: list[Space] = []
        for start in range(0, len(wanted), MOST):
            found.extend(self._spaces({"keys": ",".join(wanted[start : start + MOST])}))
        return found

    def _spaces(self, filters: Mapping[str, str]) -> list[Space]:
        found: dict[str, Space] = {}
        for rows in by_cursor(self._get, "/api/v2/spaces", {**filters, "limit": MOST}, Progress()):
            for row in rows:
                space = Space(
                    id=text_of(row, "id"),
                    key=text_of(row, "key"),
                    name=str(row.get("name") or row["key"]),
                    status=str(row.get("status") or "current"),
                    type=str(row.get("type") or "global"),
                    homepage_id=str(row["homepageId"]) if row.get("homepageId") else None,
                    url=self._url(part(row, "_links", "webui")),
                )
                found[space.id] = space
        return list(found.values())

    # ------------------------------------------------------------------------------------------ listings
    def list_content(self, space: Space, type_: Literal["page", "blogpost"]) -> Listing:
        """Return current pages or blog posts. ⌈items/250⌉ requests, 1 more where it is walked from both ends, and ⌈items/200⌉ of all
        listings that are read together for labels and restrictions."""
        path = f"/api/v2/spaces/{quoted_part(space.id)}/{PLURALS[type_]}"

        # The order of ids is stable while things change: what is there throughout is listed once.
        def walk(sort: str, progress: Progress) -> Iterator[list[Row]]:
            return by_cursor(self._get, path, {"status": self._statuses(type_), "sort": sort, "limit": MOST}, progress)

        return CloudContent(
            type_,
            walk,
            shows=self._shows,
            entry=lambda row: self._entry(row, type_, None),
            read=self.read_together,
            both_ends="," not in self._statuses(type_),
        )

    def _reading(self, calls: Calls, groups: Sequence[Sequence[Any]]) -> Reading:
        return CloudReading(calls, groups, search=self._search, readers=self.tells_readers)

    def _shows(self, row: Row) -> bool:
        return row.get("status", "current") in self.shown_statuses

    def list_attachments(self, spaces: Sequence[Space]) -> Listing:  # noqa: ARG002  (no filter exists)
        """Return the current attachments of the whole site (``spaces`` cannot filter here), ``space_id`` empty. ⌈n/250⌉ requests."""
        return self._attachments("/api/v2/attachments")

    def attachments_of(self, container: Entry) -> Listing:
        """Return the current attachments of one page or blog post; an invisible one lists nothing and is not complete."""
        plural = PLURALS["blogpost" if container.type == "blogpost" else "page"]
        return self._attachments(f"/api/v2/{plural}/{quoted_part(container.content_id)}/attachments", container)

    def list_comments(self, spaces: Sequence[Space]) -> Listing:
        """Return the current comments of the whole site (``spaces`` cannot filter here). ⌈footer / 250⌉ + ⌈inline / 250⌉ requests.

        Where none of them is resolved, ⌈comments of the spaces / 200⌉ more: those may have been left out.
        """
        return self._comments.list_all(distinct(space.key for space in spaces))

    def list_newest(
        self, spaces: Sequence[Space], type_: Literal["page", "blogpost", "attachment", "comment"]
    ) -> list[NewestFirst]:
        """Return current items, the latest change first. 1 request for each page of 250, for every 100 spaces."""
        if type_ == "comment":
            return self._comments.list_newest()
        ids = distinct(space.id for space in spaces)
        reach: list[Params] = [
            {"space-id": ",".join(ids[at : at + SPACES_AT_A_TIME])} for at in range(0, len(ids), SPACES_AT_A_TIME)
        ]

        def walk(filters: Params, progress: Progress) -> Iterator[list[Entry]]:
            params: Params = {**filters, "status": self._statuses(type_), "sort": "-modified-date", "limit": MOST}
            for rows in by_cursor(self._get, f"/api/v2/{PLURALS[type_]}", params, progress):
                current = [row for row in rows if self._shows(row)]
                yield [
                    self._attachment(row, None) if type_ == "attachment" else self._entry(row, type_, None)
                    for row in current
                ]

        return [PagedNewestFirst(partial(walk, filters)) for filters in ([{}] if type_ == "attachment" else reach)]

    def _attachments(self, path: str, container: Entry | None = None) -> Listing:
        def walk(progress: Progress) -> Iterator[Iterable[Entry]]:
            params: Params = {"status": self._statuses("attachment"), "limit": MOST}
            for rows in by_cursor(self._get, path, params, progress):
                yield (self._attachment(row, container) for row in rows if self._shows(row))

        return PagedListing(walk)

    def _statuses(self, type_: str) -> str:
        # Blog posts cannot be archived: their lists refuse the word.
        return "current" if type_ == "blogpost" else ",".join(self.shown_statuses)

    def _download_path(self, attachment: Entry) -> str:
        """Return the one address that still takes an API token: the download link of the listing answers 401 (CHANGE-2735)."""
        container, content_id = quoted_part(attachment.container_id or ""), quoted_part(attachment.content_id)
        path = f"/rest/api/content/{container}/child/attachment/{content_id}/download?version={attachment.version}"
        # Without a status only current ones are sent.
        return path if attachment.status == "current" else f"{path}&status={quoted_part(attachment.status)}"

    def server_text(self, attachment: Entry, *, cancelled: threading.Event | None = None) -> str | None:  # noqa: ARG002
        """Return ``None``: Cloud does not tell what text it found."""
        return None

    # ------------------------------------------------------------------------------------------ by id
    def labels_of(self, type_: str, content_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return labels for those ids that are visible. 1 request an id, in parallel."""

        return self._labels_by_item(content_ids, partial(self._all_labels, type_))

    def _all_labels(self, type_: str, content_id: str, stop: threading.Event | None = None) -> tuple[str, ...]:
        path = f"/api/v2/{PLURALS.get(type_, 'pages')}/{quoted_part(content_id)}/labels"
        pages = by_cursor(partial(self._get, cancelled=stop), path, {"limit": MOST}, Progress())
        return label_names([row for rows in pages for row in rows])

    def look_up(self, type_: Literal["page", "blogpost", "comment"], content_ids: Sequence[str]) -> dict[str, Entry]:
        """Return items by id whatever their status; an absent id has no answer. 1 request for 250 ids; comments 1 or 2 each."""
        if type_ == "comment":
            return self._comments.look_up(content_ids)
        found: dict[str, Entry] = {}
        wanted = numeric(content_ids)
        for start in range(0, len(wanted), MOST):
            ids = wanted[start : start + MOST]
            params: Params = {"id": ",".join(ids), "status": FIND_STATUSES[type_], "limit": MOST}
            for rows in by_cursor(self._get, f"/api/v2/{PLURALS[type_]}", params, Progress()):
                for row in rows:
                    entry = self._entry(row, type_, None)
                    if entry.content_id in ids:
                        found[entry.content_id] = entry
        return found

    def look_up_attachments(self, content_ids: Sequence[str]) -> dict[str, Entry]:
        """Return attachments by id, ``space_id`` empty; an absent id has no answer. 1 request each, in parallel: no list takes ids."""

        def ask(content_id: str, stop: threading.Event) -> Entry | None:
            try:
                row = self._get(f"/api/v2/attachments/{quoted_part(content_id)}", cancelled=stop).data
            except AbsentError:
                return None
            return self._attachment(row, None)

        found = in_parallel(ask, distinct(content_ids), self._transport.gate.max_in_flight, self._transport.cut)
        return {entry.content_id: entry for entry in found if entry is not None}

    def fetch_bodies(
        self, type_: Literal["page", "blogpost"], content_ids: Sequence[str]
    ) -> Answers[Fetched | Failure]:
        """Return current items with bodies, in any order; ids that are gone bring nothing. 1 request for 50 ids.

        Bodies come in storage format. A batch with items that have none is asked for these once more, in ADF: 1 further request.
        """

        def fetch(ids: Sequence[str], tries: Tries, stop: threading.Event) -> list[Fetched]:
            get = partial(
                self._get, heavy_tries=tries.heavy, tries=tries.most, cancelled=stop, max_bytes=MAX_BODIES_BYTES
            )
            fetched = {each.entry.content_id: each for each in self._in_format("storage", get, type_, ids)}
            if bare := [content_id for content_id, each in fetched.items() if not each.body]:
                others = self._in_format("atlas_doc_format", get, type_, bare)
                fetched.update({each.entry.content_id: each for each in others if says_something(each)})
            return list(fetched.values())

        return self._bodies_in_batches(type_, content_ids, fetch)

    def _in_format(self, form: str, get: Get, type_: str, ids: Sequence[str]) -> Iterator[Fetched]:
        params: Params = {"id": ",".join(ids), "body-format": form, "limit": len(ids)}
        params = {**params, "status": self._statuses(type_)}
        wanted = set(ids)
        for rows in by_cursor(get, f"/api/v2/{PLURALS[type_]}", params, Progress()):
            for row in rows:
                if str(row.get("id")) in wanted and self._shows(row):
                    wanted.discard(str(row["id"]))
                    yield with_body(self._entry(row, type_, None), row)

    def export_views(self, bodies: Sequence[tuple[str, str]]) -> Iterator[str]:
        """Yield bodies as Confluence shows them in an export, in any order. 1 request for ten, and 1 to 9 more until they are done."""
        return CloudViews(self._transport, self.identity).of(bodies)

    def file_names(self, container: Entry) -> dict[str, str]:
        """Return the names of a page's or blog post's files by their file id, by which ADF names them. ⌈files/250⌉ requests."""
        plural = PLURALS["blogpost" if container.type == "blogpost" else "page"]
        path = f"/api/v2/{plural}/{quoted_part(container.content_id)}/attachments"
        try:
            pages = by_cursor(self._get, path, {"status": "current", "limit": MOST}, Progress())
            return {
                str(row["fileId"]): str(row.get("title") or "") for rows in pages for row in rows if row.get("fileId")
            }
        except AbsentError:
            return {}

    def fetch_comments(self, comments: Sequence[Entry]) -> Bodies:
        """Yield current comments with bodies in storage format; those that are gone yield nothing. 1 request for up to 250, or 1 each."""
        return self._comments.fetch(comments)

    def tree_nodes(self, nodes: Iterable[tuple[str, str]]) -> dict[str, Entry]:
        """Return folders and their like by ``(id, type)``; invisible ones are absent. 1 request each, in parallel."""

        def ask(node: tuple[str, str], stop: threading.Event) -> Entry | None:
            content_id, type_ = node
            try:
                row = self._get(f"/api/v2/{NODES[type_]}/{quoted_part(content_id)}", cancelled=stop).data
            except AbsentError:
                return None
            return self._entry(row, type_, ())

        known = [node for node in dict.fromkeys(nodes) if node[1] in NODES]
        found = in_parallel(ask, known, self._transport.gate.max_in_flight, self._transport.cut)
        return {node.content_id: node for node in found if node is not None}

    def find_tree_nodes(self, spaces: Sequence[Space]) -> list[tuple[str, str]]:
        """Return the ``(id, type)`` of folders and their like that a search finds. ⌈found / 200⌉ requests for 50 spaces, 1 at least."""
        return self._search.tree_nodes(spaces)

    def readers_of(self, type_: str, content_ids: Sequence[str]) -> dict[str, Levels]:  # noqa: ARG002  (the search knows them by id)
        """Return what restricts items by itself; nobody reads what is refused. ⌈ids / 100⌉ requests by search, 1 for each that
        the search does not name."""
        wanted = numeric(content_ids)
        found = self._search.readers_by_id(wanted) if len(wanted) > FEW else {}
        return self._readers_by_item(content_ids, found, self._get)

    def inherited_readers(self, content_id: str) -> Levels | None:  # noqa: ARG002
        """Return ``None``: Cloud tells of one item at a time."""
        return None

    def space_readers(self, space: Space) -> SpaceReaders:
        """Return who may see a space. ⌈its permissions / 250⌉ requests, as many for its roles where there are any, and 1 or 2 a run."""
        return self._space_readers.of(space)

    def people(self, account_ids: Iterable[str]) -> dict[str, str]:
        """Return display names by account id; unknown accounts are absent. 1 request for 250 accounts."""
        wanted = [account for account in distinct(account_ids) if account]
        names: dict[str, str] = {}
        for start in range(0, len(wanted), MOST):
            for row in rows_of(
                self._transport.post("/api/v2/users-bulk", {"accountIds": wanted[start : start + MOST]})
            ):
                name = row.get("displayName") or row.get("publicName")
                if row.get("accountId") and name:
                    names[str(row["accountId"])] = str(name)
        return names

    def _get(
        self,
        path: str,
        params: Params | None = None,
        *,
        heavy_tries: int = MAX_TRIES,
        tries: int = MAX_TRIES,
        cancelled: threading.Event | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        answer = self._transport.get(
            path, params, heavy_tries=heavy_tries, tries=tries, cancelled=cancelled, max_bytes=max_bytes
        )
        if self._gateway and self._links_base is None:
            base = part(answer.data, "_links", "base")
            if isinstance(base, str) and base.startswith(("https://", "http://")):
                self._links_base = base.rstrip("/")
        return answer

    # ------------------------------------------------------------------------------------------ rows to values
    def _entry(self, row: Row, type_: str, labels: tuple[str, ...] | None, readers: Levels | None = None) -> Entry:
        version = object_of(row, "version")
        parent = row.get("parentId")
        return Entry(
            content_id=text_of(row, "id"),
            type=type_,
            # Hundreds of thousands of entries share a few of these.
            status=intern(str(row.get("status") or "current")),
            title=str(row.get("title") or ""),
            version=whole_number(version.get("number")) or 1,
            space_id=intern(str(row.get("spaceId") or "")),
            parent_id=str(parent) if parent else None,
            parent_type=intern(str(row.get("parentType") or "page")) if parent else None,
            url=self._url(object_of(row, "_links").get("webui")),
            created=instant(row.get("createdAt")),
            updated=instant(version.get("createdAt")),
            creator=_person(row.get("authorId")),
            last_editor=_person(version.get("authorId")),
            labels=labels,
            live=row.get("subtype") == "live",
            readers=readers,
        )

    def _attachment(self, row: Row, container: Entry | None) -> Entry:
        inside = row.get("pageId") or row.get("blogPostId") or row.get("customContentId")
        if not inside and container is not None:
            inside = container.content_id
        link = (
            row.get("webuiLink")
            or part(row, "_links", "webui")
            or row.get("downloadLink")
            or part(row, "_links", "download")
        )
        return Entry(
            content_id=text_of(row, "id"),
            type="attachment",
            status=str(row.get("status") or "current"),
            title=str(row.get("title") or ""),
            version=whole_number(part(row, "version", "number")) or 1,
            space_id=container.space_id if container is not None else "",
            container_id=str(inside) if inside else None,
            url=self._url(link),
            created=instant(row.get("createdAt")),
            updated=instant(part(row, "version", "createdAt")),
            creator=_person(row.get("authorId") or part(row, "version", "authorId")),
            last_editor=_person(part(row, "version", "authorId")),
            media_type=str(row["mediaType"]) if row.get("mediaType") else None,
            size_bytes=whole_number(row.get("fileSize")),
        )

    def _url(self, link: Any) -> str:
        """Return an absolute link. At the gateway that is not under the site, which people cannot open, but where the answers say."""
        return absolute(self._links_base or self.site, link)


def _person(account_id: Any) -> Person | None:
    return _known(str(account_id)) if account_id else None


@lru_cache(maxsize=4096)
def _known(account_id: str) -> Person:
    return Person(account_id)
