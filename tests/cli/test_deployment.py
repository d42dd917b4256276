"""Without ``--storage`` and ``--endpoint`` the commands go by the Airflow deployment, and say where they read what."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from airflow_provider_confluence.testing.sandbox import Sandbox
from tests.cli.conftest import fill
from tests.cli.program import run_apart as run

# Airflow goes by the environment of the process that imports it, which takes seconds: many commands run in one.
SEVERAL = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from airflow_provider_confluence.cli import main

told = []
for arguments in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(arguments)
    told.append([code, out.getvalue(), err.getvalue()])
json.dump(told, sys.stdout)
"""
FILL_DATABASE = """
import json, sys
from airflow.models import Connection, Pool, Variable
from airflow.utils.db import initdb
from airflow.utils.session import create_session

initdb()
given = json.load(sys.stdin)
with create_session() as session:
    session.add(Connection(conn_id="wiki", conn_type="confluence", **given["connection"]))
Variable.set("confluence_datasources", json.dumps(given["datasources"]))
Pool.create_or_update_pool("confluence", 8, "Requests to Confluence", include_deferred=False)
"""
DOCS = {"space": "DOCS", "conn_id": "wiki", "airflow": {"pool": "confluence"}, "queue": {"name": "wiki"}}
SOURCES = {
    "Variable confluence_datasources": "Airflow's database",
    "connection wiki": "Airflow's database",
}


def python(script, given, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW_", "CONFLUENCE_"))}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**clean, **environment},
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wiki():
    with Sandbox("cloud") as sandbox:
        yield fill(sandbox)


@pytest.fixture(scope="module")
def environment(wiki, tmp_path_factory):
    """The environment of a deployment whose database holds a connection, a datasource and a pool."""
    home = tmp_path_factory.mktemp("airflow")
    found = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    connection = {
        "host": wiki.endpoint,
        "login": wiki.username,
        "password": wiki.token,
        "extra": json.dumps({"requests_per_second": 1000}),
    }
    python(FILL_DATABASE, {"connection": connection, "datasources": {"docs": DOCS}}, **found)
    return found


def several(environment, *lines):
    return json.loads(python(SEVERAL, [line.split() for line in lines], **environment))


def test_every_command_goes_by_the_deployment_and_says_what_it_read_where(wiki, environment):
    checked, synced, status, text, found, failures, adopted, refused = several(
        environment,
        "check docs --json",
        "sync --id docs --json",
        "status --json",
        "status docs",
        "search roll back --json",
        "failures --json",
        "adopt docs --json",
        "purge docs --yes",
    )
    assert [done[0] for done in (checked, synced, status, text, found, failures, adopted)] == [0] * 7, synced[2]
    findings = json.loads(checked[1])["findings"]
    causes = [(finding["level"], finding["subject"], finding["cause"]) for finding in findings]
    assert causes[:5] == [
        *[("ok", "airflow", "read_from")] * 3,
        ("ok", "connection", "connected"),
        ("ok", "space", "found"),
    ]
    assert ("ok", "pool", "found") in causes
    assert "connection wiki: read from Airflow's database" in [finding["what"] for finding in findings]

    folder = f"{environment['AIRFLOW_HOME']}/confluence"
    where = {"storage": f"{folder}, the default, since [confluence] storage_path is not set"}
    assert json.loads(synced[1])["read_from"] == {**where, **SOURCES}
    assert json.loads(synced[1])["counts"]["fetched"] == 1
    told = json.loads(status[1])
    assert (told["storage"], told["datasources"][0]["configured"]) == (folder, "enabled")
    variable = {"Variable confluence_datasources": "Airflow's database"}
    assert told["read_from"] == {**where, **variable}
    assert "Variable confluence_datasources: read from Airflow's database" in status[2]
    assert text[1].startswith("docs  docs  enabled")
    # The index's name, too, is what the Variable says.
    assert [hit["title"] for hit in json.loads(found[1])["hits"]] == ["Rollback"]
    assert json.loads(found[1])["read_from"] == variable
    assert (json.loads(failures[1])["failures"], json.loads(failures[1])["read_from"]) == ([], where)
    assert json.loads(adopted[1])["site"] == wiki.endpoint
    assert (refused[0], "is enabled" in refused[2]) == (2, True)
    assert wiki.token not in json.dumps([checked, synced, status, text, found, failures, adopted, refused])

    # What the Variable lacks may be a DAG file's, so to purge it is no plain advice.
    lacking = {**environment, "AIRFLOW_VAR_CONFLUENCE_DATASOURCES": "{}"}
    lone, as_json = several(lacking, "status docs", "status docs --json")
    assert lone[1].startswith("docs  docs  not in the Variable\n")
    assert "  to remove it    if no DAG file defines it: airflow-confluence purge docs\n" in lone[1]
    (told,) = json.loads(as_json[1])["datasources"]
    assert told["commands"] == {"purge_if_no_dag_file_defines_it": "airflow-confluence purge docs"}


def test_what_the_environment_says_comes_before_the_database(environment, tmp_path):
    off = {"docs": {**DOCS, "enabled": False}, "other": {"space": "OPS", "queue": {"name": "elsewhere"}}}
    overruled = {
        **environment,
        "AIRFLOW_VAR_CONFLUENCE_DATASOURCES": json.dumps(off),
        "AIRFLOW__CONFLUENCE__STORAGE_PATH": str(tmp_path / "state"),
    }
    synced, status, ambiguous, chosen, purged, unknown = several(
        overruled,
        "sync --id docs",
        "status docs",
        "search deployment",
        "search deployment --datasource docs",
        "purge docs --yes",
        "sync --id dcos",
    )
    assert synced[0] == 0, synced[2]
    lines = (
        f"storage: {tmp_path}/state, as AIRFLOW__CONFLUENCE__STORAGE_PATH says",
        "Variable confluence_datasources: read from the environment (AIRFLOW_VAR_CONFLUENCE_DATASOURCES)",
        "connection wiki: read from Airflow's database",
    )
    for line in lines:
        assert synced[2].count(line) == 1
    assert "  to remove it    airflow-confluence purge docs\n" in status[1]
    assert (ambiguous[0], "--queue" in ambiguous[2], "elsewhere, wiki" in ambiguous[2]) == (2, True, True)
    assert (chosen[0], "Rollback" in chosen[1]) == (0, True)
    assert (purged[0], "1 documents removed" in purged[1]) == (0, True)
    assert unknown[0] == 2
    assert "no datasource dcos" in unknown[2]
    assert "there are: docs, other" in unknown[2]


def test_a_database_that_is_not_there_is_told_and_not_made(wiki, tmp_path):
    connection = {"conn_type": "confluence", "host": wiki.endpoint, "login": wiki.username, "password": wiki.token}
    without = {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/none.db",
        "AIRFLOW_CONN_WIKI": json.dumps(connection),
    }
    found, missing, nothing = several(
        without, "check --conn-id wiki --json", "check --conn-id other --json", "check docs"
    )
    first, second, third = json.loads(found[1])["findings"]
    assert first["what"] == "connection wiki: read from the environment (AIRFLOW_CONN_WIKI)"
    assert (second["level"], second["cause"]) == ("warning", "no_database")
    assert f"there is no file {tmp_path}/none.db" in second["what"]
    assert third["cause"] == "connected"
    assert missing[0] == 1
    assert "no connection other" in missing[1]
    assert "not in Airflow's database" in missing[1]
    assert nothing[0] == 2
    assert "there is no Variable confluence_datasources" in nothing[2]
    assert "Traceback" not in found[2] + missing[2] + nothing[2]
    assert not (tmp_path / "none.db").exists()


def test_an_airflow_that_does_not_start_is_told_without_its_secrets(tmp_path):
    url = "postgresql+pg8000://ada:s3cretpw@127.0.0.1:1/airflow"
    done = run("status", AIRFLOW_HOME=str(tmp_path), AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=url)
    assert done.returncode == 2
    assert "Airflow does not start here (No module named 'pg8000')" in done.stderr
    assert "s3cretpw" not in done.stdout + done.stderr


def test_what_options_describe_is_not_put_into_airflow_s_storage(wiki):
    for options in (
        ["--endpoint", wiki.endpoint, "--username", wiki.username, "--space", "DOCS"],
        ["--space", "DOCS"],
        ["--id", "docs", "--set", "enable_comments=true"],
    ):
        done = run("sync", *options, token=wiki.token)
        assert (done.returncode, "--storage DIR must say where" in done.stderr) == (2, True)


def test_with_storage_airflow_is_not_imported_and_starting_takes_less_than_half_a_second(tmp_path):
    script = """
import sys, time
from airflow_provider_confluence.cli import main

for line in (["status"], ["failures"], ["status", "--json"]):
    assert main([*line, "--storage", sys.argv[1]]) == 0
assert "airflow" not in sys.modules
print(time.process_time())
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert float(done.stdout.splitlines()[-1]) < 0.5


@pytest.mark.parametrize("command", [["status"], ["purge", "docs", "--yes"], ["sync", "--id", "docs"], ["search", "x"]])
def test_an_empty_storage_is_no_storage_left_out(command):
    done = run(*command, "--storage", "")
    assert (done.returncode, "it is empty" in done.stderr) == (2, True)
