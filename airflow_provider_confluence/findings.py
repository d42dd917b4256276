"""What a check found, as data: the connection's test, the command ``check`` and others' tools show the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found. ``cause`` is one word that stays the same, by which the documentation and programs know it.

    ``subject`` is what was looked at: connection, space, storage, sink, pool, first run. ``remedy`` is empty where nothing is to be done.
    """

    level: Level
    subject: str
    cause: str
    what: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        """Return it as an object."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.what}. {self.remedy}" if self.remedy else self.what


def has_problem(findings: Iterable[Finding]) -> bool:
    """Whether anything has to be done before a run can go well."""
    return any(finding.level == "problem" for finding in findings)
