"""Storage that is full or read-only: the error names the place, nothing is lost, and the next run on a good disk converges.

A real disk cannot be filled in a test, and nothing keeps root from writing: a limit on the size of files makes writes fail in the middle,
and the read-only folders are another user's. Both take a process of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.sync.test_faults import many

CHECKOUT = Path(__file__).parents[2]
RUNS = """
import json, os, resource, sys
from pathlib import Path
from airflow_provider_confluence.errors import ConfluenceProviderError
from tests.sync.conftest import Wiki

endpoint, username, token, folder, limits = sys.argv[1:]
class Server: pass
Server.endpoint, Server.username, Server.token = endpoint, username or None, token
wiki = Wiki(Server, Path(folder))
said = []
for limit in json.loads(limits):
    if limit == "another user":
        wiki.run()  # everything that is imported late is imported now
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        wiki.run(mode="full")
        said.append([limit, "", "clean"])
    except ConfluenceProviderError as error:
        said.append([limit, type(error).__name__, str(error)])
    if limit != "another user":
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(json.dumps(said))
"""


def run_apart(wiki, limits, folder=None):
    """Run in a process of its own under each limit; return what each run said."""
    sandbox = wiki.sandbox
    command = [sys.executable, "-c", RUNS, sandbox.endpoint, sandbox.username or "", sandbox.token]
    command += [str(folder or wiki.folder), json.dumps(limits)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def left_aside(wiki):
    return list(wiki.folder.rglob(".tmp-*"))


@pytest.mark.parametrize("first", [True, False], ids=["from nothing", "after a commit"])
def test_a_disk_that_is_full_anywhere_is_named_and_loses_nothing(wiki, first):
    """Whichever write fails: of the claim, of a plan, of documents, of the index, of the new generation, of the head."""
    many(wiki, 40)
    if not first:
        wiki.run()
        wiki.model.edit(wiki.model.find("Chapter"), body="<p>Edited</p>")
        wiki.model.trash(wiki.model.find("Appendix"))
    limits = [0, 30, 100, 200, 400, 700, 1000, 1500, 2000, 4000, 8000, 30_000]
    for limit, kind, message in run_apart(wiki, limits):
        if kind:
            assert kind in ("StorageError", "SinkUnavailableError"), (limit, message)
            assert str(wiki.folder) in message, limit
            assert "room" in message or "free space" in message, limit
        else:
            assert limit >= 1000, "no run of this wiki gets by with less"
    assert left_aside(wiki) == []
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()


def test_a_folder_for_temporary_files_that_is_full_is_named_as_what_it_is(tmp_path):
    script = (
        "import os, resource, sys\n"
        "from airflow_provider_confluence.sync.storage import Storage\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))\n"
        "for write in (lambda s: s.write_lines('lines', ({'t': os.urandom(40_000).hex()} for _ in range(200))),\n"
        "              lambda s: s.write('whole', os.urandom(6_000_000))):\n"
        "    try:\n"
        "        write(Storage(sys.argv[1]))\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__, error)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(tmp_path / "state")],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout.splitlines()
    assert (len(said), done.stderr) == (2, "")
    for line in said:
        assert line.startswith(
            f"StorageError cannot write to the folder for temporary files, {tmp_path}: File too large"
        )
        assert "set TMPDIR" in line
    assert not (tmp_path / "state").exists()


def test_storage_that_is_read_only_is_named_and_loses_nothing(wiki):
    if os.getuid() != 0 and os.name != "posix":
        pytest.skip("needs a second user")
    with tempfile.TemporaryDirectory() as outside:
        folder = Path(outside)
        wiki.folder = folder
        if os.getuid() == 0:
            folder.chmod(0o755)
            ((_, kind, message),) = run_apart(wiki, ["another user"])
        else:
            wiki.run()
            held = [path for path in [folder, *folder.rglob("*")] if path.is_dir()]
            for path in held:
                path.chmod(0o555)
            try:
                ((_, kind, message),) = run_apart(wiki, [1_000_000_000])
            finally:
                for path in held:
                    path.chmod(0o755)
        assert (kind, "writable for this user" in message) == ("StorageError", True)
        assert str(folder / "state" / "docs") in message
        wiki.model.edit(wiki.model.find("Chapter"), body="<p>Edited</p>")
        assert wiki.run().clean
        assert wiki.indexed() == wiki.expected()


ON_SMALL_DISK = """
import json, os, sys
from pathlib import Path
from airflow_provider_confluence.errors import ConfluenceProviderError
from tests.sync.conftest import Wiki

endpoint, username, token, folder = sys.argv[1:]
class Server: pass
Server.endpoint, Server.username, Server.token = endpoint, username or None, token
wiki = Wiki(Server, Path(folder))
said = []
for free in (0, 4096, 8192, 16384, 32768, 65536):
    space = os.statvfs(folder)
    ballast = Path(folder, "ballast")
    with ballast.open("wb") as file:
        file.write(b"x" * max(0, space.f_bavail * space.f_frsize - free))
    try:
        wiki.run(mode="full")
        said.append([free, "", ""])
    except ConfluenceProviderError as error:
        said.append([free, type(error).__name__, str(error)])
    ballast.unlink()
result = wiki.run()
print(json.dumps([said, result.clean, wiki.indexed()]))
"""


def test_a_file_system_without_room_is_named_and_loses_nothing(wiki):
    """A small file system of its own, where the kernel lets us mount one: here the error is the real one."""
    sandbox = wiki.sandbox
    mounted = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=600k none "$1" && shift && exec "$@"', "sh"]
    try:
        allowed = subprocess.run([*mounted, str(wiki.folder), "true"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    if allowed.returncode != 0:
        pytest.skip("no file system may be mounted here")
    many(wiki, 40)
    command = [sys.executable, "-c", ON_SMALL_DISK, sandbox.endpoint, sandbox.username or "", sandbox.token]
    command += [str(wiki.folder)]
    done = subprocess.run(
        [*mounted, str(wiki.folder), *command], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said, clean, indexed = json.loads(done.stdout)
    assert said[0][1], "with no room at all nothing can be done"
    for free, kind, message in said:
        assert kind in ("", "StorageError", "SinkUnavailableError"), (free, message)
        assert not kind or ("room" in message or "free space" in message), free
        assert not kind or str(wiki.folder) in message, free
    assert clean
    assert indexed == wiki.expected()
