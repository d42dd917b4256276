"""Redis and Valkey: a list, filled at its left end and emptied at its right, each item in kombu's envelope.

Sending is kombu's. Taking is not: kombu removes an item from the list first and notes it as unacknowledged in a second command, so that a
consumer killed in between loses it. Here one LMOVE takes it into a list of the consumer's own, which whoever finds the consumer dead
gives back. (Redis documentation, LMOVE, "Pattern: Reliable queue".)

Beside the queue ``q``: the list ``q.taken.<consumer>``, the key ``q.alive.<consumer>`` with a time to live, the set ``q.consumers``.
"""

from __future__ import annotations

import json
import time
from base64 import b64decode
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

import kombu
import redis

from airflow_provider_confluence.errors import (
    ConfigurationError,
    ConfluenceProviderError,
    SinkAccessError,
    SinkCredentialsError,
    SinkUnavailableError,
)
from airflow_provider_confluence.sinks._broker import (
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

ALIVE_SECONDS = 60
"""How long a consumer that says nothing is thought to be alive; then what it took is given back."""

_RENEW_SECONDS = 10.0


class RedisBroker(Broker):
    """A database of a Redis or Valkey (6.2 or newer)."""

    max_message_bytes = 32 * 1024 * 1024

    def __init__(self, connection: SinkConnection) -> None:
        super().__init__(connection)
        check_extras(connection, (*TLS_EXTRAS, "db"))
        self._me = uuid4().hex
        self._kombu: Any = None
        self._consumes: str | None = None
        self._renewed = 0.0

    def use(self, queue: str, *, create: bool) -> None:  # noqa: ARG002 - a list that is empty is not there
        """Look whether the key is a list, or free."""
        with self.errors():
            kind = self._client().type(queue)
        if kind not in (b"list", b"none"):
            raise ConfigurationError(
                f"the key {queue} at {self.place} is a {kind.decode()}, not a list; choose another queue.name"
            )

    def try_writing(self, queue: str) -> None:
        """Queue a push into a transaction, where the server judges it (permission, memory, replica), and discard that."""
        with self.errors():
            pool = self._client().connection_pool
            connection = pool.get_connection()
            try:
                for command in (("MULTI",), ("LPUSH", queue, ""), ("DISCARD",)):
                    connection.send_command(*command)
                    connection.read_response()
            except redis.RedisError:
                connection.disconnect()  # and with it the transaction
                raise
            finally:
                pool.release(connection)

    def size_of(self, message: Outgoing) -> int:
        """Return the bytes of the body; the envelope, in which it is a JSON string, is larger."""
        return len(message.body.encode())

    def send(self, queue: str, messages: Sequence[Outgoing]) -> list[Sent]:
        """Push one by one; what the server answered is in its memory, and on its disk as its own settings say."""
        return self._send_each(
            lambda: self._connected().default_channel, queue, messages, silence="the server did not answer"
        )

    def take(self, queue: str) -> Delivery | None:
        """Move the oldest item into this consumer's own list; from time to time give back what dead consumers held."""
        with self.errors():
            self.still_here(queue)
            item = self._client().lmove(queue, self._taken(queue), "RIGHT", "LEFT")
        return None if item is None else _delivery(queue, item)

    def acknowledge(self, delivery: Delivery) -> None:
        """Remove the item from this consumer's list. Where another one gave it back meanwhile, it comes again."""
        queue, item = delivery.token
        with self.errors():
            self._client().lrem(self._taken(queue), 1, item)

    def still_here(self, queue: str) -> None:
        """Renew the sign of life, every 10 seconds at most, and look for consumers whose own has run out."""
        if self._consumes == queue and time.monotonic() - self._renewed < _RENEW_SECONDS:
            return
        with self.errors():
            client = self._client()
            if self._consumes != queue:  # what was in hand when the connection broke
                self._give_back(client, queue, self._me)
            client.set(f"{queue}.alive.{self._me}", "1", ex=ALIVE_SECONDS)
            client.sadd(f"{queue}.consumers", self._me)
            self._consumes, self._renewed = queue, time.monotonic()
            for other in client.smembers(f"{queue}.consumers"):
                if not client.exists(f"{queue}.alive.{other.decode()}"):
                    self._give_back(client, queue, other.decode())

    def left(self, queue: str) -> int:
        """Count what other consumers hold, dead ones included until their time has run out, and what they have just given back."""
        with self.errors():
            client = self._client()
            others = [other.decode() for other in client.smembers(f"{queue}.consumers")]
            held = sum(int(client.llen(f"{queue}.taken.{other}")) for other in others if other != self._me)
            return held + int(client.llen(queue))

    def close(self) -> None:
        """Give back what is left, and disconnect. Where that fails, another consumer gives it back within a minute."""
        found, queue = self._kombu, self._consumes
        self._kombu, self._consumes = None, None
        if found is None:
            return
        with suppress(Exception):
            if queue is not None:
                self._give_back(found.default_channel.client, queue, self._me)
        with suppress(Exception):
            found.close()

    def _give_back(self, client: Any, queue: str, consumer: str) -> None:
        # What it took last stands left in its list, and goes back first: so the oldest ends outermost, where it is taken first.
        while client.lmove(f"{queue}.taken.{consumer}", queue, "LEFT", "RIGHT") is not None:
            pass
        client.srem(f"{queue}.consumers", consumer)
        client.delete(f"{queue}.alive.{consumer}")

    def _taken(self, queue: str) -> str:
        return f"{queue}.taken.{self._me}"

    def _client(self) -> Any:
        return self._connected().default_channel.client

    def _connected(self) -> Any:
        if self._kombu is None:
            tls = tls_of(self.connection)
            self._kombu = kombu.Connection(
                hostname=host_of(self.connection),
                port=self.connection.port or 6379,
                userid=self.connection.login or None,
                password=self.connection.password or None,
                virtual_host=str(self._database()),
                transport="redis",
                ssl=False
                if tls is None
                else {
                    "ssl_cert_reqs": "required" if tls.verify else "none",
                    "ssl_check_hostname": tls.check_hostname,
                    "ssl_ca_certs": tls.ca_certs,
                    "ssl_certfile": tls.certfile,
                    "ssl_keyfile": tls.keyfile,
                },
                transport_options={
                    "body_encoding": "utf-8",  # else kombu wraps the body in base64
                    "socket_connect_timeout": CONNECT_SECONDS,
                    "socket_timeout": CONNECT_SECONDS,
                },
            )
            try:
                connect_once(self._kombu)
            except Exception:
                self._kombu = None
                raise
        return self._kombu

    def _database(self) -> int:
        given = str(self.connection.extra.get("db", self.connection.schema) or "0")
        if not given.isascii() or not given.isdigit():
            raise ConfigurationError(
                f"connection {self.connection.conn_id}: the database must be a number (extra db, or schema)"
            )
        return int(given)

    def judge(self, error: Exception) -> ConfluenceProviderError | None:
        """Judge by the client's exceptions, which follow the server's error codes."""
        user = self.connection.login or "default"
        if isinstance(error, redis.exceptions.NoPermissionError):
            return SinkAccessError(f"user {user} lacks a permission at {self.place}: {str(error)[:300]}")
        if isinstance(
            error, (redis.exceptions.AuthenticationError, redis.exceptions.AuthenticationWrongNumberOfArgsError)
        ):
            return SinkCredentialsError(f"the server at {self.place} refuses the credential of user {user}")
        if isinstance(error, redis.exceptions.ResponseError):
            text = str(error)
            if "DB index" in text:
                return ConfigurationError(f"there is no database {self._database()} at {self.place}")
            if text.startswith("WRONGTYPE"):
                return ConfigurationError(
                    f"a key of the queue at {self.place} is of another type; choose another queue.name"
                )
            return SinkUnavailableError(f"the server at {self.place} does not do it now: {text[:200]}")
        network = judge_network(error, self.place)
        if network is not None:
            return network
        if isinstance(error, redis.exceptions.InvalidResponse):
            return ConfigurationError(f"what answers at {self.place} is no Redis")
        if isinstance(error, (redis.RedisError, kombu.exceptions.OperationalError)):
            return SinkUnavailableError(f"the connection to the server at {self.place} was lost")
        return None


def _delivery(queue: str, item: bytes) -> Delivery:
    """Take an item out of kombu's envelope; what has none is a message as it is."""
    token = (queue, item)
    try:
        envelope = json.loads(item)
        properties, body = envelope["properties"], envelope["body"]
        if properties.get("body_encoding") == "base64":
            body = b64decode(body)
        return Delivery(
            str(body) if not isinstance(body, bytes) else body,
            dict(envelope.get("headers") or {}),
            str(properties.get("message_id", "")),
            token,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Delivery(item, {}, "", token)
