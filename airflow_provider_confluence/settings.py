"""What a setting may hold: each shape reads a value, and says the same as JSON Schema.

Settings are declared once, as tables of :class:`Setting`. What reads them, the schema for editors and the reference in the
documentation all come from those tables, so that they cannot differ.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

Say = Callable[[str, str], None]
"""Takes the path of a setting and a sentence about what is wrong there."""

BELONGS_ELSEWHERE = "credentials and addresses belong into the connection"
"""How a sentence begins about what has no place in a Variable, which more people read and edit."""

_LONGEST = timedelta(days=366)  # a scheduler that adds more than the calendar holds would stop for everybody
_GO_DURATION = re.compile(r"(?:([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))")
_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_MOST_SHOWN = 60
_MOST_UNKNOWN = 100  # to look for what was meant takes time, and a DAG file has little
_LIKE_A_CREDENTIAL = re.compile(r"token|passw|secret|api_?key|credential", re.I)
_FEW = 10


def parse_duration(text: str) -> timedelta:
    """Return a Go duration such as ``30s``, ``5m`` or ``1h30m`` as a timedelta.

    :raises ValueError: for anything else, and for a duration that is not above zero or longer than a year.
    """
    matches = list(_GO_DURATION.finditer(text))
    if not matches or "".join(m.group(0) for m in matches) != text:
        raise ValueError(f"{text[:_MOST_SHOWN]!r} is not a duration like 30s, 5m or 1h30m")
    seconds = sum(float(m.group(1)) * _UNIT_SECONDS[m.group(2)] for m in matches)
    if seconds > _LONGEST.total_seconds():
        raise ValueError(f"{text[:40]!r} is longer than a year")
    duration = timedelta(seconds=seconds)
    if duration <= timedelta(0):
        raise ValueError(f"{text[:_MOST_SHOWN]!r} is not above zero")
    return duration


def kind_of(value: object) -> str:
    """Return what a value is called in messages."""
    if isinstance(value, dict):
        return "an object"
    names = {list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def printable(name: str) -> str:
    """Return a key as messages show it: in quotes where it is empty, its unprintable characters escaped, and not all of a long one."""
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name[:100])
    return "".join(shown) or '""'


def hint(name: object, known: Iterable[str]) -> str:
    """Return ``; did you mean …?`` where a known name is near, else nothing."""
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


class Twice(dict[str, Any]):
    """A JSON object in which keys were given twice: ``keys_given_twice``. What stands there is the last of each."""

    keys_given_twice: tuple[str, ...] = ()

    @classmethod
    def from_pairs(cls, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        """Return the pairs as a plain dictionary, or as one of these; it fits ``object_pairs_hook``."""
        value = dict(pairs)
        if len(value) == len(pairs):
            return value
        found = cls(value)
        times = Counter(key for key, _ in pairs)
        found.keys_given_twice = tuple(key for key in value if times[key] > 1)
        return found


class Shape(Protocol):
    """One kind of value."""

    def read(self, path: str, value: Any, say: Say) -> Any:
        """Return the value as the program wants it; what is wrong is said, and then the value returned is of no use."""

    def schema(self) -> dict[str, Any]:
        """Return what is taken, as JSON Schema."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of an object.

    :param description: for the schema and the reference: what it means, on one line, in Markdown without links.
    :param default: what holds where it is not given; it is shown, and not filled in. ``None``: there is none.
    :param see: the page of the documentation that says more, with its heading.
    """

    name: str
    shape: Shape
    description: str
    default: Any = None
    required: bool = False
    see: str = ""


# ------------------------------------------------------------------------------------------ plain values
@dataclass(frozen=True, slots=True)
class Text:
    """A text that is not blank, of a pattern where one is given: all of it must match."""

    pattern: str = ""
    expected: str = ""
    longest: int | None = None

    def read(self, path: str, value: Any, say: Say) -> str:
        if not isinstance(value, str):
            say(path, f"expected {self.expected or 'a text'}, found {kind_of(value)}")
        elif self.longest is not None and len(value) > self.longest:
            say(path, f"is longer than {self.longest} characters")
        elif self.pattern:
            if not re.fullmatch(self.pattern, value):
                say(path, f"{value[:_MOST_SHOWN]!r} is not {self.expected}")
        elif not value.strip():
            say(path, "is empty")
        return value if isinstance(value, str) else ""

    def schema(self) -> dict[str, Any]:
        limit = {} if self.longest is None else {"maxLength": self.longest}
        return {"type": "string", "pattern": f"^(?:{self.pattern})$" if self.pattern else r"\S", **limit}


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few words."""

    choices: tuple[str, ...]

    def read(self, path: str, value: Any, say: Say) -> str:
        if not isinstance(value, str):
            say(path, f"expected {' or '.join(self.choices)}, found {kind_of(value)}")
            return self.choices[0]
        if value not in self.choices:
            near = hint(value, self.choices)
            say(path, f"{value[:_MOST_SHOWN]!r} is not known; choose {' or '.join(self.choices)}{near}")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.choices)}


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def read(self, path: str, value: Any, say: Say) -> bool:
        if not isinstance(value, bool):
            say(path, f"expected true or false, found {kind_of(value)}")
        return bool(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within bounds; ``also`` is one more that is taken."""

    least: int = 1
    most: int | None = None
    also: int | None = None
    what: str = "a whole number"
    also_means: str = ""

    def read(self, path: str, value: Any, say: Say) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # what JSON means by 50.0
        fits = isinstance(value, int) and not isinstance(value, bool)
        if not fits or not (value == self.also or (value >= self.least and (self.most is None or value <= self.most))):
            bounds = f"of at least {self.least}" if self.most is None else f"from {self.least} to {self.most}"
            other = (
                f", or {self.also}{f' for {self.also_means}' if self.also_means else ''}"
                if self.also is not None
                else ""
            )
            say(path, f"expected {self.what} {bounds}{other}{found_instead(value)}")
            return self.least
        return int(value)

    def schema(self) -> dict[str, Any]:
        bounds: dict[str, Any] = {"minimum": self.least}
        if self.most is not None:
            bounds["maximum"] = self.most
        if self.also is None:
            return {"type": "integer", **bounds}
        return {"type": "integer", "anyOf": [{"const": self.also}, bounds]}


@dataclass(frozen=True, slots=True)
class Share:
    """A number from 0 to 1."""

    def read(self, path: str, value: Any, say: Say) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            say(path, f"expected a share between 0 and 1{found_instead(value)}")
            return 0.0
        return float(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": 0, "maximum": 1}


@dataclass(frozen=True, slots=True)
class Duration:
    """A Go duration, no shorter than ``least`` where that is given; it stays a text."""

    least: str = ""

    def read(self, path: str, value: Any, say: Say) -> str:
        if not isinstance(value, str):
            say(path, f"expected a duration like 30s, 5m or 1h30m, found {kind_of(value)}")
            return self.least or "1m"
        try:
            if parse_duration(value) < (parse_duration(self.least) if self.least else timedelta(0)):
                say(path, f"{value[:_MOST_SHOWN]!r} is shorter than {self.least}; expected a duration of at least that")
        except ValueError as error:
            say(path, str(error))
        return value

    def schema(self) -> dict[str, Any]:
        # Not above zero without a digit above zero; that it is no longer than a year, and not too short, is beyond JSON Schema.
        return {"type": "string", "pattern": rf"^(?=.*[1-9])(?:{_GO_DURATION.pattern})+$"}


# ------------------------------------------------------------------------------------------ lists and objects
@dataclass(frozen=True, slots=True)
class Texts:
    """A list of texts, none twice; of a pattern, or out of ``choices``, where these are given."""

    pattern: str = ""
    expected: str = ""
    choices: tuple[str, ...] = ()

    def read(self, path: str, value: Any, say: Say) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(text, str) and text.strip() for text in value):
            say(path, "expected a list of texts")
            return ()
        if len(set(value)) != len(value):
            say(path, "names one twice")
        if self.pattern:
            wrong = [text for text in value if not re.fullmatch(self.pattern, text)]
            if wrong:
                say(path, f"{', '.join(text[:40] for text in wrong)}: expected {self.expected}")
        if self.choices:
            unknown = [text for text in value if text not in self.choices]
            if unknown:
                say(path, f"{', '.join(unknown)} is not known; choose from {', '.join(self.choices)}")
        return tuple(value)

    def schema(self) -> dict[str, Any]:
        items = {"enum": list(self.choices)} if self.choices else Text(self.pattern).schema()
        return {"type": "array", "uniqueItems": True, "items": items}


@dataclass(frozen=True, slots=True)
class Tags:
    """A list of short texts."""

    longest: int = 100

    def read(self, path: str, value: Any, say: Say) -> list[str]:
        if not isinstance(value, list) or not all(
            isinstance(tag, str) and 0 < len(tag) <= self.longest for tag in value
        ):
            say(path, f"expected a list of texts of up to {self.longest} characters")
            return []
        return list(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": self.longest}}


@dataclass(frozen=True, slots=True)
class Table:
    """An object with the keys of a table. What is read has the keys that were given."""

    settings: tuple[Setting, ...]
    expected: str = "an object"

    def read(self, path: str, value: Any, say: Say) -> dict[str, Any]:
        if not isinstance(value, dict):
            say(path, f"expected {self.expected}, found {kind_of(value)}")
            return {}
        inside = f"{path}." if path else ""
        say_twice(inside, value, say)
        known = [setting.name for setting in self.settings]
        unknown = [key for key in value if key not in known]
        for key in unknown[:_MOST_UNKNOWN]:
            near = hint(key, known) or (f"; it takes {', '.join(known)}" if len(known) <= _FEW else "")
            secret = f"; {BELONGS_ELSEWHERE}" if _LIKE_A_CREDENTIAL.search(key[:100]) else ""
            say(f"{inside}{printable(key)}", f"unknown setting{near}{secret}")
        if len(unknown) > _MOST_UNKNOWN:
            say(path, f"and {len(unknown) - _MOST_UNKNOWN} more unknown settings")
        for setting in self.settings:
            if setting.required and setting.name not in value:
                say(f"{inside}{setting.name}", f"is missing: {setting.description}")
        return {
            setting.name: setting.shape.read(f"{inside}{setting.name}", value[setting.name], say)
            for setting in self.settings
            if setting.name in value
        }

    def schema(self) -> dict[str, Any]:
        return object_schema(self.settings)


def say_twice(inside: str, value: Mapping[str, Any], say: Say) -> None:
    """Say which keys of an object were given twice."""
    for key in value.keys_given_twice if isinstance(value, Twice) else ():
        say(f"{inside}{printable(key)}", "this key is given twice in one object")


def found_instead(value: Any) -> str:
    """Return ``, found …`` for a message about a number: short and harmless values as they are, of others the kind."""
    if isinstance(value, (bool, type(None))):
        return f", found {str(value).lower() if value is not None else 'null'}"
    if isinstance(value, (int, float)):
        return f", found {str(value)[:20]}" if abs(value) < 1e18 else ""
    return f", found {kind_of(value)}"


def object_schema(settings: Sequence[Setting]) -> dict[str, Any]:
    """Return the JSON Schema of an object with these keys and no others."""
    properties = {}
    for setting in settings:
        properties[setting.name] = {"description": setting.description, **setting.shape.schema()}
        if setting.default is not None:
            properties[setting.name]["default"] = setting.default
    required = [setting.name for setting in settings if setting.required]
    found: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**found, "required": required} if required else found
