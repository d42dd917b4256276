"""What a reader gathers on its way through a body, beside the text: references, page properties, the outline, warnings."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_confluence.content.model import (
    Block,
    Content,
    Heading,
    Inline,
    OutlineEntry,
    Reference,
)
from airflow_provider_confluence.content.plain import inline_text

MAX_WARNINGS = 100
"""More different warnings are summed up as ``more_warnings``: a body of made-up macros must not fill the document with them."""

MAX_WARNING_CHARS = 100
"""A warning is cut here: it may quote a name from the body."""


class Gatherer:
    """What every reader keeps; each thing once, in the order of the text."""

    def __init__(self) -> None:
        self._references: dict[Reference, None] = {}
        self._properties: dict[str, tuple[Block, ...]] = {}
        self._outline: list[OutlineEntry] = []
        self._warnings: dict[str, None] = {}

    def gathered(self, blocks: list[Block]) -> Content:
        """Return the whole, from its blocks."""
        return Content(
            tuple(blocks), tuple(self._references), self._properties, tuple(self._outline), tuple(self._warnings)
        )

    def refer(self, reference: Reference) -> None:
        """Record a reference."""
        self._references.setdefault(reference)

    def describe(self, properties: Mapping[str, tuple[Block, ...]]) -> None:
        """Record page properties; the first value of a name stays."""
        for name, value in properties.items():
            self._properties.setdefault(name, value)

    def warn(self, warning: str) -> None:
        """Record a warning, once; it is one short line whatever a body calls its things."""
        if warning not in self._warnings:
            warning = " ".join(warning[:MAX_WARNING_CHARS].split())
            self._warnings.setdefault(warning if len(self._warnings) < MAX_WARNINGS else "more_warnings")

    def outline(self, level: int, inlines: tuple[Inline, ...]) -> Block:
        """Return a heading, recorded in the outline."""
        self._outline.append(OutlineEntry(level, inline_text(inlines)))
        return Heading(level, inlines)
