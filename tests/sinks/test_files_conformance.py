"""The sink files, in a folder and in an object store, held to the suite that every sink is held to.

Its files are read as the documentation tells other programs to: by the program that stands there.
"""

import re
import resource
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from airflow_provider_confluence.documents import Document
from airflow_provider_confluence.sinks.registry import make_sink as make_any_sink
from airflow_provider_confluence.sync.checking import check_storage
from airflow_provider_confluence.sync.run import run_once
from airflow_provider_confluence.sync.storage import Storage
from airflow_provider_confluence.testing.sink_conformance import DATASOURCE, OWNER, SinkConformance, make_document
from tests.sinks.object_store import new_bucket
from tests.sync.conftest import Wiki, fill

PAGE = Path(__file__).parents[2] / "docs" / "sinks" / "files.md"


def documents_in(folder):
    """Return what the program of the documentation reads."""
    return list(documented()["current_documents"](folder))


def documented():
    """Return what the programs of the page define."""
    names = {}
    for program in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(program, names)
    return names


def test_the_program_of_the_page_gives_a_person_what_that_person_may_read(tmp_path):
    sink = make_any_sink({"type": "files"}, "conformance", storage=tmp_path)
    sink.open(OWNER)
    of_levels = {1: [["group:staff"], ["user:anna"]], 2: [["group:staff"], ["user:ben"]], 3: [["anonymous"]], 4: None}
    sink.write([replace(make_document(number, 1), permissions=levels) for number, levels in of_levels.items()])
    sink.flush()
    sink.close()

    def readable(person, groups=()):
        found = documented()["documents_for"](tmp_path / "conformance" / DATASOURCE, person, groups)
        return {document["content_id"] for document in found}

    assert readable("anna", ["staff"]) == {"1", "3"}
    assert readable("anna") == readable(None) == {"3"}


class _FilesSuite(SinkConformance):
    max_document_bytes = 20_000
    settings: ClassVar = {"type": "files", "max_document_bytes": max_document_bytes}

    def read(self, document_id):
        found = [each for each in documents_in(self.folder) if each["id"] == document_id]
        assert len(found) <= 1
        return Document.from_json(found[0]) if found else None

    def pass_time(self, seconds):
        """Only replaced files have an age, and none that is current."""


class TestFilesSink(_FilesSuite):
    crosses_processes = True

    @pytest.fixture
    def make_sink(self, tmp_path):
        self.folder = tmp_path / "conformance" / DATASOURCE
        return partial(make_any_sink, self.settings, "conformance", storage=tmp_path)

    @contextmanager
    def down(self):
        """No file takes another byte, as on a full disk."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class TestObjectStoreFilesSink(_FilesSuite):
    crosses_processes = True

    @pytest.fixture
    def make_sink(self, s3, tmp_path):
        bucket, self.proxy = new_bucket(s3.port), s3
        self.folder = bucket / "export" / "conformance" / DATASOURCE
        settings = {**self.settings, "path": f"{str(bucket).rstrip('/')}/export"}
        return partial(make_any_sink, settings, "conformance", storage=tmp_path, allowed_paths=[bucket])

    def down(self):
        return self.proxy.down()

    def cutting(self, after_bytes):
        return self.proxy.cutting(after_bytes)


def test_the_state_of_runs_may_lie_in_such_a_store_too_and_a_check_sees_who_shares_it(s3, cloud, tmp_path):
    wiki = fill(Wiki(cloud, tmp_path))
    context = replace(wiki.context, storage=Storage(new_bucket(s3.port) / "confluence"))
    assert run_once(context, wiki.datasource).clean
    wiki.model.edit(wiki.model.find("Appendix"), title="Renamed")
    assert run_once(context, wiki.datasource, mode="reconcile").counts["fetched"] == 1
    assert [finding.cause for finding in check_storage(context.storage, host="one")] == ["writable"]
    assert [finding.cause for finding in check_storage(context.storage, host="two")] == [
        "writable",
        "durable",
        "shared",
    ]
