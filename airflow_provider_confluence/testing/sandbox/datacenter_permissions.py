"""Data Center's answers about who may read what."""

from __future__ import annotations

import json
from collections.abc import Callable

from airflow_provider_confluence.testing.sandbox.cloud_v1 import readers_answer, whole_number
from airflow_provider_confluence.testing.sandbox.records import Item, Viewer
from airflow_provider_confluence.testing.sandbox.v1_content import ContentWriter
from airflow_provider_confluence.testing.sandbox.web import (
    RefusedError,
    Request,
    Response,
    Router,
    json_response,
    text_response,
)
from airflow_provider_confluence.testing.sandbox.wiki import Wiki


class DataCenterPermissions:
    """Restrictions of items, permissions of spaces and of the site."""

    def __init__(
        self,
        model: Wiki,
        find: Callable[[Request, str], Item],
        writer: Callable[[Request], ContentWriter],
        viewer: Callable[[Request], Viewer],
    ) -> None:
        self.model = model
        self._find = find
        self._writer = writer
        self._viewer = viewer

    def add_to(self, router: Router, context: str) -> None:
        """Add the routes."""
        for template, handler in (
            ("/rest/api/content/{id}/restriction/byOperation/read", self._readers),
            ("/rest/api/content/{id}/restriction/relevantViewRestrictions", self._relevant_restrictions),
            ("/rest/api/permissions/anonymous", self._visitors),
            ("/rest/api/space/{key}/permissions", self._space_permissions),
        ):
            router.add("GET", context + template, handler)
        router.add("POST", context + "/rpc/json-rpc/confluenceservice-v2", self._remote_call)

    def _remote_call(self, request: Request) -> Response:
        """Answer ``getSpacePermissionSets`` [S: the remote API's specification, and examples of its answers]."""
        if self.model.readings.space_permissions != "json-rpc":
            return text_response("<html><body>Page Not Found - Confluence</body></html>", 404)
        call = json.loads(request.body)
        space = self.model.space(call["params"][0]) if call.get("method") == "getSpacePermissionSets" else None
        answer = {"jsonrpc": "2.0", "id": call.get("id")}
        if space is None or self.model.permissions.space(space.id).refused:
            return json_response(answer | {"error": {"code": 500, "message": "NotPermittedException"}})
        access = self.model.permissions.space(space.id)
        users = [user.username for name in access.users if (user := self.model.user(name)) is not None]
        named: list[dict[str, str | None]] = [{"userName": name, "groupName": None} for name in users]
        named += [{"userName": None, "groupName": name} for name in access.groups]
        named += [{"userName": None, "groupName": None}] if access.visitors else []
        sets = [
            {"type": type_, "spacePermissions": [{"type": type_, **row} for row in named]}
            for type_ in ("VIEWSPACE", "EDITSPACE")
        ]
        return json_response(answer | {"result": sets})

    def _readers(self, request: Request, id: str) -> Response:
        return readers_answer(request, self._find(request, id), self._writer(request))

    def _relevant_restrictions(self, request: Request, id: str) -> Response:
        """Answer what restricts an item by itself and from above [S]; at most 50 at a time [S]."""
        item, writer = self._find(request, id), self._writer(request)
        chain = [*self.model.ancestors(item), item]
        restrictions = [(step, self.model.permissions.restrictions.get(step.id)) for step in chain]
        if not self.model.readings.relevant_restrictions:
            raise RefusedError(404, "null for uri: " + request.path)
        if any(step.hidden or (found is not None and found.refused) for step, found in restrictions):
            raise RefusedError(403, "The restrictions cannot be read")
        named = [step for step, found in restrictions if found is not None and (found.users or found.groups)]
        start, limit = whole_number(request, "start", 0), min(whole_number(request, "limit", 50), 50)
        rows = [writer.restriction(step, 0, 200) | {"content": writer.content(step)} for step in named]
        listed = {"results": rows[start : start + limit], "totalCount": len(rows), "start": start, "limit": limit}
        return json_response({"viewContentRestrictions": listed})

    def _visitors(self, _: Request) -> Response:
        """Answer whether the site lets visitors in [S], to administrators of Confluence."""
        if not self.model.readings.site_permissions_told:
            raise RefusedError(403, "Only administrators may")
        subject = {"type": "anonymous", "displayName": "Anonymous"}
        row = {"operation": {"targetType": "application", "operationKey": "use"}, "subject": subject}
        return json_response([row] if self.model.readings.anonymous_access else [])

    def _space_permissions(self, request: Request, key: str) -> Response:
        """Answer who may do what in a space: 9.1 and newer [S], for administrators of the space [R]."""
        space = self.model.space(key)
        if space is None or not self.model.space_is_visible(space, self._viewer(request)):
            raise RefusedError(404, f"No space found with key : {key}")
        access = self.model.permissions.space(space.id)
        if self.model.readings.space_permissions != "rest":
            raise RefusedError(404, "null for uri: " + request.path)
        if access.refused:
            raise RefusedError(403, "User is not permitted to view permissions")
        writer, rows = self._writer(request), []
        subjects = [{**writer.person(user), "type": "known"} for user in access.users]
        subjects += [writer.group(name) for name in access.groups]
        subjects += [{"type": "anonymous", "displayName": "Anonymous"}] if access.visitors else []
        for subject in subjects:
            for target, operation in (("space", "read"), ("page", "create")):
                row = {"operation": {"targetType": target, "operationKey": operation}, "subject": subject}
                rows.append(row | {"spaceKey": key, "spaceId": space.id})
        return json_response(rows)
