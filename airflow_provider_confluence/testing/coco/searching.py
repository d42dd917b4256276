"""Searches of a fake Coco: the management list with its filters, and the keyword search that people use."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote_plus

from airflow_provider_confluence.testing.coco.store import RefusedError, Source
from airflow_provider_confluence.testing.sandbox.web import Request

WINDOW = 10_000
"""How far ``from`` and ``size`` reach together, and up to where hits are counted."""

Matches = Callable[[Source], bool]


def filters(request: Request) -> list[Matches]:
    """Return the conditions of all ``filter`` parameters, which must all hold; terms of one field are alternatives."""
    terms: dict[str, list[Any]] = {}
    found: list[Matches] = []
    for raw in request.query.get("filter", []):
        text = unquote_plus(raw).strip()
        negated = text[:1] in ("-", "!")
        field, operator, value = _parse(text[1:].strip() if negated else text)
        if operator == "term" and not negated:
            terms.setdefault(field, []).append(value)
            continue
        found.append(_condition(field, operator, value, negated=negated))
    found += [_condition(field, "any", values, negated=False) for field, values in terms.items()]
    return found


def filtered_ids(request: Request, field: str) -> list[list[Any]]:
    """Return the lists of ``field:any(…)`` filters."""
    parsed = [_parse(unquote_plus(raw).strip().lstrip("-!")) for raw in request.query.get("filter", [])]
    return [value for name, operator, value in parsed if name == field and operator == "any"]


def _parse(text: str) -> tuple[str, str, Any]:
    if text.startswith("exists(") and text.endswith(")"):
        return text[7:-1], "exists", None
    many = re.fullmatch(r"(.*?):any\((.*)\)", text, re.DOTALL)
    if many:
        return many[1], "any", [_value(part.strip()) for part in many[2].split(",")]
    for operator in (">=", "<=", ">", "<"):
        field, found, value = text.partition(operator)
        if found and field:
            return field.strip(), operator, _value(value.strip())
    for separator in (":", "="):
        field, found, value = text.partition(separator)
        if found and field:
            return field.strip(), "term", _value(value.strip())
    return "*", "text", text


def _value(text: str) -> Any:
    """Read a value as Coco does: what looks like a number or a truth value becomes one, whatever the field."""
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        return int(text)
    if text in ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"):
        return text in ("1", "t", "T", "TRUE", "true", "True")
    return text


def _condition(field: str, operator: str, value: Any, *, negated: bool) -> Matches:
    def holds(source: Source) -> bool:
        held = [_comparable(item) for item in _values(source, field)]
        if operator == "exists":
            return bool(held)
        if operator == "any":
            return bool({_comparable(item) for item in value} & set(held))
        if operator == "text":
            return value.lower() in json.dumps(source, ensure_ascii=False).lower()
        if operator == "term":
            return _comparable(value) in held
        return any(_compared(item, operator, value) for item in held)

    return lambda source: holds(source) is not negated


def _compared(held: str, operator: str, value: Any) -> bool:
    one: Any
    other: Any
    if isinstance(value, int) and re.fullmatch(r"-?\d+", held):
        one, other = int(held), value
    else:
        one, other = held, _comparable(value)
    return bool({">=": one >= other, "<=": one <= other, ">": one > other, "<": one < other}[operator])


def _comparable(value: Any) -> str:
    """Return how a keyword field indexes a value."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _values(source: Any, path: str) -> list[Any]:
    for part in path.split("."):
        source = source.get(part) if isinstance(source, dict) else None
    if source is None:
        return []
    return source if isinstance(source, list) else [source]


def answer(request: Request, hits: Iterable[tuple[str, float, Source]], index: str) -> dict[str, Any]:
    """Return one page of hits as Elasticsearch words it. :raises RefusedError: beyond the window."""
    start, size = int(request.one("from") or 0), int(request.one("size") or 10)
    if start + size > WINDOW:
        raise RefusedError(f"Result window is too large, from + size must be less than or equal to: [{WINDOW}]")
    found = list(hits)
    total = len(found)
    for part in reversed([part for part in (request.one("sort") or "").split(",") if part]):
        field, _, order = part.partition(":")
        found.sort(key=lambda hit: str((_values(hit[2], field) or [""])[0]), reverse=order.lower() == "desc")
    includes = [part for part in (request.one("_source_includes") or "").split(",") if part]
    return {
        "took": 1,
        "timed_out": False,
        "hits": {
            "total": {"value": min(total, WINDOW), "relation": "eq" if total <= WINDOW else "gte"},
            "max_score": max((score for _, score, _ in found), default=None),
            "hits": [
                {"_index": index, "_id": id_, "_score": score, "_source": _included(source, includes)}
                for id_, score, source in found[start : start + size]
            ],
        },
    }


def _included(source: Source, includes: list[str]) -> Source:
    """Return what is asked for. A search never returns payloads."""
    if not includes:
        return {name: value for name, value in source.items() if name not in ("payload", "document_chunk")}
    found: Source = {}
    for path in includes:
        value: Any = source
        parts = path.split(".")
        for part in parts:
            value = value.get(part) if isinstance(value, dict) else None
        if value is None or parts[0] in ("payload", "document_chunk"):
            continue
        target = found
        for part in parts[:-1]:
            target = target.setdefault(part, {})
        target[parts[-1]] = value
    return found


def keyword_score(source: Source, query: str) -> float:
    """Return how well a document matches: 0.0 where a word is missing. A word in the title counts ten times."""
    title = str(source.get("title") or "").lower()
    parts = [title, *(str(source.get(name) or "") for name in ("summary", "content", "category", "type", "lang"))]
    parts += [*map(str, source.get("tags") or ()), str((source.get("owner") or {}).get("username") or "")]
    text = " ".join(parts).lower()
    score = 0.0
    for word in query.lower().split():
        if word not in text:
            return 0.0
        score += 10.0 if word in title else 1.0
    return score
