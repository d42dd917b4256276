"""Who may see a space: by its permissions and, on tenants of Cloud with roles, by whom these are assigned to.

Where that cannot be read nobody is taken for a reader, and the problem says what would help: an answer that is missing must never open a
space.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_confluence.confluence.paging import Get, Progress, Row, by_cursor
from airflow_provider_confluence.confluence.readers import (
    REFUSALS,
    SpaceReaders,
    principal,
)
from airflow_provider_confluence.confluence.reading import objects, part
from airflow_provider_confluence.confluence.transport import AbsentError, Transport, quoted_part
from airflow_provider_confluence.documents import Space
from airflow_provider_confluence.errors import (
    AccessDeniedError,
    ConfluenceProviderError,
    ConfluenceUnavailableError,
    ContractError,
)
from airflow_provider_confluence.permissions import ANONYMOUS, AUTHENTICATED

MOST = 250
# The classes of people to whom a role may be given (v2, GET /space-roles, "principal-id"). Of the two others, the administrators of
# products and of service projects, nothing tells who they are: they are readers of nothing.
_CLASSES = {
    "anonymous-users": ANONYMOUS,
    "authenticated-users": AUTHENTICATED,
    "all-licensed-users": AUTHENTICATED,
}
_TRIES = 3


class CloudSpaceReaders:
    """Asks Cloud, once a space; whether the tenant has roles at all is found with the first one."""

    def __init__(self, get: Get) -> None:
        self._get = get
        self._has_roles = True
        self._lock = threading.Lock()
        self._reading_roles: dict[str, bool] = {}

    def of(self, space: Space) -> SpaceReaders:
        """Return who may see a space: v2 ``GET /spaces/{id}/permissions`` and ``/spaces/{id}/role-assignments``.

        Cost in requests: ⌈permissions / 250⌉, ⌈assignments / 250⌉ where the tenant has roles, and once a run ⌈roles / 250⌉ for what they
        permit, or 1 to find that there are none.

        :raises AccessDeniedError: where the token lacks a scope.
        """
        try:
            found = self._permitted(space) | self._assigned(space)
        except AccessDeniedError as error:
            if error.status == 401:
                raise
            return _unreadable(space, error, "give the account permission to view the space's permissions")
        except ContractError as error:
            return _unreadable(space, error, "check that this account sees the space")
        return SpaceReaders(tuple(sorted(found)))

    def _permitted(self, space: Space) -> set[str]:
        found = set()
        for row in self._rows(f"/api/v2/spaces/{quoted_part(space.id)}/permissions"):
            if part(row, "operation", "key") == "read" and part(row, "operation", "targetType") == "space":
                kind, id_ = part(row, "principal", "type"), part(row, "principal", "id")
                if kind in ("user", "group") and id_:
                    found.add(f"{kind}:{id_}")
                elif str(id_) in _CLASSES:
                    found.add(_CLASSES[str(id_)])
        return found

    def _assigned(self, space: Space) -> set[str]:
        if not self._has_roles:
            return set()
        try:
            rows = list(self._rows(f"/api/v2/spaces/{quoted_part(space.id)}/role-assignments"))
        except ContractError as error:  # "Available on tenants with Role-Based Access Control"
            if error.status not in (400, 404, 501):
                raise
            self._has_roles = False
            return set()
        found = set()
        for row in rows:
            kind, id_ = part(row, "principal", "principalType"), part(row, "principal", "principalId")
            if not id_ or not self._may_read(str(row.get("roleId"))):
                continue
            if kind in ("USER", "GROUP"):
                found.add(f"{kind.lower()}:{id_}")
            elif kind == "ACCESS_CLASS" and str(id_) in _CLASSES:
                found.add(_CLASSES[str(id_)])
        return found

    def _may_read(self, role_id: str) -> bool:
        with self._lock:  # spaces are asked for at the same time, and half of the roles would close what is open
            if not self._reading_roles:
                roles = {str(row.get("id")): row.get("spacePermissions") for row in self._rows("/api/v2/space-roles")}
                self._reading_roles = {i: isinstance(p, list) and "read/space" in p for i, p in roles.items()}
        return self._reading_roles.get(role_id, False)

    def _rows(self, path: str) -> Iterable[Row]:
        progress = Progress()
        for rows in by_cursor(self._get, path, {"limit": MOST}, progress):
            yield from rows


class DataCenterSpaceReaders:
    """Asks Data Center, once a space; which of its two ways there is is found with the first one."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._keys: dict[str, str | None] = {}
        self._visitors: bool | None = None

    def of(self, space: Space) -> SpaceReaders:
        """Return who may see a space.

        Cost in requests: 1 (``GET /space/{key}/permissions``, from 9.1 on); before that 1 or 2 (JSON-RPC) and 1 for each person who is
        named, once a run; 1 more a run where visitors are named. A refusal is tried 3 times at most.
        """
        try:
            return self._with_visitors(space, self._permitted(space))
        except AbsentError:
            pass  # before 9.1 there is no such address
        except (AccessDeniedError, ConfluenceUnavailableError, ContractError) as error:
            if error.status not in REFUSALS:
                raise
            return _unreadable(space, error, _BE_ADMIN)
        try:
            return self._with_visitors(space, self._by_remote_call(space))
        except (AccessDeniedError, ConfluenceUnavailableError, ContractError) as error:
            if error.status not in REFUSALS:
                raise
            return _unreadable(space, error, _OLD)

    def _permitted(self, space: Space) -> set[str]:
        path = f"/rest/api/space/{quoted_part(space.key)}/permissions"
        found: set[str] = set()
        for row in self._transport.get(path, tries=_TRIES).data.get("results", ()):
            if part(row, "operation", "operationKey") != "read" or part(row, "operation", "targetType") != "space":
                continue
            subject = part(row, "subject")
            kind = part(subject, "type") if isinstance(subject, Mapping) else None
            if kind == "anonymous":
                found.add(ANONYMOUS)
            elif (named := principal("group" if kind == "group" else "user", subject, cloud=False)) is not None:
                found.add(named)
        return found

    def _by_remote_call(self, space: Space) -> set[str]:
        """Ask by JSON-RPC, the only interface that tells before 9.1, where it is switched on (``getSpacePermissionSets``)."""
        call = {"jsonrpc": "2.0", "method": "getSpacePermissionSets", "params": [space.key], "id": 1}
        answer = self._transport.post("/rpc/json-rpc/confluenceservice-v2", call, tries=_TRIES).data
        sets = answer.get("result")
        if not isinstance(sets, list):
            raise ContractError("POST /rpc/json-rpc/confluenceservice-v2 does not tell the permissions of the space")
        found: set[str] = set()
        for each in sets:
            for row in objects(part(each, "spacePermissions")) if part(each, "type") == "VIEWSPACE" else ():
                user, group = part(row, "userName"), part(row, "groupName")
                if user:
                    key = self._key_of(str(user))
                    found |= {f"user:{key}"} if key else set()
                elif group:
                    found.add(f"group:{group}")
                elif "userName" in row and "groupName" in row:
                    found.add(ANONYMOUS)
        return found

    def _key_of(self, username: str) -> str | None:
        if username not in self._keys:
            try:
                row: Mapping[str, Any] = self._transport.get("/rest/api/user", {"username": username}).data
            except ContractError:
                row = {}
            self._keys[username] = str(row["userKey"]) if row.get("userKey") else None
        return self._keys[username]

    def _with_visitors(self, space: Space, found: set[str]) -> SpaceReaders:
        """Return the readers of a space: visitors only where the site lets them in, since else the space is open to nobody by naming
        them."""
        problem = ""
        if ANONYMOUS in found:
            if self._visitors is None:
                try:
                    rows = self._transport.get("/rest/api/permissions/anonymous", tries=_TRIES).data.get("results", ())
                    self._visitors = any(part(row, "operation", "operationKey") == "use" for row in rows)
                except (AccessDeniedError, ConfluenceUnavailableError, ContractError) as error:
                    if error.status not in REFUSALS:
                        raise
                    problem = (
                        f"space {space.key} is open to visitors, and whether the site lets visitors in cannot be read, so "
                        f"they are left out ({error}); {_BE_SITE_ADMIN}"
                    )
            if not self._visitors:
                found.discard(ANONYMOUS)
        return SpaceReaders(tuple(sorted(found)), problem)


_BE_SITE_ADMIN = (
    "make the account an administrator of Confluence (from 9.1 on), or name a group in the space's permissions"
)
_BE_ADMIN = "make the account an administrator of the space, or of Confluence"
_OLD = (
    "upgrade Confluence to 9.1 or later, or have an administrator switch on the remote API (General configuration, Further "
    "configuration) and make the account an administrator of the space"
)


def _unreadable(space: Space, error: ConfluenceProviderError, remedy: str) -> SpaceReaders:
    return SpaceReaders(
        problem=f"who may see space {space.key} cannot be read, so nobody finds its documents ({error}); {remedy}"
    )
