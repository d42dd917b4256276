"""Follows a page of the documentation as a reader would: pastes its ``sh`` blocks into a shell and compares with the ``text`` blocks."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_HEADING = re.compile(r"^## (.+)$")
_MARK = "=== the block has ended with "


@dataclass(frozen=True)
class Block:
    """A block to paste, what the page says it answers (``…`` for anything; ``None`` where it says nothing), and under which heading."""

    heading: str
    code: str
    answer: str | None


def blocks(page: str, replacements: Mapping[str, str]) -> list[Block]:
    """Return the blocks of a page in their order, with texts replaced in what is pasted and in what is expected.

    :raises AssertionError: where a text to be replaced is not in the page.
    """
    for old, new in replacements.items():
        assert old in page, f"{old!r} is not in the page"
        page = page.replace(old, new)
    found: list[Block] = []
    heading = ""
    lines = iter(page.splitlines())
    for line in lines:
        if matched := _HEADING.match(line):
            heading = matched[1]
        if line not in ("```sh", "```text"):
            continue
        text = []
        for inner in lines:
            if inner == "```":
                break
            text.append(inner)
        if line == "```sh":
            found.append(Block(heading, "\n".join(text), None))
        else:
            assert found, "an answer before the first block"
            assert found[-1].answer is None, f"two answers to one block: {text}"
            found[-1] = Block(found[-1].heading, found[-1].code, "\n".join(text))
    return found


def answers(expected: str, said: str) -> bool:
    """Whether a text holds the expected lines, one after the other; ``…`` stands for anything within a line, alone for any lines."""
    pattern = ""
    for line in expected.splitlines():
        if line == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += "[^\n]*".join(re.escape(part) for part in line.split("…")) + r"[ ]*\n"
    return re.search("^" + pattern, said + "\n", re.MULTILINE) is not None


class Terminal:
    """A bash as a reader's terminal: with job control, in a folder and with variables of its own.

    Leaving it kills whatever was started in it and still runs.

    :param folder: where it starts; also the sign by which what was started in it is known.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        self._said: list[str] = []
        self._ended = threading.Event()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._pasted = 0
        assert self._process.stdin is not None
        self._process.stdin.write("set -m\n")  # the option of the same name wants a screen

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        for process in [*self.started(), psutil.Process(self._process.pid)]:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                pass
        self._process.wait(30)
        self._listener.join(30)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what bash has not read any more
                    pipe.close()

    def paste(self, code: str, seconds: float) -> tuple[int, str]:
        """Return the exit code of a block and what it printed. :raises AssertionError: when it has not ended in time."""
        self._pasted += 1
        file = self._folder / f".block-{self._pasted}"
        file.write_text(code + "\n")
        self._said.clear()
        self._ended.clear()
        assert self._process.stdin is not None
        # Sourced, so that it changes this shell, and without an input, so that nothing takes the next block for one.
        self._process.stdin.write(f"source {file} < /dev/null; echo; echo '{_MARK}'$?\n")
        self._process.stdin.flush()
        ended = self._ended.wait(seconds)
        said = "".join(self._said)
        assert ended, f"not ended after {seconds:.0f} s:\n{code}\n\nit said:\n{said}"
        output, _, code_ = said.rpartition(_MARK)
        return int(code_), output.removesuffix("\n")

    def started(self) -> list[psutil.Process]:
        """Return the processes that were started in this terminal and still run, wherever they went since."""
        found = []
        for process in psutil.process_iter():
            try:
                # Airflow's workers write their title over their variables, so the session tells them too.
                ours = os.getsid(process.pid) == self._process.pid or process.environ().get("HOME") == str(self._folder)
            except (psutil.Error, OSError):
                continue
            if ours and process.pid != self._process.pid:
                found.append(process)
        return found

    def wait_until_all_ended(self, seconds: float) -> list[str]:
        """Return the commands of what still runs after so long, none where all has ended before."""
        deadline = time.monotonic() + seconds
        while (left := self.started()) and time.monotonic() < deadline:
            time.sleep(0.5)
        return [" ".join(process.cmdline()) for process in left]

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.append(line)
            if line.startswith(_MARK):
                self._ended.set()
        self._ended.set()
