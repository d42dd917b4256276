from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from airflow_provider_confluence.testing.sandbox import Sandbox
from airflow_provider_confluence.testing.sandbox.web import Request, Response
from tests.contracts.checker import ContractChecker
from tests.contracts.official import official_judges, specifications

needs_specifications = pytest.mark.skipif(
    specifications() is None, reason="the official specifications are not at hand"
)


@pytest.fixture
def watched() -> Iterator[tuple[Sandbox, ContractChecker]]:
    checker = ContractChecker("cloud")
    with Sandbox("cloud", observer=checker) as sandbox:
        sandbox.model.create_space("DOCS")
        sandbox.model.create_page("DOCS", "Page")
        yield sandbox, checker


def ask(sandbox: Sandbox, path: str) -> None:
    requests.get(sandbox.endpoint + path, headers={"Authorization": sandbox.authorization}, timeout=5)


def exchange(path: str, document: Any, query: dict[str, list[str]] | None = None) -> tuple[Request, Response]:
    return Request("GET", path, query or {}, {}), Response(200, document=document)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/api/v2/pages?limit=251", "maximum"),
        ("/api/v2/pages?sort=colour", "is not one of"),
        ("/api/v2/pages?spaceKey=DOCS", "there is no parameter spaceKey"),
        ("/api/v2/pages?body-format=none", "is not one of"),
        ("/api/v2/search?cql=type=page", "know no such route"),
        ("/rest/api/content?spaceKey=DOCS", "know no such route"),
        ("/rest/api/content/search", "parameter cql is missing"),
    ],
)
def test_a_request_that_confluence_does_not_know_is_reported(
    watched: tuple[Sandbox, ContractChecker], path: str, reason: str
) -> None:
    sandbox, checker = watched
    ask(sandbox, path)
    with pytest.raises(AssertionError, match=reason):
        checker.assert_clean()


def test_good_requests_are_clean_and_a_pause_lets_wrong_ones_pass(watched: tuple[Sandbox, ContractChecker]) -> None:
    sandbox, checker = watched
    ask(sandbox, "/api/v2/pages?limit=250&status=current")
    with checker.paused():
        ask(sandbox, "/api/v2/pages?limit=251")
    checker.assert_clean()


@pytest.mark.parametrize(
    "change",
    [
        {"id": 4711},
        {"version": {}},
        {"createdAt": "yesterday"},
        {"status": "fine"},
        {"parentType": "tree"},
        {"title": None},
    ],
)
def test_an_answer_that_confluence_would_not_give_is_reported(change: dict[str, Any]) -> None:
    checker = ContractChecker("cloud")
    with Sandbox("cloud") as sandbox:
        sandbox.model.create_space("DOCS")
        page = sandbox.model.create_page("DOCS", "Page")
        headers = {"Authorization": sandbox.authorization}
        document = requests.get(f"{sandbox.endpoint}/api/v2/pages/{page}", headers=headers, timeout=5).json()
    checker(*exchange(f"/wiki/api/v2/pages/{page}", document))
    checker.assert_clean()
    checker(*exchange("/wiki/api/v2/pages", {"results": [document | change], "_links": {"base": "x"}}))
    assert checker.violations()


def test_what_another_test_sent_is_judged_though_it_was_answered_as_a_good_request() -> None:
    answer = {"results": [], "start": 0, "limit": 25, "size": 0, "_links": {"base": "http://x", "context": ""}}
    for start, problems in (("5", 0), ("-5", 1)):
        checker = ContractChecker("datacenter")
        checker(*exchange("/confluence/rest/api/space", answer, {"start": [start]}))
        assert bool(checker.violations()) == bool(problems), checker.violations()


def test_what_is_like_a_good_answer_but_for_a_number_that_is_too_small_is_reported() -> None:
    for number, problems in ((7, 0), (1, 0), (0, 1)):
        checker = ContractChecker("cloud")
        with Sandbox("cloud") as sandbox:
            sandbox.model.create_space("DOCS")
            page = sandbox.model.create_page("DOCS", "Page")
            headers = {"Authorization": sandbox.authorization}
            document = requests.get(f"{sandbox.endpoint}/api/v2/pages/{page}", headers=headers, timeout=5).json()
        document["version"]["number"] = number
        checker(*exchange(f"/wiki/api/v2/pages/{page}", document))
        checker(*exchange("/wiki/api/v2/pages", {"results": [document], "_links": {"base": "x"}}))
        assert len(checker.violations()) == 2 * problems


@needs_specifications
@pytest.mark.parametrize("edition", ["cloud", "datacenter"])
def test_the_official_specifications_are_asked_too(edition: str) -> None:
    from tests.contracts.checker import Exchange

    [judge] = official_judges(edition)  # type: ignore[arg-type]
    path, good = (
        ("/wiki/api/v2/pages", {"results": [{"id": "1"}]})
        if edition == "cloud"
        else ("/rest/api/content/scan", {"results": [{"id": "1"}], "size": 1})
    )
    bad: dict[str, Any] = {"results": [{"id": 1}], "size": 1}
    assert list(judge(Exchange("GET", path, {"limit": ["25"]}, b"", 200, good, False))) == []
    assert [p.split(", ")[1][:10] for p in judge(Exchange("GET", path, {}, b"", 200, bad, False))] == ["the answer"]
    assert [
        p.split(", ")[1][:11] for p in judge(Exchange("GET", path, {"limit": ["many"]}, b"", 200, good, False))
    ] == ["the request"]
    assert [p.split(", ")[1][:11] for p in judge(Exchange("GET", path + "/x/y", {}, b"", 200, good, False))] == [
        "the request"
    ]
