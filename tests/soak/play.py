"""Plays a history over real HTTP and says where the index is not what Confluence shows."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import re
import signal
import sqlite3
import threading
import traceback
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow_provider_confluence.confluence.client import ConnectionSettings, connect
from airflow_provider_confluence.confluence.gate import Gate
from airflow_provider_confluence.documents import Document, rfc3339
from airflow_provider_confluence.errors import ConfluenceProviderError
from airflow_provider_confluence.sinks.local import index_path
from airflow_provider_confluence.sync.commit import commit
from airflow_provider_confluence.sync.context import RunContext
from airflow_provider_confluence.sync.extract import extract
from airflow_provider_confluence.sync.index import index
from airflow_provider_confluence.sync.journal import Journal
from airflow_provider_confluence.testing.sandbox import ManualClock, Model, Readings, Sandbox
from airflow_provider_confluence.testing.sandbox.server import Observer
from tests.soak.history import FewRows, History, Step, do, make_fault
from tests.sync.conftest import Wiki, fill
from tests.sync.histories import StopAt, Stopped

_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_DEEPEST_INCLUDE = 3
_QUEUES = ("indexing_documents", "elsewhere")


@dataclass(frozen=True)
class Finding:
    """``kind``: lost, ghost or stale (an item each), or broken: an unexpected error, or a last run that is not clean."""

    kind: str
    text: str


class FastTime:
    """Time that only waiting moves, so that pauses cost nothing."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.seconds += seconds


@dataclass
class SoakWiki(Wiki):
    """A wiki whose client waits in no time, and whose index is read without asking anybody."""

    in_flight: int = 1
    deployment: Any = "auto"

    @property
    def settings(self) -> ConnectionSettings:
        sandbox = self.sandbox
        return ConnectionSettings(
            sandbox.endpoint, sandbox.username, sandbox.token, deployment=self.deployment, timeout_seconds=10
        )

    @property
    def context(self) -> RunContext:
        time = FastTime()
        gate = Gate(max_in_flight=self.in_flight, clock=time.clock, sleep=time.sleep)
        return replace(super().context, connect=lambda _: connect(self.settings, gate=gate))

    def documents_in(self, queue: str) -> dict[str, Document]:
        path = index_path(self.folder / "index", queue)
        if not path.exists():
            return {}
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'doc'").fetchone():
                return {}
            rows = connection.execute("SELECT document FROM doc").fetchall()
        found = [Document.from_json(json.loads(row[0])) for row in rows]
        return {document.content_id: document for document in found}

    def documents(self) -> dict[str, Document]:
        return self.documents_in("indexing_documents")

    def ids_in(self) -> dict[str, set[str]]:
        return {queue: set(self.documents_in(queue)) for queue in _QUEUES}

    def expected(self) -> dict[str, dict[str, Any]]:
        model, types = self.model, self.datasource.content_types
        spaces = self.space_keys()
        statuses = ("current", "archived") if self.datasource.archived else ("current",)
        shown = {r.id: r for status in statuses for r in model.visible(spaces, ["page", "blogpost"], status=status)}
        above = shown
        if self.sandbox.edition == "cloud":
            # There an archived page is still on the way to what was not archived with it; on Data Center the way begins below it.
            above = {r.id: r for r in model.visible(spaces, ["page"], status="archived")} | shown
        found = {}
        for record in (r for status in statuses for r in model.visible(spaces, list(types), status=status)):
            holder = shown.get(record.container) if record.container else record
            if holder is None or holder.type not in types or not self.is_chosen(holder):
                continue
            if record.type == "comment" and holder.status == "archived":
                continue  # not indexed, as docs/how-it-works.md says
            found[record.id] = {
                "type": record.type,
                "status": record.status if record.type != "attachment" else None,
                "title": record.title,
                "space": holder.space,
                "space_name": model.space(holder.space).name,
                "version": record.version,
                "parent": record.parent if record.type != "attachment" else None,
                "labels": sorted((holder if record.type == "comment" else record).labels),
                "container": holder.title if record.container else None,
                "size": record.size if record.type == "attachment" else None,
                "media_type": record.media_type,
                "ancestors": self._ancestors(record, above),
                "creator": model.user(record.author).name,
                "editor": model.user(record.editor).name,
                "created": rfc3339(record.created_at),
                "updated": rfc3339(record.edited_at),
                "content": self._text(record, shown, holder.space) if record.type != "attachment" else None,
                "properties": self._of_comment(record),
            }
        return found

    def _of_comment(self, record: Any) -> dict[str, str]:
        if record.type != "comment":
            return {}
        selection = self.model.thread(self.model.item(record.id)).remark.selection
        found = {"location": record.location, "resolution": record.resolution, "selection": selection}
        return {name: value for name, value in found.items() if value}

    def indexed(self) -> dict[str, dict[str, Any]]:
        return {
            content_id: {
                "type": d.type,
                "status": d.status if d.type != "attachment" else None,
                "title": d.title,
                "space": d.space.key,
                "space_name": d.space.name,
                "version": d.source_version,
                "parent": d.parent_id if d.type != "attachment" else None,
                "labels": sorted(d.labels),
                "container": d.container.title if d.container else None,
                "size": d.size_bytes if d.type == "attachment" else None,
                "media_type": d.media_type if d.type == "attachment" else None,
                "ancestors": [a.title for a in d.ancestors],
                "creator": d.creator.name if d.creator else None,
                "editor": d.last_editor.name if d.last_editor else None,
                "created": d.created,
                "updated": d.updated,
                "content": _words(_LINK.sub(r"\1", d.content).replace("#", " ")) if d.type != "attachment" else None,
                "properties": dict(d.properties),
            }
            for content_id, d in self.documents().items()
        }

    def _text(self, record: Any, shown: dict[str, Any], space: str, above: tuple[str, ...] = ()) -> Any:
        """Return the words of a body with those of the pages that it shows; of pages that share a title either may be shown."""
        text = record.body
        for title in re.findall(r'content-title="([^"]*)"', text):
            pages = [r for r in shown.values() if (r.type, r.space, r.title) == ("page", space, title)]
            found = [page for page in pages if self.is_chosen(page)]
            if len(found) > 1:
                return _Anything()
            inner: Any = title
            if found and found[0].id not in (*above, record.id) and len(above) < _DEEPEST_INCLUDE:
                inner = self._text(found[0], shown, space, (*above, record.id))
            if isinstance(inner, _Anything):
                return inner
            text = re.sub(
                r"<ac:structured-macro.*?</ac:structured-macro>", lambda _, put=inner: f" {put} ", text, count=1
            )
        return _words(re.sub(r"<[^>]+>", " ", text))


class _Anything:
    """What is equal to whatever is found."""

    def __eq__(self, _: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def _words(text: str) -> str:
    return " ".join(text.split())


def compare(expected: dict[str, dict[str, Any]], indexed: dict[str, dict[str, Any]]) -> list[Finding]:
    """Return what the index has too little, too much, or otherwise than it should, an item each."""
    found = [Finding("lost", f"{i}: {expected[i]}") for i in expected if i not in indexed]
    found += [Finding("ghost", f"{i}: {indexed[i]}") for i in indexed if i not in expected]
    for i in expected.keys() & indexed.keys():
        wrong = {k: (v, indexed[i][k]) for k, v in expected[i].items() if indexed[i][k] != v}
        if wrong:
            found.append(Finding("stale", f"{i} (expected, indexed): {wrong}"))
    return found


def play(history: History, folder: Path, *, observer: Observer | None = None) -> list[Finding]:
    """Play a history in an empty folder; return what was wrong after any of its runs and after the last reconcile."""
    random.seed(history.seed)  # what is asked for first of what a run may not ask for in whole is drawn
    clock = ManualClock()
    model = Model(clock=clock, readings=Readings(**history.readings))
    with Sandbox(history.edition, model, observer=observer) as sandbox:  # type: ignore[arg-type]
        wiki = SoakWiki(sandbox, folder, in_flight=history.in_flight, deployment=history.deployment)
        fill(wiki)
        guide = model.find("Guide")
        remark = model.create_comment(guide, "<p>Well said</p>")
        model.reply(remark, "<p>Thank you</p>")
        model.create_comment(guide, "<p>Which one</p>", selection="deployment")
        # Where something is shown below what is hidden, who may read it cannot be known, and what may be restricted is left out;
        # that is played in tests/sync/test_readers_anywhere.py. Here all that is shown is expected. On an old Data Center that goes for
        # what is below an archived page too.
        told = model.readings.relevant_restrictions or model.readings.archiving_lifts_children
        restricted = "skip" if model.readings.hidden_covers_descendants and told else "include"
        wiki.definition |= {"enable_comments": True, "restricted": restricted, **history.settings}
        found: list[Finding] = []
        for number, step in enumerate(history.steps, 1):
            for action, argument in step.actions:
                do(wiki, action, argument)
            clock.advance(step.wait_seconds)
            _slow_down(sandbox, history)
            sandbox.faults.add(*(make_fault(spec, wiki, in_flight=history.in_flight) for spec in step.faults))
            found += [replace(f, text=f"after run {number}: {f.text}") for f in _run(wiki, step)]
            if step.shows_space:
                model.show_space("DOCS")
            clock.advance(1)
        clock.advance(3600)  # longer than any lag
        _slow_down(sandbox, history)
        model.show_space("DOCS")
        if not _has_roots(wiki):
            wiki.definition["root_pages"] = []
        if wiki.definition.get("root_pages"):
            # Whether an item is below a root cannot be known where something above it is hidden; such a run is never clean. On an old Data
            # Center that goes for what is below an archived page too.
            for item in model:
                if item.hidden:
                    model.show(item.public_id)
                if item.status == "archived" and not model.readings.archiving_lifts_children:
                    model.unarchive(item.public_id)
        wiki.reached = lambda _: None
        wiki.definition |= {"max_items_per_run": 1000, "queue": {"name": "indexing_documents"}}
        try:
            last = wiki.run(mode="reconcile")
        except Exception:  # noqa: BLE001 - whatever it is, it is a finding
            return [*found, Finding("broken", f"the last run failed: {traceback.format_exc()}")]
        if not last.clean or last.counts["failing"]:
            found.append(Finding("broken", f"the last run is not clean: {last.problems}, failing {last.failures}"))
        return found + compare(wiki.expected(), wiki.indexed())


def _has_roots(wiki: SoakWiki) -> bool:
    """Say whether the pages that the datasource begins at are there; without them every run must refuse."""
    statuses = ("current", "archived") if wiki.datasource.archived else ("current",)
    shown = {r.id for status in statuses for r in wiki.model.visible(wiki.space_keys(), ["page"], status=status)}
    return set(wiki.datasource.root_pages) <= shown


def _slow_down(sandbox: Sandbox, history: History) -> None:
    sandbox.faults.clear()
    if history.rows is not None:
        sandbox.faults.add(FewRows(history.rows))


def _run(wiki: SoakWiki, step: Step) -> list[Finding]:
    """Run once, with its stop; return what was removed though Confluence showed it before and after, and errors that are none of ours."""
    held, shown = wiki.ids_in(), wiki.expected().keys()
    # Where it is named, a space that cannot be seen is an error; "*" is what can be seen.
    hidden = wiki.model.space("DOCS").hidden and wiki.definition["space"] != "*"
    found: list[Finding] = []
    try:
        if step.repeats_old_task is not None:
            _repeat(wiki, step.repeats_old_task)
        if step.killed:
            _run_in_child(wiki, step)
        else:
            wiki.reached = StopAt(step.point, step.passing) if step.point else lambda _: None
            wiki.run(**step.options(wiki))
    except (Stopped, ConfluenceProviderError):
        pass
    except Exception:  # noqa: BLE001 - whatever it is, it is a finding
        found.append(Finding("broken", traceback.format_exc()))
    left, still = wiki.ids_in(), wiki.expected().keys()
    for queue in _QUEUES:
        removed = held[queue] - left[queue]
        found += [Finding("lost", f"{i} was removed from {queue}, and is shown") for i in removed & shown & still]
        if hidden and removed:
            found.append(Finding("lost", f"{removed} were removed from {queue} while the space could not be seen"))
    return found


def _repeat(wiki: SoakWiki, number: int) -> None:
    """Run a task of an old run again, as if somebody had cleared it."""
    runs = sorted((wiki.folder / "state" / "docs" / "runs").glob("*"))
    if runs:
        revision = int(runs[number % len(runs)].name)
        try:
            plan = Journal(wiki.context.storage, "docs").find_plan(revision)
            if number % 3 == 0:
                commit(wiki.context, "docs", revision)
            elif plan is not None and plan.shards:  # without shards there are no such tasks
                (extract if number % 3 == 1 else index)(wiki.context, "docs", revision, 0)
        except ConfluenceProviderError:
            pass


def _run_in_child(wiki: SoakWiki, step: Step) -> None:
    """Run in a process of its own, which is killed at the step's point; a process that was not stopped there ends by itself."""
    server = SimpleNamespace(
        **{name: getattr(wiki.sandbox, name) for name in ("endpoint", "username", "token", "edition")}
    )
    given = (server, wiki.folder, wiki.definition, wiki.in_flight, wiki.deployment, step, step.options(wiki))
    # A fork of this process would inherit the locks of the sandbox's threads.
    process = multiprocessing.get_context("forkserver").Process(target=_die_at, args=given)
    process.start()
    process.join(120)
    if process.exitcode not in (0, -signal.SIGKILL):
        process.kill()
        process.join()
        raise RuntimeError(f"the child ended with {process.exitcode}; what it said is above")
    process.close()


def _die_at(
    server: Any, folder: Path, definition: dict[str, Any], in_flight: int, deployment: str, step: Step, options: Any, /
) -> None:
    stop = StopAt(str(step.point), step.passing)

    def reached(name: str) -> None:
        try:
            stop(name)
        except Stopped:
            os.kill(os.getpid(), signal.SIGKILL)

    wiki = SoakWiki(server, folder, definition, reached=reached, in_flight=in_flight, deployment=deployment)
    try:
        wiki.run(**options)
    except ConfluenceProviderError:
        pass
