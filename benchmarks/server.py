"""A Confluence that costs next to nothing to ask: what is measured against it is the client.

It runs in a process of its own and answers what a first load, a quiet run and a look at everything ask, and what the clients of
:mod:`benchmarks.peers` ask, from :class:`benchmarks.wiki.Wiki`. Every answer waits as long as it is told to, without keeping a thread or
another request: so long a request, and so long for each body that it carries.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import urlopen

from benchmarks.files import file_bytes
from benchmarks.wiki import FIRST_FILE_ID, FIRST_ID, SPACE_ID, Wiki

Query = Mapping[str, list[str]]
TOKEN = "benchmark-token"  # noqa: S105 - of a server on loopback that takes any
COUNTERS = "/_benchmark"
EDIT = "/_benchmark/edit/"
# So many rows has a page of a search at the most, by what it expands: whole bodies and bodies that are rendered for it make it smaller.
_MOST_FOUND, _MOST_STORED, _MOST_RENDERED = 200, 50, 25


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of JSON text with where they lead; ``bodies`` is how many of them carry one."""

    rows: Sequence[str]
    next: str | None = None
    bodies: int = 0
    limit: int = 0
    start: int = 0


@dataclass(frozen=True, slots=True)
class One:
    """A row by itself, as JSON text, and how many bodies it carries."""

    text: str
    bodies: int


@dataclass(frozen=True, slots=True)
class Setting:
    """What server to start. Latencies are in seconds; ``views`` has the rendered bodies made before it answers."""

    edition: str
    pages: int
    spaces: int = 1
    files: int = 0
    seed: int = 1
    body_chars: int = 12_000
    views: bool = False
    per_request: float = 0.0
    per_body: float = 0.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a started server is."""

    endpoint: str
    username: str | None
    token: str = TOKEN

    def counters(self) -> dict[str, Any]:
        """Return what it counted since it was last asked: ``requests``, ``in_flight`` at the most, and ``by_path``."""
        root = "/".join(self.endpoint.split("/")[:3])
        with urlopen(root + COUNTERS) as answer:  # noqa: S310 - our own server on loopback
            return json.load(answer)  # type: ignore[no-any-return]

    def edit(self, count: int) -> None:
        """Give so many pages another version, made now."""
        root = "/".join(self.endpoint.split("/")[:3])
        with urlopen(f"{root}{EDIT}{count}") as answer:  # noqa: S310 - our own server on loopback
            answer.read()


@contextmanager
def running(setting: Setting) -> Iterator[Address]:
    """Run a server in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.server",
        json.dumps({n: getattr(setting, n) for n in Setting.__dataclass_fields__}),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ourselves
        try:
            assert process.stdout is not None
            endpoint = process.stdout.readline().strip()
            if not endpoint:
                raise RuntimeError("the benchmark's server did not start")
            yield Address(endpoint, "bench@example.com" if setting.edition == "cloud" else None)
        finally:
            process.terminate()


# ---------------------------------------------------------------------------------------------- what is answered
class Site:
    """Answers by path: the JSON text, and how many bodies it carries."""

    def __init__(self, wiki: Wiki, edition: str) -> None:
        self._wiki = wiki
        self._cloud = edition == "cloud"
        routes = _CLOUD if self._cloud else _DATACENTER
        self._routes = [(re.compile(pattern + r"\Z"), answer) for pattern, answer in routes]

    def edit(self, count: int) -> None:
        """Edit so many pages of the wiki."""
        self._wiki.edit(count)

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, str | bytes, int]:
        """Return status, JSON text (or the bytes of a file), and the number of bodies in it."""
        url = urlsplit(target)
        path = unquote(url.path).removeprefix(self._wiki.context)
        for pattern, answer in self._routes:
            match = pattern.match(path)
            if match:
                got = answer(self._wiki, parse_qs(url.query, keep_blank_values=True), *match.groups(), body)
                if isinstance(got, One):
                    return 200, got.text, got.bodies
                if not isinstance(got, Rows):
                    return 200, got, 0
                return 200, self._enveloped(got, path, url.query), got.bodies
        return 404, json.dumps({"statusCode": 404, "message": f"{method} {path} is not part of the benchmark"}), 0

    def _enveloped(self, got: Rows, path: str, query: str) -> str:
        wiki = self._wiki
        links = {"base": wiki.base}
        if got.next is not None:
            kept = "&".join(p for p in query.split("&") if p.partition("=")[0] not in ("cursor", "start"))
            context = wiki.context if path.startswith("/api/v2") else ""
            links["next"] = f"{context}{path}?{kept}&{got.next}"
        rows = ",".join(got.rows)
        if path.startswith("/api/v2"):
            return f'{{"results":[{rows}],"_links":{json.dumps(links)}}}'
        links |= {"self": f"{wiki.base}{path}?{query}", "context": wiki.context}
        paging = f'"limit":{got.limit},"size":{len(got.rows)}'
        scanned = f'"cursor":"content:false:{got.start}",' if path.endswith("/scan") else f'"start":{got.start},'
        return f'{{"results":[{rows}],{scanned}{paging},"_links":{json.dumps(links)}}}'


def _page(of: Sequence[int], query: Query, most: int) -> tuple[Sequence[int], str | None, int]:
    """Return the numbers of one page by cursor, the cursor of the next, and the limit."""
    limit = min(most, int(query.get("limit", ["25"])[0]))
    # On Data Center a cursor is "content:false:<number>"; ours are all of that form.
    start = int(query.get("cursor", ["0"])[0].rpartition(":")[2])
    following = start + limit
    return of[start:following], f"cursor=content%3Afalse%3A{following}" if following < len(of) else None, limit


def _offset(of: Sequence[int], query: Query, most: int) -> tuple[Sequence[int], str | None, int, int]:
    limit = min(most, int(query.get("limit", ["25"])[0]))
    start = int(query.get("start", ["0"])[0])
    following = start + limit
    return of[start:following], f"start={following}" if following < len(of) else None, limit, start


def _numbers(wiki: Wiki, ids: Sequence[str]) -> list[int]:
    return [number for each in ids if (number := wiki.number(each)) is not None]


def _spaces_named(wiki: Wiki, keys: Sequence[str]) -> Sequence[int]:
    return [s for s in range(wiki.spaces) if not keys or wiki.key(s) in keys]


def _cloud_user(wiki: Wiki, _query: Query, _body: bytes) -> str:
    picture = {"path": "/wiki/images/icons/profilepics/default.svg", "width": 48, "height": 48, "isDefault": True}
    return json.dumps(
        {
            "type": "known",
            "accountId": "bench",
            "accountType": "atlassian",
            "email": "",
            "publicName": "Bench",
            "displayName": "Bench",
            "timeZone": "UTC",
            "isExternalCollaborator": False,
            "isGuest": False,
            "profilePicture": picture,
            "_expandable": {"operations": "", "personalSpace": ""},
            "_links": {"self": f"{wiki.base}/rest/api/user?accountId=bench"},
        }
    )


def _cloud_spaces(wiki: Wiki, query: Query, _body: bytes) -> Rows:
    keys = query.get("keys", [""])[0].split(",") if "keys" in query else []
    some, following, _ = _page(_spaces_named(wiki, keys), query, 250)
    return Rows([wiki.cloud_space(s) for s in some], following)


def _cloud_pages_of_space(wiki: Wiki, query: Query, space_id: str, _body: bytes) -> Rows:
    of = wiki.numbers(int(space_id) - SPACE_ID)
    return _cloud_rows(wiki, of[::-1] if query.get("sort") == ["-id"] else of, query)


def _cloud_rows(wiki: Wiki, of: Sequence[int], query: Query) -> Rows:
    some, following, _ = _page(of, query, 250)
    form = query.get("body-format", [""])[0]
    return Rows([wiki.cloud_page(n, form=form) for n in some], following, len(some) if form else 0)


def _cloud_pages(wiki: Wiki, query: Query, _body: bytes) -> Rows:
    of: Sequence[int] = range(wiki.pages)
    if "id" in query:
        of = _numbers(wiki, query["id"][0].split(","))
    elif query.get("sort") == ["-modified-date"]:
        of = wiki.newest()
    elif "space-id" in query:
        of = [n for each in query["space-id"][0].split(",") for n in wiki.numbers(int(each) - SPACE_ID)]
    return _cloud_rows(wiki, of, query)


def _cloud_one_page(wiki: Wiki, query: Query, content_id: str, _body: bytes) -> One:
    form = query.get("body-format", [""])[0]
    return One(wiki.cloud_page(int(content_id) - FIRST_ID, form=form), 1 if form else 0)


def _cloud_labels(wiki: Wiki, _query: Query, content_id: str, _body: bytes) -> Rows:
    return Rows(wiki.cloud_labels(int(content_id) - FIRST_ID))


def _restrictions(wiki: Wiki, _query: Query, content_id: str, _body: bytes) -> str:
    return wiki.restrictions(int(content_id) - FIRST_ID)


def _form(expand: str) -> str:
    """Return the form of the body that is expanded, or nothing."""
    found = re.search(r"body\.(\w+)", expand)
    return found.group(1) if found else ""


def _most(form: str) -> int:
    return {"": _MOST_FOUND, "storage": _MOST_STORED}.get(form, _MOST_RENDERED)


def _cloud_search(wiki: Wiki, query: Query, _body: bytes) -> Rows:
    cql, expand = query.get("cql", [""])[0], query.get("expand", [""])[0]
    space = re.search(r"BENCH(\d+)", cql)
    of: Sequence[int] = wiki.numbers(int(space.group(1))) if space else range(wiki.pages)
    if not re.search(r"\btype\b[^)]*\bpage\b", cql):
        of = ()
    if ids := re.fullmatch(r"id in \(([\d, ]+)\)", cql):
        of = _numbers(wiki, ids.group(1).split(", "))
    form = _form(expand)
    some, following, limit = _page(of, query, _most(form))
    rows = [wiki.cloud_detail(n, form=form, expand=expand) for n in some]
    return Rows(rows, following, len(rows) if form else 0, limit)


def _cloud_files(wiki: Wiki, query: Query, _body: bytes) -> Rows:
    of = range(wiki.files - 1, -1, -1) if query.get("sort", [""])[0].startswith("-") else range(wiki.files)
    some, following, _ = _page(of, query, 250)
    return Rows([wiki.cloud_file(n) for n in some], following)


def _cloud_download(_wiki: Wiki, _query: Query, file_id: str, _body: bytes) -> bytes:
    return file_bytes(int(file_id) - FIRST_FILE_ID)


def _cloud_people(wiki: Wiki, _query: Query, body: bytes) -> Rows:
    return Rows(wiki.people(json.loads(body)["accountIds"]))


def _cloud_permissions(wiki: Wiki, _query: Query, _space: str, _body: bytes) -> Rows:
    return Rows([wiki.permissions()])


def _nothing(_wiki: Wiki, _query: Query, *_rest: object) -> Rows:
    return Rows([])


def _datacenter_user(wiki: Wiki, _query: Query, _body: bytes) -> str:
    picture = {
        "path": f"{wiki.context}/images/icons/profilepics/default.svg",
        "width": 48,
        "height": 48,
        "isDefault": True,
    }
    return json.dumps(
        {
            "type": "known",
            "username": "bench",
            "userKey": "bench",
            "displayName": "Bench",
            "profilePicture": picture,
            "_expandable": {"status": ""},
            "_links": {"self": f"{wiki.base}/rest/api/user?key=bench"},
        }
    )


def _datacenter_spaces(wiki: Wiki, query: Query, _body: bytes) -> Rows:
    some, following, limit, start = _offset(_spaces_named(wiki, query.get("spaceKey", [])), query, 200)
    return Rows([wiki.datacenter_space(s) for s in some], following, limit=limit, start=start)


def _datacenter_rows(wiki: Wiki, some: Sequence[int], query: Query) -> tuple[list[str], int]:
    expand = query.get("expand", [""])[0]
    form = _form(expand)
    rows = [wiki.datacenter_page(n, form=form, restrictions="restrictions" in expand) for n in some]
    return rows, len(rows) if form else 0


def _datacenter_scan(wiki: Wiki, query: Query, _body: bytes) -> Rows:
    space = int(query["spaceKey"][0].removeprefix("BENCH"))
    of: Sequence[int] = wiki.numbers(space) if query.get("type", ["page"]) == ["page"] else ()
    some, following, limit = _page(of, query, 200)
    rows, bodies = _datacenter_rows(wiki, some, query)
    return Rows(rows, following, bodies, limit)


def _datacenter_content(wiki: Wiki, query: Query, _body: bytes) -> Rows:
    of: Sequence[int] = range(wiki.pages)
    if "ids" in query:
        of = _numbers(wiki, query["ids"])
    elif "spaceKey" in query:
        of = wiki.numbers(int(query["spaceKey"][0].removeprefix("BENCH")))
    some, following, limit, start = _offset(of, query, 200)
    rows, bodies = _datacenter_rows(wiki, some, query)
    return Rows(rows, following, bodies, limit, start)


def _datacenter_search(wiki: Wiki, query: Query, _body: bytes) -> Rows:
    cql = query.get("cql", [""])[0]
    if "type = attachment" in cql:
        found, following, limit, start = _offset(range(wiki.files - 1, -1, -1), query, _MOST_FOUND)
        return Rows([wiki.datacenter_file(n) for n in found], following, limit=limit, start=start)
    of: Sequence[int] = wiki.newest() if re.search(r"\btype\b[^)]*\bpage\b", cql) else []
    some, following, limit, start = _offset(of, query, _most(_form(query.get("expand", [""])[0])))
    rows, bodies = _datacenter_rows(wiki, some, query)
    return Rows(rows, following, bodies, limit, start)


def _datacenter_files_of(wiki: Wiki, query: Query, content_id: str, _body: bytes) -> Rows:
    some, following, limit, start = _offset(wiki.file_ids(int(content_id) - FIRST_ID), query, _MOST_FOUND)
    return Rows([wiki.datacenter_file(n) for n in some], following, limit=limit, start=start)


def _datacenter_download(_wiki: Wiki, _query: Query, name: str, _body: bytes) -> bytes:
    return file_bytes(int(re.sub(r"\D", "", name.partition(".")[0])))


_Answer = Callable[..., "Rows | One | str | bytes"]
_CLOUD: tuple[tuple[str, _Answer], ...] = (
    (r"/rest/api/user/current", _cloud_user),
    (r"/api/v2/spaces", _cloud_spaces),
    (r"/api/v2/spaces/(\d+)/pages", _cloud_pages_of_space),
    (r"/api/v2/spaces/(\d+)/permissions", _cloud_permissions),
    (r"/api/v2/pages", _cloud_pages),
    (r"/api/v2/pages/(\d+)", _cloud_one_page),
    (r"/api/v2/pages/(\d+)/labels", _cloud_labels),
    (r"/api/v2/spaces/(\d+)/blogposts", _nothing),
    (r"/api/v2/blogposts", _nothing),
    (r"/api/v2/attachments", _cloud_files),
    (r"/api/v2/users-bulk", _cloud_people),
    (r"/rest/api/content/search", _cloud_search),
    (r"/rest/api/content/(\d+)/restriction/byOperation", _restrictions),
    (r"/rest/api/content/\d+/child/attachment/att(\d+)/download", _cloud_download),
)
_DATACENTER: tuple[tuple[str, _Answer], ...] = (
    (r"/rest/api/user/current", _datacenter_user),
    (r"/rest/api/space", _datacenter_spaces),
    (r"/rest/api/content/scan", _datacenter_scan),
    (r"/rest/api/content/search", _datacenter_search),
    (r"/rest/api/content", _datacenter_content),
    (r"/rest/api/content/(\d+)/child/attachment", _datacenter_files_of),
    (r"/download/attachments/\d+/([^/]+)", _datacenter_download),
)


# ---------------------------------------------------------------------------------------------- how it is sent
class _Counters:
    def __init__(self) -> None:
        self.requests = self.open = self.in_flight = 0
        self.by_path: dict[str, int] = {}

    def began(self, target: str) -> None:
        self.requests += 1
        self.open += 1
        self.in_flight = max(self.in_flight, self.open)
        path = re.sub(r"\d{3,}", "#", target.partition("?")[0])
        self.by_path[path] = self.by_path.get(path, 0) + 1

    def told(self) -> str:
        said = json.dumps({"requests": self.requests, "in_flight": self.in_flight, "by_path": self.by_path})
        self.requests = self.in_flight = 0
        self.by_path = {}
        return said


class _Connection(asyncio.Protocol):
    """One connection of HTTP/1.1, one request after the other, as our clients send them."""

    def __init__(self, site: Site, counters: _Counters, setting: Setting) -> None:
        self._site = site
        self._counters = counters
        self._setting = setting
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, ended, rest = self._buffer.partition(b"\r\n\r\n")
            if not ended:
                return
            found = re.search(rb"(?i)\r\ncontent-length:\s*(\d+)", head)
            length = int(found.group(1)) if found else 0
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            method, target, _ = head.split(b"\r\n", 1)[0].decode("ascii").split(" ", 2)
            self._serve(method, target, rest[:length])

    def _serve(self, method: str, target: str, body: bytes) -> None:
        if target == COUNTERS:
            self._send(200, self._counters.told().encode())
            return
        if target.startswith(EDIT):
            self._site.edit(int(target.removeprefix(EDIT)))
            self._send(200, b"{}")
            return
        self._counters.began(target)
        began = time.perf_counter()
        status, text, bodies = self._site.answer(method, target, body)
        wait = self._setting.per_request + self._setting.per_body * bodies - (time.perf_counter() - began)
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._end, status, text)
        else:
            self._end(status, text)

    def _end(self, status: int, text: str | bytes) -> None:
        self._counters.open -= 1
        if isinstance(text, bytes):
            self._send(status, text, "application/octet-stream")
        else:
            self._send(status, text.encode())

    def _send(self, status: int, payload: bytes, kind: str = "application/json;charset=UTF-8") -> None:
        if self._transport.is_closing():
            return
        head = (
            f"HTTP/1.1 {status} {'OK' if status == 200 else 'Not Found'}\r\nDate: {formatdate(usegmt=True)}\r\n"
            f"Server: AtlassianEdge\r\nContent-Type: {kind}\r\nContent-Length: {len(payload)}\r\n\r\n"
        )
        self._transport.write(head.encode() + payload)


async def _serve(setting: Setting) -> None:
    wiki = Wiki(
        pages=setting.pages,
        spaces=setting.spaces,
        files=setting.files,
        seed=setting.seed,
        body_chars=setting.body_chars,
    )
    wiki.prepare(("storage", "view") if setting.views else ("storage",))
    counters = _Counters()
    site: list[Site] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(site[0], counters, setting), "127.0.0.1", 0)
    wiki.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}" + (
        "/wiki" if setting.edition == "cloud" else "/confluence"
    )
    wiki.context = "/" + wiki.base.rpartition("/")[2]
    site.append(Site(wiki, setting.edition))
    print(wiki.base, flush=True)
    await server.serve_forever()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until terminated; the only argument is a :class:`Setting` as JSON. Prints the endpoint."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=__doc__)
    parser.add_argument("setting")
    asyncio.run(_serve(Setting(**json.loads(parser.parse_args(arguments).setting))))


if __name__ == "__main__":
    main()
