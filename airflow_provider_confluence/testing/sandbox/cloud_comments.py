"""Comments on Confluence Cloud, as the second REST interface has them: footer and inline, by site, by container, by thread, by id."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from airflow_provider_confluence.testing.sandbox.cloud_lists import API, CloudLists, Keep, absent
from airflow_provider_confluence.testing.sandbox.cloud_rows import CommentPlace
from airflow_provider_confluence.testing.sandbox.records import Item, ItemType, Location, Remark
from airflow_provider_confluence.testing.sandbox.web import Request, Response, Router, json_response

_SORTS = ("created-date", "modified-date")
_LIST_BODIES = ("storage", "atlas_doc_format")
_SINGLE_BODIES = (*_LIST_BODIES, "view", "export_view", "anonymous_export_view", "styled_view", "editor")
_STATUSES = {
    "page": ("current", "archived", "trashed", "deleted", "historical", "draft"),
    "blogpost": ("current", "deleted", "trashed", "historical", "draft"),
}
_RESOLUTIONS = ("resolved", "open", "dangling", "reopened")
_LISTED = ("current", "archived")
_MOST_VERSIONS = 50


class CloudComments(CloudLists):
    """Answers below ``/footer-comments`` and ``/inline-comments``, and for the comments of one page or blog post."""

    def add_to(self, router: Router) -> None:
        """Add the routes of both kinds."""
        places: tuple[Location, ...] = ("footer", "inline")
        containers: tuple[tuple[ItemType, str], ...] = (("page", "pages"), ("blogpost", "blogposts"))
        for location in places:
            own = f"{API}/{location}-comments"
            router.add("GET", own, partial(self._of_site, location))
            router.add("GET", f"{own}/{{id}}", partial(self._one, location))
            router.add("GET", f"{own}/{{id}}/children", partial(self._replies, location))
            router.add("GET", f"{own}/{{id}}/versions", partial(self._versions, location))
            for type_, plural in containers:
                route = f"{API}/{plural}/{{id}}/{location}-comments"
                router.add("GET", route, partial(self._of_container, location, type_))

    def _of_site(self, location: Location, request: Request) -> Response:
        """Answer the comments of the whole site, replies among them: there is no filter at all [S]; archived ones are among them [A]."""
        return self._list(request, location, None, _LISTED, self._resolutions(request), "site")

    def _of_container(self, location: Location, type_: ItemType, request: Request, id: str) -> Response:
        """Answer the first comment of each thread of a page or blog post; replies are below it [S]."""
        container = self._find(request, id, type_)
        statuses = self._choices(request, "status", _STATUSES[type_], _LISTED)
        resolutions = self._resolutions(request)
        roots = [comment for comment in self.model.comments(container) if comment.parent_id is None]
        return self._list(request, location, roots, statuses, resolutions, "container")

    def _replies(self, location: Location, request: Request, id: str) -> Response:
        """Answer the comments that answer one, not those that answer them [S]."""
        comment = self._comment(request, location, id)
        return self._list(request, location, self.model.children(comment), _LISTED, _RESOLUTIONS, "thread")

    def _resolutions(self, request: Request) -> list[str]:
        listed = _RESOLUTIONS if self.model.readings.cloud_lists_resolved_comments else ("open", "reopened")
        return self._choices(request, "resolution-status", _RESOLUTIONS, listed)

    def _list(
        self,
        request: Request,
        location: Location,
        comments: Sequence[Item] | None,
        statuses: Sequence[str],
        resolutions: Sequence[str],
        place: CommentPlace,
    ) -> Response:
        """Answer comments of one kind: those given, or all of the site."""
        sort = self._sort(request, _SORTS)
        body = self._choice(request, "body-format", _LIST_BODIES)
        rows = self._rows(request)

        def wanted(item: Item) -> bool:
            remark: Remark | None = self.model.thread(item).remark
            return (
                remark is not None
                and remark.location == location
                and (location == "footer" or remark.resolution in resolutions)
            )

        keep: Keep = wanted
        ids = None if comments is None else [comment.id for comment in comments]
        candidates = self._candidates(request, ("comment",), sort, statuses, ids=ids, keep=keep)
        return self._listing(request, candidates, sort[0], lambda item: rows.comment(item, body, place))

    def _comment(self, request: Request, location: Location, comment_id: str) -> Item:
        """Return a comment that is shown, whatever its resolution; one of the other kind is absent here."""
        item = self._find(request, comment_id, "comment")
        shown = self.model.listed_status(item) in _LISTED
        if not shown or item.remark is None or item.remark.location != location:
            raise absent(f"{location} comment", comment_id)
        return item

    def _one(self, location: Location, request: Request, id: str) -> Response:
        item = self._comment(request, location, id)
        body = self._choice(request, "body-format", _SINGLE_BODIES)
        rows = self._rows(request)
        row = rows.comment(item, body, "site")
        if request.one("include-versions") == "true":
            versions = rows.versions(item)
            own = f"{API}/{location}-comments/{item.id}/versions"
            meta = {"hasMore": len(versions) > _MOST_VERSIONS, "cursor": ""}
            row["versions"] = {"results": versions[:_MOST_VERSIONS], "meta": meta, "_links": {"self": own}}
        if request.one("include-version") == "false":
            del row["version"]
        return json_response(rows.single(row))

    def _versions(self, location: Location, request: Request, id: str) -> Response:
        """Answer the versions of a comment, without their bodies."""
        self._choice(request, "sort", ("modified-date", "-modified-date"))
        versions: list[dict[str, Any]] = self._rows(request).versions(self._comment(request, location, id))
        return self._plain_listing(request, versions if request.one("sort") != "modified-date" else versions[::-1])
