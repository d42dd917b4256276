"""Durable files: whole or not at all, and never cut short in silence."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_confluence.errors import StorageError
from airflow_provider_confluence.sync.storage import Storage

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(lines=st.lists(st.dictionaries(st.text(max_size=5), json_values, max_size=4), max_size=20))
def test_lines_come_back_as_they_were(tmp_path_factory, lines):
    storage = Storage(tmp_path_factory.mktemp("s"))
    assert storage.write_lines("a/b.jsonl.gz", lines) == len(lines)
    assert list(storage.read_lines("a/b.jsonl.gz")) == lines


def test_lines_with_lone_surrogates_survive(tmp_path):
    storage = Storage(tmp_path)
    storage.write_lines("x", [{"text": "a\ud800b"}])
    assert list(storage.read_lines("x")) == [{"text": "a\ud800b"}]


def test_every_way_of_cutting_a_file_short_is_noticed(tmp_path):
    storage = Storage(tmp_path)
    storage.write_lines("x", [{"n": n, "text": "word " * n} for n in range(50)])
    whole = (tmp_path / "x").read_bytes()
    for size in range(0, len(whole), 7):
        (tmp_path / "x").write_bytes(whole[:size])
        with pytest.raises(StorageError, match="cut short"):
            list(storage.read_lines("x"))


def test_an_emptied_lines_file_is_noticed(tmp_path):
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(StorageError, match="cut short"):
        list(Storage(tmp_path).read_lines("x"))


def test_a_json_file_cut_short_is_an_error_that_leaves_it_alone(tmp_path):
    (tmp_path / "head.json").write_text('{"revision": 1')
    with pytest.raises(StorageError, match=r"head\.json is damaged or cut short"):
        Storage(tmp_path).read_json("head.json")
    assert (tmp_path / "head.json").read_text() == '{"revision": 1'


def test_what_is_not_there_is_none(tmp_path):
    storage = Storage(tmp_path)
    assert storage.read_json("a/head.json") is None
    assert storage.read_lines("a/lines") is None
    assert storage.names("a") == []
    storage.delete("a/head.json")
    storage.delete_folder("a")


def test_a_writer_that_is_left_early_leaves_no_file(tmp_path):
    storage = Storage(tmp_path)
    with storage.lines_writer("a/x") as writer:
        writer.add({"n": 1})
    assert storage.read_lines("a/x") is None
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_large_file_moves_out_of_memory_and_comes_back(tmp_path):
    storage = Storage(tmp_path)
    noise = [{"n": n, "text": os.urandom(40_000).hex()} for n in range(120)]
    storage.write_lines("x", noise)
    assert list(storage.read_lines("x")) == noise
    assert gzip.decompress((tmp_path / "x").read_bytes()).count(b"\n") == 120


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError, match="check that the storage path exists, has room and is writable"):
        Storage(tmp_path / "file").write_json("head.json", {})


def test_an_object_store_holds_the_same_files():
    storage = Storage("memory://bucket/base")
    storage.write_json("d/head.json", {"revision": 7})
    storage.write_lines("d/runs/7/items-0.jsonl.gz", [{"id": "1"}])
    assert storage.read_json("d/head.json") == {"revision": 7}
    assert list(storage.read_lines("d/runs/7/items-0.jsonl.gz")) == [{"id": "1"}]
    assert storage.names("d/runs") == ["7"]
    assert storage.exists("d/head.json")
    storage.delete_folder("d/runs/7")
    assert storage.read_lines("d/runs/7/items-0.jsonl.gz") is None
    assert storage.read_json("d/other.json") is None


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are looked up in /proc")
@pytest.mark.parametrize("read", [0, 1])
def test_lines_that_are_not_read_to_their_end_close_their_file(tmp_path, read):
    def is_open():
        links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        return tmp_path / "x" in [link.readlink() for link in links if link.is_symlink()]

    storage = Storage(tmp_path)
    storage.write_lines("x", [{"n": number} for number in range(3)])
    lines = storage.read_lines("x")
    assert [next(lines) for _ in range(read)] == [{"n": 0}][:read]
    assert is_open()
    lines.close()
    assert not is_open()
