"""What Confluence does wrong, and what must not follow from it: nothing lost, nothing deleted, nothing silent."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from airflow_provider_confluence.errors import ConfluenceProviderError, CredentialsError
from airflow_provider_confluence.sync.commit import verdict
from airflow_provider_confluence.testing.sandbox.faults import (
    During,
    EmptyListing,
    LoginPage,
    RepeatedCursor,
    Respond,
    ShortListing,
    Stall,
    Tamper,
    TooManyIds,
)
from tests.sync.conftest import Poison

LISTINGS = {"cloud": "*/spaces/*/pages", "datacenter": "*/content/scan"}
BY_IDS = {"cloud": "*/api/v2/pages", "datacenter": "*/rest/api/content"}


def many(wiki, count):
    return [wiki.model.create_page("DOCS", f"Many {n}", f"<p>Number {n}</p>") for n in range(count)]


@pytest.mark.parametrize("fault", [ShortListing, EmptyListing])
def test_a_listing_cut_short_without_a_sign_deletes_nothing(wiki, fault):
    many(wiki, 280)
    wiki.run()
    wiki.sandbox.faults.add(fault(route=LISTINGS[wiki.sandbox.edition], times=1))
    wiki.run()
    assert wiki.indexed() == wiki.expected()


def test_a_listing_that_repeats_itself_is_not_trusted_with_deletions_and_not_green(wiki):
    ids = many(wiki, 280)
    wiki.run()
    wiki.model.trash(ids[3])
    wiki.model.edit(ids[0], body="<p>Edited meanwhile</p>")
    wiki.sandbox.faults.add(RepeatedCursor(route=LISTINGS[wiki.sandbox.edition], times=None))
    result = wiki.run()
    assert not result.clean
    assert "not complete" in verdict(result)
    assert ids[3] in wiki.indexed()
    assert "Edited meanwhile" in wiki.documents()[ids[0]].content
    wiki.sandbox.faults.clear()
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


def test_a_page_that_cannot_be_fetched_is_one_failure_and_the_rest_goes_on(wiki):
    wiki.run()
    model = wiki.model
    poisoned, other = model.find("Guide"), model.find("Chapter")
    model.edit(poisoned, body="<p>Cannot be had</p>")
    model.edit(other, body="<p>Can be had</p>")
    poison = Poison(poisoned)
    wiki.sandbox.faults.add(poison)
    result = wiki.run()
    assert result.clean, "one failure is within the budget"
    assert [(f["content_id"], f["attempts"]) for f in result.failures] == [(poisoned, 1)]
    assert "Can be had" in wiki.documents()[other].content
    assert "roll back" in wiki.documents()[poisoned].content, "a failed update keeps the old document"
    again = wiki.run()
    assert [(f["content_id"], f["attempts"]) for f in again.failures] == [(poisoned, 2)]
    wiki.sandbox.faults.remove(poison)
    assert wiki.run().counts["failing"] == 0
    assert wiki.indexed() == wiki.expected()


def test_more_new_failures_than_the_budget_make_the_run_red_but_are_not_counted_again(wiki):
    ids = many(wiki, 11)
    for content_id in ids:
        wiki.sandbox.faults.add(Poison(content_id))
    result = wiki.run()
    assert not result.clean
    assert result.counts["failed"] == 11
    assert "11 items failed that did not fail before" in verdict(result)
    standing = wiki.run()
    assert standing.clean
    assert standing.counts["failing"] == 11


def test_batches_that_are_too_large_are_halved_until_they_pass(wiki):
    many(wiki, 90)
    wiki.sandbox.faults.add(TooManyIds(7, route=BY_IDS[wiki.sandbox.edition]))
    assert wiki.run().counts["failed"] == 0
    assert wiki.indexed() == wiki.expected()


def test_a_rate_limit_is_waited_for_and_nothing_is_lost(wiki):
    wiki.sandbox.faults.add(Respond(429, retry_after=0.05, times=3), Respond(503, times=1, after=5))
    result = wiki.run()
    assert result.clean
    assert result.throttled_seconds >= 0.05
    assert wiki.indexed() == wiki.expected()


def test_an_item_that_vanishes_between_listing_and_fetch_is_no_failure(wiki):
    page = wiki.model.find("Appendix")
    wiki.sandbox.faults.add(During(lambda _: wiki.model.trash(page), route=BY_IDS[wiki.sandbox.edition], times=1))
    result = wiki.run()
    assert result.clean
    assert (result.counts["gone"], result.counts["failed"]) == (1, 0)
    assert wiki.indexed() == wiki.expected()


def test_a_page_that_moves_between_spaces_during_the_listing_is_neither_lost_nor_kept_wrongly(wiki):
    wiki.definition["space"] = ["OPS", "DOCS"]
    wiki.run()
    page = wiki.model.find("Appendix")
    ops_was_read = threading.Event()

    def lists(request, key):
        if wiki.sandbox.edition == "cloud":
            return request.path.endswith(f"/spaces/{wiki.model.space(key).id}/pages")
        return request.path.endswith("/scan") and (request.query["spaceKey"], request.query["type"]) == (
            [key],
            ["page"],
        )

    class OfOps(Tamper):
        def matches(self, request):
            return lists(request, "OPS")

    class OfDocs(During):
        def matches(self, request):
            return lists(request, "DOCS")

    def move(_):
        assert ops_was_read.wait(20)
        wiki.model.move(page, space="OPS")

    # The page leaves DOCS after OPS was read and before DOCS is, so neither listing names it.
    moves = OfDocs(move)
    wiki.sandbox.faults.add(OfOps(lambda *_: ops_was_read.set()), moves)
    wiki.run()
    assert moves.struck == 1
    assert wiki.indexed() == wiki.expected()
    assert wiki.documents()[page].space.key == "OPS"


def test_a_login_page_instead_of_an_answer_fails_and_deletes_nothing(wiki):
    wiki.run()
    before = wiki.indexed()
    wiki.sandbox.faults.add(LoginPage(times=None))
    with pytest.raises(ConfluenceProviderError):
        wiki.run()
    wiki.sandbox.faults.clear()
    assert wiki.indexed() == before


def test_an_expired_token_that_answers_as_anonymous_fails_and_deletes_nothing(wiki):
    if wiki.sandbox.edition == "cloud":
        pytest.skip("only Data Center takes an invalid token for a visitor without one")
    wiki.run()
    before = wiki.indexed()
    wiki.model.readings.anonymous_access = True
    wiki.model.readings.invalid_token_is_anonymous = True
    good, wiki.token = wiki.token, "expired-token"
    with pytest.raises(CredentialsError):
        wiki.run()
    wiki.token = good
    assert wiki.indexed() == before


def test_a_run_that_is_told_to_stop_while_it_lists_waits_for_no_answer(wiki):
    """As Airflow's SIGTERM does: the handler raises in the main thread, whatever it waits for."""
    many(wiki, 30)

    class Told(BaseException):
        pass

    def stop(*_):
        raise Told

    # Pages do not come; the list of blog posts, which is asked for at the same time, is when it is told.
    second, after = {"cloud": ("*/blogposts", 0), "datacenter": ("*/scan", 1)}[wiki.sandbox.edition]
    told = During(lambda _: os.kill(os.getpid(), signal.SIGUSR1), route=second, after=after)
    wiki.sandbox.faults.add(Stall(60, route=LISTINGS[wiki.sandbox.edition], times=None), told)
    before = signal.signal(signal.SIGUSR1, stop)
    try:
        began = time.monotonic()
        with pytest.raises(Told):
            wiki.run()
        assert time.monotonic() - began < 20
    finally:
        signal.signal(signal.SIGUSR1, before)
    until = time.monotonic() + 10
    while [t for t in threading.enumerate() if t.name.startswith("confluence-")] and time.monotonic() < until:
        time.sleep(0.01)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("confluence-")]
    wiki.sandbox.faults.clear()
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()
