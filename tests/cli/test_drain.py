"""``airflow-confluence drain``, run as a user runs it, behind a sync that ended in a queue."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from airflow_provider_confluence.sinks._broker import Outgoing, make_broker
from airflow_provider_confluence.sinks.local import LocalIndex
from airflow_provider_confluence.sinks.queue import QueueSink
from airflow_provider_confluence.testing.coco import FakeCoco
from airflow_provider_confluence.testing.sink_conformance import OWNER, make_document
from tests import brokers
from tests.broker_fixtures import certificate, place, rabbit, rabbit_place, valkey, valkey_place
from tests.cli.program import PROGRAM, credentials, one_after_another, run_apart
from tests.sinks.coco_server import read

__all__ = ["certificate", "place", "rabbit", "rabbit_place", "valkey", "valkey_place"]

DOCS = Path(__file__).parents[2] / "docs"
# What the command does around the draining is the same for every broker; the draining has tests of its own.
BY_VALKEY = pytest.mark.parametrize("place", ["valkey"], indirect=True)


@pytest.fixture(scope="module")
def run():
    """Run a command beside the others; where its process matters, a test has one of its own."""
    with one_after_another() as found:
        yield found


@pytest.fixture
def environment(place, tmp_path):
    found = place.connection
    login = f"{found.login}:{quote(found.password)}@" if found.login else ""
    return {
        "AIRFLOW_CONN_QUEUE_DEFAULT": f"{found.conn_type}://{login}{found.host}:{found.port}/",
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
    }


def sync(run, filled, place, tmp_path, environment, *more):
    return run(
        *("sync", *credentials(filled), "--space", "DOCS", "--storage", tmp_path / "state"),
        *("--set", 'sink={"type": "queue"}', "--set", f"queue.name={place.queue}", *more),
        token=filled.token,
        **environment,
    )


def drain(run, place, tmp_path, environment, *more):
    return run(
        *("drain", "--queue", place.queue, "--to", "local", "--to-queue", "wiki", "--storage", tmp_path / "index"),
        *("--until-empty", "200ms", *more),
        **environment,
    )


def titles(tmp_path):
    with LocalIndex(tmp_path / "index" / "index" / "wiki.sqlite3") as index:
        return {hit.title for hit in index.search("deployment").hits}


def test_from_confluence_through_a_queue_into_an_index_that_is_searched(run, cloud, place, tmp_path, environment):
    model = cloud.model
    model.create_space("DOCS", "Documentation")
    page = model.create_page("DOCS", "Rollback", "<p>How to roll back a deployment</p>")
    leaving = model.create_page("DOCS", "Leaving", "<p>Another deployment</p>")
    done = sync(run, cloud, place, tmp_path, environment)
    assert done.returncode == 0, done.stderr
    drained = drain(run, place, tmp_path, environment, "--json")
    assert drained.returncode == 0, drained.stderr
    counts = json.loads(drained.stdout)
    assert (counts["written"], counts["deleted"], counts["dead"]) == (2, 0, 0)
    assert titles(tmp_path) == {"Rollback", "Leaving"}

    model.edit(page, title="Rolling back")
    model.trash(leaving)
    done = sync(run, cloud, place, tmp_path, environment, "--mode", "reconcile")
    assert done.returncode == 0, done.stderr
    drained = drain(run, place, tmp_path, environment)
    assert drained.stdout.startswith("written 1, deleted 1, superseded 0, dead letters 0, waits 0, seconds ")
    found = run("search", "deployment", "--storage", tmp_path / "index", "--queue", "wiki", "--json")
    assert [hit["title"] for hit in json.loads(found.stdout)["hits"]] == ["Rolling back"]


@BY_VALKEY
def test_what_not_everybody_may_read_reaches_coco_only_where_that_is_asked_for(run, place, tmp_path, environment):
    with FakeCoco() as coco:
        connection = {"conn_type": "coco", "host": coco.endpoint, "password": coco.token}
        environment |= {"AIRFLOW_CONN_COCO_DEFAULT": json.dumps(connection)}
        sink = QueueSink(place.queue, conn_id="broker", connections=place.connections)

        def drained(revision, *more):
            levels = ([["authenticated"]], [["authenticated"], ["user:ann"]])
            sink.open(OWNER)
            sink.write([replace(make_document(n, revision), permissions=level) for n, level in enumerate(levels)])
            sink.close()
            command = ("drain", "--queue", place.queue, "--to", "coco", "--until-empty", "200ms", "--json")
            done = run(*command, *more, **environment)
            assert done.returncode == 0, done.stderr
            counts = json.loads(done.stdout)
            return (
                counts["written"],
                counts["restricted"],
                [read(coco, make_document(n, 1).id) is not None for n in (0, 1)],
            )

        assert drained(1, "--restricted", "include") == (2, 0, [True, True])
        assert drained(2) == (1, 1, [True, False])


@BY_VALKEY
def test_dead_letters_are_told_by_the_exit_code_and_never_by_their_text(place, tmp_path, environment):
    broker = make_broker(place.connection)
    broker.use(place.queue, create=True)
    broker.send(place.queue, [Outgoing('{"title": "geheim-5555"', "raw:1")])
    broker.close()
    drained = drain(run_apart, place, tmp_path, environment)

    assert drained.returncode == 1
    assert "dead letter raw:1: it is not JSON" in drained.stderr
    assert "geheim-5555" not in drained.stderr + drained.stdout
    assert len(place.dead()) == 1


@BY_VALKEY
def test_sigterm_ends_it_well(place, tmp_path, environment):
    sink = QueueSink(place.queue, conn_id="broker", connections=place.connections)
    sink.open(OWNER)
    sink.write([make_document(1, 1)])
    sink.close()
    command = [*PROGRAM, "drain", "--queue", place.queue, "--to", "local", "--storage", str(tmp_path / "index")]
    with subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        index = tmp_path / "index" / "index" / "indexing_documents.sqlite3"
        while not holds(index, 1):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        said, problems = process.communicate(timeout=30)

    assert process.returncode == 0, problems
    assert said.startswith("written 1, ")
    assert place.bodies() == []


def holds(path, number):
    if not path.exists():
        return False
    with LocalIndex(path) as index:
        return sum(index.counts().values()) == number


def test_a_broker_that_is_away_is_told_in_one_sentence(run, tmp_path):
    port = brokers.free_port()
    said = run(
        *("drain", "--to", "local", "--storage", tmp_path, "--patience", "1s"),
        AIRFLOW_CONN_QUEUE_DEFAULT=f"redis://127.0.0.1:{port}",
        AIRFLOW_HOME=str(tmp_path / "airflow"),
    )

    assert said.returncode == 2
    assert said.stderr.splitlines()[-1].startswith(f"airflow-confluence: nobody answers at 127.0.0.1:{port}")
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--to", "local"], "--storage DIR"),
        (["--to", "{'type': 'local'}", "--storage", "x"], "--to {'type'"),
        (["--to", "nonsense"], "sink.type: 'nonsense' is not one of"),
        (["--to", "queue"], "round for ever"),
        (["--to", "queue", "--queue", ""], "queue.name"),
        (["--to", "local", "--storage", "x", "--patience", "soon"], "--patience"),
        (["--to", "local", "--storage", "x", "--until-empty", "soon"], "--until-empty"),
        (["--to", "local", "--storage", "x", "--conn-id", "nowhere"], "no connection nowhere"),
    ],
)
def test_a_wrong_option_is_named(run, options, said, tmp_path):
    found = run(
        "drain", *options, AIRFLOW_CONN_QUEUE_DEFAULT="redis://127.0.0.1:1", AIRFLOW_HOME=str(tmp_path / "airflow")
    )

    assert found.returncode == 2
    assert said in found.stderr
    assert "Traceback" not in found.stderr


def test_the_example_of_the_page_runs(valkey_place, tmp_path, monkeypatch):
    page = (DOCS / "command-line.md").read_text(encoding="utf-8")
    example = re.search(r"^\$ airflow-confluence (drain .*--until-empty)$", page, re.MULTILINE)[1]
    monkeypatch.chdir(tmp_path)
    said = run_apart(
        *shlex.split(example),
        AIRFLOW_CONN_QUEUE_DEFAULT=f"redis://127.0.0.1:{valkey_place.port}",
        AIRFLOW_HOME=str(tmp_path / "airflow"),
    )

    assert said.returncode == 0, said.stderr
