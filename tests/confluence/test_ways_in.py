"""Each way to prove who we are leads in: by the site, through the gateway, with OAuth, with a certificate, as a visitor who says so."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airflow_provider_confluence.confluence.auth import OriginAuth
from airflow_provider_confluence.confluence.client import ConfluenceClient, ConnectionSettings, connect
from airflow_provider_confluence.confluence.gate import Gate
from airflow_provider_confluence.confluence.transport import Transport
from airflow_provider_confluence.errors import (
    AccessDeniedError,
    ConfigurationError,
    ConfluenceUnavailableError,
    CredentialsError,
)
from airflow_provider_confluence.testing.sandbox import ManualClock, Sandbox
from tests.certificates import make_certificate
from tests.confluence.odd_server import OddServer, answer, refusal

Open = Callable[..., ConfluenceClient]


def paths(sandbox: Sandbox) -> list[str]:
    return [entry.path.replace(sandbox.cloud_id, "ID") for entry in sandbox.requests]


def oauth(sandbox: Sandbox, **changes: object) -> dict[str, object]:
    return {
        "username": None,
        "token": sandbox.oauth.client_secret,
        "oauth_client_id": sandbox.oauth.client_id,
        "gateway_url": sandbox.origin,
        "oauth_token_url": sandbox.oauth_token_url,
        **changes,
    }


# ------------------------------------------------------------------------------------------ the gateway
def test_a_scoped_token_finds_its_way_through_the_gateway(cloud: Sandbox, open_client: Open) -> None:
    cloud.model.readings.scoped_token = True
    cloud.model.create_space("DOCS")
    for number in range(3):
        cloud.model.create_page("DOCS", f"Page {number}")
    client = open_client(cloud, gateway_url=cloud.origin)
    assert client.identity().display_name == "Index Er"
    assert paths(cloud) == [
        "/wiki/rest/api/user/current",
        "/_edge/tenant_info",
        "/ex/confluence/ID/wiki/rest/api/user/current",
        "/ex/confluence/ID/wiki/rest/api/user/current",
    ]
    assert not cloud.requests[1].had_authorization
    (space,) = client.spaces(["DOCS"])
    assert {entry.title for entry in client.list_content(space, "page")} == {"Page 0", "Page 1", "Page 2"}
    # The site keeps its name and its addresses, whichever way the requests go.
    assert client.site == cloud.endpoint
    assert space.url.startswith(cloud.endpoint)


def test_what_was_found_serves_the_next_client_at_once(cloud: Sandbox, open_client: Open) -> None:
    cloud.model.readings.scoped_token = True
    open_client(cloud, gateway_url=cloud.origin).identity()
    cloud.requests.clear()
    open_client(cloud, gateway_url=cloud.origin).identity()
    assert paths(cloud) == ["/ex/confluence/ID/wiki/rest/api/user/current"]


def test_a_file_is_downloaded_through_the_gateway_though_it_is_asked_for_first(
    cloud: Sandbox, open_client: Open, tmp_path: Path
) -> None:
    cloud.model.create_space("DOCS")
    page = cloud.model.create_page("DOCS", "Page")
    cloud.model.attach(page, "plan.txt", b"plan", "text/plain")
    classic = open_client(cloud)
    (file,) = classic.list_attachments(classic.spaces(["DOCS"]))
    cloud.model.readings.scoped_token = True
    assert open_client(cloud, gateway_url=cloud.origin).download(file, tmp_path / "f", max_bytes=100) == 4


def test_next_links_of_the_gateway_are_followed_under_its_own_root(cloud: Sandbox, open_client: Open) -> None:
    cloud.model.readings.scoped_token = True
    cloud.model.create_space("DOCS")
    for number in range(251):
        cloud.model.create_page("DOCS", f"Page {number}")
    client = open_client(cloud, cloud_id=cloud.cloud_id, gateway_url=cloud.origin)
    listing = client.list_content(client.spaces(["DOCS"])[0], "page")
    assert len(list(listing)) == 251
    assert listing.complete
    assert all(path.startswith("/ex/confluence/ID/wiki/") for path in paths(cloud))


def test_a_token_that_is_wrong_at_both_is_tried_at_each_once(cloud: Sandbox, open_client: Open) -> None:
    client = open_client(cloud, token="wr0ng", gateway_url=cloud.origin)
    for _ in range(2):
        with pytest.raises(CredentialsError):
            client.identity()
    assert paths(cloud) == [
        "/wiki/rest/api/user/current",
        "/_edge/tenant_info",
        "/ex/confluence/ID/wiki/rest/api/user/current",
        "/wiki/rest/api/user/current",
    ]


def test_a_credential_goes_to_no_gateway_that_nobody_named_unless_the_site_is_atlassian_s(
    cloud: Sandbox, open_client: Open
) -> None:
    cloud.model.readings.scoped_token = True
    with pytest.raises(CredentialsError):
        open_client(cloud).identity()
    assert paths(cloud) == ["/wiki/rest/api/user/current"]


def test_a_scope_that_is_missing_is_no_reason_to_look_for_another_way(cloud: Sandbox, open_client: Open) -> None:
    cloud.model.readings.scoped_token = True
    cloud.model.readings.token_scopes = ("read:space:confluence",)
    client = open_client(cloud, cloud_id=cloud.cloud_id, gateway_url=cloud.origin)
    with pytest.raises(AccessDeniedError, match="scope"):
        client.identity()
    assert len(cloud.requests) == 1
    assert client.spaces(["*"]) == []


def test_many_threads_turn_to_the_gateway_together(cloud: Sandbox, open_client: Open) -> None:
    cloud.model.readings.scoped_token = True
    cloud.model.create_space("DOCS")
    client = open_client(cloud, gateway_url=cloud.origin, gate=Gate(max_in_flight=8))
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: [space.key for space in client.spaces(["DOCS"])], range(24)))
    assert found == [["DOCS"]] * 24
    assert paths(cloud).count("/_edge/tenant_info") == 1


# ------------------------------------------------------------------------------------------ OAuth
def test_a_client_s_id_and_secret_lead_in(cloud: Sandbox, open_client: Open) -> None:
    cloud.model.create_space("DOCS")
    told: list[str] = []
    settings = ConnectionSettings(cloud.endpoint, **oauth(cloud))  # type: ignore[arg-type]
    client = connect(settings, gate=Gate(), on_secret=told.append)
    try:
        assert client.identity().display_name == "Index Er"
        assert [space.key for space in client.spaces(["*"])] == ["DOCS"]
    finally:
        client.close()
    assert told == cloud.oauth.issued
    assert len(told) == 1
    assert paths(cloud)[:2] == ["/_edge/tenant_info", "/oauth/token"]
    assert told[0] not in repr(client.transport.session.auth)  # type: ignore[attr-defined]


def test_the_library_s_own_object_goes_through_the_gateway_with_oauth(cloud: Sandbox, open_client: Open) -> None:
    client = open_client(cloud, **oauth(cloud))
    assert client.transport.rest_api.get("rest/api/user/current")["displayName"] == "Index Er"  # type: ignore[attr-defined]


def test_the_clients_of_a_process_share_a_token(cloud: Sandbox, open_client: Open) -> None:
    for _ in range(2):
        open_client(cloud, **oauth(cloud)).identity()
    assert len(cloud.oauth.issued) == 1


def test_a_token_is_renewed_before_it_expires(cloud: Sandbox, fake_time, open_client: Open) -> None:  # type: ignore[no-untyped-def]
    cloud.model.clock = ManualClock()
    settings = ConnectionSettings(cloud.endpoint, **oauth(cloud))  # type: ignore[arg-type]
    client = connect(settings, gate=Gate(), clock=fake_time.clock)
    try:
        for minutes, tokens in ((0, 1), (54, 1), (2, 2), (54, 2), (2, 3)):
            fake_time.seconds += minutes * 60
            cloud.model.clock.advance(minutes=minutes)
            assert client.identity().display_name == "Index Er"
            assert len(cloud.oauth.issued) == tokens
    finally:
        client.close()


def test_a_token_that_is_withdrawn_early_is_replaced_once(cloud: Sandbox, open_client: Open) -> None:
    client = open_client(cloud, **oauth(cloud))
    client.identity()
    cloud.oauth.revoke()
    assert client.identity().display_name == "Index Er"
    assert len(cloud.oauth.issued) == 2


def test_many_threads_replace_a_withdrawn_token_by_one(cloud: Sandbox, open_client: Open) -> None:
    cloud.model.create_space("DOCS")
    client = open_client(cloud, **oauth(cloud), gate=Gate(max_in_flight=8))
    client.identity()
    cloud.latency_seconds = 0.2
    cloud.oauth.revoke()
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: [space.key for space in client.spaces(["DOCS"])], range(8)))
    assert found == [["DOCS"]] * 8
    assert len(cloud.oauth.issued) == 2


def test_a_refused_client_is_told_from_a_refused_token(cloud: Sandbox, open_client: Open) -> None:
    with pytest.raises(CredentialsError, match="oauth_client_id") as caught:
        open_client(cloud, **oauth(cloud, token="wr0ngsecret")).identity()
    assert caught.value.reason == "oauth_refused"
    assert "wr0ngsecret" not in str(caught.value)


def test_a_token_endpoint_that_is_down_is_tried_again_and_named(cloud: Sandbox, open_client: Open) -> None:
    with OddServer(lambda _asked: refusal(503)) as down:
        client = open_client(cloud, **oauth(cloud, oauth_token_url=f"{down.origin}/oauth/token"))
        with pytest.raises(ConfluenceUnavailableError, match="oauth/token"):
            client.identity()
        assert len(down.asked) > 1


def test_oauth_without_a_cloud_id_to_find_asks_for_it(open_client: Open) -> None:
    with OddServer(lambda _asked: refusal(404)) as server:
        client = open_client(f"{server.origin}/wiki", username=None, oauth_client_id="x", gateway_url=server.origin)
        with pytest.raises(ConfigurationError, match="cloud_id"):
            client.identity()


# ------------------------------------------------------------------------------------------ visitors
def test_without_a_token_nothing_is_asked(datacenter: Sandbox) -> None:
    datacenter.model.readings.anonymous_access = True
    with pytest.raises(ConfigurationError, match="anonymous"):
        connect(ConnectionSettings(datacenter.endpoint))
    assert len(datacenter.requests) == 0


def test_a_visitor_who_brings_a_credential_is_asked_which_it_is(sandbox: Sandbox) -> None:
    settings = ConnectionSettings(sandbox.endpoint, sandbox.username, sandbox.token, anonymous=True)
    with pytest.raises(ConfigurationError, match="one or the other"):
        connect(settings)


# ------------------------------------------------------------------------------------------ certificates
def test_a_client_certificate_is_shown_to_a_server_that_asks(tmp_path: Path, gate: Gate) -> None:
    pem = make_certificate(tmp_path / "both.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.load_verify_locations(pem)
    context.verify_mode = ssl.CERT_REQUIRED
    # Before 1.3 the server says what it misses within the handshake, so the client is sure to hear it.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with OddServer(lambda _asked: answer({"username": "ada", "displayName": "Ada"}), tls=context) as server:
        settings = {"token": "PAT", "deployment": "datacenter", "ca_bundle": str(pem)}
        with_it = connect(ConnectionSettings(server.origin, client_cert=str(pem), **settings), gate=gate)  # type: ignore[arg-type]
        assert with_it.identity().display_name == "Ada"
        with_it.close()
        without = connect(ConnectionSettings(server.origin, **settings), gate=gate)  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="client_cert"):
            without.identity()
        without.close()


def test_a_client_certificate_is_not_shown_to_hosts_that_files_are_kept_at(tmp_path: Path, gate: Gate) -> None:
    pem = str(make_certificate(tmp_path / "both.pem"))
    settings = ConnectionSettings("https://wiki.example.com", token="PAT", client_cert=pem)
    transport = Transport(settings, "https://wiki.example.com", gate, cloud=False)
    assert transport.session.cert == pem
    with transport.new_session(OriginAuth(("", "", 0), None)) as elsewhere:
        assert elsewhere.cert is None
    transport.close()


@pytest.mark.parametrize(
    ("name", "said"), [("client_cert", "'/nowhere' does not exist"), ("client_key", "'/nowhere' does not exist")]
)
def test_a_certificate_that_is_not_there_is_named(name: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        connect(ConnectionSettings("https://wiki.example.com", token="PAT", **{name: "/nowhere"}))  # type: ignore[arg-type]


def test_a_key_without_a_certificate_is_refused(tmp_path: Path) -> None:
    pem = make_certificate(tmp_path / "both.pem")
    with pytest.raises(ConfigurationError, match="client_cert is not"):
        connect(ConnectionSettings("https://wiki.example.com", token="PAT", client_key=str(pem)))


def test_cloud_id_and_data_center_contradict_each_other() -> None:
    with pytest.raises(ConfigurationError, match="one or the other"):
        connect(ConnectionSettings("https://wiki.example.com", token="PAT", deployment="datacenter", cloud_id="1"))
