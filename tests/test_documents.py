"""Documents: one shape, published as a JSON Schema, that survives every way it travels."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta, timezone

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_confluence.documents import (
    CONTENT_TYPES,
    Ancestor,
    Chunk,
    Document,
    Entry,
    Heading,
    Link,
    Person,
    Space,
    document_id,
    document_schema,
    rfc3339,
)
from airflow_provider_confluence.testing.sandbox import Sandbox, load_sample
from tests.sync.conftest import Wiki

texts = st.text(max_size=20)
people = st.none() | st.builds(Person, id=texts, name=st.none() | texts)
instants = st.none() | st.datetimes(timezones=st.just(timezone.utc), min_value=datetime(1970, 1, 1)).map(rfc3339)  # noqa: DTZ001 - hypothesis adds the zone
entries = st.builds(
    Entry,
    content_id=st.from_regex(r"[0-9]{1,9}", fullmatch=True),
    type=st.sampled_from(CONTENT_TYPES),
    status=texts,
    title=texts,
    version=st.integers(0, 2**31),
    space_id=texts,
    parent_id=st.none() | texts,
    container_id=st.none() | texts,
    created=instants,
    creator=people,
    last_editor=people,
    labels=st.none() | st.lists(texts, max_size=3).map(tuple),
    size_bytes=st.none() | st.integers(0, 2**40),
)
documents = st.builds(
    Document,
    id=st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
    datasource_id=texts,
    datasource_name=texts,
    content_id=st.from_regex(r"[0-9]{1,9}", fullmatch=True),
    revision=st.integers(1, 2**62),
    type=st.sampled_from(CONTENT_TYPES),
    status=texts,
    title=texts,
    content=texts,
    url=texts,
    space=st.builds(Space, id=texts, key=texts, name=texts),
    source_version=st.integers(0, 2**31),
    summary=texts,
    ancestors=st.lists(st.builds(Ancestor, id=texts, title=texts, url=texts), max_size=3).map(tuple),
    container=st.none() | st.builds(Ancestor, id=texts, title=texts, url=texts),
    labels=st.lists(texts, max_size=3, unique=True).map(tuple),
    created=instants,
    creator=people,
    outline=st.lists(st.builds(Heading, level=st.integers(1, 6), text=texts), max_size=3).map(tuple),
    links=st.lists(st.builds(Link, url=texts, title=texts, content_id=st.none() | texts), max_size=3).map(tuple),
    properties=st.dictionaries(texts, texts, max_size=3),
    chunks=st.none()
    | st.lists(
        st.builds(
            Chunk,
            text=texts,
            headings=st.lists(texts, max_size=2).map(tuple),
            position=st.integers(0, 9),
            start=st.integers(0, 9),
            end=st.integers(10, 20),
            oversized=st.booleans(),
        ),
        max_size=3,
    ).map(tuple),
    permissions=st.none() | st.lists(st.lists(texts, max_size=2), max_size=2),
)
VALIDATOR = jsonschema.Draft202012Validator(document_schema())


def test_the_schema_itself_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(document_schema())


@given(documents)
def test_a_document_survives_json_and_fits_the_schema(document):
    value = json.loads(json.dumps(document.to_json()))
    VALIDATOR.validate(value)
    assert Document.from_json(value) == document


@given(entries)
def test_an_entry_survives_json(entry):
    assert Entry.from_json(json.loads(json.dumps(entry.to_json()))) == entry


def test_a_document_of_another_schema_version_is_refused():
    value = next(iter_documents())
    with pytest.raises(ValueError, match="schema version 2"):
        Document.from_json({**value, "schema_version": 2})


def iter_documents():
    yield Document(
        id=document_id("docs", "1"),
        datasource_id="docs",
        datasource_name="Docs",
        content_id="1",
        revision=1,
        type="page",
        status="current",
        title="T",
        content="C",
        url="http://x/1",
        space=Space("9", "DOCS", "Docs"),
        source_version=1,
    ).to_json()


def test_a_document_from_before_outlines_is_read():
    value = next(iter_documents())
    del value["outline"]
    assert Document.from_json(value).outline == ()


def test_a_document_from_before_chunks_is_read():
    value = next(iter_documents())
    del value["chunks"]
    assert Document.from_json(value).chunks is None


def test_the_id_is_that_of_cocos_connector():
    assert document_id("d1", "65537") == hashlib.md5(b"d1-65537").hexdigest()


def test_text_and_metadata_give_the_text_apart():
    found = Document.from_json(next(iter_documents())).text_and_metadata()
    assert found["text"] == "C"
    assert not {"content", "chunks"} & set(found["metadata"])
    assert found["metadata"]["title"] == "T"


def test_instants_are_utc_with_milliseconds():
    instant = datetime(2026, 3, 1, 10, 30, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
    assert rfc3339(instant) == "2026-03-01T09:30:00.123Z"


@pytest.mark.parametrize("edition", ["cloud", "datacenter"])
def test_every_document_of_the_sample_wiki_fits_the_schema(edition, tmp_path):
    with Sandbox(edition) as sandbox:
        load_sample(sandbox.model)
        wiki = Wiki(sandbox, tmp_path)
        wiki.definition["space"] = ["DOCS", "OPS"]
        assert wiki.run().clean
        found = wiki.documents()
        origin = sandbox.origin
    assert len(found) == len(wiki.expected())
    for document in found.values():
        VALIDATOR.validate(document.to_json())
        assert document.url.startswith(origin)
        assert document.type == "attachment" or document.content, f"{document.title} has no text"
        assert "parser=fallback" not in document.warnings
