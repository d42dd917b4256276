"""A page of Airflow in a browser, with ours in a frame of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import ConsoleMessage, Frame, FrameLocator, Page, Response, expect

from airflow_provider_confluence.testing.standalone import Standalone, wait_until

PICTURES = Path(__file__).parents[2] / "test-output" / "ui"
SECONDS = 60_000
_RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}

expect.set_options(timeout=SECONDS)


class Seen:
    """What a person sees: Airflow's page, and in it the frame that shows ours."""

    def __init__(self, page: Page, airflow: Standalone) -> None:
        self.page = page
        self.airflow = airflow
        self.complaints: list[str] = []
        page.set_default_timeout(SECONDS)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        page.on("response", self._answered)

    @property
    def ours(self) -> FrameLocator:
        """Our page, to find things in."""
        return self.page.frame_locator("iframe")

    @property
    def frame(self) -> Frame:
        """Our page, to run scripts in."""
        handle = self.page.locator("iframe").element_handle()
        frame = handle.content_frame() if handle else None
        assert frame is not None
        return frame

    def open(self, address: str, *, ours: bool = True) -> None:
        """Go to an address of the UI, and wait until our page is loaded where it is to be in it."""
        self.page.goto(f"{self.airflow.url}{address}")
        if ours:
            self.wait()

    def wait(self) -> None:
        """Wait until our page has loaded what it shows."""
        self.ours.locator("main[aria-busy=false]").wait_for(state="attached")

    def text(self) -> str:
        """The text of our page."""
        return self.ours.locator("body").inner_text()

    def picture(self, name: str) -> None:
        """Keep a picture of what is seen."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png")

    def whole_picture(self, name: str) -> None:
        """Keep a picture of all of our page, also of what one has to scroll to."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        height = self.frame.evaluate("document.documentElement.scrollHeight")
        size = self.page.viewport_size
        assert size is not None
        box = self.page.locator("iframe").bounding_box()
        assert box is not None
        self.page.set_viewport_size({"width": size["width"], "height": int(height + box["y"] + 40)})
        self.page.wait_for_timeout(300)
        self.page.screenshot(path=PICTURES / f"{name}.png")
        self.page.set_viewport_size(size)

    def accessibility(self) -> list[str]:
        """What axe has against our page, of what it calls serious or critical."""
        self.frame.evaluate(AXE_SCRIPT)
        found: Any = self.frame.evaluate("rules => axe.run(document, rules)", _RULES)
        assert found["passes"], "axe looked at nothing"
        return [
            f"{one['impact']}: {one['id']}: {one['nodes'][0]['html'][:200]} {json.dumps(one['nodes'][0].get('any', [])[:1])[:300]}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]

    def close(self) -> None:
        """Close the window."""
        self.page.context.close()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "/confluence/" in (message.location or {}).get("url", ""):
            self.complaints.append(f"console: {message.text} {message.location}")

    def _answered(self, response: Response) -> None:
        frame = response.frame
        if response.status >= 400 and "/confluence/" in frame.url:
            self.complaints.append(f"{response.status}: {response.url}")


def log_in(page: Page, airflow: Standalone, user: str) -> None:
    """Log in as a person would."""
    page.goto(f"{airflow.url}/auth/login")
    page.locator("input[name=username]").fill(user)
    page.locator("input[name=password]").fill(airflow.password_of(user))
    page.locator("button[type=submit]").click()
    page.wait_for_url(lambda url: "/auth/" not in url)


def define(airflow: Standalone, datasource: str, settings: dict[str, Any]) -> None:
    """Add a datasource to the Variable, and wait for its DAG."""
    known = json.loads(airflow.call("GET", "/variables/confluence_datasources")["value"])
    airflow.set_variable("confluence_datasources", json.dumps({**known, datasource: settings}))
    airflow.wait_for_dag(f"confluence__{datasource}")


def runs_of(airflow: Standalone, datasource: str) -> list[dict[str, Any]]:
    """The runs of a datasource's DAG, oldest first."""
    return airflow.runs(f"confluence__{datasource}")


def wait_for_new_run(airflow: Standalone, datasource: str, before: int) -> dict[str, Any]:
    """Return the run that was added."""
    return wait_until(
        lambda: runs_of(airflow, datasource)[-1] if len(runs_of(airflow, datasource)) > before else None,
        60,
        f"a run of {datasource} begins",
    )
