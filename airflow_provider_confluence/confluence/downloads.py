"""The bytes of an attachment, streamed to a file: bounded, of the size that was promised, and without showing the credential elsewhere.

Cloud answers a download with a redirect to a signed address of another host, which refuses requests that carry a credential beside it
(CONFLUENCE API, fact 2). Redirects are followed by hand: to the site itself with its credential, to any other host without one, by https
(by http only where the site itself is reached so), and only to addresses of the public internet. The site's own host is admitted at any
address and port, since whoever made the connection named it.
"""

from __future__ import annotations

import threading
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from airflow_provider_confluence.answers import beginning, pieces
from airflow_provider_confluence.confluence.auth import OriginAuth, origin_of
from airflow_provider_confluence.confluence.gate import MAX_TRIES, Patience
from airflow_provider_confluence.confluence.refusals import error_for_status, leads_to_login, redirected
from airflow_provider_confluence.confluence.transport import Setback, Transport
from airflow_provider_confluence.errors import ContractError

if TYPE_CHECKING:
    import requests

MOST_REDIRECTS = 4
HEAVY_TRIES = 3
_AS_IT_IS = {"Accept": "*/*", "Accept-Encoding": "identity"}
# A slow line is no reason to give up on a large file; one on which nothing moves is.
SLOWEST_BYTES_PER_SECOND = 10_000


class FileTooLargeError(ContractError):
    """The file is larger than what was asked for; nothing of it is kept."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet: no host, network or service behind the machine's own doors."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return found.is_global and not found.is_multicast and (mapped is None or mapped.is_global)


class Downloads:
    """Fetches files over one transport. Safe for many threads."""

    def __init__(self, transport: Transport, *, cloud: bool) -> None:
        self._transport = transport
        self._cloud = cloud
        self._lock = threading.Lock()
        self._sessions: dict[bool, requests.Session] = {}

    def close(self) -> None:
        """Close the connections to other hosts; safe to repeat."""
        with self._lock:
            sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            session.close()

    def fetch(
        self,
        path: str,
        target: Path,
        *,
        max_bytes: int,
        expected_bytes: int | None = None,
        tries: int = MAX_TRIES,
        cancelled: threading.Event | None = None,
    ) -> int:
        """Write what a path under the site leads to into ``target`` and return its size. 1 request, and 1 for each redirect.

        :param expected_bytes: the size that the listing said; another one counts as a broken download, which is tried again.
        :raises FileTooLargeError: for more than ``max_bytes``; no more than that is read.
        :raises AbsentError: for 404. :raises ContractError: for a redirect that is not followed, and for a host that refuses.
        :raises ConfluenceUnavailableError: when it does not work after some tries.
        """
        where = f"GET {urlsplit(self._transport.site).path}{path.partition('?')[0]}"

        def attempt(patience: Patience) -> int | Setback:
            return self._walk(path, where, target, max_bytes, expected_bytes, patience)

        return self._transport.persist(where, attempt, heavy_tries=HEAVY_TRIES, most_tries=tries, cancelled=cancelled)

    def _walk(
        self, path: str, where: str, target: Path, max_bytes: int, expected_bytes: int | None, patience: Patience
    ) -> int | Setback:
        site, proof = self._transport.base(patience), self._transport.proof()
        url = site + path
        for _ in range(MOST_REDIRECTS + 1):
            is_home = origin_of(url) == origin_of(site)
            sink = _Sink(target, max_bytes, patience)
            got = self._transport.exchange(
                "GET",
                url,
                where,
                patience,
                "GET file" if is_home else "GET media",
                sink.receive,
                headers=_AS_IT_IS,
                session=self._session(url),
                most_seconds=self._transport.slowest_answer_seconds + max_bytes / SLOWEST_BYTES_PER_SECOND,
            )
            if isinstance(got, Setback):
                return got
            status, headers, payload = got
            setback = self._transport.setback_of(status, headers)
            if setback is not None:
                return setback
            if 300 <= status < 400:
                url = self._next(url, where, status, headers.get("Location", ""))
                continue
            if status == 401 and url == site + path and self._transport.another_way(site, proof, patience, headers):
                site, proof = self._transport.base(patience), self._transport.proof()
                url = site + path
                continue
            if status != 200:
                if not is_home:
                    raise ContractError(
                        f"{where} was sent on to {urlsplit(url).hostname}, which refused it (HTTP {status}); is it reachable from here?",
                        status=status,
                    )
                raise error_for_status(where, status, headers, payload, cloud=self._cloud, site=self._transport.site)
            if sink.is_too_large:
                raise FileTooLargeError(f"{where} is larger than {max_bytes} bytes", status=status)
            if expected_bytes and sink.size != expected_bytes:
                return Setback(504, f"{sink.size} bytes came instead of {expected_bytes}")
            return sink.size
        raise ContractError(f"{where} was sent on more than {MOST_REDIRECTS} times", status=status)

    def _next(self, url: str, where: str, status: int, location: str) -> str:
        """Return where a redirect leads. :raises ContractError: where it must not be followed."""
        site = self._transport.route.base
        if not location or leads_to_login(location):
            raise redirected(where, site, status, location)
        try:
            further = urljoin(url, location)
            parts = urlsplit(further)
            usable = (
                parts.scheme in ("http", "https")
                and bool(parts.hostname)
                and parts.username is None
                and parts.port != 0
            )
        except ValueError:
            usable = False
        if not usable:
            raise ContractError(f"{where} was sent on to something that is no web address ({status})", status=status)
        is_own_host = parts.hostname == urlsplit(site).hostname
        # A name is judged by its address once it is connected; a bare address can be judged now, also behind a proxy.
        bare = (parts.hostname or "").strip("[]")
        try:
            ip_address(bare)
            is_inside = not is_public(bare)
        except ValueError:
            is_inside = bare == "localhost" or bare.endswith(".localhost")
        if is_inside and not is_own_host:
            raise ContractError(
                f"{where} was sent on to {bare}, which is no address of the public internet", status=status
            )
        if parts.scheme == "http" and urlsplit(site).scheme == "https":
            raise ContractError(
                f"{where} was sent on to {bare} without encryption; that is not followed", status=status
            )
        return further

    def _session(self, url: str) -> requests.Session | None:
        """Return the session for an address: the site's own, or one that has no credential."""
        site = self._transport.route.base
        if origin_of(url) == origin_of(site):
            return None
        is_own_host = urlsplit(url).hostname == urlsplit(site).hostname
        with self._lock:
            if is_own_host not in self._sessions:
                session = self._transport.new_session(
                    OriginAuth(("", "", 0), None), admits=None if is_own_host else is_public
                )
                session.headers.pop("User-Agent", None)
                self._sessions[is_own_host] = session
            return self._sessions[is_own_host]


class _Sink:
    """Takes one response: its body into the file where it is one, a little of it otherwise."""

    def __init__(self, target: Path, max_bytes: int, patience: Patience) -> None:
        self.size = 0
        self.is_too_large = False
        self._target = target
        self._max_bytes = max_bytes
        self._patience = patience

    def receive(self, response: requests.Response) -> bytes:
        """Return the beginning of a body that is no file, for what a refusal says; of a file nothing."""
        if response.status_code != 200:
            return beginning(response, 64 * 1024)
        promised = response.headers.get("Content-Length", "")
        if promised.isdigit() and int(promised) > self._max_bytes:
            self.is_too_large = True
            return b""
        with self._target.open("wb") as file:
            for piece in pieces(response):
                self._patience.check()
                self.size += len(piece)
                if self.size > self._max_bytes:
                    self.is_too_large = True
                    break
                file.write(piece)
        return b""
