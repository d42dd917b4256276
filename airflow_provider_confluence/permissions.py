"""Who somebody is who reads, and what the levels of a document let one read: the one meaning that every search keeps.

A document's ``permissions`` are levels, and whoever reads must be in every one of them by at least one principal. ``None`` is a document
that does not say who may read it, and no level at all is one that says nothing: neither is read by anybody, since what is not known closes.
An empty level holds nobody.

Principals are compared as they are written, letter by letter: ``user:ID`` (the account id on Cloud, the user key on Data Center),
``group:ID`` (the group's id on Cloud, its name on Data Center), ``authenticated`` and ``anonymous``.
"""

from __future__ import annotations

from collections.abc import Iterable

AUTHENTICATED, ANONYMOUS = "authenticated", "anonymous"


def principals_of(person: str | None, groups: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the principals of somebody: what to hand to a search.

    :param person: the id of somebody who is logged in; ``None`` for a visitor, who is in no group.
    :param groups: ids (Cloud) or names (Data Center) of all groups that the person is in.
    :raises ValueError: for an empty id, for one that is a principal already, and for a visitor with groups.
    """
    groups = tuple(groups)
    if person is None:
        if groups:
            raise ValueError("a visitor is in no group: name the person as well")
        return (ANONYMOUS,)
    for kind, named in (("user", person), *(("group", group) for group in groups)):
        if not named or named.startswith(f"{kind}:"):
            raise ValueError(f"{named!r} is not the id of a {kind}; write it as Confluence has it, without {kind}:")
    return (f"user:{person}", *dict.fromkeys(f"group:{group}" for group in groups), AUTHENTICATED, ANONYMOUS)


def may_read(principals: Iterable[str], permissions: Iterable[Iterable[str]] | None) -> bool:
    """Say whether somebody with these principals may read a document with these levels."""
    held = frozenset(principals)
    levels = list(permissions or ())
    return bool(levels) and not any(held.isdisjoint(level) for level in levels)


def is_restricted(permissions: Iterable[Iterable[str]] | None) -> bool:
    """Say whether fewer may read a document than may see its space: a level beyond the space's, or one that holds nobody.

    Of a document that does not say who may read it nothing is known, and the answer is no.
    """
    levels = [list(level) for level in permissions or ()]
    return len(levels) > 1 or [] in levels
