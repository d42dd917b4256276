"""Which spaces belong to a datasource, and whether what left its scope did so because somebody changed the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from airflow_provider_confluence.confluence.client import ConfluenceClient
from airflow_provider_confluence.datasource import Datasource
from airflow_provider_confluence.documents import Space
from airflow_provider_confluence.errors import SpaceNotFoundError

_NOTHING = "Nothing was deleted"


@dataclass(slots=True)
class Spaces:
    """By id: the spaces in scope, and those that the account sees but the settings leave out (known for ``"*"`` only)."""

    within: dict[str, Space] = field(default_factory=dict)
    left_out: dict[str, Space] = field(default_factory=dict)


def find_spaces(client: ConfluenceClient, datasource: Datasource, known: Mapping[str, str | None]) -> Spaces:
    """Return the spaces in scope. 1 request for 250 spaces (Data Center: 50 named ones, or 200), 1 or 2 more where known ones are missing.

    :param known: ids of the spaces that the index holds items of, with the key by which each was seen last, or ``None``. One of them that
        ``"*"`` does not bring is asked for again: what is left out of that list would be deleted.
    :raises SpaceNotFoundError: when a space that is named cannot be seen, and when ``"*"`` leaves none.
    """
    if datasource.everywhere:
        return _every_space(client, datasource, known)
    found = {space.key: space for space in client.spaces(datasource.space)}
    missing = [key for key in datasource.space if key not in found]
    if missing:
        raise SpaceNotFoundError(
            missing,
            f"datasource {datasource.id}: space {', '.join(missing)} does not exist at {client.site}, or this account may "
            f"not see it; check the key (it is in the space's address) and the account's permission. {_NOTHING}",
        )
    return Spaces({found[key].id: found[key] for key in datasource.space})


def _every_space(client: ConfluenceClient, datasource: Datasource, known: Mapping[str, str | None]) -> Spaces:
    seen = {space.id: space for space in client.spaces(["*"])}
    absent = {space_id: key for space_id, key in known.items() if space_id not in seen}
    keys = [key for key in absent.values() if key is not None]
    again = client.spaces(keys) if keys else []
    if len(keys) < len(absent):
        again += client.spaces(["*"])
    # An archived space is in no list of current ones, but answers to its key.
    seen.update((space.id, space) for space in again if space.status == "current")
    found = Spaces()
    for space in seen.values():
        (found.within if admits_space(datasource, space) else found.left_out)[space.id] = space
    if not found.within:
        why = (
            f"the account sees {len(found.left_out)} spaces, and exclude_spaces and personal_spaces leave none of them"
            if found.left_out
            else "this account sees no space there; check its permission"
        )
        raise SpaceNotFoundError(
            ["*"], f'datasource {datasource.id}: space "*" finds nothing at {client.site}: {why}. {_NOTHING}'
        )
    return found


def admits_space(datasource: Datasource, space: Space) -> bool:
    """Say whether a space that is seen is in a datasource's scope. Keys to exclude hold whatever their case: Confluence has no two such."""
    if not datasource.everywhere:
        return space.key in datasource.space
    personal = space.type == "personal" or space.key.startswith("~")
    excluded = {key.casefold() for key in datasource.exclude_spaces}
    return (datasource.personal_spaces or not personal) and space.key.casefold() not in excluded
