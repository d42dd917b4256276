"""The benchmark's server answers as Confluence does, and what is measured against it does what a user's run does."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from airflow_provider_confluence.confluence.client import ConnectionSettings, connect
from airflow_provider_confluence.testing.sandbox.web import Request, Response
from benchmarks import raw
from benchmarks.server import COUNTERS, Setting, Site, running
from benchmarks.suite import Row
from benchmarks.wiki import FIRST_ID, SPACE_ID, Wiki
from tests.contracts.checker import ContractChecker

PAGES = 30
EXPAND = "version,space,ancestors,history,metadata.labels"
IDS = [str(FIRST_ID), str(FIRST_ID + 13), str(FIRST_ID + PAGES - 1)]
CQL = quote('space = "BENCH0" and type = page')
TARGETS = {
    "cloud": [
        "/rest/api/user/current",
        "/api/v2/spaces?keys=BENCH0&limit=250",
        f"/api/v2/spaces/{SPACE_ID}/pages?status=current&sort=id&limit=20",
        f"/api/v2/spaces/{SPACE_ID}/permissions?limit=250",
        f"/api/v2/pages?id={','.join(IDS)}&body-format=storage&limit=3&status=current",
        f"/api/v2/pages?space-id={SPACE_ID}&status=current&sort=-modified-date&limit=20",
        "/api/v2/attachments?status=current&limit=250",
        f"/rest/api/content/search?cql={CQL}&expand=metadata.labels,{raw.RESTRICTIONS}&limit=20",
    ],
    "datacenter": [
        "/rest/api/user/current",
        "/rest/api/space?spaceKey=BENCH0&expand=homepage&limit=200&start=0",
        f"/rest/api/content/scan?spaceKey=BENCH0&type=page&status=current&expand={EXPAND},{raw.RESTRICTIONS}&limit=20",
        f"/rest/api/content?{'&'.join('ids=' + i for i in IDS)}&type=page&status=current&expand={EXPAND},body.storage&limit=3",
        f"/rest/api/content/search?cql={CQL}&expand={EXPAND}&limit=20&start=0",
    ],
}


@pytest.mark.parametrize("edition", ["cloud", "datacenter"])
def test_the_benchmark_s_server_answers_as_the_published_descriptions_say(edition):
    context = "/wiki" if edition == "cloud" else "/confluence"
    site = Site(Wiki(pages=PAGES, body_chars=500, base="https://bench.example.com" + context), edition)
    checker = ContractChecker(edition)
    for target in TARGETS[edition]:
        status, text, _ = site.answer("GET", context + target, b"")
        url = urlsplit(context + target)
        checker(Request("GET", url.path, parse_qs(url.query), {}), Response(status, document=json.loads(text)))
    if edition == "cloud":
        body = json.dumps({"accountIds": ["person-3", "nobody"]}).encode()
        status, text, _ = site.answer("POST", context + "/api/v2/users-bulk", body)
        request = Request("POST", context + "/api/v2/users-bulk", {}, {"content-type": "application/json"}, body)
        checker(request, Response(status, document=json.loads(text)))
    checker.assert_clean()


@pytest.mark.parametrize("edition", ["cloud", "datacenter"])
def test_our_client_and_the_raw_one_get_every_page_of_the_benchmark_s_wiki(edition):
    wiki = Wiki(pages=PAGES, spaces=2, body_chars=500)
    with running(Setting(edition, PAGES, spaces=2, body_chars=500, per_request=0.001, per_body=0.0001)) as address:
        assert raw.load(address, edition, in_flight=4, spaces=2) == PAGES
        client = connect(ConnectionSettings(address.endpoint, address.username, address.token, deployment=edition))
        client.tells_readers = True
        try:
            found = [e for s in client.spaces(["*"]) for e in client.list_content(s, "page")]
            bodies = {f.entry.content_id: f.body for f in client.fetch_bodies("page", [e.content_id for e in found])}
        finally:
            client.close()
        counted = address.counters()
    assert {e.content_id: (e.title, e.parent_id) for e in found} == {
        str(FIRST_ID + n): (wiki.title(n), None if wiki.parent(n) is None else str(FIRST_ID + wiki.parent(n)))
        for n in range(PAGES)
    }
    assert bodies == {str(FIRST_ID + n): wiki.storage(n) for n in range(PAGES)}
    assert counted["requests"] == sum(counted["by_path"].values()) > 0
    assert COUNTERS not in counted["by_path"]


def test_a_figure_reaches_its_target_from_its_own_side():
    assert Row("seconds", "", "", 3.0, 3.0).passed
    assert not Row("seconds", "", "", 3.1, 3.0).passed
    assert Row("times as fast", "", "", 1.4, 1.4, at_most=False).passed
    assert not Row("times as fast", "", "", 1.3, 1.4, at_most=False).passed
