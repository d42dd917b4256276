"""The endpoint as people write it, turned into the base URL that requests need and the state is named after."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from airflow_provider_confluence.errors import ConfigurationError
from airflow_provider_confluence.redaction import without_credentials

if TYPE_CHECKING:
    from airflow_provider_confluence.confluence.client import ConnectionSettings, Edition

GATEWAY_HOST = "api.atlassian.com"
GATEWAY = f"https://{GATEWAY_HOST}"
_GATEWAY_PATH = re.compile(r"/ex/confluence/[^/]+(/wiki)?")
_EXAMPLES = "https://site.atlassian.net/wiki on Cloud, https://wiki.example.com or https://example.com/confluence on Data Center"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A checked endpoint. ``edition`` is ``None`` where only a request can tell; ``site`` is then the endpoint without its last slash."""

    site: str
    edition: Edition | None
    gateway: bool = False


def read_endpoint(settings: ConnectionSettings) -> Endpoint:
    """Return the canonical base URL and, where the URL or the ``deployment`` setting says it, the edition. No request is made.

    :raises ConfigurationError: naming the value, when it is no plain http(s) URL, or does not fit the deployment.
    """
    given = settings.endpoint.strip()
    if not given and settings.cloud_id:
        given = f"{settings.gateway_url or GATEWAY}/ex/confluence/{quote(settings.cloud_id, safe='')}/wiki"
    if settings.deployment not in ("auto", "cloud", "datacenter"):
        raise ConfigurationError(f"deployment is {settings.deployment!r}: it must be auto, cloud or datacenter")
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:
        raise ConfigurationError(
            f"endpoint {without_credentials(given)!r} is not a URL: expected {_EXAMPLES}"
        ) from None
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            f"endpoint {without_credentials(given)!r} holds a credential: put the user name and the token into the connection's own fields"
        )
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            f"endpoint {without_credentials(given)!r} is not an http or https URL: expected {_EXAMPLES}"
        )
    if parts.query or parts.fragment or re.search(r"[\s\\\x00-\x1f]", given):
        raise ConfigurationError(
            f"endpoint {without_credentials(given)!r} must be a base URL without query, fragment or blanks: {_EXAMPLES}"
        )
    scheme, host = parts.scheme.lower(), parts.hostname.lower()
    shown_host = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[scheme]
    origin = f"{scheme}://{shown_host}" + ("" if port in (None, default) else f":{port}")
    path = re.sub(r"/+", "/", parts.path).rstrip("/")

    gateway = host == GATEWAY_HOST or _GATEWAY_PATH.fullmatch(path) is not None
    if settings.deployment == "datacenter":
        if settings.cloud_id:
            raise ConfigurationError("cloud_id is set, and deployment is datacenter: it is one or the other")
        return Endpoint(origin + path, "datacenter")
    if gateway:
        if _GATEWAY_PATH.fullmatch(path) is None:
            raise ConfigurationError(
                f"endpoint {without_credentials(given)!r}: at the gateway it must be https://{GATEWAY_HOST}/ex/confluence/<cloud id>/wiki "
                "(the cloud id is at https://<site>.atlassian.net/_edge/tenant_info)"
            )
        return Endpoint(origin + path.removesuffix("/wiki") + "/wiki", "cloud", gateway=True)
    if host.endswith(".atlassian.net"):
        if path not in ("", "/wiki"):
            raise ConfigurationError(
                f"endpoint {without_credentials(given)!r}: expected https://{host}/wiki, without anything behind it"
            )
        return Endpoint(f"{origin}/wiki", "cloud")
    if settings.deployment == "cloud" or settings.cloud_id:
        return Endpoint(origin + path.removesuffix("/wiki") + "/wiki", "cloud")
    if path.endswith("/wiki"):
        return Endpoint(origin + path, "cloud")
    return Endpoint(origin + path, None)
