from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from airflow_provider_confluence.confluence.auth import OriginAuth, authorization, origin_of
from airflow_provider_confluence.confluence.client import ConnectionSettings
from airflow_provider_confluence.confluence.gate import Gate
from airflow_provider_confluence.confluence.transport import Transport
from airflow_provider_confluence.errors import ContractError, CredentialsError
from tests.confluence.odd_server import Asked, OddServer, Reply, answer, refusal

Start = Callable[[Callable[[Asked], Reply]], OddServer]


def test_a_user_name_makes_basic_and_none_makes_bearer() -> None:
    assert "Basic " + base64.b64encode("zoë:tökén".encode()).decode() == authorization("zoë", "tökén")
    assert authorization(None, "  PAT\n") == "Bearer PAT"
    assert authorization("", "PAT") == "Bearer PAT"
    assert authorization(None, None) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example/wiki",
        "http://site.atlassian.net/wiki",
        "https://site.atlassian.net:8443/wiki",
        "https://site.atlassian.net.evil.example/wiki",
        "https://site.atlassian.net@evil.example/wiki",
    ],
)
def test_the_credential_goes_to_its_origin_and_nowhere_else(url: str) -> None:
    auth = OriginAuth(origin_of("https://site.atlassian.net/wiki"), "Bearer T0KEN")
    elsewhere = requests.Request("GET", url, headers={"Authorization": "Bearer T0KEN"}, auth=auth).prepare()
    assert "Authorization" not in elsewhere.headers
    home = requests.Request("GET", "https://SITE.atlassian.net:443/wiki/x", auth=auth).prepare()
    assert home.headers["Authorization"] == "Bearer T0KEN"


def test_the_auth_object_shows_no_token() -> None:
    assert "T0KEN" not in repr(OriginAuth(("https", "site.atlassian.net", 443), "Bearer T0KEN"))


def test_a_netrc_and_proxy_variables_change_nothing(
    odd_server: Start, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login other password netrcsecret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    server = odd_server(lambda _asked: answer({}))
    transport = Transport(ConnectionSettings(server.origin, token="PAT"), server.origin, gate, cloud=False)
    transport.get("/x")
    transport.close()
    assert server.asked[0].headers["authorization"] == "Bearer PAT"


def test_the_configured_proxy_is_used(odd_server: Start, gate: Gate) -> None:
    proxy = odd_server(lambda _asked: answer({"by": "proxy"}))
    settings = ConnectionSettings("http://confluence.invalid", token="PAT", proxy=proxy.origin)
    transport = Transport(settings, "http://confluence.invalid", gate, cloud=False)
    assert transport.get("/x").data == {"by": "proxy"}
    transport.close()


def test_a_redirect_carries_no_credential_to_another_host(odd_server: Start, gate: Gate) -> None:
    other = odd_server(lambda _asked: answer({}))
    server = odd_server(lambda _asked: refusal(302, Location=f"{other.origin}/wiki/x"))
    transport = Transport(ConnectionSettings(server.origin, token="PAT"), server.origin, gate, cloud=False)
    with pytest.raises(ContractError):
        transport.get("/x")
    # nor through the library's object, which follows redirects in some versions
    transport.rest_api.request(method="GET", path="x", advanced_mode=True)
    transport.close()
    assert all("authorization" not in asked.headers for asked in other.asked)


def test_a_refused_token_is_asked_once_and_shown_nowhere(odd_server: Start, gate: Gate) -> None:
    server = odd_server(lambda asked: refusal(401, asked.headers["authorization"].encode()))
    transport = Transport(ConnectionSettings(server.origin, token="S3CRET"), server.origin, gate, cloud=False)
    with pytest.raises(CredentialsError) as caught:
        transport.get("/x")
    transport.close()
    assert len(server.asked) == 1
    assert "S3CRET" not in str(caught.value) + repr(caught.value)
