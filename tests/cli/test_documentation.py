"""The page about the command line and the help say the same. (`tests/docs` runs the examples.)"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from airflow_provider_confluence.cli import main
from tests.cli.program import run

PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")


def test_the_exit_codes_of_the_page_are_those_of_the_help():
    listed = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)
    assert listed == re.findall(r"^  (\d+) ", run("--help").stdout, re.MULTILINE)


def test_every_command_shows_examples_in_its_help(capsys):
    for command in re.findall(r"^## (\w+)$", PAGE, re.MULTILINE):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        said = capsys.readouterr().out
        assert f"examples:\n  airflow-confluence {command}" in said
        assert "--json" in said
