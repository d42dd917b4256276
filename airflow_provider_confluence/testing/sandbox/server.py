"""The sandbox itself: two HTTP servers on loopback, the site and the media host, over one content model."""

from __future__ import annotations

import base64
import secrets
import threading
from collections.abc import Callable
from email.utils import format_datetime
from types import TracebackType
from typing import Literal, Protocol
from urllib.parse import quote

from airflow_provider_confluence.testing.sandbox.access import Account
from airflow_provider_confluence.testing.sandbox.admin import Admin
from airflow_provider_confluence.testing.sandbox.cloud import Cloud
from airflow_provider_confluence.testing.sandbox.datacenter import DataCenter
from airflow_provider_confluence.testing.sandbox.faults import Faults
from airflow_provider_confluence.testing.sandbox.model import Model
from airflow_provider_confluence.testing.sandbox.oauth import PATH as TOKEN_PATH
from airflow_provider_confluence.testing.sandbox.oauth import TokenEndpoint
from airflow_provider_confluence.testing.sandbox.records import Item
from airflow_provider_confluence.testing.sandbox.request_log import RequestLog
from airflow_provider_confluence.testing.sandbox.web import Request, Response, text_response
from airflow_provider_confluence.testing.sandbox.wire import WireServer

Edition = Literal["cloud", "datacenter"]
Observer = Callable[[Request, Response], None]
"""Called with each request to Confluence and its answer, in the thread that serves it, before the answer is sent."""


_SERVER = "AtlassianEdge"


class _App(Protocol):
    def handle(self, request: Request) -> Response: ...


class Sandbox:
    """A Confluence on 127.0.0.1, as real as the client can tell.

    >>> with Sandbox("cloud") as sandbox:
    ...     _ = sandbox.model.create_space("DOCS")
    ...     _ = sandbox.model.create_page("DOCS", "Start", "<p>Hello</p>")
    ...     # sandbox.endpoint, sandbox.username and sandbox.token are what a user would type into a connection
    ...     print(sandbox.endpoint.endswith("/wiki"), sandbox.username)
    True indexer@example.com

    Give two sandboxes of different edition the same model, and one wiki is served as both.

    :param edition: ``"cloud"`` or ``"datacenter"``.
    :param model: the wiki; an empty one where none is given.
    :param port: 0 takes a free one.
    :param token: the API token or personal access token; a random one where none is given.
    :param username: Cloud: the e-mail address. Data Center: a login name, for basic authentication with the token as its password;
        without it the token is a personal access token, and ``username`` is ``None``.
    :param context: the context path of Data Center, ``""`` for none.
    :param latency_seconds: how long every answer takes at least.
    :param observer: sees every request and answer; the contract checker is one.
    """

    def __init__(
        self,
        edition: Edition = "cloud",
        model: Model | None = None,
        *,
        port: int = 0,
        token: str | None = None,
        username: str | None = None,
        context: str = "/confluence",
        latency_seconds: float = 0.0,
        observer: Observer | None = None,
    ) -> None:
        if edition not in ("cloud", "datacenter"):
            raise ValueError(f"edition is 'cloud' or 'datacenter', not {edition!r}")
        self.edition: Edition = edition
        self.model = model or Model()
        self.token = token or secrets.token_urlsafe(24)
        self.username = username or ("indexer@example.com" if edition == "cloud" else None)
        self.context = "/wiki" if edition == "cloud" else context.rstrip("/")
        self.cloud_id = "11111111-2222-4333-8444-" + secrets.token_hex(6)
        self.latency_seconds = latency_seconds
        self.observer = observer
        self.faults = Faults(lambda: self.model.clock())
        self.requests = RequestLog()
        self._port = port
        self._stopping = threading.Event()
        self._servers: list[WireServer] = []
        self._media_secret = secrets.token_hex(16)
        if self.model.user("indexer") is None:
            self.model.add_user("indexer", "Index Er")
        self.oauth = TokenEndpoint(lambda: self.model.clock(), lambda: self.model.readings.oauth_token_seconds)
        """The client for OAuth 2.0 client credentials, with its id and secret; Cloud only, at :attr:`oauth_token_url`."""
        self._account = account = Account(
            "indexer", self.username or "indexer", self.token, self.oauth if edition == "cloud" else None
        )
        self._app: _App = (
            Cloud(self.model, account, self.cloud_id, self._media_url)
            if edition == "cloud"
            else DataCenter(self.model, account, self.context)
        )
        self._admin = Admin(self.model, self.faults, self.requests)

    # ------------------------------------------------------------------------------------ life
    def start(self) -> Sandbox:
        """Listen; a sandbox that was stopped can be started again."""
        if self._servers:
            raise RuntimeError("the sandbox runs already")
        self._stopping.clear()
        site = WireServer(self._port, self._serve_site, self._stopping, self._date, _SERVER)
        self._servers = [site]
        if self.edition == "cloud":
            self._servers.append(WireServer(0, self._serve_media, self._stopping, self._date, _SERVER))
        for server in self._servers:
            server.start()
        return self

    def stop(self) -> None:
        """Close every connection and stop listening; safe to repeat."""
        self._stopping.set()
        for server in self._servers:
            server.stop()
        self._servers = []

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def revoke_token(self) -> None:
        """Make ``token`` worthless from now on, as when it expires in the middle of a run."""
        self._account.token = secrets.token_urlsafe(24)

    # ------------------------------------------------------------------------------------ where it is
    @property
    def origin(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return self._origin(0)

    @property
    def endpoint(self) -> str:
        """What a user types as the address of this Confluence."""
        return self.origin + self.context

    @property
    def authorization(self) -> str:
        """A good ``Authorization`` header, for tests that speak HTTP themselves."""
        if self.username is None:
            return f"Bearer {self.token}"
        return "Basic " + base64.b64encode(f"{self.username}:{self.token}".encode()).decode()

    @property
    def gateway(self) -> str:
        """The address of this site at the gateway for scoped tokens; Cloud only."""
        return f"{self.origin}/ex/confluence/{self.cloud_id}/wiki"

    @property
    def oauth_token_url(self) -> str:
        """Where a client gets its access tokens; Cloud only."""
        return self.origin + TOKEN_PATH

    @property
    def media_origin(self) -> str:
        """The origin of the media host, to which downloads are sent; Cloud only."""
        return self._origin(1)

    def _origin(self, number: int) -> str:
        if len(self._servers) <= number:
            raise RuntimeError("the sandbox is not running")
        return f"http://127.0.0.1:{self._servers[number].port}"

    def _date(self) -> str:
        return format_datetime(self.model.clock(), usegmt=True)

    # ------------------------------------------------------------------------------------ answering
    def _serve_site(self, request: Request) -> Response:
        if request.path.startswith("/_sandbox/"):
            return self._admin.handle(request)
        with self.requests.watch(request, "site") as entry:
            if self.latency_seconds:
                self._stopping.wait(self.latency_seconds)
            self.model.settle()
            response = self.faults.around(request, self._app.handle)
            entry.status = response.status
            if self.observer is not None:
                self.observer(request, response)
            return response

    def _media_url(self, item: Item, version: int | None) -> str:
        number = version or item.version.number
        return f"{self.media_origin}/file/{item.id}/{number}/binary?token={self._media_secret}&name={quote(item.title)}"

    def _serve_media(self, request: Request) -> Response:
        """Serve bytes by their signed address; the credential of the site must not be sent here [R]."""
        with self.requests.watch(request, "media") as entry:
            if self.latency_seconds:
                self._stopping.wait(self.latency_seconds)
            response = self.faults.around(request, self._media_answer)
            entry.status = response.status
            return response

    def _media_answer(self, request: Request) -> Response:
        if "authorization" in request.headers and self.model.readings.media_host_refuses_authorization:
            return text_response("Only one auth mechanism allowed", 400, "text/plain")
        parts = request.path.split("/")
        if request.one("token") != self._media_secret or len(parts) != 5:
            return text_response("Forbidden", 403, "text/plain")
        with self.model.lock:
            item = self.model.item("att" + parts[2])
            if item is None or int(parts[3]) > len(item.files):
                return text_response("Not found", 404, "text/plain")
            return Response(200, item.file(int(parts[3])), {"Content-Type": item.media_type})
