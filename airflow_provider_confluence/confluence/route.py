"""Where the requests of a connection go: to the site itself, or through Atlassian's gateway.

Scoped API tokens, those of service accounts and OAuth are taken at the gateway alone; the site refuses them as it does a wrong token
(CONFLUENCE API: 401), and nothing in a token tells which kind it is. So a refused token is tried once at the gateway.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow_provider_confluence.answers import read_json
from airflow_provider_confluence.confluence.auth import fingerprint
from airflow_provider_confluence.confluence.endpoint import GATEWAY
from airflow_provider_confluence.confluence.refusals import lacks_scope
from airflow_provider_confluence.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow_provider_confluence.confluence.client import ConnectionSettings

Reply = tuple[int, Mapping[str, str], bytes]
Ask = Callable[[str, bool], "Reply | None"]
"""Asks an address once, with the credential or without; ``None`` where no usable answer came."""

_found: dict[tuple[int, str, str], str] = {}
"""The gateway addresses that this process found, by site and credential: a second client need not be refused first."""


class Route:
    """The base of every request. Safe for many threads.

    :param site: the canonical base URL of the endpoint.
    :param at_gateway: whether that is an address at the gateway already.
    """

    def __init__(self, settings: ConnectionSettings, site: str, *, cloud: bool, at_gateway: bool) -> None:
        self.base = site
        self.cloud_id: str | None = None
        """The cloud id that was found, where one was looked for; for people."""
        self._site = site
        self._gateway = (settings.gateway_url or GATEWAY).rstrip("/")
        self._lock = threading.Lock()
        self._key = (os.getpid(), site, fingerprint(settings))
        self._must_find = False
        self._may_turn = False
        if not cloud or at_gateway:
            return
        if settings.cloud_id:
            self.base = self._address(settings.cloud_id)
        elif self._key in _found:
            self.base = _found[self._key]
        elif settings.oauth_client_id:
            self._must_find = True
        else:
            # To a host that nobody named the credential goes only where that is Atlassian's own, as the site is.
            atlassian = (urlsplit(site).hostname or "").endswith(".atlassian.net")
            self._may_turn = bool(settings.token) and (atlassian or settings.gateway_url is not None)

    @property
    def through_gateway(self) -> bool:
        """Whether requests go through the gateway though the endpoint is the site's."""
        return self.base != self._site

    def ready(self, ask: Ask) -> None:
        """Return when the base is known. 1 request where a cloud id must be looked up, else none.

        :raises ConfigurationError: where the site does not tell it.
        """
        with self._lock:
            if not self._must_find:
                return
            found = self._look_up(ask)
            if found is None:
                raise ConfigurationError(
                    f"OAuth goes through Atlassian's gateway, and {self._tenant_info} does not tell the site's cloud id; "
                    "put it into the extra cloud_id"
                )
            self._take(found)
            self._must_find = False

    def turn(self, refused_base: str, ask: Ask) -> bool:
        """Say whether a request that was refused is worth another try, through the gateway. 2 requests, once.

        :param refused_base: the base that the request had.
        """
        with self._lock:
            if refused_base != self.base:
                return True  # another thread has found it meanwhile
            if not self._may_turn:
                return False
            self._may_turn = False
            found = self._look_up(ask)
            reply = ask(f"{self._address(found)}/rest/api/user/current", True) if found is not None else None
            # Only a refusal says that the gateway does not know the token either.
            if found is None or reply is None:
                return False
            status, headers, _ = reply
            if status == 200 or lacks_scope(status, headers):
                self._take(found)
                return True
            return False

    @property
    def _tenant_info(self) -> str:
        parts = urlsplit(self._site)
        return f"{parts.scheme}://{parts.netloc}/_edge/tenant_info"

    def _look_up(self, ask: Ask) -> str | None:
        reply = ask(self._tenant_info, False)
        if reply is None or reply[0] != 200:
            return None
        try:
            value: Any = read_json(reply[2])["cloudId"]
        except (ValueError, TypeError, KeyError):
            return None
        return value if isinstance(value, str) and value else None

    def _take(self, cloud_id: str) -> None:
        self.cloud_id = cloud_id
        self.base = self._address(cloud_id)
        while len(_found) >= 64:  # a long-lived process with rotating tokens
            _found.pop(next(iter(_found)), None)
        _found[self._key] = self.base

    def _address(self, cloud_id: str) -> str:
        return f"{self._gateway}/ex/confluence/{quote(cloud_id, safe='')}/wiki"
