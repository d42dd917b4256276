"""Where links of a body lead, and what a bare one is called."""

from __future__ import annotations

import pytest

from airflow_provider_confluence.sync.smart_links import read_link
from tests.sync.conftest import Wiki

SITE = "https://acme.example.com/wiki"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"{SITE}/spaces/OPS/pages/4711/Tide+tables", ("Tide tables", "4711")),
        (f"{SITE}/spaces/OPS/pages/4711/Caf%C3%A9?focusedCommentId=1#x", ("Café", "4711")),
        (f"{SITE}/spaces/OPS/pages/4711", (None, "4711")),
        (f"{SITE}/spaces/~mara/blog/2026/05/01/4712/Regatta", ("Regatta", "4712")),
        (f"{SITE}/spaces/OPS/whiteboard/4713", (None, "4713")),
        (f"{SITE}/display/OPS/Tide+tables", ("Tide tables", None)),
        (f"{SITE}/pages/viewpage.action?pageId=4711", (None, "4711")),
        (f"{SITE}/pages/viewpage.action?pageId=x", (None, None)),
        ("https://acme.example.com/browse/PORT-9", ("PORT-9", None)),
        ("https://jira.example.org/browse/PORT-9", ("PORT-9", None)),
        ("https://other.example.com/wiki/spaces/OPS/pages/4711/Tide+tables", (None, None)),
        ("https://acme.example.com/wikipedia/display/OPS/Tide", (None, None)),
        ("mailto:a@example.com", (None, None)),
        ("https://[broken", (None, None)),
        ("", (None, None)),
    ],
)
def test_an_address_gives_away_title_and_id_of_what_it_leads_to(url, expected):
    assert expected == read_link(url, SITE)


def test_links_of_a_body_lead_to_real_addresses_and_bear_titles(sandbox, tmp_path):
    wiki = Wiki(sandbox, tmp_path)
    wiki.model.create_space("DOCS")
    wiki.model.create_space("OPS")
    smart = '<a href="{0}/spaces/OPS/pages/99/Tide+tables" data-card-appearance="inline">{0}/spaces/OPS/pages/99/Tide+tables</a>'
    links = (
        '<ac:link><ri:page ri:content-title="Harbour rules" ri:space-key="OPS" /></ac:link>',
        '<ac:link><ri:page ri:content-title="Q/A 100%" /></ac:link>',
        '<ac:link><ri:attachment ri:filename="dues.pdf"><ri:page ri:content-title="Dues" /></ri:attachment></ac:link>',
        '<ac:link><ri:attachment ri:filename="own plan.pdf" /></ac:link>',
        '<ac:link><ri:user ri:account-id="u-gone" /></ac:link>',
    )
    site = sandbox.endpoint.rstrip("/")
    page = wiki.model.create_page("DOCS", "Page", "".join(f"<p>{link}</p>" for link in (*links, smart.format(site))))
    assert wiki.run().clean
    lines = wiki.documents()[page].content.strip().split("\n\n")
    assert lines == [
        f"[Harbour rules]({site}/display/OPS/Harbour+rules)",
        f"[Q/A 100%]({site}/pages/viewpage.action?spaceKey=DOCS&title=Q%2FA+100%25)",
        f"[dues.pdf]({site}/display/DOCS/Dues)",
        f"[own plan.pdf]({site}/download/attachments/{page}/own%20plan.pdf)",
        "unknown user",
        f"[Tide tables]({site}/spaces/OPS/pages/99/Tide+tables)",
    ]
