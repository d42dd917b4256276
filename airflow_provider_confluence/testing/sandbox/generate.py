"""Wikis of any size, the same ones every time: for benchmarks and for tests that need bulk.

Bodies are made when they are read, from the seed and the page's number, so that a hundred thousand pages take seconds and little memory.
"""

from __future__ import annotations

import random
from datetime import timedelta
from functools import partial

from airflow_provider_confluence.testing.sandbox.model import Model

_WORDS = [
    "account",
    "access",
    "agent",
    "alert",
    "archive",
    "backup",
    "balance",
    "batch",
    "branch",
    "bridge",
    "budget",
    "buffer",
    "build",
    "cable",
    "calendar",
    "carrier",
    "channel",
    "checklist",
    "client",
    "cluster",
    "column",
    "commit",
    "contact",
    "contract",
    "cursor",
    "customer",
    "dashboard",
    "deadline",
    "delivery",
    "deploy",
    "design",
    "device",
    "diagram",
    "document",
    "domain",
    "draft",
    "engine",
    "error",
    "estimate",
    "event",
    "export",
    "failure",
    "feature",
    "filter",
    "firmware",
    "folder",
    "forecast",
    "gateway",
    "glossary",
    "guide",
    "handover",
    "harbour",
    "header",
    "import",
    "incident",
    "index",
    "input",
    "invoice",
    "journal",
    "kernel",
    "label",
    "ledger",
    "library",
    "licence",
    "limit",
    "listing",
    "location",
    "manager",
    "manual",
    "market",
    "memory",
    "message",
    "metric",
    "migration",
    "mirror",
    "module",
    "monitor",
    "network",
    "notice",
    "number",
    "office",
    "onboarding",
    "operator",
    "order",
    "outage",
    "output",
    "package",
    "panel",
    "partner",
    "password",
    "pattern",
    "payment",
    "planning",
    "platform",
    "policy",
    "portal",
    "pressure",
    "process",
    "product",
    "profile",
    "project",
    "protocol",
    "quality",
    "queue",
    "quota",
    "record",
    "recovery",
    "region",
    "release",
    "report",
    "request",
    "reserve",
    "review",
    "rollout",
    "router",
    "runbook",
    "sample",
    "schedule",
    "schema",
    "search",
    "secret",
    "sensor",
    "server",
    "service",
    "session",
    "shipment",
    "signal",
    "snapshot",
    "source",
    "staging",
    "station",
    "status",
    "storage",
    "stream",
    "supplier",
    "support",
    "switch",
    "system",
    "table",
    "target",
    "ticket",
    "token",
    "trace",
    "traffic",
    "training",
    "transfer",
    "update",
    "upload",
    "valve",
    "vendor",
    "version",
    "volume",
    "warehouse",
    "warning",
    "weather",
    "window",
    "worker",
    "workshop",
]
_VERBS = [
    "checks",
    "keeps",
    "moves",
    "opens",
    "reads",
    "sends",
    "shows",
    "starts",
    "stops",
    "stores",
    "takes",
    "updates",
    "warns",
    "writes",
]
_LABELS = (
    "architecture",
    "howto",
    "incident",
    "meeting",
    "onboarding",
    "policy",
    "runbook",
    "release-notes",
    "draft",
    "team-tide",
)
_PEOPLE = ("Mina Torvald", "Jorge Basán", "Elke Wiśniewska", "Anil Raghavan", "Chloë Marchetti", "Sota Kurihara")


def generate(
    model: Model,
    *,
    pages: int = 1000,
    seed: int = 0,
    spaces: int = 1,
    attachments: bool = True,
    comments: bool = False,
) -> list[str]:
    """Fill a model with a generated wiki and return the keys of its spaces.

    About one in twenty items is a blog post, one in ten pages carries a text file, most carry labels, and the tree is some levels deep.
    With ``comments``, one in five pages has a footer comment, half of these a reply, and one in fifteen an inline comment, some resolved.

    :param pages: how many pages in all, evenly spread over the spaces; blog posts and attachments come on top.
    :param seed: the same seed, sizes and clock give the same wiki.
    """
    chance = random.Random(seed)
    people = [model.add_user(f"gen-{number}", name) for number, name in enumerate(_PEOPLE)]
    now = model.clock()
    keys = [f"GEN{number + 1}" for number in range(spaces)]
    with model.at(now - timedelta(days=730)):
        above: dict[str, list[str]] = {}
        for number, key in enumerate(keys):
            model.create_space(key, f"Generated space {number + 1}", author=people[0])
            above[key] = []
    step = timedelta(days=729) / max(pages, 1)
    for number in range(pages):
        key = keys[number % spaces]
        parents = above[key]
        parent = parents[int(chance.random() * len(parents))] if parents and chance.random() < 0.95 else None
        author = people[int(chance.random() * len(people))]
        labels = chance.sample(_LABELS, int(chance.random() * 4))
        with model.at(now - timedelta(days=730) + step * number):
            body = partial(page_body, seed, number)
            page = model.create_page(key, title(seed, number), body, parent=parent, labels=labels, author=author)
            if number % 20 == 19:
                post = partial(page_body, seed, -number)
                model.create_blogpost(
                    key, f"News {number}: {title(seed, -number)}", post, labels=labels[:1], author=author
                )
            if attachments and number % 10 == 7:
                model.attach(page, f"notes-{number}.txt", partial(_file, seed, number), "text/plain", author=author)
            if comments:
                _comment(model, page, seed, number, people)
        if number % 7 == 0 or len(parents) < 5:
            parents.append(page)
    return keys


def _comment(model: Model, page: str, seed: int, number: int, people: list[str]) -> None:
    """Comment on a page; drawn apart from the rest, so that a wiki is the same one with and without comments."""
    chance = random.Random(f"comments {seed} {number}")
    if number % 5 == 2:
        text = f"<p>{_sentences(chance, 2)}</p>"
        comment = model.create_comment(page, text, author=chance.choice(people))
        if chance.random() < 0.5:
            model.reply(comment, f"<p>{_sentences(chance, 1)}</p>", author=chance.choice(people))
    if number % 15 == 4:
        text, selection = f"<p>{_sentences(chance, 1)}</p>", " ".join(chance.choices(_WORDS, k=2))
        comment = model.create_comment(page, text, selection=selection, author=chance.choice(people))
        if chance.random() < 0.3:
            model.resolve_comment(comment, author=chance.choice(people))


def title(seed: int, number: int) -> str:
    """Return the title of a generated page: words and its number, so that it is unique."""
    chance = random.Random(f"title {seed} {number}")
    return f"{' '.join(chance.choices(_WORDS, k=3)).capitalize()} {abs(number)}"


def page_body(seed: int, number: int, version: int = 1) -> str:
    """Return the body of a generated page in storage format; another ``version`` gives an edited one."""
    chance = random.Random(f"body {seed} {number} {version}")
    parts = [f"<p>{_sentences(chance, 3)}</p>"]
    for _ in range(chance.randint(2, 5)):
        parts.append(f"<h2>{' '.join(chance.choices(_WORDS, k=2)).capitalize()}</h2>")
        parts.append(chance.choice(_BLOCKS)(chance, seed, number))
        parts.append(f"<p>{_sentences(chance, chance.randint(2, 6))}</p>")
    return "".join(parts)


def _sentences(chance: random.Random, count: int) -> str:
    made = []
    for _ in range(count):
        words = chance.choices(_WORDS, k=chance.randint(5, 11))
        words.insert(len(words) // 2, chance.choice(_VERBS))
        made.append(" ".join(words).capitalize() + ".")
    return " ".join(made)


def _list(chance: random.Random, _seed: int, _number: int) -> str:
    rows = "".join(f"<li><p>{_sentences(chance, 1)}</p></li>" for _ in range(chance.randint(3, 6)))
    return f"<ul>{rows}</ul>"


def _table(chance: random.Random, _seed: int, _number: int) -> str:
    head = "".join(f"<th>{word.capitalize()}</th>" for word in chance.sample(_WORDS, 3))
    rows = "".join(
        "<tr>" + "".join(f"<td>{word}</td>" for word in chance.choices(_WORDS, k=3)) + "</tr>"
        for _ in range(chance.randint(2, 5))
    )
    return f"<table><tbody><tr>{head}</tr>{rows}</tbody></table>"


def _code(chance: random.Random, _seed: int, _number: int) -> str:
    words = chance.sample(_WORDS, 3)
    code = f"def {words[0]}({words[1]}):\n    return {words[2]} < {chance.randint(2, 99)}"
    return (
        '<ac:structured-macro ac:name="code" ac:schema-version="1"><ac:parameter ac:name="language">python</ac:parameter>'
        f"<ac:plain-text-body><![CDATA[{code}]]></ac:plain-text-body></ac:structured-macro>"
    )


def _panel(chance: random.Random, _seed: int, _number: int) -> str:
    name = chance.choice(("info", "note", "warning", "tip"))
    return (
        f'<ac:structured-macro ac:name="{name}" ac:schema-version="1"><ac:rich-text-body>'
        f"<p>{_sentences(chance, 2)}</p></ac:rich-text-body></ac:structured-macro>"
    )


def _link(chance: random.Random, seed: int, number: int) -> str:
    target = title(seed, chance.randint(0, max(abs(number), 1)))
    return (
        f'<p>See <ac:link><ri:page ri:content-title="{target}" /><ac:plain-text-link-body>'
        f"<![CDATA[{chance.choice(_WORDS)}]]></ac:plain-text-link-body></ac:link>&nbsp;&ndash; {_sentences(chance, 1)}</p>"
    )


_BLOCKS = (_list, _table, _code, _panel, _link)


def _file(seed: int, number: int) -> bytes:
    return (_sentences(random.Random(f"file {seed} {number}"), 20) + "\n").encode()
