"""The admin route: change the wiki and switch faults over HTTP, for tests that run in another process.

``POST /_sandbox/<action>`` takes the keyword arguments of the model's method as JSON; ``GET /_sandbox/state`` tells what there is.
It takes no credential: the sandbox listens on loopback only.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import random
from datetime import datetime
from typing import Any

from airflow_provider_confluence.testing.sandbox.faults import FAULTS, Faults, draw
from airflow_provider_confluence.testing.sandbox.model import Model
from airflow_provider_confluence.testing.sandbox.records import ItemType
from airflow_provider_confluence.testing.sandbox.request_log import RequestLog
from airflow_provider_confluence.testing.sandbox.web import Request, Response, text_response

_MADE = {
    "space": "create_space",
    "page": "create_page",
    "blogpost": "create_blogpost",
    "folder": "create_folder",
    "user": "add_user",
    "comment": "create_comment",
    "reply": "reply",
}
_CHANGES = (
    "edit",
    "move",
    "relabel",
    "trash",
    "restore",
    "purge",
    "archive",
    "unarchive",
    "hide",
    "show",
    "delete_attachment",
    "edit_comment",
    "resolve_comment",
    "reopen_comment",
    "dangle_comment",
    "delete_comment",
    "hide_space",
    "show_space",
    "rename_space",
    "set_homepage",
    "archive_space",
    "delete_space",
    "rename_user",
)


class Admin:
    """Answers below ``/_sandbox``."""

    def __init__(self, model: Model, faults: Faults, requests: RequestLog) -> None:
        self._model = model
        self._faults = faults
        self._requests = requests

    def handle(self, request: Request) -> Response:
        """Carry out one action; a mistake in it is answered with 400 and the reason."""
        action = request.path.removeprefix("/_sandbox/")
        if request.method == "GET" and action == "state":
            return _answer(self._state())
        try:
            if request.method != "POST":
                raise ValueError("actions are POST; only state is GET")
            arguments = json.loads(request.body or b"{}")
            if not isinstance(arguments, dict):
                raise TypeError("the body must be a JSON object of arguments")
            return _answer(self._act(action, arguments))
        except (ValueError, TypeError, KeyError) as error:
            return _answer({"error": f"{type(error).__name__}: {error}"}, 400)

    def _act(self, action: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if action == "create":
            kind = arguments.pop("type", "page")
            if kind not in _MADE:
                raise ValueError(f"type is one of {sorted(_MADE)}, not {kind!r}")
            return {"id": getattr(self._model, _MADE[kind])(**arguments)}
        if action == "attach":
            data = base64.b64decode(arguments.pop("base64"), validate=True) if "base64" in arguments else None
            data = arguments.pop("text", "").encode() if data is None else data
            return {"id": self._model.attach(data=data, **arguments)}
        if action == "faults":
            if arguments.get("clear"):
                self._faults.clear()
                return {"faults": 0}
            if "seed" in arguments:
                drawn = draw(random.Random(arguments["seed"]))
                self._faults.add(drawn.make())
                return {"fault": drawn.name, **drawn.arguments}
            name = arguments.pop("fault", None)
            if name not in FAULTS:
                raise ValueError(f"fault is one of {sorted(FAULTS)}, not {name!r}")
            self._faults.add(FAULTS[name](**arguments))
            return {"faults": len(list(self._faults))}
        if action == "readings":
            known = {field.name for field in dataclasses.fields(self._model.readings)}
            for name, value in arguments.items():
                if name not in known:
                    raise ValueError(f"no reading {name!r}; there are {sorted(known)}")
                setattr(self._model.readings, name, value)
            return dataclasses.asdict(self._model.readings)
        if action not in _CHANGES:
            raise ValueError(
                f"no action {action!r}; there are {sorted((*_CHANGES, 'create', 'attach', 'faults', 'readings'))}"
            )
        getattr(self._model, action)(**arguments)
        return {"done": action}

    def _state(self) -> dict[str, Any]:
        model = self._model
        spaces = [{"id": str(space.id), "key": space.key, "name": space.name} for space in model.spaces()]
        types: tuple[ItemType, ...] = ("page", "blogpost", "folder", "attachment", "comment")
        items = [dataclasses.asdict(record) for record in model.visible(types=types)]
        for item in items:
            item.update({name: value.isoformat() for name, value in item.items() if isinstance(value, datetime)})
        return {"spaces": spaces, "items": items, "requests": len(self._requests), "faults": len(list(self._faults))}


def _answer(document: Any, status: int = 200) -> Response:
    # With a line break, because people read it in a terminal.
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text_response(f"{text}\n", status, "application/json;charset=UTF-8")
