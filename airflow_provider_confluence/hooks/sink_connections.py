"""Airflow's connections as sinks take them."""

from __future__ import annotations

from airflow_provider_confluence.errors import ConfigurationError
from airflow_provider_confluence.hooks._masking import mask, mask_address
from airflow_provider_confluence.sinks.connection import SinkConnection


def sink_connection(conn_id: str) -> SinkConnection:
    """Return a connection, from wherever this process finds connections: in a task from Airflow, elsewhere from the environment's
    ``AIRFLOW_CONN_<ID>`` and the secrets backends. What is secret in it is masked in logs.

    :raises ConfigurationError: where there is none of this id, or it cannot be read.
    """
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowException

    try:
        found = Connection.get(conn_id)
        extra = found.extra_dejson
    except (AirflowException, ValueError) as error:  # Airflow passes over what it cannot read, and finds nothing
        raise ConfigurationError(
            f"there is no connection {conn_id} that can be read: make it in Airflow, or set AIRFLOW_CONN_{conn_id.upper()} "
            "to its URI or JSON"
        ) from error
    mask(found.password or "", found.login or "")
    mask(str(extra.get("api_key") or ""))
    mask_address(str(extra.get("proxy") or ""))
    return SinkConnection(
        conn_id=conn_id,
        conn_type=found.conn_type or "",
        host=found.host or "",
        port=found.port,
        login=found.login or "",
        password=found.password or "",
        schema=found.schema or "",
        extra=extra,
    )
