"""What stands in a queue: one write of one document, as JSON in the shape of :func:`~airflow_provider_confluence.documents.message_schema`.

A message names its owner, so that whoever drains the queue can open the sink behind it as the deployment that sent the document.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from airflow_provider_confluence.documents import Document, Tombstone, message_schema
from airflow_provider_confluence.errors import ConfigurationError
from airflow_provider_confluence.sinks.base import Owner

SCHEMA_VERSION = 1


class UnreadableMessageError(ValueError):
    """A message that can never be written. Its text says why without anything of the message's body."""


def message_id(item: Document | Tombstone) -> str:
    """Return ``<id>:<revision>``: equal for repetitions of one write."""
    return f"{item.id}:{item.revision}"


def op_of(item: Document | Tombstone) -> str:
    """Return ``upsert`` or ``delete``."""
    return "upsert" if isinstance(item, Document) else "delete"


def encode(item: Document | Tombstone, owner: Owner) -> str:
    """Return the message as JSON that every encoding of Unicode takes: a lone surrogate stands as an escape."""
    value: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "op": op_of(item),
        "id": item.id,
        "content_id": item.content_id,
        "revision": item.revision,
        "owner": {
            "datasource_id": owner.datasource_id,
            "deployment_id": owner.deployment_id,
            "site": owner.site,
        },
    }
    if isinstance(item, Document):
        value["document"] = item.to_json()
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text


def decode(body: str | bytes) -> tuple[Owner, Document | Tombstone]:
    """Return who sent a message and what it writes.

    :raises UnreadableMessageError: for what is not JSON, does not fit the schema, or contradicts itself.
    :raises ConfigurationError: without the package that checks schemas.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnreadableMessageError("it is not JSON") from error
    _check(value)
    owner = Owner(**value["owner"])
    head = (value["id"], owner.datasource_id, value["content_id"], value["revision"])
    if value["op"] == "delete":
        return owner, Tombstone(*head)
    document = Document.from_json(value["document"])
    if (document.id, document.datasource_id, document.content_id, document.revision) != head:
        raise UnreadableMessageError(
            "id, content_id, revision or datasource of its document are not those of the message"
        )
    return owner, document


def _check(value: Any) -> None:
    validator = _validator()
    from jsonschema.exceptions import best_match

    error = best_match(validator.iter_errors(value))
    if error is not None:
        # Its own message would quote the page's text, and further down the path so may the keys of properties.
        where = ".".join(str(step) for step in list(error.absolute_path)[:2]) or "its top"
        raise UnreadableMessageError(f"it does not fit the schema at {where} ({error.validator or 'not allowed'})")


@cache
def _validator() -> Any:
    try:
        from jsonschema import Draft202012Validator
    except ImportError as error:
        raise ConfigurationError(
            "messages are checked with jsonschema, which is not installed: pip install 'airflow-provider-confluence[queue]'"
        ) from error
    return Draft202012Validator(message_schema())
