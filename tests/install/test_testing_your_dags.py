"""The repository that a page shows, with its DAG and its tests, is tested by them as it stands there (testing-your-dags.md)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "testing-your-dags.md").read_text(encoding="utf-8")


def test_the_tests_of_the_page_pass_in_a_repository_of_their_own(tmp_path: Path) -> None:
    (tree,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    files = re.findall(r"^`([\w/.]+)`[^\n]*:\n\n```python\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in files] == tree.split()
    for name, text in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (command,) = re.findall(r"^\$ python (-m pytest .*)$", PAGE, re.MULTILINE)
    # A home of its own, as the page has it: nothing of this process's Airflow.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}

    done = subprocess.run(
        [sys.executable, *command.split(), "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        timeout=600,  # pytest's own is shorter, unless it was set longer for a machine that is busy
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
