"""Says whether a connection works, and if not why and what to do, in plain words. Read-only, and each refused log-in is tried once.

A captcha ends it at once: every further try would make it worse. What nobody can tell apart from outside, because Confluence answers it
alike, is named as such.
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from airflow_provider_confluence.answers import read_json
from airflow_provider_confluence.confluence.auth import origin_of
from airflow_provider_confluence.confluence.client import ConfluenceClient, ConnectionSettings, Identity, connect
from airflow_provider_confluence.confluence.endpoint import read_endpoint
from airflow_provider_confluence.confluence.gate import Gate
from airflow_provider_confluence.confluence.refusals import CertificateError, HandshakeError, ProxyError
from airflow_provider_confluence.confluence.scopes import ALWAYS, NEEDS, Need
from airflow_provider_confluence.errors import (
    AccessDeniedError,
    ConfigurationError,
    ConfluenceProviderError,
    ContractError,
    CredentialsError,
    FailNowError,
    RateLimitedError,
    RetryLaterError,
)
from airflow_provider_confluence.findings import Finding

if TYPE_CHECKING:
    from airflow_provider_confluence.confluence.cloud import CloudClient
    from airflow_provider_confluence.confluence.route import Reply
    from airflow_provider_confluence.confluence.transport import Transport

PATIENCE_SECONDS = 3.0
CONTEXT_PATHS = ("", "/confluence", "/wiki")
_ACCESS = "docs/access.md"


def check_connection(
    settings: ConnectionSettings, *, on_secret: Callable[[str], object] | None = None, worked_at: str | None = None
) -> tuple[list[Finding], ConfluenceClient | None]:
    """Return what was found, and the client where the connection works; the caller closes it. Cost: 1 to 6 requests, up to 10 seconds.

    :param worked_at: when the connection was last known to work, where that is known: a token that was good then has expired, most likely.
    """
    gate = Gate(max_in_flight=2, patience_seconds=PATIENCE_SECONDS)
    client: ConfluenceClient | None = None
    try:
        client = connect(settings, gate=gate, on_secret=on_secret, patience_seconds=PATIENCE_SECONDS)
        identity = client.identity()
        return _good(settings, client, identity), client
    except ConfluenceProviderError as error:
        if client is not None:
            client.close()
        return [_Diagnosis(settings, gate, worked_at).of(error)], None


def check_scopes(client: ConfluenceClient, wanted: Callable[[str], bool]) -> list[Finding]:
    """Return which scopes a token at the gateway lacks, and for which setting; nothing where tokens have none. 1 request a scope.

    :param wanted: says whether a setting is on.
    """
    if client.edition != "cloud":
        return []
    transport = cast("CloudClient", client).transport
    if not transport.route.through_gateway and "/ex/confluence/" not in transport.site:
        return []
    lacking = [need for need in NEEDS if (need.setting == ALWAYS or wanted(need.setting)) and _lacks(transport, need)]
    return [_missing_scope(need) for need in lacking]


def _lacks(transport: Transport, need: Need) -> bool:
    try:
        if need.path.endswith("users-bulk"):
            transport.post(need.ask, {"accountIds": ["1"]}, tries=1)
        else:
            transport.get(need.ask, need.params, tries=1)
    except AccessDeniedError as error:
        return error.reason == "scope"
    except ConfluenceProviderError:
        return False  # the gateway let it through; what is wrong behind it is another matter
    return False


def _missing_scope(need: Need) -> Finding:
    of = "every datasource" if need.setting == ALWAYS else f"the setting {need.setting}"
    return Finding(
        "problem",
        "connection",
        "scope",
        f"The token lacks the scope {' or '.join(need.scopes)}, which {of} needs ({need.what})",
        f"Scopes of a token cannot be changed: make a new one with all that {_ACCESS} lists",
    )


# ------------------------------------------------------------------------------------------ what is good
def _good(settings: ConnectionSettings, client: ConfluenceClient, identity: Identity) -> list[Finding]:
    transport = cast("CloudClient", client).transport
    edition = "Cloud" if client.edition == "cloud" else "Data Center"
    who = "as a visitor, without a credential" if identity.anonymous else f"as {identity.display_name}"
    found = [Finding("ok", "connection", "connected", f"Connected to Confluence {edition} at {client.site} {who}")]
    if transport.route.cloud_id:
        found.append(
            Finding(
                "ok",
                "connection",
                "gateway",
                f"The token goes through Atlassian's gateway; the cloud id {transport.route.cloud_id} was found by itself",
                f"Put cloud_id={transport.route.cloud_id} into the connection to save the looking up",
            )
        )
    if not settings.verify_ssl:
        found.append(
            Finding(
                "warning",
                "connection",
                "not_verified",
                "The server's certificate is not verified: anybody on the way can read the credential",
                "Set ca_bundle to the authority that signed it, and verify_ssl back to true",
            )
        )
    scheme, host, _ = origin_of(client.site)
    if scheme == "http" and host not in ("127.0.0.1", "::1", "localhost"):
        found.append(
            Finding(
                "warning",
                "connection",
                "not_encrypted",
                f"The credential travels to {host} without encryption",
                "Use the https address",
            )
        )
    if identity.anonymous and _shows_no_space(client, transport):
        found.append(
            Finding(
                "warning",
                "connection",
                "visitors",
                "Visitors see no space here",
                "Have an administrator allow anonymous access, to the site and to the spaces; or put a token into the connection and "
                "remove the extra anonymous",
            )
        )
    if client.edition == "datacenter":
        reply = transport.ask_aside(f"{client.site}/rest/api/accessmode", proven=True)
        if reply is not None and reply[0] == 200 and b"READ_ONLY" in reply[2][:100]:
            found.append(
                Finding("ok", "connection", "read_only", "Confluence is in read-only mode; reading goes on as usual")
            )
    return found


def _shows_no_space(client: ConfluenceClient, transport: Transport) -> bool:
    path = "/api/v2/spaces" if client.edition == "cloud" else "/rest/api/space"
    try:
        return not transport.get(path, {"limit": 1}, tries=1).data.get("results")
    except FailNowError:
        return True
    except ConfluenceProviderError:
        return False  # for another reason, of which a run would learn too


# ------------------------------------------------------------------------------------------ what is not
class _Diagnosis:
    """Finds the cause of one failure, with a few requests more that carry no credential."""

    def __init__(self, settings: ConnectionSettings, gate: Gate, worked_at: str | None) -> None:
        self._settings = settings
        self._gate = gate
        self._worked_at = worked_at

    def of(self, error: ConfluenceProviderError) -> Finding:
        """Return the finding for an error."""
        if isinstance(error, (ConfigurationError, RetryLaterError)):
            return self._on_the_way(error)
        if isinstance(error, FailNowError):
            return self._refused(error)
        return _problem("unknown", str(error), "")

    @property
    def _host(self) -> str:
        return urlsplit(self._settings.endpoint).hostname or self._settings.endpoint

    # ------------------------------------------------------------------ nobody answers
    def _on_the_way(self, error: ConfluenceProviderError) -> Finding:
        causes = list(_chain(error))
        names = {type(cause).__name__ for cause in causes}
        proxied = bool(self._settings.proxy)
        if isinstance(error, CertificateError):
            return self._certificate(causes)
        if isinstance(error, HandshakeError):
            return _problem(
                "client_certificate",
                f"{self._host} broke off the TLS handshake",
                "It most likely wants a client certificate: set client_cert and client_key, or have them renewed",
            )
        if isinstance(error, ProxyError):
            return _problem(
                "proxy_refused",
                f"The proxy refused to connect to {self._host}",
                "Put the proxy's user name and password into its URL (http://user:password@proxy:3128), or have it allow this host",
            )
        if isinstance(error, ConfigurationError):
            return _problem("setting", str(error), "")
        if isinstance(error, RateLimitedError):
            return _problem(
                "rate_limited",
                "Confluence asks for a pause, because this account or this site has asked too much",
                f"Wait {error.retry_after_seconds or 60:.0f} s; lower max_in_flight or requests_per_second if it comes back",
            )
        if proxied and ("ProxyError" in names or "NameResolutionError" in names):
            return _problem(
                "proxy_unreachable",
                "The proxy does not answer, or does not get through",
                "Check the extra proxy: its host and port, and whether it is reachable from where the tasks run",
            )
        if "NameResolutionError" in names or any(isinstance(cause, socket.gaierror) for cause in causes):
            return _problem(
                "unknown_host",
                f"There is no host {self._host}, as far as the name servers here know",
                "Check the endpoint for a typing mistake; a name of an inner network may need a proxy or another name server",
            )
        if any(isinstance(cause, ssl.SSLError) for cause in causes):
            return _problem(
                "tls",
                f"{self._host} does not speak TLS at this port",
                "Use the http address if it has no https one, or the port of https",
            )
        status = getattr(error, "status", None)
        if status is not None and status >= 500 and not getattr(causes[-1], "timed_out", False):
            return self._unavailable(status)
        return _problem(
            "unreachable",
            f"{self._host} does not answer",
            "Check the port, the firewall and whether Confluence runs; where a proxy is needed, set the extra proxy",
        )

    def _certificate(self, causes: list[BaseException]) -> Finding:
        failed = next((cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)), None)
        code = failed.verify_code if failed is not None else 0
        if code == 10:
            return _problem("certificate_expired", f"The certificate of {self._host} has expired", "Have it renewed")
        if code in (62, 64):
            return _problem(
                "certificate_host",
                f"The certificate of {self._host} is for another name",
                "Use the name that the certificate is for as the endpoint",
            )
        return _problem(
            "certificate_unknown",
            f"The certificate of {self._host} is signed by an authority that is not trusted here",
            "Set the extra ca_bundle to a file, on the workers, with your own authority's certificates",
        )

    def _unavailable(self, status: int) -> Finding:
        reply = None if self._is_cloud() else self._aside(f"{self._site()}/status")
        with suppress(ValueError, AttributeError, TypeError):
            state = read_json(reply[2]).get("state") if reply is not None else None
            if state in ("MAINTENANCE", "STARTING", "STOPPING", "FIRST_RUN", "ERROR"):
                return _problem(
                    "maintenance",
                    f"Confluence is up but does not serve: its state is {state}",
                    "Wait until its administrators are done; runs go on by themselves then",
                )
        return _problem(
            "unavailable",
            f"{self._host} answers with errors of its own (HTTP {status})",
            "Try again in a minute; if it stays so, ask Confluence's administrators, or see https://status.atlassian.com",
        )

    # ------------------------------------------------------------------ somebody refuses
    def _refused(self, error: FailNowError) -> Finding:
        if self._settings.anonymous and isinstance(error, (CredentialsError, AccessDeniedError)):
            return _problem(
                "visitors",
                f"{self._host} lets no visitor in without a credential",
                "Put a token into the connection and remove the extra anonymous, or have an administrator allow anonymous access",
            )
        if error.reason in _REFUSALS:
            what, remedy = _REFUSALS[error.reason]
            return _problem(error.reason, what.format(host=self._host), remedy)
        if isinstance(error, CredentialsError):
            return self._wrong_token()
        if isinstance(error, AccessDeniedError):
            return _problem(
                "no_access",
                "Confluence knows the account, which may not use Confluence (403)",
                "Have an administrator give it access to Confluence itself; a token of another product, or of an organisation, is no "
                "help, and neither is one with only scopes of another product",
            )
        if isinstance(error, ContractError):
            return self._elsewhere(error)
        return _problem("unknown", str(error), "")

    def _wrong_token(self) -> Finding:
        settings = self._settings
        until = _expiry(settings.token)
        now = datetime.now(timezone.utc)
        if until is not None and until < now:
            return _problem(
                "expired",
                f"The token expired on {until:%Y-%m-%d %H:%M} UTC",
                "Make a new one; an OAuth client (oauth_client_id) gets its own",
            )
        if self._worked_at:
            return _problem(
                "expired",
                f"Confluence refuses the token, which it took on {self._worked_at}: it has expired or been withdrawn",
                "Make a new one and put it into the connection",
            )
        if self._is_cloud():
            scoped = (
                ""
                if settings.gateway_url or settings.cloud_id or self._host.endswith(".atlassian.net")
                else "; a token with scopes is taken at the gateway only: for it set cloud_id"
            )
            return _problem(
                "token",
                "Confluence refuses the e-mail address or the token; a wrong, an expired and a withdrawn token are answered alike",
                f"Check that the login is the e-mail address of the token's owner, and make a new token{scoped}",
            )
        if settings.username:
            return _problem(
                "token",
                "Confluence refuses the user name or the password",
                "Check both, but not often: after a few failures Confluence asks for a captcha. If it is a personal access token, leave "
                "the login empty",
            )
        return _problem(
            "token",
            "Confluence refuses the personal access token; a wrong, an expired and a withdrawn one are answered alike",
            "Make a new one in your profile in Confluence, under Personal Access Tokens",
        )

    def _elsewhere(self, error: ContractError) -> Finding:
        """Look for Confluence under the paths where it usually is, without the credential."""
        site = self._site()
        scheme, host, port = origin_of(site)
        shown = f"[{host}]" if ":" in host else host
        origin = f"{scheme}://{shown}" + ("" if port in (80, 443) else f":{port}")
        parts = urlsplit(site).path.split("/")
        above = ["/".join(parts[:length]) for length in range(1, len(parts))]
        for path in dict.fromkeys((*above, *CONTEXT_PATHS)):
            found = origin + path
            if found != site and self._is_confluence(found):
                return _problem(
                    "wrong_path",
                    f"There is no Confluence at {site}; there is one at {found}",
                    f"Set the endpoint to {found}",
                )
        if error.reason == "redirected":
            return _problem("redirected", str(error), "")
        if error.reason == "not_json":
            return _problem(
                "not_confluence",
                f"What answers at {site} is a web page, not Confluence's interface",
                "Set the endpoint to Confluence's base URL with its context path (Administration, General Configuration, Server Base URL), "
                "and see that no portal or proxy stands in between",
            )
        return _problem(
            "wrong_path",
            f"There is no Confluence at {site}",
            "Set the endpoint to Confluence's base URL with its context path: what stands before /pages, /display or /spaces in the "
            "address of a page",
        )

    # ------------------------------------------------------------------ asking without a credential
    def _site(self) -> str:
        with suppress(ConfigurationError):
            return read_endpoint(self._settings).site
        return ""

    def _is_cloud(self) -> bool:
        with suppress(ConfigurationError):
            return read_endpoint(self._settings).edition == "cloud"
        return False

    def _aside(self, url: str) -> Reply | None:
        from airflow_provider_confluence.confluence.transport import Transport

        transport = Transport(self._settings, self._site(), self._gate, cloud=False)
        try:
            return transport.ask_aside(url, proven=False)
        except ConfluenceProviderError:
            return None
        finally:
            transport.close()

    def _is_confluence(self, base: str) -> bool:
        reply = self._aside(f"{base}/rest/api/user/current")
        if reply is None or reply[0] not in (200, 401, 403):
            return False
        _, headers, body = reply
        named = {name.lower() for name in headers}
        if named & {"x-ausername", "x-seraph-loginreason"}:
            return True
        try:
            document = read_json(body)
        except ValueError:
            return False
        return isinstance(document, dict) and ({"displayName", "type"} <= set(document) or "statusCode" in document)


_REFUSALS = {
    "captcha": (
        "Confluence wants this account to solve a captcha, after too many failed log-ins; nothing more was tried",
        "Log in once in a browser as this account, put the right password or token into the connection, then check again",
    ),
    "scope": (
        "The token lacks the scope read:content-details:confluence or read:confluence-user, without which nobody knows who we are",
        f"Scopes of a token cannot be changed: make a new one with all that {_ACCESS} lists",
    ),
    "basic_off": (
        "This Confluence takes no user name and password: basic authentication is switched off",
        "Use a personal access token: leave the login empty and put it into the password field",
    ),
    "login": (
        "{host} answers with a log-in page: the credential was not taken, or single sign-on stands before Confluence's interface",
        "Use a personal access token with the login left empty, and have single sign-on leave out /rest/",
    ),
    "anonymous": (
        "Confluence took us for a visitor: the token is not valid (expired, withdrawn, or of another site)",
        "Make a new token; where visitors are meant, remove the token and set the extra anonymous to true",
    ),
    "oauth_refused": (
        "Atlassian's token endpoint refuses the client id or its secret",
        "Check the extra oauth_client_id and the secret in the password field, or make a new credential for the service account",
    ),
}


def _problem(cause: str, what: str, remedy: str) -> Finding:
    return Finding("problem", "connection", cause, what, remedy)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and whatever is behind it: causes, and the errors that requests and urllib3 keep as arguments and reasons."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop(0)
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]


def _expiry(token: str | None) -> datetime | None:
    """Return when a token expires that says so itself (a JWT); others say nothing."""
    parts = (token or "").split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(float(claims["exp"]), timezone.utc)
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return None
