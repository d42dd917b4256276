"""Two runs at once: one of them goes on, the other one stands aside, and neither spoils the other's work."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_confluence.errors import RetryLaterError, SupersededError
from airflow_provider_confluence.sync.journal import Journal
from airflow_provider_confluence.sync.list_changes import list_changes
from airflow_provider_confluence.sync.storage import Storage


class Interrupted(Storage):
    """A storage where somebody else gets a turn right before a file is written, or read, for the first time."""

    def __init__(self, base, name, meanwhile, *, at="write"):
        super().__init__(base)
        self.name = name
        self.at = at
        self.meanwhile = meanwhile

    def _turn(self, name, at):
        if (name, at) == (self.name, self.at) and self.meanwhile is not None:
            self.meanwhile, meanwhile = None, self.meanwhile
            meanwhile()

    def read(self, name):
        self._turn(name, "read")
        return super().read(name)

    def write(self, name, data):
        self._turn(name, "write")
        super().write(name, data)

    def write_new(self, name, data):
        self._turn(name, "write")
        super().write_new(name, data)


def test_of_two_runs_that_claim_in_the_same_second_only_one_goes_on(tmp_path):
    first = Journal(Storage(tmp_path), "docs")
    claimed = []
    slow = Journal(
        Interrupted(tmp_path, "docs/claim.json", lambda: claimed.append(first.claim(1_700_000_000_000))), "docs"
    )
    claimed.append(slow.claim(1_700_000_000_000))
    slow.fence(claimed[1])
    with pytest.raises(SupersededError):
        first.fence(claimed[0])


def test_of_two_datasources_that_begin_at_once_both_go_by_one_deployment(tmp_path):
    first = Journal(Storage(tmp_path), "a")
    ids = []
    second = Journal(Interrupted(tmp_path, "instance.json", lambda: ids.append(first.deployment_id())), "b")
    ids.append(second.deployment_id())
    assert ids[0] == ids[1] == Journal(Storage(tmp_path), "c").deployment_id()


def test_an_object_store_keeps_the_first_of_two_deployments():
    first = Journal(Storage("memory://races/base"), "a")
    ids = []
    second = Journal(
        Interrupted("memory://races/base", "instance.json", lambda: ids.append(first.deployment_id())), "b"
    )
    ids.append(second.deployment_id())
    assert ids[0] == ids[1]


def test_a_run_that_another_one_overtook_before_its_claim_builds_on_the_newer_commit(wiki):
    wiki.run()
    page = wiki.model.find("Chapter")
    wiki.model.edit(page, body="<p>Edited</p>")
    storage = Interrupted(wiki.folder / "state", "docs/claim.json", wiki.run, at="read")
    late = list_changes(replace(wiki.context, storage=storage), wiki.datasource)
    assert late.counts["upserts"] == 0
    assert wiki.indexed() == wiki.expected()


def test_a_commit_that_lands_while_another_run_lists_makes_that_one_try_again(wiki):
    wiki.run()
    journal = Journal(Storage(wiki.folder / "state"), "docs")
    wiki.model.edit(wiki.model.find("Chapter"), body="<p>Edited</p>")

    def land_late(point):
        if point == "listed":
            head = journal.read_head()
            journal.write_head(replace(head, revision=head.revision - 1))

    wiki.reached = land_late
    with pytest.raises(RetryLaterError, match="list again"):
        wiki.run()
    wiki.reached = lambda _: None
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()
