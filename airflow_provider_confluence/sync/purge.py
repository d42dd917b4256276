"""Taking a datasource out: its documents leave every sink that they went to, then its state goes.

The order is what makes it safe to stop anywhere. A revision is claimed, so that a run at work stands aside. A plan with everything in it is
durable before the first write: a repeated purge finds the ids there, and should a run come instead, the whole index is in doubt to it and
is made good. Documents go first; state goes last, because it is what names them. What stays is the claim, a file of some hundred bytes, so
that revisions go on growing: else the tombstones would beat the documents of a datasource that comes back under the same id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from airflow_provider_confluence.datasource import Datasource, check_id
from airflow_provider_confluence.documents import Tombstone, document_id
from airflow_provider_confluence.errors import ConfigurationError, DatasourceError
from airflow_provider_confluence.sinks.base import Owner, RebuildingSink, Sink
from airflow_provider_confluence.sync.generation import Generation, delete_generation, generations
from airflow_provider_confluence.sync.journal import Destination, Head, Journal, Plan, PlanItem
from airflow_provider_confluence.sync.recipe import check_converter
from airflow_provider_confluence.sync.storage import Storage

# The named places at which a purge may be stopped, in the order in which it passes them. Tests stop it at each.
PURGE_CRASH_POINTS = (
    "claimed",
    "items_written",
    "plan_written",
    "sink_opened",
    "tombstones_written",
    "emptied",
    "head_deleted",
    "run_deleted",
    "manifest_deleted",
    "destinations_deleted",
    "claim_released",
)
_WRITE_ITEMS = 200
_BATCH_ITEMS = 100
_LOOKS = 3  # how often an inventory that still names documents is taken at its word


@dataclass(frozen=True, slots=True)
class Remains:
    """What is kept of a datasource. ``ids`` are all content ids that any file of the state names, with their type.

    ``destinations`` are the sinks that its documents went to, by target, the present one first. ``unknown`` holds the targets of which only
    the name is left, ``lost`` the generations that should be there and are not.
    """

    datasource_id: str
    head: Head | None
    plans: tuple[Plan, ...]
    ids: dict[str, str]
    destinations: dict[str, Destination]
    unknown: tuple[str, ...]
    lost: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PurgeResult:
    """What a purge came to. ``removed`` counts documents by target; ``left`` those that a sink did not let go.

    ``notes`` say what cannot be known. ``finished`` is false where the state was kept, for a repetition.
    """

    datasource_id: str
    revision: int
    removed: dict[str, int]
    left: int
    notes: tuple[str, ...]
    finished: bool


def survey(storage: Storage, datasource_id: str) -> Remains:
    """Return what is kept of a datasource. Nothing is written, no sink is asked.

    :raises ConfigurationError: for an id that cannot be one, and where nothing is kept.
    :raises StorageError: when a file of the state cannot be read.
    """
    check_id(datasource_id)
    journal = Journal(storage, datasource_id)
    claim = journal.read_claim()
    head = journal.read_head()
    kept = generations(storage, journal.folder)
    if head is None and not kept and not journal.runs() and not (claim and claim["open"]):
        raise ConfigurationError(f"nothing is kept of a datasource {datasource_id} below {storage.where()}")
    if head is not None:
        check_converter(datasource_id, head.converter)
    plans = tuple(plan for revision in journal.runs() if (plan := journal.find_plan(revision)) is not None)
    destinations = _destinations(journal, head, plans)
    named = [*(head.previous_targets if head else ()), *(t for plan in plans for t in plan.previous_targets)]
    return Remains(
        datasource_id=datasource_id,
        head=head,
        plans=plans,
        ids=_ids(journal, kept, plans),
        destinations=destinations,
        unknown=tuple(dict.fromkeys(target for target in named if target not in destinations)),
        lost=(head.generation,) if head and head.generation is not None and head.generation not in kept else (),
    )


def check_purgeable(datasource_id: str, configured: Datasource | DatasourceError | None) -> None:
    """Return unless the configuration still wants the datasource. :raises ConfigurationError: where it does, or cannot be read."""
    if isinstance(configured, DatasourceError):
        raise ConfigurationError(
            f"datasource {datasource_id} is configured, but not readably ({configured}); remove it from the configuration, or mend it and "
            'set "enabled": false'
        )
    if configured is not None and configured.enabled:
        raise ConfigurationError(
            f"datasource {datasource_id} is enabled, and its next run would index everything again; "
            f'set "enabled": false, or remove it from the configuration, then purge'
        )


def purge(
    storage: Storage,
    make_sink: Callable[[Datasource], Sink],
    datasource_id: str,
    *,
    configured: Datasource | DatasourceError | None = None,
    forget_unknown: bool = False,
    reached: Callable[[str], None] = lambda _: None,
) -> PurgeResult:
    """Remove all documents of a datasource from its sinks, then its state. No request to Confluence. A repeated call finishes what is left.

    :param configured: what the configuration says of the datasource; ``None`` where it says nothing.
    :param forget_unknown: remove the state although nobody can tell any more how a former sink was reached.
    :param reached: called with the name of every crash point that is passed; a test raises there.
    :raises ConfigurationError: when the datasource is enabled, or nothing is kept of it.
    :raises OwnershipError: when a sink says that the documents belong to another deployment.
    :raises SinkUnavailableError: when a sink does not answer now. :raises SupersededError: when a run claimed the datasource meanwhile.
    """
    check_purgeable(datasource_id, configured)
    survey(storage, datasource_id)  # before the claim, which would stop a run that is at work
    journal = Journal(storage, datasource_id)
    # No clock: ours may be ahead of Confluence's, and a revision from the future would beat the documents of a datasource that comes back.
    revision = journal.claim(0)
    reached("claimed")
    remains = survey(storage, datasource_id)
    _write_plan(journal, remains, revision, reached)
    removed: dict[str, int] = {}
    left = 0
    notes: list[str] = []
    for target, destination in remains.destinations.items():
        emptied = _Emptying(journal, remains, revision, target, reached)
        sink = make_sink(destination.datasource)
        try:
            emptied.empty(sink, destination.site)
        finally:
            sink.close()
        removed[target] = emptied.removed
        left += emptied.left
        notes += emptied.notes
        reached("emptied")
    for target in remains.unknown:
        notes.append(
            f"{target}: documents went there once, and nothing tells any more how to reach it; what is left there has to be removed by hand"
        )
    finished = not left and (forget_unknown or not remains.unknown)
    if finished:
        _delete_state(journal, revision, reached)
    return PurgeResult(datasource_id, revision, removed, left, tuple(notes), finished)


# ---------------------------------------------------------------- what is there
def _destinations(journal: Journal, head: Head | None, plans: Iterable[Plan]) -> dict[str, Destination]:
    found = {}
    if head is not None:
        found[head.target] = Destination(Datasource.from_json(head.datasource), head.site)
    for plan in reversed(tuple(plans)):
        found.setdefault(plan.target, Destination(plan.datasource, plan.site))
    for target, destination in journal.destinations().items():
        found.setdefault(target, destination)
    return found


def _ids(journal: Journal, kept: Iterable[int], plans: Iterable[Plan]) -> dict[str, str]:
    ids: dict[str, str] = {}
    for generation in kept:
        for record in Generation(journal.storage, journal.folder, generation).records():
            ids[record.content_id] = record.type or ids.get(record.content_id, "")
    for plan in plans:
        for shard in range(len(plan.shards)):
            for item in journal.items(plan, shard):
                ids[item.content_id] = item.type or ids.get(item.content_id, "")
        for record in journal.rest(plan):
            ids[record.content_id] = record.type or ids.get(record.content_id, "")
    return ids


def _write_plan(journal: Journal, remains: Remains, revision: int, reached: Callable[[str], None]) -> None:
    """Put everything in doubt, durably: should a run come instead of a repetition, it must not trust what the manifest says."""
    base = remains.head or (remains.plans[-1] if remains.plans else None)
    if base is None:
        return  # generations without a head are in doubt as they are
    items = [PlanItem("delete", content_id, type_, "purge") for content_id, type_ in sorted(remains.ids.items())]
    others = [target for target in (*remains.destinations, *remains.unknown) if target != base.target]
    plan = Plan(
        revision=revision,
        mode="purge",
        datasource=base.datasource if isinstance(base, Plan) else Datasource.from_json(base.datasource),
        shards=(len(items),) if items else (),
        batch_items=_BATCH_ITEMS,
        base_revision=remains.head.revision if remains.head else None,
        generation=remains.head.generation if remains.head else None,
        absorbed=(),
        from_scratch=remains.head is None,
        watermark=base.watermark,
        recipe=base.recipe,
        converter=base.converter,
        target=base.target,
        previous_targets=tuple(others),
        site=base.site,
        account=base.account,
        counts={"listed": 0, "unchanged": 0, "left_for_later": 0, "deletions": len(items)},
        notes=(),
        listed_all=False,
        withheld=0,
        awaiting=None,
        reconciled=base.reconciled,
        requests=0,
    )
    journal.fence(revision)
    journal.write_items(plan, [items] if items else [], (), ())
    reached("items_written")
    journal.write_plan(plan)
    reached("plan_written")


# ---------------------------------------------------------------- documents
class _Emptying:
    """Takes the documents of one datasource out of one sink."""

    def __init__(
        self, journal: Journal, remains: Remains, revision: int, target: str, reached: Callable[[str], None]
    ) -> None:
        self.journal = journal
        self.remains = remains
        self.revision = revision
        self.target = target
        self.reached = reached
        self.removed = self.left = 0
        self.notes: list[str] = []

    def empty(self, sink: Sink, site: str) -> None:
        journal, id_ = self.journal, self.remains.datasource_id
        journal.fence(self.revision)
        sink.open(Owner(id_, journal.deployment_id(), site))
        self.reached("sink_opened")
        if isinstance(sink, RebuildingSink) and sink.capabilities.atomic_swap:
            sink.abandon_rebuild(before=self.revision)
        # What the state names gets a tombstone even where the sink holds nothing of it: a write that is still on its way stays out.
        known = dict.fromkeys(self.remains.ids, 0)
        if not sink.capabilities.inventory:
            self._say_what_cannot_be_known()
            refused = self._write(sink, known)
            self.removed, self.left = len(known) - refused, refused
            return
        held = {item.content_id: item.revision for item in sink.inventory(id_)}
        found = set(held)
        self._write(sink, {**known, **held})
        for look in range(_LOOKS):
            held = {item.content_id: item.revision for item in sink.inventory(id_)}
            found |= held.keys()
            if not held or look + 1 == _LOOKS:
                break
            self._write(sink, held)
        self.removed, self.left = len(found) - len(held), len(held)

    def _write(self, sink: Sink, revisions: dict[str, int]) -> int:
        """Write tombstones that no document of these revisions beats; return how many the sink did not take."""
        id_ = self.remains.datasource_id
        refused = 0
        for batch in _batches(revisions.items()):
            # The fence stands right before every write, as in a run.
            self.journal.fence(self.revision)
            tombstones = [
                Tombstone(document_id(id_, content_id), id_, content_id, max(self.revision, revision))
                for content_id, revision in batch
            ]
            answers = sink.write(tombstones)
            refused += sum(answer.outcome not in ("written", "superseded") for answer in answers)
            self.reached("tombstones_written")
        sink.flush()
        return refused

    def _say_what_cannot_be_known(self) -> None:
        head = self.remains.head
        if head is None or self.remains.lost:
            why = "the last commit, or its manifest, is lost"
        elif self.target != head.target:
            why = "the documents went elsewhere since"
        else:
            return
        self.notes.append(
            f"{self.target}: this sink cannot list what it holds, and {why}: documents that no file names any more cannot be known"
        )


def _batches(items: Iterable[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    rest = iter(items)
    while batch := list(islice(rest, _WRITE_ITEMS)):
        yield batch


# ---------------------------------------------------------------- state
def _delete_state(journal: Journal, revision: int, reached: Callable[[str], None]) -> None:
    """Remove everything but the claim: the head first, since it names what goes after it, and each plan before its items."""
    journal.fence(revision)
    journal.delete_head()
    reached("head_deleted")
    # The newest last: a repetition finds every id in the plan of this purge.
    for run in journal.runs():
        journal.delete_run(run)
        reached("run_deleted")
    for generation in generations(journal.storage, journal.folder):
        delete_generation(journal.storage, journal.folder, generation)
        reached("manifest_deleted")
    journal.delete_rest()
    reached("destinations_deleted")
    journal.release(revision)
    reached("claim_released")
