"""What shows before it has a version, and what has one before it shows: live documents, lists that lag, and ties."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_confluence.testing.sandbox import ManualClock, Model, Readings
from tests.sandbox.conftest import Caller

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)


@pytest.fixture
def clock(on_cloud: Caller) -> ManualClock:
    clock = ManualClock(NOON)
    on_cloud.sandbox.model.clock = clock
    return clock


# ---------------------------------------------------------------------------------------- live documents
def test_an_edit_of_a_live_document_shows_at_once_and_is_a_version_later(on_cloud: Caller, clock: ManualClock) -> None:
    model = on_cloud.sandbox.model
    page = model.create_page("DOCS", "Plan", "<p>old</p>", live=True)
    clock.advance(minutes=5)
    model.edit(page, body="<p>new</p>")
    clock.advance(minutes=5)
    model.edit(page, body="<p>newer</p>")

    def seen() -> tuple[Any, ...]:
        row = on_cloud.json(f"/api/v2/pages/{page}", body_format="storage")
        return row["version"]["number"], row["version"]["createdAt"], row["body"]["storage"]["value"]

    assert seen() == (1, "2026-03-01T12:00:00.000Z", "<p>newer</p>")
    clock.advance(minutes=5)
    assert seen() == (2, "2026-03-01T12:15:00.000Z", "<p>newer</p>")
    assert [(r.version, r.body, r.live) for r in model.visible()] == [(2, "<p>newer</p>", True)]


def test_whether_a_live_documents_version_lags_is_a_switch() -> None:
    model = Model(clock=ManualClock(NOON), readings=Readings(live_snapshot_seconds=0))
    model.create_space("DOCS")
    page = model.create_page("DOCS", "Plan", live=True)
    model.edit(page, body="new")
    assert [record.version for record in model.visible()] == [2]


def test_lists_tell_live_documents_from_pages(on_cloud: Caller) -> None:
    model = on_cloud.sandbox.model
    plain, live = model.create_page("DOCS", "Page"), model.create_page("DOCS", "Plan", live=True)
    assert [(plain, None), (live, "live")] == [(row["id"], row["subtype"]) for row in on_cloud.rows("/api/v2/pages")]
    for subtype, page in (("page", plain), ("live", live)):
        assert [page] == [row["id"] for row in on_cloud.rows("/api/v2/pages", subtype=subtype)]


# ---------------------------------------------------------------------------------------- lists that lag
def test_a_list_that_lags_shows_what_was_and_an_id_what_is(on_cloud: Caller, clock: ManualClock) -> None:
    model = on_cloud.sandbox.model
    model.readings.cloud_list_lag_seconds = 60
    page = model.create_page("DOCS", "Old title", "<p>old</p>")
    clock.advance(minutes=5)
    model.edit(page, title="New title", body="<p>new</p>")
    late = model.create_page("DOCS", "Late")

    def listed(**asked: Any) -> list[tuple[Any, ...]]:
        rows = on_cloud.rows("/api/v2/pages", body_format="storage", sort="-modified-date", limit=1, **asked)
        return [(r["id"], r["title"], r["version"]["number"], r["body"]["storage"]["value"]) for r in rows]

    true = [(late, "Late", 1, ""), (page, "New title", 2, "<p>new</p>")]
    assert listed() == [(page, "Old title", 1, "<p>old</p>")]
    assert listed(id=f"{page},{late}") == true
    clock.advance(seconds=60)
    assert listed() == true


def test_lists_of_attachments_and_comments_lag_for_the_site_and_not_for_their_page(
    on_cloud: Caller, clock: ManualClock
) -> None:
    model = on_cloud.sandbox.model
    model.readings.cloud_list_lag_seconds = 60
    page = model.create_page("DOCS", "Page")
    attachment = model.attach(page, "a.txt", b"one", "text/plain")
    comment = model.create_comment(page, "a")
    clock.advance(minutes=5)
    model.attach(page, "a.txt", b"three", "text/plain")
    model.edit_comment(comment, "b")
    paths = ("/api/v2/attachments", "/api/v2/footer-comments")
    own = (f"/api/v2/pages/{page}/attachments", f"/api/v2/pages/{page}/footer-comments")
    assert [row["version"]["number"] for path in paths for row in on_cloud.rows(path)] == [1, 1]
    assert [row["version"]["number"] for path in own for row in on_cloud.rows(path)] == [2, 2]
    assert [row["fileSize"] for row in on_cloud.rows(paths[0])] == [3]
    assert attachment == on_cloud.rows(paths[0])[0]["id"]


# ---------------------------------------------------------------------------------------- ties
def test_the_order_of_rows_of_one_moment_is_a_switch(on_cloud: Caller, clock: ManualClock) -> None:
    model = on_cloud.sandbox.model
    made = [model.create_page("DOCS", f"Page {number}") for number in range(6)]
    clock.advance(seconds=1)
    newest = model.create_page("DOCS", "Newest")

    def order(ties: Any) -> list[str]:
        model.readings.ties = ties
        return [row["id"] for row in on_cloud.rows("/api/v2/pages", sort="-modified-date", limit=2)]

    assert order("-id") == [newest, *made]
    assert order("id") == [newest, *reversed(made)]
    mixed = order("mixed")
    assert mixed[0] == newest
    assert sorted(mixed[1:]) == made
    assert mixed[1:] not in (made, made[::-1])


def test_a_former_state_is_the_version_of_its_moment(on_cloud: Caller, clock: ManualClock) -> None:
    model = on_cloud.sandbox.model
    page = model.create_page("DOCS", "One", "1")
    for number in ("2", "3"):
        clock.advance(minutes=1)
        model.edit(page, body=number)
    item = model.item(page)
    assert item is not None
    found = [model.state_at(item, NOON + timedelta(seconds=seconds)) for seconds in (-1, 0, 59, 60, 125)]
    assert [None if state is None else state.text for state in found] == [None, "1", "1", "2", "3"]
