"""The odd answers of Coco Server that the fake keeps, each by the fact that it stands for (coco-server v0.9 to v0.11, from its source)."""

from __future__ import annotations

import re
import time
from dataclasses import fields
from pathlib import Path

import pytest
import requests

from airflow_provider_confluence.testing.coco import PERMISSIONS, CocoReadings, FakeCoco
from airflow_provider_confluence.testing.sandbox.faults import CutShort, DropConnection, Respond, Stall

CONNECTOR = {"id": "mine", "name": "Mine", "path_hierarchy": True, "assets": {"icons": {"page": "/page.png"}}}
DATASOURCE = {"id": "docs", "name": "Docs", "type": "connector", "enabled": True, "connector": {"id": "mine"}}
SOURCE = {"id": "docs", "type": "connector", "name": "Docs"}


class Asking:
    """A program that asks a fake Coco by plain HTTP."""

    def __init__(self, coco, token=None):
        self.coco = coco
        self.token = token or coco.token

    def __call__(self, method, path, body=None, **options):
        headers = {"X-API-TOKEN": self.token} | options.pop("headers", {})
        return requests.request(
            method, self.coco.endpoint + path, json=body, headers=headers, timeout=10, allow_redirects=False, **options
        )

    def made(self):
        """Make connector and datasource."""
        assert self("POST", "/connector/", CONNECTOR).json() == {"_id": "mine", "result": "created"}
        assert self("POST", "/datasource/", DATASOURCE).json() == {"_id": "docs", "result": "created"}
        return self

    def titles(self, **params):
        found = self("GET", "/document/_search", params={"filter": "source.id:any(docs)", **params}).json()
        return [hit["_source"]["title"] for hit in found["hits"]["hits"]]


@pytest.fixture
def coco():
    with FakeCoco() as coco:
        yield coco


@pytest.fixture
def ask(coco):
    return Asking(coco).made()


def document(title="Start", **fields):
    return {"title": title, "source": SOURCE, **fields}


# ---------------------------------------------------------------------------------------- who may ask
def test_without_a_token_and_with_a_wrong_one_the_answer_is_401_invalid_login(coco):
    for headers in ({}, {"X-API-TOKEN": "wrong"}):
        answer = requests.get(coco.endpoint + "/datasource/docs", headers=headers, timeout=10)
        assert answer.status_code == 401
        assert answer.json() == {"status": 401, "error": {"reason": "invalid login"}}


def test_a_missing_permission_is_403_and_named_before_the_body_is_read(coco):
    ask = Asking(coco, coco.add_token("ann", PERMISSIONS - {"coco#document/update"}))

    answer = ask("PUT", "/document/a1", data=b"no json")

    assert answer.status_code == 403
    assert answer.json()["error"]["reason"] == "permission [coco#document/update] not allowed"


def test_a_token_is_made_with_a_login_and_has_the_permissions_it_asked_for(coco):
    coco.add_login("ann@example.com", "hunter22", "ann")
    login = requests.post(
        coco.endpoint + "/account/login", json={"email": "ann@example.com", "password": "hunter22"}, timeout=10
    ).json()
    made = requests.post(
        coco.endpoint + "/auth/access_token",
        json={"name": "airflow", "permissions": ["coco#connector/read"]},
        headers={"Authorization": f"Bearer {login['access_token']}"},
        timeout=10,
    ).json()

    ask = Asking(coco, made["access_token"])
    assert ask("GET", "/connector/confluence").status_code == 200
    assert ask("GET", "/datasource/docs").status_code == 403


def test_another_user_s_objects_are_not_there_and_cannot_be_changed(coco, ask):
    ask("PUT", "/document/a1", document())
    bob = Asking(coco, coco.add_token("bob"))

    assert bob("GET", "/document/a1").json() == {"_id": "a1", "found": False}
    assert bob("GET", "/datasource/docs").status_code == 404
    assert bob.titles() == []
    assert bob("PUT", "/document/a1", document("Taken")).status_code == 500
    assert bob("DELETE", "/document/", ["a1"]).json() == {"acknowledged": True}
    assert coco.documents()["a1"]["title"] == "Start"


# ---------------------------------------------------------------------------------------- errors and addresses
def test_errors_come_in_two_shapes_and_one_of_them_is_not_called_json(ask):
    handler = ask("DELETE", "/document/none")
    panic = ask("POST", "/datasource/", {**DATASOURCE, "id": "x", "connector": {"id": "none"}})

    assert handler.json() == {"status": 500, "error": {"reason": "failed to delete, object was not found"}}
    assert panic.json() == {"error": {"status": 500, "reason": "invalid connector"}}
    assert "json" not in panic.headers["Content-Type"]


@pytest.mark.parametrize(
    ("shape", "keys"), [("handler", {"status", "error"}), ("panic", {"error"})], ids=["handler", "panic"]
)
def test_either_shape_can_be_had_for_all_errors(shape, keys):
    with FakeCoco(readings=CocoReadings(error_shape=shape)) as coco:
        ask = Asking(coco)
        for answer in (ask("DELETE", "/document/none"), ask("POST", "/datasource/", DATASOURCE)):
            assert answer.status_code == 500
            assert answer.json().keys() == keys


def test_a_missing_trailing_slash_is_redirected(ask):
    posted = ask("POST", "/datasource", DATASOURCE)
    assert (posted.status_code, posted.headers["Location"]) == (307, "/datasource/")
    read = ask("GET", "/datasource/docs/")
    assert (read.status_code, read.headers["Location"]) == (301, "/datasource/docs")


def test_everything_lies_below_the_base_path():
    with FakeCoco(base_path="/search") as coco:
        assert coco.endpoint.endswith("/search")
        assert requests.get(coco.endpoint + "/provider/_info", timeout=10).json()["version"]["number"]
        assert requests.get(coco.endpoint[: -len("/search")] + "/provider/_info", timeout=10).status_code == 404


# ---------------------------------------------------------------------------------------- connectors
def test_a_connector_that_is_there_cannot_be_posted_again(ask):
    again = ask("POST", "/connector/", CONNECTOR)
    assert again.status_code == 500
    assert "version_conflict" in again.text


def test_a_put_of_a_connector_replaces_all_of_it_with_and_without_replace(ask):
    for query in ("?replace=true", ""):
        ask("PUT", "/connector/mine?replace=true", CONNECTOR)
        assert ask("PUT", f"/connector/mine{query}", {"name": "New"}).json() == {"_id": "mine", "result": "updated"}
        stored = ask("GET", "/connector/mine").json()["_source"]
        assert stored["name"] == "New"
        assert "assets" not in stored
        assert stored["path_hierarchy"] is False


def test_a_put_without_replace_keeps_that_a_connector_is_built_in_and_one_with_it_does_not(coco):
    coco.store.connectors["confluence"]["_system"]["owner_id"] = "admin"
    ask = Asking(coco)
    ask("PUT", "/connector/confluence", {"name": "Native"})
    assert ask("GET", "/connector/confluence").json()["_source"]["builtin"] is True
    ask("PUT", "/connector/confluence?replace=true", {"name": "Native"})
    stored = ask("GET", "/connector/confluence").json()["_source"]
    assert (stored["builtin"], stored["processor"]["enabled"]) == (False, False)


def test_an_absent_connector_is_404_in_either_wording_and_replace_makes_it(ask):
    assert ask("GET", "/connector/none").json() == {"_id": "none", "found": False}
    absent = ask("PUT", "/connector/none", {"name": "X"})
    assert (absent.status_code, absent.json()) == (404, {"_id": "none", "result": "not_found"})
    assert ask("PUT", "/connector/none?replace=true", {"name": "X"}).status_code == 200


def test_a_built_in_connector_cannot_be_deleted(ask):
    assert ask("DELETE", "/connector/confluence").status_code == 403


# ---------------------------------------------------------------------------------------- datasources
def test_an_own_id_makes_a_datasource_and_never_replaces_one(ask):
    again = ask("POST", "/datasource/", {**DATASOURCE, "name": "Other"})
    assert again.status_code == 500
    assert "version_conflict" in again.text
    assert ask("GET", "/datasource/docs").json()["_source"]["name"] == "Docs"


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"type": "file"}, "invalid datasource"), ({"connector": {"id": "none"}}, "invalid connector")],
    ids=["another type", "no such connector"],
)
def test_bad_input_is_500_and_told_by_its_reason(ask, change, reason):
    answer = ask("POST", "/datasource/", {**DATASOURCE, "id": "x", **change})
    assert (answer.status_code, answer.json()["error"]["reason"]) == (500, reason)


def test_a_put_of_a_datasource_merges_level_by_level(ask):
    ask("PUT", "/datasource/docs", {"connector": {"config": {"a": 1, "token": "secret"}}})
    ask("PUT", "/datasource/docs", {"connector": {"config": {"b": 2}}})

    stored = ask("GET", "/datasource/docs").json()["_source"]
    assert stored["connector"] == {"id": "mine", "config": {"a": 1, "b": 2, "token": "secret"}}
    assert stored["name"] == "Docs"


def test_flags_that_are_left_out_of_a_put_are_off(ask):
    ask("PUT", "/datasource/docs", {"enabled": True, "sync": {"enabled": True, "interval": "5m"}})
    ask("PUT", "/datasource/docs", {"name": "Docs"})

    stored = ask("GET", "/datasource/docs").json()["_source"]
    assert (stored["enabled"], stored["sync"]) == (False, {"enabled": False, "interval": "5m"})


def test_a_put_of_an_absent_datasource_is_500_unless_it_may_be_made(ask):
    absent = ask("PUT", "/datasource/none", {"name": "X"})
    assert (absent.status_code, absent.json()["error"]["reason"]) == (500, "failed to update, object was not found")
    assert ask("PUT", "/datasource/none?replace=true", {"name": "X"}).json() == {"_id": "none", "result": "updated"}


def test_a_config_is_masked_in_lists_and_nowhere_else(ask):
    ask("PUT", "/datasource/docs", {"connector": {"config": {"token": "secret"}}})

    (hit,) = ask("GET", "/datasource/_search").json()["hits"]["hits"]
    assert hit["_source"]["connector"]["config"]["token"] == "******"
    assert ask("GET", "/datasource/docs").json()["_source"]["connector"]["config"]["token"] == "secret"


def test_with_a_datasource_its_documents_go(coco, ask):
    ask("PUT", "/document/a1", document())
    assert ask("DELETE", "/datasource/docs").json() == {"_id": "docs", "result": "deleted"}
    assert coco.documents() == {}


# ---------------------------------------------------------------------------------------- documents
def test_a_second_post_of_a_document_is_500(ask):
    for path in ("/datasource/docs/_doc/a1", "/document/"):
        body = {"title": "Start", "id": "a1" if path == "/datasource/docs/_doc/a1" else "a2"}
        assert ask("POST", path, body).json()["result"] == "created"
        assert ask("POST", path, body).status_code == 500


def test_a_post_into_a_datasource_fills_in_the_source_and_needs_the_right_to_make_datasources(coco, ask):
    assert len(ask("POST", "/datasource/docs/_doc", {"title": "Start"}).json()["_id"]) == 20
    (stored,) = coco.documents().values()
    assert stored["source"] == SOURCE
    token = coco.add_token("admin", PERMISSIONS - {"coco#datasource/create"})
    assert Asking(coco, token)("POST", "/datasource/docs/_doc", {"title": "Start"}).status_code == 403


def test_a_put_makes_a_document_and_replaces_all_of_it(ask):
    assert ask("PUT", "/document/a1", document(summary="Short")).json() == {"_id": "a1", "result": "updated"}
    ask("PUT", "/document/a1", document("New"))

    stored = ask("GET", "/document/a1").json()["_source"]
    assert stored["title"] == "New"
    assert "summary" not in stored


def test_updated_is_always_now_and_created_is_the_client_s_only_when_a_put_makes_the_document(coco, ask):
    long_ago = "2020-01-01T00:00:00Z"
    ask("PUT", "/document/a1", document(created=long_ago, updated=long_ago))
    ask("PUT", "/document/a1", document(created="2021-01-01T00:00:00Z", updated=long_ago))
    ask("POST", "/datasource/docs/_doc/a2", {"title": "X", "created": long_ago, "updated": long_ago})

    stored = coco.documents()
    assert stored["a1"]["created"] == long_ago
    assert stored["a1"]["updated"] != long_ago
    assert long_ago not in (stored["a2"]["created"], stored["a2"]["updated"])


def test_the_place_in_the_tree_is_fixed_when_a_document_is_made(coco, ask):
    ask("PUT", "/document/a1", document(_system={"parent_path": "/A/", "owner_id": "somebody"}))
    ask("PUT", "/document/a1", document(_system={"parent_path": "/B/"}))
    assert coco.documents()["a1"]["_system"] == {"parent_path": "/A/", "owner_id": "admin"}

    ask("DELETE", "/document/a1")
    ask("PUT", "/document/a1", document(_system={"parent_path": "/B/"}))
    assert coco.documents()["a1"]["_system"]["parent_path"] == "/B/"


def test_what_is_read_is_not_what_is_stored(coco, ask):
    ask("PUT", "/document/a1", document(url="https://wiki.example.com/1", icon="page", metadata={"space_key": "DOCS"}))

    read = ask("GET", "/document/a1").json()["_source"]
    assert read["url"] == f"{coco.endpoint}/#/preview/document/a1"
    assert read["icon"] == "/page.png"
    assert read["metadata"].keys() == {"space_key", "raw_content"}
    raw = ask("GET", "/document/a1/raw_content/page")
    assert (raw.json(), raw.headers["X-Document-Redirect"]) == ({"url": "https://wiki.example.com/1"}, "true")


def test_a_document_without_an_address_has_no_raw_content(ask):
    ask("PUT", "/document/a1", document())
    answer = ask("GET", "/document/a1/raw_content/x")
    assert (answer.status_code, answer.json()["error"]["reason"]) == (400, "document has no URL")


def test_deleting_what_is_absent_is_500_alone_and_fine_in_a_list(ask):
    ask("PUT", "/document/a1", document())
    assert ask("DELETE", "/document/", ["a1", "none"]).json() == {"acknowledged": True}
    answer = ask("DELETE", "/document/a1")
    assert (answer.status_code, answer.json()["error"]["reason"]) == (500, "failed to delete, object was not found")


def test_an_empty_list_deletes_nothing_and_is_400(coco, ask):
    ask("PUT", "/document/a1", document())
    answer = ask("DELETE", "/document/", [])
    assert (answer.status_code, answer.json()["error"]["reason"]) == (400, "document ids can not be empty")
    assert list(coco.documents()) == ["a1"]


def test_metadata_of_another_type_than_at_first_is_refused(ask):
    ask("PUT", "/document/a1", document(metadata={"revision": 1}))
    drifted = ask("PUT", "/document/a2", document(metadata={"revision": "new"}))
    assert drifted.status_code == 500
    assert "mapper_parsing_exception" in drifted.text


def test_fields_that_coco_does_not_know_are_dropped_and_wrong_types_are_500(coco, ask):
    ask("PUT", "/document/a1", document(permissions=["everybody"]))
    assert "permissions" not in coco.documents()["a1"]
    assert ask("PUT", "/document/a1", document(size="12")).status_code == 500
    assert ask("PUT", "/document/a1", data=b"{").status_code == 500


# ---------------------------------------------------------------------------------------- searches
def test_with_a_tree_the_list_shows_one_level_unless_a_plain_list_is_asked_for(ask):
    ask("PUT", "/document/a1", document("Top", _system={"parent_path": "/"}))
    ask("PUT", "/document/a2", document("Below", _system={"parent_path": "/Top/"}))

    assert ask.titles() == ["Top"]
    assert ask.titles(path='["Top"]') == ["Below"]
    assert sorted(ask.titles(view="list")) == ["Below", "Top"]


def test_filters_must_all_hold(ask):
    for number in range(5):
        ask("PUT", f"/document/a{number}", document(f"T{number}", metadata={"n": number}))

    def ids(*filters):
        found = ask("GET", "/document/_search", params={"filter": filters, "view": "list", "sort": "id:asc"}).json()
        return [hit["_id"] for hit in found["hits"]["hits"]]

    assert ids("source.id:any(docs)", "id>a2") == ["a3", "a4"]
    assert ids("id:any(a1,a3,none)") == ["a1", "a3"]
    assert ids("-id:any(a1,a3)") == ["a0", "a2", "a4"]
    assert ids("metadata.n>=3") == ["a3", "a4"]
    assert ids("exists(metadata.n)", "metadata.n:1") == ["a1"]


def test_values_of_filters_that_look_like_numbers_or_truth_values_become_such(ask):
    for id_ in ("007", "t"):
        ask("POST", "/datasource/", {**DATASOURCE, "id": id_})
        ask("PUT", f"/document/of-{id_}", document(source={**SOURCE, "id": id_}))
        params = {"filter": ["exists(title)", f"source.id:{id_}"], "view": "list"}
        assert ask("GET", "/document/_search", params=params).json()["hits"]["hits"] == []


def test_no_page_reaches_beyond_ten_thousand(ask):
    assert ask("GET", "/document/_search", params={"from": 9_000, "size": 1_000}).status_code == 200
    assert ask("GET", "/document/_search", params={"from": 9_000, "size": 1_001}).status_code == 500


def test_only_asked_fields_are_returned_and_payloads_never_by_a_search(ask):
    ask("PUT", "/document/a1", document(payload={"x": 1}, metadata={"a": 1, "b": 2}))
    asked = {"filter": "id:any(a1)", "_source_includes": "id,metadata.a,payload"}

    (hit,) = ask("GET", "/document/_search", params=asked).json()["hits"]["hits"]
    assert hit["_source"] == {"id": "a1", "metadata": {"a": 1}}
    (hit,) = ask("GET", "/document/_search", params={"filter": "id:any(a1)"}).json()["hits"]["hits"]
    assert "payload" not in hit["_source"]
    assert ask("GET", "/document/a1").json()["_source"]["payload"] == {"x": 1}


def test_a_keyword_search_needs_words_and_shows_nothing_of_a_datasource_that_is_off(ask):
    ask("PUT", "/document/a1", document("Roll back", content="a deployment"))
    ask("PUT", "/document/a2", document("Other", content="roll back a deployment"))

    def found(**params):
        hits = ask("GET", "/query/_search", params=params).json()["hits"]["hits"]
        return [hit["_id"] for hit in hits]

    assert found(query="roll back") == ["a1", "a2"]
    assert found(query="roll back", datasource="none") == []
    assert found(query="") == []
    ask("PUT", "/datasource/docs", {"name": "Docs"})
    assert found(query="roll back") == []


# ---------------------------------------------------------------------------------------- refreshes and faults
def test_single_writes_wait_until_searches_see_them_and_a_delete_of_a_list_does_not():
    with FakeCoco(refresh_seconds=0.3) as coco:
        ask = Asking(coco).made()
        ask("PUT", "/document/a1", document("Start", _system={"parent_path": "/"}))
        assert ask.titles() == ["Start"]
        ask("DELETE", "/document/", ["a1"])
        assert ask("GET", "/document/a1").status_code == 404
        until = time.monotonic() + 5
        while ask.titles() and time.monotonic() < until:
            time.sleep(0.02)
        assert ask.titles() == []


def test_writes_at_once_share_one_refresh():
    from concurrent.futures import ThreadPoolExecutor

    with FakeCoco(refresh_seconds=0.5) as coco, ThreadPoolExecutor(8) as pool:
        ask = Asking(coco).made()
        began = time.monotonic()
        list(pool.map(lambda n: ask("PUT", f"/document/a{n}", document()), range(8)))
        assert time.monotonic() - began < 3.0  # one after the other they would take 4 seconds
        assert len(coco.store.searched()) == 8


def test_faults_stand_before_every_route(coco, ask):
    coco.faults.add(Respond(429, retry_after=2, route="PUT /document/*"))
    limited = ask("PUT", "/document/a1", document())
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "2")
    for fault in (DropConnection(route="PUT /document/*"), CutShort(3, route="PUT /document/*")):
        coco.faults.add(fault)
        with pytest.raises(requests.exceptions.RequestException):
            ask("PUT", "/document/a1", document())
    assert list(coco.documents()) == ["a1"]  # what was cut short was done all the same
    coco.faults.add(Stall(0.2, route="GET *"))
    assert ask("GET", "/document/a1").elapsed.total_seconds() >= 0.2


# ---------------------------------------------------------------------------------------- its page
def test_the_page_s_example_runs(capsys):
    page = (Path(__file__).parents[2] / "docs" / "sinks" / "coco.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(example, {})
    assert capsys.readouterr().out.startswith("http://127.0.0.1:")


def test_the_page_names_every_reading_and_every_permission_that_is_needed():
    page = (Path(__file__).parents[2] / "docs" / "sinks" / "coco.md").read_text()
    for field in fields(CocoReadings):
        assert f"`{field.name}`" in page
    (asked,) = re.findall(r'"permissions": \[(.*?)\]', page, re.DOTALL)
    kinds = {f"coco#{kind}/{act}" for kind in ("connector", "datasource") for act in ("read", "create", "update")}
    assert set(re.findall(r'"(.*?)"', asked)) == kinds | {
        f"coco#document/{act}" for act in ("read", "search", "update", "delete")
    }
