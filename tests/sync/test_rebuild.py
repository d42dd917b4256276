"""Mode rebuild: a new index is filled while the old one serves, and takes its place when it is whole; whatever happens in between."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_confluence.datasource import read_datasource
from airflow_provider_confluence.errors import ConfigurationError, SinkUnavailableError
from airflow_provider_confluence.sync.context import CRASH_POINTS, REBUILD_CRASH_POINTS
from airflow_provider_confluence.sync.purge import purge
from airflow_provider_confluence.sync.run import run_once
from airflow_provider_confluence.testing.sandbox import Sandbox
from tests.sinks.servers import elasticsearch, opensearch
from tests.sync.conftest import Wiki, fill
from tests.sync.histories import ACTIONS, StopAt, Stopped, act
from tests.sync.search_engines import SearchWiki

__all__ = ["elasticsearch", "opensearch"]


def indexed_wiki(server, cloud, tmp_path):
    wiki = fill(SearchWiki(cloud, tmp_path, server=server))
    assert wiki.run().clean
    assert wiki.serving() == f"{wiki.alias}-000001"
    return wiki


@pytest.fixture
def wiki(opensearch, cloud, tmp_path):
    return indexed_wiki(opensearch, cloud, tmp_path)


def finish(wiki, runs=8):
    """Run until nothing is left to do."""
    for _ in range(runs):
        result = wiki.run()
        if not result.counts["left_for_later"] and not result.counts["pending"]:
            return result
    raise AssertionError(f"after {runs} runs there is still something to do")


def assert_whole(wiki, *, swapped=True):
    """The index is as Confluence is, there is one, and it is the new one or the old one."""
    assert wiki.indexed() == wiki.expected()
    assert wiki.indexes() == {wiki.serving()}
    assert (wiki.serving() != f"{wiki.alias}-000001") == swapped
    status, found = wiki.server.ask("GET", f"/{wiki.alias}-control/_doc/rebuild")
    assert status == 404 or not found["found"]


@pytest.mark.parametrize("kind", ["opensearch", "elasticsearch"])
def test_a_new_index_takes_the_place_of_the_old_one_which_serves_until_then(kind, request, cloud, tmp_path):
    wiki = indexed_wiki(request.getfixturevalue(kind), cloud, tmp_path)
    before = {hit["_id"]: hit["_version"] for hit in wiki.hits()}
    seen = []

    def reached(point):
        if point == "indexed":
            seen.append((wiki.serving(), set(wiki.indexes()), {hit["_id"] for hit in wiki.hits()}))

    wiki.reached = reached
    result = wiki.run(mode="rebuild")

    new = f"{wiki.alias}-{result.revision}"
    assert result.clean
    assert result.changed
    assert result.counts["written"] == len(before)
    assert seen == [(f"{wiki.alias}-000001", {f"{wiki.alias}-000001", new}, set(before))]
    assert wiki.serving() == new
    assert_whole(wiki)
    assert {hit["_version"] for hit in wiki.hits()} == {2 * result.revision}
    assert any("rebuild" in note and "done" in note for note in result.notes)

    wiki.model.edit(wiki.model.find("Chapter"), body="<p>Later</p>")
    assert wiki.run().clean
    assert_whole(wiki)


def test_the_new_index_has_the_shards_that_the_settings_ask_for_now(wiki):
    wiki.definition["sink"] = {"type": "opensearch", "number_of_shards": 3}

    assert wiki.run(mode="rebuild").clean

    assert_whole(wiki)
    [found] = wiki.server.ask("GET", f"/{wiki.alias}")[1].values()
    assert found["settings"]["index"]["number_of_shards"] == "3"


def test_a_rebuild_takes_as_many_runs_as_it_needs_and_both_indexes_follow(wiki):
    model = wiki.model
    wiki.definition["max_items_per_run"] = 1

    first = wiki.run(mode="rebuild")
    assert first.clean
    assert any("goes on: 5 items are not in the new index yet" in note for note in first.notes)
    assert wiki.indexed() == wiki.expected()  # in the old one

    # Whatever mode the next runs have, they go on with it, and what they see is in both.
    model.trash(model.find("Appendix"))
    wiki.run(mode="reconcile")
    assert wiki.serving() == f"{wiki.alias}-000001"
    wiki.run(mode="rebuild")
    model.create_page("DOCS", "Arrived", "<p>In between</p>")
    last = finish(wiki)

    assert any("done" in note for note in last.notes)
    assert wiki.serving() == f"{wiki.alias}-{first.revision}"
    assert_whole(wiki)


@pytest.mark.parametrize("point", [*CRASH_POINTS, *REBUILD_CRASH_POINTS])
def test_a_rebuild_stopped_anywhere_is_finished_by_the_next_runs(wiki, point):
    model = wiki.model
    model.edit(model.find("Chapter"), body="<p>Edited</p>")
    wiki.reached = StopAt(point)
    with pytest.raises(Stopped):
        wiki.run(mode="rebuild")
    wiki.reached = lambda _: None
    model.trash(model.find("Appendix"))
    model.create_page("DOCS", "Arrived", "<p>New here</p>")

    finish(wiki)

    # Before there is a plan nothing says that anybody wanted it.
    assert_whole(wiki, swapped=point not in ("claimed", "manifest_opened", "listed", "items_written"))


@pytest.mark.parametrize("point", [*CRASH_POINTS, *REBUILD_CRASH_POINTS])
def test_a_run_that_goes_on_with_a_rebuild_may_be_stopped_anywhere(wiki, point):
    model = wiki.model
    wiki.definition["max_items_per_run"] = 4
    wiki.run(mode="rebuild")
    wiki.reached = StopAt(point)
    with pytest.raises(Stopped):
        wiki.run()
    wiki.reached = lambda _: None
    model.trash(model.find("Appendix"))

    finish(wiki)

    assert_whole(wiki)


changes = st.lists(
    st.tuples(
        st.sampled_from([one for one in ACTIONS if one not in ("go_elsewhere", "hide_space")]), st.integers(0, 9)
    ),
    max_size=4,
)
steps = st.tuples(
    changes,
    st.sampled_from([None, None, *CRASH_POINTS, *REBUILD_CRASH_POINTS]),
    st.integers(1, 3),
    st.sampled_from(["auto", "rebuild", "rebuild", "verify", "changes"]),
)


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(history=st.lists(steps, min_size=1, max_size=5))
def test_whatever_happens_during_rebuilds_one_index_is_left_and_it_is_true(opensearch, tmp_path_factory, history):
    with Sandbox("cloud") as sandbox:
        wiki = fill(SearchWiki(sandbox, tmp_path_factory.mktemp("history"), server=opensearch))
        for done, point, passing, mode in history:
            for action, number in done:
                act(wiki, action, number)
            wiki.reached = StopAt(point, passing) if point else lambda _: None
            with suppress(Stopped):
                wiki.run(mode=mode)
        wiki.reached = lambda _: None
        wiki.definition["max_items_per_run"] = 1000
        # The first brings what is left and may swap; a swap that waits for what vanished in between comes with the next.
        results = [wiki.run(mode="reconcile") for _ in range(3)]

        assert all(result.problems == () for result in results)
        assert wiki.indexed() == wiki.expected()
        assert wiki.indexes() == {wiki.serving()}


def test_an_item_that_cannot_be_written_keeps_the_old_index_serving_until_it_can(wiki):
    model = wiki.model
    chapter = model.find("Chapter")
    wiki.definition["sink"] = {"type": "opensearch", "max_document_bytes": 20_000}
    assert wiki.run().clean
    model.edit(chapter, body=f"<p>{'long ' * 9_000}</p>")

    result = wiki.run(mode="rebuild")
    assert any(f"1 of them fail ({chapter})" in note for note in result.notes)
    again = wiki.run()
    assert again.counts["failing"] == 1
    assert wiki.serving() == f"{wiki.alias}-000001"
    assert "Turn the handle" in wiki.documents()[str(chapter)].content  # the last that could be written

    model.edit(chapter, body="<p>Short again</p>")
    finish(wiki)

    assert wiki.serving() == f"{wiki.alias}-{result.revision}"
    assert_whole(wiki)


def test_a_new_index_that_somebody_deletes_is_given_up_and_the_old_one_serves_on(wiki):
    wiki.definition["max_items_per_run"] = 3
    first = wiki.run(mode="rebuild")
    assert wiki.server.ask("DELETE", f"/{wiki.alias}-{first.revision}")[0] == 200

    results = [wiki.run() for _ in range(3)]

    [problem] = [problem for result in results for problem in result.problems]
    assert "given up" in problem
    assert "mode rebuild" in problem
    assert_whole(wiki, swapped=False)

    wiki.run(mode="rebuild")
    finish(wiki)
    assert_whole(wiki)


def test_another_datasource_keeps_out_until_the_rebuild_is_done(wiki):
    wiki.definition["max_items_per_run"] = 3
    wiki.run(mode="rebuild")
    other = read_datasource("others", {**wiki.definition, "space": ["OPS"]})

    with pytest.raises(SinkUnavailableError, match="datasource docs is rebuilding"):
        run_once(wiki.context, other)

    finish(wiki)
    assert_whole(wiki)
    assert run_once(wiki.context, other).clean
    assert {document.title for document in wiki.documents().values()} >= {"Runbook", "Home"}


def test_where_others_share_the_destination_nothing_is_rebuilt(wiki):
    other = read_datasource("others", {**wiki.definition, "space": ["OPS"]})
    assert run_once(wiki.context, other).clean
    head = (wiki.folder / "state" / "docs" / "head.json").read_bytes()

    with pytest.raises(ConfigurationError, match="1 documents of other datasources"):
        wiki.run(mode="rebuild")

    assert (wiki.folder / "state" / "docs" / "head.json").read_bytes() == head
    assert wiki.indexes() == {f"{wiki.alias}-000001"}
    assert wiki.run().clean


def test_documents_of_others_that_come_in_past_the_sink_stop_a_rebuild_and_are_kept(wiki):
    wiki.definition["max_items_per_run"] = 3
    wiki.run(mode="rebuild")
    foreign = {"id": "f" * 32, "content_id": "1", "datasource": {"id": "others", "name": "Others"}, "revision": 1}
    assert wiki.server.ask("PUT", f"/{wiki.alias}/_doc/{'f' * 32}", foreign)[0] == 201

    results = [wiki.run() for _ in range(3)]

    assert any("given up" in note and "other datasources" in note for result in results for note in result.notes)
    assert wiki.indexes() == {f"{wiki.alias}-000001"}
    assert "f" * 32 in {hit["_id"] for hit in wiki.hits()}
    assert len(wiki.hits()) == len(wiki.expected()) + 1


def test_a_sink_that_cannot_swap_says_so(cloud, tmp_path):
    wiki = fill(Wiki(cloud, tmp_path))
    wiki.run()

    with pytest.raises(ConfigurationError, match="mode rebuild is not for the sink local"):
        wiki.run(mode="rebuild")
    assert wiki.run().clean


def test_a_purge_in_the_middle_of_a_rebuild_leaves_no_document_anywhere(wiki):
    wiki.definition["max_items_per_run"] = 3
    wiki.run(mode="rebuild")

    result = purge(wiki.context.storage, wiki.context.make_sink, "docs")

    assert result.finished
    assert wiki.hits() == []
    assert wiki.indexes() == {f"{wiki.alias}-000001"}


def test_a_rebuild_of_an_empty_datasource_is_done_at_once(opensearch, cloud, tmp_path):
    wiki = SearchWiki(cloud, tmp_path, server=opensearch)
    cloud.model.create_space("DOCS", "Documentation")
    wiki.run()

    assert wiki.run(mode="rebuild").clean
    assert wiki.hits() == []
    assert wiki.indexes() == {wiki.serving()}


def test_a_rebuild_is_a_way_to_begin(opensearch, cloud, tmp_path):
    wiki = fill(SearchWiki(cloud, tmp_path, server=opensearch))

    assert wiki.run(mode="rebuild").clean
    assert_whole(wiki)
