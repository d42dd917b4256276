"""The servers that sinks are tested against, each a process of its own on a free port of 127.0.0.1, shared by all tests of a session.

The fixtures are for a ``conftest.py`` to import. Tests that share a server keep apart by names: :func:`unused`.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_confluence.sinks.connection import Connections, SinkConnection

_numbers = itertools.count(1)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def unused(prefix: str = "docs") -> str:
    """Return a name that no other test of this process has."""
    return f"{prefix}-{os.getpid()}-{next(_numbers)}"


class SearchServer:
    """A server that speaks as OpenSearch or Elasticsearch. ``kind`` is the type of its sink and of its connections."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind = kind
        self.url = url

    def ask(self, method: str, path: str, body: Any = None, *, lines: list[Any] | None = None) -> tuple[int, Any]:
        """Speak to it without the sink and its client: status and answer."""
        data = json.dumps(body).encode() if body is not None else None
        if lines is not None:
            data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        request = urllib.request.Request(
            self.url + path, data=data, method=method, headers={"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")

    def source(self, alias: str, id_: str) -> dict[str, Any] | None:
        """Return a document as it lies there."""
        status, found = self.ask("GET", f"/{alias}/_doc/{id_}")
        return found["_source"] if status == 200 else None

    @property
    def connections(self) -> Connections:
        """Look every id up as a connection to this server; it can be pickled."""
        return partial(connection_to, self.kind, self.port)

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self.url.rsplit(":", 1)[1])


def connection_to(kind: str, port: int, conn_id: str, **extra: Any) -> SinkConnection:
    """Return a connection to a server of this machine, without TLS."""
    return SinkConnection(
        conn_id=conn_id, conn_type=kind, host="127.0.0.1", port=port, extra={"use_ssl": False, **extra}
    )


@contextmanager
def opensearch_server() -> Iterator[SearchServer]:
    """Start osmem, which has OpenSearch's interface, in memory, and stop it in the end."""
    from osmem_server import OsmemServer

    server = OsmemServer.start(japanese=False)
    try:
        yield SearchServer("opensearch", server.url)
    finally:
        server.close()
        for stream in (server.process.stdin, server.process.stdout):
            if stream:
                stream.close()


class Noida(SearchServer):
    """noida-db: Elasticsearch's interface, on disk, so that it can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        super().__init__("elasticsearch", f"http://127.0.0.1:{self._port}")
        self.start()

    def start(self) -> None:
        import noida_db

        binary = Path(noida_db.__file__).parent / "noida-db"
        command = [str(binary), "start", "--data-dir", str(self._folder), "--host", "127.0.0.1"]
        command += ["--only", "elasticsearch", "--elasticsearch-port", str(self._port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                self.ask("GET", "/")
                return
            except OSError:
                assert self._process.poll() is None, "noida-db ended at once"
                time.sleep(0.05)
        raise AssertionError("noida-db did not answer in 30 s")

    def kill(self) -> None:
        """End it as a power cut does."""
        self._process.kill()
        self._process.wait()


@contextmanager
def elasticsearch_server() -> Iterator[Noida]:
    """Start noida-db, which has Elasticsearch's interface, and stop it in the end."""
    with tempfile.TemporaryDirectory() as folder:
        server = Noida(Path(folder))
        try:
            yield server
        finally:
            server.kill()


@pytest.fixture(scope="session")
def opensearch() -> Iterator[SearchServer]:
    """osmem, for a whole run."""
    with opensearch_server() as server:
        yield server


@pytest.fixture(scope="session")
def elasticsearch() -> Iterator[Noida]:
    """noida-db, for a whole run."""
    with elasticsearch_server() as server:
        yield server
