"""What a Confluence body says, as Markdown and plain text.

>>> from airflow_provider_confluence import content
>>> content.to_markdown("<h1>Release</h1><p>It <strong>ships</strong> on Friday&hellip;</p>")
'# Release\\n\\nIt **ships** on Friday…\\n'

With look-ups: ``storage_format.read(body)``, or ``adf.read(body)`` for Atlassian Document Format, gives a :class:`~.model.Content`,
whose ``references`` can be looked up in bulk, and ``markdown.write(content, resolve)`` writes it with their titles and URLs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_confluence.content import model
    from airflow_provider_confluence.content.building import as_blocks
    from airflow_provider_confluence.content.macros import Handler, Macro, Nodes, Walker, body_of
    from airflow_provider_confluence.content.model import Content, Reference, Resolve, Resolved
    from airflow_provider_confluence.content.plain import summary

# Loaded when they are asked for: the processes that read attached files come through here, and need none of them.
_HOMES = {
    "building": ("as_blocks",),
    "macros": ("Handler", "Macro", "Nodes", "Walker", "body_of"),
    "model": ("Content", "Reference", "Resolve", "Resolved"),
    "plain": ("summary",),
}

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

    :param macros: own handlers by macro name, see ``docs/writing-a-macro-handler.md``.
    """
    from airflow_provider_confluence.content import markdown, storage_format

    return markdown.write(storage_format.read(body, macros))


def __getattr__(name: str) -> Any:
    if name == "model":
        return import_module(f"{__name__}.model")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__  # for interpreters and the reference, which ask what there is
