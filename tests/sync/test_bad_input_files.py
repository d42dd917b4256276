"""State files that are cut short, are garbage, newer, or gone: a clear error that loses nothing, and a way on that converges."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from dataclasses import replace
from datetime import datetime, timezone
from itertools import pairwise

import pytest

from airflow_provider_confluence.errors import (
    ConfigurationError,
    OwnershipError,
    StorageError,
    UpgradeNeededError,
)
from airflow_provider_confluence.sync.commit import commit
from airflow_provider_confluence.sync.extract import extract
from airflow_provider_confluence.sync.index import index
from airflow_provider_confluence.sync.list_changes import list_changes
from airflow_provider_confluence.sync.run import run_once
from airflow_provider_confluence.testing.sandbox import Sandbox
from tests.sync.conftest import Wiki, fill
from tests.sync.histories import StopAt, Stopped
from tests.sync.test_faults import many
from tests.sync.test_in_doubt import stop


@pytest.fixture
def wiki(tmp_path, monkeypatch):
    """One edition, whose answers are not held to the contract once more: what lies in the files is the same for both.

    Batches are small, so that few pages fill more than one.
    """
    monkeypatch.setattr("airflow_provider_confluence.sync.list_changes.BATCH_ITEMS", 20)
    with Sandbox("cloud") as sandbox:
        yield fill(Wiki(sandbox, tmp_path))


ODD_SHAPES = [b"{}", b"[]", b"null", b'{"format": 1}', b'{"format": 1, "id": null, "revision": "x"}', b"[" * 100_000]


def ways_to_damage(whole, packed):
    """Every way in which a file's bytes may come out wrong, by name."""
    odd = [gzip.compress(b'{"format": 1}\n' + shape + b"\n") for shape in ODD_SHAPES] if packed else ODD_SHAPES
    return {
        "emptied": b"",
        "cut to its first byte": whole[:1],
        "cut in the middle": whole[: len(whole) // 2],
        "cut by its last bytes": whole[:-3],
        "garbage": bytes((byte * 7 + 13) % 256 for byte in whole),
        "a page of zeros": b"\0" * len(whole),
        **{f"of shape {number}": shape for number, shape in enumerate(odd)},
    }


def state_files(wiki):
    """A state with every kind of file in it: a commit, deletions that wait, and a run that died with one batch indexed of two."""
    ids = many(wiki, 60)
    wiki.run()
    for content_id in ids[:52]:
        wiki.model.trash(content_id)
    wiki.run()
    for number in range(60, 85):
        wiki.model.create_page("DOCS", f"Many {number}", f"<p>Number {number}</p>")
    stop(wiki, "receipt_written")
    return files_of(wiki)


def files_of(wiki):
    base = wiki.folder / "state"
    return {str(path.relative_to(base)): path for path in sorted(base.rglob("*")) if path.is_file()}


def kind_of(name):
    if name.endswith("-extracted.json"):
        return "extracted"
    parts = name.split("/")
    return parts[-2] if parts[-2:-1] in (["batches"], ["receipts"], ["manifest"]) else parts[-1].split("-")[0]


def settle(wiki):
    """Run as often as it takes, consenting to deletions that are meant."""
    result = wiki.run()
    if result.counts["withheld"]:
        result = wiki.run(allow_mass_delete=wiki.context.storage.read_json("docs/head.json")["withheld"])
    return result


def only(files, kind):
    found = [path for name, path in files.items() if kind_of(name) == kind]
    assert found, kind
    # The deletions that wait are named by the first run that withheld them; all else of interest is the dead run's.
    return found[0 if kind == "withheld.jsonl.gz" else -1]


NEEDED = [
    *("instance.json", "claim.json", "head.json", "manifest"),
    *("plan.json", "items", "rest.jsonl.gz", "withheld.jsonl.gz", "receipts"),
]


@pytest.mark.parametrize("kind", NEEDED)
def test_a_damaged_file_is_named_and_left_alone_and_its_loss_is_made_good(wiki, kind):
    path = only(state_files(wiki), kind)
    whole = path.read_bytes()
    before = wiki.indexed()
    index_file = wiki.folder / "index" / "indexing_documents.sqlite3"
    index_bytes = index_file.read_bytes()
    for damage, data in ways_to_damage(whole, packed=path.suffix == ".gz").items():
        path.write_bytes(data)
        with pytest.raises(StorageError) as caught:
            wiki.run(mode="reconcile")
        assert str(path) in str(caught.value), damage
        assert "Restore it from a copy, or move it away" in str(caught.value), damage
        assert path.read_bytes() == data, "a damaged file is evidence and stays"
        assert index_file.read_bytes() == index_bytes, damage
    path.unlink()
    if kind == "instance.json":
        with pytest.raises(OwnershipError, match="adopt"):
            wiki.run()
        assert wiki.folder.joinpath("state", "instance.json").write_bytes(whole)
        assert wiki.indexed() == before
    if kind == "manifest":
        with pytest.raises(StorageError, match=r"move head\.json away"):
            wiki.run()
        (wiki.folder / "state" / "docs" / "head.json").unlink()
    assert settle(wiki).clean
    assert wiki.indexed() == wiki.expected()


INCLUDE = (
    '<ac:structured-macro ac:name="include"><ac:parameter ac:name=""><ac:link><ri:page ri:content-title="Shown"/></ac:link>'
    "</ac:parameter></ac:structured-macro>"
)


def test_a_run_after_a_few_edits_reads_only_what_they_touch_and_takes_over_nothing_damaged(wiki, monkeypatch):
    """What shows an edited page is found without the rest. Damage elsewhere stops the commit, which would take it over; no other step."""
    monkeypatch.setattr("airflow_provider_confluence.sync.generation._BLOCK_RECORDS", 2)
    model = wiki.model
    for year, count in ((2020, 300), (2021, 260)):  # more than one look at the latest changes sees
        with model.at(datetime(year, 1, 1, tzinfo=timezone.utc)):
            for number in range(count):
                model.create_page("DOCS", f"Page {number} of {year}", "<p>Nothing</p>")
    shown = model.create_page("DOCS", "Shown", "<p>in the middle</p>")
    showing = model.create_page("DOCS", "Showing", INCLUDE)
    wiki.run()
    file = only_generation(wiki)
    whole = file.read_bytes()
    at = middle_of_the_block_with("Page 20 of 2020", whole)
    file.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
    model.edit(shown, body="<p>in another place</p>")
    with pytest.raises(StorageError, match="is damaged"):
        wiki.run(mode="changes")
    assert {showing, shown} <= wiki.documents().keys()
    assert "in another place" in wiki.documents()[showing].content
    assert only_generation(wiki) == file, "what is damaged was not taken over"
    file.write_bytes(whole)
    assert wiki.run(mode="changes").clean
    assert wiki.indexed() == wiki.expected()


def middle_of_the_block_with(title, packed):
    """Return an offset in the part of a compressed file that holds a title."""
    starts = [found.start() for found in re.finditer(rb"\x1f\x8b\x08\0\0\0\0\0", packed)]
    for start, end in pairwise([*starts, len(packed)]):
        if title.encode() in gzip.decompress(packed[start:end]):
            return (start + end) // 2
    raise LookupError(title)


def only_generation(wiki):
    (file,) = (wiki.folder / "state" / "docs" / "manifest").iterdir()
    return file


@pytest.mark.parametrize("kind", ["batches", "extracted", "result.json"])
def test_a_damaged_file_of_an_earlier_run_that_nobody_needs_stops_nothing(wiki, kind):
    only(state_files(wiki), kind).write_bytes(b"{")
    assert settle(wiki).clean
    assert wiki.indexed() == wiki.expected()


@pytest.mark.parametrize("kind", ["plan.json", "items", "rest.jsonl.gz", "receipts", "batches", "extracted"])
def test_the_tasks_of_a_run_with_a_damaged_file_name_it_and_the_next_run_goes_on(wiki, kind):
    path = only(state_files(wiki), kind)
    revision = int(path.relative_to(wiki.folder / "state" / "docs" / "runs").parts[0])
    steps = {"batches": index, "receipts": commit, "extracted": commit, "rest.jsonl.gz": commit}
    step = steps.get(kind, extract)
    if kind == "batches":  # those of a batch that has its receipts are not read again
        shutil.rmtree(path.parents[1] / "receipts")
    for damage, data in ways_to_damage(path.read_bytes(), packed=path.suffix == ".gz").items():
        path.write_bytes(data)
        with pytest.raises(StorageError) as caught:
            step(wiki.context, "docs", revision, *([] if step is commit else [0]))
        assert str(path) in str(caught.value), damage
        assert path.read_bytes() == data, damage
    path.unlink()
    assert settle(wiki).clean
    assert wiki.indexed() == wiki.expected()


def test_a_damaged_list_of_destinations_is_named_before_the_head_moves(wiki):
    wiki.run()
    wiki.definition["queue"] = {"name": "elsewhere"}
    path = only(files_of(wiki), "destinations.json")
    head = (path.parent / "head.json").read_bytes()
    for damage, data in list(ways_to_damage(path.read_bytes(), packed=False).items())[:7]:
        path.write_bytes(data)
        with pytest.raises(StorageError) as caught:
            wiki.run()
        assert str(path) in str(caught.value), damage
        assert (path.read_bytes(), (path.parent / "head.json").read_bytes()) == (data, head), damage
    path.unlink()
    assert wiki.run().clean
    del wiki.definition["queue"]
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


@pytest.mark.parametrize("kind", ["plan.json", "items", "rest.jsonl.gz"])
def test_what_only_a_lost_file_named_is_found_in_the_sinks_inventory_and_removed(wiki, kind):
    """A page that a dead run brought, and that is trashed before the next run, is named by nothing but that run's files."""
    wiki.run()
    arrived = wiki.model.create_page("DOCS", "Arrived", "<p>New here</p>")
    stop(wiki, "indexed")
    path = only(files_of(wiki), kind)
    shutil.rmtree(path.parent / "receipts")
    (path.parent / "receipts").mkdir()
    path.unlink()
    assert arrived in wiki.indexed()
    wiki.model.trash(arrived)
    result = wiki.run()
    assert result.clean
    assert any(str(path) in note for note in result.notes)
    assert wiki.indexed() == wiki.expected()


# ---------------------------------------------------------------- from a newer version
@pytest.mark.parametrize("kind", ["instance.json", "claim.json", "head.json", "manifest", "plan.json"])
def test_a_file_of_a_newer_format_stops_this_worker_and_is_left_alone(wiki, kind):
    path = only(state_files(wiki), kind)
    before = wiki.indexed()
    whole = path.read_bytes()
    packed = path.suffix == ".gz"
    text = (gzip.decompress(whole) if packed else whole).decode()
    newer = re.sub(r'("format": ?)(\d+)', lambda found: f"{found[1]}{int(found[2]) + 1}", text, count=1).encode()
    assert newer != text.encode()
    path.write_bytes(gzip.compress(newer) if packed else newer)
    held = path.read_bytes()
    with pytest.raises(UpgradeNeededError, match="upgrade airflow-provider-confluence") as caught:
        wiki.run()
    assert str(path) in str(caught.value)
    assert path.read_bytes() == held
    path.write_bytes(whole)
    assert wiki.indexed() == before
    assert settle(wiki).clean
    assert wiki.indexed() == wiki.expected()


def change_json(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize("kind", ["head.json", "plan.json"])
def test_a_worker_older_than_what_was_indexed_or_planned_stops(wiki, kind):
    change_json(only(state_files(wiki), kind), converter=99)
    with pytest.raises(UpgradeNeededError, match="upgrade this worker"):
        wiki.run()


def test_a_worker_older_than_the_plan_extracts_nothing(wiki):
    plan = list_changes(wiki.context, wiki.datasource)
    run = wiki.folder / "state" / "docs" / "runs" / str(plan.revision)
    change_json(run / "plan.json", converter=99)
    with pytest.raises(UpgradeNeededError, match="upgrade this worker"):
        extract(wiki.context, "docs", plan.revision, 0)
    assert not (run / "batches").exists()


# ---------------------------------------------------------------- of another datasource or site
@pytest.mark.parametrize("left", ["head.json", "manifest", "plan.json"])
def test_the_copied_folder_of_another_datasource_is_refused_by_each_of_its_files(wiki, left):
    state_files(wiki)
    before = wiki.indexed()
    state = wiki.folder / "state"
    shutil.copytree(state / "docs", state / "copy")
    if left != "head.json":
        (state / "copy" / "head.json").unlink()
    if left == "plan.json":
        shutil.rmtree(state / "copy" / "manifest")
    copy = replace(wiki.datasource, id="copy")
    with pytest.raises(OwnershipError, match="the folder was copied") as caught:
        run_once(wiki.context, copy)
    assert str(state / "copy") in str(caught.value)
    assert wiki.indexed() == before
    shutil.rmtree(state / "copy")
    run_once(wiki.context, copy)
    assert settle(wiki).clean
    assert wiki.indexed() == wiki.expected()


@pytest.mark.parametrize("point", ["receipt_written", "head_written"])
def test_the_state_of_another_site_is_refused_with_the_way_to_start_afresh(wiki, point):
    wiki.reached = StopAt(point)
    with pytest.raises(Stopped):
        wiki.run()
    wiki.reached = lambda _: None
    with Sandbox(wiki.sandbox.edition) as other:
        moved = fill(Wiki(other, wiki.folder))
        with pytest.raises(OwnershipError, match="to start afresh, remove the folder") as caught:
            moved.run()
        assert other.endpoint.rstrip("/") in str(caught.value)
    assert str(wiki.folder / "state" / "docs") in str(caught.value)
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


# ---------------------------------------------------------------- a shard that is none
@pytest.mark.parametrize("shard", [1, -1, 7])
@pytest.mark.parametrize("step", [extract, index])
def test_a_shard_that_the_plan_does_not_have_is_refused_with_those_that_it_has(wiki, step, shard):
    plan = list_changes(wiki.context, wiki.datasource)
    with pytest.raises(ConfigurationError, match=rf"has shards 0 to 0, and {shard} is none of them"):
        step(wiki.context, "docs", plan.revision, shard)


def test_a_plan_without_shards_says_so(wiki):
    wiki.run()
    plan = list_changes(wiki.context, wiki.datasource)
    with pytest.raises(ConfigurationError, match="has no shards, because nothing changed"):
        extract(wiki.context, "docs", plan.revision, 0)
