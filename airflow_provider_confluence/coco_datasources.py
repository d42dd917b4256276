"""Coco Server's datasources of its Confluence connector, and what they are here: a connection and an entry of the Variable.

The objects are those of Coco Server 0.8 and of 0.9 to 0.11 (``core/datasource.go``). In 0.8 the interval is ``connector.config.interval``;
since 0.9 it is ``sync.interval``, and ``enabled`` and ``sync.enabled`` say whether the datasource works. Nothing here asks a server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from airflow_provider_confluence.datasource import Datasource, read_connector, read_datasource
from airflow_provider_confluence.errors import DatasourceError
from airflow_provider_confluence.settings import kind_of

CONNECTOR = "confluence"
_SAME_NAME = ("space", "enable_blogposts", "enable_attachments")
_CONFIG = ("endpoint", "username", "token", "interval", *_SAME_NAME)
# What Coco does with documents after they came; it has no counterpart here, and what a pushed document runs through is Coco's affair.
_LEFT_BEHIND = ("webhook", "enrichment_pipeline", "document_processing_config")
# What narrows a datasource or adds to it here, and has no counterpart in Coco.
_UNKNOWN_TO_COCO = (
    *("exclude_spaces", "personal_spaces", "include_labels", "exclude_labels", "root_pages", "archived"),
    *("enable_comments", "enable_folders", "attachment_types", "macros", "rendered_macros", "chunk_tokens"),
    *("enable_permissions", "restricted"),
)


@dataclass(slots=True)
class Imported:
    """What Coco's objects are here.

    :param datasources: entries of the Variable ``confluence_datasources``, by id.
    :param connections: by id, as ``airflow connections import`` takes them. Each may hold a token.
    :param connector: the Variable ``confluence_connector``, where the file had that block.
    :param notes: sentences about what is not as in Coco, each beginning with the datasource's id.
    """

    datasources: dict[str, dict[str, Any]] = field(default_factory=dict)
    connections: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    connector: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def take_over(
    value: object, *, id_: str | None = None, conn_id: str | None = None, sink: Mapping[str, Any] | None = None
) -> Imported:
    """Return what is here what Coco calls so.

    :param value: one datasource, a list of them, an answer of ``GET /datasource/<id>`` or ``/datasource/_search``, or a ``coco.yml`` with a
        block ``connector.confluence``.
    :param id_: chooses the datasource of this id; where the file has but one, it gets this id.
    :param conn_id: the id of the connection, by default ``confluence_default``; where several are needed, the others have their own.
    :param sink: where documents are to go.
    :raises DatasourceError: with everything that cannot be taken over.
    """
    found = Imported()
    block = _connector_block(value)
    if block is not None:
        found.connector = {key: block[key] for key in ("enabled", "interval", "queue") if key in block}
        read_connector(found.connector)
        return found
    objects = _chosen(list(_objects(value)), id_, found.notes)
    if not objects:
        raise DatasourceError([f"there is no datasource of the connector {CONNECTOR} in it"])
    problems: list[str] = []
    known: dict[tuple[str, str, str], str] = {}
    for number, (datasource_id, one) in enumerate(objects):
        if not datasource_id:
            problems.append(
                f"datasource {number + 1} ({_text(one.get('name')) or 'without a name'}) has no id in it: with --id give the one that it "
                "has in Coco, so that documents keep their ids"
            )
            continue
        if datasource_id in found.datasources:
            problems.append(f"{datasource_id[:100]}: this id is there twice")
            continue
        try:
            _take_one(datasource_id, one, found, known, conn_id, sink)
        except DatasourceError as error:
            problems += error.problems
    if problems:
        raise DatasourceError(problems)
    return found


def give_back(
    datasources: Mapping[str, Datasource], connections: Mapping[str, Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return Coco's objects for datasources, without any secret, and sentences about what Coco cannot do.

    :param connections: by id, with ``host`` and ``login``: for ``endpoint`` and ``username``. Anything else in them is not looked at.
    """
    objects: list[dict[str, Any]] = []
    notes: list[str] = []
    for id_, datasource in datasources.items():
        lost = [name for name in _UNKNOWN_TO_COCO if getattr(datasource, name) != _default(name)]
        if lost:
            notes.append(f"{id_}: Coco's connector knows nothing like {', '.join(lost)}")
        if datasource.everywhere:
            notes.append(f"{id_}: left out, because Coco's connector takes one space, not all of them")
            continue
        connection = connections.get(datasource.conn_id)
        if connection is not None and _holds_a_credential(_text(connection.get("host"))):
            connection = None
        if connection is None or not _text(connection.get("host")):
            notes.append(f"{id_}: the address of connection {datasource.conn_id} is not known, so endpoint is missing")
        if len(datasource.space) > 1:
            notes.append(
                f"{id_}: became one datasource for each space, because Coco's connector takes one; their documents have other ids than here"
            )
        for key in datasource.space:
            own = id_ if len(datasource.space) == 1 else f"{id_}-{key}"
            objects.append(_coco_object(own, key, datasource, connection or {}))
    return objects, notes


# ------------------------------------------------------------------------------------------ reading Coco's
def _connector_block(value: object) -> Mapping[str, Any] | None:
    """Return the block ``connector.confluence`` of Coco's configuration file, or ``None`` where that is not what this is."""
    connector = value.get("connector") if isinstance(value, Mapping) else None
    block = connector.get(CONNECTOR) if isinstance(connector, Mapping) and "id" not in connector else None
    return block if isinstance(block, Mapping) else None


def _objects(value: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every datasource with its id, which is empty where there is none."""
    if isinstance(value, list):
        for one in value:
            yield from _objects(one)
    elif isinstance(value, Mapping) and isinstance(value.get("hits"), Mapping):
        yield from _objects(value["hits"].get("hits"))
    elif isinstance(value, Mapping) and isinstance(value.get("_source"), Mapping):
        source = value["_source"]
        yield _text(source.get("id")) or _text(value.get("_id")), source
    elif isinstance(value, Mapping) and "connector" in value:
        yield _text(value.get("id")), value
    else:
        raise DatasourceError(
            [f"expected a datasource of Coco Server, a list of them or an answer of its search, found {_what(value)}"]
        )


def _chosen(
    objects: Sequence[tuple[str, Mapping[str, Any]]], id_: str | None, notes: list[str]
) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the datasources that are meant."""
    ours = []
    for own_id, one in objects:
        connector = one.get("connector")
        name = connector.get("id") if isinstance(connector, Mapping) else None
        if name == CONNECTOR:
            ours.append((own_id, one))
        else:
            which = own_id or _text(one.get("name")) or "a datasource"
            notes.append(f"{which}: left out, it is of connector {_text(name)[:60] or 'unknown'}")
    if id_ is None:
        return ours
    named = [(own_id, one) for own_id, one in ours if own_id == id_]
    if named or not ours:
        return named
    if len(ours) > 1:
        ids = ", ".join(own_id or "without an id" for own_id, _ in ours)
        raise DatasourceError([f"there is no datasource {id_} in it; there are: {ids}"])
    ((own_id, one),) = ours
    if own_id:
        notes.append(f"{id_}: in Coco its id is {own_id}, so its documents have other ids here than there")
    return [(id_, one)]


def _take_one(
    id_: str,
    one: Mapping[str, Any],
    found: Imported,
    known: dict[tuple[str, str, str], str],
    conn_id: str | None,
    sink: Mapping[str, Any] | None,
) -> None:
    connector = one["connector"]
    config = connector.get("config")
    if not isinstance(config, Mapping):
        raise DatasourceError([f"{id_[:100]}.connector.config: expected an object, found {kind_of(config)}"])
    problems = [
        f"{id_[:100]}.connector.config.{key}: expected a text, found {kind_of(config[key])}"
        for key in ("endpoint", "username", "token")
        if key in config and not isinstance(config[key], str)
    ]
    if not _text(config.get("endpoint")):
        problems.append(f"{id_[:100]}.connector.config.endpoint: is missing")
    elif _holds_a_credential(_text(config["endpoint"])):
        problems.append(f"{id_[:100]}.connector.config.endpoint: holds a credential; move it to username and token")
    entry: dict[str, Any] = {"name": one["name"]} if "name" in one else {}
    entry |= {key: config[key] for key in _SAME_NAME if key in config}
    sync = one.get("sync")
    sync = sync if isinstance(sync, Mapping) else {}
    interval = sync.get("interval") or config.get("interval")
    if interval:
        entry["interval"] = interval
    if one.get("enabled") is False or sync.get("enabled") is False:
        entry["enabled"] = False
        found.notes.append(f"{id_}: is switched off in Coco, so it is here ({_switches(one, sync)})")
    if sink:
        entry["sink"] = dict(sink)
    try:
        read_datasource(id_, entry)
    except DatasourceError as error:
        problems += error.problems
    if problems:
        raise DatasourceError(problems)
    entry["conn_id"] = _connection(id_, config, found, known, conn_id)
    found.datasources[id_] = entry
    unknown = sorted(str(key)[:60] for key in set(config) - set(_CONFIG))
    if unknown:
        found.notes.append(f"{id_}: not taken over from connector.config: {', '.join(unknown)}")
    left = [key for key in _LEFT_BEHIND if _says_something(one.get(key))]
    if left:
        found.notes.append(f"{id_}: has no counterpart here: {', '.join(left)}")


def _connection(
    id_: str, config: Mapping[str, Any], found: Imported, known: dict[tuple[str, str, str], str], conn_id: str | None
) -> str:
    """Return the id of the connection, which is made where no other datasource has the same address and account."""
    host, login, token = (_text(config.get(key)) for key in ("endpoint", "username", "token"))
    if not token.strip("*"):
        token = ""
    key = (host.rstrip("/"), login, token)
    if key not in known:
        name = (conn_id or "confluence_default") if not known else f"{conn_id or 'confluence'}_{id_}"
        known[key] = name
        found.connections[name] = {"conn_type": "confluence", "host": host, "login": login, "password": token}
        if not token:
            why = (
                "Coco's search masks it; GET /datasource/<id> shows it"
                if config.get("token")
                else "there is none in the file"
            )
            found.notes.append(f"{id_}: the token of connection {name} is missing ({why}): put it into the connection")
    return known[key]


def _switches(one: Mapping[str, Any], sync: Mapping[str, Any]) -> str:
    off = [
        name for name, said in (("enabled", one.get("enabled")), ("sync.enabled", sync.get("enabled"))) if said is False
    ]
    return ", ".join(f"{name}: false" for name in off)


# ------------------------------------------------------------------------------------------ writing Coco's
def _coco_object(id_: str, space: str, datasource: Datasource, connection: Mapping[str, Any]) -> dict[str, Any]:
    address = {"endpoint": _text(connection.get("host")), "username": _text(connection.get("login"))}
    return {
        "id": id_,
        "name": datasource.name,
        "type": "connector",
        "enabled": datasource.enabled,
        "connector": {
            "id": CONNECTOR,
            "config": {
                **{key: text for key, text in address.items() if text},
                "space": space,
                "enable_blogposts": datasource.enable_blogposts,
                "enable_attachments": datasource.enable_attachments,
                "interval": datasource.interval,
            },
        },
        "sync": {"enabled": datasource.enabled, "interval": datasource.interval},
    }


def _default(name: str) -> Any:
    (found,) = [field_ for field_ in fields(Datasource) if field_.name == name]
    return found.default if found.default_factory is MISSING else found.default_factory()


# ------------------------------------------------------------------------------------------ values
def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _holds_a_credential(address: str) -> bool:
    return "@" in address.partition("://")[2].partition("/")[0]


def _says_something(value: object) -> bool:
    """Return whether a setting of Coco is more than its empty or switched-off self."""
    if isinstance(value, Mapping):
        return value.get("enabled") is not False and any(bool(inner) for inner in value.values())
    return bool(value)


def _what(value: object) -> str:
    if isinstance(value, Mapping):
        return f"an object with {', '.join(str(key)[:30] for key in list(value)[:5]) or 'nothing in it'}"
    return kind_of(value)
