"""The wheel in a clean environment, with nothing but what it declares to need: what Airflow's own programs see of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_confluence import __version__
from airflow_provider_confluence.cli import COMMANDS
from airflow_provider_confluence.get_provider_info import get_provider_info
from airflow_provider_confluence.testing.sandbox import Sandbox
from tests.install.conftest import fill
from tests.install.environments import ROOT, Environment, make_environment, requirements

pytestmark = pytest.mark.timeout(900)
NAME = "airflow-provider-confluence"


@pytest.fixture(scope="module")
def plain(folder: Path) -> Environment:
    return make_environment(folder / "plain")


def told(plain: Environment, *command: str) -> Any:
    """Return what a command of Airflow's program says in JSON."""
    return json.loads(plain.run("airflow", *command, "--output", "json").stdout)


def test_all_that_is_installed_fits_together(plain: Environment) -> None:
    assert plain.complaints() == ""


def test_it_brings_what_it_declares_and_no_extra(plain: Environment) -> None:
    installed = plain.versions()
    assert installed[NAME] == __version__
    for requirement in requirements():
        # jsonschema comes with Airflow, whatever our extras are.
        if requirement.marker is None or requirement.name == "jsonschema":
            assert requirement.specifier.contains(installed[requirement.name])
        else:
            assert requirement.name not in installed


def test_the_program_is_there_and_is_the_wheel_s(plain: Environment) -> None:
    assert plain.run("airflow-confluence", "--version").stdout.strip() == __version__
    where = plain.python_code("import airflow_provider_confluence as p; print(p.__file__)").strip()
    assert where.startswith(str(plain.folder))


def test_airflow_lists_the_provider_and_its_hooks(plain: Environment) -> None:
    (provider,) = told(plain, "providers", "get", NAME)
    assert (provider["Provider"], provider["Version"]) == (NAME, __version__)
    hooks = {row["connection_type"]: row for row in told(plain, "providers", "hooks")}
    found = {row["class"] for row in hooks.values() if row["package_name"] == NAME}
    assert found == {
        "airflow_provider_confluence.hooks.coco.CocoHook",
        "airflow_provider_confluence.hooks.confluence.ConfluenceHook",
    }
    assert hooks["confluence"]["hook_name"] == "Confluence"
    assert hooks["confluence"]["conn_id_attribute_name"] == "confluence_conn_id"


def test_airflow_s_form_of_a_connection_has_our_fields_and_names(plain: Environment) -> None:
    # What the API server answers when the browser asks for its forms; that needs a database and a log-in.
    code = """
import json
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
(form,) = [one for one in HookMetaService.hook_meta_data() if one.connection_type == "confluence"]
print(json.dumps(form.model_dump(by_alias=True), default=str))
"""
    form = json.loads(plain.python_code(code).splitlines()[-1])
    (announced,) = [one for one in get_provider_info()["connection-types"] if one["connection-type"] == "confluence"]
    assert set(form["extra_fields"]) == set(announced["conn-fields"])
    assert form["extra_fields"]["deployment"]["schema"]["enum"] == ["auto", "cloud", "datacenter"]
    assert form["standard_fields"]["host"]["title"] == "Base URL"
    assert form["standard_fields"]["port"]["hidden"] is True


def test_airflow_knows_the_configuration_section_with_its_defaults(plain: Environment) -> None:
    asked = plain.run("airflow", "config", "get-value", "confluence", "image_to_text_network")
    assert asked.stdout.split()[-1] == "False"


def test_airflow_knows_the_assets_of_datasources(plain: Environment) -> None:
    code = """
from airflow.sdk import Asset
print(Asset("confluence://datasource/docs").uri)
try:
    Asset("confluence://docs")
except ValueError as error:
    print(error)
"""
    uri, refused = plain.python_code(code).splitlines()[-2:]
    assert uri == "confluence://datasource/docs"
    assert "expected confluence://datasource/<id>" in refused


def test_airflow_loads_the_plugin_and_the_files_of_its_page_are_there(plain: Environment) -> None:
    (plugin,) = (one for one in told(plain, "plugins") if one["name"] == "confluence")
    assert plugin["source"].startswith(f"{NAME}=={__version__}: EntryPoint")
    assert {view["destination"] for view in plugin["external_views"]} == {"nav", "dag", "dag_run"}
    assert [app["url_prefix"] for app in plugin["fastapi_apps"]] == ["/confluence"]
    code = """
from importlib.resources import files
page = files("airflow_provider_confluence.plugins").joinpath("page")
print(sorted(file.name for file in page.iterdir()))
"""
    there = sorted(file.name for file in (ROOT / "airflow_provider_confluence" / "plugins" / "page").iterdir())
    assert plain.python_code(code).strip() == str(there)


def test_airflow_s_program_has_the_commands_and_they_do_the_same(plain: Environment, cloud: Sandbox) -> None:
    help_ = plain.run("airflow", "confluence", "--help").stdout
    for module in COMMANDS:
        assert f"    {module.__name__.rpartition('.')[2].rstrip('_')} " in help_

    fill(cloud)
    where = ["--endpoint", cloud.endpoint, "--username", cloud.username, "--space", "DOCS", "--storage", "index"]
    done = plain.run("airflow", "confluence", "sync", *where, "--json", CONFLUENCE_TOKEN=cloud.token)
    assert json.loads(done.stdout)["counts"]["written"] == 2
    for program in (["airflow", "confluence"], ["airflow-confluence"]):
        found = plain.run(*program, "search", "deployment", "--storage", "index", "--json")
        assert [hit["title"] for hit in json.loads(found.stdout)["hits"]] == ["Rollback"]
        refused = plain.run(*program, "sync", *where, check=False)
        assert refused.returncode == 2
        assert "CONFLUENCE_TOKEN" in refused.stderr
