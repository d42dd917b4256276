from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_confluence.confluence.client import ConnectionSettings
from airflow_provider_confluence.confluence.events import RequestDone, Throttled
from airflow_provider_confluence.confluence.gate import Gate
from airflow_provider_confluence.confluence.transport import AbsentError, TooHeavyError, Transport
from airflow_provider_confluence.errors import (
    AccessDeniedError,
    ConfigurationError,
    ConfluenceProviderError,
    ConfluenceUnavailableError,
    ContractError,
    CredentialsError,
    RateLimitedError,
)
from tests.confluence.conftest import FakeTime
from tests.confluence.odd_server import Asked, OddServer, Reply, answer, refusal

Start = Callable[[Callable[[Asked], Reply]], OddServer]
SECRET = "S3CRET-t0ken"


def transport_to(server: OddServer | str, gate: Gate, **given: Any) -> Transport:
    observer = given.pop("observer", None)
    site = server if isinstance(server, str) else f"{server.origin}/wiki"
    settings = ConnectionSettings(**{"endpoint": site, "username": "ada@example.com", "token": SECRET, **given})
    return Transport(settings, site, gate, cloud=True, observer=observer)


def in_turn(*replies: Reply) -> Callable[[Asked], Reply]:
    waiting = list(replies)
    return lambda _asked: waiting.pop(0) if len(waiting) > 1 else waiting[0]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_passing_refusal_is_tried_again(odd_server: Start, gate: Gate, fake_time: FakeTime, status: int) -> None:
    server = odd_server(in_turn(refusal(status), refusal(status), answer({"ok": 1})))
    transport = transport_to(server, gate)
    assert transport.get("/x").data == {"ok": 1}
    transport.close()
    assert len(server.asked) == 3
    assert fake_time.slept == [1.0, 2.0]
    assert (transport.requests_made, transport.throttled_seconds) == (3, 3.0)


def test_eight_tries_are_the_most(odd_server: Start, gate: Gate) -> None:
    server = odd_server(lambda _asked: refusal(503))
    transport = transport_to(server, gate, timeout_seconds=5)
    gate.patience_seconds = 10_000
    with pytest.raises(ConfluenceUnavailableError) as caught:
        transport.get("/x")
    transport.close()
    assert (len(server.asked), caught.value.status) == (8, 503)


def test_an_internal_error_is_tried_again_twice(odd_server: Start, gate: Gate) -> None:
    server = odd_server(lambda _asked: refusal(500))
    transport = transport_to(server, gate)
    with pytest.raises(ConfluenceUnavailableError):
        transport.get("/x")
    transport.close()
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ContractError),
        (401, CredentialsError),
        (403, AccessDeniedError),
        (404, AbsentError),
        (405, ContractError),
        (407, ConfigurationError),
        (410, ContractError),
        (418, ContractError),
        (204, ContractError),
        (501, ConfluenceUnavailableError),
    ],
)
def test_other_refusals_are_not_tried_again(
    odd_server: Start, gate: Gate, status: int, kind: type[ConfluenceProviderError]
) -> None:
    server = odd_server(lambda _asked: refusal(status, b"" if status == 204 else b"the body of a refusal"))
    transport = transport_to(server, gate)
    with pytest.raises(kind) as caught:
        transport.get("/rest/x", {"cql": "private words"})
    transport.close()
    assert len(server.asked) == 1
    assert "GET /wiki/rest/x" in str(caught.value)
    assert not any(word in str(caught.value) for word in ("the body", "private", SECRET))


def test_retry_after_is_kept_to_the_second(odd_server: Start, gate: Gate, fake_time: FakeTime) -> None:
    server = odd_server(in_turn(refusal(429, Retry_After="17"), answer({})))
    transport = transport_to(server, gate)
    transport.get("/x")
    transport.close()
    assert fake_time.slept == [17]


def test_a_long_retry_after_is_handed_to_the_caller(odd_server: Start, gate: Gate, fake_time: FakeTime) -> None:
    server = odd_server(lambda _asked: refusal(429, Retry_After="1801"))
    transport = transport_to(server, gate)
    with pytest.raises(RateLimitedError) as caught:
        transport.get("/x")
    with pytest.raises(RateLimitedError):
        transport.get("/y")  # everybody is paused: nothing more is sent
    transport.close()
    assert (caught.value.retry_after_seconds, len(server.asked), fake_time.slept) == (1801, 1, [])


def test_a_dropped_connection_is_tried_again(odd_server: Start, gate: Gate) -> None:
    server = odd_server(in_turn(Reply(drop=True), Reply(body=b'{"a":', cut=True), answer({"ok": 1})))
    transport = transport_to(server, gate)
    assert transport.get("/x").data == {"ok": 1}
    transport.close()


def test_a_host_that_never_answered_is_given_up_soon(odd_server: Start, gate: Gate) -> None:
    server = odd_server(lambda _asked: Reply(drop=True))
    transport = transport_to(server, gate)
    with pytest.raises(ConfluenceUnavailableError, match="right host"):
        transport.get("/x")
    transport.close()
    assert len(server.asked) == 3


def test_a_time_out_is_too_heavy_where_the_caller_can_ask_for_less(odd_server: Start, gate: Gate) -> None:
    import threading

    stop = threading.Event()

    def late(_asked: Asked) -> Reply:
        stop.wait(5)
        return answer({})

    server = odd_server(late)
    transport = transport_to(server, gate, timeout_seconds=0.05)
    with pytest.raises(TooHeavyError):
        transport.get("/x", heavy_tries=1)
    stop.set()
    transport.close()
    assert len(server.asked) == 1


def test_an_answer_that_is_too_large_is_not_read_to_its_end(odd_server: Start, gate: Gate) -> None:
    server = odd_server(lambda _asked: answer({"a": "x" * 2_000_000}))
    transport = transport_to(server, gate)
    with pytest.raises(TooHeavyError, match="too large"):
        transport.get("/x", max_bytes=1_000_000)
    transport.close()
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("body", "media_type", "kind"),
    [
        (b"<html><form><input name='os_username'></form></html>", "text/html;charset=UTF-8", CredentialsError),
        (b"<html>Welcome to the portal</html>", "text/html", ContractError),
        (b"<html>", "", ContractError),
        (b"[1, 2]", "application/json", ContractError),
        (b"{", "application/json", ContractError),
        (b"\xff\xfe\x00{", "application/json", ContractError),
    ],
)
def test_what_is_not_a_json_object_is_refused(
    odd_server: Start, gate: Gate, body: bytes, media_type: str, kind: type[ConfluenceProviderError]
) -> None:
    server = odd_server(lambda _asked: Reply(200, body, {"Content-Type": media_type} if media_type else {}))
    transport = transport_to(server, gate)
    with pytest.raises(kind) as caught:
        transport.get("/x")
    transport.close()
    assert (type(caught.value), 1) == (kind, len(server.asked))


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("https://login.microsoftonline.example/common/oauth2/authorize?token=zzz", CredentialsError),
        ("/login.action?os_destination=%2Frest", CredentialsError),
        ("https://wiki.example.com/rest/x?token=zzz", ContractError),
        ("", ContractError),
    ],
)
def test_a_redirect_is_not_followed(
    odd_server: Start, gate: Gate, location: str, kind: type[ConfluenceProviderError]
) -> None:
    server = odd_server(lambda _asked: refusal(302, Location=location))
    transport = transport_to(server, gate)
    with pytest.raises(kind) as caught:
        transport.get("/x")
    transport.close()
    assert len(server.asked) == 1
    assert "zzz" not in str(caught.value)


def test_a_captcha_is_told_apart_and_never_tried_again(odd_server: Start, gate: Gate) -> None:
    denied = "CAPTCHA_CHALLENGE; login-url=https://example.com/login.action"
    server = odd_server(
        lambda _asked: refusal(401, X_Seraph_LoginReason="AUTHENTICATION_DENIED", X_Authentication_Denied_Reason=denied)
    )
    transport = transport_to(server, gate)
    with pytest.raises(CredentialsError, match="captcha"):
        transport.get("/x")
    transport.close()
    assert len(server.asked) == 1


def test_a_missing_scope_is_told_apart(odd_server: Start, gate: Gate) -> None:
    server = odd_server(lambda _asked: refusal(401, X_Failure_Category="FAILURE_CLIENT_SCOPE_CHECK"))
    transport = transport_to(server, gate)
    with pytest.raises(AccessDeniedError, match="scope"):
        transport.get("/x")
    transport.close()


def test_switched_off_basic_authentication_names_the_way_out(odd_server: Start, gate: Gate) -> None:
    body = b'{"message":"Basic Authentication has been disabled on this instance."}'
    server = odd_server(lambda _asked: refusal(403, body))
    transport = transport_to(server, gate)
    with pytest.raises(CredentialsError, match="personal access token"):
        transport.get("/x")
    transport.close()


def test_an_observer_sees_requests_and_waits_and_cannot_break_them(odd_server: Start, gate: Gate) -> None:
    seen: list[RequestDone | Throttled] = []

    def observer(event: RequestDone | Throttled) -> None:
        seen.append(event)
        raise RuntimeError("a broken observer")

    server = odd_server(in_turn(refusal(429, Retry_After="3"), answer({})))
    transport = transport_to(server, gate, observer=observer)
    transport.get("/x", {"cql": "private words"})
    transport.close()
    first, pause, second = seen
    assert isinstance(first, RequestDone)
    assert isinstance(second, RequestDone)
    assert (first.method, first.path, first.status) == ("GET", "/wiki/x", 429)
    assert Throttled(3.0, "rate_limit") == pause
    assert second.status == 200


def test_a_post_is_sent_as_json(odd_server: Start, gate: Gate) -> None:
    server = odd_server(lambda asked: answer({"got": json.loads(asked.body), "type": asked.headers["content-type"]}))
    transport = transport_to(server, gate)
    assert transport.post("/x", {"accountIds": ["ä"]}).data == {
        "got": {"accountIds": ["ä"]},
        "type": "application/json",
    }
    transport.close()


def test_nothing_happens_before_the_first_request_and_closing_is_safe(gate: Gate) -> None:
    transport = transport_to("http://127.0.0.1:1", gate)
    transport.close()
    transport.close()
    assert transport.requests_made == 0


def test_no_cookie_is_kept_between_requests(odd_server: Start, gate: Gate) -> None:
    server = odd_server(lambda _asked: answer({}, Set_Cookie="JSESSIONID=abc; Path=/"))
    transport = transport_to(server, gate)
    transport.get("/x")
    transport.get("/x")
    transport.close()
    assert "cookie" not in server.asked[1].headers


def test_the_library_s_object_speaks_over_the_same_session(odd_server: Start, gate: Gate) -> None:
    """The floor of atlassian-python-api is 4.0; these arguments are the same in all versions since."""
    server = odd_server(lambda asked: answer({"authorization": asked.headers.get("authorization", "")[:5]}))
    transport = transport_to(server, gate)
    assert transport.rest_api.get("rest/api/user/current") == {"authorization": "Basic"}
    assert server.asked[0].path == "/wiki/rest/api/user/current"
    transport.close()


def test_the_library_s_own_retries_are_off(odd_server: Start, gate: Gate) -> None:
    server = odd_server(lambda _asked: refusal(429, Retry_After="0"))
    transport = transport_to(server, gate)
    answered = transport.rest_api.request(method="GET", path="rest/api/user/current", advanced_mode=True)
    assert (answered.status_code, len(server.asked)) == (429, 1)
    transport.close()
