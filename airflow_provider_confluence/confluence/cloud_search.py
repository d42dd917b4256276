"""What Confluence Cloud tells in bulk through its search alone: labels and read restrictions of items, and folders.

Which items the search names lags behind what is there; what it says of them does not. It is an addition to the listings, so it may fail:
what it did not tell is not known, and is asked for one by one. One that does not answer is not tried again: with its pauses that would
take a minute a space.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from airflow_provider_confluence.confluence.cql import in_list
from airflow_provider_confluence.confluence.paging import Get, Progress, Row, by_cursor
from airflow_provider_confluence.confluence.readers import RESTRICTED, Levels, own_readers
from airflow_provider_confluence.confluence.reading import label_names, object_of, text_of, whole_number
from airflow_provider_confluence.confluence.shared import numeric
from airflow_provider_confluence.confluence.transport import Params
from airflow_provider_confluence.documents import Space
from airflow_provider_confluence.errors import (
    ConfluenceProviderError,
    ConfluenceUnavailableError,
    ContractError,
    CredentialsError,
)

_log = logging.getLogger(__name__)

NODES: Final = {"folder": "folders", "whiteboard": "whiteboards", "database": "databases", "embed": "embeds"}
AT_A_TIME = 200
IDS_AT_A_TIME = 100
KEYS_AT_A_TIME = 50
_PATH = "/rest/api/content/search"
_MOST_HALVED, _MOST_REFUSED = 30, 6


@dataclass(frozen=True, slots=True)
class Detail:
    """What the search says of an item; ``None`` where it does not, or not to the end."""

    labels: tuple[str, ...] | None
    readers: Levels | None


NOTHING_TOLD: Final = Detail(None, None)


class CloudSearch:
    """Asks the search.

    :param labels_of: asks for the labels of one item by type and id, where the search cuts them short.
    """

    def __init__(self, get: Get, labels_of: Callable[[str, str], tuple[str, ...]]) -> None:
        self._get = get
        self._labels_of = labels_of
        self._is_down = False

    def details(self, types: Mapping[str, str], *, readers: bool) -> dict[str, Detail]:
        """Return labels, and read restrictions where they are wanted, of items by id. 1 request for all, and 1 for each item whose labels
        are many.

        A search that fails for another reason than the credential leaves them unknown.

        :param types: the items' types by id, :data:`AT_A_TIME` at most.
        """
        found: dict[str, Detail] = {}
        asked = numeric(list(types))  # what else is said to be an id is no part of a question
        if self._is_down or not asked:
            return found
        expand = f"metadata.labels,{RESTRICTED}" if readers else "metadata.labels"
        many: list[str] = []
        try:
            for row in self._rows(f"id in ({', '.join(asked)})", expand):
                labels, content_id = _labels(row), text_of(row, "id")
                found[content_id] = Detail(labels, own_readers(row, cloud=True) if readers else None)
                if labels is None and content_id in types and isinstance(_listed_labels(row).get("results"), list):
                    many.append(content_id)
            for content_id in many:
                labels = self._labels_of(types[content_id], content_id)
                found[content_id] = Detail(labels, found[content_id].readers)
        except CredentialsError:
            raise
        except ConfluenceProviderError as error:
            # Half of a search is as good as the whole of it: of an item that it does not name nothing is known.
            _log.warning("labels and restrictions are known for %d of %d items only: %s", len(found), len(types), error)
            self._note(error)
        return found

    def readers_by_id(self, content_ids: Sequence[str]) -> dict[str, Levels]:
        """Return the read restrictions of those items that the search names. ⌈ids / 100⌉ requests; what it refuses is not known."""
        found: dict[str, Levels] = {}
        for start in range(0, 0 if self._is_down else len(content_ids), IDS_AT_A_TIME):
            some = content_ids[start : start + IDS_AT_A_TIME]
            try:
                for row in self._rows(f"id in ({', '.join(some)})", RESTRICTED):
                    readers = own_readers(row, cloud=True)
                    if readers is not None and text_of(row, "id") in some:
                        found[text_of(row, "id")] = readers
            except CredentialsError:
                raise
            except ConfluenceProviderError as error:
                _log.warning("restrictions of %d items are asked for one by one: %s", len(content_ids), error)
                self._note(error)
                break
        return found

    def tree_nodes(self, spaces: Sequence[Space]) -> list[tuple[str, str]]:
        """Return the ``(id, type)`` of folders and their like. ⌈found / 200⌉ requests for 50 spaces, 1 at least; more where it refuses.

        That CQL knows the type ``folder`` is what several projects rely on; of the other types it is not certain, and a type that it does
        not know spoils a query. So folders are asked for alone where all types together are refused. A space that the search does not
        know spoils a query too: then both halves are asked for, which finds one space among 50 with some 12 requests.
        That is done 30 times at most; where no question is taken at all, after 6 refusals no more.
        """
        found: dict[tuple[str, str], None] = {}
        types = tuple(NODES)
        keys = [space.key for space in spaces]
        groups = deque(keys[start : start + KEYS_AT_A_TIME] for start in range(0, len(keys), KEYS_AT_A_TIME))
        left_out: list[str] = []
        refused = halved = 0
        takes_types = takes_any = False
        while groups and not self._is_down:
            group = groups.popleft()
            outcome = self._add_nodes(found, group, types)
            takes_types |= outcome == "told"
            if outcome == "refused" and len(types) > 1 and not takes_types:
                outcome = self._add_nodes(found, group, types[:1])
                if outcome == "told":
                    types = types[:1]
            takes_any |= outcome == "told"
            if outcome == "refused":
                refused += 1
                if len(group) > 1 and halved < _MOST_HALVED and (takes_any or refused <= _MOST_REFUSED):
                    halved += 1
                    middle = len(group) // 2
                    groups.extend((group[:middle], group[middle:]))
                else:
                    left_out += group
        if left_out:
            _log.warning("the search refused to look for folders in spaces %s", in_list(left_out))
        return list(found)

    def _add_nodes(
        self, found: dict[tuple[str, str], None], keys: Sequence[str], types: Sequence[str]
    ) -> Literal["told", "refused", "failed"]:
        """Add what the search finds; return whether it told, refused the question as such, or failed otherwise."""
        some = in_list(keys)
        try:
            for row in self._rows(f"space in {some} and type in ({', '.join(types)})"):
                if str(row.get("type")) in NODES:
                    found.setdefault((text_of(row, "id"), text_of(row, "type")))
        except CredentialsError:
            raise
        except ConfluenceProviderError as error:
            if isinstance(error, ContractError) and error.status == 400:
                return "refused"
            _log.warning("folders of spaces %s were not searched for to the end: %s", some, error)
            self._note(error)
            return "failed"
        return "told"

    def _rows(self, cql: str, expand: str = "") -> Iterator[Row]:
        params: Params = {"cql": cql, **({"expand": expand} if expand else {}), "limit": AT_A_TIME}
        for rows in by_cursor(self._get, _PATH, params, Progress(), patient=False):
            yield from (row for row in rows if row.get("id") is not None)

    def _note(self, error: ConfluenceProviderError) -> None:
        self._is_down = self._is_down or isinstance(error, ConfluenceUnavailableError)


def _listed_labels(row: Row) -> Mapping[str, Any]:
    return object_of(object_of(row, "metadata"), "labels")


def _labels(row: Row) -> tuple[str, ...] | None:
    labels = _listed_labels(row)
    listed = labels.get("results")
    if not isinstance(listed, list):
        return None
    limit = whole_number(labels.get("limit"))
    if object_of(labels, "_links").get("next") or (limit and len(listed) >= limit):
        return None
    return label_names(listed)
