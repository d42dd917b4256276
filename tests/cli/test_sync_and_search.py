"""The console command, run as a user runs it: in a process of its own, against a running sandbox."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from airflow_provider_confluence.cli.search import index_file
from airflow_provider_confluence.documents import instant, rfc3339
from airflow_provider_confluence.sinks.local import LocalSink
from airflow_provider_confluence.testing.sandbox.permissions import EVERYONE
from airflow_provider_confluence.testing.sink_conformance import OWNER, make_document
from tests.cli.program import PROGRAM, credentials, run


def test_sync_then_search_finds_the_page_with_title_snippet_and_address(filled, tmp_path):
    done = run("sync", *credentials(filled), "--space", "DOCS", "--storage", tmp_path, token=filled.token)
    assert done.returncode == 0, done.stderr
    counts = r"listed 1, fetched 1, unchanged 0, deleted 0, failed 0, requests \d+, seconds \d+\.\d"
    assert re.fullmatch(counts, done.stdout.strip())
    found = run("search", "roll", "deployment", "--storage", tmp_path)
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert lines[0] == "Rollback  [DOCS, page]"
    assert lines[1].strip() == "How to roll back a deployment"
    assert lines[2].strip().startswith(filled.endpoint)
    assert lines[-1] == "1 hit"


def test_blogposts_attachments_and_comments_are_indexed_when_asked_for(filled, tmp_path):
    comment = filled.model.create_comment(filled.model.find("Rollback"), "<p>Mind the brake</p>")
    options = ["--space", "DOCS", "--blogposts", "--attachments", "--comments", "--storage", tmp_path]
    assert run("sync", *credentials(filled), *options, token=filled.token).stdout.startswith("listed 4, fetched 4,")
    again = run("sync", *credentials(filled), *options, token=filled.token)
    assert again.stdout.startswith("listed 4, fetched 0, unchanged 4,")
    found = run("search", "brake", "--type", "comment", "--storage", tmp_path).stdout.splitlines()
    assert found[0] == "Re: Rollback  [DOCS, comment]"
    assert f"focusedCommentId={comment}" in found[2]


def test_items_that_are_named_are_looked_at_alone(filled, tmp_path):
    page = filled.model.find("Rollback")
    options = [*credentials(filled), "--space", "DOCS", "--storage", tmp_path]
    run("sync", *options, token=filled.token)
    done = run("sync", *options, "--content-ids", page, "999999", token=filled.token)
    assert (done.returncode, done.stdout.partition(", unchanged")[0]) == (0, "listed 1, fetched 1")
    assert "note: Confluence shows this account nothing with the id 999999" in done.stderr


def test_the_token_is_taken_from_the_environment_alone(filled, tmp_path):
    done = run("sync", *credentials(filled), "--space", "DOCS", "--storage", tmp_path)
    assert done.returncode == 2
    assert "CONFLUENCE_TOKEN is not set" in done.stderr
    assert run("sync", "--token", "x", *credentials(filled), "--space", "DOCS", "--storage", tmp_path).returncode == 2


def test_a_wrong_token_is_said_plainly_and_not_repeated(filled, tmp_path):
    done = run("sync", *credentials(filled), "--space", "DOCS", "--storage", tmp_path, token="wr0ng-t0ken")
    assert done.returncode == 2
    assert "token" in done.stderr
    assert "wr0ng-t0ken" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_space_that_does_not_exist_is_named(filled, tmp_path):
    done = run("sync", *credentials(filled), "--space", "NOPE", "--storage", tmp_path, token=filled.token)
    assert done.returncode == 2
    assert "NOPE" in done.stderr


@pytest.mark.parametrize("endpoint", ["ftp://example.org/wiki", "example.org/wiki", "file:///etc/passwd", ""])
def test_an_endpoint_that_is_no_web_address_is_refused(endpoint, tmp_path):
    done = run("sync", "--endpoint", endpoint, "--space", "DOCS", "--storage", tmp_path, token="t0ken-value")
    assert done.returncode == 2
    assert "http" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_storage_folder_that_cannot_be_written_is_said_plainly(filled, tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = run("sync", *credentials(filled), "--space", "DOCS", "--storage", tmp_path / "file", token=filled.token)
    assert done.returncode == 2
    assert "cannot" in done.stderr
    assert str(tmp_path / "file") in done.stderr
    assert "Traceback" not in done.stderr


def test_searching_before_anything_was_indexed_says_so(tmp_path):
    done = run("search", "anything", "--storage", tmp_path)
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr


def test_a_search_is_narrowed_paged_and_counted(filled_cloud, tmp_path):
    model = filled_cloud.model
    model.create_space("OPS", "Operations")
    model.create_page("OPS", "Deployments", "<p>deployment of the week</p>", labels=["weekly"])
    options = ["--space", "DOCS", "--space", "OPS", "--blogposts", "--id", "wiki", "--storage", tmp_path]
    assert run("sync", *credentials(filled_cloud), *options, token=filled_cloud.token).returncode == 0

    def search(*arguments):
        done = run("search", *arguments, "--storage", tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def titles(*arguments):
        return {line.partition("  [")[0] for line in search(*arguments) if "  [" in line}

    assert titles("deployment") == {"Rollback", "Deployments"}
    assert titles("deploym", "--prefix", "--label", "weekly") == {"Deployments"}
    assert titles("--space", "OPS", "--type", "page", "--type", "blogpost") == {"Deployments"}
    assert titles("--type", "page", "--type", "blogpost") == {"Rollback", "Deployments", "News"}
    assert search("--datasource", "other") == ["0 hits"]
    assert titles("--limit", "1") | titles("--limit", "5", "--offset", "1") == {"Rollback", "Deployments", "News"}
    assert search("deployment", "--limit", "0", "--facets", "space,label,type") == [
        "space: DOCS 1, OPS 1",
        "label: weekly 1",
        "type: page 2",
        "2 hits",
    ]
    year = f"{json.loads(chr(10).join(search('--json', '--limit', '1')))['hits'][0]['updated'][:4]}"
    assert search("--since", year, "--until", year, "--limit", "0") == ["3 hits"]
    assert search("--until", str(int(year) - 1), "--limit", "0") == ["0 hits"]
    counted = json.loads("\n".join(search("--json", "--facets", "year,space", "--limit", "0")))
    assert counted == {"total": 3, "hits": [], "facets": {"year": {year: 3}, "space": {"DOCS": 2, "OPS": 1}}}


def test_somebody_finds_counts_and_is_shown_what_that_person_may_read(filled, tmp_path):
    """Cloud names people by account ids and groups by ids, Data Center by user keys and names."""
    model = filled.model
    model.add_user("5b10:anna", "Anna")
    model.add_user("5b10:ben", "Ben")
    model.permissions.add_group("Sales, EMEA", ["5b10:anna"])
    model.restrict(model.find("Rollback"), groups=["Sales, EMEA"])
    done = run(
        *("sync", *credentials(filled), "--space", "DOCS", "--set", "enable_permissions=true", "--storage", tmp_path),
        token=filled.token,
    )
    assert done.returncode == 0, done.stderr
    groups = model.permissions.groups
    sales, everyone = (
        groups[name].id if filled.edition == "cloud" else f'"{name}"' for name in ("Sales, EMEA", EVERYONE)
    )

    def search(*arguments):
        done = run("search", "deployment", "--facets", "space", *arguments, "--storage", tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    anna = ["--as", "5b10:anna", "--groups", f"{everyone},{sales}"]
    assert search(*anna)[0].startswith("Rollback  [")
    assert search(*anna, "--limit", "0") == ["space: DOCS 1", "1 hit"]
    assert search("--as", "5b10:ben", "--groups", everyone) == ["space: none", "0 hits"]
    assert search("--as", "anonymous") == ["space: none", "0 hits"]
    found = json.loads("\n".join(search(*anna, "--json")))
    assert (found["total"], found["facets"], len(found["hits"])) == (1, {"space": {"DOCS": 1}}, 1)


def test_a_group_whose_name_holds_a_comma_stands_in_double_quotes(tmp_path):
    write_as(tmp_path, [["group:Sales, EMEA"], ["group:staff"]])
    found = run("search", "page", "--as", "anna", "--groups", 'staff, "Sales, EMEA"', "--storage", tmp_path)
    assert found.stdout.endswith("1 hit\n")
    assert run("search", "page", "--as", "anna", "--groups", "staff", "--storage", tmp_path).stdout == "0 hits\n"


def test_documents_that_do_not_say_who_may_read_are_left_out_and_their_datasources_counted(tmp_path):
    write_as(tmp_path, None)
    for more in ([], ["--json"]):
        done = run("search", "page", "--as", "anna", *more, "--storage", tmp_path)
        assert (
            "1 datasource has documents that do not say who may read them, which are left out (conformance)"
            in done.stderr
        )
        assert (done.stdout == "0 hits\n") if not more else json.loads(done.stdout)["total"] == 0
    everything = run("search", "page", "--storage", tmp_path)
    assert (everything.stdout.endswith("1 hit\n"), everything.stderr) == (True, "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--groups", "staff"], "Name the person with --as"),
        (["--as", "anonymous", "--groups", "staff"], "a visitor is in no group"),
        (["--as", "user:anna"], "is not the id of a user; write it as Confluence has it, without user:"),
        (["--as", "anna", "--groups", "group:staff"], "is not the id of a group"),
        (["--as", ""], "is not the id of a user"),
    ],
)
def test_a_person_who_is_named_wrongly_is_refused_with_what_is_right(tmp_path, options, said):
    write_as(tmp_path, [["anonymous"]])
    done = run("search", "page", *options, "--storage", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def write_as(tmp_path, permissions):
    """Write a document with these permissions into the index that ``search`` reads."""
    sink = LocalSink(index_file(tmp_path))
    sink.open(OWNER)
    sink.write([replace(make_document(1, 1), permissions=permissions)])
    sink.close()


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("2026", "2026-01-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z"),
        ("2024-02", "2024-02-01T00:00:00.000Z", "2024-03-01T00:00:00.000Z"),
        ("2026-12-31", "2026-12-31T00:00:00.000Z", "2027-01-01T00:00:00.000Z"),
        ("2026-03-31T09:30:00+02:00", "2026-03-31T07:30:00.000Z", "2026-03-31T07:30:00.000Z"),
    ],
)
def test_a_date_stands_for_the_whole_of_its_day_month_or_year(tmp_path, text, since, until):
    instants = sorted({since, until, *(_shifted(instant, -1) for instant in (since, until))})
    write_local(tmp_path, instants)

    def dates(option):
        done = run("search", option, text, "--json", "--storage", tmp_path)
        return {hit["updated"] for hit in json.loads(done.stdout)["hits"]}

    assert dates("--since") == {instant for instant in instants if instant >= since}
    assert dates("--until") == {instant for instant in instants if instant < until}


def write_local(folder, instants):
    """Write a document for each instant into the index that ``search`` reads."""
    sink = LocalSink(index_file(folder))
    sink.open(OWNER)
    sink.write([replace(make_document(n, 1), updated=instant) for n, instant in enumerate(instants)])
    sink.close()


def _shifted(text, milliseconds):
    return rfc3339(instant(text) + timedelta(milliseconds=milliseconds))


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--since", "yesterday", "2026-03-31"),
        ("--since", "2026-13", "2026-03-31"),
        ("--until", "9999", "2026-03-31"),
        ("--until", "2026-03-31T09:30", "2026-03-31"),
        ("--since", "0001-01-01T00:00+01:00", "2026-03-31"),
        ("--facets", "space,author", "'author' is none of space, type, label"),
        ("--limit", "-1", "negative"),
    ],
)
def test_an_option_of_search_that_makes_no_sense_is_refused_with_what_does(tmp_path, option, value, said):
    done = run("search", "word", option, value, "--storage", tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_every_command_answers_as_json_when_asked_to(filled, tmp_path):
    synced = run("sync", *credentials(filled), "--space", "DOCS", "--storage", tmp_path, "--json", token=filled.token)
    result = json.loads(synced.stdout)
    assert (result["clean"], result["counts"]["written"], result["mode"]) == (True, 1, "full")
    found = json.loads(run("search", "rollback", "--storage", tmp_path, "--json").stdout)
    assert (found["total"], [hit["title"] for hit in found["hits"]]) == (1, ["Rollback"])
    adopted = json.loads(run("adopt", "DOCS", "--storage", tmp_path, "--json").stdout)
    assert adopted["datasource_id"] == "DOCS"


# ---------------------------------------------------------------- the datasource
def test_any_setting_of_a_datasource_can_be_set(filled_cloud, tmp_path):
    model = filled_cloud.model
    model.create_space("OLD", "Old")
    model.create_page("OLD", "Old page", "<p>x</p>")
    model.create_page("DOCS", "Draft", "<p>x</p>", labels=["draft"])
    home = model.create_page("DOCS", "Home", "<p>x</p>", labels=["a"])
    model.create_page("DOCS", "Below", "<p>x</p>", parent=home)
    everything = ["sync", *credentials(filled_cloud), "--space", "*"]

    def listed(*settings):
        options = [word for setting in settings for word in ("--set", setting)]
        done = run(*everything, *options, "--storage", tmp_path / "-".join(settings), token=filled_cloud.token)
        assert done.returncode == 0, done.stderr
        return int(re.match(r"listed (\d+)", done.stdout)[1])

    assert listed() == 5
    assert listed("exclude_spaces=OLD") == 4
    assert listed("exclude_labels=draft, a") == 3
    assert listed('exclude_labels=["draft"]', "enable_blogposts=true") == 5
    assert listed(f"root_pages={home}") == 2
    assert listed("queue.name=elsewhere") == 5
    found = run("search", "old", "--queue", "elsewhere", "--storage", tmp_path / "queue.name=elsewhere")
    assert found.stdout.splitlines()[-1] == "1 hit"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("exclude_label=x", "DOCS.exclude_label: unknown setting"),
        ("enable_blogposts=maybe", "DOCS.enable_blogposts: expected true or false"),
        ("nothing", "expected SETTING=VALUE"),
        (".name=x", "expected SETTING=VALUE"),
        ("token=secret", "belong into the connection"),
    ],
)
def test_a_setting_that_is_wrong_is_named(setting, said, tmp_path):
    where = ["--endpoint", "http://127.0.0.1:9/wiki", "--storage", tmp_path, "--space", "DOCS"]
    done = run("sync", *where, "--set", setting, token="t")
    assert done.returncode == 2
    assert said in done.stderr


def test_a_definition_is_taken_from_a_file_and_overruled_by_the_options(filled_cloud, tmp_path):
    file = tmp_path / "datasources.json"
    file.write_text(json.dumps({"docs": {"name": "Docs", "space": "DOCS", "enable_blogposts": True}}))
    where = ["sync", *credentials(filled_cloud), "--datasources", file, "--storage", tmp_path / "s"]
    assert run(*where, token=filled_cloud.token).stdout.startswith("listed 2,")
    assert (tmp_path / "s" / "docs" / "head.json").exists()
    assert run(*where, "--attachments", token=filled_cloud.token).stdout.startswith("listed 3,")


@pytest.mark.parametrize(
    "text", ["docs: {space: DOCS, enable_blogposts: true}\n", '{"docs": {"space": "DOCS", "enable_blogposts": true}}']
)
def test_a_file_of_definitions_may_be_yaml_or_come_from_standard_input(filled_cloud, tmp_path, text):
    file = "-" if text.startswith("{") else tmp_path / "datasources.yaml"
    (tmp_path / "datasources.yaml").write_text(text)
    done = run(
        *["sync", *credentials(filled_cloud), "--datasources", file, "--storage", tmp_path / "s"],
        token=filled_cloud.token,
        given=text,
    )
    assert done.stdout.startswith("listed 2,"), done.stderr


def test_a_key_given_twice_in_a_file_is_told(tmp_path):
    file = tmp_path / "datasources.yaml"
    where = ["sync", "--endpoint", "http://127.0.0.1:9/wiki", "--storage", tmp_path, "--datasources", file]
    for text, said in (
        ("docs: {space: A, space: B}", "docs.space: this key is given twice in one object"),
        ("docs: {space: A}\ndocs: {space: B}", "docs: this id is given twice"),
        ("[docs]", "datasources.yaml: expected an object with one entry a datasource, found a list"),
        ("docs: {", "datasources.yaml: line 1, column 8: this is not YAML"),
    ):
        file.write_text(text)
        done = run(*where, token="t")
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_a_file_of_several_definitions_asks_which(tmp_path):
    file = tmp_path / "datasources.json"
    file.write_text(json.dumps({"docs": {"space": "DOCS"}, "ops": {"space": "OPS"}}))
    where = ["sync", "--endpoint", "http://127.0.0.1:9/wiki", "--storage", tmp_path, "--datasources"]
    for options, said in (
        ([file], "--id must choose a datasource; there are: docs, ops"),
        ([file, "--id", "wiki"], "there is no datasource wiki; there are: docs, ops"),
        ([tmp_path / "absent.json"], "absent.json cannot be read"),
    ):
        done = run(*where, *options, token="t")
        assert done.returncode == 2
        assert said in done.stderr


def test_a_sync_of_no_space_says_what_is_missing(tmp_path):
    done = run("sync", "--endpoint", "http://127.0.0.1:9/wiki", "--storage", tmp_path, token="t")
    assert done.returncode == 2
    assert "--space" in done.stderr


def test_adopt_takes_the_documents_over_from_another_deployment(filled, tmp_path):
    options = ["--space", "DOCS", "--storage", tmp_path]
    run("sync", *credentials(filled), *options, token=filled.token)
    (tmp_path / "instance.json").unlink()
    filled.model.create_page("DOCS", "Another", "<p>x</p>")
    refused = run("sync", *credentials(filled), *options, token=filled.token)
    assert refused.returncode == 2
    assert "airflow-confluence adopt DOCS" in refused.stderr
    assert run("adopt", "DOCS", "--storage", tmp_path).returncode == 0
    assert run("sync", *credentials(filled), *options, token=filled.token).returncode == 0


@pytest.mark.parametrize("ran_before", [False, True])
def test_adopt_takes_over_at_a_sink_that_no_run_of_this_deployment_could_write_yet(filled, tmp_path, ran_before):
    """Neither a first run nor one after a change of the destination comes to a plan where the sink refuses it."""
    options = ["--space", "DOCS", "--set", f"sink={json.dumps({'type': 'local', 'path': str(tmp_path / 'shared')})}"]
    other = run("sync", *credentials(filled), *options, "--storage", tmp_path / "other", token=filled.token)
    assert other.returncode == 0, other.stderr
    ours = ["--storage", tmp_path / "ours"]
    assert run("adopt", "DOCS", *ours).returncode == 2
    if ran_before:
        assert run("sync", *credentials(filled), "--space", "DOCS", *ours, token=filled.token).returncode == 0
    refused = run("sync", *credentials(filled), *options, *ours, token=filled.token)
    assert (refused.returncode, "airflow-confluence adopt DOCS" in refused.stderr) == (2, True)
    assert run("adopt", "DOCS", *ours).returncode == 0
    assert run("sync", *credentials(filled), *options, *ours, token=filled.token).returncode == 0
    verify = [
        "--storage",
        tmp_path / "other",
        "--mode",
        "verify",
    ]  # with nothing to write, only this mode asks the sink
    assert run("sync", *credentials(filled), *options, *verify, token=filled.token).returncode == 2
    assert run("purge", "DOCS", *ours, "--yes").returncode == 0
    assert sorted(path.name for path in (tmp_path / "ours" / "DOCS").iterdir()) == ["claim.json"]


def test_no_secret_is_left_in_what_a_run_writes_or_prints(filled, tmp_path):
    import base64
    import gzip

    done = run("sync", *credentials(filled), "--space", "DOCS", "--storage", tmp_path, token=filled.token)
    basic = base64.b64encode(f"{filled.username}:{filled.token}".encode()).decode()
    texts = [done.stdout.encode(), done.stderr.encode()]
    for path in tmp_path.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            texts.append(gzip.decompress(data) if path.suffix == ".gz" else data)
    assert len(texts) > 5
    assert not [text for text in texts if filled.token.encode() in text or basic.encode() in text]


def test_sandbox_serves_until_it_is_stopped(tmp_path):
    with subprocess.Popen([*PROGRAM, "sandbox"], stdout=subprocess.PIPE, text=True) as served:
        try:
            said = {}
            for line in served.stdout:
                name, _, value = line.partition(" ")
                said[name] = value.strip()
                if {"endpoint", "username", "token"} <= said.keys():
                    break
            done = run(
                *(
                    "sync",
                    "--endpoint",
                    said["endpoint"],
                    "--username",
                    said["username"],
                    "--space",
                    "DOCS",
                    "--storage",
                    tmp_path,
                ),
                token=said["token"],
            )
            assert done.returncode == 0, done.stderr
        finally:
            served.terminate()


def test_the_sandbox_says_where_it_is_as_json():
    with subprocess.Popen([*PROGRAM, "sandbox", "--json"], stdout=subprocess.PIPE, text=True) as served:
        try:
            said = json.loads(served.stdout.readline())
        finally:
            served.terminate()
    assert {"endpoint", "username", "token", "spaces", "admin"} == said.keys()
    assert "DOCS" in said["spaces"]


def test_a_connection_to_the_sandbox_outlives_its_restart():
    def serve(*options):
        with subprocess.Popen([*PROGRAM, "sandbox", "--json", *options], stdout=subprocess.PIPE, text=True) as served:
            try:
                said = json.loads(served.stdout.readline())
                done = run("check", "--endpoint", said["endpoint"], "--username", said["username"], token="made-up")
            finally:
                served.terminate()
        return said["endpoint"], done.returncode

    endpoint, code = serve("--token", "made-up")
    assert code == 0
    port = endpoint.removesuffix("/wiki").rpartition(":")[2]
    assert serve("--token", "made-up", "--port", port) == (endpoint, 0)


def test_these_commands_import_no_airflow():
    script = """
import sys
from airflow_provider_confluence.cli import main
try:
    main(["--help"])
except SystemExit:
    print("airflow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
