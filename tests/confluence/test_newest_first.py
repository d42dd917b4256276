"""The listing that begins with the latest change: what the quick mode reads the top of."""

from __future__ import annotations

import threading
from datetime import datetime, timezone

import pytest

from airflow_provider_confluence.confluence.client import ConnectionSettings, connect
from airflow_provider_confluence.testing.sandbox.faults import During, Tamper


@pytest.fixture
def client(sandbox):
    found = connect(ConnectionSettings(sandbox.endpoint, sandbox.username, sandbox.token))
    yield found
    found.close()


@pytest.fixture
def ids(sandbox):
    model = sandbox.model
    model.create_space("DOCS", "Docs")
    model.create_space("OPS", "Ops")
    return [model.create_page(["DOCS", "OPS"][n % 2], f"Page {n}", "<p>x</p>") for n in range(12)]


def listed(client, type_="page", keys=("DOCS", "OPS")):
    return [
        entry for newest in client.list_newest(client.spaces(list(keys)), type_) for page in newest for entry in page
    ]


def test_the_latest_change_comes_first_whatever_the_space(sandbox, client, ids):
    for content_id in (ids[3], ids[0]):
        sandbox.model.edit(content_id, body="<p>y</p>")
    found = [entry.content_id for entry in listed(client)]
    assert found[:2] == [ids[0], ids[3]]
    assert sorted(found) == sorted(ids)


def test_only_the_named_spaces_are_listed(client, ids):
    assert {entry.content_id for entry in listed(client, keys=("OPS",))} == set(ids[1::2])


def test_trashed_and_archived_items_are_not_listed(sandbox, client, ids):
    sandbox.model.trash(ids[1])
    sandbox.model.archive(ids[2])
    assert {entry.content_id for entry in listed(client)} == set(ids) - {ids[1], ids[2]}


def test_stopping_after_the_first_page_costs_one_request(sandbox, client, ids):
    for number in range(300):
        sandbox.model.create_page("DOCS", f"More {number}", "")
    spaces = client.spaces(["DOCS", "OPS"])
    sandbox.requests.clear()
    (newest,) = client.list_newest(spaces, "page")
    first = next(iter(newest))
    assert len(sandbox.requests) == 1
    assert len(first) in (200, 250)
    assert newest.doubt is None


def test_attachments_come_by_their_last_change_too(sandbox, client, ids):
    model = sandbox.model
    one = model.attach(ids[0], "one.txt", b"1", "text/plain")
    two = model.attach(ids[1], "two.txt", b"2", "text/plain")
    assert [entry.content_id for entry in listed(client, "attachment")] == [two, one]
    model.attach(ids[0], "one.txt", b"11", "text/plain")
    found = listed(client, "attachment")
    assert [entry.content_id for entry in found] == [one, two]
    assert [entry.container_id for entry in found] == [ids[0], ids[1]]


def test_rows_out_of_order_are_a_doubt(sandbox, client, ids):
    def swapped(_request, response):
        rows = response.document["results"]
        rows[0], rows[-1] = rows[-1], rows[0]

    with sandbox.model.at(datetime(2020, 1, 1, tzinfo=timezone.utc)):
        sandbox.model.create_page("DOCS", "Old", "<p>from long ago</p>")
    spaces = client.spaces(["DOCS", "OPS"])
    sandbox.faults.add(Tamper(swapped, times=None))
    (newest,) = client.list_newest(spaces, "page")
    list(newest)
    assert "out of the order" in (newest.doubt or "")


def test_first_pages_are_asked_for_at_the_same_time_and_the_others_as_they_are_read(sandbox, client, ids):
    model = sandbox.model
    for number in range(300):
        model.create_page("DOCS", f"More {number}", "")
    model.attach(ids[0], "notes.txt", b"x", "text/plain")
    model.create_blogpost("OPS", "News", "")
    spaces = client.spaces(["DOCS", "OPS"])
    kinds = ("page", "blogpost", "attachment")
    newest = [listing for kind in kinds for listing in client.list_newest(spaces, kind)]
    sandbox.requests.clear()
    together = threading.Barrier(len(newest))
    waits = During(lambda _: together.wait(20), times=len(newest))
    sandbox.faults.add(waits)
    pages = client.first_pages(newest)
    assert waits.struck == len(newest) == len(sandbox.requests)
    found = [[entry for page in each for entry in page] for each in pages]
    assert [len(entries) for entries in found] == [312, 1, 1]
    assert [{entry.type for entry in entries} for entries in found] == [{kind} for kind in kinds]
    assert len(sandbox.requests) > len(newest)
    assert not together.broken
