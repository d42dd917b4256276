"""The whole client against the sandbox, in both editions: the same tests, because callers must not see the difference."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone

import pytest

from airflow_provider_confluence.confluence.client import ConfluenceClient, Fetched, Listing
from airflow_provider_confluence.confluence.gate import Gate
from airflow_provider_confluence.documents import Entry, Failure, Person, Space
from airflow_provider_confluence.errors import (
    ConfluenceProviderError,
    ConfluenceUnavailableError,
    ContractError,
    CredentialsError,
    RateLimitedError,
)
from airflow_provider_confluence.testing.sandbox import Sandbox
from airflow_provider_confluence.testing.sandbox.faults import (
    CutShort,
    DropConnection,
    During,
    EmptyListing,
    EmptyNext,
    LoginPage,
    RateLimitHeaders,
    RedirectElsewhere,
    RepeatedCursor,
    Respond,
    Stall,
    Tamper,
    TooManyIds,
)
from tests.confluence.conftest import FakeTime

Open = Callable[..., ConfluenceClient]
PAGES = {"cloud": "*/api/v2/spaces/*/pages", "datacenter": "*/content/scan"}
BODIES = {"cloud": "*/api/v2/pages", "datacenter": "*/rest/api/content"}
WHO = "*/rest/api/user/current"


def filled(sandbox: Sandbox, pages: int = 3) -> list[str]:
    sandbox.model.create_space("DOCS", "Documentation")
    return [sandbox.model.create_page("DOCS", f"Page {n}", f"<p>body {n}</p>") for n in range(pages)]


def space_of(client: ConfluenceClient, key: str = "DOCS") -> Space:
    (space,) = client.spaces([key])
    return space


def ids_of(listing: Listing) -> list[str]:
    return [entry.content_id for entry in listing]


def bodies(client: ConfluenceClient, ids: list[str]) -> dict[str, str]:
    found = {}
    for item in client.fetch_bodies("page", ids):
        assert isinstance(item, Fetched)
        assert item.entry.content_id not in found
        found[item.entry.content_id] = item.body
    return found


# ---------------------------------------------------------------------------------------- who and where
def test_the_identity_names_the_account_and_the_server_s_time(sandbox: Sandbox, open_client: Open) -> None:
    client = open_client(sandbox)
    found = client.identity()
    assert (found.account_id, found.display_name, found.anonymous) == ("indexer", "Index Er", False)
    assert abs((datetime.now(timezone.utc) - found.server_time).total_seconds()) < 60
    assert client.requests_made == 1


def test_a_wrong_token_is_refused_at_the_first_request(sandbox: Sandbox, open_client: Open) -> None:
    with pytest.raises(CredentialsError):
        open_client(sandbox, token="wr0ng").identity()
    assert len(sandbox.requests) == 1


def test_an_anonymous_answer_is_no_identity(sandbox: Sandbox, open_client: Open) -> None:
    def forget_us(_request: object, response: object) -> None:
        response.document = {"type": "anonymous", "displayName": "Anonymous"}  # type: ignore[attr-defined]

    sandbox.observer = None
    sandbox.faults.add(Tamper(forget_us, route=WHO))
    with pytest.raises(CredentialsError, match="anonymous"):
        open_client(sandbox).identity()


def test_spaces_that_are_not_visible_are_absent(sandbox: Sandbox, open_client: Open) -> None:
    sandbox.model.create_space("DOCS", "Documentation")
    sandbox.model.create_space("HID", "Hidden")
    sandbox.model.hide_space("HID")
    (space,) = open_client(sandbox).spaces(["DOCS", "HID", "NONE", "", 'A" or space != "B', "a,b", "DOCS"])
    assert (space.key, space.name, space.status, space.type) == ("DOCS", "Documentation", "current", "global")
    assert space.url.startswith(sandbox.endpoint + "/")


def test_hundreds_of_spaces_are_found_in_few_requests(sandbox: Sandbox, open_client: Open) -> None:
    keys = [f"S{n}" for n in range(300)]
    for key in keys:
        sandbox.model.create_space(key)
    client = open_client(sandbox)
    assert sorted(keys) == sorted(space.key for space in client.spaces(keys))
    assert client.requests_made <= 6
    assert sorted(keys) == sorted(space.key for space in client.spaces(["*"]))


# ---------------------------------------------------------------------------------------- listings
def test_a_listing_has_every_current_item_with_all_that_is_known(sandbox: Sandbox, open_client: Open) -> None:
    model = sandbox.model
    model.create_space("DOCS")
    model.add_user("ada", "Ada")
    model.add_user("bob", "Bob")
    top = model.create_page("DOCS", "Top", "<p>x</p>", author="ada", labels=["b", "a"])
    child = model.create_page("DOCS", "Chïld / 100%", "<p>y</p>", parent=top, author="ada")
    model.edit(child, body="<p>z</p>", author="bob")
    for gone in (model.create_page("DOCS", "Trashed"), model.create_page("DOCS", "Archived")):
        (model.trash if gone.endswith("0") else model.archive)(gone)
    client = open_client(sandbox)
    listing = client.list_content(space_of(client), "page")
    found = {entry.content_id: entry for entry in listing}
    assert listing.complete
    assert {top, child} == set(found)
    record = model.record(model.item(child))  # type: ignore[arg-type]
    entry = found[child]
    assert (entry.title, entry.type, entry.status, entry.version) == ("Chïld / 100%", "page", "current", 2)
    assert (top, "page", ()) == (entry.parent_id, entry.parent_type, entry.labels)
    assert (str(model.space("DOCS").id), ("a", "b")) == (entry.space_id, found[top].labels)  # type: ignore[union-attr]
    assert found[top].parent_id is None
    assert entry.created == _text(record.created_at)
    assert entry.updated == _text(record.edited_at)
    assert entry.creator is not None
    assert (entry.creator.id, entry.last_editor.id) == ("ada", "bob")  # type: ignore[union-attr]
    assert entry.url.startswith(sandbox.endpoint + "/")
    assert child in entry.url


def _text(instant: datetime) -> str:
    return instant.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"


def test_a_large_space_is_listed_in_few_requests(sandbox: Sandbox, open_client: Open) -> None:
    ids = filled(sandbox, 520)
    client = open_client(sandbox)
    listing = client.list_content(space_of(client), "page")
    sandbox.requests.clear()
    assert sorted(ids) == sorted(ids_of(listing))
    assert listing.complete
    assert len(sandbox.requests) <= 7


def test_blog_posts_are_listed_apart_from_pages_beyond_the_first_answer(sandbox: Sandbox, open_client: Open) -> None:
    filled(sandbox, 2)
    blogs = [sandbox.model.create_blogpost("DOCS", f"Blog {n}", "<p>b</p>") for n in range(260)]
    client = open_client(sandbox)
    listing = client.list_content(space_of(client), "blogpost")
    assert sorted(blogs) == sorted(ids_of(listing))
    assert listing.complete


def test_an_empty_space_lists_nothing_and_is_complete(sandbox: Sandbox, open_client: Open) -> None:
    sandbox.model.create_space("DOCS")
    client = open_client(sandbox)
    listing = client.list_content(space_of(client), "page")
    assert ids_of(listing) == []
    assert listing.complete


def test_a_space_that_vanished_lists_nothing_and_is_not_complete(sandbox: Sandbox, open_client: Open) -> None:
    filled(sandbox)
    client = open_client(sandbox)
    space = space_of(client)
    sandbox.model.hide_space("DOCS")
    listing = client.list_content(space, "page")
    assert ids_of(listing) == []
    assert not listing.complete


def test_a_listing_that_breaks_in_the_middle_is_not_complete(sandbox: Sandbox, open_client: Open) -> None:
    filled(sandbox, 300)
    client = open_client(sandbox)
    space = space_of(client)
    sandbox.faults.add(Respond(403, route=PAGES[sandbox.edition], times=None, after=1))
    listing = client.list_content(space, "page")
    with pytest.raises(ConfluenceProviderError):
        ids_of(listing)
    assert not listing.complete


def test_a_404_in_the_middle_of_a_listing_leaves_it_in_doubt(sandbox: Sandbox, open_client: Open) -> None:
    filled(sandbox, 300)
    client = open_client(sandbox)
    space = space_of(client)
    sandbox.faults.add(Respond(404, route=PAGES[sandbox.edition], times=None, after=1))
    listing = client.list_content(space, "page")
    assert 0 < len(ids_of(listing)) < 300
    assert not listing.complete
    assert listing.doubt is not None
    assert "404" in listing.doubt


def test_a_repeated_cursor_ends_the_listing_in_doubt(sandbox: Sandbox, open_client: Open) -> None:
    filled(sandbox, 300)
    client = open_client(sandbox)
    space = space_of(client)
    sandbox.faults.add(RepeatedCursor(route=PAGES[sandbox.edition], times=None))
    listing = client.list_content(space, "page")
    assert len(set(ids_of(listing))) < 300
    assert not listing.complete


def test_a_next_page_without_rows_is_a_regular_end(sandbox: Sandbox, open_client: Open) -> None:
    ids = filled(sandbox, 3)
    client = open_client(sandbox)
    space = space_of(client)
    sandbox.faults.add(EmptyNext())
    listing = client.list_content(space, "page")
    assert sorted(ids) == sorted(ids_of(listing))
    assert listing.complete


def test_an_item_that_is_there_throughout_is_listed_whatever_changes_meanwhile(
    sandbox: Sandbox, open_client: Open
) -> None:
    ids = filled(sandbox, 450)
    client = open_client(sandbox)
    space = space_of(client)
    sandbox.faults.add(
        During(lambda _request: [sandbox.model.trash(id_) for id_ in ids[:50]], route=PAGES[sandbox.edition], after=1)
    )
    assert set(ids[50:]) <= set(ids_of(client.list_content(space, "page")))


# ---------------------------------------------------------------------------------------- trouble on the way
@pytest.mark.parametrize(
    "fault",
    [
        Respond(429, retry_after=5),
        Respond(503),
        Respond(502),
        Respond(500),
        DropConnection(),
        CutShort(10),
    ],
    ids=repr,
)
def test_passing_trouble_is_not_noticed(sandbox: Sandbox, open_client: Open, fault: Respond) -> None:
    ids = filled(sandbox)
    client = open_client(sandbox)
    space = space_of(client)
    fault.struck, fault.route = 0, PAGES[sandbox.edition]
    sandbox.faults.add(fault)
    listing = client.list_content(space, "page")
    assert sorted(ids) == sorted(ids_of(listing))
    assert listing.complete
    assert fault.struck == 1


def test_one_429_pauses_all_threads(sandbox: Sandbox, open_client: Open, fake_time: FakeTime) -> None:
    ids = filled(sandbox, 400)
    client = open_client(sandbox)
    sandbox.faults.add(Respond(429, retry_after=30, route=BODIES[sandbox.edition]))
    assert set(ids) == set(bodies(client, ids))
    assert client.throttled_seconds >= 30
    assert max(fake_time.slept) <= 30


def test_a_quota_block_is_handed_on_at_once(sandbox: Sandbox, open_client: Open) -> None:
    sandbox.faults.add(Respond(429, retry_after=1900, headers={"RateLimit-Reason": "confluence-quota-global-based"}))
    with pytest.raises(RateLimitedError) as caught:
        open_client(sandbox).identity()
    assert caught.value.retry_after_seconds == 1900


def test_rate_limit_headers_on_good_answers_do_not_pause(
    sandbox: Sandbox, open_client: Open, fake_time: FakeTime
) -> None:
    ids = filled(sandbox, 60)
    sandbox.faults.add(RateLimitHeaders(near_limit=sandbox.edition == "cloud"))
    client = open_client(sandbox)
    assert set(ids) == set(ids_of(client.list_content(space_of(client), "page")))
    assert fake_time.slept == []


@pytest.mark.parametrize("fault", [LoginPage, RedirectElsewhere])
def test_a_log_in_page_is_a_refused_credential(sandbox: Sandbox, open_client: Open, fault: type[LoginPage]) -> None:
    sandbox.faults.add(fault())
    with pytest.raises((CredentialsError, ContractError)):
        open_client(sandbox).identity()
    assert len(sandbox.requests) == 1


# ---------------------------------------------------------------------------------------- bodies
def test_bodies_come_in_bulk_and_each_once(sandbox: Sandbox, open_client: Open) -> None:
    ids = filled(sandbox, 230)
    client = open_client(sandbox)
    found = bodies(client, [*ids, "99999999", ids[0], "not-an-id"])
    assert {id_: f"<p>body {n}</p>" for n, id_ in enumerate(ids)} == found
    assert client.requests_made <= 10


def test_bodies_of_items_that_are_gone_yield_nothing(sandbox: Sandbox, open_client: Open) -> None:
    here, trashed, archived, purged = filled(sandbox, 4)
    sandbox.model.trash(trashed)
    sandbox.model.archive(archived)
    sandbox.model.purge(purged)
    assert {here: "<p>body 0</p>"} == bodies(open_client(sandbox), [here, trashed, archived, purged])


def test_blog_posts_have_bodies_too_and_an_empty_body_is_empty(sandbox: Sandbox, open_client: Open) -> None:
    sandbox.model.create_space("DOCS")
    blog = sandbox.model.create_blogpost("DOCS", "Blog", "")
    (found,) = open_client(sandbox).fetch_bodies("blogpost", [blog])
    assert isinstance(found, Fetched)
    assert (blog, "blogpost", "storage", "") == (
        found.entry.content_id,
        found.entry.type,
        found.representation,
        found.body,
    )


@pytest.mark.parametrize("status", [413, 500, 504])
def test_batches_that_are_too_heavy_are_halved(sandbox: Sandbox, open_client: Open, status: int) -> None:
    ids = filled(sandbox, 120)
    sandbox.faults.add(TooManyIds(over=9, status=status))
    assert set(ids) == set(bodies(open_client(sandbox), ids))


def test_an_item_that_cannot_be_fetched_alone_is_a_failure_beside_the_others(
    sandbox: Sandbox, open_client: Open
) -> None:
    ids = filled(sandbox, 60)
    parameter = "id" if sandbox.edition == "cloud" else "ids"
    bad = ids[17]

    class Poison(Respond):
        def matches(self, request: object) -> bool:
            return bad in ",".join(request.many(parameter)).split(",")  # type: ignore[attr-defined]

    sandbox.faults.add(Poison(500, times=None))
    found = list(open_client(sandbox).fetch_bodies("page", ids))
    failures = [item for item in found if isinstance(item, Failure)]
    assert [(bad, "page", "server_error")] == [(f.content_id, f.type, f.reason) for f in failures]
    assert set(ids) - {bad} == {item.entry.content_id for item in found if isinstance(item, Fetched)}


def test_bodies_that_come_too_slowly_are_asked_for_in_smaller_batches(sandbox: Sandbox, open_client: Open) -> None:
    ids = filled(sandbox, 20)
    sandbox.faults.add(Stall(5, route=BODIES[sandbox.edition]))
    assert set(ids) == set(bodies(open_client(sandbox, timeout_seconds=0.3), ids))


def test_a_confluence_that_is_down_is_no_pile_of_failures(sandbox: Sandbox, open_client: Open) -> None:
    ids = filled(sandbox, 60)
    client = open_client(sandbox)
    client.identity()
    sandbox.faults.add(Respond(503, times=None))
    with pytest.raises(ConfluenceUnavailableError):
        list(client.fetch_bodies("page", ids))


def test_bodies_are_fetched_in_parallel_within_the_limit(sandbox: Sandbox, open_client: Open) -> None:
    ids = filled(sandbox, 500)
    sandbox.latency_seconds = 0.05
    client = open_client(sandbox, gate=Gate(max_in_flight=3))
    sandbox.requests.clear()
    assert set(ids) == set(bodies(client, ids))
    assert sandbox.requests.max_in_flight == 3


def test_stopping_early_leaves_no_thread_behind(sandbox: Sandbox, open_client: Open) -> None:
    ids = filled(sandbox, 500)
    found = open_client(sandbox).fetch_bodies("page", ids)
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("confluence-")]


def test_stopping_does_not_wait_for_answers_on_their_way(sandbox: Sandbox, open_client: Open) -> None:
    ids = filled(sandbox, 500)
    stalled = Stall(30, route=BODIES[sandbox.edition], times=None, after=1)
    sandbox.faults.add(stalled)
    started = time.monotonic()
    found = open_client(sandbox, timeout_seconds=30).fetch_bodies("page", ids)
    next(found)
    while not stalled.struck:
        assert time.monotonic() - started < 10, "no second request went out"
        time.sleep(0.01)
    found.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 10


# ---------------------------------------------------------------------------------------- by id
def test_items_are_looked_up_whatever_their_status(sandbox: Sandbox, open_client: Open) -> None:
    here, trashed, purged = filled(sandbox, 3)
    sandbox.model.trash(trashed)
    sandbox.model.purge(purged)
    found = open_client(sandbox).look_up("page", [here, trashed, purged, "x"])
    assert {here: "current", trashed: "trashed"} == {id_: entry.status for id_, entry in found.items()}


def test_an_item_is_looked_up_under_its_own_type_only(sandbox: Sandbox, open_client: Open) -> None:
    filled(sandbox, 1)
    post = sandbox.model.create_blogpost("DOCS", "News", "<p>We shipped it</p>")
    client = open_client(sandbox)
    assert client.look_up("page", [post]) == {}
    assert client.look_up("blogpost", [post])[post].type == "blogpost"


def test_hundreds_of_items_are_looked_up(sandbox: Sandbox, open_client: Open) -> None:
    ids = filled(sandbox, 600)
    client = open_client(sandbox)
    assert set(ids) == set(client.look_up("page", ids))
    assert client.requests_made <= 8


def test_labels_are_read_by_id_and_absent_items_have_none(sandbox: Sandbox, open_client: Open) -> None:
    first, second = filled(sandbox, 2)
    many = [f"label-{n:03d}" for n in range(260)]
    sandbox.model.relabel(first, many)
    assert {first: tuple(many), second: ()} == open_client(sandbox).labels_of("page", [first, second, "99999999"])


def test_an_item_with_very_many_labels_is_listed_with_all_of_them(sandbox: Sandbox, open_client: Open) -> None:
    first, *_ = filled(sandbox, 2)
    many = [f"label-{n:03d}" for n in range(260)]
    sandbox.model.relabel(first, many)
    client = open_client(sandbox)
    found = {entry.content_id: entry.labels for entry in client.list_content(space_of(client), "page")}
    assert tuple(many) == found[first]


def test_people_are_named(cloud: Sandbox, open_client: Open) -> None:
    cloud.model.add_user("ada", "Ada Lovelace")
    found = open_client(cloud).people(["indexer", "ada", "", "nobody-at-all", "ada"])
    assert {name: found[name] for name in found} == {"indexer": "Index Er", "ada": "Ada Lovelace"}


# ---------------------------------------------------------------------------------------- attachments
def attachments(sandbox: Sandbox) -> tuple[str, str, str]:
    page, other = filled(sandbox, 2)
    mine = sandbox.model.attach(page, "näme & co.txt", b"hello", media_type="text/plain")
    sandbox.model.attach(other, "other.bin", b"\0")
    gone = sandbox.model.attach(page, "gone.txt", b"x")
    sandbox.model.delete_attachment(gone)
    return page, other, mine


def test_attachments_are_listed_with_their_container(sandbox: Sandbox, open_client: Open) -> None:
    page, other, mine = attachments(sandbox)
    client = open_client(sandbox)
    listing = client.list_attachments([space_of(client)])
    found = {entry.content_id: entry for entry in listing}
    assert listing.complete
    assert {page, other} == {entry.container_id for entry in found.values()}
    entry = found[mine]
    assert (
        entry.title,
        entry.type,
        entry.media_type,
        entry.size_bytes,
    ) == ("näme & co.txt", "attachment", "text/plain", 5)
    assert entry.url.startswith(sandbox.endpoint + "/")
    assert entry.version == 1


def test_the_attachments_of_one_page_are_only_its_own(sandbox: Sandbox, open_client: Open) -> None:
    page, _, mine = attachments(sandbox)
    client = open_client(sandbox)
    container = client.look_up("page", [page])[page]
    listing = client.attachments_of(container)
    (entry,) = listing
    assert (mine, page, container.space_id) == (entry.content_id, entry.container_id, entry.space_id)
    assert listing.complete


def test_the_attachments_of_an_invisible_page_are_not_complete(sandbox: Sandbox, open_client: Open) -> None:
    page, _, _ = attachments(sandbox)
    client = open_client(sandbox)
    container = client.look_up("page", [page])[page]
    sandbox.model.hide(page)
    listing = client.attachments_of(container)
    assert ids_of(listing) == []
    assert not listing.complete


def test_a_listing_that_is_empty_by_mistake_is_the_caller_s_to_doubt(sandbox: Sandbox, open_client: Open) -> None:
    filled(sandbox)
    client = open_client(sandbox)
    space = space_of(client)
    sandbox.faults.add(EmptyListing(route=PAGES[sandbox.edition]))
    listing = client.list_content(space, "page")
    assert ids_of(listing) == []


def test_entries_survive_the_way_through_json(sandbox: Sandbox, open_client: Open) -> None:
    attachments(sandbox)
    client = open_client(sandbox)
    space = space_of(client)
    for entry in [*client.list_content(space, "page"), *client.list_attachments([space])]:
        assert entry == Entry.from_json(entry.to_json())
        assert isinstance(entry.creator, Person)
