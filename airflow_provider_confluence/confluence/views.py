"""Bodies in storage format, shown by Confluence itself: ``export_view``, what an export to PDF or Word would hold.

Both editions convert a body that is sent to them. Data Center answers at once (``POST contentbody/convert/export_view``; Atlassian's REST
documentation 10.0.3); Cloud has only tasks left, ten a request, whose results are asked for (``contentbody/convert/async/bulk/tasks``;
REST v1, "Content body"). ``export_view`` and not ``view``, because that leaves to the browser what takes long, such as Jira's tables.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_confluence.confluence.batches import Tries, in_batches
from airflow_provider_confluence.confluence.reading import objects
from airflow_provider_confluence.confluence.shared import MAX_BODIES_BYTES
from airflow_provider_confluence.confluence.transport import Answer, Transport
from airflow_provider_confluence.documents import Failure
from airflow_provider_confluence.errors import AccessDeniedError, ContractError, CredentialsError

_log = logging.getLogger(__name__)

_TASKS = "/rest/api/contentbody/convert/async/bulk/tasks"
_AT_A_TIME = 10
_LOOKS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 16.0)
"""Seconds before each look at tasks: a minute in all, and results are kept for five."""
_UNDER_WAY = ("WORKING", "QUEUED", "RERUNNING")
_NOT_QUEUED = "FAILED_TO_QUEUE"


class _Views:
    """Has bodies shown, in parallel.

    :param check: asks Confluence whether it is there at all.
    """

    at_a_time = 1

    def __init__(self, transport: Transport, check: Callable[[], object]) -> None:
        self._transport = transport
        self._check = check

    def of(self, bodies: Sequence[tuple[str, str]]) -> Iterator[str]:
        """Yield what could be shown, in any order."""
        numbered = {str(number): body for number, body in enumerate(bodies)}

        def fetch(numbers: Sequence[str], tries: Tries, stop: threading.Event) -> list[str]:
            return self._show([numbered[number] for number in numbers], tries, stop)

        answers = in_batches(
            fetch,
            list(numbered),
            type_="view",
            threads=self._transport.gate.max_in_flight,
            check=self._check,
            cut=self._transport.cut,
            first_batch=self.at_a_time,
        )
        try:
            for answer in answers:
                if isinstance(answer, Failure):
                    _log.warning(
                        "page %s: Confluence did not show its macros: %s",
                        numbered[answer.content_id][0],
                        answer.message,
                    )
                else:
                    yield answer
        except AccessDeniedError as error:
            if isinstance(error, CredentialsError):
                raise
            _log.warning("Confluence shows no macros to this account: %s", error)

    def _show(self, bodies: list[tuple[str, str]], tries: Tries, stop: threading.Event) -> list[str]:
        raise NotImplementedError

    def _post(self, path: str, body: Mapping[str, Any], tries: Tries, stop: threading.Event) -> Answer:
        return self._transport.post(
            path, body, heavy_tries=tries.heavy, tries=tries.most, cancelled=stop, max_bytes=MAX_BODIES_BYTES
        )


class DataCenterViews(_Views):
    """``POST contentbody/convert/export_view``, one body a request.

    The page goes along as ``content``, a field of the documented ``ContentBody`` whose form the documentation does not tell. A server that
    refuses it is asked without, and from then on so: macros that need their page then show nothing or an error.
    """

    _names_page = True

    def _show(self, bodies: list[tuple[str, str]], tries: Tries, stop: threading.Event) -> list[str]:
        return [self._one(content_id, body, tries, stop) for content_id, body in bodies]

    def _one(self, content_id: str, storage: str, tries: Tries, stop: threading.Event) -> str:
        path = "/rest/api/contentbody/convert/export_view"
        body = {"representation": "storage", "value": storage}
        if self._names_page:
            try:
                return _value(self._post(path, {**body, "content": {"id": content_id}}, tries, stop).data, path)
            except ContractError as error:
                if error.status != 400:
                    raise
            shown = _value(self._post(path, body, tries, stop).data, path)
            self._names_page = False
            return shown
        return _value(self._post(path, body, tries, stop).data, path)


class CloudViews(_Views):
    """Tasks, ten bodies a request; looked at until all are done, or a minute is over."""

    at_a_time = _AT_A_TIME

    def _show(self, bodies: list[tuple[str, str]], tries: Tries, stop: threading.Event) -> list[str]:
        inputs = [
            {
                "to": "export_view",
                "contentIdContext": content_id,
                "body": {"representation": "storage", "value": storage},
            }
            for content_id, storage in bodies
        ]
        rows = _rows(self._post(_TASKS, {"conversionInputs": inputs}, tries, stop))
        tasks = [str(row["asyncId"]) for row in rows if row.get("asyncId") not in (None, "", _NOT_QUEUED)]
        shown: list[str] = []
        started = time.monotonic()
        for seconds in _LOOKS if tasks else ():
            if stop.wait(seconds):
                return []
            answer = self._transport.get(
                _TASKS, {"ids": tasks}, tries=tries.most, cancelled=stop, max_bytes=MAX_BODIES_BYTES
            )
            results = _rows(answer)
            done = [row.get("value") for row in results if row.get("status") == "COMPLETED"]
            shown = [value for value in done if isinstance(value, str)]
            if not any(str(row.get("status")) in _UNDER_WAY for row in results):
                break
        missing = len(bodies) - len(shown)
        if missing:
            waited = time.monotonic() - started
            _log.warning("%d of %d bodies were not shown by Confluence within %.0f s", missing, len(bodies), waited)
        return shown


def _rows(answer: Answer) -> list[Mapping[str, Any]]:
    # (What could not be queued may be a bare word among them.)
    return objects(answer.data.get("results"))


def _value(data: Mapping[str, Any], path: str) -> str:
    value = data.get("value")
    if not isinstance(value, str):
        raise ContractError(f"POST {path}: the answer holds no body")
    return value
