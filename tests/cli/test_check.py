"""``check`` says in plain words whether a datasource will run, and ends with 1 where it will not."""

from __future__ import annotations

import json
import os

import pytest

from airflow_provider_confluence.testing.sandbox.permissions import SpaceAccess
from tests.cli.program import credentials, run, run_apart


def findings(done):
    return [(f["level"], f["subject"], f["cause"]) for f in json.loads(done.stdout)["findings"]]


def test_a_connection_alone(filled):
    done = run_apart("check", *credentials(filled), token=filled.token)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ok       connection:  Connected to Confluence ")
    assert filled.token not in done.stdout


def test_a_whole_datasource(filled, tmp_path):
    arguments = ["check", *credentials(filled), "--space", "DOCS", "--storage", tmp_path / "index", "--json"]
    done = run(*arguments, "--set", "enable_attachments=true", token=filled.token)
    assert done.returncode == 0, done.stderr
    # The tests themselves may lie in memory.
    assert [finding for finding in findings(done) if finding[2] != "not_durable"] == [
        ("ok", "connection", "connected"),
        ("ok", "space", "found"),
        ("ok", "storage", "writable"),
        ("warning", "storage", "not_known_to_be_shared"),
        ("ok", "sink", "usable"),
        ("ok", "first run", "estimate"),
    ]
    assert json.loads(done.stdout)["estimate"]["items"] == {"page": 1, "attachment": 1}


def test_a_problem_ends_it_with_1_and_says_what_to_do(filled, tmp_path):
    done = run("check", *credentials(filled), "--space", "DOC", "--storage", tmp_path, token=filled.token)
    assert done.returncode == 1
    assert "problem  space:" in done.stdout
    assert "Did you mean DOCS (Documentation)?" in done.stdout


@pytest.mark.parametrize("told", [True, False])
def test_whether_the_readers_of_the_spaces_are_told_is_looked_at_where_documents_are_to_say_it(filled, tmp_path, told):
    filled.model.open_space("DOCS", SpaceAccess(refused=not told))
    arguments = ["check", *credentials(filled), "--space", "DOCS", "--storage", tmp_path, "--json"]
    done = run(*arguments, "--set", "enable_permissions=true", token=filled.token)
    expected = ("ok", "permissions", "told") if told else ("problem", "permissions", "not_told")
    assert [finding for finding in findings(done) if finding[1] == "permissions"] == [expected]
    assert done.returncode == (0 if told else 1)


def test_a_refused_token_is_a_finding_and_the_rest_is_checked(filled, tmp_path):
    done = run("check", *credentials(filled), "--space", "DOCS", "--storage", tmp_path, "--json", token="wr0ng-token")
    assert done.returncode == 1
    assert findings(done)[0] == ("problem", "connection", "token")
    assert ("ok", "storage", "writable") in findings(done)
    assert "wr0ng-token" not in done.stdout + done.stderr


def test_a_token_that_worked_in_the_last_run_has_expired(filled, tmp_path):
    arguments = [*credentials(filled), "--space", "DOCS", "--storage", tmp_path]
    assert run("sync", *arguments, token=filled.token).returncode == 0
    old = filled.token
    filled.revoke_token()
    done = run("check", *arguments, "--json", token=old)
    assert findings(done)[0] == ("problem", "connection", "expired")


def test_the_extras_of_a_connection_are_options(cloud):
    cloud.model.readings.scoped_token = True
    extra = ["--extra", f"cloud_id={cloud.cloud_id}", "--extra", f"gateway_url={cloud.origin}"]
    assert run("check", *credentials(cloud), *extra, token=cloud.token).returncode == 0


def test_an_extra_that_is_not_known_is_told_with_what_was_meant(cloud):
    done = run("check", *credentials(cloud), "--extra", "cloudid=1", token=cloud.token)
    assert done.returncode == 2
    assert "did you mean cloud_id?" in done.stderr


def test_an_oauth_client_brings_an_index_up_to_date_and_leaves_no_secret_behind(filled_cloud, tmp_path):
    oauth = filled_cloud.oauth
    extra = {
        "oauth_client_id": oauth.client_id,
        "oauth_token_url": filled_cloud.oauth_token_url,
        "gateway_url": filled_cloud.origin,
    }
    arguments = ["--endpoint", filled_cloud.endpoint, "--space", "DOCS", "--attachments", "--storage", tmp_path]
    for name, value in extra.items():
        arguments += ["--extra", f"{name}={value}"]
    done = run("sync", *arguments, token=oauth.client_secret)
    assert done.returncode == 0, done.stderr
    assert "fetched 2," in done.stdout
    (token,) = oauth.issued
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for secret in (token, oauth.client_secret):
        assert secret not in done.stdout + done.stderr
        assert secret.encode() not in kept
    site = json.loads((tmp_path / "DOCS" / "head.json").read_text())["site"]
    assert site == filled_cloud.endpoint


def test_visitors_need_no_token(cloud):
    cloud.model.readings.anonymous_access = True
    done = run("check", "--endpoint", cloud.endpoint, "--extra", "anonymous=true")
    assert (done.returncode, "visitor" in done.stdout) == (0, True)


@pytest.mark.parametrize("password", ["good", "bad"])
def test_through_airflow_s_own_connection_and_variable(filled_cloud, tmp_path, password):
    connection = {
        "conn_type": "confluence",
        "host": filled_cloud.endpoint,
        "login": filled_cloud.username,
        "password": filled_cloud.token if password == "good" else "n0-such-token",
    }
    definition = {"docs": {"space": "DOCS", "conn_id": "wiki", "airflow": {"pool": "confluence one"}}}
    environment = {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW_CONN_WIKI": json.dumps(connection),
        "AIRFLOW_VAR_CONFLUENCE_DATASOURCES": json.dumps(definition),
        "AIRFLOW__CONFLUENCE__STORAGE_PATH": str(tmp_path / "state"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/none.db",
        "PATH": os.environ["PATH"],
    }
    done = run_apart("check", "docs", "--json", **environment)
    assert done.returncode == (0 if password == "good" else 1), done.stderr
    said = findings(done)
    expected = ("ok", "connection", "connected") if password == "good" else ("problem", "connection", "token")
    assert next(finding for finding in said if finding[1] == "connection") == expected
    assert ("ok", "storage", "writable") in said
    assert ("ok", "sink", "usable") in said
    # There is no database, so nobody can say; the command that makes the pool is printed all the same.
    assert ("warning", "pool", "not_known") in said
    assert "airflow pools set 'confluence one' 8" in done.stdout
