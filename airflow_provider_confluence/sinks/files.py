"""Documents as JSON lines in a folder or an object store, for whoever reads files.

Each batch becomes one compressed file that is never changed. What is current is found from the files themselves (:mod:`._catalog`), so that
any number of writers may add files at once, on any number of hosts, without a lock, which object stores do not have. Files of which most
lines are no longer current are rewritten in time.
"""

from __future__ import annotations

import errno
import json
import re
import secrets
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_confluence.documents import Document, Tombstone
from airflow_provider_confluence.errors import (
    ConfigurationError,
    ConfluenceProviderError,
    OwnershipError,
    SinkAccessError,
    SinkCredentialsError,
    SinkUnavailableError,
    StorageError,
)
from airflow_provider_confluence.sinks import _catalog
from airflow_provider_confluence.sinks._catalog import Catalog, Line
from airflow_provider_confluence.sinks._encoding import encoded
from airflow_provider_confluence.sinks._places import Place, place_within
from airflow_provider_confluence.sinks.base import Answer, Capabilities, InventoryItem, Owner
from airflow_provider_confluence.sinks.connection import Connections, no_connections
from airflow_provider_confluence.sinks.settings import read_settings
from airflow_provider_confluence.sync.storage import LinesWriter, Storage

if TYPE_CHECKING:
    from upath import UPath

DEFAULT_MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
SCHEMA_VERSION = 1
OWNER = "owner.json"
_LARGEST_REVISION = 2**63 - 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBUSY, errno.ETIMEDOUT, errno.EAGAIN}
_OURS = {OWNER, _catalog.MANIFEST, "batches", "current"}
_RETIRED_SECONDS = 3_600
_ATTEMPTS = 10
_REFUSED_CREDENTIAL = re.compile(
    "InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|InvalidClientTokenId|[Aa]ccess [Kk]ey|signature"
)


class FilesSink:
    """Write documents into files below ``<place>/<destination>/<datasource id>``. The constructor touches nothing.

    :param place: a folder, or an object store's prefix.
    :param destination: a name below it, at most 100 characters.
    :param max_document_bytes: a document whose JSON is larger is answered *rejected*.
    :param clock: seconds since 1970.
    """

    capabilities = Capabilities(versioned=True, inventory=True, atomic_swap=False)

    def __init__(
        self,
        place: Path | UPath,
        destination: str,
        *,
        max_document_bytes: int = DEFAULT_MAX_DOCUMENT_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._place = place
        self._destination = destination
        self._max_document_bytes = max_document_bytes
        self._clock = clock
        self._owner: Owner | None = None
        self._storage: Storage | None = None
        self._catalog = Catalog()

    # ---------------------------------------------------------------- the contract
    def open(self, owner: Owner, *, adopt: bool = False) -> None:
        """Record the owner, and find what is current; see :meth:`~airflow_provider_confluence.sinks.base.Sink.open`.

        :raises StorageError: when the place cannot be used, or a file is damaged; nothing that is there is overwritten.
        """
        self.close()
        storage = self._folder(owner.datasource_id)
        with _errors(storage):
            self._claim(storage, owner, adopt=adopt)
            self._catalog = _catalog.load(storage)
        self._storage, self._owner = storage, owner

    def check(self) -> None:
        """Write a file, read it and remove it; see :meth:`~airflow_provider_confluence.sinks.base.Sink.check`."""
        storage = self._folder("")
        name = f".check-{secrets.token_hex(6)}"
        with _errors(storage):
            storage.write(name, b"airflow-provider-confluence looks whether it may write here")
            storage.names("")
            if storage.read(name) is None:
                raise StorageError(f"{storage.where(name)} was written and is not to be read")
            storage.delete(name)

    def write(self, items: Sequence[Document | Tombstone]) -> list[Answer]:
        """Put a batch in place as one file: all of it or, on an error, nothing.

        :raises OwnershipError: when another deployment has adopted the datasource meanwhile.
        :raises SinkUnavailableError: when the file cannot be written now.
        """
        storage, owner = self._opened()
        answers: list[Answer] = []
        taken: dict[str, Line] = {}
        name = _catalog.file_name(max((item.revision for item in items), default=0))
        with _errors(storage, writing=True):
            self._must_own(storage, owner)
            with storage.lines_writer(f"batches/{name}") as writer:
                for item in items:
                    answers.append(self._add(writer, name, taken, item, owner))
                if writer.count:
                    writer.close()
        if taken:
            self._catalog.files[name] = writer.count
            self._catalog.lines |= taken
        return answers

    def flush(self) -> None:
        """Return when the manifest covers everything that was answered *written*; rewrite files of which little is current."""
        storage, owner = self._opened()
        with _errors(storage, writing=True):
            self._must_own(storage, owner)
            self._publish(storage)
            if _catalog.rewrite(storage, self._catalog, self._clock()):
                self._publish(storage)

    def inventory(self, datasource_id: str) -> Iterator[InventoryItem]:
        """Yield what is current at this moment, whoever wrote it; in memory are the ids, not the documents."""
        self._opened()
        storage = self._folder(datasource_id)
        with _errors(storage):
            catalog = _catalog.load(storage)
        for id_, line in catalog.lines.items():
            if not line.deleted:
                yield InventoryItem(id_, line.content_id, line.revision)

    def changes(self, datasource_id: str, after: int, until: int) -> Iterator[Document | Tombstone]:
        """Yield what changed between two revisions; in memory are the ids, not the documents."""
        storage = self._folder(datasource_id)
        with _errors(storage):
            catalog = _catalog.load(storage)
            wanted: dict[str, set[int]] = {}
            for id_, line in catalog.lines.items():
                if not after < line.revision <= until:
                    continue
                if line.deleted:
                    yield Tombstone(id_, datasource_id, line.content_id, line.revision)
                else:
                    wanted.setdefault(line.file, set()).add(line.number)
            for file, numbers in wanted.items():
                yield from _documents(storage, f"batches/{file}", numbers)

    def close(self) -> None:
        """Forget what was found; safe to repeat."""
        self._owner, self._storage, self._catalog = None, None, Catalog()

    # ---------------------------------------------------------------- the folder
    def _folder(self, datasource_id: str) -> Storage:
        if datasource_id and not _NAME.fullmatch(datasource_id):
            raise ConfigurationError(f"datasource {datasource_id[:100]!r} cannot name a folder")
        below = [self._destination, *([datasource_id] if datasource_id else [])]
        return Storage(self._place.joinpath(*below), readable_by_group=True)

    def _opened(self) -> tuple[Storage, Owner]:
        if self._owner is None or self._storage is None:
            raise RuntimeError(f"the files below {self._place} are not open: call open() first")
        return self._storage, self._owner

    def _claim(self, storage: Storage, owner: Owner, *, adopt: bool) -> None:
        mine = {
            "format": _catalog.FORMAT,
            "datasource_id": owner.datasource_id,
            "deployment_id": owner.deployment_id,
            "site": owner.site,
        }
        # A listing first: asked for one file, a store that refuses the credential does not say so.
        others = [name for name in storage.names("") if name not in _OURS]
        found = storage.read_json(OWNER)
        if found is None:
            if others:
                raise ConfigurationError(
                    f"{storage.where()} has files of something else ({', '.join(others[:3])}), which were left as they are; "
                    "choose another sink.path or queue.name"
                )
            storage.write_new(OWNER, json.dumps(mine, indent=1).encode())
        else:
            _catalog.check_format(storage, OWNER, found)
            if adopt and found != mine:
                storage.write_json(OWNER, mine)
        self._must_own(storage, owner)

    def _must_own(self, storage: Storage, owner: Owner) -> None:
        found = storage.read_json(OWNER)
        if found is None:
            raise SinkUnavailableError(
                f"{storage.where(OWNER)} is gone, so nothing was written: is the disk or store another one?"
            )
        if (found.get("deployment_id"), found.get("site")) != (owner.deployment_id, owner.site):
            raise OwnershipError(
                f"the documents of datasource {owner.datasource_id} in {storage.where()} belong to deployment "
                f"{found.get('deployment_id')} reading {found.get('site')}, this is deployment {owner.deployment_id} reading {owner.site}; "
                f"give the datasource another id or queue.name, or take them over with: airflow-confluence adopt {owner.datasource_id}"
            )

    # ---------------------------------------------------------------- writing
    def _add(
        self, writer: LinesWriter, file: str, taken: dict[str, Line], item: Document | Tombstone, owner: Owner
    ) -> Answer:
        if item.datasource_id != owner.datasource_id:
            reason = (
                f"belongs to datasource {item.datasource_id!r}, but the sink was opened for {owner.datasource_id!r}"
            )
            return Answer(item.id, "rejected", reason)
        if not 0 <= item.revision <= _LARGEST_REVISION:
            return Answer(item.id, "rejected", f"revision {item.revision} is not between 0 and 2^63-1")
        value = line_of(item)
        try:
            size = len(encoded(value.get("document")).encode())
        except (TypeError, ValueError, RecursionError) as error:
            return Answer(item.id, "rejected", f"is not plain JSON ({error})")
        if size > self._max_document_bytes:
            reason = f"{size} bytes are more than max_document_bytes ({self._max_document_bytes})"
            return Answer(item.id, "rejected", reason)
        line = Line(item.content_id, item.revision, isinstance(item, Tombstone), file, writer.count)
        held = taken.get(item.id) or self._catalog.lines.get(item.id)
        if held is not None and held.order > line.order:
            return Answer(item.id, "superseded")
        taken[item.id] = line
        writer.add(value)
        return Answer(item.id, "written")

    def _publish(self, storage: Storage) -> None:
        """Let the manifest cover every file there is, and remove what was retired long enough ago.

        Others do the same at the same time. Who finds after writing that files came or went begins anew, so that the last one to
        write has seen them all.
        """
        for _ in range(_ATTEMPTS):
            if storage.read_json(_catalog.MANIFEST) != self._catalog.manifest:
                self._catalog = _catalog.load(storage, self._catalog)
            _catalog.take_new_files(storage, self._catalog, storage.names("batches"))
            now = self._clock()
            old = _catalog.forget_retired(self._catalog, now - _RETIRED_SECONDS)
            if (
                self._catalog.manifest is not None
                and not old
                and self._catalog.manifest["files"] == self._catalog.files
            ):
                return
            _catalog.publish(storage, self._catalog, now)
            for name in old:
                storage.delete(name)
            if sorted(self._catalog.files) == storage.names("batches"):
                return
        raise SinkUnavailableError(f"{storage.where()}: others wrote all the time while the manifest was written")


def _documents(storage: Storage, name: str, numbers: Container[int]) -> Iterator[Document]:
    """Yield the documents that stand in some lines of a file."""
    lines = storage.read_lines(name)
    if lines is None:
        raise StorageError(f"{storage.where(name)} was there a moment ago and is not: read again")
    with closing(lines):
        for number, value in enumerate(lines):
            if number in numbers:
                yield storage.understood(name, lambda line: Document.from_json(line["document"]), value)


def line_of(item: Document | Tombstone) -> dict[str, Any]:
    """Return an item as it stands in a file."""
    value: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "op": "delete" if isinstance(item, Tombstone) else "upsert",
        "id": item.id,
        "content_id": item.content_id,
        "revision": item.revision,
    }
    if isinstance(item, Document):
        value["document"] = item.to_json()
    return value


def from_settings(
    settings: Mapping[str, Any],
    destination: str,
    *,
    storage: Path,
    allowed_paths: Sequence[Place] = (),
    connections: Connections = no_connections,  # noqa: ARG001 - the place brings its own
) -> FilesSink:
    """Return the sink for ``{"type": "files", "path": …, "max_document_bytes": …}``; both keys may be left out.

    :param storage: where files lie by default; a ``path`` of the settings must lie below it or one of ``allowed_paths``.
    :raises ConfigurationError: for an unknown key, a wrong type, a place outside, a name that is no file name.
    """
    found = read_settings("files", settings, destination)
    place = place_within(found["path"], storage, allowed_paths)
    return FilesSink(place, destination, max_document_bytes=found["max_document_bytes"])


# ------------------------------------------------------------------------------------------ errors
@contextmanager
def _errors(storage: Storage, *, writing: bool = False) -> Iterator[None]:
    """Turn the errors of a file system or a store into those of the contract."""
    try:
        yield
    except StorageError as error:
        found = _told(error, error.__cause__, writing)
        if found is None:
            raise
        raise found from error
    except ConfluenceProviderError:
        raise
    except Exception as error:  # every store's library has errors of its own, which are no OSError
        if storage.is_local:
            raise
        found = _told(error, error, writing)
        raise found or SinkUnavailableError(f"{storage.where()} cannot be reached ({type(error).__name__})") from error


def _told(error: Exception, cause: BaseException | None, writing: bool) -> ConfluenceProviderError | None:
    """Return what an error means to a caller; ``None`` where it is what it says."""
    said = str(error) if isinstance(error, StorageError) else type(error).__name__
    name = type(cause).__name__
    if isinstance(cause, PermissionError):
        if _REFUSED_CREDENTIAL.search(str(cause)):
            return SinkCredentialsError(f"the store refuses the credential; {said}")
        return SinkAccessError(f"no permission; reading, writing, listing and deleting are needed; {said}")
    if "Credentials" in name:
        return SinkCredentialsError(f"there is no usable credential for the store ({name})")
    if isinstance(cause, OSError) and (writing or cause.errno in _PASSING or isinstance(cause, ConnectionError)):
        return SinkUnavailableError(said)
    return None
