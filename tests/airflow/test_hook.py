"""The hook lends a client by an Airflow connection, and says in plain sentences what is wrong with one."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from airflow_provider_confluence.datasource import read_datasource
from airflow_provider_confluence.errors import AccessDeniedError, ConfigurationError
from airflow_provider_confluence.testing.sandbox import Sandbox

if TYPE_CHECKING:
    from airflow_provider_confluence.hooks.confluence import ConfluenceHook

TOKEN = "s3cr3t/token+with=signs"


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes the connection confluence_default: from fields, or from a URI."""

    def make(uri: str | None = None, **fields: Any) -> ConfluenceHook:
        from airflow_provider_confluence.hooks.confluence import ConfluenceHook

        value = {"conn_type": "confluence", "host": "https://wiki.example.com", "password": TOKEN, **fields}
        monkeypatch.setenv("AIRFLOW_CONN_CONFLUENCE_DEFAULT", uri or json.dumps(value))
        return ConfluenceHook()

    return make


def for_sandbox(sandbox: Sandbox, **changes: Any) -> dict[str, Any]:
    return {"host": sandbox.endpoint, "login": sandbox.username, "password": sandbox.token, **changes}


# ------------------------------------------------------------------------------------------ what it lends
def test_making_a_hook_looks_nothing_up() -> None:
    from airflow_provider_confluence.hooks.confluence import ConfluenceHook

    assert ConfluenceHook("no_such_connection").confluence_conn_id == "no_such_connection"


def test_the_client_is_the_typed_one(sandbox: Sandbox, connection: Any) -> None:
    sandbox.model.create_space("DOCS")
    hook = connection(**for_sandbox(sandbox))
    try:
        assert hook.client.edition == sandbox.edition
        assert [space.key for space in hook.client.spaces(["DOCS", "NONE"])] == ["DOCS"]
    finally:
        hook.close()


def test_get_conn_is_the_library_s_own_object_configured(sandbox: Sandbox, connection: Any) -> None:
    from atlassian.rest_client import AtlassianRestAPI

    hook = connection(**for_sandbox(sandbox))
    try:
        conn = hook.get_conn()
        assert isinstance(conn, AtlassianRestAPI)
        assert hook.get_conn() is conn
        answer = conn.get("rest/api/user/current")
        assert answer["displayName"] == "Index Er"
    finally:
        hook.close()


def test_test_connection_says_who_and_where(sandbox: Sandbox, connection: Any) -> None:
    edition = {"cloud": "Cloud", "datacenter": "Data Center"}[sandbox.edition]
    hook = connection(**for_sandbox(sandbox))
    assert hook.test_connection() == (True, f"Connected to Confluence {edition} at {sandbox.endpoint} as Index Er")


def test_test_connection_says_why_not(sandbox: Sandbox, connection: Any) -> None:
    works, sentence = connection(**for_sandbox(sandbox, password="n0-such-token")).test_connection()
    assert not works
    assert "token" in sentence
    assert "n0-such-token" not in sentence


def test_the_connection_s_limits_are_divided_among_the_tasks(cloud: Sandbox, connection: Any) -> None:
    hook = connection(**for_sandbox(cloud), extra={"max_in_flight": 6, "requests_per_second": 10})
    for shares, in_flight, pace in ((1, 6, 10.0), (4, 1, 2.5), (20, 1, 0.5)):
        client = hook.open_client(shares=shares)
        try:
            gate = client.transport.gate
            assert (gate.max_in_flight, gate.allowed_per_second) == (in_flight, pace)
        finally:
            client.close()


def test_without_limits_the_edition_s_own_are_divided(sandbox: Sandbox, connection: Any) -> None:
    client = connection(**for_sandbox(sandbox)).open_client(shares=2)
    try:
        assert client.transport.gate.max_in_flight == {"cloud": 4, "datacenter": 2}[sandbox.edition]
    finally:
        client.close()


# ------------------------------------------------------------------------------------------ the connection
def test_extras_are_read_by_name(connection: Any) -> None:
    settings = connection(
        login="me@example.com",
        extra={
            "deployment": "datacenter",
            "verify_ssl": True,
            "ca_bundle": "/etc/ca.pem",
            "proxy": "http://proxy:3128",
            "timeout": 12,
            "max_in_flight": 3,
            "requests_per_second": 1.5,
            "client_cert": "/etc/me.pem",
            "client_key": "/etc/me.key",
        },
    ).settings
    assert (settings.endpoint, settings.username, settings.token) == (
        "https://wiki.example.com",
        "me@example.com",
        TOKEN,
    )
    assert (settings.deployment, settings.verify_ssl, settings.ca_bundle) == ("datacenter", True, "/etc/ca.pem")
    assert (settings.proxy, settings.timeout_seconds) == ("http://proxy:3128", 12.0)
    assert (settings.max_in_flight, settings.requests_per_second) == (3, 1.5)
    assert (settings.client_cert, settings.client_key) == ("/etc/me.pem", "/etc/me.key")


def test_a_connection_written_as_a_uri_is_read_too(connection: Any) -> None:
    uri = f"confluence://me%40example.com:{quote(TOKEN, safe='')}@wiki.example.com:8443/confluence?verify_ssl=false&timeout=5"
    settings = connection(uri).settings
    assert settings.endpoint == "https://wiki.example.com:8443/confluence"
    assert (settings.username, settings.token) == ("me@example.com", TOKEN)
    assert (settings.verify_ssl, settings.timeout_seconds) == (False, 5.0)


def test_without_a_login_the_password_is_a_personal_access_token(connection: Any) -> None:
    settings = connection(login="").settings
    assert (settings.username, settings.token, settings.deployment) == (None, TOKEN, "auto")


def test_a_cloud_id_leads_through_the_gateway(cloud: Sandbox, connection: Any) -> None:
    cloud.model.readings.scoped_token = True
    extra = {"cloud_id": cloud.cloud_id, "gateway_url": cloud.origin}
    hook = connection(**for_sandbox(cloud, extra=extra))
    try:
        assert hook.client.identity().display_name == "Index Er"
        assert hook.client.site == cloud.endpoint
    finally:
        hook.close()
    assert [asked.path for asked in cloud.requests] == [f"/ex/confluence/{cloud.cloud_id}/wiki/rest/api/user/current"]


def test_a_cloud_id_is_enough_of_an_address(connection: Any) -> None:
    client = connection(host="", login="me@example.com", extra={"cloud_id": "1-2-3"}).client
    assert client.site == "https://api.atlassian.com/ex/confluence/1-2-3/wiki"


def test_an_access_token_is_masked_before_it_is_used(cloud: Sandbox, connection: Any) -> None:
    from airflow.sdk.log import redact

    extra = {
        "oauth_client_id": cloud.oauth.client_id,
        "gateway_url": cloud.origin,
        "oauth_token_url": cloud.oauth_token_url,
    }
    hook = connection(host=cloud.endpoint, password=cloud.oauth.client_secret, extra=extra)
    try:
        assert hook.client.identity().display_name == "Index Er"
    finally:
        hook.close()
    (token,) = cloud.oauth.issued
    assert redact(f"before {token} after") == "before *** after"


def test_unknown_extras_are_reported_by_name_and_not_by_value(
    connection: Any, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    hook = connection(extra={"verfy_ssl": "zzz", "timeout": 3})
    assert hook.settings.timeout_seconds == 3
    shown = capfd.readouterr().out + caplog.text
    assert "extras not known and ignored: verfy_ssl" in shown
    assert "zzz" not in shown


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"conn_type": "http"}, "is of type 'http'; it must be of type 'confluence'"),
        ({"host": ""}, "the host is empty"),
        ({"extra": {"timeout": "soon"}}, "extra timeout must be a number"),
        ({"extra": {"timeout": 0}}, "extra timeout must be a number above 0"),
        ({"extra": {"max_in_flight": 1.5}}, "extra max_in_flight must be a whole number"),
        ({"extra": {"max_in_flight": True}}, "extra max_in_flight must be a whole number"),
        ({"extra": {"verify_ssl": "perhaps"}}, "extra verify_ssl must be true or false"),
        ({"extra": {"verify_ssl": 1}}, "extra verify_ssl must be true or false"),
        ({"extra": {"proxy": 7}}, "extra proxy must be a text"),
    ],
)
def test_a_wrong_field_is_named(connection: Any, fields: dict[str, Any], message: str) -> None:
    hook = connection(**fields)
    with pytest.raises(ConfigurationError, match=message):
        _ = hook.settings
    works, sentence = connection(**fields).test_connection()
    assert not works
    assert message in sentence


def test_a_connection_that_does_not_exist_is_a_configuration_error() -> None:
    from airflow_provider_confluence.hooks.confluence import ConfluenceHook

    with pytest.raises(ConfigurationError, match="there is no connection nowhere; make one of type Confluence"):
        _ = ConfluenceHook("nowhere").settings


def test_what_the_token_looks_like_on_its_way_is_masked(connection: Any) -> None:
    from airflow.sdk.log import redact

    _ = connection(login="me@example.com").settings
    pair = base64.b64encode(f"me@example.com:{TOKEN}".encode()).decode()
    for form in (TOKEN, pair, quote(TOKEN), quote(TOKEN, safe="")):
        assert redact(f"before {form} after") == "before *** after"


# ------------------------------------------------------------------------------------------ who may use it
@pytest.mark.parametrize(
    ("extra", "allowed"),
    [
        ({}, True),
        ({"allowed_datasources": ["docs", "team*"]}, True),
        ({"allowed_datasources": "other, more"}, False),
        ({"allowed_spaces": ["DO*", "OPS"]}, True),
        ({"allowed_spaces": ["DO*"]}, False),
        ({"allowed_spaces": "docs ops"}, False),
        ({"allowed_spaces": []}, False),
    ],
)
def test_a_connection_may_be_kept_to_datasources_and_spaces(
    connection: Any, extra: dict[str, Any], allowed: bool
) -> None:
    hook = connection(extra=extra)
    datasource = read_datasource("docs", {"space": ["DOCS", "OPS"]})
    if allowed:
        hook.check_allowed(datasource)
        return
    with pytest.raises(AccessDeniedError, match="does not serve"):
        hook.check_allowed(datasource)


@pytest.mark.parametrize(("patterns", "allowed"), [(["*"], True), (["[!~]*"], False), (["DO*", "OPS"], False)])
def test_every_space_needs_a_pattern_that_says_so(connection: Any, patterns: list[str], allowed: bool) -> None:
    hook = connection(extra={"allowed_spaces": patterns})
    datasource = read_datasource("docs", {"space": "*", "personal_spaces": True})
    if allowed:
        hook.check_allowed(datasource)
        return
    with pytest.raises(AccessDeniedError, match="name the spaces"):
        hook.check_allowed(datasource)
