"""The sample wiki that this package carries: two spaces of a made-up company, to try things on."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_provider_confluence.testing.sandbox.model import Model

SAMPLE_WIKI = Path(__file__).parents[1] / "sample_wiki"


def load_sample(model: Model, folder: Path = SAMPLE_WIKI) -> list[str]:
    """Read the sample wiki into a model and return the keys of its spaces.

    The folder holds ``wiki.json`` (``users``, ``spaces``, ``items``; an item's parent stands before it; ``comments`` by item) and the
    files that it names. An item or comment with an ``edited`` instant is at version 2.
    """
    wiki = json.loads((folder / "wiki.json").read_text(encoding="utf-8"))
    for user in wiki["users"]:
        model.add_user(user["id"], user["name"])
    first = min((_instant(item["created"]) for item in wiki["items"]), default=model.clock())
    with model.at(first):
        for space in wiki["spaces"]:
            model.create_space(space["key"], space["name"])
    made: dict[tuple[str, str], str] = {}
    for item in wiki["items"]:
        made[(item["space"], item["title"])] = _load_item(model, item, folder, made)
    for space in wiki["spaces"]:
        homepage = made.get((space["key"], space["homepage"])) if space.get("homepage") else None
        model.set_homepage(space["key"], homepage)
    for commented in wiki.get("comments", []):
        for comment in commented["comments"]:
            _load_comment(model, comment, made[(commented["space"], commented["title"])], None)
    return [space["key"] for space in wiki["spaces"]]


def _load_item(model: Model, item: dict[str, Any], folder: Path, made: dict[tuple[str, str], str]) -> str:
    key, title, author = item["space"], item["title"], item["author"]
    body = (folder / item["file"]).read_text(encoding="utf-8") if item.get("file") else ""
    parent = made[(key, item["parent"])] if item.get("parent") else None
    labels = item.get("labels", [])
    with model.at(_instant(item["created"])):
        if item["type"] == "page":
            content_id = model.create_page(key, title, body, parent=parent, labels=labels, author=author)
        elif item["type"] == "blogpost":
            content_id = model.create_blogpost(key, title, body, labels=labels, author=author)
        elif item["type"] == "folder":
            content_id = model.create_folder(key, title, parent=parent, author=author)
        else:
            raise ValueError(f"{title}: an item is a page, a blogpost or a folder, not {item['type']!r}")
        for attachment in item.get("attachments", []):
            path = folder / attachment["file"]
            name = attachment.get("title") or path.name
            model.attach(content_id, name, path.read_bytes(), attachment["media_type"], author=author)
    if item.get("edited"):
        with model.at(_instant(item["edited"])):
            model.edit(content_id, author=author)
    return content_id


def _load_comment(model: Model, comment: dict[str, Any], content_id: str, above: str | None) -> None:
    body, author, selection = comment["body"], comment["author"], comment["selection"]
    with model.at(_instant(comment["created"])):
        if above is not None:
            comment_id = model.reply(above, body, author=author)
        else:
            marker = comment["marker"]
            comment_id = model.create_comment(content_id, body, selection=selection, marker=marker, author=author)
    if comment["edited"]:
        with model.at(_instant(comment["edited"])):
            model.edit_comment(comment_id, body, author=author)
    for reply in comment["replies"]:
        _load_comment(model, reply, content_id, comment_id)
    if comment["resolved"]:
        with model.at(_instant(comment["resolved"])):
            model.resolve_comment(comment_id, author=author)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
