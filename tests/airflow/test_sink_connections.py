"""Airflow's connections as sinks get them, outside of tasks: from the environment."""

import pytest

from airflow_provider_confluence.errors import ConfigurationError
from airflow_provider_confluence.hooks.sink_connections import sink_connection


def test_a_connection_of_the_environment_is_read_whole(monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_SEARCH_ONE", "opensearch://anna:p%40ss-word@search.example.com:9200/docs?use_ssl=true"
    )

    found = sink_connection("search_one")

    assert (found.conn_id, found.conn_type, found.host, found.port) == (
        "search_one",
        "opensearch",
        "search.example.com",
        9200,
    )
    assert (found.login, found.password, found.schema, dict(found.extra)) == (
        "anna",
        "p@ss-word",
        "docs",
        {"use_ssl": "true"},
    )


def test_what_is_missing_in_a_connection_is_empty(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SEARCH_TWO", '{"conn_type": "postgres"}')

    found = sink_connection("search_two")

    assert (found.host, found.port, found.login, found.password, found.schema, found.extra) == (
        "",
        None,
        "",
        "",
        "",
        {},
    )


def test_a_connection_that_is_not_there_is_named_with_what_to_do():
    with pytest.raises(ConfigurationError, match=r"no connection nowhere .*AIRFLOW_CONN_NOWHERE"):
        sink_connection("nowhere")


def test_a_connection_that_cannot_be_read_is_named_without_its_text(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_BROKEN", '{"conn_type": "postgres", "password": "geheim-1234"')

    with pytest.raises(ConfigurationError, match="no connection broken that can be read") as caught:
        sink_connection("broken")
    assert "geheim" not in str(caught.value)
