"""The proxy that takes a server away in the middle of something."""

import socket
import threading
import time
from pathlib import Path

import pytest

from airflow_provider_confluence.testing.tcp_proxy import TcpProxy


@pytest.fixture
def echo():
    """A server that sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection):
        with connection:
            try:
                while piece := connection.recv(1000):
                    connection.sendall(piece)
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture
def proxy(echo):
    with TcpProxy(echo) as running:
        yield running


def connect(proxy):
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=10)


def asked(connection, text):
    connection.sendall(text)
    found = b""
    while len(found) < len(text):
        piece = connection.recv(1000)
        if not piece:
            break
        found += piece
    return found


def test_it_forwards_both_ways(proxy):
    with connect(proxy) as one, connect(proxy) as two:
        assert asked(one, b"first") == b"first"
        assert asked(two, b"second" * 5000) == b"second" * 5000


def test_while_it_is_down_open_connections_and_new_ones_are_reset_and_then_it_is_back(proxy):
    with connect(proxy) as before:
        assert asked(before, b"hello") == b"hello"
        with proxy.down():
            with pytest.raises(OSError):
                assert asked(before, b"still there?") == b"still there?"
                raise OSError("the connection ended without a reset")
            with pytest.raises(OSError), connect(proxy) as new:
                assert asked(new, b"anybody?") == b""
                raise OSError("the connection ended without a reset")
    with connect(proxy) as after:
        assert asked(after, b"hello") == b"hello"


def test_it_cuts_in_the_middle(proxy):
    with connect(proxy) as connection, proxy.cutting(7):
        assert asked(connection, b"1234") == b"1234"
        with pytest.raises(OSError):
            assert asked(connection, b"56789") in (b"", b"567")
            raise OSError("the connection ended without a reset")
    with connect(proxy) as after:
        assert asked(after, b"whole") == b"whole"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted in /proc")
def test_connections_that_ended_leave_no_open_socket(proxy):
    def open_files():
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    for _ in range(50):
        with connect(proxy) as connection:
            assert asked(connection, b"hello") == b"hello"
    deadline = time.monotonic() + 10
    while open_files() > before + 5 and time.monotonic() < deadline:
        time.sleep(0.01)

    assert open_files() <= before + 5
