"""What datasources over one storage folder tell each other: that something came into a space which another one covers.

A move makes no version, so a quick look in the other datasource does not see what came in. The datasource that a page left does see it go,
and leaves a note below the other one's folder; the next automatic run there compares everything. A note is a hint, no truth of its own: one
that is lost costs time until the next comparison, one too many costs a comparison.
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_confluence.errors import ConfluenceProviderError
from airflow_provider_confluence.sync.journal import Head, Journal
from airflow_provider_confluence.sync.manifest import FORMAT, Record, digest
from airflow_provider_confluence.sync.storage import Storage

_FOLDER = "arrivals"


def tell_others(storage: Storage, datasource_id: str, site: str, left: Mapping[str, tuple[Record, str]]) -> list[str]:
    """Leave a note with every other datasource of the site that covers a space into which something went. No requests.

    Safe to repeat: the same items give the same note. Each datasource writes a file of its own, so none takes another's note away. What is
    wrong with another datasource's files never stops this one.

    :param left: by content id, what left: as it is known, and the id of the space in which it is now.
    :returns: a sentence for each datasource that could not be told.
    """
    problems = []
    for other in storage.names("") if left else ():
        if other == datasource_id:
            continue
        covered = _spaces_of(storage, other, site)
        # The revision tells a second visit of the same page from the first.
        came = sorted([i, space_id, record.revision] for i, (record, space_id) in left.items() if space_id in covered)
        if not came:
            continue
        name = f"{other}/{_FOLDER}/{datasource_id}.json"
        try:
            storage.write_json(name, {"format": FORMAT, "note": digest(came)})
        except ConfluenceProviderError as error:
            problems.append(
                f"datasource {other} could not be told of {len(came)} items that came into its spaces: {error}"
            )
    return problems


def _spaces_of(storage: Storage, other: str, site: str) -> set[str]:
    try:
        head: Head | None = Journal(storage, other).read_head()
    except (ConfluenceProviderError, KeyError, TypeError, ValueError):
        return set()  # its own run says what is wrong with it, and compares everything once it is mended
    return set(head.reconciled.get("spaces", {})) if head is not None and head.site == site else set()


def notes_for(storage: Storage, datasource_id: str) -> dict[str, str]:
    """Return the notes that others left for a datasource, by the id of the datasource that wrote them; one that is damaged counts too."""
    found = {}
    for name in storage.names(f"{datasource_id}/{_FOLDER}"):
        try:
            value = storage.read_json(f"{datasource_id}/{_FOLDER}/{name}") or {}
        except ConfluenceProviderError:
            value = {}
        found[name.removesuffix(".json")] = str(value.get("note", ""))
    return found
