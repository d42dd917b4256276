"""``make bench-peers``: how many pages a second other people's readers load, beside ours, round by round over one server.

Ours is what a run does but for the index, which the others do not have: a plan, then its shards, in as many processes at a time as there
are cores. The others load fewer pages where they are slow: it is rates that are compared. Each has imported what it needs before its clock
starts. The server answers after 50 ms, and 4 ms more for each body.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.files import KINDS, fact
from benchmarks.loading import DATASOURCE, load
from benchmarks.peers.judging import judge, text_of_html
from benchmarks.server import Address, Setting, running
from benchmarks.suite import EDITIONS, IN_FLIGHT, PER_BODY, PER_REQUEST
from benchmarks.table import Note, Row, show
from benchmarks.wiki import DISTINCT_BODIES, FIRST_ID, Wiki

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ENVIRONMENTS = ROOT / "build" / "peers"
PAGES = 2_000
FILED_PAGES, FILES = 400, 100
JUDGED = 100
TARGET = 10.0


@dataclass(frozen=True, slots=True)
class Peer:
    """A reader. ``pages`` is on how many it is run; ``html`` says that what it leaves is HTML."""

    name: str
    package: str
    pages: int
    editions: Sequence[str] = EDITIONS
    html: bool = False

    @property
    def requirements(self) -> Path:
        """The file that pins everything of its environment."""
        return ROOT / "requirements" / "peers" / f"{self.name}.txt"

    @property
    def version(self) -> str:
        """Its package with the version that is pinned."""
        pinned = self.requirements.read_text(encoding="utf-8").splitlines()
        return next(line.partition(" ")[0] for line in pinned if line.startswith(f"{self.package}=="))

    @property
    def python(self) -> Path:
        """The Python of its environment."""
        return ENVIRONMENTS / self.name / "bin" / "python"


LANGCHAIN = Peer("langchain", "langchain-community", 500)
LLAMAINDEX = Peer("llamaindex", "llama-index-readers-confluence", 200)
UNSTRUCTURED = Peer("unstructured", "unstructured-ingest", 200, ("cloud",), html=True)
PEERS = {peer.name: peer for peer in (LANGCHAIN, LLAMAINDEX, UNSTRUCTURED)}


class PeerError(Exception):
    """A peer could not be installed, or not be run to its end."""


# ---------------------------------------------------------------------------------------------- environments
def install(peer: Peer, uv: str) -> None:
    """Make the environment of a peer, unless it is there as it is pinned. :raises PeerError: with what uv said."""
    stamp = ENVIRONMENTS / peer.name / ".installed"
    pinned = hashlib.sha256(peer.requirements.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="ascii") == pinned:
        return
    folder = str(ENVIRONMENTS / peer.name)
    _uv(peer, uv, "venv", "--quiet", "--clear", "--no-python-downloads", "--python", ">=3.11,<3.14", folder)
    _uv(
        peer,
        uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        str(peer.python),
        "--require-hashes",
        "-r",
        str(peer.requirements),
    )
    stamp.write_text(pinned, encoding="ascii")


def _uv(peer: Peer, uv: str, *arguments: str) -> None:
    done = subprocess.run([uv, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - make's uv
    if done.returncode:
        raise PeerError(f"{peer.version} could not be installed: {done.stderr.strip()[-500:]}")


# ---------------------------------------------------------------------------------------------- one load
@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load came to."""

    rate: float
    requests: int
    texts: Mapping[str, str]


def theirs(peer: Peer, address: Address, edition: str, pages: int, *, attachments: bool = False) -> Loaded:
    """Have a peer load pages. :raises PeerError: where it fails, with what it said, or got another number of them."""
    job = {
        "edition": edition,
        "endpoint": address.endpoint,
        "username": address.username or "",
        "token": address.token,
        "space": "BENCH0",
        "pages": pages,
        "attachments": attachments,
    }
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder) / "texts.json"
        address.counters()
        command = [str(peer.python), "-W", "ignore", str(HERE / f"ask_{peer.name}.py"), json.dumps(job), str(texts)]
        with subprocess.Popen(  # noqa: S603 - ourselves
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder
        ) as process:
            assert process.stdin is not None and process.stdout is not None  # noqa: PT018 - for the type checker
            process.stdout.readline()
            out, err = process.communicate("go\n")
        if process.returncode:
            raise PeerError(f"{peer.version} failed on {edition}: {err.strip()[-500:]}")
        found = json.loads(texts.read_text(encoding="utf-8"))
        if len(found) != pages:
            raise PeerError(f"{peer.version} got {len(found)} of {pages} pages on {edition}")
        seconds = json.loads(out.strip().splitlines()[-1])["seconds"]
        return Loaded(pages / seconds, address.counters()["requests"], found)


def ours(address: Address, edition: str, pages: int, settings: Mapping[str, Any] | None = None) -> Loaded:
    """Load pages as a run does, without the index; return the rate, and all texts by id."""
    with tempfile.TemporaryDirectory() as folder:
        job = {
            "address": asdict(address),
            "edition": edition,
            "in_flight": IN_FLIGHT,
            "folder": folder,
            "settings": settings or {},
        }
        address.counters()
        took = load(job)
        return Loaded(
            pages / took.seconds, address.counters()["requests"], _staged(Path(folder), took.planned.revision)
        )


def _staged(folder: Path, revision: int) -> dict[str, str]:
    from airflow_provider_confluence.sync.journal import Journal
    from airflow_provider_confluence.sync.storage import Storage

    storage = Storage(folder / "state")
    journal = Journal(storage, DATASOURCE)
    plan = journal.read_plan(revision)
    texts: dict[str, str] = {}
    for shard in range(len(plan.shards)):
        for number in range(plan.batches(shard)):
            for line in storage.read_lines(journal.batch_name(revision, shard, number)) or ():
                if "document" in line:
                    texts[line["document"]["content_id"]] = line["document"]["content"]
    return texts


# ---------------------------------------------------------------------------------------------- the table
def measured(peers: Sequence[Peer], rounds: int, scale: float) -> Iterator[Row | Note]:
    """Yield the rows of each edition, and of attachments."""
    for edition in EDITIONS:
        yield from _pages([peer for peer in peers if edition in peer.editions], edition, rounds, scale)
        for peer in peers:
            if edition not in peer.editions:
                yield Note(f"{peer.version} asks interfaces that {edition} does not have")
    if LLAMAINDEX in peers:
        yield from _attachments(rounds, scale)


def _pages(peers: Sequence[Peer], edition: str, rounds: int, scale: float) -> Iterator[Row | Note]:
    pages = max(DISTINCT_BODIES + 1, int(PAGES * scale))
    own: list[float] = []
    working = list(peers)
    rates: dict[str, list[float]] = {peer.name: [] for peer in peers}
    asked: dict[str, int] = {}
    texts: dict[str, Mapping[str, str]] = {}
    with running(Setting(edition, pages, views=True, per_request=PER_REQUEST, per_body=PER_BODY)) as address:
        for _ in range(rounds):
            mine = ours(address, edition, pages)
            own.append(mine.rate)
            texts["ours"], asked["ours"] = mine.texts, mine.requests
            for peer in list(working):
                try:
                    loaded = theirs(peer, address, edition, _count(peer, pages, scale))
                except PeerError as error:
                    working.remove(peer)
                    yield Note(f"NOT MEASURED: {error}")
                    continue
                rates[peer.name].append(loaded.rate)
                texts[peer.name], asked[peer.name] = loaded.texts, loaded.requests
    for peer in working:
        yield Row(
            f"first load, {edition}: times as many pages/s as {peer.version}",
            f"{statistics.median(own):.0f} pages/s over {pages:,} in {asked['ours']} requests",
            f"{statistics.median(rates[peer.name]):.0f} pages/s over {_count(peer, pages, scale):,} in {asked[peer.name]} requests",
            statistics.median(mine / other for mine, other in zip(own, rates[peer.name], strict=True)),
            TARGET,
            at_most=False,
        )
    wiki = Wiki(pages=pages)
    for name, found in texts.items():
        bodies = {content_id: wiki.storage(int(content_id) - FIRST_ID) for content_id in sorted(found)[:JUDGED]}
        as_text = name in PEERS and PEERS[name].html
        seen = {each: text_of_html(found[each]) if as_text else found[each] for each in bodies}
        yield Note(
            f"{PEERS[name].version if name in PEERS else name}, {edition}, in {len(bodies)} pages: {judge(bodies, seen)}"
        )


def _count(peer: Peer, pages: int, scale: float) -> int:
    return min(pages, max(20, int(peer.pages * scale)))


def _attachments(rounds: int, scale: float) -> Iterator[Row | Note]:
    edition = "datacenter"
    pages, files = max(40, int(FILED_PAGES * scale)), max(10, int(FILES * scale))
    own, others, got = [], [], [0, 0]
    setting = Setting(edition, pages, files=files, views=True, per_request=PER_REQUEST, per_body=PER_BODY)
    with running(setting) as address:
        for _ in range(rounds):
            mine = ours(address, edition, pages, {"enable_attachments": True})
            try:
                other = theirs(LLAMAINDEX, address, edition, pages, attachments=True)
            except PeerError as error:
                yield Note(f"NOT MEASURED: {error}")
                return
            own.append(mine.rate)
            others.append(other.rate)
            got = [
                sum(any(fact(number) in text for text in loaded.texts.values()) for number in range(files))
                for loaded in (mine, other)
            ]
    yield Row(
        f"{pages} pages with {files} files, {edition}: times as many pages/s as {LLAMAINDEX.version}",
        f"{statistics.median(own):.0f} pages/s, the texts of {got[0]} files",
        f"{statistics.median(others):.1f} pages/s, the texts of {got[1]} files",
        statistics.median(mine / other for mine, other in zip(own, others, strict=True)),
        TARGET,
        at_most=False,
    )
    yield Note(
        f"files of each kind alike: {', '.join(KINDS)}; on Cloud the peer's list of a page's attachments is gone"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; the answer is 1 where a peer could not be measured."""
    parser = argparse.ArgumentParser(prog="make bench-peers", description=__doc__)
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"of {', '.join(PEERS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of the sizes, for a quick look")
    parser.add_argument("--uv", default="uv", help="the uv that makes the environments")
    parser.add_argument(
        "--markdown", metavar="FILE", help="keep the table there as well: docs/performance.md, or any other file"
    )
    options = parser.parse_args(arguments)
    if options.markdown and (options.peers or options.scale != 1):
        parser.error("only a table of all peers, at their sizes, is kept")
    if unknown := [name for name in options.peers if name not in PEERS]:
        parser.error(f"there is no peer {unknown[0]}; the peers are {', '.join(PEERS)}")
    about = f"bodies of 12.5 KB, 50 ms a request and 4 ms a body; medians of {options.rounds} rounds"
    if options.scale != 1:
        about += f"; a quick look at {options.scale:g} of the sizes"
    missing: list[Note] = []

    def lines() -> Iterator[Row | Note]:
        ready = []
        for peer in [PEERS[name] for name in options.peers or PEERS]:
            try:
                install(peer, options.uv)
                ready.append(peer)
            except PeerError as error:
                yield Note(f"NOT MEASURED: {error}")
        yield from measured(ready, options.rounds, options.scale)

    def watched() -> Iterator[Row | Note]:
        for line in lines():
            if isinstance(line, Note) and line.text.startswith("NOT MEASURED"):
                missing.append(line)
            yield line

    show(watched(), name="make bench-peers", about=about, markdown=options.markdown)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
