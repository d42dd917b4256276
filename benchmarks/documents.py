"""Documents as a wiki of some size holds them, made from a seed: about 8 KB of Markdown each, over 20,000 words that follow Zipf's law.

The commonest word stands in nearly every document and the rarest in one of thousands, as in real text: with words drawn evenly, every
index would look the same, and better than it is.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import accumulate

from airflow_provider_confluence.documents import Ancestor, Document, Heading, Link, Person, Space, document_id, rfc3339

DATASOURCE = "bench"
CHARS = 8_000
"""About how long the Markdown of a document is."""

_VOCABULARY = 20_000
_SYLLABLES = tuple(consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou")
_SPACES = tuple(Space(str(number), f"S{number:02}", f"Space {number}") for number in range(1, 31))
_LABELS = tuple(f"label-{number}" for number in range(1, 201))
_TYPES = ("page", "blogpost", "attachment", "comment")
_OLDEST = datetime(2020, 1, 1, tzinfo=timezone.utc)


def documents(count: int, revision: int = 1, chars: int = CHARS) -> Iterator[Document]:
    """Yield documents, the same ones each time."""
    chance = random.Random("documents")
    words = sorted({"".join(chance.choices(_SYLLABLES, k=chance.randint(1, 5))) for _ in range(3 * _VOCABULARY)})
    chance.shuffle(words)
    words = words[:_VOCABULARY]
    weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    for number in range(count):
        yield _document(number, revision, random.Random(f"document {number}"), words, weights, chars)


def _document(
    number: int, revision: int, chance: random.Random, words: list[str], weights: list[float], chars: int
) -> Document:
    # A word and the space after it are about 6 characters, because the commonest are not the shortest here.
    drawn = iter(chance.choices(words, cum_weights=weights, k=chars // 4))

    def take(count: int) -> str:
        return " ".join(next(drawn) for _ in range(count))

    title = take(5).capitalize()
    outline, links, parts = [], [], []
    length = 0
    while length < chars * 0.95:
        kind = chance.random()
        if kind < 0.15:
            outline.append(Heading(2, take(4)))
            part = f"## {outline[-1].text}"
        elif kind < 0.25:
            part = "\n".join(f"- {take(9)}" for _ in range(4))
        elif kind < 0.32:
            links.append(Link(f"https://wiki.example.org/wiki/spaces/S01/pages/{chance.randrange(10**6)}", take(3)))
            part = f"{take(12)} [{links[-1].title}]({links[-1].url}) {take(12)}."
        elif kind < 0.36:
            part = "| a | b |\n| --- | --- |\n" + "\n".join(f"| {take(3)} | {take(4)} |" for _ in range(4))
        else:
            part = f"{take(20)}, **{take(2)}** {take(20)}."
        parts.append(part)
        length += len(part) + 2
    space = chance.choice(_SPACES)
    changed = _OLDEST + timedelta(minutes=chance.randrange(6 * 365 * 24 * 60))
    url = f"https://wiki.example.org/wiki/spaces/{space.key}/pages/{number}"
    return Document(
        id=document_id(DATASOURCE, str(number)),
        datasource_id=DATASOURCE,
        datasource_name="Bench",
        content_id=str(number),
        revision=revision,
        type=chance.choices(_TYPES, (85, 5, 5, 5))[0],
        status="current",
        title=title,
        content="\n\n".join(parts),
        url=url,
        space=space,
        source_version=chance.randint(1, 40),
        summary=parts[0][:200],
        ancestors=tuple(Ancestor(str(one), take(3), f"{url}{one}") for one in range(3)),
        labels=tuple(sorted(set(chance.choices(_LABELS, k=chance.randint(0, 4))))),
        created=rfc3339(changed - timedelta(days=30)),
        updated=rfc3339(changed),
        creator=Person("712020:1", "Ada"),
        last_editor=Person("712020:2", "Grace"),
        outline=tuple(outline),
        links=tuple(links),
    )
