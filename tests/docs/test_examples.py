"""Every example of the README and the pages is tried: what is data by its reader, what is a command by running it."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import stat
import subprocess
import sys
from importlib.metadata import metadata

import pytest

from airflow_provider_confluence.configuration import SCHEMA_FILE
from airflow_provider_confluence.content.own_macros import GROUP
from airflow_provider_confluence.datasource import Datasource, datasources_in
from airflow_provider_confluence.documents import message_schema
from airflow_provider_confluence.get_provider_info import get_provider_info
from airflow_provider_confluence.sinks.registry import ENTRY_POINT_GROUP, make_sink, sink_types
from tests.docs.examples import CHECKOUT, ELSEWHERE, EXAMPLES, PAGES, Example

# JSON that is no definition of datasources, by a key that it has, and who tries it.
OTHER_JSON = {
    "query": "tests/sinks/test_search_docs.py",
    "connector": "tests/cli/test_coco_datasources.py",
    "op": "here",
    "json.schemas": "here",
}


def of(*languages: str) -> list[Example]:
    return [each for each in EXAMPLES if each.language in languages and (each.page, each.language) not in ELSEWHERE]


def by_name(example: Example) -> str:
    return str(example)


@pytest.mark.parametrize("place", sorted(ELSEWHERE), ids=" ".join)
def test_what_is_tried_elsewhere_is_there_and_named_there(place):
    page, language = place
    assert any((each.page, each.language) == place for each in EXAMPLES)
    text = (CHECKOUT / ELSEWHERE[place]).read_text(encoding="utf-8")
    assert page.rpartition("/")[2] in text
    assert f"```{language}" in text or "write_package(PAGE" in text or language in ("console", "sh", "text")


def test_every_query_of_the_page_about_postgresql_is_one_that_its_test_picks():
    text = (CHECKOUT / ELSEWHERE["docs/sinks/postgres.md", "sql"]).read_text(encoding="utf-8")
    words = re.findall(r"documented\(\s*\"(.*?)\"", text)
    queries = [each for each in EXAMPLES if each.language == "sql"]
    assert len(queries) > 2
    assert [str(each) for each in queries if not any(word in each.text for word in words)] == []


def test_every_example_is_of_a_kind_that_is_tried():
    known = ("console", "sh", "json", "python", "toml", "ini", "sql", "text", "{eval-rst}")
    assert [str(each) for each in EXAMPLES if each.language not in known] == []
    # What only shows something is no way round the other tests.
    assert [str(each) for each in of("text") if re.search(r"^(\$|[a-z-]+ -|[{\[])", each.text)] == []


# ------------------------------------------------------------------------------------------ data
@pytest.mark.parametrize("example", [each for each in of("json", "yaml") if each.is_definitions], ids=by_name)
def test_every_definition_is_read_and_names_a_sink_that_can_be_made(example, tmp_path):
    for datasource in datasources_in(example.value).values():
        assert isinstance(datasource, Datasource), datasource
        allowed = [type_place(datasource.sink["path"])] if "://" in datasource.sink.get("path", "") else []
        make_sink(datasource.sink, datasource.queue_name, storage=tmp_path, allowed_paths=allowed).close()


def type_place(path: str):
    from upath import UPath

    return UPath(path)


@pytest.mark.parametrize("example", [each for each in of("json") if not each.is_definitions], ids=by_name)
def test_other_json_is_known(example):
    (key,) = OTHER_JSON.keys() & example.value.keys()
    if key == "op":  # abridged, so no schema takes it whole
        assert example.value.keys() <= message_schema()["properties"].keys()
    elif key == "json.schemas":
        assert SCHEMA_FILE.name in example.text
        assert example.value["yaml.schemas"].keys() == {each["url"] for each in example.value[key]}
    else:
        assert example.page.rpartition("/")[2] in (CHECKOUT / OTHER_JSON[key]).read_text(encoding="utf-8")


@pytest.mark.parametrize("example", of("ini"), ids=by_name)
def test_every_option_is_one_of_airflow_or_ours(example):
    read = configparser.ConfigParser()
    read.read_string(example.text)
    assert read.sections() == ["confluence"]
    assert set(read["confluence"]) <= get_provider_info()["config"]["confluence"]["options"].keys()


@pytest.mark.parametrize("example", of("toml"), ids=by_name)
def test_every_entry_point_is_of_a_group_that_is_read(example):
    assert re.fullmatch(r'\[project\.entry-points\."([\w.]+)"\]\n(?:[\w-]+ = "\w+:\w+"\n)+', example.text)[1] in (
        GROUP,
        ENTRY_POINT_GROUP,
    )


# ------------------------------------------------------------------------------------------ Python
def test_the_dag_file_of_the_readme_is_the_one_that_is_shipped():
    (example,) = [each for each in of("python") if each.page == "README.md"]
    assert (CHECKOUT / "dags" / "confluence_datasources.py").read_text().endswith("\n\n" + example.text)


def test_the_function_for_pictures_returns_what_the_program_says(tmp_path, monkeypatch):
    (example,) = [each for each in of("python") if each.page == "docs/attachments.md"]
    program = tmp_path / "tesseract"
    program.write_text('#!/bin/sh\n[ "$2" = - ] && echo "words of $1"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    names = {}
    exec(compile(example.text, "pictures.py", "exec"), names)
    assert names["describe"]("a.png", "image/png") == "words of a.png\n"


def test_the_script_that_lists_pages_lists_them(cloud, monkeypatch, capsys):
    (example,) = [each for each in of("python") if each.page == "docs/api/client.md"]
    cloud.model.create_space("DOCS")
    cloud.model.create_page("DOCS", "Start")
    monkeypatch.setenv("CONFLUENCE_TOKEN", cloud.token)
    text = example.text.replace("https://site.atlassian.net/wiki", cloud.endpoint)
    exec(compile(text.replace("you@example.com", cloud.username), "client.py", "exec"), {})
    assert capsys.readouterr().out == "DOCS Start\n"


def test_there_is_no_other_python():
    assert {each.page for each in of("python")} == {"README.md", "docs/attachments.md", "docs/api/client.md"}


# ------------------------------------------------------------------------------------------ commands
SCRIPTED = [(each, command) for each in of("console", "sh") for command in each.commands]
OURS = "airflow-confluence "  # test_commands.py runs these
MADE_UP = ("curl ",)  # against servers that nobody has here


def test_every_command_is_of_a_kind_that_is_tried():
    kinds = (
        OURS,
        *MADE_UP,
        "make ",
        "pip install ",
        "export CONFLUENCE_",
        "AIRFLOW_CONN_",
        "python -c ",
        "python -m pytest ",
        "airflow ",
    )
    assert [f"{each}: {command}" for each, command in SCRIPTED if not command.startswith(kinds)] == []


def test_every_target_of_make_that_is_named_exists():
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))
    named = {command.split()[1] for _, command in SCRIPTED if command.startswith("make ")}
    inline = {
        name
        for page in PAGES
        for name in re.findall(r"`(?:\w+=\w+ )?make ([a-z-]+)[^`]*`", page.read_text(encoding="utf-8"))
    }
    assert len(named) > 5
    assert (named | inline) - targets == set()
    for _, command in SCRIPTED:
        for variable in re.findall(r"([A-Z_]+)=", command) if command.startswith("make ") else ():
            assert re.search(rf"^{variable} \?=", makefile, re.MULTILINE), command


def test_every_extra_that_is_named_exists():
    ours = set(metadata("airflow-provider-confluence").get_all("Provides-Extra"))
    theirs = set(metadata("kombu").get_all("Provides-Extra"))
    wanted = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        wanted |= set(re.findall(r"airflow-provider-confluence\[(\w+)\]", text))
        assert set(re.findall(r"kombu\[(\w+)\]", text)) <= theirs
    assert wanted == ours


def test_the_variables_of_the_demo_are_those_that_it_reads():
    demo = (CHECKOUT / "airflow_provider_confluence" / "testing" / "demo.py").read_text(encoding="utf-8")
    names = [re.match(r"export (\w+)=", command)[1] for _, command in SCRIPTED if command.startswith("export ")]
    assert "CONFLUENCE_SPACE" in names
    assert [name for name in names if name not in demo] == []


def test_every_test_that_a_page_names_is_there():
    named = {name for page in PAGES for name in re.findall(r"\btests/[\w/]+\.py", page.read_text(encoding="utf-8"))}
    named -= {"tests/conftest.py", "tests/test_wiki.py"}  # of the repository that testing-your-dags.md shows
    assert len(named) > 2
    assert [name for name in sorted(named) if not (CHECKOUT / name).exists()] == []


@pytest.mark.parametrize(
    ("example", "command"), [each for each in SCRIPTED if each[1].startswith("AIRFLOW_CONN_")], ids=str
)
def test_a_connection_in_the_environment_has_fields_that_there_are(example, command):
    value = json.loads(shlex.split(command)[0].partition("=")[2])
    assert value["conn_type"] in {"confluence", *sink_types()}
    assert value.keys() <= {"conn_type", "host", "port", "login", "password", "schema", "extra"}


def test_the_place_of_the_schema_is_printed():
    (command,) = {command for _, command in SCRIPTED if command.startswith("python -c ")}
    program = re.fullmatch(r'python -c "(.*)"', command)[1]
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert said.strip() == str(SCHEMA_FILE)
