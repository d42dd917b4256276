"""The DAG into a queue, and from there into a search server that goes away in the middle of the draining."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_confluence.errors import ConfigurationError
from airflow_provider_confluence.operators.changes import changes_since
from airflow_provider_confluence.testing.tcp_proxy import TcpProxy
from tests.airflow.deployment import Deployment
from tests.airflow.test_search_server import expected, found
from tests.broker_fixtures import valkey
from tests.cli.program import PROGRAM, one_after_another
from tests.sinks.servers import SearchServer, opensearch, unused

__all__ = ["opensearch", "valkey"]

BEFORE_IT_GOES = 8_000  # bytes: some of the documents, not all


@pytest.fixture
def proxy(opensearch: SearchServer) -> Iterator[TcpProxy]:
    with TcpProxy(opensearch.port) as running:
        yield running


@pytest.fixture
def queued(on_cloud: Deployment, valkey: Any, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """A deployment whose datasource goes to a queue, and the connections by which that is drained."""
    monkeypatch.setenv("AIRFLOW_CONN_QUEUE_DEFAULT", f"redis://127.0.0.1:{valkey.port}/")
    search = {"conn_type": "opensearch", "host": "127.0.0.1", "port": proxy.port, "extra": {"use_ssl": False}}
    monkeypatch.setenv("AIRFLOW_CONN_SEARCH", json.dumps(search))
    on_cloud.define(sink={"type": "queue"}, queue={"name": unused("through")})
    return on_cloud


def command(deploy: Deployment) -> list[str]:
    """Return the command that drains the queue into an alias of the same name."""
    name = deploy.definition["queue"]["name"]
    target = json.dumps({"type": "opensearch", "conn_id": "search"})
    return ["drain", "--queue", name, "--to", target, "--to-queue", name, "--until-empty", "200ms", "--json"]


def environment(deploy: Deployment) -> dict[str, str]:
    return {**os.environ, "AIRFLOW_HOME": str(deploy.folder / "drain")}


def drain(deploy: Deployment) -> subprocess.Popen[str]:
    """Start draining."""
    return subprocess.Popen(
        [*PROGRAM, *command(deploy)],
        env=environment(deploy),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def counts_of(process: subprocess.Popen[str]) -> dict[str, int]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.startswith("{"), out
    return json.loads(out)


def test_what_a_run_queued_is_searchable_once_though_the_server_went_away_while_it_was_drained(
    queued: Deployment, opensearch: SearchServer, proxy: TcpProxy
) -> None:
    for number in range(60):
        queued.model.create_page("DOCS", f"More {number}", f"<p>{'lantern ' * 100}{number}</p>")
    assert queued.run().state == "success"

    with proxy.cutting(BEFORE_IT_GOES):
        process = drain(queued)
        assert process.stderr is not None
        said = ""
        while "waiting" not in said:
            said = process.stderr.readline()
            assert said, "the drain ended without a word about the server that is away"
    with process:
        counts = counts_of(process)

    assert counts["waits"] >= 1
    assert counts["dead"] == 0
    assert counts["written"] == 66
    assert found(opensearch, queued) == expected(queued)


def test_deletions_and_edits_come_through_as_well(queued: Deployment, opensearch: SearchServer) -> None:
    model = queued.model
    with one_after_another() as run:
        queued.run()
        first = run(*command(queued), **environment(queued))
        assert (first.returncode, json.loads(first.stdout)["written"]) == (0, 6)
        model.edit(model.find("Page 1"), title="Page one")
        model.trash(model.find("Page 2"))
        assert queued.run(mode="reconcile").state == "success"
        second = run(*command(queued), **environment(queued))
    counts = json.loads(second.stdout)
    assert (second.returncode, counts["written"], counts["deleted"]) == (0, 1, 1)
    assert found(opensearch, queued) == expected(queued)
    # What followed an asset's event would look for the changes there in vain.
    with pytest.raises(ConfigurationError, match="the sink queue does not give back what was written"):
        changes_since(queued.id)
