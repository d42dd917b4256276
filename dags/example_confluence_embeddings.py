"""Embeddings that follow Confluence: a DAG that runs when the index of datasource ``docs`` changed, and touches only what changed.

``collect`` writes the changed documents as lines of ``{"text": …, "metadata": {…}}``, the shape that the operators of Airflow's common-ai
provider take. ``embed`` stands in for them: its vectors count words, so that the example needs no service. Put your own model there.
Both tasks share a folder; on several hosts let it lie where all workers see it.
"""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_confluence.documents import Tombstone
from airflow_provider_confluence.operators.changes import changes_since
from airflow_provider_confluence.operators.confluence import asset_of

DATASOURCE = "docs"
FOLDER = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "confluence_embeddings"
DIMENSIONS = 256


def vector_of(text: str) -> list[float]:
    """Return a vector of length 1 that is near to that of texts with the same words. A stand-in: use a model."""
    import math
    import re
    import zlib

    vector = [0.0] * DIMENSIONS
    for word in re.findall(r"\w+", text.lower()):
        vector[zlib.crc32(word.encode()) % DIMENSIONS] += 1.0
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]


def store() -> Any:
    """Open the store of the vectors, one row for each part of a document. In a deployment: a vector database."""
    import sqlite3

    database = sqlite3.connect(FOLDER / "vectors.sqlite3")
    database.executescript(
        "CREATE TABLE IF NOT EXISTS part (document_id TEXT, title TEXT, url TEXT, text TEXT, vector TEXT);"
        "CREATE INDEX IF NOT EXISTS part_document ON part (document_id);"
        "CREATE TABLE IF NOT EXISTS done (revision INTEGER)"
    )
    return database


with DAG(
    "example_confluence_embeddings",
    schedule=[asset_of(DATASOURCE)],
    start_date=datetime(2025, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    tags=["confluence", "example"],
):

    @task
    def collect() -> dict[str, Any]:
        """Write what changed since the last time into a file; return its path, how much it is, and how far this goes."""
        import json
        from contextlib import closing

        FOLDER.mkdir(parents=True, exist_ok=True)
        with closing(store()) as database:
            (done,) = database.execute("SELECT coalesce(max(revision), 0) FROM done").fetchone()
        changes = changes_since(DATASOURCE, done)
        file = FOLDER / f"changed-{changes.until}.jsonl"
        removed = count = 0
        with file.open("w", encoding="utf-8") as lines:
            for item in changes:
                if isinstance(item, Tombstone):
                    lines.write(json.dumps({"removed": item.id}) + "\n")
                    removed += 1
                else:
                    lines.write(json.dumps(item.text_and_metadata(), ensure_ascii=False) + "\n")
                    count += 1
        # A path, not the documents: XCom is no place for a wiki.
        return {"file": str(file), "documents": count, "removed": removed, "until": changes.until}

    @task
    def embed(collected: Any) -> dict[str, int]:
        """Put the vectors of changed documents in the place of their old ones, take out what was removed, and keep how far this went."""
        import json
        from contextlib import closing

        parts = 0
        file = Path(collected["file"])
        # All or nothing: a run that stops here is repeated by the next.
        with closing(store()) as database, database, file.open(encoding="utf-8") as lines:
            for line in lines:
                document = json.loads(line)
                metadata = document.get("metadata")
                old = metadata["id"] if metadata else document["removed"]
                database.execute("DELETE FROM part WHERE document_id = ?", [old])
                if metadata is None:
                    continue
                for text in [part for part in document["text"].split("\n\n") if part.strip()] or [metadata["title"]]:
                    vector = json.dumps(vector_of(f"{metadata['title']} {text}"))
                    row = [metadata["id"], metadata["title"], metadata["url"], text, vector]
                    database.execute("INSERT INTO part VALUES (?, ?, ?, ?, ?)", row)
                    parts += 1
            database.execute("INSERT INTO done VALUES (?)", [collected["until"]])
        file.unlink()
        return {"documents": collected["documents"], "parts": parts, "removed": collected["removed"]}

    embed(collect())
