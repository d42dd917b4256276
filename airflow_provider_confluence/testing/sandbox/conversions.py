"""Cloud's conversions of bodies: tasks that are started ten at a time, and whose results are asked for."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

from airflow_provider_confluence.testing.sandbox.records import Viewer
from airflow_provider_confluence.testing.sandbox.views import Views
from airflow_provider_confluence.testing.sandbox.web import RefusedError, Request, Response, json_response
from airflow_provider_confluence.testing.sandbox.wiki import Wiki

_MOST_STARTED = 10
_MOST_ASKED = 50


@dataclass
class _Task:
    """One conversion, with the number of looks that will still find it at work."""

    looks: int
    value: str | None
    error: str | None = None


class Conversions:
    """The tasks of one site. Results are kept as long as the sandbox runs; Confluence keeps them for five minutes [S]."""

    def __init__(self, wiki: Wiki) -> None:
        self._wiki = wiki
        self._tasks: dict[str, _Task] = {}

    def start(self, request: Request) -> Response:
        """Start tasks, at most ten [S], and answer their ids in the order of the bodies [A]."""
        inputs = _inputs(request)
        if len(inputs) > _MOST_STARTED:
            raise RefusedError(400, "No more than 10 conversions may be requested")
        views = Views(self._wiki, request.origin + "/wiki")
        viewer: Viewer = "account" if "authorization" in request.headers else "anonymous"
        started = []
        for each in inputs:
            body = each.get("body") or {}
            if (
                each.get("to") not in ("view", "export_view", "styled_view", "editor")
                or body.get("representation") != "storage"
            ):
                raise RefusedError(400, "This conversion is not supported")
            task = _Task(self._wiki.readings.conversion_looks, None)
            page = each.get("contentIdContext")
            try:
                task.value = views.export(str(body.get("value", "")), None if page is None else str(page), viewer)
            except RefusedError as refusal:
                task.error = refusal.message
            task_id = str(uuid.uuid4())
            self._tasks[task_id] = task
            started.append({"asyncId": task_id})
        return json_response(started)

    def results(self, request: Request) -> Response:
        """Answer what became of tasks, at most fifty [S]."""
        ids = request.many("ids")
        if not ids:
            raise RefusedError(400, "ids is required")
        if len(ids) > _MOST_ASKED:
            raise RefusedError(400, "No more than 50 results may be requested")
        rows = [self._row(task_id, self._tasks[task_id]) for task_id in ids if task_id in self._tasks]
        return json_response(rows[::-1] if self._wiki.readings.conversion_order == "reversed" else rows)

    def _row(self, task_id: str, task: _Task) -> dict[str, Any]:
        row: dict[str, Any] = {"renderTaskId": task_id} if self._wiki.readings.conversion_names_task else {}
        if task.looks > 0:
            task.looks -= 1
            return row | {"status": "WORKING"}
        if task.value is None:
            return row | {"status": "FAILED", "error": task.error}
        return row | {"status": "COMPLETED", "representation": "export_view", "value": task.value}


def _inputs(request: Request) -> list[dict[str, Any]]:
    try:
        inputs = json.loads(request.body)["conversionInputs"]
    except (ValueError, KeyError, TypeError):
        raise RefusedError(400, "conversionInputs is required") from None
    if not isinstance(inputs, list) or not all(isinstance(each, dict) for each in inputs):
        raise RefusedError(400, "conversionInputs must be a list")
    return inputs
