"""Files to text, each read in a locked child process. This side never looks into a file, and waits no longer than it says.

>>> with Extractor() as extractor:                                                          # doctest: +SKIP
...     extractor.extract(Path("manual.pdf"), "manual.pdf", "application/pdf").outcome
'extracted'
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from airflow_provider_confluence.content.attachments.kinds import ALL_KINDS, BUILT_IN, IMAGE, ending_of, kind_of
from airflow_provider_confluence.content.attachments.lockdown import Limits
from airflow_provider_confluence.errors import ConfigurationError

# Raised by one whenever the same file would give another text, though the library is the same.
EXTRACTOR = 1
OUTCOMES = (
    "extracted",
    "empty",
    "skipped_type",
    "too_large",
    "encrypted",
    "damaged",
    "failed_timeout",
    "failed_memory",
    "failed_crash",
    "no_extractor",
    "not_available",
)
# What does not hang on the moment: the same file would come to the same again.
LASTING = ("extracted", "empty", "skipped_type", "encrypted", "damaged")
MOST_CHARS = 5_000_000
_STATUSES = {"timeout": "failed_timeout", "memory": "failed_memory", "crash": "failed_crash", "flood": "failed_crash"}
_GRACE_SECONDS = 10.0  # beyond the child's own limit, and for its start
_HEADER_BYTES = 65536
# To begin a program by its module without the folder, variables and site of the user in its path (-I), but with this process' path.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from airflow_provider_confluence.content.attachments.child import main; main()"
)


@dataclass(frozen=True, slots=True)
class Extraction:
    """What became of one file. ``text`` is Markdown where the format has structure. ``outcome`` is one of :data:`OUTCOMES`."""

    outcome: str
    text: str = ""
    language: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageReader:
    """The user's function for pictures.

    :param function: its import path, ``package.module:function``; called with a picture's path and media type, it returns Markdown.
    :param network: whether it may reach the network; everything else is forbidden to it as to the library.
    """

    function: str
    network: bool = False

    def __post_init__(self) -> None:
        module, colon, name = self.function.partition(":")
        if not colon or not all(part.isidentifier() for part in (*module.split("."), name)):
            raise ConfigurationError(f"image_to_text is {self.function!r}; give it as package.module:function")


@dataclass(frozen=True, slots=True)
class ExtractorSettings:
    """What a deployment says about reading files: which function reads pictures, how many files are read at a time, what one may cost."""

    image_reader: ImageReader | None = None
    processes: int = 2
    limits: Limits = field(default_factory=Limits)

    @property
    def recipe(self) -> list[Any]:
        """What changes the text of a file from here: the way we read, whether there is a library, and who reads pictures."""
        return [EXTRACTOR, has_library(), self.image_reader.function if self.image_reader else None]


def has_library() -> bool:
    """Whether the extra ``attachments`` is installed. Nothing is imported."""
    from importlib.util import find_spec

    return find_spec("xberg") is not None


def library_version() -> str:
    """Return name and version of the library, or ``none``; part of what a text is kept under."""
    if not has_library():
        return "none"
    from importlib.metadata import version

    return f"xberg-{version('xberg')}"


class Extractor:
    """A few child processes that read files. Safe for many threads; make it once for many files.

    Each file is read in a process of its own, limited in memory (2 GiB of addresses), processor time (30 s), time, and size of its text
    (5 million characters), without environment, network, files, other processes. What holds on which system is in
    docs/attachments.md, and in :attr:`held` after the first file.

    :param types: the kinds that are wanted; another kind is ``skipped_type`` by its name, or, after all, by its bytes.
    :param timeout_seconds: the longest that one file may take.
    """

    def __init__(
        self,
        settings: ExtractorSettings | None = None,
        *,
        types: Collection[str] = ALL_KINDS,
        timeout_seconds: float = 60.0,
    ) -> None:
        self._settings = settings or ExtractorSettings()
        self._types = sorted(types)
        self._seconds = timeout_seconds
        self._folder = Path(tempfile.mkdtemp(prefix="confluence-attachments-"))
        self._lock = threading.Lock()
        self._free: dict[str, list[_Child]] = {}
        self._all: set[_Child] = set()
        self._places = threading.BoundedSemaphore(max(1, self._settings.processes))
        self._is_closed = False
        self.held: tuple[str, ...] = ()

    def __enter__(self) -> Extractor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def can_read(self, kind: str | None) -> str | None:
        """Return the outcome that a kind has before anything is fetched, ``None`` where a file of it can be read."""
        if kind is None or kind not in self._types or (kind == IMAGE and self._settings.image_reader is None):
            return "skipped_type"
        return None if kind in BUILT_IN or kind == IMAGE or has_library() else "no_extractor"

    def new_file(self) -> Path:
        """Return a path, in a fresh folder of its own, to put a file at; :meth:`extract` removes both."""
        return Path(tempfile.mkdtemp(dir=self._folder)) / "file"

    def extract(self, path: Path, filename: str, media_type: str | None = None) -> Extraction:
        """Return the text of a file and remove it, with its folder where that is one of :meth:`new_file`. Never raises for the file's sake.

        :param filename: its name in Confluence, which says what it is; it never becomes a name on this machine.
        """
        try:
            kind = kind_of(filename, media_type)
            outcome = self.can_read(kind)
            if outcome is not None or kind is None:
                return Extraction(outcome or "skipped_type")
            return self._ask(path, kind, ending_of(filename))
        finally:
            if path.parent.parent == self._folder:
                shutil.rmtree(path.parent, ignore_errors=True)

    def close(self) -> None:
        """Kill every child, those at work too, and remove their folder; safe to repeat and from any thread."""
        with self._lock:
            self._is_closed = True
            children, self._all, self._free = list(self._all), set(), {}
        for child in children:
            child.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    # ---------------------------------------------------------------- inside
    def _ask(self, path: Path, kind: str, ending: str) -> Extraction:
        request = {"folder": str(path.parent), "file": str(path), "kind": kind, "ending": ending}
        if kind == IMAGE:
            return self._ask_reader(IMAGE, request)
        if kind in BUILT_IN:
            extraction = self._ask_reader("text", request)
            if extraction.outcome != "no_extractor" or not has_library():
                return extraction
        return self._ask_reader("library", request)

    def _ask_reader(self, reader: str, request: Mapping[str, Any]) -> Extraction:
        with self._places:
            child = self._child(reader)
            try:
                answer = child.ask(request, self._seconds + _GRACE_SECONDS)
            except _ChildError as error:
                self._forget(child)
                return Extraction(error.outcome)
            with self._lock:
                self._free.setdefault(reader, []).append(child)
        self.held = tuple(dict.fromkeys((*child.held, *answer.get("held", ()))))
        return _read(answer)

    def _child(self, reader: str) -> _Child:
        with self._lock:
            if self._is_closed:
                raise RuntimeError("this extractor is closed")
            waiting = self._free.get(reader)
            if waiting:
                return waiting.pop()
            home = Path(tempfile.mkdtemp(dir=self._folder, prefix="home-"))
            child = _Child(self._orders(reader), home)
            self._all.add(child)
            return child

    def _forget(self, child: _Child) -> None:
        with self._lock:
            self._all.discard(child)
        child.kill()

    def _orders(self, reader: str) -> dict[str, Any]:
        image_reader = self._settings.image_reader if reader == IMAGE else None
        limits = self._settings.limits._asdict()
        if image_reader is not None:
            # A program that reads pictures needs libraries, models and temporary files.
            limits |= {"file_bytes": 256 * 1024 * 1024, "open_files": 1024}
        return {
            "library": reader == "library",
            "image_to_text": image_reader.function if image_reader else None,
            "network": bool(image_reader and image_reader.network),
            "types": self._types,
            "limits": limits,
            "seconds": self._seconds,
            "most_chars": MOST_CHARS,
            "answer_bytes": MOST_CHARS * 6 + 65536,  # as JSON writes a character at its longest
        }


def _read(answer: Mapping[str, Any]) -> Extraction:
    """Return an answer as a value, believing nothing: whoever wrote it had read a stranger's file."""
    outcome, text, language, warnings = (answer.get(name) for name in ("outcome", "text", "language", "warnings"))
    if outcome not in OUTCOMES or not isinstance(text, str) or not isinstance(warnings, list):
        return Extraction("failed_crash")
    if not (language is None or (isinstance(language, str) and len(language) <= 20)):
        language = None
    said = tuple(str(warning)[:100] for warning in warnings[:50])
    return Extraction(outcome, text[:MOST_CHARS], language, said)


class _ChildError(Exception):
    def __init__(self, outcome: str) -> None:
        self.outcome = outcome
        super().__init__(outcome)


class _Child:
    """One child process and its pipes. One thread at a time asks it; any may kill it."""

    def __init__(self, orders: Mapping[str, Any], home: Path) -> None:
        keep = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ}
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [
                sys.executable,
                "-I",
                "-c",
                _START,
                json.dumps([place for place in sys.path if Path(place).is_absolute()]),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=home,
            env={
                **keep,
                "PATH": os.defpath,
                "LANG": "C.UTF-8",
                "HOME": str(home),
                "TMPDIR": str(home),
                "MALLOC_ARENA_MAX": "2",  # glibc sets aside 64 MB of addresses for each, which the limit counts
            },
            start_new_session=True,
        )
        self._orders = orders
        self._answers: queue.SimpleQueue[tuple[dict[str, Any], bytes] | None] = queue.SimpleQueue()
        self._begun = False
        self.held: tuple[str, ...] = ()
        self._reader = threading.Thread(target=self._listen, name="confluence-attachments", daemon=True)
        self._reader.start()

    def ask(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Return the answer to a request. :raises _ChildError: when there is none, with the outcome; the child is of no more use."""
        until = time.monotonic() + seconds
        if not self._begun:
            self._tell(self._orders)
            header, _ = self._hear(until)
            self.held = tuple(header.get("held", ()))
            self._begun = True
        self._tell(request)
        header, payload = self._hear(until)
        status = header.get("status")
        if status != "ok":
            # The child itself is well: it has killed what did not end.
            error = str(header.get("error") or "")
            warnings = [f"error={error}"] if error else []
            return {"outcome": _STATUSES.get(str(status), "failed_crash"), "text": "", "warnings": warnings}
        try:
            answer = json.loads(payload)
        except (ValueError, RecursionError):
            answer = None
        return answer if isinstance(answer, dict) else {}

    def kill(self) -> None:
        """End it, with the fork at work, and wait until it has gone."""
        with suppress(OSError):
            self._stdin.close()  # it sees that, and kills its fork, which has a group of its own
        # Its output ends when it does, which wakes us at once; waiting for a process with a limit means looking every 50 ms.
        self._reader.join(1.0)
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._reader.join()
        self._stdout.close()

    def _tell(self, value: Mapping[str, Any]) -> None:
        try:
            self._stdin.write(json.dumps(value).encode() + b"\n")
            self._stdin.flush()
        except (OSError, ValueError):
            raise _ChildError("failed_crash") from None

    def _hear(self, until: float) -> tuple[dict[str, Any], bytes]:
        try:
            answer = self._answers.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            raise _ChildError("failed_timeout") from None
        if answer is None:
            raise _ChildError("failed_crash")
        return answer

    def _listen(self) -> None:
        """Put every answer into the queue, ``None`` at the end."""
        with suppress(OSError, ValueError):
            while True:
                header = json.loads(self._stdout.readline(_HEADER_BYTES))
                size = int(header.get("bytes", 0))
                if not 0 <= size <= self._orders["answer_bytes"]:
                    break
                payload = self._stdout.read(size)
                if len(payload) < size:
                    break
                self._answers.put((header, payload))
        self._answers.put(None)

    @property
    def _stdin(self) -> IO[bytes]:
        if self._process.stdin is None:
            raise ValueError("the child has no input")
        return self._process.stdin

    @property
    def _stdout(self) -> IO[bytes]:
        if self._process.stdout is None:
            raise ValueError("the child has no output")
        return self._process.stdout
