"""How a datasource stands, and how it is taken out."""

from __future__ import annotations

import json
import pty
import subprocess
from datetime import datetime

import pytest

from airflow_provider_confluence.cli import main
from airflow_provider_confluence.sinks.base import Answer
from airflow_provider_confluence.sinks.local import LocalSink, index_path
from airflow_provider_confluence.sync.status import read_failures, read_status
from airflow_provider_confluence.sync.storage import Storage
from tests.cli.program import PROGRAM, credentials, run
from tests.sync.conftest import Poison, Wiki
from tests.sync.conftest import fill as fill_wiki
from tests.sync.histories import StopAt, Stopped


@pytest.fixture
def indexed(filled_cloud, tmp_path):
    """A storage folder with a datasource docs in it."""
    options = ["--id", "docs", "--space", "DOCS", "--blogposts", "--attachments", "--storage", tmp_path / "index"]
    done = run("sync", *credentials(filled_cloud), *options, token=filled_cloud.token)
    assert done.returncode == 0, done.stderr
    return tmp_path / "index"


def definitions(folder, **datasources):
    file = folder.parent / "datasources.json"
    file.write_text(json.dumps(datasources))
    return file


def status_of(wiki, **options):
    (found,) = read_status(Storage(wiki.folder / "state"), **options)
    return found


# ---------------------------------------------------------------- status
def test_status_shows_the_last_commit_and_what_the_index_holds(indexed):
    done = run("status", "--storage", indexed)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "docs  docs"
    assert "documents       attachment 1, blogpost 1, page 1" in done.stdout
    (row,) = json.loads(run("status", "docs", "--storage", indexed, "--json").stdout)["datasources"]
    head = json.loads((indexed / "docs" / "head.json").read_text())
    assert (row["revision"], row["mode"], row["watermark"]) == (head["revision"], "full", head["watermark"])
    assert row["reconciled"] == head["watermark"]
    assert row["documents"] == {"attachment": 1, "blogpost": 1, "page": 1}
    assert (row["pending"], row["failing"], row["withheld"], row["open_runs"]) == (0, 0, None, [])
    assert (row["configured"], row["commands"]) == ("not told", {})


def test_status_says_what_is_left_out_and_what_nobody_finds(filled_cloud, tmp_path):
    model = filled_cloud.model
    model.add_user("ann", "Ann")
    for title, refused in (("Open", None), ("Restricted", False), ("Not told", True)):
        page = model.create_page("DOCS", title, "<p>x</p>")
        if refused is not None:
            model.restrict(page, users=["ann"], refused=refused)
    options = [*credentials(filled_cloud), "--id", "docs", "--space", "DOCS", "--storage", tmp_path / "index"]
    assert run("sync", *options, token=filled_cloud.token).returncode == 0
    told = run("status", "--storage", tmp_path / "index").stdout
    assert "left out        1 items, because they are restricted" in told
    assert "found by nobody 1 items: who may read them cannot be read" in told


@pytest.mark.parametrize(
    ("definition", "configured", "purges"),
    [
        ({"docs": {"space": "DOCS"}}, "enabled", False),
        ({"docs": {"space": "DOCS", "enabled": False}}, "disabled", True),
        ({}, "removed", True),
        ({"docs": {"spaces": "DOCS"}}, "broken", False),
    ],
)
def test_status_names_the_purge_of_what_was_disabled_or_removed(indexed, definition, configured, purges):
    file = definitions(indexed, **definition)
    (row,) = json.loads(run("status", "--storage", indexed, "--datasources", file, "--json").stdout)["datasources"]
    assert row["configured"] == configured
    command = f"airflow-confluence purge docs --storage {indexed}"
    assert row["commands"] == ({"purge": command} if purges else {})
    assert (command in run("status", "--storage", indexed, "--datasources", file).stdout) is purges


def test_status_shows_a_configured_datasource_that_never_ran(indexed):
    file = definitions(indexed, docs={"space": "DOCS"}, later={"space": "OPS"})
    rows = json.loads(run("status", "--storage", indexed, "--datasources", file, "--json").stdout)["datasources"]
    assert [(row["datasource_id"], row["revision"] is None) for row in rows] == [("docs", False), ("later", True)]


def test_status_makes_no_request(indexed, filled_cloud):
    filled_cloud.requests.clear()
    run("status", "--storage", indexed)
    assert len(filled_cloud.requests) == 0


def test_status_of_an_empty_folder_and_of_an_unknown_id(tmp_path):
    nothing = run("status", "--storage", tmp_path)
    assert (nothing.returncode, nothing.stdout) == (0, f"nothing is kept below {tmp_path}\n")
    unknown = run("status", "docs", "--storage", tmp_path)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "nothing is kept of a datasource docs" in unknown.stderr


def test_a_state_that_is_damaged_hides_no_other(indexed):
    (indexed / "broken").mkdir()
    (indexed / "broken" / "head.json").write_text('{"revis')
    done = run("status", "--storage", indexed)
    assert done.returncode == 1
    assert "cannot be read" in done.stdout
    assert "documents       attachment 1" in done.stdout


def test_status_tells_withheld_deletions_and_how_to_consent(cloud, tmp_path):
    wiki = fill_wiki(Wiki(cloud, tmp_path))
    pages = [wiki.model.create_page("DOCS", f"Page {n}", "<p>x</p>") for n in range(60)]
    wiki.run()
    for page in pages:
        wiki.model.trash(page)
    revision = wiki.run().revision
    found = status_of(wiki)
    assert (found.withheld, found.withheld_count) == (revision, 60)
    done = run("status", "--storage", wiki.folder / "state")
    assert f"--allow-mass-delete {revision}" in done.stdout


@pytest.mark.parametrize(
    ("point", "reached", "items", "receipts"),
    [
        ("claimed", "claimed", 0, 0),
        ("plan_written", "planned", 6, 0),
        ("extracted", "extracting", 6, 0),
        ("receipt_written", "indexing", 6, 6),
    ],
)
def test_status_tells_how_far_an_open_run_came(cloud, tmp_path, point, reached, items, receipts):
    wiki = fill_wiki(Wiki(cloud, tmp_path))
    wiki.reached = StopAt(point)
    with pytest.raises(Stopped):
        wiki.run()
    (run_,) = status_of(wiki).open_runs
    assert (run_.reached, run_.items, run_.receipts, run_.dead) == (reached, items, receipts, None)
    wiki.reached = lambda _: None
    wiki.run()
    assert status_of(wiki).open_runs == ()


def test_a_run_that_a_newer_one_overtook_is_dead(cloud, tmp_path):
    wiki = fill_wiki(Wiki(cloud, tmp_path))
    for _ in range(2):
        wiki.reached = StopAt("plan_written")
        with pytest.raises(Stopped):
            wiki.run()
    assert [run_.dead for run_ in status_of(wiki).open_runs] == [True, None]


def test_failures_are_counted_and_named(cloud, tmp_path):
    class Picky(LocalSink):
        def write(self, items):
            return [Answer(item.id, "rejected", "too blue") for item in items]

    wiki = fill_wiki(Wiki(cloud, tmp_path))
    wiki.make_sink = lambda d: Picky(index_path(tmp_path / "index", d.queue_name))
    wiki.run()
    found = status_of(wiki)
    assert (found.failing, found.documents) == (6, {})
    assert {failure["reason"] for failure in found.failures} == {"rejected_by_sink"}


# ---------------------------------------------------------------- failures
def test_failures_lists_what_fails_with_reason_time_and_link(sandbox, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("CONFLUENCE_TOKEN", sandbox.token)
    wiki = fill_wiki(Wiki(sandbox, tmp_path))
    state = str(tmp_path / "state")
    wiki.run()
    assert main(["failures", "--storage", state]) == 0
    assert capfd.readouterr().out == "0 items fail\n"

    guide, new = wiki.model.find("Guide"), wiki.model.create_page("DOCS", "Never seen", "<p>New</p>")
    wiki.model.edit(guide, body="<p>Cannot be had</p>")
    wiki.sandbox.faults.add(Poison(guide), Poison(new))
    first = wiki.run()
    wiki.run()
    assert main(["failures", "docs", "--storage", state, "--json"]) == 0
    told = {item["content_id"]: item for item in json.loads(capfd.readouterr().out)["failures"]}
    assert {i: (item["title"], item["attempts"], item["indexed"]) for i, item in told.items()} == {
        guide: ("Guide", 2, True),
        new: ("Never seen", 2, False),
    }
    for content_id, item in told.items():
        assert item["url"] == f"{sandbox.endpoint}/pages/viewpage.action?pageId={content_id}"
        since = datetime.fromisoformat(item["since"].replace("Z", "+00:00")).timestamp() * 1000
        assert abs(since - first.revision) < 1000
        assert item["reason"]
        assert item["message"]
    assert main(["failures", "--storage", state]) == 0
    text = capfd.readouterr().out
    assert f"docs  page {guide}  Guide\n" in text
    assert "tried 2 times, an older state is in the index\n" in text
    assert text.endswith("2 items fail\n")


def test_a_file_that_fails_is_found_by_the_page_it_is_on(cloud, tmp_path):
    class Picky(LocalSink):
        def write(self, items):
            return [Answer(item.id, "rejected", "too blue") for item in items]

    wiki = fill_wiki(Wiki(cloud, tmp_path))
    guide = wiki.model.find("Guide")
    file = wiki.model.attach(guide, "plan.txt", b"Turn left", "text/plain")
    wiki.definition["enable_attachments"] = True
    wiki.make_sink = lambda d: Picky(index_path(tmp_path / "index", d.queue_name))
    wiki.run()
    found = {item.content_id: item.url for item in read_failures(Storage(wiki.folder / "state"), "docs")}
    assert found[file].endswith(f"?pageId={guide}")


def test_failures_of_a_datasource_that_nobody_knows_are_an_error(tmp_path, capfd):
    assert main(["failures", "nope", "--storage", str(tmp_path)]) == 2
    assert "nothing is kept of a datasource nope" in capfd.readouterr().err


def test_failures_says_whose_state_cannot_be_read_and_lists_the_others(cloud, tmp_path, capfd):
    wiki = fill_wiki(Wiki(cloud, tmp_path))
    wiki.run()
    broken = tmp_path / "state" / "broken"
    broken.mkdir()
    (broken / "head.json").write_text("{")
    assert main(["failures", "--storage", str(tmp_path / "state")]) == 1
    told = capfd.readouterr()
    assert "broken: " in told.err
    assert told.out == "0 items fail\n"


# ---------------------------------------------------------------- purge
def test_purge_removes_documents_and_state_and_status_then_shows_nothing(indexed):
    done = run("purge", "docs", "--storage", indexed, "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "local:indexing_documents: 3 documents removed",
        "the state of datasource docs was removed",
    ]
    assert run("search", "rollback", "--storage", indexed).stdout == "0 hits\n"
    assert run("status", "--storage", indexed).stdout == f"nothing is kept below {indexed}\n"


def test_purge_counts_as_json(indexed):
    answer = json.loads(run("purge", "docs", "--storage", indexed, "--yes", "--json").stdout)
    assert (list(answer["removed"].values()), answer["left"], answer["finished"]) == ([3], 0, True)


def test_purge_refuses_what_the_configuration_enables(indexed):
    file = definitions(indexed, docs={"space": "DOCS"})
    done = run("purge", "docs", "--storage", indexed, "--datasources", file, "--yes")
    assert done.returncode == 2
    assert "is enabled" in done.stderr
    assert run("search", "rollback", "--storage", indexed).stdout.endswith("\n1 hit\n")


def test_purge_asks_nobody_when_nobody_is_there(indexed):
    done = run("purge", "docs", "--storage", indexed, given="y\n")
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert (indexed / "docs" / "head.json").exists()


@pytest.mark.parametrize(("typed", "code"), [("n\n", 1), ("\n", 1), ("y\n", 0)])
def test_purge_asks_on_a_terminal(indexed, typed, code):
    ours, theirs = pty.openpty()
    with open(ours, "wb", buffering=0) as keyboard, open(theirs, "rb", buffering=0) as terminal:
        command = [*PROGRAM, "purge", "docs", "--storage", str(indexed)]
        asking = subprocess.Popen(command, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        keyboard.write(typed.encode())
        _, said = asking.communicate(timeout=60)
    assert "3 items are known, in local:indexing_documents" in said
    assert asking.returncode == code
    assert (indexed / "docs" / "head.json").exists() is bool(code)
