"""A sink on a fake Coco, and what a reader of that gets."""

from __future__ import annotations

from functools import partial

import requests

from airflow_provider_confluence.documents import Document
from airflow_provider_confluence.sinks.connection import SinkConnection


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
