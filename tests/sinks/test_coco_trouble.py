"""The sink coco when something is wrong: the server, the token, the settings, the connection."""

from __future__ import annotations

import gzip
import time
import tracemalloc

import pytest

from airflow_provider_confluence.documents import document_id
from airflow_provider_confluence.errors import (
    ConfigurationError,
    SinkAccessError,
    SinkCredentialsError,
    SinkUnavailableError,
)
from airflow_provider_confluence.sinks.coco import CocoSink
from airflow_provider_confluence.sinks.connection import SinkConnection
from airflow_provider_confluence.sinks.registry import make_sink
from airflow_provider_confluence.testing.coco import PERMISSIONS, CocoReadings, FakeCoco
from airflow_provider_confluence.testing.sandbox.faults import DropConnection, Respond, Stall
from tests.confluence.odd_server import OddServer, Reply, answer, refusal
from tests.confluence.raw_server import RawServer
from tests.sinks.coco_server import (
    HOME,
    OWNER,
    PAGE,
    coco,
    connection,
    connections,
    grave,
    make,
    outcomes,
    page,
    read,
    sink,
)

__all__ = ["coco", "make", "sink"]


# ---------------------------------------------------------------------------------------- trouble
@pytest.mark.parametrize("shape", ["handler", "panic"])
def test_errors_are_told_apart_by_their_reason_in_either_shape(shape):
    with FakeCoco(readings=CocoReadings(error_shape=shape)) as coco:
        sink = CocoSink(connections(coco.endpoint, coco.token), back_off_seconds=0.01)
        sink.open(OWNER)
        sink.write([page("1")])
        stranger = coco.documents()[document_id("docs", "1")] | {"_system": {"owner_id": "bob"}}
        coco.store.put(document_id("docs", "2"), stranger)
        answers = sink.write([page("2"), page("3")])
        sink.close()
        assert outcomes(answers) == ["rejected", "written"]
        assert "another user" in answers[0].reason


def test_a_document_that_the_index_cannot_map_is_rejected_alone(coco, sink):
    coco.store.put("x", {"metadata": {"media_type": True}, "created": "", "_system": {"owner_id": "bob"}})

    answers = sink.write([page("1"), page("2", media_type="text/plain"), page("3")])

    assert outcomes(answers) == ["written", "rejected", "written"]
    assert "HTTP 500" in answers[1].reason
    assert "text/plain" not in answers[1].reason


def test_an_unknown_reason_is_the_document_s_where_others_are_taken_and_the_server_s_where_none_is(coco, sink):
    broken = document_id("docs", "2")
    text = '{"status": 500, "error": {"reason": "secret page text"}}'
    coco.faults.add(fault := Respond(500, text=text, route=f"PUT /document/{broken}", times=None))
    answers = sink.write([page("1"), page("2")])
    assert outcomes(answers) == ["written", "rejected"]
    assert "secret" not in answers[1].reason
    coco.faults.remove(fault)

    coco.faults.add(Respond(500, text=text, route="PUT /document/*", times=None))
    with pytest.raises(SinkUnavailableError, match="does not know") as caught:
        sink.write([page("1"), page("2")])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "fault",
    [
        Respond(429, retry_after=0, route="PUT /document/*", times=3),
        Respond(503, route="PUT /document/*", times=3),
        Respond(500, text='{"error":{"reason":"circuit_breaking_exception"}}', route="PUT /document/*", times=3),
        DropConnection(route="PUT /document/*", times=3),
        DropConnection(route="*/_search", times=2),
        DropConnection(route="GET /datasource/*", times=2),
    ],
    ids=["429", "503", "busy by its reason", "cut", "look-up cut", "datasource cut"],
)
def test_passing_trouble_is_sat_out(coco, sink, fault):
    fault.struck = 0
    coco.faults.add(fault)
    assert outcomes(sink.write([page(str(number)) for number in range(5)])) == ["written"] * 5
    assert len(coco.documents()) == 5


def test_a_long_pause_that_is_asked_for_is_handed_on(coco, sink):
    coco.faults.add(Respond(429, retry_after=600, route="GET /datasource/*"))
    with pytest.raises(SinkUnavailableError) as caught:
        sink.write([page("1")])
    assert caught.value.retry_after_seconds == 600


def test_trouble_in_the_middle_leaves_the_rest_for_later(coco, make):
    sink = make(parallel=1)
    sink.open(OWNER)
    coco.faults.add(Respond(503, route="PUT /document/*", after=2, times=None))
    answers = sink.write([page(str(number)) for number in range(5)])
    assert outcomes(answers) == ["written", "written", "retry", "retry", "retry"]
    assert len(coco.documents()) == 2
    puts = [entry for entry in coco.requests if (entry.method, entry.path[:10]) == ("PUT", "/document/")]
    assert len(puts) == 2 + 4  # the third is tried four times; the others would only cost as much again


def test_a_token_that_expires_in_mid_run_stops_it(coco, sink):
    coco.revoke_token(coco.token)
    with pytest.raises(SinkCredentialsError, match="coco_default"):
        sink.write([page("1")])


def test_a_server_that_hangs_is_given_up(coco, make):
    there = connections(coco.endpoint, coco.token, extra={"timeout": 0.2})
    sink = CocoSink(there, back_off_seconds=0.01)
    coco.faults.add(Stall(5.0, times=None))
    began = time.monotonic()
    with pytest.raises(SinkUnavailableError, match="no answer"):
        sink.open(OWNER)
    assert time.monotonic() - began < 4
    sink.close()


# ---------------------------------------------------------------------------------------- check
def test_a_good_server_passes_and_nothing_is_written(coco, make):
    make().check()
    assert (coco.documents(), coco.datasources(), list(coco.connectors())) == ({}, {}, ["confluence"])


def test_nobody_there_is_said(coco):
    coco.stop()
    sink = CocoSink(connections(coco.endpoint, coco.token), back_off_seconds=0.01)
    with pytest.raises(SinkUnavailableError, match="right host and port"):
        sink.check()
    sink.close()


@pytest.mark.parametrize(
    "reply",
    [
        lambda _: Reply(200, b"<html>", {"Content-Type": "text/html"}),
        lambda _: answer({"name": "something", "version": "2.1"}),
        lambda _: refusal(404, b"404 page not found"),
        lambda _: refusal(302, b"", Location="https://login.example.com/"),
    ],
    ids=["a page", "another program", "nothing there", "a redirect"],
)
def test_something_else_than_a_coco_server_is_said_to_be(reply):
    with OddServer(reply) as server:
        sink = CocoSink(connections(server.origin, "geheimer-token"), back_off_seconds=0.01)
        with pytest.raises(ConfigurationError, match=r"coco_default|base_path"):
            sink.check()
        sink.close()
        assert len(server.asked) == 1


def test_the_token_does_not_follow_a_redirect():
    with OddServer(lambda _: answer({})) as elsewhere:
        with OddServer(lambda _: refusal(307, b"", Location=elsewhere.origin + "/")) as server:
            sink = CocoSink(connections(server.origin, "geheimer-token"))
            with pytest.raises(ConfigurationError, match="redirected"):
                sink.open(OWNER)
            sink.close()
        assert elsewhere.asked == []


def test_a_bad_token_is_told_from_a_missing_permission(coco, make):
    with pytest.raises(SinkCredentialsError, match=r"X-API-TOKEN"):
        make(token="wrong-token").check()
    few = PERMISSIONS - {"coco#document/delete", "coco#connector/update"}
    with pytest.raises(SinkAccessError, match=r"lacks coco#connector/update, coco#document/delete;"):
        make(token=coco.add_token("ann", few)).check()


@pytest.mark.parametrize(
    "missing", sorted(p for p in PERMISSIONS if not p.endswith(("r/delete", "e/delete", "h/search")))
)
def test_every_permission_that_a_run_needs_is_asked_for(coco, make, missing):
    if missing in ("coco#connector/search", "coco#datasource/search", "coco#document/create"):
        make(token=coco.add_token("ann", PERMISSIONS - {missing})).check()
    else:
        with pytest.raises(SinkAccessError, match=missing):
            make(token=coco.add_token("ann", PERMISSIONS - {missing})).check()


def test_the_permissions_that_are_asked_for_are_enough(coco, make):
    kinds = [f"coco#{kind}/{act}" for kind in ("connector", "datasource") for act in ("read", "create", "update")]
    enough = [*kinds, *(f"coco#document/{act}" for act in ("read", "update", "delete", "search"))]
    sink = make(token=coco.add_token("ann", enough))
    sink.check()
    sink.open(OWNER)
    sink.write([page("1", 1), page("2", 1)])
    sink.write([page("1", 2, ancestors=(HOME,)), grave("2", 2)])
    sink.flush()
    assert [item.content_id for item in sink.inventory("docs")] == ["1"]


def test_a_version_that_is_too_old_is_named():
    with FakeCoco(version="0.8.0") as coco:
        sink = CocoSink(connections(coco.endpoint, coco.token))
        with pytest.raises(ConfigurationError, match=r"0\.8\.0.*0\.9 or newer"):
            sink.check()
        sink.close()


# ---------------------------------------------------------------------------------------- settings and connections
def test_a_sink_is_made_from_settings_and_works_below_a_base_path(tmp_path):
    with FakeCoco(base_path="/search") as coco:
        settings = {"type": "coco", "conn_id": "coco_default", "parallel": 4, "connector_id": "ours"}
        sink = make_sink(settings, "any", storage=tmp_path, connections=connections(coco.endpoint, coco.token))
        sink.check()
        sink.open(OWNER)
        sink.write([PAGE])
        sink.close()
        assert read(coco, PAGE.id) == PAGE
        assert "ours" in coco.connectors()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"conid": "x"}, r"sink\.conid"),
        ({"conn_id": ""}, r"sink\.conn_id"),
        ({"connector_id": "_x"}, r"sink\.connector_id"),
        ({"connector_id": "a/b"}, r"sink\.connector_id"),
        ({"parallel": 0}, r"sink\.parallel"),
        ({"parallel": True}, r"sink\.parallel"),
        ({"parallel": 201}, r"sink\.parallel"),
        ({"max_document_bytes": "1"}, r"sink\.max_document_bytes"),
    ],
)
def test_wrong_settings_are_named(tmp_path, settings, named):
    with pytest.raises(ConfigurationError, match=named):
        make_sink({"type": "coco", **settings}, "any", storage=tmp_path)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"host": "coco.example.com"}, "https://coco.example.com"),
        ({"host": "coco.example.com", "port": 9000}, "https://coco.example.com:9000"),
        ({"host": "coco.example.com", "port": 9000, "schema": "http"}, "http://coco.example.com:9000"),
        ({"host": "coco.example.com", "conn_type": "http"}, "http://coco.example.com"),
        ({"host": "https://coco.example.com:9000/", "conn_type": "http"}, "https://coco.example.com:9000"),
        ({"host": "https://coco.example.com/search/", "port": 9000}, "https://coco.example.com:9000/search"),
        ({"host": "coco.example.com/search"}, "https://coco.example.com/search"),
    ],
)
def test_the_address_comes_from_host_schema_and_port(fields, expected):
    from airflow_provider_confluence.sinks._coco_server import base_url

    assert base_url(connection("", "t", **fields)) == expected


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"host": ""}, "host is empty"),
        ({"host": "coco", "schema": "search"}, "must be http or https"),
        ({"host": "ftp://coco"}, "must be http or https"),
        ({"host": "https://me:geheim-1@coco"}, "belongs into the password"),
        ({"host": "https://coco/?a=b"}, "without user, query"),
        ({"host": "https://coco:port"}, "not an address"),
        ({"password": ""}, "password is empty"),
        ({"password": "geheim-1\n2"}, "paste it anew"),
        ({"conn_type": "postgres"}, "needs one of type coco or http"),
        ({"extra": {"verify_ssl": "perhaps"}}, "extra verify_ssl"),
        ({"extra": {"timeout": "long"}}, "extra timeout"),
        ({"extra": {"allowed_datasources": "other*"}}, "does not admit datasource docs"),
    ],
)
def test_a_connection_that_cannot_be_used_is_named_with_its_field(fields, said):
    sink = CocoSink(connections("https://coco.example.com", "geheim-1", **fields))
    with pytest.raises(ConfigurationError, match=said) as caught:
        sink.open(OWNER)
    assert "geheim-1" not in str(caught.value)


def test_the_token_is_in_no_error_and_no_log(coco, caplog):
    caplog.set_level("DEBUG")
    coco.faults.add(Respond(500, text='{"error":{"reason":"odd"}}', route="PUT *", times=None))
    sink = CocoSink(connections(coco.endpoint, coco.token), back_off_seconds=0.01)
    sink.open(OWNER)
    with pytest.raises(SinkUnavailableError) as caught:
        sink.write([page("1")])
    sink.close()
    assert coco.token not in caplog.text + repr(caught.value) + repr(SinkConnection("a", "coco", password=coco.token))


@pytest.mark.parametrize(
    ("host", "extra", "warned"),
    [
        ("http://coco.example.com", {}, "there is no TLS to http://coco.example.com"),
        ("http://127.0.0.1:9000", {}, ""),
        ("https://coco.example.com", {}, ""),
        ("https://coco.example.com", {"verify_ssl": False}, "TLS verification is off"),
        ("https://coco.example.com", {"tokn": "x"}, "extras not known and ignored: tokn"),
    ],
)
def test_what_weakens_a_connection_is_warned_of(caplog, host, extra, warned):
    from airflow_provider_confluence.sinks._coco_server import CocoServer

    CocoServer(connection(host, "t0ken", extra=extra), parallel=1).close()
    assert warned in caplog.text
    assert bool(warned) == bool(caplog.records)


# ---------------------------------------------------------------------------------------- a server that means harm
@pytest.mark.parametrize(
    ("pieces", "forever", "kind"),
    [
        ([b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"], b" ", SinkUnavailableError),
        ([b"HTTP/1.1 200 OK\r\nX-Long: "], b"a", SinkUnavailableError),
        ([b"HTTP/1.1 302 X\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n"], b"", ConfigurationError),
        (
            [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", gzip.compress(b" " * 64 * 1024 * 1024)],
            b"",
            ConfigurationError,
        ),
        ([b"HTTP/1.1 200 OK\r\n\r\n" + b'{"a":' * 100_000], b"", ConfigurationError),
    ],
    ids=["a slow body", "slow headers", "an odd redirect", "a bomb", "deep JSON"],
)
def test_a_hostile_server_is_given_up_in_time_and_in_little_memory(pieces, forever, kind):
    def script(_line):
        yield from pieces
        while forever:
            time.sleep(0.05)
            yield forever

    with RawServer(script) as server:
        sink = CocoSink(connections(server.origin, "T0KEN", extra={"timeout": 0.2}), back_off_seconds=0.01)
        began = time.monotonic()
        tracemalloc.start()
        try:
            with pytest.raises(kind):
                sink.check()
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            sink.close()
    assert time.monotonic() - began < 10
    assert most < 100_000_000
