"""How often the page asks Airflow: it must not keep it busy, however many datasources there are and however slow it is."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, Route, expect

from airflow_provider_confluence.testing.standalone import Standalone, wait_until
from tests.ui.made_up import datasources, watch_refreshes

# Without Airflow's own page around it, whose clock would be moved too.
ALL = "/confluence/"
DOCS = f"{ALL}?datasource=docs"

MANY = 300
WAIT_MS = 20_000
NONE_TO_SPARE_MS = 250  # what a clock that is moved in steps, and read beside the timer, may be off


def refreshes(seen: Any) -> list[dict[str, int]]:
    return [one for one in seen.page.evaluate("window.refreshes") if one["over"] is not None]


def wait_until_it_has_looked(seen: Any) -> None:
    expect(seen.page.locator("main")).to_have_attribute("aria-busy", "false", timeout=300_000)


def let_time_pass_until_the_next(seen: Any) -> list[dict[str, int]]:
    """Move the page's clock on, a second at a time, until it has looked once more; return all its looks at Airflow."""
    before = len(seen.page.evaluate("window.refreshes"))

    def begun() -> bool:
        seen.page.clock.fast_forward(1000)
        return len(seen.page.evaluate("window.refreshes")) > before

    wait_until(begun, 300, "the page looks again", every=0)
    wait_until_it_has_looked(seen)
    return refreshes(seen)


def test_hundreds_of_datasources_are_asked_for_twice_each_and_then_left_alone(see: Any, airflow: Standalone) -> None:
    asked: list[str] = []

    def before(page: Page) -> None:
        watch_refreshes(page)
        datasources(page, airflow, MANY, asked)

    seen = see(ALL, ours=False, before=before)
    wait_until_it_has_looked(seen)
    expect(seen.page.locator("tbody tr")).to_have_count(MANY)
    expect(seen.page.locator("tbody .badge.ongoing")).to_have_count(MANY)
    first, second = let_time_pass_until_the_next(seen)
    # All have a run under way, and yet they are not looked at every three seconds.
    assert second["begun"] - first["over"] >= max(30_000, 5 * (first["over"] - first["begun"])) - NONE_TO_SPARE_MS
    assert len(asked) == 2 * 2 * MANY
    assert len(set(asked)) == 2 * MANY


def test_an_airflow_that_answers_slowly_is_asked_less_often(see: Any) -> None:
    seen = see(DOCS, ours=False, before=watch_refreshes)
    wait_until_it_has_looked(seen)
    let_it_wait(seen).continue_()
    slow, following = let_time_pass_until_the_next(seen)[1:]
    assert slow["over"] - slow["begun"] >= WAIT_MS
    assert following["begun"] - slow["over"] >= 5 * (slow["over"] - slow["begun"]) - NONE_TO_SPARE_MS


def test_who_presses_refresh_again_and_again_gets_one_more_look_and_none_beside_the_first(see: Any) -> None:
    seen = see(DOCS, ours=False, before=watch_refreshes)
    wait_until_it_has_looked(seen)
    held = let_it_wait(seen)
    seen.page.get_by_role("button", name="Refresh").evaluate("button => { for (let i = 0; i < 9; i++) button.click() }")
    assert len(seen.page.evaluate("window.refreshes")) == 2
    held.continue_()
    wait_until(lambda: len(refreshes(seen)) == 3, 60, "the page has looked once more")
    pressed, again = refreshes(seen)[1:]
    assert again["begun"] >= pressed["over"]
    assert len(let_time_pass_until_the_next(seen)) == 4


def let_it_wait(seen: Any) -> Route:
    """Press *Refresh*, and return the request that is not answered while the page's clock goes on."""
    held: list[Route] = []
    seen.page.route("**/api/v2/assets?*", lambda route: held.append(route), times=1)
    seen.page.get_by_role("button", name="Refresh").click()
    expect(seen.page.locator("main")).to_have_attribute("aria-busy", "true")
    seen.page.clock.fast_forward(WAIT_MS)
    wait_until(lambda: held or seen.page.wait_for_timeout(50), 60, "the page asks")
    return held[0]
