"""The documentation is true: links lead somewhere, and what a user can set or run is mentioned."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from airflow_provider_confluence.cli import main

CHECKOUT = Path(__file__).parents[1]
PAGES = sorted([*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(CHECKOUT)))
def test_every_link_within_the_project_leads_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    text = re.sub(r"`[^`\n]*`", "", text)
    dead = []
    for target in LINK.findall(text):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            dead.append(target)
        elif anchor and file.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            if anchor not in slugs:
                dead.append(target)
    assert not dead


def test_every_page_is_reached_from_the_readme():
    seen, waiting = set(), [CHECKOUT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        for target in LINK.findall(page.read_text()):
            path = (page.parent / target.partition("#")[0]).resolve()
            waiting.extend(sorted(path.glob("*.md")) if path.is_dir() else [path] if path.exists() else [])
    assert {p for p in PAGES if p.parent != CHECKOUT} <= seen


def test_every_command_and_option_is_on_the_command_lines_page(capsys):
    page = (CHECKOUT / "docs" / "command-line.md").read_text()

    def help_of(*command):
        with pytest.raises(SystemExit) as ended:
            main([*command, "--help"])
        assert ended.value.code == 0
        return capsys.readouterr().out

    commands = re.findall(r"^    (\w+) ", help_of(), re.MULTILINE)
    assert {"sync", "search", "adopt", "sandbox"} <= set(commands)
    for command in commands:
        assert f"## {command}" in page
        for option in re.findall(r"(--[a-z-]+)", help_of(command)):
            assert option == "--help" or option in page, f"{command} {option}"


def test_the_readme_names_the_two_commands_and_make_help_the_rest():
    readme = (CHECKOUT / "README.md").read_text()
    for words in ("make demo", "make test", "make help"):
        assert words in readme
    listed = subprocess.run(["make", "-s", "help"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    for target in targets:
        assert f"make {target}" in listed


def test_nothing_of_the_project_names_a_place_outside_it():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    ).stdout.split()
    if not tracked:
        pytest.skip("not a git checkout")
    home = str(Path.home())
    for name in tracked:
        data = (CHECKOUT / name).read_bytes()
        assert str(CHECKOUT).encode() + b"/" not in data, name
        assert home == "/" or f"{home}/".encode() not in data, name


def test_the_scopes_of_the_page_are_those_of_the_table_in_the_code():
    from airflow_provider_confluence.confluence.scopes import NEEDS

    page = (CHECKOUT / "docs" / "access.md").read_text().split("## Scopes\n")[1].split("\n## ")[0]
    listed = {}
    for row in re.findall(r"^\| `?(\w+)`? \| (`.*) \|$", page, re.MULTILINE):
        listed[row[0]] = re.findall(r"`([^`]+)`", row[1])
    expected = {}
    for need in NEEDS:
        expected.setdefault(need.setting, []).extend(need.scopes)
    assert listed == expected


def test_every_cause_that_a_check_can_name_is_on_the_page_about_getting_in():
    page = (CHECKOUT / "docs" / "access.md").read_text().split("## When it does not work\n")[1]
    listed = {
        word for row in re.findall(r"^\| (`[^|]*) \|", page, re.MULTILINE) for word in re.findall(r"`(\w+)`", row)
    }
    source = (CHECKOUT / "airflow_provider_confluence" / "confluence" / "checking.py").read_text()
    named = set(re.findall(r"_problem\(\s*\"(\w+)\"", source)) | set(
        re.findall(r"^    \"(\w+)\": \(", source, re.MULTILINE)
    )
    named |= set(re.findall(r"\"connection\",\s*\"(\w+)\"", source))
    assert named - {"unknown"} == listed


def test_every_path_of_the_contribution_guide_is_there_and_every_part_of_the_package_has_its_place():
    guide = (CHECKOUT / "CONTRIBUTING.md").read_text()
    package = "airflow_provider_confluence"
    named = set()
    for word in re.findall(r"`([\w…./*-]+)`", guide):
        if not re.search(r"/|\.(py|md|toml)$", word):
            continue
        word = word.replace("…", package)
        places = [
            place for place in (word, f"{package}/{word}", f"{package}/confluence/{word}") if list(CHECKOUT.glob(place))
        ]
        assert places, f"{word} is not there"
        named |= {path.resolve() for path in CHECKOUT.glob(places[0])}
    parts = {path for path in (CHECKOUT / package).iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert parts - named == set()


def test_the_contribution_guide_has_every_law_that_the_tests_have():
    guide = (CHECKOUT / "CONTRIBUTING.md").read_text().split("## The laws")[1].split("\n## ")[0]
    numbers = re.findall(r"^(\d+)\. ", guide, re.MULTILINE)
    tested = set(re.findall(r"^def test_law_(\d+)", (CHECKOUT / "tests" / "test_laws.py").read_text(), re.MULTILINE))
    assert numbers == sorted(numbers, key=int)
    assert set(numbers) == tested


def test_the_comparison_speaks_of_the_versions_that_are_measured():
    page = (CHECKOUT / "docs" / "comparison.md").read_text()
    pins = "".join(file.read_text() for file in (CHECKOUT / "requirements" / "peers").glob("*.txt"))
    for name in ("langchain-community", "llama-index-readers-confluence", "unstructured-ingest"):
        (version,) = set(re.findall(rf"^{name}==([\w.]+)", pins, re.MULTILINE))
        assert f"{name} {version}" in page
