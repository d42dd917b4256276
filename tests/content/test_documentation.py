"""The page about content stays true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from airflow_provider_confluence import content
from airflow_provider_confluence.content import adf, markdown
from airflow_provider_confluence.content.policy import tables, with_tables
from airflow_provider_confluence.content.storage_format import MAX_CHARS

PAGE = (Path(__file__).parents[2] / "docs" / "content.md").read_bytes().decode("utf-8")


def test_the_page_shows_the_policy_tables_as_the_converter_runs_by_them() -> None:
    # python -m airflow_provider_confluence.content.policy docs/content.md
    assert with_tables(PAGE) == PAGE
    assert PAGE.count("<!-- policy: ") == len(tables())


def test_the_example_of_the_page_runs_and_gives_what_it_says() -> None:
    source = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert source is not None
    call, said = re.search(r"^(content\.to_markdown\(.*\))\n# (.*)$", source[1], re.MULTILINE).groups()  # type: ignore[union-attr]
    assert said == repr(eval(call, {"content": content}))


def test_the_example_of_chunks_runs_and_gives_what_it_says() -> None:
    example = re.search(
        r"```python\n(.*)\n(chunks\(.*)\n# (.*)\n```", PAGE.split("## Chunks")[1].split("| Field")[0], re.DOTALL
    )
    assert example is not None
    source, call, said = example.groups()
    names: dict[str, object] = {}
    exec(source, names)
    assert said == repr(eval(call, names))


def test_the_example_in_adf_runs_and_gives_what_it_says() -> None:
    call, said = re.search(r"^(markdown\.write\([^`]*?\))\n# (.*)$", PAGE, re.MULTILINE).groups()  # type: ignore[union-attr]
    assert said == repr(eval(call, {"adf": adf, "markdown": markdown}))


def test_the_page_names_every_warning_that_adf_can_give() -> None:
    for warning in ("unknown_node=", "unknown_mark=", "unread_node=syncBlock", "cut_nodes=2000000"):
        assert f"`{warning}" in PAGE


def test_the_page_names_the_cap() -> None:
    assert f"`cut={MAX_CHARS}`" in PAGE


def test_importing_the_package_loads_no_parser() -> None:
    code = (
        "import sys; from airflow_provider_confluence.content import adf, macros, markdown, storage_format; "
        "print([name for name in ('lxml', 'selectolax', 'airflow') if name in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
