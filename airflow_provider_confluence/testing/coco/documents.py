"""Documents of a fake Coco: single writes, deletes by list, and what a reader gets."""

from __future__ import annotations

import json
import secrets
from typing import Any

from airflow_provider_confluence.testing.coco import searching
from airflow_provider_confluence.testing.coco.store import RefusedError, Source, Store
from airflow_provider_confluence.testing.coco.wording import (
    Caller,
    checked_id,
    created,
    decoded,
    deleted,
    found,
    is_visible,
    must_own,
    not_found,
    now,
    read_json,
    updated,
)
from airflow_provider_confluence.testing.sandbox.web import Request, Response, json_response

_TEXTS = (
    *("id", "created", "updated", "type", "category", "subcategory", "title", "summary", "lang", "content", "icon"),
    *("thumbnail", "cover", "url"),
)
_FIELDS: dict[str, type] = {
    **dict.fromkeys(_TEXTS, str),
    **dict.fromkeys(("_system", "metadata", "payload", "source", "owner", "last_updated_by", "ai_insights"), dict),
    **dict.fromkeys(("categories", "rich_categories", "document_chunk", "attachments", "tags"), list),
    "size": int,
    "disabled": bool,
    "processed": bool,
}
INDEX = "coco_document-v2"


class Documents:
    """Handlers of ``/document/`` and of ``/datasource/:id/_doc``, called with the store's lock held."""

    def __init__(self, store: Store) -> None:
        self.store = store

    # ------------------------------------------------------------------------------------ writing
    def create(self, request: Request, caller: Caller) -> Response:
        body = read_json(request, _FIELDS)
        return self._create(body, body.get("id"), caller)

    def create_in(self, request: Request, caller: Caller, datasource_id: str, document_id: str = "") -> Response:
        """Create a document of a datasource, whose ``source`` Coco fills in."""
        datasource = self.store.datasources.get(datasource_id)
        if datasource is None or not is_visible(datasource, caller):
            raise RefusedError("invalid datasource", panic=True)
        body = read_json(request, _FIELDS)
        body["source"] = {"id": datasource_id, "type": "connector", "name": datasource.get("name")}
        return self._create(body, document_id or body.get("id"), caller)

    def _create(self, body: dict[str, Any], document_id: str | None, caller: Caller) -> Response:
        id_ = checked_id(document_id or secrets.token_hex(10))
        if self.store.get(id_) is not None:
            raise RefusedError(f"version_conflict_engine_exception: [{id_}]: document already exists")
        times = {"created": now(), "updated": now()}
        self.store.put(id_, {**body, "id": id_, **times, "_system": self._system(body, caller)})
        self.store.refresh()
        return created(id_)

    def put(self, request: Request, caller: Caller, document_id: str) -> Response:
        """Replace a document or make it; ``created`` and ``_system`` of one that is there stay, ``updated`` is always now."""
        body = read_json(request, _FIELDS)
        stored = self.store.get(checked_id(document_id))
        if stored is not None:
            must_own(stored, caller)
            kept = {"created": stored["created"], "_system": stored["_system"]}
        else:
            kept = {"created": body.get("created") or now(), "_system": self._system(body, caller)}
        self.store.put(document_id, {**body, "id": document_id, **kept, "updated": now()})
        return updated(document_id)

    def _system(self, body: dict[str, Any], caller: Caller) -> dict[str, Any]:
        given = (body.get("_system") or {}) if self.store.readings.takes_parent_path else {}
        return {**given, "owner_id": caller.user}

    def delete(self, _request: Request, caller: Caller, document_id: str) -> Response:
        stored = self.store.get(document_id)
        if stored is None:
            raise RefusedError("failed to delete, object was not found")
        must_own(stored, caller)
        self.store.remove(document_id)
        return deleted(document_id)

    def delete_many(self, request: Request, caller: Caller) -> Response:
        """Delete, of the documents that searches see, those of the list that the caller owns; the others are passed over in silence."""
        ids = decoded(request)
        if not isinstance(ids, list) or not all(isinstance(id_, str) for id_ in ids):
            raise RefusedError("json: cannot unmarshal value into Go value of type []string")
        if not ids:
            raise RefusedError("document ids can not be empty", 400)
        seen = self.store.searched()
        for id_ in ids:
            if id_ in seen and seen[id_]["_system"]["owner_id"] == caller.user and self.store.get(id_) is not None:
                self.store.remove(id_)
        if self.store.readings.batch_delete_refreshes:
            self.store.refresh()
        return json_response({"acknowledged": True})

    # ------------------------------------------------------------------------------------ reading
    def get(self, request: Request, caller: Caller, document_id: str) -> Response:
        stored = self.store.get(document_id)
        if stored is None or not is_visible(stored, caller):
            return not_found(document_id)
        return found(document_id, self._refined(stored, request.origin))

    def raw_content(self, _request: Request, caller: Caller, document_id: str, **_: str) -> Response:
        """Say where a document really is: the only way to read its address back."""
        stored = self.store.get(document_id)
        if stored is None or not is_visible(stored, caller):
            return not_found(document_id)
        if not stored.get("url"):
            raise RefusedError("document has no URL", 400)
        return json_response({"url": stored["url"]}, headers={"X-Document-Redirect": "true"})

    def list_documents(self, request: Request, caller: Caller) -> Response:
        """Answer the management list: conditions of ``filter``, and of the path where the connector has a tree."""
        conditions = searching.filters(request)
        sources = searching.filtered_ids(request, "source.id")
        tree = False
        if len(sources) == 1:
            datasource = self.store.datasources.get(str(sources[0][0]))
            if datasource is None:
                raise RefusedError("record not found", panic=True)
            connector = self.store.connectors.get((datasource.get("connector") or {}).get("id", ""), {})
            tree = bool(connector.get("path_hierarchy"))
        path = self._path(request)
        if (tree and request.one("view") != "list") or path != "/":
            conditions.append(lambda source: source["_system"].get("parent_path") == path)
        return self._page(request, caller, conditions, lambda _: 0.0)

    @staticmethod
    def _path(request: Request) -> str:
        given = request.one("path")
        if not given:
            return "/"
        try:
            steps = json.loads(given)
        except ValueError as error:
            raise RefusedError("invalid character in path", panic=True) from error
        return "/" + "".join(f"{step}/" for step in steps)

    def query(self, request: Request, caller: Caller) -> Response:
        """Answer a keyword search, as people see it: nothing of a datasource that is not enabled."""
        query = request.one("query") or ""
        if not query.strip() and not request.query.get("filter"):
            return json_response(searching.answer(request, [], INDEX))
        conditions = searching.filters(request)
        hidden = {id_ for id_, datasource in self.store.datasources.items() if not datasource.get("enabled")}
        conditions.append(lambda source: (source.get("source") or {}).get("id") not in hidden)
        wanted = request.many("datasource")
        if wanted:
            conditions.append(lambda source: (source.get("source") or {}).get("id") in wanted)
        for name in ("category", "subcategory"):
            if request.one(name):
                conditions.append(lambda source, name=name: source.get(name) == request.one(name))  # type: ignore[misc]
        return self._page(request, caller, conditions, lambda source: searching.keyword_score(source, query))

    def _page(self, request: Request, caller: Caller, conditions: list[Any], score: Any) -> Response:
        searching_words = bool(request.one("query"))
        hits = []
        for id_, source in self.store.searched().items():
            if is_visible(source, caller) and all(holds(source) for holds in conditions):
                value = score(source)
                if value or not searching_words:
                    hits.append((id_, value, self._refined(source, request.origin)))
        if searching_words and not request.one("sort"):
            hits.sort(key=lambda hit: -hit[1])
        return json_response(searching.answer(request, hits, INDEX))

    def _refined(self, source: Source, origin: str) -> Source:
        """Return a document as readers get it: its address leads to Coco's preview, its icon is resolved."""
        id_, reference = source["id"], source.get("source") or {}
        datasource = self.store.datasources.get(reference.get("id", ""), {})
        connector = self.store.connectors.get((datasource.get("connector") or {}).get("id", ""), {})
        icons = (connector.get("assets") or {}).get("icons") or {}
        icon = source.get("icon") or "default"
        return {
            **source,
            "url": f"{origin}/#/preview/document/{id_}",
            "icon": icons.get(icon, icon),
            "source": {**reference, "icon": datasource.get("icon") or connector.get("icon")},
            "metadata": {**(source.get("metadata") or {}), "raw_content": f"{origin}/document/{id_}/raw_content/{id_}"},
        }
