from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_confluence.confluence.client import ConnectionSettings
from airflow_provider_confluence.confluence.gate import Cancelled, Gate
from airflow_provider_confluence.confluence.transport import Transport
from airflow_provider_confluence.errors import ConfigurationError
from tests.certificates import make_certificate
from tests.confluence.odd_server import Asked, OddServer, Reply, answer


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "both.pem")


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def tls_server(certificate: Path, release: threading.Event) -> Iterator[OddServer]:
    def reply(asked: Asked) -> Reply:
        if asked.path == "/late":
            release.wait(30)
        return answer({"ok": 1})

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with OddServer(reply, tls=context) as server:
        yield server
        release.set()


def transport_to(server: OddServer, gate: Gate, **given: object) -> Transport:
    settings = ConnectionSettings(server.origin, token="PAT", **given)  # type: ignore[arg-type]
    return Transport(settings, server.origin, gate, cloud=False)


def test_a_certificate_that_nobody_signed_is_refused_with_what_to_set(tls_server: OddServer, gate: Gate) -> None:
    transport = transport_to(tls_server, gate)
    with pytest.raises(ConfigurationError, match="ca_bundle"):
        transport.get("/x")
    transport.close()
    assert tls_server.asked == []


def test_the_configured_authority_is_trusted(tls_server: OddServer, gate: Gate, certificate: Path) -> None:
    transport = transport_to(tls_server, gate, ca_bundle=str(certificate))
    assert transport.get("/x").data == {"ok": 1}
    transport.close()


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_switching_verification_off_is_loud(
    tls_server: OddServer, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    transport = transport_to(tls_server, gate, verify_ssl=False)
    assert transport.get("/x").data == {"ok": 1}
    transport.close()
    assert "TLS verification is off" in caplog.text


def test_a_stopped_caller_s_encrypted_request_is_broken_off(
    tls_server: OddServer, gate: Gate, certificate: Path
) -> None:
    transport = transport_to(tls_server, gate, ca_bundle=str(certificate))
    stop = threading.Event()
    ended: list[BaseException] = []

    def ask() -> None:
        try:
            transport.get("/late", cancelled=stop)
        except Cancelled as error:
            ended.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while not tls_server.asked:
        thread.join(timeout=0.01)
    stop.set()
    transport.cut(stop)
    thread.join(timeout=10)
    transport.close()
    assert not thread.is_alive()
    assert len(ended) == 1
