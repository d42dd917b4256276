"""Two runs at once in spite of max_active_runs, and old tasks cleared in any order: the index is spoiled by neither."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_confluence.errors import ConfluenceProviderError, RetryLaterError, SupersededError
from airflow_provider_confluence.sync.commit import commit
from airflow_provider_confluence.sync.context import CRASH_POINTS
from airflow_provider_confluence.sync.extract import extract
from airflow_provider_confluence.sync.index import index
from airflow_provider_confluence.sync.list_changes import list_changes
from airflow_provider_confluence.sync.run import run_once
from airflow_provider_confluence.testing.sandbox import Sandbox
from tests.sync.conftest import Wiki, fill
from tests.sync.histories import StopAt, Stopped
from tests.sync.test_crashes import change_everything

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(params=["cloud", "datacenter"])
def wiki(request, tmp_path):
    """The small wiki, its answers not held to the contract once more."""
    with Sandbox(request.param) as sandbox:
        yield fill(Wiki(sandbox, tmp_path))


def shown_and_lost(wiki, before):
    """What Confluence still shows, and was in the index, and is not any more."""
    after = wiki.indexed()
    return [content_id for content_id in before if content_id not in after and content_id in wiki.expected()]


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_a_run_that_is_overtaken_at_any_point_stands_aside_or_does_no_harm(wiki, point):
    wiki.run()
    change_everything(wiki)
    before = wiki.indexed()
    newer = []

    def overtake(name):
        if name == point and not newer:
            newer.append(None)
            wiki.model.create_page("DOCS", "Meanwhile", "<p>Came in between</p>")
            newer.append(run_once(replace(wiki.context, reached=lambda _: None), wiki.datasource))

    wiki.reached = overtake
    with suppress(SupersededError, RetryLaterError):
        wiki.run()
    assert len(newer) == 2
    assert newer[1].clean
    assert not shown_and_lost(wiki, before)
    assert wiki.indexed() == wiki.expected(), "the newer run brought it all, and the older one spoiled nothing of it"
    wiki.reached = lambda _: None
    wiki.model.trash(wiki.model.find("Meanwhile"))
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


@pytest.mark.parametrize("point", ["claimed", "listed", "plan_written", "sink_opened", "generation_written"])
def test_a_run_that_wakes_up_after_others_died_in_its_place_spoils_nothing(wiki, point):
    """The older run sleeps at one point, newer ones die at every point in turn, the older one goes on."""
    wiki.run()
    change_everything(wiki)
    others = deque(CRASH_POINTS)

    def overtake(name):
        if name == point:
            while others:
                with suppress(Stopped):
                    run_once(replace(wiki.context, reached=StopAt(others.popleft())), wiki.datasource)

    wiki.reached = overtake
    with suppress(SupersededError, RetryLaterError):
        wiki.run()
    assert not others
    wiki.reached = lambda _: None
    wiki.model.trash(wiki.model.find("Arrived"))
    assert wiki.run(mode="reconcile").clean
    assert wiki.indexed() == wiki.expected()


class Turns:
    """Lets one of several threads go on at a time, from one crash point to the next, in a given order."""

    def __init__(self, order, count):
        self._order = deque(order)
        self._running = set(range(count))
        self._condition = threading.Condition()
        self._turn = 0

    def wait(self, number):
        with self._condition:
            self._pass_on()
            while self._turn != number:
                assert self._condition.wait(timeout=60), "nobody goes on"

    def end(self, number):
        with self._condition:
            self._running.discard(number)
            self._pass_on()

    def _pass_on(self):
        if self._running:
            wanted = self._order.popleft() if self._order else min(self._running)
            self._turn = wanted if wanted in self._running else min(self._running)
            self._condition.notify_all()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edition=st.sampled_from(["cloud", "datacenter"]),
    order=st.lists(st.integers(0, 2), max_size=40),
    first=st.booleans(),
    modes=st.lists(st.sampled_from(["auto", "full", "changes", "verify"]), min_size=3, max_size=3),
)
def test_three_runs_in_any_interleaving_leave_what_one_run_would(tmp_path_factory, edition, order, first, modes):
    with Sandbox(edition) as sandbox:
        wiki = fill(Wiki(sandbox, tmp_path_factory.mktemp("w")))
        if first:
            wiki.run()
            change_everything(wiki)
        before = wiki.indexed() if first else {}
        turns = Turns(order, 3)
        odd: list[BaseException] = []

        def one(number):
            try:
                turns.wait(number)
                context = replace(wiki.context, reached=lambda _: turns.wait(number))
                run_once(context, wiki.datasource, mode=modes[number])
            except (SupersededError, RetryLaterError):
                pass
            except BaseException as error:  # noqa: BLE001 - shown below
                odd.append(error)
            finally:
                turns.end(number)

        threads = [threading.Thread(target=one, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=120)
        assert odd == []
        assert not shown_and_lost(wiki, before)
        wiki.model.trash(wiki.model.find("Guide"))
        assert wiki.run(mode="reconcile").clean
        assert wiki.indexed() == wiki.expected()


RUNS = """
import sys
from pathlib import Path
from airflow_provider_confluence.errors import RetryLaterError, SupersededError
from tests.sync.conftest import Wiki

endpoint, username, token, folder, go = sys.argv[1:]
class Server: pass
Server.endpoint, Server.username, Server.token = endpoint, username or None, token
wiki = Wiki(Server, Path(folder))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(3):
    try:
        wiki.run(mode="full")
        print("committed", flush=True)
    except (SupersededError, RetryLaterError) as error:
        print("stood aside", flush=True)
"""


def test_processes_that_run_at_once_agree(wiki):
    sandbox = wiki.sandbox
    command = [sys.executable, "-c", RUNS, sandbox.endpoint, sandbox.username or "", sandbox.token, str(wiki.folder)]
    processes = [
        subprocess.Popen(
            [*command, str(number)], cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for number in range(3)
    ]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        said = [process.communicate(timeout=120)[0].split("\n") for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert any("committed" in lines for lines in said)
    wiki.model.trash(wiki.model.find("Guide"))
    assert wiki.run(mode="reconcile").clean
    assert wiki.indexed() == wiki.expected()


# ---------------------------------------------------------------- cleared by hand
TASKS = {"extract": extract, "index": index, "commit": commit}
cleared = st.lists(st.tuples(st.sampled_from(sorted(TASKS)), st.integers(0, 4)), min_size=1, max_size=25)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edition=st.sampled_from(["cloud", "datacenter"]), tasks=cleared)
def test_tasks_of_old_runs_cleared_in_any_order_leave_the_index_as_it_is(tmp_path_factory, edition, tasks):
    """Runs that were committed (one so long ago that it is not kept), one that was overtaken, and one whose plan waits."""
    with Sandbox(edition) as sandbox:
        wiki = fill(Wiki(sandbox, tmp_path_factory.mktemp("w")))
        wiki.definition["keep_runs"] = 2
        model = wiki.model
        page = model.find("Chapter")
        revisions = []
        for number in range(3):
            model.edit(page, body=f"<p>Edit {number}</p>")
            revisions.append(wiki.run().revision)
        model.trash(model.find("Appendix"))
        overtaken = list_changes(wiki.context, wiki.datasource)
        extract(wiki.context, "docs", overtaken.revision, 0)
        model.edit(page, body="<p>The last edit</p>")
        last = wiki.run()
        revisions += [overtaken.revision, last.revision]
        kept = {last.revision}  # the other one of the two is the overtaken run's
        held = wiki.indexed()
        assert held == wiki.expected()
        for task, number in tasks:
            step, revision = TASKS[task], revisions[number]
            arguments = [] if step is commit else [0]
            if step is commit and revision in kept:
                assert step(wiki.context, "docs", revision).revision == revision
            else:
                with pytest.raises(SupersededError, match=str(revision)):
                    step(wiki.context, "docs", revision, *arguments)
            assert wiki.indexed() == held
        assert "The last edit" in wiki.documents()[page].content
        model.trash(page)
        assert wiki.run().clean
        assert wiki.indexed() == wiki.expected()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edition=st.sampled_from(["cloud", "datacenter"]), tasks=cleared)
def test_tasks_of_the_run_at_work_in_any_order_lead_to_the_same_index(tmp_path_factory, edition, tasks):
    with Sandbox(edition) as sandbox:
        wiki = fill(Wiki(sandbox, tmp_path_factory.mktemp("w")))
        wiki.run()
        change_everything(wiki)
        plan = list_changes(wiki.context, wiki.datasource)
        for task, _ in tasks:
            step = TASKS[task]
            with suppress(ConfluenceProviderError):
                step(wiki.context, "docs", plan.revision, *([] if step is commit else [0]))
        assert wiki.run().clean
        assert wiki.indexed() == wiki.expected()
