"""The console command: called as its own process calls it, or, where the process matters, in one."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from unittest.mock import patch

from airflow_provider_confluence.cli import main

PROGRAM = [sys.executable, "-m", "airflow_provider_confluence.cli"]


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


def _environment(token, more):
    # Nor what tests of Airflow in the same process have set.
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("CONFLUENCE_", "AIRFLOW_"))}
    return {**clean, **({"CONFLUENCE_TOKEN": token} if token else {}), **more}


def credentials(sandbox):
    username = ["--username", sandbox.username] if sandbox.username else []
    return ["--endpoint", sandbox.endpoint, *username]
