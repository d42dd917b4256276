"""``make release-check``: whether the tree is ready to be published. It prints a line for each check, and ends with 1 where one fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.install.environments import find_uv
from tests.release.checks import OF_BUILT, OF_TREE
from tests.release.tree import Distributions, Tree

ROOT = Path(__file__).parents[2]
TWINE = ("--with", "readme-renderer[md]==44.0", "twine@7.0.0", "check", "--strict")
VALIDATE = ("--with", "packaging", "validate-pyproject@0.27", "pyproject.toml")
INSTALLED = "tests/install/test_plain_install.py"
URL = re.compile(r"https?://[^\s)\"'`<>|]+")


def main() -> int:
    tree, failed = Tree(ROOT), 0
    uv = find_uv()
    if uv is None:
        print("FAIL  uv: builds in a clean environment need uv; make install fetches it")
        return 1

    def build(root: Path, kind: str, folder: Path) -> None:
        # A build environment of its own for each, and a time that says nothing of now.
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}
        subprocess.run(
            [uv, "build", "--quiet", f"--{kind}", "--no-sources", "--out-dir", folder, root],
            env=environment,
            check=True,
        )

    def report(name: str, problems: Iterable[str], note: str = "") -> None:
        nonlocal failed
        found = list(problems)
        print(f"{'FAIL' if found else 'ok':4}  {name}{f': {note}' if note else ''}", flush=True)
        for problem in found:
            print(f"        {problem}")
        failed += bool(found)

    for check in OF_TREE:
        report(check.__name__.replace("_", " "), check(tree))
    with tempfile.TemporaryDirectory() as folder:
        built = Distributions.of(tree, Path(folder), build)
        for built_check in OF_BUILT:
            report(built_check.__name__.replace("_", " "), built_check(tree, built))
        report("twine check --strict", told(uv, "tool", "run", *TWINE, built.wheel, built.sdist))
    report("validate-pyproject", told(uv, "tool", "run", *VALIDATE))
    links = sorted(
        {
            match.rstrip(".,;:")
            for name in sorted(tree.files)
            if name.endswith(".md")
            for match in URL.findall(tree.text(name))
        }
    )
    report(
        "links within the project",
        told(sys.executable, "-m", "pytest", "-q", "-n", "0", "tests/test_docs.py", "-k", "link"),
    )
    outside = [
        link
        for link in links
        if not re.search(r"//(?:[\w.-]*\.)?(?:example|localhost|127\.0\.0\.1|site\.atlassian|your-)", link)
    ]
    if os.environ.get("QUICK"):
        print("note  the wheel as it is installed: NOT CHECKED; make test-install does")
    else:
        report("the wheel as it is installed", told(sys.executable, "-m", "pytest", "-q", "-n", "0", INSTALLED))
    if os.environ.get("ONLINE"):
        report("links to elsewhere", dead(outside), f"{len(outside)} asked for")
    else:
        print(f"note  links to elsewhere: {len(outside)}, NOT CHECKED; with a network: make release-check ONLINE=1")
    for note in notes(tree):
        print(f"note  {note}")
    print(f"{failed} checks failed" if failed else f"{tree.version} passes; notes are for whoever publishes it")
    return 1 if failed else 0


def told(*command: object) -> list[str]:
    """Run a program; return what it said where it failed."""
    done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False)
    return f"{done.stdout}{done.stderr}".strip().splitlines() or ["it failed"] if done.returncode else []


def dead(links: list[str]) -> list[str]:
    """Return the links that lead nowhere: those that a server answers with 404 or 410, and hosts that there are not."""

    def ask(link: str) -> str | None:
        request = urllib.request.Request(link, headers={"User-Agent": "airflow-provider-confluence release-check"})
        try:
            with urllib.request.urlopen(request, timeout=20):
                return None
        except urllib.error.HTTPError as error:
            return f"{link}: {error.code}" if error.code in (404, 410) else None
        except OSError as error:
            return f"{link}: {error}"

    with ThreadPoolExecutor(8) as pool:
        return [problem for problem in pool.map(ask, links) if problem]


def notes(tree: Tree) -> list[str]:
    """Return what is no fault, and has to be known before publishing."""
    found = []
    if "(unreleased)" in tree.text("CHANGELOG.md").split("\n## ")[1].partition("\n")[0]:
        found.append(
            f"CHANGELOG.md: {tree.version} is marked unreleased; the commit that is tagged says the day instead"
        )
    relative = re.findall(r"\]\((?!https?:|#)([^)\s]+)\)", tree.text("README.md"))
    if relative and "urls" not in tree.pyproject["project"]:
        found.append(
            f"README.md: {len(relative)} links and pictures are relative and lead nowhere on PyPI; "
            "project.urls names no repository that they could lead to"
        )
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=tree.root, capture_output=True, text=True, check=True
    )
    if changed.stdout:
        found.append(
            f"git: {len(changed.stdout.splitlines())} files are changed or new, and are part of what was checked"
        )
    return found


if __name__ == "__main__":
    sys.exit(main())
