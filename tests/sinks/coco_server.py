"""A sink on a fake Coco, and what a reader of that gets."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest
import requests

from airflow_provider_confluence.documents import Ancestor, Document, Person, Space, Tombstone, document_id
from airflow_provider_confluence.sinks.base import Owner
from airflow_provider_confluence.sinks.coco import CocoSink
from airflow_provider_confluence.sinks.connection import SinkConnection
from airflow_provider_confluence.testing.coco import FakeCoco

OWNER = Owner("docs", "deployment-one", "https://one.example.com/wiki")
HOME, GUIDE = Ancestor("1", "Home"), Ancestor("2", "Guide")

PAGE = Document(
    id="c1926ece054e2371d15272a2f4236cfd",  # printf docs-98310 | md5sum
    datasource_id="docs",
    datasource_name="My Wiki",
    content_id="98310",
    revision=1767225600000,
    type="page",
    status="current",
    title="Roll back",
    content="# Steps\n\nTurn it **back**.",
    url="https://one.example.com/wiki/spaces/DOCS/pages/98310",
    space=Space("7", "DOCS", "Documentation"),
    source_version=4,
    summary="Turn it back.",
    parent_id="2",
    ancestors=(HOME, GUIDE),
    labels=("howto", "ops"),
    created="2026-01-01T08:00:00.000Z",
    updated="2026-02-03T09:30:00.000Z",
    creator=Person("u1", "Ann"),
    last_editor=Person("u2", "Bob"),
    language="en",
    properties={"Owner": "Ann"},
    permissions=[["group:staff"]],
)


def page(content_id, revision=1, **fields):
    made = {"id": document_id("docs", content_id), "content_id": content_id, "revision": revision, "ancestors": ()}
    return replace(PAGE, **{**made, **fields})


def grave(content_id, revision):
    return Tombstone(document_id("docs", content_id), "docs", content_id, revision)


def outcomes(answers):
    return [answer.outcome for answer in answers]


@contextmanager
def making(coco):
    """Lend a function that makes sinks on a fake Coco, and close them in the end."""
    made = []

    def make(*, token=None, **options):
        made.append(CocoSink(connections(coco.endpoint, token or coco.token), **{"back_off_seconds": 0.01, **options}))
        return made[-1]

    yield make
    for sink in made:
        sink.close()


@pytest.fixture
def coco():
    with FakeCoco() as coco:
        yield coco


@pytest.fixture
def make(coco):
    with making(coco) as make:
        yield make


@pytest.fixture
def sink(make):
    sink = make()
    sink.open(OWNER)
    return sink


def connection(url, token, **fields):
    """Return a connection of type coco to a URL."""
    return SinkConnection(**{"conn_id": "coco_default", "conn_type": "coco", "host": url, "password": token} | fields)


def given(connection, conn_id):
    assert conn_id == connection.conn_id
    return connection


def connections(url, token, **fields):
    """Return the function that looks that connection up; it can be pickled."""
    return partial(given, connection(url, token, **fields))


def get(coco, address, **params):
    """Return what Coco answers to a GET, asked by plain HTTP."""
    answer = requests.get(coco.endpoint + address, params=params, headers={"X-API-TOKEN": coco.token}, timeout=10)
    return answer.status_code, answer.json()


def read(coco, document_id):
    """Return the document that a reader of Coco can put together, or ``None``."""
    status, found = get(coco, f"/document/{document_id}")
    if status == 404:
        return None
    source = found["_source"]
    return Document.from_json({**source["payload"]["confluence"], "content": source["content"]})
