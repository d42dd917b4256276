"""Where a sink that keeps files may keep them: a Variable names the place, and its editors are trusted less than who made the settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_confluence.errors import ConfigurationError

if TYPE_CHECKING:
    from upath import UPath

Place = Any
"""A ``Path``, or a ``UPath`` of an object store; Airflow's ``ObjectStoragePath`` is one in all but its declared type."""


def folder_within(path: object, storage: Path, allowed: Sequence[Place]) -> Path:
    """Return the folder that a setting names, relative to the storage folder; links are followed first.

    :param path: the setting; ``None`` for the storage folder itself.
    :param allowed: places below which it may lie, as below the storage folder.
    :raises ConfigurationError: for what is no path of a folder, and for one that lies outside.
    """
    if path is None:
        return storage
    if not isinstance(path, str) or not path or "\0" in path:
        raise ConfigurationError(f"sink.path: {path!r} is not the path of a folder")
    folder = (storage / path).resolve()
    bases = [storage, *(base for base in allowed if isinstance(base, Path))]
    if not any(folder.is_relative_to(base.resolve()) for base in bases):
        raise _outside(path, bases)
    return folder


def place_within(path: object, storage: Path, allowed: Sequence[Place]) -> Path | UPath:
    """Return the folder, or the prefix of an object store, that a setting names.

    A store is reached with the credential of the allowed place that the address begins with; no other may be named.

    :raises ConfigurationError: as :func:`folder_within`, and for an address that is not plainly below an allowed one.
    """
    if not isinstance(path, str) or "://" not in path:
        return folder_within(path, storage, allowed)
    if path.startswith("file://"):
        return folder_within(path.removeprefix("file://"), storage, allowed)
    stores = [base for base in allowed if not isinstance(base, Path)]
    for base in stores:
        start = str(base).rstrip("/")
        if path.rstrip("/") == start:
            return base  # type: ignore[no-any-return]
        if path.startswith(f"{start}/"):
            parts = path.removeprefix(f"{start}/").rstrip("/").split("/")
            if any(part in ("", ".", "..") or "\0" in part for part in parts):
                raise ConfigurationError(f"sink.path: {path} has a part that is empty, . or ..")
            return base.joinpath(*parts)  # type: ignore[no-any-return]
    raise _outside(path, [storage, *allowed])


def _outside(path: str, bases: Sequence[Place]) -> ConfigurationError:
    listed = ", ".join(str(base) for base in bases)
    return ConfigurationError(f"sink.path: {path} is outside of {listed}; add its folder to [confluence] allowed_paths")
