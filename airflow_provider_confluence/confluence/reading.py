"""Small readings of Confluence's JSON, shared by both editions: instants, links, fields that must be there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

from airflow_provider_confluence.documents import rfc3339
from airflow_provider_confluence.errors import ContractError

_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?\s*(?:(Z|z)|([+-])(\d\d):?(\d\d)?)?\s*", re.ASCII
)
# Days that every month has: what is already as it should be needs no calendar.
_ALREADY = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z", re.ASCII
)


def instant(value: Any) -> str | None:
    """Return an instant as RFC 3339 in UTC, or ``None`` where there is none to be read.

    Cloud writes ``2026-03-01T09:30:00.000Z``, Data Center offsets such as ``+02:00`` and ``+0000``; an instant without zone is UTC.
    (``datetime.fromisoformat`` of Python 3.10 takes neither ``Z`` nor an odd number of digits.)
    """
    if not isinstance(value, str):
        return None
    if _ALREADY.fullmatch(value):
        return value
    found = _INSTANT.fullmatch(value.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, _, sign, zone_hours, zone_minutes = found.groups()
    try:
        zone = timezone.utc
        if sign:
            offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes or 0))
            zone = timezone(-offset if sign == "-" else offset)
        return rfc3339(
            datetime(
                int(year),
                int(month),
                int(day),
                int(hour),
                int(minute),
                int(second or 0),
                int((fraction or "0")[:6].ljust(6, "0")),
                tzinfo=zone,
            )
        )
    except (ValueError, OverflowError):
        return None


def absolute(site: str, link: object) -> str:
    """Return a link of an answer as an absolute URL under the site, or ``""`` where there is none.

    Links come relative to the site, on Cloud now and then with its ``/wiki`` in front.
    """
    if not isinstance(link, str) or not link:
        return ""
    if link.startswith(("https://", "http://")):
        return link
    link = "/" + link.lstrip("/")
    context = _context(site)
    if context != "/" and link.startswith(context + "/"):
        return site[: len(site) - len(context)] + link
    return site + link


@lru_cache(maxsize=16)
def _context(site: str) -> str:
    return "/" + site.split("://", 1)[-1].partition("/")[2]


def text_of(row: Mapping[str, Any], name: str) -> str:
    """Return a field that every row has, as text. :raises ContractError: where it is missing."""
    value = row.get(name) if _is_object(row) else None
    if type(value) is str and value:
        return value
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        raise ContractError(f"Confluence answered with an item without {name!r}: this is not its documented interface")
    return str(value)


def part(row: Mapping[str, Any], *names: str) -> Any:
    """Return what lies at a path of nested objects, or ``None`` where a step is missing or no object."""
    value: Any = row
    for name in names:
        if not _is_object(value):
            return None
        value = value.get(name)
    return value


def object_of(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the object in a field, an empty one where there is none."""
    value = row.get(name)
    return value if type(value) is dict or isinstance(value, Mapping) else {}


def _is_object(value: Any) -> bool:
    # Asking an abstract class costs ten times as much, and a listing asks a million times.
    return type(value) is dict or isinstance(value, Mapping)


def objects(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects in a list; what is none is passed over, and what is no list holds none."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def whole_number(value: Any) -> int | None:
    """Return an integer of 64 bits, also where it was written as text; ``None`` where there is none."""
    if value is None:  # nearly always, where counts are told at all
        return None
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,19}", value, re.ASCII):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 2**63:
        return None
    return int(value)


def label_names(rows: Iterable[Any]) -> tuple[str, ...]:
    """Return the names of labels, sorted, each once; without the personal ones (``my:``), which are favourites and not about the item."""
    return tuple(
        sorted(
            {
                row["name"]
                for row in rows
                if isinstance(row, Mapping) and isinstance(row.get("name"), str) and row.get("prefix") != "my"
            }
        )
    )


def distinct(values: Iterable[str]) -> list[str]:
    """Return each value once, in the order of first sight."""
    return list(dict.fromkeys(values))
