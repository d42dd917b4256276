"""Refusals and rate limits, in the forms in which they come."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from airflow_provider_confluence.testing.sandbox import ManualClock
from airflow_provider_confluence.testing.sandbox.faults import (
    CaptchaChallenge,
    ErrorBodies,
    ExpiredToken,
    NextAddress,
    PassingRefusal,
    PoisonItem,
    QuotaBlock,
    RateLimited,
    SlowBody,
    TooLarge,
)
from tests.sandbox.conftest import Caller

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
PAGES = "/api/v2/pages"
SCAN = "/rest/api/content/scan"


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("seconds", {"Retry-After": "90"}),
        ("date", {"Retry-After": "Sun, 01 Mar 2026 12:01:30 GMT"}),
        ("zero", {"Retry-After": "0"}),
        ("nonsense", {"Retry-After": "soon"}),
        ("none", {"Retry-After": None}),
        ("reset", {"Retry-After": None, "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "2026-03-01T12:01:30Z"}),
        ("reason", {"Retry-After": "90", "RateLimit-Reason": "conf-global-based"}),
        ("bucket", {"Retry-After": "90", "X-RateLimit-FillRate": "10", "X-RateLimit-Interval-Seconds": "1"}),
    ],
)
def test_each_style_of_429_has_its_headers(on_cloud: Caller, style: Any, expected: dict[str, str | None]) -> None:
    on_cloud.sandbox.model.clock = ManualClock(NOON)
    on_cloud.sandbox.faults.add(RateLimited(style, retry_after=90))
    response = on_cloud.get(PAGES)
    assert (429, expected) == (response.status_code, {name: response.headers.get(name) for name in expected})
    assert on_cloud.get(PAGES).status_code == 200


def test_a_style_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="style is one of"):
        RateLimited("loud")  # type: ignore[arg-type]


def test_a_used_up_quota_is_given_back_on_the_wikis_clock(on_cloud: Caller) -> None:
    clock = ManualClock(NOON)
    on_cloud.sandbox.model.clock = clock
    on_cloud.sandbox.faults.add(QuotaBlock(seconds=3600))
    clock.advance(minutes=10)
    first = on_cloud.get(PAGES)
    clock.advance(minutes=59)
    later = on_cloud.get("/api/v2/spaces")
    clock.advance(minutes=1)
    assert (
        first.status_code,
        first.headers["Retry-After"],
        later.status_code,
        later.headers["Retry-After"],
        on_cloud.get(PAGES).status_code,
    ) == (429, "3601", 429, "61", 200)
    reset = datetime.fromisoformat(first.headers["X-RateLimit-Reset"].replace("Z", "+00:00"))
    assert NOON + timedelta(minutes=70) == reset
    assert parsedate_to_datetime(first.headers["Date"]) == NOON + timedelta(minutes=10)


def test_a_passing_refusal_is_the_edges(on_cloud: Caller) -> None:
    on_cloud.sandbox.faults.add(PassingRefusal(403))
    response = on_cloud.get(PAGES)
    assert (response.status_code, response.headers["X-Cache"]) == (403, "Error from cloudfront")
    assert on_cloud.get(PAGES).status_code == 200


def test_a_captcha_challenge_says_where_to_log_in(on_datacenter: Caller) -> None:
    on_datacenter.sandbox.faults.add(CaptchaChallenge())
    response = on_datacenter.get(SCAN)
    assert (response.status_code, response.headers["X-Seraph-LoginReason"]) == (401, "AUTHENTICATION_DENIED")
    assert response.headers["X-Authentication-Denied-Reason"].startswith("CAPTCHA_CHALLENGE; login-url=http://")


def test_an_expired_token_is_answered_as_each_edition_answers_a_wrong_one(
    on_cloud: Caller, on_datacenter: Caller
) -> None:
    for caller, path in ((on_cloud, PAGES), (on_datacenter, SCAN)):
        caller.sandbox.faults.add(ExpiredToken(after=1))
        statuses = [caller.get(path).status_code for _ in range(3)]
        assert statuses == [200, 401, 200]
    readings = on_datacenter.sandbox.model.readings
    readings.anonymous_access = readings.invalid_token_is_anonymous = True
    on_datacenter.sandbox.faults.add(ExpiredToken())
    assert on_datacenter.json("/rest/api/user/current")["type"] == "anonymous"


def test_refusals_come_with_other_bodies_and_good_answers_as_ever(on_datacenter: Caller) -> None:
    page = on_datacenter.sandbox.model.create_page("DOCS", "Page")
    for form in ("localised", "html", "empty"):
        on_datacenter.sandbox.faults.clear()
        on_datacenter.sandbox.faults.add(ErrorBodies(form))  # type: ignore[arg-type]
        assert on_datacenter.json(f"/rest/api/content/{page}")["title"] == "Page"
        refusal = on_datacenter.get("/rest/api/content/4711")
        assert refusal.status_code == 404
        if form == "localised":
            assert refusal.json()["message"] == "Der angeforderte Inhalt wurde nicht gefunden."
        else:
            assert refusal.headers["Content-Type"].startswith("text/html")
            assert refusal.text.startswith("<!DOCTYPE html>") is (form == "html")


def test_who_asks_for_fewer_rows_is_served_where_a_body_is_too_large(on_cloud: Caller) -> None:
    for number in range(4):
        on_cloud.sandbox.model.create_page("DOCS", f"Page {number}", "x" * 1000)
    on_cloud.sandbox.faults.add(TooLarge(3000, status=504))
    asked = {limit: on_cloud.get(PAGES, body_format="storage", limit=limit).status_code for limit in (4, 1)}
    assert asked == {4: 504, 1: 200}


def test_a_poison_item_fails_every_answer_with_its_body_and_no_other(on_cloud: Caller) -> None:
    pages = [on_cloud.sandbox.model.create_page("DOCS", f"Page {number}", "x") for number in range(2)]
    on_cloud.sandbox.faults.add(PoisonItem(pages[0]))
    assert on_cloud.get(PAGES).status_code == 200
    assert on_cloud.get(PAGES, body_format="storage").status_code == 500
    statuses = [on_cloud.get(f"{PAGES}/{page}", body_format="storage").status_code for page in pages]
    assert statuses == [500, 200]


def test_a_slow_body_arrives_whole(on_cloud: Caller) -> None:
    on_cloud.sandbox.faults.add(SlowBody(0.2, pieces=7))
    started = time.monotonic()
    assert on_cloud.json(PAGES)["results"] == []
    assert time.monotonic() - started >= 0.15


@pytest.mark.parametrize("form", ["absolute", "with_context", "without_context"])
def test_the_next_address_comes_in_each_form_and_leads_to_the_same_place(
    on_cloud: Caller, on_datacenter: Caller, form: Any
) -> None:
    for caller, paths in ((on_cloud, (PAGES, "/rest/api/content/search")), (on_datacenter, (SCAN,))):
        sandbox = caller.sandbox
        made = [sandbox.model.create_page("DOCS", f"Page {number}") for number in range(2)]
        sandbox.faults.add(NextAddress(form))
        for path in paths:
            asked = {"cql": "type=page"} if "search" in path else {}
            address = caller.json(path, limit=1, **asked)["_links"]["next"]
            root = {"absolute": sandbox.endpoint, "with_context": sandbox.endpoint[len(sandbox.origin) :]}.get(form, "")
            assert address.startswith(root + path + "?")
            headers = {"Authorization": sandbox.authorization}
            answer = requests.get(sandbox.endpoint + address[len(root) :], headers=headers, timeout=5)
            assert [made[1]] == [row["id"] for row in answer.json()["results"]]
