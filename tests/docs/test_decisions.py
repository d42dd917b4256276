"""The decisions are listed, in their order and by their names, and each says when it is violated."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"
DECISIONS = sorted(FOLDER.glob("0*.md"))


def test_the_index_lists_every_decision_by_its_name():
    listed = re.findall(
        r"^- \[(\d+)\. (.+?)\]\((.+?)\)", (FOLDER / "index.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [int(number) for number, _, _ in listed] == list(range(1, len(DECISIONS) + 1))
    assert [name for _, _, name in listed] == [path.name for path in DECISIONS]
    for (number, title, _), path in zip(listed, DECISIONS, strict=True):
        heading = path.read_text(encoding="utf-8").splitlines()[0]
        assert heading.startswith(f"# {number}. {title}")
        assert int(path.name[:4]) == int(number)


def test_every_decision_says_when_it_is_violated():
    for path in DECISIONS:
        assert "**This is violated when**" in path.read_text(encoding="utf-8"), path.name
