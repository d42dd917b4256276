"""Atlassian Document Format → :class:`~airflow_provider_confluence.content.model.Content`, as from storage format.

:func:`read` takes any body and never raises. What a node becomes is in :data:`NODES`, at the end; what a mark becomes is in
:data:`~airflow_provider_confluence.content.adf_marks.MARKS`; macros, which are extension nodes here, share storage format's
:data:`~airflow_provider_confluence.content.macros.POLICY`. The list of nodes and marks is that of ``@atlaskit/adf-schema`` 57.7.22
(``json-schema/v1/full.json`` and ``stage-0.json``), with the nodes that Confluence itself adds for what ADF cannot say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_confluence.content import adf_blocks, adf_media, adf_text, storage_format
from airflow_provider_confluence.content.adf_macros import AdfMacro
from airflow_provider_confluence.content.adf_parsing import attributes, name_for_warning, one_line, parse, text_of
from airflow_provider_confluence.content.adf_reader import Handler, Reader
from airflow_provider_confluence.content.building import Node, as_blocks
from airflow_provider_confluence.content.macros import POLICY, handle_own, handle_unknown
from airflow_provider_confluence.content.macros import Handler as MacroHandler
from airflow_provider_confluence.content.model import Content, Paragraph

# Storage format within ADF starts a walk of its own, whose frames come on top.
_MAX_DEPTH_OF_STORAGE = 12


def read(body: str | bytes | dict[str, Any], macros: Mapping[str, MacroHandler] | None = None) -> Content:
    """Return what a body in ADF says, whether it comes as JSON or as the value it stands for.

    Pure; never raises; the same body gives an equal answer.

    :param macros: own handlers by macro name, as in :func:`.storage_format.read`.
    """
    reader = Reader(NODES, _unknown, macros or {})
    nodes, way, cut = parse(body)
    if cut:
        reader.warn(f"cut={storage_format.MAX_CHARS}")
    if way != "json":
        reader.warn(f"parser={way}")
    return reader.gathered(as_blocks(reader.nodes({"content": nodes})))


def _nothing(_reader: Reader, _node: Mapping[str, Any]) -> list[Node]:
    return []


def _unknown(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    """Keep the words of a node nobody thought of, and say its name in the warnings."""
    reader.warn(f"unknown_node={name_for_warning(node)}")
    attrs = attributes(node)
    words = [one_line(value) for value in (node.get("text"), attrs.get("text"), attrs.get("title"))]
    found: list[Node] = [f" {word} " for word in words if word]
    found.extend(reader.nodes(node))
    return found if reader.in_line else [*as_blocks(found)]


# ------------------------------------------------------------------------------------------ macros, and what ADF cannot say
def _extension(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    return [*as_blocks(_inline_extension(reader, node))]


def _inline_extension(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    macro = AdfMacro(node)
    if reader.macros and (own := handle_own(reader, macro, reader.macros)) is not None:
        return own
    known = POLICY.get(macro.name, POLICY.get(macro.name.lower())) if macro.in_policy else None
    handler = known or handle_unknown
    found = [*handler(reader, macro)]
    if not found and handler is handle_unknown and (words := macro.fallback()):
        found.append(f" {words} ")
    return found


def _sync_block(reader: Reader, _node: Mapping[str, Any]) -> list[Node]:
    """A block whose text is kept elsewhere; the node has nothing but its id."""
    reader.warn("unread_node=syncBlock")
    return []


def _unsupported(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    """What the editor that wrote the body did not know itself: the node as it was, or storage format."""
    attrs = attributes(node)
    original, storage = attrs.get("originalValue"), text_of(attrs.get("cxhtml"))
    if isinstance(original, dict):
        return reader.nodes({"content": [original]})
    if not storage:
        return _unknown(reader, node)
    if reader.depth > _MAX_DEPTH_OF_STORAGE:
        reader.warn("too_deep")
        return []
    content = storage_format.read(storage, reader.macros)
    for reference in content.references:
        reader.refer(reference)
    for warning in content.warnings:
        reader.warn(warning)
    for heading in content.outline:
        reader.outline(heading.level, (heading.text,))
    reader.describe(content.properties)
    only = content.blocks[0] if len(content.blocks) == 1 else None
    return [*only.inlines] if reader.in_line and isinstance(only, Paragraph) else [*content.blocks]


NODES: Mapping[str, Handler] = {
    # running text
    "text": adf_text.text,
    "hardBreak": adf_text.line_break,
    "mention": adf_text.mention,
    "emoji": adf_text.emoji,
    "date": adf_text.date,
    "status": adf_text.status,
    "inlineCard": adf_text.inline_card,
    "placeholder": _nothing,  # what the editor asks for, not what anybody wrote
    # blocks
    "doc": adf_blocks.container,
    "paragraph": adf_blocks.paragraph,
    "heading": adf_blocks.heading,
    "codeBlock": adf_blocks.code_block,
    "blockquote": adf_blocks.quote,
    "panel": adf_blocks.panel,
    "expand": adf_blocks.expand,
    "nestedExpand": adf_blocks.expand,
    "rule": adf_blocks.rule,
    "bodiedRule": adf_blocks.bodied_rule,
    "blockCard": adf_text.card,
    "embedCard": adf_text.card,
    # lists
    "bulletList": adf_blocks.plain_list(ordered=False),
    "orderedList": adf_blocks.plain_list(ordered=True),
    "listItem": adf_blocks.item,
    "taskList": adf_blocks.task_list,
    "taskItem": adf_blocks.item,
    "blockTaskItem": adf_blocks.item,
    "decisionList": adf_blocks.decision_list,
    "decisionItem": adf_blocks.item,
    # tables and layouts, in reading order
    "table": adf_blocks.table,
    "tableRow": adf_blocks.container,
    "tableCell": adf_blocks.container,
    "tableHeader": adf_blocks.container,
    "layoutSection": adf_blocks.container,
    "layoutColumn": adf_blocks.container,
    # media
    "mediaSingle": adf_media.media_single,
    "mediaGroup": adf_media.media_group,
    "mediaInline": adf_media.media_inline,
    "media": adf_media.media,
    "caption": adf_blocks.paragraph,
    "image": adf_media.old_image,
    # macros
    "extension": _extension,
    "bodiedExtension": _extension,
    "multiBodiedExtension": _extension,
    "extensionFrame": adf_blocks.container,
    "inlineExtension": _inline_extension,
    # one text in several places
    "syncBlock": _sync_block,
    "bodiedSyncBlock": adf_blocks.container,
    # what ADF cannot say
    "confluenceUnsupportedBlock": _unsupported,
    "confluenceUnsupportedInline": _unsupported,
    "unsupportedBlock": _unsupported,
    "unsupportedInline": _unsupported,
    "confluenceJiraIssue": adf_text.jira_issue,
}
"""What becomes of every node."""
