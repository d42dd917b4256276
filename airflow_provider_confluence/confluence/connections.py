"""Connections that can be cut from outside, so that a stopped task does not wait for an answer that nobody wants any more."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_confluence import answers
from airflow_provider_confluence.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests
    from requests.adapters import HTTPAdapter

    from airflow_provider_confluence.confluence.auth import OriginAuth
    from airflow_provider_confluence.confluence.client import ConnectionSettings


class InUse:
    """Which thread waits on which connection. requests and urllib3 tell nobody, and a blocked read hears nothing but its socket."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[int, threading.Event] = {}
        self._connections: dict[int, Any] = {}

    def begin(self, cancelled: threading.Event | None) -> None:
        """Note that this thread is about to ask, for a caller who may stop."""
        if cancelled is not None:
            with self._lock:
                self._waiting[threading.get_ident()] = cancelled

    def end(self) -> None:
        """Note that this thread has its answer."""
        with self._lock:
            self._waiting.pop(threading.get_ident(), None)
            self._connections.pop(threading.get_ident(), None)

    def takes(self, connection: Any) -> None:
        """Note the connection that this thread sends its request on."""
        with self._lock:
            if threading.get_ident() in self._waiting:
                self._connections[threading.get_ident()] = connection

    def cut(self, cancelled: threading.Event) -> bool:
        """Shut the sockets on which threads wait for this caller; they fail at once, as if the other side had hung up. Say whether there
        are such threads."""
        with self._lock:
            mine = [self._connections.get(thread) for thread, event in self._waiting.items() if event is cancelled]
            for connection in mine:
                open_socket = getattr(connection, "sock", None)
                if isinstance(open_socket, socket.socket):
                    with suppress(OSError):
                        # not SSLSocket.shutdown, which takes the TLS state away under the reader's feet
                        socket.socket.shutdown(open_socket, socket.SHUT_RDWR)
        return bool(mine)


def adapter(in_use: InUse, *, admits: Callable[[str], bool] | None = None, **options: Any) -> HTTPAdapter:
    """Return an adapter for a requests session whose connections report to ``in_use``, with a proxy and without.

    :param admits: judges the address of the other side once a connection to it is there, before anything is sent: by then no other
        answer of a name server can change it.
    """

    def reporting(kind: Any) -> Any:
        class Reporting(kind):  # type: ignore[misc]
            def request(self, *args: Any, **kwargs: Any) -> Any:
                in_use.takes(self)
                return super().request(*args, **kwargs)

            def _new_conn(self) -> socket.socket:
                connected: socket.socket = super()._new_conn()
                if admits is not None and not admits(str(connected.getpeername()[0])):
                    connected.close()
                    raise ContractError(
                        f"{self.host} is at an address to which nothing is sent: it is not of the public internet"
                    )
                return connected

        return Reporting

    return answers.adapter(reporting, **options)


def open_session(
    settings: ConnectionSettings,
    auth: OriginAuth,
    in_use: InUse,
    *,
    most_connections: int,
    admits: Callable[[str], bool] | None = None,
) -> requests.Session:
    """Return a session with a connection's proxy and certificates, that proves itself by ``auth`` alone.

    :param admits: as for :func:`adapter`; behind a proxy it is not asked.
    """
    mounted = adapter(
        in_use,
        admits=None if settings.proxy else admits,
        pool_connections=4,
        pool_maxsize=most_connections,
        max_retries=0,
    )
    session = answers.open_session(mounted)
    session.auth = auth
    if settings.proxy:
        session.proxies = {"http": settings.proxy, "https": settings.proxy}
    session.verify = (settings.ca_bundle or True) if settings.verify_ssl else False
    if settings.client_cert and auth.is_for_somebody:
        # Like the token, the certificate is for the host that it was made for, not for those that files are kept at.
        session.cert = (settings.client_cert, settings.client_key) if settings.client_key else settings.client_cert
    return session
