"""By each way in a whole run goes well: from the first request to a page, and the text of a file, that a search finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_confluence.confluence.client import ConnectionSettings, connect
from airflow_provider_confluence.sync.run import run_once
from airflow_provider_confluence.testing.sandbox import Model, Readings, Sandbox
from tests.contracts.checker import ContractChecker
from tests.sync.conftest import Wiki

Way = Callable[[Sandbox], dict[str, Any]]

CLOUD: dict[str, tuple[dict[str, Any], Way]] = {
    "e-mail and API token": ({}, lambda _: {}),
    "scoped token": ({"scoped_token": True}, lambda s: {"gateway_url": s.origin}),
    "scoped token with cloud id": (
        {"scoped_token": True},
        lambda s: {"gateway_url": s.origin, "cloud_id": s.cloud_id},
    ),
    "address at the gateway": ({"scoped_token": True}, lambda s: {"endpoint": s.gateway}),
    "OAuth client": (
        {},
        lambda s: {
            "username": None,
            "token": s.oauth.client_secret,
            "oauth_client_id": s.oauth.client_id,
            "oauth_token_url": s.oauth_token_url,
            "gateway_url": s.origin,
        },
    ),
    "visitor": ({"anonymous_access": True}, lambda _: {"username": None, "token": None, "anonymous": True}),
}
DATA_CENTER: dict[str, tuple[dict[str, Any], Way]] = {
    "personal access token": ({}, lambda _: {}),
    "user name and password": ({}, lambda _: {}),
    "visitor": ({"anonymous_access": True}, lambda _: {"token": None, "anonymous": True}),
    "through a proxy": ({}, lambda s: {"endpoint": "http://wiki.invalid/confluence", "proxy": s.origin}),
    "before the scan of 7.18": ({"scan_available": False}, lambda _: {}),
}


@pytest.mark.parametrize(
    ("edition", "readings", "way", "username"),
    [
        pytest.param(edition, *case, "ada" if name == "user name and password" else None, id=f"{edition}-{name}")
        for edition, cases in (("cloud", CLOUD), ("datacenter", DATA_CENTER))
        for name, case in cases.items()
    ],
)
def test_a_run_finds_its_way_in_and_a_search_finds_the_page(edition, readings, way, username, tmp_path):
    checker = ContractChecker(edition)
    with Sandbox(edition, Model(readings=Readings(**readings)), observer=checker, username=username) as sandbox:
        model = sandbox.model
        model.create_space("DOCS", "Documentation", public=True)
        page = model.create_page("DOCS", "Guide", "<p>Turn the handle</p>")
        model.attach(page, "plan.txt", b"assemble at the quayside", "text/plain")
        for number in range(3):
            model.create_page("DOCS", f"Page {number}", "<p>x</p>")
        wiki = Wiki(sandbox, tmp_path, {"space": "DOCS", "enable_attachments": True, "restricted": "include"})
        given = {"endpoint": sandbox.endpoint, "username": sandbox.username, "token": sandbox.token, **way(sandbox)}
        settings = ConnectionSettings(requests_per_second=1000, **given)
        result = run_once(replace(wiki.context, connect=lambda _: connect(settings)), wiki.datasource)
        assert result.clean
        with wiki.index() as index:
            assert [hit.title for hit in index.search("turn the handle").hits] == ["Guide"]
            assert [hit.title for hit in index.search("assemble quayside").hits] == ["plan.txt"]
            assert index.search(None).total == 5
    checker.assert_clean()
