"""People by id, against both editions; and the addresses of further pages, however Data Center writes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_confluence.confluence.client import ConfluenceClient
from airflow_provider_confluence.testing.sandbox import Sandbox

OpenClient = Callable[..., ConfluenceClient]


def test_people_are_named_by_their_ids_and_unknown_ones_are_absent(sandbox: Sandbox, open_client: OpenClient) -> None:
    sandbox.model.add_user("5b10:a&b=c", "Mära O’Neil")
    sandbox.model.add_user("ff8081", "Tobias")
    client = open_client(sandbox)
    found = client.people(["5b10:a&b=c", "nobody", "ff8081", "ff8081", ""])
    assert found == {"5b10:a&b=c": "Mära O’Neil", "ff8081": "Tobias"}


def test_nobody_costs_no_request(sandbox: Sandbox, open_client: OpenClient) -> None:
    client = open_client(sandbox)
    assert client.people([]) == {}
    assert sandbox.requests.count("*/user*") == 0


def test_people_of_data_center_are_also_found_by_login_name(datacenter: Sandbox, open_client: OpenClient) -> None:
    datacenter.model.add_user("ff8081", "Tobias", username="tobias")
    assert open_client(datacenter).people(["tobias", "ff8081"]) == {"tobias": "Tobias", "ff8081": "Tobias"}
    asked = [(sorted(entry.query), entry.status) for entry in datacenter.requests.matching("*/rest/api/user")]
    assert sorted(asked) == [(["key"], 200), (["key"], 404), (["username"], 200)]


def test_three_hundred_people_of_cloud_cost_two_requests(cloud: Sandbox, open_client: OpenClient) -> None:
    ids = [cloud.model.add_user(f"u-{n}", f"Name {n}") for n in range(300)]
    assert open_client(cloud).people(ids) == {f"u-{n}": f"Name {n}" for n in range(300)}
    assert cloud.requests.count("*/users-bulk") == 2


@pytest.mark.parametrize("relative_to", ["base", "host", "nothing"])
@pytest.mark.parametrize("scan", [True, False])
def test_listings_of_data_center_hold_whatever_their_links_are_relative_to(
    datacenter: Sandbox, open_client: OpenClient, relative_to: Any, scan: bool
) -> None:
    model = datacenter.model
    model.readings.datacenter_links_relative_to = relative_to
    model.readings.scan_available = scan
    model.readings.search_cap_expanded = model.readings.list_cap_expanded = 2
    model.create_space("DOCS")
    made = [model.create_page("DOCS", f"Page {n}") for n in range(5)]
    client = open_client(datacenter)
    [space] = client.spaces(["DOCS"])
    listing = client.list_content(space, "page")
    assert [entry.content_id for entry in listing] == made
    assert listing.complete
