"""The wheel in a clean environment, with nothing but what it declares to need."""

from __future__ import annotations

import pytest

from airflow_provider_confluence import __version__
from tests.install.environments import Environment, make_environment, requirements


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return make_environment(tmp_path_factory.mktemp("plain"))


def test_all_that_is_installed_fits_together(plain: Environment) -> None:
    assert plain.complaints() == ""


def test_it_brings_what_it_declares_and_no_extra(plain: Environment) -> None:
    installed = plain.versions()
    assert installed["airflow-provider-confluence"] == __version__
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
