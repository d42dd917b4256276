"""The sink postgres, held to the suite that every sink is held to, on a real server."""

import re
import secrets
from functools import partial

import pytest

from airflow_provider_confluence.documents import Document
from airflow_provider_confluence.sinks.registry import make_sink as make_any_sink
from airflow_provider_confluence.testing.sink_conformance import SinkConformance
from airflow_provider_confluence.testing.tcp_proxy import TcpProxy
from tests.sinks.test_postgres_search import documented


class TestPostgresSink(SinkConformance):
    crosses_processes = True
    max_document_bytes = 20_000

    @pytest.fixture
    def make_sink(self, postgres, tmp_path):
        self.schema = f"case_{secrets.token_hex(6)}"
        with postgres.connect() as self.connection, TcpProxy(postgres.port) as self.proxy:
            self.connection.execute(f'CREATE SCHEMA "{self.schema}"')
            settings = {"type": "postgres", "schema": self.schema, "max_document_bytes": self.max_document_bytes}
            yield partial(
                make_any_sink,
                settings,
                "conformance",
                storage=tmp_path,
                connections=postgres.connections(port=self.proxy.port),
            )
            self.connection.execute(f'DROP SCHEMA "{self.schema}" CASCADE')

    def read(self, document_id):
        query = f'SELECT document FROM "{self.schema}".conformance WHERE id = %s'
        row = self.connection.execute(query, [document_id]).fetchone()
        return Document.from_json(row[0]) if row else None

    def readable_by(self, principals):
        """Search by the query of the page, for a word that all documents have, with other principals in the place of Alice's."""
        query = (
            documented("'{user:alice").replace("indexing_documents", "conformance").replace("LIMIT 10", "LIMIT 1000")
        )
        query = re.sub(r"'\{user:alice.*?\}'", "%s", query).replace("'release notes'", "'page'")
        query = query.replace("SELECT title, url", "SELECT content_id", 1)
        with self.connection.transaction():
            self.connection.execute(f'SET LOCAL search_path = "{self.schema}"')
            return {row[0] for row in self.connection.execute(query, [list(principals)]).fetchall()}

    def down(self):
        return self.proxy.down()

    def cutting(self, after_bytes):
        return self.proxy.cutting(after_bytes)

    def pass_time(self, seconds):
        """Tombstones have no age here, and nothing reads a clock."""
