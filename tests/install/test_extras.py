"""What is not installed is named with the command that installs it, and that command brings all that was missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_confluence.testing.sandbox import Sandbox
from tests.install.conftest import fill
from tests.install.environments import Environment, make_environment, requirements, wheel

pytestmark = pytest.mark.timeout(900)
# Looks a sink over that is on a port where nobody listens, and prints what is told of it.
SCRIPT = """
import json, sys
from pathlib import Path
from airflow_provider_confluence.errors import ConfluenceProviderError
from airflow_provider_confluence.sinks.connection import SinkConnection
from airflow_provider_confluence.sinks.registry import make_sink

settings, connection = json.loads(sys.argv[1])
sink = make_sink(settings, "documents", storage=Path("."), connections=lambda _: SinkConnection("there", **connection))
try:
    sink.check()
except ConfluenceProviderError as error:
    print(type(error).__name__, error)
"""
# By extra: the sink's settings and its connection.
SINKS = {
    "opensearch": ({"type": "opensearch", "conn_id": "there"}, {"conn_type": "opensearch"}),
    "elasticsearch": ({"type": "elasticsearch", "conn_id": "there"}, {"conn_type": "elasticsearch"}),
    "postgres": ({"type": "postgres", "conn_id": "there"}, {"conn_type": "postgres", "schema": "wiki", "login": "me"}),
    "queue": ({"type": "queue", "conn_id": "there"}, {"conn_type": "amqp"}),
}
STORES = [("s3", "s3fs"), ("gs", "gcsfs"), ("abfs", "adlfs")]


@pytest.fixture(scope="module")
def without(folder: Path) -> Environment:
    """Return an environment without any extra."""
    return make_environment(folder / "without")


@pytest.fixture
def restored(without: Environment) -> Iterator[Environment]:
    """Return it, and take out what a test put in."""
    before = set(without.versions())
    yield without
    if more := set(without.versions()) - before:
        without.uninstall(*more)


def add(environment: Environment, extra: str) -> None:
    """Do what the message says: ``pip install airflow-provider-confluence[EXTRA]``."""
    environment.install(f"airflow-provider-confluence[{extra}] @ {wheel().as_uri()}")


def look(environment: Environment, extra: str, port: int, **connection: str) -> str:
    settings, reached = SINKS[extra]
    given = [settings, {**reached, "host": "127.0.0.1", "port": port, **connection}]
    return environment.run("python", "-c", SCRIPT, json.dumps(given)).stdout.strip()


def test_every_extra_is_tried_here() -> None:
    markers = {str(one.marker) for one in requirements() if one.marker is not None}
    assert markers == {f'extra == "{extra}"' for extra in (*SINKS, "attachments")}


@pytest.mark.parametrize("extra", SINKS)
def test_a_sink_names_its_extra_where_it_is_missing_and_needs_no_more(
    restored: Environment, extra: str, nobody: int
) -> None:
    said = look(restored, extra, nobody)
    assert said.startswith("ConfigurationError ")
    assert f"pip install 'airflow-provider-confluence[{extra}]'" in said
    add(restored, extra)
    assert look(restored, extra, nobody).startswith("SinkUnavailableError ")


@pytest.mark.parametrize(("conn_type", "package"), [("redis", "kombu[redis]"), ("aws", "kombu[sqs]")])
def test_a_queue_names_what_its_broker_needs_besides(
    restored: Environment, conn_type: str, package: str, nobody: int
) -> None:
    add(restored, "queue")
    said = look(restored, "queue", nobody, conn_type=conn_type)
    assert said.startswith("ConfigurationError ")
    assert f"'{package}'" in said


def test_attached_files_are_listed_without_their_text_until_the_extra_is_there(
    restored: Environment, cloud: Sandbox
) -> None:
    fill(cloud)
    where = ["--endpoint", cloud.endpoint, "--username", cloud.username, "--space", "DOCS", "--storage", "attached"]
    command = ["sync", *where, "--attachments"]
    check = ["check", *where, "--set", "enable_attachments=true"]
    search = ["search", "quayside", "--storage", "attached", "--json"]

    looked = restored.run("airflow-confluence", *check, CONFLUENCE_TOKEN=cloud.token)
    assert "pip install 'airflow-provider-confluence[attachments]'" in looked.stdout
    first = restored.run("airflow-confluence", *command, CONFLUENCE_TOKEN=cloud.token)
    assert "pip install 'airflow-provider-confluence[attachments]'" in first.stderr
    assert json.loads(restored.run("airflow-confluence", *search).stdout)["hits"] == []
    add(restored, "attachments")
    assert "pip install" not in restored.run("airflow-confluence", *check, CONFLUENCE_TOKEN=cloud.token).stdout
    second = restored.run("airflow-confluence", *command, CONFLUENCE_TOKEN=cloud.token)
    assert "pip install" not in second.stderr
    (hit,) = json.loads(restored.run("airflow-confluence", *search).stdout)["hits"]
    assert hit["title"] == "drill.pdf"


@pytest.mark.parametrize(("scheme", "library"), STORES)
def test_an_object_store_names_its_library(without: Environment, scheme: str, library: str) -> None:
    done = without.run("airflow-confluence", "status", "--storage", f"{scheme}://bucket/confluence", check=False)
    assert done.returncode == 2
    assert f"pip install '{library}'" in done.stderr


def test_an_object_store_with_a_connection_of_airflow_names_the_provider_package(without: Environment) -> None:
    environment = {
        "AIRFLOW__CONFLUENCE__STORAGE_PATH": "s3://mine@bucket/confluence",
        "AIRFLOW_CONN_CONFLUENCE_DEFAULT": "confluence://me:token@127.0.0.1:9",
        "AIRFLOW_VAR_CONFLUENCE_DATASOURCES": json.dumps({"docs": {"space": "DOCS"}}),
        "AIRFLOW_VAR_CONFLUENCE_CONNECTOR": "{}",
    }
    done = without.run("airflow-confluence", "check", "docs", check=False, **environment)
    assert done.returncode == 2
    assert "storage_path: s3://bucket/confluence cannot be used" in done.stderr
    assert "pip install 'apache-airflow-providers-amazon[s3fs]'" in done.stderr


def test_openlineage_is_told_of_the_asset_where_its_provider_is_installed(without: Environment) -> None:
    code = """
from airflow_provider_confluence.assets import convert_asset_to_openlineage, create_asset
dataset = convert_asset_to_openlineage(create_asset(datasource_id="docs"), None)
print(dataset and [dataset.namespace, dataset.name])
"""
    assert without.python_code(code).splitlines()[-1] == "None"  # nobody to tell
    without.install("apache-airflow-providers-openlineage")
    try:
        assert without.python_code(code).splitlines()[-1] == "['confluence://datasource', 'docs']"
    finally:
        without.uninstall("apache-airflow-providers-openlineage")
