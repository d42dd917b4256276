"""The policy as the page of the documentation shows it: what becomes of every element and every macro.

``python -m airflow_provider_confluence.content.policy docs/content.md`` writes the tables anew between their marks; a test holds the page
to them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from airflow_provider_confluence.content.elements import ELEMENTS
from airflow_provider_confluence.content.macros import MACROS


def tables() -> dict[str, str]:
    """Return the tables as Markdown, by the name that marks their place on the page."""
    return {
        "elements": _table("Element", ((row.names, row.becomes) for row in ELEMENTS)),
        "macros": _table("Macro", ((row.names, row.becomes) for row in MACROS)),
    }


def _table(kind: str, rows: Iterable[tuple[str, str]]) -> str:
    lines = [f"| {kind} | Becomes |", "| --- | --- |"]
    for names, becomes in rows:
        written = ", ".join(f"`{name}`" for name in names.split())
        lines.append(f"| {written} | {becomes.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


def with_tables(page: str) -> str:
    """Return the page with the tables between ``<!-- policy: name -->`` and ``<!-- end -->`` as they are in the code."""
    for name, table in tables().items():
        mark = f"<!-- policy: {name} -->\n"
        page = _replaced(page, mark, table)
    return page


def _replaced(page: str, mark: str, table: str) -> str:
    return re.sub(f"{mark}.*?<!-- end -->", lambda _: f"{mark}{table}\n<!-- end -->", page, flags=re.DOTALL)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
