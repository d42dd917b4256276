"""Law 1 and 2: a listing that did not finish deletes nothing, and an unusual deletion waits for consent."""

from __future__ import annotations

import pytest

from airflow_provider_confluence.errors import ConfigurationError
from airflow_provider_confluence.sync.manifest import Record
from airflow_provider_confluence.sync.vanished import guard


def records(count, *, space="1", type_="page", container=None, start=0):
    return [Record(str(n), type_, 1, space, container, f"Title {n}", "c", 5) for n in range(start, start + count)]


def judge(gone, known, **options):
    defaults = {"share": 0.2, "consented": set(), "all_need_consent": None, "space_name": lambda s: f"SPACE{s}"}
    return guard(gone, known, **(defaults | options))


def test_fifty_deletions_are_never_withheld():
    known = records(50)
    assert (len(judge(known, known).deletions), len(judge(known, known).withheld)) == (50, 0)


def test_more_than_fifty_and_more_than_the_share_are_withheld():
    known = records(51)
    guarded = judge(known, known)
    assert (len(guarded.deletions), len(guarded.withheld)) == (0, 51)
    assert guarded.reasons == ("51 of 51 items of the datasource are gone",)


def test_many_deletions_that_are_a_small_share_go_ahead():
    known = records(500)
    assert len(judge(known[:100], known).deletions) == 100


def test_one_space_that_empties_is_withheld_while_others_go_on():
    known = [*records(1000, space="1"), *records(60, space="2", start=1000)]
    gone = [*known[:60], *known[1000:]]
    guarded = judge(gone, known)
    assert {r.space_id for r in guarded.deletions} == {"1"}
    assert {r.space_id for r in guarded.withheld} == {"2"}
    assert guarded.reasons == ("60 of 60 pages of space SPACE2 are gone",)


def test_attachments_are_judged_by_their_page():
    pages = records(300)
    files = records(200, type_="attachment", container="0", start=1000)
    assert len(judge([pages[0], *files], [*pages, *files]).deletions) == 201


def test_attachments_of_a_withheld_page_wait_with_it():
    pages = records(100)
    files = records(3, type_="attachment", container="0", start=1000)
    guarded = judge([*pages, *files], [*pages, *files])
    assert len(guarded.withheld) == 103


def test_consent_holds_for_the_named_ids_and_for_no_more():
    known = records(200)
    guarded = judge(known[:120], known, consented={r.content_id for r in known[:60]})
    assert {r.content_id for r in guarded.deletions} == {r.content_id for r in known[:60]}
    assert len(guarded.withheld) == 60


def test_another_account_needs_consent_for_any_deletion():
    known = records(100)
    guarded = judge(known[:1], known, all_need_consent="another account reads now")
    assert (len(guarded.deletions), len(guarded.withheld)) == (0, 1)


# ---------------------------------------------------------------- over the wire
def many(wiki, count):
    return [wiki.model.create_page("DOCS", f"Many {n}", f"<p>Number {n}</p>") for n in range(count)]


def test_a_mass_deletion_is_withheld_until_the_named_run_is_consented_to(wiki):
    ids = many(wiki, 60)
    wiki.run()
    for content_id in ids:
        wiki.model.trash(content_id)
    held = wiki.run()
    assert not held.clean
    assert held.counts["withheld"] == 60
    assert set(ids) <= wiki.indexed().keys()
    assert any(f"allow_mass_delete={held.revision}" in problem for problem in held.problems)
    with pytest.raises(ConfigurationError, match=str(held.revision)):
        wiki.run(allow_mass_delete=held.revision + 1)
    consented = wiki.run(allow_mass_delete=held.revision)
    assert consented.clean
    assert wiki.indexed() == wiki.expected()


def test_an_edit_still_arrives_while_deletions_are_withheld(wiki):
    ids = many(wiki, 60)
    wiki.run()
    for content_id in ids:
        wiki.model.trash(content_id)
    wiki.model.edit(wiki.model.find("Home"), body="<p>Edited meanwhile</p>")
    wiki.run()
    assert "Edited meanwhile" in wiki.documents()[wiki.model.find("Home")].content


def test_a_hidden_space_fails_the_run_and_deletes_nothing(wiki):
    from airflow_provider_confluence.errors import SpaceNotFoundError

    wiki.run()
    before = wiki.indexed()
    wiki.model.hide_space("DOCS")
    with pytest.raises(SpaceNotFoundError):
        wiki.run()
    assert wiki.indexed() == before


def test_a_page_hidden_from_the_account_leaves_the_index(wiki):
    wiki.run()
    wiki.model.hide(wiki.model.find("Appendix"))
    wiki.run()
    assert wiki.indexed() == wiki.expected()
    assert wiki.model.find("Appendix") not in wiki.indexed()


def test_consent_to_the_run_that_was_named_holds_for_the_same_set_in_later_runs(wiki):
    ids = many(wiki, 60)
    wiki.run()
    for content_id in ids:
        wiki.model.trash(content_id)
    named = wiki.run()
    for _ in range(4):
        again = wiki.run()
        assert any(f"allow_mass_delete={named.revision}" in problem for problem in again.problems)
    assert wiki.run(allow_mass_delete=named.revision).clean
    assert wiki.indexed() == wiki.expected()


def test_a_larger_set_asks_for_a_consent_of_its_own(wiki):
    ids = many(wiki, 70)
    wiki.run()
    for content_id in ids[:60]:
        wiki.model.trash(content_id)
    named = wiki.run()
    for content_id in ids[60:]:
        wiki.model.trash(content_id)
    larger = wiki.run()
    assert any(f"allow_mass_delete={larger.revision}" in problem for problem in larger.problems)
    with pytest.raises(ConfigurationError, match=str(larger.revision)):
        wiki.run(allow_mass_delete=named.revision)


def test_another_account_asks_for_consent_in_every_run_until_it_is_given(wiki):
    wiki.run()
    page = wiki.model.find("Appendix")
    head = wiki.folder / "state" / "docs" / "head.json"
    account = wiki.context.storage.read_json("docs/head.json")["account"]
    head.write_text(head.read_text().replace(f'"account": "{account}"', '"account": "somebody-else"'))
    wiki.model.trash(page)
    held = wiki.run()
    assert held.counts["withheld"] == 1
    assert wiki.run().counts["withheld"] == 1
    assert page in wiki.indexed()
    assert wiki.run(allow_mass_delete=held.revision).clean
    assert wiki.indexed() == wiki.expected()
    wiki.model.trash(wiki.model.find("Chapter"))
    assert wiki.run().counts["deleted"] == 1


def test_a_token_that_turns_anonymous_during_the_listing_deletes_nothing(wiki):
    from airflow_provider_confluence.errors import CredentialsError
    from airflow_provider_confluence.testing.sandbox.faults import During

    if wiki.sandbox.edition == "cloud":
        pytest.skip("only Data Center takes an invalid token for a visitor without one")
    wiki.run()
    before = wiki.indexed()
    model = wiki.model
    model.readings.anonymous_access = True
    model.readings.invalid_token_is_anonymous = True
    model.space("DOCS").public = True

    def expire(_):
        wiki.sandbox.revoke_token()
        model.hide(model.find("Appendix"))

    wiki.sandbox.faults.add(During(expire, route="*/content/scan", times=1))
    with pytest.raises(CredentialsError):
        wiki.run()
    assert wiki.indexed() == before


def test_a_vanished_attachment_that_could_not_be_asked_for_keeps_the_run_from_being_green(wiki):
    from airflow_provider_confluence.testing.sandbox.faults import Respond

    many_files = [wiki.model.attach(wiki.model.find("Guide"), f"{n}.txt", b"x", "text/plain") for n in range(3)]
    wiki.run()
    before = wiki.indexed()
    wiki.model.delete_attachment(many_files[0])
    route = {"cloud": "*/pages/*/attachments", "datacenter": "*/child/attachment"}[wiki.sandbox.edition]
    wiki.sandbox.faults.add(Respond(404, route=route, times=None))
    result = wiki.run()
    assert not result.clean
    assert wiki.indexed() == before
