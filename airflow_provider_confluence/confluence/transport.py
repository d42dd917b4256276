"""One request at a time, over our own session: paced by the gate, JSON only, every answer turned into data or one of our errors.

The connection object is atlassian-python-api's ``AtlassianRestAPI`` over that session (:attr:`Transport.rest_api`; the hook lends it out),
with the library's own retries off, because one gate has to pause all threads. Our requests go through the session directly and not
through ``AtlassianRestAPI.request``, which puts every body, page text included, into the debug log, holds it twice in memory to do so,
cannot bound the size of an answer, and in 4.0 follows redirects without a choice (measured: the processor time is alike).
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from airflow_provider_confluence.answers import SLOWEST_ANSWER, beginning, read_json, whole, within
from airflow_provider_confluence.confluence.auth import OriginAuth, authorization, origin_of
from airflow_provider_confluence.confluence.connections import InUse, open_session
from airflow_provider_confluence.confluence.events import Observer, RequestDone, Throttled
from airflow_provider_confluence.confluence.gate import MAX_TRIES, Gate, Patience
from airflow_provider_confluence.confluence.oauth import ClientCredentials, NoTokenError
from airflow_provider_confluence.confluence.refusals import (
    AbsentError,
    Setback,
    TooHeavyError,
    error_for_status,
    lacks_scope,
    no_answer,
    not_json,
    redirected,
)
from airflow_provider_confluence.confluence.route import Route
from airflow_provider_confluence.errors import (
    ConfigurationError,
    ConfluenceUnavailableError,
    ContractError,
    RateLimitedError,
)

if TYPE_CHECKING:
    import requests
    from atlassian.rest_client import AtlassianRestAPI

    from airflow_provider_confluence.confluence.client import ConnectionSettings

__all__ = ["MAX_TRIES", "AbsentError", "Answer", "Params", "Setback", "TooHeavyError", "Transport", "quoted_part"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

Params = Mapping[str, str | int | Sequence[str]]
CONNECT_SECONDS = 10.0
MAX_ANSWER_BYTES = 64 * 1024 * 1024
TRIES_AFTER_500 = 3
TRIES_BEFORE_FIRST_ANSWER = 3
ARRAYS = (
    *("/contentbody/convert/async/bulk/tasks", "/permissions", "/permissions/anonymous"),
)  # answers that are bare arrays, by the end of their path
RETRIED = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer: its JSON and its headers. An array, where one is due (:data:`ARRAYS`), is the ``results`` of an object."""

    data: dict[str, Any]
    headers: Mapping[str, str]


class Transport:
    """Sends requests to one site. Safe for many threads. The session is made with the first request, not before.

    :param site: the base URL as the endpoint has it: it names the site, whichever way the requests go.
    :param gate: paces and pauses; shared with whoever uses the same credential.
    :param at_gateway: whether the endpoint is an address at Atlassian's gateway already.
    :param on_secret: is told each token that is got on the way, so that it can be masked in logs.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        site: str,
        gate: Gate,
        *,
        cloud: bool,
        at_gateway: bool = False,
        observer: Observer | None = None,
        on_secret: Callable[[str], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.site = site
        self.gate = gate
        self.route = Route(settings, site, cloud=cloud, at_gateway=at_gateway)
        self._settings = settings
        self._cloud = cloud
        self._oauth: ClientCredentials | None = None
        self._authorization: str | Callable[[], str] | None
        if settings.oauth_client_id:
            self._oauth = oauth = ClientCredentials(
                settings, lambda: self.new_session(OriginAuth(("", "", 0), None)), on_secret=on_secret, clock=clock
            )
            self._authorization = lambda: f"Bearer {oauth.token()}"
        else:
            self._authorization = authorization(settings.username, settings.token)
        self._observer = observer
        self._clock = clock
        self._lock = threading.Lock()
        self._connection: requests.Session | None = None
        self._rest_api: tuple[requests.Session, AtlassianRestAPI] | None = None
        self._opened_for: str | None = None
        self._was_answered = False
        self._in_use = InUse()
        self._caller = threading.local()
        self.requests_made = 0
        self.throttled_seconds = 0.0

    @property
    def cloud(self) -> bool:
        """Whether it speaks to Cloud, as the connection says or as was found."""
        return self._cloud

    @property
    def has_credential(self) -> bool:
        """Whether the connection holds a credential at all."""
        return self._authorization is not None

    @property
    def rest_api(self) -> AtlassianRestAPI:
        """The library's object over this session, with its retries off. 1 request where a cloud id must be looked up first.

        Importing the library takes half a second of CPU, so it is made for those who ask for it.
        """
        from atlassian.rest_client import AtlassianRestAPI

        self.base(Patience(self.gate.patience_seconds, "the first request"))
        session = self._opened()
        if self._rest_api is None or self._rest_api[0] is not session:
            rest_api = AtlassianRestAPI(
                self.route.base,
                timeout=int(self._settings.timeout_seconds) or 1,
                session=session,
                cloud=self._cloud,
                backoff_and_retry=False,
                retry_with_header=False,
            )
            self._rest_api = (session, rest_api)
        return self._rest_api[1]

    @property
    def session(self) -> requests.Session:
        """The session itself, for requests that must be neither repeated nor judged; the credential goes to this site alone."""
        return self._opened()

    @property
    def slowest_answer_seconds(self) -> float:
        """How long a whole answer may take."""
        return SLOWEST_ANSWER * self._settings.timeout_seconds

    def close(self) -> None:
        """Close the connections; safe to repeat. A later request opens them again."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def cut(self, cancelled: threading.Event) -> bool:
        """Break off the requests of a caller who has stopped; to be repeated while it says that there were any, until its threads have
        ended."""
        return self._in_use.cut(cancelled)

    @contextmanager
    def on_behalf_of(self, stop: threading.Event) -> Iterator[None]:
        """Let this thread's requests end when that event is set, where they name no other one."""
        self._caller.stop = stop
        try:
            yield
        finally:
            self._caller.stop = None

    # ------------------------------------------------------------------------------------------ the way
    def base(self, patience: Patience) -> str:
        """Return what every path is put behind: the site, or its address at the gateway."""
        self.route.ready(lambda url, proven: self.ask_aside(url, proven=proven, patience=patience))
        return self.route.base

    def proof(self) -> str | None:
        """Return the access token that the next request brings; ``None`` where it is not one that changes."""
        with suppress(NoTokenError):
            return self._oauth.token() if self._oauth is not None else None
        return None

    def another_way(self, base: str, proof: str | None, patience: Patience, headers: Mapping[str, str]) -> bool:
        """Say whether a request with this base and proof that was refused (401) may go well another way; then it has been taken."""
        if lacks_scope(401, headers):
            return False
        if self._oauth is not None:
            try:
                self._oauth.token(refused=proof)
            except NoTokenError:
                return False
            return True
        return self.route.turn(base, lambda url, proven: self.ask_aside(url, proven=proven, patience=patience))

    def ask_aside(
        self, url: str, *, proven: bool, patience: Patience | None = None
    ) -> tuple[int, Mapping[str, str], bytes] | None:
        """Ask an address once and return what came, whatever it was; ``None`` where nothing usable came.

        :param proven: with the credential, which goes to that address alone; else without one.
        """
        where = f"GET {urlsplit(url).path}"
        patience = patience or Patience(self.gate.patience_seconds, where)
        session = self.new_session(OriginAuth(origin_of(url), self._authorization if proven else None))
        with session:
            got = self.exchange(
                "GET",
                url,
                where,
                patience,
                "GET aside",
                lambda r: self._read(r, patience, 64 * 1024) or b"",
                session=session,
            )
        return None if isinstance(got, Setback) else got

    # ------------------------------------------------------------------------------------------ requests
    def get(
        self,
        path: str,
        params: Params | None = None,
        *,
        heavy_tries: int = MAX_TRIES,
        tries: int = MAX_TRIES,
        cancelled: threading.Event | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """Return the answer to a GET of a path under the site.

        :param path: begins with a slash; parts that come from outside are quoted by the caller (:func:`quoted_part`).
        :param heavy_tries: how often to try when the answer is a 413, 500, 504, a time-out or too large: 1 where the caller can ask
            for less instead.
        :param tries: how often to try whatever goes wrong, but for 429.
        :raises AbsentError: for 404. :raises TooHeavyError: see ``heavy_tries``.
        """
        return self._send("GET", path, params, None, min(heavy_tries, tries), tries, cancelled, max_bytes)

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        heavy_tries: int = MAX_TRIES,
        tries: int = MAX_TRIES,
        cancelled: threading.Event | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """Return the answer to a POST that only reads (Confluence's bulk look-ups, its conversions), so that it may be repeated."""
        content = json.dumps(body).encode()
        return self._send("POST", path, None, content, min(heavy_tries, tries), tries, cancelled, max_bytes)

    def _send(
        self,
        method: str,
        path: str,
        params: Params | None,
        body: bytes | None,
        heavy_tries: int,
        tries: int,
        cancelled: threading.Event | None,
        max_bytes: int,
    ) -> Answer:
        where = f"{method} {urlsplit(self.site).path}{path}"
        # Ids come out of answers, where JSON may hold half a character.
        query = urlencode(params or {}, doseq=True, safe=",", quote_via=quote, errors="surrogatepass")
        asked = f"{path}?{query}" if params else path
        kind = f"{method} " + "/".join("#" if any(map(str.isdigit, p)) and p != "v2" else p for p in path.split("/"))
        return self.persist(
            where,
            lambda patience: self._attempt(method, asked, where, body, patience, kind, max_bytes),
            heavy_tries=heavy_tries,
            most_tries=tries,
            cancelled=cancelled,
        )

    def persist(
        self,
        where: str,
        attempt: Callable[[Patience], T | Setback],
        *,
        heavy_tries: int = MAX_TRIES,
        most_tries: int = MAX_TRIES,
        cancelled: threading.Event | None = None,
    ) -> T:
        """Return what an attempt comes to, which is repeated after a setback as often as makes sense, with the waits that are asked for."""
        cancelled = cancelled or getattr(self._caller, "stop", None)
        patience = Patience(self.gate.patience_seconds, where, cancelled)
        try:
            tries = 0
            while True:
                tries += 1
                result = attempt(patience)
                if not isinstance(result, Setback):
                    return result
                self._wait_before_retry(result, tries, (most_tries, heavy_tries), where, patience)
        finally:
            with self._lock:
                self.throttled_seconds += patience.held_seconds

    def _attempt(
        self, method: str, path: str, where: str, body: bytes | None, patience: Patience, kind: str, max_bytes: int
    ) -> Answer | Setback:
        """Send once, or another time where that leads another way. Return the answer or what may be retried; raise what may not."""
        for last in (False, True):
            base, proof = self.base(patience), self.proof()
            got = self.exchange(
                method, base + path, where, patience, kind, lambda r: self._read(r, patience, max_bytes), body=body
            )
            if isinstance(got, Setback):
                return got
            status, headers, payload = got
            if last or status != 401 or not self.another_way(base, proof, patience, headers):
                break
        if payload is None:
            return Setback(413, "the answer is too large", error=None)
        setback = self.setback_of(status, headers)
        if setback is not None:
            return setback
        if 300 <= status < 400:
            raise redirected(where, self.site, status, headers.get("Location", ""))
        if status != 200:
            raise error_for_status(where, status, headers, payload, cloud=self._cloud, site=self.site)
        media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if not (media_type == "application/json" or media_type.endswith("+json")):
            raise not_json(where, media_type, payload)
        try:
            data = read_json(payload)
        except ValueError as error:
            raise ContractError(f"{where} answered with JSON that cannot be read", status=status) from error
        if isinstance(data, list) and where.endswith(ARRAYS):
            data = {"results": data}
        if not isinstance(data, dict):
            raise ContractError(f"{where} answered with JSON that is no object", status=status)
        return Answer(data, headers)

    def exchange(
        self,
        method: str,
        url: str,
        where: str,
        patience: Patience,
        kind: str,
        receive: Callable[[requests.Response], T],
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        session: requests.Session | None = None,
        most_seconds: float | None = None,
    ) -> tuple[int, Mapping[str, str], T] | Setback:
        """Send once, through the gate. Return status, headers and what ``receive`` made of the response, or what may be retried.

        :param where: what the request is called in messages; its part after the method is what observers are shown.
        :param session: another one than that of the site.
        :param most_seconds: how long the whole answer may take, where that is not :attr:`slowest_answer_seconds`.
        """
        import requests

        session = session or self._opened()
        with self.gate.passing(patience, self._tell):
            with self._lock:
                self.requests_made += 1
            started = self._clock()
            status: int | None = None
            self._in_use.begin(patience.cancelled)
            try:
                with (
                    within(most_seconds or self.slowest_answer_seconds),
                    session.request(
                        method,
                        url,
                        data=body,
                        headers=headers if body is None else {"Content-Type": "application/json"},
                        timeout=(CONNECT_SECONDS, self._settings.timeout_seconds),
                        allow_redirects=False,
                        stream=True,
                    ) as response,
                ):
                    status = response.status_code
                    received = receive(response)
            except NoTokenError as error:
                return Setback(503, str(error), error=error)
            except requests.exceptions.InvalidURL as error:
                raise ConfigurationError(f"{where}: this is not an address that can be asked") from error
            except requests.exceptions.RequestException as error:
                setback = no_answer(error, where, self.site, status)
                self._tell(RequestDone(method, where.split(" ", 1)[1], status, self._clock() - started))
                return setback
            finally:
                self._in_use.end()
            seconds = self._clock() - started
            self._was_answered = True
        self.gate.answered(status, response.headers, seconds, kind)
        self._tell(RequestDone(method, where.split(" ", 1)[1], status, seconds))
        return status, response.headers, received

    def setback_of(self, status: int, headers: Mapping[str, str]) -> Setback | None:
        """Return what an answer is that may be better another time, ``None`` for one that will not."""
        if status in RETRIED or status == 413:
            return Setback(status, f"HTTP {status}", self.gate.retry_after_seconds(headers))
        return None

    def _read(self, response: requests.Response, patience: Patience, max_bytes: int) -> bytes | None:
        """Return the body; ``None`` when it is larger than allowed. A body of no use is not read to its end."""
        if response.status_code != 200:
            return beginning(response, 64 * 1024, tick=patience.check)
        return whole(response, max_bytes, tick=patience.check)

    def _wait_before_retry(
        self, setback: Setback, tries: int, limits: tuple[int, int], where: str, patience: Patience
    ) -> None:
        """Wait as the setback asks. :raises ConfluenceUnavailableError: after the last try."""
        most, heavy_tries = limits if setback.status != 429 else (MAX_TRIES, MAX_TRIES)
        if setback.status == 500:
            most = min(most, TRIES_AFTER_500)
        if setback.heavy:
            most = 1 if setback.status == 413 else min(most, heavy_tries)
        if setback.status is None and not self._was_answered:
            most = min(most, TRIES_BEFORE_FIRST_ANSWER)  # more likely a wrong address than a bad moment
        if setback.status == 429:
            seconds = setback.retry_after_seconds or self.gate.back_off_seconds(tries)
            # The pause is everybody's; passing the gate is what waits, and what raises when it is too long.
            self.gate.pause_all(seconds, "rate_limit")
            if tries >= most:
                raise RateLimitedError(
                    f"{where} was refused as too many requests {tries} times; lower max_in_flight or requests_per_second",
                    retry_after_seconds=seconds,
                    status=429,
                ) from setback.error
            return
        seconds = self.gate.back_off_seconds(tries)
        if tries >= most or (not setback.retry_after_seconds and seconds > patience.left_seconds):
            times = "once" if tries == 1 else f"{tries} times"
            message = f"{where} failed {times}: {setback.what}"
            if setback.status is None:
                message += f"; is {urlsplit(self.site).hostname} the right host, and reachable from here?"
            kind = TooHeavyError if setback.heavy else ConfluenceUnavailableError
            raise kind(
                message, retry_after_seconds=setback.retry_after_seconds, status=setback.status
            ) from setback.error
        if setback.retry_after_seconds:
            self.gate.pause_all(setback.retry_after_seconds, "unavailable")
            return
        patience.spend(seconds, "unavailable")
        self.gate.hold(seconds, "back_off", patience, self._tell)

    # ------------------------------------------------------------------------------------------ the session
    def _opened(self) -> requests.Session:
        with self._lock:
            # A session proves itself to one host alone; when the way has turned to another one, it takes a new session.
            if self._connection is None or self._opened_for != self.route.base:
                old, self._opened_for = self._connection, self.route.base
                self._connection = self._open()
                if old is not None:
                    old.close()
            return self._connection

    def _open(self) -> requests.Session:
        settings = self._settings
        if not settings.verify_ssl:
            _log.warning("TLS verification is off for %s: anybody on the way can read the credential", self.site)
        session = self.new_session(OriginAuth(origin_of(self.route.base), self._authorization))
        session.headers["X-Atlassian-Token"] = "no-check"
        return session

    def new_session(self, auth: OriginAuth, *, admits: Callable[[str], bool] | None = None) -> requests.Session:
        """Return a session with this connection's proxy, certificates and time-outs, for the requests of :meth:`exchange`.

        :param admits: judges the address of the other side, once connected and before anything is sent. Behind a proxy it is not asked.
        """
        return open_session(self._settings, auth, self._in_use, most_connections=self.gate.max_in_flight, admits=admits)

    def _tell(self, event: RequestDone | Throttled) -> None:
        if self._observer is None:
            return
        try:
            self._observer(event)
        except Exception:  # noqa: BLE001, S110  (observability never fails the task; the observer is not ours)
            pass


def quoted_part(value: str) -> str:
    """Return a value as one part of a path, whatever it holds."""
    return quote(value, safe="", errors="surrogatepass") if value not in (".", "..") else value.replace(".", "%2E")
