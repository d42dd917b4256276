from __future__ import annotations

import pytest

from airflow_provider_confluence.confluence.client import ConnectionSettings, connect
from airflow_provider_confluence.confluence.endpoint import read_endpoint
from airflow_provider_confluence.errors import ConfigurationError


@pytest.mark.parametrize(
    ("given", "deployment", "site", "edition"),
    [
        ("https://site.atlassian.net", "auto", "https://site.atlassian.net/wiki", "cloud"),
        ("https://site.atlassian.net/wiki", "auto", "https://site.atlassian.net/wiki", "cloud"),
        (" HTTPS://Site.Atlassian.NET:443//wiki/ ", "auto", "https://site.atlassian.net/wiki", "cloud"),
        (
            "https://api.atlassian.com/ex/confluence/11-22",
            "auto",
            "https://api.atlassian.com/ex/confluence/11-22/wiki",
            "cloud",
        ),
        ("http://127.0.0.1:8090/wiki", "auto", "http://127.0.0.1:8090/wiki", "cloud"),
        ("http://127.0.0.1:8090/wiki/", "datacenter", "http://127.0.0.1:8090/wiki", "datacenter"),
        ("https://docs.example.com", "cloud", "https://docs.example.com/wiki", "cloud"),
        ("https://example.com/confluence/", "datacenter", "https://example.com/confluence", "datacenter"),
        ("https://example.com/confluence", "auto", "https://example.com/confluence", None),
        ("http://[::1]:8090", "auto", "http://[::1]:8090", None),
    ],
)
def test_the_endpoint_as_people_write_it_becomes_one_base_url(
    given: str, deployment: str, site: str, edition: str
) -> None:
    found = read_endpoint(ConnectionSettings(given, deployment=deployment))  # type: ignore[arg-type]
    assert (site, edition) == (found.site, found.edition)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "site.atlassian.net",
        "ftp://example.com",
        "file:///etc/passwd",
        "https://",
        "https://example.com:port",
        "https://site.atlassian.net/wiki/spaces/DOCS",
        "https://api.atlassian.com/wiki",
        "https://example.com/confluence?x=1",
        "https://example.com/a b",
        "https://example.com\\confluence",
    ],
)
def test_an_endpoint_that_cannot_be_one_is_refused_by_value(given: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        connect(ConnectionSettings(given, username="ada", token="T0KEN"))
    assert "endpoint" in str(caught.value)
    assert repr(given.split("?")[0]).strip("'") in str(caught.value)


def test_a_credential_in_the_endpoint_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        connect(ConnectionSettings("https://ada:s3cret@example.com/confluence"))
    assert "s3cret" not in str(caught.value)
    assert "own fields" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("deployment", "server", "'server'"),
        ("max_in_flight", 0, "max_in_flight is 0"),
        ("requests_per_second", -1.0, "requests_per_second is -1.0"),
        ("timeout_seconds", 0.0, "timeout is 0.0"),
        ("ca_bundle", "/nowhere/ca.pem", "'/nowhere/ca.pem'"),
        ("proxy", "proxy.example.com:3128", "proxy is not"),
        ("token", "", "no token"),
        ("token", "to\nken", "control character"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(name: str, value: object, said: str) -> None:
    given = {"endpoint": "https://site.atlassian.net", "username": "ada", "token": "T0KEN", name: value}
    with pytest.raises(ConfigurationError, match=said):
        connect(ConnectionSettings(**given))  # type: ignore[arg-type]


def test_a_proxy_with_a_password_is_not_repeated() -> None:
    settings = ConnectionSettings("https://site.atlassian.net", username="a", token="t", proxy="socks5://u:s3cret@p")
    with pytest.raises(ConfigurationError) as caught:
        connect(settings)
    assert "s3cret" not in str(caught.value)


def test_a_cloud_site_without_a_user_name_is_refused_before_any_request() -> None:
    with pytest.raises(ConfigurationError, match="e-mail"):
        connect(ConnectionSettings("https://site.atlassian.net", token="T0KEN"))


def test_settings_show_no_token() -> None:
    assert "T0KEN" not in repr(ConnectionSettings("https://site.atlassian.net", "ada", "T0KEN"))
