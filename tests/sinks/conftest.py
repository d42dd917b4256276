import pytest

from tests.sinks.postgres_server import postgres_server

pytest.register_assert_rewrite("airflow_provider_confluence.testing.sink_conformance")


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server for the whole run."""
    with postgres_server() as server:
        yield server
