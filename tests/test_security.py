"""What SECURITY.md promises is held by tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
TEXT = (CHECKOUT / "SECURITY.md").read_text(encoding="utf-8")
PROMISES = [
    line for line in TEXT.partition("\n## Promises\n")[2].partition("\n## ")[0].splitlines() if line.startswith("| ")
]
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)
ROLES = ("author of DAG", "editor of connections", "editor of the Variable", "who starts runs", "author of pages")
ROLES += ("author of attachments", "network", "operator of a sink")


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((CHECKOUT / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda part: part.rpartition("/")[2][:60])
def test_every_test_that_is_named_exists(file: str, name: str) -> None:
    assert name in names_in(file)


def test_every_promise_names_a_test() -> None:
    promises = [line for line in PROMISES if not re.match(r"\| (promise|---)", line)]
    assert len(promises) > 20
    assert [line for line in promises if not re.search(r"`tests/[\w/]+\.py::\w+`", line)] == []
    assert [line for line in promises if "`tests" in line.split(" | ")[0]] == []


def test_the_threat_model_names_everybody() -> None:
    assert [role for role in ROLES if f"\n| {role}" not in TEXT] == []
