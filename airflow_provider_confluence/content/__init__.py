"""What a Confluence body says, as Markdown and plain text.

>>> from airflow_provider_confluence import content
>>> content.to_markdown("<h1>Release</h1><p>It <strong>ships</strong> on Friday&hellip;</p>")
'# Release\\n\\nIt **ships** on Friday…\\n'

With look-ups: ``storage_format.read(body)``, or ``adf.read(body)`` for Atlassian Document Format, gives a :class:`~.model.Content`,
whose ``references`` can be looked up in bulk, and ``markdown.write(content, resolve)`` writes it with their titles and URLs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airflow_provider_confluence.content import model
from airflow_provider_confluence.content.building import Node, as_blocks
from airflow_provider_confluence.content.macros import Handler, Macro, Walker, body_of
from airflow_provider_confluence.content.model import Content, Reference, Resolve, Resolved
from airflow_provider_confluence.content.plain import summary

Nodes = Sequence[Node]
"""What a macro's handler returns: text, inlines and blocks of :mod:`.model`."""

__all__ = [
    "Content",
    "Handler",
    "Macro",
    "Nodes",
    "Reference",
    "Resolve",
    "Resolved",
    "Walker",
    "as_blocks",
    "body_of",
    "model",
    "summary",
    "to_markdown",
]


def to_markdown(body: str, macros: Mapping[str, Handler] | None = None) -> str:
    """Return a body in storage format as Markdown, with nothing looked up. Never raises.

    :param macros: own handlers by macro name, see ``docs/content.md``.
    """
    from airflow_provider_confluence.content import markdown, storage_format

    return markdown.write(storage_format.read(body, macros))
