from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from airflow_provider_confluence.confluence.client import ConfluenceClient, ConnectionSettings, connect
from airflow_provider_confluence.confluence.gate import Gate
from airflow_provider_confluence.testing.sandbox import Sandbox
from tests.confluence.odd_server import Asked, OddServer, Reply


class FakeTime:
    """A clock that only sleeping moves; safe for threads."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.seconds += seconds


@pytest.fixture
def fake_time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def gate(fake_time: FakeTime) -> Gate:
    """A gate that waits in no time, and always as long as it may."""
    return Gate(max_in_flight=4, clock=fake_time.clock, sleep=fake_time.sleep, jitter=lambda: 1.0)


@pytest.fixture
def odd_server() -> Iterator[Callable[[Callable[[Asked], Reply]], OddServer]]:
    """Start servers that answer by a function, and stop them."""
    running: list[OddServer] = []

    def start(reply: Callable[[Asked], Reply]) -> OddServer:
        server = OddServer(reply)
        running.append(server.__enter__())
        return server

    yield start
    for server in running:
        server.__exit__(None, None, None)


@pytest.fixture(autouse=True)
def _no_thread_is_left_behind() -> Iterator[None]:
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("confluence-")]
    assert left == []


@pytest.fixture
def open_client(gate: Gate) -> Iterator[Callable[..., ConfluenceClient]]:
    """Connect to a sandbox, or to an endpoint, with the gate that waits in no time; close in the end."""
    opened: list[ConfluenceClient] = []

    def client_of(at: Sandbox | str, **given: object) -> ConfluenceClient:
        own_gate = given.pop("gate", gate)
        observer = given.pop("observer", None)
        if isinstance(at, Sandbox):
            settings = {"endpoint": at.endpoint, "username": at.username, "token": at.token, "deployment": at.edition}
        else:
            settings = {"endpoint": at, "username": "ada@example.com", "token": "T0KEN"}
        client = connect(ConnectionSettings(**{**settings, **given}), gate=own_gate, observer=observer)  # type: ignore[arg-type]
        opened.append(client)
        return client

    yield client_of
    for client in opened:
        client.close()
