"""Judges by the official specifications, where a copy of them is at hand; they are Atlassian's and no part of this project."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_confluence.testing.sandbox import Edition
    from tests.contracts.checker import Exchange

_FILES = {
    "cloud": ("confluence-cloud-v2.json", "confluence-cloud-v1.json"),
    "datacenter": ("confluence-dc-10.0.3.json",),
}

TOLERATED_NULLS = {"parentId", "parentType", "homepageId", "description", "icon", "detail", "personalSpaceId"}
"""The specification says string (or object), but roots have no parent, spaces may have no homepage, and the service sends null there."""

UNSPECIFIED = (
    # Downloads by link are no REST interface, on neither edition.
    "/wiki/download/",
    "/download/attachments/",
    # Unauthenticated, and outside both specifications.
    "/_edge/tenant_info",
    # The remote API of before 9.1.
    "/rpc/json-rpc/",
    "/oauth/token",
    "/status",
)
"""Paths that the specifications do not list, with the reason."""

WRONG_IDS = re.compile("/wiki/api/v2/attachments/att[0-9]+/labels")
"""The specification has this id as a number, although it has ``att123`` for ``/attachments/{id}`` itself."""

WRONG_STATUS = {("GET", "/rest/api/content/{id}/child/attachment"): ("201", "200")}
"""The Data Center specification says 201 for this read; every release answers 200."""


def specifications() -> Path | None:
    """Return the folder of the official specifications, or ``None`` where there is none."""
    named = os.environ.get("CONFLUENCE_SPECS")
    folder = Path(named) if named else Path(__file__).parents[2].parent / "shared" / "specs"
    return folder if all((folder / name).is_file() for names in _FILES.values() for name in names) else None


def official_judges(edition: Edition) -> list[Callable[[Exchange], Iterator[str]]]:
    """Return the judge for an edition, or nothing where the specifications are not at hand."""
    folder = specifications()
    return [] if folder is None else [_judge(edition, folder)]


@cache
def _judge(edition: str, folder: Path) -> Callable[[Exchange], Iterator[str]]:
    from openapi_core import Config, OpenAPI
    from openapi_core.exceptions import OpenAPIError
    from openapi_core.testing import MockRequest, MockResponse

    loaded = {}
    for name in _FILES[edition]:
        spec = _mended(json.loads((folder / name).read_text(encoding="utf-8")))
        prefix = "/wiki/api/v2" if "v2" in name else ""
        spec["servers"] = [{"url": f"http://sandbox{prefix}"}]
        # The validator is off: all three specifications break strict OpenAPI (bad defaults, parameters given twice).
        loaded[prefix] = OpenAPI.from_dict(spec, config=Config(spec_validator_cls=None))

    judged: set[tuple[object, ...]] = set()

    def judge(exchange: Exchange) -> Iterator[str]:
        path = exchange.path
        if path.startswith(UNSPECIFIED) or WRONG_IDS.fullmatch(path):
            return
        if exchange.status in (404, 405, 410) and not exchange.document:
            return
        openapi = loaded["/wiki/api/v2" if path.startswith("/wiki/api/v2") else ""]
        arguments = {name: values if len(values) > 1 else values[0] for name, values in exchange.query.items()}
        arguments = {name: _as_the_specification_has_it(name, value) for name, value in arguments.items()}
        headers = {"Authorization": "Basic c2FuZGJveDpzYW5kYm94"}
        request = MockRequest(
            "http://sandbox", exchange.method.lower(), path, args=arguments, headers=headers, data=exchange.body or None
        )
        try:
            openapi.validate_request(request)
        except OpenAPIError as error:
            if exchange.status not in (404, 410):
                yield f"by the official specification, the request: {_reason(error)}"
            return
        if exchange.faulted or exchange.document is None or exchange.status >= 400:
            return  # error bodies are not specified
        document = _one_of_each(_without_nulls(exchange.document))
        form = (path_form(path), exchange.status, _form(document))
        if form in judged:
            return
        judged.add(form)
        data = json.dumps(document).encode()
        response = MockResponse(data, exchange.status, content_type="application/json")
        try:
            openapi.validate_response(request, response)
        except OpenAPIError as error:
            yield f"by the official specification, the answer: {_reason(error)}"

    return judge


def _as_the_specification_has_it(name: str, value: Any) -> Any:
    """Split lists: the specifications leave the style of arrays to the default, but the service takes commas too [S: its descriptions]."""
    joined = name in ("id", "ids", "keys", "space-id", "status", "expand", "spaceKey") and isinstance(value, str)
    return value.split(",") if joined and "," in value else value


def _mended(spec: dict[str, Any]) -> dict[str, Any]:
    """Take the last of parameters that are given twice (Data Center: once untyped, once typed), and statuses that are wrong."""
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            if not isinstance(operation, dict) or "responses" not in operation:
                continue
            unique = {(p.get("name"), p.get("in"), p.get("$ref")): p for p in operation.get("parameters", [])}
            operation["parameters"] = list(unique.values())
            wrong = WRONG_STATUS.get((method.upper(), path))
            if wrong is not None and wrong[0] in operation["responses"]:
                operation["responses"][wrong[1]] = operation["responses"].pop(wrong[0])
    return spec


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if not (v is None and k in TOLERATED_NULLS)}
        return {k: _without_nulls(v) for k, v in kept.items()}
    return [_without_nulls(part) for part in value] if isinstance(value, list) else value


def path_form(path: str) -> str:
    """Return a path with its ids taken out."""
    return re.sub(r"\d+", "0", path)


def _form(value: Any) -> object:
    """Return what a document is made of, names and types: the official schemas ask for hardly more, and judging one takes long."""
    if isinstance(value, dict):
        return frozenset((name, _form(part)) for name, part in value.items())
    if isinstance(value, list):
        return frozenset(_form(part) for part in value)
    return type(value)


def _one_of_each(document: Any) -> Any:
    """Return a list with one row of each form."""
    if isinstance(document, dict) and isinstance(document.get("results"), list):
        return {**document, "results": list({_form(row): row for row in document["results"]}.values())}
    return document


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error
    problems = getattr(cause, "schema_errors", None)
    text = (
        "; ".join(f"{'/'.join(map(str, p.absolute_path))}: {p.message}" for p in problems) if problems else str(cause)
    )
    return re.sub(r"\s+", " ", f"{type(cause).__name__} {text}")[:500]
