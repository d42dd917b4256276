"""What is current among files of JSON lines that are only ever added: which line of which file holds each id.

The files alone decide: of all lines of an id the one with the highest (revision, deleted) is current, whoever wrote them and in whatever
order. So writers need not agree on anything. ``manifest.json`` and the list that it names save everybody reading all files: they say
what is current in the files that they cover, and whatever files they do not cover are read. A lost or outdated manifest loses nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_confluence.errors import StorageError, UpgradeNeededError
from airflow_provider_confluence.sync.storage import LinesWriter, Storage

FORMAT = 1
"""In ``manifest.json`` and ``owner.json``: a worker refuses a newer one."""

MANIFEST = "manifest.json"
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Line:
    """Where what an id holds now is written: the ``number``-th line, from 0, of a file below ``batches``."""

    content_id: str
    revision: int
    deleted: bool
    file: str
    number: int

    @property
    def order(self) -> tuple[int, bool]:
        """Return what decides between two lines of one id."""
        return self.revision, self.deleted


@dataclass(slots=True)
class Catalog:
    """The current lines by id, and the number of lines of every file that was looked at.

    ``retired`` are files that others have replaced, by name, with the seconds since 1970 at which that was: readers of the manifest before
    may still want them. About 350 bytes an id.
    """

    lines: dict[str, Line] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    retired: dict[str, float] = field(default_factory=dict)
    manifest: dict[str, Any] | None = None

    def take(self, id_: str, line: Line) -> None:
        """Make a line that was found current, unless one that is newer or equal is known.

        Of two that are equal one is a copy of the other, in a file that may be retired: what the manifest says goes first.
        """
        held = self.lines.get(id_)
        if held is None or held.order < line.order:
            self.lines[id_] = line

    def live(self) -> dict[str, int]:
        """Return by file how many of its lines are current."""
        found = dict.fromkeys(self.files, 0)
        for line in self.lines.values():
            found[line.file] = found.get(line.file, 0) + 1
        return found


def load(storage: Storage, known: Catalog | None = None) -> Catalog:
    """Return what is current now: the manifest's list, and what files say that it does not cover.

    :param known: what was found before or written since, so that its files need not be read again.
    :raises StorageError: when a file is damaged. :raises UpgradeNeededError: when a newer version of this package wrote the manifest.
    """
    for _ in range(_ATTEMPTS):
        catalog = _load_manifest(storage)
        if catalog is not None:
            break  # else it was replaced, and its list removed, while we read
    else:
        raise StorageError(
            f"{storage.where(MANIFEST)} names a list that is not there; delete it: what is current is then found from the files"
        )
    there = storage.names("batches")
    if known is not None:
        new = {name: known.files[name] for name in there if name in known.files and name not in catalog.files}
        catalog.files |= new
        for id_, line in known.lines.items():
            if line.file in new:
                catalog.take(id_, line)
    take_new_files(storage, catalog, there)
    return catalog


def take_new_files(storage: Storage, catalog: Catalog, names: list[str]) -> None:
    """Take the lines of files that the catalog does not know.

    Where a file is gone that held something current (removed by hand, or by another writer who had found a copy of it elsewhere), all
    files are read anew: older lines of the same ids may be in any of them.
    """
    gone = set(catalog.files) - set(names)
    if any(line.file in gone and not line.deleted for line in catalog.lines.values()):
        # A tombstone that is written nowhere any more still keeps late writes out, as long as the manifest lasts.
        catalog.lines = {id_: line for id_, line in catalog.lines.items() if line.deleted}
        catalog.files.clear()
    for name in gone:
        catalog.files.pop(name, None)
    for name in names:
        if name not in catalog.files:
            number = -1
            with closing(_read(storage, name)) as lines:
                for number, value in enumerate(lines):
                    id_, line = storage.understood(f"batches/{name}", lambda v, n=number, f=name: _line(v, f, n), value)  # type: ignore[misc]
                    catalog.take(id_, line)
            catalog.files[name] = number + 1


def publish(storage: Storage, catalog: Catalog, now: float) -> None:
    """Put a manifest in place that covers the catalog's files."""
    current = f"current/{secrets.token_hex(8)}.jsonl.gz"
    listed = (
        {
            "id": id_,
            "content_id": line.content_id,
            "revision": line.revision,
            "deleted": line.deleted,
            "file": line.file,
            "line": line.number,
        }
        for id_, line in catalog.lines.items()
    )
    storage.write_lines(current, listed)
    retired = dict(catalog.retired)
    for name in storage.names("current"):
        if f"current/{name}" != current:
            retired.setdefault(f"current/{name}", now)
    manifest = {
        "format": FORMAT,
        "current": current,
        "documents": sum(not line.deleted for line in catalog.lines.values()),
        "files": dict(catalog.files),
        "retired": dict(retired),
    }
    storage.write_json(MANIFEST, manifest)
    catalog.retired, catalog.manifest = retired, manifest


def forget_retired(catalog: Catalog, before: float) -> list[str]:
    """Take what was retired before an instant out of the catalog, and return its names, to be deleted once that is published."""
    live = catalog.live()
    old = [name for name, when in catalog.retired.items() if when < before]
    # Another writer may have found a file needed that was retired here.
    needed = [name for name in old if live.get(name.removeprefix("batches/"))]
    for name in old:
        del catalog.retired[name]
        if name not in needed:
            catalog.files.pop(name.removeprefix("batches/"), None)
    return [name for name in old if name not in needed]


def _load_manifest(storage: Storage) -> Catalog | None:
    manifest = storage.read_json(MANIFEST)
    if manifest is None:
        return Catalog()
    check_format(storage, MANIFEST, manifest)
    listed = storage.read_lines(str(manifest.get("current")))
    if listed is None:
        return None
    with closing(listed):
        catalog = storage.understood(MANIFEST, _covered, manifest)
        for value in listed:
            id_, line = storage.understood(str(manifest["current"]), _listed, value)
            catalog.lines[id_] = line
    return catalog


def check_format(storage: Storage, name: str, value: dict[str, Any]) -> None:
    """Return where this version knows the format. :raises UpgradeNeededError: where it is newer."""
    number = value.get("format")
    if not isinstance(number, int) or number < 1:
        raise storage.damaged(name)
    if number > FORMAT:
        raise UpgradeNeededError(
            f"{storage.where(name)} has format {number}, this version of the package knows {FORMAT}: upgrade this worker"
        )


def _covered(manifest: dict[str, Any]) -> Catalog:
    files = {str(name): int(count) for name, count in manifest["files"].items()}
    retired = {str(name): float(when) for name, when in manifest["retired"].items()}
    return Catalog(files=files, retired=retired, manifest=manifest)


def _listed(value: dict[str, Any]) -> tuple[str, Line]:
    line = Line(value["content_id"], int(value["revision"]), bool(value["deleted"]), value["file"], int(value["line"]))
    return value["id"], line


def _line(value: dict[str, Any], file: str, number: int) -> tuple[str, Line]:
    deleted = {"upsert": False, "delete": True}[value["op"]]
    return value["id"], Line(value["content_id"], int(value["revision"]), deleted, file, number)


def _read(storage: Storage, name: str) -> Generator[dict[str, Any], None, None]:
    yield from storage.read_lines(f"batches/{name}") or ()


# ------------------------------------------------------------------------------------------ rewriting
SMALL_LINES = 50
MANY_FILES = 64
_REWRITTEN_LINES = 1_000
_REWRITTEN_CHARS = 32_000_000


def rewrite(storage: Storage, catalog: Catalog, now: float) -> bool:
    """Where there is much that is no longer current, or many small files, write what is current of those into new files.

    The old ones are retired; they stay until the manifest that no longer needs them is an hour old.

    :returns: whether the catalog changed and is to be published.
    """
    live = catalog.live()
    files = {name: count for name, count in catalog.files.items() if f"batches/{name}" not in catalog.retired}
    total, current = sum(files.values()), sum(live[name] for name in files)
    idle = sorted(name for name, count in files.items() if live[name] * 2 < count or count < SMALL_LINES)
    if len(idle) < MANY_FILES and (total < _REWRITTEN_LINES or current * 2 > total):
        return False
    moved: dict[str, Line] = {}
    written: dict[str, int] = {}
    with _Rewriter(storage, written) as rewriter:
        for file in idle:
            for number, value in enumerate(_read(storage, file)):
                held = catalog.lines.get(value["id"])
                if held is not None and (held.file, held.number) == (file, number):
                    name, count = rewriter.add(value, held.revision)
                    moved[value["id"]] = Line(held.content_id, held.revision, held.deleted, name, count)
        rewriter.close()
    catalog.lines |= moved
    catalog.files |= written
    catalog.retired |= {f"batches/{name}": now for name in idle}
    return True


class _Rewriter:
    """Writes lines into as many files as they need, and counts them in ``written``."""

    def __init__(self, storage: Storage, written: dict[str, int]) -> None:
        self._storage = storage
        self._written = written
        self._name = ""
        self._chars = 0
        self._writer: LinesWriter | None = None

    def __enter__(self) -> _Rewriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.drop()

    def add(self, value: dict[str, Any], revision: int) -> tuple[str, int]:
        """Add a line; return the file and the number of the line in it."""
        if self._writer is None:
            self._name, self._chars = file_name(revision), 0
            self._writer = self._storage.lines_writer(f"batches/{self._name}")
        place = self._name, self._writer.count
        self._writer.add(value)
        self._chars += len(value.get("document", {}).get("content", ""))
        if self._writer.count >= _REWRITTEN_LINES or self._chars >= _REWRITTEN_CHARS:
            self.close()
        return place

    def close(self) -> None:
        """Put the file that is being written in place."""
        if self._writer is not None:
            self._writer.close()
            self._written[self._name] = self._writer.count
            self._writer = None


def file_name(revision: int) -> str:
    """Return a new name of a file; names sort by the revisions in them, more or less."""
    return f"{revision:019d}-{secrets.token_hex(6)}.jsonl.gz"
