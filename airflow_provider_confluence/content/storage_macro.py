"""A macro as storage format writes it down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_confluence.content.building import Node
from airflow_provider_confluence.content.macros import Walker
from airflow_provider_confluence.content.model import Reference
from airflow_provider_confluence.content.references import find_reference

if TYPE_CHECKING:
    from lxml.etree import _Element

_PARAMETERS = frozenset(("{ac}parameter", "{ac}default-parameter"))
_PLAIN = "{ac}plain-text-body"


class StorageMacro:
    """A macro in storage format: a ``structured-macro`` element."""

    __slots__ = ("_children", "_parameters", "element", "name")

    def __init__(self, name: str, element: _Element) -> None:
        self.name = name
        self.element = element
        # Taken once and kept: lxml makes its Python objects anew at every look that finds none.
        self._children = element[:]
        self._parameters: dict[str, _Element] = {}
        for child in self._children:
            if child.tag in _PARAMETERS:
                self._parameters.setdefault(child.get("{ac}name", ""), child)

    def parameter(self, *names: str) -> str:
        """Return the text of the first of these parameters that has any, in one line; the unnamed one is ``""``."""
        for name in names:
            element = self._parameters.get(name)
            if element is not None:
                text = "".join(element.itertext("*")) if len(element) else element.text
                if text and not text.isspace():
                    return " ".join(text.split())
        return ""

    def parameter_element(self, name: str) -> _Element | None:
        """Return the parameter itself, which may hold a ``ri:`` element."""
        return self._parameters.get(name)

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
        if (text := self.element.text) and not text.isspace():
            found.append(text)
        for child in self._children:
            if child.tag not in _PARAMETERS and child.tag != _PLAIN:
                found.extend(walker.nodes(child))
            if (text := child.tail) and not text.isspace():
                found.append(text)
        return found

    def plain(self) -> str:
        """Return the plain-text body to the character; empty where there is none."""
        text = ""
        for child in self._children:
            if child.tag == _PLAIN:
                text += "".join(child.itertext("*")) if len(child) else child.text or ""
        return text
