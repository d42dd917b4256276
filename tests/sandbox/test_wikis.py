from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest
from lxml import etree

from airflow_provider_confluence.testing.sandbox import ManualClock, Model, generate, load_sample
from airflow_provider_confluence.testing.sandbox.generate import page_body
from airflow_provider_confluence.testing.sandbox.sample import SAMPLE_WIKI


def generated(seed: int, pages: int = 60) -> Model:
    model = Model(clock=ManualClock(datetime(2026, 1, 1, tzinfo=timezone.utc)))
    assert generate(model, pages=pages, seed=seed, spaces=2) == ["GEN1", "GEN2"]
    return model


def test_the_same_seed_gives_the_same_wiki_and_another_seed_another() -> None:
    assert generated(1).visible() == generated(1).visible()
    assert generated(1).visible() != generated(2).visible()


def test_a_generated_wiki_has_pages_posts_attachments_labels_and_a_tree() -> None:
    records = generated(3, pages=100).visible()
    counts = {type_: sum(r.type == type_ for r in records) for type_ in ("page", "blogpost", "attachment")}
    assert counts == {"page": 100, "blogpost": 5, "attachment": 10}
    assert any(r.labels for r in records)
    assert sum(r.parent is not None for r in records) > 50
    assert len({r.title for r in records}) == len(records)


def test_generated_bodies_are_storage_format() -> None:
    entities = "<!DOCTYPE x [<!ENTITY nbsp ' '><!ENTITY ndash '-'>]>"
    for number in range(30):
        etree.fromstring(f'{entities}<x xmlns:ac="a" xmlns:ri="r">{page_body(0, number)}</x>')
    assert page_body(0, 1) != page_body(0, 1, version=2)


def test_ten_thousand_pages_are_made_quickly() -> None:
    started = time.monotonic()
    generate(Model(), pages=10_000)
    assert time.monotonic() - started < 10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "DOCS").mkdir()
    (tmp_path / "DOCS" / "home.xml").write_text("<p>Grüße</p>", encoding="utf-8")
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    item = {"space": "DOCS", "labels": [], "author": "u1", "created": "2026-01-01T00:00:00Z", "edited": None}
    wiki = {
        "users": [{"id": "u1", "name": "Una"}],
        "spaces": [{"key": "DOCS", "name": "Documentation", "homepage": "Home"}],
        "items": [
            item | {"type": "page", "title": "Home", "parent": None, "file": "DOCS/home.xml", "attachments": []},
            item | {"type": "folder", "title": "Box", "parent": "Home", "file": None},
            item
            | {
                "type": "page",
                "title": "Inside",
                "parent": "Box",
                "labels": ["x"],
                "edited": "2026-02-01T00:00:00Z",
                "file": "DOCS/home.xml",
                "attachments": [{"file": "a.png", "media_type": "image/png", "title": "picture.png"}],
            },
            item | {"type": "blogpost", "title": "News", "parent": None, "file": "DOCS/home.xml"},
        ],
    }
    (tmp_path / "wiki.json").write_text(json.dumps(wiki), encoding="utf-8")
    return tmp_path


def test_a_wiki_is_read_from_its_folder(folder: Path) -> None:
    model = Model()
    assert load_sample(model, folder) == ["DOCS"]
    home, box, inside, picture, news = model.visible(types=("page", "blogpost", "folder", "attachment"))
    assert (home.title, home.body, home.version, home.author) == ("Home", "<p>Grüße</p>", 1, "u1")
    assert (home.id, box.id, ("x",), 2) == (box.parent, inside.parent, inside.labels, inside.version)
    assert datetime(2026, 2, 1, tzinfo=timezone.utc) == inside.edited_at
    assert ("picture.png", 4, inside.id) == (picture.filename, picture.size, picture.container)
    assert (news.title, news.type) == ("News", "blogpost")
    space = model.space("DOCS")
    assert space is not None
    assert home.id == str(space.homepage_id)


def test_the_sample_wiki_loads_whole() -> None:
    wiki = json.loads((SAMPLE_WIKI / "wiki.json").read_text(encoding="utf-8"))
    model = Model()
    load_sample(model)
    records = model.visible(types=("page", "blogpost", "folder", "attachment"))
    expected = len(wiki["items"]) + sum(len(item.get("attachments", [])) for item in wiki["items"])
    assert expected == len(records)
    for space in wiki["spaces"]:
        assert model.find(space["homepage"], space["key"]) == str(model.space(space["key"]).homepage_id)  # type: ignore[union-attr]
