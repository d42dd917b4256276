"""The console command, run as a user runs it: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = [sys.executable, "-m", "airflow_provider_confluence.cli"]


def run(*arguments, token="", given="", **environment):
    # Nor what tests of Airflow in the same process have set.
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("CONFLUENCE_", "AIRFLOW_"))}
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        env={**clean, **({"CONFLUENCE_TOKEN": token} if token else {}), **environment},
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def credentials(sandbox):
    username = ["--username", sandbox.username] if sandbox.username else []
    return ["--endpoint", sandbox.endpoint, *username]
