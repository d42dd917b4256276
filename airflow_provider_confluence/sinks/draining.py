"""Draining a queue: its messages, written into any other sink.

A message is acknowledged when the sink answered *written* or *superseded*, or when it was put among the dead letters; until then it is the
broker's, and comes again after this process dies. So nothing is lost, and what comes twice the sink's revisions sort out.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_confluence.documents import Document, Tombstone
from airflow_provider_confluence.errors import ConfluenceProviderError, OwnershipError, SinkUnavailableError
from airflow_provider_confluence.permissions import is_restricted
from airflow_provider_confluence.sinks import messages
from airflow_provider_confluence.sinks._broker import Broker, Delivery, Outgoing, make_broker
from airflow_provider_confluence.sinks.base import Answer, Owner, Sink
from airflow_provider_confluence.sinks.connection import SinkConnection

BATCH_ITEMS = 200
BATCH_BYTES = 4_000_000
"""What is taken from the queue and written in one call, whichever is reached first: the memory of a drain."""

_OPEN_SINKS = 16
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 30.0
_POLL_SECONDS = 0.5
_PROGRESS_SECONDS = 60.0

Item = Document | Tombstone


@dataclass(slots=True)
class DrainCounts:
    """What became of the messages. ``waits`` counts how often the sink or the broker made us wait.

    ``restricted`` documents were kept out, or removed, because not everybody who finds them there may read them.
    """

    written: int = 0
    deleted: int = 0
    superseded: int = 0
    dead: int = 0
    waits: int = 0
    restricted: int = 0


@dataclass(slots=True)
class _Work:
    delivery: Delivery
    item: Item
    owner: Owner
    restricted: bool = False


@dataclass(slots=True)
class Drain:
    """Take messages from a queue and write them into the sinks that ``make_sink`` makes, one sink for each owner that messages name.

    :param connection: the broker.
    :param queue: the queue; its dead letters go to ``<queue>.dead`` (SQS: ``<queue>-dead``), with the header ``reason``.
    :param make_sink: makes the sink to be written, not opened yet.
    :param declare: make both queues where they are not there.
    :param idle_seconds: end when nothing came for so long and no other consumer holds a message; ``None`` goes on until ``stop``.
    :param patience_seconds: how long the sink or the broker may be out of reach before :class:`SinkUnavailableError` ends it.
    :param adopt: ids of datasources whose documents in the sink are taken over from another owner.
    :param skip_restricted: keep out what fewer may read than may see its space, for a sink whose search shows everything to everybody.
    :param stop: set from outside to end after the batch at hand.
    :param tell: is called with sentences for a log; they hold no text of pages.
    """

    connection: SinkConnection
    queue: str
    make_sink: Callable[[], Sink]
    declare: bool = True
    idle_seconds: float | None = None
    patience_seconds: float = 600.0
    adopt: Collection[str] = ()
    skip_restricted: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    tell: Callable[[str], None] = lambda _: None
    counts: DrainCounts = field(default_factory=DrainCounts)
    _broker: Broker = field(init=False)
    _sinks: OrderedDict[Owner, Sink] = field(init=False, default_factory=OrderedDict)
    _adopted: set[str] = field(init=False, default_factory=set)
    _versioned: bool | None = field(init=False, default=None)
    _ready: bool = field(init=False, default=False)
    _unflushed: bool = field(init=False, default=False)

    def run(self) -> DrainCounts:
        """Drain, and return what was done.

        :raises SinkUnavailableError: when patience was at its end. :raises ConfigurationError: :raises FailNowError: when the sink or the
            broker cannot be used as configured. What was not acknowledged is in the queue again, and ``counts`` has what was done.
        """
        self._broker = make_broker(self.connection)
        self._say_what_is_not_held()
        try:
            self._until_done()
            self._flush()
        finally:
            self._broker.close()
            self._close_sinks()
        return self.counts

    def _until_done(self) -> None:
        idle_since = told = time.monotonic()
        patience = _Patience(self)
        while not self.stop.is_set():
            try:
                batch = self._take_batch()
                if batch:
                    self._settle(batch, patience)
                    idle_since = time.monotonic()
                elif self._is_empty(idle_since):
                    return
                patience.restore()
            except _BrokerLost as lost:  # what was taken goes back by itself
                patience.wait(lost.error)
                idle_since = time.monotonic()
            if time.monotonic() - told > _PROGRESS_SECONDS:
                told = time.monotonic()
                self.tell(f"so far: {self.summary()}")

    def summary(self) -> str:
        """Return the counts as words."""
        c = self.counts
        said = f"written {c.written}, deleted {c.deleted}, superseded {c.superseded}, dead letters {c.dead}, waits {c.waits}"
        return f"{said}, restricted {c.restricted}" if c.restricted else said

    # -------------------------------------------------------------------------------------- the queue
    def _take_batch(self) -> list[Delivery]:
        taken: list[Delivery] = []
        size = 0
        with _broker_errors():
            if not self._ready:
                self._broker.use(self.queue, create=self.declare)
                self._broker.use(self._dead, create=self.declare)
                self._ready = True
            while len(taken) < BATCH_ITEMS and size < BATCH_BYTES and not self.stop.is_set():
                delivery = self._broker.take(self.queue)
                if delivery is None:
                    break
                taken.append(delivery)
                size += len(delivery.body)
        return taken

    def _is_empty(self, idle_since: float) -> bool:
        self._flush()
        if self.idle_seconds is not None and time.monotonic() - idle_since >= self.idle_seconds:
            with _broker_errors():
                if not self._broker.left(self.queue):
                    return True
        self.stop.wait(_POLL_SECONDS)
        return False

    @property
    def _dead(self) -> str:
        return self.queue + self._broker.dead_suffix

    def _bury(self, delivery: Delivery, reason: str) -> None:
        body = delivery.body if isinstance(delivery.body, str) else delivery.body.decode("utf-8", "backslashreplace")
        headers = {name: str(value) for name, value in delivery.headers.items() if isinstance(value, (str, int))}
        letter = Outgoing(body, delivery.message_id, {**headers, "reason": reason[:500], "queue": self.queue})
        with _broker_errors():
            (sent,) = self._broker.send(self._dead, [letter])
            if sent.outcome != "confirmed":
                raise SinkUnavailableError(f"the queue {self._dead} does not take a dead letter: {sent.reason}")
            self._broker.acknowledge(delivery)
        self.counts.dead += 1
        self.tell(f"dead letter {delivery.message_id[:100] or 'without an id'}: {reason[:500]}")

    # -------------------------------------------------------------------------------------- the sinks
    def _settle(self, batch: list[Delivery], patience: _Patience) -> None:
        """Return when each message is acknowledged, or ``stop`` is set: then the rest goes back when the broker is closed."""
        work = self._readable(batch)
        while work:
            left: list[_Work] = []
            problem: SinkUnavailableError | None = None
            for owner, mine in _by_owner(work).items():
                try:
                    left += self._write(owner, mine)
                except SinkUnavailableError as error:
                    problem = error
                    self._forget(owner)
                    left += mine
                except OwnershipError as error:
                    self._forget(owner)
                    for refused in mine:
                        self._bury(refused.delivery, str(error))
            if len(left) < len(work):
                patience.restore()
            work = left
            if work:
                patience.wait(problem or SinkUnavailableError("the sink asks to send documents again later"))
                if self.stop.is_set():
                    return
                with _broker_errors():
                    self._broker.still_here(self.queue)

    def _readable(self, batch: list[Delivery]) -> list[_Work]:
        work = []
        for delivery in batch:
            try:
                owner, item = messages.decode(delivery.body)
            except messages.UnreadableMessageError as error:
                self._bury(delivery, str(error))
            else:
                work.append(self._work(delivery, item, owner))
        return work

    def _work(self, delivery: Delivery, item: Item, owner: Owner) -> _Work:
        if self.skip_restricted and isinstance(item, Document) and is_restricted(item.permissions):
            # A removal, because an older state of it may be there, from when everybody might read it.
            gone = Tombstone(item.id, item.datasource_id, item.content_id, item.revision)
            return _Work(delivery, gone, owner, restricted=True)
        return _Work(delivery, item, owner)

    def _write(self, owner: Owner, work: list[_Work]) -> list[_Work]:
        """Write what one owner sent, and return what is to be written again."""
        answers = self._sink(owner).write([mine.item for mine in work])
        self._unflushed = True
        left = []
        for mine, answer in zip(work, answers, strict=True):
            if answer.outcome == "retry":
                left.append(mine)
            elif answer.outcome == "rejected":
                self._bury(mine.delivery, answer.reason or "the sink gave no reason")
            else:
                with _broker_errors():
                    self._broker.acknowledge(mine.delivery)
                self._count(mine, answer)
        return left

    def _count(self, mine: _Work, answer: Answer) -> None:
        if answer.outcome == "superseded":
            self.counts.superseded += 1
        elif mine.restricted:
            self.counts.restricted += 1
        elif isinstance(mine.item, Tombstone):
            self.counts.deleted += 1
        else:
            self.counts.written += 1

    def _sink(self, owner: Owner) -> Sink:
        sink = self._sinks.pop(owner, None)
        if sink is None:
            if len(self._sinks) >= _OPEN_SINKS:
                _, oldest = self._sinks.popitem(last=False)
                _release(oldest)
            sink = self.make_sink()
            adopt = owner.datasource_id in self.adopt and owner.datasource_id not in self._adopted
            try:
                self._open(sink, owner, adopt=adopt)
            except BaseException:
                sink.close()
                raise
        self._sinks[owner] = sink
        return sink

    def _open(self, sink: Sink, owner: Owner, *, adopt: bool) -> None:
        try:
            sink.open(owner)
        except OwnershipError:
            if not adopt:
                raise
            sink.open(owner, adopt=True)
            self._adopted.add(owner.datasource_id)  # once: two owners that both still send must not take turns
            self.tell(f"took the documents of datasource {owner.datasource_id} over")

    def _forget(self, owner: Owner) -> None:
        sink = self._sinks.pop(owner, None)
        if sink is not None:
            with suppress(ConfluenceProviderError):
                sink.close()

    def _flush(self) -> None:
        if self._unflushed:
            for owner, sink in list(self._sinks.items()):
                try:
                    sink.flush()
                except SinkUnavailableError as error:  # it is durable; the next flush shows it
                    self._forget(owner)
                    self.tell(f"what was written is not visible yet: {error}")
            self._unflushed = False

    def _close_sinks(self) -> None:
        while self._sinks:
            _, sink = self._sinks.popitem()
            with suppress(ConfluenceProviderError):
                sink.close()

    def _say_what_is_not_held(self) -> None:
        if not self.make_sink().capabilities.versioned:
            self.tell(
                "this sink does not compare revisions: run one drain at a time, and expect an older document to come back where a "
                "message is delivered late"
            )

    def pause(self, seconds: float) -> None:
        """Wait, or until ``stop`` is set."""
        self.counts.waits += 1
        deadline = time.monotonic() + seconds
        while not self.stop.is_set() and (left := deadline - time.monotonic()) > 0:
            self.stop.wait(min(left, 5.0))
            if self._ready:
                with suppress(ConfluenceProviderError):
                    self._broker.still_here(self.queue)


class _Patience:
    """Waits that grow, and an end to them."""

    def __init__(self, drain: Drain) -> None:
        self._drain = drain
        self._since: float | None = None
        self._next = _FIRST_WAIT_SECONDS

    def restore(self) -> None:
        """Start anew: something went well."""
        self._since, self._next = None, _FIRST_WAIT_SECONDS

    def wait(self, problem: SinkUnavailableError) -> None:
        """Wait before the next try. :raises SinkUnavailableError: the problem, when it has lasted for too long."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
            self._drain.tell(f"waiting: {problem}")
        if now - self._since >= self._drain.patience_seconds:
            raise problem
        seconds = max(self._next, min(problem.retry_after_seconds or 0.0, _LONGEST_WAIT_SECONDS))
        self._next = min(self._next * 2, _LONGEST_WAIT_SECONDS)
        self._drain.pause(min(seconds, self._since + self._drain.patience_seconds - now))


class _BrokerLost(Exception):  # noqa: N818 - it never leaves this module
    """The broker is out of reach; what was taken from it and not acknowledged comes again."""

    def __init__(self, error: SinkUnavailableError) -> None:
        self.error = error
        super().__init__(str(error))


class _broker_errors:  # noqa: N801 - reads as the statement it stands for
    """Tells a broker that is out of reach from a sink that is."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: Any) -> None:
        if isinstance(error, SinkUnavailableError):
            raise _BrokerLost(error) from error


def _by_owner(work: list[_Work]) -> dict[Owner, list[_Work]]:
    found: dict[Owner, list[_Work]] = {}
    for mine in work:
        found.setdefault(mine.owner, []).append(mine)
    return found


def _release(sink: Sink) -> None:
    with suppress(SinkUnavailableError):
        sink.flush()
    sink.close()
