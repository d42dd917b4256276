"""The whole DAG over the sandbox: what a run leaves in the index, and in Airflow."""

from __future__ import annotations

from tests.airflow.deployment import Deployment, register

GREEN = {
    "list_changes": "success",
    "shards.extract[0]": "success",
    "shards.index[0]": "success",
    "commit": "success",
    "verdict": "skipped",
}


def test_a_run_brings_the_wiki_to_the_index(deploy: Deployment) -> None:
    dag = deploy.dag()
    register(dag)
    run = dag.test()
    assert run.state == "success"
    assert deploy.titles() == deploy.visible() == {"Home", *(f"Page {n}" for n in range(1, 6))}


def test_a_later_run_brings_edits_and_deletions(deploy: Deployment) -> None:
    first = deploy.run()
    assert (first.state, first.tasks) == ("success", GREEN)
    deploy.model.edit(deploy.model.find("Page 1"), title="Page one", body="<p>Beacon</p>")
    deploy.model.trash(deploy.model.find("Page 2"))
    second = deploy.run()
    assert (second.state, second.tasks) == ("success", GREEN)
    assert deploy.titles() == {"Home", "Page one", "Page 3", "Page 4", "Page 5"}
    counts = second.xcom("commit", "counts")
    assert (counts["listed"], counts["written"], counts["deleted"]) == (5, 1, 1)
