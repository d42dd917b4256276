"""The connector and the datasource that documents stand under in Coco Server: made once, left alone when right, mended when wrong."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from airflow_provider_confluence.errors import ConfigurationError, OwnershipError, SinkUnavailableError
from airflow_provider_confluence.sinks._coco_documents import ICONS, coco_datasource_id
from airflow_provider_confluence.sinks._coco_server import CocoServer, Reply
from airflow_provider_confluence.sinks.base import Owner

_log = logging.getLogger(__name__)

MANAGER = "airflow-provider-confluence"
DEFAULT_CONNECTOR = "airflow_confluence"
_ICON = "/assets/icons/connector/confluence/icon.png"  # Coco serves it for its own connector
_ICON_URLS = {**dict.fromkeys(ICONS, _ICON), "folder": "font_filetype-folder"}
_KEPT_BY_COCO = ("id", "created", "updated", "_system")


class Place:
    """Where the documents of one datasource go.

    The owner record is in ``connector.config`` of Coco's datasource, beside ``managed_by``. The Confluence token is not.

    :param owner: who may write them.
    :param connector_id: our own connector, which several datasources share.
    """

    def __init__(self, server: CocoServer, owner: Owner, connector_id: str) -> None:
        self.id = coco_datasource_id(owner.datasource_id)
        self._server = server
        self._owner = owner
        self._connector_id = connector_id

    def open(self, *, adopt: bool) -> None:
        """Make both where they are missing, and mend them. Cost: 2 requests, 2 more at the first time.

        :raises OwnershipError: where the datasource is another deployment's, another site's or of Coco's own making, unless ``adopt``.
        :raises ConfigurationError: where the connector is somebody else's, or one of the two belongs to another user of Coco.
        """
        self._open_connector()
        self._open_datasource(adopt=adopt)

    def confirm(self, name: str | None) -> None:
        """Return where the datasource is there and still ours, with its name brought up to date. Cost: 1 request, 2 with a new name.

        A name that somebody gave it in Coco stays.

        :param name: the datasource's name, ``None`` where it is not known.
        :raises OwnershipError: when another deployment has adopted it. :raises SinkUnavailableError: when it is gone.
        """
        reply = self._get_datasource()
        if reply is None:
            raise SinkUnavailableError(
                f"datasource {self.id} of Coco Server at {self._server.url} was deleted, with its documents; the next try makes it anew, "
                "and a run with mode=verify fills it again"
            )
        config = _config(reply)
        if not self._is_ours(config):
            raise OwnershipError(
                f"another deployment has adopted the documents of datasource {self._owner.datasource_id} in Coco Server "
                f"at {self._server.url}"
            )
        if name and name != reply.get("name") and reply.get("name") == config.get("name"):
            self._save(reply, name)

    # ------------------------------------------------------------------------------------ the connector
    def _open_connector(self) -> None:
        stored = connector(self._server, self._connector_id)
        if stored is None:
            reply = self._server.ask("POST", "/connector/", body=_json(_new_connector(self._connector_id)))
            if reply.kind == "ok":
                return
            stored = connector(self._server, self._connector_id) if reply.kind == "conflict" else None
            if stored is None:
                raise (
                    self._hidden("connector", self._connector_id, "sink.connector_id")
                    if (reply.kind == "conflict")
                    else self._server.unexpected(reply, f"connector {self._connector_id}")
                )
        icons = (stored.get("assets") or {}).get("icons") or {}
        on = bool((stored.get("processor") or {}).get("enabled"))
        if not on and icons.keys() >= _ICON_URLS.keys():
            return
        _log.info("mending connector %s of Coco Server at %s", self._connector_id, self._server.url)
        # Coco saves the body whole: what an admin changed must be in it.
        body = {name: value for name, value in stored.items() if name not in _KEPT_BY_COCO}
        body["processor"] = {**(stored.get("processor") or {}), "enabled": False}
        body["assets"] = {**(stored.get("assets") or {}), "icons": {**_ICON_URLS, **icons}}
        reply = self._server.ask("PUT", f"/connector/{self._connector_id}", body=_json(body))
        if reply.kind != "ok":
            raise self._server.unexpected(reply, f"connector {self._connector_id}")

    # ------------------------------------------------------------------------------------ the datasource
    def _open_datasource(self, *, adopt: bool) -> None:
        stored = self._get_datasource()
        if stored is None:
            name = self._owner.datasource_id
            body = {"id": self.id, "type": "connector", "name": name, **self._settings({}, name)}
            # A POST never replaces: of two deployments that come at once, one finds the other's.
            reply = self._server.ask("POST", "/datasource/", body=_json(body))
            if reply.kind == "ok":
                return
            if reply.kind != "conflict":
                raise self._server.unexpected(reply, f"datasource {self.id}")
            stored = self._get_datasource()
            if stored is None:
                raise self._hidden("datasource", self.id, "the datasource's id")
        if stored.get("type") != "connector":
            raise ConfigurationError(
                f"datasource {self.id} of Coco Server at {self._server.url} is of another type than connector; choose another id"
            )
        config = _config(stored)
        if not self._is_ours(config):
            if not adopt and self._is_taken(stored, config):
                raise self._taken(stored, config)
        elif stored.get("enabled") is True and not (stored.get("sync") or {}).get("enabled"):
            return
        _log.info("mending datasource %s of Coco Server at %s", self.id, self._server.url)
        self._save(stored, str(config.get("name") or stored.get("name") or self._owner.datasource_id), rename=False)

    def _get_datasource(self) -> Mapping[str, Any] | None:
        reply = self._server.ask("GET", f"/datasource/{self.id}")
        if reply.kind not in ("ok", "absent"):
            raise self._server.unexpected(reply, f"datasource {self.id}")
        return _source(reply)

    def _save(self, stored: Mapping[str, Any], name: str, *, rename: bool = True) -> None:
        """Write our settings over what is stored. Coco merges, but reads flags that are left out as off: so all goes back."""
        body = {key: value for key, value in stored.items() if key not in _KEPT_BY_COCO}
        reply = self._server.ask(
            "PUT",
            f"/datasource/{self.id}",
            body=_json({**body, **({"name": name} if rename else {}), **self._settings(stored, name)}),
        )
        if reply.kind != "ok":
            raise self._server.unexpected(reply, f"datasource {self.id}")

    def _settings(self, stored: Mapping[str, Any], name: str) -> dict[str, Any]:
        owner = self._owner
        record = {"managed_by": MANAGER, "datasource_id": owner.datasource_id, "name": name}
        record |= {"deployment_id": owner.deployment_id, "site": owner.site}
        return {
            "enabled": True,  # else no search shows the documents
            "sync": {**(stored.get("sync") or {}), "enabled": False},  # else Coco would fetch from Confluence too
            "connector": {"id": self._connector_id, "config": {**_config(stored), **record}},
        }

    def _is_ours(self, config: Mapping[str, Any]) -> bool:
        owner = self._owner
        wanted = (MANAGER, owner.datasource_id, owner.deployment_id, owner.site)
        return tuple(config.get(key) for key in ("managed_by", "datasource_id", "deployment_id", "site")) == wanted

    def _is_taken(self, stored: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
        """Say whether somebody else has it: another owner, or another connector than ours."""
        return "managed_by" in config or (stored.get("connector") or {}).get("id") != self._connector_id

    def _taken(self, stored: Mapping[str, Any], config: Mapping[str, Any]) -> OwnershipError:
        id_ = self._owner.datasource_id
        if config.get("managed_by") == MANAGER:
            whose = f"belongs to deployment {config.get('deployment_id')} reading {config.get('site')}"
        else:
            whose = f"is of connector {str((stored.get('connector') or {}).get('id'))[:100]!r}, not of ours"
        return OwnershipError(
            f"datasource {self.id} of Coco Server at {self._server.url} {whose}; this is deployment {self._owner.deployment_id} reading "
            f"{self._owner.site}. Give the datasource another id, or take it over, which switches Coco's own sync of it off, with: "
            f"airflow-confluence adopt {id_}"
        )

    def _hidden(self, what: str, id_: str, change: str) -> ConfigurationError:
        return ConfigurationError(
            f"Coco Server at {self._server.url} has a {what} {id_} that the user of this token does not see: use a token of the user who "
            f"made it, or change {change}"
        )


def connector(server: CocoServer, connector_id: str) -> Mapping[str, Any] | None:
    """Return our connector as it is stored, ``None`` where there is none that the token's user sees.

    :raises ConfigurationError: where it is built in, or runs something of Coco's: saving ours over it would stop that.
    """
    reply = server.ask("GET", f"/connector/{connector_id}")
    if reply.kind not in ("ok", "absent"):
        raise server.unexpected(reply, f"connector {connector_id}")
    stored = _source(reply)
    if stored is not None and (stored.get("builtin") or (stored.get("config") or {}).get("managed_by") != MANAGER):
        raise ConfigurationError(
            f"sink.connector_id: connector {connector_id} of Coco Server at {server.url} is not of our making; name one of your own, "
            f"such as {DEFAULT_CONNECTOR}, and the first run makes it"
        )
    return stored


def _new_connector(connector_id: str) -> dict[str, Any]:
    return {
        "id": connector_id,
        "name": "Confluence (Airflow)",
        "description": "Confluence spaces, pushed by airflow-provider-confluence. Coco Server fetches nothing by itself.",
        "category": "website",
        "icon": _ICON,
        "tags": ["wiki", "confluence", "airflow"],
        "path_hierarchy": True,
        "assets": {"icons": _ICON_URLS},
        "config": {"managed_by": MANAGER},
        "processor": {"enabled": False, "name": ""},
    }


def _config(stored: Mapping[str, Any]) -> Mapping[str, Any]:
    found = (stored.get("connector") or {}).get("config")
    return found if isinstance(found, dict) else {}


def _source(reply: Reply) -> Mapping[str, Any] | None:
    found = reply.data.get("_source")
    return found if reply.kind == "ok" and isinstance(found, dict) else None


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
