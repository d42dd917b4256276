"""The conformance suite: what every sink has to keep, for the authors of sinks.

Subclass it in a test module and say how to make a sink::

    class TestMySink(SinkConformance):
        @pytest.fixture
        def make_sink(self, tmp_path):
            return functools.partial(MySink, tmp_path / "index")

``make_sink()`` returns a new sink that is not opened yet; within one test all of them write to the same destination, which was empty when
the test began. What a sink declares not to hold (:class:`~airflow_provider_confluence.sinks.base.Capabilities`) is skipped with the words
*declared: not held*; what the suite has no means to check is skipped with *not checked*, and says which attribute or method gives it the
means. Neither counts as passed. For readable failures put
``pytest.register_assert_rewrite("airflow_provider_confluence.testing.sink_conformance")`` into ``conftest.py``.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import ClassVar

import pytest

from airflow_provider_confluence.documents import Document, Tombstone, document_id
from airflow_provider_confluence.errors import OwnershipError, SinkUnavailableError
from airflow_provider_confluence.sinks.base import Owner, ReadableSink, Sink
from airflow_provider_confluence.testing.sink_items import (
    BARELY_TEXT,
    DATASOURCE,
    ODD_BUT_VALID,
    OWNER,
    make_document,
    make_tombstone,
    outcomes,
)
from airflow_provider_confluence.testing.sink_processes import writer_process
from airflow_provider_confluence.testing.sink_readers import SmallWiki

__all__ = ["DATASOURCE", "OWNER", "SinkConformance", "make_document", "make_tombstone", "outcomes"]

MakeSink = Callable[[], Sink]


class SinkConformance:
    """The cases. See the module's docstring for how to use it."""

    crosses_processes: ClassVar[bool] = False
    """``make_sink`` can be pickled, and the sinks of several processes meet in one destination."""

    max_document_bytes: ClassVar[int | None] = None
    """The size above which the sinks that ``make_sink`` makes answer *rejected*; best set low for the tests. ``None``: no limit."""

    # -------------------------------------------------------------------------------------- what a subclass gives
    @pytest.fixture
    def make_sink(self) -> MakeSink:
        """Return the function that makes sinks. Every subclass has its own."""
        raise NotImplementedError("a subclass of SinkConformance defines the fixture make_sink")

    def read(self, document_id: str) -> Document | None:  # noqa: ARG002
        """Return what a reader of the destination gets for an id. Optional. Not called before ``flush``."""
        pytest.skip("not checked: define read() so that the suite can compare what was stored")

    def readable_by(self, principals: Sequence[str]) -> set[str]:  # noqa: ARG002
        """Return the content ids of all that the documented query finds for somebody with these principals. Not called before ``flush``.

        For sinks that declare ``readers``.
        """
        pytest.skip("not checked: define readable_by() so that the suite can search as somebody")

    def pass_time(self, seconds: float) -> None:  # noqa: ARG002
        """Make the sink and its destination believe that this much time has passed. Optional; do nothing where no clock is read."""
        pytest.skip("not checked: define pass_time() so that the suite can move the clock of the sink")

    def down(self) -> AbstractContextManager[None]:
        """Take the destination away for as long as the block lasts: no connection, a file that is locked. Optional."""
        pytest.skip("not checked: define down() so that the suite can take the destination away")

    def cutting(self, after_bytes: int) -> AbstractContextManager[None]:  # noqa: ARG002
        """Break connections after so many more bytes, for as long as the block lasts. Optional.

        :class:`~airflow_provider_confluence.testing.tcp_proxy.TcpProxy` does both, for whatever speaks TCP.
        """
        pytest.skip("not checked: define cutting() so that the suite can break a connection in the middle")

    # -------------------------------------------------------------------------------------- help for the cases
    @pytest.fixture
    def sink(self, make_sink: MakeSink) -> Iterator[Sink]:
        """An open sink of the suite's datasource."""
        sink = make_sink()
        sink.open(OWNER)
        try:
            yield sink
        finally:
            sink.close()

    @staticmethod
    def needs(sink: Sink, *capabilities: str) -> None:
        """Skip the case where the sink declares that it does not hold something the case is about."""
        for capability in capabilities:
            if not getattr(sink.capabilities, capability):
                pytest.skip(f"declared: not held ({capability})")

    @staticmethod
    def held(sink: Sink, datasource_id: str = DATASOURCE) -> dict[str, int]:
        """Return revisions by content id, as the inventory has them; a document that it names twice is an error."""
        sink.flush()
        items = list(sink.inventory(datasource_id))
        assert len({item.id for item in items}) == len(items), "the inventory names a document twice"
        return {item.content_id: item.revision for item in items}

    # -------------------------------------------------------------------------------------- the contract itself
    def test_it_is_a_sink(self, sink: Sink) -> None:
        assert isinstance(sink, Sink)

    def test_a_good_destination_passes_the_check_before_it_is_opened_and_after(self, make_sink: MakeSink) -> None:
        sink = make_sink()
        try:
            sink.check()
            sink.open(OWNER)
            sink.write([make_document(1, 1)])
            sink.check()
            if sink.capabilities.inventory:
                assert self.held(sink) == {"1": 1}
        finally:
            sink.close()

    def test_every_item_is_answered_in_order(self, sink: Sink) -> None:
        items: list[Document | Tombstone] = [make_document(3, 1), make_tombstone(1, 1), make_document(2, 1)]

        answers = sink.write(items)

        assert [answer.id for answer in answers] == [item.id for item in items]
        assert outcomes(answers) == ["written"] * 3

    def test_an_empty_batch_is_answered_with_nothing(self, sink: Sink) -> None:
        assert sink.write([]) == []
        sink.flush()

    def test_opening_and_closing_twice_does_no_harm(self, make_sink: MakeSink) -> None:
        sink = make_sink()
        try:
            sink.open(OWNER)
            sink.open(OWNER)
            assert outcomes(sink.write([make_document(1, 1)])) == ["written"]
            sink.flush()
        finally:
            sink.close()
            sink.close()

    def test_a_sink_that_was_never_opened_can_be_closed(self, make_sink: MakeSink) -> None:
        make_sink().close()

    def test_what_one_sink_wrote_another_finds(self, make_sink: MakeSink, sink: Sink) -> None:
        self.needs(sink, "inventory")
        sink.write([make_document(1, 7)])
        sink.flush()
        sink.close()
        later = make_sink()
        later.open(OWNER)
        try:
            assert self.held(later) == {"1": 7}
        finally:
            later.close()

    def test_a_document_is_stored_whole(self, sink: Sink) -> None:
        document = make_document(1, 1)
        sink.write([document])
        sink.flush()

        assert self.read(document.id) == document

    # -------------------------------------------------------------------------------------- repeats and revisions
    def test_a_repeated_batch_is_success_and_changes_nothing(self, sink: Sink) -> None:
        batch: list[Document | Tombstone] = [make_document(1, 5), make_document(2, 5), make_tombstone(3, 5)]
        sink.write(batch)

        assert set(outcomes(sink.write(batch))) <= {"written", "superseded"}
        if sink.capabilities.inventory:
            assert self.held(sink) == {"1": 5, "2": 5}

    def test_the_same_id_twice_in_one_batch_ends_as_the_later(self, sink: Sink) -> None:
        self.needs(sink, "versioned", "inventory")
        sink.write([make_document(1, 1), make_document(1, 2)])

        assert self.held(sink) == {"1": 2}

    def test_a_newer_revision_replaces_an_older(self, sink: Sink) -> None:
        sink.write([make_document(1, 1)])
        newer = make_document(1, 2, content="rewritten")
        assert outcomes(sink.write([newer])) == ["written"]
        sink.flush()

        assert self.read(newer.id) == newer

    def test_an_older_revision_is_superseded(self, sink: Sink) -> None:
        self.needs(sink, "versioned")
        sink.write([make_document(1, 9)])

        assert outcomes(sink.write([make_document(1, 8)])) == ["superseded"]
        if sink.capabilities.inventory:
            assert self.held(sink) == {"1": 9}

    def test_an_older_tombstone_deletes_nothing(self, sink: Sink) -> None:
        self.needs(sink, "versioned", "inventory")
        sink.write([make_document(1, 9)])

        assert outcomes(sink.write([make_tombstone(1, 8)])) == ["superseded"]
        assert self.held(sink) == {"1": 9}

    def test_a_newer_tombstone_deletes(self, sink: Sink) -> None:
        self.needs(sink, "inventory")
        sink.write([make_document(1, 8), make_document(2, 8)])

        assert outcomes(sink.write([make_tombstone(1, 9)])) == ["written"]
        assert self.held(sink) == {"2": 8}

    def test_a_tombstone_before_its_document_keeps_the_document_out(self, sink: Sink) -> None:
        self.needs(sink, "versioned", "inventory")
        sink.write([make_tombstone(1, 9)])

        assert outcomes(sink.write([make_document(1, 8)])) == ["superseded"]
        assert self.held(sink) == {}

    def test_an_hour_later_an_older_write_still_brings_nothing_back(self, make_sink: MakeSink, sink: Sink) -> None:
        self.needs(sink, "versioned", "inventory")
        sink.write([make_document(1, 7), make_tombstone(1, 9)])
        sink.flush()
        sink.close()
        self.pass_time(3600)
        late = make_sink()
        late.open(OWNER)
        try:
            assert outcomes(late.write([make_document(1, 8)])) == ["superseded"]
            assert self.held(late) == {}
        finally:
            late.close()

    def test_a_page_restored_in_confluence_comes_back(self, sink: Sink) -> None:
        self.needs(sink, "inventory")
        sink.write([make_document(1, 1), make_tombstone(1, 2)])

        assert outcomes(sink.write([make_document(1, 3)])) == ["written"]
        assert self.held(sink) == {"1": 3}

    def test_writes_in_any_order_end_alike(self, sink: Sink) -> None:
        self.needs(sink, "versioned", "inventory")
        items: list[Document | Tombstone] = []
        for number in range(12):
            items += [make_document(number, revision) for revision in (1, 2, 4)]
            items.append(make_tombstone(number, 5 if number % 3 == 0 else 3))
        random.Random(20260301).shuffle(items)
        for start in range(0, len(items), 5):
            sink.write(items[start : start + 5])

        assert self.held(sink) == {str(number): 4 for number in range(12) if number % 3}

    # -------------------------------------------------------------------------------------- what items may hold
    @pytest.mark.parametrize("text", [text for _, text in ODD_BUT_VALID], ids=[name for name, _ in ODD_BUT_VALID])
    def test_odd_text_is_stored_as_it_is(self, sink: Sink, text: str) -> None:
        document = replace(make_document(1, 1, title=text, content=text), labels=(text,), properties={text: text})

        assert outcomes(sink.write([document])) == ["written"]
        sink.flush()
        assert self.read(document.id) == document

    @pytest.mark.parametrize("text", [text for _, text in BARELY_TEXT], ids=[name for name, _ in BARELY_TEXT])
    def test_text_that_cannot_be_encoded_harms_no_other_item(self, sink: Sink, text: str) -> None:
        odd = replace(make_document(2, 1, title=text, content=text), labels=(text,), properties={text: text})

        first, second, third = sink.write([make_document(1, 1), odd, make_document(3, 1)])

        assert [first.outcome, third.outcome] == ["written", "written"]
        assert second.outcome == "written" or (second.outcome == "rejected" and second.reason)
        if sink.capabilities.inventory:
            assert set(self.held(sink)) == {"1", "3"} | ({"2"} if second.outcome == "written" else set())

    def test_an_oversize_document_is_rejected_alone(self, sink: Sink) -> None:
        if self.max_document_bytes is None:
            pytest.skip("not checked: set max_document_bytes where the sink has a limit")
        too_large = make_document(2, 1, content="x" * (self.max_document_bytes + 1))

        answers = sink.write([make_document(1, 1), too_large, make_document(3, 1)])

        assert outcomes(answers) == ["written", "rejected", "written"]
        assert answers[1].reason
        if sink.capabilities.inventory:
            assert set(self.held(sink)) == {"1", "3"}

    def test_a_document_without_text_is_written(self, sink: Sink) -> None:
        bare = replace(make_document(1, 1), title="", content="", url="", updated=None, labels=())

        assert outcomes(sink.write([bare])) == ["written"]
        sink.flush()

    # -------------------------------------------------------------------------------------- inventory
    def test_the_inventory_is_exact_for_many_documents(self, sink: Sink) -> None:
        self.needs(sink, "inventory")
        for start in range(0, 2_500, 500):
            batch = [make_document(number, 1) for number in range(start, start + 500)]
            assert outcomes(sink.write(batch)) == ["written"] * 500
        sink.write([make_tombstone(number, 2) for number in range(0, 2_500, 5)])
        sink.write([make_document(number, 3) for number in range(1, 2_500, 5)])

        expected = {str(number): 3 if number % 5 == 1 else 1 for number in range(2_500) if number % 5}
        assert self.held(sink) == expected

    def test_the_inventory_names_documents_by_id(self, sink: Sink) -> None:
        self.needs(sink, "inventory")
        sink.write([make_document(42, 1)])
        sink.flush()

        assert [item.id for item in sink.inventory(DATASOURCE)] == [document_id(DATASOURCE, "42")]

    def test_the_inventory_of_one_datasource_shows_no_other(self, make_sink: MakeSink, sink: Sink) -> None:
        self.needs(sink, "inventory")
        sink.write([make_document(1, 1)])
        sink.flush()
        other = make_sink()
        other.open(replace(OWNER, datasource_id="another"))
        try:
            other.write([make_document(1, 5, datasource_id="another"), make_document(2, 5, datasource_id="another")])
            assert self.held(sink) == {"1": 1}
            assert self.held(other, "another") == {"1": 5, "2": 5}
        finally:
            other.close()

    def test_an_inventory_that_is_left_halfway_does_no_harm(self, sink: Sink) -> None:
        self.needs(sink, "inventory")
        sink.write([make_document(number, 1) for number in range(10)])
        sink.flush()
        next(iter(sink.inventory(DATASOURCE)))
        sink.write([make_document(10, 1)])

        assert len(self.held(sink)) == 11

    def test_what_changed_between_two_revisions_is_given_back(self, make_sink: MakeSink, sink: Sink) -> None:
        if not isinstance(sink, ReadableSink):
            pytest.skip("declared: not held (changes)")
        sink.write([make_document(number, 1) for number in range(4)])
        sink.write([make_document(0, 2), make_tombstone(1, 2)])
        sink.write([make_document(0, 3), make_document(2, 3)])
        sink.flush()
        reader = make_sink()
        assert isinstance(reader, ReadableSink)

        def changed(after: int, until: int) -> list[Document | Tombstone]:
            return sorted(reader.changes(DATASOURCE, after, until), key=lambda item: item.content_id)

        # Page 0 stands at 3 now, and is no change of 2 any more.
        assert changed(0, 3) == [make_document(0, 3), make_tombstone(1, 2), make_document(2, 3), make_document(3, 1)]
        assert changed(1, 2) == [make_tombstone(1, 2)]
        assert changed(2, 3) == [make_document(0, 3), make_document(2, 3)]
        assert changed(3, 9) == []
        assert list(reader.changes("another", 0, 9)) == []

    # -------------------------------------------------------------------------------------- who may read
    def test_thirty_readers_find_what_they_may_read_of_two_hundred_documents_and_nothing_else(self, sink: Sink) -> None:
        self.needs(sink, "readers")
        wiki = SmallWiki(20260301)
        assert outcomes(sink.write(list(wiki.documents(1)))) == ["written"] * 200
        sink.flush()

        assert len(wiki.readers) == 30
        for person in wiki.readers:
            assert self.readable_by(wiki.principals(person)) == wiki.readable(person), person
        assert self.readable_by([]) == set()

    def test_a_document_that_is_closed_later_is_found_by_nobody_who_found_it_before(self, sink: Sink) -> None:
        self.needs(sink, "readers")
        wiki = SmallWiki(20260302)
        sink.write(list(wiki.documents(1)))
        wiki.close_all_but("p3")
        sink.write(list(wiki.documents(2)))
        sink.write(
            [replace(document, permissions=None) for document in wiki.documents(3) if int(document.content_id) % 2]
        )
        sink.flush()

        for person in ("p3", "p4", None):
            even = {content_id for content_id in wiki.readable(person) if int(content_id) % 2 == 0}
            assert self.readable_by(wiki.principals(person)) == even, person

    # -------------------------------------------------------------------------------------- owners
    @pytest.mark.parametrize(
        "other",
        [replace(OWNER, deployment_id="deployment-two"), replace(OWNER, site="https://two.example.com/wiki")],
        ids=["another deployment", "another site"],
    )
    def test_another_owner_is_refused_until_it_adopts(self, make_sink: MakeSink, sink: Sink, other: Owner) -> None:
        self.needs(sink, "inventory")  # where nothing can be read back, no owner can be
        sink.write([make_document(1, 1)])
        sink.flush()
        sink.close()
        stranger = make_sink()
        try:
            with pytest.raises(OwnershipError, match=f"airflow-confluence adopt {DATASOURCE}"):
                stranger.open(other)
            stranger.open(other, adopt=True)
            assert self.held(stranger) == {"1": 1}
            with pytest.raises(OwnershipError):
                sink.open(OWNER)
        finally:
            stranger.close()

    # -------------------------------------------------------------------------------------- a destination in trouble
    def test_a_destination_that_is_away_is_said_to_be_and_is_used_when_it_is_back(self, make_sink: MakeSink) -> None:
        sink = make_sink()
        try:
            with self.down():
                with pytest.raises(SinkUnavailableError):
                    sink.check()
                with pytest.raises(SinkUnavailableError):
                    sink.open(OWNER)
            sink.check()
            sink.open(OWNER)
            assert outcomes(sink.write([make_document(1, 1)])) == ["written"]
            sink.flush()
        finally:
            sink.close()

    def test_a_destination_that_goes_away_takes_nothing_until_it_is_back(self, sink: Sink) -> None:
        before, batch = make_document(1, 1), [make_document(number, 2) for number in range(1, 20)]
        sink.write([before])
        with self.down():
            assert _tried(sink, batch) <= {"retry"}

        _reopen(sink)
        assert outcomes(sink.write(batch)) == ["written"] * 19
        if sink.capabilities.inventory:
            assert self.held(sink) == {str(number): 2 for number in range(1, 20)}

    @pytest.mark.parametrize("after_bytes", [0, 700, 5_000, 40_000, 200_000])
    def test_a_connection_cut_in_the_middle_loses_nothing_that_was_acknowledged(
        self, sink: Sink, after_bytes: int
    ) -> None:
        batch = [make_document(number, 2, content=f"{number} " * 500) for number in range(200)]
        sink.write([make_document(number, 1) for number in range(0, 200, 10)])
        with self.cutting(after_bytes):
            try:
                answers = sink.write(batch)
            except SinkUnavailableError:
                answers = []
        assert set(outcomes(answers)) <= {"written", "retry"}
        _reopen(sink)
        if sink.capabilities.inventory:
            held, answered = self.held(sink), zip(batch, answers, strict=False)
            lost = [i.content_id for i, a in answered if a.outcome == "written" and held.get(i.content_id) != 2]
            assert lost == []
        assert set(outcomes(sink.write(batch))) <= {"written", "superseded"}
        if sink.capabilities.inventory:
            assert self.held(sink) == {str(number): 2 for number in range(200)}

    # -------------------------------------------------------------------------------------- several writers, crashes
    def test_two_writers_in_threads_leave_the_highest_revisions(self, make_sink: MakeSink, sink: Sink) -> None:
        self.needs(sink, "versioned", "inventory")
        problems: list[BaseException] = []
        together = threading.Barrier(2, timeout=30)

        def write(revisions: Sequence[int]) -> None:
            try:
                mine = make_sink()
                mine.open(OWNER)
                try:
                    together.wait()
                    for revision in revisions:
                        mine.write([make_document(number, revision) for number in range(20)])
                finally:
                    mine.close()
            except BaseException as error:  # noqa: BLE001 - carried to the test's own thread
                problems.append(error)

        writers = [threading.Thread(target=write, args=[order]) for order in ([1, 4, 5, 8, 9], [10, 7, 6, 3, 2])]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()

        assert problems == []
        assert self.held(sink) == {str(number): 10 for number in range(20)}

    def test_two_writers_in_processes_leave_the_highest_revisions(self, make_sink: MakeSink, sink: Sink) -> None:
        self.needs(sink, "versioned", "inventory")
        self._needs_processes()
        rising = [[make_document(number, revision) for number in range(20)] for revision in (1, 4, 5, 8, 9)]
        falling = [[make_document(number, revision) for number in range(20)] for revision in (10, 7, 6, 3, 2)]
        with writer_process(make_sink, OWNER, rising) as one, writer_process(make_sink, OWNER, falling) as two:
            for writer in (one, two):
                while writer.next_outcomes() is not None:
                    pass

        assert self.held(sink) == {str(number): 10 for number in range(20)}

    @pytest.mark.parametrize("acknowledged", [1, 4])
    def test_killed_after_an_acknowledgement_nothing_acknowledged_is_lost(
        self, make_sink: MakeSink, sink: Sink, acknowledged: int
    ) -> None:
        """The writer is busy with the next batch when it dies: of that one anything may be there, and writing it again mends it."""
        self.needs(sink, "inventory")
        self._needs_processes()
        batches = [[make_document(number, 1) for number in range(start, start + 50)] for start in range(0, 1_000, 50)]
        with writer_process(make_sink, OWNER, batches) as writer:
            for _ in range(acknowledged):
                assert writer.next_outcomes() == ["written"] * 50
            writer.kill()

        found = self.held(sink)
        assert set(found) >= {item.content_id for batch in batches[:acknowledged] for item in batch}
        assert set(found) <= {item.content_id for batch in batches for item in batch}
        for batch in batches:
            sink.write(batch)
        assert self.held(sink) == {str(number): 1 for number in range(1_000)}

    def test_killed_before_any_acknowledgement_the_same_batch_can_be_written_again(
        self, make_sink: MakeSink, sink: Sink
    ) -> None:
        self.needs(sink, "inventory")
        self._needs_processes()
        sink.write([make_document(0, 1)])
        batch = [make_document(number, 2) for number in range(1_000)]
        with writer_process(make_sink, OWNER, [batch]) as writer:
            writer.kill()

        assert set(outcomes(sink.write(batch))) <= {"written", "superseded"}
        assert self.held(sink) == {str(number): 2 for number in range(1_000)}

    def _needs_processes(self) -> None:
        if not self.crosses_processes:
            pytest.skip("declared: not held (crosses_processes)")


def _reopen(sink: Sink) -> None:
    """Close and open, as the next try of a task does with a sink of its own."""
    sink.close()
    sink.open(OWNER)


def _tried(sink: Sink, batch: Sequence[Document | Tombstone]) -> set[str]:
    """Return the outcomes of a write; none where the whole of it could not be delivered."""
    try:
        return set(outcomes(sink.write(batch)))
    except SinkUnavailableError:
        return set()
