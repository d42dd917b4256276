"""The sinks of this package that need no server, held to the suite that every sink is held to."""

import sqlite3
from contextlib import closing, contextmanager
from functools import partial

import pytest

from airflow_provider_confluence.sinks.base import Capabilities
from airflow_provider_confluence.sinks.local import LocalIndex, LocalSink
from airflow_provider_confluence.sinks.memory import MemoryDestination, MemorySink
from airflow_provider_confluence.testing.sink_conformance import SinkConformance

pytest_plugins = ["pytester"]


class TestLocalSink(SinkConformance):
    crosses_processes = True
    max_document_bytes = 20_000

    @pytest.fixture
    def make_sink(self, tmp_path):
        self.path = tmp_path / "conformance.sqlite3"
        return partial(LocalSink, self.path, max_document_bytes=self.max_document_bytes, busy_timeout_seconds=4)

    def read(self, document_id):
        with LocalIndex(self.path) as index:
            return index.get(document_id)

    def readable_by(self, principals):
        with LocalIndex(self.path) as index:
            found = index.search(None, principals=principals, limit=1_000)
            assert found.total == len(found.hits)
            return {hit.content_id for hit in found.hits}

    def pass_time(self, seconds):
        """Tombstones have no age here, and nothing reads a clock."""

    @contextmanager
    def down(self):
        """Another program holds the file."""
        LocalSink(self.path).check()
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield


class TestMemorySink(SinkConformance):
    @pytest.fixture
    def make_sink(self):
        self.destination = MemoryDestination()
        return partial(MemorySink, self.destination)

    def read(self, document_id):
        return self.destination.documents().get(document_id)

    def pass_time(self, seconds):
        """Tombstones have no age here, and nothing reads a clock."""


class ForgetfulSink(MemorySink):
    """A sink that breaks its promises, to see whether the suite notices: it takes every write, tombstones leave nothing behind."""

    def _write(self, item, owner):
        self.destination.items.pop(item.id, None)
        return super()._write(item, owner)


class QueueLikeSink(MemorySink):
    capabilities = Capabilities(versioned=False, inventory=False, atomic_swap=False)


@pytest.fixture
def run_suite(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(sink, name):
        pytester.makepyfile(
            f"""
            import functools, pytest
            from {sink.__module__} import {sink.__name__} as TheSink
            from airflow_provider_confluence.sinks.memory import MemoryDestination
            from airflow_provider_confluence.testing.sink_conformance import SinkConformance

            class TestTheSink(SinkConformance):
                @pytest.fixture
                def make_sink(self):
                    return functools.partial(TheSink, MemoryDestination())
            """
        )
        return pytester.runpytest_inprocess("-rs", "-k", name)

    return run


def test_the_suite_finds_a_sink_that_forgets_revisions(run_suite):
    result = run_suite(ForgetfulSink, "superseded or tombstone_before or any_order")

    result.assert_outcomes(failed=3, deselected=result.parseoutcomes()["deselected"])


def test_what_a_sink_declares_not_to_hold_is_skipped_and_never_passed(run_suite):
    result = run_suite(QueueLikeSink, "older_revision or tombstone_before or any_order or two_writers or owner")

    outcomes = result.parseoutcomes()
    assert outcomes["skipped"] == 7
    assert "passed" not in outcomes
    result.stdout.fnmatch_lines(["*declared: not held (versioned)*"])


def test_what_the_suite_cannot_see_is_skipped_and_never_passed(run_suite):
    result = run_suite(MemorySink, "stored_whole or hour_later or oversize or killed")

    outcomes = result.parseoutcomes()
    assert outcomes["skipped"] == 6
    assert "passed" not in outcomes
    result.stdout.fnmatch_lines(["*not checked: define read()*"])
