"""A process that writes into a sink, for the conformance suite to kill.

Run as ``python -m airflow_provider_confluence.testing.sink_processes``. It reads a pickled ``(make_sink, owner, batches)`` from standard
input, says when the sink is open, and prints one line for each batch as soon as it is acknowledged.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from airflow_provider_confluence.documents import Document, Tombstone
from airflow_provider_confluence.sinks.base import Owner, Sink

Batch = Sequence[Document | Tombstone]


class WriterProcess:
    """A writer in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def next_outcomes(self) -> list[str] | None:
        """Wait for the next acknowledged batch and return its outcomes in order; ``None`` when the writer has finished."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            raise AssertionError(f"the writer ended with code {self._process.returncode}; its error is above")
        found: list[str] | None = json.loads(line)
        return found

    def kill(self) -> None:
        """End it as the kernel does when memory runs out: at once, with nothing tidied up."""
        self._process.kill()
        self._process.wait()


@contextmanager
def writer_process(make_sink: Callable[[], Sink], owner: Owner, batches: Sequence[Batch]) -> Iterator[WriterProcess]:
    """Start a writer, wait until its sink is open and it is about to write, and end it whatever happens.

    :param make_sink: must be picklable: a function of a module, or a :func:`functools.partial` of one.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-m", "airflow_provider_confluence.testing.sink_processes"]
    with subprocess.Popen(  # noqa: S603 - our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(pickle.dumps((make_sink, owner, batches)).hex())
            process.stdin.close()
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n", "the writer could not open its sink; its error is above"
            yield WriterProcess(process)
        finally:
            process.kill()


def main() -> None:
    """Write what standard input says."""
    make_sink, owner, batches = pickle.loads(bytes.fromhex(sys.stdin.read()))  # noqa: S301 - from our own parent
    sink: Sink = make_sink()
    sink.open(owner)
    print("open", flush=True)
    for batch in batches:
        answers = sink.write(batch)
        print(json.dumps([answer.outcome for answer in answers]), flush=True)
    sink.flush()
    sink.close()
    print("null", flush=True)


if __name__ == "__main__":
    main()
