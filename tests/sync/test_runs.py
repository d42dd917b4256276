"""Whole runs over real HTTP, both editions: what the index holds afterwards is what the sandbox's model shows."""

from __future__ import annotations

import json

import pytest

from airflow_provider_confluence.errors import CredentialsError, SpaceNotFoundError, StorageError
from airflow_provider_confluence.sync.commit import verdict


def test_the_first_run_indexes_everything_in_scope(wiki):
    result = wiki.run()
    assert wiki.indexed() == wiki.expected()
    assert len(wiki.expected()) == 6
    assert result.clean
    assert result.mode == "full"
    assert (result.counts["listed"], result.counts["written"], result.counts["deleted"]) == (6, 6, 0)


def test_what_was_indexed_is_found_by_its_words_with_its_address(wiki):
    wiki.run()
    with wiki.index() as index:
        found = index.search("roll back deployment")
    assert [hit.title for hit in found.hits] == ["Guide"]
    assert found.hits[0].url.startswith(wiki.sandbox.endpoint)
    assert "**roll**" in found.hits[0].snippet


def test_a_quiet_run_fetches_nothing_and_writes_no_new_generation(wiki):
    wiki.run()
    before = sorted(p.name for p in (wiki.folder / "state" / "docs" / "manifest").iterdir())
    result = wiki.run()
    after = sorted(p.name for p in (wiki.folder / "state" / "docs" / "manifest").iterdir())
    assert (result.counts["fetched"], result.counts["written"], result.counts["unchanged"]) == (0, 0, 6)
    assert result.changed is False
    assert after == before


def test_a_quiet_commit_says_what_one_says_that_reads_the_manifest_and_needs_no_manifest(wiki):
    wiki.definition |= {"enable_permissions": True, "restricted": "include", "cheap_reconcile_requests": 1}
    wiki.run()
    manifest = wiki.folder / "state" / "docs" / "manifest"

    def hide(point):
        if point == "plan_written":
            manifest.rename(manifest.with_name("hidden"))

    told = []
    for mode in ("changes", "reconcile"):
        wiki.reached = hide
        told.append(wiki.run(mode=mode))
        manifest.with_name("hidden").rename(manifest)
        wiki.reached = lambda _: None
        # Without the last result the manifest must be read.
        results = sorted(wiki.folder.glob("state/docs/runs/*/result.json"))
        results[-1].unlink()
        told.append(wiki.run(mode=mode))
    for quiet, whole in (told[:2], told[2:]):
        for name in ("counts", "documents", "failures", "problems", "notes", "changed"):
            assert getattr(quiet, name) == getattr(whole, name), name
    assert told[0].counts["documents"] == len(wiki.expected())


@pytest.mark.parametrize("odd", [{"counts": None}, {"notes": None}, {"of_a_newer_package": 1}])
def test_a_last_result_that_cannot_be_read_fails_no_quiet_run(wiki, odd):
    wiki.run()
    (file,) = wiki.folder.glob("state/docs/runs/*/result.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), **odd}))
    result = wiki.run()
    assert (result.clean, result.changed) == (True, False)
    assert result.counts["documents"] == len(wiki.expected())


def test_the_next_run_fetches_only_what_changed_and_removes_what_vanished(wiki):
    wiki.run()
    model = wiki.model
    model.edit(model.find("Chapter"), body="<p>Turn the wheel</p>")
    model.trash(model.find("Appendix"))
    model.create_page("DOCS", "New page", "<p>Fresh</p>")
    result = wiki.run()
    assert wiki.indexed() == wiki.expected()
    assert (result.counts["fetched"], result.counts["deleted"]) == (2, 1)
    assert "Turn the wheel" in wiki.documents()[model.find("Chapter")].content


def test_a_move_in_the_tree_brings_the_breadcrumbs_of_the_whole_subtree(wiki):
    wiki.run()
    model = wiki.model
    model.move(model.find("Guide"), parent=model.find("Appendix"))
    result = wiki.run()
    assert wiki.indexed() == wiki.expected()
    chapter = wiki.documents()[model.find("Chapter")]
    assert [step.title for step in chapter.ancestors] == ["Home", "Appendix", "Guide"]
    assert result.counts["deleted"] == 0


def test_labels_renames_and_people_are_followed_without_a_new_version(wiki):
    wiki.run()
    model = wiki.model
    model.relabel(model.find("Home"), ["entrance"])
    model.rename_user("admin", "Somebody Else")
    wiki.run()
    assert wiki.indexed() == wiki.expected()


def test_a_page_that_moves_out_of_scope_leaves_and_one_that_moves_in_arrives(wiki):
    wiki.run()
    model = wiki.model
    model.move(model.find("Appendix"), space="OPS")
    model.move(model.find("Runbook"), space="DOCS", parent=model.find("Home", "DOCS"))
    wiki.run()
    assert wiki.indexed() == wiki.expected()
    assert model.find("Runbook") in wiki.indexed()


def test_archived_and_restored_pages_go_and_come_back(wiki):
    wiki.run()
    model = wiki.model
    page = model.find("Appendix")
    model.archive(page)
    wiki.run()
    assert page not in wiki.indexed()
    model.unarchive(page)
    wiki.run()
    assert wiki.indexed() == wiki.expected()
    assert page in wiki.indexed()


def test_attachments_follow_their_page(wiki):
    wiki.run()
    model = wiki.model
    guide = model.find("Guide")
    model.attach(guide, "plan.txt", b"a longer plan", "text/plain")
    model.attach(guide, "second.txt", b"more", "text/plain")
    wiki.run()
    assert wiki.indexed() == wiki.expected()
    model.trash(guide)
    wiki.run()
    assert wiki.indexed() == wiki.expected()
    assert not [d for d in wiki.documents().values() if d.type == "attachment"]


def test_a_deleted_attachment_goes_though_its_page_stays(wiki):
    wiki.run()
    model = wiki.model
    model.delete_attachment(model.find("plan.txt"))
    result = wiki.run()
    assert wiki.indexed() == wiki.expected()
    assert result.counts["deleted"] == 1


def test_a_narrower_datasource_removes_what_left_it(wiki):
    wiki.run()
    wiki.definition |= {"enable_blogposts": False, "enable_attachments": False}
    wiki.run()
    assert wiki.indexed() == wiki.expected()
    assert {d.type for d in wiki.documents().values()} == {"page"}


def test_several_spaces_are_one_index(wiki):
    wiki.definition["space"] = ["DOCS", "OPS"]
    wiki.run()
    assert wiki.indexed() == wiki.expected()
    wiki.definition["space"] = ["OPS"]
    wiki.run()
    assert wiki.indexed() == wiki.expected()


def test_another_name_of_the_datasource_reaches_every_document(wiki):
    wiki.run()
    wiki.definition["name"] = "Renamed"
    result = wiki.run()
    assert {d.datasource_name for d in wiki.documents().values()} == {"Renamed"}
    assert result.counts["written"] == 6


def test_mode_full_extracts_everything_again(wiki):
    wiki.run()
    assert wiki.run(mode="full").counts["fetched"] == 6


def test_more_than_a_run_may_take_waits_for_the_next(wiki):
    wiki.definition["max_items_per_run"] = 4
    first = wiki.run()
    assert (first.counts["written"], first.counts["left_for_later"]) == (4, 2)
    assert "more to do" in verdict(first)
    assert wiki.run().counts["written"] == 2
    assert wiki.indexed() == wiki.expected()


def test_many_items_are_dealt_into_shards_and_batches(wiki):
    for number in range(230):
        wiki.model.create_page("DOCS", f"Page {number}", f"<p>Text {number}</p>")
    wiki.run()
    assert wiki.indexed() == wiki.expected()
    assert len(wiki.indexed()) == 236


# ---------------------------------------------------------------- bad input
def test_a_space_that_does_not_exist_fails_with_its_name_and_deletes_nothing(wiki):
    wiki.run()
    before = wiki.indexed()
    wiki.definition["space"] = ["DOCS", "NOPE"]
    with pytest.raises(SpaceNotFoundError, match="NOPE"):
        wiki.run()
    assert wiki.indexed() == before


def test_a_wrong_token_fails_at_once_and_says_so(wiki):
    wiki.token = "wrong-token"
    with pytest.raises(CredentialsError) as caught:
        wiki.run()
    assert "wrong-token" not in str(caught.value)


def test_a_head_cut_short_is_an_error_that_loses_nothing(wiki):
    wiki.run()
    head = wiki.folder / "state" / "docs" / "head.json"
    whole = head.read_text()
    head.write_text(whole[: len(whole) // 2])
    before = wiki.folder / "index" / "indexing_documents.sqlite3"
    size = before.stat().st_size
    with pytest.raises(StorageError, match=r"head\.json is damaged or cut short"):
        wiki.run()
    assert before.stat().st_size == size
    head.write_text(whole)
    wiki.run()
    assert wiki.indexed() == wiki.expected()


def test_a_staged_batch_that_is_not_there_names_the_storage_setting(wiki):
    from airflow_provider_confluence.sync.extract import extract
    from airflow_provider_confluence.sync.index import index
    from airflow_provider_confluence.sync.list_changes import list_changes

    plan = list_changes(wiki.context, wiki.datasource)
    extract(wiki.context, "docs", plan.revision, 0)
    for staged in (wiki.folder / "state" / "docs" / "runs" / str(plan.revision) / "batches").iterdir():
        staged.unlink()
    with pytest.raises(StorageError, match="storage_path"):
        index(wiki.context, "docs", plan.revision, 0)
