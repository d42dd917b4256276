"""The benchmark's server answers as Confluence does, and what is measured against it does what a user's run does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from lxml import etree

from airflow_provider_confluence import content
from airflow_provider_confluence.confluence.client import ConnectionSettings, connect
from airflow_provider_confluence.content.attachments import Extractor
from airflow_provider_confluence.testing.sandbox.web import Request, Response
from benchmarks import raw
from benchmarks.bodies import body
from benchmarks.files import DISTINCT_FILES, KINDS, fact, file_bytes, file_name, media_type
from benchmarks.peers.judging import judge, text_of_html
from benchmarks.server import COUNTERS, Setting, Site, running
from benchmarks.table import Note, Row, keep, show
from benchmarks.views import rendered
from benchmarks.wiki import FIRST_ID, SPACE_ID, Wiki
from tests.contracts.checker import ContractChecker

PAGES = 30
FILES = 5
EXPAND = "version,space,ancestors,history,metadata.labels"
ATTACHED = "version,space,container,history,extensions"
IDS = [str(FIRST_ID), str(FIRST_ID + 13), str(FIRST_ID + PAGES - 1)]
CQL = quote('space = "BENCH0" and type = page')
TARGETS = {
    "cloud": [
        "/rest/api/user/current",
        "/api/v2/spaces?keys=BENCH0&limit=250",
        f"/api/v2/spaces/{SPACE_ID}/pages?status=current&sort=id&limit=20",
        f"/api/v2/spaces/{SPACE_ID}/pages?status=current&sort=-id&limit=20",
        f"/api/v2/spaces/{SPACE_ID}/permissions?limit=250",
        f"/api/v2/pages?id={','.join(IDS)}&body-format=storage&limit=3&status=current",
        f"/api/v2/pages?space-id={SPACE_ID}&status=current&sort=-modified-date&limit=20",
        f"/api/v2/pages/{FIRST_ID + 1}/labels?limit=250",
        "/api/v2/attachments?status=current&limit=250",
        f"/rest/api/content/search?cql={CQL}&expand=metadata.labels,{raw.RESTRICTIONS}&limit=20",
        "/api/v2/attachments?status=current&sort=-modified-date&limit=250",
        f"/api/v2/spaces/{SPACE_ID}/blogposts?status=current&sort=id&limit=250",
        f"/api/v2/blogposts?space-id={SPACE_ID}&status=current&sort=-modified-date&limit=250",
        # What the clients of make bench-peers ask.
        f"/rest/api/content/search?cql={CQL}&expand=body.storage,version&limit=50",
        f"/rest/api/content/search?cql={CQL}&expand=body.export_view.value&limit=25",
        f"/api/v2/pages?space-id={SPACE_ID}&limit=20",
        f"/api/v2/pages/{FIRST_ID}?body-format=view&include-version=true",
        f"/rest/api/content/{FIRST_ID}/restriction/byOperation",
        f"/rest/api/content/search?cql={quote(f'id in ({IDS[0]}, {IDS[1]})')}&expand=metadata.labels&limit=200",
    ],
    "datacenter": [
        "/rest/api/user/current",
        "/rest/api/space?spaceKey=BENCH0&expand=homepage&limit=200&start=0",
        f"/rest/api/content/scan?spaceKey=BENCH0&type=page&status=current&expand={EXPAND},{raw.RESTRICTIONS}&limit=20",
        f"/rest/api/content?{'&'.join('ids=' + i for i in IDS)}&type=page&status=current&expand={EXPAND},body.storage&limit=3",
        f"/rest/api/content/search?cql={CQL}&expand={EXPAND}&limit=20&start=0",
        f"/rest/api/content/search?cql={quote('type = attachment')}&expand={ATTACHED}&limit=200&start=0",
        f"/rest/api/content/scan?spaceKey=BENCH0&type=blogpost&status=current&expand={EXPAND}&limit=20",
        # What the clients of make bench-peers ask.
        "/rest/api/content?spaceKey=BENCH0&type=page&status=current&expand=body.storage,version&limit=20&start=0",
        "/rest/api/content?spaceKey=BENCH0&type=page&expand=body.export_view.value&limit=20",
        f"/rest/api/content/{FIRST_ID}/child/attachment?start=0&limit=50",
    ],
}


@pytest.mark.parametrize("edition", ["cloud", "datacenter"])
def test_the_benchmark_s_server_answers_as_the_published_descriptions_say(edition):
    context = "/wiki" if edition == "cloud" else "/confluence"
    wiki = Wiki(pages=PAGES, files=FILES, body_chars=500, base="https://bench.example.com" + context)
    site = Site(wiki, edition)
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
def test_our_client_and_the_raw_one_get_everything_of_the_benchmark_s_wiki(edition, tmp_path):
    wiki = Wiki(pages=PAGES, spaces=2, body_chars=500)
    setting = Setting(edition, PAGES, spaces=2, files=FILES, body_chars=500, per_request=0.001, per_body=0.0001)
    with running(setting) as address:
        assert raw.load(address, edition, in_flight=4, spaces=2) == PAGES
        client = connect(ConnectionSettings(address.endpoint, address.username, address.token, deployment=edition))
        client.tells_readers = True
        try:
            spaces = client.spaces(["*"])
            found = [e for s in spaces for e in client.list_content(s, "page")]
            files = {e.title: (e, tmp_path / e.title) for e in client.list_attachments(spaces)}
            for entry, target in files.values():
                client.download(entry, target, max_bytes=1_000_000)
            bodies = {f.entry.content_id: f.body for f in client.fetch_bodies("page", [e.content_id for e in found])}
        finally:
            client.close()
        counted = address.counters()
    assert {e.content_id: (e.title, e.parent_id) for e in found} == {
        str(FIRST_ID + n): (wiki.title(n), None if wiki.parent(n) is None else str(FIRST_ID + wiki.parent(n)))
        for n in range(PAGES)
    }
    assert bodies == {str(FIRST_ID + n): wiki.storage(n) for n in range(PAGES)}
    assert {name: target.read_bytes() for name, (_, target) in files.items()} == {
        file_name(n): file_bytes(n) for n in range(FILES)
    }
    assert counted["requests"] == sum(counted["by_path"].values()) > 0
    assert COUNTERS not in counted["by_path"]


@pytest.mark.parametrize("edition", ["cloud", "datacenter"])
def test_pages_that_are_edited_have_another_version_and_come_first(edition):
    with running(Setting(edition, PAGES, body_chars=500)) as address:
        client = connect(ConnectionSettings(address.endpoint, address.username, address.token, deployment=edition))
        try:
            (space,) = client.spaces(["*"])
            before = {entry.content_id: entry for entry in client.list_content(space, "page")}
            address.edit(3)
            after = {entry.content_id: entry for entry in client.list_content(space, "page")}
            (listing,) = client.list_newest([space], "page")
            newest = [entry.content_id for page in listing for entry in page]
        finally:
            client.close()
    edited = {i for i, entry in after.items() if entry.version != before[i].version}
    assert len(edited) == 3
    assert set(newest[:3]) == edited
    assert sorted(newest) == sorted(before)


def test_a_figure_reaches_its_target_from_its_own_side():
    assert Row("seconds", "", "", 3.0, 3.0).passed
    assert not Row("seconds", "", "", 3.1, 3.0).passed
    assert Row("times as fast", "", "", 1.4, 1.4, at_most=False).passed
    assert not Row("times as fast", "", "", 1.3, 1.4, at_most=False).passed


def test_the_table_that_is_kept_says_what_was_measured_when_on_what_and_what_fell_short(tmp_path, capsys):
    lines = [Row("seconds", "3.0 s", "raw 2.0 s", 3.0, 3.0), Note("seen beside"), Row("MB", "160", "", 160, 150)]
    assert show(lines, name="make bench", about="a wiki", markdown=str(tmp_path / "table.md")) is False
    kept = (tmp_path / "table.md").read_text()
    assert re.match(r"Measured \d{4}-\d\d-\d\d: \d+ cores.*; a wiki; 1 of 2 reached in 0 s\.\n", kept)
    assert "| seconds | 3.0 s | raw 2.0 s | 3 | ≤ 3 | pass |\n| MB | 160 |  | 160 | ≤ 150 | short |\n" in kept
    assert kept.endswith("\n- seen beside\n")
    assert "short        160 ≤ 150" in capsys.readouterr().out


def test_a_table_takes_the_place_of_the_one_that_the_page_keeps(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text("# Before\n\n<!-- one -->\n\nold\n\n<!-- /one -->\n\nbetween\n\n<!-- two -->\n<!-- /two -->\n")
    keep(page, "one", "new\n")
    assert page.read_text() == (
        "# Before\n\n<!-- one -->\n\nnew\n\n<!-- /one -->\n\nbetween\n\n<!-- two -->\n<!-- /two -->\n"
    )
    documented = (Path(__file__).parents[1] / "docs" / "performance.md").read_text(encoding="utf-8")
    for name in ("make bench", "make bench-peers"):
        assert documented.count(f"<!-- {name} -->") == documented.count(f"<!-- /{name} -->") == 1


def test_what_a_reader_lost_or_let_through_is_seen():
    bodies = {str(seed): body(seed, 20_000) for seed in range(5)}
    ours = judge(bodies, {content_id: content.to_markdown(storage) for content_id, storage in bodies.items()})
    view = judge(bodies, {content_id: text_of_html(rendered(storage)) for content_id, storage in bodies.items()})
    assert {name: view.found[name] == count for name, count in view.looked_for.items()} == {
        "pages": True,
        "code": True,
        "texts of links to pages": True,
        "names of people": True,
        "colours of statuses in the text (should be 0%)": False,
    }
    assert view.found["colours of statuses in the text (should be 0%)"] == 0
    assert ours.found["code"] == ours.looked_for["code"] > 0
    # Names are looked up by a run, and not by the conversion alone.
    assert ours.found["names of people"] == 0
    nothing = judge(bodies, {"0": " ".join(etree.HTML(bodies["0"]).itertext())})
    assert (nothing.found["pages"], nothing.looked_for["pages"]) == (1, 5)
    assert nothing.found["colours of statuses in the text (should be 0%)"] > 0
    assert nothing.found["code"] == 0


def test_every_file_of_the_benchmark_can_be_read_and_says_what_no_other_does():
    with Extractor() as extractor:
        for number in range(len(KINDS)):
            path = extractor.new_file()
            path.write_bytes(file_bytes(number))
            text = extractor.extract(path, file_name(number), media_type(number)).text
            assert fact(number) in text
            assert fact(number + 1) not in text
    assert len({file_bytes(number) for number in range(DISTINCT_FILES)}) == DISTINCT_FILES
