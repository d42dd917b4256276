"""Hostile files: bounded in time and memory, none reaches the network or a file outside its folder, none stops what comes after it."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_confluence.content.attachments import OUTCOMES, Extractor, ExtractorSettings
from airflow_provider_confluence.content.attachments.lockdown import Limits
from tests.content import hostile_files
from tests.content.attachment_files import pdf

SECRET = "the secret of the canary"
TIMEOUT_SECONDS = 12.0
MEMORY_BYTES = 1024**3


class Canary:
    """A server that nobody should ever call, and a folder in which nothing should ever change."""

    def __init__(self, folder: Path) -> None:
        self.calls = 0
        self.secret = folder / "secret.txt"
        self.secret.write_text(SECRET)
        self._folder = folder
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                if connection.recv(1) == b"!":
                    return
                self.calls += 1

    def assert_alive(self) -> None:
        assert self.calls == 0
        assert [path.name for path in self._folder.iterdir()] == ["secret.txt"]
        assert self.secret.read_text() == SECRET

    def close(self) -> None:
        with socket.create_connection(self._socket.getsockname()) as goodbye:
            goodbye.sendall(b"!")
        self._thread.join()
        self._socket.close()


@pytest.fixture(scope="module")
def canary(tmp_path_factory: Any) -> Iterator[Canary]:
    found = Canary(tmp_path_factory.mktemp("canary"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def extractor() -> Iterator[Extractor]:
    settings = ExtractorSettings(processes=1, limits=Limits(memory_bytes=MEMORY_BYTES, cpu_seconds=5))
    with Extractor(settings, timeout_seconds=TIMEOUT_SECONDS) as found:
        yield found


@pytest.fixture(scope="module")
def cases(canary: Canary) -> dict[str, hostile_files.Case]:
    return {name: case for make in hostile_files.ALL for name, case in make(canary.address, canary.secret).items()}


NAMES = [name for make in hostile_files.ALL for name in make("http://127.0.0.1:1", Path("/secret"))]


def children() -> list[int]:
    """The processes whose parent is this one and that read files; the servers of other tests are none of ours to kill."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and b"content.attachments.child" in command:
            found.append(int(status.parent.name))
    return found


def extract(extractor: Extractor, name: str, data: bytes | Callable[[], bytes]) -> Any:
    path = extractor.new_file()
    path.write_bytes(data() if callable(data) else data)
    return extractor.extract(path, name)


def test_there_are_more_than_forty_of_them():
    assert len(NAMES) == len(set(NAMES)) > 80


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_file_does_no_harm(extractor, canary, cases, name):
    started = time.monotonic()
    found = extract(extractor, *cases[name])
    assert time.monotonic() - started < TIMEOUT_SECONDS + 10
    assert found.outcome in OUTCOMES
    assert SECRET not in found.text
    assert len(found.text) <= 5_000_000
    canary.assert_alive()


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("encrypted", "encrypted"),
        ("an unknown lock", "encrypted"),
        ("encrypted Office", "encrypted"),
        ("encrypted archive", "encrypted"),
        ("Word bomb", "damaged"),
        ("Excel bomb", "damaged"),
        ("bomb of the same bytes 500 times", "damaged"),
        ("cut archive", "damaged"),
        ("an archive within an archive within", "skipped_type"),
        ("a program by the name of a document", "skipped_type"),
        ("a picture by the name of a document", "skipped_type"),
        ("nothing", "empty"),
        ("nothing but zeros", "empty"),
        ("macros", "extracted"),
        ("addresses everywhere", "extracted"),
        ("a document by the name of another", "extracted"),
        ("twenty megabytes of text", "extracted"),
    ],
)
def test_what_a_hostile_file_comes_to_is_told(extractor, cases, name, outcome):
    assert extract(extractor, *cases[name]).outcome == outcome


def test_a_text_that_is_too_long_is_cut_and_says_so(extractor, cases):
    found = extract(extractor, *cases["twenty megabytes of text"])
    assert len(found.text) == 5_000_000
    assert "cut=5000000" in found.warnings


def test_a_good_file_is_read_after_all_the_bad_ones(extractor, cases):
    for name in ("flate bomb", "billion laughs", "one long entity, often"):
        extract(extractor, *cases[name])
    assert "Still here" in extract(extractor, "good.pdf", pdf([["Still here"]])).text


def test_a_child_that_is_killed_by_somebody_else_is_replaced(extractor):
    extract(extractor, "good.pdf", pdf([["First"]]))
    for child in children():
        os.kill(child, 9)
    outcomes = [extract(extractor, "good.pdf", pdf([["Again"]])).outcome for _ in range(4)]
    assert outcomes[-1] == "extracted"
