"""The digits that stand for a value are those of its one JSON text, whatever writes it."""

from __future__ import annotations

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_confluence.sync.manifest import digest

TEXTS = st.text(st.characters(exclude_categories=()), max_size=20) | st.text(
    'a"\\/\b\f\n\r\t\x00\x1f\x7f\ud800é', max_size=9
)
VALUES = st.recursive(
    TEXTS | st.integers(-(2**63), 2**64 - 1) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_a_digest_is_that_of_the_sorted_compact_ascii_text(value: object) -> None:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    assert digest(value) == hashlib.blake2b(text.encode("ascii"), digest_size=8).hexdigest()
