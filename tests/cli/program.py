"""The console command: called as its own process calls it, or, where the process matters, in one."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any
from unittest.mock import patch

from airflow_provider_confluence.cli import main

PROGRAM = [sys.executable, "-m", "airflow_provider_confluence.cli"]
_ONE_AFTER_ANOTHER = """
import io, json, os, sys
from contextlib import redirect_stderr, redirect_stdout
from airflow_provider_confluence.cli import main

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    arguments, environment = json.loads(line)
    os.environ.clear()
    os.environ.update(environment)
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(arguments)
        except SystemExit as end:
            code = end.code or 0
    print(json.dumps([code, out.getvalue(), err.getvalue()]), file=answers, flush=True)
"""


def run(*arguments, token="", given="", **environment):
    """Call the command with an environment and an input of its own; starting Python anew for each would take most of the tests' time."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, _environment(token, environment), clear=True),
        patch.object(sys, "stdin", io.StringIO(given)),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            code = main([*map(str, arguments)])
        except SystemExit as end:
            code = end.code or 0
    return subprocess.CompletedProcess([*PROGRAM, *map(str, arguments)], code, out.getvalue(), err.getvalue())


def run_apart(*arguments, token="", given="", **environment):
    """Run the command as a user runs it, in a process of its own."""
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        env=_environment(token, environment),
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def one_after_another() -> Iterator[Any]:
    """Yield :func:`run_apart` for many commands in one process apart: each of its own would import Airflow, which takes 3 s.

    Airflow keeps the home that the first command gives it; the rest of the environment is each command's own.
    """
    with subprocess.Popen(
        [sys.executable, "-c", _ONE_AFTER_ANOTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def run(*arguments, token="", **environment):
            words = [*map(str, arguments)]
            print(json.dumps([words, _environment(token, environment)]), file=process.stdin, flush=True)
            return subprocess.CompletedProcess([*PROGRAM, *words], *json.loads(process.stdout.readline()))

        yield run


def _environment(token, more):
    # Nor what tests of Airflow in the same process have set.
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("CONFLUENCE_", "AIRFLOW_"))}
    return {**clean, **({"CONFLUENCE_TOKEN": token} if token else {}), **more}


def credentials(sandbox):
    username = ["--username", sandbox.username] if sandbox.username else []
    return ["--endpoint", sandbox.endpoint, *username]
