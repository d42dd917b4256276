"""A newcomer's path: the tutorial, block by block from the page, in a clean environment with the built wheel."""

from __future__ import annotations

import os
import re
import shlex
import socket
import sys
import time
from pathlib import Path

import pytest

from tests.install.environments import ROOT, Environment, wheel
from tests.install.tutorial import Terminal, answers, blocks

PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
# Far above what any block takes: the installation, which downloads, takes longest.
BLOCK_SECONDS = 600.0
pytestmark = pytest.mark.timeout(1800)


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def clean_environ(home: Path, **more: str) -> dict[str, str]:
    """Return a newcomer's variables: nothing of this checkout, and a home that is empty."""
    environ = Environment(home / "none", home).environ(**more)
    del environ["AIRFLOW_HOME"]
    path = [entry for entry in os.environ["PATH"].split(os.pathsep) if not entry.startswith(str(ROOT))]
    return {**environ, "HOME": str(home), "PATH": os.pathsep.join(path)}


@pytest.mark.parametrize(
    ("expected", "said", "fits"),
    [
        ("0 hits", "some warning\n0 hits\n", True),
        ("0 hits", "10 hits\n", False),
        ("0 hits", "0 hits, or more\n", False),
        ("page …: found", "page 7 of 9: found\n", True),
        ("page …: found", "page 7\nof 9: found\n", False),
        ("first\n…\nlast", "first\nand\nmore\nlast\n", True),
        ("first\n…\nlast", "first\nlast\n", True),
        ("first\nlast", "first\nand\nlast\n", False),
        ("(a.c)", "(abc)\n", False),
    ],
)
def test_an_answer_other_than_the_page_s_is_seen(expected, said, fits):
    assert answers(expected, said) == fits


def test_the_tutorial_leads_a_newcomer_from_nothing_to_a_search_and_back(folder, record_property):
    home = folder / "newcomer"
    home.mkdir()
    airflow_port, wiki_port, *log_ports = free_ports(5)
    to_do = blocks(
        PAGE,
        {
            "8080": str(airflow_port),
            "8090": str(wiki_port),
            # The Python that the tests run on, without this checkout's environment.
            "python3 -m venv": f"{shlex.quote(str(Path(sys.executable).resolve()))} -m venv",
            "pip install --quiet airflow-provider-confluence": f"pip install --quiet {shlex.quote(str(wheel()))}",
        },
    )
    log_servers = (
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT",
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT",
        "AIRFLOW__TRIGGERER__TRIGGERER_LOG_SERVER_PORT",
    )
    more = {name: str(port) for name, port in zip(log_servers, log_ports, strict=True)}
    environ = clean_environ(home, **more)
    seconds: dict[str, float] = {}
    said_in_all = ""
    with Terminal(home, environ) as terminal:
        for block in to_do:
            began = time.monotonic()
            code, said = terminal.paste(block.code, BLOCK_SECONDS)
            seconds[block.heading] = seconds.get(block.heading, 0.0) + time.monotonic() - began
            said_in_all += said
            log = home / "confluence-tutorial" / "airflow.log"
            context = f"{block.code}\n\nit said:\n{said}\n" + (log.read_text()[-3000:] if log.exists() else "")
            if block.answer is None:
                assert code == 0, context
            else:
                assert answers(block.answer, said), f"the page says:\n{block.answer}\n\nof:\n{context}"
        assert terminal.wait_until_all_ended(30) == []
    # Every numbered step was taken, and in order.
    assert list(seconds) == re.findall(r"^## (\d+\. .+)$", PAGE, re.MULTILINE)
    assert not (home / "confluence-tutorial").exists()
    # What the page says goes wrong is all that does.
    assert "Traceback" not in said_in_all
    until_found = 0.0
    for heading, took in seconds.items():
        record_property("newcomer", f"{took:6.1f} s  {heading}")
        until_found += took
        if heading.endswith("Search"):
            record_property("newcomer", f"{until_found:6.1f} s  from nothing to a page that is found")
    record_property("newcomer", f"{sum(seconds.values()):6.1f} s  the whole page")
