"""Settings that change while a run died, dead runs of another target, and files that are lost: the index still comes true."""

from __future__ import annotations

import shutil

import pytest

from airflow_provider_confluence.errors import OwnershipError, StorageError
from airflow_provider_confluence.sinks.local import LocalSink, index_path
from airflow_provider_confluence.sync.list_changes import list_changes
from airflow_provider_confluence.testing.sandbox.fault import Fault
from airflow_provider_confluence.testing.sandbox.faults import During, RepeatedCursor
from tests.sync.histories import StopAt, Stopped
from tests.sync.test_faults import BY_IDS, LISTINGS, Poison, many


def stop(wiki, point, **options):
    wiki.reached = StopAt(point)
    with pytest.raises(Stopped):
        wiki.run(**options)
    wiki.reached = lambda _: None


def pages_of(wiki, queue):
    """The content ids that the index of another queue holds."""
    from airflow_provider_confluence.sinks.base import Owner
    from airflow_provider_confluence.sync.journal import Journal

    sink = LocalSink(index_path(wiki.folder / "index", queue))
    journal = Journal(wiki.context.storage, "docs")
    sink.open(Owner("docs", journal.deployment_id(), wiki.sandbox.endpoint.rstrip("/")))
    try:
        return {item.content_id for item in sink.inventory("docs")}
    finally:
        sink.close()


# ---------------------------------------------------------------- what nobody was told of yet
def test_what_a_dead_run_wrote_and_removed_is_told_by_the_next(wiki):
    first = wiki.run()
    wiki.model.edit(wiki.model.find("Chapter"), body="<p>New words</p>")
    wiki.model.trash(wiki.model.find("Appendix"))
    gone = wiki.indexed().keys() - wiki.expected().keys()
    stop(wiki, "indexed")
    result = wiki.run()
    # Nothing was left to do, and yet the index is not what it was at the commit that this run follows.
    assert (result.counts["written"], result.counts["deleted"]) == (0, 0)
    assert (result.changed, result.follows) == (True, first.revision)
    assert result.counts["taken_over"] == 1 + len(gone)
    after = wiki.run()
    assert (after.changed, after.counts["taken_over"]) == (False, 0)


# ---------------------------------------------------------------- another target
def test_a_deletion_that_a_dead_run_carried_out_elsewhere_is_still_carried_out_here(wiki):
    wiki.run()
    wiki.model.trash(wiki.model.find("Appendix"))
    wiki.definition["queue"] = {"name": "elsewhere"}
    stop(wiki, "indexed")
    del wiki.definition["queue"]
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


def test_an_index_that_is_gone_back_to_loses_what_was_deleted_meanwhile(wiki):
    wiki.run()
    wiki.definition["queue"] = {"name": "elsewhere"}
    wiki.run()
    wiki.model.trash(wiki.model.find("Appendix"))
    wiki.run()
    del wiki.definition["queue"]
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


def test_a_target_that_only_a_dead_run_wrote_to_is_among_the_previous_targets(wiki):
    wiki.run()
    wiki.definition["queue"] = {"name": "elsewhere"}
    stop(wiki, "indexed")
    del wiki.definition["queue"]
    wiki.run()
    targets = wiki.context.storage.read_json("docs/head.json")["previous_targets"]
    assert [target.split(":")[1] for target in targets] == ["elsewhere"]


@pytest.mark.parametrize("change", [{"name": "Renamed"}, {"queue": {"name": "elsewhere"}}])
def test_what_an_incomplete_listing_did_not_name_is_made_anew_by_the_next(wiki, change):
    many(wiki, 280)
    wiki.run()
    wiki.definition |= change
    fault = RepeatedCursor(route=LISTINGS[wiki.sandbox.edition], times=None)
    wiki.sandbox.faults.add(fault)
    assert not wiki.run().clean
    wiki.sandbox.faults.remove(fault)
    assert wiki.run().clean
    if "name" in change:
        assert {d.datasource_name for d in wiki.documents().values()} == {"Renamed"}
    else:
        assert pages_of(wiki, "elsewhere") == wiki.expected().keys()


def test_a_page_that_was_away_while_everything_was_made_anew_is_made_anew_when_it_is_back(wiki):
    wiki.run()
    page = wiki.model.find("Appendix")
    wiki.definition["name"] = "Renamed"
    wiki.sandbox.faults.add(During(lambda _: wiki.model.hide(page), route=BY_IDS[wiki.sandbox.edition], times=1))
    wiki.run()
    wiki.model.show(page)
    wiki.run()
    assert {d.datasource_name for d in wiki.documents().values()} == {"Renamed"}


# ---------------------------------------------------------------- the scope changes
def test_a_space_that_a_dead_run_brought_and_that_is_out_of_scope_again_goes_without_consent(wiki):
    wiki.definition["space"] = ["DOCS"]
    wiki.run()
    for n in range(60):
        wiki.model.create_page("OPS", f"Ops {n}", "<p>x</p>")
    wiki.definition["space"] = ["DOCS", "OPS"]
    stop(wiki, "indexed")
    wiki.definition["space"] = ["DOCS"]
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


def test_blog_posts_that_a_dead_run_brought_and_that_are_out_of_scope_again_go_without_consent(wiki):
    wiki.definition["enable_blogposts"] = False
    wiki.run()
    for n in range(60):
        wiki.model.create_blogpost("DOCS", f"News {n}", "<p>x</p>")
    wiki.definition["enable_blogposts"] = True
    stop(wiki, "indexed")
    wiki.definition["enable_blogposts"] = False
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


def test_the_attachments_of_blog_posts_go_with_them_when_blog_posts_are_switched_off(wiki):
    post = wiki.model.find("News")
    for n in range(60):
        wiki.model.attach(post, f"{n}.txt", b"x", "text/plain")
    wiki.run()
    wiki.definition["enable_blogposts"] = False
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()
    wiki.definition["enable_blogposts"] = True
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


def test_a_page_that_moved_into_scope_stays_though_its_new_space_was_not_listed_whole(wiki):
    wiki.definition["space"] = ["DOCS", "OPS"]
    wiki.run()
    page = wiki.model.find("Runbook")
    wiki.model.move(page, space="DOCS")
    wiki.definition["space"] = ["DOCS"]
    wiki.sandbox.faults.add(OddListing(page, route=LISTINGS[wiki.sandbox.edition]))
    assert not wiki.run().clean
    assert page in wiki.indexed()


class OddListing(Fault):
    """A listing that names its first item twice, which makes it doubtful, and does not name one page."""

    def __init__(self, page, *, route):
        super().__init__(route=route, times=None)
        self.page = page

    def apply(self, request, answer, /):
        response = answer(request)
        rows = [row for row in response.document["results"] if str(row["id"]) != self.page]
        response.document["results"] = [*rows, *rows[:1]]
        return response


def test_a_space_with_a_new_key_keeps_its_documents(wiki):
    wiki.run()
    before = wiki.indexed().keys()
    wiki.model.rename_space("DOCS", "Documents", new_key="MANUAL")
    wiki.definition["space"] = ["MANUAL"]
    result = wiki.run()
    assert (result.clean, result.counts["deleted"]) == (True, 0)
    assert wiki.indexed() == wiki.expected()
    assert wiki.indexed().keys() == before


# ---------------------------------------------------------------- what may not be taken for clean
def test_failures_beyond_the_budget_stay_news_when_the_commit_is_repeated(wiki):
    for content_id in many(wiki, 11):
        wiki.sandbox.faults.add(Poison(content_id))
    from airflow_provider_confluence.sync.commit import commit
    from airflow_provider_confluence.sync.extract import extract
    from airflow_provider_confluence.sync.index import index

    plan = list_changes(wiki.context, wiki.datasource)
    extract(wiki.context, "docs", plan.revision, 0)
    index(wiki.context, "docs", plan.revision, 0)
    wiki.reached = StopAt("generation_written")
    with pytest.raises(Stopped):
        commit(wiki.context, "docs", plan.revision)
    wiki.reached = lambda _: None
    result = commit(wiki.context, "docs", plan.revision)
    assert not result.clean
    assert {f["attempts"] for f in result.failures} == {1}


# ---------------------------------------------------------------- several small runs
def test_a_small_share_a_run_gets_there_in_the_end_with_deletions_and_a_dead_run(wiki):
    wiki.definition["max_items_per_run"] = 3
    ids = many(wiki, 10)
    wiki.run()
    wiki.model.trash(ids[0])
    wiki.model.trash(wiki.model.find("Appendix"))
    stop(wiki, "receipt_written", mode="full")
    for _ in range(12):
        if not wiki.run().counts["left_for_later"]:
            break
    assert wiki.indexed() == wiki.expected()


# ---------------------------------------------------------------- lost files
def test_a_lost_claim_gives_no_revision_below_a_dead_runs(wiki):
    wiki.run()
    state = wiki.folder / "state" / "docs"
    far = wiki.context.storage.read_json("docs/head.json")["revision"] + 10**9
    claim = state / "claim.json"
    claim.write_text(claim.read_text().replace(str(far - 10**9), str(far)))
    page = wiki.model.find("Appendix")
    wiki.model.edit(page, body="<p>First edit</p>")
    stop(wiki, "indexed")
    claim.unlink()
    wiki.model.edit(page, body="<p>Second edit</p>")
    assert wiki.run().clean
    assert "Second edit" in wiki.documents()[page].content


def test_a_head_lost_while_deletions_wait_keeps_them_waiting(wiki):
    ids = many(wiki, 60)
    wiki.run()
    for content_id in ids:
        wiki.model.trash(content_id)
    wiki.run()
    (wiki.folder / "state" / "docs" / "head.json").unlink()
    held = wiki.run()
    assert held.counts["withheld"] == 60
    assert wiki.run(allow_mass_delete=held.revision).clean
    assert wiki.indexed() == wiki.expected()


def test_a_lost_generation_says_how_to_go_on_and_going_on_so_converges(wiki):
    wiki.run()
    wiki.model.trash(wiki.model.find("Appendix"))
    state = wiki.folder / "state" / "docs"
    shutil.rmtree(state / "manifest")
    with pytest.raises(StorageError, match=r"move head\.json away"):
        wiki.run()
    (state / "head.json").unlink()
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


def test_a_lost_instance_is_another_deployment_and_deletes_nothing(wiki):
    wiki.run()
    before = wiki.indexed()
    instance = wiki.folder / "state" / "instance.json"
    kept = instance.read_text()
    instance.unlink()
    wiki.model.trash(wiki.model.find("Appendix"))
    with pytest.raises(OwnershipError, match="adopt"):
        wiki.run()
    instance.write_text(kept)
    assert wiki.indexed() == before


@pytest.mark.parametrize("text", ["{}", '{"format": "x"}', '{"format": 0}'])
@pytest.mark.parametrize("name", ["docs/head.json", "docs/claim.json", "instance.json"])
def test_a_file_of_no_format_that_is_known_is_an_error_that_names_it(wiki, name, text):
    wiki.run()
    (wiki.folder / "state" / name).write_text(text)
    with pytest.raises(StorageError, match=name.split("/")[-1]):
        wiki.run(mode="full")
    assert (wiki.folder / "state" / name).read_text() == text
