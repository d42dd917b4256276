"""The table of docs/how-it-works.md: which kinds of change a quick run sees, and which wait until everything is compared."""

from __future__ import annotations

import pytest

from airflow_provider_confluence.testing.sandbox import ManualClock, Model, Sandbox
from tests.soak.history import FewRows
from tests.sync.conftest import Wiki, fill


def _below(model, title):
    return model.create_page("DOCS", title, "", parent=model.find("Guide"))


# kind: what happens, and whether a quick run brings all that follows from it
KINDS = {
    "a page is edited": (lambda m: m.edit(m.find("Chapter"), body="<p>Edited</p>"), True),
    "a page without children is renamed": (lambda m: m.edit(m.find("Chapter"), title="Renamed"), True),
    "a page is made": (lambda m: _below(m, "Fresh"), True),
    "a blog post is made": (lambda m: m.create_blogpost("DOCS", "More news", ""), True),
    "a blog post is edited": (lambda m: m.edit(m.find("News"), body="<p>Edited</p>"), True),
    "a file is attached": (lambda m: m.attach(m.find("Home"), "new.txt", b"new", "text/plain"), True),
    "a file is replaced": (lambda m: m.attach(m.find("Guide"), "plan.txt", b"a longer plan", "text/plain"), True),
    "a comment is written": (lambda m: m.create_comment(m.find("Guide"), "<p>New</p>"), True),
    "a comment on the text is written": (
        lambda m: m.create_comment(m.find("Guide"), "<p>New</p>", selection="roll"),
        True,
    ),
    "a comment is answered": (lambda m: m.reply(m.said, "<p>Thanks</p>"), True),
    "a comment is edited": (lambda m: m.edit_comment(m.said, "<p>Better said</p>"), True),
    "a comment is deleted": (lambda m: m.delete_comment(m.said), False),
    "a page above others is renamed": (lambda m: m.edit(m.find("Guide"), title="Renamed"), False),
    "a page moves in the tree": (lambda m: m.move(m.find("Guide"), parent=m.find("Appendix")), False),
    "a page moves out": (lambda m: m.move(m.find("Appendix"), space="OPS"), False),
    "a page moves in": (lambda m: m.move(m.find("Runbook"), space="DOCS"), False),
    "a label changes": (lambda m: m.relabel(m.find("Guide"), ["other"]), False),
    "a page is trashed": (lambda m: m.trash(m.find("Appendix")), False),
    "a page is restored": (lambda m: m.restore(m.trashed), False),
    "a page is archived": (lambda m: m.archive(m.find("Appendix")), False),
    "a page is taken out of the archive": (lambda m: m.unarchive(m.find("Archived")), False),
    "a page is hidden": (lambda m: m.hide(m.find("Appendix")), False),
    "a page is shown again": (lambda m: m.show(m.find("Hidden")), False),
    "a file is deleted": (lambda m: m.delete_attachment(m.find("plan.txt")), False),
    "a space is renamed": (lambda m: m.rename_space("DOCS", "Renamed"), False),
    "a person is renamed": (lambda m: m.rename_user("admin", "Renamed"), False),
}


@pytest.fixture(params=["cloud", "datacenter"])
def quick(request, tmp_path):
    """A wiki whose latest changes fill the first pages of every listing, in which auto is a quick look."""
    clock = ManualClock()
    with Sandbox(request.param, Model(clock=clock)) as sandbox:
        wiki = fill(Wiki(sandbox, tmp_path))
        model = wiki.model
        model.trashed = model.create_page("DOCS", "Trashed", "")
        model.trash(model.trashed)
        model.archive(model.create_page("DOCS", "Archived", ""))
        model.hide(model.create_page("DOCS", "Hidden", ""))
        model.said = model.create_comment(model.find("Guide"), "<p>Well said</p>")
        clock.advance(3600)
        for number in range(3):
            model.create_page("DOCS", f"Later {number}", "", author=model.add_user("other", "Other"))
            model.create_blogpost("DOCS", f"Later {number}", "", author="other")
        clock.advance(3600)
        wiki.definition |= {"cheap_reconcile_requests": 1, "enable_comments": True}
        sandbox.faults.add(FewRows(2))
        wiki.run()
        clock.advance(1800)
        assert wiki.run().mode == "changes"
        yield wiki


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_is_seen_as_soon_as_the_table_says(quick, kind):
    happens, at_once = KINDS[kind]
    before = quick.indexed()
    happens(quick.model)
    assert quick.run().mode == "changes"
    assert (quick.indexed() == quick.expected()) is at_once
    assert quick.indexed() == before or at_once or kind == "a page above others is renamed"
    quick.run(mode="reconcile")
    assert quick.indexed() == quick.expected()
