"""Confluence Cloud: the second REST interface under ``/wiki/api/v2``, and what is left of the first under ``/wiki/rest/api``.

The same handlers answer at the site and at the gateway (``/ex/confluence/{cloudId}/wiki/…``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from airflow_provider_confluence.testing.sandbox.access import Account
from airflow_provider_confluence.testing.sandbox.cloud_comments import CloudComments
from airflow_provider_confluence.testing.sandbox.cloud_lists import API, CloudLists, Keep, absent, bad_value
from airflow_provider_confluence.testing.sandbox.cloud_rows import CloudRows
from airflow_provider_confluence.testing.sandbox.cloud_v1 import CloudV1
from airflow_provider_confluence.testing.sandbox.index import sort_value
from airflow_provider_confluence.testing.sandbox.oauth import PATH as TOKEN_PATH
from airflow_provider_confluence.testing.sandbox.permissions import SpaceAccess
from airflow_provider_confluence.testing.sandbox.records import Item, ItemType, Space, Viewer
from airflow_provider_confluence.testing.sandbox.scopes import admits
from airflow_provider_confluence.testing.sandbox.web import (
    RefusedError,
    Request,
    Response,
    Router,
    json_response,
    text_response,
)
from airflow_provider_confluence.testing.sandbox.wiki import Wiki

_PAGE_SORTS = ("id", "created-date", "modified-date", "title")
_BLOG_SORTS = ("id", "created-date", "modified-date")
_ATTACHMENT_SORTS = ("created-date", "modified-date")
_PAGE_STATUSES = ("current", "archived", "deleted", "trashed")
_BLOG_STATUSES = ("current", "deleted", "trashed")
_ATTACHMENT_STATUSES = ("current", "archived", "trashed")
_LIST_BODIES = ("storage", "atlas_doc_format")
_SINGLE_BODIES = (*_LIST_BODIES, "view", "export_view", "anonymous_export_view", "styled_view", "editor")
_SPACE_TYPES = (
    "global",
    "collaboration",
    "knowledge_base",
    "personal",
    "system",
    "onboarding",
    "xflow_sample_space",
)
_UNSERVED = (
    "admin-key",
    "comments",
    "content",
    "custom-content",
    "data-policies",
    "footer-comments",
    "inline-comments",
    "space-permissions",
    "tasks",
    "user",
)


class Cloud(CloudLists):
    """Answers requests as Confluence Cloud does.

    :param media_url: makes the address of an attachment's bytes on the media host.
    """

    edition = "cloud"

    def __init__(
        self, model: Wiki, account: Account, cloud_id: str, media_url: Callable[[Item, int | None], str]
    ) -> None:
        super().__init__(model)
        self.account = account
        self.cloud_id = cloud_id
        self._v1 = CloudV1(model, account, media_url)
        self._router = router = Router()
        for template, handler in (
            ("/spaces", self._spaces),
            ("/spaces/{id}", self._space),
            ("/spaces/{id}/pages", self._space_pages),
            ("/spaces/{id}/blogposts", self._space_blogposts),
            ("/pages", self._pages),
            ("/pages/{id}", self._page),
            ("/pages/{id}/labels", self._labels_of),
            ("/pages/{id}/attachments", self._attachments_of),
            ("/pages/{id}/ancestors", self._ancestors),
            ("/pages/{id}/direct-children", self._direct_children),
            ("/blogposts", self._blogposts),
            ("/blogposts/{id}", self._blogpost),
            ("/blogposts/{id}/labels", self._labels_of_blogpost),
            ("/blogposts/{id}/attachments", self._attachments_of_blogpost),
            ("/attachments", self._attachments),
            ("/attachments/{id}", self._attachment),
            ("/attachments/{id}/labels", self._labels_of_attachment),
            ("/folders/{id}", self._folder),
            ("/folders/{id}/ancestors", self._ancestors_of_folder),
            ("/folders/{id}/direct-children", self._direct_children_of_folder),
            ("/spaces/{id}/permissions", self._space_permissions),
            ("/spaces/{id}/role-assignments", self._role_assignments),
            ("/space-roles", self._space_roles),
            ("/labels", self._labels),
            ("/labels/{id}/pages", self._label_pages),
            ("/labels/{id}/blogposts", self._label_blogposts),
        ):
            router.add("GET", API + template, handler)
        router.add("POST", API + "/users-bulk", self._users_bulk)
        CloudComments(model).add_to(router)

    # ------------------------------------------------------------------------------------ who may see a space
    def _access(self, request: Request, id: str) -> SpaceAccess:
        space = self.model.space_by_id(int(id)) if id.isascii() and id.isdigit() else None
        if space is None or not self.model.space_is_visible(space, self._viewer(request)):
            raise absent("space", id)
        access = self.model.permissions.space(space.id)
        if access.refused:
            raise RefusedError(403, "Not permitted")
        return access

    def _principals(self, access: SpaceAccess) -> list[tuple[str, str]]:
        groups = self.model.permissions.groups
        return [*(("user", user) for user in access.users), *(("group", groups[name].id) for name in access.groups)]

    def _space_permissions(self, request: Request, id: str) -> Response:
        access = self._access(request, id)
        rows: list[dict[str, Any]] = []
        for kind, name in [] if access.by_role else self._principals(access):
            for key, target in (("read", "space"), ("create", "page")):
                row = {"id": str(len(rows) + 1), "principal": {"type": kind, "id": name}}
                rows.append(row | {"operation": {"key": key, "targetType": target}})
        return self._plain_listing(request, rows)

    def _role_assignments(self, request: Request, id: str) -> Response:
        access = self._access(request, id)
        if not self.model.readings.space_roles:
            raise RefusedError(404, "Not found", "NOT_FOUND")
        named = [(kind.upper(), name) for kind, name in self._principals(access)] if access.by_role else []
        named += [("ACCESS_CLASS", name) for name in access.classes]
        rows = [{"principal": {"principalType": kind, "principalId": name}, "roleId": "1"} for kind, name in named]
        return self._plain_listing(request, rows)

    def _space_roles(self, request: Request) -> Response:
        if not self.model.readings.space_roles:
            raise RefusedError(404, "Not found", "NOT_FOUND")
        role = {"id": "1", "type": "SYSTEM", "name": "Viewer", "description": "", "spacePermissions": ["read/space"]}
        return self._plain_listing(request, [role])

    # ------------------------------------------------------------------------------------ the way in
    def handle(self, request: Request) -> Response:
        """Answer a request."""
        gateway = f"/ex/confluence/{self.cloud_id}"
        if request.path == "/_edge/tenant_info":
            return json_response({"cloudId": self.cloud_id})
        if request.path == TOKEN_PATH and self.account.oauth is not None:
            return self.account.oauth.handle(request)
        at_gateway = request.path.startswith("/ex/confluence/")
        if at_gateway:
            if not request.path.startswith(gateway + "/"):
                return json_response({"code": 404, "message": "Not Found"}, 404)
            request = request.at(request.path[len(gateway) :])
        if not request.path.startswith("/wiki/"):
            return text_response("<html><body>Not found</body></html>", 404)
        credential = self.account.judge(request, bearer=at_gateway)
        readings = self.model.readings
        if credential == "good" and (
            (readings.scoped_token and not at_gateway)
            or (at_gateway and self._is_classic(request) and not readings.classic_token_at_gateway)
        ):
            credential = "wrong"
        if credential == "wrong":
            return self._unauthorized(at_gateway)
        if at_gateway and not admits(request.path, readings.token_scopes):
            mismatch = {"code": 401, "message": "Unauthorized; scope does not match"}
            return json_response(mismatch, 401, {"X-Failure-Category": "FAILURE_CLIENT_SCOPE_CHECK"})
        viewer: Viewer = "account" if credential == "good" else "anonymous"
        if not request.path.startswith(API + "/"):
            return self._v1.handle(request, viewer)
        try:
            if viewer == "anonymous" and not readings.anonymous_access:
                raise RefusedError(401, "Unauthorized", "UNAUTHORIZED")
            with self.model.lock:
                answer = self._router.dispatch(request)
            if answer is None:
                raise _unserved(request)
            return answer
        except RefusedError as refusal:
            return refusal_response(refusal)

    def _is_classic(self, request: Request) -> bool:
        """Say whether a good credential is a token without scopes; one that OAuth gave out never is."""
        _, _, value = request.headers.get("authorization", "").partition(" ")
        given_out = self.account.oauth is not None and self.account.oauth.is_good(value)
        return not self.model.readings.scoped_token and not given_out

    @staticmethod
    def _unauthorized(at_gateway: bool) -> Response:
        """Answer a wrong token: plain text at the site [R], JSON at the gateway [R]."""
        if at_gateway:
            return json_response({"code": 401, "message": "Unauthorized"}, 401)
        text = (
            "Basic authentication with passwords is deprecated.  For more information, see the developer documentation."
        )
        answer = text_response(text, 401, "text/plain;charset=UTF-8")
        answer.headers["WWW-Authenticate"] = 'OAuth realm="http%3A%2F%2F127.0.0.1"'
        return answer

    # ------------------------------------------------------------------------------------ spaces
    def _spaces(self, request: Request) -> Response:
        keys = request.many("keys")
        if len(keys) > 250:
            raise bad_value("keys", ",".join(keys[:3]))
        ids = self._ids(request, "ids", 250)
        type_ = self._choice(request, "type", _SPACE_TYPES)
        status = self._choice(request, "status", ("current", "archived"))
        value = (
            self._choice(request, "sort", [sign + name for name in ("id", "key", "name") for sign in ("", "-")]) or "id"
        )
        found = [
            space
            for space in self.model.spaces(self._viewer(request))
            if (not keys or space.key in keys)
            and (ids is None or space.id in ids)
            and type_ in (None, space.type)
            and status in (None, space.status)
        ]
        found.sort(key=lambda space: str(getattr(space, value.removeprefix("-"))), reverse=value.startswith("-"))
        rows = self._rows(request)
        return self._plain_listing(request, [rows.space(space) for space in found])

    def _space(self, request: Request, id: str) -> Response:
        return json_response(self._rows(request).single(self._rows(request).space(self._find_space(request, id))))

    def _find_space(self, request: Request, space_id: str) -> Space:
        if not space_id.isascii() or not space_id.isdigit():
            raise bad_value("id", space_id)
        space = self.model.space_by_id(int(space_id))
        if space is None or not self.model.space_is_visible(space, self._viewer(request)):
            raise RefusedError(404, f"Cannot find a space with id '{space_id}'", "NOT_FOUND")
        return space

    # ------------------------------------------------------------------------------------ pages and blog posts
    def _space_pages(self, request: Request, id: str) -> Response:
        space = self._find_space(request, id)
        roots_only = self._choice(request, "depth", ("all", "root")) == "root"
        keep: Keep | None = (lambda item: item.parent_id is None) if roots_only else None
        return self._page_list(request, space_ids=[space.id], keep=keep)

    def _pages(self, request: Request) -> Response:
        subtype = self._choice(request, "subtype", ("live", "page"))
        keep: Keep | None = None if subtype is None else lambda item: item.live is (subtype == "live")
        space_ids, ids = self._ids(request, "space-id", 100), self._ids(request, "id", 250)
        return self._page_list(request, space_ids=space_ids, ids=ids, keep=keep)

    def _page_list(
        self,
        request: Request,
        *,
        space_ids: Sequence[int] | None = None,
        ids: Sequence[int] | None = None,
        keep: Keep | None = None,
    ) -> Response:
        """Answer a list of pages: current *and archived* ones where no status is asked for [S]."""
        sort = self._sort(request, _PAGE_SORTS)
        statuses = self._choices(request, "status", _PAGE_STATUSES, ("current", "archived"))
        title = request.one("title")
        body = self._choice(request, "body-format", _LIST_BODIES)
        rows = self._rows(request)
        candidates = self._candidates(
            request,
            ("page",),
            sort,
            statuses,
            space_ids=space_ids,
            ids=ids,
            keep=lambda item: title in (None, item.title) and (keep is None or keep(item)),
        )
        return self._listing(request, candidates, sort[0], lambda item: rows.page(item, body))

    def _space_blogposts(self, request: Request, id: str) -> Response:
        return self._blogpost_list(request, space_ids=[self._find_space(request, id).id])

    def _blogposts(self, request: Request) -> Response:
        space_ids, ids = self._ids(request, "space-id", 100), self._ids(request, "id", 250)
        return self._blogpost_list(request, space_ids=space_ids, ids=ids)

    def _blogpost_list(
        self, request: Request, *, space_ids: Sequence[int] | None = None, ids: Sequence[int] | None = None
    ) -> Response:
        sort = self._sort(request, _BLOG_SORTS)
        statuses = self._choices(request, "status", _BLOG_STATUSES, ("current",))
        title = request.one("title")
        body = self._choice(request, "body-format", _LIST_BODIES)
        rows = self._rows(request)
        candidates = self._candidates(
            request,
            ("blogpost",),
            sort,
            statuses,
            space_ids=space_ids,
            ids=ids,
            keep=lambda item: title in (None, item.title),
        )
        return self._listing(request, candidates, sort[0], lambda item: rows.blogpost(item, body))

    def _page(self, request: Request, id: str) -> Response:
        return self._single(request, self._find(request, id, "page"))

    def _blogpost(self, request: Request, id: str) -> Response:
        return self._single(request, self._find(request, id, "blogpost"))

    def _single(self, request: Request, item: Item) -> Response:
        allowed = (*_PAGE_STATUSES, "historical", "draft")
        anything = (
            ("current", "archived", "trashed")
            if self.model.readings.page_by_id_answers_trashed
            else ("current", "archived")
        )
        if item.status not in self._choices(request, "status", allowed, anything):
            raise absent(item.type, item.public_id)
        body = self._choice(request, "body-format", _SINGLE_BODIES)
        rows = self._rows(request)
        row = rows.page(item, body) if item.type == "page" else rows.blogpost(item, body)
        if request.one("include-labels") == "true":
            row["labels"] = rows.label_part(item)
        return json_response(rows.single(row))

    # ------------------------------------------------------------------------------------ the tree
    def _folder(self, request: Request, id: str) -> Response:
        rows = self._rows(request)
        return json_response(rows.single(rows.folder(self._find(request, id, "folder"))))

    def _ancestors(self, request: Request, id: str) -> Response:
        return self._ancestor_list(request, self._find(request, id, "page"))

    def _ancestors_of_folder(self, request: Request, id: str) -> Response:
        return self._ancestor_list(request, self._find(request, id, "folder"))

    def _ancestor_list(self, request: Request, item: Item) -> Response:
        """Answer the ancestors, the highest first; of more than fit, the nearest, since one goes on from the first of them [S]."""
        limit = self._limit(request)
        rows = [{"id": above.public_id, "type": above.type} for above in self.model.ancestors(item)]
        return self._multi(request, rows[-limit:], None)

    def _direct_children(self, request: Request, id: str) -> Response:
        return self._child_list(request, self._find(request, id, "page"))

    def _direct_children_of_folder(self, request: Request, id: str) -> Response:
        return self._child_list(request, self._find(request, id, "folder"))

    def _child_list(self, request: Request, item: Item) -> Response:
        allowed = ("created-date", "id", "modified-date", "child-position", "title")
        field, descending = self._sort(request, allowed)
        viewer = self._viewer(request)
        children = [child for child in self.model.children(item) if self.model.is_visible(child, viewer)]
        children.sort(key=lambda child: (sort_value(child, field), child.id), reverse=descending)
        return self._plain_listing(request, [CloudRows.child(child) for child in children if child.status != "trashed"])

    # ------------------------------------------------------------------------------------ attachments
    def _attachments(self, request: Request) -> Response:
        """Answer the attachments of the whole site: there is no filter by space [S]."""
        return self._attachment_list(request, None)

    def _attachments_of(self, request: Request, id: str) -> Response:
        return self._attachment_list(request, self._find(request, id, "page"))

    def _attachments_of_blogpost(self, request: Request, id: str) -> Response:
        return self._attachment_list(request, self._find(request, id, "blogpost"))

    def _attachment_list(self, request: Request, container: Item | None) -> Response:
        sort = self._sort(request, _ATTACHMENT_SORTS)
        statuses = self._choices(request, "status", _ATTACHMENT_STATUSES, ("current", "archived"))
        media_type, filename = request.one("mediaType"), request.one("filename")
        rows = self._rows(request)
        candidates = self._candidates(
            request,
            ("attachment",),
            sort,
            statuses,
            ids=None if container is None else [item.id for item in self.model.attachments(container)],
            keep=lambda item: media_type in (None, item.media_type) and filename in (None, item.title),
        )
        return self._listing(request, candidates, sort[0], rows.attachment, default_limit=50)

    def _attachment(self, request: Request, id: str) -> Response:
        item = self._find(request, id, "attachment")
        if self.model.listed_status(item) is None:
            raise absent("attachment", id)
        rows = self._rows(request)
        return json_response(rows.single(rows.attachment(item)))

    # ------------------------------------------------------------------------------------ labels and people
    def _labels_of(self, request: Request, id: str) -> Response:
        return self._label_list(request, self._find(request, id, "page").labels)

    def _labels_of_blogpost(self, request: Request, id: str) -> Response:
        return self._label_list(request, self._find(request, id, "blogpost").labels)

    def _labels_of_attachment(self, request: Request, id: str) -> Response:
        return self._label_list(request, self._find(request, id, "attachment").labels)

    def _labels(self, request: Request) -> Response:
        return self._label_list(request, self.model.labels())

    def _label_list(self, request: Request, labels: Iterable[str]) -> Response:
        self._choice(request, "sort", [sign + name for name in ("created-date", "id", "name") for sign in ("", "-")])
        field, descending = (request.one("sort") or "id").removeprefix("-"), (request.one("sort") or "").startswith("-")
        ordered = sorted(labels, key=lambda label: label if field == "name" else "")
        if field != "name":
            ordered = sorted(labels, key=self.model.label_id)
        rows = self._rows(request)
        return self._plain_listing(request, [rows.label(label) for label in (ordered[::-1] if descending else ordered)])

    def _label_pages(self, request: Request, id: str) -> Response:
        return self._labelled(request, id, "page")

    def _label_blogposts(self, request: Request, id: str) -> Response:
        return self._labelled(request, id, "blogpost")

    def _labelled(self, request: Request, label_id: str, type_: ItemType) -> Response:
        """Answer the current items with a label."""
        label = next((name for name, number in self.model.labels().items() if str(number) == label_id), None)
        if label is None:
            raise RefusedError(404, f"Cannot find a label with id '{label_id}'", "NOT_FOUND")
        sort = self._sort(request, _PAGE_SORTS if type_ == "page" else _BLOG_SORTS)
        body = self._choice(request, "body-format", _LIST_BODIES)
        rows = self._rows(request)
        candidates = self._candidates(
            request,
            (type_,),
            sort,
            ("current",),
            space_ids=self._ids(request, "space-id", 100),
            keep=lambda item: label in item.labels,
        )
        write = rows.page if type_ == "page" else rows.blogpost
        return self._listing(request, candidates, sort[0], lambda item: write(item, body))

    def _users_bulk(self, request: Request) -> Response:
        """Answer people by account id; unknown ids are absent [S]."""
        try:
            wanted = json.loads(request.body)["accountIds"]
        except (ValueError, KeyError, TypeError):
            raise bad_value("accountIds", "") from None
        if not isinstance(wanted, list) or not 1 <= len(wanted) <= 250:
            raise bad_value("accountIds", "")
        found = [user for user in (self.model.user(str(id_)) for id_ in dict.fromkeys(wanted)) if user is not None]
        rows = self._rows(request)
        return self._multi(request, [rows.user(user) for user in found], None)


def _unserved(request: Request) -> RefusedError:
    """Tell what does not exist from what Confluence has and the sandbox has not: a silent 404 would be taken for an absent item."""
    first = request.path[len(API) + 1 :].partition("/")[0]
    if first in _UNSERVED:
        return RefusedError(501, "Confluence serves this; the sandbox does not", "NOT_IMPLEMENTED")
    return RefusedError(404, "Not Found", "NOT_FOUND")


def refusal_response(refusal: RefusedError) -> Response:
    """Write a refusal as the second interface does [S]."""
    titles = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"}
    error = {
        "status": refusal.status,
        "code": refusal.code or titles.get(refusal.status, "ERROR").upper().replace(" ", "_"),
        "title": refusal.message,
        "detail": None,
    }
    return json_response({"errors": [error]}, refusal.status)
