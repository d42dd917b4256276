"""A real Airflow over a sandbox Confluence, seen in a real Chromium by three people: Vera (viewer), Olga (op) and the administrator.

``make test-ui`` runs these; they are not part of ``make test``, because a machine without Chromium cannot.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from airflow_provider_confluence.testing.sandbox import Sandbox
from airflow_provider_confluence.testing.standalone import Standalone
from tests.ui.seen import Seen, log_in, wait_for_new_run

ROOT = Path(__file__).parents[2]
# Behind a path, as many deployments have it: what works here works without.
PATH = "/airflow"
PEOPLE = {"vera": "viewer", "olga": "op"}
HOSTILE = '<img src=x onerror="document.title=1;window.parent.stolen=1">'

OTHER_DAG = """
from airflow.sdk import dag, task


@dag(schedule=None)
def something_else():
    @task
    def nothing():
        pass

    nothing()


something_else()
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give these the time that a browser and an Airflow take on a busy machine."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(900))
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))


@pytest.fixture(scope="session")
def wiki() -> Iterator[Sandbox]:
    """Yield a Confluence with a space that works, and pages in it that cannot be indexed."""
    with Sandbox("cloud") as sandbox:
        model = sandbox.model
        model.create_space("DOCS", "Documentation")
        home = model.create_page("DOCS", "Home", "<p>Welcome aboard</p>")
        for number in range(1, 9):
            model.create_page("DOCS", f"Guide {number}", f"<p>Lantern {number}</p>", parent=home)
        for number in range(1, 4):
            model.create_blogpost("DOCS", f"News {number}", "<p>Shipped</p>")
        # Too long for the sink, and named by somebody who wishes the reader ill.
        model.create_page("DOCS", HOSTILE, f"<p>{'verbose ' * 400}</p>", parent=home)
        yield sandbox


@pytest.fixture(scope="session")
def airflow(wiki: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """Yield an Airflow with four datasources, whose first runs are over, and a DAG that has nothing to do with Confluence."""
    folder = tmp_path_factory.mktemp("ui")
    shutil.copytree(ROOT / "dags", folder / "dags", ignore=shutil.ignore_patterns("example*", "__pycache__"))
    (folder / "dags" / "something_else.py").write_text(OTHER_DAG)
    common = {"space": "DOCS", "interval": "23h"}
    definitions: dict[str, Any] = {
        "docs": {
            **common,
            "name": "Documentation",
            "enable_blogposts": True,
            "sink": {"type": "local", "max_document_bytes": 2000},
            "queue": {"name": "docs"},
        },
        "hostile": {**common, "name": HOSTILE, "queue": {"name": "hostile"}, "enabled": False},
        "forgetful": {**common, "name": "Forgetful", "queue": {"name": "forgetful"}},
        "mistake": {**common, "interval": "five minutes"},
    }
    with Standalone(folder / "airflow", folder / "dags", users=PEOPLE, path=PATH) as airflow:
        airflow.set_connection(
            "confluence_default", conn_type="confluence", host=wiki.endpoint, login=wiki.username, password=wiki.token
        )
        airflow.set_variable("confluence_datasources", json.dumps(definitions))
        for name in definitions:
            airflow.wait_for_dag(f"confluence__{name}")
        airflow.trigger("confluence__hostile")  # the others have a schedule, which begins their first runs
        for name in definitions:
            run = wait_for_new_run(airflow, name, 0)
            airflow.wait_for_run(f"confluence__{name}", run["dag_run_id"])
        yield airflow


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Yield the Chromium of the machine."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.fail("no Chromium is installed: apt-get install --no-install-recommends chromium")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=quiet)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def sessions(browser: Browser, airflow: Standalone) -> dict[str, Any]:
    """Return what each person's browser keeps of the log-in, which is done once."""
    kept = {}
    for user in ("admin", *PEOPLE):
        context = browser.new_context()
        page = context.new_page()
        log_in(page, airflow, user)
        kept[user] = context.storage_state()
        context.close()
    return kept


@pytest.fixture
def see(
    browser: Browser, airflow: Standalone, sessions: dict[str, Any], request: pytest.FixtureRequest
) -> Iterator[Any]:
    """Yield a function that lets a person look at an address of the UI; what the browser complained of fails the test."""
    opened: list[Seen] = []

    def look(
        address: str,
        *,
        user: str = "olga",
        dark: bool = False,
        width: int = 1280,
        height: int = 900,
        ours: bool = True,
        before: Callable[[Page], object] = lambda _: None,
    ) -> Seen:
        context = browser.new_context(
            storage_state=sessions[user],
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
        )
        page: Page = context.new_page()
        seen = Seen(page, airflow)
        opened.append(seen)
        before(page)
        seen.open(address, ours=ours)
        return seen

    yield look
    for seen in opened:
        seen.close()
    complaints = [complaint for seen in opened for complaint in seen.complaints]
    assert complaints == []
