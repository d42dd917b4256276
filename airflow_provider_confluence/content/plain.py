"""The words alone: for summaries, outlines, property values, and wherever a reference must show itself without a look-up."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from airflow_provider_confluence.content.model import (
    AnchorReference,
    AttachmentReference,
    Block,
    BlogpostReference,
    Code,
    CodeBlock,
    Content,
    ContentReference,
    Excerpt,
    Group,
    Heading,
    Image,
    Include,
    IncludeReference,
    Inline,
    JiraReference,
    LineBreak,
    Link,
    List,
    PageReference,
    Panel,
    Paragraph,
    Quote,
    Reference,
    Resolve,
    ShortcutReference,
    SpaceReference,
    Status,
    Styled,
    Table,
    UrlReference,
    UserReference,
)

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SPACES = re.compile(r"\s+")


def is_machine_name(filename: str) -> bool:
    """Return whether a file name is only an id that the editor made up, which is no text for a reader."""
    return _UUID.match(filename) is not None


def default_text(reference: Reference) -> str:
    """Return what a reference says of itself; never an id. A person is an "unknown user" until somebody looks the name up."""
    if isinstance(reference, (PageReference, BlogpostReference)):
        return reference.title
    if isinstance(reference, AttachmentReference):
        named = reference.filename and not is_machine_name(reference.filename)
        return reference.filename if named else "unknown attachment"
    if isinstance(reference, UserReference):
        return reference.name or "unknown user"
    if isinstance(reference, ContentReference):
        return "unknown content"
    if isinstance(reference, UrlReference):
        return reference.url
    if isinstance(reference, SpaceReference):
        return reference.key
    if isinstance(reference, AnchorReference):
        return reference.anchor
    if isinstance(reference, ShortcutReference):
        return reference.parameter
    if isinstance(reference, JiraReference):
        return reference.key or reference.jql or ""
    return default_text(reference.target)


def reference_text(reference: Reference, resolve: Resolve | None = None) -> str:
    """Return the looked-up title or name of a reference, or what it says of itself."""
    answer = resolve(reference) if resolve is not None else None
    if answer is not None and answer.text:
        return answer.text
    if isinstance(reference, IncludeReference):
        return reference_text(reference.target, resolve)
    return default_text(reference)


def inline_text(inlines: Iterable[Inline], resolve: Resolve | None = None) -> str:
    """Return the words of a run of inlines, without any markup."""
    if isinstance(inlines, tuple) and len(inlines) == 1 and isinstance(inlines[0], str):
        return " ".join(inlines[0].split())
    parts: list[str] = []
    for inline in inlines:
        if isinstance(inline, str):
            parts.append(inline)
        elif isinstance(inline, Styled):
            parts.append(inline_text(inline.children, resolve))
        elif isinstance(inline, Code):
            parts.append(inline.text)
        elif isinstance(inline, Link):
            parts.append(
                inline_text(inline.children, resolve) if inline.children else reference_text(inline.reference, resolve)
            )
        elif isinstance(inline, Status):
            parts.append(f" {inline.title} ")
        elif isinstance(inline, Image):
            parts.append(f" {inline.alt} {inline_text(inline.caption, resolve)} ")
        elif isinstance(inline, LineBreak):
            parts.append(" ")
    return _SPACES.sub(" ", "".join(parts)).strip()


def block_text(blocks: Iterable[Block], resolve: Resolve | None = None) -> str:
    """Return the words of blocks in one line; the items of a list are parted by commas."""
    return " ".join(part for part in (_block_text(block, resolve) for block in blocks) if part)


def _block_text(block: Block, resolve: Resolve | None) -> str:
    if isinstance(block, (Paragraph, Heading)):
        return inline_text(block.inlines, resolve)
    if isinstance(block, CodeBlock):
        return _SPACES.sub(" ", f"{block.title} {block.text}").strip()
    if isinstance(block, (Panel, Group)):
        return f"{block.title} {block_text(block.blocks, resolve)}".strip()
    if isinstance(block, (Quote, Excerpt)):
        return block_text(block.blocks, resolve)
    if isinstance(block, List):
        return ", ".join(text for item in block.items if (text := block_text(item.blocks, resolve)))
    if isinstance(block, Table):
        caption = inline_text(block.caption, resolve)
        cells = (block_text(cell.blocks, resolve) for row in block.rows for cell in row)
        return " ".join(text for text in (caption, *cells) if text)
    if isinstance(block, Include):
        return reference_text(block.reference, resolve)
    return ""


def summary(content: Content, max_chars: int = 300, resolve: Resolve | None = None) -> str:
    """Return the first prose of a body in one line, cut at a word.

    Prose is paragraphs, also within panels, layouts and expands; a body without any gives its lists and tables instead.

    :param max_chars: the longest answer, its ellipsis included.
    """
    for texts in (_prose(content.blocks, resolve), (_block_text(block, resolve) for block in content.blocks)):
        found: list[str] = []
        length = 0
        for text in texts:
            if text:
                found.append(text)
                length += len(text) + 1
                if length > max_chars + 1:
                    break
        if found:
            return shortened(" ".join(found), max_chars)
    return ""


def _prose(blocks: Sequence[Block], resolve: Resolve | None) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, Paragraph):
            yield inline_text(block.inlines, resolve)
        elif isinstance(block, (Quote, Panel, Group, Excerpt)):
            yield from _prose(block.blocks, resolve)


def shortened(text: str, max_chars: int) -> str:
    """Return the text, or its beginning up to a word's end with an ellipsis, in at most ``max_chars`` characters."""
    if len(text) <= max_chars:
        return text
    if max_chars < 1:
        return ""
    head = text[: max_chars - 1]
    if not text[max_chars - 1].isspace():
        # A text without spaces (Chinese, Japanese, a long URL) is cut where it must be.
        word = head.rfind(" ")
        head = head[:word] if word > len(head) // 2 else head
    return head.rstrip(" ,;:–—-") + "…"
