"""Clients that somebody else wrote must find the sandbox to be a Confluence."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

from airflow_provider_confluence.testing.sandbox import Sandbox
from tests.contracts.checker import ContractChecker


@pytest.fixture(autouse=True)
def its_own_deprecations() -> Iterator[None]:
    """Let atlassian-python-api 5 warn of its own older methods."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def test_the_v2_client_of_atlassian_python_api_pages_through_a_space(cloud: Sandbox) -> None:
    from atlassian import ConfluenceV2

    space = cloud.model.create_space("DOCS")
    made = [cloud.model.create_page("DOCS", f"Page {n}", f"<p>{n}</p>") for n in range(60)]
    with ConfluenceV2(url=cloud.endpoint, username=cloud.username, password=cloud.token) as client:
        pages = client.get_pages(space_id=space, limit=25, body_format="storage", sort="id")
        spaces = client.get_spaces(keys=["DOCS"])
    assert made == [page["id"] for page in pages]
    assert {f"<p>{n}</p>" for n in range(60)} == {page["body"]["storage"]["value"] for page in pages}
    assert [space] == [row["id"] for row in spaces]


def test_the_data_center_client_of_atlassian_python_api_reads_all_pages_of_a_space() -> None:
    """Without a context path: release 5.0.5 loses it from the next address on."""
    from atlassian import Confluence

    checker = ContractChecker("datacenter", context="")
    with Sandbox("datacenter", context="", observer=checker) as sandbox:
        sandbox.model.create_space("DOCS")
        made = [sandbox.model.create_page("DOCS", f"Page {n}", labels=["x"]) for n in range(30)]
        with Confluence(url=sandbox.endpoint, token=sandbox.token) as client:
            pages = list(client.get_all_pages_from_space("DOCS", limit=10, expand="version"))
            label = client.get_page_labels(made[0])
    assert made == [page["id"] for page in pages]
    assert {1} == {page["version"]["number"] for page in pages}
    assert [row["name"] for row in label["results"]] == ["x"]
    checker.assert_clean()
