"""Comments as the client lists, looks up and fetches them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from airflow_provider_confluence.confluence.client import ConfluenceClient, Fetched
from airflow_provider_confluence.documents import Entry, Failure
from airflow_provider_confluence.testing.sandbox import ManualClock, Model, Sandbox
from airflow_provider_confluence.testing.sandbox.faults import Respond, Tamper
from airflow_provider_confluence.testing.sandbox.web import Request, Response
from tests.contracts.checker import ContractChecker

Open = Callable[..., ConfluenceClient]


@pytest.fixture
def on_cloud() -> Iterator[Sandbox]:
    """A Cloud site whose clock stands, with a page in space DOCS."""
    checker = ContractChecker("cloud")
    with Sandbox("cloud", Model(clock=ManualClock()), observer=checker) as running:
        page_of(running)
        yield running
    checker.assert_clean()


def page_of(sandbox: Sandbox) -> str:
    found = sandbox.model.find("Page")
    if found is not None:
        return found
    sandbox.model.create_space("DOCS", "Documentation")
    return sandbox.model.create_page("DOCS", "Page", "<p>The plan</p>")


def comment(sandbox: Sandbox, count: int) -> list[str]:
    """Make footer comments a minute apart; return their ids, the newest first."""
    ids = []
    for number in range(count):
        ids.append(sandbox.model.create_comment(page_of(sandbox), f"<p>Remark {number}</p>"))
        if isinstance(sandbox.model.clock, ManualClock):
            sandbox.model.clock.advance(60)
    return ids[::-1]


def listed(client: ConfluenceClient) -> dict[str, Entry]:
    listing = client.list_comments(client.spaces(["DOCS"]))
    found = {entry.content_id: entry for entry in listing}
    assert listing.complete
    return found


def bodies(client: ConfluenceClient, entries: list[Entry]) -> dict[str, str]:
    found: dict[str, str] = {}
    for answer in client.fetch_comments(entries):
        assert isinstance(answer, Fetched), answer
        found[answer.entry.content_id] = answer.body
    return found


def test_footer_and_inline_comments_and_replies_are_listed_with_their_container(
    sandbox: Sandbox, open_client: Open
) -> None:
    model, page = sandbox.model, page_of(sandbox)
    post = model.create_blogpost("DOCS", "News", "<p>News</p>")
    footer, inline = model.create_comment(page, "<p>a</p>"), model.create_comment(page, "<p>b</p>", selection="plan")
    reply, answer = model.reply(footer, "<p>c</p>"), model.reply(inline, "<p>d</p>")
    deep, on_post = model.reply(reply, "<p>e</p>"), model.create_comment(post, "<p>f</p>")
    model.resolve_comment(inline)
    found = {
        i: (e.container_id, e.parent_id, e.location, e.resolution) for i, e in listed(open_client(sandbox)).items()
    }
    assert {
        footer: (page, None, "footer", None),
        inline: (page, None, "inline", "resolved"),
        reply: (page, footer, "footer", None),
        answer: (page, inline, "inline", "resolved"),
        deep: (page, reply, "footer", None),
        on_post: (post, None, "footer", None),
    } == found


def test_a_listed_comment_survives_the_way_through_json(sandbox: Sandbox, open_client: Open) -> None:
    sandbox.model.create_comment(page_of(sandbox), "<p>b</p>", selection="plan")
    (entry,) = listed(open_client(sandbox)).values()
    assert entry.selection == "plan"
    assert entry == Entry.from_json(entry.to_json())


def test_comments_are_looked_up_by_id_whatever_their_kind(sandbox: Sandbox, open_client: Open) -> None:
    (footer, gone), page = comment(sandbox, 2), page_of(sandbox)
    inline = sandbox.model.create_comment(page, "<p>b</p>", selection="plan")
    sandbox.model.delete_comment(gone)
    client = open_client(sandbox)
    found = client.look_up("comment", [footer, gone, inline, page, "no number"])
    assert {footer: "footer", inline: "inline"} == {i: e.location for i, e in found.items()}
    assert {page} == {entry.container_id for entry in found.values()}


def test_bodies_come_with_who_made_a_comment_and_when_though_it_was_edited(sandbox: Sandbox, open_client: Open) -> None:
    sandbox.model.add_user("eve", "Eve")
    (edited, plain) = comment(sandbox, 2)
    sandbox.model.edit_comment(edited, "<p>Better</p>", author="eve")
    client = open_client(sandbox)
    found = {
        a.entry.content_id: a for a in client.fetch_comments(list(listed(client).values())) if isinstance(a, Fetched)
    }
    assert (found[edited].body, found[plain].body) == ("<p>Better</p>", "<p>Remark 0</p>")
    entry = found[edited].entry
    assert (entry.creator and entry.creator.id, entry.last_editor and entry.last_editor.id) == ("admin", "eve")
    assert entry.created is not None


def test_a_comment_that_is_gone_yields_no_body(sandbox: Sandbox, open_client: Open) -> None:
    (gone, kept) = comment(sandbox, 2)
    client = open_client(sandbox)
    entries = list(listed(client).values())
    sandbox.model.delete_comment(gone)
    assert [kept] == list(bodies(client, entries))


# ---------------------------------------------------------------------------------------- Cloud
def test_many_bodies_come_from_the_list_and_the_next_call_reads_on(on_cloud: Sandbox, open_client: Open) -> None:
    ids = comment(on_cloud, 700)
    client = open_client(on_cloud)
    entries = listed(client)
    on_cloud.requests.clear()
    for start in range(0, 700, 100):
        some = ids[start : start + 100]
        assert set(some) == set(bodies(client, [entries[i] for i in some]))
    assert len(on_cloud.requests) == 3, "⌈700 / 250⌉"


def test_few_old_bodies_are_asked_for_by_id(on_cloud: Sandbox, open_client: Open) -> None:
    ids = comment(on_cloud, 1200)
    client = open_client(on_cloud)
    entries = listed(client)
    for old in (ids[-1:], ids[-2:]):
        on_cloud.requests.clear()
        assert set(old) == set(bodies(client, [entries[i] for i in old]))
        assert len(on_cloud.requests) <= 2 * len(old), "at most twice what asking by id costs"


def test_bodies_of_what_the_walk_has_passed_begin_it_again(on_cloud: Sandbox, open_client: Open) -> None:
    ids = comment(on_cloud, 520)
    client = open_client(on_cloud)
    entries = listed(client)
    assert len(bodies(client, [entries[i] for i in ids[260:]])) == 260
    on_cloud.requests.clear()
    assert len(bodies(client, [entries[i] for i in ids[:200]])) == 200
    assert len(on_cloud.requests) == 1


def test_a_list_that_is_too_heavy_is_given_up_for_asking_by_id(on_cloud: Sandbox, open_client: Open) -> None:
    ids = comment(on_cloud, 5)
    client = open_client(on_cloud)
    entries = listed(client)
    on_cloud.faults.add(Respond(413, route="*/footer-comments", times=None))
    assert set(ids) == set(bodies(client, list(entries.values())))


def test_a_comment_that_cannot_be_had_is_a_failure_and_stops_no_other(on_cloud: Sandbox, open_client: Open) -> None:
    ids = comment(on_cloud, 3)
    client = open_client(on_cloud)
    entries = listed(client)
    on_cloud.faults.add(
        Respond(413, route="*/footer-comments", times=None), Respond(413, route=f"*/{ids[1]}", times=None)
    )
    found = list(client.fetch_comments(list(entries.values())))
    assert [(ids[1], "comment", "too_large")] == [
        (a.content_id, a.type, a.reason) for a in found if isinstance(a, Failure)
    ]
    assert len(found) == 3


@pytest.mark.parametrize(("lists_resolved", "searches"), [(True, 0), (False, 1)])
def test_resolved_comments_are_searched_for_where_the_list_names_none(
    on_cloud: Sandbox, open_client: Open, lists_resolved: bool, searches: int
) -> None:
    on_cloud.model.readings.cloud_lists_resolved_comments = lists_resolved
    inline = on_cloud.model.create_comment(page_of(on_cloud), "<p>b</p>", selection="plan")
    reply = on_cloud.model.reply(inline, "<p>c</p>")
    on_cloud.model.resolve_comment(inline)
    assert {(inline, "resolved", None), (reply, "resolved", inline)} == {
        (e.content_id, e.resolution, e.parent_id) for e in listed(open_client(on_cloud)).values()
    }
    assert searches == sum("/search" in request.path for request in on_cloud.requests)


def test_a_search_for_resolved_comments_that_fails_is_told_and_spoils_nothing(
    on_cloud: Sandbox, open_client: Open, caplog: pytest.LogCaptureFixture
) -> None:
    ids = comment(on_cloud, 2)
    on_cloud.faults.add(Respond(400, route="*/search", times=None))
    with caplog.at_level(logging.WARNING):
        assert set(ids) == set(listed(open_client(on_cloud)))
    assert "resolved comments may be missing" in caplog.text


# ---------------------------------------------------------------------------------------- Data Center
def test_a_server_that_answers_no_comments_in_bulk_is_asked_one_by_one(datacenter: Sandbox, open_client: Open) -> None:
    ids = comment(datacenter, 3)
    client = open_client(datacenter)
    entries = listed(client)

    def none(_request: Request, response: Response) -> None:
        response.document["results"] = []

    datacenter.faults.add(Tamper(none, route="*/rest/api/content", times=None))
    assert set(ids) == set(bodies(client, list(entries.values())))
    assert set(ids) == set(client.look_up("comment", ids))


@pytest.mark.parametrize(
    "readings", [{"scan_available": False}, {"scan_remembers_type": False, "scan_cursor_with_type": "refused"}]
)
def test_a_server_without_a_scan_of_comments_is_searched(
    datacenter: Sandbox, open_client: Open, readings: dict[str, object]
) -> None:
    for name, value in readings.items():
        setattr(datacenter.model.readings, name, value)
    ids = comment(datacenter, 230)
    assert set(ids) == set(listed(open_client(datacenter)))
