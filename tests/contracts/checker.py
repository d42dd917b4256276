"""Holds every request a test makes, and every answer of the sandbox, to the contracts of Confluence's interfaces."""

from __future__ import annotations

from airflow_provider_confluence.testing.sandbox import Edition
from airflow_provider_confluence.testing.sandbox.web import Request, Response


class ContractChecker:
    """An observer for a sandbox. It keeps what it sees and judges it in :meth:`assert_clean`, so that it slows no answer."""

    def __init__(self, edition: Edition) -> None:
        self.edition = edition
        self.violations: list[str] = []

    def __call__(self, request: Request, response: Response) -> None:
        """Keep one exchange."""

    def assert_clean(self) -> None:
        """Raise an ``AssertionError`` that lists every violation."""
        assert not self.violations, "\n".join(self.violations)
