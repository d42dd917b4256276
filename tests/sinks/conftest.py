from functools import cache, partial

import pytest

from airflow_provider_confluence.testing.tcp_proxy import TcpProxy
from tests.broker_fixtures import (
    any_place,
    certificate,
    place,
    rabbit,
    rabbit_place,
    sqs,
    sqs_place,
    valkey,
    valkey_place,
)
from tests.sinks.object_store import object_store
from tests.sinks.postgres_server import postgres_server
from tests.sinks.servers import elasticsearch, opensearch

__all__ = [
    "any_place",
    "certificate",
    "elasticsearch",
    "opensearch",
    "place",
    "rabbit",
    "rabbit_place",
    "sqs",
    "sqs_place",
    "valkey",
    "valkey_place",
]


@pytest.fixture(scope="session", autouse=True)
def _files_of_botocore_are_read_once():
    """Each of botocore's sessions reads megabytes of JSON anew: half of what the tests of SQS took. What it reads it never changes."""
    from botocore.loaders import JSONFileLoader

    with pytest.MonkeyPatch.context() as patch:
        read = cache(partial(JSONFileLoader.load_file, JSONFileLoader()))
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: read(path))
        yield


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server for the whole run."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def s3():
    """An object store for the whole run, behind a proxy that can take it away."""
    with object_store() as port, TcpProxy(port) as proxy:
        yield proxy
