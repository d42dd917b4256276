"""The page about the command line stays true: its examples run, one after the other."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from airflow_provider_confluence.cli import main
from tests.cli.program import run

PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")
EXAMPLES = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("$ ")
]
# What serves until it is stopped, and what needs a broker: run elsewhere.
ELSEWHERE = ("airflow-confluence sandbox", "airflow-confluence drain")
# Adoption follows the purge on the page, and needs a datasource again.
FRESH = ("airflow-confluence adopt",)


def test_every_example_runs_and_ends_well(filled_cloud, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("CONFLUENCE_TOKEN", filled_cloud.token)
    monkeypatch.chdir(tmp_path)
    for key in ("OLD", "TMP"):
        filled_cloud.model.create_space(key, key)
    (tmp_path / "datasources.json").write_text(re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)[1])
    sync = next(line for line in EXAMPLES if "--datasources" in line and " sync " in line)
    ran = 0
    for example in EXAMPLES:
        if example.startswith(ELSEWHERE):
            continue
        for line in [sync, example] if example.startswith(FRESH) else [example]:
            line = line.replace("https://site.atlassian.net/wiki", filled_cloud.endpoint)
            line = line.replace("you@example.com", filled_cloud.username)
            assert main(shlex.split(line)[1:]) == 0, (line, capfd.readouterr().err)
            said = capfd.readouterr().out
            if "--json" in line:
                json.loads(said)
            ran += 1
    assert ran >= 10


def test_the_exit_codes_of_the_page_are_those_of_the_help():
    listed = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)
    assert listed == re.findall(r"^  (\d+) ", run("--help").stdout, re.MULTILINE)


def test_every_command_shows_examples_in_its_help():
    for command in re.findall(r"^## (\w+)$", PAGE, re.MULTILINE):
        said = run(command, "--help").stdout
        assert f"examples:\n  airflow-confluence {command}" in said
        assert "--json" in said
