"""What can be seen of Confluence Data Center without changing anything there."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_confluence.confluence.probe import search
from airflow_provider_confluence.confluence.probe.asking import Asker, Hidden, Reply, numeric_id
from airflow_provider_confluence.confluence.probe.report import DATACENTER, Finding, Value

_SCAN = "/rest/api/content/scan"
_ASKED_ROWS = 1000  # more than any cap that was ever reported
_VERSION = re.compile(r"\d{1,3}(\.\d{1,3}){1,3}")
_SPACE_KEY = re.compile(r"[^/\s]{1,255}")

Seen = tuple[Value, str] | str


def probe_datacenter(asker: Asker, identity: Reply, *, basic: bool) -> Iterator[Finding]:
    """Yield a finding for each assumption that can be tried on Data Center.

    :param basic: whether user and password were sent.
    """
    site = _Site(asker)
    looks: dict[str, Callable[[Asker], Seen]] = {
        "anonymous_access": site.anonymous_access,
        "cql_index_lag_seconds": lambda a: search.lag(a, site.dated()),
        "cql_zone_offset_minutes": lambda a: search.zone(a, site.dated()),
        "cql_lists_archived": lambda a: search.lists_archived(a, _archived(a)),
        "search_cap_bare": lambda a: search.cap(a, site.a_page(), None),
        "search_cap_expanded": lambda a: search.cap(a, site.a_page(), "metadata.labels"),
        "search_cap_body": lambda a: search.cap(a, site.a_page(), "body.storage"),
        "invalid_token_is_anonymous": partial(_invalid_token, site),
        "basic_auth_disabled": lambda _: _basic_auth(identity, basic=basic),
        "scan_available": _scan_available,
        "scan_cursor_with_type": _scan_cursor_with_type,
        "scan_remembers_type": _scan_remembers_type,
        "datacenter_links_relative_to": _links,
        "list_cap_bare": partial(_list_cap, site, None),
        "list_cap_expanded": partial(_list_cap, site, "version"),
        "datacenter_utc_offset_minutes": lambda _: _utc_offset(site.dated()),
        "datacenter_version": _release,
        "location_of_resolved_comment": _location_of_resolved,
        "trash_listing_allowed": partial(_trash, site),
    }
    for assumption in DATACENTER:
        if assumption.not_tried is None:
            yield asker.find(assumption, looks[assumption.name])


class _Site:
    """What several looks need; each is asked for once, by the first that needs it."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._pages: list[Mapping[str, Any]] | None = None
        self._space: str | None = None
        self._visitors: int | None = None

    def pages(self) -> list[Mapping[str, Any]]:
        """Some current pages with their versions. Up to 2 requests: the second where there is no scan."""
        if self._pages is None:
            self._pages = []
            params: dict[str, str | int | Hidden] = {"type": "page", "expand": "version", "limit": 200}
            reply = self._asker.get(_SCAN, params)
            if reply.status != 200:
                reply = self._asker.get("/rest/api/content", params)
            self._pages = reply.rows
        return self._pages

    def dated(self) -> list[search.Dated]:
        """Those pages with the instants of their last change, the latest first."""
        return search.dated((numeric_id(row.get("id")), _changed(row)) for row in self.pages())

    def a_page(self) -> str | None:
        """The id of some page."""
        return next((found for row in self.pages() if (found := numeric_id(row.get("id")))), None)

    def space(self) -> str | None:
        """The key of some space that is not archived. 1 request."""
        if self._space is None:
            rows = self._asker.get("/rest/api/space", {"status": "current", "limit": 1}).rows
            key = str(rows[0].get("key") or "") if rows else ""
            self._space = key if _SPACE_KEY.fullmatch(key) else ""
        return self._space or None

    def anonymous_access(self, asker: Asker) -> Seen:
        """Look whether visitors are let in. 1 request."""
        status = self._visitors = asker.get("/rest/api/space", {"limit": 1}, authorization=None).status
        if status in (200, 401, 403):
            return status == 200, f"a visitor is answered {status}"
        return f"status {status}"

    @property
    def lets_visitors_in(self) -> bool:
        """Whether a visitor was answered."""
        return self._visitors == 200


def _changed(row: Mapping[str, Any]) -> object:
    version = row.get("version")
    return version.get("when") if isinstance(version, dict) else None


# ------------------------------------------------------------------------------------------ who asks
def _invalid_token(site: _Site, asker: Asker) -> Seen:
    # One made-up token: it belongs to nobody, so that nobody is locked out by it.
    made_up = f"Bearer {secrets.token_urlsafe(24)}"
    reply = asker.get("/rest/api/user/current", authorization=made_up)
    if reply.status == 200:
        return True, "a made-up token is answered 200"
    if reply.status not in (401, 403):
        return f"status {reply.status}"
    if not site.lets_visitors_in:
        return f"a made-up token is answered {reply.status}, and so are visitors"
    return False, f"a made-up token is answered {reply.status}"


def _basic_auth(identity: Reply, *, basic: bool) -> Seen:
    if not basic:
        return "a personal access token was sent"
    return identity.status == 403, f"user and password are answered {identity.status}"


def _release(asker: Asker) -> Seen:
    reply = asker.get("/rest/api/server-information")
    release = str(reply.data.get("version") or "")
    return (release, release) if _VERSION.fullmatch(release) else f"status {reply.status}, without a version"


def _utc_offset(items: list[search.Dated]) -> Seen:
    if not items:
        return "no page was found"
    offset = items[0][1].utcoffset()
    minutes = int(offset.total_seconds() // 60) if offset is not None else 0
    return minutes, f"{minutes} minutes east of UTC"


# ------------------------------------------------------------------------------------------ the scan
def _scan_available(asker: Asker) -> Seen:
    status = asker.get(_SCAN, {"type": "page", "limit": 1}).status
    if status in (200, 404, 405):
        return status == 200, f"status {status}"
    return f"status {status}"


def _cursor_of(asker: Asker, type_: str) -> Hidden | str:
    reply = asker.get(_SCAN, {"type": type_, "limit": 1})
    if reply.status != 200:
        return f"status {reply.status}"
    cursor = reply.data.get("nextCursor")
    return Hidden(str(cursor), "{cursor}") if cursor else f"there are not two of type {type_}"


def _scan_cursor_with_type(asker: Asker) -> Seen:
    cursor = _cursor_of(asker, "page")
    if isinstance(cursor, str):
        return cursor
    status = asker.get(_SCAN, {"type": "page", "limit": 1, "cursor": cursor}).status
    if status in (200, 400):
        return "accepted" if status == 200 else "refused", f"status {status}"
    return f"status {status}"


def _scan_remembers_type(asker: Asker) -> Seen:
    cursor = _cursor_of(asker, "blogpost")
    if isinstance(cursor, str):
        return cursor
    reply = asker.get(_SCAN, {"limit": 1, "cursor": cursor})
    types = {row.get("type") for row in reply.rows}
    if types == {"blogpost"}:
        return True, "a cursor of blog posts alone goes on with blog posts"
    if reply.status == 200:
        return False, "a cursor of blog posts alone goes on with something else"
    return f"status {reply.status}"


# ------------------------------------------------------------------------------------------ lists
def _links(asker: Asker) -> Seen:
    reply = asker.get("/rest/api/content", {"type": "page", "limit": 1})
    link = str(reply.at("_links", "next") or "")
    context = urlsplit(asker.site).path.rstrip("/")
    if not link:
        return "the list has no second page"
    if link.startswith(("http://", "https://")):
        return "nothing", "a whole address"
    if not context:
        return "there is no context path"
    if link.startswith(context + "/"):
        return "host", "a path that begins with the context path"
    return "base", "a path without the context path"


def _list_cap(site: _Site, expand: str | None, asker: Asker) -> Seen:
    space = site.space()
    if space is None:
        return "no space was found"
    params: dict[str, str | int | Hidden] = {"limit": _ASKED_ROWS}
    if expand:
        params["expand"] = expand
    reply = asker.get("/rest/api/space/{key}/content/{type}", params, key=space, type="page")
    limit = reply.data.get("limit")
    if reply.status != 200 or isinstance(limit, bool) or not isinstance(limit, int):
        return f"status {reply.status}, and no limit in the answer"
    return limit, f"of {_ASKED_ROWS} rows that were asked for, the answer allows {limit}"


def _archived(asker: Asker) -> str | None:
    rows = asker.get("/rest/api/content", {"type": "page", "status": "archived", "limit": 1}).rows
    return numeric_id(rows[0].get("id")) if rows else None


def _location_of_resolved(asker: Asker) -> Seen:
    reply = asker.get(_SCAN, {"type": "comment", "expand": "extensions.resolution", "limit": 200})
    if reply.status != 200:
        return f"status {reply.status}"
    for row in reply.rows:
        extensions = row.get("extensions")
        if not isinstance(extensions, dict):
            continue
        resolution = extensions.get("resolution")
        if isinstance(resolution, dict) and resolution.get("status") == "resolved":
            location = extensions.get("location")
            if location in ("resolved", "inline"):
                return location, "as the first resolved comment says"
    return f"none of {len(reply.rows)} comments is resolved"


def _trash(site: _Site, asker: Asker) -> Seen:
    space = site.space()
    if space is None:
        return "no space was found"
    status = asker.get("/rest/api/space/{key}/trash", {"limit": 1}, key=space).status
    if status in (200, 403):
        return status == 200, f"status {status}"
    return f"status {status}"
