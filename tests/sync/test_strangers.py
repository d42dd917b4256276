"""Documents of which only the sink knows, and listings that do not name what is there: everything is asked for before it is removed."""

from __future__ import annotations

import shutil

import pytest

from airflow_provider_confluence.sync import vanished
from airflow_provider_confluence.testing.sandbox.faults import EmptyListing, Respond
from tests.sync.conftest import Wiki, fill

PAGES = {"cloud": ("*/spaces/*/pages",), "datacenter": ("*/content/scan",)}
FILES = {"cloud": ("*/api/v2/attachments",), "datacenter": ("*/content/search",)}
COMMENTS = {
    "cloud": ("*/footer-comments", "*/inline-comments", "*/content/search"),
    "datacenter": ("*/content/scan", "*/content/search"),
}
FILES_OF = {"cloud": "*/pages/*/attachments", "datacenter": "*/child/attachment"}


@pytest.fixture
def wiki(sandbox, tmp_path):
    """A wiki whose guide has a file, a comment and a reply to it."""
    wiki = fill(Wiki(sandbox, tmp_path))
    wiki.definition["enable_comments"] = True
    wiki.model.reply(wiki.model.create_comment(wiki.model.find("Guide"), "<p>Well said</p>"), "<p>Thank you</p>")
    wiki.model.create_comment(wiki.model.find("Guide"), "<p>Which one?</p>", selection="deployment")
    return wiki


def lose_state(wiki):
    """Lose all that says what is indexed; only the sink knows."""
    state = wiki.folder / "state" / "docs"
    (state / "head.json").unlink()
    shutil.rmtree(state / "manifest")
    shutil.rmtree(state / "runs")


def empty(wiki, *kinds):
    """Let listings come empty, as if that were all."""
    for route in {route for kind in kinds for route in kind[wiki.sandbox.edition]}:
        wiki.sandbox.faults.add(EmptyListing(route=route, times=None))


# ---------------------------------------------------------------- known to the sink alone
@pytest.mark.parametrize("mode", ["auto", "verify"])
@pytest.mark.parametrize(
    "kinds",
    [(FILES,), (COMMENTS,), (PAGES,), (PAGES, FILES, COMMENTS)],
    ids=["files", "comments", "pages", "all"],
)
def test_what_only_the_sink_knows_stays_though_a_listing_does_not_name_it(wiki, kinds, mode):
    wiki.run()
    lose_state(wiki)
    empty(wiki, *kinds)
    result = wiki.run(mode=mode)
    assert (result.clean, result.counts["deleted"]) == (True, 0)
    assert wiki.indexed() == wiki.expected()


def test_what_only_the_sink_knows_goes_where_it_is_gone(wiki):
    model = wiki.model
    page = model.create_page("DOCS", "With things", "<p>x</p>")
    model.attach(page, "a.txt", b"x", "text/plain")
    model.create_comment(page, "<p>x</p>")
    file, comment = (
        model.attach(model.find("Guide"), "b.txt", b"x", "text/plain"),
        model.create_comment(model.find("Guide"), "<p>y</p>"),
    )
    wiki.run()
    lose_state(wiki)
    model.trash(page)
    model.delete_attachment(file)
    model.delete_comment(comment)
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


@pytest.mark.parametrize(
    "change", [{"enable_comments": False}, {"enable_attachments": False}, {"enable_blogposts": False}]
)
def test_what_only_the_sink_knows_goes_where_the_datasource_does_not_take_it(wiki, change):
    wiki.run()
    lose_state(wiki)
    wiki.definition |= change
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


def test_what_hangs_on_a_page_out_of_scope_goes_though_only_the_sink_knows_it(wiki):
    wiki.run()
    lose_state(wiki)
    wiki.definition["exclude_labels"] = ["howto"]  # the guide's
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


def test_a_folder_that_only_the_sink_knows_stays_where_it_is_empty_and_goes_where_it_is_gone(cloud, tmp_path):
    wiki = fill(Wiki(cloud, tmp_path))
    wiki.definition["enable_folders"] = True
    kept, gone = (wiki.model.create_folder("DOCS", title) for title in ("Kept", "Gone"))
    pages = [wiki.model.create_page("DOCS", f"In {folder}", "<p>x</p>", parent=folder) for folder in (kept, gone)]
    wiki.run()
    lose_state(wiki)
    for content_id in (*pages, gone):
        wiki.model.purge(content_id)
    assert wiki.run().clean
    assert {i for i, d in wiki.documents().items() if d.type == "folder"} == {kept}


def test_no_run_asks_for_more_that_only_the_sink_knows_than_it_may(wiki, monkeypatch):
    comments = [wiki.model.create_comment(wiki.model.find("Guide"), f"<p>Remark {number}</p>") for number in range(9)]
    wiki.run()
    lose_state(wiki)
    for comment in comments:
        wiki.model.delete_comment(comment)
    monkeypatch.setattr(vanished, "MOST_SINGLY", 6)
    first = wiki.run()
    assert (first.counts["deleted"], first.clean) == (6, False)
    assert "could not be confirmed" in " ".join(first.notes)
    # The others have no type still, and are no longer named by the sink alone.
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


# ---------------------------------------------------------------- attachments, page by page
def pages_with_files(wiki, count):
    files = []
    for number in range(count):
        page = wiki.model.create_page("DOCS", f"Many {number}", "<p>x</p>")
        files.append(wiki.model.attach(page, "a.txt", b"x", "text/plain"))
    return files


def test_an_empty_listing_of_attachments_makes_a_run_ask_so_many_pages_and_no_more(wiki, monkeypatch):
    pages_with_files(wiki, 30)
    wiki.run()
    monkeypatch.setattr(vanished, "MOST_SINGLY", 20)
    empty(wiki, FILES)
    wiki.sandbox.requests.clear()
    result = wiki.run()
    assert wiki.sandbox.requests.count(FILES_OF[wiki.sandbox.edition]) == 20
    assert (result.clean, result.counts["deleted"]) == (False, 0)
    assert "could not be confirmed" in " ".join(result.notes)
    wiki.sandbox.faults.clear()
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


def test_more_deleted_attachments_than_a_run_may_ask_for_go_in_several(wiki, monkeypatch):
    files = pages_with_files(wiki, 30)
    wiki.run()
    for file in files:
        wiki.model.delete_attachment(file)
    monkeypatch.setattr(vanished, "MOST_SINGLY", 20)
    first = wiki.run()
    assert (first.counts["deleted"], first.clean) == (20, False)
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


def test_a_page_that_does_not_tell_its_attachments_keeps_them_and_the_others_are_settled(wiki):
    files = pages_with_files(wiki, 2)
    wiki.run()
    for file in files:
        wiki.model.delete_attachment(file)
    stuck = wiki.model.find("Many 0")
    route = {"cloud": f"*/pages/{stuck}/attachments", "datacenter": f"*/content/{stuck}/child/attachment"}
    wiki.sandbox.faults.add(Respond(400, route=route[wiki.sandbox.edition], times=None))
    result = wiki.run()
    assert not result.clean
    assert set(files) & wiki.indexed().keys() == {files[0]}
    wiki.sandbox.faults.clear()
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()
