from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_confluence.confluence.reading import absolute, instant, label_names
from airflow_provider_confluence.documents import rfc3339


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("2026-03-01T09:30:00.000Z", "2026-03-01T09:30:00.000Z"),
        ("2026-03-01T09:30:00Z", "2026-03-01T09:30:00.000Z"),
        ("2026-03-01T09:30:00.5Z", "2026-03-01T09:30:00.500Z"),
        ("2026-03-01T09:30:00.1234567Z", "2026-03-01T09:30:00.123Z"),
        ("2026-03-01T09:30:00.000+02:00", "2026-03-01T07:30:00.000Z"),
        ("2026-03-01T09:30:00.000+0000", "2026-03-01T09:30:00.000Z"),
        ("2026-03-01T23:30:00.000-0330", "2026-03-02T03:00:00.000Z"),
        ("2026-03-01T09:30:00", "2026-03-01T09:30:00.000Z"),
        ("2026-03-01 09:30", "2026-03-01T09:30:00.000Z"),
        ("2026-13-01T09:30:00Z", None),
        ("2026-02-30T09:30:00.000Z", None),
        ("0001-01-01T00:00:00+02:00", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        (1767225600000, None),
    ],
)
def test_an_instant_is_read_whatever_its_zone_and_fraction(given_: object, expected: str | None) -> None:
    assert expected == instant(given_)


@settings(deadline=None)
@given(
    st.datetimes(min_value=datetime.fromisoformat("1900-01-01"), max_value=datetime.fromisoformat("2200-01-01")),
    st.integers(min_value=-14 * 60, max_value=14 * 60),
)
def test_every_zone_gives_the_same_instant(wall: datetime, minutes: int) -> None:
    zoned = wall.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert rfc3339(zoned) == instant(zoned.isoformat(timespec="microseconds"))


@pytest.mark.parametrize(
    ("site", "link", "expected"),
    [
        ("https://x.atlassian.net/wiki", "/spaces/A/pages/1", "https://x.atlassian.net/wiki/spaces/A/pages/1"),
        ("https://x.atlassian.net/wiki", "/wiki/spaces/A", "https://x.atlassian.net/wiki/spaces/A"),
        ("https://x.atlassian.net/wiki", "/wikipedia", "https://x.atlassian.net/wiki/wikipedia"),
        ("https://example.com", "display/A", "https://example.com/display/A"),
        ("https://example.com/c", "https://other.example/p", "https://other.example/p"),
        ("https://example.com", None, ""),
    ],
)
def test_a_link_becomes_absolute_under_the_site(site: str, link: str | None, expected: str) -> None:
    assert expected == absolute(site, link)


def test_personal_labels_are_no_labels_of_the_item() -> None:
    rows = [
        {"name": "b", "prefix": "global"},
        {"name": "favourite", "prefix": "my"},
        {"name": "a", "prefix": "team"},
        {"name": "b"},
    ]
    assert label_names(rows) == ("a", "b")
