"""What lies on disks holds the text of pages that not everybody may read: it is its owner's alone, whatever the umask."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_confluence.sinks.files import FilesSink
from airflow_provider_confluence.sinks.local import index_path
from tests.content.attachment_files import pdf
from tests.sync.conftest import Wiki, fill


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    """Return the rights of everything in a folder, and of the folder."""
    return {
        path.relative_to(folder).as_posix(): stat.filemode(path.stat().st_mode) for path in [folder, *folder.rglob("*")]
    }


def run_and_look(wiki: Wiki, mask: int) -> dict[str, str]:
    """Run with a cache, a standing failure and a run that stops half-way; return the rights of all that is left, WAL files too."""
    page = wiki.model.find("Guide")
    wiki.model.attach(page, "drill.pdf", pdf([["Fire drill"]]), "application/pdf")
    with umask(mask):
        wiki.run()
        wiki.model.edit(page, body="<p>Edited</p>")
        wiki.reached = stop_at("batch_staged")
        with pytest.raises(InterruptedError):
            wiki.run()
        index = index_path(wiki.folder / "index", "indexing_documents")
        with closing(sqlite3.connect(index)) as connection:
            connection.execute("INSERT INTO tombstone VALUES ('x', 1, 'x', 'x')")
            connection.commit()
            return {
                f"{top}/{name}": mode for top in ("state", "index") for name, mode in modes(wiki.folder / top).items()
            }


def stop_at(point: str) -> Any:
    def reached(name: str) -> None:
        if name == point:
            raise InterruptedError

    return reached


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_state_batches_caches_and_indexes_are_private_whatever_the_umask(cloud: Any, tmp_path: Path, mask: int) -> None:
    tmp_path.chmod(0o755)
    found = run_and_look(fill(Wiki(cloud, tmp_path)), mask)
    names = " ".join(found)
    assert all(
        part in names for part in ("head.json", "/cache/", "/batches", "claim.json", ".sqlite3-wal", ".sqlite3-shm")
    )
    assert {mode for mode in found.values() if mode.startswith("d")} == {"drwx------"}
    assert {mode for mode in found.values() if mode.startswith("-")} == {"-rw-------"}


def test_below_a_folder_that_its_group_may_write_everything_is_the_groups_too(cloud: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o2777)
    found = run_and_look(fill(Wiki(cloud, tmp_path)), 0o077)
    assert {mode for mode in found.values() if mode.startswith("d")} == {"drwxrws---"}
    assert {mode for mode in found.values() if mode.startswith("-")} == {"-rw-rw----"}


def test_what_is_there_keeps_its_rights(cloud: Any, tmp_path: Path) -> None:
    wiki = fill(Wiki(cloud, tmp_path))
    wiki.run()
    index = index_path(wiki.folder / "index", "indexing_documents")
    index.chmod(0o640)
    wiki.model.edit(wiki.model.find("Guide"), body="<p>Edited</p>")
    wiki.run()
    assert stat.S_IMODE(index.stat().st_mode) == 0o640


def test_files_that_are_written_to_be_read_are_for_the_group_and_for_nobody_else(cloud: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    wiki = fill(Wiki(cloud, tmp_path))
    wiki.make_sink = lambda _: FilesSink(tmp_path / "out", "documents")
    with umask(0):
        wiki.run()
    found = modes(tmp_path / "out")
    assert set(found.values()) == {"drwxr-x---", "-rw-r-----"}
