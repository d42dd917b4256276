"""How a fake Coco reads requests and words answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from airflow_provider_confluence.testing.coco.store import CocoReadings, RefusedError, Source
from airflow_provider_confluence.testing.sandbox.web import Request, Response, json_response

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Caller:
    """Who asks: a user, with the permissions of the token."""

    user: str
    permissions: frozenset[str]


def now() -> str:
    """Return the present instant as Coco writes it."""
    return datetime.now(timezone.utc).isoformat()


def read_json(request: Request, fields: Mapping[str, type], *, panic: bool = False) -> dict[str, Any]:
    """Return an object of the body: fields that are not known are dropped, one of a wrong type is refused, as Go's decoder does."""
    body = decoded(request, panic=panic)
    if not isinstance(body, dict):
        raise RefusedError("json: cannot unmarshal value into Go value", panic=panic)
    kept = {name: value for name, value in body.items() if name in fields and value is not None}
    for name, value in kept.items():
        if not isinstance(value, fields[name]) or (fields[name] is int and isinstance(value, bool)):
            raise RefusedError(f"json: cannot unmarshal value into Go struct field .{name}", panic=panic)
    return kept


def decoded(request: Request, *, panic: bool = False) -> Any:
    """Return the JSON of the body, a surrogate without its other half replaced."""
    try:
        return _replaced(json.loads(request.body))
    except ValueError as error:
        raise RefusedError("invalid character looking for beginning of value", panic=panic) from error


def _replaced(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_replaced(inner) for inner in value]
    if isinstance(value, dict):
        return {_replaced(name): _replaced(inner) for name, inner in value.items()}
    return value


def checked_id(id_: str) -> str:
    """Return an id that can stand in the address of an index request, into which it is pasted as it is."""
    if not re.fullmatch(r"[A-Za-z0-9-][A-Za-z0-9_-]*", id_):
        raise RefusedError("illegal_argument_exception: invalid id")
    return id_


def is_visible(source: Source, caller: Caller) -> bool:
    """Say whether a user sees an object: their own, and what a setup made."""
    return source["_system"]["owner_id"] in (caller.user, "system")


def must_own(source: Source, caller: Caller) -> None:
    """Refuse who does not own an object."""
    if source["_system"]["owner_id"] != caller.user:
        raise RefusedError("access denied")


def created(id_: str) -> Response:
    return json_response({"_id": id_, "result": "created"})


def updated(id_: str) -> Response:
    return json_response({"_id": id_, "result": "updated"})


def deleted(id_: str) -> Response:
    return json_response({"_id": id_, "result": "deleted"})


def found(id_: str, source: Source) -> Response:
    return json_response({"found": True, "_id": id_, "_source": source})


def not_found(id_: str) -> Response:
    return json_response({"_id": id_, "found": False}, 404)


def refusal(error: RefusedError, readings: CocoReadings) -> Response:
    """Return an error in one of the two shapes."""
    if error.document is not None:
        return json_response(error.document, error.status)
    panic = error.panic if readings.error_shape == "mixed" else readings.error_shape == "panic"
    if not panic or error.status != 500:
        return json_response({"status": error.status, "error": {"reason": error.reason}}, error.status)
    body = json.dumps({"error": {"status": error.status, "reason": error.reason}}).encode()
    return Response(error.status, body, {"Content-Type": "text/plain; charset=utf-8"})
