"""``airflow-confluence``: index a Confluence without a scheduler, search what was indexed, see how it stands, try it all on a sandbox.

One module a command: ``add`` describes it to the parser, and what is heavy is imported when it runs. Airflow is imported only where
its connections are asked for.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from airflow_provider_confluence import __version__
from airflow_provider_confluence.cli import (
    adopt,
    check,
    drain,
    export,
    failures,
    import_,
    probe,
    purge,
    sandbox,
    search,
    status,
    sync,
)
from airflow_provider_confluence.errors import ConfluenceProviderError

COMMANDS = (check, sync, search, status, failures, purge, adopt, drain, import_, export, probe, sandbox)
_EPILOG = """\
exit codes:
  0    done
  1    done, but something was missed; the message says what
  2    an error that the message explains, or a wrong option
  130  stopped by Ctrl-C

airflow-confluence COMMAND --help shows the options of a command, with examples."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 something was missed, 2 an error that the message explains, 130 stopped."""
    return carry_out(_parser().parse_args(arguments))


def carry_out(options: argparse.Namespace) -> int:
    """Carry out what was parsed, and return the exit code, as :func:`main` does."""
    try:
        code: int = options.command(options)
    except ConfluenceProviderError as error:
        print(f"airflow-confluence: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("airflow-confluence: stopped; the next run goes on from here", file=sys.stderr)
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="airflow-confluence",
        description="Index a Confluence without a scheduler, search what was indexed, see how it stands, try it all on a sandbox.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
