"""Holds every request a test makes, and every answer of the sandbox, to the contracts of Confluence's interfaces.

Two judges. Our own extracts (``tests/contracts/*.json``) are written in our words after the official documentation: they know which
parameters, values and limits exist, and what an answer must hold; they refuse what they do not know. Where the official specifications are
at hand (``CONFLUENCE_SPECS``, or ``shared/specs`` beside the checkout) openapi-core judges by them as well.

Exchanges are kept while a test runs and judged at its end, so that no answer is slowed; of exchanges that are alike one is judged, and of
rows that are alike in a list one. What an earlier test of this process sent and was answered word for word, but for the digits in it, was
judged there: most tests fill the same few pages.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from airflow_provider_confluence.testing.sandbox import Edition
from airflow_provider_confluence.testing.sandbox.web import Request, Response, template_pattern
from tests.contracts.official import official_judges

_HERE = Path(__file__).parent
_KEPT_ROWS = 30
_ERROR = {"$ref": "#/$defs/Error"}
# A nought stands out as a number, where a contract says "at least one"; elsewhere no contract tells one digit from another.
_NOUGHT = re.compile(r": 0(?![0-9.])")
_SAME_DIGIT = str.maketrans("023456789", "111111111")
_GATEWAY_REFUSAL = {"code", "message"}  # the gateway refuses in a form of its own [R], before Confluence is asked


@dataclass(frozen=True)
class Exchange:
    """One request with its answer. ``path`` is without gateway and context path; ``document`` holds at most some rows of a list."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: bytes
    status: int
    document: Any
    faulted: bool

    def __str__(self) -> str:
        query = "&".join(f"{name}={value[:60]}" for name, values in self.query.items() for value in values)
        return f"{self.method} {self.path}" + (f"?{query}" if query else "")


Judge = Callable[[Exchange], Iterator[str]]


class ContractChecker:
    """An observer for a sandbox of one edition."""

    def __init__(self, edition: Edition, context: str = "/confluence") -> None:
        self._edition = edition
        self._context = context if edition == "datacenter" else ""
        self._kept: dict[tuple[object, ...], Exchange] = {}
        self._lock = threading.Lock()
        self._paused = 0

    def __call__(self, request: Request, response: Response) -> None:
        """Keep one exchange, unless one like it is kept already."""
        if self._paused:
            return
        path = re.sub(r"^/ex/confluence/[^/]+", "", request.path).removeprefix(self._context)
        query = {name: list(values) for name, values in request.query.items()}
        key = (request.method, _shape(path), _query_shape(query), response.status, response.faulted)
        with self._lock:
            if key not in self._kept:
                document = _some_rows(response.document)
                self._kept[key] = Exchange(
                    request.method, path, query, request.body, response.status, document, response.faulted
                )

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let a test send requests that are wrong on purpose."""
        self._paused += 1
        try:
            yield
        finally:
            self._paused -= 1

    def violations(self) -> list[str]:
        """Return what broke a contract, as sentences that begin with the request."""
        with self._lock:
            kept = list(self._kept.items())
        return [
            f"{exchange}: {problem}" for key, exchange in kept for problem in _problems(self._edition, key, exchange)
        ]

    def assert_clean(self) -> None:
        """Raise an ``AssertionError`` that lists every violation."""
        found = self.violations()
        assert not found, "contract violations:\n  " + "\n  ".join(found)


_faultless: set[tuple[object, ...]] = set()


def _problems(edition: Edition, key: tuple[object, ...], exchange: Exchange) -> list[str]:
    """Return what the judges say of an exchange, which is nothing where one like it was found faultless."""
    # What the key leaves out too: of one test's requests that are alike the first is judged, of all tests' each one.
    sent = [exchange.path, exchange.query, exchange.body.decode(errors="replace")]
    likeness = (edition, *key, _likeness([sent, exchange.document]))
    if likeness in _faultless:
        return []
    distinct = replace(exchange, document=_distinct_rows(exchange.document))
    judges: list[Judge] = [_extracts(edition).judge, *official_judges(edition)]
    problems = [problem for judge in judges for problem in judge(distinct)]
    if not problems:
        _faultless.add(likeness)
    return problems


def _likeness(document: Any) -> int:
    """Return the same number for documents that are the same but for their digits."""
    return hash(_NOUGHT.sub(": nought", json.dumps(document)).translate(_SAME_DIGIT))


def _distinct_rows(document: Any) -> Any:
    """Return the document with one of each of the rows of its list that are alike."""
    if isinstance(document, dict) and isinstance(document.get("results"), list):
        return {**document, "results": list({_likeness(row): row for row in document["results"]}.values())}
    return document


def _shape(path: str) -> str:
    return re.sub(r"\d+", "0", path) if not path.startswith("/download/") else "/download/"


def _query_shape(query: dict[str, list[str]]) -> tuple[tuple[str, str], ...]:
    shape = []
    for name, values in sorted(query.items()):
        joined = ",".join(values)
        if name in ("cursor", "start", "key", "username"):
            joined = "…"
        elif name in ("id", "ids", "space-id", "accountId", "keys"):
            joined = f"{joined.count(',') + 1} {re.sub('[0-9]+', '0', joined[:40])}"
        shape.append((name, joined))
    return tuple(shape)


def _some_rows(document: Any) -> Any:
    """Return the document with the first and last rows of its list: rows are alike, and judging thousands would take minutes."""
    if (
        isinstance(document, dict)
        and isinstance(document.get("results"), list)
        and len(document["results"]) > _KEPT_ROWS
    ):
        half = _KEPT_ROWS // 2
        return {**document, "results": document["results"][:half] + document["results"][-half:]}
    return document


class _Extracts:
    """Our own contracts for one edition."""

    def __init__(self, *names: str) -> None:
        from jsonschema import Draft202012Validator

        self._routes: list[tuple[str, re.Pattern[str], dict[str, Any], dict[str, Any]]] = []
        self._probes: list[re.Pattern[str]] = []
        self._validator = Draft202012Validator
        self._answers: dict[tuple[int, int], Any] = {}
        for name in names:
            contract = json.loads((_HERE / name).read_text(encoding="utf-8"))
            definitions = contract.get("$defs", {})
            self._probes += [re.compile(template_pattern(path)) for path in contract.get("probes", [])]
            for route in contract["routes"]:
                pattern = re.compile(template_pattern(route["path"]))
                self._routes.append((route["method"], pattern, route, definitions))

    def judge(self, exchange: Exchange) -> Iterator[str]:
        """Yield what is wrong with an exchange."""
        for method, pattern, route, definitions in self._routes:
            if method == exchange.method and pattern.fullmatch(exchange.path):
                yield from self._parameters(exchange, route, definitions)
                yield from self._answer(exchange, route, definitions)
                return
        if not any(pattern.fullmatch(exchange.path) for pattern in self._probes):
            yield "our contracts know no such route"

    def _parameters(self, exchange: Exchange, route: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
        known = route.get("query", {})
        for name in route.get("required", []):
            if name not in exchange.query:
                yield f"parameter {name} is missing"
        for name, values in exchange.query.items():
            if name not in known:
                yield f"there is no parameter {name}"
                continue
            schema = known[name]
            resolved = definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
            if resolved.get("type") == "array":
                read: Any = [part for value in values for part in value.split(",")]
            elif len(values) > 1:
                yield f"parameter {name} was given {len(values)} times"
                continue
            else:
                read = int(values[0]) if resolved.get("type") == "integer" and values[0].isdigit() else values[0]
            for error in self._validator(resolved).iter_errors(read):
                yield f"parameter {name}: {error.message[:160]}"

    def _answer(self, exchange: Exchange, route: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
        if exchange.faulted:
            return
        if (
            exchange.status == 401
            and isinstance(exchange.document, dict)
            and set(exchange.document) == _GATEWAY_REFUSAL
        ):
            return
        expected = route.get("answers", {}).get(str(exchange.status))
        if expected is None and exchange.status >= 400:
            expected = _ERROR
        if expected is None:
            yield f"status {exchange.status} is not in the contract"
            return
        if exchange.document is None:
            return  # bytes and plain text; an answer that should be JSON and is not is judged by whoever reads it
        key = (id(expected), id(definitions))  # both stay, so that no number is given twice
        if key not in self._answers:
            self._answers[key] = self._validator({**expected, "$defs": definitions})
        for error in self._answers[key].iter_errors(exchange.document):
            where = "/".join(str(part) for part in error.absolute_path)
            yield f"answer at {where or 'its root'}: {error.message[:200]}"


@cache
def _extracts(edition: Edition) -> _Extracts:
    if edition == "cloud":
        return _Extracts("cloud-v2.json", "cloud-v1.json")
    return _Extracts("datacenter.json")
