"""Connections as sinks take them: who may use one, and what never shows."""

import pytest

from airflow_provider_confluence.errors import ConfigurationError
from airflow_provider_confluence.sinks.connection import SinkConnection, no_connections


def connection(**given):
    return SinkConnection(conn_id="search", conn_type="opensearch", password="geheim-1234", **given)


def test_a_connection_of_another_type_is_refused():
    connection().check_type(["opensearch", "elasticsearch"])
    with pytest.raises(ConfigurationError, match=r"search is of type 'opensearch'.*postgres"):
        connection().check_type(["postgres"])


@pytest.mark.parametrize(
    ("allowed", "datasource", "admitted"),
    [
        (None, "docs", True),
        ("", "docs", True),
        ("docs", "docs", True),
        ("team-*, docs", "team-a", True),
        ("team-*, docs", "hr", False),
        (",", "docs", False),
        ("DOCS", "docs", False),
    ],
)
def test_only_admitted_datasources_write_over_a_connection(allowed, datasource, admitted):
    found = connection(extra={"allowed_datasources": allowed})
    if admitted:
        found.check_datasource(datasource)
    else:
        with pytest.raises(ConfigurationError, match=f"search does not admit datasource {datasource}"):
            found.check_datasource(datasource)


def test_no_secret_is_in_what_is_printed():
    shown = repr(connection(extra={"api_key": "geheim-5678"}))

    assert "geheim" not in shown
    assert "search" in shown


def test_without_connections_the_sink_says_which_it_needs():
    with pytest.raises(ConfigurationError, match="search"):
        no_connections("search")
