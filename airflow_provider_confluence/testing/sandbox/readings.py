"""How the sandbox reads what nobody could verify about Confluence: one switch for each.

The marks used through the sandbox: **[S]** the official specification or documentation says so, **[M]** measured, **[R]** reported by
users or tickets, **[A]** assumed. Behaviour that is [S] or [M] is fixed. Each [A], and each [R] that was seen only once, is a field here,
and a client is right only if it holds under every value of it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(slots=True)
class Readings:
    """Switches with their defaults; they may be set before or while the sandbox runs.

    A model carries its own (``move_bumps_version`` …), and both servers over one model read the same object.
    """

    # ---------------------------------------------------------------- content
    move_bumps_version: bool = False
    """[A] A move within or between spaces makes a new version with a new date."""
    restore_bumps_version: bool = False
    """[A] Restoring from the trash makes a new version."""
    archiving_lifts_children: bool = True
    """[A] Children of an item archived alone go up to its parent, as those of a trashed item do."""
    hidden_covers_descendants: bool = True
    """View restrictions are inherited [S]; ``False`` hides only the item itself, as a restriction index that lags would."""

    live_snapshot_seconds: float = 600.0
    """[A] An edit of a live document shows at once and becomes a version only this long after it, dated then: its version lags."""
    resolving_bumps_version: bool = False
    """[A] Resolving or reopening an inline comment makes a new version with a new date."""
    deleted_comment_takes_replies: bool = True
    """[A] Replies go with a deleted comment; ``False`` hangs them below the comment above it."""
    deleted_comments_are_trashed: bool = False
    """[A] Deleted comments lie in the trash; Cloud's interface says that deleting them is for good [S]."""
    comments_follow_container: bool = True
    """[A] Comments of an archived page are listed as archived; ``False`` lists them as current."""

    # ---------------------------------------------------------------- Cloud
    adf_has_empty_storage: bool = True
    """[A] A page kept in ADF only answers an empty body where storage format was asked for; ``False`` answers no body at all."""
    cloud_cursor: Literal["keyset", "offset"] = "keyset"
    """[A] What the opaque v2 cursor holds: the last row's sort value, or a position that shifts when rows come and go."""
    cloud_default_sort: Literal["id", "-id", "-modified-date"] = "id"
    """[A] The order of v2 lists where none was asked for."""
    ties: Literal["id", "-id", "mixed"] = "id"
    """[A] In which order lists sorted by date or title hold rows that are alike in that."""
    cloud_list_lag_seconds: float = 0.0
    """[A] Lists do not know what was made, and show as it was what was edited, less than this long ago; what is asked for by id is true."""
    conversion_looks: int = 1
    """[A] How many looks at conversion tasks find them still at work."""
    conversion_order: Literal["asked", "reversed"] = "asked"
    """[A] In which order the results of conversion tasks come; nothing in the specification says which result is whose."""
    conversion_names_task: bool = True
    """[A] A result carries its task's id as ``renderTaskId``."""
    attachments_follow_container: bool = True
    """[A] Attachments of an archived page are listed as archived; ``False`` lists them as current."""
    cloud_lists_resolved_comments: bool = True
    """[A] Lists of inline comments hold resolved and dangling ones too where no ``resolution-status`` was asked for."""
    page_by_id_answers_trashed: bool = True
    """[A] ``/pages/{id}`` without ``status=`` also answers archived and trashed pages (with their status); ``False`` answers 404."""
    anonymous_access: bool = False
    """The administrator let anonymous visitors in; they see the spaces made with ``public=True``."""
    anonymous_identity_is_403: bool = False
    """[R] Without anonymous access v1 ``/user/current`` answers 403 "not permitted to use Confluence" instead of type anonymous."""
    classic_token_at_gateway: bool = True
    """[A] The gateway takes classic API tokens too."""
    scoped_token: bool = False
    """The token is a scoped one: good at the gateway only, plain 401 at the site [R]."""
    token_scopes: tuple[str, ...] | None = None
    """The scopes of whatever asks at the gateway; ``None`` are all. A call without its scope is refused as the gateway does it [R]."""
    oauth_token_seconds: float = 3600.0
    """For how long an access token is good [S: 60 minutes]."""
    media_host_refuses_authorization: bool = True
    """[R] The media host answers 400 where an Authorization header is sent along."""
    legacy_download_refused: bool = True
    """[R] ``/wiki/download/attachments/…`` answers 401 with an OAuth challenge (CHANGE-2735)."""

    relevant_restrictions: bool = True
    """[A] Data Center tells what restricts an item from above (``relevantViewRestrictions``); ``False``: it is too old for that."""
    site_permissions_told: bool = True
    """The account administers Data Center, so that the permissions of the site are told to it; else 403 [S]."""
    space_permissions: Literal["rest", "json-rpc", "none"] = "rest"
    """How Data Center tells the permissions of a space: from 9.1 on by its interface [S]; before that where the remote API is on [S];
    not."""
    space_roles: bool = False
    """The tenant has roles for spaces (role-based access control) [S]; the others have no such addresses."""
    restrictions_cap: int = 200
    """[A] How many users, and how many groups, an answer about restrictions names at most."""

    # ---------------------------------------------------------------- CQL, both editions
    cql_index_lag_seconds: float = 0.0
    """[R] Items changed less than this long ago are found in no search by their new state."""
    cql_zone_offset_minutes: int = 0
    """[R] Absolute dates in CQL are read in a zone this far east of UTC (CONFCLOUD-70966)."""
    cql_lists_archived: bool = False
    """[A] A search finds archived pages."""
    cql_finds_tree: Literal["all", "folders", "nothing"] = "all"
    """Folders are found where a search asks for their type [R]; whiteboards and their like too [A], or their types are refused with 400
    (``folders``); ``nothing``: none of them is found."""
    search_cap_bare: int = 1000
    """[S: KB for Data Center, A: Cloud] Rows of a search without expansions."""
    search_cap_expanded: int = 200
    """[S: KB for Data Center, A: Cloud] … with expansions that are no bodies."""
    search_cap_body: int = 50
    """[S: KB for Data Center, A: Cloud] … with bodies."""

    # ---------------------------------------------------------------- Data Center
    invalid_token_is_anonymous: bool = False
    """[R] A wrong personal access token answers 200 as anonymous where anonymous access is on, instead of 401."""
    basic_auth_disabled: bool = False
    """[R] User and password answer 403 "Basic Authentication has been disabled on this instance."."""
    scan_available: bool = True
    """``/content/scan`` exists: 7.18 and newer [S]."""
    scan_cursor_with_type: Literal["accepted", "refused"] = "accepted"
    """[A] What happens when ``type`` is sent beside a cursor; the documentation says it is needed on the first request only."""
    scan_remembers_type: bool = True
    """[A] A cursor without ``type`` goes on with the first request's type; ``False`` falls back to ``page``."""
    datacenter_links_relative_to: Literal["base", "host", "nothing"] = "base"
    """What ``_links.next`` and ``prev`` are relative to. All examples of the documentation have a context path and links without it
    (``base``), as CONFSERVER-95396 has [S, R]; but the schema's own examples are whole addresses (``nothing``) [S]."""
    list_cap_bare: int = 500
    """[R] Rows of ``/space/{key}/content/{type}``, ``/content`` and child lists without expansions."""
    list_cap_expanded: int = 200
    """[R] … with expansions (100 to 200 were seen)."""
    datacenter_utc_offset_minutes: int = 120
    """The zone in which Data Center writes instants: the server's, never the reader's."""
    datacenter_version: str = "10.0.3"
    """What ``/server-information`` says."""
    location_of_resolved_comment: Literal["resolved", "inline"] = "resolved"
    """[A] What ``extensions.location`` of a resolved inline comment says."""
    conversion_content: Literal["used", "ignored", "refused"] = "used"
    """[A] What becomes of ``content`` in a body to convert: it is the page as whose part the body is shown; nothing; 400."""
    access_mode: Literal["READ_WRITE", "READ_ONLY"] = "READ_WRITE"
    """What ``/accessmode`` says: the administrator may have switched writing off [S]."""
    application_state: Literal["RUNNING", "MAINTENANCE", "STARTING", "ERROR"] = "RUNNING"
    """What ``/status`` says, to anybody; in every other state than ``RUNNING`` all else answers 503 [A]."""
    trash_listing_allowed: bool = False
    """The account administers its spaces, so that ``/space/{key}/trash`` answers; else 403 [S]."""


DRAWN: dict[str, tuple[Any, ...]] = {
    "move_bumps_version": (False, True),
    "restore_bumps_version": (False, True),
    "archiving_lifts_children": (True, False),
    "hidden_covers_descendants": (True, True, False),
    "live_snapshot_seconds": (600.0, 0.0, 60.0),
    "adf_has_empty_storage": (True, False),
    "resolving_bumps_version": (False, True),
    "deleted_comment_takes_replies": (True, False),
    "deleted_comments_are_trashed": (False, True),
    "comments_follow_container": (True, False),
    "cloud_cursor": ("keyset", "offset"),
    "cloud_default_sort": ("id", "-id", "-modified-date"),
    "ties": ("id", "-id", "mixed"),
    "cloud_list_lag_seconds": (0.0, 0.0, 5.0, 90.0),
    "conversion_looks": (1, 0, 2),
    "conversion_order": ("asked", "reversed"),
    "conversion_names_task": (True, False),
    "conversion_content": ("used", "ignored", "refused"),
    "attachments_follow_container": (True, False),
    "cloud_lists_resolved_comments": (True, False),
    "page_by_id_answers_trashed": (True, False),
    "anonymous_access": (False, True),
    "anonymous_identity_is_403": (False, True),
    "classic_token_at_gateway": (True, False),
    "media_host_refuses_authorization": (True, False),
    "legacy_download_refused": (True, False),
    "cql_index_lag_seconds": (0.0, 60.0, 400.0),
    "cql_zone_offset_minutes": (0, 330, -480),
    "cql_lists_archived": (False, True),
    "cql_finds_tree": ("all", "folders", "nothing"),
    "search_cap_bare": (1000, 4),
    "search_cap_expanded": (200, 3),
    "search_cap_body": (50, 2),
    "invalid_token_is_anonymous": (False, True),
    "scan_available": (True, True, False),
    "scan_cursor_with_type": ("accepted", "refused"),
    "scan_remembers_type": (True, False),
    "datacenter_links_relative_to": ("base", "host", "nothing"),
    "list_cap_bare": (500, 3),
    "list_cap_expanded": (200, 2),
    "datacenter_utc_offset_minutes": (120, -300, 0),
    "location_of_resolved_comment": ("resolved", "inline"),
    "trash_listing_allowed": (False, True),
    "restrictions_cap": (200, 1),
    "relevant_restrictions": (True, False),
    "site_permissions_told": (True, False),
}
"""From which values each switch is drawn. Those that are not here say how the site was set up and are no doubt: how one logs in, and which
release it is."""


def draw(chance: random.Random) -> dict[str, Any]:
    """Return a value for some of the switches, those that differ from their defaults: ``Readings(**draw(chance))``."""
    drawn = {name: chance.choice(values) for name, values in DRAWN.items()}
    defaults = Readings()
    return {name: value for name, value in drawn.items() if value != getattr(defaults, name)}
