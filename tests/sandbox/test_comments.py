"""Comments: what happens to them in the wiki, and how each edition tells it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_confluence.testing.sandbox import ManualClock, Model, Readings, generate, load_sample
from tests.sandbox.conftest import Caller

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)


def wiki(**readings: Any) -> tuple[Model, str]:
    """A wiki with one page, at noon."""
    model = Model(clock=ManualClock(NOON), readings=Readings(**readings))
    model.create_space("DOCS", "Documentation")
    return model, model.create_page("DOCS", "Page")


def shown(model: Model, **asked: Any) -> list[str]:
    return [record.id for record in model.visible(types=["comment"], **asked)]


# ---------------------------------------------------------------------------------------- the wiki
def test_a_comment_has_its_own_author_version_and_dates_and_the_title_of_its_page() -> None:
    model, page = wiki()
    model.add_user("eve", "Eve")
    comment = model.create_comment(page, "<p>Why?</p>", author="eve")
    model.clock.advance(minutes=3)  # type: ignore[attr-defined]
    model.edit_comment(comment, "<p>Why not?</p>", author="admin")
    model.edit(page, title="Another title")
    [record] = model.visible(types=["comment"])
    assert (2, "<p>Why not?</p>", "eve", "admin", NOON, NOON + timedelta(minutes=3)) == (
        record.version,
        record.body,
        record.author,
        record.editor,
        record.created_at,
        record.edited_at,
    )
    assert ("Re: Another title", page, None, "footer", None) == (
        record.title,
        record.container,
        record.parent,
        record.location,
        record.resolution,
    )


def test_a_reply_names_the_comment_that_it_answers_and_goes_with_its_resolution() -> None:
    model, page = wiki()
    comment = model.create_comment(page, "a", selection="the plan")
    reply = model.reply(comment, "b")
    answer = model.reply(reply, "c")
    model.resolve_comment(comment)
    assert [(comment, None), (reply, comment), (answer, reply)] == [
        (record.id, record.parent) for record in model.visible(types=["comment"])
    ]
    assert {("inline", "resolved", page)} == {
        (record.location, record.resolution, record.container) for record in model.visible(types=["comment"])
    }
    model.reopen_comment(comment)
    assert {"reopened"} == {record.resolution for record in model.visible(types=["comment"])}


@pytest.mark.parametrize(("bumps", "version"), [(False, 1), (True, 2)])
def test_whether_resolving_makes_a_version_is_a_switch(bumps: bool, version: int) -> None:
    model, page = wiki(resolving_bumps_version=bumps)
    model.resolve_comment(model.create_comment(page, "a", selection="the plan"))
    assert [version] == [record.version for record in model.visible(types=["comment"])]


def test_an_edit_that_drops_the_marker_leaves_its_comment_dangling() -> None:
    model, page = wiki()
    body = '<p><ac:inline-comment-marker ac:ref="m-1">the plan</ac:inline-comment-marker> stands</p>'
    model.edit(page, body=body)
    for marker in ("m-1", "m-2"):
        model.create_comment(page, "a", selection="the plan", marker=marker)
    model.edit(page, body=body + "<p>More</p>")
    assert [record.resolution for record in model.visible(types=["comment"])] == ["open", "open"]
    model.edit(page, body="<p>No plan</p>")
    assert [record.resolution for record in model.visible(types=["comment"])] == ["dangling", "open"]


def test_only_the_first_comment_of_an_inline_thread_can_be_resolved() -> None:
    model, page = wiki()
    footer = model.create_comment(page, "a")
    reply = model.reply(model.create_comment(page, "b", selection="x"), "c")
    for comment in (footer, reply):
        with pytest.raises(ValueError, match="not the first comment of an inline thread"):
            model.resolve_comment(comment)
    with pytest.raises(ValueError, match=f"{page} is no comment"):
        model.edit_comment(page, "x")
    with pytest.raises(ValueError, match="no page or blog post"):
        model.create_comment(footer, "x")


def test_a_deleted_comment_takes_its_replies_along_for_good() -> None:
    model, page = wiki()
    kept, comment = model.create_comment(page, "a"), model.create_comment(page, "b")
    reply = model.reply(comment, "c")
    model.delete_comment(comment)
    assert [kept] == shown(model)
    assert (model.item(comment), model.item(reply), shown(model, status="trashed")) == (None, None, [])


def test_replies_that_stay_hang_below_the_comment_above() -> None:
    model, page = wiki(deleted_comment_takes_replies=False)
    first = model.create_comment(page, "a")
    second = model.reply(first, "b")
    third = model.reply(second, "c")
    model.delete_comment(second)
    assert [(first, None), (third, first)] == [(r.id, r.parent) for r in model.visible(types=["comment"])]


def test_a_comment_in_the_trash_hides_its_replies() -> None:
    model, page = wiki(deleted_comments_are_trashed=True)
    comment = model.create_comment(page, "a")
    reply = model.reply(comment, "b")
    model.delete_comment(comment)
    assert ([], [comment]) == (shown(model), shown(model, status="trashed"))
    model.restore(comment)
    assert [comment, reply] == shown(model)


@pytest.mark.parametrize("follows", [True, False])
def test_comments_go_and_come_with_their_page(follows: bool) -> None:
    model, page = wiki(comments_follow_container=follows)
    comment = model.create_comment(page, "a")
    reply = model.reply(comment, "b")
    model.create_space("OPS")
    for go, come in ((model.trash, model.restore), (model.archive, model.unarchive), (model.hide, model.show)):
        go(page)
        assert shown(model) == [], go
        come(page)
        assert [comment, reply] == shown(model), come
    model.move(page, space="OPS")
    assert ([], [comment, reply]) == (shown(model, space_keys=["DOCS"]), shown(model, space_keys=["OPS"]))
    model.hide_space("OPS")
    assert shown(model) == []
    model.show_space("OPS")
    model.purge(page)
    assert (model.item(comment), model.item(reply)) == (None, None)


def test_attachments_and_comments_of_a_page_are_told_apart() -> None:
    model, page = wiki()
    model.create_comment(page, "a")
    attachment = model.attach(page, "a.txt", b"a", "text/plain")
    item = model.item(page)
    assert item is not None
    assert [attachment] == [found.public_id for found in model.attachments(item)]
    assert [page, attachment] == [record.id for record in model.visible()]


def test_the_sample_wiki_has_footer_and_inline_comments_with_threads() -> None:
    model = Model()
    load_sample(model)
    comments = model.visible(types=["comment"])
    texts = {record.id: record for record in comments}
    depth = {None: 0}
    for record in comments:
        depth[record.id] = depth[record.parent] + 1  # type: ignore[index]
    assert max(depth.values()) == 3
    assert {("footer", None), ("inline", "open"), ("inline", "resolved")} == {
        (r.location, r.resolution) for r in comments
    }
    assert {"page", "blogpost"} == {model.item(str(r.container)).type for r in comments}  # type: ignore[union-attr]
    for record in texts.values():
        remark = model.item(record.id).remark  # type: ignore[union-attr]
        body = model.record(model.item(str(record.container))).body  # type: ignore[arg-type]
        assert remark is not None
        assert remark.selection in body, "inline comments are about text of their page"


def test_a_generated_wiki_is_the_same_one_with_and_without_comments() -> None:
    with_comments, without = Model(clock=ManualClock(NOON)), Model(clock=ManualClock(NOON))
    generate(with_comments, pages=60, comments=True)
    generate(without, pages=60)
    assert [(r.title, r.labels, r.body) for r in without.visible()] == [
        (r.title, r.labels, r.body) for r in with_comments.visible()
    ]
    comments = with_comments.visible(types=["comment"])
    assert {"footer", "inline"} == {record.location for record in comments}
    assert any(record.parent for record in comments)
    assert without.visible(types=["comment"]) == []


# ---------------------------------------------------------------------------------------- Cloud
def test_cloud_lists_the_comments_of_the_site_with_their_container_and_parent(on_cloud: Caller) -> None:
    model = on_cloud.sandbox.model
    page, post = model.create_page("DOCS", "Page"), model.create_blogpost("DOCS", "Post")
    footer = model.create_comment(page, "<p>a</p>")
    reply = model.reply(footer, "<p>b</p>")
    on_post = model.create_comment(post, "<p>c</p>")
    inline = model.create_comment(page, "<p>d</p>", selection="the plan", marker="m-1")
    rows = on_cloud.rows("/api/v2/footer-comments", body_format="storage", limit=1)
    assert [(footer, page, None, None), (reply, page, None, footer), (on_post, None, post, None)] == [
        (row["id"], row.get("pageId"), row.get("blogPostId"), row.get("parentCommentId")) for row in rows
    ]
    assert [row["body"]["storage"]["value"] for row in rows] == ["<p>a</p>", "<p>b</p>", "<p>c</p>"]
    assert [row["title"] for row in rows] == ["Re: Page", "Re: Page", "Re: Post"]
    assert {"resolutionStatus"}.isdisjoint(rows[0])
    [row] = on_cloud.rows("/api/v2/inline-comments")
    assert (inline, "open", {"inlineMarkerRef": "m-1", "inlineOriginalSelection": "the plan"}, {}) == (
        row["id"],
        row["resolutionStatus"],
        row["properties"],
        row["body"],
    )


def test_cloud_lists_only_the_first_comments_of_a_page_and_replies_below_them(on_cloud: Caller) -> None:
    model = on_cloud.sandbox.model
    page, post = model.create_page("DOCS", "Page"), model.create_blogpost("DOCS", "Post")
    for container, plural in ((page, "pages"), (post, "blogposts")):
        for location, selection in (("footer", None), ("inline", "x")):
            first = model.create_comment(container, "<p>a</p>", selection=selection)
            second = model.reply(first, "<p>b</p>")
            third = model.reply(second, "<p>c</p>")
            own = f"/api/v2/{location}-comments"
            listed = on_cloud.rows(f"/api/v2/{plural}/{container}/{location}-comments", body_format="storage")
            assert [first] == [row["id"] for row in listed]
            below = on_cloud.rows(f"{own}/{first}/children")
            assert [(second, first, False)] == [(r["id"], r["parentCommentId"], "pageId" in r) for r in below]
            assert [third] == [row["id"] for row in on_cloud.rows(f"{own}/{second}/children")]
            row = on_cloud.json(f"{own}/{third}", body_format="storage", include_versions="true")
            assert (second, "<p>c</p>", 1) == (
                row["parentCommentId"],
                row["body"]["storage"]["value"],
                len(row["versions"]["results"]),
            )


def test_cloud_sorts_comments_by_their_latest_version(on_cloud: Caller) -> None:
    clock = ManualClock(NOON)
    model = on_cloud.sandbox.model
    model.clock = clock
    page = model.create_page("DOCS", "Page")
    made = []
    for _ in range(3):
        clock.advance(minutes=1)
        made.append(model.create_comment(page, "a"))
    clock.advance(minutes=1)
    model.edit_comment(made[0], "b")
    newest_first = on_cloud.rows("/api/v2/footer-comments", sort="-modified-date", limit=2)
    assert [made[0], made[2], made[1]] == [row["id"] for row in newest_first]
    assert [v["number"] for v in on_cloud.rows(f"/api/v2/footer-comments/{made[0]}/versions", limit=1)] == [2, 1]
    assert on_cloud.wrong("/api/v2/footer-comments", sort="id").status_code == 400
    assert on_cloud.wrong("/api/v2/footer-comments", limit=251).status_code == 400


def test_cloud_filters_inline_comments_by_their_resolution(on_cloud: Caller) -> None:
    model = on_cloud.sandbox.model
    page = model.create_page("DOCS", "Page")
    made = {
        state: model.create_comment(page, "a", selection="x") for state in ("open", "reopened", "resolved", "dangling")
    }
    model.reopen_comment(made["reopened"])
    model.resolve_comment(made["resolved"], author="indexer")
    model.dangle_comment(made["dangling"])
    path = f"/api/v2/pages/{page}/inline-comments"
    for state, comment in made.items():
        assert [(comment, state)] == [
            (row["id"], row["resolutionStatus"]) for row in on_cloud.rows(path, resolution_status=state)
        ]
    assert list(made.values()) == [row["id"] for row in on_cloud.rows(path)]
    resolved = on_cloud.json(f"/api/v2/inline-comments/{made['resolved']}")
    assert (resolved["resolutionLastModifierId"], "resolutionLastModifiedAt" in resolved) == ("indexer", True)
    model.readings.cloud_lists_resolved_comments = False
    for listing in (path, "/api/v2/inline-comments"):
        assert [made["open"], made["reopened"]] == [row["id"] for row in on_cloud.rows(listing)]
    assert on_cloud.json(f"/api/v2/inline-comments/{made['resolved']}")["resolutionStatus"] == "resolved"


def test_cloud_answers_404_for_comments_that_are_hidden_absent_or_of_the_other_kind(on_cloud: Caller) -> None:
    model = on_cloud.sandbox.model
    page, other = model.create_page("DOCS", "Page"), model.create_page("DOCS", "Other")
    footer, gone = model.create_comment(page, "a"), model.create_comment(other, "b")
    assert on_cloud.get(f"/api/v2/inline-comments/{footer}").status_code == 404
    assert on_cloud.get(f"/api/v2/footer-comments/{page}").status_code == 404
    model.hide(page)
    model.trash(other)
    for comment in (footer, gone):
        assert on_cloud.get(f"/api/v2/footer-comments/{comment}").status_code == 404
        assert on_cloud.get(f"/api/v2/footer-comments/{comment}/children").status_code == 404
    assert on_cloud.get(f"/api/v2/pages/{page}/footer-comments").status_code == 404
    assert on_cloud.rows("/api/v2/footer-comments") == []


@pytest.mark.parametrize(("follows", "status"), [(True, "archived"), (False, "current")])
def test_cloud_lists_comments_of_archived_pages(on_cloud: Caller, follows: bool, status: str) -> None:
    model = on_cloud.sandbox.model
    model.readings.comments_follow_container = follows
    page = model.create_page("DOCS", "Page")
    model.reply(model.create_comment(page, "a"), "b")
    model.archive(page)
    assert [status, status] == [row["status"] for row in on_cloud.rows("/api/v2/footer-comments")]
    assert [status] == [row["status"] for row in on_cloud.rows(f"/api/v2/pages/{page}/footer-comments", status=status)]


# ---------------------------------------------------------------------------------------- CQL and Data Center
@pytest.fixture(params=["on_cloud", "on_datacenter"])
def on_either(request: pytest.FixtureRequest) -> Caller:
    caller: Caller = request.getfixturevalue(request.param)
    return caller


def test_a_search_finds_comments_with_their_container_place_and_thread(on_either: Caller) -> None:
    model = on_either.sandbox.model
    page = model.create_page("DOCS", "Page")
    first = model.create_comment(page, "<p>a</p>", selection="the plan", marker="m-1")
    reply = model.reply(first, "<p>b</p>")
    model.resolve_comment(first, author="indexer")
    rows = on_either.rows(
        "/rest/api/content/search",
        cql='type = comment and space = "DOCS" and lastmodified >= now("-5m")',
        expand="container,ancestors,version,history,body.storage,extensions.resolution,extensions.inlineProperties",
    )
    assert [(first, [], page), (reply, [first], page)] == [
        (row["id"], [above["id"] for above in row["ancestors"]], row["container"]["id"]) for row in rows
    ]
    assert {("comment", "Re: Page", "resolved", "resolved", "the plan")} == {
        (
            row["type"],
            row["title"],
            row["extensions"]["location"],
            row["extensions"]["resolution"]["status"],
            row["extensions"]["inlineProperties"]["originalSelection"],
        )
        for row in rows
    }
    assert [row["body"]["storage"]["value"] for row in rows] == ["<p>a</p>", "<p>b</p>"]
    found = on_either.rows("/rest/api/content/search", cql=f"container = {page} and type = comment")
    assert [first, reply] == [row["id"] for row in found]
    model.trash(page)
    assert on_either.rows("/rest/api/content/search", cql="type = comment") == []


def test_data_center_scans_comments_by_space(on_datacenter: Caller) -> None:
    model = on_datacenter.sandbox.model
    model.create_space("OPS")
    page, post = model.create_page("DOCS", "Page"), model.create_blogpost("DOCS", "Post")
    made = [model.create_comment(page, "a"), model.create_comment(post, "b", selection="x")]
    made.append(model.reply(made[0], "c"))
    model.create_comment(model.create_page("OPS", "Elsewhere"), "d")
    model.resolve_comment(made[1])
    model.create_comment(model.create_page("DOCS", "Trashed"), "e")
    model.trash(str(model.find("Trashed")))
    rows = on_datacenter.rows("/rest/api/content/scan", type="comment", spaceKey="DOCS", limit=2, expand="container")
    assert [(made[0], page), (made[1], post), (made[2], page)] == [(r["id"], r["container"]["id"]) for r in rows]
    assert [row["extensions"]["location"] for row in rows] == ["footer", "resolved", "footer"]
    assert on_datacenter.wrong("/rest/api/content", type="comment").status_code == 400


def test_data_center_lists_the_comments_of_a_page_by_place_and_depth(on_datacenter: Caller) -> None:
    model = on_datacenter.sandbox.model
    page = model.create_page("DOCS", "Page")
    footer = model.create_comment(page, "a")
    reply = model.reply(footer, "b")
    answer = model.reply(reply, "c")
    inline, resolved = (model.create_comment(page, "d", selection="x") for _ in range(2))
    model.resolve_comment(resolved)
    path = f"/rest/api/content/{page}/child/comment"

    def ids(path: str, **asked: Any) -> list[str]:
        return [row["id"] for row in on_datacenter.rows(path, **asked)]

    assert [footer, inline, resolved] == ids(path)
    assert [footer, reply, answer, inline, resolved] == ids(path, depth="all", limit=2)
    assert [footer, reply, answer, resolved] == ids(path, depth="all", location=["footer", "resolved"])
    assert [inline] == ids(path, location="inline")
    assert [reply] == ids(f"/rest/api/content/{footer}/child/comment")
    assert [reply, answer] == ids(f"/rest/api/content/{footer}/child/comment", depth="all")
    assert on_datacenter.wrong(path, location="margin").status_code == 400


def test_data_center_answers_a_comment_by_its_id(on_datacenter: Caller) -> None:
    model = on_datacenter.sandbox.model
    page = model.create_page("DOCS", "Page")
    comment = model.create_comment(page, "<p>a</p>")
    row = on_datacenter.json(f"/rest/api/content/{comment}", expand="container,body.storage,extensions.resolution")
    assert ("comment", page, "<p>a</p>", "open") == (
        row["type"],
        row["container"]["id"],
        row["body"]["storage"]["value"],
        row["extensions"]["resolution"]["status"],
    )
    assert row["_links"]["webui"].endswith(f"focusedCommentId={comment}#comment-{comment}")
    assert [comment] == [row["id"] for row in on_datacenter.rows("/rest/api/content", ids=[comment, "4711"])]
    model.hide(page)
    assert on_datacenter.get(f"/rest/api/content/{comment}").status_code == 404
    assert on_datacenter.rows("/rest/api/content", ids=comment) == []


@pytest.mark.parametrize("says", ["resolved", "inline"])
def test_how_data_center_places_a_resolved_comment_is_a_switch(on_datacenter: Caller, says: Any) -> None:
    model = on_datacenter.sandbox.model
    model.readings.location_of_resolved_comment = says
    page = model.create_page("DOCS", "Page")
    comment = model.create_comment(page, "a", selection="x")
    model.resolve_comment(comment)
    [row] = on_datacenter.rows(f"/rest/api/content/{page}/child/comment", location="resolved")
    assert (comment, says) == (row["id"], row["extensions"]["location"])


def test_comments_are_made_and_changed_from_another_process(on_cloud: Caller) -> None:
    model = on_cloud.sandbox.model
    page = model.create_page("DOCS", "Page")

    def act(action: str, **arguments: Any) -> Any:
        address = f"{on_cloud.sandbox.origin}/_sandbox/{action}"
        answer = on_cloud.session.post(address, json=arguments, timeout=5)
        assert answer.status_code == 200, answer.text
        return answer.json()

    comment = act("create", type="comment", content_id=page, body="a", selection="x")["id"]
    reply = act("create", type="reply", comment_id=comment, body="b")["id"]
    act("edit_comment", comment_id=reply, body="c")
    act("resolve_comment", comment_id=comment)
    assert [(record.body, record.version, record.resolution) for record in model.visible(types=["comment"])] == [
        ("a", 1, "resolved"),
        ("c", 2, "resolved"),
    ]
    act("delete_comment", comment_id=comment)
    assert shown(model) == []
