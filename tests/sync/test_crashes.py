"""Law 4: the head moves last. Stopped at any named point, however often, the next run converges."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_confluence.errors import SpaceNotFoundError, SupersededError
from airflow_provider_confluence.sync.commit import commit
from airflow_provider_confluence.sync.context import CRASH_POINTS
from airflow_provider_confluence.sync.extract import extract
from airflow_provider_confluence.sync.index import index
from airflow_provider_confluence.sync.list_changes import list_changes
from airflow_provider_confluence.testing.sandbox import Sandbox
from tests.contracts.checker import ContractChecker
from tests.sync.conftest import Wiki, fill
from tests.sync.histories import ACTIONS, StopAt, Stopped, act


def change_everything(wiki):
    model = wiki.model
    model.edit(model.find("Chapter"), body="<p>Edited</p>")
    model.trash(model.find("Appendix"))
    model.create_page("DOCS", "Arrived", "<p>New here</p>")
    model.relabel(model.find("Home"), ["other"])


def test_a_whole_run_passes_every_named_point_in_order(wiki):
    seen = []
    wiki.reached = seen.append
    wiki.run()
    assert list(dict.fromkeys(seen)) == list(CRASH_POINTS)


@pytest.mark.parametrize(
    ("point", "there"), [("listed", set()), ("items_written", {"items-0.jsonl.gz", "rest.jsonl.gz"})]
)
def test_a_plan_appears_only_after_all_that_it_holds(wiki, point, there):
    wiki.reached = StopAt(point)
    with pytest.raises(Stopped):
        wiki.run()
    assert {path.name for path in (wiki.folder / "state" / "docs").glob("runs/*/*")} == there


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_the_first_run_stopped_anywhere_is_finished_by_the_next(wiki, point):
    wiki.reached = StopAt(point)
    with pytest.raises(Stopped):
        wiki.run()
    wiki.reached = lambda _: None
    change_everything(wiki)
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_a_later_run_stopped_anywhere_is_finished_by_the_next(wiki, point):
    wiki.run()
    appendix = wiki.model.find("Appendix")
    change_everything(wiki)
    wiki.reached = StopAt(point)
    with pytest.raises(Stopped):
        wiki.run()
    wiki.reached = lambda _: None
    # What the stopped run was about to write is gone again, what it was about to remove is back.
    model = wiki.model
    model.trash(model.find("Arrived"))
    model.restore(appendix)
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


steps = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 30)), max_size=5),
        st.sampled_from([None, *CRASH_POINTS]),
        st.integers(1, 2),
        st.sampled_from(["auto", "auto", "changes", "verify", "full"]),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edition=st.sampled_from(["cloud", "datacenter"]), history=steps)
def test_any_history_with_stops_at_any_point_converges(tmp_path_factory, edition, history):
    checker = ContractChecker(edition)
    with Sandbox(edition, observer=checker) as sandbox:
        wiki = fill(Wiki(sandbox, tmp_path_factory.mktemp("w")))
        for changes, point, passing, mode in history:
            for action, number in changes:
                act(wiki, action, number)
            wiki.reached = StopAt(point, passing) if point else lambda _: None
            before = wiki.indexed() if (wiki.folder / "index").exists() else {}
            hidden = wiki.model.space("DOCS").hidden
            with suppress(Stopped, *([SpaceNotFoundError] if hidden else [])):
                wiki.run(mode=mode)
            after = wiki.indexed() if (wiki.folder / "index").exists() else {}
            assert not hidden or after == before, "a space that cannot be seen must change nothing"
            assert not [i for i in before if i not in after and i in wiki.expected()], (
                "something Confluence still shows was removed"
            )
            wiki.model.show_space("DOCS")
        wiki.reached = lambda _: None
        wiki.definition |= {"max_items_per_run": 1000, "queue": {"name": "indexing_documents"}}
        assert wiki.run().clean
        assert wiki.indexed() == wiki.expected()
    checker.assert_clean()


# ---------------------------------------------------------------- who stands aside
def test_a_run_that_lost_its_claim_stands_aside_at_every_step(wiki):
    wiki.run()
    change_everything(wiki)
    old = list_changes(wiki.context, wiki.datasource)
    extract(wiki.context, "docs", old.revision, 0)
    wiki.run()
    before = wiki.indexed()
    for step in (extract, index):
        with pytest.raises(SupersededError):
            step(wiki.context, "docs", old.revision, 0)
    with pytest.raises(SupersededError):
        commit(wiki.context, "docs", old.revision)
    assert wiki.indexed() == before == wiki.expected()


def test_a_committed_run_reports_again_and_its_steps_skip(wiki):
    first = wiki.run()
    for step in (extract, index):
        with pytest.raises(SupersededError, match="already committed"):
            step(wiki.context, "docs", first.revision, 0)
    assert commit(wiki.context, "docs", first.revision) == first


def test_steps_repeated_before_the_commit_do_nothing_twice(wiki):
    plan = list_changes(wiki.context, wiki.datasource)
    extract(wiki.context, "docs", plan.revision, 0)
    assert sum("body" in str(request.query) for request in wiki.sandbox.requests) == 2  # pages, and blog posts
    assert extract(wiki.context, "docs", plan.revision, 0).staged_before == 6
    assert sum("body" in str(request.query) for request in wiki.sandbox.requests) == 2
    index(wiki.context, "docs", plan.revision, 0)
    assert index(wiki.context, "docs", plan.revision, 0).written_before == 6
    commit(wiki.context, "docs", plan.revision)
    assert wiki.indexed() == wiki.expected()


def test_a_commit_without_its_index_step_carries_everything_as_pending(wiki):
    plan = list_changes(wiki.context, wiki.datasource)
    result = commit(wiki.context, "docs", plan.revision)
    assert not result.clean
    assert (result.counts["unfinished"], result.counts["pending"]) == (6, 6)
    assert wiki.run().counts["written"] == 6
    assert wiki.indexed() == wiki.expected()


def test_a_lost_head_is_taken_as_in_doubt_and_deletions_are_still_found(wiki):
    wiki.run()
    (wiki.folder / "state" / "docs" / "head.json").unlink()
    wiki.model.trash(wiki.model.find("Appendix"))
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


def test_a_lost_state_is_made_good_from_the_sinks_inventory(wiki):
    import shutil

    wiki.run()
    shutil.rmtree(wiki.folder / "state" / "docs")
    wiki.model.trash(wiki.model.find("Guide"))
    wiki.run()
    assert wiki.indexed() == wiki.expected()


def test_revisions_grow_even_when_the_servers_clock_goes_back(wiki):
    first = wiki.run()
    claim = wiki.folder / "state" / "docs" / "claim.json"
    far = first.revision + 10**9
    claim.write_text(claim.read_text().replace(str(first.revision), str(far)))
    assert wiki.run().revision > far
