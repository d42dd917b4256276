"""The first step: what changed in Confluence since the last commit, as a durable plan.

Claims a revision, absorbs what dead runs left, enumerates everything in scope, compares it with what is known to be indexed, asks again
for what vanished, and writes the plan. Nothing is written to the sink here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_confluence.confluence.client import ConfluenceClient, Identity
from airflow_provider_confluence.datasource import Datasource, parse_duration
from airflow_provider_confluence.documents import Entry, instant, rfc3339
from airflow_provider_confluence.errors import (
    ConfigurationError,
    CredentialsError,
    OwnershipError,
    RetryLaterError,
    UpgradeNeededError,
)
from airflow_provider_confluence.sinks.base import Owner
from airflow_provider_confluence.sync.context import Event, RunContext
from airflow_provider_confluence.sync.journal import Head, Journal, Plan, PlanItem
from airflow_provider_confluence.sync.known import Known, doubt_inventory, load_known
from airflow_provider_confluence.sync.manifest import Record
from airflow_provider_confluence.sync.newest_first import DoubtError, list_newest
from airflow_provider_confluence.sync.recipe import CONVERTER, recipe_of, target_of
from airflow_provider_confluence.sync.scope import Judged, Scope, Spaces, admits_space, check_roots, find_spaces
from airflow_provider_confluence.sync.surroundings import Surroundings, context_hash, fill_labels
from airflow_provider_confluence.sync.vanished import Guarded, confirm, guard
from airflow_provider_confluence.sync.whole_listing import list_everything

MODES = ("auto", "full", "reconcile", "changes", "verify")
BATCH_ITEMS = 100
ITEMS_PER_SHARD = 2_000
# What is planned first when a run cannot take everything: what readers would miss most.
_ORDER = {"new": 0, "changed": 0, "context": 1, "moved": 0, "failed": 2, "pending": 2, "full": 3, "recipe": 3}


@dataclass(frozen=True, slots=True)
class PlanReference:
    """All that a later step needs to find its work: small enough for XCom."""

    datasource_id: str
    revision: int
    shards: int
    counts: Mapping[str, int]


def list_changes(
    run: RunContext, datasource: Datasource, *, mode: str = "auto", allow_mass_delete: int | None = None
) -> PlanReference:
    """Write a plan of what to do and return where it is.

    Cost in requests: 2 + Σ⌈items / 250⌉ over spaces and types, the labels' and attachments' listings, what
    :class:`~airflow_provider_confluence.sync.surroundings.Surroundings` asks, and ⌈vanished / 250⌉. A repeated call claims anew and
    does no harm.

    :param mode: ``full`` (everything is extracted again), ``reconcile`` (everything is compared), ``changes`` (the latest
        changes are looked at; a run that this does not suit becomes a reconcile), ``verify`` (what the sink holds is compared as well), or
        ``auto``.
    :param allow_mass_delete: the revision whose withheld deletions may go ahead.
    :raises SpaceNotFoundError: when a configured space cannot be seen; nothing is deleted then.
    :raises OwnershipError: when the state belongs to another site.
    """
    if mode not in MODES:
        raise ConfigurationError(f"mode {mode!r} is not known; choose one of {', '.join(MODES)}")
    client = run.connect(datasource)
    try:
        return _Listing(run, client, datasource, mode, allow_mass_delete).plan()
    finally:
        client.close()


class _Listing:
    """One call of list_changes: its steps share what was found so far."""

    def __init__(
        self,
        run: RunContext,
        client: ConfluenceClient,
        datasource: Datasource,
        mode: str,
        allow_mass_delete: int | None,
    ) -> None:
        self.run = run
        self.client = client
        self.datasource = datasource
        self.journal = Journal(run.storage, datasource.id)
        self.recipe = recipe_of(datasource)
        self.target = target_of(datasource)
        self.mode = mode
        # Asked for by name: without a commit to start from, auto is full too, but what dead runs brought need not be brought again.
        self.again = mode == "full"
        self.consent = allow_mass_delete
        self.notes: list[str] = []
        self.incomplete: set[tuple[str, str]] = set()
        self.unsure = False
        # Ids that only the sink's inventory names: no file of ours does, so the plan must carry them.
        self.doubted: set[str] = set()

    def plan(self) -> PlanReference:
        run, journal = self.run, self.journal
        identity = self.client.identity()
        head = journal.read_head()
        # Before the claim, which would stop a run that is at work.
        self._check_head(head)
        self._consented(head)
        revision = journal.claim(int(identity.server_time.timestamp() * 1000))
        run.reached("claimed")
        # And once more, because that run may have committed in the meantime.
        head = journal.read_head()
        self._check_head(head)
        consented = self._consented(head)
        known = load_known(journal, head, before=revision, recipe=self.recipe, target=self.target)
        for dead in known.plans:
            self._check_site(dead.site)
        self.mode = self._choose(head, known, identity)
        if head is None or head.target != self.target or self.mode == "verify":
            self._ask_the_sink(known, head)
        found = self._find_spaces(known, head)
        self.spaces, self.left_out = found.within, found.left_out
        self.scope = Scope(self.client, self.datasource, self.spaces)
        check_roots(self.client, self.datasource, self.spaces)
        judged = self._list(known, head)
        run.reached("listed")
        entries = judged.within
        if self.mode == "changes":
            guarded = Guarded([], [], ())
        else:
            guarded = self._vanished(judged, known, head, identity, consented)
        account = identity.account_id
        if head is not None and head.account != account and (guarded.withheld or self.incomplete or self.unsure):
            account = head.account  # until consent is given, or nothing asks for it, the new account stays another one
        for content_id, labels in fill_labels(self.client, entries.values()).items():
            entries[content_id] = replace(entries[content_id], labels=labels)
        # They know of what is out of scope as well: it is part of the way up to what is in it.
        surroundings = self.scope.surroundings
        self.scope.seen.update(entries)
        surroundings.prepare()
        upserts, unchanged = self._diff(entries, known, head, surroundings)
        # Newest first among what matters alike: two stable sorts.
        upserts.sort(key=lambda item: (item.entry.updated if item.entry else None) or "", reverse=True)
        upserts.sort(key=lambda item: _ORDER[item.why])
        taken = upserts[: self.datasource.max_items_per_run]
        rest = [replace(known.records.get(i.content_id) or i.record(), pending=True) for i in upserts[len(taken) :]]
        deletions = [PlanItem("delete", r.content_id, r.type, "gone") for r in guarded.deletions]
        if self.doubted:
            planned = {item.content_id for item in (*deletions, *taken)} | {record.content_id for record in rest}
            rest += [known.records[content_id] for content_id in sorted(self.doubted - planned)]
        if self.again or self._anew(head):
            # What a listing that did not finish left out must be made anew as well, when it is seen again.
            passed_over = known.records.keys() - entries.keys() - {item.content_id for item in deletions} - self.doubted
            rest += [replace(known.records[content_id], pending=True) for content_id in sorted(passed_over)]
        shards = _shards([*deletions, *taken], self.datasource.max_shards)
        counts = Counter(f"planned_{item.why}" for item in taken)
        counts.update(
            listed=len(entries),
            unchanged=unchanged,
            upserts=len(taken),
            deletions=len(deletions),
            withheld=len(guarded.withheld),
        )
        counts.update(left_for_later=len(rest))
        plan = Plan(
            revision=revision,
            mode=self.mode,
            datasource=self.datasource,
            shards=tuple(len(shard) for shard in shards),
            batch_items=BATCH_ITEMS,
            base_revision=head.revision if head else None,
            generation=head.generation if head else None,
            absorbed=tuple(dead.revision for dead in known.plans),
            from_scratch=head is None,
            watermark=rfc3339(identity.server_time),
            recipe=self.recipe,
            converter=CONVERTER,
            target=self.target,
            previous_targets=self._previous_targets(head, known),
            site=self.client.site,
            account=account,
            counts=dict(counts),
            notes=(*self.notes, *guarded.reasons),
            listed_all=not self.incomplete and not self.unsure,
            withheld=len(guarded.withheld),
            awaiting=self._awaiting(head, revision, {record.content_id for record in guarded.withheld}),
            reconciled=self._reconciled(head, identity),
            requests=self.client.requests_made,
        )
        journal.fence(revision)
        now = journal.read_head()
        if (now.revision if now else None) != plan.base_revision:
            raise RetryLaterError(
                f"datasource {self.datasource.id}: a run that had lost its claim still committed while this one listed; list again"
            )
        # Surroundings are put in line by line: all of them at once would be far more than the entries they come from.
        full = ((self._surrounded(item, surroundings) for item in shard) for shard in shards)
        journal.write_items(plan, full, rest, (record.content_id for record in guarded.withheld))
        run.reached("items_written")
        journal.write_plan(plan)
        run.reached("plan_written")
        run.observer(Event("planned", self.datasource.id, plan.counts))
        return PlanReference(self.datasource.id, revision, len(shards), plan.counts)

    # ---------------------------------------------------------------- before listing
    def _check_head(self, head: Head | None) -> None:
        if head is None:
            return
        if head.converter > CONVERTER:
            raise UpgradeNeededError(
                f"datasource {self.datasource.id} was last indexed by a newer version of airflow-provider-confluence "
                f"(converter {head.converter}, this worker has {CONVERTER}); upgrade this worker"
            )
        self._check_site(head.site)

    def _check_site(self, site: str) -> None:
        if site != self.client.site:
            raise OwnershipError(
                f"datasource {self.datasource.id} was indexed from {site}, and its connection now points to {self.client.site}. "
                "A datasource keeps its site: use another datasource id, or, to start afresh, remove the folder "
                f"{self.journal.storage.where(self.journal.folder)}"
            )

    def _consented(self, head: Head | None) -> set[str]:
        if self.consent is None:
            return set()
        if head is None or head.withheld != self.consent:
            waiting = f"run {head.withheld} waits for it" if head and head.withheld else "nothing waits for it"
            raise ConfigurationError(f"allow_mass_delete={self.consent} consents to nothing: {waiting}")
        return self.journal.withheld(self.consent)

    def _awaiting(self, head: Head | None, revision: int, withheld: set[str]) -> int | None:
        """Return the revision by which consent is given: the one that was named already, where it was named for all of these."""
        if not withheld:
            return None
        if head is not None and head.withheld is not None and withheld <= self.journal.find_withheld(head.withheld):
            return head.withheld
        return revision

    def _previous_targets(self, head: Head | None, known: Known) -> tuple[str, ...]:
        before = [*head.previous_targets, head.target] if head is not None else []
        before += [dead.target for dead in known.plans]
        return tuple(dict.fromkeys(target for target in before if target != self.target))

    def _reconciled(self, head: Head | None, identity: Identity) -> Mapping[str, Any]:
        """Return when everything was last listed to the end, in which spaces, and for how many requests: by that the next run chooses."""
        if self.mode != "changes" and not self.incomplete and not self.unsure:
            spaces = {space.id: space.key for space in self.spaces.values()}
            return {"at": rfc3339(identity.server_time), "requests": self.client.requests_made, "spaces": spaces}
        return head.reconciled if head is not None else {"at": "", "requests": self.client.requests_made}

    def _anew(self, head: Head | None) -> bool:
        return head is not None and (head.recipe != self.recipe or head.target != self.target)

    def _ask_the_sink(self, known: Known, head: Head | None) -> None:
        sink = self.run.make_sink(self.datasource)
        try:
            if sink.capabilities.inventory:
                sink.open(Owner(self.datasource.id, self.journal.deployment_id(), self.client.site))
                held = {item.content_id: item.revision for item in sink.inventory(self.datasource.id)}
                self.doubted = doubt_inventory(known, held)
            elif self.mode == "verify":
                raise ConfigurationError(
                    f"mode verify is not for the sink {self.datasource.sink['type']}: it cannot list what it holds"
                )
            elif self.journal.runs() if head is None else self.target in head.previous_targets:
                why = "the last commit is lost" if head is None else "the sink was another one in between"
                self.notes.append(
                    f"{why} and this sink cannot list what it holds: documents of pages deleted since cannot be known"
                )
        finally:
            sink.close()

    def _find_spaces(self, known: Known, head: Head | None) -> Spaces:
        keys: Mapping[str, str] = head.reconciled.get("spaces", {}) if head is not None else {}
        held = {record.space_id for record in known.records.values() if record.space_id}
        found = find_spaces(self.client, self.datasource, {space_id: keys.get(space_id) for space_id in held})
        if self.mode == "changes" and found.within.keys() != keys.keys():
            self.mode = "reconcile"  # what is in a space that appeared or went is not among the latest changes
        return found

    # ---------------------------------------------------------------- listing
    def _choose(self, head: Head | None, known: Known, identity: Identity) -> str:
        """Return what this run does: full, reconcile, verify or changes."""
        if head is None:
            return "verify" if self.mode == "verify" else "full"
        if self.mode not in ("auto", "changes"):
            return self.mode
        scope_is_another = Datasource.from_json(head.datasource).scope != self.datasource.scope
        if scope_is_another or known.plans or self._anew(head) or head.account != identity.account_id or head.withheld:
            return "reconcile"  # a quick look would not see what follows from that
        if self.mode == "changes":
            return "changes"
        last = head.reconciled
        cheap = last["requests"] <= self.datasource.cheap_reconcile_requests
        interval = parse_duration(self.datasource.reconcile_interval)
        return (
            "reconcile"
            if cheap or not last["at"] or identity.server_time - instant(last["at"]) >= interval
            else "changes"
        )

    def _list(self, known: Known, head: Head | None) -> Judged:
        if self.mode == "changes" and head is not None:
            try:
                newest = list_newest(self.run, self.client, self.datasource, self.spaces, known.records, head.watermark)
                judged = self.scope.judge(newest.entries)
                if not judged.unknown and not judged.outside.keys() & known.records.keys():
                    return judged
            except DoubtError as doubt:
                self.notes.append(f"the listing by last change cannot be trusted ({doubt}), so everything was listed")
            self.mode = "reconcile"  # only there is anything removed
            self.scope = Scope(self.client, self.datasource, self.spaces)
        listed = list_everything(self.run, self.client, self.datasource, self.spaces, known.records)
        self.incomplete = listed.incomplete
        self.notes += listed.notes
        judged = self.scope.judge(listed.entries)
        # A page that was never in scope, and whose way up ends before the top, is no page below a root.
        open_ = [
            i
            for i, e in judged.unknown.items()
            if i in known.records or not self.datasource.root_pages or e.labels is None
        ]
        if open_:
            self.unsure = True
            self.notes.append(
                f"Confluence does not tell whether {len(open_)} items are in scope; they are left as they are, and asked for again"
            )
        return judged

    # ---------------------------------------------------------------- what vanished
    def _vanished(
        self, judged: Judged, known: Known, head: Head | None, identity: Identity, consented: set[str]
    ) -> Guarded:
        entries = judged.within
        before = self._before(known, head)
        # What an earlier form of the datasource would still take is out because of its settings, and not of what happened to it.
        left = {
            content_id
            for content_id, entry in judged.outside.items()
            if any(self.scope.would_admit(datasource, entry) for datasource in before)
        }
        dropped, missing, outside = [], [], []
        for record in known.records.values():
            if record.content_id in entries:
                continue
            if record.type and record.type not in self.datasource.content_types:
                dropped.append(record)
                left.add(record.content_id)
            elif record.content_id in judged.outside:
                # Seen, so there is nothing to ask. Not even this is removed on the word of a listing that did not finish.
                if not self._incomplete_for(record):
                    outside.append(record)
            elif self._left_by_settings(record, before):
                # Asked for all the same: it may have moved to a space whose listing did not finish.
                missing.append(record)
                left.add(record.content_id)
            elif not self._incomplete_for(record):
                missing.append(record)
        answer = confirm(
            self.client,
            missing,
            current=entries,
            judge=self.scope.judge,
            attachments_wanted="attachment" in self.datasource.content_types,
        )
        for content_id, entry in answer.found.items():
            container = entries.get(entry.container_id) if entry.container_id else None
            entries[content_id] = replace(entry, space_id=container.space_id) if container else entry
        gone = [*answer.gone, *outside]
        if gone:
            self._confirm_account(identity)
        if answer.unsure:
            self.unsure = True
            self.notes.append(
                f"{len(answer.unsure)} vanished items could not be confirmed as gone; they are asked for again"
            )
        other_account = None
        if head is not None and head.account != identity.account_id:
            other_account = f"another account reads now ({identity.account_id} instead of {head.account})"
        # What goes because somebody narrowed the datasource goes on purpose: it needs no consent, nor do the attachments that go with it.
        meant = {r.content_id for r in gone if r.content_id in left or r.container_id in left}
        guarded = guard(
            (record for record in gone if record.content_id not in meant),
            known.records.values(),
            share=self.datasource.max_delete_share,
            consented=consented,
            all_need_consent=other_account,
            space_name=lambda space_id: self.spaces[space_id].key if space_id in self.spaces else space_id,
        )
        guarded.deletions += [*dropped, *(record for record in gone if record.content_id in meant)]
        return guarded

    def _before(self, known: Known, head: Head | None) -> list[Datasource]:
        """Return the datasource as the last commit knew it, and as each dead run since did."""
        before = [dead.datasource for dead in known.plans]
        return [*before, Datasource.from_json(head.datasource)] if head is not None else before

    def _left_by_settings(self, record: Record, before: Iterable[Datasource]) -> bool:
        """Say whether an item's space was taken out of the datasource, in contrast to one that disappeared from ``"*"``."""
        if not record.space_id or record.space_id in self.spaces:
            return False
        if self.datasource.everywhere:
            space = self.left_out.get(record.space_id)
            return space is not None and any(admits_space(datasource, space) for datasource in before)
        return any(set(datasource.space) - set(self.datasource.space) for datasource in before)

    def _confirm_account(self, identity: Identity) -> None:
        """Make sure that it was us to the end: a token that expires meanwhile may leave us a visitor, who sees less."""
        if self.client.identity().account_id != identity.account_id:
            raise CredentialsError(
                f"datasource {self.datasource.id}: Confluence took us for another account during the listing; nothing was deleted"
            )

    def _incomplete_for(self, record: Record) -> bool:
        if not record.type:
            return bool(self.incomplete)
        if record.type == "attachment":
            # Its container may stand in any listing that did not finish.
            return bool(self.incomplete)
        # An item may have moved to a space whose listing did not finish; the look-up by id settles that.
        return (record.space_id, record.type) in self.incomplete

    # ---------------------------------------------------------------- what to bring
    def _diff(
        self, entries: Mapping[str, Entry], known: Known, head: Head | None, surroundings: Surroundings
    ) -> tuple[list[PlanItem], int]:
        anew = self._anew(head)
        upserts: list[PlanItem] = []
        unchanged = 0
        for entry in entries.values():
            why = self._why(entry, context_hash(entry, surroundings.of(entry)), known, anew)
            if why is None:
                unchanged += 1
                continue
            upserts.append(PlanItem("upsert", entry.content_id, entry.type, why, entry))
        return upserts, unchanged

    @staticmethod
    def _surrounded(item: PlanItem, surroundings: Surroundings) -> PlanItem:
        if item.entry is None:
            return item
        around = surroundings.of(item.entry)
        return replace(item, surroundings=around, context=context_hash(item.entry, around))

    def _why(self, entry: Entry, context: str, known: Known, anew: bool) -> str | None:
        record = known.records.get(entry.content_id)
        if record is None:
            return "new"
        if record.revision and record.version != entry.version:
            return "changed"
        if record.failure is not None:
            return "failed"
        if record.pending or not record.revision:
            return "pending"
        if record.space_id != entry.space_id:
            return "moved"
        if record.context != context:
            return "context"
        if self.again:
            return "full"
        if anew and entry.content_id not in known.fresh:
            return "recipe"
        return None


def _shards(items: list[PlanItem], most: int) -> list[list[PlanItem]]:
    """Deal items into shards; inside a shard, items of one type stand together, because bodies are fetched in bulk by type."""
    if not items:
        return []
    count = min(most, -(-len(items) // ITEMS_PER_SHARD))
    size = -(-len(items) // count)
    rank = {"delete": 0, "page": 1, "blogpost": 2, "comment": 3, "attachment": 4}
    return [
        sorted(items[start : start + size], key=lambda i: rank.get("delete" if i.op == "delete" else i.type, 9))
        for start in range(0, len(items), size)
    ]
