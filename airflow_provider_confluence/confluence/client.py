"""What the rest of the package asks of Confluence, the same for both editions.

:func:`connect` finds the edition and returns the client for it. A client is safe to use from many threads; all of them share one gate
(``confluence.gate``), which paces, pauses and retries for the whole process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from airflow_provider_confluence.confluence.gate import MAX_TRIES
from airflow_provider_confluence.documents import Entry, Failure, Space

if TYPE_CHECKING:
    from airflow_provider_confluence.confluence.batches import Answers
    from airflow_provider_confluence.confluence.events import Observer
    from airflow_provider_confluence.confluence.gate import Gate
    from airflow_provider_confluence.confluence.readers import Levels, SpaceReaders

Edition = Literal["cloud", "datacenter"]
Bodies = Generator["Fetched | Failure", None, None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """How to reach a Confluence: the fields of the Airflow connection, or of the command line.

    ``endpoint`` is the specification's: ``https://site.atlassian.net/wiki`` or ``https://site.atlassian.net`` on Cloud, the base URL with
    its context path on Data Center. Without ``username`` the token is a personal access token, with ``oauth_client_id`` that client's
    secret. Without a token nothing is asked, unless ``anonymous`` says that visitors are meant. ``ca_bundle``, ``client_cert`` and
    ``client_key`` are paths; ``proxy``, ``gateway_url`` and ``oauth_token_url`` are URLs.

    ``cloud_id`` sends the requests through Atlassian's gateway, where scoped tokens and OAuth are taken, and nowhere else; without it the
    gateway is found when the site refuses the token. The endpoint stays what names the site.
    """

    endpoint: str
    username: str | None = None
    token: str | None = None
    deployment: Literal["auto", "cloud", "datacenter"] = "auto"
    verify_ssl: bool = True
    ca_bundle: str | None = None
    proxy: str | None = None
    timeout_seconds: float = 60.0
    max_in_flight: int | None = None
    requests_per_second: float | None = None
    anonymous: bool = False
    client_cert: str | None = None
    client_key: str | None = None
    cloud_id: str | None = None
    oauth_client_id: str | None = None
    gateway_url: str | None = None
    oauth_token_url: str | None = None

    def __repr__(self) -> str:  # the token never reaches a log or a traceback
        return f"ConnectionSettings(endpoint={self.endpoint!r}, username={self.username!r}, token=…)"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are to Confluence. ``server_time`` is the ``Date`` header of that answer, aware and in UTC."""

    account_id: str
    display_name: str
    anonymous: bool
    server_time: datetime


@dataclass(frozen=True, slots=True)
class Fetched:
    """One item with its body, as it is now: ``entry`` may be newer than what the listing said.

    ``whole`` is false where Confluence did not answer for a part of the entry: it is asked again later.
    """

    entry: Entry
    representation: Literal["storage", "atlas_doc_format"]
    body: str
    whole: bool = True


class Listing(Iterable[Entry], Protocol):
    """Entries as they arrive, each id at most once, and whether that was all of them.

    ``complete`` is ``False`` until the last page was read and nothing was odd; law 1 hangs on it. ``doubt`` says why a finished listing
    is not complete. Iterate once.
    """

    complete: bool
    doubt: str | None


class NewestFirst(Iterable[list[Entry]], Protocol):
    """Pages of entries, the latest change first, for as long as the caller goes on. Iterate once."""

    @property
    def doubt(self) -> str | None:
        """What was odd so far, in the paging or in the order of the rows; then only a whole listing tells the truth."""


class ConfluenceClient(Protocol):
    """The typed client. Every call raises the errors of :mod:`airflow_provider_confluence.errors` and nothing else."""

    edition: Edition
    site: str
    """The canonical base URL, without a trailing slash and without the credential: it names the site in the state."""

    archived: bool
    """Whether archived pages are listed and fetched as current ones are; off unless it is set."""

    tells_readers: bool
    """Whether listings tell what restricts the reading of each item, as far as they can; off unless it is set."""

    @property
    def shown_statuses(self) -> tuple[str, ...]:
        """The statuses of what is listed and fetched: ``current``, and ``archived`` where that is on."""

    @property
    def requests_made(self) -> int:
        """Requests sent so far, retries included."""

    @property
    def throttled_seconds(self) -> float:
        """Seconds for which the gate held requests back."""

    def identity(self) -> Identity:
        """Return who we are. 1 request. :raises CredentialsError: for a refused token, and for an anonymous answer."""

    def spaces(self, keys: Sequence[str]) -> list[Space]:
        """Return those of the spaces that this account can see, in no particular order; the others are simply absent."""

    def list_content(self, space: Space, type_: Literal["page", "blogpost"]) -> Listing:
        """Return the current pages or blog posts of a space, slim, with labels where they come in bulk."""

    def list_attachments(self, spaces: Sequence[Space]) -> Listing:
        """Return current attachments, ``container_id`` set; on Cloud those of other spaces too, because no filter exists there."""

    def list_comments(self, spaces: Sequence[Space]) -> Listing:
        """Return current comments, replies too, ``container_id`` set; on Cloud those of other spaces too, because no filter exists there.

        ``title``, ``url`` and ``space_id`` are the container's to say.
        """

    def read_together(self, *groups: Sequence[Listing]) -> Generator[tuple[Listing, list[Entry]], None, None]:
        """Yield the entries of several listings as they arrive, a page at a time, with as many requests at a time as may be in flight.

        The listings of a later group are read ahead, but their entries come when all of the earlier groups have ended: some 20,000 are
        held, and then they wait. Each listing is complete, or not, as if it had been iterated by itself; when one raises, all end.
        Closing the iterator breaks off what is under way.
        """

    def list_newest(
        self, spaces: Sequence[Space], type_: Literal["page", "blogpost", "attachment", "comment"]
    ) -> list[NewestFirst]:
        """Return the current items of the spaces, the latest change first: one listing for every 100 spaces, 1 request a page.

        It sees edits and new items, nothing else: no deletion, move, label or archiving brings an item to the top. On Data Center it is
        a search, which may lag behind. Attachments and comments are those of the whole site on Cloud, where footer and inline comments
        are a listing each. Whether resolving a comment brings it to the top is not known.
        """

    def first_pages(self, listings: Sequence[NewestFirst]) -> list[Iterator[list[Entry]]]:
        """Return iterators over the pages of several listings, whose first pages are asked for at the same time; what is odd about one is
        said by its own ``doubt``."""

    def attachments_of(self, container: Entry) -> Listing:
        """Return the current attachments of one page or blog post; an invisible container lists nothing and is not complete."""

    def labels_of(self, type_: str, content_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return labels for those ids that are visible. Up to 1 request an id."""

    def readers_of(self, type_: str, content_ids: Sequence[str]) -> dict[str, Levels]:
        """Return for each item what restricts its reading by itself: no level, or one; one of nobody where that is refused.

        An item for which Confluence fails has no answer. ⌈ids / 100⌉ requests, and 1 for each item whose restrictions do not come in bulk.
        Users and groups are named to the last.

        :raises ConfluenceProviderError: what is about Confluence as a whole, or the credential.
        """

    def inherited_readers(self, content_id: str) -> Levels | None:
        """Return what restricts an item by itself and by everything above it, seen or not; ``None`` where Confluence does not tell.

        Data Center only, 1 request for 50 levels.
        """

    def space_readers(self, space: Space) -> SpaceReaders:
        """Return who may see a space; nobody, and why, where that cannot be read. 1 to 4 requests, more where hundreds are named.

        :raises ConfluenceProviderError: what is about Confluence as a whole, the credential, or a scope that it lacks.
        """

    def look_up(self, type_: Literal["page", "blogpost", "comment"], content_ids: Sequence[str]) -> dict[str, Entry]:
        """Return items by id whatever their status (current, archived, trashed); an id that is absent has no answer.

        In bulk, but for comments on Cloud: 1 request a footer comment, 2 any other.
        """

    def look_up_attachments(self, content_ids: Sequence[str]) -> dict[str, Entry]:
        """Return attachments by id, whatever their status; an id that is absent or invisible has no answer. Up to 1 request an id."""

    def fetch_bodies(
        self, type_: Literal["page", "blogpost"], content_ids: Sequence[str]
    ) -> Answers[Fetched | Failure]:
        """Return items with bodies, in any order, in bulk and in parallel; ids that are gone bring nothing."""

    def fetch_comments(self, comments: Sequence[Entry]) -> Answers[Fetched | Failure] | Bodies:
        """Yield listed comments with bodies, in any order; those that are gone yield nothing.

        Data Center: 1 request for 50. Cloud has no bulk question by id: the lists that begin with the latest change are walked as long as
        that is cheaper than 1 request a comment, and walked on by the next call, so comments are best asked for newest first.
        """

    def download(
        self,
        attachment: Entry,
        target: Path,
        *,
        max_bytes: int,
        tries: int = MAX_TRIES,
        cancelled: threading.Event | None = None,
    ) -> int:
        """Write the bytes of an attachment, of the version that the entry names, to a file; return their number.

        1 request on Data Center, 2 on Cloud; the credential never leaves this Confluence's own host.

        :param tries: how often to try, at most.
        :raises ~airflow_provider_confluence.confluence.downloads.FileTooLargeError: for more than ``max_bytes``, of which no more is read.
        :raises ~airflow_provider_confluence.confluence.refusals.AbsentError: when there is no such file, or this account may not see it.
        """

    def server_text(self, attachment: Entry, *, cancelled: threading.Event | None = None) -> str | None:
        """Return the text that Confluence itself extracted from an attachment; ``None`` where it has none. Data Center only, 1 request."""

    def in_parallel(
        self,
        call: Callable[[str, threading.Event], T],
        ids: Sequence[str],
        *,
        type_: str,
        cut: Callable[[], None] = lambda: None,
    ) -> Answers[T | Failure]:
        """Return what a call returns for each id, in any order, with as many at a time as requests may be in flight.

        A call that raises for one id brings a Failure; what is about Confluence as a whole, or the credential, ends it all.

        :param call: gets an id and the event that says *stop*, to be handed on to the client's calls.
        :param cut: called, in addition, to break off the calls under way when the iterator is closed early; may be called repeatedly.
        """

    def export_views(self, bodies: Sequence[tuple[str, str]]) -> Iterator[str]:
        """Yield bodies in storage format as Confluence shows them in an export: HTML, in any order, without what could not be shown.

        Which answer belongs to which body is not said; put something into a body to know it by. Data Center: 1 request a body. Cloud: 1
        for ten bodies, and 1 for each look whether they are done, 9 at most within a minute.

        :param bodies: each with the id of the page as whose part it is shown.
        :raises ConfluenceProviderError: what is about Confluence as a whole, or the credential; a body that fails raises nothing.
        """

    def file_names(self, container: Entry) -> dict[str, str]:
        """Return the names of a page's or blog post's files by file id; empty where the edition has none. 1 request for 250 files."""

    def tree_nodes(self, nodes: Iterable[tuple[str, str]]) -> dict[str, Entry]:
        """Return folders and their like by id, given ``(id, type)``; invisible ones are absent. 1 request each: they have no list."""

    def find_tree_nodes(self, spaces: Sequence[Space]) -> list[tuple[str, str]]:
        """Return the ``(id, type)`` of folders and their like that a search finds in the spaces; it may lag, and finds none on Data Center.

        ⌈found / 200⌉ requests for 50 spaces, 1 at least. What the search refuses is as good as not there: nothing raises but for the
        credential.
        """

    def people(self, account_ids: Iterable[str]) -> dict[str, str]:
        """Return display names by account id, in bulk; unknown accounts are absent."""

    def close(self) -> None:
        """Close the connections; safe to repeat."""


def connect(
    settings: ConnectionSettings,
    *,
    gate: Gate | None = None,
    observer: Observer | None = None,
    on_secret: Callable[[str], object] | None = None,
    patience_seconds: float = 120.0,
    clock: Callable[[], float] = time.monotonic,
) -> ConfluenceClient:
    """Return the client for the edition behind the endpoint.

    No request is made where the endpoint or the ``deployment`` setting says the edition; else 1 or 2 requests ask.

    :param gate: what paces the requests; by default the one that this process keeps for this host and credential, set to the limits of
        these settings (Cloud 8 in flight and 20 a second, Data Center 4 in flight, where they say nothing).
    :param observer: called with the frozen events of :mod:`~airflow_provider_confluence.confluence.events`, from any thread; what it
        raises is ignored.
    :param on_secret: is told each access token that is got on the way (OAuth) before it is used, so that it can be masked in logs.
    :param patience_seconds: how long a request waits for a pause that Confluence asks for, in all, before it raises ``RateLimitedError``.
    :raises ConfigurationError: when a setting is wrong, naming the setting and its value (never the credential).
    """
    from airflow_provider_confluence.confluence.connecting import open_client

    return open_client(
        settings, gate=gate, observer=observer, on_secret=on_secret, patience_seconds=patience_seconds, clock=clock
    )
