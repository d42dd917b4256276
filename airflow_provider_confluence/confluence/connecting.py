"""From settings to a client: what is checked before the first request, and how the edition is found."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from airflow_provider_confluence.confluence.auth import fingerprint, origin_of
from airflow_provider_confluence.confluence.client import ConfluenceClient, ConnectionSettings, Edition
from airflow_provider_confluence.confluence.cloud import CloudClient
from airflow_provider_confluence.confluence.datacenter import DataCenterClient
from airflow_provider_confluence.confluence.endpoint import Endpoint, read_endpoint
from airflow_provider_confluence.confluence.events import Observer
from airflow_provider_confluence.confluence.gate import DEFAULT_IN_FLIGHT, DEFAULT_PER_SECOND, Gate, shared_gate
from airflow_provider_confluence.confluence.transport import Transport
from airflow_provider_confluence.errors import AccessDeniedError, ConfigurationError, ContractError


def open_client(
    settings: ConnectionSettings,
    *,
    gate: Gate | None = None,
    observer: Observer | None = None,
    on_secret: Callable[[str], object] | None = None,
    patience_seconds: float = 120.0,
    clock: Callable[[], float] = time.monotonic,
) -> ConfluenceClient:
    """Return the client (:func:`airflow_provider_confluence.confluence.client.connect` says how)."""
    endpoint = read_endpoint(settings)
    _check(settings, endpoint)

    def transport(site: str, edition: Edition) -> Transport:
        own = gate or shared_gate(
            origin_of(site),
            fingerprint(settings),
            max_in_flight=settings.max_in_flight or DEFAULT_IN_FLIGHT[edition],
            requests_per_second=settings.requests_per_second or DEFAULT_PER_SECOND[edition],
            patience_seconds=patience_seconds,
        )
        return Transport(
            settings,
            site,
            own,
            cloud=edition == "cloud",
            at_gateway=endpoint.gateway,
            observer=observer,
            on_secret=on_secret,
            clock=clock,
        )

    site, edition = endpoint.site, endpoint.edition
    if edition is None:
        edition = _ask(transport(site, "datacenter"))
        site += "/wiki" if edition == "cloud" else ""
    if edition == "cloud":
        return CloudClient(transport(site, "cloud"), gateway=endpoint.gateway)
    return DataCenterClient(transport(site, "datacenter"))


def _check(settings: ConnectionSettings, endpoint: Endpoint) -> None:
    """Refuse settings that no request could make right."""
    if not (settings.timeout_seconds > 0 and math.isfinite(settings.timeout_seconds)):
        raise ConfigurationError(f"timeout is {settings.timeout_seconds}: it must be more than 0 seconds")
    if settings.max_in_flight is not None and settings.max_in_flight < 1:
        raise ConfigurationError(f"max_in_flight is {settings.max_in_flight}: it must be 1 or more")
    if settings.requests_per_second is not None and not settings.requests_per_second > 0:
        raise ConfigurationError(f"requests_per_second is {settings.requests_per_second}: it must be more than 0")
    for name, path in (
        ("ca_bundle", settings.ca_bundle),
        ("client_cert", settings.client_cert),
        ("client_key", settings.client_key),
    ):
        if path and not Path(path).exists():
            raise ConfigurationError(f"{name} {path!r} does not exist on this machine")
    if settings.client_key and not settings.client_cert:
        raise ConfigurationError("client_key is set and client_cert is not: the key proves the certificate")
    if settings.proxy:
        try:
            proxy = urlsplit(settings.proxy)
            usable = proxy.scheme in ("http", "https") and bool(proxy.hostname) and proxy.port != 0
        except ValueError:
            usable = False
        if not usable:
            # not shown: it may hold a password
            raise ConfigurationError("proxy is not an http or https URL such as http://proxy.example.com:3128")
    _check_credential(settings, endpoint)


def _check_credential(settings: ConnectionSettings, endpoint: Endpoint) -> None:
    """Refuse a credential that is none, or that contradicts itself."""
    given = [name for name, value in (("user name", settings.username), ("token", settings.token)) if value]
    if settings.anonymous:
        if given or settings.oauth_client_id:
            raise ConfigurationError(
                f"the connection says anonymous and has a {' and a '.join(given) or 'client id'}: leave out one or the other"
            )
        return
    if not given:
        raise ConfigurationError(
            "the connection has no token: put one into its password field, or set the extra anonymous to true where "
            "visitors without a credential are meant"
        )
    if settings.oauth_client_id:
        if endpoint.edition != "cloud":
            raise ConfigurationError(
                f"oauth_client_id is for Cloud, and {endpoint.site} is not known as such; set deployment to cloud"
            )
        if settings.username or not settings.token:
            raise ConfigurationError(
                "with oauth_client_id the user name stays empty, and the client's secret goes into the password field"
            )
    gateway = endpoint.gateway or settings.cloud_id or settings.oauth_client_id
    if endpoint.edition == "cloud" and not gateway and ".atlassian.net" in endpoint.site and not settings.username:
        raise ConfigurationError(
            f"{endpoint.site} is a Cloud site, where the API token needs its owner's e-mail address: put that into the user name"
        )


def _ask(transport: Transport) -> Edition:
    """Return the edition at an endpoint that does not show it: on Data Center its own interface answers, on Cloud only ``/wiki``'s."""
    try:
        try:
            transport.get("/rest/api/user/current")
        except ContractError as refusal:
            try:
                transport.get("/wiki/api/v2/spaces", {"limit": 1})
            except (ContractError, AccessDeniedError):
                raise ContractError(
                    f"{refusal} (Neither Data Center's interface nor Cloud's was found under {transport.site}; "
                    "set deployment to cloud or datacenter if the endpoint is right.)",
                    status=refusal.status,
                    reason=refusal.reason,
                ) from refusal
            return "cloud"
        return "datacenter"
    finally:
        transport.close()
