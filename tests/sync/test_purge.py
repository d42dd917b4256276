"""A datasource that is taken out leaves no document and no state behind, wherever the purge is stopped on its way."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from airflow_provider_confluence.datasource import read_datasource
from airflow_provider_confluence.errors import ConfigurationError, DatasourceError, OwnershipError, SupersededError
from airflow_provider_confluence.sinks.base import Answer, Capabilities, Owner
from airflow_provider_confluence.sinks.local import LocalSink, index_path
from airflow_provider_confluence.sync.extract import extract
from airflow_provider_confluence.sync.index import index
from airflow_provider_confluence.sync.list_changes import list_changes
from airflow_provider_confluence.sync.purge import PURGE_CRASH_POINTS, purge
from airflow_provider_confluence.sync.run import run_once
from airflow_provider_confluence.sync.status import read_status
from airflow_provider_confluence.testing.sandbox.clock import ManualClock
from tests.sync.conftest import Wiki, fill
from tests.sync.histories import StopAt, Stopped


class Taciturn(LocalSink):
    """A sink that cannot list what it holds."""

    capabilities = Capabilities(versioned=True, inventory=False, atomic_swap=False)


class Stubborn(LocalSink):
    """A sink that does not let documents go now."""

    def write(self, items):
        return [Answer(item.id, "retry") for item in items]


@pytest.fixture
def cloud_wiki(cloud, tmp_path):
    return fill(Wiki(cloud, tmp_path))


def purged(wiki, **options):
    return purge(wiki.context.storage, wiki.context.make_sink, "docs", reached=wiki.reached, **options)


def held(wiki, name="indexing_documents", datasource_id="docs"):
    sink = LocalSink(index_path(wiki.folder / "index", name))
    owner = json.loads((wiki.folder / "state" / "instance.json").read_text())["id"]
    sink.open(Owner(datasource_id, owner, wiki.sandbox.endpoint))
    try:
        return {item.content_id for item in sink.inventory(datasource_id)}
    finally:
        sink.close()


def state(wiki):
    folder = wiki.folder / "state" / "docs"
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_every_document_goes_and_of_the_state_only_the_claim_stays(wiki):
    wiki.run()
    assert len(held(wiki)) == 6
    wiki.context.storage.write_json("docs/arrivals/other.json", {"format": 1, "note": "something came"})
    result = purged(wiki)
    assert (sum(result.removed.values()), result.left, result.notes, result.finished) == (6, 0, (), True)
    assert held(wiki) == set()
    assert state(wiki) == {"claim.json"}
    assert read_status(wiki.context.storage) == []


def test_no_request_is_made_to_confluence(wiki):
    wiki.run()
    wiki.sandbox.requests.clear()
    purged(wiki)
    assert len(wiki.sandbox.requests) == 0


def test_another_datasource_in_the_same_index_is_left_alone(wiki):
    wiki.run()
    other = read_datasource("other", {"space": "OPS"})
    run_once(wiki.context, other)
    purged(wiki)
    assert len(held(wiki, datasource_id="other")) == 1
    assert [each.datasource_id for each in read_status(wiki.context.storage)] == ["other"]


@pytest.mark.parametrize("passing", [1, 2])
@pytest.mark.parametrize("point", PURGE_CRASH_POINTS)
def test_a_purge_stopped_anywhere_is_finished_by_repeating_it(cloud_wiki, point, passing):
    wiki = cloud_wiki
    wiki.run()
    wiki.definition["queue"] = {"name": "elsewhere"}
    wiki.run()
    stop = wiki.reached = StopAt(point, passing)
    try:
        purged(wiki)
    except Stopped:
        wiki.reached = lambda _: None
        if point != "claim_released":
            assert purged(wiki).finished
    assert stop.seen[point] >= 1
    assert (held(wiki), held(wiki, "elsewhere")) == (set(), set())
    assert state(wiki) == {"claim.json"}


@pytest.mark.parametrize("inventory", [True, False])
@pytest.mark.parametrize("point", PURGE_CRASH_POINTS)
def test_a_run_instead_of_the_repetition_brings_everything_back(cloud_wiki, point, inventory):
    wiki = cloud_wiki
    if not inventory:
        wiki.make_sink = lambda d: Taciturn(index_path(wiki.folder / "index", d.queue_name))
    wiki.run()
    wiki.reached = StopAt(point)
    with pytest.raises(Stopped):
        purged(wiki)
    wiki.reached = lambda _: None
    wiki.model.trash(wiki.model.find("Appendix"))
    wiki.run()
    assert wiki.indexed() == wiki.expected()


def test_a_datasource_that_comes_back_within_the_same_second_is_indexed_again(wiki):
    wiki.model.clock = ManualClock(datetime.now(timezone.utc))
    wiki.run()
    purged(wiki)
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


def test_former_destinations_are_emptied_too_however_long_ago(wiki):
    wiki.run()
    wiki.definition["queue"] = {"name": "elsewhere"}
    for _ in range(5):  # more runs than the journal keeps
        wiki.run()
    assert len(held(wiki)) == len(held(wiki, "elsewhere")) == 6
    assert sorted(purged(wiki).removed.values()) == [6, 6]
    assert (held(wiki), held(wiki, "elsewhere")) == (set(), set())


def test_a_run_that_died_before_its_commit_leaves_nothing_behind(wiki):
    wiki.reached = StopAt("receipt_written")
    with pytest.raises(Stopped):
        wiki.run()
    wiki.reached = lambda _: None
    assert held(wiki)
    assert purged(wiki).finished
    assert held(wiki) == set()
    assert state(wiki) == {"claim.json"}


def test_a_run_at_work_stands_aside(wiki):
    wiki.run()
    wiki.model.create_page("DOCS", "Late", "<p>x</p>")
    plan = list_changes(wiki.context, wiki.datasource)
    extract(wiki.context, "docs", plan.revision, 0)
    purged(wiki)
    with pytest.raises(SupersededError):
        index(wiki.context, "docs", plan.revision, 0)
    assert held(wiki) == set()


def test_a_purge_stands_aside_for_a_run_that_begins_meanwhile(wiki):
    wiki.run()

    def begin(point):
        if point == "plan_written":
            wiki.reached = lambda _: None
            wiki.run()

    wiki.reached = begin
    with pytest.raises(SupersededError):
        purged(wiki)
    assert wiki.indexed() == wiki.expected()


@pytest.mark.parametrize("configured", [{"space": "DOCS"}, {"space": "DOCS", "enabled": "yes"}])
def test_a_datasource_that_is_enabled_or_cannot_be_read_is_refused(wiki, configured):
    wiki.run()
    try:
        found = read_datasource("docs", configured)
    except DatasourceError as error:
        found = error
    before = state(wiki)
    with pytest.raises(ConfigurationError, match="enabled"):
        purged(wiki, configured=found)
    assert (state(wiki), len(held(wiki))) == (before, 6)


def test_a_disabled_datasource_is_purged(wiki):
    wiki.run()
    assert purged(wiki, configured=read_datasource("docs", {"space": "DOCS", "enabled": False})).finished


def test_documents_of_another_deployment_are_refused(wiki):
    wiki.run()
    (wiki.folder / "state" / "instance.json").unlink()
    with pytest.raises(OwnershipError, match="adopt"):
        purged(wiki)
    sink = LocalSink(index_path(wiki.folder / "index", "indexing_documents"))
    sink.open(Owner("docs", "whoever", wiki.sandbox.endpoint), adopt=True)
    assert len(list(sink.inventory("docs"))) == 6
    sink.close()


def test_a_sink_without_inventory_is_emptied_by_what_the_state_names(wiki):
    wiki.make_sink = lambda d: Taciturn(index_path(wiki.folder / "index", d.queue_name))
    wiki.run()
    result = purged(wiki)
    assert (sum(result.removed.values()), result.notes) == (6, ())
    assert held(wiki) == set()


def test_what_cannot_be_known_is_said(wiki):
    wiki.make_sink = lambda d: Taciturn(index_path(wiki.folder / "index", d.queue_name))
    wiki.run()
    (wiki.folder / "state" / "docs" / "head.json").unlink()
    assert "cannot be known" in purged(wiki).notes[0]


def test_what_only_the_sinks_inventory_names_goes_as_well(wiki):
    import shutil

    wiki.run()
    shutil.rmtree(wiki.folder / "state" / "docs" / "manifest")
    shutil.rmtree(wiki.folder / "state" / "docs" / "runs")
    assert sum(purged(wiki).removed.values()) == 6
    assert held(wiki) == set()


def test_documents_that_a_sink_does_not_let_go_are_counted_and_the_state_is_kept(wiki):
    wiki.run()
    wiki.make_sink = lambda d: Stubborn(index_path(wiki.folder / "index", d.queue_name))
    result = purged(wiki)
    assert (sum(result.removed.values()), result.left, result.finished) == (0, 6, False)
    wiki.make_sink = None
    assert purged(wiki).finished
    assert held(wiki) == set()


def test_a_former_sink_that_nothing_describes_any_more_keeps_the_state_until_it_may_be_forgotten(wiki):
    wiki.run()
    wiki.definition["queue"] = {"name": "elsewhere"}
    for _ in range(5):
        wiki.run()
    (wiki.folder / "state" / "docs" / "destinations.json").unlink()
    result = purged(wiki)
    assert not result.finished
    assert result.notes[0].startswith("local:indexing_documents:")
    assert held(wiki, "elsewhere") == set()
    assert purged(wiki, forget_unknown=True).finished
    assert state(wiki) == {"claim.json"}


@pytest.mark.parametrize("datasource_id", ["../docs", "", "docs/runs", "/tmp"])
def test_an_id_that_leads_elsewhere_is_refused(wiki, datasource_id):
    with pytest.raises(DatasourceError, match="an id is made of"):
        purge(wiki.context.storage, wiki.context.make_sink, datasource_id)


def test_what_was_never_indexed_cannot_be_purged(wiki):
    with pytest.raises(ConfigurationError, match="nothing is kept of a datasource docs"):
        purged(wiki)
    assert not (wiki.folder / "state" / "docs").exists()


def test_a_run_that_cannot_know_of_deletions_names_the_purge(wiki):
    wiki.make_sink = lambda d: Taciturn(index_path(wiki.folder / "index", d.queue_name))
    wiki.run()
    (wiki.folder / "state" / "docs" / "head.json").unlink()
    (note,) = [note for note in wiki.run().notes if "cannot be known" in note]
    assert "airflow-confluence purge docs" in note
