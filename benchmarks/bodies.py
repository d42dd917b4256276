"""Bodies as editors of Confluence write them, made from a seed: prose with marks and links, lists, tables, code, panels, tasks, layouts.

The attributes that Confluence adds to everything (``ac:macro-id``, ``ac:local-id``, ``data-layout``, styles) are there too: a parser
reads them, a converter must not.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable

_WORDS = """
    access account alert archive audit backup balance batch branch bridge budget café cluster contract customer
    database deadline delivery deploy device document estimate event export feature filter gateway harbour
    incident index invoice journal kernel ledger library licence manager message metric migration module monitor
    network number operator order outage owner partner password payment pipeline planning portal process profile
    project protocol quality queue record recovery region release report request review rollout router runbook
    schedule schema search server service shipment signal snapshot source staging station storage stream supplier
    support system target ticket token trace traffic training transfer update vendor version volume warehouse
    window worker the of and to in is for on with that we it are this be as by from at must when after before
    every each which not can will
""".split()  # noqa: SIM905 - a list of a hundred words reads as prose
PEOPLE = 40
"""So many people are mentioned, ``person-0`` and on: a wiki's authors are few, and named again and again."""
_NAMES = ("order_id", "max-age", "retry.count", "C:\\Data", "v2.5", "~300 ms", "10 * 3", "a_b", "x < y")


def body(seed: int, least_chars: int = 12_000) -> str:
    """Return one body of at least that many characters."""
    chance = random.Random(f"body {seed}")
    parts: list[str] = []
    length = 0
    while length < least_chars:
        part = _heading(chance) if not parts or chance.random() < 0.12 else chance.choices(_KINDS, _WEIGHTS)[0](chance)
        parts.append(part)
        length += len(part)
    return "".join(parts)


def _id(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128)))


def words(chance: random.Random, least: int, most: int) -> str:
    """Return some words in a row."""
    return " ".join(chance.choices(_WORDS, k=chance.randint(least, most)))


def _sentence(chance: random.Random) -> str:
    text = words(chance, 6, 18).capitalize()
    if chance.random() < 0.15:
        name = chance.choice(_NAMES).replace("<", "&lt;")
        text += f" {name}"
    if chance.random() < 0.1:
        text += chance.choice(("&nbsp;&ndash; ", "&rsquo;s ", " &amp; ")) + words(chance, 2, 4)
    return text + "."


def _prose(chance: random.Random, sentences: int) -> str:
    parts = []
    for _ in range(sentences):
        sentence = _sentence(chance)
        if chance.random() < 0.35:
            sentence += " " + chance.choice(_INLINE)(chance)
        parts.append(sentence)
    return " ".join(parts)


def _strong(chance: random.Random) -> str:
    return f"<strong>{words(chance, 1, 3)}</strong>"


def _em(chance: random.Random) -> str:
    return f"<em>{words(chance, 1, 3)}</em>"


def _inline_code(chance: random.Random) -> str:
    return f"<code>{'_'.join(chance.choices(_WORDS, k=2))}()</code>"


def _colour(chance: random.Random) -> str:
    return f'<span style="color: rgb(255,86,48);">{words(chance, 1, 4)}</span>'


def _web_link(chance: random.Random) -> str:
    return f'<a href="https://example.com/{chance.choice(_WORDS)}/{chance.randint(1, 9999)}">{words(chance, 1, 4)}</a>'


def _page_link(chance: random.Random) -> str:
    return (
        f'<ac:link><ri:page ri:space-key="OPS" ri:content-title="{words(chance, 2, 4).title()}" '
        f'ri:version-at-save="{chance.randint(1, 40)}" />'
        f"<ac:link-body>{words(chance, 1, 3)}</ac:link-body></ac:link>"
    )


def _mention(chance: random.Random) -> str:
    return f'<ac:link><ri:user ri:account-id="person-{chance.randrange(PEOPLE)}" /></ac:link>'


def _status(chance: random.Random) -> str:
    title, colour = chance.choice((("DONE", "Green"), ("IN PROGRESS", "Blue"), ("BLOCKED", "Red")))
    return _macro(
        chance,
        "status",
        f'<ac:parameter ac:name="title">{title}</ac:parameter><ac:parameter ac:name="colour">{colour}</ac:parameter>',
    )


def _date(chance: random.Random) -> str:
    return f'<time datetime="2026-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}" />'


_INLINE: tuple[Callable[[random.Random], str], ...] = (
    *(_strong, _strong, _em, _inline_code, _inline_code, _colour, _web_link, _web_link, _page_link, _mention, _status, _date),
)  # fmt: skip


def _heading(chance: random.Random) -> str:
    level = chance.randint(1, 4)
    return f'<h{level} local-id="{_id(chance)}">{words(chance, 2, 6).capitalize()}</h{level}>'


def _paragraph(chance: random.Random) -> str:
    return f'<p local-id="{_id(chance)}">{_prose(chance, chance.randint(1, 5))}</p>'


def _list(chance: random.Random, deep: bool = True) -> str:
    tag = chance.choice(("ul", "ol"))
    items = []
    for _ in range(chance.randint(3, 8)):
        inner = _list(chance, deep=False) if deep and chance.random() < 0.15 else ""
        items.append(f"<li><p>{_prose(chance, 1)}</p>{inner}</li>")
    return f"<{tag}>{''.join(items)}</{tag}>"


def _table(chance: random.Random) -> str:
    columns = chance.randint(3, 6)
    head = "".join(
        f'<th data-highlight-colour="#f4f5f7"><p><strong>{words(chance, 1, 2)}</strong></p></th>'
        for _ in range(columns)
    )
    rows = []
    for _ in range(chance.randint(4, 12)):
        cells = "".join(
            f"<td><p>{chance.choice(_INLINE)(chance) if chance.random() < 0.15 else words(chance, 1, 7)}</p></td>"
            for _ in range(columns)
        )
        rows.append(f"<tr>{cells}</tr>")
    columns_written = "<colgroup>" + '<col style="width: 120.0px;" />' * columns + "</colgroup>"
    return (
        f'<table data-table-width="760" data-layout="default" ac:local-id="{_id(chance)}">{columns_written}'
        f"<tbody><tr>{head}</tr>{''.join(rows)}</tbody></table>"
    )


def _macro(chance: random.Random, name: str, inside: str) -> str:
    return f'<ac:structured-macro ac:name="{name}" ac:schema-version="1" ac:macro-id="{_id(chance)}">{inside}</ac:structured-macro>'


def _code(chance: random.Random) -> str:
    lines = "\n".join(
        f"{'    ' * chance.randint(0, 3)}{chance.choice(_WORDS)} = {chance.choice(_WORDS)}[{chance.randint(0, 99)}] < `x`"
        for _ in range(chance.randint(4, 25))
    )
    parameters = (
        '<ac:parameter ac:name="language">python</ac:parameter><ac:parameter ac:name="linenumbers">true</ac:parameter>'
    )
    return _macro(chance, "code", f"{parameters}<ac:plain-text-body><![CDATA[{lines}]]></ac:plain-text-body>")


def _panel(chance: random.Random) -> str:
    title = f'<ac:parameter ac:name="title">{words(chance, 1, 4)}</ac:parameter>' if chance.random() < 0.5 else ""
    body = "".join(_paragraph(chance) for _ in range(chance.randint(1, 2)))
    return _macro(
        chance,
        chance.choice(("info", "note", "warning", "expand")),
        f"{title}<ac:rich-text-body>{body}</ac:rich-text-body>",
    )


def _tasks(chance: random.Random) -> str:
    tasks = "".join(
        f"<ac:task><ac:task-id>{number}</ac:task-id><ac:task-uuid>{_id(chance)}</ac:task-uuid>"
        f"<ac:task-status>{chance.choice(('complete', 'incomplete'))}</ac:task-status>"
        f"<ac:task-body><span>{_prose(chance, 1)}</span></ac:task-body></ac:task>"
        for number in range(chance.randint(2, 6))
    )
    return f"<ac:task-list>{tasks}</ac:task-list>"


def _layout(chance: random.Random) -> str:
    cells = "".join(f"<ac:layout-cell>{_paragraph(chance)}{_list(chance)}</ac:layout-cell>" for _ in range(2))
    return f'<ac:layout><ac:layout-section ac:type="two_equal" ac:breakout-mode="default">{cells}</ac:layout-section></ac:layout>'


def _picture(chance: random.Random) -> str:
    return (
        f'<ac:image ac:align="center" ac:layout="center" ac:original-height="600" ac:width="760" ac:alt="{words(chance, 1, 4)}">'
        f'<ri:attachment ri:filename="{chance.choice(_WORDS)}.png" ri:version-at-save="1" /></ac:image>'
    )


_KINDS = (_paragraph, _list, _table, _code, _panel, _tasks, _layout, _picture)
_WEIGHTS = (40, 14, 8, 6, 6, 4, 3, 4)
