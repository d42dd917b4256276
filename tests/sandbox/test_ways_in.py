"""The sandbox lets in as Atlassian does: bearer tokens for a client, scopes at the gateway, counts without rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from airflow_provider_confluence.testing.sandbox import ManualClock, Model, Readings, Sandbox
from tests.contracts.checker import ContractChecker
from tests.sandbox.conftest import Caller


def token_of(sandbox: Sandbox, **changes: str) -> requests.Response:
    body = {
        "grant_type": "client_credentials",
        "client_id": sandbox.oauth.client_id,
        "client_secret": sandbox.oauth.client_secret,
        **changes,
    }
    return requests.post(sandbox.oauth_token_url, json=body, timeout=5)


def current_user(sandbox: Sandbox, token: str, *, at: str = "") -> int:
    address = (at or sandbox.gateway) + "/rest/api/user/current"
    return requests.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=5).status_code


def test_a_client_s_token_is_good_at_the_gateway_until_it_expires(cloud: Sandbox) -> None:
    cloud.model.clock = clock = ManualClock()
    answer = token_of(cloud).json()
    token = answer["access_token"]
    assert (answer["expires_in"], answer["token_type"]) == (3600.0, "Bearer")
    assert (current_user(cloud, token), current_user(cloud, token, at=cloud.endpoint)) == (200, 401)
    clock.advance(minutes=59)
    assert current_user(cloud, token) == 200
    clock.advance(minutes=1)
    assert current_user(cloud, token) == 401


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"client_secret": "wrong"}, 401), ({"client_id": "wrong"}, 401), ({"grant_type": "password"}, 400)],
)
def test_a_client_that_is_not_right_gets_no_token(cloud: Sandbox, changes: dict[str, str], status: int) -> None:
    answer = token_of(cloud, **changes)
    assert (answer.status_code, "access_token" in answer.json()) == (status, False)
    assert cloud.oauth.issued == []


def test_revoked_tokens_are_refused_and_new_ones_are_good(cloud: Sandbox) -> None:
    old = token_of(cloud).json()["access_token"]
    cloud.oauth.revoke()
    assert (current_user(cloud, old), current_user(cloud, token_of(cloud).json()["access_token"])) == (401, 200)


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/api/v2/spaces", "read:space:confluence"),
        ("/api/v2/pages", "read:page:confluence"),
        ("/api/v2/footer-comments", "read:comment:confluence"),
        ("/api/v2/attachments", "read:attachment:confluence"),
        ("/rest/api/user/current", "read:confluence-user"),
    ],
)
def test_a_call_without_its_scope_is_refused_with_the_reason_in_a_header(path: str, scope: str) -> None:
    model = Model(readings=Readings(scoped_token=True, token_scopes=()))
    with Sandbox("cloud", model, observer=ContractChecker("cloud")) as sandbox:
        headers = {"Authorization": sandbox.authorization}
        refused = requests.get(sandbox.gateway + path, headers=headers, timeout=5)
        assert (refused.status_code, refused.headers["X-Failure-Category"]) == (401, "FAILURE_CLIENT_SCOPE_CHECK")
        model.readings.token_scopes = (scope,)
        assert requests.get(sandbox.gateway + path, headers=headers, timeout=5).status_code == 200


def test_a_search_counts_without_showing(sandbox: Sandbox, calling: Callable[[Sandbox], Caller]) -> None:
    sandbox.model.create_space("DOCS")
    for number in range(3):
        sandbox.model.create_page("DOCS", f"Page {number}")
    hidden = sandbox.model.create_page("DOCS", "Hidden")
    sandbox.model.hide(hidden)
    answer = calling(sandbox).json("/rest/api/search", cql='type = page and space = "DOCS"', limit=0)
    assert (answer["totalSize"], answer["results"]) == (3, [])


def test_data_center_tells_its_state_to_anybody(datacenter: Sandbox) -> None:
    def asked(path: str) -> requests.Response:
        return requests.get(datacenter.endpoint + path, timeout=5)

    assert (asked("/status").status_code, asked("/status").json()) == (200, {"state": "RUNNING"})
    datacenter.model.readings.application_state = "MAINTENANCE"
    assert (asked("/status").status_code, asked("/status").json()) == (503, {"state": "MAINTENANCE"})
    assert asked("/rest/api/user/current").status_code == 503


def test_data_center_answers_nothing_outside_its_context_path(
    datacenter: Sandbox, calling: Callable[[Sandbox], Caller]
) -> None:
    assert calling(datacenter).wrong(datacenter.origin + "/rest/api/user/current").status_code == 404
