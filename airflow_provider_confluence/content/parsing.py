"""Storage format as text → an element tree, whatever the text is.

Three ways, the next only where the one before fails: a strict XML parse (right for everything Confluence stores), the HTML parser
lexbor (right about the words of broken markup; measured to keep everything that ``recover=True`` and lxml.html silently lose), and the
bare text without its tags. All three give lxml elements whose names are ``p``, ``{ac}link``, ``{ri}page`` and so on.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from html.entities import html5
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from lxml.etree import _Element
    from selectolax.lexbor import LexborNode

Way = Literal["xml", "fallback", "text"]

_PREFIXES = ("ac", "ri", "at", "atlassian-template")
_ROOT = "<x " + " ".join(f'xmlns:{prefix}="{prefix}"' for prefix in _PREFIXES) + ">"

_CDATA = re.compile(r"<!\[CDATA\[(.*?)(?:\]\]>|\Z)", re.DOTALL)
# XML knows five names; every other one that HTML knows must become its character, or the strict parse fails.
_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)([A-Za-z][A-Za-z0-9]*);")
_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)(?:#(?:([0-9]+)|[xX]([0-9A-Fa-f]+));)?")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TAG = re.compile(r"<[A-Za-z][^<>]*>")
_DECLARATION = re.compile(r"""\sxmlns(?::[\w.-]+)?\s*=\s*("[^"]*"|'[^']*')""")
_PREFIX = re.compile(r"[<\s]/?([A-Za-z_][\w.-]*):[A-Za-z_]")
_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")

_SELF_CLOSING = re.compile(
    r"<((?:[a-z-]+:[A-Za-z-]+)|time|a|span|p|div|td|th|li|script|style|iframe|object|video|audio|title|textarea)\b([^<>]*?)/>"
)
# Elements whose content HTML reads as raw text, hides, or moves elsewhere; here they are ordinary names.
_SPECIAL = re.compile(
    r"<(/?)(?=(?:title|textarea|plaintext|xmp|noembed|noframes|noscript|select|option|optgroup|template|frameset|frame|html|head|body|"
    r"svg|math|image|button|form|iframe)\b)",
    re.IGNORECASE,
)
_NESTING = re.compile(r"<(/?)[A-Za-z][^<>]*?(/?)>")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")
# lexbor's tree building is quadratic in depth (20,000: 0.4 s; measured with selectolax 1.0.2), and no page is that deep.
_MAX_NESTING = 10_000
# The walker flattens what lies deeper than its own guard, so nothing is lost by hanging the rest at this level.
_KEPT_DEPTH = 400


def parse(body: str) -> tuple[_Element, Way]:
    """Return a root element that holds the body, and the way by which it was read. Never raises."""
    from lxml.etree import XMLSyntaxError

    for prepared in (_entities_replaced, _mended):
        try:
            return _strict(*prepared(body)), "xml"
        except (XMLSyntaxError, ValueError):  # ValueError: characters that no XML may hold
            continue
    return parse_html(body)


def parse_html(source: str) -> tuple[_Element, Way]:
    """Return a root element that holds a piece of HTML, read as a browser would read it, and the way. Never raises."""
    try:
        return _lenient(source), "fallback"
    except Exception:  # noqa: BLE001 - a body must never fail; the bare text is the last way, and the warning says so
        return _bare(source), "text"


# ------------------------------------------------------------------------------------------ strict
def _strict(body: str, declarations: str) -> _Element:
    from lxml.etree import XMLParser, fromstring

    # huge_tree lifts libxml2's limits on depth and text length; an entity bomb needs a DOCTYPE, which is an error inside our root.
    parser = XMLParser(resolve_entities=False, no_network=True, huge_tree=True, remove_comments=True, remove_pis=True)
    return fromstring(declarations + body + "</x>", parser)


def _entities_replaced(body: str) -> tuple[str, str]:
    if "xmlns" in body:
        raise ValueError("the body declares namespaces itself; the mended form takes them out")
    if "&" not in body:
        return body, _ROOT
    return _outside_cdata(body, _named) if "<![CDATA[" in body else _named(body), _ROOT


def _named(text: str) -> str:
    # An internal subset that declares the names is no faster, and up to libxml2 2.12 quadratic in the names of one text.
    return _ENTITY.sub(_character, text)


def _mended(body: str) -> tuple[str, str]:
    """Make well-formed what can be without guessing: forbidden characters, bare ampersands, namespace declarations."""
    body = _NOT_XML.sub("", _XML_DECLARATION.sub("", body))
    prefixes: dict[str, None] = dict.fromkeys(_PREFIXES)

    def mend(text: str) -> str:
        text = _AMPERSAND.sub(_ampersand, _ENTITY.sub(_character, text))
        if "xmlns" in text:
            text = _TAG.sub(lambda tag: _DECLARATION.sub("", tag[0]), text)
        for tag in _TAG.findall(text):
            if ":" in tag:
                prefixes.update(dict.fromkeys(_PREFIX.findall(tag)))
        return text

    body = _outside_cdata(body, mend)
    declared = " ".join(f'xmlns:{prefix}="{prefix}"' for prefix in prefixes if not prefix.lower().startswith("xml"))
    return body, f"<x {declared}>"


def _outside_cdata(body: str, change: Callable[[str], str]) -> str:
    return "".join(text if inside else change(text) for text, inside in _parted(body, "<![CDATA[", "]]>"))


def _parted(body: str, opening: str, closing: str) -> Iterator[tuple[str, bool]]:
    """Yield the body in parts, and whether each runs from opening to closing. Linear, where a lazy regex would be quadratic."""
    position = 0
    while (start := body.find(opening, position)) >= 0:
        end = body.find(closing, start + len(opening))
        if end < 0:
            break
        yield body[position:start], False
        position = end + len(closing)
        yield body[start:position], True
    yield body[position:], False


def _character(match: re.Match[str]) -> str:
    character = html5.get(match[1] + ";")
    if character is None:
        return "&amp;" + match[0][1:]
    return html.escape(character) if character in "<>&\"'" else character


def _ampersand(match: re.Match[str]) -> str:
    digits, hexadecimal = match[1], match[2]
    if digits is None and hexadecimal is None:
        return "&amp;"
    try:
        character = chr(int(digits) if digits is not None else int(hexadecimal, 16))
    except (ValueError, OverflowError):
        return "�"
    return "" if _NOT_XML.match(character) else match[0]


# ------------------------------------------------------------------------------------------ lenient
def _lenient(body: str) -> _Element:
    from selectolax.lexbor import LexborHTMLParser

    # An HTML parser drops CDATA and lets a self-closing element swallow what follows it; both are rewritten first.
    body = _NOT_XML.sub("", body)
    body = _CDATA.sub(lambda match: html.escape(match[1]), body)
    body = (
        "".join(text for text, comment in _parted(body, "<!--", "-->") if not comment)
        .replace("<!", "&lt;!")
        .replace("<?", "&lt;?")
    )
    body = _SELF_CLOSING.sub(r"<\1\2></\1>", body)
    body = _SPECIAL.sub(r"<\1x-", body)
    if _nesting(body) > _MAX_NESTING:
        raise ValueError("nested too deeply")
    tree = LexborHTMLParser(f"<!DOCTYPE html><body>{body}").body
    if tree is None:
        raise ValueError("no body")
    return _as_lxml(tree)


def _nesting(body: str) -> int:
    depth = deepest = 0
    for closing, closed in _NESTING.findall(body):
        if closing:
            depth = max(0, depth - 1)
        elif not closed:
            depth += 1
            deepest = max(deepest, depth)
    return deepest


def _as_lxml(body: LexborNode) -> _Element:
    """Copy lexbor's tree, so that one walker serves both parsers. Iterative: the tree may be deep."""
    from lxml.etree import Element, SubElement

    root = Element("x")
    opened = [root]
    texts: list[str] = []

    # Text goes behind the element that was closed last, or into the one that was opened last. It is joined once, and no children are
    # counted: for lxml either costs what there is already, each time.
    def put(spot: _Element, is_closed: bool) -> None:
        if texts and is_closed:
            spot.tail = "".join(texts)
        elif texts:
            spot.text = "".join(texts)
        texts.clear()

    spot, is_closed = root, False
    depth = 0
    node = body.first_child
    while node is not None:
        if node.is_text_node:
            texts.append(_NOT_XML.sub("", node.text_content or ""))
        elif node.is_element_node and depth < _KEPT_DEPTH:
            put(spot, is_closed)
            spot, is_closed = SubElement(opened[-1], _qualified(node.tag or "span")), False
            for name, value in node.attributes.items():
                if _NAME.match(name.replace(":", "", 1)):
                    spot.set(_qualified(name), _NOT_XML.sub("", value or ""))
            opened.append(spot)
        if node.is_element_node and node.first_child is not None:
            depth += 1
            node = node.first_child
            continue
        if node.is_element_node and depth < _KEPT_DEPTH:
            put(spot, is_closed)
            spot, is_closed = opened.pop(), True
        while node is not None and node.next is None:
            node = node.parent
            depth -= 1
            if depth < 0 or node is None:
                put(spot, is_closed)
                return root
            if depth < _KEPT_DEPTH:
                put(spot, is_closed)
                spot, is_closed = opened.pop(), True
        node = node.next if node is not None else None
    put(spot, is_closed)
    return root


def _qualified(name: str) -> str:
    prefix, colon, local = name.partition(":")
    if colon and _NAME.match(prefix) and _NAME.match(local):
        return f"{{{prefix}}}{local}"
    return name if _NAME.match(name) else "span"


# ------------------------------------------------------------------------------------------ bare
def _bare(body: str) -> _Element:
    from lxml.etree import Element

    root = Element("x")
    text = _CDATA.sub(lambda match: html.escape(match[1]), body)
    root.text = _NOT_XML.sub("", html.unescape(re.sub(r"<[^<>]*>", " ", text)))
    return root
