"""What to take out of the index: what is known and was not seen, asked for again, and judged by what it means.

:mod:`~airflow_provider_confluence.sync.vanished` asks and guards; here is decided for which items, and which deletions somebody meant when
the datasource was narrowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from airflow_provider_confluence.confluence.client import ConfluenceClient, Identity
from airflow_provider_confluence.datasource import Datasource
from airflow_provider_confluence.documents import CONTAINED_TYPES, TREE_TYPES, Entry
from airflow_provider_confluence.errors import CredentialsError
from airflow_provider_confluence.sync.contained import inside
from airflow_provider_confluence.sync.manifest import Record
from airflow_provider_confluence.sync.scope import Judged, Scope, Spaces, admits_space
from airflow_provider_confluence.sync.vanished import Guarded, confirm, guard


@dataclass(slots=True)
class Removals:
    """What goes and what waits, the items that are still there after all, by content id, and how many could not be settled.

    ``left``: of what goes or waits, what Confluence shows out of scope: as it is known, and the id of the space in which it is now.
    """

    guarded: Guarded = field(default_factory=lambda: Guarded([], [], ()))
    found: dict[str, Entry] = field(default_factory=dict)
    unsure: int = 0
    left: dict[str, tuple[Record, str]] = field(default_factory=dict)


class RemovalFinder:
    """Says what of the known items is to be removed, from what one look at Confluence found.

    :param spaces: the spaces in scope, and those that the settings leave out.
    :param before: the datasource as the last commit knew it, and as each dead run since did.
    :param incomplete: each (space id, type) that was not listed to the end; nothing of it is removed.
    """

    def __init__(
        self,
        client: ConfluenceClient,
        datasource: Datasource,
        scope: Scope,
        spaces: Spaces,
        *,
        before: Iterable[Datasource],
        incomplete: set[tuple[str, str]],
    ) -> None:
        self._client = client
        self._datasource = datasource
        self._scope = scope
        self._spaces = spaces
        self._before = list(before)
        self._incomplete = incomplete

    def find(
        self,
        judged: Judged,
        known: Mapping[str, Record],
        identity: Identity,
        *,
        among: Iterable[Record] | None = None,
        last_account: str | None,
        consented: set[str],
    ) -> Removals:
        """Return what is to be removed. Cost in requests: what :func:`confirm` asks, and 1 where anything is gone.

        :param known: every record, the measure of what is larger than usual.
        :param among: the records that the look has something to say on; ``None`` is all of them.
        :param last_account: who read at the last commit; where another account reads now, every deletion needs consent.
        :param consented: ids whose deletion somebody consented to.
        :raises CredentialsError: where Confluence took us for another account meanwhile.
        """
        entries = judged.within
        # What an earlier form of the datasource would still take is out because of its settings, and not of what happened to it.
        left = {
            content_id
            for content_id, entry in judged.outside.items()
            if any(self._scope.would_admit(datasource, entry) for datasource in self._before)
        }
        # What Confluence shows, and says itself that not everybody may read it, goes at once, however much it is: a mistake in that is
        # mended by the next run, and what was read meanwhile by those who may not is not.
        restricted = {i for i, entry in judged.outside.items() if self._scope.is_restricted(entry)}
        left |= restricted
        dropped, missing, outside = [], [], []
        for record in known.values() if among is None else among:
            if record.content_id in entries:
                continue
            if record.type and record.type not in self._datasource.content_types:
                dropped.append(record)
                left.add(record.content_id)
            elif record.content_id in restricted or record.container_id in restricted:
                outside.append(record)
            elif record.content_id in judged.outside:
                # Seen, so there is nothing to ask. Not even this is removed on the word of a listing that did not finish.
                if not self._incomplete_for(record):
                    outside.append(record)
            elif self._left_by_settings(record):
                # Asked for all the same: it may have moved to a space whose listing did not finish.
                missing.append(record)
                left.add(record.content_id)
            elif not self._incomplete_for(record):
                missing.append(record)
        types = self._datasource.content_types
        answer = confirm(self._client, missing, current=entries, content_types=types, judge=self._scope.judge)
        found: dict[str, Entry] = {}
        for content_id, entry in answer.found.items():
            of = entry.container_id
            container = (entries.get(of) or found.get(of)) if of else None
            found[content_id] = inside(entry, container) if container else entry
        left |= {i for i, entry in answer.elsewhere.items() if self._scope.is_restricted(entry)}
        gone = [*answer.gone, *outside]
        if gone:
            self._confirm_account(identity)
        other_account = None
        if last_account is not None and last_account != identity.account_id:
            other_account = f"another account reads now ({identity.account_id} instead of {last_account})"
        # What goes because somebody narrowed the datasource goes on purpose: it needs no consent, nor does what hangs on it.
        meant = {r.content_id for r in gone if r.content_id in left or r.container_id in left}
        guarded = guard(
            (record for record in gone if record.content_id not in meant),
            known.values(),
            share=self._datasource.max_delete_share,
            consented=consented,
            all_need_consent=other_account,
            space_name=self._space_name,
        )
        guarded.deletions += [*dropped, *(record for record in gone if record.content_id in meant)]
        seen = {**answer.elsewhere, **judged.outside}
        moved = {r.content_id: (r, seen[r.content_id].space_id) for r in gone if r.content_id in seen}
        return Removals(guarded, found, len(answer.unsure), moved)

    def _space_name(self, space_id: str) -> str:
        space = self._spaces.within.get(space_id)
        return space.key if space is not None else space_id

    def _left_by_settings(self, record: Record) -> bool:
        """Say whether an item's space was taken out of the datasource, in contrast to one that disappeared from ``"*"``."""
        if not record.space_id or record.space_id in self._spaces.within:
            return False
        if self._datasource.everywhere:
            space = self._spaces.left_out.get(record.space_id)
            return space is not None and any(admits_space(datasource, space) for datasource in self._before)
        return any(set(datasource.space) - set(self._datasource.space) for datasource in self._before)

    def _confirm_account(self, identity: Identity) -> None:
        """Make sure that it was us to the end: a token that expires meanwhile may leave us a visitor, who sees less."""
        if self._client.identity().account_id != identity.account_id:
            raise CredentialsError(
                f"datasource {self._datasource.id}: Confluence took us for another account during the listing; nothing was deleted"
            )

    def _incomplete_for(self, record: Record) -> bool:
        if not record.type:
            return bool(self._incomplete)
        if record.type in CONTAINED_TYPES:
            # Its container may stand in any listing of containers that did not finish.
            others = set(CONTAINED_TYPES) - {record.type}
            return any(type_ not in others for _, type_ in self._incomplete)
        if record.type in TREE_TYPES:  # known through the pages below
            return (record.space_id, "page") in self._incomplete
        # An item may have moved to a space whose listing did not finish; the look-up by id settles that.
        return (record.space_id, record.type) in self._incomplete
