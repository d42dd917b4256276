"""``airflow confluence``: the commands of ``airflow-confluence``, in Airflow's own program."""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
from pathlib import Path

import pytest

from airflow_provider_confluence.cli import COMMANDS, main
from airflow_provider_confluence.testing.sandbox import Sandbox

NAMES = [module.__name__.rpartition(".")[2].rstrip("_") for module in COMMANDS]


@pytest.fixture(scope="module")
def airflow() -> argparse.ArgumentParser:
    """Return the parser of Airflow's program, with what the providers add to it."""
    from airflow.cli.cli_parser import get_parser

    return get_parser()


def run(airflow: argparse.ArgumentParser, *arguments: object) -> int:
    """Do what Airflow's program does, and return the exit code."""
    with pytest.raises(SystemExit) as end:
        options = airflow.parse_args(["confluence", *map(str, arguments)])
        options.func(options)
    assert isinstance(end.value.code, int)
    return end.value.code


def test_every_command_is_there_with_the_same_options_and_help(
    airflow: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    for name in NAMES:
        assert run(airflow, name, "--help") == 0
        theirs = capsys.readouterr().out
        with pytest.raises(SystemExit):
            main([name, "--help"])
        ours = capsys.readouterr().out
        assert re.findall(r"^ +(-.*?)  ", theirs, re.M), theirs
        # Word for word, but for the name of the program, the headlines and the spaces that Airflow lays out otherwise.
        assert words(theirs) == words(ours.replace("airflow-confluence ", "airflow confluence ")), name


def words(help_: str) -> list[str]:
    """Return the words of a help in alphabetical order."""
    return sorted(re.sub(r"\w*(usage|positional arguments|options|examples):", "", help_, flags=re.I).lower().split())


def test_it_indexes_and_searches_with_the_exit_codes_and_the_json_of_airflow_confluence(
    airflow: argparse.ArgumentParser,
    cloud: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cloud.model.create_space("DOCS", "Documentation")
    cloud.model.create_page("DOCS", "Lighthouse", "<p>The lantern turns</p>")
    where = ["--endpoint", cloud.endpoint, "--username", cloud.username, "--storage", tmp_path]
    assert run(airflow, "sync", *where, "--space", "DOCS") == 2
    assert "CONFLUENCE_TOKEN" in capsys.readouterr().err
    monkeypatch.setenv("CONFLUENCE_TOKEN", cloud.token)

    assert run(airflow, "sync", *where, "--space", "DOCS", "--json") == 0
    assert json.loads(capsys.readouterr().out)["counts"]["written"] == 1
    assert run(airflow, "search", "lantern", "--storage", tmp_path, "--json") == 0
    assert [hit["title"] for hit in json.loads(capsys.readouterr().out)["hits"]] == ["Lighthouse"]
    (tmp_path / "DOCS" / "head.json").write_text("{")
    assert run(airflow, "status", "--storage", tmp_path) == 1
    assert run(airflow, "status", "--storage", tmp_path, "--no-such-option") == 2


def test_what_airflow_logs_is_kept_out_of_the_answer(
    airflow: argparse.ArgumentParser,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handler = logging.StreamHandler(sys.stdout)
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    assert run(airflow, "status", "--storage", tmp_path, "--json") == 0
    logging.getLogger("airflow").error("something that Airflow says")
    said = capsys.readouterr()
    assert json.loads(said.out)["datasources"] == []
    assert "something that Airflow says" in said.err
