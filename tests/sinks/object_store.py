"""An object store of the tests' own: moto's S3, on loopback, with a free port."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from upath import UPath

KEY, SECRET = "testing", "geheim-s3-0815"


@contextmanager
def object_store() -> Iterator[int]:
    """Start the server, in this process, and stop it in the end; its port."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        yield port
    finally:
        server.stop()


def new_bucket(port: int) -> UPath:
    """Return a bucket of its own, which is empty."""
    bucket = place_at(port, f"bucket-{secrets.token_hex(6)}")
    bucket.fs.mkdir(bucket.path.strip("/"))
    return bucket


def place_at(port: int, bucket: str, **options: Any) -> UPath:
    """Return a bucket, which need not be there, as it is reached over a port."""
    reached = {
        "endpoint_url": f"http://127.0.0.1:{port}",
        "key": KEY,
        "secret": SECRET,
        "client_kwargs": {"region_name": "eu-central-1"},
        "config_kwargs": {"connect_timeout": 5, "read_timeout": 20, "retries": {"max_attempts": 1}},
    }
    return UPath(f"s3://{bucket}", **(reached | options))
