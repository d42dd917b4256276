"""Moving datasources over from Coco Server's own connector, and back: what is kept, what is said, and where tokens go."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import stat
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_confluence.cli import main
from airflow_provider_confluence.coco_datasources import give_back, take_over
from airflow_provider_confluence.datasource import read_datasource
from airflow_provider_confluence.sinks.local import index_path
from airflow_provider_confluence.sinks.local_search import LocalIndex
from airflow_provider_confluence.testing.coco import FakeCoco
from tests.cli.program import credentials, run

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "moving-from-coco.md").read_text(encoding="utf-8")
TOKEN = "s3cr3t-c0nfluence-t0ken"
# The body of the specification's example request, as somebody has it in a file.
POSTED = {
    "name": "My Confluence Wiki",
    "type": "connector",
    "connector": {
        "id": "confluence",
        "config": {
            "endpoint": "https://your-company.atlassian.net/wiki",
            "username": "your-email@example.com",
            "token": TOKEN,
            "space": "DOCS",
            "enable_blogposts": True,
            "enable_attachments": False,
        },
    },
}


def coco_object(id_="d3kq2mo8s7f1", *, config=(), **fields):
    connector = {"id": "confluence", "config": {**POSTED["connector"]["config"], **dict(config)}}
    return {"id": id_, **POSTED, "connector": connector, **fields}


def written(folder, value, name="coco.json"):
    (folder / name).write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return folder / name


def imported(folder, value, *options, name="coco.json"):
    done = run("import", written(folder, value, name), *options, "--json")
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    return json.loads(done.stdout)


def refused(folder, value, *options):
    done = run("import", written(folder, value), *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert TOKEN not in done.stderr
    return done.stderr


# ---------------------------------------------------------------- import
def test_the_specification_s_example_becomes_a_connection_and_a_datasource(tmp_path):
    said = imported(
        tmp_path, POSTED, "--id", "docs", "--variables", tmp_path / "v.json", "--connections", tmp_path / "c.json"
    )
    entry = {
        "name": "My Confluence Wiki",
        "space": "DOCS",
        "enable_blogposts": True,
        "enable_attachments": False,
        "conn_id": "confluence_default",
    }
    connection = {
        "conn_type": "confluence",
        "host": "https://your-company.atlassian.net/wiki",
        "login": "your-email@example.com",
    }
    assert said == {
        "variables": {"confluence_datasources": {"docs": entry}},
        "connections": {"confluence_default": connection},
        "notes": [],
    }
    variables = json.loads((tmp_path / "v.json").read_text())
    assert json.loads(variables["confluence_datasources"]) == {"docs": entry}
    assert json.loads((tmp_path / "c.json").read_text()) == {"confluence_default": {**connection, "password": TOKEN}}
    assert TOKEN not in (tmp_path / "v.json").read_text()


def test_the_file_of_tokens_is_for_its_owner_alone_and_overwrites_nothing(tmp_path):
    file = written(tmp_path, coco_object())
    where = ["import", file, "--connections", tmp_path / "c.json"]
    done = run(*where)
    assert TOKEN not in done.stdout + done.stderr
    assert stat.S_IMODE((tmp_path / "c.json").stat().st_mode) == 0o600
    assert f"airflow connections import {tmp_path / 'c.json'}" in done.stderr
    (tmp_path / "c.json").write_text("mine")
    again = run(*where)
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
    assert (tmp_path / "c.json").read_text() == "mine"


def test_airflow_reads_the_connection_as_it_is_meant(tmp_path, monkeypatch):
    from airflow_provider_confluence.hooks.confluence import ConfluenceHook

    run("import", written(tmp_path, coco_object()), "--connections", tmp_path / "c.json")
    (connection,) = json.loads((tmp_path / "c.json").read_text()).values()
    monkeypatch.setenv("AIRFLOW_CONN_CONFLUENCE_DEFAULT", json.dumps(connection))
    settings = ConfluenceHook().settings
    assert (settings.endpoint, settings.username, settings.token) == (
        "https://your-company.atlassian.net/wiki",
        "your-email@example.com",
        TOKEN,
    )


@pytest.mark.parametrize(
    ("fields", "config", "interval", "enabled"),
    [
        ({"enabled": True, "sync": {"enabled": True, "interval": "10m"}}, {}, "10m", True),
        ({"enabled": True, "sync": {"enabled": True}}, {"interval": "1h"}, "1h", True),
        ({"sync": {"interval": "10m"}}, {"interval": "1h"}, "10m", True),
        ({}, {"interval": "30m"}, "30m", True),
        ({"enabled": False, "sync": {"enabled": True}}, {}, "5m", False),
        ({"enabled": True, "sync": {"enabled": False}}, {}, "5m", False),
        ({}, {}, "5m", True),
    ],
)
def test_both_generations_of_objects_are_read(fields, config, interval, enabled):
    found = take_over(coco_object("docs", config=config, **fields))
    datasource = read_datasource("docs", found.datasources["docs"])
    assert (datasource.interval, datasource.enabled) == (interval, enabled)
    assert ["switched off" in note for note in found.notes] == ([] if enabled else [True])


def test_lists_and_every_answer_of_coco_are_read():
    one, two = coco_object("a"), coco_object("b")
    found = {"_id": "c", "_source": {key: value for key, value in coco_object().items() if key != "id"}, "found": True}
    for value, ids in (
        ([one, two], ["a", "b"]),
        (
            {"hits": {"total": {"value": 2}, "hits": [{"_id": "a", "_source": one}, {"_id": "b", "_source": two}]}},
            ["a", "b"],
        ),
        (found, ["c"]),
        ([found, one], ["c", "a"]),
    ):
        assert list(take_over(value).datasources) == ids


def test_what_a_coco_server_answers_is_taken_over_and_syncs_under_the_same_ids(filled_cloud, tmp_path):
    config = {
        "endpoint": filled_cloud.endpoint,
        "username": filled_cloud.username,
        "token": filled_cloud.token,
        "space": "DOCS",
    }
    with FakeCoco() as coco:
        headers = {"X-API-TOKEN": coco.token}
        body = {
            **POSTED,
            "enabled": True,
            "connector": {"id": "confluence", "config": config},
            "sync": {"enabled": True},
        }
        id_ = requests.post(f"{coco.endpoint}/datasource/", json=body, headers=headers, timeout=10).json()["_id"]
        answer = requests.get(f"{coco.endpoint}/datasource/{id_}", headers=headers, timeout=10).json()
        listed = requests.get(f"{coco.endpoint}/datasource/_search", headers=headers, timeout=10).json()
    said = imported(tmp_path, answer, "--connections", tmp_path / "c.json")
    (connection,) = json.loads((tmp_path / "c.json").read_text()).values()
    definitions = written(tmp_path, said["variables"]["confluence_datasources"], "datasources.json")
    done = run(
        *("sync", "--endpoint", connection["host"], "--username", connection["login"], "--datasources", definitions),
        *("--storage", tmp_path / "s"),
        token=connection["password"],
    )
    assert done.returncode == 0, done.stderr
    with LocalIndex(index_path(tmp_path / "s" / "index", "indexing_documents")) as index:
        (hit,) = index.search("deployment").hits
    assert hit.title == "Rollback"
    assert hit.id == hashlib.md5(f"{id_}-{hit.content_id}".encode()).hexdigest()
    # Its search hides tokens; that is told, and no asterisks become a password.
    masked = take_over(listed)
    assert masked.connections["confluence_default"]["password"] == ""
    assert masked.notes == [
        f"{id_}: the token of connection confluence_default is missing (Coco's search masks it; GET /datasource/<id> shows it): "
        "put it into the connection"
    ]


def test_a_move_within_one_coco_server_overwrites_under_the_same_ids_and_doubles_nothing(filled_cloud, tmp_path):
    config = {
        "endpoint": filled_cloud.endpoint,
        "username": filled_cloud.username,
        "token": filled_cloud.token,
        "space": "DOCS",
    }
    page_id = next(record.id for record in filled_cloud.model.visible(["DOCS"], ["page"]))
    with FakeCoco() as coco:
        headers = {"X-API-TOKEN": coco.token}

        def ask(method, path, body=None):
            return requests.request(method, coco.endpoint + path, json=body, headers=headers, timeout=10).json()

        body = {
            **POSTED,
            "enabled": True,
            "connector": {"id": "confluence", "config": config},
            "sync": {"enabled": True},
        }
        id_ = ask("POST", "/datasource/", body)["_id"]
        document_id = hashlib.md5(f"{id_}-{page_id}".encode()).hexdigest()
        source = {"id": id_, "type": "connector", "name": "My Confluence Wiki"}
        ask(
            "PUT",
            f"/document/{document_id}",
            {"title": "as Coco's connector left it", "type": "confluence", "source": source},
        )

        written(tmp_path, ask("GET", f"/datasource/{id_}"))
        done = run("import", tmp_path / "coco.json", "--sink", "coco", "--json")
        definitions = written(
            tmp_path, json.loads(done.stdout)["variables"]["confluence_datasources"], "datasources.json"
        )
        connection = json.dumps({"conn_type": "coco", "host": coco.endpoint, "password": coco.token})
        environment = {"token": filled_cloud.token, "AIRFLOW_CONN_COCO_DEFAULT": connection}
        where = ["--storage", tmp_path / "s"]
        sync = ["sync", *credentials(filled_cloud), "--datasources", definitions, *where]
        refused_ = run(*sync, **environment)
        assert refused_.returncode == 2
        assert f"airflow-confluence adopt {id_}" in refused_.stdout + refused_.stderr
        assert ask("GET", f"/document/{document_id}")["_source"]["title"] == "as Coco's connector left it"

        adopted = run("adopt", id_, *where, **environment)
        assert adopted.returncode == 0, adopted.stderr
        done = run(*sync, **environment)
        assert done.returncode == 0, done.stderr
        assert ask("GET", f"/document/{document_id}")["_source"]["title"] == "Rollback"
        documents = ask("GET", f"/document/_search?filter=source.id:any({id_})&view=list")["hits"]["hits"]
        assert len(documents) == 1
        stored = ask("GET", f"/datasource/{id_}")["_source"]
        assert (stored["enabled"], stored["sync"]["enabled"]) == (True, False)


def test_datasources_of_one_account_share_a_connection_and_others_have_their_own():
    found = take_over(
        [coco_object("a"), coco_object("b", config={"space": "OPS"}), coco_object("c", config={"token": "other"})]
    )
    assert {id_: entry["conn_id"] for id_, entry in found.datasources.items()} == {
        "a": "confluence_default",
        "b": "confluence_default",
        "c": "confluence_c",
    }
    assert found.connections["confluence_c"]["password"] == "other"
    named = take_over([coco_object("a"), coco_object("c", config={"token": "other"})], conn_id="wiki")
    assert list(named.connections) == ["wiki", "wiki_c"]


def test_the_sink_is_what_is_asked_for():
    assert take_over(coco_object("a"), sink={"type": "coco"}).datasources["a"]["sink"] == {"type": "coco"}


@pytest.mark.parametrize("sink", ["coco", '{"type": "coco", "parallel": 8}'])
def test_a_sink_is_given_by_its_type_or_its_settings(tmp_path, sink):
    said = imported(tmp_path, coco_object("a"), "--sink", sink)
    assert said["variables"]["confluence_datasources"]["a"]["sink"]["type"] == "coco"


def test_another_id_than_coco_s_is_told():
    found = take_over(coco_object("abc"), id_="docs")
    assert list(found.datasources) == ["docs"]
    assert found.notes == ["docs: in Coco its id is abc, so its documents have other ids here than there"]
    assert list(take_over([coco_object("abc"), coco_object("docs")], id_="docs").datasources) == ["docs"]


def test_other_connectors_and_settings_without_counterpart_are_named():
    other = {"id": "feed", "name": "Feed", "connector": {"id": "rss", "config": {}}}
    one = coco_object("a", config={"labels": ["x"]}, webhook={"enabled": True}, enrichment_pipeline={"name": "p"})
    assert take_over([other, one]).notes == [
        "feed: left out, it is of connector rss",
        "a: not taken over from connector.config: labels",
        "a: has no counterpart here: webhook, enrichment_pipeline",
    ]


def test_the_connector_block_of_coco_s_configuration_is_taken(tmp_path):
    block = (
        "connector:\n  confluence:\n    enabled: true\n    queue:\n      name: indexing_documents\n    interval: 5m\n"
    )
    said = imported(tmp_path, block, "--variables", tmp_path / "v.json", name="coco.yml")
    expected = {"enabled": True, "interval": "5m", "queue": {"name": "indexing_documents"}}
    assert said["variables"] == {"confluence_connector": expected}
    assert json.loads(json.loads((tmp_path / "v.json").read_text())["confluence_connector"]) == expected


def test_new_ones_are_added_to_those_that_are_there(tmp_path):
    there = written(tmp_path, {"team": {"space": "TEAM"}}, "datasources.json")
    said = imported(tmp_path, coco_object("docs"), "--datasources", there)
    assert list(said["variables"]["confluence_datasources"]) == ["team", "docs"]
    assert "there is a datasource team already" in refused(tmp_path, coco_object("team"), "--datasources", there)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (POSTED, "datasource 1 (My Confluence Wiki) has no id in it"),
        ([coco_object("a"), coco_object("a")], "a: this id is there twice"),
        (coco_object("a b"), "a b: character 2 is SPACE"),
        (coco_object("a", config={"endpoint": ""}), "a.connector.config.endpoint: is missing"),
        (coco_object("a", config={"endpoint": f"https://me:{TOKEN}@x.example"}), "endpoint: holds a credential"),
        (coco_object("a", config={"token": 7}), "a.connector.config.token: expected a text, found a number"),
        (coco_object("a", config={"space": ""}), "a.space: expected a space key"),
        (coco_object("a", config={"enable_blogposts": "yes"}), "a.enable_blogposts: expected true or false"),
        (coco_object("a", sync={"interval": "often"}), "a.interval: 'often' is not a duration"),
        ({**coco_object("a"), "connector": {"id": "confluence"}}, "a.connector.config: expected an object, found null"),
        ({**coco_object("a"), "connector": {"id": "rss"}}, "there is no datasource of the connector confluence in it"),
        (
            {"docs": {"space": "DOCS"}},
            "expected a datasource of Coco Server, a list of them or an answer of its search, found an object with docs",
        ),
        ([7], "found a number"),
        ("{", "coco.json: line 1, column 2: this is not JSON"),
    ],
)
def test_what_cannot_be_taken_over_is_said_and_nothing_written(tmp_path, value, said):
    assert said in refused(tmp_path, value, "--connections", tmp_path / "c.json", "--variables", tmp_path / "v.json")
    assert not (tmp_path / "c.json").exists()
    assert not (tmp_path / "v.json").exists()


def test_every_problem_of_every_datasource_is_told_at_once(tmp_path):
    value = [coco_object("a", config={"space": "", "endpoint": ""}), coco_object("b", sync={"interval": "often"})]
    said = refused(tmp_path, value)
    assert all(part in said for part in ("a.connector.config.endpoint", "a.space", "b.interval"))


# ---------------------------------------------------------------- export
CONNECTION = {
    "conn_type": "confluence",
    "host": "https://site.atlassian.net/wiki",
    "login": "me@example.com",
    "password": TOKEN,
}


def exported(folder, datasources, *options):
    done = run("export", "--datasources", written(folder, datasources, "d.json"), *options, "--json")
    assert TOKEN not in done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_datasource_is_written_as_coco_has_it_without_its_token(tmp_path):
    connections = written(tmp_path, {"wiki": CONNECTION}, "connections.json")
    datasource = {"name": "Docs", "space": "DOCS", "conn_id": "wiki", "interval": "10m", "enable_attachments": True}
    code, said = exported(tmp_path, {"docs": datasource}, "--connections", connections)
    assert (code, said["notes"]) == (0, [])
    assert said["datasources"] == [
        {
            "id": "docs",
            "name": "Docs",
            "type": "connector",
            "enabled": True,
            "connector": {
                "id": "confluence",
                "config": {
                    "endpoint": "https://site.atlassian.net/wiki",
                    "username": "me@example.com",
                    "space": "DOCS",
                    "enable_blogposts": False,
                    "enable_attachments": True,
                    "interval": "10m",
                },
            },
            "sync": {"enabled": True, "interval": "10m"},
        }
    ]


def test_a_coco_server_takes_what_is_written(tmp_path):
    _, said = exported(tmp_path, {"docs": {"space": "DOCS"}}, "--endpoint", "https://site.atlassian.net/wiki")
    with FakeCoco() as coco:
        headers = {"X-API-TOKEN": coco.token}
        made = requests.post(f"{coco.endpoint}/datasource/", json=said["datasources"][0], headers=headers, timeout=10)
        assert made.json() == {"_id": "docs", "result": "created"}


def test_what_coco_cannot_do_is_named(tmp_path):
    datasources = {
        "two": {"space": ["A", "B"], "exclude_labels": ["secret"], "root_pages": ["1"]},
        "all": {"space": "*"},
        "plain": {"space": "C", "sink": {"type": "files"}, "max_shards": 2},
    }
    code, said = exported(tmp_path, datasources, "--endpoint", "https://site.atlassian.net/wiki")
    assert code == 1
    assert [one["id"] for one in said["datasources"]] == ["two-A", "two-B", "plain"]
    assert said["notes"] == [
        "two: Coco's connector knows nothing like exclude_labels, root_pages",
        "two: became one datasource for each space, because Coco's connector takes one; their documents have other ids than here",
        "all: left out, because Coco's connector takes one space, not all of them",
    ]


def test_an_address_that_nothing_tells_is_named_and_one_with_a_credential_is_not_shown(tmp_path):
    connections = written(tmp_path, {"confluence_default": {"host": f"https://me:{TOKEN}@x.example"}}, "c.json")
    for options in ([], ["--connections", connections]):
        code, said = exported(tmp_path, {"docs": {"space": "DOCS"}}, *options)
        assert code == 1
        assert said["notes"] == [
            "docs: the address of connection confluence_default is not known, so endpoint is missing"
        ]


def test_only_sound_datasources_are_exported(tmp_path):
    file = written(tmp_path, {"docs": {"spaec": "DOCS"}}, "d.json")
    done = run("export", "--datasources", file)
    assert (done.returncode, done.stdout) == (2, "")
    assert "docs.spaec: unknown setting; did you mean space?" in done.stderr
    done = run("export", "--datasources", file, "--id", "team")
    assert "there is no datasource team; there are: docs" in done.stderr


@given(
    st.fixed_dictionaries(
        {
            "name": st.text(min_size=1).filter(str.strip),
            "space": st.text(min_size=1, max_size=20).filter(lambda key: key.strip() and key != "*"),
            "conn_id": st.just("confluence_default"),
            "enable_blogposts": st.booleans(),
            "enable_attachments": st.booleans(),
            "enabled": st.booleans(),
            "interval": st.sampled_from(["30s", "5m", "1h30m", "24h"]),
        }
    )
)
def test_what_goes_to_coco_and_comes_back_is_the_same(definition):
    datasource = read_datasource("docs", definition)
    objects, notes = give_back({"docs": datasource}, {"confluence_default": CONNECTION})
    assert notes == []
    found = take_over(json.loads(json.dumps(objects)))
    assert read_datasource("docs", found.datasources["docs"]) == datasource
    (connection,) = found.connections.values()
    assert {**connection, "password": TOKEN} == CONNECTION


# ---------------------------------------------------------------- the page
def test_the_commands_of_the_page_run(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, re.search(r"```json\n(.*?)```", PAGE, re.S)[1])
    commands = [line[2:] for block in re.findall(r"```console\n(.*?)```", PAGE, re.S) for line in block.splitlines()]
    assert len(commands) == 3
    said = ""
    for command in commands:
        if " export " in command:
            variables = json.loads((tmp_path / "variables.json").read_text())
            written(tmp_path, variables["confluence_datasources"], "datasources.json")
        assert main(shlex.split(command)[1:]) == 0, capfd.readouterr().err
        said = capfd.readouterr().out
    (written_back,) = json.loads(said)
    example = json.loads((tmp_path / "coco.json").read_text())
    del example["connector"]["config"]["token"]
    example["connector"]["config"]["interval"] = "5m"
    assert written_back == example
