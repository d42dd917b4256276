"""What holds for every run: no secret is left anywhere, what the UI shows is bounded, storage may be an object store."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.airflow.deployment import Deployment, everything_in_xcom


def test_no_secret_is_left_in_logs_xcom_or_files(deploy: Deployment, capfd: pytest.CaptureFixture[str]) -> None:
    token = deploy.sandbox.token
    pair = base64.b64encode(f"{deploy.sandbox.username or ''}:{token}".encode()).decode()
    run = deploy.run()
    deploy.connect(token=token + "x")  # a red run says more
    red = deploy.run()
    assert (run.state, red.state) == ("success", "failed")
    left = {"log": capfd.readouterr().out, "xcom": everything_in_xcom(), "mirror": json.dumps(deploy.mirror())}
    for path in deploy.storage.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            left[path.name] = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8", "replace")
    assert len(left) > 5
    for where, text in left.items():
        for secret in (token, pair, quote(token, safe="")):
            assert secret not in text, where


def test_documents_never_travel_through_xcom(on_cloud: Deployment) -> None:
    on_cloud.model.edit(on_cloud.model.find("Page 1"), body="<p>pomegranate</p>")
    on_cloud.run()
    assert "pomegranate" not in everything_in_xcom()
    assert "Page 1" not in everything_in_xcom()


@pytest.fixture
def object_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield an object store in memory, known to Airflow under the name that the setting uses."""
    from airflow.sdk.io import attach
    from fsspec.implementations.memory import MemoryFileSystem

    store = MemoryFileSystem()
    store.store.clear()
    attach("memory", conn_id="store", fs=store)
    monkeypatch.setenv("AIRFLOW__CONFLUENCE__STORAGE_PATH", "memory://store@bucket/confluence")
    yield store
    store.store.clear()


def test_state_may_lie_in_an_object_store(
    on_cloud: Deployment, object_store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))  # where local indexes lie then
    first = on_cloud.run()
    on_cloud.model.edit(on_cloud.model.find("Page 1"), title="Page one")
    second = on_cloud.run()
    assert (first.state, second.state) == ("success", "success")
    assert second.xcom("commit", "counts")["fetched"] == 1
    assert on_cloud.titles() == on_cloud.visible()
    assert object_store.exists(f"/bucket/confluence/{on_cloud.id}/head.json")
    assert not list(on_cloud.storage.glob("docs*"))


def test_a_storage_whose_package_is_missing_is_said_at_once(
    on_cloud: Deployment, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AIRFLOW__CONFLUENCE__STORAGE_PATH", "nosuch://conn@bucket/x")
    run = on_cloud.run()
    assert (run.state, run.tries("list_changes")) == ("failed", 1)
    assert "[confluence] storage_path: nosuch://bucket/x cannot be used" in capfd.readouterr().out
