"""Prints the serialized DAGs of a fixed Variable: run twice, in processes with different hash seeds, the outputs must be equal."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

VARIABLE = {
    "docs": {"space": ["DOCS", "OPS"], "interval": "5m", "airflow": {"tags": ["b", "a", "c"], "retries": 1}},
    "slow": {"space": "TEAM", "interval": "90m", "sink": {"type": "postgres", "schema": "wiki"}},
    "off": {"space": "TEAM", "enabled": False, "sink": {"type": "opensearch"}},
    "broken": {"space": 7},
}


def serialized() -> str:
    """Return the DAGs as Airflow stores them."""
    from airflow_provider_confluence.dag_factory import build_dags

    return json.dumps({dag_id: of(dag) for dag_id, dag in build_dags().items()})


def of(dag: Any) -> dict[str, Any]:
    """Return one DAG as Airflow stores it."""
    from airflow.serialization.serialized_objects import DagSerialization

    stored: dict[str, Any] = DagSerialization.to_dict(dag)
    return stored


if __name__ == "__main__":
    os.environ["AIRFLOW_VAR_CONFLUENCE_DATASOURCES"] = json.dumps(VARIABLE)
    print("serialized:" + serialized())
    # Parsing happens often: what does the work is imported by the tasks.
    heavy = (
        "airflow_provider_confluence.sync",
        "airflow_provider_confluence.confluence",
        "airflow_provider_confluence.sinks.postgres",
        "airflow_provider_confluence.sinks.opensearch",
        "opensearchpy",
        "psycopg",
        "atlassian",
        "lxml",
        "selectolax",
    )
    print("imported:" + json.dumps(sorted(name for name in sys.modules if name.startswith(heavy))))
