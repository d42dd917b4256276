from __future__ import annotations

import time
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import pytest
import requests

from airflow_provider_confluence.testing.sandbox.faults import (
    BurstLimit,
    CutShort,
    DropConnection,
    During,
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
    Tamper,
    TooManyIds,
    WrongNextStart,
)
from tests.sandbox.conftest import Caller

PAGES = "/api/v2/pages"
LIST = "/rest/api/space/DOCS/content/page"


def fill(caller: Caller, count: int) -> list[str]:
    return [caller.sandbox.model.create_page("DOCS", f"Page {n}") for n in range(count)]


def ids(answer: dict[str, list[dict[str, str]]]) -> list[str]:
    return [row["id"] for row in answer["results"]]


def test_a_fault_strikes_its_route_so_often_and_no_more(on_cloud: Caller) -> None:
    fault = Respond(503, route="*/pages", times=2, after=1)
    on_cloud.sandbox.faults.add(fault)
    statuses = [on_cloud.get(path).status_code for path in (PAGES, "/api/v2/spaces", PAGES, PAGES, PAGES)]
    assert (statuses, fault.struck) == ([200, 200, 503, 503, 200], 2)


def test_faults_can_be_switched_off(on_cloud: Caller) -> None:
    fault = Respond(500, times=None)
    on_cloud.sandbox.faults.add(fault)
    on_cloud.sandbox.faults.remove(fault)
    assert on_cloud.get(PAGES).status_code == 200
    on_cloud.sandbox.faults.add(fault, fault)
    on_cloud.sandbox.faults.clear()
    assert on_cloud.get(PAGES).status_code == 200


def test_retry_after_comes_in_seconds_as_a_date_or_as_nonsense(on_cloud: Caller) -> None:
    moment = datetime(2026, 5, 1, 8, 30, tzinfo=timezone.utc)
    on_cloud.sandbox.faults.add(
        Respond(429, retry_after=2),
        Respond(429, retry_after=moment, after=1),
        Respond(429, retry_after="soon", after=2),
    )
    found = [on_cloud.get(PAGES).headers["Retry-After"] for _ in range(3)]
    assert ("2", moment, "soon") == (found[0], parsedate_to_datetime(found[1]), found[2])


def test_a_data_center_bucket_sends_retry_after_zero_with_good_answers(on_datacenter: Caller) -> None:
    on_datacenter.sandbox.faults.add(RateLimitHeaders())
    response = on_datacenter.get(LIST)
    assert (
        response.status_code,
        response.headers["retry-after"],
        response.headers["X-RateLimit-FillRate"],
    ) == (200, "0", "10")


def test_cloud_warns_that_the_limit_is_near(on_cloud: Caller) -> None:
    on_cloud.sandbox.faults.add(RateLimitHeaders(near_limit=True))
    response = on_cloud.get(PAGES)
    assert (response.status_code, response.headers["X-RateLimit-NearLimit"]) == (200, "true")


def test_a_login_page_is_html_with_200(on_cloud: Caller) -> None:
    on_cloud.sandbox.faults.add(LoginPage())
    response = on_cloud.get(PAGES)
    assert (response.status_code, response.headers["Content-Type"].startswith("text/html")) == (200, True)


def test_a_call_can_be_sent_to_another_host(on_cloud: Caller) -> None:
    on_cloud.sandbox.faults.add(RedirectElsewhere())
    response = on_cloud.get(PAGES)
    assert (
        response.status_code,
        response.headers["Location"].startswith("https://login.example.invalid"),
    ) == (302, True)


def test_more_ids_than_bearable_answer_413(on_cloud: Caller) -> None:
    made = fill(on_cloud, 3)
    on_cloud.sandbox.faults.add(TooManyIds(over=2))
    assert on_cloud.get(PAGES, id=",".join(made)).status_code == 413
    assert made[:2] == [row["id"] for row in on_cloud.rows(PAGES, id=",".join(made[:2]))]


def test_a_token_without_the_scope_is_told_so(on_cloud: Caller) -> None:
    on_cloud.sandbox.faults.add(MissingScope(route="*/attachments"))
    response = on_cloud.get("/api/v2/attachments")
    assert (response.status_code, response.headers["X-Failure-Category"]) == (401, "FAILURE_CLIENT_SCOPE_CHECK")


def test_a_burst_limit_serves_so_many_requests_and_refuses_the_rest(on_cloud: Caller) -> None:
    limit = BurstLimit(3, seconds=60, retry_after=2)
    on_cloud.sandbox.faults.add(limit)
    statuses = [on_cloud.get(PAGES).status_code for _ in range(5)]
    assert (statuses, limit.refused) == ([200, 200, 200, 429, 429], 2)


def test_a_dropped_connection_gives_no_answer(on_cloud: Caller) -> None:
    on_cloud.sandbox.faults.add(DropConnection())
    with pytest.raises(requests.ConnectionError):
        on_cloud.get(PAGES)
    assert on_cloud.get(PAGES).status_code == 200


def test_an_answer_cut_short_is_shorter_than_it_says(on_cloud: Caller) -> None:
    fill(on_cloud, 3)
    on_cloud.sandbox.faults.add(CutShort(after_bytes=50))
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        on_cloud.get(PAGES)


@pytest.mark.parametrize("after_bytes", [None, 10])
def test_a_stalled_answer_runs_into_the_callers_timeout(on_cloud: Caller, after_bytes: int | None) -> None:
    on_cloud.sandbox.faults.add(Stall(30, after_bytes=after_bytes))
    started = time.monotonic()
    with pytest.raises((requests.Timeout, requests.ConnectionError)):
        requests.get(
            on_cloud.sandbox.endpoint + PAGES, headers={"Authorization": on_cloud.sandbox.authorization}, timeout=0.2
        )
    assert time.monotonic() - started < 10


def test_a_repeated_cursor_leads_back_to_the_same_rows(on_cloud: Caller) -> None:
    made = fill(on_cloud, 6)
    first = on_cloud.json(PAGES, limit=2, sort="id")
    on_cloud.sandbox.faults.add(RepeatedCursor(times=None))
    second = on_cloud.json(on_cloud.sandbox.origin + first["_links"]["next"])
    again = on_cloud.json(on_cloud.sandbox.origin + second["_links"]["next"])
    assert made[2:4] == ids(second) == ids(again)


def test_a_repeated_scan_cursor_is_in_the_body_too(on_datacenter: Caller) -> None:
    fill(on_datacenter, 6)
    on_datacenter.sandbox.faults.add(RepeatedCursor(times=None, after=1))
    first = on_datacenter.json("/rest/api/content/scan", spaceKey="DOCS", type="page", limit=2)
    second = on_datacenter.json("/rest/api/content/scan", spaceKey="DOCS", limit=2, cursor=first["nextCursor"])
    assert first["nextCursor"] == second["nextCursor"] == second["cursor"]


@pytest.mark.parametrize(
    ("path", "params"),
    [(PAGES, {"limit": 2}), ("/rest/api/content/search", {"cql": "type=page", "limit": 2})],
)
def test_on_cloud_the_last_next_can_lead_to_nothing(on_cloud: Caller, path: str, params: dict[str, object]) -> None:
    made = fill(on_cloud, 4)
    on_cloud.sandbox.faults.add(EmptyNext())
    parts = on_cloud.pages(path, **params)
    assert [made[:2], made[2:], []] == [ids(part) for part in parts]


@pytest.mark.parametrize(
    ("path", "params"),
    [(LIST, {"limit": 2}), ("/rest/api/content/scan", {"spaceKey": "DOCS", "type": "page", "limit": 2})],
)
def test_on_data_center_the_last_next_can_lead_to_nothing(
    on_datacenter: Caller, path: str, params: dict[str, object]
) -> None:
    made = fill(on_datacenter, 4)
    on_datacenter.sandbox.faults.add(EmptyNext())
    parts = on_datacenter.pages(path, **params)
    assert [made[:2], made[2:], []] == [ids(part) for part in parts]


def test_an_endless_next_repeats_the_last_rows(on_datacenter: Caller) -> None:
    made = fill(on_datacenter, 3)
    on_datacenter.sandbox.faults.add(EndlessNext())
    address, seen = LIST + "?limit=2", []
    for _ in range(5):
        answer = on_datacenter.json(address)
        seen.append(ids(answer))
        address = answer["_links"]["next"]
    assert [made[:2], made[2:], made[2:], made[2:], made[2:]] == seen


def test_a_silent_cap_says_a_limit_that_it_does_not_keep(on_datacenter: Caller) -> None:
    made = fill(on_datacenter, 5)
    on_datacenter.sandbox.faults.add(SilentCap(rows=2))
    first = on_datacenter.json(LIST, limit=4)
    assert (made[:2], 4) == (ids(first), first["limit"])
    assert made[2:4] == ids(on_datacenter.json(first["_links"]["next"]))


def test_a_wrong_next_start_gives_rows_twice(on_datacenter: Caller) -> None:
    made = fill(on_datacenter, 4)
    on_datacenter.sandbox.faults.add(WrongNextStart(by=-1, times=1))
    first = on_datacenter.json(LIST, limit=2)
    assert made[1:3] == ids(on_datacenter.json(first["_links"]["next"]))


def test_a_listing_can_end_too_early_or_be_empty(on_cloud: Caller) -> None:
    made = fill(on_cloud, 4)
    on_cloud.sandbox.faults.add(ShortListing(), EmptyListing(after=1))
    assert made[:2] == [row["id"] for row in on_cloud.rows(PAGES, limit=2)]
    assert on_cloud.rows(PAGES, limit=2) == []
    assert made == [row["id"] for row in on_cloud.rows(PAGES, limit=2)]


def test_a_function_can_change_an_answer_or_the_wiki_in_between(on_cloud: Caller) -> None:
    made = fill(on_cloud, 2)
    on_cloud.sandbox.faults.add(
        Tamper(lambda _request, response: response.document.update(results=[])),
        During(lambda _request: on_cloud.sandbox.model.trash(made[0]), after=1),
    )
    assert on_cloud.rows(PAGES) == []
    assert made[1:] == [row["id"] for row in on_cloud.rows(PAGES)]
