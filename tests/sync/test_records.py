"""Records that are read as far as they are asked for behave as if all of them were there, and so does what is written of them."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from airflow_provider_confluence.documents import Entry
from airflow_provider_confluence.errors import MissingFileError, OwnershipError, StorageError, UpgradeNeededError
from airflow_provider_confluence.sync.generation import Generation
from airflow_provider_confluence.sync.manifest import TITLE_ALONE, Edge, Record, Standing
from airflow_provider_confluence.sync.records import Records
from airflow_provider_confluence.sync.storage import Storage
from airflow_provider_confluence.sync.titles import Titles, find_stale, names_in, showing, shows_other_text

# Ids of one, two and three digits are not in the order of their numbers as texts.
IDS = st.integers(1, 120).map(str)
SPACES = st.sampled_from(["1", "2"])
# Few, so that some are the same in one space but for their case.
TITLES = st.sampled_from(["One", "one", "Two", "Three", "Straße", "half \ud800"])
LEVELS = st.sampled_from([(), (("user:a",),), (("group:x", "user:a"),), ((),)])


@st.composite
def edges(draw):
    if draw(st.booleans()):
        return Edge(draw(TITLES), draw(st.just("") | IDS), draw(st.integers(0, 3)))
    content_id = draw(IDS)
    return Edge(f"#{content_id}", draw(st.sampled_from(["", content_id])), draw(st.sampled_from([TITLE_ALONE, 1])))


@st.composite
def records(draw, content_id):
    failure = st.builds(Standing, st.just("too_large"), st.just("so large"), st.integers(1, 3), st.integers(1, 9))
    return Record(
        content_id,
        draw(st.sampled_from(["page", "page", "blogpost", "attachment", ""])),
        version=draw(st.integers(0, 3)),
        space_id=draw(st.sampled_from(["1", "1", "2", ""])),
        container_id=draw(st.none() | IDS),
        title=draw(TITLES),
        context=draw(st.sampled_from(["", "0123456789abcdef"])),
        revision=draw(st.sampled_from([0, 5, 6, 7, 8])),
        pending=draw(st.sampled_from([False, False, False, True])),
        failure=draw(st.none() | st.none() | failure),
        includes=tuple(draw(st.lists(edges(), max_size=2))),
        body=draw(st.sampled_from(["", "abc"])),
        readers=draw(LEVELS),
    )


@st.composite
def held(draw, most=60):
    ids = draw(st.lists(IDS, max_size=most, unique=True))
    return {content_id: draw(records(content_id)) for content_id in ids}


STEPS = st.lists(
    st.tuples(st.sampled_from(["get", "in", "set", "pop", "change", "reach"]), IDS, st.randoms()), max_size=12
)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr("airflow_provider_confluence.sync.generation._BLOCK_RECORDS", 3)
    monkeypatch.setattr("airflow_provider_confluence.sync.generation._MOST_UNSETTLED", 2)
    monkeypatch.setattr("airflow_provider_confluence.sync.records._BLOCKS_A_COPY", 2)
    monkeypatch.setattr("airflow_provider_confluence.sync.records._SINGLE_SHARE", 0)


def written(storage, of, revision, stale=()):
    """Return them as the next run finds them."""
    records = Records()
    records.update(of)
    records.write(storage, "docs", revision, stale)
    return Records(Generation(storage, "docs", revision))


def told(records):
    """Return what is told of records without reading all."""
    totals = records.totals()
    return (
        len(records),
        records.unsettled(),
        records.spaces(),
        +totals.documents,
        (totals.pending, totals.failing, totals.unreadable),
        records.showing({"1\0one", "#5", "2\0strasse"}),
        records.titled("1\0one"),
    )


def reckoned(model):
    """Return the same of a plain mapping."""
    ordered = [model[content_id] for content_id in sorted(model)]
    return (
        len(model),
        [r for r in ordered if r.pending or r.failure or not r.revision],
        {r.space_id for r in ordered if r.space_id},
        Counter(r.type or "unknown" for r in ordered if r.revision),
        (sum(r.pending for r in ordered), sum(bool(r.failure) for r in ordered), sum(() in r.readers for r in ordered)),
        [r for r in ordered if any(shows_a_name(r, edge) for edge in r.includes)],
        [r for r in ordered if r.type == "page" and r.space_id == "1" and r.title.casefold() == "one"],
    )


def shows_a_name(record, edge):
    by_title = (record.space_id, edge.name.casefold()) in {("1", "one"), ("2", "strasse")}
    return by_title or "#5" in (edge.name, f"#{edge.content_id}")


@given(model=held(), steps=STEPS, others=held(), few=st.sampled_from([0, 2, 8]))
def test_they_behave_as_a_mapping_of_all_of_them(tmp_path_factory, model, steps, others, few):
    storage = Storage(tmp_path_factory.mktemp("s"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("airflow_provider_confluence.sync.records._MOST_SINGLE", few)
        patch.setattr("airflow_provider_confluence.sync.generation._GAP_BYTES", 100 * few)
        patch.setattr("airflow_provider_confluence.sync.generation._READ_BYTES", 300 * few)
        known = written(storage, model, 1)
        assert told(known) == reckoned(model)
        added = {content_id for _, content_id, _ in steps}
        for step, content_id, random in steps:
            if step == "get":
                assert known.get(content_id) == model.get(content_id)
            elif step == "in":
                assert (content_id in known) == (content_id in model)
            elif step == "reach":
                known.reach([content_id, random.choice(["1", "50", "99"])])
            elif step == "pop":
                assert known.pop(content_id, None) == model.pop(content_id, None)
            elif step == "set" and others:
                known[content_id] = model[content_id] = replace(
                    random.choice(list(others.values())), content_id=content_id
                )
            elif step == "change" and content_id in model:
                known[content_id] = model[content_id] = replace(model[content_id], pending=True)
            assert known.may_hold(content_id) or content_id not in model
        assert told(known) == reckoned(model)
        known.write(storage, "docs", 2, ())
        again = Records(Generation(storage, "docs", 2))
        assert told(again) == reckoned(model)
        assert list(Generation(storage, "docs", 2).records()) == [model[i] for i in sorted(model)]
        assert dict(known) == dict(again) == model
        assert (
            [i for i in known if i not in added] == [i for i in again if i not in added] == sorted(model.keys() - added)
        )
        assert told(again) == reckoned(model)


@given(model=held(), seen=held(most=6), gone=st.lists(IDS, max_size=2))
def test_what_shows_other_text_is_found_without_reading_all(tmp_path_factory, model, seen, gone):
    """Of records whose edges are what titles mean, and by a run that then changes some of them."""
    storage = Storage(tmp_path_factory.mktemp("s"))
    model = settled(model)
    known, entries = written(storage, model, 1), {i: entry_of(record) for i, record in seen.items()}
    versions = {entry.content_id: entry.version for entry in entries.values() if entry.type == "page"}
    all_titles, titles = Titles(all_of(model), entries), Titles(known, entries)
    for record in showing(known, entries):
        assert shows_other_text(record, titles, versions) == shows_other_text(record, all_titles, versions)
    found = {r.content_id for r in showing(known, entries) if shows_other_text(r, titles, versions)}
    assert found == {i for i, record in model.items() if shows_other_text(record, all_titles, versions)}
    for content_id in gone:
        known.pop(content_id, None)
        model.pop(content_id, None)
    known.update(seen)
    model.update(seen)
    assert all(known.may_hold(i) == (i in model) for i in (*seen, *gone))
    titles_after = Titles(all_of(model), {})
    stale = {i for i, record in model.items() if shows_other_text(record, titles_after, {})}
    assert find_stale(known) == stale
    known.write(storage, "docs", 2, stale)
    again = Records(Generation(storage, "docs", 2))
    assert again.stale() == stale
    assert stale <= {record.content_id for record in showing(again, {})}, "they are looked at again, whatever was seen"


def all_of(model):
    """Return records that are all in memory, for what is told of them."""
    found = Records()
    found.update(model)
    return found


def settled(model):
    """Return records whose edges are what titles mean among them."""
    for _ in range(2):
        titles = Titles(all_of(model), {})
        model = {i: replace(r, includes=tuple(meant(r, edge, titles) for edge in r.includes)) for i, r in model.items()}
    return model


def meant(record, edge, titles):
    if edge.version == TITLE_ALONE:
        return edge._replace(content_id=titles.named(record.space_id, edge.name[1:], record.readers))
    return edge._replace(content_id=titles.find(record.space_id, edge.name, record.readers))


def entry_of(record):
    return Entry(
        content_id=record.content_id,
        type=record.type,
        title=record.title,
        space_id=record.space_id,
        version=record.version,
        status="current",
    )


def many(count, **more):
    return {
        str(number): Record(str(number), "page", 1, "7", title=f"T{number}", revision=5, **more)
        for number in range(count)
    }


def test_a_few_are_found_by_reading_little_and_changed_by_writing_the_rest_as_it_was(tmp_path, monkeypatch):
    storage = Storage(tmp_path)
    model = many(300)
    known = written(storage, model, 1)
    read = []
    whole = Storage.read_part
    monkeypatch.setattr(Storage, "read_part", lambda *given: read.append(given) or whole(*given))
    assert known["250"].title == "T250"
    assert known.get("x") is None
    assert not known.is_whole
    assert len(read) == 2
    known["250"] = model["250"] = replace(model["250"], title="Another")
    known.write(storage, "docs", 2, ())
    assert not known.is_whole
    assert dict(Records(Generation(storage, "docs", 2))) == model


def test_many_are_read_by_few_reads(tmp_path, monkeypatch):
    """Those that are announced by one where they are near together, and of the others so many one by one before all are read."""
    storage = Storage(tmp_path)
    known, others = written(storage, many(600), 1), Records(Generation(storage, "docs", 1))
    read = []
    whole = Storage.read_part
    monkeypatch.setattr(Storage, "read_part", lambda *given: read.append(given) or whole(*given))
    some = [str(number) for number in range(0, 600, 9)]
    known.reach(some)
    assert all(content_id in known for content_id in some)
    assert (known.is_whole, len(read)) == (False, 1)
    for number in range(0, 600, 3):
        assert str(number) in others
    assert others.is_whole
    assert len(read) < 80


def test_an_object_store_is_read_in_parts_too():
    storage = Storage(UPath("memory://records"))
    model = many(40)
    known = written(storage, model, 1)
    assert known["17"] == model["17"]
    assert not known.is_whole
    assert dict(known) == model


def test_a_large_index_is_found_where_it_begins(tmp_path, monkeypatch):
    monkeypatch.setattr("airflow_provider_confluence.sync.generation._TAIL_BYTES", 200)
    model = many(300)
    known = written(Storage(tmp_path), model, 1)
    assert known["7"] == model["7"]
    assert dict(known) == model


def test_a_generation_of_before_there_was_an_index_is_read_as_a_whole(tmp_path):
    lines = [{"format": 1, "datasource_id": "docs", "revision": 1}, *(r.to_json() for r in many(9).values())]
    storage = Storage(tmp_path)
    storage.write_lines("docs/manifest/1.jsonl.gz", lines)
    known = Records(Generation(storage, "docs", 1))
    assert known.is_whole
    assert dict(known) == many(9)


def test_the_file_is_text_that_every_tool_reads(tmp_path):
    written(Storage(tmp_path), many(9), 1)
    with gzip.open(tmp_path / "docs" / "manifest" / "1.jsonl.gz", "rt") as file:
        lines = [json.loads(line) for line in file]
    assert [line["id"] for line in lines if "id" in line] == sorted(many(9))
    assert lines[-1]["records"] == 9


def test_a_file_that_is_cut_anywhere_is_noticed_by_who_reads_it_all(tmp_path):
    """Between two of its parts too, where gzip notices nothing."""
    storage = Storage(tmp_path)
    written(storage, many(9), 1)
    path = tmp_path / "docs" / "manifest" / "1.jsonl.gz"
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(StorageError, match=r"cut short|no format"):
            dict(Records(Generation(storage, "docs", 1)))


def test_a_byte_that_is_another_one_is_noticed_and_never_taken_over(tmp_path):
    """By who reads the part that it is in, or takes it over unread."""
    storage = Storage(tmp_path)
    written(storage, many(30), 1)
    path = tmp_path / "docs" / "manifest" / "1.jsonl.gz"
    whole = path.read_bytes()
    noticed = 0
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            known = Records(Generation(storage, "docs", 1))
            known["15"] = replace(known["15"], title="Another")
            known.write(storage, "docs", 2, ())
        except StorageError:
            noticed += 1
            continue
        assert dict(Records(Generation(storage, "docs", 2))) == {**many(30), "15": known["15"]}, at
    assert 0 < noticed < len(range(0, len(whole), 3)), "some bytes of a gzip header mean nothing"


def test_a_file_that_goes_while_it_is_read_is_missing(tmp_path):
    storage = Storage(tmp_path)
    known = written(storage, many(30), 1)
    storage.delete("docs/manifest/1.jsonl.gz")
    with pytest.raises(MissingFileError, match="the last commit names it"):
        known.get("15")
    with pytest.raises(MissingFileError):
        Records(Generation(storage, "docs", 1))


def test_another_datasources_file_is_refused(tmp_path):
    storage = Storage(tmp_path)
    written(storage, many(9), 1)
    (tmp_path / "docs").rename(tmp_path / "copy")
    with pytest.raises(OwnershipError, match="the folder was copied"):
        Records(Generation(storage, "copy", 1))


def test_a_newer_format_is_refused(tmp_path, monkeypatch):
    storage = Storage(tmp_path)
    monkeypatch.setattr("airflow_provider_confluence.sync.generation.FORMAT", 3)
    written(storage, many(9), 1)
    monkeypatch.setattr("airflow_provider_confluence.sync.generation.FORMAT", 2)
    with pytest.raises(UpgradeNeededError, match="has format 3, this worker knows 2"):
        Records(Generation(storage, "docs", 1))


def test_names_lead_from_what_shows_to_what_is_shown():
    record = Record("1", "page", space_id="7", includes=(Edge("Straße", "2", 1), Edge("#3", "", TITLE_ALONE)))
    assert names_in(record) == {"7\0strasse", "#2", "#3"}


def test_none_at_all_are_kept_too(tmp_path):
    storage = Storage(tmp_path)
    written(storage, {}, 1)
    assert dict(Records(Generation(storage, "docs", 1))) == {}
