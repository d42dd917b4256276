from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_confluence.testing.sandbox import ManualClock, Model, Readings

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)


@pytest.fixture
def model() -> Model:
    model = Model(clock=ManualClock(NOON))
    model.create_space("DOCS", "Documentation")
    return model


def titles(model: Model, *types: str, status: str = "current") -> list[str]:
    return [record.title for record in model.visible(types=types or ("page",), status=status)]  # type: ignore[arg-type]


def test_a_new_page_is_at_version_one_and_dated_by_the_clock(model: Model) -> None:
    page = model.create_page("DOCS", "Start", "<p>Hello</p>", labels=["Intro", "intro"], author="admin")
    [record] = model.visible()
    assert (page, "Start", "DOCS", 1, ("intro",), "<p>Hello</p>", NOON) == (
        record.id,
        record.title,
        record.space,
        record.version,
        record.labels,
        record.body,
        record.edited_at,
    )


def test_an_edit_makes_a_version_with_its_own_author_and_date(model: Model) -> None:
    page = model.create_page("DOCS", "Start", "old", author="admin")
    model.add_user("eve", "Eve")
    model.clock.advance(minutes=3)  # type: ignore[attr-defined]
    model.edit(page, body="new", author="eve")
    [record] = model.visible()
    assert (2, "new", "admin", "eve", NOON, NOON + timedelta(minutes=3)) == (
        record.version,
        record.body,
        record.author,
        record.editor,
        record.created_at,
        record.edited_at,
    )


def test_a_move_between_spaces_takes_what_is_below_and_makes_no_version(model: Model) -> None:
    model.create_space("OPS")
    parent = model.create_page("DOCS", "Parent")
    child = model.create_page("DOCS", "Child", parent=parent)
    model.attach(child, "a.txt", b"a", "text/plain")
    model.move(parent, space="OPS")
    assert [(r.title, r.version) for r in model.visible(["OPS"])] == [("Parent", 1), ("Child", 1), ("a.txt", 1)]
    assert model.visible(["DOCS"]) == []


def test_the_reading_that_a_move_makes_a_version_is_a_switch() -> None:
    model = Model(readings=Readings(move_bumps_version=True))
    model.create_space("DOCS")
    parent, page = model.create_page("DOCS", "Parent"), model.create_page("DOCS", "Page")
    model.move(page, parent=parent)
    assert model.visible()[1].version == 2


def test_a_page_cannot_move_below_itself(model: Model) -> None:
    page = model.create_page("DOCS", "Page")
    child = model.create_page("DOCS", "Child", parent=page)
    with pytest.raises(ValueError, match="below itself"):
        model.move(page, parent=child)


def test_children_of_a_trashed_page_go_up_and_its_attachments_vanish(model: Model) -> None:
    top = model.create_page("DOCS", "Top")
    middle = model.create_page("DOCS", "Middle", parent=top)
    model.create_page("DOCS", "Bottom", parent=middle)
    model.attach(middle, "a.txt", b"a", "text/plain")
    model.trash(middle)
    assert [("Top", None), ("Bottom", top)] == [(r.title, r.parent) for r in model.visible()]
    assert titles(model, "page", "attachment", status="trashed") == ["Middle"]


def test_a_restored_page_is_back_below_its_parent_with_its_attachments(model: Model) -> None:
    top = model.create_page("DOCS", "Top")
    page = model.create_page("DOCS", "Page", parent=top)
    model.attach(page, "a.txt", b"a", "text/plain")
    model.trash(page)
    model.restore(page)
    assert [("Top", None, 1), ("Page", top, 1), ("a.txt", None, 1)] == [
        (r.title, r.parent, r.version) for r in model.visible()
    ]


def test_a_purged_page_is_nowhere(model: Model) -> None:
    page = model.create_page("DOCS", "Page")
    attachment = model.attach(page, "a.txt", b"a", "text/plain")
    model.purge(page)
    assert (model.item(page), model.item(attachment)) == (None, None)
    assert titles(model, "page", "attachment", status="trashed") == []


def test_an_archived_page_is_in_the_archive_and_not_current(model: Model) -> None:
    page = model.create_page("DOCS", "Page")
    model.archive(page)
    assert (titles(model), titles(model, status="archived")) == ([], ["Page"])
    model.unarchive(page)
    assert titles(model) == ["Page"]


def test_a_file_attached_again_is_a_new_version_of_the_same_attachment(model: Model) -> None:
    page = model.create_page("DOCS", "Page")
    first = model.attach(page, "a.txt", b"one", "text/plain")
    second = model.attach(page, "a.txt", b"three", "text/plain")
    [record] = model.visible(types=["attachment"])
    assert first == second == record.id
    assert (2, 5, "a.txt", "text/plain", page) == (
        record.version,
        record.size,
        record.filename,
        record.media_type,
        record.container,
    )


def test_a_deleted_attachment_leaves_room_for_a_new_one_of_that_name(model: Model) -> None:
    page = model.create_page("DOCS", "Page")
    first = model.attach(page, "a.txt", b"one", "text/plain")
    model.delete_attachment(first)
    assert titles(model, "attachment") == []
    assert first != model.attach(page, "a.txt", b"two", "text/plain")


def test_a_hidden_page_takes_everything_below_it_along(model: Model) -> None:
    page = model.create_page("DOCS", "Page")
    child = model.create_page("DOCS", "Child", parent=page)
    model.attach(child, "a.txt", b"a", "text/plain")
    model.hide(page)
    assert model.visible() == []
    model.show(page)
    assert len(model.visible()) == 3


def test_a_hidden_space_shows_nothing(model: Model) -> None:
    model.create_page("DOCS", "Page")
    model.hide_space("DOCS")
    assert model.visible() == []
    model.show_space("DOCS")
    assert titles(model) == ["Page"]


def test_a_renamed_space_keeps_its_id_and_its_items_their_versions(model: Model) -> None:
    model.create_page("DOCS", "Page")
    before = model.space("DOCS")
    model.rename_space("DOCS", "Library", new_key="LIB")
    assert before is model.space("LIB")
    assert [(r.space, r.version) for r in model.visible()] == [("LIB", 1)]


def test_a_deleted_space_takes_its_content_along(model: Model) -> None:
    model.create_page("DOCS", "Page")
    model.delete_space("DOCS")
    assert (model.visible(), model.spaces()) == ([], [])


def test_anonymous_visitors_see_public_spaces_only(model: Model) -> None:
    model.create_page("DOCS", "Inside")
    model.create_space("PUB", public=True)
    model.create_page("PUB", "Outside")
    assert [r.title for r in model.visible(viewer="anonymous")] == ["Outside"]


def test_data_center_names_the_page_above_a_folder_as_the_parent(model: Model) -> None:
    top = model.create_page("DOCS", "Top")
    folder = model.create_folder("DOCS", "Folder", parent=top)
    model.create_page("DOCS", "Page", parent=folder)
    assert [None, folder] == [record.parent for record in model.visible()]
    assert [None, top] == [record.parent for record in model.visible(folders=False)]


def test_an_unknown_id_is_named_in_the_error(model: Model) -> None:
    with pytest.raises(KeyError, match="4711"):
        model.edit("4711", body="x")


def test_content_can_be_dated_in_the_past(model: Model) -> None:
    with model.at(NOON - timedelta(days=30)):
        model.create_page("DOCS", "Old")
    model.create_page("DOCS", "New")
    assert [NOON - timedelta(days=30), NOON] == [r.created_at for r in model.visible()]
