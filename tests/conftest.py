"""Fixtures for every test: a running sandbox Confluence, empty until it is filled, held to the contracts of its interfaces."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from airflow_provider_confluence.testing.sandbox import Edition, Sandbox
from tests.contracts.checker import ContractChecker
from tests.memory_folder import use_memory

use_memory()
# Before any test imports it.
pytest.register_assert_rewrite("airflow_provider_confluence.testing.sink_conformance")
# How long an example takes, and how long it takes to draw one, is the machine's affair.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")


def _checked(edition: Edition) -> Iterator[Sandbox]:
    checker = ContractChecker(edition)
    with Sandbox(edition, observer=checker) as sandbox:
        yield sandbox
    checker.assert_clean()


@pytest.fixture
def cloud() -> Iterator[Sandbox]:
    """Yield a running Confluence Cloud."""
    yield from _checked("cloud")


@pytest.fixture
def datacenter() -> Iterator[Sandbox]:
    """Yield a running Confluence Data Center."""
    yield from _checked("datacenter")


@pytest.fixture(params=["cloud", "datacenter"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Yield each edition in turn."""
    yield from _checked(request.param)


# What takes a minute or more and would come last by its name, while the other workers have nothing left to do.
_LONG = ("tests/sync/test_readers_anywhere.py", "tests/sync/test_races_anywhere.py", "tests/test_soak.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the long files run right after the Airflow tests, which come first by their name."""
    items.sort(
        key=lambda item: 0 if item.nodeid.startswith("tests/airflow/") else 1 if item.nodeid.startswith(_LONG) else 2
    )


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Deal tests to the workers by file, and all Airflow tests to one of them: the first ``dag.test()`` of a process takes 12 s.

    Tests in clean environments go by the environment that they share.

    xdist's own ``loadgroup`` marks do nothing under pytest 9.2, which no longer reads the node id that xdist writes.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", 1)[0]
            environment = re.search(r"\[((oldest|newest)-[0-9.]+)", nodeid)
            if file.startswith("tests/install/") and environment:
                return f"{file} {environment[1]}"
            if file == "tests/sync/test_readers_anywhere.py":
                return nodeid  # its two tests, the longest of all, share nothing
            return "airflow" if file.startswith("tests/airflow/") else file

    return ByFile(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in the last lines what was not tested because a server or a Python is not here; with CI set a server's absence is a failure."""
    skipped = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", ())]
    for python in sorted(
        {found[0] for reason in skipped if (found := re.search("NOT TESTED: Python [0-9]+[.][0-9]+", reason))}
    ):
        terminalreporter.write_line(f"{python}, which is not on this machine")
    if any("RabbitMQ" in reason for reason in skipped):
        terminalreporter.write_line(
            "NOT TESTED: RabbitMQ, which is not installed here: apt-get install --no-install-recommends rabbitmq-server"
        )
