"""What is left of the first REST interface on Confluence Cloud: who am I, people, CQL search, restrictions, downloads of attachments.

Everything else that once was there answers 410 Gone [S, R].
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from airflow_provider_confluence.testing.sandbox.access import Account
from airflow_provider_confluence.testing.sandbox.conversions import Conversions
from airflow_provider_confluence.testing.sandbox.counting import count_answer, counted_query
from airflow_provider_confluence.testing.sandbox.cql import Search
from airflow_provider_confluence.testing.sandbox.records import Item, Viewer
from airflow_provider_confluence.testing.sandbox.v1_content import ContentWriter, expansions, row_cap
from airflow_provider_confluence.testing.sandbox.web import (
    RefusedError,
    Request,
    Response,
    Router,
    json_response,
    text_response,
)
from airflow_provider_confluence.testing.sandbox.wiki import Wiki

_API = "/wiki/rest/api"
_GONE = re.compile(
    r"content(/\d+(/(child(/.*)?|label|property(/.*)?|version(/.*)?|history))?)?|space(/[^/]+(/content(/.*)?)?)?"
)


class CloudV1:
    """Answers below ``/wiki`` what the second interface does not."""

    def __init__(self, model: Wiki, account: Account, media_url: Callable[[Item, int | None], str]) -> None:
        self._model = model
        self._account = account
        self._media_url = media_url
        self._search = Search(model)
        self._router = Router()
        self._router.add("GET", f"{_API}/user/current", self._current_user)
        self._router.add("GET", f"{_API}/user/bulk", self._bulk_users)
        self._router.add("GET", f"{_API}/content/search", self._content_search)
        self._router.add("GET", f"{_API}/search", self._count)
        self._router.add("GET", f"{_API}/content/{{id}}/child/attachment/{{attachment}}/download", self._download)
        self._router.add("GET", f"{_API}/content/{{id}}/restriction/byOperation", self._restrictions)
        self._router.add("GET", f"{_API}/content/{{id}}/restriction/byOperation/read", self._readers)
        self._conversions = Conversions(model)
        self._router.add("POST", f"{_API}/contentbody/convert/async/bulk/tasks", self._conversions.start)
        self._router.add("GET", f"{_API}/contentbody/convert/async/bulk/tasks", self._conversions.results)

    def handle(self, request: Request, viewer: Viewer) -> Response:
        """Answer a request whose credential was judged already."""
        readings = self._model.readings
        if request.path.startswith("/wiki/download/attachments/") and readings.legacy_download_refused:
            answer = text_response("", 401)
            answer.headers["WWW-Authenticate"] = f'OAuth realm="{request.origin}"'
            return answer
        try:
            shut_out = viewer == "anonymous" and not readings.anonymous_access
            if shut_out and (not request.path.endswith("/user/current") or readings.anonymous_identity_is_403):
                raise RefusedError(403, "Current user not permitted to use Confluence")
            with self._model.lock:
                answer_or_none = self._router.dispatch(request)
            if answer_or_none is not None:
                return answer_or_none
            if not request.path.startswith(_API + "/"):
                raise RefusedError(404, "Not Found")
            if _GONE.fullmatch(request.path[len(_API) + 1 :]):
                raise RefusedError(410, "This deprecated endpoint has been removed.")
            raise RefusedError(501, "Confluence may serve this; the sandbox does not")
        except RefusedError as refusal:
            return v1_refusal(refusal)

    def _writer(self, request: Request) -> ContentWriter:
        return ContentWriter(self._model, request.origin + "/wiki", "/wiki", cloud=True)

    def _current_user(self, request: Request) -> Response:
        """Answer who asks; an anonymous visitor is told so with 200."""
        if "authorization" not in request.headers:
            picture = {"path": "/wiki/images/default.svg", "width": 48, "height": 48, "isDefault": True}
            row = {"type": "anonymous", "displayName": "Anonymous", "profilePicture": picture, "operations": []}
            return json_response(
                row | {"_expandable": {}, "_links": {"base": request.origin + "/wiki", "context": "/wiki"}}
            )
        return json_response(self._writer(request).person(self._account.user_id))

    def _bulk_users(self, request: Request) -> Response:
        """Answer people by account id; only the first hundred ids count [S]."""
        wanted = list(dict.fromkeys(request.query.get("accountId", [])))[:100]
        if not wanted:
            raise RefusedError(400, "accountId is required")
        rows = [self._writer(request).person(id_) for id_ in wanted if self._model.user(id_) is not None]
        links = {"base": request.origin + "/wiki", "context": "/wiki"}
        return json_response({"results": rows, "start": 0, "limit": 100, "size": len(rows), "_links": links})

    def _count(self, request: Request) -> Response:
        viewer: Viewer = "account" if "authorization" in request.headers else "anonymous"
        found = self._search.find(counted_query(request), viewer)
        return count_answer(request, len(found), request.origin + "/wiki", "/wiki")

    def _content_search(self, request: Request) -> Response:
        """Answer a CQL search: a cursor only, and a next address without ``/wiki`` [S]."""
        cql = request.one("cql")
        if not cql:
            raise RefusedError(400, "Query parameter 'cql' is required")
        expand = expansions(request)
        readings = self._model.readings
        cap = row_cap(expand, readings.search_cap_bare, readings.search_cap_expanded, readings.search_cap_body)
        limit = min(whole_number(request, "limit", 25), cap)
        start, last = _read_search_cursor(request.one("cursor"))
        viewer: Viewer = "account" if "authorization" in request.headers else "anonymous"
        found = self._search.find(cql, viewer)
        if readings.cloud_cursor == "keyset" and last and (start > len(found) or found[start - 1].id != last):
            start = next((place + 1 for place, item in enumerate(found) if item.id == last), start)
        writer = self._writer(request)
        rows = [writer.content(item, expand) for item in found[start : start + limit]]
        links: dict[str, Any] = {"base": request.origin + "/wiki", "context": "/wiki"}
        links["self"] = f"{request.origin}{request.path}?{urlencode({'cql': cql})}"
        if len(found) > start + limit:
            query = [
                (name, value)
                for name, values in request.query.items()
                for value in values
                if name not in ("cursor", "limit", "next")
            ]
            query = [
                ("next", "true"),
                *query,
                ("limit", str(limit)),
                ("cursor", _write_search_cursor(start + limit, found[start + limit - 1].id)),
            ]
            links["next"] = f"/rest/api/content/search?{urlencode(query)}"
        return json_response({"results": rows, "start": start, "limit": limit, "size": len(rows), "_links": links})

    def _restrictions(self, request: Request, id: str) -> Response:
        """Answer who may read and change an item: nobody is named, since restrictions here are what the account cannot see."""
        item = self._model.item(id)
        viewer: Viewer = "account" if "authorization" in request.headers else "anonymous"
        if item is None or not self._model.is_visible(item, viewer) or self._model.listed_status(item) is None:
            raise RefusedError(404, f"No content found with id: {id}")
        return json_response(self._writer(request).restrictions(item))

    def _readers(self, request: Request, id: str) -> Response:
        item = self._model.item(id)
        viewer: Viewer = "account" if "authorization" in request.headers else "anonymous"
        if item is None or not self._model.is_visible(item, viewer):
            raise RefusedError(404, f"No content found with id: {id}")
        return readers_answer(request, item, self._writer(request))

    def _download(self, request: Request, id: str, attachment: str) -> Response:
        """Send to the media host with 302; the address is good without the credential [R]."""
        item = self._model.item(attachment)
        viewer: Viewer = "account" if "authorization" in request.headers else "anonymous"
        if item is None or item.type != "attachment" or str(item.container_id) != id:
            raise RefusedError(404, f"No content found with id: {attachment}")
        if not self._model.is_visible(item, viewer) or self._model.listed_status(item) in (None, "trashed"):
            raise RefusedError(404, f"No content found with id: {attachment}")
        version = whole_number(request, "version", 0) or None
        if version is not None and version > len(item.files):
            raise RefusedError(404, f"No version {version} of {attachment}")
        return Response(302, headers={"Location": self._media_url(item, version), "Content-Type": "text/plain"})


def readers_answer(request: Request, item: Item, writer: ContentWriter) -> Response:
    """Answer who alone may read an item [S]; both editions do alike."""
    restriction = writer.model.permissions.restrictions.get(item.id)
    if restriction is not None and restriction.refused:
        raise RefusedError(403, "The restrictions cannot be read")
    start, limit = whole_number(request, "start", 0), whole_number(request, "limit", 100)
    return json_response(writer.restriction(item, start, limit))


def whole_number(request: Request, name: str, default: int) -> int:
    """Return a parameter that is a whole number. :raises RefusedError: 400 for anything else."""
    text = request.one(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit():
        raise RefusedError(400, f"{name} must be a whole number: {text}")
    return int(text)


def v1_refusal(refusal: RefusedError) -> Response:
    """Write a refusal as the first interface does [S]."""
    data = {
        "authorized": refusal.status not in (401, 403),
        "valid": refusal.status != 400,
        "errors": [],
        "successful": False,
    }
    message = (
        f"com.atlassian.confluence.api.service.exceptions.api.{_EXCEPTIONS.get(refusal.status, 'Service')}Exception: "
    )
    return json_response(
        {"statusCode": refusal.status, "data": data, "message": message + refusal.message}, refusal.status
    )


_EXCEPTIONS = {400: "BadRequest", 403: "Permission", 404: "NotFound", 410: "Gone", 405: "MethodNotAllowed"}


def _write_search_cursor(offset: int, last: int) -> str:
    """Return a cursor that holds where a part ended: the position, and the id of its last row [R: t/47028]."""
    return "_sa_" + base64.urlsafe_b64encode(json.dumps([offset, last]).encode()).decode()


def _read_search_cursor(text: str | None) -> tuple[int, int]:
    if not text:
        return 0, 0
    try:
        offset, last = json.loads(base64.urlsafe_b64decode(text.removeprefix("_sa_").encode()))
        return int(offset), int(last)
    except (ValueError, TypeError):
        raise RefusedError(400, "The cursor is not valid") from None
