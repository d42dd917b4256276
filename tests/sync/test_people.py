"""A mention in a body arrives in the document as the person's name."""

from __future__ import annotations

import re

from airflow_provider_confluence.testing.sandbox import load_sample
from tests.sync.conftest import Wiki

MENTION = '<p>Ask <ac:link><ri:user ri:{attribute}="{id}" /></ac:link> first.</p>'


def indexed_text(wiki: Wiki, body: str) -> str:
    wiki.model.create_space("DOCS")
    page = wiki.model.create_page("DOCS", "Page", body)
    assert wiki.run().clean
    return wiki.documents()[page].content.strip()


def test_a_mention_by_account_id_becomes_the_name_on_cloud(cloud, tmp_path):
    cloud.model.add_user("5b10ac8d", "Mara Eastwell")
    text = indexed_text(Wiki(cloud, tmp_path), MENTION.format(attribute="account-id", id="5b10ac8d"))
    assert text == "Ask Mara Eastwell first."


def test_mentions_by_user_key_and_by_login_name_become_the_name_on_data_center(datacenter, tmp_path):
    datacenter.model.add_user("ff8081", "Mara Eastwell", username="mara")
    by_key, by_name = MENTION.format(attribute="userkey", id="ff8081"), MENTION.format(attribute="username", id="mara")
    text = indexed_text(Wiki(datacenter, tmp_path), by_key + by_name)
    assert text == "Ask Mara Eastwell first.\n\nAsk Mara Eastwell first."


def test_a_mention_of_somebody_who_is_gone_shows_no_id(sandbox, tmp_path):
    text = indexed_text(Wiki(sandbox, tmp_path), MENTION.format(attribute="account-id", id="u-gone"))
    assert text == "Ask unknown user first."


def test_every_mention_of_the_sample_wiki_is_named_on_both_editions(sandbox, tmp_path):
    spaces = load_sample(sandbox.model)
    wiki = Wiki(sandbox, tmp_path, {"name": "Sample", "space": spaces, "enable_blogposts": True})
    assert wiki.run().clean
    mentioned = {
        record.id: set(re.findall(r'ri:account-id="([^"]+)"', record.body)) for record in sandbox.model.visible()
    }
    documents = wiki.documents()
    named = {
        content_id: {sandbox.model.user(person).name for person in people}
        for content_id, people in mentioned.items()
        if people
    }
    assert len(named) > 20
    assert {
        content_id: {name for name in names if name in documents[content_id].content}
        for content_id, names in named.items()
    } == named
    assert not [d.title for d in documents.values() if "unknown user" in d.content]
