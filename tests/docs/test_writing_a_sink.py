"""The sink that a page builds keeps the contract, and a run fills it, exactly as it stands on the page (writing-a-sink.md)."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from airflow_provider_confluence.cli.sync import sync
from airflow_provider_confluence.datasource import read_datasource
from airflow_provider_confluence.errors import ConfigurationError, DatasourceError
from airflow_provider_confluence.sinks.registry import make_sink, sink_types
from tests.docs.examples import CHECKOUT
from tests.docs.packages import write_package

PAGE = (CHECKOUT / "docs" / "writing-a-sink.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The page's package, as an installer leaves it in a folder."""
    folder = tmp_path_factory.mktemp("acme")
    write_package(PAGE, folder, "acme-search")
    return folder


@pytest.fixture
def installed(package, monkeypatch):
    monkeypatch.syspath_prepend(str(package))
    yield
    sys.modules.pop("acme_search", None)


def test_the_sink_of_the_page_passes_the_suite_with_the_tests_of_the_page(package):
    (command,) = re.findall(r"^\$ python (-m pytest .*)$", PAGE, re.MULTILINE)
    done = subprocess.run(
        [sys.executable, *command.split(), "-rs", "-p", "no:cacheprovider", "-W", "error"],
        cwd=package,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    skipped = re.findall(r"^SKIPPED \[(\d+)\] .*?: (.*)$", done.stdout, re.MULTILINE)
    assert skipped == [
        ("1", "declared: not held (changes)"),
        ("2", "declared: not held (readers)"),
        ("5", "not checked: define cutting() so that the suite can break a connection in the middle"),
    ]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 40


def test_a_datasource_that_names_the_sink_fills_it(installed, cloud, tmp_path):
    assert "acme" in sink_types()
    cloud.model.create_space("DOCS")
    kept = cloud.model.create_page("DOCS", "Kept", "<p>in the <strong>table</strong></p>")
    gone = cloud.model.create_page("DOCS", "Gone", "<p>for a while</p>")
    docs = read_datasource("docs", {"space": "DOCS", "queue": {"name": "wiki"}, "sink": {"type": "acme"}})
    access = {"endpoint": cloud.endpoint, "username": cloud.username, "token": cloud.token}
    assert sync(docs, **access, storage=tmp_path).counts["written"] == 2
    cloud.model.trash(gone)
    assert sync(docs, **access, storage=tmp_path, mode="verify").clean

    (file,) = tmp_path.rglob("wiki.acme.sqlite3")
    with closing(sqlite3.connect(file)) as db:
        rows = dict(db.execute("SELECT content_id, body FROM doc"))
    assert rows.keys() == {kept, gone}
    assert json.loads(rows[kept])["content"] == "in the **table**\n"
    assert rows[gone] is None


def test_a_name_that_leads_elsewhere_and_a_setting_that_is_none_are_refused(installed, tmp_path):
    for settings, destination in (({}, "../wiki"), ({}, ""), ({"path": "/etc"}, "wiki")):
        with pytest.raises(ConfigurationError, match=r"queue\.name|takes no settings"):
            make_sink({"type": "acme", **settings}, destination, storage=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_where_the_package_is_missing_the_datasource_says_which_sinks_there_are():
    with pytest.raises(DatasourceError, match=r"sink\.type: 'acme' is not one of coco, elasticsearch"):
        read_datasource("docs", {"space": "DOCS", "sink": {"type": "acme"}})
