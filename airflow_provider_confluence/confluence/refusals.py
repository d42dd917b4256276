"""What a refusal of Confluence means: from status and headers to one of our errors, with what to do about it.

Data Center's texts are localised, so decisions hang on the status and the headers; texts only sharpen a hint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from airflow_provider_confluence.confluence.scopes import need_of
from airflow_provider_confluence.errors import (
    AccessDeniedError,
    ConfigurationError,
    ConfluenceProviderError,
    ConfluenceUnavailableError,
    ContractError,
    CredentialsError,
)

if TYPE_CHECKING:
    import requests

_BROKEN_OFF = (
    "CERTIFICATE_REQUIRED",
    "CERTIFICATE REQUIRED",
    "BAD CERTIFICATE",
    "HANDSHAKE FAILURE",
    "HANDSHAKE_FAILURE",
)
_LOGIN = re.compile(r"log-?in|sign-?in|dologin|sso|saml|oauth|authorize|openid|adfs|idp", re.I)
_LOGIN_PAGE = re.compile(
    rb"os_username|type=[\"']?password|login\.action|id=[\"']?login|<form[^>]+log-?in|SAMLRequest"
    rb"|<title>[^<]*(log|sign)[ -]?in",
    re.I,
)


class AbsentError(ContractError):
    """404: the thing is absent, or this account may not see it; Confluence answers both alike."""


class CertificateError(ConfigurationError):
    """The server's certificate is signed by nobody who is trusted here, or is not the host's, or has expired."""


class HandshakeError(ConfigurationError):
    """The server broke off the TLS handshake, most likely for a client certificate that it did not get."""


class ProxyError(ConfigurationError):
    """The proxy asks for a log-in (407), or does not lead there."""


class TooHeavyError(ConfluenceUnavailableError):
    """The request asked for more than Confluence could give at once (413, 500, 504, a time-out, too large an answer)."""


@dataclass(frozen=True, slots=True)
class Setback:
    """A failed try that may be repeated. ``status`` is ``None`` where no answer came."""

    status: int | None
    what: str
    retry_after_seconds: float | None = None
    error: Exception | None = None
    timed_out: bool = False

    @property
    def heavy(self) -> bool:
        """Whether asking for less at a time may help."""
        return self.status in (413, 500, 504)


def error_for_status(
    where: str, status: int, headers: Mapping[str, str], payload: bytes, *, cloud: bool, site: str = ""
) -> ConfluenceProviderError:
    """Return the error for a status that is neither success nor worth another try. Nothing of the payload gets into the message."""
    site_path = urlsplit(site).path
    denied = headers.get("X-Authentication-Denied-Reason", "")
    seraph = headers.get("X-Seraph-LoginReason", "").upper()
    if status in (401, 403) and ("CAPTCHA" in denied.upper() or "AUTHENTICATION_DENIED" in seraph):
        return CredentialsError(
            f"{where}: Confluence asks this account for a captcha after too many failed log-ins; log in once in a browser, "
            "mend the credential, then run again",
            status=status,
            reason="captcha",
        )
    if status == 401:
        if lacks_scope(status, headers):
            need = need_of(where.partition(" ")[2].removeprefix(site_path))
            scope = " or ".join(need.scopes) if need else "for this call"
            return AccessDeniedError(
                f"{where}: the token lacks the scope {scope}; scopes of a token cannot be changed, so make a new one with all that "
                "docs/access.md lists",
                status=status,
                reason="scope",
            )
        hint = (
            "check the e-mail address and the API token: it may have expired, or be one with scopes, which only the gateway takes "
            "(cloud_id in docs/access.md)"
            if cloud
            else "check the personal access token (it may have expired), or the user name and password"
        )
        return CredentialsError(
            f"{where}: Confluence refused the credential (401); {hint}", status=status, reason="token"
        )
    if status == 403:
        if b"basic auth" in payload[:4096].lower():
            return CredentialsError(
                f"{where}: this Confluence does not take a user name and password (403); use a personal access token, "
                "with the user name left empty",
                status=status,
                reason="basic_off",
            )
        return AccessDeniedError(
            f"{where}: this account may not do that (403); does it have access to Confluence itself, and to the space?",
            status=status,
            reason="denied",
        )
    if status == 404:
        return AbsentError(
            f"{where} is not there (404), or this account may not see it; is the endpoint complete, with its context path?",
            status=status,
        )
    if status == 407:
        return ProxyError(
            f"{where}: the proxy asks for a log-in (407); put user name and password into the proxy's URL"
        )
    if status == 410:
        return ContractError(f"{where} is gone from this Confluence (410); upgrade this package", status=status)
    if 500 <= status < 600:
        return ConfluenceUnavailableError(f"{where}: Confluence answered with HTTP {status}", status=status)
    return ContractError(f"{where}: Confluence answered with HTTP {status}, which was not expected", status=status)


def lacks_scope(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the gateway knows the token and misses a scope in it."""
    return status == 401 and "SCOPE" in headers.get("X-Failure-Category", "").upper()


def leads_to_login(location: str) -> bool:
    """Whether an address looks like that of a log-in page."""
    target = _split(location)
    return bool(_LOGIN.search(target.path) or _LOGIN.search(target.hostname or ""))


def _split(location: str) -> SplitResult:
    """Return the parts of an address, none of which is there where it is no address."""
    try:
        found = urlsplit(location)
        _ = found.port
    except ValueError:
        return urlsplit("")
    return found


def redirected(where: str, site: str, status: int, location: str) -> ConfluenceProviderError:
    """Return the error for a redirect: an API does not redirect, so it is a log-in page or another address."""
    target = _split(location)
    if leads_to_login(location):
        return CredentialsError(
            f"{where} was sent on to a log-in page ({status}): the credential was not taken; "
            "behind single sign-on a personal access token is needed",
            status=status,
            reason="login",
        )
    here = urlsplit(site)
    to = f"{target.scheme or here.scheme}://{target.hostname or here.hostname}" + (
        f":{target.port}" if target.port else ""
    )
    return ContractError(
        f"{where} was sent on to {to} ({status}), where the credential is not taken; set the endpoint to the address that answers",
        status=status,
        reason="redirected",
    )


def not_json(where: str, media_type: str, payload: bytes) -> ConfluenceProviderError:
    """Return the error for a 200 that is no JSON."""
    if _LOGIN_PAGE.search(payload[:65536]):
        return CredentialsError(
            f"{where} answered with a log-in page: the credential was not taken", status=200, reason="login"
        )
    return ContractError(
        f"{where} answered with {media_type or 'no content type'} instead of JSON: is the endpoint that of Confluence itself, "
        "with its context path, and is no proxy or portal in between?",
        status=200,
        reason="not_json",
    )


def no_answer(error: requests.exceptions.RequestException, where: str, site: str, status: int | None) -> Setback:
    """Tell apart what a failed request was: worth another try, or a setting that is wrong."""
    import requests

    if isinstance(error, requests.exceptions.SSLError):
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise CertificateError(
                f"{where}: the certificate of {urlsplit(site).hostname} is not trusted; set ca_bundle to the authority that signed it"
            ) from error
        if any(said in str(error).upper() for said in _BROKEN_OFF):
            raise HandshakeError(
                f"{where}: {urlsplit(site).hostname} broke off the TLS handshake: it wants a client certificate (set client_cert and "
                "client_key) or another one, or speaks no version of TLS that is known here"
            ) from error
        return Setback(None, "the TLS connection failed", error=error)
    if isinstance(error, requests.exceptions.Timeout) or "Read timed out" in str(error):
        # urllib3 reports a time-out in the middle of a body as a broken connection
        connecting = isinstance(error, requests.exceptions.ConnectTimeout)
        return Setback(None if connecting else 504, "no answer in time", error=error, timed_out=True)
    if isinstance(error, requests.exceptions.ProxyError):
        refused = re.search(r"Tunnel connection failed: (4\d\d)", str(error))
        if refused:
            login = "user name and password in its URL" if refused[1] == "407" else "its leave to reach that host"
            raise ProxyError(f"{where}: the proxy refused to connect ({refused[1]}); it wants {login}") from error
        return Setback(None, "the proxy did not connect", error=error)
    if status == 200 and isinstance(error, requests.exceptions.ContentDecodingError):
        raise ContractError(f"{where} answered with a body that cannot be decoded", status=status) from error
    return Setback(None, "the connection failed", error=error)
