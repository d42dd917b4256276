"""The text of attached files, read where a bad file can do no harm.

:class:`~.extractor.Extractor` is the way in. ``kinds`` says which files have text, ``child`` and ``reading`` run in the child process,
``lockdown`` is what they give up before they look at a file.
"""

from __future__ import annotations

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
