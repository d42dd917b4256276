"""The wiki that ships with the sandbox Confluence: its files agree with one another and are worth searching."""

import html.entities
import json
import re
import struct
import zlib
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from lxml import etree

import airflow_provider_confluence

WIKI_DIR = Path(airflow_provider_confluence.__file__).parent / "testing" / "sample_wiki"
AC, RI = "urn:ac", "urn:ri"
NS = {"ac": AC, "ri": RI}
XML_ENTITIES = {"amp", "lt", "gt", "quot", "apos"}
MACROS_TO_SHOW = [
    "code",
    "noformat",
    "info",
    "note",
    "tip",
    "warning",
    "panel",
    "expand",
    "status",
    "details",
    "excerpt",
    "excerpt-include",
    "include",
    "toc",
    "anchor",
    "children",
]
ELEMENTS_TO_SHOW = [
    "ac:layout-section",
    "ac:layout-cell",
    "ac:task-list",
    "ac:task",
    "ac:image",
    "ac:caption",
    "ac:emoticon",
    "ac:placeholder",
    "ac:inline-comment-marker",
    "ri:page",
    "ri:blog-post",
    "ri:attachment",
    "ri:user",
    "table",
    "th",
    "time",
    "ul",
    "ol",
    "blockquote",
]


class Body(NamedTuple):
    item: dict[str, Any]
    source: str
    root: Any

    def find(self, path: str) -> list[Any]:
        return list(self.root.iterfind(f".//{path}", NS))

    @property
    def prose(self) -> str:
        """The text outside code and macro parameters."""
        skipped = {f"{{{AC}}}plain-text-body", f"{{{AC}}}parameter", f"{{{AC}}}task-id", f"{{{AC}}}task-uuid"}
        texts = (t for t in self.root.xpath("//text()") if t.is_tail or t.getparent().tag not in skipped)
        return " ".join(texts)


def entity_as_character(match: re.Match[str]) -> str:
    name = match[1]
    return match[0] if name in XML_ENTITIES else chr(html.entities.name2codepoint[name])


def parse(source: str) -> Any:
    """The root of a body; CDATA is left alone, since an ampersand is only text in there."""
    parts = re.split(r"(<!\[CDATA\[.*?\]\]>)", source, flags=re.DOTALL)
    plain = "".join(p if p.startswith("<![CDATA[") else re.sub(r"&(\w+);", entity_as_character, p) for p in parts)
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    return etree.fromstring(f'<root xmlns:ac="{AC}" xmlns:ri="{RI}">{plain}</root>', parser)


def of(element: Any, prefixed: str) -> str | None:
    prefix, name = prefixed.split(":")
    value = element.get(f"{{{NS[prefix]}}}{name}")
    return None if value is None else str(value)


def when(value: str) -> datetime:
    return datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def wiki() -> dict[str, Any]:
    return json.loads((WIKI_DIR / "wiki.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def items(wiki) -> list[dict[str, Any]]:
    return wiki["items"]


@pytest.fixture(scope="module")
def bodies(items) -> list[Body]:
    sources = [(item, (WIKI_DIR / item["file"]).read_text("utf-8")) for item in items if item["file"]]
    return [Body(item, source, parse(source)) for item, source in sources]


@pytest.fixture(scope="module")
def by_title(items) -> dict[tuple[str, str], dict[str, Any]]:
    return {(item["space"], item["title"]): item for item in items}


def links(body: Body) -> list[tuple[tuple[str, str], Any]]:
    found = body.find("ri:page") + body.find("ri:blog-post")
    return [((of(e, "ri:space-key") or body.item["space"], of(e, "ri:content-title")), e) for e in found]


def macros(bodies: list[Body], name: str) -> list[Any]:
    return [m for b in bodies for m in b.find("ac:structured-macro") if of(m, "ac:name") == name]


def test_there_is_enough_of_everything(items):
    kinds = Counter(item["type"] for item in items)

    assert kinds["page"] >= 34
    assert kinds["blogpost"] >= 4
    assert 1 <= kinds["folder"] <= 2
    assert set(kinds) == {"page", "blogpost", "folder"}


def test_there_are_the_two_spaces_and_each_names_its_top_page_as_homepage(wiki, by_title):
    assert [s["key"] for s in wiki["spaces"]] == ["DOCS", "OPS"]
    for space in wiki["spaces"]:
        homepage = by_title[space["key"], space["homepage"]]
        assert (homepage["type"], homepage["parent"]) == ("page", None)


def test_titles_are_unique_within_their_space(items, by_title):
    assert len(by_title) == len(items)


def test_a_parent_comes_before_its_children_and_only_homepages_and_blog_posts_have_none(wiki, items):
    homepages = {(s["key"], s["homepage"]) for s in wiki["spaces"]}
    seen: set[tuple[str, str]] = set()
    for item in items:
        key = (item["space"], item["title"])
        if item["type"] == "blogpost" or key in homepages:
            assert item["parent"] is None, key
        else:
            assert (item["space"], item["parent"]) in seen, key
        if item["type"] != "blogpost":
            seen.add(key)


def test_the_tree_is_at_least_four_levels_deep(items):
    depth: dict[tuple[str, str], int] = {}
    for item in items:
        depth[item["space"], item["title"]] = 1 + depth.get((item["space"], item["parent"]), 0)

    assert max(depth.values()) >= 4


def test_authors_are_known_and_every_user_has_written_something(wiki, items):
    assert {u["id"] for u in wiki["users"]} == {item["author"] for item in items}
    assert all(u["name"].strip() for u in wiki["users"])


def test_edits_come_after_creation_and_both_lie_in_2026(items):
    for item in items:
        assert when(item["created"]).year == 2026, item["title"]
        if item["edited"] is not None:
            assert when(item["created"]) < when(item["edited"]) < datetime(2027, 1, 1, tzinfo=timezone.utc), item[
                "title"
            ]


def test_items_have_exactly_the_fields_the_loader_reads(items):
    fields = {"space", "type", "title", "parent", "labels", "author", "created", "edited", "file", "attachments"}
    for item in items:
        assert set(item) == fields, item["title"]
        assert all(label == label.lower() and " " not in label for label in item["labels"]), item["title"]
        assert all(set(a) == {"file", "media_type", "title"} for a in item["attachments"]), item["title"]


def test_every_file_is_used_exactly_once_and_every_named_file_exists(items):
    named = [item["file"] for item in items if item["file"]] + [
        a["file"] for item in items for a in item["attachments"]
    ]
    present = [p.relative_to(WIKI_DIR).as_posix() for p in WIKI_DIR.rglob("*") if p.is_file()]

    assert sorted(present) == sorted([*named, "wiki.json"])
    assert all((item["file"] is None) == (item["type"] == "folder") for item in items)


def test_bodies_are_fragments_without_a_root_or_a_prologue(bodies):
    for body in bodies:
        assert not body.source.startswith(("\ufeff", "<?xml", "<root", "<html")), body.item["title"]
        assert "xmlns:" not in body.source, body.item["title"]
        assert (body.root.text or "").strip() == "", body.item["title"]
        assert all((child.tail or "").strip() == "" for child in body.root), body.item["title"]


def test_every_page_link_leads_to_an_existing_page_or_blog_post(bodies, by_title):
    kinds = {f"{{{RI}}}page": "page", f"{{{RI}}}blog-post": "blogpost"}
    for body in bodies:
        for target, element in links(body):
            assert target in by_title, f"{body.item['title']} links to {target}"
            assert by_title[target]["type"] == kinds[element.tag], f"{body.item['title']} links to {target}"
            if day := of(element, "ri:posting-day"):
                assert by_title[target]["created"].startswith(day.replace("/", "-")), f"{body.item['title']}: {day}"


def test_every_anchor_in_a_link_exists_on_the_target(bodies):
    anchors = {
        (b.item["space"], b.item["title"]): {"".join(h.itertext()) for h in b.find("h2") + b.find("h3")}
        | {"".join(m.itertext()) for m in macros([b], "anchor")}
        for b in bodies
    }
    used = [
        (target, anchor)
        for b in bodies
        for target, e in links(b)
        if (anchor := of(e.getparent(), "ac:anchor")) is not None
    ]

    assert used
    assert [u for u in used if u[1] not in anchors[u[0]]] == []


def test_pages_are_linked_in_both_directions_and_across_spaces(bodies, items):
    incoming = Counter(target for b in bodies for target, _ in links(b) if target != (b.item["space"], b.item["title"]))

    assert [
        i["title"] for i in items if i["type"] == "page" and i["parent"] and not incoming[i["space"], i["title"]]
    ] == []
    assert [b.item["title"] for b in bodies if not links(b)] == []
    assert {b.item["space"] for b in bodies for target, _ in links(b) if target[0] != b.item["space"]} == {
        "DOCS",
        "OPS",
    }


def test_mentions_name_known_users(wiki, bodies):
    mentioned = {of(u, "ri:account-id") for b in bodies for u in b.find("ri:user")}

    assert mentioned == {u["id"] for u in wiki["users"]}


def test_bodies_refer_only_to_their_own_attachments_and_use_each_of_them(bodies):
    for body in bodies:
        used = {of(e, "ri:filename") for e in body.find("ri:attachment")}
        assert used == {a["title"] for a in body.item["attachments"]}, body.item["title"]


def test_images_have_a_description_and_a_caption_and_show_an_image(bodies):
    images = [(b, image) for b in bodies for image in b.find("ac:image")]

    assert len(images) >= 3
    for body, image in images:
        types = {a["title"]: a["media_type"] for a in body.item["attachments"]}
        assert types[of(image.find("ri:attachment", NS), "ri:filename")].startswith("image/")
        assert of(image, "ac:alt")
        assert "".join(image.find("ac:caption", NS).itertext()).strip()


def test_attachments_are_small_and_are_what_their_type_says(items):
    attachments = [a for item in items for a in item["attachments"]]

    assert {a["media_type"] for a in attachments} >= {"image/png", "application/pdf", "text/csv", "text/plain"}
    assert sum((WIKI_DIR / a["file"]).stat().st_size for a in attachments) < 200_000
    for attachment in attachments:
        assert attachment["title"] == Path(attachment["file"]).name
        data = (WIKI_DIR / attachment["file"]).read_bytes()
        if attachment["media_type"] == "image/png":
            check_png(data)
        elif attachment["media_type"] == "application/pdf":
            check_pdf(data)
        else:
            assert data.decode("utf-8").endswith("\n")


def check_png(data: bytes) -> None:
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, pixels, names = 8, b"", []
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        chunk = data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(name + chunk)
        names.append(name)
        pixels += chunk if name == b"IDAT" else b""
        at += 12 + length
    assert (names[0], names[-1]) == (b"IHDR", b"IEND")
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    assert (depth, colour) == (8, 2)
    assert len(zlib.decompress(pixels)) == height * (1 + 3 * width)


def check_pdf(data: bytes) -> None:
    assert data.startswith(b"%PDF-1.")
    assert data.endswith(b"%%EOF\n")
    found = re.search(rb"startxref\n(\d+)\n", data)
    assert found
    table = data[int(found[1]) :]
    assert table.startswith(b"xref\n")
    offsets = [int(o) for o in re.findall(rb"(\d{10}) 00000 n", table)]
    assert all(data[o:].startswith(b"%d 0 obj" % n) for n, o in enumerate(offsets, 1))
    streams = re.findall(rb"/Length (\d+) >>\nstream\n(.*?)\nendstream", data, re.DOTALL)
    assert streams
    assert all(int(length) == len(stream) for length, stream in streams)


@pytest.mark.parametrize("name", MACROS_TO_SHOW)
def test_the_wiki_shows_the_macro(bodies, name):
    assert macros(bodies, name)


@pytest.mark.parametrize("name", ELEMENTS_TO_SHOW)
def test_the_wiki_shows_the_element(bodies, name):
    assert any(b.find(name) for b in bodies)


def test_code_comes_in_many_languages_and_keeps_a_split_cdata_section_whole(bodies):
    blocks = macros(bodies, "code")
    languages = {m.findtext("ac:parameter[@ac:name='language']", namespaces=NS) for m in blocks}
    texts = [m.findtext("ac:plain-text-body", namespaces=NS) for m in blocks]

    assert languages >= {"bash", "python", "sql", "json", "yaml", "xml"}
    assert all(text and text.strip() for text in texts)
    assert any("]]>" in text for text in texts)
    assert any("]]]]><![CDATA[>" in b.source for b in bodies)


def test_tables_have_header_rows_and_some_cells_span(bodies):
    cells = [c for b in bodies for c in b.find("th") + b.find("td")]

    assert any(c.get("colspan") for c in cells)
    assert any(c.get("rowspan") for c in cells)
    for body in bodies:
        for table in body.find("table"):
            assert table.find(".//th") is not None, body.item["title"]


def test_table_rows_are_equally_wide_once_spans_are_counted(bodies):
    for body in bodies:
        for table in body.find("table"):
            widths: Counter[int] = Counter()
            for number, row in enumerate(table.iterfind(".//tr")):
                for cell in row:
                    for below in range(int(cell.get("rowspan", "1"))):
                        widths[number + below] += int(cell.get("colspan", "1"))
            assert len(set(widths.values())) == 1, (body.item["title"], widths)


def test_tasks_are_both_open_and_done_and_numbered_within_their_page(bodies):
    states = {t.text for b in bodies for t in b.find("ac:task-status")}
    numbers = [[t.text for t in b.find("ac:task-id")] for b in bodies]

    assert states == {"complete", "incomplete"}
    assert all(len(set(n)) == len(n) for n in numbers)


def test_macro_identifiers_are_unique(bodies):
    counted = Counter(of(m, "ac:macro-id") for b in bodies for m in b.find("ac:structured-macro"))

    assert [i for i, n in counted.items() if n > 1 or not i] == []


def test_html_entities_appear_as_confluence_stores_them(bodies):
    named = {n for b in bodies for n in re.findall(r"&([a-z]+);", b.source, re.IGNORECASE)}

    assert named >= {"nbsp", "rsquo", "hellip", "auml", "uuml", "eacute", "amp", "lt"}


@pytest.mark.parametrize(
    ("language", "pattern", "at_least"),
    [
        ("German", r"\b(?:und|der|die|das|nicht|eine?|du|ist)\b", 15),
        ("French", r"\b(?:le|la|les|des|une?|est|vous|pour)\b", 15),
        ("Japanese", r"[\u3041-\u30ff]", 150),
        ("Chinese", r"[\u4e00-\u9fff]", 150),
        ("Russian", r"[\u0430-\u044f]{3,}", 60),
        ("Arabic", r"[\u0621-\u064a]{3,}", 60),
    ],
)
def test_at_least_one_page_is_written_in(bodies, language, pattern, at_least):
    written = [b for b in bodies if len(re.findall(pattern, b.prose, re.IGNORECASE)) >= at_least]
    if language == "Chinese":
        written = [b for b in written if not re.search(r"[\u3041-\u3096]", b.prose)]

    assert written, language


def test_pages_are_long_enough_to_read_and_short_enough_to_finish(bodies):
    for body in bodies:
        # Chinese and Japanese have no spaces; about two characters make a word there.
        east_asian = len(re.findall(r"[\u3041-\u30ff\u4e00-\u9fff]", body.prose))
        words = len(re.findall(r"[^\W\d_]{1,}", re.sub(r"[\u3041-\u30ff\u4e00-\u9fff]", " ", body.prose)))
        assert 100 <= words + east_asian // 2 <= 600, (body.item["title"], words, east_asian)


def test_a_search_for_a_rollback_of_a_deployment_has_many_hits_and_one_best(bodies):
    hits = [b for b in bodies if re.search("rollback", b.prose, re.I) and re.search("deployment", b.prose, re.I)]
    best = [b.item["title"] for b in hits if {"rollback", "deployment"} <= set(b.item["title"].lower().split())]

    assert len(hits) >= 8
    assert best == ["Deployment Rollback"]
