"""The text of attached files comes into the index, once for each version, and a bad file spoils nothing."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_confluence.content.attachments import ExtractorSettings, ImageReader
from airflow_provider_confluence.sync import extract, list_changes
from airflow_provider_confluence.testing.sandbox.faults import During, Respond
from airflow_provider_confluence.testing.sandbox.web import Request
from tests.content import attachment_files as files
from tests.sync.conftest import Wiki
from tests.sync.histories import StopAt, Stopped

WORDS = "The evacuation assembly point is the quayside"


def guide(wiki: Wiki) -> str:
    return next(record.id for record in wiki.model.visible(["DOCS"], ["page"]) if record.title == "Guide")


def attach(wiki: Wiki, name: str, data: bytes, media_type: str = "application/octet-stream") -> str:
    return str(wiki.model.attach(guide(wiki), name, data, media_type))


def downloads(wiki: Wiki) -> int:
    return int(wiki.sandbox.requests.count("*/download*"))


def cached(wiki: Wiki) -> list[Path]:
    return sorted((wiki.folder / "state" / "docs" / "cache").glob("*.json.gz"))


def test_the_text_of_an_attached_pdf_is_found_by_search(wiki):
    attached = attach(wiki, "drill.pdf", files.pdf([["Fire drill", WORDS]]), "application/pdf")
    assert wiki.run().clean
    with wiki.index() as index:
        hits = index.search("quayside").hits
        assert [hit.title for hit in hits] == ["drill.pdf"]
    document = wiki.documents()[attached]
    assert document.outcome == "extracted"
    assert WORDS in document.content
    assert document.summary.startswith("Fire drill")
    assert document.container is not None
    assert document.container.title == "Guide"


def test_a_new_version_of_a_file_brings_its_new_text(wiki):
    attached = attach(wiki, "notes.docx", files.docx(paragraphs=["Old words"]))
    wiki.run()
    attach(wiki, "notes.docx", files.docx(paragraphs=["New words"]))
    wiki.run()
    content = wiki.documents()[attached].content
    assert "New words" in content
    assert "Old words" not in content


def test_a_file_version_is_fetched_and_read_once(wiki):
    attached = attach(wiki, "drill.pdf", files.pdf([[WORDS]]))
    wiki.run()
    before = downloads(wiki)
    wiki.model.edit(guide(wiki), title="Guide, renamed")
    assert wiki.run().counts["written"] >= 2
    assert wiki.run(mode="full").clean
    assert downloads(wiki) == before
    assert WORDS in wiki.documents()[attached].content


BODIES = {"cloud": "/api/v2/pages", "datacenter": "/rest/api/content"}


def test_files_are_fetched_while_bodies_are(wiki):
    wiki.max_in_flight = 1
    for number in range(160):
        wiki.model.create_page("DOCS", f"Page {number}", "<p>One of many</p>")
    attach(wiki, "drill.pdf", files.pdf([[WORDS]]))
    wiki.run()
    asked = [entry.path for entry in wiki.sandbox.requests]
    bodies = [number for number, path in enumerate(asked) if path.endswith(BODIES[wiki.sandbox.edition])]
    assert len(bodies) >= 4
    assert bodies[0] < next(number for number, path in enumerate(asked) if "/download" in path) < bodies[-1]


def test_files_of_a_shard_that_is_worked_through_in_parts_are_all_read(wiki, monkeypatch):
    monkeypatch.setattr(extract, "_WINDOW_BATCHES", 1)
    monkeypatch.setattr(list_changes, "BATCH_ITEMS", 3)
    attached = [attach(wiki, f"{number}.txt", f"{number} {WORDS}".encode(), "text/plain") for number in range(12)]
    assert wiki.run().clean
    documents = wiki.documents()
    assert [documents[content_id].outcome for content_id in attached] == ["extracted"] * 12


def test_what_keeps_files_from_being_read_keeps_no_body_from_being_staged(wiki, tmp_path, monkeypatch):
    room = tmp_path / "room"
    room.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(room))
    for number in range(450):
        wiki.model.create_page("DOCS", f"Page {number}", "<p>One of many</p>")
    attach(wiki, "drill.pdf", files.pdf([[WORDS]]))

    def lose_the_folder(_: Request) -> None:
        for folder in room.glob("confluence-attachments-*"):
            shutil.rmtree(folder, ignore_errors=True)

    wiki.sandbox.faults.add(During(lose_the_folder, route="*" + BODIES[wiki.sandbox.edition]))
    with pytest.raises(FileNotFoundError) as caught:
        wiki.run()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("confluence-")]
    assert len(list((wiki.folder / "state").rglob("batches/*.jsonl.gz"))) == 2, caught
    assert wiki.run().clean
    assert wiki.documents().keys() == wiki.expected().keys()


def test_an_interrupt_leaves_no_thread_that_fetches_bodies_or_files(wiki):
    pages = [wiki.model.create_page("DOCS", f"Page {number}", "<p>One of many</p>") for number in range(450)]
    attach(wiki, "drill.pdf", files.pdf([[WORDS]]), "application/pdf")
    over, held = threading.Event(), []

    def hold_the_last_ones(request: Request) -> None:  # the newest pages come first
        if str(pages[0]) in str(request.query):
            held.append(request)
            over.wait(30)

    def interrupt(point: str) -> None:
        if point == "batch_staged":
            raise KeyboardInterrupt

    wiki.sandbox.faults.add(
        During(hold_the_last_ones, route="*" + BODIES[wiki.sandbox.edition], times=None),
        During(lambda _: over.wait(30), route="*/download*", times=None),
    )
    wiki.reached = interrupt
    with pytest.raises(KeyboardInterrupt) as caught:
        wiki.run()
    # While its traceback holds everything that took part.
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("confluence-fetch")]
    over.set()
    assert (left, len(held)) == ([], 1), caught


def test_the_kept_text_leaves_with_its_attachment_and_an_older_version_with_the_newer(wiki):
    attached = attach(wiki, "drill.pdf", files.pdf([[WORDS]]))
    wiki.run()
    assert any(path.name.startswith(f"{attached}.1.") for path in cached(wiki))
    attach(wiki, "drill.pdf", files.pdf([["Second edition"]]))
    wiki.run()
    assert [path.name.split(".")[1] for path in cached(wiki) if path.name.startswith(attached)] == ["2"]
    wiki.model.delete_attachment(attached)
    wiki.run(mode="reconcile")
    assert attached not in wiki.documents()
    assert not any(path.name.startswith(attached) for path in cached(wiki))


def test_a_kept_text_whose_commit_stopped_before_it_was_dropped_leaves_with_the_next_look_at_everything(wiki):
    attached = attach(wiki, "drill.pdf", files.pdf([[WORDS]]))
    wiki.run()
    wiki.model.delete_attachment(attached)
    wiki.reached = StopAt("head_written")
    with pytest.raises(Stopped):
        wiki.run(mode="reconcile")
    wiki.reached = lambda _: None
    assert any(path.name.startswith(attached) for path in cached(wiki))
    wiki.model.edit(guide(wiki), body="<p>Another</p>")
    wiki.run(mode="reconcile")
    assert not any(path.name.startswith(attached) for path in cached(wiki))


def test_kept_texts_are_bounded_in_bytes(wiki):
    wiki.definition["attachment_cache_max_bytes"] = 600
    for number in range(8):
        attach(wiki, f"{number}.txt", f"text number {number}".encode(), "text/plain")
    wiki.run()
    assert 0 < sum(path.stat().st_size for path in cached(wiki)) <= 600


def test_a_kept_text_that_is_damaged_is_read_again(wiki):
    attached = attach(wiki, "drill.pdf", files.pdf([[WORDS]]))
    wiki.run()
    for path in cached(wiki):
        path.write_bytes(b"\x1f\x8bnonsense")
    assert wiki.run(mode="full").clean
    assert WORDS in wiki.documents()[attached].content


@pytest.mark.parametrize(
    ("name", "data", "outcome"),
    [
        (
            "locked.docx",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504 + "EncryptedPackage".encode("utf-16-le"),
            "encrypted",
        ),
        ("broken.docx", files.docx()[:300], "damaged"),
        ("empty.pdf", b"", "empty"),
        ("film.mp4", b"\0\0\0 ftyp", "skipped_type"),
        ("picture.png", b"\x89PNG\r\n\x1a\n", "skipped_type"),
        ("large.txt", b"x" * 2000, "too_large"),
    ],
)
def test_a_file_that_cannot_be_read_is_indexed_with_what_is_known_of_it(wiki, name, data, outcome):
    wiki.definition["attachment_max_bytes"] = 1500
    attached = attach(wiki, name, data)
    result = wiki.run()
    assert result.clean
    assert result.counts["failed"] == 0
    document = wiki.documents()[attached]
    assert (document.outcome, document.content, document.title) == (outcome, "", name)
    assert wiki.indexed() == wiki.expected()


def test_files_of_types_that_are_not_wanted_are_never_fetched(wiki):
    wiki.definition["attachment_types"] = ["pdf"]
    attached = attach(wiki, "notes.docx", files.docx())
    wiki.run()
    assert downloads(wiki) == 0
    assert wiki.documents()[attached].outcome == "skipped_type"


def test_other_settings_for_files_bring_the_attachments_anew_and_leave_the_pages(wiki):
    wiki.definition["attachment_types"] = []
    wiki.run()
    attachments = [d for d in wiki.documents().values() if d.type == "attachment"]
    assert {d.outcome for d in attachments} == {"skipped_type"}
    wiki.definition["attachment_types"] = ["text"]
    assert wiki.run().counts["written"] == len(attachments)
    assert {d.content for d in wiki.documents().values() if d.type == "attachment"} == {"the plan"}
    assert wiki.run().counts["written"] == 0


def test_without_the_extra_the_run_is_clean_and_says_once_what_to_install(wiki, monkeypatch):
    attached = attach(wiki, "drill.pdf", files.pdf([[WORDS]]))
    attach(wiki, "other.docx", files.docx())
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "xberg", None)
        result = wiki.run()
    assert result.clean
    assert result.notes == (
        "2 attachments are indexed without their text: to read them, pip install 'airflow-provider-confluence[attachments]'",
    )
    assert wiki.documents()[attached].outcome == "no_extractor"
    # Installed, it is used in the next run.
    result = wiki.run()
    assert result.notes == ()
    assert WORDS in wiki.documents()[attached].content


def test_what_data_center_read_itself_stands_in_for_what_we_cannot(wiki):
    wiki.definition["attachment_max_bytes"] = 100
    attached = attach(wiki, "drill.pdf", files.pdf([[WORDS]]))
    wiki.model.extracted_texts[attached] = "read by the server"
    wiki.run()
    document = wiki.documents()[attached]
    if wiki.sandbox.edition == "cloud":
        assert document.outcome == "too_large"
    else:
        assert (document.outcome, document.content) == ("extracted", "read by the server")
        assert "text_of=confluence" in document.warnings


def test_a_file_that_does_not_come_is_a_failure_and_tried_again(wiki):
    attached = attach(wiki, "drill.pdf", files.pdf([[WORDS]]))
    refusal = Respond(
        403, route=f"*/{attached}/download" if wiki.sandbox.edition == "cloud" else "*/drill.pdf", times=None
    )
    wiki.sandbox.faults.add(refusal)
    result = wiki.run()
    assert [failure["content_id"] for failure in result.failures] == [attached]
    assert result.counts["documents"] == len(wiki.expected()) - 1
    wiki.sandbox.faults.remove(refusal)
    wiki.run()
    assert WORDS in wiki.documents()[attached].content


def test_a_file_that_confluence_has_lost_is_no_failure(wiki):
    attached = attach(wiki, "drill.pdf", files.pdf([[WORDS]]))
    wiki.sandbox.faults.add(
        Respond(404, route=f"*/{attached}/download" if wiki.sandbox.edition == "cloud" else "*/drill.pdf", times=None)
    )
    assert wiki.run().clean
    assert wiki.documents()[attached].outcome == "not_available"


def test_pictures_are_read_by_the_users_function(wiki, tmp_path, monkeypatch):
    (tmp_path / "wiki_pictures.py").write_text(
        "def describe(path, media_type):\n    return f'A crane, as {media_type}'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    attached = attach(wiki, "crane.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 20, "image/png")
    wiki.run()
    assert wiki.documents()[attached].outcome == "skipped_type"
    wiki.extractor = ExtractorSettings(image_reader=ImageReader("wiki_pictures:describe"))
    wiki.run()
    assert wiki.documents()[attached].content == "A crane, as image/png"


def test_no_credential_is_in_what_is_kept(wiki):
    attach(wiki, "drill.pdf", files.pdf([[WORDS]]))
    wiki.run()
    kept = [json.loads(gzip.decompress(path.read_bytes())) for path in cached(wiki)]
    assert kept
    assert all(set(value) == {"outcome", "text", "language", "warnings"} for value in kept)


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("attachment_types", ["pdf", "excle"], "excle is not known"),
        ("attachment_types", "pdf", "expected a list of texts"),
        ("attachment_max_bytes", 0, "at least 1"),
        ("attachment_timeout", "soon", "not a duration"),
    ],
)
def test_a_wrong_setting_for_files_is_told(wiki: Any, setting: str, value: Any, words: str) -> None:
    wiki.definition[setting] = value
    with pytest.raises(Exception, match=words):
        _ = wiki.datasource
