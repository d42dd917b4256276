"""The OpenSearch sink: ``{"type": "opensearch", "conn_id": "opensearch_default"}``; ``queue.name`` is the alias to search."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow_provider_confluence.errors import ConfigurationError
from airflow_provider_confluence.sinks._search_engine import Flavour
from airflow_provider_confluence.sinks._search_settings import FromSettings
from airflow_provider_confluence.sinks._search_wire import Reach, Sender, Unreachable

# The first with flat_object.
_OLDEST = (2, 7)


class _Connection:
    """One connection of opensearch-py."""

    def __init__(self, reach: Reach) -> None:
        try:
            from opensearchpy import Urllib3HttpConnection
        except ImportError as error:
            raise ConfigurationError(
                "the OpenSearch sink needs opensearch-py: pip install 'airflow-provider-confluence[opensearch]'"
            ) from error
        # It writes every body into the log, at level INFO, and every failed request at WARNING: texts of pages have no place there.
        for name in ("opensearch", "opensearchpy.trace"):
            if not logging.getLogger(name).level:
                logging.getLogger(name).setLevel(logging.ERROR)
        # Where a context is given it says it all, and the library takes nothing beside it.
        unverified: dict[str, Any] = {"verify_certs": False, "ssl_show_warn": False} if not reach.tls else {}
        self._connection = Urllib3HttpConnection(
            host=reach.host,
            port=reach.port,
            use_ssl=reach.use_tls,
            ssl_context=reach.tls,
            **unverified,
            url_prefix=reach.path_prefix,
            timeout=reach.timeout_seconds,
            pool_maxsize=1,
        )

    def __call__(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes | str]:
        from opensearchpy.exceptions import ConnectionError as NoConnection
        from opensearchpy.exceptions import ConnectionTimeout, SSLError

        try:
            status, said, text = self._connection.perform_request(
                method, target, body=body, headers=headers, ignore=range(100, 600)
            )
        except SSLError as error:
            raise Unreachable(f"is not to be trusted: TLS failed ({error.error})") from error
        except ConnectionTimeout as error:
            raise Unreachable("did not answer in time") from error
        except NoConnection as error:
            raise Unreachable(f"cannot be reached ({type(error.info).__name__})") from error
        return status, said, text

    def close(self) -> None:
        self._connection.close()


def _connect(reach: Reach) -> Sender:
    return _Connection(reach)


def _refuse(said: Mapping[str, Any]) -> str | None:
    version = said.get("version")
    number = version.get("number") if isinstance(version, dict) else None
    if not isinstance(version, dict) or not isinstance(number, str):
        return "it is no OpenSearch"
    # In its compatibility mode it calls itself 7.10.2 and says who it is in the tagline only.
    if version.get("distribution") != "opensearch" and "OpenSearch" not in str(said.get("tagline", "")):
        return f"it is no OpenSearch (version {number[:20]}); for Elasticsearch there is the sink elasticsearch"
    parts = tuple(int(part) for part in number.split(".")[:2] if part.isdigit())
    if parts < _OLDEST:
        return f"it is OpenSearch {number[:20]}, and the oldest that will do is 2.7"
    return None


from_settings = FromSettings(
    Flavour(
        name="OpenSearch",
        conn_type="opensearch",
        api_key=False,
        flat={"type": "flat_object"},
        refuse=_refuse,
        connect=_connect,
    )
)
