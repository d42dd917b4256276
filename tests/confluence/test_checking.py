"""Whatever keeps a connection from working is told apart, with what to do about it; and nothing is made worse by asking."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_provider_confluence.confluence.checking import check_connection, check_scopes
from airflow_provider_confluence.confluence.client import ConnectionSettings
from airflow_provider_confluence.findings import Finding, has_problem
from airflow_provider_confluence.testing.sandbox import Model, Readings, Sandbox
from airflow_provider_confluence.testing.sandbox.faults import CaptchaChallenge, LoginPage, RedirectElsewhere, Respond
from tests.certificates import make_certificate
from tests.confluence.odd_server import Asked, OddServer, Reply, answer, refusal

SECRET = "S3CRET-T0KEN"
Start = Callable[[Callable[[Asked], Reply]], OddServer]


@pytest.fixture
def lost(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let a test ask in places where there is no Confluence, of which the contracts know nothing."""
    for name in ("cloud", "datacenter"):
        if name in request.fixturenames:
            with request.getfixturevalue(name).observer.paused():
                yield


def check(at: Sandbox | str, *, worked_at: str | None = None, **given: object) -> list[Finding]:
    """Check a connection, close it, and see that no finding shows the token."""
    if isinstance(at, Sandbox):
        given = {"endpoint": at.endpoint, "username": at.username, "token": at.token, **given}
    else:
        given = {"endpoint": at, "token": SECRET, **given}
    findings, client = check_connection(ConnectionSettings(**given), worked_at=worked_at)  # type: ignore[arg-type]
    if client is not None:
        client.close()
    assert (client is None) == has_problem(findings)
    said = " ".join(map(str, findings))
    assert SECRET not in said
    assert not (isinstance(at, Sandbox) and at.token in said)
    return findings


def problem(at: Sandbox | str, *, worked_at: str | None = None, **given: object) -> Finding:
    """Return the one problem there is, which has a remedy."""
    (finding,) = check(at, worked_at=worked_at, **given)
    assert finding.level == "problem"
    assert finding.remedy
    return finding


# ------------------------------------------------------------------------------------------ what is good
def test_a_good_connection_is_told_in_one_sentence(sandbox: Sandbox) -> None:
    edition = {"cloud": "Cloud", "datacenter": "Data Center"}[sandbox.edition]
    expected = Finding(
        "ok", "connection", "connected", f"Connected to Confluence {edition} at {sandbox.endpoint} as Index Er"
    )
    assert check(sandbox) == [expected]


def test_visitors_are_welcome_where_they_are_meant(sandbox: Sandbox) -> None:
    sandbox.model.readings.anonymous_access = True
    sandbox.model.create_space("OPEN", public=True)
    (finding,) = check(sandbox, username=None, token=None, anonymous=True)
    assert finding.level == "ok"
    assert "visitor" in finding.what


def test_visitors_who_see_nothing_are_told_so(sandbox: Sandbox) -> None:
    sandbox.model.readings.anonymous_access = True
    sandbox.model.create_space("CLOSED")
    _, finding = check(sandbox, username=None, token=None, anonymous=True)
    assert (finding.level, finding.cause) == ("warning", "visitors")


def test_visitors_who_are_not_let_in_are_told_so_and_of_no_captcha_or_account(sandbox: Sandbox) -> None:
    sandbox.model.readings.anonymous_identity_is_403 = True
    found = problem(sandbox, username=None, token=None, anonymous=True)
    assert (found.cause, "anonymous access" in found.remedy) == ("visitors", True)


def test_read_only_mode_is_told_and_is_no_hindrance(datacenter: Sandbox) -> None:
    datacenter.model.readings.access_mode = "READ_ONLY"
    _, finding = check(datacenter)
    assert (finding.level, finding.cause) == ("ok", "read_only")


def test_a_token_with_scopes_on_the_site_s_address_goes_through_the_gateway(cloud: Sandbox) -> None:
    cloud.model.readings.scoped_token = True
    _, finding = check(cloud, gateway_url=cloud.origin)
    assert (finding.level, finding.cause) == ("ok", "gateway")
    assert f"cloud_id={cloud.cloud_id}" in finding.remedy


# ------------------------------------------------------------------------------------------ nobody answers
def test_an_unknown_host() -> None:
    found = problem("https://confluence.invalid/wiki", deployment="datacenter")
    assert (found.cause, "confluence.invalid" in found.what) == ("unknown_host", True)


def test_a_host_that_does_not_answer() -> None:
    assert problem("http://127.0.0.1:1").cause == "unreachable"


def test_a_proxy_that_is_not_there() -> None:
    assert problem("http://confluence.invalid", proxy="http://127.0.0.1:1").cause == "proxy_unreachable"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("status", [403, 407])
def test_a_proxy_that_refuses(odd_server: Start, scheme: str, status: int) -> None:
    if (scheme, status) == ("http", 403):
        pytest.skip("a 403 that comes without a tunnel cannot be told from Confluence's own")
    proxy = odd_server(lambda _asked: refusal(status))
    found = problem(f"{scheme}://confluence.invalid", proxy=proxy.origin.replace("//", "//ada:pr0xypass@"))
    assert found.cause == "proxy_refused"
    assert "pr0xypass" not in str(found)


def test_a_port_without_tls(sandbox: Sandbox) -> None:
    assert problem(sandbox, endpoint=sandbox.endpoint.replace("http", "https")).cause == "tls"


def tls_server(pem: Path) -> OddServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return OddServer(lambda _asked: answer({"username": "ada", "displayName": "Ada"}), tls=context)


def test_a_certificate_that_nobody_knows(tmp_path: Path) -> None:
    pem = make_certificate(tmp_path / "both.pem")
    with tls_server(pem) as server:
        found = problem(server.origin)
        assert (found.cause, "ca_bundle" in found.remedy) == ("certificate_unknown", True)
        assert check(server.origin, ca_bundle=str(pem))[0].cause == "connected"
        assert server.asked != []


def test_a_certificate_that_has_expired(tmp_path: Path) -> None:
    pem = make_certificate(tmp_path / "both.pem", days=-1)
    with tls_server(pem) as server:
        assert problem(server.origin, ca_bundle=str(pem)).cause == "certificate_expired"


def test_a_certificate_for_another_name(tmp_path: Path) -> None:
    pem = make_certificate(tmp_path / "both.pem")
    with tls_server(pem) as server:
        elsewhere = server.origin.replace("127.0.0.1", "localhost")
        assert problem(elsewhere, ca_bundle=str(pem)).cause == "certificate_host"


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_a_certificate_that_is_not_looked_at_is_a_warning(tmp_path: Path) -> None:
    with tls_server(make_certificate(tmp_path / "both.pem")) as server:
        assert [finding.cause for finding in check(server.origin, verify_ssl=False)] == ["connected", "not_verified"]


def test_a_server_that_wants_a_client_certificate(tmp_path: Path) -> None:
    pem = make_certificate(tmp_path / "both.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.load_verify_locations(pem)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with OddServer(lambda _asked: answer({}), tls=context) as server:
        assert problem(server.origin, ca_bundle=str(pem)).cause == "client_certificate"


# ------------------------------------------------------------------------------------------ the wrong place
def test_a_context_path_that_was_left_out_is_found(datacenter: Sandbox, lost: None) -> None:
    found = problem(datacenter, endpoint=datacenter.origin)
    assert (found.cause, found.remedy) == ("wrong_path", f"Set the endpoint to {datacenter.endpoint}")


def test_the_address_of_a_page_is_shortened_to_its_site(datacenter: Sandbox, lost: None) -> None:
    found = problem(datacenter, endpoint=f"{datacenter.endpoint}/display/DOCS", deployment="datacenter")
    assert (found.cause, found.remedy) == ("wrong_path", f"Set the endpoint to {datacenter.endpoint}")


def test_a_missing_wiki_is_found(cloud: Sandbox, lost: None) -> None:
    found = problem(cloud, endpoint=cloud.origin, deployment="datacenter")
    assert (found.cause, found.remedy) == ("wrong_path", f"Set the endpoint to {cloud.endpoint}")


@pytest.mark.parametrize("path", ["/confluence", "/wiki/spaces/DOCS/overview"])
def test_a_wrong_path_on_cloud_is_found_without_knowing_the_edition(cloud: Sandbox, lost: None, path: str) -> None:
    found = problem(cloud, endpoint=cloud.origin + path)
    assert (found.cause, found.remedy) == ("wrong_path", f"Set the endpoint to {cloud.endpoint}")


def test_wiki_need_not_be_written(cloud: Sandbox, lost: None) -> None:
    assert check(cloud, endpoint=cloud.origin)[0].cause == "connected"


def test_cloud_that_is_said_to_be_data_center_is_told(cloud: Sandbox) -> None:
    (found,) = check(cloud, deployment="datacenter")
    assert (found.level, found.cause, "set it to cloud" in found.what) == ("problem", "setting", True)


def test_data_center_that_is_said_to_be_cloud_is_told_by_its_address(datacenter: Sandbox, lost: None) -> None:
    found = problem(datacenter, deployment="cloud")
    assert (found.cause, found.remedy) == ("wrong_path", f"Set the endpoint to {datacenter.endpoint}")


def test_the_credential_is_not_shown_to_places_that_are_only_tried(datacenter: Sandbox, lost: None) -> None:
    problem(datacenter, endpoint=f"{datacenter.origin}/wrong", deployment="datacenter")
    tried = [entry for entry in datacenter.requests if not entry.path.startswith("/wrong/")]
    assert len(tried) >= 1
    assert not any(entry.had_authorization for entry in tried)


def test_a_place_without_a_confluence(odd_server: Start) -> None:
    server = odd_server(lambda _asked: refusal(404))
    assert problem(f"{server.origin}/confluence").cause == "wrong_path"


def test_another_interface_nearby_is_not_taken_for_confluence(odd_server: Start) -> None:
    def reply(asked: Asked) -> Reply:
        if asked.path.startswith("/confluence/"):
            return refusal(404)
        return Reply(401, b'{"error": "log in"}', {"Content-Type": "application/json"})

    assert "there is one" not in problem(f"{odd_server(reply).origin}/confluence", deployment="datacenter").what


def test_a_web_page_that_is_no_confluence(odd_server: Start) -> None:
    page = Reply(200, b"<html><title>Welcome</title></html>", {"Content-Type": "text/html"})
    server = odd_server(lambda _asked: page)
    assert problem(server.origin, deployment="datacenter").cause == "not_confluence"
    assert problem(server.origin).cause == "not_confluence"


# ------------------------------------------------------------------------------------------ the credential
def test_a_log_in_page_instead_of_json(sandbox: Sandbox) -> None:
    sandbox.faults.add(LoginPage(times=None))
    assert problem(sandbox).cause == "login"


def test_single_sign_on_in_the_way(sandbox: Sandbox) -> None:
    sandbox.faults.add(RedirectElsewhere(times=None))
    assert problem(sandbox).cause == "login"


def test_a_captcha_ends_it_after_one_request(datacenter: Sandbox) -> None:
    datacenter.faults.add(CaptchaChallenge(times=None))
    found = problem(datacenter)
    assert (found.cause, "browser" in found.remedy) == ("captcha", True)
    assert len(datacenter.requests) == 1


def test_a_bad_token_is_tried_once(sandbox: Sandbox) -> None:
    assert problem(sandbox, token=SECRET).cause == "token"
    assert len([entry for entry in sandbox.requests if entry.had_authorization]) == 1


def test_a_token_with_scopes_at_a_site_that_is_not_known_as_atlassian_s_is_told_the_way(cloud: Sandbox) -> None:
    cloud.model.readings.scoped_token = True
    found = problem(cloud)
    assert (found.cause, "set cloud_id" in found.remedy) == ("token", True)


def test_a_personal_access_token_with_a_user_name_is_told_to_go_without(datacenter: Sandbox) -> None:
    assert "leave the login empty" in problem(datacenter, username="ada").remedy


def test_a_wrong_password_is_told_from_a_wrong_token(datacenter: Sandbox) -> None:
    assert "password" in problem(datacenter, username="ada", token=SECRET).what


def test_a_token_that_worked_before_has_expired(sandbox: Sandbox) -> None:
    sandbox.revoke_token()
    found = problem(sandbox, worked_at="2026-11-20")
    assert (found.cause, "2026-11-20" in found.what) == ("expired", True)


def test_a_token_that_says_when_it_expires_is_read(cloud: Sandbox) -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 1_600_000_000}).encode()).decode().rstrip("=")
    found = problem(cloud, endpoint=cloud.gateway, username=None, token=f"eyJhbGciOiJub25lIn0.{claims}.x")
    assert (found.cause, "2020-09-13" in found.what) == ("expired", True)


def test_a_refused_oauth_client(cloud: Sandbox) -> None:
    given = {"gateway_url": cloud.origin, "oauth_token_url": cloud.oauth_token_url, "username": None, "token": SECRET}
    assert problem(cloud, oauth_client_id="nobody", **given).cause == "oauth_refused"


def test_an_account_without_access_to_confluence(sandbox: Sandbox) -> None:
    sandbox.faults.add(Respond(403, text="Current user not permitted to use Confluence", times=None))
    assert problem(sandbox).cause == "no_access"


def test_an_anonymous_answer_that_nobody_wanted(datacenter: Sandbox) -> None:
    datacenter.model.readings.anonymous_access = True
    datacenter.model.readings.invalid_token_is_anonymous = True
    found = problem(datacenter, token=SECRET)
    assert (found.cause, "anonymous" in found.remedy) == ("anonymous", True)


def test_basic_authentication_that_is_switched_off() -> None:
    with Sandbox("datacenter", Model(readings=Readings(basic_auth_disabled=True)), username="ada") as sandbox:
        found = problem(sandbox)
    assert (found.cause, "personal access token" in found.remedy) == ("basic_off", True)


@pytest.mark.parametrize("state", ["MAINTENANCE", "STARTING"])
def test_maintenance(datacenter: Sandbox, state: str) -> None:
    datacenter.model.readings.application_state = state  # type: ignore[assignment]
    found = problem(datacenter)
    assert (found.cause, state in found.what) == ("maintenance", True)


def test_errors_of_the_server_s_own(sandbox: Sandbox) -> None:
    sandbox.faults.add(Respond(503, times=None))
    assert problem(sandbox).cause == "unavailable"


def test_a_pause_that_is_asked_for_is_told_and_not_waited_for(sandbox: Sandbox) -> None:
    sandbox.faults.add(Respond(429, retry_after=600, times=None))
    found = problem(sandbox)
    assert (found.cause, "600 s" in found.remedy) == ("rate_limited", True)


@pytest.mark.parametrize(
    ("given", "said"),
    [({"endpoint": "wiki.example.com"}, "not an http or https URL"), ({"token": None}, "no token")],
)
def test_a_wrong_setting_is_told_as_it_is(given: dict[str, object], said: str) -> None:
    (found,) = check("https://wiki.example.com", **given)
    assert (found.cause, said in found.what) == ("setting", True)


# ------------------------------------------------------------------------------------------ scopes
def lacking(sandbox: Sandbox, *settings: str) -> list[tuple[str, bool]]:
    given = ConnectionSettings(sandbox.gateway, sandbox.username, sandbox.token)
    findings, client = check_connection(given)
    assert client is not None, findings
    try:
        return [(finding.what, has_problem([finding])) for finding in check_scopes(client, settings.__contains__)]
    finally:
        client.close()


def test_each_missing_scope_is_named_with_the_setting_that_needs_it(cloud: Sandbox) -> None:
    readings = cloud.model.readings
    readings.scoped_token = True
    needed = (
        *("read:confluence-user", "read:space:confluence", "read:page:confluence"),
        *("read:user:confluence", "read:folder:confluence"),
    )
    readings.token_scopes = (*needed, "search:confluence")
    assert lacking(cloud) == []
    said = lacking(cloud, "enable_comments", "enable_attachments")
    assert [("scope read:attachment:confluence" in what, "enable_attachments" in what) for what, _ in said[:1]] == [
        (True, True)
    ]
    assert [("scope read:comment:confluence" in what, "enable_comments" in what) for what, _ in said[1:]] == [
        (True, True)
    ]
    readings.token_scopes = (*needed, "search:confluence", "read:comment:confluence", "read:attachment:confluence")
    assert lacking(cloud, "enable_comments", "enable_attachments") == []


def test_a_token_that_may_not_even_say_who_it_is(cloud: Sandbox) -> None:
    cloud.model.readings.scoped_token = True
    cloud.model.readings.token_scopes = ("read:space:confluence",)
    found = problem(cloud, endpoint=cloud.gateway)
    assert (found.cause, "read:confluence-user" in found.what) == ("scope", True)


def test_a_token_without_scopes_is_not_asked_for_them(sandbox: Sandbox) -> None:
    findings, client = check_connection(ConnectionSettings(sandbox.endpoint, sandbox.username, sandbox.token))
    assert client is not None
    assert not has_problem(findings)
    asked = len(sandbox.requests)
    assert check_scopes(client, lambda _setting: True) == []
    assert len(sandbox.requests) == asked
    client.close()
