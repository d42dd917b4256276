"""The file of a local index: how it is made, opened and judged, and what SQLite's errors mean to a caller.

The file appears whole or not at all: it is made under another name and then linked to its own. A file that is there already is never
made anew, whatever it holds.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from airflow_provider_confluence import file_systems, private_files
from airflow_provider_confluence.errors import (
    ConfluenceProviderError,
    SinkUnavailableError,
    StorageError,
    UpgradeNeededError,
)
from airflow_provider_confluence.sinks import _local_readers

FORMAT = 1
"""``PRAGMA user_version``: a worker refuses a newer one."""

APPLICATION_ID = 0x41504331
"""``PRAGMA application_id`` ("APC1"): tells our files from other programs' databases."""

_MAGIC = b"SQLite format 3\0"

# FTS5 reads title and content from doc (external content), so that no text is stored twice; the triggers keep both in step. The prefix
# indexes serve searching while typing. The weights of bm25 are stored in the index, so that ORDER BY rank uses them everywhere.
_SCHEMA = """
CREATE TABLE doc (
  rowid INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  revision INTEGER NOT NULL,
  datasource_id TEXT NOT NULL,
  content_id TEXT NOT NULL,
  type TEXT NOT NULL,
  space_key TEXT NOT NULL,
  url TEXT NOT NULL,
  updated TEXT,
  labels TEXT NOT NULL,
  title TEXT NOT NULL,
  content TEXT NOT NULL,
  document TEXT NOT NULL
);
CREATE INDEX doc_datasource ON doc (datasource_id, type);
CREATE TABLE tombstone (
  id TEXT PRIMARY KEY,
  revision INTEGER NOT NULL,
  datasource_id TEXT NOT NULL,
  content_id TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE owner (
  datasource_id TEXT PRIMARY KEY,
  deployment_id TEXT NOT NULL,
  site TEXT NOT NULL
) WITHOUT ROWID;
CREATE VIRTUAL TABLE doc_fts USING fts5 (
  title, content, content = 'doc', prefix = '2 3',
  tokenize = "unicode61 remove_diacritics 2 categories 'L* M* N* Co'"
);
INSERT INTO doc_fts (doc_fts, rank) VALUES ('rank', 'bm25(10.0, 1.0)');
CREATE TRIGGER doc_added AFTER INSERT ON doc BEGIN
  INSERT INTO doc_fts (rowid, title, content) VALUES (new.rowid, new.title, new.content);
END;
CREATE TRIGGER doc_removed AFTER DELETE ON doc BEGIN
  INSERT INTO doc_fts (doc_fts, rowid, title, content) VALUES ('delete', old.rowid, old.title, old.content);
END;
CREATE TRIGGER doc_changed AFTER UPDATE ON doc WHEN old.title <> new.title OR old.content <> new.content BEGIN
  INSERT INTO doc_fts (doc_fts, rowid, title, content) VALUES ('delete', old.rowid, old.title, old.content);
  INSERT INTO doc_fts (rowid, title, content) VALUES (new.rowid, new.title, new.content);
END;
"""

# Everything that a search without words filters by and counts, so that it does not read the documents, and the newest come first as they
# lie. Files of earlier versions get it at the next write, and are searched without it until then.
NEWEST_INDEX = "CREATE INDEX IF NOT EXISTS doc_newest ON doc (updated, space_key, type, datasource_id, labels)"

_NETWORK_TYPES = frozenset(
    (
        "9p",
        "acfs",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "smb2",
        "smb3",
        "smbfs",
        "wekafs",
    )
)
_NETWORK_FUSE = frozenset(
    (
        "blobfuse",
        "blobfuse2",
        "ceph",
        "davfs2",
        "gcsfuse",
        "geesefs",
        "glusterfs",
        "goofys",
        "juicefs",
        "moosefs",
        "mount-s3",
        "mountpoint-s3",
        "rclone",
        "s3fs",
        "seaweedfs",
        "sshfs",
    )
)


def network_file_system(folder: Path, mounts: str) -> str | None:
    """Return the type of the network file system that an absolute folder lies on, or ``None`` where its file system is a local one.

    :param mounts: the text of ``/proc/mounts``.
    """
    found_type = file_systems.type_of(folder, mounts)
    kind, _, program = found_type.partition(".")
    is_network = kind in _NETWORK_TYPES or (kind == "fuse" and program in _NETWORK_FUSE)
    return found_type if is_network else None


def refuse_network_file_system(path: Path) -> None:
    """Return where the file's folder is on a local file system (or the system has no ``/proc/mounts`` to tell).

    :raises StorageError: on NFS, SMB and their like: SQLite's WAL is shared memory, so a second host would not see the first one's writes.
    """
    mounts = file_systems.read_mounts()
    if mounts is None:
        return
    kind = network_file_system(path.parent.resolve(), mounts)
    if kind is not None:
        raise StorageError(
            f"the local index {path} would lie on a network file system ({kind}), where SQLite cannot keep several writers apart; "
            "set sink.path to a folder on a disk of this host, or choose a sink that is a server"
        )


def create(path: Path) -> None:
    """Make an empty index where no file is; return at once where one is. Safe to call from several processes at once."""
    if path.exists():
        return
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with sqlite_errors(path):
        try:
            private_files.make_folder(path.parent)
            # SQLite gives its side files the mode of the database.
            os.close(private_files.create(aside))
            try:
                with closing(sqlite3.connect(aside, isolation_level=None)) as connection:
                    connection.execute("PRAGMA journal_mode = WAL")
                    connection.executescript(
                        f"BEGIN; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; "
                        f"{_SCHEMA} {NEWEST_INDEX}; {_local_readers.SCHEMA} COMMIT;"
                    )
                _link(aside, path)
            finally:
                aside.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(
                f"the local index {path} cannot be made ({error.strerror}); set sink.path or [confluence] storage_path to a folder "
                "on a local disk that the workers may write"
            ) from error


def _link(aside: Path, path: Path) -> None:
    try:
        os.link(aside, path)
    except FileExistsError:
        return  # another process was quicker, and its file is as good
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def connect(path: Path, *, read_only: bool, busy_timeout_seconds: float) -> sqlite3.Connection:
    """Open an index that is there.

    :raises StorageError: when it is not there, not an index of ours, cut short, damaged, or not to be opened by this user.
    :raises UpgradeNeededError: when a newer version of this package wrote it.
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
    except FileNotFoundError as error:
        raise StorageError(
            f"there is no index at {path} yet; it appears with the first run of a datasource that writes to it"
        ) from error
    except OSError as error:
        raise StorageError(f"the local index {path} cannot be read: {error.strerror}") from error
    if head != _MAGIC:
        found = "empty" if not head else "not an SQLite database"
        raise StorageError(
            f"{path} is {found}, so it was left as it is; move it away, and run the datasource with mode=full"
        )
    with sqlite_errors(path):
        mode = "ro" if read_only else "rw"
        connection = sqlite3.connect(
            f"file:{quote(os.fsencode(path))}?mode={mode}", uri=True, isolation_level=None, timeout=busy_timeout_seconds
        )
        try:
            _judge(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def _judge(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise StorageError(
            f"{path} is a database of another program, so it was left as it is; set another sink.path or queue.name"
        )
    if number > FORMAT:
        raise UpgradeNeededError(
            f"{path} has format {number}, this version of the package knows {FORMAT}: upgrade this worker"
        )


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours: what may pass by itself, and what somebody has to mend."""
    try:
        yield
    except ConfluenceProviderError:
        raise
    except sqlite3.Error as error:
        raise _translated(error, path) from error


def _translated(error: sqlite3.Error, path: Path) -> ConfluenceProviderError:
    # By text, because sqlite_errorcode needs Python 3.11; SQLite's texts have not changed in twenty years.
    text = str(error)
    if "locked" in text or "busy" in text:
        return SinkUnavailableError(f"the local index {path} stayed locked by other writers ({text})")
    if "is full" in text or "disk I/O error" in text:
        return SinkUnavailableError(
            f"the local index {path} could not be written ({text}): look for free space on its disk"
        )
    if "readonly" in text or "unable to open" in text:
        return StorageError(
            f"the local index {path} cannot be opened by this user ({text}): readers and writers of one index need write access to "
            "its folder, best as one user or group"
        )
    if "malformed" in text or "not a database" in text:
        return StorageError(
            f"{path} is damaged or cut short ({text}), so it was left as it is; restore it, or move it away with its -wal and -shm "
            "files and run the datasource with mode=full"
        )
    return StorageError(f"the local index {path} cannot be used: {text}")
