"""The modes: the quick look at the latest changes, the comparison of everything, the comparison with the sink, and who chooses."""

from __future__ import annotations

import sqlite3

import pytest

from airflow_provider_confluence.documents import document_id
from airflow_provider_confluence.errors import AccessDeniedError, ConfigurationError
from airflow_provider_confluence.testing.sandbox import ManualClock, Model, Sandbox
from airflow_provider_confluence.testing.sandbox.faults import RepeatedCursor, Respond, Tamper
from tests.contracts.checker import ContractChecker
from tests.soak.history import FewRows
from tests.sync.conftest import Wiki, fill
from tests.sync.histories import StopAt, Stopped


@pytest.fixture(params=["cloud", "datacenter"])
def clock_and_wiki(request, tmp_path):
    clock = ManualClock()
    checker = ContractChecker(request.param)
    with Sandbox(request.param, Model(clock=clock), observer=checker) as sandbox:
        yield clock, fill(Wiki(sandbox, tmp_path))
    checker.assert_clean()


@pytest.fixture
def clock(clock_and_wiki):
    """The clock of the server that ``quick`` reads."""
    return clock_and_wiki[0]


@pytest.fixture
def quick(clock_and_wiki):
    """A wiki that is indexed, in which auto means a quick look until everything is due again, six hours later."""
    _, wiki = clock_and_wiki
    wiki.definition |= {"cheap_reconcile_requests": 1, "reconcile_interval": "6h"}
    wiki.run()
    return wiki


def test_auto_compares_everything_as_long_as_that_is_cheap(wiki):
    wiki.run()
    assert wiki.run().mode == "reconcile"


def test_auto_looks_at_the_latest_changes_where_comparing_everything_is_dear(quick):
    assert quick.run().mode == "changes"


def test_auto_compares_everything_when_it_is_due(quick, clock):
    clock.advance(5.9 * 3600)
    assert quick.run().mode == "changes"
    clock.advance(0.2 * 3600)
    assert quick.run().mode == "reconcile"
    clock.advance(60)
    assert quick.run().mode == "changes"


def test_a_quiet_quick_run_costs_a_handful_of_requests_however_large_the_space(quick, clock):
    for number in range(700):
        quick.model.create_page("DOCS", f"Many {number}", "")
    clock.advance(3600)
    quick.definition = {"space": "DOCS", "cheap_reconcile_requests": 1}
    quick.run(mode="reconcile")
    clock.advance(300)
    quick.sandbox.requests.clear()
    result = quick.run()
    assert result.mode == "changes"
    assert len(quick.sandbox.requests) <= (5 if quick.sandbox.edition == "cloud" else 8)


def test_a_quick_run_brings_edits_new_pages_blogposts_and_attachments(quick):
    model = quick.model
    model.edit(model.find("Chapter"), body="<p>Turn the wheel</p>")
    model.create_page("DOCS", "New page", "<p>Fresh</p>", parent=model.find("Guide"), labels=["fresh"])
    model.create_blogpost("DOCS", "More news", "<p>Again</p>")
    model.attach(model.find("Guide"), "plan.txt", b"a longer plan", "text/plain")
    model.attach(model.find("Chapter"), "new.txt", b"new", "text/plain")
    model.create_page("OPS", "Not ours", "<p>Out of scope</p>")
    result = quick.run()
    assert result.mode == "changes"
    assert quick.indexed() == quick.expected()
    assert "Turn the wheel" in quick.documents()[model.find("Chapter")].content


def test_what_a_quick_run_cannot_see_the_next_whole_one_does(quick):
    model = quick.model
    model.trash(model.find("Appendix"))
    model.relabel(model.find("Home"), ["other"])
    appendix = next(i for i, d in quick.documents().items() if d.title == "Appendix")
    assert quick.run().mode == "changes"
    assert appendix in quick.indexed()
    quick.run(mode="reconcile")
    assert quick.indexed() == quick.expected()


def test_a_quick_run_goes_on_with_what_was_left_and_what_failed(quick):
    quick.definition["max_items_per_run"] = 1
    for number in range(3):
        quick.model.create_page("DOCS", f"New {number}", f"<p>Fresh {number}</p>")
    assert [quick.run().counts["left_for_later"] for _ in range(3)] == [2, 1, 0]
    assert quick.indexed() == quick.expected()


def test_rows_out_of_order_turn_a_quick_run_into_a_whole_one(quick, clock):
    quick.model.trash(quick.model.find("Appendix"))
    clock.advance(60)
    quick.model.create_page("DOCS", "Newest", "<p>Fresh</p>")

    def backwards(_request, response):
        response.document["results"].reverse()

    route = "*/api/v2/pages" if quick.sandbox.edition == "cloud" else "*/content/search"
    quick.sandbox.faults.add(Tamper(backwards, route=route, times=1))
    result = quick.run()
    assert result.mode == "reconcile"
    assert "cannot be trusted" in " ".join(result.notes)
    assert quick.indexed() == quick.expected()


@pytest.mark.parametrize(
    "change",
    [{"name": "Another name"}, {"space": ["DOCS", "OPS"]}, {"enable_attachments": False}],
    ids=["recipe", "space", "types"],
)
def test_changed_settings_turn_a_quick_run_into_a_whole_one(quick, change):
    quick.definition |= change
    assert quick.run(mode="changes").mode == "reconcile"
    assert quick.indexed() == quick.expected()


def test_a_dead_run_turns_the_next_quick_one_into_a_whole_one(quick):
    quick.model.create_page("DOCS", "New", "<p>Fresh</p>")
    quick.reached = StopAt("sink_written")
    with pytest.raises(Stopped):
        quick.run()
    quick.reached = lambda _: None
    quick.model.trash(quick.model.find("New"))
    assert quick.run().mode == "reconcile"
    assert quick.indexed() == quick.expected()


def test_a_listing_that_did_not_finish_does_not_count_as_a_comparison_of_everything(quick, clock):
    for number in range(260):
        quick.model.create_page("DOCS", f"Many {number}", "")
    route = "*/spaces/*/pages" if quick.sandbox.edition == "cloud" else "*/content/scan"
    clock.advance(7 * 3600)
    quick.sandbox.faults.add(RepeatedCursor(route=route, times=None))
    assert not quick.run().clean
    quick.sandbox.faults.clear()
    assert quick.run().mode == "reconcile"
    assert quick.run().mode == "changes"
    assert quick.indexed() == quick.expected()


# ---------------------------------------------------------------- verify
def database(wiki):
    return sqlite3.connect(wiki.folder / "index" / "indexing_documents.sqlite3", isolation_level=None)


def test_verify_restores_what_the_index_lost_behind_our_back(wiki):
    wiki.run()
    with database(wiki) as connection:
        connection.execute("DELETE FROM doc WHERE title = 'Guide'")
    connection.close()
    assert wiki.run().counts["written"] == 0, "comparing with Confluence alone cannot see it"
    assert wiki.run(mode="verify").counts["written"] == 1
    assert wiki.indexed() == wiki.expected()


def test_verify_removes_what_nobody_knows(wiki):
    wiki.run()
    with database(wiki) as connection:
        connection.execute(
            "INSERT INTO doc SELECT NULL, ?, revision, datasource_id, '424242', type, space_key, url, "
            "updated, labels, title, content, document FROM doc WHERE title = 'Guide'",
            [document_id("docs", "424242")],
        )
    connection.close()
    assert wiki.run(mode="verify").clean
    with database(wiki) as connection:
        assert connection.execute("SELECT count(*) FROM doc WHERE content_id = '424242'").fetchone() == (0,)


def test_what_verify_missed_and_could_not_bring_comes_with_the_next_comparison(wiki):
    for number in range(300):
        wiki.model.create_page("DOCS", f"Many {number}", "")
    wiki.run()
    with database(wiki) as connection:
        connection.execute("DELETE FROM doc WHERE title = 'Many 299'")
    connection.close()
    route = "*/spaces/*/pages" if wiki.sandbox.edition == "cloud" else "*/content/scan"
    wiki.sandbox.faults.add(RepeatedCursor(route=route, times=None))
    assert not wiki.run(mode="verify").clean
    assert wiki.model.find("Many 299") not in wiki.indexed(), "the listing broke off before it"
    wiki.sandbox.faults.clear()
    assert wiki.run(mode="reconcile").clean
    assert wiki.indexed() == wiki.expected()


def test_an_unknown_mode_is_refused_with_the_valid_ones(wiki):
    with pytest.raises(ConfigurationError, match="auto, full, reconcile, changes, verify"):
        wiki.run(mode="fast")


def test_a_failing_quick_listing_fails_the_run_and_changes_nothing(quick):
    before = quick.indexed()
    quick.sandbox.faults.add(Respond(403, route="*", times=None, after=3))
    with pytest.raises(AccessDeniedError):
        quick.run()
    quick.sandbox.faults.clear()
    assert quick.indexed() == before


def test_after_a_listing_that_broke_off_everything_is_looked_at_again(quick):
    for number in range(30):
        quick.model.create_blogpost("DOCS", f"Old {number}", "<p>Long ago</p>")
    quick.definition["enable_blogposts"] = False
    quick.run(mode="reconcile")
    quick.definition["enable_blogposts"] = True
    route = "*/blogposts" if quick.sandbox.edition == "cloud" else "*/content/scan"
    quick.sandbox.faults.add(RepeatedCursor(route=route, times=None))
    quick.sandbox.faults.add(FewRows(10))
    assert not quick.run().clean
    quick.sandbox.faults.clear()
    for mode in ("changes", "auto"):
        result = quick.run(mode=mode)
        assert quick.indexed() == quick.expected() or not result.clean
    assert quick.indexed() == quick.expected()


def test_what_an_unfinished_listing_did_not_see_leaves_without_consent_when_settings_took_it_out(quick):
    root = quick.model.create_page("DOCS", "Root", "<p>Stays</p>")
    for number in range(80):
        quick.model.create_page("DOCS", f"Leaves {number}", "<p>Goes</p>")
    quick.run(mode="reconcile")
    quick.definition["root_pages"] = [root]
    route = "*/pages" if quick.sandbox.edition == "cloud" else "*/content/scan"
    quick.sandbox.faults.add(RepeatedCursor(route=route, times=None))
    quick.sandbox.faults.add(FewRows(40))
    assert not quick.run().clean
    quick.sandbox.faults.clear()
    result = quick.run()
    assert result.clean, result.problems
    assert quick.indexed() == quick.expected()


def test_a_quick_run_tries_a_few_of_many_failed_files_again(quick, clock):
    model = quick.model
    for number in range(24):
        page = model.create_page("DOCS", f"Holds {number}", "<p>A file</p>")
        model.attach(page, "plan.txt", b"plan", "text/plain")
    quick.sandbox.faults.add(Respond(403, route="*download*", times=None))
    assert quick.run(mode="reconcile").counts["failing"] == 24
    clock.advance(3600)
    quick.run(mode="reconcile")
    result = quick.run(mode="changes")
    assert (result.mode, result.counts["failed"]) == ("changes", 20)
    quick.sandbox.faults.clear()
    assert [quick.run(mode="changes").counts["failing"] for _ in range(2)] == [4, 0]
