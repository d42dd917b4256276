"""What editors and readers are told about settings: the JSON Schema and the page say what the reader of the Variable does."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_confluence.configuration import SCHEMA_FILE, datasources_schema, reference, schema_text
from airflow_provider_confluence.datasource import Datasource, read_datasource, read_datasources
from airflow_provider_confluence.datasource_settings import SETTINGS
from airflow_provider_confluence.errors import DatasourceError
from airflow_provider_confluence.sinks.registry import sink_types
from airflow_provider_confluence.sinks.settings import SINKS

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
# What no JSON Schema says, or ours does not: the page and the schema's docstring name them.
BEYOND = (
    "is longer than a year",
    "is shorter than ",
    "is not above zero",
    "is in include_labels as well",
    "is not one of ",
)


def _as_editors_do(validator, pattern, instance, schema):
    # For Python "$" is also before a last line feed; for JSON Schema it is not.
    if validator.is_type(instance, "string") and not re.search(pattern.replace("$", r"\Z"), instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


VALIDATOR = jsonschema.validators.extend(jsonschema.Draft7Validator, {"pattern": _as_editors_do})(datasources_schema())


def fits(datasource, id_="docs"):
    return VALIDATOR.is_valid({id_: datasource})


def problems_of(datasource, id_="docs"):
    try:
        read_datasource(id_, datasource)
    except DatasourceError as error:
        return error.problems
    return ()


# ------------------------------------------------------------------------------------------ both say the same
GOOD = {
    "name": ["Wiki"],
    "conn_id": ["confluence_default"],
    "space": ["DOCS", "*", ["A", "B"], ["*"]],
    "queue": [{"name": "wiki"}, {"name": "Wiki-2"}, {"name": "a b"}],
    "sink": [{"type": type_} for type_ in (*SINKS, "elsewhere")],
    "airflow": [{}, {"pool": "p", "tags": ["a"], "retries": 0, "execution_timeout": "3h", "priority_weight": 5}],
    "attachment_types": [["pdf", "word"], []],
    "macros": [{}, {"acme-callout": "note"}],
    "root_pages": [["98304"]],
    "rendered_macros": [["jira"]],
    "chunk_tokens": [0, 64, 512, 100_000],
    "restricted": ["skip", "include"],
}
DURATIONS = [*("30s", "5m", "1h30m", "1.5h", ".5s", "0s", "0.0h", "100ns", "99999h", "5 m", "5d", "m", "5m\n", "-5m")]
ODD = [
    *(None, True, False, 0, 1, -1, 2.0, 0.5, 1.5, 63, 100_001, 10**12),
    *("", " ", "*", "wiki", "5m", "é", "a\nb", "x" * 251),
    *(
        [],
        [""],
        ["*"],
        ["a", "a"],
        ["DOCS", "*"],
        [1],
        ["pdf"],
        ["x" * 101],
        [[]],
        {},
        {"name": ""},
        {"name": "a", "nmae": "b"},
    ),
]


def values_of(name):
    usual = GOOD.get(name, [True, False, 1, 0.25, 2.0, ["draft"], []])
    return st.sampled_from(usual) | st.sampled_from(DURATIONS) | st.sampled_from(ODD)


SINK_VALUES = st.builds(
    lambda type_, rest: {"type": type_, **rest},
    st.sampled_from([*SINKS, "elsewhere"]),
    st.dictionaries(
        st.sampled_from(sorted({setting.name for kind in SINKS.values() for setting in kind.settings} | {"other"})),
        st.sampled_from([*ODD, "english", "0", 5, 99_000_001]),
        max_size=2,
    ),
)
DATASOURCES = st.sets(
    st.sampled_from([setting.name for setting in SETTINGS.settings] + ["token", "spaec"]), max_size=4
).flatmap(
    lambda names: st.fixed_dictionaries(
        {"space": values_of("space"), **{name: SINK_VALUES if name == "sink" else values_of(name) for name in names}}
    )
)


def they_agree(datasource):
    """Return whether the schema takes it, where that is what the reader does."""
    problems = problems_of(datasource)
    if not fits(datasource):
        assert problems, datasource
        return False
    assert all(any(words in problem for words in BEYOND) for problem in problems), (datasource, problems)
    return True


@given(DATASOURCES)
def test_the_schema_takes_what_the_reader_takes_and_nothing_else(datasource):
    they_agree(datasource)


@pytest.mark.parametrize("name", [setting.name for setting in SETTINGS.settings])
def test_of_each_setting_the_schema_takes_what_the_reader_takes(name):
    values = [*GOOD.get(name, []), *DURATIONS, *ODD, ["draft"], 0.25, 70]
    spaces = ({"space": "DOCS"}, {"space": "*"})
    assert {they_agree({**space, name: value}) for value in values for space in spaces} == {True, False}


@pytest.mark.parametrize("id_", ["docs", "a.b-c_1", "x" * 100, "", "-a", ".a", "a b", "é", "a/b", "x" * 101, "a\n"])
def test_the_schema_takes_the_ids_that_the_reader_takes(id_):
    assert fits({"space": "DOCS"}, id_) is (not problems_of({"space": "DOCS"}, id_))


def test_what_is_missing_or_no_object_fits_neither():
    for datasource in ({}, {"name": "x"}, 7, None, [], "docs"):
        assert not fits(datasource)
        assert problems_of(datasource)


# ------------------------------------------------------------------------------------------ what is shipped
def test_the_schema_is_current_and_a_schema():
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), "run: make reference"
    jsonschema.Draft7Validator.check_schema(datasources_schema())


def test_the_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: make reference"


def test_every_setting_is_described_and_has_its_field():
    names = {field.name for field in fields(Datasource)} - {"id", "queue_name"} | {"queue"}
    assert {setting.name for setting in SETTINGS.settings} == names
    properties = datasources_schema()["definitions"]["datasource"]["properties"]
    assert all(properties[name]["description"] for name in names)


def test_the_defaults_that_the_schema_names_are_those_that_hold():
    properties = datasources_schema()["definitions"]["datasource"]["properties"]
    spelled_out = {name: about["default"] for name, about in properties.items() if "default" in about}
    # They hold only together with every space.
    named = {name: value for name, value in spelled_out.items() if name not in ("exclude_spaces", "personal_spaces")}
    assert len(named) > 20
    assert read_datasource("docs", {"space": "DOCS", **named}) == read_datasource("docs", {"space": "DOCS"})


def test_every_sink_has_its_table():
    assert set(SINKS) == set(sink_types())


def test_the_examples_of_the_page_are_taken():
    settings_file, datasources = (json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.S))
    assert settings_file["json.schemas"][0]["url"] == f"./{SCHEMA_FILE.name}"
    assert all(isinstance(found, Datasource) for found in read_datasources(json.dumps(datasources)).values())
    assert VALIDATOR.is_valid(datasources)
