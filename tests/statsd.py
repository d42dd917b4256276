"""A StatsD server that keeps what it is sent: for what this project tells Airflow's statistics."""

from __future__ import annotations

import socket
import threading
from collections import defaultdict
from dataclasses import dataclass

KINDS = {"c": "counter", "g": "gauge", "ms": "timer"}


@dataclass(frozen=True)
class Sent:
    """One value, as it came."""

    name: str
    kind: str
    value: float
    tags: dict[str, str]


class Statsd:
    """Listens on a free port of 127.0.0.1 for lines such as ``airflow.name,tag=value:5|c``, with tags as InfluxDB writes them."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._stopped = False
        self.sent: list[Sent] = []

    @property
    def environment(self) -> dict[str, str]:
        """What an Airflow is to be started with."""
        return {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(self._socket.getsockname()[1]),
            "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
        }

    def total(self, name: str, **tags: str) -> float:
        """The sum of what was sent under a name with such tags."""
        return sum(one.value for one in self.sent if one.name == name and tags.items() <= one.tags.items())

    def last(self, name: str, **tags: str) -> float:
        """What was sent last under a name with such tags."""
        return [one.value for one in self.sent if one.name == name and tags.items() <= one.tags.items()][-1]

    def list(self) -> set[tuple[str, str, tuple[str, ...]]]:
        """Each name with its kind and the names of its tags."""
        return {(one.name, one.kind, tuple(sorted(one.tags))) for one in self.sent}

    def values_of_tags(self) -> dict[str, set[str]]:
        """Every value that each tag ever had."""
        found: dict[str, set[str]] = defaultdict(set)
        for one in self.sent:
            for tag, value in one.tags.items():
                found[tag].add(value)
        return dict(found)

    def __enter__(self) -> Statsd:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waking:
            waking.sendto(b"", self._socket.getsockname())
        self._thread.join(timeout=10)
        self._socket.close()

    def _listen(self) -> None:
        while not self._stopped:
            for line in self._socket.recv(65536).decode().splitlines():
                if line.startswith(f"airflow.{self._prefix}"):
                    self.sent.append(_read(line))


def _read(line: str) -> Sent:
    series, _, rest = line.removeprefix("airflow.").rpartition(":")
    value, kind = rest.split("|")[:2]
    name, *tags = series.split(",")
    return Sent(name, KINDS[kind], float(value), dict(tag.split("=", 1) for tag in tags))
