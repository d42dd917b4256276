"""The checks before a release find what is wrong; that they find nothing in this tree is what ``make release-check`` says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.release.checks import (
    OF_BUILT,
    OF_TREE,
    changelog,
    classifiers,
    entry_points,
    metadata,
    reproducible,
    sdist_contents,
    secrets,
    version,
    wheel_contents,
)
from tests.release.tree import NAME, Distributions, Tree

CHECKOUT = Path(__file__).parents[1]
HERE = Tree(CHECKOUT)


@pytest.fixture(scope="module", autouse=True)
def in_git():
    if not (CHECKOUT / ".git").exists():
        pytest.skip("not a git checkout")


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A copy of the files that git knows, as a checkout of its own."""
    root = tmp_path_factory.mktemp("copy") / "tree"
    for name in HERE.files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / name, root / name)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    return root


@pytest.fixture
def changed(copied):
    """Return the copy with one file of it changed, for the length of a test."""
    before = {}

    def change(name, old, new):
        text = (copied / name).read_text(encoding="utf-8")
        assert old in text
        before.setdefault(name, text)
        (copied / name).write_text(text.replace(old, new, 1), encoding="utf-8")
        return Tree(copied)

    yield change
    for name, text in before.items():
        (copied / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("check", OF_TREE, ids=lambda check: check.__name__)
def test_this_tree_passes(check):
    assert list(check(HERE)) == []


@pytest.mark.parametrize(
    ("check", "name", "old", "new", "said"),
    [
        (changelog, "CHANGELOG.md", f"## {HERE.version}", "## 0.0.9", "CHANGELOG.md: begins with '0.0.9"),
        (changelog, f"{NAME}/__init__.py", HERE.version, "7.7.7", "say what changed under ## 7.7.7"),
        (changelog, "CHANGELOG.md", "\n- ", "\n## 0.0.1\n\n- ", f"CHANGELOG.md: says nothing of {HERE.version}"),
        (version, f"{NAME}/__init__.py", HERE.version, "1.0-final", "'1.0-final' is no version"),
        (version, "pyproject.toml", 'dynamic = ["version"]', 'version = "0.1.0"', "says the version a second time"),
        (version, "docs/conf.py", "language =", f'their_version = "{HERE.version}"\nlanguage =', "docs/conf.py:"),
        (classifiers, "pyproject.toml", "Topic :: Text", "Topic :: Texts", "knows no classifier 'Topic :: Texts"),
        (classifiers, "pyproject.toml", '  "Framework :: Apache Airflow :: Provider",\n', "", "Provider' is missing"),
        (
            classifiers,
            "pyproject.toml",
            '  "Programming Language :: Python :: 3.12",\n',
            "",
            "name Python 3.[10, 11, 13]",
        ),
        (classifiers, "pyproject.toml", '>=3.10"', '>=3.9"', "requires-python begins at 3.9"),
        (entry_points, "pyproject.toml", "cli:main", "cli:begin", "airflow-confluence leads to"),
        (entry_points, "pyproject.toml", "get_provider_info:get", "provider_info:get", "provider_info leads to"),
    ],
)
def test_what_is_wrong_in_a_tree_is_found_and_named(changed, check, name, old, new, said):
    (problem,) = check(changed(name, old, new))
    assert said in problem


def test_what_is_wrong_in_what_was_built_is_found_and_named(copied, tmp_path):
    tree = Tree(copied)
    assert tree.files  # as they were before all this
    stray = copied / NAME / "notes.txt"
    stray.write_text(f"-----BEGIN PRIVATE KEY-----\n{'k' * 64}\n")
    (copied / "docs" / "leftover.bin").write_bytes(b"0")
    for lost in (f"{NAME}/py.typed", f"{NAME}/plugins/page/main.js", "SECURITY.md"):
        (copied / lost).unlink()
    (copied / "pyproject.toml").write_text(tree.text("pyproject.toml").replace('"Apache-2.0"', '"MIT"', 1))
    builds = []

    def build(root, kind, folder):
        builds.append(kind)
        stray.write_text(f"{stray.read_text()}{len(builds)}\n")
        command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
        subprocess.run(command, cwd=root, check=True, capture_output=True)

    built = Distributions.of(tree, tmp_path, build)

    said = {check: list(check(tree, built)) for check in OF_BUILT}
    assert said == {
        wheel_contents: [
            f"the wheel lacks {NAME}/plugins/page/main.js",
            f"the wheel lacks {NAME}/py.typed",
            f"the wheel holds {NAME}/notes.txt, which has no place in it",
            f"the wheel lacks {NAME}/py.typed",
        ],
        sdist_contents: [
            "the source distribution lacks SECURITY.md",
            f"the source distribution lacks {NAME}/plugins/page/main.js",
            f"the source distribution lacks {NAME}/py.typed",
            f"the source distribution holds {NAME}/notes.txt, which has no place in it",
            "the source distribution holds docs/leftover.bin, which has no place in it",
        ],
        secrets: [f"the wheel holds what looks like a key or a token in {NAME}/notes.txt"],
        metadata: ["the wheel's metadata lack 'License-Expression: Apache-2.0'"],
        reproducible: [
            "two builds of one tree differ",
            "the wheel of the source distribution is another one than the wheel of the tree",
        ],
    }
