"""What a body says, free of how Confluence wrote it down: a small tree of blocks and inlines, and what it refers to.

Both readers (storage format, ADF) give the same :class:`Content`; :func:`.markdown.write` writes it. Nothing here knows a title,
URL or name that the body does not hold: those are looked up in bulk and handed to the writer as a ``resolve`` function.
Nobody changes a node: type checkers see that to it.
Text is a plain ``str``, with white space collapsed as a browser would; only :class:`CodeBlock` keeps its text to the character.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from dataclasses import dataclass as _node
else:

    def _node(*, frozen: bool, slots: bool) -> Any:
        """Make a dataclass that only type checkers hold to be frozen: a page has hundreds of nodes, and a frozen one costs thrice."""
        return dataclass(slots=slots, unsafe_hash=frozen)


# ------------------------------------------------------------------------------------------ what a body refers to
@_node(frozen=True, slots=True)
class PageReference:
    """A page by title; ``space_key`` is ``None`` for the space of the item that refers to it."""

    title: str
    space_key: str | None = None
    anchor: str | None = None


@_node(frozen=True, slots=True)
class BlogpostReference:
    """A blog post by title and posting day (``2026/03/01``, as Confluence writes it; empty where it does not)."""

    title: str
    posting_day: str
    space_key: str | None = None
    anchor: str | None = None


@_node(frozen=True, slots=True)
class ContentReference:
    """An item of Confluence by its id."""

    content_id: str
    anchor: str | None = None


@_node(frozen=True, slots=True)
class AttachmentReference:
    """An attachment by file name; ``container`` is ``None`` where it hangs on the item that refers to it.

    ADF names a file by its ``file_id`` (that of the media services, which v2 attachment rows carry as ``fileId``) and not always by name;
    then ``filename`` is empty.
    """

    filename: str
    container: PageReference | BlogpostReference | ContentReference | None = None
    file_id: str | None = None


@_node(frozen=True, slots=True)
class UserReference:
    """A person by account id (Cloud), user key or user name (Data Center).

    ``name`` is what the body itself calls them, for where nobody knows better; it does not tell one person from another.
    """

    id: str
    kind: Literal["account", "key", "name"]
    name: str = field(default="", compare=False)


@_node(frozen=True, slots=True)
class SpaceReference:
    """A space by key."""

    key: str


@_node(frozen=True, slots=True)
class UrlReference:
    """Anything by URL, absolute or relative to the site, as the body has it."""

    url: str


@_node(frozen=True, slots=True)
class AnchorReference:
    """A place in the same item."""

    anchor: str


@_node(frozen=True, slots=True)
class ShortcutReference:
    """A shortcut link, ``[parameter@key]``: its URL pattern is known to the administrators of the site only."""

    key: str
    parameter: str


@_node(frozen=True, slots=True)
class JiraReference:
    """One Jira issue by key, or many by a query; the other of the two is ``None``."""

    key: str | None = None
    jql: str | None = None


@_node(frozen=True, slots=True)
class IncludeReference:
    """A page whose text is shown here. ``excerpt`` is ``None`` for the whole page, else the excerpt's name (empty: its first)."""

    target: PageReference | BlogpostReference | ContentReference
    excerpt: str | None = None


Reference = (
    PageReference
    | BlogpostReference
    | ContentReference
    | AttachmentReference
    | UserReference
    | SpaceReference
    | UrlReference
    | AnchorReference
    | ShortcutReference
    | JiraReference
    | IncludeReference
)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a look-up knows about a reference: any of its title, absolute URL, content id.

    For an :class:`IncludeReference`, ``content`` is the target's own content, written in place of the link; leave it ``None`` where the
    reader of the including page may not see the target. ``resolve`` answers for the references in it.
    """

    text: str | None = None
    url: str | None = None
    content_id: str | None = None
    content: Content | None = None
    resolve: Resolve | None = None


Resolve = Callable[[Reference], Resolved | None]


# ------------------------------------------------------------------------------------------ inlines
StyleKind = Literal["strong", "em", "u", "s", "sub", "sup"]


@_node(frozen=True, slots=True)
class Styled:
    """Text with one typographic style."""

    kind: StyleKind
    children: tuple[Inline, ...]


@_node(frozen=True, slots=True)
class Code:
    """Code within a sentence."""

    text: str


@_node(frozen=True, slots=True)
class Link:
    """A reference in a sentence. Without children, its text is the target's title, file name or display name."""

    reference: Reference
    children: tuple[Inline, ...] = ()


@_node(frozen=True, slots=True)
class Image:
    """A picture. ``alt`` and ``title`` are what the author wrote, empty where nothing."""

    reference: Reference
    alt: str = ""
    title: str = ""
    caption: tuple[Inline, ...] = ()


@_node(frozen=True, slots=True)
class Status:
    """A coloured label such as DONE; always a word of its own."""

    title: str


@_node(frozen=True, slots=True)
class LineBreak:
    """A forced new line."""


Inline = str | Styled | Code | Link | Image | Status | LineBreak


# ------------------------------------------------------------------------------------------ blocks
@_node(frozen=True, slots=True)
class Paragraph:
    """A run of text."""

    inlines: tuple[Inline, ...]


@_node(frozen=True, slots=True)
class Heading:
    """A heading, level 1 to 6."""

    level: int
    inlines: tuple[Inline, ...]


@_node(frozen=True, slots=True)
class CodeBlock:
    """Text to be kept to the character; ``language`` and ``title`` are empty where nobody gave them."""

    text: str
    language: str = ""
    title: str = ""


@_node(frozen=True, slots=True)
class Quote:
    """Quoted blocks."""

    blocks: tuple[Block, ...]


PANEL_KINDS = ("info", "note", "tip", "warning", "error", "success")


@_node(frozen=True, slots=True)
class Panel:
    """A box set apart: one of ``PANEL_KINDS``, or ``panel`` for one without a meaning."""

    kind: str
    title: str
    blocks: tuple[Block, ...]


@_node(frozen=True, slots=True)
class Group:
    """Blocks that belong together under a title (an expand, a tab)."""

    title: str
    blocks: tuple[Block, ...]


@_node(frozen=True, slots=True)
class Excerpt:
    """The part that other pages may show; ``hidden`` ones are not shown on the page itself, yet are part of its text."""

    name: str
    hidden: bool
    blocks: tuple[Block, ...]


@_node(frozen=True, slots=True)
class Include:
    """The place where another page's text is shown."""

    reference: IncludeReference


@_node(frozen=True, slots=True)
class ListItem:
    """One item; ``checked`` is ``None`` where it is no task."""

    blocks: tuple[Block, ...]
    checked: bool | None = None


@_node(frozen=True, slots=True)
class List:
    """A bulleted or numbered list; ``start`` counts only where it is numbered."""

    items: tuple[ListItem, ...]
    ordered: bool = False
    start: int = 1


@_node(frozen=True, slots=True)
class Cell:
    """One field of a table's grid."""

    blocks: tuple[Block, ...] = ()
    header: bool = False


@_node(frozen=True, slots=True)
class Table:
    """A grid: a cell that spans several fields fills the first and leaves the others empty. Rows may end early.

    ``header_rows`` counts the rows at the top that hold nothing but headers.
    """

    rows: tuple[tuple[Cell, ...], ...]
    header_rows: int = 0
    caption: tuple[Inline, ...] = ()


@_node(frozen=True, slots=True)
class Rule:
    """A horizontal line."""


Block = Paragraph | Heading | CodeBlock | Quote | Panel | Group | Excerpt | Include | List | Table | Rule


# ------------------------------------------------------------------------------------------ the whole
@dataclass(frozen=True, slots=True)
class OutlineEntry:
    """One heading of the outline, as plain text."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Content:
    """A whole body.

    ``references`` has each reference once, in the order of the text. ``properties`` are page properties (the details macro): name to
    blocks, because a value may mention people; :func:`.markdown.properties` turns them into text. ``warnings`` are short and countable,
    each once: ``parser=fallback``, ``unknown_macro=chart2``, ``dropped_macro=style``, ``unknown_node=paperclip``, ``too_deep``,
    ``cut=20000000``.
    """

    blocks: tuple[Block, ...] = ()
    references: tuple[Reference, ...] = ()
    properties: Mapping[str, tuple[Block, ...]] = field(default_factory=dict)
    outline: tuple[OutlineEntry, ...] = ()
    warnings: tuple[str, ...] = ()


def find_excerpt(content: Content, name: str = "") -> Excerpt | None:
    """Return the excerpt of that name, or the first one for an empty name; ``None`` where there is none."""
    waiting: list[Block] = list(reversed(content.blocks))
    while waiting:
        block = waiting.pop()
        if isinstance(block, Excerpt) and name in ("", block.name):
            return block
        if isinstance(block, (Quote, Panel, Group, Excerpt)):
            waiting.extend(reversed(block.blocks))
        elif isinstance(block, List):
            waiting.extend(inner for item in reversed(block.items) for inner in reversed(item.blocks))
        elif isinstance(block, Table):
            waiting.extend(
                inner for row in reversed(block.rows) for cell in reversed(row) for inner in reversed(cell.blocks)
            )
    return None
