"""What clearing each task does, for the latest run and for an old one: the rows of the table in docs/clearing.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.airflow.deployment import Deployment, Run
from tests.airflow.test_runs import claim_anew

WHOLE = {
    "list_changes": "success",
    "shards.extract[0]": "success",
    "shards.index[0]": "success",
    "commit": "success",
    "verdict": "skipped",
}
NOTHING_LEFT = {**WHOLE, "shards.extract[0]": "skipped", "shards.index[0]": "skipped"}
INDEXED = {"Home", "Page one", "Page 2", "Page 3", "Page 4", "Page 5"}


@pytest.fixture
def latest(on_cloud: Deployment) -> Run:
    """Return the last of two runs; after it, Page 5 changed once more."""
    on_cloud.run()
    on_cloud.model.edit(on_cloud.model.find("Page 1"), title="Page one")
    run = on_cloud.run()
    assert (run.tasks, on_cloud.titles()) == (WHOLE, INDEXED)
    on_cloud.model.edit(on_cloud.model.find("Page 5"), title="Page five")
    return run


@pytest.fixture
def old(on_cloud: Deployment) -> Run:
    """Return the first of two runs; after the second, Page 5 changed once more."""
    run = on_cloud.run()
    on_cloud.model.edit(on_cloud.model.find("Page 1"), title="Page one")
    on_cloud.run()
    assert on_cloud.titles() == INDEXED
    on_cloud.model.edit(on_cloud.model.find("Page 5"), title="Page five")
    return run


BOTH = pytest.mark.parametrize("which", ["latest", "old"])


@BOTH
def test_list_changes_with_what_follows_is_a_new_run(
    which: str, on_cloud: Deployment, request: pytest.FixtureRequest
) -> None:
    run: Run = request.getfixturevalue(which)
    before = on_cloud.head()["revision"]
    run = run.clear("list_changes")
    assert (run.state, run.tasks) == ("success", WHOLE)
    assert on_cloud.titles() == on_cloud.visible() == {"Page five", *(INDEXED - {"Page 5"})}
    assert on_cloud.head()["revision"] > before


@BOTH
def test_list_changes_alone_leaves_a_plan_for_the_next_run(
    which: str, on_cloud: Deployment, request: pytest.FixtureRequest
) -> None:
    run: Run = request.getfixturevalue(which)
    head = on_cloud.head()
    run = run.clear("list_changes", downstream=False)
    assert run.state == "success"
    assert (on_cloud.titles(), on_cloud.head()) == (INDEXED, head)
    assert on_cloud.run().state == "success"
    assert on_cloud.titles() == on_cloud.visible()


@BOTH
@pytest.mark.parametrize("task", ["shards.extract", "shards.index"])
def test_extract_and_index_of_a_committed_run_skip_and_commit_reports_again(
    which: str, task: str, on_cloud: Deployment, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    run: Run = request.getfixturevalue(which)
    head, result = on_cloud.head(), run.xcom("commit")
    capfd.readouterr()
    run = run.clear(task)
    skipped = NOTHING_LEFT if task == "shards.extract" else {**WHOLE, "shards.index[0]": "skipped"}
    assert (run.state, run.tasks) == ("success", skipped)
    assert (on_cloud.titles(), on_cloud.head()) == (INDEXED, head)
    assert run.xcom("commit") == result
    assert "is already committed; nothing to do" in capfd.readouterr().out


@BOTH
def test_commit_reports_again_and_moves_nothing(
    which: str, on_cloud: Deployment, request: pytest.FixtureRequest
) -> None:
    run: Run = request.getfixturevalue(which)
    head, result, mirror = on_cloud.head(), run.xcom("commit"), on_cloud.mirror()
    run = run.clear("commit")
    assert (run.state, run.tasks) == ("success", WHOLE)
    assert (on_cloud.head(), run.xcom("commit"), on_cloud.mirror()) == (head, result, mirror)
    # Whoever waits for the asset rather hears twice than never.
    assert [event["revision"] for event in on_cloud.events()][-1] == result["revision"]


def test_commit_of_a_run_whose_result_is_no_longer_kept_skips(
    on_cloud: Deployment, capfd: pytest.CaptureFixture[str]
) -> None:
    on_cloud.define(keep_runs=1)
    run = on_cloud.run()
    on_cloud.model.edit(on_cloud.model.find("Page 1"), title="Page one")
    on_cloud.run()
    head = on_cloud.head()
    run = run.clear("commit")
    assert (run.state, run.tasks["commit"], run.tasks["verdict"]) == ("success", "skipped", "skipped")
    assert (on_cloud.titles(), on_cloud.head()) == (INDEXED, head)
    assert f"the last commit is run {head['revision']}" in capfd.readouterr().out


@BOTH
def test_verdict_of_a_clean_run_passes(which: str, on_cloud: Deployment, request: pytest.FixtureRequest) -> None:
    run: Run = request.getfixturevalue(which)
    run = run.clear("verdict")
    assert (run.state, run.tasks) == ("success", {**WHOLE, "verdict": "success"})


def test_verdict_of_a_red_run_stays_red(on_cloud: Deployment) -> None:
    run = red(on_cloud)
    for task in ("commit", "verdict"):
        run = run.clear(task)
        assert (run.state, run.tasks["commit"], run.tasks["verdict"]) == ("failed", "success", "failed")


def test_the_failed_shard_of_a_red_run_stays_for_the_next_run(on_cloud: Deployment) -> None:
    run = red(on_cloud).clear("shards.extract")
    assert (run.tasks["shards.extract[0]"], run.tasks["commit"]) == ("skipped", "success")
    # What it missed is still missing, so it stays red.
    assert (run.state, run.tasks["verdict"]) == ("failed", "failed")
    assert on_cloud.titles() == set()
    assert on_cloud.run().state == "success"
    assert on_cloud.titles() == on_cloud.visible()


def test_index_of_a_run_that_was_overtaken_before_its_commit_skips(on_cloud: Deployment) -> None:
    run = on_cloud.run(until="shards.index[0]")
    claim_anew(on_cloud)
    run = run.clear("shards.index")
    assert (run.tasks["shards.index[0]"], run.tasks["commit"], run.tasks["verdict"]) == ("skipped",) * 3


def test_tasks_of_an_uncommitted_run_go_on_where_they_stopped(on_cloud: Deployment) -> None:
    run = on_cloud.run(until="shards.extract[0]")
    asked = on_cloud.sandbox.requests.count("*/api/v2/pages")
    run = run.clear("shards.extract")
    assert (run.state, run.tasks) == ("success", WHOLE)
    assert on_cloud.titles() == on_cloud.visible()
    assert on_cloud.sandbox.requests.count("*/api/v2/pages") == asked


def red(deploy: Deployment) -> Run:
    """Return a run whose only shard could not be extracted, because the account lost its rights meanwhile."""
    run = deploy.run(until="list_changes")
    deploy.connect(token="withdrawn")
    run = run.go_on()
    assert (run.state, run.tasks["shards.extract[0]"]) == ("failed", "failed")
    deploy.connect()
    return run


def test_the_table_names_every_task() -> None:
    table = (Path(__file__).parents[2] / "docs" / "clearing.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(\w+)`", table, flags=re.M))
    assert rows == {"list_changes", "extract", "index", "commit", "verdict"}
