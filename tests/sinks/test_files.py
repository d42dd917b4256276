"""The sink files: what lies in its folder, what it survives, and what it says when something is wrong."""

import gzip
import json
import socket
import threading
from dataclasses import replace

import boto3
import jsonschema
import pytest
import requests

from airflow_provider_confluence.cli.places import Folder
from airflow_provider_confluence.datasource import read_datasource
from airflow_provider_confluence.documents import document_schema
from airflow_provider_confluence.errors import (
    ConfigurationError,
    OwnershipError,
    SinkAccessError,
    SinkCredentialsError,
    SinkUnavailableError,
    StorageError,
    UpgradeNeededError,
)
from airflow_provider_confluence.sinks.files import FilesSink
from airflow_provider_confluence.sinks.registry import make_sink
from airflow_provider_confluence.testing.sink_conformance import (
    DATASOURCE,
    OWNER,
    make_document,
    make_tombstone,
    outcomes,
)
from tests.sinks.object_store import SECRET, new_bucket, place_at
from tests.sinks.test_files_conformance import documents_in

HOUR = 3600.0


class Clock:
    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "docs" / DATASOURCE


@pytest.fixture
def make(tmp_path, clock):
    made = []

    def make():
        sink = FilesSink(tmp_path, "docs", clock=clock)
        made.append(sink)
        sink.open(OWNER)
        return sink

    yield make
    for sink in made:
        sink.close()


def held(sink):
    return {item.content_id: item.revision for item in sink.inventory(DATASOURCE)}


def read(folder):
    """Return revisions by content id, as the program of the documentation finds them."""
    found = documents_in(folder)
    assert len({each["id"] for each in found}) == len(found)
    return {each["content_id"]: each["revision"] for each in found}


def lines_of(folder):
    found = []
    for file in sorted((folder / "batches").iterdir()):
        with gzip.open(file) as lines:
            found += [json.loads(line) for line in lines]
    return found


# ------------------------------------------------------------------------------------------ what lies there
def test_a_line_is_a_document_of_the_published_schema_or_a_deletion(make, folder):
    sink = make()
    document = replace(make_document(1, 7, content="全文 \ud83d \0"), labels=("a",))
    sink.write([document, make_tombstone(2, 8)])

    upsert, delete = lines_of(folder)
    jsonschema.validate(upsert["document"], document_schema())
    assert upsert == {
        "schema_version": 1,
        "op": "upsert",
        "id": document.id,
        "content_id": "1",
        "revision": 7,
        "document": document.to_json(),
    }
    assert delete == {
        "schema_version": 1,
        "op": "delete",
        "id": make_tombstone(2, 8).id,
        "content_id": "2",
        "revision": 8,
    }


def test_a_batch_of_which_nothing_is_new_leaves_no_file(make, folder):
    sink = make()
    sink.write([make_document(1, 2)])
    sink.flush()

    assert outcomes(sink.write([make_document(1, 1), make_tombstone(1, 1)])) == ["superseded", "superseded"]
    sink.flush()
    assert len(list((folder / "batches").iterdir())) == 1
    assert len(list((folder / "current").iterdir())) == 1


def test_the_manifest_counts_the_documents(make, folder):
    sink = make()
    sink.write([make_document(number, 1) for number in range(5)])
    sink.write([make_tombstone(0, 2)])
    sink.flush()

    assert json.loads((folder / "manifest.json").read_text())["documents"] == 4


def test_datasources_of_one_name_lie_beside_each_other(make, tmp_path):
    make().write([make_document(1, 1)])
    other = FilesSink(tmp_path, "docs")
    other.open(replace(OWNER, datasource_id="another"))

    assert sorted(path.name for path in (tmp_path / "docs").iterdir()) == ["another", DATASOURCE]
    assert list(other.inventory("another")) == []
    other.close()


# ------------------------------------------------------------------------------------------ several writers, lost files
def test_shards_that_end_at_the_same_time_leave_one_whole_manifest(make, folder):
    problems = []

    def work(shard, together):
        try:
            sink = make()
            together.wait()
            for number in range(3):
                sink.write([make_document(shard * 100 + number * 10 + each, 1) for each in range(10)])
            sink.flush()
        except BaseException as error:  # noqa: BLE001 - carried to the test's own thread
            problems.append(error)

    for round_ in range(5):
        together = threading.Barrier(4, timeout=30)
        threads = [threading.Thread(target=work, args=(round_ * 4 + shard, together)) for shard in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == []
        assert len(read(folder)) == (round_ + 1) * 120


def test_of_two_writers_the_highest_revision_is_read_whoever_wrote_last(make, folder):
    one, two = make(), make()
    one.write([make_document(1, 9), make_tombstone(2, 9), make_document(3, 8)])
    # It opened before that, so it cannot know; what is read is right nevertheless.
    two.write([make_document(1, 8), make_document(2, 8), make_document(3, 9)])
    one.flush()
    two.flush()

    assert read(folder) == held(one) == {"1": 9, "3": 9}
    assert outcomes(two.write([make_document(1, 8), make_document(2, 8)])) == ["superseded", "superseded"]


@pytest.mark.parametrize("lost", ["manifest.json", "current", "both"])
def test_a_lost_manifest_is_made_anew_from_the_files(make, folder, lost):
    sink = make()
    sink.write([make_document(1, 5), make_document(2, 5)])
    sink.write([make_tombstone(2, 6), make_document(1, 6)])
    sink.flush()
    if lost != "current":
        (folder / "manifest.json").unlink()
    if lost != "manifest.json":
        next((folder / "current").iterdir()).unlink()
    if lost == "current":
        with pytest.raises(StorageError, match="delete it"):
            make()
        (folder / "manifest.json").unlink()

    later = make()
    assert held(later) == {"1": 6}
    assert outcomes(later.write([make_document(2, 5)])) == ["superseded"]
    later.flush()
    assert read(folder) == {"1": 6}


def test_a_file_that_was_removed_by_hand_is_seen_to_be_gone(make, folder):
    sink = make()
    sink.write([make_document(1, 1)])
    (kept,) = (folder / "batches").iterdir()
    sink.write([make_document(2, 1)])
    sink.flush()
    next(file for file in (folder / "batches").iterdir() if file != kept).unlink()

    later = make()
    assert held(later) == {"1": 1}
    assert outcomes(later.write([make_document(2, 1)])) == ["written"]
    later.flush()
    assert read(folder) == {"1": 1, "2": 1}


def test_a_damaged_file_is_named_and_left(make, folder):
    sink = make()
    sink.write([make_document(1, 1)])
    (file,) = (folder / "batches").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-10])

    with pytest.raises(StorageError, match=f"{file.name} is damaged or cut short"):
        make()
    assert file.read_bytes() == whole[:-10]


@pytest.mark.parametrize("name", ["manifest.json", "owner.json"])
def test_what_a_newer_version_wrote_is_not_touched(make, folder, name):
    sink = make()
    sink.write([make_document(1, 1)])
    sink.flush()
    value = json.loads((folder / name).read_text()) | {"format": 2}
    (folder / name).write_text(json.dumps(value))

    with pytest.raises(UpgradeNeededError, match="format 2"):
        make()


def test_a_folder_of_something_else_is_left_as_it_is(make, folder):
    folder.mkdir(parents=True)
    (folder / "thesis.tex").write_text("…")

    with pytest.raises(ConfigurationError, match=r"files of something else \(thesis\.tex\)"):
        make()
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]


def test_who_lost_the_datasource_writes_no_more(make, tmp_path):
    loser = make()
    loser.write([make_document(1, 1)])
    taker = FilesSink(tmp_path, "docs")
    taker.open(replace(OWNER, deployment_id="two"), adopt=True)

    with pytest.raises(OwnershipError):
        loser.write([make_document(1, 2)])
    with pytest.raises(OwnershipError):
        loser.flush()
    assert held(taker) == {"1": 1}
    taker.close()


# ------------------------------------------------------------------------------------------ rewriting
def test_many_small_files_become_few_and_the_old_ones_stay_for_an_hour(make, folder, clock):
    sink = make()
    for number in range(64):
        sink.write([make_document(number, 1)])
    sink.write([make_tombstone(number, 2) for number in range(0, 64, 2)])
    sink.flush()
    expected = {str(number): 1 for number in range(1, 64, 2)}

    assert read(folder) == expected
    assert len(list((folder / "batches").iterdir())) == 66  # 65, and the one that replaces them
    clock.now += HOUR + 1
    sink.flush()
    assert len(list((folder / "batches").iterdir())) == 1
    assert len(list((folder / "current").iterdir())) <= 2
    assert read(folder) == held(sink) == expected
    (folder / "manifest.json").unlink()
    later = make()
    assert held(later) == expected
    assert outcomes(later.write([make_document(0, 1)])) == ["superseded"]


def test_files_of_which_most_is_no_longer_current_are_rewritten(make, folder, clock):
    sink = make()
    for revision in range(1, 12):
        sink.write([make_document(number, revision) for number in range(100)])
    sink.flush()
    clock.now += HOUR + 1
    sink.flush()

    assert len(lines_of(folder)) <= 200
    assert read(folder) == {str(number): 11 for number in range(100)}


def test_two_who_rewrite_at_the_same_time_lose_nothing(make, folder, clock):
    first = make()
    for number in range(70):
        first.write([make_document(number, 1)])
    sinks = [make() for _ in range(4)]
    threads = [threading.Thread(target=sink.flush) for sink in sinks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {str(number): 1 for number in range(70)}
    assert read(folder) == expected
    for _ in range(3):
        clock.now += HOUR + 1
        # The last of them had not looked since the others rewrote and removed.
        for sink in (*sinks, first):
            sink.write([make_document(1000, int(clock.now))])
            sink.flush()
            assert read(folder) == expected | {"1000": int(clock.now)}
    assert len(list((folder / "batches").iterdir())) < 70


def test_a_writer_that_did_not_look_for_hours_forgets_no_document(make, folder, clock):
    """What it remembers is in files that others rewrote and removed meanwhile."""
    busy = make()
    for number in range(70):
        busy.write([make_document(number, 1)])
    stale = make()
    busy.flush()
    clock.now += HOUR + 1
    busy.flush()
    stale.write([make_document(100, int(clock.now))])
    stale.flush()

    expected = {str(number): 1 for number in range(70)} | {"100": int(clock.now)}
    assert read(folder) == held(make()) == expected


def test_a_file_that_is_gone_shows_what_older_files_still_have(make, folder):
    sink = make()
    sink.write([make_document(1, 1), make_document(2, 1), make_document(3, 1)])
    (kept,) = (folder / "batches").iterdir()
    sink.write([make_document(1, 2), make_document(2, 2), make_tombstone(3, 2)])
    sink.flush()
    next(file for file in (folder / "batches").iterdir() if file != kept).unlink()

    later = make()
    assert held(later) == {"1": 1, "2": 1}
    assert outcomes(later.write([make_document(3, 1)])) == ["superseded"]


def test_a_reader_in_the_middle_is_not_hurt_by_rewriting(make, folder, clock):
    sink = make()
    for number in range(64):
        sink.write([make_document(number, 1)])
    sink.flush()
    manifest = json.loads((folder / "manifest.json").read_text())
    clock.now += HOUR + 1
    sink.write([make_document(64, 1)])
    sink.flush()  # removes what was retired before the manifest that was read
    clock.now += HOUR - 1
    sink.write([make_document(65, 1)])
    sink.flush()

    with gzip.open(folder / json.loads((folder / "manifest.json").read_text())["current"]) as lines:
        assert len(list(lines)) == 66
    assert (folder / manifest["current"]).exists()


# ------------------------------------------------------------------------------------------ object stores
def store_sink(place, tmp_path, allowed=None):
    settings = {"type": "files", "path": f"{str(place).rstrip('/')}/export"}
    return make_sink(settings, "docs", storage=tmp_path, allowed_paths=[allowed or place])


def test_a_bucket_that_is_not_there_is_told_as_that(s3, tmp_path):
    sink = store_sink(place_at(s3.port, "no-such-bucket-here"), tmp_path)

    with pytest.raises(ConfigurationError, match="no-such-bucket-here"):
        sink.check()


def test_a_store_where_nobody_listens_is_told_as_that(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sink = store_sink(place_at(port, "bucket"), tmp_path)

    for attempt in (sink.check, lambda: sink.open(OWNER)):
        with pytest.raises(SinkUnavailableError, match="bucket/export"):
            attempt()


@pytest.fixture
def guarded(s3):
    """A bucket of a store that looks at credentials now; the key and secret of a user who may do nothing there."""
    bucket = new_bucket(s3.port)
    iam = boto3.client(
        "iam",
        endpoint_url=f"http://127.0.0.1:{s3.port}",
        region_name="eu-central-1",
        aws_access_key_id="testing",
        aws_secret_access_key=SECRET,
    )
    iam.create_user(UserName="guest")
    made = iam.create_access_key(UserName="guest")["AccessKey"]
    switch = f"http://127.0.0.1:{s3.port}/moto-api/reset-auth"
    requests.post(switch, data=b"0", timeout=10).raise_for_status()
    yield bucket.path.strip("/"), made["AccessKeyId"], made["SecretAccessKey"]
    requests.post(switch, data=b"inf", timeout=10).raise_for_status()
    iam.delete_access_key(UserName="guest", AccessKeyId=made["AccessKeyId"])
    iam.delete_user(UserName="guest")


def test_a_wrong_credential_and_a_missing_permission_are_told_apart(s3, guarded, tmp_path, caplog):
    bucket, key, secret = guarded
    for given, kind in (
        ({"key": "AKIAUNKNOWNUNKNOWN00", "secret": secret}, SinkCredentialsError),
        ({"key": key, "secret": "geheim-and-wrong"}, SinkCredentialsError),
        ({"key": key, "secret": secret}, SinkAccessError),
    ):
        sink = store_sink(place_at(s3.port, bucket, **given), tmp_path)
        for attempt in (sink.check, lambda sink=sink: sink.open(OWNER)):
            with pytest.raises(kind) as caught:
                attempt()
            assert given["secret"] not in str(caught.value)


# ------------------------------------------------------------------------------------------ places
@pytest.mark.parametrize(
    "path",
    [
        "s3://other/export",
        "s3://bucket/exports",
        "s3://bucket",
        "s3://bucket/export/../secret",
        "s3://bucket/export//x",
        "s3://bucket/export/./x",
        "s3://conn@bucket/export",
        "gs://bucket/export/x",
        "simplecache::s3://bucket/export",
        "file:///etc",
        "s3://bucket/export/\0",
    ],
)
def test_an_address_that_is_not_below_an_allowed_one_is_refused(tmp_path, path):
    allowed = place_at(1, "bucket") / "export"

    with pytest.raises(ConfigurationError, match=r"sink\.path"):
        make_sink({"type": "files", "path": path}, "docs", storage=tmp_path, allowed_paths=[allowed])


@pytest.mark.parametrize("path", ["s3://bucket/export", "s3://bucket/export/", "s3://bucket/export/a/b"])
def test_an_address_below_an_allowed_one_is_taken_and_looked_at_later(tmp_path, path):
    allowed = place_at(1, "bucket") / "export"

    make_sink({"type": "files", "path": path}, "docs", storage=tmp_path, allowed_paths=[tmp_path, allowed]).close()


def test_an_allowed_address_opens_no_folder(tmp_path):
    allowed = place_at(1, "bucket")

    for type_ in ("files", "local"):
        with pytest.raises(ConfigurationError, match="outside of"):
            make_sink({"type": type_, "path": "/bucket"}, "docs", storage=tmp_path, allowed_paths=[allowed])


def test_a_folder_lies_below_the_storage_or_an_allowed_one(tmp_path):
    storage, allowed = tmp_path / "storage", tmp_path / "allowed"
    for path in ("sub", str(allowed / "x"), f"file://{allowed}/x"):
        sink = make_sink({"type": "files", "path": path}, "docs", storage=storage, allowed_paths=[allowed])
        sink.check()
        sink.close()
    assert (storage / "sub" / "docs").is_dir()
    assert (allowed / "x" / "docs").is_dir()
    for path in ("..", "/etc", "", 3):
        with pytest.raises(ConfigurationError, match=r"sink\.path"):
            make_sink({"type": "files", "path": path}, "docs", storage=storage, allowed_paths=[allowed])


@pytest.mark.parametrize("settings", [{"paht": "x"}, {"max_document_bytes": 0}, {"max_document_bytes": "1"}])
def test_a_setting_that_is_none_is_named(tmp_path, settings):
    with pytest.raises(ConfigurationError, match=rf"sink\.{next(iter(settings))}"):
        make_sink({"type": "files", **settings}, "docs", storage=tmp_path)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", ".hidden", "a\0b", "x" * 101])
def test_a_destination_that_could_lead_elsewhere_is_refused(tmp_path, name):
    with pytest.raises(ConfigurationError, match=r"queue\.name"):
        make_sink({"type": "files"}, name, storage=tmp_path)


@pytest.mark.parametrize("path", ["s3://bucket/export", "s3://aws_default@bucket/export", "/srv/export"])
def test_who_types_a_command_may_name_any_place_and_it_is_looked_at_later(tmp_path, path):
    datasource = read_datasource("docs", {"space": "DOCS", "sink": {"type": "files", "path": path}})

    Folder(tmp_path).make_sink(datasource).close()
