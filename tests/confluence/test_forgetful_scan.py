"""A scan whose cursor forgets what it was to list: one reading of what Data Center's documentation leaves open."""

from __future__ import annotations

import pytest

from airflow_provider_confluence.confluence.client import ConnectionSettings, connect


@pytest.fixture
def client(datacenter):
    found = connect(ConnectionSettings(datacenter.endpoint, None, datacenter.token))
    yield found
    found.close()


def test_blogposts_are_all_listed_by_a_scan_whose_cursor_forgets_the_type(datacenter, client):
    model = datacenter.model
    model.readings.scan_cursor_with_type = "refused"
    model.readings.scan_remembers_type = False
    model.create_space("DOCS", "Docs")
    posts = {model.create_blogpost("DOCS", f"Post {n}", "") for n in range(450)}
    for number in range(3):
        model.create_page("DOCS", f"Page {number}", "")
    (space,) = client.spaces(["DOCS"])
    listing = client.list_content(space, "blogpost")
    assert {entry.content_id for entry in listing} == posts
    assert listing.complete


def test_blogposts_are_all_listed_where_the_forgetful_cursor_goes_on_with_the_pages_of_which_none_is_left(
    datacenter, client
):
    model = datacenter.model
    model.readings.scan_cursor_with_type = "refused"
    model.readings.scan_remembers_type = False
    model.create_space("DOCS", "Docs")
    model.create_page("DOCS", "Older than all posts", "")
    posts = {model.create_blogpost("DOCS", f"Post {n}", "") for n in range(250)}
    (space,) = client.spaces(["DOCS"])
    listing = client.list_content(space, "blogpost")
    assert {entry.content_id for entry in listing} == posts
    assert listing.complete
