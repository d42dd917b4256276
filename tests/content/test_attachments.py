"""Each format of file becomes text, in a process that can do nothing else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_confluence.content.attachments import (
    ALL_KINDS,
    OUTCOMES,
    Extraction,
    Extractor,
    ExtractorSettings,
    ImageReader,
    kind_of,
)
from airflow_provider_confluence.datasource import ATTACHMENT_TYPES
from airflow_provider_confluence.errors import ConfigurationError
from tests.content import attachment_files as files

CHECKOUT = Path(__file__).parents[2]
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 30


@pytest.fixture(scope="module")
def extractor() -> Iterator[Extractor]:
    with Extractor() as found:
        yield found


def extract(extractor: Extractor, name: str, data: bytes, media_type: str | None = None) -> Extraction:
    path = extractor.new_file()
    path.write_bytes(data)
    found = extractor.extract(path, name, media_type)
    assert not path.parent.exists()
    return found


FORMATS: dict[str, tuple[str, bytes, list[str]]] = {
    "PDF": (
        "drill.pdf",
        files.pdf(
            [["Fire drill", "Meet at gate (B) – at once.", "Bring café \\ tea."], ["Second page", "More of it."]]
        ),
        ["# Fire drill", "gate (B) – at once.", "café", "# Second page", "More of it."],
    ),
    "Word": (
        "plan.docx",
        files.docx(paragraphs=["Leave by the north stairs.", "Call 112 & wait."]),
        [
            "# Evacuation plan",
            "Leave by the north stairs.",
            "Call 112 & wait.",
            "| Port | Service |",
            "| 5432 | Database |",
        ],
    ),
    "rich text": ("watch.rtf", files.RTF, ["Anchor watch begins at **nine**.", "Second line with café."]),
    "PowerPoint": (
        "road.pptx",
        files.pptx([("Roadmap", "Ship the beacon", "Remember to smile"), ("Risks", "Few", "None really")]),
        ["# Roadmap", "Ship the beacon", "**Notes:** Remember to smile", "# Risks", "Few", "None really"],
    ),
    "Excel": (
        "sites.xlsx",
        files.xlsx([["Site", "Count"], ["Harbour", 120], ["North", 45]]),
        ["Lockers", "| Site | Count |", "| Harbour | 120 |", "| North | 45 |"],
    ),
    "OpenDocument text": (
        "handover.odt",
        files.odt(),
        ["# Handover", "The pump is serviced in May.", "| Valve | Closed |"],
    ),
    "OpenDocument table": ("tariffs.ods", files.ods(), ["Tariffs", "| Zone | Price |", "| Harbour | 12 crowns |"]),
    "OpenDocument slides": ("review.odp", files.odp(), ["Quarterly review", "Revenue grew by nine percent"]),
    "HTML": (
        "notes.html",
        files.HTML.encode(),
        ["# Release notes", "Build **4711** ships on Friday, naïvely.", "- first item", "| Ann ", "Pilot"],
    ),
    "CSV": ("sites.csv", files.CSV.encode(), ["| Site | Lockers |", "| Harbour | 120 |", "| North, old town | 45 |"]),
    "CSV of another region": ("rollen.csv", "Имя;Роль\nАня;Пилот\n".encode(), ["| Имя | Роль |", "| Аня | Пилот |"]),
    "Markdown": ("readme.md", b"# Title\n\n* one\n* `two_three`\n", ["# Title\n\n* one\n* `two_three`"]),
    "text": ("log.txt", "Grüße\n  eingerückt *so*\n".encode(), ["Grüße\n  eingerückt *so*"]),
    "e-mail": (
        "moved.eml",
        files.email(),
        ["Crane inspection moved", "Ida Holm", "desk@example.com", "03 Mar 2026", "moves to Thursday, says Zoë."],
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_facts_of_each_format_survive(extractor, name):
    filename, data, facts = FORMATS[name]
    found = extract(extractor, filename, data)
    assert found.outcome == "extracted"
    assert [fact for fact in facts if fact not in found.text] == []


def test_scripts_styles_and_metadata_are_no_text(extractor):
    text = extract(extractor, "notes.html", files.HTML.encode()).text
    assert not any(noise in text for noise in ("alert", "color", "title:", "---\n\n#"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_text_is_read_in_whatever_it_was_written(extractor, encoding):
    text = "Größe und Maß – naïve Süßigkeiten, zwölf Boxkämpfer über dem großen Sylter Deich"
    assert extract(extractor, "a.txt", text.encode(encoding)).text == text


@pytest.mark.parametrize(
    ("encoding", "text"), [("shift_jis", "これは日本語のテキストです。"), ("cp1251", "Имя и роль пилота в порту")]
)
def test_text_of_an_old_encoding_is_read_by_what_it_most_likely_is(extractor, encoding, text):
    assert extract(extractor, "a.txt", text.encode(encoding)).text == text


def test_the_language_is_told_where_it_is_certain(extractor):
    prose = "The ship enters the harbour in the morning and leaves it again before the evening comes. "
    assert extract(extractor, "a.pdf", files.pdf([[prose] * 5])).language == "en"
    assert extract(extractor, "a.pdf", files.pdf([["No."]])).language is None


def test_a_file_is_what_its_bytes_say(extractor):
    as_word = extract(extractor, "a.doc", files.HTML.encode())
    assert (as_word.outcome, as_word.warnings) == ("extracted", ("content_is=html",))
    as_text = extract(extractor, "a.txt", files.pdf([["Really a PDF"]]))
    assert (as_text.text, as_text.warnings) == ("# Really a PDF", ("content_is=pdf",)) or "Really a PDF" in as_text.text


def test_a_type_that_is_not_wanted_is_not_read_by_another_name_either():
    with Extractor(types=("text", "word")) as extractor:
        assert extract(extractor, "a.pdf", files.pdf([["x"]])).outcome == "skipped_type"
        smuggled = extract(extractor, "a.docx", files.pdf([["x"]]))
        assert (smuggled.outcome, smuggled.warnings, smuggled.text) == ("skipped_type", ("content_is=pdf",), "")


def test_a_document_without_words_is_empty_and_not_damaged(extractor):
    assert extract(extractor, "a.pdf", files.pdf([[]])).outcome == "empty"
    assert extract(extractor, "a.txt", b" \n ").outcome == "empty"


@pytest.mark.parametrize(
    ("filename", "media_type", "kind"),
    [
        ("Plan.PDF", None, "pdf"),
        ("plan", "application/pdf", "pdf"),
        ("sites.csv", "application/vnd.ms-excel", "csv"),
        ("plan", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "word"),
        ("notes", "text/x-anything; charset=utf-8", "text"),
        ("photo.JPG", "application/octet-stream", "image"),
        ("drawing.svg", "image/svg+xml", None),
        ("film.mp4", "video/mp4", None),
        ("data.bin", "application/octet-stream", None),
        ("server.key", "text/plain", None),
        ("../../etc/passwd", None, None),
    ],
)
def test_the_name_says_what_a_file_is_before_its_media_type(filename, media_type, kind):
    assert kind_of(filename, media_type) == kind


def test_the_settings_know_the_same_types_as_the_reader():
    assert set(ALL_KINDS) == set(ATTACHMENT_TYPES)


def test_the_documentation_names_every_outcome_and_type():
    page = (CHECKOUT / "docs" / "attachments.md").read_text()
    assert [word for word in (*OUTCOMES, *ALL_KINDS) if f"`{word}`" not in page] == []


def test_many_threads_share_the_processes(extractor):
    found: list[str] = []

    def one(number: int) -> None:
        found.append(extract(extractor, "a.txt", f"text {number}".encode()).text)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(f"text {n}" for n in range(12))


def test_without_the_extra_text_is_read_and_the_rest_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "xberg", None)
    with Extractor() as extractor:
        assert extract(extractor, "a.pdf", files.pdf([["x"]])).outcome == "no_extractor"
        assert extract(extractor, "a.md", b"# Title").text == "# Title"


# ---------------------------------------------------------------- the lock
LOCKED = """
import os, socket, sys
sys.path[:0] = [{checkout!r}]
from airflow_provider_confluence.content.attachments import lockdown
import ctypes, subprocess
libc = ctypes.CDLL(None, use_errno=True)
held = lockdown.lock_for_reading()
def refused(what):
    try:
        return not what() and False
    except OSError:
        return True
tries = dict(
    read=lambda: open({secret!r}),
    write=lambda: open({secret!r} + ".new", "w"),
    listing=lambda: os.listdir("/"),
    remove=lambda: os.unlink({secret!r}),
    socket=lambda: socket.socket(),
    fork=lambda: os.fork(),
    run=lambda: os.execv("/bin/true", ["true"]),
    kill=lambda: os.kill(os.getppid(), 0),
    change=lambda: os.chdir("/"),
)
failed = [name for name, what in tries.items() if not refused(what)]
# As a library in C would: no audit hook sees these.
for number in {numbers!r}:
    if libc.syscall(number, 0, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() not in (1, 38):
        failed.append(number)
print(held, failed)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine != "x86_64", reason="the numbers are those of Linux on x86-64"
)
def test_behind_the_lock_there_is_no_file_socket_or_process(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x")
    numbers = [2, 257, 437, 41, 42, 49, 57, 58, 59, 322, 62, 82, 87, 101, 165, 272, 304, 425, 435]
    script = LOCKED.format(checkout=str(CHECKOUT), secret=str(secret), numbers=numbers)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
    assert "seccomp" in done.stdout
    assert secret.exists()


# ---------------------------------------------------------------- pictures
HOOK = """
    import os, socket, subprocess, time, urllib.request
    from pathlib import Path

    def describe(path, media_type):
        return f"A picture of {os.path.getsize(path)} bytes, {media_type}; environment {sorted(os.environ)}"

    def elsewhere(path, media_type):
        found = []
        for what in (
            lambda: Path("OUTSIDE/new.txt").write_text("x"),
            lambda: socket.create_connection(("127.0.0.1", PORT), 2),
            lambda: subprocess.run(["/bin/sh", "-c", "echo x > OUTSIDE/new.txt"], check=True, stderr=subprocess.DEVNULL),
        ):
            try:
                what()
                found.append("done")
            except Exception:
                found.append("refused")
        Path(path + ".txt").write_text("in my folder")
        return " ".join(found)

    def forever(path, media_type):
        while True:
            pass

    def hoard(path, media_type):
        return "x" * (64 * 1024 ** 3)

    def leave_behind(path, media_type):
        subprocess.Popen(["/bin/sleep", "987"])
        time.sleep(60)

    def nonsense(path, media_type):
        return 7

    def fail(path, media_type):
        raise RuntimeError("broken")
"""


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: Any) -> Iterator[Any]:
    outside = tmp_path / "outside"
    outside.mkdir()
    listening = socket.create_server(("127.0.0.1", 0))
    code = textwrap.dedent(HOOK).replace("OUTSIDE", str(outside)).replace("PORT", str(listening.getsockname()[1]))
    (tmp_path / "picture_hook.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))

    def run(function: str, *, network: bool = False, seconds: float = 20.0) -> Extraction:
        settings = ExtractorSettings(image_reader=ImageReader(f"picture_hook:{function}", network))
        with Extractor(settings, timeout_seconds=seconds) as extractor:
            return extract(extractor, "a.png", PNG)

    yield run
    listening.close()
    assert list(outside.iterdir()) == []


def test_a_function_of_the_user_reads_pictures(hook, monkeypatch):
    monkeypatch.setenv("CONFLUENCE_TOKEN", "planted")
    found = hook("describe")
    assert found.outcome == "extracted"
    assert found.text.startswith(f"A picture of {len(PNG)} bytes, image/png")
    assert "TOKEN" not in found.text


def test_without_a_function_pictures_are_left_alone():
    with Extractor() as extractor:
        assert extract(extractor, "a.png", PNG).outcome == "skipped_type"


def test_the_users_function_reaches_neither_the_network_nor_other_folders(hook):
    assert hook("elsewhere").text == "refused refused refused"


def test_the_network_is_there_for_the_users_function_when_it_is_allowed(hook):
    assert hook("elsewhere", network=True).text == "refused done refused"


@pytest.mark.parametrize(
    ("function", "outcome"),
    [
        ("forever", "failed_timeout"),
        ("hoard", "failed_memory"),
        ("nonsense", "failed_crash"),
        ("fail", "failed_crash"),
        ("absent", "failed_crash"),
    ],
)
def test_a_function_that_fails_fails_for_its_picture_alone(hook, function, outcome):
    assert hook(function, seconds=3.0).outcome == outcome


def test_the_exception_of_a_function_is_named(hook):
    assert hook("fail").warnings == ("error=RuntimeError",)
    assert hook("absent").warnings == ("error=AttributeError",)


def test_what_a_function_started_ends_with_it(hook):
    assert hook("leave_behind", seconds=3.0).outcome == "failed_timeout"
    assert not _running(b"sleep\x00987")


@pytest.mark.parametrize("path", ["nothing", "a.b", "a:b:c", ":b", "os; import x:y"])
def test_a_function_that_is_no_import_path_is_refused(path):
    with pytest.raises(ConfigurationError, match="image_to_text"):
        ImageReader(path)


# ---------------------------------------------------------------- ends
def _running(words: bytes) -> bool:
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if words in command.read_bytes():
                return True
        except OSError:
            continue
    return False


def test_closing_breaks_off_what_is_being_read(tmp_path, monkeypatch):
    (tmp_path / "slow_hook.py").write_text("import time\ndef read(path, media_type):\n    time.sleep(300)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    extractor = Extractor(ExtractorSettings(image_reader=ImageReader("slow_hook:read")))
    found: list[Extraction] = []
    path = extractor.new_file()
    path.write_bytes(PNG)
    thread = threading.Thread(target=lambda: found.append(extractor.extract(path, "a.png")))
    thread.start()
    deadline = time.monotonic() + 30
    while not _running(str(tmp_path).encode()) and time.monotonic() < deadline:
        time.sleep(0.01)
    started = time.monotonic()
    extractor.close()
    thread.join(20)
    assert not thread.is_alive()
    assert time.monotonic() - started < 20
    assert [extraction.outcome for extraction in found] == ["failed_crash"]


def test_the_children_end_when_the_parent_is_killed(tmp_path):
    (tmp_path / "lone_hook.py").write_text("import time\ndef read(path, media_type):\n    time.sleep(300)\n")
    script = textwrap.dedent(
        f"""
        import sys; sys.path[:0] = [{str(CHECKOUT)!r}, {str(tmp_path)!r}]
        from airflow_provider_confluence.content.attachments import *
        extractor = Extractor(ExtractorSettings(image_reader=ImageReader("lone_hook:read")))
        path = extractor.new_file(); path.write_bytes({PNG!r})
        print("begun", flush=True)
        extractor.extract(path, "a.png")
        """
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert parent.stdout is not None
    with parent.stdout:
        parent.stdout.readline()
        mark = f'"{tmp_path}"'.encode()
        deadline = time.monotonic() + 60
        while not _running(mark) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert _running(mark)
        parent.kill()
        parent.wait()
        while _running(mark) and time.monotonic() < deadline:
            time.sleep(0.05)
    assert not _running(mark)


def test_what_reads_files_is_loaded_once_and_not_again_for_every_file():
    script = """
import sys
from airflow_provider_confluence.content.attachments import ALL_KINDS, reading
reading.prepare()
loaded = set(sys.modules)
reading.reader(ALL_KINDS, library=True)
print(sorted(set(sys.modules) - loaded), "xberg" in loaded)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[] True\n"
