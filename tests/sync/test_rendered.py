"""Macros that only the server can show (``rendered_macros``), from Confluence to the index."""

from __future__ import annotations

import pytest

from airflow_provider_confluence.testing.sandbox import ManualClock, Model, Readings, Sandbox
from airflow_provider_confluence.testing.sandbox.faults import Respond
from tests.contracts.checker import ContractChecker
from tests.sync.conftest import Wiki

LABELLED = '<ac:structured-macro ac:name="contentbylabel"><ac:parameter ac:name="labels">tide</ac:parameter></ac:structured-macro>'
JIRA = '<ac:structured-macro ac:name="jira"><ac:parameter ac:name="jqlQuery">project = PORT</ac:parameter></ac:structured-macro>'
ISSUES = (
    '<table class="aui"><tbody><tr><th>Key</th><th>Summary</th></tr><tr><td>PORT-9</td><td>{}</td></tr></tbody></table>'
)


def served(edition, tmp_path, readings=None):
    checker = ContractChecker(edition)
    with Sandbox(edition, Model(clock=ManualClock(), readings=readings), observer=checker) as sandbox:
        wiki = Wiki(sandbox, tmp_path, {"space": ["DOCS"], "rendered_macros": ["contentbylabel", "jira"]})
        wiki.model.create_space("DOCS")
        wiki.model.create_space("OPS")
        yield wiki
    checker.assert_clean()


@pytest.fixture(params=["cloud", "datacenter"])
def wiki(request, tmp_path):
    yield from served(request.param, tmp_path)


def conversions(wiki):
    return [each for each in wiki.sandbox.requests if "/contentbody/convert/" in each.path]


def text_of(wiki, page):
    return wiki.documents()[page].content


def test_what_the_server_shows_stands_once_in_the_place_of_the_macro(wiki):
    wiki.model.drawings["jira"] = ISSUES.format("Dredge the basin")
    wiki.model.create_page("DOCS", "High tide", "<p>x</p>", labels=["tide"])
    wiki.model.create_page("OPS", "Tide in another space", "<p>x</p>", labels=["tide"])
    page = wiki.model.create_page("DOCS", "Overview", f"<h1>Tides</h1>{LABELLED}<p>Before {JIRA} after</p>")
    result = wiki.run()
    assert (result.clean, result.notes) == (True, ())
    assert [line.split("](")[0] for line in text_of(wiki, page).splitlines() if line] == [
        "# Tides",
        "- [High tide",
        "Before",
        "| Key | Summary |",
        "| --- | --- |",
        "| PORT-9 | Dredge the basin |",
        "after",
    ]
    assert wiki.documents()[page].warnings == ()


def test_nothing_is_asked_for_unless_the_setting_names_a_macro_of_the_page(wiki):
    wiki.model.drawings["jira"] = ISSUES.format("Dredge the basin")
    wiki.model.create_page("DOCS", "Plain", "<p>jira, contentbylabel</p>")
    page = wiki.model.create_page("DOCS", "Issues", JIRA)
    wiki.definition["rendered_macros"] = ["contentbylabel"]
    assert wiki.run().clean
    assert conversions(wiki) == []
    assert text_of(wiki, page) == "`project = PORT`\n"
    assert wiki.documents()[page].warnings == ("not_rendered=jira",)


def test_pages_are_shown_for_what_the_documentation_says_it_costs(wiki):
    for number in range(25):
        wiki.model.create_page("DOCS", f"Overview {number}", f"{LABELLED}<p>{number}</p>{LABELLED}")
    wiki.model.create_page("DOCS", "High tide", "<p>x</p>", labels=["tide"])
    assert wiki.run().clean
    posted = [each for each in conversions(wiki) if each.method == "POST"]
    looked = [each for each in conversions(wiki) if each.method == "GET"]
    # Cloud takes ten bodies a request, and each ten are found at work once (a reading of the sandbox) before they are done.
    assert (len(posted), len(looked)) == ((3, 6) if wiki.sandbox.edition == "cloud" else (25, 0))
    texts = [d.content for d in wiki.documents().values() if d.title.startswith("Overview")]
    assert len(texts) == 25
    assert all(text.count("High tide") == 2 for text in texts)


@pytest.mark.parametrize("order", ["asked", "reversed"])
@pytest.mark.parametrize("names", [True, False])
def test_every_page_gets_what_is_its_own_however_the_results_come(tmp_path, order, names):
    readings = Readings(conversion_order=order, conversion_names_task=names, conversion_looks=2)
    for wiki in served("cloud", tmp_path, readings):
        wiki.model.drawings["jira"] = lambda parameters: f"<p>Issues of {parameters['jqlQuery']}</p>"
        pages = {
            wiki.model.create_page("DOCS", f"Page {n}", JIRA.replace("PORT", f"P{n}")): f"Issues of project = P{n}\n"
            for n in range(12)
        }
        assert wiki.run().clean
        assert {page: text_of(wiki, page) for page in pages} == pages


@pytest.mark.parametrize(("content", "shown"), [("used", "- [High tide"), ("ignored", ""), ("refused", "")])
def test_a_server_that_knows_no_page_for_a_body_still_shows_what_needs_none(tmp_path, content, shown):
    for wiki in served("datacenter", tmp_path, Readings(conversion_content=content)):
        wiki.model.drawings["jira"] = ISSUES.format("Dredge")
        wiki.model.create_page("DOCS", "High tide", "<p>x</p>", labels=["tide"])
        page = wiki.model.create_page("DOCS", "Overview", f"{JIRA}{LABELLED}")
        assert wiki.run().clean
        table, _, rest = text_of(wiki, page).partition("| PORT-9 | Dredge |\n")
        assert table.startswith("| Key")
        assert rest.strip().split("](")[0] == shown
        failed = () if shown else ("render_failed=contentbylabel", "not_rendered=contentbylabel")
        assert wiki.documents()[page].warnings == failed


@pytest.mark.parametrize("status", [400, 403, 404, 410, 500, 501])
def test_a_page_is_indexed_whatever_the_server_answers_for_its_macros(wiki, status):
    wiki.sandbox.faults.add(Respond(status, route="POST */contentbody/convert/*", times=None))
    page = wiki.model.create_page("DOCS", "Issues", f"<p>Words</p>{JIRA}")
    result = wiki.run()
    assert (result.clean, result.counts["failed"]) == (True, 0)
    assert text_of(wiki, page) == "Words\n\n`project = PORT`\n"
    assert wiki.documents()[page].warnings == ("render_failed=jira", "not_rendered=jira")
    assert [note.split(";")[0] for note in result.notes] == [
        "Confluence did not show all the rendered_macros of 1 pages"
    ]


def test_a_server_that_shows_nothing_is_soon_asked_no_more(wiki):
    wiki.sandbox.faults.add(Respond(403, route="POST */contentbody/convert/*", times=None))
    for number in range(120):
        wiki.model.create_page("DOCS", f"Issues {number}", JIRA)
    result = wiki.run()
    assert result.clean
    assert [note.split(";")[0] for note in result.notes] == [
        "Confluence did not show all the rendered_macros of 120 pages"
    ]
    # Of the first fifty pages alone; Cloud halves ten, until each was asked for by itself.
    assert len(conversions(wiki)) <= 100


def test_what_is_shown_changes_in_the_index_when_it_is_older_than_the_maximum_age(wiki):
    wiki.model.drawings["jira"] = ISSUES.format("Dredge")
    page = wiki.model.create_page("DOCS", "Issues", JIRA)
    wiki.run()
    wiki.model.drawings["jira"] = ISSUES.format("Buy a boat")
    wiki.model.clock.advance(23 * 3600)
    wiki.sandbox.requests.clear()
    assert wiki.run(mode="reconcile").counts["fetched"] == 0
    assert conversions(wiki) == []
    wiki.model.clock.advance(3600)
    assert wiki.run(mode="reconcile").counts["written"] == 1
    assert "Buy a boat" in text_of(wiki, page)
    assert wiki.documents()[page].source_version == 1


def test_what_is_shown_as_before_is_not_written_and_not_asked_for_again_at_once(wiki):
    wiki.model.drawings["jira"] = ISSUES.format("Dredge")
    wiki.model.create_page("DOCS", "Issues", JIRA)
    wiki.run()
    wiki.model.clock.advance(25 * 3600)
    result = wiki.run(mode="reconcile")
    assert (result.counts["fetched"], result.counts["written"], result.changed) == (1, 0, False)
    wiki.model.clock.advance(3600)
    assert wiki.run(mode="reconcile").counts["fetched"] == 0


def test_an_edit_is_shown_at_once_with_what_the_server_shows_then(wiki):
    wiki.model.drawings["jira"] = ISSUES.format("Dredge")
    page = wiki.model.create_page("DOCS", "Issues", JIRA)
    wiki.run()
    wiki.model.drawings["jira"] = ISSUES.format("Buy a boat")
    wiki.model.clock.advance(60)
    wiki.model.edit(page, body=f"<p>New words</p>{JIRA}")
    wiki.run()
    assert text_of(wiki, page).startswith("New words")
    assert "Buy a boat" in text_of(wiki, page)


def test_what_could_not_be_shown_is_asked_for_again_after_an_hour(wiki):
    wiki.model.drawings["jira"] = ISSUES.format("Dredge")
    page = wiki.model.create_page("DOCS", "Issues", JIRA)
    wiki.sandbox.faults.add(Respond(400, route="POST */contentbody/convert/*", times=None))
    wiki.run()
    assert "Dredge" not in text_of(wiki, page)
    wiki.sandbox.faults.clear()
    wiki.model.clock.advance(1800)
    assert wiki.run(mode="reconcile").counts["fetched"] == 0
    wiki.model.clock.advance(1801)
    assert wiki.run(mode="reconcile").counts["written"] == 1
    assert "Dredge" in text_of(wiki, page)
    assert wiki.documents()[page].warnings == ()


def test_no_run_asks_for_more_pages_than_it_may_and_the_next_ones_take_the_rest(wiki):
    wiki.model.drawings["jira"] = ISSUES.format("Dredge")
    for number in range(7):
        wiki.model.create_page("DOCS", f"Issues {number}", JIRA)
    wiki.definition["rendered_macros_max_pages"] = 3

    def shown():
        return sum("Dredge" in document.content for document in wiki.documents().values())

    assert wiki.run().clean
    counted = [shown()]
    for _ in range(2):
        wiki.model.clock.advance(60)
        assert wiki.run(mode="reconcile").clean
        counted.append(shown())
    assert counted == [3, 6, 7]


def test_pages_that_are_due_keep_what_was_shown_where_others_use_up_what_a_run_may_ask(wiki):
    wiki.model.drawings["jira"] = ISSUES.format("Dredge")
    new = [wiki.model.create_page("DOCS", f"New {number}", "<p>x</p>") for number in range(2)]
    old = [wiki.model.create_page("DOCS", f"Old {number}", JIRA) for number in range(2)]
    wiki.definition["rendered_macros_max_pages"] = 2
    wiki.run()
    before = {page: text_of(wiki, page) for page in old}
    wiki.model.drawings["jira"] = ISSUES.format("Buy a boat")
    wiki.model.clock.advance(25 * 3600)
    for page in new:
        wiki.model.edit(page, body=JIRA)
    assert wiki.run(mode="reconcile").counts["written"] == 2
    assert {page: text_of(wiki, page) for page in old} == before
    assert all("Dredge" in text for text in before.values())
    assert [wiki.documents()[page].warnings for page in old] == [(), ()]
    wiki.model.clock.advance(60)
    assert wiki.run(mode="reconcile").counts["written"] == 2
    assert all("Buy a boat" in text_of(wiki, page) for page in [*new, *old])


def test_pages_keep_what_was_shown_while_confluence_shows_nothing(wiki):
    wiki.model.drawings["jira"] = ISSUES.format("Dredge")
    pages = [wiki.model.create_page("DOCS", f"Issues {number}", JIRA) for number in range(60)]
    wiki.run()
    wiki.sandbox.faults.add(Respond(403, route="POST */contentbody/convert/*", times=None))
    wiki.model.clock.advance(25 * 3600)
    result = wiki.run(mode="reconcile")
    assert (result.clean, result.counts["written"], result.changed) == (True, 0, False)
    assert sum("Dredge" in document.content for document in wiki.documents().values()) == 60
    wiki.sandbox.faults.clear()
    wiki.model.drawings["jira"] = ISSUES.format("Buy a boat")
    wiki.model.clock.advance(3601)
    assert wiki.run(mode="reconcile").counts["written"] == 60
    assert all("Buy a boat" in text_of(wiki, page) for page in pages[:3])


@pytest.mark.parametrize("status", [403, 500])
def test_what_had_no_answer_stays_and_is_asked_for_again_after_an_hour_and_not_before(wiki, status):
    wiki.model.drawings["jira"] = ISSUES.format("Dredge")
    page = wiki.model.create_page("DOCS", "Issues", JIRA)
    wiki.run()
    wiki.sandbox.faults.add(Respond(status, route="POST */contentbody/convert/*", times=None))
    wiki.model.clock.advance(25 * 3600)
    assert wiki.run(mode="reconcile").counts["fetched"] == 1
    assert "Dredge" in text_of(wiki, page)
    wiki.model.clock.advance(1800)
    assert wiki.run(mode="reconcile").counts["fetched"] == 0
    wiki.model.clock.advance(1801)
    assert wiki.run(mode="reconcile").counts["fetched"] == 1


def test_a_page_edited_while_confluence_shows_nothing_is_as_storage_format_has_it(wiki):
    wiki.model.drawings["jira"] = ISSUES.format("Dredge")
    page = wiki.model.create_page("DOCS", "Issues", JIRA)
    wiki.run()
    wiki.sandbox.faults.add(Respond(403, route="POST */contentbody/convert/*", times=None))
    wiki.model.clock.advance(25 * 3600)
    wiki.model.edit(page, body=f"<p>New words</p>{JIRA}")
    wiki.run(mode="reconcile")
    assert text_of(wiki, page) == "New words\n\n`project = PORT`\n"


@pytest.mark.parametrize("shown", ["", '<div class="error">You have no permission to view this project.</div>'])
def test_what_confluence_now_shows_as_an_error_or_as_nothing_does_not_stay_in_the_index(wiki, shown):
    wiki.model.drawings["jira"] = ISSUES.format("Dredge")
    page = wiki.model.create_page("DOCS", "Issues", JIRA)
    wiki.run()
    wiki.model.drawings["jira"] = shown
    wiki.model.clock.advance(25 * 3600)
    assert wiki.run(mode="reconcile").counts["written"] == 1
    assert text_of(wiki, page) == "`project = PORT`\n"
    assert wiki.documents()[page].warnings == ("render_failed=jira", "not_rendered=jira")


def test_a_page_that_the_account_cannot_see_is_not_shown_by_a_macro(wiki):
    secret = wiki.model.create_page("DOCS", "Secret tide", "<p>x</p>", labels=["tide"])
    wiki.model.create_page("DOCS", "High tide", "<p>x</p>", labels=["tide"])
    page = wiki.model.create_page("DOCS", "Overview", LABELLED)
    wiki.run()
    assert "Secret tide" in text_of(wiki, page)
    wiki.model.hide(secret)
    wiki.model.clock.advance(25 * 3600)
    wiki.run(mode="reconcile")
    assert "Secret tide" not in text_of(wiki, page)


def test_another_choice_of_macros_makes_every_document_anew(wiki):
    wiki.model.drawings["jira"] = ISSUES.format("Dredge")
    page = wiki.model.create_page("DOCS", "Issues", JIRA)
    wiki.run()
    wiki.definition["rendered_macros"] = []
    assert wiki.run().counts["written"] == 1
    assert text_of(wiki, page) == "`project = PORT`\n"


def test_a_live_document_that_did_not_change_has_its_macros_shown_when_they_are_due_only(tmp_path):
    for wiki in served("cloud", tmp_path):
        wiki.model.drawings["jira"] = ISSUES.format("Dredge")
        page = wiki.model.create_page("DOCS", "Notes", JIRA, live=True)
        wiki.run()
        wiki.sandbox.requests.clear()
        assert wiki.run(mode="reconcile").counts["written"] == 0
        assert conversions(wiki) == []
        wiki.model.drawings["jira"] = ISSUES.format("Buy a boat")
        wiki.model.clock.advance(25 * 3600)
        wiki.run(mode="reconcile")
        assert "Buy a boat" in text_of(wiki, page)
