"""The queue sink: one message for each document or tombstone, for whoever indexes them.

The message is JSON in the shape of :func:`~airflow_provider_confluence.documents.message_schema`. A queue holds nothing that could be read
back, so the sink keeps no revisions, no inventory and no owner: the fence of a run keeps old writers out, and consumers keep the highest
revision. Sending a message again is therefore harmless, and that is what is done whenever it is unsure whether one arrived.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow_provider_confluence.documents import Document, Tombstone
from airflow_provider_confluence.errors import ConfigurationError
from airflow_provider_confluence.sinks import messages
from airflow_provider_confluence.sinks._broker import Broker, Outgoing, make_broker
from airflow_provider_confluence.sinks.base import Answer, Capabilities, InventoryItem, Owner
from airflow_provider_confluence.sinks.connection import Connections, no_connections
from airflow_provider_confluence.sinks.settings import read_settings


class QueueSink:
    """Send documents to a queue. The constructor touches nothing; ``open`` connects and makes the queue where there is none.

    :param queue: the queue's name.
    :param conn_id: id of the connection; its type says which broker it is.
    :param connections: looks the connection up.
    :param declare: make the queue where there is none; ``False`` where that is somebody else's business.
    :param max_message_bytes: a larger message is answered *rejected*; ``None`` for what the broker takes.
    """

    capabilities = Capabilities(versioned=False, inventory=False, atomic_swap=False)

    def __init__(
        self,
        queue: str,
        *,
        conn_id: str,
        connections: Connections,
        declare: bool = True,
        max_message_bytes: int | None = None,
    ) -> None:
        self.queue = queue
        self.conn_id = conn_id
        self._connections = connections
        self._declare = declare
        self._max_message_bytes = max_message_bytes
        self._broker: Broker | None = None
        self._owner: Owner | None = None

    def open(self, owner: Owner, *, adopt: bool = False) -> None:  # noqa: ARG002 - a queue knows no owner that could be relieved
        """Connect and make the queue ready. A queue records no owner: each message names it, and no other owner is refused."""
        self.close()
        connection = self._connections(self.conn_id)
        connection.check_datasource(owner.datasource_id)
        broker = make_broker(connection)
        try:
            broker.use(self.queue, create=self._declare)
        except BaseException:
            broker.close()
            raise
        self._broker, self._owner = broker, owner

    def check(self) -> None:
        """Say whether messages can be sent, by a connection of its own; see :meth:`~airflow_provider_confluence.sinks.base.Sink.check`."""
        broker = make_broker(self._connections(self.conn_id))
        try:
            broker.use(self.queue, create=self._declare)
            broker.try_writing(self.queue)
        finally:
            broker.close()

    def write(self, items: Sequence[Document | Tombstone]) -> list[Answer]:
        """Send a batch. What the broker confirmed is *written*; what it did not, because the connection broke, is *retry*.

        :raises SinkUnavailableError: when none was confirmed.
        """
        broker, owner = self._opened()
        limit = min(broker.max_message_bytes, self._max_message_bytes or broker.max_message_bytes)
        answers: list[Answer | None] = []
        outgoing: list[Outgoing] = []
        for item in items:
            reason = None
            if item.datasource_id != owner.datasource_id:
                reason = f"belongs to datasource {item.datasource_id!r}"
            else:
                message = _message(item, owner)
                if (size := broker.size_of(message)) > limit:
                    reason = f"the message has {size} bytes, over the limit of {limit}"
                else:
                    outgoing.append(message)
            answers.append(Answer(item.id, "rejected", reason) if reason else None)
        sent = iter(broker.send(self.queue, outgoing) if outgoing else ())
        return [answer or _answer(item, next(sent)) for item, answer in zip(items, answers, strict=True)]

    def flush(self) -> None:
        """Return at once: whoever drains the queue makes documents visible."""
        self._opened()

    def inventory(self, datasource_id: str) -> Iterator[InventoryItem]:
        """Refuse: a queue cannot be asked what it holds. :raises ConfigurationError: always."""
        raise ConfigurationError(
            f"queue {self.queue} has no inventory of datasource {datasource_id}: a queue cannot be asked"
        )

    def close(self) -> None:
        """Disconnect."""
        broker, self._broker, self._owner = self._broker, None, None
        if broker is not None:
            broker.close()

    def _opened(self) -> tuple[Broker, Owner]:
        if self._broker is None or self._owner is None:
            raise RuntimeError("the sink is not open: call open() first")
        return self._broker, self._owner


def from_settings(
    settings: Mapping[str, Any],
    destination: str,
    *,
    storage: Path,  # noqa: ARG001 - a queue keeps no files
    allowed_paths: Sequence[Path] = (),  # noqa: ARG001
    connections: Connections = no_connections,
) -> QueueSink:
    """Return the sink for ``{"type": "queue", "conn_id": …, "declare": …, "max_message_bytes": …}``; all but ``type`` may be left out.

    :raises ConfigurationError: for an unknown key, a wrong type, a name that no broker takes.
    """
    found = read_settings("queue", settings, destination)
    check_name(destination)
    return QueueSink(
        destination,
        conn_id=found["conn_id"],
        connections=connections,
        declare=found["declare"],
        max_message_bytes=found["max_message_bytes"],
    )


def check_name(queue: str) -> None:
    """Return where a text may name a queue; some brokers take less. :raises ConfigurationError: where none takes it."""
    if not queue or len(queue) > 200 or not queue.isprintable() or queue != queue.strip():
        raise ConfigurationError(
            f"queue.name: {queue[:100]!r} cannot name a queue; use up to 200 characters without white space at its ends"
        )


def _message(item: Document | Tombstone, owner: Owner) -> Outgoing:
    headers = {"op": messages.op_of(item), "datasource": owner.datasource_id}
    return Outgoing(messages.encode(item, owner), messages.message_id(item), headers)


def _answer(item: Document | Tombstone, sent: Any) -> Answer:
    if sent.outcome == "confirmed":
        return Answer(item.id, "written")
    return Answer(item.id, "rejected" if sent.outcome == "refused" else "retry", sent.reason)
