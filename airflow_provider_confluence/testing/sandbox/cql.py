"""A small, honest reader of Confluence's query language (CQL).

It knows the fields ``space``, ``type``, ``lastmodified``, ``created``, ``label``, ``id``, ``title``, ``parent``, ``ancestor`` and
``container``, with ``and``, ``or``, ``not``, brackets and ``order by``. What it does not know it refuses with 400, as Confluence refuses
what it cannot read: a search that is answered wrongly would be worse.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from airflow_provider_confluence.testing.sandbox.records import Item, ItemType
from airflow_provider_confluence.testing.sandbox.web import RefusedError
from airflow_provider_confluence.testing.sandbox.wiki import Wiki

Predicate = Callable[[Item], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<operator>!=|>=|<=|!~|=|<|>|~)|(?P<mark>[(),])"""
    r"""|(?P<word>[^\s"'=<>!~(),]+))"""
)
_SPACE_FIELDS = ("space", "space.key")
_DATE_FIELDS = ("lastmodified", "created")
_ID_FIELDS = ("id", "content", "parent", "ancestor", "container")
_SORT_FIELDS = {"lastmodified": "modified-date", "created": "created-date", "id": "id", "title": "title"}
_UNITS = {"y": 365 * 86_400, "M": 30 * 86_400, "w": 7 * 86_400, "d": 86_400, "h": 3_600, "m": 60}


@dataclass(frozen=True)
class CqlQuery:
    """A query that was read: what it finds, and in which order."""

    matches: Predicate
    sort: str
    descending: bool


def parse(text: str, model: Wiki) -> CqlQuery:
    """Return the query of a text. :raises RefusedError: 400 for what cannot be read."""
    return _Parser(text, model).query()


def _refuse(text: str, reason: str) -> RefusedError:
    return RefusedError(400, f"Could not parse cql : {text} ({reason})", "INVALID_REQUEST_PARAMETER")


class _Parser:
    def __init__(self, text: str, model: Wiki) -> None:
        self._text = text
        self._model = model
        self._tokens: list[tuple[str, str]] = []
        self._at = 0
        position = 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            if match is None:
                raise _refuse(text, f"at character {position}")
            self._tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            position = match.end()

    def query(self) -> CqlQuery:
        matches: Predicate = lambda _item: True  # noqa: E731
        if self._peek() != "order":
            matches = self._or()
        sort, descending = "id", False
        if self._accept("order"):
            if not self._accept("by"):
                raise _refuse(self._text, "order without by")
            field = self._word().lower()
            if field not in _SORT_FIELDS:
                raise _refuse(self._text, f"cannot sort by {field}")
            sort = _SORT_FIELDS[field]
            descending = self._accept("desc")
            if not descending:
                self._accept("asc")
        if self._at < len(self._tokens):
            raise _refuse(self._text, f"unexpected {self._tokens[self._at][1]}")
        return CqlQuery(matches, sort, descending)

    def _peek(self) -> str:
        kind, value = self._tokens[self._at] if self._at < len(self._tokens) else ("", "")
        return value if kind == "string" else value.lower()

    def _accept(self, word: str) -> bool:
        if self._peek() == word:
            self._at += 1
            return True
        return False

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise _refuse(self._text, "it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _word(self) -> str:
        kind, value = self._next()
        if kind != "word":
            raise _refuse(self._text, f"unexpected {value}")
        return value

    def _or(self) -> Predicate:
        parts = [self._and()]
        while self._accept("or"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else lambda item: any(part(item) for part in parts)

    def _and(self) -> Predicate:
        parts = [self._not()]
        while self._accept("and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else lambda item: all(part(item) for part in parts)

    def _not(self) -> Predicate:
        if self._accept("not"):
            inner = self._not()
            return lambda item: not inner(item)
        if self._accept("("):
            grouped = self._or()
            if not self._accept(")"):
                raise _refuse(self._text, "a bracket is open")
            return grouped
        return self._clause()

    def _clause(self) -> Predicate:
        field = self._word().lower()
        negated = self._accept("not")
        if self._accept("in"):
            operator = "in"
        elif negated:
            raise _refuse(self._text, "not without in")
        else:
            kind, operator = self._next()
            if kind != "operator":
                raise _refuse(self._text, f"unexpected {operator}")
        if field in _DATE_FIELDS:
            return self._date_clause(field, operator)
        values = self._values() if operator == "in" else [self._value()]
        if operator == "!=":
            negated = True
        elif operator == "~" and field == "title":
            needle = values[0].strip("*").casefold()
            return lambda item: needle in self._model.title_of(item).casefold()
        elif operator not in ("=", "in"):
            raise _refuse(self._text, f"{operator} does not go with {field}")
        test = self._test(field, values)
        return (lambda item: not test(item)) if negated else test

    def _values(self) -> list[str]:
        if not self._accept("("):
            raise _refuse(self._text, "in without a list")
        values = [self._value()]
        while self._accept(","):
            values.append(self._value())
        if not self._accept(")"):
            raise _refuse(self._text, "a list is open")
        return values

    def _value(self) -> str:
        kind, value = self._next()
        if kind == "string":
            return re.sub(r"\\(.)", r"\1", value[1:-1])
        if kind != "word":
            raise _refuse(self._text, f"unexpected {value}")
        return value

    def _test(self, field: str, values: list[str]) -> Predicate:
        model = self._model
        if field in _SPACE_FIELDS:
            spaces = {space.id for space in (model.space(value) for value in values) if space is not None}
            return lambda item: item.space_id in spaces
        if field == "type":
            if model.readings.cql_finds_tree == "folders" and not _OTHER_NODES.isdisjoint(values):
                raise _refuse(self._text, "unknown type")
            return lambda item: item.type in values
        if field == "label":
            wanted = {value.lower() for value in values}
            return lambda item: not wanted.isdisjoint(item.labels)
        if field == "title":
            return lambda item: model.title_of(item) in values
        if field in _ID_FIELDS:
            ids = {int(value.removeprefix("att")) for value in values if value.removeprefix("att").isdigit()}
            if field == "parent":
                return lambda item: item.parent_id in ids
            if field == "container":
                return lambda item: item.container_id in ids
            if field == "ancestor":
                return lambda item: any(above.id in ids for above in model.ancestors(item))
            return lambda item: item.id in ids
        raise _refuse(self._text, f"no such field: {field}")

    def _date_clause(self, field: str, operator: str) -> Predicate:
        """Dates have the resolution of a minute [S]; a search looks at an index that may lag [R]."""
        bound = self._instant()

        def compare(item: Item) -> bool:
            instant = item.created_at if field == "created" else item.version.created_at
            minute = int(instant.timestamp()) // 60
            wanted = int(bound.timestamp()) // 60
            if operator == ">=":
                return minute >= wanted
            if operator == ">":
                return minute > wanted
            if operator == "<=":
                return minute <= wanted
            if operator == "<":
                return minute < wanted
            return (minute == wanted) is (operator == "=")

        if operator not in ("=", "!=", ">", ">=", "<", "<="):
            raise _refuse(self._text, f"{operator} does not go with {field}")
        return compare

    def _instant(self) -> datetime:
        now = self._model.clock()
        kind, value = self._next()
        if kind == "word" and value.lower() == "now" and self._accept("("):
            offset = "" if self._peek() == ")" else self._value()
            if not self._accept(")"):
                raise _refuse(self._text, "a bracket is open")
            match = re.fullmatch(r"([+-]?\d+)([yMwdhm])", offset or "0m")
            if match is None:
                raise _refuse(self._text, f"no such offset: {offset}")
            return now + timedelta(seconds=int(match[1]) * _UNITS[match[2]])
        text = value[1:-1] if kind == "string" else value
        for layout in ("%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M", "%Y-%m-%d", "%Y/%m/%d"):
            try:
                read = datetime.strptime(text, layout).replace(tzinfo=timezone.utc)
            except ValueError:
                continue
            return read - timedelta(minutes=self._model.readings.cql_zone_offset_minutes)
        raise _refuse(self._text, f"no such date: {text}")


_OTHER_NODES = frozenset(("whiteboard", "database", "embed"))


class Search:
    """Finds items by CQL and keeps what it found until the model or the minute changes, so that paging through it is quick."""

    def __init__(self, model: Wiki) -> None:
        self._model = model
        self._kept: dict[tuple[object, ...], list[Item]] = {}

    def find(self, text: str, viewer: str) -> list[Item]:
        """Return what a viewer finds, in order. The caller holds the model's lock."""
        model = self._model
        now = model.clock()
        lag = model.readings.cql_index_lag_seconds
        moment = now if lag else int(now.timestamp()) // 60
        readings = model.readings
        key = (text, viewer, model.index.generation, moment, readings.cql_lists_archived, readings.cql_finds_tree)
        found = self._kept.get(key)
        if found is None:
            query = parse(text, model)
            types: tuple[ItemType, ...] = ("page", "blogpost", "attachment", "comment")
            if "folder" in text and readings.cql_finds_tree != "nothing":
                # (A search that names no type does not find them.)
                types = (*types, "folder")
            order = model.index.order(types, None, query.sort)
            seen = ("current", "archived") if model.readings.cql_lists_archived else ("current",)
            found = [
                item
                for item in model.index.walk(order, descending=query.descending)
                if query.matches(item)
                and model.listed_status(item) in seen
                and model.is_visible(item, "anonymous" if viewer == "anonymous" else "account")
                and (now - item.version.created_at).total_seconds() >= lag
            ]
            if len(self._kept) >= 8:
                self._kept.clear()
            self._kept[key] = found
        return found
