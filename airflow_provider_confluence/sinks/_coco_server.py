"""Requests to a Coco Server: the address and token of a connection, time-outs, repeats, and what an answer means.

Coco words most errors as HTTP 500, in two shapes, so an answer is judged by the text of its reason first and by its status second. The
texts are those of coco-server v0.9 to v0.11 and of the Elasticsearch kin behind it (``modules/document/document.go``,
``modules/datasource``, ``modules/connector`` of infinilabs/coco-server); what is in no list counts as *unknown*.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode, urlsplit

from airflow_provider_confluence.answers import SLOWEST_ANSWER, adapter, open_session, read_json, whole, within
from airflow_provider_confluence.errors import (
    ConfigurationError,
    SinkAccessError,
    SinkCredentialsError,
    SinkUnavailableError,
)
from airflow_provider_confluence.sinks.connection import SinkConnection

if TYPE_CHECKING:
    import requests

_log = logging.getLogger(__name__)

CONNECTION_TYPES = ("coco", "http")
CONNECT_SECONDS = 10.0
MAX_ANSWER_BYTES = 32 * 1024 * 1024
TRIES = 4
TRIES_AFTER_UNKNOWN = 2
LONGEST_PAUSE_SECONDS = 30.0
EXTRAS = ("verify_ssl", "ca_bundle", "proxy", "timeout", "allowed_datasources")
_PERMISSION = re.compile(r"[a-z_]+#[a-z_]+/[a-z_]+")

Params = Mapping[str, str | int | Sequence[str]]
Kind = Literal["ok", "absent", "conflict", "parent", "document", "denied", "busy", "unknown"]
_REASONS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    ("denied", ("access denied", "permission denied")),
    ("absent", ("object was not found", "record not found")),
    ("conflict", ("version_conflict", "version conflict", "already exists")),
    ("parent", ("invalid connector", "invalid datasource")),
    (
        "busy",
        (
            *(
                "too many requests",
                "circuit_breaking",
                "rejected_execution",
                "timeout",
                "timed out",
                "no_shard_available",
            ),
            *("cluster_block", "connection refused", "connection reset", "unavailable_shards", "no such host"),
        ),
    ),
    (
        "document",
        (
            *("mapper_parsing", "document_parsing", "failed to parse", "strict_dynamic_mapping", "immense term"),
            *("limit of total fields", "cannot unmarshal", "invalid character", "illegal_argument"),
        ),
    ),
)
_BUSY_STATUS = frozenset((429, 502, 503, 504))


@dataclass(frozen=True, slots=True)
class Reply:
    """What an answer means. *parent*: the connector or datasource is missing. *document*: what was sent cannot be taken as it is."""

    kind: Kind
    status: int
    data: Mapping[str, Any]


class CocoServer:
    """Asks one Coco Server with one token. Safe for many threads. The session is made with the first request.

    :param parallel: how many requests may be on their way at a time.
    :param back_off_seconds: the pause before the first repeat; it doubles each time.
    :raises ConfigurationError: for a connection of another type, without an address or a token, or with extras that cannot be read.
    """

    def __init__(self, connection: SinkConnection, *, parallel: int, back_off_seconds: float = 0.5) -> None:
        connection.check_type(CONNECTION_TYPES)
        self.url = base_url(connection)
        self.connection = connection
        self._parallel = parallel
        self._back_off_seconds = back_off_seconds
        self._token = _token(connection)
        extras = _Extras(connection)
        self._verify: bool | str = (extras.text("ca_bundle") or True) if extras.flag("verify_ssl") else False
        self._proxy = extras.text("proxy")
        self._timeout_seconds = extras.seconds("timeout", 60.0)
        extras.report_unknown()
        self._session = self._open()

    def close(self) -> None:
        """Close the connections; a later request opens them again."""
        self._session.close()

    def ask(
        self,
        method: str,
        path: str,
        params: Params | None = None,
        body: bytes | None = None,
        *,
        tries: int = TRIES,
    ) -> Reply:
        """Return what the server answers, after repeats where that may help. Every request of the sink may be repeated.

        :param path: below the base URL; ids in it are of ``A-Z a-z 0-9 _ -``. A trailing slash counts: the router redirects otherwise.
        :raises SinkUnavailableError: where no answer came, or a busy one, ``tries`` times over, or it asked for a long pause.
        :raises SinkCredentialsError: for a refused token. :raises SinkAccessError: where it lacks a permission, which is named.
        :raises ConfigurationError: where something else than a Coco Server answers.
        """
        where = f"{method} {self.url}{path}"
        url = self.url + path + (f"?{urlencode(params, doseq=True)}" if params else "")
        for attempt in range(1, tries + 1):
            reply, trouble = self._attempt(method, url, where, body)
            if reply is not None and reply.kind not in ("busy", "unknown"):
                return reply
            unknown = reply is not None and reply.kind == "unknown"
            if attempt == tries or (unknown and attempt >= TRIES_AFTER_UNKNOWN):
                if reply is not None and unknown:
                    return reply
                raise trouble
            pause = trouble.retry_after_seconds or self._back_off_seconds * 2 ** (attempt - 1)
            if pause > LONGEST_PAUSE_SECONDS:
                raise trouble
            time.sleep(pause)
        raise AssertionError("tries is above 0")

    def unexpected(self, reply: Reply, what: str) -> Exception:
        """Return the error for an answer that a step cannot go on with."""
        if reply.kind == "denied":
            return SinkAccessError(
                f"Coco Server at {self.url}: {what} belongs to another user; use the token of the user who made it",
                status=reply.status,
            )
        return SinkUnavailableError(
            f"Coco Server at {self.url}: {what}: HTTP {reply.status} for a reason that this sink does not know; see the server's log",
            status=reply.status,
        )

    # ------------------------------------------------------------------------------------ one request
    def _attempt(
        self, method: str, url: str, where: str, body: bytes | None
    ) -> tuple[Reply | None, SinkUnavailableError]:
        import requests

        try:
            with (
                within(SLOWEST_ANSWER * self._timeout_seconds),
                self._session.request(
                    method,
                    url,
                    data=body,
                    headers={"Content-Type": "application/json"} if body is not None else None,
                    timeout=(CONNECT_SECONDS, self._timeout_seconds),
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                payload = whole(response, MAX_ANSWER_BYTES)
                if payload is None:
                    raise ConfigurationError(f"{where}: the answer is larger than {MAX_ANSWER_BYTES} bytes")
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise ConfigurationError(f"{where}: this is not an address that can be asked") from error
        except requests.exceptions.SSLError as error:
            raise SinkUnavailableError(
                f"{where}: TLS failed; where the certificate is of your own authority, set the extra ca_bundle of connection "
                f"{self.connection.conn_id}"
            ) from error
        except requests.exceptions.RequestException as error:
            trouble = SinkUnavailableError(
                f"{where}: no answer; is {urlsplit(self.url).netloc} the right host and port, and reachable from here?"
            )
            trouble.__cause__ = error
            return None, trouble
        reply = self._judge(response, payload, where)
        return reply, SinkUnavailableError(
            f"{where}: HTTP {reply.status}",
            status=reply.status,
            retry_after_seconds=_retry_after(response.headers.get("Retry-After")),
        )

    def _judge(self, response: requests.Response, payload: bytes, where: str) -> Reply:
        status = response.status_code
        data = _object(payload)
        if 300 <= status < 400:
            raise ConfigurationError(
                f"{where} is redirected (HTTP {status}), and the token goes nowhere else: put the address that answers, with its "
                f"web.base_path, into connection {self.connection.conn_id}"
            )
        if status < 300:
            if data is None:
                raise self._something_else(where, status)
            return Reply("ok", status, data)
        reason = _reason(data)
        permission = _PERMISSION.search(reason)
        if status == 401 or "invalid login" in reason:
            raise SinkCredentialsError(
                f"{where}: Coco Server refuses the token of connection {self.connection.conn_id}; its password must be an API token "
                "(X-API-TOKEN), which is valid for a year",
                status=status,
            )
        if status == 403 or (permission and "not allowed" in reason):
            named = f"permission {permission[0]}" if permission else "a permission for this"
            raise SinkAccessError(
                f"{where}: the token of connection {self.connection.conn_id} lacks {named}; give it to the token and to its user",
                status=status,
            )
        for kind, texts in _REASONS:
            if any(text in reason for text in texts):
                return Reply(kind, status, data or {})
        if status == 404:
            if data is None or "_id" not in data:
                raise self._something_else(where, status)
            return Reply("absent", status, data)
        if status in _BUSY_STATUS:
            return Reply("busy", status, {})
        if status in (400, 413, 422):
            return Reply("document", status, {})
        if status == 405:
            raise self._something_else(where, status)
        return Reply("unknown", status, {})

    def _something_else(self, where: str, status: int) -> ConfigurationError:
        return ConfigurationError(
            f"{where}: what answers is not Coco Server's API (HTTP {status}); check host, port and web.base_path of connection "
            f"{self.connection.conn_id}"
        )

    def _open(self) -> requests.Session:
        if self._verify is False:
            _log.warning("TLS verification is off for %s: anybody on the way can read the token", self.url)
        if self.url.startswith("http://") and not _is_this_machine(urlsplit(self.url).hostname or ""):
            _log.warning("there is no TLS to %s: anybody on the way can read the token", self.url)
        session = open_session(adapter(pool_connections=2, pool_maxsize=self._parallel, max_retries=0))
        session.headers["X-API-TOKEN"] = self._token
        session.verify = self._verify
        if self._proxy:
            session.proxies = {"http": self._proxy, "https": self._proxy}
        return session


def base_url(connection: SinkConnection) -> str:
    """Return the base URL of a connection, without a slash at its end.

    The host may be a whole URL, with Coco's ``web.base_path``. Else the schema is ``http`` or ``https``; where it is empty, a connection
    of type ``http`` means http, as for Airflow's own hook, and one of type ``coco`` means https.

    :raises ConfigurationError: naming the field that is wrong.
    """
    host, schema = connection.host.strip().rstrip("/"), connection.schema.strip().lower()
    if not host:
        raise ConfigurationError(
            f"connection {connection.conn_id}: the host is empty; put Coco Server's address there, such as https://coco.example.com:9000"
        )
    if "://" not in host:
        scheme = schema or ("http" if connection.conn_type == "http" else "https")
        host = f"{scheme}://{host}"
    elif schema:
        host = f"{schema}://{host.split('://', 1)[1]}"
    try:
        parts = urlsplit(host)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(
            f"connection {connection.conn_id}: the host is not an address that can be asked"
        ) from error
    if parts.scheme not in ("http", "https"):
        raise ConfigurationError(
            f"connection {connection.conn_id}: schema is {parts.scheme[:40]!r}; it must be http or https, and web.base_path belongs "
            "behind the host"
        )
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        raise ConfigurationError(
            f"connection {connection.conn_id}: the host must be an address without user, query and fragment; the token belongs into "
            "the password"
        )
    number = f":{connection.port}" if port is None and connection.port else ""
    return f"{parts.scheme}://{parts.netloc}{number}{parts.path.rstrip('/')}"


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _token(connection: SinkConnection) -> str:
    token = connection.password.strip()
    if not token:
        raise ConfigurationError(
            f"connection {connection.conn_id}: the password is empty; put an API token of Coco Server there"
        )
    if not token.isascii() or any(ord(character) < 33 or ord(character) == 127 for character in token):
        raise ConfigurationError(
            f"connection {connection.conn_id}: the token holds a blank, a control character or one outside ASCII: paste it anew"
        )
    return token


class _Extras:
    """Reads the extras of a connection by name; in a connection written as a URI they are all texts."""

    def __init__(self, connection: SinkConnection) -> None:
        self._conn_id = connection.conn_id
        self._extras = {name: value for name, value in connection.extra.items() if value not in ("", None)}

    def report_unknown(self) -> None:
        unknown = sorted(set(self._extras) - set(EXTRAS))
        if unknown:
            _log.warning("connection %s: extras not known and ignored: %s", self._conn_id, ", ".join(unknown))

    def text(self, name: str) -> str | None:
        value = self._extras.get(name)
        if value is not None and not isinstance(value, str):
            raise self._wrong(name, "a text")
        return value.strip() if value else None

    def flag(self, name: str) -> bool:
        value = self._extras.get(name, True)
        known = {"true": True, "1": True, "false": False, "0": False}
        found = value if isinstance(value, bool) else known.get(str(value).strip().lower())
        if found is None:
            raise self._wrong(name, "true or false")
        return found

    def seconds(self, name: str, default: float) -> float:
        try:
            found = float(self._extras.get(name, default))
        except (TypeError, ValueError):
            found = 0.0
        if not 0 < found < 3600:
            raise self._wrong(name, "a number of seconds from 1 to 3600")
        return found

    def _wrong(self, name: str, expected: str) -> ConfigurationError:
        return ConfigurationError(f"connection {self._conn_id}: extra {name} must be {expected}")


def _object(payload: bytes) -> dict[str, Any] | None:
    try:
        data = read_json(payload)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def _reason(data: Mapping[str, Any] | None) -> str:
    error = (data or {}).get("error")
    reason = error.get("reason") if isinstance(error, dict) else error
    return str(reason or "")[:4_000].lower()


def _retry_after(value: str | None) -> float | None:
    """Return the seconds of a Retry-After header; an instant is not worth reading here."""
    return float(value) if value is not None and value.isdigit() else None
