"""Any number of items that never work keeps no other from the index, and an outage is told from them by a few requests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_confluence.confluence.client import connect
from airflow_provider_confluence.confluence.gate import Gate
from airflow_provider_confluence.errors import ConfluenceProviderError
from airflow_provider_confluence.sync.commit import RunResult, verdict
from airflow_provider_confluence.sync.run import run_once
from airflow_provider_confluence.testing.sandbox.faults import DropConnection, During, PoisonItem, Respond
from tests.confluence.conftest import FakeTime
from tests.sync.conftest import Wiki
from tests.sync.test_faults import BY_IDS, many

BAD = 30


def run(wiki: Wiki, **options: Any) -> RunResult:
    """Run with a gate whose pauses pass at once."""
    time = FakeTime()
    gate = Gate(max_in_flight=4, clock=time.clock, sleep=time.sleep, jitter=lambda: 0.5)
    return run_once(
        replace(wiki.context, connect=lambda _: connect(wiki.settings, gate=gate)), wiki.datasource, **options
    )


def files(wiki: Wiki) -> list[str]:
    page = wiki.model.find("Guide")
    return [wiki.model.attach(page, f"bad-{n}.txt", b"some words", "text/plain") for n in range(BAD)]


def of_files(wiki: Wiki) -> str:
    return "*/download" if wiki.sandbox.edition == "cloud" else "*/download/*bad-*"


@pytest.mark.parametrize("status", [413, 500, 503])
def test_thirty_poisoned_pages_are_thirty_failures_and_a_new_page_is_indexed(wiki, status):
    run(wiki)
    bad = many(wiki, BAD)
    wiki.sandbox.faults.add(
        *(PoisonItem(content_id, status=status, route=BY_IDS[wiki.sandbox.edition]) for content_id in bad)
    )
    result = run(wiki)
    assert {failure["content_id"] for failure in result.failures} == set(bad)
    assert f"{BAD} items failed that did not fail before" in verdict(result)
    healthy = wiki.model.create_page("DOCS", "Healthy", "<p>Well</p>")
    again = run(wiki)
    assert (again.counts["failing"], healthy in wiki.documents()) == (BAD, True)
    wiki.sandbox.faults.clear()
    assert run(wiki).clean
    assert wiki.indexed() == wiki.expected()


def test_thirty_refused_files_are_thirty_failures_and_what_is_new_is_indexed(wiki):
    run(wiki)
    bad = files(wiki)
    wiki.sandbox.faults.add(Respond(403, route=of_files(wiki), times=None))
    result = run(wiki)
    assert {failure["content_id"] for failure in result.failures} == set(bad)
    assert f"{BAD} items failed that did not fail before" in verdict(result)
    healthy = wiki.model.create_page("DOCS", "Healthy", "<p>Well</p>")
    run(wiki)
    assert healthy in wiki.documents()
    wiki.sandbox.faults.clear()
    assert run(wiki).clean
    assert wiki.indexed() == wiki.expected()


def test_a_host_of_files_that_does_not_answer_is_left_alone_and_pages_go_on(wiki):
    run(wiki)
    bad = files(wiki)
    healthy = wiki.model.create_page("DOCS", "Healthy", "<p>Well</p>")
    wiki.sandbox.faults.add(DropConnection(route=of_files(wiki), times=None))
    result = run(wiki)
    assert healthy in wiki.documents()
    assert {failure["content_id"] for failure in result.failures} == set(bad)
    reasons = [failure["reason"] for failure in result.failures]
    assert 10 <= reasons.count("download_failed") <= 16
    assert reasons.count("download_not_tried") == BAD - reasons.count("download_failed")
    wiki.sandbox.faults.clear()
    assert run(wiki).clean
    assert wiki.indexed() == wiki.expected()


@pytest.mark.parametrize("status", [500, 503])
def test_an_outage_in_the_middle_fails_the_task_with_few_requests(wiki, status):
    run(wiki)
    many(wiki, 60)
    began = During(
        lambda _: wiki.sandbox.faults.add(Respond(status, times=None)), route=BY_IDS[wiki.sandbox.edition], times=1
    )
    wiki.sandbox.faults.add(began)
    wiki.sandbox.requests.clear()
    with pytest.raises(ConfluenceProviderError):
        run(wiki)
    assert began.struck == 1
    assert len(wiki.sandbox.requests) <= 80
    wiki.sandbox.faults.clear()
    assert run(wiki).clean
    assert wiki.indexed() == wiki.expected()
