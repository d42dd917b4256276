"""An Airflow of the tests' own, in a temporary folder, shared by the process; and a deployment over the sandbox."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import tempfile
from pathlib import Path

import pytest

# Airflow reads these when it is first imported, so they stand before every import of it.
_HOME = Path(tempfile.mkdtemp(prefix="airflow-tests-"))
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
(_HOME / "dags").mkdir()
os.environ.update(
    AIRFLOW_HOME=str(_HOME),
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_HOME}/airflow.db",
    AIRFLOW__CORE__UNIT_TEST_MODE="True",
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__DAGS_FOLDER=str(_HOME / "dags"),
    AIRFLOW__LOGGING__BASE_LOG_FOLDER=str(_HOME / "logs"),
)

from airflow_provider_confluence.testing.sandbox import Sandbox  # noqa: E402
from tests.airflow.deployment import Deployment  # noqa: E402

_HERE = Path(__file__).parent
_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let Airflow's own warnings pass here; those that our code causes stay errors."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.filterwarnings("ignore", "error:::(airflow_provider_confluence|tests)"))


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """Make Airflow's database, once."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def deploy(airflow_db: None, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Return a deployment of its own, with a connection to the sandbox and a datasource on its space DOCS."""
    return _deployment(sandbox, tmp_path, monkeypatch)


@pytest.fixture
def on_cloud(airflow_db: None, cloud: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Return the same on Cloud only, for what does not hang on the edition."""
    return _deployment(cloud, tmp_path, monkeypatch)


def _deployment(sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    sandbox.model.create_space("DOCS", "Documentation")
    home = sandbox.model.create_page("DOCS", "Home", "<p>Welcome aboard</p>")
    for number in range(1, 6):
        sandbox.model.create_page("DOCS", f"Page {number}", f"<p>Lantern {number}</p>", parent=home)
    # An id of its own, because all tests share Airflow's database.
    deployment = Deployment(sandbox, folder, monkeypatch, f"docs{next(_numbers)}")
    deployment.connect()
    deployment.define()
    return deployment


@pytest.fixture
def two_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the wiki of six pages two shards of three."""
    monkeypatch.setattr("airflow_provider_confluence.sync.upserts.ITEMS_PER_SHARD", 3)
