"""Nobody is left alone with a message: every error class has its entry, and every message of the page is one that the code can say."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from airflow_provider_confluence import errors

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
CLASSES = [name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)]


def section(title: str) -> str:
    found = re.search(rf"^#+ {title}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"there is no section {title}"
    return found[1]


def quoted(text: str) -> list[str]:
    """The messages in the first column of the tables."""
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


@cache
def sayings() -> str:
    """Every text in the code, one after the other, with … where a value is put in."""
    found = []
    for file in (CHECKOUT / "airflow_provider_confluence").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                found.append("".join(str(part) for part in parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


EXPLAINED, REASONS = PAGE.split("\n## Without an error of ours\n")[1].split("\n## An item that cannot be indexed\n")
MESSAGES = sorted({message for part in EXPLAINED.split("\n## ")[1:] for message in quoted(part)})


@pytest.mark.parametrize("name", [name for name in CLASSES if name != "ConfluenceProviderError"])
def test_every_error_class_has_its_entry(name):
    kind = getattr(errors, name)
    entry = section(name)
    assert quoted(entry) or kind is errors.FailNowError
    parent = {errors.ConfigurationError: "Fix the configuration", errors.RetryLaterError: "Try again later"}
    parent |= {errors.FailNowError: "Stop at once", errors.SupersededError: "Stand aside"}
    group = next(title for base, title in parent.items() if issubclass(kind, base))
    assert f"\n### {name}\n" in re.split(rf"^## {group}$", PAGE, flags=re.MULTILINE)[1].split("\n## ")[0]


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_of_the_page_is_one_that_the_code_says(message):
    assert message.removesuffix("…") in sayings()


def test_every_reason_for_which_an_item_fails_is_on_the_page_and_no_other():
    code = "\n".join(
        file.read_text(encoding="utf-8") for file in (CHECKOUT / "airflow_provider_confluence").rglob("*.py")
    )
    named = set(re.findall(r"\bFailure\(\s*[\w.\[\]]+, [\w.]+, \"(\w+)\"", code))
    named |= set(re.findall(r"\"reason\": \"(\w+)\", \"message\"", code))
    (told,) = re.findall(r"^def _reason\(error.*?(?=^def )", code, re.MULTILINE | re.DOTALL)
    named |= set(re.findall(r"\"(\w+)\"", told))
    assert len(named) > 5
    assert set(quoted(REASONS)) == named
