"""The page about the sandbox stays true."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from pathlib import Path

import pytest
import requests

from airflow_provider_confluence.testing.sandbox import Model, Readings, Sandbox, load_sample
from airflow_provider_confluence.testing.sandbox.fault import Fault
from airflow_provider_confluence.testing.sandbox.faults import FAULTS

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """The cells of the section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("source", EXAMPLES, ids=range(len(EXAMPLES)))
def test_each_python_example_runs(source: str) -> None:
    exec(compile(source, "docs/sandbox.md", "exec"), {})


def test_the_page_has_examples_of_the_wiki_of_both_editions_and_of_faults() -> None:
    assert len(EXAMPLES) >= 3


def test_every_fault_is_on_the_page_with_its_class_and_its_own_parameters() -> None:
    common = set(inspect.signature(Fault).parameters)
    documented = {name.strip("`"): (class_.strip("`"), own) for name, class_, _, own in rows("Faults")}
    assert {name: kind.__name__ for name, kind in FAULTS.items()} == {n: c for n, (c, _) in documented.items()}
    for name, kind in FAULTS.items():
        own = [parameter for parameter in inspect.signature(kind).parameters if parameter not in common]
        assert re.findall(r"`(\w+)`", documented[name][1]) == own, name


def test_every_reading_is_on_the_page_with_its_default_and_a_mark() -> None:
    readings = Readings()
    expected = {field.name: repr(getattr(readings, field.name)) for field in dataclasses.fields(readings)}
    assert {name.strip("`"): default.strip("`") for name, default, _, _ in rows("Readings")} == expected
    assert {mark for _, _, mark, _ in rows("Readings")} == {"S", "R", "A", "setting", "S, Cloud A", "S, against S"}


def test_every_method_of_the_model_is_on_the_page() -> None:
    methods = {name for name, _ in inspect.getmembers(Model, inspect.isfunction) if not name.startswith("_")}
    assert {name for name in methods if not re.search(rf"`{name}[`(]", section("The wiki"))} == set()


def test_the_actions_of_the_page_are_taken_in_their_order() -> None:
    actions = re.findall(r"^\$ curl -s \$SANDBOX/_sandbox/(\w+)(?: -d '(.*)')?$", PAGE, re.MULTILINE)
    assert len(actions) == PAGE.count("$ curl")
    model = Model()
    load_sample(model)
    with Sandbox("cloud", model) as sandbox:
        for action, arguments in actions:
            address = f"{sandbox.origin}/_sandbox/{action}"
            json.loads(arguments or "{}")
            # As curl sends it: the body is JSON, whatever the header says.
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = (
                requests.post(address, data=arguments, headers=form, timeout=5)
                if arguments
                else requests.get(address, timeout=5)
            )
            assert answer.status_code == 200, (action, answer.text)
    assert model.find("New page") is not None
    assert model.readings.move_bumps_version
