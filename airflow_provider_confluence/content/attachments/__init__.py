"""The text of attached files, read where a bad file can do no harm.

:class:`~.extractor.Extractor` is the way in. ``kinds`` says which files have text, ``child`` and ``reading`` run in the child process,
``lockdown`` is what they give up before they look at a file.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_confluence.content.attachments.extractor import (
        LASTING,
        OUTCOMES,
        Extraction,
        Extractor,
        ExtractorSettings,
        ImageReader,
        has_library,
        library_version,
    )
    from airflow_provider_confluence.content.attachments.kinds import ALL_KINDS, kind_of

__all__ = [
    "ALL_KINDS",
    "LASTING",
    "OUTCOMES",
    "Extraction",
    "Extractor",
    "ExtractorSettings",
    "ImageReader",
    "has_library",
    "kind_of",
    "library_version",
]


def __getattr__(name: str) -> Any:
    # Loaded when they are asked for: the child process comes through here, and every run waits for its start.
    if name in __all__:
        home = "kinds" if name in ("ALL_KINDS", "kind_of") else "extractor"
        return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
