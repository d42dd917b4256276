"""Draining a queue into another sink: nothing is lost, nothing doubled, and what can never be written does not stand in the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import replace

import pytest

from airflow_provider_confluence.errors import SinkCredentialsError, SinkUnavailableError
from airflow_provider_confluence.sinks import draining
from airflow_provider_confluence.sinks.base import Answer, Capabilities, Owner
from airflow_provider_confluence.sinks.draining import Drain
from airflow_provider_confluence.sinks.local import LocalIndex, LocalSink
from airflow_provider_confluence.sinks.memory import MemoryDestination, MemorySink
from airflow_provider_confluence.sinks.queue import QueueSink
from airflow_provider_confluence.testing.sink_conformance import OWNER, make_document, make_tombstone
from airflow_provider_confluence.testing.tcp_proxy import TcpProxy


def send(place, items, owner=OWNER):
    sink = QueueSink(place.queue, conn_id="broker", connections=place.connections)
    sink.open(owner)
    try:
        assert {answer.outcome for answer in sink.write(items)} == {"written"}
    finally:
        sink.close()


def send_raw(place, body):
    """Send what no sink of ours sends, as another program would."""
    from airflow_provider_confluence.sinks._broker import Outgoing, make_broker

    broker = make_broker(place.connection)
    broker.use(place.queue, create=True)
    assert [sent.outcome for sent in broker.send(place.queue, [Outgoing(body, "raw:1", {"op": "upsert"})])] == [
        "confirmed"
    ]
    broker.close()


def drain(place, make_sink, **given):
    said = []
    given = {"idle_seconds": 0.2, "tell": said.append, **given}
    job = Drain(connection=place.connection, queue=place.queue, make_sink=make_sink, **given)
    counts = job.run()
    return counts, said


@pytest.fixture
def destination():
    return MemoryDestination()


def revisions(destination):
    return {document.content_id: document.revision for document in destination.documents().values()}


# ------------------------------------------------------------------------------------------ what arrives
def test_documents_and_tombstones_arrive_whole(any_place, destination):
    document = make_document(1, 5, content="all of 𝒳 it \ud800")
    send(any_place, [document, make_document(2, 5), make_tombstone(2, 6)])

    counts, said = drain(any_place, lambda: MemorySink(destination))

    assert destination.documents() == {document.id: document}
    # SQS delivers in any order; an upsert after its tombstone is superseded.
    assert counts.written + counts.superseded == 2
    assert (counts.deleted, counts.dead) == (1, 0)
    assert said == []
    assert any_place.bodies() == []


def test_repetitions_and_late_messages_change_nothing(place, destination):
    send(place, [make_document(1, 9), make_tombstone(2, 9)])
    send(place, [make_document(1, 9), make_document(1, 8), make_document(2, 8), make_tombstone(3, 1)])

    counts, _ = drain(place, lambda: MemorySink(destination))

    assert revisions(destination) == {"1": 9}
    assert counts.superseded == 2
    assert place.bodies() == []


def test_what_not_everybody_may_read_is_kept_out_of_a_sink_that_shows_everything(place, destination):
    levels = [None, [["authenticated"]], [["authenticated"], ["user:ann"]], [[]], [["group:a"], ["group:a"]]]
    send(place, [replace(make_document(number, 1), permissions=[["authenticated"]]) for number in range(5)])
    drain(place, lambda: MemorySink(destination), skip_restricted=True)
    assert len(destination.documents()) == 5

    send(place, [replace(make_document(number, 2), permissions=level) for number, level in enumerate(levels)])
    counts, _ = drain(place, lambda: MemorySink(destination), skip_restricted=True)

    assert revisions(destination) == {"0": 2, "1": 2}
    assert (counts.written, counts.deleted, counts.restricted) == (2, 0, 3)
    assert place.bodies() == []


def test_more_than_one_batch_is_drained(place, destination):
    for start in range(0, 500, 100):
        send(place, [make_document(number, 1) for number in range(start, start + 100)])

    counts, _ = drain(place, lambda: MemorySink(destination))

    assert counts.written == 500
    assert len(destination.documents()) == 500


def test_a_batch_is_bounded_by_items_and_bytes(place):
    sizes = []

    class Measuring(MemorySink):
        def write(self, items):
            sizes.append((len(items), sum(len(item.content) for item in items)))
            return super().write(items)

    send(place, [make_document(number, 1, content="x" * 100_000) for number in range(50)])
    send(place, [make_document(number, 2) for number in range(250)])
    drain(place, Measuring)

    assert max(number for number, _ in sizes) == draining.BATCH_ITEMS
    assert max(size for _, size in sizes) <= draining.BATCH_BYTES + 100_000
    assert len(sizes) >= 3


def test_two_drains_at_once_leave_what_one_would(place, destination):
    for revision in (1, 3, 2):
        send(place, [make_document(number, revision) for number in range(200)])
    done = []
    workers = [
        threading.Thread(target=lambda: done.append(drain(place, lambda: MemorySink(destination))[0])) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert revisions(destination) == {str(number): 3 for number in range(200)}
    assert sum(counts.written + counts.superseded for counts in done) == 600
    assert place.bodies() == []


def test_each_datasource_is_written_as_its_own_owner(place, destination):
    send(place, [make_document(1, 1)])
    other = Owner("hr", "deployment-one", "https://two.example.com")
    send(place, [make_document(1, 1, datasource_id="hr")], owner=other)

    drain(place, lambda: MemorySink(destination))

    assert destination.owners == {"conformance": OWNER, "hr": other}
    assert len(destination.documents()) == 2


def test_many_datasources_keep_a_bounded_number_of_sinks_open(valkey_place, destination):
    opened = []

    class Counted(MemorySink):
        def open(self, owner, *, adopt=False):
            opened.append(self)
            super().open(owner, adopt=adopt)

        def close(self):
            super().close()
            if self in opened:
                opened.remove(self)

        def write(self, items):
            assert len(opened) <= 16
            return super().write(items)

    for number in range(40):
        owner = Owner(f"d{number}", "one", "https://one.example.com")
        send(valkey_place, [make_document(1, 1, datasource_id=f"d{number}")], owner=owner)
    counts, _ = drain(valkey_place, lambda: Counted(destination))

    assert counts.written == 40
    assert opened == []


# ------------------------------------------------------------------------------------------ what can never be written
def test_poison_goes_to_the_dead_letters_with_a_reason_and_without_standing_in_the_way(any_place, destination):
    send(any_place, [make_document(1, 1)])
    send_raw(any_place, "{not json, geheim-9876")
    send_raw(any_place, '{"schema_version": 1, "op": "upsert", "title": "geheim-9876"}')
    send(any_place, [make_document(2, 1)])

    counts, said = drain(any_place, lambda: MemorySink(destination))

    assert revisions(destination) == {"1": 1, "2": 1}
    assert (counts.written, counts.dead) == (2, 2)
    dead = sorted((headers["reason"], headers["queue"], headers["op"]) for _, headers in any_place.dead())
    assert dead == [
        ("it does not fit the schema at its top (required)", any_place.queue, "upsert"),
        ("it is not JSON", any_place.queue, "upsert"),
    ]
    assert "geheim" not in str(said)
    assert any_place.bodies() == []


def test_a_dead_letter_keeps_its_body(place, destination):
    send_raw(place, '{"half": "ä')
    drain(place, lambda: MemorySink(destination))

    ((body, _),) = place.dead()
    assert body == '{"half": "ä'


def test_a_message_that_contradicts_itself_is_dead(place, destination):
    send(place, [make_document(1, 1)])
    (body,) = place.bodies()
    message = json.loads(body)
    send_raw(place, json.dumps({**message, "revision": 2}))
    send_raw(place, json.dumps({**message, "owner": {**message["owner"], "datasource_id": "hr"}}))

    counts, _ = drain(place, lambda: MemorySink(destination))
    assert (counts.written, counts.dead) == (0, 2)
    assert destination.documents() == {}


def test_what_the_sink_rejects_is_dead_with_the_sinks_reason(place, tmp_path):
    send(place, [make_document(1, 1), make_document(2, 1, content="x" * 5_000), make_document(3, 1)])
    path = tmp_path / "docs.sqlite3"

    counts, said = drain(place, lambda: LocalSink(path, max_document_bytes=5_000))

    with LocalIndex(path) as index:
        assert sum(index.counts().values()) == 2
    ((body, headers),) = place.dead()
    assert json.loads(body)["content_id"] == "2"
    assert "5000" in headers["reason"]
    assert counts.dead == 1
    assert "dead letter" in said[0]


def test_another_deployments_documents_are_dead_until_they_are_adopted(place, destination):
    MemorySink(destination).open(OWNER)
    stranger = replace(OWNER, deployment_id="deployment-two")
    send(place, [make_document(1, 1)], owner=stranger)
    counts, _ = drain(place, lambda: MemorySink(destination))
    assert (counts.written, counts.dead) == (0, 1)
    ((_, headers),) = place.dead()
    assert "belong to deployment deployment-one" in headers["reason"]

    send(place, [make_document(1, 1)], owner=stranger)
    send(place, [make_document(2, 1)])  # the former owner's last one comes late
    counts, said = drain(place, lambda: MemorySink(destination), adopt={"conformance"})
    assert (counts.written, counts.dead) == (1, 1)
    assert destination.owners["conformance"] == stranger
    assert "took the documents of datasource conformance over" in said


# ------------------------------------------------------------------------------------------ what fails for a while
class Moody(MemorySink):
    """A sink that is out of reach for the first ``down`` writes, and asks to send every third item later, once."""

    down = 0

    def __init__(self, destination):
        super().__init__(destination)
        self.deferred = set()

    def write(self, items):
        cls = type(self)
        if cls.down > 0:
            cls.down -= 1
            raise SinkUnavailableError("the target is down")
        answers = []
        for number, item in enumerate(items):
            if number % 3 == 0 and item.id not in self.deferred:
                self.deferred.add(item.id)
                answers.append(Answer(item.id, "retry"))
            else:
                answers += super().write([item])
        return answers


def test_a_target_that_is_down_for_a_while_loses_and_doubles_nothing(place, destination):
    Moody.down = 2
    send(place, [make_document(number, 1) for number in range(30)])

    counts, said = drain(place, lambda: Moody(destination))

    assert (counts.written, counts.superseded, counts.dead) == (30, 0, 0)
    assert len(destination.documents()) == 30
    assert said == ["waiting: the target is down", "waiting: the sink asks to send documents again later"] or said[
        0
    ] == ("waiting: the target is down")


def test_a_target_that_stays_down_ends_the_drain_and_everything_is_in_the_queue_again(place, destination):
    Moody.down = 10_000
    send(place, [make_document(number, 1) for number in range(30)])
    with pytest.raises(SinkUnavailableError, match="the target is down"):
        drain(place, lambda: Moody(destination), patience_seconds=0.6)

    contents = [json.loads(body)["content_id"] for body in place.bodies()]
    assert contents == [str(number) for number in range(30)], "and in its order"


def test_a_refused_credential_ends_the_drain_at_once_and_loses_nothing(place, destination):
    class Refused(MemorySink):
        def open(self, owner, *, adopt=False):
            raise SinkCredentialsError("the target refuses the credential")

    send(place, [make_document(number, 1) for number in range(3)])
    with pytest.raises(SinkCredentialsError):
        drain(place, lambda: Refused(destination))

    assert len(place.bodies()) == 3


def test_a_broker_that_goes_away_between_writing_and_acknowledging_loses_nothing(place, destination):
    send(place, [make_document(number, 1) for number in range(300)])
    with TcpProxy(place.port) as proxy, ExitStack() as away:
        place.through(proxy.port)

        class Breaking(MemorySink):
            def write(self, items):
                answers = super().write(items)
                if not broken:
                    broken.append(True)
                    away.enter_context(proxy.down())
                    threading.Timer(1.0, away.close).start()
                return answers

        broken = []
        counts, said = drain(place, lambda: Breaking(destination))

        assert revisions(destination) == {str(number): 1 for number in range(300)}
        assert counts.waits > 0
        assert said[0].startswith("waiting: ")
        assert place.bodies() == []


def test_a_broker_that_stays_away_ends_the_drain(place, destination):
    with TcpProxy(place.port) as proxy, proxy.down():
        place.through(proxy.port)
        with pytest.raises(SinkUnavailableError):
            drain(place, lambda: MemorySink(destination), patience_seconds=0.6)


# ------------------------------------------------------------------------------------------ stopped, killed
_DRAIN = """
import pickle, sys, time
from pathlib import Path
from airflow_provider_confluence.sinks.draining import Drain
from airflow_provider_confluence.sinks.local import LocalSink

class Slow(LocalSink):
    def write(self, items):
        print("writing", flush=True)
        answers = super().write(items)
        time.sleep(float(sys.argv[2]))
        return answers

connection, queue = pickle.loads(bytes.fromhex(sys.stdin.readline()))
print(Drain(connection, queue, lambda: Slow(Path(sys.argv[1])), idle_seconds=0.2).run())
"""


def drain_process(place, path, seconds):
    import pickle

    environment = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    process = subprocess.Popen(
        [sys.executable, "-c", _DRAIN, str(path), str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    process.stdin.write(pickle.dumps((place.connection, place.queue)).hex() + "\n")
    process.stdin.flush()
    return process


def test_killed_between_writing_and_acknowledging_everything_comes_again(place, tmp_path):
    send(place, [make_document(number, 1) for number in range(300)])
    path = tmp_path / "docs.sqlite3"
    with drain_process(place, path, 30) as process:
        assert process.stdout.readline() == "writing\n"
        time.sleep(0.1)  # wherever it is in it
        process.send_signal(signal.SIGKILL)
        process.wait()
    if place.connection.conn_type == "redis":
        for key in alive_consumers(place):
            expire(place, key)

    counts, _ = drain(place, lambda: LocalSink(path))

    assert counts.written == 300, "equal revisions are written again, and change nothing"
    with LocalIndex(path) as index:
        assert sum(index.counts().values()) == 300
    assert place.bodies() == []


def test_a_drain_until_empty_waits_for_what_another_consumer_holds(valkey_place, destination, tmp_path):
    send(valkey_place, [make_document(1, 1)])
    with drain_process(valkey_place, tmp_path / "docs.sqlite3", 30) as process:
        assert process.stdout.readline() == "writing\n"
        (dead,) = alive_consumers(valkey_place)
        done = []
        other = threading.Thread(target=lambda: done.append(drain(valkey_place, lambda: MemorySink(destination))[0]))
        other.start()
        other.join(1.5)
        assert other.is_alive(), "one message is not written yet"
        process.kill()
        process.wait()
    expire(valkey_place, dead)
    other.join(30)

    assert [counts.written for counts in done] == [1]


def alive_consumers(place):
    import valkey

    with valkey.Valkey(port=place.connection.port) as client:
        return client.keys(f"{place.queue}.alive.*")


def expire(place, key):
    """Let a minute pass for a consumer: its sign of life runs out."""
    import valkey

    with valkey.Valkey(port=place.connection.port) as client:
        assert 0 < client.ttl(key) <= 60
        client.delete(key)


def test_a_stop_lets_the_batch_at_hand_end_and_leaves_the_rest(place, destination):
    stop = threading.Event()

    class Stopping(MemorySink):
        def write(self, items):
            stop.set()
            return super().write(items)

    for start in range(0, 600, 200):
        send(place, [make_document(number, 1) for number in range(start, start + 200)])
    counts, _ = drain(place, lambda: Stopping(destination), stop=stop, idle_seconds=None)

    assert counts.written == 200
    assert len(place.bodies()) == 400


def test_a_stop_during_a_wait_leaves_everything_in_the_queue(place, destination):
    stop = threading.Event()
    Moody.down = 10_000
    send(place, [make_document(1, 1)])
    threading.Timer(0.5, stop.set).start()
    drain(place, lambda: Moody(destination), stop=stop, idle_seconds=None)

    assert len(place.bodies()) == 1


def test_a_sink_without_revisions_is_named_as_such(valkey_place, destination):
    class Unversioned(MemorySink):
        capabilities = Capabilities(versioned=False, inventory=False, atomic_swap=False)

    send(valkey_place, [make_document(1, 1)])
    _, said = drain(valkey_place, lambda: Unversioned(destination))

    assert "does not compare revisions" in said[0]


def test_what_another_program_put_there_without_an_envelope_is_read(valkey, valkey_place, destination):
    send(valkey_place, [make_document(1, 1)])
    (body,) = valkey_place.bodies()
    with valkey.client() as client:
        client.lpush(valkey_place.queue, body)
        client.lpush(valkey_place.queue, b"\xff\x00 no text at all")
    counts, _ = drain(valkey_place, lambda: MemorySink(destination))

    assert (counts.written, counts.dead) == (1, 1)


def test_a_drained_queue_leaves_no_keys_behind(valkey, valkey_place, destination):
    send(valkey_place, [make_document(1, 1)])
    drain(valkey_place, lambda: MemorySink(destination))

    with valkey.client() as client:
        assert client.keys(f"{valkey_place.queue}*") == []
