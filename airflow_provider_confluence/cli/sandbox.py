"""``sandbox``: serve a sandbox Confluence on this machine."""

from __future__ import annotations

import argparse
import functools
import json
from typing import TYPE_CHECKING

from airflow_provider_confluence.cli import common

if TYPE_CHECKING:
    from airflow_provider_confluence.testing.sandbox import Sandbox

_EXAMPLES = """
airflow-confluence sandbox
airflow-confluence sandbox --port 8090 --token sandbox-token
airflow-confluence sandbox --deployment datacenter --pages 10000 --seed 7
"""


def add(commands: common.Commands) -> None:
    """Describe the command to the parser."""
    parser = common.add_command(
        commands,
        "sandbox",
        "serve a sandbox Confluence on this machine",
        "Serve a sandbox Confluence on 127.0.0.1 until Ctrl-C, after saying where it is and how to log in.",
        _EXAMPLES,
    )
    parser.add_argument("--deployment", choices=("cloud", "datacenter"), default="cloud")
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument(
        "--token",
        metavar="TOKEN",
        help="the token that it takes, made up by you, so that a connection to it outlives a restart (default: a new one each time)",
    )
    parser.add_argument("--pages", type=int, metavar="N", help="a generated wiki of N pages instead of the sample")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the generated wiki")
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    from airflow_provider_confluence.testing.sandbox import run_sandbox

    # Flushed, since whoever reads us through a pipe waits for the address.
    run_sandbox(
        edition=options.deployment,
        port=options.port,
        pages=options.pages,
        seed=options.seed,
        token=options.token,
        say=(lambda _: None) if options.json else functools.partial(print, flush=True),
        started=_print if options.json else None,
    )
    return 0


def _print(sandbox: Sandbox) -> None:
    answer = {
        "endpoint": sandbox.endpoint,
        "username": sandbox.username,
        "token": sandbox.token,
        "spaces": [space.key for space in sandbox.model.spaces()],
        "admin": f"{sandbox.origin}/_sandbox/state",
    }
    print(json.dumps(answer), flush=True)
