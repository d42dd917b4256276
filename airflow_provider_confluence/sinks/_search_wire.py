"""How OpenSearch and Elasticsearch are reached: a connection's settings, one request, and what an answer means.

The client libraries give the connection (TLS, pool, keep-alive); nothing of theirs that decides is used. They would repeat requests, look
for other nodes, and take an answer apart before it can be judged. No redirect is followed: the credential would go along.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import ssl
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

from airflow_provider_confluence.answers import read_json
from airflow_provider_confluence.errors import (
    ConfigurationError,
    SinkAccessError,
    SinkCredentialsError,
    SinkUnavailableError,
)
from airflow_provider_confluence.sinks.connection import SinkConnection

DEFAULT_PORT = 9200
# The names of the official providers where they have one.
EXTRAS = ("use_ssl", "verify_certs", "ca_certs", "timeout", "api_key", "allowed_datasources")
_PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0)
# After this long no further try is begun: five requests of a minute each would hold a worker for nothing.
_PATIENCE_SECONDS = 120.0
# What asks for more is left to the next try of the task, which is told how long.
_LONGEST_PAUSE_SECONDS = 30.0
_PASSING = (429, 500, 502, 503, 504)
_ACTION = re.compile(r"\[((?:indices|cluster):[\w:/*\[\].-]{1,120}?)\](?=[\s,.]|$)")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reach:
    """Everything that a connection to the server needs. ``headers`` hold the credential, so they stay out of ``repr``.

    ``tls`` is what trusts certificates; without it none is looked at (``use_tls``), or nothing is encrypted.
    """

    host: str
    port: int
    path_prefix: str
    use_tls: bool
    tls: ssl.SSLContext | None
    timeout_seconds: float
    conn_id: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def shown(self) -> str:
        """The address as messages name it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "https" if self.use_tls else "http"
        return f"{scheme}://{host}:{self.port}{self.path_prefix} (connection {self.conn_id})"


class Unreachable(Exception):  # noqa: N818 - it never leaves this package
    """No answer came; the text says why, as the end of a sentence."""


class Sender(Protocol):
    """One connection of a client library."""

    def __call__(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes | str]:
        """Send one request, once, and return status, headers and body. :raises Unreachable: where no answer comes."""

    def close(self) -> None:
        """Close it; safe to repeat."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. ``body`` is parsed JSON, ``None`` where it was none; ``retry_after_seconds`` is the pause it asks for, if any."""

    status: int
    body: Any
    retry_after_seconds: float | None = None

    @property
    def error(self) -> tuple[str, str]:
        """Type and reason of the error that it tells; the reason may hold text of documents and goes into no message."""
        return error_of(self.body.get("error")) if isinstance(self.body, dict) else ("", "")


def error_of(value: object) -> tuple[str, str]:
    """Return type and reason of an error object of either server."""
    if isinstance(value, dict):
        return str(value.get("type", ""))[:100], str(value.get("reason", ""))
    return "", str(value or "")


class Server:
    """Asks, and asks again where an answer may come later. One thread."""

    def __init__(self, reach: Reach, send: Sender, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.where = reach.shown
        self.sleep = sleep
        self._reach = reach
        self._send = send

    def close(self) -> None:
        """Close the connection; safe to repeat."""
        self._send.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        lines: Iterable[bytes] | None = None,
        expect: Collection[int] = (),
        tries: int = len(_PAUSES_SECONDS) + 1,
    ) -> Reply:
        """Return the answer to a request that may be repeated without harm; most wait out 7.5 seconds of trouble.

        :param lines: newline-delimited JSON, each line with its end, in place of ``body``.
        :param expect: statuses, beside the good ones, that are answers to the caller and no errors.
        :raises SinkUnavailableError: where no answer comes, or none but *not now*.
        :raises ConfigurationError: for any other status, as :func:`complain` has it (SinkCredentialsError, SinkAccessError too).
        """
        target = f"{path}?{urlencode(params)}" if params else path
        headers = {"accept": "application/json", **self._reach.headers}
        data: bytes | None = None
        if lines is not None:
            data, headers["content-type"] = b"".join(lines), "application/x-ndjson"
        elif body is not None:
            data, headers["content-type"] = json.dumps(body).encode(), "application/json"
        begun = time.monotonic()
        for attempt in range(tries):
            last = attempt + 1 == tries or time.monotonic() - begun > _PATIENCE_SECONDS
            pause = _PAUSES_SECONDS[min(attempt, len(_PAUSES_SECONDS) - 1)]
            try:
                status, said, text = self._send(method, target, data, headers)
            except Unreachable as error:
                if last:
                    raise SinkUnavailableError(f"{self.where} {error}") from error
            else:
                reply = Reply(status, _parsed(text), _seconds(said.get("retry-after")))
                pause = max(pause, reply.retry_after_seconds or 0.0)
                last = last or pause > _LONGEST_PAUSE_SECONDS
                if 200 <= status < 300 or status in expect:
                    return reply
                if status not in _PASSING or last:
                    raise complain(reply, self.where, f"{method} {path}")
            self.sleep(pause)
        raise AssertionError("the last try returns or raises")


def _seconds(value: object) -> float | None:
    """Return what a Retry-After header asks for, where it is a number of seconds."""
    return float(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,6}", value.strip()) else None


def _parsed(text: bytes | str) -> Any:
    try:
        return read_json(text)
    except ValueError:
        return None


def complain(reply: Reply, where: str, what: str) -> Exception:
    """Return the error that an answer amounts to. Neither its body nor the reason it gives is in the message."""
    kind, reason = reply.error
    named = f"{reply.status} {kind}".strip()
    if 300 <= reply.status < 400:
        return ConfigurationError(
            f"{where} answers {what} with a redirect ({reply.status}), which is not followed, because the credential would go along; "
            "put the address it leads to into the connection"
        )
    if reply.status == 401:
        return SinkCredentialsError(
            f"{where} refuses the credential ({named}); check the connection's login and password, or its API key"
        )
    if kind == "cluster_block_exception":
        if "/12/" in reason:
            return SinkUnavailableError(
                f"{where} takes no documents: its disk is nearly full (flood-stage watermark); free space there, then the block is lifted",
                status=reply.status,
            )
        return ConfigurationError(f"{where} takes no documents: an index is blocked by hand (index.blocks); lift it")
    if reply.status == 403:
        action = _ACTION.search(reason)
        missing = f"the permission {action[1]}" if action else f"a permission for {what}"
        return SinkAccessError(f"{where}: the credential is good, but its user lacks {missing} ({named})")
    if reply.status == 404 and "index_not_found" in kind:
        return ConfigurationError(
            f"{where}: {what} found no index; it was dropped, or its alias was. The next run makes it anew; have it run with mode verify, "
            "so that everything comes back"
        )
    if reply.status in _PASSING:
        return SinkUnavailableError(
            f"{where} answers {what} with {named}", status=reply.status, retry_after_seconds=reply.retry_after_seconds
        )
    if reply.body is None:
        return ConfigurationError(f"{where} answers {what} with {reply.status} and no JSON: something else is there")
    return ConfigurationError(f"{where} answers {what} with {named}")


# ------------------------------------------------------------------------------------------ settings
def read_connection(connection: SinkConnection, *, api_key: bool) -> Reach:
    """Return how to reach the server. Nothing is asked. TLS is on, and verified, unless the connection says otherwise.

    :param api_key: whether this server knows API keys.
    :raises ConfigurationError: naming what is wrong in the connection.
    """
    extra = connection.extra
    for name in sorted({str(key) for key in extra} - {*EXTRAS}):
        _log.warning("connection %s: the extra %s means nothing to this sink", connection.conn_id, name)
    at = urlsplit(connection.host if "://" in connection.host else f"//{connection.host}")
    if at.username is not None or at.password is not None or at.query or at.fragment:
        raise _wrong(connection, "host holds more than a name and a path; login and password have fields of their own")
    try:
        host, port = at.hostname or "", at.port
    except ValueError as error:
        raise _wrong(connection, "host has no valid port") from error
    if not host:
        raise _wrong(connection, "host is missing; give a name such as search.example.com")
    if at.scheme not in ("", "http", "https"):
        raise _wrong(connection, f"host begins with {at.scheme}://, and only http:// and https:// are known")
    scheme = at.scheme or (connection.schema if connection.schema in ("http", "https") else "")
    use_tls = _flag(connection, "use_ssl", scheme != "http")
    if at.scheme and use_tls != (at.scheme == "https"):
        raise _wrong(connection, f"host says {at.scheme}, extra use_ssl says {str(use_tls).lower()}")
    verify = _flag(connection, "verify_certs", True)
    if not _loopback(host):
        if not use_tls:
            _log.warning(
                "connection %s: TLS is off, and %s is another machine: documents and the credential can be read on the way",
                connection.conn_id,
                host,
            )
        elif not verify:
            _log.warning(
                "connection %s: the certificate of %s is not verified: whoever is on the way can take its place",
                connection.conn_id,
                host,
            )
    scheme_port = {"http": 80, "https": 443}.get(at.scheme, DEFAULT_PORT)
    return Reach(
        host=host,
        port=connection.port or port or scheme_port,
        path_prefix=at.path.rstrip("/"),
        use_tls=use_tls,
        tls=_tls(connection) if use_tls and verify else None,
        timeout_seconds=_timeout(connection),
        conn_id=connection.conn_id,
        headers=_credential(connection, api_key=api_key),
    )


def _wrong(connection: SinkConnection, what: str) -> ConfigurationError:
    return ConfigurationError(f"connection {connection.conn_id}: {what}")


def _flag(connection: SinkConnection, name: str, default: bool) -> bool:
    value = connection.extra.get(name, default)
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    found = value if isinstance(value, bool) else known.get(str(value).strip().lower())
    if found is None:
        raise _wrong(connection, f"extra {name} is {str(value)[:40]!r}, neither true nor false")
    return found


def _timeout(connection: SinkConnection) -> float:
    value = connection.extra.get("timeout", 60)
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = 0.0
    if not 1 <= found <= 600:
        raise _wrong(connection, f"extra timeout is {str(value)[:40]!r}, not a number of seconds from 1 to 600")
    return found


def _tls(connection: SinkConnection) -> ssl.SSLContext:
    authorities = connection.extra.get("ca_certs")
    if authorities is not None and not Path(str(authorities)).is_file():
        raise _wrong(connection, f"extra ca_certs names {authorities}, and there is no such file on this worker")
    try:
        return ssl.create_default_context(cafile=str(authorities) if authorities is not None else None)
    except ssl.SSLError as error:
        raise _wrong(connection, f"extra ca_certs names {authorities}, which holds no certificates") from error


def _credential(connection: SinkConnection, *, api_key: bool) -> Mapping[str, str]:
    key = connection.extra.get("api_key")
    if key and not api_key:
        raise _wrong(connection, "extra api_key is for Elasticsearch; give a login and a password")
    if key:
        if connection.login or connection.password:
            raise _wrong(connection, "there is a login and an api_key; keep one of them")
        if not re.fullmatch(r"[A-Za-z0-9+/_-]+={0,2}", str(key)):
            raise _wrong(connection, "extra api_key is not the encoded form of a key, as Elasticsearch shows it")
        return {"authorization": f"ApiKey {key}"}
    if not connection.login:
        return {}
    pair = f"{connection.login}:{connection.password}".encode()
    return {"authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
