"""The state of a run is right in every case, and so is the index: on the run's state, its tasks' states, and the documents."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from airflow_provider_confluence.sync.journal import Journal
from airflow_provider_confluence.sync.storage import Storage
from airflow_provider_confluence.testing.sandbox.faults import Respond, Stall
from tests.airflow.deployment import Deployment, Run
from tests.airflow.flaky_sink import DOWN, install

ALL = {"Home", "Page 1", "Page 2", "Page 3", "Page 4", "Page 5"}
BODIES = "/api/v2/pages"


def claim_anew(deploy: Deployment) -> int:
    """Claim the datasource as a newer run would."""
    return Journal(Storage(deploy.storage), deploy.id).claim(0)


# ------------------------------------------------------------------------------------------ listing fails
def test_a_run_whose_listing_failed_is_red_and_touches_nothing(
    deploy: Deployment, capfd: pytest.CaptureFixture[str]
) -> None:
    deploy.run()
    deploy.model.edit(deploy.model.find("Page 1"), title="Page one")
    deploy.connect(token="wrong")
    run = deploy.run()
    assert run.state == "failed"
    assert run.tasks == {
        "list_changes": "failed",
        "shards.extract": "upstream_failed",
        "shards.index": "upstream_failed",
        "commit": "failed",
        "verdict": "upstream_failed",
    }
    assert deploy.titles() == ALL
    assert "there is no plan to commit, because list_changes did not finish" in capfd.readouterr().out


def test_a_wrong_token_fails_at_once_without_retries(deploy: Deployment) -> None:
    deploy.connect(token="wrong")
    run = deploy.run()
    # The datasource leaves the three retries of every task in place.
    assert [run.tries(task) for task in ("list_changes", "commit")] == [1, 1]


# ------------------------------------------------------------------------------------------ shards fail
def test_a_run_with_a_failed_shard_is_red_and_the_others_are_indexed(
    on_cloud: Deployment, two_shards: None, capfd: pytest.CaptureFixture[str]
) -> None:
    fault = Respond(401, route=f"*{BODIES}", after=1, times=None)
    on_cloud.sandbox.faults.add(fault)
    red = on_cloud.run()
    assert red.state == "failed"
    assert red.tasks == {
        "list_changes": "success",
        "shards.extract[0]": "success",
        "shards.extract[1]": "failed",
        "shards.index[0]": "success",
        "shards.index[1]": "upstream_failed",
        "commit": "success",
        "verdict": "failed",
    }
    assert len(on_cloud.titles()) == 3
    assert red.xcom("commit", "counts")["pending"] == 3
    assert "3 of 6 items were not finished; the next run goes on with them" in capfd.readouterr().out
    on_cloud.sandbox.faults.remove(fault)
    green = on_cloud.run()
    assert green.state == "success"
    assert green.xcom("commit", "counts")["fetched"] == 3
    assert on_cloud.titles() == ALL


def test_a_run_whose_sink_is_down_is_red_and_the_next_one_finishes(
    on_cloud: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    on_cloud.define(sink={"type": "flaky"}, airflow={"retries": 0})
    down = on_cloud.storage / "index" / DOWN
    down.parent.mkdir(parents=True)
    down.touch()
    red = on_cloud.run()
    assert red.state == "failed"
    assert (red.tasks["shards.extract[0]"], red.tasks["shards.index[0]"]) == ("success", "failed")
    assert (red.tasks["commit"], red.tasks["verdict"]) == ("success", "failed")
    assert on_cloud.titles() == set()
    down.unlink()
    assert on_cloud.run().state == "success"
    assert on_cloud.titles() == ALL


def test_a_task_that_exceeds_its_time_fails_and_the_next_run_finishes(on_cloud: Deployment) -> None:
    on_cloud.define(airflow={"retries": 0, "execution_timeout": "2s"})
    stall = Stall(30, route=f"*{BODIES}", times=None)
    on_cloud.sandbox.faults.add(stall)
    red = on_cloud.run()
    assert red.state == "failed"
    assert (red.tasks["shards.extract[0]"], red.tasks["commit"]) == ("failed", "success")
    on_cloud.sandbox.faults.remove(stall)
    assert on_cloud.run().state == "success"
    assert on_cloud.titles() == ALL


def test_a_run_that_exceeds_its_time_is_taken_over_by_the_next(on_cloud: Deployment, two_shards: None) -> None:
    red = on_cloud.run(until="shards.index[0]").time_out()
    assert red.state == "failed"
    assert (red.tasks["shards.index[1]"], red.tasks["commit"], red.tasks["verdict"]) == ("skipped",) * 3
    assert len(on_cloud.titles()) == 3
    green = on_cloud.run()
    assert green.state == "success"
    # The three that have receipts are not fetched again.
    assert green.xcom("commit", "counts")["fetched"] == 3
    assert on_cloud.titles() == ALL


def test_a_staged_file_that_this_worker_does_not_see_names_the_storage_setting(
    on_cloud: Deployment, capfd: pytest.CaptureFixture[str]
) -> None:
    run = on_cloud.run(until="shards.extract[0]")
    (folder,) = on_cloud.storage.glob(f"{on_cloud.id}/runs/*/batches")
    shutil.rmtree(folder)
    run = run.go_on()
    assert (run.state, run.tasks["shards.index[0]"]) == ("failed", "failed")
    assert "set [confluence] storage_path to an object store" in capfd.readouterr().out
    assert on_cloud.run().state == "success"
    assert on_cloud.titles() == ALL


# ------------------------------------------------------------------------------------------ nothing to do
def test_a_run_without_changes_is_green_skips_the_shards_and_adds_no_event(deploy: Deployment) -> None:
    deploy.run()
    run = deploy.run()
    assert run.state == "success"
    assert run.tasks == {
        "list_changes": "success",
        "shards.extract": "skipped",
        "shards.index": "skipped",
        "commit": "success",
        "verdict": "skipped",
    }
    assert len(deploy.events()) == 1


def test_a_run_that_a_newer_one_overtook_while_listing_is_skipped(
    on_cloud: Deployment, capfd: pytest.CaptureFixture[str]
) -> None:
    on_cloud.when_asked("/pages", lambda: claim_anew(on_cloud))
    run = on_cloud.run()
    assert set(run.tasks.values()) == {"skipped"}
    assert on_cloud.titles() == set()
    assert "stands aside: run" in capfd.readouterr().out


def test_a_run_that_a_newer_one_overtook_later_is_skipped_from_there(
    on_cloud: Deployment, capfd: pytest.CaptureFixture[str]
) -> None:
    run = on_cloud.run(until="shards.extract[0]")
    newer = claim_anew(on_cloud)
    run = run.go_on()
    assert run.state == "success"
    assert run.tasks == {
        "list_changes": "success",
        "shards.extract[0]": "success",
        "shards.index[0]": "skipped",
        "commit": "skipped",
        "verdict": "skipped",
    }
    assert on_cloud.titles() == set()
    assert f"run {newer} has claimed the datasource" in capfd.readouterr().out


# ------------------------------------------------------------------------------------------ deletions
def test_withheld_deletions_make_a_run_red_until_the_named_revision_is_consented_to(
    on_cloud: Deployment, capfd: pytest.CaptureFixture[str]
) -> None:
    pages = [on_cloud.model.create_page("DOCS", f"Old {n}", "<p>dust</p>") for n in range(60)]
    assert on_cloud.run().state == "success"
    for page in pages:
        on_cloud.model.trash(page)
    red = on_cloud.run()
    assert (red.state, red.tasks["commit"], red.tasks["verdict"]) == ("failed", "success", "failed")
    assert len(on_cloud.titles()) == 66
    revision = red.xcom("commit")["revision"]
    assert f"run again with allow_mass_delete={revision}" in capfd.readouterr().out
    wrong = on_cloud.run(allow_mass_delete=revision - 1)
    assert (wrong.state, wrong.tasks["list_changes"]) == ("failed", "failed")
    assert len(on_cloud.titles()) == 66
    green = on_cloud.run(allow_mass_delete=revision)
    assert green.state == "success"
    assert on_cloud.titles() == ALL


# ------------------------------------------------------------------------------------------ modes and waits
def test_a_run_over_content_ids_extracts_these_items_again_and_no_others(on_cloud: Deployment) -> None:
    assert on_cloud.run().state == "success"
    run = on_cloud.run(content_ids=[on_cloud.model.find("Page 1"), on_cloud.model.find("Page 2")])
    assert run.state == "success"
    assert (run.xcom("commit")["mode"], run.xcom("list_changes", "counts")["planned_asked"]) == ("targeted", 2)


def test_mode_full_extracts_everything_again(deploy: Deployment) -> None:
    deploy.run()
    run = deploy.run(mode="full")
    assert run.state == "success"
    assert run.xcom("commit", "counts")["fetched"] == 6


def impatient(deploy: Deployment) -> object:
    """Return the datasource's DAG with a first task that does not sit out any pause."""
    dag = deploy.dag(default_args={"retries": 0, "patience_seconds": 0.1})
    assert dag.get_task("list_changes").patience_seconds == 0.1
    return dag


def test_a_pause_beyond_the_patience_gives_the_slot_back_and_uses_no_retry(on_cloud: Deployment) -> None:
    on_cloud.sandbox.faults.add(Respond(429, retry_after=1, route="*/spaces"))
    run: Run = on_cloud.run(impatient(on_cloud), until="list_changes")
    assert run.tasks["list_changes"] == "up_for_reschedule"
    run = run.go_on()
    assert (run.state, run.tries("list_changes")) == ("success", 1)
    assert on_cloud.titles() == ALL


def test_waiting_outside_the_slot_has_an_end(on_cloud: Deployment) -> None:
    on_cloud.sandbox.faults.add(Respond(429, retry_after=7 * 3600, route="*/spaces"))
    run = on_cloud.run(impatient(on_cloud))
    assert (run.state, run.tasks["list_changes"]) == ("failed", "failed")
