"""What changed in an index, for DAGs that hang on its asset: embeddings, summaries, whatever follows the wiki.

The documents come back from the sink, so Confluence is not asked again. ``dags/example_confluence_embeddings.py`` shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_confluence.documents import Document, Tombstone

__all__ = ["Changes", "changes_since"]


@dataclass(frozen=True, slots=True)
class Changes:
    """What was committed above the revision ``after`` and up to ``until``, to be iterated: documents as they are now, and tombstones.

    Each iteration streams from the sink, in no particular order. It gives everything, whoever may read it: a document's ``permissions``
    travel with it. Keep ``until`` when all are dealt with: the next time begins there.
    """

    after: int
    until: int
    _read: Callable[[int, int], Iterator[Document | Tombstone]] = field(repr=False, compare=False)

    def __iter__(self) -> Iterator[Document | Tombstone]:
        """Iterate over documents and tombstones."""
        return self._read(self.after, self.until) if self.after < self.until else iter(())


def changes_since(datasource_id: str, revision: int = 0) -> Changes:
    """Return what changed in a datasource's index since a revision, up to its last commit.

    For tasks: it reads this deployment's storage and sink. Sinks that give back what was written are ``local`` and ``files``, and those of
    your own that are a :class:`~airflow_provider_confluence.sinks.base.ReadableSink`.

    Where you keep the last ``until`` yourself nothing is missed, whatever became of an event: a DAG that is paused gets none. An event of
    the asset names the commit before its own as ``follows``. From 0 it is all that the sink keeps: documents and tombstones.

    Two things are not told, because the place that would tell them is gone: that a datasource was purged, and what was removed before it
    moved to another sink or ``queue.name`` while you were behind. Begin anew after them: drop what you have, and ask from 0.

    :raises ConfigurationError: where the sink does not give back what was written; ask it for a revision above yours then.
    """
    from airflow_provider_confluence.datasource import Datasource
    from airflow_provider_confluence.errors import ConfigurationError
    from airflow_provider_confluence.operators import _deployment as deployment
    from airflow_provider_confluence.sinks.base import ReadableSink
    from airflow_provider_confluence.sync.journal import Journal

    head = Journal(deployment.storage(), datasource_id).read_head()
    if head is None:
        return Changes(revision, revision, _nothing)
    # As it was at the commit: that is where the documents are.
    datasource = Datasource.from_json(head.datasource)
    sink = deployment.make_sink(datasource)
    if not isinstance(sink, ReadableSink):
        sink.close()
        raise ConfigurationError(
            f"datasource {datasource_id}: the sink {datasource.sink.get('type')} does not give back what was written; ask it yourself for "
            f"documents with a revision above {revision}"
        )

    def read(after: int, until: int) -> Iterator[Document | Tombstone]:
        return sink.changes(datasource_id, after, until)

    return Changes(revision, max(revision, head.revision), read)


def _nothing(_after: int, _until: int) -> Iterator[Document | Tombstone]:
    return iter(())
