"""Content → Markdown (CommonMark with the tables, task lists and strikethrough of GitHub's dialect).

A reference is written with what ``resolve`` answers for it: a title, a URL. Without an answer it gives its own title, file name or key, a
person "unknown user", and never an id. A page with many references is cheap: each is asked for once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from airflow_provider_confluence.content.assembling import assembled, edges, raised
from airflow_provider_confluence.content.escaping import (
    LINE_STARTERS,
    anchored,
    code_span,
    destination,
    escaped,
    escaped_line_starts,
    fence_for,
)
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
    LineBreak,
    Link,
    List,
    OutlineEntry,
    PageReference,
    Panel,
    Paragraph,
    Quote,
    Reference,
    Resolve,
    Resolved,
    Rule,
    Status,
    Styled,
    Table,
    UrlReference,
    UserReference,
    find_excerpt,
)
from airflow_provider_confluence.content.plain import block_text, default_text, inline_text, is_machine_name
from airflow_provider_confluence.documents import Link as DocumentLink

_MARKS = {"strong": "**", "em": "*", "s": "~~"}
# A link that runs a script, or carries a whole picture within itself, is no link for a reader.
_UNSAFE = re.compile(r"\s*(?:javascript|vbscript|data):", re.IGNORECASE)
_EMPTY_LINES = re.compile(r"(?:  \n){2,}")
_AUTOLINK = re.compile(r"[a-z][a-z0-9+.-]+://[^\s<>\\`]+\Z")
_CLOSING_SIGNS = re.compile(r"(?:(?<=\s)|\A)(#+)\Z")
_MAX_INCLUDES = 3
_MAX_INCLUDED_CHARS = 2_000_000
_NO_STYLES: frozenset[str] = frozenset()
_STRONG_EM = frozenset(("strong", "em"))
_LINK = frozenset(("link",))
_NOTHING = Resolved()

Where = Literal["block", "cell", "label"]
_BREAKS: Mapping[Where, str] = {"block": "  \n", "cell": "<br>", "label": " "}


@dataclass(frozen=True, slots=True)
class Written:
    """A content as Markdown, with what was met on the way: where it leads to, and its headings as plain text, in the order of the text.

    ``links`` has every reference with a URL, each URL once. People and pictures are left out: they are not where a reader goes on.
    Headings without words are left out, and unlike those of ``content.outline`` they have what ``resolve`` knows.
    """

    text: str
    links: tuple[DocumentLink, ...]
    outline: tuple[OutlineEntry, ...]


def write(content: Content, resolve: Resolve | None = None) -> str:
    """Return the content as Markdown, ending in a line feed; empty for empty content.

    :param resolve: what is known of a reference; ``None``, or an answer of ``None``, for nothing. It is asked once for each reference.
    """
    return _text(_Writer(resolve).blocks(content.blocks))


def written(content: Content, resolve: Resolve | None = None) -> Written:
    """Return the content as :func:`write` does, with its links and headings: one walk finds all three."""
    writer = _Writer(resolve)
    text = _text(writer.blocks(content.blocks))
    return Written(text, tuple(_links(writer)), tuple(_outline(writer)))


def properties(content: Content, resolve: Resolve | None = None) -> dict[str, str]:
    """Return the page properties as plain text, in the order of the page."""
    return {name: block_text(value, resolve) for name, value in content.properties.items()}


def _text(blocks: str) -> str:
    return blocks + "\n" if blocks else ""


def _links(writer: _Writer) -> Iterable[DocumentLink]:
    found: dict[str, DocumentLink] = {}
    for reference, known, children in writer.linked:
        if isinstance(reference, (UserReference, AnchorReference)):
            continue
        url = writer.url(reference, known)
        if url and (url not in found or not found[url].title):
            title = known.text or inline_text(children)
            if not title and not isinstance(reference, UrlReference):
                title = default_text(reference)
            found[url] = DocumentLink(url, title, known.content_id)
    return found.values()


def _outline(writer: _Writer) -> Iterator[OutlineEntry]:
    for heading in writer.headings:
        if text := inline_text(heading.inlines, writer.resolve):
            yield OutlineEntry(heading.level, text)


class _Writer:
    def __init__(self, resolve: Resolve | None, includes: int = 0, room: list[int] | None = None) -> None:
        self.resolve = resolve
        self.linked: list[tuple[Reference, Resolved, Sequence[Inline]]] = []
        """Every reference that was written as a link, what is known of it, and what the author wrote over it, in the order of the text."""
        self.headings: list[Heading] = []
        self._known: dict[Reference, Resolved] = {}
        self._includes = includes
        # Characters that may still be included, shared by all levels: pages that show pages many times over would grow without end.
        self._room = [_MAX_INCLUDED_CHARS] if room is None else room

    # -------------------------------------------------------------------------------------- references
    def known(self, reference: Reference) -> Resolved:
        if self.resolve is None:
            return _NOTHING
        known = self._known.get(reference)
        if known is None:
            known = self.resolve(reference)
            if known is None and isinstance(reference, IncludeReference):
                known = self.resolve(reference.target)
            self._known[reference] = known = known or _NOTHING
        return known

    def url(self, reference: Reference, known: Resolved) -> str:
        is_url = isinstance(reference, UrlReference)
        url = known.url or (reference.url if is_url else "")  # type: ignore[union-attr]
        if not url or (url[:4] != "http" and _UNSAFE.match(url)):
            return ""
        if is_url:
            return url
        target = reference.target if isinstance(reference, IncludeReference) else reference
        anchor = target.anchor if isinstance(target, (PageReference, BlogpostReference, ContentReference)) else None
        return anchored(url, anchor) if anchor else url

    # -------------------------------------------------------------------------------------- blocks
    def blocks(self, blocks: Iterable[Block]) -> str:
        return self._joined(blocks, tight=False)

    def _joined(self, blocks: Iterable[Block], *, tight: bool) -> str:
        parts: list[str] = []
        before: Block | None = None
        marker = 0
        for block in blocks:
            if block.__class__ is Paragraph:  # first, because most blocks are
                text = self._paragraph(block)
            elif isinstance(block, List):
                # Two lists in a row would run together; the other marker keeps them apart.
                same = isinstance(before, List) and before.ordered == block.ordered
                marker = 1 - marker if same else 0
                text = self._list(block, marker)
            else:
                text = _BLOCKS[block.__class__](self, block)
            if not text:
                continue
            if parts:
                follows = tight and isinstance(before, Paragraph) and isinstance(block, List) and _may_interrupt(block)
                parts.append("\n" if follows else "\n\n")
            parts.append(text)
            before = block
        return parts[0] if len(parts) == 1 else "".join(parts)

    def _paragraph(self, block: Paragraph) -> str:
        text = self._line(block.inlines, "block")
        if "\n" in text:
            return escaped_line_starts(_EMPTY_LINES.sub("\n\n", text))
        return escaped_line_starts(text) if text[:1] in LINE_STARTERS else text

    def _heading(self, block: Heading) -> str:
        self.headings.append(block)
        text = self._line(block.inlines, "label").strip()
        if text[-1:] == "#":
            text = _CLOSING_SIGNS.sub(r"\\\1", text)
        return f"{'#' * block.level} {text}" if text else ""

    def _code_block(self, block: CodeBlock) -> str:
        fence = fence_for(block.text)
        title = f"**{escaped(block.title)}**\n\n" if block.title else ""
        return f"{title}{fence}{block.language}\n{block.text}\n{fence}"

    def _quote(self, block: Quote) -> str:
        return _prefixed(self.blocks(block.blocks), "> ")

    def _panel(self, block: Panel) -> str:
        return _prefixed(self._titled(_panel_head(block), block.blocks), "> ")

    def _group(self, block: Group) -> str:
        return self._titled(block.title, block.blocks)

    def _titled(self, title: str, blocks: Sequence[Block]) -> str:
        body = self.blocks(blocks)
        if not title:
            return body
        return f"**{escaped(title)}**\n\n{body}" if body else f"**{escaped(title)}**"

    def _excerpt(self, block: Excerpt) -> str:
        return self.blocks(block.blocks)

    def _rule(self, _block: Rule) -> str:
        return "---"

    def _include(self, block: Include) -> str:
        known = self.known(block.reference)
        self.linked.append((block.reference, known, ()))
        if known.content is None or self._includes >= _MAX_INCLUDES or self._room[0] <= 0:
            return escaped_line_starts(self.inlines((Link(block.reference),)))
        included: Sequence[Block] = known.content.blocks
        if block.reference.excerpt is not None:
            excerpt = find_excerpt(known.content, block.reference.excerpt)
            included = excerpt.blocks if excerpt is not None else ()
        text = _Writer(known.resolve or self.resolve, self._includes + 1, self._room).blocks(included)
        self._room[0] -= len(text) + 1
        return text

    def _list(self, block: List, marker: int = 0) -> str:
        lines: list[str] = []
        number = block.start
        bullet = "-*"[marker] + " "
        for item in block.items:
            if block.ordered:
                bullet = f"{number}{'.)'[marker]} "
                number += 1
            blocks = item.blocks
            if len(blocks) == 1 and blocks[0].__class__ is Paragraph:
                text = self._paragraph(blocks[0])
            else:
                text = self._joined([inner for inner in blocks if inner.__class__ is not Rule], tight=True)
            if not text:
                continue
            head = bullet if item.checked is None else bullet + ("[x] " if item.checked else "[ ] ")
            if "\n" in text:
                first, _, rest = text.partition("\n")
                text = f"{first}\n{_prefixed(rest, ' ' * len(bullet))}"
            lines.append(head + text)
        return "\n".join(lines)

    # -------------------------------------------------------------------------------------- tables
    def _table(self, table: Table) -> str:
        width = max(map(len, table.rows))
        caption = self.inlines(table.caption) if table.caption else ""
        if width == 1 and len(table.rows) == 1:
            # A table of one field is a box somebody drew, not a table.
            return "\n\n".join(part for part in (caption, self.blocks(table.rows[0][0].blocks)) if part)
        rows = [[self._cell(cell.blocks) if cell.blocks else "" for cell in row] for row in table.rows]
        if table.header_rows == 0:
            rows.insert(0, [])
        rows[0] = rows[0] + [""] * (width - len(rows[0]))
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        lines.insert(1, "| " + " | ".join(["---"] * width) + " |")
        text = "\n".join(lines)
        return f"{escaped_line_starts(caption)}\n\n{text}" if caption else text

    def _cell(self, blocks: Sequence[Block]) -> str:
        if len(blocks) == 1 and type(only := blocks[0]) is Paragraph:
            text = self._line(only.inlines, "cell")
        else:
            text = "<br>".join(self._cell_lines(blocks))
        return text.replace("|", "\\|") if "|" in text else text

    def _cell_lines(self, blocks: Sequence[Block]) -> list[str]:
        lines: list[str] = []
        for block in blocks:
            lines.extend(line for line in self._cell_block(block) if line)
        return lines

    def _cell_block(self, block: Block) -> list[str]:
        if isinstance(block, Paragraph):
            return [self._line(block.inlines, "cell")]
        if isinstance(block, Heading):
            self.headings.append(block)
            return [self._line((Styled("strong", block.inlines),), "cell")]
        if isinstance(block, CodeBlock):
            title = [f"**{escaped(block.title)}**"] if block.title else []
            return title + [code_span(line) for line in block.text.split("\n") if line.strip()]
        if isinstance(block, (Quote, Excerpt)):
            return self._cell_lines(block.blocks)
        if isinstance(block, (Panel, Group)):
            head = _panel_head(block) if isinstance(block, Panel) else block.title
            return ([f"**{escaped(head)}**"] if head else []) + self._cell_lines(block.blocks)
        if isinstance(block, List):
            found = []
            for index, item in enumerate(block.items):
                bullet = f"{block.start + index}. " if block.ordered else "- "
                if item.checked is not None:
                    bullet += "[x] " if item.checked else "[ ] "
                lines = self._cell_lines(item.blocks)
                found.extend([bullet + line if position == 0 else line for position, line in enumerate(lines)])
            return found
        if isinstance(block, Table):
            rows = (
                " / ".join(text for cell in row if (text := " ".join(self._cell_lines(cell.blocks))))
                for row in block.rows
            )
            return [self._line(block.caption, "cell"), *rows]
        if isinstance(block, Include):
            return self._include(block).split("\n")
        return []

    # -------------------------------------------------------------------------------------- inlines
    def inlines(self, inlines: Sequence[Inline]) -> str:
        """Return a run of inlines as lines of their own."""
        return self._line(inlines, "block")

    def _line(self, inlines: Sequence[Inline], where: Where) -> str:
        """Return a run of inlines. ``cell`` and ``label`` (a heading) are one line; elsewhere a break is one."""
        if len(inlines) == 1 and type(only := inlines[0]) is str:
            return escaped(only).strip(" ")
        return self._run(inlines, where, _NO_STYLES).strip(" ")

    def _run(self, inlines: Sequence[Inline], where: Where, within: frozenset[str]) -> str:
        """Return a run of inlines.

        :param within: the styles around it, and ``link`` within a link, which may not nest.
        """
        styled = bool(within)
        in_label = styled and "link" in within
        left = len(inlines)
        if left == 1 and type(only := inlines[0]) is str:
            return escaped(only, followed=styled, in_label=in_label)
        pieces: list[tuple[str, str, bool]] = []
        for inline in inlines:
            left -= 1
            if type(inline) is str:
                if inline:
                    pieces.append((escaped(inline, followed=styled or left > 0, in_label=in_label), "", False))
            else:
                piece = _INLINES[inline.__class__](self, inline, where, within)
                if piece[0]:
                    pieces.append(piece)
        return assembled(pieces)

    # Each gives the text, the mark to put around it, and whether it is a word of its own.
    def _styled(self, inline: Styled, where: Where, within: frozenset[str]) -> tuple[str, str, bool]:
        kind = inline.kind
        children = inline.children
        only = children[0] if len(children) == 1 else None
        if type(only) is str:
            inner = escaped(only, followed=True, in_label="link" in within)
        elif isinstance(only, Styled) and not within and {kind, only.kind} == {"strong", "em"}:
            return self._run(only.children, where, _STRONG_EM), "***", False
        else:
            inner = self._run(children, where, within | {kind})
        mark = "" if kind in within else _MARKS.get(kind, "")
        return (raised(inner) if kind == "sup" else inner), mark, False

    def _code(self, inline: Code, _where: Where, _within: frozenset[str]) -> tuple[str, str, bool]:
        return code_span(inline.text), "", False

    def _status(self, inline: Status, _where: Where, within: frozenset[str]) -> tuple[str, str, bool]:
        return escaped(inline.title), "" if "strong" in within else "**", True

    def _break(self, _inline: LineBreak, where: Where, _within: frozenset[str]) -> tuple[str, str, bool]:
        return _BREAKS[where], "", False

    def _link(self, link: Link, where: Where, within: frozenset[str]) -> tuple[str, str, bool]:
        text = self._link_text(link, where, within)
        return text, "", not link.children

    def _link_text(self, link: Link, where: Where, within: frozenset[str]) -> str:
        reference = link.reference
        children = link.children
        known = self.known(reference)
        self.linked.append((reference, known, children))
        if "link" in within:
            if children:
                return self._run(children, where, within)
            return escaped(known.text or default_text(reference), in_label=True)
        url = self.url(reference, known)
        bare = isinstance(reference, UrlReference) and _shows_itself(reference.url, children)
        if bare and not known.text and url and _AUTOLINK.match(url):
            self._pass_over(children)
            return f"<{url}>"
        if children and not (bare and known.text):
            text = self._run(children, where, (within | _LINK if within else _LINK) if url else within)
        else:
            self._pass_over(children)
            target = reference.target if isinstance(reference, IncludeReference) else reference
            text = escaped(known.text or default_text(target), followed=True, in_label=bool(url))
        if not url or not text or text.isspace():
            return text
        if text[0] in " \n" or text[-1] in " \n":
            lead, text, trail = edges(text)
            return f"{lead}[{text}]({destination(url)}){trail}"
        return f"[{text}]({destination(url)})"

    def _pass_over(self, children: Sequence[Inline]) -> None:
        """Take note of the links in what is not written because the link around it shows its URL or title."""
        if any(child.__class__ is not str for child in children):
            self._run(children, "label", _LINK)

    def _picture(self, image: Image, where: Where, within: frozenset[str]) -> tuple[str, str, bool]:
        return self._image(image, where, within), "", True

    def _image(self, image: Image, where: Where, within: frozenset[str]) -> str:
        reference = image.reference
        target = self.url(reference, self.known(reference))
        if not target and isinstance(reference, AttachmentReference) and not is_machine_name(reference.filename):
            target = reference.filename
        alt = escaped(image.alt, in_label=True, followed=True)
        title = f' "{_quoted(image.title)}"' if image.title and image.title != image.alt else ""
        if target:
            written = f"![{alt}]({destination(target)}{title})"
        else:
            written = " ".join(escaped(text) for text in dict.fromkeys((image.alt, image.title)) if text)
        if not image.caption:
            return written
        caption = self._run((Styled("em", image.caption),), where, within)
        return _BREAKS[where].join(part for part in (written, caption) if part)


_BLOCKS: Mapping[type, Callable[[_Writer, Any], str]] = {
    Paragraph: _Writer._paragraph,
    Heading: _Writer._heading,
    CodeBlock: _Writer._code_block,
    Quote: _Writer._quote,
    Panel: _Writer._panel,
    Group: _Writer._group,
    Excerpt: _Writer._excerpt,
    Include: _Writer._include,
    List: _Writer._list,
    Table: _Writer._table,
    Rule: _Writer._rule,
}
_INLINES: Mapping[type, Callable[[_Writer, Any, Where, frozenset[str]], tuple[str, str, bool]]] = {
    Styled: _Writer._styled,
    Code: _Writer._code,
    Link: _Writer._link,
    Image: _Writer._picture,
    Status: _Writer._status,
    LineBreak: _Writer._break,
}


def _may_interrupt(block: List) -> bool:
    """Return whether Markdown lets this list begin right under a line of text."""
    return bool(block.items and block.items[0].blocks) and (not block.ordered or block.start == 1)


def _shows_itself(url: str, children: Sequence[Inline]) -> bool:
    """Return whether the text of a link is no more than its URL."""
    if len(children) == 1 and isinstance(only := children[0], str):
        return only.strip() == url
    return not children or inline_text(children) == url


def _panel_head(panel: Panel) -> str:
    kind = "" if panel.kind == "panel" else panel.kind.capitalize()
    return ": ".join(part for part in (kind, panel.title) if part)


def _prefixed(text: str, prefix: str) -> str:
    if not text:
        return ""
    bare = prefix.rstrip()
    return "\n".join([prefix + line if line else bare for line in text.split("\n")])


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("<", "\\<").replace("&", "\\&")
