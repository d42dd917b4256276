"""Connectors and datasources of a fake Coco."""

from __future__ import annotations

import copy
import secrets
from typing import Any

from airflow_provider_confluence.testing.coco.store import RefusedError, Source, Store
from airflow_provider_confluence.testing.coco.wording import (
    Caller,
    checked_id,
    created,
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

_CONNECTOR_FIELDS = {
    **dict.fromkeys(("id", "created", "name", "description", "category", "icon", "url"), str),
    "tags": list,
    "path_hierarchy": bool,
    "assets": dict,
    "builtin": bool,
    "config": dict,
    "processor": dict,
    "oauth_connect_implemented": bool,
    "_system": dict,
    "metadata": dict,
    "payload": dict,
}
_DATASOURCE_FIELDS = {
    **dict.fromkeys(("id", "created", "type", "name", "description", "icon", "category"), str),
    "tags": list,
    "connector": dict,
    "sync": dict,
    "enabled": bool,
    "enrichment_pipeline": dict,
    "webhook": dict,
    "document_processing_config": dict,
    "_system": dict,
    "metadata": dict,
    "payload": dict,
}
BUILTIN: Source = {
    "id": "confluence",
    "name": "Confluence wiki Connector",
    "category": "website",
    "icon": "/assets/icons/connector/confluence/icon.png",
    "tags": ["wiki", "storage", "docs", "web"],
    "assets": {"icons": {"default": "/assets/icons/connector/confluence/icon.png"}},
    "builtin": True,
    "processor": {"enabled": True, "name": "confluence"},
    "_system": {"owner_id": "system"},
}
"""The native connector, as a setup seeds it."""


class Objects:
    """Handlers of ``/connector/`` and ``/datasource/``, called with the store's lock held."""

    def __init__(self, store: Store) -> None:
        self.store = store
        store.connectors["confluence"] = copy.deepcopy(BUILTIN)

    # ------------------------------------------------------------------------------------ connectors
    def create_connector(self, request: Request, caller: Caller) -> Response:
        body = read_json(request, _CONNECTOR_FIELDS, panic=True)
        id_ = checked_id(body.pop("id", None) or secrets.token_hex(10))
        if id_ in self.store.connectors:
            raise RefusedError(f"version_conflict_engine_exception: [{id_}]: document already exists", panic=True)
        self.store.connectors[id_] = _connector(id_, body, caller, {})
        return created(id_)

    def replace_connector(self, request: Request, caller: Caller, connector_id: str) -> Response:
        """Save the whole body, whatever ``replace`` says; that only decides whether an absent one is made."""
        body = read_json(request, _CONNECTOR_FIELDS, panic=True)
        stored = self.store.connectors.get(connector_id)
        if stored is None or not is_visible(stored, caller):
            if request.one("replace") != "true":
                return json_response({"_id": connector_id, "result": "not_found"}, 404)
            if stored is not None:
                raise RefusedError("access denied", panic=True)
        elif request.one("replace") != "true":
            must_own(stored, caller)
        keep = {} if request.one("replace") == "true" else stored or {}
        self.store.connectors[checked_id(connector_id)] = _connector(connector_id, body, caller, keep)
        return updated(connector_id)

    def get_connector(self, _request: Request, caller: Caller, connector_id: str) -> Response:
        stored = self.store.connectors.get(connector_id)
        return found(connector_id, stored) if stored and is_visible(stored, caller) else not_found(connector_id)

    def delete_connector(self, _request: Request, caller: Caller, connector_id: str) -> Response:
        stored = self.store.connectors.get(connector_id)
        if stored is None:
            return json_response({"_id": connector_id, "result": "not_found"}, 404)
        if stored.get("builtin"):
            raise RefusedError("built-in connectors cannot be deleted", 403)
        must_own(stored, caller)
        del self.store.connectors[connector_id]
        return deleted(connector_id)

    # ------------------------------------------------------------------------------------ datasources
    def create_datasource(self, request: Request, caller: Caller) -> Response:
        body = read_json(request, _DATASOURCE_FIELDS, panic=True)
        if body.get("type") != "connector" or not body.get("name"):
            raise RefusedError("invalid datasource", panic=True)
        if (body.get("connector") or {}).get("id") not in self.store.connectors:
            raise RefusedError("invalid connector", panic=True)
        id_ = checked_id(body.pop("id", None) or secrets.token_hex(10))
        if id_ in self.store.datasources:
            raise RefusedError(f"version_conflict_engine_exception: [{id_}]: document already exists", panic=True)
        self.store.datasources[id_] = {
            "id": id_,
            "created": now(),
            "updated": now(),
            **_with_flags(body),
            "_system": {"owner_id": caller.user},
        }
        return created(id_)

    def update_datasource(self, request: Request, caller: Caller, datasource_id: str) -> Response:
        """Merge the body into what is stored, level by level: a key that is left out stays, but for the two flags."""
        body = read_json(request, _DATASOURCE_FIELDS, panic=True)
        stored = self.store.datasources.get(datasource_id)
        if stored is not None and not is_visible(stored, caller):
            raise RefusedError("access denied", panic=True)
        if stored is None:
            if request.one("replace") != "true":
                raise RefusedError("failed to update, object was not found", panic=True)
            stored = {"id": checked_id(datasource_id), "created": now(), "_system": {"owner_id": caller.user}}
        kept = {name: value for name, value in body.items() if name not in ("id", "created", "_system")}
        merged = _merged(stored, _with_flags(kept))
        self.store.datasources[datasource_id] = {**merged, "updated": now()}
        return updated(datasource_id)

    def get_datasource(self, _request: Request, caller: Caller, datasource_id: str) -> Response:
        """Return it as it is stored: secrets of ``connector.config`` are masked in lists only."""
        stored = self.store.datasources.get(datasource_id)
        return found(datasource_id, stored) if stored and is_visible(stored, caller) else not_found(datasource_id)

    def delete_datasource(self, _request: Request, caller: Caller, datasource_id: str) -> Response:
        """Delete it and its documents."""
        stored = self.store.datasources.get(datasource_id)
        if stored is None:
            raise RefusedError("failed to delete, object was not found", panic=True)
        must_own(stored, caller)
        del self.store.datasources[datasource_id]
        for document_id, source in self.store.written().items():
            if (source.get("source") or {}).get("id") == datasource_id:
                self.store.remove(document_id)
        return deleted(datasource_id)

    def list_datasources(self, _request: Request, caller: Caller) -> Response:
        hits = []
        for id_, stored in self.store.datasources.items():
            if is_visible(stored, caller):
                shown = copy.deepcopy(stored)
                config = (shown.get("connector") or {}).get("config") or {}
                config |= {name: "******" for name in config if name in ("token", "password", "secret")}
                hits.append({"_id": id_, "_source": shown})
        return json_response({"hits": {"total": {"value": len(hits), "relation": "eq"}, "hits": hits}})


def _connector(id_: str, body: dict[str, Any], caller: Caller, keep: Source) -> Source:
    return {
        "id": id_,
        "created": keep.get("created") or now(),
        "updated": now(),
        **{name: value for name, value in body.items() if name not in ("created", "_system")},
        "path_hierarchy": bool(body.get("path_hierarchy")),
        "builtin": bool(keep.get("builtin")),
        "oauth_connect_implemented": bool(keep.get("oauth_connect_implemented")),
        "processor": {"enabled": False, "name": "", **(body.get("processor") or {})},
        "_system": keep.get("_system") or {"owner_id": caller.user},
    }


def _with_flags(body: dict[str, Any]) -> dict[str, Any]:
    """Write out what is always written: a flag that is left out is off."""
    return {
        **body,
        "enabled": bool(body.get("enabled")),
        "sync": {**(body.get("sync") or {}), "enabled": bool((body.get("sync") or {}).get("enabled"))},
        "webhook": {**(body.get("webhook") or {}), "enabled": bool((body.get("webhook") or {}).get("enabled"))},
    }


def _merged(stored: Any, change: Any) -> Any:
    if not isinstance(stored, dict) or not isinstance(change, dict):
        return copy.deepcopy(change)
    return {**stored, **{name: _merged(stored.get(name), value) for name, value in change.items()}}
