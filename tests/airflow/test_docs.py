"""The documentation names every setting, extra and operator there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from airflow_provider_confluence.datasource_settings import SETTINGS
from airflow_provider_confluence.get_provider_info import get_provider_info

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "airflow.md").read_text(encoding="utf-8")


def confluence_connection() -> dict[str, Any]:
    """Return what the form of Confluence connections has; other types have pages of their own."""
    (found,) = (one for one in get_provider_info()["connection-types"] if one["connection-type"] == "confluence")
    return found


def named_in_tables() -> set[str]:
    """Return the words in the first column of the page's tables."""
    return {word for row in re.findall(r"^\| (`[^|]+) \|", PAGE, flags=re.M) for word in re.findall(r"`([\w.]+)`", row)}


def test_the_settings_of_a_datasource_in_the_page_are_some_of_those_there_are() -> None:
    connection_type = confluence_connection()
    tasks = ("shards", "list_changes", "commit", "verdict")
    settings = {name for name in named_in_tables() if not name.startswith(tasks)} - set(connection_type["conn-fields"])
    assert {"space", "sink", "queue", "interval"} <= settings
    assert settings <= {setting.name for setting in SETTINGS.settings}


def test_every_extra_is_in_the_page() -> None:
    connection_type = confluence_connection()
    assert set(connection_type["conn-fields"]) <= named_in_tables()


def test_every_option_is_in_the_page() -> None:
    for option in get_provider_info()["config"]["confluence"]["options"]:
        assert option in PAGE


def test_the_dag_file_in_the_page_is_the_one_that_is_shipped() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    wanted = [line.split("  #")[0] for line in code.splitlines() if line]
    shipped = (ROOT / "dags" / "confluence_datasources.py").read_text(encoding="utf-8").splitlines()
    assert [line for line in shipped if line and not line.startswith('"""')] == wanted
