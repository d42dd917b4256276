"""What ``check()`` tells people, what ``open`` refuses, and what is listed: each trouble by its name, on servers of the interfaces."""

import json
import ssl
from dataclasses import replace

import pytest

from airflow_provider_confluence.errors import (
    ConfigurationError,
    SinkAccessError,
    SinkCredentialsError,
    SinkUnavailableError,
)
from airflow_provider_confluence.sinks.connection import SinkConnection
from airflow_provider_confluence.sinks.registry import make_sink
from airflow_provider_confluence.testing.sink_conformance import OWNER, make_document
from tests.confluence.odd_server import OddServer, Reply, answer, refusal
from tests.sinks.servers import connection_to, free_port, unused
from tests.sinks.test_search_docs import search_as
from tests.sinks.tls import authority_and_certificate


@pytest.fixture(params=["opensearch", "elasticsearch"])
def kind(request):
    return request.param


@pytest.fixture
def server(kind, request):
    return request.getfixturevalue(kind)


@pytest.fixture
def alias():
    return unused()


@pytest.fixture
def sink(server, alias, tmp_path):
    sink = make_sink({"type": server.kind}, alias, storage=tmp_path, connections=server.connections)
    yield sink
    sink.close()


def sink_to(kind, origin, tmp_path, **extra):
    connection = SinkConnection("search", kind, host=origin, login="anna", password="geheim-1234", extra=extra)
    return make_sink({"type": kind, "conn_id": "search"}, "docs", storage=tmp_path, connections=lambda _: connection)


# ------------------------------------------------------------------------------------------ who answers
def test_a_port_that_nobody_listens_on(kind, tmp_path):
    with pytest.raises(SinkUnavailableError, match=r"connection search.*cannot be reached"):
        sink_to(kind, f"http://127.0.0.1:{free_port()}", tmp_path).check()


def test_a_host_that_has_no_address(kind, tmp_path):
    with pytest.raises(SinkUnavailableError, match=r"no-such-host\.invalid:9200 .*cannot be reached"):
        sink_to(kind, "no-such-host.invalid", tmp_path).check()


def test_a_certificate_that_nobody_vouches_for(kind, tmp_path):
    authority, certificate, key = authority_and_certificate("localhost")
    (tmp_path / "authority.pem").write_bytes(authority)
    (tmp_path / "both.pem").write_bytes(key + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    with OddServer(lambda _: refusal(401), tls=context) as server:
        here = server.origin.replace("127.0.0.1", "localhost")
        trusted = {"ca_certs": str(tmp_path / "authority.pem")}
        with pytest.raises(SinkUnavailableError, match="TLS failed"):
            sink_to(kind, here, tmp_path).check()
        with pytest.raises(SinkUnavailableError, match="TLS failed"):
            sink_to(kind, server.origin, tmp_path, **trusted).check()  # it is for another name
        assert server.asked == []

        with pytest.raises(SinkCredentialsError):
            sink_to(kind, here, tmp_path, **trusted).check()
        with pytest.raises(SinkCredentialsError):
            sink_to(kind, here, tmp_path, verify_certs=False).check()


def test_a_credential_that_is_refused(kind, tmp_path):
    with OddServer(lambda _: refusal(401)) as server, pytest.raises(SinkCredentialsError, match="connection search"):
        sink_to(kind, server.origin, tmp_path).check()


OLD = {
    "opensearch": {"version": {"distribution": "opensearch", "number": "1.3.2"}},
    "elasticsearch": {"version": {"number": "6.8.0"}, "tagline": "You Know, for Search"},
}
OTHER = {"opensearch": "elasticsearch", "elasticsearch": "opensearch"}


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(200, b"<html>Welcome</html>", {"Content-Type": "text/html"}), "it is no"),
        (answer({"hello": "world"}), "it is no"),
        (answer([1, 2]), "it is no"),
        (Reply(404, b"not found", {"Content-Type": "text/plain"}), "something else is there"),
    ],
)
def test_something_else_that_answers(kind, reply, message, tmp_path):
    with OddServer(lambda _: reply) as server, pytest.raises(ConfigurationError, match=message):
        sink_to(kind, server.origin, tmp_path).check()


def test_a_server_that_is_too_old(kind, tmp_path):
    with (
        OddServer(lambda _: answer(OLD[kind])) as server,
        pytest.raises(ConfigurationError, match="oldest that will do"),
    ):
        sink_to(kind, server.origin, tmp_path).check()


def test_the_other_of_the_two(kind, request, tmp_path):
    other = request.getfixturevalue(OTHER[kind])
    port = int(other.url.rsplit(":", 1)[1])
    sink = make_sink(
        {"type": kind}, "docs", storage=tmp_path, connections=lambda conn_id: connection_to(kind, port, conn_id)
    )

    with pytest.raises(ConfigurationError, match=f"sink {OTHER[kind]}"):
        sink.check()


def test_a_missing_permission_is_named(kind, tmp_path):
    said = {"opensearch": {"version": {"distribution": "opensearch", "number": "2.19.1"}}, "elasticsearch": None}[kind]
    said = said or {"version": {"number": "9.0.0"}, "tagline": "You Know, for Search"}
    denied = {"type": "security_exception", "reason": "no permissions for [indices:admin/create] and User [name=anna]"}

    def reply(asked):
        if asked.path == "/":
            return answer(said)
        if asked.method == "PUT":
            return refusal(403, json.dumps({"error": denied}).encode())
        return refusal(404, b'{"error": {"type": "index_not_found_exception"}}')

    with OddServer(reply) as server, pytest.raises(SinkAccessError, match="indices:admin/create"):
        sink_to(kind, server.origin, tmp_path).check()


# ------------------------------------------------------------------------------------------ what is there
def test_a_good_server_passes_and_nothing_is_written(sink, server, alias):
    sink.check()
    sink.check()

    server.ask("POST", f"/{alias},{alias}-control/_refresh")
    assert server.ask("GET", f"/{alias},{alias}-control/_count")[1]["count"] == 0


def test_an_index_under_the_name_of_the_alias(sink, server, alias):
    server.ask("PUT", f"/{alias}", {})

    for call in (sink.check, lambda: sink.open(OWNER)):
        with pytest.raises(ConfigurationError, match=f"{alias} is an index, and must be an alias"):
            call()


def test_an_alias_of_several_indexes(sink, server, alias):
    for number in (1, 2):
        server.ask("PUT", f"/{alias}-other{number}", {"aliases": {alias: {}}})

    with pytest.raises(ConfigurationError, match="stands for 2 indexes"):
        sink.check()


def test_an_index_without_its_alias(sink, server, alias):
    server.ask("PUT", f"/{alias}-000001", {})

    with pytest.raises(ConfigurationError, match=f"no alias {alias}"):
        sink.check()


def test_an_index_made_by_hand_with_other_fields(sink, server, alias):
    fields = {"title": {"type": "keyword"}, "space": {"properties": {"key": {"type": "text"}}}}
    server.ask("PUT", f"/{alias}-mine", {"aliases": {alias: {}}, "mappings": {"properties": fields}})

    with pytest.raises(ConfigurationError) as caught:
        sink.open(OWNER)
    assert "title is keyword, should be text" in str(caught.value)
    assert "space.key is text, should be keyword" in str(caught.value)


def test_an_index_that_an_earlier_version_made_gets_the_fields_that_are_new(sink, server, alias):
    sink.check()
    [(index, found)] = server.ask("GET", f"/{alias}")[1].items()
    server.ask("DELETE", f"/{index}")
    fields = found["mappings"]["properties"]
    del fields["chunks"]
    del fields["title"]["fields"]
    body = {"aliases": {alias: {}}, "mappings": {"dynamic": "strict", "properties": fields}}
    assert server.ask("PUT", f"/{index}", body)[0] == 200

    sink.open(OWNER)

    assert [answer.outcome for answer in sink.write([make_document(1, 1)])] == ["written"]
    [found] = server.ask("GET", f"/{index}")[1].values()
    assert found["mappings"]["properties"]["chunks"]["properties"]["start"]["type"] == "integer"
    assert "cjk" in found["mappings"]["properties"]["title"]["fields"]
    assert found["settings"]["index"]["gc_deletes"] == "12h"


def test_what_an_earlier_version_wrote_is_found_by_no_reader_until_it_is_written_again(sink, server, alias):
    """It has `permissions`, and no levels that can be filtered by."""
    sink.check()
    [(index, found)] = server.ask("GET", f"/{alias}")[1].items()
    server.ask("DELETE", f"/{index}")
    fields = found["mappings"]["properties"]
    del fields["permission_levels"]
    server.ask("PUT", f"/{index}", {"aliases": {alias: {}}, "mappings": {"dynamic": "strict", "properties": fields}})
    document = replace(make_document(1, 1), permissions=[["anonymous"]])
    server.ask("PUT", f"/{alias}/_doc/{document.id}", document.to_json())

    def found_by(principals):
        body = search_as(principals)
        status, found = server.ask("POST", f"/{alias}/_search", body)
        assert status == 200, found
        return [hit["_id"] for hit in found["hits"]["hits"]]

    sink.open(OWNER)
    sink.flush()
    assert found_by(["anonymous"]) == []
    sink.write([replace(document, revision=2)])
    sink.flush()
    assert found_by(["anonymous"]) == [document.id]
    assert found_by(["user:anna"]) == []


@pytest.mark.parametrize(
    ("block", "error", "message"),
    [
        ("read_only_allow_delete", SinkUnavailableError, "disk is nearly full"),
        ("write", ConfigurationError, r"index\.blocks\.write"),
    ],
)
def test_an_index_that_is_blocked(sink, server, alias, block, error, message):
    sink.check()
    server.ask("PUT", f"/{alias}/_settings", {"index": {"blocks": {block: True}}})

    with pytest.raises(error, match=message):
        sink.check()


def test_two_tasks_that_open_at_once_make_one_index(server, alias, tmp_path):
    import threading

    problems = []
    together = threading.Barrier(4, timeout=30)

    def open_it():
        sink = make_sink({"type": server.kind}, alias, storage=tmp_path, connections=server.connections)
        try:
            together.wait()
            sink.open(OWNER)
        except Exception as error:  # noqa: BLE001 - carried to the test's own thread
            problems.append(error)
        finally:
            sink.close()

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []


def test_of_two_deployments_that_open_at_once_one_is_refused(server, alias, tmp_path):
    import threading
    from dataclasses import replace

    from airflow_provider_confluence.errors import OwnershipError

    make_sink({"type": server.kind}, alias, storage=tmp_path, connections=server.connections).check()
    refused = []
    together = threading.Barrier(2, timeout=30)

    def open_it(owner):
        sink = make_sink({"type": server.kind}, alias, storage=tmp_path, connections=server.connections)
        try:
            together.wait()
            sink.open(owner)
        except OwnershipError:
            refused.append(owner)
        finally:
            sink.close()

    owners = [OWNER, replace(OWNER, deployment_id="deployment-two")]
    threads = [threading.Thread(target=open_it, args=[owner]) for owner in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 1


def test_the_inventory_is_exact_beyond_what_one_search_returns(elasticsearch, alias, tmp_path):
    """A search alone returns 10,000 documents at the most; the server is told 1,000, since so many take it ten seconds to index."""
    sink = make_sink({"type": "elasticsearch"}, alias, storage=tmp_path, connections=elasticsearch.connections)
    sink.open(OWNER)
    assert elasticsearch.ask("PUT", f"/{alias}/_settings", {"index": {"max_result_window": 1_000}})[0] == 200
    try:
        for start in range(0, 2_500, 500):
            sink.write([make_document(number, 3, content="x") for number in range(start, start + 500)])
        held = [(item.content_id, item.revision) for item in sink.inventory(OWNER.datasource_id)]
    finally:
        sink.close()

    assert elasticsearch.ask("POST", f"/{alias}/_search", {"size": 2_500})[0] == 400
    assert sorted(held) == sorted((str(number), 3) for number in range(2_500))
