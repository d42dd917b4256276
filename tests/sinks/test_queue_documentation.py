"""The page about the queue sink: its example of a consumer runs, and its settings and schema are those that there are."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from airflow_provider_confluence.sinks.queue import QueueSink
from airflow_provider_confluence.sinks.registry import make_sink
from airflow_provider_confluence.testing.sink_conformance import OWNER, make_document, make_tombstone

PAGE = (Path(__file__).parents[2] / "docs" / "sinks" / "queue.md").read_text(encoding="utf-8")


def test_the_example_of_who_may_read_says_what_stands_beside_it():
    _, example = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout.split() == re.findall(r"# (True|False)$", example, re.MULTILINE), done.stderr


def test_the_consumer_of_the_page_keeps_the_newest_of_each_document(place):
    example, _ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    sink = QueueSink(place.queue, conn_id="broker", connections=place.connections)
    sink.open(OWNER)
    first, gone = make_document(1, 5), make_tombstone(2, 7)
    sink.write([first, make_document(2, 6), gone, make_document(2, 6), make_document(1, 4)])
    sink.close()
    found = place.connection
    login = f"{found.login}:{quote(found.password)}@" if found.login else ""
    said = subprocess.run(
        [sys.executable, "-c", example.replace("indexing_documents", place.queue).replace("timeout=5", "timeout=1")],
        env={**os.environ, "BROKER_URL": f"{found.conn_type}://{login}127.0.0.1:{found.port}//"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert said.returncode == 0, said.stderr
    later = make_document(2, 6)
    assert said.stdout.splitlines() == [f"index {first.id} 1", f"index {later.id} 2", f"remove {gone.id} 2"]
    assert place.bodies() == []


def test_the_configuration_of_the_page_is_taken(tmp_path):
    definition = json.loads(re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)[1])["docs"]
    make_sink(definition["sink"], definition["queue"]["name"], storage=tmp_path)


@pytest.mark.parametrize("setting", ["conn_id", "declare", "max_message_bytes"])
def test_every_setting_is_in_the_table(setting):
    assert f"| `sink.{setting}` |" in PAGE
