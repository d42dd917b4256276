"""What a refusal of Confluence means: from status and headers to one of our errors, with what to do about it.

Data Center's texts are localised, so decisions hang on the status and the headers; texts only sharpen a hint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from airflow_provider_confluence.errors import (
    AccessDeniedError,
    ConfigurationError,
    ConfluenceProviderError,
    ConfluenceUnavailableError,
    ContractError,
    CredentialsError,
)

_LOGIN = re.compile(r"log-?in|sign-?in|dologin|sso|saml|oauth|authorize|openid|adfs|idp", re.I)
_LOGIN_PAGE = re.compile(
    rb"os_username|type=[\"']?password|login\.action|id=[\"']?login|<form[^>]+log-?in|SAMLRequest"
    rb"|<title>[^<]*(log|sign)[ -]?in",
    re.I,
)


class AbsentError(ContractError):
    """404: the thing is absent, or this account may not see it; Confluence answers both alike."""


class TooHeavyError(ConfluenceUnavailableError):
    """The request asked for more than Confluence could give at once (413, 500, 504, a time-out, too large an answer)."""


def error_for_status(
    where: str, status: int, headers: Mapping[str, str], payload: bytes, *, cloud: bool
) -> ConfluenceProviderError:
    """Return the error for a status that is neither success nor worth another try. Nothing of the payload gets into the message."""
    denied = headers.get("X-Authentication-Denied-Reason", "")
    seraph = headers.get("X-Seraph-LoginReason", "").upper()
    if status in (401, 403) and ("CAPTCHA" in denied.upper() or "AUTHENTICATION_DENIED" in seraph):
        return CredentialsError(
            f"{where}: Confluence asks this account for a captcha after too many failed log-ins; log in once in a browser, "
            "mend the credential, then run again",
            status=status,
        )
    if status == 401:
        if "SCOPE" in headers.get("X-Failure-Category", "").upper():
            return AccessDeniedError(
                f"{where}: the token lacks a scope for this call; make one with the scopes that the documentation lists",
                status=status,
            )
        hint = (
            "check the e-mail address and the API token (tokens expire; a scoped token works only at the gateway, "
            "https://api.atlassian.com/ex/confluence/<cloud id>/wiki)"
            if cloud
            else "check the personal access token (it may have expired), or the user name and password"
        )
        return CredentialsError(f"{where}: Confluence refused the credential (401); {hint}", status=status)
    if status == 403:
        if b"basic auth" in payload[:4096].lower():
            return CredentialsError(
                f"{where}: this Confluence does not take a user name and password (403); use a personal access token, "
                "with the user name left empty",
                status=status,
            )
        return AccessDeniedError(
            f"{where}: this account may not do that (403); does it have access to Confluence itself, and to the space?",
            status=status,
        )
    if status == 404:
        return AbsentError(
            f"{where} is not there (404), or this account may not see it; is the endpoint complete, with its context path?",
            status=status,
        )
    if status == 407:
        return ConfigurationError(
            f"{where}: the proxy asks for a log-in (407); put user name and password into the proxy's URL"
        )
    if status == 410:
        return ContractError(f"{where} is gone from this Confluence (410); upgrade this package", status=status)
    if 500 <= status < 600:
        return ConfluenceUnavailableError(f"{where}: Confluence answered with HTTP {status}", status=status)
    return ContractError(f"{where}: Confluence answered with HTTP {status}, which was not expected", status=status)


def leads_to_login(location: str) -> bool:
    """Whether an address looks like that of a log-in page."""
    target = urlsplit(location)
    return bool(_LOGIN.search(target.path) or _LOGIN.search(target.hostname or ""))


def redirected(where: str, site: str, status: int, location: str) -> ConfluenceProviderError:
    """Return the error for a redirect: an API does not redirect, so it is a log-in page or another address."""
    target = urlsplit(location)
    if leads_to_login(location):
        return CredentialsError(
            f"{where} was sent on to a log-in page ({status}): the credential was not taken; "
            "behind single sign-on a personal access token is needed",
            status=status,
        )
    here = urlsplit(site)
    to = f"{target.scheme or here.scheme}://{target.hostname or here.hostname}" + (
        f":{target.port}" if target.port else ""
    )
    return ContractError(
        f"{where} was sent on to {to} ({status}), where the credential is not taken; set the endpoint to the address that answers",
        status=status,
    )


def not_json(where: str, media_type: str, payload: bytes) -> ConfluenceProviderError:
    """Return the error for a 200 that is no JSON."""
    if _LOGIN_PAGE.search(payload[:65536]):
        return CredentialsError(f"{where} answered with a log-in page: the credential was not taken", status=200)
    return ContractError(
        f"{where} answered with {media_type or 'no content type'} instead of JSON: is the endpoint that of Confluence itself, "
        "with its context path, and is no proxy or portal in between?",
        status=200,
    )
