"""The fastest client there could be: the requests of a first load, as many at a time, and every body thrown away.

It is the reference for the speed of our own first load: the same questions to the same addresses, in two phases as the two tasks have them
(which items there are and what is known of them in bulk; then the bodies by id), without looking at more than the ids.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from urllib.parse import unquote

import requests

from benchmarks.server import Address

Params = dict[str, str | list[str]]
BATCH = 50
RESTRICTIONS = "restrictions.read.restrictions.user,restrictions.read.restrictions.group"
DATACENTER_LISTED = f"version,space,ancestors,history,metadata.labels,{RESTRICTIONS}"


def load(address: Address, edition: str, *, in_flight: int, spaces: int = 1) -> int:
    """Ask for everything that a first load asks for; return how many bodies came."""
    with closing(_Raw(address, edition, in_flight)) as client:
        return client.load(spaces)


def list_only(address: Address, edition: str, *, in_flight: int, spaces: int = 1) -> int:
    """Ask for what a look at everything asks for; return how many items there are."""
    with closing(_Raw(address, edition, in_flight)) as client:
        return len(client.listed(spaces))


class _Raw:
    def __init__(self, address: Address, edition: str, in_flight: int) -> None:
        self._address = address
        self._cloud = edition == "cloud"
        self._in_flight = in_flight
        self._local = threading.local()
        self._sessions: list[requests.Session] = []

    def close(self) -> None:
        for session in self._sessions:
            session.close()

    def load(self, spaces: int) -> int:
        ids = self.listed(spaces)
        batches = [ids[at : at + BATCH] for at in range(0, len(ids), BATCH)]
        with ThreadPoolExecutor(self._in_flight) as pool:
            return sum(pool.map(self._bodies, batches))

    def listed(self, spaces: int) -> list[str]:
        self._get("/rest/api/user/current", {})
        keys = [f"BENCH{number}" for number in range(spaces)]
        walks: list[tuple[str, Params]] = []
        if self._cloud:
            for row in self._get("/api/v2/spaces", {"keys": ",".join(keys), "limit": "250"})["results"]:
                walks.append((f"/api/v2/spaces/{row['id']}/pages", {"sort": "id", "limit": "250"}))
                cql = f'space = "{row["key"]}" and type = page'
                expand = f"metadata.labels,{RESTRICTIONS}"
                walks.append(("/rest/api/content/search", {"cql": cql, "expand": expand, "limit": "200"}))
        else:
            self._get("/rest/api/space", {"spaceKey": keys, "limit": "200"})
            for key in keys:
                params: Params = {"spaceKey": key, "type": "page", "expand": DATACENTER_LISTED, "limit": "200"}
                walks.append(("/rest/api/content/scan", params))
        with ThreadPoolExecutor(self._in_flight) as pool:
            return sorted({content_id for ids in pool.map(self._walk, walks) for content_id in ids})

    def _walk(self, walk: tuple[str, Params]) -> list[str]:
        path, params = walk
        ids: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            answer = self._get(path, {**params, **({"cursor": cursor} if cursor else {})})
            ids += [row["id"] for row in answer["results"]]
            following = answer["_links"].get("next")
            cursor = unquote(following.rpartition("cursor=")[2]) if following else None
        return ids

    def _bodies(self, ids: list[str]) -> int:
        if self._cloud:
            self._throw_away("/api/v2/pages", {"id": ",".join(ids), "body-format": "storage", "limit": str(len(ids))})
        else:
            expand = "version,space,ancestors,history,metadata.labels,body.storage"
            self._throw_away(
                "/rest/api/content", {"ids": ids, "type": "page", "expand": expand, "limit": str(len(ids))}
            )
        return len(ids)

    def _get(self, path: str, params: Params) -> dict[str, Any]:
        return self._ask(path, params).json()  # type: ignore[no-any-return]

    def _throw_away(self, path: str, params: Params) -> None:
        _ = self._ask(path, params).content

    def _ask(self, path: str, params: Params) -> requests.Response:
        session = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False
            self._sessions.append(session)
            session.headers["Authorization"] = f"Bearer {self._address.token}"
        answer = session.get(self._address.endpoint + path, params=params, timeout=60)
        answer.raise_for_status()
        return answer
