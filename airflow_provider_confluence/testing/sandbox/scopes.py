"""Which scope a call at the gateway needs, after the security sections of the official specifications [S]."""

from __future__ import annotations

import re

_V2 = "/wiki/api/v2"
_V1 = "/wiki/rest/api"
_DETAILS = "read:content-details:confluence"
_NEEDED: tuple[tuple[str, tuple[str, ...]], ...] = (
    (rf"{_V2}/spaces(/[^/]+(/permissions)?)?", ("read:space:confluence",)),
    (rf"{_V2}/(spaces/[^/]+/role-assignments|space-roles)", ("read:space.permission:confluence",)),
    (rf"{_V2}/(spaces/[^/]+/)?(pages|blogposts)(/[^/]+)?(/labels)?", ("read:page:confluence",)),
    (rf"{_V2}/labels/[^/]+/(pages|blogposts)", ("read:page:confluence",)),
    (rf"{_V2}/labels", ("read:label:confluence",)),
    (rf"{_V2}/.*attachments(/.*)?", ("read:attachment:confluence",)),
    (rf"{_V2}/.*comments(/.*)?", ("read:comment:confluence",)),
    (rf"{_V2}/users-bulk", ("read:user:confluence",)),
    (rf"{_V2}/folders/[^/]+", ("read:folder:confluence",)),
    (rf"{_V2}/whiteboards/[^/]+", ("read:whiteboard:confluence",)),
    (rf"{_V2}/databases/[^/]+", ("read:database:confluence",)),
    (rf"{_V2}/embeds/[^/]+", ("read:embed:confluence",)),
    (rf"{_V2}/.*/(direct-children|descendants)", ("read:hierarchical-content:confluence",)),
    (rf"{_V2}/.*/ancestors", ("read:content.metadata:confluence",)),
    (rf"{_V1}/user/.*", ("read:confluence-user", _DETAILS)),
    (rf"{_V1}/(content/)?search", ("search:confluence", _DETAILS)),
    (rf"{_V1}/content/.*/download", ("readonly:content.attachment:confluence", "read:attachment:confluence")),
    (rf"{_V1}/content/.*/restriction/.*", ("read:confluence-content.all", _DETAILS)),
    (rf"{_V1}/contentbody/convert/.*", ("read:confluence-content.all", "read:content.metadata:confluence")),
)


def admits(path: str, scopes: tuple[str, ...] | list[str] | None) -> bool:
    """Say whether a token with these scopes may ask a path; one of several that are named is enough [S]. ``None`` is every scope."""
    if scopes is None:
        return True
    for pattern, enough in _NEEDED:
        if re.fullmatch(pattern, path):
            return any(scope in scopes for scope in enough)
    return True
