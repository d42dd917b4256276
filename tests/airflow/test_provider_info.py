"""What Airflow learns about the provider: by its own schema, and through its own loaders."""

from __future__ import annotations

import json
from importlib import import_module, resources
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from airflow_provider_confluence.get_provider_info import get_provider_info


def test_the_provider_info_fits_airflow_s_schema() -> None:
    schema = json.loads(resources.files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_the_installed_package_announces_it() -> None:
    (point,) = [
        p for p in entry_points(group="apache_airflow_provider") if p.value.startswith("airflow_provider_confluence")
    ]
    assert point.load() is get_provider_info


def test_airflow_finds_the_connection_type_with_its_form() -> None:
    from airflow.providers_manager import ProvidersManager
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    hook = ProvidersManagerTaskRuntime().hooks["confluence"]
    assert hook is not None
    assert (hook.hook_name, hook.connection_id_attribute_name) == ("Confluence", "confluence_conn_id")
    behaviour = ProvidersManager().field_behaviours["confluence"]
    assert behaviour["relabeling"]["password"].startswith("API token, personal access token")


def test_every_extra_that_the_hook_reads_has_a_field_in_the_form() -> None:
    from airflow_provider_confluence.confluence.extras import CONNECTION_EXTRAS

    confluence, _ = get_provider_info()["connection-types"]
    assert set(confluence["conn-fields"]) == {*CONNECTION_EXTRAS, "allowed_datasources", "allowed_spaces"}


def test_every_module_that_is_named_exists() -> None:
    info = get_provider_info()
    for group in ("hooks", "operators"):
        for entry in info[group]:
            for module in entry["python-modules"]:
                import_module(module)
    for connection_type in info["connection-types"]:
        module, _, name = connection_type["hook-class-name"].rpartition(".")
        assert getattr(import_module(module), name).conn_type == connection_type["connection-type"]


def test_the_configuration_section_has_its_defaults() -> None:
    from airflow.configuration import conf

    assert not conf.get("confluence", "allowed_paths", fallback="")
    options = get_provider_info()["config"]["confluence"]["options"]
    assert set(options) == {"storage_path", "allowed_paths", "image_to_text", "image_to_text_network"}


def test_the_storage_is_a_folder_in_airflow_home_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from airflow_provider_confluence.operators import _deployment

    monkeypatch.delenv("AIRFLOW__CONFLUENCE__STORAGE_PATH", raising=False)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    assert _deployment.storage().where() == str(tmp_path / "confluence")
    assert _deployment.index_folder() == tmp_path / "confluence" / "index"


def test_allowed_paths_are_folders_with_commas_between(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from airflow_provider_confluence.datasource import read_datasource
    from airflow_provider_confluence.errors import ConfigurationError
    from airflow_provider_confluence.operators import _deployment

    monkeypatch.setenv("AIRFLOW__CONFLUENCE__STORAGE_PATH", f"file://{tmp_path}/state")
    datasource = read_datasource("docs", {"space": "DOCS", "sink": {"type": "local", "path": str(tmp_path / "b")}})
    with pytest.raises(ConfigurationError, match="allowed_paths"):
        _deployment.make_sink(datasource)
    monkeypatch.setenv("AIRFLOW__CONFLUENCE__ALLOWED_PATHS", f"{tmp_path}/a, {tmp_path}/b")
    _deployment.make_sink(datasource).close()


def test_an_allowed_address_brings_its_connection_and_is_looked_up_when_it_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from airflow_provider_confluence.datasource import read_datasource
    from airflow_provider_confluence.errors import ConfigurationError
    from airflow_provider_confluence.operators import _deployment

    def sink(path: str) -> Any:
        return _deployment.make_sink(
            read_datasource("docs", {"space": "DOCS", "sink": {"type": "files", "path": path}})
        )

    monkeypatch.setenv("AIRFLOW__CONFLUENCE__STORAGE_PATH", f"{tmp_path}/state")
    monkeypatch.setenv("AIRFLOW__CONFLUENCE__ALLOWED_PATHS", f"file://{tmp_path}/a, s3://mine@bucket/export")
    sink(f"{tmp_path}/a/sub").check()
    for path in ("s3://bucket/export", "s3://other@bucket/export", "s3://mine@bucket/other"):
        with pytest.raises(ConfigurationError, match="outside of"):
            sink(path)
    with pytest.raises(
        ConfigurationError, match="apache-airflow-providers-amazon"
    ):  # the provider of Amazon is not among the tests' packages
        sink("s3://mine@bucket/export/sub").check()

    monkeypatch.setenv("AIRFLOW__CONFLUENCE__ALLOWED_PATHS", "nix://bucket")
    with pytest.raises(ConfigurationError, match=r"allowed_paths: .*nix"):
        sink(f"{tmp_path}/state/index")
