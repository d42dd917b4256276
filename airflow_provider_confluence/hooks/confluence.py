"""Access to Confluence through an Airflow connection of type *confluence*."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, cast

from airflow.sdk import BaseHook

from airflow_provider_confluence.errors import AccessDeniedError, ConfigurationError
from airflow_provider_confluence.hooks._masking import mask, mask_address

if TYPE_CHECKING:
    from airflow.sdk import Connection
    from atlassian.rest_client import AtlassianRestAPI

    from airflow_provider_confluence.confluence.client import ConfluenceClient, ConnectionSettings
    from airflow_provider_confluence.confluence.cloud import CloudClient
    from airflow_provider_confluence.confluence.events import Observer
    from airflow_provider_confluence.confluence.extras import Extras
    from airflow_provider_confluence.datasource import Datasource
    from airflow_provider_confluence.findings import Finding

_ADMISSIONS = ("allowed_datasources", "allowed_spaces")


class ConfluenceHook(BaseHook):
    """Lends a client of Confluence, Cloud or Data Center. Nothing is read or asked before it is needed.

    The connection's host is the base URL, its login the account's e-mail address (Cloud) or user name (Data Center), its password the API
    token or password; without a login the password is a personal access token, with the extra ``oauth_client_id`` the client's secret.
    The extras are read by name (the fields of the connection form); any other is reported and never passed on.

    :param confluence_conn_id: the connection.
    """

    conn_name_attr = "confluence_conn_id"
    default_conn_name = "confluence_default"
    conn_type = "confluence"
    hook_name = "Confluence"

    def __init__(self, confluence_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.confluence_conn_id = confluence_conn_id
        self._connection: Connection | None = None
        self._client: ConfluenceClient | None = None

    # ---------------------------------------------------------------- what the hook lends
    def get_conn(self) -> AtlassianRestAPI:
        """Return atlassian-python-api's connection object, configured: for what the typed client does not offer.

        It is the library's own object over our session, so it is neither paced nor retried; :attr:`client` is.
        """
        return cast("CloudClient", self.client).transport.rest_api

    @property
    def client(self) -> ConfluenceClient:
        """The typed client, made at the first use; :meth:`close` closes it. Cost: none, or 1 to 2 requests to find the edition."""
        if self._client is None:
            self._client = self.open_client()
        return self._client

    def close(self) -> None:
        """Close the client; safe to repeat."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def open_client(
        self, *, shares: int = 1, patience_seconds: float = 120.0, observer: Observer | None = None
    ) -> ConfluenceClient:
        """Return a client of the caller's own, which the caller closes.

        :param shares: among how many processes the connection's limits are divided.
        :param patience_seconds: how long a request waits for a pause that Confluence asks for.
        """
        from airflow_provider_confluence.confluence.client import connect
        from airflow_provider_confluence.confluence.gate import DEFAULT_IN_FLIGHT, DEFAULT_PER_SECOND

        settings = self.settings
        client = connect(settings, observer=observer, on_secret=mask, patience_seconds=patience_seconds)
        if shares <= 1:
            return client
        # What there is to divide hangs on the edition, which may have taken a request to find.
        per_second = settings.requests_per_second or DEFAULT_PER_SECOND[client.edition]
        divided = replace(
            settings,
            deployment=client.edition,
            max_in_flight=max(1, (settings.max_in_flight or DEFAULT_IN_FLIGHT[client.edition]) // shares),
            requests_per_second=per_second / shares if per_second else None,
        )
        client.close()
        return connect(divided, observer=observer, on_secret=mask, patience_seconds=patience_seconds)

    def check_allowed(self, datasource: Datasource) -> None:
        """Return when the connection may serve a datasource, by its ``allowed_datasources`` and ``allowed_spaces``.

        Who may edit Variables need not be trusted with every space that this connection's account can read.

        :raises AccessDeniedError: naming what is not allowed.
        """
        extras = self._extras()
        datasources, spaces = extras.globs("allowed_datasources"), extras.globs("allowed_spaces")
        if datasources is not None and not _matches(datasource.id, datasources):
            raise AccessDeniedError(
                f"connection {self.confluence_conn_id} does not serve datasource {datasource.id}; its extra allowed_datasources "
                f"is {', '.join(datasources) or 'empty'}"
            )
        if spaces is not None and datasource.everywhere and "*" not in spaces:
            # Which spaces that brings is known to Confluence only, so no narrower pattern can vouch for them.
            raise AccessDeniedError(
                f'connection {self.confluence_conn_id} does not serve space "*" of datasource {datasource.id}: its extra allowed_spaces is '
                f"{', '.join(spaces) or 'empty'}; name the spaces, or let allowed_spaces hold *"
            )
        refused = [key for key in datasource.space if spaces is not None and not _matches(key, spaces)]
        if spaces is not None and refused:
            raise AccessDeniedError(
                f"connection {self.confluence_conn_id} does not serve space {', '.join(refused)} of datasource {datasource.id}; "
                f"its extra allowed_spaces is {', '.join(spaces) or 'empty'}"
            )

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the connection works, and sentences that say so, or why not and what to do. Cost: 1 to 20 requests, read-only."""
        from airflow_provider_confluence.findings import has_problem

        findings = self.check()
        return not has_problem(findings), "\n".join(str(finding) for finding in findings)

    def check(self) -> list[Finding]:
        """Return what is right and wrong about the connection, as data; :meth:`test_connection` puts it into sentences."""
        from airflow_provider_confluence.confluence.checking import check_connection, check_scopes
        from airflow_provider_confluence.findings import Finding

        try:
            settings = self.settings
        except ConfigurationError as error:
            return [Finding("problem", "connection", "setting", str(error))]
        findings, client = check_connection(settings, on_secret=mask)
        if client is not None:
            try:
                findings += check_scopes(client, lambda _setting: False)
            finally:
                client.close()
        return findings

    # ---------------------------------------------------------------- the connection
    @property
    def connection(self) -> Connection:
        """The Airflow connection, looked up once. :raises ConfigurationError: where there is none, or it is of another type."""
        if self._connection is None:
            from airflow.sdk.exceptions import AirflowNotFoundException

            try:
                connection = self.get_connection(self.confluence_conn_id)
            except AirflowNotFoundException as error:
                raise ConfigurationError(
                    f"there is no connection {self.confluence_conn_id}; make one of type Confluence"
                ) from error
            if connection.conn_type != self.conn_type:
                raise ConfigurationError(
                    f"connection {self.confluence_conn_id} is of type {connection.conn_type!r}; it must be of type {self.conn_type!r}"
                )
            self._connection = connection
        return self._connection

    @property
    def settings(self) -> ConnectionSettings:
        """The connection as the core wants it. :raises ConfigurationError: naming the field that is wrong."""
        from airflow_provider_confluence.confluence.extras import CONNECTION_EXTRAS

        connection = self.connection
        unknown = sorted(set(connection.extra_dejson) - {*CONNECTION_EXTRAS, *_ADMISSIONS})
        if unknown:
            self.log.warning(
                "connection %s: extras not known and ignored: %s", self.confluence_conn_id, ", ".join(unknown)
            )
        username, token = (connection.login or "").strip(), (connection.password or "").strip()
        mask(token, username)
        settings = self._extras().settings(self._endpoint(connection), username, token)
        mask_address(settings.proxy or "")
        if not settings.verify_ssl:
            self.log.warning(
                "connection %s: the certificate of the server is not verified (verify_ssl is off)",
                self.confluence_conn_id,
            )
        return settings

    def _extras(self) -> Extras:
        from airflow_provider_confluence.confluence.extras import Extras

        return Extras(f"connection {self.confluence_conn_id}", self.connection.extra_dejson)

    def _endpoint(self, connection: Connection) -> str:
        host = (connection.host or "").strip()
        if not host and not self._extras().text("cloud_id"):
            raise ConfigurationError(
                f"connection {self.confluence_conn_id}: the host is empty; put the base URL there, such as "
                "https://site.atlassian.net/wiki"
            )
        if "://" in host or not host:
            return host
        # A connection written as a URI (confluence://login:token@host:port/path) comes in parts.
        port = f":{connection.port}" if connection.port else ""
        path = f"/{connection.schema}" if connection.schema else ""
        return f"https://{host}{port}{path}"


def _matches(name: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
