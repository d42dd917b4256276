"""Who may read, out of the first interface's rows: read restrictions with their users and groups, as principals.

A principal is ``user:ID`` (Cloud: account id; Data Center: user key), ``group:ID`` (Cloud: the group's id; Data Center: its name),
``authenticated`` or ``anonymous``. What restricts an item by itself is one *level*: the principals of whom a reader must be one.
Restrictions of an item are asked for in bulk, and a list of users or groups that an answer cuts short is read to its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_confluence.confluence.paging import Get, Row
from airflow_provider_confluence.confluence.reading import object_of, objects, part, whole_number
from airflow_provider_confluence.confluence.transport import quoted_part
from airflow_provider_confluence.errors import AccessDeniedError, ConfluenceUnavailableError, ContractError

Levels = tuple[tuple[str, ...], ...]
"""Levels of readers: whoever reads must be in every one of them."""

EVERYBODY: Levels = ()
NOBODY: Levels = ((),)
RESTRICTED = "restrictions.read.restrictions.user,restrictions.read.restrictions.group"
"""What :func:`own_readers` needs to be expanded. (Ancestors' restrictions are never expanded: where one of them is a draft or in the trash,
Cloud answers the whole batch with 404, CONFCLOUD-77618 and -76424.)"""

REFUSALS = (None, 200, 400, 403, 404, 405, 410, 500, 501)
"""What an account that is no administrator was seen to be answered (500 too); an answer of another form has no status. Anything else may
pass."""
_AT_A_TIME = 100
_MORE_AT_A_TIME = 1_000
_LEVELS_AT_A_TIME = 50
_MOST_PAGES = 200
_KINDS = ("user", "group")


@dataclass(frozen=True, slots=True)
class SpaceReaders:
    """Who may see a space, sorted; ``problem`` is a sentence on what of that cannot be read, with what to do: it is left out, or all is."""

    principals: tuple[str, ...] = ()
    problem: str = ""


def own_readers(row: Row, *, cloud: bool) -> Levels | None:
    """Return what restricts the item of a row by itself, or ``None`` where the row does not say, or not to the end."""
    named = object_of(object_of(object_of(row, "restrictions"), "read"), "restrictions")
    held = [(kind, object_of(named, kind)) for kind in _KINDS]
    if not all(isinstance(listed.get("results"), list) for _, listed in held):
        return None
    if any(_is_cut(listed, _AT_A_TIME) for _, listed in held):
        return None
    return _level(((kind, each) for kind, listed in held for each in listed["results"]), cloud)


def read_restrictions(get: Get, content_id: str, *, cloud: bool) -> Levels:
    """Return what restricts an item by itself. 1 request for 100 users and 100 groups.

    Data Center counts ``start`` and ``limit`` otherwise than it says (CONFSERVER-82460): where a full page is followed by nothing new, more
    is asked for at a time.

    :raises AbsentError: for an item that is not there, or that this account may not see.
    :raises ContractError: for an answer that cannot be understood, or that never ends.
    """
    path = f"/rest/api/content/{quoted_part(content_id)}/restriction/byOperation/read"
    expand = ",".join(f"restrictions.{kind}" for kind in _KINDS)
    found: dict[tuple[str, str], tuple[str, Any]] = {}
    start, limit = 0, _AT_A_TIME
    for _ in range(_MOST_PAGES):
        held = get(path, {"expand": expand, "start": start, "limit": limit}).data.get("restrictions")
        rows, full, longest = [], False, 0
        for kind in _KINDS:
            listed = object_of(held, kind) if isinstance(held, Mapping) else {}
            results = listed.get("results")
            if not isinstance(results, list):
                raise ContractError(f"GET {path} does not say which {kind}s may read")
            rows += [(kind, each) for each in results]
            full = full or _is_cut(listed, limit)
            longest = max(longest, len(results))
        new = {
            (kind, str(sorted(each.items()) if isinstance(each, Mapping) else each)): (kind, each)
            for kind, each in rows
        }
        brought = new.keys() - found.keys()
        found.update(new)
        if not full:
            return _level(found.values(), cloud)
        if brought:
            start += longest
        elif limit == _AT_A_TIME:
            start, limit = 0, _MORE_AT_A_TIME
        else:
            break
    raise ContractError(f"GET {path} names more and more readers and does not come to an end")


def read_inherited(get: Get, content_id: str) -> Levels | None:
    """Return what restricts an item by itself and by what is above it, by Data Center's ``relevantViewRestrictions``; ``None`` where it is
    not told to the end. 1 request for 50 levels.

    Who may read is a list of levels there, each with the item that it is of; other versions have no such address, and accounts that
    administer nothing were seen to be answered with 500.
    """
    path = f"/rest/api/content/{quoted_part(content_id)}/restriction/relevantViewRestrictions"
    found: dict[str, Levels] = {}
    try:
        for _ in range(_MOST_PAGES):
            answer = get(path, {"start": len(found), "limit": _LEVELS_AT_A_TIME}).data
            listed = object_of(answer, "viewContentRestrictions")
            rows = listed.get("results")
            if not isinstance(rows, list):
                return None
            before = len(found)
            for row in rows:
                holder = part(row, "content", "id")
                own = own_readers({"restrictions": {"read": row}}, cloud=False)
                if not holder or own is None:
                    return None
                found[str(holder)] = own
            if len(rows) < _LEVELS_AT_A_TIME and not _is_cut(listed, _LEVELS_AT_A_TIME):
                return tuple(level for levels in found.values() for level in levels)
            if len(found) == before:
                return None
    except (AccessDeniedError, ConfluenceUnavailableError, ContractError) as error:
        if error.status not in REFUSALS:
            raise
    return None


def principal(kind: str, row: Any, *, cloud: bool) -> str | None:
    """Return the principal of a user or a group as the first interface writes it; ``None`` where its id is not said."""
    if not isinstance(row, Mapping):
        return None
    name = {"user": "accountId", "group": "id"}[kind] if cloud else {"user": "userKey", "group": "name"}[kind]
    found = row.get(name)
    return f"{kind}:{found}" if isinstance(found, str) and found else None


def _level(rows: Iterable[tuple[str, Any]], cloud: bool) -> Levels:
    rows = list(rows)
    if not rows:
        return EVERYBODY
    # Whoever is named without an id is nobody: a restriction stays one, even if none of its readers is known.
    return (tuple(sorted({found for kind, row in rows if (found := principal(kind, row, cloud=cloud)) is not None})),)


def _is_cut(listed: Mapping[str, Any], asked: int) -> bool:
    """Say whether a list of users or groups may go on where it ends."""
    results = objects(listed.get("results"))
    total = whole_number(listed.get("totalCount") or listed.get("totalSize"))
    limit = whole_number(listed.get("limit")) or asked
    is_followed = bool(object_of(listed, "_links").get("next"))
    return is_followed or len(results) >= limit or (total is not None and len(results) < total)
