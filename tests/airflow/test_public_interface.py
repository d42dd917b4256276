"""The pages about the Python interface are the public list: complete, true, and all that the examples use."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
OURS = "airflow_provider_confluence"
REFERENCE = "\n".join(page.read_text(encoding="utf-8") for page in sorted((CHECKOUT / "docs" / "api").glob("*.md")))


def public_names() -> dict[str, set[str] | None]:
    """The names of each module on the pages; ``None`` where all that a module does not hide is."""
    found: dict[str, set[str] | None] = {}
    for module, options in re.findall(r"^\.\. automodule:: ([\w.]+)\n((?: +.*\n)*)", REFERENCE, re.MULTILINE):
        members = re.search(r":members:((?:[\w, ]|\n {13})*)", options)
        assert members is not None, f"{module}: which members?"
        found[module] = {name.strip() for name in members[1].split(",") if name.strip()} or None
    for path in re.findall(r"^\.\. auto(?:function|class|exception):: ([\w.]+)$", REFERENCE, re.MULTILINE):
        module, _, name = path.rpartition(".")
        found.setdefault(module, set())
        found[module].add(name)  # type: ignore[union-attr]
    return found


PUBLIC = public_names()


@pytest.mark.parametrize("module", sorted(PUBLIC))
def test_every_name_of_the_pages_is_there_and_says_what_it_is(module):
    loaded = importlib.import_module(module)
    names = PUBLIC[module] or {
        name for name in vars(loaded) if getattr(loaded, "__all__", ()) and name in loaded.__all__
    }
    for name in names:
        assert not name.startswith("_")
        assert name in dir(loaded)  # which is where the reference looks
        assert getattr(loaded, name).__doc__, name


@pytest.mark.parametrize(
    "module", [f"{OURS}.{name}" for name in ("dag_factory", "operators.confluence", "testing.sandbox", "testing.coco")]
)
def test_what_a_module_declares_public_is_on_the_pages(module):
    loaded = importlib.import_module(module)
    types = {
        name
        for name in loaded.__all__
        if isinstance(getattr(loaded, name), type) or hasattr(getattr(loaded, name), "__code__")
    }
    assert types == PUBLIC[module]


def test_examples_and_dags_use_public_names_alone():
    sources = {path.name: path.read_text(encoding="utf-8") for path in (CHECKOUT / "dags").glob("*.py")}
    for page in [CHECKOUT / "README.md", *(CHECKOUT / "docs").rglob("*.md")]:
        for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)):
            sources[f"{page.name} {number}"] = block
    used = {
        (where, node.module, alias.name)
        for where, source in sources.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(OURS)
        for alias in node.names
    }
    assert len(used) > 10
    assert [each for each in sorted(used) if not is_public(*each[1:])] == []


def is_public(module: str, name: str) -> bool:
    if f"{module}.{name}" in PUBLIC:  # a module of its own
        return True
    return module in PUBLIC and (PUBLIC[module] is None or name in PUBLIC[module])
