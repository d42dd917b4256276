"""Handlers for macros of one's own: functions of installed packages, and names that a datasource likens to macros of the table.

A package offers a handler as an entry point of the group :data:`GROUP`, named after the macro; its name and version are part of the
recipe, so that another version makes every document anew. Nothing of a Variable is ever run: it can only name rows of the table.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points

from airflow_provider_confluence.content.macros import POLICY, Handler
from airflow_provider_confluence.errors import ConfigurationError

GROUP = "airflow_provider_confluence.macros"


def handlers(like: Mapping[str, str]) -> dict[str, Handler]:
    """Return the handlers by macro name: those of installed packages, and over them what a datasource says.

    :param like: macro name → name of the macro of the table that it is read as.
    :raises ConfigurationError: when a package's handler cannot be loaded, naming both.
    """
    found: dict[str, Handler] = {}
    for point in _installed():
        try:
            found[point.name] = point.load()
        except Exception as error:  # foreign code may raise anything while it is imported
            raise ConfigurationError(
                f"the handler of the macro {point.name!r} cannot be loaded: {point.value} of {_package(point)} "
                f"({type(error).__name__}); mend the package, or uninstall it on every worker"
            ) from error
    found.update({name: POLICY[other] for name, other in like.items()})
    return found


def marks(like: Mapping[str, str]) -> list[str]:
    """Return what tells one set of handlers from another, loading none of them."""
    return [
        *(f"{point.name}={point.value}@{_package(point)}" for point in _installed()),
        *(f"{name}~{other}" for name, other in sorted(like.items())),
    ]


def _installed() -> tuple[EntryPoint, ...]:
    return _installed_in(tuple((place, _changed(place)) for place in sys.path))


@lru_cache(maxsize=1)
def _installed_in(_places: tuple[tuple[str, int], ...]) -> tuple[EntryPoint, ...]:
    # Looks into every installed package, of which an Airflow has hundreds, and each run asks twice. Whoever installs, upgrades or removes
    # one makes or removes a folder in one of the places.
    return tuple(sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)))


def _changed(place: str) -> int:
    """Return when a folder of the import path last changed, 0 for what is none."""
    try:
        return os.stat(place or os.curdir).st_mtime_ns  # noqa: PTH116 - a place may be anything, an empty text too
    except (OSError, ValueError):
        return 0


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unknown package"
