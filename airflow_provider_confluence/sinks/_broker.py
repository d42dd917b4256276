"""What the brokers behind a queue have in common: what travels over them, how a connection becomes a broker, and what its errors mean.

Everything goes through kombu; what it leaves to each transport (what an acknowledgement means, how messages that a dead consumer held
come back) is in ``_broker_amqp``, ``_broker_redis`` and ``_broker_sqs``.
"""

from __future__ import annotations

import re
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from logging import getLogger
from typing import Any, ClassVar, Literal, cast

from airflow_provider_confluence.errors import (
    ConfigurationError,
    ConfluenceProviderError,
    SinkUnavailableError,
)
from airflow_provider_confluence.sinks.connection import SinkConnection

log = getLogger(__name__)

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 30.0
"""No request waits for longer."""

_KINDS = {
    "amqp": "airflow_provider_confluence.sinks._broker_amqp:AmqpBroker",
    "redis": "airflow_provider_confluence.sinks._broker_redis:RedisBroker",
    "sqs": "airflow_provider_confluence.sinks._broker_sqs:SqsBroker",
}
CONNECTION_TYPES = {
    "amqp": "amqp",
    "amqps": "amqp",
    "rabbitmq": "amqp",
    "redis": "redis",
    "rediss": "redis",
    "aws": "sqs",
}
"""Which broker a connection type means. The transport never comes from a setting."""

_TLS_TYPES = ("amqps", "rediss")
_TLS_EXTRAS = ("ssl", "ssl_cert_reqs", "ssl_check_hostname", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_HOST = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be sent. ``body`` is JSON; ``headers`` hold short texts."""

    body: str
    message_id: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a message: *confirmed* by the broker, *refused* for good, or *unsure*: perhaps there, to be sent again."""

    outcome: Literal["confirmed", "refused", "unsure"]
    reason: str = ""


@dataclass(slots=True)
class Delivery:
    """A message that was taken and not acknowledged yet. ``token`` is the broker's own."""

    body: str | bytes
    headers: Mapping[str, Any]
    message_id: str
    token: Any


class Broker(ABC):
    """A message broker. It connects when it is first needed, and again after its connection was lost; one thread uses it.

    Every method raises :class:`SinkUnavailableError`, :class:`SinkCredentialsError`, :class:`SinkAccessError` and
    :class:`ConfigurationError` as :meth:`~airflow_provider_confluence.sinks.base.Sink.check` says.
    """

    max_message_bytes: int
    """The largest message that the broker takes, as far as is known; :meth:`use` may lower it."""

    dead_suffix: ClassVar[str] = ".dead"
    """What the name of the dead letters' queue has after that of the queue."""

    def __init__(self, connection: SinkConnection) -> None:
        self.connection = connection

    @abstractmethod
    def use(self, queue: str, *, create: bool) -> None:
        """Return when the queue can be used, connecting where that is needed.

        :param create: make it, durable, where it is not there.
        """

    @abstractmethod
    def try_writing(self, queue: str) -> None:
        """Return where this credential may send to the queue; sends nothing that stays."""

    @abstractmethod
    def size_of(self, message: Outgoing) -> int:
        """Return how many bytes the broker counts for a message."""

    @abstractmethod
    def send(self, queue: str, messages: Sequence[Outgoing]) -> list[Sent]:
        """Send messages, in order, and say of each what became of it, in the same order.

        :raises SinkUnavailableError: only where none of them is confirmed.
        """

    def _send_each(
        self, connect: Callable[[], Any], queue: str, messages: Sequence[Outgoing], *, silence: str
    ) -> list[Sent]:
        """Send over a kombu channel, each message confirmed by the answer to its own request.

        :param connect: returns the channel. :param silence: why the fate of what follows is not known where an answer is missing.
        """
        sent = [Sent("unsure", silence)] * len(messages)
        try:
            with self.errors():
                channel = connect()
                for number, message in enumerate(messages):
                    prepared = channel.prepare_message(
                        message.body,
                        content_type="application/json",
                        content_encoding="utf-8",
                        headers=dict(message.headers),
                        properties={"delivery_mode": 2, "message_id": message.message_id},
                    )
                    channel.basic_publish(prepared, exchange="", routing_key=queue)
                    sent[number] = Sent("confirmed")
        except ConfluenceProviderError:
            if not any(found.outcome == "confirmed" for found in sent):
                raise
        return sent

    @abstractmethod
    def take(self, queue: str) -> Delivery | None:
        """Return the oldest message, or ``None`` where there is none now. It stays the broker's until it is acknowledged."""

    @abstractmethod
    def acknowledge(self, delivery: Delivery) -> None:
        """Let a message go: it is done with."""

    def still_here(self, queue: str) -> None:  # noqa: B027 - most brokers see for themselves whether a consumer lives
        """Tell the broker that the messages taken are being worked on; called at least every few seconds while waiting."""

    def left(self, queue: str) -> int:  # noqa: ARG002
        """Return how many messages are not done with though :meth:`take` found none: those that other consumers hold.

        A broker that puts back by itself what a dead consumer held need not count them.
        """
        return 0

    @abstractmethod
    def close(self) -> None:
        """Give back what was taken and not acknowledged, and disconnect; safe to repeat, never raises."""

    @property
    def place(self) -> str:
        """The broker as error messages name it, without a secret."""
        port = f":{self.connection.port}" if self.connection.port else ""
        return f"{self.connection.host}{port} (connection {self.connection.conn_id})"

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what the client library raises into this package's errors."""
        try:
            yield
        except ConfluenceProviderError:
            raise
        except Exception as error:
            found = self.judge(error)
            if found is None:
                raise
            if isinstance(found, SinkUnavailableError):
                self.close()  # the next call connects anew
            raise found from error

    @abstractmethod
    def judge(self, error: Exception) -> ConfluenceProviderError | None:
        """Return what an exception means to the caller; ``None`` for a mistake of this program."""


def make_broker(connection: SinkConnection) -> Broker:
    """Return the broker that a connection leads to, not connected yet.

    :raises ConfigurationError: for another type of connection, and for extras that it does not take.
    """
    connection.check_type(tuple(CONNECTION_TYPES))
    module, _, name = _KINDS[CONNECTION_TYPES[connection.conn_type]].partition(":")
    try:
        kind = getattr(import_module(module), name)
    except ImportError as error:
        raise ConfigurationError(missing_library(connection.conn_type)) from error
    return cast(Broker, kind(connection))


def missing_library(conn_type: str) -> str:
    """Return what to install."""
    also = {"redis": " 'kombu[redis]'", "rediss": " 'kombu[redis]'", "aws": " 'kombu[sqs]'"}.get(conn_type, "")
    return (
        f"a queue on a connection of type {conn_type} needs packages that are not installed: "
        f"pip install 'airflow-provider-confluence[queue]'{also}"
    )


# ------------------------------------------------------------------------------------------ reading a connection
def check_extras(connection: SinkConnection, known: Iterable[str]) -> None:
    """Return where all extras are known. :raises ConfigurationError: naming one that is not."""
    taken = sorted({*known, "allowed_datasources"})
    for name in connection.extra:
        if name not in taken:
            raise ConfigurationError(
                f"connection {connection.conn_id}: extra {name} is not known to the queue sink; it takes {', '.join(taken)}"
            )


def host_of(connection: SinkConnection) -> str:
    """Return the host. :raises ConfigurationError: where it is missing, or a URL or list, in which kombu would see another transport."""
    if not _HOST.fullmatch(connection.host):
        raise ConfigurationError(
            f"connection {connection.conn_id}: host {connection.host[:100]!r} is not the name or IPv4 address of one host"
        )
    return connection.host


def truth(connection: SinkConnection, name: str, default: bool) -> bool:
    """Return an extra that is true or false; connections given as URIs have it as a text."""
    value = connection.extra.get(name, default)
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "1", "yes", "on"):
        return True
    if str(value).lower() in ("false", "0", "no", "off"):
        return False
    raise ConfigurationError(f"connection {connection.conn_id}: extra {name} must be true or false")


@dataclass(frozen=True, slots=True)
class Tls:
    """How TLS is done: verified, against the system's authorities or those of ``ca_certs``."""

    verify: bool
    check_hostname: bool
    ca_certs: str | None
    certfile: str | None
    keyfile: str | None


TLS_EXTRAS = _TLS_EXTRAS


def tls_of(connection: SinkConnection) -> Tls | None:
    """Return how TLS is done, ``None`` for none. The extras have the names that Airflow's Redis hook gives them."""
    if not truth(connection, "ssl", connection.conn_type in _TLS_TYPES):
        return None
    wanted = str(connection.extra.get("ssl_cert_reqs", "required")).lower()
    if wanted not in ("required", "none"):
        raise ConfigurationError(f"connection {connection.conn_id}: extra ssl_cert_reqs must be required or none")
    if wanted == "none":
        log.warning("connection %s: the broker's certificate is not verified (ssl_cert_reqs=none)", connection.conn_id)

    def path(name: str) -> str | None:
        value = connection.extra.get(name)
        return str(value) if value else None

    return Tls(
        verify=wanted == "required",
        check_hostname=wanted == "required" and truth(connection, "ssl_check_hostname", True),
        ca_certs=path("ssl_ca_certs"),
        certfile=path("ssl_certfile"),
        keyfile=path("ssl_keyfile"),
    )


def connect_once(connection: Any) -> None:
    """Connect a kombu connection where it is not, trying once: trying again is the caller's business."""
    connection.ensure_connection(
        max_retries=0, interval_start=0, interval_step=0, reraise_as_library_errors=False, timeout=0.001
    )


# ------------------------------------------------------------------------------------------ what errors mean
def judge_network(error: BaseException, place: str) -> ConfluenceProviderError | None:
    """Return what an error of the network means, looking through its causes; ``None`` where none of them is one."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = cast(BaseException, error.__cause__ or error.__context__)
    for found in chain:
        if isinstance(found, FileNotFoundError):
            return ConfigurationError(
                f"the broker at {place}: a file for TLS is not there: check ssl_ca_certs, ssl_certfile, ssl_keyfile"
            )
        if isinstance(found, ssl.SSLCertVerificationError):
            return SinkUnavailableError(
                f"the broker at {place} shows a certificate that cannot be verified ({found.verify_message}); "
                "name the authority's certificates with the connection's extra ssl_ca_certs"
            )
        if isinstance(found, ssl.SSLError):
            return SinkUnavailableError(
                f"TLS with the broker at {place} fails ({found.reason}); does this port speak TLS?"
            )
        if isinstance(found, socket.gaierror):
            return SinkUnavailableError(f"the broker's host is not known: {place}; check the connection's host")
        if isinstance(found, ConnectionRefusedError):
            return SinkUnavailableError(f"nobody answers at {place}: the connection is refused; check host and port")
        if isinstance(found, TimeoutError):
            return SinkUnavailableError(f"the broker at {place} does not answer in time")
    if any(isinstance(found, OSError) for found in chain):
        return SinkUnavailableError(f"the connection to the broker at {place} was lost")
    return None
