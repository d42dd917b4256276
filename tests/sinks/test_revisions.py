"""What is left after writes in any order is what the highest revision says: the law that lets every task run again."""

import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_confluence.sinks.local import LocalIndex, LocalSink
from airflow_provider_confluence.sinks.memory import MemorySink
from airflow_provider_confluence.testing.sink_conformance import DATASOURCE, OWNER, make_document, make_tombstone

NUMBERS = range(4)


@contextmanager
def local_destination():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.sqlite3"
        first, second = LocalSink(path), LocalSink(path)
        index = LocalIndex(path)
        try:
            yield [first, second], index.get
        finally:
            for opened in (first, second, index):
                opened.close()


@contextmanager
def memory_destination():
    first = MemorySink()
    yield [first, MemorySink(first.destination)], lambda id_: first.destination.documents().get(id_)


destinations = pytest.mark.parametrize("destination", [local_destination, memory_destination], ids=["local", "memory"])
write = st.tuples(st.sampled_from(NUMBERS), st.integers(0, 6), st.booleans())


def item(number, revision, deleted):
    return make_tombstone(number, revision) if deleted else make_document(number, revision)


def what_the_highest_revision_says(writes):
    """The model: of each id the write with the highest revision counts, and of one revision the deletion."""
    expected = {}
    for number in {number for number, _, _ in writes}:
        revision, deleted = max((revision, deleted) for other, revision, deleted in writes if other == number)
        if not deleted:
            expected[str(number)] = revision
    return expected


@destinations
@settings(max_examples=60, deadline=None)
@given(writes=st.lists(write, max_size=24), batch_size=st.integers(1, 8))
def test_any_interleaving_of_two_writers_ends_as_the_highest_revision_says(destination, writes, batch_size):
    with destination() as (sinks, read):
        for sink in sinks:
            sink.open(OWNER)
        for number, start in enumerate(range(0, len(writes), batch_size)):
            batch = [item(*write) for write in writes[start : start + batch_size]]
            assert {answer.outcome for answer in sinks[number % 2].write(batch)} <= {"written", "superseded"}

        expected = what_the_highest_revision_says(writes)
        assert {held.content_id: held.revision for held in sinks[0].inventory(DATASOURCE)} == expected
        for number in NUMBERS:
            document = make_document(number, expected.get(str(number), 0))
            assert read(document.id) == (document if str(number) in expected else None)


@destinations
@pytest.mark.parametrize("order", [(False, True), (True, False)], ids=["document first", "tombstone first"])
def test_of_one_revision_the_deletion_stays_whichever_came_first(destination, order):
    with destination() as (sinks, _):
        sinks[0].open(OWNER)
        for deleted in order:
            sinks[0].write([item(1, 5, deleted)])

        assert list(sinks[0].inventory(DATASOURCE)) == []


@destinations
def test_a_later_reading_within_one_revision_replaces_the_earlier(destination):
    with destination() as (sinks, read):
        sinks[0].open(OWNER)
        again = make_document(1, 5, content="read once more")
        answers = sinks[0].write([make_document(1, 5), again])

        assert [answer.outcome for answer in answers] == ["written", "written"]
        assert read(again.id) == again
