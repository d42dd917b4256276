import pytest

from tests.sinks.postgres_server import postgres_server
from tests.sinks.servers import elasticsearch, opensearch

__all__ = ["elasticsearch", "opensearch"]

pytest.register_assert_rewrite("airflow_provider_confluence.testing.sink_conformance")


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server for the whole run."""
    with postgres_server() as server:
        yield server
