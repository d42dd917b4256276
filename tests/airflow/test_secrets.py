"""No secret is left anywhere that a run leaves something, with every logger at DEBUG; whatever the connection proves itself by."""

from __future__ import annotations

import gzip
import http.client
import json
import logging
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_confluence.testing.coco import FakeCoco
from airflow_provider_confluence.testing.sandbox import Sandbox
from tests.airflow.deployment import Deployment
from tests.airflow.over_rest import everything
from tests.secret_forms import ways_of_writing

PLANTED = "pl4nted/Secret+of=her~own 100%é"
"""A password with whatever URLs, Base64 and JSON write in another way."""


class Masked(logging.Handler):
    """Prints what is logged, masked as Airflow masks it: its own handler writes to a stream of before the test."""

    def emit(self, record: logging.LogRecord) -> None:
        from airflow.sdk.log import redact

        print(redact(self.format(record)), file=sys.stdout)


@pytest.fixture(autouse=True)
def _everything_is_logged(airflow_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set every logger to DEBUG, and have http.client tell every header that is sent, as people do who look for a fault."""
    wire = logging.getLogger("http.client")
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    monkeypatch.setattr(http.client, "print", lambda *said: wire.debug(" ".join(map(str, said))), raising=False)
    names = ("", "urllib3", "requests", "http.client", "amqp", "kombu", "airflow", "airflow_provider_confluence")
    levels = [(logger, logger.level) for logger in map(logging.getLogger, names)]
    for logger, _ in levels:
        logger.setLevel(logging.DEBUG)
    handler = Masked()
    logging.getLogger().addHandler(handler)
    yield
    logging.getLogger().removeHandler(handler)
    for logger, level in levels:
        logger.setLevel(level)


@pytest.fixture
def left(deploy_folder: Path, capfd: pytest.CaptureFixture[str]) -> Callable[[], dict[str, bytes]]:
    """Return all that is left: what was printed and logged, all of Airflow's database, and every file."""

    def gather() -> dict[str, bytes]:
        said = capfd.readouterr()
        home = Path(os.environ["AIRFLOW_HOME"])
        found = {"stdout": said.out.encode(), "stderr": said.err.encode()}
        with closing(sqlite3.connect(home / "airflow.db")) as database:
            # XComs, rendered fields, serialized DAGs, asset events, state stores, the audit log: all in one text.
            found["database"] = "\n".join(database.iterdump()).encode("utf-8", "surrogateescape")
        for path in [*home.glob("logs/**/*"), *deploy_folder.rglob("*")]:
            if path.is_file():
                data = path.read_bytes()
                found[str(path)] = gzip.decompress(data) if path.suffix == ".gz" else data
        return found

    return gather


@pytest.fixture
def deploy_folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def get(airflow_db: None) -> Iterator[Callable[[str], Any]]:
    """Return a function that asks Airflow's REST API as an administrator."""
    from airflow.api_fastapi.app import create_app, get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from starlette.testclient import TestClient

    with TestClient(create_app(apps="core")) as client:
        token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="admin", role="admin"))

        def ask(path: str) -> Any:
            answer = client.get(f"/api/v2{path}", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code in (200, 404), f"{path}: {answer.status_code}"
            return answer.json() if answer.status_code == 200 else None

        yield ask


def assert_none(left: dict[str, bytes], secrets: set[bytes]) -> None:
    assert b"list_changes" in left["database"]
    assert b"send:" in left["stdout"], "the headers were not logged, so this showed nothing"
    assert any(where.endswith(".json") for where in left)
    assert [(where, secret) for where, text in left.items() for secret in secrets if secret in text] == []


def states(*runs: Any) -> list[str]:
    return [run.state for run in runs]


def test_a_token_is_left_nowhere_by_good_and_failed_runs(deploy: Deployment, left: Callable[[], Any]) -> None:
    login, token = deploy.sandbox.username or "", deploy.sandbox.token
    good = deploy.run()
    deploy.model.edit(deploy.model.find("Page 1"), body="<p>x</p>")
    deploy.connect(token=token + "x")
    wrong = deploy.run()
    assert states(good, wrong) == ["success", "failed"]
    assert_none(left(), ways_of_writing(token, login) | ways_of_writing(token + "x", login))


def test_no_answer_of_airflows_rest_api_holds_a_token(
    on_cloud: Deployment, get: Callable[[str], Any], capfd: pytest.CaptureFixture[str]
) -> None:
    login, token = on_cloud.sandbox.username or "", on_cloud.sandbox.token
    good = on_cloud.run()
    on_cloud.connect(token=token + "x")
    wrong = on_cloud.run()
    assert states(good, wrong) == ["success", "failed"]
    answers = dict(everything(get, good.dag.dag_id))
    seen = json.dumps(answers, ensure_ascii=False)
    for part in (
        "list_changes",
        "taskInstances/commit",
        "xcomEntries/counts",
        "xcomEntries/plan",
        good.run_id,
        wrong.run_id,
    ):
        assert part in seen
    for path in ("/logs/1", "/state-store", f"/dagSources/{good.dag.dag_id}", "/assets/events"):
        assert any(answer for at, answer in answers.items() if at.endswith(path)), path
    secrets = ways_of_writing(token, login) | ways_of_writing(token + "x", login)
    held = [(path, form) for path, answer in answers.items() for form in secrets if form.decode() in json.dumps(answer)]
    assert held == []


def test_a_password_of_odd_characters_is_left_nowhere(deploy: Deployment, left: Callable[[], Any]) -> None:
    """It is refused; what matters is that it was sent, and to a proxy besides, whose password is another one."""
    good = deploy.run()
    deploy.define(airflow={"retries": 0})
    connection = {"conn_type": "confluence", "host": deploy.sandbox.endpoint, "login": "ada", "password": PLANTED}
    deploy.monkeypatch.setenv("AIRFLOW_CONN_CONFLUENCE_DEFAULT", json.dumps(connection))
    wrong = deploy.run()
    with Sandbox(deploy.sandbox.edition) as other:
        proxy = f"http://me:{quote('pr0xy/Secret', safe='')}@{other.endpoint.split('/')[2]}"
        connection["extra"] = json.dumps({"proxy": proxy})
        deploy.monkeypatch.setenv("AIRFLOW_CONN_CONFLUENCE_DEFAULT", json.dumps(connection))
        through = deploy.run()
    assert states(good, wrong, through) == ["success", "failed", "failed"]
    assert_none(left(), ways_of_writing(PLANTED, "ada") | ways_of_writing("pr0xy/Secret", "me"))


def test_the_secret_and_the_tokens_of_oauth_are_left_nowhere(on_cloud: Deployment, left: Callable[[], Any]) -> None:
    oauth = on_cloud.sandbox.oauth
    connection = {
        "conn_type": "confluence",
        "host": on_cloud.sandbox.endpoint,
        "password": oauth.client_secret,
        "extra": {
            "deployment": "cloud",
            "oauth_client_id": oauth.client_id,
            "oauth_token_url": on_cloud.sandbox.oauth_token_url,
            "gateway_url": on_cloud.sandbox.origin,
        },
    }
    on_cloud.monkeypatch.setenv("AIRFLOW_CONN_CONFLUENCE_DEFAULT", json.dumps(connection))
    good = on_cloud.run()
    oauth.revoke()
    again = on_cloud.run()
    connection["password"] = "wr0ngSecretOfOauth"
    on_cloud.monkeypatch.setenv("AIRFLOW_CONN_CONFLUENCE_DEFAULT", json.dumps(connection))
    wrong = on_cloud.run()
    assert states(good, again, wrong) == ["success", "success", "failed"]
    assert len(oauth.issued) > 1
    secrets = [oauth.client_secret, "wr0ngSecretOfOauth", *oauth.issued]
    assert_none(left(), {form for secret in secrets for form in ways_of_writing(secret)})


def test_the_passwords_of_sinks_are_left_nowhere(on_cloud: Deployment, left: Callable[[], Any]) -> None:
    on_cloud.define(airflow={"retries": 0})
    with FakeCoco() as coco:
        sink = {"conn_type": "coco", "host": coco.endpoint, "password": coco.token}
        on_cloud.monkeypatch.setenv("AIRFLOW_CONN_SINK", json.dumps(sink))
        on_cloud.define(sink={"type": "coco", "conn_id": "sink"})
        runs = [on_cloud.run()]
        wrong = json.dumps({**sink, "password": "wr0ngSecretOfCoco"})
        on_cloud.monkeypatch.setenv("AIRFLOW_CONN_SINK", wrong)
        runs.append(on_cloud.run(mode="full"))
    for kind, conn_type in (("opensearch", "opensearch"), ("postgres", "postgres"), ("queue", "amqp")):
        sink = {"conn_type": conn_type, "host": "127.0.0.1", "port": 1, "login": "writer", "password": PLANTED}
        on_cloud.monkeypatch.setenv("AIRFLOW_CONN_SINK", json.dumps(sink))
        on_cloud.define(sink={"type": kind, "conn_id": "sink"})
        runs.append(on_cloud.run(mode="full"))
    assert states(*runs) == ["success", *["failed"] * 4]
    secrets = ways_of_writing(PLANTED, "writer") | ways_of_writing(coco.token) | ways_of_writing("wr0ngSecretOfCoco")
    assert_none(left(), secrets)
