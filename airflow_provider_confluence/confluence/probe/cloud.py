"""What can be seen of Confluence Cloud without changing anything there."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

from airflow_provider_confluence.answers import read_json
from airflow_provider_confluence.confluence.probe import search
from airflow_provider_confluence.confluence.probe.asking import Asker, Hidden, numeric_id
from airflow_provider_confluence.confluence.probe.report import CLOUD, Finding, Value

_PAGES = "/api/v2/pages"
_LOOKED_AT = 3  # archived pages, or pages with comments, of each list
_POSITION, _KEY = frozenset({"offset", "start", "position", "skip"}), frozenset({"id", "value", "contentOrderValue"})

Seen = tuple[Value, str] | str


def probe_cloud(asker: Asker) -> Iterator[Finding]:
    """Yield a finding for each assumption that can be tried on Cloud."""
    site = _Site(asker)
    looks: dict[str, Callable[[Asker], Seen]] = {
        "anonymous_access": _anonymous_access,
        "cql_index_lag_seconds": lambda a: search.lag(a, site.changed_last()),
        "cql_zone_offset_minutes": lambda a: search.zone(a, site.changed_last()),
        "cql_lists_archived": lambda a: search.lists_archived(a, next(iter(site.archived()), None)),
        "search_cap_bare": lambda a: search.cap(a, site.a_page(), None),
        "search_cap_expanded": lambda a: search.cap(a, site.a_page(), "metadata.labels"),
        "search_cap_body": lambda a: search.cap(a, site.a_page(), "body.storage"),
        "archiving_lifts_children": partial(_archiving_lifts_children, site),
        "hidden_covers_descendants": partial(_hidden_covers_descendants, site),
        "comments_follow_container": partial(_follow_container, site, "footer-comments"),
        "attachments_follow_container": partial(_follow_container, site, "attachments"),
        "cloud_cursor": _cursor,
        "cloud_default_sort": _default_sort,
        "cloud_lists_resolved_comments": _lists_resolved_comments,
        "page_by_id_answers_trashed": _page_by_id_answers_trashed,
        "anonymous_identity_is_403": _anonymous_identity,
        "legacy_download_refused": _legacy_download,
    }
    for assumption in CLOUD:
        if assumption.not_tried is None:
            yield asker.find(assumption, looks[assumption.name])


class _Site:
    """What several looks need; each is asked for once, by the first that needs it."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._current: list[Mapping[str, Any]] | None = None
        self._archived: list[str] | None = None

    def current(self) -> list[Mapping[str, Any]]:
        """The current pages that were changed last, up to 250. 1 request."""
        if self._current is None:
            self._current = []
            self._current = self._asker.get(_PAGES, {"status": "current", "sort": "-modified-date", "limit": 250}).rows
        return self._current

    def archived(self) -> list[str]:
        """Ids of some archived pages. 1 request."""
        if self._archived is None:
            self._archived = []
            rows = self._asker.get(_PAGES, {"status": "archived", "limit": 25}).rows
            self._archived = [found for row in rows if (found := numeric_id(row.get("id")))]
        return self._archived

    def changed_last(self) -> list[search.Dated]:
        """The pages that were changed last, with their instants."""
        return search.dated((numeric_id(row.get("id")), _changed(row)) for row in self.current())

    def a_page(self) -> str | None:
        """The id of some page."""
        return next((found for row in self.current() if (found := numeric_id(row.get("id")))), None)


def _changed(row: Mapping[str, Any]) -> object:
    version = row.get("version")
    return version.get("createdAt") if isinstance(version, dict) else None


# ------------------------------------------------------------------------------------------ visitors
def _anonymous_access(asker: Asker) -> Seen:
    status = asker.get("/api/v2/spaces", {"limit": 1}, authorization=None).status
    if status in (200, 401, 403):
        return status == 200, f"a visitor is answered {status}"
    return f"status {status}"


def _anonymous_identity(asker: Asker) -> Seen:
    reply = asker.get("/rest/api/user/current", authorization=None)
    if reply.status == 403:
        return True, "status 403"
    if reply.status == 200 and reply.data.get("type") == "anonymous":
        return False, "status 200, type anonymous"
    return f"status {reply.status}"


# ------------------------------------------------------------------------------------------ lists
def _cursor(asker: Asker) -> Seen:
    reply = asker.get(_PAGES, {"status": "current", "sort": "id", "limit": 1})
    link = reply.at("_links", "next")
    if not link:
        return "the list has no second page"
    text = parse_qs(urlsplit(str(link)).query).get("cursor", [""])[0]
    try:
        held = read_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        return "the cursor cannot be read"
    keys = set(held) if isinstance(held, dict) else set()
    if keys & _POSITION:
        return "offset", "the cursor holds a position"
    if keys & _KEY:
        return "keyset", "the cursor holds the last row"
    return "the cursor holds neither a row nor a position that is known"


def _default_sort(asker: Asker) -> Seen:
    rows = asker.get(_PAGES, {"status": "current", "limit": 50}).rows
    ids = [int(found) for row in rows if (found := numeric_id(row.get("id")))]
    instants = [instant for row in rows if (instant := search.read_instant(_changed(row)))]
    if len(ids) < 3 or len(instants) != len(ids):
        return f"{len(ids)} pages are too few to tell"
    fits = {
        "id": ids == sorted(ids),
        "-id": ids == sorted(ids, reverse=True),
        "-modified-date": instants == sorted(instants, reverse=True),
    }
    matching = [name for name, fit in fits.items() if fit]
    if len(matching) > 1:
        return f"{len(ids)} pages are in several orders at once"
    return (matching[0], f"{len(ids)} pages in this order") if matching else ("another", "none of the known orders")


def _page_by_id_answers_trashed(asker: Asker) -> Seen:
    rows = asker.get(_PAGES, {"status": "trashed", "limit": 1}).rows
    trashed = next((found for row in rows if (found := numeric_id(row.get("id")))), None)
    if trashed is None:
        return "no trashed page was found"
    status = asker.get(f"{_PAGES}/{{id}}", id=trashed).status
    if status in (200, 404):
        return status == 200, f"a trashed page is answered {status}"
    return f"status {status}"


# ------------------------------------------------------------------------------------------ archive and tree
def _follow_container(site: _Site, kind: str, asker: Asker) -> Seen:
    for archived in site.archived()[:_LOOKED_AT]:
        rows = asker.get(f"{_PAGES}/{{id}}/{kind}", {"status": "current,archived", "limit": 10}, id=archived).rows
        statuses = {row.get("status") for row in rows}
        if statuses & {"current", "archived"}:
            return "archived" in statuses, "archived" if "archived" in statuses else "current"
    return "no archived page that has any was found"


def _archiving_lifts_children(site: _Site, asker: Asker) -> Seen:
    archived = site.archived()[:_LOOKED_AT]
    for page in archived:
        rows = asker.get(f"{_PAGES}/{{id}}/direct-children", {"sort": "id", "limit": 25}, id=page).rows
        if any(row.get("status") == "current" for row in rows):
            return False, "a current child is below an archived page"
    return f"no current child is below the {len(archived)} archived pages looked at, which is as it should be"


def _hidden_covers_descendants(site: _Site, asker: Asker) -> Seen:
    rows = site.current()
    seen = {str(row.get("id")) for row in rows}
    above = {str(row.get("parentId")) for row in rows if row.get("parentType") == "page"} - seen
    asked = sorted(found for parent in above if (found := numeric_id(parent)))[:250]
    if not asked:
        return "every page above the pages looked at is visible, which is as it should be"
    reply = asker.get(
        _PAGES, {"id": Hidden(",".join(asked), "{ids}"), "status": "current,archived,trashed,deleted", "limit": 250}
    )
    if reply.status != 200:
        return f"status {reply.status}"
    missing = set(asked) - {str(row.get("id")) for row in reply.rows}
    if missing:
        return False, f"{len(missing)} pages cannot be seen, though pages below them can"
    return "every page above the pages looked at is visible, which is as it should be"


def _lists_resolved_comments(asker: Asker) -> Seen:
    rows = asker.get("/api/v2/inline-comments", {"limit": 250}).rows
    if any(row.get("resolutionStatus") == "resolved" for row in rows):
        return True, "a list that was not asked for resolved comments holds some"
    pages = dict.fromkeys(found for row in rows if (found := numeric_id(row.get("pageId"))))
    for page in list(pages)[:_LOOKED_AT]:
        resolved = asker.get(
            f"{_PAGES}/{{id}}/inline-comments", {"resolution-status": "resolved", "limit": 1}, id=page
        ).rows
        if resolved:
            every = asker.get(f"{_PAGES}/{{id}}/inline-comments", {"limit": 250}, id=page)
            if resolved[0].get("id") in [row.get("id") for row in every.rows]:
                return True, "a list that was not asked for resolved comments holds one"
            if not every.at("_links", "next"):
                return False, "a resolved comment is only in the list that asks for it"
    return "no resolved comment was found"


# ------------------------------------------------------------------------------------------ downloads
def _legacy_download(asker: Asker) -> Seen:
    if "/ex/confluence/" in asker.site:
        return "the old address is not at the gateway"
    rows = asker.get("/api/v2/attachments", {"limit": 1}).rows
    link = str(rows[0].get("downloadLink") or "") if rows else ""
    link = link.removeprefix("/wiki")
    if not link.startswith("/download/"):
        return "no attachment was found"
    status = asker.get_link(link, "/download/attachments/{id}/{file}").status
    if status is None or status >= 500:
        return f"status {status}"
    return status in (401, 403), f"status {status}"
