"""Bodies as Confluence shows them: ``export_view``, for the conversions that both editions offer.

What a body says passes through; macros are drawn. ``contentbylabel`` is drawn from the wiki, by who asks; any other macro is drawn as the
wiki's ``drawings`` have it, and is an error where they have nothing.
"""

from __future__ import annotations

import html
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from html.entities import html5

from airflow_provider_confluence.testing.sandbox.records import Item, Viewer
from airflow_provider_confluence.testing.sandbox.web import RefusedError
from airflow_provider_confluence.testing.sandbox.wiki import Wiki

_NAMESPACES = "".join(f' xmlns:{prefix}="{prefix}"' for prefix in ("ac", "ri", "at"))
_MACRO = "{ac}structured-macro"


@dataclass(frozen=True)
class Views:
    """Shows bodies of one wiki.

    :param base: the base URL, context path included.
    """

    wiki: Wiki
    base: str

    def export(self, storage: str, page_id: str | None, viewer: Viewer) -> str:
        """Return a body in storage format as an export shows it.

        :param page_id: the page as whose part it is shown; ``None`` for none.
        :raises RefusedError: 404 for a page that the viewer cannot see, 400 for a body that is not well-formed.
        """
        page = None if page_id is None else self.wiki.item(page_id)
        if page_id is not None and (page is None or not self.wiki.is_visible(page, viewer)):
            raise RefusedError(404, f"No content found with id: {page_id}")
        named = re.sub(r"&(?!(?:amp|lt|gt|quot|apos);)(\w+);", lambda m: html5.get(m[1] + ";", m[0]), storage)
        try:
            # (A declaration of entities is an error within our root, so nothing expands.)
            root = ET.fromstring(f"<x{_NAMESPACES}>{named}</x>")  # noqa: S314
        except ET.ParseError as error:
            raise RefusedError(400, f"Error parsing xhtml: {error}") from None
        return self._inside(root, page, viewer)

    def _inside(self, element: ET.Element, page: Item | None, viewer: Viewer) -> str:
        parts = [html.escape(element.text or "", quote=False)]
        for child in element:
            parts.append(self._element(child, page, viewer))
            parts.append(html.escape(child.tail or "", quote=False))
        return "".join(parts)

    def _element(self, element: ET.Element, page: Item | None, viewer: Viewer) -> str:
        if element.tag == _MACRO:
            return self._macro(element, page, viewer)
        inside = self._inside(element, page, viewer)
        if element.tag.startswith("{"):
            return inside
        attributes = "".join(f' {name}="{html.escape(value)}"' for name, value in element.items())
        return f"<{element.tag}{attributes}>{inside}</{element.tag}>"

    def _macro(self, element: ET.Element, page: Item | None, viewer: Viewer) -> str:
        name = element.get("{ac}name", "")
        parameters = {
            child.get("{ac}name", ""): "".join(child.itertext()) for child in element if child.tag == "{ac}parameter"
        }
        drawing = self.wiki.drawings.get(name)
        if drawing is not None:
            return drawing if isinstance(drawing, str) else drawing(parameters)
        if name == "contentbylabel":
            return self._by_label(parameters.get("labels", ""), page, viewer)
        return f"<div class=\"error\">Error rendering macro '{html.escape(name)}'</div>"

    def _by_label(self, label: str, page: Item | None, viewer: Viewer) -> str:
        """Draw the list of the pages with a label in the page's own space, which is the default of that macro [S: its documentation]."""
        if page is None:
            return "<div class=\"error\">Error rendering macro 'contentbylabel' : no page</div>"
        rows = [
            f'<li><div><span class="icon aui-icon content-type-page" title="Page"></span> <div class="details">'
            f'<a href="{self.base}/pages/viewpage.action?pageId={item.id}">{html.escape(item.title)}</a></div></div></li>'
            for item in self.wiki
            if item.type == "page"
            and item.space_id == page.space_id
            and label in item.labels
            and self.wiki.listed_status(item) == "current"
            and self.wiki.is_visible(item, viewer)
        ]
        return f'<ul class="content-by-label conf-macro output-block">{"".join(rows)}</ul>' if rows else ""
