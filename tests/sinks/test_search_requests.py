"""What the search engines' sinks send, line by line, and what they make of answers that no healthy server gives."""

import json
import logging
import threading
from importlib import import_module

import pytest

from airflow_provider_confluence.errors import (
    ConfigurationError,
    OwnershipError,
    SinkAccessError,
    SinkCredentialsError,
    SinkUnavailableError,
)
from airflow_provider_confluence.sinks.connection import SinkConnection
from airflow_provider_confluence.testing.sink_conformance import OWNER, make_document, make_tombstone, outcomes
from tests.confluence.odd_server import OddServer, Reply, answer, refusal

SECRET = "geheim-1234"
INFO = {
    "opensearch": {"version": {"distribution": "opensearch", "number": "3.1.0"}},
    "elasticsearch": {"version": {"number": "9.1.0"}, "tagline": "You Know, for Search"},
}
# HTTP basic authentication of anna:geheim-1234, by RFC 7617.
CREDENTIAL = "Basic YW5uYTpnZWhlaW0tMTIzNA=="


class Recorder:
    """A server that knows its lines: it takes the requests of a sink that is opened, and answers bulk requests as a test says."""

    def __init__(self, kind):
        self.kind = kind
        self.script = []
        self.bulks = []
        self.owner = {"deployment_id": OWNER.deployment_id, "site": OWNER.site}

    def __call__(self, asked):
        if asked.path == "/":
            return answer(INFO[self.kind])
        if asked.path == "/docs/_refresh":
            return answer({"_shards": {"failed": 0}})
        if asked.path == "/docs-control/_mget":
            docs = [{"_id": id_, "found": False} for id_ in json.loads(asked.body)["ids"]]
            for doc in docs:
                if doc["_id"].startswith("owner:"):
                    doc |= {"found": True, "_source": self.owner, "_seq_no": 0, "_primary_term": 1}
            return answer({"docs": docs})
        if asked.path == "/_bulk":
            assert asked.query == {"require_alias": ["true"]}
            assert asked.headers["content-type"] == "application/x-ndjson"
            assert asked.headers["authorization"] == CREDENTIAL
            assert asked.body.endswith(b"\n")
            lines = [json.loads(line) for line in asked.body.splitlines()]
            self.bulks.append((asked.body, lines))
            given = self.script.pop(0) if self.script else taken
            return given(lines) if callable(given) else given
        if asked.method == "PUT" and asked.path in ("/docs-000001", "/docs-control-000001"):
            return answer({"acknowledged": True})
        if asked.method == "GET" and asked.path in ("/docs", "/docs-control"):
            return refusal(404, b'{"error": {"type": "index_not_found_exception"}}')
        raise AssertionError(f"{asked.method} {asked.path} is no request of a sink")


def actions(lines):
    return [line for line in lines if next(iter(line)) in ("index", "delete", "create")]


def taken(lines):
    """Every operation was done."""
    return items(*(201 for _ in actions(lines)))(lines)


def items(*statuses, error=None):
    """Answer the operations with these statuses, in order."""

    def reply(lines):
        told = []
        for action, status in zip(actions(lines), statuses, strict=True):
            verb, where = next(iter(action.items()))
            one = {"_id": where["_id"], "status": status}
            if status >= 400:
                one["error"] = error or {"type": "es_rejected_execution_exception", "reason": "queue is full"}
            told.append({verb: one})
        return answer({"errors": any(status >= 400 for status in statuses), "items": told})

    return reply


@pytest.fixture(params=["opensearch", "elasticsearch"])
def kind(request):
    return request.param


@pytest.fixture
def recorder(kind):
    return Recorder(kind)


@pytest.fixture
def server(recorder):
    with OddServer(recorder) as server:
        yield server


@pytest.fixture
def waits():
    return []


def make(kind, origin, waits, destination="docs", *, settings=None, **extra):
    connection = SinkConnection("search", kind, host=origin, login="anna", password=SECRET, extra=extra)
    factory = import_module(f"airflow_provider_confluence.sinks.{kind}").from_settings
    return factory(
        {"type": kind, "conn_id": "search", **(settings or {})},
        destination,
        storage=None,
        connections=lambda _: connection,
        sleep=waits.append,
    )


@pytest.fixture
def sink(kind, server, waits):
    sink = make(kind, server.origin, waits)
    sink.open(OWNER)
    yield sink
    sink.close()


def ids_sent(lines):
    return [next(iter(action.values()))["_id"] for action in actions(lines)]


# ------------------------------------------------------------------------------------------ what is sent
def test_a_document_is_one_action_and_one_line(sink, recorder):
    document = make_document(1, 7, title="Über 全文")

    assert outcomes(sink.write([document])) == ["written"]

    [(body, _)] = recorder.bulks
    action, source, end = body.split(b"\n")
    assert action == (
        b'{"index": {"_index": "docs", "_id": "%s", "version": 14, "version_type": "external_gte"}}'
        % document.id.encode()
    )
    assert json.loads(source) == document.to_json()
    assert end == b""


def test_a_tombstone_is_kept_before_anything_is_deleted(sink, recorder):
    tombstone = make_tombstone(1, 7)

    sink.write([tombstone])

    (kept, _), (deleted, _) = recorder.bulks
    assert kept.startswith(
        b'{"index": {"_index": "docs-control", "_id": "%s", "version": 7, "version_type": "external_gte"}}\n'
        % tombstone.id.encode()
    )
    assert deleted == (
        b'{"delete": {"_index": "docs", "_id": "%s", "version": 15, "version_type": "external_gte"}}\n'
        % tombstone.id.encode()
    )


def test_a_batch_is_sent_in_order_in_chunks_of_ten_megabytes(kind, server, recorder, waits):
    sink = make(kind, server.origin, waits, settings={"max_document_bytes": 12_000_000})
    sink.open(OWNER)
    batch = [make_document(number, 1, content="x" * size) for number, size in enumerate((4, 4, 4, 11, 1))]
    batch = [
        make_document(number, 1, content="x" * (millions * 1_000_000))
        for number, millions in enumerate((4, 4, 4, 11, 1))
    ]
    try:
        assert outcomes(sink.write(batch)) == ["written"] * 5
    finally:
        sink.close()

    assert [len(ids_sent(lines)) for _, lines in recorder.bulks] == [2, 1, 1, 1]
    assert [id_ for _, lines in recorder.bulks for id_ in ids_sent(lines)] == [document.id for document in batch]


def test_values_of_properties_that_no_index_takes_are_cut_where_they_are_indexed(sink, recorder):
    from dataclasses import replace

    sink.write([replace(make_document(1, 1), properties={"short": "kept", "long": "x" * 40_000})])

    [(_, lines)] = recorder.bulks
    assert lines[1]["properties"] == {"short": "kept", "long": "x" * 7_000}


# ------------------------------------------------------------------------------------------ judging
def test_each_item_is_judged_by_its_own_answer(sink, recorder, waits):
    batch = [make_document(number, 1) for number in range(1, 5)]
    recorder.script = [items(201, 409, 400, 429), *[items(429)] * 4]

    answers = sink.write(batch)

    assert [(one.id, one.outcome) for one in answers] == [
        (batch[0].id, "written"),
        (batch[1].id, "superseded"),
        (batch[2].id, "rejected"),
        (batch[3].id, "retry"),
    ]
    assert waits == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize("status", [429, 503])
def test_only_what_was_refused_for_the_moment_is_sent_again(sink, recorder, status):
    batch = [make_document(number, 1) for number in range(1, 4)]
    recorder.script = [items(201, status, 201), items(status), items(201)]

    assert outcomes(sink.write(batch)) == ["written"] * 3
    assert [ids_sent(lines) for _, lines in recorder.bulks] == [
        [document.id for document in batch],
        [batch[1].id],
        [batch[1].id],
    ]


def test_a_document_that_the_index_refuses_is_named_by_field_and_not_by_its_text(sink, recorder):
    error = {
        "type": "mapper_parsing_exception",
        "reason": f"failed to parse field [updated] of type [date]. Preview of field's value: '{SECRET}'",
        "caused_by": {"type": "illegal_argument_exception", "reason": SECRET},
    }
    recorder.script = [items(400, error=error)]

    [told] = sink.write([make_document(1, 1)])

    assert told.outcome == "rejected"
    assert "mapper_parsing_exception at field updated" in told.reason
    assert SECRET not in told.reason


def test_what_was_not_there_is_deleted_all_the_same(sink, recorder):
    recorder.script = [taken, lambda lines: answer({"items": [{"delete": {"status": 404, "result": "not_found"}}]})]

    assert outcomes(sink.write([make_tombstone(1, 1)])) == ["written"]


def test_a_request_that_is_too_large_for_a_proxy_is_sent_in_halves(sink, recorder):
    batch = [make_document(number, 1) for number in range(4)]
    recorder.script = [refusal(413), refusal(413), taken, refusal(413), taken]

    assert outcomes(sink.write(batch)) == ["written", "rejected", "written", "written"]
    assert [len(ids_sent(lines)) for _, lines in recorder.bulks] == [4, 2, 1, 1, 2]


def test_an_item_that_spoils_a_whole_request_is_found(sink, recorder):
    batch = [make_document(number, 1) for number in range(4)]

    def picky(lines):
        return (
            refusal(400, b'{"error": {"type": "x_content_parse_exception"}}')
            if batch[2].id in ids_sent(lines)
            else taken(lines)
        )

    recorder.script = [picky] * 9

    answers = sink.write(batch)

    assert outcomes(answers) == ["written", "written", "rejected", "written"]
    assert "x_content_parse_exception" in answers[2].reason


@pytest.mark.parametrize(
    "wrong",
    [answer({"items": []}), answer({"items": [{"delete": {"status": 200}}]}), answer([1]), Reply(200, b"<html>")],
    ids=["too few", "another verb", "a list", "no JSON"],
)
def test_an_answer_that_does_not_fit_is_never_taken_for_success(sink, recorder, wrong):
    recorder.script = [wrong]

    with pytest.raises(SinkUnavailableError):
        sink.write([make_document(1, 1)])


# ------------------------------------------------------------------------------------------ trouble on the way
@pytest.mark.parametrize(
    "trouble",
    [refusal(503), refusal(429), refusal(502), Reply(drop=True), Reply(200, b'{"items": [', cut=True)],
    ids=["503", "429", "502", "connection cut before", "connection cut in the answer"],
)
def test_a_passing_trouble_is_waited_out(sink, recorder, waits, trouble):
    recorder.script = [trouble, trouble]

    assert outcomes(sink.write([make_document(1, 1)])) == ["written"]
    assert len(recorder.bulks) == 3
    assert {body for body, _ in recorder.bulks} == {recorder.bulks[0][0]}
    assert waits == [0.5, 1.0]


@pytest.mark.parametrize("trouble", [refusal(503), Reply(drop=True)], ids=["503", "connection cut"])
def test_a_lasting_trouble_ends_the_batch_after_five_tries(sink, recorder, waits, trouble):
    recorder.script = [trouble] * 9

    with pytest.raises(SinkUnavailableError) as caught:
        sink.write([make_document(1, 1)])
    assert len(recorder.bulks) == 5
    assert waits == [0.5, 1.0, 2.0, 4.0]
    assert SECRET not in str(caught.value)


def test_a_short_pause_that_is_asked_for_is_kept(sink, recorder, waits):
    recorder.script = [refusal(429, retry_after="7")]

    assert outcomes(sink.write([make_document(1, 1)])) == ["written"]
    assert waits == [7.0]


def test_a_long_pause_that_is_asked_for_is_left_to_the_next_try_of_the_task(sink, recorder, waits):
    recorder.script = [refusal(503, retry_after="600")]

    with pytest.raises(SinkUnavailableError) as caught:
        sink.write([make_document(1, 1)])
    assert caught.value.retry_after_seconds == 600.0
    assert waits == []


def test_a_server_that_does_not_answer_in_time_is_asked_again(kind, server, recorder, waits):
    release = threading.Event()

    def late(lines):
        release.wait(20)
        return taken(lines)

    recorder.script = [late]
    sink = make(kind, server.origin, waits, timeout=1)
    sink.open(OWNER)
    try:
        assert outcomes(sink.write([make_document(1, 1)])) == ["written"]
    finally:
        release.set()
        sink.close()
    assert len(recorder.bulks) == 2


def error_body(type_, reason=""):
    return json.dumps({"error": {"type": type_, "reason": reason}, "status": 0}).encode()


DENIED = [
    (
        403,
        error_body("security_exception", "no permissions for [indices:data/write/bulk] and User [name=anna, roles=[]]"),
    ),
    (
        403,
        error_body(
            "security_exception", "action [indices:data/write/bulk] is unauthorized for user [anna] with roles []"
        ),
    ),
]


@pytest.mark.parametrize(("status", "body"), DENIED, ids=["as OpenSearch says it", "as Elasticsearch says it"])
def test_a_missing_permission_is_named(sink, recorder, status, body):
    recorder.script = [refusal(status, body)]

    with pytest.raises(SinkAccessError, match=r"indices:data/write/bulk \("):
        sink.write([make_document(1, 1)])


def test_a_refused_credential_stops_the_batch(sink, recorder):
    recorder.script = [refusal(401, error_body("security_exception", SECRET))]

    with pytest.raises(SinkCredentialsError, match="login and password") as caught:
        sink.write([make_document(1, 1)])
    assert SECRET not in str(caught.value)


def test_an_index_that_was_dropped_is_no_lost_document(sink, recorder):
    recorder.script = [items(404, error={"type": "index_not_found_exception", "reason": "no such index [docs]"})]

    with pytest.raises(ConfigurationError, match="mode verify"):
        sink.write([make_document(1, 1)])


@pytest.mark.parametrize("status", [403, 429])
def test_a_full_disk_is_told_as_such(sink, recorder, status):
    reason = "index [docs-000001] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark]"
    recorder.script = [items(status, error={"type": "cluster_block_exception", "reason": reason})]

    with pytest.raises(SinkUnavailableError, match="disk is nearly full"):
        sink.write([make_document(1, 1)])


def test_an_owner_that_changed_in_between_stops_the_next_batch(sink, recorder):
    recorder.owner = {"deployment_id": "deployment-two", "site": OWNER.site}

    with pytest.raises(OwnershipError, match="deployment-two"):
        sink.write([make_document(1, 1)])
    assert recorder.bulks == []


# ------------------------------------------------------------------------------------------ where the credential goes
def test_a_redirect_is_not_followed_and_the_credential_goes_nowhere_else(kind, waits):
    with (
        OddServer(lambda _: answer(INFO[kind])) as elsewhere,
        OddServer(lambda _: refusal(307, location=f"{elsewhere.origin}/")) as server,
    ):
        sink = make(kind, server.origin, waits)
        with pytest.raises(ConfigurationError, match="redirect"):
            sink.open(OWNER)
        with pytest.raises(ConfigurationError, match="redirect"):
            sink.check()

        assert elsewhere.asked == []
        assert len(server.asked) == 2


def test_an_api_key_is_sent_as_elasticsearch_takes_it(waits):
    with OddServer(lambda _: refusal(401)) as server:
        connection = SinkConnection("search", "elasticsearch", host=server.origin, extra={"api_key": "aWQ6a2V5"})
        from airflow_provider_confluence.sinks.elasticsearch import from_settings

        sink = from_settings(
            {"type": "elasticsearch", "conn_id": "search"}, "docs", storage=None, connections=lambda _: connection
        )
        with pytest.raises(SinkCredentialsError):
            sink.check()

    assert [asked.headers["authorization"] for asked in server.asked] == ["ApiKey aWQ6a2V5"]


def test_nothing_secret_is_logged(sink, kind, recorder, caplog):
    caplog.set_level(logging.INFO)
    recorder.script = [refusal(401, error_body("security_exception", SECRET))]

    with pytest.raises(SinkCredentialsError):
        sink.write([make_document(1, 1, content="the text of the page")])

    assert SECRET not in caplog.text
    assert CREDENTIAL.split()[1] not in caplog.text
    assert "the text of the page" not in caplog.text
