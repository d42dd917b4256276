"""Datasources: the specification's fields and defaults, and every problem at once."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_confluence.datasource import (
    Datasource,
    parse_duration,
    read_connector,
    read_datasource,
    read_datasources,
)
from airflow_provider_confluence.errors import DatasourceError


def test_the_specifications_defaults_hold():
    found = read_datasource("docs", {"name": "My Confluence Wiki", "space": "DOCS"})
    assert found.name == "My Confluence Wiki"
    assert found.space == ("DOCS",)
    assert found.enable_blogposts is False
    assert found.enable_attachments is False
    assert found.enabled is True
    assert found.interval == "5m"
    assert found.queue_name == "indexing_documents"
    assert found.content_types == ("page",)


def test_the_connector_block_gives_defaults_that_a_datasource_overrides():
    block = {"enabled": False, "interval": "1h", "queue": {"name": "everything"}}
    plain = read_datasource("a", {"space": "A"}, defaults=block)
    own = read_datasource("b", {"space": "B", "interval": "30s", "enabled": True}, defaults=block)
    assert (plain.enabled, plain.interval, plain.queue_name) == (False, "1h", "everything")
    assert (own.enabled, own.interval, own.queue_name) == (True, "30s", "everything")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", timedelta(seconds=30)),
        ("5m", timedelta(minutes=5)),
        ("1h30m", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
    ],
)
def test_an_interval_is_a_go_duration(text, expected):
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "-5m", "0s", "5d", "5m!", "five minutes"])
def test_what_is_no_go_duration_is_refused(text):
    with pytest.raises(ValueError, match=r"is not"):
        parse_duration(text)


def test_every_problem_is_reported_at_once_by_its_path():
    broken = {"name": 3, "spaec": "DOCS", "interval": "5 minutes", "enabled": "yes", "queue": "q", "max_shards": 0}
    with pytest.raises(DatasourceError) as caught:
        read_datasource("docs", broken)
    said = "\n".join(caught.value.problems)
    for path in (
        "docs.name",
        "docs.spaec",
        "docs.interval",
        "docs.enabled",
        "docs.queue",
        "docs.max_shards",
        "docs.space",
    ):
        assert path in said
    assert "did you mean space?" in said


def problems_of(value, **options):
    with pytest.raises(DatasourceError) as caught:
        read_datasource("docs", value, **options)
    return caught.value.problems


def test_problems_inside_of_objects_are_told_by_their_whole_path_with_near_misses():
    assert problems_of(
        {
            "space": "DOCS",
            "queue": {"nmae": "wiki"},
            "airflow": {"pol": "x", "retries": 1.5},
            "sink": {"type": "postgres", "shema": "wiki", "language": "English!", "max_document_bytes": "1"},
        }
    ) == (
        "docs.queue.nmae: unknown setting; did you mean name?",
        "docs.queue.name: is missing: The index, alias, table, folder or queue inside the sink.",
        "docs.sink.shema: unknown setting; did you mean schema?",
        "docs.sink.language: 'English!' is not the name of a text search configuration",
        "docs.sink.max_document_bytes: expected a whole number from 1 to 200000000, found a string",
        "docs.airflow.pol: unknown setting; did you mean pool?",
        "docs.airflow.retries: expected a whole number from 0 to 100, found 1.5",
    )


@pytest.mark.parametrize(
    ("sink", "said"),
    [
        ({"type": "postgers"}, "docs.sink.type: 'postgers' is not one of "),
        ({"type": "postgers"}, "did you mean postgres?"),
        ({"type": 7}, 'docs.sink: expected an object with a type, such as {"type": "local"}'),
        ("local", 'docs.sink: expected an object with a type, such as {"type": "local"}, found a string'),
        ({"type": "local", "paht": "x"}, "docs.sink.paht: unknown setting; did you mean path?"),
        ({"type": "files", "path": " "}, "docs.sink.path: ' ' is not the path of a folder"),
        ({"type": "coco", "parallel": 0}, "docs.sink.parallel: expected a whole number from 1 to 200, found 0"),
        ({"type": "coco", "connector_id": "_x"}, "docs.sink.connector_id: '_x' is not an id of up to 100"),
        ({"type": "opensearch", "number_of_shards": True}, "docs.sink.number_of_shards: expected a whole number"),
        ({"type": "elasticsearch", "conn_id": ""}, "docs.sink.conn_id: '' is not the id of a connection"),
    ],
)
def test_the_settings_of_a_sink_are_judged_when_the_variable_is_read(sink, said):
    assert said in "\n".join(problems_of({"space": "DOCS", "sink": sink}))


@pytest.mark.parametrize(
    ("type_", "name", "said"),
    [
        ("opensearch", "Wiki", "docs.queue.name: 'Wiki' cannot name an alias of OpenSearch"),
        ("postgres", "x" * 49, "cannot name a table here"),
        ("local", "../wiki", "docs.queue.name: '../wiki' cannot name a local index"),
        ("files", "a/b", "docs.queue.name: 'a/b' cannot name a folder"),
    ],
)
def test_a_destination_that_the_sink_cannot_have_is_told(type_, name, said):
    value = {"space": "DOCS", "sink": {"type": type_}}
    assert said in problems_of({**value, "queue": {"name": name}})[0]
    assert said in problems_of(value, defaults={"queue": {"name": name}})[0]


def test_coco_takes_any_destination():
    value = {"space": "DOCS", "sink": {"type": "coco"}, "queue": {"name": "Any Thing/at all"}}
    assert read_datasource("docs", value).queue_name == "Any Thing/at all"


def test_every_problem_of_the_connector_block_is_told():
    with pytest.raises(DatasourceError) as caught:
        read_connector({"intervall": "1h", "enabled": "yes", "queue": "q"})
    assert caught.value.problems == (
        "intervall: unknown setting; did you mean interval?",
        "enabled: expected true or false, found a string",
        'queue: expected an object such as {"name": "indexing_documents"}, found a string',
    )


def test_a_token_in_a_datasource_is_refused_without_repeating_it():
    with pytest.raises(DatasourceError) as caught:
        read_datasource("docs", {"space": "DOCS", "token": "s3cr3t-t0ken"})
    assert "the connection that conn_id names" in str(caught.value)
    assert "airflow-confluence import FILE" in str(caught.value)
    assert "s3cr3t-t0ken" not in str(caught.value)


def test_a_credential_in_the_settings_of_a_sink_is_refused_without_repeating_it():
    sink = {"type": "opensearch", "password": "s3cr3t-t0ken", "hosts": ["https://me:s3cr3t-t0ken@x.example"]}
    problems = problems_of({"space": "DOCS", "sink": sink})
    assert [problem.partition(":")[0] for problem in problems] == ["docs.sink.password", "docs.sink.hosts"]
    assert all("the connection that sink.conn_id names" in problem for problem in problems)
    assert "s3cr3t" not in "".join(problems)


def test_a_datasource_of_coco_server_is_known_and_the_command_named():
    coco = {"name": "Wiki", "type": "connector", "connector": {"id": "confluence", "config": {"token": "s3cr3t-t0ken"}}}
    assert "airflow-confluence import FILE" in problems_of({**coco, "space": "DOCS"})[0]
    with pytest.raises(
        DatasourceError, match="this is a datasource of Coco Server; airflow-confluence import FILE"
    ) as caught:
        read_datasources(json.dumps(coco))
    assert "s3cr3t" not in str(caught.value)


def test_a_broken_datasource_does_not_hide_the_good_ones():
    found = read_datasources(json.dumps({"good": {"space": "A"}, "bad": {"space": 7}}))
    assert isinstance(found["good"], Datasource)
    assert isinstance(found["bad"], DatasourceError)


def test_broken_json_is_named_by_line_and_column():
    with pytest.raises(DatasourceError, match="line 2, column 3"):
        read_datasources("{\n  oops}")


def test_a_key_given_twice_spoils_the_datasource_that_has_it_and_no_other():
    found = read_datasources(
        '{"docs": {"space": "A"}, "team": {"space": "T", "space": "U", "sink": {"type": "local", "path": "a", "path": "b"}},'
        ' "docs": {"space": "B"}, "good": {"space": "G"}}'
    )
    assert found["docs"].problems == ("docs: this id is given twice",)
    assert found["team"].problems == (
        "team.space: this key is given twice in one object",
        "team.sink.path: this key is given twice in one object",
    )
    assert found["good"] == read_datasource("good", {"space": "G"})


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.text(max_size=3)),
    )
)
def test_any_object_is_read_or_refused_with_a_sentence(value):
    found = read_datasources(json.dumps({"docs": value}))["docs"]
    assert isinstance(found, Datasource) or all(problem.startswith("docs") for problem in found.problems)


def test_macros_for_the_server_to_show_are_names_with_an_age_and_a_bound():
    value = {"space": "DOCS", "rendered_macros": ["jira", "acme.chart-2"], "rendered_macros_max_age": "12h"}
    found = read_datasource("docs", {**value, "rendered_macros_max_pages": 50})
    assert (
        found.rendered_macros,
        found.rendered_macros_max_age,
        found.rendered_macros_max_pages,
    ) == (("jira", "acme.chart-2"), "12h", 50)
    assert read_datasource("docs", {**value, "rendered_macros_max_age": "5m"}).rendered_macros_max_age == "5m"
    default = read_datasource("docs", {"space": "DOCS"})
    assert (
        default.rendered_macros,
        default.rendered_macros_max_age,
        default.rendered_macros_max_pages,
    ) == ((), "24h", 1000)
    assert Datasource.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"rendered_macros": "jira"}, "docs.rendered_macros: expected a list of texts"),
        ({"rendered_macros": ["jira", "jira"]}, "docs.rendered_macros: names one twice"),
        ({"rendered_macros": ['a" b']}, 'docs.rendered_macros: a" b: expected names of macros'),
        ({"rendered_macros_max_age": "1 day"}, "docs.rendered_macros_max_age: '1 day' is not a duration"),
        (
            {"rendered_macros_max_age": "1ms"},
            "docs.rendered_macros_max_age: '1ms' is shorter than 5m; expected a duration",
        ),
        ({"rendered_macros_max_age": "4m59s"}, "docs.rendered_macros_max_age: '4m59s' is shorter than 5m"),
        ({"rendered_macros_max_pages": 0}, "docs.rendered_macros_max_pages: expected a whole number of at least 1"),
        ({"renderd_macros": ["jira"]}, "docs.renderd_macros: unknown setting; did you mean rendered_macros?"),
    ],
)
def test_a_wrong_setting_for_macros_is_named(setting, said):
    with pytest.raises(DatasourceError) as caught:
        read_datasource("docs", {"space": "DOCS", **setting})
    assert caught.value.problems[0].startswith(said)


def test_a_frozen_datasource_comes_back_the_same():
    found = read_datasource(
        "docs", {"space": ["A", "B"], "enable_attachments": True, "sink": {"type": "local", "path": "x"}}
    )
    assert Datasource.from_json(json.loads(json.dumps(found.to_json()))) == found


# ------------------------------------------------------------------------------------------ what people and attackers write
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '{"docs": {"space": "A",}}',
            "line 1, column 24: this is not JSON (a comma stands before the closing bracket)",
        ),
        ("{'docs': {}}", "texts stand in double quotes"),
        ('{"docs": {} // mine\n}', "JSON has no comments"),
        ("", "it is empty; without datasources it is {}"),
        ('{"docs": {"max_shards": ' + "9" * 5000 + "}}", "no JSON that can be read"),
        ("[" * 100_000, "no JSON that can be read"),
    ],
)
def test_the_usual_slips_in_json_are_told_in_the_words_of_whoever_typed_it(text, said):
    with pytest.raises(DatasourceError) as caught:
        read_datasources(text)
    assert said in str(caught.value)


def test_a_byte_order_mark_before_the_json_is_passed_over():
    assert isinstance(read_datasources('\ufeff{"docs": {"space": "A"}}')["docs"], Datasource)


@pytest.mark.parametrize(
    ("id_", "said"),
    [
        ("", '"": the id is empty'),
        ("d\u043ecs", "character 2 is CYRILLIC SMALL LETTER O"),
        ("docs ", "character 5 is SPACE"),
        ("a\x00b", "a\\x00b: character 2 is U+0000"),
        ("\ud800", "\\ud800: character 1 is U+D800"),
        ("../docs", "character 1 is FULL STOP"),
        ("x" * 101, "at most 100 characters"),
    ],
)
def test_an_id_that_cannot_be_one_is_told_by_its_character_even_where_it_looks_like_a_letter(id_, said):
    found = read_datasources(json.dumps({id_: {"space": "A"}, "good": {"space": "A"}}))
    assert said in str(found[id_])
    str(found[id_]).encode()
    assert isinstance(found["good"], Datasource)


def test_half_a_character_is_told_because_nothing_could_write_it():
    found = read_datasources(
        '{"docs": {"space": "A", "name": "cut \\ud83d"}, "good": {"space": "A", "name": "\\ud83d\\ude00"}}'
    )
    assert "half of a character" in str(found["docs"])
    assert isinstance(found["good"], Datasource)


@pytest.mark.parametrize("key", ["Token", "api_token", "clientSecret", "confluence_passwd"])
def test_a_key_that_looks_like_a_credential_is_told_where_that_belongs(key):
    with pytest.raises(DatasourceError, match="belong into the connection") as caught:
        read_datasource("docs", {"space": "A", key: "s3cret-value"})
    assert "s3cret-value" not in str(caught.value)


def test_megabytes_of_mistakes_are_read_within_seconds_and_told_in_few_words():
    unknown = {f"enable_blogpost{number}": True for number in range(200_000)}
    pairs = ", ".join(f'"k{number}": 1' for number in range(200_000))
    text = f'{{"docs": {json.dumps({"space": "A", **unknown})}, "team": {{{pairs}, "k0": 2}}}}'
    assert len(text) > 7_000_000
    started = time.process_time()
    found = read_datasources(text)
    assert time.process_time() - started < 10
    assert "and 199900 more unknown settings" in str(found["docs"])
    assert "team.k0: this key is given twice" in str(found["team"])
    assert all(len(str(error)) < 20_000 for error in found.values())


def test_what_is_restricted_is_indexed_with_permissions_unless_the_sink_shows_it_to_everybody():
    def restricted(**definition):
        return read_datasource("docs", {"space": "DOCS", **definition}).restricted

    assert restricted() == "skip"
    assert restricted(enable_permissions=True) == "include"
    assert restricted(enable_permissions=True, restricted="skip") == "skip"
    assert restricted(enable_permissions=True, sink={"type": "coco"}) == "skip"
    assert restricted(enable_permissions=True, sink={"type": "coco"}, restricted="include") == "include"
