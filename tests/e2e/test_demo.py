"""``make demo`` against a Confluence that the environment names: what it prints, and that Ctrl-C stops all that it started."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from airflow_provider_confluence.testing.sandbox import Sandbox
from airflow_provider_confluence.testing.standalone import wait_until

pytestmark = pytest.mark.timeout(400)
DAGS = Path(__file__).parents[2] / "dags"


def started_in(folder):
    """Return the processes whose Airflow home lies in a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            home = process.environ().get("AIRFLOW_HOME", "")
        except psutil.Error:
            continue
        if home.startswith(str(folder)):
            found.append(process)
    return found


def test_the_demo_indexes_the_confluence_it_is_given_and_ctrl_c_stops_everything(tmp_path):
    (tmp_path / "dags").symlink_to(DAGS)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("CONFLUENCE_", "AIRFLOW_", "DEMO_"))}
    with Sandbox("datacenter") as sandbox:
        sandbox.model.create_space("KB", "Knowledge")
        home = sandbox.model.create_page("KB", "Home", "<p>Welcome</p>")
        sandbox.model.create_page("KB", "Boiler", "<p>Open the valve slowly</p>", parent=home)
        sandbox.model.create_blogpost("KB", "News", "<p>The valve is new</p>")
        demo = subprocess.Popen(
            [sys.executable, "-m", "airflow_provider_confluence.testing.demo"],
            cwd=tmp_path,
            env=environment
            | {
                "CONFLUENCE_URL": sandbox.endpoint,
                "CONFLUENCE_TOKEN": sandbox.token,
                "CONFLUENCE_SPACE": "KB",
                "DEMO_QUERY": "valve",
                "PYTHONUNBUFFERED": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # A shell that puts its commands into the background lets them ignore Ctrl-C, and what they start inherits that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        said: list[str] = []
        listening = threading.Thread(target=lambda: said.extend(demo.stdout or ()), daemon=True)
        listening.start()
        try:

            def up():
                assert demo.poll() is None, "".join(said)
                return "Ctrl-C stops everything.\n" in said

            wait_until(up, 300, "the demo has searched")
            started = started_in(tmp_path)
            # A terminal sends it to the whole group in the foreground.
            os.killpg(demo.pid, signal.SIGINT)
            ended = demo.wait(60)
            left = started_in(tmp_path)
        finally:
            for process in (demo, *started_in(tmp_path)):
                process.kill()
            listening.join(30)
            demo.stdout.close()
        address = f"{sandbox.endpoint}/"
    text = "".join(said)
    assert said[-1] == 'indexed 3 documents, 2 hits for "valve"\n'
    assert address in text
    assert sandbox.token not in text
    assert "list_changes" in text
    port = int(re.search(r"Airflow UI: http://127\.0\.0\.1:(\d+)/", text)[1])
    assert ended == 0
    assert len(started) > 3
    assert left == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
