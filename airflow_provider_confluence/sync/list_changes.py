"""The first step: what changed in Confluence since the last commit, as a durable plan.

Claims a revision, absorbs what dead runs left, enumerates everything in scope, compares it with what is known to be indexed, asks again
for what vanished, and writes the plan. Nothing is written to the sink here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_confluence.confluence.client import ConfluenceClient, Identity
from airflow_provider_confluence.datasource import Datasource
from airflow_provider_confluence.documents import Entry, rfc3339
from airflow_provider_confluence.errors import ConfigurationError, OwnershipError, RetryLaterError
from airflow_provider_confluence.sinks.base import Owner
from airflow_provider_confluence.sync.arrivals import notes_for, tell_others
from airflow_provider_confluence.sync.choosing import choose_mode
from airflow_provider_confluence.sync.collecting import few_collections
from airflow_provider_confluence.sync.context import Event, RunContext
from airflow_provider_confluence.sync.journal import Head, Journal, Plan, PlanItem
from airflow_provider_confluence.sync.known import Known, doubt_inventory, load_known
from airflow_provider_confluence.sync.labels import Labels
from airflow_provider_confluence.sync.newest_first import DoubtError, list_newest
from airflow_provider_confluence.sync.rebuild import begun_rebuild, check_rebuild, why_give_up
from airflow_provider_confluence.sync.recipe import CONVERTER, check_converter, outdated_types, recipe_of, target_of
from airflow_provider_confluence.sync.refused import remember_refusal
from airflow_provider_confluence.sync.removals import RemovalFinder
from airflow_provider_confluence.sync.rendered import find_due
from airflow_provider_confluence.sync.scope import Judged, Scope, Spaces, check_roots, find_spaces
from airflow_provider_confluence.sync.targets import concerned, look_up_targets, read_content_ids
from airflow_provider_confluence.sync.titles import Titles
from airflow_provider_confluence.sync.upserts import deal, find_upserts, surrounded
from airflow_provider_confluence.sync.vanished import Guarded
from airflow_provider_confluence.sync.whole_listing import list_everything

MODES = ("auto", "full", "reconcile", "changes", "verify", "rebuild")
BATCH_ITEMS = 200
# Settings are kept until everything was seen; each edit while listings break off would add one for ever.
_FORMER_SETTINGS = 5


@dataclass(frozen=True, slots=True)
class PlanReference:
    """All that a later step needs to find its work: small enough for XCom. And what people want to know of the plan.

    ``items`` has the number of items of each shard. ``url`` leads to the space, or to the site where there are several.
    """

    datasource_id: str
    revision: int
    shards: int
    counts: Mapping[str, int]
    mode: str
    items: tuple[int, ...]
    notes: tuple[str, ...]
    url: str


@few_collections()
def list_changes(
    run: RunContext,
    datasource: Datasource,
    *,
    mode: str = "auto",
    allow_mass_delete: int | None = None,
    content_ids: Iterable[str] = (),
) -> PlanReference:
    """Write a plan of what to do and return where it is.

    Cost in requests: 2 + Σ⌈items / 250⌉ over spaces and types, the labels' and attachments' listings, what
    :class:`~airflow_provider_confluence.sync.surroundings.Surroundings` asks, and ⌈vanished / 250⌉. A repeated call claims anew and
    does no harm.

    :param mode: ``full`` (everything is extracted again), ``reconcile`` (everything is compared), ``changes`` (the latest
        changes are looked at; a run that this does not suit becomes a reconcile), ``verify`` (what the sink holds is compared as well),
        ``rebuild`` (everything is extracted again, into a new index that takes the old one's place when it is whole), or ``auto``.
    :param allow_mass_delete: the revision whose withheld deletions may go ahead.
    :param content_ids: makes it a targeted run: these items alone are looked up by id, and extracted again or removed; no other item, no
        watermark and no time of a comparison is touched. It costs 3 requests, 1 for each item that may be restricted on Cloud, what
        :func:`~airflow_provider_confluence.sync.targets.look_up_targets` asks, and for each page 1 a level of the tree above it.
    :raises ConfigurationError: for a mode or ids that cannot be, and for a targeted run before the first commit or after a change of
        settings, which only a look at everything can follow.
    :raises SpaceNotFoundError: when a configured space cannot be seen; nothing is deleted then.
    :raises OwnershipError: when the state belongs to another site.
    """
    if mode not in MODES:
        raise ConfigurationError(f"mode {mode!r} is not known; choose one of {', '.join(MODES)}")
    targets = read_content_ids(content_ids)
    if targets and mode != "auto":
        raise ConfigurationError(f"mode {mode} looks at more than content_ids; give one of the two")
    client = run.connect(datasource)
    try:
        return _Listing(run, client, datasource, mode, allow_mass_delete, targets).plan()
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
        targets: tuple[str, ...],
    ) -> None:
        self.run = run
        self.client = client
        self.datasource = datasource
        self.journal = Journal(run.storage, datasource.id)
        self.recipe = recipe_of(datasource, run.extractor)
        self.target = target_of(datasource)
        self.mode = mode
        # Asked for by name: without a commit to start from, auto is full too, but what dead runs brought need not be brought again.
        self.again = mode in ("full", "rebuild")
        self.consent = allow_mass_delete
        self.targets = frozenset(targets)
        self.notes: list[str] = []
        self.incomplete: set[tuple[str, str]] = set()
        self.unsure = False
        # Of what a targeted run looked at: what is below it has other readers too.
        self.readers_differ = False
        # Ids of which the sink's inventory says something else than our files: the plan must carry them.
        self.doubted: set[str] = set()

    def plan(self) -> PlanReference:
        run, journal = self.run, self.journal
        identity = self.client.identity()
        head = journal.read_head()
        journal.deployment_id()  # a file that cannot be read is better found now than before the first write to the sink
        # Before the claim, which would stop a run that is at work.
        self._check_head(head)
        self._check_targets(head)
        self._consented(head)
        if self.mode == "rebuild":
            check_rebuild(run, journal, self.datasource, self.client.site)
        revision = journal.claim(int(identity.server_time.timestamp() * 1000))
        run.reached("claimed")
        with journal.while_ours(revision):
            return self._plan(revision, identity)

    def _plan(self, revision: int, identity: Identity) -> PlanReference:
        run, journal = self.run, self.journal
        # Once more, because the run that was at work may have committed in the meantime.
        head = journal.read_head()
        self._check_head(head)
        self._check_targets(head)
        consented = self._consented(head)
        known = load_known(journal, head, before=revision, recipe=self.recipe, target=self.target)
        run.reached("manifest_opened")
        for dead in known.plans:
            check_converter(self.datasource.id, dead.converter)
            self._check_site(dead.site)
        for dead_revision, names in known.lost.items():
            self.notes.append(
                f"run {dead_revision} died and {', '.join(names)} is lost; what it recorded is asked for again"
            )
        rebuild = begun_rebuild(head, known.plans, self.target)
        if self.mode == "rebuild" and rebuild is None:
            rebuild = revision
        elif self.mode == "rebuild":
            # What it has written already need not be written again, or a rebuild that takes several runs would never end.
            self.again, self.mode = False, "reconcile"
        elif rebuild is not None and (why := why_give_up(run, journal, self.datasource, self.client.site)):
            self.notes.append(f"the rebuild that run {rebuild} began is given up, and the old index serves on: {why}")
            rebuild = None
        # Before anything is listed: what is noted later is for the next run.
        # Where they were in scope a moment ago they are listed once more, so that it is seen why they leave.
        self.client.archived = any(one.archived for one in (self.datasource, *self._before(known, head)))
        self.client.tells_readers = self.datasource.asks_readers
        self.arrivals = notes_for(run.storage, self.datasource.id)
        self.mode, why = choose_mode(
            self.mode,
            head,
            known,
            identity,
            self.datasource,
            targeted=bool(self.targets),
            anew=self._anew(head),
            arrivals=self.arrivals,
        )
        self.notes += [why] * bool(why)
        if head is None or head.target != self.target or self.mode == "verify" or known.lost:
            self._ask_the_sink(known, head)
        self.found_spaces = self._find_spaces(known, head)
        self.spaces = self.found_spaces.within
        self.labels = Labels(self.client, known.records)
        self.scope = self._new_scope(known)
        check_roots(self.client, self.datasource, self.spaces)
        judged = self._list(known, head)
        judged.within.update(self.scope.tree_above(judged.within))
        if self.mode != "changes" and not self.targets:
            judged.within.update(self.scope.tree_found())
        run.reached("listed")
        entries = judged.within
        if self.mode == "changes":
            guarded = Guarded([], [], ())
        else:
            guarded = self._remove(judged, known, head, identity, consented)
        if self.targets:
            # What holds a target was looked up as well, to be judged and to surround it; it is none itself.
            for content_id in entries.keys() - self.targets:
                del entries[content_id]
        entries = self._labelled(entries)
        account = identity.account_id
        # What such a run did not see may have changed before its time: the next look goes down to where the last whole one began.
        partial = bool(self.incomplete or self.unsure or self.targets)
        if head is not None and head.account != account and (partial or guarded.withheld):
            account = head.account  # until consent is given, or nothing asks for it, the new account stays another one
        # They know of what is out of scope as well: it is part of the way up to what is in it.
        surroundings = self.scope.surroundings
        self.scope.seen.update(entries)
        surroundings.prepare()
        readers = self.scope.readers
        readers.look_up(entries.values())
        if self.datasource.enable_permissions and readers.unknown:
            self.unsure = True
            self.notes.append(readers.note_on_unknown())
        is_outdated = self._outdated(head)
        gone = {record.content_id for record in guarded.deletions}
        titles = Titles(known.records, entries, readers.levels, removed=gone)
        upserts, unchanged = find_upserts(
            entries,
            known,
            surroundings,
            titles=titles,
            again=self.again,
            is_outdated=is_outdated,
            asked=self.targets,
            due=() if self.mode == "changes" or self.targets else find_due(known.records, self.datasource, revision),
        )
        taken = upserts[: self.datasource.max_items_per_run]
        rest = [
            replace(known.records.get(i.content_id) or i.record(), pending=True, readers=readers.levels(i.entry))
            for i in upserts[len(taken) :]
            if i.entry is not None and i.why not in ("live", "rendered")  # they are due at the next look all the same
        ]
        deletions = [PlanItem("delete", r.content_id, r.type, "gone") for r in guarded.deletions]
        if self.doubted:
            planned = {item.content_id for item in (*deletions, *taken)} | {record.content_id for record in rest}
            rest += [known.records[content_id] for content_id in sorted(self.doubted - planned)]
        # What a listing that did not finish left out must be made anew as well, when it is seen again.
        if self.again or self._anew(head):
            passed_over = known.records.keys() - entries.keys() - {item.content_id for item in deletions} - self.doubted
            for record in (known.records[content_id] for content_id in sorted(passed_over)):
                if self.again or is_outdated(record.type):
                    rest.append(replace(record, pending=True))
        shards = deal([*deletions, *taken], self.datasource.max_shards)
        counts = Counter(f"planned_{item.why}" for item in taken)
        counts.update(
            listed=len(entries),
            unchanged=unchanged,
            upserts=len(taken),
            deletions=len(deletions),
            withheld=len(guarded.withheld),
        )
        counts.update(left_for_later=len(rest))
        self.notes += readers.problems
        counts.update(closed_spaces=len(readers.problems))
        reconciled = self._reconciled(head, known, identity, judged)
        counts.update({name: reconciled[name] for name in ("restricted", "unreadable") if name in reconciled})
        plan = Plan(
            revision=revision,
            mode=self.mode,
            datasource=self.datasource,
            shards=tuple(len(shard) for shard in shards),
            batch_items=BATCH_ITEMS,
            base_revision=head.revision if head else None,
            generation=head.generation if head else None,
            absorbed=tuple(sorted({*(dead.revision for dead in known.plans), *known.lost})),
            from_scratch=head is None,
            watermark=head.watermark if head is not None and partial else rfc3339(identity.server_time),
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
            reconciled=reconciled,
            requests=self.client.requests_made,
            rebuild=rebuild,
            throttled_seconds=self.client.throttled_seconds,
        )
        journal.fence(revision)
        now = journal.read_head()
        if (now.revision if now else None) != plan.base_revision:
            raise RetryLaterError(
                f"datasource {self.datasource.id}: a run that had lost its claim still committed while this one listed; list again"
            )
        full = ((surrounded(item, surroundings) for item in shard) for shard in shards)
        journal.write_items(plan, full, rest, (record.content_id for record in guarded.withheld))
        run.reached("items_written")
        journal.write_plan(plan)
        run.reached("plan_written")
        run.tell(Event("planned", self.datasource.id, plan.counts))
        return PlanReference(
            datasource_id=self.datasource.id,
            revision=revision,
            shards=len(shards),
            counts=plan.counts,
            mode=plan.mode,
            items=plan.shards,
            notes=plan.notes,
            url=self._url(),
        )

    def _url(self) -> str:
        urls = [space.url for space in self.spaces.values()]
        return urls[0] if len(urls) == 1 and urls[0] else self.client.site

    # ---------------------------------------------------------------- before listing
    def _check_head(self, head: Head | None) -> None:
        if head is None:
            return
        check_converter(self.datasource.id, head.converter)
        self._check_site(head.site)

    def _check_site(self, site: str) -> None:
        if site != self.client.site:
            raise OwnershipError(
                f"datasource {self.datasource.id} was indexed from {site}, and its connection now points to {self.client.site}. "
                "A datasource keeps its site: use another datasource id, or, to start afresh, remove the folder "
                f"{self.journal.storage.where(self.journal.folder)}"
            )

    def _check_targets(self, head: Head | None) -> None:
        """Refuse a targeted run where the next one has more to do than it may: it would take that for done."""
        if not self.targets:
            return
        why = None
        if head is None:
            why = "has no committed run yet"
        elif Datasource.from_json(head.datasource).scope != self.datasource.scope or self._anew(head):
            why = "has other settings, or another converter, than at its last commit"
        if why is not None:
            raise ConfigurationError(
                f"datasource {self.datasource.id} {why}, so a run over content_ids alone cannot do; run once without"
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
            return head.withheld if head is not None and self.targets else None
        if head is not None and head.withheld is not None and withheld <= self.journal.withheld(head.withheld):
            return head.withheld
        return revision

    def _previous_targets(self, head: Head | None, known: Known) -> tuple[str, ...]:
        before = [*head.previous_targets, head.target] if head is not None else []
        before += [dead.target for dead in known.plans]
        return tuple(dict.fromkeys(target for target in before if target != self.target))

    def _reconciled(self, head: Head | None, known: Known, identity: Identity, judged: Judged) -> Mapping[str, Any]:
        """Return when everything was last listed to the end, in which spaces, for how many requests (by that the next run chooses), and how
        many items that look left out because they are restricted, or because that could not be read."""
        if self.targets and head is not None:
            # What dead runs left is taken over, and no other run would ask for the look at everything that it calls for.
            look_again = known.plans or known.lost or self.readers_differ
            return {**head.reconciled, "at": ""} if look_again else head.reconciled
        if self.mode != "changes" and not self.incomplete and not self.unsure:
            spaces = {space.id: space.key for space in self.spaces.values()}
            return {
                "at": rfc3339(identity.server_time),
                "requests": self.client.requests_made,
                "spaces": spaces,
                "arrivals": self.arrivals,
                **self.scope.left_out(judged),
            }
        if head is None:
            return {"at": "", "requests": self.client.requests_made}
        if self.mode == "changes":
            return head.reconciled
        # Something was not seen, so the next run must look at everything again, whatever the mode. The datasource as it was
        # before is kept until then: what leaves because of its settings leaves on purpose.
        before = [*head.reconciled.get("before", ()), head.datasource]
        kept = [each for n, each in enumerate(before) if each not in before[:n]][-_FORMER_SETTINGS:]
        return {**head.reconciled, "at": "", "before": kept}

    def _anew(self, head: Head | None) -> bool:
        return head is not None and (head.recipe != self.recipe or head.target != self.target)

    def _outdated(self, head: Head | None) -> Callable[[str], bool]:
        if head is None or head.target != self.target:
            return lambda _: head is not None
        return outdated_types(head.recipe, self.recipe)

    def _ask_the_sink(self, known: Known, head: Head | None) -> None:
        sink = self.run.make_sink(self.datasource)
        try:
            if sink.capabilities.inventory:
                with remember_refusal(self.journal, self.datasource, self.client.site):
                    sink.open(Owner(self.datasource.id, self.journal.deployment_id(), self.client.site))
                held = {item.content_id: item.revision for item in sink.inventory(self.datasource.id)}
                self.doubted = doubt_inventory(known, held)
            elif self.mode == "verify":
                raise ConfigurationError(
                    f"mode verify is not for the sink {self.datasource.sink['type']}: it cannot list what it holds"
                )
            elif self.journal.runs() if head is None else known.lost or self.target in head.previous_targets:
                why = "the last commit is lost" if head is None else "the sink was another one in between"
                why = "what a dead run recorded is lost" if known.lost else why
                self.notes.append(
                    f"{why} and this sink cannot list what it holds: documents of pages deleted since cannot be known; "
                    f"to start from an empty index, disable the datasource and run: airflow-confluence purge {self.datasource.id}"
                )
        finally:
            sink.close()

    def _find_spaces(self, known: Known, head: Head | None) -> Spaces:
        keys: Mapping[str, str] = head.reconciled.get("spaces", {}) if head is not None else {}
        found = find_spaces(
            self.client, self.datasource, {space_id: keys.get(space_id) for space_id in known.records.spaces()}
        )
        if self.mode == "changes" and found.within.keys() != keys.keys():
            self.mode = "reconcile"  # what is in a space that appeared or went is not among the latest changes
        return found

    # ---------------------------------------------------------------- listing
    def _list(self, known: Known, head: Head | None) -> Judged:
        if self.mode == "changes" and head is not None:
            try:
                newest = list_newest(self.run, self.client, self.datasource, self.spaces, known.records, head.watermark)
                judged = self.scope.judge(newest.entries)
                is_settled = not judged.unknown and not any(
                    content_id in known.records for content_id in judged.outside
                )
                if is_settled and not self.scope.others_may_read(judged):
                    return judged
            except DoubtError as doubt:
                self.notes.append(f"the listing by last change cannot be trusted ({doubt}), so everything was listed")
            self.mode = "reconcile"  # only there is anything removed
            self.scope = self._new_scope(known)
        if self.targets:
            targeted = look_up_targets(
                self.client, self.datasource, self.scope, self.spaces, known.records, sorted(self.targets)
            )
            self.notes += targeted.notes
            self.readers_differ = self.scope.others_may_read(targeted.judged)
            return self._settled(targeted.judged, known)
        listed = list_everything(self.run, self.client, self.datasource, self.spaces, known.records)
        self.incomplete = listed.incomplete
        self.notes += listed.notes
        return self._settled(self.scope.judge(listed.entries), known)

    def _new_scope(self, known: Known) -> Scope:
        return Scope(self.client, self.datasource, self.spaces, self.labels, known.records)

    def _settled(self, judged: Judged, known: Known) -> Judged:
        """Return what was judged, and note what could not be."""
        # A page that was never in scope, and whose way up ends before the top, is no page below a root.
        open_ = [
            i
            for i, e in judged.unknown.items()
            if i in known.records
            or not self.datasource.root_pages
            or e.labels is None
            or i in self.scope.readers.unknown
        ]
        if open_:
            self.unsure = True
            self.notes.append(
                f"Confluence does not tell whether {len(open_)} items are in scope; they are left as they are, and asked for again"
            )
        return judged

    def _labelled(self, entries: Mapping[str, Entry]) -> dict[str, Entry]:
        """Return the items with their labels. Without them an item is written all the same, and made anew when they are known."""
        filled = self.labels.fill(entries)
        note, lacking = self.labels.missing(filled)
        self.notes += [note] * bool(note)
        self.unsure |= lacking
        return filled

    def _before(self, known: Known, head: Head | None) -> list[Datasource]:
        """Return the datasource as it was since everything was last seen: by each commit, and by each run that died."""
        before = [dead.datasource for dead in known.plans]
        if head is not None:
            before += [Datasource.from_json(value) for value in (*head.reconciled.get("before", ()), head.datasource)]
        return before

    def _remove(
        self, judged: Judged, known: Known, head: Head | None, identity: Identity, consented: set[str]
    ) -> Guarded:
        finder = RemovalFinder(
            self.client,
            self.datasource,
            self.scope,
            self.found_spaces,
            before=self._before(known, head),
            incomplete=self.incomplete,
        )
        removals = finder.find(
            judged,
            known.records,
            identity,
            among=concerned(self.targets, judged, known.records) if self.targets else None,
            last_account=head.account if head else None,
            consented=consented,
        )
        judged.within.update(removals.found)
        # Before there is a plan: a run that dies after a removal leaves nothing that knows what left.
        self.notes += tell_others(self.run.storage, self.datasource.id, self.client.site, removals.left)
        if removals.unsure:
            self.unsure = True
            self.notes.append(
                f"{removals.unsure} vanished items could not be confirmed as gone; they are asked for again"
            )
        return removals.guarded
