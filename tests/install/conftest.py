"""Where environments are made, and a wiki for them to index."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_confluence.testing.sandbox import Sandbox
from tests.brokers import free_port
from tests.content.attachment_files import pdf


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Return a folder on a disk, beside the packages that uv keeps: environments there are links, and cost no memory."""
    made = Path(tempfile.mkdtemp(prefix="install-", dir="/var/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def nobody() -> int:
    """Return a port where nobody listens."""
    return free_port()


def fill(sandbox: Sandbox) -> Sandbox:
    """Put a small wiki into a sandbox."""
    model = sandbox.model
    model.create_space("DOCS", "Documentation")
    page = model.create_page("DOCS", "Rollback", "<p>How to roll back a <strong>deployment</strong></p>")
    model.create_page(
        "DOCS", "Checklist", "<ac:task-list><ac:task><ac:task-body>Inspect</ac:task-body></ac:task></ac:task-list>"
    )
    model.attach(page, "drill.pdf", pdf([["Fire drill", "Assemble at the quayside"]]), "application/pdf")
    return sandbox


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the newcomer's path took: pytest shows what a test printed only where it failed."""
    for report in terminalreporter.stats.get("passed", ()):
        lines = [text for name, text in report.user_properties if name == "newcomer"]
        if lines:
            terminalreporter.write_line("")
            terminalreporter.write_line("a newcomer's path, as docs/tutorial.md says it:")
            for line in lines:
                terminalreporter.write_line(f"  {line}")
