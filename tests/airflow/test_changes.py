"""What hangs on the asset: the example that keeps embeddings, and the way to ask what changed."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_confluence.documents import Document, Tombstone
from airflow_provider_confluence.operators.changes import changes_since
from tests.airflow.deployment import Deployment, register

EXAMPLE = Path(__file__).parents[2] / "dags" / "example_confluence_embeddings.py"
CONFORMING = {"text", "metadata"}  # what a document of Airflow's common-ai provider has


def changed(deployment: Deployment, revision: int = 0) -> tuple[set[str], set[str]]:
    """The titles of documents and the content ids of tombstones since a revision."""
    items = list(changes_since(deployment.id, revision))
    assert all(isinstance(item, Document | Tombstone) for item in items)
    return (
        {item.title for item in items if isinstance(item, Document)},
        {item.content_id for item in items if isinstance(item, Tombstone)},
    )


# ------------------------------------------------------------------------------------------ the example
@pytest.fixture
def example(on_cloud: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the DAG of the example, over a datasource of its name and in a home of its own."""
    from airflow.dag_processing.dagbag import DagBag

    on_cloud.id = "docs"
    on_cloud.define()
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    bag = DagBag(dag_folder=EXAMPLE, bundle_name="dags-folder")
    assert bag.import_errors == {}
    dag = bag.dags["example_confluence_embeddings"]
    dag.is_paused_upon_creation = False
    register(dag)
    return dag


def nearest(home: Path, question: str) -> str:
    """The title of the part whose vector is nearest to that of a question."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("example_confluence_embeddings", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    asked = module.vector_of(question)
    with closing(sqlite3.connect(home / "confluence_embeddings" / "vectors.sqlite3")) as database:
        rows = database.execute("SELECT title, vector FROM part").fetchall()
    return max(rows, key=lambda row: sum(a * b for a, b in zip(asked, json.loads(row[1]), strict=True)))[0]


def test_the_example_is_started_by_the_event_of_a_run_and_follows_it(
    on_cloud: Deployment, example: Any, tmp_path: Path
) -> None:
    model = on_cloud.model
    model.create_page("DOCS", "Lanterns", "<p>Trim the wick every evening</p>")
    assert on_cloud.run().state == "success"
    first = on_cloud.run_on_event(example)
    assert (first.state, first.xcom("embed")["documents"]) == ("success", 7)
    assert nearest(tmp_path, "wick evening trim") == "Lanterns"
    # A run that changed nothing has no event, so nothing is started.
    assert on_cloud.run().state == "success"
    assert on_cloud.waiting(example) == 0
    # Then it touches only what changed, though it missed an event in between.
    model.edit(model.find("Page 1"), body="<p>Rope, knots and splices</p>")
    assert on_cloud.run().state == "success"
    model.trash(model.find("Lanterns"))
    assert on_cloud.run().state == "success"
    second = on_cloud.run_on_event(example)
    assert second.xcom("embed") == {"documents": 1, "parts": 1, "removed": 1}
    assert nearest(tmp_path, "knots splices") == "Page 1"
    assert nearest(tmp_path, "wick evening trim") != "Lanterns"
    assert list((tmp_path / "confluence_embeddings").glob("*.jsonl")) == []


def test_what_the_example_collects_has_the_shape_of_common_ai(
    on_cloud: Deployment, example: Any, tmp_path: Path
) -> None:
    on_cloud.run()
    on_cloud.run_on_event(example, until="collect")
    (file,) = (tmp_path / "confluence_embeddings").glob("*.jsonl")
    documents = [json.loads(line) for line in file.read_text().splitlines()]
    assert {document["metadata"]["title"] for document in documents} == on_cloud.visible()
    for document in documents:
        assert set(document) == CONFORMING
        assert isinstance(document["text"], str)
        assert document["metadata"]["url"].startswith(on_cloud.sandbox.endpoint)


# ------------------------------------------------------------------------------------------ asking
@pytest.mark.parametrize("sink", ["local", "files"])
def test_each_commit_gives_what_it_changed_and_nothing_else(on_cloud: Deployment, sink: str) -> None:
    on_cloud.define(sink={"type": sink})
    model = on_cloud.model
    everything = on_cloud.visible()
    on_cloud.run()
    first = changes_since(on_cloud.id)
    assert changed(on_cloud) == (everything, set())
    model.edit(model.find("Page 1"), title="Page one")
    gone = model.find("Page 2")
    model.trash(gone)
    on_cloud.run()
    assert changed(on_cloud, first.until) == ({"Page one"}, {gone})
    until = changes_since(on_cloud.id, first.until).until
    on_cloud.run()  # nothing changed
    assert changed(on_cloud, until) == (set(), set())
    assert [event["follows"] for event in on_cloud.events()] == [None, first.until]


def test_what_a_run_wrote_that_is_not_committed_comes_with_its_commit(on_cloud: Deployment) -> None:
    on_cloud.run()
    done = changes_since(on_cloud.id).until
    on_cloud.model.edit(on_cloud.model.find("Page 1"), title="Page one")
    run = on_cloud.run(until="shards.index[0]")
    assert changed(on_cloud, done) == (set(), set())
    run.go_on()
    assert changed(on_cloud, done) == ({"Page one"}, set())


def test_before_the_first_commit_there_is_nothing(on_cloud: Deployment) -> None:
    assert list(changes_since(on_cloud.id)) == []
    assert changes_since(on_cloud.id, 7).until == 7
