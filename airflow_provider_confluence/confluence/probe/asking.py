"""Asking a real site a bounded number of times, by GET alone, and writing down nothing that names anything there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from airflow_provider_confluence.answers import read_json, whole, within
from airflow_provider_confluence.confluence.gate import Patience
from airflow_provider_confluence.confluence.probe.report import Asked, Assumption, Finding, Value
from airflow_provider_confluence.confluence.transport import Transport, quoted_part

if TYPE_CHECKING:
    from requests import PreparedRequest

MAX_REQUESTS = 60
_MAX_BYTES = 8 * 1024 * 1024
_TIMEOUT_SECONDS = (10.0, 30.0)
_SILENCES = 2  # requests in a row without an answer, after which no further one is made
_UNWELCOME = (429, 503)

# The names that the answers of Confluence's published interfaces have; others are counted, never shown: a site may have made them up.
_KNOWN_TEXT = """
results _links next prev base self context webui download start limit size totalSize cursor nextCursor id type status title body
version number createdAt when authorId spaceId parentId parentType position ownerId lastOwnerId pageId blogPostId mediaType
fileSize fileId downloadLink webuiLink comment errors code detail statusCode data message reason authorized valid successful
extensions metadata history space container ancestors restrictions operations _expandable key name homepageId resolutionStatus
resolutionLastModifierId parentCommentId properties accountId accountType displayName publicName username userKey email
profilePicture isExternalCollaborator baseUrl buildNumber buildDate marketplaceBuildNumber childPosition subtype spaceOwnerId
mediaTypeDescription description icon currentActiveAlias cqlQuery searchDuration archivedResultCount allowedInReadOnlyMode
"""
_KNOWN = frozenset(_KNOWN_TEXT.split())


@dataclass(frozen=True, slots=True)
class Hidden:
    """A value that is sent and shown as something else."""

    value: str
    shown: str = "{id}"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; ``status`` is ``None`` where none came, ``data`` is empty where it was no JSON object."""

    status: int | None
    data: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """The rows of a list."""
        found = self.data.get("results")
        return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []

    def at(self, *path: str) -> Any:
        """Return what lies at a path of keys, or ``None``."""
        found: Any = self.data
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return found


class StopAskingError(Exception):
    """No further request is made; the message, in words of ours, says why."""


class Asker:
    """Sends GETs, each once, at the pace of the connection's gate. What is asked and answered is kept in :attr:`asked`, without names."""

    def __init__(self, transport: Transport, *, max_requests: int = MAX_REQUESTS) -> None:
        self._transport = transport
        self._left = max_requests
        self._silences = 0
        self._stopped: str | None = None
        self.asked: list[Asked] = []
        self.made = 0

    @property
    def stopped(self) -> str | None:
        """Why no further request is made."""
        return self._stopped

    def stop(self, why: str) -> None:
        """Make no further request."""
        self._stopped = self._stopped or why

    @property
    def site(self) -> str:
        """The base URL; never to be shown."""
        return self._transport.route.base

    def get(
        self,
        path: str,
        params: Mapping[str, str | int | Hidden] | None = None,
        *,
        authorization: str | None = "own",
        **parts: str,
    ) -> Reply:
        """Return the answer to a GET.

        :param path: below the site, with ``{name}`` for each of ``parts``; it is shown as it is written here.
        :param authorization: ``own``, ``None`` for a visitor, or another header.
        :raises StopAskingError: where the number of requests is used up, or the site does not want any.
        """
        self._check()
        filled = path.format(**{name: quoted_part(value) for name, value in parts.items()})
        return self._send(filled, _shown(path, params or {}), params or {}, authorization)

    def get_link(self, link: str, shown: str) -> Reply:
        """Return the answer to a GET of a link below the site; its body is not read."""
        self._check()
        return self._send(link, shown, {}, "own", read=False)

    def _check(self) -> None:
        if self._left <= 0:
            self.stop("the number of requests is used up")
        if self._stopped is not None:
            raise StopAskingError(self._stopped)

    def _send(
        self,
        path: str,
        shown: str,
        params: Mapping[str, str | int | Hidden],
        authorization: str | None,
        *,
        read: bool = True,
    ) -> Reply:
        import requests

        values = {name: value.value if isinstance(value, Hidden) else value for name, value in params.items()}
        url = self._transport.base(Patience(self._transport.gate.patience_seconds, "a probe")) + path
        if values:
            url += "?" + urlencode(values, safe=",", quote_via=quote)
        gate = self._transport.gate
        reply = Reply(None, {}, {})
        session = self._transport.session
        auth: Any = session.auth if authorization == "own" else _authorized(authorization)
        with gate.passing(Patience(gate.patience_seconds, "a probe")):
            self._left -= 1
            self.made += 1
            try:
                with (
                    within(self._transport.slowest_answer_seconds),
                    session.get(
                        url, timeout=_TIMEOUT_SECONDS, allow_redirects=False, stream=True, auth=auth
                    ) as response,
                ):
                    data = _document(response) if read else {}
                    reply = Reply(response.status_code, data, response.headers)
            except requests.exceptions.RequestException:
                pass  # no answer is an answer, too
        self.asked.append(Asked(f"GET {shown}", reply.status, shape_of(reply.data)))
        self._silences = self._silences + 1 if reply.status is None else 0
        if self._silences >= _SILENCES:
            self.stop("the site did not answer")
        elif reply.status in _UNWELCOME:
            self.stop(f"the site answered {reply.status}")
        return reply

    # ------------------------------------------------------------------------------------------ findings
    def find(self, assumption: Assumption, look: Callable[[Asker], tuple[Value, str] | str]) -> Finding:
        """Return what a look says of an assumption.

        :param look: returns the value that it saw and how, or only why it cannot tell.
        """
        before = len(self.asked)
        try:
            seen = look(self)
        except StopAskingError as stopped:
            seen = str(stopped)
        asked = tuple(self.asked[before:])
        if isinstance(seen, str):
            return Finding(assumption, "cannot tell", seen, asked=asked)
        value, observed = seen
        if assumption.assumed is None:
            return Finding(assumption, "holds", observed, value, asked)
        return Finding(assumption, "holds" if value == assumption.assumed else "differs", observed, value, asked)


def _authorized(header: str | None) -> Callable[[PreparedRequest], PreparedRequest]:
    def authorize(request: PreparedRequest) -> PreparedRequest:
        request.headers.pop("Authorization", None)
        if header is not None:
            request.headers["Authorization"] = header
        return request

    return authorize


def _document(response: Any) -> Mapping[str, Any]:
    if "json" not in response.headers.get("Content-Type", ""):
        return {}
    try:
        value = read_json(whole(response, _MAX_BYTES) or b"")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _shown(path: str, params: Mapping[str, str | int | Hidden]) -> str:
    query = "&".join(f"{k}={v.shown if isinstance(v, Hidden) else v}" for k, v in params.items())
    return path + (f"?{query}" if query else "")


def shape_of(value: Any, depth: int = 2) -> str:
    """Return the form of a JSON value: known names, and how many rows; of texts and numbers nothing."""
    if isinstance(value, dict) and depth > 0:
        known = sorted(str(key) for key in value if key in _KNOWN)
        unknown = len(value) - len(known)
        inner = [_member(key, value[key], depth - 1) for key in known]
        return "{" + ", ".join(inner + ([f"{unknown} other"] if unknown else [])) + "}"
    if isinstance(value, list) and depth > 0:
        return f"[{len(value)}" + (f" × {shape_of(value[0], depth)}" if value else "") + "]"
    return ""


def _member(name: str, value: Any, depth: int) -> str:
    shape = shape_of(value, depth) if name in ("results", "_links", "errors", "version", "extensions") else ""
    return name + shape


def numeric_id(value: object) -> str | None:
    """Return an id that may go into a query, or ``None``."""
    text = str(value)
    return text if re.fullmatch(r"[0-9]{1,20}", text) else None
