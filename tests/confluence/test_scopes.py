"""The table of scopes holds against Atlassian's own specifications, where they are at hand."""

from __future__ import annotations

import json

import pytest

from airflow_provider_confluence.confluence.scopes import NEEDS, Need, need_of
from airflow_provider_confluence.datasource import Datasource
from tests.contracts.official import specifications


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: need.what)
def test_what_is_asked_for_a_scope_is_what_that_scope_admits(need: Need) -> None:
    found = need_of(need.ask)
    assert found is not None
    assert found.scopes == need.scopes


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: need.what)
def test_each_scope_is_what_the_specification_says(need: Need) -> None:
    folder = specifications()
    if folder is None:
        pytest.skip("the official specifications are not at hand")
    v2 = need.ask.startswith("/api/v2")
    spec = json.loads((folder / ("confluence-cloud-v2.json" if v2 else "confluence-cloud-v1.json")).read_text())
    path = need.ask.removeprefix("/api/v2").replace("/1", "/{id}") if v2 else "/wiki" + need.ask
    path = path.replace("/content/1/", "/content/{id}/").replace("byOperation/read", "byOperation/{operationKey}")
    operations = spec["paths"][path]
    operation = operations["post" if need.ask.endswith("users-bulk") else "get"]
    said = {scope for each in operation["x-atlassian-oauth2-scopes"] for scope in each["scopes"]}
    assert set(need.scopes) == said


def test_every_setting_of_the_table_is_one() -> None:
    assert {need.setting for need in NEEDS} - {"always"} <= set(Datasource.__dataclass_fields__)


def test_a_path_that_nobody_needs_has_no_scope() -> None:
    assert need_of("/rest/api/audit") is None
