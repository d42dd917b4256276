from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import pytest
import requests

from airflow_provider_confluence.testing.sandbox import ManualClock, Model, Readings, Sandbox
from tests.contracts.checker import ContractChecker
from tests.sandbox.conftest import Caller


def space_id(caller: Caller, key: str = "DOCS") -> str:
    return str(caller.json("/api/v2/spaces", keys=key)["results"][0]["id"])


def test_a_space_lists_its_pages_in_parts_that_hold_each_once(on_cloud: Caller) -> None:
    made = [on_cloud.sandbox.model.create_page("DOCS", f"Page {n}") for n in range(7)]
    parts = on_cloud.pages(f"/api/v2/spaces/{space_id(on_cloud)}/pages", limit=3, sort="id")
    assert [len(part["results"]) for part in parts] == [3, 3, 1]
    assert made == [row["id"] for part in parts for row in part["results"]]


def test_the_next_address_is_in_the_body_and_in_the_link_header(on_cloud: Caller) -> None:
    for n in range(2):
        on_cloud.sandbox.model.create_page("DOCS", f"Page {n}")
    response = on_cloud.get("/api/v2/pages", limit=1)
    address = response.json()["_links"]["next"]
    assert address.startswith("/wiki/api/v2/pages?")
    assert address == response.links["next"]["url"]
    assert f"{on_cloud.sandbox.origin}/wiki" == response.json()["_links"]["base"]


@pytest.mark.parametrize("cursor", ["keyset", "offset"])
def test_a_row_that_goes_between_two_parts_shifts_an_offset_cursor_only(on_cloud: Caller, cursor: str) -> None:
    model = on_cloud.sandbox.model
    model.readings.cloud_cursor = cursor  # type: ignore[assignment]
    made = [model.create_page("DOCS", f"Page {n}") for n in range(6)]
    first = on_cloud.json("/api/v2/pages", limit=2, sort="id")
    model.purge(made[0])
    rest = on_cloud.rows(on_cloud.sandbox.origin + first["_links"]["next"])
    assert (made[2:] if cursor == "keyset" else made[3:]) == [row["id"] for row in rest]


@pytest.mark.parametrize("cursor", ["keyset", "offset"])
def test_a_search_shifts_likewise(on_cloud: Caller, cursor: str) -> None:
    model = on_cloud.sandbox.model
    model.readings.cloud_cursor = cursor  # type: ignore[assignment]
    made = [model.create_page("DOCS", f"Page {n}") for n in range(6)]
    first = on_cloud.json("/rest/api/content/search", cql="type = page", limit=2)
    model.purge(made[0])
    rest = on_cloud.rows(first["_links"]["next"])
    assert (made[2:] if cursor == "keyset" else made[3:]) == [row["id"] for row in rest]


def test_pages_without_a_status_are_current_and_archived(on_cloud: Caller) -> None:
    model = on_cloud.sandbox.model
    current, archived, trashed = (model.create_page("DOCS", title) for title in ("C", "A", "T"))
    model.archive(archived)
    model.trash(trashed)
    assert {current, archived} == {row["id"] for row in on_cloud.rows("/api/v2/pages")}
    assert [current] == [row["id"] for row in on_cloud.rows("/api/v2/pages", status="current")]
    asked = on_cloud.rows("/api/v2/pages", id=f"{current},{archived},{trashed}", status="archived,trashed")
    assert {archived: "archived", trashed: "trashed"} == {row["id"]: row["status"] for row in asked}


def test_newest_changes_come_first_when_asked_for(on_cloud: Caller) -> None:
    model = Model(clock=ManualClock())
    model.create_space("DOCS")
    with Sandbox("cloud", model) as sandbox:
        caller = Caller(sandbox)
        made = []
        for n in range(3):
            model.clock.advance(60)  # type: ignore[attr-defined]
            made.append(model.create_page("DOCS", f"Page {n}"))
        model.clock.advance(60)  # type: ignore[attr-defined]
        model.edit(made[0], body="x")
        rows = caller.rows("/api/v2/pages", sort="-modified-date", limit=1)
        caller.session.close()
    assert [made[0], made[2], made[1]] == [row["id"] for row in rows]


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/api/v2/pages", {"limit": 251}),
        ("/api/v2/pages", {"limit": 0}),
        ("/api/v2/pages", {"sort": "colour"}),
        ("/api/v2/pages", {"status": "historical"}),
        ("/api/v2/pages", {"body-format": "view"}),
        ("/api/v2/pages", {"id": ",".join(map(str, range(251)))}),
        ("/api/v2/pages", {"space-id": ",".join(map(str, range(101)))}),
        ("/api/v2/pages", {"cursor": "nonsense"}),
        ("/api/v2/blogposts", {"status": "archived"}),
        ("/api/v2/attachments", {"sort": "id"}),
        ("/api/v2/spaces", {"type": "galactic"}),
    ],
)
def test_a_value_out_of_range_is_refused_with_400(on_cloud: Caller, path: str, params: dict[str, str]) -> None:
    response = on_cloud.wrong(path, **params)
    assert (response.status_code, response.json()["errors"][0]["status"]) == (400, 400)


def test_bodies_come_in_bulk_by_id(on_cloud: Caller) -> None:
    model = on_cloud.sandbox.model
    first, second = model.create_page("DOCS", "One", "<p>1</p>"), model.create_page("DOCS", "Two", lambda: "<p>2</p>")
    rows = on_cloud.rows("/api/v2/pages", id=f"{second},{first},999", body_format="storage")
    assert {first: "<p>1</p>", second: "<p>2</p>"} == {row["id"]: row["body"]["storage"]["value"] for row in rows}


def test_a_page_below_a_folder_names_it_as_its_parent(on_cloud: Caller) -> None:
    model = on_cloud.sandbox.model
    top = model.create_page("DOCS", "Top")
    folder = model.create_folder("DOCS", "Folder", parent=top)
    page = model.create_page("DOCS", "Page", parent=folder)
    row = on_cloud.json(f"/api/v2/pages/{page}")
    assert (folder, "folder") == (row["parentId"], row["parentType"])
    found = on_cloud.json(f"/api/v2/folders/{folder}")
    assert ("Folder", top, "page") == (found["title"], found["parentId"], found["parentType"])
    above = on_cloud.rows(f"/api/v2/pages/{page}/ancestors")
    assert [{"id": top, "type": "page"}, {"id": folder, "type": "folder"}] == above
    assert [(folder, "folder")] == [(c["id"], c["type"]) for c in on_cloud.rows(f"/api/v2/pages/{top}/direct-children")]


def test_labels_are_found_by_item_and_items_by_label(on_cloud: Caller) -> None:
    model = on_cloud.sandbox.model
    page = model.create_page("DOCS", "Page", labels=["red", "blue"])
    model.create_page("DOCS", "Other", labels=["red"])
    model.create_blogpost("DOCS", "Post", labels=["blue"])
    labels = on_cloud.rows(f"/api/v2/pages/{page}/labels")
    assert {"red", "blue"} == {label["name"] for label in labels}
    blue = next(label["id"] for label in on_cloud.rows("/api/v2/labels") if label["name"] == "blue")
    assert [row["title"] for row in on_cloud.rows(f"/api/v2/labels/{blue}/pages")] == ["Page"]
    assert [row["title"] for row in on_cloud.rows(f"/api/v2/labels/{blue}/blogposts")] == ["Post"]
    single = on_cloud.json(f"/api/v2/pages/{page}", include_labels="true")
    assert {"red", "blue"} == {label["name"] for label in single["labels"]["results"]}


def test_an_attachment_names_its_container_size_and_version(on_cloud: Caller) -> None:
    model = on_cloud.sandbox.model
    page, post = model.create_page("DOCS", "Page"), model.create_blogpost("DOCS", "Post")
    model.attach(page, "a.txt", b"four", "text/plain")
    model.attach(page, "a.txt", b"fives", "text/plain")
    model.attach(post, "b.txt", b"b", "text/plain")
    first, second = on_cloud.rows("/api/v2/attachments")
    assert ("a.txt", page, 5, 2) == (first["title"], first["pageId"], first["fileSize"], first["version"]["number"])
    assert (post, False) == (second["blogPostId"], "pageId" in second)
    assert first == on_cloud.rows(f"/api/v2/pages/{page}/attachments", filename="a.txt")[0]


def test_attachments_of_trashed_pages_vanish_and_those_of_archived_pages_are_archived(on_cloud: Caller) -> None:
    model = on_cloud.sandbox.model
    trashed, archived = model.create_page("DOCS", "T"), model.create_page("DOCS", "A")
    for page in (trashed, archived):
        model.attach(page, "a.txt", b"a", "text/plain")
    model.trash(trashed)
    model.archive(archived)
    assert [(archived, "archived")] == [(row["pageId"], row["status"]) for row in on_cloud.rows("/api/v2/attachments")]
    assert on_cloud.rows("/api/v2/attachments", status="current") == []


def test_a_download_goes_to_another_host_that_refuses_the_credential(on_cloud: Caller) -> None:
    model = on_cloud.sandbox.model
    page = model.create_page("DOCS", "Page")
    attachment = model.attach(page, "ä b.txt", b"first", "text/plain")
    model.attach(page, "ä b.txt", b"second", "text/plain")
    route = f"/rest/api/content/{page}/child/attachment/{attachment}/download"
    response = on_cloud.get(route)
    location = response.headers["Location"]
    assert response.status_code == 302
    assert location.startswith(on_cloud.sandbox.media_origin)
    assert on_cloud.sandbox.media_origin != on_cloud.sandbox.origin
    assert requests.get(location, timeout=5).content == b"second"
    assert on_cloud.get(location).status_code == 400
    assert requests.get(on_cloud.get(route, version=1).headers["Location"], timeout=5).content == b"first"
    assert requests.get(location.partition("?")[0], timeout=5).status_code == 403


def test_the_legacy_download_link_is_refused(on_cloud: Caller) -> None:
    model = on_cloud.sandbox.model
    page = model.create_page("DOCS", "Page")
    model.attach(page, "a.txt", b"a", "text/plain")
    [row] = on_cloud.rows("/api/v2/attachments")
    response = on_cloud.wrong(row["downloadLink"])
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("OAuth realm=")


@pytest.mark.parametrize(
    "path", ["content", "content/1", "content/1/child/page", "space", "space/DOCS", "content/1/label"]
)
def test_what_is_gone_from_version_1_answers_410(on_cloud: Caller, path: str) -> None:
    assert on_cloud.wrong("/rest/api/" + path).status_code == 410


@pytest.mark.parametrize(
    "path",
    [
        "/rest/api/content/1/restriction",
        "/rest/api/search?cql=type=page",
        "/api/v2/tasks",
        "/api/v2/footer-comments/1/likes",
    ],
)
def test_what_the_sandbox_lacks_is_no_404(on_cloud: Caller, path: str) -> None:
    assert on_cloud.wrong(path).status_code == 501


def test_hidden_and_absent_items_answer_404_alike(on_cloud: Caller) -> None:
    model = on_cloud.sandbox.model
    page = model.create_page("DOCS", "Page")
    attachment = model.attach(page, "a.txt", b"a", "text/plain")
    model.hide(page)
    for path in (
        f"/api/v2/pages/{page}",
        "/api/v2/pages/4711",
        f"/api/v2/attachments/{attachment}",
        f"/rest/api/content/{page}/child/attachment/{attachment}/download",
    ):
        assert on_cloud.get(path).status_code == 404
    assert on_cloud.rows("/api/v2/pages", id=page) == []
    model.hide_space("DOCS")
    assert on_cloud.rows("/api/v2/spaces", keys="DOCS") == []


def test_people_come_in_bulk(on_cloud: Caller) -> None:
    on_cloud.sandbox.model.add_user("5b1", "Zoë Álvarez")
    found = on_cloud.session.post(
        on_cloud.sandbox.endpoint + "/api/v2/users-bulk", json={"accountIds": ["5b1", "nobody"]}, timeout=5
    )
    assert [(row["accountId"], row["displayName"]) for row in found.json()["results"]] == [("5b1", "Zoë Álvarez")]
    older = on_cloud.rows("/rest/api/user/bulk", accountId=["5b1", "nobody"])
    assert [row["displayName"] for row in older] == ["Zoë Álvarez"]


def test_a_search_pages_by_cursor_with_an_address_that_lacks_the_context(on_cloud: Caller) -> None:
    model = on_cloud.sandbox.model
    made = [model.create_page("DOCS", f"Page {n}", labels=["x"]) for n in range(5)]
    model.create_space("OPS")
    model.create_page("OPS", "Elsewhere")
    parts = on_cloud.pages(
        "/rest/api/content/search",
        cql='space = "DOCS" and type in (page, blogpost)',
        expand="metadata.labels,version",
        limit=2,
    )
    assert [part["size"] for part in parts] == [2, 2, 1]
    assert parts[0]["_links"]["next"].startswith("/rest/api/content/search?")
    rows = [row for part in parts for row in part["results"]]
    assert made == [row["id"] for row in rows]
    assert {("x", 1)} == {(row["metadata"]["labels"]["results"][0]["name"], row["version"]["number"]) for row in rows}


@pytest.mark.parametrize(
    ("expand", "rows"), [("", 1000), ("version", 200), ("version,body.storage", 50), ("body.export_view", 25)]
)
def test_a_search_is_capped_by_what_it_expands_and_says_so(on_cloud: Caller, expand: str, rows: int) -> None:
    for n in range(rows + 1):
        on_cloud.sandbox.model.create_page("DOCS", f"Page {n}")
    params = {"expand": expand} if expand else {}
    answer = on_cloud.json("/rest/api/content/search", cql="type=page", limit=2000, **params)
    assert (rows, rows) == (answer["limit"], len(answer["results"]))


def test_a_wrong_token_answers_401_in_plain_text(on_cloud: Caller) -> None:
    wrong = base64.b64encode(b"indexer@example.com:wrong").decode()
    for path in ("/api/v2/spaces", "/rest/api/user/current"):
        address = on_cloud.sandbox.endpoint + path
        response = requests.get(address, headers={"Authorization": f"Basic {wrong}"}, timeout=5)
        assert (response.status_code, response.headers["Content-Type"].startswith("text/plain")) == (401, True)


def test_without_a_credential_the_identity_is_anonymous_and_content_is_closed(on_cloud: Caller) -> None:
    endpoint = on_cloud.sandbox.endpoint
    assert requests.get(endpoint + "/rest/api/user/current", timeout=5).json()["type"] == "anonymous"
    assert requests.get(endpoint + "/api/v2/spaces", timeout=5).status_code == 401
    assert on_cloud.json("/rest/api/user/current")["type"] == "known"


def test_with_anonymous_access_on_visitors_see_public_spaces(on_cloud: Caller) -> None:
    model = on_cloud.sandbox.model
    model.readings.anonymous_access = True
    model.create_space("PUB", public=True)
    answer = requests.get(on_cloud.sandbox.endpoint + "/api/v2/spaces", timeout=5).json()
    assert [space["key"] for space in answer["results"]] == ["PUB"]


def test_the_gateway_serves_the_same_with_next_addresses_of_the_site(on_cloud: Caller) -> None:
    for n in range(2):
        on_cloud.sandbox.model.create_page("DOCS", f"Page {n}")
    cloud_id = requests.get(on_cloud.sandbox.origin + "/_edge/tenant_info", timeout=5).json()["cloudId"]
    gateway = f"{on_cloud.sandbox.origin}/ex/confluence/{cloud_id}/wiki"
    assert gateway == on_cloud.sandbox.gateway
    answer = on_cloud.json(gateway + "/api/v2/pages", limit=1)
    assert answer["_links"]["next"].startswith("/wiki/api/v2/pages?")
    assert on_cloud.json("/api/v2/pages", limit=2)["results"][0] == answer["results"][0]


def test_a_scoped_token_is_good_at_the_gateway_only(calling: Callable[[Sandbox], Caller]) -> None:
    checker = ContractChecker("cloud")
    with Sandbox("cloud", Model(readings=Readings(scoped_token=True)), observer=checker) as sandbox:
        caller = calling(sandbox)
        assert caller.get("/api/v2/spaces").status_code == 401
        assert caller.get(sandbox.gateway + "/api/v2/spaces").status_code == 200
    checker.assert_clean()


def test_the_date_header_is_the_wikis_clock(calling: Callable[[Sandbox], Caller]) -> None:
    noon = datetime(2026, 2, 3, 12, 0, tzinfo=timezone.utc)
    with Sandbox("cloud", Model(clock=ManualClock(noon))) as sandbox:
        assert noon == parsedate_to_datetime(calling(sandbox).get("/rest/api/user/current").headers["Date"])
