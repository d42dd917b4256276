"""The examples of the pages: every fenced block, with its page, its language and its line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]

# Blocks that a test beside what they show runs; it names the page.
ELSEWHERE = {
    ("docs/airflow.md", "python"): "tests/airflow/test_docs.py",
    ("docs/celery-and-kubernetes.md", "ini"): "tests/celery/test_page.py",
    ("docs/celery-and-kubernetes.md", "python"): "tests/celery/test_page.py",
    ("docs/content.md", "python"): "tests/content/test_documentation.py",
    ("docs/sandbox.md", "console"): "tests/sandbox/test_documentation.py",
    ("docs/sandbox.md", "python"): "tests/sandbox/test_documentation.py",
    ("docs/sinks/coco.md", "python"): "tests/coco/test_fake_coco.py",
    ("docs/sinks/files.md", "python"): "tests/sinks/test_files_conformance.py",
    ("docs/sinks/local.md", "python"): "tests/sinks/test_local.py",
    ("docs/sinks/postgres.md", "sql"): "tests/sinks/test_postgres_search.py",
    ("docs/sinks/queue.md", "python"): "tests/sinks/test_queue_documentation.py",
    ("docs/testing-your-dags.md", "python"): "tests/install/test_testing_your_dags.py",
    ("docs/testing-your-dags.md", "text"): "tests/install/test_testing_your_dags.py",
    ("docs/tutorial.md", "sh"): "tests/install/test_newcomer.py",
    ("docs/tutorial.md", "text"): "tests/install/test_newcomer.py",
    ("docs/writing-a-macro-handler.md", "python"): "tests/docs/test_writing_a_macro_handler.py",
    ("docs/writing-a-sink.md", "python"): "tests/docs/test_writing_a_sink.py",
}


@dataclass(frozen=True)
class Example:
    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line} ({self.language})"

    @property
    def commands(self) -> list[str]:
        """The lines to be typed: in a console those behind the prompt, in a script those that are no part of another."""
        if self.language == "console" and "$ " in self.text:
            return [line.removeprefix("$ ") for line in self.text.splitlines() if line.startswith("$ ")]
        joined = re.sub(r"'[^']*'", lambda quoted: quoted[0].replace("\n", " "), self.text.replace("\\\n", " "))
        return [line.split("   #")[0].strip() for line in joined.splitlines() if line]

    @property
    def value(self) -> Any:
        return json.loads(self.text)

    @property
    def is_definitions(self) -> bool:
        """Whether it looks like the Variable: an object of objects, of which one names a space."""
        if self.language not in ("json", "yaml"):
            return False
        value = self.value
        return isinstance(value, dict) and any(isinstance(each, dict) and "space" in each for each in value.values())


def examples() -> list[Example]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.finditer(r"^( *)```(.*)\n((?:.*\n)*?)\1```$", text, re.MULTILINE):
            line = text[: block.start()].count("\n") + 1
            found.append(Example(str(page.relative_to(CHECKOUT)), line, block[2], block[3]))
    return found


EXAMPLES = examples()
