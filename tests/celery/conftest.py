"""An environment with what an Airflow on several hosts needs, made once for these tests."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.install.environments import ROOT, make_environment


@pytest.fixture(scope="session")
def folder():
    made = Path(tempfile.mkdtemp(prefix="celery-", dir="/var/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="session")
def environment(folder):
    return make_environment(folder / "packages", extras=["opensearch"], locked=ROOT / "requirements" / "celery.txt")
