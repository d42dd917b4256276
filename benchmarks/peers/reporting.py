"""How a peer is told what to load and tells what it got. Runs in the peers' environments: the standard library and nothing else.

``python ask_….py JOB TEXTS`` says that it is ready when everything is imported, waits for a line, loads, writes the texts to a file, and
prints the seconds that loading took, in wall and CPU time.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """What to load, and from where."""

    edition: str
    endpoint: str
    username: str
    token: str
    space: str
    pages: int
    attachments: bool


def report(load: Callable[[Job], dict[str, str]]) -> None:
    """Do the job that the command line names."""
    job, texts = Job(**json.loads(sys.argv[1])), Path(sys.argv[2])
    print("ready", flush=True)
    sys.stdin.readline()
    cpu, clock = time.process_time(), time.perf_counter()
    found = load(job)
    took = {"seconds": time.perf_counter() - clock, "cpu_seconds": time.process_time() - cpu}
    texts.write_text(json.dumps(found), encoding="utf-8")
    print(json.dumps(took), flush=True)
