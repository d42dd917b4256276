"""What the asset's state store shows of a datasource, for the page in the UI."""

from __future__ import annotations

import json
import shutil
import time
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_confluence.operators._deployment import make_sink
from airflow_provider_confluence.sync.purge import purge
from airflow_provider_confluence.sync.storage import Storage
from tests.airflow.deployment import Deployment


def make_failing(deployment: Deployment, titles: list[str], **changes: Any) -> None:
    """Make pages that the sink refuses for their size."""
    deployment.define(sink={"type": "local", "max_document_bytes": 200}, **changes)
    for title in titles:
        deployment.model.create_page("DOCS", title, "<p>x</p>")


def test_the_asset_shows_counts_recent_runs_and_failures(on_cloud: Deployment) -> None:
    first = on_cloud.run()
    on_cloud.model.edit(on_cloud.model.find("Page 1"), body="<p>New</p>")
    on_cloud.model.create_page("DOCS", "Page 6", "<p>Six</p>")
    second = on_cloud.run()
    on_cloud.run()
    mirror = on_cloud.mirror()
    assert mirror["counts"]["documents"] == 7
    rows = mirror["recent_runs"]
    assert [row["changed"] for row in rows] == [False, True, True]
    assert rows[2]["revision"] == first.xcom("commit")["revision"]
    assert rows[1]["run_id"] == second.run_id
    assert (rows[1]["counts"]["written"], rows[1]["counts"]["added"]) == (2, 1)
    assert rows[2]["requests"] > 0
    assert rows[2]["throttled_seconds"] >= 0
    assert mirror["failures"] == []
    assert "trouble" not in mirror


def test_the_asset_shows_how_the_index_stands(on_cloud: Deployment) -> None:
    on_cloud.define(name="Manuals", enable_blogposts=True, interval="15m", queue={"name": "books"})
    on_cloud.model.create_blogpost("DOCS", "News", "<p>New</p>")
    before = datetime.now(timezone.utc)
    run = on_cloud.run()
    mirror = on_cloud.mirror()
    state = mirror["state"]
    assert state["documents"] == {"blogpost": 1, "page": 6}
    assert state["run_id"] == run.run_id
    assert state["verdict"] == run.xcom("commit")["verdict"]
    assert state["watermark"] == state["reconciled"] == on_cloud.head()["watermark"]
    assert abs((datetime.fromisoformat(state["committed"].replace("Z", "+00:00")) - before).total_seconds()) < 120
    assert mirror["datasource"] == {
        "name": "Manuals",
        "space": ["DOCS"],
        "spaces": 1,
        "interval": "15m",
        "sink": "local",
        "queue": "books",
        "site": on_cloud.head()["site"],
        "awaiting": None,
    }
    assert mirror["storage"] == {"place": str(on_cloud.storage), "losses": []}


def test_a_failure_leads_to_its_page_without_its_title(on_cloud: Deployment) -> None:
    make_failing(on_cloud, ["Überschrift"], enable_attachments=True)
    page = on_cloud.model.find("Überschrift")
    on_cloud.model.attach(page, "a.bin", b"x", "application/octet-stream")
    on_cloud.run()
    by_type = {failure["type"]: failure for failure in on_cloud.mirror()["failures"]}
    assert set(by_type["page"]) == {"content_id", "type", "reason", "message", "attempts", "since"}
    assert by_type["attachment"]["page_id"] == page


def test_what_the_asset_shows_stays_small(on_cloud: Deployment) -> None:
    make_failing(on_cloud, [f"{'Überschrift ' * 15}{number}" for number in range(80)], name="Wörter" * 90)
    assert on_cloud.run().state == "failed"
    mirror = on_cloud.mirror()
    assert len(json.dumps(mirror)) <= 32 * 1024
    assert 20 <= len(mirror["failures"]) <= 50
    (problem,) = mirror["state"]["problems"]
    assert "items failed that did not fail before" in problem
    assert "Überschrift" not in json.dumps(mirror, ensure_ascii=False)


def test_a_mistake_in_the_settings_is_shown_until_it_is_mended(on_cloud: Deployment) -> None:
    on_cloud.run()
    on_cloud.define(interval="five minutes")
    red = on_cloud.run(on_cloud.dag())
    trouble = on_cloud.mirror()["trouble"]
    assert (trouble["kind"], trouble["run_id"]) == ("configuration", red.run_id)
    assert f"{on_cloud.id}.interval" in trouble["message"]
    assert on_cloud.mirror()["state"]["documents"] == {"page": 6}  # what stands is still shown
    on_cloud.define(interval="5m")
    on_cloud.run()
    assert "trouble" not in on_cloud.mirror()


def test_a_refused_credential_is_shown(on_cloud: Deployment) -> None:
    on_cloud.connect(token="wrong-token-entirely")
    on_cloud.run()
    trouble = on_cloud.mirror()["trouble"]
    assert trouble["kind"] == "refused"
    assert "wrong-token" not in trouble["message"]


def test_a_storage_that_forgets_is_shown(on_cloud: Deployment) -> None:
    first = on_cloud.run().xcom("commit")["revision"]
    shutil.rmtree(on_cloud.storage / on_cloud.id)
    second = on_cloud.run().xcom("commit")["revision"]
    (loss,) = on_cloud.mirror()["storage"]["losses"]
    assert loss["what"] == f"run {first} was committed, and run {second} found nothing of it"
    assert loss["moved_from"] is None
    on_cloud.run()
    assert on_cloud.mirror()["storage"]["losses"] == [loss]


def test_a_storage_that_falls_back_to_an_older_state_is_shown(on_cloud: Deployment, tmp_path: Any) -> None:
    first = on_cloud.run().xcom("commit")["revision"]
    shutil.copytree(on_cloud.storage, tmp_path / "backup")
    second = on_cloud.run().xcom("commit")["revision"]
    shutil.rmtree(on_cloud.storage)
    shutil.copytree(tmp_path / "backup", on_cloud.storage)
    # Revisions go by the seconds of Confluence's clock: in the same one, the old state would give the lost run's number again.
    while time.time() * 1000 < second + 1000:
        time.sleep(0.05)
    third = on_cloud.run().xcom("commit")["revision"]
    (loss,) = on_cloud.mirror()["storage"]["losses"]
    assert loss["what"] == f"run {second} was committed, and run {third} found the state of run {first}"


def test_another_storage_path_is_named(on_cloud: Deployment, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    on_cloud.run()
    monkeypatch.setenv("AIRFLOW__CONFLUENCE__STORAGE_PATH", str(tmp_path / "elsewhere"))
    on_cloud.run()
    storage = on_cloud.mirror()["storage"]
    assert storage["place"] == str(tmp_path / "elsewhere")
    assert [loss["moved_from"] for loss in storage["losses"]] == [str(on_cloud.storage)]


def test_a_purge_is_no_loss(on_cloud: Deployment) -> None:
    on_cloud.run()
    purge(Storage(on_cloud.storage), make_sink, on_cloud.id)
    on_cloud.run()
    assert on_cloud.mirror()["storage"]["losses"] == []
