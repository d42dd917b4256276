from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_confluence.confluence.cql import in_list, quoted

# The string of JQL's published grammar (Jql.g), which CQL shares: written down here on its own, as the other side would read it.
_STRING = re.compile(r'"((?:[^"\\\r\n]|\\(?:[tnr\\\'" ]|u[0-9a-fA-F]{4}))*)"')
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r"}


def read(text: str, position: int = 0) -> tuple[str, int]:
    found = _STRING.match(text, position)
    assert found is not None, text
    value = re.sub(
        r"\\(u([0-9a-fA-F]{4})|.)",
        lambda escape: chr(int(escape[2], 16)) if escape[2] else _ESCAPES.get(escape[1], escape[1]),
        found[1],
    )
    return value, found.end()


@settings(deadline=None)
@given(st.text())
@example('DOCS" or space != "X')
@example("\\")
@example('\\" or 1=1')
@example("a\r\nb\x00\u2028")
def test_no_text_can_leave_its_quotes(value: str) -> None:
    text = quoted(value)
    assert (value, len(text)) == read(text)


@settings(deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=5))
def test_a_list_holds_exactly_its_values(values: list[str]) -> None:
    text = in_list(values)
    position, found = 1, []
    while text[position] == '"':
        value, position = read(text, position)
        found.append(value)
        position += 2 if text.startswith(", ", position) else 0
    assert (values, ")") == (found, text[position:])
