"""How the indexes of the search engines look, and how they come to be.

Three names belong to a destination. ``<alias>`` is what people search: an alias of one index, ``<alias>-000001`` or, after a rebuild,
``<alias>-<revision>``. ``<alias>-control`` holds owners and tombstones. ``<alias>-rebuild`` is there while a rebuild fills a new index.

The layout is part of the request that makes an index. A template would need a right over the whole cluster, and those of ``docs`` and
``docs-public`` would overlap; all that it could do is to give a layout to indexes that are made by accident, and since every write demands
an alias, none is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_confluence.errors import ConfigurationError
from airflow_provider_confluence.sinks._search_wire import Server

# While a server remembers a deleted version, a write that is held up on its way is refused by the index itself.
GC_DELETES = "12h"
# A term has 32,766 bytes at most, and a longer one would have its document refused; 8,191 characters are never more.
_LONGEST_TERM = 8191

LEVELS = "permission_levels"
"""The field by which who may read is filtered, besides the fields of the published schema."""

_KEYWORD: Mapping[str, Any] = {"type": "keyword", "ignore_above": _LONGEST_TERM}
_STORED: Mapping[str, Any] = {"type": "keyword", "index": False, "doc_values": False}
_DATE: Mapping[str, Any] = {"type": "date", "ignore_malformed": True}
_CJK: Mapping[str, Any] = {"cjk": {"type": "text", "analyzer": "cjk", "index_options": "offsets"}}
_TITLE: Mapping[str, Any] = {"type": "text", "fields": {"keyword": _KEYWORD, **_CJK}}
_TEXT: Mapping[str, Any] = {"type": "text", "index_options": "offsets", "fields": _CJK}


def _object(**fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"properties": fields}


def document_fields(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a document: those of the published schema, and :data:`LEVELS`.

    :param flat: the type of a field that takes any names: ``flattened`` or ``flat_object``.
    """
    step = _object(id=_KEYWORD, title=_TITLE, url=_STORED)
    person = _object(id=_KEYWORD, name=_TITLE)
    return {
        "id": _KEYWORD,
        "schema_version": {"type": "integer"},
        "datasource": _object(id=_KEYWORD, name=_KEYWORD),
        "content_id": _KEYWORD,
        "revision": {"type": "long"},
        "type": _KEYWORD,
        "status": _KEYWORD,
        "title": _TITLE,
        "content": _TEXT,
        "summary": {"type": "text"},
        "url": _STORED,
        "space": _object(id=_KEYWORD, key=_KEYWORD, name=_TITLE),
        "parent_id": _KEYWORD,
        "ancestors": step,
        "container": step,
        "labels": _KEYWORD,
        "created": _DATE,
        "updated": _DATE,
        "creator": person,
        "last_editor": person,
        "source_version": {"type": "long"},
        "language": _KEYWORD,
        "media_type": _KEYWORD,
        "size_bytes": {"type": "long"},
        "outline": _object(level={"type": "byte"}, text={"type": "text"}),
        "chunks": _object(
            text=_TEXT,
            headings=_KEYWORD,
            position={"type": "integer"},
            start={"type": "integer"},
            end={"type": "integer"},
            oversized={"type": "boolean"},
        ),
        "links": _object(url=_STORED, title={"type": "text"}, content_id=_KEYWORD),
        "properties": dict(flat),
        "permissions": _KEYWORD,
        # A level is a document of its own to the server: a query then asks of each level, and not of all levels as one list.
        LEVELS: {"type": "nested", **_object(principals=_KEYWORD)},
        "extraction": _object(outcome=_KEYWORD, warnings=_KEYWORD),
    }


_CONTROL_FIELDS = {
    "kind": {"type": "keyword"},
    "datasource_id": {"type": "keyword"},
    "content_id": {"type": "keyword"},
    "revision": {"type": "long"},
    "deployment_id": {"type": "keyword"},
    "site": {"type": "keyword"},
    "index": {"type": "keyword"},
}


class Layout:
    """The names and shapes of one destination.

    :param shards: primary shards of an index that is made, ``None`` for the server's default; ``replicas`` likewise.
    """

    def __init__(self, alias: str, flat: Mapping[str, Any], *, shards: int | None, replicas: int | None) -> None:
        self.alias = alias
        self.control = f"{alias}-control"
        self.rebuild = f"{alias}-rebuild"
        self._shards = shards
        self._replicas = replicas
        self._fields = document_fields(flat)

    def ensure(self, server: Server) -> None:
        """Make what is missing, and refuse what is not as it must be. 2 requests where everything is there."""
        self._ensure(server, self.alias, f"{self.alias}-000001", self._fields, self._shards, made="30s")
        self._ensure(server, self.control, f"{self.control}-000001", _CONTROL_FIELDS, 1, made="-1")

    def ensure_new(self, server: Server, index: str) -> None:
        """Make the index that a rebuild fills, where it is missing."""
        self._ensure(server, self.rebuild, index, self._fields, self._shards, made="30s")

    def _ensure(
        self, server: Server, alias: str, index: str, fields: dict[str, Any], shards: int | None, *, made: str
    ) -> None:
        found = self.found(server, alias)
        if found is None:
            body = {
                "aliases": {alias: {}},
                "settings": {"index": self._settings(shards) | {"refresh_interval": made}},
                "mappings": {"dynamic": "strict", "properties": fields},
            }
            reply = server.ask("PUT", f"/{index}", body=body, expect=(400,))
            if reply.status != 400:
                return
            kind, _ = reply.error
            if kind != "resource_already_exists_exception":
                raise ConfigurationError(
                    f"{server.where}: index {index} cannot be made ({kind}); check sink.number_of_shards and number_of_replicas"
                )
            found = self.found(server, alias)  # another task made it at this moment
        if found is None:
            raise ConfigurationError(
                f"{server.where}: there is an index {index}, but no alias {alias} on it; add the alias, or delete the index and run with "
                "mode verify"
            )
        self._check(server, alias, *found, fields)

    def _settings(self, shards: int | None) -> dict[str, Any]:
        settings: dict[str, Any] = {"gc_deletes": GC_DELETES}
        if shards is not None:
            settings["number_of_shards"] = shards
        if self._replicas is not None:
            settings["number_of_replicas"] = self._replicas
        return settings

    @staticmethod
    def found(server: Server, alias: str) -> tuple[str, dict[str, Any]] | None:
        """Return the one index behind an alias and what the server says of it; ``None`` where there is neither.

        :raises ConfigurationError: where an index has the name, or several stand behind it.
        """
        reply = server.ask("GET", f"/{alias}", expect=(404,))
        if reply.status == 404:
            return None
        if not isinstance(reply.body, dict) or not reply.body:
            raise ConfigurationError(f"{server.where} answers GET /{alias} with something that is no index")
        if alias in reply.body:
            raise ConfigurationError(
                f"{server.where}: {alias} is an index, and must be an alias; another program made it. Choose another queue.name, or "
                "delete it"
            )
        if len(reply.body) > 1:
            raise ConfigurationError(
                f"{server.where}: the alias {alias} stands for {len(reply.body)} indexes ({', '.join(sorted(reply.body)[:5])}), and must "
                "stand for one"
            )
        [(index, said)] = reply.body.items()
        return index, said

    def _check(self, server: Server, alias: str, index: str, said: dict[str, Any], fields: dict[str, Any]) -> None:
        missing, wrong = compare(fields, said.get("mappings", {}).get("properties", {}))
        if wrong:
            more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
            raise ConfigurationError(
                f"{server.where}: index {index} has fields of other kinds: {', '.join(wrong[:5])}{more}. It was made by hand, or by a "
                f"template that overrules; delete it, or move the alias {alias} off it, and run with mode verify"
            )
        if missing:  # an index that an earlier version of this package made
            reply = server.ask("PUT", f"/{index}/_mapping", body={"properties": fields}, expect=(400,))
            if reply.status == 400:
                raise ConfigurationError(
                    f"{server.where}: index {index} does not take the fields {', '.join(missing[:5])} ({reply.error[0]}); it was made by "
                    f"hand. Delete it, or move the alias {alias} off it, and run with mode verify"
                )
        settings = said.get("settings", {}).get("index", {})
        if settings.get("gc_deletes") != GC_DELETES:
            server.ask("PUT", f"/{index}/_settings", body={"index": {"gc_deletes": GC_DELETES}})


def compare(wanted: Mapping[str, Any], found: Mapping[str, Any], path: str = "") -> tuple[list[str], list[str]]:
    """Return the paths of the fields that are missing, and of those that are of another kind (with what they are and should be)."""
    missing: list[str] = []
    wrong: list[str] = []
    for name, want in wanted.items():
        here = f"{path}{name}"
        have = found.get(name)
        if have is None:
            missing.append(here)
            continue
        wanted_type, found_type = (spec.get("type", "object") for spec in (want, have))
        if wanted_type != found_type:
            wrong.append(f"{here} is {found_type}, should be {wanted_type}")
            continue
        if want.get("index", True) and (have.get("index", True) is False or have.get("enabled", True) is False):
            wrong.append(f"{here} is not indexed")
        if have.get("doc_values", True) is False and want.get("doc_values", True):
            wrong.append(f"{here} has no doc_values")
        for inner in ("properties", "fields"):
            more = compare(want.get(inner, {}), have.get(inner, {}), f"{here}.")
            missing += more[0]
            wrong += more[1]
    return missing, wrong
