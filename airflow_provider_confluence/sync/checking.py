"""Says whether a datasource can run: its spaces, its storage, its sink, its pool; and about what its first run will cost."""

from __future__ import annotations

import difflib
import json
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, cast

from airflow_provider_confluence import file_systems
from airflow_provider_confluence.confluence.cql import in_list
from airflow_provider_confluence.confluence.gate import DEFAULT_IN_FLIGHT, DEFAULT_PER_SECOND
from airflow_provider_confluence.errors import (
    ConfigurationError,
    ConfluenceProviderError,
    SpaceNotFoundError,
    StorageError,
)
from airflow_provider_confluence.findings import Finding
from airflow_provider_confluence.sync.journal import Journal
from airflow_provider_confluence.sync.scope import check_roots, find_spaces

if TYPE_CHECKING:
    from airflow_provider_confluence.confluence.client import ConfluenceClient, ConnectionSettings
    from airflow_provider_confluence.confluence.cloud import CloudClient
    from airflow_provider_confluence.datasource import Datasource
    from airflow_provider_confluence.documents import Space
    from airflow_provider_confluence.sinks.base import Sink
    from airflow_provider_confluence.sync.storage import Storage

NEAR_MISSES = 3
SEEN_FROM = "checked-from.json"
_KEYS_AT_A_TIME = 50
_MOST_HOSTS = 50
_MOST_SPACES = 5
# Of a container's own layer nothing tells whether it is kept; it goes with the container, as most do at every deployment.
_FORGETFUL = {"tmpfs": "memory", "ramfs": "memory", "overlay": "a container's own file system"}


def last_good_run(storage: Storage, datasource_id: str) -> str | None:
    """Return the day of the last committed run, ``None`` where there is none or it cannot be read."""
    try:
        head = Journal(storage, datasource_id).read_head()
    except ConfluenceProviderError:
        return None
    return head.watermark[:10] if head is not None else None


# ------------------------------------------------------------------------------------------ spaces
def check_spaces(client: ConfluenceClient, datasource: Datasource) -> tuple[list[Finding], list[Space]]:
    """Return whether every space is there, with near misses for those that are not, and the spaces. 1 to 3 requests."""
    try:
        spaces = list(find_spaces(client, datasource, {}).within.values())
        check_roots(client, datasource, {space.id: space for space in spaces})
    except SpaceNotFoundError as error:
        return [_lost(client, key, error) for key in error.keys], []
    except ConfluenceProviderError as error:
        cause = "root_pages" if isinstance(error, ConfigurationError) else "spaces"
        return [Finding("problem", "space", cause, str(error))], []
    named = ", ".join(f"{space.key} ({space.name})" for space in spaces[:5])
    more = f" and {len(spaces) - 5} more" if len(spaces) > 5 else ""
    return [Finding("ok", "space", "found", f"{len(spaces)} space{'s' * (len(spaces) != 1)}: {named}{more}")], spaces


def check_readers(client: ConfluenceClient, datasource: Datasource, spaces: Sequence[Space]) -> list[Finding]:
    """Return whether who may see the spaces is told, where documents are to say it. Cost: what :meth:`ConfluenceClient.space_readers`
    asks, for five spaces at most."""
    if not datasource.enable_permissions:
        return []
    try:
        asked = [client.space_readers(space) for space in spaces[:_MOST_SPACES]]
    except ConfluenceProviderError as error:
        return [Finding("problem", "permissions", "not_told", str(error))]
    problems = [found.problem for found in asked if found.problem]
    if problems:
        return [Finding("problem", "permissions", "not_told", problem) for problem in problems]
    of = "the spaces" if len(asked) == len(spaces) else f"the first {len(asked)} of {len(spaces)} spaces"
    return [Finding("ok", "permissions", "told", f"Confluence tells who may see {of}")]


def check_attached_files(datasource: Datasource) -> list[Finding]:
    """Return a warning where attached files are wanted and nothing here reads them. No request."""
    from airflow_provider_confluence.content.attachments import has_library

    if not datasource.enable_attachments or has_library():
        return []
    what = "Attached files are indexed without their text: what reads them is not installed here"
    remedy = "Where the tasks run: pip install 'airflow-provider-confluence[attachments]'"
    return [Finding("warning", "attachments", "no_extractor", what, remedy)]


def _lost(client: ConfluenceClient, key: str, error: SpaceNotFoundError) -> Finding:
    if key == "*":
        return Finding("problem", "space", "not_found", str(error))
    try:
        seen = client.spaces(["*"])
    except ConfluenceProviderError:
        seen = []
    near = _near(key, seen)
    what = f"Space {key} does not exist, or this account may not see it; Confluence answers both alike"
    if near:
        meant = " or ".join(f"{space.key} ({space.name})" for space in near)
        return Finding("problem", "space", "not_found", what, f"Did you mean {meant}?")
    return Finding(
        "problem",
        "space",
        "not_found",
        what,
        f"The key stands in the space's address; the account sees {len(seen)} spaces: have it given access to this one",
    )


def _near(key: str, spaces: Sequence[Space]) -> list[Space]:
    """Return the spaces whose key or name is most like what was typed, the likest first."""
    names: dict[str, Space] = {}
    for space in spaces:
        names.setdefault(space.name.casefold(), space)
    for space in spaces:
        names[space.key.casefold()] = space
    like = difflib.get_close_matches(key.casefold(), names, n=NEAR_MISSES * 2, cutoff=0.6)
    return list({names[name].id: names[name] for name in like}.values())[:NEAR_MISSES]


# ------------------------------------------------------------------------------------------ storage
def check_storage(storage: Storage, *, host: str | None = None, mounts: str | None = None) -> list[Finding]:
    """Return whether files can be written, read back and deleted, whether they will be there later, and from which hosts they are seen.

    A note of the host is left in the storage: another host that finds it there has proved that both see the same files. What no check from
    one host can know is said.

    :param mounts: the text of ``/proc/mounts``, in place of this host's.
    """
    here = host or socket.gethostname()
    name = f"check-{secrets.token_hex(8)}.tmp"
    proof = secrets.token_bytes(32)
    try:
        storage.write(name, proof)
        try:
            if storage.read(name) != proof:
                raise StorageError(f"{storage.where(name)} was not read as it was written")
        finally:
            storage.delete(name)
        before = _hosts(storage)
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        hosts = dict(sorted({**before, here: now}.items(), key=lambda item: item[1])[-_MOST_HOSTS:])
        storage.write(SEEN_FROM, json.dumps({"hosts": hosts}).encode())
    except StorageError as error:
        return [
            Finding(
                "problem",
                "storage",
                "not_writable",
                str(error),
                "Set [confluence] storage_path to a folder or an object store that the tasks may write",
            )
        ]
    found = [Finding("ok", "storage", "writable", f"{storage.where()} can be written, read back and deleted from here")]
    found += _durability(storage, before, file_systems.read_mounts() if mounts is None else mounts)
    others = sorted(set(before) - {here})
    if others:
        found.append(Finding("ok", "storage", "shared", f"The same files were seen from {', '.join(others)}"))
    elif storage.is_local:
        found.append(
            Finding(
                "warning",
                "storage",
                "not_known_to_be_shared",
                f"Whether workers on other hosts see this folder cannot be known from {here}",
                "With one host nothing is to be done. With several, run this check on another one: it says whether it found these files. "
                "Where they share no disk, set storage_path to an object store",
            )
        )
    return found


def _durability(storage: Storage, before: dict[str, str], mounts: str | None) -> list[Finding]:
    """Return whether what is written is kept: a file system that forgets says no, what an earlier check wrote says yes, else nobody can."""
    kind = file_systems.type_of(storage.folder.resolve(), mounts or "") if storage.folder is not None else ""
    if kind in _FORGETFUL:
        return [
            Finding(
                "warning",
                "storage",
                "not_durable",
                f"{storage.where()} lies in {_FORGETFUL[kind]} ({kind}): when that goes, what is known of the index goes with it",
                "Mount a volume there, or set [confluence] storage_path to a folder on a disk or to an object store",
            )
        ]
    if before:
        return [Finding("ok", "storage", "durable", f"It has kept what the check of {max(before.values())} wrote")]
    return []


def _hosts(storage: Storage) -> dict[str, str]:
    data = storage.read(SEEN_FROM)
    try:
        hosts = json.loads(data or b"{}").get("hosts", {})
        return {str(name): str(when) for name, when in hosts.items()}
    except (ValueError, AttributeError):
        return {}


# ------------------------------------------------------------------------------------------ sink
def check_sink(make_sink: Callable[[], Sink]) -> Finding:
    """Return whether the destination can be used; see :meth:`~airflow_provider_confluence.sinks.base.Sink.check`."""
    try:
        sink = make_sink()
        try:
            sink.check()
        finally:
            sink.close()
    except ConfluenceProviderError as error:
        return Finding("problem", "sink", type(error).__name__.removesuffix("Error"), str(error))
    return Finding("ok", "sink", "usable", "The destination can be used as configured")


def check_one_host(storage: Storage, datasource: Datasource) -> list[Finding]:
    """Return whether the index lies where one host alone sees it, while the storage is for several.

    No run can tell: a worker that has no file yet makes one, as for a first run, and writes its part there.
    """
    if datasource.sink.get("type") != "local" or storage.is_local:
        return []
    return [
        Finding(
            "warning",
            "sink",
            "one_host",
            "The local index lies on the disk of the host where a task runs: with workers on several hosts each would have a part of it",
            "Choose a sink that is a server, or pin the datasource to one worker with airflow.queue",
        )
    ]


# ------------------------------------------------------------------------------------------ the first run
@dataclass(frozen=True, slots=True)
class Estimate:
    """About what a first run costs. ``items`` by type, as a search counts them now; ``runs`` that it is spread over."""

    items: dict[str, int]
    requests: int
    minutes: float
    runs: int


def estimate_first_run(
    client: ConfluenceClient, datasource: Datasource, spaces: Sequence[Space], settings: ConnectionSettings
) -> Estimate | None:
    """Return about what a first run costs, ``None`` where Confluence does not count. 1 request a type and 50 spaces.

    Requests are those of the listing, of labels and readers, the bodies in batches of 50, and the files; minutes are these at the pace of
    the counting requests, with as many at a time as the connection allows. In the sandbox it was 0.8 to 1.2 times what a first run made.
    Labels and roots narrow it, and files without text, which a search counts too, are not fetched: it is then at most that many. Bodies
    take longer than counting, so minutes are the order of magnitude.
    """
    transport = cast("CloudClient", client).transport
    wanted = {
        "page": True,
        "blogpost": datasource.enable_blogposts,
        "attachment": datasource.enable_attachments,
        "comment": datasource.enable_comments,
    }
    keys = [space.key for space in spaces]
    items: dict[str, int] = {}
    asked, started = 0, time.monotonic()
    try:
        for type_ in (name for name, on in wanted.items() if on):
            for at in range(0, len(keys), _KEYS_AT_A_TIME):
                cql = f"type = {type_} and space in {in_list(keys[at : at + _KEYS_AT_A_TIME])}"
                answer = transport.get("/rest/api/search", {"cql": cql, "limit": 0}, tries=1).data
                total = answer.get("totalSize", answer.get("totalCount"))
                if not isinstance(total, int):
                    return None
                items[type_] = items.get(type_, 0) + total
                asked += 1
    except ConfluenceProviderError:
        return None
    seconds = (time.monotonic() - started) / max(asked, 1)
    cloud = client.edition == "cloud"
    requests = _requests(items, len(keys), cloud=cloud, permissions=datasource.enable_permissions)
    in_flight = settings.max_in_flight or DEFAULT_IN_FLIGHT[client.edition]
    pace = settings.requests_per_second or DEFAULT_PER_SECOND[client.edition]
    slowest = max(requests * seconds / in_flight, requests / pace if pace else 0.0)
    runs = max(1, -(-sum(items.values()) // datasource.max_items_per_run))
    return Estimate(items, requests, slowest / 60, runs)


def _requests(items: dict[str, int], spaces: int, *, cloud: bool, permissions: bool) -> int:
    """Return what the steps of a first run ask, as they are told in docs/how-it-works.md."""

    def pages(count: int, rows: int) -> int:
        return -(-count // rows)

    requests = 4  # who we are, the spaces, the people
    if permissions:
        requests += spaces + cloud
    for type_, count in items.items():
        if type_ == "attachment":
            requests += pages(count, 250 if cloud else 200) + count * (2 if cloud else 1)
        elif type_ == "comment" and cloud:
            requests += pages(count, 100) + 1 + pages(count, 200)  # their bodies come with the two lists
        else:
            requests += max(spaces, pages(count, 250 if cloud else 200)) + pages(count, 50)
    if cloud:  # labels and restrictions, which Data Center lists along
        requests += pages(items.get("page", 0) + items.get("blogpost", 0), 200)
    return requests


def first_run(estimate: Estimate | None) -> Finding:
    """Return the estimate in words."""
    if estimate is None:
        return Finding(
            "ok", "first run", "not_known", "Confluence does not count its items, so nothing is said of the first run"
        )
    items = ", ".join(f"{type_} {count:,}" for type_, count in estimate.items.items())
    minutes = "under a minute" if estimate.minutes < 1 else f"{estimate.minutes:,.0f} minutes or more"
    over = f", spread over {estimate.runs} runs" if estimate.runs > 1 else ""
    return Finding(
        "ok",
        "first run",
        "estimate",
        f"The first run is estimated at {sum(estimate.items.values()):,} items ({items}), {estimate.requests:,} requests, {minutes}{over}",
    )
