"""ADF's extension nodes as the macros they are: the same policy table as storage format's decides what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_confluence.content.adf_parsing import attributes, one_line, text_of
from airflow_provider_confluence.content.building import Node
from airflow_provider_confluence.content.macros import Walker
from airflow_provider_confluence.content.model import Reference, UserReference

# A plain-text body (code, diagram sources) is a parameter of this name; the editor's renderer tells such macros by it.
_PLAIN = "__bodyContent"


EXTENSIONS = ("extension", "bodiedExtension", "inlineExtension", "multiBodiedExtension")


@dataclass(frozen=True, slots=True)
class AdfMacro:
    """One macro: an ``extension``, ``bodiedExtension``, ``inlineExtension`` or ``multiBodiedExtension``.

    A parameter is ``attrs.parameters.macroParams.<name>.value``; ``macroMetadata`` beside it is ids, icons and the macro's display name.
    Apps made with Forge keep theirs in ``guestParams``.
    """

    node: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Return the extension's key; of a key that is a path of ids, as Forge's are, its last step."""
        return self._key.rpartition("/")[2]

    @property
    def in_policy(self) -> bool:
        """Return whether the name is one that the policy table may know: what a Forge app calls ``chart`` is not Confluence's chart."""
        return "/" not in self._key

    @property
    def _key(self) -> str:
        return one_line(attributes(self.node).get("extensionKey"))

    def parameter(self, *names: str) -> str:
        """Return the text of the first of these parameters that has any; the unnamed one is ``""``."""
        for name in names:
            if text := one_line(self._value(name)):
                return text
        return ""

    def target(self, *names: str) -> Reference | None:
        """Return the person that a parameter names; pages, files and addresses stand there as text."""
        account = self.parameter("user") if "user" in names else ""
        return UserReference(account, "account") if account else None

    def rich(self, walker: Walker) -> list[Node]:
        """Return what the content says."""
        return walker.nodes(self.node)

    def plain(self) -> str:
        """Return the plain-text body to the character; empty where there is none."""
        return text_of(self._value(_PLAIN))

    def fallback(self) -> str:
        """Return the words that stand in for the macro where nothing can draw it."""
        return one_line(attributes(self.node).get("text"))

    def _value(self, name: str) -> object:
        parameters = attributes(self.node).get("parameters")
        if not isinstance(parameters, dict):
            return None
        for holder in (parameters.get("macroParams"), parameters.get("guestParams")):
            if isinstance(holder, dict) and name in holder:
                found: object = holder[name]
                return found.get("value") if isinstance(found, dict) else found
        return None
