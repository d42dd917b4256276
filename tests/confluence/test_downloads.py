"""Downloads: bounded, whole, and with the credential shown to nobody but this Confluence."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from airflow_provider_confluence.confluence.client import ConnectionSettings, connect
from airflow_provider_confluence.confluence.downloads import FileTooLargeError, is_public
from airflow_provider_confluence.confluence.transport import AbsentError
from airflow_provider_confluence.documents import Entry
from airflow_provider_confluence.errors import ConfluenceUnavailableError, ContractError, CredentialsError
from airflow_provider_confluence.testing.sandbox.faults import CutShort, Respond

DATA = b"The plan.\n" * 100_000


@pytest.fixture
def attached(sandbox: Any) -> Any:
    """A client, and the attachment of a page as its listing names it."""
    model = sandbox.model
    model.create_space("DOCS", "Documentation")
    page = model.create_page("DOCS", "Guide", "<p>x</p>")
    model.attach(page, "Plan für 100 %.txt", DATA, "text/plain")
    client = connect(ConnectionSettings(sandbox.endpoint, sandbox.username, sandbox.token))
    entry = Entry(page, "page", "current", "Guide", 1, "1")
    (found,) = client.attachments_of(entry)
    yield client, found
    client.close()


def test_a_file_arrives_whole(attached, tmp_path):
    client, entry = attached
    assert client.download(entry, tmp_path / "file", max_bytes=2_000_000) == len(DATA)
    assert (tmp_path / "file").read_bytes() == DATA


def test_the_version_that_was_listed_is_what_arrives(sandbox, attached, tmp_path):
    client, entry = attached
    sandbox.model.attach(entry.container_id, entry.title, b"newer", "text/plain")
    client.download(entry, tmp_path / "file", max_bytes=2_000_000)
    assert (tmp_path / "file").read_bytes() == DATA


def test_on_cloud_the_media_host_never_sees_the_credential(cloud, tmp_path):
    model = cloud.model
    model.create_space("DOCS", "Documentation")
    page = model.create_page("DOCS", "Guide", "<p>x</p>")
    model.attach(page, "a.txt", b"text", "text/plain")
    client = connect(ConnectionSettings(cloud.endpoint, cloud.username, cloud.token))
    (entry,) = client.attachments_of(Entry(page, "page", "current", "Guide", 1, "1"))
    client.download(entry, tmp_path / "file", max_bytes=100)
    client.close()
    media = [logged for logged in cloud.requests if logged.host == "media"]
    assert [logged.had_authorization for logged in media] == [False]


def test_a_file_beyond_the_limit_is_not_read_to_its_end(attached, tmp_path):
    client, entry = attached
    with pytest.raises(FileTooLargeError):
        client.download(entry, tmp_path / "file", max_bytes=1000)
    assert not (tmp_path / "file").exists() or (tmp_path / "file").stat().st_size <= 1000


def test_a_file_that_broke_off_is_fetched_again(sandbox, attached, tmp_path):
    client, entry = attached
    route = "*/file/*" if sandbox.edition == "cloud" else "*/download/*"
    sandbox.faults.add(CutShort(route=route, times=1))
    client.download(entry, tmp_path / "file", max_bytes=2_000_000)
    assert (tmp_path / "file").read_bytes() == DATA


def test_a_file_of_another_size_than_was_promised_is_refused(attached, tmp_path):
    client, entry = attached
    with pytest.raises(ConfluenceUnavailableError, match="instead of 7"):
        client.download(replace(entry, size_bytes=7), tmp_path / "file", max_bytes=2_000_000)


def test_a_file_that_is_gone_is_told_from_one_that_does_not_come(sandbox, attached, tmp_path):
    client, entry = attached
    sandbox.model.delete_attachment(entry.content_id)
    with pytest.raises(AbsentError):
        client.download(entry, tmp_path / "file", max_bytes=2_000_000)


def test_a_refused_credential_stops_everything(sandbox, attached, tmp_path):
    client, entry = attached
    sandbox.revoke_token()
    with pytest.raises(CredentialsError):
        client.download(entry, tmp_path / "file", max_bytes=2_000_000)


def test_a_media_host_that_refuses_is_named(cloud, attached_to_cloud, tmp_path):
    client, entry = attached_to_cloud
    cloud.faults.add(Respond(403, route="*/file/*", times=None))
    with pytest.raises(ContractError, match=r"sent on to 127\.0\.0\.1, which refused it"):
        client.download(entry, tmp_path / "file", max_bytes=100)


@pytest.fixture
def attached_to_cloud(cloud: Any) -> Any:
    model = cloud.model
    model.create_space("DOCS", "Documentation")
    page = model.create_page("DOCS", "Guide", "<p>x</p>")
    model.attach(page, "a.txt", b"text", "text/plain")
    client = connect(ConnectionSettings(cloud.endpoint, cloud.username, cloud.token))
    (entry,) = client.attachments_of(Entry(page, "page", "current", "Guide", 1, "1"))
    yield client, entry
    client.close()


def test_data_center_tells_the_text_it_found_and_cloud_does_not(sandbox, attached):
    client, entry = attached
    assert client.server_text(entry) is None
    sandbox.model.extracted_texts[entry.content_id] = "what the server read"
    assert client.server_text(entry) == (None if sandbox.edition == "cloud" else "what the server read")


# ---------------------------------------------------------------- where redirects lead
class Redirecting:
    """A Confluence whose downloads are sent on to wherever a test says, and other hosts that remember what they were asked."""

    def __init__(self) -> None:
        self.location = ""
        self.headers: dict[str, str] = {"Content-Type": "text/plain"}
        self.body = b"text"
        self.seen: list[tuple[str, str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.seen.append((self.headers["Host"], self.path, self.headers.get("Authorization")))
                is_site = self.headers["Host"].startswith("127.0.0.1") and "/child/attachment/" in self.path
                if is_site:
                    self.send_response(302)
                    self.send_header("Location", outer.location)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(200)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def redirecting() -> Iterator[Redirecting]:
    found = Redirecting()
    yield found
    found.close()


@pytest.fixture
def fetch(redirecting: Redirecting, tmp_path: Any) -> Iterator[Any]:
    settings = ConnectionSettings(
        f"http://127.0.0.1:{redirecting.port}/wiki", "me@example.com", "planted", deployment="cloud"
    )
    client = connect(settings)
    entry = Entry("att1", "attachment", "current", "a.txt", 1, "1", container_id="2")

    def get(location: str, max_bytes: int = 1000) -> bytes:
        redirecting.location = location
        client.download(entry, tmp_path / "file", max_bytes=max_bytes)
        return (tmp_path / "file").read_bytes()

    yield get
    client.close()


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://192.168.1.1/x",
        "http://[::1]/x",
        "http://[::ffff:127.0.0.1]/x",
        "http://[fd00::1]/x",
        "http://0.0.0.0/x",
        "http://localhost/x",
        "ftp://files.example.com/x",
        "file:///etc/passwd",
        "http://user:password@files.example.com/x",
        "http://files.example.com:99999/x",
        "",
    ],
)
def test_a_redirect_to_the_inside_or_to_no_web_address_is_not_followed(redirecting, fetch, location):
    with pytest.raises((ContractError, CredentialsError)):
        fetch(location)
    assert len(redirecting.seen) == 1


def test_a_name_that_leads_inside_is_found_out_before_anything_is_sent(redirecting, fetch, monkeypatch):
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *a, **k: real("127.0.0.1" if host == "files.example.com" else host, *a, **k),
    )
    with pytest.raises(ContractError, match="not of the public internet"):
        fetch(f"http://files.example.com:{redirecting.port}/x")
    assert len(redirecting.seen) == 1


def test_a_redirect_to_a_log_in_page_is_a_refused_credential(fetch):
    with pytest.raises(CredentialsError):
        fetch("/login.action?os_destination=x")


def test_redirects_without_an_end_are_given_up(redirecting, fetch):
    with pytest.raises(ContractError, match="more than 4 times"):
        fetch("/wiki/rest/api/content/2/child/attachment/att1/download")
    assert len(redirecting.seen) == 5


def test_another_port_of_the_same_host_gets_no_credential(redirecting, fetch):
    other = Redirecting()
    try:
        assert fetch(f"http://127.0.0.1:{other.port}/file") == b"text"
        assert [authorization for _, _, authorization in other.seen] == [None]
    finally:
        other.close()


def test_a_packed_answer_is_unpacked_no_further_than_the_limit(redirecting, fetch):
    import gzip

    redirecting.headers["Content-Encoding"] = "gzip"
    redirecting.body = gzip.compress(b"short")
    assert fetch("/file") == b"short"
    redirecting.body = gzip.compress(b"\0" * 50_000_000)
    with pytest.raises(FileTooLargeError):
        fetch("/file", max_bytes=100_000)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("224.0.0.1", False),
        ("2002:0a00:0001::", False),
        ("nonsense", False),
    ],
)
def test_what_is_of_the_public_internet(address, public):
    assert is_public(address) is public
