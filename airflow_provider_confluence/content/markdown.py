"""Content → Markdown (CommonMark with the tables, task lists and strikethrough of GitHub's dialect).

A reference is written with what ``resolve`` answers for it: a title, a URL. Without an answer it gives its own title, file name or key, a
person "unknown user", and never an id. A page with many references is cheap: each is asked for once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from airflow_provider_confluence.content.escaping import (
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
    Link,
    List,
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
_EXPONENT = re.compile(r"[+-−–]?\d+(?:[.,]\d+)?\Z")
# After these a label or a name stands apart; after an opening bracket or an @ it does not.
_ENDS = (":", ",", ";", ".", "!", "?", ")")
_EXPRESSION = re.compile(r"\w+(?:[-+/−]\w+)+\Z")
_EMPTY_LINES = re.compile(r"(?:  \n){2,}")
_MAX_INCLUDES = 3
_NOTHING = Resolved()

Where = Literal["block", "cell", "label"]


def write(content: Content, resolve: Resolve | None = None) -> str:
    """Return the content as Markdown, ending in a line feed; empty for empty content.

    :param resolve: what is known of a reference; ``None``, or an answer of ``None``, for nothing. It is asked once for each reference.
    """
    text = _Writer(resolve).blocks(content.blocks)
    return text + "\n" if text else ""


def links(content: Content, resolve: Resolve | None = None) -> list[DocumentLink]:
    """Return where the content leads: every reference with a URL, each URL once, in the order of the text.

    People and pictures are left out: they are not where a reader goes on.
    """
    writer = _Writer(resolve)
    found: dict[str, DocumentLink] = {}
    for reference, text in _linked(content.blocks):
        if isinstance(reference, (UserReference, AnchorReference)):
            continue
        known = writer.known(reference)
        url = writer.url(reference)
        if url and (url not in found or not found[url].title):
            title = known.text or text or ("" if isinstance(reference, UrlReference) else default_text(reference))
            found[url] = DocumentLink(url, title, known.content_id)
    return list(found.values())


def properties(content: Content, resolve: Resolve | None = None) -> dict[str, str]:
    """Return the page properties as plain text, in the order of the page."""
    return {name: block_text(value, resolve) for name, value in content.properties.items()}


def _linked(blocks: Iterable[Block]) -> Iterator[tuple[Reference, str]]:
    """Yield every reference that is written as a link, with the text the author gave it."""
    waiting: list[Block | Inline] = []
    waiting.extend(reversed(tuple(blocks)))
    while waiting:
        node = waiting.pop()
        inner: list[Block | Inline] = []
        if isinstance(node, Link):
            yield node.reference, inline_text(node.children)
            inner.extend(node.children)
        elif isinstance(node, Include):
            yield node.reference, ""
        elif isinstance(node, (Paragraph, Heading)):
            inner.extend(node.inlines)
        elif isinstance(node, Styled):
            inner.extend(node.children)
        elif isinstance(node, Image):
            inner.extend(node.caption)
        elif isinstance(node, (Quote, Panel, Group, Excerpt)):
            inner.extend(node.blocks)
        elif isinstance(node, List):
            inner.extend(block for item in node.items for block in item.blocks)
        elif isinstance(node, Table):
            inner.extend(node.caption)
            inner.extend(block for row in node.rows for cell in row for block in cell.blocks)
        waiting.extend(reversed(inner))


class _Writer:
    def __init__(self, resolve: Resolve | None, includes: int = 0) -> None:
        self._resolve = resolve
        self._known: dict[Reference, Resolved] = {}
        self._includes = includes

    # -------------------------------------------------------------------------------------- references
    def known(self, reference: Reference) -> Resolved:
        if self._resolve is None:
            return _NOTHING
        if reference not in self._known:
            answer = self._resolve(reference)
            if answer is None and isinstance(reference, IncludeReference):
                answer = self._resolve(reference.target)
            self._known[reference] = answer or _NOTHING
        return self._known[reference]

    def url(self, reference: Reference) -> str:
        url = self.known(reference).url or (reference.url if isinstance(reference, UrlReference) else "")
        if not url or _UNSAFE.match(url):
            return ""
        target = reference.target if isinstance(reference, IncludeReference) else reference
        anchor = target.anchor if isinstance(target, (PageReference, BlogpostReference, ContentReference)) else None
        return anchored(url, anchor)

    # -------------------------------------------------------------------------------------- blocks
    def blocks(self, blocks: Iterable[Block]) -> str:
        return self._joined(blocks, tight=False)

    def _joined(self, blocks: Iterable[Block], *, tight: bool) -> str:
        parts: list[str] = []
        before: Block | None = None
        marker = 0
        for block in blocks:
            if isinstance(block, List):
                # Two lists in a row would run together; the other marker keeps them apart.
                same = isinstance(before, List) and before.ordered == block.ordered
                marker = 1 - marker if same else 0
                text = self._list(block, marker)
            else:
                text = self._block(block)
            if not text:
                continue
            if parts:
                follows = tight and isinstance(before, Paragraph) and isinstance(block, List) and _may_interrupt(block)
                parts.append("\n" if follows else "\n\n")
            parts.append(text)
            before = block
        return "".join(parts)

    def _block(self, block: Block) -> str:
        if isinstance(block, Paragraph):  # first, because most blocks are
            text = self.inlines(block.inlines)
            return escaped_line_starts(_EMPTY_LINES.sub("\n\n", text) if "\n" in text else text)
        if isinstance(block, Heading):
            text = self.inlines(block.inlines, "label").strip()
            text = re.sub(r"(?:(?<=\s)|\A)(#+)\Z", r"\\\1", text)
            return f"{'#' * block.level} {text}" if text else ""
        if isinstance(block, CodeBlock):
            fence = fence_for(block.text)
            title = f"**{escaped(block.title)}**\n\n" if block.title else ""
            return f"{title}{fence}{block.language}\n{block.text}\n{fence}"
        if isinstance(block, Quote):
            return _prefixed(self.blocks(block.blocks), "> ")
        if isinstance(block, Panel):
            head = _panel_head(block)
            body = self.blocks(block.blocks)
            return _prefixed("\n\n".join(part for part in (f"**{escaped(head)}**" if head else "", body) if part), "> ")
        if isinstance(block, Group):
            body = self.blocks(block.blocks)
            return "\n\n".join(part for part in (f"**{escaped(block.title)}**" if block.title else "", body) if part)
        if isinstance(block, Excerpt):
            return self.blocks(block.blocks)
        if isinstance(block, Include):
            return self._include(block)
        if isinstance(block, Table):
            return self._table(block)
        if isinstance(block, Rule):
            return "---"
        return self._list(block, 0)

    def _include(self, block: Include) -> str:
        known = self.known(block.reference)
        if known.content is None or self._includes >= _MAX_INCLUDES:
            return escaped_line_starts(self.inlines((Link(block.reference),)))
        included: Sequence[Block] = known.content.blocks
        if block.reference.excerpt is not None:
            excerpt = find_excerpt(known.content, block.reference.excerpt)
            included = excerpt.blocks if excerpt is not None else ()
        return _Writer(self._resolve, self._includes + 1).blocks(included)

    def _list(self, block: List, marker: int) -> str:
        lines: list[str] = []
        number = block.start
        for item in block.items:
            blocks = [inner for inner in item.blocks if not isinstance(inner, Rule)]
            text = self._joined(blocks, tight=True)
            bullet = f"{number}{'.)'[marker]} " if block.ordered else f"{'-*'[marker]} "
            number += 1
            if not text:
                continue
            indent = " " * len(bullet)
            if item.checked is not None:
                bullet += "[x] " if item.checked else "[ ] "
            first, _, rest = text.partition("\n")
            lines.append(bullet + first + ("\n" + _prefixed(rest, indent) if rest else ""))
        return "\n".join(lines)

    # -------------------------------------------------------------------------------------- tables
    def _table(self, table: Table) -> str:
        width = max(len(row) for row in table.rows)
        caption = self.inlines(table.caption)
        if width == 1 and len(table.rows) == 1:
            # A table of one field is a box somebody drew, not a table.
            return "\n\n".join(part for part in (caption, self.blocks(table.rows[0][0].blocks)) if part)
        rows = [[self._cell(cell.blocks) for cell in row] for row in table.rows]
        if table.header_rows == 0:
            rows.insert(0, [])
        rows[0] = rows[0] + [""] * (width - len(rows[0]))
        lines = [_table_line(row) for row in rows]
        lines.insert(1, "| " + " | ".join(["---"] * width) + " |")
        return "\n\n".join(part for part in (escaped_line_starts(caption), "\n".join(lines)) if part)

    def _cell(self, blocks: Sequence[Block]) -> str:
        return "<br>".join(self._cell_lines(blocks)).replace("|", "\\|")

    def _cell_lines(self, blocks: Sequence[Block]) -> list[str]:
        lines: list[str] = []
        for block in blocks:
            lines.extend(line for line in self._cell_block(block) if line)
        return lines

    def _cell_block(self, block: Block) -> list[str]:
        if isinstance(block, Paragraph):
            return [self.inlines(block.inlines, "cell")]
        if isinstance(block, Heading):
            return [self.inlines((Styled("strong", block.inlines),), "cell")]
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
            return [self.inlines(block.caption, "cell"), *rows]
        if isinstance(block, Include):
            return self._include(block).split("\n")
        return []

    # -------------------------------------------------------------------------------------- inlines
    def inlines(self, inlines: Sequence[Inline], where: Where = "block", within: frozenset[str] = frozenset()) -> str:
        """Return a run of inlines.

        :param where: ``cell`` and ``label`` (a heading) are one line; elsewhere a break is one.
        :param within: the styles around it, and ``link`` within a link, which may not nest.
        """
        return self._run(inlines, where, within).strip(" ")

    def _run(self, inlines: Sequence[Inline], where: Where, within: frozenset[str]) -> str:
        if len(inlines) == 1 and inlines[0].__class__ is str:
            return escaped(str(inlines[0]), followed=bool(within), in_label="link" in within)
        pieces: list[tuple[str, str, bool]] = []
        last = len(inlines) - 1
        for index, inline in enumerate(inlines):
            piece = self._piece(inline, where, within, followed=index < last or bool(within))
            if piece[0]:
                pieces.append(piece)
        return _assembled(pieces)

    def _piece(self, inline: Inline, where: Where, within: frozenset[str], *, followed: bool) -> tuple[str, str, bool]:
        """Return the text, the mark to put around it, and whether it is a word of its own."""
        if isinstance(inline, str):
            return escaped(inline, followed=followed, in_label="link" in within), "", False
        if isinstance(inline, Styled):
            only = inline.children[0] if len(inline.children) == 1 else None
            if isinstance(only, Styled) and not within and {inline.kind, only.kind} == {"strong", "em"}:
                return self._run(only.children, where, within | {"strong", "em"}), "***", False
            mark = "" if inline.kind in within else _MARKS.get(inline.kind, "")
            inner = self._run(inline.children, where, within | {inline.kind})
            return (_raised(inner) if inline.kind == "sup" else inner), mark, False
        if isinstance(inline, Code):
            return code_span(inline.text), "", False
        if isinstance(inline, Link):
            return self._link(inline, where, within), "", not inline.children
        if isinstance(inline, Status):
            return escaped(inline.title), "" if "strong" in within else "**", True
        if isinstance(inline, Image):
            return self._image(inline, where, within), "", True
        return {"block": "  \n", "cell": "<br>", "label": " "}[where], "", False

    def _link(self, link: Link, where: Where, within: frozenset[str]) -> str:
        reference = link.reference
        known = self.known(reference)
        url = self.url(reference)
        plain = inline_text(link.children)
        if "link" in within:
            if link.children:
                return self._run(link.children, where, within)
            return escaped(known.text or default_text(reference), in_label=True)
        bare = isinstance(reference, UrlReference) and (not link.children or plain == reference.url)
        if bare and not known.text and url and re.fullmatch(r"[a-z][a-z0-9+.-]+://[^\s<>\\`]+", url):
            return f"<{url}>"
        inside = within | ({"link"} if url else frozenset())
        if link.children and not (bare and known.text):
            text = self._run(link.children, where, inside)
        else:
            target = reference.target if isinstance(reference, IncludeReference) else reference
            text = escaped(known.text or default_text(target), followed=True, in_label=bool(url))
        if not url or not text.strip():
            return text
        lead, text, trail = _edges(text)
        return f"{lead}[{text}]({destination(url)}){trail}"

    def _image(self, image: Image, where: Where, within: frozenset[str]) -> str:
        reference = image.reference
        target = self.url(reference)
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
        separator = {"block": "  \n", "cell": "<br>", "label": " "}[where]
        return separator.join(part for part in (written, caption) if part)


def _may_interrupt(block: List) -> bool:
    """Return whether Markdown lets this list begin right under a line of text."""
    return bool(block.items and block.items[0].blocks) and (not block.ordered or block.start == 1)


def _panel_head(panel: Panel) -> str:
    kind = "" if panel.kind == "panel" else panel.kind.capitalize()
    return ": ".join(part for part in (kind, panel.title) if part)


def _prefixed(text: str, prefix: str) -> str:
    bare = prefix.rstrip()
    return "\n".join(prefix + line if line else bare for line in text.split("\n")) if text else ""


def _table_line(row: Sequence[str]) -> str:
    return "| " + " | ".join(row) + " |"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("<", "\\<").replace("&", "\\&")


def _raised(text: str) -> str:
    """Return a superscript: 10^6 must not become 106, while 1st and Foo™ read well without a sign."""
    bare = text.strip()
    if _EXPONENT.match(bare) or (len(bare) == 1 and bare.isalnum()):
        return "^" + text
    return f"^({bare})" if _EXPRESSION.match(bare) else text


def _edges(text: str) -> tuple[str, str, str]:
    """Return leading white space, the rest, trailing white space."""
    rest = text.lstrip(" \n")
    kept = rest.rstrip(" \n")
    trail = rest[len(kept) :]
    # A mark will stand where the space was, and a lone backslash would take it for text.
    if trail and (len(kept) - len(kept.rstrip("\\"))) % 2:
        kept += "\\"
    return text[: len(text) - len(rest)], kept, trail


def _assembled(pieces: Sequence[tuple[str, str, bool]]) -> str:
    """Join the pieces; a mark that Markdown would not read as one where it stands is left out, for a stray star is worse."""
    out: list[str] = []
    before = ""
    for index, (text, mark, own_word) in enumerate(pieces):
        after = pieces[index + 1][0][:1] if index + 1 < len(pieces) else ""
        if own_word:
            text = (" " if before.isalnum() or before in _ENDS else "") + text + (" " if after.isalnum() else "")
        if mark:
            lead, text, trail = _edges(text)
            left = lead[-1:] or before
            right = trail[:1] or (after if not _begins_marked(pieces, index + 1) else "*")
            if text and _flanks(left, text[0]) and _flanks(right, text[-1]):
                text = f"{lead}{mark}{text}{mark}{trail}"
            else:
                text = lead + text + trail
        if before in ("", " ", "\n") and text[:1] == " ":
            text = text.lstrip(" ") if before != "" or not out else text
            if text.startswith("\n"):
                text = "  " + text
        if text:
            # What only meets here must not read as a link or a picture.
            if before == "]" and text[0] == "(":
                text = "\\" + text
            elif before == "!" and text[0] == "[":
                out[-1] = out[-1][:-1] + "\\!"
            out.append(text)
            before = text[-1]
    return "".join(out)


def _begins_marked(pieces: Sequence[tuple[str, str, bool]], index: int) -> bool:
    return index < len(pieces) and bool(pieces[index][1]) and not pieces[index][0].startswith((" ", "\n"))


def _flanks(outside: str, inside: str) -> bool:
    """Return whether a mark between these characters opens or closes, by CommonMark's rule of flanking runs."""
    if inside.isspace() or inside in "*_~" or outside in ("*", "_", "~"):
        return False
    if not _is_punctuation(inside):
        return True
    return outside == "" or outside.isspace() or _is_punctuation(outside)


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"
