"""Confluence Data Center: the first REST interface, below a context path."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from airflow_provider_confluence.testing.sandbox.access import Account
from airflow_provider_confluence.testing.sandbox.cloud_v1 import whole_number
from airflow_provider_confluence.testing.sandbox.counting import count_answer, counted_query
from airflow_provider_confluence.testing.sandbox.cql import Search
from airflow_provider_confluence.testing.sandbox.datacenter_permissions import DataCenterPermissions
from airflow_provider_confluence.testing.sandbox.records import Item, ItemType, Space, Viewer
from airflow_provider_confluence.testing.sandbox.v1_content import ContentWriter, expansions, row_cap
from airflow_provider_confluence.testing.sandbox.views import Views
from airflow_provider_confluence.testing.sandbox.web import (
    RefusedError,
    Request,
    Response,
    Router,
    json_response,
    text_response,
)
from airflow_provider_confluence.testing.sandbox.wiki import Wiki

_CURSOR = re.compile(r"content:(true|false):(\d+)")
_STATUSES = ("current", "trashed", "archived", "draft", "historical", "any")
_LISTED: tuple[ItemType, ...] = ("page", "blogpost")
_SCANNED: tuple[ItemType, ...] = ("page", "blogpost", "comment")


class DataCenter:
    """Answers requests as Confluence Data Center does."""

    edition = "datacenter"

    def __init__(self, model: Wiki, account: Account, context: str) -> None:
        self.model = model
        self.account = account
        self.context = context
        self._search = Search(model)
        self._router = router = Router()
        for template, handler in (
            ("/rest/api/user", self._user),
            ("/rest/api/user/current", self._current_user),
            ("/rest/api/server-information", self._server_information),
            ("/rest/api/accessmode", self._access_mode),
            ("/rest/api/space", self._spaces),
            ("/rest/api/space/{key}", self._one_space),
            ("/rest/api/space/{key}/trash", self._trash),
            ("/rest/api/space/{key}/content/{type}", self._space_content),
            ("/rest/api/content", self._contents),
            ("/rest/api/content/scan", self._scan),
            ("/rest/api/content/search", self._content_search),
            ("/rest/api/search", self._count),
            ("/rest/api/content/{id}", self._one_content),
            ("/rest/api/content/{id}/child/attachment", self._attachments),
            ("/rest/api/content/{id}/child/attachment/{attachment}/extractedtext", self._extracted_text),
            ("/rest/api/content/{id}/child/page", self._child_pages),
            ("/rest/api/content/{id}/child/comment", self._comments),
            ("/rest/api/content/{id}/label", self._labels),
            ("/rest/api/content/{id}/restriction/byOperation", self._restrictions),
            ("/download/attachments/{id}/{file}", self._download),
        ):
            router.add("GET", context + template, handler)
        DataCenterPermissions(model, self._find, self._writer, self._viewer).add_to(router, context)
        router.add("POST", context + "/rest/api/contentbody/convert/{to}", self._convert)

    # ------------------------------------------------------------------------------------ the way in
    def handle(self, request: Request) -> Response:
        """Answer a request, and say in ``X-AUSERNAME`` as whom [S: KB]."""
        readings = self.model.readings
        if not request.path.startswith(self.context + "/"):
            return text_response("<html><body>HTTP Status 404</body></html>", 404)
        if request.path == f"{self.context}/status":
            running = readings.application_state == "RUNNING"
            return json_response({"state": readings.application_state}, 200 if running else 503)
        if readings.application_state != "RUNNING":
            return text_response("<html><body>Confluence is not available</body></html>", 503)
        basic = request.headers.get("authorization", "").lower().startswith("basic ")
        try:
            if basic and readings.basic_auth_disabled:
                raise RefusedError(403, "Basic Authentication has been disabled on this instance.")
            viewer = self._viewer(request)
            if viewer == "anonymous" and not readings.anonymous_access:
                raise RefusedError(401, "Client must be authenticated to access this resource.")
            with self.model.lock:
                answer = self._router.dispatch(request)
            if answer is None:
                if not request.path.startswith(f"{self.context}/rest/"):
                    return text_response("<html><body>Page Not Found - Confluence</body></html>", 404)
                if request.path.startswith(f"{self.context}/rest/api/"):
                    # A 404 would be taken for an absent item.
                    raise RefusedError(501, "Confluence may serve this; the sandbox does not")
                raise RefusedError(404, "null for uri: " + request.path)
        except RefusedError as refusal:
            answer = datacenter_refusal(refusal)
            if refusal.status == 401:
                wrong = "authorization" in request.headers
                answer.headers["X-Seraph-LoginReason"] = "AUTHENTICATED_FAILED" if wrong else "AUTHENTICATION_DENIED"
                answer.headers["WWW-Authenticate"] = 'OAuth realm="http%3A%2F%2F127.0.0.1"'
            return answer
        answer.headers["X-AUSERNAME"] = "anonymous" if viewer == "anonymous" else self.account.username
        if viewer == "account":
            answer.headers["X-Seraph-LoginReason"] = "OK"
        return answer

    def _viewer(self, request: Request) -> Viewer:
        credential = self.account.judge(request, bearer=True)
        if credential == "wrong":
            if not (self.model.readings.invalid_token_is_anonymous and self.model.readings.anonymous_access):
                raise RefusedError(401, "Unauthorized")
            return "anonymous"
        return "account" if credential == "good" else "anonymous"

    def _writer(self, request: Request) -> ContentWriter:
        return ContentWriter(self.model, request.origin + self.context, self.context, cloud=False)

    # ------------------------------------------------------------------------------------ lists
    def _links(self, request: Request) -> dict[str, str]:
        address = f"{request.origin}{request.path}" + (f"?{request.raw_query}" if request.raw_query else "")
        return {"self": address, "base": request.origin + self.context, "context": self.context}

    def _next(self, request: Request, **changes: str | None) -> str:
        """Return the address of another part: with every parameter of the request but the changed ones."""
        query = [(name, value) for name, values in request.query.items() for value in values if name not in changes]
        query += [(name, value) for name, value in changes.items() if value is not None]
        root = {"base": "", "host": self.context, "nothing": request.origin + self.context}
        below = request.path.removeprefix(self.context)
        return f"{root[self.model.readings.datacenter_links_relative_to]}{below}?{urlencode(query)}"

    def _offset_list(
        self, request: Request, found: Sequence[Any], write: Callable[[Any], dict[str, Any]], default: int, cap: int
    ) -> Response:
        """Answer one part of a list by position, as all lists but the scan have it [S]. ``limit`` in the answer is the effective one."""
        start, limit = whole_number(request, "start", 0), min(whole_number(request, "limit", default), cap)
        rows = [write(row) for row in found[start : start + limit]]
        links = self._links(request)
        if len(found) > start + limit and limit:
            links["next"] = self._next(request, start=str(start + limit), limit=str(limit))
        if start:
            links["prev"] = self._next(request, start=str(max(start - limit, 0)), limit=str(limit))
        return json_response({"results": rows, "start": start, "limit": limit, "size": len(rows), "_links": links})

    def _list_cap(self, expand: frozenset[str]) -> int:
        readings = self.model.readings
        return row_cap(expand, readings.list_cap_bare, readings.list_cap_expanded, readings.list_cap_expanded)

    def _statuses(self, request: Request) -> tuple[str, ...]:
        """Return the statuses asked for; ``any`` is current and trashed [S]."""
        wanted = request.many("status") or ["current"]
        for status in wanted:
            if status not in _STATUSES:
                raise RefusedError(400, f"No enum constant ContentStatus.{status}")
        return ("current", "trashed") if "any" in wanted else tuple(wanted)

    # ------------------------------------------------------------------------------------ identity and spaces
    def _current_user(self, request: Request) -> Response:
        if self._viewer(request) == "anonymous":
            picture = {"path": f"{self.context}/images/icons/profilepics/anonymous.svg", "width": 48, "height": 48}
            row = {"type": "anonymous", "displayName": "Anonymous", "profilePicture": {**picture, "isDefault": True}}
            return json_response(row | {"_expandable": {"status": ""}, "_links": self._links(request)})
        return json_response(self._writer(request).person(self.account.user_id))

    def _user(self, request: Request) -> Response:
        """Answer one person by user key or by login name; the key counts where both are given [A]."""
        if self._viewer(request) == "anonymous":
            raise RefusedError(403, "User not permitted to view user profiles")
        key, username = request.one("key"), request.one("username")
        if not key and not username:
            raise RefusedError(400, "Either key or username must be given")
        user = self.model.user(key) if key else self.model.user_named(username or "")
        if user is None:
            raise RefusedError(404, f"No user found with {'key' if key else 'username'} : {key or username}")
        return json_response(self._writer(request).person(user.id))

    def _server_information(self, request: Request) -> Response:
        return json_response(
            {
                "baseUrl": request.origin + self.context,
                "version": self.model.readings.datacenter_version,
                "buildNumber": 10_001,
                "marketplaceBuildNumber": 10_001,
                "buildDate": "2025-06-01T00:00:00.000+00:00",
            }
        )

    def _access_mode(self, _request: Request) -> Response:
        return json_response(self.model.readings.access_mode)

    def _find_space(self, request: Request, key: str) -> Space:
        space = self.model.space(key)
        if space is None or not self.model.space_is_visible(space, self._viewer(request)):
            raise RefusedError(404, f"No space found with key : {key}")
        return space

    def _one_space(self, request: Request, key: str) -> Response:
        row = self._writer(request).space(self._find_space(request, key), expansions(request))
        row["_links"] |= {"base": request.origin + self.context, "context": self.context}
        return json_response(row)

    def _spaces(self, request: Request) -> Response:
        keys, type_, status = request.many("spaceKey"), request.one("type"), request.one("status")
        found = [
            space
            for space in self.model.spaces(self._viewer(request))
            if (not keys or space.key in keys) and type_ in (None, space.type) and status in (None, space.status)
        ]
        found.sort(key=lambda space: space.id)
        expand = expansions(request)
        writer = self._writer(request)
        return self._offset_list(request, found, lambda space: writer.space(space, expand), 25, self._list_cap(expand))

    # ------------------------------------------------------------------------------------ content
    def _shown(self, item: Item, statuses: Sequence[str], viewer: Viewer) -> bool:
        return self.model.listed_status(item) in statuses and self.model.is_visible(item, viewer)

    def _one_content(self, request: Request, id: str) -> Response:
        item = self._find(request, id, self._statuses(request))
        row = self._writer(request).content(item, expansions(request, "history,space,version"))
        row["_links"] |= {"base": request.origin + self.context, "context": self.context}
        return json_response(row)

    def _find(self, request: Request, content_id: str, statuses: Sequence[str] = ("current", "archived")) -> Item:
        """Return a visible item; an absent one and a hidden one answer alike [S]. Folders do not exist here."""
        item = self.model.item(content_id)
        if item is None or item.type == "folder" or not self._shown(item, statuses, self._viewer(request)):
            raise RefusedError(404, f"No content found with id: ContentId{{id={content_id}}}")
        return item

    def _contents(self, request: Request) -> Response:
        """Answer content by ids, or by space, type and title. Ids that are absent or hidden are left out."""
        statuses, viewer, expand = self._statuses(request), self._viewer(request), expansions(request)
        writer = self._writer(request)
        ids = request.many("ids")
        if ids:
            known = [self.model.item(id_) for id_ in dict.fromkeys(ids)]
            found = [
                item
                for item in known
                if item is not None and item.type != "folder" and self._shown(item, statuses, viewer)
            ]
        else:
            type_ = self._type(request, _LISTED)
            key, title = request.one("spaceKey"), request.one("title")
            space_ids = None if key is None else [self._find_space(request, key).id]
            order = self.model.index.order((type_,), space_ids, "id")
            walk = self.model.index.walk(order)
            found = [item for item in walk if title in (None, item.title) and self._shown(item, statuses, viewer)]
        return self._offset_list(request, found, lambda item: writer.content(item, expand), 25, self._list_cap(expand))

    @staticmethod
    def _type(request: Request, allowed: Sequence[ItemType]) -> ItemType:
        for type_ in allowed:
            if request.one("type", "page") == type_:
                return type_
        raise RefusedError(400, f"No enum constant ContentType.{request.one('type')}")

    def _scan(self, request: Request) -> Response:
        """Answer one part of the keyset listing by content id: 7.18 and newer [S]."""
        readings = self.model.readings
        if not readings.scan_available:
            raise RefusedError(404, "No content found with id: ContentId{id=scan}")
        statuses, viewer, expand = (
            self._statuses(request),
            self._viewer(request),
            expansions(request, "history,space,version"),
        )
        bare, expanded, body = readings.search_cap_bare, readings.search_cap_expanded, readings.search_cap_body
        cap = row_cap(expand if "expand" in request.query else frozenset(), bare, expanded, body)
        limit = min(max(whole_number(request, "limit", 25), 1), cap)
        cursor, after = request.one("cursor"), 0
        if cursor:
            match = _CURSOR.fullmatch(cursor)
            if match is None:
                raise RefusedError(400, f"Invalid cursor: {cursor}")
            if "type" in request.query and readings.scan_cursor_with_type == "refused":
                raise RefusedError(400, "type cannot be given with a cursor")
            after = int(match[2])
        type_ = self._scan_type(request, after)
        key = request.one("spaceKey")
        space_ids = None if key is None else [self._find_space(request, key).id]
        order = self.model.index.order((type_,), space_ids, "id")
        found: list[Item] = []
        for item in self.model.index.walk(order, after=(after, after) if after else None):
            if self._shown(item, statuses, viewer):
                found.append(item)
                if len(found) > limit:
                    break
        rows = [self._writer(request).content(item, expand) for item in found[:limit]]
        answer: dict[str, Any] = {
            "results": rows,
            "cursor": cursor or "content:false:0",
            "limit": limit,
            "size": len(rows),
        }
        links = self._links(request)
        if len(found) > limit:
            answer["nextCursor"] = f"content:false:{found[limit - 1].id}"
            type_dropped = readings.scan_cursor_with_type == "refused"
            changes = {"type": None} if type_dropped else {}
            links["next"] = self._next(request, cursor=answer["nextCursor"], limit=str(limit), **changes)
        return json_response(answer | {"_links": links})

    def _scan_type(self, request: Request, after: int) -> ItemType:
        """The documentation: "Type is only required for first request, latest request will use cursor" [S]; how it knows is [A]."""
        if after and "type" not in request.query and self.model.readings.scan_remembers_type:
            item = self.model.index.get(after)
            return item.type if item is not None else "page"
        return self._type(request, _SCANNED)

    def _space_content(self, request: Request, key: str, type: str) -> Response:
        if type not in _LISTED:
            raise RefusedError(404, f"No enum constant ContentType.{type}")
        space, viewer, expand = self._find_space(request, key), self._viewer(request), expansions(request)
        roots_only = request.one("depth") == "root"
        order = self.model.index.order((type,), [space.id], "id")
        found = [
            item
            for item in self.model.index.walk(order)
            if self._shown(item, ("current",), viewer) and not (roots_only and item.parent_id is not None)
        ]
        writer = self._writer(request)
        return self._offset_list(request, found, lambda item: writer.content(item, expand), 25, self._list_cap(expand))

    def _count(self, request: Request) -> Response:
        found = self._search.find(counted_query(request), self._viewer(request))
        return count_answer(request, len(found), request.origin + self.context, self.context)

    def _content_search(self, request: Request) -> Response:
        cql = request.one("cql")
        if not cql:
            raise RefusedError(400, "Query parameter 'cql' is required")
        expand, readings = expansions(request), self.model.readings
        found = self._search.find(cql, self._viewer(request))
        cap = row_cap(expand, readings.search_cap_bare, readings.search_cap_expanded, readings.search_cap_body)
        writer = self._writer(request)
        return self._offset_list(request, found, lambda item: writer.content(item, expand), 25, cap)

    def _trash(self, request: Request, key: str) -> Response:
        """Answer the trash of a space, to its administrators only [S]."""
        space = self._find_space(request, key)
        if not self.model.readings.trash_listing_allowed:
            raise RefusedError(403, "User not permitted to view the trash of this space")
        cursor = _CURSOR.fullmatch(request.one("cursor") or "content:false:0")
        if cursor is None:
            raise RefusedError(400, f"Invalid cursor: {request.one('cursor')}")
        limit, after = max(whole_number(request, "limit", 25), 1), int(cursor[2])
        order = self.model.index.order((*_SCANNED, "attachment"), [space.id], "id")
        walk = self.model.index.walk(order, after=(after, after) if after else None)
        found = [item for item in walk if item.status == "trashed"]
        expand = expansions(request, "ancestors,container,space,metadata")
        rows = [self._writer(request).content(item, expand) for item in found[:limit]]
        links = self._links(request)
        answer: dict[str, Any] = {"results": rows, "cursor": cursor[0], "limit": limit, "size": len(rows)}
        if len(found) > limit:
            answer["nextCursor"] = f"content:false:{found[limit - 1].id}"
            links["next"] = self._next(request, cursor=answer["nextCursor"], limit=str(limit))
        return json_response(answer | {"_links": links})

    # ------------------------------------------------------------------------------------ below one item
    def _attachments(self, request: Request, id: str) -> Response:
        item, expand = self._find(request, id), expansions(request)
        filename, media_type = request.one("filename"), request.one("mediaType")
        found = [
            attachment
            for attachment in self.model.attachments(item)
            if attachment.status == "current"
            and filename in (None, attachment.title)
            and media_type in (None, attachment.media_type)
        ]
        writer = self._writer(request)
        return self._offset_list(request, found, lambda row: writer.content(row, expand), 50, self._list_cap(expand))

    def _child_pages(self, request: Request, id: str) -> Response:
        item, expand, viewer = self._find(request, id), expansions(request), self._viewer(request)
        found = [child for child in self._pages_below(item) if self._shown(child, ("current",), viewer)]
        writer = self._writer(request)
        return self._offset_list(request, found, lambda row: writer.content(row, expand), 25, self._list_cap(expand))

    def _pages_below(self, item: Item) -> list[Item]:
        """Return the child pages; those in a folder count as children of the page above it, since there are no folders here."""
        found = []
        for child in self.model.children(item):
            found += [child] if child.type == "page" else self._pages_below(child)
        return sorted(found, key=lambda child: child.id)

    def _comments(self, request: Request, id: str) -> Response:
        """Answer the comments of an item, or the replies to a comment: the first of each thread, or with ``depth=all`` every one [S]."""
        item, expand, viewer = self._find(request, id), expansions(request), self._viewer(request)
        places, depth = request.many("location"), request.one("depth", "")
        if not set(places) <= {"footer", "inline", "resolved"} or depth not in ("", "all"):
            raise RefusedError(400, f"No such location or depth: {places} {depth}")
        root = item.id if item.type == "comment" else None
        container = item if root is None else self.model.item(str(item.container_id))
        found = [
            comment
            for comment in self.model.comments(container or item)
            if self._shown(comment, ("current", "archived"), viewer)
            and (not places or self._place(comment) in places)
            and (
                comment.parent_id == root
                or (depth == "all" and (root is None or root in {above.id for above in self.model.ancestors(comment)}))
            )
        ]
        writer = self._writer(request)
        return self._offset_list(request, found, lambda row: writer.content(row, expand), 25, self._list_cap(expand))

    def _place(self, comment: Item) -> str:
        """Return the location by which a comment is listed [S]."""
        remark = self.model.thread(comment).remark
        if remark is None or remark.location == "footer":
            return "footer"
        return "resolved" if remark.resolution == "resolved" else "inline"

    def _convert(self, request: Request, to: str) -> Response:
        """Answer a body in another representation, at once."""
        try:
            body = json.loads(request.body)
            representation, value = body["representation"], body["value"]
        except (ValueError, KeyError, TypeError):
            raise RefusedError(400, "A body with representation and value is required") from None
        if representation != "storage" or to not in ("view", "export_view", "styled_view", "editor"):
            raise RefusedError(400, f"Cannot convert from {representation} to {to}")
        page = body.get("content")
        how = self.model.readings.conversion_content
        if page is not None and how == "refused":
            raise RefusedError(400, "Unrecognized field 'content'")
        page_id = str(page["id"]) if page is not None and how == "used" else None
        views = Views(self.model, request.origin + self.context)
        shown = views.export(str(value), page_id, self._viewer(request))
        return json_response({"value": shown, "representation": to, "_expandable": {"webresource": "", "content": ""}})

    def _restrictions(self, request: Request, id: str) -> Response:
        return json_response(self._writer(request).restrictions(self._find(request, id)))

    def _labels(self, request: Request, id: str) -> Response:
        item, writer = self._find(request, id), self._writer(request)
        return self._offset_list(request, item.labels, writer.label, 200, self._list_cap(frozenset()))

    def _extracted_text(self, request: Request, id: str, attachment: str) -> Response:
        """Answer the text that the search index took from an attachment; 204 where there is none [S]."""
        container, wanted = self._find(request, id), self.model.item(attachment)
        if wanted is None or wanted not in self.model.attachments(container) or wanted.status != "current":
            raise RefusedError(404, f"No attachment found with id: {attachment}")
        text = self.model.extracted_texts.get(wanted.public_id)
        return Response(204) if text is None else json_response({"extractedText": text})

    def _download(self, request: Request, id: str, file: str) -> Response:
        """Answer the bytes of an attachment, of the version asked for."""
        container = self._find(request, id)
        version = whole_number(request, "version", 0)
        for item in self.model.attachments(container):
            if item.title == file and item.status == "current":
                if version > len(item.files):
                    break
                headers = {
                    "Content-Type": item.media_type,
                    "Content-Disposition": "attachment",
                    "X-Content-Type-Options": "nosniff",
                }
                return Response(200, item.file(version or None), headers)
        return text_response("<html><body>Page Not Found - Confluence</body></html>", 404)


def datacenter_refusal(refusal: RefusedError) -> Response:
    """Write a refusal with status, data and message [S]."""
    data = {
        "authorized": refusal.status not in (401, 403),
        "valid": refusal.status != 400,
        "errors": [],
        "successful": False,
        "allowedInReadOnlyMode": True,
    }
    reasons = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"}
    document = {"statusCode": refusal.status, "data": data, "message": refusal.message}
    return json_response(document | {"reason": reasons.get(refusal.status, "Error")}, refusal.status)
