"""What a run shows of itself in Airflow's UI: its graph, names, links, and the same counts wherever they stand."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from airflow_provider_confluence.operators import _metrics
from airflow_provider_confluence.operators._progress import labels_of_shards, spaces_in_words
from airflow_provider_confluence.testing.sandbox.faults import Respond
from tests.airflow.deployment import Deployment, Run

BODIES = "/api/v2/pages"


def names_of_mapped(run: Run) -> dict[str, str]:
    """How the UI calls the mapped tasks of a run, in place of 0, 1, 2."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        rows = session.scalars(
            select(TaskInstance).where(TaskInstance.dag_id == run.dag.dag_id, TaskInstance.run_id == run.run_id)
        )
        return {f"{row.task_id}[{row.map_index}]": row.rendered_map_index for row in rows if row.map_index >= 0}


def test_the_graph_reads_as_a_sentence_and_each_task_says_what_it_does(on_cloud: Deployment) -> None:
    dag = on_cloud.dag()
    sentence = ["list_changes", "shards.extract", "shards.index", "commit", "verdict"]
    follows = {task.task_id: task.downstream_task_ids for task in dag.tasks}
    assert all(after in follows[before] for before, after in pairwise(sentence))
    assert set(follows) == set(sentence)
    for task in dag.tasks:
        assert len(task.doc_md.split()) > 10, task.task_id
    assert "allow_mass_delete" in dag.doc_md


def test_mapped_tasks_are_named_by_what_they_hold(on_cloud: Deployment, two_shards: None) -> None:
    named = names_of_mapped(on_cloud.run())
    expected = {0: "items 1–3", 1: "items 4–6"}
    assert named == {f"shards.{step}[{n}]": label for step in ("extract", "index") for n, label in expected.items()}


@pytest.mark.parametrize(
    ("items", "labels"),
    [([], []), ([1], ["item 1"]), ([2000, 13, 1], ["items 1–2,000", "items 2,001–2,013", "item 2,014"])],
)
def test_shards_are_counted_as_people_count(items: list[int], labels: list[str]) -> None:
    assert labels_of_shards(items) == labels


@pytest.mark.parametrize(
    ("keys", "words"), [(["*"], "every space"), (["DOCS"], "space DOCS"), (["DOCS", "OPS"], "spaces DOCS, OPS")]
)
def test_spaces_are_said_as_people_say_them(keys: list[str], words: str) -> None:
    assert spaces_in_words(keys) == words


def test_every_task_leads_to_the_space_also_one_that_fails(on_cloud: Deployment) -> None:
    on_cloud.define(airflow={"retries": 0})
    space = f"{on_cloud.sandbox.endpoint}/spaces/DOCS"
    fault = Respond(401, route=f"*{BODIES}", times=None)
    on_cloud.sandbox.faults.add(fault)
    red = on_cloud.run()
    assert (red.state, red.tasks["shards.extract[0]"], red.tasks["verdict"]) == ("failed", "failed", "failed")
    for task, index in (("list_changes", -1), ("shards.extract", 0), ("commit", -1), ("verdict", -1)):
        assert (task, red.xcom(task, "_link_ConfluenceLink", index)) == (task, space)


def test_several_spaces_lead_to_the_site(on_cloud: Deployment) -> None:
    on_cloud.model.create_space("OPS", "Operations")
    on_cloud.define(space=["DOCS", "OPS"])
    run = on_cloud.run(until="list_changes")
    assert run.xcom("list_changes", "_link_ConfluenceLink") == on_cloud.sandbox.endpoint


def test_the_event_of_the_asset_and_the_commit_s_result_have_the_same_counts(on_cloud: Deployment) -> None:
    first = on_cloud.run().xcom("commit")
    on_cloud.model.edit(on_cloud.model.find("Page 1"), title="Page one")
    second = on_cloud.run().xcom("commit")
    same = ("revision", "mode", "watermark", "counts")
    assert [{name: event[name] for name in same} for event in on_cloud.events()] == [
        {name: result[name] for name in same} for result in (first, second)
    ]
    assert (second["counts"]["written"], second["counts"]["added"]) == (1, 0)
    assert [event["follows"] for event in on_cloud.events()] == [None, first["revision"]]


def test_the_verdict_says_why_a_run_is_not_clean(
    on_cloud: Deployment, two_shards: None, capfd: pytest.CaptureFixture[str]
) -> None:
    on_cloud.define(airflow={"retries": 0})
    on_cloud.sandbox.faults.add(Respond(401, route=f"*{BODIES}", after=1, times=None))
    red = on_cloud.run()
    sentence = (
        f"run {red.xcom('commit')['revision']} of {on_cloud.id} is not clean: "
        "3 of 6 items were not finished; the next run goes on with them"
    )
    assert red.xcom("commit")["verdict"] == sentence
    assert sentence in capfd.readouterr().out


def test_the_page_of_metrics_says_of_each_what_the_code_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    rows = [line for line in page.splitlines() if re.match(r"\| `confluence\.\w+` \| (counter|gauge|timer) ", line)]
    assert rows == [
        f"| `{one.name}` | {one.kind} | {', '.join(f'`{tag}`' for tag in ('datasource_id', *one.tags))} | {one.meaning} |"
        for one in _metrics.METRICS
    ]
