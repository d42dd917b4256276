"""``airflow confluence …``: the commands of ``airflow-confluence`` inside Airflow's own program.

Airflow makes a parser for each command and lets each argument add itself. Here one argument adds all options of a command, by the very
function that describes them to ``airflow-confluence``, so that there is no second list of them.
"""

from __future__ import annotations

import argparse
import logging
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_confluence.cli import COMMANDS, carry_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.cli.cli_config import CLICommand

    from airflow_provider_confluence.cli.common import Commands


def get_commands() -> list[CLICommand]:
    """Return the group for Airflow, which asks for it whenever its program starts."""
    from airflow.cli.cli_config import ActionCommand, GroupCommand

    commands = []
    for command in COMMANDS:
        described = _Onto(argparse.ArgumentParser())
        command.add(described)
        commands.append(
            ActionCommand(
                name=described.name,
                help=described.help,
                description=described.description,
                epilog=described.epilog.replace("airflow-confluence ", "airflow confluence "),
                func=_run,
                args=(_Options(command.add),),  # type: ignore[arg-type]  # it is what Airflow asks of an Arg
            )
        )
    return [GroupCommand("confluence", "Keep search indexes true to Confluence", tuple(commands))]


def _run(options: argparse.Namespace) -> NoReturn:
    # Airflow logs to standard output, which is for our answers.
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
            handler.setStream(sys.stderr)
    # Airflow's program ends with 0 whatever a command returns.
    sys.exit(carry_out(options))


class _Options:
    """All options of a command, as one argument of Airflow's."""

    # Airflow sorts arguments by these.
    flags = ("options",)

    def __init__(self, add: Callable[[Commands], None]) -> None:
        self._add = add

    def add_to_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add them to the parser that Airflow made for the command."""
        self._add(_Onto(parser))


class _Onto:
    """Lets a command describe itself onto a parser that is there already, and keeps what it says of itself."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parser = parser
        self.name = self.help = self.description = self.epilog = ""

    def add_parser(
        self,
        name: str,
        *,
        help: str,
        description: str,
        epilog: str,
        **_: Any,
    ) -> argparse.ArgumentParser:
        self.name, self.help, self.description, self.epilog = name, help, description, epilog
        return self._parser
