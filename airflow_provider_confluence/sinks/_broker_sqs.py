"""Amazon SQS: each message in kombu's envelope, as plain JSON.

SQS answers a message when it is stored redundantly; it may deliver one twice, and in another order (AWS documentation, "Amazon SQS standard
queues"). Kombu sends and takes; queues are looked up and made by the AWS client itself, because kombu lists every queue of the account for
that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.config
import botocore.exceptions
import kombu
import kombu.transport.SQS

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
    Broker,
    Delivery,
    Outgoing,
    Sent,
    check_extras,
    judge_network,
)
from airflow_provider_confluence.sinks.connection import SinkConnection

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ENVELOPE_BYTES = 2_048
_WAIT_SECONDS = 2
_TIMEOUTS = {
    "connect_timeout": CONNECT_SECONDS,
    "read_timeout": ANSWER_SECONDS,
    "retries": {"mode": "standard", "total_max_attempts": 3},
}
_ATTRIBUTES = {
    "VisibilityTimeout": "1800",
    "MessageRetentionPeriod": "1209600",
}  # 30 minutes, and 14 days, the longest there is
_BAD_KEY = (
    *(
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "AuthFailure",
        "InvalidAccessKeyId",
    ),
    *("ExpiredToken", "ExpiredTokenException", "MissingAuthenticationToken"),
)
_DENIED = (
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "KMS.AccessDeniedException",
    "KmsAccessDenied",
)
_MISSING = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


class SqsBroker(Broker):
    """The queues of an AWS account in one region. Without a login AWS's own chain of credentials holds (roles, environment)."""

    # What AWS takes since August 2025; the queue's own MaximumMessageSize may be lower.
    max_message_bytes = 1024 * 1024
    dead_suffix = "-dead"

    def __init__(self, connection: SinkConnection) -> None:
        super().__init__(connection)
        check_extras(connection, ("region_name", "endpoint_url"))
        self._aws: Any = None
        self._kombu: Any = None
        self._urls: dict[str, str] = {}
        self._held: dict[str, tuple[str, Any]] = {}

    @property
    def place(self) -> str:
        """The region, as error messages name it."""
        region = self.connection.extra.get("region_name") or "its default region"
        return f"SQS in {region} (connection {self.connection.conn_id})"

    def use(self, queue: str, *, create: bool) -> None:
        """Look the queue up, or make it: unacknowledged messages come back after 30 minutes, all are kept for 14 days."""
        if not _NAME.fullmatch(queue):
            raise ConfigurationError(
                f"queue.name: {queue[:100]!r} cannot name a standard queue in SQS: up to 80 of A-Z a-z 0-9 _ -"
            )
        with self.errors():
            try:
                url = self._client().get_queue_url(QueueName=queue)["QueueUrl"]
            except botocore.exceptions.ClientError as error:
                if _code(error) not in _MISSING:
                    raise
                if not create:
                    raise ConfigurationError(
                        f"there is no queue {queue} in {self.place}; make it, or leave out declare: false"
                    ) from error
                url = self._client().create_queue(QueueName=queue, Attributes=_ATTRIBUTES)["QueueUrl"]
            found = self._client().get_queue_attributes(QueueUrl=url, AttributeNames=["MaximumMessageSize"])
        if self._urls.get(queue) != url:
            self._urls[queue] = url
            self._disconnect()  # kombu is told the queues when it connects
        limit = found.get("Attributes", {}).get("MaximumMessageSize", self.max_message_bytes)
        self.max_message_bytes = min(self.max_message_bytes, int(limit))

    def try_writing(self, queue: str) -> None:
        """Send a batch of no messages, which SQS refuses as such after it has judged the permission."""
        with self.errors():
            try:
                self._client().send_message_batch(QueueUrl=self._urls[queue], Entries=[])
            except botocore.exceptions.ClientError as error:
                if not _code(error).endswith("EmptyBatchRequest"):
                    raise

    def size_of(self, message: Outgoing) -> int:
        """Return what SQS counts, within 2 KB: the body is a string of ASCII inside the envelope, so that an umlaut takes 6 bytes."""
        return len(json.dumps(message.body)) + len(json.dumps(dict(message.headers))) + _ENVELOPE_BYTES

    def send(self, queue: str, messages: Sequence[Outgoing]) -> list[Sent]:
        """Send one by one, a request each."""
        return self._send_each(self._channel, queue, messages, silence="SQS did not answer")

    def take(self, queue: str) -> Delivery | None:
        """Receive one message, waiting up to 2 seconds for it."""
        with self.errors():
            found = self._channel().basic_get(queue)
        if found is None:
            return None
        self._held[found.delivery_tag] = (queue, found)
        return Delivery(
            found.body,
            found.headers or {},
            str((found.properties or {}).get("message_id", "")),
            found.delivery_tag,
        )

    def acknowledge(self, delivery: Delivery) -> None:
        """Delete the message; one whose time ran out meanwhile comes again."""
        _, found = self._held.pop(delivery.token, ("", None))
        if found is not None:
            with self.errors():
                found.ack()

    def close(self) -> None:
        """Make visible again what was not acknowledged, and disconnect."""
        held, self._held = self._held, {}
        for tag, (queue, _) in held.items():
            with suppress(Exception):
                self._client().change_message_visibility(
                    QueueUrl=self._urls[queue], ReceiptHandle=tag, VisibilityTimeout=0
                )
        self._disconnect()

    def _disconnect(self) -> None:
        found, self._kombu = self._kombu, None
        if found is not None:
            with suppress(Exception):
                found.close()

    def _client(self) -> Any:
        if self._aws is None:
            session = boto3.Session(
                aws_access_key_id=self.connection.login or None,
                aws_secret_access_key=self.connection.password or None,
                region_name=self.connection.extra.get("region_name"),
            )
            self._aws = session.client("sqs", endpoint_url=self._endpoint(), config=botocore.config.Config(**_TIMEOUTS))
        return self._aws

    def _channel(self) -> Any:
        if self._kombu is None:
            endpoint = urlsplit(self._endpoint() or "")
            self._kombu = kombu.Connection(
                hostname=endpoint.hostname,
                port=endpoint.port,
                userid=self.connection.login or None,
                password=self.connection.password or None,
                transport="sqs",
                transport_options={
                    "region": self._client().meta.region_name,
                    "is_secure": endpoint.scheme != "http",
                    "predefined_queues": {name: {"url": url} for name, url in self._urls.items()},
                    "body_encoding": "utf-8",  # else kombu wraps the body in base64,
                    "sqs_base64_encoding": False,  # and the envelope again
                    "wait_time_seconds": _WAIT_SECONDS,
                    "client-config": _TIMEOUTS,
                },
            )
            # Else kombu gives unacknowledged messages back when it closes, and writes to a file what it could not.
            self._kombu.default_channel.do_restore = False
        return self._kombu.default_channel

    def _endpoint(self) -> str | None:
        given = self.connection.extra.get("endpoint_url")
        return str(given) if given else None

    def judge(self, error: Exception) -> ConfluenceProviderError | None:
        """Judge by AWS's error codes."""
        if isinstance(error, botocore.exceptions.ClientError):
            code = _code(error)
            if code in _BAD_KEY:
                return SinkCredentialsError(f"{self.place} refuses the access key ({code})")
            if code in _DENIED:
                return SinkAccessError(f"the access key lacks the permission {_action(error)} in {self.place}")
            if code in _MISSING:
                return SinkUnavailableError(f"a queue in {self.place} is gone")
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in (401, 403):
                return SinkCredentialsError(
                    f"{self.place} refuses the access key, or {_action(error)} with it ({code})"
                )
            return SinkUnavailableError(f"{self.place} does not do it now: {code}")
        if isinstance(error, (botocore.exceptions.NoCredentialsError, botocore.exceptions.PartialCredentialsError)):
            return SinkCredentialsError(
                f"there is no access key for {self.place}: set login and password, or give the workers a role"
            )
        if isinstance(error, botocore.exceptions.NoRegionError):
            return ConfigurationError(f"connection {self.connection.conn_id}: the extra region_name is missing")
        if isinstance(error, kombu.transport.SQS.AccessDeniedQueueException):
            return SinkAccessError(f"the access key lacks the permission sqs:DeleteMessage in {self.place}")
        if isinstance(error, botocore.exceptions.EndpointConnectionError):
            return SinkUnavailableError(f"{self.place} cannot be reached; check region_name and endpoint_url")
        if isinstance(error, (botocore.exceptions.BotoCoreError, OSError)):
            return judge_network(error, self.place) or SinkUnavailableError(f"the connection to {self.place} was lost")
        if isinstance(error, ValueError) and "endpoint" in str(error):
            return ConfigurationError(f"connection {self.connection.conn_id}: extra endpoint_url is not a URL")
        return None


def _code(error: botocore.exceptions.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _action(error: botocore.exceptions.ClientError) -> str:
    return f"sqs:{error.operation_name}"
