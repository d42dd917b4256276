"""The local sink beyond the common contract: its file, its errors, its owner."""

import re
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from airflow_provider_confluence.errors import OwnershipError, SinkUnavailableError, StorageError, UpgradeNeededError
from airflow_provider_confluence.sinks._local_file import network_file_system
from airflow_provider_confluence.sinks.local import LocalIndex, LocalSink
from airflow_provider_confluence.testing.sink_conformance import DATASOURCE, OWNER, make_document, make_tombstone
from airflow_provider_confluence.testing.sink_processes import writer_process


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder made by the sink" / "docs.sqlite3"


@pytest.fixture
def sink(path):
    sink = LocalSink(path)
    sink.open(OWNER)
    yield sink
    sink.close()


def held(sink):
    return {item.content_id: item.revision for item in sink.inventory(DATASOURCE)}


# ------------------------------------------------------------------------------------------ the file
def test_making_a_sink_touches_nothing(path):
    LocalSink(path).close()

    assert not path.parent.exists()


def test_opening_leaves_one_file_that_others_cannot_read(path):
    sink = LocalSink(path)
    sink.open(OWNER)
    sink.close()

    assert [path.name] == [found.name for found in path.parent.iterdir()]
    assert path.stat().st_mode & 0o007 == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"not a database at all", "not an SQLite database"),
        (b"SQLite format 3\0" + b"\xff" * 5_000, "not a database|malformed"),
    ],
    ids=["empty", "text", "garbage"],
)
def test_a_file_that_is_no_index_is_refused_and_left_alone(tmp_path, content, said):
    path = tmp_path / "docs.sqlite3"
    path.write_bytes(content)

    with pytest.raises(StorageError, match=said):
        LocalSink(path).open(OWNER)
    assert path.read_bytes() == content


def test_a_file_cut_short_is_refused_and_left_alone(path, sink):
    sink.write([make_document(number, 1, content="text " * 1_000) for number in range(100)])
    sink.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(StorageError, match="cut short"):
        sink.open(OWNER)
    assert path.read_bytes() == whole[: len(whole) // 2]


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "docs.sqlite3"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()

    with pytest.raises(StorageError, match="another program"):
        LocalSink(path).open(OWNER)
    assert path.read_bytes() == before


def test_a_file_of_a_newer_format_asks_for_an_upgrade(path, sink):
    sink.close()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 99")

    with pytest.raises(UpgradeNeededError, match="format 99"):
        sink.open(OWNER)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StorageError, match="cannot be made"):
        LocalSink(tmp_path / "file" / "docs.sqlite3").open(OWNER)


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/home/airflow/index", None),
        ("/mnt/share/index", "nfs4"),
        ("/mnt/share", "nfs4"),
        ("/mnt/sharely", None),
        ("/mnt/share/local/index", None),
        ("/mnt/with space/index", "cifs"),
        ("/mnt/bucket", "fuse.s3fs"),
        ("/mnt/encrypted", None),
        ("/mnt/twice", "smb3"),
    ],
)
def test_a_network_file_system_is_known_by_the_nearest_mount(folder, expected):
    mounts = textwrap.dedent(
        """\
        /dev/vda / ext4 rw,relatime 0 0
        proc /proc proc rw 0 0
        server:/export /mnt/share nfs4 rw,vers=4.2 0 0
        /dev/vdb /mnt/share/local xfs rw 0 0
        //server/files /mnt/with\\040space cifs rw 0 0
        s3fs /mnt/bucket fuse.s3fs rw 0 0
        gocryptfs /mnt/encrypted fuse.gocryptfs rw 0 0
        /dev/vdc /mnt/twice ext4 rw 0 0
        //server/more /mnt/twice smb3 rw 0 0

        cut
        """
    )

    assert network_file_system(Path(folder), mounts) == expected


def test_an_index_of_the_root_on_the_network_is_known():
    assert network_file_system(Path("/var/index"), "server:/root / nfs rw 0 0\n") == "nfs"


# ------------------------------------------------------------------------------------------ writing
def test_writing_before_opening_is_a_mistake_of_the_caller(path):
    with pytest.raises(RuntimeError, match="open"):
        LocalSink(path).write([make_document(1, 1)])


@pytest.mark.parametrize(
    "odd",
    [
        make_document(2, 1, datasource_id="another"),
        make_document(2, 2**63),
        make_document(2, -1),
        make_tombstone(2, 2**63),
        replace(make_document(2, 1), properties={"x": object()}),
        replace(make_document(2, 1), properties={"x": float("nan")}),
        replace(make_document(2, 1), content_id="\ud800"),
    ],
    ids=["datasource", "large", "negative", "large tombstone", "object", "nan", "surrogate id"],
)
def test_an_item_that_can_never_be_written_is_rejected_alone(sink, odd):
    answers = sink.write([make_document(1, 1), odd, make_document(3, 1)])

    assert [answer.outcome for answer in answers] == ["written", "rejected", "written"]
    assert answers[1].reason
    assert held(sink) == {"1": 1, "3": 1}


def test_a_lock_held_by_somebody_else_means_later(path, sink):
    patient, hasty = sink, LocalSink(path, busy_timeout_seconds=0.05)
    hasty.open(OWNER)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(SinkUnavailableError, match="locked"):
            hasty.write([make_document(1, 1)])
        other.execute("ROLLBACK")

    assert [answer.outcome for answer in hasty.write([make_document(1, 1)])] == ["written"]
    assert held(patient) == {"1": 1}
    hasty.close()


def test_the_full_text_index_agrees_with_the_documents_after_any_writes(path, sink):
    for revision in range(1, 6):
        sink.write([make_document(number, revision) for number in range(30)])
        sink.write([make_tombstone(number, revision + 1) for number in range(revision, 30, 7)])
        sink.write([make_document(number, revision) for number in range(30)])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO doc_fts (doc_fts, rank) VALUES ('integrity-check', 1)")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_full_disk_means_later_and_loses_nothing_acknowledged(tmp_path, pytestconfig):
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("not checked: needs unshare to mount a small file system")
    mounted = [unshare, "-rm", "sh", "-c", 'mount -t tmpfs -o size=1500k none "$0" && exec "$@"', str(tmp_path)]
    if subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("not checked: this user may not mount a small file system")
    script = """
        import sys
        from pathlib import Path
        from airflow_provider_confluence.errors import SinkUnavailableError
        from airflow_provider_confluence.sinks.local import LocalSink
        from airflow_provider_confluence.testing.sink_conformance import DATASOURCE, OWNER, make_document
        folder = Path(sys.argv[1])
        (folder / "ballast").write_bytes(bytes(600_000))
        sink, written = LocalSink(folder / "docs.sqlite3"), set()
        sink.open(OWNER)
        def write(number):
            sink.write([make_document(number, 1, content=f"words {number} " * 400)])
            written.add(str(number))
        try:
            for number in range(2_000):
                write(number)
            sys.exit("the disk never was full")
        except SinkUnavailableError as error:
            assert "free space" in str(error), error
        (folder / "ballast").unlink()
        write(9_999)
        assert {item.content_id for item in sink.inventory(DATASOURCE)} == written
        assert len(written) > 2
        sink.close()
        print("as expected")
    """
    ran = subprocess.run(
        [*mounted, sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(pytestconfig.rootpath), "PATH": "/usr/bin:/bin"},
    )

    assert ran.stdout == "as expected\n", ran.stderr


# ------------------------------------------------------------------------------------------ owners and neighbours
def test_a_deployment_that_lost_the_datasource_in_mid_run_writes_no_more(path, sink):
    sink.write([make_document(1, 1)])
    heir = LocalSink(path)
    heir.open(replace(OWNER, deployment_id="deployment-two"), adopt=True)
    heir.close()

    with pytest.raises(OwnershipError):
        sink.write([make_tombstone(1, 2)])
    assert held(sink) == {"1": 1}


def test_the_refusal_names_both_owners(path, sink):
    with pytest.raises(OwnershipError) as caught:
        LocalSink(path).open(replace(OWNER, deployment_id="deployment-two"))

    assert {"deployment-one", "deployment-two", OWNER.site} <= set(
        str(caught.value).replace(",", " ").replace(";", " ").split()
    )


def test_a_reader_in_another_process_sees_whole_batches_while_a_writer_writes(path):
    batches = [
        [make_document(number, 1, content="common word") for number in range(n, n + 25)] for n in range(0, 750, 25)
    ]
    totals = []
    with writer_process(partial(LocalSink, path), OWNER, batches) as writer, LocalIndex(path) as index:
        for _ in batches:
            assert writer.next_outcomes() == ["written"] * 25
            totals.append(index.search("common").total)
        assert writer.next_outcomes() is None
        totals.append(index.search("common").total)

    assert [total % 25 for total in totals] == [0] * len(totals)
    assert totals == sorted(totals)
    assert totals[-1] == 750


def test_many_processes_may_make_the_index_at_once(path):
    batch = [make_document(1, 1)]
    with (
        writer_process(partial(LocalSink, path), OWNER, [batch]) as one,
        writer_process(partial(LocalSink, path), OWNER, [batch]) as two,
    ):
        assert [one.next_outcomes(), two.next_outcomes()] == [["written"], ["written"]]
        assert [one.next_outcomes(), two.next_outcomes()] == [None, None]
    with LocalIndex(path) as index:
        assert index.counts() == {"page": 1}


# ------------------------------------------------------------------------------------------ the page about it
def test_the_examples_of_the_documentation_run(tmp_path, monkeypatch, capsys, pytestconfig):
    page = (pytestconfig.rootpath / "docs" / "sinks" / "local.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    sink = LocalSink(Path("indexing_documents.sqlite3"))
    sink.open(OWNER)
    group = re.search(r'groups=\["(.+?)"\]', page)[1]
    text = "the release notes of May"
    sink.write(
        [
            replace(
                make_document(1, 1, title="Plan", content=text), permissions=[["authenticated"], [f"group:{group}"]]
            ),
            replace(
                make_document(2, 1, title="Draft", content=text),
                permissions=[["authenticated"], ["user:ben"]],
                type="note",
            ),
        ]
    )
    sink.close()

    exec(compile("\n".join(examples), "local.md", "exec"), {})
    said = (
        "2\nPlan https://one.example.com/wiki/pages/1 the **release** **notes** of May\n"
        "Draft https://one.example.com/wiki/pages/2 the **release** **notes** of May\n"
        "{'DOCS': 1}\n{'2026-03': 1}\n1 {'space': {'DOCS': 1}} 0\n"
    )
    assert capsys.readouterr().out == said
