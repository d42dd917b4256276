"""What the sandbox answers where a body is to be shown as in an export."""

from __future__ import annotations

from typing import Any

import requests

from tests.sandbox.conftest import Caller

LABELLED = '<ac:structured-macro ac:name="contentbylabel"><ac:parameter ac:name="labels">tide</ac:parameter></ac:structured-macro>'
TASKS = "/rest/api/contentbody/convert/async/bulk/tasks"


def posted(caller: Caller, path: str, body: Any) -> requests.Response:
    return caller.session.post(caller.sandbox.endpoint + path, json=body, timeout=10)


def conversion(value: str, page: str | None = None) -> dict[str, Any]:
    context = {} if page is None else {"contentIdContext": page}
    return {"to": "export_view", "body": {"representation": "storage", "value": value}, **context}


def test_cloud_shows_bodies_in_tasks_that_take_their_time(on_cloud: Caller) -> None:
    page = on_cloud.sandbox.model.create_page("DOCS", "High & low", labels=["tide"])
    started = posted(on_cloud, TASKS, {"conversionInputs": [conversion(f"<p>A &ndash; B</p>{LABELLED}", page)]})
    (task,) = started.json()
    assert [row["status"] for row in on_cloud.json(TASKS, ids=task["asyncId"])] == ["WORKING"]
    (row,) = on_cloud.json(TASKS, ids=task["asyncId"])
    assert (row["status"], row["representation"]) == ("COMPLETED", "export_view")
    assert row["value"].startswith("<p>A – B</p><ul")
    assert "High &amp; low</a>" in row["value"]


def test_cloud_takes_ten_bodies_at_a_time(on_cloud: Caller) -> None:
    with on_cloud.sandbox.observer.paused():  # type: ignore[union-attr]
        assert posted(on_cloud, TASKS, {"conversionInputs": [conversion("<p/>")] * 11}).status_code == 400
        assert posted(on_cloud, TASKS, {}).status_code == 400
    assert len(posted(on_cloud, TASKS, {"conversionInputs": [conversion("<p/>")] * 10}).json()) == 10


def test_a_body_that_cannot_be_shown_is_a_task_that_failed(on_cloud: Caller) -> None:
    on_cloud.sandbox.model.readings.conversion_looks = 0
    inputs = [conversion("<p>broken"), conversion("<p/>", "4711"), conversion("<p>good</p>")]
    ids = [row["asyncId"] for row in posted(on_cloud, TASKS, {"conversionInputs": inputs}).json()]
    assert [row["status"] for row in on_cloud.json(TASKS, ids=ids)] == ["FAILED", "FAILED", "COMPLETED"]


def test_datacenter_shows_a_body_at_once(on_datacenter: Caller) -> None:
    model = on_datacenter.sandbox.model
    page = model.create_page("DOCS", "High tide", labels=["tide"])
    model.drawings["jira"] = lambda parameters: f"<p>{parameters['jqlQuery']}</p>"
    jira = '<ac:structured-macro ac:name="jira"><ac:parameter ac:name="jqlQuery">x</ac:parameter></ac:structured-macro>'
    body = {"representation": "storage", "value": jira + LABELLED, "content": {"id": page}}
    shown = posted(on_datacenter, "/rest/api/contentbody/convert/export_view", body).json()["value"]
    assert shown.startswith("<p>x</p><ul")
    assert "High tide</a>" in shown
    del body["content"]
    assert "error" in posted(on_datacenter, "/rest/api/contentbody/convert/export_view", body).json()["value"]


def test_a_macro_shows_nobody_what_they_cannot_see(on_datacenter: Caller) -> None:
    model = on_datacenter.sandbox.model
    page, secret = (model.create_page("DOCS", title, labels=["tide"]) for title in ("High tide", "Secret tide"))
    model.hide(secret)
    body = {"representation": "storage", "value": LABELLED, "content": {"id": page}}
    shown = posted(on_datacenter, "/rest/api/contentbody/convert/export_view", body).json()["value"]
    assert "High tide" in shown
    assert "Secret tide" not in shown


def test_a_broken_body_is_refused_by_datacenter(on_datacenter: Caller) -> None:
    with on_datacenter.sandbox.observer.paused():  # type: ignore[union-attr]
        answer = posted(
            on_datacenter,
            "/rest/api/contentbody/convert/export_view",
            {"representation": "storage", "value": "<p>broken"},
        )
    assert answer.status_code == 400
