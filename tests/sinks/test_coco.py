"""The sink coco: what stands in Coco Server after it, by the facts of coco-server's source, and what it says when something is wrong."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from airflow_provider_confluence.documents import Ancestor, Document, Person, Space, Tombstone, document_id
from airflow_provider_confluence.errors import (
    ConfigurationError,
    OwnershipError,
    SinkAccessError,
    SinkCredentialsError,
    SinkUnavailableError,
)
from airflow_provider_confluence.sinks.base import Owner
from airflow_provider_confluence.sinks.coco import CocoSink
from airflow_provider_confluence.sinks.connection import SinkConnection
from airflow_provider_confluence.sinks.registry import make_sink
from airflow_provider_confluence.testing.coco import PERMISSIONS, CocoReadings, FakeCoco
from airflow_provider_confluence.testing.sandbox.faults import DropConnection, Respond, Stall
from tests.confluence.odd_server import OddServer, Reply, answer, refusal
from tests.sinks.coco_server import connection, connections, get, read

OWNER = Owner("docs", "deployment-one", "https://one.example.com/wiki")
HOME, GUIDE = Ancestor("1", "Home"), Ancestor("2", "Guide")

PAGE = Document(
    id="c1926ece054e2371d15272a2f4236cfd",  # printf docs-98310 | md5sum
    datasource_id="docs",
    datasource_name="My Wiki",
    content_id="98310",
    revision=1767225600000,
    type="page",
    status="current",
    title="Roll back",
    content="# Steps\n\nTurn it **back**.",
    url="https://one.example.com/wiki/spaces/DOCS/pages/98310",
    space=Space("7", "DOCS", "Documentation"),
    source_version=4,
    summary="Turn it back.",
    parent_id="2",
    ancestors=(HOME, GUIDE),
    labels=("howto", "ops"),
    created="2026-01-01T08:00:00.000Z",
    updated="2026-02-03T09:30:00.000Z",
    creator=Person("u1", "Ann"),
    last_editor=Person("u2", "Bob"),
    language="en",
    properties={"Owner": "Ann"},
    permissions=[["group:staff"]],
)


def page(content_id, revision=1, **fields):
    made = {"id": document_id("docs", content_id), "content_id": content_id, "revision": revision, "ancestors": ()}
    return replace(PAGE, **{**made, **fields})


def grave(content_id, revision):
    return Tombstone(document_id("docs", content_id), "docs", content_id, revision)


@pytest.fixture
def coco():
    with FakeCoco() as coco:
        yield coco


@pytest.fixture
def make(coco):
    made = []

    def make(*, token=None, **options):
        options = {"back_off_seconds": 0.01} | options
        made.append(CocoSink(connections(coco.endpoint, token or coco.token), **options))
        return made[-1]

    yield make
    for sink in made:
        sink.close()


@pytest.fixture
def sink(make):
    sink = make()
    sink.open(OWNER)
    return sink


def outcomes(answers):
    return [answer.outcome for answer in answers]


# ---------------------------------------------------------------------------------------- the mapping
def test_a_page_has_the_native_connector_s_id_and_fields_with_what_was_wrong_set_right(coco, sink):
    assert outcomes(sink.write([PAGE])) == ["written"]

    (stored,) = coco.documents().values()
    expected = {
        "source": {"id": "docs", "type": "connector", "name": "My Wiki"},
        "type": "page",
        "icon": "page",
        "title": "Roll back",
        "category": "Documentation",
        "content": "# Steps\n\nTurn it **back**.",
        "summary": "Turn it back.",
        "lang": "en",
        "size": 26,
        "url": "https://one.example.com/wiki/spaces/DOCS/pages/98310",
        "tags": ["howto", "ops"],
        "created": "2026-01-01T08:00:00.000Z",
        "owner": {"username": "Ann", "userid": "u1"},
        "last_updated_by": {
            "user": {"username": "Bob", "userid": "u2"},
            "timestamp": "2026-02-03T09:30:00.000Z",
        },
        "metadata": {
            "confluence_id": "98310",
            "space_key": "DOCS",
            "space_name": "Documentation",
            "type": "page",
            "status": "current",
            "version": 4,
            "revision": 1767225600000,
            "parent_path": "/Home/Guide/",
            "parent_id": "2",
        },
        "_system": {"parent_path": "/Home/Guide/", "owner_id": "admin"},
    }
    assert {name: stored[name] for name in expected} == expected
    assert stored["payload"]["confluence"]["permissions"] == [["group:staff"]]
    assert stored["payload"]["confluence"]["properties"] == {"Owner": "Ann"}
    assert "content" not in stored["payload"]["confluence"]


def test_the_id_is_md5_of_datasource_and_content_id_as_the_native_connector_makes_it(coco, sink):
    sink.write([page("98310")])
    assert list(coco.documents()) == ["c1926ece054e2371d15272a2f4236cfd"]


def test_an_attachment_has_its_text_its_size_its_time_and_its_page_as_place(coco, sink):
    file = page(
        "att5",
        type="attachment",
        title="plan.txt",
        content="the plan",
        media_type="text/plain",
        size_bytes=12_345,
        ancestors=(HOME,),
        container=Ancestor("2", "Guide"),
        parent_id=None,
    )
    sink.write([file])

    (stored,) = coco.documents().values()
    assert (stored["type"], stored["icon"], stored["content"], stored["size"]) == (
        "attachment",
        "attachment",
        "the plan",
        12_345,
    )
    assert stored["last_updated_by"]["timestamp"] == "2026-02-03T09:30:00.000Z"
    assert stored["_system"]["parent_path"] == "/Home/Guide/"
    assert stored["metadata"]["media_type"] == "text/plain"
    assert stored["metadata"]["container_id"] == "2"


def test_a_slash_in_a_title_makes_no_step_of_the_path(coco, sink):
    sink.write([page("1", ancestors=(Ancestor("9", "TCP/IP"),))])
    assert coco.documents()[document_id("docs", "1")]["_system"]["parent_path"] == "/TCP\u2215IP/"


def test_what_is_not_known_is_left_out(coco, sink):
    bare = page("1", creator=None, last_editor=None, updated=None, created=None, language=None, parent_id=None)
    sink.write([replace(bare, summary="", url="", labels=())])

    (stored,) = coco.documents().values()
    assert not {"owner", "last_updated_by", "lang", "summary"} & stored.keys()
    assert "parent_id" not in stored["metadata"]


@pytest.mark.parametrize(
    ("given", "expected"),  # the digests: printf 007 | md5sum
    [
        ("docs", "docs"),
        ("Team_2-wiki", "Team_2-wiki"),
        ("team.docs", "team_docs-3af2b306"),
        ("team_docs", "team_docs"),
        ("007", "007-9e94b15e"),
        ("t", "t-e358efa4"),
        ("TRUE", "TRUE-c0d83f0b"),
    ],
)
def test_a_datasource_id_that_coco_would_misread_gets_another_and_its_documents_keep_theirs(
    coco, make, given, expected
):
    sink = make()
    sink.open(replace(OWNER, datasource_id=given))
    id_ = document_id(given, "1")
    assert outcomes(sink.write([replace(page("1"), id=id_, datasource_id=given)])) == ["written"]

    assert list(coco.datasources()) == [expected]
    assert [(item.id, item.content_id) for item in sink.inventory(given)] == [(id_, "1")]


# ---------------------------------------------------------------------------------------- connector and datasource
def test_the_first_run_makes_a_connector_that_runs_nothing_and_a_datasource_that_is_searched(coco, sink):
    connector, datasource = coco.connectors()["airflow_confluence"], coco.datasources()["docs"]

    assert connector["processor"]["enabled"] is False
    assert connector["path_hierarchy"] is True
    assert {"page", "blogpost", "attachment", "comment", "folder", "default"} <= connector["assets"]["icons"].keys()
    assert (datasource["type"], datasource["enabled"], datasource["sync"]["enabled"]) == ("connector", True, False)
    assert datasource["connector"]["id"] == "airflow_confluence"
    assert datasource["connector"]["config"] == {
        "managed_by": "airflow-provider-confluence",
        "datasource_id": "docs",
        "name": "docs",
        "deployment_id": "deployment-one",
        "site": "https://one.example.com/wiki",
    }


def test_what_is_right_is_left_alone(coco, make, sink):
    coco.requests.clear()
    make().open(OWNER)
    assert [(entry.method, entry.path) for entry in coco.requests] == [
        ("GET", "/connector/airflow_confluence"),
        ("GET", "/datasource/docs"),
    ]


def test_flags_that_somebody_changed_are_set_right_and_nothing_else_is(coco, make, sink):
    stored = coco.store.datasources["docs"]
    stored |= {"enabled": False, "sync": {"enabled": True, "interval": "1h"}, "description": "Ours", "name": "Wiki!"}
    stored["webhook"] = {"enabled": True}
    connector = coco.store.connectors["airflow_confluence"]
    connector |= {"processor": {"enabled": True, "name": "x"}, "description": "By us", "path_hierarchy": False}

    make().open(OWNER)

    mended = coco.datasources()["docs"]
    assert (mended["enabled"], mended["sync"]) == (True, {"enabled": False, "interval": "1h"})
    assert (mended["description"], mended["name"], mended["webhook"]) == ("Ours", "Wiki!", {"enabled": True})
    mended = coco.connectors()["airflow_confluence"]
    assert mended["processor"] == {"enabled": False, "name": "x"}
    assert (mended["description"], mended["path_hierarchy"]) == ("By us", False)


def test_the_datasource_is_called_as_ours_until_somebody_calls_it_otherwise(coco, sink):
    sink.write([page("1")])
    assert coco.datasources()["docs"]["name"] == "My Wiki"
    sink.write([page("1", datasource_name="Our Wiki")])
    assert coco.datasources()["docs"]["name"] == "Our Wiki"
    coco.store.datasources["docs"]["name"] = "Theirs"
    sink.write([page("1", datasource_name="Another")])
    assert coco.datasources()["docs"]["name"] == "Theirs"
    assert coco.datasources()["docs"]["enabled"] is True


def test_a_datasource_of_the_native_connector_is_taken_over_only_by_adopting(coco, make):
    native = {"id": "docs", "name": "Wiki", "type": "connector", "enabled": True, "sync": {"enabled": True}}
    native["connector"] = {"id": "confluence", "config": {"endpoint": "https://one.example.com", "space": "DOCS"}}
    coco.store.datasources["docs"] = {**native, "_system": {"owner_id": "admin"}}
    sink = make()

    with pytest.raises(OwnershipError, match=r"of connector 'confluence'.*airflow-confluence adopt docs"):
        sink.open(OWNER)
    assert coco.datasources()["docs"]["sync"] == {"enabled": True}
    sink.open(OWNER, adopt=True)
    adopted = coco.datasources()["docs"]
    assert (adopted["sync"]["enabled"], adopted["connector"]["id"]) == (False, "airflow_confluence")


def test_documents_of_the_native_connector_are_overwritten_and_not_doubled(coco, sink):
    id_ = document_id("docs", "1")
    coco.store.put(
        id_,
        {
            "id": id_,
            "title": "Old",
            "created": "2020-01-01T00:00:00Z",
            "source": {"id": "docs"},
            "metadata": {"confluence_id": "1"},
            "_system": {"owner_id": "admin"},
        },
    )
    assert [(item.content_id, item.revision) for item in sink.inventory("docs")] == [("1", 0)]

    assert outcomes(sink.write([page("1", ancestors=(HOME,))])) == ["written"]

    (stored,) = coco.documents().values()
    assert (stored["title"], stored["_system"]["parent_path"]) == ("Roll back", "/Home/")


def test_an_owner_that_was_overruled_meanwhile_writes_nothing(coco, make, sink):
    make().open(replace(OWNER, deployment_id="deployment-two"), adopt=True)
    with pytest.raises(OwnershipError, match="has adopted"):
        sink.write([page("1")])
    assert coco.documents() == {}


def test_a_datasource_that_was_deleted_in_coco_is_said_to_be_and_made_anew(coco, make, sink):
    del coco.store.datasources["docs"]
    with pytest.raises(SinkUnavailableError, match=r"was deleted.*mode=verify"):
        sink.write([page("1")])
    sink.open(OWNER)
    assert outcomes(sink.write([page("1")])) == ["written"]


def test_two_deployments_that_come_at_once_do_not_both_get_it(coco, make):
    from concurrent.futures import ThreadPoolExecutor

    def attempt(number):
        try:
            make().open(replace(OWNER, deployment_id=f"deployment-{number}"))
        except OwnershipError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(attempt, range(6))) == [False] * 5 + [True]


def test_what_another_user_of_coco_made_is_named_with_what_to_do(coco, make, sink):
    other = make(token=coco.add_token("bob"))
    with pytest.raises(ConfigurationError, match=r"connector airflow_confluence .*sink\.connector_id"):
        other.open(OWNER)
    other = make(token=coco.add_token("bob"), connector_id="bob_s")
    with pytest.raises(ConfigurationError, match="datasource docs that the user of this token does not see"):
        other.open(OWNER)


@pytest.mark.parametrize("name", ["confluence", "somebody"])
def test_a_connector_of_others_is_never_overwritten(coco, make, name):
    coco.store.connectors["somebody"] = {
        "id": "somebody",
        "processor": {"enabled": True},
        "_system": {"owner_id": "admin"},
    }
    before = coco.connectors()
    sink = make(connector_id=name)
    with pytest.raises(ConfigurationError, match=r"sink\.connector_id.*not of our making"):
        sink.open(OWNER)
    with pytest.raises(ConfigurationError, match=r"sink\.connector_id"):
        sink.check()
    assert coco.connectors() == before


# ---------------------------------------------------------------------------------------- the tree, revisions, deletions
@pytest.mark.parametrize("takes_parent_path", [True, False])
def test_a_page_that_moved_stands_in_its_new_place(takes_parent_path):
    with FakeCoco(readings=CocoReadings(takes_parent_path=takes_parent_path)) as coco:
        sink = CocoSink(connections(coco.endpoint, coco.token))
        sink.open(OWNER)
        sink.write([page("1", 1, ancestors=(HOME,)), page("2", 1, ancestors=(HOME,))])
        coco.requests.clear()
        sink.write([page("1", 2, ancestors=(GUIDE,)), page("2", 2, ancestors=(HOME,))])
        asked = [(entry.method, entry.path) for entry in coco.requests]
        sink.close()

        moved, stayed = (coco.documents()[document_id("docs", number)] for number in ("1", "2"))
        assert moved["metadata"]["parent_path"] == "/Guide/"
        if takes_parent_path:
            assert moved["_system"]["parent_path"] == "/Guide/"
            assert stayed["_system"]["parent_path"] == "/Home/"
        assert sum(method == "DELETE" for method, _ in asked) == 1
        assert len(asked) == 5  # the datasource, one look-up, one deletion, two writes


def test_an_older_write_is_superseded_where_nobody_writes_in_between(coco, sink):
    sink.write([page("1", 9), page("2", 9)])

    assert outcomes(sink.write([page("1", 8), grave("2", 8)])) == ["superseded", "superseded"]
    assert {item.content_id: item.revision for item in sink.inventory("docs")} == {"1": 9, "2": 9}


def test_deletions_go_by_lists_and_each_is_looked_after(coco, sink):
    sink.write([page(str(number)) for number in range(150)])
    coco.requests.clear()

    answers = sink.write([grave(str(number), 2) for number in range(160)])

    assert outcomes(answers) == ["written"] * 160
    assert coco.documents() == {}
    lists = [entry for entry in coco.requests if (entry.method, entry.path) == ("DELETE", "/document/")]
    assert len(lists) == 2
    assert len(coco.requests) == 1 + 2 + 2 + 160  # the datasource, look-ups, lists, one look at each


def test_flush_waits_until_searches_show_nothing_that_was_deleted():
    with FakeCoco(refresh_seconds=0.4) as coco:
        sink = CocoSink(connections(coco.endpoint, coco.token))
        sink.open(OWNER)
        sink.write([page("1")])
        sink.write([grave("1", 2)])
        sink.flush()
        assert (
            get(coco, "/document/_search", filter="id:any(" + document_id("docs", "1") + ")")[1]["hits"]["hits"] == []
        )
        sink.close()


def test_a_document_that_a_list_passed_over_is_deleted_alone(coco, sink):
    sink.write([page("1")])
    coco.faults.add(Respond(200, text='{"acknowledged": true}', route="DELETE /document/"))

    assert outcomes(sink.write([grave("1", 2)])) == ["written"]
    assert coco.documents() == {}


def test_pages_of_the_inventory_reach_beyond_what_coco_shows_by_number(coco, sink):
    for number in range(10_050):
        id_ = document_id("docs", str(number))
        source = {"id": id_, "source": {"id": "docs"}, "metadata": {"confluence_id": str(number), "revision": 3}}
        coco.store.put(id_, {**source, "_system": {"owner_id": "admin"}, "created": ""})
    coco.requests.clear()

    assert {int(item.content_id) for item in sink.inventory("docs")} == set(range(10_050))
    assert len(coco.requests) == 11


def test_an_inventory_that_stops_early_is_an_error(coco, sink):
    sink.write([page(str(number)) for number in range(3)])
    short = '{"hits": {"total": {"value": 3, "relation": "eq"}, "hits": []}}'
    coco.faults.add(Respond(200, text=short, route="*/_search"))
    with pytest.raises(SinkUnavailableError, match="listed 0 documents of 3"):
        list(sink.inventory("docs"))


def test_writes_wait_side_by_side():
    with FakeCoco(refresh_seconds=0.4) as coco:
        sink = CocoSink(connections(coco.endpoint, coco.token), parallel=20)
        sink.open(OWNER)
        began = time.monotonic()
        assert outcomes(sink.write([page(str(number)) for number in range(40)])) == ["written"] * 40
        assert time.monotonic() - began < 8  # one after the other: 16 seconds
        assert coco.requests.max_in_flight <= 20
        assert coco.requests.max_in_flight > 5
        sink.close()


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
