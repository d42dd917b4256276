"""The bodies of :mod:`benchmarks.bodies` as a server shows them: the HTML of ``view`` and ``export_view``, for clients that ask for these.

Only what those bodies are made of is known. The forms are Confluence's own: classes and elements as its pages have them.
"""

from __future__ import annotations

from html import escape

from lxml import etree

_NAMES = {"ac": "urn:ac", "ri": "urn:ri"}
_AC, _RI = (f"{{{name}}}" for name in _NAMES.values())
_ROOT = "".join(f' xmlns:{prefix}="{name}"' for prefix, name in _NAMES.items())
_ENTITIES = {"&nbsp;": "\u00a0", "&ndash;": "–", "&rsquo;": "’"}
_PANELS = {"info": "information", "note": "warning", "warning": "warning"}


def person_name(account: str) -> str:
    """Return how a person is shown whose account is ``person-7``: *Person 7*."""
    return account.replace("person-", "Person ")


def rendered(storage: str) -> str:
    """Return the HTML of a body."""
    for name, character in _ENTITIES.items():
        storage = storage.replace(name, character)
    root = etree.fromstring(f"<x{_ROOT}>{storage}</x>".encode())
    return _inside(root)


def _inside(element: etree._Element) -> str:
    return escape(element.text or "", quote=False) + "".join(
        _shown(child) + escape(child.tail or "", quote=False) for child in element
    )


def _shown(element: etree._Element) -> str:
    tag = str(element.tag)
    if tag.startswith(_AC):
        return _of_confluence(tag.removeprefix(_AC), element)
    if tag == "time":
        return f'<time datetime="{element.get("datetime")}" class="date-past">{element.get("datetime")}</time>'
    kept = "".join(f' {name}="{escape(value)}"' for name, value in element.items() if not name.startswith("{"))
    return f"<{tag}{kept} />" if tag in ("col", "br", "hr") else f"<{tag}{kept}>{_inside(element)}</{tag}>"


def _of_confluence(name: str, element: etree._Element) -> str:
    if name == "link":
        return _link(element)
    if name == "image":
        alt = escape(element.get(f"{_AC}alt", ""))
        return f'<img class="confluence-embedded-image" alt="{alt}" src="/wiki/download/thumbnails/1/x.png" />'
    if name == "structured-macro":
        return _macro(element)
    if name == "task-list":
        return f'<ul class="inline-task-list">{_inside(element)}</ul>'
    if name == "task":
        checked = ' class="checked"' if element.findtext(f"{_AC}task-status") == "complete" else ""
        return f"<li{checked}>{_of(element.find(f'{_AC}task-body'))}</li>"
    classes = {"layout": "contentLayout2", "layout-section": "columnLayout", "layout-cell": "cell normal"}
    return f'<div class="{classes[name]}">{_inside(element)}</div>'


def _of(element: etree._Element | None) -> str:
    return "" if element is None else _inside(element)


def _link(element: etree._Element) -> str:
    user = element.find(f"{_RI}user")
    if user is not None:
        account = user.get(f"{_RI}account-id", "")
        return f'<a class="confluence-userlink" data-account-id="{account}" href="/wiki/people/{account}">{person_name(account)}</a>'
    shown = _of(element.find(f"{_AC}link-body"))
    return f'<a href="/wiki/spaces/OPS/pages/1" data-linked-resource-type="page">{shown}</a>'


def _macro(element: etree._Element) -> str:
    name = element.get(f"{_AC}name", "")
    given = {str(each.get(f"{_AC}name")): each.text or "" for each in element.findall(f"{_AC}parameter")}
    if name == "status":
        return f'<span class="status-macro aui-lozenge">{escape(given["title"])}</span>'
    if name == "code":
        lines = escape(element.findtext(f"{_AC}plain-text-body") or "", quote=False)
        highlighted = 'class="syntaxhighlighter-pre" data-syntaxhighlighter-params="brush: py; gutter: true"'
        return f'<div class="code panel pdl"><div class="codeContent panelContent"><pre {highlighted}>{lines}</pre></div></div>'
    inside, title = _of(element.find(f"{_AC}rich-text-body")), escape(given.get("title", ""))
    if name == "expand":
        control = f'<div class="expand-control"><span class="expand-control-text">{title}</span></div>'
        return f'<div class="expand-container">{control}<div class="expand-content">{inside}</div></div>'
    head = f'<p class="title">{title}</p>' if title else ""
    body = f'<div class="confluence-information-macro-body">{inside}</div>'
    return f'<div class="confluence-information-macro confluence-information-macro-{_PANELS[name]}">{head}{body}</div>'
