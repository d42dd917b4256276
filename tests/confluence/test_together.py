"""Listings that are read at the same time: what they bring, in how much time and how many requests, and how they end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from airflow_provider_confluence.confluence import together
from airflow_provider_confluence.confluence.client import ConfluenceClient, Listing
from airflow_provider_confluence.confluence.cloud_content import BothEnds
from airflow_provider_confluence.confluence.gate import Gate
from airflow_provider_confluence.documents import Entry, Space
from airflow_provider_confluence.errors import AccessDeniedError
from airflow_provider_confluence.testing.sandbox import Sandbox
from airflow_provider_confluence.testing.sandbox.faults import During, RepeatedCursor, Respond, Stall, Tamper
from airflow_provider_confluence.testing.sandbox.web import Request, Response
from tests.soak.history import FewRows

Open = Callable[..., ConfluenceClient]
PAGES, POSTS, IN_FLIGHT = 60, 15, 4
LIST = {"cloud": "*/spaces/*/pages", "datacenter": "*/content/scan"}


@pytest.fixture(params=["cloud", "datacenter"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(request.param) as running:
        yield filled(running)


@pytest.fixture
def cloud() -> Iterator[Sandbox]:
    with Sandbox("cloud") as running:
        yield filled(running)


@pytest.fixture
def gate() -> Gate:
    return Gate(max_in_flight=IN_FLIGHT)


def filled(sandbox: Sandbox) -> Sandbox:
    """Two spaces of as many pages and posts, and a file and a comment on each page of the first one."""
    model = sandbox.model
    for key in ("ONE", "TWO"):
        model.create_space(key)
        for number in range(PAGES):
            page = model.create_page(key, f"Page {number}", "<p>Text</p>", labels=[f"label-{number % 3}"])
            if key == "ONE":
                model.attach(page, "notes.txt", b"notes", "text/plain")
                model.create_comment(page, "<p>Said</p>")
        for number in range(POSTS):
            model.create_blogpost(key, f"News {number}", "<p>New</p>")
    # Lists are answered ten rows at a time; a question by ids is not.
    sandbox.faults.add(FewRows(10))
    return sandbox


def listings(client: ConfluenceClient, spaces: list[Space]) -> tuple[list[Listing], list[Listing]]:
    content = [client.list_content(space, type_) for space in spaces for type_ in ("page", "blogpost")]  # type: ignore[arg-type]
    return content, [client.list_attachments(spaces), client.list_comments(spaces)]


def read(client: ConfluenceClient, *groups: list[Listing]) -> list[tuple[Listing, Entry]]:
    with closing(client.read_together(*groups)) as arriving:
        return [(listing, entry) for listing, entries in arriving for entry in entries]


def shown(sandbox: Sandbox, *types: str) -> set[str]:
    return {item.public_id for item in sandbox.model if item.type in types and item.status == "current"}


def kind(request: Request) -> str:
    """Say what is listed by a request."""
    if request.path.endswith("/content/scan"):
        return f"{request.query['type'][0]}s"
    if request.path.endswith("/content/search") and "attachment" in request.query["cql"][0]:
        return "attachments"
    return request.path.rpartition("/")[2]


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("confluence-")}


def test_listings_that_are_read_together_bring_what_each_one_lists(sandbox: Sandbox, open_client: Open) -> None:
    client = open_client(sandbox)
    content, contained = listings(client, client.spaces(["ONE", "TWO"]))
    found = read(client, content, contained)
    assert sorted(entry.content_id for _, entry in found) == sorted(
        shown(sandbox, "page", "blogpost", "attachment", "comment")
    )
    assert all(listing.complete for listing in (*content, *contained))
    labels = {entry.content_id: entry.labels for _, entry in found if entry.type == "page"}
    assert labels == {i.public_id: tuple(i.labels) for i in sandbox.model if i.type == "page"}


def test_what_hangs_on_pages_comes_after_all_pages(sandbox: Sandbox, open_client: Open) -> None:
    client = open_client(sandbox)
    found = read(client, *listings(client, client.spaces(["ONE", "TWO"])))
    types = ["contained" if entry.type in ("attachment", "comment") else "holder" for _, entry in found]
    assert types == sorted(types, reverse=True)


def test_no_more_than_a_few_entries_are_held_while_they_must_wait(
    sandbox: Sandbox, open_client: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "AHEAD", 10)
    asked: list[str] = []
    sandbox.faults.add(During(lambda request: asked.append(kind(request)), times=None))
    # The pages are slow, so that the attachments could be read to the end long before.
    sandbox.faults.add(During(lambda request: time.sleep(0.05 * (kind(request) == "pages")), times=None))
    client = open_client(sandbox)
    content, contained = listings(client, client.spaces(["ONE", "TWO"]))
    assert len(read(client, content, contained)) == len(shown(sandbox, "page", "blogpost", "attachment", "comment"))
    last = max(number for number, each in enumerate(asked) if each == "pages")
    # 60 attachments are 6 answers: one more than may be held was asked for before the last of the pages.
    assert asked[:last].count("attachments") <= 3
    assert asked.count("attachments") >= 6


@pytest.mark.parametrize("in_flight", [1, 2, 5])
def test_as_many_requests_are_under_way_as_may_be(sandbox: Sandbox, open_client: Open, in_flight: int) -> None:
    under_way, most, changed = 0, 0, threading.Condition()

    def enter(_: Request) -> None:
        nonlocal under_way, most
        with changed:
            under_way += 1
            most = max(most, under_way)
            changed.notify_all()
            if under_way > 1 or in_flight > 1:  # the first requests wait for each other
                changed.wait_for(lambda: most >= in_flight, timeout=0.5)

    def leave(_: Request, __: Response) -> None:
        nonlocal under_way
        with changed:
            under_way -= 1

    sandbox.faults.add(Tamper(leave, times=None), During(enter, times=None))
    client = open_client(sandbox, gate=Gate(max_in_flight=in_flight))
    spaces = client.spaces(["ONE", "TWO"])
    read(client, *listings(client, spaces))
    assert most == in_flight


def test_one_request_at_a_time_goes_from_listing_to_listing_in_one_order(sandbox: Sandbox, open_client: Open) -> None:
    orders = []
    for _ in range(2):
        client = open_client(sandbox, gate=Gate(max_in_flight=1))
        spaces = client.spaces(["ONE", "TWO"])
        sandbox.requests.clear()
        read(client, *listings(client, spaces))
        orders.append([(request.path, request.query) for request in sandbox.requests])
    assert orders[0] == orders[1]


def test_a_listing_that_breaks_off_is_not_complete_and_the_others_are(sandbox: Sandbox, open_client: Open) -> None:
    client = open_client(sandbox)
    content, contained = listings(client, client.spaces(["ONE", "TWO"]))

    class OfPosts(RepeatedCursor):
        def matches(self, request: Request) -> bool:
            return kind(request) == "blogposts"

    sandbox.faults.add(OfPosts(times=None))
    read(client, content, contained)
    assert [listing.complete for listing in content] == [True, False, True, False]
    assert [listing.doubt is None for listing in content] == [True, False, True, False]
    assert all(listing.complete for listing in contained)


def test_an_error_in_one_ends_all_and_leaves_no_thread(sandbox: Sandbox, open_client: Open) -> None:
    client = open_client(sandbox)
    content, contained = listings(client, client.spaces(["ONE", "TWO"]))
    sandbox.faults.add(Respond(403, route=LIST[sandbox.edition], times=None, after=5))
    with pytest.raises(AccessDeniedError):
        read(client, content, contained)
    assert threads() == set()
    assert not any(listing.complete for listing in contained)


def test_who_stops_reading_waits_for_no_answer(sandbox: Sandbox, open_client: Open) -> None:
    client = open_client(sandbox)
    content, contained = listings(client, client.spaces(["ONE", "TWO"]))

    class OfFiles(Stall):
        def matches(self, request: Request) -> bool:
            return kind(request) == "attachments"

    waits = OfFiles(60, times=None)
    sandbox.faults.add(waits)
    arriving = client.read_together(content, contained)
    assert next(arriving)[0] in content  # though the files do not come
    deadline = time.monotonic() + 20
    while not waits.struck and time.monotonic() < deadline:
        next(arriving)
    assert waits.struck
    began = time.monotonic()
    arriving.close()
    assert time.monotonic() - began < 10
    assert threads() == set()


def test_a_listing_is_read_once(sandbox: Sandbox, open_client: Open) -> None:
    client = open_client(sandbox)
    (space,) = client.spaces(["ONE"])
    listing = client.list_content(space, "page")
    assert len(read(client, [listing])) == PAGES
    with pytest.raises(RuntimeError):
        list(listing)
    with pytest.raises(RuntimeError):
        read(client, [listing])


# ---------------------------------------------------------------------------------------- a list from both its ends
def sorts(sandbox: Sandbox) -> list[str]:
    return [request.query["sort"][0] for request in sandbox.requests.matching("*/spaces/*/pages")]


def list_one(cloud: Sandbox, open_client: Open) -> tuple[Listing, set[str]]:
    client = open_client(cloud)
    (space,) = client.spaces(["ONE"])
    cloud.requests.clear()
    listing = client.list_content(space, "page")
    return listing, {entry.content_id for entry in listing}


def pages_of_one(cloud: Sandbox) -> set[str]:
    one = cloud.model.space("ONE").id
    return {i.public_id for i in cloud.model if i.type == "page" and i.space_id == one and i.status == "current"}


def test_a_long_list_alone_is_walked_from_both_ends_for_a_request_or_two_more(
    cloud: Sandbox, open_client: Open
) -> None:
    listing, found = list_one(cloud, open_client)
    assert found == pages_of_one(cloud)
    assert listing.complete
    assert {"id", "-id"} == set(sorts(cloud))
    assert PAGES // 10 <= len(sorts(cloud)) <= PAGES // 10 + 2


def test_labels_are_asked_for_by_as_many_ids_as_a_question_may_name(cloud: Sandbox, open_client: Open) -> None:
    client = open_client(cloud)
    content, _ = listings(client, client.spaces(["ONE", "TWO"]))
    cloud.requests.clear()
    read(client, content)
    # 120 pages and 30 blog posts of two spaces.
    assert len(cloud.requests.matching("*/content/search")) == 1


@pytest.mark.parametrize("odd", ['1) or space in ("TWO"', "\ud800", "-1"])
def test_an_id_that_is_no_number_gets_into_no_question(cloud: Sandbox, open_client: Open, odd: str) -> None:
    def rename(_: Request, answer: Response) -> None:
        answer.document["results"][0]["id"] = odd

    cloud.faults.add(Tamper(rename, route="*/spaces/*/pages", times=1))
    _, found = list_one(cloud, open_client)
    assert odd in found
    assert len(found) == PAGES
    (asked,) = cloud.requests.matching("*/content/search")
    assert set(asked.query["cql"][0].removeprefix("id in (").removesuffix(")").split(", ")) == found - {odd}


def test_the_way_down_is_not_trusted_where_the_server_does_not_go_that_way(cloud: Sandbox, open_client: Open) -> None:
    def ignore(request: Request, answer: Callable[[Request], Response]) -> Response:
        return answer(
            Request(
                request.method,
                request.path,
                {**request.query, "sort": ["id"]},
                request.headers,
                request.body,
                raw_query=request.raw_query.replace("sort=-id", "sort=id"),
            )
        )

    fault = Tamper(lambda *_: None, route="*/spaces/*/pages", times=None)
    fault.apply = ignore  # type: ignore[method-assign]
    cloud.faults.add(fault)
    listing, found = list_one(cloud, open_client)
    assert found == pages_of_one(cloud)
    assert listing.complete


def test_a_server_that_refuses_the_way_down_costs_one_request(cloud: Sandbox, open_client: Open) -> None:
    class Refuses(Respond):
        def matches(self, request: Request) -> bool:
            return request.query.get("sort") == ["-id"]

    cloud.faults.add(Refuses(400, times=None))
    listing, found = list_one(cloud, open_client)
    assert found == pages_of_one(cloud)
    assert listing.complete
    assert sorts(cloud).count("-id") == 1


@pytest.mark.parametrize("status", [403, 500])
def test_a_way_down_that_does_not_work_fails_nothing(cloud: Sandbox, open_client: Open, status: int) -> None:
    class Breaks(Respond):
        def matches(self, request: Request) -> bool:
            return request.query.get("sort") == ["-id"]

    cloud.faults.add(Breaks(status, times=None))
    listing, found = list_one(cloud, open_client)
    assert found == pages_of_one(cloud)
    assert listing.complete


def test_a_list_of_several_statuses_is_walked_one_way(cloud: Sandbox, open_client: Open) -> None:
    client = open_client(cloud)
    client.archived = True
    (space,) = client.spaces(["ONE"])
    cloud.requests.clear()
    listing = client.list_content(space, "page")
    assert {entry.content_id for entry in listing} == pages_of_one(cloud)
    assert listing.complete
    assert set(sorts(cloud)) == {"id"}


def test_what_is_deleted_and_made_meanwhile_does_not_hide_the_rest(cloud: Sandbox, open_client: Open) -> None:
    ids = sorted(pages_of_one(cloud), key=int)
    gone = iter(ids[25:45])

    def happen(_: Request) -> None:
        cloud.model.trash(next(gone))
        cloud.model.create_page("ONE", f"Made {time.monotonic_ns()}")

    cloud.faults.add(During(happen, route="*/spaces/*/pages", times=6))
    listing, found = list_one(cloud, open_client)
    assert {*ids[:25], *ids[45:]} <= found
    assert listing.complete


@pytest.mark.parametrize(
    ("up", "down", "met"),
    [
        ([[1, 2], [3, 4]], [[9, 8], [7, 6]], False),
        ([[1, 2], [3, 4]], [[9, 8], [6, 4]], True),
        ([[1, 2], [3, 4]], [[9, 8], [6, 5]], True),  # no id lies between 4 and 5
        ([[1, 2], [3, 4]], [[1, 2]], False),  # the order that was asked for was not kept
        ([[4, 3], [2, 1]], [[4, 3]], False),
        ([[1, 2]], [[2]], False),  # of one row the order cannot be seen
        ([["a", "b"]], [["b", "a"]], False),
        # By letters 100… stands before 99…, and the walks passed each other between ids of one length each.
        ([[10_000, 10_001], [10_002, 10_003]], [[9_999, 9_998], [9_997, 9_996]], False),
        ([[1, 2], [8, 9]], [[5, 4]], False),
    ],
)
def test_two_walks_have_met_when_nothing_can_lie_between_them(up: list, down: list, met: bool) -> None:
    ends = BothEnds()
    for page in up:
        ends.up.saw([{"id": str(i)} for i in page])
    for page in down:
        ends.down.saw([{"id": str(i)} for i in page])
    assert ends.have_met is met
