"""How a sink that is a server is reached: an Airflow connection as plain data, so that sinks need no Airflow.

Whoever makes a sink hands it a function that looks a connection up by its id; the sink builds its client from what it gets. So one
code path serves the operators, the command line and a plain script, and the TLS defaults are the sink's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from airflow_provider_confluence.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class SinkConnection:
    """An Airflow connection. Its password and extras stay out of ``repr``, so that no log shows them by accident.

    ``extra`` may name ``allowed_datasources``, patterns of datasource ids with commas between: only those may write here.
    """

    conn_id: str
    conn_type: str
    host: str = ""
    port: int | None = None
    login: str = ""
    password: str = field(default="", repr=False)
    schema: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def check_type(self, types: Sequence[str]) -> None:
        """Return where the connection is of one of these types.

        A Variable names the connection, and its editors are trusted less than those of connections: without this they could send
        documents, and the credential, to any server that somebody else made a connection for.

        :raises ConfigurationError: where it is of another.
        """
        if self.conn_type not in types:
            wanted = " or ".join(types)
            raise ConfigurationError(
                f"connection {self.conn_id} is of type {self.conn_type!r}; this sink needs one of type {wanted}"
            )

    def check_datasource(self, datasource_id: str) -> None:
        """Return where the datasource may use the connection. :raises ConfigurationError: where it may not."""
        allowed = self.extra.get("allowed_datasources")
        if not allowed:
            return
        patterns = [part.strip() for part in str(allowed).split(",") if part.strip()]
        if not any(fnmatchcase(datasource_id, pattern) for pattern in patterns):
            raise ConfigurationError(
                f"connection {self.conn_id} does not admit datasource {datasource_id}; "
                f"its extra allowed_datasources is {', '.join(patterns)}"
            )


Connections = Callable[[str], SinkConnection]
"""Looks a connection up by its id. :raises ConfigurationError: where there is none."""


def no_connections(conn_id: str) -> SinkConnection:
    """Refuse: for callers that have no connections to give."""
    raise ConfigurationError(f"the sink needs connection {conn_id}, and there are no connections here")
