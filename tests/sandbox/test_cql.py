from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_confluence.testing.sandbox import ManualClock, Model
from airflow_provider_confluence.testing.sandbox.cql import Search
from airflow_provider_confluence.testing.sandbox.web import RefusedError

NOON = datetime(2026, 3, 1, 12, 0, 30, tzinfo=timezone.utc)


@pytest.fixture
def model() -> Model:
    """A wiki changed at 10:00, 11:00 and 11:59:50; now is 12:00:30."""
    model = Model(clock=ManualClock(NOON))
    with model.at(NOON - timedelta(days=9)):
        model.create_space("DOCS")
        model.create_space("OPS")
    with model.at(NOON - timedelta(hours=2)):
        start = model.create_page("DOCS", "Start", labels=["red"])
    with model.at(NOON - timedelta(hours=1)):
        model.create_page("DOCS", 'Say "hi"', parent=start, labels=["red", "blue"])
        model.create_blogpost("OPS", "News")
    with model.at(NOON - timedelta(seconds=40)):
        model.attach(start, "a.txt", b"a", "text/plain")
    return model


def found(model: Model, cql: str) -> list[str]:
    return [item.title for item in Search(model).find(cql, "account")]


@pytest.mark.parametrize(
    ("cql", "titles"),
    [
        ('space = "DOCS"', ["Start", 'Say "hi"', "a.txt"]),
        ("space in (DOCS, OPS) and type = page", ["Start", 'Say "hi"']),
        ("space in ('OPS')", ["News"]),
        ("type in (blogpost,attachment)", ["News", "a.txt"]),
        ("type != page", ["News", "a.txt"]),
        ("type not in (page, attachment)", ["News"]),
        ("not type = page and not (space = OPS)", ["a.txt"]),
        ("label = red and label = blue", ['Say "hi"']),
        ("label in (blue) or type = blogpost order by title", ["News", 'Say "hi"']),
        (r'title = "Say \"hi\""', ['Say "hi"']),
        ('title ~ "star*"', ["Start"]),
        ("type = page ORDER BY lastmodified DESC", ['Say "hi"', "Start"]),
        ('lastmodified >= now("-90m")', ['Say "hi"', "News", "a.txt"]),
        ('lastmodified >= now("-1h") and type=page', ['Say "hi"']),
        ('lastmodified < now("-1h")', ["Start"]),
        ('lastmodified >= "2026-03-01 11:59"', ["a.txt"]),
        ('lastmodified > "2026/03/01 11:59"', []),
        ('created > "2026-02-28" and created <= "2026-03-01 10:00"', ["Start"]),
        ('space = "NONE"', []),
    ],
)
def test_a_search_finds(model: Model, cql: str, titles: list[str]) -> None:
    assert titles == found(model, cql)


def test_items_are_found_by_id_parent_and_container(model: Model) -> None:
    start = model.find("Start")
    assert found(model, f"id in ({start}, 4711)") == ["Start"]
    assert found(model, f"parent = {start}") == ['Say "hi"']
    assert found(model, f"ancestor = {start}") == ['Say "hi"']
    assert found(model, f"container = {start}") == ["a.txt"]


@pytest.mark.parametrize(
    "cql",
    [
        "space",
        "space =",
        'space = "DOCS',
        "space in DOCS",
        "space in (DOCS",
        "(type = page",
        "type = page)",
        "type = page type = blogpost",
        "colour = red",
        "space > DOCS",
        "order by colour",
        "order title",
        'lastmodified >= "yesterday"',
        'lastmodified >= now("-9q")',
        "lastmodified in (1)",
    ],
)
def test_what_cannot_be_read_is_refused_with_400(model: Model, cql: str) -> None:
    with pytest.raises(RefusedError) as refused:
        found(model, cql)
    assert refused.value.status == 400


def test_trashed_hidden_and_archived_items_are_not_found(model: Model) -> None:
    page, post = model.find("Start"), model.find("News")
    assert page is not None
    assert post is not None
    model.archive(page)
    model.hide(post)
    assert found(model, "type in (page, blogpost)") == ['Say "hi"']
    model.readings.cql_lists_archived = True
    assert found(model, "type in (page, blogpost)") == ["Start", 'Say "hi"']
    model.trash(page)
    assert found(model, "type in (page, blogpost)") == ['Say "hi"']


def test_an_index_that_lags_does_not_find_the_newest_changes(model: Model) -> None:
    model.readings.cql_index_lag_seconds = 60
    assert found(model, "type = attachment") == []
    model.clock.advance(60)  # type: ignore[attr-defined]
    assert found(model, "type = attachment") == ["a.txt"]


def test_absolute_dates_are_read_in_the_zone_of_the_site(model: Model) -> None:
    assert found(model, 'lastmodified >= "2026-03-01 11:30"') == ["a.txt"]
    model.readings.cql_zone_offset_minutes = 120
    assert found(model, 'lastmodified >= "2026-03-01 11:30"') == ["Start", 'Say "hi"', "News", "a.txt"]
