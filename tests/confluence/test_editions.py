"""What is one edition's alone, and how the edition is found."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from airflow_provider_confluence.confluence.client import (
    ConfluenceClient,
    ConnectionSettings,
    Fetched,
    connect,
)
from airflow_provider_confluence.confluence.gate import Gate
from airflow_provider_confluence.errors import ContractError, CredentialsError
from airflow_provider_confluence.testing.sandbox import Sandbox
from airflow_provider_confluence.testing.sandbox.faults import (
    EndlessNext,
    Respond,
    SilentCap,
    Tamper,
    WrongNextStart,
)
from airflow_provider_confluence.testing.sandbox.web import Request, Response
from tests.confluence.odd_server import Asked, OddServer, Reply, answer, refusal

Open = Callable[..., ConfluenceClient]
Start = Callable[[Callable[[Asked], Reply]], OddServer]


# ---------------------------------------------------------------------------------------- which edition
def test_an_address_that_shows_its_edition_is_not_asked(cloud: Sandbox, open_client: Open) -> None:
    client = open_client(cloud, deployment="auto")
    assert (client.edition, client.site) == ("cloud", cloud.endpoint)
    assert len(cloud.requests) == 0


def test_data_center_is_found_by_one_request(datacenter: Sandbox, open_client: Open) -> None:
    client = open_client(datacenter, deployment="auto", endpoint=datacenter.endpoint + "/")
    assert (client.edition, client.site) == ("datacenter", datacenter.endpoint)
    assert len(datacenter.requests) == 1


def test_cloud_behind_another_name_is_found_by_its_wiki(odd_server: Start, gate: Gate) -> None:
    def reply(asked: Asked) -> Reply:
        return answer({"results": []}) if asked.path == "/wiki/api/v2/spaces" else refusal(404)

    server = odd_server(reply)
    client = connect(ConnectionSettings(server.origin, "ada@example.com", "T0KEN"), gate=gate)
    assert (client.edition, client.site) == ("cloud", server.origin + "/wiki")
    assert len(server.asked) == 2
    client.close()


def test_an_address_without_any_confluence_says_what_to_set(odd_server: Start, gate: Gate) -> None:
    server = odd_server(lambda _asked: Reply(200, b"<html>Welcome</html>", {"Content-Type": "text/html"}))
    with pytest.raises(ContractError, match="set deployment"):
        connect(ConnectionSettings(server.origin, "ada@example.com", "T0KEN"), gate=gate)


def test_a_refused_credential_is_not_taken_for_another_edition(datacenter: Sandbox, gate: Gate) -> None:
    with pytest.raises(CredentialsError):
        connect(ConnectionSettings(datacenter.endpoint, token="wr0ng"), gate=gate)
    assert len(datacenter.requests) == 1


def test_clients_with_one_credential_share_the_gate_of_the_process(cloud: Sandbox) -> None:
    settings = ConnectionSettings(cloud.endpoint, cloud.username, cloud.token, max_in_flight=3)
    first, second = connect(settings), connect(settings)
    other = connect(replace(settings, token="another"))
    assert first.transport.gate is second.transport.gate  # type: ignore[attr-defined]
    assert first.transport.gate is not other.transport.gate  # type: ignore[attr-defined]
    assert first.transport.gate.max_in_flight == 3  # type: ignore[attr-defined]
    first.identity()
    assert (first.requests_made, second.requests_made) == (1, 0)
    first.close()


def test_importing_and_connecting_load_no_http_library() -> None:
    code = (
        "import sys; from airflow_provider_confluence.confluence.client import ConnectionSettings, connect; "
        "connect(ConnectionSettings('https://site.atlassian.net', 'a@example.com', 't')); "
        "print(sorted({'requests', 'urllib3', 'atlassian', 'airflow', 'lxml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


# ---------------------------------------------------------------------------------------- Cloud
def test_at_the_gateway_links_lead_to_the_site(cloud: Sandbox, open_client: Open) -> None:
    cloud.model.create_space("DOCS")
    ids = [cloud.model.create_page("DOCS", f"P{n}", "<p/>") for n in range(260)]
    client = open_client(cloud, endpoint=cloud.gateway)
    (space,) = client.spaces(["DOCS"])
    entries = list(client.list_content(space, "page"))
    assert sorted(ids) == sorted(entry.content_id for entry in entries)
    assert client.site == cloud.gateway
    assert all(entry.url.startswith(cloud.endpoint + "/spaces/") for entry in entries)
    assert space.url.startswith(cloud.endpoint)


def test_archived_pages_are_looked_up_as_archived(cloud: Sandbox, open_client: Open) -> None:
    cloud.model.create_space("DOCS")
    page = cloud.model.create_page("DOCS", "Old")
    cloud.model.archive(page)
    assert open_client(cloud).look_up("page", [page])[page].status == "archived"


def test_folders_are_steps_of_the_tree(cloud: Sandbox, open_client: Open) -> None:
    model = cloud.model
    model.create_space("DOCS")
    top = model.create_page("DOCS", "Top")
    folder = model.create_folder("DOCS", "Folder", parent=top)
    page = model.create_page("DOCS", "In it", parent=folder)
    client = open_client(cloud)
    (space,) = client.spaces(["DOCS"])
    entry = {e.content_id: e for e in client.list_content(space, "page")}[page]
    assert (entry.parent_id, entry.parent_type) == (folder, "folder")
    found = client.tree_nodes([(folder, "folder"), ("99999999", "folder"), (top, "page"), (folder, "folder")])
    node = found.pop(folder)
    assert found == {}
    assert (node.title, node.type, node.parent_id, node.parent_type) == ("Folder", "folder", top, "page")
    assert (node.space_id, node.version, node.status) == (space.id, 1, "current")


def test_labels_that_the_search_does_not_know_yet_are_unknown_and_not_none(cloud: Sandbox, open_client: Open) -> None:
    cloud.model.create_space("DOCS")
    page = cloud.model.create_page("DOCS", "New", labels=["a"])
    cloud.model.readings.cql_index_lag_seconds = 3600
    client = open_client(cloud)
    (space,) = client.spaces(["DOCS"])
    (entry,) = client.list_content(space, "page")
    assert (entry.content_id, entry.labels) == (page, None)


def test_a_search_that_fails_leaves_labels_unknown_and_the_listing_whole(cloud: Sandbox, open_client: Open) -> None:
    cloud.model.create_space("DOCS")
    cloud.model.create_page("DOCS", "New", labels=["a"])
    cloud.faults.add(Respond(403, route="*/content/search", times=None))
    client = open_client(cloud)
    (space,) = client.spaces(["DOCS"])
    listing = client.list_content(space, "page")
    assert [entry.labels for entry in listing] == [None]
    assert listing.complete


def test_a_search_that_is_refused_for_the_credential_is_an_error(cloud: Sandbox, open_client: Open) -> None:
    cloud.model.create_space("DOCS")
    cloud.model.create_page("DOCS", "New")
    cloud.faults.add(Respond(401, route="*/content/search", times=None))
    client = open_client(cloud)
    (space,) = client.spaces(["DOCS"])
    with pytest.raises(CredentialsError):
        list(client.list_content(space, "page"))


def test_a_space_key_with_quotes_stays_a_key(cloud: Sandbox, open_client: Open) -> None:
    cloud.model.create_space("DOCS")
    cloud.model.create_space("OTHER")
    cloud.model.create_folder("OTHER", "Not yours")
    folder = cloud.model.create_folder("DOCS", "Mine")
    client = open_client(cloud)
    (space,) = client.spaces(["DOCS"])
    assert client.find_tree_nodes([space]) == [(folder, "folder")]
    assert client.find_tree_nodes([replace(space, key='DOCS") or space in ("OTHER')]) == []


@pytest.mark.parametrize(
    "unknown",
    [["whiteboard"], ["KEY13"], ["whiteboard", "KEY13"], ["KEY0", "KEY1"], ["KEY3", "KEY10", "KEY41", "KEY57"]],
)
def test_a_type_and_a_space_that_the_search_does_not_know_hide_no_other_folders(
    cloud: Sandbox, open_client: Open, unknown: list[str]
) -> None:
    folders = {}
    for number in range(60):
        cloud.model.create_space(f"KEY{number}")
        folders[f"KEY{number}"] = cloud.model.create_folder(f"KEY{number}", "Folder")

    def refuse(request: Request, response: Response) -> None:
        if any(f'"{word}"' in cql or f" {word}" in cql for word in unknown for cql in request.many("cql")):
            response.status = 400

    cloud.faults.add(Tamper(refuse, route="*/content/search", times=None))
    client = open_client(cloud)
    spaces = client.spaces([f"KEY{number}" for number in range(60)])
    before = cloud.requests.count("*/content/search")
    assert {i for i, _ in client.find_tree_nodes(spaces)} == {i for key, i in folders.items() if key not in unknown}
    assert cloud.requests.count("*/content/search") - before <= 2 + 14 * len(unknown)


def test_a_search_that_takes_no_question_is_not_asked_about_every_space(cloud: Sandbox, open_client: Open) -> None:
    for number in range(60):
        cloud.model.create_space(f"KEY{number}")
    cloud.faults.add(Respond(400, route="*/content/search", times=None))
    client = open_client(cloud)
    spaces = client.spaces([f"KEY{number}" for number in range(60)])
    assert len(spaces) == 60
    assert client.find_tree_nodes(spaces) == []
    assert cloud.requests.count("*/content/search") <= 2 * (2 + 2 * 6)


def test_a_body_without_storage_is_empty_and_adf_is_taken_where_it_is_all_there_is(
    cloud: Sandbox, open_client: Open
) -> None:
    cloud.model.create_space("DOCS")
    first, second = (cloud.model.create_page("DOCS", title, "<p>x</p>") for title in ("A", "B"))

    def change(_request: Request, response: Response) -> None:
        for row in response.document["results"]:  # type: ignore[index, call-overload]
            row["body"] = {} if row["id"] == first else {"atlas_doc_format": {"value": '{"type":"doc"}'}}

    cloud.observer = None
    cloud.faults.add(Tamper(change, route="*/api/v2/pages", times=None))
    found = {
        item.entry.content_id: (item.representation, item.body)
        for item in open_client(cloud).fetch_bodies("page", [first, second])
        if isinstance(item, Fetched)
    }
    assert found == {first: ("storage", ""), second: ("atlas_doc_format", '{"type":"doc"}')}


# ---------------------------------------------------------------------------------------- Data Center
@pytest.mark.parametrize("type_", ["page", "blogpost"])
@pytest.mark.parametrize(
    ("cursor_with_type", "remembers"), [("accepted", True), ("accepted", False), ("refused", True)]
)
def test_a_scan_is_whole_however_the_server_reads_type_behind_a_cursor(
    datacenter: Sandbox, open_client: Open, type_: str, cursor_with_type: str, remembers: bool
) -> None:
    model = datacenter.model
    model.readings.scan_cursor_with_type = cursor_with_type  # type: ignore[assignment]
    model.readings.scan_remembers_type = remembers
    model.create_space("DOCS")
    make = {"page": model.create_page, "blogpost": model.create_blogpost}
    ids = {each: [make[each]("DOCS", f"{each} {n}") for n in range(230)] for each in make}
    client = open_client(datacenter)
    (space,) = client.spaces(["DOCS"])
    listing = client.list_content(space, type_)  # type: ignore[arg-type]
    assert sorted(ids[type_]) == sorted(entry.content_id for entry in listing)
    assert listing.complete


def test_a_server_without_scan_is_listed_by_offset(datacenter: Sandbox, open_client: Open) -> None:
    model = datacenter.model
    model.readings.scan_available = False
    model.readings.list_cap_expanded = 70
    model.create_space("DOCS")
    ids = [model.create_page("DOCS", f"P{n}", labels=["a"]) for n in range(150)]
    client = open_client(datacenter)
    (space,) = client.spaces(["DOCS"])
    listing = client.list_content(space, "page")
    entries = list(listing)
    assert sorted(ids) == sorted(entry.content_id for entry in entries)
    assert {entry.labels for entry in entries} == {("a",)}
    assert listing.complete


@pytest.mark.parametrize("fault", [EndlessNext, SilentCap, WrongNextStart])
@pytest.mark.parametrize("count", [1, 120, 260])
def test_offset_listings_survive_the_known_bugs(
    datacenter: Sandbox, open_client: Open, fault: type[EndlessNext], count: int
) -> None:
    model = datacenter.model
    model.create_space("DOCS")
    page = model.create_page("DOCS", "P")
    ids = [model.attach(page, f"f{n}.txt", b"x") for n in range(count)]
    client = open_client(datacenter)
    (space,) = client.spaces(["DOCS"])
    container = client.look_up("page", [page])[page]
    datacenter.observer = None  # the bugs are no part of the contract
    for route, listing in (
        ("*/child/attachment", client.attachments_of(container)),
        ("*/content/search", client.list_attachments([space])),
    ):
        datacenter.faults.add(fault(route=route))
        assert sorted(ids) == sorted(entry.content_id for entry in listing), route
        assert listing.complete, listing.doubt


def test_attachments_are_asked_for_the_spaces_alone(datacenter: Sandbox, open_client: Open) -> None:
    model = datacenter.model
    attached = {}
    for key in ("ONE", "TWO", "THREE"):
        model.create_space(key)
        attached[key] = model.attach(model.create_page(key, "P"), "f.txt", b"x")
    client = open_client(datacenter)
    listing = client.list_attachments(client.spaces(["ONE", "TWO"]))
    found = {entry.content_id: entry.space_id for entry in listing}
    assert set(found) == {attached["ONE"], attached["TWO"]}
    assert set(found.values()) == {str(model.space(key).id) for key in ("ONE", "TWO")}  # type: ignore[union-attr]


def test_instants_of_the_server_s_zone_become_utc(datacenter: Sandbox, open_client: Open) -> None:
    model = datacenter.model
    model.readings.datacenter_utc_offset_minutes = -210
    model.create_space("DOCS")
    page = model.create_page("DOCS", "P")
    created = model.record(model.item(page)).created_at  # type: ignore[arg-type]
    found = open_client(datacenter).look_up("page", [page])[page].created
    assert found is not None
    assert found[:19] + "Z" == created.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_basic_authentication_serves_data_center_too(open_client: Open) -> None:
    with Sandbox("datacenter", username="svc") as sandbox:
        assert open_client(sandbox).identity().account_id == "indexer"


def test_an_invalid_token_that_is_answered_as_anonymous_is_refused(datacenter: Sandbox, open_client: Open) -> None:
    datacenter.model.readings.invalid_token_is_anonymous = True
    datacenter.model.readings.anonymous_access = True
    with pytest.raises(CredentialsError, match="anonymous"):
        open_client(datacenter, token="wr0ng").identity()


def test_without_a_credential_anonymous_is_what_was_meant(datacenter: Sandbox, open_client: Open) -> None:
    datacenter.model.readings.anonymous_access = True
    assert open_client(datacenter, token=None, username=None, anonymous=True).identity().anonymous


def test_a_server_too_old_to_know_ids_is_asked_one_by_one(odd_server: Start, gate: Gate) -> None:
    wiki = {
        str(n): {"id": str(n), "type": "page", "status": "current", "title": f"P{n}", "version": {"number": 1}}
        for n in range(5)
    }

    def reply(asked: Asked) -> Reply:
        if asked.path == "/rest/api/content":
            return answer({"results": [{**wiki["0"], "id": "900"}, {**wiki["1"], "id": "901"}], "limit": 25})
        row = wiki.get(asked.path.rpartition("/")[2])
        return answer({**row, "body": {"storage": {"value": row["title"]}}}) if row else refusal(404)

    server = odd_server(reply)
    client = connect(ConnectionSettings(server.origin, token="PAT", deployment="datacenter"), gate=gate)
    found = {
        i.entry.content_id: i.body for i in client.fetch_bodies("page", ["1", "2", "77"]) if isinstance(i, Fetched)
    }
    client.close()
    assert found == {"1": "P1", "2": "P2"}


def test_an_answer_by_ids_that_is_capped_in_silence_is_asked_for_the_rest(odd_server: Start, gate: Gate) -> None:
    def reply(asked: Asked) -> Reply:
        ids = [id_ for id_ in asked.query["ids"] if int(id_) < 40][:25]
        rows = [{"id": id_, "type": "page", "status": "current", "title": "", "version": {"number": 1}} for id_ in ids]
        return answer({"results": rows, "limit": 25, "size": len(rows)})

    server = odd_server(reply)
    client = connect(ConnectionSettings(server.origin, token="PAT", deployment="datacenter"), gate=gate)
    found = client.look_up("page", [str(n) for n in range(10, 60)])
    client.close()
    assert set(found) == {str(n) for n in range(10, 40)}
    assert len(server.asked) == 2


def test_data_center_names_people_by_key_and_by_user_name(odd_server: Start, gate: Gate) -> None:
    def reply(asked: Asked) -> Reply:
        if asked.query in ({"key": ["8a7f"]}, {"username": ["ada"]}):
            return answer({"type": "known", "displayName": "Ada"})
        return refusal(404)

    server = odd_server(reply)
    client = connect(ConnectionSettings(server.origin, token="PAT", deployment="datacenter"), gate=gate)
    assert client.people(["8a7f", "ada", "gone"]) == {"8a7f": "Ada", "ada": "Ada"}
    client.close()
