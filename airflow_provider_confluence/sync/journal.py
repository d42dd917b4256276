"""The durable story of a datasource: who works on it (claim), what a run set out to do (plan), what came of it (receipts), and what
holds now (head).

The order in which these files appear is what makes a run safe to stop at any instruction: the plan is durable before the first write to
the sink, the receipts follow the sink's answers, the new generation of the manifest follows the receipts, and the head moves last.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_confluence.datasource import Datasource
from airflow_provider_confluence.documents import Entry
from airflow_provider_confluence.errors import (
    ConfigurationError,
    MissingFileError,
    OwnershipError,
    SupersededError,
)
from airflow_provider_confluence.sync.manifest import FORMAT, Record, check_format
from airflow_provider_confluence.sync.storage import Storage


@dataclass(frozen=True, slots=True)
class Head:
    """The last commit: what the next run starts from.

    ``revision`` is the last committed run, ``generation`` the one that wrote the manifest that holds (``None``: it holds nothing).
    ``watermark`` is the server's time at that run's first request. ``withheld`` names the run whose deletions wait for consent,
    ``rebuild`` the one that began the rebuild that is under way.
    """

    revision: int
    generation: int | None
    watermark: str
    recipe: str
    converter: int
    target: str
    previous_targets: tuple[str, ...]
    site: str
    account: str
    datasource: Mapping[str, Any]
    counts: Mapping[str, int]
    reconciled: Mapping[str, Any]
    withheld: int | None = None
    rebuild: int | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """A sink that documents went to: the datasource as it was when they did, and the site that they are from."""

    datasource: Datasource
    site: str


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One item of a plan. ``why`` is a word that can be counted. ``surroundings`` and ``context`` are set for upserts.

    ``body`` stands for the body that is indexed already: the item need not be written where it still has that. ``closes`` says that fewer
    may read it than the index says: it must not stay as it is.
    """

    op: str
    content_id: str
    type: str
    why: str
    entry: Entry | None = None
    surroundings: Mapping[str, Any] = field(default_factory=dict)
    context: str = ""
    body: str = ""
    closes: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the item as plain JSON."""
        value: dict[str, Any] = {"op": self.op, "id": self.content_id, "type": self.type, "why": self.why}
        if self.entry is not None:
            entry = self.entry.to_json()
            entry.pop("readers", None)  # what surrounds it says it
            value |= {"entry": entry, "surroundings": dict(self.surroundings), "context": self.context}
        if self.body:
            value["body"] = self.body
        if self.closes:
            value["closes"] = True
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PlanItem:
        """Return the item that ``to_json`` wrote."""
        return cls(
            op=value["op"],
            content_id=value["id"],
            type=value["type"],
            why=value["why"],
            entry=Entry.from_json(value["entry"]) if "entry" in value else None,
            surroundings=value.get("surroundings", {}),
            context=value.get("context", ""),
            body=value.get("body", ""),
            closes=value.get("closes", False),
        )

    def record(self) -> Record:
        """Return the record of an item that is not indexed yet, as far as the plan knows it."""
        entry = self.entry
        return Record(
            content_id=self.content_id,
            type=self.type,
            space_id=entry.space_id if entry else "",
            container_id=entry.container_id if entry else None,
            title=entry.title if entry else "",
            pending=True,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run set out to do, frozen: later tasks read this and nothing of the configuration.

    ``shards`` holds the number of items of each shard, ``batch_items`` how many of them share a staged file. ``absorbed`` names the runs
    that died before their commit and whose receipts this one takes over. ``listed_all`` is false where a listing did not finish.
    ``withheld`` counts the deletions that wait for consent, ``awaiting`` is the revision by which consent is given: that of the first run
    in a row that withheld them, so that the number does not change while somebody reads it. ``rebuild`` names the run that began
    the rebuild that this one goes on with (itself, where it is the first).
    """

    revision: int
    mode: str
    datasource: Datasource
    shards: tuple[int, ...]
    batch_items: int
    base_revision: int | None
    generation: int | None
    absorbed: tuple[int, ...]
    from_scratch: bool
    watermark: str
    recipe: str
    converter: int
    target: str
    previous_targets: tuple[str, ...]
    site: str
    account: str
    counts: Mapping[str, int]
    notes: tuple[str, ...]
    listed_all: bool
    withheld: int
    awaiting: int | None
    reconciled: Mapping[str, Any]
    requests: int
    rebuild: int | None = None
    throttled_seconds: float = 0.0

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Plan:
        """Return the plan whose fields were written as plain JSON."""
        given = {**value, "datasource": Datasource.from_json(value["datasource"])}
        for name in ("shards", "absorbed", "previous_targets", "notes"):
            given[name] = tuple(value[name])
        return cls(**given)

    def check_shard(self, shard: int) -> None:
        """Return only where the plan has such a shard. :raises ConfigurationError: else, naming those that it has."""
        if isinstance(shard, int) and 0 <= shard < len(self.shards):
            return
        has = f"shards 0 to {len(self.shards) - 1}" if self.shards else "no shards, because nothing changed"
        raise ConfigurationError(
            f"run {self.revision} of datasource {self.datasource.id} has {has}, and {shard!r} is none of them; "
            "extract and index take the references that list_changes returned"
        )

    def batches(self, shard: int) -> int:
        """Return how many staged files a shard has."""
        return -(-self.shards[shard] // self.batch_items)


class Journal:
    """The files of one datasource below the storage's base."""

    def __init__(self, storage: Storage, datasource_id: str) -> None:
        self.storage = storage
        self.datasource_id = datasource_id
        self.folder = datasource_id
        self._owner: str | None = None

    # ---------------------------------------------------------------- the deployment
    def deployment_id(self) -> str:
        """Return the id of this deployment, made at the first call; it says whose documents an index holds."""
        known = self._readable("instance.json")
        if known is None:
            made = {"format": FORMAT, "id": secrets.token_hex(16)}
            # Datasources share this file and may begin at once: what one of them has taken for its owner must never be replaced.
            self.storage.write_new("instance.json", json.dumps(made).encode())
            known = self._readable("instance.json")
            if known is None:
                raise self.missing("instance.json")
        return self.storage.understood("instance.json", _id, known)

    # ---------------------------------------------------------------- claim
    def claim(self, server_time_ms: int) -> int:
        """Claim the datasource for a new run and return its revision; durable when this returns.

        :param server_time_ms: Confluence's own clock; the revision is this, or one more than the last where that is higher.
        """
        known = self.read_claim()
        head = self.read_head()
        # The runs too, because a claim that is lost must not let a revision come that is older than a dead run's.
        last = max(known["revision"] if known else 0, head.revision if head else 0, *self.runs()[-1:])
        revision = max(server_time_ms, last + 1)
        still_open = [r for r in (known["open"] if known else []) if head is None or r > head.revision]
        owner = secrets.token_hex(8)
        self.storage.write_json(
            f"{self.folder}/claim.json",
            {
                "format": FORMAT,
                "revision": revision,
                "owner": owner,
                "open": [*still_open, revision],
                "purged": known["purged"] if known else None,
            },
        )
        seen = self.read_claim()
        if seen is None or seen["owner"] != owner:
            raise self._superseded(revision, seen["revision"] if seen else 0)
        self._owner = owner
        return revision

    def read_claim(self) -> dict[str, Any] | None:
        """Return the claim, or ``None`` where nobody ever claimed this datasource."""
        name = f"{self.folder}/claim.json"
        value = self._readable(name)
        return None if value is None else self.storage.understood(name, _claim, value)

    def purged(self) -> int | None:
        """Return the revision of the last purge, ``None`` where there was none, or where the files that knew are lost."""
        known = self.read_claim()
        purged: int | None = known["purged"] if known else None
        return purged

    def fence(self, revision: int) -> None:
        """Return only where this run still holds the claim and is not committed.

        :raises SupersededError: else; the caller stands aside, without harm.
        """
        head = self.read_head()
        if head is not None and head.revision >= revision:
            raise SupersededError(
                revision,
                head.revision,
                f"run {revision} of datasource {self.datasource_id} is already committed; nothing to do",
            )
        claim = self.read_claim()
        # The server's clock has seconds: two that claim in one of them have the same revision, and only the owner tells them apart.
        ours = claim is not None and (self._owner is None or claim["owner"] == self._owner)
        if claim is None or claim["revision"] != revision or not ours:
            raise self._superseded(revision, claim["revision"] if claim else 0)

    @contextmanager
    def while_ours(self, revision: int) -> Iterator[None]:
        """Work on a run's files: one that is missing because a newer run cleaned up after this one makes it stand aside.

        :raises SupersededError: then.
        """
        try:
            yield
        except MissingFileError:
            self.fence(revision)
            raise

    def _superseded(self, revision: int, newer: int) -> SupersededError:
        why = (
            f"run {newer} has claimed the datasource"
            if newer
            else f"{self.storage.where(f'{self.folder}/claim.json')}, by which it held the datasource, is gone"
        )
        return SupersededError(
            revision, newer, f"run {revision} of datasource {self.datasource_id} stands aside: {why}"
        )

    # ---------------------------------------------------------------- head
    def read_head(self) -> Head | None:
        """Return the last commit, or ``None`` where there is none. :raises StorageError: when it is damaged."""
        name = f"{self.folder}/head.json"
        value = self._readable(name)
        if value is None:
            return None
        value.pop("format")
        self._check_owner(name, self.storage.understood(name, lambda head: str(head.pop("datasource_id")), value))
        return self.storage.understood(name, _head, value)

    def write_head(self, head: Head) -> None:
        """Move the head: this is the commit."""
        value = {name: getattr(head, name) for name in head.__dataclass_fields__}
        self.storage.write_json(
            f"{self.folder}/head.json", {"format": FORMAT, "datasource_id": self.datasource_id, **value}
        )

    def delete_head(self) -> None:
        """Remove the head; what other files name is in doubt from then on."""
        self.storage.delete(f"{self.folder}/head.json")

    # ---------------------------------------------------------------- destinations
    def note_destinations(self, plans: Iterable[Plan]) -> None:
        """Remember how the sinks of these plans are reached, for as long as there is state: a target's name alone does not say it."""
        known = self.destinations()
        known.update((plan.target, Destination(plan.datasource, plan.site)) for plan in plans)
        value = {
            target: {"datasource": destination.datasource.to_json(), "site": destination.site}
            for target, destination in known.items()
        }
        self.storage.write_json(f"{self.folder}/destinations.json", {"format": FORMAT, "destinations": value})

    def destinations(self) -> dict[str, Destination]:
        """Return every sink that a commit noted, by target."""
        name = f"{self.folder}/destinations.json"
        value = self._readable(name)
        return self.storage.understood(name, _destinations, value) if value is not None else {}

    # ---------------------------------------------------------------- plan
    def write_items(
        self, plan: Plan, shards: Iterable[Iterable[PlanItem]], rest: Iterable[Record], withheld: Iterable[str]
    ) -> None:
        """Write what a plan holds; there is no plan before :meth:`write_plan`.

        :param rest: records to carry as pending: planned in a later run.
        :param withheld: ids whose deletion waits for consent.
        """
        run = self._run(plan.revision)
        for number, items in enumerate(shards):
            self.storage.write_lines(f"{run}/items-{number}.jsonl.gz", (item.to_json() for item in items))
        self.storage.write_lines(f"{run}/rest.jsonl.gz", (record.to_json() for record in rest))
        if plan.withheld:
            self.storage.write_lines(f"{run}/withheld.jsonl.gz", ({"id": content_id} for content_id in withheld))

    def write_plan(self, plan: Plan) -> None:
        """Write the header of a plan, after its items, so that a plan that can be read is whole."""
        value = {name: getattr(plan, name) for name in plan.__dataclass_fields__}
        value["datasource"] = plan.datasource.to_json()
        self.storage.write_json(f"{self._run(plan.revision)}/plan.json", {"format": FORMAT, **value})

    def find_plan(self, revision: int) -> Plan | None:
        """Return a run's plan, or ``None`` where it never wrote one (then it wrote nothing to the sink either)."""
        name = f"{self._run(revision)}/plan.json"
        value = self._readable(name)
        if value is None:
            return None
        value.pop("format")
        plan = self.storage.understood(name, Plan.from_json, value)
        self._check_owner(name, plan.datasource.id)
        return plan

    def lost_plan(self, revision: int) -> str | None:
        """Return the name of a plan that is not there though its run went on to stage or to write: a plan that was lost."""
        begun = {"batches", "receipts"} & set(self.storage.names(self._run(revision)))
        return f"{self._run(revision)}/plan.json" if begun else None

    def stray_items(self, revision: int) -> Iterator[PlanItem]:
        """Yield the items of a run whose plan is lost."""
        for name in self.storage.names(self._run(revision)):
            if name.startswith("items-"):
                yield from self._items(f"{self._run(revision)}/{name}")

    def read_plan(self, revision: int) -> Plan:
        """Return a run's plan. :raises StorageError: where it is not to be seen from here."""
        plan = self.find_plan(revision)
        if plan is None:
            raise self.missing(f"{self._run(revision)}/plan.json")
        return plan

    def items(self, plan: Plan, shard: int) -> Iterator[PlanItem]:
        """Yield the items of a shard, in plan order."""
        yield from self._items(f"{self._run(plan.revision)}/items-{shard}.jsonl.gz")

    def rest(self, plan: Plan) -> Iterator[Record]:
        """Yield what the plan left for a later run."""
        name = f"{self._run(plan.revision)}/rest.jsonl.gz"
        with closing(self._lines(name)) as lines:
            for line in lines:
                yield self.storage.understood(name, Record.from_json, line)

    def withheld(self, revision: int) -> set[str]:
        """Return the ids whose deletion a run withheld; none where the file is lost."""
        name = f"{self._run(revision)}/withheld.jsonl.gz"
        found = self.storage.read_lines(name)
        if found is None:
            return set()
        with closing(found) as lines:
            return {self.storage.understood(name, _id, line) for line in lines}

    # ---------------------------------------------------------------- batches and receipts
    def batch_name(self, revision: int, shard: int, number: int) -> str:
        """Return the name of a staged batch, below the storage's base."""
        return f"{self._run(revision)}/batches/{shard}-{number}.jsonl.gz"

    def receipt_name(self, revision: int, shard: int, number: int) -> str:
        """Return the name of the receipts of a batch, below the storage's base."""
        return f"{self._run(revision)}/receipts/{shard}-{number}.jsonl.gz"

    def receipts(self, plan: Plan) -> Iterator[dict[str, Any]]:
        """Yield every receipt of a run that is there."""
        for shard in range(len(plan.shards)):
            for number in range(plan.batches(shard)):
                name = self.receipt_name(plan.revision, shard, number)
                found = self.storage.read_lines(name)
                if found is None:
                    continue
                with closing(found) as lines:
                    for line in lines:
                        yield self.storage.understood(name, _receipt, line)

    def delete_batches(self, revision: int) -> None:
        """Remove the staged documents of a run whose receipts are absorbed."""
        self.storage.delete_folder(f"{self._run(revision)}/batches")

    # ---------------------------------------------------------------- runs
    def runs(self) -> list[int]:
        """Return the revisions of the runs that have a folder, oldest first."""
        return sorted(int(name) for name in self.storage.names(f"{self.folder}/runs") if name.isdigit())

    def delete_run(self, revision: int) -> None:
        """Remove everything of a run, the plan first: without its items it could not be read."""
        self.storage.delete(f"{self._run(revision)}/plan.json")
        self.storage.delete_folder(self._run(revision))

    def result_name(self, revision: int) -> str:
        """Return the name of what a run came to, below the storage's base."""
        return f"{self._run(revision)}/result.json"

    def write_result(self, revision: int, value: Mapping[str, Any]) -> None:
        """Keep what a run came to, for whoever asks again."""
        self.storage.write_json(self.result_name(revision), value)

    def read_result(self, revision: int) -> dict[str, Any] | None:
        """Return what a run came to, where it is still kept."""
        return self.storage.read_json(self.result_name(revision))

    # ---------------------------------------------------------------- the end
    def delete_rest(self) -> None:
        """Remove what is left beside the claim once head, runs and manifest are gone."""
        for folder in ("runs", "manifest", "cache", "arrivals"):
            self.storage.delete_folder(f"{self.folder}/{folder}")
        self.storage.delete(f"{self.folder}/destinations.json")
        self.storage.delete(f"{self.folder}/refused.json")

    def release(self, revision: int) -> None:
        """Leave the claim as the only file: no run is open, and the next revision is still greater than the last."""
        self.fence(revision)
        self.storage.write_json(
            f"{self.folder}/claim.json",
            {"format": FORMAT, "revision": revision, "owner": "", "open": [], "purged": revision},
        )

    # ---------------------------------------------------------------- inside
    def missing(self, name: str) -> MissingFileError:
        """Return the error that says that a file is not to be seen from this worker."""
        return MissingFileError(
            self.storage.where(name),
            f"{self.storage.where(name)} should be there and is not. If workers share no disk, set [confluence] storage_path to an object "
            "store (s3://…, gs://…, abfs://…) that all of them see. If the file is lost, run again: the next run asks for what it recorded",
        )

    def _run(self, revision: int) -> str:
        return f"{self.folder}/runs/{revision}"

    def _items(self, name: str) -> Iterator[PlanItem]:
        with closing(self._lines(name)) as lines:
            for line in lines:
                yield self.storage.understood(name, PlanItem.from_json, line)

    def _check_owner(self, name: str, found: object) -> None:
        if found != self.datasource_id:
            raise OwnershipError(
                f"{self.storage.where(name)} belongs to datasource {found}, not to {self.datasource_id}: the folder was copied or renamed. "
                f"Each datasource needs its own; remove {self.storage.where(self.folder)} to start afresh"
            )

    def _lines(self, name: str) -> Generator[dict[str, Any], None, None]:
        lines = self.storage.read_lines(name)
        if lines is None:
            raise self.missing(name)
        return lines

    def _readable(self, name: str) -> dict[str, Any] | None:
        value = self.storage.read_json(name)
        if value is not None:
            check_format(value, self.storage.where(name))
        return value


def _id(value: dict[str, Any]) -> str:
    if not (isinstance(value["id"], str) and value["id"]):
        raise TypeError
    return value["id"]


def _claim(value: dict[str, Any]) -> dict[str, Any]:
    return {
        "revision": int(value["revision"]),
        "owner": str(value["owner"]),
        "open": [int(revision) for revision in value["open"]],
        "purged": value.get("purged"),
    }


def _head(value: dict[str, Any]) -> Head:
    if not (isinstance(value["revision"], int) and isinstance(value["watermark"], str)):
        raise TypeError
    return Head(**{**value, "previous_targets": tuple(value["previous_targets"])})


def _destinations(value: dict[str, Any]) -> dict[str, Destination]:
    return {
        target: Destination(Datasource.from_json(found["datasource"]), found["site"])
        for target, found in value["destinations"].items()
    }


def _receipt(value: dict[str, Any]) -> dict[str, Any]:
    """Return a receipt that has what every receipt has."""
    if value["op"] != "delete" and value["outcome"] not in ("gone", "same"):
        Record.from_json(value["record"])
    return {**value, "id": str(value["id"])}
