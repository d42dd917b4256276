"""Serving a sandbox from the command line."""

from __future__ import annotations

import threading
from collections.abc import Callable

from airflow_provider_confluence.testing.sandbox.generate import generate
from airflow_provider_confluence.testing.sandbox.model import Model
from airflow_provider_confluence.testing.sandbox.sample import load_sample
from airflow_provider_confluence.testing.sandbox.server import Edition, Sandbox


def run_sandbox(
    *,
    edition: Edition = "cloud",
    port: int = 0,
    seed: int | None = None,
    pages: int | None = None,
    spaces: int = 1,
    empty: bool = False,
    token: str | None = None,
    say: Callable[[str], object] = print,
    started: Callable[[Sandbox], object] | None = None,
    until: threading.Event | None = None,
) -> None:
    """Serve a sandbox until it is interrupted (Ctrl-C), after saying where it is and how to log in.

    It holds the sample wiki; with ``pages`` (or ``seed``) a generated one of that size; with ``empty`` nothing.

    :param port: 0 takes a free one.
    :param say: called with each line of what there is to know.
    :param started: called with the running sandbox before anything is said.
    :param until: stops the sandbox when it is set; ``None`` leaves that to the interrupt.
    """
    model = Model()
    if empty:
        pass
    elif pages is not None or seed is not None:
        generate(model, pages=1000 if pages is None else pages, seed=seed or 0, spaces=spaces)
    else:
        load_sample(model)
    stopped = until or threading.Event()
    with Sandbox(edition, model, port=port, token=token) as sandbox:
        if started is not None:
            started(sandbox)
        say(f"endpoint  {sandbox.endpoint}")
        say(f"username  {sandbox.username or '(none: the token is a personal access token)'}")
        say(f"token     {sandbox.token}")
        say(f"spaces    {', '.join(space.key for space in model.spaces()) or '(none)'}")
        say(f"admin     {sandbox.origin}/_sandbox/state")
        try:
            while not stopped.wait(3600):
                pass
        except KeyboardInterrupt:
            say("stopped")
