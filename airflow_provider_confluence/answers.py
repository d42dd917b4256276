"""How the answers of servers are taken: in bounded time and memory, whoever it is that answers.

The time-outs of ``requests`` are for each read of the socket: a server that sends a byte now and then holds a worker for days, in the
headers as well as in the body. Its own unpacking bounds nothing that hangs on which version of urllib3 and which packers are installed. So
a whole answer has an end here, and what is packed is unpacked here.
"""

from __future__ import annotations

import http.client
import io
import json
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import socket

    import requests
    from requests.adapters import HTTPAdapter

READ_BYTES = 256 * 1024
SLOWEST_ANSWER = 5
"""Times the read time-out for a whole answer: a server that trickles is as good as silent."""

_PACKERS = ("gzip", "x-gzip", "deflate")
_this_thread = threading.local()


# ------------------------------------------------------------------------------------------ time
@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let every answer that this thread waits for inside the block be there, from its first byte to its last, within so many seconds.

    Later reads end as a time-out does. It holds for connections of :func:`adapter`.
    """
    before = getattr(_this_thread, "due", None)
    _this_thread.due = time.monotonic() + seconds
    try:
        yield
    finally:
        _this_thread.due = before


class _TimedReads(io.RawIOBase):
    """Reads of a socket, the last of which ends at a moment that is set."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, due: float) -> None:
        self._raw = raw
        self._sock = sock
        self._due = due

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._due - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out: the answer came too slowly")
        usual = self._sock.gettimeout()
        if usual is not None and usual <= left:
            return cast("int | None", self._raw.readinto(buffer))
        self._sock.settimeout(left)
        try:
            return cast("int | None", self._raw.readinto(buffer))
        finally:
            self._sock.settimeout(usual)  # the connection may serve another request

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    """An answer with an end in time, headers and the lines between chunks included."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        due = getattr(_this_thread, "due", None)
        if due is not None:
            self.fp = io.BufferedReader(_TimedReads(self.fp.detach(), sock, due))


def open_session(mounted: HTTPAdapter) -> requests.Session:
    """Return a session that takes nothing from its surroundings, keeps no cookie and follows no redirect, over an :func:`adapter`.

    ``allow_redirects=False`` alone does not do: requests then still reads the redirect's body to its end, whatever its size, and takes
    the address apart, which fails in ways of its own.
    """
    from http.cookiejar import DefaultCookiePolicy

    import requests
    from requests.cookies import RequestsCookieJar

    class Session(requests.Session):
        def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - the name is requests' own
            return None

    session = Session()
    session.trust_env = False  # neither .netrc nor HTTP(S)_PROXY: what is used is what the connection says
    session.headers.update({"Accept": "application/json", "Accept-Encoding": "gzip"})
    # Each request proves itself by the credential alone: a cookie could keep a withdrawn one alive.
    session.cookies = RequestsCookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    session.mount("https://", mounted)
    session.mount("http://", mounted)
    return session


def adapter(change: Callable[[Any], Any] = lambda kind: kind, **options: Any) -> HTTPAdapter:
    """Return an adapter for a requests session whose answers keep to :func:`within`, with a proxy and without.

    :param change: makes of a class of connections another one.
    :param options: of ``requests.adapters.HTTPAdapter``.
    """
    from requests.adapters import HTTPAdapter
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    def pool_of(kind: Any) -> Any:
        connection = type(
            f"Timed{kind.ConnectionCls.__name__}", (kind.ConnectionCls,), {"response_class": _TimedResponse}
        )
        return type(f"Timed{kind.__name__}", (kind,), {"ConnectionCls": change(connection)})

    pools = {"http": pool_of(HTTPConnectionPool), "https": pool_of(HTTPSConnectionPool)}

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = pools

        def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
            manager = super().proxy_manager_for(*args, **kwargs)
            manager.pool_classes_by_scheme = pools
            return manager

    return Adapter(**options)


# ------------------------------------------------------------------------------------------ size
def pieces(response: requests.Response) -> Iterator[bytes]:
    """Yield the body of a streamed answer, unpacked, in pieces of at most :data:`READ_BYTES`; who has enough stops.

    :raises requests.exceptions.ReadTimeout: when it comes too slowly.
    :raises requests.exceptions.ConnectionError: when it breaks off.
    :raises requests.exceptions.ContentDecodingError: when it is packed in another way, or wrongly.
    """
    import requests
    from urllib3.exceptions import HTTPError, ReadTimeoutError

    packed = response.headers.get("Content-Encoding", "").strip().lower()
    if packed not in ("", "identity", *_PACKERS):
        raise requests.exceptions.ContentDecodingError(f"packed as {packed[:20]!r}, which was not asked for")
    raw = _raw_pieces(response)
    try:
        yield from raw if packed in ("", "identity") else _unpacked(raw)
    except ReadTimeoutError as error:
        raise requests.exceptions.ReadTimeout("the answer came too slowly") from error
    except zlib.error as error:
        raise requests.exceptions.ContentDecodingError("packed wrongly") from error
    except (HTTPError, EOFError) as error:
        raise requests.exceptions.ConnectionError("the answer broke off") from error


def whole(response: requests.Response, most_bytes: int, *, tick: Callable[[], object] = lambda: None) -> bytes | None:
    """Return the body, ``None`` where it is larger than so many bytes: no more than a piece beyond that is read.

    :param tick: is called between pieces, and may raise. :raises requests.exceptions.RequestException: as :func:`pieces`.
    """
    kept, size = [], 0
    for piece in pieces(response):
        kept.append(piece)
        size += len(piece)
        tick()
        if size > most_bytes:
            return None
    return kept[0] if len(kept) == 1 else b"".join(kept)


def beginning(response: requests.Response, most_bytes: int, *, tick: Callable[[], object] = lambda: None) -> bytes:
    """Return as much of the body as that, and leave the rest. :raises requests.exceptions.RequestException: as :func:`pieces`."""
    kept = b""
    for piece in pieces(response):
        kept += piece
        tick()
        if len(kept) >= most_bytes:
            break
    return kept[:most_bytes]


def _raw_pieces(response: requests.Response) -> Iterator[bytes]:
    # Not ``stream``, which reads the lines between chunks without a bound.
    while piece := response.raw.read(READ_BYTES, decode_content=False):
        yield piece


def _unpacked(packed: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what is in one or more members of gzip, or in zlib's form. :raises EOFError: where the last one has no end."""
    unpack, begun = zlib.decompressobj(47), False
    for rest in packed:
        while rest:
            begun = True
            if data := unpack.decompress(rest, READ_BYTES):
                yield data
            if unpack.eof:
                rest, unpack, begun = unpack.unused_data, zlib.decompressobj(47), False
            else:
                rest = unpack.unconsumed_tail
    if begun:
        raise EOFError("packed data without an end")


# ------------------------------------------------------------------------------------------ JSON
def read_json(text: bytes | str) -> Any:
    """Return the value of a JSON text as RFC 8259 has it. :raises ValueError: for anything else, and for one nested too deeply.

    Python's own reader takes ``NaN`` and ``Infinity`` besides, and a number of 400 digits with an exponent as infinity; what reads on
    would stumble over them far from here. Of a key that is given twice the last one counts. msgspec, which Airflow brings, takes half the
    time; what it refuses, such as half a character or a mark at the beginning, is for Python's reader to judge.
    """
    import msgspec

    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        pass
    try:
        return json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _finite(digits: str) -> float:
    found = float(digits)
    if found in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return found
