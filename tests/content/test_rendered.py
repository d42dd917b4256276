"""Macros cut out of a body for the server, and the HTML that comes back, read."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_confluence.content import markdown, storage_format
from airflow_provider_confluence.content.rendered import MAX_CHARS, MAX_MACROS, Question, find_macros, shown_in_place

LABELS = '<ac:structured-macro ac:name="contentbylabel"><ac:parameter ac:name="labels">tide</ac:parameter></ac:structured-macro>'
JIRA = (
    '<ac:structured-macro ac:name="jira" ac:schema-version="1" ac:macro-id="0f"><ac:parameter ac:name="jqlQuery">a &lt; b &amp; c'
    "</ac:parameter></ac:structured-macro>"
)


PIECES = (
    "<p>",
    "</p>",
    "<table><tr><td>",
    "</div>",
    "<a href='/x'>",
    "<ac:link>",
    "<script>",
    "<!--",
    "]]>",
    "<img alt='x'/>",
    "\x00",
)


def answer(question, *pieces, before="", after=""):
    """What a server sends back for a question, with these pieces in the places of its macros."""
    body = question.body
    for macro, piece in zip(question.macros, pieces, strict=True):
        body = body.replace(macro, piece)
    return before + body + after


def text_of(body, names, *pieces):
    macros = find_macros(body, names, {})
    question = Question(macros)
    shown = question.read(answer(question, *pieces)) or {}
    content = storage_format.read(body, shown_in_place(names, {}, macros, shown))
    return markdown.write(content), content.warnings


def test_only_named_macros_are_cut_out_each_once_in_their_order():
    body = f'<p>One {JIRA} two</p>{LABELS}<p>{JIRA}</p><ac:structured-macro ac:name="children" />'
    assert find_macros(body, ("contentbylabel", "jira"), {}) == (JIRA, LABELS)
    assert find_macros(body, ("contentbylabel",), {}) == (LABELS,)
    assert find_macros(body, ("gallery",), {}) == ()


def test_a_macro_may_be_named_in_single_quotes():
    body = "<p>x</p><ac:structured-macro ac:name='contentbylabel'><ac:parameter ac:name='labels'>tide</ac:parameter></ac:structured-macro>"
    assert find_macros(body, ("contentbylabel",), {}) == (LABELS,)
    assert text_of(body, ("contentbylabel",), "<p>High tide</p>") == ("x\n\nHigh tide\n", ())


def test_a_macro_within_another_one_goes_with_that():
    outer = f'<ac:structured-macro ac:name="jira"><ac:rich-text-body>{LABELS}</ac:rich-text-body></ac:structured-macro>'
    assert find_macros(outer, ("contentbylabel", "jira"), {}) == (outer,)
    in_a_panel = (
        f'<ac:structured-macro ac:name="panel"><ac:rich-text-body>{LABELS}</ac:rich-text-body></ac:structured-macro>'
    )
    assert find_macros(in_a_panel, ("contentbylabel", "jira"), {}) == (LABELS,)


def test_a_plain_text_body_and_what_it_links_go_out_as_they_were_stored():
    macro = (
        '<ac:structured-macro ac:name="sql"><ac:parameter ac:name="page"><ri:page ri:content-title="A &amp; B"/></ac:parameter>'
        "<ac:plain-text-body><![CDATA[select a from b where c < 1 && d]]></ac:plain-text-body></ac:structured-macro>"
    )
    assert find_macros(f"<p>x</p>{macro}<p>y</p>", ("sql",), {}) == (macro,)


def test_a_broken_body_and_a_huge_macro_send_nothing():
    assert find_macros(f"<p>{LABELS}", ("contentbylabel",), {}) == ()
    huge = LABELS.replace("tide", "t" * (MAX_CHARS + 1))
    assert find_macros(huge, ("contentbylabel",), {}) == ()


def test_a_page_of_macros_sends_no_more_than_its_share():
    body = "".join(LABELS.replace("tide", f"tide{n}") for n in range(MAX_MACROS + 5))
    assert len(find_macros(body, ("contentbylabel",), {})) == MAX_MACROS


def test_what_the_server_shows_stands_in_the_place_of_its_macro_and_once():
    text, warnings = text_of(
        f"<p>Before</p>{LABELS}<p>See {JIRA}.</p>",
        ("contentbylabel", "jira"),
        '<ul><li><a href="/x">High tide</a></li></ul>',
        '<span class="jira-issue"><a href="https://jira.example.com/browse/PORT-9">PORT-9</a> - Dredge <span>DONE</span></span>',
    )
    assert text == (
        "Before\n\n- [High tide](/x)\n\nSee [PORT-9](https://jira.example.com/browse/PORT-9) - Dredge DONE.\n"
    )
    assert warnings == ()


def test_a_macro_that_the_server_could_not_show_stays_what_storage_format_says():
    text, warnings = text_of(
        f"{JIRA}{LABELS}",
        ("contentbylabel", "jira"),
        '<div class="aui-message error"><p>Unable to locate Jira server for this macro.</p></div>',
        "<ul><li>High tide</li></ul>",
    )
    assert text == "`a < b & c`\n\n- High tide\n"
    assert warnings == ("render_failed=jira", "not_rendered=jira")


def test_an_error_among_other_words_is_a_word_like_them():
    text, _ = text_of(LABELS, ("contentbylabel",), '<p>Two of <span class="error">three</span> boats</p>')
    assert text == "Two of three boats\n"


@pytest.mark.parametrize(
    "html",
    [
        "",
        "<p>Something else</p>",
        "<html><body>Log in</body></html>",
        "x" * (MAX_CHARS + 1),
    ],
)
def test_an_answer_without_the_marks_is_none(html):
    assert Question((LABELS,)).read(html) is None


def test_an_answer_whose_marks_were_moved_is_none():
    question = Question((LABELS, JIRA))
    first, second, third, rest = question.body.replace(LABELS, "A").replace(JIRA, "B").split("</p>")
    assert rest == ""
    whole = f"{first}</p>{second}</p>{third}</p>"
    assert len(question.read(whole)) == 2
    assert question.read(f"{first}</p>{third}</p>{second}</p>") is None
    assert question.read(f"<div>{first}</p></div>{second}</p>{third}</p>") is None
    assert question.read(whole + f"{first}</p>") is None
    assert question.read(f"{first}</p>{second}</p>") is None


@given(st.lists(st.one_of(st.text(), st.sampled_from(PIECES)), max_size=12))
def test_an_answer_never_breaks_a_page(parts):
    question = Question((LABELS, JIRA))
    marks = [f"<p>{question.token}{number}e</p>" for number in range(3)]
    for html in ("".join(parts), marks[0] + "".join(parts) + marks[1] + marks[2], "".join([*marks, *parts])):
        macros = find_macros(LABELS + JIRA, ("contentbylabel", "jira"), {})
        shown = question.read(html) or {}
        content = storage_format.read(LABELS, shown_in_place(("contentbylabel",), {}, macros, shown))
        assert isinstance(markdown.write(content), str)


def test_an_answer_may_be_wrapped():
    question = Question((LABELS,))
    shown = question.read(answer(question, "<p>Boats</p>", before='<div class="wiki-content">', after="</div>")) or {}
    assert markdown.write(shown[LABELS]) == "Boats\n"


def test_nothing_but_words_of_the_page_is_shown():
    text, _ = text_of(
        LABELS,
        ("contentbylabel",),
        "<script>alert(1)</script><style>.a{}</style><form><input value='v'/><button>Refresh</button><p>Kept</p></form>"
        '<p style="display: none">hidden one</p><p hidden="">hidden two</p><p class="hidden">hidden three</p>'
        '<p aria-hidden="true">hidden four</p><iframe src="https://app.example.com/?jwt=SECRET"></iframe>'
        '<p><img src="https://media.example.com/f?token=SECRET" alt="Bug" /> <a href="https://a.example.com/?jwt=SECRET">file</a></p>'
        '<ac:structured-macro ac:name="include"><ac:parameter ac:name=""><ri:page ri:content-title="Secret page" /></ac:parameter>'
        "</ac:structured-macro>",
    )
    assert text == "Kept\n\nBug file\n"


@pytest.mark.parametrize(
    "piece", ["word <script>x</script>" * 40_000, "some words <b hidden></b>" * 38_000, "<b>word</b> " * 80_000]
)
def test_no_answer_takes_time_beyond_its_size(piece):
    question = Question((LABELS,))
    html = answer(question, f"<p>{piece}</p>")
    assert len(html) <= MAX_CHARS
    started = time.process_time()
    assert question.read(html)
    # Generous: each takes half a second, and with a quadratic step 4.5 at least.
    assert time.process_time() - started < 3


def test_what_stands_around_what_is_dropped_stays_in_its_order():
    text, _ = text_of(
        LABELS,
        ("contentbylabel",),
        "<p>one <script>x</script>two <img alt='three'/> <b>four</b> five <i hidden>x<img alt='x'/></i><img alt='six'/>"
        "<style>x</style> seven<img class='avatar' alt='x'/></p>eight",
    )
    assert text == "one two three **four** five six seven\n\neight\n"


def test_no_id_of_a_person_is_shown():
    text, _ = text_of(
        LABELS,
        ("contentbylabel",),
        '<p><a class="confluence-userlink user-mention" data-account-id="557058:U-1" href="https://s.example.com/wiki/people/557058:U-1">'
        '@Mara Lind</a>, <a href="/display/~U-2">Otto</a>, <a href="/spaces/~U-3/overview">Ida</a>, '
        '<a href="/users/viewuserprofile.action?username=U-4">Kim</a>, <img class="userLogo" alt="User icon: U-5" /> '
        '<a href="https://jira.example.com/secure/ViewProfile.jspa?name=U-6">Per</a></p>',
    )
    assert text == "@Mara Lind, Otto, Ida, Kim, Per\n"


@pytest.mark.parametrize(
    "address",
    [
        "/x;jsessionid=ABC123",
        "/x;JSESSIONID=ABC123?y=z",
        "/x?apikey=SECRET",
        "/x?y=z&amp;api_key=SECRET",
        "/x?X-Api-Key=SECRET",
        "/x?client_secret=SECRET",
        "/x?X-Amz-Signature=SECRET",
        "/x#access_token=SECRET",
        "/x?%61pikey=SECRET",
        "/x%3Fapikey%3DSECRET",
        "/x%253Fapikey%253DSECRET",
        "https://u:pw@h.example.com/x",
        "https://u@h.example.com/x",
        "//u:pw@h.example.com/x",
        "https:\\\\u:pw@h.example.com/x",
        "ht\ntps://u:pw@h.example.com/x",
        "https://j.example.com/issues/?jql=assignee%20%3D%205b10ac8d82e05b22cc7d4ef5",
        "https://j.example.com/issues/?jql=project%20%3D%20PORT%20AND%20x%20%3D%205b10ac8d82e05b22cc7d4ef5",
        "https://j.example.com/issues/?jql=assignee+in+(jdoe)",
        "https://j.example.com/issues/?jql=reporter%3Djdoe",
        "/wiki/users/557058:aa",
        "/x?owner=557058%3A0867a421-a9ee-4659-801a-bc0ee4a4487e",
        "/x/ari:cloud:identity::user/557058:0867a421-a9ee-4659-801a-bc0ee4a4487e",
        "/%2Fpeople%2F557058",
        "/people%2F557058",
        "/peo\nple/557058",
        "/wiki/%7Ejdoe",
        "/x?spaceKey=~jdoe",
        "/x?q=" + "%25" * 3 + "2525252525252525",
    ],
)
def test_no_address_of_a_person_or_with_a_secret_is_shown(address):
    text, _ = text_of(LABELS, ("contentbylabel",), f'<p><a href="{address}">words</a></p>')
    assert text == "words\n"


@pytest.mark.parametrize(
    "address",
    [
        "https://jira.example.com/browse/PORT-9",
        "/display/DOCS/High+tide?pageId=557058",
        "/wiki/spaces/DOCS/pages/65540/High+tide",
        "/issues/?jql=project+%3D+PORT+ORDER+BY+created",
        "/x?q=100%25",
        "https://medium.example.com/@harbour/tide",
        "mailto:harbour@example.com",
        "/commit/0867a421a9ee4659801abc0ee4a4487e0867a421",
        "/x/0867a421-a9ee-4659-801a-bc0ee4a4487e",
        "/the-authors/in-short",
        "/sessions/2026?keyword=tide",
    ],
)
def test_other_addresses_stay(address):
    text, _ = text_of(LABELS, ("contentbylabel",), f'<p><a href="{address}">words</a></p>')
    assert text == f"[words]({address})\n"


def test_an_own_handler_reads_what_the_server_could_not_show():
    handlers = {"contentbylabel": lambda _walker, _macro: ["by hand"]}
    content = storage_format.read(LABELS, shown_in_place(("contentbylabel",), handlers, (LABELS,), {}))
    assert markdown.write(content) == "by hand\n"
    assert content.warnings == ("render_failed=contentbylabel",)
