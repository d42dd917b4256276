"""Which scope of a Cloud token each setting needs, after the security sections of Atlassian's specifications of both interfaces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Need:
    """A scope, what wants it, and the requests that it admits.

    :param setting: the datasource's setting that brings it, or :data:`ALWAYS`.
    :param scopes: any of these is enough, the granular one first.
    :param path: a pattern of the paths below the site that it admits.
    :param ask: a request that shows whether the token has it: the path, and its parameters. What it asks about need not exist, since the
        gateway looks at scopes first.
    """

    setting: str
    scopes: tuple[str, ...]
    what: str
    path: str
    ask: str
    params: Mapping[str, str | int] = field(default_factory=dict)


_DETAILS = "read:content-details:confluence"
_ONE: Mapping[str, str | int] = {"limit": 1}

NEEDS: tuple[Need, ...] = (
    Need(ALWAYS, (_DETAILS, "read:confluence-user"), "who we are", r"/rest/api/user/.*", "/rest/api/user/current"),
    Need(
        ALWAYS,
        ("read:space:confluence",),
        "spaces",
        r"/api/v2/spaces(/[^/]+/permissions)?",
        "/api/v2/spaces",
        _ONE,
    ),
    Need(
        ALWAYS,
        ("read:page:confluence",),
        "pages and blog posts",
        r"/api/v2/(spaces/[^/]+/)?(pages|blogposts)(/[^/]+(/labels)?)?",
        "/api/v2/pages",
        _ONE,
    ),
    Need(
        ALWAYS,
        (_DETAILS, "search:confluence"),
        "labels, which come by a search",
        r"/rest/api/(content/)?search",
        "/rest/api/content/search",
        {"cql": "type=page", "limit": 1},
    ),
    # Pages stand below folders whatever the settings, and their titles are part of the way down to a page.
    Need(ALWAYS, ("read:folder:confluence",), "folders above pages", r"/api/v2/folders/.*", "/api/v2/folders/1"),
    Need(ALWAYS, ("read:user:confluence",), "names of people", r"/api/v2/users-bulk", "/api/v2/users-bulk"),
    Need(
        "restricted",
        (_DETAILS, "read:confluence-content.all"),
        "what is restricted",
        r"/rest/api/content/[^/]+/restriction/.*",
        "/rest/api/content/1/restriction/byOperation/read",
    ),
    Need(
        "enable_permissions",
        ("read:space.permission:confluence",),
        "roles in spaces",
        r"/api/v2/(spaces/[^/]+/role-assignments|space-roles)",
        "/api/v2/space-roles",
        _ONE,
    ),
    Need(
        "enable_attachments",
        ("read:attachment:confluence",),
        "attachments and their bytes",
        r"/api/v2/.*attachments(/.*)?|/rest/api/content/.*/download",
        "/api/v2/attachments",
        _ONE,
    ),
    Need(
        "enable_comments",
        ("read:comment:confluence",),
        "comments",
        r"/api/v2/.*comments(/.*)?",
        "/api/v2/footer-comments",
        _ONE,
    ),
    Need(
        "enable_folders",
        ("read:whiteboard:confluence",),
        "whiteboards",
        r"/api/v2/whiteboards/.*",
        "/api/v2/whiteboards/1",
    ),
    Need("enable_folders", ("read:database:confluence",), "databases", r"/api/v2/databases/.*", "/api/v2/databases/1"),
    Need("enable_folders", ("read:embed:confluence",), "embeds", r"/api/v2/embeds/.*", "/api/v2/embeds/1"),
    Need(
        "rendered_macros",
        ("read:content.metadata:confluence", "read:confluence-content.all"),
        "macros as Confluence shows them",
        r"/rest/api/contentbody/convert/.*",
        "/rest/api/contentbody/convert/async/bulk/tasks",
        {"ids": "1"},
    ),
)


def need_of(path: str) -> Need | None:
    """Return what a path below the site needs; ``None`` for one that is not in the table."""
    path = path.partition("?")[0]
    return next((need for need in NEEDS if re.fullmatch(need.path, path)), None)
