"""OpenSearch and Elasticsearch, held to the suite that every sink is held to, on servers that speak their interfaces."""

import time
from functools import partial
from importlib import import_module

import pytest

from airflow_provider_confluence.documents import Document
from airflow_provider_confluence.testing.sink_conformance import SinkConformance
from airflow_provider_confluence.testing.tcp_proxy import TcpProxy
from tests.sinks.servers import connection_to, unused
from tests.sinks.test_search_docs import search_as


def nap(seconds):
    """Wait as the sink does between tries, but shorter. A function of a module, so that other processes can have it."""
    time.sleep(seconds / 50)


class SearchEngineConformance(SinkConformance):
    crosses_processes = True
    max_document_bytes = 20_000

    @pytest.fixture
    def make_sink(self, server, tmp_path):
        self.server = server
        self.alias = unused()
        settings = {"type": server.kind, "max_document_bytes": self.max_document_bytes, "number_of_replicas": 0}
        factory = import_module(f"airflow_provider_confluence.sinks.{server.kind}").from_settings
        with TcpProxy(server.port) as self.proxy:
            connections = partial(connection_to, server.kind, self.proxy.port)
            yield partial(factory, settings, self.alias, storage=tmp_path, connections=connections, sleep=nap)

    def read(self, document_id):
        source = self.server.source(self.alias, document_id)
        return Document.from_json(source) if source is not None else None

    def readable_by(self, principals):
        status, found = self.server.ask("POST", f"/{self.alias}/_search", search_as(principals))
        assert status == 200, found
        assert found["hits"]["total"]["value"] == len(found["hits"]["hits"])
        return {hit["_source"]["content_id"] for hit in found["hits"]["hits"]}

    def down(self):
        return self.proxy.down()

    def cutting(self, after_bytes):
        return self.proxy.cutting(after_bytes)

    def pass_time(self, seconds):
        """Let the server forget, at once, what it deleted: it remembers that for hours at the most, and not over a restart."""
        assert seconds < 12 * 3600
        _, found = self.server.ask("GET", f"/{self.alias}")
        [(_, index)] = found.items()
        assert index["settings"]["index"]["gc_deletes"] == "12h"
        status, _ = self.server.ask("PUT", f"/{self.alias}/_settings", {"index": {"gc_deletes": "0s"}})
        assert status == 200
        # Only what the index forgot shows that something else remembers.
        operations = [
            {"delete": {"_id": "probe", "version": 9, "version_type": "external_gte"}},
            {"index": {"_id": "probe", "version": 8, "version_type": "external_gte"}},
            {"content_id": "probe"},
            {"delete": {"_id": "probe", "version": 9, "version_type": "external_gte"}},
        ]
        self.server.ask("POST", f"/{self.alias}/_bulk", lines=operations[:1])
        self.server.ask("POST", f"/{self.alias}/_refresh")
        _, answer = self.server.ask("POST", f"/{self.alias}/_bulk", lines=operations[1:])
        assert answer["items"][0]["index"]["status"] == 201


class TestOpenSearch(SearchEngineConformance):
    @pytest.fixture
    def server(self, opensearch):
        return opensearch


class TestElasticsearch(SearchEngineConformance):
    @pytest.fixture
    def server(self, elasticsearch):
        return elasticsearch
