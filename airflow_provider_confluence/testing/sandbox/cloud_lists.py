"""How the second REST interface of Confluence Cloud reads parameters and pages through lists."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from airflow_provider_confluence.testing.sandbox.cloud_rows import CloudRows
from airflow_provider_confluence.testing.sandbox.index import Position, sort_value
from airflow_provider_confluence.testing.sandbox.records import Item, ItemType, Viewer
from airflow_provider_confluence.testing.sandbox.web import RefusedError, Request, Response, json_response
from airflow_provider_confluence.testing.sandbox.wiki import Wiki

API = "/wiki/api/v2"
Keep = Callable[[Item], bool]


class CloudLists:
    """Parameters, cursors and pages of rows over one model."""

    def __init__(self, model: Wiki) -> None:
        self.model = model

    def _viewer(self, request: Request) -> Viewer:
        return "account" if "authorization" in request.headers else "anonymous"

    def _rows(self, request: Request) -> CloudRows:
        return CloudRows(self.model, request.origin + "/wiki")

    def _find(self, request: Request, content_id: str, type_: ItemType) -> Item:
        """Return a visible item; an absent one and a hidden one answer alike [S]."""
        item = self.model.item(content_id)
        if item is None or item.type != type_ or not self.model.is_visible(item, self._viewer(request)):
            raise absent(type_, content_id)
        return item

    # ------------------------------------------------------------------------------------ parameters
    @staticmethod
    def _limit(request: Request, default: int = 25) -> int:
        text = request.one("limit") or str(default)
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 250:
            raise bad_value("limit", text)
        return int(text)

    @staticmethod
    def _choice(request: Request, name: str, allowed: Sequence[str]) -> str | None:
        value = request.one(name)
        if value is not None and value not in allowed:
            raise bad_value(name, value)
        return value

    @staticmethod
    def _choices(request: Request, name: str, allowed: Sequence[str], default: Sequence[str]) -> list[str]:
        values = request.many(name)
        for value in values:
            if value not in allowed:
                raise bad_value(name, value)
        return values or list(default)

    @staticmethod
    def _ids(request: Request, name: str, most: int) -> list[int] | None:
        """Return a list of ids, joined by commas or repeated; more than the most is refused [S]."""
        values = request.many(name)
        if len(values) > most or not all(value.isascii() and value.isdigit() for value in values):
            raise bad_value(name, ",".join(values[:3]))
        return [int(value) for value in values] if name in request.query else None

    def _sort(self, request: Request, allowed: Sequence[str]) -> tuple[str, bool]:
        default = self.model.readings.cloud_default_sort
        value = request.one("sort") or default
        field = value.removeprefix("-")
        if field not in allowed and "sort" in request.query:
            raise bad_value("sort", value)
        return (field, value.startswith("-"))

    # ------------------------------------------------------------------------------------ paging
    def _listing(
        self,
        request: Request,
        candidates: Callable[[Position | None], Iterator[Item]],
        field: str,
        row: Callable[[Item], dict[str, Any]],
        *,
        default_limit: int = 25,
    ) -> Response:
        """Answer one part of a listing; the cursor holds where it ended (or, as a reading, how many rows there were)."""
        limit = self._limit(request, default_limit)
        cursor = _read_cursor(request.one("cursor"))
        skip = int(cursor.get("offset", 0))
        after = (cursor["value"], int(cursor["id"])) if "id" in cursor else None
        found: list[Item] = []
        for item in candidates(after):
            if skip:
                skip -= 1
                continue
            found.append(item)
            if len(found) > limit:
                break
        following: dict[str, Any] | None = None
        if len(found) > limit:
            found.pop()
            if self.model.readings.cloud_cursor == "offset":
                following = {"offset": int(cursor.get("offset", 0)) + limit}
            else:
                following = {"id": found[-1].id, "value": sort_value(found[-1], field)}
        return self._multi(request, [row(item) for item in found], following)

    def _plain_listing(
        self, request: Request, rows: Sequence[dict[str, Any]], default_limit: int = 25, *, cursor: bool = True
    ) -> Response:
        """Answer one part of a short list, by position."""
        limit = self._limit(request, default_limit)
        start = int(_read_cursor(request.one("cursor")).get("offset", 0)) if cursor else 0
        following = {"offset": start + limit} if cursor and len(rows) > start + limit else None
        return self._multi(request, list(rows[start : start + limit]), following)

    def _multi(self, request: Request, rows: list[dict[str, Any]], following: dict[str, Any] | None) -> Response:
        """Answer rows. The next address begins with ``/wiki/api/v2``, in body and ``Link`` header [S], at the gateway too [R]."""
        base = request.origin + "/wiki"
        links = {"base": base}
        header = f'<{base}>; rel="base"'
        if following is not None:
            query = [(name, value) for name, values in request.query.items() for value in values if name != "cursor"]
            address = f"{request.path}?{urlencode([*query, ('cursor', _write_cursor(following))])}"
            links = {"next": address, "base": base}
            header = f'<{address}>; rel="next", {header}'
        return json_response({"results": rows, "_links": links}, headers={"Link": header})

    def _candidates(
        self,
        request: Request,
        types: Sequence[ItemType],
        sort: tuple[str, bool],
        statuses: Sequence[str],
        *,
        space_ids: Sequence[int] | None = None,
        ids: Sequence[int] | None = None,
        keep: Keep | None = None,
    ) -> Callable[[Position | None], Iterator[Item]]:
        viewer = self._viewer(request)
        model = self.model

        def walk(after: Position | None) -> Iterator[Item]:
            field, descending = sort
            states: dict[int, Item] | None = None
            if ids is None and model.readings.cloud_list_lag_seconds:
                states = self._former_states(types, space_ids)
                order = model.index.arrange(states.values(), field)
            elif ids is not None:
                known = [item for item in (model.index.get(id_) for id_ in dict.fromkeys(ids)) if item is not None]
                chosen = (item for item in known if item.type in types)
                order = model.index.arrange(
                    (item for item in chosen if space_ids is None or item.space_id in space_ids), field
                )
            else:
                order = model.index.order(types, space_ids, field)
            for item in model.index.walk(order, descending=descending, after=after, states=states):
                if (
                    model.listed_status(item) in statuses
                    and (keep is None or keep(item))
                    and model.is_visible(item, viewer)
                ):
                    yield item

        return walk

    def _former_states(self, types: Sequence[ItemType], space_ids: Sequence[int] | None) -> dict[int, Item]:
        """Return what a list that lags knows: each item that was there, as it was then."""
        index = self.model.index
        moment = self.model.clock() - timedelta(seconds=self.model.readings.cloud_list_lag_seconds)
        items = index.walk(index.order(types, space_ids, "id"))
        found = {item.id: self.model.state_at(item, moment) for item in items}
        return {item_id: state for item_id, state in found.items() if state is not None}


def bad_value(name: str, value: str) -> RefusedError:
    return RefusedError(
        400,
        f"Provided value {{{value}}} for '{name}' is not the correct type or out of range",
        "INVALID_REQUEST_PARAMETER",
    )


def absent(type_: str, content_id: str) -> RefusedError:
    return RefusedError(404, f"Cannot find a {type_} with id '{content_id}'", "NOT_FOUND")


def _write_cursor(cursor: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(cursor, separators=(",", ":")).encode()).decode()


def _read_cursor(text: str | None) -> dict[str, Any]:
    if not text:
        return {}
    try:
        cursor = json.loads(base64.urlsafe_b64decode(text.encode()))
    except ValueError:
        raise bad_value("cursor", text) from None
    if not isinstance(cursor, dict):
        raise bad_value("cursor", text)
    return cursor
