"""What Coco Server's management list says of documents: which of some ids it holds, and all of a datasource.

Conditions are those of framework ``core/orm/query_args_parser.go``: several ``filter`` parameters must all hold. ``view=list`` because a
connector with a tree shows one level otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_confluence.documents import document_id
from airflow_provider_confluence.errors import ConfigurationError, SinkUnavailableError
from airflow_provider_confluence.sinks._coco_server import CocoServer, Params, Reply
from airflow_provider_confluence.sinks.base import InventoryItem

IDS_PER_REQUEST = 100  # 3,300 characters: proxies take 8,000 in an address
_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Stored:
    """What Coco holds of a document: our revision (0 for one that is not ours) and its place, ``None`` where that is not known."""

    revision: int
    parent_path: str | None


def stored(server: CocoServer, ids: Sequence[str]) -> dict[str, Stored]:
    """Return what searches show of these ids. Cost: 1 request for 100.

    :raises ConfigurationError: where the answer has others than these.
    """
    found: dict[str, Stored] = {}
    for start in range(0, len(ids), IDS_PER_REQUEST):
        asked = ids[start : start + IDS_PER_REQUEST]
        params: Params = {
            "filter": f"id:any({','.join(asked)})",
            "view": "list",
            "size": len(asked),
            "_source_includes": "id,metadata.revision,metadata.parent_path",
        }
        hits, _ = _hits(server, server.ask("GET", "/document/_search", params))
        for hit in hits:
            metadata = _metadata(hit)
            path = metadata.get("parent_path")
            found[str(hit.get("_id"))] = Stored(_revision(metadata), path if isinstance(path, str) else None)
    if not found.keys() <= set(ids):
        raise ConfigurationError(f"Coco Server at {server.url} does not look documents up by id as it should")
    return found


def inventory(server: CocoServer, source_id: str, datasource_id: str) -> Iterator[InventoryItem]:
    """Yield every document of a datasource, by id. Cost: 1 request for 1,000 documents.

    Pages go on behind the last id, for Coco shows no more than 10,000 by number. Revision 0 is a document of Coco's own connector; what
    has another id than its Confluence id gives is of neither, and left out.

    :param source_id: the id of Coco's datasource. :param datasource_id: ours.
    :raises SinkUnavailableError: when the list ends before the number of documents that it told itself.
    :raises ConfigurationError: when the pages do not go on as they should: this server's list cannot be relied on.
    """
    last, seen, total = "", 0, None
    while True:
        params: Params = {
            "filter": [f"source.id:any({source_id})", *([f"id>{last}"] if last else [])],
            "view": "list",
            "sort": "id:asc",
            "size": _PAGE,
            "_source_includes": "id,metadata.confluence_id,metadata.revision",
        }
        hits, counted = _hits(server, server.ask("GET", "/document/_search", params))
        total = counted if not last else total
        for hit in hits:
            id_ = str(hit.get("_id"))
            if id_ <= last:
                raise ConfigurationError(
                    f"Coco Server at {server.url} does not list documents in the order of their ids: what it holds cannot be told"
                )
            last = id_
            seen += 1
            metadata = _metadata(hit)
            content_id = str(metadata.get("confluence_id") or "")
            if id_ == document_id(datasource_id, content_id):
                yield InventoryItem(id_, content_id, _revision(metadata))
        if len(hits) < _PAGE:
            break
    if total is not None and seen < total:
        raise SinkUnavailableError(f"Coco Server at {server.url} listed {seen} documents of {total} and stopped")


def _hits(server: CocoServer, reply: Reply) -> tuple[list[Mapping[str, Any]], int | None]:
    """Return the hits of a search, and how many there are in all where that is exact."""
    hits = reply.data.get("hits")
    if reply.kind != "ok" or not isinstance(hits, dict):
        raise server.unexpected(reply, "the list of documents")
    total = hits.get("total")
    exact = isinstance(total, dict) and total.get("relation") == "eq"
    count = total.get("value") if isinstance(total, dict) and exact else None
    return [hit for hit in hits.get("hits") or () if isinstance(hit, dict)], count if isinstance(count, int) else None


def _metadata(hit: Mapping[str, Any]) -> Mapping[str, Any]:
    found = (hit.get("_source") or {}).get("metadata")
    return found if isinstance(found, dict) else {}


def _revision(metadata: Mapping[str, Any]) -> int:
    found = metadata.get("revision")
    return found if isinstance(found, int) else 0
