"""What a Confluence body says, as Markdown and plain text.

>>> from airflow_provider_confluence import content
>>> content.to_markdown("<h1>Release</h1><p>It <strong>ships</strong> on Friday&hellip;</p>")
'# Release\\n\\nIt **ships** on Friday…\\n'

With look-ups: ``storage_format.read(body)``, or ``adf.read(body)`` for Atlassian Document Format, gives a :class:`~.model.Content`,
whose ``references`` can be looked up in bulk, and ``markdown.write(content, resolve)`` writes it with their titles and URLs.
"""

from __future__ import annotations

from airflow_provider_confluence.content.model import Content, Reference, Resolve, Resolved
from airflow_provider_confluence.content.plain import summary

__all__ = ["Content", "Reference", "Resolve", "Resolved", "summary", "to_markdown"]


def to_markdown(body: str) -> str:
    """Return a body in storage format as Markdown, with nothing looked up. Never raises."""
    from airflow_provider_confluence.content import markdown, storage_format

    return markdown.write(storage_format.read(body))
