from __future__ import annotations

import base64
import doctest
import importlib
import pkgutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from airflow_provider_confluence.testing import sandbox as package
from airflow_provider_confluence.testing.sandbox import Sandbox, run_sandbox
from tests.sandbox.conftest import Caller


def test_the_log_counts_requests_without_keeping_credentials(on_cloud: Caller) -> None:
    on_cloud.json("/api/v2/pages", limit=5)
    requests.get(on_cloud.sandbox.endpoint + "/rest/api/user/current", timeout=5)
    log = on_cloud.sandbox.requests
    assert [
        (entry.method, entry.path, entry.query["limit"], entry.status, entry.had_authorization)
        for entry in log.matching("*/pages")
    ] == [("GET", "/wiki/api/v2/pages", ["5"], 200, True)]
    assert (len(log), log.count("*/user/current"), log[1].had_authorization) == (2, 1, False)
    log.clear()
    assert len(log) == 0


def test_the_log_knows_the_most_requests_at_one_time(on_cloud: Caller) -> None:
    on_cloud.sandbox.latency_seconds = 0.2
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Caller.get(on_cloud, "/api/v2/pages"), range(4)))
    assert on_cloud.sandbox.requests.max_in_flight == 4


def test_connections_are_kept_alive(on_cloud: Caller) -> None:
    for _ in range(3):
        assert on_cloud.get("/api/v2/pages").status_code == 200
    manager = on_cloud.session.get_adapter(on_cloud.sandbox.origin).poolmanager
    [pool] = [manager.pools[key] for key in manager.pools.keys()]  # noqa: SIM118 - it is no dict
    assert (pool.num_connections, pool.num_requests) == (1, 3)


def test_a_stopped_sandbox_leaves_no_thread_and_starts_again(on_cloud: Caller) -> None:
    before = threading.active_count()
    sandbox = Sandbox("datacenter")
    for _ in range(2):
        with sandbox:
            session = requests.Session()
            headers = {"Authorization": sandbox.authorization}
            assert (
                session.get(sandbox.endpoint + "/rest/api/user/current", headers=headers, timeout=5).status_code == 200
            )
        session.close()
        assert before == threading.active_count()
    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.endpoint
    sandbox.stop()


def test_each_start_has_its_own_token_unless_one_is_given() -> None:
    assert Sandbox().token != Sandbox().token
    assert Sandbox(token="mine").token == "mine"


def test_a_revoked_token_is_refused(on_cloud: Caller) -> None:
    on_cloud.sandbox.revoke_token()
    assert on_cloud.get("/rest/api/user/current").status_code == 401


def test_an_unknown_edition_is_refused() -> None:
    with pytest.raises(ValueError, match="edition"):
        Sandbox("server")  # type: ignore[arg-type]


def test_the_wiki_is_changed_over_http(sandbox: Sandbox) -> None:
    def post(action: str, **arguments: object) -> requests.Response:
        return requests.post(f"{sandbox.origin}/_sandbox/{action}", json=arguments, timeout=5)

    assert post("create", type="space", key="DOCS", name="Documentation").status_code == 200
    page = post("create", space_key="DOCS", title="Page", body="<p>1</p>", labels=["x"]).json()["id"]
    post("edit", content_id=page, body="<p>2</p>")
    post(
        "attach", page_id=page, filename="a.bin", base64=base64.b64encode(b"\x00\x01").decode(), media_type="image/png"
    )
    post("relabel", content_id=page, labels=["y"])
    trashed = post("create", space_key="DOCS", title="Gone").json()["id"]
    post("trash", content_id=trashed)
    state = requests.get(sandbox.origin + "/_sandbox/state", timeout=5).json()
    assert [(item["title"], item["version"], item["labels"], item["size"]) for item in state["items"]] == [
        ("Page", 2, ["y"], None),
        ("a.bin", 1, [], 2),
    ]
    post("faults", fault="respond", status=503, times=1, retry_after=3)
    headers = {"Authorization": sandbox.authorization}
    statuses = [requests.get(sandbox.endpoint + "/rest/api/user/current", headers=headers, timeout=5) for _ in range(2)]
    assert [(answer.status_code, answer.headers.get("Retry-After")) for answer in statuses] == [(503, "3"), (200, None)]


@pytest.mark.parametrize(
    ("action", "arguments", "reason"),
    [
        ("create", {"type": "planet"}, "planet"),
        ("edit", {"content_id": "4711", "body": ""}, "4711"),
        ("edit", {"colour": "red"}, "colour"),
        ("explode", {}, "explode"),
        ("faults", {"fault": "flood"}, "flood"),
        ("readings", {"move_bumps_versions": True}, "move_bumps_versions"),
        ("attach", {"page_id": "1", "filename": "a", "base64": "?"}, "base64"),
    ],
)
def test_a_mistake_in_an_action_is_explained(
    cloud: Sandbox, action: str, arguments: dict[str, object], reason: str
) -> None:
    answer = requests.post(f"{cloud.origin}/_sandbox/{action}", json=arguments, timeout=5)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]


def test_a_sandbox_from_the_command_line_says_how_to_log_in() -> None:
    said: list[str] = []
    ready, until = threading.Event(), threading.Event()

    def say(line: str) -> None:
        said.append(line)
        if line.startswith("admin"):
            ready.set()

    server = threading.Thread(
        target=run_sandbox, kwargs={"pages": 5, "spaces": 2, "token": "t", "say": say, "until": until}
    )
    server.start()
    try:
        assert ready.wait(10)
        told = dict(line.split(None, 1) for line in said)
        answer = requests.get(told["endpoint"] + "/api/v2/spaces", auth=(told["username"], told["token"]), timeout=5)
        assert ["GEN1", "GEN2"] == [space["key"] for space in answer.json()["results"]] == told["spaces"].split(", ")
    finally:
        until.set()
        server.join(10)


def test_the_examples_in_the_documentation_are_true() -> None:
    modules = [package.__name__] + [
        f"{package.__name__}.{found.name}" for found in pkgutil.iter_modules(package.__path__)
    ]
    failed = attempted = 0
    for name in modules:
        result = doctest.testmod(importlib.import_module(name), extraglobs={"print": print})
        failed, attempted = failed + result.failed, attempted + result.attempted
    assert failed == 0
    assert attempted > 5


def test_the_sandbox_shares_no_code_with_the_client() -> None:
    from pathlib import Path

    for path in Path(package.__file__).parent.glob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.lstrip().startswith(("import ", "from ")) and "airflow_provider_confluence" in line:
                assert "airflow_provider_confluence.testing.sandbox" in line, f"{path.name}: {line}"


def test_the_restrictions_of_a_visible_item_name_nobody(sandbox: Sandbox, calling: Callable[[Sandbox], Caller]) -> None:
    caller = calling(sandbox)
    sandbox.model.create_space("DOCS")
    page = sandbox.model.create_page("DOCS", "Page")
    path = f"/rest/api/content/{page}/restriction/byOperation"
    found = caller.json(path)
    assert {found[operation]["operation"] for operation in ("read", "update")} == {"read", "update"}
    assert [found["read"]["restrictions"][who]["results"] for who in ("user", "group")] == [[], []]
    sandbox.model.hide(page)
    assert caller.get(path).status_code == 404
