"""Real message brokers on loopback, on free ports: Valkey, RabbitMQ, and SQS as moto serves it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

RABBITMQ = Path(
    "/usr/lib/rabbitmq/bin/rabbitmq-server"
)  # where Debian's package has it; the one on the PATH wants to be root
USER, PASSWORD = "indexer", "geheim-1234"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, f"it ended with {process.returncode}: {log.read_text()[-2000:]}"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError(f"nothing listens on port {port}: {log.read_text()[-2000:]}")


@contextmanager
def running(command, port, log, **options):
    """Start a server in a process group of its own, wait until it listens, and end all of it."""
    with (
        log.open("ab") as output,
        subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, **options
        ) as process,
    ):
        try:
            wait_for_port(port, process, log)
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()


# ------------------------------------------------------------------------------------------ RabbitMQ
def rabbitmq_is_here() -> bool:
    return RABBITMQ.exists()


class Rabbit:
    """A RabbitMQ: virtual host ``/`` and ``wiki``; users as in :func:`_definitions`."""

    def __init__(self, port: int, tls_port: int, folder: Path) -> None:
        self.port, self.tls_port, self.folder = port, tls_port, folder


def _definitions() -> dict:
    users = {USER: (".*", ".*", ".*"), "reader": ("", "", ".*"), "stranger": None, "sender": ("", ".*", ".*")}
    return {
        "vhosts": [{"name": "/"}, {"name": "wiki"}],
        "users": [{"name": name, "password": PASSWORD, "tags": ""} for name in users],
        "permissions": [
            {"user": name, "vhost": vhost, "configure": rights[0], "write": rights[1], "read": rights[2]}
            for name, rights in users.items()
            if rights is not None
            for vhost in ("/", "wiki")
        ],
        "queues": [
            {"name": "transient", "vhost": "/", "durable": False, "auto_delete": False, "arguments": {}},
            {
                "name": "short",
                "vhost": "/",
                "durable": True,
                "auto_delete": False,
                "arguments": {"x-max-length": 3, "x-overflow": "reject-publish"},
            },
        ],
    }


@contextmanager
def rabbitmq(folder: Path, certificate: Path):
    """Run RabbitMQ; it takes about ten seconds to start."""
    port, tls_port, dist = free_port(), free_port(), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "definitions.json").write_text(json.dumps(_definitions()))
    (folder / "enabled_plugins").write_text("[].")
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{port}\n"
        f"listeners.ssl.1 = 127.0.0.1:{tls_port}\n"
        f"ssl_options.certfile = {certificate}\n"
        f"ssl_options.keyfile = {certificate}\n"
        f"load_definitions = {folder}/definitions.json\n"
        "max_message_size = 1000000\n"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),  # Erlang keeps its cookie there
        "LANG": "C.UTF-8",
        "RABBITMQ_NODENAME": f"test{port}@localhost",
        "RABBITMQ_DIST_PORT": str(dist),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }
    # A port mapper of our own would outlive the server; without -start_epmd the node starts one that stays.
    epmd = free_port()
    environment["ERL_EPMD_PORT"] = str(epmd)
    mapper = shutil.which("epmd")
    assert mapper is not None
    with (
        running([mapper, "-port", str(epmd)], epmd, folder / "epmd.log", env=environment),
        running([str(RABBITMQ)], port, folder / "server.log", env=environment),
    ):
        wait_for_amqp(port)
        yield Rabbit(port, tls_port, folder)


def wait_for_amqp(port: int, seconds: float = 60) -> None:
    """Wait until a user of the definitions can log in: the port is open a little earlier."""
    import kombu

    deadline = time.monotonic() + seconds
    while True:
        try:
            with kombu.Connection(
                hostname="127.0.0.1", port=port, userid=USER, password=PASSWORD, transport="pyamqp", connect_timeout=5
            ) as connection:
                connection.connect()
            return
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


# ------------------------------------------------------------------------------------------ SQS
@contextmanager
def sqs(folder: Path, **environment: str):
    """Run moto; with ``INITIAL_NO_AUTH_ACTION_COUNT="0"`` it judges credentials and permissions as AWS does."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, port, folder / "moto.log", env={**os.environ, **environment}):
        yield port
