"""The asset of a datasource, through Airflow's own loaders."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("datasource_id", ["docs", "Team_A.docs-2", "a" * 100])
def test_name_and_uri_are_what_they_always_were(datasource_id: str) -> None:
    from airflow.sdk import Asset

    from airflow_provider_confluence.operators.confluence import asset_of

    always = f"confluence://datasource/{datasource_id}"
    assert (asset_of(datasource_id).name, asset_of(datasource_id).uri) == (always, always)
    assert Asset(always) == asset_of(datasource_id)


def test_a_hook_s_lineage_may_name_it_by_its_scheme() -> None:
    from airflow.sdk.lineage import HookLineageCollector

    from airflow_provider_confluence.operators.confluence import asset_of

    made = HookLineageCollector().create_asset(scheme="confluence", asset_kwargs={"datasource_id": "docs"})
    assert made == asset_of("docs")


@pytest.mark.parametrize(
    "uri",
    [
        "confluence://docs",
        "confluence://datasource",
        "confluence://datasource/",
        "confluence://datasource/docs/more",
        "confluence://datasource/no spaces",
        "confluence://datasource/docs?page=1",
        "confluence://me@datasource/docs",
    ],
)
def test_a_uri_that_no_datasource_has_is_refused_at_once(uri: str) -> None:
    from airflow.sdk import Asset

    with pytest.raises(ValueError, match="expected confluence://datasource/<id>"):
        Asset(uri)
