"""The page about messages, tried: each class of error is brought about, and what is said then is in its entry."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import sys

import pytest

from airflow_provider_confluence import errors
from airflow_provider_confluence.confluence.client import ConnectionSettings, connect
from airflow_provider_confluence.datasource import read_datasource
from airflow_provider_confluence.sinks.base import Owner
from airflow_provider_confluence.sinks.coco import CocoSink
from airflow_provider_confluence.sinks.connection import SinkConnection
from airflow_provider_confluence.sinks.local import LocalSink
from airflow_provider_confluence.sinks.registry import make_sink
from airflow_provider_confluence.sync.commit import verdict
from airflow_provider_confluence.sync.extract import extract
from airflow_provider_confluence.sync.list_changes import list_changes
from airflow_provider_confluence.sync.storage import Storage
from airflow_provider_confluence.testing.coco import PERMISSIONS, FakeCoco
from airflow_provider_confluence.testing.sandbox import Sandbox
from airflow_provider_confluence.testing.sandbox.faults import CaptchaChallenge, LoginPage, MissingScope, Respond
from tests.docs.test_troubleshooting import quoted, section
from tests.sinks.coco_server import connections
from tests.sync.conftest import Wiki, fill


@pytest.fixture
def cloud_wiki(cloud, tmp_path):
    return fill(Wiki(cloud, tmp_path))


def said_in(title: str, message: str) -> list[str]:
    """The messages in a section of the page that this one is."""
    return [
        each
        for each in quoted(section(title))
        if re.search(".*".join(map(re.escape, each.split("…"))), message, re.DOTALL)
    ]


def assert_explained(caught: pytest.ExceptionInfo[Exception]) -> None:
    kind = next(kind for kind in type(caught.value).__mro__ if kind.__module__ == errors.__name__)
    assert said_in(kind.__name__, str(caught.value)), f"{kind.__name__}: {caught.value}"


# ------------------------------------------------------------------------------------------ the configuration
@pytest.mark.parametrize(
    "endpoint",
    ["https://site.atlassian.net/wiki/wiki", "https://site.atlassian.net/wiki/spaces/DOCS", "site.atlassian.net"],
)
def test_an_address_that_is_not_the_base_url(endpoint):
    with pytest.raises(errors.ConfigurationError) as caught:
        connect(ConnectionSettings(endpoint, "me@example.com", "token"))
    assert_explained(caught)


@pytest.mark.parametrize(("username", "token"), [(None, "token"), ("me@example.com", None), (None, None)])
def test_half_a_credential(username, token):
    with pytest.raises(errors.ConfigurationError) as caught:
        connect(ConnectionSettings("https://site.atlassian.net/wiki", username, token))
    assert_explained(caught)


def test_a_missing_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "opensearchpy", None)  # as where it is not installed
    connection = SinkConnection("opensearch_default", "opensearch", "127.0.0.1", 1)
    sink = make_sink({"type": "opensearch"}, "docs", storage=tmp_path, connections=lambda _: connection)
    with pytest.raises(errors.ConfigurationError) as caught:
        sink.check()
    assert_explained(caught)


@pytest.mark.parametrize(
    "definition",
    [
        {"space": "DOCS", "intervall": "5m"},
        {"space": "DOCS", "interval": 5},
        {"space": "DOCS", "token": "secret"},
        {"type": "connector", "connector": {}},
    ],
)
def test_a_broken_datasource(definition):
    with pytest.raises(errors.DatasourceError) as caught:
        read_datasource("docs", definition)
    for problem in caught.value.problems:
        if "is missing" not in problem and "type: unknown" not in problem:
            assert said_in("DatasourceError", problem), problem


def test_a_space_that_is_not_there(cloud_wiki):
    cloud_wiki.definition["space"] = ["DOKS"]
    with pytest.raises(errors.SpaceNotFoundError) as caught:
        cloud_wiki.run()
    assert_explained(caught)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.StorageError) as caught:
        Storage(tmp_path / "file").write("a", b"")
    assert_explained(caught)


def test_a_file_that_another_worker_has(cloud_wiki):
    plan = list_changes(cloud_wiki.context, cloud_wiki.datasource)
    (cloud_wiki.folder / "state" / "docs" / "runs" / str(plan.revision) / "plan.json").unlink()
    with pytest.raises(errors.MissingFileError) as caught:
        extract(cloud_wiki.context, "docs", plan.revision, 0)
    assert_explained(caught)


@pytest.mark.parametrize("change", [{"format": 99}, {"converter": 10_000}])
def test_a_state_of_a_newer_version(cloud_wiki, change):
    cloud_wiki.run()
    head = cloud_wiki.folder / "state" / "docs" / "head.json"
    head.write_text(json.dumps({**json.loads(head.read_text()), **change}))
    with pytest.raises(errors.UpgradeNeededError) as caught:
        cloud_wiki.run()
    assert_explained(caught)


# ------------------------------------------------------------------------------------------ later
def test_a_pause_that_is_longer_than_the_task_waits(cloud):
    cloud.faults.add(Respond(429, retry_after=600, times=None))
    client = connect(ConnectionSettings(cloud.endpoint, cloud.username, cloud.token), patience_seconds=1)
    with pytest.raises(errors.RateLimitedError) as caught:
        client.spaces(["DOCS"])
    client.close()
    assert_explained(caught)


def test_a_confluence_that_does_not_answer():
    with socket.socket() as nobody:  # bound, and not listening
        nobody.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        client = connect(ConnectionSettings(endpoint, None, "token", "datacenter"), patience_seconds=0.1)
        with pytest.raises(errors.ConfluenceUnavailableError) as caught:
            client.identity()
        client.close()
    assert_explained(caught)


def owner(deployment: str = "one") -> Owner:
    return Owner("docs", deployment, "https://wiki.example.com")


def test_a_local_index_that_stays_locked(tmp_path):
    first = LocalSink(tmp_path / "index.sqlite3")
    first.open(owner())
    first.close()
    other = sqlite3.connect(tmp_path / "index.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(errors.SinkUnavailableError) as caught:
        LocalSink(tmp_path / "index.sqlite3", busy_timeout_seconds=0.05).open(owner())
    other.close()
    assert_explained(caught)


# ------------------------------------------------------------------------------------------ at once
@pytest.mark.parametrize("fault", [CaptchaChallenge(times=None), LoginPage(times=None), None])
def test_a_credential_that_is_refused(datacenter, fault):
    token = datacenter.token if fault else "wrong"
    if fault:
        datacenter.faults.add(fault)
    client = connect(ConnectionSettings(datacenter.endpoint, None, token, "datacenter"))
    with pytest.raises(errors.CredentialsError) as caught:
        client.identity()
    client.close()
    assert_explained(caught)


def test_a_token_without_a_scope(cloud):
    cloud.faults.add(MissingScope(times=None))
    client = connect(ConnectionSettings(cloud.endpoint, cloud.username, cloud.token))
    with pytest.raises(errors.AccessDeniedError) as caught:
        client.identity()
    client.close()
    assert_explained(caught)


@pytest.mark.parametrize(
    ("permissions", "kind"),
    [(None, errors.SinkCredentialsError), (PERMISSIONS - {"coco#document/update"}, errors.SinkAccessError)],
)
def test_a_sink_that_refuses(permissions, kind):
    with FakeCoco() as coco:
        token = coco.add_token("reader", permissions=permissions) if permissions else "wrong"
        sink = CocoSink(connections(coco.endpoint, token), back_off_seconds=0.01)
        with pytest.raises(kind) as caught:
            sink.check()
        sink.close()
    assert_explained(caught)


def test_a_context_path_that_is_wrong():
    with Sandbox("datacenter") as sandbox:
        settings = ConnectionSettings(sandbox.origin + "/confluence/confluence", None, sandbox.token, "datacenter")
        client = connect(settings)
        with pytest.raises(errors.ContractError) as caught:
            client.identity()
        client.close()
    assert_explained(caught)


def test_documents_of_another_deployment(tmp_path):
    for deployment in ("one", "two"):
        sink = LocalSink(tmp_path / "index.sqlite3")
        if deployment == "one":
            sink.open(owner())
            sink.close()
            continue
        with pytest.raises(errors.OwnershipError) as caught:
            sink.open(owner(deployment))
    assert_explained(caught)


# ------------------------------------------------------------------------------------------ aside, and a red verdict
def test_a_task_of_a_run_that_is_committed(cloud_wiki):
    result = cloud_wiki.run()
    with pytest.raises(errors.SupersededError) as caught:
        extract(cloud_wiki.context, "docs", result.revision, 0)
    assert_explained(caught)


def test_a_task_of_a_run_that_a_newer_one_overtook(cloud_wiki):
    first = list_changes(cloud_wiki.context, cloud_wiki.datasource)
    list_changes(cloud_wiki.context, cloud_wiki.datasource)
    with pytest.raises(errors.SupersededError) as caught:
        extract(cloud_wiki.context, "docs", first.revision, 0)
    assert_explained(caught)


def test_deletions_that_are_withheld(cloud_wiki):
    pages = [cloud_wiki.model.create_page("DOCS", f"Page {n}", "<p>x</p>") for n in range(60)]
    cloud_wiki.run()
    for page in pages:
        cloud_wiki.model.trash(page)
    said = verdict(cloud_wiki.run(mode="reconcile"))
    assert said_in("A red verdict", said) == [
        "deletions are withheld; if they are meant, run again with allow_mass_delete=…"
    ]
