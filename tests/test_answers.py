"""JSON of answers: as RFC 8259 has it, whichever parser reads it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_confluence.answers import read_json

WHOLE = re.compile("[\ud800-\udbff][\udc00-\udfff]")
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**60, max_value=2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    # Half characters too, but not two that JSON, which writes a character as its halves, cannot tell from a whole one.
    | st.text(alphabet=st.characters(categories=("Cs", "Ll"))).filter(lambda text: not WHOLE.search(text)),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=4), inside, max_size=4),
    max_leaves=12,
)


def is_refused(text: str | bytes) -> bool:
    try:
        read_json(text)
    except ValueError:
        return True
    return False


@given(VALUES)
def test_what_was_written_is_read(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, indent=1)):
        assert repr(read_json(text)) == repr(value)
        assert repr(read_json(text.encode())) == repr(value)


@given(
    VALUES,
    st.integers(0, 400),
    st.sampled_from(('"', "\\", "{", "]", ",", "0", "-", "e9", "\ufeff", "NaN", "\x01", "")),
)
def test_what_is_spoilt_is_read_as_the_standard_library_reads_it_or_refused(value: Any, at: int, bit: str) -> None:
    text = json.dumps(value)
    text = text[:at] + bit + text[at + 1 :]
    try:
        expected = json.loads(text.encode())
    except ValueError:
        assert is_refused(text.encode())
        return
    if not any(word in repr(expected) for word in ("nan", "inf")):
        assert repr(read_json(text.encode())) == repr(expected)


@pytest.mark.parametrize("text", ["NaN", '{"a": -Infinity}', "1e400", "[-1e400]", "", "{", "[1,]", "[" * 100_000])
def test_what_is_no_json_is_refused(text: str) -> None:
    assert is_refused(text)
    assert is_refused(text.encode())


def test_of_a_key_that_is_given_twice_the_last_one_counts() -> None:
    assert read_json('{"a": 1, "b": 2, "a": 3}') == {"a": 3, "b": 2}
