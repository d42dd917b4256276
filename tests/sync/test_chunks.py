"""Chunks of documents, from the setting to the sink."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_confluence.documents import Chunk
from airflow_provider_confluence.errors import DatasourceError
from airflow_provider_confluence.sync.manifest import digest
from airflow_provider_confluence.sync.recipe import recipe_of
from tests.sync.conftest import Wiki

SENTENCE = "This sentence has forty-eight characters in all."


def wiki_of(sandbox: Any, tmp_path: Any) -> tuple[Wiki, str]:
    wiki = Wiki(sandbox, tmp_path)
    wiki.model.create_space("DOCS", name="Engineering")
    above = wiki.model.create_page("DOCS", "Handbook", "<p>Read on.</p>")
    body = f"<h2>Restore</h2><p>{' '.join([SENTENCE] * 4)}</p><p>{SENTENCE}</p><h2>Check</h2><p>Look.</p>"
    return wiki, wiki.model.create_page("DOCS", "Backup", body, parent=above)


def test_chunks_arrive_in_the_index_with_the_way_to_the_page_in_front(sandbox, tmp_path):
    wiki, page = wiki_of(sandbox, tmp_path)
    wiki.model.attach(page, "hosts.csv", b"host,port\nalpha,80\n", "text/csv")
    wiki.definition["chunk_tokens"] = 70
    assert wiki.run().clean
    documents = wiki.documents()
    found = documents[page]
    four = " ".join([SENTENCE] * 4)
    assert found.content == f"## Restore\n\n{four}\n\n{SENTENCE}\n\n## Check\n\nLook.\n"
    # 280 quarters of a token. The way takes 32, the heading 12, the four sentences 197, the fifth 50.
    assert found.chunks == (
        Chunk(f"Engineering > Handbook > Backup\n\n## Restore\n\n{four}", ("Restore",), 0, 0, 209),
        Chunk(f"Engineering > Handbook > Backup > Restore\n\n{SENTENCE}", ("Restore",), 1, 209, 259),
        Chunk("Engineering > Handbook > Backup\n\n## Check\n\nLook.", ("Check",), 2, 259, len(found.content)),
    )
    file = next(document for document in documents.values() if document.type == "attachment")
    assert [c.text.partition("\n")[0] for c in file.chunks or ()] == ["Engineering > Handbook > Backup > hosts.csv"]


def test_the_setting_makes_every_document_anew_and_again_when_it_is_gone(sandbox, tmp_path):
    wiki, page = wiki_of(sandbox, tmp_path)
    assert wiki.run().clean
    assert wiki.documents()[page].chunks is None
    for tokens, chunks in ((70, 3), (400, 1), (0, None)):
        wiki.definition["chunk_tokens"] = tokens
        assert wiki.run().clean
        made = {content_id: document.chunks for content_id, document in wiki.documents().items()}
        assert (None if made[page] is None else len(made[page])) == chunks
        assert all((of is None) == (chunks is None) for of in made.values())
        revisions = {document.revision for document in wiki.documents().values()}
        assert len(revisions) == 1
        assert wiki.run().clean
        assert revisions == {document.revision for document in wiki.documents().values()}


def test_without_the_setting_the_recipe_is_what_it_was_before_there_were_chunks(sandbox, tmp_path):
    wiki, _ = wiki_of(sandbox, tmp_path)
    wiki.definition["enable_attachments"] = False
    bare = recipe_of(wiki.datasource)
    converter = int(bare.partition("-")[0])
    assert f"{converter}-{digest([converter, 1, 'Docs', []])}" == bare
    wiki.definition["chunk_tokens"] = 0
    assert bare == recipe_of(wiki.datasource)
    recipes = [bare]
    for tokens in (64, 100_000):
        wiki.definition["chunk_tokens"] = tokens
        recipes.append(recipe_of(wiki.datasource))
    assert len(set(recipes)) == 3


@pytest.mark.parametrize("value", [63, 100_001, -1, True, "512", 1.5, None])
def test_a_budget_out_of_bounds_is_told(sandbox, tmp_path, value):
    wiki = Wiki(sandbox, tmp_path)
    wiki.definition["chunk_tokens"] = json.loads(json.dumps(value))
    with pytest.raises(
        DatasourceError, match=r"chunk_tokens: expected a whole number of tokens from 64 to 100000, or 0"
    ):
        _ = wiki.datasource
