"""Rows as the second REST interface of Confluence Cloud writes them."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import Any, Literal
from urllib.parse import quote

from airflow_provider_confluence.testing.sandbox.records import Item, Space, User, Version
from airflow_provider_confluence.testing.sandbox.wiki import Wiki

CommentPlace = Literal["site", "container", "thread"]


def instant(value: datetime) -> str:
    """Return an instant in UTC with milliseconds."""
    return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03}Z"


class CloudRows:
    """Writes the rows of one model, with links below one base."""

    def __init__(self, model: Wiki, base: str) -> None:
        self._model = model
        self._base = base

    def single(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the row as the answer to a request for this one item: its links carry the base."""
        return row | {"_links": {**row.get("_links", {}), "base": self._base}}

    @staticmethod
    def space(space: Space) -> dict[str, Any]:
        """Return a space."""
        return {
            "id": str(space.id),
            "key": space.key,
            "name": space.name,
            "type": space.type,
            "status": space.status,
            "authorId": space.author,
            "currentActiveAlias": space.key,
            "createdAt": instant(space.created_at),
            "homepageId": None if space.homepage_id is None else str(space.homepage_id),
            "description": None,
            "icon": None,
            "_links": {"webui": f"/spaces/{quote(space.key)}"},
        }

    def page(self, item: Item, body: str | None = None) -> dict[str, Any]:
        """Return a page; pages at the root have no parent."""
        parent = None if item.parent_id is None else self._model.index.get(item.parent_id)
        return self._content(item, body) | {
            "parentId": None if parent is None else str(parent.id),
            "parentType": None if parent is None else parent.type,
            "position": None,
            "ownerId": item.author,
            "lastOwnerId": None,
            "subtype": "live" if item.live else None,
        }

    def blogpost(self, item: Item, body: str | None = None) -> dict[str, Any]:
        """Return a blog post."""
        return self._content(item, body)

    def folder(self, item: Item) -> dict[str, Any]:
        """Return a folder."""
        row = self.page(item)
        for name in ("lastOwnerId", "body", "subtype"):
            row.pop(name, None)
        return row | {"type": "folder", "_links": {"webui": self._webui(item)}}

    def _content(self, item: Item, body: str | None) -> dict[str, Any]:
        row: dict[str, Any] = {
            "id": str(item.id),
            "status": item.status,
            "title": item.title,
            "spaceId": str(item.space_id),
            "authorId": item.author,
            "createdAt": instant(item.created_at),
            "version": self._version(item),
            "_links": {
                "webui": self._webui(item),
                "editui": f"/pages/resumedraft.action?draftId={item.id}",
                "tinyui": item.tiny_path,
            },
        }
        return row | {"body": self._body(item, body)}

    def _body(self, item: Item, form: str | None) -> dict[str, Any]:
        if form is None or (form == "storage" and item.document and not self._model.readings.adf_has_empty_storage):
            return {}
        value = (item.document or as_adf(item.text)) if form == "atlas_doc_format" else item.text
        return {form: {"representation": form, "value": value}}

    @staticmethod
    def _version(item: Item, version: Version | None = None) -> dict[str, Any]:
        version = version or item.version
        return {
            "number": version.number,
            "message": version.message,
            "minorEdit": False,
            "authorId": version.author,
            "createdAt": instant(version.created_at),
        }

    def versions(self, item: Item) -> list[dict[str, Any]]:
        """Return all versions of an item, the newest first."""
        return [self._version(item, version) for version in [item.version, *reversed(item.older)]]

    def _webui(self, item: Item) -> str:
        space = self._model.space_by_id(item.space_id)
        kind = {"page": "pages", "blogpost": "blog", "folder": "folder"}[item.type]
        return f"/spaces/{quote(space.key if space else '')}/{kind}/{item.id}/{quote(item.title, safe='')}"

    @staticmethod
    def child(item: Item) -> dict[str, Any]:
        """Return a row of the direct children."""
        return {
            "id": str(item.id),
            "status": item.status,
            "title": item.title,
            "type": item.type,
            "spaceId": str(item.space_id),
            "childPosition": None,
        }

    def attachment(self, item: Item) -> dict[str, Any]:
        """Return an attachment; its container is under the name of the container's type, and nowhere else."""
        container = None if item.container_id is None else self._model.index.get(item.container_id)
        download = (
            f"/download/attachments/{item.container_id}/{quote(item.title, safe='')}"
            f"?version={item.version.number}&modificationDate={int(item.version.created_at.timestamp() * 1000)}&cacheVersion=1&api=v2"
        )
        webui = (
            f"/pages/viewpageattachments.action?pageId={item.container_id}&preview=%2F{item.container_id}%2F{item.id}"
        )
        row = {
            "id": item.public_id,
            "status": self._model.listed_status(item) or "trashed",
            "title": item.title,
            "createdAt": instant(item.created_at),
            "mediaType": item.media_type,
            "mediaTypeDescription": item.media_type.partition("/")[2].upper() + " File",
            "comment": "",
            "fileId": f"file-{item.id}",
            "fileSize": len(item.file()),
            "webuiLink": webui,
            "downloadLink": download,
            "version": self._version(item),
            "_links": {"webui": webui, "download": download},
        }
        row["blogPostId" if container is not None and container.type == "blogpost" else "pageId"] = str(
            item.container_id
        )
        return row

    def comment(self, item: Item, body: str | None, place: CommentPlace) -> dict[str, Any]:
        """Return a comment. Which ids it names depends on where it stands [S: the schemas]; who made it, and when, only its versions tell.

        :param place: ``"site"`` for the list of the whole site and for one by id, which name container and parent; ``"container"`` for the
            list of a page or blog post, which names that; ``"thread"`` for replies, which name the comment that they answer.
        """
        container = None if item.container_id is None else self._model.index.get(item.container_id)
        thread, remark = self._model.thread(item).remark, item.remark
        page = "" if container is None else self._webui(container)
        row: dict[str, Any] = {
            "id": str(item.id),
            "status": self._model.listed_status(item) or "trashed",
            "title": self._model.title_of(item),
            "version": self._version(item),
            "body": self._body(item, body),
            "_links": {"webui": f"{page}?focusedCommentId={item.id}"},
        }
        if place != "thread" and container is not None:
            row["blogPostId" if container.type == "blogpost" else "pageId"] = str(container.id)
        if place != "container" and item.parent_id is not None:
            row["parentCommentId"] = str(item.parent_id)
        if remark is not None and thread is not None and remark.location == "inline":
            row["resolutionStatus"] = thread.resolution
            row["properties"] = {"inlineMarkerRef": thread.marker, "inlineOriginalSelection": thread.selection}
            if place == "site" and thread.resolved_at is not None and thread.resolved_by is not None:
                row["resolutionLastModifierId"] = thread.resolved_by
                row["resolutionLastModifiedAt"] = instant(thread.resolved_at)
        return row

    def label(self, label: str) -> dict[str, str]:
        """Return a label."""
        return {"id": str(self._model.label_id(label)), "name": label, "prefix": "global"}

    def label_part(self, item: Item) -> dict[str, Any]:
        """Return the labels inside an item, 50 at most [S]."""
        rows = [self.label(label) for label in item.labels]
        own = f"/wiki/api/v2/{item.type}s/{item.id}/labels"
        return {"results": rows[:50], "meta": {"hasMore": len(rows) > 50, "cursor": ""}, "_links": {"self": own}}

    @staticmethod
    def user(user: User) -> dict[str, Any]:
        """Return a person."""
        return {
            "accountId": user.id,
            "displayName": user.name,
            "publicName": user.name,
            "email": "",
            "timeZone": "UTC",
            "personalSpaceId": None,
            "isExternalCollaborator": False,
            "accountStatus": "active",
            "accountType": "atlassian",
            "profilePicture": {"path": "/wiki/aa-avatar/default", "isDefault": True},
        }


def as_adf(storage: str) -> str:
    """Return the text of a body as an Atlassian document, which travels as a JSON string [S]: paragraphs only."""
    blocks = [re.sub(r"<[^>]+>", " ", part) for part in re.split(r"</(?:p|h[1-6]|li|td)>", storage)]
    texts = [" ".join(block.split()) for block in blocks]
    content = [{"type": "paragraph", "content": [{"type": "text", "text": text}]} for text in texts if text]
    return json.dumps({"type": "doc", "version": 1, "content": content})
