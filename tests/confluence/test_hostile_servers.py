"""Servers that mean harm: whatever they send, a request ends in time, holds little memory, and fails with the right kind of error."""

from __future__ import annotations

import gzip
import io
import json
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext, suppress
from itertools import repeat
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_confluence.confluence.client import ConnectionSettings, Space
from airflow_provider_confluence.confluence.gate import Gate
from airflow_provider_confluence.confluence.transport import AbsentError, TooHeavyError, Transport
from airflow_provider_confluence.errors import (
    ConfluenceProviderError,
    ConfluenceUnavailableError,
    ContractError,
    CredentialsError,
)
from tests.confluence.odd_server import Asked, OddServer, Reply, answer, refusal
from tests.confluence.raw_server import RawServer, Script

TIMEOUT_SECONDS = 0.2
"""Of one read; a whole answer may take five times that."""
IN_TIME_SECONDS = 4.0
MOST_BYTES = 1_000_000
JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

Serve = Callable[[Script], RawServer]


@pytest.fixture(scope="module", autouse=True)
def _libraries_are_loaded() -> None:
    """Else the first of these tests would measure how long that takes."""
    import atlassian.rest_client  # noqa: F401


@pytest.fixture
def serve() -> Iterator[Serve]:
    running: list[RawServer] = []

    def start(script: Script) -> RawServer:
        running.append(RawServer(script).__enter__())
        return running[-1]

    yield start
    for server in running:
        server.__exit__(None, None, None)


@pytest.fixture
def ask(gate: Gate) -> Callable[..., Any]:
    """Ask a server once and return the answer's data; the request must end in time, however it ends."""

    def get(server: RawServer | OddServer, **given: Any) -> Any:
        settings = ConnectionSettings(server.origin, "ada", "T0KEN", timeout_seconds=TIMEOUT_SECONDS)
        transport = Transport(settings, server.origin, gate, cloud=False)
        began = time.monotonic()
        with closing(transport):
            try:
                return transport.get("/rest/x", **{"tries": 1, "max_bytes": MOST_BYTES, **given}).data
            finally:
                assert time.monotonic() - began < IN_TIME_SECONDS

    return get


def drip(*pieces: bytes, forever: bytes = b"", every: float = 0.05) -> Script:
    """Send some pieces, and then one again and again: often enough that no single read times out."""

    def script(_line: bytes) -> Iterator[bytes]:
        yield from pieces
        while forever:
            time.sleep(every)
            yield forever

    return script


# ------------------------------------------------------------------------------------------ time
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nX-Long: ", forever=b"a"), id="a header a byte at a time"),
        pytest.param(drip(b"HTTP/1.1 200", forever=b" "), id="a status line a byte at a time"),
        pytest.param(drip(forever=b"HTTP/1.1 100 Continue\r\n\r\n"), id="a promise of an answer, again and again"),
        pytest.param(drip(JSON_HEAD + b"Content-Length: 90000\r\n\r\n{", forever=b" "), id="a body a byte at a time"),
        pytest.param(drip(JSON_HEAD + b"\r\n{", forever=b" "), id="a body without an end, a byte at a time"),
        pytest.param(
            drip(JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", forever=b"1\r\n \r\n"),
            id="chunks of a byte",
        ),
        pytest.param(
            drip(JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", forever=b"x"), id="a chunk's line without an end"
        ),
        pytest.param(
            drip(JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", forever=b"X-T: 1\r\n"),
            id="trailers without an end",
        ),
        pytest.param(
            drip(JSON_HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"{}")[:10], forever=b"\0"),
            id="packed data a byte at a time",
        ),
        pytest.param(drip(b"HTTP/1.1 500 X\r\nContent-Length: 9000\r\n\r\n", forever=b" "), id="a slow refusal"),
    ],
)
def test_a_server_that_sends_a_byte_now_and_then_does_not_hold_a_worker(
    serve: Serve, ask: Callable[..., Any], script: Script
) -> None:
    with pytest.raises(ConfluenceUnavailableError):
        ask(serve(script))


def test_a_server_that_accepts_and_says_nothing_is_given_up(serve: Serve, ask: Callable[..., Any]) -> None:
    def silent(_line: bytes) -> Iterator[bytes]:
        time.sleep(1)
        yield b""

    with pytest.raises(TooHeavyError):
        ask(serve(silent))


def test_an_answer_that_is_slow_and_in_time_is_taken_and_its_connection_serves_the_next(
    odd_server: Callable[..., OddServer], gate: Gate
) -> None:
    server = odd_server(lambda asked: (time.sleep(0.15), answer({"n": len(asked.path)}))[1])
    settings = ConnectionSettings(server.origin, "ada", "T0KEN", timeout_seconds=TIMEOUT_SECONDS)
    with closing(Transport(settings, server.origin, gate, cloud=False)) as transport:
        assert [transport.get("/x", tries=1).data for _ in range(8)] == [{"n": 2}] * 8


# ------------------------------------------------------------------------------------------ memory
def bomb(how: str) -> tuple[bytes, str]:
    """Return 40 MB of blanks, packed (some 40 KB), and what it is packed with."""
    if how == "deflate":
        packer = zlib.compressobj(9)
        data = b"".join([*(packer.compress(b" " * 10_000_000) for _ in range(4)), packer.flush()])
        return data, "deflate"
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as file:
        for _ in range(4):
            file.write(b" " * 10_000_000)
    if how == "members":
        return gzip.compress(b" " * 2_000_000) * 20, "gzip"
    return buffer.getvalue(), "gzip"


@pytest.mark.parametrize("how", ["gzip", "deflate", "members"])
def test_what_is_packed_is_unpacked_no_further_than_the_limit(
    odd_server: Callable[..., OddServer], ask: Callable[..., Any], how: str
) -> None:
    body, packed = bomb(how)
    server = odd_server(
        lambda _asked: Reply(200, body, {"Content-Type": "application/json", "Content-Encoding": packed})
    )
    tracemalloc.start()
    try:
        with pytest.raises(TooHeavyError, match="too large"):
            ask(server)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 5_000_000


@pytest.mark.parametrize(
    "packed", ["br", "zstd", "compress", "gzip, gzip", ", ".join(["gzip"] * 1000), "x" * 5000], ids=range(6)
)
def test_what_is_packed_otherwise_is_refused(
    odd_server: Callable[..., OddServer], ask: Callable[..., Any], packed: str
) -> None:
    server = odd_server(
        lambda _asked: Reply(200, b"{}", {"Content-Type": "application/json", "Content-Encoding": packed})
    )
    with pytest.raises(ContractError, match="cannot be decoded") as caught:
        ask(server)
    assert len(str(caught.value)) < 300


def test_packed_data_is_read_and_only_gzip_is_offered(
    odd_server: Callable[..., OddServer], ask: Callable[..., Any]
) -> None:
    def packed(asked: Asked) -> Reply:
        body = json.dumps({"offered": asked.headers["accept-encoding"]}).encode()
        return Reply(200, gzip.compress(body), {"Content-Type": "application/json", "Content-Encoding": "gzip"})

    assert ask(odd_server(packed)) == {"offered": "gzip"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [(gzip.compress(b"{}" * 50)[:-9], ConfluenceUnavailableError), (b"\x1f\x8bnothing of the kind", ContractError)],
    ids=["cut", "broken"],
)
def test_packed_data_that_breaks_off_is_no_answer(
    odd_server: Callable[..., OddServer], ask: Callable[..., Any], body: bytes, kind: type[Exception]
) -> None:
    server = odd_server(
        lambda _asked: Reply(200, body, {"Content-Type": "application/json", "Content-Encoding": "gzip"})
    )
    with pytest.raises(kind):
        ask(server)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        pytest.param(lambda _: [JSON_HEAD + b"\r\n", *repeat(b" " * 65536, 400)], TooHeavyError, id="a body"),
        pytest.param(
            lambda _: [
                JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
                *repeat(b"10000\r\n" + b" " * 65536 + b"\r\n", 400),
            ],
            TooHeavyError,
            id="chunks",
        ),
        pytest.param(
            lambda _: [JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", *repeat(b"x" * 65536, 400)],
            ConfluenceUnavailableError,
            id="a chunk's line",
        ),
        pytest.param(
            lambda _: [b"HTTP/1.1 200 OK\r\nX: ", *repeat(b"x" * 65536, 400)], ConfluenceUnavailableError, id="a header"
        ),
        pytest.param(
            lambda _: [b"HTTP/1.1 200 OK\r\n", *repeat(b"X: " + b"x" * 60000 + b"\r\n", 400)],
            ConfluenceUnavailableError,
            id="headers",
        ),
        pytest.param(lambda _: repeat(b"x" * 65536, 400), ConfluenceUnavailableError, id="a status line"),
        pytest.param(
            lambda _: [b"HTTP/1.1 404 X\r\n\r\n", *repeat(b" " * 65536, 400)], AbsentError, id="a refusal's body"
        ),
        pytest.param(
            lambda _: [b"HTTP/1.1 302 X\r\nLocation: /x\r\n\r\n", *repeat(b" " * 65536, 400)],
            ContractError,
            id="a redirect's body",
        ),
        pytest.param(
            lambda _: [JSON_HEAD + b"Content-Length: 99999999999999\r\n\r\n", *repeat(b" " * 65536, 400)],
            TooHeavyError,
            id="a length of 100 terabytes",
        ),
    ],
)
def test_what_has_no_end_is_not_kept(
    serve: Serve, ask: Callable[..., Any], script: Script, kind: type[Exception]
) -> None:
    server = serve(script)
    tracemalloc.start()
    try:
        with pytest.raises(kind):
            ask(server)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 10_000_000


# ------------------------------------------------------------------------------------------ JSON
@pytest.mark.parametrize(
    "body",
    [
        b'{"a":' * 100_000,
        b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"results": NaN}',
        b'{"results": [-Infinity]}',
        b'{"a": ' + b"9" * 400 + b".0e0}",
        b'{"a": 1e999}',
        b'{"a": 1} trailing',
        b'{"a": 1',
        b"",
        b"\xff\xfe",
        b'"a text"',
        b'{"a": "\xe4"}',
    ],
    ids=lambda body: body[:16].decode("latin-1"),
)
def test_json_that_is_none_breaks_the_contract(
    odd_server: Callable[..., OddServer], ask: Callable[..., Any], body: bytes
) -> None:
    server = odd_server(lambda _asked: Reply(200, body))
    with pytest.raises(ContractError):
        ask(server)
    assert len(server.asked) == 1


def test_of_a_key_given_twice_the_last_one_counts_and_lone_surrogates_are_text(
    odd_server: Callable[..., OddServer], ask: Callable[..., Any]
) -> None:
    server = odd_server(lambda _asked: Reply(200, b'{"a": 1, "a": 2, "b": "\\ud800"}'))
    assert ask(server) == {"a": 2, "b": "\ud800"}


# ------------------------------------------------------------------------------------------ headers that lead astray
HOSTILE_ADDRESSES = [
    "http://169.254.169.254/latest/meta-data/",
    "http://metadata.google.internal/",
    "http://127.0.0.1:1/",
    "http://127.0.0.1@evil.example/",
    "http://evil.example\\@127.0.0.1/",
    "//evil.example/rest/x",
    "https://evil.example:99999/",
    "http://[::1",
    "http://[fe80::1%25eth0]/",
    "gopher://evil.example/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "\udcff\udcfe",
    "http://" + "a" * 70_000,
    "http://xn--\udc80/",
    "?" * 2000,
]


@pytest.mark.parametrize("location", HOSTILE_ADDRESSES, ids=range(len(HOSTILE_ADDRESSES)))
def test_a_redirect_of_a_call_is_never_followed(serve: Serve, ask: Callable[..., Any], location: str) -> None:
    head = b"HTTP/1.1 302 X\r\nContent-Length: 0\r\nLocation: "
    server = serve(lambda _: [head + location[:60_000].encode("utf-8", "surrogateescape") + b"\r\n\r\n"])
    with pytest.raises((ContractError, CredentialsError)):
        ask(server)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"},
        {"Retry-After": "-1e400"},
        {"Retry-After": "9" * 5000},
        {"Retry-After": "Mon, 01 Jan 2026 00:00:00 +99999999999"},
        {"Retry-After": "nan", "Date": "\x01"},
        {"X-RateLimit-FillRate": "1e-320", "X-RateLimit-Interval-Seconds": "1e300", "X-RateLimit-Remaining": "-5"},
        {"X-RateLimit-FillRate": "nan", "X-RateLimit-Interval-Seconds": "inf"},
    ],
    ids=range(7),
)
@pytest.mark.parametrize("status", [200, 429, 503])
def test_headers_that_say_nonsense_do_no_harm(
    odd_server: Callable[..., OddServer], gate: Gate, headers: dict[str, str], status: int
) -> None:
    named = {"Content-Type": "application/json", **headers}
    replies = [Reply(status, b"{}", named), answer({})]
    server = odd_server(lambda _asked: replies.pop(0) if len(replies) > 1 else replies[0])
    settings = ConnectionSettings(server.origin, "ada", "T0KEN")
    with (
        closing(Transport(settings, server.origin, gate, cloud=False)) as transport,
        nullcontext() if status == 200 else suppress(ConfluenceProviderError),
    ):
        assert transport.get("/x").data == {}
        assert transport.get("/y").data == {}


def test_a_link_to_the_next_page_names_a_cursor_and_never_an_address(
    odd_server: Callable[..., OddServer], open_client: Callable[..., Any]
) -> None:
    links = iter([*HOSTILE_ADDRESSES, "http://evil.example/wiki/api/v2/pages?cursor=c1&limit=9&limit=8&space-id=77"])

    def reply(asked: Asked) -> Reply:
        return answer({"results": [], "_links": {"next": next(links, None)}})

    server = odd_server(reply)
    client = open_client(server.origin, deployment="cloud")
    space = Space("1", "DOCS", "Docs")
    for _ in range(len(HOSTILE_ADDRESSES) + 1):
        assert list(client.list_content(space, "page")) == []
    asked = [each for each in server.asked if each.path.endswith("/pages")]
    assert {each.headers["host"] for each in server.asked} == {server.origin.removeprefix("http://")}
    assert all("evil.example" not in str(each.query) for each in asked)


def test_refusals_show_nothing_that_the_server_said(
    odd_server: Callable[..., OddServer], ask: Callable[..., Any]
) -> None:
    planted = "p1anted\x1b[31m"
    for status in (400, 401, 403, 404, 409, 410, 418, 500, 503):
        server = odd_server(
            lambda _asked, status=status: refusal(
                status, planted.encode(), X_Seraph_LoginReason="p1anted", X_Any="p1anted"
            )
        )
        with pytest.raises(ConfluenceProviderError) as caught:
            ask(server)
        assert "p1anted" not in str(caught.value)


# ------------------------------------------------------------------------------------------ any bytes
BODY = b'{"results": [{"id": "1"}], "_links": {"next": "/x?cursor=a"}}'
ANSWERS = (
    JSON_HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY,
    JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n3d\r\n" + BODY + b"\r\n0\r\nX-Trailer: 1\r\n\r\n",
    JSON_HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(BODY, mtime=0),
    b"HTTP/1.1 302 Found\r\nLocation: https://wiki.example.com/x\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nDate: Mon, 01 Jun 2026 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\nX-Failure-Category: FAILURE_CLIENT\r\nContent-Length: 0\r\n\r\n",
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(data=st.data())
def test_any_bytes_end_in_an_answer_or_one_of_our_errors(serve: Serve, ask: Callable[..., Any], data: Any) -> None:
    answer_bytes = bytearray(data.draw(st.sampled_from(ANSWERS)))
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(answer_bytes)))
        end = at + data.draw(st.integers(0, 12))
        odd = st.sampled_from(
            [b"\r\n", b"\0", b"\xff\xfe", b": ", b"9" * 30, b"-1", b"chunked", b"\x80" * 300, b"[" * 2000]
        )
        answer_bytes[at:end] = data.draw(st.one_of(st.binary(max_size=12), odd))
    server = serve(lambda _: [bytes(answer_bytes)])
    try:
        with suppress(ConfluenceProviderError):
            assert isinstance(ask(server), dict)
    finally:
        server.__exit__(None, None, None)
