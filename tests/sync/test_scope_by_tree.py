"""What is in scope by its place in the tree, and what happens when pages move or other roots are wanted."""

from __future__ import annotations

import pytest

from airflow_provider_confluence.errors import ConfigurationError, DatasourceError
from airflow_provider_confluence.testing.sandbox.faults import Respond


def titles(wiki):
    return {item["title"] for item in wiki.indexed().values()}


@pytest.fixture
def branch(wiki):
    """A wiki of which the page Guide and what is below it is in scope."""
    wiki.definition |= {"root_pages": [wiki.model.find("Guide")], "enable_blogposts": False}
    return wiki


def below(wiki, title, count=60):
    return [wiki.model.create_page("DOCS", f"{title} {n}", "", parent=wiki.model.find(title)) for n in range(count)]


def test_only_a_root_and_what_is_below_it_is_in_with_attachments(branch):
    branch.model.attach(branch.model.find("Home"), "out.txt", b"x", "text/plain")
    branch.run()
    assert titles(branch) == {"Guide", "plan.txt", "Chapter"}
    assert branch.indexed() == branch.expected()
    assert branch.indexed()[branch.model.find("Chapter")]["ancestors"] == ["Home", "Guide"]


def test_what_is_below_a_root_through_folders_is_in(branch):
    folder = branch.model.create_folder("DOCS", "Folder", parent=branch.model.find("Chapter"))
    inner = branch.model.create_folder("DOCS", "Inner", parent=folder)
    deep = branch.model.create_page("DOCS", "Deep", "", parent=inner)
    outer = branch.model.create_folder("DOCS", "Elsewhere", parent=branch.model.find("Home"))
    branch.model.create_page("DOCS", "Outside", "", parent=outer)
    branch.run()
    assert deep in branch.indexed()
    assert "Outside" not in titles(branch)


def test_blog_posts_stand_in_no_tree_and_are_in_where_they_are_enabled(branch):
    branch.definition["enable_blogposts"] = True
    branch.run()
    assert titles(branch) == {"Guide", "plan.txt", "Chapter", "News"}


def test_a_branch_that_moves_in_or_out_follows(branch):
    branch.run()
    branch.model.move(branch.model.find("Appendix"), parent=branch.model.find("Guide"))
    branch.model.move(branch.model.find("Chapter"), parent=branch.model.find("Home"))
    assert branch.run().clean
    assert titles(branch) == {"Guide", "plan.txt", "Appendix"}
    assert branch.indexed() == branch.expected()


def test_other_roots_take_out_and_bring_in_without_consent(branch):
    below(branch, "Guide")
    below(branch, "Appendix")
    model = branch.model
    for roots in ([model.find("Guide")], [model.find("Appendix")], [model.find("Home")], [model.find("Chapter")], []):
        branch.definition["root_pages"] = roots
        assert branch.run().clean
        assert branch.indexed() == branch.expected()


def test_a_large_branch_that_moves_out_waits_for_consent(branch):
    below(branch, "Chapter")
    branch.run()
    branch.model.move(branch.model.find("Chapter"), parent=branch.model.find("Home"))
    held = branch.run()
    assert held.counts["withheld"] == 61
    assert branch.run(allow_mass_delete=held.revision).clean
    assert branch.indexed() == branch.expected()


@pytest.mark.parametrize("how", ["trash", "archive", "hide", "purge", "move"])
def test_a_root_that_is_not_there_is_an_error_that_names_it_and_deletes_nothing(branch, how):
    branch.run()
    before = branch.indexed()
    guide = branch.model.find("Guide")
    if how == "move":
        branch.model.move(guide, space="OPS")
    else:
        getattr(branch.model, how)(guide)
    with pytest.raises(ConfigurationError, match=f"root_pages: page {guide} .*Nothing was deleted"):
        branch.run()
    assert branch.indexed() == before


def test_a_way_up_that_cannot_be_followed_takes_nothing_out(branch):
    if branch.sandbox.edition != "cloud":
        pytest.skip("Data Center has no folders")
    folder = branch.model.create_folder("DOCS", "Folder", parent=branch.model.find("Guide"))
    deep = branch.model.create_page("DOCS", "Deep", "", parent=folder)
    branch.definition["restricted"] = "include"  # else who may read it is not known meanwhile, and that takes it out
    branch.run()
    branch.sandbox.faults.add(Respond(404, route="*/folders/*", times=None))
    assert not branch.run().clean
    assert deep in branch.indexed()
    branch.sandbox.faults.clear()
    assert branch.run().clean
    assert branch.indexed() == branch.expected()


def test_labels_and_roots_must_both_hold(branch):
    branch.definition["include_labels"] = ["start", "howto"]
    branch.run()
    assert titles(branch) == {"Guide", "plan.txt"}


# ---------------------------------------------------------------- the quick look
@pytest.fixture
def quick(branch):
    branch.definition["cheap_reconcile_requests"] = 1
    branch.run()
    return branch


def test_a_quick_run_brings_only_what_is_below_a_root(quick):
    model = quick.model
    model.create_page("DOCS", "Wanted", "", parent=model.find("Chapter"))
    model.create_page("DOCS", "Unwanted", "", parent=model.find("Home"))
    model.attach(model.find("Wanted"), "wanted.txt", b"x", "text/plain")
    model.attach(model.find("Unwanted"), "unwanted.txt", b"x", "text/plain")
    assert quick.run().mode == "changes"
    assert titles(quick) == {"Guide", "plan.txt", "Chapter", "Wanted", "wanted.txt"}
    assert quick.indexed() == quick.expected()


def test_a_page_that_an_edit_shows_to_have_moved_away_turns_a_quick_run_into_a_whole_one(quick):
    chapter = quick.model.find("Chapter")
    quick.model.move(chapter, parent=quick.model.find("Home"))
    quick.model.edit(chapter, body="<p>Edited</p>")
    assert quick.run().mode == "reconcile"
    assert quick.indexed() == quick.expected()


# ---------------------------------------------------------------- what is typed
@pytest.mark.parametrize("value", ["98304", [98304], ["Guide"], ["1) or (1"], ["٣"], ["1,2"], ["1", "1"]])
def test_what_is_no_list_of_page_ids_is_refused(wiki, value):
    wiki.definition["root_pages"] = value
    with pytest.raises(DatasourceError, match=r"docs\.root_pages: "):
        _ = wiki.datasource
