"""What becomes of every macro: :data:`POLICY`, at the end, name → handler.

A handler gets the walker and the macro and returns nodes. To take in a macro, add a line there and a line in ``docs/content.md`` (a test
asks for it). A macro that is not in the table keeps its body and its title, and is named in the warnings; its other parameters are
settings, not text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_confluence.content import emoticons
from airflow_provider_confluence.content.building import Node, as_blocks
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
from airflow_provider_confluence.content.references import find_reference
from airflow_provider_confluence.content.tables import key_values

if TYPE_CHECKING:
    from lxml.etree import _Element

_LANGUAGE = re.compile(r"[A-Za-z][A-Za-z0-9+#._-]*\Z")
_PARAMETERS = ("{ac}parameter", "{ac}default-parameter")
_PLAIN = "{ac}plain-text-body"


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
    """One macro, in whichever format it is written down: in storage format a :class:`StorageMacro`."""

    @property
    def name(self) -> str:
        """Return the name that :data:`POLICY` knows it by."""

    def parameter(self, *names: str) -> str:
        """Return the text of the first of these parameters that has any; the unnamed one is ``""``."""

    def target(self, *names: str) -> Reference | None:
        """Return what the first of these parameters refers to, directly or in a link."""

    def rich(self, walker: Walker) -> list[Node]:
        """Return what the rich-text body says."""

    def plain(self) -> str:
        """Return the plain-text body to the character; empty where there is none."""


@dataclass(frozen=True, slots=True)
class StorageMacro:
    """A macro in storage format: a ``structured-macro`` element."""

    name: str
    element: _Element

    def parameter(self, *names: str) -> str:
        """Return the text of the first of these parameters that has any; the unnamed one is ``""``."""
        for name in names:
            element = self.parameter_element(name)
            if element is not None and (text := "".join(element.itertext("*")).strip()):
                return " ".join(text.split())
        return ""

    def parameter_element(self, name: str) -> _Element | None:
        """Return the parameter itself, which may hold a ``ri:`` element."""
        for child in self.element.iterchildren(*_PARAMETERS):
            if child.get("{ac}name", "") == name:
                return child
        return None

    def target(self, *names: str) -> Reference | None:
        """Return what the first of these parameters refers to, directly or in a link."""
        for name in names:
            element = self.parameter_element(name)
            if element is not None:
                for holder in (element, *element.iterchildren("{ac}link")):
                    found = find_reference(holder)
                    if found is not None:
                        return found
        return None

    def rich(self, walker: Walker) -> list[Node]:
        """Return what the rich-text body says."""
        found: list[Node] = []
        for child in self.element:
            if child.tag not in _PARAMETERS and child.tag != _PLAIN:
                found.extend(walker.nodes(child))
        return found

    def plain(self) -> str:
        """Return the plain-text body to the character; empty where there is none."""
        return "".join("".join(child.itertext("*")) for child in self.element.iterchildren(_PLAIN))


Handler = Callable[[Walker, Macro], Sequence[Node]]


# ------------------------------------------------------------------------------------------ bodies
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
    return found + list(as_blocks(macro.rich(walker)))


def _panel(kind: str) -> Handler:
    def handle(walker: Walker, macro: Macro) -> Sequence[Node]:
        title, blocks = macro.parameter("title"), as_blocks(_body(walker, macro))
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
    blocks = as_blocks(_body(walker, macro))
    return [Quote(tuple(blocks))] if blocks else []


def _titled(walker: Walker, macro: Macro) -> Sequence[Node]:
    title, blocks = macro.parameter("title", "label"), as_blocks(_body(walker, macro))
    if not title:
        return blocks
    return [Group(title, tuple(blocks))]


def _bare(walker: Walker, macro: Macro) -> Sequence[Node]:
    return as_blocks(_body(walker, macro))


def _inline(walker: Walker, macro: Macro) -> Sequence[Node]:
    return _body(walker, macro)


def _excerpt(walker: Walker, macro: Macro) -> Sequence[Node]:
    blocks = tuple(as_blocks(_body(walker, macro)))
    hidden = macro.parameter("hidden").lower() == "true"
    return [Excerpt(macro.parameter("name"), hidden, blocks)] if blocks else []


def _details(walker: Walker, macro: Macro) -> Sequence[Node]:
    blocks = as_blocks(_body(walker, macro))
    for block in blocks:
        if isinstance(block, Table):
            walker.describe(key_values(block))
    return blocks


def _body(walker: Walker, macro: Macro) -> list[Node]:
    text = macro.plain()
    return macro.rich(walker) + ([CodeBlock(text)] if text.strip() else [])


# ------------------------------------------------------------------------------------------ single things
def _status(_walker: Walker, macro: Macro) -> Sequence[Node]:
    title = macro.parameter("title", "")
    return [Status(title)] if title else []


def _jira(walker: Walker, macro: Macro) -> Sequence[Node]:
    key, jql = macro.parameter("key", ""), macro.parameter("jqlQuery", "jql")
    if key and not jql:
        return [_link(walker, JiraReference(key=key))]
    return [_link(walker, JiraReference(jql=jql), Code(jql))] if jql else []


def _include(walker: Walker, macro: Macro) -> Sequence[Node]:
    return _included(walker, macro, None)


def _excerpt_include(walker: Walker, macro: Macro) -> Sequence[Node]:
    return _included(walker, macro, macro.parameter("name"))


def _included(walker: Walker, macro: Macro, excerpt: str | None) -> Sequence[Node]:
    target = macro.target("", "page", "pageTitle", "default-parameter")
    if target is None and (text := macro.parameter("", "page", "pageTitle", "default-parameter")):
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


def _profile(walker: Walker, macro: Macro) -> Sequence[Node]:
    target = macro.target("user", "")
    return [_link(walker, target)] if isinstance(target, UserReference) else []


def _link(walker: Walker, reference: Reference, *children: Inline) -> Link:
    walker.refer(reference)
    return Link(reference, children)


# ------------------------------------------------------------------------------------------ nothing
def _nothing(_walker: Walker, _macro: Macro) -> Sequence[Node]:
    return []


def _refused(walker: Walker, macro: Macro) -> Sequence[Node]:
    walker.warn(f"dropped_macro={macro.name}")
    return []


def handle_unknown(walker: Walker, macro: Macro) -> Sequence[Node]:
    """Keep the body and the title of a macro nobody thought of, and say its name in the warnings."""
    walker.warn(f"unknown_macro={macro.name}")
    title, body = macro.parameter("title"), _body(walker, macro)
    if not title:
        return body
    if not body:
        return [" ", title, " "]
    return [Paragraph((Styled("strong", (title,)),)), *as_blocks(body)]


_REFERENCE_ONLY = """
    anchor attachments blog-posts blogpost-list change-history children content-report-table contentbylabel content-by-user
    contributors contributors-summary create-from-template create-space-button detailssummary favpages gadget gallery
    global-reports index labels listlabels livesearch navmap network pagetree pagetreesearch popular-labels recently-updated
    recently-updated-dashboard related-labels roadmap rss search space-attachments space-details space-jump spaces spaceslist
    tasks-report-macro toc userlister
"""
REFERENCE_ONLY = tuple(_REFERENCE_ONLY.split())
"""Macros that only show what is written elsewhere, or nothing: their text is found where it stands."""

POLICY: Mapping[str, Handler] = {
    # text kept to the character
    "code": _code,
    "noformat": _code,
    "mermaid": _source("mermaid"),
    "mermaid-macro": _source("mermaid"),
    "plantuml": _source("plantuml"),
    "plantumlrender": _source("plantuml"),
    "markdown": _source("markdown"),
    # boxes, with their kind and title
    "info": _panel("info"),
    "note": _panel("note"),
    "tip": _panel("tip"),
    "warning": _panel("warning"),
    "panel": _panel("panel"),
    "auimessage": _panel("info"),
    "quote": _quote,
    # a title and what belongs to it
    "expand": _titled,
    "ui-expand": _titled,
    "ui-tab": _titled,
    "tab": _titled,
    "card": _titled,
    # the body alone
    "details": _details,
    "excerpt": _excerpt,
    "section": _bare,
    "column": _bare,
    "toc-zone": _bare,
    "deck": _bare,
    "ui-tabs": _bare,
    "div": _bare,
    "table-filter": _bare,
    "table-excerpt": _bare,
    "numberedheadings": _bare,
    "chart": _bare,
    "span": _inline,
    "tooltip": _inline,
    # single things
    "status": _status,
    "jira": _jira,
    "jiraissues": _jira,
    "include": _include,
    "excerpt-include": _excerpt_include,
    "profile": _profile,
    "viewpdf": _attachment("name", ""),
    "viewdoc": _attachment("name", ""),
    "viewxls": _attachment("name", ""),
    "viewppt": _attachment("name", ""),
    "view-file": _attachment("name", ""),
    "multimedia": _attachment("name", ""),
    "drawio": _attachment("diagramName"),
    "inc-drawio": _attachment("diagramName"),
    "gliffy": _attachment("name"),
    "widget": _url,
    "iframe": _url,
    # markup and scripts, not text: dropped, with a warning
    "html": _refused,
    "html-include": _refused,
    "style": _refused,
    "script": _refused,
    # known to hold no text of their own
    **dict.fromkeys(REFERENCE_ONLY, _nothing),
}
