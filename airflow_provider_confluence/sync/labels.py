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

    :param known: what is recorded of items, by content id.
    """

    def __init__(self, client: ConfluenceClient, known: Mapping[str, Record]) -> None:
        self._client = client
        self._known = known
        self._left = MOST_ASKED

    def fill(self, entries: Mapping[str, Entry], *, decide: bool = False) -> dict[str, Entry]:
        """Return the entries with the labels of those whose listing could not tell them; those that cannot be had stay ``None``.

        Up to 1 request an entry, and :data:`MOST_ASKED` a run. Items whose document would lack them come first; of the others it is each
        time another draw, so that all have their turn.

        :param decide: whether labels decide what is in scope. What is out of it has no record and looks new for ever, so half of what may
            be asked is for recorded items then.
        """
        unknown = [e for e in entries.values() if e.labels is None and e.type in _LABELLED]
        random.shuffle(unknown)
        unknown.sort(key=self._can_wait)
        asked, filled = unknown[: self._left], dict(entries)
        if decide and len(asked) < len(unknown):
            waiting = [entry for entry in unknown if entry.content_id in self._known][: self._left // 2]
            others = [entry for entry in unknown if entry.content_id not in self._known]
            asked = (waiting + others)[: self._left]
        self._left -= len(asked)
        for type_ in _LABELLED:
            ids = [entry.content_id for entry in asked if entry.type == type_]
            found = self._client.labels_of(cast(Literal["page", "blogpost"], type_), ids) if ids else {}
            filled.update((i, replace(filled[i], labels=labels)) for i, labels in found.items())
        return filled

    def missing(self, entries: Mapping[str, Entry]) -> tuple[str, bool]:
        """Return a note on the pages and blog posts whose labels are not known, or nothing, and whether a document lacks them for that."""
        unknown = [e for e in entries.values() if e.labels is None and e.type in _LABELLED]
        lacking = sum(not self._can_wait(entry) for entry in unknown)
        note = (
            f"the labels of {len(unknown)} items could not be had, because Confluence's search did not tell them; "
            f"{lacking} documents lack them, and the others keep those that were last known"
        )
        return note if unknown else "", bool(lacking)

    def _can_wait(self, entry: Entry) -> bool:
        """Say whether the document of an item has labels already, those that were last known."""
        record = self._known.get(entry.content_id)
        return record is not None and record.version == entry.version and bool(record.context)
