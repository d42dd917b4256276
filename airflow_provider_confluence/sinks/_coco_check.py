"""Says whether a Coco Server can be used over a connection, for people: what is wrong, where, and what to do."""

from __future__ import annotations

import json
import re
import secrets

from airflow_provider_confluence.errors import ConfigurationError, SinkAccessError
from airflow_provider_confluence.sinks._coco_place import connector
from airflow_provider_confluence.sinks._coco_server import CocoServer, Params

_NO_JSON = b"no JSON, so nothing is written"
_OLDEST = (0, 9)


def check(server: CocoServer, connector_id: str) -> str:
    """Return the server's version where all that the sink will ask for is permitted. Cost: 12 requests. Nothing is written.

    Coco looks at the permission before it reads a body, so each write is tried with a body that is no JSON, and the delete with an id
    that nobody has.

    :raises SinkUnavailableError: where nobody answers. :raises SinkCredentialsError: where the token is refused.
    :raises SinkAccessError: naming every permission that is missing.
    :raises ConfigurationError: where something else answers, the version is older than 0.9, or the connector is somebody else's.
    """
    version = _version(server)
    nobody = f"airflow-confluence-check-{secrets.token_hex(8)}"
    # The first also finds out about the token.
    probes: list[tuple[str, str, str, bytes | None]] = [
        ("coco#datasource/read", "GET", f"/datasource/{nobody}", None),
        ("coco#datasource/create", "POST", "/datasource/", _NO_JSON),
        ("coco#datasource/update", "PUT", f"/datasource/{nobody}", _NO_JSON),
        ("coco#connector/read", "GET", f"/connector/{nobody}", None),
        ("coco#connector/create", "POST", "/connector/", _NO_JSON),
        ("coco#connector/update", "PUT", f"/connector/{nobody}", _NO_JSON),
        ("coco#document/read", "GET", f"/document/{nobody}", None),
        ("coco#document/update", "PUT", f"/document/{nobody}", _NO_JSON),
        ("coco#document/delete", "DELETE", "/document/", json.dumps([nobody]).encode()),
        ("coco#document/search", "GET", "/document/_search", None),
    ]
    missing = []
    for permission, method, path, body in probes:
        try:
            params: Params | None = {"filter": f"id:any({nobody})", "size": 1} if path.endswith("_search") else None
            server.ask(method, path, params, body, tries=1)
        except SinkAccessError:
            missing.append(permission)
    if missing:
        raise SinkAccessError(
            f"Coco Server at {server.url}: the token lacks {', '.join(missing)}; give them to the token and to its user",
            status=403,
        )
    connector(server, connector_id)
    return version


def _version(server: CocoServer) -> str:
    """Return the version; it is told without a token. :raises ConfigurationError: for one that is too old, or no Coco Server."""
    reply = server.ask("GET", "/provider/_info")
    told = reply.data.get("version")
    number = told.get("number") if isinstance(told, dict) else None
    if reply.kind != "ok" or not isinstance(number, str):
        raise ConfigurationError(
            f"GET {server.url}/provider/_info: what answers is not a Coco Server; check host, port and web.base_path"
        )
    found = re.match(r"v?(\d+)\.(\d+)", number)
    if found and (int(found[1]), int(found[2])) < _OLDEST:
        raise ConfigurationError(
            f"Coco Server at {server.url} is of version {number[:20]}; this sink needs 0.9 or newer"
        )
    return number[:20]
