"""Who we are to Confluence, and what its clock says: the first request of every run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from airflow_provider_confluence.confluence.client import Identity
from airflow_provider_confluence.confluence.transport import Transport
from airflow_provider_confluence.errors import ConfigurationError, CredentialsError


def read_identity(transport: Transport, path: str = "/rest/api/user/current") -> Identity:
    """Return the account behind the credential.

    With an invalid token Data Center may answer as *anonymous* instead of refusing, and would then list less: that is an error, unless
    the connection has no credential and so means to be anonymous.

    :raises CredentialsError: for a refused credential and for an anonymous answer to one.
    :raises ConfigurationError: where Cloud answers though the connection says Data Center.
    """
    answer = transport.get(path)
    row = answer.data
    if not transport.cloud and row.get("accountId") and not row.get("userKey"):
        # Data Center has no account ids. Most of what its interface offers is not there on Cloud.
        raise ConfigurationError(
            f"{transport.site} is Confluence Cloud, and the connection's deployment says datacenter: set it to cloud, or to auto"
        )
    account = row.get("accountId") or row.get("userKey") or row.get("username")
    anonymous = row.get("type") == "anonymous" or not account
    if anonymous and transport.has_credential:
        raise CredentialsError(
            f"GET {path}: Confluence took us for an anonymous visitor, so the token is not valid (expired, withdrawn, or of another site)",
            status=200,
            reason="anonymous",
        )
    name = (
        row.get("displayName")
        or row.get("publicName")
        or row.get("username")
        or ("Anonymous" if anonymous else account)
    )
    return Identity(
        account_id=str(account or ""),
        display_name=str(name),
        anonymous=anonymous,
        server_time=_server_time(answer.headers),
    )


def _server_time(headers: Mapping[str, str]) -> datetime:
    try:
        when = parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError):
        return datetime.now(timezone.utc)  # a proxy took the header: our own clock is the next best
    return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
