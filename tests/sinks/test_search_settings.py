"""Settings and connections of the search engines' sinks: what is refused, and that TLS is on unless somebody turns it off."""

import logging
import ssl
from importlib import import_module

import pytest

from airflow_provider_confluence.errors import ConfigurationError
from airflow_provider_confluence.sinks._search_wire import read_connection
from airflow_provider_confluence.sinks.connection import SinkConnection
from airflow_provider_confluence.sinks.registry import make_sink
from airflow_provider_confluence.testing.sink_conformance import OWNER
from tests.sinks.servers import connection_to

KINDS = ["opensearch", "elasticsearch"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"number_of_shard": 1}, r"sink\.number_of_shard: .*did you mean number_of_shards\?"),
        ({"hosts": []}, r"sink\.hosts: .*conn_id"),
        ({"conn_id": ""}, r"sink\.conn_id"),
        ({"conn_id": 3}, r"sink\.conn_id"),
        ({"max_document_bytes": 0}, r"sink\.max_document_bytes"),
        ({"max_document_bytes": 10**9}, r"sink\.max_document_bytes"),
        ({"number_of_shards": True}, r"sink\.number_of_shards"),
        ({"number_of_shards": "2"}, r"sink\.number_of_shards"),
        ({"number_of_replicas": -1}, r"sink\.number_of_replicas"),
    ],
)
def test_a_wrong_setting_is_named_by_its_path(kind, settings, message, tmp_path):
    with pytest.raises(ConfigurationError, match=message):
        make_sink({"type": kind, **settings}, "docs", storage=tmp_path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["", "Docs", "_docs", "-docs", "+docs", "..", "a/b", "a*", "a,b", "a b", "a?b", "a#b", "é", "x" * 201]
)
def test_a_name_that_can_be_no_alias_is_refused(kind, name, tmp_path):
    with pytest.raises(ConfigurationError, match=r"queue\.name"):
        make_sink({"type": kind}, name, storage=tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_the_connection_is_looked_up_when_it_is_needed_and_by_its_default_name(kind, tmp_path):
    asked = []

    def connections(conn_id):
        asked.append(conn_id)
        return connection_to("postgres", 1, conn_id)

    sink = make_sink({"type": kind}, "docs", storage=tmp_path, connections=connections)
    assert asked == []
    with pytest.raises(ConfigurationError, match=f"{kind}_default is of type 'postgres'.*{kind}"):
        sink.open(OWNER)
    assert asked == [f"{kind}_default"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_connection_that_does_not_admit_the_datasource_is_not_used(kind, tmp_path):
    sink = make_sink(
        {"type": kind},
        "docs",
        storage=tmp_path,
        connections=lambda conn_id: connection_to(kind, 1, conn_id, allowed_datasources="hr-*"),
    )
    with pytest.raises(ConfigurationError, match="does not admit datasource conformance"):
        sink.open(OWNER)


def reach(host="search.example.com", *, api_key=True, **given):
    return read_connection(SinkConnection("search", "elasticsearch", host=host, **given), api_key=api_key)


def test_tls_is_on_and_verified_unless_the_connection_says_otherwise():
    found = reach()

    assert found.tls.verify_mode == ssl.CERT_REQUIRED
    assert found.tls.check_hostname
    assert found.shown == "https://search.example.com:9200 (connection search)"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"host": "https://es.example.com"}, "https://es.example.com:443"),
        ({"host": "https://es.example.com/search/"}, "https://es.example.com:443/search"),
        ({"host": "http://es.example.com"}, "http://es.example.com:80"),
        ({"host": "https://es.example.com:9243"}, "https://es.example.com:9243"),
        ({"host": "es.example.com", "port": 9201}, "https://es.example.com:9201"),
        ({"host": "es.example.com", "schema": "http"}, "http://es.example.com:9200"),
        ({"host": "es.example.com", "schema": "https"}, "https://es.example.com:9200"),
        ({"host": "es.example.com", "extra": {"use_ssl": "false"}}, "http://es.example.com:9200"),
        ({"host": "http://[::1]:9200"}, "http://[::1]:9200"),
    ],
)
def test_an_address_is_read_in_the_forms_that_connections_have(given, shown):
    assert reach(**given).shown == f"{shown} (connection search)"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"host": ""}, "host is missing"),
        ({"host": "https://anna:geheim-1234@es.example.com"}, "fields of their own"),
        ({"host": "es.example.com?x=1"}, "more than a name"),
        ({"host": "ftp://es.example.com"}, "ftp"),
        ({"host": "https://es.example.com:x"}, "valid port"),
        ({"host": "https://es.example.com", "extra": {"use_ssl": False}}, "use_ssl"),
        ({"extra": {"verify_certs": "perhaps"}}, "verify_certs"),
        ({"extra": {"timeout": 0}}, "timeout"),
        ({"extra": {"timeout": "soon"}}, "timeout"),
        ({"extra": {"ca_certs": "/nowhere/ca.pem"}}, "ca_certs names /nowhere/ca.pem"),
        ({"extra": {"api_key": "geheim 1234"}}, "api_key"),
        ({"login": "anna", "extra": {"api_key": "Z2VoZWlt"}}, "keep one"),
    ],
)
def test_what_is_wrong_in_a_connection_is_named_without_secrets(given, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        reach(**given)
    assert "geheim" not in str(caught.value)
    assert "Z2VoZWlt" not in str(caught.value)


def test_an_api_key_is_not_for_opensearch():
    with pytest.raises(ConfigurationError, match="for Elasticsearch"):
        reach(api_key=False, extra={"api_key": "Z2VoZWlt"})


def test_no_secret_is_in_what_is_printed():
    found = reach(login="anna", password="geheim-1234")

    assert "Basic" not in repr(found)
    assert found.headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("given", "warning"),
    [
        ({"extra": {"use_ssl": False}}, "TLS is off"),
        ({"extra": {"verify_certs": False}}, "not verified"),
        ({"host": "127.0.0.1", "extra": {"use_ssl": False}}, None),
        ({"host": "localhost", "extra": {"verify_certs": False}}, None),
        ({"extra": {"vrify_certs": True}}, "vrify_certs means nothing"),
        ({}, None),
    ],
)
def test_a_connection_without_protection_to_another_machine_is_loud(given, warning, caplog):
    reach(**given)

    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == (1 if warning else 0)
    assert warning is None or warning in warnings[0]


def test_the_extra_that_is_not_installed_is_named(monkeypatch):
    import sys

    for kind, module in (("opensearch", "opensearchpy"), ("elasticsearch", "elastic_transport")):
        monkeypatch.setitem(sys.modules, module, None)
        sink = import_module(f"airflow_provider_confluence.sinks.{kind}").from_settings(
            {"type": kind}, "docs", storage=None, connections=lambda conn_id, kind=kind: connection_to(kind, 1, conn_id)
        )
        with pytest.raises(ConfigurationError, match=rf"pip install .airflow-provider-confluence\[{kind}\]"):
            sink.open(OWNER)
