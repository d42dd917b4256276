"""What is installed is what was tested: the built wheel holds everything, and works without the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
    )
    (wheel,) = (folder / "dist").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(unpacked, script, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_indexes_and_searches_the_sample_wiki(unpacked, tmp_path):
    script = """
from pathlib import Path
import airflow_provider_confluence
from airflow_provider_confluence.cli.search import index_file
from airflow_provider_confluence.cli.sync import sync
from airflow_provider_confluence.datasource import read_datasource
from airflow_provider_confluence.documents import document_schema
from airflow_provider_confluence.sinks.local_search import LocalIndex
from airflow_provider_confluence.testing.sandbox import Sandbox, load_sample

print(airflow_provider_confluence.__file__)
assert document_schema()["title"] == "Document"
with Sandbox("cloud") as sandbox:
    load_sample(sandbox.model)
    datasource = read_datasource("docs", {"space": "OPS"})
    result = sync(datasource, endpoint=sandbox.endpoint, username=sandbox.username, token=sandbox.token, storage=Path("index"))
    assert result.clean
with LocalIndex(index_file(Path("index"))) as index:
    print(index.search("rollback deployment").hits[0].title)
"""
    said = run(unpacked, script, tmp_path).splitlines()
    assert said[0].startswith(str(unpacked))
    assert said[-1] == "Deployment Rollback"


def test_the_wheel_says_what_it_is(unpacked):
    (metadata,) = unpacked.glob("*.dist-info/METADATA")
    text = metadata.read_text()
    for line in ("Name: airflow-provider-confluence", "License-Expression: Apache-2.0", "Requires-Python: >=3.10"):
        assert line in text
    for requirement in ("apache-airflow<4,>=3.3", "atlassian-python-api<6,>=4.0", "pendulum"):
        assert f"Requires-Dist: {requirement}" in text
    (entry_points,) = unpacked.glob("*.dist-info/entry_points.txt")
    assert "airflow-confluence = airflow_provider_confluence.cli:main" in entry_points.read_text()
    assert "confluence = airflow_provider_confluence.plugins.confluence:ConfluencePlugin" in entry_points.read_text()
    assert (unpacked / "airflow_provider_confluence" / "py.typed").exists()
    schema = json.loads((unpacked / "airflow_provider_confluence" / "datasources.schema.json").read_text())
    assert "space" in schema["definitions"]["datasource"]["properties"]


def test_the_wheel_holds_every_file_of_the_page_in_the_ui(unpacked):
    page = "airflow_provider_confluence/plugins/page"
    there = {file.name for file in (CHECKOUT / page).iterdir()}
    assert {"index.html", "page.css", "main.js"} <= there
    assert {file.name for file in (unpacked / page).iterdir()} == there


def test_the_pinned_requirements_name_no_index_and_pin_everything_by_hash():
    for file in (CHECKOUT / "requirements").rglob("*.txt"):
        text = file.read_text()
        assert "://" not in text
        assert "--index" not in text
        pins = [line for line in text.splitlines() if "==" in line]
        assert pins
        assert all(line.rstrip().endswith("\\") for line in pins), "every pin goes on with its hashes"


def test_the_core_imports_no_airflow():
    script = """
import importlib, pkgutil, sys
import airflow_provider_confluence as package

skin = {"hooks", "operators", "plugins", "dag_factory"}
names = [m.name for m in pkgutil.walk_packages(package.__path__, package.__name__ + ".", onerror=lambda _: None)]
core = [name for name in names if name.split(".")[1] not in skin and not name.endswith("__main__")]
for name in core:
    importlib.import_module(name)
    assert "airflow" not in sys.modules, name
print(len(core))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40
