"""The Elasticsearch sink: ``{"type": "elasticsearch", "conn_id": "elasticsearch_default"}``; ``queue.name`` is the alias to search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_confluence.errors import ConfigurationError
from airflow_provider_confluence.sinks._search_engine import Flavour
from airflow_provider_confluence.sinks._search_settings import FromSettings
from airflow_provider_confluence.sinks._search_wire import Reach, Sender, Unreachable

_OLDEST = (7, 17)


class _Connection:
    """One connection of the transport of elasticsearch-py.

    The client above it writes its own major version into every header, which a server of the major version before refuses; what is sent
    here says ``application/json``, which each of them takes.
    """

    def __init__(self, reach: Reach) -> None:
        try:
            from elastic_transport import NodeConfig, Urllib3HttpNode
        except ImportError as error:
            raise ConfigurationError(
                "the Elasticsearch sink needs elasticsearch-py: pip install 'airflow-provider-confluence[elasticsearch]'"
            ) from error
        # Where a context is given it says it all, and the library takes nothing beside it.
        unverified: dict[str, Any] = {"verify_certs": False, "ssl_show_warn": False} if not reach.tls else {}
        self._node = Urllib3HttpNode(
            NodeConfig(
                scheme="https" if reach.use_tls else "http",
                host=reach.host,
                port=reach.port,
                path_prefix=reach.path_prefix,
                connections_per_node=1,
                request_timeout=reach.timeout_seconds,
                ssl_context=reach.tls,
                **unverified,
            )
        )

    def __call__(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes | str]:
        from elastic_transport import ConnectionError as NoConnection
        from elastic_transport import ConnectionTimeout, HttpHeaders, TlsError

        try:
            said = self._node.perform_request(method, target, body=body, headers=HttpHeaders(headers))
        except TlsError as error:
            raise Unreachable(f"is not to be trusted: TLS failed ({error.message})") from error
        except ConnectionTimeout as error:
            raise Unreachable("did not answer in time") from error
        except (NoConnection, OSError) as error:
            inner = error.errors[0] if isinstance(error, NoConnection) and error.errors else error
            raise Unreachable(f"cannot be reached ({type(inner).__name__})") from error
        return said.meta.status, said.meta.headers, said.body

    def close(self) -> None:
        self._node.close()


def _connect(reach: Reach) -> Sender:
    return _Connection(reach)


def _refuse(said: Mapping[str, Any]) -> str | None:
    version = said.get("version")
    number = version.get("number") if isinstance(version, dict) else None
    if not isinstance(version, dict) or not isinstance(number, str):
        return "it is no Elasticsearch"
    if version.get("distribution") == "opensearch" or "OpenSearch" in str(said.get("tagline", "")):
        return f"it is OpenSearch (version {number[:20]}); use the sink opensearch"
    parts = tuple(int(part) for part in number.split(".")[:2] if part.isdigit())
    if parts < _OLDEST:
        return f"it is Elasticsearch {number[:20]}, and the oldest that will do is 7.17"
    return None


from_settings = FromSettings(
    Flavour(
        name="Elasticsearch",
        conn_type="elasticsearch",
        api_key=True,
        flat={"type": "flattened", "ignore_above": 8191},
        refuse=_refuse,
        connect=_connect,
    )
)
