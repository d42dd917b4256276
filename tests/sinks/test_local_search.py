"""Searching a local index: what is found, how it is shown, and that no text is a wrong query."""

import sqlite3
import unicodedata
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_confluence.documents import Space
from airflow_provider_confluence.errors import StorageError
from airflow_provider_confluence.sinks._segmentation import SEPARATOR, readable, searchable
from airflow_provider_confluence.sinks.local import LocalIndex, LocalSink
from airflow_provider_confluence.sinks.local_search import FACETS
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


@pytest.fixture
def varied(index_of):
    """Six documents with a word in common: 1 DOCS a, 2 DOCS a b, 3 OPS b, 4 OPS, 5 HR blog post without a date, 6 another word."""

    def made(number, space, labels, updated, type_="page", content="word"):
        base = make_document(number, 1, content=content)
        return replace(base, space=Space(space, space, space), labels=labels, updated=updated, type=type_)

    return index_of(
        made(1, "DOCS", ("a",), "2025-12-31T23:59:59.999Z"),
        made(2, "DOCS", ("a", "b", "a"), "2026-01-01T00:00:00Z"),
        made(3, "OPS", ("b",), "2026-01-31T10:00:00Z"),
        made(4, "OPS", (), "2026-02-01T00:00:00Z"),
        made(5, "HR", (), None, "blogpost"),
        made(6, "DOCS", ("c",), "2026-03-01T00:00:00Z", content="other"),
    )


def test_of_several_values_any_one_is_enough_and_of_none_there_is_none(varied):
    assert sorted(found(varied.search("word", space=["DOCS", "HR"]))) == ["1", "2", "5"]
    assert sorted(found(varied.search("word", label=("a", "b")))) == ["1", "2", "3"]
    assert sorted(found(varied.search("word", space=["DOCS", "OPS"], label=["b", "none"]))) == ["2", "3"]
    assert found(varied.search("word", type=["blogpost", "comment"])) == ["5"]
    assert varied.search("word", datasource=["another", OWNER.datasource_id]).total == 5
    assert varied.search("word", space=[]).total == 0
    assert varied.search(space=(), label=[]).total == 0


def test_a_range_of_dates_begins_with_since_and_ends_before_until(varied):
    january = {"since": datetime(2026, 1, 1, tzinfo=timezone.utc), "until": datetime(2026, 2, 1, tzinfo=timezone.utc)}

    assert sorted(found(varied.search("word", **january))) == ["2", "3"]
    assert found(varied.search("word", until=january["since"])) == ["1"]
    with pytest.raises(ValueError, match="until must be aware"):
        varied.search("word", until=datetime(2026, 3, 1))  # noqa: DTZ001 - the mistake this is about


def test_without_a_query_the_newest_that_passes_the_filters_comes_first(varied):
    assert found(varied.search()) == ["6", "4", "3", "2", "1", "5"]
    assert found(varied.search(space=["DOCS", "OPS"], limit=2, offset=1)) == ["4", "3"]
    assert varied.search(space="DOCS", limit=0).total == 3
    (hit,) = varied.search(type="blogpost").hits
    assert (hit.snippet, hit.score) == ("word", 0.0)


def test_facets_count_all_hits_of_a_search_whatever_page_is_shown(varied):
    facets = varied.search("word", limit=1, facets=FACETS).facets

    assert list(facets) == ["space", "type", "label", "datasource", "year", "month"]
    assert list(facets["space"].items()) == [("DOCS", 2), ("OPS", 2), ("HR", 1)]
    assert list(facets["type"].items()) == [("page", 4), ("blogpost", 1)]
    assert list(facets["label"].items()) == [("a", 2), ("b", 2)]
    assert facets["datasource"] == {OWNER.datasource_id: 5}
    assert list(facets["year"].items()) == [("2026", 3), ("2025", 1)]
    assert list(facets["month"].items()) == [("2026-02", 1), ("2026-01", 2), ("2025-12", 1)]


def test_facets_count_what_the_filters_let_through_and_only_what_was_asked(varied):
    assert varied.search("word", facets=["label"], space="OPS").facets == {"label": {"b": 1}}
    assert varied.search(facets=["space", "space"], label="c").facets == {"space": {"DOCS": 1}}
    assert varied.search("word").facets == {}
    assert varied.search("***", facets=["type"]).facets == {"type": {}}
    assert varied.search("absent", facets=["type", "year"]).facets == {"type": {}, "year": {}}
    with pytest.raises(ValueError, match="'spaces' is no facet; there are: space, type"):
        varied.search("word", facets=["spaces"])


def test_a_facet_names_its_hundred_most_frequent_values_as_people_write_them(index_of):
    documents = [replace(make_document(n, 1), labels=(f"only-{n}", "日本語")) for n in range(150)]
    labels = index_of(*documents).search(facets=["label"]).facets["label"]

    assert len(labels) == 100
    assert next(iter(labels.items())) == ("日本語", 150)


odd_text = st.text(st.characters(exclude_characters=[SEPARATOR]), max_size=8) | st.sampled_from(
    ["日本", "cafe\u0301", "\x00", "a\x00b", "\ud800"]
)


@settings(max_examples=60, deadline=None)
@given(space=odd_text, label=odd_text)
def test_a_document_passes_the_filters_of_its_own_values(tmp_path_factory, space, label):
    path = tmp_path_factory.mktemp("own") / "docs.sqlite3"
    sink = LocalSink(path)
    sink.open(OWNER)
    sink.write([replace(make_document(1, 1), space=Space("1", space, "Name"), labels=(label,))])
    sink.close()
    with LocalIndex(path) as index:
        assert index.search(space=space, label=label).total == 1
        facets = index.search(facets=["space", "label"]).facets
        assert index.search(space=facets["space"], label=facets["label"]).total == 1


def test_an_index_of_an_earlier_version_is_searched_as_it_is_and_made_quick_by_the_next_write(varied):
    def names(connection):
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}

    with closing(sqlite3.connect(varied.path)) as connection:
        connection.execute("DROP INDEX doc_newest")
    assert found(varied.search(label="b")) == ["3", "2"]
    assert varied.search("word", facets=["year"]).facets == {"year": {"2026": 3, "2025": 1}}

    sink = LocalSink(varied.path)
    sink.open(OWNER)
    sink.close()
    with closing(sqlite3.connect(varied.path)) as connection:
        assert "doc_newest" in names(connection)
        plan = connection.execute("EXPLAIN QUERY PLAN SELECT rowid FROM doc ORDER BY updated DESC, rowid DESC LIMIT 1")
        assert "doc_newest" in plan.fetchone()[3]


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
