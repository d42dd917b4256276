"""What would keep a datasource from running is said before a run finds out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from upath import UPath

from airflow_provider_confluence.confluence.client import ConfluenceClient, ConnectionSettings, connect
from airflow_provider_confluence.datasource import read_datasource
from airflow_provider_confluence.sync.checking import (
    check_one_host,
    check_sink,
    check_spaces,
    estimate_first_run,
    first_run,
)
from airflow_provider_confluence.sync.checking import (
    check_storage as check_any_storage,
)
from airflow_provider_confluence.sync.storage import Storage
from airflow_provider_confluence.testing.sandbox import Sandbox
from airflow_provider_confluence.testing.sandbox.faults import Respond
from tests.sync.conftest import Wiki


def check_storage(storage, **options):
    """On a disk; the tests themselves may lie in memory."""
    return check_any_storage(storage, **{"mounts": "/dev/sda / ext4 rw 0 0", **options})


def settings_of(sandbox: Sandbox) -> ConnectionSettings:
    return ConnectionSettings(sandbox.endpoint, sandbox.username, sandbox.token)


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[ConfluenceClient]:
    for key, name in (("DOCS", "Documentation"), ("OPS", "Operations"), ("DOCSOLD", "Old documentation")):
        sandbox.model.create_space(key, name)
    found = connect(settings_of(sandbox))
    yield found
    found.close()


def spaces(client: ConfluenceClient, **definition: object):
    return check_spaces(client, read_datasource("docs", definition))[0]


def test_spaces_that_are_there_are_named(client):
    (finding,) = spaces(client, space=["DOCS", "OPS"])
    assert (finding.level, finding.what) == ("ok", "2 spaces: DOCS (Documentation), OPS (Operations)")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("DOC", "DOCS (Documentation)"), ("docs", "DOCS (Documentation)"), ("Operations", "OPS (Operations)")],
)
def test_a_space_that_is_not_found_is_told_with_near_misses(client, typed, meant):
    (finding,) = spaces(client, space=typed)
    assert (finding.level, finding.cause) == ("problem", "not_found")
    assert finding.remedy.startswith("Did you mean ")
    assert meant in finding.remedy


def test_a_space_like_no_other_is_told_with_how_many_are_seen(client):
    (finding,) = spaces(client, space="ZZZ")
    assert "sees 3 spaces" in finding.remedy


def test_a_space_that_is_hidden_from_the_account_is_not_found(sandbox, client):
    sandbox.model.hide_space("OPS")
    (finding,) = spaces(client, space="OPS")
    assert (finding.cause, "OPS (" in finding.remedy) == ("not_found", False)


def test_roots_that_are_not_there_are_told(client):
    (finding,) = spaces(client, space="DOCS", root_pages=["999999"])
    assert (finding.level, finding.cause) == ("problem", "root_pages")


# ------------------------------------------------------------------------------------------ storage
def test_a_folder_that_can_be_written_leaves_nothing_but_a_note_of_the_host(tmp_path):
    found = check_storage(Storage(tmp_path), host="worker-1")
    assert [(f.level, f.cause) for f in found] == [("ok", "writable"), ("warning", "not_known_to_be_shared")]
    assert [path.name for path in tmp_path.iterdir()] == ["checked-from.json"]


def test_the_same_host_proves_nothing_about_others(tmp_path):
    check_storage(Storage(tmp_path), host="worker-1")
    found = check_storage(Storage(tmp_path), host="worker-1")
    assert [f.cause for f in found] == ["writable", "durable", "not_known_to_be_shared"]


@pytest.mark.parametrize(("kind", "said"), [("tmpfs", "memory"), ("ramfs", "memory"), ("overlay", "a container's own")])
def test_a_folder_that_goes_with_its_host_or_container_is_a_warning(tmp_path, kind, said):
    mounts = f"none / ext4 rw 0 0\nnone {tmp_path} {kind} rw 0 0\n"
    for _ in range(2):  # that it is kept until then proves nothing
        found = check_storage(Storage(tmp_path / "state"), mounts=mounts)
        assert [(f.level, f.cause) for f in found][1] == ("warning", "not_durable")
        assert said in found[1].what


def test_a_second_host_that_finds_the_note_of_the_first_proves_that_they_share(tmp_path):
    check_storage(Storage(tmp_path), host="worker-1")
    found = check_storage(Storage(tmp_path), host="worker-2")
    assert [(f.level, f.cause) for f in found] == [("ok", "writable"), ("ok", "durable"), ("ok", "shared")]
    assert "worker-1" in found[2].what


def test_a_note_that_cannot_be_read_is_written_anew(tmp_path):
    (tmp_path / "checked-from.json").write_text("[1")
    assert [f.cause for f in check_storage(Storage(tmp_path), host="a")] == ["writable", "not_known_to_be_shared"]


def test_a_folder_that_is_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    (found,) = check_storage(Storage(tmp_path / "file"))
    assert (found.level, found.cause, "storage_path" in found.remedy) == ("problem", "not_writable", True)


def test_the_note_is_no_datasource(tmp_path):
    from airflow_provider_confluence.sync.status import read_status

    check_storage(Storage(tmp_path))
    assert read_status(Storage(tmp_path)) == []


# ------------------------------------------------------------------------------------------ sink
def test_a_local_index_beside_storage_for_several_hosts_is_a_warning(tmp_path):
    elsewhere = Storage(UPath("memory://several-hosts"))
    local = read_datasource("docs", {"space": "DOCS"})
    (found,) = check_one_host(elsewhere, local)
    assert (found.level, found.cause, "airflow.queue" in found.remedy) == ("warning", "one_host", True)
    assert check_one_host(Storage(tmp_path), local) == []
    server = read_datasource("docs", {"space": "DOCS", "sink": {"type": "opensearch"}})
    assert check_one_host(elsewhere, server) == []


def test_a_sink_that_works_and_one_that_does_not(tmp_path):
    from airflow_provider_confluence.sinks.registry import make_sink

    def sink(**settings):
        return lambda: make_sink(settings, "docs", storage=tmp_path)

    assert check_sink(sink(type="local")).level == "ok"
    refused = check_sink(sink(type="nowhere"))
    assert (refused.level, refused.subject) == ("problem", "sink")
    assert "nowhere" in refused.what


# ------------------------------------------------------------------------------------------ the first run
def test_a_first_run_is_estimated_from_what_confluence_counts(sandbox, client):
    for number in range(120):
        sandbox.model.create_page("DOCS", f"Page {number}")
    page = sandbox.model.create_page("OPS", "Elsewhere")
    for number in range(3):
        sandbox.model.attach(page, f"{number}.txt", b"x", "text/plain")
    datasource = read_datasource("docs", {"space": ["DOCS", "OPS"], "enable_attachments": True})
    _, found = check_spaces(client, datasource)
    asked = len(sandbox.requests)
    estimate = estimate_first_run(client, datasource, found, settings_of(sandbox))
    assert len(sandbox.requests) - asked == 2
    assert estimate.items == {"page": 121, "attachment": 3}
    # 4 for who and where, 2 to list the pages, 3 for bodies, 1 to list the files, 1 or 2 a file; on Cloud 1 search for labels.
    assert estimate.requests == {"cloud": 17, "datacenter": 13}[sandbox.edition]
    assert estimate.runs == 1
    assert "estimated at 124 items (page 121, attachment 3)" in first_run(estimate).what


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"enable_attachments": True},
        {"enable_blogposts": True, "enable_attachments": True, "enable_comments": True, "enable_permissions": True},
    ],
    ids=lambda settings: "-".join(settings) or "pages",
)
def test_a_first_run_costs_what_was_estimated_give_or_take_a_fifth(sandbox, client, tmp_path, settings):
    model = sandbox.model
    for number in range(220):
        page = model.create_page(("DOCS", "OPS")[number % 2], f"Page {number}", "<p>Text</p>")
        if number % 5 == 0:
            model.attach(page, f"{number}.txt", b"text", "text/plain")
            model.create_comment(page, "<p>Said</p>")
            model.create_blogpost("DOCS", f"Post {number}", "<p>News</p>")
    definition = {"space": ["DOCS", "OPS"], **settings}
    datasource = read_datasource("docs", definition)
    estimate = estimate_first_run(client, datasource, check_spaces(client, datasource)[1], settings_of(sandbox))
    sandbox.requests.clear()
    result = Wiki(sandbox, tmp_path, definition).run()
    assert result.counts["fetched"] == sum(estimate.items.values())
    assert 0.8 <= estimate.requests / len(sandbox.requests) <= 1.2


def test_a_first_run_that_is_too_large_for_one_is_spread(sandbox, client):
    for number in range(25):
        sandbox.model.create_page("DOCS", f"Page {number}")
    datasource = read_datasource("docs", {"space": "DOCS", "max_items_per_run": 10})
    _, found = check_spaces(client, datasource)
    assert estimate_first_run(client, datasource, found, settings_of(sandbox)).runs == 3


def test_where_confluence_does_not_count_nothing_is_made_up(sandbox, client):
    sandbox.faults.add(Respond(400, route="*/search", times=None))
    datasource = read_datasource("docs", {"space": "DOCS"})
    _, found = check_spaces(client, datasource)
    assert estimate_first_run(client, datasource, found, settings_of(sandbox)) is None
    assert first_run(None).cause == "not_known"
