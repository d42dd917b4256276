"""Fixtures for every test: a running sandbox Confluence, empty until it is filled, held to the contracts of its interfaces."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_confluence.testing.sandbox import Edition, Sandbox
from tests.contracts.checker import ContractChecker


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
