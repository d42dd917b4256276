from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_confluence.confluence.paging import PagedListing, Progress, Row, by_cursor, by_offset
from airflow_provider_confluence.confluence.transport import AbsentError, Answer
from airflow_provider_confluence.documents import Entry
from airflow_provider_confluence.errors import ContractError

Params = Mapping[str, Any]
Serve = Callable[[Params], dict[str, Any]]


def listing(
    pager: Callable[..., Iterator[list[Row]]], serve: Serve, **params: Any
) -> tuple[PagedListing, list[Params]]:
    """Return a listing over a server that is a function of the query, and the queries that it gets."""
    asked: list[Params] = []

    def get(_path: str, query: Params | None = None) -> Answer:
        asked.append(dict(query or {}))
        return Answer(serve(query or {}), {})

    def walk(progress: Progress) -> Iterator[list[Entry]]:
        for rows in pager(get, "/list", {"limit": 10, **params}, progress):
            yield [Entry(str(row["id"]), "page", "current", "", 1, "1") for row in rows]

    return PagedListing(walk), asked


def ids_of(found: PagedListing) -> list[str]:
    return [entry.content_id for entry in found]


def rows(*ids: int) -> list[dict[str, str]]:
    return [{"id": str(id_)} for id_ in ids]


def honest_cursor(total: int, link: str = "/wiki/api/v2/list?cursor={}&limit=10") -> Serve:
    def serve(query: Params) -> dict[str, Any]:
        start = int(query.get("cursor", 0))
        end = min(start + 10, total)
        return {"results": rows(*range(start, end)), "_links": {"next": link.format(end)} if end < total else {}}

    return serve


def honest_offset(total: int, cap: int = 10) -> Serve:
    def serve(query: Params) -> dict[str, Any]:
        start = int(query["start"])
        end = min(start + min(cap, int(query["limit"])), total)
        links = {"next": f"/rest/api/list?start={end}"} if end < total else {}
        return {"results": rows(*range(start, end)), "limit": int(query["limit"]), "start": start, "_links": links}

    return serve


# ---------------------------------------------------------------------------------------- cursors
@pytest.mark.parametrize(
    "link",
    [
        "/wiki/api/v2/list?cursor={}&limit=10",
        "/rest/api/list?limit=10&cursor={}&next=true",
        "https://elsewhere.example/rest/api/list?cursor={}",
    ],
)
def test_the_cursor_is_taken_from_any_shape_of_link_and_our_query_stays(link: str) -> None:
    found, asked = listing(by_cursor, honest_cursor(25, link), status="current")
    assert [str(number) for number in range(25)] == ids_of(found)
    assert found.complete
    assert found.doubt is None
    assert [query.get("cursor") for query in asked] == [None, "10", "20"]
    assert all(query["status"] == "current" for query in asked)


def test_a_link_cannot_change_our_query() -> None:
    found, asked = listing(by_cursor, honest_cursor(15, "/list?cursor={}&status=trashed&limit=1"), status="current")
    ids_of(found)
    assert asked[1] == {"limit": 10, "status": "current", "cursor": "10"}


def test_the_next_page_may_be_named_in_the_header_or_by_data_center_s_next_cursor() -> None:
    def get(_path: str, query: Params | None = None) -> Answer:
        at = (query or {}).get("cursor")
        if at is None:
            return Answer({"results": rows(1)}, {"Link": '</wiki/api/v2/list?cursor=b>; rel="next", </x>; rel="base"'})
        if at == "b":
            return Answer({"results": rows(2), "nextCursor": "content:false:2"}, {})
        return Answer({"results": rows(3)}, {})

    progress = Progress()
    assert [rows(1), rows(2), rows(3)] == list(by_cursor(get, "/list", {}, progress))
    assert progress.doubt is None


def test_a_listing_is_not_complete_before_its_end() -> None:
    found, _ = listing(by_cursor, honest_cursor(25))
    entries = iter(found)
    for _ in range(25):
        next(entries)
        assert not found.complete
    assert next(entries, None) is None
    assert found.complete


def test_a_listing_is_iterated_once() -> None:
    found, _ = listing(by_cursor, honest_cursor(5))
    ids_of(found)
    with pytest.raises(RuntimeError, match="once"):
        ids_of(found)


def test_a_cursor_that_comes_again_ends_the_listing_in_doubt() -> None:
    found, asked = listing(by_cursor, lambda _query: {"results": rows(1), "_links": {"next": "/list?cursor=same"}})
    assert ids_of(found) == ["1"]
    assert not found.complete
    assert found.doubt is not None
    assert len(asked) == 2


def test_pages_that_never_end_but_repeat_themselves_end_the_listing_in_doubt() -> None:
    def serve(query: Params) -> dict[str, Any]:
        return {"results": rows(1, 2), "_links": {"next": f"/list?cursor={int(query.get('cursor', 0)) + 1}"}}

    found, asked = listing(by_cursor, serve)
    assert ids_of(found) == ["1", "2"]
    assert not found.complete
    assert len(asked) == 2


def test_an_empty_page_that_names_a_next_one_is_followed() -> None:
    pages = {"": ([1], "b"), "b": ([], "c"), "c": ([2], "d"), "d": ([], "")}

    def serve(query: Params) -> dict[str, Any]:
        ids, following = pages[query.get("cursor", "")]
        return {"results": rows(*ids), "_links": {"next": f"/list?cursor={following}"} if following else {}}

    found, _ = listing(by_cursor, serve)
    assert (ids_of(found), found.complete) == (["1", "2"], True)


def test_empty_pages_without_end_are_not_followed_for_ever() -> None:
    def serve(query: Params) -> dict[str, Any]:
        return {"results": [], "_links": {"next": f"/list?cursor={int(query.get('cursor', 0)) + 1}"}}

    found, asked = listing(by_cursor, serve)
    assert ids_of(found) == []
    assert not found.complete
    assert len(asked) <= 10


def test_a_cursor_that_is_refused_in_the_middle_leaves_the_listing_in_doubt() -> None:
    def serve(query: Params) -> dict[str, Any]:
        if "cursor" in query:
            raise ContractError("400", status=400)
        return {"results": rows(1), "_links": {"next": "/list?cursor=b"}}

    found, _ = listing(by_cursor, serve)
    assert ids_of(found) == ["1"]
    assert found.doubt is not None
    assert not found.complete


def test_a_parameter_that_is_refused_behind_a_cursor_is_left_out_there() -> None:
    def serve(query: Params) -> dict[str, Any]:
        if "cursor" in query and "type" in query:
            raise ContractError("400", status=400)
        return honest_cursor(25)(query)

    def pager(*arguments: Any) -> Iterator[list[Row]]:
        return by_cursor(*arguments, droppable=("type",))

    found, asked = listing(pager, serve, type="page")
    assert len(ids_of(found)) == 25
    assert found.complete
    assert ["type" in query for query in asked] == [True, True, False, False]


def test_a_listing_of_what_is_not_there_lists_nothing_and_is_not_complete() -> None:
    def serve(_query: Params) -> dict[str, Any]:
        raise AbsentError("GET /list is not there", status=404)

    found, _ = listing(by_cursor, serve)
    assert ids_of(found) == []
    assert found.doubt == "GET /list is not there"
    assert not found.complete


@pytest.mark.parametrize("data", [{}, {"results": None}, {"results": {"id": "1"}}, {"results": ["1"]}])
def test_a_listing_without_results_is_a_broken_contract(data: dict[str, Any]) -> None:
    found, _ = listing(by_cursor, lambda _query: data)
    with pytest.raises(ContractError, match="results"):
        ids_of(found)
    assert not found.complete


# ---------------------------------------------------------------------------------------- offsets
def test_the_start_is_our_own_whatever_the_links_say() -> None:
    def serve(query: Params) -> dict[str, Any]:
        data = honest_offset(25)(query)
        if data["_links"]:
            data["_links"]["next"] = "/list?start=3"
        return data

    found, asked = listing(by_offset, serve)
    assert (len(ids_of(found)), found.complete) == (25, True)
    assert [query["start"] for query in asked] == [0, 10, 20]


def test_a_silent_cap_loses_nothing() -> None:
    found, _ = listing(by_offset, honest_offset(25, cap=4))
    assert (len(ids_of(found)), found.complete) == (25, True)


def test_a_full_page_that_names_no_next_one_is_not_trusted_to_be_the_last() -> None:
    def serve(query: Params) -> dict[str, Any]:
        return {**honest_offset(25)(query), "_links": {}}

    found, _ = listing(by_offset, serve)
    assert (len(ids_of(found)), found.complete) == (25, True)


@pytest.mark.parametrize("total", [1, 7, 10, 25, 30])
def test_a_list_that_runs_over_its_end_is_complete_when_a_second_look_shows_the_end(total: int) -> None:
    def serve(query: Params) -> dict[str, Any]:
        start = int(query["start"])
        data = honest_offset(total)({**query, "start": start if start < total else max(0, total - 10)})
        return {**data, "_links": {"next": f"/list?start={start + 10}"}}

    found, asked = listing(by_offset, serve)
    assert (total, True) == (len(ids_of(found)), found.complete)
    assert len(asked) <= 6


def test_a_list_that_repeats_itself_while_more_is_there_is_in_doubt() -> None:
    def serve(query: Params) -> dict[str, Any]:  # CONFSERVER-95396: nothing past 20 is ever given
        start = int(query["start"])
        data = honest_offset(60)({**query, "start": start if start < 20 else 10})
        return {**data, "_links": {"next": f"/list?start={start + 10}"}}

    found, _ = listing(by_offset, serve)
    ids_of(found)
    assert not found.complete
    assert found.doubt is not None


def test_a_total_that_was_not_reached_is_a_doubt() -> None:
    def serve(query: Params) -> dict[str, Any]:
        return {**honest_offset(25)(query), "totalSize": 40}

    found, _ = listing(by_offset, serve)
    assert len(ids_of(found)) == 25
    assert found.doubt == "/list listed 25 of 40 items"


def test_items_that_shift_while_listing_are_a_doubt() -> None:
    def serve(query: Params) -> dict[str, Any]:
        start = int(query["start"])
        return honest_offset(25)({**query, "start": start - 2 if start else 0})

    found, _ = listing(by_offset, serve)
    assert len(set(ids_of(found))) == 25 - 0
    assert not found.complete


@settings(deadline=None)
@given(total=st.integers(0, 60), cap=st.integers(1, 12), limit=st.integers(1, 12))
def test_offset_paging_yields_each_item_once(total: int, cap: int, limit: int) -> None:
    found, _ = listing(by_offset, honest_offset(total, cap), limit=limit)
    assert [str(number) for number in range(total)] == ids_of(found)
    assert found.complete


@settings(deadline=None)
@given(total=st.integers(0, 60), repeats=st.sets(st.integers(0, 59)))
def test_cursor_paging_yields_each_item_once_and_doubts_a_server_that_repeats(total: int, repeats: set[int]) -> None:
    def serve(query: Params) -> dict[str, Any]:
        data = honest_cursor(total)(query)
        start = int(query.get("cursor", 0))
        again = [id_ for id_ in repeats if id_ < start]
        return {**data, "results": data["results"] + rows(*again)}

    found, _ = listing(by_cursor, serve)
    assert sorted(map(str, range(total))) == sorted(ids_of(found))
    assert found.complete == (not any(id_ < (total - 1) // 10 * 10 for id_ in repeats if total))


@pytest.mark.parametrize("pager", [by_cursor, by_offset])
def test_a_list_that_never_ends_is_given_up_and_is_not_whole(pager: Any) -> None:
    """Each page brings new items and names a next one: nothing but their number tells."""
    numbers = itertools.count()

    def get(_path: str, _params: Any = None) -> Answer:
        rows = [{"id": str(next(numbers))} for _ in range(100)]
        return Answer({"results": rows, "limit": 100, "_links": {"next": f"/x?cursor=c{next(numbers)}"}}, {})

    progress = Progress(most_rows=5_000)
    listed = sum(len(rows) for rows in pager(get, "/x", {"limit": 100}, progress))
    assert 5_000 < listed <= 5_100
    assert "items" in str(progress.doubt)


def test_a_cursor_without_an_end_is_not_followed() -> None:
    asked: list[Any] = []

    def get(_path: str, params: Any = None) -> Answer:
        asked.append(params)
        return Answer({"results": [{"id": str(len(asked))}], "_links": {"next": "/x?cursor=" + "c" * 1_000_000}}, {})

    progress = Progress()
    assert len(list(by_cursor(get, "/x", {}, progress))) == 1
    assert "characters" in str(progress.doubt)
