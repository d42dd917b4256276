"""The wheel with the oldest dependencies that it declares and with the newest there are, on every Python of this machine."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_provider_confluence.testing.sandbox import Sandbox
from tests.install.conftest import fill
from tests.install.environments import ROOT, Environment, classified_pythons, floors, make_environment, pythons

pytestmark = pytest.mark.timeout(900)
FOUND = pythons()
CASES = [(dependencies, version) for version in classified_pythons() for dependencies in ("oldest", "newest")]
DAGS = ("confluence_datasources.py", "example_confluence_own_dag.py")


@dataclass(frozen=True)
class Installed:
    """An environment, and what was asked for."""

    environment: Environment
    python: str
    pins: list[str]


@pytest.fixture(scope="module", params=CASES, ids=["-".join(case) for case in CASES])
def installed(request: pytest.FixtureRequest, folder: Path) -> Installed:
    dependencies, version = request.param
    if version not in FOUND:
        pytest.skip(f"NOT TESTED: Python {version}, which is not on this machine")
    pins = floors() if dependencies == "oldest" else []
    return Installed(
        make_environment(folder / f"{dependencies}-{version}", pins=pins, python=FOUND[version]), version, pins
    )


def test_what_is_installed_is_what_was_asked_for_and_fits_together(installed: Installed) -> None:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    assert installed.environment.python_code(code).strip() == installed.python
    assert installed.environment.complaints() == ""
    versions = installed.environment.versions()
    for pin in installed.pins:
        name, _, version = pin.partition("==")
        assert f"{versions[name]}.".startswith(f"{version}.")
    # Nothing in our metadata, or in those of what we bring, may hold a newer major back that we say we take.
    if not installed.pins:
        assert versions["atlassian-python-api"].startswith("5.")
        assert versions["apache-airflow"].startswith("3.")


def test_a_wiki_of_either_edition_is_indexed_and_found(installed: Installed, sandbox: Sandbox) -> None:
    fill(sandbox)
    storage = f"index-{sandbox.edition}"
    where = ["--endpoint", sandbox.endpoint, *(["--username", sandbox.username] if sandbox.username else [])]
    command = ["sync", *where, "--space", "DOCS", "--attachments", "--storage", storage, "--json"]

    first = json.loads(installed.environment.run("airflow-confluence", *command, CONFLUENCE_TOKEN=sandbox.token).stdout)
    assert (first["clean"], first["counts"]["written"]) == (True, 3)
    again = json.loads(installed.environment.run("airflow-confluence", *command, CONFLUENCE_TOKEN=sandbox.token).stdout)
    assert (again["clean"], again["counts"]["written"]) == (True, 0)
    found = installed.environment.run("airflow-confluence", "search", "deployment", "--storage", storage, "--json")
    assert [hit["title"] for hit in json.loads(found.stdout)["hits"]] == ["Rollback"]


def test_the_dag_files_are_read_and_a_run_indexes(installed: Installed, cloud: Sandbox) -> None:
    fill(cloud)
    environment, home = installed.environment, installed.environment.home
    (home / "dags").mkdir()
    for file in DAGS:
        shutil.copy(ROOT / "dags" / file, home / "dags")
    connection = {
        "conn_type": "confluence",
        "host": cloud.endpoint,
        "login": cloud.username,
        "password": cloud.token,
    }
    variables = {
        "AIRFLOW_CONN_CONFLUENCE_DEFAULT": json.dumps(connection),
        "AIRFLOW_VAR_CONFLUENCE_DATASOURCES": json.dumps({"docs": {"space": "DOCS"}}),
        "AIRFLOW_VAR_CONFLUENCE_CONNECTOR": "{}",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    environment.run("airflow", "db", "migrate", **variables)
    code = """
from airflow.dag_processing.dagbag import DagBag
bag = DagBag("dags")
print(sorted(bag.dag_ids), bag.import_errors)
"""
    read = environment.python_code(code, **variables).splitlines()[-1]
    assert read == "['confluence__docs', 'example_confluence_own_dag', 'example_confluence_when_changed'] {}"

    environment.run("airflow", "dags", "test", "confluence__docs", **variables)
    index = home / "confluence"
    found = environment.run("airflow-confluence", "search", "deployment", "--storage", index, "--json")
    assert [hit["title"] for hit in json.loads(found.stdout)["hits"]] == ["Rollback"]
