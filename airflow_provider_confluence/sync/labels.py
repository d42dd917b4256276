"""Labels that no listing told, asked for one by one, as far as one run may."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, cast

from airflow_provider_confluence.confluence.client import ConfluenceClient
from airflow_provider_confluence.documents import Entry
from airflow_provider_confluence.sync.manifest import Record

MOST_ASKED = 1_000
"""Where a listing told no labels at all, because the search behind it fails, 1 request an item would be a hundred thousand for one run."""
_LABELLED = ("page", "blogpost")


class Labels:
    """Asks for labels within a bound that one run shares.

    :param known: what is recorded of items. Those that are new or changed come first, or were written without their labels; of the others
        it is each time another draw, so that all have their turn.
    """

    def __init__(self, client: ConfluenceClient, known: Mapping[str, Record]) -> None:
        self._client = client
        self._known = known
        self._left = MOST_ASKED

    def fill(self, entries: Mapping[str, Entry]) -> dict[str, Entry]:
        """Return the entries with the labels of those whose listing could not tell them; those that cannot be had stay ``None``.

        Up to 1 request an entry, and :data:`MOST_ASKED` a run.
        """
        unknown = [e for e in entries.values() if e.labels is None and e.type in _LABELLED]
        random.shuffle(unknown)
        unknown.sort(key=self._can_wait)
        asked, filled = unknown[: self._left], dict(entries)
        self._left -= len(asked)
        for type_ in _LABELLED:
            ids = [entry.content_id for entry in asked if entry.type == type_]
            found = self._client.labels_of(cast(Literal["page", "blogpost"], type_), ids) if ids else {}
            filled.update((i, replace(filled[i], labels=labels)) for i, labels in found.items())
        return filled

    def _can_wait(self, entry: Entry) -> bool:
        record = self._known.get(entry.content_id)
        return record is not None and record.version == entry.version and bool(record.context)


def without_labels(entries: Mapping[str, Entry]) -> int:
    """Return how many pages and blog posts there are whose labels are not known."""
    return sum(entry.labels is None and entry.type in _LABELLED for entry in entries.values())
