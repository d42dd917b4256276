"""A page that moves into another datasource's scope makes that one compare everything, instead of waiting until it is due."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from airflow_provider_confluence.datasource import read_datasource
from airflow_provider_confluence.sync.storage import Storage
from airflow_provider_confluence.testing.sandbox import Sandbox
from tests.sync.conftest import Wiki, fill
from tests.sync.histories import StopAt, Stopped


@dataclass
class Other(Wiki):
    """Another datasource over the same storage folder."""

    id: str = "ops"

    @property
    def datasource(self):
        return read_datasource(self.id, self.definition)

    def holds(self, title):
        with self.index() as index:
            return index.search(f'"{title}"', space="OPS").total > 0


@pytest.fixture
def docs(wiki):
    """A datasource over DOCS that compares everything in every run."""
    wiki.run()
    return wiki


@pytest.fixture
def ops(docs):
    """A datasource over OPS that looks at the latest changes until a comparison is due."""
    other = Other(docs.sandbox, docs.folder, {"space": "OPS", "cheap_reconcile_requests": 1})
    other.run()
    assert other.run().mode == "changes"
    return other


def notes(wiki):
    return sorted(str(path.relative_to(wiki.folder)) for path in (wiki.folder / "state").glob("*/arrivals/*"))


def test_a_page_that_moves_in_is_indexed_by_the_next_automatic_run_and_that_alone_compares(docs, ops):
    docs.model.move(docs.model.find("Appendix"), space="OPS")
    assert ops.run().mode == "changes"
    docs.run()
    assert ops.run().mode == "reconcile"
    assert ops.holds("Appendix")
    assert ops.run().mode == "changes"
    docs.run()
    assert ops.run().mode == "changes"


def test_a_page_that_comes_goes_back_and_comes_again_is_told_of_each_time(docs, ops):
    appendix = docs.model.find("Appendix")
    for _ in range(2):
        docs.model.move(appendix, space="OPS")
        docs.run()
        assert ops.run().mode == "reconcile"
        docs.model.move(appendix, space="DOCS")
        ops.run(mode="reconcile")
        docs.run()
        assert ops.run().mode == "changes"


def test_a_targeted_run_tells_of_what_left_as_well(docs, ops):
    appendix = docs.model.find("Appendix")
    docs.model.move(appendix, space="OPS")
    docs.run(content_ids=[appendix])
    assert ops.run().mode == "reconcile"
    assert ops.holds("Appendix")


def test_a_page_that_a_label_takes_from_one_datasource_to_another_is_told_of(docs, ops):
    docs.definition["exclude_labels"] = ["ops"]
    docs.model.relabel(docs.model.find("Guide"), [])
    docs.run()
    ops.definition |= {"space": "DOCS", "include_labels": ["ops"]}
    ops.run()
    assert ops.run().mode == "changes"
    docs.model.relabel(docs.model.find("Guide"), ["ops"])
    docs.run()
    assert ops.run().mode == "reconcile"


def test_what_is_deleted_or_goes_where_nobody_looks_leaves_no_note(docs, ops):
    docs.model.create_space("ELSE", "Elsewhere")
    docs.model.trash(docs.model.find("Chapter"))
    docs.model.move(docs.model.find("Appendix"), space="ELSE")
    docs.run()
    assert notes(docs) == []
    assert ops.run().mode == "changes"


@pytest.mark.parametrize("point", ["listed", "items_written", "plan_written", "sink_written", "generation_written"])
def test_no_stop_of_the_run_that_saw_it_loses_the_note(docs, ops, point):
    docs.model.move(docs.model.find("Appendix"), space="OPS")
    docs.reached = StopAt(point)
    with pytest.raises(Stopped):
        docs.run()
    docs.reached = lambda _: None
    docs.run()
    ops.run()
    assert ops.holds("Appendix")


@pytest.mark.parametrize("point", ["claimed", "listed", "plan_written", "sink_written", "result_written"])
def test_no_stop_of_the_run_that_was_told_loses_the_note(docs, ops, point):
    docs.model.move(docs.model.find("Appendix"), space="OPS")
    docs.run()
    ops.reached = StopAt(point)
    with pytest.raises(Stopped):
        ops.run()
    ops.reached = lambda _: None
    ops.run()
    assert ops.holds("Appendix")


def test_two_datasources_that_tell_a_third_do_not_take_each_others_note(docs, ops):
    docs.model.create_space("TEAM", "Team")
    page = docs.model.create_page("TEAM", "Minutes", "<p>Agreed</p>")
    team = Other(docs.sandbox, docs.folder, {"space": "TEAM"}, id="team")
    team.run()
    docs.model.move(docs.model.find("Appendix"), space="OPS")
    docs.model.move(page, space="OPS")
    docs.run()
    team.run()
    assert notes(docs) == ["state/ops/arrivals/docs.json", "state/ops/arrivals/team.json"]
    ops.run()
    assert ops.holds("Appendix")
    assert ops.holds("Minutes")


def test_deletions_that_wait_for_consent_tell_once_and_not_in_every_run(docs, ops):
    for number in range(60):
        docs.model.create_page("DOCS", f"Many {number}", "", parent=docs.model.find("Appendix"))
    docs.run()
    docs.model.move(docs.model.find("Appendix"), space="OPS")
    assert docs.run().counts["withheld"] == 61
    assert ops.run().mode == "reconcile"
    docs.run()
    assert ops.run().mode == "changes"


@pytest.mark.parametrize("damage", ["{", '{"format": 99}', '{"format": 1}', "[]"])
def test_a_broken_neighbour_hurts_nobody(docs, ops, damage):
    (docs.folder / "state" / "ops" / "head.json").write_text(damage)
    docs.model.move(docs.model.find("Appendix"), space="OPS")
    assert docs.run().clean
    assert docs.indexed() == docs.expected()


def test_a_note_that_cannot_be_written_is_said_and_stops_nothing(docs, ops):
    (docs.folder / "state" / "ops" / "arrivals").write_text("no folder")
    docs.model.move(docs.model.find("Appendix"), space="OPS")
    result = docs.run()
    assert "datasource ops could not be told" in " ".join(result.notes)
    assert docs.indexed() == docs.expected()


def test_a_note_that_is_cut_short_counts_once(docs, ops):
    Storage(docs.folder / "state").write("ops/arrivals/docs.json", b'{"form')
    assert ops.run().mode == "reconcile"
    assert ops.run().mode == "changes"


def test_datasources_of_another_site_are_not_told(docs, tmp_path):
    with Sandbox(docs.sandbox.edition) as elsewhere:
        stranger = fill(Other(elsewhere, tmp_path, {"space": "OPS", "queue": {"name": "stranger"}}, id="stranger"))
        stranger.run()
    docs.model.move(docs.model.find("Appendix"), space="OPS")
    docs.run()
    assert notes(docs) == []


def test_telling_costs_no_request(docs, ops):
    page = docs.model.find("Appendix")
    docs.model.trash(page)
    docs.sandbox.requests.clear()
    docs.run()
    without = len(docs.sandbox.requests)
    docs.model.restore(page)
    docs.run()
    docs.model.move(page, space="OPS")
    docs.sandbox.requests.clear()
    docs.run()
    assert len(docs.sandbox.requests) == without
    assert notes(docs) == ["state/ops/arrivals/docs.json"]
