"""Filling a new index while the old one serves, and putting it in the old one's place at once.

A marker in the control index says that a datasource is at it; other datasources keep out until it is gone, so that none of theirs is lost
with the old index. ``<alias>-rebuild`` is the alias of the new index: writes demand an alias there as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_confluence.errors import ConfigurationError, SinkUnavailableError
from airflow_provider_confluence.sinks import _search_bulk as bulk
from airflow_provider_confluence.sinks._encoding import encoded
from airflow_provider_confluence.sinks._search_layout import Layout
from airflow_provider_confluence.sinks._search_wire import Server

MARKER = "rebuild"


class Rebuild:
    """The rebuilding of one datasource's index.

    :param records: returns what the control index holds of ids, and of the marker.
    """

    def __init__(
        self,
        server: Server,
        layout: Layout,
        datasource_id: str,
        records: Callable[[], Mapping[str, dict[str, Any]]],
    ) -> None:
        self._server = server
        self._layout = layout
        self._datasource_id = datasource_id
        self._records = records

    def check(self) -> None:
        """Return where nothing of others is in the index. :raises ConfigurationError: else."""
        others = self._count(self._layout.alias, {"bool": {"must_not": [self._mine]}})
        if others:
            raise ConfigurationError(
                f"{self._server.where}: {others} documents of other datasources are in {self._layout.alias}, and a rebuild by datasource "
                f"{self._datasource_id} would lose them; give each datasource a queue.name of its own"
            )

    def begin(self, revision: int) -> bool:
        """Make the new index and the marker where they are missing; return whether there is something left to be filled."""
        index = self._index(revision)
        marker = self._marker()
        if self._serving() == index:
            self._remove_marker(marker)
            return False
        if marker is not None and marker["revision"] > revision:
            raise SinkUnavailableError(
                f"{self._server.where}: a newer rebuild of {self._layout.alias}, begun by run {marker['revision']}, is under way"
            )
        source = {"kind": "rebuild", "datasource_id": self._datasource_id, "revision": revision, "index": index}
        for judgement in bulk.write(
            self._server,
            [bulk.Operation.index(0, self._layout.control, MARKER, revision, encoded(source).encode())],
        ):
            if judgement.outcome != "written":
                raise SinkUnavailableError(f"{self._server.where}: the rebuild cannot be noted: {judgement.reason}")
        # After the marker: what came in before it is seen now, and nothing comes after it.
        self.check()
        found = self._layout.found(self._server, self._layout.rebuild)
        if found is not None and found[0] != index:
            self._server.ask("DELETE", f"/{found[0]}", expect=(404,))  # of a rebuild that was given up
        self._layout.ensure_new(self._server, index)
        return True

    def finish(self, revision: int, documents: int) -> str:
        """Swap, where the new index holds so many documents and the old one nothing of others; return why not, or nothing."""
        index = self._index(revision)
        serving = self._serving()
        if serving != index:
            others = self._count(self._layout.alias, {"bool": {"must_not": [self._mine]}})
            if others:
                return f"{others} documents of other datasources came into {self._layout.alias} meanwhile"
            found = self._count(self._layout.rebuild, self._mine)
            if found != documents:
                return f"the new index holds {found} documents, and should hold {documents}"
            actions: list[dict[str, Any]] = [
                {"add": {"index": index, "alias": self._layout.alias}},
                {"remove": {"index": index, "alias": self._layout.rebuild}},
                # Its aliases go with it, in the same step.
                {"remove_index": {"index": serving}},
            ]
            reply = self._server.ask("POST", "/_aliases", body={"actions": actions}, expect=(404,))
            if reply.status == 404 and self._serving() != index:  # else an earlier try had come through
                raise SinkUnavailableError(f"{self._server.where}: {serving} was removed while it was to be replaced")
        self._remove_marker(self._marker())
        return ""

    def abandon(self, before: int) -> bool:
        """Remove the new index and the marker of a rebuild that began before this revision; return whether there was one."""
        marker = self._marker()
        if marker is None or marker["revision"] >= before:
            return False
        found = self._layout.found(self._server, self._layout.rebuild)
        if found is not None and found[0] != self._serving():
            self._server.ask("DELETE", f"/{found[0]}", expect=(404,))
        self._remove_marker(marker)
        return True

    # ---------------------------------------------------------------- inside
    @property
    def _mine(self) -> dict[str, Any]:
        return {"term": {"datasource.id": self._datasource_id}}

    def _index(self, revision: int) -> str:
        return f"{self._layout.alias}-{revision}"

    def _serving(self) -> str:
        found = self._layout.found(self._server, self._layout.alias)
        if found is None:
            raise ConfigurationError(
                f"{self._server.where}: the alias {self._layout.alias} is gone; run with mode verify"
            )
        return found[0]

    def _marker(self) -> dict[str, Any] | None:
        found = self._records().get(MARKER)
        if found is None:
            return None
        keep_out(found, self._datasource_id, self._layout.alias, self._server.where)
        source: dict[str, Any] = found["_source"]
        return source

    def _remove_marker(self, marker: dict[str, Any] | None) -> None:
        if marker is not None:
            self._server.ask("DELETE", f"/{self._layout.control}/_doc/{MARKER}", expect=(404,))

    def _count(self, alias: str, query: dict[str, Any]) -> int:
        self._server.ask("POST", f"/{alias}/_refresh")
        said = self._server.ask("POST", f"/{alias}/_count", body={"query": query}).body
        shards = said.get("_shards", {}) if isinstance(said, dict) else {}
        if shards.get("failed", 0) or not isinstance(said.get("count"), int):
            raise SinkUnavailableError(f"{self._server.where} did not count {alias} to the end")
        return int(said["count"])


def keep_out(found: Mapping[str, Any] | None, datasource_id: str, alias: str, where: str) -> None:
    """Return where no other datasource rebuilds the index. :raises SinkUnavailableError: else."""
    other = found["_source"].get("datasource_id") if found is not None else datasource_id
    if other != datasource_id:
        raise SinkUnavailableError(
            f"{where}: datasource {other} is rebuilding {alias}, and nobody else may write into it until that is done; let it run to the "
            "end, or purge it"
        )
