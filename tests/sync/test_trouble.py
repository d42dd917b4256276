"""Whole runs through a Confluence in trouble: what passes is not noticed, what does not loses nothing, and the next good run converges."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_confluence.confluence.client import connect
from airflow_provider_confluence.confluence.gate import Gate
from airflow_provider_confluence.errors import (
    ConfluenceProviderError,
    CredentialsError,
    RateLimitedError,
    SpaceNotFoundError,
)
from airflow_provider_confluence.sync.run import run_once
from airflow_provider_confluence.testing.sandbox import Sandbox
from airflow_provider_confluence.testing.sandbox.faults import (
    CutShort,
    DropConnection,
    During,
    EmptyListing,
    RateLimitHeaders,
    Respond,
    ShortListing,
    SilentCap,
    Stall,
)
from tests.confluence.conftest import FakeTime
from tests.sync.conftest import Wiki, fill
from tests.sync.test_faults import BY_IDS, LISTINGS, many


@pytest.fixture(params=["cloud", "datacenter"])
def wiki(request, tmp_path):
    with Sandbox(request.param) as sandbox:
        yield fill(Wiki(sandbox, tmp_path))


def run_in_no_time(wiki, **options):
    """Run with a gate whose pauses pass at once; return the result and the seconds that it would have waited."""
    time = FakeTime()
    gate = Gate(max_in_flight=4, clock=time.clock, sleep=time.sleep, jitter=lambda: 0.5)
    settings = replace(wiki.settings, timeout_seconds=0.5)
    context = replace(wiki.context, connect=lambda _: connect(settings, gate=gate))
    return run_once(context, wiki.datasource, **options), time.slept


def edited(wiki):
    """A wiki that is indexed, with something to fetch, something to delete and something new."""
    wiki.run()
    model = wiki.model
    model.edit(model.find("Chapter"), body="<p>Edited</p>")
    model.trash(model.find("Appendix"))
    model.create_page("DOCS", "Arrived", "<p>New here</p>")
    return wiki


SOON = datetime.now(timezone.utc) + timedelta(seconds=20)
REFUSALS_429 = {
    "no header": {},
    "Retry-After in seconds": {"Retry-After": "7"},
    "Retry-After as a date": {"Retry-After": SOON.strftime("%a, %d %b %Y %H:%M:%S GMT")},
    "Retry-After that cannot be read": {"Retry-After": "soon"},
    "Cloud's burst": {
        "Retry-After": "5",
        "X-RateLimit-Limit": "100",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "2026-06-01T12:00:00Z",
        "RateLimit-Reason": "confluence-burst-based",
    },
    "Cloud's tenant quota": {"Retry-After": "9", "RateLimit-Reason": "confluence-quota-tenant-based"},
    "a reason as seen live": {"Retry-After": "9", "RateLimit-Reason": "conf-global-based"},
    "Cloud's beta": {
        "Retry-After": "3",
        "Beta-RateLimit-Policy": '"global-app-quota";q=65000;w=3600',
        "Beta-RateLimit": '"global-app-quota";r=0;t=3',
    },
    "Data Center's empty bucket": {
        "retry-after": "4",
        "X-RateLimit-Limit": "50",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Interval-Seconds": "1",
        "X-RateLimit-FillRate": "10",
    },
    "Data Center's zero": {"retry-after": "0", "X-RateLimit-Interval-Seconds": "1", "X-RateLimit-FillRate": "10"},
}


@pytest.mark.parametrize("style", REFUSALS_429)
def test_every_style_of_429_is_waited_for(wiki, style):
    edited(wiki)
    headers = REFUSALS_429[style]
    wiki.sandbox.faults.add(
        Respond(429, headers=headers, text="Zu viele Anfragen", times=2, after=1),
        Respond(429, headers=headers, route=BY_IDS[wiki.sandbox.edition], times=1),
    )
    result, slept = run_in_no_time(wiki)
    assert result.clean
    assert wiki.indexed() == wiki.expected()
    asked = headers.get("Retry-After", headers.get("retry-after", ""))
    if asked.isdigit() and asked != "0":
        assert slept.count(float(asked)) >= 2, "honoured to the second"


@pytest.mark.parametrize(
    "reason", ["confluence-quota-global-based", "confluence-quota-tenant-based", "conf-global-based"]
)
def test_an_hours_quota_is_handed_on_with_its_length_and_the_work_so_far_is_kept(wiki, reason):
    """The operators give the slot back for that long: tests/airflow/test_runs.py."""
    edited(wiki)
    before = wiki.indexed()
    quota = Respond(
        429,
        headers={"Retry-After": "3000", "RateLimit-Reason": reason},
        route=BY_IDS[wiki.sandbox.edition],
        times=None,
        after=1,
    )
    wiki.sandbox.faults.add(quota)
    with pytest.raises(RateLimitedError) as caught:
        run_in_no_time(wiki)
    assert caught.value.retry_after_seconds == 3000
    assert wiki.indexed() == before
    wiki.sandbox.faults.clear()
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


PASSING = {
    "500 twice": lambda: [Respond(500, times=2, after=2)],
    "a burst of 5xx": lambda: [
        Respond(502, times=3, after=1),
        Respond(503, times=3, after=4),
        Respond(504, times=2, after=8),
    ],
    "503 with Retry-After": lambda: [Respond(503, retry_after=11, times=2, after=3)],
    "dropped connections": lambda: [DropConnection(times=2, after=2)],
    "answers cut short": lambda: [CutShort(40, times=2, after=3)],
    "stalled answers": lambda: [Stall(2, times=1, after=2), Stall(2, after_bytes=10, times=1, after=4)],
    "a limit that is near": lambda: [RateLimitHeaders(near_limit=True)],
    "retry-after 0 with good answers": lambda: [RateLimitHeaders()],
    "answers capped in silence": lambda: [SilentCap(2)],
}


@pytest.mark.parametrize("trouble", PASSING)
def test_trouble_that_passes_is_not_noticed(wiki, trouble):
    edited(wiki)
    wiki.sandbox.faults.add(*PASSING[trouble]())
    result, _ = run_in_no_time(wiki)
    assert result.clean
    assert wiki.indexed() == wiki.expected()


@pytest.mark.parametrize("during", [LISTINGS, BY_IDS], ids=["the listing", "the fetching"])
def test_a_token_that_expires_in_the_middle_fails_and_a_new_one_goes_on(wiki, during):
    edited(wiki)
    before = wiki.indexed()
    wiki.sandbox.faults.add(During(lambda _: wiki.sandbox.revoke_token(), route=during[wiki.sandbox.edition]))
    with pytest.raises(CredentialsError):
        # The request during which it expires was let in already: the next one is refused.
        wiki.run(mode="full")
        wiki.run(mode="full")
    wiki.sandbox.faults.clear()
    wiki.token = wiki.sandbox._account.token
    assert not [i for i in before if i in wiki.expected() and i not in wiki.indexed()]
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("listing", [ShortListing, EmptyListing])
def test_a_passing_404_or_403_on_the_look_up_deletes_nothing(wiki, listing, status):
    """Under load Cloud was seen to answer so for pages that are there, for about a minute."""
    many(wiki, 280 if listing is ShortListing else 5)
    wiki.run()
    route = LISTINGS[wiki.sandbox.edition]
    wiki.sandbox.faults.add(
        listing(route=route, times=2),  # the first answers of pages and of blog posts, whichever comes first
        Respond(status, headers={"x-cache": "Error from cloudfront"}, route=BY_IDS[wiki.sandbox.edition], times=None),
    )
    try:
        assert not wiki.run().clean
    except ConfluenceProviderError as error:
        assert str(status) in str(error) or "404" in str(error)  # noqa: PT017 - either way is right
    wiki.sandbox.faults.clear()
    assert wiki.indexed() == wiki.expected()
    assert wiki.run().clean


def test_a_space_that_is_really_empty_is_told_from_one_that_may_not_be_seen(wiki):
    wiki.run()
    model = wiki.model
    model.hide_space("DOCS")
    with pytest.raises(SpaceNotFoundError, match="DOCS"):
        wiki.run()
    model.show_space("DOCS")
    assert wiki.indexed() == wiki.expected() != {}
    for item in list(model):
        if item.type in ("page", "blogpost") and item.space_id == model.space("DOCS").id and item.status == "current":
            model.trash(item.public_id)
    assert wiki.run().counts["deleted"] == 6
    assert wiki.indexed() == wiki.expected() == {}
