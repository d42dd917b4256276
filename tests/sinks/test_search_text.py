"""What is searched and shown in snippets: the words, not the markup."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_confluence.sinks._search_text import search_text


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("# A *fine* **title**\n\nText.", "A fine title\n\nText."),
        ("See [the guide](http://x/display/DOCS/Rollback+Plan) now", "See the guide now"),
        ("[a (b)](<http://x/a (b)>) and [c](http://x/c(d)e)", "a (b) and c"),
        ("![a chart](chart.png)", "a chart"),
        ("[![a chart](chart.png)](http://x)", "a chart"),
        ("- one\n  1. two\n- [x] done", "one\ntwo\ndone"),
        ("> **Note: care**\n> mind the gap", "Note: care\nmind the gap"),
        ("| a | b |\n| --- | --- |\n| c | d |", "a · b\n\nc · d"),
        ("| a | |\n| --- | --- |\n| c \\| d | e |", "a\n\nc | d · e"),
        ("before\n\n```python\nx = a[0](b) * **c\n```\n\nafter", "before\nx = a[0](b) * **c\nafter"),
        ("````\n```\ninner\n```\n````", "```\ninner\n```"),
        (r"5 \* 3 \_x\_", "5 * 3 _x_"),
        ("use `code` here", "use code here"),
        (r"C:\\*old* \\\*x\\**y**", r"C:\old \*x\y"),
        ("wow ![a](b)![c](d)! ![not](one two) !", "wow ac! ![not](one two) !"),
        ("  12. twelve\n+ plus\n1.5 metres\n-5 degrees\n٣. three", "twelve\nplus\n1.5 metres\n-5 degrees\nthree"),
        ("~ about ~~struck~~ ~\n> ~~~\n> **raw**\n> ~~~\n> quoted", "~ about struck ~\n> **raw**\nquoted"),
    ],
)
def test_markup_and_addresses_are_left_out(markdown, expected):
    assert search_text(markdown) == expected


@given(st.lists(st.from_regex(r"[A-Za-z0-9]{1,8}", fullmatch=True), min_size=1, max_size=30))
def test_every_plain_word_stays_in_order(words):
    assert re.findall(r"\w+", search_text("x " + " ".join(words))) == ["x", *words]


@given(st.text(alphabet="[]()<>*`~#>-|\\ \nab!", max_size=300))
def test_any_markdown_is_taken(text):
    search_text(text)
