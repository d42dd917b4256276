"""The suite that every sink is held to, on a server of your own: there only where the environment names one.

    AIRFLOW_CONN_LIVE_OPENSEARCH='{"conn_type": "opensearch", "host": "https://…", "login": "…", "password": "…"}' \\
      .venv/bin/pytest -m live tests/sinks/test_search_live.py

Each case makes an alias of its own, ``conformance-live-…``, and removes what it made. The user needs what the sink's page says.
"""

import os
import secrets
from functools import partial

import pytest

from airflow_provider_confluence.documents import Document
from airflow_provider_confluence.hooks.sink_connections import sink_connection
from airflow_provider_confluence.sinks._search_wire import read_connection
from airflow_provider_confluence.sinks.registry import make_sink
from airflow_provider_confluence.testing.sink_conformance import SinkConformance
from tests.sinks.test_search_docs import search_as


class Live(SinkConformance):
    crosses_processes = True
    max_document_bytes = 20_000

    @pytest.fixture
    def make_sink(self, tmp_path):
        self.alias = f"conformance-live-{secrets.token_hex(4)}"
        conn_id = f"live_{self.kind}"
        settings = {"type": self.kind, "conn_id": conn_id, "max_document_bytes": self.max_document_bytes}
        self.client = self.connect(sink_connection(conn_id))
        try:
            yield partial(make_sink, settings, self.alias, storage=tmp_path, connections=sink_connection)
        finally:
            for alias in (self.alias, f"{self.alias}-control"):
                for index in self.client.indices.get(index=alias, ignore_unavailable=True):
                    self.client.indices.delete(index=index)
            self.client.close()

    def read(self, document_id):
        if not self.client.exists(index=self.alias, id=document_id):
            return None
        return Document.from_json(self.client.get(index=self.alias, id=document_id)["_source"])

    def readable_by(self, principals):
        found = self.search(search_as(principals))
        return {hit["_source"]["content_id"] for hit in found["hits"]["hits"]}

    @staticmethod
    def address(connection):
        reach = read_connection(connection, api_key=True)
        return reach, f"{'https' if reach.use_tls else 'http'}://{reach.host}:{reach.port}{reach.path_prefix}"


if os.environ.get("AIRFLOW_CONN_LIVE_OPENSEARCH"):

    @pytest.mark.live
    class TestLiveOpenSearch(Live):
        kind = "opensearch"

        def connect(self, connection):
            from opensearchpy import OpenSearch

            reach, address = self.address(connection)
            return OpenSearch([address], headers=dict(reach.headers), ssl_context=reach.tls)

        def search(self, body):
            return self.client.search(index=self.alias, body=body)


if os.environ.get("AIRFLOW_CONN_LIVE_ELASTICSEARCH"):

    @pytest.mark.live
    class TestLiveElasticsearch(Live):
        kind = "elasticsearch"

        def connect(self, connection):
            from elasticsearch import Elasticsearch

            reach, address = self.address(connection)
            return Elasticsearch([address], headers=dict(reach.headers), ssl_context=reach.tls)

        def search(self, body):
            return self.client.search(index=self.alias, **body)
