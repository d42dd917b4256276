"""``check`` asks Airflow itself whether the pool is there."""

from __future__ import annotations

import os

import pytest

from airflow_provider_confluence.cli.check import _pool
from airflow_provider_confluence.cli.deployment import Deployment
from airflow_provider_confluence.datasource import read_datasource


@pytest.mark.parametrize(
    ("pool", "level", "cause"), [("default_pool", "ok", "found"), ("confluence", "problem", "not_found")]
)
def test_a_pool_is_looked_up_in_airflow(airflow_db: None, pool: str, level: str, cause: str) -> None:
    assert os.environ["AIRFLOW_HOME"]
    (found,) = _pool(read_datasource("docs", {"space": "DOCS", "airflow": {"pool": pool}}), Deployment())
    assert (found.level, found.cause) == (level, cause)
    assert ("airflow pools set confluence 8" in found.remedy) == (level == "problem")


def test_without_a_pool_nobody_is_asked() -> None:
    assert _pool(read_datasource("docs", {"space": "DOCS"}), Deployment()) == []
