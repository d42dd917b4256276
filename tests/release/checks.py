"""What has to hold of a tree and of what is built of it before it is published. Each check yields what is wrong, one sentence each."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trove_classifiers import classifiers as known_classifiers

from tests.release.tree import NAME, Distributions, Tree

SECRET = re.compile(
    rb"BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}|ATATT3x[A-Za-z0-9_=-]{20}|ghp_[A-Za-z0-9]{36}"
)
# What the source distribution has beside the package: enough to read, test, document and build it.
SOURCE = ("benchmarks/", "dags/", "docs/", "requirements/", "tests/", f"{NAME}/")
SOURCE_FILES = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md", "pyproject.toml"}


# ------------------------------------------------------------------------------------------ the tree
def version(tree: Tree) -> Iterator[str]:
    """The version is one of semantic versioning, and said once."""
    if not re.fullmatch(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?", tree.version):
        yield f"{NAME}/__init__.py: {tree.version!r} is no version such as 1.2.3 or 1.2.3rc1"
    if "version" in tree.pyproject["project"] or "version" not in tree.pyproject["project"].get("dynamic", ()):
        yield f"pyproject.toml: says the version a second time; it is read from {NAME}/__init__.py"
    quoted = re.compile(rf"[\"']{re.escape(tree.version)}[\"']")
    for name in sorted(tree.files):
        if name.endswith((".py", ".toml")) and name != f"{NAME}/__init__.py" and name.startswith((NAME, "docs")):
            for number, line in enumerate(tree.text(name).splitlines(), 1):
                if quoted.search(line) and "version" in line.lower() and "version_added" not in line:
                    yield f"{name}:{number}: says the version a second time"


def changelog(tree: Tree) -> Iterator[str]:
    """The list of changes begins with the version, and says something of it."""
    entries = re.split(r"^## ", tree.text("CHANGELOG.md"), flags=re.MULTILINE)[1:]
    heading, _, text = entries[0].partition("\n") if entries else ("", "", "")
    if heading.split(" ")[0] != tree.version:
        found = heading or "nothing"
        yield f"CHANGELOG.md: begins with {found!r}, the version is {tree.version}; say what changed under ## {tree.version}"
    elif not re.search(r"^- ", text, re.MULTILINE):
        yield f"CHANGELOG.md: says nothing of {tree.version}"


def classifiers(tree: Tree) -> Iterator[str]:
    """The classifiers are known to PyPI, name Airflow's providers, and the Pythons that requires-python allows."""
    stated = tree.pyproject["project"]["classifiers"]
    for name in stated:
        if name not in known_classifiers:
            yield f"pyproject.toml: PyPI knows no classifier {name!r}"
        if name.startswith("License ::"):
            yield f"pyproject.toml: {name!r} stands beside the licence expression, which PyPI refuses"
    for name in ("Framework :: Apache Airflow", "Framework :: Apache Airflow :: Provider", "Typing :: Typed"):
        if name not in stated:
            yield f"pyproject.toml: the classifier {name!r} is missing"
    floor = tree.pyproject["project"]["requires-python"].removeprefix(">=")
    minors = [
        int(found[1]) for name in stated if (found := re.fullmatch(r"Programming Language :: Python :: 3\.(\d+)", name))
    ]
    if not minors or f"3.{min(minors)}" != floor or minors != list(range(min(minors), max(minors) + 1)):
        yield f"pyproject.toml: the classifiers name Python 3.{minors}, requires-python begins at {floor}"


def entry_points(tree: Tree) -> Iterator[str]:
    """Airflow finds the provider and its plugin, and the command leads to a function."""
    project = tree.pyproject["project"]
    points = {**project.get("entry-points", {}), "scripts": project.get("scripts", {})}
    for group, name in (
        ("apache_airflow_provider", "provider_info"),
        ("airflow.plugins", "confluence"),
        ("scripts", "airflow-confluence"),
    ):
        target = points.get(group, {}).get(name, "")
        module, _, attribute = target.partition(":")
        path = module.replace(".", "/")
        file = next((each for each in (f"{path}.py", f"{path}/__init__.py") if each in tree.files), None)
        if file is None or not re.search(
            rf"^(?:def|class) {attribute}\b|^{attribute} =|\b{attribute}\b", tree.text(file), re.MULTILINE
        ):
            yield f"pyproject.toml: {group} {name} leads to {target or 'nothing'!r}, which is not there"


# ------------------------------------------------------------------------------------------ what was built
def wheel_contents(tree: Tree, built: Distributions) -> Iterator[str]:
    """The wheel holds the package as git knows it, its metadata and the licence, and nothing else."""
    found = set(built.in_wheel())
    info = f"{NAME}-{tree.version}.dist-info"
    metadata = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    wanted = {name for name in tree.files if name.startswith(f"{NAME}/")} | {f"{info}/{name}" for name in metadata}
    yield from (f"the wheel lacks {name}" for name in sorted(wanted - found))
    yield from (f"the wheel holds {name}, which has no place in it" for name in sorted(found - wanted))
    page = [name for name in found if name.startswith(f"{NAME}/plugins/page/")]
    for needed in (f"{NAME}/py.typed", f"{NAME}/datasources.schema.json", f"{NAME}/document.schema.json"):
        if needed not in found:
            yield f"the wheel lacks {needed}"
    if not any(name.endswith(".js") for name in page) or not any(name.endswith(".html") for name in page):
        yield "the wheel lacks the page in the UI"


def sdist_contents(tree: Tree, built: Distributions) -> Iterator[str]:
    """The source distribution holds what git knows of what belongs in it, and nothing else."""
    found = built.in_sdist()
    wanted = {name for name in tree.files if name.startswith(SOURCE) or name in SOURCE_FILES} | {"PKG-INFO"}
    yield from (f"the source distribution lacks {name}" for name in sorted((wanted | SOURCE_FILES) - found))
    # Hatchling takes .gitignore along, to build alike from what it unpacks.
    yield from (
        f"the source distribution holds {name}, which has no place in it"
        for name in sorted(found - wanted - {".gitignore"})
    )


def secrets(tree: Tree, built: Distributions) -> Iterator[str]:
    """No key and no token is in the wheel."""
    for name, data in built.in_wheel().items():
        if SECRET.search(data):
            yield f"the wheel holds what looks like a key or a token in {name}"


def metadata(tree: Tree, built: Distributions) -> Iterator[str]:
    """The metadata say version, licence and description as the tree does."""
    text = built.in_wheel()[f"{NAME}-{tree.version}.dist-info/METADATA"].decode()
    for line in (
        f"Version: {tree.version}",
        "License-Expression: Apache-2.0",
        "License-File: LICENSE",
        "Description-Content-Type: text/markdown",
    ):
        if f"\n{line}\n" not in text:
            yield f"the wheel's metadata lack {line!r}"
    if tree.text("README.md").strip() not in text:
        yield "the wheel's description is not the README"


def reproducible(tree: Tree, built: Distributions) -> Iterator[str]:
    """Built twice, and built from the source distribution, the wheel is the same to the byte."""
    if built.wheel.read_bytes() != built.again.read_bytes():
        yield "two builds of one tree differ"
    if built.wheel.read_bytes() != built.from_sdist.read_bytes():
        yield "the wheel of the source distribution is another one than the wheel of the tree"


OF_TREE = (version, changelog, classifiers, entry_points)
OF_BUILT = (wheel_contents, sdist_contents, secrets, metadata, reproducible)
