"""Comments in the index: footer and inline, threads, and how they follow their page."""

from __future__ import annotations

import pytest

from airflow_provider_confluence.sync import choosing, newest_first, vanished
from airflow_provider_confluence.testing.sandbox import ManualClock, Model, Readings, Sandbox
from airflow_provider_confluence.testing.sandbox.faults import EmptyListing, RepeatedCursor, Respond
from tests.contracts.checker import ContractChecker
from tests.sync.conftest import Wiki, fill

LISTS = {"cloud": "*/footer-comments", "datacenter": "*/content/scan"}


@pytest.fixture(params=["cloud", "datacenter"])
def start(request, tmp_path):
    """Start a wiki whose guide has comments, under readings of what is not known."""
    checker, running = ContractChecker(request.param), []

    def begin(**readings):
        sandbox = Sandbox(request.param, Model(clock=ManualClock(), readings=Readings(**readings)), observer=checker)
        running.append(sandbox.__enter__())
        wiki = fill(Wiki(sandbox, tmp_path))
        wiki.definition["enable_comments"] = True
        guide = wiki.model.find("Guide")
        wiki.ids = {"guide": guide, "footer": wiki.model.create_comment(guide, "<p>Well <strong>said</strong></p>")}
        wiki.ids["inline"] = wiki.model.create_comment(guide, "<p>Which one?</p>", selection="deployment")
        wiki.ids["reply"] = wiki.model.reply(wiki.ids["footer"], "<p>Thank you</p>")
        wiki.ids["answer"] = wiki.model.reply(wiki.ids["inline"], "<p>The last one</p>")
        wiki.ids["on_news"] = wiki.model.create_comment(wiki.model.find("News"), "<p>Hooray</p>")
        return wiki

    yield begin
    for sandbox in running:
        sandbox.__exit__(None, None, None)
    checker.assert_clean()


@pytest.fixture
def wiki(start):
    return start()


@pytest.fixture
def quick(wiki):
    """An indexed wiki in which auto means a quick look."""
    wiki.definition |= {"cheap_reconcile_requests": 1, "reconcile_interval": "6h"}
    wiki.run()
    wiki.model.clock.advance(3600)
    wiki.run(mode="reconcile")
    wiki.model.clock.advance(60)
    return wiki


def test_comments_are_not_indexed_unless_they_are_asked_for(wiki):
    wiki.definition["enable_comments"] = False
    wiki.run()
    assert {d["type"] for d in wiki.indexed().values()} == {"page", "blogpost", "attachment"}


def test_a_comment_is_a_document_of_its_own_that_belongs_to_its_page(wiki):
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()
    document = wiki.documents()[wiki.ids["footer"]]
    guide = wiki.documents()[wiki.ids["guide"]]
    assert (document.type, document.title, document.content.strip()) == ("comment", "Re: Guide", "Well **said**")
    assert document.url == f"{guide.url}{'&' if '?' in guide.url else '?'}focusedCommentId={wiki.ids['footer']}"
    assert (document.container.id, document.container.title) == (wiki.ids["guide"], "Guide")
    assert document.labels == guide.labels == ("howto", "ops")
    assert [step.title for step in document.ancestors] == ["Home"]
    assert (document.parent_id, document.properties) == (None, {"location": "footer"})
    assert (document.creator.name, document.created) == ("Ada Admin", document.updated)


def test_an_edited_comment_keeps_the_author_and_the_date_of_its_first_version(wiki):
    wiki.model.add_user("eve", "Eve")
    made = wiki.documents
    wiki.run()
    created = made()[wiki.ids["footer"]].created
    wiki.model.clock.advance(60)
    wiki.model.edit_comment(wiki.ids["footer"], "<p>Better</p>", author="eve")
    wiki.run()
    document = made()[wiki.ids["footer"]]
    assert (document.creator.name, document.last_editor.name, document.created) == ("Ada Admin", "Eve", created)
    assert wiki.run().counts["unchanged"] == wiki.run().counts["listed"]


def test_a_reply_names_the_comment_that_it_answers(wiki):
    wiki.run()
    reply = wiki.documents()[wiki.ids["reply"]]
    assert (reply.parent_id, reply.container.title) == (wiki.ids["footer"], "Guide")


def test_an_inline_comment_says_what_it_is_about_and_whether_that_is_settled(wiki):
    wiki.run()
    properties = {"location": "inline", "resolution": "open", "selection": "deployment"}
    assert wiki.documents()[wiki.ids["inline"]].properties == properties
    wiki.model.resolve_comment(wiki.ids["inline"])
    wiki.run()
    assert wiki.documents()[wiki.ids["inline"]].properties == properties | {"resolution": "resolved"}
    assert wiki.documents()[wiki.ids["answer"]].properties["resolution"] == "resolved"


def test_a_search_finds_a_comment_and_can_be_narrowed_to_comments(wiki):
    wiki.run()
    with wiki.index() as index:
        assert [hit.content_id for hit in index.search("hooray").hits] == [wiki.ids["on_news"]]
        assert {hit.type for hit in index.search("guide", type="comment").hits} == {"comment"}


@pytest.mark.parametrize(
    ("action", "left"),
    [
        ("trash", {"on_news"}),
        ("archive", {"on_news"}),
        ("hide", {"on_news"}),
        ("purge", {"on_news"}),
        ("edit_comment", {"footer", "inline", "reply", "answer", "on_news"}),
        ("delete_comment", {"inline", "answer", "on_news"}),
    ],
)
def test_comments_go_and_come_with_their_page(wiki, action, left):
    model, ids = wiki.model, wiki.ids
    wiki.run()
    if action == "edit_comment":
        model.edit_comment(ids["footer"], "<p>Better</p>")
    elif action == "delete_comment":
        model.delete_comment(ids["footer"])
    else:
        getattr(model, action)(ids["guide"])
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()
    assert {i for i, d in wiki.indexed().items() if d["type"] == "comment"} == {ids[name] for name in left}
    back = {"trash": "restore", "archive": "unarchive", "hide": "show"}.get(action)
    if back:
        getattr(model, back)(ids["guide"])
        wiki.run()
        assert wiki.indexed() == wiki.expected()
        assert ids["footer"] in wiki.indexed()


def test_comments_follow_a_page_that_moves_is_renamed_or_labelled(wiki):
    model, guide = wiki.model, wiki.ids["guide"]
    wiki.definition["space"] = ["DOCS", "OPS"]
    wiki.run()
    model.edit(guide, title="Handbook")
    model.relabel(guide, ["other"])
    model.move(guide, parent=model.find("Appendix"))
    wiki.run()
    assert wiki.indexed() == wiki.expected()
    assert wiki.documents()[wiki.ids["reply"]].title == "Re: Handbook"
    model.move(guide, space="OPS")
    wiki.run()
    assert wiki.indexed() == wiki.expected()
    assert wiki.documents()[wiki.ids["reply"]].space.key == "OPS"


@pytest.mark.parametrize(
    "setting",
    [
        {"exclude_labels": ["howto"]},
        {"include_labels": ["start"]},
        {"root_pages": "Appendix"},
        {"enable_blogposts": False},
    ],
    ids=["exclude", "include", "roots", "types"],
)
def test_what_decides_of_a_page_decides_of_its_comments(wiki, setting):
    wiki.run()
    wiki.definition |= setting
    if "root_pages" in setting:
        wiki.definition["root_pages"] = [wiki.model.find(setting["root_pages"])]
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()
    wiki.run(mode="full")
    assert wiki.indexed() == wiki.expected()


def test_comments_of_other_spaces_are_left_alone(wiki):
    wiki.model.create_comment(wiki.model.find("Runbook"), "<p>Not in scope</p>")
    wiki.run()
    assert wiki.indexed() == wiki.expected()


@pytest.mark.parametrize(
    "readings",
    [
        {"resolving_bumps_version": True},
        {"deleted_comment_takes_replies": False},
        {"deleted_comments_are_trashed": True},
        {"comments_follow_container": False},
        {"cloud_cursor": "offset"},
        {"scan_available": False},
        {"scan_remembers_type": False, "scan_cursor_with_type": "refused"},
        {"location_of_resolved_comment": "inline"},
        {"cloud_lists_resolved_comments": False},
    ],
    ids=lambda readings: next(iter(readings)),
)
def test_the_index_is_right_however_confluence_is_to_be_read(start, readings):
    wiki = start(**readings)
    model, ids = wiki.model, wiki.ids
    resolved = model.create_comment(ids["guide"], "<p>Settled before</p>", selection="roll")
    model.resolve_comment(resolved)
    wiki.run()
    assert wiki.indexed() == wiki.expected()
    model.resolve_comment(ids["inline"])
    model.reopen_comment(resolved)
    model.delete_comment(ids["footer"])
    chapter = model.find("Chapter")
    model.create_comment(chapter, "<p>Of an archived page</p>")
    model.archive(chapter)
    wiki.run()
    assert wiki.indexed() == wiki.expected()


def test_a_listing_of_comments_that_did_not_finish_deletes_none_of_them(wiki):
    for number in range(260):
        wiki.model.create_comment(wiki.ids["guide"], f"<p>Remark {number}</p>")
    wiki.run()
    wiki.model.delete_comment(wiki.ids["on_news"])
    wiki.sandbox.faults.add(RepeatedCursor(route=LISTS[wiki.sandbox.edition], times=None))
    assert "not complete" in " ".join(wiki.run().notes)
    assert wiki.ids["on_news"] in wiki.indexed()
    wiki.sandbox.faults.clear()
    wiki.run()
    assert wiki.indexed() == wiki.expected()


def test_a_comment_that_a_listing_left_out_is_asked_for_again(wiki):
    wiki.run()
    for route in ("*/footer-comments", "*/inline-comments", "*/content/scan", "*/content/search"):
        wiki.sandbox.faults.add(EmptyListing(route=route, times=None))
    wiki.run()
    assert {i for i, d in wiki.indexed().items() if d["type"] == "comment"} >= {wiki.ids["inline"], wiki.ids["reply"]}
    assert wiki.indexed() == wiki.expected()


def test_no_run_asks_for_more_vanished_comments_than_it_may(wiki, monkeypatch):
    comments = [wiki.model.create_comment(wiki.ids["guide"], f"<p>Remark {number}</p>") for number in range(30)]
    wiki.run()
    for comment in comments:
        wiki.model.delete_comment(comment)
    monkeypatch.setattr(vanished, "MOST_SINGLY", 20)
    first = wiki.run()
    assert (first.counts["deleted"], first.clean) == (20, False)
    assert "could not be confirmed" in " ".join(first.notes)
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


def test_more_deleted_comments_than_usual_wait_for_consent(wiki):
    comments = [wiki.model.create_comment(wiki.ids["guide"], f"<p>Remark {number}</p>") for number in range(60)]
    wiki.run()
    for comment in comments:
        wiki.model.delete_comment(comment)
    withheld = wiki.run()
    assert (withheld.counts["withheld"], withheld.counts["deleted"]) == (60, 0)
    assert wiki.run(allow_mass_delete=withheld.revision).counts["deleted"] == 60


def test_a_comment_that_vanished_before_it_was_fetched_yields_nothing(wiki):
    wiki.run()
    new = wiki.model.create_comment(wiki.ids["guide"], "<p>Soon gone</p>")
    wiki.reached = lambda point: wiki.model.delete_comment(new) if point == "plan_written" else None
    assert wiki.run().counts["gone"] == 1
    assert wiki.indexed() == wiki.expected()


# ---------------------------------------------------------------- the quick look
def test_a_quick_run_sees_new_and_edited_comments_and_replies(quick):
    model, ids = quick.model, quick.ids
    model.create_comment(ids["guide"], "<p>One more</p>")
    model.reply(ids["answer"], "<p>Which is that?</p>")
    model.edit_comment(ids["reply"], "<p>Thank you all</p>")
    result = quick.run()
    assert result.mode == "changes"
    assert result.counts["written"] == 3
    assert quick.indexed() == quick.expected()


def test_a_quick_run_sees_comments_on_a_page_that_is_new_itself(quick):
    page = quick.model.create_page("DOCS", "Fresh", "<p>Fresh</p>")
    quick.model.create_comment(page, "<p>First!</p>")
    assert quick.run().mode == "changes"
    assert quick.indexed() == quick.expected()


@pytest.mark.parametrize("bumps", [False, True])
def test_resolved_comments_do_not_make_the_order_of_a_listing_doubtful(start, bumps):
    wiki = start(resolving_bumps_version=bumps)
    wiki.definition |= {"cheap_reconcile_requests": 1}
    wiki.run()
    wiki.model.clock.advance(3600)
    wiki.model.resolve_comment(wiki.ids["inline"])
    wiki.model.clock.advance(60)
    wiki.model.create_comment(wiki.ids["guide"], "<p>Later</p>", selection="How")
    result = wiki.run()
    assert (result.mode, result.notes) == ("changes", ())
    assert wiki.indexed() == wiki.expected()


def test_a_quick_run_goes_on_with_comments_that_were_left(quick):
    quick.definition["max_items_per_run"] = 1
    for number in range(3):
        quick.model.create_comment(quick.ids["guide"], f"<p>New {number}</p>")
    assert [quick.run().counts["left_for_later"] for _ in range(3)] == [2, 1, 0]
    assert quick.indexed() == quick.expected()


def test_many_comments_that_were_left_cost_no_request_each(quick, monkeypatch):
    monkeypatch.setattr(newest_first, "_FEW_COMMENTS", 3)
    quick.definition["max_items_per_run"] = 1
    for number in range(6):
        quick.model.create_comment(quick.ids["guide"], f"<p>New {number}</p>")
    quick.run()
    quick.definition["max_items_per_run"] = 100
    quick.sandbox.requests.clear()
    result = quick.run()
    assert (result.mode, result.counts["written"]) == ("changes", 5)
    assert sum("-comments/" in request.path for request in quick.sandbox.requests) == 0
    assert quick.indexed() == quick.expected()


def test_a_great_deal_that_was_left_is_listed_whole(quick, monkeypatch):
    monkeypatch.setattr(choosing, "MANY_LEFT", 4)
    quick.definition["max_items_per_run"] = 1
    for number in range(6):
        quick.model.create_comment(quick.ids["guide"], f"<p>New {number}</p>")
    assert [quick.run().mode for _ in range(4)] == ["changes", "reconcile", "changes", "changes"]


class HeavyBodies(Respond):
    """Gives no bodies."""

    def matches(self, request):
        return "body-format" in request.query or "body.storage" in request.query.get("expand", [""])[0]


def test_a_comment_that_failed_is_tried_again_by_a_quick_run(quick):
    quick.model.create_comment(quick.ids["guide"], "<p>Hard to get</p>")
    quick.sandbox.faults.add(HeavyBodies(413, times=None))
    failed = quick.run()
    assert failed.counts["failing"] == 1
    quick.sandbox.faults.clear()
    assert quick.run().counts["failing"] == 0
    assert quick.indexed() == quick.expected()


@pytest.mark.parametrize("status", [404, 403, 500, 503])
def test_a_comment_whose_first_author_cannot_be_had_still_comes_with_its_text(start, status):
    wiki = start()
    if wiki.sandbox.edition == "datacenter":
        pytest.skip("Data Center names the author with the comment")
    wiki.run()
    wiki.model.edit_comment(wiki.ids["footer"], "<p>Put better</p>")
    wiki.sandbox.faults.add(Respond(status, route="*/versions", times=None))
    assert wiki.run().clean
    assert wiki.documents()[wiki.ids["footer"]].content == "Put better\n"


@pytest.mark.parametrize("status", [500, 503])
def test_who_wrote_a_comment_is_asked_again_where_confluence_did_not_answer(start, status):
    wiki = start()
    if wiki.sandbox.edition == "datacenter":
        pytest.skip("Data Center names the author with the comment")
    wiki.run()
    wiki.model.edit_comment(wiki.ids["footer"], "<p>Put better</p>", author=wiki.model.add_user("other", "Other"))
    wiki.sandbox.faults.add(Respond(status, route="*/footer-comments/*/versions", times=3))
    wiki.run()
    assert wiki.documents()[wiki.ids["footer"]].creator is None
    wiki.run(mode="reconcile")
    assert wiki.documents()[wiki.ids["footer"]].creator.name == "Ada Admin"
    assert wiki.run(mode="reconcile").counts.get("written", 0) == 0


# ---------------------------------------------------------------- what it costs
def test_a_quiet_quick_run_costs_two_more_requests_on_cloud_and_one_on_data_center(quick):
    for number in range(300):
        quick.model.create_comment(quick.ids["guide"], f"<p>Remark {number}</p>")
    quick.model.clock.advance(3600)
    quick.definition = {"space": "DOCS", "cheap_reconcile_requests": 1, "enable_comments": True}
    quick.run(mode="reconcile")
    quick.model.clock.advance(3600)

    def requests_of_a_quiet_run():
        quick.sandbox.requests.clear()
        assert quick.run().mode == "changes"
        return len(quick.sandbox.requests)

    with_comments = requests_of_a_quiet_run()
    quick.definition["enable_comments"] = False
    quick.run(mode="reconcile")
    without = requests_of_a_quiet_run()
    more, most = (2, 7) if quick.sandbox.edition == "cloud" else (1, 9)
    assert with_comments == without + more
    assert with_comments <= most


def test_the_first_run_fetches_comments_in_bulk(wiki):
    for number in range(600):
        wiki.model.create_comment(wiki.ids["guide"], f"<p>Remark {number}</p>")
    wiki.model.resolve_comment(wiki.ids["inline"])
    wiki.definition["enable_attachments"] = False
    wiki.sandbox.requests.clear()
    wiki.run()
    assert wiki.indexed() == wiki.expected()
    # 605 comments, two of them inline. Cloud: 3 + 1 pages of 250 to list them, and as many for their bodies.
    # Data Center: 4 pages of 200 to list them, and 13 times 50 bodies; 2 more are the bodies of pages and blog posts.
    asked = [request for request in wiki.sandbox.requests if "comment" in request.path or about_comments(request.query)]
    assert len(asked) == (8 if wiki.sandbox.edition == "cloud" else 4 + 3 + 11 + 2)


def about_comments(query):
    return query.get("type") == ["comment"] or "ids" in query or "type = comment" in query.get("cql", [""])[0]
