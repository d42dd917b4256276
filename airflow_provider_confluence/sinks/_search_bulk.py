"""Writing many operations at once, and judging each by its own answer: a bulk request succeeds as a whole even when all of it failed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_confluence.errors import ConfigurationError, SinkUnavailableError
from airflow_provider_confluence.sinks._search_wire import Reply, Server, complain, error_of
from airflow_provider_confluence.sinks.base import Outcome

# Managed services take 10 MiB in one request at the least, the servers themselves 100 MB.
MAX_CHUNK_BYTES = 10_000_000
_PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0)
_NOT_NOW = (429, 500, 502, 503, 504)
_FIELD = re.compile(r"(?:field|introduction of) \[([A-Za-z0-9_.]{1,80})\]")


@dataclass(frozen=True, slots=True)
class Operation:
    """One line, or two, of a bulk request. ``key`` says for whose sake it is there."""

    key: int
    verb: str
    lines: bytes

    @staticmethod
    def index(key: int, alias: str, id_: str, version: int, source: bytes) -> Operation:
        """Return a write of a whole document that no document of a greater version stands against."""
        return Operation(key, "index", _action("index", alias, id_, version) + source + b"\n")

    @staticmethod
    def delete(key: int, alias: str, id_: str, version: int) -> Operation:
        """Return a deletion, likewise."""
        return Operation(key, "delete", _action("delete", alias, id_, version))


def _action(verb: str, alias: str, id_: str, version: int) -> bytes:
    # An equal version is taken: a task that is run again writes what it wrote.
    where = {"_index": alias, "_id": id_, "version": version, "version_type": "external_gte"}
    return json.dumps({verb: where}).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of an operation."""

    key: int
    outcome: Outcome
    reason: str = ""


def write(server: Server, operations: Iterable[Operation]) -> Iterator[Judgement]:
    """Send operations in chunks, in order, and yield what became of each. One chunk is held at a time.

    :raises SinkUnavailableError: where the server does not answer, or takes nothing now.
    :raises ConfigurationError: where an alias is gone; SinkCredentialsError and SinkAccessError as :func:`complain` has them.
    """
    chunk: list[Operation] = []
    size = 0
    for operation in operations:
        if chunk and size + len(operation.lines) > MAX_CHUNK_BYTES:
            yield from _send(server, chunk)
            chunk, size = [], 0
        chunk.append(operation)
        size += len(operation.lines)
    if chunk:
        yield from _send(server, chunk)


def _send(server: Server, chunk: Sequence[Operation]) -> Iterator[Judgement]:
    """Send one chunk, and again what was not taken for the moment, a bounded number of times."""
    for pause in (*_PAUSES_SECONDS, None):
        again: list[Operation] = []
        for operation, judgement in _judged(server, chunk):
            if judgement.outcome == "retry" and pause is not None:
                again.append(operation)
            else:
                yield judgement
        if not again:
            return
        chunk = again
        server.sleep(pause or 0.0)


def _judged(server: Server, chunk: Sequence[Operation]) -> Iterator[tuple[Operation, Judgement]]:
    reply = server.ask(
        "POST",
        "/_bulk",
        # Without it a bulk request makes the index that it does not find.
        params={"require_alias": "true"},
        lines=(operation.lines for operation in chunk),
        expect=(400, 413),
    )
    if reply.status in (400, 413):
        # One item spoiled the request, or it is too large for a proxy on the way: alone, each can be judged.
        if len(chunk) > 1:
            middle = len(chunk) // 2
            yield from _judged(server, chunk[:middle])
            yield from _judged(server, chunk[middle:])
        else:
            yield chunk[0], Judgement(chunk[0].key, "rejected", _whole_refused(reply, chunk[0]))
        return
    items = reply.body.get("items") if isinstance(reply.body, dict) else None
    if not isinstance(items, list) or len(items) != len(chunk):
        raise SinkUnavailableError(
            f"{server.where} answered {len(chunk)} operations with something else than their outcomes"
        )
    for operation, item in zip(chunk, items, strict=True):
        answer = item.get(operation.verb) if isinstance(item, dict) else None
        if not isinstance(answer, dict) or not isinstance(answer.get("status"), int):
            raise SinkUnavailableError(f"{server.where} answered operations out of order")
        yield operation, _judge(server, operation, answer)


def _whole_refused(reply: Reply, operation: Operation) -> str:
    if reply.status == 413:
        return f"{len(operation.lines)} bytes are more than the server, or a proxy before it, takes in one request"
    return f"the server cannot read it ({reply.error[0] or reply.status})"


def _judge(server: Server, operation: Operation, answer: dict[str, Any]) -> Judgement:
    status = answer["status"]
    kind, reason = error_of(answer.get("error"))
    if 200 <= status < 300:
        return Judgement(operation.key, "written")
    if status == 409:
        return Judgement(operation.key, "superseded")
    if status == 404 and operation.verb == "delete" and not kind:
        return Judgement(operation.key, "written")  # it was not there; its version is remembered all the same
    if kind == "cluster_block_exception" or status in (401, 403) or "index_not_found" in kind:
        raise complain(Reply(status, {"error": answer.get("error")}), server.where, "a write")
    if status in _NOT_NOW:
        return Judgement(operation.key, "retry", f"the server answers {status} {kind}".rstrip())
    if "no write index" in reason:
        raise ConfigurationError(f"{server.where}: the alias stands for several indexes, and must stand for one")
    # The reason may quote the text of the page; the name of a field is ours.
    field = _FIELD.search(reason)
    at = f" at field {field[1]}" if field else ""
    return Judgement(operation.key, "rejected", f"the server refuses it: {status} {kind}{at}")
