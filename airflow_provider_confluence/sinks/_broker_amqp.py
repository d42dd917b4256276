"""RabbitMQ, and other brokers of AMQP 0-9-1.

A message counts as confirmed when the broker confirms it: on disk in a durable classic queue, on a majority of nodes in a quorum queue
(RabbitMQ documentation, "Consumer Acknowledgements and Publisher Confirms"). Confirms are awaited for a batch as a whole: one by one they
cost a round trip and an fsync each. Routing is mandatory: where the queue is gone, the broker gives the message back.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

import amqp
import kombu

from airflow_provider_confluence.errors import (
    ConfigurationError,
    ConfluenceProviderError,
    SinkAccessError,
    SinkCredentialsError,
    SinkUnavailableError,
)
from airflow_provider_confluence.sinks._broker import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    TLS_EXTRAS,
    Broker,
    Delivery,
    Outgoing,
    Sent,
    check_extras,
    connect_once,
    host_of,
    judge_network,
    tls_of,
)
from airflow_provider_confluence.sinks.connection import SinkConnection

_TOO_LARGE = "is larger than"  # "message size 20971520 is larger than configured max size 16777216"


class AmqpBroker(Broker):
    """A connection with a channel to send on and one to take from. Unacknowledged messages go back when it closes, or breaks."""

    # RabbitMQ 4.0's max_message_size; 3.x takes 128 MiB.
    max_message_bytes = 16 * 1024 * 1024

    def __init__(self, connection: SinkConnection) -> None:
        super().__init__(connection)
        check_extras(connection, TLS_EXTRAS)
        self._kombu: Any = None
        self._sending: _Confirming | None = None
        self._taking: Any = None

    def use(self, queue: str, *, create: bool) -> None:
        """Declare the queue as durable, or only look whether it is there."""
        if len(queue.encode()) > 255 or queue.startswith("amq."):
            raise ConfigurationError(f"queue.name: {queue[:100]!r} cannot name a queue in RabbitMQ")
        with self.errors(), self._connected().channel() as channel:
            try:
                channel.queue_declare(queue, passive=not create, durable=True, exclusive=False, auto_delete=False)
            except amqp.NotFound as error:
                raise ConfigurationError(
                    f"there is no queue {queue} in the virtual host {self._vhost} of {self.place}; make it, or leave out declare: false"
                ) from error
            except amqp.PreconditionFailed as error:
                raise ConfigurationError(
                    f"the queue {queue} of {self.place} is not the plain durable one that would be made ({_inequivalent(error)}); "
                    "to use it as it is, say declare: false"
                ) from error

    def try_writing(self, queue: str) -> None:  # noqa: ARG002 - the permission is that of the default exchange
        """Send to a queue that does not exist: the broker gives that back where sending is permitted, and stores nothing."""
        with self.errors(), self._connected().channel() as channel:
            sending = _Confirming(channel)
            sending.publish(f"not-there.{uuid4().hex}", Outgoing("", ""))
            sending.wait()

    def size_of(self, message: Outgoing) -> int:
        """Return the bytes of the body: headers are not counted."""
        return len(message.body.encode())

    def send(self, queue: str, messages: Sequence[Outgoing]) -> list[Sent]:
        """Publish all, then wait for all confirms."""
        sent = [Sent("unsure", "the broker did not confirm it")] * len(messages)
        try:
            with self.errors():
                self._publish(queue, messages, list(range(len(messages))), sent)
        except ConfluenceProviderError:
            if not any(found.outcome == "confirmed" for found in sent):
                raise
        if sent and all(found.reason == _NO_QUEUE for found in sent):
            raise SinkUnavailableError(f"the queue {queue} of {self.place} is gone")
        return sent

    def _publish(self, queue: str, messages: Sequence[Outgoing], numbers: list[int], sent: list[Sent]) -> None:
        sending = self._sender()
        try:
            for number in numbers:
                sending.publish(queue, messages[number], number)
            sending.wait()
        except amqp.PreconditionFailed as error:
            if _TOO_LARGE not in str(error.reply_text):
                raise
            self._sending = None  # the broker closes the channel over it, and does not say which one it was
            sending.close()
        finally:
            for number, outcome in sending.outcomes.items():
                sent[number] = outcome
        if self._sending is not None:
            return
        left = [number for number in numbers if sent[number].outcome == "unsure"]
        if len(numbers) == 1 and left:
            sent[left[0]] = Sent("refused", "the message is larger than this broker takes (max_message_size)")
        elif len(numbers) > 1:
            for number in left:
                self._publish(queue, messages, [number], sent)

    def take(self, queue: str) -> Delivery | None:
        """Get one message."""
        with self.errors():
            if self._taking is None:
                self._taking = self._connected().channel()
            found = self._taking.basic_get(queue)
        if found is None:
            return None
        properties = found.properties
        return Delivery(
            found.body,
            properties.get("application_headers") or {},
            str(properties.get("message_id", "")),
            (self._taking, found.delivery_tag),
        )

    def acknowledge(self, delivery: Delivery) -> None:
        """Acknowledge on the channel that it came over; another one would take the number for a message of its own."""
        channel, tag = delivery.token
        with self.errors():
            if channel is not self._taking:
                raise SinkUnavailableError(
                    f"the connection to the broker at {self.place} was lost; the message comes again"
                )
            channel.basic_ack(tag)

    def close(self) -> None:
        """Disconnect; the broker puts back what was not acknowledged."""
        found, self._kombu, self._sending, self._taking = self._kombu, None, None, None
        if found is not None:
            with suppress(Exception):  # what is broken needs no closing
                found.close()

    @property
    def _vhost(self) -> str:
        return self.connection.schema or "/"

    def _connected(self) -> Any:
        if self._kombu is None:
            self._kombu = kombu.Connection(
                hostname=host_of(self.connection),
                port=self.connection.port,
                userid=self.connection.login or "guest",
                password=self.connection.password or "guest",
                virtual_host=self._vhost,
                transport="pyamqp",
                connect_timeout=CONNECT_SECONDS,
                ssl=self._tls(),
                transport_options={"read_timeout": ANSWER_SECONDS, "write_timeout": ANSWER_SECONDS},
            )
        try:
            connect_once(self._kombu)
        except Exception:
            self.close()
            raise
        return self._kombu

    def _tls(self) -> dict[str, Any] | bool:
        tls = tls_of(self.connection)
        if tls is None:
            return False
        # Without a server_hostname py-amqp compares no names; kombu puts the host where it is None.
        name = {"server_hostname": self.connection.host} if tls.check_hostname else {}
        verify = ssl.CERT_REQUIRED if tls.verify else ssl.CERT_NONE
        return {"cert_reqs": verify, "ca_certs": tls.ca_certs, "certfile": tls.certfile, "keyfile": tls.keyfile, **name}

    def _sender(self) -> _Confirming:
        connected = self._connected()
        if self._sending is None:
            self._sending = _Confirming(connected.channel())
        return self._sending

    def judge(self, error: Exception) -> ConfluenceProviderError | None:
        """Judge by RabbitMQ's reply codes: 403 at the start is the credential, 530 the virtual host, 403 on a channel a permission."""
        text = str(getattr(error, "reply_text", "") or "")
        if isinstance(error, amqp.AccessRefused):
            if "Login was refused" in text:
                return SinkCredentialsError(
                    f"the broker at {self.place} refuses the credential of user {self.connection.login or 'guest'}"
                )
            return SinkAccessError(
                f"user {self.connection.login or 'guest'} lacks a permission at {self.place}: {text[:300]}"
            )
        if isinstance(error, amqp.NotAllowed):
            if "not found" in text:
                return ConfigurationError(
                    f"there is no virtual host {self._vhost} at {self.place}; the connection's schema names it"
                )
            return SinkAccessError(
                f"user {self.connection.login or 'guest'} may not use the virtual host {self._vhost} at {self.place}"
            )
        if isinstance(error, amqp.NotFound):
            return ConfigurationError(f"the queue is not there any more at {self.place}: {text[:300]}")
        network = judge_network(error, self.place)
        if network is not None:
            return network
        if isinstance(error, (amqp.UnexpectedFrame, amqp.FrameError, amqp.FrameSyntaxError)):
            return ConfigurationError(f"what answers at {self.place} does not speak AMQP")
        if isinstance(error, amqp.AMQPError):
            return SinkUnavailableError(
                f"the broker at {self.place} ended the connection: {text[:300] or type(error).__name__}"
            )
        if isinstance(error, AttributeError) and (self._kombu is None or not self._kombu.connected):
            # py-amqp has these where its connection vanished in mid-call (kombu, transport/pyamqp.py).
            return SinkUnavailableError(f"the connection to the broker at {self.place} was lost")
        return None


_NO_QUEUE = "there is no such queue"


class _Confirming:
    """A channel in confirm mode: the broker numbers what is published on it from 1, and answers by these numbers."""

    def __init__(self, channel: Any) -> None:
        self.outcomes: dict[int, Sent] = {}
        self._channel = channel
        self._published = 0
        self._waiting: dict[int, tuple[int, str]] = {}
        self._returned: set[str] = set()
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_nack)
        channel.events["basic_return"].add(self._on_return)
        channel.confirm_select()

    def publish(self, queue: str, message: Outgoing, number: int = 0) -> None:
        """Send a message; its outcome will stand under ``number``."""
        prepared = self._channel.prepare_message(
            message.body.encode(),
            content_type="application/json",
            content_encoding="utf-8",
            headers=dict(message.headers),
            properties={"delivery_mode": 2, "message_id": message.message_id},
        )
        if not self._waiting:
            self.outcomes, self._returned = {}, set()
        self._published += 1
        self._waiting[self._published] = (number, message.message_id)
        self._channel.basic_publish(prepared, exchange="", routing_key=queue, mandatory=True)

    def wait(self) -> None:
        """Return when every message has its outcome."""
        while self._waiting:
            self._channel.connection.drain_events(timeout=ANSWER_SECONDS)

    def close(self) -> None:
        """Close the channel."""
        with suppress(Exception):
            self._channel.close()

    def _on_ack(self, tag: int, multiple: bool) -> None:
        for number, message_id in self._settled(tag, multiple):
            # A message that could not be routed is given back first, and confirmed then.
            self.outcomes[number] = Sent("unsure", _NO_QUEUE) if message_id in self._returned else Sent("confirmed")

    def _on_nack(self, tag: int, multiple: bool) -> None:
        for number, _ in self._settled(tag, multiple):
            self.outcomes[number] = Sent("unsure", "the broker does not take it now (is the queue full?)")

    def _on_return(self, _error: Exception, _exchange: str, _queue: str, message: Any) -> None:
        self._returned.add(str(message.properties.get("message_id", "")))

    def _settled(self, tag: int, multiple: bool) -> list[tuple[int, str]]:
        tags = [waiting for waiting in self._waiting if waiting <= tag] if multiple else [tag]
        return [self._waiting.pop(found) for found in tags if found in self._waiting]


def _inequivalent(error: amqp.PreconditionFailed) -> str:
    """Return RabbitMQ's reason, which names the argument and both values."""
    return str(error.reply_text).partition(" - ")[2][:300] or "precondition failed"
