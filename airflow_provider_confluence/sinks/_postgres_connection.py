"""How PostgreSQL is reached: what an Airflow connection becomes for the driver, and what the driver's errors mean to a caller.

The connection's type and the names of its extras are those of Airflow's own PostgreSQL hook
(https://airflow.apache.org/docs/apache-airflow-providers-postgres/stable/connections/postgres.html), which hands extras on to libpq. Here
they are read from a list, and what is not on it is named.
"""

from __future__ import annotations

import logging
import os
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_confluence.errors import (
    ConfigurationError,
    ConfluenceProviderError,
    SinkAccessError,
    SinkCredentialsError,
    SinkUnavailableError,
)
from airflow_provider_confluence.sinks.connection import SinkConnection

if TYPE_CHECKING:
    import psycopg

DEFAULT_CONNECT_TIMEOUT_SECONDS = 10
_PASSED_ON = frozenset(
    (
        "application_name",
        "channel_binding",
        "connect_timeout",
        "gssencmode",
        "hostaddr",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "krbsrvname",
        "options",
        "require_auth",
        "ssl_max_protocol_version",
        "ssl_min_protocol_version",
        "sslcert",
        "sslcrl",
        "sslkey",
        "sslmode",
        "sslnegotiation",
        "sslpassword",
        "sslrootcert",
        "target_session_attrs",
        "tcp_user_timeout",
    )
)
# What Airflow's hook and ours read for themselves, and what only that hook's other uses need.
_NOT_FOR_LIBPQ = frozenset(("allowed_datasources", "cursor", "sqlalchemy_query", "sqlalchemy_scheme"))
_TOKENS_OF_CLOUDS = ("iam", "redshift", "redshift-serverless", "azure_conn_id")

_log = logging.getLogger(__name__)


def need_driver() -> None:
    """Return where psycopg is installed. :raises ConfigurationError: where it is not, or cannot be loaded."""
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            f"the sink postgres cannot load psycopg ({error}): pip install 'airflow-provider-confluence[postgres]'"
        ) from error


def connect(connection: SinkConnection) -> psycopg.Connection[tuple[Any, ...]]:
    """Connect, with autocommit and without prepared statements, so that connection poolers may stand in between.

    :raises SinkUnavailableError: where nobody answers. :raises SinkCredentialsError: where user or password is refused.
    :raises SinkAccessError: where the user may not come in. :raises ConfigurationError: where there is no such database.
    """
    need_driver()
    import psycopg

    arguments = arguments_of(connection)
    if not _is_here(connection.host) and not str(arguments["sslmode"]).startswith("verify-"):
        _log.warning(
            "connection %s: sslmode=%s does not verify who %s is, so its password and the documents can be read on the way",
            connection.conn_id,
            arguments["sslmode"],
            connection.host,
        )
    try:
        made = psycopg.connect(**arguments, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        raise _refused(error, connection) from error
    made.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    return made


def arguments_of(connection: SinkConnection) -> dict[str, Any]:
    """Return libpq's parameters.

    Everything that libpq would else take from the environment of the worker (``PGHOST``, ``PGSSLMODE``) is set.

    :raises ConfigurationError: for a connection that is not whole, or has extras that mean nothing here.
    """
    for name, value in (("host", connection.host), ("login", connection.login), ("schema", connection.schema)):
        if not value:
            what = " (the name of the database)" if name == "schema" else ""
            raise ConfigurationError(f"connection {connection.conn_id} names no {name}{what}")
    for name in _TOKENS_OF_CLOUDS:
        if connection.extra.get(name):
            raise ConfigurationError(
                f"connection {connection.conn_id}: extra {name} asks for a token of the cloud, which this sink cannot get; "
                "use a connection with a password or a client certificate (sslcert, sslkey)"
            )
    given = {key: value for key, value in connection.extra.items() if key not in (*_NOT_FOR_LIBPQ, *_TOKENS_OF_CLOUDS)}
    unknown = sorted(set(given) - _PASSED_ON)
    if unknown:
        raise ConfigurationError(
            f"connection {connection.conn_id}: extra {unknown[0]} is none that this sink knows; it takes {', '.join(sorted(_PASSED_ON))}"
        )
    defaults = {
        "sslmode": "prefer" if _is_here(connection.host) else "verify-full",
        "connect_timeout": DEFAULT_CONNECT_TIMEOUT_SECONDS,
        "application_name": "airflow-provider-confluence",
        # A server that is gone without a word is noticed within a minute.
        "keepalives_idle": 30,
        "tcp_user_timeout": 60_000,
    }
    merged = defaults | {key: value for key, value in given.items() if value is not None}
    if str(merged["sslmode"]).startswith("verify-") and "sslrootcert" not in merged:
        merged["sslrootcert"] = _authorities()
    return merged | {
        "host": connection.host,
        "port": connection.port or 5432,
        "user": connection.login,
        "password": connection.password,
        "dbname": connection.schema,
        "client_encoding": "UTF8",
    }


def _is_here(host: str) -> bool:
    """Say whether a host is this machine, or a folder with a socket: there nobody listens on the way."""
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _authorities() -> str:
    """Return whose certificates are trusted: libpq's own file where there is one, else what this Python trusts.

    Not ``system``: the binary psycopg carries an OpenSSL that does not know where the system has its certificates.
    """
    own = Path("~/.postgresql/root.crt").expanduser()
    if own.is_file():
        return str(own)
    found = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    if found:
        return found
    import certifi

    return certifi.where()


# ------------------------------------------------------------------------------------------ errors
_REFUSALS: tuple[tuple[tuple[str, ...], type[ConfluenceProviderError], str], ...] = (
    (
        ("password authentication failed", "no password supplied", "authentication failed for user"),
        SinkCredentialsError,
        "user or password is refused: mend login and password of the connection",
    ),
    (
        ("does not exist",),
        ConfigurationError,
        "there is no such database or user: the connection's schema is the name of the database",
    ),
    (
        ("no pg_hba.conf entry", "pg_hba.conf rejects", "not permitted to log in"),
        SinkAccessError,
        "the server admits this user not at all, not from this host, or not without TLS: see its pg_hba.conf",
    ),
    (
        ("permission denied for database",),
        SinkAccessError,
        "the user may not use the database: GRANT CONNECT ON DATABASE … TO …",
    ),
    (
        ("failed to resolve host", "could not translate host name"),
        SinkUnavailableError,
        "the host is unknown: mend host of the connection, or the name service",
    ),
    (("Connection refused",), SinkUnavailableError, "nobody listens there: is the server up, and the port right?"),
    (
        ("does not support SSL", "certificate", "SSL", "root certificate"),
        SinkUnavailableError,
        "TLS could not be made: extra sslrootcert names your authority's certificates; sslmode (verify-full unless told otherwise, "
        "but on this host) says what is verified",
    ),
    (
        ("invalid response", "expected authentication request", "unsupported frontend protocol"),
        ConfigurationError,
        "something other than PostgreSQL answers: mend host and port of the connection",
    ),
    (("timeout expired", "timed out"), SinkUnavailableError, "nobody answered in time: is a firewall in between?"),
)


def _refused(error: psycopg.Error, connection: SinkConnection) -> ConfluenceProviderError:
    # By text, because libpq gives no code for a connection that did not come about. In another language of the server only the last
    # line is left, which has the server's own words.
    text = str(error)
    where = (
        f"connection {connection.conn_id} to {connection.host}:{connection.port or 5432}, database {connection.schema}"
    )
    for marks, kind, advice in _REFUSALS:
        if any(mark in text for mark in marks):
            return kind(f"{where}: {advice}")
    said = text.splitlines()[0].rpartition(" failed: ")[2] if text else type(error).__name__
    return SinkUnavailableError(f"{where}: {said[:200]}")


def ended(error: Exception) -> bool:
    """Return whether the server said that it ends the session, as when it is restarted."""
    return str(getattr(error, "sqlstate", None) or "").startswith(("57P", "08"))


def translated(error: psycopg.Error, conn_id: str, what: str) -> ConfluenceProviderError:
    """Return ours for an error of a session.

    PostgreSQL's own text is left out: it may quote what was to be written.

    :param what: what was done, for the message: ``write to table "docs"``.
    """
    from psycopg import errors

    code = f"{type(error).__name__}, SQLSTATE {error.sqlstate}" if error.sqlstate else type(error).__name__
    where = f"cannot {what} over connection {conn_id}"
    if isinstance(error, errors.InsufficientPrivilege):
        return SinkAccessError(f"{where}: the user lacks a permission ({code}); airflow-confluence check names it")
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return SinkUnavailableError(
            f"{where}: the server takes no writes now ({code}). Where it is a replica, let host name the primary, "
            "or both with the extra target_session_attrs=read-write"
        )
    if isinstance(error, (errors.UndefinedTable, errors.UndefinedColumn, errors.UndefinedFunction, errors.SyntaxError)):
        return ConfigurationError(
            f"{where}: a table is not as this package makes it ({code}); where it was altered by hand, drop it, and run with mode=verify"
        )
    return SinkUnavailableError(f"{where} now ({code})")
