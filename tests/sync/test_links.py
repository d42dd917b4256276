"""Where links of a body lead, and what a bare one is called."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_confluence.sync.references import absolute
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
        # Published pairs of tiny link and id; the third is this very scheme at its upper end.
        (f"{SITE}/x/LIQHD", (None, "201819180")),
        (f"{SITE}/x/_AozKw", (None, "724765432")),
        (f"{SITE}/x/AQAAAAAAAAA", (None, "1")),
        (f"{SITE}/x/__________8", (None, None)),
        (f"{SITE}/x/A", (None, None)),
        (f"{SITE}/x/much-too-long", (None, None)),
        (f"{SITE}/l/cp/Ab12Cd34", (None, None)),
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


def linked(wiki, body):
    """The lines of a page with that body, one for each of its paragraphs."""
    page = wiki.model.create_page("DOCS", "Linking", body)
    assert wiki.run().clean
    return page, wiki.documents()[page].content.strip().split("\n\n")


def test_links_by_id_alone_bear_the_title_and_address_of_what_they_lead_to(sandbox, tmp_path):
    wiki = Wiki(sandbox, tmp_path)
    wiki.model.create_space("DOCS")
    site = sandbox.endpoint.rstrip("/")
    tables = wiki.model.create_page("DOCS", "Tide tables", "<p>x</p>")
    regatta = wiki.model.create_blogpost("DOCS", "Regatta", "<p>x</p>")
    tiny, tiny_post = (site + wiki.model.item(each).tiny_path for each in (tables, regatta))
    page, lines = linked(
        wiki,
        f'<p><a href="{tiny}">{tiny}</a></p><p><a href="{tiny_post}">the race</a></p>'
        f'<p><ac:link><ri:content-entity ri:content-id="{tables}" /></ac:link></p>'
        f'<p><a href="{site}/pages/viewpage.action?pageId={regatta}#fleet" /></p>',
    )
    urls = {i: d.url for i, d in wiki.documents().items()}
    assert lines == [
        f"[Tide tables]({urls[tables]})",
        f"[the race]({urls[regatta]})",
        f"[Tide tables]({urls[tables]})",
        f"[Regatta]({site}/pages/viewpage.action?pageId={regatta}#fleet)",
    ]
    assert [link.content_id for link in wiki.documents()[page].links] == [tables, regatta, regatta]


def test_links_by_id_do_not_tell_titles_of_other_spaces_or_of_the_trash(sandbox, tmp_path):
    wiki = Wiki(sandbox, tmp_path)
    wiki.model.create_space("DOCS")
    wiki.model.create_space("OPS")
    site = sandbox.endpoint.rstrip("/")
    elsewhere = wiki.model.create_page("OPS", "Layoffs in May", "<p>x</p>")
    trashed = wiki.model.create_page("DOCS", "Forgotten plan", "<p>x</p>")
    wiki.model.trash(trashed)
    tiny = site + wiki.model.item(elsewhere).tiny_path
    _, lines = linked(
        wiki,
        f'<p><a href="{tiny}">{tiny}</a></p><p><ac:link><ri:content-entity ri:content-id="{trashed}" /></ac:link></p>'
        f'<p><a href="{site}/x/zzzzzzzzzzz">{site}/x/zzzzzzzzzzz</a></p>',
    )
    assert lines == [
        f"<{tiny}>",
        f"[unknown content]({site}/pages/viewpage.action?pageId={trashed})",
        f"<{site}/x/zzzzzzzzzzz>",
    ]


LEFT_OUT = {
    "a label": {"exclude_labels": ["secret"]},
    "another branch": {"root_pages": []},
    "a type": {"enable_blogposts": False},
}


@pytest.mark.parametrize("why", LEFT_OUT)
def test_links_by_id_do_not_tell_titles_of_what_the_datasource_leaves_out(sandbox, tmp_path, why):
    wiki = Wiki(sandbox, tmp_path)
    wiki.model.create_space("DOCS")
    site = sandbox.endpoint.rstrip("/")
    home = wiki.model.create_page("DOCS", "Home", "<p>x</p>")
    inside = wiki.model.create_page("DOCS", "Holidays", "<p>x</p>", parent=home)
    if why == "a type":
        outside = wiki.model.create_blogpost("DOCS", "Layoffs in May", "<p>x</p>")
    else:
        outside = wiki.model.create_page("DOCS", "Layoffs in May", "<p>x</p>", labels=["secret"])
    wiki.definition |= {k: [home] if k == "root_pages" else v for k, v in LEFT_OUT[why].items()}
    tiny = site + wiki.model.item(outside).tiny_path
    address = f"{site}/pages/viewpage.action?pageId={outside}"
    links = [
        f'<a href="{tiny}">{tiny}</a>',
        f'<a href="{address}" />',
        *(f'<ac:link><ri:content-entity ri:content-id="{each}" /></ac:link>' for each in (outside, inside)),
    ]
    page = wiki.model.create_page("DOCS", "Linking", "".join(f"<p>{link}</p>" for link in links), parent=home)
    assert wiki.run().clean
    documents = wiki.documents()
    assert documents.keys() == {home, inside, page}
    assert documents[page].content.strip().split("\n\n") == [
        f"<{tiny}>",
        f"<{address}>",
        f"[unknown content]({address})",
        f"[Holidays]({documents[inside].url})",
    ]
    assert "Layoffs" not in str(documents[page].to_json())


def test_any_number_of_links_by_id_bear_titles(sandbox, tmp_path):
    wiki = Wiki(sandbox, tmp_path)
    wiki.model.create_space("DOCS")
    targets = [wiki.model.create_page("DOCS", f"Target {number}", "") for number in range(1_050)]
    link = '<p><ac:link><ri:content-entity ri:content-id="{}" /></ac:link></p>'
    # Each has few of its own, and they are converted together.
    pages = [
        wiki.model.create_page("DOCS", f"Linking {first}", "".join(map(link.format, targets[first : first + 350])))
        for first in (0, 350, 700)
    ]
    assert wiki.run().clean
    documents = wiki.documents()
    named = [link.title for page in pages for link in documents[page].links]
    assert named == [f"Target {number}" for number in range(1_050)]


NINES = "9" * 5_000
ENTITY = f'<ri:content-entity ri:content-id="{NINES}" />'
ODD = {
    "an id of 5,000 digits": f"<ac:link>{ENTITY}</ac:link>",
    "such a page id": f'<a href="/pages/viewpage.action?pageId={NINES}">x</a>',
    "such a path": f'<a href="/spaces/DOCS/pages/{NINES}">x</a>',
    "an id of other digits": '<ac:link><ri:content-entity ri:content-id="²٣" /></ac:link>',
    "no address": '<a href="http://[::1/x?pageId=1">x</a>',
    "a file of such a page": f'<ac:link><ri:attachment ri:filename="a">{ENTITY}</ri:attachment></ac:link>',
    "such a page shown": '<ac:structured-macro ac:name="include"><ac:parameter ac:name="">'
    f"<ac:link>{ENTITY}</ac:link></ac:parameter></ac:structured-macro>",
    "a person of a long name": f'<ac:link><ri:user ri:username="{"m" * 70_000}" /></ac:link>',
    "a person of a long id": f'<ac:link><ri:user ri:account-id="{"m" * 70_000}" /></ac:link>',
}


@pytest.mark.parametrize("odd", ODD)
def test_a_reference_that_nothing_can_have_costs_no_page(sandbox, tmp_path, odd):
    wiki = Wiki(sandbox, tmp_path)
    wiki.model.create_space("DOCS")
    wiki.model.create_page("DOCS", "Other", "<p>x</p>")
    body = ODD[odd].replace('href="/', f'href="{sandbox.endpoint.rstrip("/")}/')
    page = wiki.model.create_page("DOCS", "Linking", f"<p>before {body} after</p>")
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()
    words = wiki.documents()[page].content.split()
    assert (words[0], words[-1]) == ("before", "after")


def test_a_handler_that_refers_to_no_text_costs_its_own_page_alone(sandbox, tmp_path, monkeypatch):
    (tmp_path / "acme_mentions.py").write_text(
        "from airflow_provider_confluence.content import model\n\n\n"
        "def mention(walker, macro):\n"
        "    walker.refer(model.UserReference(5, 'account'))\n"
        "    return ['someone']\n"
    )
    info = tmp_path / "acme_mentions-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-mentions\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[airflow_provider_confluence.macros]\nmention = acme_mentions:mention\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    wiki = Wiki(sandbox, tmp_path)
    wiki.model.create_space("DOCS")
    fine = [wiki.model.create_page("DOCS", f"Page {number}", "<p>x</p>") for number in range(3)]
    wiki.model.create_page("DOCS", "Odd", '<ac:structured-macro ac:name="mention" />')
    result = wiki.run()
    assert result.counts["failed"] == 1
    assert set(fine) == wiki.documents().keys()


def test_links_by_id_are_looked_up_in_bulk_and_once(sandbox, tmp_path):
    wiki = Wiki(sandbox, tmp_path)
    wiki.model.create_space("DOCS")
    site = sandbox.endpoint.rstrip("/")
    targets = [wiki.model.create_page("DOCS", f"Target {number}", "<p>x</p>") for number in range(30)]
    body = "".join(f'<p><a href="{site}{wiki.model.item(each).tiny_path}" /></p>' for each in targets)
    asked = {}
    for name, text in (("plain", "<p>x</p>"), ("linking", body)):
        for each in targets[:2]:
            wiki.model.edit(each, body=text)
        sandbox.requests.clear()
        wiki.run(mode="full")
        asked[name] = len(sandbox.requests)
    assert asked["linking"] == asked["plain"] + 1


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(["http://", "https://", "HTTP://", "//", ""]),
    st.text(alphabet="htps:/?#;.@[]%a Bé\\\t\n&=-_~^|1", max_size=14),
    st.sampled_from(["https://h.example/wiki/x", "http://q/z?y"]),
)
def test_an_address_is_joined_to_its_page_s_as_the_standard_library_joins_it(scheme, rest, page):
    try:
        expected = urljoin(page, scheme + rest)
    except ValueError:
        expected = scheme + rest
    assert absolute(scheme + rest, page, "https://h.example/wiki") == expected
