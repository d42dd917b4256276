"""The core runs without Airflow: importing all of it brings no Airflow in."""

from __future__ import annotations

import subprocess
import sys

IMPORT_ALL = """
import importlib, pkgutil, sys
import airflow_provider_confluence as package
skin = ("hooks", "operators", "plugins", "dag_factory")
names = [m.name for m in pkgutil.walk_packages(package.__path__, package.__name__ + ".", onerror=None)
         if m.name.split(".")[1] not in skin]
for name in names:
    importlib.import_module(name)
print(len(names), sorted(name for name in sys.modules if name.split(".")[0] == "airflow"))
"""


def test_importing_the_core_imports_no_airflow() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, timeout=60, check=True)
    number, _, found = done.stdout.strip().partition(" ")
    assert found == "[]"
    assert int(number) > 40
