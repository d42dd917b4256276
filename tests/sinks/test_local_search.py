"""Searching a local index: what is found, how it is shown, and that no text is a wrong query."""

import unicodedata
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_confluence.documents import Space
from airflow_provider_confluence.errors import StorageError
from airflow_provider_confluence.sinks._segmentation import SEPARATOR, readable, searchable
from airflow_provider_confluence.sinks.local import LocalIndex, LocalSink
from airflow_provider_confluence.testing.sink_conformance import OWNER, make_document, make_tombstone


@pytest.fixture
def index_of(tmp_path):
    """A function that writes documents and returns the index to search."""
    opened = []

    def write(*documents):
        path = tmp_path / "docs.sqlite3"
        sink = LocalSink(path)
        sink.open(OWNER)
        assert {answer.outcome for answer in sink.write(documents)} <= {"written"}
        sink.close()
        index = LocalIndex(path)
        opened.append(index)
        return index

    yield write
    for index in opened:
        index.close()


@pytest.fixture(scope="module")
def small_index(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "docs.sqlite3"
    sink = LocalSink(path)
    sink.open(OWNER)
    sink.write([make_document(1, 1, title="a b c", content="AND OR NOT NEAR 検索 ภาษา *")])
    sink.close()
    with LocalIndex(path) as index:
        yield index


def found(results):
    return [hit.content_id for hit in results.hits]


# ------------------------------------------------------------------------------------------ what is found
def test_every_word_must_be_there(index_of):
    index = index_of(make_document(1, 1, content="red fox"), make_document(2, 1, content="red hen"))

    assert found(index.search("fox red")) == ["1"]
    assert index.search("fox hen").total == 0


def test_a_word_in_the_title_counts_more(index_of):
    index = index_of(
        make_document(1, 1, title="Other", content="deploy the wiki"),
        make_document(2, 1, title="Deploy", content="other than wiki"),
    )

    assert found(index.search("deploy")) == ["2", "1"]
    assert index.search("deploy").hits[0].score > index.search("deploy").hits[1].score


def test_words_in_quotes_are_a_phrase(index_of):
    index = index_of(make_document(1, 1, content="release the plan"), make_document(2, 1, content="the release plan"))

    assert found(index.search('"release plan"')) == ["2"]
    assert index.search("release plan").total == 2


def test_the_last_word_may_be_a_beginning_only_where_asked(index_of):
    index = index_of(make_document(1, 1, content="configuration guide"))

    assert index.search("guide conf").total == 0
    assert index.search("guide conf", prefix=True).total == 1
    assert index.search("conf guide", prefix=True).total == 0
    assert index.search("guide conf ", prefix=True).total == 0


@pytest.mark.parametrize("query", ["", "   ", "***", '"', '""', "- + ( )", "\x00", "\ud800"])
def test_a_query_without_a_word_finds_nothing(small_index, query):
    assert small_index.search(query).total == 0
    assert small_index.search(query, prefix=True).hits == ()


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("会社の全文検索エンジンです", "検索"),
        ("会社の全文検索エンジンです", "文"),
        ("ひらがなだけのぶん", "だけ"),
        ("コンフルエンスサーバー", "サーバー"),
        ("ｺﾝﾌﾙｴﾝｽ", "ﾙｴﾝ"),
        ("使用API文档", "API"),
        ("使用API文档", "文档"),
        ("使用API文档", "用api文"),
        ("회사는 문서를 관리한다", "회사"),
        ("ยินดีต้อนรับสู่กรุงเทพมหานคร", "กรุงเทพ"),
        ("ຍິນດີຕ້ອນຮັບ", "ຕ້ອນ"),
        ("សូមស្វាគមន៍", "ស្វាគមន៍"),
        ("မြန်မာစာ", "မာစာ"),
        ("𠜎𠜱𠝹", "𠜱"),
        ("カ\u3099イド", "ガイド"),
        ("हिन्दी में", "हिन्दी"),
        ("Über résumé naïve", "resume uber"),
        ("cafe\u0301", "café"),
    ],
)
def test_parts_of_text_without_spaces_are_found_and_accents_do_not_matter(index_of, text, query):
    assert index_of(make_document(1, 1, title="Other", content=text)).search(query).total == 1


@pytest.mark.parametrize(
    ("text", "query"),
    [("全文検索", "全検"), ("検 索", "検索引"), ("ภาษาไทย", "ภาษี"), ("한국어", "한어"), ("ガイド", "カイト")],
)
def test_text_that_is_not_there_is_not_found(index_of, text, query):
    assert index_of(make_document(1, 1, title="Other", content=text)).search(query).total == 0


scripts = st.text("検索全文会社ひらがなカタ가나다라กขคง", min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(text=scripts, data=st.data())
def test_every_part_of_a_text_without_spaces_is_found(tmp_path_factory, text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    part = text[start : data.draw(st.integers(start + 1, len(text)))]
    path = tmp_path_factory.mktemp("part") / "docs.sqlite3"
    sink = LocalSink(path)
    sink.open(OWNER)
    sink.write([make_document(1, 1, content=f"before{text}after")])
    sink.close()
    with LocalIndex(path) as index:
        assert index.search(part).total == 1


@settings(max_examples=300, deadline=None)
@given(query=st.text(max_size=60) | st.text('ab"*():^-+{} ANDORNEAR検\x00\ud800', max_size=30), prefix=st.booleans())
def test_no_text_is_a_wrong_query(small_index, query, prefix):
    assert small_index.search(query, prefix=prefix, space=query, label=query).total >= 0
    assert small_index.get(query) is None


@pytest.mark.parametrize("query", ['"' * 5_000, "a " * 5_000, "検" * 5_000, "a" * 5_000, "(" * 5_000])
def test_a_very_long_query_is_no_error(small_index, query):
    assert small_index.search(query, prefix=True).total in (0, 1)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters=["\0", SEPARATOR]), max_size=60))
def test_segmentation_can_be_taken_back(text):
    assert readable(searchable(text)) == unicodedata.normalize("NFC", text)


# ------------------------------------------------------------------------------------------ filters and pages
def test_filters_narrow_the_results(index_of):
    base = make_document(1, 1, content="word")
    blog = replace(make_document(2, 1, content="word"), type="blogpost", labels=("news", "kept"))
    elsewhere = replace(make_document(3, 1, content="word"), space=Space("2", "OPS", "Operations"))
    index = index_of(base, blog, elsewhere)

    assert sorted(found(index.search("word"))) == ["1", "2", "3"]
    assert found(index.search("word", space="OPS")) == ["3"]
    assert found(index.search("word", type="blogpost")) == ["2"]
    assert found(index.search("word", label="news")) == ["2"]
    assert index.search("word", label="ne").total == 0
    assert index.search("word", datasource=OWNER.datasource_id).total == 3
    assert index.search("word", datasource="another").total == 0
    assert index.search("word", space="OPS", type="blogpost").total == 0
    assert index.counts() == {"blogpost": 1, "page": 2}
    assert index.counts("another") == {}


def test_since_compares_instants_whatever_their_zone_and_precision(index_of):
    index = index_of(
        replace(make_document(1, 1, content="word"), updated="2026-03-01T09:30:00Z"),
        replace(make_document(2, 1, content="word"), updated="2026-03-01T09:30:00.5Z"),
        replace(make_document(3, 1, content="word"), updated=None),
    )
    instant = datetime(2026, 3, 1, 10, 30, tzinfo=timezone(timedelta(hours=1)))

    assert sorted(found(index.search("word", since=instant))) == ["1", "2"]
    assert found(index.search("word", since=instant + timedelta(milliseconds=1))) == ["2"]
    with pytest.raises(ValueError, match="aware"):
        index.search("word", since=datetime(2026, 3, 1))  # noqa: DTZ001 - the mistake this is about


def test_pages_of_results_name_every_hit_once(index_of):
    index = index_of(*[make_document(number, 1, title="Same", content="same text") for number in range(25)])

    pages = [index.search("same", limit=10, offset=offset) for offset in (0, 10, 20, 30)]

    assert [page.total for page in pages] == [25] * 4
    assert [len(page.hits) for page in pages] == [10, 10, 5, 0]
    assert sorted(int(id_) for page in pages for id_ in found(page)) == list(range(25))


# ------------------------------------------------------------------------------------------ what is shown
def test_a_hit_shows_the_document_without_separators(index_of):
    document = make_document(7, 1, title="全文検索の手引き", content="前置き\n\n会社の全文検索エンジン")
    (hit,) = index_of(document).search("検索", marks=("<", ">")).hits

    assert (hit.id, hit.content_id, hit.datasource_id) == (document.id, "7", OWNER.datasource_id)
    assert (hit.type, hit.space_key, hit.url) == ("page", "DOCS", document.url)
    assert (hit.title, hit.updated) == ("全文検索の手引き", "2026-03-01T09:30:00.000Z")
    assert hit.snippet == "前置き 会社の全文<検索>エンジン"


def test_a_snippet_shows_the_place_in_a_long_text(index_of):
    (hit,) = index_of(make_document(1, 1, content="filler " * 500 + "needle" + " filler" * 500)).search("needle").hits

    assert "**needle**" in hit.snippet
    assert len(hit.snippet) < 400


def test_a_document_that_was_deleted_is_found_no_more(index_of):
    document = make_document(1, 1, content="confidential")
    index = index_of(document)
    assert index.search("confidential").total == 1

    index = index_of(make_tombstone(1, 2))
    assert index.search("confidential").total == 0
    assert index.get(document.id) is None


@pytest.mark.parametrize("call", [lambda i: i.search("x"), lambda i: i.get("x"), lambda i: i.counts()])
def test_an_index_that_is_not_there_yet_is_said_plainly_and_not_made(tmp_path, call):
    index = LocalIndex(tmp_path / "docs.sqlite3")

    with pytest.raises(StorageError, match=r"there is no index at .* yet"):
        call(index)
    assert list(tmp_path.iterdir()) == []
