"""What docs/celery-and-kubernetes.md says of settings and DAG files is true of the Airflow that is tested here."""

from __future__ import annotations

import configparser
import json
import re

import pytest

from tests.install.environments import ROOT

pytestmark = pytest.mark.timeout(600)
PAGE = (ROOT / "docs" / "celery-and-kubernetes.md").read_text(encoding="utf-8")
# What the page says of them is that they are no defaults.
CHOSEN = {
    ("core", "executor"),
    ("confluence", "storage_path"),
    ("celery", "worker_concurrency"),
    ("logging", "remote_logging"),
    ("logging", "remote_base_log_folder"),
    ("logging", "remote_log_conn_id"),
}
DEFAULTS = """
import json, sys
from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from airflow.sdk.configuration import conf

asked = json.loads(sys.stdin.read())
found = {f"{section}.{option}": conf.get(section, option, fallback=None) for section, option in asked}
found["celery_broker_transport_options.visibility_timeout"] = DEFAULT_CELERY_CONFIG["broker_transport_options"][
    "visibility_timeout"
]
print("found:" + json.dumps(found))
"""
READ = """
import json, sys
from pathlib import Path
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

bag = DagBag(dag_folder=sys.stdin.read())
assert not bag.import_errors, bag.import_errors
(dag,) = bag.dags.values()
stored = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))
limits = {
    task.task_id: task.executor_config["pod_override"].spec.containers[0].resources.limits["memory"]
    for task in stored.tasks
}
print("found:" + json.dumps(limits))
"""


def found(printed):
    return json.loads(printed.partition("found:")[2].splitlines()[0])


def test_the_settings_of_the_page_exist_and_are_the_defaults_where_it_says_so(environment):
    read = configparser.ConfigParser()
    read.read_string(re.search(r"```ini\n(.*?)```", PAGE, re.DOTALL)[1])
    options = [(section, option) for section in read.sections() for option in read[section]]
    assert set(options) >= CHOSEN
    defaults = found(environment.python_code(DEFAULTS, given=json.dumps(options)))
    assert {f"{s}.{o}": read[s][o].lower() for s, o in options if (s, o) not in CHOSEN} == {
        name: str(value).lower().removesuffix(".0")
        for name, value in defaults.items()
        if tuple(name.split(".")) not in CHOSEN
    }
    # An option that nobody knows has no default.
    assert [name for name, value in defaults.items() if value is None and not name.startswith("confluence.")] == []


def test_the_dag_file_of_the_page_gives_each_task_its_pod(environment, tmp_path):
    (tmp_path / "confluence.py").write_text(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1])
    limits = found(
        environment.python_code(
            READ,
            given=str(tmp_path),
            AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT="300",
            AIRFLOW_VAR_CONFLUENCE_DATASOURCES=json.dumps({"docs": {"space": "DOCS"}}),
            AIRFLOW_VAR_CONFLUENCE_CONNECTOR="{}",
        )
    )
    assert limits == {
        "list_changes": "1Gi",
        "shards.extract": "768Mi",
        "shards.index": "768Mi",
        "commit": "1Gi",
        "verdict": "768Mi",
    }
