"""The sink coco, held to the suite that every sink is held to, on a fake Coco whose searches lag behind."""

from contextlib import contextmanager
from functools import partial
from urllib.parse import urlsplit

import pytest

from airflow_provider_confluence.sinks.coco import CocoSink
from airflow_provider_confluence.testing.coco import FakeCoco
from airflow_provider_confluence.testing.sink_conformance import SinkConformance
from airflow_provider_confluence.testing.tcp_proxy import TcpProxy
from tests.sinks.coco_server import connections, read


class TestCocoSink(SinkConformance):
    crosses_processes = True
    max_document_bytes = 20_000

    @pytest.fixture
    def make_sink(self):
        with FakeCoco(refresh_seconds=0.03) as self.coco, TcpProxy(urlsplit(self.coco.endpoint).port) as self.proxy:
            there = connections(f"http://127.0.0.1:{self.proxy.port}", self.coco.token)
            yield partial(CocoSink, there, max_document_bytes=self.max_document_bytes, back_off_seconds=0.02)

    def read(self, document_id):
        return read(self.coco, document_id)

    def pass_time(self, seconds):
        """No clock is read."""

    @contextmanager
    def down(self):
        with self.proxy.down():
            yield

    @contextmanager
    def cutting(self, after_bytes):
        with self.proxy.cutting(after_bytes):
            yield
