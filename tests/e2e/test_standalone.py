"""End to end: a real ``airflow standalone``, driven over REST, keeps two datasources true to two Confluences, one of each edition."""

from __future__ import annotations

import base64
import gzip
import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from airflow_provider_confluence.sinks.local_search import LocalIndex
from airflow_provider_confluence.testing.sandbox import Sandbox
from airflow_provider_confluence.testing.standalone import Standalone, wait_until
from tests.content.attachment_files import pdf
from tests.contracts.checker import ContractChecker
from tests.statsd import Statsd

pytestmark = pytest.mark.timeout(900)
ROOT = Path(__file__).parents[2]
DAGS = ROOT / "dags"
EMBEDDINGS = "example_confluence_embeddings"


def fill(sandbox):
    model = sandbox.model
    model.create_space("DOCS", "Documentation")
    home = model.create_page("DOCS", "Home", "<p>Welcome</p>")
    model.create_page("DOCS", "Guide", "<p>Turn the handle</p>", parent=home)
    model.create_page("DOCS", "Leaving", "<p>Soon gone</p>", parent=home)
    model.create_blogpost("DOCS", "News", "<p>Shipped</p>")
    model.attach(home, "drill.pdf", pdf([["Fire drill", "Assemble at the quayside"]]), "application/pdf")
    return sandbox


def definition(connection, sink):
    # An interval that never comes round in a test: the first run is the schedule's, the others are triggered.
    return {
        "name": connection,
        "conn_id": connection,
        "space": "DOCS",
        "enable_blogposts": True,
        "enable_attachments": True,
        "interval": "23h",
        "queue": {"name": sink},
    }


def titles(airflow, name, query):
    with LocalIndex(airflow.home / "confluence" / "index" / f"{name}.sqlite3") as index:
        return [hit.title for hit in index.search(query).hits]


def count(airflow, name):
    with LocalIndex(airflow.home / "confluence" / "index" / f"{name}.sqlite3") as index:
        return sum(index.counts().values())


def states(airflow, dag_id, run_id):
    return {(task["task_id"], task["map_index"]): task["state"] for task in airflow.tasks(dag_id, run_id)}


def command(airflow, line):
    """Run a console command as somebody on Airflow's host would, without a word of where things are."""
    program = [sys.executable, "-m", "airflow_provider_confluence.cli", *line.split()]
    return subprocess.run(program, env=airflow.environment, capture_output=True, text=True, timeout=120, check=False)


def left(home):
    """Return all that lies in Airflow's home: every file, and its database in one text."""
    found = {}
    for path in home.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            found[str(path)] = gzip.decompress(data) if path.suffix == ".gz" else data
    with closing(sqlite3.connect(home / "airflow.db")) as database:
        found["database"] = "\n".join(database.iterdump()).encode("utf-8", "surrogateescape")
    return found


def story(airflow, dag_id, run_id, task):
    """Return what a task told at INFO, without what Airflow itself says: the lines, those within a group indented."""
    path = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances/{task['task_id']}"
    lines = airflow.call("GET", f"{path}/logs/{task['try_number']}?map_index={task['map_index']}")["content"]
    told, depth = [], 0
    for line in lines:
        if "airflow_provider_confluence" not in (line.get("logger") or "") or line["level"] == "debug":
            continue
        depth -= line["event"] == "::endgroup::"
        told.append("  " * depth + line["event"])
        depth += line["event"].startswith("::group::")
    assert depth == 0, told
    return told


def embedded(airflow, number):
    """Return what a run of the example came to that an event of the asset started."""

    def ended():
        runs = airflow.runs(EMBEDDINGS)
        return runs[number - 1] if len(runs) == number and runs[-1]["state"] in ("success", "failed") else None

    run = wait_until(ended, 180, f"run {number} of the example ends")
    assert (run["state"], run["run_type"]) == ("success", "asset_triggered")
    came_to = airflow.xcom(EMBEDDINGS, run["dag_run_id"], "embed", "return_value")
    return {name: came_to[name] for name in ("documents", "removed")}


def documented_metrics():
    """Return the table of the page: name, kind, names of tags."""
    page = (ROOT / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(confluence\.\w+)` \| (\w+) \| ([^|]+) \|", page, re.MULTILINE)
    return {(name, kind, tuple(sorted(re.findall(r"`(\w+)`", tags)))) for name, kind, tags in rows}


def run_again(airflow, dag_id):
    run_id = airflow.trigger(dag_id)
    return run_id, airflow.wait_for_run(dag_id, run_id)


def test_two_datasources_stay_true_to_two_confluences(tmp_path):
    checkers = {edition: ContractChecker(edition) for edition in ("cloud", "datacenter")}
    with (
        Sandbox("cloud", observer=checkers["cloud"]) as cloud,
        Sandbox("datacenter", observer=checkers["datacenter"]) as datacenter,
        Statsd("confluence.") as statsd,
        Standalone(
            tmp_path / "airflow", DAGS, environment={"AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG", **statsd.environment}
        ) as airflow,
    ):
        sandboxes = {"docs": fill(cloud), "server": fill(datacenter)}
        for name, sandbox in sandboxes.items():
            airflow.set_connection(
                name, conn_type="confluence", host=sandbox.endpoint, login=sandbox.username, password=sandbox.token
            )
        airflow.set_variable(
            "confluence_datasources", json.dumps({name: definition(name, f"index_{name}") for name in sandboxes})
        )

        # ------------------------------------------------------------ first run: everything is indexed
        for name in sandboxes:
            airflow.wait_for_dag(f"confluence__{name}")
        airflow.wait_for_dag(EMBEDDINGS)
        airflow.call("PATCH", f"/dags/{EMBEDDINGS}", {"is_paused": False})
        for name in sandboxes:
            run_id, state = run_again(airflow, f"confluence__{name}")
            assert state == "success"
            assert states(airflow, f"confluence__{name}", run_id)[("verdict", -1)] == "skipped"
            assert count(airflow, f"index_{name}") == 5
            assert titles(airflow, f"index_{name}", "assemble quayside") == ["drill.pdf"]
            assert titles(airflow, f"index_{name}", "turn the handle") == ["Guide"]

        # ------------------------------------------------------------ what hangs on the asset was started by its event
        assert embedded(airflow, 1) == {"documents": 5, "removed": 0}

        # ------------------------------------------------------------ the logs tell the story, and lead to the space
        # The schedule's own run came first, and found everything.
        run_id = airflow.runs("confluence__server")[0]["dag_run_id"]
        worked = [task for task in airflow.tasks("confluence__server", run_id) if task["state"] == "success"]
        assert len(worked) == 4
        for task in worked:
            told = story(airflow, "confluence__server", run_id, task)
            assert 4 <= len(told) <= 12, told
            assert told[0].startswith("datasource server"), told
            link = f"/dags/confluence__server/dagRuns/{quote(run_id, safe='')}/taskInstances/{task['task_id']}/links"
            found = airflow.call("GET", f"{link}?map_index={task['map_index']}")["extra_links"]
            assert found == {"Confluence": f"{datacenter.endpoint}/display/DOCS"}
            if task["map_index"] >= 0:
                assert task["rendered_map_index"] == "items 1–5"

        # ------------------------------------------------------------ what statistics are told is what happened
        for name, sandbox in sandboxes.items():
            wait_until(lambda name=name: statsd.total("confluence.runs", datasource_id=name), 30, "the run is counted")
            assert statsd.total("confluence.requests", datasource_id=name) == len(sandbox.requests)
            for counted in ("written", "added", "fetched"):
                assert (counted, statsd.total(f"confluence.{counted}", datasource_id=name)) == (counted, 5)
            assert statsd.last("confluence.documents", datasource_id=name) == 5

        # ------------------------------------------------------------ the commands see what Airflow's database holds
        for line, expected in (
            ("check docs --json", "connection docs: read from Airflow's database"),
            ("status --json", '"Variable confluence_datasources": "Airflow\'s database"'),
            ("search --queue index_server turn handle", "Guide"),
        ):
            done = command(airflow, line)
            assert (done.returncode, expected in done.stdout) == (0, True), done.stdout + done.stderr
            assert cloud.token not in done.stdout + done.stderr
        refused = command(airflow, "purge server --yes")
        assert (refused.returncode, "is enabled" in refused.stderr) == (2, True), refused.stderr

        # ------------------------------------------------------------ edits and deletes are followed
        for name, sandbox in sandboxes.items():
            model = sandbox.model
            model.edit(model.find("Guide"), body="<p>Push the lever</p>")
            model.trash(model.find("Leaving"))
            model.create_page("DOCS", "Arrived", "<p>Fresh from the press</p>")
            run_id, state = run_again(airflow, f"confluence__{name}")
            assert state == "success"
            counts = airflow.xcom(f"confluence__{name}", run_id, "commit", "return_value")["counts"]
            assert (counts["fetched"], counts["written"], counts["deleted"]) == (2, 2, 1)
            assert titles(airflow, f"index_{name}", "push the lever") == ["Guide"]
            assert titles(airflow, f"index_{name}", "turn the handle") == []
            assert titles(airflow, f"index_{name}", "soon gone") == []
            assert titles(airflow, f"index_{name}", "fresh press") == ["Arrived"]

        assert embedded(airflow, 2) == {"documents": 2, "removed": 1}

        # ------------------------------------------------------------ a task of the finished run, cleared by hand, does no harm
        dag_id = "confluence__docs"
        run_id = airflow.runs(dag_id)[-1]["dag_run_id"]
        airflow.call(
            "POST",
            f"/dags/{dag_id}/clearTaskInstances",
            {
                "dry_run": False,
                "dag_run_id": run_id,
                "task_ids": ["shards.index"],
                "only_failed": False,
                "reset_dag_runs": True,
            },
        )
        wait_until(
            lambda: states(airflow, dag_id, run_id).get(("shards.index", 0)) == "skipped",
            120,
            "the cleared index task skips",
        )
        assert airflow.wait_for_run(dag_id, run_id) == "success"
        assert titles(airflow, "index_docs", "push the lever") == ["Guide"]
        assert count(airflow, "index_docs") == 5

        # ------------------------------------------------------------ a wrong token fails at once, without retries
        airflow.set_connection(
            "docs", conn_type="confluence", host=cloud.endpoint, login=cloud.username, password="not-the-token"
        )
        run_id, state = run_again(airflow, dag_id)
        assert state == "failed"
        listed = next(task for task in airflow.tasks(dag_id, run_id) if task["task_id"] == "list_changes")
        assert (listed["state"], listed["try_number"]) == ("failed", 1)
        assert "refused the credential" in airflow.failures(dag_id, run_id)[0]
        assert count(airflow, "index_docs") == 5

        # ------------------------------------------------------------ the page of metrics is the list of metrics
        wait_until(lambda: statsd.total("confluence.runs", outcome="failed"), 30, "the failed run is counted")
        assert statsd.list() == documented_metrics()
        assert statsd.total("confluence.deleted", datasource_id="server") == 1
        assert statsd.values_of_tags() == {
            "datasource_id": {"docs", "server"},
            "step": {"list_changes", "extract", "index", "commit"},
            "outcome": {"clean", "failed"},
        }

        # ------------------------------------------------------------ and no credential lies about, though everything was logged
        users = {cloud.token: cloud.username, "not-the-token": cloud.username, datacenter.token: ""}
        lying = left(airflow.home)
        assert b"list_changes" in lying["database"]
        assert any(
            "DEBUG" in text.decode(errors="replace").upper() for name, text in lying.items() if "list_changes" in name
        )
        for token, user in users.items():
            pair = base64.b64encode(f"{user}:{token}".encode())
            for form in (token.encode(), quote(token, safe="").encode(), base64.b64encode(token.encode()), pair):
                assert [name for name, text in lying.items() if form in text] == []
    for checker in checkers.values():
        checker.assert_clean()
