"""No retry storm: however Confluence fails, a run sends a bounded number of requests (docs/how-it-works.md states the bound)."""

from __future__ import annotations

import math
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_confluence.confluence.client import connect
from airflow_provider_confluence.confluence.gate import Gate
from airflow_provider_confluence.errors import ConfluenceProviderError
from airflow_provider_confluence.sync.run import run_once
from airflow_provider_confluence.testing.sandbox import Sandbox
from airflow_provider_confluence.testing.sandbox.fault import Fault
from airflow_provider_confluence.testing.sandbox.faults import (
    BurstLimit,
    CutShort,
    DropConnection,
    EmptyListing,
    EmptyNext,
    EndlessNext,
    LoginPage,
    MissingScope,
    RateLimitHeaders,
    RedirectElsewhere,
    RepeatedCursor,
    Respond,
    ShortListing,
    SilentCap,
    Stall,
    TooManyIds,
    WrongNextStart,
)
from airflow_provider_confluence.testing.sandbox.web import text_response
from tests.confluence.conftest import FakeTime
from tests.sync.conftest import Wiki, fill
from tests.sync.test_faults import BY_IDS, LISTINGS, many

TRIES = 8
OTHERS = 20
AT_THE_END = 7  # of a listing: up to 5 empty pages, one look back, one more without a parameter


def formula(wiki, *, changed):
    """Σ⌈N / L⌉ over spaces and types + ⌈C / 50⌉ + ⌈N / 200⌉ + ⌈A / 250⌉ + 20; Data Center lists 200 at a time, with labels and readers."""
    cloud, holders = wiki.sandbox.edition == "cloud", ("page", "blogpost")
    spaces = len(wiki.datasource.space)
    counts = Counter(e["type"] for e in wiki.expected().values())
    kinds = [kind for kind in holders if kind in wiki.datasource.content_types]
    # Each space has less than one answer of each kind.
    listed = spaces * len(kinds) + math.ceil(counts["attachment"] / (250 if cloud else 200))
    details = math.ceil(sum(counts[kind] for kind in kinds) / 200) if cloud else 0
    return listed + math.ceil(changed / 50) + details + OTHERS


@pytest.mark.parametrize("mode", ["full", "reconcile"])
def test_a_look_at_many_small_spaces_costs_what_the_formula_says(wiki, mode):
    keys = [f"S{number}" for number in range(30)]
    for key in keys:
        wiki.model.create_space(key, key)
        for number in range(3):
            page = wiki.model.create_page(key, f"Page {number}", "<p>Text</p>", labels=["kept"])
        wiki.model.create_blogpost(key, "News", "<p>News</p>")
        wiki.model.attach(page, "notes.bin", b"\0", "application/octet-stream")
    wiki.definition["space"] = keys
    changed = 120 if mode == "full" else 0
    if mode == "reconcile":
        wiki.run()
    wiki.sandbox.requests.clear()
    assert wiki.run(mode=mode).clean
    asked = len(wiki.sandbox.requests) - len(wiki.sandbox.requests.matching("*download*"))
    assert asked <= formula(wiki, changed=changed)
    if mode == "reconcile":  # what has not changed is not fetched
        assert not wiki.sandbox.requests.matching("*download*")
        assert not [request for request in wiki.sandbox.requests if "body" in str(request.query)]
    assert wiki.indexed() == wiki.expected()


class SevenOfEight(Fault):
    """Answers every request only at its eighth try: the worst that is still served."""

    def __init__(self, status=503):
        super().__init__(times=None)
        self.status = status
        self.asked = {}

    def apply(self, request, answer, /):
        key = (request.path, request.raw_query, request.body)
        self.asked[key] = self.asked.get(key, 0) + 1
        return answer(request) if self.asked[key] % TRIES == 0 else text_response("", self.status)


def bound(wiki, *, rows=200):
    """The bound of docs/how-it-works.md, for a wiki of which everything may have changed, vanished and lost its labels."""
    items = sum(1 for _ in wiki.model)
    listings = 2 * len(wiki.datasource.content_types)  # a quick look that becomes a whole one
    listed = listings * (math.ceil(items / rows) + AT_THE_END)
    return TRIES * (OTHERS + listed + 2 * items + items + items)


def run_in_no_time(wiki, **options):
    """Run with a gate whose pauses pass at once, and return how many requests the sandbox was sent."""
    time = FakeTime()
    gate = Gate(max_in_flight=4, clock=time.clock, sleep=time.sleep, jitter=lambda: 0.5)
    context = replace(wiki.context, connect=lambda _: connect(replace(wiki.settings, timeout_seconds=0.2), gate=gate))
    wiki.sandbox.requests.clear()
    with suppress(ConfluenceProviderError):
        run_once(context, wiki.datasource, **options)
    return len(wiki.sandbox.requests)


@pytest.fixture(params=["cloud", "datacenter"])
def wiki(request, tmp_path):
    with Sandbox(request.param) as sandbox:
        yield fill(Wiki(sandbox, tmp_path))


OUTAGES = {
    "429": lambda: Respond(429, times=None),
    "429 with seconds": lambda: Respond(429, retry_after=2, times=None),
    "429 for an hour": lambda: Respond(429, retry_after=3600, times=None),
    "500": lambda: Respond(500, times=None),
    "502": lambda: Respond(502, times=None),
    "503": lambda: Respond(503, times=None),
    "503 with seconds": lambda: Respond(503, retry_after=2, times=None),
    "504": lambda: Respond(504, times=None),
    "dropped connections": lambda: DropConnection(times=None),
    "answers cut short": lambda: CutShort(times=None),
    "no answer in time": lambda: Stall(1, times=None),
    "a log-in page": lambda: LoginPage(times=None),
    "401": lambda: Respond(401, times=None),
}


@pytest.mark.parametrize("outage", OUTAGES)
def test_a_confluence_that_is_down_gets_as_many_requests_as_one_may_be_tried(wiki, outage):
    wiki.run()
    wiki.sandbox.faults.add(OUTAGES[outage]())
    assert 1 <= run_in_no_time(wiki) <= TRIES


@pytest.mark.parametrize("status", [413, 500, 502, 503, 504])
def test_bodies_that_cannot_be_had_cost_four_requests_an_item_at_most(wiki, status):
    ids = many(wiki, 60)
    wiki.run()
    for content_id in ids:
        wiki.model.edit(content_id, body="<p>Edited</p>")
    quiet = run_in_no_time(wiki, mode="reconcile")
    for content_id in ids:
        wiki.model.edit(content_id, body="<p>Edited again</p>")
    wiki.sandbox.faults.add(Respond(status, route=BY_IDS[wiki.sandbox.edition], times=None))
    assert run_in_no_time(wiki, mode="reconcile") <= quiet + 4 * len(ids)
    wiki.sandbox.faults.clear()
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


@pytest.mark.parametrize("status", [429, 502, 503])
def test_requests_that_are_served_only_at_the_last_try_cost_eight_times_as_many(wiki, status):
    many(wiki, 30)
    plain = run_in_no_time(wiki)
    assert wiki.indexed() == wiki.expected()
    wiki.model.edit(wiki.model.find("Many 3"), body="<p>Edited</p>")
    wiki.sandbox.faults.add(SevenOfEight(status))
    assert run_in_no_time(wiki, mode="full") <= TRIES * plain
    wiki.sandbox.faults.clear()
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


EVERYWHERE, LISTING, IDS = "everywhere", "listing", "ids"
faults = st.one_of(
    st.builds(
        lambda s: ("respond", lambda **at: Respond(s, **at)), st.sampled_from([401, 403, 404, 413, 429, 500, 503])
    ),
    st.builds(lambda s: ("pause", lambda **at: Respond(429, retry_after=s, **at)), st.sampled_from([0, 1, 60, 3600])),
    st.builds(lambda n: ("ids", lambda **at: TooManyIds(n, **at)), st.integers(0, 9)),
    st.builds(lambda n: ("cut", lambda **at: CutShort(n, **at)), st.sampled_from([0, 1, 300])),
    st.builds(lambda n: ("burst", lambda **at: BurstLimit(n, **at)), st.integers(1, 20)),
    st.builds(lambda n: ("start", lambda **at: WrongNextStart(n, **at)), st.sampled_from([-200, -10, 10])),
    st.sampled_from(
        [
            (kind.__name__, kind)
            for kind in (
                *(LoginPage, RedirectElsewhere, MissingScope, DropConnection, RateLimitHeaders, RepeatedCursor),
                *(EmptyNext, EndlessNext, ShortListing, EmptyListing),
            )
        ]
    ),
)
drawn = st.lists(
    st.tuples(
        faults,
        st.sampled_from([EVERYWHERE, LISTING, IDS]),
        st.sampled_from([None, 1, 3, 20]),
        st.integers(0, 12),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edition=st.sampled_from(["cloud", "datacenter"]),
    drawn=drawn,
    cap=st.sampled_from([None, 3, 50]),
    mode=st.sampled_from(["auto", "reconcile", "changes", "full"]),
)
def test_whatever_goes_wrong_the_requests_of_a_run_stay_below_the_bound(tmp_path_factory, edition, drawn, cap, mode):
    routes = {EVERYWHERE: "*", LISTING: LISTINGS[edition], IDS: BY_IDS[edition]}
    with Sandbox(edition) as sandbox:
        wiki = fill(Wiki(sandbox, tmp_path_factory.mktemp("w")))
        ids = many(wiki, 40)
        wiki.definition["enable_comments"] = True
        said = [wiki.model.create_comment(ids[n], "<p>Said</p>", selection="x" if n % 2 else None) for n in range(20)]
        said += [wiki.model.reply(comment, "<p>Answered</p>") for comment in said[:4]]
        wiki.run()
        for content_id in ids[:20]:
            wiki.model.edit(content_id, body="<p>Edited</p>")
        for comment in said[:8]:
            wiki.model.edit_comment(comment, "<p>Put better</p>")
        for comment in said[8:14]:
            wiki.model.delete_comment(comment)
        for content_id in ids[20:30]:
            wiki.model.trash(content_id)
        if cap:
            sandbox.faults.add(SilentCap(cap))
        for (_, make), where, times, after in drawn:
            sandbox.faults.add(make(route=routes[where], times=times, after=after))
        asked = run_in_no_time(wiki, mode=mode)
        assert asked <= bound(wiki, rows=cap or 200)
        sandbox.faults.clear()
        # What a listing and the look-up by id both leave out, without a sign, is gone as far as anybody can know.
        both_lie = any(name in ("EmptyListing", "ShortListing") and where != LISTING for (name, _), where, *_ in drawn)
        if not both_lie:
            after = wiki.indexed()
            assert not [i for i in wiki.expected() if i not in after], "what Confluence shows was deleted"
        assert wiki.run(mode="reconcile").clean
        assert wiki.indexed() == wiki.expected()
