"""What only the server can show of a page: its macros cut out of the body for it, and the HTML that comes back, read.

The macros of one page go to the server together, each between two marks of ours, as a body of their own: nothing that the page says besides
comes back, so nothing stands twice. The marks tell which piece belongs to which macro, and which answer to which question, whatever order
the answers come in. A piece is read into the same :class:`~.model.Content` as everything else, by the reader of storage format, after what
is not text was taken out of it: scripts and styles, forms, what is hidden, pictures' addresses (they carry tokens), the addresses of
people, which hold their ids, and those that let somebody in.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Container, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from airflow_provider_confluence.content.building import Node
from airflow_provider_confluence.content.macros import POLICY, Handler, Macro, Walker, handle_unknown
from airflow_provider_confluence.content.model import Content, Paragraph
from airflow_provider_confluence.content.storage_macro import StorageMacro

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_MACROS = 50
"""So many different macros of one page are shown by the server; the others stay what storage format says of them."""
MAX_CHARS = 1_000_000
"""A longer macro is not sent, and a longer answer is not read."""
# A piece may stand deep in the body itself, and deep in what shows it.
_DEPTH = 60

_TOKEN = re.compile(r"mark[0-9a-f]{16}n")
_DECLARATION = re.compile(r"""\sxmlns:[\w.-]+="[^"]*\"""")
_HIDDEN = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_DROPPED = frozenset(
    (
        *("script", "style", "noscript", "template", "link", "meta", "base"),
        *("input", "button", "select", "option", "optgroup", "textarea", "datalist", "progress"),
        *("iframe", "object", "embed", "video", "audio", "canvas", "svg", "map"),
    )
)
_ERRORS = frozenset(("error", "aui-message-error", "errorMessage", "wysiwyg-unknown-macro"))
_PERSON_CLASSES = frozenset(("confluence-userlink", "userlink", "user-mention", "user-hover", "user-link", "ak-user"))
# Addresses of people: profiles and personal spaces of both editions, Jira's, searches by a person's id or login name, and ids of accounts
# wherever they stand (24 hexadecimal digits, or a number or word, a colon and a UUID).
_PERSON = re.compile(
    r"/people/|/users/|[/=\"']~\w|viewuserprofile\.action|/ViewProfile\.jspa"
    r"|[?&#;](?:username|user_?key|user_?id|account_?id|author|name|os_username)="
    r"|\b(?:assignee|reporter|creator|contributor|mention|watcher|voter|author)[\s+]*(?:[=~]|!=|(?:not[\s+]+)?in\b|(?:is|was|changed)\b)"
    r"|\b\w+:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?<![0-9a-z])[0-9a-f]{24}(?![0-9a-z])",
    re.IGNORECASE,
)
# Addresses that let somebody in: names and passwords before the host, sessions, keys, signatures.
_SECRET = re.compile(
    r"^(?!mailto:)(?:[a-z][a-z0-9+.-]*:)?/*[^/?#]*@"
    r"|[?&#;/](?:[\w.-]*(?:token|signature|secret|password|passwd|credentials?|(?:api|access|secret|private)[_-]?key|session_?(?:id)?)"
    r"|jwt|sig|sid|pwd|auth|authorization|os_cookie)=",
    re.IGNORECASE,
)
_IGNORED = re.compile(r"[\x00-\x20\x7f]")
_MAX_UNQUOTED = 5
_KEPT = ("colspan", "rowspan", "start", "datetime")


# ------------------------------------------------------------------------------------------ cutting out
def find_macros(body: str, names: Collection[str], handlers: Mapping[str, Handler]) -> tuple[str, ...]:
    """Return the macros of these names in a body in storage format, each as storage format and once, in the order of the text.

    Those within another one of them are part of that. Never raises; a body that is not well-formed has none.

    :param handlers: own handlers by macro name, as the body is read with them.
    """
    # Most bodies hold none of them, and need no second reading; Confluence stores double quotes, those who write by its API either kind.
    if not any(f"{quote}{name}{quote}" in body for name in names for quote in "\"'"):
        return ()
    from airflow_provider_confluence.content import storage_format

    found: dict[str, None] = {}
    inside = 0

    def collecting(name: str) -> Handler:
        ordinary = _ordinary(name, handlers)

        def handle(walker: Walker, macro: Macro) -> Sequence[Node]:
            nonlocal inside
            source = None if inside else source_of(macro)
            if source is not None and len(found) < MAX_MACROS:
                found.setdefault(source)
            inside += 1
            try:
                return ordinary(walker, macro)
            finally:
                inside -= 1

        return handle

    storage_format.read(body, {**handlers, **{name: collecting(name) for name in names}})
    return tuple(found)


def source_of(macro: Macro) -> str | None:
    """Return a macro as storage format has it; ``None`` for one of another format, of a broken body, and for one that is too long."""
    if not isinstance(macro, StorageMacro):
        return None
    from lxml.etree import CDATA, tostring

    element = deepcopy(macro.element)
    element.tail = None
    for body in element.iter("{ac}plain-text-body", "{ac}plain-text-link-body"):
        if not len(body) and body.text and "]]>" not in body.text:
            body.text = CDATA(body.text)
    # Our parser declared the prefixes; Confluence knows them, by other names.
    start, bracket, rest = tostring(element, encoding="unicode").partition(">")
    source = _DECLARATION.sub("", start) + bracket + rest
    return source if source.startswith("<ac:") and len(source) <= MAX_CHARS else None


@dataclass(frozen=True, slots=True)
class Question:
    """Macros of one page, as one body to be shown by the server."""

    macros: tuple[str, ...]
    token: str = field(default_factory=lambda: f"mark{secrets.token_hex(8)}n")
    """What the question is known by in its answer (:func:`token_in`)."""

    @property
    def body(self) -> str:
        """Return the body in storage format."""
        pieces = (f"<p>{self._mark(number)}</p>{macro}" for number, macro in enumerate(self.macros))
        return "".join(pieces) + f"<p>{self._mark(len(self.macros))}</p>"

    def _mark(self, number: int) -> str:
        return f"{self.token}{number}e"

    def read(self, html: str) -> dict[str, Content] | None:
        """Return what the server shows, by macro; ``None`` where that is no answer: too long, or its marks are not as they were sent.

        What it could not show is absent: where it gave an error or nothing at all in a macro's place. Never raises.
        """
        from airflow_provider_confluence.content.parsing import parse_html
        from airflow_provider_confluence.content.storage_format import Reader

        if len(html) > MAX_CHARS:
            return None
        root, way = parse_html(html)
        pieces = self._pieces(root) if way != "text" else None
        if pieces is None:
            return None
        found = {}
        for macro, piece in zip(self.macros, pieces, strict=True):
            _leave_words(piece)
            if _is_error(piece):
                continue
            _leave_no_attributes(piece)
            content = Reader({}, depth=_DEPTH).content(piece)
            if content.blocks:
                found[macro] = content
        return found

    def _pieces(self, root: _Element) -> list[_Element] | None:
        """Return what stands between the marks, a piece for each macro; ``None`` where it is not plain what does."""
        from lxml.etree import Element

        wanted = {self._mark(number): number for number in range(len(self.macros) + 1)}
        marks: dict[int, _Element] = {}
        for element in root.iter("p"):
            number = wanted.get("".join(element.itertext("*")).strip())
            if number is not None:
                if number in marks:
                    return None
                marks[number] = element
        parents = {id(mark.getparent()) for mark in marks.values()}
        if len(marks) != len(wanted) or len(parents) != 1:
            return None
        # All of it is looked at before anything is moved.
        runs: list[list[_Element]] = []
        for number in range(len(self.macros)):
            run: list[_Element] = []
            following = marks[number].getnext()
            while following is not None and following is not marks[number + 1]:
                run.append(following)
                following = following.getnext()
            if following is None:
                return None
            runs.append(run)
        pieces = []
        for number, run in enumerate(runs):
            piece = Element("x")
            piece.text = marks[number].tail
            piece.extend(run)
            pieces.append(piece)
        return pieces


def token_in(html: str, tokens: Container[str]) -> str | None:
    """Return the one of these tokens that an answer names first."""
    return next((match[0] for match in _TOKEN.finditer(html) if match[0] in tokens), None)


# ------------------------------------------------------------------------------------------ putting in
def shown_in_place(
    names: Collection[str], handlers: Mapping[str, Handler], asked: Collection[str], shown: Mapping[str, Content]
) -> dict[str, Handler]:
    """Return the handlers by which a body is read with what the server shows in the place of its macros.

    :param asked: the macros that the server was asked for. One of them that it did not show is read as ever, with a warning.
    """

    def showing(name: str) -> Handler:
        ordinary = _ordinary(name, handlers)

        def handle(walker: Walker, macro: Macro) -> Sequence[Node]:
            source = source_of(macro)
            content = shown.get(source) if source is not None else None
            if content is None:
                if source in asked:
                    walker.warn(f"render_failed={macro.name}")
                return ordinary(walker, macro)
            for reference in content.references:
                walker.refer(reference)
            only = content.blocks[0]
            return only.inlines if len(content.blocks) == 1 and isinstance(only, Paragraph) else content.blocks

        return handle

    return {**handlers, **{name: showing(name) for name in names}}


def _ordinary(name: str, handlers: Mapping[str, Handler]) -> Handler:
    return handlers.get(name) or POLICY.get(name) or POLICY.get(name.lower()) or handle_unknown


# ------------------------------------------------------------------------------------------ cleaning
def _leave_words(piece: _Element) -> None:
    """Take out of a piece whatever shows no words, and put those of a picture in its place."""
    dropped: dict[_Element, str] = {}  # with the words that stand in its place
    for element in piece.iter():
        tag = str(element.tag).lower().removeprefix("x-")
        if element is not piece and (tag in _DROPPED or _is_hidden(element)):
            dropped[element] = ""
        elif tag in ("img", "image"):
            dropped[element] = "" if _is_portrait(element) else (element.get("alt") or element.get("title") or "")
    for parent in dict.fromkeys(element.getparent() for element in dropped):
        if parent is not None:
            _drop(parent, dropped)


def _is_error(piece: _Element) -> bool:
    """Return whether all that a piece says is an error."""
    words = _words(piece)
    return bool(words) and any(_classes(e) & _ERRORS and _words(e) == words for e in piece.iter() if e is not piece)


def _leave_no_attributes(piece: _Element) -> None:
    """Take the attributes away, but for those that shape tables and lists and for the addresses that may be shown."""
    for element in piece.iter():
        tag = str(element.tag).lower()
        if tag.startswith("{"):
            # Words of a page that look like storage format must not be read as such: it would fetch pages, and name people.
            element.tag = tag = "span"
        url = (element.get("href") or "").strip() if tag == "a" else ""
        may_show = not {name.lower() for name in _classes(element)} & _PERSON_CLASSES and _may_show(url)
        kept = {name: value for name in _KEPT if (value := element.get(name)) is not None}
        element.attrib.clear()
        element.attrib.update(kept)
        if url and may_show:
            element.set("href", url)


def _may_show(url: str) -> bool:
    """Return whether an address holds no id of a person and lets nobody in, however it is quoted."""
    for _ in range(_MAX_UNQUOTED):
        # Browsers leave out what is no character, and take one slash for the other.
        plain = url.replace("\\", "/")
        if any(_PERSON.search(each) or _SECRET.search(each) for each in (plain, _IGNORED.sub("", plain))):
            return False
        url, before = unquote(url), url
        if url == before:
            return True
    return False  # nobody quotes so often who has nothing to hide


def _is_hidden(element: _Element) -> bool:
    return (
        element.get("hidden") is not None
        or element.get("aria-hidden") == "true"
        or "hidden" in _classes(element)
        or bool(_HIDDEN.search(element.get("style") or ""))
    )


def _is_portrait(element: _Element) -> bool:
    """Return whether a picture is somebody's: what stands beside it is their name, and what stands in it is their login name."""
    said = f"{element.get('class') or ''} {element.get('src') or ''} {element.get('alt') or ''}".lower()
    return "avatar" in said or "userlogo" in said or "user icon" in said


def _classes(element: _Element) -> set[str]:
    return set((element.get("class") or "").split())


def _words(element: _Element) -> str:
    return " ".join("".join(element.itertext("*")).split())


def _drop(parent: _Element, dropped: Mapping[_Element, str]) -> None:
    """Remove those of an element's children that are dropped; their words stand in their place, and what follows them stays."""
    kept: _Element | None = None
    texts = [parent.text or ""]

    # What comes together is joined once: lengthening one text for each of many children would take their number squared.
    def close() -> None:
        if kept is None:
            parent.text = "".join(texts)
        else:
            kept.tail = "".join(texts)

    for child in list(parent):
        if child in dropped:
            texts += (dropped[child], child.tail or "")
            parent.remove(child)
        else:
            close()
            kept, texts = child, [child.tail or ""]
    close()
