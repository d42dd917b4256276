"""What a command imports: starting takes as long as that, and Airflow alone takes seconds."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.cli.program import credentials, run

SCRIPT = """
import json, sys
from airflow_provider_confluence.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as end:
    code = end.code
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


@pytest.fixture
def index(filled_cloud, tmp_path):
    """Return a storage folder with an index in it, and a file of definitions beside."""
    storage = tmp_path / "storage"
    given = ["--space", "DOCS", "--id", "docs", "--storage", storage]
    done = run("sync", *credentials(filled_cloud), *given, token=filled_cloud.token)
    assert done.returncode == 0, done.stderr
    (tmp_path / "datasources.json").write_text(json.dumps({"docs": {"space": "DOCS"}}))
    return storage


def imported_by(*arguments, cwd, **options):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
        **options,
    )
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == 0, done.stderr
    return set(modules)


def test_commands_that_need_no_airflow_import_none_nor_anything_else_that_is_slow(index, tmp_path):
    exported = ("export", "--datasources", "datasources.json", "--endpoint", "https://x.example.com")
    coco = {
        "type": "connector",
        "name": "Docs",
        "connector": {
            "id": "confluence",
            "config": {"endpoint": "https://x.example.com", "username": "me", "space": "D"},
        },
    }
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    for command in (
        ("--help",),
        ("sync", "--help"),
        ("status", "--storage", index),
        ("status", "--storage", index, "--datasources", "datasources.json", "--json"),
        ("failures", "--storage", index),
        ("search", "rollback", "--storage", index),
        exported,
        ("import", "coco.json", "--id", "docs"),
        ("adopt", "docs", "--storage", index),
        ("purge", "docs", "--storage", index, "--yes"),
    ):
        slow = {"airflow", "atlassian", "lxml", "selectolax", "sqlalchemy", "requests", "pendulum"}
        assert imported_by(*command, cwd=tmp_path) & slow == set(), command


def test_indexing_from_the_command_line_imports_no_airflow(filled_cloud, tmp_path):
    environment = {"CONFLUENCE_TOKEN": filled_cloud.token, "PATH": ""}
    for command in (("check",), ("sync", "--space", "DOCS", "--storage", "storage")):
        modules = imported_by(*command, *credentials(filled_cloud), cwd=tmp_path, env=environment)
        assert "airflow" not in modules, command
        assert "requests" in modules
