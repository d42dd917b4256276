"""Content as the first REST interface writes it: what Data Center speaks, and Cloud's search still does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

from airflow_provider_confluence.testing.sandbox.records import Item, Remark, Space, Version
from airflow_provider_confluence.testing.sandbox.web import Request
from airflow_provider_confluence.testing.sandbox.wiki import Wiki

_EXPANDABLE = (
    "container",
    "metadata",
    "restrictions",
    "history",
    "body",
    "version",
    "space",
    "ancestors",
    "extensions",
)
_BODIES = ("storage", "view", "export_view", "styled_view", "editor", "anonymous_export_view")


def expansions(request: Request, default: str = "") -> frozenset[str]:
    """Return what a request asks to expand: each path with everything above it (``body.storage`` expands ``body``)."""
    wanted = request.many("expand") if "expand" in request.query else default.split(",")
    found: set[str] = set()
    for path in wanted:
        parts = path.strip().split(".")
        found.update(".".join(parts[: n + 1]) for n in range(len(parts)) if parts[0])
    return frozenset(found)


def row_cap(expand: frozenset[str], bare: int, expanded: int, body: int) -> int:
    """Return how many rows a request gets at most: rendered bodies 25, bodies, other expansions, none [S: KB]."""
    if expand & {"body.export_view", "body.styled_view"}:
        return 25
    if "body" in expand:
        return min(body, bare)
    return expanded if expand else bare


@dataclass(frozen=True)
class ContentWriter:
    """Writes items of one model for one edition.

    :param base: the base URL, context path included, without a trailing slash.
    :param context: the context path.
    """

    model: Wiki
    base: str
    context: str
    cloud: bool

    def instant(self, instant: datetime) -> str:
        """Return an instant: ``Z`` on Cloud, the server's own offset on Data Center."""
        if self.cloud:
            return (
                instant.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03}Z"
            )
        zone = timezone(timedelta(minutes=self.model.readings.datacenter_utc_offset_minutes))
        return instant.astimezone(zone).isoformat(timespec="milliseconds")

    def person(self, user_id: str) -> dict[str, Any]:
        """Return a user: by account id on Cloud, by user key and name on Data Center."""
        user = self.model.user(user_id)
        name = user.name if user else "Unknown User"
        picture = {"path": f"{self.context}/images/icons/profilepics/default.svg", "width": 48, "height": 48}
        person: dict[str, Any] = {
            "type": "known",
            "profilePicture": {**picture, "isDefault": True},
            "displayName": name,
        }
        if self.cloud:
            person |= {"accountId": user_id, "accountType": "atlassian", "email": "", "publicName": name}
            person |= {"timeZone": "UTC", "isExternalCollaborator": False, "isGuest": False}
            person["_expandable"] = {"operations": "", "personalSpace": ""}
            person["_links"] = {"self": f"{self.base}/rest/api/user?accountId={quote(user_id)}"}
        else:
            person |= {"username": user.username if user else user_id, "userKey": user_id}
            person["_expandable"] = {"status": ""}
            person["_links"] = {"self": f"{self.base}/rest/api/user?key={quote(user_id)}"}
        return person

    def space(self, space: Space, expand: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Return a space; ``homepage`` may be expanded."""
        row: dict[str, Any] = {"id": space.id, "key": space.key, "name": space.name, "type": space.type}
        row["status"] = space.status
        expandable = {"metadata": "", "icon": "", "description": "", "retentionPolicy": ""}
        homepage = None if space.homepage_id is None else self.model.item(str(space.homepage_id))
        if homepage is not None and "homepage" in expand:
            row["homepage"] = self.content(homepage)
        elif homepage is not None:
            expandable["homepage"] = f"/rest/api/content/{homepage.id}"
        self_link = f"{self.base}/rest/api/space/{quote(space.key)}"
        webui = f"/spaces/{space.key}" if self.cloud else f"/display/{space.key}"
        return row | {"_links": {"webui": webui, "self": self_link}, "_expandable": expandable}

    def content(self, item: Item, expand: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Return an item with what is to be expanded; the rest is named under ``_expandable``."""
        title = self.model.title_of(item)
        row: dict[str, Any] = {"id": item.public_id, "type": item.type, "status": item.status, "title": title}
        space = self.model.space_by_id(item.space_id)
        if space is not None and "space" in expand:
            row["space"] = self.space(space, _below(expand, "space"))
        if "version" in expand:
            row["version"] = self._version(item, item.version)
        if "history" in expand:
            row["history"] = self._history(item, _below(expand, "history"))
        if "ancestors" in expand:
            # Of a comment these are the comments that it replies to [R]; there are no folders on Data Center.
            above = [ancestor for ancestor in self.model.ancestors(item) if self.cloud or ancestor.type != "folder"]
            row["ancestors"] = [self.content(ancestor, _below(expand, "ancestors")) for ancestor in above]
        if "body" in expand:
            row["body"] = self._body(item, _below(expand, "body"))
        if "metadata" in expand or item.type == "attachment":
            row["metadata"] = self._metadata(item, _below(expand, "metadata"))
        if "container" in expand:
            container = None if item.container_id is None else self.model.item(str(item.container_id))
            if container is not None:
                row["container"] = self.content(container, _below(expand, "container"))
            elif space is not None:
                row["container"] = self.space(space)
        if item.type in ("attachment", "comment") or "extensions" in expand:
            row["extensions"] = self._extensions(item, _below(expand, "extensions"))
        if "restrictions" in expand:
            row["restrictions"] = self._restrictions(item, _below(expand, "restrictions"))
        row["_links"] = self.links(item, space)
        row["_expandable"] = {name: self._expandable(item, name, space) for name in _EXPANDABLE if name not in row}
        return row

    def links(self, item: Item, space: Space | None) -> dict[str, str]:
        """Return the links of an item, relative to the base where the interface has them so."""
        key = quote(space.key) if space else ""
        links = {"self": f"{self.base}/rest/api/content/{item.public_id}"}
        if item.type == "attachment":
            links["webui"] = (
                f"/pages/viewpage.action?pageId={item.container_id}&preview=%2F{item.container_id}%2F{item.id}"
            )
            links["download"] = self.download_path(item)
        elif item.type == "comment":
            container = self.model.item(str(item.container_id))
            page = "" if container is None else self.links(container, space)["webui"]
            joint = "&" if "?" in page else "?"
            links["webui"] = f"{page}{joint}focusedCommentId={item.id}" + ("" if self.cloud else f"#comment-{item.id}")
        elif self.cloud:
            kind = {"page": "pages", "blogpost": "blog", "folder": "folder"}[item.type]
            links["webui"] = f"/spaces/{key}/{kind}/{item.id}/{quote(item.title, safe='')}"
        else:
            links["webui"] = f"/pages/viewpage.action?pageId={item.id}"
            links["edit"] = f"/pages/resumedraft.action?draftId={item.id}"
            links["tinyui"] = item.tiny_path
        return links

    def download_path(self, item: Item) -> str:
        """Return where the bytes of an attachment lie, below the base."""
        name = quote(item.title, safe="")
        changed = int(item.version.created_at.timestamp() * 1000)
        return (
            f"/download/attachments/{item.container_id}/{name}"
            f"?version={item.version.number}&modificationDate={changed}&cacheVersion=1&api=v2"
        )

    def _version(self, item: Item, version: Version) -> dict[str, Any]:
        return {
            "by": self.person(version.author),
            "when": self.instant(version.created_at),
            "message": version.message,
            "number": version.number,
            "minorEdit": False,
            "hidden": False,
            "_expandable": {"content": f"/rest/api/content/{item.public_id}"},
            "_links": {"self": f"{self.base}/rest/api/content/{item.public_id}/version/{version.number}"},
        }

    def _history(self, item: Item, expand: frozenset[str]) -> dict[str, Any]:
        row = {
            "latest": True,
            "createdBy": self.person(item.author),
            "createdDate": self.instant(item.created_at),
            "_links": {"self": f"{self.base}/rest/api/content/{item.public_id}/history"},
            "_expandable": {
                name: "" for name in ("lastUpdated", "previousVersion", "contributors") if name not in expand
            },
        }
        if "lastUpdated" in expand:
            row["lastUpdated"] = self._version(item, item.version)
        if "previousVersion" in expand and item.older:
            row["previousVersion"] = self._version(item, item.older[-1])
        return row

    def _body(self, item: Item, expand: frozenset[str]) -> dict[str, Any]:
        row: dict[str, Any] = {}
        for name in _BODIES:
            if name in expand:  # rendered forms are the storage format: the sandbox has no macros to run
                row[name] = {"value": item.text, "representation": name}
                row[name]["_expandable"] = {"content": f"/rest/api/content/{item.public_id}"}
        return row | {"_expandable": {name: "" for name in _BODIES if name not in expand}}

    def _metadata(self, item: Item, expand: frozenset[str]) -> dict[str, Any]:
        row: dict[str, Any] = {"mediaType": item.media_type} if item.type == "attachment" else {}
        expandable = {"currentuser": "", "properties": ""}
        if "labels" in expand:
            labels = [self.label(label) for label in item.labels]
            own = f"{self.base}/rest/api/content/{item.public_id}/label"
            row["labels"] = {"results": labels, "start": 0, "limit": 200, "size": len(labels), "_links": {"self": own}}
        else:
            expandable["labels"] = ""
        return row | {"_expandable": expandable}

    def label(self, label: str) -> dict[str, str]:
        """Return a label."""
        return {"prefix": "global", "name": label, "id": str(self.model.label_id(label)), "label": label}

    def _extensions(self, item: Item, expand: frozenset[str]) -> dict[str, Any]:
        if item.remark is not None:
            return self._of_comment(item.remark, self.model.thread(item).remark or item.remark, expand)
        if item.type != "attachment":
            return {"position": "none"}
        size = len(item.file())
        return {"mediaType": item.media_type, "fileSize": size, "comment": "", "fileId": f"file-{item.id}"}

    def _of_comment(self, remark: Remark, thread: Remark, expand: frozenset[str]) -> dict[str, Any]:
        """Return where a comment stands, and, expanded, whether its thread is resolved and what it is about [S: the examples]."""
        resolved = remark.location == "inline" and thread.resolution == "resolved"
        location = self.model.readings.location_of_resolved_comment if resolved else remark.location
        row: dict[str, Any] = {"location": location}
        if "resolution" in expand:
            row["resolution"] = {"status": thread.resolution}
            if thread.resolved_at is not None and thread.resolved_by is not None:
                row["resolution"]["lastModifier"] = self.person(thread.resolved_by)
                row["resolution"]["lastModifiedDate"] = self.instant(thread.resolved_at)
        if "inlineProperties" in expand and remark.location == "inline":
            row["inlineProperties"] = {"originalSelection": thread.selection, "markerRef": thread.marker}
        names = ("resolution",) if remark.location == "footer" else ("resolution", "inlineProperties")
        return row | {"_expandable": {name: "" for name in names if name not in row}}

    def restrictions(self, item: Item) -> dict[str, Any]:
        """Return the restrictions of an item by operation, users and groups included."""
        wanted = {f"{operation}.restrictions.{who}" for operation in ("read", "update") for who in ("user", "group")}
        return self._restrictions(
            item, frozenset(wanted | {"read", "update", "read.restrictions", "update.restrictions"})
        )

    def readers(self, item: Item, operation: str, kind: str, start: int = 0, limit: int = 200) -> dict[str, Any]:
        """Return the users or the groups who alone may read an item, from ``start`` on. Nobody restricts changing here."""
        found = self.model.permissions.restrictions.get(item.id) if operation == "read" else None
        names = () if found is None else found.users if kind == "user" else found.groups
        limit = min(limit, self.model.readings.restrictions_cap)
        some = names[start : start + limit]
        rows = [self.person(name) if kind == "user" else self.group(name) for name in some]
        listed = {"results": rows, "start": start, "limit": limit, "size": len(rows)}
        return listed if self.cloud else listed | {"totalCount": len(names)} if start + limit < len(names) else listed

    def group(self, name: str) -> dict[str, Any]:
        """Return a group: Cloud has ids for them, Data Center names alone."""
        row = {"type": "group", "name": name, "_links": {"self": f"{self.base}/rest/api/group/{quote(name)}"}}
        group = self.model.permissions.groups.get(name)
        return row | {"id": group.id if group else "unknown"} if self.cloud else row

    def restriction(self, item: Item, start: int, limit: int) -> dict[str, Any]:
        """Return who may read an item, by users and groups."""
        held = {kind: self.readers(item, "read", kind, start, limit) for kind in ("user", "group")}
        link = f"{self.base}/rest/api/content/{item.public_id}/restriction/byOperation/read"
        expandable = {"content": f"/rest/api/content/{item.public_id}"}
        return {
            "operation": "read",
            "restrictions": held | {"_expandable": {}},
            "_expandable": expandable,
            "_links": {"self": link, "base": self.base, "context": self.context},
        }

    def _restrictions(self, item: Item, expand: frozenset[str]) -> dict[str, Any]:
        """Return the restrictions by operation, as far as they are to be expanded and the account is told."""
        own = f"/rest/api/content/{item.public_id}"
        restriction = self.model.permissions.restrictions.get(item.id)
        if restriction is not None and restriction.refused:
            expand = frozenset()
        row: dict[str, Any] = {}
        held: dict[str, Any]
        for operation in ("read", "update"):
            if operation in expand:
                inner = _below(_below(expand, operation), "restrictions")
                held = {name: self.readers(item, operation, name) for name in ("user", "group") if name in inner}
                shell = {"operation": operation, "restrictions": {**held, "_expandable": {}}}
                link = f"{self.base}{own}/restriction/byOperation/{operation}"
                row[operation] = shell | {"_expandable": {"content": own}, "_links": {"self": link}}
        expandable = {name: f"{own}/restriction/byOperation/{name}" for name in ("read", "update") if name not in row}
        return row | {"_expandable": expandable, "_links": {"self": f"{self.base}{own}/restriction/byOperation"}}

    def _expandable(self, item: Item, name: str, space: Space | None) -> str:
        own = f"/rest/api/content/{item.public_id}"
        if name == "container" and item.container_id is not None:
            return f"/rest/api/content/{item.container_id}"
        if name == "space" or name == "container":
            return f"/rest/api/space/{quote(space.key)}" if space else ""
        return {"history": f"{own}/history", "restrictions": f"{own}/restriction/byOperation"}.get(name, "")


def _below(expand: frozenset[str], name: str) -> frozenset[str]:
    prefix = name + "."
    return frozenset(path[len(prefix) :] for path in expand if path.startswith(prefix))
