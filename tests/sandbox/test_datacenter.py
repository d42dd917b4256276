from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
import requests

from airflow_provider_confluence.testing.sandbox import Model, Readings, Sandbox
from tests.contracts.checker import ContractChecker
from tests.sandbox.conftest import Caller

EVERYTHING = (
    "version,space,ancestors,metadata.labels,restrictions.read.restrictions.user,restrictions.read.restrictions.group"
)


def test_a_scan_goes_by_content_id_and_holds_each_page_once(on_datacenter: Caller) -> None:
    model = on_datacenter.sandbox.model
    made = [model.create_page("DOCS", f"Page {n}") for n in range(5)]
    model.create_blogpost("DOCS", "Post")
    parts = on_datacenter.pages("/rest/api/content/scan", spaceKey="DOCS", type="page", limit=2)
    assert [f"content:false:{made[1]}", f"content:false:{made[3]}", None] == [part.get("nextCursor") for part in parts]
    assert made == [row["id"] for part in parts for row in part["results"]]


def test_a_bad_scan_cursor_is_refused_with_400(on_datacenter: Caller) -> None:
    response = on_datacenter.wrong("/rest/api/content/scan", cursor="4711")
    assert (response.status_code, response.json()["statusCode"]) == (400, 400)


@pytest.mark.parametrize("remembers", [True, False])
def test_a_cursor_without_a_type_goes_on_with_it_or_falls_back_to_pages(on_datacenter: Caller, remembers: bool) -> None:
    model = on_datacenter.sandbox.model
    model.readings.scan_remembers_type = remembers
    posts = [model.create_blogpost("DOCS", f"Post {n}") for n in range(2)]
    page = model.create_page("DOCS", "Page")
    first = on_datacenter.json("/rest/api/content/scan", spaceKey="DOCS", type="blogpost", limit=1)
    rest = on_datacenter.json("/rest/api/content/scan", spaceKey="DOCS", cursor=first["nextCursor"])
    assert [posts[1] if remembers else page] == [row["id"] for row in rest["results"]]


def test_a_scan_that_refuses_a_type_beside_a_cursor_gives_addresses_without_one(on_datacenter: Caller) -> None:
    model = on_datacenter.sandbox.model
    model.readings.scan_cursor_with_type = "refused"
    posts = [model.create_blogpost("DOCS", f"Post {n}") for n in range(3)]
    rows = on_datacenter.rows("/rest/api/content/scan", spaceKey="DOCS", type="blogpost", limit=1)
    assert posts == [row["id"] for row in rows]
    again = {"type": "blogpost", "cursor": f"content:false:{posts[0]}"}
    assert on_datacenter.get("/rest/api/content/scan", **again).status_code == 400


def test_an_old_server_has_no_scan(on_datacenter: Caller) -> None:
    on_datacenter.sandbox.model.readings.scan_available = False
    assert on_datacenter.get("/rest/api/content/scan", spaceKey="DOCS").status_code == 404


def test_a_scan_carries_tree_labels_and_restrictions_when_asked(on_datacenter: Caller) -> None:
    model = on_datacenter.sandbox.model
    top = model.create_page("DOCS", "Top")
    folder = model.create_folder("DOCS", "Folder", parent=top)
    model.create_page("DOCS", "Page", parent=folder, labels=["x"])
    row = on_datacenter.json("/rest/api/content/scan", spaceKey="DOCS", type="page", expand=EVERYTHING)["results"][1]
    assert [top] == [ancestor["id"] for ancestor in row["ancestors"]]
    assert [label["name"] for label in row["metadata"]["labels"]["results"]] == ["x"]
    assert row["restrictions"]["read"]["restrictions"]["user"]["results"] == []
    assert {"body", "history"} <= row["_expandable"].keys()
    assert "body" not in row


@pytest.mark.parametrize(("expand", "rows"), [("space,version", 200), ("version,body.storage", 50)])
def test_a_scan_is_capped_by_what_it_expands_and_says_so(on_datacenter: Caller, expand: str, rows: int) -> None:
    for n in range(rows + 1):
        on_datacenter.sandbox.model.create_page("DOCS", f"Page {n}")
    answer = on_datacenter.json("/rest/api/content/scan", spaceKey="DOCS", type="page", limit=500, expand=expand)
    assert (rows, rows, rows) == (answer["limit"], answer["size"], len(answer["results"]))


def test_content_by_ids_includes_the_trash_when_any_status_is_asked_for(on_datacenter: Caller) -> None:
    model = on_datacenter.sandbox.model
    kept, trashed, purged = (model.create_page("DOCS", title, f"<p>{title}</p>") for title in "KTP")
    model.trash(trashed)
    model.purge(purged)
    ids = [kept, trashed, purged]
    assert [kept] == [row["id"] for row in on_datacenter.rows("/rest/api/content", ids=ids)]
    rows = on_datacenter.rows("/rest/api/content", ids=ids, status="any", expand="body.storage")
    assert [(r["status"], r["body"]["storage"]["value"]) for r in rows] == [
        ("current", "<p>K</p>"),
        ("trashed", "<p>T</p>"),
    ]


def test_one_item_is_found_by_id_with_history_space_and_version(on_datacenter: Caller) -> None:
    page = on_datacenter.sandbox.model.create_page("DOCS", "Page")
    row = on_datacenter.json(f"/rest/api/content/{page}")
    assert (
        row["space"]["key"],
        row["version"]["number"],
        row["history"]["createdBy"]["displayName"],
    ) == ("DOCS", 1, "Ada Admin")
    assert on_datacenter.get("/rest/api/content/4711").status_code == 404
    on_datacenter.sandbox.model.trash(page)
    assert on_datacenter.get(f"/rest/api/content/{page}").status_code == 404
    assert on_datacenter.json(f"/rest/api/content/{page}", status="trashed")["status"] == "trashed"


def test_lists_go_by_offset_and_say_the_effective_limit(on_datacenter: Caller) -> None:
    model = on_datacenter.sandbox.model
    made = [model.create_page("DOCS", f"Page {n}") for n in range(5)]
    answer = on_datacenter.json("/rest/api/space/DOCS/content/page", start=2, limit=2)
    assert (made[2:4], 2, 2) == ([row["id"] for row in answer["results"]], answer["start"], answer["limit"])
    assert made == [row["id"] for row in on_datacenter.rows("/rest/api/space/DOCS/content/page", limit=2)]
    assert made == [row["id"] for row in on_datacenter.rows("/rest/api/content/search", cql='space = "DOCS"', limit=3)]


def test_spaces_are_found_by_keys_that_are_repeated(on_datacenter: Caller) -> None:
    on_datacenter.sandbox.model.create_space("OPS")
    found = on_datacenter.rows("/rest/api/space", spaceKey=["OPS", "NONE"])
    assert [space["key"] for space in found] == ["OPS"]
    assert on_datacenter.json("/rest/api/space/DOCS")["name"] == "Documentation"
    assert on_datacenter.get("/rest/api/space/NONE").status_code == 404


def test_an_attachment_is_downloaded_by_its_link(on_datacenter: Caller) -> None:
    model = on_datacenter.sandbox.model
    page = model.create_page("DOCS", "Page")
    model.attach(page, "ä ?#.txt", b"old", "text/plain")
    model.attach(page, "ä ?#.txt", b"bytes", "text/plain")
    [row] = on_datacenter.rows(f"/rest/api/content/{page}/child/attachment", expand="version,container")
    assert ("ä ?#.txt", 5, 2, page) == (
        row["title"],
        row["extensions"]["fileSize"],
        row["version"]["number"],
        row["container"]["id"],
    )
    assert on_datacenter.get(row["_links"]["download"]).content == b"bytes"
    assert on_datacenter.get(row["_links"]["download"].replace("version=2", "version=1")).content == b"old"
    assert requests.get(on_datacenter.sandbox.endpoint + row["_links"]["download"], timeout=5).status_code == 401


def test_pages_in_a_folder_are_children_of_the_page_above_it(on_datacenter: Caller) -> None:
    model = on_datacenter.sandbox.model
    top = model.create_page("DOCS", "Top")
    folder = model.create_folder("DOCS", "Folder", parent=top)
    page = model.create_page("DOCS", "Page", parent=folder, labels=["x"])
    assert [page] == [row["id"] for row in on_datacenter.rows(f"/rest/api/content/{top}/child/page")]
    assert [label["name"] for label in on_datacenter.rows(f"/rest/api/content/{page}/label")] == ["x"]
    assert on_datacenter.get(f"/rest/api/content/{folder}").status_code == 404


def test_the_trash_is_listed_for_administrators_only(on_datacenter: Caller) -> None:
    model = on_datacenter.sandbox.model
    made = [model.create_page("DOCS", f"Page {n}") for n in range(3)]
    for page in made:
        model.trash(page)
    assert on_datacenter.get("/rest/api/space/DOCS/trash").status_code == 403
    model.readings.trash_listing_allowed = True
    assert made == [row["id"] for row in on_datacenter.rows("/rest/api/space/DOCS/trash", limit=2)]


def test_instants_carry_the_servers_own_offset(on_datacenter: Caller) -> None:
    on_datacenter.sandbox.model.readings.datacenter_utc_offset_minutes = -330
    page = on_datacenter.sandbox.model.create_page("DOCS", "Page")
    assert on_datacenter.json(f"/rest/api/content/{page}")["version"]["when"].endswith("-05:30")


def test_a_wrong_token_answers_401_and_says_why(on_datacenter: Caller) -> None:
    address = on_datacenter.sandbox.endpoint + "/rest/api/user/current"
    response = requests.get(address, headers={"Authorization": "Bearer wrong"}, timeout=5)
    assert (response.status_code, response.headers["X-Seraph-LoginReason"]) == (401, "AUTHENTICATED_FAILED")
    assert on_datacenter.get("/rest/api/user/current").headers["X-Seraph-LoginReason"] == "OK"


def test_a_wrong_token_can_pass_as_anonymous(on_datacenter: Caller) -> None:
    readings = on_datacenter.sandbox.model.readings
    readings.invalid_token_is_anonymous = readings.anonymous_access = True
    on_datacenter.sandbox.model.create_space("PUB", public=True)
    endpoint, headers = on_datacenter.sandbox.endpoint, {"Authorization": "Bearer wrong"}
    assert requests.get(endpoint + "/rest/api/user/current", headers=headers, timeout=5).json()["type"] == "anonymous"
    spaces = requests.get(endpoint + "/rest/api/space", headers=headers, timeout=5).json()["results"]
    assert [space["key"] for space in spaces] == ["PUB"]


def test_basic_authentication_works_until_it_is_switched_off() -> None:
    checker = ContractChecker("datacenter")
    with Sandbox("datacenter", username="bot", token="secret", observer=checker) as sandbox:
        headers = {"Authorization": "Basic " + base64.b64encode(b"bot:secret").decode()}
        assert (headers["Authorization"], "bot") == (sandbox.authorization, sandbox.username)
        answer = requests.get(sandbox.endpoint + "/rest/api/user/current", headers=headers, timeout=5)
        assert answer.json()["type"] == "known"
        sandbox.model.readings.basic_auth_disabled = True
        answer = requests.get(sandbox.endpoint + "/rest/api/user/current", headers=headers, timeout=5)
        assert (answer.status_code, "disabled" in answer.json()["message"]) == (403, True)
    checker.assert_clean()


@pytest.mark.parametrize("context", ["", "/wiki", "/a/b"])
def test_the_context_path_can_be_anything(context: str, calling: Callable[[Sandbox], Caller]) -> None:
    with Sandbox("datacenter", context=context, observer=ContractChecker("datacenter", context)) as sandbox:
        caller = calling(sandbox)
        assert sandbox.origin + context == sandbox.endpoint
        assert caller.json("/rest/api/server-information")["version"] == "10.0.3"
        sandbox.model.create_space("S")
        assert sandbox.endpoint == caller.json("/rest/api/space", limit=1)["_links"]["base"]
        sandbox.observer.assert_clean()  # type: ignore[union-attr]


def test_one_wiki_is_served_as_both_editions(calling: Callable[[Sandbox], Caller]) -> None:
    model = Model(readings=Readings())
    model.create_space("DOCS")
    page = model.create_page("DOCS", "Page")
    with Sandbox("cloud", model) as cloud, Sandbox("datacenter", model) as datacenter:
        model.edit(page, body="x")
        assert calling(cloud).json(f"/api/v2/pages/{page}")["version"]["number"] == 2
        assert calling(datacenter).json(f"/rest/api/content/{page}")["version"]["number"] == 2


def test_a_person_is_found_by_user_key_or_by_login_name(on_datacenter: Caller) -> None:
    on_datacenter.sandbox.model.add_user("ff8081", "Mära O’Neil & Söhne", username="mära+x&y")
    for asked in ({"key": "ff8081"}, {"username": "mära+x&y"}):
        row = on_datacenter.json("/rest/api/user", **asked)
        assert (
            row["type"],
            row["userKey"],
            row["username"],
            row["displayName"],
        ) == ("known", "ff8081", "mära+x&y", "Mära O’Neil & Söhne")


@pytest.mark.parametrize("asked", [{"key": "nobody"}, {"username": "nobody"}, {"key": "mara"}, {"username": "ff8081"}])
def test_an_unknown_person_is_absent_with_a_reason(on_datacenter: Caller, asked: dict[str, str]) -> None:
    on_datacenter.sandbox.model.add_user("ff8081", "Mara", username="mara")
    response = on_datacenter.get("/rest/api/user", **asked)
    assert (response.status_code, response.json()["statusCode"]) == (404, 404)
    assert next(iter(asked.values())) in response.json()["message"]


def test_people_are_shown_neither_to_anonymous_visitors_nor_without_a_name(on_datacenter: Caller) -> None:
    on_datacenter.sandbox.model.readings.anonymous_access = True
    address = on_datacenter.sandbox.endpoint + "/rest/api/user"
    assert requests.get(address, params={"key": "admin"}, timeout=5).status_code == 403
    assert on_datacenter.wrong("/rest/api/user").status_code == 400


@pytest.mark.parametrize(
    ("relative_to", "root"), [("base", ""), ("host", "/confluence"), ("nothing", "{origin}/confluence")]
)
@pytest.mark.parametrize(
    "path", ["/rest/api/space/DOCS/content/page?", "/rest/api/content/scan?spaceKey=DOCS&type=page&"]
)
def test_next_addresses_are_relative_to_what_the_reading_says(
    on_datacenter: Caller, relative_to: str, root: str, path: str
) -> None:
    on_datacenter.sandbox.model.readings.datacenter_links_relative_to = relative_to  # type: ignore[assignment]
    for title in "AB":
        on_datacenter.sandbox.model.create_page("DOCS", title)
    links = on_datacenter.json(f"{path}limit=1")["_links"]
    assert links["next"].startswith(root.format(origin=on_datacenter.sandbox.origin) + path.partition("?")[0] + "?")
    assert (links["base"], links["context"]) == (on_datacenter.sandbox.endpoint, "/confluence")


def test_a_page_without_comments_lists_none_and_a_hidden_one_has_no_answer(on_datacenter: Caller) -> None:
    page = on_datacenter.sandbox.model.create_page("DOCS", "Page")
    path = f"/rest/api/content/{page}/child/comment"
    assert on_datacenter.rows(path, depth="all", location="footer,inline") == []
    on_datacenter.sandbox.model.hide(page)
    assert on_datacenter.get(path).status_code == 404


def test_what_the_sandbox_does_not_serve_is_not_called_absent(on_datacenter: Caller) -> None:
    assert on_datacenter.wrong("/rest/api/longtask").status_code == 501
    assert on_datacenter.wrong("/rest/mine/1.0").status_code == 404
