"""What the texts that a reader made of the benchmark's bodies say of what the bodies hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lxml import etree, html

from benchmarks.views import person_name

_NAMES = 'xmlns:ac="urn:ac" xmlns:ri="urn:ri"'
_AC, _RI = "{urn:ac}", "{urn:ri}"
_ENTITY = re.compile(r"&(?!amp;|lt;|gt;|quot;|apos;)\w+;")
_NOTHING = re.compile(r"[\s\\]+")  # spaces are the writer's choice, and so are Markdown's escapes


@dataclass
class Judgement:
    """How many of the things that the bodies hold are in the texts, and how many were looked for; and what stands there and should not."""

    found: dict[str, int] = field(default_factory=dict)
    looked_for: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return ", ".join(
            f"{name} {self.found.get(name, 0) / count:.0%}" for name, count in self.looked_for.items() if count
        )

    def add(self, name: str, found: bool) -> None:
        """Count one thing."""
        self.looked_for[name] = self.looked_for.get(name, 0) + 1
        self.found[name] = self.found.get(name, 0) + found


def judge(bodies: Mapping[str, str], texts: Mapping[str, str]) -> Judgement:
    """Compare texts with the bodies in storage format from which they were made, by id."""
    judgement = Judgement()
    for content_id, storage in bodies.items():
        judgement.add("pages", content_id in texts)
        if content_id in texts:
            _judge_one(judgement, storage, texts[content_id])
    return judgement


def text_of_html(source: str) -> str:
    """Return the text of a page that is left as HTML."""
    return str(html.fromstring(source).text_content())


def _judge_one(judgement: Judgement, storage: str, text: str) -> None:
    root = etree.fromstring(f"<x {_NAMES}>{_ENTITY.sub(' ', storage)}</x>".encode())
    dense, spaced = _NOTHING.sub("", text), " ".join(text.split())
    for code in root.iter(f"{_AC}plain-text-body"):
        judgement.add("code", _NOTHING.sub("", code.text or "") in dense)
    for link in root.iter(f"{_AC}link-body"):
        judgement.add("texts of links to pages", _NOTHING.sub("", link.text or "") in dense)
    for user in root.iter(f"{_RI}user"):
        name = person_name(user.get(f"{_RI}account-id", ""))
        judgement.add("names of people", re.search(rf"{name}(?!\d)", spaced) is not None)
    for shown in _statuses(root):
        judgement.add("colours of statuses in the text (should be 0%)", " ".join(shown) in spaced)


def _statuses(root: etree._Element) -> Iterable[tuple[str, str]]:
    for macro in root.iter(f"{_AC}structured-macro"):
        if macro.get(f"{_AC}name") == "status":
            title, colour = (each.text or "" for each in macro.findall(f"{_AC}parameter"))
            yield title, colour
