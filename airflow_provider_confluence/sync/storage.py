"""Durable files below one base folder, local or in an object store.

Local files are written aside, synced and renamed into place; an object store gets one PUT. Either way a reader finds the whole new file,
the whole old one, or none. Every file is read by its exact name, so no listing cache can hide it.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import secrets
import tempfile
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from upath import UPath

from airflow_provider_confluence import private_files
from airflow_provider_confluence.errors import ConfigurationError, StorageError
from airflow_provider_confluence.redaction import without_credentials

T = TypeVar("T")

MISREAD = (KeyError, TypeError, ValueError, AttributeError)
"""What is raised by a reader of JSON that is of another form than was written."""

# What a buffer may hold in memory before it moves to a temporary file.
_SPOOL_BYTES = 4 * 1024 * 1024
# Half the processor time of level 3 for files that are 3 % larger (measured on staged documents, zlib 1.2.13).
_LEVEL = 1
# By an address's scheme: the library, and the provider package by which Airflow finds it with a connection.
_S3 = ("s3fs", "apache-airflow-providers-amazon[s3fs]")
_GOOGLE = ("gcsfs", "apache-airflow-providers-google")
_AZURE = ("adlfs", "apache-airflow-providers-microsoft-azure")
_PACKAGES = {"s3": _S3, "s3a": _S3, "gs": _GOOGLE, "gcs": _GOOGLE, "abfs": _AZURE, "abfss": _AZURE, "adl": _AZURE}


class Storage:
    """The files below ``base``. Names are relative, with slashes.

    :param base: a folder or an object store's prefix: a path, a URL (``s3://…``), or any UPath such as Airflow's ObjectStoragePath.
    :param readable_by_group: whether files are for other programs to read; else they are private (:mod:`..private_files`).
    :raises ConfigurationError: for an object store whose package is not installed, naming it, and for an address of no known kind.
    """

    def __init__(self, base: UPath | Path | str, *, readable_by_group: bool = False) -> None:
        self._readable_by_group = readable_by_group
        try:
            self.base = base if isinstance(base, UPath) else UPath(base)
            self._local = Path(self.base.path) if self.base.protocol in ("", "file", "local") else None
            if self._local is None:
                self.base.fs  # noqa: B018 - imports the store's library, which asks the store nothing
        except (ImportError, ValueError) as error:
            raise ConfigurationError(cannot_be_used(str(base), error)) from error

    def __repr__(self) -> str:
        return f"Storage({str(self.base)!r})"

    @property
    def is_local(self) -> bool:
        """Whether these are files of this host's file system."""
        return self._local is not None

    @property
    def folder(self) -> Path | None:
        """The folder, where this is one of this host's file system."""
        return self._local

    def where(self, name: str = "") -> str:
        """Return a file's full name, for messages."""
        return str(self.base / name) if name else str(self.base)

    # ---------------------------------------------------------------- whole files
    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, or ``None`` where it does not exist.

        :raises StorageError: when it exists and cannot be read.
        """
        try:
            if self._local is not None:
                return (self._local / name).read_bytes()
            return (self.base / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._refused("read", name, error) from error

    def size(self, name: str) -> int | None:
        """Return how many bytes a file has, or ``None`` where it does not exist. :raises StorageError: when that cannot be told."""
        try:
            if self._local is not None:
                return (self._local / name).stat().st_size
            place = self.base / name
            place.fs.invalidate_cache(place.path)
            return int(place.fs.size(place.path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._refused("read", name, error) from error

    def read_part(self, name: str, start: int, size: int) -> bytes | None:
        """Return so many of a file's bytes, fewer at its end, or ``None`` where it does not exist. One request of an object store.

        :raises StorageError: when it exists and cannot be read.
        """
        try:
            if self._local is not None:
                with (self._local / name).open("rb") as file:
                    file.seek(start)
                    return file.read(size)
            place = self.base / name
            return bytes(place.fs.cat_file(place.path, start=start, end=start + size))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._refused("read", name, error) from error

    def write(self, name: str, data: bytes) -> None:
        """Put a file in place, whole and durable. :raises StorageError: when it cannot be written."""
        with self._aside(), _Spool() as spool:
            spool.write(data)
            self._place(name, spool)

    def write_new(self, name: str, data: bytes) -> None:
        """Put a file in place unless there is one already; of several who do so at once, one wins."""
        with self._aside(), _Spool() as spool:
            spool.write(data)
            self._place(name, spool, only_new=True)

    def delete(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""
        try:
            if self._local is not None:
                (self._local / name).unlink(missing_ok=True)
            else:
                (self.base / name).unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._refused("delete", name, error) from error

    def exists(self, name: str) -> bool:
        """Return whether a file is there, asked by its exact name."""
        try:
            if self._local is not None:
                return (self._local / name).is_file()
            place = self.base / name
            place.fs.invalidate_cache(place.path)
            return place.exists()
        except OSError as error:
            raise self._refused("read", name, error) from error

    def names(self, folder: str) -> list[str]:
        """Return the names of what lies directly in a folder, sorted; none where there is no such folder."""
        try:
            if self._local is not None:
                return sorted(p.name for p in (self._local / folder).iterdir() if not p.name.startswith(".tmp-"))
            place = self.base / folder
            place.fs.invalidate_cache()  # object stores remember listings; ours must be today's
            return sorted(p.name for p in place.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._refused("list", folder, error) from error

    def delete_folder(self, folder: str) -> None:
        """Remove a folder with everything in it; one that is not there is no error."""
        import shutil

        try:
            if self._local is not None:
                shutil.rmtree(self._local / folder)
            else:
                place = self.base / folder
                place.fs.rm(place.path, recursive=True)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._refused("delete", folder, error) from error

    # ---------------------------------------------------------------- JSON
    def read_json(self, name: str) -> dict[str, Any] | None:
        """Return a JSON object, or ``None`` where the file does not exist.

        :raises StorageError: when the file is cut short or is no JSON object; it is left as it is.
        """
        data = self.read(name)
        return None if data is None else self._object(name, data)

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Put a JSON object in place, whole and durable."""
        self.write(
            name, json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1).encode("utf-8", "surrogatepass")
        )

    # ---------------------------------------------------------------- compressed JSON lines
    def read_lines(self, name: str) -> Generator[dict[str, Any], None, None] | None:
        """Return the objects of a compressed JSON lines file, streaming, or ``None`` where it does not exist.

        Who may stop before the end closes it: left to the garbage collector, the file may go before what would close it.

        :raises StorageError: while iterating, when the file is cut short: no line is lost in silence.
        """
        try:
            raw: IO[bytes] = (
                (self._local / name).open("rb") if self._local is not None else (self.base / name).open("rb")
            )
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._refused("read", name, error) from error
        lines = self._lines(name, raw)
        next(lines)  # a generator that was never begun closes nothing
        return lines

    def _lines(self, name: str, raw: IO[bytes]) -> Generator[dict[str, Any], None, None]:
        with raw, gzip.GzipFile(fileobj=raw) as unpacked:
            yield {}
            try:
                # A buffered reader finds the ends of lines in C, GzipFile does not.
                for line in io.BufferedReader(cast(io.RawIOBase, unpacked), 128 * 1024):
                    yield self._object(name, line, _line)
                if raw.tell() == 0:  # gzip takes an empty file for an archive of nothing
                    raise EOFError
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise self.damaged(name) from error
            except OSError as error:
                raise self._refused("read", name, error) from error

    def unpack(self, name: str, packed: bytes | memoryview) -> bytes:
        """Return the text of some whole parts (:meth:`LinesWriter.cut`) of a compressed file.

        :raises StorageError: when these bytes are not as they were written.
        """
        try:
            return gzip.decompress(packed)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise self.damaged(name) from error

    def unpack_lines(self, name: str, packed: bytes | memoryview) -> list[dict[str, Any]]:
        """Return the objects of such parts. :raises StorageError: likewise."""
        return [self._object(name, line, _line) for line in self.unpack(name, packed).splitlines()]

    def write_lines(self, name: str, lines: Iterable[Mapping[str, Any]]) -> int:
        """Put a compressed JSON lines file in place, streaming; return the number of lines."""
        with self.lines_writer(name) as writer:
            for line in lines:
                writer.add(line)
            writer.close()
            return writer.count

    def lines_writer(self, name: str) -> LinesWriter:
        """Return a writer for a file that grows line by line and is put in place by its ``close``."""
        return LinesWriter(self, name)

    def understood(self, name: str, read: Callable[[dict[str, Any]], T], value: dict[str, Any]) -> T:
        """Return what ``read`` makes of an object out of a file. :raises StorageError: where it makes nothing of it."""
        try:
            return read(value)
        except MISREAD as error:
            raise self.damaged(name) from error

    # ---------------------------------------------------------------- inside
    def _object(self, name: str, data: bytes, read: Callable[[bytes], Any] = json.loads) -> dict[str, Any]:
        try:
            value = read(data)
        except (ValueError, RecursionError) as error:
            raise self.damaged(name) from error
        if not isinstance(value, dict):
            raise self.damaged(name)
        return value

    def _place(self, name: str, spool: _Spool, *, only_new: bool = False) -> None:
        try:
            if self._local is None:
                self._put(name, spool, only_new=only_new)
                return
            place = self._local / name
            private_files.make_folder(place.parent, readable_by_group=self._readable_by_group)
            aside = place.with_name(f".tmp-{secrets.token_hex(6)}-{place.name}")
            try:
                handle = private_files.create(aside, readable_by_group=self._readable_by_group)
                with os.fdopen(handle, "wb") as target:
                    spool.seek(0)
                    while piece := spool.read(1024 * 1024):
                        target.write(piece)
                    target.flush()
                    os.fsync(target.fileno())
                if only_new:
                    _link(aside, place)
                else:
                    aside.replace(place)
            except BaseException:
                aside.unlink(missing_ok=True)
                raise
            _sync_folder(place.parent)
        except OSError as error:
            raise self._refused("write", name, error) from error

    def _put(self, name: str, spool: _Spool, *, only_new: bool) -> None:
        place = self.base / name
        if only_new:
            place.fs.invalidate_cache(place.path)
            if place.exists():
                return
            try:
                target = place.open("xb")
            except FileExistsError:
                return
            except (ValueError, NotImplementedError):  # this store cannot put a file only where there is none
                target = place.open("wb")
        else:
            target = place.open("wb")
        spool.seek(0)
        with target:
            while piece := spool.read(1024 * 1024):
                target.write(piece)

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Say of what fails here that it is the folder for temporary files: there a large file grows before it is put in place."""
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"cannot write to the folder for temporary files, {tempfile.gettempdir()}: {error.strerror or type(error).__name__}; "
                "make room there, or set TMPDIR to a folder that has some"
            ) from error

    def _refused(self, what: str, name: str, error: OSError) -> StorageError:
        return StorageError(
            f"cannot {what} {self.where(name)}: {error.strerror or type(error).__name__}; "
            "check that the storage path exists, has room and is writable for this user"
        )

    def damaged(self, name: str) -> StorageError:
        """Return the error that says that a file cannot be made sense of, and what to do."""
        return StorageError(
            f"{self.where(name)} is damaged or cut short; it was left as it is. Restore it from a copy, "
            "or move it away: what it recorded is then taken as in doubt and read again from Confluence"
        )


class _Spool(tempfile.SpooledTemporaryFile[bytes]):
    def __init__(self) -> None:
        super().__init__(max_size=_SPOOL_BYTES)


class LinesWriter:
    """Gathers lines, compressed, in bounded memory; ``close`` puts the file in place, leaving without it drops them.

    A file may have several parts, each compressed by itself, so that one can be read without those before it. They follow each other as
    members of one gzip file (RFC 1952, 2.2), which every reader of gzip takes for one text.
    """

    def __init__(self, storage: Storage, name: str) -> None:
        self.count = 0
        self._storage = storage
        self._name = name
        self._spool: _Spool | None = _Spool()
        self._packed: gzip.GzipFile | None = None

    def __enter__(self) -> LinesWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def add(self, line: Mapping[str, Any]) -> None:
        """Add one object. Lone surrogates are kept as JSON escapes."""
        with self._storage._aside():
            if self._packed is None:
                self._packed = gzip.GzipFile(fileobj=self._open(), mode="wb", compresslevel=_LEVEL, mtime=0)
            self._packed.write(_encoded(line))
        self.count += 1

    def cut(self) -> int:
        """End the part, if one was begun, and return the offset in bytes at which the next one begins."""
        with self._storage._aside():
            if self._packed is not None:
                self._packed.close()
                self._packed = None
            return self._open().tell()

    def add_parts(self, packed: bytes) -> None:
        """Add whole parts of another file as they are. They count as no line."""
        self.cut()
        with self._storage._aside():
            self._open().write(packed)

    def close(self) -> None:
        """Put the file in place, whole and durable; one without a line too."""
        if self._spool is None:
            return
        if not self.cut():
            self.add_parts(gzip.compress(b"", _LEVEL, mtime=0))
        spool, self._spool = self._spool, None
        with spool:
            self._storage._place(self._name, spool)

    def drop(self) -> None:
        """Give up without writing; after ``close`` this does nothing."""
        spool, self._spool = self._spool, None
        if spool is not None:
            with suppress(OSError):  # what is dropped need not be written to its end
                if self._packed is not None:
                    self._packed.close()
            self._packed = None
            with suppress(OSError):
                spool.close()

    def _open(self) -> _Spool:
        if self._spool is None:
            raise ValueError("this writer is closed")
        return self._spool


def _encoded(line: Mapping[str, Any]) -> bytes:
    import msgspec

    try:
        return msgspec.json.encode(line) + b"\n"
    # Half a character, which only an escape can hold; or a str or an int of somebody's own class.
    except (UnicodeEncodeError, TypeError):
        return (json.dumps(line, ensure_ascii=True, separators=(",", ":")) + "\n").encode("ascii")


def cannot_be_used(address: str, error: ImportError | ValueError) -> str:
    """Return what an error in looking up an object store's library means, with what to install; no user of the address is in it."""
    scheme = address.partition("://")[0]
    library, provider = _PACKAGES.get(scheme, ("", ""))
    # fsspec misses a library by ImportError; Airflow misses a provider package by ValueError.
    package = library if isinstance(error, ImportError) else provider
    what_to_do = f"pip install '{package}'" if package else "install the package of this kind of store"
    return f"{without_credentials(address)} cannot be used ({error}): {what_to_do}"


def _link(aside: Path, place: Path) -> None:
    try:
        os.link(aside, place)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        if not place.exists():
            aside.replace(place)
    aside.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    # A rename is durable only once the folder that holds the name is.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _line(data: bytes) -> Any:
    """Return what json.loads returns of a line, three times as fast: a manifest has as many lines as items."""
    import msgspec

    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):  # half a character, and what is no JSON to it; or no JSON at all
        return json.loads(data.decode("utf-8", "surrogatepass"))
