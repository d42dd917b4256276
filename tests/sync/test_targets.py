"""Targeted runs: named items are looked up by id, and nothing else is touched."""

from __future__ import annotations

import json

import pytest

from airflow_provider_confluence.errors import ConfigurationError
from airflow_provider_confluence.testing.sandbox import ManualClock, Model, Readings, Sandbox
from airflow_provider_confluence.testing.sandbox.faults import Respond, Tamper
from tests.sync.conftest import Wiki, fill
from tests.sync.histories import StopAt, Stopped


@pytest.fixture
def indexed(wiki):
    """A wiki that is indexed, in which auto is a quick look until everything is due again."""
    wiki.definition |= {"cheap_reconcile_requests": 1}
    wiki.run()
    return wiki


def head_of(wiki):
    return json.loads((wiki.folder / "state" / "docs" / "head.json").read_text())


def revisions(wiki):
    return {content_id: document.revision for content_id, document in wiki.documents().items()}


def only(wiki, *content_ids, **options):
    return wiki.run(content_ids=content_ids, **options)


# ---------------------------------------------------------------- what it does
def test_a_target_is_extracted_again_whatever_the_manifest_says_and_nothing_else_is(indexed):
    guide, before = indexed.model.find("Guide"), revisions(indexed)
    result = only(indexed, guide)
    after = revisions(indexed)
    assert (result.mode, result.clean, result.counts["written"]) == ("targeted", True, 1)
    assert after.pop(guide) == result.revision
    assert after == {content_id: revision for content_id, revision in before.items() if content_id != guide}


def test_pages_blog_posts_and_attachments_may_be_targets_together(indexed):
    model = indexed.model
    model.edit(model.find("Chapter"), body="<p>Turn the wheel</p>")
    model.edit(model.find("News"), body="<p>Again</p>")
    model.attach(model.find("Guide"), "plan.txt", b"a longer plan", "text/plain")
    result = only(indexed, *(model.find(title) for title in ("Chapter", "News", "plan.txt")))
    assert (result.clean, result.counts["written"]) == (True, 3)
    assert indexed.indexed() == indexed.expected()


def test_comments_may_be_targets(wiki):
    wiki.definition["enable_comments"] = True
    model = wiki.model
    kept, gone = (model.create_comment(model.find("Guide"), f"<p>Comment {number}</p>") for number in range(2))
    wiki.run()
    fresh = model.create_comment(model.find("News"), "<p>Fresh</p>")
    model.edit_comment(kept, "<p>Edited</p>")
    model.delete_comment(gone)
    result = only(wiki, kept, gone, fresh)
    assert (result.clean, result.counts["written"], result.counts["deleted"]) == (True, 2, 1)
    documents = wiki.documents()
    assert documents.keys() == wiki.expected().keys()
    assert [(documents[i].content.strip(), documents[i].title) for i in (kept, fresh)] == [
        ("Edited", "Re: Guide"),
        ("Fresh", "Re: News"),
    ]


def test_what_was_never_indexed_is_brought(indexed):
    model = indexed.model
    page = model.create_page("DOCS", "Fresh", "<p>Fresh</p>", parent=model.find("Guide"))
    post = model.create_blogpost("DOCS", "Fresh news", "<p>Fresh</p>")
    file = model.attach(model.find("News"), "fresh.txt", b"fresh", "text/plain")
    model.create_page("DOCS", "Not named", "<p>Waits for the next run</p>")
    only(indexed, page, post, file)
    found = indexed.indexed()
    expected = indexed.expected()
    assert {i: found[i] for i in (page, post, file)} == {i: expected[i] for i in (page, post, file)}
    assert expected.keys() - found.keys() == {model.find("Not named")}


@pytest.mark.parametrize("end", ["trash", "purge", "hide", "archive"])
def test_a_target_that_is_gone_is_removed_with_what_it_holds(indexed, end):
    model = indexed.model
    guide, file, appendix = (model.find(title) for title in ("Guide", "plan.txt", "Appendix"))
    getattr(model, end)(guide)
    model.trash(appendix)
    result = only(indexed, guide)
    assert (result.clean, result.counts["deleted"]) == (True, 2)
    assert not {guide, file} & indexed.indexed().keys()
    assert appendix in indexed.indexed()


def test_an_attachment_that_is_gone_is_removed_alone(indexed):
    file = indexed.model.find("plan.txt")
    indexed.model.delete_attachment(file)
    assert only(indexed, file).counts["deleted"] == 1
    assert indexed.model.find("Guide") in indexed.indexed()


def test_a_target_that_one_answer_leaves_out_stays(indexed):
    guide = indexed.model.find("Guide")

    left_out = []

    def leave_out(request, response):
        left_out.append(request.path)
        response.document["results"] = []

    route = "*/api/v2/pages" if indexed.sandbox.edition == "cloud" else "*/rest/api/content"
    indexed.sandbox.faults.add(Tamper(leave_out, route=route, times=1))
    result = only(indexed, guide)
    assert (len(left_out), result.counts["deleted"], result.clean) == (1, 0, True)
    assert indexed.indexed() == indexed.expected()


def test_many_targets_that_are_gone_wait_for_consent(indexed):
    pages = [indexed.model.create_page("DOCS", f"Many {number}", "") for number in range(60)]
    indexed.run(mode="reconcile")
    for page in pages:
        indexed.model.trash(page)
    held = only(indexed, *pages)
    assert (held.clean, held.counts["withheld"]) == (False, 60)
    assert set(pages) <= indexed.indexed().keys()
    assert only(indexed, *pages, allow_mass_delete=held.revision).clean
    assert indexed.indexed() == indexed.expected()


def test_a_targeted_run_keeps_the_consent_that_others_wait_for(indexed):
    pages = [indexed.model.create_page("DOCS", f"Many {number}", "") for number in range(60)]
    indexed.run(mode="reconcile")
    for page in pages:
        indexed.model.trash(page)
    held = indexed.run(mode="reconcile")
    meanwhile = only(indexed, indexed.model.find("Guide"))
    assert (meanwhile.clean, meanwhile.counts["withheld"]) == (True, 60)
    assert indexed.run(allow_mass_delete=held.revision).clean
    assert indexed.indexed() == indexed.expected()


# ---------------------------------------------------------------- what it says
def test_an_id_that_confluence_does_not_know_is_named(indexed):
    result = only(indexed, "999999", "att999999", indexed.model.find("Guide"))
    assert result.clean
    assert "id 999999, att999999" in " ".join(result.notes)
    assert result.counts["written"] == 1


def test_an_id_out_of_scope_is_named_and_not_indexed(indexed):
    runbook = indexed.model.find("Runbook")
    result = only(indexed, runbook)
    assert f"{runbook} is not in the scope of datasource docs" in " ".join(result.notes)
    assert indexed.indexed() == indexed.expected()


def test_ids_of_types_that_the_datasource_does_not_take_are_named(wiki):
    wiki.definition = {"space": "DOCS"}
    wiki.run()
    news, file = wiki.model.find("News"), wiki.model.find("plan.txt")
    notes = " ".join(only(wiki, news, file).notes)
    assert all(text in notes for text in ("not in the scope", news, file))
    assert wiki.indexed() == wiki.expected()


def test_a_trashed_page_that_was_never_indexed_is_named(indexed):
    page = indexed.model.create_page("DOCS", "Short-lived", "")
    indexed.model.trash(page)
    assert f"{page} is not shown as current" in " ".join(only(indexed, page).notes)


def test_a_target_that_left_the_scope_is_removed_and_named(indexed):
    appendix = indexed.model.find("Appendix")
    indexed.model.move(appendix, space="OPS")
    result = only(indexed, appendix)
    assert appendix in " ".join(result.notes)
    assert indexed.indexed() == indexed.expected()


def test_targets_are_judged_by_labels_and_roots_as_everything_else_is(wiki):
    guide = wiki.model.find("Guide")
    wiki.definition |= {"root_pages": [guide], "exclude_labels": ["draft"]}
    wiki.run()
    wiki.model.relabel(wiki.model.find("Chapter"), ["draft"])
    result = only(wiki, wiki.model.find("Chapter"), wiki.model.find("Appendix"), wiki.model.find("plan.txt"))
    assert wiki.indexed() == wiki.expected()
    assert wiki.model.find("Appendix") in " ".join(result.notes)


@pytest.mark.parametrize("wrong", ["1,2", "12 or 1=1", "", "page", "att", "-1", "１２"])
def test_what_cannot_be_an_id_is_refused_before_any_request(indexed, wrong):
    indexed.sandbox.requests.clear()
    with pytest.raises(ConfigurationError, match="content_ids"):
        only(indexed, wrong)
    assert len(indexed.sandbox.requests) == 0


def test_a_mode_beside_targets_is_refused(indexed):
    with pytest.raises(ConfigurationError, match="content_ids"):
        only(indexed, "1", mode="full")


# ---------------------------------------------------------------- beside other runs
def test_watermark_and_time_of_the_last_comparison_do_not_move(indexed):
    before = head_of(indexed)
    only(indexed, indexed.model.find("Guide"))
    after = head_of(indexed)
    assert after["revision"] > before["revision"]
    assert [after[name] for name in ("watermark", "reconciled", "account", "datasource")] == [
        before[name] for name in ("watermark", "reconciled", "account", "datasource")
    ]


def test_an_edit_beside_the_targets_is_seen_by_the_next_quick_run(indexed):
    indexed.model.edit(indexed.model.find("Chapter"), body="<p>Turn the wheel</p>")
    only(indexed, indexed.model.find("Guide"))
    assert indexed.run().mode == "changes"
    assert indexed.indexed() == indexed.expected()


def test_what_is_pending_beside_the_targets_stays_pending(indexed):
    indexed.definition["max_items_per_run"] = 1
    for number in range(3):
        indexed.model.create_page("DOCS", f"New {number}", f"<p>Fresh {number}</p>")
    assert indexed.run().counts["left_for_later"] == 2
    assert only(indexed, indexed.model.find("Guide")).counts["pending"] == 2
    while indexed.run().counts["left_for_later"]:
        pass
    assert indexed.indexed() == indexed.expected()


def test_a_pending_target_is_brought_and_a_failed_one_succeeds(indexed):
    model = indexed.model
    model.edit(model.find("Chapter"), body="<p>Turn the wheel</p>")
    broken = Respond(500, route="*/pages*" if indexed.sandbox.edition == "cloud" else "*/content*", times=None)
    broken.matches = lambda request: "body" in str(request.query)
    indexed.sandbox.faults.add(broken)
    assert indexed.run().counts["failed"] == 1
    indexed.sandbox.faults.clear()
    result = only(indexed, model.find("Chapter"))
    assert (result.counts["failing"], result.counts["written"]) == (0, 1)
    assert indexed.indexed() == indexed.expected()


@pytest.mark.parametrize("point", ["plan_written", "sink_written", "indexed", "result_written"])
def test_a_targeted_run_takes_over_what_a_dead_run_left_and_the_next_one_compares_everything(indexed, point):
    model = indexed.model
    for title in ("Home", "Chapter"):
        model.edit(model.find(title), body="<p>Turn the wheel</p>")
    model.trash(model.find("Appendix"))
    indexed.reached = StopAt(point)
    with pytest.raises(Stopped):
        indexed.run(mode="reconcile")
    indexed.reached = lambda _: None
    model.trash(model.find("Chapter"))
    only(indexed, model.find("Guide"))
    assert indexed.run().mode == "reconcile"
    assert indexed.indexed() == indexed.expected()
    assert indexed.run().mode == "changes"


def test_a_targeted_run_that_died_is_finished_by_the_next_run(indexed):
    chapter = indexed.model.find("Chapter")
    indexed.model.edit(chapter, body="<p>Turn the wheel</p>")
    indexed.reached = StopAt("sink_written")
    with pytest.raises(Stopped):
        only(indexed, chapter)
    indexed.reached = lambda _: None
    assert indexed.run().clean
    assert indexed.indexed() == indexed.expected()


def test_a_targeted_run_before_the_first_commit_is_refused(wiki):
    with pytest.raises(ConfigurationError, match="no committed run"):
        only(wiki, wiki.model.find("Guide"))
    wiki.run()
    assert wiki.indexed() == wiki.expected()


@pytest.mark.parametrize("change", [{"space": ["DOCS", "OPS"]}, {"name": "Other"}, {"queue": {"name": "elsewhere"}}])
def test_a_targeted_run_after_a_change_of_settings_is_refused_and_stops_nobody(indexed, change):
    claim = (indexed.folder / "state" / "docs" / "claim.json").read_bytes()
    indexed.definition |= change
    with pytest.raises(ConfigurationError, match="run once without"):
        only(indexed, indexed.model.find("Guide"))
    assert (indexed.folder / "state" / "docs" / "claim.json").read_bytes() == claim


# ---------------------------------------------------------------- what it costs
def test_a_targeted_run_costs_a_handful_of_requests_however_large_the_space(indexed):
    for number in range(600):
        indexed.model.create_page("DOCS", f"Many {number}", "<p>x</p>")
    indexed.run(mode="reconcile")
    page = indexed.model.find("Many 7")
    indexed.sandbox.requests.clear()
    only(indexed, page)
    # Who we are, the spaces, the page, its body. On Cloud its labels, its restrictions, and the names of its people for listing and for
    # extraction; on Data Center, once for each of the two, which edition it is.
    assert len(indexed.sandbox.requests) <= (8 if indexed.sandbox.edition == "cloud" else 6)


def test_a_targeted_comment_stays_where_the_listing_does_not_show_its_page_yet(tmp_path):
    clock = ManualClock()
    with Sandbox("cloud", Model(clock=clock, readings=Readings(cloud_list_lag_seconds=90.0))) as sandbox:
        wiki = fill(Wiki(sandbox, tmp_path))
        wiki.definition["enable_comments"] = True
        comment = wiki.model.create_comment(wiki.model.find("Guide"), "<p>Well said</p>")
        wiki.run()
        wiki.run(content_ids=[comment])
        assert comment in wiki.documents()
        wiki.run(mode="reconcile")
        assert comment in wiki.documents()
        clock.advance(3600)
        wiki.run(mode="reconcile")
        assert wiki.indexed() == wiki.expected()
