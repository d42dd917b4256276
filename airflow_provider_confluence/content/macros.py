"""What becomes of every macro: :data:`MACROS`, at the end, a table of names, what a reader of the text gets, and the handler.

A handler gets the walker and the macro and returns nodes; users bring handlers of their own (``docs/writing-a-macro-handler.md``).
A macro that is not in the table keeps its body and its title, and is named in the warnings; its other parameters are settings, not text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote

from airflow_provider_confluence.content import emoticons
from airflow_provider_confluence.content.building import NODES, Node, as_blocks, inlines_of
from airflow_provider_confluence.content.model import (
    AttachmentReference,
    Block,
    BlogpostReference,
    Code,
    CodeBlock,
    ContentReference,
    Excerpt,
    Group,
    Include,
    IncludeReference,
    Inline,
    JiraReference,
    Link,
    List,
    ListItem,
    PageReference,
    Panel,
    Paragraph,
    Quote,
    Reference,
    Status,
    Styled,
    Table,
    UrlReference,
    UserReference,
)
from airflow_provider_confluence.content.tables import key_values

_HTML = ("html", "html-macro", "html-bobswift")
_LANGUAGE = re.compile(r"[A-Za-z][A-Za-z0-9+#._-]*\Z")


class Walker(Protocol):
    """What a handler may ask of the reader."""

    def nodes(self, element: Any) -> list[Node]:
        """Return what the children of an element say; an element of the format that the reader reads."""

    def refer(self, reference: Reference) -> None:
        """Record a reference."""

    def describe(self, properties: Mapping[str, tuple[Block, ...]]) -> None:
        """Record page properties; the first value of a name stays."""

    def warn(self, warning: str) -> None:
        """Record a warning, once."""


class Macro(Protocol):
    """One macro, in whichever format it is written down: in storage format or in ADF."""

    @property
    def name(self) -> str:
        """Return the name that the policy knows it by."""

    def parameter(self, *names: str) -> str:
        """Return the text of the first of these parameters that has any, in one line; the unnamed one is ``""``."""

    def target(self, *names: str) -> Reference | None:
        """Return what the first of these parameters refers to, directly or in a link."""

    def rich(self, walker: Walker) -> list[Node]:
        """Return what the rich-text body says."""

    def plain(self) -> str:
        """Return the plain-text body to the character; empty where there is none."""


Nodes = Sequence[Node]
"""What a handler returns: text, inlines and blocks of :mod:`.model`."""

Handler = Callable[[Walker, Macro], Nodes]


class MacroRow(NamedTuple):
    """One row of the policy: macro names, what they become, and how."""

    names: str
    becomes: str
    handle: Handler


# ------------------------------------------------------------------------------------------ bodies
def body_of(walker: Walker, macro: Macro) -> list[Node]:
    """Return what the body of a macro says: the rich one as text, the plain one as a code block."""
    found, text = macro.rich(walker), macro.plain()
    if text and not text.isspace():
        found.append(CodeBlock(text))
    return found


def code_language(name: str) -> str:
    """Return the name of a programming language as a fence of Markdown takes it, or nothing for what is no such name."""
    name = name.strip().lower()
    return name if _LANGUAGE.match(name) else ""


def _code(walker: Walker, macro: Macro) -> Sequence[Node]:
    return _code_block(walker, macro, code_language(macro.parameter("language", "lang", "")))


def _source(language: str) -> Handler:
    """Keep a plain-text body that is the source of something drawn."""
    return lambda walker, macro: _code_block(walker, macro, language)


def _code_block(walker: Walker, macro: Macro, language: str) -> Sequence[Node]:
    text = macro.plain()
    found: list[Node] = [CodeBlock(text, language, macro.parameter("title"))] if text.strip() else []
    rich = macro.rich(walker)
    if rich:
        found.extend(as_blocks(rich))
    return found


def _formula(walker: Walker, macro: Macro) -> Sequence[Node]:
    text = _formula_text(walker, macro)
    return [CodeBlock(text.strip("\r\n"), "math")] if text else []


def _formula_in_text(walker: Walker, macro: Macro) -> Sequence[Node]:
    text = " ".join(_formula_text(walker, macro).split())
    return [Code(text)] if text else []


def _formula_text(walker: Walker, macro: Macro) -> str:
    text = macro.plain() or macro.parameter("body", "equation", "formula", "")
    if text.strip():
        return text
    return "".join(node for node in macro.rich(walker) if isinstance(node, str))


def _panel(kind: str) -> Handler:
    def handle(walker: Walker, macro: Macro) -> Sequence[Node]:
        title, blocks = macro.parameter("title"), as_blocks(body_of(walker, macro))
        if kind == "panel":  # a box that the author gave a sign of their own
            icon = emoticons.character(
                name="",
                fallback=macro.parameter("panelIconText"),
                shortname=macro.parameter("panelIcon"),
                emoji_id=macro.parameter("panelIconId"),
            )
            title = f"{icon} {title}".strip()
        return [Panel(kind, title, tuple(blocks))] if title or blocks else []

    return handle


def _quote(walker: Walker, macro: Macro) -> Sequence[Node]:
    blocks = as_blocks(body_of(walker, macro))
    return [Quote(tuple(blocks))] if blocks else []


def _titled(walker: Walker, macro: Macro) -> Sequence[Node]:
    title, blocks = macro.parameter("title", "label", "name"), as_blocks(body_of(walker, macro))
    if not title:
        return blocks
    return [Group(title, tuple(blocks))]


def _bare(walker: Walker, macro: Macro) -> Sequence[Node]:
    return as_blocks(body_of(walker, macro))


def _inline(walker: Walker, macro: Macro) -> Sequence[Node]:
    return body_of(walker, macro)


def _footnote(walker: Walker, macro: Macro) -> Sequence[Node]:
    """Put the note in brackets where its mark stands, so that no piece of the text is without it."""
    inlines = inlines_of(body_of(walker, macro))
    return [" (", *inlines, ")"] if inlines else []


def _html(walker: Walker, macro: Macro) -> Sequence[Node]:
    """Keep the words of markup that somebody typed in; scripts and styles in it are dropped, and named, as anywhere."""
    from airflow_provider_confluence.content import storage_format

    content = storage_format.read_html(macro.plain(), dict.fromkeys(_HTML, _refused))
    for reference in content.references:
        walker.refer(reference)
    for warning in content.warnings:
        walker.warn(warning)
    return [*content.blocks, *as_blocks(macro.rich(walker))]


def _excerpt(walker: Walker, macro: Macro) -> Sequence[Node]:
    blocks = tuple(as_blocks(body_of(walker, macro)))
    hidden = macro.parameter("hidden").lower() == "true"
    return [Excerpt(macro.parameter("name", "MultiExcerptName"), hidden, blocks)] if blocks else []


def _details(walker: Walker, macro: Macro) -> Sequence[Node]:
    blocks = as_blocks(body_of(walker, macro))
    for block in blocks:
        if isinstance(block, Table):
            walker.describe(key_values(block))
    return blocks


# ------------------------------------------------------------------------------------------ single things
def _status(_walker: Walker, macro: Macro) -> Sequence[Node]:
    title = macro.parameter("title", "")
    return [Status(title)] if title else []


def _tooltip(walker: Walker, macro: Macro) -> Sequence[Node]:
    """Keep the words, and in brackets what shows when one points at them."""
    hint = macro.parameter("text", "tooltip", "title")
    words = body_of(walker, macro)
    return [*words, f" ({hint})" if words else hint] if hint else words


def _jira(walker: Walker, macro: Macro) -> Sequence[Node]:
    key, jql = macro.parameter("key", ""), macro.parameter("jqlQuery", "jql")
    if key and not jql:
        return [_link(walker, JiraReference(key=key))]
    if jql:
        walker.warn(f"not_rendered={macro.name}")
        return [_link(walker, JiraReference(jql=jql), Code(jql))]
    return []


def _include(walker: Walker, macro: Macro) -> Sequence[Node]:
    return _included(walker, macro, None)


def _excerpt_include(walker: Walker, macro: Macro) -> Sequence[Node]:
    return _included(walker, macro, macro.parameter("name", "MultiExcerptName"))


def _included(walker: Walker, macro: Macro, excerpt: str | None) -> Sequence[Node]:
    places = ("", "page", "pageTitle", "default-parameter", "PageWithExcerpt")
    target = macro.target(*places)
    if target is None and (text := macro.parameter(*places)):
        # The oldest form: SPACE:Title as text.
        space, colon, title = text.partition(":")
        by_space = bool(colon) and space.isalnum() and space.isupper() and bool(title)
        target = PageReference(title.strip(), space) if by_space else PageReference(text)
    if not isinstance(target, (PageReference, BlogpostReference, ContentReference)):
        return []
    reference = IncludeReference(target, excerpt)
    walker.refer(reference)
    return [Include(reference)]


def _attachment(*parameters: str) -> Handler:
    """Name the attachment that the macro shows; its text is a document of its own."""

    def handle(walker: Walker, macro: Macro) -> Sequence[Node]:
        target = macro.target(*parameters)
        name = macro.parameter(*parameters)
        if target is None and name:
            target = AttachmentReference(name)
        return [_link(walker, target)] if isinstance(target, AttachmentReference) else []

    return handle


def _url(walker: Walker, macro: Macro) -> Sequence[Node]:
    target = macro.target("url", "src", "")
    url = target.url if isinstance(target, UrlReference) else macro.parameter("url", "src", "")
    return [_link(walker, UrlReference(url))] if url else []


def _button(walker: Walker, macro: Macro) -> Sequence[Node]:
    """Make a link of a button or of the title of a link that is a macro."""
    title = macro.parameter("title", "label", "text")
    target = macro.target("url", "link", "href", "")
    if target is None and (url := macro.parameter("url", "link", "href")):
        target = UrlReference(url)
    if target is None:
        return [f" {title} "] if title else []
    return [_link(walker, target, *([title] if title else []))]


def _profile(walker: Walker, macro: Macro) -> Sequence[Node]:
    target = macro.target("user", "")
    return [_link(walker, target)] if isinstance(target, UserReference) else []


def _roadmap(_walker: Walker, macro: Macro) -> Sequence[Node]:
    """Read the plan that the macro keeps, percent-encoded, in a parameter: lanes, their bars, markers."""
    try:
        plan = json.loads(unquote(macro.parameter("source")))
    except ValueError:
        return []
    if not isinstance(plan, dict):
        return []
    items = []
    for lane in _dicts(plan.get("lanes")):
        bars = [ListItem((Paragraph((text,)),)) for bar in _dicts(lane.get("bars")) if (text := _bar(bar))]
        blocks: list[Paragraph | List] = [Paragraph((text,))] if (text := _text(lane.get("title"))) else []
        if bars:
            blocks.append(List(tuple(bars)))
        if blocks:
            items.append(ListItem(tuple(blocks)))
    items += [
        ListItem((Paragraph((text,)),))
        for marker in _dicts(plan.get("markers"))
        if (text := _text(marker.get("title")))
    ]
    title = _text(plan.get("title"))
    found: list[Node] = [Paragraph((Styled("strong", (title,)),))] if title else []
    return [*found, List(tuple(items))] if items else found


def _bar(bar: Mapping[str, object]) -> str:
    return ": ".join(part for part in (_text(bar.get("title")), _text(bar.get("description"))) if part)


def _dicts(value: object) -> list[dict[str, object]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _link(walker: Walker, reference: Reference, *children: Inline) -> Link:
    walker.refer(reference)
    return Link(reference, children)


# ------------------------------------------------------------------------------------------ nothing
def _nothing(_walker: Walker, _macro: Macro) -> Sequence[Node]:
    return []


def _listing(walker: Walker, macro: Macro) -> Sequence[Node]:
    """Leave out what only the server can show; a body, where there is one, stays."""
    walker.warn(f"not_rendered={macro.name}")
    return as_blocks(body_of(walker, macro))


def _refused(walker: Walker, macro: Macro) -> Sequence[Node]:
    walker.warn(f"dropped_macro={macro.name}")
    return []


def handle_own(walker: Walker, macro: Macro, handlers: Mapping[str, Handler]) -> list[Node] | None:
    """Return what the user's own handler of a macro gives; ``None`` where there is none, and where it fails, which the warnings say."""
    handler = handlers.get(macro.name)
    if handler is None:
        return None
    try:
        nodes = list(handler(walker, macro))
        if all(node.__class__ in NODES for node in nodes):
            return nodes
    except Exception:  # noqa: BLE001, S110 - foreign code may cost its macro the handling, never the page; the warning names it
        pass
    walker.warn(f"macro_failed={macro.name}")
    return None


def handle_unknown(walker: Walker, macro: Macro) -> Sequence[Node]:
    """Keep the body and the title of a macro nobody thought of, and say its name in the warnings."""
    walker.warn(f"unknown_macro={macro.name}")
    title, words = macro.parameter("title"), body_of(walker, macro)
    if not title:
        return words
    if not words:
        return [" ", title, " "]
    return [Paragraph((Styled("strong", (title,)),)), *as_blocks(words)]


# ------------------------------------------------------------------------------------------ the table
MACROS: tuple[MacroRow, ...] = (
    MacroRow("code noformat code-block codeblock", "a code block, to the character, with language and title", _code),
    MacroRow("mermaid mermaid-macro mermaid-cloud", "a code block with the source", _source("mermaid")),
    MacroRow("plantuml plantumlrender plantumlcloud", "a code block with the source", _source("plantuml")),
    MacroRow("markdown markdown-from-url-macro markdown-macro", "a code block with the source", _source("markdown")),
    MacroRow("unmigrated-wiki-markup unmigrated-inline-wiki-markup", "a code block with the source", _source("")),
    MacroRow("mathblock easy-math-block eazy-math-block math mathjax-block-macro latex latex-formatting",
             "a code block `math` with the formula", _formula),
    MacroRow("mathinline easy-math-inline eazy-math-inline mathjax-inline-macro", "the formula as `code`", _formula_in_text),
    MacroRow("info auimessage", "a quotation that begins with **Info** and the title in bold", _panel("info")),
    MacroRow("note", "a quotation that begins with **Note** and the title in bold", _panel("note")),
    MacroRow("tip", "a quotation that begins with **Tip** and the title in bold", _panel("tip")),
    MacroRow("warning", "a quotation that begins with **Warning** and the title in bold", _panel("warning")),
    MacroRow("panel aui-panel ui-text-box", "a quotation that begins with the title in bold", _panel("panel")),
    MacroRow("quote blockquote", "a quotation", _quote),
    MacroRow("expand ui-expand ui-tab ui-step tab tab-pane auitabspage card localtab rw-tab",
             "the title in bold, then the content", _titled),
    MacroRow("details", "its content; its tables are also the document's `properties`", _details),
    MacroRow("excerpt multiexcerpt multiexcerpt-macro", "its content, hidden or not; another page may show it", _excerpt),
    MacroRow("section column toc-zone deck tab-group auitabs auihorizontalnav ui-tabs ui-steps localtabgroup rw-ui-tabs-macro div align "
             "center indent cloak table-filter table-excerpt table-joiner table-transformer table-chart pivot-table numberedheadings "
             "numberedheadings-macro sv-translation sv-translation-block chart bgcolor background-color", "the content", _bare),
    MacroRow("span highlight color sv-translation-inline", "the words, within their sentence", _inline),
    MacroRow("tooltip", "the words, and its text in brackets", _tooltip),
    MacroRow("cfm-footnote footnote", "the note in brackets, where its mark stands", _footnote),
    MacroRow(" ".join(_HTML), "the words of it, as a browser would show them; scripts and styles are dropped and named", _html),
    MacroRow("status lozenge aui-lozenge status-handy", "its words in bold", _status),
    MacroRow("jira jiraissues", "the issue's key; for a query the query as code, with the warning `not_rendered=<name>`", _jira),
    MacroRow("include", "that page's own text where it may be shown here, else a link to the page", _include),
    MacroRow("excerpt-include multiexcerpt-include multiexcerpt-include-macro",
             "that excerpt's own text where it may be shown here, else a link to the page", _excerpt_include),
    MacroRow("profile", "the person's name", _profile),
    MacroRow("viewpdf viewdoc viewxls viewppt view-file multimedia",
             "the name of the attachment; its text is a document of its own", _attachment("name", "")),
    MacroRow("drawio drawio-sketch inc-drawio gliffy", "the name of the diagram, which is an attachment",
             _attachment("diagramName", "name")),
    MacroRow("widget iframe rss", "the URL", _url),
    MacroRow("ui-button auibutton link-window", "its title, as a link to where it leads", _button),
    MacroRow("roadmap", "its lanes, bars and markers as a list", _roadmap),
    MacroRow("toc anchor index create-from-template create-space-button livesearch search pagetreesearch space-jump network favpages "
             "display-footnotes cfm-footnotes footnotes loremipsum", "nothing: it says nothing of its own", _nothing),
    MacroRow("attachments blog-posts blogpost-list change-history children content-by-user content-report-table contentbylabel "
             "contributors contributors-summary decisionreport detailssummary gadget gallery global-reports labels listlabels navmap "
             "pagetree popular-labels recently-updated recently-updated-dashboard related-labels space-attachments space-details spaces "
             "spaceslist task-report tasks-report-macro ui-children userlister",
             "nothing: it lists what is written elsewhere, and only the server can; with the warning `not_rendered=<name>`", _listing),
    MacroRow("html-include style script", "nothing, with the warning `dropped_macro=<name>`", _refused),
)  # fmt: skip
"""The policy: every macro we know, in the order of the page that shows it."""

POLICY: Mapping[str, Handler] = {name: row.handle for row in MACROS for name in row.names.split()}
REFERENCE_ONLY = tuple(name for name, handle in POLICY.items() if handle in (_nothing, _refused, _listing))
"""Macros without words of their own."""
