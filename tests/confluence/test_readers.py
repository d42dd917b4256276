"""What the client learns of who may read: restrictions in bulk and to the last name, and who may see a space."""

from __future__ import annotations

import pytest

from airflow_provider_confluence.confluence.readers import EVERYBODY, NOBODY
from airflow_provider_confluence.errors import AccessDeniedError, ConfluenceUnavailableError
from airflow_provider_confluence.testing.sandbox.faults import MissingScope, Respond
from airflow_provider_confluence.testing.sandbox.permissions import EVERYONE, SpaceAccess
from tests.confluence.odd_server import answer

SINGLY = "*/restriction/byOperation/read"
SEARCH = "*/rest/api/content/search"


@pytest.fixture
def docs(sandbox):
    """The sandbox with a space of five pages and a group."""
    model = sandbox.model
    model.create_space("DOCS")
    for number in range(5):
        model.create_page("DOCS", f"Page {number}")
    model.permissions.add_group("red", ["ann"])
    for person in ("ann", "bob"):
        model.add_user(person, person.title(), username=f"{person}.login")
    return sandbox


def group(sandbox, name):
    found = sandbox.model.permissions.groups[name]
    return f"group:{found.id if sandbox.edition == 'cloud' else name}"


def listed(client):
    client.tells_readers = True
    return {entry.title: entry.readers for entry in client.list_content(client.spaces(["DOCS"])[0], "page")}


def test_a_listing_tells_the_restrictions_of_each_item_for_no_more_requests_than_without(docs, open_client):
    docs.model.restrict(docs.model.find("Page 1"), users=["bob"], groups=["red"])
    client = open_client(docs)
    plain = {entry.title: entry.readers for entry in client.list_content(client.spaces(["DOCS"])[0], "page")}
    assert set(plain.values()) == {None}
    before = client.requests_made
    found = listed(open_client(docs))
    assert found == {
        f"Page {n}": (tuple(sorted((group(docs, "red"), "user:bob"))),) if n == 1 else EVERYBODY for n in range(5)
    }
    docs.requests.clear()
    listed(again := open_client(docs))
    assert again.requests_made == before


def test_many_are_asked_for_at_once_and_what_the_search_does_not_name_one_by_one(docs, open_client):
    ids = [docs.model.find(f"Page {number}") for number in range(5)]
    docs.model.restrict(ids[2], groups=["red"])
    expected = {i: ((group(docs, "red"),),) if i == ids[2] else EVERYBODY for i in ids}
    client = open_client(docs)
    docs.requests.clear()
    assert client.readers_of("page", ids) == expected
    assert len(docs.requests) == 1
    docs.model.readings.cql_index_lag_seconds = 3600.0
    assert client.readers_of("page", ids) == expected
    docs.faults.add(Respond(500, route=SEARCH, times=None))
    assert client.readers_of("page", ids) == expected


@pytest.mark.parametrize("cap", [1, 2, 7, 100])
def test_lists_of_people_that_are_cut_short_are_read_to_their_end(docs, open_client, cap):
    people = [f"p{number:03}" for number in range(cap * 2 + 1)]
    for person in people:
        docs.model.add_user(person, person)
    page = docs.model.find("Page 3")
    docs.model.restrict(page, users=people, groups=["red"])
    docs.model.readings.restrictions_cap = cap
    level = tuple(sorted([group(docs, "red"), *(f"user:{person}" for person in people)]))
    client = open_client(docs)
    assert client.readers_of("page", [page]) == {page: (level,)}
    assert listed(client)["Page 3"] is None  # not to the end, so it is asked for


def test_a_server_that_repeats_the_first_names_for_ever_closes_the_item(odd_server, open_client):
    def reply(asked):
        people = [{"accountId": f"a{number}"} for number in range(100)]
        held = {"user": {"results": people, "limit": 100}, "group": {"results": [], "limit": 100}}
        return (
            answer({"operation": "read", "restrictions": held})
            if "restriction" in asked.path
            else answer({"accountId": "me", "type": "known", "results": []})
        )

    server = odd_server(reply)
    client = open_client(f"{server.origin}/wiki", deployment="cloud")
    assert client.readers_of("page", ["1"]) == {"1": NOBODY}


def test_what_confluence_fails_for_has_no_answer_because_that_may_pass(docs, open_client):
    page, other = docs.model.find("Page 0"), docs.model.find("Page 1")
    docs.model.restrict(page, refused=True)
    docs.faults.add(Respond(500, route=f"*/content/{page}/restriction/byOperation/read", times=None))
    assert open_client(docs).readers_of("page", [page, other]) == {other: EVERYBODY}


@pytest.mark.parametrize("status", [503, 504])
def test_a_space_whose_server_is_down_is_no_space_that_refuses(datacenter, open_client, status):
    datacenter.model.create_space("DOCS")
    datacenter.faults.add(Respond(status, route="*/space/DOCS/permissions", times=None))
    client = open_client(datacenter)
    with pytest.raises(ConfluenceUnavailableError):
        space_readers(datacenter, client)


@pytest.mark.parametrize("status", [403, 404])
def test_what_is_refused_is_read_by_nobody(docs, open_client, status):
    page, other = docs.model.find("Page 0"), docs.model.find("Page 1")
    docs.model.restrict(page, refused=True)
    docs.faults.add(Respond(status, route=f"*/content/{page}/restriction/byOperation/read", times=None))
    client = open_client(docs)
    assert client.readers_of("page", [page, other]) == {page: NOBODY, other: EVERYBODY}
    assert client.readers_of("page", ["999999"]) == {"999999": NOBODY}
    assert listed(client)["Page 0"] is None


def test_people_without_an_id_leave_the_item_restricted(odd_server, open_client):
    held = {"user": {"results": [{"displayName": "Somebody"}], "limit": 100}, "group": {"results": [], "limit": 100}}
    server = odd_server(lambda _: answer({"operation": "read", "restrictions": held}))
    assert open_client(f"{server.origin}/wiki", deployment="cloud").readers_of("page", ["1"]) == {"1": ((),)}


# ------------------------------------------------------------------------------------------ spaces
def space_readers(sandbox, client):
    return client.space_readers(client.spaces(["DOCS"])[0])


def test_who_may_see_a_space_is_told_by_its_permissions(docs, open_client):
    docs.model.open_space("DOCS", SpaceAccess(users=("bob",), groups=("red",)))
    found = space_readers(docs, open_client(docs))
    assert (found.principals, found.problem) == (tuple(sorted((group(docs, "red"), "user:bob"))), "")


def test_a_space_that_is_for_nobody_is_one_for_nobody(docs, open_client):
    docs.model.open_space("DOCS", SpaceAccess(groups=()))
    assert space_readers(docs, open_client(docs)).principals == ()


def test_more_than_a_page_of_permissions_is_read_to_its_end(cloud, open_client):
    cloud.model.create_space("DOCS")
    people = tuple(f"p{number:03}" for number in range(300))
    cloud.model.open_space("DOCS", SpaceAccess(users=people, groups=()))
    found = space_readers(cloud, open_client(cloud))
    assert found.principals == tuple(f"user:{person}" for person in people)


def test_roles_and_classes_of_people_are_readers_on_tenants_that_have_them(cloud, open_client):
    cloud.model.create_space("DOCS")
    cloud.model.readings.space_roles = True
    cloud.model.permissions.add_group("red", [])
    classes = ("all-licensed-users", "anonymous-users", "all-product-admins")
    cloud.model.open_space("DOCS", SpaceAccess(groups=("red",), by_role=True, classes=classes))
    expected = ("anonymous", "authenticated", group(cloud, "red"))
    assert space_readers(cloud, open_client(cloud)).principals == expected


def test_without_roles_that_is_asked_once(cloud, open_client):
    for key in ("DOCS", "OPS", "HR"):
        cloud.model.create_space(key)
    client = open_client(cloud)
    spaces = client.spaces(["DOCS", "OPS", "HR"])
    cloud.requests.clear()
    assert all(client.space_readers(space).principals == (group(cloud, EVERYONE),) for space in spaces)
    assert len(cloud.requests) == 4


@pytest.mark.parametrize("status", [403, 500])
def test_a_space_that_does_not_tell_is_for_nobody_and_says_what_to_do(datacenter, open_client, status):
    datacenter.model.create_space("DOCS")
    datacenter.faults.add(Respond(status, route="*/space/DOCS/permissions", times=None))
    found = space_readers(datacenter, open_client(datacenter))
    assert found.principals == ()
    assert "space DOCS" in found.problem
    assert "administrator of the space" in found.problem


def test_before_9_1_the_remote_api_tells_people_by_the_keys_that_documents_have(datacenter, open_client):
    model = datacenter.model
    model.readings.space_permissions = "json-rpc"
    model.create_space("DOCS")
    model.add_user("4028ae28", "Bob", username="bob")
    model.open_space("DOCS", SpaceAccess(users=("4028ae28",), groups=(EVERYONE,)))
    assert space_readers(datacenter, open_client(datacenter)).principals == (f"group:{EVERYONE}", "user:4028ae28")


def test_an_old_server_without_the_remote_api_tells_nothing_and_that_is_said(datacenter, open_client):
    datacenter.model.readings.space_permissions = "none"
    datacenter.model.create_space("DOCS")
    found = space_readers(datacenter, open_client(datacenter))
    assert found.principals == ()
    assert "9.1" in found.problem


@pytest.mark.parametrize("how", ["rest", "json-rpc"])
@pytest.mark.parametrize(
    ("let_in", "told", "expected"),
    [(True, True, ("anonymous",)), (False, True, ()), (True, False, ()), (False, False, ())],
)
def test_visitors_see_a_space_only_where_the_site_is_known_to_let_them_in(
    datacenter, open_client, how, let_in, told, expected
):
    readings = datacenter.model.readings
    readings.space_permissions, readings.anonymous_access, readings.site_permissions_told = how, let_in, told
    datacenter.model.create_space("DOCS")
    datacenter.model.open_space("DOCS", SpaceAccess(groups=(), visitors=True))
    found = space_readers(datacenter, open_client(datacenter))
    assert found.principals == expected
    assert bool(found.problem) == (not told)


def test_a_scope_that_lacks_ends_the_run_and_is_named(cloud, open_client):
    cloud.model.create_space("DOCS")
    client = open_client(cloud)
    space = client.spaces(["DOCS"])[0]
    cloud.faults.add(MissingScope(route="*/role-assignments", times=None))
    with pytest.raises(AccessDeniedError, match=r"read:space\.permission:confluence"):
        client.space_readers(space)


# ------------------------------------------------------------------------------------------ from above
def test_what_comes_down_from_an_unseen_page_is_told_on_data_center_alone(docs, open_client):
    model = docs.model
    top, middle, below = (model.find(f"Page {number}") for number in range(3))
    model.move(middle, parent=top)
    model.move(below, parent=middle)
    model.restrict(top, users=["ann"])
    model.restrict(below, groups=["red"])
    found = open_client(docs).inherited_readers(below)
    if docs.edition == "cloud":
        assert found is None
        return
    assert found == (("user:ann",), ("group:red",))
    assert open_client(docs).inherited_readers(middle) == (("user:ann",),)
    model.restrict(top, users=["ann"], refused=True)
    assert open_client(docs).inherited_readers(below) is None
    model.readings.relevant_restrictions = False
    assert open_client(docs).inherited_readers(below) is None
