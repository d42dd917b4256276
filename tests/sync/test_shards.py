"""How many tasks share a run: docs/decisions/0012."""

from __future__ import annotations

import pytest

from airflow_provider_confluence.sync.journal import PlanItem
from airflow_provider_confluence.sync.upserts import deal


@pytest.mark.parametrize(
    ("items", "most", "sizes"),
    [
        (0, 4, []),
        (1_000, 4, [1_000]),
        (1_001, 4, [501, 500]),
        (2_000, 4, [1_000, 1_000]),
        (2_000, 1, [2_000]),
        (50_000, 4, [12_500, 12_500, 12_500, 12_500]),
    ],
)
def test_a_shard_is_worth_the_start_of_its_tasks(items: int, most: int, sizes: list[int]) -> None:
    shards = deal([PlanItem("delete", str(number), "page", "gone") for number in range(items)], most)
    assert [len(shard) for shard in shards] == sizes
