"""Every `airflow-confluence` line of the pages runs, in its page's order, against a sandbox; those in the text name what there is."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from airflow_provider_confluence.cli import _parser, main
from tests.cli.conftest import fill
from tests.docs.examples import CHECKOUT, ELSEWHERE, EXAMPLES, PAGES

PROGRAM = "airflow-confluence"
# What serves until it is stopped, what needs a broker, what stands for more: their options are read, and other tests run them.
READ_ONLY = ("sandbox", "drain")
# These go by an Airflow deployment where neither --storage nor --endpoint says otherwise; a test beside them runs them there.
BY_DEPLOYMENT = ("check", "sync", "search", "status", "failures", "purge", "adopt")
BY_DEPLOYMENT_TEST = "tests/cli/test_deployment.py"
SITES = r"https://(?:site|your-site|your-company)\.atlassian\.net/wiki"
PEOPLE = r"\b(?:you|your-email)@example\.com"
DEFINITIONS = next(each.text for each in EXAMPLES if each.page == "docs/command-line.md" and each.is_definitions)
OF_COCO = next(each.text for each in EXAMPLES if each.page == "docs/moving-from-coco.md" and each.language == "json")


def lines_of(page: str) -> list[str]:
    return [
        command
        for each in EXAMPLES
        if each.page == page and each.language in ("console", "sh") and (page, "sh") not in ELSEWHERE
        for command in each.commands
        if command.startswith(f"{PROGRAM} ")
    ]


def goes_by_deployment(line: str) -> bool:
    return line.split()[1] in BY_DEPLOYMENT and "--storage" not in line and "--endpoint" not in line


WITH_COMMANDS = sorted({each.page for each in EXAMPLES if lines_of(each.page)})


@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_every_command_of_a_page_runs_and_ends_well(page, cloud, tmp_path, monkeypatch, capfd):
    fill(cloud)
    for key in ("OLD", "TMP"):
        cloud.model.create_space(key, key)
    monkeypatch.setenv("CONFLUENCE_TOKEN", cloud.token)
    monkeypatch.chdir(tmp_path)
    Path("datasources.json").write_text(DEFINITIONS)
    Path("coco.json").write_text(OF_COCO)

    def run(line: str) -> None:
        line = re.sub(PEOPLE, cloud.username, re.sub(SITES, cloud.endpoint, line))
        assert main(shlex.split(line)[1:]) == 0, (line, capfd.readouterr().err)
        said = capfd.readouterr().out
        if "--json" in line:
            json.loads(said)

    for line in lines_of(page):
        command = line.split()[1]
        if command in READ_ONLY or "…" in line or goes_by_deployment(line):
            _parser().parse_args(shlex.split(line.replace(" … ", " --endpoint https://x.example.com --storage . "))[1:])
            continue
        if command in ("status", "search", "failures", "purge", "adopt") and not Path("index/docs/head.json").exists():
            run(
                f"{PROGRAM} sync --endpoint {cloud.endpoint} --username {cloud.username} --datasources datasources.json --storage ./index"
            )
        if command == "import":  # it writes over nothing
            Path("variables.json").unlink(missing_ok=True)
            Path("connections.json").unlink(missing_ok=True)
        if command == "export":  # labels would be lost, which is told by the exit code
            Path("datasources.json").write_text('{"docs": {"name": "Documentation", "space": "DOCS"}}')
        run(line)


def test_what_goes_by_an_airflow_deployment_is_run_in_one():
    said = (CHECKOUT / BY_DEPLOYMENT_TEST).read_text(encoding="utf-8")
    commands = {line.split()[1] for page in WITH_COMMANDS for line in lines_of(page) if goes_by_deployment(line)}
    assert commands
    assert {command for command in commands if not re.search(rf'"{command}\b', said)} == set()


def test_the_pages_have_the_commands_that_they_should():
    assert {"README.md", "docs/command-line.md", "docs/moving-from-coco.md"} <= set(WITH_COMMANDS)
    assert sum(len(lines_of(page)) for page in WITH_COMMANDS) > 25


def inline() -> set[str]:
    """The commands within the text, such as `airflow-confluence check docs`."""
    found = set()
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        found |= set(re.findall(rf"`{PROGRAM} ([^`]+)`", text.replace("\n", " ")))
    return found


def commands_of(parser):
    (found,) = (action.choices for action in parser._actions if isinstance(action.choices, dict))
    return found


@pytest.mark.parametrize("said", sorted(inline()))
def test_every_command_within_the_text_is_one(said):
    commands = commands_of(_parser())
    command, *words = said.split()
    assert command in commands or command == "COMMAND"
    if command in commands:
        options = {name for action in commands[command]._actions for name in action.option_strings}
        assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("command", sorted(commands_of(_parser())))
def test_the_examples_of_every_help_have_options_that_there_are(command):
    parser = commands_of(_parser())[command]
    examples = re.findall(rf"{PROGRAM} ({command}\b[^|>\n]*)", parser.epilog)
    assert examples
    for example in examples:
        _parser().parse_args(shlex.split(example.replace("\\", "")))
