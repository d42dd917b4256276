"""What a probe reports, and what it is about: every assumption, with its mark, what is assumed, and why some are not tried.

Nothing of the site gets into a report: statements and requests are our own words with ``{id}`` for whatever names something, and what was
observed is a number, a status, or a word out of a list of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["holds", "differs", "cannot tell"]
Value = str | int | bool | None


@dataclass(frozen=True, slots=True)
class Assumption:
    """Something about Confluence that nobody could verify.

    ``mark``: A assumed, R reported by users, S said by the documentation, setting: the administrator decides. ``name`` is that of the
    sandbox's switch for it; ``assumed`` the value that the switch has by default, ``None`` where each value is as good. ``not_tried`` says
    why no read-only request could tell.
    """

    name: str
    mark: str
    statement: str
    assumed: Value = None
    not_tried: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One request in form, its status (``None``: no answer), and the shape of the answer."""

    request: str
    status: int | None
    shape: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What the requests said of one assumption. ``value`` is the setting of the switch that the site would be."""

    assumption: Assumption
    verdict: Verdict
    observed: str
    value: Value = None
    asked: tuple[Asked, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the finding as plain JSON."""
        return {
            "name": self.assumption.name,
            "mark": self.assumption.mark,
            "statement": self.assumption.statement,
            "verdict": self.verdict,
            "observed": self.observed,
            "value": self.value,
            "asked": [{"request": a.request, "status": a.status, "shape": a.shape} for a in self.asked],
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What a probe found. ``version`` is that of the package that asked, ``stopped`` why it ended early."""

    version: str
    edition: str
    requests: int
    logged_in: bool
    findings: tuple[Finding, ...]
    not_tried: tuple[Assumption, ...] = ()
    stopped: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON."""
        return {
            "version": self.version,
            "edition": self.edition,
            "requests": self.requests,
            "stopped": self.stopped,
            "logged_in": self.logged_in,
            "findings": [finding.to_json() for finding in self.findings],
            "not_tried": [
                {"name": a.name, "mark": a.mark, "statement": a.statement, "why": a.not_tried} for a in self.not_tried
            ],
        }


_CHANGE = "it would take a change of the wiki to see it"
_ELSEWHERE = "the credential would have to be sent to another host"

_CHECKED = "it is no doubt about Confluence, but about this site and credential: the command check tells"
_NO_POST = "the probe sends no bodies to be converted"
_NO_RESTRICTED = "the probe looks for no restricted items"
_NO_LIST = "no list but the search itself would tell what it should find"

_BOTH = (
    Assumption("move_bumps_version", "A", "A move makes no new version.", False, _CHANGE),
    Assumption("restore_bumps_version", "A", "Restoring from the trash makes no new version.", False, _CHANGE),
    Assumption("resolving_bumps_version", "A", "Resolving a comment makes no new version.", False, _CHANGE),
    Assumption("deleted_comment_takes_replies", "A", "Replies go with a deleted comment.", True, _CHANGE),
    Assumption("deleted_comments_are_trashed", "A", "Deleted comments are gone for good.", False, _CHANGE),
    Assumption("anonymous_access", "setting", "Visitors without a credential are shut out.", False),
    Assumption("cql_index_lag_seconds", "R", "A search finds an item as soon as it was changed.", 0),
    Assumption("cql_zone_offset_minutes", "R", "Absolute dates in CQL are read in UTC.", 0),
    Assumption("cql_lists_archived", "A", "A search finds no archived pages.", False),
    Assumption("search_cap_bare", "S, Cloud A", "A search without expansions has up to 1000 rows.", 1000),
    Assumption(
        "search_cap_expanded", "S, Cloud A", "A search with expansions that are no bodies has up to 200 rows.", 200
    ),
    Assumption("search_cap_body", "S, Cloud A", "A search with bodies has up to 50 rows.", 50),
    Assumption("restrictions_cap", "A", "Restrictions name up to 200 users and groups.", 200, _NO_RESTRICTED),
)
CLOUD: tuple[Assumption, ...] = (
    *_BOTH,
    Assumption("archiving_lifts_children", "A", "Children of a page archived alone go up to its parent.", True),
    Assumption(
        "hidden_covers_descendants", "S, against R", "View restrictions hide what is below a page as well.", True
    ),
    Assumption("comments_follow_container", "A", "Comments of an archived page are listed as archived.", True),
    Assumption(
        "adf_has_empty_storage",
        "A",
        "A page kept in ADF only answers an empty body in storage format.",
        True,
        "no list tells which pages are kept in ADF only",
    ),
    Assumption("cloud_cursor", "A", "The cursor of a list holds the last row, and no position.", "keyset"),
    Assumption("cloud_default_sort", "A", "Lists are ordered by id where no order was asked for.", "id"),
    Assumption("attachments_follow_container", "A", "Attachments of an archived page are listed as archived.", True),
    Assumption("cloud_lists_resolved_comments", "A", "Lists of inline comments hold resolved ones unasked.", True),
    Assumption("page_by_id_answers_trashed", "A", "A trashed page is answered by its id.", True),
    Assumption("anonymous_identity_is_403", "R", "A visitor's identity is answered as anonymous, not with 403.", False),
    Assumption("legacy_download_refused", "R", "The old address of an attachment refuses API tokens.", True),
    Assumption("classic_token_at_gateway", "A", "The gateway takes classic API tokens too.", True, _ELSEWHERE),
    Assumption(
        "scoped_token", "setting", "The token is a classic one.", None, "one token does not tell how another is taken"
    ),
    Assumption("token_scopes", "setting", "The token has every scope that is needed.", None, _CHECKED),
    Assumption("oauth_token_seconds", "S", "An access token is good for an hour.", 3600, _CHECKED),
    Assumption("media_host_refuses_authorization", "R", "The media host refuses a credential.", True, _ELSEWHERE),
    Assumption(
        "live_snapshot_seconds", "A", "An edit of a live document becomes a version minutes later.", 600, _CHANGE
    ),
    Assumption("conversion_looks", "A", "A conversion is done a moment after it was asked for.", 1, _NO_POST),
    Assumption("conversion_order", "A", "Results of conversions come in the order asked for.", "asked", _NO_POST),
    Assumption("conversion_names_task", "A", "The result of a conversion names its task.", True, _NO_POST),
    Assumption("space_roles", "setting", "Spaces have no roles.", False, _CHECKED),
    Assumption("cql_finds_tree", "A", "A search finds folders, whiteboards, databases and embeds.", "all", _NO_LIST),
    Assumption("ties", "A", "Rows that are alike in what is sorted by are ordered by id.", "id", _CHANGE),
    Assumption("cloud_list_lag_seconds", "A", "Lists know of a change at once.", 0, _CHANGE),
)
DATACENTER: tuple[Assumption, ...] = (
    *_BOTH,
    Assumption(
        "archiving_lifts_children", "A", "Children of a page archived alone go up to its parent.", True, _CHANGE
    ),
    Assumption("hidden_covers_descendants", "S", "View restrictions hide what is below a page as well.", True, _CHANGE),
    Assumption("comments_follow_container", "A", "Comments of an archived page are listed as archived.", True, _CHANGE),
    Assumption("invalid_token_is_anonymous", "R", "A wrong token is refused, and not taken for a visitor.", False),
    Assumption("basic_auth_disabled", "setting", "User and password are taken.", False),
    Assumption("scan_available", "S", "/content/scan is there (7.18 and newer).", True),
    Assumption("scan_cursor_with_type", "A", "/content/scan takes type beside a cursor.", "accepted"),
    Assumption("scan_remembers_type", "A", "The cursor of /content/scan goes on with the type it began with.", True),
    Assumption(
        "datacenter_links_relative_to", "S, against S", "Links to the next page begin behind the context path.", "base"
    ),
    Assumption("list_cap_bare", "R", "Lists without expansions have up to 500 rows.", 500),
    Assumption("list_cap_expanded", "R", "Lists with expansions have up to 200 rows.", 200),
    Assumption("datacenter_utc_offset_minutes", "setting", "Instants are written in the server's zone."),
    Assumption("datacenter_version", "setting", "/server-information tells the release."),
    Assumption(
        "location_of_resolved_comment", "A", "The location of a resolved inline comment is 'resolved'.", "resolved"
    ),
    Assumption("conversion_content", "A", "A body to convert may name its page as content.", "used", _NO_POST),
    Assumption("space_permissions", "S", "The permissions of a space are told (9.1 and newer).", "rest", _CHECKED),
    Assumption("relevant_restrictions", "A", "What restricts an item from above is told.", True, _NO_RESTRICTED),
    Assumption("site_permissions_told", "S", "The permissions of the site are told to the account.", True, _CHECKED),
    Assumption("trash_listing_allowed", "setting", "The trash is shown to administrators of the space only.", False),
    Assumption("access_mode", "setting", "Confluence may be written to.", "READ_WRITE", _CHECKED),
    Assumption("application_state", "setting", "Confluence is not being maintained.", "RUNNING", _CHECKED),
)
