"""The extras of a connection, read key by key: an unknown one is reported by name, never passed on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from airflow_provider_confluence.confluence.client import ConnectionSettings
from airflow_provider_confluence.errors import ConfigurationError

CONNECTION_EXTRAS = (
    "deployment",
    "cloud_id",
    "oauth_client_id",
    "anonymous",
    "verify_ssl",
    "ca_bundle",
    "client_cert",
    "client_key",
    "proxy",
    "timeout",
    "max_in_flight",
    "requests_per_second",
    "gateway_url",
    "oauth_token_url",
)
"""What says how to reach a Confluence; for the hook there are those besides that say who may use the connection."""


class Extras:
    """Reads extras by name. In a connection written as a URI, and on the command line, they are all texts.

    :param where: what the connection is called in messages.
    """

    def __init__(self, where: str, extras: Mapping[str, Any]) -> None:
        self._where = where
        self._extras = extras

    def settings(self, endpoint: str, username: str, token: str) -> ConnectionSettings:
        """Return the connection as the client wants it. :raises ConfigurationError: naming the extra that is wrong."""
        given: dict[str, Any] = {
            "deployment": self.text("deployment"),
            "timeout_seconds": self.number("timeout"),
            "gateway_url": self.text("gateway_url"),
            "oauth_token_url": self.text("oauth_token_url"),
        }
        return ConnectionSettings(
            endpoint=endpoint,
            username=username.strip() or None,
            token=token.strip() or None,
            cloud_id=self.text("cloud_id"),
            oauth_client_id=self.text("oauth_client_id"),
            anonymous=self.flag("anonymous", default=False),
            verify_ssl=self.flag("verify_ssl", default=True),
            ca_bundle=self.text("ca_bundle"),
            client_cert=self.text("client_cert"),
            client_key=self.text("client_key"),
            proxy=self.text("proxy"),
            max_in_flight=self.whole_number("max_in_flight"),
            requests_per_second=self.number("requests_per_second"),
            **{name: value for name, value in given.items() if value is not None},
        )

    def text(self, name: str) -> str | None:
        """Return a text without blanks around it, or ``None`` where there is none."""
        value = self._given(name)
        if value is not None and not isinstance(value, str):
            raise self._wrong(name, "a text")
        return value.strip() or None if value else None

    def flag(self, name: str, *, default: bool) -> bool:
        """Return whether something is on."""
        value = self._given(name)
        if value is None:
            return default
        known = {True: True, False: False, "true": True, "false": False, "1": True, "0": False}
        value = value.strip().lower() if isinstance(value, str) else value
        if not isinstance(value, (bool, str)) or value not in known:
            raise self._wrong(name, "true or false")
        return known[value]

    def number(self, name: str) -> float | None:
        """Return a number above 0, or ``None`` where there is none."""
        return self._number(name, float, "a number")

    def whole_number(self, name: str) -> int | None:
        """Return a whole number above 0, or ``None`` where there is none."""
        value = self._number(name, float, "a whole number")
        if value is not None and value != int(value):
            raise self._wrong(name, "a whole number")
        return None if value is None else int(value)

    def globs(self, name: str) -> tuple[str, ...] | None:
        """Return patterns, given as a list or as a text with commas or blanks between; ``None`` where there are none."""
        value = self._given(name)
        if value is None:
            return None
        if isinstance(value, str):
            value = value.replace(",", " ").split()
        if not isinstance(value, list) or not all(isinstance(glob, str) for glob in value):
            raise self._wrong(name, 'a list of patterns, such as ["DOCS", "TEAM*"]')
        return tuple(cast("list[str]", value))

    def _given(self, name: str) -> Any:
        value = self._extras.get(name)
        return None if value == "" else value

    def _wrong(self, name: str, expected: str) -> ConfigurationError:
        return ConfigurationError(f"{self._where}: extra {name} must be {expected}")

    def _number(self, name: str, convert: Callable[[Any], float], expected: str) -> float | None:
        value = self._given(name)
        if value is None:
            return None
        try:
            if isinstance(value, bool):
                raise ValueError
            found = convert(value)
        except (TypeError, ValueError):
            raise self._wrong(name, expected) from None
        if not 0 < found < 1e9:
            raise self._wrong(name, f"{expected} above 0")
        return found
