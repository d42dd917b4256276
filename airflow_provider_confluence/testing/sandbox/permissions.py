"""Who may read what: groups, permissions of spaces, read restrictions of items, and the answer to the question itself.

Our own account sees everything that is not hidden from it (:meth:`Model.hide <.model.Model.hide>`), whatever stands here: what others may
read is for an index to tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from airflow_provider_confluence.testing.sandbox.records import Item

EVERYONE = "confluence-users"
"""The name of the group of all who may log in; a new space is theirs to see."""


@dataclass(slots=True)
class Group:
    """People under one name; ``id`` is what Cloud calls them by."""

    id: str
    name: str
    members: set[str] = field(default_factory=set)


@dataclass(slots=True)
class SpaceAccess:
    """Who may see a space: by id of users and groups; ``visitors`` are people without a login. ``by_role`` of Cloud's roles alone."""

    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = (EVERYONE,)
    visitors: bool = False
    classes: tuple[str, ...] = ()
    by_role: bool = False
    refused: bool = False


@dataclass(slots=True)
class Restriction:
    """Who alone may read an item; ``refused``: our account is not told."""

    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    refused: bool = False


class Permissions:
    """What is set, and what follows from it."""

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {EVERYONE: Group("11111111-1111-4111-8111-111111111111", EVERYONE)}
        self.spaces: dict[int, SpaceAccess] = {}
        self.restrictions: dict[int, Restriction] = {}

    def add_group(self, name: str, members: Iterable[str] = ()) -> Group:
        """Make a group, or replace its members."""
        number = len(self.groups) + 1
        group = self.groups.setdefault(name, Group(f"{number:08}-1111-4111-8111-111111111111", name))
        group.members = set(members)
        return group

    def groups_of(self, user_id: str) -> list[Group]:
        """Return the groups that a person is in."""
        return [group for group in self.groups.values() if group.name == EVERYONE or user_id in group.members]

    def space(self, space_id: int) -> SpaceAccess:
        """Return who may see a space."""
        return self.spaces.get(space_id, SpaceAccess())

    def sees_space(self, user_id: str | None, space_id: int, *, visitors: bool) -> bool:
        """Say whether a person, or a visitor, may see a space.

        :param visitors: whether the site lets visitors in: else a space that is open to them is so for nobody.
        """
        access = self.space(space_id)
        if (access.visitors and visitors) or "anonymous-users" in access.classes:
            return True
        if user_id is None:
            return False
        if set(access.classes) & {"authenticated-users", "all-licensed-users"}:
            return True
        return user_id in access.users or any(group.name in access.groups for group in self.groups_of(user_id))

    def passes(self, user_id: str | None, item: Item) -> bool:
        """Say whether the restriction of one item, where it has one, lets somebody through."""
        restriction = self.restrictions.get(item.id)
        if restriction is None or not (restriction.users or restriction.groups):
            return True
        if user_id is None:
            return False
        return user_id in restriction.users or any(g.name in restriction.groups for g in self.groups_of(user_id))
