"""Plain HTTP against a sandbox: these tests must not use the client that the sandbox is there to test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from airflow_provider_confluence.testing.sandbox import Sandbox


class Caller:
    """Sends requests with the right credential; paths are below the endpoint, whole addresses are taken as they are."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.headers["Authorization"] = sandbox.authorization

    def get(self, path: str, **params: Any) -> requests.Response:
        """Send a GET; ``_`` in parameter names stands for ``-``."""
        query = {name.replace("_", "-"): value for name, value in params.items()}
        address = path if path.startswith("http") else self.sandbox.endpoint + path
        return self.session.get(address, params=query, timeout=10, allow_redirects=False)

    def json(self, path: str, **params: Any) -> Any:
        """Return the JSON of an answer that must be 200."""
        response = self.get(path, **params)
        assert response.status_code == 200, response.text
        return response.json()

    def wrong(self, path: str, **params: Any) -> requests.Response:
        """Send a request that breaks the contract on purpose."""
        with self.sandbox.observer.paused():  # type: ignore[union-attr]
            return self.get(path, **params)

    def pages(self, path: str, **params: Any) -> list[Any]:
        """Follow the next addresses of a list to its end and return the parts."""
        parts = [self.json(path, **params)]
        while "next" in parts[-1]["_links"]:
            address = parts[-1]["_links"]["next"]
            root = self.sandbox.origin if address.startswith("/wiki/") else self.sandbox.endpoint
            parts.append(self.json(root + address))
        return parts

    def rows(self, path: str, **params: Any) -> list[Any]:
        """Return the rows of all parts."""
        return [row for part in self.pages(path, **params) for row in part["results"]]


@pytest.fixture
def calling() -> Iterator[Callable[[Sandbox], Caller]]:
    """Yield a function that makes callers, whose connections are closed afterwards."""
    made: list[Caller] = []

    def make(sandbox: Sandbox) -> Caller:
        made.append(Caller(sandbox))
        return made[-1]

    yield make
    for caller in made:
        caller.session.close()


@pytest.fixture
def on_cloud(cloud: Sandbox, calling: Callable[[Sandbox], Caller]) -> Caller:
    """Return a caller of a Confluence Cloud with an empty space DOCS."""
    cloud.model.create_space("DOCS", "Documentation")
    return calling(cloud)


@pytest.fixture
def on_datacenter(datacenter: Sandbox, calling: Callable[[Sandbox], Caller]) -> Caller:
    """Return a caller of a Confluence Data Center with an empty space DOCS."""
    datacenter.model.create_space("DOCS", "Documentation")
    return calling(datacenter)
