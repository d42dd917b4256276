"""The texts of attached files, kept by file version, so that a version is fetched and read once.

One small file each, named after everything that matters: content id, version, what read it, the run that put it there, its size. So
finding and bounding need no index that several tasks would write at once; a listing of the folder says it all. What a listing does not
show yet is read again, which does no harm.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote, unquote

from airflow_provider_confluence.content.attachments import LASTING, Extraction
from airflow_provider_confluence.errors import StorageError
from airflow_provider_confluence.sync.manifest import digest
from airflow_provider_confluence.sync.storage import Storage

_NAME = re.compile(
    r"(?P<id>[^.]+)\.(?P<version>\d+)\.(?P<key>[0-9a-f]{16})\.(?P<revision>\d+)\.(?P<size>\d+)\.json\.gz"
)


@dataclass(frozen=True, slots=True)
class _Kept:
    name: str
    content_id: str
    version: int
    key: str
    revision: int
    size: int


class AttachmentCache:
    """The kept texts of one datasource. Safe for many threads, and for many tasks at once.

    :param folder: the datasource's folder below the storage's base.
    :param readers: whatever changes the text of the same bytes: what read them, in which version.
    """

    def __init__(self, storage: Storage, folder: str, readers: Collection[object]) -> None:
        self._storage = storage
        self._folder = f"{folder}/cache"
        self._key = digest(list(readers))
        self._names: dict[tuple[str, int], str] | None = None

    def get(self, content_id: str, version: int) -> Extraction | None:
        """Return the text of a file version, ``None`` where it is not kept. 1 read; the first call lists the folder."""
        if self._names is None:
            self._names = {(k.content_id, k.version): k.name for k in self._list() if k.key == self._key}
        name = self._names.get((content_id, version))
        if name is None:
            return None
        try:
            data = self._storage.read(f"{self._folder}/{name}")
            value = json.loads(gzip.decompress(data)) if data is not None else None
        except (StorageError, OSError, ValueError, EOFError, zlib.error):
            return None  # a copy that cannot be read is as good as none
        if not isinstance(value, dict):
            return None
        return Extraction(value["outcome"], value["text"], value["language"], tuple(value["warnings"]))

    def put(self, content_id: str, version: int, revision: int, extraction: Extraction) -> None:
        """Keep a text, unless it came of a bad moment."""
        if extraction.outcome not in LASTING:
            return
        value = {
            "outcome": extraction.outcome,
            "text": extraction.text,
            "language": extraction.language,
            "warnings": extraction.warnings,
        }
        data = gzip.compress(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"), 3, mtime=0)
        safe = quote(content_id, safe="").replace(".", "%2E")
        with suppress(StorageError):  # what cannot be kept is read again
            self._storage.write(f"{self._folder}/{safe}.{version}.{self._key}.{revision}.{len(data)}.json.gz", data)

    def tidy(self, may_hold: Callable[[str], bool], max_bytes: int) -> None:
        """Drop what is known to belong to no attachment, older versions, and of the rest the longest kept, until it fits. 1 listing.

        :param may_hold: says whether the index may hold an id.
        """
        kept = sorted(self._list(), key=lambda k: (k.revision, k.version), reverse=True)
        total = 0
        seen: set[tuple[str, str]] = set()
        for one in kept:
            is_latest = (one.content_id, one.key) not in seen
            seen.add((one.content_id, one.key))
            if is_latest and may_hold(one.content_id) and total + one.size <= max_bytes:
                total += one.size
            else:
                self._storage.delete(f"{self._folder}/{one.name}")

    def _list(self) -> list[_Kept]:
        found = (_NAME.fullmatch(name) for name in self._storage.names(self._folder))
        return [
            _Kept(
                match[0],
                unquote(match["id"]),
                int(match["version"]),
                match["key"],
                int(match["revision"]),
                int(match["size"]),
            )
            for match in found
            if match
        ]
