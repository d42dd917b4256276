"""What a search tells of itself: which caps it keeps, in which zone it reads dates, how far it lags. The same on both editions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from airflow_provider_confluence.confluence.probe.asking import Asker, Hidden, Reply
from airflow_provider_confluence.confluence.probe.report import Value

SEARCH = "/rest/api/content/search"
_ASKED_ROWS = 2000  # more than any cap that was ever reported
# Zones lie from 12 hours west to 14 hours east of UTC, in quarters of an hour.
_STEP_MINUTES = 15
_WEST, _EAST = -13 * 60, 15 * 60
_RECENT_SECONDS = 3600.0

Dated = tuple[str, datetime]
"""An item's id, and when it was last changed."""


def dated(rows: Iterable[tuple[str | None, object]]) -> list[Dated]:
    """Return ids with instants, the latest first, of those rows that have both."""
    found = []
    for content_id, when in rows:
        instant = read_instant(when)
        if content_id is not None and instant is not None:
            found.append((content_id, instant))
    return sorted(found, key=lambda pair: pair[1], reverse=True)


def read_instant(value: object) -> datetime | None:
    """Return an instant as Confluence writes it, in its own zone, or ``None``."""
    try:
        # Python 3.10 reads no "Z", and no other number of decimals than 3 or 6.
        instant = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return None
    return instant if instant.tzinfo else None


def cap(asker: Asker, content_id: str | None, expand: str | None) -> tuple[Value, str] | str:
    """Look for the limit that a search of one item answers with. 1 request."""
    if content_id is None:
        return "no page was found to search for"
    params: dict[str, str | int | Hidden] = {"cql": Hidden(f"id = {content_id}", "id = {id}"), "limit": _ASKED_ROWS}
    if expand:
        params["expand"] = expand
    reply = asker.get(SEARCH, params)
    limit = reply.data.get("limit")
    if reply.status != 200 or isinstance(limit, bool) or not isinstance(limit, int):
        return f"status {reply.status}, and no limit in the answer"
    return limit, f"of {_ASKED_ROWS} rows that were asked for, the answer allows {limit}"


def lists_archived(asker: Asker, archived_id: str | None) -> tuple[Value, str] | str:
    """Look whether a search finds an archived page. 1 request."""
    if archived_id is None:
        return "no archived page was found"
    reply = _search_one(asker, archived_id, "")
    if reply.status != 200:
        return f"status {reply.status}"
    found = bool(reply.rows)
    return found, "an archived page was found" if found else "an archived page was not found"


def lag(asker: Asker, items: list[Dated]) -> tuple[Value, str] | str:
    """Look whether a search finds what lists say was changed last. 1 request."""
    latest = items[:10]
    if not latest:
        return "no page was found"
    ids = ", ".join(content_id for content_id, _ in latest)
    reply = asker.get(SEARCH, {"cql": Hidden(f"id in ({ids})", "id in ({ids})"), "limit": 25})
    if reply.status != 200:
        return f"status {reply.status}"
    now = server_time(reply)
    found = {str(row.get("id")) for row in reply.rows}
    ages = {content_id: max(0, int((now - when).total_seconds())) for content_id, when in latest}
    missing = [age for content_id, age in ages.items() if content_id not in found]
    if missing:
        return max(missing), (
            f"{len(missing)} of the {len(latest)} pages changed last are not found; the oldest of them changed {max(missing)} s ago"
        )
    youngest = min(ages.values())
    if youngest > _RECENT_SECONDS:
        return f"nothing changed lately: the latest change is {youngest} s old, and found"
    return 0, f"the {len(latest)} pages changed last are found, the latest {youngest} s after its change"


def zone(asker: Asker, items: list[Dated]) -> tuple[Value, str] | str:
    """Look which minutes east of UTC a date in a query is read, by halving. Up to 9 requests."""
    if not items:
        return "no page was found"
    content_id, when = items[-1]  # what changed long ago is in every index
    minute = when.astimezone(timezone.utc).replace(second=0, microsecond=0)

    def is_at_or_after(offset: int) -> bool | None:
        bound = (minute + timedelta(minutes=offset)).strftime("%Y-%m-%d %H:%M")
        reply = _search_one(asker, content_id, f' and lastmodified >= "{bound}"')
        return bool(reply.rows) if reply.status == 200 else None

    if not is_at_or_after(_WEST):
        return "the search does not find a page by its date"
    low, high = _WEST, _EAST
    while high - low > _STEP_MINUTES:
        middle = low + (high - low) // (2 * _STEP_MINUTES) * _STEP_MINUTES
        answer = is_at_or_after(middle)
        if answer is None:
            return "the search refused a date"
        low, high = (middle, high) if answer else (low, middle)
    if high == _EAST or low == _WEST:
        return "the date of a page and that of the search have nothing in common"
    return low, f"{low} minutes east of UTC"


def server_time(reply: Reply) -> datetime:
    """Return the clock of the server, else ours."""
    try:
        when = parsedate_to_datetime(reply.headers.get("Date", ""))
    except (TypeError, ValueError):
        return datetime.now(timezone.utc)
    return when if when.tzinfo else when.replace(tzinfo=timezone.utc)


def _search_one(asker: Asker, content_id: str, further: str) -> Reply:
    shown = "id = {id}" + (' and lastmodified >= "{date}"' if further else "")
    return asker.get(SEARCH, {"cql": Hidden(f"id = {content_id}{further}", shown), "limit": 1})
