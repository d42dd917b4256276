"""The sink coco: what stands in Coco Server after it, by the facts of coco-server's source."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from airflow_provider_confluence.documents import Ancestor, document_id
from airflow_provider_confluence.errors import (
    ConfigurationError,
    OwnershipError,
    SinkUnavailableError,
)
from airflow_provider_confluence.sinks.coco import CocoSink
from airflow_provider_confluence.testing.coco import CocoReadings, FakeCoco
from airflow_provider_confluence.testing.sandbox.faults import Respond
from tests.sinks.coco_server import (
    GUIDE,
    HOME,
    OWNER,
    PAGE,
    coco,
    connections,
    get,
    grave,
    make,
    outcomes,
    page,
    sink,
)

__all__ = ["coco", "make", "sink"]


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


def test_items_of_one_id_are_written_in_their_order(coco, sink):
    batch = [page("1", 1), grave("1", 2), page("1", 3, title="Back"), page("2", 1), page("2", 2), grave("2", 3)]

    assert outcomes(sink.write(batch)) == ["written"] * 6
    assert [source["title"] for source in coco.documents().values()] == ["Back"]


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
