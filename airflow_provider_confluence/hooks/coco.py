"""The Airflow connection of type *coco*: an API token of a Coco Server, for the sink of that name."""

from __future__ import annotations

from airflow.sdk import BaseHook

from airflow_provider_confluence.errors import ConfluenceProviderError


class CocoHook(BaseHook):
    """Says whether a Coco Server takes the connection's token. The sink speaks to it by itself; no operator needs this.

    The connection's host is the base URL with ``web.base_path``, its password the API token. The extras are read by name: ``verify_ssl``,
    ``ca_bundle``, ``proxy``, ``timeout``, ``allowed_datasources``; any other is reported and never passed on.

    :param coco_conn_id: the connection.
    """

    conn_name_attr = "coco_conn_id"
    default_conn_name = "coco_default"
    conn_type = "coco"
    hook_name = "Coco Server"

    def __init__(self, coco_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.coco_conn_id = coco_conn_id

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the token may do all that the sink asks for, and a sentence that says so. Cost: 12 requests, no writes."""
        from airflow_provider_confluence.hooks.sink_connections import sink_connection
        from airflow_provider_confluence.sinks.coco import check_connection

        try:
            url, version = check_connection(sink_connection(self.coco_conn_id))
        except ConfluenceProviderError as error:
            return False, str(error)
        return True, f"Connected to Coco Server {version} at {url}; the token has every permission that is needed"
