"""Clocks that are set back or ahead, the server's and ours, by hours and by years: no change is passed over, and revisions grow."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_confluence.confluence.gate import Gate
from airflow_provider_confluence.testing.sandbox import ManualClock, Model, Sandbox
from airflow_provider_confluence.testing.sandbox.faults import EndlessNext, Respond, Tamper
from tests.sync.conftest import Wiki, fill
from tests.sync.test_faults import LISTINGS

START = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)


@pytest.fixture(params=["cloud", "datacenter"])
def server(request, tmp_path):
    """A clock of Confluence's, and a wiki that is indexed, in which auto means a quick look."""
    clock = ManualClock(START)
    with Sandbox(request.param, Model(clock=clock)) as sandbox:
        wiki = fill(Wiki(sandbox, tmp_path))
        wiki.definition |= {"cheap_reconcile_requests": 1, "reconcile_interval": "6h"}
        clock.advance(hours=1)
        wiki.run()
        clock.advance(minutes=5)
        assert wiki.run().mode == "changes"
        yield clock, wiki


@pytest.mark.parametrize("back", [timedelta(hours=2), timedelta(days=1), timedelta(days=10 * 365)], ids=str)
def test_a_server_whose_clock_is_set_back_has_everything_listed_until_the_new_time_is_known(server, back):
    clock, wiki = server
    clock.set(START - back)
    page = wiki.model.find("Chapter")
    wiki.model.edit(page, body="<p>Edited by the new time</p>")
    wiki.model.trash(wiki.model.find("Appendix"))
    first = wiki.run()
    assert first.mode == "reconcile"
    assert any("clock went back" in note for note in first.notes)
    assert wiki.indexed() == wiki.expected()
    assert "Edited by the new time" in wiki.documents()[page].content
    clock.advance(minutes=5)
    wiki.model.edit(page, body="<p>Edited once more</p>")
    second = wiki.run()
    assert (second.mode, second.revision > first.revision) == ("changes", True)
    assert "Edited once more" in wiki.documents()[page].content
    clock.advance(hours=7)
    assert wiki.run().mode == "reconcile", "it is due by the new time"


def test_a_few_minutes_back_are_within_the_overlap(server):
    clock, wiki = server
    clock.advance(minutes=-8)
    page = wiki.model.find("Chapter")
    wiki.model.edit(page, body="<p>Edited eight minutes earlier</p>")
    assert wiki.run().mode == "changes"
    assert "Edited eight minutes earlier" in wiki.documents()[page].content


@pytest.mark.parametrize("ahead", [timedelta(hours=5), timedelta(days=30 * 365)], ids=str)
def test_a_server_whose_clock_was_ahead_for_a_while_passes_over_nothing(server, ahead):
    clock, wiki = server
    clock.advance(ahead.total_seconds())
    page = wiki.model.find("Chapter")
    wiki.model.edit(page, body="<p>Edited in the future</p>")
    far = wiki.run()
    assert wiki.indexed() == wiki.expected()
    clock.set(START + timedelta(hours=2))
    wiki.model.edit(wiki.model.find("Guide"), body="<p>Edited after the clock was set right</p>")
    right = wiki.run()
    assert (right.mode, right.revision > far.revision) == ("reconcile", True)
    assert wiki.indexed() == wiki.expected()
    for _ in range(3):
        clock.advance(minutes=5)
        wiki.model.edit(page, body=f"<p>Edited at {clock()}</p>")
        assert wiki.run().revision > right.revision
        assert wiki.indexed() == wiki.expected()


def test_a_comparison_that_did_not_finish_after_the_clock_went_back_is_made_up_for(server):
    """The time of the last whole comparison then lies in the future, and must not be waited for."""
    clock, wiki = server
    clock.set(START - timedelta(days=365))
    route = LISTINGS[wiki.sandbox.edition]
    cloud = wiki.sandbox.edition == "cloud"  # Data Center takes a 404 for a server without scan
    wiki.sandbox.faults.add(Respond(404, route=route, times=None) if cloud else EndlessNext(route=route, times=None))
    assert not wiki.run().clean
    wiki.sandbox.faults.clear()
    wiki.model.trash(wiki.model.find("Appendix"))
    clock.advance(minutes=5)
    assert wiki.run().mode == "reconcile"
    assert wiki.indexed() == wiki.expected()


@pytest.mark.parametrize("date", ["", "yesterday", "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_date_that_cannot_be_is_survived(server, date):
    clock, wiki = server

    def change(_request, response):
        response.headers["Date"] = date

    wiki.sandbox.faults.add(Tamper(change, times=None))
    wiki.model.edit(wiki.model.find("Chapter"), body="<p>Edited meanwhile</p>")
    odd = wiki.run(mode="reconcile")
    assert "9999" not in date or odd.revision > 250_000_000_000_000, "the odd date was really read"
    assert wiki.indexed() == wiki.expected()
    wiki.sandbox.faults.clear()
    clock.advance(minutes=5)
    wiki.model.edit(wiki.model.find("Chapter"), body="<p>Edited afterwards</p>")
    assert wiki.run().revision > odd.revision
    assert wiki.indexed() == wiki.expected()


@pytest.mark.parametrize("wrong_by", [timedelta(hours=-5), timedelta(hours=5), timedelta(days=3650)], ids=str)
def test_our_own_clock_says_nothing_about_a_pause_that_ends_at_a_date(wrong_by):
    """Retry-After as a date is held against the answer's own Date."""
    headers = {"Date": "Mon, 01 Jun 2026 12:00:00 GMT", "Retry-After": "Mon, 01 Jun 2026 12:00:30 GMT"}
    assert Gate(now=lambda: START + wrong_by).retry_after_seconds(headers) == 30
