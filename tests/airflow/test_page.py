"""The page *Confluence* of the UI, without a browser: Airflow loads it, nobody sees it without a login, its files are all there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from importlib.metadata import entry_points
from typing import Any

import pytest

FILES = resources.files("airflow_provider_confluence.plugins").joinpath("page")


@pytest.fixture(scope="module")
def whole_airflow(airflow_db: None) -> Any:
    """Airflow's own application, with the plugins that it found."""
    from airflow.api_fastapi.app import create_app

    return create_app(apps="all")


@pytest.fixture(scope="module")
def stranger(whole_airflow: Any) -> Iterator[Any]:
    """Somebody who is not logged in."""
    from starlette.testclient import TestClient

    with TestClient(whole_airflow) as client:
        yield client


@pytest.fixture(scope="module")
def user(whole_airflow: Any) -> Iterator[Any]:
    """Yield a function that makes a client of a user with a role."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from starlette.testclient import TestClient

    def logged_in(role: str) -> TestClient:
        client = TestClient(whole_airflow)
        token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=role, role=role))
        client.cookies.set("_token", token)
        return client

    return logged_in


def routes() -> list[Any]:
    from airflow_provider_confluence.plugins._serving import make_app

    return list(make_app().routes)


def test_airflow_loads_the_plugin_by_its_entry_point() -> None:
    from airflow import plugins_manager

    from airflow_provider_confluence.plugins.confluence import ConfluencePlugin

    (point,) = [p for p in entry_points(group="airflow.plugins") if p.value.startswith("airflow_provider_confluence")]
    assert point.load() is ConfluencePlugin
    assert "confluence" in {plugin.name for plugin in plugins_manager._get_plugins()[0]}
    views, _ = plugins_manager._get_ui_plugins()
    ours = {view["destination"] for view in views if view["href"].startswith("/confluence/")}
    assert ours == {"nav", "dag", "dag_run"}


def test_loading_the_plugin_imports_no_web_framework() -> None:
    script = (
        "import sys, airflow_provider_confluence.plugins.confluence\n"
        "assert 'airflow.api_fastapi.core_api.security' not in sys.modules\n"
        "print('fastapi' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout.strip().splitlines()[-1:], done.returncode) == (["False"], 0), done.stderr


def test_no_route_answers_without_a_login(stranger: Any) -> None:
    paths = [route.path for route in routes()]
    assert len(paths) >= 3
    for path in paths:
        address = "/confluence" + path.replace("{name}", "main.js").replace("{dag_id}", "confluence__docs")
        assert "{" not in address, "a parameter that this test does not know"
        assert stranger.get(address).status_code == 401, address
        assert stranger.get(address, headers={"Authorization": "Bearer x.y.z"}).status_code in (401, 403), address


def test_every_route_only_reads() -> None:
    assert {method for route in routes() for method in route.methods} == {"GET"}


def test_every_file_is_served_to_whoever_is_logged_in(user: Any) -> None:
    client = user("viewer")
    for file in FILES.iterdir():
        answer = client.get(f"/confluence/{file.name}")
        assert (answer.status_code, answer.content) == (200, file.read_bytes()), file.name
    page = client.get("/confluence/")
    assert page.content == FILES.joinpath("index.html").read_bytes()
    for directive in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'self'", "base-uri 'none'"):
        assert directive in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fconfluence.py", "%2e%2e%2f_serving.py", "__init__.py"])
def test_nothing_else_is_served(user: Any, name: str) -> None:
    assert user("admin").get(f"/confluence/{name}").status_code == 404


@pytest.mark.parametrize(("role", "allowed"), [("viewer", False), ("user", True), ("op", True), ("admin", True)])
def test_the_page_learns_who_may_start_a_dag(user: Any, role: str, allowed: bool) -> None:
    assert user(role).get("/confluence/may-start/confluence__docs").json() == {"allowed": allowed}


@pytest.mark.parametrize(
    ("base_url", "address"),
    [
        ("http://localhost:8080", "/confluence/"),
        ("https://example.com/airflow", "/airflow/confluence/"),
        ("https://example.com/team/airflow/", "/team/airflow/confluence/"),
    ],
)
def test_the_page_stands_behind_the_path_of_the_ui(
    monkeypatch: pytest.MonkeyPatch, base_url: str, address: str
) -> None:
    from airflow_provider_confluence.plugins.confluence import page_address

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    assert page_address() == address


def test_the_page_makes_no_markup_of_what_it_shows_and_loads_nothing_from_elsewhere() -> None:
    markup = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|\beval\(|new Function|srcdoc"
    )
    for file in FILES.iterdir():
        text = file.read_text(encoding="utf-8")
        assert not markup.search(text), file.name
        elsewhere = [found for found in re.findall(r"https?://[^\s\"'`)]+", text) if "www.w3.org" not in found]
        assert not elsewhere, file.name
        assert " style=" not in text, f"{file.name}: the content security policy forbids styles in markup"
        assert "<script>" not in text, file.name


def test_every_module_that_a_script_names_is_there() -> None:
    names = {file.name for file in FILES.iterdir()}
    for file in FILES.iterdir():
        if file.name.endswith(".js"):
            assert set(re.findall(r'from "\./([^"]+)"', file.read_text(encoding="utf-8"))) <= names
