"""A datasource over the sandbox, and what its index holds, held against what the sandbox's model says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_confluence.confluence.client import ConnectionSettings, connect
from airflow_provider_confluence.content.attachments import ExtractorSettings
from airflow_provider_confluence.datasource import Datasource, read_datasource
from airflow_provider_confluence.documents import Document
from airflow_provider_confluence.sinks.local import LocalSink, index_path
from airflow_provider_confluence.sinks.local_search import LocalIndex
from airflow_provider_confluence.sinks.registry import make_sink
from airflow_provider_confluence.sync.commit import RunResult
from airflow_provider_confluence.sync.context import RunContext
from airflow_provider_confluence.sync.run import run_once
from airflow_provider_confluence.sync.storage import Storage
from airflow_provider_confluence.testing.sandbox.fault import Fault
from airflow_provider_confluence.testing.sandbox.web import text_response


@dataclass
class Wiki:
    """A sandbox with a datasource on it, and a folder that holds state and index."""

    sandbox: Any
    folder: Path
    definition: dict[str, Any] = field(
        default_factory=lambda: {
            "name": "Docs",
            "space": ["DOCS"],
            "enable_blogposts": True,
            "enable_attachments": True,
        }
    )
    token: str | None = None
    max_in_flight: int | None = None
    reached: Callable[[str], None] = lambda _: None
    make_sink: Callable[[Datasource], Any] | None = None
    extractor: ExtractorSettings = field(default_factory=ExtractorSettings)

    @property
    def model(self) -> Any:
        return self.sandbox.model

    @property
    def datasource(self) -> Datasource:
        return read_datasource("docs", self.definition)

    @property
    def settings(self) -> ConnectionSettings:
        """As a user gives them, but for the pace: Cloud's 20 requests a second would be most of what these tests take."""
        token = self.token or self.sandbox.token
        return ConnectionSettings(
            self.sandbox.endpoint,
            self.sandbox.username,
            token,
            requests_per_second=1000,
            max_in_flight=self.max_in_flight,
        )

    @property
    def context(self) -> RunContext:
        return RunContext(
            storage=Storage(self.folder / "state"),
            connect=lambda _: connect(self.settings),
            make_sink=self.make_sink or (lambda d: make_sink(d.sink, d.queue_name, storage=self.folder / "index")),
            reached=self.reached,
            extractor=self.extractor,
        )

    def run(self, **options: Any) -> RunResult:
        return run_once(self.context, self.datasource, **options)

    def index(self) -> LocalIndex:
        return LocalIndex(index_path(self.folder / "index", "indexing_documents"))

    def documents(self) -> dict[str, Document]:
        """What the index holds, by content id."""
        sink = LocalSink(index_path(self.folder / "index", "indexing_documents"))
        from airflow_provider_confluence.sinks.base import Owner
        from airflow_provider_confluence.sync.journal import Journal

        journal = Journal(Storage(self.folder / "state"), "docs")
        sink.open(Owner("docs", journal.deployment_id(), connect(self.settings).site))
        try:
            ids = [item.id for item in sink.inventory("docs")]
        finally:
            sink.close()
        with self.index() as index:
            found = [index.get(document_id) for document_id in ids]
        return {document.content_id: document for document in found if document is not None}

    def space_keys(self) -> list[str]:
        """The keys of the spaces in scope, by the definition and the model."""
        if self.definition["space"] != "*":
            return list(self.datasource.space)
        excluded = self.definition.get("exclude_spaces", ())
        personal = self.definition.get("personal_spaces", False)
        return [
            space.key
            for space in self.model.spaces()
            if space.status == "current" and space.key not in excluded and (personal or space.type != "personal")
        ]

    def expected(self) -> dict[str, dict[str, Any]]:
        """What the model says must be indexed, by content id."""
        datasource = self.datasource
        keys = self.space_keys()
        statuses = ("current", "archived") if datasource.archived else ("current",)
        types = list(datasource.content_types)
        records = [record for status in statuses for record in self.model.visible(keys, types, status=status)]
        by_id = {
            record.id: record
            for status in statuses
            for record in self.model.visible(keys, ["page", "blogpost", "folder"], status=status)
        }
        return {
            record.id: {
                "type": record.type,
                "title": record.title,
                "space": record.space,
                "space_name": self.model.space(record.space).name,
                "version": record.version,
                "parent": record.parent if record.type != "attachment" else None,
                "labels": sorted((by_id[record.container] if record.type == "comment" else record).labels),
                "container": record.container,
                "size": record.size if record.type == "attachment" else None,
                "ancestors": self._ancestors(record, by_id),
                "editor": self.model.user(record.editor).name,
                "location": record.location,
                "resolution": record.resolution,
            }
            for record in records
            if by_id[record.container or record.id].type in datasource.content_types
            and self.is_chosen(by_id[record.container or record.id])
        }

    def is_chosen(self, record: Any) -> bool:
        """Say whether a page or blog post is in scope, by the definition and the model."""
        wanted, unwanted = (set(self.definition.get(f"{which}_labels", ())) for which in ("include", "exclude"))
        labels = set(record.labels)
        roots = self.definition.get("root_pages", ())
        if roots and record.type == "page":
            item = self.model.item(record.id)
            if not {str(step.id) for step in [*self.model.ancestors(item), item]} & set(roots):
                return False
        return (not wanted or bool(labels & wanted)) and not labels & unwanted

    def _ancestors(self, record: Any, by_id: dict[str, Any]) -> list[str]:
        step = by_id[record.container or record.id]
        way = []
        while step.parent is not None and step.parent in by_id:
            step = by_id[step.parent]
            way.append(step.title)
        return way[::-1]

    def indexed(self) -> dict[str, dict[str, Any]]:
        """What the index holds, in the same shape."""
        return {
            content_id: {
                "type": d.type,
                "title": d.title,
                "space": d.space.key,
                "space_name": d.space.name,
                "version": d.source_version,
                "parent": d.parent_id if d.type != "attachment" else None,
                "labels": sorted(d.labels),
                "container": d.container.id if d.container else None,
                "size": d.size_bytes if d.type == "attachment" else None,
                "ancestors": [a.title for a in d.ancestors],
                "editor": d.last_editor.name if d.last_editor else None,
                "location": d.properties.get("location"),
                "resolution": d.properties.get("resolution"),
            }
            for content_id, d in self.documents().items()
        }


@pytest.fixture
def wiki(sandbox: Any, tmp_path: Path) -> Wiki:
    """A small wiki in a space DOCS (and another space, OPS), on the edition of the ``sandbox`` fixture."""
    return fill(Wiki(sandbox, tmp_path))


def fill(wiki: Wiki) -> Wiki:
    model = wiki.model
    model.create_space("DOCS", "Documentation")
    model.create_space("OPS", "Operations")
    home = model.create_page("DOCS", "Home", "<p>Welcome home</p>", labels=["start"])
    guide = model.create_page(
        "DOCS", "Guide", "<p>How to roll back a deployment</p>", parent=home, labels=["howto", "ops"]
    )
    model.create_page("DOCS", "Chapter", "<h1>One</h1><p>Turn the handle</p>", parent=guide)
    model.create_page("DOCS", "Appendix", "<p>See also the guide</p>", parent=home)
    model.create_page("OPS", "Runbook", "<p>Not in scope</p>")
    model.create_blogpost("DOCS", "News", "<p>We shipped it</p>")
    model.attach(guide, "plan.txt", b"the plan", "text/plain")
    return wiki


class Poison(Fault):
    """Answers 500 to every request for the body of one item, alone or among others."""

    def __init__(self, content_id: str) -> None:
        super().__init__(times=None)
        self.content_id = content_id

    def matches(self, request: Any) -> bool:
        named = [id_ for name in ("id", "ids") for value in request.many(name) for id_ in value.split(",")]
        return self.content_id in named and "body" in str(request.query)

    def apply(self, _request: Any, _answer: Any, /) -> Any:
        return text_response("", 500)
