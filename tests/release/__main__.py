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
LINK = re.compile(r"\]\((https?://[^)\s]+)\)")


class Report:
    """Prints a line for each check, and counts those that failed."""

    def __init__(self) -> None:
        self.failed = 0

    def say(self, name: str, problems: Iterable[str], note: str = "") -> None:
        found = list(problems)
        self.failed += bool(found)
        print(f"{'FAIL' if found else 'ok':4}  {name.replace('_', ' ')}{f': {note}' if note else ''}", flush=True)
        for problem in found:
            print(f"        {problem}")

    def note(self, text: str, details: Iterable[str] = ()) -> None:
        print(f"note  {text}", flush=True)
        for detail in details:
            print(f"        {detail}")


def main() -> int:
    tree, report, uv = Tree(ROOT), Report(), find_uv()
    for check in OF_TREE:
        report.say(check.__name__, check(tree))
    if uv is None:
        report.say("builds in clean environments", ["uv is not there; make install fetches it"])
    else:
        check_built(tree, report, uv)
    if os.environ.get("QUICK"):
        report.note("the wheel as it is installed: NOT CHECKED; make test-install does")
    else:
        report.say("the wheel as it is installed", pytest_says(INSTALLED))
    check_links(tree, report)
    for note in notes(tree):
        report.note(note)
    if report.failed:
        print(f"{report.failed} checks failed: {tree.version} is not ready")
        return 1
    print(f"{tree.version} passes; what is noted is for whoever publishes it")
    return 0


def check_built(tree: Tree, report: Report, uv: str) -> None:
    """Build, in an environment of its own each time, and look at what came of it."""

    def build(root: Path, kind: str, folder: Path) -> None:
        # A time that says nothing of now: what is built must not hang on it.
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}
        command = [uv, "build", "--quiet", f"--{kind}", "--no-sources", "--out-dir", folder, root]
        subprocess.run(command, env=environment, check=True)

    with tempfile.TemporaryDirectory() as folder:
        built = Distributions.of(tree, Path(folder), build)
        for check in OF_BUILT:
            report.say(check.__name__, check(tree, built))
        report.say("twine check --strict", told(uv, "tool", "run", *TWINE, built.wheel, built.sdist))
    report.say("validate-pyproject", told(uv, "tool", "run", *VALIDATE))


def check_links(tree: Tree, report: Report) -> None:
    report.say("links within the project", pytest_says("tests/test_docs.py", "-k", "link"))
    pages = [tree.text(name) for name in tree.files if re.fullmatch(r"(docs/.*|[^/]*)\.md", name)]
    links = sorted({link for page in pages for link in LINK.findall(page)})
    if os.environ.get("ONLINE"):
        report.say("links to elsewhere", dead(links), f"{len(links)} asked for")
    else:
        why = "where there is a network: make release-check ONLINE=1"
        report.note(f"links to elsewhere: {len(links)}, NOT CHECKED; {why}", links)


def pytest_says(*arguments: str) -> list[str]:
    return told(sys.executable, "-m", "pytest", "-q", "-n", "0", *arguments)


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
